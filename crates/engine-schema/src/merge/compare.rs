//! What differs between two objects.

use std::collections::BTreeSet;

use serde_json::{Map as Object, Value};

use super::{Form, equal, form, is_empty, items::items};
use crate::{
    fields::{FieldSet, PathElement},
    types::{List, Map, Type},
};

/// Which fields differ between two objects. No path is in more than one of the sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Fields that only the second object has.
    pub added: FieldSet,
    /// Fields that both have, with other values.
    pub modified: FieldSet,
    /// Fields that only the first object has.
    pub removed: FieldSet,
}

impl Comparison {
    /// Whether nothing differs. The order of a list that merges is not seen.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }
}

/// What differs between two objects.
#[must_use]
pub fn compare(before: &Value, after: &Value, of: &Type) -> Comparison {
    let mut walk = Walk { path: Vec::new(), out: Comparison::default() };
    walk.values(Some(before), Some(after), of);
    walk.out
}

struct Walk {
    path: Vec<PathElement>,
    out: Comparison,
}

/// Whether a value was compared as a whole.
#[derive(PartialEq, Eq)]
enum Compared {
    Whole,
    InParts,
}

impl Walk {
    fn below(&mut self, element: PathElement, before: Option<&Value>, after: Option<&Value>, of: &Type) {
        self.path.push(element);
        self.values(before, after, of);
        self.path.pop();
    }

    fn values(&mut self, before: Option<&Value>, after: Option<&Value>, of: &Type) {
        let (old, new) = (form(of, before), form(of, after));
        let compared = match (before, after) {
            (None, None) => return,
            (_, None) => self.in_form(before, after, old),
            (None, _) => self.in_form(before, after, new),
            // A map became a string, or the like: what was goes, what is comes.
            _ if !old.is_like(new) => {
                self.in_form(before, after, old);
                self.in_form(before, after, new)
            }
            _ => self.in_form(before, after, new),
        };
        if compared == Compared::InParts {
            match (before, after) {
                (None, _) => self.out.added.insert(&self.path),
                (_, None) => self.out.removed.insert(&self.path),
                _ => {}
            }
        }
    }

    fn in_form(&mut self, before: Option<&Value>, after: Option<&Value>, form: Form<'_>) -> Compared {
        // Both empty: as a whole, so that `{}` and `null` stay apart.
        if form.is_atomic() || (is_empty(before, form) && is_empty(after, form)) {
            match (before, after) {
                (None, _) => self.out.added.insert(&self.path),
                (_, None) => self.out.removed.insert(&self.path),
                (Some(b), Some(a)) if !equal(b, a) => self.out.modified.insert(&self.path),
                _ => {}
            }
            return Compared::Whole;
        }
        match form {
            Form::Scalar(_) => {}
            Form::Map(map) => self.maps(before.and_then(Value::as_object), after.and_then(Value::as_object), map),
            Form::List(list) => self.lists(before, after, list),
        }
        Compared::InParts
    }

    fn maps(&mut self, before: Option<&Object<String, Value>>, after: Option<&Object<String, Value>>, map: &Map) {
        let keys: BTreeSet<&String> = before.into_iter().chain(after).flat_map(Object::keys).collect();
        for key in keys {
            let (b, a) = (before.and_then(|m| m.get(key)), after.and_then(|m| m.get(key)));
            // Most of an object is what it was.
            if b == a {
                continue;
            }
            self.below(PathElement::field(key), b, a, map.value(key).unwrap_or(Type::deduced()));
        }
    }

    fn lists(&mut self, before: Option<&Value>, after: Option<&Value>, list: &List) {
        let (before, after) = (items(list, before).by_element, items(list, after).by_element);
        let elements: BTreeSet<&PathElement> = before.keys().chain(after.keys()).collect();
        for element in elements {
            let none = Vec::new();
            let (b, a) = (before.get(element).unwrap_or(&none), after.get(element).unwrap_or(&none));
            let of = list.items();
            match (b.as_slice(), a.as_slice()) {
                ([] | [_], [] | [_]) => self.below(element.clone(), b.first().copied(), a.first().copied(), of),
                // Items that cannot be told apart are compared as a whole.
                ([_, _, ..], [_, _, ..]) => {
                    if b.len() != a.len() || !b.iter().zip(a).all(|(b, a)| equal(b, a)) {
                        self.insert(element, |out| &mut out.modified);
                    }
                }
                ([_, _, ..], _) => {
                    if let Some(one) = a.first() {
                        self.below(element.clone(), None, Some(one), of);
                    }
                    self.insert(element, |out| &mut out.removed);
                }
                (_, [_, _, ..]) => {
                    if let Some(one) = b.first() {
                        self.below(element.clone(), Some(one), None, of);
                    }
                    self.insert(element, |out| &mut out.added);
                }
            }
        }
    }

    fn insert(&mut self, element: &PathElement, set: fn(&mut Comparison) -> &mut FieldSet) {
        self.path.push(element.clone());
        set(&mut self.out).insert(&self.path);
        self.path.pop();
    }
}

//! The fields in which two forms of an object differ.

use std::sync::Arc;

use gitops_engine_core::{FieldChange, FieldPath, GroupKind, Key, PathElement, Value};

use crate::desired::{LAST_APPLIED, is_controlled, is_server_metadata, is_type_meta};
use crate::mask::Mask;
use crate::ownership::ManagerFields;
use crate::quantity;
use crate::schema::{Items, ListType, Members, MergeKey, Shape, key_value};

/// A step of the path to where the walk is. Turned into a [`PathElement`] only when a change is found.
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a Key),
    Index(usize),
    Item(&'a Value, &'static [MergeKey]),
    Member(&'a Value),
}

impl Step<'_> {
    fn element(self) -> PathElement {
        match self {
            Step::Key(key) => PathElement::Key(key.to_shared()),
            Step::Index(index) => PathElement::Index(index),
            Step::Item(item, keys) => PathElement::Item(item_keys(item, keys)),
            Step::Member(member) => PathElement::Member(member.clone()),
        }
    }
}

fn item_keys(item: &Value, keys: &[MergeKey]) -> Vec<(Arc<str>, Value)> {
    keys.iter().filter_map(|key| Some((key.name.into(), key_value(item, key)?.into()))).collect()
}

/// Which fields a comparison leaves out.
pub(crate) struct Scope<'a> {
    /// The object that is to be applied: fields that it hands to a controller do not count.
    pub(crate) desired: &'a Value,
    /// Whether `status` counts.
    pub(crate) status: bool,
}

/// Lists the changes from one form of an object to another, by path.
pub(crate) fn changes(
    kind: &GroupKind,
    before: &Value,
    after: &Value,
    scope: &Scope<'_>,
    mask: &mut Mask,
) -> Vec<FieldChange> {
    let mut walk = Walk { path: Vec::with_capacity(16), mask, found: Vec::new(), hidden: None };
    let shape = Shape::of(kind);
    walk.fields(Some(before), Some(after), shape, |key| {
        !is_type_meta(key)
            && key != "metadata"
            && (scope.status || key != "status")
            && !is_controlled(kind, scope.desired, key)
    });
    let (before, after) = (before.get("metadata"), after.get("metadata"));
    let metadata = Key::new("metadata");
    walk.path.push(Step::Key(&metadata));
    walk.fields(before, after, shape.field("metadata"), |key| !is_server_metadata(key));
    walk.path.pop();
    walk.found.sort_by(|a, b| a.path.partial_cmp(&b.path).unwrap_or(std::cmp::Ordering::Equal));
    walk.found
}

/// Adds to each change who owns the field now.
pub(crate) fn name_owners(changes: &mut [FieldChange], managers: &[ManagerFields]) {
    for change in changes {
        for entry in managers.iter().filter(|entry| entry.fields.touches(&change.path)) {
            if !change.owners.contains(&entry.manager) {
                change.owners.push(entry.manager.clone());
            }
        }
    }
}

struct Walk<'a, 'm> {
    path: Vec<Step<'a>>,
    mask: &'m mut Mask,
    found: Vec<FieldChange>,
    /// Inside a field that holds secrets: whether their values are base64.
    hidden: Option<bool>,
}

impl<'a> Walk<'a, '_> {
    fn compare(&mut self, before: Option<&'a Value>, after: Option<&'a Value>, shape: Shape) {
        let present = |value: Option<&'a Value>| value.filter(|value| !value.is_null());
        match (present(before), present(after)) {
            (None, None) => {}
            (Some(Value::Object(_)), Some(Value::Object(_))) => self.fields(before, after, shape, |_| true),
            (Some(Value::Array(before)), Some(Value::Array(after))) => self.list(before, after, shape),
            (Some(a), Some(b)) if a == b || shape.is_quantity() && quantity::same(a, b) => {}
            // Each secret value is a change of its own.
            (Some(Value::Object(_)), None) | (None, Some(Value::Object(_))) if self.hidden.is_some() => {
                self.fields(before, after, shape, |_| true);
            }
            (before, after) => self.emit(before, after),
        }
    }

    fn emit(&mut self, before: Option<&Value>, after: Option<&Value>) {
        let path = FieldPath(self.path.iter().map(|step| step.element()).collect());
        let (secret, encoded) = (self.hidden.is_some(), self.hidden.unwrap_or(false));
        let before = self.mask.show(before, secret, encoded);
        let after = self.mask.show(after, secret, encoded);
        self.found.push(FieldChange::new(path, before, after));
    }

    fn fields(
        &mut self,
        before: Option<&'a Value>,
        after: Option<&'a Value>,
        shape: Shape,
        considered: impl Fn(&str) -> bool,
    ) {
        let entries = |value: Option<&'a Value>| match value {
            Some(Value::Object(map)) => map.iter().as_slice(),
            _ => &[],
        };
        let (mut before, mut after) = (entries(before), entries(after));
        loop {
            let (key, a, b) = match (before.split_first(), after.split_first()) {
                (None, None) => return,
                (Some(((a, x), rest_a)), Some(((b, y), rest_b))) if a == b => {
                    (before, after) = (rest_a, rest_b);
                    (a, Some(x), Some(y))
                }
                (Some(((a, x), rest)), other) if other.is_none_or(|((b, _), _)| a < b) => {
                    before = rest;
                    (a, Some(x), None)
                }
                (_, Some(((b, y), rest))) => {
                    after = rest;
                    (b, None, Some(y))
                }
                (Some(_), None) => return,
            };
            let text = key.as_str();
            if !considered(text) || shape.is_texts() && text == LAST_APPLIED {
                continue;
            }
            if self.path.is_empty() && self.mask.hides(text) {
                self.hidden = Some(text == "data");
            }
            self.path.push(Step::Key(key));
            self.compare(a, b, shape.field(text));
            self.path.pop();
            if self.path.is_empty() {
                self.hidden = None;
            }
        }
    }

    fn list(&mut self, before: &'a [Value], after: &'a [Value], shape: Shape) {
        match shape.list_type() {
            ListType::Map(keys) => {
                if let (Some(old), Some(new)) = (Items::new(before, keys), Items::new(after, keys)) {
                    return self.items((before, &old), (after, &new), keys, shape);
                }
            }
            ListType::Set => {
                let (old, new) = (Members::new(before), Members::new(after));
                for member in before.iter().filter(|member| !new.contains(member)) {
                    self.step(Step::Member(member), Some(member), None, shape.items());
                }
                for member in after.iter().filter(|member| !old.contains(member)) {
                    self.step(Step::Member(member), None, Some(member), shape.items());
                }
                return;
            }
            ListType::Atomic => {}
        }
        if before.len() == after.len() {
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                self.step(Step::Index(at), Some(before), Some(after), shape.items());
            }
        } else {
            self.emit(Some(&Value::Array(before.into())), Some(&Value::Array(after.into())));
        }
    }

    fn step(&mut self, step: Step<'a>, before: Option<&'a Value>, after: Option<&'a Value>, shape: Shape) {
        self.path.push(step);
        self.compare(before, after, shape);
        self.path.pop();
    }

    fn items(
        &mut self,
        (before, old): (&'a [Value], &Items<'a>),
        (after, new): (&'a [Value], &Items<'a>),
        keys: &'static [MergeKey],
        shape: Shape,
    ) {
        let mut moved = false;
        let mut previous = None;
        for (at, item) in before.iter().enumerate() {
            let found = new.find(item, at);
            if let Some((position, _)) = found {
                moved |= previous.is_some_and(|previous| previous > position);
                previous = Some(position);
            }
            self.step(Step::Item(item, keys), Some(item), found.map(|(_, item)| item), shape.items());
        }
        for (at, item) in after.iter().enumerate() {
            if old.find(item, at).is_none() {
                self.step(Step::Item(item, keys), None, Some(item), shape.items());
            }
        }
        if moved {
            // The items are the same in another order: their keys say it all.
            let order = |items: &[Value]| {
                let keys = |item| match <[_; 1]>::try_from(item_keys(item, keys)) {
                    Ok([(_, value)]) => value,
                    Err(many) => Value::Array(many.into_iter().map(|(_, value)| value).collect()),
                };
                Value::Array(items.iter().map(keys).collect())
            };
            self.emit(Some(&order(before)), Some(&order(after)));
        }
    }
}

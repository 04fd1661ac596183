//! Sets of paths.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{FieldPath, PathElement};
use crate::types::Type;

/// A set of field paths. A path may be in the set without those below or above it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    nodes: BTreeMap<PathElement, Node>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    member: bool,
    children: FieldSet,
}

/// Why a value is not a `FieldsV1`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldsError {
    /// Something else than an object, at the element shown.
    #[error("not an object at {0:?}")]
    NotAnObject(String),
    /// The text of an element cannot be read.
    #[error("the path element {element:?}: {problem}")]
    Element {
        /// The text.
        element: String,
        /// What is wrong.
        problem: String,
    },
}

impl FieldSet {
    /// The set of these paths.
    #[must_use]
    pub fn of(paths: impl IntoIterator<Item = FieldPath>) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(&path.0);
        }
        set
    }

    /// Whether no path is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Adds a path, not those above it. The empty path is never in a set.
    pub fn insert(&mut self, path: &[PathElement]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let node = self.nodes.entry(first.clone()).or_default();
        if rest.is_empty() { node.member = true } else { node.children.insert(rest) }
    }

    /// Adds an element with the paths below it, unless there is nothing to add. The element must not be in the set yet.
    pub(crate) fn put(&mut self, element: PathElement, member: bool, children: Self) {
        if member || !children.is_empty() {
            self.nodes.insert(element, Node { member, children });
        }
    }

    /// Whether every path of this set is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.nodes.iter().all(|(element, mine)| match other.nodes.get(element) {
            Some(theirs) => (theirs.member || !mine.member) && mine.children.is_subset(&theirs.children),
            None => false,
        })
    }

    /// Whether the path itself is in the set.
    #[must_use]
    pub fn contains(&self, path: &[PathElement]) -> bool {
        match path.split_first() {
            None => false,
            Some((first, rest)) => self
                .nodes
                .get(first)
                .is_some_and(|node| if rest.is_empty() { node.member } else { node.children.contains(rest) }),
        }
    }

    pub(crate) fn has(&self, element: &PathElement) -> bool {
        self.nodes.get(element).is_some_and(|n| n.member)
    }

    /// The paths below an element, without it.
    pub(crate) fn below(&self, element: &PathElement) -> Option<&Self> {
        self.nodes.get(element).map(|n| &n.children).filter(|c| !c.is_empty())
    }

    /// Elements that have paths below them or are members, at the top of the set.
    pub(crate) fn top(&self) -> impl Iterator<Item = (&PathElement, bool, &Self)> {
        self.nodes.iter().map(|(element, node)| (element, node.member, &node.children))
    }

    /// The paths of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.absorb(other);
        out
    }

    pub(crate) fn absorb(&mut self, other: &Self) {
        for (element, node) in &other.nodes {
            match self.nodes.get_mut(element) {
                Some(mine) => {
                    mine.member |= node.member;
                    mine.children.absorb(&node.children);
                }
                None => {
                    self.nodes.insert(element.clone(), node.clone());
                }
            }
        }
    }

    /// The paths of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let nodes = self.nodes.iter().filter_map(|(element, mine)| {
            let theirs = other.nodes.get(element)?;
            Node { member: mine.member && theirs.member, children: mine.children.intersection(&theirs.children) }
                .unless_empty(element)
        });
        Self { nodes: nodes.collect() }
    }

    /// The paths of this set that are not in the other. A path in the other set says nothing about those below it.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let nodes = self.nodes.iter().filter_map(|(element, mine)| match other.nodes.get(element) {
            None => Some((element.clone(), mine.clone())),
            Some(theirs) => {
                Node { member: mine.member && !theirs.member, children: mine.children.difference(&theirs.children) }
                    .unless_empty(element)
            }
        });
        Self { nodes: nodes.collect() }
    }

    /// The paths of this set that are neither in the other nor below a path of it.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        let nodes = self.nodes.iter().filter_map(|(element, mine)| match other.nodes.get(element) {
            None => Some((element.clone(), mine.clone())),
            Some(theirs) if theirs.member => None,
            Some(theirs) => {
                Node { member: mine.member, children: mine.children.recursive_difference(&theirs.children) }
                    .unless_empty(element)
            }
        });
        Self { nodes: nodes.collect() }
    }

    /// The paths of this set that are in the other or below a path of it.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let nodes = self.nodes.iter().filter_map(|(element, mine)| {
            let theirs = other.nodes.get(element)?;
            if theirs.member {
                return Some((element.clone(), mine.clone()));
            }
            Node { member: false, children: mine.children.within(&theirs.children) }.unless_empty(element)
        });
        Self { nodes: nodes.collect() }
    }

    /// Adds every named field of a struct that has a path of the set below it: who gives up the last field of a struct gives
    /// up the struct.
    #[must_use]
    pub(crate) fn with_named_parents(&self, of: &Type) -> Self {
        let nodes = self.nodes.iter().map(|(element, node)| {
            let field = element.as_field();
            let named = field.is_some_and(|name| of.field(name).is_some());
            let member = node.member || (named && !node.children.is_empty());
            let below = match field {
                Some(name) => of.value(name),
                None if element.is_keys() => of.items(),
                None => Type::untyped(),
            };
            (element.clone(), Node { member, children: node.children.with_named_parents(below) })
        });
        Self { nodes: nodes.collect() }
    }

    /// Every path of the set. Those that end at an element come before those that go on below it or a neighbour, which is
    /// the order that conflicts are listed in.
    #[must_use]
    pub fn paths(&self) -> Vec<FieldPath> {
        fn walk(set: &FieldSet, path: &mut Vec<PathElement>, out: &mut Vec<FieldPath>) {
            for (element, _) in set.nodes.iter().filter(|(_, n)| n.member) {
                path.push(element.clone());
                out.push(FieldPath(path.clone()));
                path.pop();
            }
            for (element, node) in &set.nodes {
                path.push(element.clone());
                walk(&node.children, path, out);
                path.pop();
            }
        }
        let mut out = Vec::new();
        walk(self, &mut Vec::new(), &mut out);
        out
    }

    /// The set as `FieldsV1`.
    #[must_use]
    pub fn to_fields_v1(&self) -> Value {
        let mut map = Map::new();
        for (element, node) in &self.nodes {
            let mut below = node.children.to_fields_v1();
            if node.member
                && !node.children.is_empty()
                && let Some(below) = below.as_object_mut()
            {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            map.insert(element.as_str().to_owned(), below);
        }
        Value::Object(map)
    }

    /// Reads `FieldsV1`. Elements of a kind that is not known are left out.
    ///
    /// # Errors
    /// [`FieldsError`]: the value is not `FieldsV1`.
    pub fn from_fields_v1(value: &Value) -> Result<Self, FieldsError> {
        fn object<'a>(value: &'a Value, at: &str) -> Result<&'a Map<String, Value>, FieldsError> {
            value.as_object().ok_or_else(|| FieldsError::NotAnObject(at.to_owned()))
        }
        fn read(map: &Map<String, Value>) -> Result<FieldSet, FieldsError> {
            let mut set = FieldSet::default();
            for (key, below) in map.iter().filter(|(key, _)| *key != ".") {
                let element = PathElement::parse(key)
                    .map_err(|problem| FieldsError::Element { element: key.clone(), problem })?;
                let below = object(below, key)?;
                let children = read(below)?;
                if let Some(element) = element {
                    let member = below.is_empty() || below.contains_key(".");
                    set.nodes.extend(Node { member, children }.unless_empty(&element));
                }
            }
            Ok(set)
        }
        read(object(value, "")?)
    }
}

impl Node {
    fn unless_empty(self, element: &PathElement) -> Option<(PathElement, Self)> {
        (self.member || !self.children.is_empty()).then(|| (element.clone(), self))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn set(value: Value) -> FieldSet {
        FieldSet::from_fields_v1(&value).unwrap()
    }

    #[test]
    fn fields_v1_round_trips() {
        let value =
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:image": {}}}, "f:replicas": {}}});
        assert_eq!(set(value.clone()).to_fields_v1(), value);
    }

    #[test]
    fn elements_are_read_into_one_form() {
        let odd = json!({"f:l": {"k:{\"b\": 1.0, \"a\":\"<\"}": {}, "v: \"x\"": {}, "i:007": {}, "z:new": {}}});
        let expected = json!({"f:l": {"k:{\"a\":\"\\u003c\",\"b\":1}": {}, "v:\"x\"": {}, "i:7": {}}});
        assert_eq!(set(odd).to_fields_v1(), expected);
        for broken in
            [json!([]), json!({"f": {}}), json!({"fx": {}}), json!({"k:[]": {}}), json!({"v:": {}}), json!({"f:a": 1})]
        {
            assert!(FieldSet::from_fields_v1(&broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn paths_print_as_conflicts_show_them() {
        let s = set(json!({"f:spec": {
            "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:name": {}}}, "f:finalizers": {"v:\"x\"": {}}, "f:z": {},
        }}));
        let texts: Vec<String> = s.paths().iter().map(ToString::to_string).collect();
        assert_eq!(texts, [".spec.z", r#".spec.finalizers[="x"]"#, r#".spec.ports[port=80,protocol="TCP"].name"#]);
    }

    #[test]
    fn recursive_difference_and_within_are_about_what_is_below() {
        let s = set(json!({"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": {}}}));
        let other = set(json!({"f:a": {}}));
        assert_eq!(s.recursive_difference(&other), set(json!({"f:c": {"f:d": {}}})));
        assert_eq!(s.difference(&other), set(json!({"f:a": {"f:b": {}}, "f:c": {"f:d": {}}})));
        assert_eq!(s.within(&other), set(json!({"f:a": {".": {}, "f:b": {}}})));
    }

    fn arbitrary() -> impl Strategy<Value = FieldSet> {
        prop::collection::vec(prop::collection::vec("[abc]", 1..4), 0..8).prop_map(|paths| {
            FieldSet::of(paths.iter().map(|p| FieldPath::of_fields(&p.iter().map(String::as_str).collect::<Vec<_>>())))
        })
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), "[fkvi]:.{0,4}".prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[fkvi.]:?[a{\"1}:]{0,6}", inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn set_laws(a in arbitrary(), b in arbitrary()) {
            prop_assert_eq!(a.union(&b), b.union(&a));
            prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
            prop_assert!(a.difference(&a).is_empty());
            prop_assert_eq!(a.is_subset(&b), a.difference(&b).is_empty());
            prop_assert_eq!(a.union(&b).difference(&b), a.difference(&b));
            prop_assert_eq!(a.recursive_difference(&b).union(&a.within(&b)), a.clone());
            prop_assert_eq!(FieldSet::from_fields_v1(&a.to_fields_v1()), Ok(a.clone()));
            for path in a.paths() {
                prop_assert!(a.contains(&path.0));
                prop_assert_eq!(b.contains(&path.0), a.intersection(&b).contains(&path.0));
            }
        }

        #[test]
        fn whatever_is_read_is_written_and_read_again(value in json()) {
            if let Ok(set) = FieldSet::from_fields_v1(&value) {
                prop_assert_eq!(FieldSet::from_fields_v1(&set.to_fields_v1()), Ok(set));
            }
        }
    }
}

//! Sets of field paths, in the notation of `FieldsV1`: `f:name`, `k:{"key":"value"}`, `v:value`, `i:index`, `.` for itself.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A set of paths, as a trie. A path element is kept in its `FieldsV1` text, which is canonical.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    member: bool,
    children: FieldSet,
}

/// `f:` element of a field name.
pub(crate) fn field(name: &str) -> String {
    format!("f:{name}")
}

impl FieldSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(crate) fn insert(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let node = self.nodes.entry(first.clone()).or_default();
        if rest.is_empty() { node.member = true } else { node.children.insert(rest) }
    }

    /// Whether the element itself is in the set.
    pub(crate) fn has(&self, element: &str) -> bool {
        self.nodes.get(element).is_some_and(|n| n.member)
    }

    pub(crate) fn child(&self, element: &str) -> Option<&FieldSet> {
        self.nodes.get(element).map(|n| &n.children).filter(|c| !c.is_empty())
    }

    /// Removes one path, not what is below it.
    pub(crate) fn remove_member(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let Some(node) = self.nodes.get_mut(*first) else {
            return;
        };
        if rest.is_empty() {
            node.member = false
        } else {
            node.children.remove_member(rest)
        }
        if !node.member && node.children.is_empty() {
            self.nodes.remove(*first);
        }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.absorb(other);
        out
    }

    fn absorb(&mut self, other: &Self) {
        for (k, n) in &other.nodes {
            let mine = self.nodes.entry(k.clone()).or_default();
            mine.member |= n.member;
            mine.children.absorb(&n.children);
        }
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a && b)
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a && !b)
    }

    fn zip(&self, other: &Self, keep: fn(bool, bool) -> bool) -> Self {
        let empty = Node::default();
        let nodes = self
            .nodes
            .iter()
            .filter_map(|(k, mine)| {
                let theirs = other.nodes.get(k).unwrap_or(&empty);
                let node = Node {
                    member: keep(mine.member, theirs.member),
                    children: mine.children.zip(&theirs.children, keep),
                };
                (node.member || !node.children.is_empty()).then(|| (k.clone(), node))
            })
            .collect();
        Self { nodes }
    }

    /// Every struct field on the way to a member becomes a member: giving up the last field of a struct gives up the
    /// struct. `is_struct_field` gets the elements from the root.
    pub(crate) fn with_named_parents(&self, is_struct_field: &dyn Fn(&[&str]) -> bool) -> Self {
        fn walk<'a>(set: &'a FieldSet, path: &mut Vec<&'a str>, is: &dyn Fn(&[&str]) -> bool) -> FieldSet {
            let mut nodes = BTreeMap::new();
            for (k, n) in &set.nodes {
                path.push(k);
                let member = n.member || (k.starts_with("f:") && is(path));
                let children = walk(&n.children, path, is);
                path.pop();
                nodes.insert(k.clone(), Node { member, children });
            }
            FieldSet { nodes }
        }
        walk(self, &mut Vec::new(), is_struct_field)
    }

    /// Every member, as a list of elements.
    pub(crate) fn paths(&self) -> Vec<Vec<String>> {
        fn walk(set: &FieldSet, path: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
            for (k, n) in &set.nodes {
                path.push(k.clone());
                if n.member {
                    out.push(path.clone());
                }
                walk(&n.children, path, out);
                path.pop();
            }
        }
        let mut out = Vec::new();
        walk(self, &mut Vec::new(), &mut out);
        out
    }

    /// `FieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        for (k, n) in &self.nodes {
            let mut value = n.children.to_json();
            if n.member
                && !n.children.is_empty()
                && let Some(map) = value.as_object_mut()
            {
                map.insert(".".to_owned(), Value::Object(Map::new()));
            }
            map.insert(k.clone(), value);
        }
        Value::Object(map)
    }

    pub(crate) fn from_json(value: &Value) -> Self {
        let mut set = Self::default();
        for (k, v) in value.as_object().into_iter().flatten() {
            if k == "." {
                continue;
            }
            let children = Self::from_json(v);
            let member = children.is_empty() || v.get(".").is_some();
            set.nodes.insert(k.clone(), Node { member, children });
        }
        set
    }
}

/// A path as conflicts print it: `.spec.containers[name="web"].image`.
pub(crate) fn path_text(path: &[String]) -> String {
    let mut out = String::new();
    for element in path {
        match element.split_once(':') {
            Some(("f", name)) => {
                out.push('.');
                out.push_str(name);
            }
            Some(("k", keys)) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                out.push_str(&format!("[{}]", keys.join(",")));
            }
            Some(("v", value)) => out.push_str(&format!("[={value}]")),
            Some((_, index)) => out.push_str(&format!("[{index}]")),
            None => out.push_str(element),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn set(value: Value) -> FieldSet {
        FieldSet::from_json(&value)
    }

    #[test]
    fn fields_v1_round_trips() {
        let value =
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:image": {}}}, "f:replicas": {}}});
        assert_eq!(set(value.clone()).to_json(), value);
    }

    #[test]
    fn paths_print_as_conflicts_show_them() {
        let s = set(
            json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:name": {}}}, "f:finalizers": {"v:\"x\"": {}}}}),
        );
        let texts: Vec<String> = s.paths().iter().map(|p| path_text(p)).collect();
        assert_eq!(texts, [r#".spec.finalizers[="x"]"#, r#".spec.ports[port=80,protocol="TCP"].name"#]);
    }

    fn arbitrary() -> impl Strategy<Value = FieldSet> {
        prop::collection::vec(prop::collection::vec("[abc]", 1..4), 0..8).prop_map(|paths| {
            let mut set = FieldSet::default();
            for path in paths {
                let path: Vec<String> = path.iter().map(|p| field(p)).collect();
                set.insert(&path);
            }
            set
        })
    }

    proptest! {
        #[test]
        fn set_laws(a in arbitrary(), b in arbitrary()) {
            prop_assert_eq!(a.union(&b), b.union(&a));
            prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
            prop_assert!(a.difference(&a).is_empty());
            prop_assert_eq!(a.union(&b).difference(&b), a.difference(&b));
            prop_assert_eq!(FieldSet::from_json(&a.to_json()), a);
        }
    }
}

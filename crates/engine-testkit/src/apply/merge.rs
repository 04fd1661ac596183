//! The walks of server-side apply over plain JSON: which fields an object has, what differs between two, the merge of
//! two, and the removal of fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    fieldset::{FieldSet, field},
    schema::{ListMap, Schema},
};

/// Which fields differ between two objects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) added: FieldSet,
    pub(crate) modified: FieldSet,
    pub(crate) removed: FieldSet,
}

impl Comparison {
    pub(crate) fn is_same(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }
}

/// How one value is walked.
enum Shape<'a> {
    Leaf,
    Map,
    ListMap(&'a ListMap),
    Set,
}

fn shape<'a>(value: &Value, schema: &'a Schema) -> Shape<'a> {
    match (value, schema) {
        _ if schema.is_atomic() => Shape::Leaf,
        (Value::Object(_), _) => Shape::Map,
        (Value::Array(_), Schema::ListMap(list)) => Shape::ListMap(list),
        (Value::Array(_), Schema::Set) => Shape::Set,
        _ => Shape::Leaf,
    }
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(m)) => m.is_empty(),
        Some(Value::Array(l)) => l.is_empty(),
        Some(_) => false,
    }
}

/// `k:{...}` of a list item. An item without a key that has no default has no place in such a list.
pub(crate) fn item_key(item: &Value, list: &ListMap) -> Result<String, String> {
    let mut keys = BTreeMap::new();
    for (name, default) in &list.keys {
        match item.get(name).filter(|v| !v.is_null()).or(default.as_ref()) {
            Some(value) => {
                keys.insert(name.as_str(), value);
            }
            None => {
                let names: Vec<&str> = list.keys.iter().map(|(n, _)| n.as_str()).collect();
                return Err(format!(
                    "associative list with keys has an element that omits key field {name:?} (and doesn't have \
                     default value); keys: {}",
                    names.join(", ")
                ));
            }
        }
    }
    Ok(format!("k:{}", serde_json::to_string(&keys).unwrap_or_default()))
}

fn element(item: &Value, shape: &Shape<'_>) -> Option<String> {
    match shape {
        Shape::ListMap(list) => item_key(item, list).ok(),
        Shape::Set => Some(format!("v:{item}")),
        Shape::Leaf | Shape::Map => None,
    }
}

fn item_schema(shape: &Shape<'_>) -> Schema {
    match shape {
        Shape::ListMap(list) => list.item.clone(),
        _ => Schema::Unknown,
    }
}

/// Checks what the merge relies on: keys present, no item twice.
pub(crate) fn validate(value: &Value, schema: &Schema) -> Result<(), String> {
    fn walk(value: &Value, schema: &Schema, path: &mut String) -> Result<(), String> {
        match shape(value, schema) {
            Shape::Leaf => {}
            Shape::Map => {
                for (k, v) in value.as_object().into_iter().flatten() {
                    let at = path.len();
                    path.push('.');
                    path.push_str(k);
                    walk(v, &schema.field(k).0, path)?;
                    path.truncate(at);
                }
            }
            ref list @ (Shape::ListMap(_) | Shape::Set) => {
                let mut seen = BTreeSet::new();
                let items = item_schema(list);
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    let key = match list {
                        Shape::ListMap(l) => item_key(item, l).map_err(|e| format!("{path}: element {i}: {e}"))?,
                        _ => format!("v:{item}"),
                    };
                    let at = path.len();
                    let shown = super::fieldset::path_text(std::slice::from_ref(&key));
                    if !seen.insert(key) {
                        return Err(format!("{path}: duplicate entries for key {shown}"));
                    }
                    path.push_str(&shown);
                    walk(item, &items, path)?;
                    path.truncate(at);
                }
            }
        }
        Ok(())
    }
    walk(value, schema, &mut String::new())
}

/// Every field that the object sets.
pub(crate) fn field_set(value: &Value, schema: &Schema) -> FieldSet {
    fn walk(value: &Value, schema: &Schema, path: &mut Vec<String>, out: &mut FieldSet) {
        match shape(value, schema) {
            Shape::Leaf => out.insert(path),
            Shape::Map => {
                for (k, v) in value.as_object().into_iter().flatten() {
                    let (child, named) = schema.field(k);
                    path.push(field(k));
                    walk(v, &child, path, out);
                    if !named || v.is_null() || v.as_object().is_some_and(Map::is_empty) {
                        out.insert(path);
                    }
                    path.pop();
                }
            }
            ref list @ (Shape::ListMap(_) | Shape::Set) => {
                let items = item_schema(list);
                for item in value.as_array().into_iter().flatten() {
                    let Some(key) = element(item, list) else {
                        continue;
                    };
                    path.push(key);
                    walk(item, &items, path, out);
                    out.insert(path);
                    path.pop();
                }
            }
        }
    }
    let mut out = FieldSet::default();
    walk(value, schema, &mut Vec::new(), &mut out);
    out
}

/// What differs between two objects.
pub(crate) fn compare(before: &Value, after: &Value, schema: &Schema) -> Comparison {
    let mut out = Comparison::default();
    compare_at(Some(before), Some(after), schema, &mut Vec::new(), &mut out);
    out
}

fn compare_at(
    before: Option<&Value>,
    after: Option<&Value>,
    schema: &Schema,
    path: &mut Vec<String>,
    out: &mut Comparison,
) {
    let Some(some) = after.or(before) else { return };
    let leaf = |out: &mut Comparison, path: &[String]| match (before, after) {
        (None, Some(_)) => out.added.insert(path),
        (Some(_), None) => out.removed.insert(path),
        (Some(b), Some(a)) if a != b => out.modified.insert(path),
        _ => {}
    };
    let same_type = match (before, after) {
        (Some(b), Some(a)) => std::mem::discriminant(b) == std::mem::discriminant(a),
        _ => true,
    };
    let walked = shape(some, schema);
    if matches!(walked, Shape::Leaf) || !same_type || (is_empty(before) && is_empty(after)) {
        leaf(out, path);
        return;
    }
    match walked {
        Shape::Leaf => {}
        Shape::Map => {
            let nothing = Map::new();
            let b = before.and_then(Value::as_object);
            let a = after.and_then(Value::as_object);
            let keys: BTreeSet<&String> = b.unwrap_or(&nothing).keys().chain(a.unwrap_or(&nothing).keys()).collect();
            for key in keys {
                let (child, _) = schema.field(key);
                let (vb, va) = (b.and_then(|m| m.get(key)), a.and_then(|m| m.get(key)));
                // A Go struct always holds the fields that are not pointers.
                let filled = va.or(vb).filter(|_| schema.always_present(key)).map(empty_like);
                let vb = vb.or(filled.as_ref().filter(|_| b.is_some()));
                let va = va.or(filled.as_ref().filter(|_| a.is_some()));
                path.push(field(key));
                compare_at(vb, va, &child, path, out);
                path.pop();
            }
        }
        list @ (Shape::ListMap(_) | Shape::Set) => {
            let items = item_schema(&list);
            let index = |value: Option<&Value>| -> BTreeMap<String, Vec<Value>> {
                let mut out: BTreeMap<String, Vec<Value>> = BTreeMap::new();
                for item in value.and_then(Value::as_array).into_iter().flatten() {
                    if let Some(key) = element(item, &list) {
                        out.entry(key).or_default().push(item.clone());
                    }
                }
                out
            };
            let (b, a) = (index(before), index(after));
            for key in b.keys().chain(a.keys().filter(|k| !b.contains_key(*k))) {
                let (vb, va) = (b.get(key), a.get(key));
                path.push(key.clone());
                if vb.is_some_and(|v| v.len() > 1) || va.is_some_and(|v| v.len() > 1) {
                    // Items with equal keys are compared as a whole.
                    match (vb, va) {
                        (None, _) => out.added.insert(path),
                        (_, None) => out.removed.insert(path),
                        (b, a) if a != b => out.modified.insert(path),
                        _ => {}
                    }
                } else {
                    compare_at(vb.and_then(|v| v.first()), va.and_then(|v| v.first()), &items, path, out);
                }
                path.pop();
            }
        }
    }
    match (before, after) {
        (None, _) => out.added.insert(path),
        (_, None) => out.removed.insert(path),
        _ => {}
    }
}

fn empty_like(value: &Value) -> Value {
    match value {
        Value::Array(_) => Value::Array(Vec::new()),
        _ => Value::Object(Map::new()),
    }
}

/// The fields of `right` over those of `left`.
pub(crate) fn merge(left: &Value, right: &Value, schema: &Schema) -> Value {
    match (shape(right, schema), left, right) {
        (Shape::Map, Value::Object(l), Value::Object(r)) => {
            let mut out = l.clone();
            for (key, value) in r {
                let merged = match l.get(key) {
                    Some(old) => merge(old, value, &schema.field(key).0),
                    None => value.clone(),
                };
                out.insert(key.clone(), merged);
            }
            Value::Object(out)
        }
        (list @ (Shape::ListMap(_) | Shape::Set), Value::Array(l), Value::Array(r)) => {
            Value::Array(merge_lists(l, r, &list))
        }
        _ => right.clone(),
    }
}

/// Items of the right list keep their order; items that only the left one has keep their place before the shared item
/// that they stood before. The walk goes along both lists at once; a shared item of the left list that is not the next
/// one of the right is passed over, since the right list says where it goes.
fn merge_lists(left: &[Value], right: &[Value], list: &Shape<'_>) -> Vec<Value> {
    let items = item_schema(list);
    let keyed = |values: &[Value]| -> Vec<(String, Value)> {
        values.iter().filter_map(|v| Some((element(v, list)?, v.clone()))).collect()
    };
    let (l, r) = (keyed(left), keyed(right));
    let in_right: BTreeSet<&str> = r.iter().map(|(k, _)| k.as_str()).collect();
    let old: BTreeMap<&str, &Value> = l.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let mut shared = r.iter().map(|(k, _)| k.as_str()).filter(|k| old.contains_key(k)).peekable();
    let mut out = Vec::with_capacity(l.len().max(r.len()));
    let mut emitted = BTreeSet::new();
    let (mut at_left, mut at_right) = (0, 0);
    while at_left < l.len() || at_right < r.len() {
        if let Some((key, value)) = l.get(at_left) {
            let is_shared = in_right.contains(key.as_str());
            let other_is_next = shared.peek().is_some_and(|next| *next != key.as_str());
            if !is_shared {
                out.push(value.clone());
                at_left += 1;
                continue;
            }
            if emitted.contains(key.as_str()) || (other_is_next && at_right < r.len()) {
                at_left += 1;
                continue;
            }
        }
        if let Some((key, value)) = r.get(at_right) {
            out.push(match old.get(key.as_str()) {
                Some(before) => merge(before, value, &items),
                None => value.clone(),
            });
            emitted.insert(key.as_str());
            shared.next_if(|next| *next == key.as_str());
            at_right += 1;
        } else {
            at_left += 1;
        }
    }
    out
}

/// The object without the fields of the set.
pub(crate) fn remove(value: &Value, set: &FieldSet, schema: &Schema) -> Value {
    match (shape(value, schema), value) {
        (Shape::Map, Value::Object(map)) => Value::Object(
            map.iter()
                .filter_map(|(k, v)| {
                    let element = field(k);
                    if set.has(&element) {
                        return None;
                    }
                    let Some(below) = set.child(&element) else {
                        return Some((k.clone(), v.clone()));
                    };
                    let left = remove(v, below, &schema.field(k).0);
                    // A map or list that lost its last entry goes with it.
                    (!is_empty(Some(&left)) || is_empty(Some(v))).then(|| (k.clone(), left))
                })
                .collect(),
        ),
        (list @ (Shape::ListMap(_) | Shape::Set), Value::Array(values)) => {
            let items = item_schema(&list);
            Value::Array(
                values
                    .iter()
                    .filter_map(|item| {
                        let Some(key) = element(item, &list) else {
                            return Some(item.clone());
                        };
                        if set.has(&key) {
                            return None;
                        }
                        Some(set.child(&key).map_or_else(|| item.clone(), |below| remove(item, below, &items)))
                    })
                    .collect(),
            )
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment() -> Schema {
        Schema::builtin("apps", "v1", "Deployment")
    }

    fn containers(list: Value) -> Value {
        json!({"spec": {"template": {"spec": {"containers": list}}}})
    }

    #[test]
    fn fields_of_an_applied_deployment() {
        let value = json!({
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"spec": {"containers": [{"name": "web", "image": "x", "ports": [{"containerPort": 80}]}]}},
            },
        });
        assert_eq!(
            field_set(&value, &deployment()).to_json(),
            json!({
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {
                    "f:replicas": {},
                    "f:selector": {},
                    "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {
                        ".": {}, "f:name": {}, "f:image": {},
                        "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                    }}}},
                },
            })
        );
    }

    #[test]
    fn a_created_object_gets_a_dot_where_go_has_a_pointer() {
        let after = json!({
            "metadata": {"labels": {"app": "web"}},
            "spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
                     "template": {"spec": {"containers": [{"name": "web"}]}}},
        });
        let added = compare(&json!({}), &after, &deployment()).added;
        assert_eq!(
            added.to_json(),
            json!({
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {
                    "f:strategy": {"f:type": {}, "f:rollingUpdate": {".": {}, "f:maxSurge": {}}},
                    "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {}}}}},
                },
            })
        );
    }

    #[test]
    fn lists_merge_by_key_and_keep_order() {
        let names = |value: &Value| -> Vec<String> {
            value["spec"]["template"]["spec"]["containers"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|c| c["name"].as_str().unwrap_or_default().to_owned())
                .collect()
        };
        for (left, right, expected) in [
            (vec!["a", "b", "c"], vec!["c", "a"], vec!["b", "c", "a"]),
            (vec!["a", "b"], vec!["x"], vec!["a", "b", "x"]),
            (vec!["a", "b"], vec!["a", "x"], vec!["a", "b", "x"]),
            (vec![], vec!["x"], vec!["x"]),
            (vec!["a"], vec![], vec!["a"]),
        ] {
            let make = |list: &[&str]| containers(list.iter().map(|n| json!({"name": n})).collect());
            let merged = merge(&make(&left), &make(&right), &deployment());
            assert_eq!(names(&merged), expected, "{left:?} + {right:?}");
        }
    }

    #[test]
    fn a_merge_keeps_what_it_does_not_name_and_replaces_atomics() {
        let live = json!({"spec": {"replicas": 3, "selector": {"matchLabels": {"a": "1", "b": "2"}}}});
        let config = json!({"spec": {"selector": {"matchLabels": {"a": "1"}}}});
        assert_eq!(
            merge(&live, &config, &deployment()),
            json!({"spec": {"replicas": 3, "selector": {"matchLabels": {"a": "1"}}}})
        );
    }

    #[test]
    fn removal_by_field_and_by_item() {
        let live = containers(json!([{"name": "a", "image": "x", "tty": true}, {"name": "b"}]));
        let set = FieldSet::from_json(&json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"a\"}": {"f:tty": {}}, "k:{\"name\":\"b\"}": {},
        }}}}}));
        assert_eq!(remove(&live, &set, &deployment()), containers(json!([{"name": "a", "image": "x"}])));
    }

    #[test]
    fn items_without_or_with_equal_keys_are_refused() {
        assert!(validate(&containers(json!([{"image": "x"}])), &deployment()).is_ok(), "name has a default");
        assert!(validate(&containers(json!([{"name": "x"}, {"name": "x"}])), &deployment()).is_err());
    }
}

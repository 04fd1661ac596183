//! What turns a valid object into another one, or into one that is not valid.

use serde_json::{Map, Value, json};

use super::super::program::Edit;
use super::super::rng::Rng;

/// A place in an object, key by key.
type Path = Vec<String>;

/// Every place below the root.
fn places(value: &Value, at: &mut Path, out: &mut Vec<Path>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => return,
    };
    for (key, child) in children {
        at.push(key);
        out.push(at.clone());
        places(child, at, out);
        at.pop();
    }
}

fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |v, key| match v {
        Value::Array(list) => list.get(key.parse::<usize>().ok()?),
        other => other.get(key),
    })
}

/// Places that a mutation may touch: not what says which object this is, and not what would make a webhook of a program
/// reach real requests.
fn touchable(path: &[String]) -> bool {
    match path[0].as_str() {
        "apiVersion" | "kind" | "metadata" | "involvedObject" => false,
        "webhooks" => path.iter().all(|p| p != "rules"),
        _ => true,
    }
}

/// One change to an object, valid or not.
pub(crate) fn edit(rng: &mut Rng, value: &Value) -> Edit {
    if rng.chance(22) {
        return metadata(rng);
    }
    let mut all = Vec::new();
    places(value, &mut Vec::new(), &mut all);
    all.retain(|path| touchable(path));
    if all.is_empty() {
        return metadata(rng);
    }
    let path = all[rng.below(all.len())].clone();
    let old = at(value, &path).cloned().unwrap_or_default();
    match rng.below(10) {
        0 | 1 => Edit::Remove(path),
        2 => Edit::Set(path, Value::Null),
        3 => Edit::Set(path, wrong_type(rng, &old)),
        4 => Edit::Set(path, empty(&old)),
        5 if old.is_object() => {
            let mut path = path;
            path.push("unknownField".to_owned());
            Edit::Set(path, json!(1))
        }
        6 if old.is_array() => {
            let mut list = old.as_array().cloned().unwrap_or_default();
            if let Some(first) = list.first().cloned() {
                list.push(first);
            }
            Edit::Set(path, Value::Array(list))
        }
        _ => Edit::Set(path, other(rng, &old)),
    }
}

fn wrong_type(rng: &mut Rng, old: &Value) -> Value {
    let choices = [json!("text"), json!(7), json!(true), json!(["a"]), json!({"a": "b"}), json!(1.5)];
    loop {
        let new = choices[rng.below(choices.len())].clone();
        if std::mem::discriminant(&new) != std::mem::discriminant(old) || (old.is_i64() && new.is_f64()) {
            return new;
        }
    }
}

fn empty(old: &Value) -> Value {
    match old {
        Value::String(_) => json!(""),
        Value::Number(_) => json!(0),
        Value::Bool(_) => json!(false),
        Value::Array(_) => json!([]),
        _ => json!({}),
    }
}

fn other(rng: &mut Rng, old: &Value) -> Value {
    match old {
        Value::String(_) => match rng.below(6) {
            0 => json!("Not Valid!"),
            1 => json!("-"),
            2 => json!("x".repeat(64)),
            3 => json!("a.b/c"),
            4 => json!("8080"),
            _ => json!("other"),
        },
        Value::Number(_) => json!(rng.pick(&[-1_i64, 0, 1, 3, 101, 70_000, 1 << 33])),
        Value::Bool(b) => json!(!b),
        Value::Array(list) => {
            let mut list = list.clone();
            list.reverse();
            list.truncate(1);
            Value::Array(list)
        }
        _ => json!({}),
    }
}

fn path(keys: &[&str]) -> Path {
    keys.iter().map(|k| (*k).to_owned()).collect()
}

/// A change of metadata.
fn metadata(rng: &mut Rng) -> Edit {
    let (key, value) = match rng.below(24) {
        0 => ("labels", json!({"a": "b"})),
        1 => ("labels", json!({"example.com/a": "b", "c": ""})),
        2 => ("labels", json!({"bad key": "v"})),
        3 => ("labels", json!({"k": "bad value!"})),
        4 => ("annotations", json!({"a": "any thing"})),
        5 => ("annotations", json!({"Bad Key": "v"})),
        6 => ("annotations", json!({"a": 1})),
        7 => ("finalizers", json!(["example.com/hold"])),
        8 => ("finalizers", json!(["hold"])),
        9 => (
            "ownerReferences",
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "0e984725-c51c-4bf4-9960-e1c80e27aba0"}]),
        ),
        10 => ("ownerReferences", json!([{"apiVersion": "v1", "kind": "", "name": "owner", "uid": ""}])),
        11 => ("labels", Value::Null),
        12 => ("unknown", json!("x")),
        13 => ("uid", json!("11111111-2222-3333-4444-555555555555")),
        14 => ("creationTimestamp", json!("2020-01-01T00:00:00Z")),
        15 => ("generation", json!(7)),
        16 => ("managedFields", json!([])),
        17 => ("labels", json!({})),
        18 => ("annotations", json!({})),
        19 => ("finalizers", json!([])),
        20 => ("ownerReferences", json!([])),
        21 => ("annotations", Value::Null),
        22 => return unusual_metadata(rng),
        _ => ("labels", json!({"a": "c", "app": "web"})),
    };
    Edit::Set(path(&["metadata", key]), value)
}

/// What only few clients send in metadata.
fn unusual_metadata(rng: &mut Rng) -> Edit {
    let owner = |kind: &str, name: &str, uid: char, rest: Value| {
        let mut owner = json!({
            "apiVersion": "v1", "kind": kind, "name": name, "uid": format!("{uid}e984725-c51c-4bf4-9960-e1c80e27aba0"),
        });
        if let (Value::Object(owner), Value::Object(rest)) = (&mut owner, rest) {
            owner.extend(rest);
        }
        owner
    };
    let (key, value) = match rng.below(26) {
        0 => ("ownerReferences", json!([owner("ConfigMap", "a", '1', json!({"controller": true}))])),
        1 => (
            "ownerReferences",
            json!([
                owner("ConfigMap", "a", '1', json!({"controller": true})),
                owner("ConfigMap", "b", '2', json!({"controller": true, "blockOwnerDeletion": false})),
            ]),
        ),
        2 => (
            "ownerReferences",
            json!([owner("ConfigMap", "a", '1', json!({})), owner("ConfigMap", "a", '1', json!({}))]),
        ),
        3 => (
            "ownerReferences",
            json!([owner("ConfigMap", "a", '1', json!({})), owner("ConfigMap", "b", '1', json!({}))]),
        ),
        4 => ("ownerReferences", json!([owner("Event", "a", '1', json!({"blockOwnerDeletion": true}))])),
        5 => ("ownerReferences", json!([owner("ConfigMap", "a", '1', json!({"apiVersion": ""}))])),
        6 => ("deletionTimestamp", json!("2001-01-01T00:00:00Z")),
        7 => ("deletionGracePeriodSeconds", json!(5)),
        8 => ("selfLink", json!("/x")),
        9 => ("generateName", json!("other-")),
        10 => ("generation", json!(-1)),
        11 => ("finalizers", json!(["orphan", "foregroundDeletion"])),
        12 => ("finalizers", json!(["a b"])),
        13 => ("finalizers", json!(["example.com/hold", "example.com/hold"])),
        14 => ("managedFields", json!([{"operation": "Guess", "manager": "x"}])),
        15 => ("managedFields", json!([{"operation": "Update", "manager": "x\ny", "apiVersion": "v1"}])),
        16 => ("managedFields", json!([{"operation": "Update", "fieldsType": "FieldsV2", "apiVersion": "v1"}])),
        17 => ("managedFields", json!([{"operation": "Update", "manager": "m".repeat(129), "apiVersion": "v1"}])),
        18 => ("managedFields", json!([{"operation": "Update", "subresource": "s".repeat(257), "apiVersion": "v1"}])),
        19 => ("name", json!(rng.pick(&["other", "", "Not Valid!"]))),
        20 => ("namespace", json!(rng.pick(&["other", ""]))),
        21 => ("uid", json!("")),
        22 => ("resourceVersion", json!(rng.pick(&["x", "-1", "0", "1", "18446744073709551616"]))),
        23 => return Edit::Set(path(&["metadata"]), Value::Null),
        24 => {
            let version = rng.pick(&["v1", "v2", "", "apps/v1", "apps/v1beta1", "other.example.com/v1"]);
            return Edit::Set(path(&["apiVersion"]), json!(version));
        }
        _ => {
            let kind =
                rng.pick(&["Secret", "ConfigMap", "ConfigMapList", "List", "Status", "Gadget", "DeleteOptions", ""]);
            return Edit::Set(path(&["kind"]), json!(kind));
        }
    };
    Edit::Set(path(&["metadata", key]), value)
}

/// A part of an object: chance leaves things out, but never what tells the items of a list apart.
pub(crate) fn sample(rng: &mut Rng, value: &Value, keep_percent: usize) -> Value {
    match value {
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, child) in map {
                let identity =
                    matches!(key.as_str(), "name" | "containerPort" | "port" | "type" | "protocol" | "mountPath");
                if identity || rng.chance(keep_percent) {
                    out.insert(key.clone(), sample(rng, child, keep_percent));
                }
            }
            Value::Object(out)
        }
        Value::Array(list) => Value::Array(list.iter().map(|v| sample(rng, v, keep_percent)).collect()),
        other => other.clone(),
    }
}

/// Sets some of the values of a patch to null, which removes them.
pub(crate) fn nulls(rng: &mut Rng, value: &mut Value) {
    if let Value::Object(map) = value {
        for (key, child) in map.iter_mut() {
            if key != "name" && key != "metadata" && rng.chance(8) {
                *child = Value::Null;
            } else {
                nulls(rng, child);
            }
        }
    }
}

/// A JSON patch over an object of this shape.
pub(crate) fn json_patch(rng: &mut Rng, shape: &Value) -> Value {
    let mut all = Vec::new();
    places(shape, &mut Vec::new(), &mut all);
    all.retain(|path| touchable(path));
    let mut operations = Vec::new();
    for _ in 0..=rng.below(3) {
        let place = if all.is_empty() || rng.chance(25) {
            path(rng.pick(&[&["metadata", "labels", "a"][..], &["metadata", "labels"], &["metadata", "annotations"]]))
        } else {
            all[rng.below(all.len())].clone()
        };
        let old = at(shape, &place).cloned().unwrap_or(json!("v"));
        let pointer: String = place.iter().map(|p| format!("/{}", p.replace('~', "~0").replace('/', "~1"))).collect();
        operations.push(match rng.below(9) {
            0 | 1 => json!({"op": "replace", "path": pointer, "value": other(rng, &old)}),
            2 | 3 => json!({"op": "add", "path": pointer, "value": old}),
            4 => json!({"op": "remove", "path": pointer}),
            5 => json!({"op": "test", "path": pointer, "value": old}),
            6 => json!({"op": "test", "path": pointer, "value": "other"}),
            7 => json!({"op": "copy", "from": pointer, "path": "/metadata/annotations"}),
            _ => json!({"op": "move", "from": pointer, "path": format!("{pointer}x")}),
        });
    }
    Value::Array(operations)
}

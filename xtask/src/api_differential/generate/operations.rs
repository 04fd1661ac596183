//! One operation on a subject: a write of each kind, or a read.

use serde_json::{Value, json};

use super::super::normal::GENERATED;
use super::super::program::{Body, Edit, JSON, Operation};
use super::super::rng::Rng;
use super::{Subject, mutate};

pub(super) const JSON_PATCH: &str = "application/json-patch+json";
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(super) const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
pub(super) const APPLY: &str = "application/apply-patch+yaml";

pub(super) fn plain(method: &'static str, path: &str, body: Body) -> Operation {
    Operation { method, path: path.to_owned(), query: Vec::new(), content_type: JSON, body }
}

/// Any of them.
pub(super) fn operation(rng: &mut Rng, subject: &Subject) -> Operation {
    match rng.below(100) {
        0..14 => create(rng, subject),
        14..30 => replace(rng, subject),
        30..38 => merge_patch(rng, subject),
        38..46 => strategic_patch(rng, subject),
        46..52 => json_patch(rng, subject),
        52..72 => apply(rng, subject),
        72..79 if subject.status => status(rng, subject),
        79..84 if subject.scale => scale(rng, subject),
        84..93 => delete(rng, subject),
        _ => read(rng, subject),
    }
}

pub(super) fn options(rng: &mut Rng, query: &mut Vec<(&'static str, String)>) {
    if rng.chance(12) {
        query.push(("dryRun", rng.pick(&["All", "All", "All", "all"]).to_owned()));
    }
    if rng.chance(35) {
        query.push(("fieldValidation", rng.pick(&["Strict", "Strict", "Warn", "Ignore", "Never"]).to_owned()));
    }
}

pub(super) fn manager(rng: &mut Rng, query: &mut Vec<(&'static str, String)>) {
    if rng.chance(30) {
        query.push(("fieldManager", rng.pick(&["one", "two"]).to_owned()));
    }
}

/// A body with some of its parts changed.
fn changed(rng: &mut Rng, mut value: Value, percent: usize) -> Value {
    if rng.chance(percent) {
        for _ in 0..=rng.below(2) {
            mutate::edit(rng, &value).apply(&mut value);
        }
    }
    value
}

pub(super) fn create(rng: &mut Rng, subject: &Subject) -> Operation {
    let name = subject.name(rng);
    let object = subject.object(rng, &name);
    let mut object = changed(rng, object, 45);
    if rng.chance(5) {
        object["metadata"] = match rng.below(3) {
            0 => json!({"generateName": GENERATED}),
            1 => json!({"generateName": GENERATED, "labels": {"app": "web"}}),
            _ => json!({"name": name, "generateName": GENERATED}),
        };
    }
    if rng.chance(6) {
        identity(rng, &mut object);
    }
    let mut query = Vec::new();
    options(rng, &mut query);
    manager(rng, &mut query);
    let body = if rng.chance(4) { duplicated(&object) } else { Body::Json(object) };
    Operation { method: "POST", path: subject.collection.clone(), query, content_type: JSON, body }
}

/// A body that is about something else than its path.
fn identity(rng: &mut Rng, object: &mut Value) {
    match rng.below(8) {
        0 => object["kind"] = "Other".into(),
        1 => object["apiVersion"] = "other/v1".into(),
        2 => object["metadata"]["namespace"] = "elsewhere".into(),
        3 => object["metadata"]["name"] = "Bad_Name".into(),
        4 => object["metadata"]["name"] = "".into(),
        5 => object["kind"] = "".into(),
        6 => object["metadata"]["resourceVersion"] = "1".into(),
        _ => object["apiVersion"] = "".into(),
    }
}

/// The same field twice.
fn duplicated(object: &Value) -> Body {
    let text = object.to_string();
    let twice =
        text.replacen("\"metadata\":{", "\"metadata\":{\"labels\":{\"dup\":\"1\"},\"labels\":{\"dup\":\"2\"},", 1);
    Body::Text(twice)
}

fn path(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|k| (*k).to_owned()).collect()
}

fn replace(rng: &mut Rng, subject: &Subject) -> Operation {
    let name = subject.name(rng);
    let at = format!("{}/{name}", subject.collection);
    let mut query = Vec::new();
    options(rng, &mut query);
    manager(rng, &mut query);
    let body = if rng.chance(65) {
        let shape = subject.object(rng, &name);
        let mut edits = Vec::new();
        for _ in 0..rng.below(3) {
            edits.push(mutate::edit(rng, &shape));
        }
        match rng.below(10) {
            0 => edits.push(Edit::Set(path(&["metadata", "resourceVersion"]), format!("{{{{old-rv:{at}}}}}").into())),
            1 | 2 => edits.push(Edit::Remove(path(&["metadata", "resourceVersion"]))),
            3 => edits.push(Edit::Remove(path(&["metadata", "managedFields"]))),
            4 => edits.push(Edit::Set(path(&["metadata", "managedFields"]), json!([{}]))),
            // A part of a fresh object over the one that is there.
            5..8 => {
                for (key, value) in shape.as_object().into_iter().flatten() {
                    if !matches!(key.as_str(), "metadata" | "apiVersion" | "kind") {
                        edits.push(Edit::Set(vec![key.clone()], value.clone()));
                    }
                }
            }
            _ => {}
        }
        Body::Seen { path: at.clone(), edits }
    } else {
        let object = subject.object(rng, &name);
        let mut object = changed(rng, object, 40);
        match rng.below(8) {
            0 => object["metadata"]["resourceVersion"] = format!("{{{{rv:{at}}}}}").into(),
            1 => object["metadata"]["uid"] = format!("{{{{uid:{at}}}}}").into(),
            2 => identity(rng, &mut object),
            _ => {}
        }
        Body::Json(object)
    };
    Operation { method: "PUT", path: at, query, content_type: JSON, body }
}

fn patch(
    subject: &Subject,
    name: &str,
    query: Vec<(&'static str, String)>,
    kind: &'static str,
    body: Value,
) -> Operation {
    let path = format!("{}/{name}", subject.collection);
    Operation { method: "PATCH", path, query, content_type: kind, body: Body::Json(body) }
}

/// A part of a fresh object, as a patch.
fn partial(rng: &mut Rng, subject: &Subject, name: &str) -> Value {
    let object = subject.object(rng, name);
    let mut part = mutate::sample(rng, &object, 55);
    if let Some(map) = part.as_object_mut() {
        map.remove("apiVersion");
        map.remove("kind");
    }
    mutate::nulls(rng, &mut part);
    changed(rng, part, 25)
}

fn merge_patch(rng: &mut Rng, subject: &Subject) -> Operation {
    let name = subject.name(rng);
    let mut query = Vec::new();
    options(rng, &mut query);
    manager(rng, &mut query);
    let body = partial(rng, subject, &name);
    patch(subject, &name, query, MERGE_PATCH, body)
}

fn strategic_patch(rng: &mut Rng, subject: &Subject) -> Operation {
    let name = subject.name(rng);
    let mut query = Vec::new();
    options(rng, &mut query);
    let mut body = partial(rng, subject, &name);
    mergeable(&mut body);
    patch(subject, &name, query, STRATEGIC_PATCH, body)
}

/// Takes lists and maps out of the fields that items of lists are merged by: the real server compares them without asking
/// whether they can be compared, and drops the connection.
fn mergeable(patch: &mut Value) {
    const KEYS: &[&str] =
        &["port", "name", "containerPort", "ip", "type", "key", "mountPath", "devicePath", "topologyKey", "uid"];
    match patch {
        Value::Array(list) => {
            for map in list.iter_mut().filter_map(Value::as_object_mut) {
                map.retain(|key, value| !KEYS.contains(&key.as_str()) || !(value.is_array() || value.is_object()));
            }
            list.iter_mut().for_each(mergeable);
        }
        Value::Object(map) => map.values_mut().for_each(mergeable),
        _ => {}
    }
}

fn json_patch(rng: &mut Rng, subject: &Subject) -> Operation {
    let name = subject.name(rng);
    let mut query = Vec::new();
    options(rng, &mut query);
    let shape = subject.object(rng, &name);
    let body = mutate::json_patch(rng, &shape);
    patch(subject, &name, query, JSON_PATCH, body)
}

fn apply(rng: &mut Rng, subject: &Subject) -> Operation {
    let name = subject.name(rng);
    let mut query = Vec::new();
    options(rng, &mut query);
    if !rng.chance(3) {
        query.push(("fieldManager", rng.pick(&["one", "one", "two", "three"]).to_owned()));
    }
    if rng.chance(35) {
        query.push(("force", "true".to_owned()));
    }
    let object = subject.object(rng, &name);
    let mut object = if rng.chance(50) { object } else { mutate::sample(rng, &object, 75) };
    object["apiVersion"] = subject.api_version.as_str().into();
    object["kind"] = subject.kind.as_str().into();
    object["metadata"]["name"] = name.as_str().into();
    let mut object = changed(rng, object, 20);
    if rng.chance(4) {
        identity(rng, &mut object);
    }
    let mut operation = patch(subject, &name, query, APPLY, object);
    if subject.status && rng.chance(10) {
        operation.path.push_str("/status");
        operation.body = Body::Json(subject.status_object(rng, &name));
    }
    operation
}

fn status(rng: &mut Rng, subject: &Subject) -> Operation {
    let name = subject.name(rng);
    let object = subject.status_object(rng, &name);
    let object = changed(rng, object, 20);
    let mut query = Vec::new();
    options(rng, &mut query);
    manager(rng, &mut query);
    let at = format!("{}/{name}", subject.collection);
    let path = format!("{at}/status");
    match rng.below(4) {
        0 => {
            let edits = vec![Edit::Set(vec!["status".to_owned()], object["status"].clone())];
            Operation { method: "PUT", path, query, content_type: JSON, body: Body::Seen { path: at, edits } }
        }
        1 => Operation { method: "PUT", path, query, content_type: JSON, body: Body::Json(object) },
        2 => Operation {
            method: "PATCH",
            path,
            query,
            content_type: MERGE_PATCH,
            body: Body::Json(json!({"status": object["status"]})),
        },
        _ if rng.chance(30) => {
            Operation { method: "GET", path, query: Vec::new(), content_type: "", body: Body::Empty }
        }
        _ => Operation {
            method: "PATCH",
            path,
            query,
            content_type: STRATEGIC_PATCH,
            body: Body::Json(json!({"metadata": {"labels": {"via": "status"}}, "status": object["status"]})),
        },
    }
}

fn scale(rng: &mut Rng, subject: &Subject) -> Operation {
    let name = subject.name(rng);
    let path = format!("{}/{name}/scale", subject.collection);
    let replicas = json!(rng.pick(&[0_i64, 1, 2, 5, -1]));
    let mut query = Vec::new();
    options(rng, &mut query);
    manager(rng, &mut query);
    let whole = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": name, "namespace": "{{ns}}"}, "spec": {"replicas": replicas}});
    let spec = json!({"spec": {"replicas": replicas}});
    match rng.below(5) {
        0 => Operation { method: "GET", path, query: Vec::new(), content_type: "", body: Body::Empty },
        1 => Operation { method: "PUT", path, query, content_type: JSON, body: Body::Json(whole) },
        2 => Operation { method: "PATCH", path, query, content_type: MERGE_PATCH, body: Body::Json(spec) },
        3 => {
            query.retain(|(key, _)| *key != "fieldManager");
            query.push(("fieldManager", "scaler".to_owned()));
            Operation { method: "PATCH", path, query, content_type: APPLY, body: Body::Json(whole) }
        }
        _ => {
            let body = json!([{"op": "replace", "path": "/spec/replicas", "value": replicas}]);
            Operation { method: "PATCH", path, query, content_type: JSON_PATCH, body: Body::Json(body) }
        }
    }
}

fn delete(rng: &mut Rng, subject: &Subject) -> Operation {
    let mut query = Vec::new();
    if rng.chance(12) {
        query.push(("dryRun", "All".to_owned()));
    }
    if subject.namespaced && rng.chance(15) {
        if rng.chance(50) {
            query.push(("labelSelector", rng.pick(&["app=web", "app", "!app", "app in (web,db)", "a=="]).to_owned()));
        }
        return Operation {
            method: "DELETE",
            path: subject.collection.clone(),
            query,
            content_type: "",
            body: Body::Empty,
        };
    }
    let name = subject.name(rng);
    let at = format!("{}/{name}", subject.collection);
    let mut body = json!({});
    if rng.chance(25) {
        body["propagationPolicy"] = rng.pick(&["Background", "Foreground", "Orphan", "Sideways"]).into();
    }
    if rng.chance(25) {
        body["preconditions"] = match rng.below(4) {
            0 => json!({"uid": format!("{{{{uid:{at}}}}}")}),
            1 => json!({"uid": "11111111-2222-3333-4444-555555555555"}),
            2 => json!({"resourceVersion": format!("{{{{old-rv:{at}}}}}")}),
            _ => json!({"resourceVersion": format!("{{{{rv:{at}}}}}")}),
        };
    }
    if rng.chance(20) {
        body["gracePeriodSeconds"] = json!(rng.pick(&[0_i64, 5, -1]));
    }
    let empty = body.as_object().is_some_and(serde_json::Map::is_empty);
    if !empty {
        body["apiVersion"] = "v1".into();
        body["kind"] = "DeleteOptions".into();
    }
    let body = if empty { Body::Empty } else { Body::Json(body) };
    let content_type = if empty { "" } else { JSON };
    Operation { method: "DELETE", path: at, query, content_type, body }
}

fn read(rng: &mut Rng, subject: &Subject) -> Operation {
    let mut query = Vec::new();
    let path = match rng.below(6) {
        0 | 1 => format!("{}/{}", subject.collection, subject.name(rng)),
        2 if subject.namespaced => {
            query.push((
                "fieldSelector",
                rng.pick(&[
                    "metadata.name=a",
                    "metadata.name!=a",
                    "metadata.name=a,metadata.namespace={{ns}}",
                    "spec.nothing=1",
                    "status.phase=one",
                    "status.phase!=one",
                    "status.phase=,metadata.name=a",
                ])
                .to_owned(),
            ));
            subject.collection.clone()
        }
        3 | 4 if subject.namespaced => {
            query.push((
                "labelSelector",
                rng.pick(&[
                    "app=web",
                    "app!=web",
                    "app",
                    "!app",
                    "app in (web,db)",
                    "app notin (web)",
                    "a=b,app",
                    "app=bad value",
                    "in (",
                    "app>3",
                ])
                .to_owned(),
            ));
            subject.collection.clone()
        }
        _ if subject.namespaced => subject.collection.clone(),
        _ => format!("{}/{}", subject.collection, subject.name(rng)),
    };
    Operation { method: "GET", path, query, content_type: "", body: Body::Empty }
}

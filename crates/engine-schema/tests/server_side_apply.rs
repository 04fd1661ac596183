//! Server-side apply over the types of built-in kinds and of custom resources.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use gitops_engine_schema::{
    FieldSet, ManagedFields, Schema, UnknownFields, Versions as _, Writer,
    managed::{Conflicts, Force, LAST_APPLIED_ANNOTATION, OneVersion, Operation},
    merge::{Duplicates, compare, field_set, merge, remove, validate},
};
use serde_json::{Value, json};

fn deployment() -> Schema {
    Schema::builtin("apps", "v1", "Deployment").unwrap()
}

fn versions() -> OneVersion<'static> {
    OneVersion { api_version: "apps/v1", schema: deployment() }
}

fn writer<'a>(manager: &'a str, time: &'a str) -> Writer<'a> {
    Writer { manager, api_version: "apps/v1", subresource: "", time: Some(time) }
}

fn spec(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec})
}

fn containers(list: Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": list}}}})
}

/// Applies in turn. The answer is the last one and what is live then.
fn run(steps: &[(&str, Force, Value)]) -> (Result<Value, Conflicts>, ManagedFields) {
    let mut managed = ManagedFields::default();
    let mut live = deployment().empty_object();
    let mut last = Ok(Value::Null);
    for (name, force, config) in steps {
        last = managed.apply(&versions(), &live, config, &writer(name, "t"), *force).map(|applied| applied.object);
        if let Ok(object) = &last {
            live = object.clone();
        }
    }
    (last, managed)
}

fn owners(managed: &ManagedFields) -> Vec<&str> {
    managed.entries().iter().map(|e| e.manager.as_str()).collect()
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
        field_set(&value, &deployment()).to_fields_v1(),
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
    let added = compare(&deployment().empty_object(), &after, &deployment()).added;
    assert_eq!(
        added.to_fields_v1(),
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
        let list = value["spec"]["template"]["spec"]["containers"].as_array().unwrap();
        list.iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    };
    for (left, right, expected) in [
        (vec!["a", "b", "c"], vec!["c", "a"], vec!["b", "c", "a"]),
        (vec!["a", "b"], vec!["x"], vec!["a", "b", "x"]),
        (vec!["a", "b"], vec!["a", "x"], vec!["a", "b", "x"]),
        (vec!["a", "b", "c", "d"], vec!["d", "x", "b"], vec!["a", "c", "d", "x", "b"]),
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
    let set = FieldSet::from_fields_v1(&json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {
        "k:{\"name\":\"a\"}": {"f:tty": {}}, "k:{\"name\":\"b\"}": {},
    }}}}}))
    .unwrap();
    assert_eq!(remove(&live, &set, &deployment()), containers(json!([{"name": "a", "image": "x"}])));
}

#[test]
fn what_is_not_of_its_type_is_refused() {
    for (object, expected) in [
        (containers(json!([{"image": "x"}])), ""), // the name has a default
        (
            containers(json!([{"name": "x"}, {"name": "x"}])),
            ".spec.template.spec.containers: duplicate entries for key [name=\"x\"]",
        ),
        (
            spec(json!({"replicas": "three", "paused": 1})),
            "errors:\n  .spec.paused: expected boolean, got &{1}\n  .spec.replicas: expected numeric (int or float), got string",
        ),
        (spec(json!({"nonsense": 1, "replicas": 1})), ".spec.nonsense: field not declared in schema"),
        (spec(json!([])), ".spec: expected map, got &{[]}"),
        (
            json!({"metadata": {"finalizers": [{}]}}),
            ".metadata.finalizers: element 0: associative list without keys has an element that's a map type",
        ),
    ] {
        let found = validate(&object, &deployment(), Duplicates::Refused);
        assert_eq!(found.map_or_else(|e| e.to_string(), |()| String::new()), expected, "{object}");
    }
    let twice = containers(json!([{"name": "x"}, {"name": "x"}]));
    assert!(validate(&twice, &deployment(), Duplicates::Allowed).is_ok());
}

#[test]
fn omission_gives_up_and_removes() {
    let (object, _) = run(&[
        ("a", Force::No, spec(json!({"replicas": 1, "paused": true}))),
        ("a", Force::No, spec(json!({"replicas": 1}))),
    ]);
    let object = object.unwrap();
    assert_eq!((object["spec"].get("replicas"), object["spec"].get("paused")), (Some(&json!(1)), None));
}

#[test]
fn a_co_owned_field_stays_when_one_gives_it_up() {
    let (object, managed) = run(&[
        ("a", Force::No, spec(json!({"replicas": 1, "paused": true}))),
        ("b", Force::No, spec(json!({"paused": true}))),
        ("a", Force::No, spec(json!({"replicas": 1}))),
    ]);
    assert_eq!(object.unwrap()["spec"]["paused"], true);
    assert_eq!(owners(&managed), ["a", "b"]);
}

#[test]
fn a_conflict_names_manager_and_field_and_force_takes_it() {
    let steps = |force| [("a", Force::No, spec(json!({"replicas": 1}))), ("b", force, spec(json!({"replicas": 2})))];
    let conflicts = run(&steps(Force::No)).0.unwrap_err();
    assert_eq!(conflicts.to_string(), r#"Apply failed with 1 conflict: conflict with "a": .spec.replicas"#);
    let (object, managed) = run(&steps(Force::Yes));
    assert_eq!(object.unwrap()["spec"]["replicas"], 2);
    assert_eq!(owners(&managed), ["b"]);
}

#[test]
fn a_dropped_container_goes_with_its_defaults() {
    let with = |names: &[&str]| {
        let list: Vec<Value> = names.iter().map(|n| json!({"name": n, "image": "x"})).collect();
        spec(json!({"template": {"spec": {"containers": list}}}))
    };
    let mut managed = ManagedFields::default();
    let nothing = deployment().empty_object();
    let mut live =
        managed.apply(&versions(), &nothing, &with(&["a", "b"]), &writer("m", "t"), Force::No).unwrap().object;
    for c in live["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap() {
        c["imagePullPolicy"] = "Always".into();
    }
    let next = managed.apply(&versions(), &live, &with(&["b"]), &writer("m", "t"), Force::No).unwrap().object;
    assert_eq!(
        next["spec"]["template"]["spec"]["containers"],
        json!([{"name": "b", "image": "x", "imagePullPolicy": "Always"}])
    );
}

#[test]
fn an_update_takes_what_it_changes_and_frees_what_it_removes() {
    let mut managed = ManagedFields::default();
    let config = spec(json!({"replicas": 1, "paused": true}));
    let nothing = deployment().empty_object();
    let live = managed.apply(&versions(), &nothing, &config, &writer("a", "t"), Force::No).unwrap().object;
    let mut after = live.clone();
    after["spec"]["replicas"] = 5.into();
    after["spec"].as_object_mut().unwrap().remove("paused");
    managed.update(&versions(), &live, &after, &writer("hand", "t2"));
    managed.write(&mut after);
    let entries = after["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["manager"], "hand");
    assert_eq!(entries[0]["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
}

#[test]
fn applying_the_same_again_changes_nothing_not_even_the_time() {
    let config = spec(json!({"replicas": 1, "template": {"spec": {"containers": [{"name": "a", "image": "x"}]}}}));
    let mut managed = ManagedFields::default();
    let nothing = deployment().empty_object();
    let first = managed.apply(&versions(), &nothing, &config, &writer("a", "t1"), Force::No).unwrap();
    assert!(first.changed);
    let before = managed.clone();
    let second = managed.apply(&versions(), &first.object, &config, &writer("a", "t2"), Force::No).unwrap();
    assert!(!second.changed);
    assert_eq!(first.object, second.object);
    assert_eq!(before, managed);
}

#[test]
fn what_was_there_before_the_first_apply_has_an_owner() {
    let mut managed = ManagedFields::default();
    let mut live =
        spec(json!({"replicas": 1, "paused": true, "strategy": {}, "template": {"metadata": {}, "spec": {}}}));
    live["metadata"]["uid"] = "u".into();
    managed.update(&versions(), &live, &spec(json!({"replicas": 2})), &writer("hand", "t"));
    assert!(managed.is_empty(), "an object that nobody tracks stays so");

    let config = spec(json!({"replicas": 2}));
    let conflicts = managed.apply(&versions(), &live, &config, &writer("a", "t"), Force::No).unwrap_err();
    assert_eq!(
        conflicts.to_string(),
        r#"Apply failed with 1 conflict: conflict with "before-first-apply" using apps/v1: .spec.replicas"#
    );
    managed.apply(&versions(), &live, &config, &writer("a", "t"), Force::Yes).unwrap();
    assert_eq!(owners(&managed), ["before-first-apply", "a"]);
    assert_eq!(managed.entries()[0].operation, Operation::Update);
}

#[test]
fn kubectl_takes_over_from_its_client_side_apply() {
    let mut live = spec(json!({"replicas": 1, "paused": true}));
    live["metadata"]["annotations"] = json!({LAST_APPLIED_ANNOTATION: spec(json!({"replicas": 1})).to_string()});
    let mut managed = ManagedFields::default();
    managed.update(&versions(), &deployment().empty_object(), &live, &writer("kubectl-client-side-apply", "t"));

    let config = spec(json!({"replicas": 2}));
    let other = managed.clone().apply(&versions(), &live, &config, &writer("other", "t"), Force::No);
    assert!(other.is_err(), "only for kubectl");
    let applied = managed.apply(&versions(), &live, &config, &writer("kubectl", "t"), Force::No).unwrap();
    assert_eq!(applied.object["spec"]["replicas"], 2);
    let renewed: Value =
        serde_json::from_str(applied.object["metadata"]["annotations"][LAST_APPLIED_ANNOTATION].as_str().unwrap())
            .unwrap();
    assert_eq!(renewed, config);

    let conflicts = spec(json!({"replicas": 3, "paused": false}));
    let refused = managed.apply(&versions(), &live, &conflicts, &writer("kubectl", "t"), Force::No).unwrap_err();
    assert_eq!(refused.0.iter().map(|c| c.path.to_string()).collect::<Vec<_>>(), [".spec.paused"]);
}

#[test]
fn old_updates_become_one_entry() {
    let mut managed = ManagedFields::default();
    let mut live = spec(json!({}));
    let mut before = deployment().empty_object();
    for i in 0..14 {
        live["metadata"]["labels"][format!("l{i:02}")] = "x".into();
        managed.update(&versions(), &before, &live, &writer(&format!("m{i:02}"), &format!("2026-01-01T00:00:{i:02}Z")));
        before = live.clone();
    }
    let mut object = live;
    managed.write(&mut object);
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.len(), 10);
    assert_eq!(entries[0]["manager"], "ancient-changes");
    assert_eq!(entries[0]["time"], "2026-01-01T00:00:04Z");
    assert_eq!(entries[0]["fieldsV1"]["f:metadata"]["f:labels"].as_object().unwrap().len(), 6, "five, and the map");
}

#[test]
fn entries_are_taken_from_the_client_unless_they_are_broken() {
    let entry = |manager: &str| json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:a": {}}});
    let object = |entries: Value| json!({"metadata": {"managedFields": entries}});
    let live = object(json!([entry("live")]));
    let sent = |entries: Value| {
        let managed = ManagedFields::sent(&live, &object(entries), "");
        owners(&managed).join(",")
    };
    assert_eq!(sent(json!([entry("new")])), "new");
    assert_eq!(sent(json!([])), "");
    assert_eq!(sent(json!([{}])), "");
    assert_eq!(sent(Value::Null), "live");
    assert_eq!(sent(json!([{"operation": "Sing"}])), "live");
    assert_eq!(owners(&ManagedFields::sent(&live, &object(json!([])), "status")), ["live"]);
}

#[test]
fn a_type_that_became_atomic_is_owned_as_a_whole() {
    let schema = |kind: &str| {
        let openapi = json!({"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-map-type": kind, "properties": {
            "a": {"type": "string"}, "b": {"type": "string"}}}}});
        let schema = Schema::custom(Some(&openapi), UnknownFields::Pruned);
        OneVersion { api_version: "apps/v1", schema }
    };
    let mut managed = ManagedFields::default();
    let config = json!({"spec": {"a": "1"}});
    let live = managed.apply(&schema("granular"), &json!({}), &config, &writer("m", "t"), Force::No).unwrap().object;
    assert_eq!(managed.entries()[0].fields.to_fields_v1(), json!({"f:spec": {"f:a": {}}}));
    managed.apply(&schema("atomic"), &live, &json!({"spec": {"a": "1"}}), &writer("other", "t"), Force::No).unwrap();
    for entry in managed.entries() {
        assert_eq!(entry.fields.to_fields_v1(), json!({"f:spec": {}}), "{}", entry.manager);
    }
    assert!(schema("atomic").schema("v2").is_none());
}

#[test]
fn a_custom_resource_merges_by_its_schema() {
    let openapi = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "list": {"type": "array", "items": {"type": "string"}},
    }}}});
    let schema = Schema::custom(Some(&openapi), UnknownFields::Pruned);
    let fields = field_set(
        &json!({"metadata": {"labels": {"a": "b"}, "finalizers": ["x"]},
                "spec": {"set": ["a<b"], "free": {"x": {"y": [1]}}, "list": ["a"]}}),
        &schema,
    );
    assert_eq!(
        fields.to_fields_v1(),
        json!({"f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {"v:\"x\"": {}}},
               "f:spec": {"f:set": {"v:\"a\\u003cb\"": {}}, "f:free": {"f:x": {".": {}, "f:y": {}}}, "f:list": {}}})
    );
}

//! Laws of server-side apply that hold for every history of writes.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use gitops_engine_schema::{
    FieldSet, ManagedFields, Schema, UnknownFields, Writer,
    managed::{Force, OneVersion, Operation},
    merge::{Duplicates, compare, field_set, merge, remove, validate},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Every way of merging, nested.
fn schema() -> Schema {
    let openapi = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "text": {"type": "string"},
        "atomic": {"type": "array", "items": {"type": "string"}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
        "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "kind"],
            "items": {"type": "object", "properties": {
                "name": {"type": "string"}, "kind": {"type": "string", "default": "K"},
                "value": {"type": "string"}, "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            }}},
    }}}});
    Schema::custom(Some(&openapi), UnknownFields::Pruned)
}

fn versions() -> OneVersion<'static> {
    OneVersion { api_version: "v1", schema: schema() }
}

fn writer(manager: &str) -> Writer<'_> {
    Writer { manager, api_version: "v1", subresource: "", time: Some("2026-01-01T00:00:00Z") }
}

fn text() -> impl Strategy<Value = String> {
    "[ab]"
}

fn set() -> impl Strategy<Value = Value> {
    prop::collection::btree_set(text(), 1..3).prop_map(|s| s.into_iter().map(Value::from).collect())
}

fn object(fields: Vec<(&'static str, Option<Value>)>) -> Value {
    Value::Object(fields.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect::<Map<_, _>>())
}

fn item() -> impl Strategy<Value = Value> {
    use prop::option::of as some;
    (text(), some("[KL]"), some(text()), some(set())).prop_map(|(name, kind, value, set)| {
        object(vec![
            ("name", Some(name.into())),
            ("kind", kind.map(Value::from)),
            ("value", value.map(Value::from)),
            ("set", set),
        ])
    })
}

fn config() -> impl Strategy<Value = Value> {
    use prop::option::of as some;
    let texts = || prop::collection::btree_map(text(), text(), 1..3).prop_map(|m| json!(m));
    let items = prop::collection::vec(item(), 1..3).prop_map(|items| {
        // No two with the same keys.
        let mut seen = Vec::new();
        let key = |i: &Value| (i["name"].clone(), i.get("kind").cloned().unwrap_or_else(|| "K".into()));
        items
            .into_iter()
            .filter(|i| {
                let new = !seen.contains(&key(i));
                seen.push(key(i));
                new
            })
            .collect::<Value>()
    });
    (some(text()), some(set()), some(set()), some(texts()), some(texts()), some(items)).prop_map(
        |(text, atomic, set, map, whole, items)| {
            // Nothing is empty: an empty container is a leaf that somebody owns, until something is put into it.
            let nothing = [&set, &atomic, &map, &whole, &items].iter().all(|v| v.is_none());
            let text = text.or(nothing.then(|| "a".to_owned()));
            let spec = object(vec![
                ("text", text.map(Value::from)),
                ("atomic", atomic),
                ("set", set),
                ("map", map),
                ("whole", whole),
                ("items", items),
            ]);
            json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": spec})
        },
    )
}

/// Applies by one of three managers, and what is live after them.
fn history() -> impl Strategy<Value = Vec<(usize, Value)>> {
    prop::collection::vec((0..3_usize, config()), 1..6)
}

const MANAGERS: [&str; 3] = ["a", "b", "c"];

fn live(history: &[(usize, Value)]) -> (Value, ManagedFields) {
    let mut managed = ManagedFields::default();
    let mut live = json!({});
    for (manager, config) in history {
        live = managed.apply(&versions(), &live, config, &writer(MANAGERS[*manager]), Force::Yes).unwrap().object;
    }
    (live, managed)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,3}".prop_map(Value::from),
        "(object|array|string|set|map|atomic)".prop_map(Value::from),
    ];
    let name = "(metadata|spec|template|containers|name|ports|type|properties|items|additionalProperties|x-kubernetes-list-type|x-kubernetes-list-map-keys|x-kubernetes-map-type|allOf|\\$ref|default|fieldsV1|managedFields|operation|.)";
    leaf.prop_recursive(5, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..5).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn applying_twice_is_applying_once(history in history()) {
        let (before, managed) = live(&history);
        let (manager, config) = history.last().unwrap();
        let mut again = managed.clone();
        let later = Writer { time: Some("2027-01-01T00:00:00Z"), ..writer(MANAGERS[*manager]) };
        let applied = again.apply(&versions(), &before, config, &later, Force::No).unwrap();
        prop_assert_eq!(&applied.object, &before);
        prop_assert!(!applied.changed);
        prop_assert_eq!(again, managed);
    }

    #[test]
    fn everything_is_there_because_someone_wants_it(history in history()) {
        let (live, managed) = live(&history);
        let owned = managed.entries().iter().fold(FieldSet::default(), |all, e| all.union(&e.fields));
        let there = field_set(&live, &schema());
        for path in owned.paths() {
            prop_assert!(there.contains(&path.0), "{path} is owned and not there: {live}");
        }
        for path in there.paths() {
            let text = path.to_string();
            let identity = [".apiVersion", ".kind", ".metadata.name"].contains(&text.as_str());
            prop_assert!(identity || owned.contains(&path.0), "{path} is there and nobody's: {live}");
        }
    }

    #[test]
    fn omission_removes_exactly_what_nobody_else_owns(history in history(), manager in 0..3_usize) {
        let (before, managed) = live(&history);
        let nothing = json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}});
        let mut after = managed.clone();
        let applied = after.apply(&versions(), &before, &nothing, &writer(MANAGERS[manager]), Force::No).unwrap();
        let of = |own: bool| managed.entries().iter().filter(move |e| (e.manager == MANAGERS[manager]) == own);
        let mine = of(true).fold(FieldSet::default(), |all, e| all.union(&e.fields));
        let others = of(false).fold(FieldSet::default(), |all, e| all.union(&e.fields));
        let there = field_set(&applied.object, &schema());
        for path in others.paths() {
            prop_assert!(there.contains(&path.0), "{path} of another was taken away");
        }
        for path in mine.difference(&others).paths() {
            // An item or container stays while others have something in it.
            let below = others.paths().iter().any(|p| p.0.starts_with(&path.0));
            prop_assert!(below || !there.contains(&path.0), "{path} stayed: {}", applied.object);
        }
        prop_assert!(after.entries().iter().all(|e| e.manager != MANAGERS[manager]));
    }

    #[test]
    fn an_update_owns_what_it_changed(history in history(), config in config()) {
        let (before, mut managed) = live(&history);
        let after = merge(&before, &config, &schema());
        let changes = compare(&before, &after, &schema());
        managed.update(&versions(), &before, &after, &writer("hand"));
        let changed = changes.added.union(&changes.modified);
        for entry in managed.entries() {
            let theirs = entry.fields.intersection(&changed);
            let hand = entry.manager == "hand" && entry.operation == Operation::Update;
            prop_assert!(hand || theirs.is_empty(), "{} keeps {:?}", entry.manager, theirs.paths());
        }
    }

    #[test]
    fn entries_are_read_as_they_are_written(history in history()) {
        let (_, managed) = live(&history);
        let encoded = Value::from(managed.encode());
        let decoded = ManagedFields::decode(&encoded).unwrap();
        prop_assert_eq!(Value::from(decoded.encode()), encoded);
    }

    #[test]
    fn a_merge_with_oneself_changes_nothing(history in history()) {
        let (live, _) = live(&history);
        prop_assert_eq!(merge(&live, &live, &schema()), live.clone());
        prop_assert!(compare(&live, &live, &schema()).is_same());
        prop_assert!(validate(&live, &schema(), Duplicates::Refused).is_ok());
    }

    #[test]
    fn arbitrary_json_does_not_panic(openapi in any_json(), a in any_json(), b in any_json()) {
        let custom = Schema::custom(Some(&openapi), UnknownFields::Pruned);
        let built_in = Schema::builtin("apps", "v1", "Deployment").unwrap();
        for schema in [custom, built_in, schema(), Schema::deduced()] {
            let versions = OneVersion { api_version: "v1", schema: schema.clone() };
            let _any = validate(&a, &schema, Duplicates::Refused);
            let fields = field_set(&a, &schema);
            prop_assert_eq!(FieldSet::from_fields_v1(&fields.to_fields_v1()), Ok(fields.clone()));
            let merged = merge(&a, &b, &schema);
            let _less = remove(&merged, &fields, &schema);
            let mut managed = ManagedFields::of(&json!({"metadata": {"managedFields": a}}));
            let mut object = managed.apply(&versions, &a, &b, &writer("m"), Force::Yes).unwrap().object;
            managed.update(&versions, &object, &a, &writer("u"));
            managed.write(&mut object);
            let _sent = ManagedFields::sent(&a, &b, "");
        }
    }
}

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use gitops_engine_core::{ManagedFields, Manifest, Value};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

fn manifest(text: &str) -> Manifest {
    Manifest::from_json(text.as_bytes(), ManagedFields::Drop).unwrap()
}

fn object(kind: &str, rest: &str) -> Manifest {
    let (api, kind) = kind.rsplit_once('/').unwrap();
    manifest(&format!(r#"{{"apiVersion":"{api}","kind":"{kind}","metadata":{{"name":"x"}},{rest}}}"#))
}

/// Whether the digest of the declared fields tells the two live objects apart.
#[track_caller]
fn tells_apart(kind: &str, desired: &str, a: &str, b: &str) -> bool {
    let desired = object(kind, desired);
    applied_digest(&desired, &object(kind, a)) != applied_digest(&desired, &object(kind, b))
}

#[test]
fn what_others_add_is_not_seen() {
    for (kind, desired, a, b) in [
        ("v1/ConfigMap", r#""data":{"a":"1"}"#, r#""data":{"a":"1"}"#, r#""data":{"a":"1","b":"2"}"#),
        (
            "apps/v1/Deployment",
            r#""spec":{"replicas":1}"#,
            r#""spec":{"replicas":1}"#,
            r#""spec":{"replicas":1},"status":{"replicas":1}"#,
        ),
        // An associative list: the other's item stands before ours, and ours has more fields.
        (
            "v1/Pod",
            r#""spec":{"containers":[{"name":"web","image":"a"}]}"#,
            r#""spec":{"containers":[{"name":"web","image":"a"}]}"#,
            r#""spec":{"containers":[{"name":"mesh","image":"m"},{"name":"web","image":"a","tty":true}]}"#,
        ),
        // The protocol of a port is TCP where it is left out.
        (
            "v1/Service",
            r#""spec":{"ports":[{"port":80}]}"#,
            r#""spec":{"ports":[{"port":80,"protocol":"TCP","nodePort":30000}]}"#,
            r#""spec":{"ports":[{"port":80,"protocol":"UDP"},{"port":80,"protocol":"TCP"}]}"#,
        ),
        ("v1/Pod", r#""spec":{"nodeName":null}"#, r#""spec":{}"#, r#""spec":{"nodeName":"n"}"#),
        ("v1/Secret", r#""stringData":{"p":"a"}"#, r#""data":{"p":"YQ=="}"#, r#""data":{"p":"YQ==","q":"YQ=="}"#),
        (
            "rbac.authorization.k8s.io/v1/ClusterRole",
            r#""aggregationRule":{},"rules":[]"#,
            r#""aggregationRule":{},"rules":null"#,
            r#""aggregationRule":{},"rules":[{"verbs":["get"]}]"#,
        ),
    ] {
        assert!(!tells_apart(kind, desired, a, b), "{kind} {desired}");
    }
}

#[test]
fn what_is_declared_is_seen() {
    for (kind, desired, a, b) in [
        ("v1/ConfigMap", r#""data":{"a":"1"}"#, r#""data":{"a":"1"}"#, r#""data":{"a":"2"}"#),
        ("v1/ConfigMap", r#""data":{"a":"1"}"#, r#""data":{"a":"1"}"#, r#""data":{}"#),
        ("v1/Secret", r#""stringData":{"p":"a"}"#, r#""data":{"p":"YQ=="}"#, r#""data":{"p":"Yg=="}"#),
        (
            "v1/Pod",
            r#""spec":{"containers":[{"name":"web"}]}"#,
            r#""spec":{"containers":[{"name":"web"}]}"#,
            r#""spec":{"containers":[{"name":"other"}]}"#,
        ),
        // An atomic list counts as a whole, and so does an atomic map.
        (
            "v1/Pod",
            r#""spec":{"tolerations":[{"key":"a"}]}"#,
            r#""spec":{"tolerations":[{"key":"a"}]}"#,
            r#""spec":{"tolerations":[{"key":"a"},{"key":"b"}]}"#,
        ),
        (
            "v1/Service",
            r#""spec":{"selector":{"a":"1"}}"#,
            r#""spec":{"selector":{"a":"1"}}"#,
            r#""spec":{"selector":{"a":"1","b":"2"}}"#,
        ),
        // A struct without fields is there or not.
        (
            "v1/Pod",
            r#""spec":{"volumes":[{"name":"v","emptyDir":{}}]}"#,
            r#""spec":{"volumes":[{"name":"v","emptyDir":{}}]}"#,
            r#""spec":{"volumes":[{"name":"v"}]}"#,
        ),
        // The order of init containers.
        (
            "v1/Pod",
            r#""spec":{"initContainers":[{"name":"a"},{"name":"b"}]}"#,
            r#""spec":{"initContainers":[{"name":"a"},{"name":"b"}]}"#,
            r#""spec":{"initContainers":[{"name":"b"},{"name":"a"}]}"#,
        ),
        // Environment variables may repeat a name: the list is then one value.
        (
            "v1/Pod",
            r#""spec":{"containers":[{"name":"c","env":[{"name":"A","value":"1"},{"name":"A","value":"2"}]}]}"#,
            r#""spec":{"containers":[{"name":"c","env":[{"name":"A","value":"1"},{"name":"A","value":"2"}]}]}"#,
            r#""spec":{"containers":[{"name":"c","env":[{"name":"A","value":"1"},{"name":"A","value":"3"}]}]}"#,
        ),
    ] {
        assert!(tells_apart(kind, desired, a, b), "{kind} {desired}");
    }
}

#[test]
fn keyed_digests_depend_on_the_key() {
    let secret = object("v1/Secret", r#""data":{"p":"YQ=="}"#);
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    assert_ne!(keyed_applied_digest(&a, &secret, &secret), keyed_applied_digest(&b, &secret, &secret));
    assert_ne!(keyed_applied_digest(&a, &secret, &secret), applied_digest(&secret, &secret));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0_i64..5).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-d]", inner), 0..4).prop_map(|entries| Value::object(
                entries.into_iter().map(|(key, value)| (key.as_str().into(), value))
            )),
        ]
    })
}

/// A Pod spec with associative lists, so that the law meets them.
fn any_spec() -> impl Strategy<Value = Value> {
    let env = ("[A-C]", any_value())
        .prop_map(|(name, value)| Value::object([("name".into(), name.into()), ("value".into(), value)]));
    let container = ("[a-c]", prop::collection::vec(env, 0..3), any_value()).prop_map(|(name, env, extra)| {
        Value::object([("name".into(), name.into()), ("env".into(), env.into()), ("x".into(), extra)])
    });
    (prop::collection::vec(container, 0..4), any_value())
        .prop_map(|(containers, x)| Value::object([("containers".into(), containers.into()), ("x".into(), x)]))
}

fn pod(spec: Value) -> Manifest {
    object("v1/Pod", r#""spec":{}"#).edit(|body| body.set(&["spec"], spec)).unwrap()
}

/// Adds what others may add: fields to maps that are not atomic, items to associative lists. Atomic lists stay.
fn with_foreign_additions(value: &mut Value, in_atomic: bool, name: &str, choices: &mut impl Iterator<Item = bool>) {
    match value {
        Value::Object(map) if !in_atomic => {
            for (key, value) in map.clone().into_entries() {
                let mut value = value;
                with_foreign_additions(&mut value, false, key.as_str(), choices);
                map.insert(key, value);
            }
            if choices.next().unwrap_or(false) {
                map.insert("foreign".into(), "added".into());
            }
        }
        Value::Array(items) if matches!(name, "containers" | "env") && !in_atomic => {
            let mut names: Vec<_> = items.iter().filter_map(|item| item.text(["name"])).collect();
            names.sort_unstable();
            let distinct = names.windows(2).all(|pair| pair[0] != pair[1]);
            if !distinct {
                return;
            }
            let mut out: Vec<Value> = items.to_vec();
            for item in &mut out {
                with_foreign_additions(item, false, "", choices);
            }
            if choices.next().unwrap_or(false) {
                let at = if choices.next().unwrap_or(false) { 0 } else { out.len() };
                out.insert(at, Value::object([("name".into(), "foreign".into())]));
            }
            *value = out.into();
        }
        _ => {}
    }
}

/// All places of leaves that are declared, as functions that change them.
fn leaves(value: &Value, path: &[usize], out: &mut Vec<Vec<usize>>) {
    let below = |at: usize| [path, &[at]].concat();
    match value {
        Value::Object(map) => map.iter().enumerate().for_each(|(at, (_, value))| leaves(value, &below(at), out)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| leaves(value, &below(at), out)),
        _ => out.push(path.to_vec()),
    }
}

fn change_leaf(value: &mut Value, path: &[usize]) {
    match (path.split_first(), value) {
        (Some((at, rest)), Value::Object(map)) => {
            let key = map.iter().nth(*at).unwrap().0.clone();
            change_leaf(map.get_mut(key.as_str()).unwrap(), rest);
        }
        (Some((at, rest)), Value::Array(items)) => change_leaf(&mut items[*at], rest),
        (_, leaf) => *leaf = "changed by someone".into(),
    }
}

proptest! {
    /// Fields and items of others do not show.
    #[test]
    fn foreign_additions_do_not_show(spec in any_spec(), choices in prop::collection::vec(any::<bool>(), 0..40)) {
        let desired = pod(spec.clone());
        let mut live = spec;
        with_foreign_additions(&mut live, false, "", &mut choices.into_iter());
        prop_assert_eq!(applied_digest(&desired, &desired), applied_digest(&desired, &pod(live)));
    }

    /// A change of any declared leaf shows.
    #[test]
    fn declared_changes_show(spec in any_spec(), which in any::<Index>()) {
        let mut places = Vec::new();
        leaves(&spec, &[], &mut places);
        prop_assume!(!places.is_empty());
        let desired = pod(spec.clone());
        let mut live = spec;
        change_leaf(&mut live, &places[which.index(places.len())]);
        prop_assert_ne!(applied_digest(&desired, &desired), applied_digest(&desired, &pod(live)));
    }

    /// Whatever the two objects hold, there is an answer.
    #[test]
    fn unrelated_objects_have_a_digest(a in any_value(), b in any_value()) {
        applied_digest(&pod(a), &pod(b));
    }
}

//! What an apply is forecast to do, by rule.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use gitops_engine_core::{FieldPath, GroupKind, ManagedFields, Manifest, Value};
use gitops_engine_diff::{LastApplied, ListType, MergeKey, Mutations, compare, summary, three_way, two_way};

fn object(kind: &str, rest: &str) -> Manifest {
    with_metadata(kind, "", rest)
}

fn with_metadata(kind: &str, metadata: &str, rest: &str) -> Manifest {
    let (api, kind) = kind.rsplit_once('/').unwrap();
    let comma = if rest.is_empty() { "" } else { "," };
    let text = format!(r#"{{"apiVersion":"{api}","kind":"{kind}","metadata":{{"name":"x"{metadata}}}{comma}{rest}}}"#);
    Manifest::from_json(text.as_bytes(), ManagedFields::Keep).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The forecast of applying `desired` to `live` after `last`, as text; and applying it again changes nothing.
#[track_caller]
fn forecast(kind: &str, last: Option<&str>, desired: &str, live: &str) -> String {
    let (desired, live) = (object(kind, desired), object(kind, live));
    let last = last.map(|last| object(kind, last));
    let last = last.as_ref().map_or(LastApplied::Unknown, |last| LastApplied::Given(last.body()));
    let forecast = three_way(&desired, last, &live);
    let again = three_way(&desired, LastApplied::Given(desired.body()), &forecast.predicted);
    assert_eq!(summary(&again.changes).to_string(), "", "not settled");
    summary(&forecast.changes).to_string()
}

const POD: &str = "v1/Pod";

#[test]
fn fields_that_are_no_longer_declared_go() {
    let last = r#""spec":{"hostname":"h","nodeSelector":{"a":"1"},"dnsConfig":{"nameservers":["n"]}}"#;
    let live = r#""spec":{"hostname":"h","nodeSelector":{"a":"1"},"dnsConfig":{"nameservers":["n"],"options":[]},"priority":0}"#;
    assert_eq!(
        forecast(POD, Some(last), r#""spec":{"hostname":"h"}"#, live),
        "spec.dnsConfig.nameservers: [\"n\"] -> (none)\nspec.nodeSelector: {\"a\":\"1\"} -> (none)"
    );
    // Nothing is known of before: nothing goes.
    assert_eq!(forecast(POD, None, r#""spec":{"hostname":"h"}"#, live), "");
}

#[test]
fn labels_of_others_stay() {
    let desired = with_metadata("v1/ConfigMap", r#","labels":{"a":"1"}"#, "");
    let last = with_metadata("v1/ConfigMap", r#","labels":{"a":"1","b":"2"},"annotations":{}"#, "");
    let live = with_metadata("v1/ConfigMap", r#","labels":{"a":"1","b":"2","c":"3"},"annotations":{"d":"4"}"#, "");
    let forecast = three_way(&desired, LastApplied::Given(last.body()), &live);
    assert_eq!(summary(&forecast.changes).to_string(), r#"metadata.labels.b: "2" -> (none)"#);
    assert_eq!(forecast.predicted.label("c"), Some("3"));
    assert_eq!(forecast.predicted.annotation("d"), Some("4"));
}

#[test]
fn items_merge_by_key() {
    let live = r#""spec":{"containers":[{"name":"mesh","image":"m"},{"name":"web","image":"a","tty":true},{"name":"old","image":"o"}]}"#;
    let last = r#""spec":{"containers":[{"name":"web","image":"a"},{"name":"old","image":"o"}]}"#;
    let desired = r#""spec":{"containers":[{"name":"web","image":"b"},{"name":"new","image":"n"}]}"#;
    assert_eq!(
        forecast(POD, Some(last), desired, live),
        "spec.containers[name=new]: (none) -> {\"image\":\"n\",\"name\":\"new\"}\n\
         spec.containers[name=old]: {\"image\":\"o\",\"name\":\"old\"} -> (none)\n\
         spec.containers[name=web].image: \"a\" -> \"b\""
    );
    // A port without a protocol is a TCP port, also where the protocol was written out before.
    let written = r#""spec":{"ports":[{"port":80,"protocol":"TCP"}]}"#;
    assert_eq!(forecast("v1/Service", Some(written), r#""spec":{"ports":[{"port":80}]}"#, written), "");
}

#[test]
fn the_order_of_items_counts_as_far_as_it_is_ours() {
    let live = r#""spec":{"initContainers":[{"name":"a"},{"name":"mesh"},{"name":"b"}]}"#;
    let desired = r#""spec":{"initContainers":[{"name":"b"},{"name":"a"}]}"#;
    assert_eq!(forecast(POD, None, desired, live), r#"spec.initContainers: ["a","mesh","b"] -> ["b","mesh","a"]"#);
    assert_eq!(forecast(POD, None, r#""spec":{"initContainers":[{"name":"a"},{"name":"b"}]}"#, live), "");
}

#[test]
fn sets_merge_by_member() {
    let object = |finalizers: &str| with_metadata("v1/ConfigMap", &format!(r#","finalizers":[{finalizers}]"#), "");
    let (desired, last, live) = (object(r#""a","new""#), object(r#""a","old""#), object(r#""old","theirs","a""#));
    let forecast = three_way(&desired, LastApplied::Given(last.body()), &live);
    assert_eq!(
        summary(&forecast.changes).to_string(),
        "metadata.finalizers[=new]: (none) -> \"new\"\nmetadata.finalizers[=old]: \"old\" -> (none)"
    );
    assert_eq!(two_way(&object(r#""a""#), &live).changes, vec![]);
}

#[test]
fn atomic_values_are_one_value() {
    let two = r#""spec":{"tolerations":[{"key":"a"},{"key":"b"}]}"#;
    assert_eq!(
        forecast(POD, None, r#""spec":{"tolerations":[{"key":"a"}]}"#, two),
        r#"spec.tolerations: [{"key":"a"},{"key":"b"}] -> [{"key":"a"}]"#
    );
    // What someone added to a rule of a policy is no default.
    let policy = "networking.k8s.io/v1/NetworkPolicy";
    assert_eq!(
        forecast(
            policy,
            None,
            r#""spec":{"ingress":[{"from":[{"podSelector":{}}],"ports":[{"port":80}]}]}"#,
            r#""spec":{"ingress":[{"from":[{"podSelector":{},"namespaceSelector":{}}],"ports":[{"port":80,"protocol":"TCP"}]}]}"#
        ),
        "spec.ingress[0].from[0].namespaceSelector: {} -> (none)\nspec.ingress[0].ports[0].protocol: \"TCP\" -> (none)"
    );
    assert_eq!(
        forecast("v1/Service", None, r#""spec":{"selector":{"a":"1"}}"#, r#""spec":{"selector":{"a":"1","b":"2"}}"#),
        r#"spec.selector.b: "2" -> (none)"#
    );
    // Of a custom resource nobody here knows the defaults.
    let shop = "example.com/v1/Shop";
    assert_eq!(forecast(shop, None, r#""spec":{"list":[{"a":1}]}"#, r#""spec":{"list":[{"a":1,"b":2}]}"#), "");
    assert_eq!(
        forecast(
            shop,
            Some(r#""spec":{"list":[{"a":1,"b":2}]}"#),
            r#""spec":{"list":[{"a":1}]}"#,
            r#""spec":{"list":[{"a":1,"b":2}]}"#
        ),
        "spec.list[0].b: 2 -> (none)"
    );
}

#[test]
fn nothing_is_what_the_server_drops() {
    for (kind, desired, live) in [
        (
            "apps/v1/Deployment",
            r#""spec":{"replicas":null,"paused":false,"minReadySeconds":0}"#,
            r#""spec":{"replicas":3}"#,
        ),
        (
            POD,
            r#""spec":{"containers":[{"name":"a","env":[{"name":"A","value":""}],"args":[]}]}"#,
            r#""spec":{"containers":[{"name":"a","env":[{"name":"A"}]}]}"#,
        ),
        ("v1/Service", r#""spec":{"clusterIP":""}"#, r#""spec":{"clusterIP":"192.0.2.1"}"#),
        ("rbac.authorization.k8s.io/v1/Role", r#""rules":[]"#, r#""rules":null"#),
        ("rbac.authorization.k8s.io/v1/Role", r#""rules":null"#, r#""rules":[]"#),
        ("v1/ConfigMap", r#""data":{}"#, ""),
        ("v1/Secret", r#""data":null,"stringData":{"a":"b"}"#, r#""data":{"a":"Yg=="}"#),
        ("apps/v1/Deployment", r#""status":{"replicas":9}"#, r#""status":{"replicas":1}"#),
    ] {
        assert_eq!(forecast(kind, None, desired, live), "", "{kind} {desired}");
    }
    // A struct behind a pointer and a flag behind a pointer mean something.
    assert_eq!(
        forecast(
            POD,
            None,
            r#""spec":{"volumes":[{"name":"v","emptyDir":{}}]}"#,
            r#""spec":{"volumes":[{"name":"v","hostPath":{"path":"/"}}]}"#
        ),
        "spec.volumes[name=v].emptyDir: (none) -> {}"
    );
    assert_eq!(
        forecast(POD, None, r#""spec":{"automountServiceAccountToken":false}"#, r#""spec":{}"#),
        "spec.automountServiceAccountToken: (none) -> false"
    );
    // A custom resource keeps what it is given.
    assert_eq!(forecast("example.com/v1/Shop", None, r#""spec":{"size":0}"#, r#""spec":{}"#), "spec.size: (none) -> 0");
}

#[test]
fn kubectls_note_is_read_and_never_compared() {
    let note = r#"{"spec":{"hostname":"h","subdomain":"s"}}"#;
    let metadata =
        format!(r#","annotations":{{"kubectl.kubernetes.io/last-applied-configuration":{}}}"#, Value::from(note));
    let live = with_metadata(POD, &metadata, r#""spec":{"hostname":"h","subdomain":"s"}"#);
    let desired = object(POD, r#""spec":{"hostname":"h"}"#);
    let changes = three_way(&desired, LastApplied::Annotation, &live).changes;
    assert_eq!(summary(&changes).to_string(), "spec.subdomain: \"s\" -> (none)");
    let note = r#","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{"}"#;
    let broken = with_metadata(POD, note, r#""spec":{"hostname":"h","subdomain":"s"}"#);
    assert!(three_way(&desired, LastApplied::Annotation, &broken).is_unchanged());
}

#[test]
fn owners_are_named() {
    let managed = r#","managedFields":[
        {"manager":"kubectl","operation":"Update","fieldsV1":{"f:spec":{"f:replicas":{}}}},
        {"manager":"ours","operation":"Apply","fieldsV1":{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:image":{},"f:name":{}}}}}}}},
        {"manager":"broken","fieldsV1":{"k:{":{},"v:x":{},"i:-1":{},"q:x":{},"no form":{}}},
        "no entry"]"#;
    let live = with_metadata(
        "apps/v1/Deployment",
        managed,
        r#""spec":{"replicas":1,"template":{"spec":{"containers":[{"name":"web","image":"a"}]}}}"#,
    );
    let desired = object(
        "apps/v1/Deployment",
        r#""spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"web","image":"b"}]}}}"#,
    );
    let expected = "spec.replicas: 1 -> 2 (owner kubectl)\n\
                    spec.template.spec.containers[name=web].image: \"a\" -> \"b\" (owner ours)";
    assert_eq!(summary(&two_way(&desired, &live).changes).to_string(), expected);
    // Our manager declared the container's image and declares it no more.
    let none = object("apps/v1/Deployment", r#""spec":{"replicas":1}"#);
    let forecast = three_way(&none, LastApplied::Manager("ours"), &live);
    assert!(forecast.predicted.body().items(["spec", "template", "spec", "containers"]).is_empty());
    assert!(three_way(&none, LastApplied::Manager("nobody"), &live).is_unchanged());
}

#[test]
fn mutations_of_webhooks_can_be_left_out() {
    let ours = r#","managedFields":[{"manager":"ours","operation":"Apply","fieldsV1":{"f:spec":{"f:replicas":{}}}}]"#;
    let live = with_metadata("apps/v1/Deployment", ours, r#""spec":{"replicas":1,"paused":true}"#);
    let predicted = with_metadata(
        "apps/v1/Deployment",
        &format!(r#"{ours},"labels":{{"injected":"yes"}}"#),
        r#""spec":{"replicas":2}"#,
    );
    let desired = object("apps/v1/Deployment", r#""spec":{"replicas":2}"#);
    let text = |mutations| summary(&compare(&desired, &live, &predicted, &mutations)).to_string();
    assert_eq!(text(Mutations::of("ours")), "spec.replicas: 1 -> 2 (owner ours)");
    assert_eq!(
        text(Mutations::All),
        "metadata.labels: (none) -> {\"injected\":\"yes\"}\nspec.paused: true -> (none)\nspec.replicas: 1 -> 2 (owner ours)"
    );
}

#[test]
fn lists_merge_as_the_api_says() {
    const NAME: &[MergeKey] = &[MergeKey::new("name")];
    let of = |group: &str, kind: &str, path: &[&str]| ListType::of(&GroupKind::new(group, kind), &FieldPath::of(path));
    let template = ["spec", "template", "spec"];
    for (group, kind, prefix) in [
        ("apps", "Deployment", &template[..]),
        ("apps", "StatefulSet", &template),
        ("apps", "DaemonSet", &template),
        ("batch", "Job", &template),
        ("batch", "CronJob", &["spec", "jobTemplate", "spec", "template", "spec"]),
        ("", "Pod", &["spec"]),
        ("", "PodTemplate", &["template", "spec"]),
    ] {
        let at = |last: &str| of(group, kind, &[prefix, &[last]].concat());
        assert_eq!(at("containers"), ListType::Map(NAME), "{kind}");
        assert_eq!(at("volumes"), ListType::Map(NAME), "{kind}");
        assert_eq!(at("tolerations"), ListType::Atomic, "{kind}");
    }
    assert_eq!(of("example.com", "Shop", &["metadata", "finalizers"]), ListType::Set);
    assert_eq!(of("example.com", "Shop", &["spec", "containers"]), ListType::Atomic);
    assert_eq!(of("", "ServiceAccount", &["imagePullSecrets"]), ListType::Atomic);
    assert_eq!(of("", "ServiceAccount", &["secrets"]), ListType::Map(NAME));
}

#[test]
fn an_empty_text_is_a_value_where_the_author_names_the_keys() {
    let object = |kind: &str, part: &str, value: &str| {
        let text =
            format!(r#"{{"apiVersion": "v1", "kind": "{kind}", "metadata": {{"name": "x"}}, "{part}": {value}}}"#);
        Manifest::from_json(text.as_bytes(), ManagedFields::Keep).unwrap()
    };
    for (kind, part, desired, live) in [
        ("ConfigMap", "data", r#"{"a": ""}"#, r#"{"b": "1"}"#),
        ("Node", "metadata", r#"{"name": "x", "labels": {"a": ""}}"#, r#"{"name": "x", "labels": {"b": "1"}}"#),
        ("Pod", "spec", r#"{"nodeSelector": {"a": ""}}"#, r#"{"nodeSelector": {}}"#),
        ("Service", "spec", r#"{"selector": {"a": ""}}"#, r#"{"selector": {}}"#),
    ] {
        let forecast = two_way(&object(kind, part, desired), &object(kind, part, live));
        assert!(!forecast.is_unchanged(), "{kind}");
    }
    let with = |spec: &str| object("Pod", "spec", spec);
    assert!(two_way(&with(r#"{"nodeName": ""}"#), &with("{}")).is_unchanged());
}

//! Laws that hold for any objects: merging settles, nothing is invented, no secret value comes out.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use gitops_engine_core::{ManagedFields, Manifest, Value};
use gitops_engine_diff::{
    LastApplied, Mutations, applied_digest, compare, managed_fields, summary, three_way, two_way,
};
use proptest::prelude::*;

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_i64..4).prop_map(Value::from),
        prop::sample::select(vec!["", "a", "b", "1000m", "1", "1Gi", "1024Mi", "TCP"]).prop_map(Value::from),
    ]
}

/// Any value under the keys of a Pod, so that lists with keys, sets, quantities and maps that are whole are met.
fn value() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "containers",
        "name",
        "ports",
        "containerPort",
        "protocol",
        "env",
        "value",
        "resources",
        "limits",
        "cpu",
        "nodeSelector",
        "volumes",
        "emptyDir",
        "tolerations",
        "key",
        "labels",
        "hostNetwork",
        "initContainers",
        "securityContext",
        "topologySpreadConstraints",
        "topologyKey",
        "whenUnsatisfiable",
    ]);
    scalar().prop_recursive(6, 80, 6, move |inner| {
        let item =
            (prop::sample::select(vec!["a", "b", "c"]), prop::collection::vec((key.clone(), inner.clone()), 0..4))
                .prop_map(|(name, entries)| {
                    let mut item = Value::object(entries.into_iter().map(|(key, value)| (key.into(), value)));
                    item.set(&["name"], name.into());
                    item
                });
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            2 => prop::collection::vec(item, 0..4).prop_map(Value::from),
            4 => prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|entries| Value::object(entries.into_iter().map(|(key, value)| (key.into(), value)))),
        ]
    })
}

fn object(kind: &str, spec: Value, labels: Value, finalizers: Value) -> Manifest {
    let (api_version, kind) = kind.rsplit_once('/').unwrap();
    let mut body = Value::empty_object();
    body.set(&["apiVersion"], api_version.into());
    body.set(&["kind"], kind.into());
    body.set(&["metadata", "name"], "x".into());
    body.set(&["metadata", "labels"], labels);
    body.set(&["metadata", "finalizers"], finalizers);
    body.set(&["spec"], spec);
    Manifest::from_value(body).unwrap()
}

fn manifest(kind: &'static str) -> impl Strategy<Value = Manifest> {
    let members = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..3)
        .prop_map(|members| members.into_iter().map(Value::from).collect::<Vec<_>>().into());
    (value(), value(), members).prop_map(move |(spec, labels, finalizers)| object(kind, spec, labels, finalizers))
}

fn triple() -> impl Strategy<Value = (Manifest, Manifest, Manifest)> {
    prop::sample::select(vec!["v1/Pod", "example.com/v1/Shop"])
        .prop_flat_map(|kind| (manifest(kind), manifest(kind), manifest(kind)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What was applied and not touched since has no changes.
    #[test]
    fn an_object_is_its_own_forecast((object, ..) in triple()) {
        let forecast = three_way(&object, LastApplied::Given(object.body()), &object);
        prop_assert!(forecast.is_unchanged(), "{}", summary(&forecast.changes));
        prop_assert!(two_way(&object, &object).is_unchanged());
    }

    /// Applying a forecast leads to no further one, and a forecast without changes is the live object.
    #[test]
    fn forecasts_settle((desired, last, live) in triple()) {
        let forecast = three_way(&desired, LastApplied::Given(last.body()), &live);
        prop_assert_eq!(forecast.is_unchanged(), forecast.predicted == live);
        let again = three_way(&desired, LastApplied::Given(desired.body()), &forecast.predicted);
        prop_assert!(again.is_unchanged(), "{}\nafter\n{}", summary(&again.changes), summary(&forecast.changes));
        // The local forecast and the comparison with its result agree.
        let compared = compare(&desired, &live, &forecast.predicted, &Mutations::All);
        prop_assert_eq!(compared, forecast.changes);
    }

    /// Where the forecast sees drift in what is declared, the digest saw it first.
    #[test]
    fn the_digest_sees_what_the_forecast_sees((desired, _, live) in triple()) {
        let forecast = two_way(&desired, &live);
        if !forecast.is_unchanged() {
            prop_assert_ne!(
                applied_digest(&desired, &live),
                applied_digest(&desired, &forecast.predicted),
                "{}\n{}\n{}", desired.body(), live.body(), summary(&forecast.changes)
            );
        }
    }

    /// Reading the annotation is the same as being given what it says.
    #[test]
    fn the_annotation_is_what_was_applied((desired, other, live) in triple(), same in any::<bool>()) {
        let last = if same { &desired } else { &other };
        let noted = live
            .edit(|body| {
                let name = "kubectl.kubernetes.io/last-applied-configuration";
                body.set(&["metadata", "annotations", name], last.body().to_string().into());
            })
            .unwrap();
        let given = three_way(&desired, LastApplied::Given(last.body()), &noted);
        let read = three_way(&desired, LastApplied::Annotation, &noted);
        prop_assert_eq!(summary(&read.changes).to_string(), summary(&given.changes).to_string());
        prop_assert_eq!(read.predicted, given.predicted);
    }

    /// Text from anywhere is read without a panic.
    #[test]
    fn any_text_is_read(text in r#"(\[|\{|\}|\]|"|:|,|f|k|v|i|\.|manager|fieldsV1|\\|[0-9]){0,40}"#) {
        managed_fields(&text);
    }
}

const FORMS: &[&str] = &["plain", "prefixed", "listed", "nested"];

fn base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bytes = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let bits = u32::from(bytes[0]) << 16 | u32::from(bytes[1]) << 8 | u32::from(bytes[2]);
        for digit in 0..4 {
            if digit <= chunk.len() {
                out.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

fn secret(value: &str, as_text: bool, form: &str) -> Manifest {
    let mut body = Value::from_json(br#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"}}"#).unwrap();
    match as_text {
        true => body.set(&["stringData", "p"], value.into()),
        false => body.set(&["data", "p"], base64(value).into()),
    }
    let note = format!(r#"{{"data":{{"p":"{}"}}}}"#, base64(value));
    let note = Value::object([("kubectl.kubernetes.io/last-applied-configuration".into(), note.into())]);
    body.set(&["metadata", "annotations"], note);
    match form {
        "plain" => body.set(&["metadata", "annotations", "copy"], value.into()),
        "prefixed" => body.set(&["metadata", "annotations", "copy"], format!("password={value};").into()),
        "listed" => body.set(&["other"], vec![Value::from(base64(value))].into()),
        _ => body.set(&["other", "deep", "copy"], value.into()),
    }
    Manifest::from_json(&body.to_json(), ManagedFields::Keep).unwrap()
}

proptest! {
    /// Whatever way a secret value is in an object, changes do not show it.
    #[test]
    fn no_secret_value_comes_out(
        a in "Q[0-9!é]{3,20}",
        b in "Z[0-9!é]{3,20}",
        texts in any::<(bool, bool)>(),
        forms in (prop::sample::select(FORMS), prop::sample::select(FORMS)),
    ) {
        let (before, after) = (secret(&a, texts.0, forms.0), secret(&b, texts.1, forms.1));
        let mut shown = Vec::new();
        for changes in [
            two_way(&after, &before).changes,
            three_way(&after, LastApplied::Annotation, &before).changes,
            three_way(&after, LastApplied::Given(before.body()), &before).changes,
            compare(&after, &before, &after, &Mutations::All),
        ] {
            prop_assert!(!changes.is_empty());
            shown.push(format!("{changes:?}"));
            shown.push(summary(&changes).to_string());
            shown.push(serde_json::to_string(&changes).unwrap());
        }
        shown.push(format!("{:?}", two_way(&after, &before)));
        for text in shown {
            for value in [&a, &b, &base64(&a), &base64(&b)] {
                prop_assert!(!text.contains(value.as_str()), "{text}");
            }
        }
    }
}

#[test]
fn equal_secrets_have_equal_numbers() {
    let parse = |text: &str| Manifest::from_json(text.as_bytes(), ManagedFields::Drop).unwrap();
    let live = parse(r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"},"data":{"a":"b25l","b":"dHdv"}}"#);
    let desired = parse(
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"},"stringData":{"a":"two","b":"one","c":"one"}}"#,
    );
    assert_eq!(
        summary(&two_way(&desired, &live).changes).to_string(),
        "data.a: secret #1 -> secret #2\ndata.b: secret #2 -> secret #1\ndata.c: (none) -> secret #1"
    );
    let gone = parse(r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"}}"#);
    assert_eq!(
        summary(&compare(&gone, &live, &gone, &Mutations::All)).to_string(),
        "data.a: secret #1 -> (none)\ndata.b: secret #2 -> (none)"
    );
}

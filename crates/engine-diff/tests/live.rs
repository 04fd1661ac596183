//! No false drift on objects as a real API server returns them, and no drift missed.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use gitops_engine_core::{FieldChange, ManagedFields, Manifest, Shown, Value};
use gitops_engine_diff::{LastApplied, Mutations, applied_digest, compare, summary, three_way, two_way};

struct Case {
    desired: Manifest,
    live: Manifest,
    predicted: Manifest,
}

const MANAGER: &str = "gitops-engine";

fn cases() -> Vec<Case> {
    let parse =
        |case: &Value, part| Manifest::from_json(&case.get(part).unwrap().to_json(), ManagedFields::Keep).unwrap();
    let lines = include_str!("live/kubernetes-1.36.jsonl").lines();
    let cases: Vec<_> = lines
        .map(|line| Value::from_json(line.as_bytes()).unwrap())
        .map(|case| Case {
            desired: parse(&case, "desired"),
            live: parse(&case, "live"),
            predicted: parse(&case, "predicted"),
        })
        .collect();
    assert!(cases.len() >= 40);
    cases
}

#[track_caller]
fn assert_none(desired: &Manifest, how: &str, changes: &[FieldChange]) {
    assert!(changes.is_empty(), "{} {how}:\n{}", desired.id(), summary(changes));
}

#[test]
fn unchanged_objects_have_no_changes() {
    for Case { desired, live, predicted } in cases() {
        assert_none(&desired, "two-way", &two_way(&desired, &live).changes);
        assert_none(&desired, "by manager", &three_way(&desired, LastApplied::Manager(MANAGER), &live).changes);
        let given = three_way(&desired, LastApplied::Given(desired.body()), &live);
        assert_none(&desired, "three-way", &given.changes);
        assert_eq!(given.predicted, live, "{}", desired.id());
        assert_none(&desired, "dry run", &compare(&desired, &live, &predicted, &Mutations::All));
        assert_none(&desired, "our dry run", &compare(&desired, &live, &predicted, &Mutations::of(MANAGER)));
        assert_eq!(applied_digest(&desired, &live), applied_digest(&desired, &predicted), "{}", desired.id());
    }
}

/// Every form of the object in which one declared leaf has another value.
fn edited(desired: &Manifest) -> Vec<Manifest> {
    fn edits(value: &Value, out: &mut Vec<Value>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let mut changed = Vec::new();
                    edits(value, &mut changed);
                    out.extend(changed.into_iter().map(|value| {
                        let mut map = map.clone();
                        map.insert(key.clone(), value);
                        Value::Object(map)
                    }));
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    let mut changed = Vec::new();
                    edits(item, &mut changed);
                    out.extend(changed.into_iter().map(|item| {
                        let mut items = items.to_vec();
                        items[at] = item;
                        items.into()
                    }));
                }
            }
            Value::String(text) => out.push(format!("{text}-changed").into()),
            Value::Int(number) => out.push((number + 7).into()),
            Value::Bool(value) => out.push((!value).into()),
            Value::Null | Value::Float(_) => {}
        }
    }
    let declares = |key: &str| {
        !matches!(key, "apiVersion" | "kind" | "metadata" | "status")
            && (desired.get("aggregationRule").is_none() || key != "rules")
    };
    let mut out = Vec::new();
    for (key, value) in desired.body().as_object().unwrap() {
        let mut changed = Vec::new();
        if declares(key.as_str()) {
            edits(value, &mut changed);
        }
        out.extend(changed.into_iter().map(|value| desired.edit(|body| body.set(&[key.as_str()], value)).unwrap()));
    }
    out
}

#[test]
fn every_edit_is_seen_and_settles() {
    let mut count = 0;
    for Case { desired, live, .. } in cases() {
        for edited in edited(&desired) {
            count += 1;
            let forecast = three_way(&edited, LastApplied::Given(desired.body()), &live);
            assert!(!forecast.is_unchanged(), "{} {}", desired.id(), edited.body());
            let again = three_way(&edited, LastApplied::Given(edited.body()), &forecast.predicted);
            assert_none(&edited, "again", &again.changes);
            assert_ne!(
                applied_digest(&edited, &live),
                applied_digest(&edited, &forecast.predicted),
                "{} {}",
                desired.id(),
                edited.body()
            );
        }
    }
    assert!(count > 250, "{count}");
}

#[test]
fn the_secret_is_masked() {
    let Case { desired, live, .. } =
        cases().into_iter().find(|case| &*case.desired.id().kind.kind == "Secret").unwrap();
    let edited = desired.edit(|body| body.set(&["stringData", "p"], "correct horse".into())).unwrap();
    let changes = two_way(&edited, &live).changes;
    assert_eq!(summary(&changes).to_string(), "data.p: secret #1 -> secret #2");
    assert_eq!(changes[0].before, Shown::Secret(1));
}

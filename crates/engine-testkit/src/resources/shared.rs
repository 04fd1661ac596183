//! Objects that two groups serve, each in its own shape: Events of the core and of `events.k8s.io` are the same ones.
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>

use serde_json::{Map, Value, json};

use super::GroupResource;

/// The other resource of the same objects.
pub(crate) struct Twin {
    pub(crate) gr: GroupResource,
    /// From the shape of the one to that of the other.
    pub(crate) convert: fn(&Value) -> Value,
}

/// The core's names of fields, and those of the newer group.
const RENAMED: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

pub(crate) fn twin(gr: &GroupResource) -> Option<Twin> {
    match (&*gr.group, &*gr.resource) {
        ("", "events") => Some(Twin { gr: GroupResource::new("events.k8s.io", "events"), convert: newer }),
        ("events.k8s.io", "events") => Some(Twin { gr: GroupResource::new("", "events"), convert: older }),
        _ => None,
    }
}

/// Whether the objects are at home in another group.
pub(crate) fn is_guest(gr: &GroupResource) -> bool {
    (&*gr.group, &*gr.resource) == ("events.k8s.io", "events")
}

fn renamed(event: &Value, name: impl Fn(&str) -> Option<&'static str>) -> Map<String, Value> {
    let fields = event.as_object().into_iter().flatten();
    fields.map(|(key, value)| (name(key).map_or_else(|| key.clone(), str::to_owned), value.clone())).collect()
}

fn newer(event: &Value) -> Value {
    let mut event = renamed(event, |key| RENAMED.iter().find(|(old, _)| *old == key).map(|(_, new)| *new));
    // The core writes these also when they are empty.
    for key in ["reportingController", "reportingInstance"] {
        if event.get(key).is_some_and(|v| v == "") {
            event.remove(key);
        }
    }
    event.insert("apiVersion".to_owned(), "events.k8s.io/v1".into());
    Value::Object(event)
}

fn older(event: &Value) -> Value {
    let mut event = renamed(event, |key| RENAMED.iter().find(|(_, new)| *new == key).map(|(old, _)| *old));
    for key in ["reportingComponent", "reportingInstance"] {
        event.entry(key).or_insert_with(|| "".into());
    }
    for key in ["involvedObject", "source"] {
        event.entry(key).or_insert_with(|| json!({}));
    }
    event.insert("apiVersion".to_owned(), "v1".into());
    Value::Object(event)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn an_event_is_the_same_after_a_way_there_and_back() {
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "a", "namespace": "b"},
            "involvedObject": {"kind": "Pod"}, "reason": "R", "message": "M", "source": {"component": "c"},
            "firstTimestamp": null, "lastTimestamp": "2026-01-01T00:00:00Z", "count": 3, "type": "Normal",
            "eventTime": null, "reportingComponent": "", "reportingInstance": "",
        });
        let there = twin(&GroupResource::new("", "events")).unwrap();
        let shown = (there.convert)(&event);
        assert_eq!(
            shown,
            json!({
                "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a", "namespace": "b"},
                "regarding": {"kind": "Pod"}, "reason": "R", "note": "M", "deprecatedSource": {"component": "c"},
                "deprecatedFirstTimestamp": null, "deprecatedLastTimestamp": "2026-01-01T00:00:00Z",
                "deprecatedCount": 3, "type": "Normal", "eventTime": null,
            })
        );
        assert_eq!((twin(&there.gr).unwrap().convert)(&shown), event);
    }
}

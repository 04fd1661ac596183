//! Events as controllers, the scheduler and the kubelet report them:
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>
//!
//! As with the real recorder, an event that repeats is counted instead of written anew, many similar ones of an object
//! become one, and an object that reports too fast is cut short.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    clock::Now,
    json::{self, str_at},
    resources::GroupResource,
    state::State,
    store::{ObjectKey, Stored},
};

/// How long an event is kept after it was last written.
pub(super) const KEPT: Duration = Duration::from_secs(3600);
/// So many different messages of one reason are kept apart.
const SIMILAR: u32 = 10;
/// For so long they count as similar.
const SIMILAR_FOR: Duration = Duration::from_secs(600);
/// So many events of an object are written at once, and one more every five minutes.
const BURST: f64 = 25.0;
const REFILL: f64 = 300.0;

/// Something to report about an object.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(super) kind: &'static str,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) component: &'static str,
    /// The host, for a kubelet.
    pub(super) host: String,
    /// What the scheduler was doing: it reports in the newer form.
    pub(super) action: &'static str,
}

impl Note {
    pub(super) fn normal(component: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self {
            kind: "Normal",
            reason: reason.to_owned(),
            message: message.into(),
            component,
            host: String::new(),
            action: "",
        }
    }

    pub(super) fn warning(component: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self { kind: "Warning", ..Self::normal(component, reason, message) }
    }

    pub(super) fn on(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    pub(super) fn doing(mut self, action: &'static str) -> Self {
        self.action = action;
        self
    }
}

/// What is remembered about one object's events.
#[derive(Debug, Default)]
struct Story {
    /// Events by component, reason and message.
    written: BTreeMap<(&'static str, String, String), ObjectKey>,
    /// How many different messages a reason had, and since when.
    similar: BTreeMap<(&'static str, String), (u32, Duration)>,
    /// How many more a component may write, as of when.
    tokens: BTreeMap<&'static str, (f64, Duration)>,
}

#[derive(Debug, Default)]
pub(crate) struct Correlator {
    stories: BTreeMap<String, Story>,
    /// So that two events of one instant have different names.
    count: u64,
}

impl Correlator {
    pub(super) fn forget(&mut self, uid: &str) {
        self.stories.remove(uid);
    }

    pub(super) fn expire(&mut self, event: &Stored) {
        let uid = str_at(&event.value, &["involvedObject", "uid"]);
        if let Some(story) = self.stories.get_mut(uid) {
            story.written.retain(|_, key| key.name() != event.name());
            if story.written.is_empty() {
                self.stories.remove(uid);
            }
        }
    }
}

/// Writes an event, or counts it.
pub(super) fn record(state: &mut State, about: &Stored, mut note: Note, now: Now) {
    let namespace = match about.namespace() {
        "" => "default",
        other => other,
    };
    if !state.settings.events || state.namespace(namespace).is_none_or(|ns| ns.is_terminating()) {
        return;
    }
    let correlator = &mut state.queue.events;
    correlator.count += 1;
    let count = correlator.count;
    let story = correlator.stories.entry(about.uid().to_owned()).or_default();
    let id = |note: &Note| (note.component, note.reason.clone(), note.message.clone());
    if !story.written.contains_key(&id(&note)) {
        let (similar, since) = story.similar.entry((note.component, note.reason.clone())).or_insert((0, now.elapsed));
        if now.elapsed > *since + SIMILAR_FOR {
            (*similar, *since) = (0, now.elapsed);
        }
        *similar += 1;
        if *similar > SIMILAR {
            note.message = format!("(combined from similar events): {}", note.message);
        }
    }
    let combined = note.message.starts_with("(combined");
    let mut at = id(&note);
    if combined {
        at.2.clear();
    }
    let (tokens, as_of) = story.tokens.entry(note.component).or_insert((BURST, now.elapsed));
    *tokens = (*tokens + (now.elapsed - *as_of).as_secs_f64() / REFILL).min(BURST);
    *as_of = now.elapsed;
    // The scheduler's recorder of the newer form has no such limit.
    if note.action.is_empty() {
        if *tokens < 1.0 {
            return;
        }
        *tokens -= 1.0;
    }
    let gr = GroupResource::new("", "events");
    let known = story.written.get(&at).cloned();
    if let Some(known) = known
        && let Some(old) = state.store.at(&known).cloned()
    {
        let mut value = old.value.clone();
        if note.action.is_empty() {
            let times = json::i64_at(&value, &["count"]).unwrap_or(1);
            json::set(&mut value, &["count"], times + 1);
            json::set(&mut value, &["lastTimestamp"], now.rfc3339());
            json::set(&mut value, &["message"], note.message.as_str());
        } else {
            let times = json::i64_at(&value, &["series", "count"]).unwrap_or(1);
            json::set(&mut value, &["series"], json!({"count": times + 1, "lastObservedTime": micro(now)}));
        }
        super::writes::put(state, &known, &old, value, "", manager(&note), now);
        return;
    }
    let name = format!("{}.{:x}", about.name(), now.timestamp.as_nanosecond() + i128::from(count));
    story.written.insert(at, ObjectKey::new(&gr, namespace, &name));
    let event = event(about, &note, namespace, &name, now);
    if let Err(message) = super::writes::create(state, &gr, event, manager(&note), now) {
        tracing::debug!(message, "an event was refused");
    }
}

fn manager(note: &Note) -> &'static str {
    match note.component {
        "kubelet" => "kubelet",
        "default-scheduler" => "kube-scheduler",
        _ => "kube-controller-manager",
    }
}

/// `metav1.MicroTime`.
fn micro(now: Now) -> String {
    now.timestamp.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn event(about: &Stored, note: &Note, namespace: &str, name: &str, now: Now) -> Value {
    let of = |path: &[&str]| json::get(&about.value, path).cloned().unwrap_or(Value::Null);
    let mut involved = json!({
        "kind": of(&["kind"]), "name": about.name(), "uid": about.uid(), "apiVersion": of(&["apiVersion"]),
        "resourceVersion": of(&["metadata", "resourceVersion"]),
    });
    if !about.namespace().is_empty() {
        involved["namespace"] = about.namespace().into();
    }
    let mut event = json!({
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": involved,
        "reason": note.reason, "message": note.message, "type": note.kind,
        "source": {}, "firstTimestamp": null, "lastTimestamp": null, "eventTime": null,
        "reportingComponent": note.component, "reportingInstance": note.host,
    });
    if note.action.is_empty() {
        let time = now.rfc3339();
        event["source"] = json!({"component": note.component});
        if !note.host.is_empty() {
            event["source"]["host"] = note.host.as_str().into();
        }
        event["firstTimestamp"] = time.as_str().into();
        event["lastTimestamp"] = time.into();
        event["count"] = 1.into();
    } else {
        event["action"] = note.action.into();
        event["eventTime"] = micro(now).into();
        event["reportingInstance"] = format!("{}-testkit", note.component).into();
    }
    event
}

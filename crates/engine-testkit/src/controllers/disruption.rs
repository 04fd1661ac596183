//! Disruption budgets: how many Pods may go now.
//! <https://kubernetes.io/docs/tasks/run-application/configure-pdb/>

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    Decision, View,
    conditions::{generation, is_ready, set_condition, share},
    controller_of,
    events::Note,
};
use crate::{
    json::{self, get, i64_at, list_at, map_at, str_at},
    store::{ObjectKey, Stored, selector::LabelSelector},
};

const COMPONENT: &str = "controllermanager";
const ALLOWED: &str = "DisruptionAllowed";
/// How long a Pod that was to be evicted may be there without being deleted.
const DELETION_TIMEOUT: Duration = Duration::from_secs(120);

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, budget: &Stored) -> Decision {
    let mut decision = Decision::default();
    let value = &budget.value;
    if budget.is_terminating() {
        return decision;
    }
    let pods: Vec<&Value> = match get(value, &["spec", "selector"]).map(LabelSelector::from_object) {
        Some(selector) => {
            view.selected("", "pods", budget.namespace(), &selector).into_iter().map(|pod| &pod.value).collect()
        }
        None => Vec::new(),
    };
    let is_new = i64_at(value, &["status", "observedGeneration"]) != Some(generation(value));
    if pods.is_empty() && is_new {
        decision.report(Note::normal(COMPONENT, "NoPods", "No matching pods found".to_owned()));
    }
    let mut after = value.clone();
    match wanted(view, &value["spec"], &pods) {
        Ok(wanted) => {
            if wanted.unmanaged && is_new {
                decision.report(Note::warning(COMPONENT, "UnmanagedPods", unmanaged(&value["spec"]["selector"])));
            }
            if let Some(at) = count(view, &wanted, &pods, &mut after) {
                decision.wake_at(at);
            }
        }
        // Nobody is evicted by numbers that may be wrong.
        Err(problem) => {
            if list_at(value, &["status", "conditions"]).is_empty() {
                let text = format!("Failed to calculate the number of expected pods: {problem}");
                decision.report(Note::warning(COMPONENT, "CalculateExpectedPodCountFailed", text));
            }
            json::set(&mut after, &["status", "disruptionsAllowed"], 0);
            let observed = i64_at(value, &["status", "observedGeneration"]).filter(|n| *n != 0);
            say(&mut after, ("False", "SyncFailed", &problem), observed, view);
        }
    }
    decision.status(key, budget, after);
    decision
}

/// What a budget asks for.
struct Wanted {
    expected: i64,
    healthy: i64,
    /// Whether Pods of nobody were left out.
    unmanaged: bool,
}

fn wanted(view: &View<'_>, spec: &Value, pods: &[&Value]) -> Result<Wanted, String> {
    let expected = pods.len() as i64;
    if let Some(most) = get(spec, &["maxUnavailable"]) {
        let (expected, unmanaged) = scale(view, pods)?;
        let healthy = (expected - share(Some(most), expected, true)).max(0);
        return Ok(Wanted { expected, healthy, unmanaged });
    }
    match get(spec, &["minAvailable"]) {
        Some(least @ Value::String(_)) => {
            let (expected, unmanaged) = scale(view, pods)?;
            Ok(Wanted { expected, healthy: share(Some(least), expected, true), unmanaged })
        }
        Some(least) => Ok(Wanted { expected, healthy: least.as_i64().unwrap_or(0), unmanaged: false }),
        None => Ok(Wanted { expected: 0, healthy: 0, unmanaged: false }),
    }
}

/// As many Pods as their controllers were asked for, and whether some have none: those do not count.
fn scale(view: &View<'_>, pods: &[&Value]) -> Result<(i64, bool), String> {
    let mut scales: BTreeMap<&str, i64> = BTreeMap::new();
    let mut unmanaged = false;
    for pod in pods {
        let Some(uid) = controller_of(pod).map(|reference| str_at(reference, &["uid"])) else {
            unmanaged = true;
            continue;
        };
        let found = |uid: &str| view.state.store.by_uid(uid).and_then(|key| Some((key, view.state.store.at(key)?)));
        let Some((mut key, mut owner)) = found(uid) else {
            return Err(format!("found no controllers for pod {:?}", str_at(pod, &["metadata", "name"])));
        };
        // The Pods of all sets of a Deployment are those of the Deployment.
        if let Some(above) = controller_of(&owner.value).filter(|_| &*key.gr.resource == "replicasets")
            && let Some(deployment) = found(str_at(above, &["uid"]))
        {
            (key, owner) = deployment;
        }
        let paths = view.state.registry.of(&key.gr).and_then(|resource| {
            let version = str_at(&owner.value, &["apiVersion"]);
            resource.scale_at(version.rsplit('/').next().unwrap_or(version))
        });
        let Some(paths) = paths else {
            return Err(format!("{} does not implement the scale subresource", key.gr));
        };
        let path: Vec<&str> = paths.spec_replicas.iter().map(String::as_str).collect();
        scales.insert(owner.uid(), i64_at(&owner.value, &path).unwrap_or(0));
    }
    Ok((scales.values().sum(), unmanaged))
}

/// Writes what there is into the status. Returns when to look again.
fn count(view: &View<'_>, wanted: &Wanted, pods: &[&Value], budget: &mut Value) -> Option<Duration> {
    let mut disrupted = Map::new();
    let mut again: Option<Duration> = None;
    let mut healthy = 0;
    for pod in pods.iter().filter(|pod| get(pod, &["metadata", "deletionTimestamp"]).is_none()) {
        let name = str_at(pod, &["metadata", "name"]);
        // Of a Pod that was evicted the deletion is on its way.
        let evicted = map_at(budget, &["status", "disruptedPods"]).and_then(|map| map.get(name)).cloned();
        if let Some(left) = evicted.as_ref().and_then(|time| left(time, view)) {
            disrupted.insert(name.to_owned(), evicted.unwrap_or_default());
            let at = view.now.elapsed + left + Duration::from_secs(1);
            again = Some(again.map_or(at, |known| known.min(at)));
        } else if is_ready(pod) {
            healthy += 1;
        }
    }
    let allowed = if wanted.expected > 0 { (healthy - wanted.healthy).max(0) } else { 0 };
    let observed = generation(budget);
    for (field, n) in [
        ("observedGeneration", observed),
        ("expectedPods", wanted.expected),
        ("currentHealthy", healthy),
        ("desiredHealthy", wanted.healthy),
        ("disruptionsAllowed", allowed),
    ] {
        json::set(budget, &["status", field], n);
    }
    if disrupted.is_empty() {
        json::remove(budget, &["status", "disruptedPods"]);
    } else {
        json::set(budget, &["status", "disruptedPods"], disrupted);
    }
    let (status, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    say(budget, (status, reason, ""), Some(observed), view);
    again
}

/// How much of the time is left in which an evicted Pod is expected to be deleted.
fn left(evicted: &Value, view: &View<'_>) -> Option<Duration> {
    let time: Timestamp = evicted.as_str()?.parse().ok()?;
    let end = time.checked_add(DELETION_TIMEOUT).ok()?;
    Duration::try_from(end.duration_since(view.now.timestamp)).ok()
}

/// Sets the condition, whose message is there even when it says nothing.
fn say(budget: &mut Value, (status, reason, message): (&str, &str, &str), observed: Option<i64>, view: &View<'_>) {
    set_condition(budget, ALLOWED, status, reason, message, view.now);
    let mut conditions = list_at(budget, &["status", "conditions"]).to_vec();
    for condition in conditions.iter_mut().filter(|c| str_at(c, &["type"]) == ALLOWED) {
        condition["message"] = message.into();
        match observed {
            Some(observed) => condition["observedGeneration"] = observed.into(),
            None => {
                json::remove(condition, &["observedGeneration"]);
            }
        }
    }
    json::set(budget, &["status", "conditions"], conditions);
}

fn unmanaged(selector: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let labels = map_at(selector, &["matchLabels"]).into_iter().flatten();
    let labels: String = labels.map(|(key, value)| format!("{key}: {},", text(value))).collect();
    let asked = list_at(selector, &["matchExpressions"]).iter();
    let asked: String = asked
        .map(|one| {
            let values: Vec<String> = list_at(one, &["values"]).iter().map(text).collect();
            let (key, operator) = (str_at(one, &["key"]), str_at(one, &["operator"]));
            format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{}],}},", values.join(" "))
        })
        .collect();
    format!(
        "Pods selected by this PodDisruptionBudget (selector: &LabelSelector{{MatchLabels:map[string]string{{{labels}}},\
         MatchExpressions:[]LabelSelectorRequirement{{{asked}}},}}) were found to be unmanaged. As a result, the status of \
         the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please \
         set \".spec.minAvailable\" field of the PDB to an integer value."
    )
}

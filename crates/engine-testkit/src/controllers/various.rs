//! Kinds whose controllers only report: disruption budgets, API services.

use serde_json::Value;

use super::{
    Decision, View,
    conditions::{generation, is_active, is_ready, set_condition, share},
    controller_of,
    events::Note,
};
use crate::{
    aggregation,
    json::{self, get, i64_at, list_at, str_at},
    store::{ObjectKey, Stored, selector::LabelSelector},
};

/// <https://kubernetes.io/docs/tasks/run-application/configure-pdb/>
pub(super) fn disruption_budget(view: &View<'_>, key: &ObjectKey, budget: &Stored) -> Decision {
    let mut decision = Decision::default();
    let value = &budget.value;
    if budget.is_terminating() {
        return decision;
    }
    let pods: Vec<_> = match get(value, &["spec", "selector"]).map(LabelSelector::from_object) {
        Some(selector) => view.selected("", "pods", budget.namespace(), &selector),
        None => Vec::new(),
    };
    let live: Vec<_> = pods.iter().filter(|p| is_active(&p.value)).collect();
    if pods.is_empty() && i64_at(value, &["status", "observedGeneration"]) != Some(generation(value)) {
        decision.report(Note::normal("controllermanager", "NoPods", "No matching pods found"));
    }
    let (expected, desired) = match get(value, &["spec", "minAvailable"]) {
        Some(Value::Number(n)) => (live.len() as i64, n.as_i64().unwrap_or(0)),
        Some(min) => {
            let expected = expected(view, &pods.iter().map(|p| &p.value).collect::<Vec<_>>());
            (expected, share(Some(min), expected, true))
        }
        None => {
            let expected = expected(view, &pods.iter().map(|p| &p.value).collect::<Vec<_>>());
            let may = share(get(value, &["spec", "maxUnavailable"]), expected, true);
            (expected, (expected - may).max(0))
        }
    };
    let healthy = live.iter().filter(|p| is_ready(&p.value)).count() as i64;
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let mut after = value.clone();
    for (field, n) in [
        ("observedGeneration", generation(value)),
        ("expectedPods", expected),
        ("currentHealthy", healthy),
        ("desiredHealthy", desired),
        ("disruptionsAllowed", allowed),
    ] {
        json::set(&mut after, &["status", field], n);
    }
    let (status, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    set_condition(&mut after, "DisruptionAllowed", status, reason, "", view.now);
    let mut conditions = list_at(&after, &["status", "conditions"]).to_vec();
    for condition in conditions.iter_mut().filter(|c| str_at(c, &["type"]) == "DisruptionAllowed") {
        condition["message"] = "".into();
        condition["observedGeneration"] = generation(value).into();
    }
    json::set(&mut after, &["status", "conditions"], conditions);
    decision.status(key, budget, after);
    decision
}

/// As many Pods as their controllers were asked for; a Pod of nobody counts for itself.
fn expected(view: &View<'_>, pods: &[&Value]) -> i64 {
    let mut seen = std::collections::BTreeSet::new();
    let mut sum = 0;
    for pod in pods {
        let Some(uid) = controller_of(pod).map(|r| str_at(r, &["uid"])) else {
            sum += 1;
            continue;
        };
        if seen.insert(uid) {
            let owner = view.state.store.by_uid(uid).and_then(|k| view.state.store.at(k));
            sum += owner.and_then(|o| i64_at(&o.value, &["spec", "replicas"])).unwrap_or(0);
        }
    }
    sum
}

/// A local one is available; another one, when there seems to be somebody behind its Service.
pub(super) fn api_service(view: &View<'_>, key: &ObjectKey, service: &Stored) -> Decision {
    let mut after = service.value.clone();
    let served = get(&service.value, &["spec", "service"]);
    let (status, reason, message) = match served {
        None => ("True", "Local", "Local APIServices are always available".to_owned()),
        Some(target) => match aggregation::why_not(view.state, target) {
            Some((reason, message)) => ("False", reason, message),
            None => ("True", "Passed", "all checks passed".to_owned()),
        },
    };
    set_condition(&mut after, "Available", status, reason, &message, view.now);
    let wake = served.map(|_| view.now.elapsed + std::time::Duration::from_secs(15));
    let mut decision = Decision { writes: Vec::new(), wake };
    decision.status(key, service, after);
    decision
}

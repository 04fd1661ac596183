//! Evictions: deletions of Pods that ask the disruption budgets first.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/>

use std::sync::Arc;

use gitops_engine_schema::ManagedFields;
use http::StatusCode;
use serde_json::{Value, json};

use super::{done, set_condition};
use crate::{
    json::{self, get, i64_at, list_at, map_at, str_at},
    resources::GroupResource,
    state::State,
    status::{About, ApiError, Cause},
    store::{Stored, selector::LabelSelector},
    write::{
        Answer, Options, Target, Warnings, create,
        delete::{self, DeleteOptions},
        update,
    },
};

/// Evictions of this many Pods may be on their way by one budget.
const MOST_DISRUPTED: usize = 2000;
const BUDGET: &str = "poddisruptionbudgets";
/// As whom the server itself writes.
const SERVER: &str = "kube-apiserver";
const ALLOWED: &str = "DisruptionAllowed";

/// How the Pod is to be deleted in the end.
struct Ask {
    how: DeleteOptions,
    /// What is wrong with that, which is found when it is deleted, and not before.
    problems: Vec<Cause>,
}

impl Ask {
    /// The same of a Pod as it is now.
    fn of_this(&self, pod: &Stored) -> Self {
        let version = str_at(&pod.value, &["metadata", "resourceVersion"]).to_owned();
        let how = DeleteOptions { resource_version: Some(version), ..self.how.clone() };
        Self { how, problems: self.problems.clone() }
    }
}

/// An `Eviction` that was posted.
pub(crate) fn evict(
    state: &mut State,
    target: Target<'_>,
    mut eviction: Value,
    options: &Options,
) -> Result<Answer, ApiError> {
    create::in_live_namespace(state, &target)?;
    options.mutate(&target, None, &mut eviction)?;
    if str_at(&eviction, &["metadata", "name"]) != target.name {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    let ask = asked(&target, &eviction, options)?;
    options.admit(state, &target, None, Some(&eviction))?;
    // From here on it is the server that acts, and nobody is asked about that.
    let own = Options { course: None, manager: SERVER.to_owned(), dry_run: ask.how.dry_run, ..options.ignoring() };
    let pod = state
        .store
        .get(&target.resource.gr, target.namespace, target.name)
        .cloned()
        .ok_or_else(|| ApiError::not_found(target.about()))?;
    if needs_no_budget(&pod) {
        // A Pod that has not begun may do so in the meantime.
        let begins = !pod.is_terminating() && str_at(&pod.value, &["status", "phase"]) == "Pending";
        let ask = if begins && ask.how.resource_version.is_none() { ask.of_this(&pod) } else { ask };
        return remove(state, &target, &ask, &own);
    }
    let budgets = budgets_of(state, &pod);
    let budget = match budgets.as_slice() {
        [] => return remove(state, &target, &ask, &own),
        [one] => one,
        _ => return Err(too_many_budgets()),
    };
    if !is_ready(&pod.value) && may_go_unready(&budget.value) {
        return remove(state, &target, &ask.of_this(&pod), &own).map_err(|e| match e.code {
            // The Pod may be ready by now, as far as anybody can tell.
            StatusCode::CONFLICT if ask.how.resource_version.is_none() => still_processed(budget.name()),
            _ => e,
        });
    }
    // What there is to say about the budget is said to the server.
    spend(state, budget, &pod, &Options { warnings: Warnings::default(), ..own.clone() })?;
    remove(state, &target, &ask, &own)
}

/// Reads how to delete. A trial may be asked for by the request and in its body, in the same words.
fn asked(target: &Target<'_>, eviction: &Value, options: &Options) -> Result<Ask, ApiError> {
    let body = get(eviction, &["deleteOptions"]).cloned().unwrap_or_else(|| json!({}));
    const IGNORED: &str = "ignoreStoreReadErrorWithClusterBreakingPotential";
    if body[IGNORED] == true {
        let about = About { group: "policy", resource: "Eviction", name: target.name };
        let detail = "can not be set for pod eviction, try after removing the option";
        return Err(ApiError::invalid(
            about,
            &[Cause::invalid(format!("deleteOptions.{IGNORED}"), &true.into(), detail)],
        ));
    }
    let (mut how, problems) = DeleteOptions::read(&body);
    if options.dry_run {
        let said: Vec<&str> = list_at(&body, &["dryRun"]).iter().filter_map(Value::as_str).collect();
        if !said.is_empty() && said != ["All"] {
            let said = said.join(" ");
            let message = format!("Non-matching dry-run options in request and content: [All] and [{said}]");
            return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", message));
        }
        how.dry_run = true;
    }
    Ok(Ask { how, problems })
}

/// Whether the Pod is none that a budget counts: it has come to its end, is going already, or has not begun.
fn needs_no_budget(pod: &Stored) -> bool {
    pod.is_terminating() || matches!(str_at(&pod.value, &["status", "phase"]), "Succeeded" | "Failed" | "Pending")
}

fn is_ready(pod: &Value) -> bool {
    list_at(pod, &["status", "conditions"])
        .iter()
        .find(|c| str_at(c, &["type"]) == "Ready")
        .is_some_and(|c| str_at(c, &["status"]) == "True")
}

fn budgets_of(state: &State, pod: &Stored) -> Vec<Arc<Stored>> {
    let all = state.store.objects(&GroupResource::new("policy", BUDGET), Some(pod.namespace()));
    let selects = |budget: &Stored| {
        get(&budget.value, &["spec", "selector"])
            .is_some_and(|selector| LabelSelector::from_object(selector).matches(&pod.value))
    };
    all.into_iter().filter(|budget| selects(budget)).cloned().collect()
}

/// An error without a reason, as a real server tells it.
fn too_many_budgets() -> ApiError {
    let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
}

/// Whether a Pod that is not ready may go at no cost: always, or as long as enough of the others are healthy.
/// <https://kubernetes.io/docs/tasks/run-application/configure-pdb/#unhealthy-pod-eviction-policy>
fn may_go_unready(budget: &Value) -> bool {
    let count = |field: &str| i64_at(budget, &["status", field]).unwrap_or(0);
    let desired = count("desiredHealthy");
    str_at(budget, &["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow"
        || count("currentHealthy") >= desired && desired > 0
}

fn violation(message: String, retry_after: Option<u64>) -> ApiError {
    let text = "Cannot evict pod as it would violate the pod's disruption budget.";
    let mut e = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", text);
    e.details = Some(json!({"causes": [{"reason": "DisruptionBudget", "message": message}]}));
    e.retry_after = retry_after;
    e
}

fn still_processed(budget: &str) -> ApiError {
    violation(format!("The disruption budget {budget} is still being processed by the server."), Some(10))
}

/// Takes one disruption out of a budget.
fn spend(state: &mut State, budget: &Arc<Stored>, pod: &Stored, options: &Options) -> Result<(), ApiError> {
    let name = budget.name();
    let status = |field: &str| i64_at(&budget.value, &["status", field]).unwrap_or(0);
    let disrupted = map_at(&budget.value, &["status", "disruptedPods"]).map_or(0, serde_json::Map::len);
    let refused =
        |why: &str| Err(ApiError::forbidden(About { group: "policy", resource: "poddisruptionbudget", name }, why));
    if status("observedGeneration") < i64_at(&budget.value, &["metadata", "generation"]).unwrap_or(0) {
        return Err(still_processed(name));
    }
    let allowed = status("disruptionsAllowed");
    if allowed < 0 {
        return refused("pdb disruptions allowed is negative");
    }
    if disrupted > MOST_DISRUPTED {
        return refused("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if allowed == 0 {
        return Err(violation(why_none(&budget.value, name), None));
    }
    if options.dry_run {
        return Ok(());
    }
    let Some(budgets) = state.registry.get("policy", BUDGET).cloned() else { return Ok(()) };
    let mut after = budget.value.clone();
    let time = options.now.rfc3339();
    json::set(&mut after, &["status", "disruptionsAllowed"], allowed - 1);
    json::set(&mut after, &["status", "disruptedPods", pod.name()], time.as_str());
    if allowed == 1 {
        is_used_up(&mut after, &time);
    }
    let target = Target {
        resource: &budgets,
        version: &budgets.storage_version,
        namespace: budget.namespace(),
        name,
        subresource: "status",
    };
    update::finish(state, target, budget, after, options, None).map(drop)
}

/// Why a budget allows no disruption. What a failed controller counted is not trusted.
fn why_none(budget: &Value, name: &str) -> String {
    let status = &budget["status"];
    let count = |field: &str| i64_at(status, &[field]).unwrap_or(0);
    let (healthy, desired) = (count("currentHealthy"), count("desiredHealthy"));
    let condition = list_at(status, &["conditions"]).iter().find(|c| str_at(c, &["type"]) == ALLOWED);
    let told = condition
        .filter(|c| str_at(c, &["status"]) == "False")
        .map(|c| (str_at(c, &["reason"]), str_at(c, &["message"])))
        .filter(|(_, message)| !message.is_empty());
    match told {
        Some(("SyncFailed", message)) => {
            format!(
                "The disruption budget {name} does not allow evicting pods currently because it failed sync: {message}"
            )
        }
        _ if healthy <= desired => {
            format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently")
        }
        Some((reason, message)) => {
            format!("The disruption budget {name} does not allow evicting pods currently ({reason}): {message}")
        }
        None => format!("The disruption budget {name} does not allow evicting pods currently"),
    }
}

/// Says that the last disruption was taken, as the controller would.
fn is_used_up(budget: &mut Value, time: &str) {
    let mut condition = json!({
        "type": ALLOWED, "status": "False", "reason": "InsufficientPods", "message": "", "lastTransitionTime": time,
    });
    json::copy(&budget["status"].clone(), &mut condition, &["observedGeneration"]);
    let mut conditions = list_at(budget, &["status", "conditions"]).to_vec();
    match conditions.iter_mut().find(|c| str_at(c, &["type"]) == ALLOWED) {
        Some(old) => {
            if old["status"] == "False" {
                json::copy(old, &mut condition, &["lastTransitionTime"]);
            }
            *old = condition;
        }
        None => conditions.push(condition),
    }
    json::set(budget, &["status", "conditions"], conditions);
}

/// Says on the Pod why it goes, and deletes it.
fn remove(state: &mut State, target: &Target<'_>, ask: &Ask, options: &Options) -> Result<Answer, ApiError> {
    let mut how = ask.how.clone();
    if !how.dry_run {
        let Some(pod) = state.store.get(&target.resource.gr, target.namespace, target.name).cloned() else {
            return Err(ApiError::not_found(target.about()));
        };
        // What is empty is compared when the Pod is deleted.
        let named = |wanted: &Option<String>| wanted.clone().filter(|w| !w.is_empty());
        let known =
            DeleteOptions { uid: named(&how.uid), resource_version: named(&how.resource_version), ..how.clone() };
        delete::check_preconditions(target, &pod, &known)?;
        let mut after = pod.whole().into_owned();
        let condition = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        });
        set_condition(&mut after, condition, &options.now);
        let owners = ManagedFields::of(&pod.value);
        let target = Target { subresource: "status", ..*target };
        let marked = update::finish(state, target, &pod, after, options, Some(owners))?;
        if how.resource_version.is_some() {
            // The server itself has made a new one.
            how.resource_version = Some(str_at(marked.outcome.value(), &["metadata", "resourceVersion"]).to_owned());
        }
    }
    if !ask.problems.is_empty() {
        return Err(DeleteOptions::invalid(&ask.problems));
    }
    let target = Target { subresource: "", ..*target };
    delete::delete(state, target, &how, options)?;
    Ok(done())
}

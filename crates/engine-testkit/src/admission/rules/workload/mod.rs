//! Deployments, ReplicaSets, ReplicationControllers, StatefulSets, DaemonSets, Jobs and CronJobs: what is around their Pods' template.

mod amount;
mod apps;
mod apps_status;
mod controller;
mod cron;
mod indexes;
mod job;
mod job_policies;
mod job_status;

pub(super) use self::amount::{count_or_percent, not_more_than_all};
use super::{At, Change, pod::template};
use crate::{status::Cause, store::selector::LabelSelector};

const IMMUTABLE: &str = "field is immutable";

/// The rules of a workload.
pub(super) fn validate(change: &Change<'_>, causes: &mut Vec<Cause>) {
    match (change.resource, change.subresource) {
        ("replicationcontrollers", "status") => apps_status::replication_controller(change, causes),
        ("deployments", "status") => apps_status::deployment(change, causes),
        ("replicasets", "status") => apps_status::replica_set(change, causes),
        ("statefulsets", "status") => apps_status::stateful_set(change, causes),
        ("daemonsets", "status") => apps_status::daemon_set(change, causes),
        ("jobs", "status") => job_status::job(change, causes),
        // Nothing is asked of it.
        ("cronjobs", "status") => {}
        ("replicationcontrollers", _) => controller::replication_controller(change, causes),
        ("deployments", _) => apps::deployment(change, causes),
        ("replicasets", _) => apps::replica_set(change, causes),
        ("statefulsets", _) => apps::stateful_set(change, causes),
        ("daemonsets", _) => apps::daemon_set(change, causes),
        ("jobs", _) => job::job(change, causes),
        ("cronjobs", _) => cron::cron_job(change, causes),
        _ => {}
    }
}

/// A selector that must be there and select something.
fn selector(spec: &At<'_>, kind: &str, causes: &mut Vec<Cause>) {
    let selector = spec.field("selector");
    if !selector.is_set() {
        selector.required("", causes);
        return;
    }
    selector.selector(causes);
    if is_empty(&selector) {
        selector.invalid(&format!("empty selector is invalid for {kind}"), causes);
    }
}

fn is_empty(selector: &At<'_>) -> bool {
    selector.field("matchLabels").len() + selector.field("matchExpressions").len() == 0
}

/// Whether a selector can be read, and so compared with labels.
fn is_readable(selector: &At<'_>) -> bool {
    let mut wrong = Vec::new();
    selector.selector(&mut wrong);
    wrong.is_empty()
}

/// The template has the labels that a readable selector asks for. Nothing matches a selector that is not there.
fn matches_template(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let (selector, template) = (spec.field("selector"), spec.field("template"));
    if !selector.is_set() || !LabelSelector::from_object(selector.value).matches(template.value) {
        template.field("metadata").field("labels").invalid("`selector` does not match template `labels`", causes);
    }
}

/// The Pods of what replaces them for ever restart always, and have no deadline.
fn runs_for_ever(spec: &At<'_>, kind: &str, causes: &mut Vec<Cause>) {
    let pod = spec.field("template").field("spec");
    let policy = pod.field("restartPolicy");
    if policy.text() != "Always" {
        policy.unsupported(&["Always"], causes);
    }
    let deadline = pod.field("activeDeadlineSeconds");
    if deadline.is_set() {
        deadline.forbidden(&format!("activeDeadlineSeconds in {kind} is not Supported"), causes);
    }
}

/// A field that keeps its value.
fn fixed(before: &At<'_>, after: &At<'_>, causes: &mut Vec<Cause>) {
    if before.value != after.value {
        after.invalid(IMMUTABLE, causes);
    }
}

/// A condition that is `True`.
fn is_true(object: &At<'_>, condition: &str) -> bool {
    has_condition(object, condition, "True")
}

fn has_condition(object: &At<'_>, condition: &str, status: &str) -> bool {
    let conditions = object.field("status").field("conditions");
    conditions.items().any(|c| c.field("type").text() == condition && c.field("status").text() == status)
}

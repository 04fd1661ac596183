//! PodDisruptionBudgets.

use super::{At, Change, workload};
use crate::status::Cause;

pub(super) fn disruption_budget(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let root = change.root();
    if change.subresource == "status" {
        status(&root.field("status"), causes);
        return;
    }
    let spec = root.field("spec");
    let bounds = [spec.field("minAvailable"), spec.field("maxUnavailable")];
    if bounds.iter().all(At::is_set) {
        spec.invalid("minAvailable and maxUnavailable cannot be both set", causes);
    }
    for bound in &bounds {
        workload::count_or_percent(bound, causes);
        workload::not_more_than_all(bound, causes);
    }
    spec.field("selector").selector(causes);
    spec.field("unhealthyPodEvictionPolicy").one_of(&["AlwaysAllow", "IfHealthyBudget"], causes);
}

fn status(status: &At<'_>, causes: &mut Vec<Cause>) {
    conditions(&status.field("conditions"), causes);
    for counter in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
        status.field(counter).not_negative(causes);
    }
}

/// Conditions of the type that all newer kinds share:
/// <https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.33/#condition-v1-meta>
fn conditions(conditions: &At<'_>, causes: &mut Vec<Cause>) {
    let mut seen = Vec::new();
    for condition in conditions.items() {
        let kind = condition.field("type");
        if seen.contains(&kind.text()) {
            causes.push(Cause::duplicate(kind.path.clone(), &kind.text().into()));
        }
        seen.push(kind.text());
        kind.key(causes);
        let status = condition.field("status");
        if !matches!(status.text(), "True" | "False" | "Unknown") {
            status.unsupported(&["False", "True", "Unknown"], causes);
        }
        let generation = condition.field("observedGeneration");
        if generation.int() < 0 {
            generation.invalid("must be greater than or equal to zero", causes);
        }
        condition.field("lastTransitionTime").must_be_there(causes);
        reason(&condition.field("reason"), causes);
        too_long(&condition.field("message"), 32 * 1024, causes);
    }
}

fn reason(reason: &At<'_>, causes: &mut Vec<Cause>) {
    const REASON: &str = "a condition reason must start with alphabetic character, optionally followed by a string of \
                          alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. \
                          'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex \
                          used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";
    if !reason.must_be_there(causes) {
        return;
    }
    let text = reason.text();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_reason = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(word)
        && text.chars().all(|c| word(c) || c == ',' || c == ':');
    if !is_reason {
        reason.invalid(REASON, causes);
    }
    too_long(reason, 1024, causes);
}

fn too_long(at: &At<'_>, most: usize, causes: &mut Vec<Cause>) {
    if at.len() > most {
        causes.push(Cause::too_long(at.path.clone(), most as u64));
    }
}

//! Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs.

use super::{At, core, pod::template};
use crate::{status::Cause, store::selector::LabelSelector};

/// Selector and template belong together.
fn matching(spec: &At<'_>, kind: &str, causes: &mut Vec<Cause>) {
    let selector = spec.field("selector");
    if selector.is_set() {
        selector.selector(causes);
        if selector.field("matchLabels").len() + selector.field("matchExpressions").len() == 0 {
            selector.invalid(&format!("empty selector is invalid for {kind}"), causes);
        }
    } else if kind != "daemonset" {
        selector.required("", causes);
    }
}

fn matches_template(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let (selector, template_at) = (spec.field("selector"), spec.field("template"));
    let mut wrong = Vec::new();
    selector.selector(&mut wrong);
    if !wrong.is_empty() {
        // What does not parse selects nothing that could be compared.
        selector.invalid("invalid label selector", causes);
        return;
    }
    // Everything matches an empty selector, and nothing one that is not there.
    if !selector.is_set() || !LabelSelector::from_object(selector.value).matches(template_at.value) {
        template_at.field("metadata").field("labels").invalid("`selector` does not match template `labels`", causes);
    }
}

fn always(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let policy = spec.field("template").field("spec").field("restartPolicy");
    if !policy.text().is_empty() && policy.text() != "Always" {
        policy.unsupported(&["Always"], causes);
    }
}

pub(super) fn deployment(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    spec.field("replicas").not_negative(causes);
    matching(&spec, "deployment", causes);
    matches_template(&spec, causes);
    template(&spec.field("template"), causes);
    always(&spec, causes);
    let strategy = spec.field("strategy");
    let rolling = strategy.field("rollingUpdate");
    match strategy.field("type").text() {
        "Recreate" => {
            if rolling.is_set() {
                rolling.forbidden("may not be specified when strategy `type` is 'Recreate'", causes);
            }
        }
        "RollingUpdate" => {
            if rolling.is_set() {
                let (down, up) = (rolling.field("maxUnavailable"), rolling.field("maxSurge"));
                down.count_or_percent(causes);
                up.count_or_percent(causes);
                let zero = |at: &At<'_>| at.value == 0 || at.value == "0%";
                if zero(&down) && zero(&up) {
                    down.invalid("may not be 0 when `maxSurge` is 0", causes);
                }
                down.not_more_than_all(causes);
            }
        }
        _ => strategy.field("type").unsupported(&["Recreate", "RollingUpdate"], causes),
    }
    let (ready, progress) = (spec.field("minReadySeconds"), spec.field("progressDeadlineSeconds"));
    ready.not_negative(causes);
    spec.field("revisionHistoryLimit").not_negative(causes);
    if progress.is_set() {
        progress.not_negative(causes);
        if progress.int() <= ready.int() {
            progress.invalid("must be greater than minReadySeconds", causes);
        }
    }
}

pub(super) fn replica_set(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    spec.field("replicas").not_negative(causes);
    spec.field("minReadySeconds").not_negative(causes);
    matching(&spec, "deployment", causes);
    matches_template(&spec, causes);
    template(&spec.field("template"), causes);
    always(&spec, causes);
}

pub(super) fn stateful_set(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    let policy = spec.field("podManagementPolicy");
    match policy.text() {
        "" => policy.required("", causes),
        "OrderedReady" | "Parallel" => {}
        _ => policy.invalid("must be 'OrderedReady' or 'Parallel'", causes),
    }
    let strategy = spec.field("updateStrategy");
    let rolling = strategy.field("rollingUpdate");
    match strategy.field("type").text() {
        "" => strategy.required("", causes),
        "OnDelete" => {
            if rolling.is_set() {
                causes.push(Cause::invalid(
                    rolling.path.clone(),
                    rolling.value,
                    "only allowed for updateStrategy 'RollingUpdate'",
                ));
            }
        }
        "RollingUpdate" => rolling.field("partition").not_negative(causes),
        _ => strategy.invalid("must be 'RollingUpdate' or 'OnDelete'", causes),
    }
    for when in ["whenDeleted", "whenScaled"] {
        let at = spec.field("persistentVolumeClaimRetentionPolicy").field(when);
        if !matches!(at.text(), "Retain" | "Delete") {
            at.unsupported(&["Retain", "Delete"], causes);
        }
    }
    spec.field("replicas").not_negative(causes);
    spec.field("minReadySeconds").not_negative(causes);
    spec.field("ordinals").field("start").not_negative(causes);
    spec.field("revisionHistoryLimit").not_negative(causes);
    matching(&spec, "statefulset", causes);
    matches_template(&spec, causes);
    template(&spec.field("template"), causes);
    always(&spec, causes);
    for claim in spec.field("volumeClaimTemplates").items() {
        core::claim(&claim, causes);
    }
}

pub(super) fn daemon_set(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    matching(&spec, "daemonset", causes);
    matches_template(&spec, causes);
    template(&spec.field("template"), causes);
    always(&spec, causes);
    spec.field("minReadySeconds").not_negative(causes);
    let strategy = spec.field("updateStrategy");
    match strategy.field("type").text() {
        "OnDelete" => {}
        "RollingUpdate" => {
            let rolling = strategy.field("rollingUpdate");
            if !rolling.is_set() {
                rolling.required("", causes);
            }
            let (down, up) = (rolling.field("maxUnavailable"), rolling.field("maxSurge"));
            down.count_or_percent(causes);
            down.not_more_than_all(causes);
            up.count_or_percent(causes);
            up.not_more_than_all(causes);
            let zero = |at: &At<'_>| at.value == 0 || at.value == "0%";
            if zero(&down) && zero(&up) {
                down.required("cannot be 0 when maxSurge is 0", causes);
            } else if !zero(&down) && !zero(&up) {
                up.invalid("may not be set when maxUnavailable is non-zero", causes);
            }
        }
        _ => strategy.field("type").unsupported(&["OnDelete", "RollingUpdate"], causes),
    }
    spec.field("revisionHistoryLimit").not_negative(causes);
}

fn job_spec(spec: &At<'_>, causes: &mut Vec<Cause>) {
    for field in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"] {
        spec.field(field).not_negative(causes);
    }
    template(&spec.field("template"), causes);
    let policy = spec.field("template").field("spec").field("restartPolicy");
    match policy.text() {
        "" | "Always" => policy.required("valid values: \"OnFailure\", \"Never\"", causes),
        "OnFailure" | "Never" => {}
        _ => policy.unsupported(&["OnFailure", "Never"], causes),
    }
}

pub(super) fn job(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    job_spec(&spec, causes);
    spec.field("completionMode").one_of(&["Indexed", "NonIndexed"], causes);
}

pub(super) fn cron_job(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    let schedule = spec.field("schedule");
    if schedule.text().is_empty() {
        schedule.required("", causes);
    }
    spec.field("startingDeadlineSeconds").not_negative(causes);
    let policy = spec.field("concurrencyPolicy");
    policy.required_one_of(&["Allow", "Forbid", "Replace"], causes);
    job_spec(&spec.field("jobTemplate").field("spec"), causes);
    spec.field("successfulJobsHistoryLimit").not_negative(causes);
    spec.field("failedJobsHistoryLimit").not_negative(causes);
}

//! The status of a Job. Other controllers than the cluster's own may write it, so that more is asked of it than of
//! most: <https://kubernetes.io/docs/concepts/workloads/controllers/job/#delegation-of-managing-a-job-object-to-external-controller>
//!
//! Most is asked only of what changes: a status may be behind its spec for a while.

use serde_json::Value;

use super::{At, Change, IMMUTABLE, has_condition, indexes, is_true};
use crate::status::Cause;

/// What changes with a write.
struct Changed<'a> {
    old: At<'a>,
    new: At<'a>,
}

impl Changed<'_> {
    fn field(&self, name: &str) -> bool {
        self.old.field("status").field(name).value != self.new.field("status").field(name).value
    }

    /// A number that is nothing when it is not there.
    fn number(&self, name: &str) -> bool {
        self.old.field("status").field(name).int() != self.new.field("status").field(name).int()
    }

    fn condition(&self, name: &str) -> bool {
        is_true(&self.old, name) != is_true(&self.new, name)
    }

    fn finished(&self) -> bool {
        is_finished(&self.old) != is_finished(&self.new)
    }
}

fn is_finished(job: &At<'_>) -> bool {
    is_true(job, "Complete") || is_true(job, "Failed")
}

pub(super) fn job(change: &Change<'_>, causes: &mut Vec<Cause>) {
    let Some(old) = change.old_root() else { return };
    let changed = Changed { old, new: change.root() };
    let status = changed.new.field("status");
    for counter in ["active", "succeeded", "failed", "ready", "terminating"] {
        status.field(counter).not_negative(causes);
    }
    uncounted(&status.field("uncountedTerminatedPods"), causes);
    complete(&changed, causes);
    finished(&changed, causes);
    index_sets(&changed, causes);
    let ready = status.field("ready");
    if is_finished(&changed.new)
        && (changed.finished() || changed.field("terminating"))
        && status.field("terminating").int() > 0
    {
        status.field("terminating").invalid("terminating>0 is invalid for finished job", causes);
    }
    if (changed.field("ready") || changed.number("active"))
        && ready.is_set()
        && ready.int() > status.field("active").int()
    {
        ready.invalid("cannot set more ready pods than active", causes);
    }
    success(&changed, causes);
    transitions(&changed, causes);
}

/// An error about the conditions, which are not shown.
fn conditions(detail: &str, causes: &mut Vec<Cause>) {
    causes.push(Cause::invalid_without_value("status.conditions", detail));
}

fn uncounted(pods: &At<'_>, causes: &mut Vec<Cause>) {
    let mut seen = Vec::new();
    for list in ["succeeded", "failed"] {
        for uid in pods.field(list).items() {
            if uid.text().is_empty() {
                causes.push(Cause::invalid(uid.path.clone(), &"".into(), "must not be empty"));
            } else if seen.contains(&uid.text()) {
                causes.push(Cause::duplicate(uid.path.clone(), uid.value));
            } else {
                seen.push(uid.text());
            }
        }
    }
}

/// What goes with the condition `Complete`.
fn complete(changed: &Changed<'_>, causes: &mut Vec<Cause>) {
    let (job, status) = (&changed.new, changed.new.field("status"));
    let is_complete = is_true(job, "Complete");
    if (changed.condition("Complete") || changed.condition("Failed")) && is_complete && is_true(job, "Failed") {
        conditions("cannot set Complete=True and Failed=true conditions", causes);
    }
    if (changed.condition("Complete") || changed.condition("FailureTarget"))
        && is_complete
        && is_true(job, "FailureTarget")
    {
        conditions("cannot set Complete=True and FailureTarget=true conditions", causes);
    }
    let (start, end) = (status.field("startTime"), status.field("completionTime"));
    if changed.condition("Complete") || changed.field("completionTime") {
        if end.is_set() && !is_complete {
            end.invalid("cannot set completionTime when there is no Complete=True condition", causes);
        }
        if !end.is_set() && is_complete {
            end.required("completionTime is required for Complete jobs", causes);
        }
    }
    let instant = |at: &At<'_>| at.text().parse::<jiff::Timestamp>().ok();
    if (changed.field("startTime") || changed.field("completionTime"))
        && let (Some(start), Some(end_at)) = (instant(&start), instant(&end))
        && end_at < start
    {
        end.invalid("must be equal to or after `startTime`", causes);
    }
}

/// What goes with a Job that is over.
fn finished(changed: &Changed<'_>, causes: &mut Vec<Cause>) {
    let (job, status) = (&changed.new, changed.new.field("status"));
    if (changed.condition("Failed") || changed.field("failedIndexes"))
        && is_true(job, "Failed")
        && !is_true(job, "FailureTarget")
    {
        conditions("cannot set Failed=True condition without the FailureTarget=true condition", causes);
    }
    if (changed.condition("Complete") || changed.condition("SuccessCriteriaMet"))
        && is_true(job, "Complete")
        && !is_true(job, "SuccessCriteriaMet")
    {
        conditions("cannot set Complete=True condition without the SuccessCriteriaMet=true condition", causes);
    }
    if !is_finished(job) {
        return;
    }
    let active = status.field("active");
    if (changed.finished() || changed.number("active")) && active.int() > 0 {
        active.invalid("active>0 is invalid for finished job", causes);
    }
    let spec = job.field("spec");
    let nothing_to_do = spec.field("suspend").value == true && spec.field("completions").value == 0;
    if (changed.finished() || changed.field("startTime")) && !nothing_to_do && !status.field("startTime").is_set() {
        status.field("startTime").required("startTime is required for finished job", causes);
    }
    let pods = status.field("uncountedTerminatedPods");
    if (changed.finished() || changed.field("uncountedTerminatedPods"))
        && pods.field("failed").len() + pods.field("succeeded").len() > 0
    {
        pods.invalid("must be empty for finished job", causes);
    }
}

fn index_sets(changed: &Changed<'_>, causes: &mut Vec<Cause>) {
    let (spec, status) = (changed.new.field("spec"), changed.new.field("status"));
    let (completions, per_index) = (spec.field("completions"), spec.field("backoffLimitPerIndex"));
    let (done, failed) = (status.field("completedIndexes"), status.field("failedIndexes"));
    let (done_changed, failed_changed) = (changed.field("completedIndexes"), changed.field("failedIndexes"));
    if done_changed
        && completions.is_set()
        && let Err(e) = indexes::count(done.text(), completions.int())
    {
        done.invalid(&format!("error parsing completedIndexes: {e}"), causes);
    }
    if failed_changed
        && completions.is_set()
        && per_index.is_set()
        && let Err(e) = indexes::count(failed.text(), completions.int())
    {
        failed.invalid(&format!("error parsing failedIndexes: {e}"), causes);
    }
    if done_changed && !done.text().is_empty() && spec.field("completionMode").text() != "Indexed" {
        done.invalid("cannot set non-empty completedIndexes when non-indexed completion mode", causes);
    }
    if failed_changed && failed.is_set() && !per_index.is_set() {
        failed.invalid("cannot set non-null failedIndexes when backoffLimitPerIndex is null", causes);
    }
    if (done_changed || failed_changed)
        && completions.is_set()
        && let Some(both) = indexes::common(done.text(), failed.text(), completions.int())
    {
        failed.invalid(&format!("failedIndexes and completedIndexes overlap at index: {both}"), causes);
    }
}

fn success(changed: &Changed<'_>, causes: &mut Vec<Cause>) {
    let job = &changed.new;
    let met = is_true(job, "SuccessCriteriaMet");
    if met && is_true(job, "Failed") {
        conditions("cannot set SuccessCriteriaMet=True and Failed=true conditions", causes);
    }
    if met && is_true(job, "FailureTarget") {
        conditions("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions", causes);
    }
    if !met && is_true(job, "Complete") && job.field("spec").field("successPolicy").is_set() {
        conditions("cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True", causes);
    }
}

/// What a status may not take back.
fn transitions(changed: &Changed<'_>, causes: &mut Vec<Cause>) {
    let (old, new) = (&changed.old, &changed.new);
    let (before, status, spec) = (old.field("status"), new.field("status"), new.field("spec"));
    for condition in ["Failed", "Complete", "FailureTarget"] {
        if is_true(old, condition) && !is_true(new, condition) {
            conditions(&format!("cannot disable the terminal {condition}=True condition"), causes);
        }
    }
    let mut not_less = |counter: &str| {
        let at = status.field(counter);
        if at.int() < before.field(counter).int() {
            let detail = format!("cannot decrease the {counter} counter");
            causes.push(Cause::invalid(at.path.clone(), &at.int().into(), detail));
        }
    };
    not_less("failed");
    // An indexed Job that is scaled down has done less than before.
    let scales = spec.field("completionMode").text() == "Indexed"
        && spec.field("completions").value == spec.field("parallelism").value;
    if !scales {
        not_less("succeeded");
    }
    let end = status.field("completionTime");
    if end.is_set() && before.field("completionTime").is_set() && changed.field("completionTime") {
        end.invalid(IMMUTABLE, causes);
    }
    let resumes = is_true(old, "Suspended") && has_condition(new, "Suspended", "False");
    if changed.field("startTime")
        && !resumes
        && before.field("startTime").is_set()
        && spec.field("suspend").value != &Value::Bool(true)
    {
        status.field("startTime").invalid("field is immutable for unsuspended job once set", causes);
    }
    let (met_before, met) = (is_true(old, "SuccessCriteriaMet"), is_true(new, "SuccessCriteriaMet"));
    if met_before && !met {
        conditions("cannot disable the SuccessCriteriaMet=True condition", causes);
    }
    if is_true(old, "Complete") && !met_before && met {
        conditions("cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions", causes);
    }
}

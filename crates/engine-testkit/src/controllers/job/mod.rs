//! Jobs: Pods until enough of them succeeded or too many failed.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/job/>

mod failure;
mod indexes;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use self::{failure::Verdict, indexes::Indexes};
use super::{
    Decision, View,
    conditions::{condition, has_condition, is_active, is_finished, is_ready, put_counts, set_condition},
    events::Note,
    key_of, pods,
    writes::Write,
};
use crate::{
    clock::seconds_since,
    json::{self, get, i64_at, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored},
    write::delete::Propagation,
};

const COMPONENT: &str = "job-controller";
/// Holds a Pod until it is counted.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// The first wait after a failure, doubled with each one that follows, and the longest, in seconds.
const BACK_OFF: (i64, i64) = (10, 600);

/// Whether, why and how a Job is over.
struct End {
    succeeds: bool,
    reason: &'static str,
    message: String,
}

struct Job<'a> {
    view: &'a View<'a>,
    job: &'a Stored,
    pods: Vec<&'a Arc<Stored>>,
    completions: Option<i64>,
    parallelism: i64,
    indexed: bool,
    suspended: bool,
}

fn index_of(pod: &Stored) -> Option<i64> {
    str_at(&pod.value, &["metadata", "annotations", INDEX]).parse().ok()
}

fn phase(pod: &Stored) -> &str {
    str_at(&pod.value, &["status", "phase"])
}

fn is_tracked(pod: &Stored) -> bool {
    list_at(&pod.value, &["metadata", "finalizers"]).iter().any(|f| f == TRACKING)
}

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, job: &Stored) -> Decision {
    let mut decision = Decision::default();
    let value = &job.value;
    let manager = str_at(value, &["spec", "managedBy"]);
    if job.is_terminating() || !matches!(manager, "" | "kubernetes.io/job-controller") {
        return decision;
    }
    let pods = pods::claim(view, job, ("", "pods"), &mut decision);
    if ["Complete", "Failed"].iter().any(|c| has_condition(value, c, "True")) {
        pods.iter().filter(|p| is_tracked(p)).for_each(|p| release(p, &mut decision));
        expire(view, key, job, &mut decision);
        return decision;
    }
    let number = |field: &str| i64_at(value, &["spec", field]);
    Job {
        view,
        job,
        pods,
        completions: number("completions"),
        parallelism: number("parallelism").unwrap_or(1),
        indexed: str_at(value, &["spec", "completionMode"]) == "Indexed",
        suspended: value["spec"]["suspend"] == true,
    }
    .run(key, &mut decision);
    decision
}

/// A Pod that is counted is nobody's any more.
fn release(pod: &Stored, decision: &mut Decision) {
    let value = super::garbage::without(pod, TRACKING);
    decision.write(Write::Update(key_of("", "pods", pod), value));
}

/// Pods that ended, each counted once.
struct Counts {
    succeeded: i64,
    failed: i64,
    done: Indexes,
    failed_indexes: Indexes,
}

impl Job<'_> {
    fn number(&self, path: &[&str]) -> Option<i64> {
        i64_at(&self.job.value, path)
    }

    fn run(&self, key: &ObjectKey, decision: &mut Decision) {
        let (value, now) = (&self.job.value, self.view.now);
        let mut after = value.clone();
        let active: Vec<&Arc<Stored>> = self.pods.iter().copied().filter(|p| is_active(&p.value)).collect();
        let terminating = self.pods.iter().filter(|p| p.is_terminating() && !is_finished(&p.value)).count() as i64;
        let mut ended: Vec<&Arc<Stored>> =
            self.pods.iter().copied().filter(|p| is_tracked(p) && self.has_ended(p)).collect();
        ended.sort_by_key(|p| p.revision);
        if !self.suspended {
            json::default(&mut after, &["status", "startTime"], now.rfc3339());
        }
        let verdict = failure::judge(self.job, &ended);
        let counts = self.count(&ended, &verdict, &mut after);
        let end = self
            .target(value)
            .or_else(|| self.failure(&after, &counts, &verdict))
            .or_else(|| self.success(&counts, &active));
        let left = if end.is_some() {
            active.iter().for_each(|p| self.delete(p, decision));
            0
        } else if self.suspended {
            active.iter().for_each(|p| self.give_up(p, decision));
            0
        } else {
            self.keep_running(&active, terminating, &counts, decision)
        };
        ended.iter().for_each(|p| release(p, decision));
        self.suspend(&mut after, decision);
        let stopped = end.is_some() || self.suspended;
        let going = terminating + if stopped { active.len() as i64 } else { 0 };
        put_counts(
            &mut after["status"],
            &[("active", left), ("succeeded", counts.succeeded), ("failed", counts.failed)],
        );
        let ready = active.iter().filter(|p| is_ready(&p.value)).count() as i64;
        json::set(&mut after, &["status", "ready"], if left == 0 { 0 } else { ready });
        json::set(&mut after, &["status", "terminating"], going);
        json::set(&mut after, &["status", "uncountedTerminatedPods"], json!({}));
        if let Some(end) = end {
            self.finish(end, going, &mut after, decision);
        }
        self.wake(&after, decision);
        decision.status(key, self.job, after);
    }

    /// Ended, or as good as: a Pod that is deleted while it runs counts as failed, unless a replacement waits for its end.
    fn has_ended(&self, pod: &Stored) -> bool {
        is_finished(&pod.value) || (pod.is_terminating() && !self.waits_for_end() && !self.suspended)
    }

    fn waits_for_end(&self) -> bool {
        str_at(&self.job.value, &["spec", "podReplacementPolicy"]) == "Failed"
            || get(&self.job.value, &["spec", "podFailurePolicy"]).is_some()
    }

    fn count(&self, ended: &[&Arc<Stored>], verdict: &Verdict, after: &mut Value) -> Counts {
        let status = |field: &str| i64_at(after, &["status", field]).unwrap_or(0);
        let mut counts = Counts {
            succeeded: status("succeeded"),
            failed: status("failed"),
            done: Indexes::parse(str_at(after, &["status", "completedIndexes"])),
            failed_indexes: Indexes::parse(str_at(after, &["status", "failedIndexes"])),
        };
        for pod in ended {
            if phase(pod) == "Succeeded" {
                match index_of(pod).filter(|_| self.indexed) {
                    Some(index) => counts.done.insert(index),
                    None if self.indexed => {}
                    None => counts.succeeded += 1,
                }
            } else if !verdict.ignored.contains(pod.uid()) {
                counts.failed += 1;
                if let Some(index) = index_of(pod).filter(|_| self.indexed)
                    && (verdict.failed_indexes.contains(&index) || self.index_is_exhausted(pod))
                {
                    counts.failed_indexes.insert(index);
                }
            }
        }
        if self.indexed {
            counts.succeeded = counts.done.len();
            let text = counts.done.to_string();
            if text.is_empty() {
                json::remove(after, &["status", "completedIndexes"]);
            } else {
                json::set(after, &["status", "completedIndexes"], text);
            }
            if get(&self.job.value, &["spec", "backoffLimitPerIndex"]).is_some() {
                json::set(after, &["status", "failedIndexes"], counts.failed_indexes.to_string());
            }
        }
        counts
    }

    fn index_is_exhausted(&self, pod: &Stored) -> bool {
        let Some(limit) = self.number(&["spec", "backoffLimitPerIndex"]) else {
            return false;
        };
        let so_far: i64 = str_at(&pod.value, &["metadata", "annotations", FAILURES]).parse().unwrap_or(0);
        so_far >= limit
    }

    /// An end that was decided before, and waits for Pods to go.
    fn target(&self, value: &Value) -> Option<End> {
        for (kind, succeeds) in [("FailureTarget", false), ("SuccessCriteriaMet", true)] {
            if let Some(c) = condition(value, kind).filter(|c| str_at(c, &["status"]) == "True") {
                let reason = str_at(c, &["reason"]);
                let reason = REASONS.iter().find(|r| **r == reason).copied().unwrap_or("CompletionsReached");
                return Some(End { succeeds, reason, message: str_at(c, &["message"]).to_owned() });
            }
        }
        None
    }

    fn failure(&self, after: &Value, counts: &Counts, verdict: &Verdict) -> Option<End> {
        let fails = |reason, message: &str| Some(End { succeeds: false, reason, message: message.to_owned() });
        if let Some(message) = &verdict.fail_job {
            return fails("PodFailurePolicy", message);
        }
        if counts.failed > self.back_off_limit() || self.restarts_are_too_many() {
            return fails("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        }
        if self.is_late(after) {
            return fails("DeadlineExceeded", "Job was active longer than specified deadline");
        }
        if self.indexed && get(&self.job.value, &["spec", "backoffLimitPerIndex"]).is_some() {
            if self.number(&["spec", "maxFailedIndexes"]).is_some_and(|m| counts.failed_indexes.len() > m) {
                return fails(
                    "MaxFailedIndexesExceeded",
                    "Job has exceeded the specified maximal number of failed indexes",
                );
            }
            let all = self.completions.unwrap_or(0);
            if counts.failed_indexes.len() > 0 && counts.done.len() + counts.failed_indexes.len() >= all {
                return fails("FailedIndexes", "Job has failed indexes");
            }
        }
        None
    }

    fn back_off_limit(&self) -> i64 {
        let per_index = get(&self.job.value, &["spec", "backoffLimitPerIndex"]).is_some();
        self.number(&["spec", "backoffLimit"]).unwrap_or(if per_index { i64::from(i32::MAX) } else { 6 })
    }

    /// Containers that are restarted in place count as well.
    fn restarts_are_too_many(&self) -> bool {
        if str_at(&self.job.value, &["spec", "template", "spec", "restartPolicy"]) != "OnFailure" {
            return false;
        }
        let restarts: i64 = self
            .pods
            .iter()
            .filter(|p| is_active(&p.value))
            .flat_map(|p| list_at(&p.value, &["status", "containerStatuses"]))
            .filter_map(|s| i64_at(s, &["restartCount"]))
            .sum();
        restarts > 0 && restarts >= self.back_off_limit()
    }

    fn is_late(&self, after: &Value) -> bool {
        let deadline = self.number(&["spec", "activeDeadlineSeconds"]).filter(|_| !self.suspended);
        deadline.is_some_and(|d| seconds_since(str_at(after, &["status", "startTime"]), self.view.now) >= d)
    }

    fn success(&self, counts: &Counts, active: &[&Arc<Stored>]) -> Option<End> {
        if self.indexed
            && let Some((at, _)) = list_at(&self.job.value, &["spec", "successPolicy", "rules"])
                .iter()
                .enumerate()
                .find(|(_, rule)| indexes::satisfies(&counts.done, rule, self.completions.unwrap_or(0)))
        {
            return Some(End {
                succeeds: true,
                reason: "SuccessPolicy",
                message: format!("Matched rules at index {at}"),
            });
        }
        let done = match self.completions {
            Some(n) => counts.succeeded >= n,
            None => counts.succeeded > 0 && active.is_empty(),
        };
        let message = "Reached expected number of succeeded pods";
        done.then(|| End { succeeds: true, reason: "CompletionsReached", message: message.to_owned() })
    }

    /// As many Pods as wanted, no sooner than the back-off allows. The answer is how many there are now.
    fn keep_running(&self, active: &[&Arc<Stored>], terminating: i64, counts: &Counts, decision: &mut Decision) -> i64 {
        let have = active.len() as i64;
        let wanted = match self.completions {
            Some(n) => self.parallelism.min(n - counts.succeeded),
            None if counts.succeeded > 0 => have.min(self.parallelism),
            None => self.parallelism,
        };
        if have > wanted {
            let extra = usize::try_from(have - wanted).unwrap_or(0);
            let mut order: Vec<_> = active.to_vec();
            order.sort_by_key(|p| (is_ready(&p.value), std::cmp::Reverse(p.revision)));
            order.iter().take(extra).for_each(|p| self.give_up(p, decision));
            return wanted;
        }
        let held = if self.waits_for_end() { terminating } else { 0 };
        let missing = (wanted - have - held).clamp(0, pods::BURST);
        if missing == 0 {
            return have;
        }
        let slots: Vec<Option<i64>> = if self.indexed {
            let taken: Vec<i64> = self
                .pods
                .iter()
                .filter(|p| is_active(&p.value) || (self.waits_for_end() && !is_finished(&p.value)))
                .filter_map(|p| index_of(p))
                .collect();
            (0..self.completions.unwrap_or(0))
                .filter(|i| !taken.contains(i) && !counts.done.contains(*i) && !counts.failed_indexes.contains(*i))
                .take(usize::try_from(missing).unwrap_or(0))
                .map(Some)
                .collect()
        } else {
            (0..missing).map(|_| None).collect()
        };
        let mut made = 0;
        for slot in slots {
            let (failures, last) = self.failures(slot);
            let wait = back_off(failures) - last.map_or(i64::MAX, |l| seconds_since(&l, self.view.now));
            if wait > 0 {
                decision.wake_at(self.view.after(wait));
                continue;
            }
            self.create(slot, failures, decision);
            made += 1;
        }
        have + made
    }

    /// How often in a row Pods failed (of an index, where indexes have their own limit), and when the last one did.
    fn failures(&self, slot: Option<i64>) -> (i64, Option<String>) {
        let per_index = get(&self.job.value, &["spec", "backoffLimitPerIndex"]).is_some();
        let mut ended: Vec<(String, &str)> = self
            .pods
            .iter()
            .filter(|p| is_finished(&p.value) && (!per_index || index_of(p) == slot))
            .map(|p| (end_of(p), phase(p)))
            .collect();
        ended.sort_by(|a, b| a.0.cmp(&b.0));
        let row = ended.iter().rev().take_while(|(_, phase)| *phase == "Failed").count();
        (row as i64, ended.last().filter(|_| row > 0).map(|(end, _)| end.clone()))
    }

    fn create(&self, slot: Option<i64>, failures: i64, decision: &mut Decision) {
        let mut pod = pods::from_template(&self.job.value["spec"]["template"], self.job);
        let mut prefix = pods::generate_name(self.job.name());
        if let Some(index) = slot {
            prefix = format!("{}-{index}-", self.job.name());
            json::set(&mut pod, &["metadata", "annotations", INDEX], index.to_string());
            json::set(&mut pod, &["metadata", "labels", INDEX], index.to_string());
            json::default(&mut pod, &["spec", "hostname"], format!("{}-{index}", self.job.name()));
            if get(&self.job.value, &["spec", "backoffLimitPerIndex"]).is_some() {
                json::set(&mut pod, &["metadata", "annotations", FAILURES], failures.to_string());
            }
            for field in ["containers", "initContainers"] {
                for container in pod["spec"].get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
                    let mut env = list_at(container, &["env"]).to_vec();
                    if env.iter().all(|e| e["name"] != "JOB_COMPLETION_INDEX") {
                        let path = format!("metadata.labels['{INDEX}']");
                        env.push(json!({"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}));
                        container["env"] = env.into();
                    }
                }
            }
        }
        json::set(&mut pod, &["metadata", "generateName"], prefix);
        let mut finalizers = list_at(&pod, &["metadata", "finalizers"]).to_vec();
        finalizers.push(TRACKING.into());
        json::set(&mut pod, &["metadata", "finalizers"], finalizers);
        decision.write(Write::Create(GroupResource::new("", "pods"), pod));
    }

    fn delete(&self, pod: &Stored, decision: &mut Decision) {
        decision.write(pods::delete(pod));
        decision.report(Note::normal(COMPONENT, "SuccessfulDelete", format!("Deleted pod: {}", pod.name())));
    }

    /// A Pod that is no longer wanted is let go before it is deleted, so that it counts as no failure.
    fn give_up(&self, pod: &Stored, decision: &mut Decision) {
        if is_tracked(pod) {
            release(pod, decision);
        }
        self.delete(pod, decision);
    }

    fn suspend(&self, after: &mut Value, decision: &mut Decision) {
        let now = self.view.now;
        if self.suspended {
            json::remove(after, &["status", "startTime"]);
            if !has_condition(after, "Suspended", "True") {
                put(after, "Suspended", "JobSuspended", "Job suspended", now);
                decision.report(Note::normal(COMPONENT, "Suspended", "Job suspended"));
            }
        } else if has_condition(after, "Suspended", "True") {
            set_condition(after, "Suspended", "False", "JobResumed", "Job resumed", now);
            json::set(after, &["status", "startTime"], now.rfc3339());
            decision.report(Note::normal(COMPONENT, "Resumed", "Job resumed"));
        }
    }

    /// The intent first; the end itself when no Pod is left.
    fn finish(&self, end: End, going: i64, after: &mut Value, decision: &mut Decision) {
        let now = self.view.now;
        let (target, last) =
            if end.succeeds { ("SuccessCriteriaMet", "Complete") } else { ("FailureTarget", "Failed") };
        put(after, target, end.reason, &end.message, now);
        if going > 0 {
            return;
        }
        put(after, last, end.reason, &end.message, now);
        if end.succeeds {
            json::set(after, &["status", "completionTime"], now.rfc3339());
            decision.report(Note::normal(COMPONENT, "Completed", "Job completed"));
        } else {
            decision.report(Note::warning(COMPONENT, end.reason, end.message));
        }
    }

    fn wake(&self, after: &Value, decision: &mut Decision) {
        if let Some(deadline) = self.number(&["spec", "activeDeadlineSeconds"]).filter(|_| !self.suspended) {
            let rest = deadline - seconds_since(str_at(after, &["status", "startTime"]), self.view.now);
            if rest > 0 {
                decision.wake_at(self.view.after(rest));
            }
        }
        if ["Complete", "Failed"].iter().any(|c| has_condition(after, c, "True"))
            && let Some(ttl) = self.number(&["spec", "ttlSecondsAfterFinished"])
        {
            decision.wake_at(self.view.after(ttl));
        }
    }
}

/// How often a Pod of this index failed before this one.
const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";

const REASONS: &[&str] = &[
    "PodFailurePolicy",
    "BackoffLimitExceeded",
    "DeadlineExceeded",
    "MaxFailedIndexesExceeded",
    "FailedIndexes",
    "SuccessPolicy",
    "CompletionsReached",
];

fn put(after: &mut Value, kind: &str, reason: &str, message: &str, now: crate::clock::Now) {
    if has_condition(after, kind, "True") {
        return;
    }
    set_condition(after, kind, "True", reason, message, now);
    let time = now.rfc3339();
    let mut list = list_at(after, &["status", "conditions"]).to_vec();
    for condition in list.iter_mut().filter(|c| str_at(c, &["type"]) == kind) {
        condition["lastProbeTime"] = time.as_str().into();
    }
    json::set(after, &["status", "conditions"], list);
}

/// When the last container of a Pod ended.
fn end_of(pod: &Stored) -> String {
    let ends = list_at(&pod.value, &["status", "containerStatuses"]).iter();
    let last = ends.map(|s| str_at(s, &["state", "terminated", "finishedAt"])).max().unwrap_or_default();
    let other = condition(&pod.value, "Ready").map_or("", |c| str_at(c, &["lastTransitionTime"]));
    if last.is_empty() { other.to_owned() } else { last.to_owned() }
}

/// The wait after so many failures in a row, in seconds.
fn back_off(failures: i64) -> i64 {
    let doubled =
        1_i64.checked_shl(u32::try_from(failures - 1).unwrap_or(u32::MAX)).map(|f| f.saturating_mul(BACK_OFF.0));
    if failures <= 0 { 0 } else { doubled.filter(|d| *d > 0).unwrap_or(BACK_OFF.1).min(BACK_OFF.1) }
}

/// A finished Job with a time to live goes when it is over:
/// <https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/>
fn expire(view: &View<'_>, key: &ObjectKey, job: &Stored, decision: &mut Decision) {
    let Some(ttl) = i64_at(&job.value, &["spec", "ttlSecondsAfterFinished"]) else {
        return;
    };
    let end = ["Complete", "Failed"].iter().find_map(|c| condition(&job.value, c));
    let end = end.map_or("", |c| str_at(c, &["lastTransitionTime"]));
    let left = ttl - seconds_since(end, view.now);
    if left <= 0 {
        decision.write(Write::Delete(key.clone(), Propagation::Foreground));
    } else {
        decision.wake_at(view.now.elapsed + Duration::from_secs(left.unsigned_abs()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_offs_double_up_to_ten_minutes() {
        let waits: Vec<_> = (0..9).map(back_off).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(back_off(i64::MAX), 600);
    }
}

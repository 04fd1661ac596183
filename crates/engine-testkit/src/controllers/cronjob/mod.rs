//! CronJobs: a Job whenever the schedule says so.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/>

pub(crate) mod schedule;

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use self::schedule::{Schedule, time_zone};
use super::{Decision, View, conditions::has_condition, events::Note, key_of, pods, writes::Write};
use crate::{
    json::{self, get, i64_at, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored},
    write::delete::Propagation,
};

const COMPONENT: &str = "cronjob-controller";
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// The deadline below which a real controller may miss every start, and that many missed ones are too many.
const TOO_MANY: usize = 100;

fn is_over(job: &Stored) -> bool {
    ["Complete", "Failed"].iter().any(|c| has_condition(&job.value, c, "True"))
}

fn time(at: &Value) -> Option<Timestamp> {
    at.as_str().and_then(|t| t.parse().ok())
}

fn text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, cron: &Stored) -> Decision {
    let mut decision = Decision::default();
    let value = &cron.value;
    if cron.is_terminating() {
        return decision;
    }
    let jobs = view.owned(cron, "batch", "jobs");
    let mut after = value.clone();
    json::default(&mut after, &["status"], json!({}));
    follow(cron, &jobs, &mut after, &mut decision);
    clean_up(cron, &jobs, &mut decision);
    if let Some(schedule) = parse(value, &mut decision) {
        start(view, cron, &schedule, &jobs, &mut after, &mut decision);
    }
    decision.status(key, cron, after);
    decision
}

fn parse(cron: &Value, decision: &mut Decision) -> Option<Schedule> {
    let zone = match str_at(cron, &["spec", "timeZone"]) {
        "" => TimeZone::UTC,
        name => match time_zone(name) {
            Some(zone) => zone,
            None => {
                let message = format!("invalid timeZone: {name:?}: unknown time zone {name}");
                decision.report(Note::warning(COMPONENT, "UnknownTimeZone", message));
                return None;
            }
        },
    };
    match Schedule::parse(str_at(cron, &["spec", "schedule"]), zone) {
        Ok(schedule) => Some(schedule),
        Err(e) => {
            let message = format!("unparseable schedule: {:?} : {e}", str_at(cron, &["spec", "schedule"]));
            decision.report(Note::warning(COMPONENT, "UnparseableSchedule", message));
            None
        }
    }
}

/// The list of running Jobs follows them.
fn follow(cron: &Stored, jobs: &[&Arc<Stored>], after: &mut Value, decision: &mut Decision) {
    let mut active = list_at(&cron.value, &["status", "active"]).to_vec();
    let listed = |list: &[Value], job: &Stored| list.iter().any(|r| str_at(r, &["uid"]) == job.uid());
    for job in jobs {
        if is_over(job) {
            if listed(&active, job) {
                active.retain(|r| str_at(r, &["uid"]) != job.uid());
                let status = if has_condition(&job.value, "Complete", "True") { "Complete" } else { "Failed" };
                let message = format!("Saw completed job: {}, condition: {status}", job.name());
                decision.report(Note::normal(COMPONENT, "SawCompletedJob", message));
            }
            if has_condition(&job.value, "Complete", "True")
                && let Some(end) = get(&job.value, &["status", "completionTime"])
                && time(end) > get(after, &["status", "lastSuccessfulTime"]).and_then(time)
            {
                let end = end.clone();
                json::set(after, &["status", "lastSuccessfulTime"], end);
            }
        } else if !listed(&active, job) {
            active.push(reference(job));
        }
    }
    let gone: Vec<Value> =
        active.iter().filter(|r| !jobs.iter().any(|j| j.uid() == str_at(r, &["uid"]))).cloned().collect();
    for job in gone {
        active.retain(|r| *r != job);
        let message = format!("Active job went missing: {}", str_at(&job, &["name"]));
        decision.report(Note::normal(COMPONENT, "MissingJob", message));
    }
    if active.is_empty() {
        json::remove(after, &["status", "active"]);
    } else {
        json::set(after, &["status", "active"], active);
    }
}

fn reference(job: &Stored) -> Value {
    json!({
        "kind": "Job", "namespace": job.namespace(), "name": job.name(), "uid": job.uid(), "apiVersion": "batch/v1",
        "resourceVersion": job.revision.to_string(),
    })
}

/// Ended Jobs beyond the limits of the history go, the oldest first.
fn clean_up(cron: &Stored, jobs: &[&Arc<Stored>], decision: &mut Decision) {
    for (condition, field, usual) in
        [("Complete", "successfulJobsHistoryLimit", 3), ("Failed", "failedJobsHistoryLimit", 1)]
    {
        let limit = usize::try_from(i64_at(&cron.value, &["spec", field]).unwrap_or(usual)).unwrap_or(0);
        let mut ended: Vec<_> =
            jobs.iter().filter(|j| has_condition(&j.value, condition, "True") && !j.is_terminating()).collect();
        ended.sort_by_key(|j| (str_at(&j.value, &["status", "startTime"]), j.name()));
        let extra = ended.len().saturating_sub(limit);
        for job in ended.into_iter().take(extra) {
            decision.write(Write::Delete(key_of("batch", "jobs", job), Propagation::Background));
            let message = format!("Deleted job {}", job.name());
            decision.report(Note::normal(COMPONENT, "SuccessfulDelete", message));
        }
    }
}

fn start(
    view: &View<'_>,
    cron: &Stored,
    schedule: &Schedule,
    jobs: &[&Arc<Stored>],
    after: &mut Value,
    decision: &mut Decision,
) {
    let value = &cron.value;
    if value["spec"]["suspend"] == true {
        return;
    }
    let now = view.now.timestamp;
    let last = get(after, &["status", "lastScheduleTime"]).and_then(time);
    let born = time(&value["metadata"]["creationTimestamp"]).unwrap_or(now);
    let mut earliest = last.unwrap_or(born);
    let deadline = i64_at(value, &["spec", "startingDeadlineSeconds"]);
    if let Some(seconds) = deadline {
        let oldest = now.checked_sub(Duration::from_secs(seconds.max(0).unsigned_abs())).unwrap_or(earliest);
        earliest = earliest.max(oldest);
    }
    if let Some(next) = schedule.after(now) {
        let wait = Duration::try_from(next.duration_since(now)).unwrap_or_default();
        decision.wake_at(view.now.elapsed + wait);
    }
    let (due, missed) = schedule.latest(earliest, now);
    let Some(due) = due else { return };
    if missed > TOO_MANY {
        let message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
        decision.report(Note::warning(COMPONENT, "TooManyMissedTimes", message));
    }
    let late = deadline.is_some_and(|s| now.as_second() - due.as_second() > s);
    if late {
        let message = format!("Missed scheduled time to start a job: {}", due.strftime("%a, %d %b %Y %H:%M:%S +0000"));
        decision.report(Note::warning(COMPONENT, "MissSchedule", message));
        return;
    }
    // Named after its minute, so that it is made once.
    let name = format!("{}-{}", cron.name(), due.as_second() / 60);
    if jobs.iter().any(|j| j.name() == name) || last == Some(due) {
        return;
    }
    let running: Vec<_> = jobs.iter().filter(|j| !is_over(j)).collect();
    match str_at(value, &["spec", "concurrencyPolicy"]) {
        "Forbid" if !running.is_empty() => {
            decision.report(Note::normal(
                COMPONENT,
                "JobAlreadyActive",
                "Not starting job because prior execution is running and concurrency policy is Forbid",
            ));
            return;
        }
        "Replace" => {
            for job in running {
                decision.write(Write::Delete(key_of("batch", "jobs", job), Propagation::Background));
                let message = format!("Deleted job {}", job.name());
                decision.report(Note::normal(COMPONENT, "SuccessfulDelete", message));
            }
        }
        _ => {}
    }
    let template = &value["spec"]["jobTemplate"];
    let mut metadata = json!({
        "name": name, "namespace": cron.namespace(), "ownerReferences": [pods::controller_reference(cron)],
    });
    for field in ["labels", "annotations"] {
        if let Some(map) = get(template, &["metadata", field]) {
            metadata[field] = map.clone();
        }
    }
    let zone = str_at(value, &["spec", "timeZone"]);
    let stamp = match time_zone(zone) {
        Some(zone) => due.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string().replace("+00:00", "Z"),
        None => text(due),
    };
    metadata["annotations"][SCHEDULED] = stamp.into();
    let job = json!({"metadata": metadata, "spec": template["spec"]});
    decision.write(Write::Create(GroupResource::new("batch", "jobs"), job));
    decision.report(Note::normal(COMPONENT, "SuccessfulCreate", format!("Created job {name}")));
    json::set(after, &["status", "lastScheduleTime"], text(due));
}

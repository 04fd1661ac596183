//! CronJobs.

use jiff::tz::TimeZone;

use super::{At, Change, job};
use crate::{
    controllers::cronjob::schedule::{self, Schedule},
    json::str_at,
    status::Cause,
};

pub(super) fn cron_job(change: &Change<'_>, causes: &mut Vec<Cause>) {
    const LONGEST_NAME: usize = 52;
    let root = change.root();
    let spec = root.field("spec");
    let old = change.old_root().map(|root| root.field("spec"));
    let schedule = spec.field("schedule");
    if schedule.text().is_empty() {
        schedule.required("", causes);
    } else {
        // A schedule of a time when it could name its zone may go on to do so.
        let zone_allowed = old.as_ref().is_some_and(|old| old.field("schedule").text().contains("TZ"));
        times(&schedule, zone_allowed, spec.field("timeZone").is_set(), causes);
    }
    spec.field("startingDeadlineSeconds").not_negative(causes);
    let zone = spec.field("timeZone");
    if old.is_none_or(|old| old.field("timeZone").value != zone.value) {
        time_zone(&zone, causes);
    }
    spec.field("concurrencyPolicy").required_one_of(&["Allow", "Forbid", "Replace"], causes);
    let template = spec.field("jobTemplate").field("spec");
    job::any_spec(&template, causes);
    let (selector, manual) = (template.field("selector"), template.field("manualSelector"));
    if selector.is_set() {
        selector.invalid("`selector` will be auto-generated", causes);
    }
    if manual.value == true {
        manual.unsupported(&["nil", "false"], causes);
    }
    spec.field("successfulJobsHistoryLimit").not_negative(causes);
    spec.field("failedJobsHistoryLimit").not_negative(causes);
    let name = str_at(root.value, &["metadata", "name"]);
    if change.before.is_none() && name.len() > LONGEST_NAME {
        let detail = format!("must be no more than {LONGEST_NAME} characters");
        causes.push(Cause::invalid("metadata.name", &name.into(), detail));
    }
}

fn times(schedule: &At<'_>, zone_allowed: bool, zone_set: bool, causes: &mut Vec<Cause>) {
    let text = schedule.text();
    if let Err(e) = parse(text) {
        schedule.invalid(&e, causes);
    }
    if text.contains("TZ") {
        if !zone_allowed {
            schedule.invalid("cannot use TZ or CRON_TZ in schedule, use timeZone field instead", causes);
        } else if zone_set {
            schedule.invalid("cannot use both timeZone field and TZ or CRON_TZ in schedule", causes);
        }
    }
}

/// Reads a schedule, and the zone before it.
fn parse(text: &str) -> Result<(), String> {
    let times = match text.strip_prefix("CRON_").unwrap_or(text).strip_prefix("TZ=") {
        None => text,
        Some(rest) => {
            let (zone, times) = rest
                .split_once(' ')
                .ok_or_else(|| "invalid schedule format: runtime error: slice bounds out of range [:-1]".to_owned())?;
            if !zone.is_empty() && !is_zone(zone) {
                return Err(format!("provided bad location {zone}: unknown time zone {zone}"));
            }
            times.trim()
        }
    };
    Schedule::parse(times, TimeZone::UTC).map(|_| ())
}

fn time_zone(zone: &At<'_>, causes: &mut Vec<Cause>) {
    if !zone.is_set() {
        return;
    }
    let text = zone.text();
    if text.is_empty() {
        zone.invalid("timeZone must be nil or non-empty string", causes);
        return;
    }
    let unknown = format!("unknown time zone {text}");
    let is_part = |part: &str| {
        !matches!(part, "." | "..")
            && !part.starts_with('-')
            && (1..=14).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_+".contains(&b))
    };
    if !text.split('/').all(is_part) {
        zone.invalid(&unknown, causes);
        return;
    }
    if text.eq_ignore_ascii_case("local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        zone.invalid(detail, causes);
    }
    if !is_zone(text) {
        zone.invalid(&unknown, causes);
    }
}

/// Whether a time zone is known by exactly this name.
fn is_zone(name: &str) -> bool {
    // These two are known without a data base.
    matches!(name, "UTC" | "Local") || schedule::time_zone(name).is_some()
}

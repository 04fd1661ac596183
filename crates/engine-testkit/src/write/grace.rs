//! How Pods end: <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination>

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    clock::Now,
    json::{self, i64_at, str_at},
};

/// What becomes of a Pod that is to be deleted.
pub(super) enum Ending {
    /// It is ending already, and not later than it is asked to.
    Already,
    /// Its time is over.
    Over,
    /// It has been marked to end in so many seconds.
    In(i64),
}

/// Marks a Pod as ending, within its own time or that which the client gives it.
pub(super) fn ask(before: &Value, after: &mut Value, asked: Option<i64>, now: &Now) -> Ending {
    // Less than nothing is as little as there is.
    let asked = asked.map(|seconds| if seconds < 0 { 1 } else { seconds });
    if let Ok(end) = str_at(before, &["metadata", "deletionTimestamp"]).parse::<Timestamp>() {
        let given = i64_at(before, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0);
        if given == 0 {
            return Ending::Over;
        }
        let Some(mut seconds) = asked.filter(|asked| *asked < given) else { return Ending::Already };
        let mut end = moved(end, seconds - given);
        if end < now.timestamp {
            end = now.timestamp;
            seconds = seconds.min(1);
        }
        mark(after, end, seconds);
        return Ending::In(seconds);
    }
    let ended = matches!(str_at(before, &["status", "phase"]), "Succeeded" | "Failed");
    let runs = !ended && !str_at(before, &["spec", "nodeName"]).is_empty();
    let own = || i64_at(before, &["spec", "terminationGracePeriodSeconds"]).unwrap_or(0);
    let seconds = match asked.unwrap_or_else(own) {
        _ if !runs => 0,
        seconds if seconds < 0 => 1,
        seconds => seconds,
    };
    mark(after, moved(now.timestamp, seconds), seconds);
    if let Some(generation) = i64_at(after, &["metadata", "generation"]).filter(|generation| *generation > 0) {
        json::set(after, &["metadata", "generation"], generation + 1);
    }
    Ending::In(seconds)
}

fn mark(pod: &mut Value, end: Timestamp, seconds: i64) {
    json::set(pod, &["metadata", "deletionTimestamp"], end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    json::set(pod, &["metadata", "deletionGracePeriodSeconds"], seconds);
}

fn moved(time: Timestamp, seconds: i64) -> Timestamp {
    let by = Duration::from_secs(seconds.unsigned_abs());
    let moved = if seconds < 0 { time.checked_sub(by) } else { time.checked_add(by) };
    moved.unwrap_or(time)
}

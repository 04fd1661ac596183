//! The faults in force, and what they do to one request.

use std::{collections::BTreeSet, time::Duration};

use http::StatusCode;

use super::{ClockJump, ConcurrentWrite, Fault, Injection, WatchEnd, pick};
use crate::{
    http::params::Params,
    record::RequestRecord,
    seed::Seed,
    status::{About, ApiError},
};

/// The faults in force.
#[derive(Debug)]
pub(crate) struct Faults {
    injections: Vec<Injection>,
    /// `(requests still answered, the last of them commits and is cut)`.
    cut: Option<(u64, bool)>,
    pub(crate) broken: BTreeSet<(String, String)>,
    seed: Seed,
}

/// How far behind a read is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Staleness {
    Revisions(u64),
    For(Duration),
}

/// What becomes of a watch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WatchPlan {
    pub(crate) after: Duration,
    /// Silence before the end.
    pub(crate) silent: Duration,
    pub(crate) then: Option<WatchEnd>,
}

/// What to do with one request.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) delay: Option<Duration>,
    pub(crate) error: Option<ApiError>,
    /// Do the work, then answer with this instead.
    pub(crate) error_after: Option<ApiError>,
    pub(crate) cut_before: bool,
    pub(crate) cut_after: bool,
    pub(crate) cut_body: bool,
    /// A watch that begins with its end.
    pub(crate) gone: bool,
    /// The group's own server is down: not an answer of this API.
    pub(crate) broken: bool,
    pub(crate) watch: Option<WatchPlan>,
    pub(crate) stale: Option<Staleness>,
    pub(crate) writers: Vec<ConcurrentWrite>,
    pub(crate) jumps: Vec<ClockJump>,
    /// The names of what hit.
    pub(crate) hit: Vec<&'static str>,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { injections: Vec::new(), cut: None, broken: BTreeSet::new(), seed: Seed::new(seed ^ 0xfa17) }
    }

    pub(crate) fn inject(&mut self, mut injection: Injection) {
        // Each draws for itself, so that one more fault does not change what the others do.
        let own = self.seed.next();
        injection.dice.get_or_insert_with(|| Seed::new(own));
        self.injections.push(injection);
    }

    pub(crate) fn clear(&mut self) {
        self.injections.clear();
        self.cut = None;
        self.broken.clear();
    }

    pub(crate) fn cut_after(&mut self, answered: u64, last_commits: bool) {
        self.cut = Some((answered, last_commits));
    }

    pub(crate) fn judge(&mut self, request: &RequestRecord) -> Verdict {
        let mut verdict = Verdict::default();
        if let Some((left, last_commits)) = &mut self.cut {
            match (*left, *last_commits) {
                (0, true) => {
                    verdict.cut_after = true;
                    *last_commits = false;
                }
                (0, false) => verdict.cut_before = true,
                _ => *left -= 1,
            }
        }
        for injection in &mut self.injections {
            if injection.hits(request) {
                verdict.add(&injection.fault, request, injection.dice.get_or_insert_with(|| Seed::new(0)));
            }
        }
        verdict.broken = self.broken.contains(&(request.group.clone(), request.version.clone()));
        verdict
    }

    /// Whether an access review would say no.
    pub(crate) fn forbids(&self, request: &RequestRecord) -> bool {
        self.injections
            .iter()
            .any(|i| matches!(i.fault, Fault::Forbidden) && i.when.times != Some(0) && i.requests.matches(request))
    }
}

impl Injection {
    /// Counts the request, and says whether it is hit.
    fn hits(&mut self, request: &RequestRecord) -> bool {
        let when = &mut self.when;
        let in_time = when.between.is_none_or(|(from, until)| from <= request.at && request.at < until);
        if when.times == Some(0) || !in_time || !self.requests.matches(request) || !self.fault.concerns(request) {
            return false;
        }
        if when.skip > 0 {
            when.skip -= 1;
            return false;
        }
        let dice = self.dice.get_or_insert_with(|| Seed::new(0));
        if when.one_in.is_some_and(|n| !dice.next().is_multiple_of(n)) {
            return false;
        }
        if let Some(times) = &mut when.times {
            *times -= 1;
        }
        true
    }
}

impl Verdict {
    fn add(&mut self, fault: &Fault, request: &RequestRecord, dice: &mut Seed) {
        self.hit.push(fault.name());
        match fault {
            Fault::Delay(time) => self.wait(*time),
            Fault::DelayBetween(from, to) => {
                let more = to.saturating_sub(*from);
                self.wait(*from + pick(dice, more));
            }
            Fault::CutBeforeCommit => self.cut_before = true,
            Fault::CutAfterCommit => self.cut_after = true,
            Fault::CutBody => self.cut_body = true,
            Fault::TimeoutAfterCommit => {
                self.error_after = Some(ApiError::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "Timeout",
                    "Timeout: request did not complete within the allotted timeout",
                ));
            }
            Fault::EndWatch { after, how } => {
                self.watch = Some(WatchPlan { after: *after, silent: Duration::ZERO, then: Some(*how) });
            }
            Fault::StallWatch { after, lasts, then } => {
                self.watch = Some(WatchPlan { after: *after, silent: *lasts, then: *then });
            }
            Fault::StaleByRevisions(n) => self.stale = Some(Staleness::Revisions(*n)),
            Fault::StaleBy(time) => self.stale = Some(Staleness::For(*time)),
            Fault::ConcurrentWrite(writer) => self.writers.push(writer.clone()),
            Fault::ClockJump(jump) => self.jumps.push(*jump),
            Fault::Gone if request.is_watch() => self.gone = true,
            Fault::Forbidden
            | Fault::Conflict
            | Fault::Gone
            | Fault::TooManyRequests { .. }
            | Fault::InternalError
            | Fault::Unavailable => self.error = Some(refusal(fault, request)),
        }
    }

    fn wait(&mut self, time: Duration) {
        self.delay = Some(self.delay.unwrap_or_default().saturating_add(time));
    }
}

/// Whether the request leaves it to the server how fresh the answer is.
pub(super) fn may_be_stale(request: &RequestRecord) -> bool {
    let version = request.param("resourceVersion");
    let version = version.as_deref().unwrap_or_default();
    match request.verb.as_str() {
        "get" => request.is_resource() && !version.is_empty(),
        "list" if request.param("continue").is_some() => false,
        "list" => match request.param("resourceVersionMatch").as_deref() {
            None | Some("") => version == "0" || (!version.is_empty() && request.param("limit").is_none()),
            Some(how) => how == "NotOlderThan" && !version.is_empty(),
        },
        "watch" => version == "0",
        _ => false,
    }
}

fn refusal(fault: &Fault, request: &RequestRecord) -> ApiError {
    let about =
        About { group: &request.group, resource: &request.resource, name: request.name.as_deref().unwrap_or_default() };
    match fault {
        Fault::Forbidden => forbidden(request, ""),
        Fault::Conflict => ApiError::modified(about),
        Fault::Gone => match request.param("continue") {
            Some(token) => crate::http::expired_page(&token),
            None => ApiError::expired("The resourceVersion for the provided list is too old."),
        },
        Fault::TooManyRequests { retry_after } => {
            let mut e = ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequests",
                "too many requests, please try again later",
            );
            e.retry_after = Some(*retry_after);
            e
        }
        Fault::Unavailable => ApiError::unavailable("the server is currently unable to handle the request"),
        _ => ApiError::internal("Internal error occurred: injected fault"),
    }
}

/// The refusal of the RBAC authorizer.
pub(crate) fn forbidden(request: &RequestRecord, reason: &str) -> ApiError {
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let (user, verb) = (&request.user, &request.verb);
    if !request.is_resource() {
        let message = format!("forbidden: User {user:?} cannot {verb} path {:?}{reason}", request.path);
        let mut e = ApiError::new(StatusCode::FORBIDDEN, "Forbidden", message);
        e.details = Some(serde_json::json!({}));
        return e;
    }
    let resource = match request.subresource.as_str() {
        "" => request.resource.clone(),
        sub => format!("{}/{sub}", request.resource),
    };
    let scope = match request.access_namespace() {
        Some(ns) => format!("in the namespace {ns:?}"),
        None => "at the cluster scope".to_owned(),
    };
    ApiError::forbidden(
        About { group: &request.group, resource: &request.resource, name: request.name.as_deref().unwrap_or_default() },
        format!("User {user:?} cannot {verb} resource {resource:?} in API group {:?} {scope}{reason}", request.group),
    )
}

impl RequestRecord {
    /// A parameter of the query.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        if !self.query.contains(name) {
            return None;
        }
        Params::parse(&self.query).get(name).map(str::to_owned)
    }
}

//! Faults: which requests go wrong, how, and how often.

use std::{collections::BTreeSet, time::Duration};

use http::StatusCode;

use crate::{
    http::route::Route,
    seed::Seed,
    status::{About, ApiError},
};

/// A choice of requests. An empty one is all of them.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    verbs: Vec<String>,
    group: Option<String>,
    resource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    writes: bool,
}

impl Requests {
    /// Every request.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests that would change something (dry runs included).
    #[must_use]
    pub fn writes() -> Self {
        Self { writes: true, ..Self::default() }
    }

    /// Only these verbs: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    #[must_use]
    pub fn verbs<'a>(mut self, verbs: impl IntoIterator<Item = &'a str>) -> Self {
        self.verbs = verbs.into_iter().map(str::to_owned).collect();
        self
    }

    /// Only this resource, by group (empty for the core group) and plural name; `*` for any.
    #[must_use]
    pub fn resource(mut self, group: &str, resource: &str) -> Self {
        self.group = (group != "*").then(|| group.to_owned());
        self.resource = (resource != "*").then(|| resource.to_owned());
        self
    }

    /// Only in this namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Only for an object of this name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    pub(crate) fn matches(&self, route: &Route) -> bool {
        let is_write = matches!(route.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection");
        let of_resource = self.group.is_none() && self.resource.is_none() || route.is_resource();
        of_resource
            && (!self.writes || (is_write && route.is_resource()))
            && (self.verbs.is_empty() || self.verbs.iter().any(|v| *v == route.verb || v == "*"))
            && self.group.as_ref().is_none_or(|g| *g == route.group)
            && self.resource.as_ref().is_none_or(|r| *r == route.resource)
            && self.namespace.as_ref().is_none_or(|n| Some(n) == route.namespace.as_ref())
            && self.name.as_ref().is_none_or(|n| Some(n) == route.name.as_ref())
    }
}

/// What goes wrong.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// 403, in the words of RBAC.
    Forbidden,
    /// 409: somebody else was faster.
    Conflict,
    /// 410, as a list or the start of a watch gets it when its resourceVersion is too old.
    Gone,
    /// 429 with `Retry-After`.
    TooManyRequests {
        /// Seconds of the `Retry-After` header.
        retry_after: u64,
    },
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// 504 after the write went through: the client cannot know.
    TimeoutAfterCommit,
    /// The connection breaks before the server did anything.
    CutBeforeCommit,
    /// The connection breaks after the server did what it was asked for.
    CutAfterCommit,
    /// The answer takes this long (on tokio's clock); the request then goes on.
    Delay(Duration),
}

/// A fault, the requests that it hits, and when.
#[derive(Debug, Clone)]
pub struct Injection {
    requests: Requests,
    fault: Fault,
    skip: u64,
    times: Option<u64>,
    one_in: Option<u64>,
}

impl Injection {
    /// This fault for every such request.
    #[must_use]
    pub fn new(requests: Requests, fault: Fault) -> Self {
        Self { requests, fault, skip: 0, times: None, one_in: None }
    }

    /// Lets the first `n` such requests pass.
    #[must_use]
    pub fn after(mut self, n: u64) -> Self {
        self.skip = n;
        self
    }

    /// Ends after `n` faults.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.times = Some(n);
        self
    }

    /// Hits about one in `n` such requests, drawn from the cluster's seed.
    #[must_use]
    pub fn one_in(mut self, n: u64) -> Self {
        self.one_in = Some(n.max(1));
        self
    }
}

/// The faults in force.
#[derive(Debug)]
pub(crate) struct Faults {
    injections: Vec<Injection>,
    /// `(requests still answered, the last of them commits and is cut)`.
    cut: Option<(u64, bool)>,
    pub(crate) broken: BTreeSet<(String, String)>,
    seed: Seed,
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
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { injections: Vec::new(), cut: None, broken: BTreeSet::new(), seed: Seed::new(seed ^ 0xfa17) }
    }

    pub(crate) fn inject(&mut self, injection: Injection) {
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

    pub(crate) fn judge(&mut self, route: &Route, path: &str) -> Verdict {
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
            if injection.times == Some(0) || !injection.requests.matches(route) {
                continue;
            }
            if injection.skip > 0 {
                injection.skip -= 1;
                continue;
            }
            if injection.one_in.is_some_and(|n| !self.seed.next().is_multiple_of(n)) {
                continue;
            }
            if let Some(times) = &mut injection.times {
                *times -= 1;
            }
            match &injection.fault {
                Fault::Delay(d) => verdict.delay = Some(verdict.delay.unwrap_or_default() + *d),
                Fault::CutBeforeCommit => verdict.cut_before = true,
                Fault::CutAfterCommit => verdict.cut_after = true,
                Fault::TimeoutAfterCommit => {
                    verdict.error_after = Some(ApiError::new(
                        StatusCode::GATEWAY_TIMEOUT,
                        "Timeout",
                        "Timeout: request did not complete within the allotted timeout",
                    ));
                }
                fault => verdict.error = Some(refusal(fault, route, path)),
            }
        }
        if self.broken.contains(&(route.group.clone(), route.version.clone())) && verdict.error.is_none() {
            verdict.error = Some(ApiError::unavailable("the server is currently unable to handle the request"));
        }
        verdict
    }
}

fn refusal(fault: &Fault, route: &Route, path: &str) -> ApiError {
    let about =
        About { group: &route.group, resource: &route.resource, name: route.name.as_deref().unwrap_or_default() };
    match fault {
        Fault::Forbidden => forbidden(route, path),
        Fault::Conflict => ApiError::modified(about),
        Fault::Gone => ApiError::expired("too old resource version: 1 (2)"),
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
pub(crate) fn forbidden(route: &Route, path: &str) -> ApiError {
    if !route.is_resource() {
        let message = format!("forbidden: User {USER:?} cannot {} path {path:?}", route.verb);
        return ApiError::new(StatusCode::FORBIDDEN, "Forbidden", message);
    }
    let resource = match route.subresource.as_str() {
        "" => route.resource.clone(),
        sub => format!("{}/{sub}", route.resource),
    };
    let scope = match &route.namespace {
        Some(ns) => format!("in the namespace {ns:?}"),
        None => "at the cluster scope".to_owned(),
    };
    ApiError::forbidden(
        About { group: &route.group, resource: &route.resource, name: route.name.as_deref().unwrap_or_default() },
        format!("User {USER:?} cannot {} resource {resource:?} in API group {:?} {scope}", route.verb, route.group),
    )
}

/// Who every request comes from.
pub(crate) const USER: &str = "testkit-user";

impl Faults {
    /// Whether an access review would say no.
    pub(crate) fn forbids(&self, route: &Route) -> bool {
        self.injections
            .iter()
            .any(|i| matches!(i.fault, Fault::Forbidden) && i.times != Some(0) && i.requests.matches(route))
    }
}

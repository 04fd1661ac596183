//! Faults: which requests go wrong, how, and how often.

mod chaos;
mod judge;
mod requests;

use std::{fmt, sync::Arc, time::Duration};

use serde_json::Value;

use self::requests::When;
pub use self::{chaos::Chaos, requests::Requests};
pub(crate) use self::{
    chaos::pick,
    judge::{Faults, Staleness, Verdict, WatchPlan, forbidden},
};
use crate::{record::RequestRecord, seed::Seed};

/// What goes wrong.
///
/// Time is the cluster's, which follows tokio's clock. A fault that makes no sense for a request (a watch that stalls,
/// for a `create`) does not hit it, and such a request does not count.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// 403, in the words of RBAC.
    Forbidden,
    /// `409 Conflict`: somebody else was faster.
    Conflict,
    /// `410 Gone`. Hits only what names the past: a list with a resourceVersion or a page token, which fails (the answer to a
    /// token has the token to go on with), and a watch with a resourceVersion, which begins with an `ERROR` event.
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
    /// The connection breaks in the middle of the answer's body, after the server did what it was asked for. Watches
    /// have [`EndWatch`](Self::EndWatch) for it.
    CutBody,
    /// The answer takes this long; the request then goes on.
    Delay(Duration),
    /// The answer takes a time between these two, drawn from the seed.
    DelayBetween(Duration, Duration),
    /// A watch ends, so long after it began.
    EndWatch {
        /// How long it works before.
        after: Duration,
        /// How it ends.
        how: WatchEnd,
    },
    /// A watch stays open but says nothing: no events, no bookmarks, no end at its own timeout.
    StallWatch {
        /// How long it works before.
        after: Duration,
        /// How long it is silent ([`Duration::MAX`] for ever).
        lasts: Duration,
        /// How it ends then; `None` for a watch that catches up with what it missed, and goes on.
        then: Option<WatchEnd>,
    },
    /// A read that leaves it to the server how fresh its answer is gets one from so many changes of the cluster ago.
    ///
    /// Those are `get` with a resourceVersion, `list` with `resourceVersion=0` or `resourceVersionMatch=NotOlderThan`,
    /// and a watch from `resourceVersion=0`: the watch cache of a real server answers them, and may be behind, but never
    /// behind the version that the request names. Other reads are consistent on a real server
    /// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>), and so no fault makes them
    /// stale here: a client that relies on them is right.
    StaleByRevisions(u64),
    /// The same, as things were so long ago.
    StaleBy(Duration),
    /// Somebody else changes the object: before a write of it is done, so that the write meets a newer version, and after
    /// a `get` of it is answered, so that what the client holds is outdated. See [`Fault::concurrent_write`].
    ConcurrentWrite(ConcurrentWrite),
    /// The cluster's wall clock jumps when the request arrives, as in [`Cluster::jump_clock`](crate::Cluster::jump_clock).
    ClockJump(ClockJump),
}

impl Fault {
    /// Somebody else changes the object around the request: [`Fault::ConcurrentWrite`]. The closure gets the whole object;
    /// it runs outside the cluster's lock, so that it may ask the cluster.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use gitops_engine_testkit::{Cluster, Fault, Injection, Requests};
    /// use k8s_openapi::api::core::v1::Namespace;
    /// use kube::api::{Api, PostParams};
    ///
    /// let cluster = Cluster::default();
    /// let namespaces: Api<Namespace> = Api::all(cluster.client());
    /// let meddle = Fault::concurrent_write(|object| object["metadata"]["labels"]["by"] = "somebody".into());
    /// cluster.inject(Injection::new(Requests::writes().resource("", "namespaces"), meddle).times(1));
    ///
    /// let mut read = namespaces.get("default").await?;
    /// read.metadata.annotations = Some([("a".into(), "b".into())].into());
    /// let refused = namespaces.replace("default", &PostParams::default(), &read).await;
    /// assert!(matches!(refused, Err(kube::Error::Api(status)) if status.is_conflict()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn concurrent_write(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::ConcurrentWrite(ConcurrentWrite(Arc::new(change)))
    }

    /// A short name, for the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Forbidden => "Forbidden",
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::TooManyRequests { .. } => "TooManyRequests",
            Self::InternalError => "InternalError",
            Self::Unavailable => "Unavailable",
            Self::TimeoutAfterCommit => "TimeoutAfterCommit",
            Self::CutBeforeCommit => "CutBeforeCommit",
            Self::CutAfterCommit => "CutAfterCommit",
            Self::CutBody => "CutBody",
            Self::Delay(_) | Self::DelayBetween(..) => "Delay",
            Self::EndWatch { .. } => "EndWatch",
            Self::StallWatch { .. } => "StallWatch",
            Self::StaleByRevisions(_) | Self::StaleBy(_) => "Stale",
            Self::ConcurrentWrite(_) => "ConcurrentWrite",
            Self::ClockJump(_) => "ClockJump",
        }
    }

    /// Whether this can happen to such a request.
    fn concerns(&self, request: &RequestRecord) -> bool {
        let names_past = |r: &RequestRecord| r.param("resourceVersion").is_some_and(|v| !v.is_empty() && v != "0");
        match self {
            Self::Gone => match request.verb.as_str() {
                "list" => names_past(request) || request.param("continue").is_some(),
                "watch" => names_past(request),
                _ => false,
            },
            Self::EndWatch { .. } | Self::StallWatch { .. } => request.is_watch(),
            Self::CutBody => !request.is_watch(),
            Self::StaleByRevisions(_) | Self::StaleBy(_) => judge::may_be_stale(request),
            Self::ConcurrentWrite(_) => {
                request.name.is_some() && matches!(request.verb.as_str(), "get" | "update" | "patch" | "delete")
            }
            Self::TimeoutAfterCommit => request.changes(),
            _ => true,
        }
    }
}

/// How a watch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchEnd {
    /// In good order, as a server does after its timeout.
    Close,
    /// The connection breaks.
    Drop,
    /// With a `410 Gone` event.
    Expire,
}

/// A jump of the cluster's wall clock: new timestamps follow it, timers do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockJump {
    /// Into the future.
    Forwards(Duration),
    /// Into the past.
    Backwards(Duration),
}

/// What somebody else does to an object: see [`Fault::concurrent_write`].
#[derive(Clone)]
pub struct ConcurrentWrite(Arc<dyn Fn(&mut Value) + Send + Sync>);

impl ConcurrentWrite {
    pub(crate) fn change(&self, object: &mut Value) {
        (self.0)(object);
    }
}

impl fmt::Debug for ConcurrentWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConcurrentWrite")
    }
}

/// A fault, the requests that it hits, and when.
///
/// ```
/// use std::time::Duration;
/// use gitops_engine_testkit::{Fault, Injection, Requests};
///
/// // The third update, and only that.
/// Injection::new(Requests::any().verbs(["update"]), Fault::Conflict).nth(3);
/// // About one request in ten is slow, in the cluster's second minute.
/// Injection::new(Requests::any(), Fault::Delay(Duration::from_secs(2)))
///     .one_in(10)
///     .between(Duration::from_secs(60), Duration::from_secs(120));
/// ```
#[derive(Debug, Clone)]
pub struct Injection {
    requests: Requests,
    fault: Fault,
    when: When,
    dice: Option<Seed>,
}

impl Injection {
    /// This fault for every such request.
    #[must_use]
    pub fn new(requests: Requests, fault: Fault) -> Self {
        Self { requests, fault, when: When { skip: 0, times: None, one_in: None, between: None }, dice: None }
    }

    /// Lets the first `n` such requests pass.
    #[must_use]
    pub fn after(mut self, n: u64) -> Self {
        self.when.skip = n;
        self
    }

    /// Ends after `n` faults.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.when.times = Some(n);
        self
    }

    /// Hits the `n`-th such request (from 1) and no other.
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        self.after(n.saturating_sub(1)).times(1)
    }

    /// Hits about one in `n` such requests, drawn from the cluster's seed.
    #[must_use]
    pub fn one_in(mut self, n: u64) -> Self {
        self.when.one_in = Some(n.max(1));
        self
    }

    /// Hits only requests that arrive in this time since the cluster was built; the end does not belong to it.
    #[must_use]
    pub fn between(mut self, from: Duration, until: Duration) -> Self {
        self.when.between = Some((from, until));
        self
    }

    /// Draws from a seed of its own.
    fn seeded(mut self, seed: Seed) -> Self {
        self.dice = Some(seed);
        self
    }
}

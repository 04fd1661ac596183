//! What an embedder may choose.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gitops_engine_core::{GroupKind, HealthAssessor, Manifest, Timestamp};

/// How much of an object the cache keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// The whole object, without `managedFields`.
    Full,
    /// An index node: identity, uid, version, owners, and the health as judged on arrival.
    Index,
}

/// Decides how much of an object the cache keeps. Called for every object that arrives, outside of all locks. CRDs and
/// APIServices are kept whole without asking: the cache follows them to learn which kinds there are.
///
/// A closure `Fn(&Manifest) -> Retention` is one.
pub trait Retain: Send + Sync {
    /// How much to keep of this object.
    fn retention(&self, object: &Manifest) -> Retention;
}

impl<F: Fn(&Manifest) -> Retention + Send + Sync> Retain for F {
    fn retention(&self, object: &Manifest) -> Retention {
        self(object)
    }
}

/// The default: objects at the top of an ownership tree whole, the rest as index nodes.
///
/// What a desired state declares is at the top; what controllers make of it, and there is far more of that, is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct TopLevel;

impl Retain for TopLevel {
    fn retention(&self, object: &Manifest) -> Retention {
        let controlled = |owner: &gitops_engine_core::Value| owner.get("controller").and_then(|flag| flag.as_bool());
        let owners = object.body().items(["metadata", "ownerReferences"]);
        if owners.iter().any(|owner| controlled(owner) == Some(true)) { Retention::Index } else { Retention::Full }
    }
}

/// How a [`Cache`](crate::Cache) works. The defaults are for a cluster of any size.
#[derive(Clone)]
#[non_exhaustive]
pub struct CacheOptions {
    /// Groups that are discovered and not watched.
    pub excluded_groups: BTreeSet<Arc<str>>,
    /// Kinds that are discovered and not watched.
    pub excluded_kinds: BTreeSet<GroupKind>,
    /// How much of each object is kept.
    pub retain: Arc<dyn Retain>,
    /// Judges objects of which only an index node is kept.
    pub health: Option<Arc<dyn HealthAssessor>>,
    /// The time that health is judged at.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// How many objects the server is asked for in one page of a list.
    pub page_size: u32,
    /// How many lists are under way at a time.
    pub concurrent_lists: usize,
    /// How long one answer may take, and the longest silence within a list.
    pub request_timeout: Duration,
    /// After how long [`ready`](gitops_engine_core::ClusterCache::ready) calls a cluster unreachable. The cache goes on
    /// trying.
    pub connect_deadline: Duration,
    /// How many objects a change stream names before it says only that it lagged.
    pub pending_changes: usize,
}

impl Default for CacheOptions {
    fn default() -> Self {
        // High traffic, no desired state: as Argo CD's defaults
        // (https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#resource-exclusioninclusion).
        let kinds = [
            ("", "Event"),
            ("", "Endpoints"),
            ("discovery.k8s.io", "EndpointSlice"),
            ("coordination.k8s.io", "Lease"),
            ("coordination.k8s.io", "LeaseCandidate"),
        ];
        let groups = ["events.k8s.io", "metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"];
        let reviews = ["authentication.k8s.io", "authorization.k8s.io"];
        Self {
            excluded_groups: groups.iter().chain(&reviews).map(|group| Arc::from(*group)).collect(),
            excluded_kinds: kinds.iter().map(|(group, kind)| GroupKind::new(*group, *kind)).collect(),
            retain: Arc::new(TopLevel),
            health: None,
            clock: Arc::new(Timestamp::now),
            page_size: 500,
            concurrent_lists: 16,
            request_timeout: Duration::from_secs(60),
            connect_deadline: Duration::from_secs(30),
            pending_changes: 10_000,
        }
    }
}

impl CacheOptions {
    /// Judges the objects of which only an index node is kept.
    #[must_use]
    pub fn health(mut self, assessor: Arc<dyn HealthAssessor>) -> Self {
        self.health = Some(assessor);
        self
    }

    /// Decides how much of each object is kept.
    #[must_use]
    pub fn retain(mut self, retain: impl Retain + 'static) -> Self {
        self.retain = Arc::new(retain);
        self
    }

    /// Does not watch a kind.
    #[must_use]
    pub fn exclude_kind(mut self, group: &str, kind: &str) -> Self {
        self.excluded_kinds.insert(GroupKind::new(group, kind));
        self
    }

    /// Does not watch the kinds of a group.
    #[must_use]
    pub fn exclude_group(mut self, group: &str) -> Self {
        self.excluded_groups.insert(group.into());
        self
    }

    /// Watches a kind that the defaults exclude, such as `Endpoints`.
    #[must_use]
    pub fn include_kind(mut self, group: &str, kind: &str) -> Self {
        self.excluded_kinds.remove(&GroupKind::new(group, kind));
        self.excluded_groups.remove(group);
        self
    }

    /// Sets the clock that health is judged by.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets after how long a cluster counts as unreachable.
    #[must_use]
    pub fn connect_deadline(mut self, deadline: Duration) -> Self {
        self.connect_deadline = deadline;
        self
    }

    pub(crate) fn is_excluded(&self, kind: &GroupKind) -> bool {
        self.excluded_kinds.contains(kind) || self.excluded_groups.contains(&kind.group)
    }
}

impl fmt::Debug for CacheOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheOptions")
            .field("excluded_groups", &self.excluded_groups)
            .field("excluded_kinds", &self.excluded_kinds)
            .field("page_size", &self.page_size)
            .field("concurrent_lists", &self.concurrent_lists)
            .field("request_timeout", &self.request_timeout)
            .field("connect_deadline", &self.connect_deadline)
            .field("pending_changes", &self.pending_changes)
            .finish_non_exhaustive()
    }
}

//! The third job: a picture of the cluster. Actual state, immutable, and honest about its holes.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::Stream;

use crate::{Capabilities, GroupKind, Health, Manifest, ObjectId, OwnerReference, ResourceType, Result, Scope, Uid};

/// How much of a kind a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coverage {
    /// All objects, as of the snapshot.
    Complete,
    /// The first list is still under way: an object that is not here may well exist.
    Syncing,
    /// The list or watch fails; what was known before is kept. An object that is not here may well exist.
    Broken(Arc<str>),
    /// We may not list this kind.
    Forbidden(Arc<str>),
    /// The kind has no list and watch (reviews, bindings), or the embedder excluded it.
    NotWatched,
}

impl Coverage {
    /// Whether the absence of an object in the snapshot proves that it does not exist.
    pub fn proves_absence(&self) -> bool {
        matches!(self, Self::Complete)
    }
}

/// What is known about a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KindState {
    /// The cluster serves it.
    Served {
        /// The version to use: the preferred one, for a request without a version of its own.
        preferred: Arc<ResourceType>,
        /// All served versions, best first, the preferred one among them.
        versions: Vec<Arc<ResourceType>>,
        /// How much of it the snapshot holds.
        coverage: Coverage,
    },
    /// The cluster does not serve it: discovery was complete for its group and did not name it.
    NotServed,
    /// It cannot be told, for this reason: discovery of its group failed.
    Undetermined(Arc<str>),
}

impl KindState {
    /// A kind that is served in one version and completely listed.
    pub fn served(resource: ResourceType) -> Self {
        let resource = Arc::new(resource);
        Self::Served { preferred: resource.clone(), versions: vec![resource], coverage: Coverage::Complete }
    }

    /// The same kind with another coverage.
    #[must_use]
    pub fn covered(mut self, with: Coverage) -> Self {
        if let Self::Served { coverage, .. } = &mut self {
            *coverage = with;
        }
        self
    }

    /// The served resource with this version (`v1`), if any.
    pub fn version(&self, version: &str) -> Option<&Arc<ResourceType>> {
        match self {
            Self::Served { versions, .. } => versions.iter().find(|resource| &*resource.version == version),
            _ => None,
        }
    }

    /// The scope, if the kind is served.
    pub fn scope(&self) -> Option<Scope> {
        match self {
            Self::Served { preferred, .. } => Some(preferred.scope),
            _ => None,
        }
    }
}

/// One object of the cluster, as far as the cache keeps it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LiveObject {
    /// Its identity.
    pub id: ObjectId,
    /// Its uid.
    pub uid: Uid,
    /// Its `metadata.resourceVersion`; see [`LiveObject::version_number`].
    pub resource_version: Arc<str>,
    /// Its owners: `metadata.ownerReferences`, and those that the cache infers.
    pub owners: Vec<OwnerReference>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its health, where it was judged on arrival.
    pub health: Option<Health>,
    /// The whole object; `None` where the cache keeps an index node only.
    pub manifest: Option<Manifest>,
}

impl LiveObject {
    /// A live object from a manifest as the API server returned it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it has no uid or no resourceVersion.
    pub fn from_manifest(manifest: Manifest) -> Result<Self> {
        let missing = |field: &str| {
            crate::Error::new(crate::ErrorKind::InvalidInput, format!("a live object has no metadata.{field}"))
                .object(manifest.id().clone())
        };
        Ok(Self {
            id: manifest.id().clone(),
            uid: manifest.uid().ok_or_else(|| missing("uid"))?,
            resource_version: manifest.resource_version().ok_or_else(|| missing("resourceVersion"))?.into(),
            owners: manifest.owners(),
            deleting: manifest.is_deleting(),
            health: None,
            manifest: Some(manifest),
        })
    }

    /// The resource version as a number, to ask "is this at least as new as that?".
    ///
    /// Kubernetes promises since 1.35 that resource versions of one resource type are
    /// [comparable as integers](https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions);
    /// they always were with etcd. `None` for a server that breaks this.
    pub fn version_number(&self) -> Option<u64> {
        self.resource_version.parse().ok()
    }
}

/// An immutable picture of a cluster.
///
/// # Contract
/// - It never changes; it is cheap to hold for as long as one likes.
/// - Reading takes no lock that a writer could hold, and does no I/O.
/// - It says how complete it is: absence is a proof only where [`Coverage::proves_absence`].
pub trait Snapshot: Send + Sync {
    /// Grows with each change of the cache that made it.
    fn generation(&self) -> u64;

    /// What the API server is, for generators.
    fn capabilities(&self) -> Capabilities;

    /// What is known about a kind.
    fn kind(&self, kind: &GroupKind) -> KindState;

    /// An object.
    fn get(&self, id: &ObjectId) -> Option<Arc<LiveObject>>;

    /// The objects that name this one as an owner, sorted by identity.
    fn children(&self, owner: &Uid) -> Vec<Arc<LiveObject>>;

    /// The objects in a namespace (all namespaced kinds), sorted by identity.
    fn in_namespace(&self, namespace: &str) -> Vec<Arc<LiveObject>>;

    /// All kinds that are not [`Coverage::Complete`], and groups that could not be discovered, with the reason, sorted.
    fn holes(&self) -> Vec<(String, Coverage)>;
}

/// What changed since the last batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangeBatch {
    /// The generation of the first snapshot that holds all of it.
    pub generation: u64,
    /// The objects that were added, changed or removed, without duplicates, sorted.
    pub objects: Vec<ObjectId>,
    /// Whether the set of served kinds, or how complete one is, changed.
    pub kinds: bool,
    /// Whether the receiver was too slow and batches were merged without naming their objects: look at everything.
    pub lagged: bool,
}

impl ChangeBatch {
    /// A batch that names its objects.
    pub fn new(generation: u64, objects: Vec<ObjectId>) -> Self {
        Self { generation, objects, kinds: false, lagged: false }
    }
}

/// A stream of changes. It ends when the cache stops.
pub type ChangeStream = Pin<Box<dyn Stream<Item = ChangeBatch> + Send>>;

/// A cache of a cluster that keeps itself fresh.
///
/// # Contract
/// - `snapshot` is cheap and never waits.
/// - A change that is announced is in every snapshot taken afterwards.
/// - A kind that fails or is forbidden does not hide the others.
#[async_trait]
pub trait ClusterCache: Send + Sync {
    /// Waits until every listable kind has been listed once or is known to be broken or forbidden.
    ///
    /// # Errors
    /// When the cluster cannot be reached at all.
    async fn ready(&self) -> Result<()>;

    /// The present picture.
    fn snapshot(&self) -> Arc<dyn Snapshot>;

    /// Changes from now on.
    fn changes(&self) -> ChangeStream;
}

/// A snapshot in memory: for tests, and for planning against a cluster that is known from a dump.
#[derive(Clone, Debug, Default)]
pub struct MemorySnapshot {
    generation: u64,
    kinds: BTreeMap<GroupKind, KindState>,
    objects: BTreeMap<ObjectId, Arc<LiveObject>>,
}

impl MemorySnapshot {
    /// An empty cluster that serves nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves a kind, completely listed.
    #[must_use]
    pub fn serve(self, resource: ResourceType) -> Self {
        let kind = resource.kind.clone();
        self.kind_state(kind, KindState::served(resource))
    }

    /// Sets what is known about a kind.
    #[must_use]
    pub fn kind_state(mut self, kind: GroupKind, state: KindState) -> Self {
        self.kinds.insert(kind, state);
        self
    }

    /// Adds or replaces an object.
    #[must_use]
    pub fn object(mut self, object: LiveObject) -> Self {
        self.generation += 1;
        self.objects.insert(object.id.clone(), Arc::new(object));
        self
    }

    /// Removes an object.
    #[must_use]
    pub fn without(mut self, id: &ObjectId) -> Self {
        self.generation += 1;
        self.objects.remove(id);
        self
    }
}

impl Snapshot for MemorySnapshot {
    fn generation(&self) -> u64 {
        self.generation
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn kind(&self, kind: &GroupKind) -> KindState {
        self.kinds.get(kind).cloned().unwrap_or(KindState::NotServed)
    }

    fn get(&self, id: &ObjectId) -> Option<Arc<LiveObject>> {
        self.objects.get(id).cloned()
    }

    fn children(&self, owner: &Uid) -> Vec<Arc<LiveObject>> {
        let owned = |object: &&Arc<LiveObject>| object.owners.iter().any(|reference| reference.uid == *owner);
        self.objects.values().filter(owned).cloned().collect()
    }

    fn in_namespace(&self, namespace: &str) -> Vec<Arc<LiveObject>> {
        self.objects.values().filter(|object| object.id.namespace.as_deref() == Some(namespace)).cloned().collect()
    }

    fn holes(&self) -> Vec<(String, Coverage)> {
        let hole = |(kind, state): (&GroupKind, &KindState)| match state {
            KindState::Served { coverage, .. } if *coverage != Coverage::Complete => {
                Some((kind.to_string(), coverage.clone()))
            }
            KindState::Undetermined(why) => Some((kind.to_string(), Coverage::Broken(why.clone()))),
            _ => None,
        };
        self.kinds.iter().filter_map(hole).collect()
    }
}

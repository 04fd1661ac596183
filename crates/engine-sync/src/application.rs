//! The unit that is reconciled, and the rules for it.

use std::collections::BTreeSet;
use std::time::Duration;

use gitops_engine_core::{ApplicationName, Conflicts, Digest, GroupKind, Propagation, RevisionSpec, TreePath};
use serde::{Deserialize, Serialize};

/// The annotation that the engine puts on every object that it applies: whose it is.
pub(crate) const APPLICATION: &str = "gitops-engine.dev/application";
/// The annotation that the engine puts on hooks: which operation they belong to.
pub(crate) const OPERATION: &str = "gitops-engine.dev/operation";

/// A directory of a state store that is brought about in a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Application {
    /// Its name, and the name of its inventory.
    pub name: ApplicationName,
    /// Which revision to follow.
    pub revision: RevisionSpec,
    /// Which directory of the tree.
    pub path: TreePath,
    /// The namespace of namespaced objects that name none. Without it such an object is an error.
    pub namespace: Option<String>,
    /// The rules.
    pub policy: Policy,
}

impl Application {
    /// An application that follows the default branch from the root of the tree, with the default policy.
    pub fn new(name: ApplicationName) -> Self {
        Self {
            name,
            revision: RevisionSpec::Default,
            path: TreePath::root(),
            namespace: None,
            policy: Policy::default(),
        }
    }

    /// Follows another revision.
    #[must_use]
    pub fn revision(mut self, revision: RevisionSpec) -> Self {
        self.revision = revision;
        self
    }

    /// Takes another directory.
    #[must_use]
    pub fn path(mut self, path: TreePath) -> Self {
        self.path = path;
        self
    }

    /// Sets the namespace of objects that name none.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets the rules.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }
}

/// Whether objects that are no longer declared are removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pruning {
    /// They are, within the [`Guards`].
    #[default]
    On,
    /// They stay, and stay in the inventory.
    Off,
}

/// When an object may be deleted and made anew, because the server proved that a field of it cannot be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Recreation {
    /// Never: the change is an error that names the field. The default.
    #[default]
    Never,
    /// Objects of these kinds may.
    Kinds(BTreeSet<GroupKind>),
}

/// What a plan must not do without approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Guards {
    /// Objects of these kinds are not removed: their content goes with them.
    pub protected_kinds: BTreeSet<GroupKind>,
    /// More removals than this part of the inventory (0 to 1) are refused, when they are more than
    /// [`Guards::small_prune`], too.
    pub largest_prune: f64,
    /// So many removals are never too many.
    pub small_prune: usize,
}

impl Default for Guards {
    /// Protects namespaces, CRDs and volumes; refuses to remove more than half of an application, unless it is three
    /// objects or fewer.
    fn default() -> Self {
        let protected = [
            ("", "Namespace"),
            ("", "PersistentVolume"),
            ("", "PersistentVolumeClaim"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ];
        Self {
            protected_kinds: protected.into_iter().map(|(group, kind)| GroupKind::new(group, kind)).collect(),
            largest_prune: 0.5,
            small_prune: 3,
        }
    }
}

/// The rules for an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Policy {
    /// Whether objects that are no longer declared are removed.
    pub pruning: Pruning,
    /// What happens to the objects that a removed object owns.
    pub propagation: Propagation,
    /// What needs approval.
    pub guards: Guards,
    /// Plans that a person approved, by [`Plan::digest`](crate::Plan::digest): their guards are open.
    pub approved: BTreeSet<Digest>,
    /// When an object may be deleted and made anew.
    pub recreation: Recreation,
    /// The name that owns the fields that we declare.
    pub field_manager: String,
    /// What happens when a field belongs to another manager.
    pub conflicts: Conflicts,
    /// How many writes are under way at a time.
    pub concurrency: usize,
    /// How often a write that the server could not take is tried again within one execution.
    pub retries: u32,
    /// How long an object may take to become healthy, or to go.
    pub patience: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            pruning: Pruning::On,
            propagation: Propagation::Foreground,
            guards: Guards::default(),
            approved: BTreeSet::new(),
            recreation: Recreation::Never,
            field_manager: "gitops-engine".into(),
            conflicts: Conflicts::Force,
            concurrency: 8,
            retries: 5,
            patience: Duration::from_secs(600),
        }
    }
}

//! Planning: what would be done, in which order, and why.

mod build;
mod classify;
mod digest;
mod graph;
mod guard;
mod hooks;
mod namespaces;
mod order;
mod prepare;
mod prune;
mod rank;
mod record;
mod show;

use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_engine_core::dialect::{HookDeletePolicy, Phase};
use gitops_engine_core::{
    ApiFault, ApplicationName, ApplyMode, DesiredState, Digest, FieldChange, Inventory, Manifest, ObjectId, Place,
    ResourceType, Revision, Snapshot, Timestamp, Uid,
};
use serde::{Deserialize, Serialize};

use crate::Application;

pub use build::{plan, questions};
pub(crate) use digest::storable_digest;
pub use graph::{Barrier, Cause, Edge, Needs, Node};
pub use guard::Guard;
pub(crate) use hooks::{key as hook_key, mark as hook_mark};
pub(crate) use prepare::effective_id;
pub use prepare::stamp;
pub(crate) use record::{announce, record};

/// All that a plan depends on. Nothing else is looked at: no clock, no cluster, no environment.
#[derive(Clone, Copy)]
pub struct PlanInput<'a> {
    /// Whose plan, and its rules.
    pub application: &'a Application,
    /// What the revision declares.
    pub desired: &'a DesiredState,
    /// What the cluster has.
    pub actual: &'a dyn Snapshot,
    /// What the application owns.
    pub inventory: &'a Inventory,
    /// What the server said to the [`questions`]; may be empty, then the planner compares by itself.
    pub predictions: &'a Predictions,
    /// What earlier passes found to be equal; may be empty, it only saves work.
    pub verdicts: &'a Verdicts,
    /// The present time. It names unnamed hooks of a new operation, and nothing else.
    pub now: Timestamp,
}

/// What the API server made of an apply in dry run.
#[derive(Clone, Debug)]
pub enum Prediction {
    /// It would be taken.
    Applied {
        /// The object as it would be, with `managedFields`.
        predicted: Manifest,
        /// The live object read anew with its `managedFields`, which tell who owns what; the cache does not keep them.
        live: Option<Manifest>,
    },
    /// It would be refused.
    Refused(ApiFault),
}

/// The predictions, by object.
pub type Predictions = BTreeMap<ObjectId, Prediction>;

/// What was found equal: the digest of the desired manifest, and the resource version of the live object.
pub type Verdicts = BTreeMap<ObjectId, Verdict>;

/// One finding of an earlier pass: at this resource version the object was as this manifest wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The desired manifest.
    pub desired: Digest,
    /// The live object's resource version.
    pub resource_version: Arc<str>,
}

/// A dry run that the planner would like to know the result of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Question {
    /// What is asked about.
    pub object: ObjectId,
    /// How it is served.
    pub resource: Arc<ResourceType>,
    /// What would be applied.
    pub manifest: Manifest,
    /// Always [`ApplyMode::DryRun`]: said here so that nobody has to remember it.
    pub mode: ApplyMode,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Action {
    /// It is not there and will be made.
    Create,
    /// It is there and its fields will be set.
    Update {
        /// What changes, secret values masked. May be empty for an adoption.
        changes: Vec<FieldChange>,
    },
    /// It is as it should be. The step only waits for its health.
    Unchanged,
    /// It will be deleted and made anew.
    Recreate {
        /// The very object that goes.
        uid: Uid,
        /// The fields that the server proved to be immutable; empty when it is being deleted already.
        immutable: Vec<String>,
    },
    /// The hook will run.
    Run {
        /// The object of an earlier run that is deleted first.
        replaces: Option<Uid>,
        /// When its object is deleted.
        delete: Vec<HookDeletePolicy>,
    },
    /// The hook has run in this operation, or is running since before a restart; the step only waits for it.
    Await {
        /// When its object is deleted.
        delete: Vec<HookDeletePolicy>,
        /// Whether it has come to a good end already.
        done: bool,
    },
    /// It is no longer declared and will be removed.
    Prune {
        /// The very object that goes.
        uid: Uid,
    },
    /// It is no longer declared and is being deleted already. The step only waits until it is gone.
    AwaitRemoval {
        /// The very object that goes.
        uid: Uid,
    },
    /// It is no longer declared, and stays.
    Keep,
    /// It is no longer declared, and there is nothing to remove: it leaves the inventory.
    Forget,
    /// It is declared, and not applied.
    Skip,
}

impl Action {
    /// Whether the step writes to the cluster.
    pub fn writes(&self) -> bool {
        matches!(
            self,
            Self::Create | Self::Update { .. } | Self::Recreate { .. } | Self::Run { .. } | Self::Prune { .. }
        )
    }

    /// Whether the step removes its object, or waits for its removal.
    pub fn removes(&self) -> bool {
        matches!(self, Self::Prune { .. } | Self::AwaitRemoval { .. })
    }

    /// Whether the step has no part in the execution.
    pub fn is_idle(&self) -> bool {
        matches!(self, Self::Keep | Self::Forget | Self::Skip)
    }

    /// The action in one word, for people.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update { .. } => "update",
            Self::Unchanged => "unchanged",
            Self::Recreate { .. } => "recreate",
            Self::Run { .. } => "run",
            Self::Await { .. } => "await",
            Self::Prune { .. } => "prune",
            Self::AwaitRemoval { .. } => "await",
            Self::Keep => "keep",
            Self::Forget => "forget",
            Self::Skip => "skip",
        }
    }
}

/// What happens to one object, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Step {
    /// Which object.
    pub object: ObjectId,
    /// How it is served.
    pub resource: Arc<ResourceType>,
    /// In which phase.
    pub phase: Phase,
    /// In which wave of the phase. Removals go from the highest wave to the lowest.
    pub wave: i32,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// Why.
    pub reason: String,
    /// Where it is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The digest of the declared manifest; `None` for a Secret, since its digest would allow guessing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Digest>,
}

/// The steps of one wave: a view of the graph for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wave {
    /// In which phase.
    pub phase: Phase,
    /// Which wave.
    pub wave: i32,
    /// Whether it removes.
    pub prunes: bool,
    /// The steps, as indexes into [`Plan::steps`].
    pub steps: Vec<usize>,
}

/// What would be done, in which order, and why. A value: the same inputs in any order give the same bytes.
///
/// A plan holds no manifests, and no secret value in any form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Plan {
    /// Whose plan.
    pub application: ApplicationName,
    /// Which revision it brings about.
    pub revision: Revision,
    /// When its operation began: now, or before the restart that it goes on after. Set when the plan has hooks to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Timestamp>,
    /// What happens to each object, in a total order that respects every edge.
    pub steps: Vec<Step>,
    /// Points that a whole wave reaches before the next one starts.
    pub barriers: Vec<Barrier>,
    /// What waits for what, and why.
    pub edges: Vec<Edge>,
    /// The waves, in order.
    pub waves: Vec<Wave>,
    /// What needs approval before anything is written.
    pub guards: Vec<Guard>,
    /// What the authors of the manifests should know: annotations without effect, moved waves.
    pub notices: Vec<String>,
    /// Digest of the hooks of the desired state: they run again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Digest>,
    /// Whether there is something to do although no step writes: the inventory does not know an object that was found
    /// equal, or lists one that is going or gone.
    pub refreshes_inventory: bool,
}

impl Plan {
    /// Whether there is nothing to do: no write to the cluster and none to the inventory.
    pub fn is_in_sync(&self) -> bool {
        !self.refreshes_inventory && self.writes() == 0
    }

    /// How many steps write to the cluster.
    pub fn writes(&self) -> usize {
        self.steps.iter().filter(|step| step.action.writes()).count()
    }

    /// What an approval names: the digest of the plan.
    ///
    /// The time of a new operation is left out, so that a plan made a minute later to the same effect is the same plan.
    pub fn digest(&self) -> Digest {
        let mut plan = self.clone();
        plan.operation = None;
        Digest::of_json(&plan)
    }

    /// The guards that stop this plan: none when it is approved.
    pub fn refusals<'a>(&'a self, application: &Application) -> &'a [Guard] {
        if self.guards.is_empty() || application.policy.approved.contains(&self.digest()) {
            return &[];
        }
        &self.guards
    }
}

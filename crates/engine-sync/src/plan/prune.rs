//! What is in the inventory and no longer declared.

use std::sync::Arc;

use gitops_engine_core::dialect::{Intent, Phase, PruneIntent};
use gitops_engine_core::{Coverage, GroupKind, InventoryEntry, KindState, LiveObject, ObjectId, ResourceType, Scope};

use super::prepare::Owned;
use super::{Action, PlanInput, Step};
use crate::Pruning;
use crate::application::APPLICATION;

/// The steps for what is no longer declared, and the removals that an annotation wants confirmed; both sorted by object.
pub(super) fn steps(input: &PlanInput<'_>, undeclared: Vec<Owned<'_>>) -> (Vec<Step>, Vec<(ObjectId, String)>) {
    let mut steps = Vec::new();
    let mut confirmations = Vec::new();
    for (id, entry) in undeclared {
        let state = input.actual.kind(&id.kind);
        let live = input.actual.get(id);
        let (action, reason) = decide(input, id, entry, &state, live.as_deref(), &mut confirmations);
        steps.push(Step {
            object: id.clone(),
            resource: resource(id, entry, &state),
            phase: Phase::Sync,
            wave: entry.wave,
            action,
            reason,
            place: None,
            desired: None,
        });
    }
    (steps, confirmations)
}

fn decide(
    input: &PlanInput<'_>,
    id: &ObjectId,
    entry: &InventoryEntry,
    state: &KindState,
    live: Option<&LiveObject>,
    confirmations: &mut Vec<(ObjectId, String)>,
) -> (Action, String) {
    let Some(live) = live else {
        return match state {
            KindState::NotServed => (Action::Forget, "the cluster does not know its kind any more".into()),
            KindState::Served { coverage: Coverage::Complete, .. } => {
                (Action::Forget, "it is no longer declared, and gone already".into())
            }
            _ => (Action::Keep, "it is no longer declared, but it cannot be told whether it exists".into()),
        };
    };
    if let Some(known) = &entry.uid
        && *known != live.uid
    {
        return (Action::Forget, "somebody else made a new object of this name: it is not ours".into());
    }
    if live.deleting {
        return (
            Action::AwaitRemoval { uid: live.uid.clone() },
            "it is no longer declared, and is being deleted already".into(),
        );
    }
    let marked = live
        .manifest
        .as_ref()
        .is_some_and(|manifest| manifest.annotation(APPLICATION) == Some(input.application.name.as_str()));
    if entry.uid.is_none() && !marked {
        return (Action::Forget, format!("it was announced but never written by us: it does not carry {APPLICATION}"));
    }
    if input.application.policy.pruning == Pruning::Off {
        return (Action::Keep, "it is no longer declared, and pruning is off".into());
    }
    if let Some(keep) = &entry.keep {
        return (Action::Keep, format!("it is no longer declared, and {keep} keeps it"));
    }
    if let Some(manifest) = &live.manifest {
        match Intent::read(manifest).prune {
            PruneIntent::Keep(keep) => {
                return (Action::Keep, format!("it is no longer declared, and {keep} keeps it"));
            }
            PruneIntent::Confirm(annotation) => confirmations.push((id.clone(), annotation)),
            PruneIntent::Allowed => {}
        }
    }
    (Action::Prune { uid: live.uid.clone() }, "it is no longer declared".into())
}

/// How to address an object that may not be served any more.
fn resource(id: &ObjectId, entry: &InventoryEntry, state: &KindState) -> Arc<ResourceType> {
    match state {
        KindState::Served { preferred, .. } => {
            state.version(&entry.version).cloned().unwrap_or_else(|| preferred.clone())
        }
        _ => Arc::new(ResourceType {
            kind: GroupKind::clone(&id.kind),
            version: entry.version.clone(),
            plural: "".into(),
            scope: if id.namespace.is_some() { Scope::Namespaced } else { Scope::Cluster },
        }),
    }
}

//! Hooks: objects that run in each sync instead of being kept in their state.

use std::collections::BTreeMap;

use gitops_engine_core::dialect::{HookDeletePolicy, Phase};
use gitops_engine_core::{Digest, Error, ErrorKind, LiveObject, ObjectId, Timestamp};

use super::classify::foreign_owner;
use super::digest::storable_digest;
use super::prepare::{Prepared, is_generated_name};
use super::{Action, PlanInput};
use crate::application::OPERATION;

/// When the operation began that this plan belongs to: the one in the inventory, if it is for the same revision.
pub(super) fn started(input: &PlanInput<'_>) -> Timestamp {
    match &input.inventory.operation {
        Some(operation) if operation.revision == input.desired.revision => operation.started,
        _ => input.now,
    }
}

/// The key of a hook in an operation's record.
pub(crate) fn key(phase: Phase, id: &ObjectId) -> String {
    format!("{phase} {id}")
}

/// The value of the annotation that ties a hook's object to one operation and phase.
pub(crate) fn mark(started: Timestamp, phase: Phase) -> String {
    format!("{started} {phase}")
}

/// The digest of all hooks; `None` where there is none. Unnamed hooks count by their prefix: their names change.
pub(super) fn digest(prepared: &[Prepared<'_>]) -> Option<Digest> {
    let hooks: BTreeMap<_, _> = prepared
        .iter()
        .filter(|object| object.is_hook() && object.intent.skip.is_none())
        .map(|object| {
            let manifest = &object.declared.manifest;
            let name = manifest.generate_name().unwrap_or(&object.id.name);
            (format!("{} {:?} {name}", object.id.kind, object.id.namespace), storable_digest(manifest))
        })
        .collect();
    (!hooks.is_empty()).then(|| Digest::of_json(&hooks))
}

/// Whether an object was made by an earlier run of a hook that is declared without a name: each run has a name of its
/// own, which is declared no longer when the run is over.
pub(super) fn is_former(object: &ObjectId, hooks: &[Prepared<'_>]) -> bool {
    hooks.iter().any(|hook| {
        hook.declared.id().name.is_empty()
            && (&hook.id.kind, &hook.id.namespace) == (&object.kind, &object.namespace)
            && is_generated_name(&hook.declared.manifest, &object.name)
    })
}

/// What a hook does in a phase of this operation.
pub(super) fn classify(
    input: &PlanInput<'_>,
    object: &Prepared<'_>,
    phase: Phase,
    started: Timestamp,
) -> Result<(Action, String), Error> {
    let delete: Vec<HookDeletePolicy> = object.intent.hook.as_ref().map(|hook| hook.delete.clone()).unwrap_or_default();
    let resumed = input.inventory.operation.as_ref().filter(|operation| operation.started == started);
    let record = resumed.and_then(|operation| operation.hooks.get(&key(phase, &object.id)));
    if let Some(record) = record
        && record.succeeded
        && Some(record.digest) == storable_digest(&object.declared.manifest)
    {
        return Ok((Action::Await { delete, done: true }, "the hook has run in this operation".into()));
    }
    let Some(live) = input.actual.get(&object.id) else {
        return Ok((Action::Run { replaces: None, delete }, "the hook runs in each sync".into()));
    };
    if let Some(owner) = live.manifest.as_ref().and_then(|manifest| foreign_owner(input, manifest)) {
        return Err(Error::new(ErrorKind::Conflict, format!("the hook's object belongs to the application {owner:?}"))
            .object(object.id.clone())
            .help("give the hook another name"));
    }
    if is_running(&live, &mark(started, phase)) {
        return Ok((Action::Await { delete, done: false }, "the hook was started before a restart".into()));
    }
    if delete.contains(&HookDeletePolicy::BeforeCreation) || live.deleting {
        let action = Action::Run { replaces: Some(live.uid.clone()), delete };
        return Ok((action, "the hook runs in each sync; its last object is deleted first".into()));
    }
    Ok((Action::Run { replaces: None, delete }, "the hook runs in each sync".into()))
}

fn is_running(live: &LiveObject, mark: &str) -> bool {
    !live.deleting && live.manifest.as_ref().is_some_and(|manifest| manifest.annotation(OPERATION) == Some(mark))
}

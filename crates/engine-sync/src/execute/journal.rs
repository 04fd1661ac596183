//! The inventory during an execution: written ahead, kept true, closed.

use std::collections::BTreeSet;

use gitops_engine_core::{Digest, EntryState, HookRecord, Inventory, Manifest, ObjectId, Operation, Revision, Uid};

use crate::Plan;
use crate::plan::{Action, Step, announce, hook_key, record};

/// The inventory as it should be stored, and as it is.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    working: Inventory,
    stored: Inventory,
}

impl Journal {
    pub(super) fn new(stored: Inventory) -> Self {
        Self { working: stored.clone(), stored }
    }

    /// Announces all that the plan may write. After this nothing that it writes can be untracked.
    pub(super) fn announce<'a>(&mut self, plan: &Plan, steps: impl Iterator<Item = (&'a Step, &'a Manifest)>) {
        for (step, desired) in steps {
            let fresh = match step.action {
                Action::Create | Action::Recreate { .. } | Action::Run { .. } => true,
                // An adoption: the entry must not name the uid of an object that is no longer there.
                Action::Update { .. } => !self.working.entries.contains_key(&step.object),
                _ => false,
            };
            let entry = self.working.entries.get(&step.object);
            if fresh && entry.is_none_or(|entry| entry.state == EntryState::Applied) {
                self.working.entries.insert(step.object.clone(), announce(desired));
            }
        }
        if let Some(started) = plan.operation
            && self.working.operation.as_ref().is_none_or(|operation| operation.started != started)
        {
            self.working.operation = Some(Operation::new(plan.revision.clone(), started));
        }
    }

    /// The server confirmed an apply.
    pub(super) fn applied(&mut self, object: &ObjectId, desired: &Manifest, live: &Manifest) {
        self.working.entries.insert(object.clone(), record(desired, live));
    }

    /// The object is gone, or was never ours.
    pub(super) fn forget(&mut self, object: &ObjectId) {
        self.working.entries.remove(object);
    }

    /// A hook has come to its end.
    pub(super) fn hook(&mut self, step: &Step, digest: Digest, succeeded: bool) {
        if let Some(operation) = &mut self.working.operation {
            operation.hooks.insert(hook_key(step.phase, &step.object), HookRecord::new(digest, succeeded));
        }
    }

    /// The uid that the inventory knows for an object.
    pub(super) fn uid(&self, object: &ObjectId) -> Option<&Uid> {
        self.working.entries.get(object)?.uid.as_ref()
    }

    /// The revision is brought about.
    pub(super) fn succeed(&mut self, revision: Revision, hooks: Option<Digest>) {
        self.working.revision = Some(revision);
        self.working.hooks = hooks;
        self.working.operation = None;
    }

    /// The operation failed: the next attempt is a new one, and runs the hooks again.
    pub(super) fn fail(&mut self) {
        self.working.hooks = None;
        self.working.operation = None;
    }

    /// What has to be stored, if it is not stored yet.
    pub(super) fn unsaved(&self) -> Option<Inventory> {
        (self.working != self.stored).then(|| self.working.clone())
    }

    pub(super) fn saved(&mut self, stored: Inventory) {
        self.stored = stored;
    }

    pub(super) fn stored(&self) -> &Inventory {
        &self.stored
    }

    /// The objects that are announced and not confirmed.
    pub(super) fn announced(&self) -> BTreeSet<&ObjectId> {
        let announced = self.working.entries.iter().filter(|(_, entry)| entry.state == EntryState::Announced);
        announced.map(|(id, _)| id).collect()
    }
}

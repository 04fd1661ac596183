//! What the engine tells while it works.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dialect::Phase;
use crate::{ApplicationName, Error, FieldPath, Health, ObjectId, Revision};

/// What a step does to an object, as people call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ActionKind {
    /// It is made.
    Create,
    /// Its fields are set.
    Update,
    /// It is deleted and made anew.
    Recreate,
    /// It is removed.
    Prune,
    /// A hook runs.
    Run,
}

/// One thing that happened. Serialises with its name in `event`, so a log of them is JSON lines.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Event {
    /// The state store named a revision that is not the one before.
    RevisionFound {
        /// Whose.
        application: ApplicationName,
        /// Which.
        revision: Revision,
    },
    /// A pass found nothing to do.
    InSync {
        /// Whose.
        application: ApplicationName,
        /// At which revision.
        revision: Revision,
    },
    /// The cluster differs from the desired state although the revision is the same.
    DriftFound {
        /// Whose.
        application: ApplicationName,
        /// Which object.
        object: ObjectId,
        /// Which fields; empty when the object is gone.
        fields: Vec<FieldPath>,
        /// Who owns these fields now, where known.
        managers: Vec<String>,
    },
    /// There is a plan, and it will be executed.
    Planned {
        /// Whose.
        application: ApplicationName,
        /// For which revision.
        revision: Revision,
        /// How many steps write something.
        writes: usize,
        /// How many objects stay as they are.
        unchanged: usize,
        /// How many waves there are.
        waves: usize,
    },
    /// A step began.
    StepStarted {
        /// Whose.
        application: ApplicationName,
        /// What it does.
        action: ActionKind,
        /// To which object.
        object: ObjectId,
        /// In which phase.
        phase: Phase,
        /// In which wave of the phase.
        wave: i32,
        /// Why.
        reason: String,
    },
    /// The server confirmed the write; the object may still have to become healthy.
    StepWritten {
        /// Whose.
        application: ApplicationName,
        /// What it did.
        action: ActionKind,
        /// To which object.
        object: ObjectId,
    },
    /// The health of an object of the plan changed.
    HealthChanged {
        /// Whose.
        application: ApplicationName,
        /// Which object.
        object: ObjectId,
        /// How it does.
        health: Health,
    },
    /// A step ended well: on fresh evidence.
    StepSucceeded {
        /// Whose.
        application: ApplicationName,
        /// What it did.
        action: ActionKind,
        /// To which object.
        object: ObjectId,
    },
    /// A step ended badly.
    StepFailed {
        /// Whose.
        application: ApplicationName,
        /// What it tried.
        action: ActionKind,
        /// On which object.
        object: ObjectId,
        /// What went wrong.
        error: Arc<Error>,
    },
    /// A step will be tried again.
    StepRetried {
        /// Whose.
        application: ApplicationName,
        /// On which object.
        object: ObjectId,
        /// What went wrong.
        message: String,
        /// In how many milliseconds.
        after_ms: u64,
    },
    /// A step was not started, since one that it depends on did not succeed.
    StepSkipped {
        /// Whose.
        application: ApplicationName,
        /// Which object.
        object: ObjectId,
        /// Why.
        reason: String,
    },
    /// The execution waits, for these objects.
    Waiting {
        /// Whose.
        application: ApplicationName,
        /// For which objects, and what each lacks.
        objects: Vec<(ObjectId, String)>,
    },
    /// The cluster is as the revision wants it.
    Synced {
        /// Whose.
        application: ApplicationName,
        /// At which revision.
        revision: Revision,
        /// How many writes it took.
        writes: usize,
    },
    /// A pass failed. Nothing was written when `writes` is 0.
    Failed {
        /// Whose.
        application: ApplicationName,
        /// At which revision, where one was found.
        revision: Option<Revision>,
        /// How many writes had been made.
        writes: usize,
        /// All that went wrong.
        errors: Vec<Arc<Error>>,
        /// When the next try begins, in milliseconds from now, if there is one.
        retry_ms: Option<u64>,
    },
    /// Something that a person should know, and that stops nothing.
    Warning {
        /// Whose.
        application: ApplicationName,
        /// What.
        warning: Arc<Error>,
    },
}

/// Receives events.
///
/// # Contract
/// `emit` returns at once: it is called between two steps of the executor. It is never called under a lock.
pub trait EventSink: Send + Sync {
    /// Takes an event.
    fn emit(&self, event: Event);
}

/// Drops all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn emit(&self, _event: Event) {}
}

impl<F: Fn(Event) + Send + Sync> EventSink for F {
    fn emit(&self, event: Event) {
        self(event);
    }
}

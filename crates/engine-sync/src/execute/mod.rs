//! Execution: a state machine without I/O, and an async driver around it.

mod driver;
mod journal;
mod machine;
mod node;

use std::sync::Arc;

use gitops_engine_core::{Error, Inventory, InventoryVersion, ObjectId};

pub use driver::{Clock, Driver, SystemClock};
pub use machine::{Command, Machine, Write};

use crate::plan::Verdicts;

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Every step succeeded, on fresh evidence.
    Synced,
    /// A step failed, and what depends on it was not started.
    Failed,
    /// It was cancelled; what was started is in the inventory.
    Cancelled,
}

/// What an execution did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// How many writes the server confirmed, the inventory's own not counted.
    pub writes: usize,
    /// What went wrong.
    pub errors: Vec<Arc<Error>>,
    /// What was not started, and why.
    pub skipped: Vec<(ObjectId, String)>,
    /// The inventory as it was last stored.
    pub inventory: Inventory,
    /// Its version.
    pub version: Option<InventoryVersion>,
    /// What was found equal on the way: the next plan need not look again.
    pub verdicts: Verdicts,
}

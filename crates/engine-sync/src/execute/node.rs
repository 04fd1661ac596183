//! How far one node of the graph has come.

use std::sync::Arc;

use gitops_engine_core::{Timestamp, Uid};

/// How far a step or barrier has come.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Something that it waits for has not happened yet.
    Blocked,
    /// It may start.
    Ready,
    /// A request is under way.
    InFlight,
    /// The server could not take the request; it is sent again at this time.
    BackOff(Timestamp),
    /// The object has to go before the step can go on.
    Going(Going),
    /// The write is confirmed; the object has to become healthy.
    Settling(Settling),
    /// Done.
    Done,
    /// Failed, or not started because something else failed.
    Failed,
}

impl State {
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// An object that is being deleted.
#[derive(Clone, Debug)]
pub(super) struct Going {
    pub(super) uid: Uid,
    pub(super) until: Timestamp,
}

/// An object that has to become healthy.
#[derive(Clone, Debug)]
pub(super) struct Settling {
    /// The object, where a write told us.
    pub(super) uid: Option<Uid>,
    /// Evidence must be at least as new as this resource version.
    pub(super) version: Option<Arc<str>>,
    pub(super) until: Timestamp,
    /// Whether a snapshot has shown it: if it is gone afterwards, it was deleted.
    pub(super) seen: bool,
    /// What it lacks, in the words of its health.
    pub(super) lacks: String,
}

/// A step's history within one execution.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// How many of the edges into it are not satisfied.
    pub(super) missing: usize,
    /// Whether its start was told.
    pub(super) started: bool,
    pub(super) attempts: u32,
    /// Whether the object that stood in the way is gone.
    pub(super) cleared: bool,
    /// The uid of the object that the step wrote, or found.
    pub(super) uid: Option<Uid>,
}

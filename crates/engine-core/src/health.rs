//! Health: how well an object does, judged from its own fields.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Manifest, Timestamp};

/// How well an object does, best first. The codes are
/// [Argo CD's](https://argo-cd.readthedocs.io/en/stable/operator-manual/health/).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HealthStatus {
    /// It does what it should.
    Healthy,
    /// It is paused on purpose.
    Suspended,
    /// It is on its way.
    Progressing,
    /// It should be there and is not.
    Missing,
    /// It failed, or did not get there in time.
    Degraded,
    /// It cannot be judged.
    Unknown,
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A judgement and its reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Health {
    /// The judgement.
    pub status: HealthStatus,
    /// Why, for people; empty where the status says it all.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub message: Cow<'static, str>,
}

impl Health {
    /// A judgement with its reason.
    pub fn new(status: HealthStatus, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }
}

impl From<HealthStatus> for Health {
    fn from(status: HealthStatus) -> Self {
        Self::new(status, "")
    }
}

/// Judges the health of one object.
///
/// # Contract
/// A pure function of its arguments: no I/O, no clock of its own, never a panic whatever the object holds.
pub trait HealthAssessor: Send + Sync {
    /// The health of an object at a time, or `None` for a kind that has no health of its own (a ConfigMap), which
    /// counts as done as soon as it is there.
    fn assess(&self, object: &Manifest, now: Timestamp) -> Option<Health>;
}

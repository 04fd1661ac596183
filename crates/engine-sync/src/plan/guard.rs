//! Guards: what a plan must not do without approval.

use std::fmt;

use gitops_engine_core::{Error, ErrorKind, ObjectId};
use serde::{Deserialize, Serialize};

use super::{Action, Step};
use crate::{Application, Plan};

/// Something in a plan that may destroy what nobody can bring back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "guard", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Guard {
    /// The desired state is empty and the inventory is not: most often a wrong path or a broken template.
    EmptyRender {
        /// How many objects would be removed.
        removals: usize,
    },
    /// Too large a part of the application would be removed.
    MassPrune {
        /// How many objects would be removed.
        removals: usize,
        /// How many objects the application has.
        objects: usize,
    },
    /// An object of a protected kind would be removed.
    ProtectedKind {
        /// Which one.
        object: ObjectId,
    },
    /// An annotation asks for approval of this removal.
    Confirm {
        /// Of which object.
        object: ObjectId,
        /// The annotation.
        annotation: String,
    },
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyRender { removals } => {
                write!(f, "the desired state is empty: all {removals} objects of the application would be removed")
            }
            Self::MassPrune { removals, objects } => {
                write!(f, "{removals} of {objects} objects of the application would be removed")
            }
            Self::ProtectedKind { object } => {
                write!(f, "{object} would be removed, and what it holds with it")
            }
            Self::Confirm { object, annotation } => {
                write!(f, "{object} would be removed, and {annotation} asks for approval")
            }
        }
    }
}

impl Guard {
    /// The guard as an error that says how to go on.
    pub fn refusal(&self, plan: &Plan) -> Error {
        let help = match self {
            Self::EmptyRender { .. } => "check the path and the revision",
            Self::MassPrune { .. } => "check the path and the revision, or raise `guards.largestPrune`",
            Self::ProtectedKind { .. } => "keep it in Git, or take its kind out of `guards.protectedKinds`",
            Self::Confirm { .. } => "keep it in Git",
        };
        let error = Error::new(ErrorKind::Refused, format!("{self}; nothing was written"))
            .help(format!("{help}; or approve this plan: {}", plan.digest()));
        match self {
            Self::ProtectedKind { object } | Self::Confirm { object, .. } => error.object(object.clone()),
            _ => error,
        }
    }
}

/// The guards that a set of steps runs into, sorted. `confirmations` are sorted by object.
pub(super) fn find(
    application: &Application,
    steps: &[Step],
    declared: usize,
    owned: usize,
    confirmations: Vec<(ObjectId, String)>,
) -> Vec<Guard> {
    let rules = &application.policy.guards;
    let removed: Vec<_> = steps.iter().filter(|step| matches!(step.action, Action::Prune { .. })).collect();
    let removals = removed.len();
    let mut guards = Vec::new();
    #[expect(clippy::cast_precision_loss, reason = "numbers of objects are far below 2^52")]
    let part = removals as f64 / owned.max(1) as f64;
    if removals > 0 && declared == 0 {
        guards.push(Guard::EmptyRender { removals });
    } else if removals > rules.small_prune && part > rules.largest_prune {
        guards.push(Guard::MassPrune { removals, objects: owned });
    }
    for step in removed {
        let object = &step.object;
        if rules.protected_kinds.contains(&object.kind) {
            guards.push(Guard::ProtectedKind { object: object.clone() });
        }
        if let Ok((_, annotation)) =
            confirmations.binary_search_by(|(confirmed, _)| confirmed.cmp(object)).map(|at| &confirmations[at])
        {
            guards.push(Guard::Confirm { object: object.clone(), annotation: annotation.clone() });
        }
    }
    guards
}

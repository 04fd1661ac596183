//! Plan, execute, reconcile.
//!
//! Three phases that never mix:
//!
//! - [`plan`](plan()) is a pure function: desired state, snapshot, inventory, predictions, policy and a time give a
//!   [`Plan`], a value that can be printed, compared, stored, signed and approved. Nothing in it is secret.
//! - [`execute`] brings a plan about: a state machine without I/O ([`Machine`]) and a small async [`Driver`] around it,
//!   which writes only what the plan lists.
//! - [`reconcile`] observes, plans and executes, again and again.

pub mod execute;
pub mod plan;
pub mod reconcile;

mod application;
mod inventory;

pub use application::{Application, Guards, Policy, Pruning, Recreation};
pub use execute::{Driver, Machine, Outcome, Report};
pub use inventory::ClusterInventory;
pub use plan::{Action, Plan, PlanInput, Prediction, Predictions, Question, Step, plan, questions};
pub use reconcile::{Pass, Reconciler, ReconcilerParts, Schedule};

//! Plan, execute, reconcile.
//!
//! Three phases that never mix:
//!
//! - [`plan`](plan()) is a pure function: desired state, snapshot, inventory, predictions, policy and a time give a
//!   [`Plan`], a value that can be printed, compared, stored, signed and approved. Nothing in it is secret.
//! - [`execute`] brings a plan about: a state machine without I/O ([`Machine`]) and a small async [`Driver`] around it,
//!   which writes only what the plan lists.
//! - [`reconcile`] observes, plans and executes, again and again.
//!
//! Planning needs no cluster, no runtime and no clock:
//!
//! ```
//! use gitops_engine_core::*;
//! use gitops_engine_sync::plan::Verdicts;
//! use gitops_engine_sync::{Application, PlanInput, Predictions, plan};
//!
//! let settings = br#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}"#;
//! let settings = Manifest::from_json(settings, ManagedFields::Drop)?;
//! let place = Place::line(TreePath::parse("shop/settings.yaml")?, 1);
//! let desired = DesiredState::new(Revision::new("8d3f0c1"), vec![Declared::new(settings, place)]);
//!
//! let served = |kind, plural, scope| ResourceType {
//!     kind: GroupKind::new("", kind),
//!     version: "v1".into(),
//!     plural,
//!     scope,
//! };
//! let default = br#"{"apiVersion": "v1", "kind": "Namespace",
//!     "metadata": {"name": "default", "uid": "1", "resourceVersion": "1"}}"#;
//! let cluster = MemorySnapshot::new()
//!     .serve(served("Namespace", "namespaces".into(), Scope::Cluster))
//!     .serve(served("ConfigMap", "configmaps".into(), Scope::Namespaced))
//!     .object(LiveObject::from_manifest(Manifest::from_json(default, ManagedFields::Drop)?)?);
//!
//! let application = Application::new(ApplicationName::parse("shop")?).namespace("default");
//! let plan = plan(&PlanInput {
//!     application: &application,
//!     desired: &desired,
//!     actual: &cluster,
//!     inventory: &Inventory::new(application.name.clone()),
//!     predictions: &Predictions::new(),
//!     verdicts: &Verdicts::new(),
//!     now: Timestamp::UNIX_EPOCH,
//! })?;
//! assert_eq!(plan.writes(), 1);
//! assert_eq!(
//!     plan.to_string(),
//!     "plan for shop at 8d3f0c1\n  Sync wave 0\n    create    ConfigMap default/settings: it is declared and not there\n  \
//!      1 to write, 0 unchanged\n"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

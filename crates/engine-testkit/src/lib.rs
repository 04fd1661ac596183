//! An in-process Kubernetes API, simulated controllers, a clock and faults, to test controllers and GitOps tools with.
//!
//! A [`Cluster`] is an API server that a `kube::Client` cannot tell from a real one: discovery, lists with pages, watches,
//! the four kinds of patches with server-side apply, dry runs, finalizers, garbage collection, CRDs. Simulated
//! controllers bring Deployments, StatefulSets, Jobs, Pods and the like to their states on tokio's clock. Everything
//! that looks random comes from one seed, so that a run can be repeated. Faults are injected by rule.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use gitops_engine_testkit::{Cluster, Fault, Injection, Requests};
//! use k8s_openapi::api::core::v1::Namespace;
//! use kube::Api;
//!
//! let cluster = Cluster::builder().build();
//! let namespaces: Api<Namespace> = Api::all(cluster.client());
//!
//! // The next read fails; the one after it does not.
//! cluster.inject(Injection::new(Requests::any().verbs(["get"]), Fault::InternalError).times(1));
//! assert!(namespaces.get("default").await.is_err());
//! assert!(namespaces.get("default").await.is_ok());
//! assert_eq!(cluster.request_count(), 2);
//! # Ok(())
//! # }
//! ```

mod access;
mod admission;
mod clock;
mod cluster;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "control-plane")]
pub mod control_plane;
mod controllers;
mod crd;
mod discovery;
mod fault;
mod http;
mod json;
mod openapi;
mod record;
mod resources;
mod seed;
mod state;
mod status;
mod store;
mod table;
mod webhook;
mod write;

pub use crate::{
    access::{Access, Rule, User},
    cluster::{Builder, Cluster, LoadError, Refused},
    controllers::script,
    fault::{Chaos, ClockJump, ConcurrentWrite, Fault, Injection, Requests, WatchEnd},
    http::Server,
    record::{Counters, RequestRecord, Traffic},
    webhook::{AdmissionAnswer, AdmissionRequest, Webhook},
};

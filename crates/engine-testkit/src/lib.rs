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
//!
//! # Trouble
//!
//! Every rule chooses its requests with [`Requests`]: by verb, resource, kind, namespace, name, user, program, field
//! manager. Then:
//!
//! - [`Cluster::inject`] adds an [`Injection`]: one [`Fault`] for such requests, for some of them by number, by chance or by
//!   time. Refusals, lost answers, latency, watches that end or fall silent, stale reads, concurrent writers, clock jumps.
//! - [`Cluster::inject_all`] takes a [`Chaos`]: a mixture that a seed decides, for simulations.
//! - [`Cluster::add_webhook`] adds a [`Webhook`] that rewrites, refuses, warns, fails or takes too long.
//! - [`Cluster::set_access`] says what a user may do; with [`Cluster::enforce_rbac`] the Roles and bindings of the cluster
//!   decide.
//! - [`Cluster::break_group`], [`Cluster::drop_watches`], [`Cluster::force_compaction`], [`Cluster::jump_clock`] act at once.
//!
//! Closures of a test run outside the cluster's lock and may ask the cluster.
//!
//! # The same run twice
//!
//! The request log ([`Cluster::request_log`]) and the state ([`Cluster::dump_yaml`]) of two runs with one
//! [seed](Builder::seed) are the same, byte for byte, when nothing else is a source of chance:
//!
//! - a runtime of one thread with a paused clock: `#[tokio::test(start_paused = true)]`, or
//!   `Builder::new_current_thread().enable_time().start_paused(true)`. Time then passes only when every task waits.
//! - clients from [`Cluster::client`] and [`Cluster::client_as`]. A socket ([`Cluster::serve`]) and any other I/O or thread
//!   is faster or slower from run to run. Work in `spawn_blocking` keeps the paused clock from advancing, but when it ends
//!   is chance.
//! - no chance in the program under test: `tokio::select!` with `biased`, no iteration over a `HashMap` with random keys
//!   that decides what is asked first, no jitter and no wall clock but one that follows tokio's. (The back-offs of
//!   `kube::runtime` have jitter.)
//! - the same versions of everything: the log has the `User-Agent` of clients, and the lengths of what they send.

mod access;
mod admission;
mod aggregation;
mod cel;
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
mod json_text;
mod literal;
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

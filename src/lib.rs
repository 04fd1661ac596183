//! The GitOps engine as a library.
//!
//! In 2019 the two largest GitOps projects announced one shared engine with five jobs: access to Git repositories, a
//! cache of Kubernetes resources, manifest generation, reconciliation, and sync planning. Here they are, as crates that
//! other tools embed. This one joins them: [`Engine`] is the whole, and every part of it can be replaced behind its
//! trait.
//!
//! ```no_run
//! use gitops_engine::{Application, ApplicationName, Connection, Engine, TreePath, git::GitOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::builder()
//!     .repository("https://github.com/argoproj/argocd-example-apps")
//!     .git(GitOptions::new().cache_dir("/var/cache/git"))
//!     .connection(Connection::infer().await?)
//!     .start()?;
//! let application = Application::new(ApplicationName::parse("guestbook")?)
//!     .path(TreePath::parse("guestbook")?)
//!     .namespace("default");
//!
//! println!("{}", engine.plan(&application).await?); // what would be done, and why
//! engine.run(vec![application], std::future::pending()).await; // … and now for ever
//! # Ok(())
//! # }
//! ```
//!
//! # The parts
//!
//! | module | job | replace it with |
//! |---|---|---|
//! | [`core`] | the vocabulary and the traits | |
//! | [`git`] | Git repositories, read without a checkout | [`StateStore`] |
//! | [`manifest`] | from files to objects | [`Generator`] |
//! | [`cache`] | a watch-fed picture of the cluster, and the writes to it | [`ClusterCache`], [`Cluster`] |
//! | [`health`] | the health of an object | [`HealthAssessor`] |
//! | [`diff`] | what changed, and who did it | |
//! | [`sync`] | plan, execute, reconcile | [`InventoryStore`] |
//!
//! # What an embedder owes
//!
//! - a tokio runtime with time enabled;
//! - a version of the Kubernetes types: the default feature `kubernetes-v1_33` picks the oldest one; with
//!   `default-features = false` choose another in your own `Cargo.toml`
//!   (`k8s-openapi = { version = "0.29", features = ["v1_36"] }`).
//!
//! The engine starts no process and opens no socket beyond those to the state store and to the API server.

pub use gitops_engine_cache as cache;
pub use gitops_engine_core as core;
pub use gitops_engine_diff as diff;
pub use gitops_engine_git as git;
pub use gitops_engine_health as health;
pub use gitops_engine_manifest as manifest;
pub use gitops_engine_sync as sync;

mod engine;
mod status;

pub use engine::{Engine, EngineBuilder};
pub use gitops_engine_cache::Connection;
pub use gitops_engine_core::{
    ApplicationName, Cluster, ClusterCache, Error, ErrorKind, Event, EventSink, Generator, HealthAssessor,
    HealthStatus, InventoryStore, Problems, Revision, RevisionSpec, StateStore, TreePath,
};
pub use gitops_engine_sync::{Application, Pass, Plan, Policy, Schedule};
pub use status::{ObjectHealth, health_tree};

/// The examples of the book and their imports, compiled and run with the documentation tests.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../docs/src/getting-started.md")]
    mod getting_started {}
    #[doc = include_str!("../docs/src/manifests.md")]
    mod manifests {}
    #[doc = include_str!("../docs/src/testing.md")]
    mod testing {}
    #[doc = include_str!("../docs/src/controllers.md")]
    mod controllers {}
}

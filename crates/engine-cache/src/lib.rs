//! The watch-fed picture of a cluster: discovery, snapshots, ownership, change stream; and the requests that change it.
//!
//! [`Cache`] lists and watches every kind that a cluster serves and holds it as one immutable
//! [`Snapshot`](gitops_engine_core::Snapshot) after the other. [`KubeCluster`] makes the few requests that change a
//! cluster. Both stand on a [`Connection`], the one place of the engine with a [`kube::Client`] in its signature.
//!
//! ```no_run
//! use gitops_engine_cache::{Cache, CacheOptions, Connection};
//! use gitops_engine_core::{ClusterCache, ObjectId};
//!
//! # async fn run() -> gitops_engine_core::Result<()> {
//! let connection = Connection::infer().await?;
//! let cache = Cache::start(connection, CacheOptions::default());
//! cache.ready().await?;
//! let snapshot = cache.snapshot();
//! let web = snapshot.get(&ObjectId::namespaced("apps", "Deployment", "shop", "web"));
//! for pod in web.iter().flat_map(|web| snapshot.children(&web.uid)) {
//!     println!("{}", pod.id);
//! }
//! # Ok(())
//! # }
//! ```

mod backoff;
mod cache;
mod changes;
mod connection;
mod definitions;
mod discovery;
mod fault;
mod index;
mod infer;
mod options;
mod request;
mod supervisor;
mod watch;
mod writer;

pub use cache::Cache;
pub use connection::Connection;
pub use kube::Client;
pub use options::{CacheOptions, Retain, Retention, TopLevel};
pub use writer::KubeCluster;

//! The watch-fed picture of a cluster: discovery, snapshots, ownership, change stream.

mod connection;
mod fault;
#[allow(dead_code, reason = "the watch, which comes next, opens streams")]
mod request;
mod writer;

pub use connection::Connection;
pub use kube::Client;
pub use writer::KubeCluster;

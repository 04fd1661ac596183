//! An in-process Kubernetes API, simulated controllers, a clock and faults, to test controllers and GitOps tools with.

#[cfg(feature = "control-plane")]
pub mod control_plane;

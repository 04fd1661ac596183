//! How a single Pod behaves, against the habit of the cluster: an annotation or a label on the Pod or its template.
//!
//! ```yaml
//! template:
//!   metadata:
//!     annotations:
//!       testkit.gitops-engine.dev/pod: never-ready
//! ```

/// The key of the annotation or label.
pub const POD: &str = "testkit.gitops-engine.dev/pod";
/// Runs, and never gets ready.
pub const NEVER_READY: &str = "never-ready";
/// Ends with exit code 1; where Pods are restarted, again and again.
pub const FAILING: &str = "failing";
/// Is restarted again and again (`CrashLoopBackOff`).
pub const CRASH_LOOPING: &str = "crash-looping";
/// Takes twenty times as long as others to start.
pub const SLOW: &str = "slow";
/// Waits for an image that cannot be pulled (`ImagePullBackOff`).
pub const IMAGE_MISSING: &str = "image-missing";
/// Finds no node.
pub const UNSCHEDULABLE: &str = "unschedulable";
/// How long a slow Pod takes to start, and a failing one to fail: `500ms`, `10s`, `2m`. An annotation too.
pub const POD_DELAY: &str = "testkit.gitops-engine.dev/pod-delay";

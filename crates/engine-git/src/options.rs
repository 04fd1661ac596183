//! How a store behaves.

use std::path::PathBuf;
use std::time::Duration;

/// Options of a [`GitStore`](crate::GitStore).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GitOptions {
    pub(crate) cache_dir: Option<PathBuf>,
    pub(crate) deadline: Duration,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self { cache_dir: None, deadline: Duration::from_secs(5 * 60) }
    }
}

impl GitOptions {
    /// The default options: enough for local repositories.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long one operation may take in all, five minutes by default. Past it the operation is an error of kind
    /// [`Timeout`](gitops_engine_core::ErrorKind::Timeout), whatever the other side does.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

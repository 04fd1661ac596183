//! The first job: access to versioned, immutable desired state.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{CommitInfo, Result, Revision, RevisionSpec, Tree, TreePath};

/// What happened to a path between two revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PathChangeKind {
    /// It is there now and was not before.
    Added,
    /// Its content or its kind is another.
    Modified,
    /// It was there before and is not now.
    Removed,
}

/// A file that differs between two revisions. A renamed file is a removed one and an added one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PathChange {
    /// Which file.
    pub path: TreePath,
    /// What happened to it.
    pub kind: PathChangeKind,
}

/// A store of versioned, immutable desired state ([OpenGitOps principle 2](https://opengitops.dev/)).
///
/// # Contract
/// - A [`Revision`] is immutable: `tree` of the same revision gives the same files for ever, or an error.
/// - `resolve` asks the store (a remote, where there is one); all else works from what was fetched, and fetches what is missing.
/// - No method runs a hook, a script or a credential helper, or reads configuration of the user's account.
/// - Dropping a future stops its work and leaves the store usable. A server that stalls is an error
///   ([`Timeout`](crate::ErrorKind::Timeout)) after the implementation's deadline, never a hang.
/// - Errors are classified: [`NotFound`](crate::ErrorKind::NotFound) for an unknown revision or repository,
///   [`Unauthenticated`](crate::ErrorKind::Unauthenticated), [`PermissionDenied`](crate::ErrorKind::PermissionDenied),
///   [`Unavailable`](crate::ErrorKind::Unavailable), [`Timeout`](crate::ErrorKind::Timeout); and never show a credential.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// A name of the store for people and for events, such as a URL without credentials.
    fn name(&self) -> String;

    /// The revision that a spec names now.
    async fn resolve(&self, spec: &RevisionSpec) -> Result<Revision>;

    /// The files of a revision.
    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn Tree>>;

    /// The files that differ between two revisions, sorted by path.
    async fn changed_paths(&self, from: &Revision, to: &Revision) -> Result<Vec<PathChange>>;

    /// The revisions that changed `path`, newest first, from `revision` backwards, at most `limit`. The root path gives
    /// every revision. Where a shallow store ends, so does the history.
    async fn history(&self, revision: &Revision, path: &TreePath, limit: usize) -> Result<Vec<CommitInfo>>;
}

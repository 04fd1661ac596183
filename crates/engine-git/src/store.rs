//! The state store.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use gitops_engine_core::{
    CommitInfo, Error, ErrorKind, PathChange, Result, Revision, RevisionSpec, StateStore, Tree, TreePath,
};
use gix::ObjectId;

use crate::location::Location;
use crate::odb::Repo;
use crate::tree::GitTree;
use crate::worker::{self, Interrupt};
use crate::{GitOptions, changes, history, local};

/// A Git repository as a [`StateStore`].
///
/// Cheap to clone; all clones share one store. Methods need a tokio runtime with its I/O and time drivers.
#[derive(Clone)]
pub struct GitStore {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    repo: Arc<Repo>,
    options: GitOptions,
}

impl std::fmt::Debug for GitStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitStore").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl GitStore {
    /// A store for a path or URL. A local repository, bare or not, is opened in place.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the location cannot be read, [`ErrorKind::NotFound`] when a local path holds no
    /// repository.
    pub fn open(location: &str, options: GitOptions) -> Result<Self> {
        let location = Location::parse(location)?;
        let name = location.display();
        match location {
            Location::Local(path) => Self::open_path(&path, options),
            Location::Remote(remote) => {
                Err(Error::new(ErrorKind::Unsupported, format!("{name} is not local: {remote:?}")))
            }
        }
    }

    /// A store for a repository on this machine, bare or not, opened in place.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the path holds no repository.
    pub fn open_path(path: &Path, options: GitOptions) -> Result<Self> {
        let name = path.display().to_string();
        let repo = Arc::new(Repo::open(path, &name)?);
        Ok(Self { inner: Arc::new(Inner { name, repo, options }) })
    }

    async fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Inner, &Arc<Interrupt>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        let name = || format!("{what} {}", self.inner.name);
        worker::run(self.inner.options.deadline, name, move |interrupt| work(&inner, interrupt)).await
    }
}

impl Inner {
    fn commit(&self, revision: &Revision, _interrupt: &Arc<Interrupt>) -> Result<ObjectId> {
        self.repo.commit_id(revision)
    }
}

#[async_trait]
impl StateStore for GitStore {
    fn name(&self) -> String {
        self.inner.name.clone()
    }

    async fn resolve(&self, spec: &RevisionSpec) -> Result<Revision> {
        let spec = spec.clone();
        let id = self.run("resolving a revision in", move |inner, _| local::resolve(&inner.repo, &spec)).await?;
        Ok(Revision::new(id.to_string()))
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn Tree>> {
        let revision = revision.clone();
        self.run("opening a tree of", move |inner, interrupt| {
            let commit = inner.commit(&revision, interrupt)?;
            Ok(Arc::new(GitTree::new(Arc::clone(&inner.repo), Revision::new(commit.to_string()), commit)?)
                as Arc<dyn Tree>)
        })
        .await
    }

    async fn changed_paths(&self, from: &Revision, to: &Revision) -> Result<Vec<PathChange>> {
        let (from, to) = (from.clone(), to.clone());
        self.run("comparing commits of", move |inner, interrupt| {
            let from = inner.repo.root_tree(inner.commit(&from, interrupt)?)?;
            let to = inner.repo.root_tree(inner.commit(&to, interrupt)?)?;
            changes::changed_paths(&inner.repo, from, to, interrupt)
        })
        .await
    }

    async fn history(&self, revision: &Revision, path: &TreePath, limit: usize) -> Result<Vec<CommitInfo>> {
        let (revision, path) = (revision.clone(), path.clone());
        self.run("reading the history of", move |inner, interrupt| {
            let commit = inner.commit(&revision, interrupt)?;
            history::history(&inner.repo, commit, &path, limit, interrupt)
        })
        .await
    }
}

//! The state store.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use gitops_engine_core::{
    CommitInfo, Error, ErrorKind, PathChange, Result, Revision, RevisionSpec, StateStore, Tree, TreePath,
};
use gix::ObjectId;

use crate::location::Location;
use crate::odb::{Repo, parse_id};
use crate::remote::RemoteStore;
use crate::tree::GitTree;
use crate::worker::{self, Interrupt};
use crate::{Credentials, GitOptions, changes, history, local};

/// A Git repository as a [`StateStore`].
///
/// Cheap to clone; all clones share one store. The methods of the trait need a tokio runtime with its I/O and time
/// drivers (`enable_all`), and do their blocking work on its threads for blocking work.
///
/// - A repository on this machine is read in place: nothing is copied, no program is started, and no configuration but
///   its own is read.
/// - A repository on a server is kept in the directory that [`GitOptions::cache_dir`] names, one bare repository per URL,
///   and fetched from only when a commit is asked for that is not there. Asking where a branch is costs one listing of
///   references, filtered by the server.
/// - Readers never wait for each other or for a fetch. Writers of one cached repository wait for each other, also across
///   processes.
#[derive(Clone)]
pub struct GitStore {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    source: Source,
    options: GitOptions,
}

enum Source {
    Local(Arc<Repo>),
    Remote(Box<RemoteStore>),
}

impl std::fmt::Debug for GitStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitStore")
            .field("name", &self.inner.name)
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

impl GitStore {
    /// A store for a path or a URL: `file://`, `https://`, `http://`, `ssh://`, `git://`, or `user@host:path`.
    ///
    /// A local repository, bare or not, is opened. A server is not asked yet.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`] when the location cannot be read, or a server's repository has no
    ///   [`GitOptions::cache_dir`].
    /// - [`ErrorKind::NotFound`] when a local path holds no repository.
    /// - [`ErrorKind::Refused`] for ssh when no program is allowed ([`GitOptions::allow_ssh`]).
    /// - [`ErrorKind::Unsupported`] for any other protocol.
    pub fn open(location: &str, options: GitOptions) -> Result<Self> {
        let location = Location::parse(location)?;
        let name = location.display();
        let source = match location {
            Location::Local(path) => return Self::open_path(&path, options),
            Location::Remote(remote) => Source::Remote(Box::new(RemoteStore::new(*remote, options.clone())?)),
        };
        Ok(Self { inner: Arc::new(Inner { name, source, options }) })
    }

    /// A store for a repository on this machine, bare or not, opened in place.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the path holds no repository.
    pub fn open_path(path: &Path, options: GitOptions) -> Result<Self> {
        let name = path.display().to_string();
        let source = Source::Local(Arc::new(Repo::open(path, &name)?));
        Ok(Self { inner: Arc::new(Inner { name, source, options }) })
    }

    /// Does blocking work within the deadline, and once more with other credentials when a server refused the first.
    async fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl Fn(&Inner, Option<&Credentials>, &Arc<Interrupt>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let name = || format!("{what} {}", self.inner.name);
        let deadline = tokio::time::Instant::now() + self.inner.options.deadline;
        let work = Arc::new(work);
        let attempt = |credentials: Option<Credentials>| {
            let (inner, work) = (Arc::clone(&self.inner), Arc::clone(&work));
            worker::run(deadline, name, move |interrupt| work(&inner, credentials.as_ref(), interrupt))
        };
        let Source::Remote(remote) = &self.inner.source else { return attempt(None).await };
        let ask = |rejected: bool| async move {
            tokio::time::timeout_at(deadline, remote.credentials(rejected)).await.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Timeout, format!("{what} {}: the credentials did not come", self.inner.name)))
            })
        };
        let first = ask(false).await?;
        match attempt(first.clone()).await {
            Err(error) if error.kind() == ErrorKind::Unauthenticated => match ask(true).await? {
                Some(second) if Some(&second) != first.as_ref() => attempt(Some(second)).await,
                _ => Err(error),
            },
            result => result,
        }
    }
}

impl Inner {
    /// The repository on this machine that holds a commit, and the commit's id.
    fn commit(
        &self,
        revision: &Revision,
        credentials: Option<&Credentials>,
        interrupt: &Arc<Interrupt>,
    ) -> Result<(Arc<Repo>, ObjectId)> {
        match &self.source {
            Source::Local(repo) => Ok((Arc::clone(repo), repo.commit_id(revision)?)),
            Source::Remote(remote) => remote.ensure(parse_id(revision.as_str())?, credentials, interrupt),
        }
    }
}

#[async_trait]
impl StateStore for GitStore {
    fn name(&self) -> String {
        self.inner.name.clone()
    }

    async fn resolve(&self, spec: &RevisionSpec) -> Result<Revision> {
        let spec = spec.clone();
        let id = self
            .run("resolving a revision in", move |inner, credentials, interrupt| match &inner.source {
                Source::Local(repo) => local::resolve(repo, &spec),
                Source::Remote(remote) => remote.resolve(&spec, credentials, interrupt),
            })
            .await?;
        Ok(Revision::new(id.to_string()))
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn Tree>> {
        let revision = revision.clone();
        self.run("opening a tree of", move |inner, credentials, interrupt| {
            let (repo, commit) = inner.commit(&revision, credentials, interrupt)?;
            Ok(Arc::new(GitTree::new(repo, Revision::new(commit.to_string()), commit)?) as Arc<dyn Tree>)
        })
        .await
    }

    async fn changed_paths(&self, from: &Revision, to: &Revision) -> Result<Vec<PathChange>> {
        let (from, to) = (from.clone(), to.clone());
        self.run("comparing commits of", move |inner, credentials, interrupt| {
            let (repo, from) = inner.commit(&from, credentials, interrupt)?;
            let (_, to) = inner.commit(&to, credentials, interrupt)?;
            changes::changed_paths(&repo, repo.root_tree(from)?, repo.root_tree(to)?, interrupt)
        })
        .await
    }

    async fn history(&self, revision: &Revision, path: &TreePath, limit: usize) -> Result<Vec<CommitInfo>> {
        let (revision, path) = (revision.clone(), path.clone());
        self.run("reading the history of", move |inner, credentials, interrupt| {
            let (repo, commit) = inner.commit(&revision, credentials, interrupt)?;
            history::history(&repo, commit, &path, limit, interrupt)
        })
        .await
    }
}

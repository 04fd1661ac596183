//! Git repositories as state stores: resolve a revision, read its files, tell what changed.
//!
//! [`GitStore`] implements [`StateStore`](gitops_engine_core::StateStore) on [gitoxide](https://docs.rs/gix), without the
//! Git program. Files are read from the object database: there is no checkout, no temporary directory to clean up, and no
//! lock between readers. The ids of directories are content addresses, so a commit that changed something else in a
//! repository of many applications is known to be one without reading a file.
//!
//! ```
//! use gitops_engine_core::{RevisionSpec, StateStore, Timestamp, TreePath};
//! use gitops_engine_git::write::{Change, LocalRepository, Signature};
//! use gitops_engine_git::{GitOptions, GitStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! // A repository to read: most programs have one already.
//! let ada = Signature::new("Ada", "ada@example.org", Timestamp::UNIX_EPOCH);
//! let repository = LocalRepository::init(path)?;
//! let first = repository.commit("main", "Open the shop", &ada, &[
//!     Change::file("shop/web.yaml", "kind: Deployment\n")?,
//!     Change::file("README.md", "# Shop\n")?,
//! ])?;
//! repository.tag("v1.0.0", &first)?;
//! repository.commit("main", "Say more", &ada, &[Change::file("README.md", "# The shop\n")?])?;
//!
//! // Any path or URL; what is on a server needs `GitOptions::cache_dir`.
//! let store = GitStore::open_path(path, GitOptions::new())?;
//! let release = store.resolve(&RevisionSpec::parse("semver:1.x")).await?;
//! let tip = store.resolve(&RevisionSpec::parse("main")).await?;
//! assert_eq!(release, first);
//!
//! let shop = TreePath::parse("shop")?;
//! let tree = store.tree(&tip).await?;
//! assert_eq!(tree.read(&shop.join("web.yaml")?, 1 << 20)?, "kind: Deployment\n");
//!
//! // The commit on main changed another directory, so there is nothing to do for the shop.
//! assert_eq!(tree.entry(&shop)?, store.tree(&release).await?.entry(&shop)?);
//! assert_eq!(store.changed_paths(&release, &tip).await?[0].path.as_str(), "README.md");
//! assert_eq!(store.history(&tip, &shop, 10).await?[0].title(), "Open the shop");
//! # Ok(())
//! # }
//! ```
//!
//! # What is never done
//! - No configuration of the user's account, the system or the environment is read, and no credential helper, hook,
//!   filter or remote helper is run. Credentials come by value ([`CredentialSource`]).
//! - No program is started, except the ssh program that [`GitOptions::allow_ssh`] names, for ssh URLs.
//! - No redirect is followed to another host, or from https to http. No credential goes over plain http, except to this
//!   machine ([`GitOptions::plain_text_credentials`]). No message shows a credential.
//!
//! # Time
//! Every operation has a deadline ([`GitOptions::deadline`]), and a server may be silent only so long
//! ([`GitOptions::idle_timeout`]). Dropping a future closes its connection. The blocking work runs on tokio's threads for
//! blocking work; an operation does not wait for its thread when its time is over, and the thread ends as soon as it
//! notices, which all waits for a server, for a lock and for another process do at once.
//!
//! # TLS
//! https needs one implementation of cryptography for rustls in the process. When the host installed none before the first
//! request over HTTP, that of ring is installed. Certificates are checked as the system does
//! ([rustls-platform-verifier](https://docs.rs/rustls-platform-verifier)); more authorities can be added with
//! [`GitOptions::certificate_authorities`].
//!
//! # Limits
//! - Repositories with SHA-256 ids, partial clones and LFS are not supported; the content of an LFS file is its pointer.
//! - Submodules are told ([`EntryKind::Submodule`](gitops_engine_core::EntryKind::Submodule)) and not followed.
//! - What was fetched stays in the cache; nothing is collected as garbage. Small packs are made one now and then. Removing
//!   the directory of a repository is always safe: it is fetched again.

mod changes;
mod credentials;
mod error;
mod history;
mod local;
mod location;
mod odb;
mod options;
mod refs;
mod remote;
mod semver_range;
mod store;
mod tree;
mod worker;
pub mod write;

pub use credentials::{CredentialRequest, CredentialSource, Credentials};
pub use options::{GitOptions, PlainTextCredentials, Proxy, Ssh};
pub use store::GitStore;

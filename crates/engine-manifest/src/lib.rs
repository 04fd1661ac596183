//! From a tree of files to Kubernetes objects: the second job of a GitOps engine.
//!
//! | generator | for | how |
//! |---|---|---|
//! | [`DirectoryGenerator`] | plain YAML and JSON | here, in this process |
//! | [`KustomizeGenerator`] | `kustomization.yaml` | `kustomize` or `kubectl`, where the embedder allows that program |
//! | [`HelmGenerator`] | `Chart.yaml` | `helm template`, where the embedder allows that program |
//! | [`DetectingGenerator`] | any directory | by the one that the files in it ask for |
//!
//! All of them read a [`Tree`](gitops_engine_core::Tree), never a checkout, and say what they read: with the same
//! [inputs](gitops_engine_core::Rendering::inputs) and parameters they give the same objects, so that a commit
//! elsewhere in the repository is known to change nothing. The exception are charts that are random on purpose, see
//! [`HelmGenerator`].
//!
//! ```
//! use std::sync::Arc;
//! use gitops_engine_core::{GenerateRequest, Generator, MemoryTree, TreePath};
//! use gitops_engine_manifest::{DetectingGenerator, Program, Programs};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tree = MemoryTree::new("3f2a9c".into())
//!     .file("shop/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {mode: '0644'}\n")?
//!     .file("shop/web.yaml", "# The shop.\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n")?;
//!
//! let generator = DetectingGenerator::new(Programs::none().allow(Program::Helm, "/usr/local/bin/helm"));
//! let request = GenerateRequest::new(Arc::new(tree), TreePath::parse("shop")?, "shop");
//! let rendering = generator.generate(request).await?;
//!
//! let found: Vec<_> = rendering.objects.iter().map(|object| format!("{} at {}", object.id(), object.place)).collect();
//! assert_eq!(found, ["ConfigMap settings at shop/config.yaml:1", "apps/Deployment web at shop/web.yaml:2"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//! All errors of all files come back together, each with its file and line; an error means no objects at all.
//!
//! ```
//! # use std::sync::Arc;
//! # use gitops_engine_core::{GenerateRequest, MemoryTree, TreePath};
//! # use gitops_engine_manifest::DirectoryGenerator;
//! let tree = MemoryTree::new("3f2a9c".into())
//!     .file("a.yaml", "kind: ConfigMap\n")?
//!     .file("b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata:\n  x: '1'\n  x: '2'\n")?;
//! let problems = DirectoryGenerator::new().render(&GenerateRequest::new(Arc::new(tree), TreePath::root(), "app"));
//! assert_eq!(
//!     problems.unwrap_err().to_string(),
//!     "2 problems:\n  a.yaml:1: this is not a Kubernetes object: it has no apiVersion; exclude the file, or mark it with the \
//!      comment `# +argocd:skip-file-rendering`, if it is for something else\n  b.yaml:6: the key \"x\" is given twice in one map, first on line 5 (column 3)"
//! );
//! # Ok::<(), gitops_engine_core::Error>(())
//! ```
//!
//! # Hostile input
//! Files of a repository are data. They are bounded ([`TreeLimits`], [`yaml::Limits`]), links are followed only inside
//! of the tree, and no process starts unless the embedder allows that very program by its path ([`Programs`]); then it
//! is bounded too ([`ProcessLimits`]), starts with no environment, and dies with whoever waits for it. A program runs
//! with the rights of this process: to wall it in is the task of the container around both.

mod blocking;
mod detect;
mod directory;
mod external;
mod inputs;
mod limits;
mod links;
mod objects;
mod parameters;
mod walk;
pub mod yaml;

pub use detect::DetectingGenerator;
pub use directory::DirectoryGenerator;
pub use external::{HelmGenerator, KustomizeGenerator, ProcessLimits, Program, Programs};
pub use limits::TreeLimits;

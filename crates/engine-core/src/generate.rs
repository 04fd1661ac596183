//! The second job: from files to manifests.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Declared, EntryId, Error, Problems, Tree, TreePath, Value};

/// What a generator may know about the cluster that its output is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// The version of the API server, such as `v1.36.3`.
    pub kubernetes_version: Option<String>,
    /// What it serves, as `group/version/Kind`, sorted.
    pub api_versions: Vec<String>,
}

/// One request to render a directory.
#[derive(Clone)]
#[non_exhaustive]
pub struct GenerateRequest {
    /// The files.
    pub tree: Arc<dyn Tree>,
    /// The directory to render.
    pub path: TreePath,
    /// The application that is rendered: some tools put it into their output (Helm's release name).
    pub name: String,
    /// The namespace that tools such as Helm render for.
    pub namespace: Option<String>,
    /// What the cluster can do.
    pub capabilities: Capabilities,
    /// Parameters of the generator, in its own vocabulary.
    pub parameters: BTreeMap<String, Value>,
}

impl GenerateRequest {
    /// A request without parameters.
    pub fn new(tree: Arc<dyn Tree>, path: TreePath, name: impl Into<String>) -> Self {
        Self {
            tree,
            path,
            name: name.into(),
            namespace: None,
            capabilities: Capabilities::default(),
            parameters: BTreeMap::new(),
        }
    }
}

/// An entry that a generator read: its output depends on nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Input {
    /// Where it was read; a directory stands for all below it.
    pub path: TreePath,
    /// Its content address.
    pub id: EntryId,
}

/// What a generator gives back.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Rendering {
    /// The objects, in the order of files and documents.
    pub objects: Vec<Declared>,
    /// Every tree and blob that was read, sorted. The same inputs and parameters give the same objects, so this is a
    /// cache key, and it tells which commits do not matter.
    pub inputs: Vec<Input>,
    /// What a person should know, and what did not stop the rendering.
    pub warnings: Vec<Arc<Error>>,
}

impl Rendering {
    /// A rendering without warnings.
    pub fn new(objects: Vec<Declared>, inputs: Vec<Input>) -> Self {
        Self { objects, inputs, warnings: Vec::new() }
    }

    /// Adds warnings.
    #[must_use]
    pub fn with_warnings(mut self, warnings: Vec<Error>) -> Self {
        self.warnings.extend(warnings.into_iter().map(Arc::new));
        self
    }
}

/// Turns a directory of a tree into objects.
///
/// # Contract
/// - A pure function of the request: no network, no clock, no environment, no files but the tree's.
/// - Starts no process, unless the embedder allowed that very program; then bounded in time, memory and output, and
///   without the environment of this process.
/// - All errors of all files are reported together, each with file and line. An error means no objects at all.
/// - Hostile input (deep nesting, aliases that explode, huge files) costs an error.
/// - Work that takes longer than a few milliseconds leaves the caller's runtime free (a blocking pool, for example).
#[async_trait]
pub trait Generator: Send + Sync {
    /// The name of the generator, such as `directory`.
    fn name(&self) -> &str;

    /// Whether this generator is the one for that directory (by its files: `kustomization.yaml`, `Chart.yaml`, …).
    ///
    /// # Errors
    /// When the tree cannot be read.
    fn detects(&self, tree: &dyn Tree, path: &TreePath) -> crate::Result<bool>;

    /// Renders.
    ///
    /// # Errors
    /// All of them, placed.
    async fn generate(&self, request: GenerateRequest) -> Result<Rendering, Problems>;
}

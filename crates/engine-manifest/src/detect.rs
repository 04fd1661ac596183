//! Which generator a directory is for.

use std::sync::Arc;

use async_trait::async_trait;
use gitops_engine_core::{GenerateRequest, Generator, Problems, Rendering, Result, Tree, TreePath};

use crate::external::{HelmGenerator, KustomizeGenerator, Programs};
use crate::{DirectoryGenerator, blocking, walk};

/// Asks its generators in turn, and takes the first that knows the directory.
///
/// As it is made: [`KustomizeGenerator`], [`HelmGenerator`], [`DirectoryGenerator`]; this order is Argo CD's. Parameters
/// of a request go to the generator that is taken, which refuses those that it does not know.
///
/// ```
/// use std::sync::Arc;
/// use gitops_engine_core::{ErrorKind, GenerateRequest, MemoryTree, TreePath};
/// use gitops_engine_manifest::{DetectingGenerator, DirectoryGenerator, Programs};
///
/// let tree = MemoryTree::new("r1".into())
///     .file("web/web.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n")?
///     .file("db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.0.0\n")?;
/// let generator = DetectingGenerator::new(Programs::none()).directory(DirectoryGenerator::new().recursive());
/// assert_eq!(generator.detect(&tree, &TreePath::parse("web")?)?.name(), "directory");
/// assert_eq!(generator.detect(&tree, &TreePath::parse("db")?)?.name(), "helm");
/// # Ok::<(), gitops_engine_core::Error>(())
/// ```
#[derive(Clone)]
pub struct DetectingGenerator {
    generators: Vec<Arc<dyn Generator>>,
    otherwise: DirectoryGenerator,
}

impl DetectingGenerator {
    /// Kustomize and Helm by these programs, and plain directories.
    pub fn new(programs: Programs) -> Self {
        let kustomize: Arc<dyn Generator> = Arc::new(KustomizeGenerator::new(programs.clone()));
        Self {
            generators: vec![kustomize, Arc::new(HelmGenerator::new(programs))],
            otherwise: DirectoryGenerator::new(),
        }
    }

    /// Asks this generator before all others.
    #[must_use]
    pub fn first(mut self, generator: impl Generator + 'static) -> Self {
        self.generators.insert(0, Arc::new(generator));
        self
    }

    /// Sets how plain directories are read.
    #[must_use]
    pub fn directory(mut self, generator: DirectoryGenerator) -> Self {
        self.otherwise = generator;
        self
    }

    /// The generator for a directory.
    ///
    /// # Errors
    /// When there is no such directory, or the tree cannot be read.
    pub fn detect(&self, tree: &dyn Tree, path: &TreePath) -> Result<Arc<dyn Generator>> {
        walk::directory(tree, path)?;
        for generator in &self.generators {
            if generator.detects(tree, path)? {
                return Ok(generator.clone());
            }
        }
        Ok(Arc::new(self.otherwise.clone()))
    }
}

#[async_trait]
impl Generator for DetectingGenerator {
    fn name(&self) -> &str {
        "detect"
    }

    /// Any directory.
    fn detects(&self, tree: &dyn Tree, path: &TreePath) -> Result<bool> {
        self.otherwise.detects(tree, path)
    }

    async fn generate(&self, request: GenerateRequest) -> Result<Rendering, Problems> {
        let (this, tree, path) = (self.clone(), request.tree.clone(), request.path.clone());
        let chosen = blocking::run(move |_| Ok(this.detect(&*tree, &path)?)).await?;
        tracing::debug!(path = %request.path, generator = chosen.name(), "chose a generator");
        chosen.generate(request).await
    }
}

//! Plain manifests in a directory.

use async_trait::async_trait;
use globset::{Glob, GlobSet, GlobSetBuilder};

use gitops_engine_core::{
    EntryKind, Error, ErrorKind, GenerateRequest, Generator, Place, Problems, Rendering, Result, Tree, TreePath,
};

use crate::blocking::{self, Cancel};
use crate::inputs;
use crate::limits::TreeLimits;
use crate::links::resolve;
use crate::objects::Objects;
use crate::parameters::Parameters;
use crate::walk::{Selection, Walked, walk};
use crate::yaml;

/// In a comment of a file, it says that the file is not for this generator, as
/// [in Argo CD](https://argo-cd.readthedocs.io/en/stable/user-guide/directory/#skipping-file-rendering).
const SKIP_MARKER: &str = "+argocd:skip-file-rendering";

/// More errors than anybody reads.
const MOST_ERRORS: usize = 1000;

/// Reads the files `*.yaml`, `*.yml` and `*.json` of a directory.
///
/// - Files are read as `kubectl` reads them, see [`yaml`]; also in UTF-16 with a byte-order mark.
/// - Lists (`v1 List`, `ConfigMapList`, …) give their items. Empty documents are skipped.
/// - A document that is not a Kubernetes object is an error, unless the file is excluded or carries the comment
///   `# +argocd:skip-file-rendering`.
/// - Symbolic links are followed inside of the tree. One that leads out of it, to nothing or in a circle is an error.
/// - `*.jsonnet` is an error: other tools render it, and leaving its objects out would remove them from the cluster.
///
/// [Parameters](GenerateRequest::parameters) of a request stand in for the options of the generator: `recurse` (true or
/// false), `include` and `exclude` (a glob or a list of globs).
///
/// ```
/// use std::sync::Arc;
/// use gitops_engine_core::{GenerateRequest, MemoryTree, TreePath};
/// use gitops_engine_manifest::DirectoryGenerator;
///
/// let tree = MemoryTree::new("r1".into())
///     .file("shop/web.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n")?
///     .file("shop/values.yaml", "replicas: 2\n")?;
/// let generator = DirectoryGenerator::new().recursive().exclude("values.yaml")?;
/// let request = GenerateRequest::new(Arc::new(tree), TreePath::parse("shop")?, "shop");
/// let rendering = generator.render(&request)?;
/// assert_eq!(rendering.objects[0].id().to_string(), "Service web");
/// assert_eq!(rendering.objects[0].place.to_string(), "shop/web.yaml:1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct DirectoryGenerator {
    recurse: bool,
    include: Vec<Glob>,
    exclude: Vec<Glob>,
    limits: TreeLimits,
    yaml: yaml::Options,
}

impl DirectoryGenerator {
    /// Reads the files of the directory itself, not those of directories below (the default of Argo CD and `kubectl`).
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the files of all directories below, too.
    #[must_use]
    pub fn recursive(mut self) -> Self {
        self.recurse = true;
        self
    }

    /// Reads only the files that match this [glob](globset), or another one given the same way. It is matched against
    /// the path below the directory; `*` matches `/`, too, as in Argo CD, and `{a,b}` is either.
    ///
    /// # Errors
    /// When it is not a glob.
    pub fn include(mut self, pattern: &str) -> Result<Self> {
        self.include.push(glob(pattern)?);
        Ok(self)
    }

    /// Leaves out the files and directories that match this glob. Wins over [`DirectoryGenerator::include`].
    ///
    /// # Errors
    /// When it is not a glob.
    pub fn exclude(mut self, pattern: &str) -> Result<Self> {
        self.exclude.push(glob(pattern)?);
        Ok(self)
    }

    /// Sets bounds on what is read.
    #[must_use]
    pub fn limits(mut self, limits: TreeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how YAML is read.
    #[must_use]
    pub fn yaml(mut self, options: yaml::Options) -> Self {
        self.yaml = options;
        self
    }

    /// Renders on this thread: [`Generator::generate`] without a runtime.
    ///
    /// # Errors
    /// As [`Generator::generate`].
    pub fn render(&self, request: &GenerateRequest) -> Result<Rendering, Problems> {
        self.render_until(request, &Cancel::default())
    }

    fn render_until(&self, request: &GenerateRequest, cancel: &Cancel) -> Result<Rendering, Problems> {
        let options = self.with_parameters(request)?;
        let tree = &*request.tree;
        let (include, exclude) = (set(&options.include)?, set(&options.exclude)?);
        let selection = Selection {
            recurse: options.recurse,
            include: (!options.include.is_empty()).then_some(&include),
            exclude: &exclude,
            limits: &options.limits,
        };
        let Walked { files, inputs, errors, mut warnings, directories_left } = walk(tree, &request.path, &selection);
        let mut objects = Objects { errors, ..Objects::default() };
        let mut left = options.limits.total_bytes;
        for file in files {
            cancel.check()?;
            match options.read(tree, &file.real, &mut left) {
                Ok(Some(text)) => objects.file(&file.path, &text, &options.yaml),
                Ok(None) => {}
                Err(ReadError::Total) => {
                    let message = format!("the files have more than the {} bytes allowed", options.limits.total_bytes);
                    objects.errors.push(
                        Error::new(ErrorKind::LimitExceeded, message)
                            .at(Place::file(request.path.clone()))
                            .help("split the directory, or raise the limit"),
                    );
                    break;
                }
                Err(ReadError::Tree(error)) => objects.errors.push(error.at(Place::file(file.path))),
                Err(ReadError::Text(error)) => objects.errors.push(error.in_file(&file.path)),
            }
            if objects.errors.len() >= MOST_ERRORS {
                let message = format!("gave up after {} errors", objects.errors.len());
                objects.errors.push(Error::new(ErrorKind::LimitExceeded, message));
                break;
            }
        }
        Problems::check(objects.errors)?;
        if objects.declared.is_empty() && directories_left > 0 {
            warnings.push(
                Error::new(ErrorKind::NotFound, "there are no objects in this directory, only in directories below it")
                    .at(Place::file(request.path.clone()))
                    .help("make the generator recursive to read them"),
            );
        }
        tracing::debug!(path = %request.path, objects = objects.declared.len(), "read a directory");
        Ok(Rendering::new(objects.declared, inputs::pruned(inputs)).with_warnings(warnings))
    }

    /// The text of a file; `None` when it says that it is not for us.
    fn read(&self, tree: &dyn Tree, path: &TreePath, left: &mut u64) -> Result<Option<String>, ReadError> {
        let bytes = match tree.read(path, self.limits.file_bytes.min(*left)) {
            Ok(bytes) => bytes,
            // The file alone would have been small enough.
            Err(error) if error.kind() == ErrorKind::LimitExceeded && *left < self.limits.file_bytes => {
                return Err(ReadError::Total);
            }
            Err(error) => return Err(ReadError::Tree(error)),
        };
        *left -= bytes.len() as u64;
        let text = yaml::decode(&bytes).map_err(ReadError::Text)?;
        let skip = text.contains(SKIP_MARKER)
            && text.lines().any(|line| line.trim_start().starts_with('#') && line.contains(SKIP_MARKER));
        Ok((!skip).then(|| text.into_owned()))
    }

    fn with_parameters(&self, request: &GenerateRequest) -> Result<Self, Problems> {
        let mut options = self.clone();
        let mut parameters = Parameters::new("directory", &request.parameters, &["recurse", "include", "exclude"]);
        options.recurse = parameters.flag("recurse").unwrap_or(options.recurse);
        for (name, globs) in [("include", &mut options.include), ("exclude", &mut options.exclude)] {
            let Some(patterns) = parameters.texts(name) else { continue };
            globs.clear();
            for pattern in patterns {
                match glob(pattern) {
                    Ok(glob) => globs.push(glob),
                    Err(error) => parameters.report(error),
                }
            }
        }
        Problems::check(parameters.into_errors())?;
        Ok(options)
    }
}

enum ReadError {
    Tree(Error),
    Text(yaml::YamlError),
    /// The bound on all files together is reached.
    Total,
}

fn glob(pattern: &str) -> Result<Glob> {
    Glob::new(pattern).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("{pattern:?} is not a glob: {}", error.kind()))
            .help("see https://docs.rs/globset for the syntax")
    })
}

fn set(globs: &[Glob]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(glob.clone());
    }
    set.build().map_err(|error| Error::new(ErrorKind::InvalidInput, format!("the globs are too large: {error}")))
}

#[async_trait]
impl Generator for DirectoryGenerator {
    fn name(&self) -> &str {
        "directory"
    }

    /// Any directory.
    fn detects(&self, tree: &dyn Tree, path: &TreePath) -> Result<bool> {
        Ok(resolve(tree, path)?.entry.is_some_and(|entry| entry.kind == EntryKind::Directory))
    }

    async fn generate(&self, request: GenerateRequest) -> Result<Rendering, Problems> {
        let generator = self.clone();
        blocking::run(move |cancel| generator.render_until(&request, cancel)).await
    }
}

//! `kustomize build` and `kubectl kustomize`.

use std::collections::BTreeSet;

use async_trait::async_trait;

use gitops_engine_core::{
    EntryKind, Error, ErrorKind, GenerateRequest, Generator, Place, Problems, Rendering, Result, Tree, TreePath, Value,
};

use super::process::Invocation;
use super::workspace::Workspace;
use super::{ProcessLimits, Program, Programs, output};
use crate::blocking::{self, Cancel};
use crate::limits::TreeLimits;
use crate::links::resolve;
use crate::parameters::Parameters;
use crate::{walk, yaml};

/// The names by which [kustomize](https://kubectl.docs.kubernetes.io/references/kustomize/glossary/#kustomization) knows
/// its directories.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Fields of a kustomization whose entries may be directories or files outside of it.
const REFERENCES: [&str; 6] = ["resources", "bases", "components", "generators", "transformers", "validators"];

/// Fields, anywhere in a kustomization, that hold paths, which kustomize would fetch where they are URLs.
const PATHS: [&str; 8] =
    ["path", "files", "envs", "env", "crds", "configurations", "patchesStrategicMerge", "resources"];

/// More errors than anybody reads; finding their lines takes time.
const MOST_ERRORS: usize = 100;

/// Renders directories that hold a `kustomization.yaml` by an external program that the embedder allows: `kustomize`, or
/// `kubectl` with its built-in copy.
///
/// The kustomization, and the directories that it names, are written to a private temporary directory. The program gets
/// nothing of the environment of this process, no input, and the bounds of [`ProcessLimits`]. What is not in the tree
/// (remote bases, URLs) is refused before it starts. This is not a wall around the program: it runs with the rights of
/// this process, and could open a connection if it wanted to.
///
/// Objects are placed at the kustomization file, for kustomize does not tell where it has them from.
#[derive(Clone, Debug)]
pub struct KustomizeGenerator {
    programs: Programs,
    process: ProcessLimits,
    tree: TreeLimits,
    yaml: yaml::Options,
}

impl KustomizeGenerator {
    /// Uses `kustomize` or else `kubectl` of these programs.
    pub fn new(programs: Programs) -> Self {
        Self {
            programs,
            process: ProcessLimits::default(),
            tree: TreeLimits::default(),
            yaml: yaml::Options::default(),
        }
    }

    /// Sets the bounds of the program.
    #[must_use]
    pub fn process_limits(mut self, limits: ProcessLimits) -> Self {
        self.process = limits;
        self
    }

    /// Sets the bounds on what is written down for the program.
    #[must_use]
    pub fn tree_limits(mut self, limits: TreeLimits) -> Self {
        self.tree = limits;
        self
    }

    /// Sets how the output, and kustomization files, are read.
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
        let tree = &*request.tree;
        Problems::check(Parameters::new("kustomize", &request.parameters, &[]).into_errors())?;
        let root = walk::directory(tree, &request.path)?;
        let directory = root.entry.as_ref().map(|entry| entry.path.clone()).unwrap_or_default();
        let file = kustomization(tree, &directory)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "this directory holds no kustomization.yaml")
                .at(Place::file(request.path.clone()))
        })?;
        let place = || Place::file(file.clone());
        let (program, path) =
            self.programs.choose(&[Program::Kustomize, Program::Kubectl]).map_err(|error| error.at(place()))?;

        let mut workspace = Workspace::new(tree, &self.tree, cancel)?;
        workspace.add(root)?;
        let mut closure = Closure { tree, options: &self.yaml, errors: Vec::new(), seen: BTreeSet::new() };
        closure.follow(&directory, &mut workspace)?;
        Problems::check(closure.errors)?;

        let command = if program == Program::Kubectl { "kustomize" } else { "build" };
        let home = workspace.home();
        let invocation = Invocation {
            program,
            path,
            arguments: vec![command.to_owned(), workspace.path(&directory).display().to_string()],
            directory: workspace.root(),
            home: &home,
        };
        let printed = invocation.run(&self.process, cancel).map_err(|error| workspace.clean(error).at(place()))?;
        let objects = output::read(program, &printed, &self.yaml, |_| place())?;
        Ok(Rendering::new(objects, workspace.into_inputs()))
    }
}

/// The kustomization file of a directory.
pub(super) fn kustomization(tree: &dyn Tree, directory: &TreePath) -> Result<Option<TreePath>> {
    for name in NAMES {
        let path = directory.join(name)?;
        if resolve(tree, &path)?.entry.is_some_and(|entry| entry.kind == EntryKind::File) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// All directories that a kustomization needs.
struct Closure<'a> {
    tree: &'a dyn Tree,
    options: &'a yaml::Options,
    errors: Vec<Error>,
    seen: BTreeSet<TreePath>,
}

impl Closure<'_> {
    fn follow(&mut self, directory: &TreePath, workspace: &mut Workspace<'_>) -> Result<()> {
        let mut todo = vec![directory.clone()];
        while let Some(directory) = todo.pop() {
            if !self.seen.insert(directory.clone()) {
                continue;
            }
            // Without one, the program says best what it expected.
            let Some(file) = kustomization(self.tree, &directory)? else { continue };
            let Some((text, documents)) = self.read(&file)? else { continue };
            for document in &documents {
                self.refuse_urls(&document.value, &file, &text, false);
                for field in REFERENCES {
                    for reference in document.value.items([field]).iter().filter_map(Value::as_str) {
                        self.reference(reference, &directory, &file, &text, workspace, &mut todo)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn reference(
        &mut self,
        reference: &str,
        directory: &TreePath,
        file: &TreePath,
        text: &str,
        workspace: &mut Workspace<'_>,
        todo: &mut Vec<TreePath>,
    ) -> Result<()> {
        // Generators and transformers may stand in the kustomization itself.
        if reference.contains('\n') {
            return Ok(());
        }
        if reference.contains("://") || reference.starts_with("git@") {
            self.report(remote(reference), reference, file, text);
            return Ok(());
        }
        let resolved = match directory.join(reference).and_then(|path| resolve(self.tree, &path)) {
            Ok(resolved) => resolved,
            Err(error) => {
                self.report(error, reference, file, text);
                return Ok(());
            }
        };
        match resolved.entry.as_ref().map(|entry| (entry.kind, entry.path.clone())) {
            Some((EntryKind::Directory, path)) => {
                workspace.add(resolved)?;
                todo.push(path);
            }
            Some((EntryKind::File, path)) => {
                workspace.add(resolved)?;
                // What generators and transformers are told to read may be a URL, too.
                if let Some((text, documents)) = self.read(&path)? {
                    for document in &documents {
                        self.refuse_nested(&document.value, &path, &text);
                    }
                }
            }
            _ if reference.contains("?ref=") || reference.starts_with("github.com") => {
                self.report(remote(reference), reference, file, text);
            }
            _ => {
                let error = Error::new(ErrorKind::NotFound, format!("there is no {reference:?} in the tree"))
                    .help("correct the path; nothing is fetched from elsewhere");
                self.report(error, reference, file, text);
            }
        }
        Ok(())
    }

    /// Resources are objects, and may hold any text; only kustomize's own kinds are told to read something.
    fn refuse_nested(&mut self, value: &Value, file: &TreePath, text: &str) {
        const OWN: [&str; 2] = ["builtin", "kustomize.config.k8s.io/"];
        if value.text(["apiVersion"]).is_some_and(|version| OWN.iter().any(|own| version.starts_with(own))) {
            self.refuse_urls(value, file, text, false);
        }
    }

    fn refuse_urls(&mut self, value: &Value, file: &TreePath, text: &str, is_path: bool) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    self.refuse_urls(value, file, text, PATHS.contains(&key.as_str()));
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.refuse_urls(item, file, text, is_path)),
            // `files` may be NAME=PATH.
            Value::String(path) if is_path && path.rsplit('=').chain([&**path]).any(is_url) => {
                self.report(remote(path), path, file, text);
            }
            _ => {}
        }
    }

    /// Places an error at the line that holds `needle`. Resources are looked at in two ways; the same line is reported
    /// once.
    fn report(&mut self, error: Error, needle: &str, file: &TreePath, text: &str) {
        if self.errors.len() >= MOST_ERRORS {
            return;
        }
        let error = error.at(place_of(needle, file, text));
        if !self.errors.iter().any(|known| known.place() == error.place() && known.message() == error.message()) {
            self.errors.push(error);
        }
    }

    /// The text of a file and its documents; `None` after an error, which is noted.
    fn read(&mut self, file: &TreePath) -> Result<Option<(String, Vec<yaml::Document>)>> {
        let Some(entry) = resolve(self.tree, file)?.entry else { return Ok(None) };
        let bytes = self
            .tree
            .read(&entry.path, self.options.limits.bytes as u64)
            .map_err(|error| error.at(Place::file(file.clone())))?;
        let text = match yaml::decode(&bytes) {
            Ok(text) => text.into_owned(),
            Err(error) => {
                self.errors.push(error.in_file(file));
                return Ok(None);
            }
        };
        match yaml::parse(&text, self.options) {
            Ok(documents) => Ok(Some((text, documents))),
            Err(errors) => {
                self.errors.extend(errors.into_iter().map(|error| error.in_file(file)));
                Ok(None)
            }
        }
    }
}

/// The first line that holds a text.
fn place_of(needle: &str, file: &TreePath, text: &str) -> Place {
    match text.lines().position(|line| line.contains(needle)).and_then(|line| u32::try_from(line + 1).ok()) {
        Some(line) => Place::line(file.clone(), line),
        None => Place::file(file.clone()),
    }
}

fn is_url(text: &str) -> bool {
    let text = text.trim_start();
    let starts = |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    starts("http://") || starts("https://")
}

/// Something that kustomize would
/// [fetch](https://github.com/kubernetes-sigs/kustomize/blob/master/examples/remoteBuild.md).
fn remote(reference: &str) -> Error {
    // A URL may hold a password.
    let shown = match reference.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split('/').next().unwrap_or_default();
            let rest = match authority.rfind('@') {
                Some(at) => &rest[at + 1..],
                None => rest,
            };
            format!("{scheme}://{}", rest.split('?').next().unwrap_or_default())
        }
        None => reference.split('?').next().unwrap_or_default().to_owned(),
    };
    Error::new(ErrorKind::Refused, format!("{shown} is not in the tree, and nothing is fetched from elsewhere"))
        .help("copy it into the repository, and name it by its path")
}

#[async_trait]
impl Generator for KustomizeGenerator {
    fn name(&self) -> &str {
        "kustomize"
    }

    /// A directory with a `kustomization.yaml`, `kustomization.yml` or `Kustomization`.
    fn detects(&self, tree: &dyn Tree, path: &TreePath) -> Result<bool> {
        Ok(kustomization(tree, path)?.is_some())
    }

    async fn generate(&self, request: GenerateRequest) -> Result<Rendering, Problems> {
        let generator = self.clone();
        blocking::run(move |cancel| generator.render_until(&request, cancel)).await
    }
}

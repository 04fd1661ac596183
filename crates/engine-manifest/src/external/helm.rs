//! `helm template`.

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
use crate::yaml::DuplicateKeys;
use crate::{walk, yaml};

/// As many dependencies are looked for; Helm complains about the rest itself.
const MOST_DEPENDENCIES: usize = 1000;

/// Renders directories that hold a `Chart.yaml` by `helm template`, which the embedder must allow.
///
/// The chart and the value files are written to a private temporary directory. The program gets nothing of the
/// environment of this process, no input, and the bounds of [`ProcessLimits`]. Dependencies that are not in `charts/`
/// are refused before it starts, and so are value files elsewhere. This is not a wall around the program: it runs with
/// the rights of this process, and could open a connection if it wanted to.
///
/// - The release has the name and the namespace of the request. Custom resource definitions are included, and so are
///   [hooks and tests](https://helm.sh/docs/topics/charts_hooks/), with their annotations.
/// - Objects are placed at the template that they come from, without a line.
/// - A key that a template gives twice takes the last value, as for `helm install`; see [`HelmGenerator::yaml`].
/// - A chart can make its output differ from run to run (`randAlphaNum`, `genCA`, `now`). That is not detected.
///
/// [Parameters](GenerateRequest::parameters): `valueFiles` (a path or a list of paths below the chart, or from the root
/// of the tree with a leading `/`; later ones win), `values` (a map, wins over the files), `releaseName`.
#[derive(Clone, Debug)]
pub struct HelmGenerator {
    programs: Programs,
    process: ProcessLimits,
    tree: TreeLimits,
    yaml: yaml::Options,
}

impl HelmGenerator {
    /// Uses `helm` of these programs.
    pub fn new(programs: Programs) -> Self {
        let yaml = yaml::Options { duplicate_keys: DuplicateKeys::LastWins, ..yaml::Options::default() };
        Self { programs, process: ProcessLimits::default(), tree: TreeLimits::default(), yaml }
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

    /// Sets how the output is read.
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
        let options = Options::read(request)?;
        let root = walk::directory(tree, &request.path)?;
        let chart = root.entry.as_ref().map(|entry| entry.path.clone()).unwrap_or_default();
        let file = chart.join("Chart.yaml")?;
        let place = || Place::file(file.clone());
        let (program, path) = self.programs.choose(&[Program::Helm]).map_err(|error| error.at(place()))?;
        self.check_dependencies(tree, &chart)?;

        let mut workspace = Workspace::new(tree, &self.tree, cancel)?;
        workspace.add(root)?;
        let mut arguments = vec![
            "template".to_owned(),
            options.release.to_owned(),
            workspace.path(&chart).display().to_string(),
            format!("--namespace={}", request.namespace.as_deref().unwrap_or("default")),
            "--include-crds".to_owned(),
        ];
        if let Some(version) = &request.capabilities.kubernetes_version {
            arguments.push(format!("--kube-version={version}"));
        }
        arguments.extend(request.capabilities.api_versions.iter().map(|version| format!("--api-versions={version}")));
        for value_file in self.value_files(&options, tree, &chart, &mut workspace)? {
            arguments.push(format!("--values={value_file}"));
        }
        let home = workspace.home();
        let invocation = Invocation { program, path, arguments, directory: workspace.root(), home: &home };
        let printed = invocation.run(&self.process, cancel).map_err(|error| workspace.clean(error).at(place()))?;

        let sources = Sources::read(&printed, tree, &chart);
        let objects = output::read(program, &printed, &self.yaml, |line| Place::file(sources.of(line).clone()))?;
        Ok(Rendering::new(objects, workspace.into_inputs()))
    }

    /// Writes the value files down, under names without meaning: Helm splits its options at commas.
    fn value_files(
        &self,
        options: &Options<'_>,
        tree: &dyn Tree,
        chart: &TreePath,
        workspace: &mut Workspace<'_>,
    ) -> Result<Vec<String>, Problems> {
        let (mut written, mut errors) = (Vec::new(), Vec::new());
        for name in &options.value_files {
            let missing = |why: &str| {
                Error::new(ErrorKind::NotFound, format!("the value file {name:?} {why}"))
                    .at(Place::file(chart.clone()))
                    .help("name a file of the same repository, by its path below the chart, or from the root with a leading /")
            };
            let path = if name.starts_with('/') { TreePath::parse(name) } else { chart.join(name) };
            let resolved = match path.and_then(|path| resolve(tree, &path)) {
                Ok(resolved) => resolved,
                Err(error) => {
                    errors.push(missing("is not in the tree").caused_by(error));
                    continue;
                }
            };
            let Some(entry) = resolved.entry.as_ref().filter(|entry| entry.kind == EntryKind::File) else {
                errors.push(missing("is not there"));
                continue;
            };
            workspace.note(&resolved);
            match tree.read(&entry.path, self.tree.file_bytes) {
                Ok(bytes) => written.push(workspace.extra(&format!("{}.yaml", written.len()), &bytes)?),
                Err(error) => errors.push(error.at(Place::file(entry.path.clone()))),
            }
        }
        if let Some(values) = options.values {
            written.push(workspace.extra("inline.yaml", &values.to_json())?);
        }
        Problems::check(errors)?;
        Ok(written)
    }

    /// Helm would say that a dependency is missing, but not what to do about it here.
    fn check_dependencies(&self, tree: &dyn Tree, chart: &TreePath) -> Result<(), Problems> {
        let mut errors = Vec::new();
        let vendored = vendored(tree, chart)?;
        // Charts of version 1 have their dependencies in a file of their own.
        for (name, required) in [("Chart.yaml", true), ("requirements.yaml", false)] {
            let file = chart.join(name)?;
            let Some(entry) = resolve(tree, &file)?.entry.filter(|entry| entry.kind == EntryKind::File) else {
                if required {
                    errors.push(
                        Error::new(ErrorKind::NotFound, "this directory holds no Chart.yaml").at(Place::file(file)),
                    );
                }
                continue;
            };
            let bytes =
                tree.read(&entry.path, self.tree.file_bytes).map_err(|error| error.at(Place::file(file.clone())))?;
            let documents =
                yaml::decode(&bytes).map_err(|error| vec![error]).and_then(|text| yaml::parse(&text, &self.yaml));
            match documents {
                Ok(documents) => {
                    let dependencies = documents.iter().flat_map(|document| document.value.items(["dependencies"]));
                    for dependency in dependencies.take(MOST_DEPENDENCIES) {
                        let Some(name) = dependency.text(["name"]) else { continue };
                        if !vendored.iter().any(|file| is_chart(file, name)) {
                            errors.push(missing_dependency(name, dependency).at(Place::file(file.clone())));
                        }
                    }
                }
                Err(found) => errors.extend(found.into_iter().map(|error| error.in_file(&file))),
            }
        }
        Problems::check(errors)
    }
}

/// The names in `charts/`.
fn vendored(tree: &dyn Tree, chart: &TreePath) -> Result<Vec<String>> {
    let charts = resolve(tree, &chart.join("charts")?)?;
    let Some(charts) = charts.entry.filter(|entry| entry.kind == EntryKind::Directory) else { return Ok(Vec::new()) };
    Ok(tree.list(&charts.path)?.iter().map(|entry| entry.path.file_name().to_owned()).collect())
}

/// Whether a file or directory in `charts/` is, by its name, this chart.
fn is_chart(file: &str, name: &str) -> bool {
    file == name || file.strip_prefix(name).is_some_and(|rest| rest.starts_with('-') && rest.ends_with(".tgz"))
}

fn missing_dependency(name: &str, dependency: &Value) -> Error {
    let from = match dependency.text(["repository"]).filter(|repository| !repository.is_empty()) {
        // Without a user and a password.
        Some(repository) => {
            format!(" (from {})", repository.rsplit_once('@').map_or(repository, |(_, repository)| repository))
        }
        None => String::new(),
    };
    let message = format!("the dependency {name:?}{from} is not in charts/, and nothing is fetched");
    Error::new(ErrorKind::Refused, message).help("run `helm dependency update` and commit the directory charts/")
}

/// The parameters of a request.
struct Options<'a> {
    release: &'a str,
    value_files: Vec<&'a str>,
    values: Option<&'a Value>,
}

impl<'a> Options<'a> {
    fn read(request: &'a GenerateRequest) -> Result<Self, Problems> {
        let mut parameters = Parameters::new("helm", &request.parameters, &["releaseName", "valueFiles", "values"]);
        let release = parameters.text("releaseName").unwrap_or(&request.name);
        let value_files = parameters.texts("valueFiles").unwrap_or_default();
        let values = parameters.map("values");
        if !is_release_name(release) {
            parameters.report(
                Error::new(ErrorKind::InvalidInput, format!("{release:?} is not a name for a Helm release")).help(
                    "use 1 to 53 lower-case letters, digits, dashes and dots, with a letter or digit at both ends",
                ),
            );
        }
        Problems::check(parameters.into_errors())?;
        Ok(Self { release, value_files, values })
    }
}

/// [Helm's own rule](https://github.com/helm/helm/blob/v3.17.0/pkg/chartutil/validate_name.go); it also keeps a name
/// from being read as an option.
fn is_release_name(name: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part = |part: &str| match part.as_bytes() {
        [only] => inner(*only),
        [first, middle @ .., last] => inner(*first) && inner(*last) && middle.iter().all(|c| inner(*c) || *c == b'-'),
        [] => false,
    };
    name.len() <= 53 && name.split('.').all(part)
}

/// Which template each line of the output comes from, by the comments that Helm writes.
struct Sources {
    chart_file: TreePath,
    /// The line of each comment, and the template, in the order of the output.
    comments: Vec<(u32, TreePath)>,
}

impl Sources {
    fn read(printed: &[u8], tree: &dyn Tree, chart: &TreePath) -> Self {
        let chart_file = chart.join("Chart.yaml").unwrap_or_else(|_| chart.clone());
        let mut comments = Vec::new();
        let mut after_separator = false;
        for (line, number) in printed.split(|byte| *byte == b'\n').zip(1_u32..) {
            // Anywhere else it may be part of a text.
            if after_separator
                && let Some(source) = line.strip_prefix(b"# Source: ")
                && let Ok(source) = std::str::from_utf8(source)
            {
                // The first part is the name of the chart. What comes from a package is in no file of the tree.
                let template = source.trim().split_once('/').and_then(|(_, below)| chart.join(below).ok());
                let template = template.filter(|path| {
                    let found = resolve(tree, path).ok().and_then(|resolved| resolved.entry);
                    found.is_some_and(|entry| entry.kind == EntryKind::File)
                });
                comments.push((number, template.unwrap_or_else(|| chart_file.clone())));
            }
            after_separator = line.starts_with(b"---");
        }
        Self { chart_file, comments }
    }

    fn of(&self, line: u32) -> &TreePath {
        let before = self.comments.partition_point(|(comment, _)| *comment <= line);
        before.checked_sub(1).and_then(|at| self.comments.get(at)).map_or(&self.chart_file, |(_, template)| template)
    }
}

#[async_trait]
impl Generator for HelmGenerator {
    fn name(&self) -> &str {
        "helm"
    }

    /// A directory with a `Chart.yaml`.
    fn detects(&self, tree: &dyn Tree, path: &TreePath) -> Result<bool> {
        let file = resolve(tree, &path.join("Chart.yaml")?)?;
        Ok(file.entry.is_some_and(|entry| entry.kind == EntryKind::File))
    }

    async fn generate(&self, request: GenerateRequest) -> Result<Rendering, Problems> {
        let generator = self.clone();
        blocking::run(move |cancel| generator.render_until(&request, cancel)).await
    }
}

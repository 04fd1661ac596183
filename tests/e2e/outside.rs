//! What comes from outside of the repository: sample data, and the programs that render some of it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use gitops_engine::git::write::Change;
use gitops_engine::manifest::{Program, Programs};

/// Says, where nobody can overlook it, that a test did not run; an error for those who asked for all of them.
#[expect(clippy::explicit_write, reason = "the output of tests that pass is captured, and this one passes")]
fn not_run(why: &str) {
    assert!(std::env::var_os("GITOPS_ENGINE_E2E_STRICT").is_none(), "NOT RUN: {why}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    writeln!(std::io::stderr(), "NOT RUN: {test}: {why}").unwrap();
}

/// A folder with real manifests of other projects, as they are.
pub(crate) struct Data(PathBuf);

impl Data {
    /// The folder that `GITOPS_ENGINE_SHARED_DATA` names, or the one beside the repository.
    pub(crate) fn find() -> Option<Self> {
        const VARIABLE: &str = "GITOPS_ENGINE_SHARED_DATA";
        let folder = match std::env::var_os(VARIABLE) {
            Some(named) => PathBuf::from(named),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        };
        if folder.is_dir() {
            return Some(Self(folder));
        }
        not_run(&format!("there is no sample data at {}: name its folder with {VARIABLE}", folder.display()));
        None
    }

    /// Everything below a folder, for a commit. The same paths, without `strip` before them.
    pub(crate) fn import(&self, strip: &str, path: &str) -> Vec<Change> {
        let root = self.0.join(strip);
        let mut changes = Vec::new();
        let mut todo = vec![root.join(path)];
        while let Some(path) = todo.pop() {
            if path.is_dir() {
                todo.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            changes.push(Change::file(name, std::fs::read(&path).unwrap()).unwrap());
        }
        assert!(!changes.is_empty(), "{} is empty", root.display());
        changes
    }

    /// The text of a file.
    pub(crate) fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.join(path)).unwrap()
    }
}

/// The first of these programs that is found: by its variable (`GITOPS_ENGINE_TEST_HELM` and so on), or in `PATH`.
pub(crate) fn programs(wanted: &[Program]) -> Option<Programs> {
    let variable = |program: &Program| format!("GITOPS_ENGINE_TEST_{}", program.name().to_uppercase());
    for program in wanted {
        let named = std::env::var_os(variable(program)).filter(|path| !path.is_empty()).map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut found = std::env::split_paths(&path).map(|folder| folder.join(program.name()));
        if let Some(path) = named.or_else(|| found.find(|path| path.is_absolute() && path.is_file())) {
            return Some(Programs::none().allow(*program, path));
        }
    }
    let names: Vec<_> = wanted.iter().map(|program| format!("{program} ({})", variable(program))).collect();
    not_run(&format!("none of these programs is there: {}", names.join(", ")));
    None
}

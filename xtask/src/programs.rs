//! Programs of others that the end-to-end suite renders manifests with: built once with Go, from fixed versions.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use gitops_engine_testkit::control_plane::cache_folder;

/// A program, and the variable that names another one in its place.
struct Program {
    name: &'static str,
    variable: &'static str,
    package: &'static str,
    version: &'static str,
}

const PROGRAMS: [Program; 2] = [
    Program {
        name: "kustomize",
        variable: "GITOPS_ENGINE_TEST_KUSTOMIZE",
        package: "sigs.k8s.io/kustomize/kustomize/v5",
        version: "v5.8.2",
    },
    Program {
        name: "helm",
        variable: "GITOPS_ENGINE_TEST_HELM",
        package: "helm.sh/helm/v3/cmd/helm",
        version: "v3.22.0",
    },
];

/// The programs that no variable names, built now where they have to be: each variable with its path.
pub(crate) fn install() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let missing =
        PROGRAMS.iter().filter(|program| std::env::var_os(program.variable).is_none_or(|path| path.is_empty()));
    missing.map(|program| Ok((program.variable, program.install()?))).collect()
}

impl Program {
    fn install(&self) -> anyhow::Result<PathBuf> {
        let Self { name, variable, package, version } = self;
        let folder = cache_folder()?.join("programs");
        let path = folder.join(format!("{name}-{version}"));
        if path.is_file() {
            return Ok(path);
        }
        eprintln!("building {name} {version} into {}: about a minute, once", folder.display());
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        // Whole or not at all, whoever else builds it at the same time.
        let unfinished =
            tempfile::tempdir_in(&folder).with_context(|| format!("cannot write to {}", folder.display()))?;
        let status = Command::new("go")
            .args(["install", "-trimpath", &format!("{package}@{version}")])
            .env("GOBIN", unfinished.path())
            .env("GOFLAGS", "")
            .env("GOWORK", "off")
            .env("CGO_ENABLED", "0")
            .current_dir(unfinished.path())
            .stdin(Stdio::null())
            .status()
            .with_context(|| format!("cannot run `go`: install Go 1.26, or name a {name} with {variable}"))?;
        if !status.success() {
            bail!("`go install {package}@{version}` failed; name a {name} with {variable} instead");
        }
        let built = unfinished.path().join(name);
        fs::rename(&built, &path).with_context(|| format!("cannot rename {}", built.display()))?;
        Ok(path)
    }
}

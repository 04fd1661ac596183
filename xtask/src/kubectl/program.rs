//! Where kubectl comes from.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use gitops_engine_testkit::control_plane::cache_folder;

use crate::cargo::root;

const VARIABLE: &str = "GITOPS_ENGINE_TEST_KUBECTL";
/// What `tools/kubectl/go.mod` pins.
const VERSION: &str = "v1.36.3";

/// The one that the variable names; or one of the right minor version beside the control plane's programs or in `PATH`;
/// or one that is built now, once.
pub(super) fn find() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(named);
        ensure!(fits(&path), "{VARIABLE}: {} is not a kubectl of version {}", path.display(), minor());
        return Ok(path);
    }
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = assets.into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join("kubectl"));
    let built = cache_folder()?.join("programs").join(format!("kubectl-{VERSION}"));
    let mut candidates = std::iter::once(built.clone()).chain(found);
    match candidates.find(|path| path.is_file() && fits(path)) {
        Some(path) => Ok(path),
        None => build(&built).map(|()| built),
    }
}

/// `v1.36`.
fn minor() -> &'static str {
    VERSION.rsplit_once('.').map_or(VERSION, |(minor, _)| minor)
}

fn fits(path: &Path) -> bool {
    let output = Command::new(path).args(["version", "--client", "--output=json"]).stdin(Stdio::null()).output();
    let version = output.ok().and_then(|o| serde_json::from_slice::<serde_json::Value>(&o.stdout).ok());
    let text = version.as_ref().and_then(|v| v["clientVersion"]["gitVersion"].as_str());
    text.is_some_and(|v| v.strip_prefix(minor()).is_some_and(|rest| rest.starts_with('.')))
}

fn build(path: &Path) -> anyhow::Result<()> {
    let folder = path.with_file_name("");
    eprintln!(
        "building kubectl {VERSION} into {}: half a minute beside a control plane that was built here, some minutes \
         without, once",
        folder.display()
    );
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Whole or not at all, whoever else builds it at the same time.
    let unfinished = tempfile::tempdir_in(&folder).with_context(|| format!("cannot write to {}", folder.display()))?;
    let program = unfinished.path().join("kubectl");
    let package = "k8s.io/component-base/version";
    let (_, minor) = minor().split_once('.').unwrap_or_default();
    // The flags of the control plane: Go then builds what both share once.
    let status = Command::new("go")
        .args(["build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags"])
        .arg(format!(
            "-s -w -X {package}.gitVersion={VERSION} -X {package}.gitMajor=1 -X {package}.gitMinor={minor} \
             -X {package}.gitTreeState=clean"
        ))
        .arg("-o")
        .arg(&program)
        .arg(".")
        .current_dir(root().join("tools/kubectl"))
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run `go`: install Go 1.26, or name a kubectl with {VARIABLE}"))?;
    if !status.success() {
        bail!("`go build` failed in tools/kubectl; name a kubectl with {VARIABLE} instead");
    }
    std::fs::rename(&program, path).with_context(|| format!("cannot rename {}", program.display()))
}

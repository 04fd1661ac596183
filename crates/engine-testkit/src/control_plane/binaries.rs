//! Where the programs come from: a folder that is named, or one build per checksum of the sources.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ControlPlaneError;

/// The programs of a control plane, in the order in which they are started.
pub(super) const COMPONENTS: [&str; 5] =
    ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"];

/// What is compiled: bump together with `go.mod`.
const KUBERNETES: &str = "v1.36.3";

/// The programs of a control plane: see [`find`](ControlPlaneBinaries::find).
#[derive(Clone, Debug)]
pub struct ControlPlaneBinaries {
    folder: PathBuf,
}

/// What is known of the programs before anything is built.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BinariesState {
    /// They are there.
    Ready(ControlPlaneBinaries),
    /// [`ControlPlaneBinaries::find`] will build them: some minutes, once.
    MustBuild {
        /// Where they will be kept.
        folder: PathBuf,
    },
}

impl ControlPlaneBinaries {
    /// Finds the programs: the folder named by `KUBEBUILDER_ASSETS`, or else the ones built from
    /// `tools/control-plane` into `$GITOPS_ENGINE_CACHE/control-plane/<checksum>` (without the variable:
    /// `gitops-engine` in the user's cache folder), which are built now when they are not there.
    /// The build takes some four minutes of two cores, once; several processes may ask at the same time.
    ///
    /// # Errors
    /// [`ControlPlaneError::Unavailable`] without such a folder and without Go or the sources;
    /// [`ControlPlaneError::IncompleteAssets`]; [`ControlPlaneError::Build`].
    pub fn find() -> Result<Self, ControlPlaneError> {
        match Self::look()? {
            BinariesState::Ready(binaries) => Ok(binaries),
            BinariesState::MustBuild { folder } => build(&sources()?, &folder),
        }
    }

    /// Says whether [`find`](Self::find) would build, without building.
    ///
    /// # Errors
    /// As [`find`](Self::find), except for failed builds.
    pub fn look() -> Result<BinariesState, ControlPlaneError> {
        if let Some(folder) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|v| !v.is_empty()) {
            return Self::in_folder(folder.into()).map(BinariesState::Ready);
        }
        let sources = sources()?;
        let folder = cache_folder()?.join("control-plane").join(key(&sources)?);
        if complete(&folder) {
            // Go itself is not needed any more.
            return Ok(BinariesState::Ready(Self { folder }));
        }
        find_go(&sources)?;
        Ok(BinariesState::MustBuild { folder })
    }

    /// The programs of one folder, by their own names.
    ///
    /// # Errors
    /// [`ControlPlaneError::IncompleteAssets`] names the ones that are not there.
    pub fn in_folder(folder: PathBuf) -> Result<Self, ControlPlaneError> {
        let folder = absolute(folder)?;
        let missing: Vec<String> =
            COMPONENTS.iter().filter(|name| !folder.join(name).is_file()).map(|name| (*name).to_owned()).collect();
        if missing.is_empty() {
            Ok(Self { folder })
        } else {
            Err(ControlPlaneError::IncompleteAssets { folder, missing })
        }
    }

    /// The folder: a value for `KUBEBUILDER_ASSETS`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self, component: &str) -> PathBuf {
        self.folder.join(component)
    }
}

/// Programs run in folders of their own, where a relative path leads elsewhere.
pub(super) fn absolute(folder: PathBuf) -> Result<PathBuf, ControlPlaneError> {
    std::path::absolute(&folder).map_err(ControlPlaneError::io(format!("make {} absolute", folder.display())))
}

fn complete(folder: &Path) -> bool {
    COMPONENTS.iter().all(|name| folder.join(name).is_file())
}

/// `tools/control-plane` of the repository that this crate was compiled in. A crate from a registry has none.
fn sources() -> Result<PathBuf, ControlPlaneError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/control-plane");
    folder.canonicalize().map_err(|_| ControlPlaneError::Unavailable {
        reason: format!("KUBEBUILDER_ASSETS is not set and there are no sources at {}", folder.display()),
    })
}

/// Where what is built once is kept: `$GITOPS_ENGINE_CACHE`, or else `gitops-engine` in the user's cache folder
/// (`$XDG_CACHE_HOME`, `~/.cache`). It can be removed at any time.
///
/// # Errors
/// [`ControlPlaneError::Unavailable`] where none of these variables is set.
pub fn cache_folder() -> Result<PathBuf, ControlPlaneError> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = named("GITOPS_ENGINE_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("gitops-engine")))
        .or_else(|| named("HOME").map(|folder| folder.join(".cache/gitops-engine")))
        .ok_or_else(|| ControlPlaneError::Unavailable {
            reason: "there is no cache folder: GITOPS_ENGINE_CACHE, XDG_CACHE_HOME and HOME are not set".to_owned(),
        })?;
    absolute(folder)
}

/// Makes sure that there is a Go that can read the sources.
fn find_go(sources: &Path) -> Result<(), ControlPlaneError> {
    let unavailable = |reason: String| ControlPlaneError::Unavailable { reason };
    let output = Command::new("go")
        .args(["env", "GOVERSION"])
        .current_dir(sources)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => unavailable("KUBEBUILDER_ASSETS is not set and there is no `go` in PATH".to_owned()),
            _ => unavailable(format!("`go` cannot be started: {error}")),
        })?;
    if output.status.success() {
        return Ok(());
    }
    // A Go that is too old says here which one it wants.
    let said = String::from_utf8_lossy(&output.stderr);
    Err(unavailable(format!("`go env` failed: {}", said.trim())))
}

/// One name for everything that the programs are made from.
fn key(sources: &Path) -> Result<String, ControlPlaneError> {
    let mut files = BTreeMap::new();
    for folder in [sources.to_owned(), sources.join("kwok")] {
        let reading = || format!("read {}", folder.display());
        for entry in fs::read_dir(&folder).map_err(ControlPlaneError::io(reading()))? {
            let path = entry.map_err(ControlPlaneError::io(reading()))?.path();
            let counts = path.extension().is_some_and(|kind| kind == "go" || kind == "mod" || kind == "sum");
            if counts {
                let content = fs::read(&path).map_err(ControlPlaneError::io(format!("read {}", path.display())))?;
                files.insert(path, content);
            }
        }
    }
    // Not a secret and not shared between machines: any stable checksum without collisions by chance does.
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for part in [std::env::consts::OS, std::env::consts::ARCH, &ldflags()] {
        digest.update(part.as_bytes());
    }
    for (path, content) in &files {
        let name = path.strip_prefix(sources).unwrap_or(path).to_string_lossy();
        for part in [name.as_bytes(), content] {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    Ok(digest.finish().as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Without the version the server says `v0.0.0-master+$Format:%H$`, which kubectl cannot parse.
fn ldflags() -> String {
    let mut numbers = KUBERNETES.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let package = "k8s.io/component-base/version";
    format!(
        "-s -w -X {package}.gitVersion={KUBERNETES} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} \
         -X {package}.gitTreeState=clean"
    )
}

fn build(sources: &Path, folder: &Path) -> Result<ControlPlaneBinaries, ControlPlaneError> {
    let io = |doing: &str, path: &Path| ControlPlaneError::io(format!("{doing} {}", path.display()));
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(io("create", parent))?;

    // One build at a time; whoever waited finds it done.
    let lock_path = folder.with_extension("lock");
    let lock = File::create(&lock_path).map_err(io("create", &lock_path))?;
    lock.lock().map_err(io("lock", &lock_path))?;
    if complete(folder) {
        return Ok(ControlPlaneBinaries { folder: folder.to_owned() });
    }

    tracing::info!(folder = %folder.display(), "building the control plane; this takes some minutes, once");
    let unfinished = folder.with_extension("unfinished");
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(io("remove", &unfinished)(error));
        }
        _ => {}
    }
    fs::create_dir_all(&unfinished).map_err(io("create", &unfinished))?;
    go_build(&sources.join("kwok"), "-s -w", &unfinished.join("kwok"), "sigs.k8s.io/kwok/cmd/kwok")?;
    go_build(sources, &ldflags(), &unfinished.join("control-plane"), ".")?;
    for name in COMPONENTS.iter().filter(|name| **name != "kwok") {
        let link = unfinished.join(name);
        // The program looks at the name that it was called by.
        std::os::unix::fs::symlink("control-plane", &link).map_err(io("link", &link))?;
    }
    fs::rename(&unfinished, folder).map_err(io("rename", &unfinished))?;
    ControlPlaneBinaries::in_folder(folder.to_owned())
}

fn go_build(sources: &Path, ldflags: &str, output: &Path, package: &str) -> Result<(), ControlPlaneError> {
    let mut command = Command::new("go");
    command
        .args(["build", "-trimpath", "-buildvcs=false", "-mod=readonly"])
        .args(["-ldflags", ldflags])
        .arg("-o")
        .arg(output)
        .arg(package)
        .current_dir(sources)
        .env("GOWORK", "off")
        .stdin(Stdio::null());
    let text = format!("{command:?}");
    let result = command.output().map_err(ControlPlaneError::io(format!("run {text}")))?;
    if result.status.success() {
        return Ok(());
    }
    let printed = String::from_utf8_lossy(&result.stderr);
    Err(ControlPlaneError::Build {
        command: text,
        folder: sources.to_owned(),
        output: super::process::last_lines(&printed, 30),
    })
}

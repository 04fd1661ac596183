//! Programs that the embedder allows, and their bounds.

mod helm;
mod kustomize;
mod output;
mod process;
mod workspace;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gitops_engine_core::{Error, ErrorKind};

pub use helm::HelmGenerator;
pub use kustomize::KustomizeGenerator;

/// A program that a generator knows how to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Program {
    /// [`kustomize`](https://github.com/kubernetes-sigs/kustomize), run as `kustomize build`.
    Kustomize,
    /// `kubectl`, run as `kubectl kustomize`. It talks to no cluster.
    Kubectl,
    /// [`helm`](https://helm.sh), version 3 or later, run as `helm template`. It talks to no cluster.
    Helm,
}

impl Program {
    /// The usual name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kustomize => "kustomize",
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The programs that generators may start: none, unless the embedder allows them one by one, each by its very path.
///
/// `PATH` is never searched: who can write to a directory on it would choose what runs.
///
/// ```
/// use gitops_engine_manifest::{Program, Programs};
///
/// let programs = Programs::none().allow(Program::Kubectl, "/usr/bin/kubectl");
/// assert!(programs.path(Program::Kubectl).is_some());
/// assert!(programs.path(Program::Helm).is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs(BTreeMap<Program, PathBuf>);

impl Programs {
    /// No program at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Allows one program, at an absolute path.
    #[must_use]
    pub fn allow(mut self, program: Program, path: impl Into<PathBuf>) -> Self {
        self.0.insert(program, path.into());
        self
    }

    /// Where an allowed program is.
    pub fn path(&self, program: Program) -> Option<&Path> {
        self.0.get(&program).map(PathBuf::as_path)
    }

    /// The first of these programs that is allowed, or an error that says how to allow one.
    fn choose(&self, wanted: &[Program]) -> Result<(Program, &Path), Error> {
        let Some((program, path)) = wanted.iter().find_map(|program| Some((*program, self.path(*program)?))) else {
            let names: Vec<_> = wanted.iter().map(|program| program.name()).collect();
            let ways: Vec<_> = wanted
                .iter()
                .map(|program| format!("`Programs::none().allow(Program::{program:?}, \"/usr/local/bin/{program}\")`"))
                .collect();
            let message = format!("rendering this needs the program {}, which is not allowed", names.join(" or "));
            return Err(Error::new(ErrorKind::Refused, message).help(format!(
                "allow it where the generator is made, with the path it has there: {}",
                ways.join(" or ")
            )));
        };
        if !path.is_absolute() {
            let message = format!("{program} is allowed as {}, which is not an absolute path", path.display());
            return Err(Error::new(ErrorKind::InvalidInput, message).help("PATH is not searched: give the whole path"));
        }
        Ok((program, path))
    }
}

/// Bounds on one run of a program. At each of them the program and all that it started is killed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessLimits {
    /// How long it may take.
    pub time: Duration,
    /// How many bytes it may print.
    pub output_bytes: usize,
    /// How many bytes of memory (private and writable, [`RLIMIT_DATA`](https://man7.org/linux/man-pages/man2/getrlimit.2.html))
    /// each of its processes may have. Linux only.
    pub memory_bytes: u64,
}

impl Default for ProcessLimits {
    /// 90 seconds (as in Argo CD), 32 MiB of output, 2 GiB of memory.
    fn default() -> Self {
        Self { time: Duration::from_secs(90), output_bytes: 32 << 20, memory_bytes: 2 << 30 }
    }
}

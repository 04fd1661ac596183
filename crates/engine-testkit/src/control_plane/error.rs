use std::path::PathBuf;
use std::time::Duration;

/// Why there is no control plane.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlPlaneError {
    /// Nothing to start it from. Tests that get this did not run, and should say so loudly.
    #[error(
        "the real control plane cannot run here: {reason}. Set KUBEBUILDER_ASSETS to a folder with \
         etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok, or install Go 1.26 or newer to build them"
    )]
    Unavailable {
        /// What was looked for and not found.
        reason: String,
    },
    /// The folder named by `KUBEBUILDER_ASSETS` lacks programs. (What `setup-envtest` installs has neither
    /// controllers nor a scheduler.)
    #[error("KUBEBUILDER_ASSETS={} has no {}: add them, or unset the variable to build all of them with Go", folder.display(), missing.join(", "))]
    IncompleteAssets {
        /// The folder that was named.
        folder: PathBuf,
        /// The programs that are not in it.
        missing: Vec<String>,
    },
    /// `go build` failed.
    #[error("building the control plane failed: `{command}` in {}: {output}", folder.display())]
    Build {
        /// The command.
        command: String,
        /// Where it ran.
        folder: PathBuf,
        /// The end of what it printed.
        output: String,
    },
    /// A component ended by itself.
    #[error("{component} ended while the control plane started ({status}); the end of its log:\n{log}")]
    Exited {
        /// Its name.
        component: String,
        /// How it ended.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// Something did not come up in time.
    #[error("waited {} s for {what}{}", waited.as_secs(), if detail.is_empty() { String::new() } else { format!(": {detail}") })]
    NotReady {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// The last answer, and the end of the log of the component that should have answered.
        detail: String,
    },
    /// A file or a process could not be handled.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried, with the path.
        doing: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The API server refused what the harness needs, or could not be asked.
    #[error("cannot {doing}: {source}")]
    Api {
        /// What was tried.
        doing: String,
        /// The client's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ControlPlaneError {
    /// True when nothing is broken: this machine just has no control plane to offer. Such tests did not run;
    /// whoever counts them decides whether that is acceptable.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    pub(super) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    pub(super) fn api<E>(doing: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let doing = doing.into();
        move |source| Self::Api { doing, source: source.into() }
    }
}

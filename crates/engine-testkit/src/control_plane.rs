//! A real Kubernetes control plane for the tests that must not trust the in-process API of this crate.
//!
//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler, and [KWOK](https://kwok.sigs.k8s.io)
//! in place of the kubelets: the whole chain is real except for containers. On loopback, with free ports
//! and a fresh folder, gone when the [`ControlPlane`] is dropped, also when the test panics or is killed.
//!
//! The programs come from the folder named by `KUBEBUILDER_ASSETS`, or are built once with Go: see
//! [`ControlPlaneBinaries::find`]. On a machine with neither, [`ControlPlaneError::is_unavailable`] tells
//! that a test did not run:
//!
//! ```no_run
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! use gitops_engine_testkit::control_plane::{ControlPlane, ControlPlaneUser};
//!
//! let plane = match ControlPlane::start().await {
//!     Err(error) if error.is_unavailable() => panic!("did not run: {error}"),
//!     other => other?,
//! };
//! let client = plane.client(ControlPlaneUser::Admin).await?;
//! println!("KUBECONFIG={}", plane.kubeconfig_path(ControlPlaneUser::Admin).display());
//! # drop(client); Ok(()) }
//! ```
//!
//! Starting takes some seconds and 700 MB. Tests of one program may share one in a `static`: it ends with the
//! process, since everything does that this one started. Each makes its own [`client`](ControlPlane::client) then.
//!
//! # Pods
//! There is one node. A Pod is ready at once; one whose containers are meant to end (`restartPolicy`
//! other than `Always`) has then succeeded. The annotation [`POD_ANNOTATION`] on a Pod asks for less luck:
//! `slow`, `never-ready`, `crash-looping`, `image-missing`, `failing`; [`POD_DELAY_ANNOTATION`] (`500ms`, `10s`)
//! says how long the first and the last take.
//!
//! # What the harness plays
//! Only what no control plane has: an address for Services of type LoadBalancer and for Ingresses, and a
//! volume for every claim (the default StorageClass is `standard`).

mod binaries;
mod boot;
mod error;
mod process;
mod requests;
mod services;
mod settings;

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

pub use self::binaries::{BinariesState, ControlPlaneBinaries, cache_folder};
use self::boot::Repeating;
pub use self::error::ControlPlaneError;
pub use self::requests::ControlPlaneRequest;
pub use self::settings::ControlPlaneUser;

/// On a Pod (in the template of its owner): how it fares. See the [module](self).
pub const POD_ANNOTATION: &str = "testkit.gitops-engine.dev/pod";
/// On a Pod: how long that takes, as `500ms` or `10s`.
pub const POD_DELAY_ANNOTATION: &str = "testkit.gitops-engine.dev/pod-delay";

/// Ports are chosen before they are used; how often to choose again when somebody else was faster.
const ATTEMPTS: usize = 3;

/// A running control plane. Dropping it ends every process and removes its folder.
pub struct ControlPlane {
    facts: Facts,
    /// Closing this ends the thread that owns the processes.
    stop: Option<oneshot::Sender<()>>,
    owner: Option<JoinHandle<()>>,
}

/// What the owning thread tells about the cluster it started.
struct Facts {
    folder: PathBuf,
    url: String,
    admin: KubeconfigOf,
    restricted: KubeconfigOf,
    audit_log: PathBuf,
    etcd: String,
}

struct KubeconfigOf {
    path: PathBuf,
    text: String,
}

impl ControlPlane {
    /// Starts one with the usual settings.
    ///
    /// # Errors
    /// [`ControlPlaneError`], with the log of the component that did not come up.
    pub async fn start() -> Result<Self, ControlPlaneError> {
        Self::builder().start().await
    }

    /// Starts one with other settings.
    #[must_use]
    pub fn builder() -> ControlPlaneBuilder {
        ControlPlaneBuilder { binaries: None, limit: Duration::from_secs(120), folder: None, parts: Parts::Everything }
    }

    /// A new client, which belongs to the runtime that it is made in.
    ///
    /// # Errors
    /// [`ControlPlaneError::Api`].
    pub async fn client(&self, user: ControlPlaneUser) -> Result<kube::Client, ControlPlaneError> {
        boot::client(self.kubeconfig(user), Repeating::AsUsual).await
    }

    /// The same, but it shows every answer: kube's usual client repeats requests that are answered with 429, 503 or 504.
    ///
    /// # Errors
    /// [`ControlPlaneError::Api`].
    pub async fn plain_client(&self, user: ControlPlaneUser) -> Result<kube::Client, ControlPlaneError> {
        boot::client(self.kubeconfig(user), Repeating::Never).await
    }

    /// The text of a kubeconfig. It holds a token that is worth nothing once this is dropped.
    #[must_use]
    pub fn kubeconfig(&self, user: ControlPlaneUser) -> &str {
        &self.of(user).text
    }

    /// The same as a file, for programs with a KUBECONFIG variable.
    #[must_use]
    pub fn kubeconfig_path(&self, user: ControlPlaneUser) -> &Path {
        &self.of(user).path
    }

    /// Where the API server listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.facts.url
    }

    /// The folder of this control plane, with a log for each component.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.facts.folder
    }

    /// Every request that a [`ControlPlaneUser`] has made until now, from the server's own audit log, in the
    /// order in which it received them. The harness and the components do not count.
    ///
    /// # Errors
    /// [`ControlPlaneError::Io`] and [`ControlPlaneError::Api`] when the log cannot be read.
    pub fn requests(&self) -> Result<Vec<ControlPlaneRequest>, ControlPlaneError> {
        requests::read(&self.facts.audit_log)
    }

    /// Makes etcd forget everything but the present: what is not in a cache of the API server is `410 Gone` from then on,
    /// old page tokens for one. The API server does the same every five minutes.
    ///
    /// # Errors
    /// [`ControlPlaneError::Api`] when etcd does not answer.
    pub async fn compact(&self) -> Result<(), ControlPlaneError> {
        boot::compact(&self.facts.etcd).await
    }

    fn of(&self, user: ControlPlaneUser) -> &KubeconfigOf {
        match user {
            ControlPlaneUser::Admin => &self.facts.admin,
            ControlPlaneUser::Restricted => &self.facts.restricted,
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(owner) = self.owner.take() {
            // Bounded by the death of five processes that get SIGKILL. A panic of that thread was printed.
            drop(owner.join());
        }
    }
}

/// Without the tokens.
impl std::fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlPlane")
            .field("url", &self.facts.url)
            .field("folder", &self.facts.folder)
            .finish_non_exhaustive()
    }
}

/// How a control plane is started: see [`ControlPlane::builder`].
#[derive(Clone, Debug)]
pub struct ControlPlaneBuilder {
    binaries: Option<ControlPlaneBinaries>,
    limit: Duration,
    folder: Option<PathBuf>,
    parts: Parts,
}

/// Which components run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    Everything,
    ApiServer,
}

impl ControlPlaneBuilder {
    /// etcd and kube-apiserver alone: nothing but requests changes an object. There are no controllers, no scheduler, no
    /// node and no cloud, namespaces have no ServiceAccount unless somebody makes one, and no audit log is kept
    /// ([`ControlPlane::requests`] is empty). The default StorageClass is there.
    #[must_use]
    pub fn api_server_only(mut self) -> Self {
        self.parts = Parts::ApiServer;
        self
    }

    /// Takes these programs, instead of [`ControlPlaneBinaries::find`].
    #[must_use]
    pub fn binaries(mut self, binaries: ControlPlaneBinaries) -> Self {
        self.binaries = Some(binaries);
        self
    }

    /// How long the start may take, without a build: two minutes unless said (three seconds are usual).
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Where its own folder is made: the system's folder for temporary files unless said.
    #[must_use]
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Starts it. Giving up on the future ends what was started.
    ///
    /// # Errors
    /// [`ControlPlaneError`], with the log of the component that did not come up.
    pub async fn start(self) -> Result<ControlPlane, ControlPlaneError> {
        let (starting, answer) = self.spawn()?;
        let answer = answer.await;
        starting.finish(answer)
    }

    /// As [`start`](Self::start), for callers without a runtime.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Panics
    /// When called on an async runtime's thread.
    pub fn start_blocking(self) -> Result<ControlPlane, ControlPlaneError> {
        let (starting, answer) = self.spawn()?;
        let answer = answer.blocking_recv();
        starting.finish(answer)
    }

    /// One thread owns the processes and a runtime for the harness's own work, so that the control plane
    /// belongs to no test's runtime, and a test that panics or blocks does not hold it up.
    fn spawn(self) -> Result<(Starting, oneshot::Receiver<Answer>), ControlPlaneError> {
        let (tell, answer) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let owner = std::thread::Builder::new()
            .name("control-plane".to_owned())
            .spawn(move || own(self, tell, stopped))
            .map_err(ControlPlaneError::io("start a thread for the control plane"))?;
        Ok((Starting { stop: Some(stop), owner: Some(owner) }, answer))
    }
}

type Answer = Result<Facts, ControlPlaneError>;

struct Starting {
    stop: Option<oneshot::Sender<()>>,
    owner: Option<JoinHandle<()>>,
}

impl Starting {
    fn finish(mut self, answer: Result<Answer, oneshot::error::RecvError>) -> Result<ControlPlane, ControlPlaneError> {
        let facts = answer.unwrap_or_else(|_| {
            Err(ControlPlaneError::io("start the control plane")(std::io::Error::other("its thread ended early")))
        })?;
        Ok(ControlPlane { facts, stop: self.stop.take(), owner: self.owner.take() })
    }
}

fn own(builder: ControlPlaneBuilder, tell: oneshot::Sender<Answer>, stopped: oneshot::Receiver<()>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let doing = "start a runtime for the control plane";
            drop(tell.send(Err(ControlPlaneError::io(doing)(error))));
            return;
        }
    };
    runtime.block_on(async {
        // Whatever this is doing when the handle goes away, dropping it ends the processes.
        let work = async {
            match start(&builder).await {
                Err(error) => drop(tell.send(Err(error))),
                Ok((scratch, cluster)) => {
                    let facts = facts(scratch.path(), &cluster);
                    if tell.send(Ok(facts)).is_ok() {
                        match builder.parts {
                            Parts::Everything => Box::pin(services::run(cluster.client.clone())).await,
                            Parts::ApiServer => std::future::pending().await,
                        }
                    }
                    // Before its folder.
                    drop(cluster);
                }
            }
        };
        tokio::select! {
            _ = stopped => {}
            () = work => {}
        }
    });
}

async fn start(builder: &ControlPlaneBuilder) -> Result<(tempfile::TempDir, boot::Cluster), ControlPlaneError> {
    let binaries = match &builder.binaries {
        Some(binaries) => binaries.clone(),
        None => ControlPlaneBinaries::find()?,
    };
    let parent = binaries::absolute(builder.folder.clone().unwrap_or_else(std::env::temp_dir))?;
    for attempt in 1.. {
        let scratch = tempfile::Builder::new()
            .prefix("control-plane-")
            .tempdir_in(&parent)
            .map_err(ControlPlaneError::io(format!("create a folder in {}", parent.display())))?;
        match boot::boot(&binaries, scratch.path(), builder.limit, builder.parts).await {
            Ok(cluster) => return Ok((scratch, cluster)),
            Err(ControlPlaneError::Exited { log, .. })
                if attempt < ATTEMPTS && log.contains("address already in use") => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("the last attempt returns")
}

fn facts(folder: &Path, cluster: &boot::Cluster) -> Facts {
    let settings = &cluster.settings;
    let kubeconfig = |user: ControlPlaneUser| KubeconfigOf {
        path: settings.kubeconfig_path(user.name()),
        text: settings.kubeconfig(user.name(), &cluster.authority),
    };
    Facts {
        folder: folder.to_owned(),
        url: settings.url(),
        admin: kubeconfig(ControlPlaneUser::Admin),
        restricted: kubeconfig(ControlPlaneUser::Restricted),
        audit_log: settings.audit_log(),
        etcd: settings.etcd_url(),
    }
}

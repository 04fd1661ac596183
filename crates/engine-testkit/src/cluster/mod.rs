//! The cluster as tests hold it.

mod builder;
mod control;
mod objects;
mod scripts;
mod yaml;

use std::{fmt, io, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, mpsc};

pub use self::{builder::Builder, yaml::LoadError};
use crate::{
    Server, User,
    clock::Clock,
    controllers,
    fault::WatchEnd,
    http::ApiService,
    record::Recorder,
    state::{Settings, State},
    status::ApiError,
};

pub(crate) struct Inner {
    pub(crate) state: Mutex<State>,
    /// Apart from the state: answers report to it as they end, whoever holds what.
    pub(crate) recorder: Mutex<Recorder>,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) watch_ends: broadcast::Sender<WatchEnd>,
    pub(crate) changed: Arc<Notify>,
    /// Held by the controllers' task while it runs; the task ends when its other side goes with the cluster.
    task: Mutex<Option<mpsc::Sender<()>>>,
}

impl Inner {
    /// Starts the controllers with the first request, when a runtime is there to run them.
    pub(crate) fn ensure_controllers(self: &Arc<Self>) {
        let mut task = self.task.lock();
        if task.as_ref().is_some_and(|t| !t.is_closed()) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (alive, gone) = mpsc::channel(1);
            *task = Some(alive);
            runtime.spawn(controllers::run(Arc::downgrade(self), gone));
        }
    }

    pub(crate) fn wake_controllers(&self) {
        self.changed.notify_one();
    }
}

/// An in-process Kubernetes cluster. Clones are handles to the same one.
///
/// # Example
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use gitops_engine_testkit::Cluster;
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use kube::api::{Api, PostParams};
///
/// let cluster = Cluster::builder().seed(7).build();
/// let api: Api<ConfigMap> = Api::default_namespaced(cluster.client());
/// let mut object = ConfigMap::default();
/// object.metadata.name = Some("settings".into());
/// api.create(&PostParams::default(), &object).await?;
///
/// assert!(cluster.get("configmaps", "default", "settings").is_some());
/// assert_eq!(cluster.requests().last().map(|r| r.verb.clone()).as_deref(), Some("create"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self::builder().build()
    }
}

/// An object that a helper of [`Cluster`] refused.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the test cluster refused {what}: {message}")]
pub struct Refused {
    what: String,
    message: String,
    code: u16,
}

impl Refused {
    /// The HTTP status code that a client would have seen.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    fn new(what: &str, e: &ApiError) -> Self {
        Self { what: what.to_owned(), message: e.message.clone(), code: e.code.as_u16() }
    }
}

impl Cluster {
    /// A client of this cluster, in the namespace `default`. No socket is involved.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime: `kube::Client` starts a task.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        kube::Client::new(ApiService::new(self.inner.clone(), None), "default")
    }

    /// A client of somebody else: a user by name, or a [`User`] with groups, which the cluster remembers.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime: `kube::Client` starts a task.
    #[must_use]
    pub fn client_as(&self, user: impl Into<User>) -> kube::Client {
        let user = self.add_user(user);
        kube::Client::new(ApiService::new(self.inner.clone(), Some(user)), "default")
    }

    /// Serves the cluster on a free loopback port, over HTTP.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn serve(&self) -> io::Result<Server> {
        Server::start(self.clone(), false).await
    }

    /// Serves the cluster on a free loopback port, over HTTPS, with an authority and a key made for this server. Clients
    /// say with a token who they are, as [`Server::kubeconfig_of`] writes it down.
    ///
    /// # Errors
    ///
    /// When no port can be bound, or the system has no randomness for the keys.
    pub async fn serve_https(&self) -> io::Result<Server> {
        Server::start(self.clone(), true).await
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

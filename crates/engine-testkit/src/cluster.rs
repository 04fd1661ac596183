//! The cluster as tests hold it.

use std::{
    fmt, io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{Notify, broadcast, mpsc};

use crate::{
    RequestRecord, Server,
    clock::Clock,
    controllers::{self, Queue},
    fault::{Fault, Faults, Injection, Requests},
    http::ApiService,
    json,
    record::Recorder,
    resources::Registry,
    seed::Seed,
    state::{Settings, State},
    status::ApiError,
    store::Store,
    write::{FieldValidation, Options, Target, create, delete},
};

/// How the watches of a cluster end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchEnd {
    Close,
    Drop,
    Expire,
}

pub(crate) struct Inner {
    pub(crate) state: Mutex<State>,
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
        if !self.settings.controllers {
            return;
        }
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

/// Chooses how a cluster behaves. Every choice has a default that suits a test.
#[derive(Debug, Clone)]
pub struct Builder {
    settings: Settings,
    start: Option<SystemTime>,
    history: usize,
    bare: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            settings: Settings {
                seed: 0,
                controllers: true,
                reaction: Duration::from_millis(1),
                pod_start: Duration::from_millis(5),
                pod_stop: Duration::from_millis(2),
                job_duration: Duration::from_millis(5),
                establish: Duration::from_millis(1),
                body_limit: 3 * 1024 * 1024,
                version: (1, 36),
                bookmark_every: Duration::from_secs(60),
            },
            start: None,
            history: 10_000,
            bare: false,
        }
    }
}

impl Builder {
    /// Where every uid, generated name and chance comes from. Default: 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// When the cluster's clock starts. Default: 2026-01-01T00:00:00Z, so that two runs have equal timestamps. From
    /// there it follows tokio's clock, which a test may pause and advance.
    #[must_use]
    pub fn start_at(mut self, time: SystemTime) -> Self {
        self.start = Some(time);
        self
    }

    /// How long a Pod takes from creation to `Running` and `Ready`. Default: 5 ms.
    #[must_use]
    pub fn pod_start(mut self, duration: Duration) -> Self {
        self.settings.pod_start = duration;
        self
    }

    /// How long a Pod takes to end when it is deleted, at most its grace period. Default: 2 ms.
    #[must_use]
    pub fn pod_stop(mut self, duration: Duration) -> Self {
        self.settings.pod_stop = duration;
        self
    }

    /// How long the Pods of a Job run. Default: 5 ms.
    #[must_use]
    pub fn job_duration(mut self, duration: Duration) -> Self {
        self.settings.job_duration = duration;
        self
    }

    /// How long a CRD takes until it is established. Default: 1 ms.
    #[must_use]
    pub fn establish(mut self, duration: Duration) -> Self {
        self.settings.establish = duration;
        self
    }

    /// How long a controller takes to react to a change. Default: 1 ms.
    #[must_use]
    pub fn reaction(mut self, duration: Duration) -> Self {
        self.settings.reaction = duration;
        self
    }

    /// No controllers: objects stay as they are written. CRDs are established at once and garbage is not collected.
    #[must_use]
    pub fn without_controllers(mut self) -> Self {
        self.settings.controllers = false;
        self
    }

    /// No objects to begin with: not even the `default` namespace.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// How many changes of a collection are remembered; an older resourceVersion or page token is `410 Gone`.
    /// Default: 10,000.
    #[must_use]
    pub fn history(mut self, events: usize) -> Self {
        self.history = events;
        self
    }

    /// How often watches that allow them get bookmarks. Default: a minute.
    #[must_use]
    pub fn bookmarks_every(mut self, duration: Duration) -> Self {
        self.settings.bookmark_every = duration.max(Duration::from_millis(1));
        self
    }

    /// The largest body that is read, in bytes. Default: 3 MiB, as on a real API server.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.settings.body_limit = bytes;
        self
    }

    /// The version that `/version` names. Default: 1.36.
    #[must_use]
    pub fn version(mut self, major: u32, minor: u32) -> Self {
        self.settings.version = (major, minor);
        self
    }

    /// Builds the cluster. Its controllers start with the first request inside a tokio runtime.
    #[must_use]
    pub fn build(self) -> Cluster {
        let state = State {
            store: Store::new(self.history),
            registry: Registry::builtin(),
            seed: Seed::new(self.settings.seed),
            faults: Faults::new(self.settings.seed),
            recorder: Recorder::default(),
            settings: self.settings.clone(),
            queue: Queue::default(),
            next_ip: 9,
            next_port: 0,
        };
        let inner = Arc::new(Inner {
            state: Mutex::new(state),
            clock: Clock::new(self.start),
            settings: self.settings,
            watch_ends: broadcast::Sender::new(16),
            changed: Arc::new(Notify::new()),
            task: Mutex::new(None),
        });
        let cluster = Cluster { inner };
        if !self.bare {
            cluster.bootstrap();
        }
        cluster
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
    /// A builder with defaults that suit a test.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A client of this cluster, in the namespace `default`. No socket is involved.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime: `kube::Client` starts a task.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        kube::Client::new(ApiService::new(self.inner.clone()), "default")
    }

    /// Serves the cluster on a free loopback port.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn serve(&self) -> io::Result<Server> {
        Server::start(self.inner.clone()).await
    }

    fn bootstrap(&self) {
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            let namespace = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            // The store is empty and the object is valid.
            let _created = self.create(namespace);
        }
        let extras = [
            serde_json::json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubernetes", "namespace": "default"},
                "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
            }),
            serde_json::json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
                "provisioner": "testkit.gitops-engine.dev/volume",
            }),
            serde_json::json!({
                "apiVersion": "v1", "kind": "Node", "metadata": {"name": controllers::NODE, "labels": {"kubernetes.io/hostname": controllers::NODE}},
                "spec": {},
            }),
        ];
        for object in extras {
            let _created = self.create(object);
        }
        if self.inner.settings.controllers {
            controllers::settle_bootstrap(&self.inner);
        }
        self.inner.wake_controllers();
    }

    // --- Objects, past the API: what a test prepares and asserts. ---

    /// One object, by any name of its kind (`deploy`, `deployments.apps`, `Deployment`), its namespace (empty for
    /// cluster-scoped objects) and name.
    #[must_use]
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let state = self.inner.state.lock();
        let resource = state.registry.by_any_name(kind)?;
        state.store.get(&resource.gr, namespace, name).map(|s| s.value.clone())
    }

    /// All objects of a kind, in the order of lists.
    #[must_use]
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        let state = self.inner.state.lock();
        let Some(resource) = state.registry.by_any_name(kind) else {
            return Vec::new();
        };
        state.store.objects(&resource.gr, None).into_iter().map(|s| s.value.clone()).collect()
    }

    /// Creates an object as somebody else would, without a request in the log. Namespaced objects without a namespace
    /// go to `default`.
    ///
    /// # Errors
    ///
    /// When the API would refuse it.
    pub fn create(&self, object: Value) -> Result<Value, Refused> {
        let what = format!("{} {}", json::str_at(&object, &["kind"]), json::str_at(&object, &["metadata", "name"]));
        let mut state = self.inner.state.lock();
        let api_version = json::str_at(&object, &["apiVersion"]).to_owned();
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let resource = state.registry.by_kind(group, json::str_at(&object, &["kind"])).cloned();
        let resource = resource.ok_or_else(|| Refused::new(&what, &ApiError::unknown_path()))?;
        let namespace = match json::str_at(&object, &["metadata", "namespace"]) {
            "" if resource.namespaced => "default".to_owned(),
            other => other.to_owned(),
        };
        let target = Target { resource: &resource, version, namespace: &namespace, name: "", subresource: "" };
        let answer =
            create::create(&mut state, target, object, &self.options(), None).map_err(|e| Refused::new(&what, &e))?;
        drop(state);
        self.inner.wake_controllers();
        Ok(answer.outcome.value().clone())
    }

    /// Changes an object as somebody else would, without a request in the log: drift. The closure gets the whole object
    /// and may change its status too. `false` when there is no such object.
    pub fn edit(&self, kind: &str, namespace: &str, name: &str, change: impl FnOnce(&mut Value)) -> bool {
        let mut state = self.inner.state.lock();
        let Some(resource) = state.registry.by_any_name(kind).cloned() else {
            return false;
        };
        let Some(stored) = state.store.get(&resource.gr, namespace, name).cloned() else {
            return false;
        };
        let mut value = stored.value.clone();
        change(&mut value);
        let now = self.inner.clock.now();
        controllers::replace(&mut state, &resource, &stored, value, "somebody-else", now);
        drop(state);
        self.inner.wake_controllers();
        true
    }

    /// Deletes an object as somebody else would, in the background, without a request in the log. `false` when there is
    /// no such object.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let mut state = self.inner.state.lock();
        let Some(resource) = state.registry.by_any_name(kind).cloned() else {
            return false;
        };
        let version = resource.storage_version.clone();
        let target = Target { resource: &resource, version: &version, namespace, name, subresource: "" };
        let deleted = delete::delete(&mut state, target, &delete::DeleteOptions::default(), &self.options()).is_ok();
        drop(state);
        self.inner.wake_controllers();
        deleted
    }

    fn options(&self) -> Options {
        Options {
            dry_run: false,
            manager: "somebody-else".to_owned(),
            validation: FieldValidation::Ignore,
            force: false,
            now: self.inner.clock.now(),
        }
    }

    /// Every object of the cluster, by group, resource, namespace and name.
    #[must_use]
    pub fn dump(&self) -> Vec<Value> {
        let state = self.inner.state.lock();
        let kinds = state.store.kinds();
        kinds.iter().flat_map(|gr| state.store.objects(gr, None)).map(|s| s.value.clone()).collect()
    }

    /// The current revision: the resourceVersion of the latest change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.inner.state.lock().store.revision()
    }

    /// Forgets all history: every older resourceVersion and page token is `410 Gone`. Watches under way are not hit.
    pub fn force_compaction(&self) {
        self.inner.state.lock().store.compact();
    }

    /// Runs the controllers until nothing is left to do at the current time, without waiting. Reactions that are due
    /// later (a Pod that starts) need the clock to advance.
    pub fn settle(&self) {
        controllers::settle(&self.inner);
    }

    // --- Requests. ---

    /// The request log (the last 100,000).
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.requests_since(0)
    }

    /// Requests from a position on, as [`request_count`](Self::request_count) gave it.
    #[must_use]
    pub fn requests_since(&self, mark: u64) -> Vec<RequestRecord> {
        self.inner.state.lock().recorder.since(mark)
    }

    /// How many requests there were so far; also a mark for [`requests_since`](Self::requests_since).
    #[must_use]
    pub fn request_count(&self) -> u64 {
        self.inner.state.lock().recorder.count()
    }

    /// How many of the requests since a mark were writes (not dry runs, not reviews).
    #[must_use]
    pub fn writes_since(&self, mark: u64) -> usize {
        self.requests_since(mark).iter().filter(|r| r.is_write()).count()
    }

    // --- Faults. ---

    /// Adds a fault.
    pub fn inject(&self, injection: Injection) {
        self.inner.state.lock().faults.inject(injection);
    }

    /// Forbids verbs (`*` for all) on a resource (`*` for all), with the real message of RBAC.
    pub fn forbid<'a>(&self, group: &str, resource: &str, verbs: impl IntoIterator<Item = &'a str>) {
        self.inject(Injection::new(Requests::any().resource(group, resource).verbs(verbs), Fault::Forbidden));
    }

    /// Answers `n` more requests; every later one sees a broken connection and does nothing.
    pub fn cut_after(&self, n: u64) {
        self.inner.state.lock().faults.cut_after(n, false);
    }

    /// Answers `n` more requests; the next one takes effect but its answer is lost, and every later one sees a broken
    /// connection and does nothing.
    pub fn cut_after_commit(&self, n: u64) {
        self.inner.state.lock().faults.cut_after(n, true);
    }

    /// Breaks an API group version, as an aggregated API whose server is down: discovery still lists it, everything of
    /// it is 503.
    pub fn break_group(&self, group: &str, version: &str) {
        self.inner.state.lock().faults.broken.insert((group.to_owned(), version.to_owned()));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.inner.state.lock().faults.clear();
    }

    /// Cuts the connection of every watch under way.
    pub fn drop_watches(&self) {
        let _nobody_watches = self.inner.watch_ends.send(WatchEnd::Drop);
    }

    /// Ends every watch under way in good order, as a server does after its timeout.
    pub fn close_watches(&self) {
        let _nobody_watches = self.inner.watch_ends.send(WatchEnd::Close);
    }

    /// Ends every watch under way with a `410 Gone` event.
    pub fn expire_watches(&self) {
        let _nobody_watches = self.inner.watch_ends.send(WatchEnd::Expire);
    }
}

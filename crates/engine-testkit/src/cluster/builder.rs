//! How a cluster is built.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

use super::{Cluster, Inner};
use crate::{
    access::Policy,
    aggregation,
    clock::{Clock, FAR},
    controllers::{
        self, Queue,
        script::{Objects, Script, Scripts},
    },
    fault::Faults,
    record::Recorder,
    resources::Registry,
    seed::Seed,
    state::{Settings, State},
    store::Store,
};

/// Chooses how a cluster behaves. Every choice has a default that suits a test.
#[derive(Debug, Clone)]
pub struct Builder {
    settings: Settings,
    start: Option<SystemTime>,
    history: usize,
    bare: bool,
    nodes: usize,
    scripts: Scripts,
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
                events: true,
                pods_per_owner: 1_000,
                addresses: true,
            },
            start: None,
            history: 10_000,
            bare: false,
            nodes: 1,
            scripts: Scripts::default(),
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
        self.settings.pod_start = duration.min(FAR);
        self
    }

    /// How long a Pod takes to end when it is deleted, at most its grace period. Default: 2 ms.
    #[must_use]
    pub fn pod_stop(mut self, duration: Duration) -> Self {
        self.settings.pod_stop = duration.min(FAR);
        self
    }

    /// How long the Pods of a Job run. Default: 5 ms.
    #[must_use]
    pub fn job_duration(mut self, duration: Duration) -> Self {
        self.settings.job_duration = duration.min(FAR);
        self
    }

    /// How long a CRD takes until it is established. Default: 1 ms.
    #[must_use]
    pub fn establish(mut self, duration: Duration) -> Self {
        self.settings.establish = duration.min(FAR);
        self
    }

    /// How long a controller takes to react to a change. Default: 1 ms.
    #[must_use]
    pub fn reaction(mut self, duration: Duration) -> Self {
        self.settings.reaction = duration.min(FAR);
        self
    }

    /// No controllers: objects stay as they are written, and garbage is not collected. As on a real server alone, no
    /// namespace has the ServiceAccount `default` without which no client creates Pods. CRDs are established all the
    /// same, and go with their objects: the API server itself sees to that.
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
        self.settings.bookmark_every = duration.clamp(Duration::from_millis(1), FAR);
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

    /// How many nodes there are. Each is ready, and has room for 1,000 Pods; a test may create more, change them and
    /// take them away as objects of kind Node. Default: 1.
    #[must_use]
    pub fn nodes(mut self, n: usize) -> Self {
        self.nodes = n;
        self
    }

    /// Tells objects how to behave, from the start. See [`Cluster::script`].
    #[must_use]
    pub fn script(mut self, objects: Objects, script: Script) -> Self {
        self.scripts.0.push((objects, script));
        self
    }

    /// Controllers do what they do without a word: no Events.
    #[must_use]
    pub fn without_events(mut self) -> Self {
        self.settings.events = false;
        self
    }

    /// How many Pods the controllers make for one owner: a ReplicaSet, StatefulSet, DaemonSet or Job. Default: 1,000.
    /// Whoever asks for more gets `FailedCreate`, as from a quota, so that a wrong number costs an Event and not the
    /// test's memory.
    #[must_use]
    pub fn pods_per_owner(mut self, pods: usize) -> Self {
        self.settings.pods_per_owner = pods;
        self
    }

    /// No cloud and no ingress controller: Services of type `LoadBalancer` and Ingresses wait for an address for ever.
    #[must_use]
    pub fn without_addresses(mut self) -> Self {
        self.settings.addresses = false;
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
            access: Policy::default(),
            webhooks: Vec::new(),
            settings: self.settings.clone(),
            queue: Queue::default(),
            scripts: self.scripts,
            next_ip: 9,
            next_port: 0,
            times: VecDeque::new(),
        };
        let inner = Arc::new(Inner {
            state: Mutex::new(state),
            clock: Clock::new(self.start),
            settings: self.settings,
            recorder: Mutex::new(Recorder::default()),
            watch_ends: broadcast::Sender::new(16),
            changed: Arc::new(Notify::new()),
            task: Mutex::new(None),
        });
        let cluster = Cluster { inner };
        if !self.bare {
            cluster.bootstrap(self.nodes);
        }
        cluster
    }
}

impl Cluster {
    /// A builder with defaults that suit a test.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn bootstrap(&self, nodes: usize) {
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
        ];
        let nodes = (1..=nodes).map(|n| {
            let name = if n == 1 { controllers::NODE.to_owned() } else { format!("{}-{n}", controllers::NODE) };
            let labels = serde_json::json!({
                "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
            });
            serde_json::json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}})
        });
        for object in extras.into_iter().chain(nodes) {
            let _created = self.create(object);
        }
        aggregation::bootstrap(&mut self.inner.state.lock(), self.inner.clock.now());
        if self.inner.settings.controllers {
            controllers::settle(&self.inner);
        }
        self.inner.wake_controllers();
    }
}

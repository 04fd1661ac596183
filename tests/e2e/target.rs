//! The cluster under test: embedded or real.

use std::sync::atomic::{AtomicUsize, Ordering};

use gitops_engine::Connection;
use gitops_engine_testkit::Cluster;
use gitops_engine_testkit::control_plane::{ControlPlane, ControlPlaneUser};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Tests share one real control plane: it takes seconds and 700 MB.
static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// On a shared cluster a CRD that comes or goes makes every cache ask again, so that no other test could count its
/// requests: whoever brings one is alone.
static ALONE: RwLock<()> = RwLock::const_new(());

/// One request that the engine made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The verb of the API: `patch`, `delete`, `watch`, …
    pub(crate) verb: String,
    /// The path, without the query.
    pub(crate) path: String,
    /// Whether it changes something: dry runs do not.
    pub(crate) writes: bool,
}

/// A cluster, and what the engine under test asked of it.
pub(crate) struct Target {
    place: Place,
    _turn: Turn,
}

enum Place {
    Embedded(Cluster),
    Real {
        plane: &'static ControlPlane,
        /// What the engine of this test calls itself, to tell its requests from those of other tests.
        agent: String,
    },
}

#[expect(dead_code, reason = "held, not read")]
enum Turn {
    Own,
    Together(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// Whether the suite runs on a real control plane.
pub(crate) fn is_real() -> bool {
    match std::env::var("GITOPS_ENGINE_E2E").as_deref() {
        Ok("real") => true,
        Ok("embedded" | "") | Err(_) => false,
        Ok(other) => panic!("GITOPS_ENGINE_E2E is {other:?}: it may be `embedded` or `real`"),
    }
}

impl Target {
    /// A cluster for a test that leaves the kinds of the cluster as they are.
    pub(crate) async fn start() -> Self {
        if is_real() {
            let turn = Turn::Together(ALONE.read().await);
            return Self { place: real().await, _turn: turn };
        }
        Self { place: Place::Embedded(Cluster::builder().build()), _turn: Turn::Own }
    }

    /// A cluster for a test that brings kinds of its own.
    pub(crate) async fn start_alone() -> Self {
        if is_real() {
            let turn = Turn::Alone(ALONE.write().await);
            return Self { place: real().await, _turn: turn };
        }
        Self::start().await
    }

    /// The embedded cluster, for faults that nobody can inject into a real one.
    pub(crate) fn embedded(&self) -> Option<&Cluster> {
        match &self.place {
            Place::Embedded(cluster) => Some(cluster),
            Place::Real { .. } => None,
        }
    }

    /// A connection for the engine under test.
    pub(crate) async fn connection(&self) -> Connection {
        self.connection_of(ControlPlaneUser::Admin).await
    }

    /// A connection for the engine under test, as a user of the real control plane. The embedded cluster has no users.
    pub(crate) async fn connection_of(&self, user: ControlPlaneUser) -> Connection {
        match &self.place {
            Place::Embedded(cluster) => Connection::new(cluster.client()),
            Place::Real { plane, agent } => {
                // As `plane.client`, with a name.
                let kubeconfig = Kubeconfig::from_yaml(plane.kubeconfig(user)).unwrap();
                let options = KubeConfigOptions::default();
                let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
                config.default_retry = false;
                config.headers.push((http::header::USER_AGENT, agent.parse().unwrap()));
                Connection::new(kube::Client::try_from(config).unwrap()).with_address(plane.url())
            }
        }
    }

    /// A client for everybody else: the test, and the people that it plays.
    pub(crate) async fn client(&self) -> kube::Client {
        match &self.place {
            Place::Embedded(cluster) => cluster.client(),
            Place::Real { plane, .. } => plane.client(ControlPlaneUser::Admin).await.unwrap(),
        }
    }

    /// A mark for [`Target::requests_since`]. On the embedded cluster the requests of [`Target::client`] count as well:
    /// make none while counting.
    pub(crate) fn mark(&self) -> usize {
        self.requests().len()
    }

    /// The requests that the engine has made since, and before this moment. A watch counts when it is opened.
    pub(crate) fn requests_since(&self, mark: usize) -> Vec<Request> {
        self.requests().split_off(mark)
    }

    /// Those of them that changed something.
    pub(crate) fn writes_since(&self, mark: usize) -> Vec<Request> {
        self.requests_since(mark).into_iter().filter(|request| request.writes).collect()
    }

    fn requests(&self) -> Vec<Request> {
        match &self.place {
            Place::Embedded(cluster) => cluster
                .requests()
                .into_iter()
                .map(|seen| Request { writes: seen.is_write(), verb: seen.verb, path: seen.path })
                .collect(),
            Place::Real { plane, agent } => plane
                .requests()
                .unwrap()
                .into_iter()
                .filter(|seen| seen.user_agent == *agent)
                .map(|seen| {
                    let path = seen.uri.split('?').next().unwrap_or_default().to_owned();
                    Request { writes: seen.is_write(), verb: seen.verb, path }
                })
                .collect(),
        }
    }
}

async fn real() -> Place {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let plane = PLANE.get_or_init(|| async { ControlPlane::start().await.unwrap() }).await;
    Place::Real { plane, agent: format!("e2e-{}", COUNT.fetch_add(1, Ordering::Relaxed)) }
}

//! The whole engine, from its parts.

use std::future::Future;
use std::sync::Arc;

use gitops_engine_cache::{Cache, CacheOptions, Connection, KubeCluster};
use gitops_engine_core::{
    Cluster, ClusterCache, Error, ErrorKind, EventSink, Generator, HealthAssessor, InventoryStore, NoEvents, Problems,
    Result, StateStore,
};
use gitops_engine_git::{GitOptions, GitStore};
use gitops_engine_health::KindRules;
use gitops_engine_manifest::{DetectingGenerator, Programs};
use gitops_engine_sync::execute::{Clock, SystemClock};
use gitops_engine_sync::reconcile::State;
use gitops_engine_sync::{Application, ClusterInventory, Driver, Pass, Plan, Reconciler, ReconcilerParts, Schedule};

/// A GitOps engine: a state store, a cluster, and everything between them.
#[derive(Clone)]
pub struct Engine {
    reconciler: Reconciler,
}

impl Engine {
    /// Puts an engine together.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// What would be done now, and why. Writes nothing; the requests to the cluster are dry runs and reads.
    ///
    /// # Errors
    /// All that is wrong with the desired state, each with its place, and whatever keeps the engine from knowing.
    pub async fn plan(&self, application: &Application) -> Result<Plan, Problems> {
        self.reconciler.parts().plan(application, &mut State::default()).await
    }

    /// One pass: observe, plan, and execute the plan to its end.
    ///
    /// A tool that makes many passes keeps a [`State`] and calls [`Reconciler::pass`], so that an unchanged application
    /// costs no request; [`Engine::run`] does.
    ///
    /// # Errors
    /// All that keeps a plan from being made or executed; nothing was written then. A step that failed on the way is no
    /// error of the pass: see [`Pass`].
    pub async fn sync(&self, application: &Application) -> Result<Pass, Problems> {
        self.reconciler.pass(application, &mut State::default(), std::future::pending()).await
    }

    /// Reconciles applications until `stop` completes: new revisions are brought about, drift is put back, failures are
    /// tried again with back-off. Ends cleanly: what is under way is finished and recorded.
    pub async fn run(&self, applications: Vec<Application>, stop: impl Future<Output = ()> + Send + 'static) {
        self.reconciler.run(applications, stop).await;
    }

    /// The reconciler, for embedders with a loop of their own.
    pub fn reconciler(&self) -> &Reconciler {
        &self.reconciler
    }

    /// The picture of the cluster.
    pub fn cache(&self) -> &Arc<dyn ClusterCache> {
        &self.reconciler.parts().driver.cache
    }
}

/// Puts an [`Engine`] together. A state store and a connection are needed; all else has a default.
#[derive(Default)]
#[must_use]
pub struct EngineBuilder {
    repository: Option<String>,
    git: Option<GitOptions>,
    store: Option<Arc<dyn StateStore>>,
    programs: Option<Programs>,
    generator: Option<Arc<dyn Generator>>,
    connection: Option<Connection>,
    cache_options: Option<CacheOptions>,
    cache: Option<Arc<dyn ClusterCache>>,
    cluster: Option<Arc<dyn Cluster>>,
    inventory_namespace: Option<String>,
    inventory: Option<Arc<dyn InventoryStore>>,
    health: Option<Arc<dyn HealthAssessor>>,
    events: Option<Arc<dyn EventSink>>,
    clock: Option<Arc<dyn Clock>>,
    schedule: Schedule,
}

impl EngineBuilder {
    /// Takes desired state from a Git repository: a path or a URL.
    pub fn repository(mut self, location: impl Into<String>) -> Self {
        self.repository = Some(location.into());
        self
    }

    /// How the repository is accessed: credentials, cache folder, deadlines.
    pub fn git(mut self, options: GitOptions) -> Self {
        self.git = Some(options);
        self
    }

    /// Takes desired state from another store.
    pub fn store(mut self, store: Arc<dyn StateStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Allows external programs for manifest generation, each by name. None is allowed by default.
    pub fn programs(mut self, programs: Programs) -> Self {
        self.programs = Some(programs);
        self
    }

    /// Generates manifests in another way.
    pub fn generator(mut self, generator: Arc<dyn Generator>) -> Self {
        self.generator = Some(generator);
        self
    }

    /// Works on this cluster.
    pub fn connection(mut self, connection: impl Into<Connection>) -> Self {
        self.connection = Some(connection.into());
        self
    }

    /// What the cache watches and keeps.
    pub fn cache_options(mut self, options: CacheOptions) -> Self {
        self.cache_options = Some(options);
        self
    }

    /// Takes another cache.
    pub fn cache(mut self, cache: Arc<dyn ClusterCache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Writes in another way.
    pub fn cluster(mut self, cluster: Arc<dyn Cluster>) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// The namespace of the ConfigMaps that hold the inventories; it must exist. `default` by default.
    pub fn inventory_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.inventory_namespace = Some(namespace.into());
        self
    }

    /// Keeps inventories elsewhere.
    pub fn inventory(mut self, inventory: Arc<dyn InventoryStore>) -> Self {
        self.inventory = Some(inventory);
        self
    }

    /// Judges health in another way.
    pub fn health(mut self, health: Arc<dyn HealthAssessor>) -> Self {
        self.health = Some(health);
        self
    }

    /// Receives events.
    pub fn events(mut self, events: Arc<dyn EventSink>) -> Self {
        self.events = Some(events);
        self
    }

    /// Takes another clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// When applications are looked at although nothing is known to have happened.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Starts the engine: the cache begins to watch the cluster. Call it within a tokio runtime.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when a part is missing; those of the Git store for its location.
    pub fn start(self) -> Result<Engine> {
        let missing = |what: &str, how: &str| {
            Error::new(ErrorKind::InvalidInput, format!("the engine has no {what}")).help(how.to_owned())
        };
        let store: Arc<dyn StateStore> = match (self.store, self.repository) {
            (Some(store), _) => store,
            (None, Some(location)) => Arc::new(GitStore::open(&location, self.git.unwrap_or_default())?),
            (None, None) => return Err(missing("state store", "name one with `repository` or `store`")),
        };
        let generator = self
            .generator
            .unwrap_or_else(|| Arc::new(DetectingGenerator::new(self.programs.unwrap_or_else(Programs::none))));
        let health = self.health.unwrap_or_else(|| Arc::new(KindRules::default()));
        let cluster: Arc<dyn Cluster> = match (self.cluster, &self.connection) {
            (Some(cluster), _) => cluster,
            (None, Some(connection)) => Arc::new(KubeCluster::new(connection.clone())),
            (None, None) => return Err(missing("cluster", "name one with `connection` or `cluster`")),
        };
        let cache: Arc<dyn ClusterCache> = match (self.cache, self.connection) {
            (Some(cache), _) => cache,
            (None, Some(connection)) => {
                let options = self.cache_options.unwrap_or_default().health(health.clone());
                Arc::new(Cache::start(connection, options))
            }
            (None, None) => return Err(missing("cluster cache", "name one with `connection` or `cache`")),
        };
        let inventory = self.inventory.unwrap_or_else(|| {
            let namespace = self.inventory_namespace.as_deref().unwrap_or("default");
            Arc::new(ClusterInventory::new(cluster.clone(), namespace))
        });
        let events = self.events.unwrap_or_else(|| Arc::new(NoEvents));
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let driver = Driver::new(cluster, cache, inventory, health, events).clock(clock);
        let parts = ReconcilerParts::new(store, generator, driver);
        Ok(Engine { reconciler: Reconciler::new(parts).schedule(self.schedule) })
    }
}

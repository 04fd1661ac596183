//! One engine, one repository, one cluster; and the people around them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use gitops_engine::core::{Inventory, KindState, ObjectId, ResourceType, Scope, Timestamp};
use gitops_engine::git::write::{Change, LocalRepository, Signature};
use gitops_engine::sync::execute::Clock;
use gitops_engine::sync::reconcile::State;
use gitops_engine::{
    Application, ApplicationName, Engine, EngineBuilder, Event, HealthStatus, ObjectHealth, Pass, Problems, Revision,
    RevisionSpec, TreePath, health_tree,
};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::target::Target;

/// Nothing here takes longer, even on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The branch that everything is committed to.
pub(crate) const BRANCH: &str = "main";

/// The time, or an hour later, or another.
#[derive(Default)]
pub(crate) struct Later(AtomicI64);

impl Later {
    pub(crate) fn advance(&self, hours: i64) {
        self.0.fetch_add(hours * 3600, Ordering::Relaxed);
    }
}

impl Clock for Later {
    fn now(&self) -> Timestamp {
        let later = self.0.load(Ordering::Relaxed) * 1000;
        Timestamp::from_millisecond(Timestamp::now().as_millisecond() + later).unwrap()
    }
}

/// An engine on a repository and a cluster.
pub(crate) struct World {
    pub(crate) target: Target,
    pub(crate) engine: Engine,
    pub(crate) repository: LocalRepository,
    /// The engine's.
    pub(crate) clock: Arc<Later>,
    client: kube::Client,
    heard: mpsc::UnboundedReceiver<Event>,
    _folder: tempfile::TempDir,
}

impl World {
    /// An engine with the default parts, on an empty repository.
    pub(crate) async fn new(target: Target) -> Self {
        Self::with(target, |builder| builder).await
    }

    /// An engine with other parts.
    pub(crate) async fn with(target: Target, change: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = LocalRepository::init(folder.path()).unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        let clock = Arc::new(Later::default());
        let builder = Engine::builder()
            .repository(folder.path().to_str().unwrap())
            .connection(target.connection().await)
            .events(Arc::new(move |event| drop(tell.send(event))))
            .clock(clock.clone());
        let engine = change(builder).start().unwrap();
        let client = target.client().await;
        Self { target, engine, repository, clock, client, heard, _folder: folder }
    }

    /// An application that follows [`BRANCH`].
    pub(crate) fn application(&self, name: &str, path: &str) -> Application {
        Application::new(ApplicationName::parse(name).unwrap())
            .revision(RevisionSpec::Branch(BRANCH.into()))
            .path(TreePath::parse(path).unwrap())
    }

    /// One pass, in good time.
    pub(crate) async fn pass(&self, application: &Application, state: &mut State) -> Result<Pass, Problems> {
        let pass = self.engine.reconciler().pass(application, state, std::future::pending());
        tokio::time::timeout(PATIENCE, pass).await.expect("a pass in good time")
    }

    /// One pass that leaves the cluster as the revision wants it.
    pub(crate) async fn synced(&self, application: &Application, state: &mut State) -> Pass {
        let pass = self.pass(application, state).await.unwrap();
        if let Pass::Executed(_, report) = &pass {
            assert!(report.errors.is_empty(), "{:#?}", report.errors);
        }
        assert!(pass.is_synced(), "{pass:?}");
        pass
    }

    /// One pass that is refused, with no write.
    pub(crate) async fn refused(&self, application: &Application, state: &mut State) -> Problems {
        let mark = self.target.mark();
        let problems = self.pass(application, state).await.expect_err("a pass that is refused");
        assert_eq!(self.target.writes_since(mark), [], "written although refused: {problems}");
        problems
    }

    /// Waits for an event; those before it are gone then.
    pub(crate) async fn hear(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut told = Vec::new();
        let found = async {
            while let Some(event) = self.heard.recv().await {
                told.push(event);
                if told.last().is_some_and(&wanted) {
                    return;
                }
            }
            panic!("the engine has stopped");
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        assert!(found.is_ok(), "waited {PATIENCE:?} for {what}, and heard {told:#?}");
        told
    }

    /// What was told since this, or [`World::hear`], was last asked.
    pub(crate) fn told(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }

    /// Waits until everything that the application owns is healthy, down to the Pods; fails when something is not.
    pub(crate) async fn healthy(&self, inventory: &Inventory) -> Vec<ObjectHealth> {
        let driver = &self.engine.reconciler().parts().driver;
        let mut changes = driver.cache.changes();
        let look = || health_tree(inventory, &*driver.cache.snapshot(), &*driver.health, driver.clock.now());
        let reached = async {
            loop {
                let tree = look();
                if tree.iter().all(|object| object.worst() == HealthStatus::Healthy) {
                    return tree;
                }
                changes.next().await.expect("the cache goes on");
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        reached.unwrap_or_else(|_| panic!("not healthy after {PATIENCE:?}: {:#?}", look()))
    }

    /// The inventory as it is stored.
    pub(crate) async fn inventory(&self, application: &Application) -> Inventory {
        let store = &self.engine.reconciler().parts().driver.inventory;
        store.load(&application.name).await.unwrap().inventory
    }

    /// Commits changes.
    pub(crate) fn commit(&self, message: &str, changes: &[Change]) -> Revision {
        let author = Signature::new("Test", "test@example.com", Timestamp::now());
        self.repository.commit(BRANCH, message, &author, changes).unwrap()
    }

    /// Commits files.
    pub(crate) fn commit_files(&self, files: &[(&str, &str)]) -> Revision {
        let change = |(path, text): &(&str, &str)| Change::file(path, text.as_bytes().to_vec()).unwrap();
        self.commit("Change files", &files.iter().map(change).collect::<Vec<_>>())
    }

    /// Makes a namespace, and waits until it can be used.
    pub(crate) async fn namespace(&self, name: &str) {
        let id = ObjectId::cluster("", "Namespace", name);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.engine.cache().ready().await.unwrap();
        let by = PatchParams::apply("test");
        self.api(&id).patch(name, &by, &Patch::Apply(&namespace)).await.unwrap();
        // A new namespace has no ServiceAccount for its first moment, and refuses Pods for as long.
        let account = ObjectId::namespaced("", "ServiceAccount", name, "default");
        self.seen(&account).await;
        self.seen(&id).await;
    }

    /// Waits until the cache has an object.
    async fn seen(&self, id: &ObjectId) {
        let mut changes = self.engine.cache().changes();
        let seen = async {
            while self.engine.cache().snapshot().get(id).is_none() {
                changes.next().await.expect("the cache goes on");
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("{id} has not come"));
    }

    /// An object as the cluster has it now.
    pub(crate) async fn live(&self, id: &ObjectId) -> Option<Value> {
        let object = self.api(id).get_opt(&id.name).await.unwrap();
        object.map(|object| serde_json::to_value(object).unwrap())
    }

    /// Somebody with kubectl and no patience.
    pub(crate) async fn patch(&self, id: &ObjectId, manager: &str, patch: &Value) {
        let by = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
        self.api(id).patch(&id.name, &by, &Patch::Merge(patch)).await.unwrap();
    }

    fn api(&self, id: &ObjectId) -> Api<DynamicObject> {
        let resource = self.resource(id);
        let known = ApiResource {
            group: resource.kind.group.to_string(),
            version: resource.version.to_string(),
            api_version: resource.api_version(),
            kind: resource.kind.kind.to_string(),
            plural: resource.plural.to_string(),
        };
        match (resource.scope, &id.namespace) {
            (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(self.client.clone(), namespace, &known),
            _ => Api::all_with(self.client.clone(), &known),
        }
    }

    /// How the cluster serves a kind.
    fn resource(&self, id: &ObjectId) -> Arc<ResourceType> {
        match self.engine.cache().snapshot().kind(&id.kind) {
            KindState::Served { preferred, .. } => preferred,
            other => panic!("{id}: {other:?}"),
        }
    }

    /// The path of an object in the API, as requests have it.
    pub(crate) fn path(&self, id: &ObjectId) -> String {
        let resource = self.resource(id);
        let root = if resource.kind.group.is_empty() { "api" } else { "apis" };
        let namespace = id.namespace.as_ref().map(|name| format!("namespaces/{name}/")).unwrap_or_default();
        format!("/{root}/{}/{namespace}{}/{}", resource.api_version(), resource.plural, id.name)
    }
}

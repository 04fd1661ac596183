//! The demonstration: five acts on an embedded cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use gitops_engine::{
    Application, ApplicationName, Connection, Engine, Event, EventSink, Revision, RevisionSpec, Schedule, TreePath,
    health_tree,
};
use gitops_engine_testkit::Cluster;
use serde_json::json;
use tokio::sync::{broadcast, oneshot};

use crate::agent::interrupt;
use crate::arguments::Arguments;
use crate::repository::{BRANCH, BROKEN, NEXT, Repository, SHOP};
use crate::screen::{Colour, Screen};

/// No act takes longer, even on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Shows each event and hands it to the acts.
struct Stage {
    screen: Arc<Screen>,
    told: broadcast::Sender<Event>,
}

impl EventSink for Stage {
    fn emit(&self, event: Event) {
        self.screen.emit(event.clone());
        // Nobody listens between two acts.
        drop(self.told.send(event));
    }
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let begun = Instant::now();
    let screen = Arc::new(Screen::new(arguments.json));
    let folder = tempfile::tempdir().context("no temporary folder for the demo's repository")?;
    let repository = Repository::init(folder.path())?;
    let first = repository.commit("Open the shop", SHOP, &[])?;

    let cluster =
        Cluster::builder().pod_start(Duration::from_millis(400)).job_duration(Duration::from_millis(600)).build();
    let (told, heard) = broadcast::channel(4096);
    let engine = Engine::builder()
        .repository(folder.path().to_string_lossy())
        .connection(Connection::new(cluster.client()))
        .events(Arc::new(Stage { screen: screen.clone(), told }))
        .schedule(Schedule::default().poll(Duration::from_millis(250)))
        .start()?;
    let application = Application::new(ApplicationName::parse("shop")?)
        .revision(RevisionSpec::Branch(BRANCH.into()))
        .path(TreePath::parse("shop")?)
        .namespace("shop");

    screen.say("an embedded cluster and a Git repository, both made for this run; nothing of yours is touched");
    let (stop, stopped) = oneshot::channel::<()>();
    let agent = tokio::spawn({
        let engine = engine.clone();
        async move { engine.run(vec![application], async { drop(stopped.await) }).await }
    });
    let mut acts = Acts { screen: screen.clone(), cluster, engine, repository, heard, writes: 0 };
    let played = tokio::select! {
        played = acts.play(first) => played.map(Some),
        () = interrupt() => Ok(None),
    };
    // However it ended: the agent finishes what is under way, then stops.
    drop(stop);
    agent.await.context("the agent died")?;
    match played? {
        Some(last) => acts.summary(&last, begun.elapsed()),
        None => screen.say("interrupted; the agent has stopped cleanly"),
    }
    Ok(())
}

struct Acts {
    screen: Arc<Screen>,
    cluster: Cluster,
    engine: Engine,
    repository: Repository,
    heard: broadcast::Receiver<Event>,
    writes: usize,
}

impl Acts {
    async fn play(&mut self, first: Revision) -> Result<Revision> {
        let screen = self.screen.clone();
        screen.act(1, "the first sync");
        self.synced(&first).await?;
        self.tree().await?;

        screen.act(2, "a new commit: another image, one more replica");
        let next = self.repository.commit("Release web 1.1.0", NEXT, &[])?;
        self.synced(&next).await?;

        screen.act(3, "drift: somebody scales the web shop by hand");
        let scaled = json!({"spec": {"replicas": 9}});
        self.kubectl("deployments", "web", &scaled).await?;
        self.wait("the drift to be put back", |event| matches!(event, Event::DriftFound { .. })).await?;
        self.synced(&next).await?;

        screen.act(4, "a broken commit: refused, and nothing is touched");
        let before = self.cluster.request_count();
        self.repository.commit("Break two files", BROKEN, &[])?;
        self.wait("the refusal", |event| matches!(event, Event::Failed { .. })).await?;
        let writes = self.cluster.writes_since(before);
        if writes > 0 {
            bail!("{writes} writes were made for a broken commit");
        }
        screen.say(&format!("writes to the cluster since that commit: {writes}"));

        screen.act(5, "it is mended, and the banner is removed from Git: pruned");
        let mended: Vec<_> = SHOP.iter().filter(|(name, _)| *name == "settings.yaml").copied().collect();
        let files: Vec<_> = mended.into_iter().chain(NEXT.iter().copied()).collect();
        let last = self.repository.commit("Mend the files, end the sale", &files, &["banner.yaml"])?;
        self.synced(&last).await?;
        if self.cluster.get("Deployment", "shop", "banner").is_some() {
            bail!("the banner is still there");
        }
        self.tree().await?;
        Ok(last)
    }

    /// Waits until the agent says that the cluster is as a revision wants it.
    async fn synced(&mut self, wanted: &Revision) -> Result<()> {
        let event = self
            .wait("the sync", |event| matches!(event, Event::Synced { revision, .. } if revision == wanted))
            .await?;
        if let Event::Synced { writes, .. } = event {
            self.writes += writes;
        }
        Ok(())
    }

    async fn wait(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        let found = async {
            loop {
                match self.heard.recv().await {
                    Ok(event) if wanted(&event) => return Ok(event),
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(closed) => return Err(closed),
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.with_context(|| format!("waited {} s for {what}", PATIENCE.as_secs()))?.context("the agent stopped")
    }

    /// Somebody with kubectl and no patience.
    async fn kubectl(&self, resource: &str, name: &str, patch: &serde_json::Value) -> Result<()> {
        use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
        let kind = GroupVersionKind::gvk("apps", "v1", "Deployment");
        let resource = ApiResource::from_gvk_with_plural(&kind, resource);
        let api: Api<DynamicObject> = Api::namespaced_with(self.cluster.client(), "shop", &resource);
        let by = PatchParams { field_manager: Some("kubectl".into()), ..PatchParams::default() };
        api.patch(name, &by, &Patch::Merge(patch)).await?;
        Ok(())
    }

    async fn tree(&self) -> Result<()> {
        let driver = &self.engine.reconciler().parts().driver;
        let stored = driver.inventory.load(&ApplicationName::parse("shop")?).await?;
        let snapshot = self.engine.cache().snapshot();
        self.screen.say("");
        self.screen.tree(&health_tree(&stored.inventory, &*snapshot, &*driver.health, driver.clock.now()));
        Ok(())
    }

    fn summary(&self, last: &Revision, took: Duration) {
        let screen = &self.screen;
        let requests = self.cluster.requests();
        let writes = requests.iter().filter(|request| request.is_write()).count();
        let watches = requests.iter().filter(|request| request.is_watch()).count();
        if screen.is_json() {
            let summary = json!({"event": "summary", "revision": last, "actions": self.writes,
                "requests": requests.len(), "writes": writes, "watches": watches, "seconds": took.as_secs_f64()});
            println!("{summary}");
            return;
        }
        println!("\n{}", screen.paint(Colour::Bold, "Summary"));
        screen.say(&format!("revisions:    4 commits, in sync with {}", last.short()));
        screen.say(&format!("actions:      {} objects written or removed", self.writes));
        screen.say(&format!(
            "API requests: {} ({writes} writes with dry runs and the inventory, {watches} watches, the rest lists and discovery)",
            requests.len()
        ));
        screen.say(&format!("time:         {:.1} s", took.as_secs_f64()));
    }
}

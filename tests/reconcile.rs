//! The loop: many applications, new commits, a store that is gone, drift; on the embedded cluster, with tokio's clock.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use gitops_engine::{Application, ApplicationName, Connection, Engine, Event, Schedule, TreePath};
use gitops_engine_testkit::Cluster;
use support::{Heard, Repository, TokioClock};

struct World {
    repository: Repository,
    cluster: Cluster,
    heard: Heard,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let repository = Repository::new(files);
        Self { repository, cluster: Cluster::builder().build(), heard: Heard::default() }
    }

    fn run(&self, names: &[&str]) -> (tokio::task::JoinHandle<()>, tokio::sync::oneshot::Sender<()>) {
        let engine = Engine::builder()
            .repository(self.repository.location())
            .connection(Connection::new(self.cluster.client()))
            .events(Arc::new(self.heard.clone()))
            .clock(TokioClock::start())
            .schedule(Schedule::default().poll(Duration::from_secs(5)))
            .start()
            .unwrap();
        let application = |name: &&str| {
            Application::new(ApplicationName::parse(name).unwrap())
                .path(TreePath::parse(name).unwrap())
                .namespace("default")
        };
        let applications = names.iter().map(application).collect();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(async move { engine.run(applications, async { drop(stopped.await) }).await });
        (task, stop)
    }
}

fn config(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  value: {value:?}\n")
}

fn deployment(name: &str, fate: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  \
         progressDeadlineSeconds: 100000\n  template:\n    metadata:\n      labels: {{app: {name}}}\n      \
         annotations: {{testkit.gitops-engine.dev/pod: {fate:?}}}\n    spec:\n      containers: [{{name: c, image: i}}]\n"
    )
}

fn synced(name: &str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Synced { application, .. } if application.as_str() == name)
}

#[tokio::test(start_paused = true)]
async fn an_application_that_never_gets_ready_does_not_starve_another() {
    let world =
        World::new(&[("stuck/a.yaml", &deployment("stuck", "never-ready")), ("fine/b.yaml", &config("fine", "1"))]);
    let (task, stop) = world.run(&["stuck", "fine"]);
    world.heard.wait("the first sync", 1, synced("fine")).await;
    world.repository.commit(&[("fine/b.yaml", &config("fine", "2"))], &[]);
    world.heard.wait("the second sync", 2, synced("fine")).await;
    assert_eq!(world.cluster.get("ConfigMap", "default", "fine").unwrap()["data"]["value"], "2");
    drop(stop);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_mends_a_stuck_rollout_does_not_wait_for_it() {
    let world = World::new(&[("app/a.yaml", &deployment("web", "never-ready"))]);
    let (task, stop) = world.run(&["app"]);
    let waits = |event: &Event| matches!(event, Event::Waiting { .. });
    world.heard.wait("the wait", 1, waits).await;
    let begun = tokio::time::Instant::now();
    world.repository.commit(&[("app/a.yaml", &deployment("web", "ready"))], &[]);
    world.heard.wait("the sync", 1, synced("app")).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    drop(stop);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn drift_is_put_back_while_the_state_store_is_gone() {
    let world = World::new(&[("app/a.yaml", &config("kept", "1"))]);
    let (task, stop) = world.run(&["app"]);
    world.heard.wait("the sync", 1, synced("app")).await;
    let elsewhere = world.repository.folder.path().with_extension("elsewhere");
    std::fs::rename(world.repository.folder.path(), &elsewhere).unwrap();
    let failed = |event: &Event| matches!(event, Event::Failed { writes: 0, .. });
    world.heard.wait("the failure to reach the store", 1, failed).await;
    world.cluster.edit("ConfigMap", "default", "kept", |object| object["data"]["value"] = "2".into()).unwrap();
    world.heard.wait("the repair", 2, synced("app")).await;
    assert_eq!(world.cluster.get("ConfigMap", "default", "kept").unwrap()["data"]["value"], "1");
    std::fs::rename(&elsewhere, world.repository.folder.path()).unwrap();
    drop(stop);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_drift_is_put_back() {
    let world = World::new(&[("app/a.yaml", &config("changed", "1")), ("app/b.yaml", &config("deleted", "1"))]);
    let (task, stop) = world.run(&["app"]);
    world.heard.wait("the sync", 1, synced("app")).await;
    world.cluster.delete("ConfigMap", "default", "deleted").unwrap();
    world.heard.wait("the repair", 2, synced("app")).await;
    assert!(world.cluster.get("ConfigMap", "default", "deleted").is_some());
    // A field of somebody else is nobody's drift.
    let before = world.cluster.request_count();
    world.cluster.edit("ConfigMap", "default", "changed", |object| object["data"]["other"] = "x".into()).unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.cluster.writes_since(before), 0);
    assert_eq!(world.cluster.get("ConfigMap", "default", "changed").unwrap()["data"]["other"], "x");
    drop(stop);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_hour_costs_no_request() {
    let world = World::new(&[("app/a.yaml", &config("kept", "1")), ("app/b.yaml", &deployment("web", "ready"))]);
    let (task, stop) = world.run(&["app"]);
    world.heard.wait("the sync", 1, synced("app")).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = world.cluster.request_count();
    // A commit elsewhere in the repository is none of this application's business.
    world.repository.commit(&[("elsewhere/x.yaml", &config("x", "1"))], &[]);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let requests = world.cluster.requests_since(before);
    let other: Vec<_> = requests.iter().filter(|request| !request.is_watch()).collect();
    assert!(other.is_empty(), "{other:#?}");
    drop(stop);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fight_over_a_field_is_told_and_does_not_become_a_storm() {
    let world = World::new(&[("app/a.yaml", &config("contested", "ours"))]);
    let (task, stop) = world.run(&["app"]);
    world.heard.wait("the sync", 1, synced("app")).await;
    let before = world.cluster.request_count();
    // Somebody insists on another value for ten minutes.
    for _ in 0..600 {
        world
            .cluster
            .edit("ConfigMap", "default", "contested", |object| object["data"]["value"] = "theirs".into())
            .unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let writes = world.cluster.writes_since(before);
    assert!((5..60).contains(&writes), "{writes} writes");
    let told = world.heard.count(|event| matches!(event, Event::Warning { .. }));
    assert!(told >= 4, "told {told} times");
    drop(stop);
    task.await.unwrap();
}

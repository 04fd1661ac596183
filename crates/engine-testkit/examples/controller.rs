//! A controller that has nothing to do with GitOps, and how it is tested: each namespace with the label `team` gets a
//! quota, and keeps it.
//!
//! ```text
//! cargo run -p gitops-engine-testkit --example controller
//! cargo test -p gitops-engine-testkit --example controller
//! ```
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::time::Duration;

use futures::StreamExt as _;
use gitops_engine_testkit::{Cluster, Fault, Injection, Requests};
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::api::{Api, ListParams, Patch, PatchParams, WatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

/// How long after a failure the controller tries again.
const RETRY: Duration = Duration::from_secs(10);
/// How often it looks although nobody told it to: somebody may have taken a quota away.
const RESYNC: Duration = Duration::from_secs(300);

/// Brings every team's namespace to what it should be. Returns the revision that it saw.
async fn reconcile(client: &Client) -> kube::Result<String> {
    let namespaces = Api::<Namespace>::all(client.clone()).list(&ListParams::default().labels("team")).await?;
    for namespace in &namespaces {
        let quotas: Api<ResourceQuota> = Api::namespaced(client.clone(), &namespace.name_any());
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": {"pods": "10"}},
        });
        quotas.patch("team", &PatchParams::apply("quota-controller").force(), &Patch::Apply(quota)).await?;
    }
    Ok(namespaces.metadata.resource_version.unwrap_or_default())
}

/// The whole controller: look, then wait until a namespace changes or it is time to look again.
async fn run(client: Client) {
    loop {
        let Ok(revision) = reconcile(&client).await else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let teams = WatchParams::default().labels("team");
        match namespaces.watch(&teams, &revision).await {
            // Whatever comes, be it an error, is a reason to look again.
            Ok(changes) => drop(tokio::time::timeout(RESYNC, Box::pin(changes).next()).await),
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

fn team(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": name}}})
}

/// Three things that go wrong in production, and the hours between them.
async fn scenario() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = Cluster::builder().seed(7).build();
    // The API server is busy just when the first quota is written, twice.
    let busy = Injection::new(Requests::writes().resource("", "resourcequotas"), Fault::Unavailable).times(2);
    cluster.inject(busy);
    cluster.create(team("red"))?;
    let controller = tokio::spawn(run(cluster.client_as("quota-controller")));

    let has = |namespace: &str| cluster.get("resourcequotas", namespace, "team").is_some();
    // Time is tokio's and paused: these are 25 seconds that nobody waits for.
    tokio::time::sleep(RETRY / 2).await;
    assert!(!has("red"), "both answers so far were 503");
    tokio::time::sleep(RETRY * 2).await;
    assert!(has("red"), "the third attempt");

    // A namespace that comes later is seen at once.
    cluster.create(team("blue"))?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(has("blue"));

    // Somebody takes a quota away. Nothing tells the controller, but it looks again.
    cluster.delete("resourcequotas", "blue", "team")?;
    tokio::time::sleep(RESYNC + Duration::from_secs(1)).await;
    assert!(has("blue"), "the resync");

    // The watch breaks, and the next one begins too late: 410 Gone. Nothing is missed.
    cluster.expire_watches();
    cluster.create(team("green"))?;
    tokio::time::sleep(RETRY * 2).await;
    assert!(has("green"));

    // Once all is well, nothing that the controller sends changes anything.
    let before = cluster.get("resourcequotas", "red", "team");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(cluster.get("resourcequotas", "red", "team"), before);

    controller.abort();
    println!("{} requests, {} quotas", cluster.request_count(), cluster.objects("resourcequotas").len());
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?.block_on(scenario())
}

#[test]
fn every_team_keeps_its_quota() {
    main().expect("the scenario ends well");
}

//! The loopback server: what clients outside the process rely on.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod common;

use std::{pin::pin, time::Duration};

use common::{config_map, seen};
use futures::StreamExt;
use gitops_engine_testkit::{Access, Cluster, Fault, Injection, Requests, Rule, Server, User};
use kube::{
    Api, Client, Config,
    api::{DynamicObject, ListParams, Patch, PatchParams, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

async fn connect(kubeconfig: &str) -> Client {
    let parsed = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

async fn servers(cluster: &Cluster) -> [Server; 2] {
    [cluster.serve().await.unwrap(), cluster.serve_https().await.unwrap()]
}

fn config_maps(client: Client) -> Api<DynamicObject> {
    Api::default_namespaced_with(client, &common::resource("v1", "ConfigMap"))
}

#[tokio::test]
async fn a_kubeconfig_is_all_that_a_client_needs() {
    let cluster = Cluster::default();
    for server in servers(&cluster).await {
        let api = config_maps(connect(&server.kubeconfig()).await);
        let name = if server.certificate_authority().is_some() { "secure" } else { "plain" };
        let apply = Patch::Apply(config_map(name, json!({"a": "b"})));
        api.patch(name, &PatchParams::apply("me"), &apply).await.unwrap();
        assert!(cluster.get("cm", "default", name).is_some());
        assert_eq!(cluster.requests().pop().unwrap().user, "testkit-user");
    }
    // Neither addresses nor ports.
    assert!(!cluster.request_log().contains("127.0.0.1"));
}

#[tokio::test]
async fn a_kubeconfig_speaks_for_its_user() {
    let cluster = Cluster::default();
    cluster.set_access(Access::group("viewers").may(Rule::verbs(["list"]).on("", ["configmaps"])));
    for server in servers(&cluster).await {
        let user = User::new("alice").group("viewers");
        let api = config_maps(connect(&server.kubeconfig_of(user)).await);
        api.list(&ListParams::default()).await.unwrap();
        let refused = api.get("a").await.unwrap_err();
        assert!(matches!(refused, kube::Error::Api(status) if status.message.contains("User \"alice\" cannot get")));
        assert_eq!(cluster.requests().pop().unwrap().user, "alice");
    }
}

#[tokio::test]
async fn a_watch_is_sent_event_by_event() {
    let cluster = Cluster::default();
    for (server, name) in servers(&cluster).await.into_iter().zip(["a", "b"]) {
        let api = config_maps(connect(&server.kubeconfig()).await);
        let how = WatchParams::default().fields(&format!("metadata.name={name}"));
        let mut watch = pin!(api.watch(&how, &cluster.revision().to_string()).await.unwrap());
        for i in 0..5 {
            let apply = Patch::Apply(config_map(name, json!({"i": i.to_string()})));
            api.patch(name, &PatchParams::apply("me"), &apply).await.unwrap();
            let event = tokio::time::timeout(Duration::from_secs(10), watch.next()).await;
            let kind = if i == 0 { "ADDED" } else { "MODIFIED" };
            assert_eq!(seen(event.expect("the event waits for more").unwrap().unwrap()), format!("{kind} {name}"));
        }
        // The end of the server is the end of its connections.
        drop(server);
        let end = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.expect("the watch goes on");
        assert!(end.is_none_or(|e| e.is_err()));
        assert!(api.get(name).await.is_err());
    }
}

#[tokio::test]
async fn cuts_reach_the_socket() {
    let cluster = Cluster::default();
    cluster.create(config_map("a", json!({"a": "b".repeat(100_000)}))).unwrap();
    for server in servers(&cluster).await {
        let api = config_maps(connect(&server.kubeconfig()).await);
        for fault in [Fault::CutBeforeCommit, Fault::CutAfterCommit, Fault::CutBody] {
            let name = format!("{fault:?}");
            cluster.inject(Injection::new(Requests::reads(), fault).times(1));
            let cut = api.get("a").await.unwrap_err();
            assert!(!matches!(cut, kube::Error::Api(_)), "{name}: {cut}");
            api.get("a").await.unwrap();
        }
    }
}

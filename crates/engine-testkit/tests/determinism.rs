//! One seed, one request log: a busy cluster lives the same life twice.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod common;

use std::{pin::pin, time::Duration};

use common::{api, cluster_api, config_map, deployment};
use futures::StreamExt;
use gitops_engine_testkit::{AdmissionAnswer, Chaos, Cluster, Fault, Injection, Requests, Webhook};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};

/// As a client does: again and again, ever more slowly.
async fn insist<T>(mut attempt: impl AsyncFnMut() -> Result<T, kube::Error>) -> Option<T> {
    for round in 0..8 {
        match attempt().await {
            Ok(done) => return Some(done),
            Err(_) => tokio::time::sleep(Duration::from_millis(100 << round)).await,
        }
    }
    None
}

async fn apply(api: &Api<DynamicObject>, manager: &str, object: Value) {
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let how = PatchParams::apply(manager).force();
    insist(async || api.patch(&name, &how, &Patch::Apply(object.clone())).await).await;
}

/// Lists, watches, and answers each change with a write, for ever.
async fn react(api: Api<DynamicObject>, manager: String) {
    loop {
        let Some(list) = insist(async || api.list(&ListParams::default().at("0")).await).await else { continue };
        let version = list.metadata.resource_version.unwrap();
        let Ok(watch) = api.watch(&WatchParams::default().timeout(20), &version).await else { continue };
        let mut watch = pin!(watch);
        while let Some(Ok(event)) = watch.next().await {
            let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else { continue };
            let name = object.metadata.name.unwrap();
            if name.starts_with("seen-") || name.ends_with(".crt") {
                continue;
            }
            apply(
                &api,
                &manager,
                config_map(&format!("seen-{name}"), json!({"version": object.metadata.resource_version})),
            )
            .await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn write(cluster: Cluster, number: u64) {
    let manager = format!("writer-{number}");
    let maps = api(&cluster, "v1", "ConfigMap");
    let deployments = api(&cluster, "apps/v1", "Deployment");
    let widgets = api(&cluster, "example.com/v1", "Widget");
    for round in 0..9_u64 {
        apply(&maps, &manager, config_map(&format!("map-{}", round % 4), json!({&manager: round.to_string()}))).await;
        apply(
            &deployments,
            &manager,
            deployment(&format!("web-{number}"), 1 + (round % 3) as i64, &format!("web:{}", round / 4)),
        )
        .await;
        let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": format!("w{number}")},
            "spec": {"size": round}});
        apply(&widgets, &manager, widget).await;
        if round % 5 == 4 {
            insist(async || maps.delete(&format!("map-{}", round % 4), &DeleteParams::default()).await).await;
        }
        tokio::time::sleep(Duration::from_millis(700 + 130 * number)).await;
    }
}

async fn life(seed: u64) -> (String, String) {
    let cluster = Cluster::builder().seed(seed).history(200).build();
    cluster.inject_all(Chaos::new(seed).one_in(6));
    cluster.inject(Injection::new(Requests::reads(), Fault::StaleByRevisions(4)).one_in(3));
    cluster.add_webhook(Webhook::mutating("note.example.com", Requests::writes().kind("ConfigMap"), |request| {
        match request.object.clone() {
            Some(mut object) => {
                object["metadata"]["annotations"]["noted"] = request.user.as_str().into();
                AdmissionAnswer::rewrite(object)
            }
            None => AdmissionAnswer::allow(),
        }
    }));
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
            {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
    apply(&cluster_api(&cluster, "apiextensions.k8s.io/v1", "CustomResourceDefinition"), "crds", crd).await;
    let watchers: Vec<_> = (0..3)
        .map(|n| tokio::task::spawn_local(react(api(&cluster, "v1", "ConfigMap"), format!("reactor-{n}"))))
        .collect();
    let writers: Vec<_> = (0..4).map(|n| tokio::task::spawn_local(write(cluster.clone(), n))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    cluster.heal();
    tokio::time::sleep(Duration::from_secs(30)).await;
    watchers.iter().for_each(tokio::task::JoinHandle::abort);
    (cluster.request_log(), cluster.dump_yaml())
}

/// In a runtime of its own, in a thread of its own.
fn run(seed: u64) -> (String, String) {
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, life(seed))
    });
    thread.join().unwrap()
}

fn assert_same(one: &str, other: &str, what: &str) {
    let first = one.lines().zip(other.lines()).find(|(a, b)| a != b);
    assert!(first.is_none() && one.len() == other.len(), "{what} differ: {first:?}");
}

#[test]
fn one_seed_one_request_log() {
    let mut logs = Vec::new();
    for seed in 1..=3 {
        let (one, other) = (run(seed), run(seed));
        assert_same(&one.0, &other.0, "the request logs");
        assert_same(&one.1, &other.1, "the states");
        let requests = one.0.lines().count();
        let troubled = one.0.lines().filter(|line| line.ends_with(']')).count();
        assert!(requests > 150 && troubled > 20, "seed {seed}: {requests} requests, {troubled} of them in trouble");
        logs.push(one.0);
    }
    assert!(logs[0] != logs[1] && logs[1] != logs[2], "the seed makes no difference");
}

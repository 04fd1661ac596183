//! Cache and writer against the in-process API, with its controllers, as the engine uses them.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use gitops_engine_cache::{Cache, CacheOptions, KubeCluster, Retention};
use gitops_engine_core::{
    ApiFaultKind, ApplyOptions, Cluster as _, ClusterCache, Coverage, DeleteOptions, Deleted, GroupKind, KindState,
    ManagedFields, Manifest, ObjectId, ResourceType, Scope, Snapshot,
};
use gitops_engine_testkit::Cluster;
use serde_json::{Value, json};
use support::until;

async fn start(cluster: &Cluster) -> Cache {
    let cache = Cache::start(cluster.client(), CacheOptions::default());
    cache.ready().await.unwrap();
    cache
}

fn manifest(object: &Value) -> Manifest {
    Manifest::from_json(object.to_string().as_bytes(), ManagedFields::Drop).unwrap()
}

/// The resource of an object, as discovery tells it.
async fn resource(cache: &Cache, id: &ObjectId) -> ResourceType {
    let now = until(cache, "the kind", |now| now.kind(&id.kind).scope().is_some()).await;
    match now.kind(&id.kind) {
        KindState::Served { preferred, .. } => (*preferred).clone(),
        other => panic!("{other:?}"),
    }
}

async fn apply(cache: &Cache, writer: &KubeCluster, object: &Value) -> Manifest {
    let manifest = manifest(object);
    let resource = resource(cache, manifest.id()).await;
    writer.apply(&resource, &manifest, &ApplyOptions::new("tests")).await.unwrap().object
}

fn deployment(replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

#[tokio::test(start_paused = true)]
async fn a_deployment_and_what_becomes_of_it() {
    let cluster = Cluster::builder().build();
    let cache = start(&cluster).await;
    let writer = KubeCluster::new(cluster.client());
    let applied = apply(&cache, &writer, &deployment(3)).await;
    let uid = applied.uid().unwrap();
    let pods = |now: &dyn Snapshot| {
        let sets = now.children(&uid);
        sets.iter().flat_map(|set| now.children(&set.uid)).collect::<Vec<_>>()
    };
    let now = until(&cache, "three Pods", |now| pods(now).len() == 3).await;
    assert!(pods(&*now).iter().all(|pod| pod.manifest.is_none()), "what controllers made is index only");
    let live = now.get(applied.id()).unwrap();
    let written: u64 = applied.resource_version().unwrap().parse().unwrap();
    assert!(live.version_number().unwrap() >= written);

    // A delete proves its target; then the collector takes what it owned.
    let deployments = resource(&cache, applied.id()).await;
    let wrong = writer.delete(&deployments, applied.id(), &DeleteOptions::new("another".into())).await;
    assert_eq!(wrong.unwrap_err().kind, ApiFaultKind::Conflict);
    let right = writer.delete(&deployments, applied.id(), &DeleteOptions::new(uid.clone())).await.unwrap();
    assert!(matches!(right, Deleted::Going(_) | Deleted::Gone));
    until(&cache, "nothing left", |now| now.get(applied.id()).is_none() && pods(now).is_empty()).await;
    let again = writer.delete(&deployments, applied.id(), &DeleteOptions::new(uid.clone())).await.unwrap();
    assert!(matches!(again, Deleted::NotFound));
    assert!(writer.get(&deployments, applied.id()).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_idle_cluster_gets_no_request() {
    let cluster = Cluster::builder().build();
    let cache = start(&cluster).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (mark, generation) = (cluster.request_count(), cache.snapshot().generation());
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(cluster.request_count(), mark, "{:?}", cluster.requests_since(mark));
    assert_eq!(cluster.writes_since(0), 0, "a cache writes nothing");
    assert_eq!(cache.snapshot().generation(), generation);
}

#[tokio::test(start_paused = true)]
async fn a_crd_makes_a_kind() {
    let cluster = Cluster::builder().build();
    // An embedder that wants no object whole does not blind the cache.
    let cache = Cache::start(cluster.client(), CacheOptions::default().retain(|_: &Manifest| Retention::Index));
    cache.ready().await.unwrap();
    let writer = KubeCluster::new(cluster.client());
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "shops.demo.example"},
        "spec": {"group": "demo.example", "scope": "Namespaced", "names": {"kind": "Shop", "plural": "shops", "singular": "shop", "listKind": "ShopList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema":
                {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
    let shop =
        json!({"apiVersion": "demo.example/v1", "kind": "Shop", "metadata": {"name": "one", "namespace": "default"}});
    let definition = apply(&cache, &writer, &crd).await;
    let shop = apply(&cache, &writer, &shop).await;
    let now = until(&cache, "the shop", |now| now.get(shop.id()).is_some()).await;
    assert_eq!(now.kind(&shop.id().kind).scope(), Some(Scope::Namespaced));
    let definitions = resource(&cache, definition.id()).await;
    writer.delete(&definitions, definition.id(), &DeleteOptions::new(definition.uid().unwrap())).await.unwrap();
    until(&cache, "no shops", |now| now.kind(&shop.id().kind) == KindState::NotServed && now.get(shop.id()).is_none())
        .await;
}

#[tokio::test(start_paused = true)]
async fn faults_of_the_server_pass() {
    let cluster = Cluster::builder().build();
    cluster.forbid("", "secrets", ["list", "watch"]);
    let cache = start(&cluster).await;
    let secret = GroupKind::new("", "Secret");
    assert!(matches!(cache.snapshot().kind(&secret), KindState::Served { coverage: Coverage::Forbidden(_), .. }));
    let put = |name: &str| {
        let object =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}});
        cluster.create(object).map_err(|refused| refused.code()).unwrap();
        ObjectId::namespaced("", "ConfigMap", "default", name)
    };
    tokio::time::sleep(Duration::from_secs(10)).await;
    cluster.drop_watches();
    let id = put("dropped");
    until(&cache, "after a drop", |now| now.get(&id).is_some()).await;
    cluster.expire_watches();
    let id = put("expired");
    until(&cache, "after a 410", |now| now.get(&id).is_some()).await;
    cluster.close_watches();
    let id = put("closed");
    until(&cache, "after an end", |now| now.get(&id).is_some()).await;
    cluster.heal();
    until(&cache, "whole", |now| matches!(now.kind(&secret), KindState::Served { coverage: Coverage::Complete, .. }))
        .await;
}

//! Which class claims and Ingresses get that name none: not among the conformance cases, since a class of all is one of the
//! whole cluster.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod common;

use std::time::Duration;

use common::{api, cluster_api, object};
use gitops_engine_testkit::Cluster;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

const STORAGE: &str = "storageclass.kubernetes.io/is-default-class";
const INGRESS: &str = "ingressclass.kubernetes.io/is-default-class";

async fn storage_class(cluster: &Cluster, name: &str, default: &str) {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "example.com/disk",
        "metadata": {"name": name, "annotations": {STORAGE: default}},
    });
    cluster_api(cluster, "storage.k8s.io/v1", "StorageClass")
        .create(&PostParams::default(), &object(class))
        .await
        .unwrap();
}

/// The class that a claim gets, which is only tried.
async fn class_of_claim(cluster: &Cluster) -> Value {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    let trial = PostParams { dry_run: true, ..PostParams::default() };
    let made = api(cluster, "v1", "PersistentVolumeClaim").create(&trial, &object(claim)).await.unwrap();
    made.data["spec"].get("storageClassName").cloned().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_claim_gets_the_newest_class_that_is_of_all() {
    let cluster = Cluster::default();
    assert_eq!(class_of_claim(&cluster).await, "standard");
    storage_class(&cluster, "slow", "false").await;
    assert_eq!(class_of_claim(&cluster).await, "standard");
    tokio::time::advance(Duration::from_secs(5)).await;
    storage_class(&cluster, "newer-b", "true").await;
    storage_class(&cluster, "newer-a", "true").await;
    assert_eq!(class_of_claim(&cluster).await, "newer-a");
    let classes = cluster_api(&cluster, "storage.k8s.io/v1", "StorageClass");
    for name in ["standard", "newer-a", "newer-b"] {
        classes.delete(name, &DeleteParams::default()).await.unwrap();
    }
    assert_eq!(class_of_claim(&cluster).await, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn an_ingress_gets_the_class_that_is_of_all_unless_it_names_one() {
    let cluster = Cluster::default();
    let ingresses = api(&cluster, "networking.k8s.io/v1", "Ingress");
    let class_of = async |annotations: Value| {
        let ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "web", "annotations": annotations},
            "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
        });
        let trial = PostParams { dry_run: true, ..PostParams::default() };
        let made = ingresses.create(&trial, &object(ingress)).await.unwrap();
        made.data["spec"].get("ingressClassName").cloned().unwrap_or_default()
    };
    assert_eq!(class_of(json!({})).await, Value::Null);
    let class = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "spec": {"controller": "example.com/proxy"},
        "metadata": {"name": "proxy", "annotations": {INGRESS: "true"}},
    });
    let classes = cluster_api(&cluster, "networking.k8s.io/v1", "IngressClass");
    classes.create(&PostParams::default(), &object(class)).await.unwrap();
    assert_eq!(class_of(json!({})).await, "proxy");
    assert_eq!(class_of(json!({"kubernetes.io/ingress.class": "old"})).await, Value::Null);
}

//! What the tests share.
#![allow(dead_code, reason = "not every test uses everything")]
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]
#![allow(unreachable_pub, reason = "a module of tests")]

use std::time::Duration;

use gitops_engine_testkit::Cluster;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, WatchEvent},
    core::GroupVersionKind,
};
use serde_json::{Value, json};

pub fn resource(api_version: &str, kind: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

pub fn api(cluster: &Cluster, api_version: &str, kind: &str) -> Api<DynamicObject> {
    api_in(cluster, api_version, kind, "default")
}

pub fn api_in(cluster: &Cluster, api_version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(cluster.client(), namespace, &resource(api_version, kind))
}

pub fn cluster_api(cluster: &Cluster, api_version: &str, kind: &str) -> Api<DynamicObject> {
    Api::all_with(cluster.client(), &resource(api_version, kind))
}

pub fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap()
}

pub fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

pub fn secret(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}})
}

pub fn deployment(name: &str, replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image, "ports": [{"containerPort": 80}]}]},
            },
        },
    })
}

pub fn names(objects: &[DynamicObject]) -> Vec<String> {
    objects.iter().map(|o| o.metadata.name.clone().unwrap()).collect()
}

pub fn value_names(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|o| o["metadata"]["name"].as_str().unwrap()).collect()
}

pub fn status_of<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String) {
    match result.unwrap_err() {
        kube::Error::Api(status) => (status.code, status.reason.clone()),
        other => panic!("not an answer of the API: {other}"),
    }
}

pub fn seen(event: WatchEvent<DynamicObject>) -> String {
    let (kind, object) = match event {
        WatchEvent::Added(o) => ("ADDED", o),
        WatchEvent::Modified(o) => ("MODIFIED", o),
        WatchEvent::Deleted(o) => ("DELETED", o),
        other => return format!("{other:?}"),
    };
    format!("{kind} {}", object.metadata.name.unwrap_or_default())
}

/// Waits on the (mostly paused) clock until the cluster is as wanted.
pub async fn until(cluster: &Cluster, wanted: impl Fn(&Cluster) -> bool) {
    for _ in 0..100_000 {
        if wanted(cluster) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never happened:\n{}", serde_json::to_string_pretty(&cluster.dump()).unwrap());
}

pub async fn wait(cluster: &Cluster, kind: &str, name: &str, wanted: impl Fn(&Value) -> bool) {
    until(cluster, |c| c.get(kind, "default", name).is_some_and(|o| wanted(&o))).await;
}

pub async fn wait_cluster(cluster: &Cluster, kind: &str, name: &str, wanted: impl Fn(&Value) -> bool) {
    until(cluster, |c| c.get(kind, "", name).is_some_and(|o| wanted(&o))).await;
}

pub fn available(replicas: i64) -> impl Fn(&Value) -> bool {
    move |d| d["status"]["availableReplicas"] == replicas && d["status"]["updatedReplicas"] == replicas
}

//! The requests that `KubeCluster` makes, and what it makes of the answers.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gitops_engine_cache::{Client, Connection, KubeCluster};
use gitops_engine_core::{
    ApiFaultKind, ApplyOptions, Cluster, Conflicts, DeleteOptions, Deleted, GroupKind, ManagedFields, Manifest,
    ObjectId, Propagation, ResourceType, Scope, Uid,
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use kube::client::Body;

const CONFIG_MAP: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"shop","uid":"u1",
    "resourceVersion":"9","managedFields":[{"manager":"m"}]},"data":{"a":"b"}}"#;

/// A server that answers every request alike and writes down what it was asked.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    fn cluster(&self, code: u16, body: &str) -> KubeCluster {
        let (seen, body) = (self.0.clone(), body.to_owned());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (seen, body) = (seen.clone(), body.clone());
            async move {
                let (parts, sent) = request.into_parts();
                let sent = sent.collect().await.unwrap().to_bytes();
                let content = parts.headers.get("content-type").map_or("", |value| value.to_str().unwrap());
                let line = format!("{} {} [{content}] {}", parts.method, parts.uri, String::from_utf8_lossy(&sent));
                seen.lock().unwrap().push(line);
                let answer = Response::builder().status(code).header("warning", r#"299 - "deprecated""#);
                Ok::<_, std::convert::Infallible>(answer.body(Full::from(body)).unwrap())
            }
        });
        KubeCluster::new(Client::new(service, "default"))
    }

    fn only(&self) -> String {
        let seen = self.0.lock().unwrap();
        assert_eq!(seen.len(), 1, "one call is one request: {seen:?}");
        seen[0].clone()
    }
}

fn config_maps() -> ResourceType {
    ResourceType {
        kind: GroupKind::new("", "ConfigMap"),
        version: "v1".into(),
        plural: "configmaps".into(),
        scope: Scope::Namespaced,
    }
}

fn config_map() -> Manifest {
    let text = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"shop"}}"#;
    Manifest::from_json(text, ManagedFields::Drop).unwrap()
}

fn id() -> ObjectId {
    ObjectId::namespaced("", "ConfigMap", "shop", "settings")
}

const SENT: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"shop"}}"#;

#[tokio::test]
async fn apply_is_server_side_apply_with_our_manager() {
    let server = Recorder::default();
    let applied = server
        .cluster(200, CONFIG_MAP)
        .apply(&config_maps(), &config_map(), &ApplyOptions::new("gitops"))
        .await
        .unwrap();
    assert_eq!(applied.object.managed_fields(), Some(r#"[{"manager":"m"}]"#));
    assert_eq!(applied.warnings, ["deprecated"]);
    let query = "force=true&fieldManager=gitops&fieldValidation=Strict";
    let path = "/api/v1/namespaces/shop/configmaps/settings";
    assert_eq!(server.only(), format!("PATCH {path}?{query} [application/apply-patch+yaml] {SENT}"));

    let server = Recorder::default();
    let options = ApplyOptions::new("a b&c").dry_run().conflicts(Conflicts::Fail);
    server.cluster(200, CONFIG_MAP).apply(&config_maps(), &config_map(), &options).await.unwrap();
    assert!(server.only().contains("?force=false&fieldManager=a%20b%26c&fieldValidation=Strict&dryRun=All "));
}

#[tokio::test]
async fn create_and_replace() {
    let options = ApplyOptions::new("gitops");
    let query = "fieldManager=gitops&fieldValidation=Strict";
    let server = Recorder::default();
    server.cluster(201, CONFIG_MAP).create(&config_maps(), &config_map(), &options).await.unwrap();
    let path = "/api/v1/namespaces/shop/configmaps";
    assert_eq!(server.only(), format!("POST {path}?{query} [application/json] {SENT}"));
    let server = Recorder::default();
    server.cluster(200, CONFIG_MAP).replace(&config_maps(), &config_map(), &options).await.unwrap();
    assert_eq!(server.only(), format!("PUT {path}/settings?{query} [application/json] {SENT}"));
}

#[tokio::test]
async fn a_delete_proves_its_target() {
    let server = Recorder::default();
    let options = DeleteOptions::new(Uid::from("u1")).resource_version("9").propagation(Propagation::Background);
    let gone = r#"{"kind":"Status","status":"Success","details":{"name":"settings","uid":"u1"}}"#;
    let deleted = server.cluster(200, gone).delete(&config_maps(), &id(), &options).await.unwrap();
    assert!(matches!(deleted, Deleted::Gone));
    let body = r#"{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"resourceVersion":"9","uid":"u1"},"propagationPolicy":"Background"}"#;
    let path = "/api/v1/namespaces/shop/configmaps/settings";
    assert_eq!(server.only(), format!("DELETE {path} [application/json] {body}"));
}

#[tokio::test]
async fn the_outcomes_of_a_delete() {
    let options = DeleteOptions::new(Uid::from("u1"));
    let absent = r#"{"kind":"Status","reason":"NotFound","details":{"name":"settings"}}"#;
    let going = CONFIG_MAP.replace("\"uid\"", "\"deletionTimestamp\":\"2026-01-01T00:00:00Z\",\"uid\"");
    let outcome = async |code, body: &str| {
        let outcome = Recorder::default().cluster(code, body).delete(&config_maps(), &id(), &options).await;
        match outcome {
            Ok(Deleted::Gone) => "gone".to_owned(),
            Ok(Deleted::Going(object)) => format!("going {}", object.is_some()),
            Ok(Deleted::NotFound) => "not found".to_owned(),
            Err(fault) => format!("{:?}", fault.kind),
        }
    };
    assert_eq!(outcome(200, r#"{"kind":"Status","status":"Success"}"#).await, "gone");
    assert_eq!(outcome(202, r#"{"kind":"Status","status":"Success"}"#).await, "going false");
    // Some kinds answer with the object, gone or not.
    assert_eq!(outcome(200, CONFIG_MAP).await, "gone");
    assert_eq!(outcome(200, &going).await, "going true");
    assert_eq!(outcome(404, absent).await, "not found");
    assert_eq!(outcome(404, "404 page not found").await, "NotFound");
    assert_eq!(outcome(409, r#"{"kind":"Status","reason":"Conflict"}"#).await, "Conflict");
}

#[tokio::test]
async fn absence_is_the_objects_not_the_kinds() {
    let absent = r#"{"kind":"Status","reason":"NotFound","details":{"name":"settings","kind":"configmaps"}}"#;
    assert!(Recorder::default().cluster(404, absent).get(&config_maps(), &id()).await.unwrap().is_none());
    let fault = Recorder::default().cluster(404, "404 page not found").get(&config_maps(), &id()).await.unwrap_err();
    assert_eq!(fault.kind, ApiFaultKind::NotFound);
    assert!(Recorder::default().cluster(200, CONFIG_MAP).get(&config_maps(), &id()).await.unwrap().is_some());
}

#[tokio::test]
async fn what_does_not_fit_makes_no_request() {
    let server = Recorder::default();
    let cluster_scoped = ObjectId::cluster("", "ConfigMap", "settings");
    let fault = server.cluster(200, CONFIG_MAP).get(&config_maps(), &cluster_scoped).await.unwrap_err();
    assert_eq!(fault.kind, ApiFaultKind::BadRequest);
    assert!(server.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn answers_that_make_no_sense_are_faults() {
    for body in ["", "<html>", "[]", r#"{"kind":"ConfigMap"}"#] {
        let fault = Recorder::default().cluster(200, body).get(&config_maps(), &id()).await.unwrap_err();
        assert_eq!(fault.kind, ApiFaultKind::Protocol, "{body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_server_is_a_timeout() {
    let service = tower::service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<Full<bytes::Bytes>>, std::io::Error>>()
    });
    let cluster = KubeCluster::new(Client::new(service, "default")).with_timeout(Duration::from_secs(5));
    let fault = cluster.get(&config_maps(), &id()).await.unwrap_err();
    assert_eq!((fault.kind, fault.code), (ApiFaultKind::Timeout, 0));
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_a_connection_fault() {
    // Bound and dropped at once: nobody listens there.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, clusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}], \
         users: [], contexts: [{{name: c, context: {{cluster: c, user: ''}}}}]}}"
    );
    std::fs::write(&path, text).unwrap();
    let connection = Connection::from_kubeconfig_file(&path, None).await.unwrap();
    let fault = KubeCluster::new(connection).get(&config_maps(), &id()).await.unwrap_err();
    assert_eq!((fault.kind, fault.code), (ApiFaultKind::Connection, 0), "{fault}");
}

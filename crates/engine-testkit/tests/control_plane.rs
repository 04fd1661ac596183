//! The real control plane does what its documentation promises, and leaves nothing behind.
//!
//! Run by `cargo xtask e2e --real`: these need programs that plain `cargo test` must not.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gitops_engine_testkit::control_plane::{ControlPlane, ControlPlaneBinaries, ControlPlaneUser, POD_ANNOTATION};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
#[ignore = "needs a real control plane: cargo xtask e2e --real"]
async fn workloads_reach_their_states() {
    let plane = ControlPlane::start().await.unwrap();
    let client = plane.client(ControlPlaneUser::Admin).await.unwrap();
    apply(&client, "v1", "Namespace", json!({"metadata": {"name": "shop"}})).await;

    let objects = [
        workload("apps/v1", "Deployment", "web", json!({"replicas": 3}), json!({})),
        workload(
            "apps/v1",
            "StatefulSet",
            "database",
            json!({
                "replicas": 2, "serviceName": "database",
                "volumeClaimTemplates": [{
                    "metadata": {"name": "data"},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
                }],
            }),
            json!({}),
        ),
        workload("apps/v1", "DaemonSet", "agent", json!({}), json!({})),
        workload("batch/v1", "Job", "migrate", json!({}), json!({"restartPolicy": "Never"})),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
               "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
               "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "uploads"},
               "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "5Gi"}}}}),
    ];
    for object in &objects {
        let (version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        apply(&client, version, kind, object.clone()).await;
    }
    let reached = [
        ("apps/v1", "Deployment", "web", "/status/availableReplicas", json!(3)),
        ("apps/v1", "StatefulSet", "database", "/status/readyReplicas", json!(2)),
        ("apps/v1", "DaemonSet", "agent", "/status/numberReady", json!(1)),
        ("batch/v1", "Job", "migrate", "/status/succeeded", json!(1)),
        ("v1", "PersistentVolumeClaim", "uploads", "/status/phase", json!("Bound")),
        ("v1", "PersistentVolumeClaim", "data-database-1", "/status/phase", json!("Bound")),
    ];
    for (version, kind, name, pointer, value) in reached {
        until(&client, version, kind, name, |object| object.pointer(pointer) == Some(&value)).await;
    }
    for (version, kind) in [("v1", "Service"), ("networking.k8s.io/v1", "Ingress")] {
        until(&client, version, kind, "web", |object| {
            object
                .pointer("/status/loadBalancer/ingress/0/ip")
                .and_then(Value::as_str)
                .is_some_and(|address| address.starts_with("198."))
        })
        .await;
    }

    // A volume goes with its claim, and a Pod with its owner.
    api(&client, "v1", "PersistentVolumeClaim").delete("uploads", &DeleteParams::default()).await.unwrap();
    api(&client, "apps/v1", "Deployment").delete("web", &DeleteParams::background()).await.unwrap();
    let volumes = Api::<PersistentVolume>::all(client.clone());
    let pods = api(&client, "v1", "Pod");
    let web = kube::api::ListParams::default().labels("app=web");
    eventually("the volume and the Pods to go", async || {
        volumes.list(&Default::default()).await.unwrap().items.len() == 2
            && pods.list(&web).await.unwrap().items.is_empty()
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a real control plane: cargo xtask e2e --real"]
async fn pods_fare_as_their_annotation_says() {
    let plane = ControlPlane::start().await.unwrap();
    let client = plane.client(ControlPlaneUser::Admin).await.unwrap();
    apply(&client, "v1", "Namespace", json!({"metadata": {"name": "shop"}})).await;
    let fates = ["slow", "never-ready", "crash-looping", "image-missing", "failing"];
    for fate in fates {
        let pod = json!({
            "metadata": {"name": fate, "annotations": {POD_ANNOTATION: fate}},
            "spec": {"restartPolicy": if fate == "failing" { "Never" } else { "Always" }, "containers": containers()},
        });
        apply(&client, "v1", "Pod", pod).await;
    }
    let doomed = workload(
        "batch/v1",
        "Job",
        "doomed",
        json!({"backoffLimit": 0}),
        json!({"restartPolicy": "Never", "annotation": "failing"}),
    );
    apply(&client, "batch/v1", "Job", doomed).await;

    let ready = |object: &Value, wanted: &str| {
        object["status"]["conditions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == wanted))
    };
    let waiting = |object: &Value| object.pointer("/status/containerStatuses/0/state/waiting/reason").cloned();
    until(&client, "v1", "Pod", "slow", |pod| ready(pod, "True")).await;
    until(&client, "v1", "Pod", "never-ready", |pod| pod["status"]["phase"] == "Running" && ready(pod, "False")).await;
    until(&client, "v1", "Pod", "crash-looping", |pod| {
        waiting(pod) == Some(json!("CrashLoopBackOff"))
            && pod["status"]["containerStatuses"][0]["restartCount"].as_u64() > Some(1)
    })
    .await;
    until(&client, "v1", "Pod", "image-missing", |pod| {
        pod["status"]["phase"] == "Pending" && waiting(pod) == Some(json!("ImagePullBackOff"))
    })
    .await;
    until(&client, "v1", "Pod", "failing", |pod| pod["status"]["phase"] == "Failed").await;
    until(&client, "batch/v1", "Job", "doomed", |job| {
        job["status"]["conditions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|c| c["type"] == "Failed" && c["status"] == "True"))
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a real control plane: cargo xtask e2e --real"]
async fn users_and_their_requests_are_told_apart() {
    let plane = ControlPlane::start().await.unwrap();
    let before = plane.requests().unwrap().len();
    let restricted = plane.client(ControlPlaneUser::Restricted).await.unwrap();
    let refused = Api::<Namespace>::all(restricted).list(&Default::default()).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403));
    let admin = plane.client(ControlPlaneUser::Admin).await.unwrap();
    let namespaces = Api::<Namespace>::all(admin.clone());
    apply(&admin, "v1", "Namespace", json!({"metadata": {"name": "shop"}})).await;
    namespaces.get("shop").await.unwrap();

    let requests = plane.requests().unwrap().split_off(before);
    let seen: Vec<_> = requests.iter().map(|r| (r.user.as_str(), r.verb.as_str(), r.is_write())).collect();
    assert_eq!(seen, [("restricted", "list", false), ("admin", "patch", true), ("admin", "get", false)]);
    assert!(!format!("{plane:?}").contains("token"));
}

#[tokio::test]
#[ignore = "needs a real control plane: cargo xtask e2e --real"]
async fn nothing_is_left_after_a_drop_or_a_panic() {
    let plane = ControlPlane::start().await.unwrap();
    let folder = plane.folder().to_owned();
    assert_eq!(programs(&folder), 5, "one process for each component");
    drop(plane);
    assert_eq!(programs(&folder), 0);
    assert!(!folder.exists());

    let plane = ControlPlane::start().await.unwrap();
    let folder = plane.folder().to_owned();
    let outcome = tokio::spawn(async move {
        let _held = plane;
        panic!("as a failed test does");
    })
    .await;
    assert!(outcome.unwrap_err().is_panic());
    assert_eq!(programs(&folder), 0);
    assert!(!folder.exists());
}

#[tokio::test]
#[ignore = "needs a real control plane: cargo xtask e2e --real"]
async fn nothing_is_left_when_a_start_is_given_up() {
    let scratch = tempfile::tempdir().unwrap();
    let start = ControlPlane::builder().scratch(scratch.path()).start();
    let given_up = tokio::time::timeout(Duration::from_millis(300), start).await;
    assert!(given_up.is_err());
    eventually("the processes to end", async || {
        programs(scratch.path()) == 0 && scratch.path().read_dir().unwrap().next().is_none()
    })
    .await;
}

/// This one runs everywhere: nothing is started.
#[test]
fn a_machine_without_programs_says_what_to_do() {
    const ROLE: &str = "TESTKIT_WITHOUT_PROGRAMS";
    if std::env::var_os(ROLE).is_some() {
        let error = ControlPlane::builder().start_blocking().unwrap_err();
        assert!(error.is_unavailable());
        assert!(error.to_string().contains("Set KUBEBUILDER_ASSETS"), "{error}");
        assert!(error.to_string().contains("no `go` in PATH"), "{error}");
        return;
    }
    // A process of its own, for the sake of its environment.
    let cache = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_machine_without_programs_says_what_to_do"])
        .env(ROLE, "1")
        .env("PATH", "")
        .env("GITOPS_ENGINE_CACHE", cache.path())
        .env_remove("KUBEBUILDER_ASSETS")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn assets_without_controllers_are_refused_by_name() {
    let assets = tempfile::tempdir().unwrap();
    for name in ["etcd", "kube-apiserver"] {
        std::fs::write(assets.path().join(name), "").unwrap();
    }
    let error = ControlPlaneBinaries::in_folder(assets.path().to_owned()).unwrap_err();
    assert!(!error.is_unavailable());
    assert!(error.to_string().contains("kube-controller-manager, kube-scheduler, kwok"), "{error}");
}

const KILLED: &str = "TESTKIT_OWNER_TO_BE_KILLED";

#[tokio::test]
#[ignore = "needs a real control plane: cargo xtask e2e --real"]
async fn nothing_is_left_when_the_owner_is_killed() {
    if std::env::var_os(KILLED).is_some() {
        be_killed().await;
    }
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nothing_is_left_when_the_owner_is_killed"])
        .args(["--nocapture", "--ignored"])
        .env(KILLED, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = BufReader::new(owner.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("folder=").map(|(_, folder)| folder.to_owned()))
        .unwrap();
    let folder = Path::new(&folder);
    assert_eq!(programs(folder), 5);
    owner.kill().unwrap(); // SIGKILL: no destructor runs
    owner.wait().unwrap();
    eventually("the processes to end", async || programs(folder) == 0 && !folder.exists()).await;
}

/// What the test above does in the process that it kills.
#[allow(clippy::print_stdout)] // how it tells its folder
async fn be_killed() {
    let plane = ControlPlane::start().await.unwrap();
    println!("\nfolder={}", plane.folder().display());
    std::future::pending::<()>().await;
}

/// How many programs run with this folder among their arguments, without the guards.
fn programs(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    Path::new("/proc")
        .read_dir()
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|args| String::from_utf8_lossy(&args).into_owned())
        .filter(|args| args.contains(folder) && !args.starts_with("/bin/sh"))
        .count()
}

fn containers() -> Value {
    json!([{"name": "main", "image": "example.com/main:1"}])
}

fn workload(version: &str, kind: &str, name: &str, mut spec: Value, pod: Value) -> Value {
    let mut pod_spec = json!({"containers": containers()});
    if let Some(policy) = pod.get("restartPolicy") {
        pod_spec["restartPolicy"] = policy.clone();
    }
    let mut metadata = json!({"labels": {"app": name}});
    if let Some(fate) = pod.get("annotation") {
        metadata["annotations"] = json!({POD_ANNOTATION: fate});
    }
    spec["template"] = json!({"metadata": metadata, "spec": pod_spec});
    if kind != "Job" {
        spec["selector"] = json!({"matchLabels": {"app": name}});
    }
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn api(client: &kube::Client, version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    if kind == "Namespace" {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), "shop", &resource)
    }
}

async fn apply(client: &kube::Client, version: &str, kind: &str, mut object: Value) {
    object["apiVersion"] = json!(version);
    object["kind"] = json!(kind);
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let api = api(client, version, kind);
    // A new namespace has no ServiceAccount for its first moment, and refuses Pods for as long.
    let began = Instant::now();
    loop {
        match api.patch(&name, &PatchParams::apply("test"), &Patch::Apply(&object)).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 403 && began.elapsed() < DEADLINE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{kind} {name}: {error}"),
        }
    }
}

async fn until(client: &kube::Client, version: &str, kind: &str, name: &str, reached: impl Fn(&Value) -> bool) {
    let api = api(client, version, kind);
    let began = Instant::now();
    loop {
        let object = match api.get_opt(name).await.unwrap() {
            Some(object) => serde_json::to_value(object).unwrap(),
            None => Value::Null,
        };
        if reached(&object) {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "{kind} {name}: {:#}", object["status"]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn eventually(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !reached().await {
        assert!(began.elapsed() < DEADLINE, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

//! What is done to Pods by their subresources, and the budgets that evictions ask.

use serde_json::{Value, json};

use super::super::program::{Body, Edit, Operation};
use super::super::rng::Rng;
use super::{APPLY, JSON, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, manager, mutate, options, pod};

/// The areas in which programs do this.
pub(super) const AREAS: [&str; 2] = ["pod", "pdb"];
pub(super) const PODS: &str = "/api/v1/namespaces/{{ns}}/pods";
pub(super) const BUDGETS: &str = "/apis/policy/v1/namespaces/{{ns}}/poddisruptionbudgets";
/// A node of the program's own.
pub(super) const NODE: &str = "{{ns}}-node";

pub(super) fn operation(rng: &mut Rng) -> Operation {
    let name = rng.pick(&["a", "a", "a", "b"]);
    match rng.below(20) {
        0..5 => evict(rng, name),
        5..8 => bind(rng, name),
        8..11 => debug(rng, name),
        11..14 => resize(rng, name),
        14 | 15 => plain_pod(rng, name),
        16 | 17 => begin(rng, name),
        18 => budget(rng),
        _ => allow(rng),
    }
}

/// Pods that run, a budget over them, and evictions in a row.
pub(super) fn drain(rng: &mut Rng) -> Vec<Operation> {
    let mut out = Vec::new();
    for name in ["a", "b"] {
        out.push(plain_pod(rng, name));
        out.push(begin(rng, name));
    }
    out.push(budget(rng));
    if rng.chance(12) {
        out.push(budget(rng));
    }
    out.push(allow(rng));
    for _ in 0..=rng.below(3) {
        let name = rng.pick(&["a", "b"]);
        out.push(evict(rng, name));
    }
    out
}

/// A node with room for little, somewhere.
pub(super) fn node() -> Operation {
    let room = json!({"cpu": "2", "memory": "2Gi", "pods": "10"});
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": NODE, "labels": {
            "topology.kubernetes.io/zone": "west-1", "kubernetes.io/os": "linux", "other": "x",
        }},
        "spec": {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]},
        "status": {"capacity": room, "allocatable": room, "declaredFeatures": ["InPlacePodLevelResourcesVerticalScaling"]},
    });
    request("POST", "/api/v1/nodes".to_owned(), JSON, Body::Json(node))
}

fn request(method: &'static str, path: String, content_type: &'static str, body: Body) -> Operation {
    Operation { method, path, query: Vec::new(), content_type, body }
}

fn evict(rng: &mut Rng, name: &str) -> Operation {
    let at = format!("{PODS}/{name}");
    let mut body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
    let mut how = json!({});
    if rng.chance(20) {
        how["dryRun"] = json!([rng.pick(&["All", "All", "All", "Some"])]);
    }
    if rng.chance(20) {
        how["gracePeriodSeconds"] = json!(rng.pick(&[0_i64, 5, -1]));
    }
    if rng.chance(20) {
        how["propagationPolicy"] = rng.pick(&["Background", "Foreground", "Orphan", "Sideways"]).into();
    }
    if rng.chance(5) {
        how["orphanDependents"] = rng.chance(50).into();
    }
    if rng.chance(25) {
        how["preconditions"] = match rng.below(5) {
            0 => json!({"uid": format!("{{{{uid:{at}}}}}")}),
            // Without a version a server would try for ten seconds whether it becomes this Pod.
            1 => json!({"uid": "11111111-2222-3333-4444-555555555555", "resourceVersion": format!("{{{{rv:{at}}}}}")}),
            2 => json!({"resourceVersion": format!("{{{{old-rv:{at}}}}}")}),
            3 => json!({"uid": "", "resourceVersion": ""}),
            _ => json!({"resourceVersion": format!("{{{{rv:{at}}}}}")}),
        };
    }
    if rng.chance(4) {
        how["ignoreStoreReadErrorWithClusterBreakingPotential"] = rng.chance(70).into();
    }
    if how.as_object().is_some_and(|how| !how.is_empty()) || rng.chance(10) {
        body["deleteOptions"] = how;
    }
    about_else(rng, &mut body, &["policy/v1beta1", "v1", "policy/v2", "apps/v1"]);
    let mut query = Vec::new();
    options(rng, &mut query);
    Operation { query, ..request("POST", format!("{at}/eviction"), JSON, Body::Json(body)) }
}

/// A body that is about something else than its path, now and then.
fn about_else(rng: &mut Rng, body: &mut Value, versions: &[&str]) {
    if !rng.chance(15) {
        return;
    }
    match rng.below(8) {
        0 => body["metadata"]["name"] = "other".into(),
        1 => body["metadata"]["namespace"] = "elsewhere".into(),
        2 => body["metadata"]["namespace"] = "{{ns}}".into(),
        3 => body["kind"] = rng.pick(&["", "Other", "Pod"]).into(),
        4 => body["apiVersion"] = "".into(),
        5 => body["unknown"] = json!({"a": 1}),
        6 => body["metadata"]["labels"] = if rng.chance(50) { json!({"a": 1}) } else { json!({"a": "b"}) },
        _ => body["apiVersion"] = versions[rng.below(versions.len())].into(),
    }
}

fn bind(rng: &mut Rng, name: &str) -> Operation {
    let at = format!("{PODS}/{name}");
    let node = rng.pick(&[NODE, NODE, "nowhere", ""]);
    let mut body = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": rng.pick(&["Node", "Node", "Node", "", "Pod"]), "name": node},
    });
    if rng.chance(20) {
        body["metadata"]["labels"] = json!({"app": rng.pick(&["web", "db"]), "bound": "yes"});
    }
    if rng.chance(15) {
        body["metadata"]["annotations"] = json!({"note": "bound"});
    }
    if rng.chance(15) {
        body["metadata"]["uid"] = rng.pick(&["x", "{{uid:PATH}}"]).replace("PATH", &at).into();
    }
    if rng.chance(15) {
        body["metadata"]["resourceVersion"] = rng.pick(&["{{old-rv:PATH}}", "{{rv:PATH}}"]).replace("PATH", &at).into();
    }
    about_else(rng, &mut body, &["v2", "apps/v1"]);
    let mut query = Vec::new();
    options(rng, &mut query);
    let path = if rng.chance(20) { "/api/v1/namespaces/{{ns}}/bindings".to_owned() } else { format!("{at}/binding") };
    Operation { query, ..request("POST", path, JSON, Body::Json(body)) }
}

/// A write of a part of the spec by a subresource: of a list of things with names.
fn write(rng: &mut Rng, name: &str, subresource: &str, list: &str, items: Value) -> Operation {
    let path = format!("{PODS}/{name}/{subresource}");
    let mut query = Vec::new();
    options(rng, &mut query);
    manager(rng, &mut query);
    let mut part = json!({"spec": {list: items}});
    if rng.chance(15) {
        part["metadata"] = json!({"labels": {"via": subresource}, "annotations": {"note": "y"}});
    }
    if rng.chance(10) {
        part["spec"]["activeDeadlineSeconds"] = 7.into();
    }
    if rng.chance(8) {
        part["status"] = json!({"message": "m"});
    }
    let part = if rng.chance(12) {
        let mut part = part;
        mutate::edit(rng, &part.clone()).apply(&mut part);
        part
    } else {
        part
    };
    let write = |method, content_type, body| Operation {
        query: query.clone(),
        ..request(method, path.clone(), content_type, body)
    };
    match rng.below(8) {
        0..3 => write("PATCH", STRATEGIC_PATCH, Body::Json(part)),
        3 => write("PATCH", MERGE_PATCH, Body::Json(part)),
        4 => {
            let body = json!([{"op": "add", "path": format!("/spec/{list}"), "value": part["spec"][list]}]);
            write("PATCH", JSON_PATCH, Body::Json(body))
        }
        5 => {
            let mut operation = write("PATCH", APPLY, Body::Empty);
            part_of_pod(name, part, &mut operation);
            operation.query.retain(|(key, _)| *key != "fieldManager");
            operation.query.push(("fieldManager", rng.pick(&["one", "two"]).to_owned()));
            if rng.chance(40) {
                operation.query.push(("force", "true".to_owned()));
            }
            operation
        }
        6 => {
            let edits = vec![Edit::Set(vec!["spec".to_owned(), list.to_owned()], part["spec"][list].clone())];
            write("PUT", JSON, Body::Seen { path: format!("{PODS}/{name}"), edits })
        }
        _ => request("GET", path, "", Body::Empty),
    }
}

fn part_of_pod(name: &str, mut part: Value, operation: &mut Operation) {
    part["apiVersion"] = "v1".into();
    part["kind"] = "Pod".into();
    if !part["metadata"].is_object() {
        part["metadata"] = json!({});
    }
    part["metadata"]["name"] = name.into();
    operation.body = Body::Json(part);
}

fn debug(rng: &mut Rng, name: &str) -> Operation {
    let mut containers = vec![debugger(rng)];
    if rng.chance(25) {
        containers.push(debugger(rng));
    }
    write(rng, name, "ephemeralcontainers", "ephemeralContainers", containers.into())
}

fn debugger(rng: &mut Rng) -> Value {
    let mut container = json!({"name": rng.pick(&["dbg", "dbg", "dbg2", "main"]), "image": rng.pick(&["busybox", "busybox", "alpine:3", ""])});
    for (percent, field, value) in [
        (25, "targetContainerName", json!(rng.pick(&["main", "main", "nobody"]))),
        (15, "command", json!(["sh"])),
        (10, "stdin", json!(true)),
        (
            10,
            "env",
            json!([{"name": "A", "value": "1"}, {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]),
        ),
        (6, "ports", json!([{"containerPort": 80}])),
        (6, "resources", json!({"limits": {"cpu": "1"}})),
        (6, "livenessProbe", json!({"tcpSocket": {"port": 1}})),
        (6, "lifecycle", json!({"preStop": {"exec": {"command": ["x"]}}})),
        (6, "restartPolicy", json!("Always")),
        (8, "volumeMounts", json!([{"name": "data", "mountPath": "/d", "subPath": rng.pick(&["", "x"])}])),
        (8, "securityContext", json!({"capabilities": {"add": ["SYS_PTRACE"]}})),
    ] {
        if rng.chance(percent) {
            container[field] = value;
        }
    }
    container
}

pub(super) fn resize(rng: &mut Rng, name: &str) -> Operation {
    let list = if rng.chance(15) { "initContainers" } else { "containers" };
    let own = if list == "containers" { rng.pick(&["main", "main", "main", "main", "side", "other"]) } else { "init" };
    let mut container = json!({"name": own, "resources": amounts(rng)});
    if rng.chance(10) {
        container["image"] = "other".into();
    }
    if rng.chance(10) {
        let policy = rng.pick(&["NotRequired", "RestartContainer"]);
        container["resizePolicy"] = json!([{"resourceName": rng.pick(&["cpu", "memory"]), "restartPolicy": policy}]);
    }
    let mut operation = write(rng, name, "resize", list, json!([container]));
    if rng.chance(10)
        && let Body::Json(body) = &mut operation.body
        && body["spec"].is_object()
    {
        body["spec"]["resources"] = amounts(rng);
    }
    operation
}

fn amounts(rng: &mut Rng) -> Value {
    let mut out = json!({});
    let cpu = rng.pick(&["100m", "200m", "1", "0.5", "3"]);
    let memory = rng.pick(&["64Mi", "128Mi", "1Gi", "1024Mi", "4Gi"]);
    match rng.below(8) {
        0 => out["requests"] = json!({"cpu": cpu}),
        1 => out["requests"] = json!({"cpu": cpu, "memory": memory}),
        2 => out["limits"] = json!({"cpu": cpu, "memory": memory}),
        3 => {
            out["requests"] = json!({"cpu": "100m", "memory": "64Mi"});
            out["limits"] = json!({"cpu": cpu, "memory": memory});
        }
        4 => out["requests"] = json!({"cpu": cpu, "ephemeral-storage": "1Gi"}),
        5 => {
            out["requests"] = json!({"cpu": cpu, "memory": memory});
            out["limits"] = json!({"cpu": cpu, "memory": memory});
        }
        6 => {}
        _ => out["limits"] = json!({"memory": memory}),
    }
    out
}

/// A Pod that a budget may select, and that asks for something, or not.
pub(super) fn plain_pod(rng: &mut Rng, name: &str) -> Operation {
    let mut pod = if rng.chance(30) {
        pod::pod(rng)
    } else {
        json!({"spec": {"containers": [{"name": "main", "image": "nginx"}]}})
    };
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"] = json!({"name": name, "labels": {"app": rng.pick(&["web", "web", "db"])}});
    if rng.chance(50) {
        pod["spec"]["containers"][0]["resources"] = amounts(rng);
    }
    if rng.chance(15) {
        pod["spec"]["nodeName"] = rng.pick(&[NODE, "nowhere"]).into();
    }
    if rng.chance(10) {
        pod["spec"]["initContainers"] = json!([{"name": "init", "image": "nginx", "resources": amounts(rng)}]);
        if rng.chance(50) {
            pod["spec"]["initContainers"][0]["restartPolicy"] = "Always".into();
        }
    }
    if rng.chance(10) {
        pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
    }
    request("POST", PODS.to_owned(), JSON, Body::Json(pod))
}

/// A Pod runs, and is ready or not.
pub(super) fn begin(rng: &mut Rng, name: &str) -> Operation {
    let ready = rng.pick(&["True", "True", "False"]);
    let mut conditions = vec![
        json!({"type": "Ready", "status": ready, "lastProbeTime": null, "lastTransitionTime": "2020-01-01T00:00:00Z"}),
    ];
    if rng.chance(10) {
        conditions.push(json!({"type": "DisruptionTarget", "status": ready, "observedGeneration": 1}));
    }
    let phase = rng.pick(&["Running", "Running", "Running", "Succeeded", "Pending"]);
    let mut status = json!({"phase": phase, "conditions": conditions});
    if rng.chance(15) {
        let mut container = json!({
            "name": "main", "image": "nginx", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": "2020-01-01T00:00:00Z"}},
        });
        if rng.chance(50) {
            container["resources"] = json!({"requests": {"cpu": "100m"}});
        }
        status["containerStatuses"] = json!([container]);
    }
    let body = Body::Json(json!({"status": status}));
    request("PATCH", format!("{PODS}/{name}/status"), MERGE_PATCH, body)
}

fn budget(rng: &mut Rng) -> Operation {
    let selector = if rng.chance(65) { json!({"matchLabels": {"app": "web"}}) } else { json!({}) };
    let mut spec = json!({"minAvailable": 1, "selector": selector});
    if rng.chance(30) {
        spec["unhealthyPodEvictionPolicy"] = rng.pick(&["AlwaysAllow", "IfHealthyBudget"]).into();
    }
    let name = rng.pick(&["a", "a", "a", "b"]);
    let body =
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec});
    request("POST", BUDGETS.to_owned(), JSON, Body::Json(body))
}

/// What a controller would count.
fn allow(rng: &mut Rng) -> Operation {
    let mut status = json!({
        "observedGeneration": rng.pick(&[0_i64, 1, 5, 5, 5]), "disruptionsAllowed": rng.pick(&[0_i64, 1, 1, 2, -1]),
        "currentHealthy": rng.pick(&[0_i64, 1, 2]), "desiredHealthy": rng.pick(&[0_i64, 1, 1]), "expectedPods": 2,
    });
    if rng.chance(40) {
        let allowed = rng.pick(&["True", "False"]);
        status["conditions"] = json!([{
            "type": "DisruptionAllowed", "status": allowed, "message": rng.pick(&["", "found no controllers"]),
            "reason": rng.pick(&["SufficientPods", "InsufficientPods", "SyncFailed"]),
            "lastTransitionTime": "2020-01-01T00:00:00Z",
        }]);
    }
    let body = Body::Json(json!({"status": status}));
    request("PATCH", format!("{BUDGETS}/{}/status", rng.pick(&["a", "a", "a", "b"])), MERGE_PATCH, body)
}

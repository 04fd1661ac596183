//! Programs that make objects under quotas. Nobody counts for them: they write themselves what is used.

use serde_json::{Value, json};

use super::super::program::{Body, Operation, Program, Step, Until, Wait};
use super::super::rng::Rng;
use super::pod_actions::{self, PODS};
use super::{APPLY, GENERATED, JSON, KINDS, MERGE_PATCH, Subject, plain, watch};

pub(super) const AREA: &str = "quota";
const QUOTAS: &str = "/api/v1/namespaces/{{ns}}/resourcequotas";
const SERVICES: &str = "/api/v1/namespaces/{{ns}}/services";
const CLAIMS: &str = "/api/v1/namespaces/{{ns}}/persistentvolumeclaims";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/{{ns}}/leases";
/// What only the quota with the mark counts.
const MARKED: &str = "count/leases.coordination.k8s.io";

/// Objects of which each is one, by their paths.
const PLAIN: [(&str, &str, &str); 5] = [
    ("/api/v1/namespaces/{{ns}}/configmaps", "v1", "ConfigMap"),
    ("/api/v1/namespaces/{{ns}}/secrets", "v1", "Secret"),
    ("/apis/rbac.authorization.k8s.io/v1/namespaces/{{ns}}/roles", "rbac.authorization.k8s.io/v1", "Role"),
    ("/api/v1/namespaces/{{ns}}/limitranges", "v1", "LimitRange"),
    (QUOTAS, "v1", "ResourceQuota"),
];

/// What a quota may limit, and to how much. The first are those that scopes tell apart.
const LIMITS: [(&str, &[&str]); 23] = [
    ("pods", &["0", "1", "2"]),
    ("cpu", &["1", "1500m", "0.5"]),
    ("requests.cpu", &["1", "250m"]),
    ("requests.memory", &["128Mi", "1Gi", "1e9"]),
    ("memory", &["200M", "1Gi"]),
    ("limits.cpu", &["1", "2k"]),
    ("limits.memory", &["1Gi", "100Mi"]),
    ("count/pods", &["1", "3"]),
    ("requests.ephemeral-storage", &["1Gi", "2Gi"]),
    ("requests.example.com/gpu", &["1", "2"]),
    ("hugepages-2Mi", &["4Mi"]),
    ("services", &["1", "2"]),
    ("services.nodeports", &["0", "1", "3"]),
    ("services.loadbalancers", &["0", "1"]),
    ("persistentvolumeclaims", &["1", "2"]),
    ("requests.storage", &["2Gi", "3G", "500Mi"]),
    ("fast.storageclass.storage.k8s.io/requests.storage", &["1Gi", "500Mi"]),
    ("fast.storageclass.storage.k8s.io/persistentvolumeclaims", &["0", "1"]),
    ("configmaps", &["1", "2"]),
    ("count/configmaps", &["1", "3"]),
    ("count/secrets", &["1", "2"]),
    ("count/roles.rbac.authorization.k8s.io", &["1"]),
    ("resourcequotas", &["3", "4"]),
];
/// So many of them are told apart by most scopes.
const OF_SCOPES: usize = 7;

pub(super) fn program(rng: &mut Rng, mut steps: Vec<Step>) -> Program {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    steps.push(plain("POST", "/api/v1/namespaces/{{ns}}/serviceaccounts", Body::Json(account)).into());
    let mut marks = 0;
    steps.push(quota("mark", &json!({MARKED: "0"}), json!({})).into());
    let (hard, scopes) = limits(rng);
    steps.push(quota("a", &hard, scopes).into());
    steps.push(status(rng, "a", &hard).into());
    let both = rng.chance(35);
    if both {
        // It counts, and never refuses: which of two quotas does it first is not known.
        let hard = json!({"pods": "99", "services": "99", "count/configmaps": "99", "requests.storage": "1Ti"});
        steps.push(quota("b", &hard, json!({})).into());
        let none: Value = hard.as_object().into_iter().flatten().map(|(name, _)| (name.clone(), json!("0"))).collect();
        steps.push(patch(&format!("{QUOTAS}/b/status"), json!({"status": {"hard": hard, "used": none}})).into());
    }
    known(&mut marks, &mut steps);
    for _ in 0..6 + rng.below(12) {
        match rng.below(20) {
            0..7 => steps.push(pod(rng).into()),
            7..10 => steps.push(service(rng).into()),
            10..13 => steps.push(claim(rng).into()),
            13..16 => steps.push(simple(rng).into()),
            16 | 17 => steps.push(delete(rng).into()),
            _ => {
                let step = again(rng, &hard);
                steps.push(step.into());
                known(&mut marks, &mut steps);
            }
        }
    }
    // Which of two quotas is written first is not known either.
    if !both
        && rng.chance(60)
        && let Some(kind) = KINDS.iter().find(|kind| kind.plural == "resourcequotas")
    {
        let at = 2 + rng.below(steps.len() - 1);
        steps.insert(at, watch::watch(rng, &Subject::built_in(kind), 0));
    }
    let mut collections = vec![PODS.to_owned(), SERVICES.to_owned(), CLAIMS.to_owned()];
    collections.extend(PLAIN.map(|(path, _, _)| path.to_owned()));
    Program { area: AREA, steps, collections }
}

fn patch(path: &str, body: Value) -> Operation {
    Operation { content_type: MERGE_PATCH, ..plain("PATCH", path, Body::Json(body)) }
}

fn quota(name: &str, hard: &Value, mut spec: Value) -> Operation {
    spec["hard"] = hard.clone();
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": spec});
    plain("POST", QUOTAS, Body::Json(quota))
}

/// Goes on when the real server knows of all quotas as they are written. It hears of them in the order of their writes, and
/// so of this one last, which only Leases are counted by.
fn known(marks: &mut usize, steps: &mut Vec<Step>) {
    *marks += 1;
    let used = marks.to_string();
    let status = json!({"status": {"hard": {MARKED: "0"}, "used": {MARKED: used}}});
    steps.push(patch(&format!("{QUOTAS}/mark/status"), status).into());
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "trial"}});
    let query = vec![("dryRun", "All".to_owned())];
    let operation = Operation { query, ..plain("POST", LEASES, Body::Json(lease)) };
    steps.push(Step::Wait(Wait { operation, until: Until::Refused(format!("used: {MARKED}={used}, limited")) }));
}

/// What a quota limits, and its scopes.
fn limits(rng: &mut Rng) -> (Value, Value) {
    let (scopes, from) = if rng.chance(35) { scopes(rng) } else { (json!({}), LIMITS.len()) };
    let mut hard = json!({});
    for _ in 0..1 + rng.below(4) {
        let (name, amounts) =
            if from > 1 && rng.chance(30) { LIMITS[rng.below(OF_SCOPES.min(from))] } else { LIMITS[rng.below(from)] };
        hard[name] = amounts[rng.below(amounts.len())].into();
    }
    (hard, scopes)
}

/// Scopes, and how many of the limits they tell apart.
fn scopes(rng: &mut Rng) -> (Value, usize) {
    let select = |scope: &str, operator: &str, values: Value| {
        let mut expression = json!({"scopeName": scope, "operator": operator});
        if values != json!([]) {
            expression["values"] = values;
        }
        json!({"scopeSelector": {"matchExpressions": [expression]}})
    };
    match rng.below(12) {
        0 => (json!({"scopes": ["BestEffort"]}), 1),
        1 => (json!({"scopes": ["NotBestEffort"]}), OF_SCOPES),
        2 => (json!({"scopes": ["Terminating"]}), OF_SCOPES),
        3 => (json!({"scopes": ["NotTerminating", "NotBestEffort"]}), OF_SCOPES),
        4 => (select("PriorityClass", "In", json!(["system-node-critical", "other"])), OF_SCOPES),
        5 => (select("PriorityClass", "NotIn", json!(["system-node-critical"])), OF_SCOPES),
        6 => (select("PriorityClass", rng.pick(&["Exists", "DoesNotExist"]), json!([])), OF_SCOPES),
        7 => (json!({"scopes": ["CrossNamespacePodAffinity"]}), OF_SCOPES),
        8 => (select("Terminating", "Exists", json!([])), OF_SCOPES),
        9 => (json!({"scopes": ["PriorityClass"]}), OF_SCOPES),
        10 => (json!({"scopes": ["NotTerminating"]}), OF_SCOPES),
        _ => (json!({"scopes": ["BestEffort", "NotTerminating"]}), 1),
    }
}

/// What a controller would write: mostly that nothing is used.
fn status(rng: &mut Rng, name: &str, hard: &Value) -> Operation {
    let mut used = json!({});
    for name in hard.as_object().into_iter().flatten().map(|(name, _)| name) {
        match rng.below(30) {
            0 => {}
            1 | 2 => used[name] = rng.pick(&["1", "1Ki", "2"]).into(),
            _ => used[name] = "0".into(),
        }
    }
    patch(&format!("{QUOTAS}/{name}/status"), json!({"status": {"hard": hard, "used": used}}))
}

/// A change of the quota, which is known to everybody when it goes on.
fn again(rng: &mut Rng, hard: &Value) -> Operation {
    let at = format!("{QUOTAS}/a");
    match rng.below(6) {
        0 => Operation { content_type: "", ..plain("DELETE", &at, Body::Empty) },
        1 => quota("a", hard, json!({})),
        2 => patch(&at, json!({"spec": {"hard": {"pods": "5"}}})),
        3 => patch(&format!("{at}/status"), json!({"status": {"hard": {"pods": "2", "services": "1"}}})),
        _ => status(rng, "a", hard),
    }
}

fn name(rng: &mut Rng) -> &'static str {
    rng.pick(&["a", "b", "c", "d"])
}

fn dry_run(rng: &mut Rng, mut operation: Operation) -> Operation {
    if rng.chance(8) {
        operation.query.push(("dryRun", "All".to_owned()));
    }
    operation
}

fn pod(rng: &mut Rng) -> Operation {
    let name = name(rng);
    let at = format!("{PODS}/{name}");
    let operation = match rng.below(12) {
        0 => patch(&at, json!({"spec": {"activeDeadlineSeconds": rng.pick(&[60_i64, 30])}})),
        1 => pod_actions::resize(rng, name),
        2 => pod_actions::begin(rng, name),
        _ => new_pod(rng, name),
    };
    dry_run(rng, operation)
}

fn new_pod(rng: &mut Rng, name: &str) -> Operation {
    let mut operation = pod_actions::plain_pod(rng, name);
    let Body::Json(pod) = &mut operation.body else { return operation };
    let spec = &mut pod["spec"];
    if rng.chance(15) {
        spec["activeDeadlineSeconds"] = 60.into();
    }
    if rng.chance(15) {
        spec["priorityClassName"] = rng.pick(&["system-node-critical", "system-cluster-critical"]).into();
    }
    if rng.chance(10) {
        spec["resources"] = match rng.below(3) {
            0 => json!({"limits": {"cpu": "4", "memory": "8Gi"}}),
            1 => json!({"limits": {"cpu": "4", "memory": "8Gi"}, "requests": {"cpu": "3500m"}}),
            _ => json!({"requests": {"memory": "6Gi"}}),
        };
    }
    if rng.chance(8) {
        spec["containers"][0]["resources"] = json!({"limits": {"cpu": "1", "example.com/gpu": rng.pick(&["1", "2"])}});
    }
    if rng.chance(8) {
        spec["containers"][0]["resources"] =
            json!({"limits": {"memory": "1Gi", "hugepages-2Mi": rng.pick(&["2Mi", "6Mi"])}});
    }
    if rng.chance(10) {
        let mut term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}});
        match rng.below(3) {
            0 => term["namespaces"] = json!(["elsewhere"]),
            1 => term["namespaceSelector"] = json!({}),
            _ => {}
        }
        let kind = rng.pick(&["podAffinity", "podAntiAffinity"]);
        let affinity = match rng.chance(50) {
            true => json!({kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}),
            false => {
                json!({kind: {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}})
            }
        };
        spec["affinity"] = affinity;
    }
    if rng.chance(6) {
        pod["metadata"] = json!({"generateName": GENERATED});
    }
    operation
}

fn service(rng: &mut Rng) -> Operation {
    let name = name(rng);
    let at = format!("{SERVICES}/{name}");
    let kind = rng.pick(&["ClusterIP", "NodePort", "NodePort", "LoadBalancer", "ExternalName"]);
    let ports: Vec<Value> = (0..=rng.below(3)).map(|n| json!({"name": format!("p{n}"), "port": 80 + n})).collect();
    let mut spec = json!({"type": kind, "ports": ports});
    match kind {
        "ExternalName" => spec["externalName"] = "db.example.com".into(),
        "LoadBalancer" if rng.chance(40) => spec["allocateLoadBalancerNodePorts"] = false.into(),
        _ => {}
    }
    let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
    let operation = match rng.below(10) {
        0..3 => patch(&at, json!({"spec": {"type": kind, "externalName": spec["externalName"]}})),
        3 => patch(&at, json!({"spec": {"ports": spec["ports"]}})),
        4 => plain("PUT", &at, Body::Json(object)),
        5 => Operation {
            query: vec![("fieldManager", "one".to_owned())],
            content_type: APPLY,
            ..plain("PATCH", &at, Body::Json(object))
        },
        _ => plain("POST", SERVICES, Body::Json(object)),
    };
    dry_run(rng, operation)
}

fn claim(rng: &mut Rng) -> Operation {
    let name = name(rng);
    let at = format!("{CLAIMS}/{name}");
    let size = rng.pick(&["1Gi", "500Mi", "0.5", "1500m", "2G"]);
    let mut spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}});
    if rng.chance(60) {
        spec["storageClassName"] = rng.pick(&["fast", "fast", "slow", ""]).into();
    }
    if rng.chance(15) {
        spec["volumeAttributesClassName"] = rng.pick(&["gold", "iron"]).into();
    }
    let mut object =
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec});
    if rng.chance(10) {
        object["metadata"]["annotations"] = json!({"volume.beta.kubernetes.io/storage-class": "fast"});
    }
    let operation = match rng.below(8) {
        0 => patch(&at, json!({"spec": {"resources": {"requests": {"storage": "4Gi"}}}})),
        1 | 2 => {
            let status =
                json!({"status": {"phase": "Bound", "allocatedResources": {"storage": rng.pick(&["2Gi", "100Mi"])}}});
            patch(&format!("{at}/status"), status)
        }
        _ => plain("POST", CLAIMS, Body::Json(object)),
    };
    dry_run(rng, operation)
}

/// Objects that are counted, one like the other.
fn simple(rng: &mut Rng) -> Operation {
    let (path, api_version, kind) = PLAIN[rng.below(PLAIN.len())];
    // The quotas of the program itself stay.
    let name = if kind == "ResourceQuota" { rng.pick(&["x", "y"]) } else { name(rng) };
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if rng.chance(10) {
        object["metadata"] = json!({"generateName": GENERATED});
    }
    if rng.chance(8) {
        object["metadata"]["labels"] = json!({"a": "not valid!"});
    }
    let operation = match rng.below(8) {
        0 => Operation {
            query: vec![("fieldManager", "one".to_owned())],
            content_type: APPLY,
            ..plain("PATCH", &format!("{path}/{name}"), Body::Json(object))
        },
        1 => patch(&format!("{path}/{name}"), json!({"metadata": {"labels": {"app": "web"}}})),
        _ => Operation { content_type: JSON, ..plain("POST", path, Body::Json(object)) },
    };
    dry_run(rng, operation)
}

/// What goes stays counted, since nobody counts anew.
fn delete(rng: &mut Rng) -> Operation {
    let path = rng.pick(&[PODS, PODS, SERVICES, CLAIMS, PLAIN[0].0, PLAIN[1].0]);
    let now = Body::Json(json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}));
    plain("DELETE", &format!("{path}/{}", name(rng)), now)
}

//! Requests that are nearly right, and some that are not right at all.

use http::Request;
use serde_json::{Value, json};

use crate::random::Random;

/// A request before it is known whether HTTP can carry it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Draft {
    /// `None` for what no client can send.
    pub(crate) fn build(self) -> Option<Request<Vec<u8>>> {
        let mut request = Request::builder().method(self.method.as_str()).uri(self.target);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(self.body).ok()
    }
}

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "PATCH", "POST", "PUT", "HEAD", "OPTIONS", "BREW"];

const TYPES: &[&str] = &[
    "application/json",
    "application/yaml",
    "application/apply-patch+yaml",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/vnd.kubernetes.protobuf",
    "application/json;charset=latin1",
    "text/html",
    "",
    ";;;=",
];

const ACCEPTS: &[&str] = &[
    "application/json",
    "",
    "*/*",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    "application/vnd.kubernetes.protobuf",
    "text/html;q=2,;;,as=Table",
];

/// Path of the collection, and an object of it.
fn kinds() -> Vec<(&'static str, Value)> {
    let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [
        {"name": "c", "image": "i:1", "ports": [{"containerPort": 80, "protocol": "TCP"}], "env": [{"name": "A", "value": "b"}],
         "resources": {"limits": {"cpu": "100m", "memory": "1Gi"}}, "livenessProbe": {"httpGet": {"path": "/", "port": "http"}}}],
        "volumes": [{"name": "v", "configMap": {"name": "a"}}], "tolerations": [{"operator": "Exists"}]}});
    let selector = json!({"matchLabels": {"app": "a"}});
    let apps = |kind: &str, extra: Value| {
        let mut v = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a"}, "spec": {"selector": selector, "template": template}});
        extra.as_object().unwrap().iter().for_each(|(k, e)| v["spec"][k] = e.clone());
        v
    };
    vec![
        (
            "/api/v1/namespaces/default/configmaps",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "y"}, "annotations": {"n": "o"}}, "data": {"k": "v"}, "binaryData": {"b": "AAA="}}),
        ),
        (
            "/api/v1/namespaces/default/secrets",
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"k": "v"}, "data": {"d": "eA=="}, "type": "Opaque"}),
        ),
        (
            "/api/v1/namespaces/default/services",
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"type": "NodePort", "selector": {"app": "a"}, "ports": [{"port": 80, "targetPort": "http", "nodePort": 30080}]}}),
        ),
        (
            "/api/v1/namespaces/default/pods",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"app": "a"}, "finalizers": ["example.com/f"], "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "x"}]}, "spec": template["spec"]}),
        ),
        (
            "/api/v1/namespaces",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]}}),
        ),
        (
            "/api/v1/namespaces/default/persistentvolumeclaims",
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
        ),
        (
            "/apis/apps/v1/namespaces/default/deployments",
            apps(
                "Deployment",
                json!({"replicas": 2, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}}}),
            ),
        ),
        (
            "/apis/apps/v1/namespaces/default/statefulsets",
            apps(
                "StatefulSet",
                json!({"serviceName": "a", "replicas": 1, "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]}),
            ),
        ),
        (
            "/apis/apps/v1/namespaces/default/daemonsets",
            apps("DaemonSet", json!({"updateStrategy": {"type": "OnDelete"}})),
        ),
        (
            "/apis/batch/v1/namespaces/default/jobs",
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"completions": 2, "backoffLimit": 1, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}),
        ),
        (
            "/apis/batch/v1/namespaces/default/cronjobs",
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "a"}, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}}}),
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "a"}, "spec": {"rules": [{"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "a", "port": {"number": 80}}}}]}}]}}),
        ),
        (
            "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
            json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}, "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}, "maxReplicas": 3, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}}),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}], "aggregationRule": {"clusterRoleSelectors": [{}]}}),
        ),
        (
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}),
        ),
        (
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "boats.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"}, "versions": [
            {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}},
             "additionalPrinterColumns": [{"name": "N", "type": "integer", "jsonPath": ".spec.list[?(@.k==\"x\")].v"}],
             "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "default": 1, "minimum": 0}, "text": {"type": "string", "pattern": "^[a-z]*$", "maxLength": 5},
                    "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"x-kubernetes-int-or-string": true}}}}}},
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}}),
        ),
        (
            "/apis/example.com/v1/namespaces/default/boats",
            json!({"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "a"}, "spec": {"n": 1, "text": "abc", "list": [{"k": "x", "v": 1}, {"k": "y", "v": "2"}]}}),
        ),
    ]
}

pub(crate) fn request(random: &mut Random) -> Draft {
    let kinds = kinds();
    let (collection, object) = random.of(&kinds).clone();
    let method = (*random.of(METHODS)).to_owned();
    let one = matches!(method.as_str(), "PUT" | "PATCH" | "DELETE") != random.one_in(10);
    let mut path = collection.to_owned();
    if one {
        path += if collection.ends_with("customresourcedefinitions") { "/boats.example.com" } else { "/a" };
        if random.one_in(6) {
            path += *random.of(&["/status", "/scale", "/log", "/eviction", "/finalize", "/token", "/exec", "/a/b/c"]);
        }
    }
    if random.one_in(8) {
        path = odd_path(random, &path);
    }
    let mut target = path;
    if random.one_in(2) {
        target += "?";
        target += &query(random);
    }
    // Most writes are to be understood, or nothing would ever be stored.
    let kind = if random.one_in(4) {
        *random.of(TYPES)
    } else if method == "PATCH" {
        *random.of(&TYPES[2..6])
    } else {
        "application/json"
    };
    let body = match method.as_str() {
        "GET" | "HEAD" if !random.one_in(20) => Vec::new(),
        "DELETE" if random.one_in(2) => Vec::new(),
        "DELETE" => {
            let options = delete_options(random);
            damaged(random, &options)
        }
        "PATCH" if kind == "application/json-patch+json" => {
            let patch = json_patch(random, &object);
            damaged(random, &patch)
        }
        _ => {
            let mut object = object;
            for _ in 0..random.below(4) {
                mutate(random, &mut object);
            }
            damaged(random, &object)
        }
    };
    let mut headers = vec![("accept", (*random.of(ACCEPTS)).to_owned())];
    if !kind.is_empty() {
        headers.push(("content-type", kind.to_owned()));
    }
    if random.one_in(10) {
        headers.push(("user-agent", "x".repeat(random.below(5000))));
    }
    if random.one_in(10) {
        headers.push((
            *random.of(&["impersonate-user", "impersonate-group", "authorization", "content-encoding", "expect"]),
            "a b/c:=".to_owned(),
        ));
    }
    Draft { method, target, headers, body }
}

fn odd_path(random: &mut Random, path: &str) -> String {
    match random.below(9) {
        0 => path.replace("default", "%64efault"),
        1 => format!("{path}/%ff%fe%00"),
        2 => format!("{path}/{}", "x".repeat(random.below(30_000))),
        3 => path.replace('/', "//"),
        4 => format!("{path}/../../secrets"),
        5 => path.replace("v1", "v99"),
        6 => format!("/{}", "a/".repeat(random.below(500))),
        7 => (*random.of(&[
            "/",
            "/api",
            "/apis",
            "/version",
            "/readyz",
            "/openapi/v3",
            "/openapi/v3/apis/apps/v1",
            "/openapi/v2",
            "/api/v1",
            "/apis/apps",
            "/apis/example.com/v1",
            "/logs",
            "/metrics",
            "*",
        ]))
        .to_owned(),
        _ => format!("{path}%2"),
    }
}

fn query(random: &mut Random) -> String {
    const NAMES: &[&str] = &[
        "labelSelector",
        "fieldSelector",
        "limit",
        "continue",
        "resourceVersion",
        "resourceVersionMatch",
        "watch",
        "timeoutSeconds",
        "allowWatchBookmarks",
        "sendInitialEvents",
        "dryRun",
        "fieldValidation",
        "fieldManager",
        "force",
        "propagationPolicy",
        "gracePeriodSeconds",
        "orphanDependents",
        "pretty",
        "includeObject",
        "nonsense",
        "",
    ];
    const VALUES: &[&str] = &[
        "true",
        "false",
        "1",
        "0",
        "-1",
        "18446744073709551616",
        "9223372036854775807",
        "All",
        "Strict",
        "Warn",
        "Ignore",
        "Exact",
        "NotOlderThan",
        "Foreground",
        "Orphan",
        "Background",
        "a%3Db",
        "a+in+(b,c),!d",
        "a%20notin%20(",
        "%28%28%28",
        "metadata.name%3Da",
        "spec.x%3D1",
        "status.phase!%3DRunning",
        "%ff%fe",
        "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0",
        "eyJ2IjoxfQ",
        "Object",
        "None",
        "",
        "=====",
        ",,,,",
        "a=b,a=b,a=b",
        "1e9",
        "0x10",
        "NaN",
    ];
    let parameters = 1 + random.below(4);
    let mut out = Vec::new();
    for _ in 0..parameters {
        let value = if random.one_in(12) { "z,".repeat(random.below(2000)) } else { (*random.of(VALUES)).to_owned() };
        out.push(format!("{}={value}", random.of(NAMES)));
    }
    out.join(if random.one_in(10) { "&&;" } else { "&" })
}

fn delete_options(random: &mut Random) -> Value {
    let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Foreground", "preconditions": {"uid": "x", "resourceVersion": "1"}});
    mutate(random, &mut options);
    options
}

fn json_patch(random: &mut Random, object: &Value) -> Value {
    const PATHS: &[&str] = &[
        "",
        "/",
        "/metadata",
        "/metadata/name",
        "/metadata/labels/x",
        "/metadata/labels/~1~0~2",
        "/metadata/managedFields",
        "/metadata/ownerReferences/-",
        "/metadata/ownerReferences/99",
        "/metadata/finalizers/0",
        "/spec",
        "/spec/replicas",
        "/spec/template/spec/containers/0/image",
        "/spec/template/spec/containers/-1",
        "/status",
        "/kind",
        "/apiVersion",
        "nope",
    ];
    let operations = random.below(4);
    let mut list = Vec::new();
    for _ in 0..operations {
        let mut operation = json!({
            "op": random.of(&["add", "remove", "replace", "move", "copy", "test", "frob"]), "path": random.of(PATHS),
            "from": random.of(PATHS), "value": odd_value(random, 0),
        });
        if random.one_in(4) {
            operation["value"] = object["spec"].clone();
        }
        if random.one_in(6) {
            mutate(random, &mut operation);
        }
        list.push(operation);
    }
    Value::Array(list)
}

fn odd_value(random: &mut Random, depth: usize) -> Value {
    match random.below(18) {
        0 => Value::Null,
        1 => json!(-1),
        2 => json!(i64::MAX),
        3 => json!(u64::MAX),
        4 => json!(1e308),
        5 => json!(0.1),
        6 => json!(""),
        7 => json!("x".repeat(random.below(70_000))),
        8 => json!("\u{0}\u{202e}é\u{fffd}\u{1f980}"),
        9 => json!([]),
        10 => json!({}),
        11 => json!(true),
        12 if depth < 6 => json!([odd_value(random, depth + 1), odd_value(random, depth + 1)]),
        13 if depth < 6 => json!({"a": odd_value(random, depth + 1), "": odd_value(random, depth + 1)}),
        14 => json!("2026-13-45T99:99:99Z"),
        15 => json!("-1Gi"),
        16 => {
            json!([{"manager": "m", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:": {}, "k:{": {}, "v:[": {}, "i:-1": {}, ".": {"x": 1}}}}])
        }
        _ => json!({"f:spec": {"k:{\"name\":\"c\"}": {}}}),
    }
}

/// Changes one place of a value, however deep.
fn mutate(random: &mut Random, at: &mut Value) {
    let children = match at {
        Value::Object(map) => map.len(),
        Value::Array(list) => list.len(),
        _ => 0,
    };
    if children > 0 && !random.one_in(4) {
        let child = random.below(children);
        return match at {
            Value::Object(map) => map.values_mut().nth(child).into_iter().for_each(|v| mutate(random, v)),
            Value::Array(list) => list.get_mut(child).into_iter().for_each(|v| mutate(random, v)),
            _ => {}
        };
    }
    let fresh = odd_value(random, 0);
    match at {
        Value::Object(map) if random.one_in(2) => {
            let key = *random.of(&[
                "name",
                "generateName",
                "uid",
                "resourceVersion",
                "namespace",
                "managedFields",
                "ownerReferences",
                "finalizers",
                "deletionTimestamp",
                "creationTimestamp",
                "generation",
                "labels",
                "annotations",
                "kind",
                "apiVersion",
                "spec",
                "status",
                "$patch",
                "$setElementOrder/containers",
                "$deleteFromPrimitiveList/finalizers",
                "$retainKeys",
                "type",
                "items",
                "default",
                "x-kubernetes-list-type",
                "x-kubernetes-preserve-unknown-fields",
                "$ref",
                "properties",
                "oneOf",
                "\u{0}",
                "a.b/c d",
            ]);
            map.insert(key.to_owned(), fresh);
        }
        Value::Array(list) if random.one_in(2) => {
            let again = list.first().cloned().unwrap_or(fresh);
            list.push(again);
        }
        other => *other = fresh,
    }
}

/// The text of a value; sometimes not quite.
fn damaged(random: &mut Random, value: &Value) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).unwrap();
    match random.below(14) {
        0 => text.truncate(random.below(text.len().max(1))),
        1 => {
            for _ in 0..=random.below(4) {
                let i = random.below(text.len());
                if let Some(byte) = text.get_mut(i) {
                    *byte = random.next() as u8;
                }
            }
        }
        2 => return random.bytes(2000),
        3 => return ["[", "{\"a\":", "- "][random.below(3)].repeat(random.below(20_000)).into_bytes(),
        4 => {
            // A key for the second time, and a number that fits nowhere.
            let extra = *random.of(&["\"kind\":\"Pod\",", "\"metadata\":{\"name\":\"b\"},", "\"spec\":1e999,", "\"spec\":18446744073709551616,", "\"\\ud800\":1,"]);
            if text.first() == Some(&b'{') {
                text.splice(1..1, extra.bytes());
            }
        }
        5 => return b"a: &a [*a, *a]\nb: &b {<<: *b}\n---\n!!binary x: ? [y]\n".to_vec(),
        6 => return b"a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d]\n".to_vec(),
        _ => {}
    }
    text
}

//! Pods, and what templates of Pods are made of.

use serde_json::{Value, json};

use super::super::rng::Rng;
use super::kinds::Fields;
use super::pod_fields;

fn probe(r: &mut Rng) -> Value {
    let handler = match r.below(4) {
        0 => json!({"httpGet": {"port": 8080}}),
        1 => json!({"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTPS"}}),
        2 => json!({"tcpSocket": {"port": 8080}}),
        _ => json!({"exec": {"command": ["true"]}}),
    };
    Fields::new(r, handler)
        .maybe(30, "initialDelaySeconds", |r| json!(r.below(20)))
        .maybe(30, "periodSeconds", |r| json!(1 + r.below(20)))
        .maybe(20, "failureThreshold", |r| json!(1 + r.below(5)))
        .maybe(15, "timeoutSeconds", |r| json!(1 + r.below(5)))
        .done()
}

fn resources(r: &mut Rng) -> Value {
    match r.below(4) {
        0 => json!({"requests": {"cpu": "100m", "memory": "64Mi"}}),
        1 => json!({"limits": {"cpu": "1", "memory": "128Mi"}}),
        2 => json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "500m", "memory": "1Gi"}}),
        _ => json!({"requests": {"cpu": "0.5", "memory": "1000Mi"}, "limits": {"cpu": 1, "memory": "1Gi"}}),
    }
}

fn env(r: &mut Rng) -> Value {
    match r.below(4) {
        0 => json!([{"name": "A", "value": "1"}]),
        1 => json!([{"name": "A", "value": "1"}, {"name": "B"}]),
        2 => json!([{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]),
        _ => {
            json!([{"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}}, {"name": "M", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}])
        }
    }
}

fn container(r: &mut Rng, name: &str, mounts: bool) -> Value {
    let image = r.pick(&["nginx", "nginx:1.27", "registry.example.com/team/app:v1", "busybox:latest"]);
    let container = Fields::new(r, json!({"name": name, "image": image}))
        .maybe(40, "ports", |r| match r.below(3) {
            0 => json!([{"containerPort": 8080}]),
            1 => json!([{"name": "http", "containerPort": 8080, "protocol": "TCP"}]),
            _ => json!([{"name": "http", "containerPort": 8080}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]),
        })
        .maybe(40, "env", env)
        .maybe(30, "resources", resources)
        .maybe(20, "command", |_| json!(["/bin/app", "serve"]))
        .maybe(20, "args", |_| json!(["--verbose"]))
        .maybe(15, "livenessProbe", probe)
        .maybe(20, "readinessProbe", probe)
        .maybe(15, "imagePullPolicy", |r| r.pick(&["Always", "IfNotPresent", "Never"]).into())
        .maybe(15, "securityContext", |r| match r.below(3) {
            0 => json!({"runAsNonRoot": true, "allowPrivilegeEscalation": false}),
            1 => json!({"capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true}),
            _ => json!({"runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}),
        })
        .maybe(8, "envFrom", |_| json!([{"configMapRef": {"name": "settings"}}]))
        .maybe(8, "lifecycle", |_| json!({"preStop": {"exec": {"command": ["sleep", "1"]}}}))
        .maybe(8, "workingDir", |_| "/srv".into())
        .maybe(5, "tty", |_| true.into());
    let mut container = container.done();
    if mounts {
        container["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    }
    container
}

fn volume(r: &mut Rng) -> Value {
    let source = match r.below(7) {
        0 => json!({"emptyDir": {}}),
        1 => json!({"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}),
        2 => json!({"configMap": {"name": "settings"}}),
        3 => json!({"secret": {"secretName": "s", "items": [{"key": "a", "path": "b"}]}}),
        4 => json!({"persistentVolumeClaim": {"claimName": "data"}}),
        5 => json!({"hostPath": {"path": "/var/log"}}),
        _ => json!({}),
    };
    let mut volume = source;
    volume["name"] = "data".into();
    volume
}

pub(super) fn pod_spec(r: &mut Rng, restart: Option<&str>) -> Value {
    let volumes = r.chance(30);
    let mut containers = vec![container(r, "main", volumes)];
    if r.chance(25) {
        containers.push(container(r, "side", false));
    }
    let mut spec = Fields::new(r, json!({"containers": containers}))
        .maybe(12, "initContainers", |r| json!([container(r, "init", false)]))
        .maybe(15, "serviceAccountName", |r| r.pick(&["default", "default", "robot"]).into())
        .maybe(12, "terminationGracePeriodSeconds", |r| json!(r.below(60)))
        .maybe(12, "nodeSelector", |_| json!({"kubernetes.io/os": "linux"}))
        .maybe(12, "tolerations", |r| match r.below(3) {
            0 => json!([{"key": "dedicated", "operator": "Equal", "value": "web", "effect": "NoSchedule"}]),
            1 => json!([{"operator": "Exists"}]),
            _ => json!([{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 10}]),
        })
        .maybe(12, "securityContext", |r| if r.chance(50) { json!({"runAsNonRoot": true, "runAsUser": 1000, "fsGroup": 2000}) } else { json!({}) })
        .maybe(8, "affinity", |r| match r.below(2) {
            0 => json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}}]}}),
            _ => json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]}]}}}),
        })
        .maybe(8, "topologySpreadConstraints", |_| json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"app": "web"}}}]))
        .maybe(8, "imagePullSecrets", |_| json!([{"name": "pull"}]))
        .maybe(5, "dnsPolicy", |r| r.pick(&["ClusterFirst", "Default"]).into())
        .maybe(5, "hostNetwork", |r| r.chance(50).into())
        .maybe(5, "automountServiceAccountToken", |r| r.chance(50).into())
        .maybe(5, "enableServiceLinks", |r| r.chance(50).into())
        .maybe(5, "priorityClassName", |_| "system-cluster-critical".into())
        .done();
    if volumes {
        spec["volumes"] = json!([volume(r)]);
    }
    pod_fields::add(r, &mut spec);
    if let Some(policy) = restart {
        spec["restartPolicy"] = policy.into();
    }
    spec
}

pub(super) fn pod(r: &mut Rng) -> Value {
    let policy = r.pick(&[None, None, Some("Always"), Some("Never"), Some("OnFailure")]);
    json!({"spec": pod_spec(r, policy)})
}

pub(super) fn pod_status(r: &mut Rng) -> Value {
    let mut status = Fields::new(r, json!({"phase": "Running"}))
        .maybe(40, "podIP", |_| "192.0.2.1".into())
        .maybe(40, "conditions", |r| json!([{"type": "Ready", "status": r.pick(&["True", "False"]), "lastProbeTime": null, "lastTransitionTime": "2020-01-01T00:00:00Z"}]))
        .maybe(20, "message", |_| "m".into())
        .done();
    pod_fields::add_status(r, &mut status);
    status
}

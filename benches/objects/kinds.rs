//! The objects themselves: what a person writes, and what the server and the controllers make of it.

use serde_json::{Value, json};

use super::fields::managed;
use super::{Health, NAMESPACE};

/// How many kinds [`small`] goes through.
pub(crate) const SMALL_KINDS: usize = 10;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const TIME: &str = "2026-05-04T10:20:30Z";

fn metadata(index: usize, app: &str) -> Value {
    json!({
        "name": format!("{app}-{index:05}"),
        "namespace": NAMESPACE,
        "labels": {
            "app.kubernetes.io/name": app,
            "app.kubernetes.io/instance": format!("{app}-{index:05}"),
            "app.kubernetes.io/part-of": "shop",
            "app.kubernetes.io/managed-by": "gitops",
        },
        "annotations": {"example.com/team": "checkout"},
    })
}

fn selector(index: usize, app: &str) -> Value {
    json!({"app.kubernetes.io/instance": format!("{app}-{index:05}")})
}

fn container(name: &str, variables: usize) -> Value {
    let environment: Vec<Value> = (0..variables)
        .map(|n| {
            if n % 4 == 3 {
                json!({"name": format!("SECRET_{n}"), "valueFrom": {"secretKeyRef": {"name": "shop", "key": format!("key-{n}")}}})
            } else {
                json!({"name": format!("VARIABLE_{n}"), "value": format!("http://service-{n}.shop.svc.cluster.local:8080")})
            }
        })
        .collect();
    json!({
        "name": name,
        "image": format!("registry.example.com/shop/{name}:1.24.3"),
        "args": ["--listen=:8080", "--log-format=json"],
        "env": environment,
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
        "livenessProbe": {"httpGet": {"path": "/live", "port": "http"}, "initialDelaySeconds": 10},
        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/shop"}, {"name": "scratch", "mountPath": "/var/scratch"}],
    })
}

fn pod_template(index: usize, app: &str, spec: &Value) -> Value {
    json!({"metadata": {"labels": selector(index, app)}, "spec": spec})
}

fn large_pod_spec(containers: Value) -> Value {
    json!({
        "serviceAccountName": "shop",
        "containers": containers,
        "volumes": [{"name": "config", "configMap": {"name": "shop"}}, {"name": "scratch", "emptyDir": {}}],
    })
}

/// A Deployment with two large containers.
pub(crate) fn large_deployment(index: usize) -> Value {
    let containers = json!([container("web", 8), container("proxy", 2)]);
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(index, "web"),
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": selector(index, "web")},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": pod_template(index, "web", &large_pod_spec(containers)),
        },
    })
}

/// One object, of a kind by its index.
pub(crate) fn small(index: usize) -> Value {
    let plain = json!({"containers": [{"name": "main", "image": "registry.example.com/shop/main:1.24.3"}]});
    let (version, kind, body) = match index % SMALL_KINDS {
        0 => (
            "apps/v1",
            "Deployment",
            json!({"spec": {
            "replicas": 2, "selector": {"matchLabels": selector(index, "mixed")},
            "template": pod_template(index, "mixed", &plain)}}),
        ),
        1 => (
            "apps/v1",
            "StatefulSet",
            json!({"spec": {
            "replicas": 2, "serviceName": "mixed", "selector": {"matchLabels": selector(index, "mixed")},
            "template": pod_template(index, "mixed", &plain)}}),
        ),
        2 => (
            "apps/v1",
            "DaemonSet",
            json!({"spec": {
            "selector": {"matchLabels": selector(index, "mixed")},
            "template": pod_template(index, "mixed", &plain)}}),
        ),
        3 => ("v1", "Pod", json!({"spec": plain})),
        4 => (
            "v1",
            "Service",
            json!({"spec": {
            "type": "LoadBalancer", "selector": selector(index, "mixed"),
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}),
        ),
        5 => (
            "networking.k8s.io/v1",
            "Ingress",
            json!({"spec": {"rules": [{"host": format!("shop-{index}.example.com"),
            "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "mixed", "port": {"number": 80}}}}]}}]}}),
        ),
        6 => (
            "v1",
            "PersistentVolumeClaim",
            json!({"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}}),
        ),
        7 => (
            "batch/v1",
            "Job",
            json!({"spec": {"backoffLimit": 3, "template": {"spec": {
            "restartPolicy": "Never", "containers": plain["containers"]}}}}),
        ),
        8 => (
            "v1",
            "ConfigMap",
            json!({"data": {
            "shop.yaml": "listen: :8080\nfeatures:\n- search\n- checkout\nlimits:\n  requests: 100\n",
            "log.yaml": "level: info\nformat: json\n"}}),
        ),
        _ => (
            "v1",
            "Secret",
            json!({"type": "Opaque", "data": {
            "username": "c2hvcA==", "password": "bm90LWEtcmVhbC1wYXNzd29yZA=="}}),
        ),
    };
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": metadata(index, "mixed")});
    if let (Some(object), Some(body)) = (object.as_object_mut(), body.as_object()) {
        object.extend(body.clone());
    }
    object
}

/// What is there after `kubectl apply` of `desired`, once the controllers are through with it.
pub(crate) fn live(desired: &Value, index: usize, health: Health) -> Value {
    let mut live = desired.clone();
    let kind = desired["kind"].as_str().unwrap_or_default();
    defaults(kind, &mut live["spec"]);
    let status = status(kind, desired, health);

    let metadata = &mut live["metadata"];
    metadata["uid"] = json!(uid(index));
    metadata["resourceVersion"] = json!((100_000 + index).to_string());
    metadata["creationTimestamp"] = json!(TIME);
    if desired.get("spec").is_some() {
        metadata["generation"] = json!(1);
    }
    metadata["annotations"][LAST_APPLIED] = json!(format!("{desired}\n"));
    if kind == "Deployment" {
        metadata["annotations"]["deployment.kubernetes.io/revision"] = json!("1");
    }
    let mut owned = desired.clone();
    if let Some(fields) = owned.as_object_mut() {
        fields.retain(|name, _| name != "apiVersion" && name != "kind");
        fields["metadata"] = json!({
            "annotations": desired["metadata"]["annotations"],
            "labels": desired["metadata"]["labels"],
        });
    }
    let version = &desired["apiVersion"];
    let mut entries = vec![managed("kubectl-client-side-apply", "Update", version, &owned)];
    if let Some(status) = status {
        let mut entry = managed("kube-controller-manager", "Update", version, &json!({"status": status}));
        entry["subresource"] = json!("status");
        entries.push(entry);
        live["status"] = status;
    }
    live["metadata"]["managedFields"] = Value::Array(entries);
    if live["spec"].is_null()
        && let Some(fields) = live.as_object_mut()
    {
        fields.remove("spec");
    }
    live
}

fn uid(index: usize) -> String {
    format!("6f1c2b3a-0000-4000-8000-{index:012x}")
}

/// Adds what the server adds where nothing was said.
fn defaults(kind: &str, spec: &mut Value) {
    let more = match kind {
        "Deployment" => json!({"progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}}),
        "StatefulSet" => json!({"podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}}),
        "DaemonSet" => json!({"revisionHistoryLimit": 10,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}),
        "Service" => json!({"clusterIP": "10.96.10.20", "clusterIPs": ["10.96.10.20"], "sessionAffinity": "None",
            "allocateLoadBalancerNodePorts": true, "externalTrafficPolicy": "Cluster",
            "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}),
        "Ingress" => json!({"ingressClassName": "nginx"}),
        "PersistentVolumeClaim" => json!({"storageClassName": "standard", "volumeMode": "Filesystem",
            "volumeName": "pvc-6f1c2b3a"}),
        "Job" => json!({"completions": 1, "parallelism": 1, "completionMode": "NonIndexed", "suspend": false}),
        _ => json!({}),
    };
    add(spec, &more);
    match kind {
        "Pod" => pod_defaults(spec),
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => {
            spec["template"]["metadata"]["creationTimestamp"] = Value::Null;
            pod_defaults(&mut spec["template"]["spec"]);
        }
        "Service" => {
            for port in spec["ports"].as_array_mut().into_iter().flatten() {
                add(port, &json!({"protocol": "TCP", "nodePort": 30080}));
            }
        }
        _ => {}
    }
}

fn pod_defaults(spec: &mut Value) {
    add(
        spec,
        &json!({
            "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
            "terminationGracePeriodSeconds": 30, "securityContext": {},
        }),
    );
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        spec["serviceAccount"] = account;
    }
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        add(
            container,
            &json!({
                "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File", "resources": {},
            }),
        );
        for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            add(port, &json!({"protocol": "TCP"}));
        }
        for name in ["readinessProbe", "livenessProbe"] {
            if let Some(probe) = container.get_mut(name) {
                add(
                    probe,
                    &json!({"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1}),
                );
                probe["httpGet"]["scheme"] = json!("HTTP");
            }
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(source) = volume.get_mut("configMap") {
            add(source, &json!({"defaultMode": 420}));
        }
    }
}

/// Adds the fields that are not there.
fn add(object: &mut Value, more: &Value) {
    for (name, value) in more.as_object().into_iter().flatten() {
        if object.get(name).is_none() {
            object[name] = value.clone();
        }
    }
}

fn condition(kind: &str, status: bool, reason: &str) -> Value {
    json!({
        "type": kind, "status": if status { "True" } else { "False" }, "reason": reason,
        "message": format!("{reason} says the controller."), "lastTransitionTime": TIME, "lastUpdateTime": TIME,
    })
}

fn status(kind: &str, desired: &Value, health: Health) -> Option<Value> {
    let good = health == Health::Good;
    let replicas = &desired["spec"]["replicas"];
    let ready = if good { replicas.clone() } else { json!(1) };
    Some(match kind {
        "Deployment" => json!({
            "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas,
            "readyReplicas": ready, "availableReplicas": ready,
            "conditions": [condition("Available", good, "MinimumReplicasAvailable"),
                           condition("Progressing", true, "NewReplicaSetAvailable")],
        }),
        "StatefulSet" => json!({
            "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas, "currentReplicas": replicas,
            "readyReplicas": ready, "availableReplicas": ready, "collisionCount": 0,
            "currentRevision": "mixed-6d8f9c", "updateRevision": "mixed-6d8f9c",
        }),
        "DaemonSet" => {
            let ready = if good { 3 } else { 1 };
            json!({
                "observedGeneration": 1, "currentNumberScheduled": 3, "desiredNumberScheduled": 3,
                "updatedNumberScheduled": 3, "numberMisscheduled": 0, "numberReady": ready, "numberAvailable": ready,
            })
        }
        "Pod" => pod_status(desired, good),
        "Service" | "Ingress" if good => json!({"loadBalancer": {"ingress": [{"ip": "198.18.0.7"}]}}),
        "Service" | "Ingress" => json!({"loadBalancer": {}}),
        "PersistentVolumeClaim" if good => json!({
            "phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "10Gi"},
        }),
        "PersistentVolumeClaim" => json!({"phase": "Pending"}),
        "Job" if good => json!({
            "startTime": TIME, "completionTime": TIME, "succeeded": 1, "ready": 0,
            "conditions": [condition("Complete", true, "CompletionsReached")],
        }),
        "Job" => json!({
            "startTime": TIME, "failed": 4, "ready": 0,
            "conditions": [condition("Failed", true, "BackoffLimitExceeded")],
        }),
        _ => return None,
    })
}

fn pod_status(pod: &Value, ready: bool) -> Value {
    let containers: Vec<Value> = pod["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| {
            json!({
                "name": container["name"], "image": container["image"], "ready": ready, "started": ready,
                "restartCount": 0, "imageID": format!("{}@sha256:{:064x}", container["image"], 0x5e_ed_u64),
                "containerID": format!("containerd://{:064x}", 0xc0_ffee_u64),
                "state": {"running": {"startedAt": TIME}}, "lastState": {},
            })
        })
        .collect();
    let conditions: Vec<Value> = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .iter()
        .map(|kind| {
            let met = ready || !kind.ends_with("Ready");
            json!({"type": kind, "status": if met { "True" } else { "False" },
                   "lastProbeTime": null, "lastTransitionTime": TIME})
        })
        .collect();
    json!({
        "phase": "Running", "qosClass": "Burstable", "hostIP": "192.0.2.10", "podIP": "10.244.1.7",
        "hostIPs": [{"ip": "192.0.2.10"}], "podIPs": [{"ip": "10.244.1.7"}], "startTime": TIME,
        "conditions": conditions, "containerStatuses": containers,
    })
}

/// A Pod of a ReplicaSet.
pub(crate) fn large_pod(index: usize) -> Value {
    let containers = json!([container("web", 15)]);
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(index, "pod"),
        "spec": large_pod_spec(containers),
    });
    pod_defaults(&mut pod["spec"]);
    let version = pod["apiVersion"].clone();
    let status = pod_status(&pod, true);
    let owned = json!({"metadata": {"labels": pod["metadata"]["labels"]}, "spec": pod["spec"]});
    let mut kubelet = managed("kubelet", "Update", &version, &json!({"status": status}));
    kubelet["subresource"] = json!("status");
    pod["metadata"]["managedFields"] =
        json!([managed("kube-controller-manager", "Update", &version, &owned), kubelet,]);
    pod["status"] = status;
    pod["spec"]["nodeName"] = json!(format!("node-{}", index % 100));
    pod["metadata"]["generateName"] = json!("pod-");
    pod["metadata"]["uid"] = json!(uid(index));
    pod["metadata"]["resourceVersion"] = json!((100_000 + index).to_string());
    pod["metadata"]["creationTimestamp"] = json!(TIME);
    pod["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("web-{:05}-6d8f9c", index / 3),
        "uid": uid(1_000_000 + index / 3), "controller": true, "blockOwnerDeletion": true,
    }]);
    pod
}

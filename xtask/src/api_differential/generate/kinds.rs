//! Valid objects of each kind, with parts that are there or not by chance.

use serde_json::{Value, json};

use super::super::rng::Rng;
use super::pod::{pod, pod_status};
use super::workload::{
    cron_job, cron_job_status, daemon_set, daemon_set_status, deployment, hpa, hpa_status, hpa_v1, job, job_status,
    pdb, pdb_status, replica_set, replicas_status, replication_controller, stateful_set,
};

/// A kind that programs use.
pub(crate) struct Kind {
    /// What `--only` names.
    pub(crate) area: &'static str,
    /// Under `/api` or `/apis`.
    pub(crate) group_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) namespaced: bool,
    pub(crate) status: bool,
    pub(crate) scale: bool,
    /// Everything but `apiVersion`, `kind` and `metadata`.
    pub(crate) body: fn(&mut Rng) -> Value,
    pub(crate) status_body: fn(&mut Rng) -> Value,
}

impl Kind {
    /// The collection's path, with the mark of the program's namespace.
    pub(crate) fn collection(&self) -> String {
        let root = if self.group_version.contains('/') { "/apis" } else { "/api" };
        let place = if self.namespaced { "/namespaces/{{ns}}" } else { "" };
        format!("{root}/{}{place}/{}", self.group_version, self.plural)
    }
}

const N: bool = true;
const C: bool = false;

macro_rules! kinds {
    ($($area:literal $gv:literal $kind:literal $plural:literal $ns:ident $status:literal $scale:literal $body:ident $sb:ident;)*) => {
        &[$(Kind { area: $area, group_version: $gv, kind: $kind, plural: $plural, namespaced: $ns, status: $status,
            scale: $scale, body: $body, status_body: $sb },)*]
    };
}

pub(crate) const KINDS: &[Kind] = kinds! {
    "configmap" "v1" "ConfigMap" "configmaps" N false false config_map no_status;
    "secret" "v1" "Secret" "secrets" N false false secret no_status;
    "serviceaccount" "v1" "ServiceAccount" "serviceaccounts" N false false service_account no_status;
    "service" "v1" "Service" "services" N true false service service_status;
    "deployment" "apps/v1" "Deployment" "deployments" N true true deployment replicas_status;
    "replicaset" "apps/v1" "ReplicaSet" "replicasets" N true true replica_set replicas_status;
    "replicationcontroller" "v1" "ReplicationController" "replicationcontrollers" N true true replication_controller replicas_status;
    "statefulset" "apps/v1" "StatefulSet" "statefulsets" N true true stateful_set replicas_status;
    "daemonset" "apps/v1" "DaemonSet" "daemonsets" N true false daemon_set daemon_set_status;
    "job" "batch/v1" "Job" "jobs" N true false job job_status;
    "cronjob" "batch/v1" "CronJob" "cronjobs" N true false cron_job cron_job_status;
    "pod" "v1" "Pod" "pods" N true false pod pod_status;
    "pvc" "v1" "PersistentVolumeClaim" "persistentvolumeclaims" N true false claim claim_status;
    "volume" "v1" "PersistentVolume" "persistentvolumes" C true false volume volume_status;
    "ingress" "networking.k8s.io/v1" "Ingress" "ingresses" N true false ingress service_status;
    "networkpolicy" "networking.k8s.io/v1" "NetworkPolicy" "networkpolicies" N false false network_policy no_status;
    "hpa" "autoscaling/v2" "HorizontalPodAutoscaler" "horizontalpodautoscalers" N true false hpa hpa_status;
    "hpa" "autoscaling/v1" "HorizontalPodAutoscaler" "horizontalpodautoscalers" N true false hpa_v1 hpa_status;
    "pdb" "policy/v1" "PodDisruptionBudget" "poddisruptionbudgets" N true false pdb pdb_status;
    "rbac" "rbac.authorization.k8s.io/v1" "Role" "roles" N false false role no_status;
    "rbac" "rbac.authorization.k8s.io/v1" "RoleBinding" "rolebindings" N false false role_binding no_status;
    "rbac" "rbac.authorization.k8s.io/v1" "ClusterRole" "clusterroles" C false false cluster_role no_status;
    "rbac" "rbac.authorization.k8s.io/v1" "ClusterRoleBinding" "clusterrolebindings" C false false cluster_role_binding no_status;
    "namespace" "v1" "Namespace" "namespaces" C true false nothing namespace_status;
    "lease" "coordination.k8s.io/v1" "Lease" "leases" N false false lease no_status;
    "priorityclass" "scheduling.k8s.io/v1" "PriorityClass" "priorityclasses" C false false priority_class no_status;
    "webhook" "admissionregistration.k8s.io/v1" "ValidatingWebhookConfiguration" "validatingwebhookconfigurations" C false false webhooks no_status;
    "webhook" "admissionregistration.k8s.io/v1" "MutatingWebhookConfiguration" "mutatingwebhookconfigurations" C false false webhooks no_status;
    "quota" "v1" "LimitRange" "limitranges" N false false limit_range no_status;
    "quota" "v1" "ResourceQuota" "resourcequotas" N true false quota quota_status;
    "endpoints" "v1" "Endpoints" "endpoints" N false false endpoints no_status;
    "endpoints" "discovery.k8s.io/v1" "EndpointSlice" "endpointslices" N false false endpoint_slice no_status;
    "event" "v1" "Event" "events" N false false event no_status;
    "storageclass" "storage.k8s.io/v1" "StorageClass" "storageclasses" C false false storage_class no_status;
};

/// Collects fields that are there by chance.
pub(super) struct Fields<'a> {
    rng: &'a mut Rng,
    value: Value,
}

impl<'a> Fields<'a> {
    pub(super) fn new(rng: &'a mut Rng, value: Value) -> Self {
        Self { rng, value }
    }

    pub(super) fn maybe(mut self, percent: usize, key: &str, value: impl FnOnce(&mut Rng) -> Value) -> Self {
        if self.rng.chance(percent) {
            self.value[key] = value(self.rng);
        }
        self
    }

    pub(super) fn done(self) -> Value {
        self.value
    }
}

fn nothing(_: &mut Rng) -> Value {
    json!({})
}

fn no_status(_: &mut Rng) -> Value {
    Value::Null
}

fn config_map(r: &mut Rng) -> Value {
    Fields::new(r, json!({}))
        .maybe(85, "data", |r| match r.below(3) {
            0 => json!({"a": "1"}),
            1 => json!({"a": "1", "b.txt": "two\nlines\n"}),
            _ => json!({"a": "", "c_d": "3"}),
        })
        .maybe(20, "binaryData", |_| json!({"bin": "AAEC"}))
        .maybe(12, "immutable", |r| r.chance(60).into())
        .done()
}

fn secret(r: &mut Rng) -> Value {
    Fields::new(r, json!({}))
        .maybe(
            60,
            "data",
            |r| if r.chance(50) { json!({"password": "c2VjcmV0"}) } else { json!({"a": "YQ==", "b": ""}) },
        )
        .maybe(30, "stringData", |r| if r.chance(50) { json!({"password": "other"}) } else { json!({"c": "plain"}) })
        .maybe(40, "type", |r| match r.below(4) {
            0 => "example.com/own".into(),
            1 => "kubernetes.io/basic-auth".into(),
            2 => "kubernetes.io/tls".into(),
            _ => "Opaque".into(),
        })
        .maybe(10, "immutable", |r| r.chance(60).into())
        .done()
}

fn service_account(r: &mut Rng) -> Value {
    Fields::new(r, json!({}))
        .maybe(40, "automountServiceAccountToken", |r| r.chance(50).into())
        .maybe(30, "imagePullSecrets", |r| {
            if r.chance(50) { json!([{"name": "pull"}]) } else { json!([{"name": "a"}, {"name": "b"}]) }
        })
        .maybe(20, "secrets", |_| json!([{"name": "token"}]))
        .done()
}

fn service(r: &mut Rng) -> Value {
    let ports = match r.below(4) {
        0 => json!([{"port": 80}]),
        1 => json!([{"name": "http", "port": 80, "targetPort": "web"}]),
        2 => {
            json!([{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}])
        }
        _ => json!([{"name": "grpc", "port": 9000, "appProtocol": "kubernetes.io/h2c"}]),
    };
    let spec = Fields::new(r, json!({"ports": ports}))
        .maybe(80, "selector", |_| json!({"app": "web"}))
        .maybe(30, "type", |r| r.pick(&["ClusterIP", "ClusterIP", "ExternalName", "NodePort", "LoadBalancer"]).into())
        .maybe(15, "clusterIP", |_| "None".into())
        .maybe(15, "sessionAffinity", |r| r.pick(&["None", "ClientIP"]).into())
        .maybe(10, "publishNotReadyAddresses", |r| r.chance(60).into())
        .maybe(10, "internalTrafficPolicy", |r| r.pick(&["Cluster", "Local"]).into())
        .maybe(10, "externalIPs", |_| json!(["203.0.113.7"]))
        .maybe(5, "ipFamilyPolicy", |_| "SingleStack".into())
        .done();
    let mut spec = spec;
    if spec["type"] == "ExternalName" {
        spec["externalName"] = "db.example.com".into();
    }
    json!({"spec": spec})
}

fn service_status(r: &mut Rng) -> Value {
    match r.below(3) {
        0 => json!({"loadBalancer": {}}),
        1 => json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}),
        _ => json!({"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}),
    }
}

fn claim(r: &mut Rng) -> Value {
    let modes = match r.below(3) {
        0 => json!(["ReadWriteMany"]),
        1 => json!(["ReadWriteOnce", "ReadOnlyMany"]),
        _ => json!(["ReadWriteOnce"]),
    };
    let size = r.pick(&["1Gi", "500Mi", "2Gi"]);
    let spec = Fields::new(r, json!({"accessModes": modes, "resources": {"requests": {"storage": size}}}))
        .maybe(30, "storageClassName", |r| r.pick(&["standard", "fast", ""]).into())
        .maybe(15, "volumeMode", |r| r.pick(&["Filesystem", "Block"]).into())
        .maybe(10, "volumeName", |_| "pv-1".into())
        .maybe(10, "selector", |_| json!({"matchLabels": {"a": "b"}}))
        .done();
    json!({"spec": spec})
}

fn volume(r: &mut Rng) -> Value {
    let source = match r.below(9) {
        0 => json!({"nfs": {"server": "nfs.example.com", "path": "/data"}}),
        1 => json!({"csi": {"driver": "disk.example.com", "volumeHandle": "v-1", "fsType": "ext4"}}),
        2 => json!({"csi": {"driver": "disk.example.com", "volumeHandle": "v-1",
            "nodePublishSecretRef": {"name": "s", "namespace": "default"}}}),
        3 => json!({
            "local": {"path": "/mnt/a"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node"]}]},
            ]}},
        }),
        4 => json!({"iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:storage", "lun": 1}}),
        5 => json!({"fc": {"wwids": ["a"]}}),
        _ => json!({"hostPath": {"path": "/data"}}),
    };
    let modes = r.pick(&["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]);
    let size = r.pick(&["1Gi", "500Mi", "0.5Gi"]);
    let mut spec = Fields::new(r, json!({"accessModes": [modes], "capacity": {"storage": size}}))
        .maybe(30, "storageClassName", |r| r.pick(&["standard", "fast", ""]).into())
        .maybe(20, "volumeMode", |r| r.pick(&["Filesystem", "Block"]).into())
        .maybe(40, "persistentVolumeReclaimPolicy", |r| r.pick(&["Retain", "Delete", "Recycle"]).into())
        .maybe(20, "mountOptions", |_| json!(["ro", "soft"]))
        .maybe(20, "claimRef", |_| json!({"namespace": "default", "name": "claim"}))
        .maybe(10, "volumeAttributesClassName", |r| r.pick(&["gold", ""]).into())
        .done();
    if let (Value::Object(spec), Value::Object(source)) = (&mut spec, source) {
        spec.extend(source);
    }
    json!({"spec": spec})
}

fn volume_status(r: &mut Rng) -> Value {
    json!({"phase": r.pick(&["Available", "Bound", "Released", "Failed"])})
}

fn claim_status(r: &mut Rng) -> Value {
    match r.below(3) {
        0 => json!({"phase": "Pending"}),
        1 => json!({"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}),
        _ => json!({"phase": "Lost"}),
    }
}

fn ingress_backend(r: &mut Rng) -> Value {
    if r.chance(50) {
        json!({"service": {"name": "web", "port": {"number": 80}}})
    } else {
        json!({"service": {"name": "web", "port": {"name": "http"}}})
    }
}

fn ingress(r: &mut Rng) -> Value {
    let backend = ingress_backend(r);
    let kind = r.pick(&["Prefix", "Exact", "ImplementationSpecific"]);
    let mut spec = if r.chance(75) {
        json!({"rules": [{"host": "a.example.com", "http": {"paths": [{"path": "/", "pathType": kind, "backend": backend}]}}]})
    } else {
        json!({"defaultBackend": backend})
    };
    if r.chance(25) {
        spec["tls"] = json!([{"hosts": ["a.example.com"], "secretName": "cert"}]);
    }
    if r.chance(25) {
        spec["ingressClassName"] = "nginx".into();
    }
    json!({"spec": spec})
}

fn network_policy(r: &mut Rng) -> Value {
    let spec = Fields::new(r, json!({"podSelector": {"matchLabels": {"app": "web"}}}))
        .maybe(60, "ingress", |r| match r.below(3) {
            0 => json!([{"from": [{"podSelector": {"matchLabels": {"app": "front"}}}], "ports": [{"port": 80, "protocol": "TCP"}]}]),
            1 => json!([{"from": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.8/32"]}}]}]),
            _ => json!([{"ports": [{"port": "http"}]}]),
        })
        .maybe(40, "egress", |_| json!([{"to": [{"namespaceSelector": {}}], "ports": [{"port": 53, "protocol": "UDP"}]}]))
        .maybe(40, "policyTypes", |r| if r.chance(50) { json!(["Ingress"]) } else { json!(["Ingress", "Egress"]) })
        .done();
    json!({"spec": spec})
}

fn rules(r: &mut Rng) -> Value {
    match r.below(3) {
        0 => json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]),
        1 => {
            json!([{"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["web"], "verbs": ["*"]}, {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}])
        }
        _ => json!([]),
    }
}

fn role(r: &mut Rng) -> Value {
    json!({"rules": rules(r)})
}

fn cluster_role(r: &mut Rng) -> Value {
    match r.below(4) {
        0 => json!({"rules": [{"nonResourceURLs": ["/healthz"], "verbs": ["get"]}]}),
        1 => {
            json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"none.example/never": "true"}}]}, "rules": []})
        }
        _ => json!({"rules": rules(r)}),
    }
}

fn subjects(r: &mut Rng) -> Value {
    match r.below(3) {
        0 => json!([{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}]),
        1 => json!([{"kind": "User", "name": "jane"}]),
        _ => json!([{"kind": "Group", "name": "devs", "apiGroup": "rbac.authorization.k8s.io"}]),
    }
}

fn role_binding(r: &mut Rng) -> Value {
    let kind = r.pick(&["Role", "ClusterRole"]);
    let role = r.pick(&["view", "edit"]);
    Fields::new(r, json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}}))
        .maybe(85, "subjects", subjects)
        .done()
}

fn cluster_role_binding(r: &mut Rng) -> Value {
    let role = r.pick(&["view", "edit"]);
    Fields::new(r, json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}}))
        .maybe(85, "subjects", subjects)
        .done()
}

fn namespace_status(r: &mut Rng) -> Value {
    json!({"phase": r.pick(&["Active", "Active", "Terminating"])})
}

fn lease(r: &mut Rng) -> Value {
    let spec = Fields::new(r, json!({}))
        .maybe(70, "holderIdentity", |r| r.pick(&["me", "you"]).into())
        .maybe(60, "leaseDurationSeconds", |r| json!(1 + r.below(60)))
        .maybe(50, "renewTime", |_| "2020-01-01T00:00:00.000000Z".into())
        .maybe(30, "leaseTransitions", |r| json!(r.below(5)))
        .done();
    json!({"spec": spec})
}

fn priority_class(r: &mut Rng) -> Value {
    let value = r.below(1000);
    Fields::new(r, json!({"value": value}))
        .maybe(30, "description", |_| "text".into())
        .maybe(30, "preemptionPolicy", |r| r.pick(&["Never", "PreemptLowerPriority"]).into())
        .done()
}

/// Hooks for a group that nothing is of, so that the real server never calls them.
fn webhooks(r: &mut Rng) -> Value {
    let hook = Fields::new(
        r,
        json!({
            "name": "hook.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "failurePolicy": "Ignore",
            "rules": [{"apiGroups": ["none.example"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["widgets"]}],
        }),
    )
    .maybe(60, "timeoutSeconds", |r| json!(1 + r.below(29)))
    .maybe(30, "matchPolicy", |r| r.pick(&["Exact", "Equivalent"]).into())
    .maybe(30, "namespaceSelector", |_| json!({"matchLabels": {"hook": "on"}}));
    let mut hook = hook.done();
    hook["clientConfig"] = if r.chance(60) {
        json!({"service": {"name": "hook", "namespace": "default", "path": "/validate"}})
    } else {
        json!({"url": "https://hook.example.com/validate"})
    };
    json!({"webhooks": [hook]})
}

fn limit_range(r: &mut Rng) -> Value {
    match r.below(3) {
        0 => {
            json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}}]}})
        }
        1 => json!({"spec": {"limits": [{"type": "Pod", "max": {"memory": "1Gi"}}]}}),
        _ => {
            json!({"spec": {"limits": [{"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "10Gi"}}]}})
        }
    }
}

fn quota(r: &mut Rng) -> Value {
    let spec = Fields::new(r, json!({"hard": {"pods": "10", "requests.cpu": "4"}}))
        .maybe(20, "scopes", |r| if r.chance(50) { json!(["NotTerminating"]) } else { json!(["BestEffort"]) })
        .done();
    json!({"spec": spec})
}

fn quota_status(_: &mut Rng) -> Value {
    json!({"hard": {"pods": "10"}, "used": {"pods": "0"}})
}

fn endpoints(r: &mut Rng) -> Value {
    Fields::new(r, json!({}))
        .maybe(80, "subsets", |r| match r.below(2) {
            0 => json!([{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 80}]}]),
            _ => json!([{"addresses": [{"ip": "192.0.2.1", "hostname": "a"}, {"ip": "192.0.2.2"}], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}]),
        })
        .done()
}

fn endpoint_slice(r: &mut Rng) -> Value {
    Fields::new(r, json!({"addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.1"]}]}))
        .maybe(70, "ports", |r| {
            if r.chance(50) { json!([{"name": "http", "port": 80}]) } else { json!([{"port": 80, "protocol": "TCP"}]) }
        })
        .done()
}

fn event(r: &mut Rng) -> Value {
    Fields::new(r, json!({"involvedObject": {"kind": "Pod", "name": "a", "namespace": "{{ns}}"}}))
        .maybe(80, "reason", |_| "Started".into())
        .maybe(80, "message", |_| "it did".into())
        .maybe(60, "type", |r| r.pick(&["Normal", "Warning"]).into())
        .maybe(50, "count", |r| json!(1 + r.below(5)))
        .maybe(50, "source", |_| json!({"component": "kubelet"}))
        .done()
}

fn storage_class(r: &mut Rng) -> Value {
    Fields::new(r, json!({"provisioner": "example.com/disk"}))
        .maybe(40, "reclaimPolicy", |r| r.pick(&["Delete", "Retain"]).into())
        .maybe(40, "volumeBindingMode", |r| r.pick(&["Immediate", "WaitForFirstConsumer"]).into())
        .maybe(30, "allowVolumeExpansion", |r| r.chance(70).into())
        .maybe(30, "parameters", |_| json!({"type": "ssd"}))
        .done()
}

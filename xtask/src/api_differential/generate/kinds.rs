//! Valid objects of each kind, with parts that are there or not by chance.

use serde_json::{Value, json};

use super::super::rng::Rng;

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
    "statefulset" "apps/v1" "StatefulSet" "statefulsets" N true true stateful_set replicas_status;
    "daemonset" "apps/v1" "DaemonSet" "daemonsets" N true false daemon_set daemon_set_status;
    "job" "batch/v1" "Job" "jobs" N true false job job_status;
    "cronjob" "batch/v1" "CronJob" "cronjobs" N true false cron_job cron_job_status;
    "pod" "v1" "Pod" "pods" N true false pod pod_status;
    "pvc" "v1" "PersistentVolumeClaim" "persistentvolumeclaims" N true false claim claim_status;
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
struct Fields<'a> {
    rng: &'a mut Rng,
    value: Value,
}

impl<'a> Fields<'a> {
    fn new(rng: &'a mut Rng, value: Value) -> Self {
        Self { rng, value }
    }

    fn maybe(mut self, percent: usize, key: &str, value: impl FnOnce(&mut Rng) -> Value) -> Self {
        if self.rng.chance(percent) {
            self.value[key] = value(self.rng);
        }
        self
    }

    fn done(self) -> Value {
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

fn labels(r: &mut Rng) -> Value {
    if r.chance(70) { json!({"app": "web"}) } else { json!({"app": "web", "tier": "front"}) }
}

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

fn pod_spec(r: &mut Rng, restart: Option<&str>) -> Value {
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
    if let Some(policy) = restart {
        spec["restartPolicy"] = policy.into();
    }
    spec
}

fn template(r: &mut Rng, restart: Option<&str>) -> Value {
    let labels = labels(r);
    let spec = pod_spec(r, restart);
    let metadata = Fields::new(r, json!({"labels": labels})).maybe(20, "annotations", |_| json!({"note": "a"})).done();
    json!({"metadata": metadata, "spec": spec})
}

fn selector(r: &mut Rng) -> Value {
    if r.chance(85) {
        json!({"matchLabels": {"app": "web"}})
    } else {
        json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]})
    }
}

fn deployment(r: &mut Rng) -> Value {
    let (selector, template) = (selector(r), template(r, None));
    let spec = Fields::new(r, json!({"selector": selector, "template": template}))
        .maybe(60, "replicas", |r| json!(r.below(5)))
        .maybe(25, "strategy", |r| match r.below(4) {
            0 => json!({"type": "Recreate"}),
            1 => json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
            2 => json!({"rollingUpdate": {"maxSurge": "10%"}}),
            _ => json!({"type": "RollingUpdate"}),
        })
        .maybe(15, "revisionHistoryLimit", |r| json!(r.below(10)))
        .maybe(15, "minReadySeconds", |r| json!(r.below(10)))
        .maybe(10, "progressDeadlineSeconds", |r| json!(60 + r.below(600)))
        .maybe(10, "paused", |r| r.chance(60).into())
        .done();
    json!({"spec": spec})
}

fn replica_set(r: &mut Rng) -> Value {
    let (selector, template) = (selector(r), template(r, None));
    let spec = Fields::new(r, json!({"selector": selector, "template": template}))
        .maybe(60, "replicas", |r| json!(r.below(5)))
        .maybe(15, "minReadySeconds", |r| json!(r.below(10)))
        .done();
    json!({"spec": spec})
}

fn stateful_set(r: &mut Rng) -> Value {
    let (selector, template) = (selector(r), template(r, None));
    let spec = Fields::new(r, json!({"selector": selector, "template": template}))
        .maybe(80, "serviceName", |_| "db".into())
        .maybe(60, "replicas", |r| json!(r.below(5)))
        .maybe(20, "podManagementPolicy", |r| r.pick(&["OrderedReady", "Parallel"]).into())
        .maybe(20, "updateStrategy", |r| if r.chance(50) { json!({"type": "OnDelete"}) } else { json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}) })
        .maybe(25, "volumeClaimTemplates", |_| json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]))
        .maybe(10, "persistentVolumeClaimRetentionPolicy", |r| json!({"whenDeleted": r.pick(&["Delete", "Retain"])}))
        .maybe(10, "minReadySeconds", |r| json!(r.below(10)))
        .maybe(8, "ordinals", |r| json!({"start": r.below(3)}))
        .done();
    json!({"spec": spec})
}

fn daemon_set(r: &mut Rng) -> Value {
    let (selector, template) = (selector(r), template(r, None));
    let spec = Fields::new(r, json!({"selector": selector, "template": template}))
        .maybe(25, "updateStrategy", |r| {
            if r.chance(50) {
                json!({"type": "OnDelete"})
            } else {
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "20%"}})
            }
        })
        .maybe(15, "minReadySeconds", |r| json!(r.below(10)))
        .done();
    json!({"spec": spec})
}

fn job_spec(r: &mut Rng) -> Value {
    let policy = r.pick(&["Never", "OnFailure"]);
    let template = template(r, Some(policy));
    Fields::new(r, json!({"template": template}))
        .maybe(30, "completions", |r| json!(1 + r.below(4)))
        .maybe(30, "parallelism", |r| json!(r.below(4)))
        .maybe(30, "backoffLimit", |r| json!(r.below(7)))
        .maybe(15, "activeDeadlineSeconds", |r| json!(10 + r.below(100)))
        .maybe(15, "ttlSecondsAfterFinished", |r| json!(r.below(100)))
        .maybe(15, "suspend", |r| r.chance(60).into())
        .maybe(10, "completionMode", |_| "NonIndexed".into())
        .done()
}

fn job(r: &mut Rng) -> Value {
    json!({"spec": job_spec(r)})
}

fn cron_job(r: &mut Rng) -> Value {
    let job = job_spec(r);
    let schedule = r.pick(&["*/5 * * * *", "0 0 * * 0", "@hourly", "1 2 3 4 5"]);
    let spec = Fields::new(r, json!({"schedule": schedule, "jobTemplate": {"spec": job}}))
        .maybe(25, "concurrencyPolicy", |r| r.pick(&["Allow", "Forbid", "Replace"]).into())
        .maybe(20, "suspend", |r| r.chance(50).into())
        .maybe(15, "successfulJobsHistoryLimit", |r| json!(r.below(5)))
        .maybe(15, "failedJobsHistoryLimit", |r| json!(r.below(5)))
        .maybe(15, "startingDeadlineSeconds", |r| json!(r.below(50)))
        .maybe(15, "timeZone", |r| r.pick(&["Etc/UTC", "Europe/Berlin"]).into())
        .done();
    json!({"spec": spec})
}

fn pod(r: &mut Rng) -> Value {
    let policy = r.pick(&[None, None, Some("Always"), Some("Never"), Some("OnFailure")]);
    json!({"spec": pod_spec(r, policy)})
}

fn replicas_status(r: &mut Rng) -> Value {
    Fields::new(r, json!({"replicas": 1}))
        .maybe(60, "readyReplicas", |_| json!(1))
        .maybe(40, "observedGeneration", |_| json!(1))
        .maybe(30, "conditions", |r| json!([{"type": "Available", "status": r.pick(&["True", "False"]), "reason": "MinimumReplicas", "message": "m", "lastTransitionTime": "2020-01-01T00:00:00Z"}]))
        .done()
}

fn daemon_set_status(r: &mut Rng) -> Value {
    Fields::new(
        r,
        json!({"currentNumberScheduled": 1, "desiredNumberScheduled": 1, "numberMisscheduled": 0, "numberReady": 1}),
    )
    .maybe(40, "observedGeneration", |_| json!(1))
    .done()
}

fn job_status(r: &mut Rng) -> Value {
    Fields::new(r, json!({}))
        .maybe(60, "active", |_| json!(1))
        .maybe(50, "startTime", |_| "2020-01-01T00:00:00Z".into())
        .done()
}

fn cron_job_status(r: &mut Rng) -> Value {
    Fields::new(r, json!({})).maybe(60, "lastScheduleTime", |_| "2020-01-01T00:00:00Z".into()).done()
}

fn pod_status(r: &mut Rng) -> Value {
    Fields::new(r, json!({"phase": r_phase(0)}))
        .maybe(40, "podIP", |_| "192.0.2.1".into())
        .maybe(40, "conditions", |r| json!([{"type": "Ready", "status": r.pick(&["True", "False"]), "lastProbeTime": null, "lastTransitionTime": "2020-01-01T00:00:00Z"}]))
        .maybe(20, "message", |_| "m".into())
        .done()
}

fn r_phase(n: usize) -> &'static str {
    ["Running", "Pending"][n]
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

fn hpa(r: &mut Rng) -> Value {
    let spec = Fields::new(r, json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 10}))
        .maybe(60, "minReplicas", |r| json!(1 + r.below(5)))
        .maybe(50, "metrics", |r| match r.below(3) {
            0 => json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}]),
            1 => json!([{"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "100Mi"}}}]),
            _ => json!([{"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "10"}}}]),
        })
        .maybe(20, "behavior", |_| json!({"scaleDown": {"stabilizationWindowSeconds": 60}}))
        .done();
    json!({"spec": spec})
}

fn hpa_v1(r: &mut Rng) -> Value {
    let spec = Fields::new(
        r,
        json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 10}),
    )
    .maybe(60, "minReplicas", |r| json!(1 + r.below(5)))
    .maybe(50, "targetCPUUtilizationPercentage", |r| json!(10 + r.below(90)))
    .done();
    json!({"spec": spec})
}

fn hpa_status(r: &mut Rng) -> Value {
    Fields::new(r, json!({"currentReplicas": 1, "desiredReplicas": 2}))
        .maybe(30, "observedGeneration", |_| json!(1))
        .done()
}

fn pdb(r: &mut Rng) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"app": "web"}}});
    match r.below(4) {
        0 => spec["minAvailable"] = json!(1),
        1 => spec["minAvailable"] = "50%".into(),
        2 => spec["maxUnavailable"] = json!(1),
        _ => spec["maxUnavailable"] = "30%".into(),
    }
    if r.chance(20) {
        spec["unhealthyPodEvictionPolicy"] = r.pick(&["IfHealthyBudget", "AlwaysAllow"]).into();
    }
    json!({"spec": spec})
}

fn pdb_status(_: &mut Rng) -> Value {
    json!({"disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2})
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

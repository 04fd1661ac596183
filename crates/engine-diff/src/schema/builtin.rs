//! The built-in kinds of Kubernetes 1.36, from the `x-kubernetes-*` extensions of its
//! [OpenAPI documents](https://github.com/kubernetes/kubernetes/tree/v1.36.0/api/openapi-spec). Kept by type, as there:
//! a Pod template means the same wherever it stands.

use gitops_engine_core::GroupKind;

use super::{MergeKey, Node, Role};

type Fields = &'static [(&'static str, &'static Node)];

const fn of(fields: Fields) -> Node {
    Node { role: Role::Plain, fields, rest: None }
}

/// An atomic list, or a map, of these.
const fn each(node: &'static Node) -> Node {
    Node { role: Role::Plain, fields: &[], rest: Some(node) }
}

const fn keyed(keys: &'static [MergeKey], item: &'static Node) -> Node {
    Node { role: Role::Keyed(keys), fields: &[], rest: Some(item) }
}

const fn leaf(role: Role) -> Node {
    Node { role, fields: &[], rest: None }
}

const BY_NAME: &[MergeKey] = &[MergeKey::new("name")];
const BY_TYPE: &[MergeKey] = &[MergeKey::new("type")];

static PLAIN: Node = leaf(Role::Plain);
// Also a label selector.
static WHOLE: Node = Node { role: Role::Whole, fields: &[("matchLabels", &TEXTS)], rest: None };
static WHOLE_TEXTS: Node = leaf(Role::WholeTexts);
static SET: Node = leaf(Role::Set);
static TEXTS: Node = leaf(Role::Texts);
static QUANTITY: Node = leaf(Role::Quantity);
static QUANTITIES: Node = each(&QUANTITY);

// Metadata.
static OWNER_REFERENCES: Node = keyed(&[MergeKey::new("uid")], &WHOLE);
static METADATA: Node =
    of(&[("annotations", &TEXTS), ("finalizers", &SET), ("labels", &TEXTS), ("ownerReferences", &OWNER_REFERENCES)]);
static CONDITIONS: Node = keyed(BY_TYPE, &PLAIN);
static STATUS: Node = of(&[("conditions", &CONDITIONS)]);

// Pods.
static CLAIMS: Node = keyed(BY_NAME, &PLAIN);
static RESOURCES: Node = of(&[("claims", &CLAIMS), ("limits", &QUANTITIES), ("requests", &QUANTITIES)]);
static RESOURCE_FIELD_REF: Node = Node { role: Role::Whole, fields: &[("divisor", &QUANTITY)], rest: None };
static VALUE_FROM: Node = of(&[
    ("configMapKeyRef", &WHOLE),
    ("fieldRef", &WHOLE),
    ("fileKeyRef", &WHOLE),
    ("resourceFieldRef", &RESOURCE_FIELD_REF),
    ("secretKeyRef", &WHOLE),
]);
static ENV_VAR: Node = of(&[("valueFrom", &VALUE_FROM)]);
static ENV: Node = keyed(BY_NAME, &ENV_VAR);
static CONTAINER_PORTS: Node =
    keyed(&[MergeKey::new("containerPort"), MergeKey::with_default("protocol", "TCP")], &PLAIN);
static VOLUME_MOUNTS: Node = keyed(&[MergeKey::new("mountPath")], &PLAIN);
static VOLUME_DEVICES: Node = keyed(&[MergeKey::new("devicePath")], &PLAIN);
static CONTAINER: Node = of(&[
    ("env", &ENV),
    ("ports", &CONTAINER_PORTS),
    ("resources", &RESOURCES),
    ("volumeDevices", &VOLUME_DEVICES),
    ("volumeMounts", &VOLUME_MOUNTS),
]);
static CONTAINERS: Node = keyed(BY_NAME, &CONTAINER);
static BY_SECRET: Node = of(&[("secretRef", &WHOLE)]);
static EMPTY_DIR: Node = of(&[("sizeLimit", &QUANTITY)]);
static CSI_VOLUME: Node = of(&[("nodePublishSecretRef", &WHOLE)]);
static EPHEMERAL: Node = of(&[("volumeClaimTemplate", &CLAIM)]);
static VOLUME: Node = of(&[
    ("cephfs", &BY_SECRET),
    ("cinder", &BY_SECRET),
    ("csi", &CSI_VOLUME),
    ("emptyDir", &EMPTY_DIR),
    ("ephemeral", &EPHEMERAL),
    ("flexVolume", &BY_SECRET),
    ("iscsi", &BY_SECRET),
    ("rbd", &BY_SECRET),
    ("scaleIO", &BY_SECRET),
    ("storageos", &BY_SECRET),
]);
static VOLUMES: Node = keyed(BY_NAME, &VOLUME);
static NODE_AFFINITY: Node = of(&[("requiredDuringSchedulingIgnoredDuringExecution", &WHOLE)]);
static AFFINITY: Node = of(&[("nodeAffinity", &NODE_AFFINITY)]);
static HOST_ALIASES: Node = keyed(&[MergeKey::new("ip")], &PLAIN);
static PULL_SECRETS: Node = keyed(BY_NAME, &WHOLE);
static SPREAD: Node = of(&[("labelSelector", &WHOLE)]);
static SPREAD_CONSTRAINTS: Node = keyed(&[MergeKey::new("topologyKey"), MergeKey::new("whenUnsatisfiable")], &SPREAD);
static NAMED: Node = keyed(BY_NAME, &PLAIN);
static POD_SPEC: Node = of(&[
    ("affinity", &AFFINITY),
    ("containers", &CONTAINERS),
    ("ephemeralContainers", &CONTAINERS),
    ("hostAliases", &HOST_ALIASES),
    ("imagePullSecrets", &PULL_SECRETS),
    ("initContainers", &CONTAINERS),
    ("nodeSelector", &WHOLE_TEXTS),
    ("overhead", &QUANTITIES),
    ("resourceClaims", &NAMED),
    ("resources", &RESOURCES),
    ("schedulingGates", &NAMED),
    ("topologySpreadConstraints", &SPREAD_CONSTRAINTS),
    ("volumes", &VOLUMES),
]);
static POD_TEMPLATE: Node = of(&[("metadata", &METADATA), ("spec", &POD_SPEC)]);
static POD: Node = of(&[("metadata", &METADATA), ("spec", &POD_SPEC), ("status", &STATUS)]);
static POD_TEMPLATE_OBJECT: Node = of(&[("metadata", &METADATA), ("template", &POD_TEMPLATE)]);

// Claims and volumes.
static CLAIM_SPEC: Node = of(&[("dataSource", &WHOLE), ("resources", &RESOURCES), ("selector", &WHOLE)]);
static CLAIM: Node = of(&[("metadata", &METADATA), ("spec", &CLAIM_SPEC), ("status", &STATUS)]);
static CLAIM_TEMPLATES: Node = each(&CLAIM);
static VOLUME_NODE_AFFINITY: Node = of(&[("required", &WHOLE)]);
static PV_CSI: Node = of(&[
    ("controllerExpandSecretRef", &WHOLE),
    ("controllerPublishSecretRef", &WHOLE),
    ("nodeExpandSecretRef", &WHOLE),
    ("nodePublishSecretRef", &WHOLE),
    ("nodeStageSecretRef", &WHOLE),
]);
static PV_SPEC: Node = of(&[
    ("capacity", &QUANTITIES),
    ("cephfs", &BY_SECRET),
    ("cinder", &BY_SECRET),
    ("csi", &PV_CSI),
    ("flexVolume", &BY_SECRET),
    ("iscsi", &BY_SECRET),
    ("nodeAffinity", &VOLUME_NODE_AFFINITY),
    ("rbd", &BY_SECRET),
    ("scaleIO", &BY_SECRET),
    ("storageos", &BY_SECRET),
]);
static PERSISTENT_VOLUME: Node = of(&[("metadata", &METADATA), ("spec", &PV_SPEC)]);
static CSI_DRIVER_SPEC: Node = of(&[("volumeLifecycleModes", &SET)]);
static CSI_DRIVER: Node = of(&[("metadata", &METADATA), ("spec", &CSI_DRIVER_SPEC)]);
static CSI_NODE_SPEC: Node = of(&[("drivers", &NAMED)]);
static CSI_NODE: Node = of(&[("metadata", &METADATA), ("spec", &CSI_NODE_SPEC)]);
static STORAGE_CAPACITY: Node =
    of(&[("capacity", &QUANTITY), ("maximumVolumeSize", &QUANTITY), ("metadata", &METADATA), ("nodeTopology", &WHOLE)]);

// Workloads.
static WORKLOAD_SPEC: Node =
    of(&[("selector", &WHOLE), ("template", &POD_TEMPLATE), ("volumeClaimTemplates", &CLAIM_TEMPLATES)]);
static WORKLOAD: Node = of(&[("metadata", &METADATA), ("spec", &WORKLOAD_SPEC), ("status", &STATUS)]);
// The only list of conditions that is atomic.
static JOB: Node = of(&[("metadata", &METADATA), ("spec", &WORKLOAD_SPEC)]);
static JOB_TEMPLATE: Node = of(&[("metadata", &METADATA), ("spec", &WORKLOAD_SPEC)]);
static CRON_JOB_SPEC: Node = of(&[("jobTemplate", &JOB_TEMPLATE)]);
static CRON_JOB: Node = of(&[("metadata", &METADATA), ("spec", &CRON_JOB_SPEC)]);
static METRIC_TARGET: Node = of(&[("averageValue", &QUANTITY), ("value", &QUANTITY)]);
static METRIC_SOURCE: Node = of(&[("target", &METRIC_TARGET)]);
static METRIC: Node = of(&[
    ("containerResource", &METRIC_SOURCE),
    ("external", &METRIC_SOURCE),
    ("object", &METRIC_SOURCE),
    ("pods", &METRIC_SOURCE),
    ("resource", &METRIC_SOURCE),
]);
static METRICS: Node = each(&METRIC);
static SCALING_RULES: Node = of(&[("tolerance", &QUANTITY)]);
static BEHAVIOR: Node = of(&[("scaleDown", &SCALING_RULES), ("scaleUp", &SCALING_RULES)]);
static AUTOSCALER_SPEC: Node = of(&[("behavior", &BEHAVIOR), ("metrics", &METRICS)]);
static AUTOSCALER: Node = of(&[("metadata", &METADATA), ("spec", &AUTOSCALER_SPEC), ("status", &STATUS)]);
static SELECTING_SPEC: Node = of(&[("podSelector", &WHOLE), ("selector", &WHOLE)]);
static SELECTING: Node = of(&[("metadata", &METADATA), ("spec", &SELECTING_SPEC), ("status", &STATUS)]);

// Network.
static SERVICE_PORTS: Node = keyed(&[MergeKey::new("port"), MergeKey::with_default("protocol", "TCP")], &PLAIN);
static SERVICE_SPEC: Node = of(&[("ports", &SERVICE_PORTS), ("selector", &WHOLE_TEXTS)]);
static SERVICE: Node = of(&[("metadata", &METADATA), ("spec", &SERVICE_SPEC), ("status", &STATUS)]);
static INGRESS_SERVICE: Node = of(&[("port", &WHOLE)]);
static INGRESS_BACKEND: Node = of(&[("resource", &WHOLE), ("service", &INGRESS_SERVICE)]);
static INGRESS_SPEC: Node = of(&[("defaultBackend", &INGRESS_BACKEND)]);
static INGRESS: Node = of(&[("metadata", &METADATA), ("spec", &INGRESS_SPEC)]);

// Policy and accounts.
static SECRETS: Node = keyed(BY_NAME, &WHOLE);
static SERVICE_ACCOUNT: Node = of(&[("metadata", &METADATA), ("secrets", &SECRETS)]);
static ROLE_BINDING: Node = of(&[("metadata", &METADATA), ("roleRef", &WHOLE)]);
static QUOTA_SPEC: Node = of(&[("hard", &QUANTITIES), ("scopeSelector", &WHOLE)]);
static RESOURCE_QUOTA: Node = of(&[("metadata", &METADATA), ("spec", &QUOTA_SPEC)]);
static LIMIT: Node = of(&[
    ("default", &QUANTITIES),
    ("defaultRequest", &QUANTITIES),
    ("max", &QUANTITIES),
    ("maxLimitRequestRatio", &QUANTITIES),
    ("min", &QUANTITIES),
]);
static LIMITS: Node = each(&LIMIT);
static LIMIT_RANGE_SPEC: Node = of(&[("limits", &LIMITS)]);
static LIMIT_RANGE: Node = of(&[("metadata", &METADATA), ("spec", &LIMIT_RANGE_SPEC)]);
static NODE_SPEC: Node = of(&[("podCIDRs", &SET)]);
static NODE_STATUS: Node = of(&[("addresses", &CONDITIONS), ("conditions", &CONDITIONS)]);
static NODE: Node = of(&[("metadata", &METADATA), ("spec", &NODE_SPEC), ("status", &NODE_STATUS)]);
static OVERHEAD: Node = of(&[("podFixed", &QUANTITIES)]);
static SCHEDULING: Node = of(&[("nodeSelector", &WHOLE_TEXTS)]);
static RUNTIME_CLASS: Node = of(&[("metadata", &METADATA), ("overhead", &OVERHEAD), ("scheduling", &SCHEDULING)]);

// Admission.
static WEBHOOK: Node = of(&[("matchConditions", &NAMED), ("namespaceSelector", &WHOLE), ("objectSelector", &WHOLE)]);
static WEBHOOKS: Node = keyed(BY_NAME, &WEBHOOK);
static WEBHOOK_CONFIGURATION: Node = of(&[("metadata", &METADATA), ("webhooks", &WEBHOOKS)]);
static VARIABLES: Node = keyed(BY_NAME, &WHOLE);
// `matchConstraints` and `matchResources` are atomic, too, but the server fills in fields at several depths of them:
// they are left plain, so that these are not taken for changes.
static ADMISSION_SPEC: Node = of(&[
    ("matchConditions", &NAMED),
    ("paramKind", &WHOLE),
    ("paramRef", &WHOLE),
    ("validationActions", &SET),
    ("variables", &VARIABLES),
]);
static ADMISSION: Node = of(&[("metadata", &METADATA), ("spec", &ADMISSION_SPEC), ("status", &STATUS)]);

// Its variables are in the order in which they use each other.
static MUTATION_SPEC: Node = of(&[("matchConditions", &NAMED), ("paramKind", &WHOLE), ("paramRef", &WHOLE)]);
static MUTATION: Node = of(&[("metadata", &METADATA), ("spec", &MUTATION_SPEC)]);

// Devices.
static CLAIM_TEMPLATE_SPEC: Node = of(&[("metadata", &METADATA)]);
static RESOURCE_CLAIM_TEMPLATE: Node = of(&[("metadata", &METADATA), ("spec", &CLAIM_TEMPLATE_SPEC)]);
static SLICE_SPEC: Node = of(&[("nodeSelector", &WHOLE)]);
static RESOURCE_SLICE: Node = of(&[("metadata", &METADATA), ("spec", &SLICE_SPEC)]);

static ANY: Node = of(&[("metadata", &METADATA)]);
static STORAGE_CLASS: Node = of(&[("metadata", &METADATA), ("parameters", &TEXTS)]);
static DATA: Node = of(&[("binaryData", &TEXTS), ("data", &TEXTS), ("metadata", &METADATA)]);
static WITH_CONDITIONS: Node = of(&[("metadata", &METADATA), ("status", &STATUS)]);

pub(super) fn root(kind: &GroupKind) -> &'static Node {
    match (&*kind.group, &*kind.kind) {
        ("apps" | "extensions", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("", "ReplicationController") => &WORKLOAD,
        ("", "Pod") => &POD,
        ("", "PodTemplate") => &POD_TEMPLATE_OBJECT,
        ("batch", "Job") => &JOB,
        ("batch", "CronJob") => &CRON_JOB,
        ("autoscaling", "HorizontalPodAutoscaler") => &AUTOSCALER,
        ("policy", "PodDisruptionBudget") | ("networking.k8s.io" | "extensions", "NetworkPolicy") => &SELECTING,
        ("", "Service") => &SERVICE,
        ("networking.k8s.io" | "extensions", "Ingress") => &INGRESS,
        ("", "PersistentVolumeClaim") => &CLAIM,
        ("", "PersistentVolume") => &PERSISTENT_VOLUME,
        ("storage.k8s.io", "CSIDriver") => &CSI_DRIVER,
        ("storage.k8s.io", "CSINode") => &CSI_NODE,
        ("storage.k8s.io", "CSIStorageCapacity") => &STORAGE_CAPACITY,
        ("storage.k8s.io", "StorageClass") => &STORAGE_CLASS,
        ("", "ConfigMap" | "Secret") => &DATA,
        ("", "ServiceAccount") => &SERVICE_ACCOUNT,
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => &ROLE_BINDING,
        ("", "ResourceQuota") => &RESOURCE_QUOTA,
        ("", "LimitRange") => &LIMIT_RANGE,
        ("", "Node") => &NODE,
        ("node.k8s.io", "RuntimeClass") => &RUNTIME_CLASS,
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => {
            &WEBHOOK_CONFIGURATION
        }
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy" | "MutatingAdmissionPolicyBinding") => &MUTATION,
        ("admissionregistration.k8s.io", _) => &ADMISSION,
        ("resource.k8s.io", "ResourceClaimTemplate") => &RESOURCE_CLAIM_TEMPLATE,
        ("resource.k8s.io", "ResourceSlice") => &RESOURCE_SLICE,
        ("", "Namespace")
        | ("apiextensions.k8s.io", "CustomResourceDefinition")
        | ("apiregistration.k8s.io", "APIService")
        | ("certificates.k8s.io", "CertificateSigningRequest")
        | ("flowcontrol.apiserver.k8s.io", _) => &WITH_CONDITIONS,
        _ => &ANY,
    }
}

/// The groups with a dot that the server itself defines. Others under `k8s.io` are add-ons with CRDs, such as
/// `gateway.networking.k8s.io`.
pub(super) fn is_builtin_group(group: &str) -> bool {
    matches!(
        group,
        "admissionregistration.k8s.io"
            | "apiextensions.k8s.io"
            | "apiregistration.k8s.io"
            | "authentication.k8s.io"
            | "authorization.k8s.io"
            | "certificates.k8s.io"
            | "coordination.k8s.io"
            | "discovery.k8s.io"
            | "events.k8s.io"
            | "flowcontrol.apiserver.k8s.io"
            | "internal.apiserver.k8s.io"
            | "networking.k8s.io"
            | "node.k8s.io"
            | "rbac.authorization.k8s.io"
            | "resource.k8s.io"
            | "scheduling.k8s.io"
            | "storage.k8s.io"
            | "storagemigration.k8s.io"
    )
}

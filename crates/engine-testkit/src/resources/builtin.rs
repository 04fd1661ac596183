//! The built-in kinds of Kubernetes 1.33 that tools of continuous delivery meet, as discovery describes them.

use std::collections::BTreeMap;

use super::{GroupResource, Resource, ScalePaths};

/// The order of groups in `/apis`.
pub(super) const GROUP_ORDER: &[&str] = &[
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
];

/// group/versions | plural | Kind | short names | flags: `n` namespaced, `s` status, `c` scale, `a` category `all`,
/// `x` category `api-extensions`, `r` a review that is answered and not kept.
const TABLE: &[(&str, &str, &str, &str, &str)] = &[
    ("/v1", "bindings", "Binding", "", "nr"),
    ("/v1", "configmaps", "ConfigMap", "cm", "n"),
    ("/v1", "endpoints", "Endpoints", "ep", "n"),
    ("/v1", "events", "Event", "ev", "n"),
    ("/v1", "limitranges", "LimitRange", "limits", "n"),
    ("/v1", "namespaces", "Namespace", "ns", "s"),
    ("/v1", "nodes", "Node", "no", "s"),
    ("/v1", "persistentvolumeclaims", "PersistentVolumeClaim", "pvc", "ns"),
    ("/v1", "persistentvolumes", "PersistentVolume", "pv", "s"),
    ("/v1", "pods", "Pod", "po", "nsa"),
    ("/v1", "podtemplates", "PodTemplate", "", "n"),
    ("/v1", "replicationcontrollers", "ReplicationController", "rc", "nsca"),
    ("/v1", "resourcequotas", "ResourceQuota", "quota", "ns"),
    ("/v1", "secrets", "Secret", "", "n"),
    ("/v1", "serviceaccounts", "ServiceAccount", "sa", "n"),
    ("/v1", "services", "Service", "svc", "nsa"),
    ("apiregistration.k8s.io/v1", "apiservices", "APIService", "", "sx"),
    ("apps/v1", "controllerrevisions", "ControllerRevision", "", "n"),
    ("apps/v1", "daemonsets", "DaemonSet", "ds", "nsa"),
    ("apps/v1", "deployments", "Deployment", "deploy", "nsca"),
    ("apps/v1", "replicasets", "ReplicaSet", "rs", "nsca"),
    ("apps/v1", "statefulsets", "StatefulSet", "sts", "nsca"),
    ("authentication.k8s.io/v1", "selfsubjectreviews", "SelfSubjectReview", "", "r"),
    ("authentication.k8s.io/v1", "tokenreviews", "TokenReview", "", "r"),
    ("authorization.k8s.io/v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", "", "nr"),
    ("authorization.k8s.io/v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", "", "r"),
    ("authorization.k8s.io/v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", "", "r"),
    ("authorization.k8s.io/v1", "subjectaccessreviews", "SubjectAccessReview", "", "r"),
    ("autoscaling/v2,v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa", "nsa"),
    ("batch/v1", "cronjobs", "CronJob", "cj", "nsa"),
    ("batch/v1", "jobs", "Job", "", "nsa"),
    ("certificates.k8s.io/v1", "certificatesigningrequests", "CertificateSigningRequest", "csr", "s"),
    ("coordination.k8s.io/v1", "leases", "Lease", "", "n"),
    ("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", "", "n"),
    ("flowcontrol.apiserver.k8s.io/v1", "flowschemas", "FlowSchema", "", "s"),
    ("flowcontrol.apiserver.k8s.io/v1", "prioritylevelconfigurations", "PriorityLevelConfiguration", "", "s"),
    ("networking.k8s.io/v1", "ingressclasses", "IngressClass", "", ""),
    ("networking.k8s.io/v1", "ingresses", "Ingress", "ing", "ns"),
    ("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", "netpol", "n"),
    ("node.k8s.io/v1", "runtimeclasses", "RuntimeClass", "", ""),
    ("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", "ns"),
    ("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding", "", ""),
    ("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", "", ""),
    ("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding", "", "n"),
    ("rbac.authorization.k8s.io/v1", "roles", "Role", "", "n"),
    ("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", "pc", ""),
    ("storage.k8s.io/v1", "csidrivers", "CSIDriver", "", ""),
    ("storage.k8s.io/v1", "csinodes", "CSINode", "", ""),
    ("storage.k8s.io/v1", "csistoragecapacities", "CSIStorageCapacity", "", "n"),
    ("storage.k8s.io/v1", "storageclasses", "StorageClass", "sc", ""),
    ("storage.k8s.io/v1", "volumeattachments", "VolumeAttachment", "", "s"),
    ("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", "", "x"),
    ("admissionregistration.k8s.io/v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", "", "sx"),
    (
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        "",
        "x",
    ),
    ("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "", "x"),
    ("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", "crd,crds", "sx"),
];

pub(super) fn resources() -> impl Iterator<Item = Resource> {
    TABLE.iter().map(|(api, plural, kind, short, flags)| {
        let (group, versions) = api.split_once('/').unwrap_or(("", api));
        let versions: Vec<String> = versions.split(',').map(str::to_owned).collect();
        let has = |flag: char| flags.contains(flag);
        let mut categories = Vec::new();
        if has('a') {
            categories.push("all".to_owned());
        }
        if has('x') {
            categories.push("api-extensions".to_owned());
        }
        Resource {
            gr: GroupResource::new(group, plural),
            kind: (*kind).to_owned(),
            singular: kind.to_lowercase(),
            storage_version: versions[0].clone(),
            versions,
            namespaced: has('n'),
            short_names: short.split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect(),
            categories,
            stored: !has('r'),
            status: has('s'),
            scale: has('c').then(|| ScalePaths {
                spec_replicas: vec!["spec".into(), "replicas".into()],
                status_replicas: vec!["status".into(), "replicas".into()],
                selector: None,
            }),
            crd: BTreeMap::new(),
        }
    })
}

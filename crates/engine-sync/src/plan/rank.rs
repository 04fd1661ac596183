//! In which order kinds are written within a wave.

use gitops_engine_core::GroupKind;

/// [Argo CD's order of kinds](https://github.com/argoproj/argo-cd/blob/master/gitops-engine/pkg/sync/sync_tasks.go),
/// which is Helm's install order. What is not listed comes after all that is, except for webhook configurations: they
/// come last, since they may refuse everything else while their servers start.
const ORDER: &[(&str, &str)] = &[
    ("", "Namespace"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("", "ResourceQuota"),
    ("", "LimitRange"),
    ("policy", "PodSecurityPolicy"),
    ("policy", "PodDisruptionBudget"),
    ("", "ServiceAccount"),
    ("", "Secret"),
    ("", "ConfigMap"),
    ("storage.k8s.io", "StorageClass"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("", "Service"),
    ("apps", "DaemonSet"),
    ("", "Pod"),
    ("", "ReplicationController"),
    ("apps", "ReplicaSet"),
    ("apps", "Deployment"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("apps", "StatefulSet"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "Ingress"),
    ("apiregistration.k8s.io", "APIService"),
];

/// The rank of a kind that the order does not list.
const OTHER: u8 = 100;
const LAST: u8 = 200;

/// The rank of a kind: lower ones are written first.
pub(super) fn rank(kind: &GroupKind) -> u8 {
    if &*kind.group == "admissionregistration.k8s.io" {
        return LAST;
    }
    let position = ORDER.iter().position(|(group, name)| kind.is(group, name));
    position.and_then(|position| u8::try_from(position).ok()).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_first_webhooks_last() {
        let rank = |group: &str, kind: &str| rank(&GroupKind::new(group, kind));
        assert!(rank("", "Namespace") < rank("", "ConfigMap"));
        assert!(rank("", "ConfigMap") < rank("apps", "Deployment"));
        assert!(rank("apiregistration.k8s.io", "APIService") < rank("example.com", "Shop"));
        assert!(rank("example.com", "Shop") < rank("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"));
        assert_eq!(rank("example.com", "Namespace"), OTHER);
    }
}

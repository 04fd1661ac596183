//! One rule per kind. The conditions are tried in the order in which they stand.

mod autoscaling;
mod extensions;
mod job;
mod network;
mod pod;
mod storage;
mod workload;

use gitops_engine_core::Manifest;

use crate::fields::Judgement;

/// Judges an object of a kind that has a rule.
pub(crate) fn judge(object: &Manifest) -> Option<Judgement> {
    let kind = &object.id().kind;
    let rule: fn(&Manifest) -> Judgement = match (&*kind.group, &*kind.kind) {
        ("apps", "Deployment") => workload::deployment,
        ("apps", "StatefulSet") => workload::stateful_set,
        ("apps", "DaemonSet") => workload::daemon_set,
        ("apps", "ReplicaSet") => workload::replica_set,
        ("", "Pod") => pod::pod,
        ("", "Service") => network::service,
        ("", "PersistentVolumeClaim") => storage::persistent_volume_claim,
        ("", "Namespace") => storage::namespace,
        ("batch", "Job") => job::job,
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaling::horizontal_pod_autoscaler,
        ("networking.k8s.io" | "extensions", "Ingress") => network::ingress,
        ("apiregistration.k8s.io", "APIService") => extensions::api_service,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => extensions::custom_resource_definition,
        ("argoproj.io", "Workflow") => job::workflow,
        _ => return None,
    };
    Some(rule(object))
}

//! The rules of each kind, field by field, as a real server's validation has them.

mod at;
mod core;
mod event;
mod network;
mod policy;
mod registration;
mod workload;

use serde_json::Value;

use self::at::At;
pub(super) use self::event::made_newer;
use crate::status::Cause;

/// The rules of a kind's own fields, on creation and on every change.
pub(super) fn validate(group: &str, resource: &str, object: &Value, causes: &mut Vec<Cause>) {
    let root = At::root(object);
    match (group, resource) {
        ("", "configmaps") => core::config_map(&root, causes),
        ("", "secrets") => core::secret(&root, causes),
        ("", "persistentvolumeclaims") => core::claim(&root, causes),
        ("", "events") => core::event(&root, causes),
        ("", "endpoints") => network::endpoints(&root, causes),
        ("", "services") => network::service(&root, causes),
        ("networking.k8s.io", "ingresses") => network::ingress(&root, causes),
        ("networking.k8s.io", "networkpolicies") => network::policy(&root, causes),
        ("discovery.k8s.io", "endpointslices") => network::endpoint_slice(&root, causes),
        ("apps", "deployments") => workload::deployment(&root, causes),
        ("apps", "replicasets") => workload::replica_set(&root, causes),
        ("apps", "statefulsets") => workload::stateful_set(&root, causes),
        ("apps", "daemonsets") => workload::daemon_set(&root, causes),
        ("batch", "jobs") => workload::job(&root, causes),
        ("batch", "cronjobs") => workload::cron_job(&root, causes),
        ("policy", "poddisruptionbudgets") => policy::disruption_budget(&root, causes),
        ("autoscaling", "horizontalpodautoscalers") => policy::autoscaler(&root, causes),
        ("rbac.authorization.k8s.io", kind) => policy::rbac(kind, &root, causes),
        ("scheduling.k8s.io", "priorityclasses") => {
            root.field("preemptionPolicy").one_of(&["PreemptLowerPriority", "Never"], causes);
        }
        ("apiregistration.k8s.io", "apiservices") => registration::api_service(object, causes),
        ("storage.k8s.io", "storageclasses") => core::storage_class(&root, causes),
        ("coordination.k8s.io", "leases") => core::lease(&root, causes),
        ("admissionregistration.k8s.io", _) => policy::webhooks(&root, causes),
        _ => {}
    }
}

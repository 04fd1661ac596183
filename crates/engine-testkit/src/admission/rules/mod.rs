//! The rules of each kind, field by field, as a real server's validation has them.

mod at;
mod change;
mod core;
mod endpoints;
mod event;
pub(super) mod ip;
mod network;
mod pod;
mod policy;
mod quota;
mod rbac;
mod registration;
pub(super) mod service;
mod webhooks;
mod workload;

use serde_json::Value;

pub(super) use self::pod::{
    app_armor_key, app_armor_profile, created as pod_created, is_app_armor, pod, status_updated as pod_status_updated,
    total_of_containers, updated as pod_updated,
};
pub(super) use self::{at::At, change::change, event::made_newer};
use crate::status::Cause;

/// The rules of a kind's own fields, on creation and on every change.
pub(super) fn validate(group: &str, resource: &str, object: &Value, causes: &mut Vec<Cause>) {
    let root = At::root(object);
    match (group, resource) {
        ("", "configmaps") => core::config_map(&root, causes),
        ("", "secrets") => core::secret(&root, causes),
        ("", "persistentvolumeclaims") => core::claim(&root, causes),
        ("", "events") => core::event(&root, "reportingComponent", causes),
        ("", "endpoints") => endpoints::endpoints(&root, causes),
        ("", "services") => service::service(&root, None, causes),
        ("", "resourcequotas") => quota::quota(&root, causes),
        ("", "limitranges") => quota::limit_range(&root, causes),
        ("networking.k8s.io", "ingresses") => network::ingress(&root, None, causes),
        ("networking.k8s.io", "networkpolicies") => network::policy(&root, None, causes),
        ("discovery.k8s.io", "endpointslices") => {
            endpoints::slice(&root, causes);
            endpoints::slice_endpoints(&root, causes);
        }
        ("apps", "deployments") => workload::deployment(&root, causes),
        ("apps", "replicasets") => workload::replica_set(&root, causes),
        ("apps", "statefulsets") => workload::stateful_set(&root, causes),
        ("apps", "daemonsets") => workload::daemon_set(&root, causes),
        ("batch", "jobs") => workload::job(&root, causes),
        ("batch", "cronjobs") => workload::cron_job(&root, causes),
        ("policy", "poddisruptionbudgets") => policy::disruption_budget(&root, causes),
        ("autoscaling", "horizontalpodautoscalers") => policy::autoscaler(&root, causes),
        ("rbac.authorization.k8s.io", kind @ ("roles" | "clusterroles")) => rbac::role(kind, &root, causes),
        ("rbac.authorization.k8s.io", kind) => rbac::binding(kind, &root, causes),
        ("scheduling.k8s.io", "priorityclasses") => core::priority_class(&root, causes),
        ("apiregistration.k8s.io", "apiservices") => registration::api_service(object, causes),
        ("storage.k8s.io", "storageclasses") => core::storage_class(&root, causes),
        ("coordination.k8s.io", "leases") => core::lease(&root, causes),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations" | "validatingwebhookconfigurations") => {
            webhooks::webhooks(&root, None, causes);
        }
        _ => {}
    }
}

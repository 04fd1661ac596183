//! The rules of each kind, field by field, as a real server's validation has them.

mod at;
mod autoscaler;
mod budget;
mod change;
mod claim;
mod core;
mod diff;
mod endpoints;
mod event;
pub(super) mod ip;
mod network;
mod pod;
mod quota;
mod rbac;
mod registration;
mod resource_names;
pub(super) mod service;
mod volume;
mod webhooks;
mod workload;

use serde_json::Value;

pub(super) use self::pod::{
    app_armor_key, app_armor_profile, created as pod_created, is_app_armor, pod, status_updated as pod_status_updated,
    updated as pod_updated,
};
pub(super) use self::volume::OPTIONS as MOUNT_OPTIONS;
pub(super) use self::{
    at::At,
    change::change,
    event::made_newer,
    resource_names::{is_extended, is_native, is_pages},
};
use crate::{status::Cause, write::Target};

/// A new object, or the next state of one.
pub(super) struct Change<'a> {
    pub(super) group: &'a str,
    pub(super) resource: &'a str,
    pub(super) subresource: &'a str,
    pub(super) before: Option<&'a Value>,
    pub(super) after: &'a Value,
}

impl<'a> Change<'a> {
    fn root(&self) -> At<'a> {
        At::root(self.after)
    }

    fn old_root(&self) -> Option<At<'a>> {
        self.before.map(At::root)
    }
}

/// The rules that look at what changes, for the kinds that have such rules for all of their subresources.
pub(super) fn validate_change(change: &Change<'_>, causes: &mut Vec<Cause>) {
    match (change.group, change.resource) {
        ("apps" | "batch", _) | ("", "replicationcontrollers") => workload::validate(change, causes),
        ("autoscaling", "horizontalpodautoscalers") => autoscaler::autoscaler(change, causes),
        ("policy", "poddisruptionbudgets") => budget::disruption_budget(change, causes),
        _ => {}
    }
}

/// How a webhook is reached.
pub(crate) fn webhook_client(client: &Value, at: &str, causes: &mut Vec<Cause>) {
    webhooks::client(&At::new(client, at), causes);
}

/// Whether a write of the status of these workloads is asked about the object's finalizers, too.
pub(super) fn status_asks_for_qualified_finalizers(target: &Target<'_>) -> bool {
    matches!(
        (&*target.resource.gr.group, &*target.resource.gr.resource),
        ("", "pods") | ("apps", _) | ("batch", "jobs") | ("autoscaling", "horizontalpodautoscalers")
    )
}

/// The rules of a kind's own fields, on creation and on every change.
pub(super) fn validate(group: &str, resource: &str, object: &Value, causes: &mut Vec<Cause>) {
    let root = At::root(object);
    match (group, resource) {
        ("", "configmaps") => core::config_map(&root, causes),
        ("", "secrets") => core::secret(&root, causes),
        ("", "persistentvolumeclaims") => claim::claim(&root, causes),
        ("", "persistentvolumes") => volume::volume(&root, causes),
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

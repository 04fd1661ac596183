//! What a change of an object is asked: which rules, in which order, differs by kind, and whether it is its status that
//! changes.

use serde_json::Value;

use super::{At, claim, core, endpoints, network, pod, quota, rbac, service, volume, webhooks};
use crate::{
    admission::{Empties, meta, names},
    json::get,
    status::Cause,
    write::Target,
};

/// Judges a change as the kind's own rules do. `false` when the kind is not one of those here.
pub(in crate::admission) fn change(
    target: &Target<'_>,
    before: &Value,
    after: &Value,
    sent: &Empties,
    causes: &mut Vec<Cause>,
) -> bool {
    let (group, resource) = (&*target.resource.gr.group, &*target.resource.gr.resource);
    let root = At::root(after);
    let kept = |causes: &mut Vec<Cause>| {
        meta::validate_update(before, after, causes);
        if group != "coordination.k8s.io" {
            meta::qualified_finalizers(after, causes);
        }
    };
    // Some kinds look at a changed object as at a new one.
    let whole = |causes: &mut Vec<Cause>| {
        meta::validate(after, names::rule_for(group, resource), causes);
        meta::qualified_finalizers(after, causes);
    };
    match (group, resource, target.subresource) {
        ("", "configmaps", "") => {
            kept(causes);
            core::immutable_data(&root, before, sent, causes);
            whole(causes);
            core::config_map(&root, causes);
        }
        ("", "secrets", "") => {
            kept(causes);
            core::fixed(&root, before, "type", causes);
            core::immutable_data(&root, before, sent, causes);
            whole(causes);
            core::secret(&root, causes);
        }
        ("", "serviceaccounts", "") => {
            kept(causes);
            whole(causes);
        }
        ("", "pods", subresource @ ("ephemeralcontainers" | "resize")) => {
            let mut own = Vec::new();
            kept(&mut own);
            pod::pod(after, &mut own);
            if subresource == "ephemeralcontainers" {
                pod::ephemeral_sent_empty(&root, sent, &mut own);
            }
            pod::changed_by(subresource, before, after, &mut own);
            causes.append(&mut own);
        }
        ("", "persistentvolumes", "") => {
            whole(causes);
            volume::volume(&root, causes);
            // The kind looks twice at what does not change.
            whole(causes);
            volume::volume(&root, causes);
            volume::volume_change(&root, before, causes);
        }
        ("", "persistentvolumes", "status") => kept(causes),
        ("", "persistentvolumeclaims", "") => {
            kept(causes);
            whole(causes);
            claim::claim(&root, causes);
            claim::claim_change(&root, before, sent, causes);
        }
        ("", "persistentvolumeclaims", "status") => {
            kept(causes);
            claim::claim_status(&root, causes);
        }
        ("", "namespaces", "finalize") => {
            kept(causes);
            for (i, finalizer) in root.field("spec").field("finalizers").items().enumerate() {
                let at = format!("spec.finalizers[{i}]");
                for complaint in names::key_complaints(finalizer.text()) {
                    causes.push(Cause::invalid(at.clone(), finalizer.value, complaint));
                }
                meta::qualified_finalizer(at, finalizer.text(), causes);
            }
        }
        ("", "services", "") => {
            kept(causes);
            service::change(&root, before, causes);
            service::service(&root, Some(before), causes);
        }
        ("", "services", "status") => {
            kept(causes);
            service::status(&root, before, causes);
        }
        ("", "endpoints", "") => {
            kept(causes);
            whole(causes);
            if get(before, &["subsets"]) != get(after, &["subsets"]) {
                endpoints::endpoints(&root, causes);
            }
        }
        ("", "resourcequotas", "") => {
            kept(causes);
            quota::quota(&root, causes);
            quota::quota_change(&root, before, causes);
        }
        ("", "resourcequotas", "status") => {
            kept(causes);
            quota::quota_status(&root, causes);
        }
        ("", "limitranges", "") => {
            whole(causes);
            quota::limit_range(&root, causes);
        }
        ("", "namespaces", "") => {
            whole(causes);
            kept(causes);
        }
        ("", "namespaces", "status") => {
            kept(causes);
            namespace_phase(&root, causes);
        }
        ("", "events", "") => core::event(&root, "reportingComponent", causes),
        ("networking.k8s.io", "ingresses", "") => {
            kept(causes);
            whole(causes);
            network::ingress(&root, Some(before), causes);
        }
        ("networking.k8s.io", "ingresses", "status") => {
            kept(causes);
            network::reached(&root.field("status").field("loadBalancer").field("ingress"), before, false, causes);
        }
        ("networking.k8s.io", "networkpolicies", "") => {
            kept(causes);
            network::policy(&root, Some(before), causes);
        }
        ("discovery.k8s.io", "endpointslices", "") => {
            whole(causes);
            endpoints::slice(&root, causes);
            if get(before, &["endpoints"]) != get(after, &["endpoints"]) {
                endpoints::slice_endpoints(&root, causes);
            }
            core::fixed(&root, before, "addressType", causes);
        }
        ("rbac.authorization.k8s.io", kind @ ("roles" | "clusterroles"), "") => {
            whole(causes);
            rbac::role(kind, &root, causes);
            kept(causes);
        }
        ("rbac.authorization.k8s.io", kind, "") => {
            whole(causes);
            rbac::binding(kind, &root, causes);
            kept(causes);
            rbac::binding_change(&root, before, causes);
        }
        ("storage.k8s.io", "storageclasses", "") => {
            whole(causes);
            core::storage_class(&root, causes);
            kept(causes);
            for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
                core::fixed(&root, before, field, causes);
            }
        }
        ("scheduling.k8s.io", "priorityclasses", "") => {
            kept(causes);
            core::priority_class_change(&root, before, causes);
        }
        ("coordination.k8s.io", "leases", "") => {
            kept(causes);
            core::lease(&root, causes);
        }
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations" | "validatingwebhookconfigurations", "") => {
            meta::validate(after, names::Rule::Subdomain, causes);
            webhooks::webhooks(&root, Some(before), causes);
        }
        _ => return false,
    }
    true
}

fn namespace_phase(root: &At<'_>, causes: &mut Vec<Cause>) {
    let going = root.field("metadata").field("deletionTimestamp").is_set();
    let phase = root.field("status").field("phase").text();
    let detail = match (going, phase) {
        (true, "Terminating") | (false, "Active") => return,
        (true, _) => "may only be 'Terminating' if `deletionTimestamp` is not empty",
        (false, _) => "may only be 'Active' if `deletionTimestamp` is empty",
    };
    causes.push(Cause::invalid("status.Phase", &phase.into(), detail));
}

//! Which fields the writes of built-in kinds do not change: the main resource leaves the status alone, its status leaves the
//! spec alone, and some do more.

use super::versions::ResetFields;
use crate::fields::{FieldPath, FieldSet};

/// The kinds whose status leaves all metadata alone, not only the spec.
const METADATA_TOO: [(&str, &str); 8] = [
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "apiservices"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
    ("networking.k8s.io", "servicecidrs"),
    ("resource.k8s.io", "resourceclaims"),
    ("storage.k8s.io", "volumeattachments"),
];

/// The fields that a write to a built-in resource, or to a subresource of it, does not change. `None` where it may change
/// all, as where a kind has no status.
#[must_use]
pub fn reset_fields(group: &str, resource: &str, subresource: &str, has_status: bool) -> Option<ResetFields> {
    let these =
        |paths: &[&[&str]]| Some(ResetFields::These(FieldSet::of(paths.iter().map(|p| FieldPath::of_fields(p)))));
    match (group, resource, subresource) {
        ("certificates.k8s.io", "certificatesigningrequests", "") => these(&[&["spec"], &["status"]]),
        ("certificates.k8s.io", "certificatesigningrequests", "status") => {
            these(&[&["spec"], &["status", "conditions"]])
        }
        ("certificates.k8s.io", "certificatesigningrequests", "approval") => {
            these(&[&["spec"], &["status", "certificate"]])
        }
        ("networking.k8s.io", "servicecidrs", "") => None,
        ("", "pods", "status") => {
            these(&[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]])
        }
        ("apps", "deployments", "status") => these(&[&["spec"], &["metadata", "labels"]]),
        (_, _, "status") if METADATA_TOO.contains(&(group, resource)) => these(&[&["spec"], &["metadata"]]),
        (_, _, "status") => these(&[&["spec"]]),
        ("", "namespaces", "finalize") => these(&[&["status"]]),
        (_, _, "") if has_status => these(&[&["status"]]),
        _ => None,
    }
}

/// The same for a custom resource whose version has a status subresource.
#[must_use]
pub fn custom_reset_fields(subresource: &str) -> Option<ResetFields> {
    let set = |names: &[&str]| FieldSet::of(names.iter().map(|name| FieldPath::of_fields(&[name])));
    match subresource {
        "" => Some(ResetFields::These(set(&["status"]))),
        "status" => Some(ResetFields::These(set(&["metadata", "spec"]))),
        _ => None,
    }
}

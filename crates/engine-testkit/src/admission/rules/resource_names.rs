//! Names of resources: of what containers ask for, quotas count and limits are about.
//! <https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/>

use crate::{admission::names, status::Cause};

/// What is known without a domain, and whether it is counted: of that there are no parts.
const STANDARD: [(&str, bool); 20] = [
    ("cpu", false),
    ("memory", false),
    ("ephemeral-storage", false),
    ("requests.cpu", false),
    ("requests.memory", false),
    ("requests.storage", false),
    ("requests.ephemeral-storage", false),
    ("limits.cpu", false),
    ("limits.memory", false),
    ("limits.ephemeral-storage", false),
    ("pods", true),
    ("resourcequotas", true),
    ("services", true),
    ("replicationcontrollers", true),
    ("secrets", true),
    ("persistentvolumeclaims", true),
    ("configmaps", true),
    ("services.nodeports", true),
    ("services.loadbalancers", true),
    (STORAGE, false),
];

/// No resource of a quota, which knows only requests for it.
const STORAGE: &str = "storage";

/// Pages of memory of a size that the name ends with.
pub(in crate::admission) fn is_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether the name is the server's own rather than that of a device or the like.
pub(in crate::admission) fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether a container may ask for it although the server does not know it.
pub(in crate::admission) fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::key_complaints(&format!("requests.{name}")).is_empty()
}

/// Whether a quota may be about it.
pub(super) fn is_of_quota(name: &str) -> bool {
    let known = |(standard, _): &(&str, bool)| *standard == name && name != STORAGE;
    STANDARD.iter().any(known) || is_pages(name) || name.starts_with("requests.hugepages-")
}

/// Whether there are no parts of it.
pub(super) fn is_whole(name: &str) -> bool {
    STANDARD.iter().any(|(known, whole)| *whole && *known == name) || is_extended(name)
}

/// The name of a resource anywhere; true when it is one.
pub(super) fn anywhere(name: &str, path: &str, causes: &mut Vec<Cause>) -> bool {
    let complaints = names::key_complaints(name);
    let mut is_known = complaints.is_empty();
    causes.extend(complaints.into_iter().map(|complaint| Cause::invalid(path, &name.into(), complaint)));
    if is_known && !name.contains('/') && name != STORAGE && !is_of_quota(name) {
        causes.push(Cause::invalid(path, &name.into(), "must be a standard resource type or fully qualified"));
        is_known = false;
    }
    is_known
}

/// The name of a resource that a container may ask for.
pub(super) fn of_container(name: &str, path: &str, causes: &mut Vec<Cause>) {
    anywhere(name, path, causes);
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_pages(name) {
            causes.push(Cause::invalid(path, &name.into(), "must be a standard resource for containers"));
        }
    } else if !is_native(name) && !is_extended(name) {
        causes.push(Cause::invalid(path, &name.into(), "doesn't follow extended resource name standard"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_its_names() {
        for (name, known, in_container) in [
            ("cpu", true, true),
            ("hugepages-2Mi", true, true),
            ("requests.hugepages-2Mi", true, false),
            ("storage", true, false),
            ("pods", true, false),
            ("bananas", false, false),
            ("example.com/gpu", true, true),
            ("requests.example.com/gpu", true, false),
            ("kubernetes.io/gpu", true, true),
            ("a b", false, false),
        ] {
            let mut causes = Vec::new();
            assert_eq!(anywhere(name, "", &mut causes), known, "{name}");
            causes.clear();
            of_container(name, "", &mut causes);
            assert_eq!(causes.is_empty(), in_container, "{name}");
        }
        assert!(is_whole("pods") && is_whole("example.com/gpu") && !is_whole("cpu") && !is_whole("kubernetes.io/gpu"));
        assert!(!is_of_quota("storage") && is_of_quota("requests.storage"));
    }
}

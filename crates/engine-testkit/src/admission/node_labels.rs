//! Labels of nodes that have other names now.
//! <https://kubernetes.io/docs/reference/labels-annotations-taints/>

/// The old name, since when it is old, and the newer one.
const RENAMED: [(&str, &str, &str); 5] = [
    ("beta.kubernetes.io/arch", "v1.14", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "v1.14", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone"),
    ("beta.kubernetes.io/instance-type", "v1.17", "node.kubernetes.io/instance-type"),
];

/// Those that are not simply called otherwise.
const OTHERS: [(&str, &str); 3] = [
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    ("scheduler.alpha.kubernetes.io/preferAvoidPods", "deprecated since v1.22; use Taints and Tolerations instead"),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];

/// The newer name of a label.
pub(super) fn newer(label: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(old, ..)| *old == label).map(|(_, _, newer)| *newer)
}

/// What is to be said of an old label.
pub(super) fn warning(label: &str) -> Option<String> {
    if let Some((_, since, newer)) = RENAMED.iter().find(|(old, ..)| *old == label) {
        return Some(format!("deprecated since {since}; use {newer:?} instead"));
    }
    OTHERS.iter().find(|(old, _)| *old == label).map(|(_, message)| (*message).to_owned())
}

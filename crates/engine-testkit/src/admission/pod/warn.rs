//! What a server warns of in Pods and templates although it takes them.

use std::collections::HashMap;

use serde_json::Value;

use super::LISTS;
use crate::{
    admission::{claim, names, node_labels, quantity, rules},
    json::{get, i64_at, list_at, map_at, str_at},
};

const OLD_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
];

/// Kinds of volumes whose time is over: the field, and what the warning calls it.
const OLD_VOLUMES: [(&str, &str, &str); 9] = [
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// About a Pod, or the template at `path`.
pub(in crate::admission) fn warnings(pod: &Value, path: Option<&str>, out: &mut Vec<String>) {
    let spec = &pod["spec"];
    let at = path.map_or_else(|| "spec".to_owned(), |path| format!("{path}.spec"));
    let notes_at =
        path.map_or_else(|| "metadata.annotations".to_owned(), |path| format!("{path}.metadata.annotations"));
    if path.is_none() {
        let complaints = names::complaints(str_at(pod, &["metadata", "name"]), names::Rule::Label);
        if !complaints.is_empty() {
            out.push(format!(
                "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS \
                 label is recommended: [{}]",
                complaints.join(" ")
            ));
        }
    }
    nodes(spec, &at, out);
    spread(spec, &at, out);
    let note = |key: &str| pod["metadata"]["annotations"].get(key);
    for (key, message) in OLD_ANNOTATIONS {
        if note(key).is_some() {
            out.push(format!("{notes_at}[{key}]: {message}"));
        }
    }
    volumes(spec, &at, out);
    super::paths::warnings(spec, out);
    twice(spec, &at, "hostAliases", "ip", out);
    twice(spec, &at, "imagePullSecrets", "name", out);
    for (i, reference) in list_at(spec, &["imagePullSecrets"]).iter().enumerate() {
        if str_at(reference, &["name"]).is_empty() {
            out.push(format!("{at}.imagePullSecrets[{i}].name: invalid empty name \"\""));
        }
    }
    fractions(get(spec, &["overhead"]), &format!("{at}.overhead"), out);
    let seccomp = |key: String, of: &Value, out: &mut Vec<String>| {
        if get(of, &["securityContext", "seccompProfile"]).is_none() && note(&key).is_some() {
            out.push(format!("{notes_at}[{key}]: non-functional in v1.27+; use the \"seccompProfile\" field instead"));
        }
    };
    seccomp("seccomp.security.alpha.kubernetes.io/pod".to_owned(), spec, out);
    for (container, at) in containers(spec, &at) {
        let name = str_at(container, &["name"]);
        seccomp(format!("container.seccomp.security.alpha.kubernetes.io/{name}"), container, out);
        let key = rules::app_armor_key(container);
        let own = get(container, &["securityContext", "appArmorProfile"]);
        if let Some(value) = note(&key).and_then(Value::as_str).filter(|_| path.is_some() && own.is_none()) {
            let of_pod = get(spec, &["securityContext", "appArmorProfile"]);
            if of_pod.is_none() || of_pod != rules::app_armor_profile(value).as_ref() {
                out.push(format!("{notes_at}[{key}]: {OLD_APP_ARMOR}"));
            }
        }
        for kind in ["limits", "requests"] {
            fractions(get(container, &["resources", kind]), &format!("{at}.resources.{kind}"), out);
        }
        variables(container, &at, out);
    }
    ports(spec, &at, out);
    if i64_at(spec, &["terminationGracePeriodSeconds"]).is_some_and(|seconds| seconds < 0) {
        out.push(format!(
            "{at}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        ));
    }
    pods(spec, &at, out);
    for (i, server) in list_at(spec, &["dnsConfig", "nameservers"]).iter().enumerate() {
        address(&format!("{at}.dnsConfig.nameservers[{i}]"), server.as_str().unwrap_or_default(), out);
    }
    for (i, alias) in list_at(spec, &["hostAliases"]).iter().enumerate() {
        address(&format!("{at}.hostAliases[{i}].ip"), str_at(alias, &["ip"]), out);
    }
}

pub(super) const OLD_APP_ARMOR: &str = "deprecated since v1.30; use the \"appArmorProfile\" field instead";

/// About the status of a Pod.
pub(in crate::admission) fn warnings_of_status(pod: &Value, out: &mut Vec<String>) {
    for list in ["podIPs", "hostIPs"] {
        for (i, ip) in list_at(pod, &["status", list]).iter().enumerate() {
            address(&format!("status.{list}[{i}].ip"), str_at(ip, &["ip"]), out);
        }
    }
}

/// An address that is not in the form in which it is to be written.
fn address(at: &str, text: &str, out: &mut Vec<String>) {
    out.extend(rules::ip::warning(at, text));
}

fn containers<'a>(spec: &'a Value, at: &str) -> Vec<(&'a Value, String)> {
    LISTS
        .iter()
        .flat_map(|list| list_at(spec, &[list]).iter().enumerate().map(move |(i, c)| (c, format!("{at}.{list}[{i}]"))))
        .collect()
}

fn nodes(spec: &Value, at: &str, out: &mut Vec<String>) {
    for (key, _) in map_at(spec, &["nodeSelector"]).into_iter().flatten() {
        if let Some(message) = node_labels::warning(key) {
            out.push(format!("{at}.nodeSelector[{key}]: {message}"));
        }
    }
    let node = format!("{at}.affinity.nodeAffinity");
    for (i, term) in list_at(spec, &["affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms"]).iter().enumerate() {
        expressions(term, &format!("{node}.{REQUIRED}.nodeSelectorTerms[{i}]"), false, out);
    }
    for (i, term) in list_at(spec, &["affinity", "nodeAffinity", PREFERRED]).iter().enumerate() {
        expressions(&term["preference"], &format!("{node}.{PREFERRED}[{i}].preference"), true, out);
    }
}

/// About what is asked of nodes; the values only of what is a wish, since the others are judged.
fn expressions(term: &Value, path: &str, checks_values: bool, out: &mut Vec<String>) {
    for (i, expression) in list_at(term, &["matchExpressions"]).iter().enumerate() {
        let key = str_at(expression, &["key"]);
        if let Some(message) = node_labels::warning(key) {
            out.push(format!("{path}.matchExpressions[{i}].key: {key} is {message}"));
        }
        for (j, value) in list_at(expression, &["values"]).iter().enumerate().filter(|_| checks_values) {
            let value = value.as_str().unwrap_or_default();
            for complaint in names::value_complaints(value) {
                out.push(format!("{path}.matchExpressions[{i}].values[{j}]: {value} is invalid, {complaint}"));
            }
        }
    }
}

const MATCHES_NOTHING: &str = "a null labelSelector results in matching no pod";

fn spread(spec: &Value, at: &str, out: &mut Vec<String>) {
    for (i, constraint) in list_at(spec, &["topologySpreadConstraints"]).iter().enumerate() {
        let here = format!("{at}.topologySpreadConstraints[{i}]");
        let key = str_at(constraint, &["topologyKey"]);
        if let Some(message) = node_labels::warning(key) {
            out.push(format!("{here}.topologyKey: {key} is {message}"));
        }
        if get(constraint, &["labelSelector"]).is_none() {
            out.push(format!("{here}.labelSelector: {MATCHES_NOTHING}"));
        }
    }
}

fn pods(spec: &Value, at: &str, out: &mut Vec<String>) {
    for kind in ["podAffinity", "podAntiAffinity"] {
        for (list, term) in [(REQUIRED, ""), (PREFERRED, ".podAffinityTerm")] {
            for (i, item) in list_at(spec, &["affinity", kind, list]).iter().enumerate() {
                let of = if term.is_empty() { item } else { &item["podAffinityTerm"] };
                if get(of, &["labelSelector"]).is_none() {
                    out.push(format!("{at}.affinity.{kind}.{list}[{i}]{term}.labelSelector: {MATCHES_NOTHING}"));
                }
            }
        }
    }
}

fn volumes(spec: &Value, at: &str, out: &mut Vec<String>) {
    for (i, volume) in list_at(spec, &["volumes"]).iter().enumerate() {
        for (field, name, message) in OLD_VOLUMES {
            if get(volume, &[field]).is_some() {
                out.push(format!("{at}.volumes[{i}].{name}: {message}"));
            }
        }
        for kind in ["limits", "requests"] {
            let path = ["ephemeral", "volumeClaimTemplate", "spec", "resources", kind];
            fractions(get(volume, &path), &format!("{at}.volumes[{i}].{}", path.join(".")), out);
        }
    }
}

/// Items of a list with the same name.
fn twice(spec: &Value, at: &str, list: &str, field: &str, out: &mut Vec<String>) {
    let mut seen = Vec::new();
    for (i, item) in list_at(spec, &[list]).iter().enumerate() {
        let name = str_at(item, &[field]);
        if seen.contains(&name) {
            out.push(format!("{at}.{list}[{i}].{field}: duplicate {field} {name:?}"));
        } else {
            seen.push(name);
        }
    }
}

/// Parts of bytes.
fn fractions(amounts: Option<&Value>, at: &str, out: &mut Vec<String>) {
    for name in ["memory", "ephemeral-storage", "storage"] {
        let Some(amount) = amounts.and_then(|a| a.get(name)).and_then(Value::as_str) else { continue };
        if quantity::value(amount).is_some_and(|value| value % 1_000_000_000 != 0) {
            out.push(format!("{at}[{name}]: fractional byte value {amount:?} is invalid, must be an integer"));
        }
    }
}

/// Variables that are set twice, but for those that add to what was before.
fn variables(container: &Value, at: &str, out: &mut Vec<String>) {
    let mut seen: Vec<&str> = Vec::new();
    for (i, variable) in list_at(container, &["env"]).iter().enumerate() {
        let (name, value) = (str_at(variable, &["name"]), str_at(variable, &["value"]));
        if !seen.contains(&name) {
            seen.push(name);
            continue;
        }
        let reference = format!("$({name})");
        if get(variable, &["valueFrom"]).is_some() || value == reference || !value.contains(&reference) {
            out.push(format!(
                "{at}.env[{i}]: hides previous definition of {name:?}, which may be dropped when using apply"
            ));
        }
    }
}

fn ports(spec: &Value, at: &str, out: &mut Vec<String>) {
    let mut by_number: HashMap<(i64, &str), Vec<(String, &Value)>> = HashMap::new();
    let mut by_name: HashMap<&str, String> = HashMap::new();
    for (container, at) in containers(spec, at) {
        for (i, port) in list_at(container, &["ports"]).iter().enumerate() {
            let here = format!("{at}.ports[{i}]");
            let host = |port: &Value| i64_at(port, &["hostPort"]).unwrap_or(0);
            let number = i64_at(port, &["containerPort"]).unwrap_or(0);
            let (ip, protocol, name) =
                (str_at(port, &["hostIP"]), str_at(port, &["protocol"]), str_at(port, &["name"]));
            if !ip.is_empty() && host(port) == 0 {
                out.push(format!(
                    "{here}: hostIP set without hostPort: {{Name:{name} HostPort:0 ContainerPort:{number} \
                     Protocol:{protocol} HostIP:{ip}}}"
                ));
            }
            let others = by_number.entry((number, protocol)).or_default();
            for (first, other) in others.iter() {
                let other_ip = str_at(other, &["hostIP"]);
                let what = if ip == other_ip && host(port) == host(other) {
                    "duplicate"
                } else if host(port) == 0 || host(other) == 0 {
                    "overlapping"
                } else if host(port) == host(other) && ip.is_empty() != other_ip.is_empty() {
                    "dangerously ambiguous"
                } else {
                    continue;
                };
                out.push(format!("{here}: {what} port definition with {first}"));
            }
            others.push((here.clone(), port));
            if name.is_empty() {
                continue;
            }
            match by_name.get(name) {
                Some(first) => out.push(format!(
                    "{here}: duplicate port name {name:?} with {first}, services and probes that select ports by name \
                     will use {first}"
                )),
                None => {
                    by_name.insert(name, here);
                }
            }
        }
    }
}

/// About a volume that is no Pod's.
pub(in crate::admission) fn warnings_of_volume(volume: &Value, out: &mut Vec<String>) {
    // Of the old kinds, these say nothing here.
    const SILENT: [&str; 3] = ["gitRepo", "flocker", "quobyte"];
    out.extend(claim::warning_of_class(volume));
    if get(volume, &["metadata", "annotations", rules::MOUNT_OPTIONS]).is_some() {
        out.push(format!(
            "metadata.annotations[{}]: deprecated since v1.31; use \"mountOptions\" attribute instead",
            rules::MOUNT_OPTIONS
        ));
    }
    if str_at(volume, &["spec", "persistentVolumeReclaimPolicy"]) == "Recycle" {
        out.push(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended \
             approach is to use dynamic provisioning."
                .to_owned(),
        );
    }
    let terms = list_at(volume, &["spec", "nodeAffinity", "required", "nodeSelectorTerms"]);
    for (i, term) in terms.iter().enumerate() {
        expressions(term, &format!("spec.nodeAffinity.required.nodeSelectorTerms[{i}]"), false, out);
    }
    for (field, name, message) in OLD_VOLUMES.iter().filter(|(field, _, _)| !SILENT.contains(field)) {
        if get(volume, &["spec", field]).is_some() {
            out.push(format!("spec.{name}: {message}"));
        }
    }
}

//! Environment variables and where they come from.

use super::{At, text};
use crate::{admission::names, status::Cause};

const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

pub(super) const FILE_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// Fields of a Pod that a reference may name at all. `spec.host` is the old name of `spec.nodeName`.
const KNOWN: [&str; 15] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.host",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];

const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

const BYTES: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

pub(super) fn variables(list: &At<'_>, causes: &mut Vec<Cause>) {
    for variable in list.items() {
        let name = variable.field("name");
        if name.must_be_there(causes) {
            text::variable(&name, causes);
        }
        source(&variable, causes);
    }
}

fn source(variable: &At<'_>, causes: &mut Vec<Cause>) {
    let from = variable.field("valueFrom");
    if !from.is_set() {
        return;
    }
    let mut sources = 0;
    let mut each = |name: &str, rule: &mut dyn FnMut(&At<'_>)| {
        let at = from.field(name);
        if at.is_set() {
            sources += 1;
            rule(&at);
        }
    };
    each("fieldRef", &mut |at| field(at, &FIELDS, causes));
    each("resourceFieldRef", &mut |at| resource(at, false, causes));
    each("configMapKeyRef", &mut |at| key_of_object(at, causes));
    each("secretKeyRef", &mut |at| key_of_object(at, causes));
    each("fileKeyRef", &mut |at| key_of_file(at, causes));
    let detail = if sources == 0 {
        "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
    } else if !variable.field("value").text().is_empty() {
        "may not be specified when `value` is not empty"
    } else if sources > 1 {
        "may not have more than one field specified at a time"
    } else {
        return;
    };
    from.wrong(detail, causes);
}

/// The path before a subscript, and the subscript: `metadata.labels['a']`.
fn subscripted(path: &str) -> Option<(&str, &str)> {
    let (path, key) = path.strip_suffix("']")?.split_once("['")?;
    (!path.is_empty()).then_some((path, key))
}

/// A reference to a field of the Pod.
pub(super) fn field(at: &At<'_>, supported: &[&str], causes: &mut Vec<Cause>) {
    let (version, path) = (at.field("apiVersion"), at.field("fieldPath"));
    if !version.must_be_there(causes) || !path.must_be_there(causes) {
        return;
    }
    let mut unknown = |why: String| path.wrong(format!("error converting fieldPath: {why}"), causes);
    if version.text() != "v1" {
        return unknown(format!("unsupported pod version: {}", version.text()));
    }
    if let Some((name, key)) = subscripted(path.text()) {
        let key = match name {
            "metadata.annotations" => key.to_lowercase(),
            "metadata.labels" => key.to_owned(),
            _ => return unknown(format!("field label does not support subscript: {}", path.text())),
        };
        for complaint in names::key_complaints(&key) {
            causes.push(Cause::invalid(at.path.clone(), &key.as_str().into(), complaint));
        }
        return;
    }
    if !KNOWN.contains(&path.text()) {
        return unknown(format!("field label not supported: {}", path.text()));
    }
    let name = if path.text() == "spec.host" { "spec.nodeName" } else { path.text() };
    if !supported.contains(&name) {
        causes.push(Cause::unsupported(path.path.clone(), &name.into(), supported));
    }
}

/// A reference to what a container asks for.
pub(super) fn resource(at: &At<'_>, in_volume: bool, causes: &mut Vec<Cause>) {
    let (container, resource) = (at.field("containerName"), at.field("resource"));
    let name = resource.text();
    let pages = name.starts_with("requests.hugepages-") || name.starts_with("limits.hugepages-");
    if in_volume && container.text().is_empty() {
        container.required("", causes);
    } else if resource.must_be_there(causes) && !RESOURCES.contains(&name) && !pages {
        resource.unsupported(&RESOURCES, causes);
    }
    let divisor = at.field("divisor");
    if divisor.quantity().unwrap_or(0) == 0 {
        return;
    }
    let kind = match name.split_once('.').map_or("", |(_, kind)| kind) {
        "cpu" => "cpu",
        "memory" => "memory",
        "ephemeral-storage" => "local ephemeral storage",
        _ if pages => "hugepages",
        _ => return,
    };
    let (ok, values) = if kind == "cpu" {
        (["1m", "1"].contains(&divisor.text()), "1m and 1".to_owned())
    } else {
        (BYTES.contains(&divisor.text()), BYTES.join(", "))
    };
    if !ok {
        let detail = format!("only divisor's values {values} are supported with the {kind} resource");
        causes.push(Cause::invalid(divisor.path.clone(), &name.into(), detail));
    }
}

fn key_of_object(at: &At<'_>, causes: &mut Vec<Cause>) {
    at.field("name").name(names::Rule::Subdomain, causes);
    let key = at.field("key");
    if key.must_be_there(causes) {
        text::data_key(&key, causes);
    }
}

fn key_of_file(at: &At<'_>, causes: &mut Vec<Cause>) {
    let key = at.field("key");
    if key.must_be_there(causes) {
        text::variable(&key, causes);
    }
    text::required_name(&at.field("volumeName"), names::Rule::Label, causes);
    let path = at.field("path");
    if path.must_be_there(causes) {
        text::no_backsteps(&path, causes);
    }
}

/// Whole objects as variables. What is wrong with their number is said of the list.
pub(super) fn objects(list: &At<'_>, causes: &mut Vec<Cause>) {
    for from in list.items() {
        let prefix = from.field("prefix");
        if !prefix.text().is_empty() {
            text::variable(&prefix, causes);
        }
        let mut sources = 0;
        for name in ["configMapRef", "secretRef"] {
            let at = from.field(name);
            if at.is_set() {
                sources += 1;
                let name = at.field("name");
                if name.must_be_there(causes) {
                    for complaint in names::prefix_complaint(name.text(), names::Rule::Subdomain) {
                        name.wrong(complaint, causes);
                    }
                }
            }
        }
        let detail = match sources {
            0 => "must specify one of: `configMapRef` or `secretRef`",
            1 => continue,
            _ => "may not have more than one field specified at a time",
        };
        causes.push(Cause::invalid(list.path.clone(), &"".into(), detail));
    }
}

/// Files that variables are read from are in volumes that the Pod has for itself.
pub(super) fn files(spec: &At<'_>, causes: &mut Vec<Cause>) {
    for container in super::containers(spec) {
        for variable in container.field("env").items() {
            let file = variable.field("valueFrom").field("fileKeyRef");
            if !file.is_set() {
                continue;
            }
            let name = file.field("volumeName");
            // The last of those with one name counts.
            match spec.field("volumes").items().filter(|v| v.field("name").text() == name.text()).last() {
                None => causes.push(Cause::not_found(name.path.clone(), &name.text().into())),
                Some(volume) if !volume.field("emptyDir").is_set() => {
                    name.wrong("referenced volume must be of type emptyDir", causes);
                }
                Some(_) => {}
            }
        }
    }
}

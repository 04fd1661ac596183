//! What a server warns about although it accepts it.

use serde_json::Value;

use super::names;
use crate::{
    json::{get, i64_at, list_at, str_at},
    resources::Resource,
};

/// Warnings about an object that was accepted; `before` is the stored one on an update.
pub(crate) fn warnings(resource: &Resource, object: &Value, before: Option<&Value>) -> Vec<String> {
    let mut out = Vec::new();
    if resource.is_custom() {
        finalizers(object, before, &mut out);
    }
    match (&*resource.gr.group, &*resource.gr.resource) {
        ("", "pods") => pod(&object["spec"], "spec", &mut out),
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") | ("batch", "jobs") => {
            pod(&object["spec"]["template"]["spec"], "spec.template.spec", &mut out);
        }
        ("batch", "cronjobs") => {
            let spec = &object["spec"]["jobTemplate"]["spec"]["template"]["spec"];
            pod(spec, "spec.jobTemplate.spec.template.spec", &mut out);
        }
        _ => {}
    }
    out
}

/// Names of finalizers that somebody else may use, too, as far as they are new.
fn finalizers(object: &Value, before: Option<&Value>, out: &mut Vec<String>) {
    const AT: &str = "metadata.finalizers";
    let had = before.map_or(&[][..], |b| list_at(b, &["metadata", "finalizers"]));
    let all = list_at(object, &["metadata", "finalizers"]).iter();
    let mut fresh: Vec<&str> = all.filter(|f| !had.contains(f)).filter_map(Value::as_str).collect();
    fresh.sort_unstable();
    fresh.dedup();
    for name in fresh {
        out.extend(names::key_complaints(name).into_iter().map(|c| format!("{AT}: {name:?}: {c}")));
        if !name.contains('/') && !matches!(name, "orphan" | "foregroundDeletion" | "kubernetes") {
            let path = if name.contains('.') { " including a path (/)" } else { "" };
            out.push(format!(
                "{AT}: {name:?}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other \
                 finalizer writers"
            ));
        }
    }
}

fn pod(spec: &Value, path: &str, out: &mut Vec<String>) {
    let mut ports: Vec<((i64, String), String)> = Vec::new();
    for key in ["initContainers", "containers"] {
        for (i, container) in list_at(spec, &[key]).iter().enumerate() {
            let at = format!("{path}.{key}[{i}]");
            for (j, port) in list_at(container, &["ports"]).iter().enumerate() {
                let number = i64_at(port, &["containerPort"]).unwrap_or(0);
                let id = (number, str_at(port, &["protocol"]).to_owned());
                let here = format!("{at}.ports[{j}]");
                if let Some((_, first)) = ports.iter().find(|(other, _)| *other == id) {
                    out.push(format!("{here}: duplicate port definition with {first}"));
                } else {
                    ports.push((id, here));
                }
            }
            hidden_variables(container, &at, out);
        }
    }
    let grace = i64_at(spec, &["terminationGracePeriodSeconds"]);
    if grace.is_some_and(|g| g < 0) {
        out.push(format!(
            "{path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        ));
    }
}

/// Variables that are set twice.
fn hidden_variables(container: &Value, at: &str, out: &mut Vec<String>) {
    let mut seen: Vec<&str> = Vec::new();
    for (j, variable) in list_at(container, &["env"]).iter().enumerate() {
        let name = str_at(variable, &["name"]);
        let known = seen.contains(&name);
        if known
            && let Some(value) = get(variable, &["value"]).and_then(Value::as_str)
            && !value.contains(&format!("$({name})"))
        {
            out.push(format!("{at}.env[{j}]: hides previous definition of \"{name}\", which may be unexpected"));
        }
        seen.push(name);
    }
}

//! What a server warns about although it accepts it.

use serde_json::Value;

use super::{names, pod};
use crate::{json::list_at, resources::Resource};

/// Warnings about an object that was accepted; `before` is the stored one on an update.
pub(crate) fn warnings(resource: &Resource, object: &Value, before: Option<&Value>) -> Vec<String> {
    let mut out = Vec::new();
    if resource.is_custom() {
        finalizers(object, before, &mut out);
    }
    match (&*resource.gr.group, &*resource.gr.resource) {
        ("", "endpoints") => {
            out.push("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_owned())
        }
        ("", "pods") if before.is_none() => pod::warnings(object, None, &mut out),
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") | ("batch", "jobs") => {
            pod::warnings(&object["spec"]["template"], Some("spec.template"), &mut out);
        }
        ("batch", "cronjobs") => {
            let template = &object["spec"]["jobTemplate"]["spec"]["template"];
            pod::warnings(template, Some("spec.jobTemplate.spec.template"), &mut out);
        }
        _ => {}
    }
    out
}

/// Warnings about a status that was accepted.
pub(crate) fn warnings_of_status(resource: &Resource, object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    if resource.is("", "pods") {
        pod::warnings_of_status(object, &mut out);
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

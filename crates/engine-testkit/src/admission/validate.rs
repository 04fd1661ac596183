//! Validation: enough of the real rules that a wrong manifest fails here as it would there.

use serde_json::Value;

use super::{immutable, names, pod};
use crate::{
    crd,
    json::{get, i64_at, list_at, map_at, str_at},
    status::{ApiError, Cause},
    store::selector::LabelSelector,
    write::Target,
};

/// A new object.
pub(crate) fn validate_create(target: &Target<'_>, object: &Value) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    let name = str_at(object, &["metadata", "name"]);
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        let rule = names::rule_for(&target.resource.gr.group, &target.resource.gr.resource);
        if let Some(complaint) = names::complaint(name, rule) {
            causes.push(Cause::invalid("metadata.name", &name.into(), complaint));
        }
    }
    common(target, object, None, &mut causes);
    if target.resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        crd::validate_definition_name(object, &mut causes);
        crd::validate_definition(object, &mut causes);
    }
    finish(target, &causes)
}

/// A change of an object.
pub(crate) fn validate_update(target: &Target<'_>, before: &Value, after: &Value) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    let strings = |v: &Value| -> Vec<String> {
        list_at(v, &["metadata", "finalizers"]).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    if get(before, &["metadata", "deletionTimestamp"]).is_some() {
        let had = strings(before);
        let fresh: Vec<String> = strings(after).into_iter().filter(|f| !had.contains(f)).collect();
        if !fresh.is_empty() {
            causes.push(Cause::forbidden(
                "metadata.finalizers",
                &format!(
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                    fresh.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>().join(", ")
                ),
            ));
        }
    }
    if target.subresource.is_empty() || target.subresource == "scale" {
        common(target, after, Some(before), &mut causes);
    }
    if target.subresource.is_empty() && target.resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        crd::validate_definition(after, &mut causes);
        crd::validate_definition_update(before, after, &mut causes);
    }
    immutable::check(target, before, after, &mut causes);
    finish(target, &causes)
}

fn finish(target: &Target<'_>, causes: &[Cause]) -> Result<(), ApiError> {
    if causes.is_empty() { Ok(()) } else { Err(ApiError::invalid(target.about_kind(), causes)) }
}

fn common(target: &Target<'_>, object: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    labels(object, "metadata", causes);
    for (i, finalizer) in list_at(object, &["metadata", "finalizers"]).iter().enumerate() {
        let name = finalizer.as_str().unwrap_or_default();
        let standard = matches!(name, "orphan" | "foregroundDeletion" | "kubernetes");
        if !standard && !name.contains(['/', '.']) && !target.resource.is_custom() {
            causes.push(Cause::invalid(
                format!("metadata.finalizers[{i}]"),
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            ));
        }
    }
    for key in map_at(object, &["metadata", "annotations"]).into_iter().flatten().map(|(k, _)| k) {
        if let Some(complaint) = names::key_complaint(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &key.as_str().into(), complaint));
        }
    }
    if let Some(version) =
        target.resource.crd.get(&target.resource.storage_version).or_else(|| target.resource.crd.get(target.version))
    {
        if let Some(schema) = &version.openapi {
            crd::validate(object, schema, before, causes);
        }
        return;
    }
    match (&*target.resource.gr.group, &*target.resource.gr.resource) {
        ("", "pods") => pod::validate(&object["spec"], "spec", causes),
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => workload(object, causes),
        ("batch", "jobs") => {
            pod::validate(&object["spec"]["template"]["spec"], "spec.template.spec", causes);
            job_restart_policy(&object["spec"]["template"], "spec.template", causes);
        }
        ("batch", "cronjobs") => {
            let path = "spec.jobTemplate.spec.template";
            if str_at(object, &["spec", "schedule"]).is_empty() {
                causes.push(Cause::required("spec.schedule", ""));
            }
            let template = get(object, &["spec", "jobTemplate", "spec", "template"]).cloned().unwrap_or_default();
            pod::validate(&template["spec"], &format!("{path}.spec"), causes);
            job_restart_policy(&template, path, causes);
        }
        ("", "services") => service(object, causes),
        ("", kind @ ("configmaps" | "secrets")) => {
            data_keys(object, causes);
            // <https://kubernetes.io/docs/concepts/configuration/configmap/#motivation>
            let maps = ["data", "binaryData"].iter().filter_map(|key| map_at(object, &[key]));
            let size: usize = maps.flat_map(|m| m.values()).filter_map(|v| v.as_str().map(str::len)).sum();
            if kind == "configmaps" && size > MAX_CONFIG_MAP {
                causes.push(Cause::too_long("[]", MAX_CONFIG_MAP as u64));
            }
        }
        ("", "persistentvolumeclaims") => {
            if list_at(object, &["spec", "accessModes"]).is_empty() {
                causes.push(Cause::required("spec.accessModes", "at least 1 access mode is required"));
            }
            if get(object, &["spec", "resources", "requests", "storage"]).is_none() {
                causes.push(Cause::required("spec.resources[storage]", ""));
            }
        }
        ("networking.k8s.io", "ingresses")
            if list_at(object, &["spec", "rules"]).is_empty() && get(object, &["spec", "defaultBackend"]).is_none() =>
        {
            let detail = "either `defaultBackend` or `rules` must be specified";
            causes.push(Cause::invalid("spec", &Value::Null, detail));
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings")
            if str_at(object, &["roleRef", "name"]).is_empty() =>
        {
            causes.push(Cause::required("roleRef.name", ""));
        }
        _ => {}
    }
}

fn labels(object: &Value, at: &str, causes: &mut Vec<Cause>) {
    for (key, value) in map_at(object, &["metadata", "labels"]).into_iter().flatten() {
        if let Some(complaint) = names::key_complaint(key) {
            causes.push(Cause::invalid(format!("{at}.labels"), &key.as_str().into(), complaint));
        }
        let text = value.as_str().unwrap_or_default();
        if let Some(complaint) = names::value_complaint(text) {
            causes.push(Cause::invalid(format!("{at}.labels"), &text.into(), complaint));
        }
    }
}

fn workload(object: &Value, causes: &mut Vec<Cause>) {
    let selector = get(object, &["spec", "selector"]).cloned().unwrap_or_default();
    let parsed = LabelSelector::from_object(&selector);
    if get(object, &["spec", "selector"]).is_none() {
        causes.push(Cause::required("spec.selector", ""));
    } else if parsed.is_empty() {
        causes.push(Cause::invalid("spec.selector", &selector, "empty selector is invalid for deployment"));
    }
    let template = get(object, &["spec", "template"]).cloned().unwrap_or_default();
    if get(object, &["spec", "selector"]).is_none() || !parsed.matches(&template) {
        let labels = get(&template, &["metadata", "labels"]).cloned().unwrap_or(Value::Null);
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            &labels,
            "`selector` does not match template `labels`",
        ));
    }
    if i64_at(object, &["spec", "replicas"]).is_some_and(|r| r < 0) {
        let replicas = object["spec"]["replicas"].clone();
        causes.push(Cause::invalid("spec.replicas", &replicas, "must be greater than or equal to 0"));
    }
    pod::validate(&template["spec"], "spec.template.spec", causes);
    let policy = str_at(&template, &["spec", "restartPolicy"]);
    if !policy.is_empty() && policy != "Always" {
        causes.push(Cause::unsupported("spec.template.spec.restartPolicy", &policy.into(), &["Always"]));
    }
}

fn job_restart_policy(template: &Value, path: &str, causes: &mut Vec<Cause>) {
    let policy = str_at(template, &["spec", "restartPolicy"]);
    if !matches!(policy, "OnFailure" | "Never") {
        let detail = "valid values: \"OnFailure\", \"Never\"";
        causes.push(Cause::required(format!("{path}.spec.restartPolicy"), detail));
    }
}

fn service(object: &Value, causes: &mut Vec<Cause>) {
    let kind = str_at(object, &["spec", "type"]);
    let ports = list_at(object, &["spec", "ports"]);
    let headless = str_at(object, &["spec", "clusterIP"]) == "None";
    if ports.is_empty() && kind != "ExternalName" && !headless {
        causes.push(Cause::required("spec.ports", ""));
    }
    for (i, port) in ports.iter().enumerate() {
        if ports.len() > 1 && str_at(port, &["name"]).is_empty() {
            causes.push(Cause::required(format!("spec.ports[{i}].name"), ""));
        }
        let number = i64_at(port, &["port"]).unwrap_or(0);
        if !(1..=65535).contains(&number) {
            causes.push(Cause::invalid(
                format!("spec.ports[{i}].port"),
                &number.into(),
                "must be between 1 and 65535, inclusive",
            ));
        }
    }
}

/// What the values of a ConfigMap may have together, in bytes.
const MAX_CONFIG_MAP: usize = 1024 * 1024;

fn data_keys(object: &Value, causes: &mut Vec<Cause>) {
    let ok =
        |k: &str| !k.is_empty() && k.len() <= 253 && k.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    for key in map_at(object, &["data"]).into_iter().flatten().map(|(k, _)| k) {
        if !ok(key) {
            causes.push(Cause::invalid(format!("data[{key}]"), &key.as_str().into(), "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"));
        }
    }
}

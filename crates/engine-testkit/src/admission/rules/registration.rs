//! APIServices.

use serde_json::Value;

use crate::{
    json::{get, i64_at, str_at},
    status::Cause,
};

/// <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/api-service-v1/>
pub(super) fn api_service(object: &Value, causes: &mut Vec<Cause>) {
    let text = |key: &str| str_at(object, &["spec", key]);
    let (name, group) = (str_at(object, &["metadata", "name"]), text("group"));
    let wanted = format!("{}.{group}", text("version"));
    if name != wanted {
        let detail = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        causes.push(Cause::invalid("metadata.name", &name.into(), detail));
    }
    if group.is_empty() && text("version") != "v1" {
        let detail = "only v1 may have an empty group and it better be legacy kube";
        causes.push(Cause::required("spec.group", detail));
    }
    for (key, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1_000)] {
        let number = i64_at(object, &["spec", key]).unwrap_or(0);
        if !(1..=most).contains(&number) {
            let detail = format!("must be positive and less than {most}");
            causes.push(Cause::invalid(format!("spec.{key}"), &number.into(), detail));
        }
    }
    let insecure = get(object, &["spec", "insecureSkipTLSVerify"]) == Some(&Value::Bool(true));
    let Some(service) = get(object, &["spec", "service"]) else {
        if insecure {
            let detail = "local APIServices may not have insecureSkipTLSVerify";
            causes.push(Cause::invalid("spec.insecureSkipTLSVerify", &true.into(), detail));
        }
        return;
    };
    for key in ["namespace", "name"] {
        if str_at(service, &[key]).is_empty() {
            causes.push(Cause::required(format!("spec.service.{key}"), ""));
        }
    }
    if insecure && !text("caBundle").is_empty() {
        let detail = "may not be true if caBundle is present";
        causes.push(Cause::invalid("spec.insecureSkipTLSVerify", &true.into(), detail));
    }
}

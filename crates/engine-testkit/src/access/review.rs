//! Questions about rights:
//! <https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access>

use serde_json::{Value, json};

use super::{User, decide, grants, rbac};
use crate::{
    clock::Now,
    json::{get, list_at, str_at},
    record::RequestRecord,
    resources::Resource,
    state::State,
    status::{About, ApiError, Cause},
};

/// Answers a review: the object with its status.
pub(crate) fn answer(
    state: &State,
    user: &User,
    resource: &Resource,
    namespace: Option<&str>,
    mut body: Value,
    now: Now,
) -> Result<Value, ApiError> {
    match resource.kind.as_str() {
        "SelfSubjectAccessReview" => body["status"] = reviewed(state, user, &body)?,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            let groups: Vec<&str> = list_at(&body, &["spec", "groups"]).iter().filter_map(Value::as_str).collect();
            let name = str_at(&body, &["spec", "user"]);
            if name.is_empty() && groups.is_empty() {
                return Err(invalid("spec.user", &"".into(), "at least one of user or group must be specified"));
            }
            if let Some(within) = namespace {
                let asked = str_at(&body, &["spec", "resourceAttributes", "namespace"]);
                if asked != within {
                    let at = "spec.resourceAttributes.namespace";
                    return Err(invalid(at, &asked.into(), "must match metadata.namespace"));
                }
                crate::json::set(&mut body, &["metadata", "namespace"], within);
            }
            // As they are named, without what an authenticator would add, except that the test knows its users.
            let mut asked = (*state.access.user(str_at(&body, &["spec", "user"]))).clone();
            for group in list_at(&body, &["spec", "groups"]).iter().filter_map(Value::as_str) {
                asked = asked.group(group);
            }
            body["status"] = reviewed(state, &asked, &body)?;
        }
        "SelfSubjectRulesReview" => {
            let namespace = str_at(&body, &["spec", "namespace"]).to_owned();
            if namespace.is_empty() {
                return Err(ApiError::bad_request("no namespace on request"));
            }
            let (grants, errors) = grants(state, user, Some(&namespace));
            let of = |urls: bool| -> Vec<Value> {
                grants.iter().map(|g| &g.rule).filter(|r| r.urls.is_empty() != urls).map(rbac::to_value).collect()
            };
            body["spec"] = json!({});
            body["status"] = json!({"resourceRules": of(false), "nonResourceRules": of(true), "incomplete": false});
            if !errors.is_empty() {
                body["status"]["evaluationError"] = errors.join(", ").into();
            }
        }
        "SelfSubjectReview" => {
            body["metadata"] = json!({"creationTimestamp": now.rfc3339()});
            body["status"] = json!({"userInfo": user.info()});
        }
        _ => {}
    }
    Ok(body)
}

fn reviewed(state: &State, user: &User, body: &Value) -> Result<Value, ApiError> {
    let spec = &body["spec"];
    let (resource, other) = (get(spec, &["resourceAttributes"]), get(spec, &["nonResourceAttributes"]));
    let mut ask = RequestRecord { user: user.name.clone(), ..RequestRecord::default() };
    match (resource, other) {
        (Some(about), None) => {
            let text = |key: &str| str_at(about, &[key]).to_owned();
            ask.verb = text("verb");
            ask.group = text("group");
            ask.resource = text("resource");
            ask.subresource = text("subresource");
            ask.namespace = Some(text("namespace")).filter(|n| !n.is_empty());
            ask.name = Some(text("name")).filter(|n| !n.is_empty());
        }
        (None, Some(about)) => {
            ask.verb = str_at(about, &["verb"]).to_owned();
            ask.path = str_at(about, &["path"]).to_owned();
        }
        (Some(_), Some(other)) => {
            let shown = json!({"Path": str_at(other, &["path"]), "Verb": str_at(other, &["verb"])});
            let detail = "cannot be specified in combination with resourceAttributes";
            return Err(invalid("spec.nonResourceAttributes", &shown, detail));
        }
        (None, None) => {
            return Err(invalid(
                "spec.resourceAttributes",
                &Value::Null,
                "exactly one of nonResourceAttributes or resourceAttributes must be specified",
            ));
        }
    }
    let (mut allowed, mut reason) = decide(state, user, &ask);
    if state.faults.forbids(&ask) {
        (allowed, reason) = (false, String::new());
    }
    let mut status = json!({"allowed": allowed});
    if !reason.is_empty() {
        status["reason"] = reason.into();
    }
    Ok(status)
}

fn invalid(field: &str, value: &Value, detail: &str) -> ApiError {
    let about = About { group: "authorization.k8s.io", resource: "", name: "" };
    let mut e = ApiError::invalid(about, &[Cause::invalid(field, value, detail)]);
    if let Some(details) = e.details.as_mut().and_then(Value::as_object_mut) {
        details.remove("kind");
    }
    e
}

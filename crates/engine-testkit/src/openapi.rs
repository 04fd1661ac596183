//! A minimal OpenAPI v3: which paths exist and that they validate fields on the server. That is what kubectl looks for
//! before an apply; schemas are not described here.

use serde_json::{Map, Value, json};

use crate::{http::Reply, state::State, status::ApiError};

pub(crate) fn answer(state: &State, parts: &[&str]) -> Result<Reply, ApiError> {
    match parts {
        ["v3"] => {
            let mut paths = Map::new();
            for g in state.registry.groups() {
                for v in &g.versions {
                    let at = if g.group.is_empty() { format!("api/{v}") } else { format!("apis/{}/{v}", g.group) };
                    let url = format!("/openapi/v3/{at}?hash={:016X}", state.registry.generation(&g.group));
                    paths.insert(at, json!({"serverRelativeURL": url}));
                }
            }
            Ok(Reply::value(&json!({ "paths": paths })))
        }
        ["v3", "api", version] => document(state, "", version),
        ["v3", "apis", group, version] => document(state, group, version),
        _ => Err(ApiError::unknown_path()),
    }
}

fn document(state: &State, group: &str, version: &str) -> Result<Reply, ApiError> {
    if !state.registry.serves(group, version) {
        return Err(ApiError::unknown_path());
    }
    let prefix = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for r in state.registry.iter().filter(|r| &*r.gr.group == group && r.versions.iter().any(|v| v == version)) {
        let kind = json!({"group": group, "version": version, "kind": r.kind});
        let query =
            |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
        let parameters = json!([query("dryRun"), query("fieldManager"), query("fieldValidation"), query("force")]);
        let operation = |action: &str| {
            json!({
                "x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind, "parameters": parameters,
                "responses": {"200": {"description": "OK"}},
            })
        };
        let namespace = if r.namespaced { "/namespaces/{namespace}" } else { "" };
        let path = format!("{prefix}{namespace}/{}", r.gr.resource);
        paths.insert(format!("{path}/{{name}}"), json!({"get": operation("get"), "put": operation("put"), "patch": operation("patch"), "delete": operation("delete")}));
        paths.insert(path, json!({"get": operation("list"), "post": operation("post")}));
        let name = format!("{}.{version}.{}", if group.is_empty() { "core" } else { group }, r.kind);
        let schema: Value = r
            .crd
            .get(version)
            .and_then(|v| v.openapi.as_deref().cloned())
            .unwrap_or_else(|| json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}));
        let mut schema = schema;
        schema["x-kubernetes-group-version-kind"] = json!([kind]);
        schemas.insert(name, schema);
    }
    Ok(Reply::value(&json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1"},
        "paths": paths, "components": {"schemas": schemas},
    })))
}

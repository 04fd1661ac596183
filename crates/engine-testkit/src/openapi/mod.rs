//! OpenAPI v3, a document for each group version: those of the built-in kinds as a real server serves them, but without
//! descriptions, and those of CRDs made from their schemas.
//! <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3>

mod custom;

use std::collections::{BTreeMap, BTreeSet};

use gitops_engine_schema::shipped;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{http::Reply, resources::Resource, state::State, status::ApiError};

/// The document of version 2 in protobuf, with nothing in it but the version of its format. kubectl asks for it when no
/// document of version 3 knows a kind, and then validates nothing.
const EMPTY_V2: &[u8] = b"\x0a\x032.0";

pub(crate) fn answer(state: &State, parts: &[&str], accept: &str) -> Result<Reply, ApiError> {
    match parts {
        ["v2"] if accept.contains("protobuf") => Ok(Reply::json(StatusCode::OK, EMPTY_V2)
            .with_type("application/com.github.proto-openapi.spec.v2.v1.0+protobuf")),
        ["v2"] => {
            Ok(Reply::value(&json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": ""}, "paths": {}})))
        }
        ["v3"] => Ok(Reply::value(&index(state))),
        ["v3", path @ ..] => {
            document(state, &path.join("/")).map(|d| Reply::value(&d)).ok_or_else(ApiError::unknown_path)
        }
        _ => Err(ApiError::unknown_path()),
    }
}

/// `apis/example.com/v1` and the custom resources below it.
fn custom(state: &State) -> BTreeMap<String, Vec<(&Resource, &str)>> {
    let mut out: BTreeMap<String, Vec<(&Resource, &str)>> = BTreeMap::new();
    for r in state.registry.iter() {
        for version in r.versions.iter().filter(|_| r.is_custom()) {
            out.entry(format!("apis/{}/{version}", r.gr.group)).or_default().push((&**r, version.as_str()));
        }
    }
    out
}

/// Which documents there are, each with a hash that changes when it does.
fn index(state: &State) -> Value {
    let mut paths = Map::new();
    let mut put = |path: &str, content: &str| {
        let hash = crate::seed::template_hash(content).to_uppercase();
        paths.insert(path.to_owned(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")}));
    };
    for path in shipped::document_paths() {
        put(path, &format!("{path} {}", shipped::release()));
    }
    for (path, resources) in custom(state) {
        let content = resources.iter().map(|(r, version)| {
            let served = r.crd.get(*version);
            let schema = served.and_then(|v| v.openapi.as_deref()).map(Value::to_string).unwrap_or_default();
            format!("{} {} {:?} {schema}", r.gr, r.kind, served.map(|v| v.status))
        });
        put(&path, &content.collect::<Vec<_>>().join("\n"));
    }
    json!({ "paths": paths })
}

fn document(state: &State, path: &str) -> Option<Value> {
    if let Some(resources) = custom(state).get(path) {
        return Some(custom::document(resources));
    }
    shipped::document(path)
}

/// The names of the schemas that a value refers to.
fn references(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            let name = map.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/components/schemas/"));
            out.extend(name.map(str::to_owned));
            map.values().for_each(|v| references(v, out));
        }
        Value::Array(list) => list.iter().for_each(|v| references(v, out)),
        _ => {}
    }
}

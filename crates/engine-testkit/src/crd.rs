//! CustomResourceDefinitions: what one adds to the API, and how its schema treats objects.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/>

use std::{collections::BTreeMap, sync::Arc};

use gitops_engine_schema::{Schema, UnknownFields};
use serde_json::{Map, Value};

use crate::{
    json::{get, list_at, str_at},
    resources::{GroupResource, Resource, ScalePaths},
    status::Cause,
};

/// One served version of a custom resource.
#[derive(Debug, Clone)]
pub(crate) struct CrdVersion {
    /// For merging.
    pub(crate) schema: Schema,
    /// For defaults, pruning and validation.
    pub(crate) openapi: Option<Arc<Value>>,
    pub(crate) status: bool,
    /// `additionalPrinterColumns`.
    pub(crate) columns: Vec<Value>,
}

/// The resource that a CRD defines; `None` while it serves no version.
pub(crate) fn resource_of(crd: &Value) -> Option<Resource> {
    let spec = crd.get("spec")?;
    let names = spec.get("names")?;
    let strings = |key: &str| -> Vec<String> {
        list_at(names, &[key]).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (mut versions, mut served, mut storage, mut scale) = (Vec::new(), BTreeMap::new(), None, None);
    let mut status = false;
    let unknown = match is_true(spec, "preserveUnknownFields") {
        true => UnknownFields::Kept,
        false => UnknownFields::Pruned,
    };
    for v in list_at(spec, &["versions"]) {
        let name = str_at(v, &["name"]).to_owned();
        if v.get("storage").and_then(Value::as_bool) == Some(true) {
            storage = Some(name.clone());
        }
        if v.get("served").and_then(Value::as_bool) != Some(true) {
            continue;
        }
        let openapi = get(v, &["schema", "openAPIV3Schema"]);
        let has_status = v.get("subresources").and_then(|s| s.get("status")).is_some();
        status |= has_status;
        if let Some(paths) = get(v, &["subresources", "scale"]) {
            let path = |key: &str| -> Vec<String> {
                str_at(paths, &[key]).split('.').filter(|p| !p.is_empty()).map(str::to_owned).collect()
            };
            scale = Some(ScalePaths {
                spec_replicas: path("specReplicasPath"),
                status_replicas: path("statusReplicasPath"),
                selector: Some(path("labelSelectorPath")).filter(|p| !p.is_empty()),
            });
        }
        served.insert(
            name.clone(),
            CrdVersion {
                schema: Schema::custom(openapi, unknown),
                openapi: openapi.map(|o| Arc::new(o.clone())),
                status: has_status,
                columns: list_at(v, &["additionalPrinterColumns"]).to_vec(),
            },
        );
        versions.push(name);
    }
    if versions.is_empty() {
        return None;
    }
    versions.sort_by_key(|v| std::cmp::Reverse(crate::resources::version_priority(v)));
    let kind = str_at(names, &["kind"]).to_owned();
    let singular = match str_at(names, &["singular"]) {
        "" => kind.to_lowercase(),
        other => other.to_owned(),
    };
    Some(Resource {
        gr: GroupResource::new(str_at(spec, &["group"]), str_at(names, &["plural"])),
        storage_version: storage.unwrap_or_else(|| versions[0].clone()),
        kind,
        singular,
        versions,
        namespaced: str_at(spec, &["scope"]) == "Namespaced",
        short_names: strings("shortNames"),
        categories: strings("categories"),
        stored: true,
        verbs: ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
            .map(str::to_owned)
            .to_vec(),
        storage_version_hash: None,
        subresources: Vec::new(),
        status,
        scale,
        crd: served,
    })
}

fn is_true(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool) == Some(true)
}

/// Fills defaults from the schema.
pub(crate) fn default(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let nullable = is_true(property, "nullable");
                if let Some(default) = property.get("default")
                    && map.get(name).is_none_or(|v| v.is_null() && !nullable)
                {
                    map.insert(name.clone(), default.clone());
                }
                if let Some(child) = map.get_mut(name) {
                    self::default(child, property);
                }
            }
            if let Some(rest) = schema.get("additionalProperties").filter(|r| r.is_object()) {
                map.values_mut().for_each(|v| default(v, rest));
            }
        }
        Value::Array(list) => {
            if let Some(items) = schema.get("items") {
                list.iter_mut().for_each(|v| default(v, items));
            }
        }
        _ => {}
    }
}

/// Drops fields that the schema does not know, and reports them. `root` keeps `apiVersion`, `kind` and `metadata`.
pub(crate) fn prune(value: &mut Value, schema: &Value, root: bool, path: &str, unknown: &mut Vec<String>) {
    if is_true(schema, "x-kubernetes-preserve-unknown-fields") && schema.get("properties").is_none() {
        return;
    }
    let root = root || is_true(schema, "x-kubernetes-embedded-resource");
    match value {
        Value::Object(map) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let rest = schema.get("additionalProperties");
            let keep_unknown = is_true(schema, "x-kubernetes-preserve-unknown-fields")
                || matches!(rest, Some(Value::Bool(true)))
                || is_true(schema, "x-kubernetes-int-or-string");
            map.retain(|name, v| {
                if root && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    return true;
                }
                let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if let Some(property) = properties.and_then(|p| p.get(name)) {
                    prune(v, property, false, &at, unknown);
                    true
                } else if let Some(rest) = rest.filter(|r| r.is_object()) {
                    prune(v, rest, false, &at, unknown);
                    true
                } else if keep_unknown {
                    true
                } else {
                    unknown.push(at);
                    false
                }
            });
        }
        Value::Array(list) => {
            if let Some(items) = schema.get("items") {
                for (i, v) in list.iter_mut().enumerate() {
                    prune(v, items, false, &format!("{path}[{i}]"), unknown);
                }
            }
        }
        _ => {}
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_i64() || n.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Checks an object against the schema: types, required fields, enums, bounds and lengths.
pub(crate) fn validate(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    if value.is_null() && is_true(schema, "nullable") {
        return;
    }
    let wanted = str_at(schema, &["type"]);
    let have = type_name(value);
    if is_true(schema, "x-kubernetes-int-or-string") {
        if !matches!(have, "integer" | "string") {
            causes.push(type_error(path, value, "integer,string", have));
        }
    } else if !wanted.is_empty() && wanted != have && !(wanted == "number" && have == "integer") {
        causes.push(type_error(path, value, wanted, have));
        return;
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let names: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        causes.push(Cause::unsupported(shown_path(path), value, &names));
    }
    bounds(value, schema, path, causes);
    match value {
        Value::Object(map) => object(map, schema, path, causes),
        Value::Array(list) => {
            if let Some(items) = schema.get("items") {
                for (i, v) in list.iter().enumerate() {
                    validate(v, items, &format!("{path}[{i}]"), causes);
                }
            }
        }
        _ => {}
    }
}

fn object(map: &Map<String, Value>, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let below = |name: &str| {
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    };
    for name in list_at(schema, &["required"]).iter().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            causes.push(Cause::required(below(name), ""));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let rest = schema.get("additionalProperties").filter(|r| r.is_object());
    for (name, v) in map {
        if path.is_empty() && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            continue;
        }
        if let Some(property) = properties.and_then(|p| p.get(name)).or(rest) {
            validate(v, property, &below(name), causes);
        }
    }
}

fn shown_path(path: &str) -> &str {
    if path.is_empty() { "<nil>" } else { path }
}

fn type_error(path: &str, value: &Value, wanted: &str, have: &str) -> Cause {
    let at = shown_path(path);
    // The real server prints the type for structured values, and the value otherwise.
    let shown = if value.is_object() || value.is_array() { Value::from(have) } else { value.clone() };
    Cause::type_invalid(at, &shown, &format!("{at} in body must be of type {wanted}: {have:?}"))
}

fn bounds(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    let count = |key: &str| schema.get(key).and_then(Value::as_u64);
    let mut fail = |detail: String| causes.push(Cause::invalid(path, value, format!("{path} in body {detail}")));
    if let Some(n) = value.as_f64() {
        if let Some(min) = number("minimum").filter(|min| n < *min) {
            fail(format!("should be greater than or equal to {min}"));
        }
        if let Some(max) = number("maximum").filter(|max| n > *max) {
            fail(format!("should be less than or equal to {max}"));
        }
    }
    let length = match value {
        Value::String(s) => Some((s.chars().count() as u64, "minLength", "maxLength", "chars long")),
        Value::Array(l) => Some((l.len() as u64, "minItems", "maxItems", "items")),
        Value::Object(m) => Some((m.len() as u64, "minProperties", "maxProperties", "properties")),
        _ => None,
    };
    if let Some((n, min_key, max_key, unit)) = length {
        if let Some(min) = count(min_key).filter(|min| n < *min) {
            fail(format!("should be at least {min} {unit}"));
        }
        if let Some(max) = count(max_key).filter(|max| n > *max) {
            fail(format!("should be at most {max} {unit}"));
        }
    }
}

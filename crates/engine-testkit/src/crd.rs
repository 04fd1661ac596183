//! CustomResourceDefinitions: what one adds to the API, and how its schema treats objects.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/>

mod definition;
mod formats;
mod schema_rules;
mod validate;

use std::{collections::BTreeMap, sync::Arc};

use gitops_engine_schema::{Schema, UnknownFields};
use serde_json::Value;

use crate::{
    json::{get, list_at, str_at},
    resources::{GroupResource, Resource, ScalePaths},
};

pub(crate) use self::{
    definition::{validate_definition, validate_definition_name, validate_definition_update},
    validate::validate,
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
    /// `selectableFields`, as field selectors write them.
    pub(crate) selectable: Vec<String>,
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
        if openapi.is_some_and(has_rules) {
            let definition = str_at(crd, &["metadata", "name"]);
            tracing::warn!(definition, version = name, "rules in CEL are not evaluated here");
        }
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
                selectable: list_at(v, &["selectableFields"])
                    .iter()
                    .map(|f| str_at(f, &["jsonPath"]).trim_start_matches('.').to_owned())
                    .collect(),
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

/// Whether a schema has rules in CEL anywhere.
fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.contains_key("x-kubernetes-validations") || map.values().any(has_rules),
        Value::Array(list) => list.iter().any(has_rules),
        _ => false,
    }
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

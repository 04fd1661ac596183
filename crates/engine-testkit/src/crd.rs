//! CustomResourceDefinitions: what one adds to the API, and how its schema treats objects.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/>

mod definition;
mod extension;
mod formats;
mod rules;
mod schema;
mod validate;

use self::extension::{EMBEDS, KEEPS};
use std::{collections::BTreeMap, sync::Arc};

use gitops_engine_schema::{Schema, UnknownFields};
use serde_json::Value;

use crate::{
    admission,
    json::{get, list_at, str_at},
    resources::{GroupResource, Resource, ScalePaths},
};

pub(crate) use self::{
    definition::{validate_definition, validate_definition_name, validate_definition_status},
    formats::{duration_of, is as has_format},
    rules::Rules,
    schema::pattern::compile as pattern,
    schema::unknown_formats,
    validate::{validate, validate_lists, validate_status},
};

/// One version of a custom resource, served or not.
#[derive(Debug, Clone)]
pub(crate) struct CrdVersion {
    /// For merging.
    pub(crate) schema: Schema,
    /// For defaults, pruning and validation.
    pub(crate) openapi: Option<Arc<Value>>,
    /// What the schema asks by rules in CEL.
    pub(crate) rules: Option<Arc<Rules>>,
    pub(crate) status: bool,
    /// `additionalPrinterColumns`.
    pub(crate) columns: Vec<Value>,
    /// `selectableFields`, as field selectors write them.
    pub(crate) selectable: Vec<String>,
    pub(crate) scale: Option<ScalePaths>,
    /// What clients are told that ask for a version that goes away.
    pub(crate) warning: Option<String>,
}

/// The resource that a CRD defines; `None` while it serves no version.
pub(crate) fn resource_of(crd: &Value) -> Option<Resource> {
    let spec = crd.get("spec")?;
    let names = spec.get("names")?;
    let strings = |key: &str| -> Vec<String> {
        list_at(names, &[key]).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (mut versions, mut all, mut storage) = (Vec::new(), BTreeMap::new(), None);
    let unknown = match is_true(spec, "preserveUnknownFields") {
        true => UnknownFields::Kept,
        false => UnknownFields::Pruned,
    };
    for v in list_at(spec, &["versions"]) {
        let name = str_at(v, &["name"]).to_owned();
        if v.get("storage").and_then(Value::as_bool) == Some(true) {
            storage = Some(name.clone());
        }
        let openapi = get(v, &["schema", "openAPIV3Schema"]);
        let has_status = v.get("subresources").and_then(|s| s.get("status")).is_some();
        let scale = get(v, &["subresources", "scale"]).map(|paths| {
            let path = |key: &str| -> Vec<String> {
                str_at(paths, &[key]).split('.').filter(|p| !p.is_empty()).map(str::to_owned).collect()
            };
            ScalePaths {
                spec_replicas: path("specReplicasPath"),
                status_replicas: path("statusReplicasPath"),
                selector: Some(path("labelSelectorPath")).filter(|p| !p.is_empty()),
            }
        });
        all.insert(
            name.clone(),
            CrdVersion {
                schema: Schema::custom(openapi, unknown),
                openapi: openapi.map(|o| Arc::new(o.clone())),
                rules: openapi.and_then(Rules::of).map(Arc::new),
                status: has_status,
                columns: list_at(v, &["additionalPrinterColumns"]).to_vec(),
                selectable: list_at(v, &["selectableFields"])
                    .iter()
                    .map(|f| str_at(f, &["jsonPath"]).trim_start_matches('.').to_owned())
                    .collect(),
                scale,
                warning: is_true(v, "deprecated").then(|| deprecation(spec, v)),
            },
        );
        if v.get("served").and_then(Value::as_bool) == Some(true) {
            versions.push(name);
        }
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
        status: false,
        scale: None,
        crd: all,
    })
}

/// The warning about a version that goes away: its own, or what to use instead.
fn deprecation(spec: &Value, version: &Value) -> String {
    if let Some(own) = version.get("deprecationWarning").and_then(Value::as_str) {
        return own.to_owned();
    }
    let (group, kind, name) = (str_at(spec, &["group"]), str_at(spec, &["names", "kind"]), str_at(version, &["name"]));
    let rank = |version: &&str| crate::resources::version_priority(version);
    let others = list_at(spec, &["versions"]).iter().filter(|v| is_true(v, "served") && !is_true(v, "deprecated"));
    let newer = others.map(|v| str_at(v, &["name"])).filter(|other| rank(other) > rank(&name)).max_by_key(rank);
    let instead = newer.map_or_else(String::new, |newer| format!("; use {group}/{newer} {kind}"));
    format!("{group}/{name} {kind} is deprecated{instead}")
}

fn is_true(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool) == Some(true)
}

/// An object of any version as it is written: in the version that is stored. Only what another version wrote is read on the
/// way there; the rest is written as it is, with what reads make nothing of.
pub(crate) fn written(resource: &Resource, object: &Value) -> Value {
    let mut written = object.clone();
    take_over(resource, &mut written, &resource.storage_version);
    written
}

/// Reads an object as it comes out of the store. Returns what was written, where that is not what is read.
pub(crate) fn read_stored(resource: &Resource, object: &mut Value) -> Option<Value> {
    if !resource.is_custom() {
        return None;
    }
    let written = written(resource, object);
    *object = read_as(resource, &written, &resource.storage_version);
    (written != *object).then_some(written)
}

/// What was written, which may have been under an older form of its definition, as a version reads it: by the schema of the
/// version that it was written in, then as that version.
pub(crate) fn read_as(resource: &Resource, written: &Value, version: &str) -> Value {
    let mut object = written.clone();
    admission::encode_metadata(&mut object);
    if let Some(schema) = schema_of(resource, version_of(&object)) {
        read(&mut object, schema, &mut Vec::new());
    }
    take_over(resource, &mut object, version);
    object
}

fn version_of(object: &Value) -> &str {
    str_at(object, &["apiVersion"]).rsplit('/').next().unwrap_or_default()
}

fn schema_of<'r>(resource: &'r Resource, version: &str) -> Option<&'r Value> {
    resource.crd.get(version).and_then(|version| version.openapi.as_deref())
}

/// Makes an object one of another version.
fn take_over(resource: &Resource, object: &mut Value, version: &str) {
    if version_of(object) == version {
        return;
    }
    object["apiVersion"] = resource.api_version(version).into();
    admission::encode_metadata(object);
    if let Some(schema) = schema_of(resource, version) {
        drop_unknown(object, schema);
    }
}

/// Drops what another version does not have.
fn drop_unknown(object: &mut Value, schema: &Value) {
    but_metadata(object, |object| {
        prune(object, schema, true, "", &mut Vec::new());
        strip_nulls(object, Some(schema));
    });
}

/// Reads an object by the schema of its version: drops what the schema does not know and reports it, drops `null` where it
/// is no value, and fills defaults. The metadata stays as it is.
pub(crate) fn read(object: &mut Value, schema: &Value, unknown: &mut Vec<String>) {
    but_metadata(object, |object| {
        prune(object, schema, true, "", unknown);
        strip_nulls(object, Some(schema));
        default(object, schema);
    });
}

/// Changes an object but for its metadata, which is as it was, there or not.
fn but_metadata(object: &mut Value, change: impl FnOnce(&mut Value)) {
    let metadata = object.get("metadata").cloned();
    change(object);
    match metadata {
        Some(metadata) => object["metadata"] = metadata,
        None => {
            object.as_object_mut().map(|map| map.remove("metadata"));
        }
    }
}

/// The schema of what is under a key.
fn below<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let property = schema.get("properties").and_then(|p| p.get(key));
    property.or_else(|| schema.get("additionalProperties").filter(|rest| rest.is_object()))
}

/// Whether a value is `null` in a place that takes none.
fn is_no_value(value: &Value, schema: &Value) -> bool {
    value.is_null() && !is_true(schema, "nullable")
}

fn default_of(schema: &Value) -> Option<&Value> {
    schema.get("default").filter(|default| !default.is_null())
}

/// Drops `null` from objects where it is neither a value nor becomes one by default.
fn strip_nulls(value: &mut Value, schema: Option<&Value>) {
    match value {
        Value::Object(map) => map.retain(|key, value| {
            let schema = schema.and_then(|schema| below(schema, key));
            let gone = schema.is_some_and(|schema| is_no_value(value, schema) && default_of(schema).is_none());
            if !gone {
                strip_nulls(value, schema);
            }
            !gone
        }),
        Value::Array(list) => {
            let items = schema.and_then(|schema| schema.get("items"));
            list.iter_mut().for_each(|value| strip_nulls(value, items));
        }
        _ => {}
    }
}

/// Fills defaults from the schema.
pub(crate) fn default(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if let Some(default) = default_of(property)
                    && map.get(name).is_none_or(|v| is_no_value(v, property))
                {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in map.iter_mut() {
                let Some(schema) = below(schema, name) else { continue };
                if is_no_value(value, schema) {
                    *value = default_of(schema).cloned().unwrap_or(Value::Null);
                }
                self::default(value, schema);
            }
        }
        Value::Array(list) => {
            let Some(items) = schema.get("items") else { return };
            for value in list {
                if is_no_value(value, items) {
                    *value = default_of(items).cloned().unwrap_or(Value::Null);
                }
                default(value, items);
            }
        }
        _ => {}
    }
}

/// Drops fields that the schema does not know, and reports them. `root` keeps `apiVersion`, `kind` and `metadata`.
pub(crate) fn prune(value: &mut Value, schema: &Value, root: bool, path: &str, unknown: &mut Vec<String>) {
    let keeps = is_true(schema, KEEPS);
    let embedded = root || is_true(schema, EMBEDS);
    match value {
        Value::Object(map) => {
            let any = matches!(schema.get("additionalProperties"), Some(Value::Bool(true)));
            map.retain(|name, value| {
                let is_identity = matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
                if embedded && is_identity {
                    return true;
                }
                let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if let Some(schema) = below(schema, name) {
                    prune(value, schema, false, &at, unknown);
                    return true;
                }
                if keeps {
                    return true;
                }
                if any {
                    // Anything may be there, but nothing is known about what is in it.
                    prune(value, &Value::Null, false, &at, unknown);
                    return true;
                }
                unknown.push(at);
                false
            });
        }
        Value::Array(list) => {
            let items = schema.get("items");
            for (i, value) in list.iter_mut().enumerate() {
                let at = format!("{path}[{i}]");
                match items {
                    // Items of what keeps everything keep everything, too.
                    Some(items) if keeps => prune_kept(value, items, &at, unknown),
                    Some(items) => prune(value, items, false, &at, unknown),
                    None if keeps => {}
                    None => prune(value, &Value::Null, false, &at, unknown),
                }
            }
        }
        _ => {}
    }
}

/// The same within a list that keeps unknown fields.
fn prune_kept(value: &mut Value, schema: &Value, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map.iter_mut() {
                let embedded = is_true(schema, EMBEDS);
                if embedded && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    continue;
                }
                if let Some(schema) = below(schema, name) {
                    prune(value, schema, false, &format!("{path}.{name}"), unknown);
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = schema.get("items") else { return };
            for (i, value) in list.iter_mut().enumerate() {
                prune_kept(value, items, &format!("{path}[{i}]"), unknown);
            }
        }
        _ => {}
    }
}

//! Tables for `kubectl get`: the columns that a real API server has for each kind, and those that a CRD declares.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables>
//!
//! Column definitions of built-in kinds carry no descriptions: nothing shows them.

mod columns;
mod custom;
mod network;
mod pods;
mod text;
mod various;
mod workloads;

use serde_json::{Value, json};

use crate::{
    clock::Now,
    http::media::Wish,
    json::{get, i64_at, remove, str_at},
    resources::Resource,
};

/// What a row carries beside its cells: the parameter `includeObject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    Metadata,
    Object,
    None,
}

impl Include {
    /// `None` for a value that the API does not know.
    pub(crate) fn of(parameter: Option<&str>) -> Option<Self> {
        match parameter {
            None | Some("Metadata") => Some(Self::Metadata),
            Some("Object") => Some(Self::Object),
            Some("None") => Some(Self::None),
            Some(_) => None,
        }
    }
}

/// How a table is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) include: Include,
    /// Later events of a watch come without column definitions.
    pub(crate) definitions: bool,
    pub(crate) now: Now,
    /// The version of the group `meta.k8s.io`.
    api_version: &'static str,
}

impl Wanted {
    pub(crate) fn of(wish: &Wish, definitions: bool, now: Now) -> Self {
        Self { include: wish.include, definitions, now, api_version: wish.api_version() }
    }
}

/// A `Table` of these objects.
pub(crate) fn of(resource: &Resource, version: &str, objects: &[&Value], revision: &str, wanted: Wanted) -> Value {
    let heads = match resource.crd.get(version) {
        Some(v) => custom::heads(&v.columns),
        None => columns::heads(&resource.gr),
    };
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells = match resource.crd.get(version) {
                Some(v) => custom::cells(&v.columns, object, wanted.now),
                None => columns::cells(&resource.gr, object, wanted.now),
            };
            let mut row = json!({"cells": cells, "object": carried(resource, version, object, wanted)});
            if resource.is("", "pods") {
                pods::conditions(object, &mut row);
            }
            row
        })
        .collect();
    let mut table = table(&heads, rows, revision, wanted);
    // Kinds without columns of their own have a table that is made row by row, and none is none.
    if objects.is_empty() && heads.get(1).is_some_and(|head| head["name"] == "Created At") {
        table["rows"] = Value::Null;
    }
    table
}

/// A `Table` of one scale.
pub(crate) fn scale(scale: &Value, wanted: Wanted) -> Value {
    let metadata = &scale["metadata"];
    let cells = json!([
        metadata["name"],
        i64_at(scale, &["spec", "replicas"]).unwrap_or_default(),
        i64_at(scale, &["status", "replicas"]).unwrap_or_default(),
        text::age(str_at(metadata, &["creationTimestamp"]), wanted.now),
    ]);
    let object = match wanted.include {
        Include::Object => scale.clone(),
        Include::Metadata => {
            json!({"kind": "PartialObjectMetadata", "apiVersion": wanted.api_version, "metadata": metadata})
        }
        Include::None => Value::Null,
    };
    let rows = vec![json!({"cells": cells, "object": object})];
    let heads = columns::parse("Name | Desired:integer | Available:integer | Age");
    table(&heads, rows, str_at(metadata, &["resourceVersion"]), wanted)
}

fn table(heads: &[Value], rows: Vec<Value>, revision: &str, wanted: Wanted) -> Value {
    let mut table = json!({"kind": "Table", "apiVersion": wanted.api_version, "metadata": {}});
    if !revision.is_empty() {
        table["metadata"]["resourceVersion"] = revision.into();
    }
    table["columnDefinitions"] = if wanted.definitions { heads.into() } else { Value::Null };
    table["rows"] = rows.into();
    table
}

/// An object as nothing but its metadata.
pub(crate) fn partial(resource: &Resource, object: &Value, api_version: &str) -> Value {
    /// An annotation that only the form of the API has: inside a server it is a field.
    const GENERATION: &str = "deprecated.daemonset.template.generation";
    let mut metadata = object["metadata"].clone();
    if resource.is("apps", "daemonsets")
        && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
    {
        annotations.remove(GENERATION);
        if annotations.is_empty() {
            remove(&mut metadata, &["annotations"]);
        }
    }
    json!({"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": metadata})
}

fn carried(resource: &Resource, version: &str, object: &Value, wanted: Wanted) -> Value {
    // The end of the initial events must be seen in any case.
    let ends = get(object, &["metadata", "annotations", "k8s.io/initial-events-end"]).is_some();
    match wanted.include {
        Include::Object => resource.value_at(object, version).unwrap_or_else(|| object.clone()),
        Include::None if !ends => Value::Null,
        Include::Metadata | Include::None => partial(resource, object, wanted.api_version),
    }
}

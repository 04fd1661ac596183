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
    json::{i64_at, str_at},
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
            let mut row = json!({"cells": cells, "object": carried(resource, version, object, wanted.include)});
            if resource.is("", "pods") {
                pods::conditions(object, &mut row);
            }
            row
        })
        .collect();
    table(&heads, rows, revision, wanted.definitions)
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
        Include::Metadata => partial(scale),
        Include::None => Value::Null,
    };
    let rows = vec![json!({"cells": cells, "object": object})];
    let heads = columns::parse("Name | Desired:integer | Available:integer | Age");
    table(&heads, rows, str_at(metadata, &["resourceVersion"]), wanted.definitions)
}

fn table(heads: &[Value], rows: Vec<Value>, revision: &str, definitions: bool) -> Value {
    let mut table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}});
    if !revision.is_empty() {
        table["metadata"]["resourceVersion"] = revision.into();
    }
    table["columnDefinitions"] = if definitions { heads.into() } else { Value::Null };
    table["rows"] = rows.into();
    table
}

fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

fn carried(resource: &Resource, version: &str, object: &Value, include: Include) -> Value {
    match include {
        Include::Metadata => partial(object),
        Include::Object => resource.value_at(object, version).unwrap_or_else(|| object.clone()),
        Include::None => Value::Null,
    }
}

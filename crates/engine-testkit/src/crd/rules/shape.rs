//! What a schema tells rules about values.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::{
    cel::{Node, Object, Order, Shape, Type, escape},
    crd::{
        extension::{EITHER, EMBEDS, KEYS, LIST},
        is_true,
    },
    json::{list_at, str_at},
};

/// How values of a schema are read; `root` for those that are whole objects.
pub(super) fn node_of(schema: &Value, root: bool) -> Arc<Node> {
    Arc::new(Node { shape: shape_of(schema, root || is_true(schema, EMBEDS)), nullable: is_true(schema, "nullable") })
}

fn plain(shape: Shape) -> Arc<Node> {
    Arc::new(Node { shape, nullable: false })
}

fn shape_of(schema: &Value, whole: bool) -> Shape {
    if is_true(schema, EITHER) {
        return Shape::Either;
    }
    match str_at(schema, &["type"]) {
        "object" => object(schema, whole),
        "array" => Shape::List {
            items: schema.get("items").filter(|items| items.is_object()).map(|items| node_of(items, false)),
            order: match str_at(schema, &[LIST]) {
                "set" => Order::Set,
                "map" => Order::Keys(keys_of(schema)),
                _ => Order::Atomic,
            },
        },
        "string" => match str_at(schema, &["format"]) {
            "byte" => Shape::Bytes,
            "duration" => Shape::Duration,
            "date" => Shape::Date,
            "date-time" => Shape::DateTime,
            _ => Shape::Text,
        },
        "number" => Shape::Double,
        "integer" => Shape::Int,
        "boolean" => Shape::Bool,
        _ => Shape::Unknown,
    }
}

fn object(schema: &Value, whole: bool) -> Shape {
    let properties = schema.get("properties").and_then(Value::as_object);
    if whole || properties.is_some_and(|properties| !properties.is_empty()) {
        let known = properties.into_iter().flatten();
        let mut fields: BTreeMap<String, Arc<Node>> =
            known.map(|(name, property)| (name.clone(), node_of(property, false))).collect();
        if whole {
            fields.insert("apiVersion".to_owned(), plain(Shape::Text));
            fields.insert("kind".to_owned(), plain(Shape::Text));
            let names = ["name", "generateName"].map(|name| (name.to_owned(), plain(Shape::Text)));
            fields.insert("metadata".to_owned(), plain(Shape::Fields(names.into())));
        }
        return Shape::Fields(fields);
    }
    match schema.get("additionalProperties").filter(|values| values.is_object()) {
        Some(values) => Shape::Values(node_of(values, false)),
        None => Shape::Closed,
    }
}

/// The fields by which items of a list are found.
pub(super) fn keys_of(schema: &Value) -> Vec<String> {
    list_at(schema, &[KEYS]).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What rules may say about values of a schema; `None` for those that they cannot see.
pub(super) fn type_of(schema: &Value, root: bool, name: &str) -> Option<Type> {
    if is_true(schema, EITHER) {
        return Some(Type::Dyn);
    }
    Some(match str_at(schema, &["type"]) {
        "array" => {
            let items = schema.get("items").filter(|items| items.is_object())?;
            Type::list(type_of(items, is_true(items, EMBEDS), &format!("{name}.@idx"))?)
        }
        "object" => {
            if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
                let values = type_of(values, is_true(values, EMBEDS), &format!("{name}.@elem"))?;
                return Some(Type::map(Type::String, values));
            }
            let mut fields = BTreeMap::new();
            for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let Some(said) = escape(key) else { continue };
                if let Some(kind) = type_of(property, is_true(property, EMBEDS), &format!("{name}.{said}")) {
                    fields.insert(said, kind);
                }
            }
            if root {
                fields.insert("apiVersion".to_owned(), Type::String);
                fields.insert("kind".to_owned(), Type::String);
                let names = ["name", "generateName"].map(|name| (name.to_owned(), Type::String));
                let metadata = Object { name: format!("{name}.metadata"), fields: names.into() };
                fields.insert("metadata".to_owned(), Type::Object(Arc::new(metadata)));
            }
            Type::Object(Arc::new(Object { name: name.to_owned(), fields }))
        }
        "string" => match str_at(schema, &["format"]) {
            "byte" => Type::Bytes,
            "duration" => Type::Duration,
            "date" | "date-time" => Type::Timestamp,
            _ => Type::String,
        },
        "boolean" => Type::Bool,
        "number" => Type::Double,
        "integer" => Type::Int,
        _ => return None,
    })
}

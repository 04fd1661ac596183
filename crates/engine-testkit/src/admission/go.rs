//! What decoding into a Go type and encoding it again does to an object: types are checked, unknown fields fall away,
//! zero values are left out or written depending on the type, quantities and times are written in one form.
//!
//! The types are those of the server's own sources: `tools/control-plane/gotypes` prints the table.

mod convert;
mod encode;
mod order;
mod protobuf;
mod text;
mod time;

use std::{collections::HashMap, sync::LazyLock};

use base64::Engine as _;
use serde_json::Value;

pub(super) use self::{
    convert::convert,
    encode::{encode, encode_sent, has_empty, read_back},
    order::complaint,
    text::text,
};
pub(crate) use self::{encode::nothing_of, protobuf::decode as decode_protobuf};
use super::quantity;
use crate::{json, resources::group_of};

static TABLE: &str = include_str!("go-types.txt");

/// How a field is written in Go.
#[derive(Debug, Clone)]
enum Shape {
    Pointer(Box<Shape>),
    List(Box<Shape>, Option<&'static str>),
    Map(Box<Shape>, Option<&'static str>),
    Bytes,
    /// The kind of the scalar, and the name of its type.
    Scalar(&'static str, &'static str),
    Struct(&'static str),
    /// A type with a decoder of its own.
    Own(&'static str),
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    omit_empty: bool,
    omit_zero: bool,
    /// The structs that it is embedded with, outermost first.
    embedded: Vec<&'static str>,
    /// Its number in protobuf, after those of the structs that it is embedded with; none, if it is not part of the message.
    numbers: Vec<u64>,
    shape: Shape,
}

impl Field {
    /// Its place below another, as errors name it.
    fn place(&self, path: &str) -> String {
        let steps = Some(path).filter(|p| !p.is_empty()).into_iter();
        steps.chain(self.embedded.iter().copied()).chain([self.name]).collect::<Vec<_>>().join(".")
    }
}

/// A Go struct.
#[derive(Debug)]
pub(super) struct Struct {
    name: &'static str,
    fields: Vec<Field>,
}

static STRUCTS: LazyLock<HashMap<&'static str, Struct>> = LazyLock::new(|| {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('@'))
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default();
            (name, Struct { name, fields: words.filter_map(field).collect() })
        })
        .collect()
});

static KINDS: LazyLock<HashMap<(&'static str, &'static str), &'static str>> = LazyLock::new(|| {
    TABLE
        .lines()
        .filter_map(|line| {
            let mut words = line.strip_prefix('@')?.split(' ');
            Some(((words.next()?, words.next()?), words.next()?))
        })
        .collect()
});

fn field(word: &'static str) -> Option<Field> {
    let mut parts = word.splitn(3, ',');
    let (name, flags, shape) = (parts.next()?, parts.next()?, parts.next()?);
    let (shape, numbers) = shape.split_once(';')?;
    let mut flags = flags.split('@');
    let omit = flags.next()?;
    Some(Field {
        name,
        omit_empty: omit.contains('e'),
        omit_zero: omit.contains('z'),
        embedded: flags.collect(),
        numbers: numbers.split('.').map_while(|n| n.parse().ok()).collect(),
        shape: parse(shape),
    })
}

fn parse(text: &'static str) -> Shape {
    let named = |text: &'static str| match text.split_once('~') {
        Some((inner, name)) => (Box::new(parse(inner)), Some(name)),
        None => (Box::new(parse(text)), None),
    };
    match text.as_bytes().first() {
        Some(b'*') => Shape::Pointer(Box::new(parse(&text[1..]))),
        Some(b'[') => {
            let (inner, name) = named(&text[1..]);
            Shape::List(inner, name)
        }
        Some(b'{') => {
            let (inner, name) = named(&text[1..]);
            Shape::Map(inner, name)
        }
        Some(b'!') => Shape::Own(&text[1..]),
        _ if text == "bytes" => Shape::Bytes,
        _ if text.contains('/') && !text.contains('=') => Shape::Struct(text),
        _ => match text.split_once('=') {
            Some((kind, name)) => Shape::Scalar(kind, name),
            None => Shape::Scalar(text, text),
        },
    }
}

impl Shape {
    fn target(&self) -> &Shape {
        match self {
            Self::Pointer(inner) => inner.target(),
            other => other,
        }
    }

    /// The name of the type, as errors print it.
    fn go_name(&self) -> String {
        match self {
            Self::Pointer(inner) => format!("*{}", inner.go_name()),
            Self::List(_, Some(name)) | Self::Map(_, Some(name)) => (*name).to_owned(),
            Self::List(inner, None) => format!("[]{}", inner.go_name()),
            Self::Map(inner, None) => format!("map[string]{}", inner.go_name()),
            Self::Bytes => "[]uint8".to_owned(),
            Self::Scalar(_, name) => (*name).to_owned(),
            Self::Struct(name) => name.rsplit('/').next().unwrap_or(name).to_owned(),
            Self::Own(name) => (*name).to_owned(),
        }
    }
}

impl Struct {
    /// The type of a built-in kind.
    pub(super) fn of_kind(api_version: &str, kind: &str) -> Option<&'static Self> {
        KINDS.get(&(api_version, kind)).and_then(|name| STRUCTS.get(name))
    }

    /// Whether there are kinds of this version.
    pub(super) fn has_version(api_version: &str) -> bool {
        KINDS.keys().any(|(version, _)| *version == api_version)
    }

    /// Whether there is such a kind in a version of this group.
    pub(super) fn is_of_group(group: &str, kind: &str) -> bool {
        KINDS.keys().any(|(version, known)| *known == kind && group_of(version) == group)
    }

    /// The type of `metadata`.
    pub(super) fn metadata() -> Option<&'static Self> {
        STRUCTS.get("meta/v1.ObjectMeta")
    }

    /// The type of an item of `metadata.ownerReferences`.
    pub(super) fn owner_reference() -> Option<&'static Self> {
        Self::named("meta/v1.OwnerReference")
    }

    fn named(name: &str) -> Option<&'static Self> {
        STRUCTS.get(name)
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    fn short_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }
}

/// The first value that its field cannot hold, in the words of Go's decoder.
pub(super) fn mismatch(value: &Value, of: &Struct) -> Option<String> {
    // A value that its own type refuses ends the decoding; everything else is noted, and told if nothing ends it.
    own_refusal(value, &Shape::Struct(of.name), "", "").or_else(|| struct_mismatch(value, of, "", ""))
}

/// The first value that a type with a decoder of its own refuses.
fn own_refusal(value: &Value, shape: &Shape, owner: &str, path: &str) -> Option<String> {
    match (shape, value) {
        (Shape::Pointer(inner), _) => own_refusal(value, inner, owner, path),
        (Shape::List(inner, _), Value::Array(list)) => list.iter().find_map(|v| own_refusal(v, inner, owner, path)),
        (Shape::Map(inner, _), Value::Object(map)) => map.values().find_map(|v| own_refusal(v, inner, owner, path)),
        (Shape::Struct(name), Value::Object(map)) => {
            let of = Struct::named(name)?;
            map.iter().find_map(|(name, v)| {
                let field = of.field(name)?;
                own_refusal(v, &field.shape, of.short_name(), &field.place(path))
            })
        }
        (Shape::Own(name), value) if !value.is_null() => own_mismatch(value, name, owner, path),
        _ => None,
    }
}

fn struct_mismatch(value: &Value, of: &Struct, owner: &str, path: &str) -> Option<String> {
    let Value::Object(map) = value else {
        return (!value.is_null())
            .then(|| unmarshal(value, owner, path, of.name.rsplit('/').next().unwrap_or(of.name)));
    };
    map.iter().find_map(|(name, v)| {
        let field = of.field(name)?;
        shape_mismatch(v, &field.shape, of.short_name(), &field.place(path))
    })
}

fn shape_mismatch(value: &Value, shape: &Shape, owner: &str, path: &str) -> Option<String> {
    if value.is_null() {
        return None;
    }
    match (shape, value) {
        (Shape::Pointer(inner), _) => shape_mismatch(value, inner, owner, path),
        (Shape::List(inner, _), Value::Array(list)) => list.iter().find_map(|v| shape_mismatch(v, inner, owner, path)),
        (Shape::Map(inner, _), Value::Object(map)) => map.values().find_map(|v| shape_mismatch(v, inner, owner, path)),
        (Shape::Struct(name), _) => Struct::named(name).and_then(|of| struct_mismatch(value, of, owner, path)),
        (Shape::Own(name), _) => own_mismatch(value, name, owner, path),
        (Shape::Bytes, Value::String(text)) => bytes_mismatch(text),
        // Also a list of numbers.
        (Shape::Bytes, Value::Array(list)) => {
            list.iter().find_map(|v| shape_mismatch(v, &Shape::Scalar("uint8", "uint8"), owner, path))
        }
        (Shape::Scalar("string", _), Value::String(_)) | (Shape::Scalar("bool", _), Value::Bool(_)) => None,
        (Shape::Scalar(kind, name), Value::Number(n)) if *kind != "string" && *kind != "bool" => {
            let fits = match *kind {
                "int32" => n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
                "int64" | "int" => n.as_i64().is_some(),
                "uint8" => n.as_u64().is_some_and(|n| n < 256),
                kind if kind.starts_with("uint") => n.as_u64().is_some(),
                _ => true,
            };
            (!fits).then(|| {
                format!("json: cannot unmarshal number {n} into Go struct field {owner}.{path} of type {name}")
            })
        }
        _ => Some(unmarshal(value, owner, path, &shape.target().go_name())),
    }
}

fn unmarshal(value: &Value, owner: &str, path: &str, wanted: &str) -> String {
    let kind = json::type_name(value);
    if path.is_empty() {
        return format!("json: cannot unmarshal {kind} into Go value of type {wanted}");
    }
    format!("json: cannot unmarshal {kind} into Go struct field {owner}.{path} of type {wanted}")
}

/// The complaints of types that decode themselves.
fn own_mismatch(value: &Value, name: &str, owner: &str, path: &str) -> Option<String> {
    let into = |wanted: &str| Some(unmarshal(value, owner, path, wanted));
    match (name, value) {
        ("Time", Value::String(text)) => time::seconds_complaint(text),
        ("MicroTime", Value::String(text)) => time::micros_complaint(text),
        ("Time" | "MicroTime", _) => into("string"),
        ("IntOrString", Value::String(_)) => None,
        ("IntOrString", Value::Number(n)) => match n.as_i64() {
            Some(n) if i32::try_from(n).is_ok() => None,
            _ if path.is_empty() => Some(format!("json: cannot unmarshal number {n} into Go value of type int32")),
            _ => Some(format!("json: cannot unmarshal number {n} into Go struct field {owner}.{path} of type int32")),
        },
        ("IntOrString", _) => into("int32"),
        ("Quantity", Value::String(text)) => quantity::parse(text).err().map(str::to_owned),
        ("Quantity", Value::Number(n)) => quantity::parse(&n.to_string()).err().map(str::to_owned),
        ("Quantity", _) => Some(quantity::BAD_FORMAT.to_owned()),
        _ => None,
    }
}

fn bytes_mismatch(text: &str) -> Option<String> {
    let error = base64::engine::general_purpose::STANDARD.decode(text).err()?;
    let at = match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
        _ => text.len() / 4 * 4,
    };
    Some(format!("illegal base64 data at input byte {at}"))
}

/// Drops fields that the type does not have, and reports them.
pub(super) fn drop_unknown(value: &mut Value, of: &Struct, path: &str, unknown: &mut Vec<String>) {
    let Value::Object(map) = value else { return };
    map.retain(|name, v| {
        let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match of.field(name) {
            Some(field) => {
                drop_unknown_in(v, &field.shape, &at, unknown);
                true
            }
            None => {
                unknown.push(at);
                false
            }
        }
    });
}

fn drop_unknown_in(value: &mut Value, shape: &Shape, path: &str, unknown: &mut Vec<String>) {
    match (shape, value) {
        (Shape::Pointer(inner), value) => drop_unknown_in(value, inner, path, unknown),
        (Shape::List(inner, _), Value::Array(list)) => {
            for (i, v) in list.iter_mut().enumerate() {
                drop_unknown_in(v, inner, &format!("{path}[{i}]"), unknown);
            }
        }
        (Shape::Map(inner, _), Value::Object(map)) => {
            for (key, v) in map.iter_mut() {
                drop_unknown_in(v, inner, &format!("{path}.{key}"), unknown);
            }
        }
        (Shape::Struct(name), value) => {
            if let Some(of) = Struct::named(name) {
                drop_unknown(value, of, path, unknown);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use serde_json::json;

    use super::*;

    #[test]
    fn wrong_types_are_named_as_go_names_them() {
        let deployment = Struct::of_kind("apps/v1", "Deployment").unwrap();
        for (object, expected) in [
            (
                json!({"spec": {"replicas": "three"}}),
                Some("json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"),
            ),
            (
                json!({"spec": {"replicas": 8_589_934_592_u64}}),
                Some(
                    "json: cannot unmarshal number 8589934592 into Go struct field DeploymentSpec.spec.replicas of type int32",
                ),
            ),
            (
                json!({"spec": {"template": {"spec": {"containers": [{"env": [{"name": "A", "value": 1}]}]}}}}),
                Some(
                    "json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string",
                ),
            ),
            (
                json!({"metadata": {"labels": {"a": true}}}),
                Some("json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string"),
            ),
            (json!({"spec": {"replicas": null, "template": {"spec": {"containers": []}}}}), None),
        ] {
            assert_eq!(mismatch(&object, deployment).as_deref(), expected);
        }
    }

    #[test]
    fn an_object_is_written_as_its_type_is() {
        let deployment = Struct::of_kind("apps/v1", "Deployment").unwrap();
        let mut object = json!({"metadata": {"labels": {}}, "spec": {"paused": false, "template": {"spec": {
            "volumes": [], "securityContext": {},
            "containers": [{"name": "a", "resources": {"limits": {"cpu": 1, "memory": "1024Mi"}}}],
        }}}});
        encode(&mut object, deployment);
        assert_eq!(
            object,
            json!({"metadata": {}, "status": {}, "spec": {"selector": null, "strategy": {}, "template": {"metadata": {},
                "spec": {"securityContext": {}, "containers": [
                    {"name": "a", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}}}})
        );
    }
}

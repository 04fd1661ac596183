//! How each field merges: from the built-in table, or from a CRD's structural schema.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock},
};

use serde_json::Value;

static TABLE: &str = include_str!("builtin-types.txt");

/// The shape of a value, as far as merging needs it.
#[derive(Debug, Clone)]
pub(crate) enum Schema {
    /// Not described: maps merge by key, lists are atomic.
    Unknown,
    /// A struct with named fields; other keys merge by `rest`.
    Struct(Arc<Struct>),
    /// A map merged by key.
    Map(Arc<Schema>),
    /// A map replaced as a whole, and what its values are.
    AtomicMap(Arc<Schema>),
    /// A list replaced as a whole, and what its items are.
    AtomicList(Arc<Schema>),
    /// A plain value.
    Scalar(Scalar),
    /// A list whose items are told apart by their value.
    Set,
    /// A list whose items are told apart by some of their fields.
    ListMap(Arc<ListMap>),
}

/// The type of a plain value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    String,
    Number,
    Boolean,
}

#[derive(Debug, Default)]
pub(crate) struct Struct {
    fields: BTreeMap<String, Field>,
    atomic: bool,
    /// The built-in type that holds the fields instead: types refer to each other by name.
    named: Option<&'static str>,
}

#[derive(Debug)]
struct Field {
    schema: Schema,
    always_present: bool,
}

#[derive(Debug)]
pub(crate) struct ListMap {
    /// Key fields with their defaults, in the order of the schema.
    pub(crate) keys: Vec<(String, Option<Value>)>,
    pub(crate) item: Schema,
}

static BUILTIN: LazyLock<HashMap<&'static str, Struct>> = LazyLock::new(|| {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (head, fields) = line.split_once(" =")?;
            let (name, atomic) = head.strip_suffix(" !").map_or((head, false), |name| (name, true));
            let fields = fields.split_whitespace().map(table_field).collect();
            Some((name, Struct { fields, atomic, named: None }))
        })
        .collect()
});

fn table_field(text: &'static str) -> (String, Field) {
    let end = text.find(['[', '{', ':', '*', '+', '~']).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let always_present = rest.starts_with('+');
    rest = rest.strip_prefix('+').unwrap_or(rest);
    (name.to_owned(), Field { schema: table_shape(rest), always_present })
}

fn table_shape(text: &'static str) -> Schema {
    match text {
        "~s" => return Schema::Scalar(Scalar::String),
        "~n" => return Schema::Scalar(Scalar::Number),
        "~b" => return Schema::Scalar(Scalar::Boolean),
        "" | "*" => return Schema::Unknown,
        _ => {}
    }
    if let Some(rest) = text.strip_prefix("[]") {
        return Schema::AtomicList(Arc::new(table_shape(rest)));
    }
    if let Some(rest) = text.strip_prefix("{}") {
        return Schema::AtomicMap(Arc::new(table_shape(rest)));
    }
    if text == "[set]" {
        return Schema::Set;
    }
    if let Some(rest) = text.strip_prefix("{*}") {
        return Schema::Map(Arc::new(table_shape(rest)));
    }
    if let Some(name) = text.strip_prefix(':') {
        return Schema::named(name);
    }
    let Some((keys, item)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) else {
        return Schema::Unknown;
    };
    let keys = keys
        .split(',')
        .map(|key| match key.split_once('=') {
            None => (key.to_owned(), None),
            Some((key, default)) => {
                let value = default.parse::<i64>().map_or_else(|_| Value::from(default), Value::from);
                (key.to_owned(), Some(value))
            }
        })
        .collect();
    Schema::ListMap(Arc::new(ListMap { keys, item: table_shape(item) }))
}

impl Struct {
    fn resolve(&self) -> &Struct {
        self.named.and_then(|name| BUILTIN.get(name)).unwrap_or(self)
    }
}

impl Schema {
    fn named(name: &'static str) -> Self {
        match BUILTIN_NAMES.contains(&name) {
            true => Self::Struct(Arc::new(Struct { named: Some(name), ..Struct::default() })),
            false => Self::Unknown,
        }
    }

    /// The schema of a built-in kind.
    pub(crate) fn builtin(group: &str, version: &str, kind: &str) -> Self {
        let short = match group {
            "" => "core",
            other => other.split('.').next().unwrap_or(other),
        };
        let candidates = [format!("{short}.{version}.{kind}"), format!("{short}.{kind}")];
        candidates
            .iter()
            .find_map(|c| BUILTIN.get_key_value(c.as_str()))
            .map_or(Self::Unknown, |(name, _)| Self::named(name))
    }

    /// From a CRD's `openAPIV3Schema`; `None` gives an object of which only the metadata is known.
    pub(crate) fn custom(root: Option<&Value>) -> Self {
        let mut schema = root.map_or_else(Struct::default, custom_struct);
        for name in ["apiVersion", "kind"] {
            schema.fields.entry(name.to_owned()).or_insert(Field { schema: Self::Unknown, always_present: false });
        }
        schema
            .fields
            .insert("metadata".to_owned(), Field { schema: Self::named("meta.ObjectMeta"), always_present: false });
        schema.atomic = false;
        Self::Struct(Arc::new(schema))
    }

    fn from_openapi(value: &Value) -> Self {
        let extension = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        if value.get("x-kubernetes-embedded-resource").and_then(Value::as_bool) == Some(true) {
            return Self::custom(Some(value));
        }
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "array" => match extension("x-kubernetes-list-type") {
                "set" => Self::Set,
                "map" => {
                    let items = value.get("items").unwrap_or(&Value::Null);
                    let keys = value
                        .get("x-kubernetes-list-map-keys")
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .map(|key| {
                            let default = items.get("properties").and_then(|p| p.get(key)?.get("default")).cloned();
                            (key.to_owned(), default)
                        })
                        .collect();
                    Self::ListMap(Arc::new(ListMap { keys, item: Self::from_openapi(items) }))
                }
                _ => Self::AtomicList(Arc::new(Self::Unknown)),
            },
            _ if extension("x-kubernetes-map-type") == "atomic" => Self::AtomicMap(Arc::new(Self::Unknown)),
            _ => match (value.get("properties"), value.get("additionalProperties")) {
                (Some(_), _) => Self::Struct(Arc::new(custom_struct(value))),
                (None, Some(rest)) if rest.is_object() => Self::Map(Arc::new(Self::from_openapi(rest))),
                _ => Self::Unknown,
            },
        }
    }

    pub(crate) fn is_atomic(&self) -> bool {
        match self {
            Self::AtomicMap(_) | Self::AtomicList(_) => true,
            Self::Struct(s) => s.resolve().atomic,
            _ => false,
        }
    }

    /// The schema of a field and whether the struct names it.
    pub(crate) fn field(&self, name: &str) -> (Schema, bool) {
        match self {
            Self::Struct(s) => match s.resolve().fields.get(name) {
                Some(field) => (field.schema.clone(), true),
                None => (Self::Unknown, false),
            },
            Self::Map(item) | Self::AtomicMap(item) => ((**item).clone(), false),
            _ => (Self::Unknown, false),
        }
    }

    /// Whether a Go value of this type always has the field, so that filling it adds nothing.
    pub(crate) fn always_present(&self, name: &str) -> bool {
        match self {
            Self::Struct(s) => s.resolve().fields.get(name).is_some_and(|f| f.always_present),
            _ => false,
        }
    }

    /// The Go name of a built-in struct: `PodSpec`.
    pub(crate) fn type_name(&self) -> Option<&'static str> {
        match self {
            Self::Struct(s) => s.named.map(|name| name.rsplit('.').next().unwrap_or(name)),
            _ => None,
        }
    }

    /// The structs that a value of this type always holds.
    pub(crate) fn embedded_structs(&self) -> Vec<(&str, &Schema)> {
        match self {
            Self::Struct(s) => s
                .resolve()
                .fields
                .iter()
                .filter(|(_, f)| f.always_present && matches!(f.schema, Self::Struct(_)))
                .map(|(name, f)| (name.as_str(), &f.schema))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// What the items of a list are.
    pub(crate) fn item(&self) -> Schema {
        match self {
            Self::ListMap(list) => list.item.clone(),
            Self::AtomicList(item) => (**item).clone(),
            _ => Self::Unknown,
        }
    }

    /// Whether a decoder of this type would not know the field.
    pub(crate) fn is_unknown_field(&self, name: &str) -> bool {
        match self {
            Self::Struct(s) if s.named.is_some() => !s.resolve().fields.contains_key(name),
            _ => false,
        }
    }

    /// Follows the elements of a path (`f:`, `k:`, `v:`). The answer is the schema there and whether its last element
    /// is a named struct field.
    pub(crate) fn walk(&self, path: &[&str]) -> (Schema, bool) {
        let mut at = (self.clone(), false);
        for element in path {
            at = match element.split_once(':') {
                Some(("f", name)) => at.0.field(name),
                Some(("k", _)) => match &at.0 {
                    Self::ListMap(list) => (list.item.clone(), false),
                    _ => (Self::Unknown, false),
                },
                _ => (Self::Unknown, false),
            };
        }
        at
    }
}

fn custom_struct(value: &Value) -> Struct {
    let fields = value
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.clone(), Field { schema: Schema::from_openapi(schema), always_present: false }))
        .collect();
    let atomic = value.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic");
    Struct { fields, atomic, named: None }
}

/// The names alone, so that parsing a type may refer to one that is not parsed yet.
static BUILTIN_NAMES: LazyLock<std::collections::HashSet<&'static str>> = LazyLock::new(|| {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" =").map(|(head, _)| head.strip_suffix(" !").unwrap_or(head)))
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_types_are_found_by_group_version_and_kind() {
        for (group, version, kind) in [
            ("", "v1", "Pod"),
            ("apps", "v1", "Deployment"),
            ("rbac.authorization.k8s.io", "v1", "Role"),
            ("autoscaling", "v2", "HorizontalPodAutoscaler"),
            ("networking.k8s.io", "v1", "Ingress"),
            ("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
        ] {
            assert!(matches!(Schema::builtin(group, version, kind), Schema::Struct(_)), "{group}/{version} {kind}");
        }
        assert!(matches!(Schema::builtin("", "v1", "Nonsense"), Schema::Unknown));
    }

    #[test]
    fn the_table_has_no_dangling_reference() {
        for line in TABLE.lines().filter(|l| !l.starts_with('#')) {
            for field in line.split_whitespace().filter_map(|f| f.split_once(':')) {
                assert!(BUILTIN_NAMES.contains(field.1), "{} in {line}", field.1);
            }
        }
    }

    #[test]
    fn container_ports_are_keyed_by_port_and_protocol() {
        let deployment = Schema::builtin("apps", "v1", "Deployment");
        let path = ["f:spec", "f:template", "f:spec", "f:containers", "k:{\"name\":\"a\"}", "f:ports"];
        let (schema, named) = deployment.walk(&path);
        assert!(named);
        match schema {
            Schema::ListMap(list) => assert_eq!(
                list.keys,
                [("containerPort".to_owned(), Some(Value::from(0))), ("protocol".to_owned(), Some(Value::from("TCP")))]
            ),
            other => panic!("{other:?}"),
        }
        assert!(deployment.walk(&["f:spec", "f:selector"]).0.is_atomic());
    }
}

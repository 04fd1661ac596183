//! The types of Kubernetes objects, as merging and decoding see them.

use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{Arc, LazyLock, OnceLock},
};

use serde_json::Value;

use crate::shipped::{self, Definition};

/// What a value may be. A type of an object or list that is not described in detail allows more than one form.
///
/// <https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy>
#[derive(Debug, Default)]
pub struct Type {
    pub(crate) name: Option<&'static str>,
    pub(crate) scalar: Option<Scalar>,
    pub(crate) format: Option<Format>,
    pub(crate) list: Option<List>,
    pub(crate) map: Option<Map>,
}

/// A plain value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// Any of the others.
    Untyped,
    /// A string.
    String,
    /// A number, integer or not.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// What a decoder of Go reads the value into, where OpenAPI says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A signed integer of 32 bits.
    Int32,
    /// A signed integer of 64 bits.
    Int64,
    /// A floating point number.
    Double,
    /// Bytes in base64.
    Byte,
    /// A time, RFC 3339.
    DateTime,
    /// An integer or a string.
    IntOrString,
    /// A quantity: `100m`, `1Gi`.
    Quantity,
}

/// How the items of a list are told apart: `x-kubernetes-list-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Not at all: the list is one value.
    Atomic,
    /// By their value.
    Set,
    /// By the fields in [`List::keys`].
    Map,
}

/// A list.
#[derive(Debug)]
pub struct List {
    pub(crate) kind: ListKind,
    pub(crate) keys: Vec<String>,
    pub(crate) items: Ref,
}

impl List {
    /// How items are told apart.
    #[must_use]
    pub fn kind(&self) -> ListKind {
        self.kind
    }

    /// The key fields of a list that is a map, in the order of the schema.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// What the items are.
    #[must_use]
    pub fn items(&self) -> &Type {
        self.items.get()
    }

    /// The value of a key field that an item leaves out.
    #[must_use]
    pub fn key_default(&self, key: &str) -> Option<&Value> {
        self.items().map()?.fields.get(key)?.default.as_ref()
    }
}

/// An object: named fields, and what other keys hold.
#[derive(Debug)]
pub struct Map {
    pub(crate) atomic: bool,
    pub(crate) fields: BTreeMap<String, Field>,
    pub(crate) rest: Option<Ref>,
}

impl Map {
    /// Whether the object is one value: `x-kubernetes-map-type: atomic`.
    #[must_use]
    pub fn is_atomic(&self) -> bool {
        self.atomic
    }

    /// The named fields, by name.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.fields.iter().map(|(name, field)| (name.as_str(), field))
    }

    /// A named field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }

    /// What keys that are not named hold; `None` when there are no such keys.
    #[must_use]
    pub fn rest(&self) -> Option<&Type> {
        self.rest.as_ref().map(Ref::get)
    }

    /// What a key holds, named or not.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Type> {
        match self.fields.get(key) {
            Some(field) => Some(field.value()),
            None => self.rest(),
        }
    }
}

/// A named field of an object.
#[derive(Debug)]
pub struct Field {
    pub(crate) value: Ref,
    pub(crate) default: Option<Value>,
    pub(crate) required: bool,
    pub(crate) always_written: bool,
    pub(crate) patch: Option<Patch>,
}

impl Field {
    /// What the field holds.
    #[must_use]
    pub fn value(&self) -> &Type {
        self.value.get()
    }

    /// `default` of the schema.
    #[must_use]
    pub fn default(&self) -> Option<&Value> {
        self.default.as_ref()
    }

    /// Whether an object without the field is not valid.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Whether the Go type holds a struct rather than a pointer to one: then encoding always writes the field, if need be
    /// as `{}`. OpenAPI says so with a default of `{}`.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.default.as_ref().and_then(Value::as_object).is_some_and(serde_json::Map::is_empty)
    }

    /// Whether the field of a built-in type is written even when there is nothing in it, as `null` for a list, a map or a
    /// pointer.
    #[must_use]
    pub fn is_always_written(&self) -> bool {
        self.always_written
    }

    /// How a strategic merge patch treats the field.
    #[must_use]
    pub fn patch(&self) -> Option<&Patch> {
        self.patch.as_ref()
    }
}

/// How a strategic merge patch treats a field: `x-kubernetes-patch-strategy` and `x-kubernetes-patch-merge-key`.
/// <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md>
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patch {
    /// Lists are merged, not replaced.
    pub merge: bool,
    /// Maps are replaced, not merged.
    pub replace: bool,
    /// Keys that the patch does not retain are removed.
    pub retain_keys: bool,
    /// The field that tells items apart; without one, items are plain values.
    pub merge_key: Option<String>,
}

/// A type that is written out, or a shipped one by name.
#[derive(Debug, Clone)]
pub(crate) enum Ref {
    Inline(Arc<Type>),
    Named(&'static Definition),
    /// A shipped type that is atomic at this place, or granular although it is atomic elsewhere.
    Changed {
        of: &'static Definition,
        atomic: bool,
        compiled: Arc<OnceLock<Type>>,
    },
    /// Anything: maps merge by key, lists are atomic.
    Deduced,
    /// Anything, as one value.
    Untyped,
}

impl Ref {
    pub(crate) fn get(&self) -> &Type {
        match self {
            Self::Inline(of) => of,
            Self::Named(of) => of.compiled(),
            Self::Changed { of, atomic, compiled } => compiled.get_or_init(|| {
                let mut changed = Type::compile_definition(of.name, &of.openapi());
                if let Some(map) = &mut changed.map {
                    map.atomic = *atomic;
                }
                changed
            }),
            Self::Deduced => &DEDUCED,
            Self::Untyped => &UNTYPED,
        }
    }
}

static UNTYPED: LazyLock<Type> = LazyLock::new(|| anything(true, Ref::Untyped));
static DEDUCED: LazyLock<Type> = LazyLock::new(|| anything(false, Ref::Deduced));

fn anything(atomic: bool, rest: Ref) -> Type {
    Type {
        scalar: Some(Scalar::Untyped),
        list: Some(List { kind: ListKind::Atomic, keys: Vec::new(), items: Ref::Untyped }),
        map: Some(Map { atomic, fields: BTreeMap::new(), rest: Some(rest) }),
        ..Type::default()
    }
}

impl Type {
    /// Anything: maps merge by key, lists are atomic. What a custom resource without a schema is.
    #[must_use]
    pub fn deduced() -> &'static Self {
        &DEDUCED
    }

    /// Anything, as one value.
    #[must_use]
    pub fn untyped() -> &'static Self {
        &UNTYPED
    }

    /// The name of a built-in type: `io.k8s.api.core.v1.PodSpec`.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// The name of a built-in type as Go prints it: `v1.PodSpec`.
    #[must_use]
    pub fn go_name(&self) -> Option<&'static str> {
        let name = self.name?;
        let start = name.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
        name.get(start..)
    }

    /// Set when the value may be a plain one.
    #[must_use]
    pub fn scalar(&self) -> Option<Scalar> {
        self.scalar
    }

    /// What a plain value is decoded into.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// Set when the value may be a list.
    #[must_use]
    pub fn list(&self) -> Option<&List> {
        self.list.as_ref()
    }

    /// Set when the value may be an object.
    #[must_use]
    pub fn map(&self) -> Option<&Map> {
        self.map.as_ref()
    }

    /// A named field of an object.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.map.as_ref()?.fields.get(name)
    }

    /// What a key of an object holds; [`Type::deduced`] where the type does not say.
    #[must_use]
    pub fn value(&self, key: &str) -> &Self {
        self.map.as_ref().and_then(|map| map.value(key)).unwrap_or(&DEDUCED)
    }

    /// What the items of a list are; [`Type::untyped`] where the type does not say.
    #[must_use]
    pub fn items(&self) -> &Self {
        self.list.as_ref().map_or(&*UNTYPED, List::items)
    }

    /// What Go writes for a value of a built-in type that nothing was put into: embedded structs as `{}` with what they
    /// embed, and `null` for lists and objects that are written even when there are none. `{}` for anything else.
    #[must_use]
    pub fn empty_object(&self) -> Value {
        let mut out = serde_json::Map::new();
        if self.name.is_some() {
            for (name, field) in self.map.iter().flat_map(Map::fields) {
                let value = field.value();
                if field.is_embedded() && value.map().is_some() {
                    out.insert(name.to_owned(), value.empty_object());
                } else if field.is_always_written() && value.scalar().is_none() {
                    out.insert(name.to_owned(), Value::Null);
                }
            }
        }
        Value::Object(out)
    }

    /// Whether the value is a struct: an object with named fields only.
    #[must_use]
    pub fn is_struct(&self) -> bool {
        self.map.as_ref().is_some_and(|map| !map.fields.is_empty() && map.rest.is_none())
    }
}

/// The type of a kind: a built-in one, or that of a custom resource. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Schema(Ref);

impl Schema {
    /// The type of a built-in kind. The core group is the empty string.
    #[must_use]
    pub fn builtin(group: &str, version: &str, kind: &str) -> Option<Self> {
        Self::definition(shipped::definition_of(group, version, kind)?)
    }

    /// A built-in type by the name of its definition: `io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta`.
    #[must_use]
    pub fn definition(name: &str) -> Option<Self> {
        shipped::definition(name).map(|definition| Self(Ref::Named(definition)))
    }

    /// The type of a custom resource, from `openAPIV3Schema` of a version of its definition. `metadata`, `apiVersion` and
    /// `kind` have the types that every kind has. Without a schema everything is kept.
    /// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>
    #[must_use]
    pub fn custom(openapi: Option<&Value>, unknown: UnknownFields) -> Self {
        Self(Ref::Inline(Arc::new(Type::compile_custom(openapi, unknown))))
    }

    /// The type of what has no schema.
    #[must_use]
    pub fn deduced() -> Self {
        Self(Ref::Deduced)
    }
}

impl Deref for Schema {
    type Target = Type;

    fn deref(&self) -> &Type {
        self.0.get()
    }
}

/// What happens to fields of a custom resource that its schema does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownFields {
    /// They are dropped, but below `x-kubernetes-preserve-unknown-fields`.
    #[default]
    Pruned,
    /// They are kept: `spec.preserveUnknownFields` of old definitions.
    Kept,
}

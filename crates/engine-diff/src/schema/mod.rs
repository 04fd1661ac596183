//! What the structure of a kind says about comparing it: which lists merge by key, which maps are taken whole, which
//! texts are quantities.
//!
//! Kubernetes publishes this in its OpenAPI documents as
//! [`x-kubernetes-list-type`, `x-kubernetes-list-map-keys` and `x-kubernetes-map-type`](https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy).
//! For the built-in kinds it is written down here; of every other kind only the metadata is known, so its lists are
//! atomic, as the server treats them where a CRD says nothing.

mod builtin;
mod items;
#[cfg(test)]
mod truth;

use gitops_engine_core::{FieldPath, GroupKind, PathElement, Value};

pub(crate) use items::{Items, Members};

/// How a list merges
/// ([merge strategy](https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListType {
    /// As one value.
    Atomic,
    /// Member by member: each value is there or not.
    Set,
    /// Item by item: items with the same keys are the same item.
    Map(&'static [MergeKey]),
}

impl ListType {
    /// How the list at a path of a kind merges. [`ListType::Atomic`] for what is no list, or not known.
    ///
    /// ```
    /// use gitops_engine_core::{FieldPath, GroupKind};
    /// use gitops_engine_diff::{ListType, MergeKey};
    ///
    /// let ports = ListType::of(&GroupKind::new("", "Service"), &FieldPath::of(&["spec", "ports"]));
    /// const KEYS: &[MergeKey] = &[MergeKey::new("port"), MergeKey::with_default("protocol", "TCP")];
    /// assert_eq!(ports, ListType::Map(KEYS));
    /// ```
    pub fn of(kind: &GroupKind, path: &FieldPath) -> Self {
        let mut shape = Shape::of(kind);
        for element in &path.0 {
            shape = match element {
                PathElement::Key(key) => shape.field(key),
                _ => shape.items(),
            };
        }
        shape.list_type()
    }
}

/// One of the fields that identify an item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeKey {
    /// The name of the field.
    pub name: &'static str,
    /// What the server fills in where it is left out.
    pub default: Option<&'static str>,
}

impl MergeKey {
    /// A key that every item must have.
    pub const fn new(name: &'static str) -> Self {
        Self { name, default: None }
    }

    /// A key with a default.
    pub const fn with_default(name: &'static str, default: &'static str) -> Self {
        Self { name, default: Some(default) }
    }
}

/// What is known of the structure of one field.
#[derive(Clone, Copy)]
pub(crate) struct Shape(&'static Node);

/// A node of the table. Fields that it does not name are of no special structure.
struct Node {
    role: Role,
    fields: &'static [(&'static str, &'static Node)],
    /// The values of all other keys, and the items of a list.
    rest: Option<&'static Node>,
}

#[derive(Clone, Copy)]
enum Role {
    /// Maps merge key by key, lists are atomic.
    Plain,
    /// A map that is taken whole.
    Whole,
    /// A map of texts (labels) whose empty form the server drops. An empty text in it is a value.
    Texts,
    /// A map of texts that is taken whole.
    WholeTexts,
    /// A set.
    Set,
    /// A list with keys.
    Keyed(&'static [MergeKey]),
    /// A [quantity](https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/).
    Quantity,
}

static NOTHING: Node = Node { role: Role::Plain, fields: &[], rest: None };

impl Shape {
    /// Nothing is known.
    pub(crate) const fn unknown() -> Self {
        Self(&NOTHING)
    }

    /// The shape of a whole object.
    pub(crate) fn of(kind: &GroupKind) -> Self {
        Self(builtin::root(kind))
    }

    pub(crate) fn field(self, key: &str) -> Self {
        match self.0.fields.iter().find(|(name, _)| *name == key) {
            Some((_, node)) => Self(node),
            None => self.items(),
        }
    }

    pub(crate) fn items(self) -> Self {
        self.0.rest.map_or(Self::unknown(), Self)
    }

    pub(crate) fn list_type(self) -> ListType {
        match self.0.role {
            Role::Set => ListType::Set,
            Role::Keyed(keys) => ListType::Map(keys),
            _ => ListType::Atomic,
        }
    }

    /// Whether a map is taken whole.
    pub(crate) fn is_whole(self) -> bool {
        matches!(self.0.role, Role::Whole | Role::WholeTexts)
    }

    pub(crate) fn is_texts(self) -> bool {
        matches!(self.0.role, Role::Texts)
    }

    /// Whether the map is one of texts under names that its author chose: an empty one is a value.
    pub(crate) fn holds_texts(self) -> bool {
        matches!(self.0.role, Role::Texts | Role::WholeTexts)
    }

    pub(crate) fn is_quantity(self) -> bool {
        matches!(self.0.role, Role::Quantity)
    }
}

/// Whether the server knows the kind's Go type. It then leaves out what is empty, zero or false, and fills in defaults.
pub(crate) fn is_typed(kind: &GroupKind) -> bool {
    !kind.group.contains('.') || builtin::is_builtin_group(&kind.group)
}

/// The value of a merge key of an item.
pub(crate) fn key_value<'a>(item: &'a Value, key: &MergeKey) -> Option<KeyValue<'a>> {
    match item.get(key.name) {
        Some(Value::String(text)) => Some(KeyValue::Text(text)),
        Some(Value::Int(number)) => Some(KeyValue::Int(*number)),
        Some(Value::Bool(value)) => Some(KeyValue::Bool(*value)),
        None | Some(Value::Null) => key.default.map(KeyValue::Text),
        Some(_) => None,
    }
}

/// A scalar that identifies an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum KeyValue<'a> {
    Bool(bool),
    Int(i64),
    Text(&'a str),
}

impl From<KeyValue<'_>> for Value {
    fn from(value: KeyValue<'_>) -> Self {
        match value {
            KeyValue::Bool(value) => value.into(),
            KeyValue::Int(number) => number.into(),
            KeyValue::Text(text) => text.into(),
        }
    }
}

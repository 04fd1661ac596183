//! Fields of objects, and how they change.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Value;

/// One step into an object.
#[derive(Clone, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PathElement {
    /// A key of a map.
    Key(Arc<str>),
    /// A position in an atomic list, from 0.
    Index(usize),
    /// The item of an associative list with these key fields, such as `name=web`.
    Item(Vec<(Arc<str>, Value)>),
    /// The item of a set with this value.
    Member(Value),
}

/// A path from the root of an object. Displayed as `spec.containers[name=web].image`.
#[derive(Clone, Debug, Default, PartialEq, PartialOrd)]
pub struct FieldPath(pub Vec<PathElement>);

impl FieldPath {
    /// The root of the object.
    pub fn root() -> Self {
        Self::default()
    }

    /// A path of plain keys.
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| PathElement::Key((*key).into())).collect())
    }

    /// This path, one step further.
    #[must_use]
    pub fn join(&self, element: PathElement) -> Self {
        let mut elements = Vec::with_capacity(self.0.len() + 1);
        elements.extend_from_slice(&self.0);
        elements.push(element);
        Self(elements)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scalar = |f: &mut fmt::Formatter<'_>, value: &Value| match value {
            Value::String(text) => f.write_str(text),
            other => write!(f, "{other}"),
        };
        for (position, element) in self.0.iter().enumerate() {
            match element {
                PathElement::Key(key) if plain(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(key)?;
                }
                PathElement::Key(key) => write!(f, "[{key:?}]")?,
                PathElement::Index(index) => write!(f, "[{index}]")?,
                PathElement::Item(keys) => {
                    f.write_str("[")?;
                    for (position, (key, value)) in keys.iter().enumerate() {
                        if position > 0 {
                            f.write_str(",")?;
                        }
                        write!(f, "{key}=")?;
                        scalar(f, value)?;
                    }
                    f.write_str("]")?;
                }
                PathElement::Member(value) => {
                    f.write_str("[=")?;
                    scalar(f, value)?;
                    f.write_str("]")?;
                }
            }
        }
        Ok(())
    }
}

fn plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'$'))
}

impl Serialize for FieldPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

/// A value as it may be shown: secret values are replaced before they get here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shown {
    /// There is no value.
    Absent,
    /// The value.
    Plain(Value),
    /// A secret value. Within one comparison equal numbers stand for equal values, and nothing else is told.
    Secret(u32),
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FieldChange {
    /// Which field.
    pub path: FieldPath,
    /// What the cluster has.
    pub before: Shown,
    /// What the desired state leads to.
    pub after: Shown,
    /// The field managers that own the field now, where known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
}

impl FieldChange {
    /// A change of one field whose owners are not known.
    pub fn new(path: FieldPath, before: Shown, after: Shown) -> Self {
        Self { path, before, after, owners: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_like_kubernetes_error_messages() {
        let path = FieldPath::of(&["spec", "containers"])
            .join(PathElement::Item(vec![("name".into(), Value::from("web"))]))
            .join(PathElement::Key("image".into()));
        assert_eq!(path.to_string(), "spec.containers[name=web].image");
        let path = FieldPath::of(&["metadata", "labels", "app.kubernetes.io/name"]);
        assert_eq!(path.to_string(), r#"metadata.labels["app.kubernetes.io/name"]"#);
    }
}

//! Who owns which field: [`metadata.managedFields`](https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management)
//! in its `FieldsV1` form.
//!
//! Written for text from anywhere: what does not parse owns nothing.

use gitops_engine_core::{FieldPath, Map, PathElement, Value};

/// The fields that one manager owns through one kind of request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ManagerFields {
    /// The name of the manager.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// The subresource, such as `status`; empty for the object itself.
    pub subresource: String,
    /// What it owns.
    pub fields: FieldSet,
}

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldSet {
    /// Whether the field itself belongs to the set, and not only fields in it.
    itself: bool,
    inner: Vec<(PathElement, FieldSet)>,
}

/// Reads `metadata.managedFields`, as [`Manifest::managed_fields`](gitops_engine_core::Manifest::managed_fields) keeps it.
///
/// Entries that are no entries, and elements of an unknown form, are left out.
pub fn managed_fields(text: &str) -> Vec<ManagerFields> {
    let Ok(Value::Array(entries)) = Value::from_json(text.as_bytes()) else { return Vec::new() };
    let entry = |entry: &Value| {
        let text = |key| entry.text([key]).unwrap_or_default().to_owned();
        Some(ManagerFields {
            manager: entry.text(["manager"])?.to_owned(),
            operation: text("operation"),
            subresource: text("subresource"),
            fields: FieldSet::from_fields_v1(entry.get("fieldsV1")?),
        })
    };
    entries.iter().filter_map(entry).collect()
}

impl FieldSet {
    /// Reads the [`FieldsV1`](https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/) form.
    pub fn from_fields_v1(fields: &Value) -> Self {
        let Value::Object(map) = fields else { return Self::default() };
        let inner: Vec<_> = map
            .iter()
            .filter_map(|(key, fields)| Some((element(key.as_str())?, Self::from_fields_v1(fields))))
            .collect();
        Self { itself: map.is_empty() || map.get(".").is_some(), inner }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        !self.itself && self.inner.is_empty()
    }

    /// Whether the set has the field, or a field in it, or the atomic value that the field is a part of.
    pub fn touches(&self, path: &FieldPath) -> bool {
        let mut set = self;
        for (depth, step) in path.0.iter().enumerate() {
            match set.inner.iter().find(|(element, _)| matches(element, step)) {
                Some((_, inner)) => set = inner,
                // A leaf of the set is owned with all that is in it.
                None => return depth > 0 && set.itself && set.inner.is_empty(),
            }
        }
        !set.is_empty()
    }

    /// The part of a value that the set has: what an apply of its manager declared, as it is now.
    ///
    /// Of a map or list that is owned as a whole nobody can tell which of its fields were declared and which the server
    /// filled in. `true` stands in its place.
    pub(crate) fn project(&self, value: &Value) -> Option<Value> {
        if self.inner.is_empty() {
            return self.itself.then(|| match value {
                Value::Object(_) | Value::Array(_) => Value::Bool(true),
                scalar => scalar.clone(),
            });
        }
        Some(match value {
            Value::Object(map) => Value::Object(
                self.inner
                    .iter()
                    .filter_map(|(element, inner)| match element {
                        PathElement::Key(key) => Some((key.as_ref().into(), inner.project(map.get(key)?)?)),
                        _ => None,
                    })
                    .collect::<Map>(),
            ),
            Value::Array(items) => {
                let owned = |(at, item): (usize, &Value)| {
                    self.inner.iter().find_map(|(element, inner)| match element {
                        PathElement::Index(index) if *index == at => inner.project(item),
                        PathElement::Member(member) if member == item => Some(item.clone()),
                        PathElement::Item(keys) if has_keys(item, keys) => Some(inner.project_item(item, keys)),
                        _ => None,
                    })
                };
                Value::Array(items.iter().enumerate().filter_map(owned).collect())
            }
            other => other.clone(),
        })
    }

    /// An item keeps its keys: without them nobody would know it again.
    fn project_item(&self, item: &Value, keys: &[(std::sync::Arc<str>, Value)]) -> Value {
        let mut owned = match self.project(item) {
            Some(Value::Object(map)) => map,
            _ => Map::default(),
        };
        for (key, value) in keys {
            if owned.get(key).is_none() {
                owned.insert(key.as_ref().into(), value.clone());
            }
        }
        owned.into()
    }
}

/// `f:` a field, `k:` an item by keys, `v:` a member of a set, `i:` a position.
fn element(key: &str) -> Option<PathElement> {
    let (form, text) = key.split_once(':')?;
    Some(match form {
        "f" => PathElement::Key(text.into()),
        "v" => PathElement::Member(Value::from_json(text.as_bytes()).ok()?),
        "i" => PathElement::Index(text.parse().ok()?),
        "k" => match Value::from_json(text.as_bytes()).ok()? {
            Value::Object(keys) => PathElement::Item(
                keys.into_entries().into_iter().map(|(key, value)| (key.to_shared(), value)).collect(),
            ),
            _ => return None,
        },
        _ => return None,
    })
}

/// Whether an element of a set is a step of a path. The keys of items may stand in another order.
fn matches(element: &PathElement, step: &PathElement) -> bool {
    match (element, step) {
        (PathElement::Item(a), PathElement::Item(b)) => a.len() == b.len() && a.iter().all(|entry| b.contains(entry)),
        (element, step) => element == step,
    }
}

fn has_keys(item: &Value, keys: &[(std::sync::Arc<str>, Value)]) -> bool {
    // Only the protocol of a port may be left out, and it is TCP then.
    keys.iter().all(|(key, value)| match item.get(key) {
        Some(found) => found == value,
        None => &**key == "protocol" && value.as_str() == Some("TCP"),
    })
}

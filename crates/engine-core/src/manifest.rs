//! One Kubernetes object, immutable and shared.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::value::{Open, ValueSeed};
use crate::{Digest, Error, ErrorKind, FieldPath, GroupKind, Key, ObjectId, Result, Uid, Value};

/// What to do with `metadata.managedFields` while parsing: it is a third of a typical object, and few need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManagedFields {
    /// Skip it.
    #[default]
    Drop,
    /// Keep it, as text, apart from the object.
    Keep,
}

/// An owner of an object ([`metadata.ownerReferences`](https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/)),
/// or an owner that a cache infers where Kubernetes names none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerReference {
    /// Group and kind.
    pub kind: GroupKind,
    /// Its name, in the same namespace or cluster-scoped.
    pub name: Arc<str>,
    /// Its uid.
    pub uid: Uid,
}

/// A Kubernetes object: immutable, cheap to clone, parsed straight from JSON into a compact tree.
///
/// `Debug` names the object and shows nothing of its content: it may be a Secret.
///
/// ```
/// use gitops_engine_core::{ManagedFields, Manifest};
///
/// let text = br#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}}"#;
/// let manifest = Manifest::from_json(text, ManagedFields::Drop)?;
/// assert_eq!(manifest.id().to_string(), "apps/Deployment shop/web");
/// # Ok::<(), gitops_engine_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Manifest(Arc<Inner>);

struct Inner {
    id: ObjectId,
    version: Arc<str>,
    body: Value,
    managed_fields: Option<Box<str>>,
    digest: OnceLock<Digest>,
}

impl Manifest {
    /// Parses JSON text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it is not JSON, or not an object with `apiVersion`, `kind` and `metadata.name`
    /// (or `metadata.generateName`).
    pub fn from_json(text: &[u8], managed_fields: ManagedFields) -> Result<Self> {
        let mut parser = serde_json::Deserializer::from_slice(text);
        let parsed = RootSeed { managed_fields }.parse(&mut parser).and_then(|parsed| parser.end().map(|()| parsed));
        let (body, managed_fields) = parsed.map_err(|error| {
            // serde_json's messages name types and positions, never values of the input.
            Error::new(ErrorKind::InvalidInput, format!("this is not a JSON object: {error}"))
        })?;
        Self::build(body, managed_fields)
    }

    /// Makes a manifest of a parsed object. `metadata.managedFields` is dropped.
    ///
    /// # Errors
    /// As [`Manifest::from_json`].
    pub fn from_value(mut body: Value) -> Result<Self> {
        body.unset(&["metadata", "managedFields"]);
        Self::build(body, None)
    }

    fn build(body: Value, managed_fields: Option<Box<str>>) -> Result<Self> {
        let text = |keys: &[&str]| match body.path(keys.iter().copied()) {
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(Arc::<str>::from(&**text))),
            None | Some(Value::Null | Value::String(_)) => Ok(None),
            Some(other) => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{} must be a text and is {}", keys.join("."), other.type_name()),
            )
            .field(FieldPath::of(keys))),
        };
        let missing = |field: &str| {
            Error::new(ErrorKind::InvalidInput, format!("this is not a Kubernetes object: it has no {field}"))
        };
        if !matches!(body, Value::Object(_)) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("a Kubernetes object is a map, this is {}", body.type_name()),
            ));
        }
        let api_version = text(&["apiVersion"])?.ok_or_else(|| missing("apiVersion"))?;
        let kind = text(&["kind"])?.ok_or_else(|| missing("kind"))?;
        let name = match text(&["metadata", "name"])? {
            Some(name) => name,
            None if text(&["metadata", "generateName"])?.is_some() => "".into(),
            None => return Err(missing("metadata.name")),
        };
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        if version.is_empty() || version.contains('/') {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("apiVersion {api_version:?} is neither VERSION nor GROUP/VERSION"),
            )
            .field(FieldPath::of(&["apiVersion"])));
        }
        let id = ObjectId {
            kind: GroupKind { group: Key::new(group).to_shared(), kind: Key::new(&kind).to_shared() },
            namespace: text(&["metadata", "namespace"])?.map(|namespace| Key::new(&namespace).to_shared()),
            name,
        };
        let version = Key::new(version).to_shared();
        Ok(Self(Arc::new(Inner { id, version, body, managed_fields, digest: OnceLock::new() })))
    }

    /// The identity. The name is empty where the object has only a `generateName`.
    pub fn id(&self) -> &ObjectId {
        &self.0.id
    }

    /// The version without its group: `v1`.
    pub fn version(&self) -> &Arc<str> {
        &self.0.version
    }

    /// `apiVersion` as written.
    pub fn api_version(&self) -> &str {
        self.body().text(["apiVersion"]).unwrap_or_default()
    }

    /// The whole object, without `metadata.managedFields`.
    pub fn body(&self) -> &Value {
        &self.0.body
    }

    /// A top-level field, such as `spec`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.body().get(key)
    }

    /// `metadata.managedFields` as JSON text, where it was kept.
    pub fn managed_fields(&self) -> Option<&str> {
        self.0.managed_fields.as_deref()
    }

    /// `metadata.uid`.
    pub fn uid(&self) -> Option<Uid> {
        self.body().text(["metadata", "uid"]).map(Uid::from)
    }

    /// `metadata.resourceVersion`.
    pub fn resource_version(&self) -> Option<&str> {
        self.body().text(["metadata", "resourceVersion"])
    }

    /// `metadata.generation`.
    pub fn generation(&self) -> Option<i64> {
        self.body().int(["metadata", "generation"])
    }

    /// `metadata.generateName`.
    pub fn generate_name(&self) -> Option<&str> {
        self.body().text(["metadata", "generateName"])
    }

    /// An annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.body().text(["metadata", "annotations", name])
    }

    /// A label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.body().text(["metadata", "labels", name])
    }

    /// All annotations, by name. Values that are not texts are left out.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        let map = self.body().path(["metadata", "annotations"]).and_then(Value::as_object);
        map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    /// Whether `metadata.deletionTimestamp` is set.
    pub fn is_deleting(&self) -> bool {
        self.body().path(["metadata", "deletionTimestamp"]).is_some_and(|time| !time.is_null())
    }

    /// `metadata.ownerReferences`. Entries without kind, name or uid are left out.
    pub fn owners(&self) -> Vec<OwnerReference> {
        let owner = |reference: &Value| {
            let api_version = reference.text(["apiVersion"])?;
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            Some(OwnerReference {
                kind: GroupKind::new(Key::new(group).to_shared(), Key::new(reference.text(["kind"])?).to_shared()),
                name: reference.text(["name"])?.into(),
                uid: reference.text(["uid"])?.into(),
            })
        };
        self.body().items(["metadata", "ownerReferences"]).iter().filter_map(owner).collect()
    }

    /// The digest of the canonical JSON of the object. Computed once.
    pub fn digest(&self) -> Digest {
        *self.0.digest.get_or_init(|| Digest::of_json(&self.0.body))
    }

    /// A copy with changes.
    ///
    /// # Errors
    /// When the result is no Kubernetes object any more.
    pub fn edit(&self, change: impl FnOnce(&mut Value)) -> Result<Self> {
        let mut body = self.body().clone();
        change(&mut body);
        Self::from_value(body)
    }

    /// A copy in a namespace (`Some`), or without one (`None`).
    ///
    /// # Errors
    /// Never for a manifest that came from a constructor; the signature is [`Manifest::edit`]'s.
    pub fn in_namespace(&self, namespace: Option<&str>) -> Result<Self> {
        if self.id().namespace.as_deref() == namespace {
            return Ok(self.clone());
        }
        self.edit(|body| match namespace {
            Some(namespace) => body.set(&["metadata", "namespace"], namespace.into()),
            None => {
                body.unset(&["metadata", "namespace"]);
            }
        })
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manifest({})", self.id())
    }
}

impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.body() == other.body()
    }
}

impl Serialize for Manifest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.body().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Parses a whole object and takes `metadata.managedFields` apart on the way.
struct RootSeed {
    managed_fields: ManagedFields,
}

impl RootSeed {
    fn parse<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<(Value, Option<Box<str>>), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RootSeed {
    type Value = (Value, Option<Box<str>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = None;
        let body = Open::default().map(&mut map, |open, key, map| {
            if key.as_str() != "metadata" {
                return map.next_value_seed(ValueSeed(open)).map(Some);
            }
            let seed = MetadataSeed { managed_fields: self.managed_fields, open };
            let (metadata, managed_fields) = map.next_value_seed(seed)?;
            kept = managed_fields;
            Ok(Some(metadata))
        })?;
        Ok((body.into(), kept))
    }
}

struct MetadataSeed<'o> {
    managed_fields: ManagedFields,
    open: &'o mut Open,
}

impl<'de> serde::de::DeserializeSeed<'de> for MetadataSeed<'_> {
    type Value = (Value, Option<Box<str>>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MetadataSeed<'_> {
    type Value = (Value, Option<Box<str>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata, a map")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok((Value::Null, None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = None;
        let metadata = self.open.map(&mut map, |open, key, map| {
            if key.as_str() != "managedFields" {
                return map.next_value_seed(ValueSeed(open)).map(Some);
            }
            match self.managed_fields {
                ManagedFields::Drop => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                }
                ManagedFields::Keep => kept = Some(Box::<str>::from(map.next_value::<&RawValue>()?.get())),
            }
            Ok(None)
        })?;
        Ok((metadata.into(), kept))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    const POD: &[u8] = br#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"n","uid":"u","resourceVersion":"7",
        "managedFields":[{"manager":"m"}],"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"ru"}]}}"#;

    #[test]
    fn managed_fields_are_kept_apart_or_dropped() {
        let kept = Manifest::from_json(POD, ManagedFields::Keep).unwrap();
        assert_eq!(kept.managed_fields(), Some(r#"[{"manager":"m"}]"#));
        let dropped = Manifest::from_json(POD, ManagedFields::Drop).unwrap();
        assert_eq!(dropped.managed_fields(), None);
        assert_eq!(kept, dropped);
        assert_eq!(kept.digest(), dropped.digest());
        assert!(kept.body().path(["metadata", "managedFields"]).is_none());
    }

    #[test]
    fn reads_its_header() {
        let pod = Manifest::from_json(POD, ManagedFields::Drop).unwrap();
        assert_eq!(pod.id(), &ObjectId::namespaced("", "Pod", "n", "p"));
        assert_eq!(&**pod.version(), "v1");
        assert_eq!(pod.owners()[0].kind, GroupKind::new("apps", "ReplicaSet"));
        assert_eq!(pod.resource_version(), Some("7"));
    }

    #[test]
    fn says_what_is_missing() {
        for (text, message) in [
            ("[]", "this is not a JSON object"),
            ("{", "this is not a JSON object"),
            (r#"{"kind":"Pod"}"#, "it has no apiVersion"),
            (r#"{"apiVersion":"v1"}"#, "it has no kind"),
            (r#"{"apiVersion":"v1","kind":"Pod"}"#, "it has no metadata.name"),
            (
                r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":3}}"#,
                "metadata.name must be a text and is an integer",
            ),
            (r#"{"apiVersion":"a/b/c","kind":"Pod","metadata":{"name":"x"}}"#, "neither VERSION nor GROUP/VERSION"),
        ] {
            let error = Manifest::from_json(text.as_bytes(), ManagedFields::Drop).unwrap_err();
            assert!(error.to_string().contains(message), "{text}: {error}");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn debug_shows_no_content() {
        let secret = br#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s"},"stringData":{"p":"hunter2"}}"#;
        let secret = Manifest::from_json(secret, ManagedFields::Drop).unwrap();
        assert_eq!(format!("{secret:?}"), "Manifest(Secret s)");
    }
}

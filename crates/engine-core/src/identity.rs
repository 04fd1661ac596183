//! What an object is called. The API version is not part of its identity: one object is served under many.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeSeed;
use serde::{Deserialize, Deserializer, Serialize};

use crate::value::KeySeed;

/// An API group and a kind, without a version. The core group is the empty string.
#[derive(Clone, Debug, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::derived_hash_with_manual_eq, reason = "equality is that of the fields, only faster")]
pub struct GroupKind {
    /// The API group, such as `apps`; empty for the core group.
    #[serde(deserialize_with = "shared")]
    pub group: Arc<str>,
    /// The kind, such as `Deployment`.
    #[serde(deserialize_with = "shared")]
    pub kind: Arc<str>,
}

impl GroupKind {
    /// A group and a kind.
    pub fn new(group: impl Into<Arc<str>>, kind: impl Into<Arc<str>>) -> Self {
        Self { group: group.into(), kind: kind.into() }
    }

    /// Whether this is the kind `kind` of the group `group`.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        *self.group == *group && *self.kind == *kind
    }
}

impl PartialEq for GroupKind {
    fn eq(&self, other: &Self) -> bool {
        same(&self.kind, &other.kind) && same(&self.group, &other.group)
    }
}

impl Ord for GroupKind {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.group, &other.group).then_with(|| compare(&self.kind, &other.kind))
    }
}

impl PartialOrd for GroupKind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

// Groups, kinds and namespaces are few and shared (`Key::to_shared`): most comparisons are of a text with itself, and the
// planner makes millions of them.

fn shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    Ok(KeySeed.deserialize(deserializer)?.to_shared())
}

fn shared_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    #[derive(Deserialize)]
    struct Shared(#[serde(deserialize_with = "shared")] Arc<str>);
    Ok(Option::<Shared>::deserialize(deserializer)?.map(|Shared(text)| text))
}

fn same(a: &Arc<str>, b: &Arc<str>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

fn compare(a: &Arc<str>, b: &Arc<str>) -> Ordering {
    if Arc::ptr_eq(a, b) { Ordering::Equal } else { a.cmp(b) }
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(&self.kind) } else { write!(f, "{}/{}", self.group, self.kind) }
    }
}

/// The identity of an object: group, kind, namespace and name.
///
/// Ordered by group, kind, namespace (cluster-scoped first) and name. Displayed as `apps/Deployment shop/web`,
/// `ConfigMap shop/settings`, `Namespace shop`.
#[derive(Clone, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::derived_hash_with_manual_eq, reason = "equality is that of the fields, only faster")]
pub struct ObjectId {
    /// Group and kind.
    #[serde(flatten)]
    pub kind: GroupKind,
    /// The namespace; `None` for an object of a cluster-scoped kind.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "shared_or_none")]
    pub namespace: Option<Arc<str>>,
    /// `metadata.name`.
    pub name: Arc<str>,
}

impl ObjectId {
    /// The identity of an object of a namespaced kind.
    pub fn namespaced(
        group: impl Into<Arc<str>>,
        kind: impl Into<Arc<str>>,
        namespace: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
    ) -> Self {
        Self { kind: GroupKind::new(group, kind), namespace: Some(namespace.into()), name: name.into() }
    }

    /// The identity of an object of a cluster-scoped kind.
    pub fn cluster(group: impl Into<Arc<str>>, kind: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { kind: GroupKind::new(group, kind), namespace: None, name: name.into() }
    }
}

impl PartialEq for ObjectId {
    fn eq(&self, other: &Self) -> bool {
        let namespaces = match (&self.namespace, &other.namespace) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            _ => false,
        };
        // The name is what differs most often.
        namespaces && same(&self.name, &other.name) && self.kind == other.kind
    }
}

impl Ord for ObjectId {
    fn cmp(&self, other: &Self) -> Ordering {
        let namespaces = || match (&self.namespace, &other.namespace) {
            (Some(a), Some(b)) => compare(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        self.kind.cmp(&other.kind).then_with(namespaces).then_with(|| compare(&self.name, &other.name))
    }
}

impl PartialOrd for ObjectId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {}/{}", self.kind, namespace, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One name space for the whole cluster.
    Cluster,
    /// One name space for each namespace.
    Namespaced,
}

/// A kind as one API server serves it: what is needed to write a request URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceType {
    /// Group and kind.
    #[serde(flatten)]
    pub kind: GroupKind,
    /// The version, such as `v1`, without the group.
    pub version: Arc<str>,
    /// The plural name in URLs, such as `deployments`.
    pub plural: Arc<str>,
    /// Whether the objects live in namespaces.
    pub scope: Scope,
}

impl ResourceType {
    /// `apiVersion` as manifests spell it: `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.kind.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.kind.group, self.version)
        }
    }
}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(text: impl Into<std::sync::Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    };
}
pub(crate) use text_newtype;

text_newtype! {
    /// `metadata.uid`: the proof that an object is the very one that was seen before.
    Uid
}

text_newtype! {
    /// The name of an application: the unit that is reconciled, and the owner of one inventory.
    ///
    /// It becomes part of the name of a Kubernetes object (the inventory), so the engine accepts only
    /// [DNS labels](https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names)
    /// of at most 40 characters; see [`ApplicationName::parse`].
    ApplicationName
}

impl ApplicationName {
    /// Checks the name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it is not a DNS label of 1 to 40 characters.
    pub fn parse(text: &str) -> crate::Result<Self> {
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let edge = |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let bytes = text.as_bytes();
        if bytes.len() <= 40 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|c| inner(*c)) {
            return Ok(Self::new(text));
        }
        Err(crate::Error::new(crate::ErrorKind::InvalidInput, format!("{text:?} is not a name for an application"))
            .help("use 1 to 40 lower-case letters, digits and dashes, with a letter or digit at both ends"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_as_people_write_it() {
        assert_eq!(ObjectId::namespaced("apps", "Deployment", "shop", "web").to_string(), "apps/Deployment shop/web");
        assert_eq!(ObjectId::cluster("", "Namespace", "shop").to_string(), "Namespace shop");
    }

    #[test]
    fn the_order_is_that_of_group_kind_namespace_and_name() {
        let texts = ["", "a", "b"];
        let mut ids = Vec::new();
        for (group, kind) in texts.iter().flat_map(|group| texts.map(|kind| (*group, kind))) {
            for name in texts {
                ids.push(ObjectId::cluster(group, kind, name));
                ids.extend(texts.map(|namespace| ObjectId::namespaced(group, kind, namespace, name)));
            }
        }
        let parts =
            |id: &ObjectId| (id.kind.group.clone(), id.kind.kind.clone(), id.namespace.clone(), id.name.clone());
        for a in &ids {
            for b in &ids {
                // Of shared texts and of others.
                let copy = ObjectId { name: Arc::from(&*b.name), kind: a.kind.clone(), namespace: a.namespace.clone() };
                for b in [b, &copy] {
                    assert_eq!(a.cmp(b), parts(a).cmp(&parts(b)), "{a:?} {b:?}");
                    assert_eq!(a == b, parts(a) == parts(b), "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn application_names_are_dns_labels() {
        for good in ["a", "shop", "shop-2", "0"] {
            assert!(ApplicationName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", &"x".repeat(41)] {
            assert!(ApplicationName::parse(bad).is_err(), "{bad}");
        }
    }
}

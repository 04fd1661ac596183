//! The resources that the cluster serves: the built-in table and those that CRDs add while it runs.

mod autoscaler;
mod builtin;
pub(crate) mod shared;

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use gitops_engine_schema::{
    Schema, Versions,
    managed::{self, ResetFields},
};
use serde_json::Value;

use crate::{
    admission,
    crd::{self, CrdVersion},
    json,
    status::ApiError,
    store::Stored,
};

/// Group and plural name: what storage and rules are keyed by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupResource {
    pub(crate) group: Arc<str>,
    pub(crate) resource: Arc<str>,
}

impl GroupResource {
    pub(crate) fn new(group: &str, resource: &str) -> Self {
        Self { group: group.into(), resource: resource.into() }
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(&self.resource) } else { write!(f, "{}.{}", self.resource, self.group) }
    }
}

impl fmt::Debug for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a custom resource keeps what its scale subresource shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScalePaths {
    pub(crate) spec_replicas: Vec<String>,
    pub(crate) status_replicas: Vec<String>,
    pub(crate) selector: Option<Vec<String>>,
}

/// A subresource as discovery describes it.
#[derive(Debug, Clone)]
pub(crate) struct Subresource {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// The group and version of its kind, when they are not the resource's.
    pub(crate) other: Option<(String, String)>,
    pub(crate) verbs: Vec<String>,
}

/// One served resource.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) gr: GroupResource,
    pub(crate) kind: String,
    pub(crate) singular: String,
    /// Served versions, the preferred one first.
    pub(crate) versions: Vec<String>,
    pub(crate) storage_version: String,
    pub(crate) namespaced: bool,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    /// False for reviews: they answer `create` and keep nothing.
    pub(crate) stored: bool,
    pub(crate) verbs: Vec<String>,
    pub(crate) storage_version_hash: Option<String>,
    /// Of built-in kinds: [`Resource::has_status`] knows of all.
    pub(crate) status: bool,
    /// Of built-in kinds: [`Resource::scale_at`] knows of all.
    pub(crate) scale: Option<ScalePaths>,
    /// Of built-in kinds, as discovery lists them.
    pub(crate) subresources: Vec<Subresource>,
    /// Per version, served or not; empty for built-in kinds.
    pub(crate) crd: BTreeMap<String, CrdVersion>,
}

impl Resource {
    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.gr.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.gr.group) }
    }

    pub(crate) fn is(&self, group: &str, resource: &str) -> bool {
        &*self.gr.group == group && &*self.gr.resource == resource
    }

    /// Whether objects are events, which a server keeps in no cache.
    pub(crate) fn is_event(&self) -> bool {
        matches!(&*self.gr.group, "" | "events.k8s.io") && &*self.gr.resource == "events"
    }

    pub(crate) fn is_custom(&self) -> bool {
        !self.crd.is_empty()
    }

    pub(crate) fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    /// What discovery lists below the resource in one of its versions.
    pub(crate) fn subresources(&self, version: &str) -> Vec<Subresource> {
        let Some(served) = self.crd.get(version) else { return self.subresources.clone() };
        let sub = |name: &str, kind: &str, other| Subresource {
            name: name.to_owned(),
            kind: kind.to_owned(),
            other,
            verbs: ["get", "patch", "update"].map(str::to_owned).to_vec(),
        };
        let status = served.status.then(|| sub("status", &self.kind, None));
        let scale = || sub("scale", "Scale", Some(("autoscaling".to_owned(), "v1".to_owned())));
        status.into_iter().chain(served.scale.is_some().then(scale)).collect()
    }

    /// Whether the status is written by itself in this version.
    pub(crate) fn has_status(&self, version: &str) -> bool {
        self.crd.get(version).map_or(self.status, |custom| custom.status)
    }

    /// Where the scale is kept in this version.
    pub(crate) fn scale_at(&self, version: &str) -> Option<&ScalePaths> {
        match self.crd.get(version) {
            Some(custom) => custom.scale.as_ref(),
            None => self.scale.as_ref(),
        }
    }

    /// The schema that server-side apply merges by.
    pub(crate) fn schema(&self, version: &str) -> Schema {
        match self.crd.get(version) {
            Some(v) => v.schema.clone(),
            None => Schema::builtin(&self.gr.group, version, &self.kind).unwrap_or_else(Schema::deduced),
        }
    }

    /// A stored object as a version of the API shows it, where that is not how it is kept.
    pub(crate) fn shown_at(&self, stored: &Stored, version: &str) -> Option<Value> {
        if self.is_custom() && version != self.storage_version {
            return Some(crd::read_as(self, &stored.as_written(), version));
        }
        self.value_at(&stored.value, version)
    }

    /// The same of an object that is not stored, which may be in that version already.
    pub(crate) fn value_at(&self, value: &Value, version: &str) -> Option<Value> {
        let api_version = self.api_version(version);
        let own = self.is_custom() && value["apiVersion"] == *api_version;
        if own || version == self.storage_version {
            return None;
        }
        Some(self.in_version(value, &api_version))
    }

    /// A stored object as changes of it begin: custom resources are changed in the version of the request, all others in
    /// the one that is stored.
    pub(crate) fn live<'s>(&self, stored: &'s Stored, version: &str) -> Cow<'s, Value> {
        match self.shown_at(stored, version).filter(|_| self.is_custom()) {
            Some(shown) => Cow::Owned(shown),
            None => stored.whole(),
        }
    }

    /// An object in the shape of one of its versions.
    pub(crate) fn in_version(&self, stored: &Value, api_version: &str) -> Value {
        if self.is("autoscaling", "horizontalpodautoscalers") && api_version == "autoscaling/v1" {
            let mut shown = autoscaler::as_v1(stored);
            shown["apiVersion"] = api_version.into();
            admission::encode_as(api_version, &self.kind, &mut shown);
            return shown;
        }
        let mut shown = stored.clone();
        shown["apiVersion"] = api_version.into();
        shown
    }

    /// An object of any version in the shape that is stored.
    pub(crate) fn make_stored(&self, object: &mut Value) {
        if self.is("autoscaling", "horizontalpodautoscalers") {
            autoscaler::stored(object);
        }
        object["apiVersion"] = self.api_version(&self.storage_version).into();
    }
}

impl Resource {
    /// The version of an `apiVersion`, when it is one of this resource's, served or not.
    fn version_of<'v>(&self, api_version: &'v str) -> Option<&'v str> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let known = self.crd.contains_key(version) || self.versions.iter().any(|v| v == version);
        (group == &*self.gr.group && known).then_some(version)
    }
}

/// Stored objects are all in the storage version.
impl Versions for Resource {
    fn schema(&self, api_version: &str) -> Option<Schema> {
        self.version_of(api_version).map(|version| Self::schema(self, version))
    }

    fn convert<'v>(&self, object: &'v Value, api_version: &str) -> Option<Cow<'v, Value>> {
        self.version_of(api_version)?;
        let own = object.get("apiVersion").and_then(Value::as_str);
        if own.is_none_or(|v| v == api_version) {
            return Some(Cow::Borrowed(object));
        }
        if self.is_custom() {
            return Some(Cow::Owned(self.in_version(object, api_version)));
        }
        let stored_version = self.api_version(&self.storage_version);
        if own == Some(stored_version.as_str()) {
            return Some(Cow::Owned(self.in_version(object, api_version)));
        }
        let mut stored = object.clone();
        self.make_stored(&mut stored);
        admission::encode(self, &mut stored);
        Some(Cow::Owned(if api_version == stored_version { stored } else { self.in_version(&stored, api_version) }))
    }

    fn empty(&self, api_version: &str) -> Option<Value> {
        let mut empty = Versions::schema(self, api_version)?.empty_object();
        if !self.is_custom() {
            admission::encode_as(api_version, &self.kind, &mut empty);
        }
        Some(empty)
    }

    fn reset_fields(&self, api_version: &str, subresource: &str) -> Option<ResetFields> {
        match self.crd.get(self.version_of(api_version)?) {
            Some(served) => served.status.then(|| managed::custom_reset_fields(subresource)).flatten(),
            None => managed::reset_fields(&self.gr.group, &self.gr.resource, subresource, self.status),
        }
    }
}

/// The group of an `apiVersion`; that of the core has no name.
pub(crate) fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The Go package in which a real server has its own types of a group.
pub(crate) fn package(group: &str) -> &str {
    match group {
        "" | "events.k8s.io" => "core",
        _ => group.split('.').next().unwrap_or(group),
    }
}

/// The kind of what is posted to evict a Pod, which is no resource of its own.
pub(crate) fn eviction() -> Arc<Resource> {
    builtin::EVICTION.clone()
}

/// A resource as one of its versions writes it.
pub(crate) struct ServedAt<'a> {
    resource: &'a Resource,
    version: &'a str,
}

impl Resource {
    pub(crate) fn served_at<'a>(&'a self, version: &'a str) -> ServedAt<'a> {
        ServedAt { resource: self, version }
    }
}

impl Versions for ServedAt<'_> {
    fn schema(&self, api_version: &str) -> Option<Schema> {
        Versions::schema(self.resource, api_version)
    }

    fn convert<'v>(&self, object: &'v Value, api_version: &str) -> Option<Cow<'v, Value>> {
        self.resource.convert(object, api_version)
    }

    fn empty(&self, api_version: &str) -> Option<Value> {
        self.resource.empty(api_version)
    }

    fn reset_fields(&self, api_version: &str, subresource: &str) -> Option<ResetFields> {
        // Of a custom resource each version knows only its own.
        if self.resource.is_custom() && self.resource.api_version(self.version) != api_version {
            return None;
        }
        self.resource.reset_fields(api_version, subresource)
    }
}

/// A group as discovery lists it.
#[derive(Debug, Clone)]
pub(crate) struct GroupVersions {
    pub(crate) group: String,
    /// Preferred first.
    pub(crate) versions: Vec<String>,
}

/// Everything served now.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    resources: BTreeMap<GroupResource, Arc<Resource>>,
}

impl Registry {
    pub(crate) fn builtin() -> Self {
        Self { resources: builtin::BUILTIN.resources.clone() }
    }

    pub(crate) fn get(&self, group: &str, resource: &str) -> Option<&Arc<Resource>> {
        self.resources.get(&GroupResource::new(group, resource))
    }

    pub(crate) fn of(&self, gr: &GroupResource) -> Option<&Arc<Resource>> {
        self.resources.get(gr)
    }

    /// By kind, as an owner reference names it.
    pub(crate) fn by_kind(&self, group: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.resources.values().find(|r| &*r.gr.group == group && r.kind == kind)
    }

    /// What an object says that it is, with the version.
    pub(crate) fn of_object(&self, object: &Value) -> Result<(Arc<Resource>, String), ApiError> {
        let [api_version, kind] = ["apiVersion", "kind"].map(|field| json::str_at(object, &[field]));
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let found = self.by_kind(group_of(api_version), kind);
        let found = found.filter(|r| r.stored && r.versions.iter().any(|v| v == version));
        let none = || ApiError::bad_request(format!("no matches for kind {kind:?} in version {api_version:?}"));
        found.map(|r| (r.clone(), version.to_owned())).ok_or_else(none)
    }

    /// By any name a person would use: plural, singular, kind, short name, or `plural.group`.
    pub(crate) fn by_any_name(&self, name: &str) -> Option<&Arc<Resource>> {
        let lower = name.to_lowercase();
        let matches = |r: &&Arc<Resource>| {
            *r.gr.resource == *lower
                || r.singular == lower
                || r.kind == name
                || r.short_names.contains(&lower)
                || r.gr.to_string() == lower
        };
        // The core group wins over others with the same name, as it does for kubectl.
        self.resources.values().find(matches)
    }

    pub(crate) fn insert(&mut self, resource: Resource) {
        self.resources.insert(resource.gr.clone(), Arc::new(resource));
    }

    pub(crate) fn remove(&mut self, gr: &GroupResource) {
        self.resources.remove(gr);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// Whether it is a group of the server's own, not of CRDs.
    pub(crate) fn is_built_in(&self, group: &str) -> bool {
        builtin::BUILTIN.rank(group) != usize::MAX
    }

    pub(crate) fn knows(&self, group: &str) -> bool {
        self.resources.values().any(|r| &*r.gr.group == group)
    }

    /// Groups in the order discovery gives them: the built-in ones in a fixed order, then those of CRDs by name.
    pub(crate) fn groups(&self) -> Vec<GroupVersions> {
        let mut groups: BTreeMap<(usize, &str), Vec<String>> = BTreeMap::new();
        for r in self.resources.values() {
            let versions = groups.entry((builtin::BUILTIN.rank(&r.gr.group), &*r.gr.group)).or_default();
            for v in &r.versions {
                if !versions.contains(v) {
                    versions.push(v.clone());
                }
            }
        }
        groups
            .into_iter()
            .map(|((_, group), mut versions)| {
                versions.sort_by_key(|v| std::cmp::Reverse(version_priority(v)));
                GroupVersions { group: group.to_owned(), versions }
            })
            .collect()
    }
}

/// Stable before beta before alpha, newer before older:
/// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#version-priority>
pub(crate) fn version_priority(version: &str) -> (u8, u64, u64) {
    let parse = || {
        let rest = version.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (major, rest) = rest.split_at(digits);
        let major: u64 = major.parse().ok()?;
        if rest.is_empty() {
            return Some((3, major, 0));
        }
        let (stage, minor) =
            rest.strip_prefix("beta").map(|m| (2, m)).or_else(|| rest.strip_prefix("alpha").map(|m| (1, m)))?;
        Some((stage, major, minor.parse().ok()?))
    };
    parse().unwrap_or((0, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_kubernetes_orders_them() {
        let mut versions = ["v1alpha1", "v10", "foo", "v2beta1", "v1", "v2", "v2beta2"];
        versions.sort_by_key(|v| std::cmp::Reverse(version_priority(v)));
        assert_eq!(versions, ["v10", "v2", "v1", "v2beta2", "v2beta1", "v1alpha1", "foo"]);
    }

    #[test]
    fn a_resource_is_found_by_every_name_people_use() {
        let registry = Registry::builtin();
        for name in ["deploy", "deployments", "Deployment", "deployment", "deployments.apps"] {
            assert_eq!(registry.by_any_name(name).map(|r| r.kind.as_str()), Some("Deployment"), "{name}");
        }
    }
}

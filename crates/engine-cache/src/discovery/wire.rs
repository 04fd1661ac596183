//! The documents of discovery.

use std::sync::Arc;

use gitops_engine_core::{GroupKind, Key, ResourceType, Scope};
use serde::{Deserialize, Deserializer};

use super::{GroupKinds, Served};

/// The aggregated form, its beta, and what every server understands.
pub(super) const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

pub(super) enum Answer<L> {
    Aggregated(Aggregated),
    Legacy(L),
}

/// One group, whichever form it came in.
pub(super) struct GroupVersions {
    pub(super) name: Arc<str>,
    pub(super) kinds: GroupKinds,
    pub(super) broken: Option<Arc<str>>,
}

impl GroupVersions {
    fn add(&mut self, kind: &str, version: &str, plural: &str, scope: Scope, verbs: &[String]) {
        let kind = GroupKind::new(self.name.clone(), Key::new(kind).to_shared());
        let has = |verb: &str| verbs.iter().any(|known| known == verb);
        let watchable = has("list") && has("watch");
        let resource = ResourceType {
            kind: kind.clone(),
            version: Key::new(version).to_shared(),
            plural: Key::new(plural).to_shared(),
            scope,
        };
        let versions = self.kinds.entry(kind).or_default();
        // Two resources of one kind (`nodes` of metrics and the like): the first is the one that others mean.
        if versions.iter().all(|served| served.resource.version != resource.version) {
            versions.push(Served { resource: Arc::new(resource), watchable });
        }
    }
}

/// `APIGroupDiscoveryList` of
/// [apidiscovery.k8s.io](https://github.com/kubernetes/api/blob/master/apidiscovery/v2/types.go).
#[derive(Deserialize)]
pub(super) struct Aggregated {
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    items: Vec<AggregatedGroup>,
}

#[derive(Deserialize)]
struct AggregatedGroup {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default, deserialize_with = "or_default")]
    versions: Vec<AggregatedVersion>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct AggregatedVersion {
    version: String,
    #[serde(default)]
    freshness: String,
    #[serde(default, deserialize_with = "or_default")]
    resources: Vec<AggregatedResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedResource {
    resource: String,
    response_kind: Option<ResponseKind>,
    #[serde(default)]
    scope: String,
    #[serde(default, deserialize_with = "or_default")]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct ResponseKind {
    #[serde(default)]
    kind: String,
}

impl Aggregated {
    pub(super) fn is_one(&self) -> bool {
        self.kind == "APIGroupDiscoveryList"
    }

    pub(super) fn into_groups(self) -> Vec<GroupVersions> {
        self.items.into_iter().map(AggregatedGroup::into_group).collect()
    }
}

impl AggregatedGroup {
    fn into_group(self) -> GroupVersions {
        let name = Key::new(&self.metadata.name).to_shared();
        let mut group = GroupVersions { name, kinds: GroupKinds::new(), broken: None };
        for version in self.versions {
            if version.freshness == "Stale" {
                let api_version = format!("{}/{}", group.name, version.version);
                group.broken =
                    Some(format!("the server behind {api_version} does not answer (stale discovery)").into());
            }
            for resource in version.resources {
                let scope = if resource.scope == "Namespaced" { Scope::Namespaced } else { Scope::Cluster };
                let kind = resource.response_kind.map(|kind| kind.kind).filter(|kind| !kind.is_empty());
                if let Some(kind) = kind {
                    group.add(&kind, &version.version, &resource.resource, scope, &resource.verbs);
                }
            }
        }
        group
    }
}

/// `APIVersions`.
#[derive(Deserialize)]
pub(super) struct LegacyVersions {
    pub(super) versions: Vec<String>,
}

/// `APIGroupList`.
#[derive(Deserialize)]
pub(super) struct LegacyGroups {
    pub(super) groups: Vec<LegacyGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LegacyGroup {
    pub(super) name: String,
    #[serde(default, deserialize_with = "or_default")]
    versions: Vec<LegacyGroupVersion>,
    preferred_version: Option<LegacyGroupVersion>,
}

#[derive(Deserialize)]
struct LegacyGroupVersion {
    version: String,
}

impl LegacyGroup {
    /// The versions, the preferred one first.
    pub(super) fn ordered_versions(&self) -> Vec<String> {
        let mut versions: Vec<String> = self.versions.iter().map(|version| version.version.clone()).collect();
        if let Some(preferred) = &self.preferred_version
            && let Some(at) = versions.iter().position(|version| *version == preferred.version)
        {
            versions[..=at].rotate_right(1);
        }
        versions
    }
}

/// `APIResourceList`.
#[derive(Deserialize)]
pub(super) struct LegacyResources {
    #[serde(default, deserialize_with = "or_default")]
    resources: Vec<LegacyResource>,
}

#[derive(Deserialize)]
struct LegacyResource {
    name: String,
    #[serde(default)]
    namespaced: bool,
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    verbs: Vec<String>,
}

impl LegacyResources {
    pub(super) fn add_to(self, group: &mut GroupVersions, version: &str) {
        for resource in self.resources {
            // `pods/status` and the like are no kinds of their own.
            if !resource.name.contains('/') {
                let scope = if resource.namespaced { Scope::Namespaced } else { Scope::Cluster };
                group.add(&resource.kind, version, &resource.name, scope, &resource.verbs);
            }
        }
    }
}

/// `GET /version`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    pub(super) git_version: String,
}

/// Go writes an empty list as `null`.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn aggregated_with_a_stale_group() {
        let text = r#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[
            {"metadata":{"name":"apps","creationTimestamp":null},"versions":[{"version":"v1","freshness":"Current","resources":[
                {"resource":"deployments","responseKind":{"group":"apps","version":"v1","kind":"Deployment"},"scope":"Namespaced",
                 "singularResource":"deployment","verbs":["list","watch"],"subresources":[{"subresource":"status"}]},
                {"resource":"odd","scope":"Namespaced","verbs":["get"]}]}]},
            {"metadata":{"name":"metrics.k8s.io"},"versions":[{"version":"v1beta1","freshness":"Stale","resources":null}]}]}"#;
        let list: Aggregated = serde_json::from_str(text).unwrap();
        assert!(list.is_one());
        let groups = list.into_groups();
        let deployments = &groups[0].kinds[&GroupKind::new("apps", "Deployment")];
        assert_eq!(deployments.len(), 1);
        assert!(deployments[0].watchable);
        assert_eq!(groups[0].kinds.len(), 1);
        assert!(groups[0].broken.is_none());
        assert!(groups[1].broken.as_ref().unwrap().contains("metrics.k8s.io/v1beta1"));
    }

    #[test]
    fn the_preferred_version_is_first() {
        let text = r#"{"name":"autoscaling","versions":[{"version":"v1"},{"version":"v2beta1"},{"version":"v2"}],
            "preferredVersion":{"version":"v2"}}"#;
        let group: LegacyGroup = serde_json::from_str(text).unwrap();
        assert_eq!(group.ordered_versions(), ["v2", "v1", "v2beta1"]);
    }
}

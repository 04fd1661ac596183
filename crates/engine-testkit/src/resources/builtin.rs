//! The built-in kinds, as a real server's discovery describes them.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use gitops_engine_schema::shipped::{self, DiscoveryPath};
use serde_json::{Value, json};

use super::{GroupResource, Resource, ScalePaths, Subresource};
use crate::json::{get, list_at, str_at};

pub(super) struct Builtin {
    /// The groups in the order of `/apis`, after the core group.
    order: Vec<String>,
    pub(super) resources: BTreeMap<GroupResource, Arc<Resource>>,
}

impl Builtin {
    /// The place of a group in discovery; those of CRDs come after all of these.
    pub(super) fn rank(&self, group: &str) -> usize {
        self.order.iter().position(|g| g == group).unwrap_or(usize::MAX)
    }
}

pub(super) static BUILTIN: LazyLock<Builtin> = LazyLock::new(|| {
    let mut out = Builtin { order: Vec::new(), resources: BTreeMap::new() };
    let hashes = shipped::storage_version_hashes();
    for path in [DiscoveryPath::Api, DiscoveryPath::Apis] {
        for group in list_at(&shipped::discovery(path), &["items"]) {
            let name = str_at(group, &["metadata", "name"]);
            out.order.push(name.to_owned());
            let mut resources: BTreeMap<&str, Resource> = BTreeMap::new();
            for version in list_at(group, &["versions"]) {
                for described in list_at(version, &["resources"]) {
                    let version = str_at(version, &["version"]);
                    match resources.get_mut(str_at(described, &["resource"])) {
                        // The preferred version comes first, and describes the resource for all.
                        Some(known) => known.versions.push(version.to_owned()),
                        None => {
                            let resource = resource(name, version, described, &hashes);
                            resources.insert(str_at(described, &["resource"]), resource);
                        }
                    }
                }
            }
            out.resources.extend(resources.into_values().map(|r| (r.gr.clone(), Arc::new(r))));
        }
    }
    out
});

/// The kind of what is posted to evict a Pod. Discovery names it only as that of a subresource.
pub(crate) static EVICTION: LazyLock<Arc<Resource>> = LazyLock::new(|| {
    let described = json!({
        "resource": "evictions", "singularResource": "eviction", "scope": "Namespaced", "verbs": ["create"],
        "responseKind": {"group": "policy", "version": "v1", "kind": "Eviction"},
    });
    let mut eviction = resource("policy", "v1", &described, &Value::Null);
    eviction.versions.push("v1beta1".to_owned());
    Arc::new(eviction)
});

fn strings(value: &Value, key: &str) -> Vec<String> {
    list_at(value, &[key]).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn resource(group: &str, version: &str, described: &Value, hashes: &Value) -> Resource {
    let name = str_at(described, &["resource"]);
    let subresources: Vec<Subresource> = list_at(described, &["subresources"])
        .iter()
        .map(|sub| Subresource {
            name: str_at(sub, &["subresource"]).to_owned(),
            kind: str_at(sub, &["responseKind", "kind"]).to_owned(),
            other: Some((str_at(sub, &["responseKind", "group"]), str_at(sub, &["responseKind", "version"])))
                .filter(|(_, version)| !version.is_empty())
                .map(|(group, version)| (group.to_owned(), version.to_owned())),
            verbs: strings(sub, "verbs"),
        })
        .collect();
    let has = |name: &str| subresources.iter().any(|s| s.name == name);
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let verbs = strings(described, "verbs");
    Resource {
        gr: GroupResource::new(group, name),
        kind: str_at(described, &["responseKind", "kind"]).to_owned(),
        singular: str_at(described, &["singularResource"]).to_owned(),
        versions: vec![version.to_owned()],
        storage_version: version.to_owned(),
        namespaced: str_at(described, &["scope"]) == "Namespaced",
        short_names: strings(described, "shortNames"),
        categories: strings(described, "categories"),
        stored: verbs.iter().any(|v| v == "list"),
        verbs,
        storage_version_hash: get(hashes, &[group_version.as_str(), name]).and_then(Value::as_str).map(str::to_owned),
        status: has("status"),
        scale: has("scale").then(|| ScalePaths {
            spec_replicas: vec!["spec".into(), "replicas".into()],
            status_replicas: vec!["status".into(), "replicas".into()],
            selector: None,
        }),
        subresources,
        crd: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_discovery_describes_is_served() {
        let found = |group: &str, resource: &str| BUILTIN.resources.get(&GroupResource::new(group, resource)).cloned();
        let pods = found("", "pods");
        assert!(pods.is_some_and(|p| p.namespaced && p.status && p.subresources.iter().any(|s| s.name == "eviction")));
        let scalers = found("autoscaling", "horizontalpodautoscalers");
        assert_eq!(scalers.map(|r| r.versions.clone()), Some(vec!["v2".to_owned(), "v1".to_owned()]));
        assert!(found("", "namespaces").is_some_and(|r| !r.verbs.iter().any(|v| v == "deletecollection")));
        assert!(found("authorization.k8s.io", "subjectaccessreviews").is_some_and(|r| !r.stored));
        assert!(BUILTIN.rank("") < BUILTIN.rank("apps") && BUILTIN.rank("example.com") == usize::MAX);
    }
}

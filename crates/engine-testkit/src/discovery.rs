//! Discovery, legacy and aggregated: <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api>

use serde_json::{Value, json};

use crate::{
    http::{Call, Reply},
    resources::{GroupVersions, Resource},
    state::State,
    status::ApiError,
};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Answers a path that is not a resource, health or version.
pub(crate) fn answer(state: &State, call: &Call) -> Result<Reply, ApiError> {
    let parts: Vec<&str> = call.path.split('/').filter(|p| !p.is_empty()).collect();
    let aggregated = call.accept.contains("as=APIGroupDiscoveryList") && call.accept.contains("v=v2");
    match parts.as_slice() {
        [] => Ok(Reply::value(&json!({"paths": paths(state)}))),
        ["api"] if aggregated => Ok(Reply::value(&aggregate(state, true)).with_type(AGGREGATED)),
        ["apis"] if aggregated => Ok(Reply::value(&aggregate(state, false)).with_type(AGGREGATED)),
        ["api"] => Ok(Reply::value(&json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
        }))),
        ["apis"] => {
            let groups: Vec<Value> = groups(state).iter().filter(|g| !g.group.is_empty()).map(group).collect();
            Ok(Reply::value(&json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})))
        }
        ["apis", name] => groups(state)
            .iter()
            .find(|g| g.group == *name)
            .map(|g| {
                let mut value = group(g);
                value["kind"] = "APIGroup".into();
                value["apiVersion"] = "v1".into();
                Reply::value(&value)
            })
            .ok_or_else(ApiError::unknown_path),
        ["api", version] => resources(state, "", version),
        ["apis", name, version] => resources(state, name, version),
        ["openapi", rest @ ..] => crate::openapi::answer(state, rest),
        _ => Err(ApiError::unknown_path()),
    }
}

/// What is served, and the groups that are listed although they are broken.
fn groups(state: &State) -> Vec<GroupVersions> {
    let mut groups = state.registry.groups();
    for (group, version) in &state.faults.broken {
        match groups.iter_mut().find(|g| g.group == *group) {
            Some(g) if g.versions.contains(version) => {}
            Some(g) => g.versions.push(version.clone()),
            None => groups.push(GroupVersions { group: group.clone(), versions: vec![version.clone()] }),
        }
    }
    groups
}

fn paths(state: &State) -> Vec<String> {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for g in groups(state).iter().filter(|g| !g.group.is_empty()) {
        paths.push(format!("/apis/{}", g.group));
        paths.extend(g.versions.iter().map(|v| format!("/apis/{}/{v}", g.group)));
    }
    paths.extend(["/healthz", "/livez", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    paths
}

fn group(g: &GroupVersions) -> Value {
    let version = |v: &String| json!({"groupVersion": format!("{}/{v}", g.group), "version": v});
    let versions: Vec<Value> = g.versions.iter().map(version).collect();
    json!({"name": g.group, "preferredVersion": versions.first(), "versions": versions})
}

fn of_version<'a>(state: &'a State, group: &str, version: &str) -> Vec<&'a Resource> {
    state
        .registry
        .iter()
        .filter(|r| &*r.gr.group == group && r.versions.iter().any(|v| v == version))
        .map(|r| &**r)
        .collect()
}

fn resources(state: &State, group: &str, version: &str) -> Result<Reply, ApiError> {
    let served = of_version(state, group, version);
    if served.is_empty() {
        return Err(ApiError::unknown_path());
    }
    let mut list = Vec::new();
    for r in served {
        let mut entry = json!({
            "name": &*r.gr.resource, "singularName": r.singular, "namespaced": r.namespaced, "kind": r.kind, "verbs": r.verbs,
        });
        if !r.short_names.is_empty() {
            entry["shortNames"] = json!(r.short_names);
        }
        if !r.categories.is_empty() {
            entry["categories"] = json!(r.categories);
        }
        // Those of CRDs are made up.
        let hash = r.is_custom().then(|| crate::seed::template_hash(&r.gr.to_string()));
        if let Some(hash) = r.storage_version_hash.clone().or(hash) {
            entry["storageVersionHash"] = hash.into();
        }
        list.push(entry);
        for sub in r.subresources(version) {
            let mut entry = json!({
                "name": format!("{}/{}", r.gr.resource, sub.name), "singularName": "", "namespaced": r.namespaced,
                "kind": sub.kind, "verbs": sub.verbs,
            });
            if let Some((group, version)) = sub.other {
                entry["group"] = group.into();
                entry["version"] = version.into();
            }
            list.push(entry);
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut answer = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": list});
    if !group.is_empty() {
        answer["apiVersion"] = "v1".into();
    }
    Ok(Reply::value(&answer))
}

fn aggregate(state: &State, core: bool) -> Value {
    let items: Vec<Value> = groups(state)
        .iter()
        .filter(|g| g.group.is_empty() == core)
        .map(|g| {
            let versions: Vec<Value> = g
                .versions
                .iter()
                .map(|v| {
                    let broken = state.faults.broken.contains(&(g.group.clone(), v.clone()));
                    let served = of_version(state, &g.group, v);
                    let resources: Vec<Value> = served.iter().map(|r| aggregated_resource(r, v)).collect();
                    if broken {
                        return json!({"version": v, "freshness": "Stale"});
                    }
                    json!({"version": v, "resources": resources, "freshness": "Current"})
                })
                .collect();
            let metadata = if core { json!({}) } else { json!({"name": g.group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_resource(r: &Resource, version: &str) -> Value {
    // Built-in kinds leave out the group and version that they are listed under.
    let own = if r.is_custom() { (&*r.gr.group, version) } else { ("", "") };
    let subs: Vec<Value> = r
        .subresources(version)
        .into_iter()
        .map(|s| {
            let (group, version) = s.other.as_ref().map_or(own, |(group, version)| (group, version));
            json!({
                "subresource": s.name, "verbs": s.verbs,
                "responseKind": {"group": group, "version": version, "kind": s.kind},
            })
        })
        .collect();
    let mut entry = json!({
        "resource": &*r.gr.resource,
        "responseKind": {"group": own.0, "version": own.1, "kind": r.kind},
        "scope": if r.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": r.singular,
        "verbs": r.verbs,
    });
    if !r.short_names.is_empty() {
        entry["shortNames"] = json!(r.short_names);
    }
    if !r.categories.is_empty() {
        entry["categories"] = json!(r.categories);
    }
    if !subs.is_empty() {
        entry["subresources"] = subs.into();
    }
    entry
}

//! Discovery, legacy and aggregated: <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api>

use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::{
    aggregation,
    cluster::Inner,
    http::{
        Call, Reply,
        media::{self, Of},
    },
    resources::{GroupVersions, Resource},
    state::State,
    status::ApiError,
};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Answers a path that is not a resource, health or version.
pub(crate) fn answer(inner: &Inner, call: &mut Call) -> Result<Reply, ApiError> {
    let path = call.path.clone();
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let state = &*inner.state.lock();
    if let ["openapi", rest @ ..] = parts.as_slice() {
        return crate::openapi::answer(state, rest, &call.accept);
    }
    if matches!(parts.as_slice(), ["api" | "apis"]) && wants_aggregated(&call.accept) {
        return Ok(aggregated(state, parts == ["api"], &call.if_none_match));
    }
    let reply = match parts.as_slice() {
        [] => Reply::value(&json!({"paths": paths(state)})),
        ["api"] => Reply::value(&json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
        })),
        ["apis"] => {
            let groups: Vec<Value> = groups(state).iter().filter(|g| !g.group.is_empty()).map(group).collect();
            Reply::value(&json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] => match groups(state).iter().find(|g| g.group == *name) {
            Some(g) => {
                let mut value = group(g);
                value["kind"] = "APIGroup".into();
                value["apiVersion"] = "v1".into();
                Reply::value(&value)
            }
            None => return Ok(Reply::page_not_found()),
        },
        ["api", version] => return of_group_version(state, call, "", version),
        ["apis", name, version] => return of_group_version(state, call, name, version),
        _ => return Ok(Reply::page_not_found()),
    };
    call.wish = media::wish(call, Of::Discovery)?;
    Ok(reply)
}

fn of_group_version(state: &State, call: &mut Call, group: &str, version: &str) -> Result<Reply, ApiError> {
    let list = match resources(state, group, version) {
        Some(list) => list,
        None if aggregation::is_elsewhere(state, group, version) => list_of(group, version, Vec::new()),
        None if state.registry.is_built_in(group) => return Err(ApiError::unknown_path()),
        None => return Ok(Reply::page_not_found()),
    };
    if call.method != http::Method::GET {
        return Err(crate::http::not_allowed());
    }
    call.wish = media::wish(call, Of::Discovery)?;
    Ok(Reply::value(&list))
}

/// Whether any form that is asked for is the aggregated one: it goes before others, wherever it stands.
fn wants_aggregated(accept: &str) -> bool {
    accept.split(',').any(|clause| {
        let parts: Vec<&str> = clause.split(';').map(str::trim).collect();
        parts[0] == "application/json"
            && ["as=APIGroupDiscoveryList", "g=apidiscovery.k8s.io", "v=v2"].iter().all(|p| parts.contains(p))
    })
}

/// The aggregated form, or that the client has it already.
fn aggregated(state: &State, core: bool, known: &str) -> Reply {
    let body = serde_json::to_vec(&aggregate(state, core)).unwrap_or_default();
    let tag = format!("\"{}\"", crate::seed::digest(&body));
    let reply = if known == tag {
        Reply::json(StatusCode::NOT_MODIFIED, Vec::new())
    } else {
        Reply::json(StatusCode::OK, body).with_type(AGGREGATED)
    };
    reply
        .with_header(header::CACHE_CONTROL, "public")
        .with_header(header::VARY, "Accept")
        .with_header(header::ETAG, tag)
}

/// What is served, and the groups that are listed although they are broken.
fn groups(state: &State) -> Vec<GroupVersions> {
    let mut groups = state.registry.groups();
    aggregation::join(state, &mut groups);
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
    paths.extend(["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
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

fn resources(state: &State, group: &str, version: &str) -> Option<Value> {
    let served = of_version(state, group, version);
    if served.is_empty() {
        return None;
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
    Some(list_of(group, version, list))
}

fn list_of(group: &str, version: &str, list: Vec<Value>) -> Value {
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut answer = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": list});
    if !group.is_empty() {
        answer["apiVersion"] = "v1".into();
    }
    answer
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
                    let broken = state.faults.broken.contains(&(g.group.clone(), v.clone()))
                        || aggregation::is_down(state, &g.group, v);
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

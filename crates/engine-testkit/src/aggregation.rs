//! APIServices: one for each group version that the server serves itself, and those that name a Service elsewhere. Nothing
//! is behind such a Service here, so that what it is to serve is down, or has no kinds.
//! <https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/>

use std::cmp::{Ordering, Reverse};

use serde_json::{Value, json};

use crate::{
    clock::Now,
    json::{self, get, i64_at, list_at, str_at},
    resources::{GroupResource, GroupVersions, version_priority},
    seed::Seed,
    state::State,
    store::{ObjectKey, Stored},
};

/// Says who made an APIService, and that it comes and goes with what it is of.
const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

/// Groups of the server's own: the higher, the further ahead in discovery.
const GROUPS: &[(&str, i64)] = &[
    ("", 18_000),
    ("apps", 17_800),
    ("events.k8s.io", 17_750),
    ("authentication.k8s.io", 17_700),
    ("authorization.k8s.io", 17_600),
    ("autoscaling", 17_500),
    ("batch", 17_400),
    ("certificates.k8s.io", 17_300),
    ("networking.k8s.io", 17_200),
    ("policy", 17_100),
    ("rbac.authorization.k8s.io", 17_000),
    ("storage.k8s.io", 16_800),
    ("admissionregistration.k8s.io", 16_700),
    ("apiextensions.k8s.io", 16_700),
    ("scheduling.k8s.io", 16_600),
    ("coordination.k8s.io", 16_500),
    ("node.k8s.io", 16_300),
    ("discovery.k8s.io", 16_200),
    ("resource.k8s.io", 16_200),
    ("flowcontrol.apiserver.k8s.io", 16_100),
];
/// The group that has no APIService, since APIServices are what it is about.
const OWN: &str = "apiregistration.k8s.io";
/// Of the group and the version of a custom kind.
const CUSTOM: (i64, i64) = (1000, 100);

fn kind() -> GroupResource {
    GroupResource::new(OWN, "apiservices")
}

/// What is served by the server itself gets these.
fn priorities(group: &str, version: &str) -> (i64, i64) {
    let of_group = GROUPS.iter().find(|(name, _)| *name == group).map(|(_, priority)| *priority);
    let of_version = match (group, version) {
        ("", _) => 1,
        ("autoscaling", "v2") => 30,
        ("flowcontrol.apiserver.k8s.io" | "resource.k8s.io", "v1") => 21,
        _ => 15,
    };
    match of_group {
        Some(priority) => (priority, of_version),
        None if group == OWN => (i64::MAX, of_version),
        None => CUSTOM,
    }
}

fn put(state: &mut State, group: &str, version: &str, managed: &str, now: Now) {
    let (of_group, of_version) = priorities(group, version);
    // Not of the cluster's own seed: what others draw does not depend on what is served.
    let uid = Seed::new(state.settings.seed ^ 0xa991 ^ (state.store.revision() << 20)).uid();
    let time = now.rfc3339();
    let mut service = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {
            "name": format!("{version}.{group}"), "uid": uid, "creationTimestamp": time, "labels": {MANAGED: managed},
            "managedFields": [{
                "manager": "kube-apiserver", "operation": "Update", "apiVersion": "apiregistration.k8s.io/v1",
                "time": time, "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:metadata": {"f:labels": {".": {}, format!("f:{MANAGED}"): {}}},
                    "f:spec": {"f:groupPriorityMinimum": {}, "f:version": {}, "f:versionPriority": {}},
                },
            }],
        },
        "spec": {"version": version, "groupPriorityMinimum": of_group, "versionPriority": of_version},
    });
    if !group.is_empty() {
        service["spec"]["group"] = group.into();
        json::set(&mut service["metadata"]["managedFields"][0], &["fieldsV1", "f:spec", "f:group"], json!({}));
    }
    be_available_if_local(&mut service, &time);
    state.store.put(&kind(), service);
}

/// A new one that names no Service is available from the beginning.
pub(crate) fn be_available_if_local(service: &mut Value, time: &str) {
    if get(service, &["spec", "service"]).is_none() {
        let condition = json!({
            "type": "Available", "status": "True", "lastTransitionTime": time, "reason": "Local",
            "message": "Local APIServices are always available",
        });
        json::set(service, &["status", "conditions"], vec![condition]);
    }
}

/// Those of the built-in kinds, which are made once.
pub(crate) fn bootstrap(state: &mut State, now: Now) {
    for GroupVersions { group, versions } in state.registry.groups() {
        if group == OWN || !state.registry.is_built_in(&group) {
            continue;
        }
        versions.iter().for_each(|version| put(state, &group, version, "onstart", now));
    }
}

/// The one of a group version of custom kinds comes and goes with them.
pub(crate) fn follow_definitions(state: &mut State, name: &str, now: Now) {
    let Some((version, group)) = name.split_once('.') else { return };
    if state.registry.is_built_in(group) {
        return;
    }
    let is_served =
        state.registry.iter().any(|r| &*r.gr.group == group && r.versions.iter().any(|served| served == version));
    let service = of(state, group, version);
    if is_served && service.is_none() {
        put(state, group, version, "true", now);
    } else if !is_served && service.is_some_and(|s| str_at(&s.value, &["metadata", "labels", MANAGED]) == "true") {
        state.remove(&ObjectKey::new(&kind(), "", name));
    }
}

fn is_remote(service: &Stored) -> bool {
    get(&service.value, &["spec", "service"]).is_some()
}

fn is_available(service: &Stored) -> bool {
    let conditions = list_at(&service.value, &["status", "conditions"]);
    conditions.iter().any(|c| str_at(c, &["type"]) == "Available" && str_at(c, &["status"]) == "True")
}

fn of<'a>(state: &'a State, group: &str, version: &str) -> Option<&'a Stored> {
    state.store.get(&kind(), "", &format!("{version}.{group}")).map(|service| &**service)
}

/// Whether a group version is to be served by somebody who does not.
pub(crate) fn is_down(state: &State, group: &str, version: &str) -> bool {
    of(state, group, version).is_some_and(|service| is_remote(service) && !is_available(service))
}

/// Whether a group version is served elsewhere.
pub(crate) fn is_elsewhere(state: &State, group: &str, version: &str) -> bool {
    of(state, group, version).is_some_and(is_remote)
}

/// Adds what is served elsewhere to what is served here, each at its place.
pub(crate) fn join(state: &State, groups: &mut Vec<GroupVersions>) {
    let mut services: Vec<&Stored> =
        state.store.objects(&kind(), None).into_iter().map(|s| &**s).filter(|s| is_remote(s)).collect();
    services.sort_by_key(|s| Reverse(i64_at(&s.value, &["spec", "groupPriorityMinimum"])));
    for service in services {
        let (group, version) =
            (str_at(&service.value, &["spec", "group"]), str_at(&service.value, &["spec", "version"]));
        match groups.iter_mut().find(|g| g.group == group) {
            Some(known) if known.versions.iter().any(|v| v == version) => {}
            Some(known) => {
                let before = |other: &String| {
                    let (mine, theirs) = (rank(state, group, version).1, rank(state, group, other).1);
                    mine.cmp(&theirs).then_with(|| version_priority(version).cmp(&version_priority(other)))
                };
                let at = known.versions.iter().position(|other| before(other) == Ordering::Greater);
                known.versions.insert(at.unwrap_or(known.versions.len()), version.to_owned());
            }
            None => {
                let mine = rank(state, group, version).0;
                let at = groups.iter().position(|other| {
                    let theirs = other.versions.iter().map(|v| rank(state, &other.group, v).0).max().unwrap_or(0);
                    theirs < mine || (theirs == mine && *other.group > *group)
                });
                let new = GroupVersions { group: group.to_owned(), versions: vec![version.to_owned()] };
                groups.insert(at.unwrap_or(groups.len()), new);
            }
        }
    }
}

/// The priorities of a group and a version as their APIService has them.
fn rank(state: &State, group: &str, version: &str) -> (i64, i64) {
    let here = priorities(group, version);
    let Some(service) = of(state, group, version) else { return here };
    let at = |key: &str, default| i64_at(&service.value, &["spec", key]).unwrap_or(default);
    (at("groupPriorityMinimum", here.0), at("versionPriority", here.1))
}

/// Why nobody behind the Service of an APIService answers; nothing, when it can be taken that somebody does.
pub(crate) fn why_not(state: &State, service: &Value) -> Option<(&'static str, String)> {
    let (namespace, name) = (str_at(service, &["namespace"]), str_at(service, &["name"]));
    let found =
        |group: &str, resource: &str| state.store.objects(&GroupResource::new(group, resource), Some(namespace));
    let Some(target) = state.store.get(&GroupResource::new("", "services"), namespace, name) else {
        return Some(("ServiceNotFound", format!("service/{name} in {namespace:?} is not present")));
    };
    if !matches!(str_at(&target.value, &["spec", "type"]), "ClusterIP" | "") {
        return None;
    }
    let number = i64_at(service, &["port"]).unwrap_or(443);
    let ports = list_at(&target.value, &["spec", "ports"]);
    let Some(port) = ports.iter().find(|p| i64_at(p, &["port"]) == Some(number)) else {
        return Some((
            "ServicePortError",
            format!("service/{name} in {namespace:?} is not listening on port {number}"),
        ));
    };
    let slices: Vec<&Value> = found("discovery.k8s.io", "endpointslices")
        .into_iter()
        .map(|slice| &slice.value)
        .filter(|slice| str_at(slice, &["metadata", "labels", "kubernetes.io/service-name"]) == name)
        .collect();
    if slices.is_empty() {
        let message = format!("cannot find endpointslices for service/{name} in {namespace:?}");
        return Some(("EndpointsNotFound", message));
    }
    let port_name = str_at(port, &["name"]);
    let is_ready = |endpoint: &Value| {
        !list_at(endpoint, &["addresses"]).is_empty()
            && get(endpoint, &["conditions", "ready"]).and_then(Value::as_bool) != Some(false)
    };
    let listens = slices.iter().any(|slice| {
        list_at(slice, &["ports"]).iter().any(|p| str_at(p, &["name"]) == port_name)
            && list_at(slice, &["endpoints"]).iter().any(is_ready)
    });
    (!listens).then(|| {
        let message = format!(
            "endpointslices for service/{name} in {namespace:?} have no addresses with port name {port_name:?}"
        );
        ("MissingEndpoints", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Registry;

    #[test]
    fn every_group_of_the_servers_own_has_its_place_in_the_order_of_discovery() {
        let groups = Registry::builtin().groups();
        let known: Vec<&str> = groups.iter().map(|g| &*g.group).filter(|g| *g != OWN).collect();
        assert_eq!(known, GROUPS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert!(GROUPS.is_sorted_by_key(|(_, priority)| Reverse(priority)));
    }
}

//! What Pods use: <https://kubernetes.io/docs/concepts/policy/resource-quotas/#compute-resource-quota>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{counted::text_of, scope::Scope};
use crate::{
    admission::{
        amounts::{Amount, Amounts, add, amounts, at_least, of_containers},
        pod::quality,
        rules::{is_extended, is_native, is_pages},
    },
    clock::{Now, seconds_since},
    json::{get, i64_at, list_at, map_at, str_at},
};

const PODS: &str = "pods";
const REQUESTS: &str = "requests.";
/// Devices by their class rather than by a name of their own.
const DEVICES: &str = "deviceclass.resource.kubernetes.io/";

/// A resource that is counted by itself, as `requests.…` and as `limits.…`.
const COMPUTE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// What each container has to ask for where a quota is about it.
const REQUIRED: [&str; 6] = ["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"];

pub(super) fn has(name: &str) -> bool {
    let bare = name.strip_prefix(REQUESTS);
    name == PODS
        || COMPUTE.contains(&bare.or_else(|| name.strip_prefix("limits.")).unwrap_or(name))
        || is_pages(bare.unwrap_or(name))
        || bare.is_some_and(|bare| !is_native(name) || bare.starts_with(DEVICES))
}

/// Whether the Pod is one that runs for some time and not longer.
pub(super) fn ends_by_itself(pod: &Value) -> bool {
    i64_at(pod, &["spec", "activeDeadlineSeconds"]).is_some_and(|seconds| seconds >= 0)
}

pub(super) fn usage(pod: &Value, now: Now) -> Amounts {
    if has_ended(pod, now) {
        return Amounts::new();
    }
    named(&requests(pod), &limits(pod))
}

/// Whether the Pod has come to its end, or should have.
fn has_ended(pod: &Value, now: Now) -> bool {
    let overdue = || {
        let grace = i64_at(pod, &["metadata", "deletionGracePeriodSeconds"])?;
        let going = text_of(pod, &["metadata", "deletionTimestamp"])?;
        Some(seconds_since(going, now) > grace)
    };
    matches!(str_at(pod, &["status", "phase"]), "Failed" | "Succeeded") || overdue() == Some(true)
}

/// Under the names that quotas have for it.
fn named(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut out = Amounts::from([(PODS.to_owned(), Amount::count(1))]);
    for (name, amount) in requests {
        let counted = COMPUTE.contains(&name.as_str()) || is_pages(name);
        if counted || is_extended(name) || name.starts_with(DEVICES) {
            out.insert(format!("{REQUESTS}{name}"), amount.clone());
        }
        if counted {
            out.insert(name.clone(), amount.clone());
        }
    }
    for (name, amount) in limits.iter().filter(|(name, _)| COMPUTE.contains(&name.as_str())) {
        out.insert(format!("limits.{name}"), amount.clone());
    }
    out
}

fn is_of_whole_pods(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || is_pages(name)
}

/// What is asked for the Pod as a whole.
fn of_whole_pod(pod: &Value, kind: &str) -> Amounts {
    let mut own = amounts(pod, &["spec", "resources", kind]);
    own.retain(|name, _| is_of_whole_pods(name));
    own
}

fn requests(pod: &Value) -> Amounts {
    let mut sum = of_containers(&pod["spec"], |container| {
        let spec = amounts(container, &["resources", "requests"]);
        let Some(status) = status_of(pod, container) else { return spec };
        let mut most = amounts(status, &["resources", "requests"]);
        at_least(&mut most, &amounts(status, &["allocatedResources"]));
        wanted(pod, spec, most)
    });
    sum.extend(of_whole_pod(pod, "requests"));
    add(&mut sum, &amounts(pod, &["spec", "overhead"]));
    sum
}

fn limits(pod: &Value) -> Amounts {
    let mut sum = of_containers(&pod["spec"], |container| {
        let spec = amounts(container, &["resources", "limits"]);
        let Some(status) = status_of(pod, container) else { return spec };
        wanted(pod, spec, amounts(status, &["resources", "limits"]))
    });
    sum.extend(of_whole_pod(pod, "limits"));
    let mut overhead = amounts(pod, &["spec", "overhead"]);
    overhead.retain(|name, _| sum.get(name).is_some_and(|limit| limit.nanos != 0));
    add(&mut sum, &overhead);
    sum
}

/// What a container has on its node, where that is told. Containers that only prepare are not resized.
fn status_of<'p>(pod: &'p Value, container: &Value) -> Option<&'p Value> {
    let name = str_at(container, &["name"]);
    let named = |object: &&Value| str_at(object, &["name"]) == name;
    let begins = list_at(pod, &["spec", "initContainers"]).iter().any(|c| named(&c));
    if begins && str_at(container, &["restartPolicy"]) != "Always" {
        return None;
    }
    let lists = ["initContainerStatuses", "containerStatuses"];
    let mut found = lists.iter().filter_map(|list| list_at(pod, &["status", list]).iter().rfind(named));
    found.next().filter(|status| get(status, &["resources"]).is_some())
}

/// The most of what is asked for and what there is, unless what is asked for cannot be.
fn wanted(pod: &Value, spec: Amounts, have: Amounts) -> Amounts {
    let pending = list_at(pod, &["status", "conditions"]).iter().find(|c| c["type"] == "PodResizePending");
    if pending.is_some_and(|c| c["reason"] == "Infeasible") {
        return have;
    }
    let mut most = spec;
    at_least(&mut most, &have);
    most
}

pub(super) fn is_in(scope: &Scope<'_>, pod: &Value) -> bool {
    match scope.name {
        "Terminating" => ends_by_itself(pod),
        "NotTerminating" => !ends_by_itself(pod),
        "BestEffort" => is_best_effort(pod),
        "NotBestEffort" => !is_best_effort(pod),
        "PriorityClass" => scope.selects(text_of(pod, &["spec", "priorityClassName"]).as_slice()),
        "CrossNamespacePodAffinity" => looks_elsewhere(pod),
        _ => false,
    }
}

fn is_best_effort(pod: &Value) -> bool {
    text_of(pod, &["status", "qosClass"]).unwrap_or_else(|| quality::of(pod)) == "BestEffort"
}

/// Whether the Pod is near to, or far from, Pods of other namespaces.
fn looks_elsewhere(pod: &Value) -> bool {
    let is_elsewhere = |term: &Value| {
        !list_at(term, &["namespaces"]).is_empty() || term.get("namespaceSelector").is_some_and(|s| !s.is_null())
    };
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let list = |when: &str| list_at(pod, &["spec", "affinity", kind, when]);
        list("requiredDuringSchedulingIgnoredDuringExecution").iter().any(is_elsewhere)
            || list("preferredDuringSchedulingIgnoredDuringExecution")
                .iter()
                .any(|weighted| is_elsewhere(&weighted["podAffinityTerm"]))
    })
}

/// Which containers do not say what each has to, by what that is. A Pod may say it for all of them.
pub(super) fn missing(names: &[&str], pod: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let whole = ["requests", "limits"].iter().filter_map(|kind| map_at(pod, &["spec", "resources", kind]));
    if whole.flatten().any(|(name, _)| is_of_whole_pods(name)) {
        return out;
    }
    for container in ["containers", "initContainers"].iter().flat_map(|list| list_at(pod, &["spec", list])) {
        let [requests, limits] = ["requests", "limits"].map(|kind| amounts(container, &["resources", kind]));
        let has = named(&requests, &limits);
        for name in names.iter().filter(|name| REQUIRED.contains(name) && !has.contains_key(**name)) {
            out.entry((*name).to_owned()).or_default().insert(str_at(container, &["name"]).to_owned());
        }
    }
    out
}

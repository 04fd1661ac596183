//! Pods, and the templates of Pods: defaults, what the server adds, and what it warns of. What is refused is in
//! [`super::rules`].

mod admit;
mod default;
mod image;
mod paths;
pub(super) mod quality;
mod quantities;
mod refuse;
mod subresource;
mod warn;

use serde_json::Value;

pub(crate) use admit::TOPOLOGY;
pub(super) use admit::{admit, check_overhead};
pub(super) use default::{default, default_pod, source as default_source};
pub(super) use refuse::refuse_change;
pub(super) use subresource::reach;
pub(super) use warn::{warnings, warnings_of_status, warnings_of_volume};

use crate::{
    admission::rules,
    json::{self, get, list_at, str_at},
};

/// The lists of containers in a spec.
const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// What a server warns of before it looks at the whole of a new Pod.
pub(super) fn early_warnings(pod: &Value) -> Vec<String> {
    let warning = |key: &str| format!("metadata.annotations[{key}]: {}", warn::OLD_APP_ARMOR);
    annotated(pod).iter().map(|(_, _, key, _)| warning(key)).collect()
}

/// What a new Pod is completed with before it is looked at.
pub(super) fn prepare_create(pod: &mut Value) {
    pod["status"] = serde_json::json!({"phase": "Pending", "qosClass": quality::of(pod)});
    if !list_at(pod, &["spec", "schedulingGates"]).is_empty() {
        pod["status"]["conditions"] = serde_json::json!([{
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
            "lastTransitionTime": pod["metadata"]["creationTimestamp"],
        }]);
    }
    merge_label_keys(pod);
    app_armor(pod);
}

/// Profiles of AppArmor are fields, also of containers for which an annotation tells them.
fn app_armor(pod: &mut Value) {
    for (list, i, _, profile) in annotated(pod) {
        if let Some(profile) = profile {
            json::set(&mut pod["spec"][list][i], &["securityContext", "appArmorProfile"], profile);
        }
    }
}

/// Annotations about containers that say nothing of AppArmor themselves: where the container is, the key, and the
/// profile, unless it is wrong.
fn annotated(pod: &Value) -> Vec<(&'static str, usize, String, Option<Value>)> {
    let mut out = Vec::new();
    if str_at(pod, &["spec", "os", "name"]) == "windows" {
        return out;
    }
    let of_pod = get(pod, &["spec", "securityContext", "appArmorProfile"]);
    for list in LISTS {
        for (i, container) in list_at(pod, &["spec", list]).iter().enumerate() {
            let key = rules::app_armor_key(container);
            let note = pod["metadata"]["annotations"].get(&key).and_then(Value::as_str);
            if let Some(note) = note.filter(|_| get(container, &["securityContext", "appArmorProfile"]).is_none()) {
                let profile = rules::app_armor_profile(note).filter(rules::is_app_armor);
                if profile.is_none() || profile.as_ref() != of_pod {
                    out.push((list, i, key, profile));
                }
            }
        }
    }
    out
}

/// What a change of a Pod's status keeps of the one before.
pub(super) fn prepare_status(before: &Value, pod: &mut Value) {
    if str_at(pod, &["status", "qosClass"]).is_empty() {
        json::copy(before, pod, &["status", "qosClass"]);
    }
    if json::i64_at(pod, &["status", "observedGeneration"]).unwrap_or(0) == 0 {
        json::copy(before, pod, &["status", "observedGeneration"]);
    }
    let mut old: Vec<Value> = list_at(before, &["status", "conditions"]).to_vec();
    let conditions = pod["status"].get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        let same = old.iter().position(|c| c["type"] == condition["type"]).map(|at| old.remove(at));
        let generation = same.and_then(|c| json::i64_at(&c, &["observedGeneration"])).unwrap_or(0);
        if json::i64_at(condition, &["observedGeneration"]).unwrap_or(0) == 0 && generation != 0 {
            condition["observedGeneration"] = generation.into();
        }
    }
}

/// Drops fields of features that are off by default.
pub(super) fn drop_disabled(spec: &mut Value) {
    json::remove(spec, &["schedulingGroup"]);
    for list in LISTS {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if json::remove(container, &["lifecycle", "stopSignal"]).is_some()
                && container["lifecycle"].as_object().is_some_and(serde_json::Map::is_empty)
            {
                json::remove(container, &["lifecycle"]);
            }
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        let sources = volume.get_mut("projected").and_then(|p| p.get_mut("sources")).and_then(Value::as_array_mut);
        for source in sources.into_iter().flatten() {
            json::remove(source, &["clusterTrustBundle"]);
            json::remove(source, &["podCertificate"]);
        }
    }
}

/// Selectors of other Pods are extended by labels of this one, where they ask for it.
fn merge_label_keys(pod: &mut Value) {
    let labels = pod["metadata"].get("labels").cloned().unwrap_or_default();
    let extend = |term: &mut Value, keys: &str, operator: &str| {
        if get(term, &["labelSelector"]).is_none() {
            return;
        }
        for key in list_at(term, &[keys]).to_vec() {
            let Some(value) = key.as_str().and_then(|key| labels.get(key)) else { continue };
            let mut expressions = list_at(term, &["labelSelector", "matchExpressions"]).to_vec();
            expressions.push(serde_json::json!({"key": key, "operator": operator, "values": [value]}));
            json::set(term, &["labelSelector", "matchExpressions"], expressions);
        }
    };
    let both = |term: &mut Value| {
        extend(term, "matchLabelKeys", "In");
        extend(term, "mismatchLabelKeys", "NotIn");
    };
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(affinity) = pod["spec"].get_mut("affinity").and_then(|a| a.get_mut(kind)) else { continue };
        let list = "preferredDuringSchedulingIgnoredDuringExecution";
        for term in affinity.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            both(&mut term["podAffinityTerm"]);
        }
        let list = "requiredDuringSchedulingIgnoredDuringExecution";
        affinity.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().for_each(both);
    }
    let constraints = pod["spec"].get_mut("topologySpreadConstraints").and_then(Value::as_array_mut);
    for constraint in constraints.into_iter().flatten() {
        extend(constraint, "matchLabelKeys", "In");
    }
}

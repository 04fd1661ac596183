//! StatefulSets: numbered Pods, one after the other, each with its claims.

use serde_json::{Value, json};

use super::{Decision, View, Write, controller_reference, is_ready, pod_from, replace_if_changed};
use crate::{
    json::{self, get, i64_at, list_at, str_at},
    resources::GroupResource,
    seed::template_hash,
    store::{ObjectKey, Stored},
    write::delete::Propagation,
};

pub(super) const REVISION_LABEL: &str = "controller-revision-hash";

/// The ControllerRevision of the current template: its name, and the write that makes it when it is missing.
pub(super) fn revision(view: &View<'_>, set: &Stored) -> (String, Option<Write>) {
    let template = &set.value["spec"]["template"];
    let name = format!("{}-{}", set.name(), template_hash(&template.to_string()));
    if view.get("apps", "controllerrevisions", set.namespace(), &name).is_some() {
        return (name, None);
    }
    let number = view
        .owned(set, "apps", "controllerrevisions")
        .iter()
        .filter_map(|r| i64_at(&r.value, &["revision"]))
        .max()
        .unwrap_or(0)
        + 1;
    let revision = json!({
        "metadata": {
            "name": name, "namespace": set.namespace(), "labels": get(template, &["metadata", "labels"]).cloned().unwrap_or_else(|| json!({})),
            "ownerReferences": [controller_reference(set)],
        },
        "data": {"spec": {"template": template}},
        "revision": number,
    });
    (name, Some(Write::Create(GroupResource::new("apps", "controllerrevisions"), revision)))
}

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, set: &Stored) -> Decision {
    let mut decision = Decision::default();
    if set.is_terminating() {
        return decision;
    }
    let value = &set.value;
    let (update, made) = revision(view, set);
    decision.writes.extend(made);
    let wanted = i64_at(value, &["spec", "replicas"]).unwrap_or(1);
    let first = i64_at(value, &["spec", "ordinals", "start"]).unwrap_or(0);
    let parallel = str_at(value, &["spec", "podManagementPolicy"]) == "Parallel";
    let pods = view.owned(set, "", "pods");
    let gr = GroupResource::new("", "pods");
    let at = |ordinal: i64| {
        let name = format!("{}-{ordinal}", set.name());
        pods.iter().find(|p| p.name() == name)
    };
    let mut settled = true;
    for ordinal in first..first + wanted {
        match at(ordinal) {
            None => {
                settled = false;
                create(view, set, ordinal, &update, &mut decision);
                if !parallel {
                    break;
                }
            }
            Some(pod) if !is_ready(&pod.value) || pod.is_terminating() => {
                settled = false;
                if !parallel {
                    break;
                }
            }
            Some(_) => {}
        }
    }
    // Surplus Pods go from the highest number down, one at a time unless in parallel.
    let ordinal_of = |pod: &Stored| pod.name().rsplit('-').next().and_then(|n| n.parse::<i64>().ok()).unwrap_or(0);
    let mut surplus: Vec<_> = pods.iter().filter(|p| !(first..first + wanted).contains(&ordinal_of(p))).collect();
    surplus.sort_by_key(|p| std::cmp::Reverse(ordinal_of(p)));
    let busy = surplus.iter().any(|p| p.is_terminating());
    for pod in
        surplus.iter().filter(|p| !p.is_terminating()).take(if parallel { usize::MAX } else { usize::from(!busy) })
    {
        decision.writes.push(Write::Delete(ObjectKey::new(&gr, pod.namespace(), pod.name()), Propagation::Background));
    }
    let current_of = |pod: &Stored| str_at(&pod.value, &["metadata", "labels", REVISION_LABEL]).to_owned();
    // A new template goes from the highest number down, while everything serves. A Pod that never served is replaced too.
    if str_at(value, &["spec", "updateStrategy", "type"]) != "OnDelete" {
        let partition = i64_at(value, &["spec", "updateStrategy", "rollingUpdate", "partition"]).unwrap_or(0);
        for ordinal in (first.max(partition)..first + wanted).rev() {
            let Some(pod) = at(ordinal) else { break };
            if pod.is_terminating() {
                break;
            }
            if current_of(pod) != update {
                if settled || !is_ready(&pod.value) {
                    decision
                        .writes
                        .push(Write::Delete(ObjectKey::new(&gr, pod.namespace(), pod.name()), Propagation::Background));
                }
                break;
            }
            if !is_ready(&pod.value) {
                break;
            }
        }
    }
    status(set, &update, &pods.iter().map(|p| &p.value).collect::<Vec<_>>(), wanted, key, &mut decision);
    decision
}

fn status(set: &Stored, update: &str, pods: &[&Value], wanted: i64, key: &ObjectKey, decision: &mut Decision) {
    let mut after = set.value.clone();
    let is_new = |p: &&&Value| str_at(p, &["metadata", "labels", REVISION_LABEL]) == update;
    let updated = pods.iter().filter(is_new).count();
    let ready = pods.iter().filter(|p| is_ready(p)).count();
    let mut current = str_at(&set.value, &["status", "currentRevision"]).to_owned();
    let updated_ready = pods.iter().filter(is_new).filter(|p| is_ready(p)).count();
    if current.is_empty() || (updated_ready as i64 == wanted && pods.len() as i64 == wanted) {
        update.clone_into(&mut current);
    }
    let of_current = pods.iter().filter(|p| str_at(p, &["metadata", "labels", REVISION_LABEL]) == current).count();
    let mut fresh = json!({
        "observedGeneration": i64_at(&set.value, &["metadata", "generation"]),
        "replicas": pods.len(), "collisionCount": 0, "availableReplicas": ready,
        "currentRevision": current, "updateRevision": update,
    });
    for (field, n) in [("readyReplicas", ready), ("currentReplicas", of_current), ("updatedReplicas", updated)] {
        if n > 0 {
            fresh[field] = n.into();
        }
    }
    after["status"] = fresh;
    decision.writes.extend(replace_if_changed(key, set, after));
}

fn create(view: &View<'_>, set: &Stored, ordinal: i64, update: &str, decision: &mut Decision) {
    let value = &set.value;
    let name = format!("{}-{ordinal}", set.name());
    let mut pod = pod_from(&value["spec"]["template"], set);
    json::set(&mut pod, &["metadata", "name"], name.as_str());
    for (label, text) in [
        (REVISION_LABEL, update),
        ("statefulset.kubernetes.io/pod-name", &name),
        ("apps.kubernetes.io/pod-index", &ordinal.to_string()),
    ] {
        json::set(&mut pod, &["metadata", "labels", label], text);
    }
    json::set(&mut pod, &["spec", "hostname"], name.as_str());
    if !str_at(value, &["spec", "serviceName"]).is_empty() {
        json::set(&mut pod, &["spec", "subdomain"], value["spec"]["serviceName"].clone());
    }
    let mut volumes: Vec<Value> = list_at(&pod, &["spec", "volumes"]).to_vec();
    for template in list_at(value, &["spec", "volumeClaimTemplates"]) {
        let volume = str_at(template, &["metadata", "name"]);
        let claim = format!("{volume}-{name}");
        if view.get("", "persistentvolumeclaims", set.namespace(), &claim).is_none() {
            let mut metadata = template["metadata"].clone();
            metadata["name"] = claim.as_str().into();
            metadata["namespace"] = set.namespace().into();
            for (label, text) in json::map_at(value, &["spec", "selector", "matchLabels"]).into_iter().flatten() {
                metadata["labels"][label] = text.clone();
            }
            let object = json!({"metadata": metadata, "spec": template["spec"]});
            decision.writes.push(Write::Create(GroupResource::new("", "persistentvolumeclaims"), object));
        }
        volumes.retain(|v| v["name"] != volume);
        volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": claim}}));
    }
    if !volumes.is_empty() {
        json::set(&mut pod, &["spec", "volumes"], volumes);
    }
    decision.writes.push(Write::Create(GroupResource::new("", "pods"), pod));
}

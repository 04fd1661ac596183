//! DaemonSets: one Pod on the one node.

use serde_json::json;

use super::{
    Decision, NODE, View, Write, is_ready, pod_from, replace_if_changed,
    statefulset::{REVISION_LABEL, revision},
};
use crate::{
    json::{self, i64_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored},
    write::delete::Propagation,
};

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, set: &Stored) -> Decision {
    let mut decision = Decision::default();
    if set.is_terminating() {
        return decision;
    }
    let (update, made) = revision(view, set);
    decision.writes.extend(made);
    let hash = update.rsplit('-').next().unwrap_or_default().to_owned();
    let selector = json::map_at(&set.value, &["spec", "template", "spec", "nodeSelector"]);
    let fits = view.get("", "nodes", "", NODE).is_some_and(|node| {
        let labels = json::map_at(&node.value, &["metadata", "labels"]);
        selector.into_iter().flatten().all(|(k, v)| k == "kubernetes.io/os" || labels.and_then(|l| l.get(k)) == Some(v))
    });
    let pods: Vec<_> = view.owned(set, "", "pods");
    let live: Vec<_> = pods.iter().filter(|p| !p.is_terminating()).collect();
    let gr = GroupResource::new("", "pods");
    if fits && pods.is_empty() {
        let mut pod = pod_from(&set.value["spec"]["template"], set);
        json::set(&mut pod, &["metadata", "generateName"], format!("{}-", set.name()));
        json::set(&mut pod, &["metadata", "labels", REVISION_LABEL], hash.as_str());
        decision.writes.push(Write::Create(gr.clone(), pod));
    }
    let is_new = |p: &Stored| str_at(&p.value, &["metadata", "labels", REVISION_LABEL]) == hash;
    let on_delete = str_at(&set.value, &["spec", "updateStrategy", "type"]) == "OnDelete";
    for pod in live.iter().filter(|p| !fits || (!on_delete && !is_new(p))) {
        decision.writes.push(Write::Delete(ObjectKey::new(&gr, pod.namespace(), pod.name()), Propagation::Background));
    }
    let ready = live.iter().filter(|p| is_ready(&p.value)).count();
    let desired = usize::from(fits);
    let mut after = set.value.clone();
    let mut status = json!({
        "observedGeneration": i64_at(&set.value, &["metadata", "generation"]),
        "desiredNumberScheduled": desired, "currentNumberScheduled": live.len().min(desired),
        "numberMisscheduled": 0, "numberReady": ready,
    });
    for (field, n) in [
        ("updatedNumberScheduled", live.iter().filter(|p| is_new(p)).count()),
        ("numberAvailable", ready),
        ("numberUnavailable", desired.saturating_sub(ready)),
    ] {
        if n > 0 {
            status[field] = n.into();
        }
    }
    after["status"] = status;
    decision.writes.extend(replace_if_changed(key, set, after));
    decision
}

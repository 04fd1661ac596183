//! ReplicaSets: as many Pods as asked for.

use serde_json::json;

use super::{Decision, View, Write, is_ready, pod_from, replace_if_changed};
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
    let wanted = i64_at(&set.value, &["spec", "replicas"]).unwrap_or(1);
    let pods: Vec<_> = view
        .owned(set, "", "pods")
        .into_iter()
        .filter(|p| !p.is_terminating() && !matches!(str_at(&p.value, &["status", "phase"]), "Succeeded" | "Failed"))
        .collect();
    let have = pods.len() as i64;
    let gr = GroupResource::new("", "pods");
    for _ in have..wanted {
        let mut pod = pod_from(&set.value["spec"]["template"], set);
        json::set(&mut pod, &["metadata", "generateName"], format!("{}-", set.name()));
        decision.writes.push(Write::Create(gr.clone(), pod));
    }
    if have > wanted {
        // Pods that are not ready go first, then the youngest.
        let mut order: Vec<_> = pods.iter().map(|p| (is_ready(&p.value), std::cmp::Reverse(p.revision), p)).collect();
        order.sort_by_key(|(ready, revision, _)| (*ready, *revision));
        for (_, _, pod) in order.into_iter().take(usize::try_from(have - wanted).unwrap_or(0)) {
            decision
                .writes
                .push(Write::Delete(ObjectKey::new(&gr, pod.namespace(), pod.name()), Propagation::Background));
        }
    }
    let going = view.owned(set, "", "pods").iter().filter(|p| p.is_terminating()).count();
    let ready = pods.iter().filter(|p| is_ready(&p.value)).count();
    let mut value = set.value.clone();
    let mut status = json!({"replicas": have, "observedGeneration": i64_at(&set.value, &["metadata", "generation"]), "terminatingReplicas": going});
    for (field, n) in [("fullyLabeledReplicas", pods.len()), ("readyReplicas", ready), ("availableReplicas", ready)] {
        if n > 0 {
            status[field] = n.into();
        }
    }
    value["status"] = status;
    decision.writes.extend(replace_if_changed(key, set, value));
    decision
}

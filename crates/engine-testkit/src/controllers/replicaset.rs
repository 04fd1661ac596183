//! ReplicaSets: as many Pods as asked for.

use serde_json::json;

use super::{
    Decision, View,
    conditions::{
        available, generation, is_active, is_finished, is_ready, put_counts, remove_condition, set_condition,
    },
    events::Note,
    pods,
    writes::Write,
};
use crate::{
    json::{self, get, i64_at, map_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored},
};

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, set: &Stored) -> Decision {
    let mut decision = Decision::default();
    let all = pods::claim(view, set, ("", "pods"), &mut decision);
    let active: Vec<_> = all.iter().filter(|p| is_active(&p.value)).copied().collect();
    let wanted = i64_at(&set.value, &["spec", "replicas"]).unwrap_or(1);
    let have = active.len() as i64;
    if !set.is_terminating() {
        let gr = GroupResource::new("", "pods");
        for _ in have..wanted.min(have + pods::BURST) {
            let mut pod = pods::from_template(&set.value["spec"]["template"], set);
            json::set(&mut pod, &["metadata", "generateName"], pods::generate_name(set.name()));
            decision.write(Write::Create(gr.clone(), pod));
        }
        if have > wanted {
            let mut order: Vec<_> = active.iter().map(|p| (rank(p), *p)).collect();
            order.sort_by_key(|(rank, _)| *rank);
            for (_, pod) in order.into_iter().take(usize::try_from((have - wanted).min(pods::BURST)).unwrap_or(0)) {
                decision.write(pods::delete(pod));
                let message = format!("Deleted pod: {}", pod.name());
                decision.report(Note::normal("replicaset-controller", "SuccessfulDelete", message));
            }
        }
    }
    let min_ready = i64_at(&set.value, &["spec", "minReadySeconds"]).unwrap_or(0);
    let mut usable = 0;
    for pod in &active {
        match available(&pod.value, min_ready, view.now) {
            Ok(()) => usable += 1,
            Err(Some(left)) => decision.wake_at(view.now.elapsed + left),
            Err(None) => {}
        }
    }
    let labels = map_at(&set.value, &["spec", "template", "metadata", "labels"]);
    let labelled = active
        .iter()
        .filter(|p| labels.into_iter().flatten().all(|(k, v)| get(&p.value, &["metadata", "labels", k]) == Some(v)));
    let going = all.iter().filter(|p| p.is_terminating() && !is_finished(&p.value)).count() as i64;
    let mut after = set.value.clone();
    let conditions = get(&after, &["status", "conditions"]).cloned();
    after["status"] =
        json!({"replicas": have, "observedGeneration": generation(&set.value), "terminatingReplicas": going});
    if let Some(conditions) = conditions {
        after["status"]["conditions"] = conditions;
    }
    put_counts(
        &mut after["status"],
        &[
            ("fullyLabeledReplicas", labelled.count() as i64),
            ("readyReplicas", active.iter().filter(|p| is_ready(&p.value)).count() as i64),
            ("availableReplicas", usable),
        ],
    );
    match view.refused(key) {
        Some(message) if have < wanted => {
            set_condition(&mut after, "ReplicaFailure", "True", "FailedCreate", message, view.now);
        }
        _ => remove_condition(&mut after, "ReplicaFailure"),
    }
    decision.status(key, set, after);
    decision
}

/// The lower, the sooner a Pod goes: those without a node first, then those that serve less, cost less or are younger.
/// <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-a-replicaset>
fn rank(pod: &Stored) -> (bool, u8, bool, i64, std::cmp::Reverse<u64>) {
    let phase = match str_at(&pod.value, &["status", "phase"]) {
        "Pending" => 0,
        "Running" => 2,
        _ => 1,
    };
    let cost = str_at(&pod.value, &["metadata", "annotations", "controller.kubernetes.io/pod-deletion-cost"]);
    (
        !str_at(&pod.value, &["spec", "nodeName"]).is_empty(),
        phase,
        is_ready(&pod.value),
        cost.parse().unwrap_or(0),
        std::cmp::Reverse(pod.revision),
    )
}

//! DaemonSets: one Pod on every node that fits.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/>

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{
    Decision, View,
    conditions::{available, generation, is_finished, is_ready, put_counts, share},
    events::Note,
    pods,
    revisions::{self, LABEL},
    scheduler,
    writes::Write,
};
use crate::{
    json::{self, get, i64_at, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored},
};

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
/// Taints that its Pods bear, whatever their template says, with their effects.
const TOLERATED: &[(&str, &str)] = &[
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// The node that a Pod of a DaemonSet is on, or is meant for.
fn node_of(pod: &Value) -> &str {
    let node = str_at(pod, &["spec", "nodeName"]);
    if !node.is_empty() {
        return node;
    }
    let path = ["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"];
    let terms = get(pod, &path).map_or(&[][..], |r| list_at(r, &["nodeSelectorTerms"]));
    let fields = terms.iter().flat_map(|t| list_at(t, &["matchFields"]));
    fields.flat_map(|f| list_at(f, &["values"])).find_map(Value::as_str).unwrap_or_default()
}

fn pod_for(set: &Stored, node: &str, hash: &str) -> Value {
    let mut pod = pods::from_template(&set.value["spec"]["template"], set);
    json::set(&mut pod, &["metadata", "generateName"], pods::generate_name(set.name()));
    json::set(&mut pod, &["metadata", "labels", LABEL], hash);
    json::set(&mut pod, &["metadata", "labels", "pod-template-generation"], template_generation(set));
    let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
    let required = ["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"];
    // The node's name is asked for on top of what every term asks for.
    let mut terms = get(&pod, &required).map_or(Vec::new(), |r| list_at(r, &["nodeSelectorTerms"]).to_vec());
    for t in &mut terms {
        t["matchFields"] = term["matchFields"].clone();
    }
    if terms.is_empty() {
        terms.push(term);
    }
    json::set(&mut pod, &required, json!({"nodeSelectorTerms": terms}));
    let mut tolerations = list_at(&pod, &["spec", "tolerations"]).to_vec();
    let host = pod["spec"]["hostNetwork"] == true;
    let network = host.then_some(("node.kubernetes.io/network-unavailable", "NoSchedule"));
    for (key, effect) in TOLERATED.iter().copied().chain(network) {
        let toleration = json!({"key": key, "operator": "Exists", "effect": effect});
        if !tolerations.contains(&toleration) {
            tolerations.push(toleration);
        }
    }
    json::set(&mut pod, &["spec", "tolerations"], tolerations);
    pod
}

fn template_generation(set: &Stored) -> String {
    match str_at(&set.value, &["metadata", "annotations", TEMPLATE_GENERATION]) {
        "" => "1".to_owned(),
        other => other.to_owned(),
    }
}

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, set: &Stored) -> Decision {
    let mut decision = Decision::default();
    if set.is_terminating() {
        return decision;
    }
    let mine = pods::claim(view, set, ("", "pods"), &mut decision);
    let annotations = json!({TEMPLATE_GENERATION: template_generation(set)});
    let revisions = revisions::of(view, set, LABEL, &annotations, &mut decision);
    let hash = revisions.hash.clone();
    let mut on: BTreeMap<&str, Vec<&Arc<Stored>>> = BTreeMap::new();
    for pod in &mine {
        on.entry(node_of(&pod.value)).or_default().push(pod);
    }
    let min_ready = i64_at(&set.value, &["spec", "minReadySeconds"]).unwrap_or(0);
    let nodes = view.nodes();
    let mut counts = Counts::default();
    let mut outdated = Vec::new();
    for node in &nodes {
        let here = on.remove(node.name()).unwrap_or_default();
        let model = pod_for(set, node.name(), &hash);
        let fits = scheduler::unfit(&model, &node.value).is_none();
        let mut live: Vec<_> = here.iter().copied().filter(|p| !p.is_terminating()).collect();
        live.sort_by_key(|p| (is_finished(&p.value), p.revision));
        let Some(pod) = live.first().copied().filter(|_| fits) else {
            counts.misscheduled += i64::from(!live.is_empty());
            live.iter().for_each(|p| delete(p, &mut decision));
            if fits {
                counts.desired += 1;
                // One at a time on a node: the last one has to be gone.
                if here.is_empty() {
                    decision.write(Write::Create(GroupResource::new("", "pods"), model));
                }
            }
            continue;
        };
        counts.desired += 1;
        counts.current += 1;
        // More than one of a node, or one at its end: the others go.
        live.iter().skip(1).for_each(|p| delete(p, &mut decision));
        if is_finished(&pod.value) {
            let message = format!(
                "Found failed daemon pod {}/{} on node {}, will try to kill it",
                pod.namespace(),
                pod.name(),
                node.name()
            );
            decision.report(Note::warning("daemonset-controller", "FailedDaemonPod", message));
            delete(pod, &mut decision);
            continue;
        }
        let usable = match available(&pod.value, min_ready, view.now) {
            Ok(()) => true,
            Err(left) => {
                if let Some(left) = left {
                    decision.wake_at(view.now.elapsed + left);
                }
                false
            }
        };
        counts.ready += i64::from(is_ready(&pod.value));
        counts.available += i64::from(usable);
        if str_at(&pod.value, &["metadata", "labels", LABEL]) == hash {
            counts.updated += 1;
        } else {
            outdated.push((usable, pod));
        }
    }
    // Pods of nodes that are gone are the collector's.
    roll(set, &counts, outdated, &mut decision);
    let used = |r: &Stored| {
        let hash = str_at(&r.value, &["metadata", "labels", LABEL]);
        mine.iter().any(|p| str_at(&p.value, &["metadata", "labels", LABEL]) == hash)
    };
    revisions::clean_up(set, &revisions, &used, &mut decision);
    let mut after = set.value.clone();
    after["status"] = json!({
        "observedGeneration": generation(&set.value),
        "desiredNumberScheduled": counts.desired, "currentNumberScheduled": counts.current,
        "numberMisscheduled": counts.misscheduled, "numberReady": counts.ready,
    });
    put_counts(
        &mut after["status"],
        &[
            ("updatedNumberScheduled", counts.updated),
            ("numberAvailable", counts.available),
            ("numberUnavailable", counts.desired - counts.available),
        ],
    );
    decision.status(key, set, after);
    decision
}

#[derive(Debug, Default)]
struct Counts {
    desired: i64,
    current: i64,
    misscheduled: i64,
    ready: i64,
    available: i64,
    updated: i64,
}

fn delete(pod: &Stored, decision: &mut Decision) {
    decision.write(pods::delete(pod));
    let message = format!("Deleted pod: {}", pod.name());
    decision.report(Note::normal("daemonset-controller", "SuccessfulDelete", message));
}

/// Pods of an older template go: those that serve nobody at once, others as far as enough serve.
fn roll(set: &Stored, counts: &Counts, outdated: Vec<(bool, &Arc<Stored>)>, decision: &mut Decision) {
    if str_at(&set.value, &["spec", "updateStrategy", "type"]) == "OnDelete" {
        return;
    }
    let most = get(&set.value, &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"]);
    let most = share(most, counts.desired, true).max(1);
    let mut spare = most - (counts.desired - counts.available);
    for (serves, pod) in outdated {
        if serves {
            if spare <= 0 {
                continue;
            }
            spare -= 1;
        }
        delete(pod, decision);
    }
}

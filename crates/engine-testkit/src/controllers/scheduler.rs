//! The scheduler: a Pod goes to the fitting node with the fewest Pods, or says why there is none.
//!
//! Nodes are told apart by name, selector and required affinity, taints, room for Pods, processors and memory. Spreading,
//! affinity between Pods and preemption are not simulated.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Decision, View, conditions::generation, events::Note, index, key_of, script::Script, writes::Write};
use crate::{
    json::{self, get, list_at, str_at},
    store::{ObjectKey, Stored},
};

pub(super) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const AFFINITY: &str = "node(s) didn't match Pod's node affinity/selector";

/// Gives the Pod a node, or a condition that says why not.
pub(super) fn schedule(
    view: &View<'_>,
    key: &ObjectKey,
    pod: &Stored,
    script: Option<&Script>,
    decision: &mut Decision,
) {
    if !list_at(&pod.value, &["spec", "schedulingGates"]).is_empty() {
        let message = "Scheduling is blocked due to non-empty scheduling gates";
        unscheduled(view, key, pod, "SchedulingGated", message, false, decision);
        return;
    }
    let nodes = view.nodes();
    let total = nodes.len();
    let refused = |reasons: BTreeMap<String, usize>| {
        let mut parts: Vec<String> = reasons.iter().map(|(why, n)| format!("{n} {why}")).collect();
        parts.sort();
        format!(
            "0/{total} nodes are available: {}. no new claims to deallocate, preemption: 0/{total} nodes are available: \
             {total} Preemption is not helpful for scheduling.",
            parts.join(", ")
        )
    };
    if script == Some(&Script::Unschedulable) {
        let message = refused(BTreeMap::from([(AFFINITY.to_owned(), total)]));
        unscheduled(view, key, pod, "Unschedulable", &message, true, decision);
        return;
    }
    if nodes.is_empty() {
        unscheduled(view, key, pod, "Unschedulable", "no nodes available to schedule pods", true, decision);
        return;
    }
    let late = match claims(view, pod) {
        Ok(late) => late,
        Err(why) => {
            let message = format!("0/{total} nodes are available: {why}. not found");
            unscheduled(view, key, pod, "Unschedulable", &message, true, decision);
            return;
        }
    };
    let request = request(&pod.value);
    let mut reasons = BTreeMap::new();
    let mut best: Option<(i64, &str)> = None;
    for node in &nodes {
        let used = view.state.queue.index.used(node.name());
        match refusal(&pod.value, &node.value, request, used) {
            Some(why) => *reasons.entry(why).or_insert(0) += 1,
            None => {
                let candidate = (used.pods, node.name());
                if best.is_none_or(|b| candidate < b) {
                    best = Some(candidate);
                }
            }
        }
    }
    let Some((_, node)) = best else {
        unscheduled(view, key, pod, "Unschedulable", &refused(reasons), true, decision);
        return;
    };
    if late.is_empty() {
        decision.write(Write::Bind(key.clone(), node.to_owned()));
        return;
    }
    // Claims that waited for a consumer learn where it will be; the Pod follows when they are bound.
    for claim in late {
        if get(&claim.value, &["metadata", "annotations", SELECTED_NODE]).is_none() {
            let mut value = claim.value.clone();
            json::set(&mut value, &["metadata", "annotations", SELECTED_NODE], node);
            decision.write(Write::Update(key_of("", "persistentvolumeclaims", claim), value));
        }
    }
}

/// The Pod's claims that wait for it, or why it has to wait for them.
fn claims<'a>(view: &View<'a>, pod: &Stored) -> Result<Vec<&'a Stored>, String> {
    let mut late = Vec::new();
    for name in index::claims(&pod.value) {
        let Some(claim) = view.get("", "persistentvolumeclaims", pod.namespace(), &name) else {
            return Err(format!("persistentvolumeclaim {name:?} not found"));
        };
        if claim.is_terminating() {
            return Err(format!("persistentvolumeclaim {name:?} is being deleted"));
        }
        if str_at(&claim.value, &["status", "phase"]) == "Bound" {
            continue;
        }
        if !super::storage::waits_for_consumer(view, claim) {
            return Err("pod has unbound immediate PersistentVolumeClaims".to_owned());
        }
        late.push(&**claim);
    }
    Ok(late)
}

fn unscheduled(
    view: &View<'_>,
    key: &ObjectKey,
    pod: &Stored,
    reason: &str,
    message: &str,
    report: bool,
    decision: &mut Decision,
) {
    let mut value = pod.value.clone();
    super::conditions::set_condition(&mut value, "PodScheduled", "False", reason, message, view.now);
    if report {
        let mut conditions = list_at(&value, &["status", "conditions"]).to_vec();
        for condition in &mut conditions {
            if str_at(condition, &["type"]) == "PodScheduled" {
                condition["observedGeneration"] = generation(&pod.value).into();
            }
        }
        json::set(&mut value, &["status", "conditions"], conditions);
    }
    if value != pod.value {
        decision.write(Write::Status(key.clone(), value));
        if report {
            decision.report(Note::warning("default-scheduler", "FailedScheduling", message).doing("Scheduling"));
        }
    }
}

/// What Pods ask for, or have: thousandths of processors, bytes, Pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) cpu: i64,
    pub(super) memory: i64,
    pub(super) pods: i64,
}

/// What the containers of a Pod ask for together.
pub(super) fn request(pod: &Value) -> Room {
    let of = |container: &Value, what: &str| {
        get(container, &["resources", "requests", what]).map_or(0, |q| quantity(q, what == "cpu"))
    };
    let sum = |list: &[Value], what: &str| list.iter().map(|c| of(c, what)).fold(0_i64, i64::saturating_add);
    let most = |list: &[Value], what: &str| list.iter().map(|c| of(c, what)).max().unwrap_or(0);
    let (all, init) = (list_at(pod, &["spec", "containers"]), list_at(pod, &["spec", "initContainers"]));
    let need = |what: &str| sum(all, what).max(most(init, what));
    Room { cpu: need("cpu"), memory: need("memory"), pods: 1 }
}

/// A quantity, in whole units or (`milli`) thousandths, rounded up; 0 when it is none:
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
pub(super) fn quantity(value: &Value, milli: bool) -> i64 {
    let text = match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    let digits = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let Ok(number) = number.parse::<f64>() else {
        return 0;
    };
    let factor = match unit {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        "Pi" => 1_125_899_906_842_624.0,
        "Ei" => 1_152_921_504_606_846_976.0,
        _ => match unit.strip_prefix(['e', 'E']).and_then(|e| e.parse::<i32>().ok()) {
            Some(exponent) => 10_f64.powi(exponent),
            None => return 0,
        },
    };
    // Saturates at the bounds of i64.
    (number * factor * if milli { 1000.0 } else { 1.0 } - 1e-9).ceil() as i64
}

/// Why a node is not for this Pod.
fn refusal(pod: &Value, node: &Value, request: Room, used: Room) -> Option<String> {
    if let Some(why) = unfit(pod, node) {
        return Some(why);
    }
    let room = |what: &str| get(node, &["status", "allocatable", what]).map(|q| quantity(q, what == "cpu"));
    if used.pods + request.pods > room("pods").unwrap_or(0) {
        return Some("Too many pods".to_owned());
    }
    if request.cpu > 0 && used.cpu + request.cpu > room("cpu").unwrap_or(0) {
        return Some("Insufficient cpu".to_owned());
    }
    if request.memory > 0 && used.memory + request.memory > room("memory").unwrap_or(0) {
        return Some("Insufficient memory".to_owned());
    }
    None
}

/// Why a node is not for Pods like this one, however much room it has.
pub(super) fn unfit(pod: &Value, node: &Value) -> Option<String> {
    let taints = list_at(node, &["spec", "taints"]);
    let cordoned = json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
    if node["spec"]["unschedulable"] == true && !tolerates(pod, &cordoned) {
        return Some("node(s) were unschedulable".to_owned());
    }
    let hard = |t: &&Value| matches!(str_at(t, &["effect"]), "NoSchedule" | "NoExecute");
    if taints.iter().filter(hard).any(|t| !tolerates(pod, t)) {
        return Some("node(s) had untolerated taint(s)".to_owned());
    }
    if affine(pod, node) { None } else { Some(AFFINITY.to_owned()) }
}

/// <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>
pub(super) fn tolerates(pod: &Value, taint: &Value) -> bool {
    list_at(pod, &["spec", "tolerations"]).iter().any(|t| {
        let effect = str_at(t, &["effect"]);
        let key = str_at(t, &["key"]);
        let exists = str_at(t, &["operator"]) == "Exists";
        (effect.is_empty() || effect == str_at(taint, &["effect"]))
            && (key == str_at(taint, &["key"]) || (key.is_empty() && exists))
            && (exists || str_at(t, &["value"]) == str_at(taint, &["value"]))
    })
}

/// <https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/>
fn affine(pod: &Value, node: &Value) -> bool {
    let label = |key: &str| get(node, &["metadata", "labels", key]).and_then(Value::as_str);
    let selector = json::map_at(pod, &["spec", "nodeSelector"]);
    if !selector.into_iter().flatten().all(|(k, v)| label(k) == v.as_str()) {
        return false;
    }
    let path = ["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"];
    let Some(required) = get(pod, &path) else {
        return true;
    };
    let field = |key: &str| (key == "metadata.name").then(|| str_at(node, &["metadata", "name"]));
    list_at(required, &["nodeSelectorTerms"]).iter().any(|term| {
        let (labels, fields) = (list_at(term, &["matchExpressions"]), list_at(term, &["matchFields"]));
        (!labels.is_empty() || !fields.is_empty())
            && labels.iter().all(|e| holds(e, label(str_at(e, &["key"]))))
            && fields.iter().all(|e| holds(e, field(str_at(e, &["key"]))))
    })
}

fn holds(expression: &Value, value: Option<&str>) -> bool {
    let values = list_at(expression, &["values"]);
    let among = || value.is_some_and(|v| values.iter().any(|x| x == v));
    let compared = |ordering: std::cmp::Ordering| {
        let bound = values.first().and_then(Value::as_str).and_then(|v| v.parse::<i64>().ok());
        matches!((value.and_then(|v| v.parse::<i64>().ok()), bound), (Some(v), Some(b)) if v.cmp(&b) == ordering)
    };
    match str_at(expression, &["operator"]) {
        "In" => among(),
        "NotIn" => !among(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared(std::cmp::Ordering::Greater),
        "Lt" => compared(std::cmp::Ordering::Less),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for (text, milli, expected) in [
            ("100m", true, 100),
            ("1.5", true, 1500),
            ("2", true, 2000),
            ("1Gi", false, 1 << 30),
            ("1G", false, 1_000_000_000),
            ("1e3", false, 1000),
            ("0.1", false, 1),
            ("nonsense", false, 0),
            ("1Zi", false, 0),
        ] {
            assert_eq!(quantity(&json!(text), milli), expected, "{text}");
        }
        assert_eq!(quantity(&json!(3), false), 3);
    }

    #[test]
    fn nodes_are_chosen_by_taint_selector_and_affinity() {
        let node = json!({
            "metadata": {"name": "a", "labels": {"zone": "x", "size": "8"}},
            "spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}, {"key": "soft", "effect": "PreferNoSchedule"}]},
        });
        let affinity = |term: Value| json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}});
        let tolerant = json!([{"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}]);
        let expression = |operator: &str, values: Value| json!({"matchExpressions": [{"key": "size", "operator": operator, "values": values}]});
        for (spec, fits) in [
            (json!({}), false),
            (json!({"tolerations": tolerant}), true),
            (json!({"tolerations": [{"operator": "Exists"}]}), true),
            (json!({"tolerations": [{"key": "gpu", "operator": "Equal", "value": "no"}]}), false),
            (json!({"tolerations": tolerant, "nodeSelector": {"zone": "x"}}), true),
            (json!({"tolerations": tolerant, "nodeSelector": {"zone": "y"}}), false),
            (json!({"tolerations": tolerant, "affinity": affinity(expression("Gt", json!(["4"])))}), true),
            (json!({"tolerations": tolerant, "affinity": affinity(expression("In", json!(["4"])))}), false),
            (
                json!({"tolerations": tolerant, "affinity": affinity(json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}))}),
                true,
            ),
            (json!({"tolerations": tolerant, "affinity": affinity(json!({}))}), false),
        ] {
            assert_eq!(unfit(&json!({"spec": spec}), &node).is_none(), fits, "{spec}");
        }
    }
}

//! LimitRanges: what they give to the containers of new Pods, and what they let Pods and claims ask for.
//! <https://kubernetes.io/docs/concepts/policy/limit-range/>

use std::collections::BTreeMap;

use serde_json::Value;

use super::amounts::{Amount, Amounts, amounts, of_containers, of_kind};
use crate::{
    json::{self, default as fill, get, list_at, map_at, str_at},
    resources::GroupResource,
    state::State,
};

/// Where a Pod is told what it was given.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// The resources that a Pod may ask for as a whole.
const OF_PODS: [&str; 2] = ["cpu", "memory"];

/// The items of all LimitRanges of a namespace, range by range.
fn ranges<'s>(state: &'s State, namespace: &str) -> Vec<&'s [Value]> {
    let ranges = state.store.objects(&GroupResource::new("", "limitranges"), Some(namespace));
    ranges.into_iter().map(|range| list_at(&range.value, &["spec", "limits"])).collect()
}

fn of_type<'v>(items: &'v [Value], kind: &'v str) -> impl Iterator<Item = &'v Value> {
    items.iter().filter(move |item| str_at(item, &["type"]) == kind)
}

/// Gives the containers of a new Pod what they do not ask for themselves.
pub(super) fn fill_pod(state: &State, namespace: &str, pod: &mut Value) {
    for items in ranges(state, namespace) {
        let mut told = Vec::new();
        for (list, called) in [("containers", "container"), ("initContainers", "init container")] {
            let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                let given = fill_container(items, container);
                let name = str_at(container, &["name"]);
                told.extend(given.iter().map(|(what, of)| format!("{} {what} for {called} {name}", of.join(", "))));
            }
        }
        if !told.is_empty() {
            let text = format!("LimitRanger plugin set: {}", told.join("; "));
            json::set(pod, &["metadata", "annotations", ANNOTATION], text);
        }
    }
}

/// Returns which resources it was given as requests and as limits.
fn fill_container(items: &[Value], container: &mut Value) -> Vec<(&'static str, Vec<String>)> {
    let mut out = Vec::new();
    for (field, from, what) in [("requests", "defaultRequest", "request"), ("limits", "default", "limit")] {
        let mut given = BTreeMap::new();
        // The last range of containers that speaks of a resource decides.
        for item in of_type(items, "Container") {
            for (name, amount) in map_at(item, &[from]).into_iter().flatten() {
                if get(container, &["resources", field, name]).is_none() {
                    given.insert(name.clone(), amount.clone());
                }
            }
        }
        for (name, amount) in &given {
            fill(container, &["resources", field, name], amount.clone());
        }
        if !given.is_empty() {
            out.push((what, given.into_keys().collect()));
        }
    }
    out
}

/// What the LimitRanges of a namespace have against a new Pod.
pub(super) fn check_pod(state: &State, namespace: &str, pod: &Value) -> Result<(), String> {
    for items in ranges(state, namespace) {
        let mut wrong = Vec::new();
        for item in items {
            match str_at(item, &["type"]) {
                "Container" => {
                    for container in ["containers", "initContainers"].iter().flat_map(|l| list_at(pod, &["spec", l])) {
                        let [requests, limits] = ["requests", "limits"].map(|f| amounts(container, &["resources", f]));
                        Limit { item, kind: "Container", requests, limits }.check(&mut wrong);
                    }
                }
                "Pod" => {
                    let [requests, limits] = ["requests", "limits"].map(|field| of_whole_pod(&pod["spec"], field));
                    Limit { item, kind: "Pod", requests, limits }.check(&mut wrong);
                }
                _ => {}
            }
        }
        refuse(wrong)?;
    }
    Ok(())
}

/// The same about a claim.
pub(super) fn check_claim(state: &State, namespace: &str, claim: &Value) -> Result<(), String> {
    const KIND: &str = "PersistentVolumeClaim";
    for items in ranges(state, namespace) {
        let mut wrong = Vec::new();
        for item in of_type(items, KIND) {
            let requests = amounts(claim, &["spec", "resources", "requests"]);
            let limit = Limit { item, kind: KIND, requests, limits: Amounts::new() };
            limit.check_least(&mut wrong);
            limit.check_most_requested(&mut wrong);
        }
        refuse(wrong)?;
    }
    Ok(())
}

/// One thing is said as it is, several as a list, and each once.
fn refuse(mut wrong: Vec<String>) -> Result<(), String> {
    let mut said: Vec<String> = Vec::new();
    wrong.retain(|text| {
        !said.contains(text) && {
            said.push(text.clone());
            true
        }
    });
    match wrong.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

/// What a Pod asks for as a whole: what it says itself goes before what its containers need.
fn of_whole_pod(spec: &Value, field: &str) -> Amounts {
    let mut all = of_containers(spec, of_kind(field));
    all.extend(amounts(spec, &["resources", field]).into_iter().filter(|(name, _)| OF_PODS.contains(&name.as_str())));
    all
}

/// An item of a LimitRange, and what somebody asks for.
struct Limit<'a> {
    item: &'a Value,
    kind: &'a str,
    requests: Amounts,
    limits: Amounts,
}

impl Limit<'_> {
    fn check(&self, wrong: &mut Vec<String>) {
        self.check_least(wrong);
        self.check_most(wrong);
        self.check_ratio(wrong);
    }

    fn check_least(&self, wrong: &mut Vec<String>) {
        for (name, least) in amounts(self.item, &["min"]) {
            let rule = format!("minimum {name} usage per {} is {}", self.kind, least.text);
            match (self.requests.get(&name), self.limits.get(&name)) {
                (None, _) => wrong.push(format!("{rule}.  No request is specified")),
                (Some(request), _) if request.milli() < least.milli() => {
                    wrong.push(format!("{rule}, but request is {}", request.text));
                }
                (_, Some(limit)) if limit.milli() < least.milli() => {
                    wrong.push(format!("{rule}, but limit is {}", limit.text));
                }
                _ => {}
            }
        }
    }

    fn check_most(&self, wrong: &mut Vec<String>) {
        for (name, most) in amounts(self.item, &["max"]) {
            let rule = format!("maximum {name} usage per {} is {}", self.kind, most.text);
            match (self.limits.get(&name), self.requests.get(&name)) {
                (None, _) => wrong.push(format!("{rule}.  No limit is specified")),
                (Some(limit), _) if limit.milli() > most.milli() => {
                    wrong.push(format!("{rule}, but limit is {}", limit.text));
                }
                (_, Some(request)) if request.milli() > most.milli() => {
                    wrong.push(format!("{rule}, but request is {}", request.text));
                }
                _ => {}
            }
        }
    }

    /// The same where nobody can set limits.
    fn check_most_requested(&self, wrong: &mut Vec<String>) {
        for (name, most) in amounts(self.item, &["max"]) {
            let rule = format!("maximum {name} usage per {} is {}", self.kind, most.text);
            match self.requests.get(&name) {
                None => wrong.push(format!("{rule}.  No request is specified")),
                Some(request) if request.milli() > most.milli() => {
                    wrong.push(format!("{rule}, but request is {}", request.text));
                }
                Some(_) => {}
            }
        }
    }

    fn check_ratio(&self, wrong: &mut Vec<String>) {
        for (name, most) in amounts(self.item, &["maxLimitRequestRatio"]) {
            let rule = format!("{name} max limit to request ratio per {} is {}", self.kind, most.text);
            let [request, limit] = [&self.requests, &self.limits].map(|of| of.get(&name).map_or(0, Amount::milli));
            if request == 0 {
                wrong.push(format!("{rule}, but no request is specified or request is 0"));
            } else if limit == 0 {
                wrong.push(format!("{rule}, but no limit is specified or limit is 0"));
            } else {
                // As a real server has it, also in how far it is exact.
                let ratio = limit as f64 / request as f64;
                if ratio * 1000.0 > most.milli() as f64 {
                    wrong.push(format!("{rule}, but provided ratio is {ratio:.6}"));
                }
            }
        }
    }
}

//! The class of a Pod when its node runs out of resources:
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/>

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    admission::quantity,
    json::{get, list_at, map_at},
};

const COUNTED: [&str; 2] = ["cpu", "memory"];

pub(in crate::admission) fn of(pod: &Value) -> &'static str {
    let spec = &pod["spec"];
    // What is asked for the Pod as a whole stands for its containers.
    let parts: Vec<&Value> = match get(spec, &["resources"]) {
        Some(_) => vec![spec],
        None => list_at(spec, &["containers"]).iter().chain(list_at(spec, &["initContainers"])).collect(),
    };
    let (requests, _) = sums(&parts, "requests");
    let (limits, every) = sums(&parts, "limits");
    if requests.is_empty() && limits.is_empty() {
        "BestEffort"
    } else if every && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// What is more than nothing, added up, and whether each part has all of it.
fn sums<'a>(parts: &[&'a Value], kind: &str) -> (BTreeMap<&'a str, i128>, bool) {
    let mut sums = BTreeMap::new();
    let mut every = true;
    for part in parts {
        let mut found = 0;
        for (name, amount) in map_at(part, &["resources", kind]).into_iter().flatten() {
            let amount = amount.as_str().and_then(quantity::value).unwrap_or(0);
            if COUNTED.contains(&name.as_str()) && amount > 0 {
                found += 1;
                *sums.entry(name.as_str()).or_insert(0) += amount;
            }
        }
        every &= found == COUNTED.len();
    }
    (sums, every)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::of;

    #[test]
    fn classes() {
        let all = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}});
        for (containers, class) in [
            (json!([{"resources": {}}]), "BestEffort"),
            (json!([{"resources": {"requests": {"cpu": "0"}}}]), "BestEffort"),
            (json!([{"resources": all}]), "Guaranteed"),
            (json!([{"resources": all}, {"resources": {}}]), "Burstable"),
            (json!([{"resources": {"requests": {"ephemeral-storage": "1Gi"}}}]), "BestEffort"),
            (json!([{"resources": {"requests": {"cpu": "1"}}}]), "Burstable"),
        ] {
            assert_eq!(of(&json!({"spec": {"containers": containers}})), class);
        }
    }
}

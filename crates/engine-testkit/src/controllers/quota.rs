//! ResourceQuotas: what is used of what they limit.
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/>

use serde_json::{Map, Value, json};

use super::{
    Decision, View,
    conditions::is_finished,
    scheduler::{quantity, request},
};
use crate::{
    json::{self, get, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored},
};

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, quota: &Stored) -> Decision {
    let mut decision = Decision::default();
    if quota.is_terminating() {
        return decision;
    }
    let hard = json::map_at(&quota.value, &["spec", "hard"]).cloned().unwrap_or_default();
    // A quota of a scope counts what this does not tell apart: it is left alone.
    if get(&quota.value, &["spec", "scopes"]).is_some() || get(&quota.value, &["spec", "scopeSelector"]).is_some() {
        return decision;
    }
    let mut used = Map::new();
    for name in hard.keys() {
        if let Some(amount) = amount(view, quota.namespace(), name) {
            used.insert(name.clone(), amount.into());
        }
    }
    let mut after = quota.value.clone();
    after["status"] = json!({"hard": hard, "used": used});
    decision.status(key, quota, after);
    decision
}

fn amount(view: &View<'_>, namespace: &str, name: &str) -> Option<String> {
    let objects =
        |group: &str, resource: &str| view.state.store.objects(&GroupResource::new(group, resource), Some(namespace));
    let pods = || objects("", "pods").into_iter().filter(|p| !is_finished(&p.value));
    let services =
        |kind: &str| objects("", "services").iter().filter(|s| str_at(&s.value, &["spec", "type"]) == kind).count();
    if let Some(kind) = name.strip_prefix("count/") {
        let (resource, group) = kind.split_once('.').unwrap_or((kind, ""));
        return Some(objects(group, resource).len().to_string());
    }
    let count = match name {
        "pods" => pods().count(),
        "services.loadbalancers" => services("LoadBalancer"),
        "services.nodeports" => {
            let ports = |s: &Stored| {
                list_at(&s.value, &["spec", "ports"]).iter().filter(|p| get(p, &["nodePort"]).is_some()).count()
            };
            objects("", "services").iter().map(|s| ports(s)).sum()
        }
        "configmaps"
        | "secrets"
        | "services"
        | "persistentvolumeclaims"
        | "replicationcontrollers"
        | "resourcequotas" => objects("", name).len(),
        "requests.cpu" | "cpu" => return Some(processors(pods().map(|p| request(&p.value).cpu).sum())),
        "requests.memory" | "memory" => return Some(bytes(pods().map(|p| request(&p.value).memory).sum())),
        "limits.cpu" => return Some(processors(pods().map(|p| limit(&p.value, "cpu")).sum())),
        "limits.memory" => return Some(bytes(pods().map(|p| limit(&p.value, "memory")).sum())),
        "requests.storage" => {
            let claims = objects("", "persistentvolumeclaims");
            let size = |c: &Stored| quantity(&c.value["spec"]["resources"]["requests"]["storage"], false);
            return Some(bytes(claims.iter().map(|c| size(c)).sum()));
        }
        _ => return None,
    };
    Some(count.to_string())
}

fn limit(pod: &Value, what: &str) -> i64 {
    let containers = list_at(pod, &["spec", "containers"]).iter();
    containers.filter_map(|c| get(c, &["resources", "limits", what])).map(|q| quantity(q, what == "cpu")).sum()
}

fn processors(milli: i64) -> String {
    if milli % 1000 == 0 { (milli / 1000).to_string() } else { format!("{milli}m") }
}

/// In the largest unit that says it exactly.
fn bytes(n: i64) -> String {
    for (unit, size) in [("Ti", 1_i64 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)] {
        if n != 0 && n % size == 0 {
            return format!("{}{unit}", n / size);
        }
    }
    n.to_string()
}

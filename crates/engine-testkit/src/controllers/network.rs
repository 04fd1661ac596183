//! Services with their endpoints, and Ingresses: addresses that nobody can reach, where a real cluster has them.

use serde_json::{Value, json};

use super::{Decision, NODE, View, Write, controller_reference, is_ready, replace_if_changed};
use crate::{
    json::{self, get, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored, selector::LabelSelector},
    write::delete::Propagation,
};

const LOAD_BALANCER: &str = "203.0.113.10";

fn ports(service: &Value, pod: Option<&Value>) -> Vec<Value> {
    list_at(service, &["spec", "ports"])
        .iter()
        .map(|p| {
            // A named target is looked up in the Pods.
            let number = match &p["targetPort"] {
                Value::String(name) => pod
                    .into_iter()
                    .flat_map(|pod| list_at(pod, &["spec", "containers"]))
                    .flat_map(|c| list_at(c, &["ports"]))
                    .find(|c| c["name"] == name.as_str())
                    .map_or(p["port"].clone(), |c| c["containerPort"].clone()),
                other => other.clone(),
            };
            let mut port = json!({"port": number, "protocol": p["protocol"]});
            if let Some(name) = get(p, &["name"]) {
                port["name"] = name.clone();
            }
            port
        })
        .collect()
}

pub(super) fn service(view: &View<'_>, key: &ObjectKey, service: &Stored) -> Decision {
    let mut decision = Decision::default();
    if service.is_terminating() {
        return decision;
    }
    let mut after = service.value.clone();
    let balanced = str_at(&after, &["spec", "type"]) == "LoadBalancer";
    let status = match balanced {
        true => json!({"loadBalancer": {"ingress": [{"ip": LOAD_BALANCER, "ipMode": "VIP"}]}}),
        false => json!({"loadBalancer": {}}),
    };
    after["status"] = status;
    decision.writes.extend(replace_if_changed(key, service, after));
    let Some(selector) = json::map_at(&service.value, &["spec", "selector"]).filter(|s| !s.is_empty()) else {
        return decision;
    };
    let selector = LabelSelector::from_map(selector);
    let pods: Vec<_> = view
        .objects("", "pods", service.namespace())
        .into_iter()
        .filter(|p| selector.matches(&p.value) && !p.is_terminating() && get(&p.value, &["status", "podIP"]).is_some())
        .collect();
    let reference = |p: &Stored| json!({"kind": "Pod", "name": p.name(), "namespace": p.namespace(), "uid": p.uid()});
    let addresses = |ready: bool| -> Vec<Value> {
        pods.iter()
            .filter(|p| is_ready(&p.value) == ready)
            .map(|p| json!({"ip": p.value["status"]["podIP"], "nodeName": NODE, "targetRef": reference(p)}))
            .collect()
    };
    let ports = ports(&service.value, pods.first().map(|p| &p.value));
    let mut subset = json!({"ports": ports});
    for (field, list) in [("addresses", addresses(true)), ("notReadyAddresses", addresses(false))] {
        if !list.is_empty() {
            subset[field] = list.into();
        }
    }
    let (gr, name, namespace) = (GroupResource::new("", "endpoints"), service.name(), service.namespace());
    let at = ObjectKey::new(&gr, namespace, name);
    let subsets = if pods.is_empty() { Value::Null } else { json!([subset]) };
    match view.state.store.at(&at) {
        None => {
            let mut metadata = json!({"name": name, "namespace": namespace, "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": view.now.rfc3339()}});
            if let Some(labels) = get(&service.value, &["metadata", "labels"]) {
                metadata["labels"] = labels.clone();
            }
            metadata["labels"]["endpoints.kubernetes.io/managed-by"] = "endpoint-controller".into();
            decision.writes.push(Write::Create(gr, json!({"metadata": metadata, "subsets": subsets})));
        }
        Some(old) => {
            let mut value = old.value.clone();
            json::remove(&mut value, &["subsets"]);
            if !subsets.is_null() {
                value["subsets"] = subsets;
            }
            decision.writes.extend(replace_if_changed(&at, old, value));
        }
    }
    slice(view, service, &pods.iter().map(|p| &***p).collect::<Vec<_>>(), &ports, &mut decision);
    decision
}

fn slice(view: &View<'_>, service: &Stored, pods: &[&Stored], ports: &[Value], decision: &mut Decision) {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|p| {
            let ready = is_ready(&p.value);
            json!({
                "addresses": [p.value["status"]["podIP"]], "nodeName": NODE,
                "conditions": {"ready": ready, "serving": ready, "terminating": false},
                "targetRef": {"kind": "Pod", "name": p.name(), "namespace": p.namespace(), "uid": p.uid()},
            })
        })
        .collect();
    let ports: Vec<Value> = ports
        .iter()
        .map(|p| {
            let mut p = p.clone();
            json::default(&mut p, &["name"], "");
            p
        })
        .collect();
    let gr = GroupResource::new("discovery.k8s.io", "endpointslices");
    match view.owned(service, "discovery.k8s.io", "endpointslices").first() {
        None => decision.writes.push(Write::Create(
            gr,
            json!({
                "metadata": {
                    "generateName": format!("{}-", service.name()), "namespace": service.namespace(),
                    "labels": {
                        "kubernetes.io/service-name": service.name(),
                        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                    },
                    "ownerReferences": [controller_reference(service)],
                },
                "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
            }),
        )),
        Some(old) => {
            let mut value = old.value.clone();
            value["endpoints"] = endpoints.into();
            value["ports"] = ports.into();
            let at = ObjectKey::new(&gr, old.namespace(), old.name());
            decision.writes.extend(replace_if_changed(&at, old, value));
        }
    }
}

/// Endpoints that the controller made go with their Service; it does not own them.
pub(super) fn endpoints(view: &View<'_>, key: &ObjectKey, endpoints: &Stored) -> Decision {
    let mut decision = Decision::default();
    let made = str_at(&endpoints.value, &["metadata", "labels", "endpoints.kubernetes.io/managed-by"]);
    if made == "endpoint-controller" && view.get("", "services", key.namespace(), key.name()).is_none() {
        decision.writes.push(Write::Delete(key.clone(), Propagation::Background));
    }
    decision
}

pub(super) fn ingress(key: &ObjectKey, ingress: &Stored) -> Decision {
    let mut decision = Decision::default();
    if !ingress.is_terminating() {
        let mut after = ingress.value.clone();
        after["status"] = json!({"loadBalancer": {"ingress": [{"ip": LOAD_BALANCER}]}});
        decision.writes = replace_if_changed(key, ingress, after);
    }
    decision
}

//! Services with their endpoints, and Ingresses: addresses that nobody can reach, where a real cluster has them.
//! <https://kubernetes.io/docs/concepts/services-networking/service/>

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{
    Decision, View,
    conditions::{is_finished, is_ready},
    pods::controller_reference,
    script::{NO_ADDRESS, Script},
    writes::Write,
};
use crate::{
    json::{self, get, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored, selector::LabelSelector},
    write::delete::Propagation,
};

const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const HEADLESS: &str = "service.kubernetes.io/headless";

/// An address of its own from 198.18.0.0/15, which RFC 2544 keeps for tests.
fn public_address(object: &Stored) -> String {
    let number = object.uid().bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) | (number & 0x0001_ffff)).to_string()
}

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

/// Whether an object has an address by now: it keeps the one that it has, whoever gave it.
fn addressed(view: &View<'_>, object: &Stored, wanted: bool, ip_mode: bool) -> Value {
    let mut after = object.value.clone();
    let has = !list_at(&after, &["status", "loadBalancer", "ingress"]).is_empty();
    let withheld = !view.settings.addresses || view.is_scripted(&object.value, NO_ADDRESS, &Script::NoAddress);
    if !wanted {
        json::set(&mut after, &["status", "loadBalancer"], json!({}));
    } else if !has {
        let mut entry = json!({"ip": public_address(object)});
        if ip_mode {
            entry["ipMode"] = "VIP".into();
        }
        let balancer = if withheld { json!({}) } else { json!({"ingress": [entry]}) };
        json::set(&mut after, &["status", "loadBalancer"], balancer);
    }
    after
}

pub(super) fn ingress(view: &View<'_>, key: &ObjectKey, ingress: &Stored) -> Decision {
    let mut decision = Decision::default();
    if !ingress.is_terminating() {
        decision.status(key, ingress, addressed(view, ingress, true, false));
    }
    decision
}

pub(super) fn service(view: &View<'_>, key: &ObjectKey, service: &Stored) -> Decision {
    let mut decision = Decision::default();
    if service.is_terminating() {
        return decision;
    }
    let balanced = str_at(&service.value, &["spec", "type"]) == "LoadBalancer";
    decision.status(key, service, addressed(view, service, balanced, true));
    let Some(selector) = json::map_at(&service.value, &["spec", "selector"]).filter(|s| !s.is_empty()) else {
        return decision;
    };
    if str_at(&service.value, &["spec", "type"]) == "ExternalName" {
        return decision;
    }
    let selector = LabelSelector::from_map(selector);
    let pods: Vec<&Stored> = view
        .selected("", "pods", service.namespace(), &selector)
        .into_iter()
        .filter(|p| !is_finished(&p.value) && get(&p.value, &["status", "podIP"]).is_some())
        .map(|p| &**p)
        .collect();
    let ports = ports(&service.value, pods.first().map(|p| &p.value));
    let early = service.value["spec"]["publishNotReadyAddresses"] == true;
    endpoints_of(view, service, &pods, &ports, early, &mut decision);
    slice(view, service, &pods, &ports, early, &mut decision);
    decision
}

fn reference(pod: &Stored) -> Value {
    json!({"kind": "Pod", "name": pod.name(), "namespace": pod.namespace(), "uid": pod.uid()})
}

/// Labels of a Service that its endpoints get, with those that say who made them.
fn labels(service: &Stored, own: &[(&str, &str)]) -> Value {
    let mut labels = get(&service.value, &["metadata", "labels"]).cloned().unwrap_or_else(|| json!({}));
    for (key, text) in own {
        labels[*key] = (*text).into();
    }
    if str_at(&service.value, &["spec", "clusterIP"]) == "None" {
        labels[HEADLESS] = "".into();
    }
    labels
}

fn endpoints_of(
    view: &View<'_>,
    service: &Stored,
    pods: &[&Stored],
    ports: &[Value],
    early: bool,
    decision: &mut Decision,
) {
    let (gr, name, namespace) = (GroupResource::new("", "endpoints"), service.name(), service.namespace());
    let at = ObjectKey::new(&gr, namespace, name);
    let addresses = |ready: bool| -> Vec<Value> {
        pods.iter()
            .filter(|p| !p.is_terminating() && (early || is_ready(&p.value)) == ready)
            .map(|p| json!({"ip": p.value["status"]["podIP"], "nodeName": p.value["spec"]["nodeName"], "targetRef": reference(p)}))
            .collect()
    };
    let mut subset = json!({});
    for (field, list) in [("addresses", addresses(true)), ("notReadyAddresses", addresses(false))] {
        if !list.is_empty() {
            subset[field] = list.into();
        }
    }
    let empty = subset.as_object().is_some_and(serde_json::Map::is_empty);
    if !ports.is_empty() {
        subset["ports"] = ports.into();
    }
    let labels = labels(service, &[("endpoints.kubernetes.io/managed-by", "endpoint-controller")]);
    let old = view.state.store.at(&at);
    let mut value =
        old.map_or_else(|| json!({"metadata": {"name": name, "namespace": namespace}}), |o| o.value.clone());
    json::set(&mut value, &["metadata", "labels"], labels);
    json::remove(&mut value, &["subsets"]);
    if !empty {
        value["subsets"] = json!([subset]);
    }
    if old.is_some_and(|o| o.value == value) {
        return;
    }
    json::set(&mut value, &["metadata", "annotations", TRIGGER], view.now.rfc3339());
    match old {
        None => decision.write(Write::Create(gr, value)),
        Some(_) => decision.write(Write::Update(at, value)),
    }
}

fn slice(view: &View<'_>, service: &Stored, pods: &[&Stored], ports: &[Value], early: bool, decision: &mut Decision) {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|p| {
            let (serving, going) = (is_ready(&p.value), p.is_terminating());
            json!({
                "addresses": [p.value["status"]["podIP"]], "nodeName": p.value["spec"]["nodeName"],
                "conditions": {"ready": early || (serving && !going), "serving": serving, "terminating": going},
                "targetRef": reference(p),
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
    let or_null = |list: Vec<Value>| if list.is_empty() { Value::Null } else { list.into() };
    let labels = labels(
        service,
        &[
            ("kubernetes.io/service-name", service.name()),
            ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"),
        ],
    );
    let gr = GroupResource::new("discovery.k8s.io", "endpointslices");
    let owned = view.owned(service, "discovery.k8s.io", "endpointslices");
    let old = owned.first();
    let mut value = old.map_or_else(
        || {
            json!({
                "metadata": {
                    "generateName": format!("{}-", service.name()), "namespace": service.namespace(),
                    "ownerReferences": [controller_reference(service)],
                },
                "addressType": "IPv4",
            })
        },
        |o| o.value.clone(),
    );
    json::set(&mut value, &["metadata", "labels"], labels);
    value["endpoints"] = or_null(endpoints);
    value["ports"] = if pods.is_empty() { Value::Null } else { or_null(ports) };
    let same = |o: &Stored| {
        o.value["endpoints"] == value["endpoints"]
            && o.value["ports"] == value["ports"]
            && o.value["metadata"]["labels"] == value["metadata"]["labels"]
    };
    if old.is_some_and(|o| same(o)) {
        return;
    }
    json::set(&mut value, &["metadata", "annotations", TRIGGER], view.now.rfc3339());
    match old {
        None => decision.write(Write::Create(gr, value)),
        Some(old) => decision.write(Write::Update(ObjectKey::new(&gr, old.namespace(), old.name()), value)),
    }
}

/// Endpoints that the controller made go with their Service; it does not own them.
pub(super) fn endpoints(view: &View<'_>, key: &ObjectKey, endpoints: &Stored) -> Decision {
    let mut decision = Decision::default();
    let made = str_at(&endpoints.value, &["metadata", "labels", "endpoints.kubernetes.io/managed-by"]);
    if made == "endpoint-controller" && view.get("", "services", key.namespace(), key.name()).is_none() {
        decision.write(Write::Delete(key.clone(), Propagation::Background));
    }
    decision
}

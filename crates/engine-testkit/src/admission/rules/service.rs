//! Services. <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/>

use serde_json::Value;

use super::{At, ip, network};
use crate::{
    admission::names,
    json::{get, list_at, str_at},
    status::Cause,
};

const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const MODE: &str = "service.kubernetes.io/topology-mode";
const SOURCES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];
const FAMILY_POLICIES: [&str; 3] = ["PreferDualStack", "RequireDualStack", "SingleStack"];

pub(in crate::admission) fn kind_of(service: &Value) -> &str {
    str_at(service, &["spec", "type"])
}

/// Whether it has no address, and is not asked for one.
pub(in crate::admission) fn is_headless(service: &Value) -> bool {
    matches!(list_at(service, &["spec", "clusterIPs"]), [one] if one == "None")
}

/// Whether others than Pods reach it.
pub(in crate::admission) fn is_exposed(service: &Value) -> bool {
    match kind_of(service) {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => !list_at(service, &["spec", "externalIPs"]).is_empty(),
        _ => false,
    }
}

/// Whether its load balancer asks nodes whether they have Pods of it.
pub(in crate::admission) fn is_health_checked(service: &Value) -> bool {
    kind_of(service) == "LoadBalancer" && str_at(service, &["spec", "externalTrafficPolicy"]) == "Local"
}

fn strings<'a>(service: &'a Value, path: &[&str]) -> Vec<&'a str> {
    list_at(service, path).iter().filter_map(Value::as_str).collect()
}

/// The fields of a Service; `before` is the stored one on a change.
pub(super) fn service(root: &At<'_>, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    let annotations = root.field("metadata").field("annotations");
    let (mode, hints) = (annotations.field(MODE), annotations.field(HINTS));
    if mode.is_set() && hints.is_set() && mode.text() != hints.text() {
        let detail = format!("must match annotations[{HINTS}] when both are specified");
        causes.push(Cause::invalid(format!("metadata.annotations[{MODE}]"), mode.value, detail));
    }
    let (kind, headless) = (spec.field("type").text(), is_headless(root.value));
    if spec.field("ports").len() == 0 && !headless && kind != "ExternalName" {
        spec.field("ports").required("", causes);
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            causes.push(Cause::invalid("spec.clusterIPs[0]", &"None".into(), detail));
        }
        "ExternalName" => external_name(&spec, causes),
        _ => {}
    }
    ports(&spec, causes);
    spec.field("selector").labels(causes);
    affinity(&spec, causes);
    cluster_ips(root, before, causes);
    let known = before.map(|b| strings(b, &["spec", "externalIPs"])).unwrap_or_default();
    for address in spec.field("externalIPs").items() {
        if ip::address(&address.path, address.text(), &known, causes) {
            ip::endpoint(&address.path, address.text(), causes);
        }
    }
    spec.field("type").required_one_of(&["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"], causes);
    node_ports(&spec, causes);
    sources(root, before, causes);
    balancer(&spec, causes);
    traffic(root, causes);
}

fn external_name(spec: &At<'_>, causes: &mut Vec<Cause>) {
    for (field, set) in [
        ("clusterIPs", spec.field("clusterIPs").len() > 0),
        ("ipFamilies", spec.field("ipFamilies").len() > 0),
        ("ipFamilyPolicy", spec.field("ipFamilyPolicy").is_set()),
    ] {
        if set {
            spec.field(field).forbidden("may not be set for ExternalName services", causes);
        }
    }
    let name = spec.field("externalName");
    // A dot at the end says that the name is complete.
    match name.text().strip_suffix('.').unwrap_or(name.text()) {
        "" => name.required("", causes),
        text => {
            for complaint in names::complaints(text, names::Rule::Subdomain) {
                causes.push(Cause::invalid(name.path.clone(), &text.into(), complaint));
            }
        }
    }
}

fn ports(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let ports = spec.field("ports");
    let mut seen: Vec<&str> = Vec::new();
    for port in ports.items() {
        let name = port.field("name");
        if ports.len() > 1 && name.text().is_empty() {
            name.required("", causes);
        } else if !name.text().is_empty() {
            name.name(names::Rule::Label, causes);
            if seen.contains(&name.text()) {
                causes.push(Cause::duplicate(name.path.clone(), name.value));
            }
            seen.push(name.text());
        }
        port.field("port").port(causes);
        port.field("protocol").required_one_of(&PROTOCOLS, causes);
        port.field("targetPort").port_or_name(causes);
        network::qualified(&port.field("appProtocol"), causes);
    }
}

fn affinity(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let (affinity, config) = (spec.field("sessionAffinity"), spec.field("sessionAffinityConfig"));
    affinity.required_one_of(&["ClientIP", "None"], causes);
    match affinity.text() {
        "ClientIP" => {
            let (client, detail) = (config.field("clientIP"), "when session affinity type is ClientIP");
            let timeout = client.field("timeoutSeconds");
            match [&config, &client, &timeout].into_iter().find(|at| !at.is_set()) {
                Some(missing) => missing.required(detail, causes),
                None if !(1..=86_400).contains(&timeout.int()) => {
                    timeout.invalid("must be greater than 0 and less than 86400", causes);
                }
                None => {}
            }
        }
        "None" if config.is_set() => config.forbidden("must not be set when session affinity is None", causes),
        _ => {}
    }
}

/// Addresses and their families, which must fit each other.
pub(in crate::admission) fn cluster_ips(root: &At<'_>, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    if spec.field("type").text() == "ExternalName" {
        return;
    }
    let (one, all) = (spec.field("clusterIP"), spec.field("clusterIPs"));
    let list = strings(root.value, &["spec", "clusterIPs"]);
    match (one.text(), list.first()) {
        ("", None) => {}
        ("", Some(_)) => all.invalid("must be empty when `clusterIP` is not specified", causes),
        (_, None) => all.required("", causes),
        (one, Some(first)) if one != *first => all.invalid("first value must match `clusterIP`", causes),
        _ => {}
    }
    let families = spec.field("ipFamilies");
    let mut seen: Vec<&str> = Vec::new();
    for family in families.items() {
        if !FAMILIES.contains(&family.text()) {
            family.unsupported(&FAMILIES, causes);
        }
        if seen.contains(&family.text()) {
            causes.push(Cause::duplicate(family.path.clone(), family.value));
        }
        seen.push(family.text());
    }
    spec.field("ipFamilyPolicy").one_of(&FAMILY_POLICIES, causes);
    let known = before.map(|b| strings(b, &["spec", "clusterIPs"])).unwrap_or_default();
    let mut wrong = false;
    for (i, address) in all.items().enumerate() {
        if i == 0 && address.text() == "None" {
            if list.len() > 1 {
                wrong = true;
                all.invalid("'None' must be the first and only value", causes);
            }
            continue;
        }
        wrong |= !ip::address(&address.path, address.text(), &known, causes);
    }
    if list.len() > 2 {
        all.invalid("may only hold up to 2 values", causes);
    }
    if wrong {
        return;
    }
    if list.len() > 1 && !(list.iter().any(|a| ip::is_v4(a)) && list.iter().any(|a| ip::is_v6(a))) {
        all.invalid("may specify no more than one IP for each IP family", causes);
    }
    if is_headless(root.value) {
        return;
    }
    for (i, (address, family)) in all.items().zip(families.items()).enumerate() {
        let v6 = ip::is_v6(address.text());
        let expected = match family.text() {
            "IPv4" if v6 => "IPv4",
            "IPv6" if !v6 => "IPv6",
            _ => continue,
        };
        address.invalid(&format!("expected an {expected} value as indicated by `ipFamilies[{i}]`"), causes);
    }
}

fn node_ports(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let ports = spec.field("ports");
    if spec.field("type").text() == "ClusterIP" {
        for port in ports.items().filter(|p| p.field("nodePort").int() != 0) {
            port.field("nodePort").forbidden("may not be used when `type` is 'ClusterIP'", causes);
        }
    }
    for (field, alone) in [("nodePort", true), ("port", false)] {
        let mut seen: Vec<(&str, i64)> = Vec::new();
        for port in ports.items() {
            let (protocol, number) = (port.field("protocol").text(), port.field(field));
            if alone && number.int() == 0 {
                continue;
            }
            if seen.contains(&(protocol, number.int())) {
                causes.push(if alone {
                    Cause::duplicate(number.path.clone(), number.value)
                } else {
                    // As a port is written that has nothing but its key.
                    let (protocol, number) = (Value::from(protocol), number.int());
                    Cause::duplicate_shown(
                        port.path.clone(),
                        &format!(
                            "{{\"Name\":\"\",\"Protocol\":{protocol},\"AppProtocol\":null,\"Port\":{number},\"TargetPort\":0,\"NodePort\":0}}"
                        ),
                    )
                });
            }
            seen.push((protocol, number.int()));
        }
    }
}

/// From where a load balancer takes requests.
fn sources(root: &At<'_>, before: Option<&Value>, causes: &mut Vec<Cause>) {
    const ONLY: &str = "may only be used when `type` is 'LoadBalancer'";
    let spec = root.field("spec");
    let balanced = spec.field("type").text() == "LoadBalancer";
    let ranges = spec.field("loadBalancerSourceRanges");
    let annotation = root.field("metadata").field("annotations").field(SOURCES);
    if ranges.len() > 0 {
        // The name of the field is written like that in every message about it.
        let path = "spec.LoadBalancerSourceRanges";
        if !balanced {
            causes.push(Cause::forbidden(path, ONLY));
        }
        let known = before.map(|b| strings(b, &["spec", "loadBalancerSourceRanges"])).unwrap_or_default();
        let known: Vec<&str> = known.into_iter().map(str::trim).collect();
        for (i, range) in ranges.items().enumerate() {
            ip::block(&format!("{path}[{i}]"), range.text().trim(), &known, causes);
        }
    } else if annotation.is_set() {
        let path = format!("metadata.annotations[{SOURCES}]");
        if !balanced {
            causes.push(Cause::forbidden(path.clone(), ONLY));
        }
        let old = before.and_then(|b| get(b, &["metadata", "annotations", SOURCES]));
        let text = annotation.text().trim();
        if old != Some(annotation.value) && !text.is_empty() {
            for range in text.split(',') {
                ip::block(&path, range.trim(), &[], causes);
            }
        }
    }
}

fn balancer(spec: &At<'_>, causes: &mut Vec<Cause>) {
    const ONLY: &str = "may only be used when `type` is 'LoadBalancer'";
    let balanced = spec.field("type").text() == "LoadBalancer";
    let (allocate, class) = (spec.field("allocateLoadBalancerNodePorts"), spec.field("loadBalancerClass"));
    match (allocate.is_set(), balanced) {
        (true, false) => allocate.forbidden(ONLY, causes),
        (false, true) => causes.push(Cause::required("allocateLoadBalancerNodePorts", "")),
        _ => {}
    }
    balancer_class(&class, balanced, causes);
}

fn balancer_class(class: &At<'_>, balanced: bool, causes: &mut Vec<Cause>) {
    if balanced {
        network::qualified(class, causes);
    } else if class.is_set() {
        class.forbidden("may only be used when `type` is 'LoadBalancer'", causes);
    }
}

fn traffic(root: &At<'_>, causes: &mut Vec<Cause>) {
    const POLICIES: [&str; 2] = ["Cluster", "Local"];
    let spec = root.field("spec");
    let (external, health) = (spec.field("externalTrafficPolicy"), spec.field("healthCheckNodePort"));
    if is_exposed(root.value) {
        external.required_one_of(&POLICIES, causes);
    } else if !external.text().is_empty() {
        external.invalid("may only be set for externally-accessible services", causes);
    }
    if !is_health_checked(root.value) {
        if health.int() != 0 {
            let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            health.invalid(detail, causes);
        }
    } else if health.int() == 0 {
        health.required("", causes);
    } else {
        health.port(causes);
    }
    let internal = spec.field("internalTrafficPolicy");
    if internal.is_set() {
        internal.one_of(&POLICIES, causes);
    } else if matches!(spec.field("type").text(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        internal.required("", causes);
    }
    spec.field("trafficDistribution").one_of(&["PreferClose", "PreferSameZone", "PreferSameNode"], causes);
}

/// What of a Service cannot change any more.
pub(super) fn change(root: &At<'_>, before: &Value, causes: &mut Vec<Cause>) {
    if kind_of(root.value) != "ExternalName" && kind_of(before) != "ExternalName" {
        kept_addresses(root, before, causes);
        kept_families(root, before, causes);
    }
    let spec = root.field("spec");
    let class = spec.field("loadBalancerClass");
    let balanced = kind_of(root.value) == "LoadBalancer";
    if balanced && kind_of(before) == "LoadBalancer" {
        let old = get(before, &["spec", "loadBalancerClass"]);
        if old != get(root.value, &["spec", "loadBalancerClass"]) {
            pointer_invalid(&class, "may not change once set", causes);
        }
    }
    balancer_class(&class, balanced, causes);
    let health = spec.field("healthCheckNodePort");
    let old = get(before, &["spec", "healthCheckNodePort"]).and_then(Value::as_i64).unwrap_or(0);
    if is_health_checked(before) && is_health_checked(root.value) && health.int() != old {
        health.forbidden("field is immutable", causes);
    }
}

/// A pointer to nothing is shown as the text `null`.
fn pointer_invalid(at: &At<'_>, detail: &str, causes: &mut Vec<Cause>) {
    let shown = if at.is_set() { at.value.clone() } else { "null".into() };
    causes.push(Cause::invalid(at.path.clone(), &shown, detail));
}

const CHANGED: &str = "may not change once set";

fn kept_addresses(root: &At<'_>, before: &Value, causes: &mut Vec<Cause>) {
    if is_headless(before) && is_headless(root.value) {
        return;
    }
    let all = root.field("spec").field("clusterIPs");
    let (old, new) = (list_at(before, &["spec", "clusterIPs"]), list_at(root.value, &["spec", "clusterIPs"]));
    if old.len() == new.len() {
        for i in (0..old.len()).filter(|i| old[*i] != new[*i]) {
            causes.push(Cause::invalid(format!("spec.clusterIPs[{i}]"), all.value, CHANGED));
        }
        return;
    }
    match (old.first(), new.first()) {
        (Some(_), None) => {
            causes.push(Cause::invalid("spec.clusterIPs[0]", all.value, "primary clusterIP can not be unset"));
        }
        (Some(old), Some(new)) if old != new => {
            causes.push(Cause::invalid("spec.clusterIPs[0]", all.value, CHANGED));
        }
        _ => {}
    }
    if old.len() > new.len() && new.len() == 1 {
        released(root, "must be set to 'SingleStack' when releasing the secondary clusterIP", causes);
    }
}

fn kept_families(root: &At<'_>, before: &Value, causes: &mut Vec<Cause>) {
    if is_headless(before) || is_headless(root.value) {
        return;
    }
    let spec = root.field("spec");
    let (families, ips) = (spec.field("ipFamilies"), spec.field("clusterIPs"));
    let (old, new) = (list_at(before, &["spec", "ipFamilies"]), list_at(root.value, &["spec", "ipFamilies"]));
    if old.len() == new.len() {
        for _ in (0..old.len()).filter(|i| old[*i] != new[*i]) {
            causes.push(Cause::invalid("spec.ipFamilies[0]", families.value, CHANGED));
        }
        return;
    }
    if old.len() > new.len() && ips.len() == 0 {
        causes.push(Cause::invalid("spec.ipFamilies[0]", families.value, "primary ipFamily can not be unset"));
    }
    if let (Some(old), Some(new)) = (old.first(), new.first())
        && old != new
    {
        causes.push(Cause::invalid("spec.ipFamilies[0]", ips.value, CHANGED));
    }
    if old.len() > new.len() && new.len() == 1 {
        released(root, "must be set to 'SingleStack' when releasing the secondary ipFamily", causes);
    }
}

fn released(root: &At<'_>, detail: &str, causes: &mut Vec<Cause>) {
    let policy = root.field("spec").field("ipFamilyPolicy");
    if policy.text() != "SingleStack" {
        pointer_invalid(&policy, detail, causes);
    }
}

/// The status of a Service.
pub(super) fn status(root: &At<'_>, before: &Value, causes: &mut Vec<Cause>) {
    let ingress = root.field("status").field("loadBalancer").field("ingress");
    if kind_of(root.value) != "LoadBalancer" {
        if ingress.len() > 0 {
            ingress.forbidden("may only be used when `spec.type` is 'LoadBalancer'", causes);
        }
        return;
    }
    network::reached(&ingress, before, true, causes);
}

//! Services, endpoints, ingresses and network policies.

use std::net::IpAddr;

use super::At;
use crate::{admission::names, status::Cause};

const NO_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

fn ip(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.text().parse::<IpAddr>().is_err() {
        causes.push(Cause::invalid(at.path.clone(), &at.text().into(), NO_IP));
    }
}

/// A port by number or name.
fn port_or_name(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.value.is_string() { port_name(at, causes) } else { at.port(causes) }
}

/// <https://www.rfc-editor.org/rfc/rfc6335#section-5.1>
pub(super) fn port_name(at: &At<'_>, causes: &mut Vec<Cause>) {
    let text = at.text();
    let mut found = Vec::new();
    if text.len() > 15 {
        found.push("must be no more than 15 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') || text.is_empty() {
        found.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        found.push("must contain at least one letter (a-z)");
    }
    if text.contains("--") {
        found.push("must not contain consecutive hyphens");
    }
    if text.starts_with('-') || text.ends_with('-') {
        found.push("must not begin or end with a hyphen");
    }
    for complaint in found {
        causes.push(Cause::invalid(at.path.clone(), &text.into(), complaint));
    }
}

pub(super) fn service(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    let kind = spec.field("type").text();
    let headless = spec.field("clusterIP").text() == "None";
    let ports = spec.field("ports");
    if ports.len() == 0 && !headless && kind != "ExternalName" {
        ports.required("", causes);
    }
    if kind == "LoadBalancer" && headless {
        causes.push(Cause::invalid(
            "spec.clusterIPs[0]",
            &"None".into(),
            "may not be set to 'None' for LoadBalancer services",
        ));
    }
    if kind == "NodePort" && headless {
        causes.push(Cause::invalid(
            "spec.clusterIPs[0]",
            &"None".into(),
            "may not be set to 'None' for NodePort services",
        ));
    }
    if kind == "ExternalName" {
        let ip = spec.field("clusterIP");
        if !ip.text().is_empty() {
            causes.push(Cause::forbidden("spec.clusterIPs", "may not be set for ExternalName services"));
        }
        let name = spec.field("externalName");
        if name.text().is_empty() {
            name.required("", causes);
        } else {
            name.name(names::Rule::Subdomain, causes);
        }
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut together: Vec<(i64, &str)> = Vec::new();
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
        port.field("protocol").required_one_of(&["SCTP", "TCP", "UDP"], causes);
        port_or_name(&port.field("targetPort"), causes);
        let protocol = port.field("appProtocol");
        if protocol.is_set() {
            for complaint in names::key_complaints(protocol.text()) {
                causes.push(Cause::invalid(protocol.path.clone(), protocol.value, complaint));
            }
        }
    }
    for port in ports.items() {
        let key = (port.field("port").int(), port.field("protocol").text());
        if together.contains(&key) {
            causes.push(Cause::duplicate(port.path.clone(), port.value));
        }
        together.push(key);
    }
    spec.field("selector").labels(causes);
    let affinity = spec.field("sessionAffinity");
    affinity.required_one_of(&["ClientIP", "None"], causes);
    for address in spec.field("externalIPs").items() {
        ip(&address, causes);
    }
    spec.field("type").required_one_of(&["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"], causes);
    spec.field("internalTrafficPolicy").one_of(&["Cluster", "Local"], causes);
    let policy = spec.field("externalTrafficPolicy");
    if matches!(kind, "NodePort" | "LoadBalancer") {
        policy.one_of(&["Cluster", "Local"], causes);
    }
}

pub(super) fn endpoints(root: &At<'_>, causes: &mut Vec<Cause>) {
    for subset in root.field("subsets").items() {
        let (ready, not_ready) = (subset.field("addresses"), subset.field("notReadyAddresses"));
        if ready.len() == 0 && not_ready.len() == 0 {
            subset.required("must specify `addresses` or `notReadyAddresses`", causes);
        }
        for address in ready.items().chain(not_ready.items()) {
            ip(&address.field("ip"), causes);
            let host = address.field("hostname");
            if !host.text().is_empty() {
                host.name(names::Rule::Label, causes);
            }
        }
        let ports = subset.field("ports");
        for port in ports.items() {
            let name = port.field("name");
            if ports.len() > 1 && name.text().is_empty() {
                name.required("", causes);
            } else if !name.text().is_empty() {
                name.name(names::Rule::Label, causes);
            }
            port.field("port").port(causes);
            port.field("protocol").required_one_of(&["SCTP", "TCP", "UDP"], causes);
        }
    }
}

pub(super) fn endpoint_slice(root: &At<'_>, causes: &mut Vec<Cause>) {
    let kind = root.field("addressType");
    kind.required_one_of(&["FQDN", "IPv4", "IPv6"], causes);
    for endpoint in root.field("endpoints").items() {
        let addresses = endpoint.field("addresses");
        if addresses.len() == 0 {
            addresses.required("must contain at least 1 address", causes);
        }
    }
    for port in root.field("ports").items() {
        port.field("protocol").required_one_of(&["SCTP", "TCP", "UDP"], causes);
        let name = port.field("name");
        if !name.text().is_empty() {
            name.name(names::Rule::Label, causes);
        }
    }
}

fn backend(at: &At<'_>, causes: &mut Vec<Cause>) {
    let (service, resource) = (at.field("service"), at.field("resource"));
    match (service.is_set(), resource.is_set()) {
        (true, true) => {
            causes.push(Cause::invalid(at.path.clone(), &"".into(), "cannot set both resource and service backends"))
        }
        (false, false) => {
            causes.push(Cause::invalid(at.path.clone(), &"".into(), "resource or service backend is required"))
        }
        (true, false) => {
            let name = service.field("name");
            if name.text().is_empty() {
                name.required("", causes);
            } else {
                name.name(names::Rule::Label, causes);
            }
            let (port, number) = (service.field("port").field("name"), service.field("port").field("number"));
            match (port.text().is_empty(), number.int() == 0) {
                (false, false) => {
                    causes.push(Cause::invalid(at.path.clone(), &"".into(), "cannot set both port name & port number"))
                }
                (true, true) => at.required("port name or number is required", causes),
                (false, true) => port_name(&port, causes),
                (true, false) => number.port(causes),
            }
        }
        (false, true) => {}
    }
}

pub(super) fn ingress(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    let (rules, default) = (spec.field("rules"), spec.field("defaultBackend"));
    if rules.len() == 0 && !default.is_set() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        causes.push(Cause::invalid(spec.path.clone(), rules.value, detail));
    }
    if default.is_set() {
        backend(&default, causes);
    }
    for rule in rules.items() {
        let host = rule.field("host");
        if !host.text().is_empty() {
            if host.text().parse::<IpAddr>().is_ok() {
                host.invalid("must be a DNS name, not an IP address", causes);
            }
            host.name(names::Rule::Subdomain, causes);
        }
        let http = rule.field("http");
        if !http.is_set() {
            continue;
        }
        let paths = http.field("paths");
        if paths.len() == 0 {
            paths.required("", causes);
        }
        for path in paths.items() {
            let (kind, text) = (path.field("pathType"), path.field("path"));
            if !kind.is_set() {
                kind.required("pathType must be specified", causes);
            } else if !matches!(kind.text(), "Exact" | "Prefix" | "ImplementationSpecific") {
                kind.unsupported(&["Exact", "ImplementationSpecific", "Prefix"], causes);
            }
            if matches!(kind.text(), "Exact" | "Prefix") && !text.text().starts_with('/') {
                causes.push(Cause::invalid(text.path.clone(), &text.text().into(), "must be an absolute path"));
            } else if kind.text() == "ImplementationSpecific"
                && !text.text().is_empty()
                && !text.text().starts_with('/')
            {
                causes.push(Cause::invalid(text.path.clone(), text.value, "must be an absolute path"));
            }
            backend(&path.field("backend"), causes);
        }
    }
    for tls in spec.field("tls").items() {
        for host in tls.field("hosts").items() {
            host.name(names::Rule::Subdomain, causes);
        }
        let secret = tls.field("secretName");
        if !secret.text().is_empty() {
            secret.name(names::Rule::Subdomain, causes);
        }
    }
    let class = spec.field("ingressClassName");
    if class.is_set() {
        class.name(names::Rule::Subdomain, causes);
    }
}

fn peer(at: &At<'_>, causes: &mut Vec<Cause>) {
    let (pods, namespaces, block) = (at.field("podSelector"), at.field("namespaceSelector"), at.field("ipBlock"));
    pods.selector(causes);
    namespaces.selector(causes);
    if block.is_set() {
        if pods.is_set() || namespaces.is_set() {
            at.forbidden("may not specify both ipBlock and another peer", causes);
        }
        let cidr = block.field("cidr");
        if cidr.text().is_empty() {
            cidr.required("", causes);
        }
    } else if !pods.is_set() && !namespaces.is_set() {
        at.required("must specify a peer", causes);
    }
}

pub(super) fn policy(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    spec.field("podSelector").selector(causes);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.field(direction).items() {
            for port in rule.field("ports").items() {
                port.field("protocol").one_of(&["SCTP", "TCP", "UDP"], causes);
                let number = port.field("port");
                if number.is_set() {
                    port_or_name(&number, causes);
                }
            }
            for each in rule.field(peers).items() {
                peer(&each, causes);
            }
        }
    }
    let types = spec.field("policyTypes");
    if types.len() > 2 {
        types.invalid("may not specify more than two policyTypes", causes);
    } else {
        for kind in types.items() {
            if !matches!(kind.text(), "Ingress" | "Egress") {
                kind.unsupported(&["Egress", "Ingress"], causes);
            }
        }
    }
}

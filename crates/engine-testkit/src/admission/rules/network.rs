//! Ingresses and network policies, and what they share with Services.

use serde_json::Value;

use super::{At, ip};
use crate::{admission::names, json::list_at, status::Cause};

/// A qualified name, where one is.
pub(super) fn qualified(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.is_set() {
        at.key(causes);
    }
}

/// Where something is reached from outside, as its status says.
pub(super) fn reached(ingress: &At<'_>, before: &Value, with_mode: bool, causes: &mut Vec<Cause>) {
    let old = list_at(before, &["status", "loadBalancer", "ingress"]);
    let known: Vec<&str> = old.iter().filter_map(|i| i["ip"].as_str()).filter(|a| !a.is_empty()).collect();
    for point in ingress.items() {
        let (address, host) = (point.field("ip"), point.field("hostname"));
        if !address.text().is_empty() {
            ip::address(&address.path, address.text(), &known, causes);
        }
        let mode = point.field("ipMode");
        match (mode.is_set(), !address.text().is_empty()) {
            _ if !with_mode => {}
            (false, true) => mode.required("must be specified when `ip` is set", causes),
            (true, false) => mode.forbidden("may not be specified when `ip` is not set", causes),
            _ => mode.one_of(&["Proxy", "VIP"], causes),
        }
        if !host.text().is_empty() {
            host.name(names::Rule::Subdomain, causes);
            if ip::parse(host.text()).is_some() {
                host.invalid("must be a DNS name, not an IP address", causes);
            }
        }
    }
}

/// A reference to an object of any kind in the same namespace.
fn reference(at: &At<'_>, causes: &mut Vec<Cause>) {
    let group = at.field("apiGroup");
    if group.is_set() {
        group.name(names::Rule::Subdomain, causes);
    }
    for field in ["kind", "name"] {
        let field = at.field(field);
        if field.must_be_there(causes) {
            field.name(names::Rule::PathSegment, causes);
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
            if name.must_be_there(causes) {
                name.name(names::Rule::Label, causes);
            }
            let (port, number) = (service.field("port").field("name"), service.field("port").field("number"));
            match (port.text().is_empty(), number.int() == 0) {
                (false, false) => {
                    causes.push(Cause::invalid(at.path.clone(), &"".into(), "cannot set both port name & port number"))
                }
                (true, true) => at.required("port name or number is required", causes),
                (false, true) => {
                    port.port_name(causes);
                }
                (true, false) => number.port(causes),
            }
        }
        (false, true) => reference(&resource, causes),
    }
}

/// A name of a host, which may begin with a star.
fn host(at: &At<'_>, causes: &mut Vec<Cause>) {
    if !at.text().contains('*') {
        at.name(names::Rule::Subdomain, causes);
        return;
    }
    if at.text().len() > 253 {
        at.invalid("must be no more than 253 characters", causes);
    }
    let rest = at.text().strip_prefix("*.");
    if rest.is_none_or(|rest| !names::complaints(rest, names::Rule::Subdomain).is_empty()) {
        at.invalid("a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')", causes);
    }
}

fn path(path: &At<'_>, causes: &mut Vec<Cause>) {
    const NOT_INSIDE: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
    const ABSOLUTE: &str = "must be an absolute path";
    let (kind, text) = (path.field("pathType"), path.field("path"));
    if !kind.is_set() {
        kind.required("pathType must be specified", causes);
        return;
    }
    let mut invalid = |detail: &str| causes.push(Cause::invalid(text.path.clone(), &text.text().into(), detail));
    let relative = !text.text().starts_with('/');
    match kind.text() {
        "Exact" | "Prefix" => {
            if relative {
                invalid(ABSOLUTE);
            }
            for part in NOT_INSIDE.iter().filter(|p| text.text().contains(**p)) {
                invalid(&format!("must not contain '{part}'"));
            }
            for end in ["/..", "/."].iter().filter(|e| text.text().ends_with(**e)) {
                invalid(&format!("cannot end with '{end}'"));
            }
        }
        "ImplementationSpecific" if relative && !text.text().is_empty() => invalid(ABSOLUTE),
        "ImplementationSpecific" => {}
        _ => kind.unsupported(&["Exact", "ImplementationSpecific", "Prefix"], causes),
    }
    backend(&path.field("backend"), causes);
}

/// `before` is the stored one on a change: what was there in older days may stay.
pub(super) fn ingress(root: &At<'_>, before: Option<&Value>, causes: &mut Vec<Cause>) {
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
        let name = rule.field("host");
        if !name.text().is_empty() {
            if ip::parse(name.text()).is_some() {
                name.invalid("must be a DNS name, not an IP address", causes);
            }
            host(&name, causes);
        }
        let http = rule.field("http");
        if !http.is_set() {
            continue;
        }
        let paths = http.field("paths");
        if paths.len() == 0 {
            paths.required("", causes);
        }
        for each in paths.items() {
            path(&each, causes);
        }
    }
    for tls in spec.field("tls").items() {
        for name in tls.field("hosts").items() {
            host(&name, causes);
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
    let annotation = root.field("metadata").field("annotations").field("kubernetes.io/ingress.class");
    if before.is_none() && annotation.is_set() && class.is_set() && annotation.text() != class.text() {
        let detail = "must match `ingressClassName` when both are specified";
        causes.push(Cause::invalid("annotations.kubernetes.io/ingress.class", annotation.value, detail));
    }
}

fn peer(at: &At<'_>, known: &[&str], causes: &mut Vec<Cause>) {
    let (pods, namespaces, block) = (at.field("podSelector"), at.field("namespaceSelector"), at.field("ipBlock"));
    pods.selector(causes);
    namespaces.selector(causes);
    if block.is_set() {
        ip::except(&block, known, causes);
        if pods.is_set() || namespaces.is_set() {
            at.forbidden("may not specify both ipBlock and another peer", causes);
        }
    } else if !pods.is_set() && !namespaces.is_set() {
        at.required("must specify a peer", causes);
    }
}

fn policy_port(port: &At<'_>, causes: &mut Vec<Cause>) {
    port.field("protocol").one_of(&["TCP", "UDP", "SCTP"], causes);
    let (number, end) = (port.field("port"), port.field("endPort"));
    match number.value {
        Value::Null if end.is_set() => end.invalid("may not be specified when `port` is not specified", causes),
        Value::Null => {}
        Value::String(_) => {
            if end.is_set() {
                end.invalid("may not be specified when `port` is non-numeric", causes);
            }
            number.port_name(causes);
        }
        _ => {
            number.port(causes);
            if end.is_set() {
                if end.int() < number.int() {
                    let detail = "must be greater than or equal to `port`";
                    causes.push(Cause::invalid(end.path.clone(), number.value, detail));
                }
                end.port(causes);
            }
        }
    }
}

/// Every block of a policy: those that are there already are not judged again.
fn blocks(policy: &Value) -> Vec<&str> {
    let mut out = Vec::new();
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for peer in list_at(policy, &["spec", direction]).iter().flat_map(|rule| list_at(rule, &[peers])) {
            out.extend(peer["ipBlock"]["cidr"].as_str());
            out.extend(list_at(peer, &["ipBlock", "except"]).iter().filter_map(Value::as_str));
        }
    }
    out
}

pub(super) fn policy(root: &At<'_>, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let known = before.map(blocks).unwrap_or_default();
    let spec = root.field("spec");
    spec.field("podSelector").selector(causes);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.field(direction).items() {
            for port in rule.field("ports").items() {
                policy_port(&port, causes);
            }
            for each in rule.field(peers).items() {
                peer(&each, &known, causes);
            }
        }
    }
    let types = spec.field("policyTypes");
    if types.len() > 2 {
        types.invalid("may not specify more than two policyTypes", causes);
        return;
    }
    for kind in types.items() {
        if !matches!(kind.text(), "Ingress" | "Egress") {
            kind.unsupported(&["Ingress", "Egress"], causes);
        }
    }
}

//! Endpoints and EndpointSlices.
//! <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/>

use super::{At, ip, network};
use crate::{admission::names, status::Cause};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const MOST_ENDPOINTS: usize = 1_000;
const MOST_ADDRESSES: usize = 100;
const MOST_PORTS: usize = 20_000;
const MOST_TOPOLOGY: usize = 16;
const MOST_HINTS: usize = 8;

/// Whether a list or map has more than it may.
fn too_many(at: &At<'_>, most: usize, causes: &mut Vec<Cause>) -> bool {
    let over = at.len() > most;
    if over {
        causes.push(Cause::too_many(at.path.clone(), at.len() as u64, most as u64));
    }
    over
}

fn node(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.is_set() {
        at.name(names::Rule::Subdomain, causes);
    }
}

pub(super) fn endpoints(root: &At<'_>, causes: &mut Vec<Cause>) {
    for subset in root.field("subsets").items() {
        let (ready, not_ready) = (subset.field("addresses"), subset.field("notReadyAddresses"));
        if ready.len() == 0 && not_ready.len() == 0 {
            subset.required("must specify `addresses` or `notReadyAddresses`", causes);
        }
        for address in ready.items().chain(not_ready.items()) {
            let own = address.field("ip");
            ip::address(&own.path, own.text(), &[], causes);
            let host = address.field("hostname");
            if !host.text().is_empty() {
                host.name(names::Rule::Label, causes);
            }
            node(&address.field("nodeName"), causes);
            ip::endpoint(&own.path, own.text(), causes);
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
            port.field("protocol").required_one_of(&PROTOCOLS, causes);
            network::qualified(&port.field("appProtocol"), causes);
        }
    }
}

/// Everything but the endpoints, which are not judged again when they did not change.
pub(super) fn slice(root: &At<'_>, causes: &mut Vec<Cause>) {
    root.field("addressType").required_one_of(&["FQDN", "IPv4", "IPv6"], causes);
    let ports = root.field("ports");
    if too_many(&ports, MOST_PORTS, causes) {
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for port in ports.items() {
        let name = port.field("name");
        if !name.text().is_empty() {
            name.name(names::Rule::Label, causes);
        }
        if seen.contains(&name.text()) {
            causes.push(Cause::duplicate(name.path.clone(), &name.text().into()));
        }
        seen.push(name.text());
        let protocol = port.field("protocol");
        if protocol.is_set() {
            protocol.one_of(&PROTOCOLS, causes)
        } else {
            protocol.required("", causes)
        }
        network::qualified(&port.field("appProtocol"), causes);
    }
}

pub(super) fn slice_endpoints(root: &At<'_>, causes: &mut Vec<Cause>) {
    let (kind, endpoints) = (root.field("addressType"), root.field("endpoints"));
    if too_many(&endpoints, MOST_ENDPOINTS, causes) {
        return;
    }
    for endpoint in endpoints.items() {
        let addresses = endpoint.field("addresses");
        if addresses.len() == 0 {
            addresses.required("must contain at least 1 address", causes);
        }
        too_many(&addresses, MOST_ADDRESSES, causes);
        for address in addresses.items() {
            let text = address.text();
            let (ok, right, detail) = match kind.text() {
                "IPv4" => {
                    let ok = ip::address(&address.path, text, &[], causes);
                    (ok, ip::is_v4(text), "must be an IPv4 address")
                }
                "IPv6" => {
                    let ok = ip::canonical_address(&address.path, text, causes);
                    (ok, ip::is_v6(text), "must be an IPv6 address")
                }
                "FQDN" => {
                    domain(&address, causes);
                    continue;
                }
                _ => continue,
            };
            if ok {
                if !right {
                    causes.push(Cause::invalid(addresses.path.clone(), &text.into(), detail));
                }
                ip::endpoint(&address.path, text, causes);
            }
        }
        node(&endpoint.field("nodeName"), causes);
        let topology = endpoint.field("deprecatedTopology");
        too_many(&topology, MOST_TOPOLOGY, causes);
        topology.labels(causes);
        let host = endpoint.field("hostname");
        if host.is_set() {
            host.name(names::Rule::Label, causes);
        }
        hints(&endpoint.field("hints"), causes);
    }
}

fn domain(at: &At<'_>, causes: &mut Vec<Cause>) {
    if !at.must_be_there(causes) {
        return;
    }
    let name = at.text().strip_suffix('.').unwrap_or(at.text());
    let complaints = names::complaints(name, names::Rule::Subdomain);
    if !complaints.is_empty() {
        causes.push(Cause::invalid(at.path.clone(), &name.into(), complaints.join(",")));
        return;
    }
    if !name.contains('.') {
        let detail = "should be a domain with at least two segments separated by dots";
        causes.push(Cause::invalid(at.path.clone(), &name.into(), detail));
        return;
    }
    for label in name.split('.') {
        let complaints = names::complaints(label, names::Rule::Label);
        if !complaints.is_empty() {
            causes.push(Cause::invalid(at.path.clone(), &label.into(), complaints.join(",")));
            return;
        }
    }
}

fn hints(hints: &At<'_>, causes: &mut Vec<Cause>) {
    for (field, nodes) in [("forZones", false), ("forNodes", true)] {
        let list = hints.field(field);
        if too_many(&list, MOST_HINTS, causes) {
            return;
        }
        let mut seen: Vec<&str> = Vec::new();
        for hint in list.items() {
            let name = hint.field("name");
            if seen.contains(&name.text()) {
                causes.push(Cause::duplicate(name.path.clone(), &name.text().into()));
            }
            seen.push(name.text());
            if nodes {
                name.name(names::Rule::Subdomain, causes);
            } else {
                name.label_value(causes);
            }
        }
    }
}

//! What Services use: <https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-on-object-count>

use serde_json::Value;

use crate::{
    admission::amounts::{Amount, Amounts},
    json::{i64_at, list_at, str_at},
};

const PORTS: &str = "services.nodeports";
const BALANCERS: &str = "services.loadbalancers";
pub(super) const NAMES: [&str; 3] = ["services", PORTS, BALANCERS];

pub(super) fn usage(service: &Value) -> Amounts {
    let ports = list_at(service, &["spec", "ports"]);
    // Ports are yet to be chosen: what counts is how many there will be.
    let own = || ports.iter().filter(|port| i64_at(port, &["nodePort"]).unwrap_or(0) != 0).count();
    let (ports, balancers) = match str_at(service, &["spec", "type"]) {
        "NodePort" => (ports.len(), 0),
        "LoadBalancer" if service["spec"]["allocateLoadBalancerNodePorts"] == false => (own(), 1),
        "LoadBalancer" => (ports.len(), 1),
        _ => (0, 0),
    };
    NAMES.iter().zip([1, ports, balancers]).map(|(name, n)| ((*name).to_owned(), Amount::count(n))).collect()
}

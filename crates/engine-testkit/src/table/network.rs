//! The rows of Services and what leads to them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    columns::name,
    text::{age, created, given, labels, or, selector_or_none, shown, some, text},
};
use crate::{
    clock::Now,
    json::{get, i64_at, list_at, map_at, str_at},
};

/// How many of a list are shown.
const SHOWN: usize = 3;

fn texts<'a>(v: &'a Value, path: &[&str]) -> Vec<&'a str> {
    list_at(v, path).iter().filter_map(Value::as_str).collect()
}

/// The addresses of a load balancer.
fn balancer(v: &Value) -> String {
    let all: BTreeSet<&str> = list_at(v, &["status", "loadBalancer", "ingress"])
        .iter()
        .map(|i| if str_at(i, &["ip"]).is_empty() { str_at(i, &["hostname"]) } else { str_at(i, &["ip"]) })
        .filter(|address| !address.is_empty())
        .collect();
    all.into_iter().collect::<Vec<_>>().join(",")
}

pub(super) fn service(v: &Value, now: Now) -> Vec<Value> {
    let external = texts(v, &["spec", "externalIPs"]).join(",");
    let external = match str_at(v, &["spec", "type"]) {
        "ClusterIP" | "NodePort" => or(&external, "<none>"),
        "LoadBalancer" => {
            let all = [balancer(v), external].into_iter().filter(|a| !a.is_empty()).collect::<Vec<_>>().join(",");
            or(&all, "<pending>")
        }
        "ExternalName" => text(v, &["spec", "externalName"]),
        _ => "<unknown>".into(),
    };
    let port = |p: &Value| {
        let node = i64_at(p, &["nodePort"]).filter(|n| *n > 0).map(|n| format!(":{n}")).unwrap_or_default();
        format!("{}{node}/{}", p["port"], str_at(p, &["protocol"]))
    };
    let ports: Vec<String> = list_at(v, &["spec", "ports"]).iter().map(port).collect();
    vec![
        name(v),
        text(v, &["spec", "type"]),
        or(texts(v, &["spec", "clusterIPs"]).first().copied().unwrap_or_default(), "<none>"),
        external,
        or(&ports.join(","), "<none>"),
        age(created(v), now).into(),
        labels(map_at(v, &["spec", "selector"])).into(),
    ]
}

pub(super) fn endpoints(v: &Value, now: Now) -> Vec<Value> {
    let subsets = list_at(v, &["subsets"]);
    let mut all = Vec::new();
    for subset in subsets {
        let ips: Vec<&str> = list_at(subset, &["addresses"]).iter().map(|a| str_at(a, &["ip"])).collect();
        let ports = list_at(subset, &["ports"]);
        if ports.is_empty() {
            all.extend(ips.iter().map(|ip| (*ip).to_owned()));
        }
        for port in ports {
            all.extend(ips.iter().map(|ip| {
                let host = if ip.contains(':') { format!("[{ip}]") } else { (*ip).to_owned() };
                format!("{host}:{}", port["port"])
            }));
        }
    }
    let shown = if subsets.is_empty() { "<none>".to_owned() } else { some(&all, all.len(), SHOWN) };
    vec![name(v), shown.into(), age(created(v), now).into()]
}

pub(super) fn endpoint_slice(v: &Value, now: Now) -> Vec<Value> {
    // A name that is empty is one, too.
    let port = |p: &Value| match (get(p, &["port"]), get(p, &["name"]).and_then(Value::as_str)) {
        (Some(port), _) => shown(port),
        (None, None) => "*".to_owned(),
        (None, Some(name)) => name.to_owned(),
    };
    let ports: Vec<String> = list_at(v, &["ports"]).iter().map(port).collect();
    let addresses: Vec<String> = list_at(v, &["endpoints"])
        .iter()
        .flat_map(|e| texts(e, &["addresses"]).into_iter().map(str::to_owned))
        .collect();
    vec![
        name(v),
        text(v, &["addressType"]),
        or(&some(&ports, ports.len(), SHOWN), "<unset>"),
        or(&some(&addresses, addresses.len(), SHOWN), "<unset>"),
        age(created(v), now).into(),
    ]
}

pub(super) fn ingress(v: &Value, now: Now) -> Vec<Value> {
    let rules = list_at(v, &["spec", "rules"]);
    let hosts: Vec<String> =
        rules.iter().map(|r| str_at(r, &["host"]).to_owned()).filter(|host| !host.is_empty()).collect();
    // Rules without a host count only once there is more than is shown.
    let hosts = match hosts.len() {
        0 => "*".to_owned(),
        n if n > SHOWN => some(&hosts, rules.len(), SHOWN),
        _ => hosts.join(","),
    };
    let ports = if list_at(v, &["spec", "tls"]).is_empty() { "80" } else { "80, 443" };
    vec![
        name(v),
        given(v, &["spec", "ingressClassName"], "<none>"),
        hosts.into(),
        balancer(v).into(),
        ports.into(),
        age(created(v), now).into(),
    ]
}

pub(super) fn ingress_class(v: &Value, now: Now) -> Vec<Value> {
    let parameters = get(v, &["spec", "parameters"]).map_or_else(
        || "<none>".to_owned(),
        |p| {
            let group = get(p, &["apiGroup"]).and_then(Value::as_str).map(|g| format!(".{g}")).unwrap_or_default();
            format!("{}{group}/{}", str_at(p, &["kind"]), str_at(p, &["name"]))
        },
    );
    vec![
        default_name(v, "ingressclass.kubernetes.io/is-default-class"),
        text(v, &["spec", "controller"]),
        parameters.into(),
        age(created(v), now).into(),
    ]
}

/// The name of a class, and whether it is the one that is taken where none is named.
pub(super) fn default_name(v: &Value, annotation: &str) -> Value {
    let is_default = str_at(v, &["metadata", "annotations", annotation]) == "true";
    let suffix = if is_default { " (default)" } else { "" };
    format!("{}{suffix}", str_at(v, &["metadata", "name"])).into()
}

pub(super) fn policy(v: &Value, now: Now) -> Vec<Value> {
    vec![name(v), selector_or_none(&v["spec"]["podSelector"]), age(created(v), now).into()]
}

pub(super) fn service_cidr(v: &Value, now: Now) -> Vec<Value> {
    vec![name(v), texts(v, &["spec", "cidrs"]).join(",").into(), age(created(v), now).into()]
}

/// The API server defines two columns and fills three cells: nothing shows the third.
pub(super) fn ip_address(v: &Value, _: Now) -> Vec<Value> {
    let parent = get(v, &["spec", "parentRef"]).map_or_else(
        || "<none>".to_owned(),
        |p| {
            let at = |key: &str| str_at(p, &[key]).to_lowercase();
            let dotted = [at("resource"), at("group")].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>();
            let place = [str_at(p, &["namespace"]), str_at(p, &["name"])];
            let place: Vec<&str> = place.into_iter().filter(|s| !s.is_empty()).collect();
            format!("{}/{}", dotted.join("."), place.join("/"))
        },
    );
    vec![name(v), parent.into()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn where_a_service_is_reached() {
        let now = Clock::new(None).now();
        let mut v = json!({"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "clusterIPs": ["10.0.0.1"],
            "ports": [{"port": 80, "nodePort": 30000, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}});
        assert_eq!(service(&v, now)[1..5], ["LoadBalancer", "10.0.0.1", "<pending>", "80:30000/TCP,53/UDP"]);
        v["status"] = json!({"loadBalancer": {"ingress": [{"hostname": "b.example"}, {"ip": "1.2.3.4"}]}});
        assert_eq!(service(&v, now)[3], "1.2.3.4,b.example");
    }

    #[test]
    fn lists_stop_after_three() {
        let now = Clock::new(None).now();
        let addresses: Vec<Value> = (1..6).map(|i| json!({"ip": format!("10.0.0.{i}")})).collect();
        let v = json!({"subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]});
        assert_eq!(endpoints(&v, now)[1], "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...");
    }
}

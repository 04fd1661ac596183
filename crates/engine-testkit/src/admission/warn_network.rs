//! What a server warns about in Services, policies, quotas and the like, although it accepts it.

use serde_json::Value;

use super::{
    claim::warning_of_class,
    quantity,
    rules::{ip, service as is},
};
use crate::{
    json::{get, list_at, map_at, str_at},
    write::Target,
};

/// Warnings about an object that was accepted; `before` is the stored one on a change.
pub(crate) fn warnings(target: &Target<'_>, before: Option<&Value>, object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    match (&*target.resource.gr.group, &*target.resource.gr.resource, target.subresource) {
        ("", "services", "") => service(object, &mut out),
        ("", "services", "status") | ("networking.k8s.io", "ingresses", "status") => {
            for (i, point) in list_at(object, &["status", "loadBalancer", "ingress"]).iter().enumerate() {
                out.extend(ip::warning(&format!("status.loadBalancer.ingress[{i}]"), str_at(point, &["ip"])));
            }
        }
        ("networking.k8s.io", "ingresses", "") => {
            const CLASS: &str = "kubernetes.io/ingress.class";
            if before.is_none()
                && get(object, &["metadata", "annotations", CLASS]).is_some()
                && get(object, &["spec", "ingressClassName"]).is_none()
            {
                out.push(format!("annotation {CLASS:?} is deprecated, please use 'spec.ingressClassName' instead"));
            }
        }
        ("networking.k8s.io", "networkpolicies", "") => policy(object, &mut out),
        ("", "endpoints", "") => {
            for (i, subset) in list_at(object, &["subsets"]).iter().enumerate() {
                for field in ["addresses", "notReadyAddresses"] {
                    for (j, address) in list_at(subset, &[field]).iter().enumerate() {
                        out.extend(ip::warning(&format!("subsets[{i}].{field}[{j}].ip"), str_at(address, &["ip"])));
                    }
                }
            }
        }
        ("discovery.k8s.io", "endpointslices", "") => {
            if before.is_none() && str_at(object, &["addressType"]) == "FQDN" {
                out.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
            }
            for (i, endpoint) in list_at(object, &["endpoints"]).iter().enumerate() {
                for (j, address) in list_at(endpoint, &["addresses"]).iter().enumerate() {
                    let text = address.as_str().unwrap_or_default();
                    out.extend(ip::warning(&format!("endpoints[{i}].addresses[{j}]"), text));
                }
            }
        }
        ("", "persistentvolumeclaims", "") => claim(object, &mut out),
        ("", "resourcequotas", "") if before.is_none() => quota(object, &mut out),
        ("", "serviceaccounts", "") => {
            const MOUNTABLE: &str = "kubernetes.io/enforce-mountable-secrets";
            let has = |v: &Value| get(v, &["metadata", "annotations", MOUNTABLE]).is_some();
            if has(object) && !before.is_some_and(has) {
                out.push(format!(
                    "metadata.annotations[{MOUNTABLE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
                ));
            }
        }
        ("", "secrets", "") if str_at(object, &["type"]) == "kubernetes.io/tls" => out.extend(no_pair(object)),
        _ => {}
    }
    out
}

fn service(object: &Value, out: &mut Vec<String>) {
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    let spec = |field: &str| get(object, &["spec", field]).unwrap_or(&Value::Null);
    let text = |field: &str| spec(field).as_str().unwrap_or_default();
    let list = |field: &str| list_at(object, &["spec", field]).iter().map(|v| v.as_str().unwrap_or_default());
    if get(object, &["metadata", "annotations", HINTS]).is_some() {
        out.push(format!("annotation {HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead"));
    }
    let kind = is::kind_of(object);
    let headless = kind == "ClusterIP" && text("clusterIP") == "None";
    if !matches!(text("clusterIP"), "" | "None") && kind != "ExternalName" {
        for (i, address) in list("clusterIPs").enumerate() {
            out.extend(ip::warning(&format!("spec.clusterIPs[{i}]"), address));
        }
    }
    let external = list("externalIPs").len() > 0;
    if headless {
        for (field, ignored) in [
            ("loadBalancerIP", !text("loadBalancerIP").is_empty()),
            ("externalIPs", external),
            ("SessionAffinity", text("sessionAffinity") != "None"),
        ] {
            if ignored {
                out.push(format!("spec.{field} is ignored for headless services"));
            }
        }
    }
    for (i, address) in list("externalIPs").enumerate() {
        out.extend(ip::warning(&format!("spec.externalIPs[{i}]"), address));
    }
    if external && !headless && kind != "ExternalName" {
        out.push("spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned());
    }
    out.extend(ip::warning("spec.loadBalancerIP", text("loadBalancerIP")));
    for (i, range) in list("loadBalancerSourceRanges").enumerate() {
        out.extend(ip::block_warnings(&format!("spec.loadBalancerSourceRanges[{i}]"), range));
    }
    if kind == "ExternalName" && external {
        out.push(format!("spec.externalIPs is ignored when spec.type is {kind:?}"));
    }
    if kind != "ExternalName" && !text("externalName").is_empty() {
        out.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if text("trafficDistribution") == "PreferClose" {
        out.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".to_owned());
    }
}

fn policy(object: &Value, out: &mut Vec<String>) {
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (i, rule) in list_at(object, &["spec", direction]).iter().enumerate() {
            for (j, peer) in list_at(rule, &[peers]).iter().enumerate() {
                let at = format!("spec.{direction}[{i}].{peers}[{j}].ipBlock");
                out.extend(ip::block_warnings(&format!("{at}.cidr"), str_at(peer, &["ipBlock", "cidr"])));
                for (k, hole) in list_at(peer, &["ipBlock", "except"]).iter().enumerate() {
                    out.extend(ip::block_warnings(&format!("{at}.except[{k}]"), hole.as_str().unwrap_or_default()));
                }
            }
        }
    }
}

fn claim(object: &Value, out: &mut Vec<String>) {
    out.extend(warning_of_class(object));
    for kind in ["requests", "limits"] {
        let text = str_at(object, &["spec", "resources", kind, "storage"]);
        if quantity::value(text).is_some_and(quantity::has_fraction) {
            out.push(format!(
                "spec.resources.{kind}[storage]: fractional byte value {text:?} is invalid, must be an integer"
            ));
        }
    }
}

fn quota(object: &Value, out: &mut Vec<String>) {
    let Some(hard) = map_at(object, &["spec", "hard"]) else { return };
    let of = |name: &str| hard.get(name).and_then(Value::as_str).map(|text| (name.to_owned(), text));
    for name in ["cpu", "memory", "storage", "ephemeral-storage"] {
        let bare = || if name.ends_with("storage") { None } else { of(name) };
        let (request, limit) = (of(&format!("requests.{name}")).or_else(bare), of(&format!("limits.{name}")));
        if let (Some((request, asked)), Some((limit, most))) = (request, limit)
            && quantity::value(asked) > quantity::value(most)
        {
            out.push(format!("ResourceQuota {request} ({asked}) should be less than {limit} ({most})"));
        }
    }
}

/// Why the certificate and the key of a Secret are no pair, as far as their outermost form says so.
fn no_pair(object: &Value) -> Option<String> {
    use base64::Engine as _;
    let has_pem = |key: &str| {
        let text = str_at(object, &["data", key]);
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains("-----BEGIN ")
    };
    let missing = if !has_pem("tls.crt") {
        "certificate"
    } else if !has_pem("tls.key") {
        "key"
    } else {
        return None;
    };
    Some(format!("tls: failed to find any PEM data in {missing} input"))
}

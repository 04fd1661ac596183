//! What a Service is given before anybody judges it: addresses, the families that they are of, and ports of nodes.
//! <https://kubernetes.io/docs/concepts/services-networking/service/>

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Map, Value, json};

use super::rules::{At, ip, service as is};
use crate::{
    json::{self, get, i64_at, list_at, str_at},
    resources::GroupResource,
    state::State,
    status::{ApiError, Cause},
    write::Target,
};

/// Where the addresses are from.
const RANGE: &str = "10.96.0.0/12";
/// And the ports of nodes.
const PORTS: std::ops::Range<i64> = 30_000..32_768;
/// What a dry run is told that it would be given.
const DRY_ADDRESS: &str = "10.96.0.1";
const DRY_PORT: i64 = 32_769;

fn spec<'a>(service: &'a Value, field: &str) -> &'a Value {
    get(service, &["spec", field]).unwrap_or(&Value::Null)
}

fn is_external(service: &Value) -> bool {
    is::kind_of(service) == "ExternalName"
}

/// Completes a Service as far as a server does that before it validates; `before` is the stored one on a change.
pub(crate) fn allocate(
    state: &mut State,
    target: &Target<'_>,
    object: &mut Value,
    before: Option<&Value>,
    dry_run: bool,
) -> Result<(), ApiError> {
    if !target.resource.is("", "services") || !target.subresource.is_empty() {
        return Ok(());
    }
    let refuse = |causes: Vec<Cause>| match causes.as_slice() {
        [] => Ok(()),
        causes => Err(ApiError::invalid(target.about_kind(), causes)),
    };
    if let Some(before) = before {
        keep_allocated(object, before);
    }
    plural(object, before);
    let mut causes = Vec::new();
    families(object, before, &mut causes);
    refuse(causes)?;
    addresses(state, object, before, dry_run)?;
    let mut drawer = Drawer { state, dry_run, drawn: Vec::new() };
    let mut causes = Vec::new();
    node_ports(&mut drawer, object, before, &mut causes);
    refuse(causes)?;
    health_port(&mut drawer, object, before)?;
    if let Some(before) = before {
        drop_dependent(object, before);
    }
    Ok(())
}

/// A client that leaves out what it was given keeps it.
fn keep_allocated(object: &mut Value, before: &Value) {
    if !is_external(object) && !is_external(before) {
        if str_at(object, &["spec", "clusterIP"]).is_empty() {
            json::copy(before, object, &["spec", "clusterIP"]);
        }
        if list_at(object, &["spec", "clusterIPs"]).is_empty() {
            json::copy(before, object, &["spec", "clusterIPs"]);
        }
    }
    let wants = |s: &Value| match is::kind_of(s) {
        "NodePort" => true,
        "LoadBalancer" => *spec(s, "allocateLoadBalancerNodePorts") != false,
        _ => false,
    };
    if wants(object) && wants(before) {
        let number = |p: &Value| i64_at(p, &["nodePort"]).unwrap_or(0);
        let old = list_at(before, &["spec", "ports"]);
        let sent: Vec<i64> = list_at(object, &["spec", "ports"]).iter().map(number).collect();
        let used = |n: i64| n != 0 && sent.contains(&n);
        for port in
            json::map_mut(object, &["spec"]).and_then(|s| s.get_mut("ports")?.as_array_mut()).into_iter().flatten()
        {
            // Of several ports of one name the last one counts.
            let same = old.iter().rev().find(|o| str_at(o, &["name"]) == str_at(port, &["name"]));
            let given = same.map_or(0, number);
            if number(port) == 0 && given != 0 && !used(given) {
                json::set(port, &["nodePort"], given);
            }
        }
    }
    if is::is_health_checked(object)
        && is::is_health_checked(before)
        && i64_at(object, &["spec", "healthCheckNodePort"]).unwrap_or(0) == 0
    {
        json::copy(before, object, &["spec", "healthCheckNodePort"]);
    }
}

/// Clients of before there were several addresses know only the first.
fn plural(object: &mut Value, before: Option<&Value>) {
    let one = str_at(object, &["spec", "clusterIP"]).to_owned();
    let Some(before) = before else {
        if !one.is_empty() && list_at(object, &["spec", "clusterIPs"]).is_empty() {
            json::set(object, &["spec", "clusterIPs"], json!([one]));
        }
        return;
    };
    let had = str_at(before, &["spec", "clusterIP"]);
    if list_at(object, &["spec", "clusterIPs"]).is_empty() && one == had {
        json::copy(before, object, &["spec", "clusterIPs"]);
    }
    if one != had && spec(object, "clusterIPs") == spec(before, "clusterIPs") {
        if one.is_empty() {
            json::remove(object, &["spec", "clusterIPs"]);
        } else {
            json::set(object, &["spec", "clusterIPs"], json!([one]));
        }
    }
}

/// Settles how many families the addresses are of, and which.
fn families(object: &mut Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    const SINGLE: &str = "SingleStack";
    if is_external(object) || before.is_some_and(|b| is_same_preference(object, b)) {
        return;
    }
    let bare = str_at(object, &["spec", "clusterIP"]) == "None"
        && json::map_at(object, &["spec", "selector"]).is_none_or(Map::is_empty);
    if spec(object, "ipFamilyPolicy").is_null() {
        let old = before.map(|b| str_at(b, &["spec", "ipFamilyPolicy"])).filter(|p| !p.is_empty());
        let policy = old.unwrap_or(if bare { "RequireDualStack" } else { SINGLE }).to_owned();
        json::set(object, &["spec", "ipFamilyPolicy"], policy);
    }
    is::cluster_ips(&At::root(object), before, causes);
    if !causes.is_empty() {
        return;
    }
    let policy = str_at(object, &["spec", "ipFamilyPolicy"]).to_owned();
    let mut wrong = |detail: &str| causes.push(Cause::invalid("spec.ipFamilyPolicy", &policy.as_str().into(), detail));
    if let Some(before) = before {
        for (field, detail) in [
            ("clusterIPs", "must be 'SingleStack' to release the secondary cluster IP"),
            ("ipFamilies", "must be 'SingleStack' to release the secondary IP family"),
        ] {
            let (old, new) = (spec(before, field).clone(), list_at(object, &["spec", field]).to_vec());
            let had = old.as_array().map_or(0, Vec::len);
            if policy != SINGLE {
                if !new.is_empty() && new.len() < had {
                    wrong(detail);
                }
            } else if new.len() > 1 && Value::Array(new.clone()) == old {
                json::set(object, &["spec", field], json!([new[0]]));
            }
        }
    }
    if policy == SINGLE {
        for (field, what) in [("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")] {
            if list_at(object, &["spec", field]).len() == 2 {
                wrong(&format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"));
            }
        }
    }
    let mut list: Vec<Value> = list_at(object, &["spec", "ipFamilies"]).to_vec();
    let ips = list_at(object, &["spec", "clusterIPs"]);
    for (i, address) in ips.iter().enumerate().take_while(|(_, a)| *a != "None") {
        if i < list.len() {
            continue;
        }
        if ip::is_v6(address.as_str().unwrap_or_default()) {
            let path = format!("spec.clusterIPs[{i}]");
            causes.push(Cause::invalid(path, spec(object, "clusterIPs"), "IPv6 is not configured on this cluster"));
        } else {
            list.push("IPv4".into());
        }
    }
    if !causes.is_empty() {
        return;
    }
    if bare {
        if list.is_empty() {
            list.push("IPv4".into());
        }
        if list.len() < 2 && policy != SINGLE {
            list.push(if list[0] == "IPv4" { "IPv6" } else { "IPv4" }.into());
        }
        json::set(object, &["spec", "ipFamilies"], list);
        return;
    }
    if policy == "RequireDualStack" {
        let detail = "this cluster is not configured for dual-stack services";
        causes.push(Cause::invalid("spec.ipFamilyPolicy", &policy.into(), detail));
    }
    for (i, family) in list.iter().enumerate().filter(|(_, f)| *f != "IPv4") {
        causes.push(Cause::invalid(format!("spec.ipFamilies[{i}]"), family, "not configured on this cluster"));
    }
    if list.is_empty() {
        list.push("IPv4".into());
    }
    json::set(object, &["spec", "ipFamilies"], list);
}

/// Whether nothing was said that could change how many families there are.
fn is_same_preference(object: &Value, before: &Value) -> bool {
    let prefers = |s: &Value| str_at(s, &["spec", "ipFamilyPolicy"]) == "PreferDualStack";
    let same = |field: &str| spec(object, field) == spec(before, field);
    same("type")
        && prefers(object)
        && (prefers(before) || spec(before, "ipFamilyPolicy").is_null())
        && same("clusterIPs")
        && same("ipFamilies")
}

/// Gives the Service its address.
fn addresses(state: &mut State, object: &mut Value, before: Option<&Value>, dry_run: bool) -> Result<(), ApiError> {
    let asked = list_at(object, &["spec", "clusterIPs"]).first().and_then(Value::as_str).unwrap_or_default().to_owned();
    if is_external(object) || asked == "None" || before.is_some_and(|b| !is_external(b)) {
        return Ok(());
    }
    // The object that holds the address is named after the Service, and without a name there is none.
    let name = str_at(object, &["metadata", "name"]).to_owned();
    let nameless = |address: &str| {
        (name.is_empty() && !dry_run)
            .then(|| format!("IPAddress.networking.k8s.io {address:?} is invalid: spec.parentRef.name: Required value"))
    };
    let refuse = |shown: &Value, detail: String| {
        let about = crate::status::About { group: "", resource: "Service", name: &name };
        Err(ApiError::invalid(about, &[Cause::invalid("spec.clusterIPs", shown, detail)]))
    };
    if asked.is_empty() {
        let address = if dry_run { DRY_ADDRESS.to_owned() } else { next_address(state) };
        if let Some(problem) = nameless(&address) {
            return refuse(&json!([""]), format!("failed to allocate IP: {problem}"));
        }
        json::set(object, &["spec", "clusterIP"], address.as_str());
        json::set(object, &["spec", "clusterIPs"], json!([address]));
        return Ok(());
    }
    let problem = match ip::parse(&asked) {
        Some(IpAddr::V4(v4)) if in_range(v4) => {
            let taken = !dry_run && services(state).any(|s| str_at(s, &["spec", "clusterIP"]) == asked);
            if taken {
                Some("provided IP is already allocated".to_owned())
            } else {
                let [_, second, high, low] = v4.octets();
                if second == 96 && !dry_run {
                    state.next_ip = state.next_ip.max(u32::from(high) << 8 | u32::from(low));
                }
                nameless(&asked)
            }
        }
        _ if dry_run => {
            Some(format!("the provided IP ({asked}) is not in the valid range. The range of valid IPs is {RANGE}"))
        }
        _ => Some("the provided network does not match the current range".to_owned()),
    };
    match problem {
        Some(problem) => refuse(spec(object, "clusterIPs"), format!("failed to allocate IP {asked}: {problem}")),
        None => {
            json::set(object, &["spec", "clusterIP"], asked);
            Ok(())
        }
    }
}

fn in_range(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    first == 10 && (96..112).contains(&second)
}

fn next_address(state: &mut State) -> String {
    state.next_ip += 1;
    let n = state.next_ip;
    format!("10.96.{}.{}", (n >> 8) & 0xff, n & 0xff)
}

fn services(state: &State) -> impl Iterator<Item = &Value> {
    state.store.objects(&GroupResource::new("", "services"), None).into_iter().map(|s| &s.value)
}

/// Ports of nodes that this Service has or draws.
struct Drawer<'a> {
    state: &'a mut State,
    dry_run: bool,
    drawn: Vec<i64>,
}

impl Drawer<'_> {
    fn in_use(&self, port: i64) -> bool {
        self.drawn.contains(&port)
            || services(self.state).any(|s| {
                i64_at(s, &["spec", "healthCheckNodePort"]) == Some(port)
                    || list_at(s, &["spec", "ports"]).iter().any(|p| i64_at(p, &["nodePort"]) == Some(port))
            })
    }

    /// Takes the port that is asked for.
    fn take(&mut self, port: i64) -> Result<(), &'static str> {
        if !self.dry_run && !PORTS.contains(&port) {
            return Err("provided port is not in the valid range. The range of valid ports is 30000-32767");
        }
        if self.in_use(port) {
            return Err("provided port is already allocated");
        }
        self.drawn.push(port);
        Ok(())
    }

    fn next(&mut self) -> Option<i64> {
        let port = if self.dry_run {
            self.drawn.iter().max().map_or(DRY_PORT, |last| last + 1)
        } else {
            let most = u32::try_from(PORTS.end - PORTS.start).unwrap_or(u32::MAX);
            let mut free = None;
            for _ in 0..most {
                self.state.next_port = self.state.next_port.wrapping_add(1);
                let port = PORTS.start + i64::from(self.state.next_port % most);
                if !self.in_use(port) {
                    free = Some(port);
                    break;
                }
            }
            free?
        };
        self.drawn.push(port);
        Some(port)
    }
}

/// Gives each port of an exposed Service its port on the nodes.
fn node_ports(drawer: &mut Drawer<'_>, object: &mut Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let allocates = match is::kind_of(object) {
        "NodePort" => true,
        "LoadBalancer" => *spec(object, "allocateLoadBalancerNodePorts") != false,
        _ => return,
    };
    let number = |p: &Value| i64_at(p, &["nodePort"]).unwrap_or(0);
    let had: Vec<i64> = before.map(|b| list_at(b, &["spec", "ports"]).iter().map(number).collect()).unwrap_or_default();
    let mut ports = list_at(object, &["spec", "ports"]).to_vec();
    // On creation the same port in two protocols is the same port on the nodes, too.
    let mut given: Vec<(i64, i64)> = Vec::new();
    for i in 0..ports.len() {
        let (asked, port) = (number(&ports[i]), i64_at(&ports[i], &["port"]).unwrap_or(0));
        if asked == 0 && !allocates {
            continue;
        }
        let twin = given.iter().find(|(p, _)| before.is_none() && *p == port).map(|(_, n)| *n);
        let wanted = match (asked, twin) {
            (0, Some(twin)) => {
                json::set(&mut ports[i], &["nodePort"], twin);
                continue;
            }
            (asked, Some(twin)) if asked == twin => continue,
            (0, None) if before.is_none() => {
                ports.iter().find(|p| i64_at(p, &["port"]).unwrap_or(0) == port && number(p) != 0).map_or(0, number)
            }
            (asked, _) => asked,
        };
        let result = if wanted == 0 {
            drawer.next()
        } else if had.contains(&wanted) || (before.is_some() && drawer.drawn.contains(&wanted)) {
            Some(wanted)
        } else if let Err(problem) = drawer.take(wanted) {
            causes.push(Cause::invalid(format!("spec.ports[{i}].nodePort"), &wanted.into(), problem));
            return;
        } else {
            Some(wanted)
        };
        let Some(result) = result else { continue };
        json::set(&mut ports[i], &["nodePort"], result);
        if twin.is_none() {
            given.push((port, result));
        }
    }
    if get(object, &["spec", "ports"]).is_some() {
        json::set(object, &["spec", "ports"], ports);
    }
}

/// Gives a Service whose load balancer asks the nodes the port that it asks on.
fn health_port(drawer: &mut Drawer<'_>, object: &mut Value, before: Option<&Value>) -> Result<(), ApiError> {
    if !is::is_health_checked(object) || before.is_some_and(is::is_health_checked) {
        return Ok(());
    }
    let asked = i64_at(object, &["spec", "healthCheckNodePort"]).unwrap_or(0);
    if asked != 0 {
        return drawer.take(asked).map_err(|problem| {
            ApiError::internal(format!(
                "Internal error occurred: failed to allocate requested HealthCheck NodePort {asked}: {problem}"
            ))
        });
    }
    if let Some(port) = drawer.next() {
        json::set(object, &["spec", "healthCheckNodePort"], port);
    }
    Ok(())
}

/// A Service that changes its type loses what the new one has no use for, unless the client says otherwise.
fn drop_dependent(object: &mut Value, before: &Value) {
    let numbers = |s: &Value| -> Vec<i64> {
        list_at(s, &["spec", "ports"]).iter().filter_map(|p| i64_at(p, &["nodePort"])).filter(|n| *n != 0).collect()
    };
    let had_address = !is_external(before) && is_external(object);
    let forget = |object: &mut Value, fields: &[&str]| {
        if fields.iter().all(|f| spec(object, f) == spec(before, f)) {
            for field in fields {
                json::remove(object, &["spec", field]);
            }
        }
    };
    if had_address {
        forget(object, &["clusterIP", "clusterIPs"]);
        forget(object, &["ipFamilies"]);
        forget(object, &["ipFamilyPolicy"]);
    }
    let exposed = |s: &Value| matches!(is::kind_of(s), "NodePort" | "LoadBalancer");
    let old = numbers(before);
    if exposed(before) && !exposed(object) && numbers(object).iter().all(|n| old.contains(n)) {
        let ports = json::map_mut(object, &["spec"]).and_then(|s| s.get_mut("ports")?.as_array_mut());
        for port in ports.into_iter().flatten() {
            json::remove(port, &["nodePort"]);
        }
    }
    if is::is_health_checked(before) && !is::is_health_checked(object) {
        forget(object, &["healthCheckNodePort"]);
    }
    if is::kind_of(before) == "LoadBalancer" && is::kind_of(object) != "LoadBalancer" {
        forget(object, &["allocateLoadBalancerNodePorts"]);
        forget(object, &["loadBalancerClass"]);
    }
    if is::is_exposed(before) && !is::is_exposed(object) {
        forget(object, &["externalTrafficPolicy"]);
    }
    if is::kind_of(object) != "LoadBalancer" {
        json::set(object, &["status", "loadBalancer"], Value::Object(Map::new()));
    }
}

//! What no Pod does that is nothing special.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    annotations,
    checks::Verdict,
    words::{bad_values, containers, containers_called, context, has_own_users, named, plural, quoted, setters},
};
use crate::json::{get, i64_at, list_at, str_at};

pub(super) fn app_armor(pod: &Value) -> Option<Verdict> {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    let allowed = |profile: &str| matches!(profile, "RuntimeDefault" | "Localhost");
    let (of_pod, names, values) = bad_values(pod, &["appArmorProfile", "type"], allowed);
    let fine = |text: &str| text.is_empty() || text == "runtime/default" || text.starts_with("localhost/");
    let mut noted: Vec<String> = annotations(pod)
        .filter(|(key, text)| key.starts_with(PREFIX) && !fine(text))
        .map(|(key, text)| format!("{key}={text:?}"))
        .collect();
    noted.sort();
    let mut who: Vec<String> = setters(of_pod, &names).into_iter().collect();
    if !noted.is_empty() {
        who.push(plural(noted.len(), "annotation"));
    }
    if who.is_empty() {
        return None;
    }
    let what: Vec<String> = values.into_iter().chain(noted).collect();
    let reason = if what.len() == 1 { "forbidden AppArmor profile" } else { "forbidden AppArmor profiles" };
    Some(Verdict::new(reason, format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(&what))))
}

const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The containers that add capabilities beyond some, and those.
pub(super) fn adding(pod: &Value, allowed: &[&str]) -> (Vec<String>, BTreeSet<String>) {
    let mut added = BTreeSet::new();
    let names = named(pod, |container| {
        let all = list_at(container, &["securityContext", "capabilities", "add"]).iter().filter_map(Value::as_str);
        let bad: Vec<String> = all.filter(|c| !allowed.contains(c)).map(str::to_owned).collect();
        let is_bad = !bad.is_empty();
        added.extend(bad);
        is_bad
    });
    (names, added)
}

pub(super) fn capabilities(pod: &Value) -> Option<Verdict> {
    let (names, added) = adding(pod, &CAPABILITIES);
    (!names.is_empty()).then(|| {
        let (who, what) = (containers_called(&names), quoted(&added));
        let detail = format!("{who} must not include {what} in securityContext.capabilities.add");
        Verdict::new("non-default capabilities", detail)
    })
}

pub(super) fn host_namespaces(pod: &Value) -> Option<Verdict> {
    let shared = ["hostNetwork", "hostPID", "hostIPC"].iter().filter(|field| pod["spec"][**field] == true);
    let shared: Vec<String> = shared.map(|field| format!("{field}=true")).collect();
    (!shared.is_empty()).then(|| Verdict::new("host namespaces", shared.join(", ")))
}

pub(super) fn host_paths(pod: &Value) -> Option<Verdict> {
    let volumes = list_at(pod, &["spec", "volumes"]).iter().filter(|volume| get(volume, &["hostPath"]).is_some());
    let names: Vec<String> = volumes.map(|volume| str_at(volume, &["name"]).to_owned()).collect();
    (!names.is_empty())
        .then(|| Verdict::new("hostPath volumes", format!("{} {}", plural(names.len(), "volume"), quoted(&names))))
}

pub(super) fn host_ports(pod: &Value) -> Option<Verdict> {
    let mut ports = BTreeSet::new();
    let names = named(pod, |container| {
        let all = list_at(container, &["ports"]).iter().filter_map(|port| i64_at(port, &["hostPort"]));
        let own: Vec<String> = all.filter(|port| *port != 0).map(|port| port.to_string()).collect();
        let has = !own.is_empty();
        ports.extend(own);
        has
    });
    (!names.is_empty()).then(|| {
        let verb = if names.len() == 1 { "uses" } else { "use" };
        let all: Vec<&str> = ports.iter().map(String::as_str).collect();
        let detail =
            format!("{} {verb} {} {}", containers_called(&names), plural(ports.len(), "hostPort"), all.join(", "));
        Verdict::new("hostPort", detail)
    })
}

/// Probes and hooks of containers that ask others than the Pod.
pub(super) fn hosts(pod: &Value) -> Option<Verdict> {
    const HANDLERS: [&[&str]; 5] = [
        &["livenessProbe"],
        &["readinessProbe"],
        &["startupProbe"],
        &["lifecycle", "postStart"],
        &["lifecycle", "preStop"],
    ];
    let (mut names, mut asked) = (BTreeSet::new(), BTreeSet::new());
    for container in containers(pod) {
        for handler in HANDLERS.iter().filter_map(|path| get(container, path)) {
            for host in ["httpGet", "tcpSocket"].map(|kind| str_at(handler, &[kind, "host"])) {
                if !host.is_empty() {
                    names.insert(str_at(container, &["name"]).to_owned());
                    asked.insert(host.to_owned());
                }
            }
        }
    }
    (!names.is_empty()).then(|| {
        let verb = if names.len() == 1 { "uses" } else { "use" };
        let names: Vec<String> = names.into_iter().collect();
        let what = plural(asked.len(), "probe or lifecycle host");
        Verdict::new(
            "probe or lifecycle host",
            format!("{} {verb} {what} {}", containers_called(&names), quoted(&asked)),
        )
    })
}

pub(super) fn privileged(pod: &Value) -> Option<Verdict> {
    let names = named(pod, |container| context(container, &["privileged"]).is_some_and(|set| set == true));
    (!names.is_empty()).then(|| {
        let detail = format!("{} must not set securityContext.privileged=true", containers_called(&names));
        Verdict::new("privileged", detail)
    })
}

pub(super) fn proc_mount(pod: &Value) -> Option<Verdict> {
    let mut kinds = BTreeSet::new();
    let names = named(pod, |container| {
        let kind = context(container, &["procMount"]).and_then(Value::as_str).filter(|kind| *kind != "Default");
        kinds.extend(kind.map(str::to_owned));
        kind.is_some()
    });
    (!names.is_empty()).then(|| {
        let (who, what) = (containers_called(&names), quoted(&kinds));
        Verdict::new("procMount", format!("{who} must not set securityContext.procMount to {what}"))
    })
}

/// The same where a Pod's users are those of its node.
pub(super) fn proc_mount_of_node_users(pod: &Value) -> Option<Verdict> {
    if has_own_users(pod) { None } else { proc_mount(pod) }
}

const SE_LINUX_TYPES: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

pub(super) fn se_linux(pod: &Value) -> Option<Verdict> {
    se_linux_of(pod, &SE_LINUX_TYPES[..4])
}

pub(super) fn se_linux_31(pod: &Value) -> Option<Verdict> {
    se_linux_of(pod, &SE_LINUX_TYPES)
}

fn se_linux_of(pod: &Value, types: &[&str]) -> Option<Verdict> {
    let (mut bad, mut user, mut role) = (BTreeSet::new(), false, false);
    let mut is_bad = |of: &Value| {
        let Some(options) = context(of, &["seLinuxOptions"]) else { return false };
        let [kind, own_user, own_role] = ["type", "user", "role"].map(|field| str_at(options, &[field]));
        let bad_type = !types.contains(&kind);
        if bad_type {
            bad.insert(kind.to_owned());
        }
        user |= !own_user.is_empty();
        role |= !own_role.is_empty();
        bad_type || !own_user.is_empty() || !own_role.is_empty()
    };
    let of_pod = is_bad(&pod["spec"]);
    let names = named(pod, is_bad);
    let who = setters(of_pod, &names)?;
    let mut what = Vec::new();
    if !bad.is_empty() {
        what.push(format!("{} {}", plural(bad.len(), "type"), quoted(&bad)));
    }
    what.extend(
        [(user, "user"), (role, "role")].iter().filter(|(set, _)| *set).map(|(_, f)| format!("{f} may not be set")),
    );
    let detail = format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; "));
    Some(Verdict::new("seLinuxOptions", detail))
}

/// Profiles as they were told before there was a field.
pub(super) fn seccomp_annotations(pod: &Value) -> Option<Verdict> {
    let of_containers = containers(pod)
        .map(|container| format!("container.seccomp.security.alpha.kubernetes.io/{}", str_at(container, &["name"])));
    let keys: BTreeSet<String> = of_containers.chain(["seccomp.security.alpha.kubernetes.io/pod".to_owned()]).collect();
    let fine = |text: &str| matches!(text, "runtime/default" | "docker/default") || text.starts_with("localhost/");
    let found: BTreeSet<String> = annotations(pod)
        .filter(|(key, text)| keys.contains(*key) && !fine(text))
        .map(|(key, text)| format!("{key}={text:?}"))
        .collect();
    (!found.is_empty()).then(|| {
        let all: Vec<&str> = found.iter().map(String::as_str).collect();
        Verdict::new("seccompProfile", format!("forbidden {} {}", plural(found.len(), "annotation"), all.join(", ")))
    })
}

pub(super) fn is_seccomp(profile: &str) -> bool {
    matches!(profile, "Localhost" | "RuntimeDefault")
}

pub(super) fn seccomp(pod: &Value) -> Option<Verdict> {
    let (of_pod, names, values) = bad_values(pod, &["seccompProfile", "type"], is_seccomp);
    let who = setters(of_pod, &names)?;
    let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(&values));
    Some(Verdict::new("seccompProfile", detail))
}

/// What is safe to set, in the order in which it was found to be.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

pub(super) fn sysctls(pod: &Value) -> Option<Verdict> {
    sysctls_of(pod, &SYSCTLS[..5])
}

pub(super) fn sysctls_27(pod: &Value) -> Option<Verdict> {
    sysctls_of(pod, &SYSCTLS[..6])
}

pub(super) fn sysctls_29(pod: &Value) -> Option<Verdict> {
    sysctls_of(pod, &SYSCTLS[..10])
}

pub(super) fn sysctls_32(pod: &Value) -> Option<Verdict> {
    sysctls_of(pod, &SYSCTLS)
}

fn sysctls_of(pod: &Value, safe: &[&str]) -> Option<Verdict> {
    let all = list_at(pod, &["spec", "securityContext", "sysctls"]).iter().map(|sysctl| str_at(sysctl, &["name"]));
    let unsafe_ones: Vec<&str> = all.filter(|name| !safe.contains(name)).collect();
    (!unsafe_ones.is_empty()).then(|| Verdict::new("forbidden sysctls", unsafe_ones.join(", ")))
}

pub(super) fn host_process(pod: &Value) -> Option<Verdict> {
    let is_set = |of: &Value| context(of, &["windowsOptions", "hostProcess"]).is_some_and(|set| set == true);
    let who = setters(is_set(&pod["spec"]), &named(pod, is_set))?;
    let detail = format!("{who} must not set securityContext.windowsOptions.hostProcess=true");
    Some(Verdict::new("hostProcess", detail))
}

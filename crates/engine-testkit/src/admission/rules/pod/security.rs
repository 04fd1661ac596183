//! Who the processes of a Pod are, and what they may do.

use std::sync::LazyLock;

use regex::Regex;

use super::{At, text, windows};
use crate::status::Cause;

const SYSCTL: &str = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

/// Settings of the kernel that each IPC namespace has for itself.
const OF_IPC: [&str; 10] = [
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.shm",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.msg",
];

static SYSCTL_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(SYSCTL).ok());

pub(super) fn of_pod(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let at = spec.field("securityContext");
    for name in ["fsGroup", "runAsUser", "runAsGroup"] {
        text::id(&at.field(name), causes);
    }
    at.field("supplementalGroups").items().for_each(|group| text::id(&group, causes));
    let shared = spec.field("shareProcessNamespace");
    if shared.value == true && spec.field("hostPID").value == true {
        // On the real server both are parts of the context.
        let path = at.field("shareProcessNamespace").path;
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        causes.push(Cause::invalid(path, shared.value, detail));
    }
    sysctls(spec, &at.field("sysctls"), causes);
    at.field("fsGroupChangePolicy").one_of(&["Always", "OnRootMismatch"], causes);
    seccomp(&at.field("seccompProfile"), causes);
    windows::options(&at.field("windowsOptions"), causes);
    app_armor(&at.field("appArmorProfile"), causes);
    at.field("supplementalGroupsPolicy").one_of(&["Merge", "Strict"], causes);
    // Anything else is of a feature that is off.
    at.field("seLinuxChangePolicy").one_of(&["Recursive"], causes);
}

pub(super) fn of_container(at: &At<'_>, host_users: bool, causes: &mut Vec<Cause>) {
    if !at.is_set() {
        return;
    }
    text::id(&at.field("runAsUser"), causes);
    text::id(&at.field("runAsGroup"), causes);
    let mount = at.field("procMount");
    mount.one_of(&["Default", "Unmasked"], causes);
    if host_users && mount.text() == "Unmasked" {
        mount.invalid("`hostUsers` must be false to use `Unmasked`", causes);
    }
    seccomp(&at.field("seccompProfile"), causes);
    if at.field("allowPrivilegeEscalation").value == false {
        if at.field("privileged").value == true {
            at.invalid("cannot set `allowPrivilegeEscalation` to false and `privileged` to true", causes);
        }
        for capability in at.field("capabilities").field("add").items() {
            if capability.text() == "CAP_SYS_ADMIN" {
                let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
                at.invalid(detail, causes);
            }
        }
    }
    windows::options(&at.field("windowsOptions"), causes);
    app_armor(&at.field("appArmorProfile"), causes);
}

fn seccomp(at: &At<'_>, causes: &mut Vec<Cause>) {
    if !at.is_set() {
        return;
    }
    let (kind, profile) = (at.field("type"), at.field("localhostProfile"));
    if kind.text().is_empty() {
        kind.required("type is required when seccompProfile is set", causes);
    } else {
        kind.one_of(&["Localhost", "RuntimeDefault", "Unconfined"], causes);
    }
    if kind.text() != "Localhost" {
        if profile.is_set() {
            let detail = "can only be set when seccomp type is Localhost";
            causes.push(Cause::invalid(profile.path, at.value, detail));
        }
    } else if profile.is_set() {
        text::local_path(&profile, causes);
    } else {
        profile.required("must be set when seccomp type is Localhost", causes);
    }
}

/// The profile of AppArmor, also where it is told in an annotation.
pub(in crate::admission) fn app_armor(at: &At<'_>, causes: &mut Vec<Cause>) {
    if !at.is_set() {
        return;
    }
    let (kind, profile) = (at.field("type"), at.field("localhostProfile"));
    match kind.text() {
        "Localhost" => {
            if profile.text().trim() != profile.text() {
                profile.invalid("must not be padded with whitespace", causes);
            } else if profile.text().is_empty() {
                profile.required("must be set when AppArmor type is Localhost", causes);
            }
            if profile.len() > 4095 {
                causes.push(Cause::too_long(profile.path.clone(), 4095));
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if profile.is_set() {
                profile.invalid("can only be set when AppArmor type is Localhost", causes);
            }
        }
        "" => kind.required("type is required when appArmorProfile is set", causes),
        _ => kind.unsupported(&["Localhost", "RuntimeDefault", "Unconfined"], causes),
    }
}

fn sysctls(spec: &At<'_>, list: &At<'_>, causes: &mut Vec<Cause>) {
    let mut seen = Vec::new();
    for sysctl in list.items() {
        let at = sysctl.field("name");
        let name = at.text();
        let valid = name.len() <= 253 && SYSCTL_NAME.as_ref().is_some_and(|form| form.is_match(name));
        if !at.must_be_there(causes) {
            // Nothing more to say.
        } else if !valid {
            at.invalid(&format!("must have at most 253 characters and match regex {SYSCTL}"), causes);
        } else if seen.contains(&name) {
            causes.push(Cause::duplicate(at.path.clone(), at.value));
        }
        seen.push(name);
        let normal = normal_sysctl(name);
        let normal = normal.split('*').next().unwrap_or_default();
        let of_network = normal.starts_with("net.");
        let of_ipc = OF_IPC.contains(&normal) || normal.starts_with("fs.mqueue.");
        if spec.field("hostNetwork").value == true && of_network {
            at.wrong("may not be specified when 'hostNetwork' is true", causes);
        } else if spec.field("hostIPC").value == true && of_ipc {
            at.wrong("may not be specified when 'hostIPC' is true", causes);
        }
    }
}

/// With dots between the parts, however it was written.
fn normal_sysctl(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(at) if name[at..].starts_with('/') => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

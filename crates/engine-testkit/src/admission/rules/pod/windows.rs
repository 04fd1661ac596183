//! What Pods on Windows may and may not say.

use std::sync::LazyLock;

use regex::Regex;

use super::{At, containers};
use crate::{admission::names, status::Cause};

static NET_BIOS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"^[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}$"#).ok());
static DOMAIN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new("^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$")
        .ok()
});

pub(super) fn options(at: &At<'_>, causes: &mut Vec<Cause>) {
    if at.field("gmsaCredentialSpecName").is_set() {
        at.field("gmsaCredentialSpecName").name(names::Rule::Subdomain, causes);
    }
    let spec = at.field("gmsaCredentialSpec");
    if spec.is_set() && spec.len() == 0 {
        spec.invalid("gmsaCredentialSpec cannot be an empty string", causes);
    } else if spec.len() > 64 * 1024 {
        spec.invalid("gmsaCredentialSpec size must be under 64 KiB", causes);
    }
    let user = at.field("runAsUserName");
    if user.is_set() {
        for complaint in user_complaints(user.text()) {
            user.invalid(complaint, causes);
        }
    }
}

fn user_complaints(name: &str) -> Vec<&'static str> {
    if name.is_empty() {
        return vec!["runAsUserName cannot be an empty string"];
    }
    if name.chars().any(|c| c.is_ascii_control()) {
        return vec!["runAsUserName cannot contain control characters"];
    }
    let (domain, user) = match name.split('\\').collect::<Vec<_>>().as_slice() {
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return vec!["runAsUserName cannot contain more than one backslash"],
    };
    let mut out = Vec::new();
    if let Some(domain) = domain {
        if domain.len() >= 256 {
            out.push("runAsUserName's Domain length must be under 256 characters");
        }
        if ![&*NET_BIOS, &*DOMAIN].iter().any(|form| form.as_ref().is_some_and(|form| form.is_match(domain))) {
            out.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
        }
    }
    if user.is_empty() {
        out.push("runAsUserName's User cannot be empty");
    } else if user.len() > 104 {
        out.push("runAsUserName's User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|c| c == '.' || c == ' ') {
        out.push("runAsUserName's User cannot contain only periods or spaces");
    }
    if user.contains(|c| "\"/\\:;|=,+*?<>@[]".contains(c)) {
        out.push("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
    }
    out
}

/// Containers that are processes of the node: all or none of a Pod's.
pub(super) fn host_process(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let own = |at: &At<'_>| at.field("securityContext").field("windowsOptions").field("hostProcess").value.as_bool();
    let of_pod = own(spec);
    let (mut all, mut with) = (0, 0);
    for container in containers(spec) {
        all += 1;
        let of_container = own(&container);
        if let (Some(pod), Some(container_says)) = (of_pod, of_container)
            && pod != container_says
        {
            let at = container.field("securityContext").field("windowsOptions").field("hostProcess");
            at.invalid(&format!("pod hostProcess value must be identical if both are specified, was {pod}"), causes);
        }
        with += i32::from(of_container.or(of_pod) == Some(true));
    }
    if with == 0 {
        return;
    }
    if with != all {
        let detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        causes.push(Cause::invalid(spec.path.clone(), &"".into(), detail));
    }
    if spec.field("hostNetwork").value != true {
        let detail = "hostNetwork must be true if pod contains any hostProcess containers";
        causes.push(Cause::invalid(spec.field("hostNetwork").path, &false.into(), detail));
    }
}

pub(super) fn not_on_linux(spec: &At<'_>, causes: &mut Vec<Cause>) {
    for at in std::iter::once(spec.clone()).chain(containers(spec)) {
        let options = at.field("securityContext").field("windowsOptions");
        if options.is_set() {
            options.forbidden("windows options cannot be set for a linux pod", causes);
        }
    }
}

pub(super) fn only_on_windows(spec: &At<'_>, causes: &mut Vec<Cause>) {
    const DETAIL: &str = "cannot be set for a windows pod";
    let mut refuse = |at: At<'_>| {
        if at.is_set() && at.value != false {
            at.forbidden(DETAIL, causes);
        }
    };
    for name in ["hostPID", "hostIPC"] {
        refuse(spec.field(name));
    }
    for name in [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "seLinuxChangePolicy",
    ] {
        refuse(spec.field("securityContext").field(name));
    }
    let mut refuse_set = |at: At<'_>| {
        if at.is_set() {
            at.forbidden(DETAIL, causes);
        }
    };
    for name in ["hostUsers", "shareProcessNamespace"] {
        refuse_set(spec.field(name));
    }
    for container in containers(spec) {
        for name in [
            "appArmorProfile",
            "seLinuxOptions",
            "seccompProfile",
            "capabilities",
            "readOnlyRootFilesystem",
            "privileged",
            "allowPrivilegeEscalation",
            "procMount",
            "runAsUser",
            "runAsGroup",
        ] {
            refuse_set(container.field("securityContext").field(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::user_complaints;

    #[test]
    fn names_of_users() {
        for (name, count) in [("ContainerUser", 0), ("DOMAIN\\user", 0), ("", 1), ("a\\b\\c", 1), ("..", 1), ("a@b", 1)]
        {
            assert_eq!(user_complaints(name).len(), count, "{name}");
        }
    }
}

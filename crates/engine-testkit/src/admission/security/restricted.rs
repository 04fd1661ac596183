//! What a Pod has to renounce where only hardened ones are let in.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    baseline::{adding, is_seccomp},
    checks::Verdict,
    words::{bad_values, containers_called, context, has_own_users, is_windows, named, plural, quoted, setters},
};
use crate::json::{get, list_at, str_at};

pub(super) fn escalation(pod: &Value) -> Option<Verdict> {
    let names =
        named(pod, |container| context(container, &["allowPrivilegeEscalation"]).is_none_or(|set| set != false));
    (!names.is_empty()).then(|| {
        let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", containers_called(&names));
        Verdict::new("allowPrivilegeEscalation != false", detail)
    })
}

pub(super) fn escalation_25(pod: &Value) -> Option<Verdict> {
    if is_windows(pod) { None } else { escalation(pod) }
}

pub(super) fn capabilities(pod: &Value) -> Option<Verdict> {
    let keeping = named(pod, |container| {
        !list_at(container, &["securityContext", "capabilities", "drop"]).iter().any(|dropped| dropped == "ALL")
    });
    let (adding, added) = adding(pod, &["NET_BIND_SERVICE"]);
    let mut said = Vec::new();
    if !keeping.is_empty() {
        said.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", containers_called(&keeping)));
    }
    if !adding.is_empty() {
        let (who, what) = (containers_called(&adding), quoted(&added));
        said.push(format!("{who} must not include {what} in securityContext.capabilities.add"));
    }
    (!said.is_empty()).then(|| Verdict::new("unrestricted capabilities", said.join("; ")))
}

pub(super) fn capabilities_25(pod: &Value) -> Option<Verdict> {
    if is_windows(pod) { None } else { capabilities(pod) }
}

const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

pub(super) fn volumes(pod: &Value) -> Option<Verdict> {
    let all = list_at(pod, &["spec", "volumes"]).iter();
    let bad = all.filter(|volume| VOLUMES.iter().all(|kind| get(volume, &[kind]).is_none()));
    let (mut names, mut kinds) = (Vec::new(), BTreeSet::new());
    for volume in bad {
        names.push(str_at(volume, &["name"]).to_owned());
        let fields = volume.as_object().into_iter().flatten();
        let kind = fields.filter(|(key, value)| *key != "name" && !value.is_null()).map(|(key, _)| key.clone()).next();
        kinds.insert(kind.unwrap_or_else(|| "unknown".to_owned()));
    }
    (!names.is_empty()).then(|| {
        let verb = if names.len() == 1 { "uses" } else { "use" };
        let (who, what) = (plural(names.len(), "volume"), plural(kinds.len(), "restricted volume type"));
        Verdict::new("restricted volume types", format!("{who} {} {verb} {what} {}", quoted(&names), quoted(&kinds)))
    })
}

pub(super) fn non_root(pod: &Value) -> Option<Verdict> {
    const REASON: &str = "runAsNonRoot != true";
    let of = |of: &Value| context(of, &["runAsNonRoot"]).and_then(Value::as_bool);
    let all = of(&pod["spec"]);
    if let Some(who) = setters(all == Some(false), &named(pod, |container| of(container) == Some(false))) {
        return Some(Verdict::new(REASON, format!("{who} must not set securityContext.runAsNonRoot=false")));
    }
    let silent = named(pod, |container| of(container).is_none() && all != Some(true));
    (!silent.is_empty()).then(|| {
        let detail = format!("pod or {} must set securityContext.runAsNonRoot=true", containers_called(&silent));
        Verdict::new(REASON, detail)
    })
}

pub(super) fn non_root_35(pod: &Value) -> Option<Verdict> {
    if has_own_users(pod) { None } else { non_root(pod) }
}

pub(super) fn user(pod: &Value) -> Option<Verdict> {
    let is_root = |of: &Value| context(of, &["runAsUser"]).and_then(Value::as_i64) == Some(0);
    let who = setters(is_root(&pod["spec"]), &named(pod, is_root))?;
    Some(Verdict::new("runAsUser=0", format!("{who} must not set runAsUser=0")))
}

pub(super) fn user_35(pod: &Value) -> Option<Verdict> {
    if has_own_users(pod) { None } else { user(pod) }
}

pub(super) fn seccomp(pod: &Value) -> Option<Verdict> {
    const REASON: &str = "seccompProfile";
    let (of_pod, names, values) = bad_values(pod, &["seccompProfile", "type"], is_seccomp);
    if let Some(who) = setters(of_pod, &names) {
        let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(&values));
        return Some(Verdict::new(REASON, detail));
    }
    let has = |of: &Value| context(of, &["seccompProfile"]).is_some();
    let silent = named(pod, |container| !has(container) && !has(&pod["spec"]));
    (!silent.is_empty()).then(|| {
        let detail = format!(
            "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
            containers_called(&silent)
        );
        Verdict::new(REASON, detail)
    })
}

pub(super) fn seccomp_25(pod: &Value) -> Option<Verdict> {
    if is_windows(pod) { None } else { seccomp(pod) }
}

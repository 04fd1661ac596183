//! Annotations that mean something to a Pod.

use serde_json::{Value, json};

use super::{At, containers, scheduling, text};
use crate::{
    json::{map_at, str_at},
    status::Cause,
};

/// Of Pods that show what a kubelet runs from a file.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
pub(in crate::admission) const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

pub(super) fn validate(at: &At<'_>, spec: &At<'_>, causes: &mut Vec<Cause>) {
    let place = |key: &str| format!("{}[{key}]", at.path);
    for (key, note) in at.entries() {
        let value = note.text();
        let mut wrong = |path: String, value: &str, detail: &str| {
            causes.push(Cause::invalid(path, &value.into(), detail));
        };
        match key {
            MIRROR if spec.field("nodeName").text().is_empty() => {
                wrong(place(key), value, "must set spec.nodeName if mirror pod annotation is set");
            }
            DELETION_COST if !is_cost(value) => wrong(place(key), value, "must be a 32bit integer"),
            TOLERATIONS if !value.is_empty() => {
                let path = at.field(key).path;
                match serde_json::from_str::<Value>(value) {
                    Ok(list) => scheduling::tolerations(&At::new(&list, &path), causes),
                    Err(problem) => wrong(at.path.clone(), TOLERATIONS, &problem.to_string()),
                }
            }
            _ if key == SECCOMP_POD || key.starts_with(SECCOMP_CONTAINER) => {
                let named = At::new(note.value, &at.field(key).path);
                match value.strip_prefix("localhost/") {
                    Some(path) => text::local_path(&At::new(&path.into(), &named.path), causes),
                    None if matches!(value, "runtime/default" | "docker/default" | "unconfined") => {}
                    None => wrong(named.path, value, "must be a valid seccomp profile"),
                }
            }
            _ => {
                let Some(container) = key.strip_prefix(APP_ARMOR) else { continue };
                if !containers(spec).any(|c| c.field("name").text() == container) {
                    wrong(place(key), container, "container not found");
                }
                let known = matches!(value, "" | "runtime/default" | "unconfined") || value.starts_with("localhost/");
                if !known {
                    wrong(place(key), value, &format!("invalid AppArmor profile name: {value:?}"));
                }
            }
        }
    }
}

/// A whole number as it is written plainly.
fn is_cost(text: &str) -> bool {
    let plain = text.starts_with('-') || text == "0" || text.starts_with(|c: char| ('1'..='9').contains(&c));
    plain && text.parse::<i32>().is_ok()
}

/// What the annotations of a Pod must not turn into.
pub(super) fn validate_update(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    let notes = ["metadata", "annotations"];
    let fixed = |key: &str| {
        key.starts_with(APP_ARMOR)
            .then_some("AppArmor annotations")
            .or((key == MIRROR).then_some("mirror pod annotation"))
    };
    let mut refuse = |key: &str, verb: &str| {
        if let Some(what) = fixed(key) {
            causes.push(Cause::forbidden(format!("metadata.annotations[{key}]"), &format!("may not {verb} {what}")));
        }
    };
    let value = |of: &Value, key: &str| of["metadata"]["annotations"].get(key).cloned();
    for (key, old) in map_at(before, &notes).into_iter().flatten() {
        if value(after, key).as_ref() != Some(old) {
            refuse(key, "remove or update");
        }
    }
    for (key, _) in map_at(after, &notes).into_iter().flatten() {
        if value(before, key).is_none() {
            refuse(key, "add");
        }
    }
    let root = At::root(after);
    validate(&root.field("metadata").field("annotations"), &root.field("spec"), causes);
}

/// Where an annotation and a field say the same, they say the same.
pub(super) fn match_fields(notes: &At<'_>, spec: &At<'_>, causes: &mut Vec<Cause>) {
    let own = spec.field("securityContext");
    let compare = |note: &str, field: &At<'_>, what: &str, causes: &mut Vec<Cause>| {
        let matches = match field.field("type").text() {
            "Unconfined" => note == "unconfined",
            "RuntimeDefault" => note == "runtime/default" || (what == "seccomp" && note == "docker/default"),
            "Localhost" => match note.strip_prefix("localhost/") {
                Some(profile) if field.field("localhostProfile").text() == profile => true,
                Some(_) => {
                    let detail = format!("{what} profile in annotation and field must match");
                    return field.field("localhostProfile").forbidden(&detail, causes);
                }
                None => false,
            },
            _ => true,
        };
        if !matches {
            field.field("type").forbidden(&format!("{what} type in annotation and field must match"), causes);
        }
    };
    let seccomp = own.field("seccompProfile");
    if let Some(note) = notes.value.get(SECCOMP_POD).and_then(Value::as_str)
        && seccomp.is_set()
    {
        compare(note, &seccomp, "seccomp", causes);
    }
    let windows = spec.field("os").field("name").text() == "windows";
    for container in containers(spec) {
        let name = container.field("name").text().to_owned();
        let context = container.field("securityContext");
        let note = |prefix: &str| notes.value.get(format!("{prefix}{name}")).and_then(Value::as_str);
        let profile = context.field("seccompProfile");
        if let Some(note) = note(SECCOMP_CONTAINER).filter(|_| profile.is_set()) {
            compare(note, &profile, "seccomp", causes);
        }
        let profile = context.field("appArmorProfile");
        // Without a profile of its own a container has that of the Pod.
        let value = if profile.is_set() { profile.value } else { own.field("appArmorProfile").value };
        if let Some(note) = note(APP_ARMOR).filter(|_| !windows && !value.is_null()) {
            compare(note, &At::new(value, &profile.path), "apparmor", causes);
        }
    }
}

/// The profile that an annotation stands for.
pub(in crate::admission) fn app_armor_profile(note: &str) -> Option<Value> {
    Some(match note {
        "unconfined" => json!({"type": "Unconfined"}),
        "runtime/default" => json!({"type": "RuntimeDefault"}),
        _ => {
            let profile = note.strip_prefix("localhost/").filter(|profile| !profile.is_empty())?;
            json!({"type": "Localhost", "localhostProfile": profile})
        }
    })
}

/// The annotation about a container's profile.
pub(in crate::admission) fn app_armor_key(container: &Value) -> String {
    format!("{APP_ARMOR}{}", str_at(container, &["name"]))
}

#[cfg(test)]
mod tests {
    use super::is_cost;

    #[test]
    fn costs_are_plain_numbers() {
        for (text, ok) in
            [("0", true), ("-5", true), ("100", true), ("+1", false), ("01", false), ("", false), ("3000000000", false)]
        {
            assert_eq!(is_cost(text), ok, "{text}");
        }
    }
}

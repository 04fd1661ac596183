//! ConfigMaps, Secrets, events, storage classes, priority classes and leases.

use serde_json::Value;

use super::{At, network};
use crate::{
    admission::{Empties, names},
    json::get,
    status::Cause,
};

/// What the values of a ConfigMap may have together, in bytes:
/// <https://kubernetes.io/docs/concepts/configuration/configmap/#motivation>
const MAX_CONFIG_MAP: usize = 1024 * 1024;

const BAD_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

fn keys(data: &At<'_>, causes: &mut Vec<Cause>) {
    for (key, at) in data.entries() {
        let ok = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let mut wrong = |detail: &str| causes.push(Cause::invalid(at.path.clone(), &key.into(), detail));
        if key.len() > 253 {
            wrong("must be no more than 253 characters");
        }
        if key.is_empty() || !key.chars().all(ok) {
            wrong(BAD_KEY);
        }
        match key {
            "." => wrong("must not be '.'"),
            ".." => wrong("must not be '..'"),
            _ if key.starts_with("..") => wrong("must not start with '..'"),
            _ => {}
        }
    }
}

/// The bytes that a text in base64 stands for.
fn bytes(at: &At<'_>) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(at.text()).unwrap_or_default()
}

pub(super) fn config_map(root: &At<'_>, causes: &mut Vec<Cause>) {
    let (data, binary) = (root.field("data"), root.field("binaryData"));
    keys(&data, causes);
    for (key, at) in data.entries() {
        if binary.value.get(key).is_some() {
            let message = "duplicate of key present in binaryData";
            causes.push(Cause::invalid(at.path, &key.into(), message));
        }
    }
    keys(&binary, causes);
    let size = data.entries().map(|(_, at)| at.text().len()).sum::<usize>()
        + binary.entries().map(|(_, at)| bytes(&at).len()).sum::<usize>();
    if size > MAX_CONFIG_MAP {
        causes.push(Cause::too_long("[]", MAX_CONFIG_MAP as u64));
    }
}

pub(super) fn secret(root: &At<'_>, causes: &mut Vec<Cause>) {
    let data = root.field("data");
    keys(&data, causes);
    if data.entries().map(|(_, at)| bytes(&at).len()).sum::<usize>() > MAX_CONFIG_MAP {
        causes.push(Cause::too_long("data", MAX_CONFIG_MAP as u64));
    }
    let has = |key: &str| data.value.get(key).is_some();
    let mut need = |key: &str| {
        if !has(key) {
            causes.push(Cause::required(format!("data[{key}]"), ""));
        }
    };
    match root.field("type").text() {
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            need("username");
            need("password");
        }
        "kubernetes.io/ssh-auth" if data.field("ssh-privatekey").len() == 0 => {
            causes.push(Cause::required("data[ssh-privatekey]", ""));
        }
        "kubernetes.io/tls" => {
            need("tls.crt");
            need("tls.key");
        }
        "kubernetes.io/service-account-token" => {
            let annotation = root.field("metadata").field("annotations").field("kubernetes.io/service-account.name");
            if annotation.text().is_empty() {
                causes.push(Cause::required("metadata.annotations[kubernetes.io/service-account.name]", ""));
            }
        }
        kind @ ("kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson") => {
            let key = if kind.ends_with("json") { ".dockerconfigjson" } else { ".dockercfg" };
            need(key);
            if has(key)
                && let Some(problem) = not_a_map(&bytes(&data.field(key)))
            {
                causes.push(Cause::invalid(format!("data[{key}]"), &"<secret contents redacted>".into(), problem));
            }
        }
        _ => {}
    }
}

/// Why a text is no map in JSON.
fn not_a_map(text: &[u8]) -> Option<String> {
    match serde_json::from_slice::<Value>(text) {
        Ok(Value::Object(_) | Value::Null) => None,
        Ok(other) => {
            let kind = match other {
                Value::Bool(_) => "bool",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                _ => "array",
            };
            Some(format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"))
        }
        Err(e) if e.is_eof() => Some("unexpected end of JSON input".to_owned()),
        Err(e) => {
            let at = text.split(|b| *b == b'\n').nth(e.line().saturating_sub(1));
            let wrong = at.and_then(|line| line.get(e.column().saturating_sub(1))).copied().unwrap_or_default();
            let place = if e.line() == 1 && e.column() <= 1 { "looking for beginning of value" } else { "in literal" };
            Some(format!("invalid character '{}' {place}", char::from(wrong)))
        }
    }
}

/// What of an immutable ConfigMap or Secret cannot change any more.
pub(super) fn immutable_data(root: &At<'_>, before: &Value, sent: &Empties, causes: &mut Vec<Cause>) {
    const FIXED: &str = "field is immutable when `immutable` is set";
    if before.get("immutable") != Some(&Value::Bool(true)) {
        return;
    }
    if root.field("immutable").value != true {
        causes.push(Cause::forbidden("immutable", FIXED));
    }
    for field in ["data", "binaryData"] {
        // A map that is sent empty is another one than none, but for the data of a ConfigMap, which is always there.
        let told_apart = (field == "binaryData") == (root.field("kind").text() == "ConfigMap");
        if get(before, &[field]) != get(root.value, &[field]) || told_apart && sent.has(field) {
            causes.push(Cause::forbidden(field, FIXED));
        }
    }
}

/// A field that cannot change any more; nothing at all is shown as the text `null`.
pub(super) fn fixed(root: &At<'_>, before: &Value, field: &str, causes: &mut Vec<Cause>) {
    let (old, new) = (get(before, &[field]), root.field(field));
    if old.unwrap_or(&Value::Null) != new.value {
        new.invalid("field is immutable", causes);
    }
}

/// An Event in the shape of the core: errors have its names of fields, and `reporter` is the controller's.
pub(super) fn event(root: &At<'_>, reporter: &str, causes: &mut Vec<Cause>) {
    const LONG: usize = 128;
    const LONG_TEXT: usize = 1024;
    let namespace = root.field("metadata").field("namespace").text();
    let involved = root.field("involvedObject").field("namespace");
    let timed = root.field("eventTime").is_set();
    let elsewhere = match (involved.text(), timed) {
        ("", false) => !matches!(namespace, "" | "default"),
        ("", true) => !matches!(namespace, "default" | "kube-system"),
        (about, false) => about != namespace,
        (_, true) => false,
    };
    if elsewhere {
        causes.push(Cause::invalid(involved.path.clone(), &involved.text().into(), "does not match event.namespace"));
    }
    if !timed {
        return;
    }
    let controller = root.field(reporter);
    let too_long = |at: &At<'_>, most: usize, causes: &mut Vec<Cause>| {
        if at.len() > most {
            let detail = format!("can have at most {most} characters");
            causes.push(Cause::invalid(at.path.clone(), &"".into(), detail));
        }
    };
    controller.must_be_there(causes);
    controller.key(causes);
    for field in ["reportingInstance", "action", "reason"] {
        let at = root.field(field);
        at.must_be_there(causes);
        too_long(&at, LONG, causes);
    }
    too_long(&root.field("message"), LONG_TEXT, causes);
}

pub(super) fn storage_class(root: &At<'_>, causes: &mut Vec<Cause>) {
    const MOST_PARAMETERS: usize = 512;
    const MOST_BYTES: usize = 256 * 1024;
    let provisioner = root.field("provisioner");
    if provisioner.must_be_there(causes) {
        let lower = provisioner.text().to_lowercase();
        for complaint in names::key_complaints(&lower) {
            causes.push(Cause::invalid(provisioner.path.clone(), &lower.as_str().into(), complaint));
        }
    }
    let parameters = root.field("parameters");
    if parameters.len() > MOST_PARAMETERS {
        causes.push(Cause::too_long(parameters.path.clone(), MOST_PARAMETERS as u64));
    } else {
        for (key, _) in parameters.entries().filter(|(key, _)| key.is_empty()) {
            causes.push(Cause::invalid(parameters.path.clone(), &key.into(), "field can not be empty."));
        }
        if parameters.entries().map(|(key, at)| key.len() + at.text().len()).sum::<usize>() > MOST_BYTES {
            causes.push(Cause::too_long(parameters.path.clone(), MOST_BYTES as u64));
        }
    }
    let policy = root.field("reclaimPolicy");
    if !policy.text().is_empty() {
        policy.one_of(&["Delete", "Retain"], causes);
    }
    let mode = root.field("volumeBindingMode");
    if mode.is_set() {
        mode.one_of(&["Immediate", "WaitForFirstConsumer"], causes);
    } else {
        mode.required("", causes);
    }
    topologies(&root.field("allowedTopologies"), causes);
}

fn topologies(list: &At<'_>, causes: &mut Vec<Cause>) {
    for term in list.items() {
        let mut keys: Vec<&str> = Vec::new();
        for requirement in term.field("matchLabelExpressions").items() {
            let (key, values) = (requirement.field("key"), requirement.field("values"));
            if values.len() == 0 {
                values.required("", causes);
            }
            let mut seen: Vec<&str> = Vec::new();
            for value in values.items() {
                if seen.contains(&value.text()) {
                    causes.push(Cause::duplicate(value.path.clone(), value.value));
                }
                seen.push(value.text());
            }
            network::qualified(&At { value: &key.text().into(), path: key.path.clone() }, causes);
            if keys.contains(&key.text()) {
                causes.push(Cause::duplicate(key.path.clone(), &key.text().into()));
            }
            keys.push(key.text());
        }
    }
}

pub(super) fn priority_class(root: &At<'_>, causes: &mut Vec<Cause>) {
    const SYSTEM: &str = "system-";
    const HIGHEST: i64 = 1_000_000_000;
    const KNOWN: [(&str, i64); 2] =
        [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];
    let (name, value) = (root.field("metadata").field("name"), root.field("value"));
    if name.text().starts_with(SYSTEM) {
        let problem = match KNOWN.iter().find(|(known, _)| *known == name.text()) {
            None => Some(format!("{} is not a known system priority class", name.text())),
            Some((known, wanted)) if *wanted != value.int() => {
                Some(format!("value of {known} PriorityClass must be {wanted}"))
            }
            Some((known, _)) => (root.field("globalDefault").value == true)
                .then(|| format!("globalDefault of {known} PriorityClass must be false")),
        };
        if let Some(problem) = problem {
            let detail = format!(
                "priority class names with '{SYSTEM}' prefix are reserved for system use only. error: {problem}"
            );
            name.forbidden(&detail, causes);
        }
    } else if value.int() > HIGHEST {
        value.forbidden(&format!("maximum allowed value of a user defined priority is {HIGHEST}"), causes);
    }
    let policy = root.field("preemptionPolicy");
    if policy.is_set() {
        policy.required_one_of(&["PreemptLowerPriority", "Never"], causes);
    }
}

/// What of a PriorityClass cannot change any more.
pub(super) fn priority_class_change(root: &At<'_>, before: &Value, causes: &mut Vec<Cause>) {
    if before.get("value") != root.value.get("value") {
        causes.push(Cause::forbidden("value", "may not be changed in an update."));
    }
    fixed(root, before, "preemptionPolicy", causes);
}

pub(super) fn lease(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    let duration = spec.field("leaseDurationSeconds");
    if duration.is_set() && duration.int() <= 0 {
        duration.invalid("must be greater than 0", causes);
    }
    spec.field("leaseTransitions").not_negative(causes);
}

//! ConfigMaps, Secrets, claims, events, storage classes, priority classes and leases.

use serde_json::Value;

use super::{At, diff, network, quota, resource_names::is_native};
use crate::{
    admission::{CLASS_OF_CLAIM, Empties, names},
    json::{self, get, str_at},
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

/// The spec of a claim, also in the templates of a StatefulSet.
pub(super) fn claim(root: &At<'_>, causes: &mut Vec<Cause>) {
    let spec = root.field("spec");
    let modes = spec.field("accessModes");
    if modes.len() == 0 {
        modes.required("at least 1 access mode is required", causes);
    }
    spec.field("selector").selector(causes);
    access_modes(&modes, causes);
    let storage = spec.field("resources").field("requests").field("storage");
    let at = At { path: format!("{}.resources[storage]", spec.path), ..storage.clone() };
    if !storage.is_set() {
        at.required("", causes);
    } else if storage.quantity().is_some_and(|q| q <= 0) {
        at.invalid("must be greater than zero", causes);
    } else {
        quota::amount(&at, "storage", causes);
    }
    let class = spec.field("storageClassName");
    if !class.text().is_empty() {
        class.name(names::Rule::Subdomain, causes);
    }
    spec.field("volumeMode").one_of(&["Block", "Filesystem"], causes);
    sources(&spec, causes);
    let attributes = spec.field("volumeAttributesClassName");
    if !attributes.text().is_empty() {
        attributes.name(names::Rule::Subdomain, causes);
    }
}

/// The modes of access of a claim or a volume.
pub(super) fn access_modes(modes: &At<'_>, causes: &mut Vec<Cause>) {
    const ALONE: &str = "ReadWriteOncePod";
    const SHARED: [&str; 3] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce"];
    for mode in modes.items() {
        // All of them are named by the field of the list.
        if mode.text() != ALONE && !SHARED.contains(&mode.text()) {
            causes.push(Cause::unsupported(modes.path.clone(), mode.value, &[SHARED[0], SHARED[1], SHARED[2], ALONE]));
        }
    }
    let has = |wanted: &[&str]| modes.items().any(|mode| wanted.contains(&mode.text()));
    if has(&[ALONE]) && has(&SHARED) {
        modes.forbidden("may not use ReadWriteOncePod with other access modes", causes);
    }
}

/// What a claim is filled from.
fn sources(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let (source, reference) = (spec.field("dataSource"), spec.field("dataSourceRef"));
    for at in [&source, &reference] {
        if !at.is_set() {
            continue;
        }
        at.field("name").must_be_there(causes);
        at.field("kind").must_be_there(causes);
        let (kind, group) = (at.field("kind").text(), at.field("apiGroup"));
        if group.text().is_empty() && kind != "PersistentVolumeClaim" {
            let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            causes.push(Cause::invalid(at.path.clone(), &kind.into(), detail));
        }
        if !group.text().is_empty() {
            group.name(names::Rule::Subdomain, causes);
        }
        let namespace = at.field("namespace");
        if !namespace.text().is_empty() {
            namespace.name(names::Rule::Label, causes);
        }
    }
    if !source.is_set() || !reference.is_set() {
        return;
    }
    let same = ["apiGroup", "kind", "name"].iter().all(|f| source.field(f).value == reference.field(f).value);
    let detail = if reference.field("namespace").text().is_empty() {
        if same {
            return;
        }
        "must match dataSourceRef"
    } else {
        "may not be specified when dataSourceRef.namespace is specified"
    };
    causes.push(Cause::invalid(spec.path.clone(), &serde_json::json!({}), detail));
}

/// The spec of a claim as the server prints it: the fields of its own type, in the order in which they are declared.
fn claim_text(spec: &Value) -> String {
    let field = |name: &str| spec.get(name).cloned().unwrap_or_default();
    // Each field by its name in the server's type, and in what order the fields of a struct are.
    let part = |name: &str, fields: &[(&str, &str)]| match spec.get(name) {
        None | Some(Value::Null) => "null".to_owned(),
        Some(value) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(own, sent)| format!("  {own:?}: {}", indented(value.get(sent).unwrap_or(&Value::Null), 2)))
                .collect();
            format!("{{\n{}\n }}", fields.join(",\n"))
        }
    };
    let text = |name: &str| Value::from(spec.get(name).and_then(Value::as_str).unwrap_or_default());
    let group_text =
        |value: String| value.replace("\"Kind\": null", "\"Kind\": \"\"").replace("\"Name\": null", "\"Name\": \"\"");
    let resources = match part("resources", &[("Limits", "limits"), ("Requests", "requests")]) {
        none if none == "null" => "{\n  \"Limits\": null,\n  \"Requests\": null\n }".to_owned(),
        some => some,
    };
    let source = [("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name")];
    let reference = [source[0], source[1], source[2], ("Namespace", "namespace")];
    let lines = [
        ("AccessModes", indented(&field("accessModes"), 1)),
        ("Selector", indented(&field("selector"), 1)),
        ("Resources", resources),
        ("VolumeName", text("volumeName").to_string()),
        ("StorageClassName", field("storageClassName").to_string()),
        ("VolumeMode", field("volumeMode").to_string()),
        ("DataSource", group_text(part("dataSource", &source))),
        ("DataSourceRef", group_text(part("dataSourceRef", &reference))),
        ("VolumeAttributesClassName", field("volumeAttributesClassName").to_string()),
    ];
    let lines: Vec<String> = lines.iter().map(|(name, value)| format!(" {name:?}: {value}")).collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

/// JSON with one space for each level, of which the first line is on one already.
pub(super) fn indented(value: &Value, level: usize) -> String {
    let pad = " ".repeat(level + 1);
    let (open, items, close) = match value {
        Value::Array(list) if !list.is_empty() => {
            ('[', list.iter().map(|v| indented(v, level + 1)).collect::<Vec<_>>(), ']')
        }
        Value::Object(map) if !map.is_empty() => {
            let entry = |(key, v): (&String, &Value)| format!("{key:?}: {}", indented(v, level + 1));
            ('{', map.iter().map(entry).collect(), '}')
        }
        other => return other.to_string(),
    };
    format!("{open}\n{pad}{}\n{}{close}", items.join(&format!(",\n{pad}")), " ".repeat(level))
}

/// What of a claim cannot change any more.
pub(super) fn claim_change(root: &At<'_>, before: &Value, sent: &Empties, causes: &mut Vec<Cause>) {
    let after = root.value;
    let spec = |v: &Value| Value::Object(json::map_at(v, &["spec"]).cloned().unwrap_or_default());
    let (mut old, mut new) = (spec(before), spec(after));
    if str_at(before, &["spec", "volumeName"]).is_empty() {
        json::remove(&mut old, &["volumeName"]);
        json::remove(&mut new, &["volumeName"]);
    }
    let annotation =
        |v: &Value| get(v, &["metadata", "annotations", CLASS_OF_CLAIM]).and_then(Value::as_str).map(str::to_owned);
    let (had, has) = (annotation(before), annotation(after));
    let class = get(after, &["spec", "storageClassName"]).and_then(Value::as_str);
    let unset = get(before, &["spec", "storageClassName"]).is_none();
    // What was an annotation may become the field.
    let upgraded = unset && had.is_some() && class == had.as_deref() && (has.is_none() || has == had);
    if !upgraded && has.as_deref().unwrap_or_default() != had.as_deref().unwrap_or_default() {
        let shown = has.unwrap_or_default().into();
        causes.push(Cause::invalid(format!("metadata.annotations[{CLASS_OF_CLAIM}]"), &shown, "field is immutable"));
    }
    if unset && class.is_some() && (had.is_none() || class == had.as_deref()) {
        json::remove(&mut new, &["storageClassName"]);
    }
    if str_at(after, &["status", "phase"]) == "Bound" {
        if get(&new, &["resources", "requests"]).is_some() || sent.has("spec.resources.requests") {
            json::copy(&old, &mut new, &["resources", "requests", "storage"]);
        }
        json::copy(&old, &mut new, &["volumeAttributesClassName"]);
    }
    if old != new {
        causes.push(Cause::forbidden(
            "spec",
            &format!(
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n{}",
                diff::unified(&claim_text(&old), &claim_text(&new))
            ),
        ));
    }
    let size = |v: &Value, path: &[&str]| At::new(get(v, path).unwrap_or(&Value::Null), "").quantity().unwrap_or(0);
    let asked = ["spec", "resources", "requests", "storage"];
    let wanted = size(after, &asked);
    if wanted < size(before, &asked) && wanted <= size(before, &["status", "capacity", "storage"]) {
        causes.push(Cause::forbidden(asked.join("."), "field can not be less than status.capacity"));
    }
    let mode = |v: &Value| get(v, &["spec", "volumeMode"]).cloned().unwrap_or_default();
    if mode(before) != mode(after) {
        causes.push(Cause::invalid("volumeMode", &mode(after), "field is immutable"));
    }
    let attributes = root.field("spec").field("volumeAttributesClassName");
    if get(before, &["spec", "volumeAttributesClassName"]).unwrap_or(&Value::Null) != attributes.value
        && get(before, &["status", "currentVolumeAttributesClassName"]).is_some()
    {
        if !attributes.is_set() {
            let detail = "update to nil is forbidden when status.currentVolumeAttributesClassName is not nil";
            attributes.forbidden(detail, causes);
        } else if attributes.text().is_empty() {
            let detail = "update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil";
            attributes.forbidden(detail, causes);
        }
    }
}

/// The status of a claim.
pub(super) fn claim_status(root: &At<'_>, causes: &mut Vec<Cause>) {
    const STATES: [&str; 5] = [
        "ControllerResizeInProgress",
        "ControllerResizeInfeasible",
        "NodeResizeInProgress",
        "NodeResizeInfeasible",
        "NodeResizePending",
    ];
    let not_negative = |at: &At<'_>, causes: &mut Vec<Cause>| {
        let wrong = at.quantity().filter(|q| *q < 0);
        if let Some(nanos) = wrong {
            // Shown as the whole number that it is rounded to.
            let whole = i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MIN);
            causes.push(Cause::invalid(at.path.clone(), &whole.into(), "must be a valid resource quantity"));
        }
        wrong.is_none()
    };
    let status = root.field("status");
    for (_, at) in status.field("capacity").entries() {
        not_negative(&at, causes);
    }
    let states = status.field("allocatedResourceStatuses");
    for (key, state) in states.entries() {
        claimed(&states.path, key, causes);
        if !STATES.contains(&state.text()) {
            let mut known = STATES;
            known.sort_unstable();
            causes.push(Cause::unsupported(states.path.clone(), &key.into(), &known));
        }
    }
    let allocated = status.field("allocatedResources");
    for (key, at) in allocated.entries() {
        if claimed(&allocated.path, key, causes) && not_negative(&at, causes) {
            quota::amount(&at, "storage", causes);
        }
    }
}

/// A resource that a claim may be about: storage, or one of somebody else's.
fn claimed(path: &str, key: &str, causes: &mut Vec<Cause>) -> bool {
    let complaints = names::key_complaints(key);
    let ok = complaints.is_empty();
    for complaint in complaints {
        causes.push(Cause::invalid(path, &key.into(), complaint));
    }
    if ok && is_native(key) && key != "storage" {
        causes.push(Cause::unsupported(path, &key.into(), &["storage"]));
        return false;
    }
    ok
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

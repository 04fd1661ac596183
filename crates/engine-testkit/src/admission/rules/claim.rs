//! Claims of storage, also those in the templates of a StatefulSet and in a Pod's volumes:
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#persistentvolumeclaims>

use serde_json::Value;

use super::{At, diff, quota, resource_names::is_native};
use crate::{
    admission::{CLASS_OF_CLAIM, Empties, names},
    json::{self, get, str_at},
    status::Cause,
};

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

//! What makes a CustomResourceDefinition valid: names, versions, and schemas that are structural.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>

use serde_json::{Value, json};

use super::{is_true, schema_rules};
use crate::{
    json::{get, list_at, map_at, str_at},
    status::Cause,
};

const LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                     alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', \
                     regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const APPROVAL: &str = "api-approved.kubernetes.io";
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];

/// Checks the name of a new definition.
pub(crate) fn validate_definition_name(definition: &Value, causes: &mut Vec<Cause>) {
    let spec = &definition["spec"];
    let (group, plural) = (str_at(spec, &["group"]), str_at(spec, &["names", "plural"]));
    let name = str_at(definition, &["metadata", "name"]);
    if name != format!("{plural}.{group}") {
        causes.push(Cause::invalid("metadata.name", &name.into(), "must be spec.names.plural+\".\"+spec.group"));
    }
}

/// Checks a definition.
pub(crate) fn validate_definition(definition: &Value, causes: &mut Vec<Cause>) {
    let spec = &definition["spec"];
    let group = str_at(spec, &["group"]);
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else if !group.contains('.') {
        causes.push(Cause::invalid("spec.group", &group.into(), "should be a domain with at least one dot"));
    }
    match str_at(spec, &["scope"]) {
        "" => causes.push(Cause::required("spec.scope", "")),
        "Namespaced" | "Cluster" => {}
        other => causes.push(Cause::unsupported("spec.scope", &other.into(), &["Cluster", "Namespaced"])),
    }
    if is_true(spec, "preserveUnknownFields") {
        let detail =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        causes.push(Cause::invalid("spec.preserveUnknownFields", &true.into(), detail));
    }
    versions(list_at(spec, &["versions"]), causes);
    names(spec, causes);
    let stored: Vec<&Value> =
        list_at(spec, &["versions"]).iter().filter(|v| is_true(v, "storage")).map(|v| &v["name"]).collect();
    match stored.as_slice() {
        // What was stored before a change is remembered.
        [] if !list_at(definition, &["status", "storedVersions"]).is_empty() => {}
        [] => {
            let detail = "must have at least one stored version";
            causes.push(Cause::invalid("status.storedVersions", &Value::Null, detail));
        }
        [_] => {}
        [first, .., last] => {
            let detail = format!("must have the storage version {}", last.as_str().unwrap_or_default());
            causes.push(Cause::invalid("status.storedVersions", &json!([first]), detail));
        }
    }
    let protected = group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io");
    if protected && get(definition, &["metadata", "annotations", APPROVAL]).is_none() {
        let detail = "protected groups must have approval annotation \"api-approved.kubernetes.io\", see \
                      https://github.com/kubernetes/enhancements/pull/1111";
        causes.push(Cause::required(format!("metadata.annotations[{APPROVAL}]"), detail));
    }
}

/// Checks that every version in which objects may be stored is still there.
pub(crate) fn validate_definition_update(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    let versions = list_at(after, &["spec", "versions"]);
    for (i, stored) in list_at(before, &["status", "storedVersions"]).iter().enumerate() {
        if !versions.iter().any(|v| v["name"] == *stored) {
            let name = stored.as_str().unwrap_or_default();
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions \
                 until a storage migration ensures no data remains persisted in {name} and removes {name} from \
                 status.storedVersions"
            );
            causes.push(Cause::invalid(format!("status.storedVersions[{i}]"), stored, detail));
        }
    }
}

fn is_label(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// A list of versions as the server's own type prints.
fn shown(versions: &[Value]) -> String {
    let shown: Vec<String> = versions
        .iter()
        .map(|v| {
            format!(
                "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":null,\
                 \"Subresources\":null,\"AdditionalPrinterColumns\":null,\"SelectableFields\":null}}",
                v["name"],
                is_true(v, "served"),
                is_true(v, "storage"),
                is_true(v, "deprecated"),
                v["deprecationWarning"],
            )
        })
        .collect();
    format!("[{}]", shown.join(","))
}

fn versions(versions: &[Value], causes: &mut Vec<Cause>) {
    let mut whole = |detail: &str| {
        causes.push(Cause {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {}: {detail}", shown(versions)),
            field: "spec.versions".to_owned(),
        });
    };
    let twice = (1..versions.len()).any(|i| versions[..i].iter().any(|v| v["name"] == versions[i]["name"]));
    if twice {
        whole("must contain unique version names");
    }
    if versions.iter().filter(|v| is_true(v, "storage")).count() != 1 {
        whole("must have exactly one version marked as storage version");
    }
    // What all versions have in common is reported as one, as older definitions had it.
    let common = |key: &str| versions.iter().all(|v| v.get(key) == versions[0].get(key));
    for (i, version) in versions.iter().enumerate() {
        let name = str_at(version, &["name"]);
        if !is_label(name) {
            causes.push(Cause::invalid(format!("spec.versions[{i}].name"), &name.into(), LABEL));
            if i == 0 {
                causes.push(Cause::invalid("spec.version", &name.into(), LABEL));
            }
        }
        let at = |key: &str, hoisted: &str| match (common(key), i) {
            (true, 0) => Some(format!("spec.{hoisted}")),
            (true, _) => None,
            (false, _) => Some(format!("spec.versions[{i}].{key}")),
        };
        match get(version, &["schema", "openAPIV3Schema"]) {
            None => causes.push(Cause::required(format!("spec.versions[{i}].schema.openAPIV3Schema"), "")),
            Some(schema) => {
                if let Some(at) = at("schema", "validation") {
                    schema_rules::validate(schema, &format!("{at}.openAPIV3Schema"), causes);
                }
            }
        }
        if let (Some(at), Some(scale)) = (at("subresources", "subresources"), get(version, &["subresources", "scale"]))
        {
            scale_paths(scale, &format!("{at}.scale"), causes);
        }
        if let Some(at) = at("additionalPrinterColumns", "additionalPrinterColumns") {
            columns(list_at(version, &["additionalPrinterColumns"]), &at, causes);
        }
    }
}

fn scale_paths(scale: &Value, at: &str, causes: &mut Vec<Cause>) {
    for (key, root) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
        let (path, field) = (str_at(scale, &[key]), format!("{at}.{key}"));
        if path.is_empty() {
            causes.push(Cause::required(field, ""));
        } else if !path.starts_with(&format!("{root}.")) {
            causes.push(Cause::invalid(field, &path.into(), format!("should be a json path under {root}")));
        }
    }
}

fn columns(columns: &[Value], at: &str, causes: &mut Vec<Cause>) {
    for (i, column) in columns.iter().enumerate() {
        let (name, kind, path) = (str_at(column, &["name"]), str_at(column, &["type"]), str_at(column, &["jsonPath"]));
        if name.is_empty() {
            causes.push(Cause::required(format!("{at}[{i}].name"), ""));
        }
        if kind.is_empty() {
            let detail = format!("must be one of {}", COLUMN_TYPES.join(","));
            causes.push(Cause::required(format!("{at}[{i}].type"), &detail));
        } else if !COLUMN_TYPES.contains(&kind) {
            let detail = format!("must be one of {}", COLUMN_TYPES.join(","));
            causes.push(Cause::invalid(format!("{at}[{i}].type"), &kind.into(), detail));
        }
        if path.is_empty() {
            causes.push(Cause::required(format!("{at}[{i}].JSONPath"), ""));
        } else if !path.starts_with('.') {
            let detail = "must be a simple json path starting with .";
            causes.push(Cause::invalid(format!("{at}[{i}].JSONPath"), &path.into(), detail));
        }
    }
}

fn names(spec: &Value, causes: &mut Vec<Cause>) {
    let mixed = format!("may have mixed case, but should otherwise match: {LABEL}");
    let names = ["plural", "singular", "kind", "listKind"];
    let kind = str_at(spec, &["names", "kind"]);
    let text = |key: &str| match (key, str_at(spec, &["names", key])) {
        // Defaults of a kind that is not there.
        ("listKind" | "singular", _) if kind.is_empty() => "",
        (_, text) => text,
    };
    for key in names {
        if text(key).is_empty() {
            causes.push(Cause::required(format!("spec.names.{key}"), ""));
        }
    }
    for key in names {
        let text = text(key);
        let any_case = key.to_lowercase().ends_with("kind");
        let judged = if any_case { text.to_lowercase() } else { text.to_owned() };
        if !text.is_empty() && !is_label(&judged) {
            let detail = if any_case { &mixed } else { LABEL };
            causes.push(Cause::invalid(format!("spec.names.{key}"), &text.into(), detail));
        }
        if key == "plural" {
            short_names(spec, causes);
        }
    }
}

fn short_names(spec: &Value, causes: &mut Vec<Cause>) {
    for key in ["shortNames", "categories"] {
        for (i, name) in list_at(spec, &["names", key]).iter().enumerate() {
            if !name.as_str().is_some_and(is_label) {
                causes.push(Cause::invalid(format!("spec.names.{key}[{i}]"), name, LABEL));
            }
        }
    }
}

/// Whether an object has nothing but these keys.
pub(super) fn only(value: &Value, keys: &[&str]) -> bool {
    map_at(value, &[]).is_some_and(|map| map.keys().all(|k| keys.contains(&k.as_str())))
}

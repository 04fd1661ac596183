//! What makes a CustomResourceDefinition valid: names, versions, conversion, and schemas that are structural.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>

mod approval;
mod conversion;
mod names;
mod parts;
mod shared;

use serde_json::{Value, json};

use self::shared::Shared;
use super::{is_true, schema};
use crate::{
    admission::names::{Rule, complaints, label_1035},
    json::{list_at, str_at},
    status::Cause,
};

/// Checks the name of a new definition.
pub(crate) fn validate_definition_name(definition: &Value, causes: &mut Vec<Cause>) {
    let spec = &definition["spec"];
    let (group, plural) = (str_at(spec, &["group"]), str_at(spec, &["names", "plural"]));
    let name = str_at(definition, &["metadata", "name"]);
    if name != format!("{plural}.{group}") {
        causes.push(Cause::invalid("metadata.name", &name.into(), "must be spec.names.plural+\".\"+spec.group"));
    }
}

/// Checks a definition; `before` is the stored one on an update.
pub(crate) fn validate_definition(definition: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    spec(definition, before, causes);
    if let Some(before) = before {
        unchanged(before, definition, causes);
    }
    names::syntax(&definition["status"]["acceptedNames"], "status.acceptedNames", causes);
    stored_versions(definition, causes);
    approval::validate(definition, before, causes);
    if is_true(&definition["spec"], "preserveUnknownFields")
        && !before.is_some_and(|b| is_true(&b["spec"], "preserveUnknownFields"))
    {
        let detail =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        causes.push(Cause::invalid("spec.preserveUnknownFields", &true.into(), detail));
    }
}

/// Checks the status of a definition that was written alone.
pub(crate) fn validate_definition_status(definition: &Value, causes: &mut Vec<Cause>) {
    names::syntax(&definition["status"]["acceptedNames"], "status.acceptedNames", causes);
}

fn is_established(definition: &Value) -> bool {
    list_at(definition, &["status", "conditions"]).iter().any(|c| c["type"] == "Established" && c["status"] == "True")
}

fn spec(definition: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = &definition["spec"];
    let group = str_at(spec, &["group"]);
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else {
        let wrong = complaints(group, Rule::Subdomain);
        if !wrong.is_empty() {
            causes.push(Cause::invalid("spec.group", &group.into(), wrong.join(",")));
        } else if !group.contains('.') {
            causes.push(Cause::invalid("spec.group", &group.into(), "should be a domain with at least one dot"));
        }
    }
    one_of(str_at(spec, &["scope"]), "spec.scope", &["Cluster", "Namespaced"], causes);
    versions(spec, causes);
    names::required(&spec["names"], causes);
    names::syntax(&spec["names"], "spec.names", causes);
    top_level(spec, causes);
    if is_true(spec, "preserveUnknownFields")
        && conversion::strategy(spec) != "None"
        && spec.get("conversion").is_some()
    {
        let detail = "must be None if spec.preserveUnknownFields is true";
        causes.push(Cause::invalid("spec.conversion.strategy", &conversion::strategy(spec).into(), detail));
    }
    conversion::validate(spec, before, causes);
}

/// A text must be there, and one of these.
fn one_of(text: &str, at: &str, accepted: &[&str], causes: &mut Vec<Cause>) {
    if text.is_empty() {
        causes.push(Cause::required(at, ""));
    } else if !accepted.contains(&text) {
        causes.push(Cause::unsupported(at, &text.into(), accepted));
    }
}

fn versions(spec: &Value, causes: &mut Vec<Cause>) {
    let versions = list_at(spec, &["versions"]);
    let shared = Shared::of(versions);
    if !shared.schema || versions.first().is_some_and(|v| v["schema"]["openAPIV3Schema"].is_null()) {
        for (i, version) in versions.iter().enumerate() {
            if version["schema"]["openAPIV3Schema"].is_null() {
                causes.push(Cause::required(format!("spec.versions[{i}].schema.openAPIV3Schema"), ""));
            }
        }
    }
    if is_true(spec, "preserveUnknownFields") && versions.iter().any(|v| schema::has_defaults(&v["schema"])) {
        let detail = "must be false in order to use defaults in the schema";
        causes.push(Cause::invalid("spec.preserveUnknownFields", &true.into(), detail));
    }
    for (i, version) in versions.iter().enumerate() {
        let (at, name) = (format!("spec.versions[{i}]"), str_at(version, &["name"]));
        let wrong = label_1035(name);
        if !wrong.is_empty() {
            causes.push(Cause::invalid(format!("{at}.name"), &name.into(), wrong.join(",")));
        }
        parts::deprecation(version, &at, causes);
        if !shared.schema && !version["schema"].is_null() {
            // Of two versions with one name the first is asked.
            let named = versions.iter().find(|v| v["name"] == version["name"]).unwrap_or(version);
            let status = !named["subresources"]["status"].is_null();
            schema::validate(&version["schema"]["openAPIV3Schema"], status, &format!("{at}.schema"), causes);
        }
        if !shared.subresources {
            parts::subresources(&version["subresources"], &format!("{at}.subresources"), causes);
        }
        if !shared.columns {
            parts::columns(version, &at, causes);
        }
        if !shared.selectable && !list_at(version, &["selectableFields"]).is_empty() {
            let at = format!("{at}.selectableFields");
            match version["schema"]["openAPIV3Schema"].is_null() || shared.schema {
                true => {
                    let detail = "may only be set when `version.schema.openAPIV3Schema` is not included";
                    causes.push(Cause::invalid(at, &"".into(), detail));
                }
                false => parts::selectable(version, &at, causes),
            }
        }
    }
    let mut whole = |detail: &str| {
        causes.push(Cause {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {}: {detail}", shared::shown(versions)),
            field: "spec.versions".to_owned(),
        });
    };
    if (1..versions.len()).any(|i| versions[..i].iter().any(|v| v["name"] == versions[i]["name"])) {
        whole("must contain unique version names");
    }
    if versions.iter().filter(|v| is_true(v, "storage")).count() != 1 {
        whole("must have exactly one version marked as storage version");
    }
    if let Some(first) = versions.first() {
        let name = str_at(first, &["name"]);
        let wrong = label_1035(name);
        // The older form of a definition names its first version alone.
        if !name.is_empty() && !wrong.is_empty() {
            causes.push(Cause::invalid("spec.version", &name.into(), wrong.join(",")));
        }
    }
}

/// What all versions have in common is judged once, in the places of the older form of a definition.
fn top_level(spec: &Value, causes: &mut Vec<Cause>) {
    let versions = list_at(spec, &["versions"]);
    let Some(first) = versions.first() else { return };
    let shared = Shared::of(versions);
    let has_schema = shared.schema && !first["schema"].is_null();
    if has_schema {
        let status = versions.iter().any(|v| !v["subresources"]["status"].is_null());
        schema::validate(&first["schema"]["openAPIV3Schema"], status, "spec.validation", causes);
    }
    if shared.subresources {
        parts::subresources(&first["subresources"], "spec.subresources", causes);
    }
    if shared.columns {
        parts::columns(first, "spec", causes);
    }
    if shared.selectable && !list_at(first, &["selectableFields"]).is_empty() {
        match has_schema {
            true => parts::selectable(first, "spec.selectableFields", causes),
            false => {
                let detail = "may only be set when validations.schema is included";
                causes.push(Cause::invalid("spec.selectableFields", &"".into(), detail));
            }
        }
    }
}

/// What an update leaves as it is.
fn unchanged(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    let stored: &[&[&str]] = &[&["scope"], &["names", "kind"]];
    let named: &[&[&str]] = &[&["group"], &["names", "plural"]];
    let stored = if is_established(before) { stored } else { &[] };
    for path in stored.iter().chain(named) {
        let (old, new) = (str_at(&before["spec"], path), str_at(&after["spec"], path));
        if old != new {
            causes.push(Cause::invalid(format!("spec.{}", path.join(".")), &new.into(), "field is immutable"));
        }
    }
}

/// Every version in which objects may be stored is there, and the one in which they are is remembered.
fn stored_versions(definition: &Value, causes: &mut Vec<Cause>) {
    const AT: &str = "status.storedVersions";
    let stored = list_at(definition, &["status", "storedVersions"]);
    if stored.is_empty() {
        causes.push(Cause::invalid(AT, &Value::Null, "must have at least one stored version"));
        return;
    }
    let mut left: Vec<(usize, &Value)> = Vec::new();
    for (i, name) in stored.iter().enumerate() {
        left.retain(|(_, other)| *other != name);
        left.push((i, name));
    }
    for version in list_at(definition, &["spec", "versions"]) {
        let known = left.iter().position(|(_, name)| **name == version["name"]);
        match known {
            Some(at) => {
                left.remove(at);
            }
            None if is_true(version, "storage") => {
                let detail = format!("must have the storage version {}", str_at(version, &["name"]));
                causes.push(Cause::invalid(AT, &json!(stored), detail));
            }
            None => {}
        }
    }
    for (i, name) in left {
        let text = name.as_str().unwrap_or_default();
        let detail = format!(
            "missing from spec.versions; {text} was previously a storage version, and must remain in spec.versions until \
             a storage migration ensures no data remains persisted in {text} and removes {text} from \
             status.storedVersions"
        );
        causes.push(Cause::invalid(format!("{AT}[{i}]"), name, detail));
    }
}

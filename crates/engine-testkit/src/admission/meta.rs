//! Rules of `metadata`, the same for every kind.

use serde_json::Value;

use super::{names, rules::At};
use crate::{
    json::{get, i64_at, list_at, str_at},
    status::Cause,
};

/// A new object's metadata, or that of the next state of an object.
pub(super) fn validate(object: &Value, name_rule: names::Rule, causes: &mut Vec<Cause>) {
    let prefix = str_at(object, &["metadata", "generateName"]);
    if !prefix.is_empty() {
        for complaint in names::prefix_complaint(prefix, name_rule) {
            causes.push(Cause::invalid("metadata.generateName", &prefix.into(), complaint));
        }
    }
    let name = str_at(object, &["metadata", "name"]);
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        for complaint in names::complaints(name, name_rule) {
            causes.push(Cause::invalid("metadata.name", &name.into(), complaint));
        }
    }
    labels(object, causes);
    owners(object, causes);
    for finalizer in list_at(object, &["metadata", "finalizers"]) {
        for complaint in names::key_complaints(finalizer.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid("metadata.finalizers", finalizer, complaint));
        }
    }
    managers(object, causes);
}

/// The finalizers of most built-in kinds: those of others than the server have a domain.
pub(super) fn qualified_finalizers(object: &Value, causes: &mut Vec<Cause>) {
    for (i, finalizer) in list_at(object, &["metadata", "finalizers"]).iter().enumerate() {
        let name = finalizer.as_str().unwrap_or_default();
        let standard = matches!(name, "orphan" | "foregroundDeletion" | "kubernetes");
        if !standard && !name.contains('/') {
            causes.push(Cause::invalid(
                format!("metadata.finalizers[{i}]"),
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            ));
        }
    }
}

/// What more is asked of a change.
pub(super) fn validate_update(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    if get(before, &["metadata", "deletionTimestamp"]).is_some() {
        no_new_finalizers(before, after, causes);
    }
    if i64_at(after, &["metadata", "generation"]).unwrap_or(0)
        < i64_at(before, &["metadata", "generation"]).unwrap_or(0)
    {
        let generation = after["metadata"]["generation"].clone();
        causes.push(Cause::invalid("metadata.generation", &generation, "must not be decremented"));
    }
    let uid = str_at(after, &["metadata", "uid"]);
    if uid != str_at(before, &["metadata", "uid"]) {
        causes.push(Cause::invalid("metadata.uid", &uid.into(), "field is immutable"));
    }
    labels(after, causes);
    owners(after, causes);
    managers(after, causes);
}

fn no_new_finalizers(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    let strings = |v: &Value| -> Vec<String> {
        list_at(v, &["metadata", "finalizers"]).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let had = strings(before);
    let mut fresh: Vec<String> = strings(after).into_iter().filter(|f| !had.contains(f)).collect();
    fresh.sort();
    if !fresh.is_empty() {
        let quoted: Vec<String> = fresh.iter().map(|f| format!("{f:?}")).collect();
        causes.push(Cause::forbidden(
            "metadata.finalizers",
            &format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                quoted.join(", ")
            ),
        ));
    }
}

fn labels(object: &Value, causes: &mut Vec<Cause>) {
    let metadata = At::root(object).field("metadata");
    metadata.field("labels").labels(causes);
    metadata.field("annotations").annotations(causes);
}

fn owners(object: &Value, causes: &mut Vec<Cause>) {
    let at = "metadata.ownerReferences";
    for owner in list_at(object, &["metadata", "ownerReferences"]) {
        let api_version = str_at(owner, &["apiVersion"]);
        if api_version.rsplit('/').next().unwrap_or_default().is_empty() {
            causes.push(Cause::invalid(format!("{at}.apiVersion"), &api_version.into(), "version must not be empty"));
        }
        for field in ["kind", "name", "uid"] {
            if str_at(owner, &[field]).is_empty() {
                causes.push(Cause::invalid(format!("{at}.{field}"), &"".into(), "must not be empty"));
            }
        }
    }
}

fn managers(object: &Value, causes: &mut Vec<Cause>) {
    for (i, entry) in list_at(object, &["metadata", "managedFields"]).iter().enumerate() {
        let operation = str_at(entry, &["operation"]);
        if !matches!(operation, "Apply" | "Update") {
            let at = format!("metadata.managedFields[{i}].operation");
            causes.push(Cause::invalid(at, &operation.into(), "must be `Apply` or `Update`"));
        }
    }
}

//! Rules of `metadata`, the same for every kind.

use serde_json::Value;

use super::{
    go::{self, Struct},
    names,
    rules::At,
};
use crate::{
    json::{get, i64_at, list_at, str_at},
    status::Cause,
    write::delete::{FOREGROUND, ORPHAN},
};

/// How long the name of a field manager may be, in bytes.
const MAX_MANAGER: usize = 128;

/// How long the name of a subresource may be in an entry about a field manager, in bytes.
const MAX_SUBRESOURCE: usize = 256;

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
    if i64_at(object, &["metadata", "generation"]).is_some_and(|generation| generation < 0) {
        let detail = "must be greater than or equal to 0";
        causes.push(Cause::invalid("metadata.generation", &object["metadata"]["generation"], detail));
    }
    labels(object, causes);
    owners(object, causes);
    finalizers(object, causes);
    managers(object, causes);
}

fn finalizers(object: &Value, causes: &mut Vec<Cause>) {
    const AT: &str = "metadata.finalizers";
    let list = list_at(object, &["metadata", "finalizers"]);
    for finalizer in list {
        for complaint in names::key_complaints(finalizer.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid(AT, finalizer, complaint));
        }
    }
    let has = |name: &str| list.iter().any(|finalizer| finalizer == name);
    if has(ORPHAN) && has(FOREGROUND) {
        let detail = format!("finalizer {ORPHAN} and {FOREGROUND} cannot be both set");
        causes.push(Cause::invalid(AT, &Value::from(list), detail));
    }
}

/// The finalizers of most built-in kinds: those of others than the server have a domain.
pub(super) fn qualified_finalizers(object: &Value, causes: &mut Vec<Cause>) {
    for (i, finalizer) in list_at(object, &["metadata", "finalizers"]).iter().enumerate() {
        qualified_finalizer(format!("metadata.finalizers[{i}]"), finalizer.as_str().unwrap_or_default(), causes);
    }
}

pub(super) fn qualified_finalizer(at: String, name: &str, causes: &mut Vec<Cause>) {
    let standard = [ORPHAN, FOREGROUND, "kubernetes"].contains(&name);
    if !standard && !name.contains('/') {
        let detail = "name is neither a standard finalizer name nor is it fully qualified";
        causes.push(Cause::invalid(at, &name.into(), detail));
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
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        let [old, new] = [before, after].map(|object| get(object, &["metadata", field]));
        if old != new {
            let new = new.unwrap_or(&Value::Null);
            causes.push(Cause::invalid(format!("metadata.{field}"), new, "field is immutable"));
        }
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
    fresh.dedup();
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

/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/>
fn owners(object: &Value, causes: &mut Vec<Cause>) {
    let at = "metadata.ownerReferences";
    let owners = list_at(object, &["metadata", "ownerReferences"]);
    let mut controller: Option<String> = None;
    for owner in owners {
        let (api_version, kind) = (str_at(owner, &["apiVersion"]), str_at(owner, &["kind"]));
        if api_version.rsplit('/').next().unwrap_or_default().is_empty() {
            causes.push(Cause::invalid(format!("{at}.apiVersion"), &api_version.into(), "version must not be empty"));
        }
        for field in ["kind", "name", "uid"] {
            if str_at(owner, &[field]).is_empty() {
                causes.push(Cause::invalid(format!("{at}.{field}"), &"".into(), "must not be empty"));
            }
        }
        if (api_version, kind) == ("v1", "Event") {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            causes.push(Cause::invalid_shown(at, &owner_text(owner), detail));
        }
        if owner["controller"] == true {
            let name = format!("{kind}/{}", str_at(owner, &["name"]));
            match &controller {
                None => controller = Some(name),
                Some(first) => {
                    let shown = format!("[{}]", owners.iter().map(owner_text).collect::<Vec<_>>().join(","));
                    let detail = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                    );
                    causes.push(Cause::invalid_shown(at, &shown, detail));
                }
            }
        }
    }
}

fn owner_text(owner: &Value) -> String {
    Struct::owner_reference().map_or_else(|| owner.to_string(), |of| go::text(owner, of))
}

/// When owners that are there twice were found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Doubled {
    /// In what the client sent.
    Sent,
    /// After webhooks changed it, which is also when a server looks at what a patch made.
    Admitted,
}

/// Leaves each owner once. Returns what to warn of.
pub(crate) fn drop_doubled_owners(object: &mut Value, when: Doubled) -> Option<String> {
    let owners = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut)?;
    let mut once: Vec<Value> = Vec::with_capacity(owners.len());
    let mut doubled = Vec::new();
    for owner in owners.drain(..) {
        if once.contains(&owner) {
            doubled.push(str_at(&owner, &["uid"]).to_owned());
        } else {
            once.push(owner);
        }
    }
    *owners = once;
    if doubled.is_empty() {
        return None;
    }
    let when = if when == Doubled::Admitted { " after mutating admission happens" } else { "" };
    Some(format!(
        ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may \
         reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        doubled.join(", ")
    ))
}

fn managers(object: &Value, causes: &mut Vec<Cause>) {
    for (i, entry) in list_at(object, &["metadata", "managedFields"]).iter().enumerate() {
        let at = |field: &str| format!("metadata.managedFields[{i}].{field}");
        let operation = str_at(entry, &["operation"]);
        if !matches!(operation, "Apply" | "Update") {
            causes.push(Cause::invalid(at("operation"), &operation.into(), "must be `Apply` or `Update`"));
        }
        let format = str_at(entry, &["fieldsType"]);
        if !matches!(format, "" | "FieldsV1") {
            causes.push(Cause::invalid(at("fieldsType"), &format.into(), "must be `FieldsV1`"));
        }
        manager_name(&at("manager"), str_at(entry, &["manager"]), causes);
        if str_at(entry, &["subresource"]).len() > MAX_SUBRESOURCE {
            causes.push(Cause::too_long(at("subresource"), MAX_SUBRESOURCE as u64));
        }
    }
}

/// The name of a field manager: <https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers>
pub(crate) fn manager_name(at: &str, name: &str, causes: &mut Vec<Cause>) {
    if name.len() > MAX_MANAGER {
        causes.push(Cause::too_long(at, MAX_MANAGER as u64));
    }
    for (i, c) in name.char_indices().filter(|(_, c)| !is_printed(*c)) {
        let detail = format!("invalid character U+{:04X} (at position {i})", u32::from(c));
        causes.push(Cause::invalid(at, &name.into(), detail));
    }
}

/// What a client is called that does not say which field manager it is: its program, as far as it can be a name.
pub(crate) fn manager_of_agent(agent: &str) -> String {
    let mut name = String::new();
    for c in agent.split('/').next().unwrap_or_default().chars().filter(|c| is_printed(*c)) {
        if name.len() + c.len_utf8() <= MAX_MANAGER {
            name.push(c);
        }
    }
    name
}

/// Whether a character is one that people see, or a space.
fn is_printed(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().count() == 1
}

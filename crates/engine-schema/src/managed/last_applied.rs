//! The annotation of client-side apply: <https://kubernetes.io/docs/reference/using-api/server-side-apply/#upgrading-from-client-side-apply-to-server-side-apply>
//!
//! Both rules are for the manager `kubectl` alone: another name opts out of them.

use serde_json::Value;

use super::{conflict::Conflicts, entry::Writer, versions::Versions};
use crate::{
    fields::FieldSet,
    merge::{Duplicates, compare, field_set, validate},
};

/// The annotation that client-side apply keeps the last configuration in.
pub const LAST_APPLIED_ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// All annotations of an object together have no more than this many bytes.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

pub(super) fn is_kubectl(writer: &Writer<'_>) -> bool {
    writer.manager == "kubectl"
}

fn last_applied(object: &Value) -> Option<&str> {
    let text = object.get("metadata")?.get("annotations")?.get(LAST_APPLIED_ANNOTATION)?.as_str()?;
    Some(text).filter(|t| !t.is_empty())
}

/// The conflicts that stay when what client-side apply wrote, and still is as it wrote it, is given up without asking.
pub(super) fn without_last_applied(
    conflicts: &Conflicts,
    versions: &dyn Versions,
    live: &Value,
    writer: &Writer<'_>,
) -> Option<Conflicts> {
    let schema = versions.schema(writer.api_version)?;
    let live = versions.convert(live, writer.api_version)?;
    validate(&live, &schema, Duplicates::Refused).ok()?;
    let applied: Value = serde_json::from_str(last_applied(&live)?).ok()?;
    if applied.get("apiVersion").and_then(Value::as_str) != Some(writer.api_version) {
        return None;
    }
    validate(&applied, &schema, Duplicates::Refused).ok()?;
    let changes = compare(&applied, &live, &schema);
    let unchanged: FieldSet = [changes.modified, changes.added, changes.removed]
        .iter()
        .fold(field_set(&applied, &schema), |fields, changed| fields.difference(changed));
    Some(Conflicts(conflicts.0.iter().filter(|c| !unchanged.contains(&c.path.0)).cloned().collect()))
}

/// Keeps the annotation as client-side apply would, on an object that has it.
pub(super) fn renew(merged: &mut Value, config: &Value) {
    if last_applied(merged).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config.get_mut("metadata").and_then(|m| m.get_mut("annotations")?.as_object_mut()) {
        annotations.remove(LAST_APPLIED_ANNOTATION);
    }
    let text = format!("{}\n", crate::json::to_go_string(&config));
    let annotations = merged.get_mut("metadata").and_then(|m| m.get_mut("annotations")?.as_object_mut());
    if let Some(annotations) = annotations {
        annotations.insert(LAST_APPLIED_ANNOTATION.to_owned(), text.into());
        let size: usize = annotations.iter().map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
        if size > ANNOTATIONS_LIMIT {
            annotations.remove(LAST_APPLIED_ANNOTATION);
        }
    }
}

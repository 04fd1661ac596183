//! Entries that were written before a type changed from granular to atomic, as that of a custom resource may.

use serde_json::Value;

use super::{entry::ManagedFields, versions::Versions};
use crate::{
    fields::{FieldSet, PathElement},
    types::{ListKind, Map, Type},
};

impl ManagedFields {
    /// Who owned something in a value that is atomic now owns all of it.
    pub(super) fn reconcile(&mut self, versions: &dyn Versions, live: &Value) {
        let _ = live;
        for entry in &mut self.entries {
            let Some(schema) = versions.schema(&entry.api_version) else { continue };
            let mut atomic = FieldSet::default();
            walk(&entry.fields, &schema, false, &mut Vec::new(), &mut atomic);
            if !atomic.is_empty() {
                entry.fields = entry.fields.recursive_difference(&atomic).union(&atomic);
            }
        }
    }
}

/// `owned`: the value itself is in the set, and nothing below it.
fn walk(fields: &FieldSet, of: &Type, owned: bool, path: &mut Vec<PathElement>, atomic: &mut FieldSet) {
    // The same choice among forms as for a value that is not there: an object, a plain value, a list.
    if let Some(map) = of.map() {
        if is_deduced(map) {
            return;
        }
        if map.is_atomic() {
            if !owned && !fields.is_empty() {
                atomic.insert(path);
            }
            return;
        }
        for (element, member, below) in fields.top() {
            let Some(of) = element.as_field().map_or(map.rest(), |name| map.value(name)) else { continue };
            path.push(element.clone());
            walk(below, of, member && below.is_empty(), path, atomic);
            path.pop();
        }
    } else if let (None, Some(list)) = (of.scalar(), of.list()) {
        if list.kind() == ListKind::Atomic {
            if !owned {
                atomic.insert(path);
            }
            return;
        }
        for (element, member, below) in fields.top() {
            path.push(element.clone());
            walk(below, list.items(), member && below.is_empty(), path, atomic);
            path.pop();
        }
    }
}

/// A map of anything: it has no rules that could have changed.
fn is_deduced(map: &Map) -> bool {
    map.fields().next().is_none() && map.rest().is_some_and(|rest| rest.scalar() == Some(crate::types::Scalar::Untyped))
}

//! Server-side apply: a configuration merged into an object, and what its manager gave up taken out of it.

use serde_json::Value;

use super::{
    conflict::Conflicts,
    entry::{ManagedEntry, ManagedFields, Operation, Writer},
    last_applied,
    update::{same_but_entries, unowned},
    versions::Versions,
};
use crate::{
    fields::FieldSet,
    merge::{field_set, merge, remove},
};

/// What happens to fields that another manager owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// The apply is refused.
    No,
    /// They are taken over.
    Yes,
}

/// The outcome of an apply.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The merged object, without `metadata.managedFields`.
    pub object: Value,
    /// Whether it is another one than the live object. The entries may differ either way.
    pub changed: bool,
}

impl ManagedFields {
    /// Merges a configuration into the live object. `live` is in the version of the writer, and `{}`-like (see
    /// [`crate::Type::empty_object`]) when there is none yet; `config` has been validated and defaulted by nobody.
    ///
    /// # Errors
    /// [`Conflicts`], without `force`. The entries are unchanged then.
    pub fn apply(
        &mut self,
        versions: &dyn Versions,
        live: &Value,
        config: &Value,
        writer: &Writer<'_>,
        force: Force,
    ) -> Result<Applied, Conflicts> {
        let mut entries = self.clone();
        let exists = live.get("metadata").and_then(|m| m.get("uid")).is_some();
        if entries.is_empty() && exists {
            // What was there before anyone applied is somebody's, too.
            let nothing = versions.empty(writer.api_version).unwrap_or_default();
            entries.take(versions, &nothing, live, &Writer { manager: "before-first-apply", ..*writer });
        }
        let mut next = entries.clone();
        let applied = match next.merge(versions, live, config, writer, force) {
            Err(conflicts) if last_applied::is_kubectl(writer) => {
                match last_applied::without_last_applied(&conflicts, versions, live, writer) {
                    None => Err(conflicts),
                    Some(Conflicts(left)) if !left.is_empty() => Err(Conflicts(left)),
                    Some(_) => {
                        next = entries;
                        next.merge(versions, live, config, writer, Force::Yes)
                    }
                }
            }
            other => other,
        };
        let mut applied = applied?;
        if last_applied::is_kubectl(writer) {
            last_applied::renew(&mut applied.object, config);
        }
        *self = next;
        Ok(applied)
    }

    fn merge(
        &mut self,
        versions: &dyn Versions,
        live: &Value,
        config: &Value,
        writer: &Writer<'_>,
        force: Force,
    ) -> Result<Applied, Conflicts> {
        self.reconcile(versions, live);
        let schema = versions.schema(writer.api_version).unwrap_or_else(crate::types::Schema::deduced);
        let mut fields = field_set(config, &schema);
        if let Some(reset) = versions.reset_fields(writer.api_version, writer.subresource) {
            fields = reset.keep(&fields);
        }
        let merged = merge(live, config, &schema);
        let place = self.position(writer.name(), Operation::Apply, writer.subresource, writer.api_version);
        let last = place.map(|i| (self.entries[i].api_version.clone(), self.entries[i].fields.clone()));
        let own = place.unwrap_or_else(|| {
            self.entries.push(ManagedEntry {
                manager: writer.name().to_owned(),
                operation: Operation::Apply,
                api_version: String::new(),
                subresource: writer.subresource.to_owned(),
                time: None,
                fields: FieldSet::default(),
            });
            self.entries.len() - 1
        });
        // Who gives nothing up takes nothing out.
        let kept = |last: &FieldSet| last.is_subset(&fields);
        let given_up = last.filter(|(v, last)| !last.is_empty() && (v != writer.api_version || !kept(last)));
        self.entries[own].fields = fields;
        writer.api_version.clone_into(&mut self.entries[own].api_version);

        let mut object = match given_up {
            Some((version, last)) => self.prune(versions, merged, &version, &last, writer),
            None => merged,
        };
        let mine = (writer.name().to_owned(), writer.subresource.to_owned());
        self.settle(versions, live, &object, own, force == Force::Yes)?;

        let changed = !same_but_entries(live, &object);
        // `settle` may have dropped entries before this one.
        if let Some(own) = self.position(&mine.0, Operation::Apply, &mine.1, writer.api_version) {
            let entry = &mut self.entries[own];
            entry.fields = entry.fields.difference(&unowned());
            if changed {
                entry.time = writer.time.map(str::to_owned).or(entry.time.take());
            }
            if entry.fields.is_empty() {
                self.entries.remove(own);
            }
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        Ok(Applied { object, changed })
    }

    /// Takes out what the last configuration had, this one has not, and nobody owns now.
    fn prune(
        &self,
        versions: &dyn Versions,
        merged: Value,
        version: &str,
        last: &FieldSet,
        writer: &Writer<'_>,
    ) -> Value {
        let at = |object: &Value, version: &str| versions.convert(object, version).map(std::borrow::Cow::into_owned);
        let (Some(schema), Some(in_last)) = (versions.schema(version), at(&merged, version)) else { return merged };
        let last = last.with_named_parents(&schema);
        let mut pruned = remove(&in_last, &last, &schema);

        // What anyone owns comes back; first in the version at hand, since conversion may need it.
        let mut by_version: Vec<(&str, FieldSet)> = Vec::new();
        for entry in &self.entries {
            match by_version.iter_mut().find(|(v, _)| *v == entry.api_version) {
                Some((_, all)) => all.absorb(&entry.fields),
                None => by_version.push((&entry.api_version, entry.fields.clone())),
            }
        }
        by_version.sort_by_key(|(v, _)| (*v != version, *v));
        for (v, owned) in by_version {
            let (Some(schema), Some(whole), Some(part)) = (versions.schema(v), at(&merged, v), at(&pruned, v)) else {
                continue;
            };
            let keep = field_set(&part, &schema).with_named_parents(&schema).union(&owned.with_named_parents(&schema));
            let gone = field_set(&whole, &schema).with_named_parents(&schema).difference(&keep);
            pruned = remove(&whole, &gone, &schema);
        }

        // And so does what the last configuration did not have: nobody's, or an updater's.
        let Some(part) = at(&pruned, version) else { return merged };
        let gone = field_set(&in_last, &schema)
            .with_named_parents(&schema)
            .difference(&field_set(&part, &schema).with_named_parents(&schema))
            .intersection(&last);
        let left = remove(&in_last, &gone, &schema);
        at(&left, writer.api_version).unwrap_or(left)
    }
}

//! The scale subresource: it shows one field of an object as `spec.replicas` of another type, and ownership goes along.

use serde_json::Value;

use super::{
    apply::{Applied, Force},
    conflict::Conflicts,
    entry::{ManagedEntry, ManagedFields, Operation, Writer},
    versions::OneVersion,
};
use crate::{
    fields::{FieldPath, FieldSet},
    types::Schema,
};

const SCALE: &str = "autoscaling/v1";

/// Where each version of a kind has the field that `spec.replicas` of its scale shows; `None` for a version that is not
/// served, whose entries are dropped.
pub type ReplicasPath<'a> = &'a dyn Fn(&str) -> Option<FieldPath>;

fn in_scale() -> FieldPath {
    FieldPath::of_fields(&["spec", "replicas"])
}

fn versions() -> OneVersion<'static> {
    let schema = Schema::builtin("autoscaling", "v1", "Scale").unwrap_or_else(Schema::deduced);
    OneVersion { api_version: SCALE, schema }
}

fn scale_writer<'a>(writer: &Writer<'a>) -> Writer<'a> {
    Writer { api_version: SCALE, subresource: "scale", time: None, ..*writer }
}

impl ManagedFields {
    /// Ownership after an update or patch of an object's scale, both given as `autoscaling/v1` `Scale`. The entry that it
    /// makes has no time. What nobody owned stays so.
    pub fn update_scale(&mut self, before: &Value, after: &Value, writer: &Writer<'_>, path: ReplicasPath<'_>) {
        let mut scale = self.to_scale(path);
        if !scale.is_empty() {
            scale.take(&versions(), before, after, &scale_writer(writer));
        }
        self.absorb_scale(&scale, writer.api_version, path);
    }

    /// Applies a configuration to an object's scale.
    ///
    /// # Errors
    /// [`Conflicts`], without `force`.
    pub fn apply_scale(
        &mut self,
        live: &Value,
        config: &Value,
        writer: &Writer<'_>,
        force: Force,
        path: ReplicasPath<'_>,
    ) -> Result<Applied, Conflicts> {
        let mut scale = self.to_scale(path);
        let applied = scale.apply(&versions(), live, config, &scale_writer(writer), force)?;
        self.absorb_scale(&scale, writer.api_version, path);
        Ok(applied)
    }

    /// Whether anybody owns the replicas.
    #[must_use]
    pub fn tracks_scale(&self, path: ReplicasPath<'_>) -> bool {
        !self.to_scale(path).entries.is_empty()
    }

    fn to_scale(&self, path: ReplicasPath<'_>) -> Self {
        let owners = self.entries.iter().filter(|e| path(&e.api_version).is_some_and(|p| e.fields.contains(&p.0)));
        let entries = owners.map(|e| ManagedEntry {
            api_version: SCALE.to_owned(),
            fields: FieldSet::of([in_scale()]),
            ..e.clone()
        });
        Self { entries: entries.collect() }
    }

    fn absorb_scale(&mut self, scale: &Self, api_version: &str, path: ReplicasPath<'_>) {
        let same = |a: &ManagedEntry, b: &ManagedEntry| {
            a.manager == b.manager && a.operation == b.operation && a.subresource == b.subresource
        };
        // An applier is the same as before. An updater is told apart by its version, too, which is another one here: it
        // always loses the field to a new entry, though it be its own.
        let is_new = |e: &ManagedEntry| e.operation == Operation::Update;
        let mut left: Vec<&ManagedEntry> = scale.entries.iter().filter(|e| e.fields.contains(&in_scale().0)).collect();
        let mut entries = Vec::new();
        for mut entry in std::mem::take(&mut self.entries) {
            let Some(path) = path(&entry.api_version) else { continue };
            if entry.fields.contains(&path.0) {
                match left.iter().position(|e| same(e, &entry) && !is_new(e)) {
                    Some(kept) => {
                        left.remove(kept);
                    }
                    None => entry.fields = entry.fields.difference(&FieldSet::of([path])),
                }
            }
            if !entry.fields.is_empty() {
                entries.push(entry);
            }
        }
        let Some(path) = path(api_version) else {
            self.entries = entries;
            return;
        };
        for new in left {
            let fields = FieldSet::of([path.clone()]);
            entries.push(ManagedEntry { api_version: api_version.to_owned(), fields, time: None, ..new.clone() });
        }
        self.entries = entries;
    }
}

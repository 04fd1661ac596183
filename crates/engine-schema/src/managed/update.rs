//! Ownership after a write: what it changes is taken from others.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use super::{
    conflict::{Conflict, Conflicts},
    entry::{ManagedEntry, ManagedFields, Operation, Writer},
    versions::Versions,
};
use crate::{
    fields::{FieldPath, FieldSet},
    merge::{Comparison, compare, equal},
};

/// How many entries of updates an object keeps. Older ones become one entry, `ancient-changes`.
pub const MAX_UPDATE_MANAGERS: usize = 10;

const ANCIENT: &str = "ancient-changes";

/// Fields that nobody owns: identity, and what the server keeps.
pub(super) fn unowned() -> FieldSet {
    let metadata = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    let top = [&["apiVersion"][..], &["kind"], &["metadata"]].map(FieldPath::of_fields);
    FieldSet::of(top.into_iter().chain(metadata.map(|name| FieldPath::of_fields(&["metadata", name]))))
}

impl ManagedFields {
    /// Ownership after any write but an apply: a create (`before` is what an empty object of the type is written as), an
    /// update, another kind of patch. The writer owns what it changed, and others lose it, as all lose what it removed.
    ///
    /// An object that was never tracked stays so: that is what an update of one without entries finds.
    pub fn update(&mut self, versions: &dyn Versions, before: &Value, after: &Value, writer: &Writer<'_>) {
        let exists = before.get("metadata").and_then(|m| m.get("uid")).is_some();
        if self.entries.is_empty() && exists {
            return;
        }
        self.take(versions, before, after, writer);
        self.cap();
    }

    /// [`ManagedFields::update`] of any object.
    pub(super) fn take(&mut self, versions: &dyn Versions, before: &Value, after: &Value, writer: &Writer<'_>) {
        self.reconcile(versions, before);
        let mut comparisons = Comparisons::new(versions, before, after, writer.subresource);
        let changes = comparisons.at(writer.api_version).cloned().unwrap_or_default();
        // Also the writer's own earlier entry loses what this write removes or takes anew.
        let (lost, _) = self.lost(&mut comparisons, None);
        self.lose(lost);
        let mut taken = changes.modified;
        taken.absorb(&changes.added);
        let taken = taken.difference(&unowned());
        if taken.is_empty() {
            return;
        }
        let time = writer.time.map(str::to_owned);
        match self.position(writer.name(), Operation::Update, writer.subresource, writer.api_version) {
            Some(place) => {
                self.entries[place].fields.absorb(&taken);
                if time.is_some() {
                    self.entries[place].time = time;
                }
            }
            None => self.entries.push(ManagedEntry {
                manager: writer.name().to_owned(),
                operation: Operation::Update,
                api_version: writer.api_version.to_owned(),
                subresource: writer.subresource.to_owned(),
                time,
                fields: taken,
            }),
        }
    }

    /// What each entry but `except` loses to a write, and what of that is a conflict. `None` for an entry in a version that is
    /// not served.
    fn lost(&self, comparisons: &mut Comparisons<'_>, except: Option<usize>) -> (Vec<Option<FieldSet>>, Vec<Conflict>) {
        let mut conflicts = Vec::new();
        let mut lost = Vec::with_capacity(self.entries.len());
        for (i, entry) in self.entries.iter().enumerate() {
            if Some(i) == except {
                lost.push(Some(FieldSet::default()));
                continue;
            }
            lost.push(comparisons.at(&entry.api_version).map(|changes| {
                let mut taken = entry.fields.intersection(&changes.modified);
                taken.absorb(&entry.fields.intersection(&changes.added));
                conflicts.extend(taken.paths().into_iter().map(|path| Conflict::new(entry, path)));
                taken.absorb(&changes.removed);
                taken
            }));
        }
        (lost, conflicts)
    }

    fn lose(&mut self, lost: Vec<Option<FieldSet>>) {
        let entries = std::mem::take(&mut self.entries);
        self.entries = entries
            .into_iter()
            .zip(lost)
            .filter_map(|(mut entry, lost)| {
                let lost = lost?;
                if !lost.is_empty() {
                    entry.fields = entry.fields.difference(&lost);
                }
                (!entry.fields.is_empty()).then_some(entry)
            })
            .collect();
    }

    /// What an apply takes from the entries other than its own, at `own`.
    ///
    /// # Errors
    /// [`Conflicts`], unless `force`.
    pub(super) fn settle(
        &mut self,
        versions: &dyn Versions,
        before: &Value,
        after: &Value,
        own: usize,
        force: bool,
    ) -> Result<(), Conflicts> {
        let subresource = self.entries[own].subresource.clone();
        let mut comparisons = Comparisons::new(versions, before, after, &subresource);
        let (lost, conflicts) = self.lost(&mut comparisons, Some(own));
        if !force && !conflicts.is_empty() {
            return Err(Conflicts(conflicts));
        }
        self.lose(lost);
        Ok(())
    }

    /// Makes one entry of the oldest updates in a version until there are no more than [`MAX_UPDATE_MANAGERS`].
    fn cap(&mut self) {
        let mut updates: Vec<ManagedEntry> =
            self.entries.iter().filter(|e| e.operation == Operation::Update).cloned().collect();
        let mut left = updates.len();
        if left <= MAX_UPDATE_MANAGERS {
            return;
        }
        updates.sort_by(|a, b| {
            let key = |e: &ManagedEntry| (e.time.clone(), identifier(e));
            key(a).cmp(&key(b))
        });
        let mut first: BTreeMap<String, ManagedEntry> = BTreeMap::new();
        for entry in updates {
            if left <= MAX_UPDATE_MANAGERS {
                return;
            }
            let Some(oldest) = first.get(&entry.api_version) else {
                first.insert(entry.api_version.clone(), entry);
                continue;
            };
            let mut bucket = self
                .take_entry(ANCIENT, "", &entry.api_version)
                .or_else(|| self.take_entry(&oldest.manager, &oldest.subresource, &oldest.api_version));
            let taken = self.take_entry(&entry.manager, &entry.subresource, &entry.api_version);
            if let (Some(bucket), Some(taken)) = (&mut bucket, taken) {
                bucket.manager = ANCIENT.to_owned();
                bucket.subresource = String::new();
                bucket.fields.absorb(&taken.fields);
                // The later one, of the two.
                bucket.time = taken.time;
                left -= 1;
            }
            self.entries.extend(bucket);
        }
    }

    fn take_entry(&mut self, manager: &str, subresource: &str, api_version: &str) -> Option<ManagedEntry> {
        let place = self.position(manager, Operation::Update, subresource, api_version)?;
        Some(self.entries.remove(place))
    }
}

/// What the API server tells entries apart by, as text: it decides between entries of one second.
fn identifier(entry: &ManagedEntry) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut out = format!("{{\"manager\":{},\"operation\":\"Update\"", quoted(&entry.manager));
    out.push_str(&format!(",\"apiVersion\":{}", quoted(&entry.api_version)));
    if !entry.subresource.is_empty() {
        out.push_str(&format!(",\"subresource\":{}", quoted(&entry.subresource)));
    }
    out.push('}');
    out
}

/// What differs between two objects, in the versions that managers know them in.
pub(super) struct Comparisons<'a> {
    versions: &'a dyn Versions,
    before: &'a Value,
    after: &'a Value,
    subresource: &'a str,
    made: BTreeMap<String, Option<Comparison>>,
}

impl<'a> Comparisons<'a> {
    pub(super) fn new(versions: &'a dyn Versions, before: &'a Value, after: &'a Value, subresource: &'a str) -> Self {
        Self { versions, before, after, subresource, made: BTreeMap::new() }
    }

    pub(super) fn at(&mut self, api_version: &str) -> Option<&Comparison> {
        if !self.made.contains_key(api_version) {
            let made = self.make(api_version);
            self.made.insert(api_version.to_owned(), made);
        }
        self.made.get(api_version)?.as_ref()
    }

    fn make(&self, api_version: &str) -> Option<Comparison> {
        let schema = self.versions.schema(api_version)?;
        let convert = |object| -> Option<Cow<'_, Value>> { self.versions.convert(object, api_version) };
        let mut made = compare(&*convert(self.before)?, &*convert(self.after)?, &schema);
        if let Some(reset) = self.versions.reset_fields(api_version, self.subresource) {
            for set in [&mut made.added, &mut made.modified, &mut made.removed] {
                *set = reset.keep(set);
            }
        }
        Some(made)
    }
}

/// Whether two objects are the same but for their entries, which the merge does not look at.
pub(super) fn same_but_entries(a: &Value, b: &Value) -> bool {
    fn parts(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
        object.as_object().into_iter().flatten().filter(|(key, _)| *key != "metadata")
    }
    fn metadata(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
        let metadata = object.get("metadata").and_then(Value::as_object);
        metadata.into_iter().flatten().filter(|(key, _)| *key != "managedFields")
    }
    let same = |(x, y): ((&String, &Value), (&String, &Value))| x.0 == y.0 && equal(x.1, y.1);
    parts(a).count() == parts(b).count()
        && metadata(a).count() == metadata(b).count()
        && parts(a).zip(parts(b)).all(same)
        && metadata(a).zip(metadata(b)).all(same)
}

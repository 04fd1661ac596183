//! The writer's side of the index: applies updates to its own copy, and seals it into the next snapshot.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use gitops_engine_core::{
    Capabilities, ChangeBatch, Coverage, GroupKind, LiveObject, ObjectId, OwnerReference, ResourceType, Uid,
};

use super::view::{Child, Shelf, View};
use crate::infer::{Hint, is_claim_of, possible_owners};

/// One object as it came from the server.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) object: Arc<LiveObject>,
    pub(crate) hint: Option<Hint>,
}

/// What discovery says about one kind.
#[derive(Clone, Debug)]
pub(crate) struct KindEntry {
    pub(crate) kind: GroupKind,
    /// Best first; never empty.
    pub(crate) versions: Vec<Arc<ResourceType>>,
    /// The watch that feeds it, or `None` where there is none.
    pub(crate) run: Option<u64>,
}

/// What discovery says about the cluster.
#[derive(Clone, Debug)]
pub(crate) struct KindTable {
    pub(crate) capabilities: Arc<Capabilities>,
    pub(crate) kinds: Vec<KindEntry>,
    pub(crate) broken_groups: BTreeMap<Arc<str>, Arc<str>>,
}

/// One message to the writer.
#[derive(Debug)]
pub(crate) enum Update {
    /// The served kinds.
    Kinds(Box<KindTable>),
    /// How much of a kind is known.
    Coverage { kind: GroupKind, run: u64, coverage: Coverage },
    /// Objects that were added or changed.
    Put { kind: GroupKind, run: u64, arrivals: Vec<Arrival> },
    /// An object that is gone.
    Remove { run: u64, id: ObjectId },
    /// A list is through: these are all objects, and each was put.
    Listed { kind: GroupKind, run: u64, ids: Vec<ObjectId>, coverage: Coverage },
}

/// The state that the next snapshot is cut from.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    view: View,
    /// Objects without owner references → the owner that a rule names.
    inferred: HashMap<ObjectId, ObjectId>,
    /// The same, the other way round. The owner need not exist.
    dependents: HashMap<ObjectId, BTreeSet<ObjectId>>,
    /// Claim templates of StatefulSets.
    templates: HashMap<ObjectId, Box<[Box<str>]>>,
    changed: BTreeSet<ObjectId>,
    kinds_changed: bool,
}

impl Ledger {
    pub(crate) fn apply(&mut self, update: Update) {
        match update {
            Update::Kinds(table) => self.set_kinds(*table),
            Update::Coverage { kind, run, coverage } => self.set_coverage(&kind, run, coverage),
            Update::Put { kind, run, arrivals } => {
                if self.feeds(&kind, run) {
                    arrivals.into_iter().for_each(|arrival| self.put(arrival));
                }
            }
            Update::Remove { run, id } => {
                if self.feeds(&id.kind, run) {
                    self.remove(&id);
                }
            }
            Update::Listed { kind, run, ids, coverage } => {
                if self.feeds(&kind, run) {
                    self.keep_only(&kind, ids);
                    if let Some(shelf) = self.shelf_mut(&kind).filter(|shelf| shelf.coverage == Coverage::Syncing) {
                        shelf.objects.repack();
                    }
                    self.set_coverage(&kind, run, coverage);
                }
            }
        }
    }

    /// The next snapshot and what changed, or `None` where nothing did.
    pub(crate) fn seal(&mut self) -> Option<(Arc<View>, ChangeBatch)> {
        if self.changed.is_empty() && !self.kinds_changed {
            return None;
        }
        self.view.generation += 1;
        let changed = std::mem::take(&mut self.changed);
        let mut batch = ChangeBatch::new(self.view.generation, changed.into_iter().collect());
        batch.kinds = std::mem::take(&mut self.kinds_changed);
        Some((Arc::new(self.view.clone()), batch))
    }

    fn feeds(&self, kind: &GroupKind, run: u64) -> bool {
        self.view.shelf(kind).is_some_and(|shelf| shelf.run == run)
    }

    fn shelf_mut(&mut self, kind: &GroupKind) -> Option<&mut Shelf> {
        let at = self.view.position(kind).ok()?;
        Some(Arc::make_mut(&mut self.view.shelves[at]))
    }

    fn set_kinds(&mut self, table: KindTable) {
        let served: BTreeSet<&GroupKind> = table.kinds.iter().map(|entry| &entry.kind).collect();
        let vanished: Vec<GroupKind> =
            self.view.shelves.iter().map(|shelf| shelf.kind.clone()).filter(|kind| !served.contains(kind)).collect();
        for kind in vanished {
            self.keep_only(&kind, Vec::new());
            if let Ok(at) = self.view.position(&kind) {
                self.view.shelves.remove(at);
                self.kinds_changed = true;
            }
        }
        for entry in table.kinds {
            self.set_kind(entry);
        }
        if !self.view.discovered
            || *self.view.capabilities != *table.capabilities
            || *self.view.broken_groups != table.broken_groups
        {
            self.kinds_changed = true;
        }
        self.view.discovered = true;
        self.view.capabilities = table.capabilities;
        self.view.broken_groups = Arc::new(table.broken_groups);
    }

    fn set_kind(&mut self, entry: KindEntry) {
        let run = entry.run.unwrap_or(0);
        let coverage = if entry.run.is_some() { Coverage::Syncing } else { Coverage::NotWatched };
        match self.view.position(&entry.kind) {
            Ok(at) => {
                let shelf = &self.view.shelves[at];
                if shelf.versions == entry.versions && shelf.run == run {
                    return;
                }
                let shelf = Arc::make_mut(&mut self.view.shelves[at]);
                if shelf.run != run {
                    // What was known stays; it is only no proof of absence until the new watch has listed.
                    shelf.coverage = coverage;
                }
                shelf.versions = entry.versions;
                shelf.run = run;
            }
            Err(at) => {
                let KindEntry { kind, versions, .. } = entry;
                let objects = super::tree::Tree::default();
                self.view.shelves.insert(at, Arc::new(Shelf { kind, versions, coverage, run, objects }));
            }
        }
        self.kinds_changed = true;
    }

    fn set_coverage(&mut self, kind: &GroupKind, run: u64, coverage: Coverage) {
        if self.view.shelf(kind).is_some_and(|shelf| shelf.run == run && shelf.coverage != coverage)
            && let Some(shelf) = self.shelf_mut(kind)
        {
            shelf.coverage = coverage;
            self.kinds_changed = true;
        }
    }

    fn keep_only(&mut self, kind: &GroupKind, mut ids: Vec<ObjectId>) {
        ids.sort_unstable();
        ids.dedup();
        let Some(shelf) = self.view.shelf(kind) else { return };
        // Each of the ids was put: as many objects as ids means that there are no others.
        if shelf.objects.len() == ids.len() {
            return;
        }
        let mut kept = ids.iter().peekable();
        let mut gone = Vec::new();
        shelf.objects.for_each(|object| {
            while kept.next_if(|id| **id < object.id).is_some() {}
            if kept.peek() != Some(&&object.id) {
                gone.push(object.id.clone());
            }
        });
        gone.iter().for_each(|id| self.remove(id));
    }

    fn put(&mut self, Arrival { mut object, hint }: Arrival) {
        let old = self.view.object(&object.id).cloned();
        if old.as_ref().is_some_and(|old| is_same(old, &object)) {
            return;
        }
        let id = object.id.clone();
        let owner = if object.owners.is_empty() { self.infer_owner(&id, hint.as_ref()) } else { None };
        self.name_owner(&id, owner.as_ref());
        if let Some(owner) = owner.and_then(|owner| self.reference(&owner)) {
            Arc::make_mut(&mut object).owners.push(owner);
        }
        self.share_names(&mut object);
        let uid = object.uid.clone();
        self.store(object);

        let templates = match hint {
            Some(Hint::ClaimTemplates(names)) => Some(names),
            _ => None,
        };
        let new_templates = self.templates.get(&id) != templates.as_ref();
        if new_templates {
            match templates {
                Some(names) => self.templates.insert(id.clone(), names),
                None => self.templates.remove(&id),
            };
        }
        if new_templates || old.is_none_or(|old| old.uid != uid) {
            self.resolve_dependents(&id);
        }
    }

    fn remove(&mut self, id: &ObjectId) {
        let Some(old) = self.shelf_mut(&id.kind).and_then(|shelf| shelf.objects.remove(|object| object.id.cmp(id)))
        else {
            return;
        };
        for owner in &old.owners {
            self.unlink(&owner.uid, id);
        }
        self.changed.insert(id.clone());
        self.name_owner(id, None);
        self.templates.remove(id);
        self.resolve_dependents(id);
    }

    /// Puts an object into its place and under its owners.
    fn store(&mut self, object: Arc<LiveObject>) {
        let Some(shelf) = self.shelf_mut(&object.id.kind) else { return };
        let old = shelf.objects.insert(object.clone());
        for owner in old.iter().flat_map(|old| &old.owners) {
            if !object.owners.iter().any(|kept| kept.uid == owner.uid) {
                self.unlink(&owner.uid, &object.id);
            }
        }
        for owner in &object.owners {
            self.view.children.insert(Child { owner: owner.uid.clone(), object: object.clone() });
        }
        self.changed.insert(object.id.clone());
    }

    fn unlink(&mut self, owner: &Uid, child: &ObjectId) {
        self.view.children.remove(|entry| entry.owner.cmp(owner).then_with(|| entry.object.id.cmp(child)));
    }

    /// The owner that a rule names for an object without owner references.
    fn infer_owner(&self, id: &ObjectId, hint: Option<&Hint>) -> Option<ObjectId> {
        if let Some(Hint::OwnedBy(owner)) = hint {
            return Some(owner.clone());
        }
        if !id.kind.is("", "PersistentVolumeClaim") {
            return None;
        }
        let set = |name: &str| ObjectId {
            kind: GroupKind::new("apps", "StatefulSet"),
            namespace: id.namespace.clone(),
            name: name.into(),
        };
        possible_owners(&id.name).map(set).find(|set| {
            let templates = self.templates.get(set).into_iter().flatten();
            templates.into_iter().any(|template| is_claim_of(&id.name, template, &set.name))
        })
    }

    /// Remembers or forgets which owner a rule names for an object.
    fn name_owner(&mut self, id: &ObjectId, owner: Option<&ObjectId>) {
        if self.inferred.get(id) == owner {
            return;
        }
        if let Some(before) = self.inferred.remove(id)
            && let Some(others) = self.dependents.get_mut(&before)
        {
            others.remove(id);
            if others.is_empty() {
                self.dependents.remove(&before);
            }
        }
        if let Some(owner) = owner {
            self.inferred.insert(id.clone(), owner.clone());
            self.dependents.entry(owner.clone()).or_default().insert(id.clone());
        }
    }

    /// A reference to an object, if it exists.
    fn reference(&self, id: &ObjectId) -> Option<OwnerReference> {
        let owner = self.view.object(id)?;
        Some(OwnerReference { kind: owner.id.kind.clone(), name: owner.id.name.clone(), uid: owner.uid.clone() })
    }

    /// An object came, went, or changed its uid or its templates: those that a rule puts under it follow.
    fn resolve_dependents(&mut self, owner: &ObjectId) {
        let mut affected: BTreeSet<ObjectId> = self.dependents.get(owner).cloned().unwrap_or_default();
        for template in self.templates.get(owner).into_iter().flatten() {
            let claims = self.view.shelf(&GroupKind::new("", "PersistentVolumeClaim"));
            let prefix = format!("{template}-{}-", owner.name);
            let start = (owner.namespace.as_deref(), prefix.as_str());
            let place = |object: &Arc<LiveObject>| (object.id.namespace.clone(), object.id.name.clone());
            if let Some(shelf) = claims {
                shelf.objects.visit_from(
                    |object| (object.id.namespace.as_deref(), &*object.id.name) < start,
                    |object| {
                        let (namespace, name) = place(object);
                        let inside = namespace == owner.namespace && name.starts_with(&prefix);
                        if inside && is_claim_of(&name, template, &owner.name) {
                            affected.insert(object.id.clone());
                        }
                        inside
                    },
                );
            }
        }
        for id in affected {
            self.resolve(&id);
        }
    }

    /// Works out the inferred owner of an object again.
    fn resolve(&mut self, id: &ObjectId) {
        let Some(object) = self.view.object(id).cloned() else { return };
        let named = self.inferred.get(id).cloned();
        if named.is_none() && !object.owners.is_empty() {
            // It has owner references of its own.
            return;
        }
        let hint = named.filter(|_| !id.kind.is("", "PersistentVolumeClaim")).map(Hint::OwnedBy);
        let owner = self.infer_owner(id, hint.as_ref());
        self.name_owner(id, owner.as_ref());
        let owners: Vec<OwnerReference> = owner.and_then(|owner| self.reference(&owner)).into_iter().collect();
        if owners != object.owners {
            let mut changed = (*object).clone();
            changed.owners = owners;
            self.store(Arc::new(changed));
        }
    }

    /// Lets an object, its owners and its siblings use the same texts, whichever came first: a quarter of an index node.
    fn share_names(&self, object: &mut Arc<LiveObject>) {
        let Some(object) = Arc::get_mut(object) else { return };
        if let Some(known) = self.known_owner(&object.uid).filter(|known| known.name == object.id.name) {
            object.id.name = known.name.clone();
            object.uid = known.uid.clone();
        }
        for owner in &mut object.owners {
            let id = |namespace| ObjectId { kind: owner.kind.clone(), namespace, name: owner.name.clone() };
            let found = self.view.object(&id(object.id.namespace.clone())).or_else(|| self.view.object(&id(None)));
            if let Some(found) = found.filter(|found| found.uid == owner.uid) {
                owner.name = found.id.name.clone();
                owner.uid = found.uid.clone();
            } else if let Some(known) = self.known_owner(&owner.uid).filter(|known| known.name == owner.name) {
                owner.name = known.name.clone();
                owner.uid = known.uid.clone();
            }
        }
    }

    /// How the first known child of an owner spells it.
    fn known_owner(&self, uid: &Uid) -> Option<&OwnerReference> {
        let child = self.view.children.first_from(|child| child.owner < *uid)?;
        child.object.owners.iter().find(|owner| owner.uid == *uid)
    }
}

/// Whether an arrival is what is known already: then the known one stays, and with it everything that shares it.
fn is_same(known: &LiveObject, new: &LiveObject) -> bool {
    let version = |object: &LiveObject| object.manifest.as_ref().map(|manifest| manifest.version().clone());
    known.resource_version == new.resource_version && known.uid == new.uid && version(known) == version(new)
}

#[cfg(test)]
mod tests;

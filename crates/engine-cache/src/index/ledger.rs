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
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::options::CacheOptions;
    use crate::watch::Intake;
    use gitops_engine_core::{KindState, Scope, Snapshot};
    use proptest::prelude::*;
    use serde_json::json;

    fn kind(name: &str) -> GroupKind {
        GroupKind::new(if matches!(name, "StatefulSet" | "ReplicaSet") { "apps" } else { "" }, name)
    }

    fn resource(name: &str) -> ResourceType {
        let plural = format!("{}s", name.to_lowercase()).into();
        ResourceType { kind: kind(name), version: "v1".into(), plural, scope: Scope::Namespaced }
    }

    const KINDS: [&str; 4] = ["StatefulSet", "ReplicaSet", "PersistentVolumeClaim", "Pod"];

    fn table(kinds: &[(&str, u64)]) -> Update {
        let entry = |(name, run): &(&str, u64)| KindEntry {
            kind: kind(name),
            versions: vec![Arc::new(resource(name))],
            run: Some(*run),
        };
        Update::Kinds(Box::new(KindTable {
            capabilities: Arc::default(),
            kinds: kinds.iter().map(entry).collect(),
            broken_groups: BTreeMap::new(),
        }))
    }

    fn arrival(kind: &str, name: &str, uid: &str, version: u64, extra: &serde_json::Value) -> Arrival {
        let resource = resource(kind);
        let mut object = json!({"apiVersion": resource.api_version(), "kind": kind,
            "metadata": {"name": name, "namespace": "n", "uid": uid, "resourceVersion": version.to_string()}});
        object["metadata"]["ownerReferences"] = extra["owners"].clone();
        object["spec"] = extra["spec"].clone();
        Intake::new(CacheOptions::default()).object(&resource, object.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_an_ended_watch_still_sends_is_void() {
        let mut ledger = Ledger::default();
        let pod =
            |run| Update::Put { kind: kind("Pod"), run, arrivals: vec![arrival("Pod", "p", "u", 1, &json!(null))] };
        ledger.apply(table(&[("Pod", 1)]));
        ledger.apply(pod(1));
        ledger.apply(table(&[]));
        ledger.apply(pod(1));
        let (view, batch) = ledger.seal().unwrap();
        assert_eq!(batch.objects.len(), 1, "it came and went");
        assert_eq!(view.kind(&kind("Pod")), KindState::NotServed);
        ledger.apply(table(&[("Pod", 2)]));
        ledger.apply(pod(1));
        let (view, batch) = ledger.seal().unwrap();
        assert!(batch.kinds && batch.objects.is_empty());
        assert!(view.in_namespace("n").is_empty());
        assert!(ledger.seal().is_none(), "nothing changed, nothing published");
    }

    #[test]
    fn texts_are_shared_whichever_came_first() {
        let owned = json!({"owners": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u-r"}]});
        let set = || ("ReplicaSet", arrival("ReplicaSet", "r", "u-r", 1, &json!(null)));
        let pod = |name| ("Pod", arrival("Pod", name, name, 1, &owned));
        for order in [[set(), pod("a"), pod("b")], [pod("a"), set(), pod("b")], [pod("a"), pod("b"), set()]] {
            let mut ledger = Ledger::default();
            ledger.apply(table(&[("ReplicaSet", 1), ("Pod", 2)]));
            for (name, arrival) in order {
                let run = if name == "Pod" { 2 } else { 1 };
                ledger.apply(Update::Put { kind: kind(name), run, arrivals: vec![arrival] });
            }
            let (view, _) = ledger.seal().unwrap();
            let set = view.get(&ObjectId::namespaced("apps", "ReplicaSet", "n", "r")).unwrap();
            for child in view.children(&set.uid) {
                assert!(Arc::ptr_eq(&child.owners[0].name, &set.id.name));
                assert!(std::ptr::eq(child.owners[0].uid.as_str(), set.uid.as_str()));
            }
        }
    }

    /// One object of the model: uid, version, owner references as written, claim templates.
    #[derive(Clone, Debug)]
    struct Fact {
        uid: String,
        version: u64,
        owner: Option<u8>,
        templates: Vec<&'static str>,
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put { kind: usize, name: usize, owner: Option<u8>, renew: bool, templates: u8 },
        Remove { kind: usize, name: usize },
        Relist { kind: usize, dropped: Vec<usize> },
        Seal,
    }

    const NAMES: [&str; 8] =
        ["web", "my-web", "data-web-0", "data-my-web-0", "logs-web-1", "data-web-00", "x", "x-data-web-0"];
    const TEMPLATES: [&str; 3] = ["data", "logs", "data-my"];

    fn step() -> impl Strategy<Value = Step> {
        let (kind, name) = (0..KINDS.len(), 0..NAMES.len());
        prop_oneof![
            8 => (kind.clone(), name.clone(), prop::option::weighted(0.3, 0..4_u8), prop::bool::weighted(0.2), 0..8_u8)
                .prop_map(|(kind, name, owner, renew, templates)| Step::Put { kind, name, owner, renew, templates }),
            3 => (kind.clone(), name.clone()).prop_map(|(kind, name)| Step::Remove { kind, name }),
            1 => (kind, prop::collection::vec(name, 0..4)).prop_map(|(kind, dropped)| Step::Relist { kind, dropped }),
            2 => Just(Step::Seal),
        ]
    }

    type Model = BTreeMap<(usize, usize), Fact>;

    /// The owners of each object, worked out from scratch.
    fn owners(model: &Model, kind: usize, name: usize) -> Vec<String> {
        let fact = &model[&(kind, name)];
        if let Some(owner) = fact.owner {
            return vec![format!("owner-{owner}")];
        }
        if KINDS[kind] != "PersistentVolumeClaim" {
            return Vec::new();
        }
        let mut candidates: Vec<(&str, &Fact)> =
            model.iter().filter(|((kind, _), _)| *kind == 0).map(|((_, name), fact)| (NAMES[*name], fact)).collect();
        candidates.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let matches = |(set, fact): &&(&str, &Fact)| {
            fact.templates.iter().any(|template| is_claim_of(NAMES[name], template, set))
        };
        candidates.iter().find(matches).map(|(_, fact)| fact.uid.clone()).into_iter().collect()
    }

    fn check(view: &View, model: &Model) -> Result<(), TestCaseError> {
        let mut expected: Vec<(ObjectId, String, Vec<String>)> = Vec::new();
        for ((kind_at, name), fact) in model {
            let id = ObjectId { kind: kind(KINDS[*kind_at]), namespace: Some("n".into()), name: NAMES[*name].into() };
            expected.push((id, fact.version.to_string(), owners(model, *kind_at, *name)));
        }
        expected.sort();
        let uids = |object: &LiveObject| object.owners.iter().map(|owner| owner.uid.to_string()).collect::<Vec<_>>();
        let found = view.in_namespace("n");
        let found: Vec<_> =
            found.iter().map(|object| (object.id.clone(), object.resource_version.to_string(), uids(object))).collect();
        prop_assert_eq!(&found, &expected);
        let mut children: BTreeMap<String, Vec<ObjectId>> = BTreeMap::new();
        for (id, _, owners) in &expected {
            for owner in owners {
                children.entry(owner.clone()).or_default().push(id.clone());
            }
            prop_assert_eq!(&view.get(id).unwrap().id, id);
        }
        prop_assert_eq!(view.children.len(), children.values().map(Vec::len).sum::<usize>());
        for (owner, ids) in children {
            let found: Vec<_> =
                view.children(&Uid::from(owner.as_str())).iter().map(|child| child.id.clone()).collect();
            prop_assert_eq!(found, ids);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn snapshots_equal_a_naive_model_and_never_change(steps in prop::collection::vec(step(), 1..80)) {
            let mut ledger = Ledger::default();
            let mut model = Model::new();
            let mut kept: Vec<(Arc<View>, Model)> = Vec::new();
            let mut named: BTreeSet<ObjectId> = BTreeSet::new();
            let runs: Vec<(&str, u64)> = KINDS.iter().copied().zip(1..).collect();
            ledger.apply(table(&runs));
            let send = |ledger: &mut Ledger, model: &Model, kind_at: usize, name: usize| {
                let fact = &model[&(kind_at, name)];
                let owner = |owner: u8| json!({"apiVersion": "v1", "kind": "Node", "name": "o", "uid": format!("owner-{owner}")});
                let templates: Vec<_> = fact.templates.iter().map(|name| json!({"metadata": {"name": name}})).collect();
                let extra = json!({"owners": fact.owner.map(owner).into_iter().collect::<Vec<_>>(),
                    "spec": {"volumeClaimTemplates": templates}});
                let arrivals = vec![arrival(KINDS[kind_at], NAMES[name], &fact.uid, fact.version, &extra)];
                ledger.apply(Update::Put { kind: kind(KINDS[kind_at]), run: kind_at as u64 + 1, arrivals });
            };
            for (at, step) in (1_u64..).zip(steps) {
                match step {
                    Step::Put { kind, name, owner, renew, templates } => {
                        let old = model.get(&(kind, name)).filter(|_| !renew).map(|fact| fact.uid.clone());
                        let templates = TEMPLATES.iter().enumerate().filter(|(bit, _)| kind == 0 && templates & (1 << bit) != 0);
                        let fact = Fact {
                            uid: old.unwrap_or_else(|| format!("uid-{at}")),
                            version: at,
                            owner,
                            templates: templates.map(|(_, name)| *name).collect(),
                        };
                        model.insert((kind, name), fact);
                        send(&mut ledger, &model, kind, name);
                    }
                    Step::Remove { kind: kind_at, name } => {
                        model.remove(&(kind_at, name));
                        let id = ObjectId { kind: kind(KINDS[kind_at]), namespace: Some("n".into()), name: NAMES[name].into() };
                        ledger.apply(Update::Remove { run: kind_at as u64 + 1, id });
                    }
                    Step::Relist { kind: kind_at, dropped } => {
                        for name in dropped {
                            model.remove(&(kind_at, name));
                        }
                        let names: Vec<usize> = model.keys().filter(|(other, _)| *other == kind_at).map(|(_, name)| *name).collect();
                        let mut ids = Vec::new();
                        for name in names {
                            send(&mut ledger, &model, kind_at, name);
                            ids.push(ObjectId { kind: kind(KINDS[kind_at]), namespace: Some("n".into()), name: NAMES[name].into() });
                        }
                        let coverage = Coverage::Complete;
                        ledger.apply(Update::Listed { kind: kind(KINDS[kind_at]), run: kind_at as u64 + 1, ids, coverage });
                    }
                    Step::Seal => {
                        if let Some((view, batch)) = ledger.seal() {
                            prop_assert!(batch.objects.is_sorted());
                            named.extend(batch.objects);
                            // Whatever differs from the last snapshot was named.
                            if let Some((before, _)) = kept.last() {
                                for object in view.in_namespace("n") {
                                    let same = before.get(&object.id).is_some_and(|old| Arc::ptr_eq(&old, &object));
                                    prop_assert!(same || named.contains(&object.id));
                                }
                            }
                            kept.push((view, model.clone()));
                            named.clear();
                        }
                    }
                }
            }
            if let Some((view, _)) = ledger.seal() {
                kept.push((view, model));
            }
            for (view, model) in &kept {
                check(view, model)?;
            }
        }
    }
}

//! The suites on what ships in this crate, and on implementations that are wrong on purpose: each suite can fail.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use gitops_engine_core::conformance::{self, Expected, Fixture, Layout, Report, Sample};
use gitops_engine_core::{
    ApplicationName, CommitInfo, Coverage, Declared, EntryKind, Error, ErrorKind, GenerateRequest, Generator,
    GroupKind, Health, HealthAssessor, HealthStatus, Input, Inventory, InventoryStore, InventoryVersion, KindState,
    LiveObject, ManagedFields, Manifest, MemoryInventory, MemorySnapshot, MemoryTree, ObjectId, PathChange, Place,
    Problems, Rendering, ResourceType, Result, Revision, RevisionSpec, Scope, Snapshot, StateStore, Timestamp, Tree,
    TreeEntry, TreePath, Uid, Versioned,
};

fn failed(report: &Report) -> Vec<&'static str> {
    report.failed.iter().map(|failure| failure.case).collect()
}

fn sample() -> (MemoryTree, Expected) {
    let revision = Revision::new("r1");
    (Layout::sample().to_memory(revision.clone()).unwrap(), Expected::new(revision, Layout::sample()))
}

#[test]
fn a_report_says_which_promise_is_broken() {
    let (tree, _) = sample();
    let expected = Expected::new(Revision::new("another"), Layout::sample());
    let report = conformance::tree(&tree, &expected);
    assert_eq!(failed(&report), ["tree_names_its_revision"]);
    let shown = report.to_string();
    assert!(shown.contains("10 cases hold, 1 do not") && shown.contains("The revision that this is a view of."));
    let problems = report.check().unwrap_err();
    assert_eq!(problems.errors().len(), 1);
    assert!(problems.to_string().contains("\"r1\", expected \"another\""), "{problems}");
}

#[test]
fn the_tree_in_memory() {
    let (tree, expected) = sample();
    assert_eq!(conformance::tree(&tree, &expected).check().unwrap(), 11);
}

/// A tree with one thing wrong.
struct WrongTree<F>(MemoryTree, F);

#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    FollowsLinks,
    Unsorted,
    NoLimit,
    AbsenceIsAnError,
    OneId,
    NoLinks,
    Panics,
}

impl WrongTree<Wrong> {
    /// Where a path leads when links are followed.
    fn follow(&self, path: &TreePath) -> TreePath {
        let mut at = TreePath::root();
        for part in path.parts() {
            at = at.join(part).unwrap();
            if self.0.entry(&at).unwrap().is_some_and(|entry| entry.kind == EntryKind::Symlink) {
                let target = self.0.read(&at, u64::MAX).unwrap();
                at = at.parent().join(std::str::from_utf8(&target).unwrap()).unwrap_or(at);
            }
        }
        at
    }
}

impl Tree for WrongTree<Wrong> {
    fn revision(&self) -> &Revision {
        self.0.revision()
    }

    fn entry(&self, path: &TreePath) -> Result<Option<TreeEntry>> {
        let found = match self.1 {
            Wrong::FollowsLinks => self.0.entry(&self.follow(path))?,
            Wrong::Panics if path.as_str().starts_with("links") => panic!("a link"),
            _ => self.0.entry(path)?,
        };
        match (self.1, found) {
            (Wrong::AbsenceIsAnError, None) => Err(Error::new(ErrorKind::NotFound, "there is nothing")),
            (Wrong::OneId, Some(entry)) => {
                Ok(Some(TreeEntry { id: self.0.entry(&TreePath::root())?.unwrap().id, ..entry }))
            }
            (_, found) => Ok(found),
        }
    }

    fn list(&self, directory: &TreePath) -> Result<Vec<TreeEntry>> {
        let mut entries = self.0.list(directory)?;
        match self.1 {
            // As Git stores them: a directory as if its name ended in `/`.
            Wrong::Unsorted => entries.sort_by_key(|entry| match entry.kind {
                EntryKind::Directory => format!("{}/", entry.path),
                _ => entry.path.to_string(),
            }),
            Wrong::NoLinks => entries.retain(|entry| entry.kind != EntryKind::Symlink),
            _ => {}
        }
        Ok(entries)
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Bytes> {
        match self.1 {
            Wrong::FollowsLinks => self.0.read(&self.follow(path), limit),
            Wrong::NoLimit => self.0.read(path, u64::MAX),
            _ => self.0.read(path, limit),
        }
    }
}

#[test]
fn wrong_trees_are_caught() {
    for (wrong, case) in [
        (Wrong::FollowsLinks, "tree_does_not_follow_links"),
        (Wrong::Unsorted, "tree_lists_direct_children_in_order"),
        (Wrong::NoLinks, "tree_lists_direct_children_in_order"),
        (Wrong::NoLimit, "tree_keeps_the_limit"),
        (Wrong::AbsenceIsAnError, "tree_absence_is_no_error"),
        (Wrong::OneId, "tree_ids_are_content_addresses"),
        (Wrong::Panics, "tree_entries_are_found"),
    ] {
        let (tree, expected) = sample();
        let report = conformance::tree(&WrongTree(tree, wrong), &expected);
        assert!(report.caught(case), "{case}: {report}");
    }
}

/// A line of revisions in memory, with one thing wrong or nothing.
struct MemoryStore {
    line: Vec<(Revision, Layout)>,
    wrong: &'static str,
}

impl MemoryStore {
    fn new(wrong: &'static str) -> Self {
        let number = |(number, layout)| (Revision::new(format!("r{number}")), layout);
        Self { line: Layout::sample_history().into_iter().enumerate().map(number).collect(), wrong }
    }

    fn fixture(&self) -> Fixture {
        let line = self.line.iter().map(|(revision, layout)| Expected::new(revision.clone(), layout.clone()));
        Fixture::new(line.collect())
            .named(RevisionSpec::Default, Revision::new("r3"))
            .named(RevisionSpec::Commit("r1".into()), Revision::new("r1"))
            .unknown(RevisionSpec::Commit("r9".into()))
            .unknown_revision(Revision::new("r9"))
            .credential("hunter2")
    }

    fn at(&self, revision: &Revision) -> Result<usize> {
        self.line.iter().position(|(known, _)| known == revision).ok_or_else(|| {
            let user = if self.wrong == "credential" { "user:hunter2@" } else { "" };
            let kind = if self.wrong == "class" { ErrorKind::Internal } else { ErrorKind::NotFound };
            Error::new(kind, format!("there is no {revision} at {user}memory"))
        })
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    async fn resolve(&self, spec: &RevisionSpec) -> Result<Revision> {
        let revision = match spec {
            RevisionSpec::Default => Revision::new("r3"),
            other => Revision::new(other.to_string()),
        };
        self.at(&revision).map(|_| revision)
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn Tree>> {
        let at = if self.wrong == "newest" { self.line.len() - 1 } else { self.at(revision)? };
        Ok(Arc::new(self.line[at].1.to_memory(revision.clone())?))
    }

    async fn changed_paths(&self, from: &Revision, to: &Revision) -> Result<Vec<PathChange>> {
        let mut changes = self.line[self.at(to)?].1.changes_since(&self.line[self.at(from)?].1);
        if self.wrong == "unsorted" {
            changes.reverse();
        }
        Ok(changes)
    }

    async fn history(&self, revision: &Revision, path: &TreePath, limit: usize) -> Result<Vec<CommitInfo>> {
        let mut out = Vec::new();
        for at in 0..=self.at(revision)? {
            let (before, parents) = match at.checked_sub(1) {
                Some(before) => (self.line[before].1.clone(), vec![self.line[before].0.clone()]),
                None => (Layout::new(), Vec::new()),
            };
            let changes = self.line[at].1.changes_since(&before);
            if path.is_root() || changes.iter().any(|change| change.path.below(path).is_some()) {
                let revision = self.line[at].0.clone();
                out.push(CommitInfo::new(revision, parents, "a".into(), Timestamp::UNIX_EPOCH, "m".into()));
            }
        }
        if self.wrong != "oldest first" {
            out.reverse();
        }
        if self.wrong != "limit" {
            out.truncate(limit);
        }
        Ok(out)
    }
}

#[tokio::test]
async fn stores() {
    let right = MemoryStore::new("");
    assert_eq!(conformance::state_store(&right, &right.fixture()).await.check().unwrap(), 11 + 4 * 11);
    for (wrong, case) in [
        ("newest", "tree_entries_are_found"),
        ("unsorted", "store_tells_changed_paths"),
        ("oldest first", "store_history_of_all"),
        ("limit", "store_history_keeps_the_limit"),
        ("class", "store_unknown_is_not_found"),
        ("credential", "store_errors_show_no_credential"),
    ] {
        let store = MemoryStore::new(wrong);
        let report = conformance::state_store(&store, &store.fixture()).await;
        assert!(report.caught(case), "{wrong}: {report}");
        assert!(!report.to_string().contains("hunter2"), "a report repeats no credential");
    }
}

#[tokio::test]
async fn the_inventory_in_memory() {
    assert_eq!(conformance::inventory_store(&MemoryInventory::new()).await.check().unwrap(), 11);
}

/// An inventory store with one thing wrong.
struct WrongInventory(MemoryInventory, &'static str);

#[async_trait]
impl InventoryStore for WrongInventory {
    async fn load(&self, application: &ApplicationName) -> Result<Versioned> {
        if self.1 == "absence is an error" && self.0.load(application).await?.version.is_none() {
            return Err(Error::new(ErrorKind::NotFound, "no inventory"));
        }
        let mut loaded = self.0.load(&self.key(application)).await?;
        if self.1 == "forgets operations" {
            loaded.inventory.operation = None;
        }
        Ok(loaded)
    }

    async fn save(&self, inventory: &Inventory, expected: Option<&InventoryVersion>) -> Result<InventoryVersion> {
        let mut inventory = inventory.clone();
        inventory.application = self.key(&inventory.application);
        let present = self.0.load(&inventory.application).await?.version;
        match self.1 {
            "ignores the version" => self.0.save(&inventory, present.as_ref()).await,
            "takes any first save" if expected.is_none() => self.0.save(&inventory, present.as_ref()).await,
            "writes, then refuses" if present.as_ref() != expected => {
                self.0.save(&inventory, present.as_ref()).await?;
                Err(Error::new(ErrorKind::Conflict, "too late"))
            }
            "looks, waits, then writes" if present.as_ref() == expected => {
                tokio::task::yield_now().await;
                let present = self.0.load(&inventory.application).await?.version;
                self.0.save(&inventory, present.as_ref()).await
            }
            _ => self.0.save(&inventory, expected).await,
        }
    }
}

impl WrongInventory {
    fn key(&self, application: &ApplicationName) -> ApplicationName {
        if self.1 == "mixes" {
            ApplicationName::new(application.as_str().get(..15).unwrap_or("x"))
        } else {
            application.clone()
        }
    }
}

#[tokio::test]
async fn wrong_inventories_are_caught() {
    for (wrong, case) in [
        ("ignores the version", "inventory_stale_version_conflicts"),
        ("takes any first save", "inventory_second_first_save_conflicts"),
        ("writes, then refuses", "inventory_stale_version_conflicts"),
        ("looks, waits, then writes", "inventory_one_of_many_writers_wins"),
        ("forgets operations", "inventory_round_trip_of_every_field"),
        ("absence is an error", "inventory_of_nothing_is_empty"),
        ("mixes", "inventory_applications_do_not_mix"),
    ] {
        let report = conformance::inventory_store(&WrongInventory(MemoryInventory::new(), wrong)).await;
        assert!(report.caught(case), "{wrong}: {report}");
    }
}

/// Reads ConfigMaps of one line each, `name: NAME`, and has one thing wrong or nothing.
#[derive(Default)]
struct Lines {
    wrong: &'static str,
    calls: AtomicUsize,
}

#[async_trait]
impl Generator for Lines {
    fn name(&self) -> &str {
        "lines"
    }

    fn detects(&self, tree: &dyn Tree, path: &TreePath) -> Result<bool> {
        Ok(tree.entry(path)?.is_some_and(|entry| entry.kind == EntryKind::Directory))
    }

    async fn generate(&self, request: GenerateRequest) -> Result<Rendering, Problems> {
        let (mut objects, mut inputs, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let directory = request.tree.entry(&request.path)?;
        inputs.extend(directory.map(|entry| Input { path: entry.path, id: entry.id }));
        for entry in request.tree.list(&request.path)? {
            let Ok(bytes) = request.tree.read(&entry.path, if self.wrong == "huge" { u64::MAX } else { 1 << 20 })
            else {
                errors.push(Error::new(ErrorKind::LimitExceeded, "too large").at(Place::file(entry.path)));
                continue;
            };
            let Ok(text) = std::str::from_utf8(&bytes) else {
                errors.push(Error::new(ErrorKind::InvalidInput, "this is no text").at(Place::file(entry.path)));
                continue;
            };
            for (line, text) in (1..).zip(text.lines()) {
                let Some(name) = text.trim().strip_prefix("name: ") else {
                    let known = ["apiVersion:", "kind:", "metadata:", "data:", "  a: '", "#", "---"];
                    let place = Place::line(entry.path.clone(), line);
                    if !known.iter().any(|start| text.starts_with(start)) || text.contains('{') {
                        errors.push(Error::new(ErrorKind::InvalidInput, "what is this?").at(place));
                    }
                    continue;
                };
                let name = if self.wrong == "impure" { format!("{name}{call}") } else { name.to_owned() };
                let text = format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}}}}"#);
                let manifest = Manifest::from_json(text.as_bytes(), ManagedFields::Drop)?;
                objects.push(Declared::new(manifest, Place::line(entry.path.clone(), line)));
            }
        }
        match self.wrong {
            "first error" => errors.truncate(1),
            "no places" => errors = errors.iter().map(|error| Error::new(error.kind(), error.message())).collect(),
            "no errors" => errors.clear(),
            "no inputs" => inputs.clear(),
            "unordered" => objects.reverse(),
            "blind" => inputs = vec![Input { path: request.path.clone(), id: gitops_engine_core::EntryId::new("?") }],
            _ => {}
        }
        Problems::check(errors)?;
        Ok(Rendering::new(objects, inputs))
    }
}

#[tokio::test]
async fn generators() {
    let sample = Sample::directory().unwrap().largest(1 << 20);
    let right = conformance::generator(&Lines::default(), &sample).await;
    assert_eq!(right.check().unwrap(), 13);
    for (wrong, case) in [
        ("impure", "generator_renders_the_same_twice"),
        ("first error", "generator_reports_all_errors_with_their_places"),
        ("no places", "generator_reports_all_errors_with_their_places"),
        ("no errors", "generator_bounds_depth"),
        ("huge", "generator_bounds_size"),
        ("no inputs", "generator_names_its_inputs"),
        ("blind", "generator_inputs_are_a_cache_key"),
        ("unordered", "generator_renders_in_order"),
    ] {
        let report = conformance::generator(&Lines { wrong, ..Lines::default() }, &sample).await;
        assert!(report.caught(case), "{wrong}: {report}");
    }
}

fn live(name: &str, uid: &str, owner: Option<&str>) -> LiveObject {
    let owners = owner.map_or(String::new(), |uid| {
        format!(r#","ownerReferences":[{{"apiVersion":"v1","kind":"ConfigMap","name":"parent","uid":"{uid}"}}]"#)
    });
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"namespace":"shop","name":"{name}","uid":"{uid}","resourceVersion":"7"{owners}}}}}"#
    );
    LiveObject::from_manifest(Manifest::from_json(text.as_bytes(), ManagedFields::Drop).unwrap()).unwrap()
}

fn resource(kind: &str) -> ResourceType {
    ResourceType {
        kind: GroupKind::new("", kind),
        version: "v1".into(),
        plural: format!("{}s", kind.to_lowercase()).into(),
        scope: Scope::Namespaced,
    }
}

fn picture() -> MemorySnapshot {
    MemorySnapshot::new()
        .serve(resource("ConfigMap"))
        .kind_state(
            resource("Secret").kind,
            KindState::served(resource("Secret")).covered(Coverage::Forbidden("no".into())),
        )
        .object(live("parent", "p", None))
        .object(live("b", "b", Some("p")))
        .object(live("a", "a", Some("p")))
}

/// A snapshot with one thing wrong.
struct WrongSnapshot(MemorySnapshot, &'static str, AtomicUsize);

impl Snapshot for WrongSnapshot {
    fn generation(&self) -> u64 {
        let call = self.2.fetch_add(1, Ordering::Relaxed) as u64;
        if self.1 == "moves" { call } else { self.0.generation() }
    }

    fn capabilities(&self) -> gitops_engine_core::Capabilities {
        self.0.capabilities()
    }

    fn kind(&self, kind: &GroupKind) -> KindState {
        match self.1 {
            "serves all" => KindState::served(ResourceType { kind: kind.clone(), ..resource("ConfigMap") }),
            "serves nothing" => KindState::NotServed,
            _ => self.0.kind(kind),
        }
    }

    fn get(&self, id: &ObjectId) -> Option<Arc<LiveObject>> {
        match self.1 {
            "any namespace" => self.0.get(&ObjectId { namespace: Some("shop".into()), ..id.clone() }),
            _ => self.0.get(id),
        }
    }

    fn children(&self, owner: &Uid) -> Vec<Arc<LiveObject>> {
        let mut children = self.0.children(owner);
        match self.1 {
            "unsorted" => children.reverse(),
            "childless" => children.clear(),
            _ => {}
        }
        children
    }

    fn in_namespace(&self, namespace: &str) -> Vec<Arc<LiveObject>> {
        self.0.in_namespace(if self.1 == "one namespace" { "shop" } else { namespace })
    }

    fn holes(&self) -> Vec<(String, Coverage)> {
        if self.1 == "lies" { vec![("ConfigMap".into(), Coverage::Complete)] } else { self.0.holes() }
    }
}

#[test]
fn snapshots() {
    assert_eq!(conformance::snapshot(&picture(), &["shop", "empty"]).check().unwrap(), 7);
    for (wrong, case) in [
        ("moves", "snapshot_answers_the_same_twice"),
        ("serves all", "snapshot_says_what_it_cannot_prove"),
        ("serves nothing", "snapshot_knows_the_kinds_of_its_objects"),
        ("any namespace", "snapshot_gets_what_it_lists"),
        ("unsorted", "snapshot_links_owners_and_children"),
        ("childless", "snapshot_links_owners_and_children"),
        ("one namespace", "snapshot_lists_namespaces"),
        ("lies", "snapshot_names_its_holes"),
    ] {
        let report = conformance::snapshot(&WrongSnapshot(picture(), wrong, AtomicUsize::new(0)), &["shop"]);
        assert!(report.caught(case), "{wrong}: {report}");
    }
}

/// An assessor with one thing wrong or nothing.
struct Assessor(&'static str, AtomicUsize, parking_lot::Mutex<BTreeMap<String, usize>>);

impl HealthAssessor for Assessor {
    fn assess(&self, object: &Manifest, _now: Timestamp) -> Option<Health> {
        let replicas = object.body().int(["spec", "replicas"]).unwrap_or(1);
        let ready = object.body().int(["status", "readyReplicas"]).unwrap_or(0);
        let missing = match self.0 {
            "overflows" => replicas.checked_sub(ready).unwrap(),
            _ => replicas.saturating_sub(ready),
        };
        let call = match self.0 {
            "counts" => self.1.fetch_add(1, Ordering::Relaxed),
            // Remembers the last verdict of an address in memory, which another object has later.
            "remembers" => *self.2.lock().entry(format!("{:p}", object.body())).or_insert(replicas as usize),
            _ => 0,
        };
        Some(Health::new(HealthStatus::Progressing, format!("{missing} are missing, {call}")))
    }
}

#[test]
fn assessors() {
    let judge =
        |wrong| conformance::health_assessor(&Assessor(wrong, AtomicUsize::new(0), parking_lot::Mutex::default()));
    assert_eq!(judge("").check().unwrap(), 6);
    let report = judge("overflows");
    assert!(report.caught("health_of_objects_with_extreme_numbers"), "{report}");
    assert!(!report.caught("health_of_bare_objects"), "one panic hides no other case");
    assert!(judge("counts").caught("health_of_bare_objects"));
    assert!(judge("remembers").caught("health_depends_on_the_content_only"));
}

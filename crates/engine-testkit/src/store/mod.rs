//! Objects under one global revision, each collection with a bounded log of what happened.
//!
//! A read is immutable (`Arc`). A list pinned to an older revision is rebuilt by undoing the log, so a page token costs
//! nothing while nobody uses it, and becomes `410 Gone` when the log no longer reaches back, as in etcd after compaction.

mod page;
pub(crate) mod selector;
mod shown;

use page::{Counted, bounds, clone_bounds};
pub(crate) use page::{Page, PageOf};
pub(crate) use shown::hide;

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    json,
    resources::{GroupResource, shared},
};

/// One version of an object.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) value: Value,
    pub(crate) revision: u64,
    /// Whether this is the object as it was created.
    pub(crate) first: bool,
    /// The object as it was written, where it is shown with more than that.
    pub(crate) written: Option<Value>,
    /// The object as it is stored, where reads show another.
    hidden: Option<Value>,
    json: OnceLock<Text>,
}

/// An object as JSON, its kind first.
#[derive(Debug)]
struct Text {
    bytes: Bytes,
    /// Where what follows `apiVersion` and `kind` begins.
    rest: usize,
}

impl Text {
    fn of(value: &Value) -> Self {
        let mut bytes = vec![b'{'];
        let map = value.as_object();
        let head = ["kind", "apiVersion"].into_iter().filter_map(|key| Some((key, map?.get(key)?)));
        for (key, value) in head {
            bytes.extend_from_slice(format!("\"{key}\":{value},").as_bytes());
        }
        let rest = bytes.len();
        let others = map.into_iter().flatten().filter(|(key, _)| *key != "kind" && *key != "apiVersion");
        let mut tail = Vec::new();
        let written = serde::Serializer::collect_map(&mut serde_json::Serializer::new(&mut tail), others);
        debug_assert!(written.is_ok(), "a value with text keys is JSON, and a vector takes it");
        bytes.extend_from_slice(&tail[1..]);
        Self { bytes: bytes.into(), rest }
    }
}

impl Stored {
    fn new(mut value: Value, revision: u64, first: bool, written: Option<Value>) -> Arc<Self> {
        let hidden = hide(&mut value);
        Arc::new(Self { value, revision, first, written, hidden, json: OnceLock::new() })
    }

    /// The object as it is stored: what a change of it starts from.
    pub(crate) fn whole(&self) -> Cow<'_, Value> {
        Cow::Borrowed(self.hidden.as_ref().unwrap_or(&self.value))
    }

    /// The object as it was written, of this version.
    pub(crate) fn as_written(&self) -> Cow<'_, Value> {
        let Some(written) = &self.written else { return Cow::Borrowed(&self.value) };
        let mut written = written.clone();
        json::copy(&self.value, &mut written, &["metadata", "resourceVersion"]);
        Cow::Owned(written)
    }

    /// Whether reads show the object as it was written. Any write over one that they do not changes it, since a real server
    /// compares with what it read.
    pub(crate) fn is_stored_as_read(&self) -> bool {
        self.written.is_none()
    }

    /// Whether reads show another object than the stored one.
    pub(crate) fn hides(&self) -> bool {
        self.hidden.is_some()
    }

    /// The same object, shown as it is stored.
    pub(crate) fn revealed(&self) -> Arc<Self> {
        Arc::new(Self {
            value: self.whole().into_owned(),
            revision: self.revision,
            first: self.first,
            written: self.written.clone(),
            hidden: None,
            json: OnceLock::new(),
        })
    }

    /// Serialised once, however many lists and watches send it.
    pub(crate) fn bytes(&self) -> Bytes {
        self.text().bytes.clone()
    }

    /// The same without its kind, as items of lists are written: what follows an opening brace.
    pub(crate) fn bytes_without_kind(&self) -> Bytes {
        let text = self.text();
        text.bytes.slice(text.rest..)
    }

    fn text(&self) -> &Text {
        self.json.get_or_init(|| Text::of(&self.value))
    }

    /// The same object as of a later revision.
    pub(crate) fn at_revision(&self, revision: u64) -> Arc<Self> {
        let mut value = self.whole().into_owned();
        json::set(&mut value, &["metadata", "resourceVersion"], revision.to_string());
        Self::new(value, revision, false, None)
    }

    pub(crate) fn namespace(&self) -> &str {
        json::str_at(&self.value, &["metadata", "namespace"])
    }

    pub(crate) fn name(&self) -> &str {
        json::str_at(&self.value, &["metadata", "name"])
    }

    pub(crate) fn uid(&self) -> &str {
        json::str_at(&self.value, &["metadata", "uid"])
    }

    pub(crate) fn is_terminating(&self) -> bool {
        json::get(&self.value, &["metadata", "deletionTimestamp"]).is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Modified,
    Deleted,
}

/// One entry of the log.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) revision: u64,
    pub(crate) change: Change,
    pub(crate) key: Arc<str>,
    /// The object after the change; for a deletion its last state, at the revision of the deletion.
    pub(crate) object: Arc<Stored>,
    /// The object before the change.
    pub(crate) before: Option<Arc<Stored>>,
}

/// The log no longer reaches back to the revision that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compacted;

struct Collection {
    objects: BTreeMap<Arc<str>, Arc<Stored>>,
    log: VecDeque<Event>,
    /// Events up to and including this revision are gone from the log.
    compacted: u64,
    watchers: Vec<mpsc::Sender<Event>>,
    counted: RefCell<Option<Counted>>,
}

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectKey {
    pub(crate) gr: GroupResource,
    pub(crate) key: Arc<str>,
}

impl ObjectKey {
    pub(crate) fn new(gr: &GroupResource, namespace: &str, name: &str) -> Self {
        Self { gr: gr.clone(), key: key(namespace, name).into() }
    }

    pub(crate) fn namespace(&self) -> &str {
        self.key.split_once('/').map_or("", |(ns, _)| ns)
    }

    pub(crate) fn name(&self) -> &str {
        self.key.split_once('/').map_or(&self.key, |(_, name)| name)
    }
}

/// What an object was and what it became.
pub(crate) type Transition = (Option<Arc<Stored>>, Option<Arc<Stored>>);

pub(crate) struct Store {
    revision: u64,
    collections: BTreeMap<GroupResource, Collection>,
    log_limit: usize,
    /// What every collection has forgotten, also those that come later.
    forgotten: u64,
    by_uid: BTreeMap<String, ObjectKey>,
    dependents: BTreeMap<String, BTreeSet<ObjectKey>>,
    /// Everything that changed since the controllers last looked.
    pub(crate) dirty: BTreeMap<ObjectKey, Transition>,
}

/// The storage key; etcd's order of keys is the order of lists.
pub(crate) fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

/// A watch may fall behind by as many events, however short the log is.
const MIN_QUEUE: usize = 100;

impl Store {
    pub(crate) fn new(log_limit: usize) -> Self {
        Self {
            revision: 1,
            collections: BTreeMap::new(),
            log_limit: log_limit.max(1),
            forgotten: 0,
            by_uid: BTreeMap::new(),
            dependents: BTreeMap::new(),
            dirty: BTreeMap::new(),
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    fn collection(&mut self, gr: &GroupResource) -> &mut Collection {
        let compacted = self.forgotten;
        self.collections.entry(gr.clone()).or_insert_with(|| Collection {
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            compacted,
            watchers: Vec::new(),
            counted: RefCell::new(None),
        })
    }

    /// Every later change of a collection. Whoever is as far behind as the log remembers is not waited for: the channel
    /// closes after what is in it.
    pub(crate) fn subscribe(&mut self, gr: &GroupResource) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(self.log_limit.max(MIN_QUEUE));
        let collection = self.collection(gr);
        collection.watchers.retain(|w| !w.is_closed());
        collection.watchers.push(sender);
        receiver
    }

    pub(crate) fn get(&self, gr: &GroupResource, namespace: &str, name: &str) -> Option<&Arc<Stored>> {
        self.collections.get(gr)?.objects.get(key(namespace, name).as_str())
    }

    /// An object as it was at a revision.
    pub(crate) fn get_at(
        &self,
        gr: &GroupResource,
        namespace: &str,
        name: &str,
        revision: u64,
    ) -> Result<Option<Arc<Stored>>, Compacted> {
        let Some(collection) = self.collections.get(gr) else {
            return Ok(None);
        };
        if revision < collection.compacted {
            return Err(Compacted);
        }
        let key = key(namespace, name);
        let first = collection.log.partition_point(|e| e.revision <= revision);
        let next_change = collection.log.range(first..).find(|e| *e.key == *key);
        Ok(match next_change {
            Some(event) => event.before.clone(),
            None => collection.objects.get(key.as_str()).cloned(),
        })
    }

    pub(crate) fn at(&self, at: &ObjectKey) -> Option<&Arc<Stored>> {
        self.collections.get(&at.gr)?.objects.get(&at.key)
    }

    pub(crate) fn by_uid(&self, uid: &str) -> Option<&ObjectKey> {
        self.by_uid.get(uid)
    }

    /// The objects that name this uid as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<ObjectKey> {
        self.dependents.get(uid).map(|set| set.iter().cloned().collect()).unwrap_or_default()
    }

    /// How many objects name this uid as an owner.
    pub(crate) fn count_dependents(&self, uid: &str) -> usize {
        self.dependents.get(uid).map_or(0, BTreeSet::len)
    }

    /// The kinds of which there are objects, each object in one of them.
    pub(crate) fn kinds(&self) -> Vec<GroupResource> {
        let there = self.collections.iter().filter(|(gr, c)| !c.objects.is_empty() && !shared::is_guest(gr));
        there.map(|(gr, _)| gr.clone()).collect()
    }

    /// The objects of a collection, of one namespace or of all.
    pub(crate) fn objects(&self, gr: &GroupResource, namespace: Option<&str>) -> Vec<&Arc<Stored>> {
        let bounds = bounds(namespace, None);
        self.collections
            .get(gr)
            .map(|c| c.objects.range::<str, _>(clone_bounds(&bounds)).map(|(_, o)| o).collect())
            .unwrap_or_default()
    }

    /// Writes an object: its resourceVersion becomes the new revision. What two groups serve is kept in both shapes, so that
    /// reads and watches of either find their own.
    pub(crate) fn put(&mut self, gr: &GroupResource, value: Value) -> Arc<Stored> {
        self.put_filled(gr, value, None)
    }

    /// The same for an object that is shown with more than what was written.
    pub(crate) fn put_filled(&mut self, gr: &GroupResource, mut value: Value, written: Option<Value>) -> Arc<Stored> {
        self.revision += 1;
        json::set(&mut value, &["metadata", "resourceVersion"], self.revision.to_string());
        if let Some(twin) = shared::twin(gr) {
            let value = (twin.convert)(&value);
            self.put_one(&twin.gr, value, None);
        }
        self.put_one(gr, value, written)
    }

    /// Shows the objects of a collection in another way: no write, and so no revision. `read` gets what was written.
    pub(crate) fn reread(&mut self, gr: &GroupResource, read: impl Fn(&Value) -> Value) {
        let Some(collection) = self.collections.get_mut(gr) else { return };
        for stored in collection.objects.values_mut() {
            let written = stored.as_written().into_owned();
            let value = read(&written);
            if value != stored.value {
                let kept = (value != written).then_some(written);
                *stored = Stored::new(value, stored.revision, stored.first, kept);
            }
        }
    }

    fn put_one(&mut self, gr: &GroupResource, value: Value, written: Option<Value>) -> Arc<Stored> {
        let revision = self.revision;
        let at = ObjectKey::new(
            gr,
            json::str_at(&value, &["metadata", "namespace"]),
            json::str_at(&value, &["metadata", "name"]),
        );
        let first = self.at(&at).is_none();
        let stored = Stored::new(value, revision, first, written);
        let before = self.collection(gr).objects.insert(at.key.clone(), stored.clone());
        if let Some(before) = &before {
            self.unlink(&at, before);
        }
        self.link(&at, &stored);
        let change = if before.is_some() { Change::Modified } else { Change::Added };
        self.record(&at, Event { revision, change, key: at.key.clone(), object: stored.clone(), before });
        stored
    }

    /// Takes an object away. The answer is its last state, at the revision of the deletion.
    pub(crate) fn remove(&mut self, at: &ObjectKey) -> Option<Arc<Stored>> {
        self.at(at)?;
        self.revision += 1;
        if let Some(twin) = shared::twin(&at.gr) {
            self.remove_one(&ObjectKey { gr: twin.gr, key: at.key.clone() });
        }
        self.remove_one(at)
    }

    fn remove_one(&mut self, at: &ObjectKey) -> Option<Arc<Stored>> {
        let before = self.collections.get_mut(&at.gr)?.objects.remove(&at.key)?;
        self.unlink(at, &before);
        let revision = self.revision;
        let object = before.at_revision(revision);
        let event = Event {
            revision,
            change: Change::Deleted,
            key: at.key.clone(),
            object: object.clone(),
            before: Some(before),
        };
        self.record(at, event);
        Some(object)
    }

    fn record(&mut self, at: &ObjectKey, event: Event) {
        let now = (event.change != Change::Deleted).then(|| event.object.clone());
        // The first `before` and the last `after` of an object are what the controllers need.
        if !shared::is_guest(&at.gr) {
            let entry = self.dirty.entry(at.clone()).or_insert_with(|| (event.before.clone(), None));
            entry.1 = now;
        }
        let limit = self.log_limit;
        let collection = self.collection(&at.gr);
        collection.watchers.retain(|w| w.try_send(event.clone()).is_ok());
        collection.log.push_back(event);
        while collection.log.len() > limit {
            if let Some(old) = collection.log.pop_front() {
                collection.compacted = old.revision;
            }
        }
    }

    fn link(&mut self, at: &ObjectKey, object: &Stored) {
        if shared::is_guest(&at.gr) {
            return;
        }
        self.by_uid.insert(object.uid().to_owned(), at.clone());
        for owner in json::list_at(&object.value, &["metadata", "ownerReferences"]) {
            let uid = json::str_at(owner, &["uid"]).to_owned();
            self.dependents.entry(uid).or_default().insert(at.clone());
        }
    }

    fn unlink(&mut self, at: &ObjectKey, object: &Stored) {
        if shared::is_guest(&at.gr) {
            return;
        }
        self.by_uid.remove(object.uid());
        for owner in json::list_at(&object.value, &["metadata", "ownerReferences"]) {
            let uid = json::str_at(owner, &["uid"]);
            if let Some(set) = self.dependents.get_mut(uid) {
                set.remove(at);
                if set.is_empty() {
                    self.dependents.remove(uid);
                }
            }
        }
    }

    /// Goes to a later revision: the next write has the one after it.
    pub(crate) fn go_to(&mut self, revision: u64) {
        self.revision = self.revision.max(revision);
    }

    /// Forgets the past: every older resourceVersion and page token is `410 Gone` from now on.
    pub(crate) fn compact(&mut self) {
        self.revision += 1;
        self.forgotten = self.revision - 1;
        for collection in self.collections.values_mut() {
            collection.log.clear();
            collection.compacted = self.forgotten;
        }
    }

    /// What happened to a collection after a revision.
    pub(crate) fn events_since(&self, gr: &GroupResource, revision: u64) -> Result<Vec<Event>, Compacted> {
        let Some(collection) = self.collections.get(gr) else {
            return if revision < self.forgotten { Err(Compacted) } else { Ok(Vec::new()) };
        };
        if revision < collection.compacted {
            return Err(Compacted);
        }
        let first = collection.log.partition_point(|e| e.revision <= revision);
        Ok(collection.log.range(first..).cloned().collect())
    }
}

//! What an application owns in a cluster: written before the first write, so that nothing is ever untracked.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{ApplicationName, Digest, Error, ErrorKind, ObjectId, Result, Revision, Timestamp, Uid};

/// How far an object of the inventory has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EntryState {
    /// Announced before the write: the object may exist and may be ours.
    Announced,
    /// The server confirmed a write of ours.
    Applied,
}

/// One object of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InventoryEntry {
    /// How far it has come.
    pub state: EntryState,
    /// The version (`v1`) under which it was last applied.
    pub version: Arc<str>,
    /// The uid that the server gave it. An object with another uid is not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Uid>,
    /// What was applied: the digest of the desired manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Digest>,
    /// What the server made of it: the digest of the fields that we declare, as they were right after the apply.
    /// While the live object has the same, there is nothing to do and nothing to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Digest>,
    /// Whether removal from the desired state leaves the object alone, and which annotation said so. Kept here because
    /// the annotation is gone by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
    /// The wave that it was applied in: removal goes the other way round.
    #[serde(default)]
    pub wave: i32,
}

impl InventoryEntry {
    /// An entry that is announced and not yet applied.
    pub fn announced(version: impl Into<Arc<str>>) -> Self {
        Self {
            state: EntryState::Announced,
            version: version.into(),
            uid: None,
            desired: None,
            applied: None,
            keep: None,
            wave: 0,
        }
    }
}

/// A hook that has run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HookRecord {
    /// The digest of its manifest.
    pub digest: Digest,
    /// Whether it reached its end well.
    pub succeeded: bool,
}

impl HookRecord {
    /// The outcome of a hook.
    pub fn new(digest: Digest, succeeded: bool) -> Self {
        Self { digest, succeeded }
    }
}

/// An operation that began and has not ended: what a restart needs to go on where it stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Operation {
    /// The revision that is being brought about.
    pub revision: Revision,
    /// When it began. Names of unnamed hooks derive from it, so it stays the same over restarts.
    pub started: Timestamp,
    /// The hooks of this operation that have run, by identity and phase (`PreSync batch/Job shop/migrate`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<String, HookRecord>,
}

impl Operation {
    /// An operation that begins.
    pub fn new(revision: Revision, started: Timestamp) -> Self {
        Self { revision, started, hooks: BTreeMap::new() }
    }
}

/// All that an application owns in one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Inventory {
    /// Whose it is.
    pub application: ApplicationName,
    /// The revision that was last brought about to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The digest of the hooks of that revision: hooks run again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Digest>,
    /// The objects. Hooks are here, too, while they exist.
    #[serde(with = "entries")]
    pub entries: BTreeMap<ObjectId, InventoryEntry>,
    /// The operation under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
}

impl Inventory {
    /// An empty inventory.
    pub fn new(application: ApplicationName) -> Self {
        Self { application, revision: None, hooks: None, entries: BTreeMap::new(), operation: None }
    }

    /// Whether the application owns this very object: it is in the inventory, and the uid is the known one (or not yet
    /// known, because a crash came between the announcement and the answer).
    pub fn owns(&self, id: &ObjectId, uid: &Uid) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.uid.as_ref().is_none_or(|known| known == uid))
    }
}

mod entries {
    //! JSON has no maps with structured keys: the entries are a list of objects with their identity flattened in.
    use super::{BTreeMap, Deserialize, InventoryEntry, ObjectId, Serialize};

    #[derive(Serialize)]
    struct Borrowed<'a> {
        #[serde(flatten)]
        id: &'a ObjectId,
        #[serde(flatten)]
        entry: &'a InventoryEntry,
    }

    #[derive(Deserialize)]
    struct Owned {
        #[serde(flatten)]
        id: ObjectId,
        #[serde(flatten)]
        entry: InventoryEntry,
    }

    pub(super) fn serialize<S: serde::Serializer>(
        entries: &BTreeMap<ObjectId, InventoryEntry>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(entries.iter().map(|(id, entry)| Borrowed { id, entry }))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<ObjectId, InventoryEntry>, D::Error> {
        let list = Vec::<Owned>::deserialize(deserializer)?;
        Ok(list.into_iter().map(|Owned { id, entry }| (id, entry)).collect())
    }
}

/// The version of a stored inventory, for compare-and-swap. Opaque.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InventoryVersion(pub String);

/// An inventory and the version under which it is stored.
#[derive(Clone, Debug)]
pub struct Versioned {
    /// The inventory.
    pub inventory: Inventory,
    /// Its version; `None` where nothing is stored yet.
    pub version: Option<InventoryVersion>,
}

/// Keeps inventories.
///
/// # Contract
/// - `save` is atomic: a reader sees the old one or the new one.
/// - `save` succeeds only when the stored version is still `expected` (`None`: nothing is stored); otherwise it changes
///   nothing and fails with [`Conflict`](crate::ErrorKind::Conflict).
/// - What `save` acknowledged is what `load` returns, after a crash of this process too.
/// - Dropping the future of `save` leaves the old one or the new one.
#[async_trait]
pub trait InventoryStore: Send + Sync {
    /// The inventory of an application, empty and without a version where none is stored.
    async fn load(&self, application: &ApplicationName) -> Result<Versioned>;

    /// Stores an inventory and returns its new version.
    async fn save(&self, inventory: &Inventory, expected: Option<&InventoryVersion>) -> Result<InventoryVersion>;
}

/// Inventories in memory: for tests, and for embedders that plan and never write. They end with the process, so a
/// process that writes to a cluster must not keep its inventories here.
///
/// Cheap to clone; all clones share one store.
#[derive(Clone, Debug, Default)]
pub struct MemoryInventory {
    stored: Arc<Mutex<BTreeMap<ApplicationName, (u64, Inventory)>>>,
}

impl MemoryInventory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl InventoryStore for MemoryInventory {
    async fn load(&self, application: &ApplicationName) -> Result<Versioned> {
        Ok(match self.stored.lock().get(application) {
            Some((version, inventory)) => {
                Versioned { inventory: inventory.clone(), version: Some(InventoryVersion(version.to_string())) }
            }
            None => Versioned { inventory: Inventory::new(application.clone()), version: None },
        })
    }

    async fn save(&self, inventory: &Inventory, expected: Option<&InventoryVersion>) -> Result<InventoryVersion> {
        let inventory = inventory.clone();
        let mut stored = self.stored.lock();
        let present = stored.get(&inventory.application).map(|(version, _)| *version);
        if present.map(|version| version.to_string()).as_deref() != expected.map(|version| version.0.as_str()) {
            let message = format!("the inventory of {} was saved by somebody else", inventory.application);
            return Err(Error::new(ErrorKind::Conflict, message).help("load it again"));
        }
        let next = present.unwrap_or(0) + 1;
        stored.insert(inventory.application.clone(), (next, inventory));
        Ok(InventoryVersion(next.to_string()))
    }
}

//! Shared keys.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;

/// A key of a map.
///
/// Keys of up to 64 bytes are shared between all objects of the process, up to a bound of some 65,000 different ones, so
/// that hostile input cannot fill the memory with keys that nobody needs any more. Beyond the bound a key is its own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

const SHARDS: usize = 64;
const KEYS_PER_SHARD: usize = 1024;
const LONGEST_SHARED: usize = 64;

struct Table {
    hasher: RandomState,
    shards: [RwLock<HashSet<Arc<str>>>; SHARDS],
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    hasher: RandomState::new(),
    shards: std::array::from_fn(|_| RwLock::new(HashSet::new())),
});

impl Key {
    /// A key with this text.
    pub fn new(text: &str) -> Self {
        if text.len() > LONGEST_SHARED {
            return Self(text.into());
        }
        let table = &*TABLE;
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits choose the shard")]
        let shard = &table.shards[table.hasher.hash_one(text) as usize % SHARDS];
        if let Some(shared) = shard.read().get(text) {
            return Self(shared.clone());
        }
        let key: Arc<str> = text.into();
        let mut shard = shard.write();
        if let Some(shared) = shard.get(text) {
            return Self(shared.clone());
        }
        if shard.len() < KEYS_PER_SHARD {
            shard.insert(key.clone());
        }
        Self(key)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared.
    pub fn to_shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

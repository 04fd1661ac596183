//! Shared keys.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;

/// A key of a map.
///
/// Keys of up to 64 bytes are shared between all objects of the process, up to a bound of some 65,000 different ones, so
/// that hostile input cannot fill the memory with keys that nobody needs any more. Beyond the bound a key is its own.
#[derive(Clone)]
pub struct Key(Arc<Text>);

/// The text behind one more pointer: a key is half as large for it, and an object has a hundred of them.
struct Text(Arc<str>);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As `str`, for the sake of `Borrow`.
        self.as_str().hash(state);
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.as_str().cmp(other.as_str()) }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

const SHARDS: usize = 64;
const KEYS_PER_SHARD: usize = 1024;
const LONGEST_SHARED: usize = 64;

struct Table {
    hasher: RandomState,
    shards: [RwLock<HashSet<Key>>; SHARDS],
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    hasher: RandomState::new(),
    shards: std::array::from_fn(|_| RwLock::new(HashSet::new())),
});

thread_local! {
    /// The keys that this thread met last, each at the place that its text gives it: an object has the same few keys over
    /// and over, and finding them here costs a tenth of a look into the table.
    static RECENT: RefCell<[Option<Key>; PLACES]> = const { RefCell::new([const { None }; PLACES]) };
}

const PLACES: usize = 512;

/// Where a text belongs among the recent keys: any function does that spreads well and is fast.
fn place(text: &str) -> usize {
    let bytes = text.as_bytes();
    let word = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29),
        _ => bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    let mixed = word.wrapping_add(bytes.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (u64::BITS - PLACES.ilog2())) as usize
}

impl Key {
    /// A key with this text.
    pub fn new(text: &str) -> Self {
        if text.len() > LONGEST_SHARED {
            return Self::unshared(text);
        }
        let recent = RECENT.try_with(|recent| {
            let mut recent = recent.borrow_mut();
            let recent = &mut recent[place(text)];
            match recent {
                Some(key) if key.as_str() == text => key.clone(),
                _ => recent.insert(Self::from_table(text)).clone(),
            }
        });
        // While a thread ends it has no recent keys any more.
        recent.unwrap_or_else(|_| Self::from_table(text))
    }

    fn unshared(text: &str) -> Self {
        Self(Arc::new(Text(text.into())))
    }

    fn from_table(text: &str) -> Self {
        let table = &*TABLE;
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits choose the shard")]
        let shard = &table.shards[table.hasher.hash_one(text) as usize % SHARDS];
        if let Some(shared) = shard.read().get(text) {
            return shared.clone();
        }
        let key = Self::unshared(text);
        let mut shard = shard.write();
        if let Some(shared) = shard.get(text) {
            return shared.clone();
        }
        if shard.len() < KEYS_PER_SHARD {
            shard.insert(key.clone());
        }
        key
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0.0
    }

    /// The text, shared.
    pub fn to_shared(&self) -> Arc<str> {
        self.0.0.clone()
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

//! Content digests: equal digests mean equal canonical bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A BLAKE3 digest (32 bytes) of canonical bytes, shown as lower-case hex.
///
/// A digest of an object that holds secret values lets its reader test guesses of weak secrets: the engine keeps such
/// digests in memory only, never in an inventory or a plan. Where one has to be stored, [`Digest::keyed`] with a key that
/// is kept elsewhere takes that value away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of bytes under a key.
    pub fn keyed(key: &Self, bytes: &[u8]) -> Self {
        Self(*blake3::keyed_hash(&key.0, bytes).as_bytes())
    }

    /// The digest of what `value` serialises to as JSON.
    ///
    /// Canonical as long as the type serialises its maps in a fixed order, which [`Value`](crate::Value) does.
    pub fn of_json(value: &impl Serialize) -> Self {
        let mut hasher = blake3::Hasher::new();
        match serde_json::to_writer(&mut hasher, value) {
            Ok(()) => Self(*hasher.finalize().as_bytes()),
            // Writing to a hasher cannot fail; a type whose Serialize fails gets a digest that no content has.
            Err(error) => Self::of(format!("unserialisable: {error}").as_bytes()),
        }
    }

    /// The first 12 hex digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Digest {
    type Err = crate::Error;

    fn from_str(text: &str) -> crate::Result<Self> {
        let bad = || crate::Error::new(crate::ErrorKind::Corrupt, format!("{text:?} is not a digest of 64 hex digits"));
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return Err(bad());
        }
        let mut out = [0; 32];
        for (byte, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16);
            match (digit(pair[0]), digit(pair[1])) {
                (Some(high), Some(low)) => *byte = u8::try_from(high * 16 + low).map_err(|_| bad())?,
                _ => return Err(bad()),
            }
        }
        Ok(Self(out))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

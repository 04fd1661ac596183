//! Everything "random" in the cluster comes from one seed: uids, generated names, node ports.

/// SplitMix64: small, good enough, and the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Seed(u64);

/// The alphabet of generated names: no vowels and no look-alikes, so that no word appears.
const NAME_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Seed {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A version 4 UUID.
    pub(crate) fn uid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0x0fff,
            0x8000 | ((b >> 48) & 0x3fff),
            b & 0xffff_ffff_ffff
        )
    }

    /// What follows the prefix in `generateName`.
    pub(crate) fn name_suffix(&mut self) -> String {
        (0..5)
            .map(|_| {
                let at = (self.next() % NAME_ALPHABET.len() as u64) as usize;
                NAME_ALPHABET[at] as char
            })
            .collect()
    }
}

/// FNV-1a, 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Tells one answer from another: an `ETag`.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("{:016X}{:016X}", fnv(bytes), bytes.len())
}

/// A short, name-safe hash of a value, as controllers put it into `pod-template-hash`.
pub(crate) fn template_hash(text: &str) -> String {
    let mut hash = fnv(text.as_bytes());
    (0..10)
        .map(|_| {
            let at = (hash % NAME_ALPHABET.len() as u64) as usize;
            hash /= NAME_ALPHABET.len() as u64;
            NAME_ALPHABET[at] as char
        })
        .collect()
}

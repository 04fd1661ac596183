//! Bounds on what is read from a tree.

/// How much of a tree one rendering may read. Reaching a bound is an error, never a silent cut.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeLimits {
    /// The size of one file, in bytes.
    pub file_bytes: u64,
    /// The size of all files together, in bytes.
    pub total_bytes: u64,
    /// The number of files that are read.
    pub files: usize,
    /// The number of entries that are looked at, directories and other files included.
    pub entries: usize,
    /// How deep directories nest.
    pub depth: usize,
}

impl Default for TreeLimits {
    /// 10 MiB in a file and in total (as in Argo CD), 10,000 files, 100,000 entries, 64 levels.
    fn default() -> Self {
        Self { file_bytes: 10 << 20, total_bytes: 10 << 20, files: 10_000, entries: 100_000, depth: 64 }
    }
}

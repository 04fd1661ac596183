//! A read-only view of the files of one revision.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Digest, Error, ErrorKind, Result, Revision};

/// A path in a tree: relative, `/`-separated, without `.`, `..`, empty or NUL parts. The root is the empty path.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreePath(Arc<str>);

impl TreePath {
    /// The root of the tree.
    pub fn root() -> Self {
        Self::default()
    }

    /// Normalises a path as people write it: `./shop/`, `/shop` and `shop` are the same directory.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it leaves the tree (`..`) or holds a NUL byte.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| Error::new(ErrorKind::InvalidInput, format!("{text:?} is not a path in a tree: {why}"));
        if text.contains('\0') {
            return Err(bad("it contains a NUL byte"));
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => match parts.pop() {
                    Some(_) => {}
                    None => return Err(bad("it leaves the tree")),
                },
                part => parts.push(part),
            }
        }
        Ok(Self(parts.join("/").into()))
    }

    /// A child of this directory. `name` may itself have several parts.
    ///
    /// # Errors
    /// As [`TreePath::parse`]: the result never leaves the tree.
    pub fn join(&self, name: &str) -> Result<Self> {
        Self::parse(&format!("{}/{name}", self.0))
    }

    /// The path as text, empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts, from the root.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The last part; empty for the root.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The directory that holds this entry; the root for the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or("", |(parent, _)| parent).into())
    }

    /// The part of this path below `directory`, or `None` when it is not below it (nor equal to it).
    pub fn below(&self, directory: &Self) -> Option<&str> {
        if directory.is_root() {
            return Some(&self.0);
        }
        let rest = self.0.strip_prefix(&*directory.0)?;
        if rest.is_empty() { Some("") } else { rest.strip_prefix('/') }
    }
}

impl TryFrom<String> for TreePath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<TreePath> for String {
    fn from(path: TreePath) -> Self {
        path.0.to_string()
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// The content address of an entry: equal ids mean equal content (for a directory: all below it).
///
/// For Git the hex id of the blob or tree object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(Arc<str>);

impl EntryId {
    /// Wraps a content address.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EntryKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link. It is never followed by a tree itself; its content is the target.
    Symlink,
    /// A link to a commit of another repository. It has no content here.
    Submodule,
}

/// An entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeEntry {
    /// From the root of the tree.
    pub path: TreePath,
    /// What it is.
    pub kind: EntryKind,
    /// Its content address.
    pub id: EntryId,
}

/// A read-only, immutable view of the files at one revision.
///
/// # Contract
/// - The content never changes: two calls with the same arguments give the same answer.
/// - Readers do not block each other, and no lock is held while a caller works with an answer.
/// - Calls may read a local disk, never the network; they are safe to make from several threads.
/// - `list` is sorted by path, names the direct children only, and holds every kind of entry.
/// - Symbolic links are not followed: a path *through* one is not found, and reading one gives its target.
pub trait Tree: Send + Sync {
    /// The revision that this is a view of.
    fn revision(&self) -> &Revision;

    /// The entry at a path. The root is a directory.
    ///
    /// # Errors
    /// When the store is damaged or cannot be read. An entry that is not there is `Ok(None)`.
    fn entry(&self, path: &TreePath) -> Result<Option<TreeEntry>>;

    /// The direct children of a directory.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such directory.
    fn list(&self, directory: &TreePath) -> Result<Vec<TreeEntry>>;

    /// The content of a file, or of a symbolic link (its target), of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::LimitExceeded`] when it is larger than `limit`; the
    /// content is then not held in memory longer than the check takes.
    fn read(&self, path: &TreePath, limit: u64) -> Result<Bytes>;
}

/// A tree in memory: for tests, and for embedders whose desired state does not come from files.
#[derive(Clone, Debug)]
pub struct MemoryTree {
    revision: Revision,
    files: BTreeMap<TreePath, MemoryFile>,
}

#[derive(Clone, Debug)]
struct MemoryFile {
    kind: EntryKind,
    content: Bytes,
    /// Of the content. Each directory above takes it into its own.
    digest: Digest,
}

impl MemoryFile {
    fn new(kind: EntryKind, content: Bytes) -> Self {
        Self { kind, digest: Digest::of(&content), content }
    }
}

impl MemoryTree {
    /// An empty tree.
    pub fn new(revision: Revision) -> Self {
        Self { revision, files: BTreeMap::new() }
    }

    /// Adds a file.
    ///
    /// # Errors
    /// When the path leaves the tree.
    pub fn file(mut self, path: &str, content: impl Into<Bytes>) -> Result<Self> {
        self.files.insert(TreePath::parse(path)?, MemoryFile::new(EntryKind::File, content.into()));
        Ok(self)
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// When the path of the link (not its target) leaves the tree.
    pub fn symlink(mut self, path: &str, target: &str) -> Result<Self> {
        let target = Bytes::copy_from_slice(target.as_bytes());
        self.files.insert(TreePath::parse(path)?, MemoryFile::new(EntryKind::Symlink, target));
        Ok(self)
    }

    fn directory_id(&self, directory: &TreePath) -> EntryId {
        let below: Vec<_> = self
            .files
            .iter()
            .filter_map(|(path, file)| Some((path.below(directory)?, file.kind, file.digest)))
            .collect();
        EntryId::new(Digest::of_json(&below).to_string())
    }
}

impl Tree for MemoryTree {
    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn entry(&self, path: &TreePath) -> Result<Option<TreeEntry>> {
        if let Some(file) = self.files.get(path) {
            let id = EntryId::new(file.digest.to_string());
            return Ok(Some(TreeEntry { path: path.clone(), kind: file.kind, id }));
        }
        let directory = path.is_root() || self.files.keys().any(|file| file.below(path).is_some());
        Ok(directory.then(|| TreeEntry { path: path.clone(), kind: EntryKind::Directory, id: self.directory_id(path) }))
    }

    fn list(&self, directory: &TreePath) -> Result<Vec<TreeEntry>> {
        match self.entry(directory)? {
            Some(TreeEntry { kind: EntryKind::Directory, .. }) => {}
            _ => return Err(Error::new(ErrorKind::NotFound, format!("there is no directory {directory}"))),
        }
        let mut names: Vec<_> =
            self.files.keys().filter_map(|file| file.below(directory)?.split('/').next().map(str::to_owned)).collect();
        names.dedup();
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            entries.extend(self.entry(&directory.join(&name)?)?);
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries.dedup_by(|a, b| a.path == b.path);
        Ok(entries)
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Bytes> {
        let MemoryFile { content, .. } =
            self.files.get(path).ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no file {path}")))?;
        if content.len() as u64 > limit {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("{path} has {} bytes, more than the {limit} allowed", content.len()),
            ));
        }
        Ok(content.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn paths_are_normalised_and_never_leave_the_tree() {
        for (text, path) in [("", ""), (".", ""), ("/", ""), ("./a//b/", "a/b"), ("a/../b", "b")] {
            assert_eq!(TreePath::parse(text).unwrap().as_str(), path);
        }
        for text in ["..", "a/../..", "a\0b"] {
            assert!(TreePath::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn below_respects_directory_borders() {
        let path = TreePath::parse("shop/web.yaml").unwrap();
        assert_eq!(path.below(&TreePath::parse("shop").unwrap()), Some("web.yaml"));
        assert_eq!(path.below(&TreePath::parse("sho").unwrap()), None);
        assert_eq!(path.below(&TreePath::root()), Some("shop/web.yaml"));
    }

    #[test]
    fn a_directory_keeps_its_id_when_something_else_changes() {
        let tree = |web: &'static str, other: &'static str| {
            MemoryTree::new("r".into()).file("a/web.yaml", web).unwrap().file("b.yaml", other).unwrap()
        };
        let id = |tree: &MemoryTree| tree.entry(&TreePath::parse("a").unwrap()).unwrap().unwrap().id;
        assert_eq!(id(&tree("1", "1")), id(&tree("1", "2")));
        assert_ne!(id(&tree("1", "1")), id(&tree("2", "1")));
        let names: Vec<_> = tree("", "").list(&TreePath::root()).unwrap().into_iter().map(|e| e.path).collect();
        assert_eq!(names, [TreePath::parse("a").unwrap(), TreePath::parse("b.yaml").unwrap()]);
    }
}

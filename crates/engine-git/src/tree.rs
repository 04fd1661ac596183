//! The files of one commit, read from the object database.

use std::sync::Arc;

use bytes::Bytes;
use gitops_engine_core::{EntryId, EntryKind, Error, ErrorKind, Result, Revision, Tree, TreeEntry, TreePath};
use gix::ObjectId;
use gix::bstr::{BStr, ByteSlice};
use gix::objs::Kind;

use crate::error::from_gix;
use crate::odb::{METADATA_LIMIT, Repo, entry_kind, expect};

/// A [`Tree`] without a checkout.
///
/// Git allows names that are not UTF-8; such a name is shown with `U+FFFD` for what cannot be read, and can be read
/// back by that name.
pub(crate) struct GitTree {
    repo: Arc<Repo>,
    revision: Revision,
    root: ObjectId,
}

impl GitTree {
    pub(crate) fn new(repo: Arc<Repo>, revision: Revision, commit: ObjectId) -> Result<Self> {
        let root = repo.root_tree(commit)?;
        Ok(Self { repo, revision, root })
    }

    fn find(&self, repo: &gix::Repository, path: &TreePath) -> Result<Option<(EntryKind, ObjectId)>> {
        find_entry(repo, self.root, path).map_err(|error| self.placed(error, path))
    }

    fn placed(&self, error: Error, path: &TreePath) -> Error {
        let message = format!("{path} at {} in {}: {}", self.revision.short(), self.repo.name(), error.message());
        Error::new(error.kind(), message)
    }

    fn missing(&self, what: &str, path: &TreePath) -> Error {
        let message = format!("there is no {what} {path} at {} in {}", self.revision.short(), self.repo.name());
        Error::new(ErrorKind::NotFound, message)
    }
}

impl Tree for GitTree {
    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn entry(&self, path: &TreePath) -> Result<Option<TreeEntry>> {
        let found = self.repo.with(|repo| self.find(repo, path))?;
        Ok(found.map(|(kind, id)| TreeEntry { path: path.clone(), kind, id: EntryId::new(id.to_string()) }))
    }

    fn list(&self, directory: &TreePath) -> Result<Vec<TreeEntry>> {
        self.repo.with(|repo| {
            let id = match self.find(repo, directory)? {
                Some((EntryKind::Directory, id)) => id,
                Some(_) | None => return Err(self.missing("directory", directory)),
            };
            list(repo, id, directory).map_err(|error| self.placed(error, directory))
        })
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Bytes> {
        self.repo.with(|repo| {
            let id = match self.find(repo, path)? {
                Some((EntryKind::File | EntryKind::Symlink, id)) => id,
                Some(_) | None => return Err(self.missing("file", path)),
            };
            // The header of an object costs a few bytes; a hostile blob is refused before it is unpacked.
            expect(repo, id, Kind::Blob, limit).map_err(|error| self.placed(error, path))?;
            let broken = |error| self.placed(from_gix(error, format!("blob {id} cannot be read")), path);
            Ok(Bytes::from(repo.find_blob(id).map_err(broken)?.take_data()))
        })
    }
}

/// The entry at a path below a tree object.
pub(crate) fn find_entry(
    repo: &gix::Repository,
    root: ObjectId,
    path: &TreePath,
) -> Result<Option<(EntryKind, ObjectId)>> {
    let mut found = (EntryKind::Directory, root);
    for part in path.parts() {
        if found.0 != EntryKind::Directory {
            return Ok(None);
        }
        let tree = open_tree(repo, found.1)?;
        let entries = gix::objs::TreeRefIter::from_bytes(&tree.data, repo.object_hash());
        let mut next = None;
        for entry in entries {
            let entry = entry.map_err(|error| from_gix(error, format!("directory {} is damaged", found.1)))?;
            if is_named(entry.filename, part) {
                next = Some((entry_kind(entry.mode), entry.oid.to_owned()));
                break;
            }
        }
        match next {
            Some(next) => found = next,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn list(repo: &gix::Repository, id: ObjectId, directory: &TreePath) -> Result<Vec<TreeEntry>> {
    let tree = open_tree(repo, id)?;
    let mut entries = Vec::new();
    for entry in gix::objs::TreeRefIter::from_bytes(&tree.data, repo.object_hash()) {
        let entry = entry.map_err(|error| from_gix(error, format!("directory {id} is damaged")))?;
        entries.push(TreeEntry {
            path: directory.join(&checked_name(entry.filename)?)?,
            kind: entry_kind(entry.mode),
            id: EntryId::new(entry.oid.to_string()),
        });
    }
    // Git sorts a directory as if its name ended in `/`.
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn open_tree(repo: &gix::Repository, id: ObjectId) -> Result<gix::Tree<'_>> {
    expect(repo, id, Kind::Tree, METADATA_LIMIT)?;
    repo.find_tree(id).map_err(|error| from_gix(error, format!("directory {id} cannot be read")))
}

/// A name of a directory entry as text. A hostile repository can hold names that Git itself refuses to create.
pub(crate) fn checked_name(name: &BStr) -> Result<String> {
    match name.as_bytes() {
        b"" | b"." | b".." => {}
        bytes if bytes.contains(&b'/') || bytes.contains(&0) => {}
        _ => return Ok(name.to_str_lossy().into_owned()),
    }
    Err(Error::new(ErrorKind::Corrupt, format!("an entry is named {name:?}, which no file can be")))
}

fn is_named(name: &BStr, part: &str) -> bool {
    name == part.as_bytes() || (part.contains('\u{FFFD}') && name.to_str_lossy() == part)
}

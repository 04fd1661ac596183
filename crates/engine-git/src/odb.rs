//! The object database of one repository on disk, shared by readers that do not wait for each other.

use std::path::Path;

use gitops_engine_core::{EntryKind, Error, ErrorKind, Result, Revision};
use gix::ObjectId;
use gix::objs::Kind;
use gix::objs::tree::EntryMode;
use parking_lot::Mutex;

use crate::error::from_gix;

/// Handles kept for reuse. A handle carries the memory maps and caches that make the next read cheap.
const IDLE_HANDLES: usize = 32;

/// Enough for decoded directories and delta bases of one handle.
const OBJECT_CACHE: usize = 4 << 20;

/// Every fetch adds a pack, and gix fixes the number of packs that one open store can map when it is opened.
const PACK_SLOTS: u16 = 4096;

/// Commits and directories larger than this are hostile: Git itself becomes unusable long before.
pub(crate) const METADATA_LIMIT: u64 = 64 << 20;

/// The largest single object that gix may unpack for us: a pack can claim any size in a few bytes.
pub(crate) const ALLOCATION_LIMIT: usize = 1 << 30;

pub(crate) struct Repo {
    shared: gix::ThreadSafeRepository,
    // Held only to take or return a handle, never while one works.
    idle: Mutex<Vec<gix::Repository>>,
    name: String,
}

impl Repo {
    /// Opens a repository that nobody configures from outside: no user, system or environment configuration, no
    /// includes; the repository's own file is read because it names the format.
    pub(crate) fn open(path: &Path, name: &str) -> Result<Self> {
        let shared = options().open(path).map_err(|error| {
            if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
                return Error::new(ErrorKind::NotFound, format!("there is nothing at {name}"));
            }
            from_gix(error, format!("{name} cannot be opened as a Git repository"))
        })?;
        Ok(Self { shared, idle: Mutex::default(), name: name.to_owned() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Works with a handle of one's own.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&gix::Repository) -> T) -> T {
        let handle = self.idle.lock().pop();
        let handle = handle.unwrap_or_else(|| {
            let mut handle = self.shared.to_thread_local();
            handle.object_cache_size(OBJECT_CACHE);
            handle
        });
        let result = work(&handle);
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_HANDLES {
            idle.push(handle);
        }
        result
    }

    /// The id of a commit that is here.
    pub(crate) fn commit_id(&self, revision: &Revision) -> Result<ObjectId> {
        let id = parse_id(revision.as_str())?;
        if self.has_commit(id)? { Ok(id) } else { Err(no_such_revision(revision.as_str(), &self.name)) }
    }

    /// Whether a commit is here.
    pub(crate) fn has_commit(&self, id: ObjectId) -> Result<bool> {
        let header = self
            .with(|repo| repo.try_find_header(id))
            .map_err(|error| from_gix(error, format!("commit {id} of {} cannot be read", self.name)))?;
        match header.map(|header| header.kind()) {
            None => Ok(false),
            Some(Kind::Commit) => Ok(true),
            Some(kind) => {
                Err(Error::new(ErrorKind::InvalidInput, format!("{id} in {} is a {kind}, not a commit", self.name)))
            }
        }
    }

    /// Follows annotated tags to a commit. `Ok(None)` when an object on the way is not here.
    pub(crate) fn peel(&self, id: ObjectId) -> Result<Option<ObjectId>> {
        self.with(|repo| {
            let mut id = id;
            // Tags of tags are legal; a chain this long is not an accident.
            for _ in 0..32 {
                let broken = |error| from_gix(error, format!("object {id} of {} cannot be read", self.name));
                let Some(header) = repo.try_find_header(id).map_err(broken)? else { return Ok(None) };
                match header.kind() {
                    Kind::Commit => return Ok(Some(id)),
                    Kind::Tag => {
                        check_size(header.size(), METADATA_LIMIT, || format!("tag {id}"))?;
                        let tag = repo.find_tag(id).map_err(broken)?;
                        id = tag.target_id().map_err(broken)?.detach();
                    }
                    kind => {
                        let message = format!("{id} in {} is a {kind}, not a commit", self.name);
                        return Err(Error::new(ErrorKind::InvalidInput, message));
                    }
                }
            }
            Err(Error::new(ErrorKind::LimitExceeded, format!("tag {id} of {} is a tag of too many tags", self.name)))
        })
    }

    /// The root directory of a commit.
    pub(crate) fn root_tree(&self, commit: ObjectId) -> Result<ObjectId> {
        self.with(|repo| {
            let broken = |error| from_gix(error, format!("commit {commit} of {} cannot be read", self.name));
            expect(repo, commit, Kind::Commit, METADATA_LIMIT)?;
            Ok(repo.find_commit(commit).map_err(broken)?.tree_id().map_err(broken)?.detach())
        })
    }
}

pub(crate) fn options() -> gix::open::Options {
    gix::open::Options::isolated().object_store_slots(gix::odb::store::init::Slots::Given(PACK_SLOTS)).config_overrides(
        [
            format!("gitoxide.objects.allocLimit={ALLOCATION_LIMIT}"),
            // A revision is what its id says: no `refs/replace` puts another in its place.
            "core.useReplaceRefs=false".to_owned(),
        ],
    )
}

/// Makes sure that an object is there, is of a kind, and is not larger than `limit`, before anything of that size is
/// allocated. Something else refers to the object, so a store without it is damaged.
pub(crate) fn expect(repo: &gix::Repository, id: ObjectId, kind: Kind, limit: u64) -> Result<()> {
    let header = repo.try_find_header(id).map_err(|error| from_gix(error, format!("{kind} {id} cannot be read")))?;
    let damaged = |what: String| Error::new(ErrorKind::Corrupt, what);
    let header = header.ok_or_else(|| damaged(format!("{kind} {id} is missing from the store")))?;
    if header.kind() != kind {
        return Err(damaged(format!("{id} is a {}, and a {kind} was expected", header.kind())));
    }
    check_size(header.size(), limit, || format!("{kind} {id}"))
}

pub(crate) fn check_size(size: u64, limit: u64, what: impl FnOnce() -> String) -> Result<()> {
    if size <= limit {
        return Ok(());
    }
    Err(Error::new(ErrorKind::LimitExceeded, format!("{} has {size} bytes, more than the {limit} allowed", what())))
}

/// Reads the id of a commit.
pub(crate) fn parse_id(text: &str) -> Result<ObjectId> {
    ObjectId::from_hex(text.as_bytes()).map_err(|_| match text.len() {
        64 if text.bytes().all(|c| c.is_ascii_hexdigit()) => {
            Error::new(ErrorKind::Unsupported, format!("{text:?} is the id of a SHA-256 repository"))
                .help("only SHA-1 repositories are supported")
        }
        _ => Error::new(ErrorKind::InvalidInput, format!("{text:?} is not the id of a commit"))
            .help("a commit is named by its full id of 40 hex digits"),
    })
}

pub(crate) fn no_such_revision(what: &str, name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no commit {what} in {name}"))
}

pub(crate) fn entry_kind(mode: EntryMode) -> EntryKind {
    use gix::objs::tree::EntryKind as Git;
    match mode.kind() {
        Git::Tree => EntryKind::Directory,
        Git::Blob | Git::BlobExecutable => EntryKind::File,
        Git::Link => EntryKind::Symlink,
        Git::Commit => EntryKind::Submodule,
    }
}

//! Writing commits into a repository on this machine, without a checkout and without the Git program.
//!
//! For write-back into a local repository, for demos and for tests. Names and times come from the caller, so equal calls
//! give equal commit ids.

use std::path::Path;

use bytes::Bytes;
use gitops_engine_core::{Error, ErrorKind, Result, Revision, Timestamp, TreePath};
use gix::ObjectId;
use gix::objs::tree::EntryKind;
use gix::refs::transaction::{Change as RefChange, LogChange, PreviousValue, RefEdit};
use gix::refs::{FullName, Target};

use crate::error::from_gix;
use crate::odb;

/// Who wrote a commit or a tag, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name of the person or program.
    pub name: String,
    /// The address.
    pub email: String,
    /// The time, in seconds as Git keeps it.
    pub time: Timestamp,
}

impl Signature {
    /// A signature.
    pub fn new(name: impl Into<String>, email: impl Into<String>, time: Timestamp) -> Self {
        Self { name: name.into(), email: email.into(), time }
    }

    fn to_git(&self) -> Result<gix::actor::Signature> {
        for text in [&self.name, &self.email] {
            // These would end the line of the commit object early.
            if text.contains(['\n', '<', '>', '\0']) {
                let message = format!("{text:?} cannot stand in a signature of Git");
                return Err(Error::new(ErrorKind::InvalidInput, message).help("leave out <, > and line breaks"));
            }
        }
        Ok(gix::actor::Signature {
            name: self.name.trim().into(),
            email: self.email.trim().into(),
            time: gix::date::Time::new(self.time.as_second(), 0),
        })
    }
}

/// A change of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    path: TreePath,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    File(Bytes),
    Executable(Bytes),
    Symlink(String),
    Submodule(Revision),
    Removed,
}

impl Change {
    /// A file with this content, new or in place of what is there.
    ///
    /// # Errors
    /// When the path leaves the tree or is its root.
    pub fn file(path: &str, content: impl Into<Bytes>) -> Result<Self> {
        Self::new(path, Content::File(content.into()))
    }

    /// An executable file.
    ///
    /// # Errors
    /// As [`Change::file`].
    pub fn executable(path: &str, content: impl Into<Bytes>) -> Result<Self> {
        Self::new(path, Content::Executable(content.into()))
    }

    /// A symbolic link.
    ///
    /// # Errors
    /// As [`Change::file`]; the target may be anything.
    pub fn symlink(path: &str, target: impl Into<String>) -> Result<Self> {
        Self::new(path, Content::Symlink(target.into()))
    }

    /// A link to a commit of another repository.
    ///
    /// # Errors
    /// As [`Change::file`].
    pub fn submodule(path: &str, revision: Revision) -> Result<Self> {
        Self::new(path, Content::Submodule(revision))
    }

    /// Nothing at this path any more, nor below it. Nothing there before is fine.
    ///
    /// # Errors
    /// As [`Change::file`].
    pub fn remove(path: &str) -> Result<Self> {
        Self::new(path, Content::Removed)
    }

    fn new(path: &str, content: Content) -> Result<Self> {
        let path = TreePath::parse(path)?;
        if path.is_root() {
            return Err(Error::new(ErrorKind::InvalidInput, "a change needs the path of a file, not the root"));
        }
        Ok(Self { path, content })
    }
}

/// A repository on this machine that can be written to.
pub struct LocalRepository {
    repo: gix::ThreadSafeRepository,
    name: String,
}

impl std::fmt::Debug for LocalRepository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalRepository").field("path", &self.name).finish()
    }
}

impl LocalRepository {
    /// Makes a bare repository with `main` as its default branch, in a directory that is empty or not there yet.
    ///
    /// # Errors
    /// When the directory is not empty or cannot be written.
    pub fn init(path: &Path) -> Result<Self> {
        Self::create(path, gix::create::Kind::Bare)
    }

    /// Makes a repository with a work tree and `main` as its default branch. Commits do not touch the work tree.
    ///
    /// # Errors
    /// As [`LocalRepository::init`].
    pub fn init_with_worktree(path: &Path) -> Result<Self> {
        Self::create(path, gix::create::Kind::WithWorktree)
    }

    fn create(path: &Path, kind: gix::create::Kind) -> Result<Self> {
        let name = path.display().to_string();
        let options = gix::create::Options { destination_must_be_empty: Some(true), ..Default::default() };
        let repo = gix::ThreadSafeRepository::init_opts(path, kind, options, odb::options())
            .map_err(|error| from_gix(error, format!("a Git repository cannot be made at {name}")))?;
        Ok(Self { repo, name })
    }

    /// Opens a repository, bare or not.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let repo = odb::options()
            .open(path)
            .map_err(|error| from_gix(error, format!("{name} cannot be opened as a Git repository")))?;
        Ok(Self { repo, name })
    }

    /// Adds a commit to a branch, which is made when it is not there. No changes make an empty commit.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when somebody else moved the branch meanwhile: nothing changed, commit again.
    /// [`ErrorKind::InvalidInput`] when the name of the branch or a path is not one that Git allows.
    pub fn commit(&self, branch: &str, message: &str, by: &Signature, changes: &[Change]) -> Result<Revision> {
        self.commit_merging(branch, message, by, changes, &[])
    }

    /// As [`LocalRepository::commit`], with more parents: a merge. The content is that of the branch with the changes.
    ///
    /// # Errors
    /// As [`LocalRepository::commit`], and when a parent is not the full id of a commit.
    pub fn commit_merging(
        &self,
        branch: &str,
        message: &str,
        by: &Signature,
        changes: &[Change],
        merged: &[Revision],
    ) -> Result<Revision> {
        let repo = self.repo.to_thread_local();
        let reference = full_name(&format!("refs/heads/{branch}"))?;
        let broken = |error: gix::Error| from_gix(error, format!("branch {branch:?} of {}", self.name));
        let tip = match repo.try_find_reference(reference.as_ref()).map_err(broken)? {
            Some(mut tip) => Some(tip.peel_to_commit().map_err(broken)?),
            None => None,
        };
        let base = match &tip {
            Some(tip) => tip.tree_id().map_err(broken)?.detach(),
            None => ObjectId::empty_tree(repo.object_hash()),
        };
        let tree = edit(&repo, base, changes).map_err(|error| {
            from_gix(error, format!("the changes of {message:?} cannot be written to {}", self.name))
        })?;
        let mut parents: Vec<ObjectId> = tip.iter().map(|tip| tip.id).collect();
        for parent in merged {
            parents.push(odb::parse_id(parent.as_str())?);
        }
        let by = by.to_git()?;
        let commit = gix::objs::Commit {
            tree,
            parents: parents.into_iter().collect(),
            author: by.clone(),
            committer: by,
            encoding: None,
            message: message.into(),
            extra_headers: Vec::new(),
        };
        let id = repo.write_object(&commit).map_err(broken)?.detach();
        let expected =
            tip.map_or(PreviousValue::MustNotExist, |tip| PreviousValue::MustExistAndMatch(Target::Object(tip.id)));
        self.point(repo, reference, id, expected)?;
        Ok(Revision::new(id.to_string()))
    }

    /// Points a branch to a commit, wherever it was before.
    ///
    /// # Errors
    /// When the name or the id is not valid.
    pub fn set_branch(&self, branch: &str, revision: &Revision) -> Result<()> {
        self.set_reference(&format!("refs/heads/{branch}"), revision)
    }

    /// Points a full reference, such as `refs/pull/1/head`, to a commit, wherever it was before.
    ///
    /// # Errors
    /// When the name or the id is not valid.
    pub fn set_reference(&self, name: &str, revision: &Revision) -> Result<()> {
        let repo = self.repo.to_thread_local();
        self.point(repo, full_name(name)?, odb::parse_id(revision.as_str())?, PreviousValue::Any)
    }

    /// Removes a full reference. It is fine when it is not there.
    ///
    /// # Errors
    /// When the name is not valid or the repository cannot be written.
    pub fn remove_reference(&self, name: &str) -> Result<()> {
        let edit = RefEdit {
            change: RefChange::Delete {
                expected: PreviousValue::Any,
                log: gix::refs::transaction::RefLog::AndReference,
            },
            name: full_name(name)?,
            deref: false,
        };
        self.edit_reference(self.repo.to_thread_local(), edit)
    }

    /// Adds a lightweight tag, or moves it.
    ///
    /// # Errors
    /// When the name or the id is not valid.
    pub fn tag(&self, name: &str, revision: &Revision) -> Result<()> {
        self.set_reference(&format!("refs/tags/{name}"), revision)
    }

    /// Adds an annotated tag, or moves it.
    ///
    /// # Errors
    /// When the name or the id is not valid.
    pub fn annotated_tag(&self, name: &str, revision: &Revision, message: &str, by: &Signature) -> Result<()> {
        let repo = self.repo.to_thread_local();
        let reference = full_name(&format!("refs/tags/{name}"))?;
        let tag = gix::objs::Tag {
            target: odb::parse_id(revision.as_str())?,
            target_kind: gix::objs::Kind::Commit,
            name: name.into(),
            tagger: Some(by.to_git()?),
            message: message.into(),
            signature: None,
        };
        let id = repo
            .write_object(&tag)
            .map_err(|error| from_gix(error, format!("tag {name:?} of {}", self.name)))?
            .detach();
        self.point(repo, reference, id, PreviousValue::Any)
    }

    fn point(&self, repo: gix::Repository, name: FullName, id: ObjectId, expected: PreviousValue) -> Result<()> {
        let edit = RefEdit {
            change: RefChange::Update { log: LogChange::default(), expected, new: Target::Object(id) },
            name,
            deref: false,
        };
        self.edit_reference(repo, edit)
    }

    fn edit_reference(&self, mut repo: gix::Repository, edit: RefEdit) -> Result<()> {
        let name = edit.name.to_string();
        // A reflog would need a committer for plain references, and nothing of ours reads it.
        repo.refs.write_reflog = gix::refs::store::WriteReflog::Disable;
        repo.edit_reference(edit).map(drop).map_err(|error| {
            let error = from_gix(error, format!("{name} of {} cannot be changed", self.name));
            match error.kind() {
                // A lock that is held and a tip that moved are both somebody else's change.
                ErrorKind::Internal | ErrorKind::InvalidInput | ErrorKind::Unavailable => {
                    Error::new(ErrorKind::Conflict, error.message())
                }
                _ => error,
            }
        })
    }
}

fn full_name(name: &str) -> Result<FullName> {
    FullName::try_from(name)
        .map_err(|_| Error::new(ErrorKind::InvalidInput, format!("{name:?} is not a reference that Git allows")))
}

fn edit(repo: &gix::Repository, base: ObjectId, changes: &[Change]) -> gix::Result<ObjectId> {
    let mut editor = repo.edit_tree(base)?;
    for Change { path, content } in changes {
        let path = path.as_str();
        match content {
            Content::File(bytes) => editor.upsert(path, EntryKind::Blob, repo.write_blob(bytes)?)?,
            Content::Executable(bytes) => editor.upsert(path, EntryKind::BlobExecutable, repo.write_blob(bytes)?)?,
            Content::Symlink(target) => editor.upsert(path, EntryKind::Link, repo.write_blob(target)?)?,
            Content::Submodule(revision) => {
                editor.upsert(path, EntryKind::Commit, ObjectId::from_hex(revision.as_str().as_bytes())?)?
            }
            Content::Removed => editor.remove(path)?,
        };
    }
    Ok(editor.write()?.detach())
}

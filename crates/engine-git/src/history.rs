//! The commits that changed a path.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use gitops_engine_core::{CommitInfo, EntryKind, Error, Result, Revision, Timestamp, TreePath};
use gix::ObjectId;
use gix::bstr::{BStr, ByteSlice};
use gix::objs::Kind;

use crate::error::from_gix;
use crate::odb::{METADATA_LIMIT, Repo, expect};
use crate::tree::find_entry;
use crate::worker::Interrupt;

/// A message is shown to people: what is longer was not written by one.
const MESSAGE_LIMIT: usize = 64 << 10;

/// One commit, as far as history needs it.
struct Commit {
    id: ObjectId,
    tree: ObjectId,
    /// Only those that are here: at the border of a shallow store there are none.
    parents: Vec<ObjectId>,
}

/// The commits that changed `path`, newest first by the committers' clocks, and never a commit before one that it is
/// a parent of unless those clocks say so.
///
/// The rule is Git's default
/// ([history simplification](https://git-scm.com/docs/git-log#_history_simplification)): a commit whose entry at the
/// path is the same as in a parent is skipped, and history goes on through the first such parent only. At the root,
/// every commit counts.
pub(crate) fn history(
    repo: &Repo,
    start: ObjectId,
    path: &TreePath,
    limit: usize,
    interrupt: &Interrupt,
) -> Result<Vec<CommitInfo>> {
    repo.with(|handle| {
        let shallow: HashSet<ObjectId> = handle
            .shallow_commits()
            .map_err(|error| from_gix(error, format!("the border of {} cannot be read", repo.name())))?
            .map(|commits| commits.iter().copied().collect())
            .unwrap_or_default();
        let walk = Walk { repo: handle, name: repo.name(), shallow, path };
        let mut seen = HashSet::from([start]);
        let mut queue = BinaryHeap::new();
        // Where clocks agree, the one found first comes first.
        let mut order = 0u64;
        queue.push((walk.time(start)?, Reverse(order), start));
        let mut found = Vec::new();
        while found.len() < limit {
            let Some((_, _, id)) = queue.pop() else { break };
            interrupt.check()?;
            let commit = walk.commit(id)?;
            let (changed, next) = walk.simplify(&commit)?;
            if changed {
                found.push(walk.info(&commit)?);
            }
            for parent in next {
                if seen.insert(parent) {
                    order += 1;
                    queue.push((walk.time(parent)?, Reverse(order), parent));
                }
            }
        }
        Ok(found)
    })
}

struct Walk<'a> {
    repo: &'a gix::Repository,
    name: &'a str,
    shallow: HashSet<ObjectId>,
    path: &'a TreePath,
}

impl<'a> Walk<'a> {
    fn broken(&self, id: ObjectId, error: gix::Error) -> Error {
        from_gix(error, format!("commit {id} of {} cannot be read", self.name))
    }

    fn open(&self, id: ObjectId) -> Result<gix::Commit<'a>> {
        expect(self.repo, id, Kind::Commit, METADATA_LIMIT)?;
        self.repo.find_commit(id).map_err(|error| self.broken(id, error))
    }

    fn time(&self, id: ObjectId) -> Result<i64> {
        // A clock that cannot be read is no reason to lose the history.
        Ok(self.open(id)?.time().map_or(0, |time| time.seconds))
    }

    fn commit(&self, id: ObjectId) -> Result<Commit> {
        let commit = self.open(id)?;
        let tree = commit.tree_id().map_err(|error| self.broken(id, error))?.detach();
        let mut parents = Vec::new();
        if !self.shallow.contains(&id) {
            for parent in commit.parent_ids() {
                // A store can be cut without saying so; history then ends here as well.
                if self.repo.has_object(parent) {
                    parents.push(parent.detach());
                }
            }
        }
        Ok(Commit { id, tree, parents })
    }

    /// Whether the commit changed the path, and where history goes on.
    fn simplify(&self, commit: &Commit) -> Result<(bool, Vec<ObjectId>)> {
        if self.path.is_root() {
            return Ok((true, commit.parents.clone()));
        }
        let here = self.entry(commit.tree)?;
        for parent in &commit.parents {
            let tree = self.open(*parent)?.tree_id().map_err(|error| self.broken(*parent, error))?.detach();
            if tree == commit.tree || self.entry(tree)? == here {
                return Ok((false, vec![*parent]));
            }
        }
        let changed = here.is_some() || !commit.parents.is_empty();
        Ok((changed, commit.parents.clone()))
    }

    fn entry(&self, tree: ObjectId) -> Result<Option<(EntryKind, ObjectId)>> {
        find_entry(self.repo, tree, self.path)
    }

    fn info(&self, commit: &Commit) -> Result<CommitInfo> {
        let opened = self.open(commit.id)?;
        let decoded = opened.decode().map_err(|error| self.broken(commit.id, error))?;
        let author = decoded.author().map_or_else(
            |_| "unknown".to_owned(),
            |author| format!("{} <{}>", author.name.trim().to_str_lossy(), author.email.trim().to_str_lossy()),
        );
        let seconds =
            decoded.committer().ok().and_then(|committer| committer.time().ok()).map_or(0, |time| time.seconds);
        let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        // Parents are told as the commit names them, here or not.
        let parents = decoded.parents().map(|parent| Revision::new(parent.to_string())).collect();
        Ok(CommitInfo::new(Revision::new(commit.id.to_string()), parents, author, time, text(decoded.message)))
    }
}

fn text(message: &BStr) -> String {
    let mut text = message.to_str_lossy().into_owned();
    if text.len() > MESSAGE_LIMIT {
        let end = (0..=MESSAGE_LIMIT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

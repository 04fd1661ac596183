//! The files that differ between two directories.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use gitops_engine_core::{Error, ErrorKind, PathChange, PathChangeKind, Result, TreePath};
use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice};
use gix::diff::tree::visit::{Action, Change};
use gix::diff::tree::{State, Visit};
use gix::objs::Kind;
use gix::objs::tree::EntryMode;

use crate::error::from_gix;
use crate::odb::{METADATA_LIMIT, Repo, entry_kind, expect};
use crate::worker::Interrupt;

/// More changed files and directories than this are not a change that anybody reviews, but a directory that holds
/// itself many times.
const CHANGES: usize = 1_000_000;

/// The same in bytes of paths, which deep directories with long names multiply.
const PATHS: usize = 256 << 20;

/// The files that differ between two root directories, sorted by path. Directories that are equal are not read.
pub(crate) fn changed_paths(
    repo: &Repo,
    from: ObjectId,
    to: ObjectId,
    interrupt: &Interrupt,
) -> Result<Vec<PathChange>> {
    at_most(CHANGES, repo, from, to, interrupt)
}

fn at_most(limit: usize, repo: &Repo, from: ObjectId, to: ObjectId, interrupt: &Interrupt) -> Result<Vec<PathChange>> {
    if from == to {
        return Ok(Vec::new());
    }
    repo.with(|repo| {
        let read = |id: ObjectId| {
            expect(repo, id, Kind::Tree, METADATA_LIMIT)?;
            repo.find_tree(id).map_err(|error| from_gix(error, format!("directory {id} cannot be read")))
        };
        let (from, to) = (read(from)?, read(to)?);
        let mut found = Recorder {
            interrupt,
            limit,
            steps: 0,
            bytes: 0,
            changes: Vec::new(),
            stopped: None,
            path: BString::default(),
            queue: VecDeque::new(),
        };
        let hash = repo.object_hash();
        let result = gix::diff::tree(
            gix::objs::TreeRefIter::from_bytes(&from.data, hash),
            gix::objs::TreeRefIter::from_bytes(&to.data, hash),
            State::default(),
            &repo.objects,
            &mut found,
        );
        if let Some(error) = found.stopped {
            return Err(error);
        }
        match result {
            Ok(()) => {}
            Err(gix::diff::tree::Error::Failure(error)) => {
                return Err(from_gix(error, "the commits cannot be compared"));
            }
            Err(gix::diff::tree::Error::Cancelled) => {
                return Err(Error::new(ErrorKind::Cancelled, "the comparison was cancelled"));
            }
        }
        found.changes.sort();
        found.changes.dedup();
        Ok(found.changes)
    })
}

struct Recorder<'a> {
    interrupt: &'a Interrupt,
    limit: usize,
    steps: usize,
    bytes: usize,
    changes: Vec<PathChange>,
    stopped: Option<Error>,
    path: BString,
    queue: VecDeque<BString>,
}

impl Recorder<'_> {
    /// Counts what was looked at: the comparison goes level by level and keeps the directories of a level, so those have
    /// to be bounded as well as the files.
    fn step(&mut self) -> Result<()> {
        self.interrupt.check()?;
        self.steps += 1;
        self.bytes += self.path.len();
        if self.steps > self.limit || self.bytes > PATHS {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("more than {} files differ", self.limit)));
        }
        Ok(())
    }

    fn record(&mut self, kind: PathChangeKind) -> Result<()> {
        self.step()?;
        self.changes.push(PathChange { path: TreePath::parse(&self.path.to_str_lossy())?, kind });
        Ok(())
    }

    fn is_directory(mode: EntryMode) -> bool {
        mode.is_tree()
    }
}

impl Visit for Recorder<'_> {
    fn pop_front_tracked_path_and_set_current(&mut self) {
        self.path = self.queue.pop_front().unwrap_or_default();
    }

    fn push_back_tracked_path_component(&mut self, component: &BStr) {
        self.push_path_component(component);
        self.queue.push_back(self.path.clone());
    }

    fn push_path_component(&mut self, component: &BStr) {
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(component);
    }

    fn pop_path_component(&mut self) {
        let end = self.path.rfind_byte(b'/').unwrap_or(0);
        self.path.truncate(end);
    }

    fn visit(&mut self, change: Change) -> Action {
        let recorded = match change {
            // The files below a directory are visited one by one.
            Change::Addition { entry_mode, .. } if Self::is_directory(entry_mode) => self.step(),
            Change::Deletion { entry_mode, .. } if Self::is_directory(entry_mode) => self.step(),
            Change::Addition { .. } => self.record(PathChangeKind::Added),
            Change::Deletion { .. } => self.record(PathChangeKind::Removed),
            Change::Modification { previous_entry_mode, previous_oid, entry_mode, oid } => {
                match (Self::is_directory(previous_entry_mode), Self::is_directory(entry_mode)) {
                    (true, true) => self.step(),
                    // A directory in place of a file: its files are added on their own.
                    (false, true) => self.record(PathChangeKind::Removed),
                    (true, false) => self.record(PathChangeKind::Added),
                    // A tree does not show whether a file is executable.
                    (false, false)
                        if previous_oid == oid && entry_kind(previous_entry_mode) == entry_kind(entry_mode) =>
                    {
                        Ok(())
                    }
                    (false, false) => self.record(PathChangeKind::Modified),
                }
            }
        };
        match recorded {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.stopped = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use gix::objs::Tree;
    use gix::objs::tree::{Entry, EntryKind};

    #[test]
    fn a_directory_that_holds_itself_many_times_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        crate::write::LocalRepository::init(dir.path()).unwrap();
        let repo = Repo::open(dir.path(), "bomb").unwrap();
        let (empty, bomb) = repo.with(|repo| {
            let write = |entries| repo.write_object(Tree { entries }).unwrap().detach();
            let mut id = repo.write_blob("x").unwrap().detach();
            let mut kind = EntryKind::Blob;
            // Thirty levels of two names each for the same directory: 2^30 files.
            for _ in 0..30 {
                let entry = |name: &str| Entry { mode: kind.into(), filename: name.into(), oid: id };
                id = write(vec![entry("a"), entry("b")]);
                kind = EntryKind::Tree;
            }
            (write(Vec::new()), id)
        });
        let error = at_most(1000, &repo, empty, bomb, &Interrupt::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
        let interrupt = Interrupt::default();
        interrupt.trigger();
        let error = at_most(usize::MAX, &repo, empty, bomb, &interrupt).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    }
}

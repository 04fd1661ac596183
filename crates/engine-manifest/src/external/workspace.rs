//! Files of a tree, written down for a program: those that it needs, in a private directory that goes away again.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use gitops_engine_core::{EntryKind, Error, ErrorKind, Input, Place, Tree, TreeEntry, TreePath};
use tempfile::TempDir;

use crate::blocking::Cancel;
use crate::inputs;
use crate::limits::TreeLimits;
use crate::links::{Resolved, resolve};

pub(super) struct Workspace<'a> {
    tree: &'a dyn Tree,
    limits: &'a TreeLimits,
    cancel: &'a Cancel,
    /// Removed when dropped.
    _temporary: TempDir,
    root: PathBuf,
    /// What is written, or will be.
    written: BTreeSet<TreePath>,
    inputs: Vec<Input>,
    bytes: u64,
    files: usize,
}

impl<'a> Workspace<'a> {
    pub(super) fn new(tree: &'a dyn Tree, limits: &'a TreeLimits, cancel: &'a Cancel) -> Result<Self, Error> {
        // Private to this user, as `tempfile` makes it.
        let temporary = tempfile::Builder::new().prefix("gitops-engine-").tempdir().map_err(disk)?;
        let root = temporary.path().canonicalize().map_err(disk)?;
        for name in ["tree", "home", "values"] {
            fs::create_dir(root.join(name)).map_err(disk)?;
        }
        Ok(Self {
            tree,
            limits,
            cancel,
            _temporary: temporary,
            root,
            written: BTreeSet::new(),
            inputs: Vec::new(),
            bytes: 0,
            files: 0,
        })
    }

    /// The directory that holds all.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Where an entry of the tree is written.
    pub(super) fn path(&self, path: &TreePath) -> PathBuf {
        self.root.join("tree").join(path.as_str())
    }

    /// Writes a file that does not come from the tree. Returns its path below [`Workspace::root`].
    pub(super) fn extra(&self, name: &str, content: &[u8]) -> Result<String, Error> {
        let path = format!("values/{name}");
        fs::write(self.root.join(&path), content).map_err(disk)?;
        Ok(path)
    }

    /// What was read.
    pub(super) fn into_inputs(self) -> Vec<Input> {
        inputs::pruned(self.inputs)
    }

    /// The error without the names of the private directory: they differ from run to run, and tell nobody anything.
    pub(super) fn clean(&self, error: Error) -> Error {
        let (root, tree) = (self.root.display().to_string(), self.root.join("tree").display().to_string());
        if !error.message().contains(&root) {
            return error;
        }
        let message = error.message().replace(&format!("{tree}/"), "").replace(&tree, ".").replace(&root, "");
        Error::new(error.kind(), message)
    }

    /// Notes that an entry was read, without writing it.
    pub(super) fn note(&mut self, resolved: &Resolved) {
        let entries = resolved.links.iter().chain(&resolved.entry);
        self.inputs.extend(entries.map(|entry| Input { path: entry.path.clone(), id: entry.id.clone() }));
    }

    /// Writes a file, or a directory with all below it, and what links there lead to.
    pub(super) fn add(&mut self, resolved: Resolved) -> Result<(), Error> {
        let mut todo = vec![resolved];
        while let Some(resolved) = todo.pop() {
            self.note(&resolved);
            for link in &resolved.links {
                self.link(link)?;
            }
            match resolved.entry {
                Some(entry) if entry.kind == EntryKind::Directory => self.directory(&entry.path, 0, &mut todo)?,
                Some(entry) if entry.kind == EntryKind::File => self.file(&entry)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn directory(&mut self, path: &TreePath, depth: usize, todo: &mut Vec<Resolved>) -> Result<(), Error> {
        if !self.written.insert(path.clone()) {
            return Ok(());
        }
        if depth > self.limits.depth {
            return Err(self.limit(path, format!("directories nest deeper than the {} allowed", self.limits.depth)));
        }
        fs::create_dir_all(self.path(path)).map_err(disk)?;
        for entry in self.tree.list(path)? {
            self.cancel.check()?;
            match entry.kind {
                EntryKind::Directory => self.directory(&entry.path, depth + 1, todo)?,
                EntryKind::File => self.file(&entry)?,
                EntryKind::Symlink => {
                    let resolved = resolve(self.tree, &entry.path)?;
                    // One that leads nowhere is left out: the program can only fail on it.
                    if resolved.entry.is_some() && !self.written.contains(&entry.path) {
                        todo.push(resolved);
                    }
                }
                EntryKind::Submodule => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, entry: &TreeEntry) -> Result<(), Error> {
        if !self.written.insert(entry.path.clone()) {
            return Ok(());
        }
        self.files += 1;
        if self.files > self.limits.files {
            return Err(self.limit(&entry.path, format!("there are more than the {} files allowed", self.limits.files)));
        }
        let place = || Place::file(entry.path.clone());
        let bytes = self.tree.read(&entry.path, self.limits.file_bytes).map_err(|error| error.at(place()))?;
        self.bytes += bytes.len() as u64;
        if self.bytes > self.limits.total_bytes {
            let message = format!("the files have more than the {} bytes allowed", self.limits.total_bytes);
            return Err(self.limit(&entry.path, message));
        }
        let path = self.path(&entry.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(disk)?;
        }
        fs::File::create_new(path).and_then(|mut file| file.write_all(&bytes)).map_err(|error| disk(error).at(place()))
    }

    /// Writes a link. The caller knows that it leads to something inside of the tree.
    fn link(&mut self, entry: &TreeEntry) -> Result<(), Error> {
        if !self.written.insert(entry.path.clone()) {
            return Ok(());
        }
        let target = self.tree.read(&entry.path, self.limits.file_bytes)?;
        let path = self.path(&entry.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(disk)?;
        }
        symlink(&String::from_utf8_lossy(&target), &path)
            .map_err(|error| disk(error).at(Place::file(entry.path.clone())))
    }

    fn limit(&self, path: &TreePath, message: String) -> Error {
        Error::new(ErrorKind::LimitExceeded, message)
            .at(Place::file(path.clone()))
            .help("keep what is rendered in directories of its own, or raise the limit")
    }
}

#[cfg(unix)]
fn symlink(target: &str, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn symlink(_target: &str, _path: &Path) -> std::io::Result<()> {
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "symbolic links are written on Unix only"))
}

fn disk(error: std::io::Error) -> Error {
    let message = format!("the files cannot be written to a temporary directory: {error}");
    Error::new(ErrorKind::Unavailable, message).caused_by(error)
}

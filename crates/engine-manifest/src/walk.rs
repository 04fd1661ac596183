//! Which files of a directory are manifests.

use gitops_engine_core::{EntryKind, Error, ErrorKind, Input, Place, Tree, TreeEntry, TreePath};
use globset::GlobSet;

use crate::limits::TreeLimits;
use crate::links::{Resolved, resolve};

/// What to look for.
pub(crate) struct Selection<'a> {
    pub recurse: bool,
    /// Matched against the path below the directory. `None`: all.
    pub include: Option<&'a GlobSet>,
    pub exclude: &'a GlobSet,
    pub limits: &'a TreeLimits,
}

/// A file to read.
#[derive(Debug)]
pub(crate) struct Found {
    /// As a person sees it in the directory; it may go through links.
    pub path: TreePath,
    /// Where its content is.
    pub real: TreePath,
}

#[derive(Default)]
pub(crate) struct Walked {
    /// Sorted by path.
    pub files: Vec<Found>,
    /// What was read to know this.
    pub inputs: Vec<Input>,
    pub errors: Vec<Error>,
    pub warnings: Vec<Error>,
    /// How many directories were left out because recursion was not asked for.
    pub directories_left: usize,
}

/// The directory at a path, with links followed.
pub(crate) fn directory(tree: &dyn Tree, path: &TreePath) -> Result<Resolved, Error> {
    let resolved = resolve(tree, path)?;
    let wrong = match resolved.entry.as_ref().map(|entry| entry.kind) {
        Some(EntryKind::Directory) => return Ok(resolved),
        Some(EntryKind::Submodule) => Error::new(ErrorKind::Unsupported, "this is a submodule, and those are not read")
            .help("make the repository of the submodule a source of its own"),
        Some(_) => Error::new(ErrorKind::InvalidInput, "this is a file").help("name the directory that holds it"),
        None => Error::new(ErrorKind::NotFound, format!("there is no such directory at {}", tree.revision()))
            .help("correct the path; it counts from the root of the repository"),
    };
    Err(wrong.at(Place::file(path.clone())))
}

/// Whether the name says that a file holds manifests.
fn is_manifest(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "yaml" | "yml" | "json")))
}

/// Looks through a directory.
pub(crate) fn walk(tree: &dyn Tree, path: &TreePath, selection: &Selection<'_>) -> Walked {
    let mut walk = Walk {
        tree,
        selection,
        base: path,
        real_base: path.clone(),
        chain: Vec::new(),
        seen: 0,
        out: Walked::default(),
    };
    match directory(tree, path) {
        Ok(Resolved { entry: Some(entry), links }) => {
            walk.real_base = entry.path.clone();
            walk.out.inputs.extend(links.into_iter().map(input));
            walk.out.inputs.push(input(entry.clone()));
            if let Err(error) = walk.enter(path, entry) {
                walk.out.errors.push(error);
            }
        }
        Ok(Resolved { entry: None, .. }) => {}
        Err(error) => walk.out.errors.push(error),
    }
    let mut out = walk.out;
    out.files.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

fn input(entry: TreeEntry) -> Input {
    Input { path: entry.path, id: entry.id }
}

struct Walk<'a> {
    tree: &'a dyn Tree,
    selection: &'a Selection<'a>,
    /// The directory as it was asked for, and where it really is.
    base: &'a TreePath,
    real_base: TreePath,
    /// The real directories from the base to here: entering one of them again would not end.
    chain: Vec<TreePath>,
    seen: usize,
    out: Walked,
}

impl Walk<'_> {
    /// Looks through one directory. An error ends the whole walk: a limit, or a store that cannot be read.
    fn enter(&mut self, path: &TreePath, real: TreeEntry) -> Result<(), Error> {
        if self.chain.contains(&real.path) {
            let message = format!("this leads back to {}, which contains it", real.path);
            self.out.errors.push(Error::new(ErrorKind::InvalidInput, message).at(Place::file(path.clone())));
            return Ok(());
        }
        if self.chain.len() > self.selection.limits.depth {
            let message = format!("directories nest deeper than the {} allowed", self.selection.limits.depth);
            return Err(Error::new(ErrorKind::LimitExceeded, message).at(Place::file(path.clone())));
        }
        let entries = self.tree.list(&real.path)?;
        self.chain.push(real.path);
        for entry in entries {
            self.seen += 1;
            if self.seen > self.selection.limits.entries {
                let message = format!("there are more than the {} entries allowed", self.selection.limits.entries);
                return Err(Error::new(ErrorKind::LimitExceeded, message)
                    .at(Place::file(self.base.clone()))
                    .help("exclude directories that hold no manifests, or raise the limit"));
            }
            let path = path.join(entry.path.file_name())?;
            self.entry(path, entry)?;
        }
        self.chain.pop();
        Ok(())
    }

    fn entry(&mut self, path: TreePath, entry: TreeEntry) -> Result<(), Error> {
        let below = path.below(self.base).unwrap_or_default();
        if self.selection.exclude.is_match(below) {
            return Ok(());
        }
        match entry.kind {
            EntryKind::File => self.file(path, entry),
            EntryKind::Directory if self.selection.recurse => self.enter(&path, entry),
            EntryKind::Directory => {
                self.out.directories_left += 1;
                Ok(())
            }
            EntryKind::Symlink => self.link(path, &entry),
            EntryKind::Submodule => {
                if self.selection.recurse {
                    self.out.warnings.push(
                        Error::new(ErrorKind::Unsupported, "this is a submodule, and was not read")
                            .at(Place::file(path))
                            .help("make the repository of the submodule a source of its own"),
                    );
                }
                Ok(())
            }
        }
    }

    fn link(&mut self, path: TreePath, link: &TreeEntry) -> Result<(), Error> {
        if !self.selection.recurse && !self.selects(&path) {
            return Ok(());
        }
        let place = Place::file(path.clone());
        let resolved = match resolve(self.tree, &link.path) {
            Ok(resolved) => resolved,
            Err(error) => {
                self.out.errors.push(error.at(place));
                return Ok(());
            }
        };
        for entry in resolved.links.iter().chain(&resolved.entry) {
            if entry.path.below(&self.real_base).is_none() {
                self.out.inputs.push(input(entry.clone()));
            }
        }
        match resolved.entry {
            Some(entry) if entry.kind == EntryKind::File => self.file(path, entry),
            Some(entry) if entry.kind == EntryKind::Directory => {
                if self.selection.recurse {
                    self.enter(&path, entry)
                } else {
                    Ok(())
                }
            }
            Some(_) => {
                let message = "this symbolic link leads to a submodule, and those are not read";
                self.out.errors.push(Error::new(ErrorKind::Unsupported, message).at(place));
                Ok(())
            }
            None => {
                let message = "this symbolic link leads to nothing";
                self.out.errors.push(Error::new(ErrorKind::InvalidInput, message).at(place));
                Ok(())
            }
        }
    }

    fn file(&mut self, path: TreePath, real: TreeEntry) -> Result<(), Error> {
        if self.is_included(&path) && path.file_name().ends_with(".jsonnet") {
            // Other tools render these: leaving their objects out would prune them.
            self.out.errors.push(
                Error::new(ErrorKind::Unsupported, "Jsonnet is not rendered here")
                    .at(Place::file(path))
                    .help("exclude the file, or commit what it renders to"),
            );
            return Ok(());
        }
        if !self.selects(&path) {
            return Ok(());
        }
        if self.out.files.len() == self.selection.limits.files {
            let message = format!("there are more than the {} files allowed", self.selection.limits.files);
            return Err(Error::new(ErrorKind::LimitExceeded, message)
                .at(Place::file(self.base.clone()))
                .help("split the directory, or raise the limit"));
        }
        self.out.files.push(Found { path, real: real.path });
        Ok(())
    }

    fn selects(&self, path: &TreePath) -> bool {
        is_manifest(path.file_name()) && self.is_included(path)
    }

    fn is_included(&self, path: &TreePath) -> bool {
        self.selection.include.is_none_or(|include| include.is_match(path.below(self.base).unwrap_or_default()))
    }
}

//! Symbolic links, followed inside of the tree and never out of it.

use gitops_engine_core::{EntryKind, Error, ErrorKind, Place, Tree, TreeEntry, TreePath};

/// As many links as Linux follows in one path.
const MOST_HOPS: usize = 40;

/// The longest target of a link that is read, as on Linux.
const LONGEST_TARGET: u64 = 4096;

/// Where a path leads when every link on it is followed.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// What is there: never a link. `None` when nothing is there.
    pub entry: Option<TreeEntry>,
    /// The links that were followed, in order.
    pub links: Vec<TreeEntry>,
}

/// Follows all links of a path.
///
/// The error names the link that leaves the tree, or that is one too many.
pub(crate) fn resolve(tree: &dyn Tree, path: &TreePath) -> Result<Resolved, Error> {
    let mut links = Vec::new();
    // The parts that are still to walk, last first; `..` may be among those that came from links.
    let mut todo: Vec<String> = path.as_str().rsplit('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let mut here = tree.entry(&TreePath::root())?;
    while let Some(part) = todo.pop() {
        let Some(directory) = here.as_ref().filter(|entry| entry.kind == EntryKind::Directory) else {
            return Ok(Resolved { entry: None, links });
        };
        if part == ".." {
            if directory.path.is_root() {
                return Err(leaves(links.last().map_or(path, |link: &TreeEntry| &link.path)));
            }
            here = tree.entry(&directory.path.parent())?;
            continue;
        }
        let Some(entry) = tree.entry(&directory.path.join(&part)?)? else {
            return Ok(Resolved { entry: None, links });
        };
        if entry.kind != EntryKind::Symlink {
            here = Some(entry);
            continue;
        }
        if links.len() == MOST_HOPS {
            let message = format!("this symbolic link is part of a loop, or of a chain of more than {MOST_HOPS} links");
            return Err(Error::new(ErrorKind::InvalidInput, message).at(Place::file(path.clone())));
        }
        let target = tree.read(&entry.path, LONGEST_TARGET)?;
        let Ok(target) = std::str::from_utf8(&target) else {
            let message = "the target of this symbolic link is not text in UTF-8";
            return Err(Error::new(ErrorKind::InvalidInput, message).at(Place::file(entry.path)));
        };
        if target.starts_with('/') {
            return Err(leaves(&entry.path));
        }
        todo.extend(target.split('/').rev().filter(|part| !matches!(*part, "" | ".")).map(str::to_owned));
        links.push(entry);
    }
    Ok(Resolved { entry: here, links })
}

fn leaves(link: &TreePath) -> Error {
    Error::new(ErrorKind::InvalidInput, "this symbolic link leads out of the tree")
        .at(Place::file(link.clone()))
        .help("link to a file of the same repository by a relative path, or copy the file")
}

//! The suite of [`Tree`].

use std::collections::BTreeMap;

use super::Layout;
use super::report::{Outcome, Report, Suite, brief, contract, fails, require, same};
use crate::{EntryId, EntryKind, ErrorKind, Result, Revision, Tree, TreeEntry, TreePath};

contract! { "../tree.rs";
    NEVER_CHANGES = "The content never changes: two calls with the same arguments give the same answer.";
    SORTED = "`list` is sorted by path, names the direct children only, and holds every kind of entry.";
    NO_FOLLOWING = "Symbolic links are not followed: a path *through* one is not found, and reading one gives its target.";
    REVISION = "The revision that this is a view of.";
    ROOT = "The entry at a path. The root is a directory.";
    ABSENT = "An entry that is not there is `Ok(None)`.";
    NO_DIRECTORY = "`ErrorKind::NotFound` when there is no such directory.";
    CONTENT = "The content of a file, or of a symbolic link (its target), of at most `limit` bytes.";
    LIMIT = "`ErrorKind::NotFound` when there is none, `ErrorKind::LimitExceeded` when it is larger than `limit`";
    ADDRESS = "equal ids mean equal content (for a directory: all below it).";
}

/// What a tree must show.
#[derive(Clone, Debug)]
pub struct Expected {
    pub(super) revision: Revision,
    pub(super) layout: Layout,
}

impl Expected {
    /// These files, at this revision.
    pub fn new(revision: Revision, layout: Layout) -> Self {
        Self { revision, layout }
    }
}

/// Holds a [`Tree`] against its contract. The tree holds exactly the expected files; [`Layout::sample`] has the traps.
pub fn tree(tree: &dyn Tree, expected: &Expected) -> Report {
    let layout = &expected.layout;
    let mut suite = Suite::new("Tree");
    suite.case("tree_names_its_revision", REVISION, || same("the revision", tree.revision(), &expected.revision));
    suite.case("tree_entries_are_found", ROOT, || entries(tree, layout));
    suite.case("tree_lists_direct_children_in_order", SORTED, || lists(tree, layout));
    suite.case("tree_reads_content", CONTENT, || contents(tree, layout));
    suite.case("tree_keeps_the_limit", LIMIT, || limits(tree, layout));
    suite.case("tree_absence_is_no_error", ABSENT, || absences(tree, layout));
    suite.case("tree_lists_directories_only", NO_DIRECTORY, || not_directories(tree, layout));
    suite.case("tree_reads_files_only", LIMIT, || not_files(tree, layout));
    suite.case("tree_does_not_follow_links", NO_FOLLOWING, || links(tree, layout));
    suite.case("tree_ids_are_content_addresses", ADDRESS, || addresses(tree, layout));
    suite.case("tree_answers_the_same_twice", NEVER_CHANGES, || {
        let first = answers(tree, layout);
        require(answers(tree, layout) == first, || "the second walk gave other answers than the first".to_owned())
    });
    suite.report()
}

fn kinds(layout: &Layout) -> impl Iterator<Item = (TreePath, EntryKind)> {
    let files = layout.files().map(|(path, kind, _)| (path.clone(), kind));
    layout.directories().into_iter().map(|path| (path, EntryKind::Directory)).chain(files)
}

fn entries(tree: &dyn Tree, layout: &Layout) -> Outcome {
    for (path, kind) in kinds(layout) {
        let entry = tree.entry(&path)?.ok_or_else(|| format!("{path} is not there"))?;
        same(&format!("the path of {path}"), &entry.path, &path)?;
        same(&format!("the kind of {path}"), &entry.kind, &kind)?;
    }
    Ok(())
}

fn lists(tree: &dyn Tree, layout: &Layout) -> Outcome {
    for directory in layout.directories() {
        let mut expected: Vec<_> =
            kinds(layout).filter(|(path, _)| !path.is_root() && path.parent() == directory).collect();
        expected.sort();
        let listed = tree.list(&directory)?;
        let found: Vec<_> = listed.iter().map(|entry| (entry.path.clone(), entry.kind)).collect();
        same(&format!("the list of {directory}"), &found, &expected)?;
        for entry in listed {
            same(&format!("the entry of {}", entry.path), &tree.entry(&entry.path)?, &Some(entry))?;
        }
    }
    Ok(())
}

fn contents(tree: &dyn Tree, layout: &Layout) -> Outcome {
    for (path, _, content) in readable(layout) {
        same(&format!("the content of {path}"), &tree.read(path, u64::MAX)?, content)?;
    }
    Ok(())
}

fn readable(layout: &Layout) -> impl Iterator<Item = (&TreePath, EntryKind, &bytes::Bytes)> {
    layout.files().filter(|(_, kind, _)| matches!(kind, EntryKind::File | EntryKind::Symlink))
}

fn limits(tree: &dyn Tree, layout: &Layout) -> Outcome {
    for (path, _, content) in readable(layout) {
        let size = content.len() as u64;
        same(&format!("{path}, read with its very size as limit,"), &tree.read(path, size)?, content)?;
        if let Some(less) = size.checked_sub(1) {
            fails(
                &format!("reading {path} of {size} bytes with a limit of {less}"),
                tree.read(path, less),
                ErrorKind::LimitExceeded,
            )?;
        }
    }
    Ok(())
}

fn missing(layout: &Layout) -> Result<Vec<TreePath>> {
    let mut paths = vec![TreePath::parse("not-in-the-tree")?, TreePath::parse("not/in/the/tree")?];
    for directory in layout.directories() {
        paths.push(directory.join("not-in-the-tree")?);
    }
    for (path, ..) in layout.files() {
        // Below what is no directory there is nothing; nor is a name there that only begins or ends like one that is.
        paths.push(path.join("below")?);
        paths.push(TreePath::parse(&format!("{path}~"))?);
        let shorter: String = path.as_str().chars().take(path.as_str().chars().count() - 1).collect();
        paths.extend(TreePath::parse(&shorter));
    }
    let directories = layout.directories();
    paths.retain(|path| layout.get(path).is_none() && !directories.contains(path));
    Ok(paths)
}

fn absences(tree: &dyn Tree, layout: &Layout) -> Outcome {
    for path in missing(layout)? {
        same(&format!("the entry of {path}"), &tree.entry(&path)?, &None)?;
        fails(&format!("reading {path}, which is not there,"), tree.read(&path, u64::MAX), ErrorKind::NotFound)?;
    }
    Ok(())
}

fn not_directories(tree: &dyn Tree, layout: &Layout) -> Outcome {
    let files = layout.files().map(|(path, ..)| path.clone());
    for path in files.chain(missing(layout)?) {
        fails(&format!("listing {path}, which is no directory,"), tree.list(&path), ErrorKind::NotFound)?;
    }
    Ok(())
}

fn not_files(tree: &dyn Tree, layout: &Layout) -> Outcome {
    let submodules = layout.files().filter(|(_, kind, _)| *kind == EntryKind::Submodule).map(|(path, ..)| path.clone());
    for path in layout.directories().into_iter().chain(submodules) {
        fails(&format!("reading {path}, which is no file,"), tree.read(&path, u64::MAX), ErrorKind::NotFound)?;
    }
    Ok(())
}

fn links(tree: &dyn Tree, layout: &Layout) -> Outcome {
    let links = layout.files().filter(|(_, kind, _)| *kind == EntryKind::Symlink);
    for (link, _, target) in links {
        let kind = tree.entry(link)?.map(|entry| entry.kind);
        same(&format!("the kind of {link}"), &kind, &Some(EntryKind::Symlink))?;
        same(&format!("the content of {link}"), &tree.read(link, u64::MAX)?, target)?;
        fails(&format!("listing the link {link}"), tree.list(link), ErrorKind::NotFound)?;
        // Where the target is a directory of this tree, what is in it is not to be had through the link.
        let Some(directory) = std::str::from_utf8(target).ok().and_then(|target| link.parent().join(target).ok())
        else {
            continue;
        };
        for (below, ..) in layout.below(&directory) {
            if below.is_empty() {
                continue;
            }
            let through = link.join(below)?;
            same(&format!("the entry of {through}, through a link,"), &tree.entry(&through)?, &None)?;
            fails(&format!("reading {through}, through a link,"), tree.read(&through, u64::MAX), ErrorKind::NotFound)?;
        }
    }
    Ok(())
}

fn addresses(tree: &dyn Tree, layout: &Layout) -> Outcome {
    let mut seen: BTreeMap<EntryId, TreePath> = BTreeMap::new();
    for (path, kind) in kinds(layout).filter(|(_, kind)| *kind != EntryKind::Submodule) {
        let entry = tree.entry(&path)?.ok_or_else(|| format!("{path} is not there"))?;
        let content = |path: &TreePath| match layout.get(path) {
            Some((_, content)) => (Some(content), Vec::new()),
            None => (None, layout.below(path)),
        };
        if let Some(other) = seen.get(&entry.id) {
            require(content(other) == content(&path), || {
                format!("{other} and {path} ({kind:?}) have the id {:?} and differ", entry.id)
            })?;
        } else {
            seen.insert(entry.id, path);
        }
    }
    Ok(())
}

type Answers = Vec<std::result::Result<String, ErrorKind>>;

/// Every answer about every path, as text.
fn answers(tree: &dyn Tree, layout: &Layout) -> Answers {
    fn text<T: std::fmt::Debug>(result: Result<T>) -> std::result::Result<String, ErrorKind> {
        result.map(|value| brief(&value)).map_err(|error| error.kind())
    }
    let one = |path: TreePath| {
        [text(tree.entry(&path)), text::<Vec<TreeEntry>>(tree.list(&path)), text(tree.read(&path, 1 << 20))]
    };
    kinds(layout).flat_map(|(path, _)| one(path)).collect()
}

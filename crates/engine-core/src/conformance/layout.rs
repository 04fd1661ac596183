//! The files that an implementation is loaded with, so that the suites know what it must answer.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::{EntryKind, MemoryTree, PathChange, PathChangeKind, Result, Revision, TreePath};

/// The files of one revision: what a [`Tree`](crate::Tree) must show, no more and no less.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    files: BTreeMap<TreePath, (EntryKind, Bytes)>,
}

impl Layout {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// A layout with the traps that implementations fall into: names that sort differently with and without a `/`,
    /// the same content in two places, an empty file, content that is no text, and symbolic links to a file, to a
    /// directory, to themselves, to nothing, and out of the tree.
    pub fn sample() -> Self {
        let files: [(&str, &[u8]); 11] = [
            ("README.md", b"# Shop\n"),
            ("app.yaml", b"kind: ConfigMap\n"),
            ("app/b.yaml", b"kind: Service\n"),
            ("app/deep/er/c.yaml", b"kind: Deployment\n"),
            ("app-two/b.yaml", b"kind: Service\n"),
            ("app0/b.yaml", b"kind: Secret\n"),
            ("copy/deep/er/c.yaml", b"kind: Deployment\n"),
            ("empty", b""),
            ("binary", b"\x00\xff\xfe\r\n\x80"),
            ("with space/\u{e9}t\u{e9} \u{2603}.yaml", b"a: 1\n"),
            (".hidden/...", b"x"),
        ];
        let links = [
            ("links/file.yaml", "../app/b.yaml"),
            ("links/directory", "../app"),
            ("links/itself", "itself"),
            ("links/nothing", "nowhere"),
            ("links/out", "../../../../etc/passwd"),
            ("links/absolute", "/etc/passwd"),
        ];
        let mut layout = Self::new();
        let mut put = |path: &str, kind, content: &[u8]| {
            let path = TreePath::parse(path).expect("the paths above are plain");
            layout.files.insert(path, (kind, Bytes::copy_from_slice(content)));
        };
        files.iter().for_each(|(path, content)| put(path, EntryKind::File, content));
        links.iter().for_each(|(path, target)| put(path, EntryKind::Symlink, target.as_bytes()));
        layout
    }

    /// A short history, oldest first: [`Layout::sample`], then files that are added, modified, removed and renamed, a
    /// directory that becomes a file and a file that becomes a directory or a link, and at last the second again.
    pub fn sample_history() -> Vec<Self> {
        let file = |text: &str| (EntryKind::File, Bytes::copy_from_slice(text.as_bytes()));
        let path = |text: &str| TreePath::parse(text).expect("the paths here are plain");
        let first = Self::sample();
        let mut second = first.clone();
        second.files.insert(path("app/b.yaml"), file("kind: Service\nspec: {}\n"));
        second.files.insert(path("app/new.yaml"), file("kind: Job\n"));
        second.files.remove(&path("README.md"));
        let mut third = second.clone();
        third.files.remove(&path("app-two/b.yaml"));
        third.files.insert(path("app-two"), file("kind: Service\n"));
        third.files.remove(&path("empty"));
        third.files.insert(path("empty/not.yaml"), file("a: 2\n"));
        third.files.insert(path("binary"), (EntryKind::Symlink, Bytes::from_static(b"app.yaml")));
        if let Some(moved) = third.files.remove(&path("app0/b.yaml")) {
            third.files.insert(path("app1/b.yaml"), moved);
        }
        vec![first, second.clone(), third, second]
    }

    /// Adds a file.
    ///
    /// # Errors
    /// When the path leaves the tree.
    pub fn file(mut self, path: &str, content: impl Into<Bytes>) -> Result<Self> {
        self.files.insert(TreePath::parse(path)?, (EntryKind::File, content.into()));
        Ok(self)
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// When the path of the link (not its target) leaves the tree.
    pub fn symlink(mut self, path: &str, target: &str) -> Result<Self> {
        let target = Bytes::copy_from_slice(target.as_bytes());
        self.files.insert(TreePath::parse(path)?, (EntryKind::Symlink, target));
        Ok(self)
    }

    /// Adds a link to another repository, for stores that know them. Its content is not looked at.
    ///
    /// # Errors
    /// When the path leaves the tree.
    pub fn submodule(mut self, path: &str) -> Result<Self> {
        self.files.insert(TreePath::parse(path)?, (EntryKind::Submodule, Bytes::new()));
        Ok(self)
    }

    /// All entries but the directories, sorted by path: the content of files, and the targets of symbolic links.
    pub fn files(&self) -> impl Iterator<Item = (&TreePath, EntryKind, &Bytes)> {
        self.files.iter().map(|(path, (kind, content))| (path, *kind, content))
    }

    /// What changes from an older layout to this one, as
    /// [`StateStore::changed_paths`](crate::StateStore::changed_paths) must tell it.
    pub fn changes_since(&self, older: &Self) -> Vec<PathChange> {
        let paths: BTreeSet<_> = self.files.keys().chain(older.files.keys()).collect();
        let change = |path: &TreePath| {
            let kind = match (older.files.get(path), self.files.get(path)) {
                (Some(_), None) => PathChangeKind::Removed,
                (None, Some(_)) => PathChangeKind::Added,
                (before, after) if before != after => PathChangeKind::Modified,
                _ => return None,
            };
            Some(PathChange { path: path.clone(), kind })
        };
        paths.into_iter().filter_map(change).collect()
    }

    /// The layout as a tree in memory. Submodules, which it does not know, are left out.
    pub fn to_memory(&self, revision: Revision) -> Result<MemoryTree> {
        self.files().try_fold(MemoryTree::new(revision), |tree, (path, kind, content)| match kind {
            EntryKind::File => tree.file(path.as_str(), content.clone()),
            EntryKind::Symlink => tree.symlink(path.as_str(), &String::from_utf8_lossy(content)),
            EntryKind::Directory | EntryKind::Submodule => Ok(tree),
        })
    }

    pub(super) fn get(&self, path: &TreePath) -> Option<(EntryKind, &Bytes)> {
        self.files.get(path).map(|(kind, content)| (*kind, content))
    }

    /// Every directory, the root among them.
    pub(super) fn directories(&self) -> BTreeSet<TreePath> {
        let mut out = BTreeSet::from([TreePath::root()]);
        for path in self.files.keys() {
            let mut parent = path.parent();
            while !parent.is_root() {
                out.insert(parent.clone());
                parent = parent.parent();
            }
        }
        out
    }

    /// All that is below a directory, with paths from there: two directories are equal when this is.
    pub(super) fn below(&self, directory: &TreePath) -> Vec<(&str, EntryKind, &Bytes)> {
        self.files().filter_map(|(path, kind, content)| Some((path.below(directory)?, kind, content))).collect()
    }
}

//! Laws over random histories.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use gitops_engine_core::{EntryKind, PathChangeKind, Revision, StateStore, Tree, TreePath};
use gitops_engine_git::write::{Change, LocalRepository};
use gitops_engine_git::{GitOptions, GitStore};
use proptest::prelude::*;
use support::at;

type Files = BTreeMap<String, String>;

/// A change of a small set of names, so that files and directories of the same name replace each other.
#[derive(Clone, Debug)]
enum Edit {
    Write(String, String),
    Remove(String),
}

fn edit() -> impl Strategy<Value = Edit> {
    let path =
        proptest::collection::vec(prop::sample::select(vec!["a", "b", "a.b", "c-"]), 1..4).prop_map(|p| p.join("/"));
    let content = prop::sample::select(vec!["1", "2", "3"]).prop_map(str::to_owned);
    prop_oneof![
        3 => (path.clone(), content).prop_map(|(path, content)| Edit::Write(path, content)),
        1 => path.prop_map(Edit::Remove),
    ]
}

/// What the files are after an edit.
fn apply(files: &mut Files, edit: &Edit) {
    let (path, content) = match edit {
        Edit::Write(path, content) => (path, Some(content)),
        Edit::Remove(path) => (path, None),
    };
    files.retain(|file, _| file != path && !file.starts_with(&format!("{path}/")));
    if let Some(content) = content {
        files.retain(|file, _| !path.starts_with(&format!("{file}/")));
        files.insert(path.clone(), content.clone());
    }
}

/// The files of a tree, read as an embedder reads them.
fn read(tree: &dyn Tree) -> Files {
    let mut files = Files::new();
    let mut queue = vec![TreePath::root()];
    while let Some(directory) = queue.pop() {
        let entries = tree.list(&directory).unwrap();
        assert!(entries.is_sorted_by(|a, b| a.path < b.path), "{entries:?}");
        for entry in entries {
            assert_eq!(tree.entry(&entry.path).unwrap().as_ref(), Some(&entry));
            match entry.kind {
                EntryKind::Directory => queue.push(entry.path),
                _ => {
                    let content = tree.read(&entry.path, 100).unwrap();
                    files.insert(entry.path.to_string(), String::from_utf8(content.to_vec()).unwrap());
                }
            }
        }
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changes_lead_from_one_commit_to_another_and_history_tells_of_each(
        commits in proptest::collection::vec(proptest::collection::vec(edit(), 0..6), 1..6)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let repo = LocalRepository::init(dir.path()).unwrap();
        let mut files = Files::new();
        let mut states: Vec<(Revision, Files)> = Vec::new();
        for (n, edits) in commits.iter().enumerate() {
            // One commit takes one change of each path: the last, and none that another would make impossible.
            let before = files.clone();
            edits.iter().for_each(|edit| apply(&mut files, edit));
            let gone = before.keys().filter(|path| !files.contains_key(*path)).map(|path| Change::remove(path).unwrap());
            let new = files.iter().filter(|(path, content)| before.get(*path) != Some(content));
            let new = new.map(|(path, content)| Change::file(path, content.clone()).unwrap());
            let changes: Vec<_> = gone.chain(new).collect();
            let revision = repo.commit("main", &format!("commit {n}"), &at(i64::try_from(n).unwrap()), &changes).unwrap();
            states.push((revision, files.clone()));
        }

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = GitStore::open_path(dir.path(), GitOptions::new()).unwrap();
        for (revision, files) in &states {
            let tree = runtime.block_on(store.tree(revision)).unwrap();
            prop_assert_eq!(&read(&*tree), files);
        }
        for (from, before) in &states {
            for (to, after) in &states {
                let changes = runtime.block_on(store.changed_paths(from, to)).unwrap();
                let mut listing: Files = before.clone();
                for change in &changes {
                    let path = change.path.to_string();
                    let was = listing.remove(&path);
                    prop_assert_eq!(was.is_some(), change.kind != PathChangeKind::Added, "{:?}", change);
                    if change.kind != PathChangeKind::Removed {
                        prop_assert_ne!(was.as_ref(), after.get(&path), "{:?}", change);
                        listing.insert(path.clone(), after[&path].clone());
                    }
                }
                prop_assert_eq!(&listing, after);
                prop_assert!(changes.is_sorted_by(|a, b| a.path < b.path));
            }
        }
        // History of a path: exactly the commits of this line whose entry there is not that of the one before.
        let (tip, _) = states.last().unwrap();
        let paths: BTreeSet<String> = states.iter().flat_map(|(_, files)| files.keys().cloned()).collect();
        for path in paths.iter().flat_map(|path| [path.clone(), path.split('/').next().unwrap().to_owned()]) {
            let path = TreePath::parse(&path).unwrap();
            let mut expected = Vec::new();
            let mut last = None;
            for (revision, _) in &states {
                let entry = runtime.block_on(store.tree(revision)).unwrap().entry(&path).unwrap();
                if entry != last {
                    expected.insert(0, revision.clone());
                }
                last = entry;
            }
            let found = runtime.block_on(store.history(tip, &path, 100)).unwrap();
            prop_assert_eq!(found.into_iter().map(|commit| commit.revision).collect::<Vec<_>>(), expected, "{}", path);
        }
    }
}

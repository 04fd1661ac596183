//! Repositories and their trees against the contracts of [`StateStore`](gitops_engine_core::StateStore) and
//! [`Tree`](gitops_engine_core::Tree).
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use gitops_engine_core::conformance::{self, Expected, Fixture, Layout};
use gitops_engine_core::{EntryKind, PathChangeKind, Revision, RevisionSpec, StateStore};
use gitops_engine_git::write::{Change, LocalRepository};
use gitops_engine_git::{GitOptions, GitStore};
use support::at;

/// Readers do not block each other.
fn in_threads(read: &(dyn Fn() + Sync)) {
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(read))));
}

/// Commits one layout after the other.
fn commit(repo: &LocalRepository, history: &[Layout]) -> Vec<Expected> {
    let mut before = Layout::new();
    let mut line = Vec::new();
    for (second, layout) in (0..).zip(history) {
        let change = |path: &str| {
            let put = layout.files().find(|(known, ..)| known.as_str() == path);
            let (_, kind, content) = put.unwrap();
            match kind {
                EntryKind::File => Change::file(path, content.clone()),
                EntryKind::Symlink => Change::symlink(path, String::from_utf8(content.to_vec()).unwrap()),
                EntryKind::Submodule => {
                    Change::submodule(path, Revision::new("0123456789012345678901234567890123456789"))
                }
                EntryKind::Directory => unreachable!("a layout names files"),
            }
        };
        let mut changes = layout.changes_since(&before);
        // First away with what is in the way.
        changes.sort_by_key(|change| change.kind != PathChangeKind::Removed);
        let changes: Vec<_> = changes
            .iter()
            .map(|found| match found.kind {
                PathChangeKind::Removed => Change::remove(found.path.as_str()).unwrap(),
                _ => change(found.path.as_str()).unwrap(),
            })
            .collect();
        let revision = repo.commit("main", "Next", &at(second), &changes).unwrap();
        line.push(Expected::new(revision, layout.clone()));
        before = layout.clone();
    }
    line
}

fn fixture(line: Vec<Expected>, tag: &Revision, newest: &Revision) -> Fixture {
    Fixture::new(line)
        .named(RevisionSpec::Default, newest.clone())
        .named(RevisionSpec::Branch("main".into()), newest.clone())
        .named(RevisionSpec::Reference("refs/heads/main".into()), newest.clone())
        .named(RevisionSpec::Tag("v1.0.0".into()), tag.clone())
        .named(RevisionSpec::Semver("1.x".into()), tag.clone())
        .named(RevisionSpec::Commit(tag.to_string()), tag.clone())
        .unknown(RevisionSpec::Branch("none".into()))
        .unknown(RevisionSpec::Tag("none".into()))
        .unknown(RevisionSpec::Reference("refs/heads/none".into()))
        .unknown(RevisionSpec::Semver("9.x".into()))
        .unknown_revision(Revision::new("0123456789012345678901234567890123456789"))
}

#[tokio::test]
async fn a_repository_on_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let repo = LocalRepository::init(&dir.path().join("shop")).unwrap();
    let line = commit(&repo, &Layout::sample_history());
    let store = GitStore::open_path(&dir.path().join("shop"), GitOptions::new()).unwrap();
    let newest = store.resolve(&RevisionSpec::Default).await.unwrap();
    let first = store.history(&newest, &gitops_engine_core::TreePath::root(), 9).await.unwrap().pop().unwrap().revision;
    repo.tag("v1.0.0", &first).unwrap();
    let report = conformance::state_store(&store, &fixture(line, &first, &newest)).await;
    assert_eq!(report.check().unwrap(), 11 + 4 * 11);
}

#[tokio::test]
async fn a_tree_with_a_submodule() {
    let dir = tempfile::tempdir().unwrap();
    let repo = LocalRepository::init(&dir.path().join("shop")).unwrap();
    let layout = Layout::sample().submodule("vendor/library").unwrap();
    let [expected] = commit(&repo, std::slice::from_ref(&layout)).try_into().unwrap();
    let store = GitStore::open_path(&dir.path().join("shop"), GitOptions::new()).unwrap();
    let tree = store.tree(&store.resolve(&RevisionSpec::Default).await.unwrap()).await.unwrap();
    in_threads(&|| assert_eq!(conformance::tree(&*tree, &expected).check().unwrap(), 11));
}

#[tokio::test]
async fn a_repository_on_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop");
    let repo = LocalRepository::init(&path).unwrap();
    let line = commit(&repo, &Layout::sample_history());
    let local = GitStore::open_path(&path, GitOptions::new()).unwrap();
    let newest = local.resolve(&RevisionSpec::Default).await.unwrap();
    let first = local.history(&newest, &gitops_engine_core::TreePath::root(), 9).await.unwrap().pop().unwrap().revision;
    repo.tag("v1.0.0", &first).unwrap();
    let server = support::git_server::GitServer::http(&path).await;
    let url = server.url().replace("http://", "http://user:hunter2@");
    let store = GitStore::open(&url, GitOptions::new().cache_dir(dir.path().join("cache"))).unwrap();
    let report = conformance::state_store(&store, &fixture(line, &first, &newest).credential("hunter2")).await;
    assert_eq!(report.check().unwrap(), 11 + 4 * 11);
}

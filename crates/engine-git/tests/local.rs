//! A repository on this machine, opened in place.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;

use gitops_engine_core::{EntryKind, ErrorKind, PathChangeKind, Revision, RevisionSpec, StateStore, Tree, TreePath};
use gitops_engine_git::write::{Change, LocalRepository};
use gitops_engine_git::{GitOptions, GitStore};
use support::{Shop, at, file};

fn open(shop: &Shop) -> GitStore {
    GitStore::open(&shop.url(), GitOptions::new()).unwrap()
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

async fn listing(tree: &Arc<dyn Tree>, directory: &str) -> Vec<(String, EntryKind)> {
    let entries = tree.list(&path(directory)).unwrap();
    entries.into_iter().map(|entry| (entry.path.to_string(), entry.kind)).collect()
}

#[tokio::test]
async fn every_kind_of_spec_is_resolved() {
    for shop in [Shop::new(), Shop::with_worktree()] {
        let store = open(&shop);
        for (spec, revision) in [
            ("", &shop.third),
            ("HEAD", &shop.third),
            ("main", &shop.third),
            ("feature/x", &shop.feature),
            ("nightly", &shop.third),
            ("tag:v1.0.0", &shop.first),
            ("tag:v1.1.0", &shop.second),
            ("v1.1.0", &shop.second),
            ("refs/heads/feature/x", &shop.feature),
            ("refs/tags/v1.1.0", &shop.second),
            ("refs/pull/7/head", &shop.feature),
            (shop.first.as_str(), &shop.first),
            ("semver:1.x", &shop.second),
            ("semver:~1.0", &shop.first),
            ("semver:*", &shop.second),
            ("semver:>=1.0.0-0", &shop.third),
        ] {
            let resolved =
                store.resolve(&RevisionSpec::parse(spec)).await.unwrap_or_else(|error| panic!("{spec}: {error}"));
            assert_eq!(&resolved, revision, "{spec}");
        }
    }
}

#[tokio::test]
async fn an_unknown_revision_says_what_is_there() {
    let shop = Shop::new();
    let store = open(&shop);
    let unknown = "0123456789012345678901234567890123456789";
    for (spec, kind, says) in [
        ("mian", ErrorKind::NotFound, "main"),
        ("tag:v1.0.1", ErrorKind::NotFound, "v1.0.0"),
        ("refs/heads/none", ErrorKind::NotFound, "refs/heads/main"),
        ("semver:9.x", ErrorKind::NotFound, "v2.0.0-rc.1"),
        ("semver:nonsense", ErrorKind::InvalidInput, "nonsense"),
        (unknown, ErrorKind::NotFound, unknown),
        ("a..b", ErrorKind::InvalidInput, "a..b"),
    ] {
        let error = store.resolve(&RevisionSpec::parse(spec)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{spec}: {error}");
        assert!(error.to_string().contains(says), "{spec}: {error}");
    }
    let error = store.resolve(&RevisionSpec::Commit("abc".into())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let blob = store.tree(&shop.first).await.unwrap().entry(&path("README.md")).unwrap().unwrap().id;
    let error = store.resolve(&RevisionSpec::Commit(blob.as_str().into())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[tokio::test]
async fn a_path_without_a_repository_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    let error = GitStore::open_path(&missing, GitOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
    let error = GitStore::open_path(dir.path(), GitOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");

    let empty = dir.path().join("empty");
    LocalRepository::init(&empty).unwrap();
    let store = GitStore::open_path(&empty, GitOptions::new()).unwrap();
    let error = store.resolve(&RevisionSpec::Default).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("no commit"), "{error}");
}

#[tokio::test]
async fn a_tree_shows_every_kind_of_entry() {
    let shop = Shop::new();
    let other = Revision::new("0123456789012345678901234567890123456789");
    let revision = shop
        .repo
        .commit("main", "More", &at(30), &[Change::submodule("vendor", other.clone()).unwrap(), file("web.yaml", "x")])
        .unwrap();
    let store = open(&shop);
    let tree = store.tree(&revision).await.unwrap();
    assert_eq!(tree.revision(), &revision);
    assert_eq!(
        listing(&tree, "").await,
        [
            ("README.md".into(), EntryKind::File),
            ("db".into(), EntryKind::Directory),
            ("run.sh".into(), EntryKind::File),
            ("vendor".into(), EntryKind::Submodule),
            ("web".into(), EntryKind::Directory),
            ("web.yaml".into(), EntryKind::File),
        ]
    );
    assert_eq!(
        listing(&tree, "web").await,
        [
            ("web/deployment.yaml".into(), EntryKind::File),
            ("web/link.yaml".into(), EntryKind::Symlink),
            ("web/service.yaml".into(), EntryKind::File),
        ]
    );
    assert_eq!(tree.entry(&path("vendor")).unwrap().unwrap().id.as_str(), other.as_str());
    assert_eq!(tree.entry(&TreePath::root()).unwrap().unwrap().kind, EntryKind::Directory);
    assert_eq!(tree.read(&path("web/service.yaml"), 100).unwrap(), "kind: Service\n");
    assert_eq!(tree.read(&path("web/link.yaml"), 100).unwrap(), "../db/statefulset.yaml");
    for missing in ["none", "web/none", "README.md/x", "web/link.yaml/x", "vendor/x"] {
        assert_eq!(tree.entry(&path(missing)).unwrap(), None, "{missing}");
        assert_eq!(tree.read(&path(missing), 100).unwrap_err().kind(), ErrorKind::NotFound, "{missing}");
        assert_eq!(tree.list(&path(missing)).unwrap_err().kind(), ErrorKind::NotFound, "{missing}");
    }
    for not_a_file in ["", "web", "vendor"] {
        assert_eq!(tree.read(&path(not_a_file), 100).unwrap_err().kind(), ErrorKind::NotFound, "{not_a_file:?}");
    }
    for not_a_directory in ["README.md", "vendor", "web/link.yaml"] {
        assert_eq!(tree.list(&path(not_a_directory)).unwrap_err().kind(), ErrorKind::NotFound, "{not_a_directory}");
    }
}

#[tokio::test]
async fn a_file_above_the_limit_is_refused() {
    let shop = Shop::new();
    let big = "x".repeat(1 << 20);
    let revision = shop.repo.commit("main", "Big", &at(30), &[file("big", &big)]).unwrap();
    let tree = open(&shop).tree(&revision).await.unwrap();
    let error = tree.read(&path("big"), (1 << 20) - 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert!(error.to_string().contains("big"), "{error}");
    assert_eq!(tree.read(&path("big"), 1 << 20).unwrap().len(), 1 << 20);
}

#[tokio::test]
async fn a_revision_stays_what_it_was_while_the_repository_moves_on() {
    let shop = Shop::new();
    let store = open(&shop);
    let tree = store.tree(&shop.first).await.unwrap();
    let id = tree.entry(&path("db")).unwrap().unwrap().id;
    let unrelated = shop.repo.commit("main", "Web only", &at(30), &[file("web/new.yaml", "x")]).unwrap();
    assert_eq!(tree.read(&path("db/statefulset.yaml"), 100).unwrap(), "kind: StatefulSet\n");
    assert_eq!(store.resolve(&RevisionSpec::Default).await.unwrap(), unrelated);
    let third = store.tree(&shop.third).await.unwrap().entry(&path("db")).unwrap().unwrap().id;
    let now = store.tree(&unrelated).await.unwrap().entry(&path("db")).unwrap().unwrap().id;
    assert_eq!(third, now, "an unrelated commit keeps the id of a directory");
    assert_ne!(id, now);
}

#[tokio::test]
async fn changed_paths_are_the_files_that_differ() {
    let shop = Shop::new();
    let store = open(&shop);
    let changes = |from: &Revision, to: &Revision| {
        let (store, from, to) = (store.clone(), from.clone(), to.clone());
        async move {
            let changes = store.changed_paths(&from, &to).await.unwrap();
            changes.into_iter().map(|change| (change.path.to_string(), change.kind)).collect::<Vec<_>>()
        }
    };
    assert_eq!(changes(&shop.first, &shop.first).await, []);
    assert_eq!(
        changes(&shop.first, &shop.third).await,
        [
            ("db/statefulset.yaml".into(), PathChangeKind::Removed),
            ("db/sts.yaml".into(), PathChangeKind::Added),
            ("web/deployment.yaml".into(), PathChangeKind::Modified),
        ]
    );
    // A file becomes a directory, a link becomes a file, and a file only becomes executable.
    let swapped = [
        Change::remove("README.md").unwrap(),
        file("README.md/part.md", "x"),
        file("web/link.yaml", "../db/statefulset.yaml"),
        Change::executable("web/service.yaml", "kind: Service\n").unwrap(),
    ];
    let next = shop.repo.commit("main", "Swap", &at(30), &swapped).unwrap();
    assert_eq!(
        changes(&shop.third, &next).await,
        [
            ("README.md".into(), PathChangeKind::Removed),
            ("README.md/part.md".into(), PathChangeKind::Added),
            ("web/link.yaml".into(), PathChangeKind::Modified),
        ]
    );
    assert_eq!(
        changes(&next, &shop.third).await,
        [
            ("README.md".into(), PathChangeKind::Added),
            ("README.md/part.md".into(), PathChangeKind::Removed),
            ("web/link.yaml".into(), PathChangeKind::Modified),
        ]
    );
}

#[tokio::test]
async fn history_is_that_of_the_path() {
    let shop = Shop::new();
    let store = open(&shop);
    let side = shop.feature.clone();
    let merge = shop
        .repo
        .commit_merging("main", "Merge feature", &at(40), &[file("feature.yaml", "kind: ConfigMap\n")], &[side])
        .unwrap();
    let titles = |path: &'static str, limit| {
        let (store, merge) = (store.clone(), merge.clone());
        async move {
            let commits = store.history(&merge, &TreePath::parse(path).unwrap(), limit).await.unwrap();
            commits.iter().map(|commit| commit.title().to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(titles("", 10).await, ["Merge feature", "Move the database", "Try", "Grow the web", "Start"]);
    assert_eq!(titles("", 2).await, ["Merge feature", "Move the database"]);
    assert_eq!(titles("", 0).await, [""; 0]);
    assert_eq!(titles("web", 10).await, ["Grow the web", "Start"]);
    assert_eq!(titles("web/deployment.yaml", 10).await, ["Grow the web", "Start"]);
    assert_eq!(titles("db/statefulset.yaml", 10).await, ["Move the database", "Start"]);
    // The merge has what its second parent has: it is not a change, and history goes on there.
    assert_eq!(titles("feature.yaml", 10).await, ["Try"]);
    assert_eq!(titles("none", 10).await, [""; 0]);

    let commits = store.history(&merge, &TreePath::root(), 10).await.unwrap();
    assert_eq!(commits[0].parents, [shop.third.clone(), shop.feature.clone()]);
    assert_eq!(commits[0].author, "Ada <ada@example.org>");
    assert_eq!(commits[0].time.as_second(), 1_700_000_040);
    assert_eq!(commits[4].message, "Start\n\nThe shop opens.\n");
    assert_eq!(commits[4].revision, shop.first);
}

#[tokio::test]
async fn history_ends_at_a_shallow_border() {
    let shop = Shop::new();
    std::fs::write(shop.path().join("shallow"), format!("{}\n", shop.second)).unwrap();
    let store = open(&shop);
    let titles = |path: &'static str| {
        let (store, third) = (store.clone(), shop.third.clone());
        async move {
            let commits = store.history(&third, &TreePath::parse(path).unwrap(), 10).await.unwrap();
            commits.iter().map(|commit| commit.title().to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(titles("").await, ["Move the database", "Grow the web"]);
    assert_eq!(titles("README.md").await, ["Grow the web"]);
}

#[tokio::test]
async fn names_that_are_not_utf8_do_not_hide_the_others() {
    let shop = Shop::new();
    let raw = gix::open_opts(shop.path(), gix::open::Options::isolated()).unwrap();
    let blob = raw.write_blob("x").unwrap().detach();
    let entry = |name: &[u8]| gix::objs::tree::Entry {
        mode: gix::objs::tree::EntryKind::Blob.into(),
        filename: name.into(),
        oid: blob,
    };
    let revision = raw_commit(&raw, vec![entry(b"caf\xe9.yaml"), entry(b"plain.yaml")]);
    let tree = open(&shop).tree(&revision).await.unwrap();
    let names = listing(&tree, "").await;
    assert_eq!(names, [("caf\u{FFFD}.yaml".into(), EntryKind::File), ("plain.yaml".into(), EntryKind::File)]);
    assert_eq!(tree.read(&path("caf\u{FFFD}.yaml"), 10).unwrap(), "x");
}

#[tokio::test]
async fn hostile_trees_are_errors() {
    let shop = Shop::new();
    let raw = gix::open_opts(shop.path(), gix::open::Options::isolated()).unwrap();
    let blob = raw.write_blob("x").unwrap().detach();
    let entry = |name: &str, kind: gix::objs::tree::EntryKind, oid| gix::objs::tree::Entry {
        mode: kind.into(),
        filename: name.into(),
        oid,
    };
    use gix::objs::tree::EntryKind as Kind;
    let store = open(&shop);
    for name in ["..", ".", "a/b"] {
        let revision = raw_commit(&raw, vec![entry(name, Kind::Blob, blob)]);
        let tree = store.tree(&revision).await.unwrap();
        let error = tree.list(&TreePath::root()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error}");
    }
    // A directory that is a file, and one that is not there.
    let missing = gix::ObjectId::from_hex(b"0123456789012345678901234567890123456789").unwrap();
    let revision = raw_commit(&raw, vec![entry("gone", Kind::Tree, missing), entry("lies", Kind::Tree, blob)]);
    let tree = store.tree(&revision).await.unwrap();
    for name in ["gone", "lies"] {
        let error = tree.list(&path(name)).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        tree.read(&path(&format!("{name}/x")), 10).unwrap_err();
    }
}

#[tokio::test]
async fn no_reference_puts_another_commit_in_the_place_of_one() {
    let shop = Shop::new();
    shop.repo.set_reference(&format!("refs/replace/{}", shop.first), &shop.third).unwrap();
    let tree = open(&shop).tree(&shop.first).await.unwrap();
    assert!(tree.entry(&path("db/statefulset.yaml")).unwrap().is_some());
}

fn raw_tree(repo: &gix::Repository, entries: Vec<gix::objs::tree::Entry>) -> gix::ObjectId {
    repo.write_object(gix::objs::Tree { entries }).unwrap().detach()
}

fn raw_commit(repo: &gix::Repository, entries: Vec<gix::objs::tree::Entry>) -> Revision {
    let by = gix::actor::Signature { name: "a".into(), email: "b".into(), time: gix::date::Time::new(1, 0) };
    let commit = gix::objs::Commit {
        tree: raw_tree(repo, entries),
        parents: Default::default(),
        author: by.clone(),
        committer: by,
        encoding: None,
        message: "raw".into(),
        extra_headers: Vec::new(),
    };
    Revision::new(repo.write_object(&commit).unwrap().to_string())
}

#[tokio::test]
async fn writing_sees_other_writers_and_bad_input() {
    let shop = Shop::new();
    let again = LocalRepository::open(&shop.path()).unwrap();
    let ours = again.commit("main", "Ours", &at(50), &[file("x", "1")]).unwrap();
    assert_eq!(open(&shop).resolve(&RevisionSpec::Default).await.unwrap(), ours);
    assert_eq!(shop.repo.commit("a b", "x", &at(0), &[]).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(Change::file("../x", "1").is_err());
    assert!(Change::file("", "1").is_err());
    let mut by = at(0);
    by.name = "a\nb".into();
    assert_eq!(shop.repo.commit("main", "x", &by, &[]).unwrap_err().kind(), ErrorKind::InvalidInput);
    shop.repo.commit("main", "x", &at(0), &[file(".git/config", "x")]).unwrap_err();
    assert_eq!(LocalRepository::init(&shop.path()).unwrap_err().kind(), ErrorKind::InvalidInput);
    // A held lock is somebody else's write.
    std::fs::write(shop.path().join("refs/heads/main.lock"), "").unwrap();
    let error = shop.repo.commit("main", "x", &at(60), &[file("x", "2")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

#[test]
fn equal_commits_have_equal_ids() {
    assert_eq!(Shop::new().third, Shop::with_worktree().third);
}

#[test]
fn everything_works_with_an_empty_environment() {
    support::again_with_an_empty_environment();
}

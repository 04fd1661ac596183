//! The suite of [`StateStore`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::report::{Outcome, Report, Suite, contract, fails, require, same};
use super::waiting::{BoxFuture, abandon, together};
use super::{Expected, tree};
use crate::{EntryId, EntryKind, Error, ErrorKind, Result, Revision, RevisionSpec, StateStore, Tree, TreePath};

contract! { "../store.rs";
    RESOLVE = "The revision that a spec names now.";
    CLASSIFIED = "Errors are classified: `NotFound` for an unknown revision or repository,";
    IMMUTABLE = "A `Revision` is immutable: `tree` of the same revision gives the same files for ever, or an error.";
    CHANGED = "The files that differ between two revisions, sorted by path.";
    HISTORY = "The revisions that changed `path`, newest first, from `revision` backwards, at most `limit`.";
    HISTORY_ROOT = "The root path gives every revision.";
    DROP = "Dropping a future stops its work and leaves the store usable.";
    CREDENTIALS = "and never show a credential.";
    NAME = "A name of the store for people and for events, such as a URL without credentials.";
}

/// What a store holds: one line of revisions, oldest first, each with its files.
#[derive(Clone, Debug, Default)]
pub struct Fixture {
    revisions: Vec<Expected>,
    names: Vec<(RevisionSpec, Revision)>,
    unknown: Vec<RevisionSpec>,
    unknown_revisions: Vec<Revision>,
    credentials: Vec<String>,
}

impl Fixture {
    /// A store with this history and no other, oldest first. Each revision has the one before it as its only parent.
    /// [`Layout::sample_history`](super::Layout::sample_history) has files for one.
    pub fn new(revisions: Vec<Expected>) -> Self {
        Self { revisions, ..Self::default() }
    }

    /// A spec and the revision that it names.
    #[must_use]
    pub fn named(mut self, spec: RevisionSpec, revision: Revision) -> Self {
        self.names.push((spec, revision));
        self
    }

    /// A spec that names nothing.
    #[must_use]
    pub fn unknown(mut self, spec: RevisionSpec) -> Self {
        self.unknown.push(spec);
        self
    }

    /// A revision, well-formed for this kind of store, that does not exist.
    #[must_use]
    pub fn unknown_revision(mut self, revision: Revision) -> Self {
        self.unknown_revisions.push(revision);
        self
    }

    /// A text that must appear in no name and no error.
    #[must_use]
    pub fn credential(mut self, text: impl Into<String>) -> Self {
        self.credentials.push(text.into());
        self
    }

    fn newest(&self) -> Option<&Revision> {
        self.revisions.last().map(|expected| &expected.revision)
    }
}

/// Holds a [`StateStore`], and every [`Tree`](crate::Tree) that it hands out, against their contracts.
pub async fn state_store(store: &dyn StateStore, fixture: &Fixture) -> Report {
    let mut suite = Suite::new("StateStore");
    suite.run("store_resolves_names", RESOLVE, names(store, fixture)).await;
    suite.run("store_unknown_is_not_found", CLASSIFIED, unknown(store, fixture)).await;
    for expected in &fixture.revisions {
        match store.tree(&expected.revision).await {
            Ok(found) => suite.absorb(tree(&*found, expected)),
            Err(error) => suite.case("store_gives_trees", IMMUTABLE, || Err(error.into())),
        }
    }
    suite.run("store_revisions_are_immutable", IMMUTABLE, immutable(store, fixture)).await;
    suite.run("store_ids_are_addresses_in_all_revisions", IMMUTABLE, addresses(store, fixture)).await;
    suite.run("store_tells_changed_paths", CHANGED, changed(store, fixture)).await;
    suite.run("store_history_of_all", HISTORY_ROOT, whole_history(store, fixture)).await;
    suite.run("store_history_of_a_path", HISTORY, history(store, fixture)).await;
    suite.run("store_history_keeps_the_limit", HISTORY, limited(store, fixture)).await;
    suite.run("store_survives_dropped_futures", DROP, dropped(store, fixture)).await;
    suite.run("store_name_shows_no_credential", NAME, name(store, fixture)).await;
    suite.run("store_errors_show_no_credential", CREDENTIALS, credentials(store, fixture)).await;
    suite.report()
}

async fn names(store: &dyn StateStore, fixture: &Fixture) -> Outcome {
    for (spec, revision) in &fixture.names {
        same(&format!("{spec}"), &store.resolve(spec).await?, revision)?;
        same(&format!("{spec}, asked again,"), &store.resolve(spec).await?, revision)?;
    }
    Ok(())
}

async fn unknown(store: &dyn StateStore, fixture: &Fixture) -> Outcome {
    for spec in &fixture.unknown {
        fails(&format!("resolving {spec}"), store.resolve(spec).await, ErrorKind::NotFound)?;
    }
    for revision in &fixture.unknown_revisions {
        let what = |doing: &str| format!("{doing} {revision}, which does not exist,");
        fails(&what("the tree of"), store.tree(revision).await.map(drop), ErrorKind::NotFound)?;
        let root = TreePath::root();
        fails(&what("the history of"), store.history(revision, &root, 9).await, ErrorKind::NotFound)?;
        if let Some(newest) = fixture.newest() {
            fails(&what("the changes to"), store.changed_paths(newest, revision).await, ErrorKind::NotFound)?;
            fails(&what("the changes since"), store.changed_paths(revision, newest).await, ErrorKind::NotFound)?;
        }
    }
    Ok(())
}

async fn immutable(store: &dyn StateStore, fixture: &Fixture) -> Outcome {
    let mut before = Vec::new();
    for expected in &fixture.revisions {
        before.push(store.tree(&expected.revision).await?.entry(&TreePath::root())?);
    }
    for (expected, before) in fixture.revisions.iter().zip(before) {
        let now = store.tree(&expected.revision).await?.entry(&TreePath::root())?;
        same(&format!("the root of {} after other revisions were read", expected.revision), &now, &before)?;
    }
    Ok(())
}

async fn addresses(store: &dyn StateStore, fixture: &Fixture) -> Outcome {
    let mut seen = BTreeMap::<EntryId, (EntryKind, bytes::Bytes)>::new();
    for expected in &fixture.revisions {
        let tree = store.tree(&expected.revision).await?;
        let files = expected.layout.files().filter(|(_, kind, _)| *kind != EntryKind::Submodule);
        for (path, kind, content) in files {
            let entry = tree.entry(path)?.ok_or_else(|| format!("{path} is not there at {}", expected.revision))?;
            let (_, known) = seen.entry(entry.id.clone()).or_insert_with(|| (kind, content.clone()));
            require(known == content, || format!("the id {:?} stands for different contents of {path}", entry.id))?;
        }
    }
    Ok(())
}

async fn changed(store: &dyn StateStore, fixture: &Fixture) -> Outcome {
    for from in &fixture.revisions {
        for to in &fixture.revisions {
            let found = store.changed_paths(&from.revision, &to.revision).await?;
            let what = format!("what changed from {} to {}", from.revision, to.revision);
            same(&what, &found, &to.layout.changes_since(&from.layout))?;
        }
    }
    Ok(())
}

async fn whole_history(store: &dyn StateStore, fixture: &Fixture) -> Outcome {
    for (at, from) in fixture.revisions.iter().enumerate() {
        let found = store.history(&from.revision, &TreePath::root(), 1000).await?;
        let parents: Vec<_> = found.iter().map(|commit| (commit.revision.clone(), commit.parents.clone())).collect();
        let line = fixture.revisions[..=at].iter().map(|expected| expected.revision.clone());
        let older = std::iter::once(Vec::new()).chain(line.clone().map(|revision| vec![revision]));
        let mut expected: Vec<_> = line.zip(older).collect();
        expected.reverse();
        same(&format!("the history of {} with its parents", from.revision), &parents, &expected)?;
    }
    Ok(())
}

/// The revisions that changed something at or below a path, newest first.
fn changes_of(fixture: &Fixture, path: &TreePath) -> Vec<Revision> {
    let empty = super::Layout::new();
    let mut before = &empty;
    let mut out = Vec::new();
    for expected in &fixture.revisions {
        if expected.layout.changes_since(before).iter().any(|change| change.path.below(path).is_some()) {
            out.push(expected.revision.clone());
        }
        before = &expected.layout;
    }
    out.reverse();
    out
}

async fn revisions(store: &dyn StateStore, from: &Revision, path: &TreePath, limit: usize) -> Result<Vec<Revision>> {
    Ok(store.history(from, path, limit).await?.into_iter().map(|commit| commit.revision).collect())
}

async fn history(store: &dyn StateStore, fixture: &Fixture) -> Outcome {
    let Some(newest) = fixture.newest() else { return Ok(()) };
    let files = fixture.revisions.iter().flat_map(|expected| expected.layout.files().map(|(path, ..)| path.clone()));
    let directories = fixture.revisions.iter().flat_map(|expected| expected.layout.directories());
    let paths: BTreeSet<_> = files.chain(directories).filter(|path| !path.is_root()).collect();
    for path in paths {
        let found = revisions(store, newest, &path, 1000).await?;
        same(&format!("the history of {path}"), &found, &changes_of(fixture, &path))?;
    }
    let never = TreePath::parse("never/was")?;
    same("the history of a path that never was", &revisions(store, newest, &never, 1000).await?, &Vec::new())
}

async fn limited(store: &dyn StateStore, fixture: &Fixture) -> Outcome {
    let Some(newest) = fixture.newest() else { return Ok(()) };
    let all = revisions(store, newest, &TreePath::root(), usize::MAX).await?;
    for limit in 0..=all.len() {
        let found = revisions(store, newest, &TreePath::root(), limit).await?;
        same(&format!("the history with the limit {limit}"), &found, &all[..limit].to_vec())?;
    }
    Ok(())
}

async fn dropped(store: &dyn StateStore, fixture: &Fixture) -> Outcome {
    let Some(newest) = fixture.newest() else { return Ok(()) };
    let root = TreePath::root();
    for polls in 0..4 {
        abandon(Box::pin(store.resolve(&RevisionSpec::Default)), polls).await;
        abandon(Box::pin(store.tree(newest)), polls).await;
        abandon(Box::pin(store.changed_paths(newest, newest)), polls).await;
        abandon(Box::pin(store.history(newest, &root, 9)), polls).await;
    }
    let open = |expected: &'_ Expected| -> BoxFuture<'_, Result<Arc<dyn Tree>>> {
        let revision = expected.revision.clone();
        Box::pin(async move { store.tree(&revision).await })
    };
    let again = fixture.revisions.iter().map(open).collect();
    for (tree, expected) in together(again).await.into_iter().zip(&fixture.revisions) {
        same("the revision of a tree after dropped futures", tree?.revision(), &expected.revision)?;
    }
    names(store, fixture).await
}

async fn name(store: &dyn StateStore, fixture: &Fixture) -> Outcome {
    require(!store.name().is_empty(), || "the name is empty".to_owned())?;
    let shown = fixture.credentials.iter().any(|credential| store.name().contains(credential));
    require(!shown, || "the name shows a credential".to_owned())
}

async fn credentials(store: &dyn StateStore, fixture: &Fixture) -> Outcome {
    let mut errors: Vec<Error> = Vec::new();
    for spec in &fixture.unknown {
        errors.extend(store.resolve(spec).await.err());
    }
    for revision in &fixture.unknown_revisions {
        errors.extend(store.tree(revision).await.err());
        errors.extend(store.history(revision, &TreePath::root(), 9).await.err());
    }
    for error in errors {
        // `Debug` holds the causes as well.
        let text = format!("{error} {error:?}");
        let shown = fixture.credentials.iter().any(|credential| text.contains(credential));
        require(!shown, || format!("an error of kind {:?} shows a credential", error.kind()))?;
    }
    Ok(())
}

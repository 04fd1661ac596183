//! What the traits promise, as tests that any implementation can run.
//!
//! Each trait of this crate has a contract in its documentation, and the engine relies on every sentence of it. A suite
//! holds an implementation against them and gives a [`Report`]: which cases hold, and for each that does not the sentence
//! that is broken. The suites need no runtime of their own: they run on whatever the implementation runs on. The
//! implementations that ship with the engine are held against the same suites.
//!
//! | trait | suite |
//! |---|---|
//! | [`Tree`](crate::Tree) | [`tree`] |
//! | [`StateStore`](crate::StateStore) | [`state_store`] |
//! | [`Generator`](crate::Generator) | [`generator`] |
//! | [`Snapshot`](crate::Snapshot) | [`snapshot`] |
//! | [`ClusterCache`](crate::ClusterCache) | [`cluster_cache`] |
//! | [`Cluster`](crate::Cluster) | [`cluster`] |
//! | [`InventoryStore`](crate::InventoryStore) | [`inventory_store`] |
//! | [`HealthAssessor`](crate::HealthAssessor) | [`health_assessor`] |
//!
//! Most contracts also promise that several threads may call at once. The suites start no threads, as nothing in this
//! crate does: call the suite itself from several threads, on one and the same implementation.
//!
//! The module is behind the feature `conformance`, for `[dev-dependencies]`:
//!
//! ```toml
//! [dev-dependencies]
//! gitops-engine-core = { version = "0.1", features = ["conformance"] }
//! ```
//!
//! # An inventory store of one's own
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::Mutex;
//!
//! use async_trait::async_trait;
//! use gitops_engine_core::{
//!     ApplicationName, Error, ErrorKind, Inventory, InventoryStore, InventoryVersion, Result, Versioned, conformance,
//! };
//!
//! /// Rows of a table: the version is a column, and the update has it in its `WHERE`.
//! #[derive(Default)]
//! struct Table(Mutex<HashMap<ApplicationName, (u64, Inventory)>>);
//!
//! #[async_trait]
//! impl InventoryStore for Table {
//!     async fn load(&self, application: &ApplicationName) -> Result<Versioned> {
//!         let rows = self.0.lock().expect("nobody panics with the lock held");
//!         Ok(match rows.get(application) {
//!             Some((row, inventory)) => {
//!                 Versioned { inventory: inventory.clone(), version: Some(InventoryVersion(row.to_string())) }
//!             }
//!             None => Versioned { inventory: Inventory::new(application.clone()), version: None },
//!         })
//!     }
//!
//!     async fn save(&self, inventory: &Inventory, expected: Option<&InventoryVersion>) -> Result<InventoryVersion> {
//!         let mut rows = self.0.lock().expect("nobody panics with the lock held");
//!         let stored = rows.get(&inventory.application).map(|(row, _)| *row);
//!         if stored.map(|row| InventoryVersion(row.to_string())).as_ref() != expected {
//!             return Err(Error::new(ErrorKind::Conflict, "somebody else has saved the inventory"));
//!         }
//!         let next = stored.unwrap_or(0) + 1;
//!         rows.insert(inventory.application.clone(), (next, inventory.clone()));
//!         Ok(InventoryVersion(next.to_string()))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), gitops_engine_core::Problems> {
//! let cases = conformance::inventory_store(&Table::default()).await.check()?;
//! assert!(cases > 10);
//! # Ok(())
//! # }
//! ```
//!
//! # A tree of one's own
//!
//! Load the files of [`Layout::sample`], which has the traps, and say what must be there:
//!
//! ```
//! use gitops_engine_core::conformance::{self, Expected, Layout};
//! use gitops_engine_core::{EntryKind, MemoryTree, Revision};
//!
//! let (layout, revision) = (Layout::sample(), Revision::new("r1"));
//! let mut tree = MemoryTree::new(revision.clone());
//! for (path, kind, content) in layout.files() {
//!     tree = match kind {
//!         EntryKind::Symlink => tree.symlink(path.as_str(), &String::from_utf8_lossy(content))?,
//!         _ => tree.file(path.as_str(), content.clone())?,
//!     };
//! }
//! conformance::tree(&tree, &Expected::new(revision, layout)).check()?;
//! # Ok::<(), gitops_engine_core::Problems>(())
//! ```

mod cache;
mod cluster;
mod generate;
mod health;
mod inventory;
mod layout;
mod report;
mod snapshot;
mod store;
mod tree;
mod waiting;

pub use cache::{CacheBench, cluster_cache};
pub use cluster::cluster;
pub use generate::{Sample, generator};
pub use health::health_assessor;
pub use inventory::inventory_store;
pub use layout::Layout;
pub use report::{Failure, Report};
pub use snapshot::snapshot;
pub use store::{Fixture, state_store};
pub use tree::{Expected, tree};

#[cfg(test)]
mod tests {
    //! A suite that quotes a sentence which nobody promised would judge by rules of its own.

    /// The text of the documentation comments, without links and line breaks.
    fn prose(source: &str) -> String {
        let lines = source.lines().map(str::trim_start).filter_map(|line| line.strip_prefix("///"));
        let text = lines.map(|line| line.trim_start().trim_start_matches("- ")).collect::<Vec<_>>().join(" ");
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once(']') {
            out.push_str(before);
            rest = after.strip_prefix('(').and_then(|link| link.split_once(')')).map_or(after, |(_, after)| after);
        }
        out.push_str(rest);
        out.replace('[', "").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_quoted_sentence_is_in_the_documentation_of_its_trait() {
        let suites = [
            super::cache::QUOTED,
            super::cluster::QUOTED,
            super::generate::QUOTED,
            super::health::QUOTED,
            super::inventory::QUOTED,
            super::snapshot::QUOTED,
            super::store::QUOTED,
            super::tree::QUOTED,
        ];
        for (source, sentences) in suites {
            let prose = prose(source);
            for sentence in sentences {
                assert!(prose.contains(sentence), "nobody promised: {sentence}");
            }
        }
    }
}

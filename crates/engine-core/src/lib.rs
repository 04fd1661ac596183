//! The vocabulary of the GitOps engine and the traits of its five jobs.
//!
//! Everything in this crate is data, or a trait over data: no runtime, no network, no Kubernetes client.
//! The other crates implement the traits; an embedder replaces any of them.
//!
//! | job | trait | the implementation that ships |
//! |---|---|---|
//! | access to the state store | [`StateStore`], [`Tree`] | `gitops-engine-git` |
//! | manifest generation | [`Generator`] | `gitops-engine-manifest` |
//! | a picture of the cluster | [`ClusterCache`], [`Snapshot`] | `gitops-engine-cache` |
//! | judging objects | [`HealthAssessor`] | `gitops-engine-health` |
//! | changing the cluster | [`Cluster`], [`InventoryStore`] | `gitops-engine-sync` |
//!
//! An implementation of one's own is held against the contracts of its trait by the suites of the module `conformance`,
//! behind the feature of that name.
//!
//! Names follow the [OpenGitOps glossary](https://github.com/open-gitops/documents/blob/v1.0.0/GLOSSARY.md),
//! then Kubernetes' own words.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod dialect;

mod cluster;
mod desired;
mod digest;
mod error;
mod event;
mod field;
mod generate;
mod health;
mod identity;
mod inventory;
mod manifest;
mod place;
mod revision;
mod snapshot;
mod store;
mod tree;
mod value;

pub use cluster::{
    ApiCause, ApiFault, ApiFaultKind, Applied, ApplyMode, ApplyOptions, Cluster, Conflicts, DeleteOptions, Deleted,
    Propagation,
};
pub use desired::{Declared, DesiredState};
pub use dialect::Intent;
pub use digest::Digest;
pub use error::{Error, ErrorKind, Problems, Recovery, Result};
pub use event::{ActionKind, Event, EventSink, NoEvents};
pub use field::{FieldChange, FieldPath, PathElement, Shown};
pub use generate::{Capabilities, GenerateRequest, Generator, Input, Rendering};
pub use health::{Health, HealthAssessor, HealthStatus};
pub use identity::{ApplicationName, GroupKind, ObjectId, ResourceType, Scope, Uid};
pub use inventory::{
    EntryState, HookRecord, Inventory, InventoryEntry, InventoryStore, InventoryVersion, MemoryInventory, Operation,
    Versioned,
};
pub use manifest::{ManagedFields, Manifest, OwnerReference};
pub use place::Place;
pub use revision::{CommitInfo, Revision, RevisionSpec};
pub use snapshot::{
    ChangeBatch, ChangeStream, ClusterCache, Coverage, KindState, LiveObject, MemorySnapshot, Snapshot,
};
pub use store::{PathChange, PathChangeKind, StateStore};
pub use tree::{EntryId, EntryKind, MemoryTree, Tree, TreeEntry, TreePath};
pub use value::{Key, Map, Value};

/// A point in time, always handed in by the caller: nothing in this crate reads a clock.
pub use jiff::Timestamp;

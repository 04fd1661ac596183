//! Git repositories as state stores, on gix: resolve, fetch, read trees without a checkout, history.

#![allow(dead_code, reason = "servers come next")]

mod changes;
mod error;
mod history;
mod local;
mod location;
mod odb;
mod options;
mod refs;
mod semver_range;
mod store;
mod tree;
mod worker;
pub mod write;

pub use options::GitOptions;
pub use store::GitStore;

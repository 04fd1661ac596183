//! Git repositories as state stores, on gix: resolve, fetch, read trees without a checkout, history.

mod changes;
mod credentials;
mod error;
mod history;
mod local;
mod location;
mod odb;
mod options;
mod refs;
mod remote;
mod semver_range;
mod store;
mod tree;
mod worker;
pub mod write;

pub use credentials::{CredentialRequest, CredentialSource, Credentials};
pub use options::{GitOptions, PlainTextCredentials, Proxy, Ssh};
pub use store::GitStore;

//! From a tree to manifests.

mod blocking;
mod directory;
mod limits;
mod links;
mod objects;
mod parameters;
mod walk;
pub mod yaml;

pub use directory::DirectoryGenerator;
pub use limits::TreeLimits;

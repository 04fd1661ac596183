//! The types of Kubernetes as data.
pub mod archive;
mod compile;
pub mod fields;
mod json;
pub mod managed;
pub mod merge;
pub mod shipped;
mod types;

pub use fields::{FieldPath, FieldSet, PathElement};
pub use managed::{ManagedFields, Versions, Writer};
pub use types::{Field, Format, List, ListKind, Map, Patch, Scalar, Schema, Type, UnknownFields};

//! Fields of objects by their paths, and sets of them, in the notation that `metadata.managedFields` has (`FieldsV1`).
//! <https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.36/#fieldsv1-v1-meta>

mod path;
mod set;

pub use path::{FieldPath, PathElement};
pub use set::{FieldSet, FieldsError};

//! Who owns which field: `metadata.managedFields` and the rules that server-side apply and every other write have for it.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/>

mod apply;
mod conflict;
mod entry;
mod last_applied;
mod reconcile;
mod reset;
mod scale;
mod update;
mod versions;

pub use apply::{Applied, Force};
pub use conflict::{Conflict, Conflicts};
pub use entry::{ManagedEntry, ManagedFields, ManagedFieldsError, Operation, Writer};
pub use last_applied::LAST_APPLIED_ANNOTATION;
pub use reset::{custom_reset_fields, reset_fields};
pub use scale::ReplicasPath;
pub use update::MAX_UPDATE_MANAGERS;
pub use versions::{OneVersion, ResetFields, Versions};

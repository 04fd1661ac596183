//! Fields that another manager owns, with another value.

use std::fmt;

use super::entry::{ManagedEntry, Operation};
use crate::fields::FieldPath;

/// One field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// The manager as messages name it: `"kubectl" with subresource "status" using apps/v1`.
    pub manager: String,
    /// The field.
    pub path: FieldPath,
}

impl Conflict {
    pub(super) fn new(entry: &ManagedEntry, path: FieldPath) -> Self {
        let mut manager = format!("{:?}", entry.manager);
        if !entry.subresource.is_empty() {
            manager.push_str(&format!(" with subresource {:?}", entry.subresource));
        }
        if entry.operation == Operation::Update {
            manager.push_str(&format!(" using {}", entry.api_version));
        }
        Self { manager, path }
    }
}

/// Why an apply is refused: the fields that others own. Shown in the words of the API server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Conflicts(pub Vec<Conflict>);

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [one] = self.0.as_slice() {
            return write!(f, "Apply failed with 1 conflict: conflict with {}: {}", one.manager, one.path);
        }
        let mut managers: Vec<&str> = self.0.iter().map(|c| c.manager.as_str()).collect();
        managers.sort_unstable();
        managers.dedup();
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        for (i, manager) in managers.iter().enumerate() {
            write!(f, "{}conflicts with {manager}:", if i > 0 { "\n" } else { "" })?;
            for conflict in self.0.iter().filter(|c| c.manager == *manager) {
                write!(f, "\n- {}", conflict.path)?;
            }
        }
        Ok(())
    }
}

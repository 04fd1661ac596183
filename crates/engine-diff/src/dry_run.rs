//! What an apply would change, from the server's own dry run.

use gitops_engine_core::{FieldChange, Manifest, Shown};

use crate::changes::{Scope, changes, name_owners};
use crate::mask::Mask;
use crate::ownership::{FieldSet, ManagerFields, managed_fields};

/// Which changes of a dry run count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mutations {
    /// All: what admission webhooks and other managers add to the apply, too.
    #[default]
    All,
    /// Those of fields that this manager owns after the apply, or owned before it. What a mutating webhook adds on each
    /// apply is no drift: nobody could ever bring it into sync. Argo CD's default.
    Of(String),
}

impl Mutations {
    /// Only the changes of fields that a manager owns.
    pub fn of(manager: impl Into<String>) -> Self {
        Self::Of(manager.into())
    }
}

/// Lists what a server-side apply would change, from the result of its dry run, by path.
///
/// Left out: what every write changes (`managedFields`, `resourceVersion`, `generation`), kubectl's last-applied
/// annotation, and `status` unless `desired` declares it. The owners are those of the live object, where it was read with
/// its `managedFields`.
///
/// [`Mutations::Of`] reads the `managedFields` of `predicted` (of `live`, for removals). Where they were not kept the
/// changes in question all count.
pub fn compare(desired: &Manifest, live: &Manifest, predicted: &Manifest, mutations: &Mutations) -> Vec<FieldChange> {
    let kind = &desired.id().kind;
    let mut mask = Mask::new(kind, &[desired.body(), live.body(), predicted.body()]);
    let status = desired.get("status").is_some_and(|status| !status.is_null());
    let scope = Scope { desired: desired.body(), status };
    let mut changes = changes(kind, live.body(), predicted.body(), &scope, &mut mask);
    if changes.is_empty() {
        return changes;
    }
    let now = live.managed_fields().map(managed_fields);
    if let Mutations::Of(manager) = mutations {
        let then = predicted.managed_fields().map(managed_fields);
        changes.retain(|change| {
            let owned = |managers: &Option<Vec<ManagerFields>>| {
                managers.as_ref().is_none_or(|managers| {
                    let sets = managers.iter().filter(|entry| entry.manager == *manager).map(|entry| &entry.fields);
                    sets.into_iter().any(|set: &FieldSet| set.touches(&change.path))
                })
            };
            owned(if change.after == Shown::Absent { &now } else { &then })
        });
    }
    if let Some(now) = &now {
        name_owners(&mut changes, now);
    }
    changes
}

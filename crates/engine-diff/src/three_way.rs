//! What an apply would change, computed without asking the server.

use gitops_engine_core::{FieldChange, Manifest, Value};

use crate::changes::{Scope, changes, name_owners};
use crate::desired::stored_form;
use crate::mask::Mask;
use crate::merge::Merge;
use crate::ownership::managed_fields;

/// What was declared before: fields that are in it and not in the desired object any more are removed.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum LastApplied<'a> {
    /// Unknown: nothing is removed. The comparison is a two-way one.
    #[default]
    Unknown,
    /// In kubectl's annotation `kubectl.kubernetes.io/last-applied-configuration` of the live object. Unknown where the
    /// annotation is missing or no JSON object.
    Annotation,
    /// The fields of the live object that this manager applied, by its `managedFields`. Unknown where these were not
    /// kept.
    Manager(&'a str),
    /// This object.
    Given(&'a Value),
}

/// What an apply would lead to, as far as this process can tell.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Forecast {
    /// The object as the apply would leave it. The very live object where nothing changes.
    pub predicted: Manifest,
    /// The changes from the live object to it, by path.
    pub changes: Vec<FieldChange>,
}

impl Forecast {
    /// Whether the live object stays as it is.
    pub fn is_unchanged(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Merges a desired object into a live one, as a server-side apply that takes over conflicting fields would.
///
/// What the server adds (defaults, status, addresses, tokens) is kept and no change. Quantities are equal when their
/// amounts are, `stringData` of a Secret is compared with its `data`, empty and missing are the same where the server
/// makes no difference. A field that is removed is shown as gone: the server may give it a default, which only its own
/// dry run can tell.
///
/// Both objects must be of the same version of their kind.
///
/// ```
/// use gitops_engine_core::{ManagedFields, Manifest};
/// use gitops_engine_diff::{LastApplied, summary, three_way};
///
/// let parse = |text: &str| Manifest::from_json(text.as_bytes(), ManagedFields::Keep);
/// let desired = parse(r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
///     "spec": {"replicas": 2}}"#)?;
/// let live = parse(r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "uid": "1"},
///     "spec": {"replicas": 1, "revisionHistoryLimit": 10}, "status": {"replicas": 1}}"#)?;
/// let forecast = three_way(&desired, LastApplied::Annotation, &live);
/// assert_eq!(summary(&forecast.changes).to_string(), "spec.replicas: 1 -> 2");
/// # Ok::<(), gitops_engine_core::Error>(())
/// ```
pub fn three_way(desired: &Manifest, last_applied: LastApplied<'_>, live: &Manifest) -> Forecast {
    let kind = &desired.id().kind;
    let last = last(last_applied, desired, live);
    let last = last.as_ref().or(match last_applied {
        LastApplied::Given(value) => Some(value),
        _ => None,
    });
    let last = last.map(|last| stored_form(kind, last));
    let declared = stored_form(kind, desired.body());
    let theirs = stored_form(kind, live.body());
    let unchanged = || Forecast { predicted: live.clone(), changes: Vec::new() };
    let Some(predicted) = Merge::of(kind).object(kind, &declared, last.as_deref(), &theirs) else { return unchanged() };
    let mut bodies = vec![&*declared, &*theirs, desired.body(), live.body()];
    bodies.extend(last.as_deref());
    let mut mask = Mask::new(kind, &bodies);
    let mut changes = changes(kind, &theirs, &predicted, &Scope { desired: &declared, status: false }, &mut mask);
    if let Some(text) = live.managed_fields() {
        name_owners(&mut changes, &managed_fields(text));
    }
    match Manifest::from_value(predicted) {
        Ok(predicted) => Forecast { predicted, changes },
        // Only identity could make it invalid, and the merge leaves that alone.
        Err(_) => unchanged(),
    }
}

/// [`three_way`] without knowledge of what was declared before: nothing is removed.
pub fn two_way(desired: &Manifest, live: &Manifest) -> Forecast {
    three_way(desired, LastApplied::Unknown, live)
}

fn last(last_applied: LastApplied<'_>, desired: &Manifest, live: &Manifest) -> Option<Value> {
    match last_applied {
        LastApplied::Unknown | LastApplied::Given(_) => None,
        LastApplied::Annotation => crate::note::last_applied(&desired.id().kind, desired.body(), live),
        LastApplied::Manager(manager) => {
            let managers = managed_fields(live.managed_fields()?);
            let applied = |entry: &&crate::ManagerFields| {
                entry.manager == manager && entry.operation == "Apply" && entry.subresource.is_empty()
            };
            managers.iter().find(applied)?.fields.project(live.body())
        }
    }
}

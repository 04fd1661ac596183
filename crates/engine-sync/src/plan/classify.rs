//! One declared object against one live one: what is to be done, and why.

use std::sync::Arc;

use gitops_engine_core::{
    ApiFault, Coverage, Error, ErrorKind, KindState, LiveObject, Manifest, ObjectId, Result, Uid,
};

use gitops_engine_diff::{LastApplied, Mutations, compare, three_way};

use super::digest::storable_digest;
use super::namespaces::{Namespace, Namespaces};
use super::prepare::Prepared;
use super::record::record;
use super::{Action, PlanInput, Prediction};
use crate::Recreation;
use crate::application::APPLICATION;

/// What is to be done with a declared object.
pub(super) struct Finding {
    pub(super) action: Action,
    pub(super) reason: String,
    /// Whether the inventory learns something although nothing is written.
    pub(super) refreshes: bool,
}

impl Finding {
    fn new(action: Action, reason: impl Into<String>) -> Self {
        Self { action, reason: reason.into(), refreshes: false }
    }
}

/// The live counterpart of a declared object, as far as it is known.
pub(super) enum Live {
    Absent,
    /// With its manifest, which the cache keeps for everything that may be declared.
    Present(Arc<LiveObject>),
}

/// Looks for an object, and insists on knowing.
pub(super) fn find(input: &PlanInput<'_>, id: &ObjectId, state: &KindState) -> Result<Live> {
    if let Some(live) = input.actual.get(id) {
        return Ok(Live::Present(live));
    }
    let (kind, why, help) = match state {
        KindState::Served { coverage, .. } => match coverage {
            Coverage::Complete => return Ok(Live::Absent),
            Coverage::Forbidden(why) => (
                ErrorKind::PermissionDenied,
                format!("the cluster forbids us to list {}: {why}", id.kind),
                "allow get, list and watch of this kind: without it nobody can tell whether the object exists",
            ),
            Coverage::Broken(why) => {
                (ErrorKind::Unavailable, format!("{} cannot be listed: {why}", id.kind), "it is tried again")
            }
            Coverage::Syncing => {
                (ErrorKind::Unavailable, format!("{} is not listed yet", id.kind), "it is tried again")
            }
            _ => (
                ErrorKind::Unsupported,
                format!("the cache does not watch {}", id.kind),
                "take the kind out of the cache's exclusions, or the object out of the desired state",
            ),
        },
        // A kind that its own CRD will bring: nothing of it can exist.
        KindState::NotServed => return Ok(Live::Absent),
        KindState::Undetermined(why) => {
            (ErrorKind::Unavailable, format!("{} cannot be discovered: {why}", id.kind), "it is tried again")
        }
        _ => (ErrorKind::Unavailable, format!("nothing is known about {}", id.kind), "it is tried again"),
    };
    Err(Error::new(kind, why).object(id.clone()).help(help))
}

/// Whether a live object belongs to another application, and to which.
pub(super) fn foreign_owner<'a>(input: &PlanInput<'_>, live: &'a Manifest) -> Option<&'a str> {
    live.annotation(APPLICATION).filter(|owner| *owner != input.application.name.as_str())
}

/// What can be said without asking the server; `None` when a dry run would help.
pub(super) fn settled(
    input: &PlanInput<'_>,
    namespaces: &mut Namespaces,
    object: &Prepared<'_>,
    live: &Live,
) -> Result<Option<Finding>> {
    let Live::Present(live) = live else {
        return match namespaces.of(input, &object.id)? {
            Namespace::Ready if !object.pending_kind => Ok(None),
            _ => Ok(Some(Finding::new(Action::Create, "it is declared and not there"))),
        };
    };
    if live.deleting {
        let action = Action::Recreate { uid: live.uid.clone(), immutable: Vec::new() };
        return Ok(Some(Finding::new(action, "it is declared and is being deleted: it is made anew once it is gone")));
    }
    let Some(manifest) = &live.manifest else { return Ok(None) };
    if let Some(owner) = foreign_owner(input, manifest) {
        return Err(Error::new(ErrorKind::Conflict, format!("it belongs to the application {owner:?}"))
            .object(object.id.clone())
            .help(format!(
                "declare it in one application only, or remove the annotation {APPLICATION} from the live object \
                 to hand it over"
            )));
    }
    Ok(is_known_equal(object, live, manifest).then(|| Finding::new(Action::Unchanged, "it is as declared")))
}

/// Whether an earlier apply left the object just like this: the proof that nothing needs to be sent.
fn is_known_equal(object: &Prepared<'_>, live: &LiveObject, manifest: &Manifest) -> bool {
    let Some(entry) = object.entry else { return false };
    if entry.uid.as_ref() != Some(&live.uid) {
        return false;
    }
    let desired = &object.declared.manifest;
    if let Some(verdict) = object.verdict
        && verdict.resource_version == live.resource_version
        && verdict.desired == desired.digest()
    {
        return true;
    }
    let (Some(known_desired), Some(known_applied)) = (entry.desired, entry.applied) else { return false };
    Some(known_desired) == storable_digest(desired)
        && gitops_engine_diff::applied_digest(desired, manifest) == known_applied
}

/// Decides, with the server's prediction where there is one.
pub(super) fn decide(
    input: &PlanInput<'_>,
    object: &Prepared<'_>,
    live: &Live,
    prediction: Option<&Prediction>,
) -> Result<Finding> {
    let Live::Present(live) = live else {
        return match prediction {
            Some(Prediction::Refused(fault)) => Err(refused(object, fault)),
            _ => Ok(Finding::new(Action::Create, "it is declared and not there")),
        };
    };
    if let Some(Prediction::Refused(fault)) = prediction {
        return recreate(input, object, &live.uid, fault);
    }
    let desired = &object.declared.manifest;
    let changes = match (prediction, &live.manifest) {
        (Some(Prediction::Applied { predicted, live }), Some(manifest)) => {
            let ours = Mutations::of(&*input.application.policy.field_manager);
            compare(desired, live.as_ref().unwrap_or(manifest), predicted, &ours)
        }
        (_, Some(manifest)) if manifest.version() == desired.version() => {
            three_way(desired, LastApplied::Annotation, manifest).changes
        }
        // Another version of the kind, or an index node only: nothing to compare with, so apply.
        _ => Vec::new(),
    };
    let changes: Vec<_> = changes.into_iter().filter(|change| !is_our_mark(&change.path)).collect();
    let owned = input.inventory.owns(&object.id, &live.uid);
    if !owned {
        return Ok(Finding::new(Action::Update { changes }, "it is there, declared, and not ours yet: it is adopted"));
    }
    let comparable =
        prediction.is_some() || live.manifest.as_ref().is_some_and(|manifest| manifest.version() == desired.version());
    if changes.is_empty() && comparable && live.manifest.is_some() {
        let mut finding = Finding::new(Action::Unchanged, "it is as declared");
        finding.refreshes = live.manifest.as_ref().map(|manifest| record(desired, manifest)).as_ref() != object.entry;
        return Ok(finding);
    }
    let known = object.entry.and_then(|entry| entry.desired);
    let reason = if known.is_some() && known == storable_digest(desired) {
        "the cluster has drifted from what is declared"
    } else {
        "what is declared has changed"
    };
    Ok(Finding::new(Action::Update { changes }, reason))
}

fn is_our_mark(path: &gitops_engine_core::FieldPath) -> bool {
    matches!(path.0.last(), Some(gitops_engine_core::PathElement::Key(key)) if **key == *APPLICATION)
}

fn recreate(input: &PlanInput<'_>, object: &Prepared<'_>, uid: &Uid, fault: &ApiFault) -> Result<Finding> {
    let immutable: Vec<_> = fault.immutable_fields().into_iter().map(str::to_owned).collect();
    if immutable.is_empty() {
        return Err(refused(object, fault));
    }
    let kind = &object.id.kind;
    match &input.application.policy.recreation {
        Recreation::Kinds(kinds) if kinds.contains(kind) => {
            let reason = format!("the server proved that {} cannot be changed", immutable.join(", "));
            Ok(Finding::new(Action::Recreate { uid: uid.clone(), immutable }, reason))
        }
        _ => Err(Error::new(ErrorKind::Refused, format!("{} cannot be changed: {fault}", immutable.join(", ")))
            .object(object.id.clone())
            .help(format!("change it back, give the object another name, or allow the recreation of {kind}"))
            .caused_by(fault.clone())),
    }
}

pub(super) fn refused(object: &Prepared<'_>, fault: &ApiFault) -> Error {
    let kind = ErrorKind::from(fault.kind);
    Error::new(kind, format!("the API server refuses it: {fault}")).object(object.id.clone()).caused_by(fault.clone())
}

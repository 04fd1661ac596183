//! The manifests of a plan.

use std::collections::BTreeMap;

use gitops_engine_core::{DesiredState, Error, ErrorKind, GroupKind, Manifest, ObjectId, Result};

use crate::Application;
use crate::plan::{Plan, effective_id, storable_digest};

/// The manifests of a plan's steps, by the identity under which they are planned.
pub(super) fn match_manifests(
    plan: &Plan,
    application: &Application,
    desired: &DesiredState,
) -> Result<BTreeMap<ObjectId, Manifest>> {
    let mismatch = |what: String| {
        Error::new(ErrorKind::InvalidInput, format!("the plan was made from another desired state: {what}"))
            .help("plan again")
    };
    if plan.revision != desired.revision {
        return Err(mismatch(format!("{} is not {}", plan.revision, desired.revision)));
    }
    let scopes: BTreeMap<&GroupKind, _> =
        plan.steps.iter().map(|step| (&step.object.kind, step.resource.scope)).collect();
    let mut manifests = BTreeMap::new();
    for declared in &desired.objects {
        let Some(scope) = scopes.get(&declared.id().kind) else { continue };
        let id = effective_id(&declared.manifest, *scope, application, &desired.revision, plan.operation);
        manifests.insert(id, declared.manifest.clone());
    }
    for step in &plan.steps {
        let applies = !step.action.is_idle() && !step.action.removes();
        if !applies {
            continue;
        }
        match manifests.get(&step.object) {
            Some(manifest) if step.desired == storable_digest(manifest) => {}
            Some(_) => return Err(mismatch(format!("{} differs", step.object))),
            None => return Err(mismatch(format!("{} is missing", step.object))),
        }
    }
    Ok(manifests)
}

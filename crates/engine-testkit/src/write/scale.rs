//! The scale subresource.

use gitops_engine_schema::{FieldPath, ManagedFields, Versions, managed::Force};
use serde_json::{Value, json};

use super::{Answer, Options, Outcome, Target, patch, update};
use crate::{
    json::{self, str_at},
    resources::ScalePaths,
    state::State,
    status::{ApiError, Cause},
    store::{Stored, selector::LabelSelector},
};

fn paths<'a>(target: &Target<'a>) -> Result<&'a ScalePaths, ApiError> {
    target.resource.scale.as_ref().ok_or_else(ApiError::unknown_path)
}

fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |v, key| v.get(key))
}

/// The `autoscaling/v1` Scale of an object.
pub(crate) fn get(target: &Target<'_>, object: &Stored) -> Result<Value, ApiError> {
    shown(target, &object.value)
}

fn shown(target: &Target<'_>, object: &Value) -> Result<Value, ApiError> {
    let paths = paths(target)?;
    let metadata = |key: &str| json::get(object, &["metadata", key]).cloned().unwrap_or(Value::Null);
    let selector = match &paths.selector {
        Some(path) => at(object, path).and_then(Value::as_str).unwrap_or_default().to_owned(),
        None => LabelSelector::from_object(&object["spec"]["selector"]).to_string(),
    };
    let replicas = at(object, &paths.spec_replicas).and_then(Value::as_i64).filter(|n| *n != 0);
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata("name"), "namespace": metadata("namespace"), "uid": metadata("uid"),
            "resourceVersion": metadata("resourceVersion"), "creationTimestamp": metadata("creationTimestamp"),
        },
        // None is nothing to write.
        "spec": { "replicas": replicas },
        "status": { "replicas": at(object, &paths.status_replicas).and_then(Value::as_i64).unwrap_or(0) },
    });
    if !selector.is_empty() {
        scale["status"]["selector"] = selector.into();
    }
    json::strip_nulls(&mut scale);
    Ok(scale)
}

/// PUT or PATCH of the scale: only `spec.replicas` gets through to the object.
pub(crate) fn write(
    state: &mut State,
    target: Target<'_>,
    sent: &patch::Sent,
    kind: Option<patch::Kind>,
    options: &Options,
) -> Result<Answer, ApiError> {
    let paths = paths(&target)?;
    let before = state
        .store
        .get(&target.resource.gr, target.namespace, target.name)
        .cloned()
        .ok_or_else(|| ApiError::not_found(target.about()))?;
    let live = get(&target, &before)?;
    let mut scale = live.clone();
    let mut managed = ManagedFields::of(&before.value);
    let own_version = target.resource.api_version(target.version);
    let time = options.now.rfc3339();
    let writer = options.writer(&own_version, "", &time);
    let names: Vec<&str> = paths.spec_replicas.iter().map(String::as_str).collect();
    let path = |version: &str| Versions::schema(&**target.resource, version).map(|_| FieldPath::of_fields(&names));
    match kind {
        None => scale = sent.value.clone(),
        Some(patch::Kind::Json) => scale = patch::read(&patch::operate(&scale.to_string(), sent, options)?)?,
        Some(patch::Kind::Apply) => {
            let force = if options.force { Force::Yes } else { Force::No };
            let applied = managed.apply_scale(&live, &sent.value, &writer, force, &path);
            scale = applied.map_err(patch::refused)?.object;
        }
        Some(_) => scale = patch::read(&patch::merge(&scale.to_string(), sent, options)?)?,
    }
    if kind != Some(patch::Kind::Apply) {
        // None is not written.
        if scale["spec"]["replicas"] == 0 {
            json::remove(&mut scale, &["spec", "replicas"]);
        }
        managed.update_scale(&live, &scale, &writer, &path);
    }
    update::check_version(&target, &before, &scale)?;
    let replicas = json::i64_at(&scale, &["spec", "replicas"]).unwrap_or(0);
    if replicas < 0 {
        let cause = Cause::invalid("spec.replicas", &replicas.into(), "must be greater than or equal to 0");
        let about = crate::status::About {
            group: "autoscaling",
            resource: "Scale",
            name: str_at(&scale, &["metadata", "name"]),
        };
        return Err(ApiError::invalid(about, &[cause]));
    }
    let mut after = before.value.clone();
    json::set(&mut after, &names, replicas);
    after["apiVersion"] = target.resource.api_version(target.version).into();
    let answer = update::finish(state, target, &before, after, options, Some(managed))?;
    let outcome = Outcome::Value(shown(&target, answer.outcome.value())?);
    Ok(Answer { outcome, ..answer })
}

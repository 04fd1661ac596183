//! The scale subresource.

use std::borrow::Cow;

use gitops_engine_schema::{FieldPath, ManagedFields, managed::Force};
use serde_json::{Value, json};

use super::{Answer, Options, Outcome, Target, patch, strategic::go_type, update};
use crate::{
    admission::{self, go_text},
    json::{self, str_at},
    resources::{Resource, ScalePaths},
    state::State,
    status::{About, ApiError, Cause},
    store::{Stored, selector::LabelSelector},
};

/// What a custom resource without replicas has as long as its scale is being written.
const UNSET: i64 = i32::MIN as i64;

fn paths<'a>(target: &Target<'a>) -> Result<&'a ScalePaths, ApiError> {
    target.resource.scale_at(target.version).ok_or_else(ApiError::unknown_path)
}

/// An error that a real server did not expect.
fn plain(message: String) -> ApiError {
    ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "", message)
}

fn dotted(path: &[String]) -> String {
    format!(".{}", path.join("."))
}

/// What is at a place, or which value on the way there has no fields.
fn nested<'a>(object: &'a Value, path: &[String]) -> Result<Option<&'a Value>, String> {
    let mut value = object;
    for (i, key) in path.iter().enumerate() {
        match value {
            Value::Null => return Ok(None),
            Value::Object(map) => match map.get(key) {
                Some(next) => value = next,
                None => return Ok(None),
            },
            other => return Err(of_type(&path[..=i], other, "map[string]interface{}")),
        }
    }
    Ok(Some(value))
}

fn of_type(path: &[String], value: &Value, wanted: &str) -> String {
    format!(
        "{} accessor error: {} is of the type {}, expected {wanted}",
        dotted(path),
        go_text(value),
        value_type(value)
    )
}

fn whole(object: &Value, path: &[String]) -> Result<Option<i64>, String> {
    nested(object, path)?.map(|value| value.as_i64().ok_or_else(|| of_type(path, value, "int64"))).transpose()
}

fn text(object: &Value, path: &[String]) -> Result<String, String> {
    let value = nested(object, path)?;
    let read = |v: &Value| v.as_str().map(str::to_owned).ok_or_else(|| of_type(path, v, "string"));
    value.map_or(Ok(String::new()), read)
}

/// Checks the replicas that a custom resource asks for.
pub(crate) fn validate_spec(object: &Value, paths: &ScalePaths, causes: &mut Vec<Cause>) {
    replicas(object, &paths.spec_replicas, causes);
}

/// Checks the replicas that a custom resource has, and what selects them.
pub(crate) fn validate_status(object: &Value, paths: &ScalePaths, causes: &mut Vec<Cause>) {
    replicas(object, &paths.status_replicas, causes);
    if let Some(path) = &paths.selector
        && let Err(complaint) = text(object, path)
    {
        causes.push(Cause::invalid(dotted(path), &"".into(), complaint));
    }
}

fn replicas(object: &Value, path: &[String], causes: &mut Vec<Cause>) {
    let complaint = match whole(object, path) {
        Err(complaint) => (0, complaint),
        Ok(Some(n)) if n < 0 => (n, "should be a non-negative integer".to_owned()),
        Ok(Some(n)) if n > i64::from(i32::MAX) => (n, format!("should be less than or equal to {}", i32::MAX)),
        Ok(_) => return,
    };
    causes.push(Cause::invalid(dotted(path), &complaint.0.into(), complaint.1));
}

/// The `autoscaling/v1` Scale of an object.
pub(crate) fn get(target: &Target<'_>, object: &Stored) -> Result<Value, ApiError> {
    let paths = paths(target)?;
    let object = target.resource.live(object, target.version);
    if target.resource.is_custom() && whole(&object, &paths.spec_replicas).map_err(plain)?.is_none() {
        let why = format!("the spec replicas field {:?} does not exist", dotted(&paths.spec_replicas));
        let mut e = ApiError::internal(format!("Internal error occurred: {why}"));
        e.details = Some(json!({"causes": [{"message": why}]}));
        return Err(e);
    }
    shown(target.resource, paths, &object, 0)
}

/// The same, with so many replicas of an object that says nothing about them.
fn shown(resource: &Resource, paths: &ScalePaths, object: &Value, unset: i64) -> Result<Value, ApiError> {
    let count = |path: &[String]| -> Result<Option<i64>, ApiError> {
        let found = whole(object, path);
        if resource.is_custom() { found.map_err(plain) } else { Ok(found.unwrap_or_default()) }
    };
    let selector = match &paths.selector {
        Some(path) => text(object, path).map_err(plain)?,
        None if resource.is_custom() => String::new(),
        None if resource.is("", "replicationcontrollers") => {
            LabelSelector::from_object(&json!({"matchLabels": object["spec"]["selector"]})).to_string()
        }
        None => LabelSelector::from_object(&object["spec"]["selector"]).to_string(),
    };
    let metadata = |key: &str| json::get(object, &["metadata", key]).cloned().unwrap_or(Value::Null);
    // Larger numbers lose their upper half.
    let int32 = |n: i64| n as i32;
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata("name"), "namespace": metadata("namespace"), "uid": metadata("uid"),
            "resourceVersion": metadata("resourceVersion"), "creationTimestamp": metadata("creationTimestamp"),
        },
        "spec": { "replicas": int32(count(&paths.spec_replicas)?.unwrap_or(unset)) },
        "status": { "replicas": int32(count(&paths.status_replicas)?.unwrap_or(0)), "selector": selector },
    });
    admission::encode_scale(&mut scale);
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
    let (resource, paths) = (target.resource, paths(&target)?);
    // A body is read before anything is looked up.
    let body = match kind {
        None => Some(read(&target, sent.value.clone(), admission::Source::Body, options)?),
        Some(_) => None,
    };
    let before = state
        .store
        .get(&resource.gr, target.namespace, target.name)
        .cloned()
        .ok_or_else(|| ApiError::not_found(target.about()))?;
    if let Some(body) = &body {
        update::check_uid(&target, before.uid(), body, options)?;
    }
    let found = resource.live(&before, target.version);
    let live = shown(resource, paths, &found, UNSET)?;
    let mut managed = ManagedFields::of(&found);
    let own_version = resource.api_version(target.version);
    let time = options.now.rfc3339();
    let writer = options.writer(&own_version, "", &time);
    let path = |version: &str| place(resource, version);
    let scale = match kind {
        None => body.unwrap_or_default(),
        Some(patch::Kind::Apply) => {
            if resource.is_custom() && !managed.tracks_scale(&path) {
                return Err(plain(
                    "failed to create manager for existing fields: failed to convert live object (/; autoscaling/v1, \
                     Kind=Scale) to proper version: request to convert CR to an invalid group/version: autoscaling/v1"
                        .to_owned(),
                ));
            }
            let force = if options.force { Force::Yes } else { Force::No };
            managed.apply_scale(&live, &sent.value, &writer, force, &path).map_err(patch::refused)?.object
        }
        Some(patch::Kind::Json) => {
            let text = patch::operate(&admission::scale_text(&live), sent, options)?;
            read(&target, patch::read(&text)?, admission::Source::Patched(&text), options)?
        }
        Some(patch::Kind::Merge) => {
            let text = patch::merge(&admission::scale_text(&live), sent, options)?;
            read(&target, patch::read(&text)?, admission::Source::Patched(&text), options)?
        }
        Some(patch::Kind::Strategic) => {
            let mut scale = live.clone();
            patch::strategically(&mut scale, sent, &admission::scale_schema())?;
            read(&target, scale, admission::Source::Strategic(&sent.value), options)?
        }
    };
    if kind != Some(patch::Kind::Apply) {
        managed.update_scale(&live, &scale, &writer, &path);
    }
    let replicas = json::i64_at(&scale, &["spec", "replicas"]).unwrap_or(0);
    let mut after = found.into_owned();
    if resource.is_custom() {
        if replicas == UNSET {
            let field = dotted(&paths.spec_replicas);
            return Err(ApiError::bad_request(format!("the spec replicas field {field:?} cannot be empty")));
        }
        set(&mut after, &paths.spec_replicas, replicas)?;
    } else if replicas < 0 {
        let cause = Cause::invalid("spec.replicas", &replicas.into(), "must be greater than or equal to 0");
        let about = About { group: "autoscaling", resource: "Scale", name: str_at(&scale, &["metadata", "name"]) };
        return Err(ApiError::invalid(about, &[cause]));
    } else {
        let names: Vec<&str> = paths.spec_replicas.iter().map(String::as_str).collect();
        json::set(&mut after, &names, replicas);
    }
    update::check_version(&target, &before, &scale)?;
    if !str_at(&scale, &["metadata", "resourceVersion"]).is_empty() {
        update::check_condition(&target, &scale)?;
    }
    after["apiVersion"] = own_version.as_str().into();
    let answer = update::finish(state, target, &before, after, options, Some(managed))?;
    let written = match &answer.outcome {
        Outcome::Stored(stored) => resource.live(stored, target.version),
        Outcome::Value(value) => Cow::Borrowed(value),
    };
    let outcome = Outcome::Value(shown(resource, paths, &written, 0)?);
    Ok(Answer { outcome, ..answer })
}

/// Reads a scale, which is to be that of the target.
fn read(
    target: &Target<'_>,
    mut scale: Value,
    source: admission::Source<'_>,
    options: &Options,
) -> Result<Value, ApiError> {
    options.warn(admission::decode_scale(target, &mut scale, source, options)?);
    super::check_namespace(target, &mut scale)?;
    let name = str_at(&scale, &["metadata", "name"]);
    if name != target.name {
        return Err(super::wrong_name(target, name));
    }
    Ok(scale)
}

/// Where a version of a resource has its replicas.
fn place(resource: &Resource, api_version: &str) -> Option<FieldPath> {
    let version = api_version.rsplit('/').next().unwrap_or(api_version);
    let known = resource.api_version(version) == api_version
        && (resource.crd.contains_key(version) || resource.versions.iter().any(|v| v == version));
    let path = resource.scale_at(version).map(|paths| paths.spec_replicas.clone());
    // Without a scale in that version nothing of it is the scale's.
    let names = path.unwrap_or_else(|| vec![String::new()]);
    known.then(|| FieldPath::of_fields(&names.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// Sets the replicas, as long as what is around them are objects.
fn set(object: &mut Value, path: &[String], replicas: i64) -> Result<(), ApiError> {
    let mut value = object;
    for (i, key) in path.iter().enumerate() {
        let Value::Object(map) = value else {
            return Err(plain(format!(
                "value cannot be set because {} is not a map[string]interface{{}}",
                dotted(&path[..i])
            )));
        };
        let last = i + 1 == path.len();
        value = map.entry(key.clone()).or_insert_with(|| if last { Value::Null } else { json!({}) });
    }
    *value = replicas.into();
    Ok(())
}

/// The type of a value in Go, as `%T` prints it.
fn value_type(value: &Value) -> &'static str {
    if value.is_null() { "<nil>" } else { go_type(value) }
}

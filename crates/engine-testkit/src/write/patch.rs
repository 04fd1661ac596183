//! The four kinds of patches:
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply>

use std::borrow::Cow;

use gitops_engine_schema::{
    Field, ManagedFields, Patch, Type, Versions as _,
    managed::{Conflicts, Force},
    merge::{Duplicates, validate},
};
use serde_json::{Map, Value};

use super::{Answer, Options, Target, check_identity, create, operations, update};
use crate::{
    admission, json,
    state::State,
    status::{About, ApiError, Cause},
};

/// How the body of a PATCH is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl Kind {
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        Some(match content_type {
            "application/json-patch+json" => Self::Json,
            "application/merge-patch+json" => Self::Merge,
            "application/strategic-merge-patch+json" => Self::Strategic,
            "application/apply-patch+yaml" => Self::Apply,
            _ => return None,
        })
    }
}

/// PATCH.
pub(crate) fn patch(
    state: &mut State,
    target: Target<'_>,
    kind: Kind,
    body: Value,
    options: &Options,
) -> Result<Answer, ApiError> {
    if kind == Kind::Apply {
        return apply(state, target, body, options);
    }
    let before = state
        .store
        .get(&target.resource.gr, target.namespace, target.name)
        .cloned()
        .ok_or_else(|| ApiError::not_found(target.about()))?;
    let mut after = before.value.clone();
    after["apiVersion"] = target.resource.api_version(target.version).into();
    let decoded = match kind {
        Kind::Json => {
            json_operations(&mut after, body)?;
            admission::Source::Patched
        }
        Kind::Merge => {
            if !body.is_object() {
                return Err(ApiError::bad_request("error decoding patch: a merge patch must be an object"));
            }
            json_patch::merge(&mut after, &body);
            admission::Source::Patched
        }
        Kind::Strategic | Kind::Apply => {
            let Value::Object(patch) = &body else {
                return Err(ApiError::bad_request("error decoding patch: a strategic merge patch must be an object"));
            };
            strategic(&mut after, patch, &target.resource.schema(target.version))?;
            admission::Source::Strategic(&body)
        }
    };
    let warnings = admission::decode(&target, &mut after, decoded, options)?;
    check_identity(&target, &mut after, options)?;
    let name = json::str_at(&after, &["metadata", "name"]);
    if name != target.name {
        return Err(super::wrong_name(&target, name));
    }
    update::check_version(&target, &before, &after)?;
    let mut answer = update::finish(state, target, &before, after, options, None)?;
    answer.warnings.splice(0..0, warnings);
    Ok(answer)
}

/// Applies a JSON patch, or refuses it as a whole.
pub(super) fn json_operations(object: &mut Value, patch: Value) -> Result<(), ApiError> {
    let form: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|e| ApiError::bad_request(format!("error decoding patch: {e}")))?;
    let list = patch.as_array().map_or(&[][..], Vec::as_slice);
    if list.len() > 10_000 {
        return Err(ApiError::new(
            http::StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            format!(
                "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got {}",
                list.len()
            ),
        ));
    }
    operate(object, &form, list)
}

/// Applies the operations of a JSON patch.
///
/// One after the other, since each may put what is there into itself: some twenty copies make an object of a million
/// levels, or of a gigabyte.
fn operate(object: &mut Value, form: &json_patch::Patch, list: &[Value]) -> Result<(), ApiError> {
    use json_patch::PatchOperation as Op;
    let mut copied = 0;
    for (operation, raw) in form.0.iter().zip(list) {
        let (path, moved) = match operation {
            Op::Add(op) => (&op.path, Some(&op.value)),
            Op::Replace(op) => (&op.path, Some(&op.value)),
            Op::Copy(op) => {
                let value = object.pointer(op.from.as_str());
                copied += value.map_or(0, |v| v.to_string().len());
                if copied > MAX_COPIED {
                    return Err(ApiError::new(
                        http::StatusCode::PAYLOAD_TOO_LARGE,
                        "RequestEntityTooLarge",
                        format!(
                            "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding \
                             the limit {MAX_COPIED}"
                        ),
                    ));
                }
                (&op.path, value)
            }
            Op::Move(op) => (&op.path, object.pointer(op.from.as_str())),
            Op::Remove(op) => (&op.path, None),
            Op::Test(op) => (&op.path, None),
        };
        let around = path.as_str().matches('/').count();
        if moved.is_some_and(|value| around + json::depth(value) > json::MAX_DEPTH) {
            return Err(ApiError::bad_request("the patched object exceeded max depth"));
        }
        operations::apply(object, std::slice::from_ref(raw)).map_err(|_| {
            let mut e = ApiError::new(
                http::StatusCode::UNPROCESSABLE_ENTITY,
                "Invalid",
                "the server rejected our request due to an error in our request",
            );
            e.details = Some(serde_json::json!({}));
            e
        })?;
    }
    Ok(())
}

/// How many bytes the copies of one JSON patch may add up to.
const MAX_COPIED: usize = 3 * 1024 * 1024;

/// Server-side apply.
fn apply(state: &mut State, target: Target<'_>, mut config: Value, options: &Options) -> Result<Answer, ApiError> {
    if options.manager.is_empty() {
        return Err(ApiError::invalid(
            About { group: "meta.k8s.io", resource: "PatchOptions", name: "" },
            &[Cause::required("fieldManager", "is required for apply patch")],
        ));
    }
    let resource = target.resource;
    let api_version = resource.api_version(target.version);
    let (sent_version, sent_kind) = (json::str_at(&config, &["apiVersion"]), json::str_at(&config, &["kind"]));
    if sent_version != api_version || sent_kind != resource.kind {
        let gv = if sent_version.contains('/') { sent_version.to_owned() } else { format!("/{sent_version}") };
        return Err(ApiError::bad_request(format!("invalid object type: {gv}, Kind={sent_kind}")));
    }
    if json::get(&config, &["metadata", "managedFields"]).is_some() {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let sent_namespace = json::str_at(&config, &["metadata", "namespace"]).to_owned();
    let before = state.store.get(&resource.gr, target.namespace, target.name).cloned();
    let sent = json::get(&config, &["metadata"]).cloned().unwrap_or_default();
    if before.is_none() && !target.subresource.is_empty() {
        return Err(ApiError::not_found(target.about()));
    }
    if before.is_none() && !json::str_at(&sent, &["uid"]).is_empty() {
        let uid = json::str_at(&sent, &["uid"]);
        return Err(ApiError::conflict(
            target.about(),
            format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found"),
        ));
    }
    json::remove(&mut config, &["metadata", "resourceVersion"]);
    if sent_namespace.is_empty() {
        json::remove(&mut config, &["metadata", "namespace"]);
    }
    let schema = resource.schema(target.version);
    validate(&config, &schema, Duplicates::Refused).map_err(|e| {
        let message = format!(
            "failed to create typed patch object ({sent_namespace}/{}; {}{api_version}, Kind={}): {e}",
            json::str_at(&sent, &["name"]),
            if api_version.contains('/') { "" } else { "/" },
            resource.kind
        );
        ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "", message)
    })?;
    let nothing = schema.empty_object();
    let stored = before.as_ref().map_or(&nothing, |b| &b.value);
    let live = resource.convert(stored, &api_version).unwrap_or(Cow::Borrowed(stored));
    let mut managed = ManagedFields::of(&live);
    let time = options.now.rfc3339();
    let writer = options.writer(&api_version, target.subresource, &time);
    let force = if options.force { Force::Yes } else { Force::No };
    let mut merged = managed.apply(&**resource, &live, &config, &writer, force).map_err(refused)?.object;
    merged["apiVersion"] = api_version.as_str().into();
    merged["kind"] = resource.kind.as_str().into();
    if before.is_none()
        && let Some(version) = json::get(&sent, &["resourceVersion"])
    {
        json::set(&mut merged, &["metadata", "resourceVersion"], version.clone());
    }
    super::check_namespace(&target, &mut merged)?;
    let name = json::str_at(&merged, &["metadata", "name"]);
    if name != target.name {
        return Err(super::wrong_name(&target, name));
    }
    let answer = match &before {
        Some(before) => {
            update::check_version(&target, before, &serde_json::json!({ "metadata": sent }))?;
            update::finish(state, target, before, merged, options, Some(managed))?
        }
        None => create::create(state, target, merged, options, create::How::Applied(managed))?,
    };
    Ok(answer)
}

/// The answer to an apply that meets fields of others.
pub(super) fn refused(conflicts: Conflicts) -> ApiError {
    let mut e = ApiError::new(http::StatusCode::CONFLICT, "Conflict", conflicts.to_string());
    let causes: Vec<Value> = conflicts
        .0
        .iter()
        .map(|c| {
            serde_json::json!({
                "reason": "FieldManagerConflict",
                "message": format!("conflict with {}", c.manager),
                "field": c.path.to_string(),
            })
        })
        .collect();
    e.details = Some(serde_json::json!({ "causes": causes }));
    e
}

/// A strategic merge patch: maps merge, lists merge by the first key of their type, directives steer.
/// <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md>
fn strategic(target: &mut Value, patch: &Map<String, Value>, schema: &Type) -> Result<(), ApiError> {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else {
        return Ok(());
    };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *map = patch.clone();
            map.remove("$patch");
            return Ok(());
        }
        Some("delete") => {
            map.clear();
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => {
            return Err(ApiError::bad_request(format!("Unknown patch type found: {other}")));
        }
    }
    if let Some(keep) = patch.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|k, _| keep.iter().any(|v| v.as_str() == Some(k)));
    }
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(list) = map.get_mut(field).and_then(Value::as_array_mut) {
                list.retain(|v| !gone.contains(v));
            }
            continue;
        }
        if key.starts_with('$') {
            continue;
        }
        let child = schema.value(key);
        let how = schema.field(key).and_then(Field::patch);
        match value {
            Value::Null => {
                map.remove(key);
            }
            Value::Object(inner) => strategic(map.entry(key.clone()).or_insert(Value::Null), inner, child)?,
            Value::Array(items) => {
                let old = map.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
                let merged = strategic_list(old, items, how, child)?;
                let order = patch.get(&format!("$setElementOrder/{key}")).and_then(Value::as_array);
                map.insert(key.clone(), Value::Array(ordered(merged, order, how)));
            }
            other => {
                map.insert(key.clone(), other.clone());
            }
        }
    }
    for (key, order) in patch {
        // An order alone, for a list that the patch does not change otherwise.
        if let Some(field) = key.strip_prefix("$setElementOrder/")
            && !patch.contains_key(field)
            && let Some(list) = map.get(field).and_then(Value::as_array).cloned()
        {
            let sorted = ordered(list, order.as_array(), schema.field(field).and_then(Field::patch));
            map.insert(field.to_owned(), Value::Array(sorted));
        }
    }
    Ok(())
}

/// `how` is what the type says about the field that holds the list.
fn strategic_list(
    mut old: Vec<Value>,
    patch: &[Value],
    how: Option<&Patch>,
    schema: &Type,
) -> Result<Vec<Value>, ApiError> {
    let Some(how) = how.filter(|how| how.merge) else { return Ok(patch.to_vec()) };
    let Some(key) = how.merge_key.as_deref() else {
        for item in patch {
            if !old.contains(item) {
                old.push(item.clone());
            }
        }
        return Ok(old);
    };
    if patch.iter().any(|p| json::str_at(p, &["$patch"]) == "replace") {
        return Ok(patch.iter().filter(|p| p.get("$patch").is_none()).cloned().collect());
    }
    let live = old.clone();
    let mut patched = Vec::new();
    for item in patch {
        let Some(fields) = item.as_object() else { return Ok(patch.to_vec()) };
        let Some(id) = fields.get(key) else {
            let message = format!("map: {item} does not contain declared merge key: {key}");
            return Err(ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "", message));
        };
        let at = old.iter().position(|o| o.get(key) == Some(id));
        let mut merged = at.map_or_else(|| Value::Object(Map::new()), |at| old.remove(at));
        if fields.get("$patch").and_then(Value::as_str) != Some("delete") {
            strategic(&mut merged, fields, schema.items())?;
            patched.push(merged);
        }
    }
    // Items that the patch names keep the order of the live list among those that it does not name; new ones stay where
    // the patch has them.
    let rank = |v: &Value| live.iter().position(|o| o.get(key) == v.get(key));
    let mut from = 0;
    for item in old {
        let at = (from..patched.len()).find(|i| match (rank(&patched[*i]), rank(&item)) {
            (Some(other), Some(mine)) => other > mine,
            _ => false,
        });
        let at = at.unwrap_or(patched.len());
        patched.insert(at, item);
        from = at + 1;
    }
    Ok(patched)
}

fn ordered(list: Vec<Value>, order: Option<&Vec<Value>>, how: Option<&Patch>) -> Vec<Value> {
    let Some(order) = order else { return list };
    let key = how.and_then(|how| how.merge_key.as_deref());
    let rank = |v: &Value| {
        order.iter().position(|o| match key {
            Some(key) => o.get(key).is_some() && o.get(key) == v.get(key),
            None => o == v,
        })
    };
    // Items without a place of their own stay behind the ones that they stood behind.
    let mut last = 0;
    let mut ranked: Vec<(usize, Value)> = list
        .into_iter()
        .map(|v| {
            last = rank(&v).map_or(last, |r| r + 1);
            (rank(&v).map_or(last, |r| r + 1), v)
        })
        .collect();
    ranked.sort_by_key(|(r, _)| *r);
    ranked.into_iter().map(|(_, v)| v).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use gitops_engine_schema::Schema;
    use serde_json::json;

    use super::*;

    #[test]
    fn strategic_merge() {
        let pod = |containers: Value| json!({"spec": {"containers": containers}});
        let live = pod(json!([{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]));
        for (patch, expected) in [
            (
                pod(json!([{"name": "a", "image": "2"}])),
                pod(json!([{"name": "a", "image": "2", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}])),
            ),
            (
                pod(json!([{"name": "b", "$patch": "delete"}])),
                pod(json!([{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}])),
            ),
            (pod(json!([{"name": "c"}, {"$patch": "replace"}])), pod(json!([{"name": "c"}]))),
            (
                json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "env": null}]}}),
                pod(json!([{"name": "b"}, {"name": "a", "image": "1"}])),
            ),
        ] {
            let mut target = live.clone();
            strategic(&mut target, patch.as_object().unwrap(), &Schema::builtin("", "v1", "Pod").unwrap()).unwrap();
            assert_eq!(target, expected, "{patch}");
        }
    }
}

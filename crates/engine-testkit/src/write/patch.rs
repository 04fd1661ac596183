//! The four kinds of patches:
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply>

use std::borrow::Cow;

use gitops_engine_schema::{
    ManagedFields, Type, Versions as _, Writer,
    managed::{Conflicts, Force, ManagedEntry, Operation},
    merge::{Duplicates, validate},
};
use serde_json::Value;

use super::{
    Answer, FieldValidation, Options, Target, check_identity, check_namespace, create, operations, operations::Refusal,
    strategic, update,
};
use crate::{
    admission, crd, json,
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

/// The body of a PATCH.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) value: Value,
    /// As it was sent.
    pub(crate) text: String,
}

/// PATCH.
pub(crate) fn patch(
    state: &mut State,
    target: Target<'_>,
    kind: Kind,
    sent: &Sent,
    options: &Options,
) -> Result<Answer, ApiError> {
    if kind == Kind::Apply {
        return apply(state, target, sent.value.clone(), options);
    }
    let before = state
        .store
        .get(&target.resource.gr, target.namespace, target.name)
        .cloned()
        .ok_or_else(|| ApiError::not_found(target.about()))?;
    let live = target.resource.live(&before, target.version);
    let mut live = target.resource.in_version(&live, &target.resource.api_version(target.version));
    let (text, printed);
    let (mut after, decoded) = match kind {
        Kind::Json => {
            text = operate(&admission::text(target.resource, target.version, &live), sent, options)?;
            (read(&text)?, admission::Source::Patched(&text))
        }
        Kind::Merge => {
            text = merge(&admission::text(target.resource, target.version, &live), sent, options)?;
            (read(&text)?, admission::Source::Patched(&text))
        }
        Kind::Strategic | Kind::Apply => {
            printed = strategic::printed(&live, &sent.value);
            strategically(&mut live, sent, &target.resource.schema(target.version))?;
            // Nobody reads what the object says that it is: it is what it was.
            live["apiVersion"] = target.resource.api_version(target.version).into();
            live["kind"] = target.resource.kind.as_str().into();
            (live, admission::Source::Strategic(&printed))
        }
    };
    options.warn(admission::decode(&target, &mut after, decoded, options)?);
    let own_version = target.resource.api_version(target.version);
    let said = json::str_at(&after, &["apiVersion"]);
    if said.is_empty() {
        return Err(without_version(&target));
    }
    // What a custom resource says that it is, is judged with the rest of it.
    let foreign = target.resource.is_custom() && said != own_version;
    if foreign {
        check_namespace(&target, &mut after)?;
    } else {
        check_identity(&target, &mut after)?;
    }
    let name = json::str_at(&after, &["metadata", "name"]);
    if name != target.name {
        return Err(super::wrong_name(&target, name));
    }
    update::check_version(&target, &before, &after)?;
    update::check_condition(&target, &after)?;
    if foreign {
        admission::refuse_version(&target, &before.value, &after)?;
    }
    update::finish(state, target, &before, after, options, None)
}

/// A patch that takes away what version an object is of: a built-in one is then read as a type of the server's own, which
/// has its name elsewhere.
fn without_version(target: &Target<'_>) -> ApiError {
    if !target.resource.is_custom() {
        return super::wrong_name(target, "");
    }
    let why = "Object 'apiVersion' is missing in 'object has no apiVersion field'";
    let mut e = ApiError::internal(format!("Internal error occurred: {why}"));
    e.details = Some(serde_json::json!({"causes": [{"message": why}]}));
    e
}

pub(super) fn read(text: &str) -> Result<Value, ApiError> {
    serde_json::from_str(text)
        .map_err(|e| ApiError::bad_request(format!("couldn't get version/kind; json parse error: {e}")))
}

/// A patch that is no JSON object, or no list of them.
fn misshapen(value: &Value, wanted: &str) -> String {
    format!("json: cannot unmarshal {} into Go value of type {wanted}", json::type_name(value))
}

/// A merge patch of a document.
pub(super) fn merge(document: &str, sent: &Sent, options: &Options) -> Result<String, ApiError> {
    let lenient = options.validation == FieldValidation::Ignore;
    if !sent.value.is_object() && !sent.value.is_null() && !lenient {
        let problem = misshapen(&sent.value, "map[string]interface {}");
        return Err(ApiError::bad_request(format!("error decoding patch: {problem}")));
    }
    operations::merge(document, &sent.text).ok_or_else(|| ApiError::bad_request("Invalid JSON Patch"))
}

/// A strategic merge patch of an object.
pub(super) fn strategically(live: &mut Value, sent: &Sent, schema: &Type) -> Result<(), ApiError> {
    match (live, &sent.value) {
        (_, Value::Null) => Ok(()),
        (Value::Object(live), Value::Object(patch)) => strategic::merge(live, patch.clone(), schema),
        (_, other) => Err(ApiError::bad_request(misshapen(other, "map[string]interface {}"))),
    }
}

/// A JSON patch of a document.
pub(super) fn operate(document: &str, sent: &Sent, options: &Options) -> Result<String, ApiError> {
    let lenient = options.validation == FieldValidation::Ignore;
    if let Some(problem) = unusable(&sent.value, lenient) {
        return Err(ApiError::bad_request(if lenient { problem } else { format!("error decoding patch: {problem}") }));
    }
    let list: Option<Vec<Option<operations::Operation>>> =
        serde_json::from_str(&sent.text).map_err(|e| ApiError::bad_request(format!("error decoding patch: {e}")))?;
    let list = list.unwrap_or_default();
    let too_large =
        |message: String| Err(ApiError::new(http::StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message));
    if list.len() > 10_000 {
        return too_large(format!(
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got {}",
            list.len()
        ));
    }
    match operations::patch(document, &list) {
        Ok(text) => Ok(text),
        Err(Refusal::TooMuchCopied(bytes)) => too_large(format!(
            "Unable to complete the copy, the accumulated size increase of copy is {bytes}, exceeding the limit {}",
            operations::MAX_COPIED
        )),
        Err(Refusal::TooDeep) => Err(ApiError::bad_request("the patched object exceeded max depth")),
        Err(Refusal::DoesNotApply) => {
            let message = "the server rejected our request due to an error in our request";
            let mut e = ApiError::new(http::StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
            e.details = Some(serde_json::json!({}));
            Err(e)
        }
    }
}

/// Why the body is no list of operations.
fn unusable(patch: &Value, lenient: bool) -> Option<String> {
    let (whole, part) = if lenient {
        ("jsonpatch.Patch", "jsonpatch.Operation")
    } else {
        ("[]handlers.jsonPatchOp", "handlers.jsonPatchOp")
    };
    let operations = match patch {
        Value::Array(operations) => operations,
        Value::Null => return None,
        other => return Some(misshapen(other, whole)),
    };
    operations.iter().filter(|operation| !operation.is_null()).find_map(|operation| {
        let Value::Object(fields) = operation else { return Some(misshapen(operation, part)) };
        if lenient {
            return None;
        }
        ["op", "path", "from"].iter().find_map(|key| {
            let value = fields.get(*key).filter(|v| !v.is_string() && !v.is_null())?;
            let kind = json::type_name(value);
            Some(format!("json: cannot unmarshal {kind} into Go struct field jsonPatchOp.{key} of type string"))
        })
    })
}

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
    let sent_namespace = json::str_at(&config, &["metadata", "namespace"]).to_owned();
    let before = state.store.get(&resource.gr, target.namespace, target.name).cloned();
    let sent = json::get(&config, &["metadata"]).cloned().unwrap_or_default();
    if before.is_none()
        && !target.subresource.is_empty()
        && !super::allows_create_on_update(resource, target.subresource)
    {
        return Err(ApiError::not_found(target.about()));
    }
    json::remove(&mut config, &["metadata", "resourceVersion"]);
    if sent_namespace.is_empty() {
        json::remove(&mut config, &["metadata", "namespace"]);
    }
    let schema = resource.schema(target.version);
    let kind = format!("{}{api_version}, Kind={}", if api_version.contains('/') { "" } else { "/" }, resource.kind);
    let object = format!("({sent_namespace}/{}; {kind})", json::str_at(&sent, &["name"]));
    let broken = |message: String| ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "", message);
    let nothing = schema.empty_object();
    let found = before.as_ref().map(|before| resource.live(before, target.version));
    let stored = found.as_deref().unwrap_or(&nothing);
    let live = resource.convert(stored, &api_version).unwrap_or(Cow::Borrowed(stored));
    let unkeyed = before.is_some() && (!super::is_keyed(&target, &live) || !super::is_typed(&target, &live));
    let unkeyed = unkeyed.then(|| validate(&live, &schema, Duplicates::Allowed).err()).flatten();
    let live_object = format!("({}/{}; {kind})", target.namespace, target.name);
    // Without owners so far, there is one to be made first of all.
    if let Some(e) = unkeyed.as_ref().filter(|_| json::list_at(&live, &["metadata", "managedFields"]).is_empty()) {
        return Err(broken(format!(
            "failed to create manager for existing fields: failed to convert new object {live_object} to smd typed: {e}"
        )));
    }
    if json::get(&config, &["metadata", "managedFields"]).is_some() {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    validate(&config, &schema, Duplicates::Refused)
        .map_err(|e| broken(format!("failed to create typed patch object {object}: {e}")))?;
    if let Some(e) = unkeyed {
        return Err(broken(format!("failed to create typed live object {live_object}: {e}")));
    }
    let mut managed = ManagedFields::of(&live);
    let time = options.now.rfc3339();
    let writer = options.writer(&api_version, target.subresource, &time);
    let force = if options.force { Force::Yes } else { Force::No };
    if let Some(why) = converts_first(&live, &writer)
        && let Err(e) = admission::convert(&target, &mut config.clone())
    {
        return Err(broken(format!("{why}: unable to convert unstructured object to {kind}: {e}")));
    }
    fits(&target, &managed, &live, &config, &writer).map_err(broken)?;
    let applied =
        managed.apply(&resource.served_at(target.version), &live, &config, &writer, force).map_err(refused)?;
    let mut merged = applied.object;
    if let Some(schema) = resource.crd.get(target.version).and_then(|v| v.openapi.as_deref())
        && applied.changed
    {
        crd::default(&mut merged, schema);
    }
    merged["apiVersion"] = api_version.as_str().into();
    merged["kind"] = resource.kind.as_str().into();
    admission::convert(&target, &mut merged).map_err(|e| {
        broken(format!(
            "failed to convert new object {object} to proper version: unable to convert unstructured object to {kind}: {e}"
        ))
    })?;
    if before.is_none() && !json::str_at(&sent, &["uid"]).is_empty() {
        let uid = json::str_at(&sent, &["uid"]);
        return Err(ApiError::conflict(
            target.about(),
            format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found"),
        ));
    }
    if before.is_none()
        && let Some(version) = json::get(&sent, &["resourceVersion"])
    {
        json::set(&mut merged, &["metadata", "resourceVersion"], version.clone());
    }
    check_namespace(&target, &mut merged)?;
    let name = json::str_at(&merged, &["metadata", "name"]);
    if name != target.name {
        return Err(super::wrong_name(&target, name));
    }
    let answer = match &before {
        Some(before) => {
            let named = serde_json::json!({ "metadata": sent });
            update::check_version(&target, before, &named)?;
            if sent.get("resourceVersion").is_some() {
                update::check_condition(&target, &named)?;
            }
            update::finish(state, target, before, merged, options, Some(managed))?
        }
        None => {
            update::version_of(&merged)?;
            create::create(state, target, merged, options, create::How::Applied(managed))?
        }
    };
    Ok(answer)
}

/// Whether an object and what an apply makes of it can be read in the versions of all who own something of it.
fn fits(
    target: &Target<'_>,
    managed: &ManagedFields,
    live: &Value,
    config: &Value,
    writer: &Writer<'_>,
) -> Result<(), String> {
    let entries = managed.entries();
    if entries.iter().all(|entry| entry.api_version == writer.api_version) {
        return Ok(());
    }
    if let Some(problem) = super::misfit(target, entries, live) {
        return Err(problem);
    }
    let versions = target.resource.served_at(target.version);
    let Ok(applied) = managed.clone().apply(&versions, live, config, writer, Force::Yes) else { return Ok(()) };
    let is_own = |entry: &&ManagedEntry| {
        entry.manager == writer.manager
            && entry.operation == Operation::Apply
            && entry.subresource == writer.subresource
    };
    if let Some(problem) = super::misfit(target, entries.iter().filter(is_own), &applied.object) {
        return Err(format!(
            "failed to prune fields: failed to convert merged object to last applied version: {problem}"
        ));
    }
    super::misfit(target, entries.iter().filter(|entry| !is_own(entry)), &applied.object)
        .map_or(Ok(()), |problem| Err(format!("failed to convert new object: {problem}")))
}

/// What the merged object is converted for before it is converted to be stored: an entry in another version is compared in
/// that one. The first of these conversions fails when the configuration has a value that fits the schema alone, such as a
/// fraction where the type has a whole number.
fn converts_first(live: &Value, writer: &Writer<'_>) -> Option<String> {
    let entries = json::list_at(live, &["metadata", "managedFields"]);
    let is_own = |entry: &&Value| {
        let is = |field: &str, value: &str| json::str_at(entry, &[field]) == value;
        is("operation", "Apply") && is("manager", writer.manager) && is("subresource", writer.subresource)
    };
    fn version(entry: &Value) -> &str {
        json::str_at(entry, &["apiVersion"])
    }
    let is_other = |entry: &&Value| version(entry) != writer.api_version;
    let own = entries.iter().find(is_own);
    if own.as_ref().is_some_and(is_other) {
        return Some("failed to prune fields: failed to convert merged object to last applied version".to_owned());
    }
    let other = version(entries.iter().find(is_other)?);
    Some(match own {
        Some(_) => format!(
            "failed to prune fields: failed add back owned items: failed to convert merged object at version {other}"
        ),
        None => "failed to convert new object".to_owned(),
    })
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

//! What happens to an object between the request and the store: unknown fields, defaults, validation.

mod amounts;
mod claim;
mod classes;
mod default;
mod empties;
mod go;
mod immutable;
mod limits;
mod meta;
pub(crate) mod names;
mod node_labels;
mod patched;
mod pod;
mod prepare;
pub(crate) mod quantity;
mod quota;
mod rules;
mod security;
mod service;
mod validate;
mod warn;
mod warn_network;

use gitops_engine_schema::Schema;
use serde_json::Value;

pub(crate) use claim::CLASS as CLASS_OF_CLAIM;
pub(crate) use default::{default, default_stored};
pub(crate) use empties::{Empties, has_amounts_in_lists, put_empties_back, unread};
pub(crate) use go::{decode_protobuf, nothing_of};
pub(crate) use meta::{Doubled, drop_doubled_owners, manager_name, manager_of_agent};
pub(crate) use pod::TOPOLOGY;
pub(crate) use prepare::{prepare, takes_template_labels};
pub(crate) use quota::{charge, counted_anew};
pub(crate) use rules::webhook_client;
pub(crate) use service::allocate;
pub(crate) use validate::{refuse_version, validate_create, validate_update};
pub(crate) use warn::{warnings, warnings_of_status};
pub(crate) use warn_network::warnings as network_warnings;

use crate::{
    crd, json,
    resources::{Resource, group_of},
    state::State,
    status::{About, ApiError, Cause},
    write::{FieldValidation, Options, Target, Wanted, untyped, wrong_name},
};

/// What the admission of a server makes of an object before webhooks see it; `before` is the stored one on an update.
/// Returns what it warns of.
pub(crate) fn admit(
    state: &mut State,
    target: &Target<'_>,
    object: &mut Value,
    before: Option<&Value>,
    options: &Options,
) -> Result<Vec<String>, ApiError> {
    if before.is_none() {
        classes::fill_class(state, target.resource, object);
    }
    if !target.resource.is("", "pods") || !target.subresource.is_empty() {
        return Ok(Vec::new());
    }
    let warnings = if before.is_none() { pod::early_warnings(object) } else { Vec::new() };
    pod::admit(state, target, object, before, options)?;
    encode(target.resource, object);
    Ok(warnings)
}

/// Puts back what a write of one of a Pod's subresources does not reach.
pub(crate) fn reach_of_pod(subresource: &str, before: &Value, after: &mut Value) {
    pod::reach(subresource, before, after);
}

/// What the admission of a server has against a new object that is valid.
pub(crate) fn refuse(
    state: &State,
    target: &Target<'_>,
    object: &Value,
    sent: &Empties,
    options: &Options,
) -> Result<(), ApiError> {
    let refuse = |problem: String| ApiError::forbidden(target.about(), problem);
    let is_pod = target.resource.is("", "pods");
    if is_pod {
        limits::check_pod(state, target.namespace, object).map_err(refuse)?;
    } else if target.resource.is("", "persistentvolumeclaims") {
        limits::check_claim(state, target.namespace, object).map_err(refuse)?;
    }
    security::check(state, target, None, object, options)?;
    if is_pod {
        pod::check_overhead(state, &object["spec"], sent.has("spec.overhead")).map_err(refuse)?;
    }
    Ok(())
}

/// The same of a valid change.
pub(crate) fn refuse_change(
    state: &State,
    target: &Target<'_>,
    before: &Value,
    after: &Value,
    options: &Options,
) -> Result<(), ApiError> {
    let refuse = |problem: String| ApiError::forbidden(target.about(), problem);
    let stays = json::get(before, &["metadata", "deletionTimestamp"]).is_none();
    if target.resource.is("", "pods") {
        if stays && target.subresource == "resize" {
            limits::check_pod(state, target.namespace, after).map_err(refuse)?;
        }
        pod::refuse_change(state, target, before, after)?;
    } else if target.resource.is("", "persistentvolumeclaims") && target.subresource.is_empty() {
        if stays {
            limits::check_claim(state, target.namespace, after).map_err(refuse)?;
        }
        claim::check_growth(state, before, after).map_err(refuse)?;
    }
    security::check(state, target, Some(before), after, options)
}

/// The annotation in which a DaemonSet counts the changes of its template.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Writes the object as its Go type is written. An applied configuration is read before that: an empty map in it is
/// owned.
pub(crate) fn encode(resource: &Resource, body: &mut Value) {
    if !resource.is_custom() {
        encode_as(&resource.api_version(&resource.storage_version), &resource.kind, body);
    }
}

/// The same in any version of a built-in kind.
pub(crate) fn encode_as(api_version: &str, kind: &str, body: &mut Value) {
    if let Some(of) = go::Struct::of_kind(api_version, kind) {
        go::encode(body, of);
    }
}

/// An object as the JSON text of its type.
pub(crate) fn text(resource: &Resource, version: &str, object: &Value) -> String {
    match go::Struct::of_kind(&resource.api_version(version), &resource.kind).filter(|_| !resource.is_custom()) {
        Some(of) => go::text(object, of),
        None => object.to_string(),
    }
}

/// Reads the object back from what it is stored as. Returns the one that was written, if that is another.
fn read_back(resource: &Resource, object: &mut Value) -> Option<Value> {
    let of = go::Struct::of_kind(&resource.api_version(&resource.storage_version), &resource.kind)?;
    go::read_back(object, of)
}

/// The same of an object that is about to be completed: what was sent empty is still there, since it is owned.
fn encode_sent(resource: &Resource, body: &mut Value) {
    if let Some(of) = go::Struct::of_kind(&resource.api_version(&resource.storage_version), &resource.kind)
        && !resource.is_custom()
    {
        go::encode_sent(body, of);
    }
}

/// Converts an applied configuration to the type of its kind, or says what does not fit.
pub(crate) fn convert(target: &Target<'_>, body: &mut Value) -> Result<(), String> {
    match go::Struct::of_kind(&target.resource.api_version(target.version), &target.resource.kind) {
        Some(of) if !target.resource.is_custom() => go::convert(body, of),
        _ => Ok(()),
    }
}

/// Whether a list or map was sent empty below a field. Some kinds count that as a change, since what they have is nothing.
/// What defaults fill is not empty any more.
pub(crate) fn has_empty(resource: &Resource, sent: &Value, filled: &Value, field: &str) -> bool {
    let of = go::Struct::of_kind(&resource.api_version(&resource.storage_version), &resource.kind);
    of.is_some_and(|of| go::has_empty(sent, filled, of, field))
}

/// Whether what is as deep as this in an object may be more than a field that the kind does not have, and so would be
/// missed.
pub(crate) fn may_be_known(resource: &Resource, version: &str, body: &Value, depth: usize) -> bool {
    if resource.is_custom() {
        return true;
    }
    let Some(of) = go::Struct::of_kind(&resource.api_version(version), &resource.kind) else { return true };
    // Wrong types are somebody else's to name.
    if go::mismatch(body, of).is_some() {
        return false;
    }
    let mut known = body.clone();
    go::drop_unknown(&mut known, of, "", &mut Vec::new());
    json::depth(&known) >= depth
}

/// The same for the metadata alone, which is typed in custom resources too.
pub(crate) fn encode_metadata(body: &mut Value) {
    if let (Some(metadata), Some(of)) = (body.get_mut("metadata"), go::Struct::metadata()) {
        go::encode(metadata, of);
    }
}

/// The kinds that are in every version of every group.
const OF_ALL_VERSIONS: [&str; 7] =
    ["CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions", "WatchEvent"];

/// The kinds that have no version, and so are known in any, also in one that nobody knows.
const UNVERSIONED: [&str; 5] = ["APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "Status"];

/// Whether a kind is none of a group: a real server has its type among those of metadata.
pub(crate) fn is_of_meta(kind: &str) -> bool {
    UNVERSIONED.contains(&kind) || OF_ALL_VERSIONS.contains(&kind)
}

/// Whether a real server knows a built-in kind, which may be a list or the options of a request.
pub(crate) fn is_registered(api_version: &str, kind: &str) -> bool {
    go::Struct::of_kind(api_version, kind).is_some()
        || UNVERSIONED.contains(&kind)
        || OF_ALL_VERSIONS.contains(&kind) && go::Struct::has_version(api_version)
}

/// Whether a kind has no version, and so is known in any.
pub(crate) fn is_unversioned(kind: &str) -> bool {
    UNVERSIONED.contains(&kind)
}

/// Whether a group has this kind in any version.
pub(crate) fn is_of_group(group: &str, kind: &str) -> bool {
    go::Struct::is_of_group(group, kind) && !is_of_meta(kind)
}

/// What a built-in kind cannot hold, in the words of a real server.
pub(crate) fn mismatch(api_version: &str, kind: &str, body: &Value) -> Option<String> {
    go::mismatch(body, go::Struct::of_kind(api_version, kind)?)
}

/// Where an object comes from that is about to be decoded, which is how errors speak of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// The body of a request.
    Body,
    /// What a JSON or merge patch made, as text.
    Patched(&'a str),
    /// What a strategic merge patch made, and the patch.
    Strategic(&'a Value),
}

/// Decodes an object into the type of its kind: drops fields that it does not have, refusing them when strict and
/// returning warnings otherwise.
pub(crate) fn decode(
    target: &Target<'_>,
    body: &mut Value,
    source: Source<'_>,
    options: &Options,
) -> Result<Vec<String>, ApiError> {
    let mut unknown = Vec::new();
    if let Source::Patched(text) = source {
        patched::check(target.resource, body, text).map_err(|problem| refused(target, source, &problem))?;
    }
    match target.resource.crd.get(target.version) {
        None if matches!(source, Source::Patched(_)) && patched::has_no_version(body) => {
            unknown = patched::unknown_without_version(body);
        }
        Some(version) => {
            if let (Some(metadata), Some(of)) = (body.get_mut("metadata"), go::Struct::metadata()) {
                if let Some(problem) = go::mismatch(metadata, of) {
                    let kind = kind_of(target, body);
                    return Err(refused_as(&kind, &target.resource.kind, version_of(target, body), source, &problem));
                }
                go::drop_unknown(metadata, of, "metadata", &mut unknown);
            }
            if let Some(schema) = &version.openapi {
                // Of what is of another kind or group nothing is known.
                let group = group_of(json::str_at(body, &["apiVersion"]));
                if json::str_at(body, &["kind"]) == target.resource.kind && group == &*target.resource.gr.group {
                    crd::read(body, schema, &mut unknown);
                }
            }
        }
        None => {
            let api_version = target.resource.api_version(target.version);
            if let Some(of) = go::Struct::of_kind(&api_version, &target.resource.kind) {
                let problem = match source {
                    Source::Strategic(_) => go::convert(body, of).err(),
                    Source::Patched(text) => go::mismatch(body, of).map(|problem| go::complaint(text, problem)),
                    Source::Body => go::mismatch(body, of),
                };
                if let Some(problem) = problem {
                    return Err(refused(target, source, &problem));
                }
                go::drop_unknown(body, of, "", &mut unknown);
            }
        }
    }
    strictly(unknown, options).map_err(|problem| {
        let kind = kind_of(target, body);
        let version = version_of(target, body);
        if version.is_empty() && matches!(source, Source::Body) {
            let detail = "Object 'apiVersion' is missing in 'object has no apiVersion field'";
            return ApiError::bad_request(detail);
        }
        refused_as(&kind, &kind, version, source, &problem)
    })
}

/// The same of its version.
fn version_of<'v>(target: &Target<'v>, body: &'v Value) -> &'v str {
    match target.resource.is_custom() {
        true => json::str_at(body, &["apiVersion"]).rsplit('/').next().unwrap_or_default(),
        false => target.version,
    }
}

/// What an object says that it is: of custom resources that is looked at after they are decoded.
fn kind_of(target: &Target<'_>, body: &Value) -> String {
    let said = json::str_at(body, &["kind"]);
    if target.resource.is_custom() && !said.is_empty() { said.to_owned() } else { target.resource.kind.clone() }
}

/// What to say about fields that are not known; or why they are too much.
fn strictly(mut unknown: Vec<String>, options: &Options) -> Result<Vec<String>, String> {
    if options.validation == FieldValidation::Ignore {
        return Ok(Vec::new());
    }
    unknown.sort();
    let unknown = unknown.iter().map(|f| format!("unknown field {f:?}"));
    let messages: Vec<String> = options.noticed.iter().cloned().chain(unknown).collect();
    if options.validation == FieldValidation::Strict && !messages.is_empty() {
        return Err(format!("strict decoding error: {}", messages.join(", ")));
    }
    Ok(messages)
}

const SCALE: Wanted<'static> = Wanted { group: "autoscaling", kind: "Scale" };

fn scale_type() -> Option<&'static go::Struct> {
    go::Struct::of_kind("autoscaling/v1", "Scale")
}

/// Decodes a scale. Of a built-in kind, one that lost its version is not read.
pub(crate) fn decode_scale(
    target: &Target<'_>,
    scale: &mut Value,
    source: Source<'_>,
    options: &Options,
) -> Result<Vec<String>, ApiError> {
    let mut unknown = Vec::new();
    let refuse = |problem: String| refused_as("Scale", "Scale", "v1", source, &problem);
    if matches!(source, Source::Patched(_)) {
        if let Some(problem) = untyped(scale) {
            return Err(refuse(problem));
        }
        if patched::has_no_version(scale) && !target.resource.is_custom() {
            if let Some(problem) = SCALE.refusal_without_version(scale) {
                return Err(refuse(problem));
            }
            options.warn(strictly(patched::unknown_without_version(scale), options).map_err(refuse)?);
            return Err(wrong_name(target, ""));
        }
    }
    if !matches!(source, Source::Strategic(_))
        && let Some(problem) = SCALE.refusal_of(scale)
    {
        let version = json::str_at(scale, &["apiVersion"]).rsplit('/').next().unwrap_or_default().to_owned();
        return Err(refused_as(json::str_at(scale, &["kind"]), "Scale", &version, source, &problem));
    }
    if let Some(of) = scale_type() {
        let problem = match source {
            Source::Strategic(_) => go::convert(scale, of).err(),
            _ => go::mismatch(scale, of),
        };
        if let Some(problem) = problem {
            return Err(refuse(problem));
        }
        go::drop_unknown(scale, of, "", &mut unknown);
    }
    let messages = strictly(unknown, options).map_err(refuse)?;
    encode_scale(scale);
    Ok(messages)
}

/// Writes a scale as its type is written.
pub(crate) fn encode_scale(scale: &mut Value) {
    if let Some(of) = scale_type() {
        go::encode(scale, of);
    }
}

/// A scale as text.
pub(crate) fn scale_text(scale: &Value) -> String {
    scale_type().map_or_else(|| scale.to_string(), |of| go::text(scale, of))
}

/// By which a scale is merged.
pub(crate) fn scale_schema() -> Schema {
    Schema::builtin("autoscaling", "v1", "Scale").unwrap_or_else(Schema::deduced)
}

/// An object that does not decode.
fn refused(target: &Target<'_>, source: Source<'_>, problem: &str) -> ApiError {
    let kind = &target.resource.kind;
    refused_as(kind, kind, target.version, source, problem)
}

/// `wanted` is what it should have been.
fn refused_as(kind: &str, wanted: &str, version: &str, source: Source<'_>, problem: &str) -> ApiError {
    let shown = match source {
        Source::Body => {
            return ApiError::bad_request(format!(
                "{kind} in version {version:?} cannot be handled as a {wanted}: {problem}"
            ));
        }
        Source::Patched(text) => text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
        Source::Strategic(patch) => go_text(patch),
    };
    let about = About { group: "", resource: "", name: "" };
    ApiError::invalid(about, &[Cause::invalid("patch", &shown.into(), problem)])
}

/// A value as Go prints it with `%+v`.
pub(crate) fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let fields: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", go_text(v))).collect();
            format!("map[{}]", fields.join(" "))
        }
        other => other.to_string(),
    }
}

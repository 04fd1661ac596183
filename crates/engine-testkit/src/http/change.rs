//! Writes: from a request to the write and its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, Reply, body, not_allowed, options::ListOptions, read, show};
use crate::{
    access, admission,
    cluster::Inner,
    json,
    resources::{self, Resource},
    status::{About, ApiError, Cause},
    write::{self, Answer, FieldValidation, Options, Outcome, Target, create, delete, patch, pod, scale, update},
};

/// The options of a write, which are looked at before its body.
fn options(call: &Call) -> Result<Options, ApiError> {
    let kind = match call.route.verb.as_str() {
        "create" => "CreateOptions",
        "update" => "UpdateOptions",
        "patch" => "PatchOptions",
        _ => "DeleteOptions",
    };
    let deletes = kind == "DeleteOptions";
    let mut causes = Vec::new();
    let is_apply = call.content_type == "application/apply-patch+yaml";
    if kind == "PatchOptions" {
        if !is_apply && call.params.get("force").is_some() {
            causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
        } else if is_apply && call.params.get("fieldManager").is_none() {
            causes.push(Cause::required("fieldManager", "is required for apply patch"));
        }
    }
    // Without a name of its own a manager is called after its program, except for apply, which must say who it is.
    let manager = match call.params.get("fieldManager") {
        Some(name) => name.to_owned(),
        None if is_apply => String::new(),
        None => Some(admission::manager_of_agent(&call.user_agent))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "unknown".to_owned()),
    };
    if !deletes {
        admission::manager_name("fieldManager", &manager, &mut causes);
    }
    let dry_run = call.params.all("dryRun");
    if !deletes && dry_run.iter().any(|v| *v != "All") {
        causes.push(Cause::unsupported("dryRun", &serde_json::json!(dry_run), &["All"]));
    }
    let validation = match call.params.get("fieldValidation") {
        None | Some("Warn") => FieldValidation::Warn,
        Some("Strict") => FieldValidation::Strict,
        Some("Ignore") => FieldValidation::Ignore,
        Some(other) => {
            if !deletes {
                let known = ["", "Ignore", "Strict", "Warn"];
                causes.push(Cause::unsupported("fieldValidation", &other.into(), &known));
            }
            FieldValidation::Ignore
        }
    };
    if !causes.is_empty() {
        return Err(ApiError::invalid(About { group: "meta.k8s.io", resource: kind, name: "" }, &causes));
    }
    Ok(Options {
        dry_run: !dry_run.is_empty(),
        manager,
        validation,
        force: call.params.flag("force"),
        noticed: Vec::new(),
        now: call.now,
        course: Some(call.course.clone()),
        warnings: call.warnings.clone(),
    })
}

pub(super) fn change(inner: &Arc<Inner>, resource: &Arc<Resource>, call: &Call) -> Result<Reply, ApiError> {
    let route = &call.route;
    // What a patch is comes before how it is to be done.
    let kind = match route.verb.as_str() {
        "patch" => Some(
            patch::Kind::of(&call.content_type)
                .filter(|kind| !resource.is_custom() || *kind != patch::Kind::Strategic)
                .ok_or_else(|| unknown_patch(resource))?,
        ),
        _ => None,
    };
    if matches!(&*route.verb, "update" | "patch") && route.name.is_none() {
        return Err(ApiError::bad_request("name must be provided"));
    }
    let mut options = options(call)?;
    // A custom resource is created under any path, by the name that it has.
    let named = !(resource.is_custom() && route.verb == "create");
    let target = Target {
        resource,
        version: &route.version,
        namespace: route.namespace.as_deref().unwrap_or_default(),
        name: route.name.as_deref().filter(|_| named).unwrap_or_default(),
        subresource: &route.subresource,
    };
    let mut object = || -> Result<Value, ApiError> {
        let decoded = match &*route.subresource {
            "" | "status" | "ephemeralcontainers" | "resize" => body::object(resource, &route.version, call)?,
            _ => body::other(call)?,
        };
        options.noticed = decoded.warnings;
        Ok(decoded.value)
    };
    let answer = match route.verb.as_str() {
        "create" if matches!(&*route.subresource, "eviction" | "binding") => act(inner, target, call, options)?,
        "create" => {
            let body = object()?;
            create_or_act(inner, target, body, &options)?
        }
        "update" => {
            let body = object()?;
            let mut state = inner.state.lock();
            match &*route.subresource {
                "scale" => {
                    let sent = patch::Sent { value: body, text: String::new() };
                    scale::write(&mut state, target, &sent, None, &options)?
                }
                _ => update::update(&mut state, target, body, &options)?,
            }
        }
        "patch" => {
            let kind = kind.ok_or_else(|| unknown_patch(resource))?;
            let (sent, noticed) = body::patch(call)?;
            options.noticed = noticed;
            let mut state = inner.state.lock();
            match &*route.subresource {
                "scale" => scale::write(&mut state, target, &sent, Some(kind), &options)?,
                _ => patch::patch(&mut state, target, kind, &sent, &options)?,
            }
        }
        verb => {
            let list = match verb {
                "deletecollection" => Some(ListOptions::parse(resource, call)?.paged()),
                _ => None,
            };
            let how = delete::DeleteOptions::parse(&body::delete_options(call)?, &call.params)?;
            let options = Options { dry_run: how.dry_run, ..options };
            if let Some(list) = list {
                return read::delete_collection(inner, resource, call, &list, &how, &options);
            }
            delete::delete(&mut inner.state.lock(), target, &how, &options)?
        }
    };
    reply_with(resource, call, &answer)
}

fn unknown_patch(resource: &Resource) -> ApiError {
    if resource.is_custom() {
        return ApiError::unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        );
    }
    let mut e = ApiError::unsupported_media_type("415: Unsupported Media Type");
    e.details = Some(json!({}));
    e
}

/// What is done to a Pod by an object of another kind.
fn act(inner: &Arc<Inner>, target: Target<'_>, call: &Call, mut options: Options) -> Result<Answer, ApiError> {
    let kind = match target.subresource {
        "eviction" => resources::eviction(),
        _ => inner.state.lock().registry.get("", "bindings").cloned().ok_or_else(ApiError::unknown_path)?,
    };
    let body = of_kind(&kind, &target, call, &mut options)?;
    let mut state = inner.state.lock();
    match target.subresource {
        "eviction" => pod::evict(&mut state, target, body, &options),
        _ => pod::bind(&mut state, target, target.resource, body, &options),
    }
}

/// A binding that is no subresource.
pub(super) fn bind(inner: &Arc<Inner>, bindings: &Arc<Resource>, call: &Call) -> Result<Reply, ApiError> {
    let mut options = options(call)?;
    let namespace = call.route.namespace.as_deref().unwrap_or_default();
    let target = Target { resource: bindings, version: &call.route.version, namespace, name: "", subresource: "" };
    let body = of_kind(bindings, &target, call, &mut options)?;
    let mut state = inner.state.lock();
    let pods = state.registry.get("", "pods").cloned().ok_or_else(ApiError::unknown_path)?;
    let answer = pod::bind(&mut state, target, &pods, body, &options)?;
    drop(state);
    reply_with(bindings, call, &answer)
}

/// Reads a body of another kind than that of the path.
fn of_kind(kind: &Arc<Resource>, target: &Target<'_>, call: &Call, options: &mut Options) -> Result<Value, ApiError> {
    let version = kind.storage_version.as_str();
    let decoded = body::object(kind, version, call)?;
    options.noticed = decoded.warnings;
    let mut body = decoded.value;
    let said = json::str_at(&body, &["apiVersion"]).to_owned();
    // The versions of an eviction are all the same.
    let version = kind.versions.iter().find(|version| kind.api_version(version) == said).map_or(version, |v| v);
    let read_as = Target { resource: kind, version, subresource: "", ..*target };
    write::read_body(&read_as, &mut body, options)?;
    Ok(body)
}

fn create_or_act(inner: &Arc<Inner>, target: Target<'_>, body: Value, options: &Options) -> Result<Answer, ApiError> {
    let mut state = inner.state.lock();
    match target.subresource {
        "" if target.name.is_empty() => create::create(&mut state, target, body, options, create::How::Posted),
        "token" => {
            let account = format!("system:serviceaccount:{}:{}", target.namespace, target.name);
            let mut token = body;
            token["status"] =
                json!({"token": access::token_of(&account), "expirationTimestamp": options.now.rfc3339()});
            Ok(Answer { created: true, ..Answer::of(Outcome::Value(token)) })
        }
        _ => Err(not_allowed()),
    }
}

fn reply_with(resource: &Resource, call: &Call, answer: &write::Answer) -> Result<Reply, ApiError> {
    let status = match answer {
        Answer { created: true, .. } => StatusCode::CREATED,
        Answer { accepted: true, .. } => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    };
    let is_status = json::str_at(answer.outcome.value(), &["kind"]) == "Status";
    let body: Bytes = match &answer.outcome {
        Outcome::Value(v) if is_status || matches!(&*call.route.subresource, "scale" | "token") => {
            serde_json::to_vec(v).unwrap_or_default().into()
        }
        Outcome::Value(v) => show::value(resource, &call.route.version, &call.wish, v, call.now)?,
        Outcome::Stored(s) => show::object(resource, &call.route.version, &call.wish, s, call.now)?,
    };
    Ok(Reply::json(status, body))
}

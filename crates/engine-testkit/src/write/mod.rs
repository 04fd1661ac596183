//! Writes: create, update, patch and delete, under the state's lock, each one transaction.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod patch;
pub(crate) mod scale;
pub(crate) mod update;

use std::sync::Arc;

use gitops_engine_schema::Writer;
use serde_json::Value;

use crate::{
    clock::Now,
    json,
    resources::Resource,
    state::State,
    status::{About, ApiError},
    store::Stored,
    webhook::Course,
};

/// What to do about fields that the kind does not have:
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// Where a write goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) resource: &'a Arc<Resource>,
    pub(crate) version: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) subresource: &'a str,
}

impl<'a> Target<'a> {
    pub(crate) fn about(&self) -> About<'a> {
        About { group: &self.resource.gr.group, resource: &self.resource.gr.resource, name: self.name }
    }

    /// For `Invalid` errors, which name the kind.
    pub(crate) fn about_kind(&self) -> About<'a> {
        About { group: &self.resource.gr.group, resource: &self.resource.kind, name: self.name }
    }
}

/// How to write.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) dry_run: bool,
    pub(crate) manager: String,
    pub(crate) validation: FieldValidation,
    pub(crate) force: bool,
    pub(crate) now: Now,
    /// The way through admission of what a client writes; nobody asks about what the cluster does by itself.
    pub(crate) course: Option<Arc<Course>>,
}

impl Options {
    /// What the mutating webhooks make of an object.
    pub(crate) fn mutate(
        &self,
        target: &Target<'_>,
        before: Option<&Stored>,
        object: &mut Value,
    ) -> Result<bool, ApiError> {
        match &self.course {
            Some(course) => course.mutate(target, before, object),
            None => Ok(false),
        }
    }

    /// The last word before an object is stored (or, without one, deleted).
    pub(crate) fn admit(
        &self,
        state: &State,
        target: &Target<'_>,
        before: Option<&Stored>,
        object: Option<&Value>,
    ) -> Result<(), ApiError> {
        self.course.as_ref().map_or(Ok(()), |course| course.validate(state, target, before, object))
    }

    pub(crate) fn writer<'a>(&'a self, api_version: &'a str, subresource: &'a str, time: &'a str) -> Writer<'a> {
        Writer { manager: &self.manager, api_version, subresource, time: Some(time) }
    }
}

/// The object that a write answers with.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// As it is stored.
    Stored(Arc<Stored>),
    /// As it would be stored, or a `Status`.
    Value(Value),
}

impl Outcome {
    pub(crate) fn value(&self) -> &Value {
        match self {
            Self::Stored(s) => &s.value,
            Self::Value(v) => v,
        }
    }
}

/// What a write answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) created: bool,
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    pub(crate) fn of(outcome: Outcome) -> Self {
        Self { outcome, created: false, warnings: Vec::new() }
    }
}

/// Checks that the body is what the path says, and fills the namespace.
pub(crate) fn check_identity(target: &Target<'_>, body: &mut Value) -> Result<(), ApiError> {
    if !body.is_object() {
        return Err(ApiError::bad_request(
            "the object provided is unrecognized (must be of type object): couldn't get version/kind; json parse error",
        ));
    }
    let kind = json::str_at(body, &["kind"]).to_owned();
    let api_version = json::str_at(body, &["apiVersion"]).to_owned();
    let wanted = target.resource.api_version(target.version);
    if kind.is_empty() && api_version.is_empty() && !target.resource.is_custom() {
        // A typed decoder takes what the path says.
        body["kind"] = target.resource.kind.as_str().into();
        body["apiVersion"] = wanted.as_str().into();
    } else if kind.is_empty() {
        return Err(ApiError::bad_request("Object 'Kind' is missing"));
    } else if api_version != wanted && !target.resource.is_custom() {
        return Err(ApiError::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {}: no kind {kind:?} is registered for version \
             {api_version:?} in scheme \"pkg/runtime/scheme.go:111\"",
            api_version.rsplit('/').next().unwrap_or_default(),
            target.resource.kind
        )));
    } else if kind != target.resource.kind && !target.resource.is_custom() {
        let hub = match &*target.resource.gr.group {
            "" => "core",
            group => group.split('.').next().unwrap_or(group),
        };
        return Err(ApiError::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {own}: converting ({}.{kind}) to ({hub}.{own}): unknown conversion",
            target.version,
            target.version,
            own = target.resource.kind
        )));
    } else if kind != target.resource.kind || api_version != wanted {
        return Err(ApiError::bad_request(format!(
            "the API version and kind in the data ({api_version}, {kind}) do not match the expected ones ({wanted}, {})",
            target.resource.kind
        )));
    }
    for field in ["metadata", "spec", "status"] {
        if let Some(v) = body.get(field).filter(|v| !v.is_object() && !v.is_null())
            && !target.resource.is_custom()
            && target.resource.schema(target.version).field(field).is_some()
        {
            return Err(ApiError::bad_request(format!(
                "{} in version {:?} cannot be handled as a {}: json: cannot unmarshal {} into Go struct field {}.{field}",
                target.resource.kind,
                target.version,
                target.resource.kind,
                if v.is_array() { "array" } else { "value" },
                target.resource.kind,
            )));
        }
    }
    if body.get("metadata").is_none_or(|m| !m.is_object()) {
        body["metadata"] = serde_json::json!({});
    }
    let namespace = json::str_at(body, &["metadata", "namespace"]).to_owned();
    if !target.resource.namespaced {
        json::remove(body, &["metadata", "namespace"]);
    } else if namespace.is_empty() {
        json::set(body, &["metadata", "namespace"], target.namespace);
    } else if namespace != target.namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// The stored form: the storage version's `apiVersion`, no nulls.
pub(crate) fn to_storage(target: &Target<'_>, body: &mut Value) {
    json::strip_nulls(body);
    body["apiVersion"] = target.resource.api_version(&target.resource.storage_version).into();
}

/// Whether objects of this kind count their spec's changes in `metadata.generation`.
pub(crate) fn has_generation(resource: &Resource) -> bool {
    resource.is_custom()
        || matches!(
            (&*resource.gr.group, &*resource.gr.resource),
            ("", "pods" | "replicationcontrollers")
                | ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets")
                | ("batch", "jobs" | "cronjobs")
                | ("networking.k8s.io", "ingresses" | "networkpolicies" | "ingressclasses")
                | ("policy", "poddisruptionbudgets")
                | ("admissionregistration.k8s.io", _)
                | ("apiextensions.k8s.io", "customresourcedefinitions")
                | ("scheduling.k8s.io", "priorityclasses")
                | ("flowcontrol.apiserver.k8s.io", _)
        )
}

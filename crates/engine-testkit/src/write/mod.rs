//! Writes: create, update, patch and delete, under the state's lock, each one transaction.

pub(crate) mod create;
pub(crate) mod delete;
mod grace;
mod identity;
mod operations;
pub(crate) mod patch;
pub(crate) mod pod;
pub(crate) mod scale;
mod strategic;
pub(crate) mod update;
mod warnings;
mod whole;

use std::{borrow::Cow, sync::Arc};

use gitops_engine_schema::{
    Versions, Writer,
    managed::ManagedEntry,
    merge::{Duplicates, validate},
};
use serde_json::Value;

use self::identity::{check_identity, check_namespace};
pub(crate) use self::{
    identity::{Wanted, other_kind, read_body, unregistered, untyped, wrong_name},
    warnings::Warnings,
    whole::{edit, replace},
};

use crate::{
    admission,
    clock::Now,
    json,
    resources::{Resource, shared},
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
        // Of what two groups serve the errors are of the one that keeps it.
        let group = if shared::is_guest(&self.resource.gr) { "" } else { &*self.resource.gr.group };
        About { group, resource: &self.resource.kind, name: self.name }
    }
}

/// How to write.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) dry_run: bool,
    pub(crate) manager: String,
    pub(crate) validation: FieldValidation,
    pub(crate) force: bool,
    /// What strict decoding has against the body as text: fields that stand in it twice.
    pub(crate) noticed: Vec<String>,
    pub(crate) now: Now,
    /// The way through admission of what a client writes; nobody asks about what the cluster does by itself.
    pub(crate) course: Option<Arc<Course>>,
    /// What the client is told beside the answer.
    pub(crate) warnings: Warnings,
}

impl Options {
    /// Those of what a test writes past the API, as somebody else would. Nobody reads warnings there.
    pub(crate) fn of_somebody(now: Now) -> Self {
        Self {
            dry_run: false,
            manager: "somebody-else".to_owned(),
            validation: FieldValidation::Strict,
            force: false,
            noticed: Vec::new(),
            now,
            course: None,
            warnings: Warnings::default(),
        }
    }

    /// The same, without a word about unknown fields.
    pub(crate) fn ignoring(&self) -> Self {
        Self { validation: FieldValidation::Ignore, ..self.clone() }
    }

    pub(crate) fn warn(&self, warnings: impl IntoIterator<Item = String>) {
        self.warnings.say(warnings);
    }

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
    /// What was asked for is yet to happen.
    pub(crate) accepted: bool,
}

impl Answer {
    pub(crate) fn of(outcome: Outcome) -> Self {
        Self { outcome, created: false, accepted: false }
    }
}

/// Whether an object is one that ownership can be told of. A custom resource may be none where nobody asks: in what a write
/// does not reach.
pub(crate) fn is_typed(target: &Target<'_>, object: &Value) -> bool {
    !target.resource.is_custom()
        || validate(object, &target.resource.schema(target.version), Duplicates::Allowed).is_ok()
}

/// Whether the items of an object's keyed lists have their keys, without which nobody owns anything. Of the built-in kinds
/// only ServiceAccounts may have others: their references to Secrets may be without a name.
pub(crate) fn is_keyed(target: &Target<'_>, object: &Value) -> bool {
    !target.resource.is("", "serviceaccounts")
        || validate(object, &target.resource.schema(target.version), Duplicates::Allowed).is_ok()
}

/// What is wrong with an object in the version of one of its owners, so that nobody can be told what they own: versions of a
/// custom resource need not have the same fields.
pub(crate) fn misfit<'e>(
    target: &Target<'_>,
    owners: impl IntoIterator<Item = &'e ManagedEntry>,
    object: &Value,
) -> Option<String> {
    let resource = target.resource;
    let own = resource.api_version(target.version);
    let others = owners.into_iter().filter(|entry| entry.api_version != own);
    others.map(|entry| &entry.api_version).find_map(|version| {
        let Some(schema) = Versions::schema(&**resource, version) else {
            // Owners in a version that a built-in kind does not have are forgotten.
            return resource
                .is_custom()
                .then(|| format!("request to convert CR to an invalid group/version: {version}"));
        };
        let object = match resource.is_custom() {
            true => Cow::Owned(resource.in_version(object, version)),
            false => resource.convert(object, version).unwrap_or(Cow::Borrowed(object)),
        };
        validate(&object, &schema, Duplicates::Refused).err().map(|e| e.to_string())
    })
}

/// The form that writes work on, metadata as its type is written: custom resources stay in the version of the request, all
/// others become what is stored.
pub(crate) fn to_storage(target: &Target<'_>, body: &mut Value) {
    if target.resource.is_custom() {
        admission::encode_metadata(body);
    }
    to_storage_as_applied(target, body);
}

/// The same of what an apply made: the metadata of custom resources is written with what it says of nothing.
pub(crate) fn to_storage_as_applied(target: &Target<'_>, body: &mut Value) {
    body["apiVersion"] = target.resource.api_version(target.version).into();
    if target.resource.is_custom() {
        json::whole_numbers(body);
    } else {
        admission::encode_metadata(body);
        target.resource.make_stored(body);
    }
}

/// Whether a PUT of these objects may leave out the version that it was made from.
pub(crate) fn allows_unconditional_update(resource: &Resource) -> bool {
    !resource.is_custom()
        && !matches!(
            (&*resource.gr.group, &*resource.gr.resource),
            ("admissionregistration.k8s.io", _)
                | ("coordination.k8s.io", "leases")
                | ("node.k8s.io", "runtimeclasses")
                | ("policy", "poddisruptionbudgets")
                | ("apiextensions.k8s.io", _)
                | ("storage.k8s.io", "csidrivers" | "csinodes" | "csistoragecapacities" | "volumeattachments")
        )
}

/// Whether a PUT of these objects may create them. A Service is made even by its status.
pub(crate) fn allows_create_on_update(resource: &Resource, subresource: &str) -> bool {
    matches!(
        (&*resource.gr.group, &*resource.gr.resource, subresource),
        ("rbac.authorization.k8s.io", _, "")
            | ("coordination.k8s.io", "leases", "")
            | ("node.k8s.io", "runtimeclasses", "")
            | ("", "limitranges" | "events" | "endpoints", "")
            | ("", "services", "" | "status")
    )
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
                | ("discovery.k8s.io", "endpointslices")
                | ("flowcontrol.apiserver.k8s.io", _)
        )
}

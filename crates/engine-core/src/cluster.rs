//! The fifth job's outer edge: the few requests that change a cluster.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ErrorKind, Manifest, ObjectId, ResourceType, Uid};

/// Whether a write takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ApplyMode {
    /// It does.
    #[default]
    Wet,
    /// The server runs it up to storage, admission included, and forgets it (`dryRun=All`).
    DryRun,
}

/// How an object is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApplyOptions {
    /// Whether it takes effect.
    pub mode: ApplyMode,
    /// The name that owns the fields.
    pub field_manager: String,
    /// Whether fields that others own are taken from them.
    pub conflicts: Conflicts,
}

/// What happens when a field belongs to another field manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Conflicts {
    /// The apply takes it over: the desired state is the authority for what it declares.
    #[default]
    Force,
    /// The apply fails and names the field and its owner.
    Fail,
}

impl ApplyOptions {
    /// Applies under a field manager, taking over its fields.
    pub fn new(field_manager: impl Into<String>) -> Self {
        Self { mode: ApplyMode::Wet, field_manager: field_manager.into(), conflicts: Conflicts::Force }
    }

    /// The same, without effect.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.mode = ApplyMode::DryRun;
        self
    }

    /// Sets what happens when a field belongs to another manager.
    #[must_use]
    pub fn conflicts(mut self, conflicts: Conflicts) -> Self {
        self.conflicts = conflicts;
        self
    }
}

/// What an apply or create led to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Applied {
    /// The object as the server returned it. Holds `managedFields`.
    pub object: Manifest,
    /// Warnings of the server, in its own words.
    pub warnings: Vec<String>,
}

impl Applied {
    /// The object as the server returned it.
    pub fn new(object: Manifest) -> Self {
        Self { object, warnings: Vec::new() }
    }
}

/// What happens to the objects that a deleted object owns
/// ([garbage collection](https://kubernetes.io/docs/concepts/architecture/garbage-collection/)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Propagation {
    /// They go first; the object goes last.
    #[default]
    Foreground,
    /// The object goes at once; they follow.
    Background,
    /// They stay, without an owner.
    Orphan,
}

/// How an object is deleted. The uid is not optional: a delete proves its target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// The uid that the object must have.
    pub uid: Uid,
    /// The resource version that it must have, where the decision depended on its content.
    pub resource_version: Option<String>,
    /// What happens to what it owns.
    pub propagation: Propagation,
}

impl DeleteOptions {
    /// Deletes the object with this uid and no other.
    pub fn new(uid: Uid) -> Self {
        Self { uid, resource_version: None, propagation: Propagation::Foreground }
    }

    /// Requires a resource version, too.
    #[must_use]
    pub fn resource_version(mut self, version: impl Into<String>) -> Self {
        self.resource_version = Some(version.into());
        self
    }

    /// Sets what happens to what it owns.
    #[must_use]
    pub fn propagation(mut self, propagation: Propagation) -> Self {
        self.propagation = propagation;
        self
    }
}

/// What a delete led to.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// It is going: finalizers or its own objects hold it. As the server returned it, where it did.
    Going(Option<Manifest>),
    /// It was not there.
    NotFound,
}

/// Why the API server refused, in the classes that the engine acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ApiFaultKind {
    /// 404 for the object, its namespace or its kind.
    NotFound,
    /// 409 on create: it is there already.
    AlreadyExists,
    /// 409: a resource version or uid precondition failed, or a field belongs to another manager.
    Conflict,
    /// 422: the object is invalid; see the causes.
    Invalid,
    /// 400 and other answers that blame the request.
    BadRequest,
    /// 401.
    Unauthenticated,
    /// 403, not by quota.
    Forbidden,
    /// 403 by a quota, or by a namespace that is being deleted: may pass.
    Exhausted,
    /// 429, or 5xx with a time to wait.
    Throttled,
    /// Another 5xx.
    Server,
    /// The answer never came: the write may or may not have happened.
    Connection,
    /// The deadline passed: the write may or may not have happened.
    Timeout,
    /// The answer makes no sense.
    Protocol,
}

impl ApiFaultKind {
    /// Whether the same request may succeed later.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Exhausted | Self::Throttled | Self::Server | Self::Connection | Self::Timeout)
    }
}

impl From<ApiFaultKind> for ErrorKind {
    /// What a refused request means for the one who asked for it. What only blames the request blames the manifest.
    fn from(kind: ApiFaultKind) -> Self {
        match kind {
            ApiFaultKind::Forbidden => Self::PermissionDenied,
            ApiFaultKind::Unauthenticated => Self::Unauthenticated,
            ApiFaultKind::Conflict | ApiFaultKind::AlreadyExists => Self::Conflict,
            ApiFaultKind::NotFound => Self::NotFound,
            ApiFaultKind::Timeout => Self::Timeout,
            ApiFaultKind::Exhausted | ApiFaultKind::Throttled | ApiFaultKind::Server | ApiFaultKind::Connection => {
                Self::Unavailable
            }
            ApiFaultKind::Protocol => Self::Internal,
            ApiFaultKind::Invalid | ApiFaultKind::BadRequest => Self::InvalidInput,
        }
    }
}

/// One cause of a refusal (`status.details.causes`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiCause {
    /// Such as `FieldValueInvalid` or `FieldManagerConflict`.
    pub reason: String,
    /// The field in the server's notation.
    pub field: String,
    /// The server's words, with values removed where the object is a Secret.
    pub message: String,
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApiFault {
    /// The class.
    pub kind: ApiFaultKind,
    /// The HTTP status, or 0 where there was no answer.
    pub code: u16,
    /// The server's words, with values removed where the object is a Secret.
    pub message: String,
    /// The causes that the server named.
    pub causes: Vec<ApiCause>,
    /// How long the server asks us to wait.
    pub retry_after: Option<Duration>,
}

impl ApiFault {
    /// A fault without causes.
    pub fn new(kind: ApiFaultKind, code: u16, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into(), causes: Vec::new(), retry_after: None }
    }

    /// The fields that the server proved to be immutable: the only ground on which an object may be recreated.
    ///
    /// An invalid value is no such proof. Rules:
    /// [`apimachinery/pkg/api/validation`](https://github.com/kubernetes/apimachinery/blob/master/pkg/api/validation/objectmeta.go)
    /// (`field is immutable`), and StatefulSet's `updates to statefulset spec for fields other than … are forbidden`.
    pub fn immutable_fields(&self) -> Vec<&str> {
        if self.kind != ApiFaultKind::Invalid {
            return Vec::new();
        }
        let proof = |cause: &&ApiCause| {
            cause.message.contains("field is immutable")
                || (cause.reason == "FieldValueForbidden"
                    && (cause.message.contains("updates to statefulset spec for fields other than")
                        || cause.message.contains("is immutable after creation")))
        };
        self.causes.iter().filter(proof).map(|cause| cause.field.as_str()).collect()
    }
}

impl fmt::Display for ApiFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiFault {}

/// The requests that the executor makes.
///
/// # Contract
/// - One call is one request: no retries inside, since the executor decides about them and counts them.
/// - `apply` is [server-side apply](https://kubernetes.io/docs/reference/using-api/server-side-apply/).
/// - Dropping a future may leave the write done or not done; the executor copes with both.
/// - Faults carry no credential and no value of a Secret.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Reads one object from the server itself.
    async fn get(&self, resource: &ResourceType, id: &ObjectId) -> Result<Option<Manifest>, ApiFault>;

    /// Server-side apply.
    async fn apply(
        &self,
        resource: &ResourceType,
        manifest: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Applied, ApiFault>;

    /// Creates an object that must not exist.
    async fn create(
        &self,
        resource: &ResourceType,
        manifest: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Applied, ApiFault>;

    /// Replaces an object; the manifest's `metadata.resourceVersion` makes it a compare-and-swap.
    async fn replace(
        &self,
        resource: &ResourceType,
        manifest: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Applied, ApiFault>;

    /// Deletes an object, with proof.
    async fn delete(
        &self,
        resource: &ResourceType,
        id: &ObjectId,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiFault>;
}

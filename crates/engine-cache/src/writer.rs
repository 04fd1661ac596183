//! The requests that change a cluster.

use std::time::Duration;

use async_trait::async_trait;
use gitops_engine_core::{
    ApiFault, ApiFaultKind, Applied, ApplyMode, ApplyOptions, Cluster, Conflicts, DeleteOptions, Deleted,
    ManagedFields, Manifest, ObjectId, Propagation, ResourceType,
};
use http::Method;

use crate::Connection;
use crate::fault::{Redaction, Status, refusal, warnings};
use crate::request::{Call, Reply, Url};

/// [`Cluster`] over a [`Connection`]: one call is one request.
#[derive(Clone, Debug)]
pub struct KubeCluster {
    connection: Connection,
    timeout: Duration,
}

impl KubeCluster {
    /// Writes over this connection, with a deadline of 60 seconds for each request: what the API server allows itself.
    pub fn new(connection: impl Into<Connection>) -> Self {
        Self { connection: connection.into(), timeout: Duration::from_secs(60) }
    }

    /// Sets the deadline of each request.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    async fn send(&self, method: Method, url: Url, content: Option<(&str, Vec<u8>)>) -> Result<Reply, ApiFault> {
        let (content_type, body) = content.map_or((None, Vec::new()), |(kind, body)| (Some(kind), body));
        let call = Call { method, content_type, body, ..Call::get(url, self.timeout) };
        call.send(self.connection.client()).await
    }

    async fn write(
        &self,
        method: Method,
        url: Url,
        content_type: &str,
        manifest: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Applied, ApiFault> {
        let mut url = url.query("fieldManager", &options.field_manager).query("fieldValidation", "Strict");
        if options.mode == ApplyMode::DryRun {
            url = url.query("dryRun", "All");
        }
        let redaction = Redaction::of(manifest.id(), Some(manifest));
        let body = manifest.body().to_json();
        let reply = self.send(method, url, Some((content_type, body))).await?;
        if !reply.status.is_success() {
            return Err(refusal(&reply, &redaction));
        }
        let mut applied = Applied::new(read_object(&reply)?);
        applied.warnings = warnings(&reply.headers, &redaction);
        Ok(applied)
    }
}

const JSON: &str = "application/json";
/// JSON is YAML, and the only spelling that all supported servers know for server-side apply.
const APPLY: &str = "application/apply-patch+yaml";

#[async_trait]
impl Cluster for KubeCluster {
    async fn get(&self, resource: &ResourceType, id: &ObjectId) -> Result<Option<Manifest>, ApiFault> {
        let reply = self.send(Method::GET, object_url(resource, id)?, None).await?;
        if reply.status.is_success() {
            return read_object(&reply).map(Some);
        }
        let fault = refusal(&reply, &Redaction::of(id, None));
        if is_absence(&fault, &reply) { Ok(None) } else { Err(fault) }
    }

    async fn apply(
        &self,
        resource: &ResourceType,
        manifest: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Applied, ApiFault> {
        let force = if options.conflicts == Conflicts::Force { "true" } else { "false" };
        let url = object_url(resource, manifest.id())?.query("force", force);
        self.write(Method::PATCH, url, APPLY, manifest, options).await
    }

    async fn create(
        &self,
        resource: &ResourceType,
        manifest: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Applied, ApiFault> {
        let url =
            Url::parent(resource, manifest.id().namespace.as_deref()).ok_or_else(|| misfit(resource, manifest.id()))?;
        self.write(Method::POST, url, JSON, manifest, options).await
    }

    async fn replace(
        &self,
        resource: &ResourceType,
        manifest: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Applied, ApiFault> {
        self.write(Method::PUT, object_url(resource, manifest.id())?, JSON, manifest, options).await
    }

    async fn delete(
        &self,
        resource: &ResourceType,
        id: &ObjectId,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiFault> {
        let url = object_url(resource, id)?;
        let propagation = match options.propagation {
            Propagation::Foreground => "Foreground",
            Propagation::Background => "Background",
            Propagation::Orphan => "Orphan",
        };
        let mut preconditions = serde_json::json!({ "uid": options.uid.as_str() });
        if let Some(version) = &options.resource_version {
            preconditions["resourceVersion"] = version.as_str().into();
        }
        let body = serde_json::json!({
            "kind": "DeleteOptions", "apiVersion": "v1",
            "propagationPolicy": propagation, "preconditions": preconditions,
        });
        let reply = self.send(Method::DELETE, url, Some((JSON, body.to_string().into_bytes()))).await?;
        if !reply.status.is_success() {
            let fault = refusal(&reply, &Redaction::of(id, None));
            return if is_absence(&fault, &reply) { Ok(Deleted::NotFound) } else { Err(fault) };
        }
        if Status::read(&reply.body).is_some() {
            // 202: accepted, and not done yet.
            let going = reply.status == http::StatusCode::ACCEPTED;
            return Ok(if going { Deleted::Going(None) } else { Deleted::Gone });
        }
        let object = read_object(&reply)?;
        // Some kinds answer with the object although it is gone; one that is still there has a deletionTimestamp.
        Ok(if object.is_deleting() { Deleted::Going(Some(object)) } else { Deleted::Gone })
    }
}

/// Whether the server says that the object is not there, as opposed to its kind or its path.
fn is_absence(fault: &ApiFault, reply: &Reply) -> bool {
    fault.kind == ApiFaultKind::NotFound
        && Status::read(&reply.body).is_some_and(|status| !status.details.name.is_empty())
}

fn object_url(resource: &ResourceType, id: &ObjectId) -> Result<Url, ApiFault> {
    Url::object(resource, id.namespace.as_deref(), &id.name).ok_or_else(|| misfit(resource, id))
}

fn misfit(resource: &ResourceType, id: &ObjectId) -> ApiFault {
    let scope = match resource.scope {
        gitops_engine_core::Scope::Cluster => "cluster-scoped",
        gitops_engine_core::Scope::Namespaced => "namespaced",
    };
    let text = format!("{id} makes no request: namespace or name do not fit {}, which is {scope}", resource.plural);
    ApiFault::new(ApiFaultKind::BadRequest, 0, text)
}

fn read_object(reply: &Reply) -> Result<Manifest, ApiFault> {
    Manifest::from_json(&reply.body, ManagedFields::Keep).map_err(|error| {
        ApiFault::new(ApiFaultKind::Protocol, reply.status.as_u16(), format!("the answer is no object: {error}"))
    })
}

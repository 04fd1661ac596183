//! From the text of an object to what the index keeps of it. Runs outside of all locks.

use std::sync::Arc;

use gitops_engine_core::{LiveObject, ManagedFields, Manifest, ObjectId, ResourceType, Result};
use serde_json::value::RawValue;

use crate::index::Arrival;
use crate::options::{CacheOptions, Retention};

/// The embedder's choices about objects.
pub(crate) struct Intake {
    options: CacheOptions,
}

impl Intake {
    pub(crate) fn new(options: CacheOptions) -> Self {
        Self { options }
    }

    /// An item of a list. Items of built-in kinds have no `apiVersion` and `kind`.
    pub(crate) fn item(&self, resource: &ResourceType, text: &RawValue) -> Result<Arrival> {
        let text = text.get();
        let fields = text.strip_prefix('{').unwrap_or(text);
        // Of equal keys the last one counts, so an item that names itself keeps its own words.
        let head = format!(r#"{{"apiVersion":"{}","kind":"{}","#, resource.api_version(), resource.kind.kind);
        let mut whole = String::with_capacity(head.len() + fields.len());
        whole.push_str(&head);
        whole.push_str(fields);
        self.object(resource, whole.as_bytes())
    }

    /// A whole object.
    pub(crate) fn object(&self, resource: &ResourceType, text: &[u8]) -> Result<Arrival> {
        let manifest = parse(resource, text)?;
        let (hint, named) = crate::infer::read(&manifest);
        let retention = self.options.retain.retention(&manifest);
        let mut object = LiveObject::from_manifest(manifest.clone())?;
        if object.owners.is_empty() {
            object.owners.extend(named);
        }
        if retention == Retention::Index {
            let assessor = self.options.health.as_ref();
            object.health = assessor.and_then(|assessor| assessor.assess(&manifest, (self.options.clock)()));
            object.manifest = None;
        }
        object.owners.shrink_to_fit();
        Ok(Arrival { object: Arc::new(object), hint })
    }

    /// The identity of an object that is gone.
    pub(crate) fn identity(&self, resource: &ResourceType, text: &[u8]) -> Result<ObjectId> {
        Ok(parse(resource, text)?.id().clone())
    }
}

fn parse(resource: &ResourceType, text: &[u8]) -> Result<Manifest> {
    let manifest = Manifest::from_json(text, ManagedFields::Drop)?;
    if manifest.id().kind != resource.kind {
        let text = format!("the server sent a {} in a list of {}", manifest.id().kind, resource.kind);
        return Err(gitops_engine_core::Error::new(gitops_engine_core::ErrorKind::Internal, text));
    }
    Ok(manifest)
}

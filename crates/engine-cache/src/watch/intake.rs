//! From the text of an object to what the index keeps of it. Runs outside of all locks.

use std::sync::Arc;

use gitops_engine_core::{
    Error, ErrorKind, Health, LiveObject, ManagedFields, Manifest, ObjectId, ResourceType, Result,
};
use serde_json::value::RawValue;

use crate::definitions::is_definition;
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
        let (retention, health) = self.judge(&manifest)?;
        let mut object = LiveObject::from_manifest(manifest.clone())?;
        if object.owners.is_empty() {
            object.owners.extend(named);
        }
        if retention == Retention::Index {
            object.health = health;
            object.manifest = None;
        }
        object.owners.shrink_to_fit();
        Ok(Arrival { object: Arc::new(object), hint })
    }

    /// Asks the embedder's rules. One that panics, against its contract, costs this object and not the watch of the kind:
    /// a watch that ended so would leave a picture that looks whole and is not.
    fn judge(&self, manifest: &Manifest) -> Result<(Retention, Option<Health>)> {
        if is_definition(&manifest.id().kind) {
            // The cache itself reads them.
            return Ok((Retention::Full, None));
        }
        let rules = || match self.options.retain.retention(manifest) {
            Retention::Full => (Retention::Full, None),
            Retention::Index => {
                let assessor = self.options.health.as_ref();
                (Retention::Index, assessor.and_then(|assessor| assessor.assess(manifest, (self.options.clock)())))
            }
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(rules)).map_err(|_| {
            Error::new(ErrorKind::Internal, "a rule for retention or health panicked").object(manifest.id().clone())
        })
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
        return Err(Error::new(ErrorKind::Internal, text));
    }
    Ok(manifest)
}

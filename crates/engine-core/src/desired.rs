//! Desired state: what one revision declares, and where.

use serde::{Deserialize, Serialize};

use crate::{Manifest, ObjectId, Place, Revision};

/// An object and the place where it is declared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Declared {
    /// The object.
    pub manifest: Manifest,
    /// Where it is declared.
    pub place: Place,
}

impl Declared {
    /// An object with its place.
    pub fn new(manifest: Manifest, place: Place) -> Self {
        Self { manifest, place }
    }

    /// The identity of the object.
    pub fn id(&self) -> &ObjectId {
        self.manifest.id()
    }
}

/// The desired state of one application: all that one revision declares for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DesiredState {
    /// The version that it comes from. Nothing is applied without one.
    pub revision: Revision,
    /// The objects. Their order has no meaning.
    pub objects: Vec<Declared>,
}

impl DesiredState {
    /// The objects of a revision.
    pub fn new(revision: Revision, objects: Vec<Declared>) -> Self {
        Self { revision, objects }
    }
}

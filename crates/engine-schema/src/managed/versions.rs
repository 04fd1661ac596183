//! The versions of the API that a kind is served in.

use std::borrow::Cow;

use serde_json::Value;

use crate::{fields::FieldSet, types::Schema};

/// What the merge asks about the versions of a kind. Entries of managers keep the version that they were written in, so one
/// write may compare an object in several.
pub trait Versions {
    /// The type in a version (`apps/v1`); `None` when it is not served, or no longer: entries in it are dropped.
    fn schema(&self, api_version: &str) -> Option<Schema>;

    /// An object of any version in another one; `None` when that is not served.
    fn convert<'v>(&self, object: &'v Value, api_version: &str) -> Option<Cow<'v, Value>>;

    /// What an object of the type is written as when nothing is set; `None` for a version that is not served.
    fn empty(&self, api_version: &str) -> Option<Value> {
        self.schema(api_version).map(|schema| schema.empty_object())
    }

    /// The fields that a write to the subresource (empty: the object itself) does not change in that version, so that nobody
    /// comes to own them by it.
    fn reset_fields(&self, api_version: &str, subresource: &str) -> Option<ResetFields> {
        let _ = (api_version, subresource);
        None
    }
}

/// Fields that a write through a (sub)resource does not change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetFields {
    /// These, and all below them.
    These(FieldSet),
    /// All but these and those below them.
    AllBut(FieldSet),
}

impl ResetFields {
    /// The fields that a write does change.
    #[must_use]
    pub fn keep(&self, fields: &FieldSet) -> FieldSet {
        match self {
            Self::These(reset) => fields.recursive_difference(reset),
            Self::AllBut(kept) => fields.within(kept),
        }
    }
}

/// A kind with one version.
#[derive(Debug, Clone)]
pub struct OneVersion<'a> {
    /// The version: `apps/v1`.
    pub api_version: &'a str,
    /// Its type.
    pub schema: Schema,
}

impl Versions for OneVersion<'_> {
    fn schema(&self, api_version: &str) -> Option<Schema> {
        (api_version == self.api_version).then(|| self.schema.clone())
    }

    fn convert<'v>(&self, object: &'v Value, api_version: &str) -> Option<Cow<'v, Value>> {
        (api_version == self.api_version).then_some(Cow::Borrowed(object))
    }
}

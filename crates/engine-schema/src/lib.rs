//! The types of Kubernetes as data, and the merge that server-side apply does over them.
//!
//! | question | answer |
//! |---|---|
//! | what is the type of this field? | [`Schema`], for built-in kinds and from the schema of a custom resource |
//! | which lists merge, by which keys? | [`List::kind`], [`List::keys`] |
//! | what does an apply make of this object, and who conflicts? | [`ManagedFields::apply`] |
//! | who owns what after any other write? | [`ManagedFields::update`] |
//! | what differs, merges, is removed? | the functions of [`merge`] |
//! | what does a real API server say about its types and resources? | [`shipped`] |
//!
//! The shipped documents are those of one release of Kubernetes, fetched from its API server, without descriptions. They are
//! some 100 KB compressed, in pieces that are decompressed when they are first needed.
//!
//! Everything is pure: no I/O, no clock, no randomness.
//!
//! ```
//! use gitops_engine_schema::{ManagedFields, Schema, Writer, managed::{Force, OneVersion}};
//! use serde_json::json;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let schema = Schema::builtin("apps", "v1", "Deployment").ok_or("a built-in kind")?;
//! let nothing = schema.empty_object();
//! let versions = OneVersion { api_version: "apps/v1", schema };
//! let writer = |manager| Writer { manager, api_version: "apps/v1", subresource: "", time: Some("2026-01-01T00:00:00Z") };
//! let config = |replicas: i64| json!({
//!     "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": replicas},
//! });
//!
//! let mut managed = ManagedFields::default();
//! let live = managed.apply(&versions, &nothing, &config(1), &writer("argo"), Force::No)?.object;
//!
//! // Another manager wants another value.
//! let refused = managed.apply(&versions, &live, &config(3), &writer("hpa"), Force::No);
//! assert_eq!(
//!     refused.map_err(|conflicts| conflicts.to_string()),
//!     Err(r#"Apply failed with 1 conflict: conflict with "argo": .spec.replicas"#.to_owned()),
//! );
//! let live = managed.apply(&versions, &live, &config(3), &writer("hpa"), Force::Yes)?.object;
//! assert_eq!(live["spec"]["replicas"], 3);
//! # Ok(())
//! # }
//! ```
//!
//! The rules are those of `sigs.k8s.io/structured-merge-diff` and `k8s.io/apimachinery/pkg/util/managedfields`, described at
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/>. The suites of `gitops-engine-testkit` compare them with a
//! real API server.

pub mod archive;
mod compile;
pub mod fields;
mod json;
pub mod managed;
pub mod merge;
pub mod shipped;
mod types;

pub use crate::{
    fields::{FieldPath, FieldSet, PathElement},
    managed::{ManagedFields, Versions, Writer},
    types::{Field, Format, List, ListKind, Map, Patch, Scalar, Schema, Type, UnknownFields},
};

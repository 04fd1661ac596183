//! Server-side apply: <https://kubernetes.io/docs/reference/using-api/server-side-apply/>
//!
//! `schema` says how each field merges, `fieldset` is a set of field paths, `merge` the three walks over objects
//! (which fields, what changed, merge and remove), `managed` the ownership rules over them.

pub(crate) mod fieldset;
pub(crate) mod managed;
pub(crate) mod merge;
pub(crate) mod schema;

//! The namespaces that new objects need.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use gitops_engine_core::{Coverage, Error, ErrorKind, GroupKind, KindState, ObjectId, Result};

use super::PlanInput;
use super::order::is_namespace;

/// What is known of a namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    /// It is there: the server can be asked about objects in it.
    Ready,
    /// It is declared and comes first.
    Coming,
    /// It does not exist, and will not.
    Missing,
}

/// The namespaces of one plan, each looked at once: there may be as many new objects as objects.
#[derive(Default)]
pub(super) struct Namespaces(BTreeMap<Arc<str>, Namespace>);

impl Namespaces {
    /// Whether the namespace of a new object is there or will be.
    ///
    /// # Errors
    /// When it does not exist and nothing declares it.
    pub(super) fn of(&mut self, input: &PlanInput<'_>, object: &ObjectId) -> Result<Namespace> {
        let Some(namespace) = &object.namespace else { return Ok(Namespace::Ready) };
        let found = match self.0.entry(namespace.clone()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => *unknown.insert(look(input, namespace)),
        };
        if found == Namespace::Missing {
            return Err(Error::new(ErrorKind::NotFound, format!("the namespace {namespace:?} does not exist"))
                .object(object.clone())
                .help("declare the Namespace in the same application, or create it"));
        }
        Ok(found)
    }
}

fn look(input: &PlanInput<'_>, name: &Arc<str>) -> Namespace {
    let id = ObjectId::cluster("", "Namespace", name.clone());
    if let Some(live) = input.actual.get(&id) {
        return if live.deleting { Namespace::Coming } else { Namespace::Ready };
    }
    if input.desired.objects.iter().any(|declared| is_namespace(&declared.id().kind) && *declared.id() == id) {
        return Namespace::Coming;
    }
    match input.actual.kind(&GroupKind::new("", "Namespace")) {
        KindState::Served { coverage: Coverage::Complete, .. } => Namespace::Missing,
        _ => Namespace::Ready,
    }
}

//! The picture that readers hold.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_engine_core::{
    Capabilities, Coverage, GroupKind, KindState, LiveObject, ObjectId, ResourceType, Scope, Snapshot, Uid,
};

use super::tree::{Ordered, Tree};

impl Ordered for Arc<LiveObject> {
    fn order(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

/// "This owner has that child", in the order of owner, then child.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) owner: Uid,
    pub(crate) object: Arc<LiveObject>,
}

impl Ordered for Child {
    fn order(&self, other: &Self) -> Ordering {
        self.owner.cmp(&other.owner).then_with(|| self.object.order(&other.object))
    }
}

/// All that is known about one kind.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    pub(crate) kind: GroupKind,
    /// Best first; never empty.
    pub(crate) versions: Vec<Arc<ResourceType>>,
    pub(crate) coverage: Coverage,
    /// Which watch feeds it: what an earlier one still sends is void.
    pub(crate) run: u64,
    pub(crate) objects: Tree<Arc<LiveObject>>,
}

impl Shelf {
    pub(crate) fn get(&self, id: &ObjectId) -> Option<&Arc<LiveObject>> {
        self.objects.get(|object| object.id.cmp(id))
    }

    pub(crate) fn in_namespace(&self, namespace: &str, mut visit: impl FnMut(&Arc<LiveObject>)) {
        self.objects.visit_from(
            |object| object.id.namespace.as_deref() < Some(namespace),
            |object| {
                let inside = object.id.namespace.as_deref() == Some(namespace);
                if inside {
                    visit(object);
                }
                inside
            },
        );
    }
}

/// A snapshot. Copying it copies one pointer for each kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) generation: u64,
    pub(crate) capabilities: Arc<Capabilities>,
    /// Whether discovery succeeded once.
    pub(crate) discovered: bool,
    /// Sorted by kind.
    pub(crate) shelves: Vec<Arc<Shelf>>,
    /// Groups that could not be discovered, and why.
    pub(crate) broken_groups: Arc<BTreeMap<Arc<str>, Arc<str>>>,
    pub(crate) children: Tree<Child>,
}

impl View {
    pub(crate) fn position(&self, kind: &GroupKind) -> Result<usize, usize> {
        self.shelves.binary_search_by(|shelf| shelf.kind.cmp(kind))
    }

    pub(crate) fn shelf(&self, kind: &GroupKind) -> Option<&Arc<Shelf>> {
        self.position(kind).ok().map(|at| &self.shelves[at])
    }

    pub(crate) fn object(&self, id: &ObjectId) -> Option<&Arc<LiveObject>> {
        self.shelf(&id.kind)?.get(id)
    }

    /// Whether every kind was listed once, or is known not to be listable.
    pub(crate) fn is_settled(&self) -> bool {
        self.discovered && self.shelves.iter().all(|shelf| shelf.coverage != Coverage::Syncing)
    }
}

impl Snapshot for View {
    fn generation(&self) -> u64 {
        self.generation
    }

    fn capabilities(&self) -> Capabilities {
        (*self.capabilities).clone()
    }

    fn kind(&self, kind: &GroupKind) -> KindState {
        if let Some(shelf) = self.shelf(kind)
            && let Some(preferred) = shelf.versions.first()
        {
            return KindState::Served {
                preferred: preferred.clone(),
                versions: shelf.versions.clone(),
                coverage: shelf.coverage.clone(),
            };
        }
        if !self.discovered {
            return KindState::Undetermined("the cluster has not been discovered yet".into());
        }
        match self.broken_groups.get(&kind.group) {
            Some(why) => KindState::Undetermined(why.clone()),
            None => KindState::NotServed,
        }
    }

    fn get(&self, id: &ObjectId) -> Option<Arc<LiveObject>> {
        self.object(id).cloned()
    }

    fn children(&self, owner: &Uid) -> Vec<Arc<LiveObject>> {
        let mut out = Vec::new();
        self.children.visit_from(
            |child| child.owner < *owner,
            |child| {
                let owned = child.owner == *owner;
                if owned {
                    out.push(child.object.clone());
                }
                owned
            },
        );
        out
    }

    fn in_namespace(&self, namespace: &str) -> Vec<Arc<LiveObject>> {
        let mut out = Vec::new();
        for shelf in &self.shelves {
            if shelf.versions.first().is_some_and(|resource| resource.scope == Scope::Namespaced) {
                shelf.in_namespace(namespace, |object| out.push(object.clone()));
            }
        }
        out
    }

    fn holes(&self) -> Vec<(String, Coverage)> {
        let kinds = self.shelves.iter().filter(|shelf| shelf.coverage != Coverage::Complete);
        let kinds = kinds.map(|shelf| (shelf.kind.to_string(), shelf.coverage.clone()));
        let groups = self.broken_groups.iter();
        let groups = groups.map(|(group, why)| (format!("group {group}"), Coverage::Broken(why.clone())));
        let mut out: Vec<_> = kinds.chain(groups).collect();
        out.sort_by(|(a, _), (b, _)| a.cmp(b));
        out
    }
}

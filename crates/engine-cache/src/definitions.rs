//! What the CRDs and APIServices in the cache promise, to tell when discovery has to be asked again, and whether its
//! answer is the new one: it follows a change by up to some seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gitops_engine_core::{Coverage, GroupKind, Key, Manifest, Value};

use crate::discovery::Discovery;
use crate::index::View;

/// The promises of one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Definitions {
    /// Kinds of [established CRDs](https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/)
    /// with their served versions.
    kinds: BTreeMap<GroupKind, BTreeSet<Arc<str>>>,
    /// Groups of [APIServices](https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/)
    /// that another server serves and that are available.
    groups: BTreeSet<Arc<str>>,
}

pub(crate) fn is_definition(kind: &GroupKind) -> bool {
    kind.is("apiextensions.k8s.io", "CustomResourceDefinition") || kind.is("apiregistration.k8s.io", "APIService")
}

fn crd() -> GroupKind {
    GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition")
}

fn api_service() -> GroupKind {
    GroupKind::new("apiregistration.k8s.io", "APIService")
}

/// Whether CRDs come and go without our seeing it.
pub(crate) fn is_blind(view: &View) -> bool {
    view.shelf(&crd()).is_some_and(|shelf| matches!(shelf.coverage, Coverage::Forbidden(_) | Coverage::NotWatched))
}

impl Definitions {
    pub(crate) fn read(view: &View) -> Self {
        let mut definitions = Self::default();
        for_each_manifest(view, &crd(), |manifest| {
            if let Some((kind, versions)) = established(manifest) {
                definitions.kinds.insert(kind, versions);
            }
        });
        for_each_manifest(view, &api_service(), |manifest| {
            let remote =
                manifest.get("spec").and_then(|spec| spec.get("service")).is_some_and(|service| !service.is_null());
            if remote && has_condition(manifest, "Available") {
                let group = manifest.body().text(["spec", "group"]).unwrap_or_default();
                definitions.groups.insert(Key::new(group).to_shared());
            }
        });
        definitions
    }

    /// What was promised before and is not any more.
    pub(crate) fn lost_since(&self, before: &Self) -> Lost {
        Lost {
            kinds: before.kinds.keys().filter(|kind| !self.kinds.contains_key(kind)).cloned().collect(),
            groups: before.groups.difference(&self.groups).cloned().collect(),
        }
    }

    /// Whether discovery says what the definitions do.
    pub(crate) fn agree_with(&self, discovery: &Discovery, lost: &Lost) -> bool {
        let kind = |kind: &GroupKind| discovery.groups.get(&kind.group).and_then(|kinds| kinds.get(kind));
        let kinds = self.kinds.iter().all(|(name, versions)| {
            let served = kind(name).into_iter().flatten().map(|served| served.resource.version.clone());
            served.collect::<BTreeSet<_>>() == *versions
        });
        let groups = self.groups.iter().all(|group| {
            !discovery.broken.contains_key(group) && discovery.groups.get(group).is_some_and(|kinds| !kinds.is_empty())
        });
        let gone = lost.kinds.iter().all(|name| self.kinds.contains_key(name) || kind(name).is_none());
        let groups_gone = lost.groups.iter().all(|group| {
            self.groups.contains(group)
                || discovery.broken.contains_key(group)
                || discovery.groups.get(group).is_none_or(BTreeMap::is_empty)
        });
        kinds && groups && gone && groups_gone
    }
}

/// Kinds and groups whose definition went away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    kinds: BTreeSet<GroupKind>,
    groups: BTreeSet<Arc<str>>,
}

impl Lost {
    pub(crate) fn add(&mut self, other: Self) {
        self.kinds.extend(other.kinds);
        self.groups.extend(other.groups);
    }
}

fn for_each_manifest(view: &View, kind: &GroupKind, mut visit: impl FnMut(&Manifest)) {
    if let Some(shelf) = view.shelf(kind) {
        shelf.objects.for_each(|object| object.manifest.iter().for_each(&mut visit));
    }
}

fn established(crd: &Manifest) -> Option<(GroupKind, BTreeSet<Arc<str>>)> {
    if crd.is_deleting() || !has_condition(crd, "Established") {
        return None;
    }
    let body = crd.body();
    let kind = GroupKind::new(body.text(["spec", "group"])?, body.text(["spec", "names", "kind"])?);
    let served = |version: &&Value| version.get("served").and_then(Value::as_bool) == Some(true);
    let name = |version: &Value| version.text(["name"]).map(Arc::from);
    Some((kind, body.items(["spec", "versions"]).iter().filter(served).filter_map(name).collect()))
}

fn has_condition(manifest: &Manifest, kind: &str) -> bool {
    let conditions = manifest.body().items(["status", "conditions"]);
    conditions
        .iter()
        .any(|condition| condition.text(["type"]) == Some(kind) && condition.text(["status"]) == Some("True"))
}

//! The suite of [`Snapshot`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::report::{Outcome, Report, Suite, contract, require, same};
use crate::{Coverage, GroupKind, KindState, LiveObject, ObjectId, Scope, Snapshot, Uid};

contract! { "../snapshot.rs";
    NEVER_CHANGES = "It never changes; it is cheap to hold for as long as one likes.";
    HONEST = "It says how complete it is: absence is a proof only where `Coverage::proves_absence`.";
    CHILDREN = "The objects that name this one as an owner, sorted by identity.";
    IN_NAMESPACE = "The objects in a namespace (all namespaced kinds), sorted by identity.";
    HOLES = "All kinds that are not `Coverage::Complete`, and groups that could not be discovered, with the reason, sorted.";
    VERSIONS = "All served versions, best first, the preferred one among them.";
    GET = "An object.";
}

/// Holds a [`Snapshot`] against its contract, on the objects of these namespaces: at least one of which should hold
/// an object that owns another.
pub fn snapshot(snapshot: &dyn Snapshot, namespaces: &[&str]) -> Report {
    let mut suite = Suite::new("Snapshot");
    let all: Vec<_> = namespaces.iter().flat_map(|namespace| snapshot.in_namespace(namespace)).collect();
    suite.case("snapshot_lists_namespaces", IN_NAMESPACE, || in_namespaces(snapshot, namespaces));
    suite.case("snapshot_gets_what_it_lists", GET, || gets(snapshot, &all));
    suite.case("snapshot_knows_the_kinds_of_its_objects", VERSIONS, || kinds(snapshot, &all));
    suite.case("snapshot_links_owners_and_children", CHILDREN, || children(snapshot, &all));
    suite.case("snapshot_says_what_it_cannot_prove", HONEST, || unknown(snapshot, &all));
    suite.case("snapshot_names_its_holes", HOLES, || holes(snapshot, &all));
    suite.case("snapshot_answers_the_same_twice", NEVER_CHANGES, || {
        let first = Fingerprint::of(snapshot, namespaces);
        same("the second look", &Fingerprint::of(snapshot, namespaces), &first)
    });
    suite.report()
}

/// Identity, uid, resourceVersion, whether it is being deleted, children.
type Seen = (ObjectId, Uid, Arc<str>, bool, Vec<ObjectId>);

/// All that a snapshot says about some namespaces.
#[derive(Debug, PartialEq)]
pub(super) struct Fingerprint {
    generation: u64,
    objects: Vec<Seen>,
    holes: Vec<(String, Coverage)>,
}

impl Fingerprint {
    pub(super) fn of(snapshot: &dyn Snapshot, namespaces: &[&str]) -> Self {
        let object = |object: Arc<LiveObject>| {
            let children = ids(&snapshot.children(&object.uid));
            (object.id.clone(), object.uid.clone(), object.resource_version.clone(), object.deleting, children)
        };
        let objects = namespaces.iter().flat_map(|namespace| snapshot.in_namespace(namespace)).map(object).collect();
        Self { generation: snapshot.generation(), objects, holes: snapshot.holes() }
    }
}

fn ids(objects: &[Arc<LiveObject>]) -> Vec<ObjectId> {
    objects.iter().map(|object| object.id.clone()).collect()
}

fn ascending<T: Ord>(items: &[T]) -> bool {
    items.windows(2).all(|pair| pair[0] < pair[1])
}

fn in_namespaces(snapshot: &dyn Snapshot, namespaces: &[&str]) -> Outcome {
    for namespace in namespaces {
        let found = ids(&snapshot.in_namespace(namespace));
        require(ascending(&found), || format!("the objects of {namespace} are not sorted, or twice there"))?;
        let stray = found.iter().find(|id| id.namespace.as_deref() != Some(namespace));
        same(&format!("an object of another namespace among those of {namespace}"), &stray, &None)?;
    }
    let nowhere = ids(&snapshot.in_namespace("conformance-no-such-namespace"));
    same("the objects of a namespace that does not exist", &nowhere, &Vec::new())?;
    same("the objects of a namespace without a name", &ids(&snapshot.in_namespace("")), &Vec::new())
}

fn gets(snapshot: &dyn Snapshot, all: &[Arc<LiveObject>]) -> Outcome {
    for object in all {
        let found = snapshot.get(&object.id).ok_or_else(|| format!("{} is listed and cannot be got", object.id))?;
        let what = |object: &LiveObject| (object.id.clone(), object.uid.clone(), object.resource_version.clone());
        same(&format!("{}, got and listed,", object.id), &what(&found), &what(object))?;
        if let Some(manifest) = &object.manifest {
            same("the identity of its manifest", manifest.id(), &object.id)?;
            same("the uid of its manifest", &manifest.uid().as_ref(), &Some(&object.uid))?;
        }
        let mut other = object.id.clone();
        other.namespace = Some("conformance-no-such-namespace".into());
        require(snapshot.get(&other).is_none(), || format!("{other} was got, which is not there"))?;
        other.namespace = None;
        require(snapshot.get(&other).is_none(), || format!("{other} was got without its namespace"))?;
    }
    Ok(())
}

fn kinds(snapshot: &dyn Snapshot, all: &[Arc<LiveObject>]) -> Outcome {
    let kinds: BTreeSet<_> = all.iter().map(|object| &object.id.kind).collect();
    for kind in kinds {
        let KindState::Served { preferred, versions, .. } = snapshot.kind(kind) else {
            return Err(format!("there are objects of {kind}, which is said not to be served").into());
        };
        same(&format!("the scope of {kind}"), &preferred.scope, &Scope::Namespaced)?;
        same("the kind of its resource", &preferred.kind, kind)?;
        require(versions.contains(&preferred), || {
            format!("the preferred version of {kind} is not among its versions")
        })?;
        let names: BTreeSet<_> = versions.iter().map(|resource| &resource.version).collect();
        require(names.len() == versions.len(), || format!("a version of {kind} is named twice"))?;
    }
    Ok(())
}

fn children(snapshot: &dyn Snapshot, all: &[Arc<LiveObject>]) -> Outcome {
    for object in all {
        let children = snapshot.children(&object.uid);
        require(ascending(&ids(&children)), || {
            format!("the children of {} are not sorted, or twice there", object.id)
        })?;
        for child in &children {
            let names_it = child.owners.iter().any(|owner| owner.uid == object.uid);
            require(names_it, || format!("{} is called a child of {} and does not name it", child.id, object.id))?;
            require(snapshot.get(&child.id).is_some(), || format!("the child {} cannot be got", child.id))?;
        }
        for owner in &object.owners {
            let listed = snapshot.children(&owner.uid).iter().any(|child| child.id == object.id);
            require(listed, || format!("{} names the owner {} and is not among its children", object.id, owner.name))?;
        }
    }
    let nobody = ids(&snapshot.children(&Uid::new("conformance-no-such-uid")));
    same("the children of nobody", &nobody, &Vec::new())
}

fn unknown(snapshot: &dyn Snapshot, all: &[Arc<LiveObject>]) -> Outcome {
    let kind = GroupKind::new("conformance.invalid", "Nothing");
    let served = matches!(snapshot.kind(&kind), KindState::Served { .. });
    require(!served, || format!("{kind} is said to be served, and no server has such a kind"))?;
    for kind in all.iter().map(|object| &object.id.kind).collect::<BTreeSet<_>>() {
        let other = GroupKind::new("conformance.invalid", kind.kind.clone());
        let served = matches!(snapshot.kind(&other), KindState::Served { .. });
        require(!served, || format!("{other} is said to be served: its group was ignored"))?;
    }
    Ok(())
}

fn holes(snapshot: &dyn Snapshot, all: &[Arc<LiveObject>]) -> Outcome {
    let holes = snapshot.holes();
    let names: Vec<_> = holes.iter().map(|(name, _)| name.clone()).collect();
    require(names.is_sorted(), || format!("the holes are not sorted: {names:?}"))?;
    let complete = holes.iter().find(|(_, coverage)| *coverage == Coverage::Complete);
    same("a hole that is complete", &complete, &None)?;
    for kind in all.iter().map(|object| &object.id.kind).collect::<BTreeSet<_>>() {
        if let KindState::Served { coverage, .. } = snapshot.kind(kind) {
            let named = holes.iter().find(|(name, _)| *name == kind.to_string()).map(|(_, coverage)| coverage);
            let expected = (coverage != Coverage::Complete).then_some(&coverage);
            same(&format!("the hole of {kind}"), &named, &expected)?;
        }
    }
    Ok(())
}

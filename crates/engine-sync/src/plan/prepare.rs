//! From declared objects to planned ones: namespaces, duplicates, intents, scopes, the API that serves each.

use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_engine_core::dialect::{Hook, Phase};
use gitops_engine_core::{
    Declared, Error, ErrorKind, FieldPath, GroupKind, Intent, InventoryEntry, Key, KindState, Manifest, ObjectId,
    ResourceType, Result, Revision, Scope, Timestamp, Value,
};

use super::{PlanInput, Verdict};
use crate::Application;
use crate::application::{APPLICATION, OPERATION};

/// A declared object, ready to be classified.
#[derive(Clone)]
pub(super) struct Prepared<'a> {
    pub(super) declared: &'a Declared,
    /// The identity with the namespace that applies.
    pub(super) id: ObjectId,
    pub(super) resource: Arc<ResourceType>,
    pub(super) intent: Intent,
    /// What the inventory knows of it.
    pub(super) entry: Option<&'a InventoryEntry>,
    /// What an earlier pass found out about it.
    pub(super) verdict: Option<&'a Verdict>,
    /// Whether the kind comes from a CRD of this very desired state, so the server cannot be asked about it yet.
    pub(super) pending_kind: bool,
}

impl Prepared<'_> {
    /// The phases that it takes part in.
    pub(super) fn phases(&self) -> Vec<Phase> {
        self.intent.hook.as_ref().map_or_else(|| vec![Phase::Sync], |hook: &Hook| hook.phases.clone())
    }

    pub(super) fn is_hook(&self) -> bool {
        self.intent.hook.is_some()
    }
}

/// An object of the inventory, and what is known of it.
pub(super) type Owned<'a> = (&'a ObjectId, &'a InventoryEntry);

/// Everything declared, by identity; what the inventory holds besides; and every error.
pub(super) fn prepare<'a>(
    input: &PlanInput<'a>,
    started: Timestamp,
) -> (Vec<Prepared<'a>>, Vec<Owned<'a>>, Vec<Error>) {
    let crds = declared_kinds(&input.desired.objects);
    // Kind by kind, which is the first half of sorting by identity.
    let mut kinds: BTreeMap<&GroupKind, Vec<&'a Declared>> = BTreeMap::new();
    for declared in &input.desired.objects {
        kinds.entry(&declared.id().kind).or_default().push(declared);
    }
    let mut prepared: Vec<Prepared<'a>> = Vec::with_capacity(input.desired.objects.len());
    let mut errors = Vec::new();
    for (kind, objects) in kinds {
        let state = input.actual.kind(kind);
        let start = prepared.len();
        for declared in objects {
            match one(input, declared, &state, &crds, started) {
                Ok(object) => prepared.push(object),
                Err(error) => errors.push(error.at(declared.place.clone())),
            }
        }
        prepared[start..].sort_by(|a, b| (&a.id, &a.declared.place).cmp(&(&b.id, &b.declared.place)));
    }
    for pair in prepared.windows(2) {
        let [first, second] = pair else { continue };
        if first.id == second.id {
            errors.push(
                Error::new(ErrorKind::InvalidInput, format!("it is declared at {}, too", first.declared.place))
                    .at(second.declared.place.clone())
                    .object(second.id.clone())
                    .help("remove one of the two"),
            );
        }
    }
    let undeclared = match_up(&mut prepared, input);
    (prepared, undeclared, errors)
}

/// Notes for each object what is known of it already, and returns what the inventory holds besides. All of them are
/// sorted, so walking along replaces a search for each object.
fn match_up<'a>(prepared: &mut [Prepared<'a>], input: &PlanInput<'a>) -> Vec<Owned<'a>> {
    let mut undeclared = Vec::new();
    let mut entries = input.inventory.entries.iter().peekable();
    let mut verdicts = input.verdicts.iter().peekable();
    // The last one that was declared: an object that is declared twice is an error, and still one object.
    let mut declared: Option<Owned<'a>> = None;
    for object in prepared {
        while let Some(entry) = entries.next_if(|(id, _)| **id < object.id) {
            undeclared.push(entry);
        }
        while verdicts.next_if(|(id, _)| **id < object.id).is_some() {}
        declared = entries.next_if(|(id, _)| **id == object.id).or(declared);
        object.entry = declared.filter(|(id, _)| **id == object.id).map(|(_, entry)| entry);
        object.verdict = verdicts.peek().filter(|(id, _)| **id == object.id).map(|(_, verdict)| *verdict);
    }
    undeclared.extend(entries);
    undeclared
}

fn one<'a>(
    input: &PlanInput<'a>,
    declared: &'a Declared,
    state: &KindState,
    crds: &BTreeMap<(GroupKind, Arc<str>), Arc<ResourceType>>,
    started: Timestamp,
) -> Result<Prepared<'a>> {
    let manifest = &declared.manifest;
    let (resource, pending_kind) = resource(manifest, state, crds)?;
    let intent = Intent::read(manifest);
    let id = effective_id(manifest, resource.scope, input.application, &input.desired.revision, Some(started));
    if resource.scope == Scope::Namespaced && id.namespace.is_none() {
        return Err(Error::new(ErrorKind::InvalidInput, "the object has no namespace, and its kind needs one")
            .object(id)
            .field(FieldPath::of(&["metadata", "namespace"]))
            .help("set metadata.namespace, or give the application a namespace"));
    }
    if manifest.id().name.is_empty() && intent.hook.is_none() {
        return Err(Error::new(ErrorKind::InvalidInput, "the object has no name")
            .object(manifest.id().clone())
            .field(FieldPath::of(&["metadata", "name"]))
            .help("only hooks may have metadata.generateName: a name that changes cannot be kept in its state"));
    }
    Ok(Prepared { declared, id, resource, intent, entry: None, verdict: None, pending_kind })
}

/// The name of an unnamed hook: the rule of Argo CD, so that a restart finds the very same object.
fn generated_name(manifest: &Manifest, revision: &Revision, started: Timestamp) -> Arc<str> {
    let prefix = manifest.generate_name().unwrap_or_default();
    let revision = revision.as_str();
    let revision = revision.get(..7).unwrap_or(revision);
    format!("{prefix}{revision}-{}", started.as_second()).to_lowercase().into()
}

/// Whether [`generated_name`] made this name, at whatever revision and time.
pub(super) fn is_generated_name(manifest: &Manifest, name: &str) -> bool {
    let prefix = manifest.generate_name().unwrap_or_default().to_lowercase();
    let parts = name.strip_prefix(&*prefix).and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(revision, started)| {
        // A revision is no number where the state store is not Git.
        !revision.is_empty() && !started.is_empty() && started.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The identity under which a declared object is planned, given how its kind is served.
pub(crate) fn effective_id(
    manifest: &Manifest,
    scope: Scope,
    application: &Application,
    revision: &Revision,
    started: Option<Timestamp>,
) -> ObjectId {
    let mut id = manifest.id().clone();
    match scope {
        Scope::Cluster => id.namespace = None,
        Scope::Namespaced if id.namespace.is_none() => {
            id.namespace = application.namespace.as_deref().map(|namespace| Key::new(namespace).to_shared());
        }
        Scope::Namespaced => {}
    }
    if let (true, Some(started)) = (id.name.is_empty(), started) {
        id.name = generated_name(manifest, revision, started);
    }
    id
}

fn resource(
    manifest: &Manifest,
    state: &KindState,
    crds: &BTreeMap<(GroupKind, Arc<str>), Arc<ResourceType>>,
) -> Result<(Arc<ResourceType>, bool)> {
    let id = manifest.id();
    let kind = &id.kind;
    if let Some(resource) = state.version(manifest.version()) {
        return Ok((resource.clone(), false));
    }
    if let Some(resource) = crds.get(&(kind.clone(), manifest.version().clone())) {
        return Ok((resource.clone(), true));
    }
    let api_version = manifest.api_version();
    Err(match state {
        KindState::Served { versions, .. } => {
            let served: Vec<_> = versions.iter().map(|resource| resource.api_version()).collect();
            Error::new(ErrorKind::NotFound, format!("the cluster does not serve {kind} as {api_version}"))
                .help(format!("it serves {}", served.join(", ")))
        }
        KindState::Undetermined(why) => Error::new(
            ErrorKind::Unavailable,
            format!("it cannot be told whether the cluster knows {kind} ({api_version}): {why}"),
        ),
        _ => Error::new(ErrorKind::NotFound, format!("the cluster does not know the kind {kind} ({api_version})"))
            .help("install its CustomResourceDefinition, or declare it in the same application"),
    }
    .object(id.clone()))
}

/// The kinds that the CRDs of a desired state will serve, by kind and version.
fn declared_kinds(objects: &[Declared]) -> BTreeMap<(GroupKind, Arc<str>), Arc<ResourceType>> {
    let mut kinds = BTreeMap::new();
    for declared in objects {
        if !declared.id().kind.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            continue;
        }
        let body = declared.manifest.body();
        let text = |keys: &[&str]| body.text(keys.iter().copied()).map(Arc::<str>::from);
        let names = ["spec", "names"];
        let (Some(group), Some(kind), Some(plural)) =
            (text(&["spec", "group"]), text(&[names[0], names[1], "kind"]), text(&[names[0], names[1], "plural"]))
        else {
            continue;
        };
        let scope = match body.text(["spec", "scope"]) {
            Some("Cluster") => Scope::Cluster,
            _ => Scope::Namespaced,
        };
        let kind = GroupKind { group, kind };
        for version in body.items(["spec", "versions"]) {
            let served = version.get("served").and_then(Value::as_bool).unwrap_or(true);
            if let (true, Some(version)) = (served, version.text(["name"])) {
                let version: Arc<str> = version.into();
                let resource =
                    ResourceType { kind: kind.clone(), version: version.clone(), plural: plural.clone(), scope };
                kinds.insert((kind.clone(), version), Arc::new(resource));
            }
        }
    }
    kinds
}

/// The manifest as it is sent: with its name, its namespace, and the marks of the engine.
///
/// # Errors
/// Never for a manifest that is part of a plan.
pub fn stamp(
    manifest: &Manifest,
    id: &ObjectId,
    application: &Application,
    operation: Option<&str>,
) -> Result<Manifest> {
    manifest.edit(|body| {
        body.set(&["metadata", "name"], Value::from(&*id.name));
        body.unset(&["metadata", "generateName"]);
        match &id.namespace {
            Some(namespace) => body.set(&["metadata", "namespace"], Value::from(&**namespace)),
            None => {
                body.unset(&["metadata", "namespace"]);
            }
        }
        // What only the server may say. Left in exported manifests, it would make every apply fail or conflict.
        for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "managedFields"] {
            body.unset(&["metadata", field]);
        }
        if id.kind.group.as_ref() != "apiextensions.k8s.io" {
            body.unset(&["status"]);
        }
        if body.path(["metadata", "annotations"]).is_some_and(|annotations| annotations.as_object().is_none()) {
            body.unset(&["metadata", "annotations"]);
        }
        body.set(&["metadata", "annotations", APPLICATION], application.name.as_str().into());
        if let Some(operation) = operation {
            body.set(&["metadata", "annotations", OPERATION], operation.into());
        }
    })
}

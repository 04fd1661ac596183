//! CustomResourceDefinitions: names accepted, established, and gone with their objects.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/>

use serde_json::{Value, json};

use super::{
    Decision, View,
    conditions::{condition, has_condition, set_condition},
    garbage,
    script::{NEVER_ESTABLISHED, Script},
    writes::Write,
};
use crate::{
    clock::Now,
    json::{self, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored},
    write::delete::Propagation,
};

/// Holds a CRD until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Says in its status that a definition is to go.
pub(crate) fn mark_for_deletion(definition: &mut Value, now: Now) {
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    set_condition(definition, "Terminating", "True", "InstanceDeletionPending", message, now);
}

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, crd: &Stored) -> Decision {
    let mut decision = Decision::default();
    let spec = &crd.value["spec"];
    let gr = GroupResource::new(str_at(spec, &["group"]), str_at(spec, &["names", "plural"]));
    let mut value = crd.value.clone();
    if crd.is_terminating() {
        terminate(view, key, crd, &gr, &mut decision);
        return decision;
    }
    let (accepted, conflict) = names(view, spec, &gr, &crd.value["status"]["acceptedNames"]);
    json::set(&mut value, &["status", "acceptedNames"], accepted);
    let storage = list_at(spec, &["versions"]).iter().find(|v| v["storage"] == true).map(|v| v["name"].clone());
    let mut stored = list_at(&value, &["status", "storedVersions"]).to_vec();
    if let Some(storage) = storage.filter(|s| !stored.contains(s)) {
        stored.push(storage);
    }
    json::set(&mut value, &["status", "storedVersions"], stored);
    let was = has_condition(&crd.value, "Established", "True");
    let established = |value: &mut Value, status: &str, reason: &str, message: &str| {
        set_condition(value, "Established", status, reason, message, view.now);
    };
    if let Some((reason, message)) = conflict {
        set_condition(&mut value, "NamesAccepted", "False", reason, &message, view.now);
        if !was {
            established(&mut value, "False", "NotAccepted", "not all names are accepted");
        }
        decision.status(key, crd, value);
        return decision;
    }
    set_condition(&mut value, "NamesAccepted", "True", "NoConflicts", "no conflicts found", view.now);
    if !was {
        let ready = view.created(crd) + view.settings.establish;
        let message = "the initial names have been accepted";
        let waits = view.now.elapsed < ready || condition(&crd.value, "Established").is_none();
        if view.is_scripted(&crd.value, NEVER_ESTABLISHED, &Script::NeverEstablished) {
            established(&mut value, "False", "Installing", message);
        } else if waits {
            decision.wake_at(ready);
            established(&mut value, "False", "Installing", message);
        } else {
            established(&mut value, "True", "InitialNamesAccepted", message);
        }
    }
    decision.status(key, crd, value);
    decision
}

/// The names that the CRD gets, and why it does not get all of them. Others of its group may have them already.
fn names(view: &View<'_>, spec: &Value, gr: &GroupResource, had: &Value) -> (Value, Option<(&'static str, String)>) {
    let names = &spec["names"];
    let others: Vec<_> = view.state.registry.iter().filter(|r| r.gr != *gr && r.gr.group == gr.group).collect();
    let resource = |name: &str| {
        others.iter().any(|r| *r.gr.resource == *name || r.singular == name || r.short_names.iter().any(|s| s == name))
    };
    let kind = |name: &str| others.iter().any(|r| r.kind == name || r.list_kind() == name);
    let mut accepted = had.clone();
    if !accepted.is_object() {
        accepted = json!({"plural": "", "kind": ""});
    }
    let mut conflict = None;
    let mut refuse =
        |reason: &'static str, name: &str| conflict = Some((reason, format!("{name:?} is already in use")));
    for (field, reason, taken) in
        [("plural", "PluralConflict", &resource as &dyn Fn(&str) -> bool), ("singular", "SingularConflict", &resource)]
    {
        let name = str_at(names, &[field]);
        if taken(name) {
            refuse(reason, name);
        } else if !name.is_empty() {
            accepted[field] = name.into();
        }
    }
    let short: Vec<&str> = list_at(names, &["shortNames"]).iter().filter_map(Value::as_str).collect();
    match short.iter().find(|s| resource(s)) {
        Some(taken) => refuse("ShortNamesConflict", taken),
        None if short.is_empty() => {
            json::remove(&mut accepted, &["shortNames"]);
        }
        None => accepted["shortNames"] = short.into(),
    }
    for (field, reason) in [("kind", "KindConflict"), ("listKind", "ListKindConflict")] {
        let name = str_at(names, &[field]);
        if kind(name) {
            refuse(reason, name);
        } else if !name.is_empty() {
            accepted[field] = name.into();
        }
    }
    match names.get("categories") {
        Some(categories) => accepted["categories"] = categories.clone(),
        None => {
            json::remove(&mut accepted, &["categories"]);
        }
    }
    (accepted, conflict)
}

/// The objects go first, then the CRD.
fn terminate(view: &View<'_>, key: &ObjectKey, crd: &Stored, gr: &GroupResource, decision: &mut Decision) {
    let held = list_at(&crd.value, &["metadata", "finalizers"]).iter().any(|f| f == CLEANUP);
    if !held {
        return;
    }
    let objects = view.state.store.objects(gr, None);
    let mut value = crd.value.clone();
    if objects.is_empty() {
        decision.write(Write::Update(key.clone(), garbage::without(crd, CLEANUP)));
        return;
    }
    for object in objects.iter().filter(|o| !o.is_terminating()) {
        let at = ObjectKey::new(gr, object.namespace(), object.name());
        decision.write(Write::Delete(at, Propagation::Background));
    }
    let message = "CustomResource deletion is in progress";
    set_condition(&mut value, "Terminating", "True", "InstanceDeletionInProgress", message, view.now);
    decision.status(key, crd, value);
}

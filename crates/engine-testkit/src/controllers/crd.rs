//! CustomResourceDefinitions: names accepted, established, and gone with their objects.

use serde_json::Value;

use super::{Decision, View, Write, garbage, has_condition, replace_if_changed, set_condition};
use crate::{
    json::{self, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored},
    write::delete::Propagation,
};

/// Holds a CRD until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

pub(super) fn reconcile(view: &View<'_>, key: &ObjectKey, crd: &Stored) -> Decision {
    let mut decision = Decision::default();
    let spec = &crd.value["spec"];
    let gr = GroupResource::new(str_at(spec, &["group"]), str_at(spec, &["names", "plural"]));
    if crd.is_terminating() {
        let objects = view.state.store.objects(&gr, None);
        for object in &objects {
            if !object.is_terminating() {
                let at = ObjectKey::new(&gr, object.namespace(), object.name());
                decision.writes.push(Write::Delete(at, Propagation::Background));
            }
        }
        let held = list_at(&crd.value, &["metadata", "finalizers"]).iter().any(|f| f == CLEANUP);
        if objects.is_empty() && held {
            decision.writes.push(Write::Replace(key.clone(), garbage::without(crd, CLEANUP)));
        }
        return decision;
    }
    let mut value = crd.value.clone();
    let (accepted, conflict) = names(view, &gr, spec);
    if let Some((reason, name)) = conflict {
        json::set(&mut value, &["status", "acceptedNames"], accepted);
        let message = format!("{name:?} is already in use");
        set_condition(&mut value, "NamesAccepted", "False", reason, &message, view.now);
        set_condition(&mut value, "Established", "False", "NotAccepted", "not all names are accepted", view.now);
        decision.writes = replace_if_changed(key, crd, value);
        return decision;
    }
    json::set(&mut value, &["status", "acceptedNames"], spec["names"].clone());
    let storage = list_at(spec, &["versions"]).iter().find(|v| v["storage"] == true).map(|v| v["name"].clone());
    let mut stored = list_at(&value, &["status", "storedVersions"]).to_vec();
    if let Some(storage) = storage.filter(|s| !stored.contains(s)) {
        stored.push(storage);
    }
    json::set(&mut value, &["status", "storedVersions"], stored);
    set_condition(&mut value, "NamesAccepted", "True", "NoConflicts", "no conflicts found", view.now);
    if !has_condition(&crd.value, "Established", "True") {
        let ready = view.created(crd) + view.settings.establish;
        if view.now.elapsed < ready {
            decision.wake_at(ready);
            set_condition(
                &mut value,
                "Established",
                "False",
                "Installing",
                "the initial names have been accepted",
                view.now,
            );
        } else {
            set_condition(
                &mut value,
                "Established",
                "True",
                "InitialNamesAccepted",
                "the initial names have been accepted",
                view.now,
            );
        }
    }
    decision.writes = replace_if_changed(key, crd, value);
    decision
}

/// The names that no other kind of the group has, and the last one that is taken, with its reason.
fn names(view: &View<'_>, gr: &GroupResource, spec: &Value) -> (Value, Option<(&'static str, String)>) {
    let others: Vec<_> = view.state.registry.iter().filter(|r| r.gr != *gr && r.gr.group == gr.group).collect();
    let resource_taken = |name: &str| {
        others.iter().any(|r| *r.gr.resource == *name || r.singular == name || r.short_names.iter().any(|s| s == name))
    };
    let kind_taken = |name: &str| others.iter().any(|r| r.kind == name || format!("{}List", r.kind) == name);
    let (mut accepted, mut conflict) = (spec["names"].clone(), None);
    for (key, reason) in [("plural", "PluralConflict"), ("singular", "SingularConflict")] {
        let name = str_at(spec, &["names", key]);
        if resource_taken(name) {
            conflict = Some((reason, name.to_owned()));
            json::remove(&mut accepted, &[key]);
        }
    }
    if let Some(name) =
        list_at(spec, &["names", "shortNames"]).iter().filter_map(Value::as_str).find(|n| resource_taken(n))
    {
        conflict = Some(("ShortNamesConflict", name.to_owned()));
        json::remove(&mut accepted, &["shortNames"]);
    }
    for (key, reason) in [("kind", "KindConflict"), ("listKind", "ListKindConflict")] {
        let name = str_at(spec, &["names", key]);
        if kind_taken(name) {
            conflict = Some((reason, name.to_owned()));
            json::remove(&mut accepted, &[key]);
        }
    }
    // These two are always written.
    json::default(&mut accepted, &["plural"], "");
    json::default(&mut accepted, &["kind"], "");
    (accepted, conflict)
}

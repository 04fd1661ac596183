//! Claims get a volume each, made for them or one that fits; volumes go, or stay, with their claims.
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/>

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Decision, View,
    events::Note,
    garbage, key_of,
    scheduler::{SELECTED_NODE, quantity},
    script::{PENDING, Script},
    writes::Write,
};
use crate::{
    json::{self, get, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored, selector::LabelSelector},
    write::delete::Propagation,
};

const COMPONENT: &str = "persistentvolume-controller";
const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";
const PROVISIONERS: [&str; 2] =
    ["volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner"];
const PROVISIONED: &str = "pv.kubernetes.io/provisioned-by";
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";

fn class<'a>(view: &View<'a>, name: &str) -> Option<&'a Arc<Stored>> {
    view.get("storage.k8s.io", "storageclasses", "", name)
}

/// Whether a claim is left alone until a Pod uses it:
/// <https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode>
pub(super) fn waits_for_consumer(view: &View<'_>, claim: &Stored) -> bool {
    let name = str_at(&claim.value, &["spec", "storageClassName"]);
    class(view, name).is_some_and(|c| str_at(&c.value, &["volumeBindingMode"]) == "WaitForFirstConsumer")
}

fn is_protected(object: &Stored, by: &str) -> bool {
    list_at(&object.value, &["metadata", "finalizers"]).iter().any(|f| f == by)
}

pub(super) fn claim(view: &View<'_>, key: &ObjectKey, claim: &Stored) -> Decision {
    let mut decision = Decision::default();
    let value = &claim.value;
    if claim.is_terminating() {
        let mut users =
            view.state.queue.index.mounting(claim.namespace(), claim.name()).filter_map(|k| view.state.store.at(k));
        let used = users.any(|p| !super::conditions::is_finished(&p.value));
        if !used && is_protected(claim, CLAIM_PROTECTION) {
            decision.write(Write::Update(key.clone(), garbage::without(claim, CLAIM_PROTECTION)));
        }
        return decision;
    }
    let bound = str_at(value, &["status", "phase"]) == "Bound";
    let named = str_at(value, &["spec", "volumeName"]);
    if bound {
        // A volume that is lost does not come back.
        if view.get("", "persistentvolumes", "", named).is_none() {
            let mut after = value.clone();
            json::set(&mut after, &["status", "phase"], "Lost");
            decision.status(key, claim, after);
            decision.report(Note::warning(
                COMPONENT,
                "ClaimLost",
                "Bound claim has lost its PersistentVolume. Data on the volume is lost!",
            ));
        }
        return decision;
    }
    if str_at(value, &["status", "phase"]) == "Lost" || view.is_scripted(value, PENDING, &Script::Pending) {
        return decision;
    }
    let volume = match named {
        "" => existing(view, claim),
        // A volume of that name may come yet.
        name => match view.get("", "persistentvolumes", "", name) {
            Some(volume) if is_free(volume, claim) => Some(volume),
            _ => return decision,
        },
    };
    match volume {
        Some(volume) => bind(view, key, claim, volume, &mut decision),
        None => provision(view, key, claim, &mut decision),
    }
    decision
}

fn is_free(volume: &Stored, claim: &Stored) -> bool {
    let reference = get(&volume.value, &["spec", "claimRef"]);
    !volume.is_terminating()
        && reference.is_none_or(|r| {
            let uid = str_at(r, &["uid"]);
            str_at(r, &["namespace"]) == claim.namespace()
                && str_at(r, &["name"]) == claim.name()
                && (uid.is_empty() || uid == claim.uid())
        })
}

/// The smallest volume that fits, one that is kept for this claim before others.
fn existing<'a>(view: &View<'a>, claim: &Stored) -> Option<&'a Arc<Stored>> {
    let value = &claim.value;
    if waits_for_consumer(view, claim) && get(value, &["metadata", "annotations", SELECTED_NODE]).is_none() {
        return None;
    }
    let wanted = quantity(&value["spec"]["resources"]["requests"]["storage"], false);
    let selector = get(value, &["spec", "selector"]).map(LabelSelector::from_object);
    let of = |o: &Value, field: &str| str_at(o, &["spec", field]).to_owned();
    let fits = |volume: &&Arc<Stored>| {
        let v = &volume.value;
        let modes = list_at(v, &["spec", "accessModes"]);
        is_free(volume, claim)
            && of(v, "storageClassName") == of(value, "storageClassName")
            && of(v, "volumeMode") == of(value, "volumeMode")
            && list_at(value, &["spec", "accessModes"]).iter().all(|m| modes.contains(m))
            && quantity(&v["spec"]["capacity"]["storage"], false) >= wanted
            && selector.as_ref().is_none_or(|s| s.matches(v))
    };
    let volumes = view.state.store.objects(&GroupResource::new("", "persistentvolumes"), None);
    volumes.into_iter().filter(fits).min_by_key(|v| {
        let kept = get(&v.value, &["spec", "claimRef"]).is_some();
        (!kept, quantity(&v.value["spec"]["capacity"]["storage"], false))
    })
}

fn bind(view: &View<'_>, key: &ObjectKey, claim: &Stored, volume: &Stored, decision: &mut Decision) {
    let mut bound = volume.value.clone();
    let reference = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim.name(), "namespace": claim.namespace(),
        "uid": claim.uid(), "resourceVersion": claim.revision.to_string(),
    });
    if str_at(&bound, &["spec", "claimRef", "uid"]) != claim.uid() {
        if get(&bound, &["spec", "claimRef"]).is_none() {
            json::set(&mut bound, &["metadata", "annotations", BOUND_BY_CONTROLLER], "yes");
        }
        json::set(&mut bound, &["spec", "claimRef"], reference);
    }
    phase(view, &mut bound, "Bound");
    if bound != volume.value {
        decision.write(Write::Replace(key_of("", "persistentvolumes", volume), bound));
    }
    let value = &claim.value;
    let mut after = value.clone();
    if str_at(value, &["spec", "volumeName"]).is_empty() {
        json::set(&mut after, &["spec", "volumeName"], volume.name());
        json::set(&mut after, &["metadata", "annotations", BOUND_BY_CONTROLLER], "yes");
    }
    json::set(&mut after, &["metadata", "annotations", BIND_COMPLETED], "yes");
    after["status"] = json!({
        "phase": "Bound",
        "accessModes": volume.value["spec"]["accessModes"],
        "capacity": volume.value["spec"]["capacity"],
    });
    decision.write(Write::Update(key.clone(), after.clone()));
    decision.write(Write::Replace(key.clone(), after));
}

fn provision(view: &View<'_>, key: &ObjectKey, claim: &Stored, decision: &mut Decision) {
    let value = &claim.value;
    let name = str_at(value, &["spec", "storageClassName"]);
    let once = |decision: &mut Decision, note: Note| {
        // Said when the claim is new; a real controller repeats it every few seconds.
        if claim.revision == view.state.store.revision()
            || view.created(claim) + view.settings.reaction >= view.now.elapsed
        {
            decision.report(note);
        }
    };
    let Some(class) = class(view, name) else {
        if name.is_empty() {
            let message = "no persistent volumes available for this claim and no storage class is set";
            once(decision, Note::normal(COMPONENT, "FailedBinding", message));
        } else {
            let message = format!("storageclass.storage.k8s.io {name:?} not found");
            once(decision, Note::warning(COMPONENT, "ProvisioningFailed", message));
        }
        return;
    };
    if waits_for_consumer(view, claim) && get(value, &["metadata", "annotations", SELECTED_NODE]).is_none() {
        let message = "waiting for first consumer to be created before binding";
        once(decision, Note::normal(COMPONENT, "WaitForFirstConsumer", message));
        return;
    }
    let provisioner = str_at(&class.value, &["provisioner"]);
    if provisioner == "kubernetes.io/no-provisioner" {
        let message = "no persistent volumes available for this claim and no storage class is set";
        once(decision, Note::normal(COMPONENT, "FailedBinding", message));
        return;
    }
    let mut annotated = value.clone();
    for annotation in PROVISIONERS {
        json::set(&mut annotated, &["metadata", "annotations", annotation], provisioner);
    }
    if annotated != *value {
        decision.write(Write::Update(key.clone(), annotated));
        let message = format!(
            "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the \
             system administrator. If volume creation is delayed, please verify that the provisioner is running and \
             correctly registered."
        );
        decision.report(Note::normal(COMPONENT, "ExternalProvisioning", message));
        return;
    }
    let volume_name = format!("pvc-{}", claim.uid());
    let policy = match str_at(&class.value, &["reclaimPolicy"]) {
        "" => "Delete",
        other => other,
    };
    let mut spec = json!({
        "capacity": {"storage": value["spec"]["resources"]["requests"]["storage"]},
        "accessModes": value["spec"]["accessModes"],
        "persistentVolumeReclaimPolicy": policy,
        "volumeMode": value["spec"]["volumeMode"],
        "hostPath": {"path": format!("/var/testkit/{volume_name}"), "type": ""},
        "claimRef": {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim.name(),
            "namespace": claim.namespace(), "uid": claim.uid(),
        },
    });
    spec["storageClassName"] = name.into();
    let volume = json!({
        "metadata": {"name": volume_name, "annotations": {PROVISIONED: provisioner}},
        "spec": spec,
    });
    // Bound to it when it is there.
    decision.write(Write::Create(GroupResource::new("", "persistentvolumes"), volume));
}

fn phase(view: &View<'_>, volume: &mut Value, phase: &str) {
    if str_at(volume, &["status", "phase"]) != phase {
        json::set(volume, &["status", "phase"], phase);
        json::set(volume, &["status", "lastPhaseTransitionTime"], view.now.rfc3339());
    }
}

pub(super) fn volume(view: &View<'_>, key: &ObjectKey, volume: &Stored) -> Decision {
    let mut decision = Decision::default();
    let mut after = volume.value.clone();
    if volume.is_terminating() {
        let bound = str_at(&volume.value, &["status", "phase"]) == "Bound";
        if !bound && is_protected(volume, VOLUME_PROTECTION) {
            decision.write(Write::Update(key.clone(), garbage::without(volume, VOLUME_PROTECTION)));
            return decision;
        }
    }
    let uid = str_at(&volume.value, &["spec", "claimRef", "uid"]);
    let claim = view.state.store.by_uid(uid).filter(|_| !uid.is_empty());
    match claim {
        // One that is kept for a claim by name waits for it.
        None if uid.is_empty() => phase(view, &mut after, "Available"),
        Some(_) => phase(view, &mut after, "Bound"),
        None => {
            phase(view, &mut after, "Released");
            let released = after == volume.value;
            if released
                && str_at(&volume.value, &["spec", "persistentVolumeReclaimPolicy"]) == "Delete"
                && !volume.is_terminating()
            {
                decision.write(Write::Delete(key.clone(), Propagation::Background));
            }
        }
    }
    decision.status(key, volume, after);
    decision
}

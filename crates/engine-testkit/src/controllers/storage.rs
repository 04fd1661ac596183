//! Claims get a volume each; volumes go with their claims.

use serde_json::json;

use super::{Decision, View, Write, garbage, replace_if_changed};
use crate::{
    json::{self, get, list_at, str_at},
    resources::GroupResource,
    store::{ObjectKey, Stored},
    write::delete::Propagation,
};

const PROTECTION: &str = "kubernetes.io/pvc-protection";

pub(super) fn claim(view: &View<'_>, key: &ObjectKey, claim: &Stored) -> Decision {
    let mut decision = Decision::default();
    let value = &claim.value;
    if claim.is_terminating() {
        let used = view.objects("", "pods", claim.namespace()).iter().any(|p| {
            let volumes = list_at(&p.value, &["spec", "volumes"]);
            volumes.iter().any(|v| str_at(v, &["persistentVolumeClaim", "claimName"]) == claim.name())
        });
        if !used && list_at(value, &["metadata", "finalizers"]).iter().any(|f| f == PROTECTION) {
            decision.writes.push(Write::Replace(key.clone(), garbage::without(claim, PROTECTION)));
        }
        return decision;
    }
    if str_at(value, &["status", "phase"]) == "Bound" {
        return decision;
    }
    let gr = GroupResource::new("", "persistentvolumes");
    let named = str_at(value, &["spec", "volumeName"]);
    let name = if named.is_empty() { format!("pvc-{}", claim.uid()) } else { named.to_owned() };
    if named.is_empty() {
        let volume = json!({
            "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": "testkit.gitops-engine.dev/volume"}},
            "spec": {
                "capacity": {"storage": value["spec"]["resources"]["requests"]["storage"]},
                "accessModes": value["spec"]["accessModes"],
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": value["spec"]["storageClassName"],
                "volumeMode": value["spec"]["volumeMode"],
                "hostPath": {"path": format!("/var/testkit/{name}"), "type": ""},
                "claimRef": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim.name(),
                    "namespace": claim.namespace(), "uid": claim.uid(),
                },
            },
            "status": {"phase": "Bound"},
        });
        decision.writes.push(Write::Create(gr, volume));
    } else if view.get("", "persistentvolumes", "", &name).is_none() {
        // A volume of that name may come yet.
        return decision;
    }
    let mut after = value.clone();
    json::set(&mut after, &["spec", "volumeName"], name);
    json::set(&mut after, &["metadata", "annotations", "pv.kubernetes.io/bind-completed"], "yes");
    after["status"] = json!({
        "phase": "Bound",
        "accessModes": value["spec"]["accessModes"],
        "capacity": {"storage": value["spec"]["resources"]["requests"]["storage"]},
    });
    decision.writes.extend(replace_if_changed(key, claim, after));
    decision
}

pub(super) fn volume(view: &View<'_>, key: &ObjectKey, volume: &Stored) -> Decision {
    let mut decision = Decision::default();
    if volume.is_terminating() {
        return decision;
    }
    let mut after = volume.value.clone();
    let phase = match get(&volume.value, &["spec", "claimRef", "uid"]).and_then(|u| u.as_str()) {
        None => "Available",
        Some(uid) if view.state.store.by_uid(uid).is_some() => "Bound",
        Some(_) if str_at(&volume.value, &["spec", "persistentVolumeReclaimPolicy"]) == "Delete" => {
            decision.writes.push(Write::Delete(key.clone(), Propagation::Background));
            return decision;
        }
        Some(_) => "Released",
    };
    json::set(&mut after, &["status", "phase"], phase);
    decision.writes = replace_if_changed(key, volume, after);
    decision
}

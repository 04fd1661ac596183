//! PersistentVolumes: <https://kubernetes.io/docs/concepts/storage/persistent-volumes/>

use serde_json::Value;

use super::{At, claim, pod};
use crate::{
    admission::{names, node_labels},
    json::{self, get, str_at},
    status::Cause,
};

/// The kinds of sources in the order in which a real server looks at them, and what it calls them where there is more
/// than one.
const SOURCES: [(&str, &str); 21] = [
    ("hostPath", "hostPath"),
    ("gcePersistentDisk", "gcePersistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("glusterfs", "glusterfs"),
    ("flocker", "flocker"),
    ("nfs", "nfs"),
    ("rbd", "rbd"),
    ("quobyte", "quobyte"),
    ("cephfs", "cephFS"),
    ("iscsi", "iscsi"),
    ("cinder", "cinder"),
    ("fc", "fc"),
    ("flexVolume", "flexVolume"),
    ("azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"),
    ("scaleIO", "scaleIO"),
    ("local", "local"),
    ("storageos", "storageos"),
];

/// Which of them know no options of mounting in an annotation: all that are not here.
const WITH_OPTIONS: [&str; 13] = [
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "nfs",
    "rbd",
    "quobyte",
    "iscsi",
    "cinder",
    "cephfs",
    "azureFile",
    "vsphereVolume",
    "azureDisk",
    "photonPersistentDisk",
];

/// The annotation that had the options of mounting before there was a field for them.
pub(in crate::admission) const OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";

pub(super) fn volume(root: &At<'_>, causes: &mut Vec<Cause>) {
    spec(&root.field("spec"), root.field("metadata").field("name").text(), causes);
    let has_options = get(root.value, &["metadata", "annotations", OPTIONS]).is_some();
    if has_options && !WITH_OPTIONS.iter().any(|kind| root.field("spec").field(kind).is_set()) {
        let detail = "may not specify mount options for this volume type";
        causes.push(Cause::forbidden(format!("metadata.annotations.{OPTIONS}"), detail));
    }
}

fn spec(spec: &At<'_>, name: &str, causes: &mut Vec<Cause>) {
    let modes = spec.field("accessModes");
    if modes.len() == 0 {
        modes.required("", causes);
    }
    claim::access_modes(&modes, causes);
    capacity(&spec.field("capacity"), causes);
    let policy = spec.field("persistentVolumeReclaimPolicy");
    if !policy.text().is_empty() {
        policy.one_of(&["Delete", "Recycle", "Retain"], causes);
    }
    let affinity = spec.field("nodeAffinity");
    if affinity.is_set() {
        let required = affinity.field("required");
        if required.is_set() {
            pod::node_selector(&required, causes);
        } else {
            required.required("must specify required node constraints", causes);
        }
    }
    sources(spec, name, causes);
    let path = spec.field("hostPath").field("path");
    if path.text().starts_with('/') && path.text().trim_matches(['/', '.']).is_empty() && policy.text() == "Recycle" {
        policy.forbidden("may not be 'recycle' for a hostPath mount of '/'", causes);
    }
    let class = spec.field("storageClassName");
    if !class.text().is_empty() {
        class.name(names::Rule::Subdomain, causes);
    }
    spec.field("volumeMode").one_of(&["Block", "Filesystem"], causes);
    let attributes = spec.field("volumeAttributesClassName");
    if attributes.is_set() {
        if attributes.text().is_empty() {
            attributes.required("an empty string is disallowed", causes);
        } else {
            attributes.name(names::Rule::Subdomain, causes);
        }
        if !spec.field("csi").is_set() {
            spec.field("csi").required("has to be specified when using volumeAttributesClassName", causes);
        }
    }
}

fn capacity(capacity: &At<'_>, causes: &mut Vec<Cause>) {
    if capacity.len() == 0 {
        capacity.required("", causes);
    }
    if !capacity.field("storage").is_set() || capacity.len() > 1 {
        causes.push(Cause::unsupported(capacity.path.clone(), capacity.value, &["storage"]));
    }
    for (name, amount) in capacity.entries() {
        let amount = At { path: format!("{}[{name}]", capacity.path), ..amount };
        if amount.quantity().is_some_and(|amount| amount < 0) {
            amount.invalid("must be a valid resource quantity", causes);
        }
        if amount.quantity().is_some_and(|amount| amount <= 0) {
            amount.invalid("must be greater than zero", causes);
        }
    }
}

fn sources(spec: &At<'_>, name: &str, causes: &mut Vec<Cause>) {
    let mut first = true;
    let all = SOURCES.iter().chain(&[("csi", "csi")]);
    for (kind, shown) in all.filter(|(kind, _)| spec.field(kind).is_set()) {
        let at = spec.field(kind);
        if !first {
            spec.field(shown).forbidden("may not specify more than 1 volume type", causes);
            continue;
        }
        first = false;
        match *kind {
            "local" => {
                if at.field("path").must_be_there(causes) {
                    pod::no_backsteps(&at.field("path"), causes);
                }
                if !spec.field("nodeAffinity").is_set() {
                    spec.field("nodeAffinity").required("Local volume requires node affinity", causes);
                }
            }
            "csi" => {
                pod::driver(&at.field("driver"), causes);
                at.field("volumeHandle").must_be_there(causes);
                for name in [
                    "controllerPublishSecretRef",
                    "controllerExpandSecretRef",
                    "nodePublishSecretRef",
                    "nodeExpandSecretRef",
                ] {
                    let secret = at.field(name);
                    if secret.is_set() {
                        for (field, rule) in [("name", names::Rule::Subdomain), ("namespace", names::Rule::Label)] {
                            if secret.field(field).must_be_there(causes) {
                                secret.field(field).name(rule, causes);
                            }
                        }
                    }
                }
            }
            "iscsi" => pod::shared_iscsi(&at, name, causes),
            kind => pod::source(kind, spec, &at, causes),
        }
    }
    if first {
        spec.required("must specify a volume type", causes);
    }
}

/// What of a volume cannot change any more.
pub(super) fn volume_change(root: &At<'_>, before: &Value, causes: &mut Vec<Cause>) {
    const NEW_SECRET: [&str; 3] = ["spec", "csi", "controllerExpandSecretRef"];
    let source = |volume: &Value| {
        let kinds = SOURCES.iter().map(|(kind, _)| *kind).chain(["csi"]);
        let found: serde_json::Map<String, Value> =
            kinds.filter_map(|kind| Some((kind.to_owned(), get(volume, &["spec", kind])?.clone()))).collect();
        Value::Object(found)
    };
    let (old, mut new) = (source(before), source(root.value));
    // Who had no secret for growing may get one.
    if get(before, &["spec", "csi"]).is_some() && get(before, &NEW_SECRET).is_none() {
        json::remove(&mut new, &NEW_SECRET[1..]);
    }
    if old != new {
        causes.push(Cause::forbidden(
            "spec.persistentvolumesource",
            &format!(
                "spec.persistentvolumesource is immutable after creation\n{}",
                super::diff::unified(&claim::indented(&old, 0), &claim::indented(&new, 0))
            ),
        ));
    }
    let [had, has] =
        [before, root.value].map(|volume| get(volume, &["spec", "volumeMode"]).cloned().unwrap_or_default());
    if had != has {
        causes.push(Cause::invalid("volumeMode", &has, "field is immutable"));
    }
    if let Some(had) = get(before, &["spec", "nodeAffinity"]) {
        let has = get(root.value, &["spec", "nodeAffinity"]).unwrap_or(&Value::Null);
        if renamed(had, has) != *has {
            let detail = "field is immutable, except for updating from beta label to GA";
            causes.push(Cause::invalid("nodeAffinity", has, detail));
        }
    }
    let attributes = ["spec", "volumeAttributesClassName"];
    if get(before, &attributes).is_some() && get(root.value, &attributes).is_none() {
        causes.push(Cause::forbidden(attributes.join("."), "update from non-nil value to nil is forbidden"));
    }
}

/// What a volume asks of nodes, with the labels that have newer names called by those where the next state does so. A label
/// without a newer name may lose its name, which a real server cannot tell from a newer one.
fn renamed(affinity: &Value, next: &Value) -> Value {
    let mut affinity = affinity.clone();
    let terms = affinity.pointer_mut("/required/nodeSelectorTerms").and_then(Value::as_array_mut);
    for (i, term) in terms.into_iter().flatten().enumerate() {
        let expressions = term.get_mut("matchExpressions").and_then(Value::as_array_mut);
        for (j, expression) in expressions.into_iter().flatten().enumerate() {
            let newer = node_labels::newer(str_at(expression, &["key"])).unwrap_or_default();
            let next = next.pointer(&format!("/required/nodeSelectorTerms/{i}/matchExpressions/{j}/key"));
            if let Some(next) = next.filter(|next| **next == newer) {
                expression["key"] = next.clone();
            }
        }
    }
    affinity
}

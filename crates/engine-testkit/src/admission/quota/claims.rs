//! What claims of storage use: <https://kubernetes.io/docs/concepts/policy/resource-quotas/#storage-resource-quota>

use serde_json::Value;

use super::{counted::text_of, scope::Scope};
use crate::{
    admission::{
        CLASS_OF_CLAIM,
        amounts::{Amount, Amounts},
    },
    json::str_at,
};

const CLAIMS: &str = "persistentvolumeclaims";
const STORAGE: &str = "requests.storage";
/// Between a class and what is counted of it.
const OF_CLASS: &str = ".storageclass.storage.k8s.io/";

pub(super) fn has(name: &str) -> bool {
    let is = |what: &str| name.strip_suffix(what).is_some_and(|of| of.is_empty() || of.ends_with(OF_CLASS));
    is(CLAIMS) || is(STORAGE)
}

pub(super) fn usage(claim: &Value) -> Amounts {
    let class = text_of(claim, &["metadata", "annotations", CLASS_OF_CLAIM])
        .or_else(|| text_of(claim, &["spec", "storageClassName"]));
    let mut usage = Amounts::new();
    let mut add = |what: &str, amount: Amount| {
        if let Some(class) = class {
            usage.insert(format!("{class}{OF_CLASS}{what}"), amount.clone());
        }
        usage.insert(what.to_owned(), amount);
    };
    add(CLAIMS, Amount::count(1));
    if let Some(size) = size(claim) {
        add(STORAGE, size);
    }
    usage
}

/// What is asked for, or what is set aside for it already, if that is more.
fn size(claim: &Value) -> Option<Amount> {
    let amount = |path: &[&str]| text_of(claim, path).and_then(Amount::of);
    let asked = amount(&["spec", "resources", "requests", "storage"])?.rounded_up();
    let given = amount(&["status", "allocatedResources", "storage"]).filter(|given| *given > asked);
    Some(given.map_or(asked, Amount::rounded_up))
}

pub(super) fn is_in(scope: &Scope<'_>, claim: &Value) -> bool {
    let classes = [
        &["spec", "volumeAttributesClassName"][..],
        &["status", "currentVolumeAttributesClassName"],
        &["status", "modifyVolumeStatus", "targetVolumeAttributesClassName"],
    ];
    let classes: Vec<&str> = classes.iter().map(|path| str_at(claim, path)).filter(|class| !class.is_empty()).collect();
    scope.name == "VolumeAttributesClass" && scope.selects(&classes)
}

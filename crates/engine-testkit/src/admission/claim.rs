//! Claims that ask for more room than they have:
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims>

use serde_json::Value;

use super::rules::At;
use crate::{
    json::{get, str_at},
    resources::GroupResource,
    state::State,
};

/// The annotation that named the class of a claim or a volume before there was a field for it.
pub(crate) const CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// What is to be said of a claim or a volume whose class is named by the annotation.
pub(super) fn warning_of_class(object: &Value) -> Option<String> {
    get(object, &["metadata", "annotations", CLASS])?;
    Some(format!("metadata.annotations[{CLASS}]: deprecated since v1.8; use \"storageClassName\" attribute instead"))
}

/// A claim grows once it is bound, and only where its class lets it.
pub(super) fn check_growth(state: &State, before: &Value, after: &Value) -> Result<(), String> {
    let size = |claim: &Value| {
        let asked = get(claim, &["spec", "resources", "requests", "storage"]);
        asked.and_then(|asked| At::new(asked, "").quantity()).unwrap_or(0)
    };
    if size(after) <= size(before) {
        return Ok(());
    }
    if str_at(before, &["status", "phase"]) != "Bound" {
        return Err("Only bound persistent volume claims can be expanded".to_owned());
    }
    let class = class(after);
    let grows = || {
        let classes = GroupResource::new("storage.k8s.io", "storageclasses");
        let found = state.store.get(&classes, "", class);
        found.is_some_and(|found| found.value.get("allowVolumeExpansion") == Some(&Value::Bool(true)))
    };
    if class.is_empty() || class != self::class(before) || !grows() {
        return Err(
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must \
                    support resize"
                .to_owned(),
        );
    }
    Ok(())
}

/// The class of a claim, which an annotation named before there was a field for it.
fn class(claim: &Value) -> &str {
    get(claim, &["metadata", "annotations", CLASS])
        .and_then(Value::as_str)
        .unwrap_or_else(|| str_at(claim, &["spec", "storageClassName"]))
}

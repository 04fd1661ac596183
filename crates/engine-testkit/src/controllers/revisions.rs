//! ControllerRevisions: the templates that a StatefulSet or DaemonSet had.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Decision, View, key_of, pods, writes::Write};
use crate::{
    json::{get, i64_at, str_at},
    resources::GroupResource,
    seed::template_hash,
    store::Stored,
    write::delete::Propagation,
};

/// The label by which Pods name their revision.
pub(super) const LABEL: &str = "controller-revision-hash";

pub(super) struct Revisions<'a> {
    /// The name of the present one.
    pub(super) update: String,
    /// The hash in it.
    pub(super) hash: String,
    /// All, oldest first.
    pub(super) all: Vec<&'a Arc<Stored>>,
}

fn number(revision: &Stored) -> i64 {
    i64_at(&revision.value, &["revision"]).unwrap_or(0)
}

/// The revisions of a set; the present one is made when it is missing, and gets the highest number when it was an old one.
pub(super) fn of<'a>(
    view: &View<'a>,
    set: &Stored,
    label: &str,
    annotations: &Value,
    decision: &mut Decision,
) -> Revisions<'a> {
    let template = &set.value["spec"]["template"];
    // Equal templates have equal hashes, and different ones hardly ever.
    let hash = template_hash(&template.to_string());
    let mut all = view.owned(set, "apps", "controllerrevisions");
    all.sort_by_key(|r| (number(r), r.revision));
    let highest = all.last().map_or(0, |r| number(r));
    if let Some(same) = all.iter().rev().find(|r| str_at(&r.value, &["metadata", "labels", label]) == hash).copied() {
        if number(same) < highest {
            let mut value = same.value.clone();
            value["revision"] = (highest + 1).into();
            decision.write(Write::Update(key_of("apps", "controllerrevisions", same), value));
        }
        return Revisions { update: same.name().to_owned(), hash, all };
    }
    let name = |hash: &str| format!("{}-{hash}", set.name());
    let data = json!({"spec": {"template": with_patch(template)}});
    let mut labels = get(template, &["metadata", "labels"]).cloned().unwrap_or_else(|| json!({}));
    labels[label] = hash.as_str().into();
    let mut metadata = json!({
        "name": name(&hash), "namespace": set.namespace(), "labels": labels,
        "ownerReferences": [pods::controller_reference(set)],
    });
    if annotations.as_object().is_some_and(|a| !a.is_empty()) {
        metadata["annotations"] = annotations.clone();
    }
    let revision = json!({"metadata": metadata, "data": data, "revision": highest + 1});
    decision.write(Write::Create(GroupResource::new("apps", "controllerrevisions"), revision));
    Revisions { update: name(&hash), hash, all }
}

/// The template as it is kept: it replaces the one that it is put over.
fn with_patch(template: &Value) -> Value {
    let mut template = template.clone();
    template["$patch"] = "replace".into();
    template
}

/// The template of a revision.
pub(super) fn template(revision: &Stored) -> Value {
    let mut template = revision.value["data"]["spec"]["template"].clone();
    if let Some(map) = template.as_object_mut() {
        map.remove("$patch");
    }
    template
}

/// Revisions beyond the history's limit that no Pod is of go, the oldest first.
pub(super) fn clean_up(
    set: &Stored,
    revisions: &Revisions<'_>,
    used: &dyn Fn(&Stored) -> bool,
    decision: &mut Decision,
) {
    let limit = i64_at(&set.value, &["spec", "revisionHistoryLimit"]).unwrap_or(10);
    let idle: Vec<_> = revisions.all.iter().filter(|r| r.name() != revisions.update && !used(r)).collect();
    let extra = idle.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    for revision in idle.into_iter().take(extra) {
        decision.write(Write::Delete(key_of("apps", "controllerrevisions", revision), Propagation::Background));
    }
}

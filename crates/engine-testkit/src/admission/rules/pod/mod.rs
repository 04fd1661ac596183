//! What a Pod has to be, as a Pod and as the template of one:
//! <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>

mod affinity;
mod annotations;
mod claims;
mod container;
mod dns;
mod env;
mod ephemeral;
mod handler;
mod mount;
mod projected;
mod resize;
mod resources;
mod scheduling;
mod security;
mod spec;
mod status;
mod storage;
mod text;
mod update;
mod volume;
mod windows;

use serde_json::Value;

pub(in crate::admission) use self::annotations::{app_armor_key, app_armor_profile};
pub(super) use self::{
    affinity::node_selector,
    storage::{driver, shared_iscsi},
    text::no_backsteps,
    volume::source_of as source,
};
use super::At;
use crate::{admission::Empties, status::Cause};

/// How a server names the place of what is wrong with a Pod as such.
const WHOLE: &str = "[]";

/// What a spec belongs to.
#[derive(Debug, Clone, Copy)]
struct Context<'a> {
    /// The Pod, unless the spec is that of a template.
    pod: Option<&'a Value>,
}

impl Context<'_> {
    fn is_pod(self) -> bool {
        self.pod.is_some()
    }

    /// The name of the Pod, where it is known already.
    fn name(&self) -> &str {
        self.pod.map_or("", |pod| crate::json::str_at(pod, &["metadata", "name"]))
    }

    /// Whether the Pod mirrors one that a kubelet runs from a file.
    fn is_mirror(&self) -> bool {
        self.pod.is_some_and(|pod| pod["metadata"]["annotations"].get(annotations::MIRROR).is_some())
    }
}

/// A Pod, new or changed: all but the metadata that every object has.
pub(in crate::admission) fn pod(pod: &Value, causes: &mut Vec<Cause>) {
    let root = At::root(pod);
    let spec = root.field("spec");
    annotations::validate(&root.field("metadata").field("annotations"), &spec, causes);
    spec::validate(&spec, Context { pod: Some(pod) }, causes);
    if spec.field("serviceAccountName").text().is_empty() {
        for volume in spec.field("volumes").items() {
            for source in volume.field("projected").field("sources").items() {
                let token = source.field("serviceAccountToken");
                if token.is_set() {
                    token.forbidden("must not be specified when serviceAccountName is not set", causes);
                }
            }
        }
    }
    for list in ["containers", "initContainers"] {
        spec.field(list).items().for_each(|container| container::only_of_pods(&container, causes));
    }
}

/// What is asked of a new Pod only.
pub(in crate::admission) fn created(pod: &Value, causes: &mut Vec<Cause>) {
    let root = At::root(pod);
    let spec = root.field("spec");
    if spec.field("ephemeralContainers").len() > 0 {
        spec.field("ephemeralContainers").forbidden("cannot be set on create", causes);
    }
    let node = spec.field("nodeName");
    if !node.text().is_empty() && spec.field("schedulingGates").len() > 0 {
        node.forbidden("cannot be set until all schedulingGates have been cleared", causes);
    }
    annotations::match_fields(&root.field("metadata").field("annotations"), &spec, causes);
}

/// The change of a Pod, besides what holds for each Pod.
pub(in crate::admission) fn updated(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    annotations::validate_update(before, after, causes);
    update::validate(before, after, causes);
}

/// Ephemeral containers with fields that they do without, which were sent empty.
pub(in crate::admission) fn ephemeral_sent_empty(root: &At<'_>, sent: &Empties, causes: &mut Vec<Cause>) {
    container::ephemeral_sent_empty(root, sent, causes);
}

/// The change of a Pod by one of the subresources that write its spec.
pub(in crate::admission) fn changed_by(subresource: &str, before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    match subresource {
        "ephemeralcontainers" => ephemeral::change(before, after, causes),
        _ => resize::change(before, after, causes),
    }
}

/// The change of a Pod's status.
pub(in crate::admission) fn status_updated(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    annotations::validate_update(before, after, causes);
    status::validate_update(before, after, causes);
}

/// A Pod's template.
pub(super) fn template(at: &At<'_>, causes: &mut Vec<Cause>) {
    let metadata = at.field("metadata");
    // In a template the path of the metadata is left out.
    At::new(metadata.field("labels").value, &format!("{}.labels", at.path)).labels(causes);
    let notes = At::new(metadata.field("annotations").value, &format!("{}.annotations", at.path));
    notes.annotations(causes);
    let spec = at.field("spec");
    annotations::validate(&notes, &spec, causes);
    spec::validate(&spec, Context { pod: None }, causes);
    annotations::match_fields(&notes, &spec, causes);
    if spec.field("ephemeralContainers").len() > 0 {
        spec.field("ephemeralContainers").forbidden("ephemeral containers not allowed in pod template", causes);
    }
}

/// Every container of a spec, in the order in which a real server looks at them.
fn containers<'a>(spec: &At<'a>) -> impl Iterator<Item = At<'a>> + use<'a> {
    let lists: Vec<At<'a>> = ["initContainers", "containers", "ephemeralContainers"]
        .iter()
        .flat_map(|list| spec.field(list).items().collect::<Vec<_>>())
        .collect();
    lists.into_iter()
}

/// Whether a profile of AppArmor is one.
pub(in crate::admission) fn is_app_armor(profile: &Value) -> bool {
    let mut causes = Vec::new();
    security::app_armor(&At::root(profile), &mut causes);
    causes.is_empty()
}

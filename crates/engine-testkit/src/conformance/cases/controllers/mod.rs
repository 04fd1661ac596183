//! What controllers, the scheduler and the nodes do with objects: the states on the way and the ends.
//!
//! The cases say what any client can rely on. How long something takes, and in which order two controllers write, is not
//! among it.

pub(super) mod daemonset;
pub(super) mod deployment;
pub(super) mod garbage;
pub(super) mod job;
pub(super) mod network;
pub(super) mod objects;
pub(super) mod pod;
pub(super) mod quotas;
pub(super) mod replicaset;
pub(super) mod statefulset;
pub(super) mod storage;

use serde_json::{Value, json};

use crate::conformance::{Failure, Lab, Patch, Reply};

/// How Pods fare, where it is not as usual: the in-process API and the stages of KWOK know it.
const FATE: &str = "testkit.gitops-engine.dev/pod";

/// A Pod's template, or a Pod's metadata and spec.
fn template(app: &str, image: &str) -> Value {
    json!({"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "main", "image": image}]}})
}

/// A workload of `apps/v1` with more in its spec.
fn workload(kind: &str, name: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template(name, "example.com/app:1")},
    });
    json_patch::merge(&mut object["spec"], &spec);
    object
}

/// A Job with more in its spec.
fn job(name: &str, spec: Value) -> Value {
    let mut template = template(name, "example.com/app:1");
    template["spec"]["restartPolicy"] = "Never".into();
    let mut object =
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template}});
    json_patch::merge(&mut object["spec"], &spec);
    object
}

/// The fate of a template's Pods, to be merged into a spec.
fn fate(fate: &str) -> Value {
    json!({"template": {"metadata": {"annotations": {FATE: fate}}}})
}

/// A condition of an object; `null` when it has none of that type.
fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    static NONE: Value = Value::Null;
    let list = object["status"]["conditions"].as_array();
    list.and_then(|all| all.iter().find(|c| c["type"] == kind)).unwrap_or(&NONE)
}

/// Whether an object says something about itself, for a reason.
fn says(object: &Value, kind: &str, status: &str, reason: &str) -> bool {
    let condition = condition(object, kind);
    condition["status"] == status && condition["reason"].as_str().unwrap_or_default() == reason
}

/// A number of an object's status, where none is 0.
fn count(object: &Value, field: &str) -> i64 {
    object["status"][field].as_i64().unwrap_or(0)
}

/// Whether a status speaks of the object as it is.
fn observed(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

impl Lab {
    /// Creates an object of a kind in this namespace, where Pods may run.
    async fn start(&self, api_version: &str, plural: &str, object: Value) -> Result<Reply, Failure> {
        self.allow_pods().await?;
        self.create(&self.path(api_version, plural), object).await
    }

    /// Waits for an object to be as wanted.
    async fn until(
        &self,
        api_version: &str,
        rest: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        Ok(self.eventually(&self.path(api_version, rest), what, |r| wanted(r.value())).await?.into_value())
    }

    /// Waits until an object is no more.
    async fn until_gone(&self, api_version: &str, rest: &str) -> Result<(), Failure> {
        self.eventually(&self.path(api_version, rest), "not to be there", |r| r.status() == 404).await.map(drop)
    }

    /// Changes an object by a merge patch.
    async fn change(&self, api_version: &str, rest: &str, patch: Value) -> Result<Value, Failure> {
        let reply = self.patch(&self.path(api_version, rest), Patch::Merge, &patch).await?;
        Ok(reply.expect(200)?.into_value())
    }

    /// The objects of a collection, with a label selector as `app%3Dweb`.
    async fn all(&self, api_version: &str, plural: &str, selector: &str) -> Result<Vec<Value>, Failure> {
        let reply = self.read(&self.path(api_version, &format!("{plural}?labelSelector={selector}"))).await?;
        Ok(reply.items().to_vec())
    }

    /// Waits for an event about an object, for a reason.
    async fn event(&self, kind: &str, name: &str, reason: &str) -> Result<Value, Failure> {
        let about = |e: &&Value| {
            let object = &e["involvedObject"];
            object["kind"] == kind
                && object["name"].as_str().is_some_and(|n| n.starts_with(name))
                && e["reason"] == reason
        };
        let what = format!("an event {reason} about {kind} {name}");
        let path = self.path("v1", "events");
        let reply = self.eventually(&path, &what, |r| r.items().iter().any(|e| about(&e))).await?;
        Ok(reply.items().iter().find(about).cloned().unwrap_or_default())
    }
}

/// Something that must hold for an object, in words for the failure.
fn ensure(object: &Value, holds: bool, expected: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(expected).came(object.to_string())) }
}

/// The managers that wrote an object, each with its subresource.
fn managers(object: &Value) -> Vec<(String, String)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let list = object["metadata"]["managedFields"].as_array();
    list.into_iter().flatten().map(|e| (text(e, "manager"), text(e, "subresource"))).collect()
}

/// Whether an object is controlled by one of this kind and name, and holds up its owner's deletion in the foreground.
fn controlled_by(object: &Value, kind: &str, name: &str) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.is_some_and(|all| {
        all.len() == 1
            && all[0]["kind"] == kind
            && all[0]["name"] == name
            && all[0]["controller"] == true
            && all[0]["blockOwnerDeletion"] == true
    })
}

/// Whether a text could be a hash of a template: a few letters without vowels, and digits.
fn is_hash(text: &Value) -> bool {
    let text = text.as_str().unwrap_or_default();
    (1..=10).contains(&text.len()) && text.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c))
}

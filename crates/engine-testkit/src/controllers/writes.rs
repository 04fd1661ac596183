//! What controllers want done, and how it is done: through the same code as a client's requests.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    deployment,
    events::{self, Note},
};
use crate::{
    clock::Now,
    json::{self, str_at},
    resources::{GroupResource, Resource},
    state::State,
    status::ApiError,
    store::{ObjectKey, Stored},
    write::{self, FieldValidation, Options, Target, Warnings, create as creation, delete, pod, update},
};

/// What a controller wants done.
#[derive(Debug)]
pub(crate) enum Write {
    Create(GroupResource, Value),
    /// The object with its new metadata and spec.
    Update(ObjectKey, Value),
    /// The object with its new metadata, spec and status, in two writes where the kind has a subresource for it.
    Replace(ObjectKey, Value),
    /// The object with its new status; annotations go along.
    Status(ObjectKey, Value),
    /// The same, where everything before it could be created.
    StatusOnceMade(ObjectKey, Value),
    Delete(ObjectKey, delete::Propagation),
    /// A namespace with its new finalizers (of its spec) and status.
    Finalize(ObjectKey, Value),
    /// An object without finalizers is gone.
    Remove(ObjectKey),
    /// A Pod's grace period is over, though something holds it.
    Stopped(ObjectKey),
    /// A Pod goes to a node.
    Bind(ObjectKey, String),
    /// An event about the object that was looked at.
    Report(Note),
}

/// The field manager that writes for a kind.
fn manager_of(gr: &GroupResource) -> &'static str {
    match (&*gr.group, &*gr.resource) {
        ("", "pods" | "nodes") => "kubelet",
        ("networking.k8s.io", "ingresses") => "ingress-controller",
        ("apiextensions.k8s.io" | "apiregistration.k8s.io", _) => "kube-apiserver",
        _ => "kube-controller-manager",
    }
}

fn options(manager: &str, now: Now) -> Options {
    Options {
        dry_run: false,
        manager: manager.to_owned(),
        validation: FieldValidation::Ignore,
        force: false,
        noticed: Vec::new(),
        now,
        course: None,
        warnings: Warnings::default(),
    }
}

fn target<'a>(resource: &'a Arc<Resource>, key: &'a ObjectKey, subresource: &'a str) -> Target<'a> {
    Target { resource, version: &resource.storage_version, namespace: key.namespace(), name: key.name(), subresource }
}

/// Does what the look at an object led to.
pub(super) fn apply(state: &mut State, by: &ObjectKey, writes: Vec<Write>, now: Now) {
    let manager = manager_of(&by.gr);
    let mut refused = None;
    let mut created = false;
    // Events speak of the object as it was looked at.
    let about = state.store.at(by).cloned();
    for write in writes {
        match write {
            Write::Create(gr, _) if refused.is_none() && is_full(state, &gr, about.as_deref()) => {
                let limit = state.settings.pods_per_owner;
                refused = Some((
                    gr,
                    String::new(),
                    format!("the test cluster makes {limit} Pods for one owner (`Builder::pods_per_owner`)"),
                ));
            }
            // What is refused once in a look is refused again.
            Write::Create(..) if refused.is_some() => {}
            Write::Create(gr, object) => {
                let wanted = str_at(&object, &["metadata", "name"]).to_owned();
                match create(state, &gr, object, manager, now) {
                    Ok(name) => {
                        created = true;
                        if let (Some(component), Some(about)) = (maker(&by.gr), &about)
                            && &*gr.resource == "pods"
                        {
                            let note = Note::normal(component, "SuccessfulCreate", format!("Created pod: {name}"));
                            events::record(state, about, note, now);
                        }
                    }
                    Err(message) => refused = Some((gr, wanted, message)),
                }
            }
            Write::Update(key, value) => one(state, &key, value, "", manager, now),
            Write::StatusOnceMade(..) if refused.is_some() => {}
            Write::Status(key, value) | Write::StatusOnceMade(key, value) => {
                one(state, &key, value, "status", manager, now)
            }
            Write::Replace(key, value) => {
                let (Some(resource), Some(stored)) =
                    (state.registry.of(&key.gr).cloned(), state.store.at(&key).cloned())
                else {
                    continue;
                };
                if let Err(e) = write::replace(state, &resource, &stored, value, &options(manager, now)) {
                    could_not_write(&key, &e);
                }
            }
            Write::Delete(key, propagation) => {
                let Some(resource) = state.registry.of(&key.gr).cloned() else {
                    continue;
                };
                let how = delete::DeleteOptions { propagation: Some(propagation), ..delete::DeleteOptions::default() };
                // It may be gone already: that is what was wanted.
                let _gone_already = delete::delete(state, target(&resource, &key, ""), &how, &options(manager, now));
            }
            Write::Finalize(key, value) => {
                one(state, &key, value.clone(), "finalize", manager, now);
                if let Some(stored) = state.store.at(&key).cloned() {
                    let mut next = stored.value.clone();
                    next["status"] = value["status"].clone();
                    put(state, &key, &stored, next, "status", manager, now);
                }
            }
            Write::Remove(key) => {
                state.remove(&key);
            }
            Write::Stopped(key) => {
                if let Some(pod) = state.store.at(&key).cloned() {
                    let mut value = pod.value.clone();
                    json::set(&mut value, &["metadata", "deletionGracePeriodSeconds"], 0);
                    state.store.put(&key.gr, value);
                }
            }
            Write::Bind(key, node) => bind(state, &key, &node, now),
            // Nothing is reported as done that was refused.
            Write::Report(_) if refused.is_some() => {}
            Write::Report(note) => {
                if let Some(about) = &about {
                    events::record(state, about, note, now);
                }
            }
        }
    }
    match refused {
        Some(refused) => refusal(state, by, about.as_deref(), refused, now),
        None if created => {
            state.queue.refused.remove(by);
        }
        None => {}
    }
}

/// Whether an owner has as many Pods as it may.
fn is_full(state: &State, gr: &GroupResource, owner: Option<&Stored>) -> bool {
    let limit = state.settings.pods_per_owner;
    (&*gr.group, &*gr.resource) == ("", "pods")
        && owner.is_some_and(|owner| state.store.count_dependents(owner.uid()) >= limit)
}

/// Who reports that a Pod was made for an object of a kind. A StatefulSet reports in its own words.
fn maker(gr: &GroupResource) -> Option<&'static str> {
    match &*gr.resource {
        "replicasets" => Some("replicaset-controller"),
        "daemonsets" => Some("daemonset-controller"),
        "jobs" => Some("job-controller"),
        _ => None,
    }
}

/// What was to be created, under which name (if it has one), and why it was not.
type Refused = (GroupResource, String, String);

/// A creation that the API refused is tried again, later each time.
fn refusal(state: &mut State, by: &ObjectKey, about: Option<&Stored>, (gr, name, message): Refused, now: Now) {
    tracing::debug!(%gr, message, "a simulated controller could not create an object");
    let entry = state.queue.refused.entry(by.clone()).or_insert((0, String::new()));
    *entry = (entry.0 + 1, message.clone());
    let again = Duration::from_millis(5).saturating_mul(1 << entry.0.min(17)).min(Duration::from_secs(1000));
    state.queue.add(by.clone(), now.elapsed + again);
    let Some(about) = about else { return };
    let owner = by.name();
    let (component, reason, message) = match (&*by.gr.resource, &*gr.resource) {
        ("statefulsets", "pods") => {
            let message = format!("Create Pod {name} in StatefulSet {owner} failed error: {message}");
            ("statefulset-controller", "FailedCreate", message)
        }
        ("cronjobs", _) => ("cronjob-controller", "FailedCreate", format!("Error creating job: {message}")),
        ("deployments", _) => {
            let message = format!("Failed to create new replica set {name:?}: {message}");
            one(state, by, deployment::not_made(&about.value, &message, now), "status", "kube-controller-manager", now);
            ("deployment-controller", "ReplicaSetCreateError", message)
        }
        _ => match maker(&by.gr) {
            Some(component) => (component, "FailedCreate", format!("Error creating: {message}")),
            None => return,
        },
    };
    events::record(state, about, Note::warning(component, reason, message), now);
}

/// Creates an object, with its status. The answer is its name.
pub(super) fn create(
    state: &mut State,
    gr: &GroupResource,
    mut object: Value,
    manager: &str,
    now: Now,
) -> Result<String, String> {
    let Some(resource) = state.registry.of(gr).cloned() else {
        return Ok(String::new());
    };
    let version = resource.storage_version.clone();
    object["apiVersion"] = resource.api_version(&version).into();
    object["kind"] = resource.kind.as_str().into();
    let namespace = str_at(&object, &["metadata", "namespace"]).to_owned();
    let target = Target { resource: &resource, version: &version, namespace: &namespace, name: "", subresource: "" };
    let status = object.get("status").cloned();
    let answer = creation::create(state, target, object, &options(manager, now), creation::How::Posted)
        .map_err(|e| e.message)?;
    if let Some(status) = status
        && let crate::write::Outcome::Stored(stored) = &answer.outcome
    {
        let mut value = stored.value.clone();
        value["status"] = status;
        let key = ObjectKey::new(gr, stored.namespace(), stored.name());
        put(state, &key, stored, value, "status", manager, now);
    }
    Ok(str_at(answer.outcome.value(), &["metadata", "name"]).to_owned())
}

fn one(state: &mut State, key: &ObjectKey, value: Value, subresource: &str, manager: &str, now: Now) {
    if let Some(stored) = state.store.at(key).cloned() {
        put(state, key, &stored, value, subresource, manager, now);
    }
}

/// Writes one (sub)resource of an object.
pub(super) fn put(
    state: &mut State,
    key: &ObjectKey,
    before: &Arc<Stored>,
    after: Value,
    subresource: &str,
    manager: &str,
    now: Now,
) {
    let Some(resource) = state.registry.of(&key.gr).cloned() else {
        return;
    };
    if let Err(e) =
        update::finish(state, target(&resource, key, subresource), before, after, &options(manager, now), None)
    {
        could_not_write(key, &e);
    }
}

fn could_not_write(key: &ObjectKey, e: &ApiError) {
    tracing::debug!(gr = %key.gr, name = key.name(), message = %e.message, "a simulated controller could not write");
}

/// The scheduler's binding: one write, which no manager owns.
fn bind(state: &mut State, key: &ObjectKey, node: &str, now: Now) {
    let Some(about) = state.store.at(key).cloned() else {
        return;
    };
    let Some(pods) = state.registry.of(&key.gr).cloned() else {
        return;
    };
    let mut binding = json!({"target": {"kind": "Node", "name": node}});
    pod::add_topology(state, node, &mut binding);
    pod::assign(state, &pods, &about, &binding, &now);
    let message = format!("Successfully assigned {}/{} to {node}", key.namespace(), key.name());
    events::record(state, &about, Note::normal("default-scheduler", "Scheduled", message).doing("Binding"), now);
}

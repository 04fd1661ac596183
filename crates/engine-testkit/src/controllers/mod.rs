//! Simulated controllers: pure functions from what is stored and the time to writes and the next wake-up, driven by one
//! task on tokio's clock. They keep the real ones' intermediate states, so that a client that waits has to wait.

mod crd;
mod daemonset;
mod deployment;
mod garbage;
mod job;
mod namespace;
mod network;
mod pod;
mod replicaset;
pub mod script;
mod statefulset;
mod storage;
mod various;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    clock::Now,
    cluster::Inner,
    json::{self, get, list_at, str_at},
    resources::{GroupResource, Resource},
    state::{Settings, State},
    store::{ObjectKey, Stored},
    write::{FieldValidation, Options, Target, create, delete, update},
};

pub(crate) use crd::CLEANUP as CRD_CLEANUP;

/// The one node of the cluster.
pub(crate) const NODE: &str = "testkit-node";

/// What a controller wants done.
#[derive(Debug)]
pub(crate) enum Write {
    Create(GroupResource, Value),
    /// The object with its new spec, metadata and status.
    Replace(ObjectKey, Value),
    Delete(ObjectKey, delete::Propagation),
    /// The end of a Pod's grace period.
    Remove(ObjectKey),
}

/// What one look at an object leads to.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    pub(crate) writes: Vec<Write>,
    /// When to look again, on the cluster's clock.
    pub(crate) wake: Option<Duration>,
}

impl Decision {
    fn wake_at(&mut self, at: Duration) {
        self.wake = Some(self.wake.map_or(at, |w| w.min(at)));
    }
}

/// What a controller sees.
pub(crate) struct View<'a> {
    pub(crate) state: &'a State,
    pub(crate) now: Now,
    pub(crate) settings: &'a Settings,
}

impl<'a> View<'a> {
    /// Objects of a kind that an object owns as their controller, in name order.
    fn owned(&self, owner: &Stored, group: &str, resource: &str) -> Vec<&'a Arc<Stored>> {
        let keys = self.state.store.dependents(owner.uid());
        keys.iter()
            .filter(|k| &*k.gr.group == group && &*k.gr.resource == resource)
            .filter_map(|k| self.state.store.at(k))
            .filter(|o| {
                let owners = list_at(&o.value, &["metadata", "ownerReferences"]);
                owners.iter().any(|r| str_at(r, &["uid"]) == owner.uid() && r["controller"] == true)
            })
            .collect()
    }

    fn objects(&self, group: &str, resource: &str, namespace: &str) -> Vec<&'a Arc<Stored>> {
        self.state.store.objects(&GroupResource::new(group, resource), Some(namespace))
    }

    fn get(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Option<&'a Arc<Stored>> {
        self.state.store.get(&GroupResource::new(group, resource), namespace, name)
    }

    /// When the object was created, finer than its timestamp.
    fn created(&self, object: &Stored) -> Duration {
        self.state.queue.created.get(object.uid()).copied().unwrap_or(self.now.elapsed)
    }

    /// When its deletion was asked for.
    fn deleted(&self, object: &Stored) -> Duration {
        self.state.queue.deleted.get(object.uid()).copied().unwrap_or(self.now.elapsed)
    }
}

/// Objects to look at, and when.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    due: BTreeSet<(Duration, ObjectKey)>,
    at: BTreeMap<ObjectKey, Duration>,
    created: BTreeMap<String, Duration>,
    deleted: BTreeMap<String, Duration>,
}

impl Queue {
    fn add(&mut self, key: ObjectKey, at: Duration) {
        match self.at.get(&key) {
            Some(old) if *old <= at => {}
            old => {
                if let Some(old) = old.copied() {
                    self.due.remove(&(old, key.clone()));
                }
                self.due.insert((at, key.clone()));
                self.at.insert(key, at);
            }
        }
    }

    fn pop(&mut self, now: Duration) -> Option<ObjectKey> {
        let (at, _) = self.due.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        self.at.remove(&key);
        Some(key)
    }
}

/// The task: reacts to changes and to the clock until the cluster is dropped.
pub(crate) async fn run(cluster: Weak<Inner>, mut gone: mpsc::Receiver<()>) {
    let Some(changed) = cluster.upgrade().map(|inner| inner.changed.clone()) else {
        return;
    };
    loop {
        let next = {
            let Some(inner) = cluster.upgrade() else {
                return;
            };
            step(&inner, Duration::ZERO).map(|at| inner.clock.instant(at))
        };
        let sleep = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = gone.recv() => return,
            () = changed.notified() => {}
            () = sleep => {}
        }
    }
}

/// Handles everything that is due by now and `ahead`; the answer is when the next is due.
fn step(inner: &Inner, ahead: Duration) -> Option<Duration> {
    /// Looks per hold of the lock, so that requests get in between.
    const BATCH: usize = 256;
    loop {
        let mut state = inner.state.lock();
        let now = inner.clock.now();
        collect(&mut state, now);
        state.note_time(now.elapsed);
        let mut left = BATCH;
        while left > 0
            && let Some(key) = state.queue.pop(now.elapsed + ahead)
        {
            look(&mut state, &inner.settings, &key, now);
            left -= 1;
        }
        if left > 0 {
            collect(&mut state, now);
            let next = state.queue.due.first().map(|(at, _)| *at);
            if next.is_none_or(|at| at > now.elapsed + ahead) {
                return next;
            }
        }
    }
}

/// Runs until nothing is due at the current time, reactions included.
pub(crate) fn settle(inner: &Inner) {
    let reaction = inner.settings.reaction;
    step(inner, reaction);
    inner.changed.notify_one();
}

/// The first objects are in place before the first request.
pub(crate) fn settle_bootstrap(inner: &Inner) {
    settle(inner);
}

/// Turns changes into objects to look at: the object, its owners, and those that follow it otherwise.
fn collect(state: &mut State, now: Now) {
    let reaction = state.settings.reaction;
    let dirty = std::mem::take(&mut state.store.dirty);
    for (key, (before, after)) in dirty {
        let at = now.elapsed + reaction;
        match (&before, &after) {
            (None, Some(object)) => {
                state.queue.created.insert(object.uid().to_owned(), now.elapsed);
            }
            (Some(object), None) => {
                state.queue.created.remove(object.uid());
                state.queue.deleted.remove(object.uid());
                for dependent in state.store.dependents(object.uid()) {
                    state.queue.add(dependent, at);
                }
            }
            _ => {}
        }
        if let Some(object) = after.as_ref().filter(|o| o.is_terminating()) {
            state.queue.deleted.entry(object.uid().to_owned()).or_insert(now.elapsed);
        }
        for object in [&before, &after].into_iter().flatten() {
            for owner in list_at(&object.value, &["metadata", "ownerReferences"]) {
                if let Some(owner) = state.store.by_uid(str_at(owner, &["uid"])).cloned() {
                    state.queue.add(owner, at);
                }
            }
        }
        for follower in followers(state, &key, before.as_deref(), after.as_deref()) {
            state.queue.add(follower, at);
        }
        state.queue.add(key, at);
    }
}

/// Objects that depend on another without owning it.
fn followers(state: &State, key: &ObjectKey, before: Option<&Stored>, after: Option<&Stored>) -> Vec<ObjectKey> {
    let mut out = Vec::new();
    let namespace = key.namespace();
    if let Some(ns) = state.namespace(namespace).filter(|ns| ns.is_terminating()) {
        out.push(ObjectKey::new(&GroupResource::new("", "namespaces"), "", ns.name()));
    }
    match (&*key.gr.group, &*key.gr.resource) {
        ("", "pods") => {
            for (group, resource) in [("", "services"), ("policy", "poddisruptionbudgets")] {
                let gr = GroupResource::new(group, resource);
                for object in state.store.objects(&gr, Some(namespace)) {
                    out.push(ObjectKey::new(&gr, namespace, object.name()));
                }
            }
            // A claim waits for the last Pod that uses it.
            if after.is_none() {
                for volume in before.into_iter().flat_map(|p| list_at(&p.value, &["spec", "volumes"])) {
                    let claim = str_at(volume, &["persistentVolumeClaim", "claimName"]);
                    if !claim.is_empty() {
                        out.push(ObjectKey::new(&GroupResource::new("", "persistentvolumeclaims"), namespace, claim));
                    }
                }
            }
        }
        ("", "services") if after.is_none() => {
            out.push(ObjectKey::new(&GroupResource::new("", "endpoints"), namespace, key.name()));
        }
        ("", "persistentvolumeclaims") if after.is_none() => {
            if let Some(volume) = before.map(|c| str_at(&c.value, &["spec", "volumeName"])).filter(|v| !v.is_empty()) {
                out.push(ObjectKey::new(&GroupResource::new("", "persistentvolumes"), "", volume));
            }
        }
        _ => {}
    }
    // Custom resources that go may be what their CRD waits for.
    if after.is_none() && state.registry.of(&key.gr).is_some_and(|r| r.is_custom()) {
        out.push(ObjectKey::new(
            &GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions"),
            "",
            &key.gr.to_string(),
        ));
    }
    out
}

fn look(state: &mut State, settings: &Settings, key: &ObjectKey, now: Now) {
    // Without controllers there are still those that run inside an API server.
    let inside = &*key.gr.group == "apiextensions.k8s.io";
    if !settings.controllers && !inside {
        return;
    }
    let Some(object) = state.store.at(key).cloned() else {
        return;
    };
    let view = View { state, now, settings };
    let mut decision = garbage::reconcile(&view, key, &object);
    if decision.writes.is_empty() {
        let own = reconcile(&view, key, &object);
        decision.writes = own.writes;
        if let Some(at) = own.wake {
            decision.wake_at(at);
        }
    }
    if let Some(at) = decision.wake {
        state.queue.add(key.clone(), at);
    }
    for write in decision.writes {
        apply(state, write, manager_of(&key.gr), now);
    }
}

fn reconcile(view: &View<'_>, key: &ObjectKey, object: &Stored) -> Decision {
    match (&*key.gr.group, &*key.gr.resource) {
        ("apps", "deployments") => deployment::reconcile(view, key, object),
        ("apps", "replicasets") => replicaset::reconcile(view, key, object),
        ("apps", "statefulsets") => statefulset::reconcile(view, key, object),
        ("apps", "daemonsets") => daemonset::reconcile(view, key, object),
        ("batch", "jobs") => job::reconcile(view, key, object),
        ("batch", "cronjobs") => various::cron_job(key, object),
        ("", "pods") => pod::reconcile(view, key, object),
        ("", "services") => network::service(view, key, object),
        ("", "endpoints") => network::endpoints(view, key, object),
        ("networking.k8s.io", "ingresses") => network::ingress(key, object),
        ("", "persistentvolumeclaims") => storage::claim(view, key, object),
        ("", "persistentvolumes") => storage::volume(view, key, object),
        ("", "namespaces") => namespace::reconcile(view, key, object),
        ("", "nodes") => various::node(view, key, object),
        ("autoscaling", "horizontalpodautoscalers") => various::autoscaler(view, key, object),
        ("policy", "poddisruptionbudgets") => various::disruption_budget(view, key, object),
        ("apiextensions.k8s.io", "customresourcedefinitions") => crd::reconcile(view, key, object),
        ("apiregistration.k8s.io", "apiservices") => various::api_service(view, key, object),
        _ => Decision::default(),
    }
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
        now,
        course: None,
    }
}

fn apply(state: &mut State, write: Write, manager: &str, now: Now) {
    match write {
        Write::Create(gr, mut object) => {
            let Some(resource) = state.registry.of(&gr).cloned() else {
                return;
            };
            let version = resource.storage_version.clone();
            object["apiVersion"] = resource.api_version(&version).into();
            object["kind"] = resource.kind.as_str().into();
            let namespace = str_at(&object, &["metadata", "namespace"]).to_owned();
            let target =
                Target { resource: &resource, version: &version, namespace: &namespace, name: "", subresource: "" };
            let status = object.get("status").cloned();
            match create::create(state, target, object, &options(manager, now), None) {
                Ok(answer) => {
                    if let Some(status) = status
                        && let crate::write::Outcome::Stored(stored) = &answer.outcome
                    {
                        let mut value = stored.value.clone();
                        value["status"] = status;
                        replace(state, &resource, stored, value, manager, now);
                    }
                }
                Err(e) => {
                    tracing::debug!(%gr, message = %e.message, "a simulated controller could not create an object")
                }
            }
        }
        Write::Replace(key, value) => {
            let (Some(resource), Some(stored)) = (state.registry.of(&key.gr).cloned(), state.store.at(&key).cloned())
            else {
                return;
            };
            replace(state, &resource, &stored, value, manager, now);
        }
        Write::Delete(key, propagation) => {
            let Some(resource) = state.registry.of(&key.gr).cloned() else {
                return;
            };
            let version = resource.storage_version.clone();
            let target = Target {
                resource: &resource,
                version: &version,
                namespace: key.namespace(),
                name: key.name(),
                subresource: "",
            };
            let how = delete::DeleteOptions { propagation, ..delete::DeleteOptions::default() };
            // It may be gone already: that is what was wanted.
            let _gone_already = delete::delete(state, target, &how, &options(manager, now));
        }
        Write::Remove(key) => state.remove(&key),
    }
}

/// Writes an object's metadata and spec, and its status, as two writers with two entries of ownership would.
pub(crate) fn replace(
    state: &mut State,
    resource: &Arc<Resource>,
    stored: &Arc<Stored>,
    value: Value,
    manager: &str,
    now: Now,
) {
    let version = resource.storage_version.clone();
    let (namespace, name) = (stored.namespace().to_owned(), stored.name().to_owned());
    let options = options(manager, now);
    let status = value.get("status").cloned();
    let mut current = stored.clone();
    // Annotations go along with the status, as the deployment controller writes its revision.
    let rest = |v: &Value| {
        let mut v = v.clone();
        json::remove(&mut v, &["status"]);
        if !resource.is_custom() {
            json::remove(&mut v, &["metadata", "annotations"]);
        }
        v
    };
    let status_only = resource.status && rest(&value) == rest(&stored.value);
    for subresource in ["", "status"] {
        if (subresource == "status" && !resource.status) || (subresource.is_empty() && status_only) {
            continue;
        }
        let mut next = if subresource.is_empty() { value.clone() } else { current.value.clone() };
        if subresource == "status" {
            if let Some(annotations) = get(&value, &["metadata", "annotations"]) {
                json::set(&mut next, &["metadata", "annotations"], annotations.clone());
            }
            match &status {
                Some(status) => next["status"] = status.clone(),
                None => {
                    json::remove(&mut next, &["status"]);
                }
            }
        }
        let target = Target { resource, version: &version, namespace: &namespace, name: &name, subresource };
        match update::finish(state, target, &current, next, &options, None) {
            Ok(_) => match state.store.get(&resource.gr, &namespace, &name) {
                Some(next) => current = next.clone(),
                None => return,
            },
            Err(e) => {
                tracing::debug!(gr = %resource.gr, %name, message = %e.message, "a simulated controller could not write");
            }
        }
    }
}

// --- What several controllers share. ---

/// An owner reference to the controller of an object.
fn controller_reference(owner: &Stored) -> Value {
    json!({
        "apiVersion": str_at(&owner.value, &["apiVersion"]), "kind": str_at(&owner.value, &["kind"]),
        "name": owner.name(), "uid": owner.uid(), "controller": true, "blockOwnerDeletion": true,
    })
}

/// A Pod from a template.
fn pod_from(template: &Value, owner: &Stored) -> Value {
    let mut metadata = get(template, &["metadata"]).cloned().unwrap_or_else(|| json!({}));
    metadata["namespace"] = owner.namespace().into();
    metadata["ownerReferences"] = json!([controller_reference(owner)]);
    json!({"metadata": metadata, "spec": template["spec"]})
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list_at(object, &["status", "conditions"]).iter().find(|c| str_at(c, &["type"]) == kind)
}

fn has_condition(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind).is_some_and(|c| str_at(c, &["status"]) == status)
}

/// Sets a condition; its transition time moves only with its status.
fn set_condition(object: &mut Value, kind: &str, status: &str, reason: &str, message: &str, now: Now) {
    let time = now.rfc3339();
    let mut list = list_at(object, &["status", "conditions"]).to_vec();
    let old = list.iter().position(|c| str_at(c, &["type"]) == kind);
    let transition = match old.map(|i| &list[i]) {
        Some(c) if str_at(c, &["status"]) == status => str_at(c, &["lastTransitionTime"]).to_owned(),
        _ => time,
    };
    let mut fresh = json!({"type": kind, "status": status, "lastTransitionTime": transition});
    if !reason.is_empty() {
        fresh["reason"] = reason.into();
    }
    if !message.is_empty() {
        fresh["message"] = message.into();
    }
    if let Some(i) = old {
        for keep in ["lastUpdateTime", "observedGeneration", "lastProbeTime"] {
            if let Some(v) = list[i].get(keep) {
                fresh[keep] = v.clone();
            }
        }
        list[i] = fresh;
    } else {
        list.push(fresh);
    }
    json::set(object, &["status", "conditions"], list);
}

fn is_ready(pod: &Value) -> bool {
    has_condition(pod, "Ready", "True")
}

/// A replica count or a share of one (`25%`).
fn share(value: Option<&Value>, of: i64, round_up: bool) -> i64 {
    match value {
        Some(Value::Number(n)) => n.as_i64().unwrap_or(0),
        Some(Value::String(s)) => {
            let percent: i64 = s.trim_end_matches('%').parse().unwrap_or(0);
            let scaled = percent * of;
            if round_up { (scaled + 99) / 100 } else { scaled / 100 }
        }
        _ => 0,
    }
}

/// The change, when there is one.
fn replace_if_changed(key: &ObjectKey, before: &Stored, after: Value) -> Vec<Write> {
    if before.value == after { Vec::new() } else { vec![Write::Replace(key.clone(), after)] }
}

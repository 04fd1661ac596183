//! The task that runs the controllers: it turns changes into objects to look at, and lets one after the other decide.

use std::{collections::BTreeMap, sync::Weak, time::Duration};

use tokio::sync::mpsc;

use super::{View, control, events, follow, reconcile, writes};
use crate::{
    aggregation,
    clock::Now,
    cluster::Inner,
    json::{list_at, str_at},
    resources::GroupResource,
    state::State,
    store::{ObjectKey, Transition},
};

/// Looks in a row before other tasks of the same thread get their turn.
const TURN: usize = 64;

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
            match step(&inner, Duration::ZERO, TURN) {
                Step::More => None,
                Step::Done(next) => Some(next.map(|at| inner.clock.instant(at))),
            }
        };
        let Some(next) = next else {
            tokio::task::yield_now().await;
            continue;
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

enum Step {
    /// Something is left that is due now.
    More,
    /// When the next is due.
    Done(Option<Duration>),
}

/// Handles what is due by now and `ahead`. The lock is held for one object at a time, so that requests get in between.
fn step(inner: &Inner, ahead: Duration, looks: usize) -> Step {
    for _ in 0..looks {
        let mut state = inner.state.lock();
        let now = inner.clock.now();
        collect(&mut state, now);
        state.note_time(now.elapsed);
        match state.queue.pop(now.elapsed + ahead) {
            Some(key) => look(&mut state, &key, now),
            None => return Step::Done(state.queue.next()),
        }
    }
    Step::More
}

/// Runs until nothing is due at the current time, reactions included.
pub(crate) fn settle(inner: &Inner) {
    let reaction = inner.settings.reaction;
    while let Step::More = step(inner, reaction, TURN) {}
    inner.changed.notify_one();
}

/// Kinds for which a time finer than the timestamp's matters.
fn is_timed(key: &ObjectKey) -> bool {
    matches!(&*key.gr.resource, "pods" | "customresourcedefinitions" | "jobs" | "persistentvolumeclaims")
}

/// Turns changes into objects to look at: the object, its owners, and those that follow it otherwise.
fn collect(state: &mut State, now: Now) {
    let at = now.elapsed + state.settings.reaction;
    let dirty = std::mem::take(&mut state.store.dirty);
    if !state.settings.controllers {
        collect_inside(state, dirty, at, now);
        return;
    }
    for (key, (before, after)) in dirty {
        if &*key.gr.resource == "events" && key.gr.group.is_empty() {
            match &after {
                Some(_) => state.queue.postpone(key, now.elapsed + events::KEPT),
                None => {
                    if let Some(event) = &before {
                        state.queue.events.expire(event);
                    }
                    state.queue.forget(&key);
                }
            }
            continue;
        }
        // The same name, another object.
        let replaced = matches!((&before, &after), (Some(b), Some(a)) if b.uid() != a.uid());
        if let Some(object) = before.as_ref().filter(|_| after.is_none() || replaced) {
            state.queue.created.remove(object.uid());
            state.queue.deleted.remove(object.uid());
            state.queue.events.forget(object.uid());
            state.queue.refused.remove(&key);
            for dependent in state.store.dependents(object.uid()) {
                state.queue.add(dependent, at);
            }
        }
        if is_timed(&key)
            && let Some(object) = &after
        {
            if before.is_none() || replaced {
                state.queue.created.entry(object.uid().to_owned()).or_insert(now.elapsed);
            }
            if object.is_terminating() {
                state.queue.deleted.entry(object.uid().to_owned()).or_insert(now.elapsed);
            }
        }
        for object in [&before, &after].into_iter().flatten() {
            for owner in list_at(&object.value, &["metadata", "ownerReferences"]) {
                if let Some(owner) = state.store.by_uid(str_at(owner, &["uid"])).cloned() {
                    state.queue.add(owner, at);
                }
            }
        }
        state.queue.index.change(&key, before.as_deref(), after.as_deref());
        for follower in follow::followers(state, &key, before.as_deref(), after.as_deref()) {
            state.queue.add(follower, at);
        }
        match &after {
            Some(object) if follow::is_interesting(state, &key, before.as_deref(), object) => state.queue.add(key, at),
            Some(_) => {}
            None => state.queue.forget(&key),
        }
    }
}

/// What runs inside an API server follows CRDs, and the last of their objects.
fn collect_inside(state: &mut State, dirty: BTreeMap<ObjectKey, Transition>, at: Duration, now: Now) {
    let crds = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
    for (key, (_, after)) in dirty {
        if key.gr == crds {
            if let Some(crd) = &after {
                state.queue.created.entry(crd.uid().to_owned()).or_insert(now.elapsed);
            }
            state.queue.add(key, at);
        } else if after.is_none() && state.registry.of(&key.gr).is_some_and(|r| r.is_custom()) {
            state.queue.add(ObjectKey::new(&crds, "", &key.gr.to_string()), at);
        }
    }
}

fn look(state: &mut State, key: &ObjectKey, now: Now) {
    if key.gr.to_string() == "apiservices.apiregistration.k8s.io" {
        aggregation::follow_definitions(state, key.name(), now);
    }
    let Some(object) = state.store.at(key).cloned() else {
        return;
    };
    let view = View { state, now, settings: &state.settings };
    // Without controllers there are still those that run inside an API server.
    let decision =
        if state.settings.controllers { reconcile(&view, key, &object) } else { control(&view, key, &object) };
    if let Some(at) = decision.wake {
        state.queue.add(key.clone(), at);
    }
    writes::apply(state, key, decision.writes, now);
}

/// Looks at objects again, whatever they are: their script has changed.
pub(crate) fn look_again(state: &mut State, keys: impl IntoIterator<Item = ObjectKey>, now: Now) {
    for key in keys {
        state.queue.add(key, now.elapsed);
    }
}

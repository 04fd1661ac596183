//! What counts as success: fresh evidence, and nothing else.

use std::cmp::Reverse;
use std::sync::Arc;

use gitops_engine_core::dialect::HookDeletePolicy;
use gitops_engine_core::{
    Error, ErrorKind, Event, Health, HealthAssessor, HealthStatus, KindState, Manifest, ObjectId, Snapshot, Timestamp,
};

use super::super::node::{Going, Settling, State};
use super::{Machine, later};
use crate::plan::{Action, Needs, Verdict};

impl Machine {
    /// An apply was confirmed: record it, and see whether it is done already.
    pub(super) fn confirm(&mut self, at: usize, live: &Manifest, now: Timestamp, health: &dyn HealthAssessor) {
        self.writes += 1;
        self.tell_written(at);
        let object = self.plan.steps[at].object.clone();
        if let Some(desired) = self.manifests.get(&object) {
            self.journal.applied(&object, desired, live);
            if let Some(version) = live.resource_version() {
                let verdict = Verdict { desired: desired.digest(), resource_version: version.into() };
                self.verdicts.insert(object, verdict);
            }
        }
        self.progress[at].uid = live.uid();
        self.reach(at, Needs::Written);
        let settling = Settling {
            uid: live.uid(),
            version: live.resource_version().map(Arc::from),
            until: later(now, self.policy().patience),
            seen: false,
            lacks: String::new(),
        };
        // The answer to the write is the freshest evidence there is.
        self.judge(at, settling, live, now, health);
    }

    /// The first look at the cluster: of a hook, which may have to remove its last object; and of a step that writes
    /// nothing, whose evidence is the snapshot.
    pub(super) fn begin(&mut self, at: usize, snapshot: &dyn Snapshot, now: Timestamp, health: &dyn HealthAssessor) {
        let step = &self.plan.steps[at];
        if let Action::AwaitRemoval { uid } = &step.action {
            let going = Going { uid: uid.clone(), until: later(now, self.policy().patience) };
            self.reach(at, Needs::Written);
            self.set_pending(at, State::Going(going));
            return;
        }
        if let Action::Run { delete, .. } = &step.action {
            let replaces = delete.contains(&HookDeletePolicy::BeforeCreation);
            let live = snapshot.get(&step.object).filter(|live| replaces || live.deleting);
            self.progress[at].cleared = live.is_none();
            self.progress[at].uid = live.map(|live| live.uid.clone());
            self.ready.push(Reverse((false, at)));
            return;
        }
        if matches!(step.action, Action::Await { done: true, .. }) {
            self.reach(at, Needs::Written);
            self.succeed(at);
            return;
        }
        let live = snapshot.get(&step.object);
        if let Some(live) = &live {
            self.progress[at].uid = Some(live.uid.clone());
            if let (Some(desired), Some(manifest)) = (self.manifests.get(&step.object), &live.manifest)
                && matches!(step.action, Action::Unchanged)
            {
                let object = step.object.clone();
                self.journal.applied(&object, desired, manifest);
                let verdict = Verdict { desired: desired.digest(), resource_version: live.resource_version.clone() };
                self.verdicts.insert(object, verdict);
            }
        }
        self.reach(at, Needs::Written);
        let settling = Settling {
            uid: self.progress[at].uid.clone(),
            version: None,
            until: later(now, self.policy().patience),
            seen: false,
            lacks: String::new(),
        };
        self.observe_settling(at, settling, snapshot, now, health);
    }

    /// The next try of a request. What was to be deleted may be gone by now.
    pub(super) fn resume(&mut self, at: usize, snapshot: &dyn Snapshot) {
        let object = &self.plan.steps[at].object;
        let deletes = !self.progress[at].cleared && self.in_the_way(at).is_some();
        let gone = deletes && proves_absence(snapshot, object) && {
            let live = snapshot.get(object);
            live.is_none_or(|live| self.in_the_way(at) != Some(&live.uid))
        };
        if gone { self.gone(at) } else { self.set_ready(at) }
    }

    pub(super) fn observe_going(&mut self, at: usize, going: &Going, snapshot: &dyn Snapshot, now: Timestamp) {
        let object = &self.plan.steps[at].object;
        let proves = proves_absence(snapshot, object);
        let there = snapshot.get(object).filter(|live| live.uid == going.uid);
        match there {
            None if proves => self.gone(at),
            _ if going.until <= now => {
                let finalizers = there
                    .and_then(|live| live.manifest.clone())
                    .map(|manifest| finalizers(&manifest))
                    .unwrap_or_default();
                let error = Error::new(ErrorKind::Timeout, format!("it is being deleted and does not go{finalizers}"))
                    .object(object.clone())
                    .help("see what its finalizers wait for");
                self.fail(at, error);
            }
            _ => {}
        }
    }

    /// The object that had to go is gone.
    pub(super) fn gone(&mut self, at: usize) {
        self.settling.remove(&at);
        let object = self.plan.steps[at].object.clone();
        if self.plan.steps[at].action.removes() {
            self.journal.forget(&object);
            self.verdicts.remove(&object);
            self.reach(at, Needs::Written);
            self.succeed(at);
            return;
        }
        self.progress[at].cleared = true;
        self.progress[at].uid = None;
        self.progress[at].attempts = 0;
        self.set_ready(at);
    }

    pub(super) fn observe_settling(
        &mut self,
        at: usize,
        mut settling: Settling,
        snapshot: &dyn Snapshot,
        now: Timestamp,
        health: &dyn HealthAssessor,
    ) {
        let object = &self.plan.steps[at].object;
        let Some(live) = snapshot.get(object) else {
            if settling.seen || settling.version.is_none() {
                if self.manifests.get(object).is_some_and(expires) {
                    self.succeed(at);
                    return;
                }
                let error = Error::new(ErrorKind::NotFound, "it is gone: somebody deleted it")
                    .object(object.clone())
                    .help("the next pass makes it again");
                self.fail(at, error);
                return;
            }
            self.wait(at, settling, now);
            return;
        };
        if let Some(uid) = &settling.uid
            && *uid != live.uid
            && is_at_least(&live.resource_version, settling.version.as_deref())
        {
            let error = Error::new(ErrorKind::Conflict, "somebody else replaced it with a new object")
                .object(object.clone())
                .help("the next pass looks again");
            self.fail(at, error);
            return;
        }
        if !is_at_least(&live.resource_version, settling.version.as_deref()) {
            self.wait(at, settling, now);
            return;
        }
        settling.seen = true;
        match live.manifest.clone() {
            Some(manifest) => self.judge(at, settling, &manifest, now, health),
            None => match &live.health {
                Some(judged) => self.settle(at, settling, Some(judged.clone()), now),
                None => self.settle(at, settling, None, now),
            },
        }
    }

    pub(super) fn judge(
        &mut self,
        at: usize,
        settling: Settling,
        live: &Manifest,
        now: Timestamp,
        health: &dyn HealthAssessor,
    ) {
        let judged = health.assess(live, now);
        self.settle(at, settling, judged, now);
    }

    pub(super) fn settle(&mut self, at: usize, mut settling: Settling, health: Option<Health>, now: Timestamp) {
        let object = self.plan.steps[at].object.clone();
        let Some(health) = health else {
            self.succeed(at);
            return;
        };
        let lacks = if health.message.is_empty() { health.status.to_string() } else { health.message.to_string() };
        if settling.lacks != lacks || health.status == HealthStatus::Healthy {
            self.events.push(Event::HealthChanged {
                application: self.plan.application.clone(),
                object: object.clone(),
                health: health.clone(),
            });
        }
        settling.lacks = lacks;
        match health.status {
            HealthStatus::Healthy => self.succeed(at),
            // Paused on purpose: nothing to wait for.
            HealthStatus::Suspended if !self.is_hook(at) => self.succeed(at),
            HealthStatus::Degraded => {
                let what = if self.is_hook(at) { "the hook failed" } else { "it is degraded" };
                let error = Error::new(ErrorKind::Unavailable, format!("{what}: {}", settling.lacks)).object(object);
                self.fail(at, error);
            }
            HealthStatus::Unknown if self.is_hook(at) => {
                let error =
                    Error::new(ErrorKind::Unavailable, format!("the hook cannot be judged: {}", settling.lacks))
                        .object(object);
                self.fail(at, error);
            }
            _ => self.wait(at, settling, now),
        }
    }

    pub(super) fn wait(&mut self, at: usize, settling: Settling, now: Timestamp) {
        if settling.until <= now {
            let lacks = if settling.lacks.is_empty() { "the cache has not seen it" } else { &settling.lacks };
            let error = Error::new(
                ErrorKind::Timeout,
                format!("it is not healthy after {} s: {lacks}", self.policy().patience.as_secs()),
            )
            .object(self.plan.steps[at].object.clone())
            .help("mend it, or give it more time with `patience`");
            self.fail(at, error);
            return;
        }
        self.set_pending(at, State::Settling(settling));
    }
}

/// Whether an object that the snapshot does not hold does not exist.
fn proves_absence(snapshot: &dyn Snapshot, object: &ObjectId) -> bool {
    match snapshot.kind(&object.kind) {
        KindState::Served { coverage, .. } => coverage.proves_absence(),
        KindState::NotServed => true,
        _ => false,
    }
}

/// Whether `version` is at least `required`. Versions that are no numbers are equal or unknown.
pub(in crate::execute) fn is_at_least(version: &str, required: Option<&str>) -> bool {
    let Some(required) = required else { return true };
    match (version.parse::<u64>(), required.parse::<u64>()) {
        (Ok(version), Ok(required)) => version >= required,
        _ => version == required,
    }
}

/// Whether Kubernetes itself removes the object after its end
/// ([`ttlSecondsAfterFinished`](https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/)).
fn expires(manifest: &Manifest) -> bool {
    manifest.body().int(["spec", "ttlSecondsAfterFinished"]).is_some()
}

fn finalizers(manifest: &Manifest) -> String {
    let names: Vec<_> =
        manifest.body().items(["metadata", "finalizers"]).iter().filter_map(|name| name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!(" (finalizers: {})", names.join(", ")) }
}

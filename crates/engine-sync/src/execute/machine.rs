//! The state machine: what happened goes in, what to do comes out. No I/O, no clock, no runtime.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use gitops_engine_core::dialect::{HookDeletePolicy, Phase};
use gitops_engine_core::{
    ActionKind, ApiFault, ApiFaultKind, Applied, DeleteOptions, Deleted, DesiredState, Error, ErrorKind, Event,
    GroupKind, HealthAssessor, HealthStatus, Inventory, KindState, Manifest, ObjectId, Propagation, ResourceType,
    Result, Snapshot, Timestamp, Uid,
};

use super::Outcome;
use super::journal::Journal;
use super::node::{Going, Progress, Settling, State};
use crate::plan::{Action, Needs, Node, Plan, Verdict, Verdicts, effective_id, hook_mark, stamp, storable_digest};
use crate::{Application, Policy};

/// Something for the driver to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Store this inventory, then call [`Machine::saved`].
    Save(Inventory),
    /// Send this request, then call [`Machine::written`] or [`Machine::deleted`].
    Write(Write),
}

/// One request to the cluster.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Write {
    /// Server-side apply.
    Apply {
        /// Which step asks.
        step: usize,
        /// How the object is served.
        resource: Arc<ResourceType>,
        /// The object.
        manifest: Manifest,
    },
    /// Delete.
    Delete {
        /// Which step asks.
        step: usize,
        /// How the object is served.
        resource: Arc<ResourceType>,
        /// The object.
        object: ObjectId,
        /// With which proof.
        options: DeleteOptions,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// The inventory is written ahead.
    Announcing,
    /// The steps.
    Running,
    /// Something failed: SyncFail hooks.
    Failing,
    /// Hooks that are to go at the end.
    Cleaning,
    /// The inventory is written for the last time.
    Closing,
    Over,
}

/// Executes one plan.
///
/// Drive it in a loop: [`commands`](Self::commands) says what to do now; report each result with
/// [`saved`](Self::saved), [`written`](Self::written) or [`deleted`](Self::deleted); show it the cluster with
/// [`observe`](Self::observe) whenever that changes; wake it at [`deadline`](Self::deadline); until
/// [`outcome`](Self::outcome) says how it ended. [`cancel`](Self::cancel) may be called at any time.
///
/// The same inputs in the same order give the same commands.
pub struct Machine {
    plan: Plan,
    application: Application,
    manifests: BTreeMap<ObjectId, Manifest>,
    journal: Journal,
    states: Vec<State>,
    progress: Vec<Progress>,
    followers: Vec<Vec<(usize, Needs)>>,
    ready: BinaryHeap<Reverse<(bool, usize)>>,
    /// Steps that begin with a look at the cluster.
    unobserved: Vec<usize>,
    settling: BTreeSet<usize>,
    /// Those of them that no snapshot was looked at for.
    fresh: Vec<usize>,
    seen_generation: Option<u64>,
    cleanups: Vec<Write>,
    in_flight: usize,
    saving: bool,
    stage: Stage,
    cancelled: bool,
    failures: Vec<Arc<Error>>,
    skipped: Vec<(ObjectId, String)>,
    writes: usize,
    verdicts: Verdicts,
    events: Vec<Event>,
    waiting: Vec<(ObjectId, String)>,
}

impl Machine {
    /// A machine for a plan.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when the plan has guards and is not approved; [`ErrorKind::InvalidInput`] when `desired` is
    /// not the desired state that the plan was made from.
    pub fn new(
        plan: Plan,
        application: Application,
        desired: &DesiredState,
        inventory: Inventory,
    ) -> Result<Self, gitops_engine_core::Problems> {
        let refusals = plan.refusals(&application).iter().map(|guard| guard.refusal(&plan)).collect();
        gitops_engine_core::Problems::check(refusals)?;
        let manifests = match_manifests(&plan, &application, desired)?;
        let nodes = plan.steps.len() + plan.barriers.len();
        let index = |node: Node| match node {
            Node::Step(at) => at,
            Node::Barrier(at) => plan.steps.len() + at,
        };
        let mut progress = vec![Progress::default(); nodes];
        let mut followers = vec![Vec::new(); nodes];
        for edge in &plan.edges {
            let (from, to) = (index(edge.from), index(edge.to));
            if let (Some(list), Some(target)) = (followers.get_mut(from), progress.get_mut(to)) {
                list.push((to, edge.needs));
                target.missing += 1;
            }
        }
        let mut machine = Self {
            states: vec![State::Blocked; nodes],
            journal: Journal::new(inventory),
            application,
            manifests,
            progress,
            followers,
            ready: BinaryHeap::new(),
            unobserved: Vec::new(),
            settling: BTreeSet::new(),
            fresh: Vec::new(),
            seen_generation: None,
            cleanups: Vec::new(),
            in_flight: 0,
            saving: false,
            stage: Stage::Announcing,
            cancelled: false,
            failures: Vec::new(),
            skipped: Vec::new(),
            writes: 0,
            verdicts: Verdicts::new(),
            events: Vec::new(),
            waiting: Vec::new(),
            plan,
        };
        for (at, step) in machine.plan.steps.iter().enumerate() {
            if step.action.is_idle() {
                machine.states[at] = State::Done;
                if matches!(step.action, Action::Forget) {
                    machine.journal.forget(&step.object);
                }
            }
        }
        let announced = machine.plan.steps.iter();
        let announced = announced.filter_map(|step| Some((step, machine.manifests.get(&step.object)?)));
        machine.journal.announce(&machine.plan, announced);
        Ok(machine)
    }

    /// What to do now. Each command is given once.
    pub fn commands(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        // A stage may be over at once, so the next one is looked at, too.
        loop {
            let stage = self.stage;
            match stage {
                Stage::Announcing => {
                    if self.cancelled {
                        self.stage = Stage::Closing;
                    } else if !self.save(&mut commands) && !self.saving {
                        self.stage = Stage::Running;
                        self.release(false);
                    }
                }
                Stage::Running | Stage::Failing => self.run(&mut commands),
                Stage::Cleaning => {
                    while let Some(cleanup) = self.cleanups.pop() {
                        self.in_flight += 1;
                        commands.push(Command::Write(cleanup));
                    }
                    if self.in_flight == 0 {
                        self.close();
                    }
                }
                Stage::Closing => {
                    if self.in_flight == 0 && !self.save(&mut commands) && !self.saving {
                        self.stage = Stage::Over;
                    }
                }
                Stage::Over => {}
            }
            if self.stage == stage {
                return commands;
            }
        }
    }

    /// The next time at which something is due although nothing happens.
    pub fn deadline(&self) -> Option<Timestamp> {
        let due = |at: &usize| match &self.states[*at] {
            State::BackOff(until) => Some(*until),
            State::Going(going) => Some(going.until),
            State::Settling(settling) => Some(settling.until),
            _ => None,
        };
        self.settling.iter().filter_map(due).min()
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Outcome> {
        if self.stage != Stage::Over {
            return None;
        }
        Some(match (self.failures.is_empty(), self.cancelled) {
            (false, _) => Outcome::Failed,
            (true, true) => Outcome::Cancelled,
            (true, false) => Outcome::Synced,
        })
    }

    /// Starts nothing more. What is under way is waited for, and recorded.
    pub fn cancel(&mut self) {
        self.cancelled = true;
        if matches!(self.stage, Stage::Running | Stage::Failing | Stage::Cleaning) {
            self.stage = Stage::Closing;
        }
    }

    /// The events since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// How many writes the server confirmed.
    pub fn writes(&self) -> usize {
        self.writes
    }

    /// What went wrong so far.
    pub fn failures(&self) -> &[Arc<Error>] {
        &self.failures
    }

    /// What was not started, and why.
    pub fn skipped(&self) -> &[(ObjectId, String)] {
        &self.skipped
    }

    /// The inventory as it was last stored.
    pub fn stored_inventory(&self) -> &Inventory {
        self.journal.stored()
    }

    /// What was found equal on the way.
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// The objects that were announced and that no answer confirmed: they may exist.
    pub fn unconfirmed(&self) -> impl Iterator<Item = &ObjectId> {
        self.journal.announced().into_iter()
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The result of [`Command::Save`].
    pub fn saved(&mut self, result: Result<Inventory>) {
        self.saving = false;
        match result {
            Ok(inventory) => self.journal.saved(inventory),
            Err(error) => {
                // Without an inventory nothing may be written: stop, and leave the rest to the next pass.
                self.failures.push(Arc::new(error));
                self.stage = Stage::Over;
            }
        }
    }

    /// The result of [`Write::Apply`].
    pub fn written(
        &mut self,
        at: usize,
        result: Result<Applied, ApiFault>,
        now: Timestamp,
        health: &dyn HealthAssessor,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match result {
            Ok(applied) => self.confirm(at, &applied.object, now, health),
            Err(fault) => self.refuse(at, fault, now),
        }
    }

    /// The result of [`Write::Delete`].
    pub fn deleted(&mut self, at: usize, result: Result<Deleted, ApiFault>, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.stage >= Stage::Cleaning && self.states[at].is_terminal() {
            // A hook's object that goes at the end: whether it lingers on its finalizers is nobody's concern.
            if matches!(result, Ok(Deleted::Gone | Deleted::NotFound)) {
                let object = self.plan.steps[at].object.clone();
                self.journal.forget(&object);
            }
            return;
        }
        match result {
            Ok(Deleted::Gone | Deleted::NotFound) => {
                self.writes += 1;
                self.gone(at);
            }
            Ok(Deleted::Going(_)) => {
                self.writes += 1;
                self.tell_written(at);
                if self.plan.steps[at].action.removes() {
                    self.reach(at, Needs::Written);
                }
                let uid = self.progress[at].uid.clone().unwrap_or_else(|| Uid::new(""));
                let until = later(now, self.policy().patience);
                self.set_pending(at, State::Going(Going { uid, until }));
            }
            Err(fault) if fault.kind == ApiFaultKind::NotFound => self.gone(at),
            // The uid proof may have failed, since somebody else replaced the object; or the server was in a race. Only
            // the cluster itself can tell: the step looks again before it sends anything.
            Err(fault) => self.refuse(at, fault, now),
        }
    }

    /// Shows the machine the cluster, and the time. Steps advance on what they see here, if it is fresh enough.
    pub fn observe(&mut self, snapshot: &dyn Snapshot, now: Timestamp, health: &dyn HealthAssessor) {
        if self.stage >= Stage::Cleaning {
            return;
        }
        let changed = self.seen_generation != Some(snapshot.generation());
        let due = self.deadline().is_some_and(|due| due <= now);
        self.seen_generation = Some(snapshot.generation());
        let fresh = std::mem::take(&mut self.fresh);
        let pending = if changed || due { self.settling.iter().copied().collect() } else { fresh };
        for at in pending {
            match self.states[at].clone() {
                State::BackOff(until) if until <= now => self.resume(at, snapshot),
                State::Going(going) => self.observe_going(at, &going, snapshot, now),
                State::Settling(settling) => self.observe_settling(at, settling, snapshot, now, health),
                _ => {}
            }
        }
        while let Some(at) = self.unobserved.pop() {
            self.begin(at, snapshot, now, health);
        }
        self.tell_waiting();
    }

    /// Whether a step cannot go on without another [`observe`](Self::observe).
    pub fn wants_observation(&self) -> bool {
        self.stage < Stage::Cleaning && !(self.unobserved.is_empty() && self.fresh.is_empty())
    }

    fn policy(&self) -> &Policy {
        &self.application.policy
    }

    fn save(&mut self, commands: &mut Vec<Command>) -> bool {
        if self.saving {
            return false;
        }
        let Some(inventory) = self.journal.unsaved() else { return false };
        self.saving = true;
        commands.push(Command::Save(inventory));
        true
    }

    /// Makes every node ready that waits for nothing, of the SyncFail chain or of the main one.
    fn release(&mut self, failing: bool) {
        for at in 0..self.states.len() {
            let of_chain = self.plan.steps.get(at).is_some_and(|step| step.phase == Phase::SyncFail) == failing;
            let barrier = at >= self.plan.steps.len();
            if (of_chain || barrier) && matches!(self.states[at], State::Blocked) && self.progress[at].missing == 0 {
                self.set_ready(at);
            }
        }
    }

    fn set_ready(&mut self, at: usize) {
        self.settling.remove(&at);
        if at >= self.plan.steps.len() {
            self.states[at] = State::Done;
            self.reach(at, Needs::Written);
            self.reach(at, Needs::Done);
            return;
        }
        self.states[at] = State::Ready;
        match self.plan.steps[at].action {
            Action::Unchanged | Action::Await { .. } | Action::AwaitRemoval { .. } => self.unobserved.push(at),
            Action::Run { .. } if !self.progress[at].cleared => self.unobserved.push(at),
            // A first try goes before a repeated one.
            _ => self.ready.push(Reverse((self.progress[at].attempts > 0, at))),
        }
    }

    fn set_pending(&mut self, at: usize, state: State) {
        self.states[at] = state;
        if self.settling.insert(at) {
            self.fresh.push(at);
        }
    }

    /// A node reached a milestone: those that waited for it may go on.
    fn reach(&mut self, at: usize, milestone: Needs) {
        let followers = std::mem::take(&mut self.followers[at]);
        let (met, rest): (Vec<_>, Vec<_>) = followers.into_iter().partition(|(_, needs)| *needs == milestone);
        self.followers[at] = rest;
        for (follower, _) in met {
            let progress = &mut self.progress[follower];
            progress.missing = progress.missing.saturating_sub(1);
            if progress.missing == 0 && matches!(self.states[follower], State::Blocked) {
                self.set_ready(follower);
            }
        }
    }

    fn run(&mut self, commands: &mut Vec<Command>) {
        // Hooks that ended are recorded as soon as possible: a restart does not run them again.
        if self.plan.operation.is_some() {
            self.save(commands);
        }
        while self.in_flight < self.policy().concurrency.max(1) {
            let Some(Reverse((_, at))) = self.ready.pop() else { break };
            match self.start(at) {
                Ok(write) => {
                    self.states[at] = State::InFlight;
                    self.in_flight += 1;
                    commands.push(Command::Write(write));
                }
                Err(error) => self.fail(at, error),
            }
        }
        if self.in_flight == 0 && self.is_exhausted() {
            self.end_of_run();
        }
    }

    /// Whether no step of the present chain can go on.
    fn is_exhausted(&self) -> bool {
        let failing = self.stage == Stage::Failing;
        self.plan
            .steps
            .iter()
            .enumerate()
            .all(|(at, step)| self.states[at].is_terminal() || ((step.phase == Phase::SyncFail) && !failing))
    }

    fn end_of_run(&mut self) {
        if self.stage == Stage::Running && !self.failures.is_empty() {
            self.stage = Stage::Failing;
            self.release(true);
            if !self.is_exhausted() {
                return;
            }
        }
        self.stage = Stage::Cleaning;
        let wanted = if self.failures.is_empty() { HookDeletePolicy::Succeeded } else { HookDeletePolicy::Failed };
        for (at, step) in self.plan.steps.iter().enumerate() {
            let (Action::Run { delete, .. } | Action::Await { delete, .. }) = &step.action else { continue };
            let uid = self.progress[at].uid.clone().or_else(|| self.journal.uid(&step.object).cloned());
            if let (true, true, Some(uid)) = (delete.contains(&wanted), self.states[at].is_terminal(), uid) {
                let options = DeleteOptions::new(uid).propagation(Propagation::Background);
                self.cleanups.push(Write::Delete {
                    step: at,
                    resource: step.resource.clone(),
                    object: step.object.clone(),
                    options,
                });
            }
        }
        // A hook in two phases has one object.
        self.cleanups.dedup_by(
            |a, b| matches!((a, b), (Write::Delete { object: a, .. }, Write::Delete { object: b, .. }) if a == b),
        );
    }

    fn close(&mut self) {
        if self.failures.is_empty() {
            self.journal.succeed(self.plan.revision.clone(), self.plan.hooks);
        } else {
            self.journal.fail();
        }
        self.stage = Stage::Closing;
    }

    /// The first or next request of a step.
    fn start(&mut self, at: usize) -> Result<Write> {
        let step = &self.plan.steps[at];
        let write = if let Some(uid) = self.in_the_way(at) {
            let propagation = self.application.policy.propagation;
            Write::Delete {
                step: at,
                resource: step.resource.clone(),
                object: step.object.clone(),
                options: DeleteOptions::new(uid.clone()).propagation(propagation),
            }
        } else {
            let manifest = self.manifests.get(&step.object).ok_or_else(|| {
                Error::new(ErrorKind::Internal, "the plan has a step without a manifest").object(step.object.clone())
            })?;
            let mark = match (&step.action, self.plan.operation) {
                (Action::Run { .. }, Some(started)) => Some(hook_mark(started, step.phase)),
                _ => None,
            };
            let manifest = stamp(manifest, &step.object, &self.application, mark.as_deref())?;
            Write::Apply { step: at, resource: step.resource.clone(), manifest }
        };
        if !self.progress[at].started {
            self.progress[at].started = true;
            self.events.push(Event::StepStarted {
                application: self.plan.application.clone(),
                action: kind_of(&step.action),
                object: step.object.clone(),
                phase: step.phase,
                wave: step.wave,
                reason: step.reason.clone(),
            });
        }
        if let Write::Delete { options, .. } = &write {
            self.progress[at].uid = Some(options.uid.clone());
        }
        Ok(write)
    }

    fn tell_written(&mut self, at: usize) {
        let step = &self.plan.steps[at];
        self.events.push(Event::StepWritten {
            application: self.plan.application.clone(),
            action: kind_of(&step.action),
            object: step.object.clone(),
        });
    }

    /// An apply was confirmed: record it, and see whether it is done already.
    fn confirm(&mut self, at: usize, live: &Manifest, now: Timestamp, health: &dyn HealthAssessor) {
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
    fn begin(&mut self, at: usize, snapshot: &dyn Snapshot, now: Timestamp, health: &dyn HealthAssessor) {
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
    fn resume(&mut self, at: usize, snapshot: &dyn Snapshot) {
        let object = &self.plan.steps[at].object;
        let deletes = !self.progress[at].cleared && self.in_the_way(at).is_some();
        let gone = deletes && proves_absence(snapshot, object) && {
            let live = snapshot.get(object);
            live.is_none_or(|live| self.in_the_way(at) != Some(&live.uid))
        };
        if gone { self.gone(at) } else { self.set_ready(at) }
    }

    /// The object that has to be deleted before the step can go on.
    fn in_the_way(&self, at: usize) -> Option<&Uid> {
        match &self.plan.steps[at].action {
            Action::Prune { uid } => Some(uid),
            Action::Recreate { uid, .. } if !self.progress[at].cleared => Some(uid),
            Action::Run { .. } if !self.progress[at].cleared => self.progress[at].uid.as_ref(),
            _ => None,
        }
    }

    fn observe_going(&mut self, at: usize, going: &Going, snapshot: &dyn Snapshot, now: Timestamp) {
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
    fn gone(&mut self, at: usize) {
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

    fn observe_settling(
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

    fn judge(&mut self, at: usize, settling: Settling, live: &Manifest, now: Timestamp, health: &dyn HealthAssessor) {
        let judged = health.assess(live, now);
        self.settle(at, settling, judged, now);
    }

    fn settle(
        &mut self,
        at: usize,
        mut settling: Settling,
        health: Option<gitops_engine_core::Health>,
        now: Timestamp,
    ) {
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

    fn wait(&mut self, at: usize, settling: Settling, now: Timestamp) {
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

    fn is_hook(&self, at: usize) -> bool {
        matches!(self.plan.steps[at].action, Action::Run { .. } | Action::Await { .. })
    }

    fn succeed(&mut self, at: usize) {
        self.settling.remove(&at);
        self.states[at] = State::Done;
        let step = &self.plan.steps[at];
        if self.is_hook(at)
            && let Some(digest) = self.manifests.get(&step.object).and_then(storable_digest)
        {
            self.journal.hook(step, digest, true);
        }
        if step.action.writes() {
            self.events.push(Event::StepSucceeded {
                application: self.plan.application.clone(),
                action: kind_of(&step.action),
                object: step.object.clone(),
            });
        }
        self.reach(at, Needs::Done);
    }

    /// The server refused a request, or did not answer.
    fn refuse(&mut self, at: usize, fault: ApiFault, now: Timestamp) {
        let progress = &self.progress[at];
        let racing = match fault.kind {
            // Its CRD was established, or its namespace made, a moment ago: the API server catches up within a second.
            ApiFaultKind::NotFound => !self.plan.steps[at].action.removes(),
            // An object that goes and comes at the same time.
            ApiFaultKind::AlreadyExists | ApiFaultKind::Conflict => true,
            kind => kind.is_retryable(),
        };
        if racing && progress.attempts < self.policy().retries && self.stage < Stage::Cleaning && !self.cancelled {
            let after = fault.retry_after.unwrap_or_else(|| back_off(progress.attempts));
            self.progress[at].attempts += 1;
            self.events.push(Event::StepRetried {
                application: self.plan.application.clone(),
                object: self.plan.steps[at].object.clone(),
                message: fault.to_string(),
                after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
            });
            self.set_pending(at, State::BackOff(later(now, after)));
            return;
        }
        let step = &self.plan.steps[at];
        let immutable = fault.immutable_fields().join(", ");
        let kind = match fault.kind {
            ApiFaultKind::Forbidden => ErrorKind::PermissionDenied,
            ApiFaultKind::Unauthenticated => ErrorKind::Unauthenticated,
            ApiFaultKind::Conflict | ApiFaultKind::AlreadyExists => ErrorKind::Conflict,
            ApiFaultKind::NotFound => ErrorKind::NotFound,
            ApiFaultKind::Timeout => ErrorKind::Timeout,
            kind if kind.is_retryable() => ErrorKind::Unavailable,
            _ => ErrorKind::InvalidInput,
        };
        let mut error = Error::new(kind, format!("the API server refuses it: {fault}")).object(step.object.clone());
        if !immutable.is_empty() {
            error = error.help(format!("{immutable} cannot be changed: allow the recreation of {}", step.object.kind));
        }
        if let Some(place) = &step.place {
            error = error.at(place.clone());
        }
        self.fail(at, error.caused_by(fault));
    }

    fn fail(&mut self, at: usize, error: Error) {
        self.settling.remove(&at);
        self.states[at] = State::Failed;
        let step = &self.plan.steps[at];
        if self.is_hook(at)
            && let Some(digest) = self.manifests.get(&step.object).and_then(storable_digest)
        {
            self.journal.hook(step, digest, false);
        }
        let error = Arc::new(error);
        self.events.push(Event::StepFailed {
            application: self.plan.application.clone(),
            action: kind_of(&step.action),
            object: step.object.clone(),
            error: error.clone(),
        });
        let cause = step.object.clone();
        self.failures.push(error);
        // Everything behind it is not started, and told why.
        let mut queue = vec![at];
        while let Some(node) = queue.pop() {
            for (follower, _) in std::mem::take(&mut self.followers[node]) {
                if !matches!(self.states[follower], State::Blocked) {
                    continue;
                }
                self.states[follower] = State::Failed;
                if let Some(step) = self.plan.steps.get(follower) {
                    let reason = format!("it comes after {cause}, which failed");
                    self.events.push(Event::StepSkipped {
                        application: self.plan.application.clone(),
                        object: step.object.clone(),
                        reason: reason.clone(),
                    });
                    self.skipped.push((step.object.clone(), reason));
                }
                queue.push(follower);
            }
        }
    }

    fn tell_waiting(&mut self) {
        let mut waiting = Vec::new();
        for &at in &self.settling {
            let object = || self.plan.steps[at].object.clone();
            match &self.states[at] {
                State::Settling(settling) => waiting.push((object(), settling.lacks.clone())),
                State::Going(_) => waiting.push((object(), "it is being deleted".to_owned())),
                _ => {}
            }
        }
        if waiting != self.waiting && !waiting.is_empty() {
            self.events.push(Event::Waiting { application: self.plan.application.clone(), objects: waiting.clone() });
        }
        self.waiting = waiting;
    }
}

/// The manifests of a plan's steps, by the identity under which they are planned.
fn match_manifests(
    plan: &Plan,
    application: &Application,
    desired: &DesiredState,
) -> Result<BTreeMap<ObjectId, Manifest>> {
    let mismatch = |what: String| {
        Error::new(ErrorKind::InvalidInput, format!("the plan was made from another desired state: {what}"))
            .help("plan again")
    };
    if plan.revision != desired.revision {
        return Err(mismatch(format!("{} is not {}", plan.revision, desired.revision)));
    }
    let scopes: BTreeMap<&GroupKind, _> =
        plan.steps.iter().map(|step| (&step.object.kind, step.resource.scope)).collect();
    let mut manifests = BTreeMap::new();
    for declared in &desired.objects {
        let Some(scope) = scopes.get(&declared.id().kind) else { continue };
        let id = effective_id(&declared.manifest, *scope, application, &desired.revision, plan.operation);
        manifests.insert(id, declared.manifest.clone());
    }
    for step in &plan.steps {
        let applies = !step.action.is_idle() && !step.action.removes();
        if !applies {
            continue;
        }
        match manifests.get(&step.object) {
            Some(manifest) if step.desired == storable_digest(manifest) => {}
            Some(_) => return Err(mismatch(format!("{} differs", step.object))),
            None => return Err(mismatch(format!("{} is missing", step.object))),
        }
    }
    Ok(manifests)
}

/// Whether an object that the snapshot does not hold does not exist.
fn proves_absence(snapshot: &dyn Snapshot, object: &ObjectId) -> bool {
    match snapshot.kind(&object.kind) {
        KindState::Served { coverage, .. } => coverage.proves_absence(),
        KindState::NotServed => true,
        _ => false,
    }
}

fn kind_of(action: &Action) -> ActionKind {
    match action {
        Action::Create => ActionKind::Create,
        Action::Recreate { .. } => ActionKind::Recreate,
        Action::Prune { .. } | Action::AwaitRemoval { .. } => ActionKind::Prune,
        Action::Run { .. } | Action::Await { .. } => ActionKind::Run,
        _ => ActionKind::Update,
    }
}

/// Whether `version` is at least `required`. Versions that are no numbers are equal or unknown.
pub(super) fn is_at_least(version: &str, required: Option<&str>) -> bool {
    let Some(required) = required else { return true };
    match (version.parse::<u64>(), required.parse::<u64>()) {
        (Ok(version), Ok(required)) => version >= required,
        _ => version == required,
    }
}

fn later(now: Timestamp, duration: Duration) -> Timestamp {
    let seconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4);
    Timestamp::from_millisecond(now.as_millisecond().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
}

fn back_off(attempts: u32) -> Duration {
    Duration::from_millis(200 << attempts.min(6))
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

//! The state machine: what happened goes in, what to do comes out. No I/O, no clock, no runtime.

mod advance;
mod evidence;
mod manifests;
mod stages;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use gitops_engine_core::{
    ActionKind, ApiFault, ApiFaultKind, Applied, DeleteOptions, Deleted, DesiredState, Error, Event, HealthAssessor,
    Inventory, Manifest, ObjectId, ResourceType, Result, Snapshot, Timestamp, Uid,
};

pub(super) use evidence::is_at_least;
use manifests::match_manifests;

use super::Outcome;
use super::journal::Journal;
use super::node::{Going, Progress, State};
use crate::plan::{Action, Needs, Node, Plan, Verdicts};
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
    /// [`Refused`](gitops_engine_core::ErrorKind::Refused) when the plan has guards and is not approved;
    /// [`InvalidInput`](gitops_engine_core::ErrorKind::InvalidInput) when `desired` is
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

fn later(now: Timestamp, duration: Duration) -> Timestamp {
    let seconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4);
    Timestamp::from_millisecond(now.as_millisecond().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
}

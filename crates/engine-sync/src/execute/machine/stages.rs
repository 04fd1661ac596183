//! The stages of an execution: announce, run, run the SyncFail hooks, clean up, close.

use std::cmp::Reverse;

use gitops_engine_core::dialect::{HookDeletePolicy, Phase};
use gitops_engine_core::{DeleteOptions, Error, ErrorKind, Event, Propagation, Result, Uid};

use super::super::node::State;
use super::{Command, Machine, Stage, Write, kind_of};
use crate::plan::{Action, hook_mark, stamp};

impl Machine {
    pub(super) fn save(&mut self, commands: &mut Vec<Command>) -> bool {
        if self.saving {
            return false;
        }
        let Some(inventory) = self.journal.unsaved() else { return false };
        self.saving = true;
        commands.push(Command::Save(inventory));
        true
    }

    /// Makes every node ready that waits for nothing, of the SyncFail chain or of the main one.
    pub(super) fn release(&mut self, failing: bool) {
        for at in 0..self.states.len() {
            let of_chain = self.plan.steps.get(at).is_some_and(|step| step.phase == Phase::SyncFail) == failing;
            let barrier = at >= self.plan.steps.len();
            if (of_chain || barrier) && matches!(self.states[at], State::Blocked) && self.progress[at].missing == 0 {
                self.set_ready(at);
            }
        }
    }

    pub(super) fn run(&mut self, commands: &mut Vec<Command>) {
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
    pub(super) fn is_exhausted(&self) -> bool {
        let failing = self.stage == Stage::Failing;
        self.plan
            .steps
            .iter()
            .enumerate()
            .all(|(at, step)| self.states[at].is_terminal() || ((step.phase == Phase::SyncFail) && !failing))
    }

    pub(super) fn end_of_run(&mut self) {
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
                // Nobody will find it as it was applied.
                self.verdicts.remove(&step.object);
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

    pub(super) fn close(&mut self) {
        if self.failures.is_empty() {
            self.journal.succeed(self.plan.revision.clone(), self.plan.hooks);
        } else {
            self.journal.fail();
        }
        self.stage = Stage::Closing;
    }

    /// The first or next request of a step.
    pub(super) fn start(&mut self, at: usize) -> Result<Write> {
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

    /// The object that has to be deleted before the step can go on.
    pub(super) fn in_the_way(&self, at: usize) -> Option<&Uid> {
        match &self.plan.steps[at].action {
            Action::Prune { uid } => Some(uid),
            Action::Recreate { uid, .. } if !self.progress[at].cleared => Some(uid),
            Action::Run { .. } if !self.progress[at].cleared => self.progress[at].uid.as_ref(),
            _ => None,
        }
    }
}

//! Steps that become ready, succeed, fail or are tried again, and what that means for those behind them.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use gitops_engine_core::{ApiFault, ApiFaultKind, Error, ErrorKind, Event, Timestamp};

use super::super::node::State;
use super::{Machine, Stage, kind_of, later};
use crate::plan::{Action, Needs, storable_digest};

impl Machine {
    pub(super) fn set_ready(&mut self, at: usize) {
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

    pub(super) fn set_pending(&mut self, at: usize, state: State) {
        self.states[at] = state;
        if self.settling.insert(at) {
            self.fresh.push(at);
        }
    }

    /// A node reached a milestone: those that waited for it may go on.
    pub(super) fn reach(&mut self, at: usize, milestone: Needs) {
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

    pub(super) fn succeed(&mut self, at: usize) {
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
    pub(super) fn refuse(&mut self, at: usize, fault: ApiFault, now: Timestamp) {
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
        let kind = ErrorKind::from(fault.kind);
        let mut error = Error::new(kind, format!("the API server refuses it: {fault}")).object(step.object.clone());
        if !immutable.is_empty() {
            error = error.help(format!("{immutable} cannot be changed: allow the recreation of {}", step.object.kind));
        }
        if let Some(place) = &step.place {
            error = error.at(place.clone());
        }
        self.fail(at, error.caused_by(fault));
    }

    pub(super) fn fail(&mut self, at: usize, error: Error) {
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

    pub(super) fn tell_written(&mut self, at: usize) {
        let step = &self.plan.steps[at];
        self.events.push(Event::StepWritten {
            application: self.plan.application.clone(),
            action: kind_of(&step.action),
            object: step.object.clone(),
        });
    }

    pub(super) fn tell_waiting(&mut self) {
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

    pub(super) fn is_hook(&self, at: usize) -> bool {
        matches!(self.plan.steps[at].action, Action::Run { .. } | Action::Await { .. })
    }
}

fn back_off(attempts: u32) -> Duration {
    Duration::from_millis(200 << attempts.min(6))
}

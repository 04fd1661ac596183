//! Phases, waves and ranks: what the annotations of an object and its kind say about when.

use std::collections::BTreeMap;

use gitops_engine_core::dialect::Phase;
use gitops_engine_core::{GroupKind, ObjectId};

use super::Step;
use super::rank::rank;

/// A step's place in the sequence of waves. Ordered as it is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) phase: Phase,
    /// Removals come after everything that is applied in the phase.
    pub(super) prunes: bool,
    /// The wave, negated for removals: the last one in is the first one out.
    sequence: i64,
}

impl Slot {
    pub(super) fn of(step: &Step) -> Self {
        let prunes = step.action.removes();
        let wave = i64::from(step.wave);
        Self { phase: step.phase, prunes, sequence: if prunes { -wave } else { wave } }
    }

    pub(super) fn wave(self) -> i32 {
        let wave = if self.prunes { -self.sequence } else { self.sequence };
        i32::try_from(wave).unwrap_or_default()
    }
}

/// The ranks of steps within their waves: by kind, the other way round for removals. Steps come in runs of one kind.
#[derive(Default)]
pub(super) struct Ranks(Option<(GroupKind, u8)>);

impl Ranks {
    pub(super) fn of(&mut self, step: &Step) -> u8 {
        let kind = &step.object.kind;
        let rank = match &self.0 {
            Some((last, rank)) if last == kind => *rank,
            _ => self.0.insert((kind.clone(), rank(kind))).1,
        };
        if step.action.removes() { u8::MAX - rank } else { rank }
    }
}

/// Moves namespaces and CRDs to the earliest wave that needs them, and says so. Removals of them are moved, too: to the
/// last wave that still has to do without what they provide.
///
/// Argo CD does the first in silence; without it a namespace in wave 5 and an object of it in wave 0 could never be, and
/// without the second they could never go.
pub(super) fn pull_forward(steps: &mut [Step], notices: &mut Vec<String>) {
    let mut needed: BTreeMap<(bool, Provided), Option<(Slot, ObjectId)>> = steps
        .iter()
        .filter(|step| !step.action.is_idle())
        .filter_map(|step| Some(((step.action.removes(), provides(step)?), None)))
        .collect();
    if needed.is_empty() {
        return;
    }
    for step in steps.iter().filter(|step| !step.action.is_idle() && step.phase != Phase::SyncFail) {
        let removes = step.action.removes();
        for provided in requires(&step.object) {
            let Some(need) = needed.get_mut(&(removes, provided)) else { continue };
            let own = Slot::of(step);
            let stronger = need.as_ref().is_none_or(|(slot, object)| match own.cmp(slot) {
                std::cmp::Ordering::Equal => step.object < *object,
                order => order.is_gt() == removes,
            });
            if stronger {
                *need = Some((own, step.object.clone()));
            }
        }
    }
    for step in steps.iter_mut().filter(|step| !step.action.is_idle()) {
        let removes = step.action.removes();
        let Some(provided) = provides(step) else { continue };
        let Some(Some((slot, dependent))) = needed.get(&(removes, provided)) else { continue };
        let own = Slot::of(step);
        if own == *slot || (own < *slot) != removes {
            continue;
        }
        let (object, phase, wave) = (&step.object, slot.phase, slot.wave());
        notices.push(if removes {
            format!(
                "the removal of {object} is moved from wave {} to wave {wave}, since {dependent} goes first",
                step.wave
            )
        } else {
            let from = (step.phase, step.wave);
            format!(
                "{object} is moved from {} wave {} to {phase} wave {wave}, since {dependent} needs it",
                from.0, from.1
            )
        });
        (step.phase, step.wave) = (phase, wave);
    }
}

/// Something that objects cannot do without.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Provided {
    Namespace(std::sync::Arc<str>),
    Kind(String),
}

/// What an object cannot do without.
pub(super) fn requires(object: &ObjectId) -> impl Iterator<Item = Provided> {
    let namespace = object.namespace.clone().map(Provided::Namespace);
    let kind = (object.kind.group.contains('.')).then(|| Provided::Kind(object.kind.group.to_string()));
    namespace.into_iter().chain(kind)
}

/// What a step provides: a namespace, or the kinds of a group.
///
/// A CRD's name is `<plural>.<group>`, so the group is known even for a removal, where the manifest is gone. That makes
/// every object of the group depend on every CRD of it, which costs nothing: CRDs are established in a moment.
pub(super) fn provides(step: &Step) -> Option<Provided> {
    let id = &step.object;
    if is_namespace(&id.kind) {
        return Some(Provided::Namespace(id.name.clone()));
    }
    if is_crd(&id.kind) {
        return id.name.split_once('.').map(|(_, group)| Provided::Kind(group.to_owned()));
    }
    None
}

pub(super) fn is_namespace(kind: &GroupKind) -> bool {
    kind.is("", "Namespace")
}

pub(super) fn is_crd(kind: &GroupKind) -> bool {
    kind.is("apiextensions.k8s.io", "CustomResourceDefinition")
}

//! The planner.

use std::collections::BTreeMap;

use gitops_engine_core::dialect::Phase;
use gitops_engine_core::{ApplyMode, Error, GroupKind, KindState, Problems, Timestamp};

use super::classify::{Finding, Live, decide, find, settled};
use super::digest::storable_digest;
use super::namespaces::Namespaces;
use super::prepare::{Owned, Prepared, prepare, stamp};
use super::{Action, Plan, PlanInput, Question, Step, graph, guard, hooks, order, prune};

/// The dry runs that a plan would like to know the results of: objects that may differ, and new objects whose
/// namespace and kind are there already. None when nothing changed, so that an unchanged application costs no request.
///
/// # Errors
/// All that is wrong with the desired state or unknown about the cluster; [`plan`] would report the same.
pub fn questions(input: &PlanInput<'_>) -> Result<Vec<Question>, Problems> {
    let started = hooks::started(input);
    let survey = survey(input, started);
    Problems::check(survey.errors)?;
    let hooks_run = runs_hooks(input, survey.hooks_changed, survey.undecided.iter().any(|undecided| undecided.work));
    let mut questions = Vec::new();
    for undecided in &survey.undecided {
        let ask = match &undecided.state {
            State::Open(_) => true,
            State::Hook => hooks_run && input.actual.get(&undecided.object.id).is_none() && undecided.askable,
            State::Settled(_) => false,
        };
        if !ask {
            continue;
        }
        let object = &undecided.object;
        let mark = object.is_hook().then(|| hooks::mark(started, Phase::Sync));
        let manifest = stamp(&object.declared.manifest, &object.id, input.application, mark.as_deref())
            .map_err(|error| error.at(object.declared.place.clone()))?;
        questions.push(Question {
            object: object.id.clone(),
            resource: object.resource.clone(),
            manifest,
            mode: ApplyMode::DryRun,
        });
    }
    Ok(questions)
}

/// Plans: what would be done to bring the desired state about, in which order, and why.
///
/// A pure function of its input. The order of objects in the input has no influence on the bytes of the plan.
///
/// # Errors
/// Every error of every object, placed: nothing of an application is applied when a part of it is wrong.
pub fn plan(input: &PlanInput<'_>) -> Result<Plan, Problems> {
    let started = hooks::started(input);
    let survey = survey(input, started);
    let hooks = survey.hooks;
    let mut errors = survey.errors;
    let mut notices = survey.notices;
    let mut steps = Vec::with_capacity(survey.undecided.len());
    let mut depends_on = BTreeMap::new();
    let declared = survey.undecided.len();
    let mut hook_objects = Vec::new();
    let mut refreshes_inventory = false;
    for undecided in survey.undecided {
        let object = undecided.object;
        if !object.intent.depends_on.is_empty() {
            depends_on.insert(object.id.clone(), object.intent.depends_on.clone());
        }
        let finding = match undecided.state {
            State::Settled(finding) => Ok(finding),
            State::Open(live) => decide(input, &object, &live, input.predictions.get(&object.id)),
            State::Hook => {
                if let Some(super::Prediction::Refused(fault)) = input.predictions.get(&object.id) {
                    errors.push(super::classify::refused(&object, fault).at(object.declared.place.clone()));
                }
                hook_objects.push(object);
                continue;
            }
        };
        match finding {
            Ok(finding) => {
                refreshes_inventory |= finding.refreshes;
                steps.push(step(object, Phase::Sync, finding.action, finding.reason));
            }
            Err(error) => errors.push(error.at(object.declared.place.clone())),
        }
    }
    let (prunes, confirmations) = prune::steps(input, survey.undeclared);
    // What earlier runs of unnamed hooks left is no reason to sync: it goes when the hooks run again.
    let (former, prunes): (Vec<_>, Vec<_>) =
        prunes.into_iter().partition(|step| step.action.writes() && hooks::is_former(&step.object, &hook_objects));
    refreshes_inventory |=
        prunes.iter().any(|step| matches!(step.action, Action::Forget | Action::AwaitRemoval { .. }));
    steps.extend(prunes);

    let work = steps.iter().any(|step| step.action.writes());
    let hooks_run = runs_hooks(input, survey.hooks_changed, work);
    for object in &hook_objects {
        for phase in object.phases() {
            if !hooks_run {
                let reason = if work {
                    "the hook ran for this revision: only drift is put back"
                } else {
                    "the hook runs in each sync, and there is nothing to sync"
                };
                steps.push(step(object.clone(), phase, Action::Skip, reason.to_owned()));
                continue;
            }
            match hooks::classify(input, object, phase, started) {
                Ok((action, reason)) => steps.push(step(object.clone(), phase, action, reason)),
                Err(error) => errors.push(error.at(object.declared.place.clone())),
            }
        }
    }
    Problems::check(errors)?;
    // Guards are for what people declared: runs of hooks come and go.
    let owned = input.inventory.entries.len();
    let guards = guard::find(input.application, &steps, declared, owned, confirmations);
    for mut step in former {
        if hooks_run {
            "its hook runs again".clone_into(&mut step.reason);
        } else {
            step.action = Action::Keep;
            "its hook made it in an earlier sync; it goes when the hook runs again".clone_into(&mut step.reason);
        }
        steps.push(step);
    }

    order::pull_forward(&mut steps, &mut notices);
    let ordered = graph::order(steps, &depends_on, input.actual)?;
    notices.sort();
    notices.dedup();
    Ok(Plan {
        application: input.application.name.clone(),
        revision: input.desired.revision.clone(),
        operation: (hooks_run && !hook_objects.is_empty()).then_some(started),
        steps: ordered.steps,
        barriers: ordered.barriers,
        edges: ordered.edges,
        waves: ordered.waves,
        guards,
        notices,
        hooks,
        refreshes_inventory: refreshes_inventory || input.inventory.operation.is_some(),
    })
}

/// A declared object and how much is known about what to do with it.
struct Undecided<'a> {
    object: Prepared<'a>,
    state: State,
    /// Whether it looks like work: a write, or a question.
    work: bool,
    /// Whether the server can be asked about it.
    askable: bool,
}

enum State {
    Settled(Finding),
    Open(Live),
    Hook,
}

struct Survey<'a> {
    undecided: Vec<Undecided<'a>>,
    /// What the inventory holds besides.
    undeclared: Vec<Owned<'a>>,
    hooks: Option<gitops_engine_core::Digest>,
    /// Whether the hooks differ from those that last ran, or an operation is under way.
    hooks_changed: bool,
    notices: Vec<String>,
    errors: Vec<Error>,
}

/// Whether hooks run: in the sync of a new revision, and when they changed themselves. Drift of a revision that was
/// brought about is put back without them, as in Argo CD's self-healing.
fn runs_hooks(input: &PlanInput<'_>, hooks_changed: bool, work: bool) -> bool {
    hooks_changed || work && input.inventory.revision.as_ref() != Some(&input.desired.revision)
}

/// Looks at every declared object once.
fn survey<'a>(input: &PlanInput<'a>, started: Timestamp) -> Survey<'a> {
    let (prepared, undeclared, mut errors) = prepare(input, started);
    let hooks = hooks::digest(&prepared);
    let resumes = input.inventory.operation.is_some();
    let hooks_changed = hooks.is_some() && (resumes || hooks != input.inventory.hooks);
    let mut notices = Vec::new();
    let mut state: Option<(GroupKind, KindState)> = None;
    let mut namespaces = Namespaces::default();
    let mut undecided = Vec::with_capacity(prepared.len());
    for object in prepared {
        for notice in &object.intent.notices {
            let place = &object.declared.place;
            notices.push(format!("{place}: {}: {}: {}", object.id, notice.annotation, notice.message));
        }
        if let Some(why) = &object.intent.skip {
            let finding = Finding { action: Action::Skip, reason: format!("{why} asks for it"), refreshes: false };
            undecided.push(Undecided { object, state: State::Settled(finding), work: false, askable: false });
            continue;
        }
        // Objects come kind by kind.
        let state = match &state {
            Some((kind, state)) if *kind == object.id.kind => state,
            _ => &state.insert((object.id.kind.clone(), input.actual.kind(&object.id.kind))).1,
        };
        let looked = find(input, &object.id, state).and_then(|live| {
            let finding = settled(input, &mut namespaces, &object, &live)?;
            Ok((live, finding))
        });
        match looked {
            Err(error) => errors.push(error.at(object.declared.place.clone())),
            Ok((_, finding)) if object.is_hook() => {
                let askable = finding.is_none();
                undecided.push(Undecided { object, state: State::Hook, work: false, askable });
            }
            Ok((_, Some(finding))) => {
                let work = finding.action.writes();
                undecided.push(Undecided { object, state: State::Settled(finding), work, askable: false });
            }
            Ok((live, None)) => {
                undecided.push(Undecided { object, state: State::Open(live), work: true, askable: true });
            }
        }
    }
    Survey { undecided, undeclared, hooks, hooks_changed, notices, errors }
}

fn step(object: Prepared<'_>, phase: Phase, action: Action, reason: String) -> Step {
    Step {
        object: object.id,
        resource: object.resource,
        phase,
        wave: object.intent.wave,
        action,
        reason,
        place: Some(object.declared.place.clone()),
        desired: storable_digest(&object.declared.manifest),
    }
}

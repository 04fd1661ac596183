//! One pass over one application.

use std::future::Future;
use std::sync::Arc;

use futures::StreamExt;
use gitops_engine_core::{
    ApiFault, ApiFaultKind, ApplyOptions, Error, ErrorKind, Event, FieldPath, Inventory, InventoryVersion, Problems,
    Revision, Snapshot,
};

use super::observe::Observed;
use super::{Reconciler, ReconcilerParts};
use crate::plan::{Action, Plan, PlanInput, Prediction, Predictions, Verdicts, plan, questions};
use crate::{Application, Machine, Outcome, Question, Report};

/// What a reconciler remembers of an application between passes. Losing it costs work, never safety.
#[derive(Default)]
pub struct State {
    observed: Option<Observed>,
    inventory: Option<(Inventory, Option<InventoryVersion>)>,
    verdicts: Verdicts,
    /// The generation of the snapshot that the last pass found in sync, with the revision.
    in_sync: Option<(u64, Revision)>,
}

impl State {
    /// The desired state of the last pass that got that far.
    pub fn observed(&self) -> Option<&Observed> {
        self.observed.as_ref()
    }

    /// The inventory as the last pass left it.
    pub fn inventory(&self) -> Option<&Inventory> {
        self.inventory.as_ref().map(|(inventory, _)| inventory)
    }

    /// The revision that the last successful pass left in sync.
    pub fn synced_revision(&self) -> Option<&Revision> {
        self.in_sync.as_ref().map(|(_, revision)| revision)
    }
}

/// How a pass ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Pass {
    /// There was nothing to do.
    InSync(Revision),
    /// A plan was executed.
    Executed(Revision, Box<Report>),
}

impl Pass {
    /// Whether the cluster is as the revision wants it.
    pub fn is_synced(&self) -> bool {
        match self {
            Self::InSync(_) => true,
            Self::Executed(_, report) => report.outcome == Outcome::Synced,
        }
    }

    /// How many writes the pass made.
    pub fn writes(&self) -> usize {
        match self {
            Self::InSync(_) => 0,
            Self::Executed(_, report) => report.writes,
        }
    }
}

impl ReconcilerParts {
    /// Observes and plans: what would be done. Writes nothing; dry runs are the only requests it makes.
    ///
    /// # Errors
    /// All that is wrong with the desired state, and whatever keeps the engine from knowing.
    pub async fn plan(&self, application: &Application, state: &mut State) -> Result<Plan, Problems> {
        let revision = self.resolve(application).await?;
        let (plan, _, _) = self.plan_at(application, state, &revision).await?;
        Ok(plan)
    }

    async fn plan_at(
        &self,
        application: &Application,
        state: &mut State,
        revision: &Revision,
    ) -> Result<(Plan, Observed, Arc<dyn Snapshot>), Problems> {
        let observed = self.observe(application, revision, state.observed.as_ref()).await?;
        state.observed = Some(observed.clone());
        self.driver.cache.ready().await?;
        if state.inventory.is_none() {
            let stored = self.driver.inventory.load(&application.name).await?;
            state.inventory = Some((stored.inventory, stored.version));
        }
        let empty = Inventory::new(application.name.clone());
        let snapshot = self.driver.cache.snapshot();
        let no_predictions = Predictions::new();
        let mut input = PlanInput {
            application,
            desired: &observed.desired,
            actual: &*snapshot,
            inventory: state.inventory.as_ref().map_or(&empty, |(inventory, _)| inventory),
            predictions: &no_predictions,
            verdicts: &state.verdicts,
            now: self.driver.clock.now(),
        };
        let predictions = self.ask(application, questions(&input)?).await?;
        input.predictions = &predictions;
        let plan = plan(&input)?;
        Ok((plan, observed, snapshot))
    }

    /// Asks the server about each object in dry run, a few at a time.
    async fn ask(&self, application: &Application, questions: Vec<Question>) -> Result<Predictions, Problems> {
        let policy = &application.policy;
        let options = ApplyOptions::new(&policy.field_manager).conflicts(policy.conflicts).dry_run();
        let options = &options;
        let answers = futures::stream::iter(questions)
            .map(|question| async move {
                let answer = self.ask_one(&question, options).await;
                (question, answer)
            })
            .buffer_unordered(policy.concurrency.max(1))
            .collect::<Vec<_>>()
            .await;
        let mut predictions = Predictions::new();
        let mut errors = Vec::new();
        for (question, answer) in answers {
            match answer {
                Ok(prediction) => {
                    predictions.insert(question.object, prediction);
                }
                // What the server could not answer now is no verdict about the object.
                Err(fault) if fault.kind.is_retryable() || fault.kind == ApiFaultKind::Unauthenticated => {
                    let kind = ErrorKind::from(fault.kind);
                    errors.push(
                        Error::new(kind, format!("the API server did not answer a dry run: {fault}"))
                            .object(question.object)
                            .caused_by(fault),
                    );
                }
                Err(fault) => {
                    predictions.insert(question.object, Prediction::Refused(fault));
                }
            }
        }
        Problems::check(errors)?;
        Ok(predictions)
    }

    /// A dry run; and where it shows a difference the live object with its owners, to say who made it.
    async fn ask_one(&self, question: &Question, options: &ApplyOptions) -> Result<Prediction, ApiFault> {
        let Question { object, resource, manifest, .. } = question;
        let predicted = self.driver.cluster.apply(resource, manifest, options).await?.object;
        let known = self.driver.cache.snapshot().get(object).and_then(|live| live.manifest.clone());
        let differs = known.is_some_and(|known| known.body() != predicted.body());
        let live = if differs { self.driver.cluster.get(resource, object).await? } else { None };
        Ok(Prediction::Applied { predicted, live })
    }
}

impl Reconciler {
    /// One pass: observe, plan, and execute what the plan says.
    ///
    /// Where nothing changed since a pass that found everything in sync, neither a request to the cluster is made nor a
    /// plan.
    ///
    /// # Errors
    /// All that keeps the plan from being made, or its guards; nothing was written then. A failure on the way is no
    /// error of the pass: see [`Report::outcome`].
    pub async fn pass(
        &self,
        application: &Application,
        state: &mut State,
        cancel: impl Future<Output = ()> + Send,
    ) -> Result<Pass, Problems> {
        let revision = self.parts.resolve(application).await?;
        self.pass_at(application, state, revision, cancel).await
    }

    /// One pass at a known revision: corrects drift while the state store is out of reach.
    ///
    /// # Errors
    /// As [`Reconciler::pass`].
    pub async fn pass_at(
        &self,
        application: &Application,
        state: &mut State,
        revision: Revision,
        cancel: impl Future<Output = ()> + Send,
    ) -> Result<Pass, Problems> {
        let driver = &self.parts.driver;
        let name = application.name.clone();
        if let Some((generation, synced)) = &state.in_sync
            && *generation == driver.cache.snapshot().generation()
            && *synced == revision
        {
            return Ok(Pass::InSync(revision));
        }
        let known = state.observed.as_ref().map(|observed| observed.desired.revision.clone());
        if known.as_ref() != Some(&revision) {
            driver.events.emit(Event::RevisionFound { application: name.clone(), revision: revision.clone() });
        }
        let (plan, observed, snapshot) = self.parts.plan_at(application, state, &revision).await?;
        if plan.is_in_sync() {
            state.in_sync = Some((snapshot.generation(), revision.clone()));
            driver.events.emit(Event::InSync { application: name, revision: revision.clone() });
            return Ok(Pass::InSync(revision));
        }
        state.in_sync = None;
        let (inventory, version) = state.inventory.clone().unwrap_or_else(|| (Inventory::new(name.clone()), None));
        self.announce(&plan, inventory.revision.as_ref() == Some(&revision));
        for warning in &observed.warnings {
            driver.events.emit(Event::Warning { application: name.clone(), warning: warning.clone() });
        }
        let machine = Machine::new(plan, application.clone(), &observed.desired, inventory)?;
        // Until it is known how it ends, what is remembered of the inventory is not to be trusted.
        state.inventory = None;
        let report = driver.run(machine, &application.policy, version, cancel).await;
        if report.errors.iter().all(|error| error.kind() != ErrorKind::Conflict) {
            state.inventory = Some((report.inventory.clone(), report.version.clone()));
        }
        state.verdicts.extend(report.verdicts.clone());
        state.verdicts.retain(|object, _| report.inventory.entries.contains_key(object));
        Ok(Pass::Executed(revision, Box::new(report)))
    }

    fn announce(&self, plan: &Plan, same_revision: bool) {
        let events = &self.parts.driver.events;
        let application = plan.application.clone();
        if same_revision {
            for step in &plan.steps {
                let (fields, managers) = match &step.action {
                    Action::Update { changes } => {
                        let fields: Vec<FieldPath> = changes.iter().map(|change| change.path.clone()).collect();
                        let mut managers: Vec<_> = changes.iter().flat_map(|change| change.owners.clone()).collect();
                        managers.sort();
                        managers.dedup();
                        (fields, managers)
                    }
                    Action::Create => (Vec::new(), Vec::new()),
                    _ => continue,
                };
                let (application, object) = (application.clone(), step.object.clone());
                events.emit(Event::DriftFound { application, object, fields, managers });
            }
        }
        events.emit(Event::Planned {
            application,
            revision: plan.revision.clone(),
            writes: plan.writes(),
            unchanged: plan.steps.iter().filter(|step| matches!(step.action, Action::Unchanged)).count(),
            waves: plan.waves.len(),
        });
    }
}

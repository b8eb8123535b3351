//! A run that was begun before: what became of it, whether it may be gone on with, and how it is taken back. As all of
//! [`super`], this looks and changes nothing.

use super::look::Looking;
use super::resolve::{Resolved, no_overlaps};
use super::{Facts, Prepared, PreparedStep, accept_all, accepted};
use crate::config::{Config, Hole, Holes, Step, holes_in};
use crate::event::{Listener, StepOutcome, Verdict, Witness};
use crate::history::{PastRun, PastStep};
use crate::lock::{LockedStep, LockedSteps};
use crate::plan::{Plan, PlannedStep};
use crate::plugin::{Answer, Call, Effect, Function, Plugin, Services, Stop};
use crate::policy::{Capability, Phase};
use crate::problem::{Code, Problem};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a person says of steps that were cut off, by their ids.
pub type Settled = BTreeMap<String, Verdict>;

/// How often a plugin that cannot tell what became of a step is asked again.
const PATIENCE: usize = 3;
/// How long is waited before that.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(400);

/// What became of a step that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Its id.
    pub step: String,
    /// The attempt that was cut off, from 1.
    pub attempt: u32,
    /// What became of it.
    pub verdict: Verdict,
    /// Who says so.
    pub by: Witness,
    /// Why its plugin does not know, where it said so.
    pub cause: Option<String>,
}

/// A run that can be gone on with.
#[derive(Debug, Clone)]
pub struct Resumed {
    /// The run, with the steps that are done as they were planned, and the others planned again.
    pub prepared: Prepared,
    /// What became of the steps that were cut off.
    pub probed: Vec<Probed>,
    /// The steps that were planned again.
    pub planned: Vec<PlannedStep>,
}

/// The plan of a run that was begun.
///
/// # Errors
/// [`Code::NotResumable`] where the run was cut off before it was written down, or it is none that this version reads.
pub fn plan_of(past: &PastRun) -> Result<Plan, Problem> {
    let none = |cause: String| {
        Problem::new(Code::NotResumable, format!("run `{}` has no plan to go by", past.run))
            .because(cause)
            .with_note("nothing was changed")
            .with_hint("it had no effect before its plan was written down: run again")
    };
    let file = past.planned.as_ref().ok_or_else(|| none("it was cut off before its plan was written down".into()))?;
    Plan::from_file(&format!("the plan of run {}", past.run), &file.to_string())
        .map_err(|problem| none(problem.causes.first().cloned().unwrap_or(problem.what)))
}

/// A step as it was planned: while the run was under way, or before it.
fn planned_step(past: &PastRun, planned: &PlannedStep) -> PlannedStep {
    let again = past.step(&planned.id).and_then(|step| step.replanned.clone());
    again.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_else(|| planned.clone())
}

/// Go on with a run: hold what is there now against its plan, find out what became of what was cut off, and plan what is not
/// done again. `facts.begun` is the run, `facts.subject` what is checked out.
///
/// # Errors
/// [`Code::PlanDrifted`] with each difference, [`Code::StepUnknown`] where nobody can tell, and all of [`super::prepare`].
pub async fn resume(
    config: &Config,
    resolved: Vec<Resolved>,
    locked: &LockedSteps,
    mut facts: Facts,
    services: Arc<Services>,
    listener: &Arc<dyn Listener>,
    settled: &Settled,
) -> Result<Resumed, Vec<Problem>> {
    let Some(past) = facts.begun.clone() else {
        return Err(vec![Problem::new(Code::Bug, "there is no run to go on with")]);
    };
    let plan = plan_of(&past).map_err(|problem| vec![problem])?;
    let steps = accept_all(config, resolved, locked, &facts).await?;
    let mut now = Prepared::empty(facts.clone(), services.clone());
    for step in &steps {
        now.push(step.clone(), step.without_intents(&facts.holes));
    }
    now.plan.must_continue(&plan, &past.run).map_err(|problem| vec![problem])?;
    facts.holes.outputs = outputs_of(&past);
    let mut resumed = Resumed { prepared: Prepared::empty(facts, services), probed: Vec::new(), planned: Vec::new() };
    // All of them, so that a step that is asked sees its siblings.
    for mut step in steps {
        let id = step.step.id.as_str().to_owned();
        let then = plan.steps.iter().chain(&plan.finally).find(|planned| planned.id == id);
        let Some(mut then) = then.cloned() else { continue };
        let begun = past.step(&id).is_some_and(|step| step.attempts > 0);
        // One that uses outputs of earlier steps and was planned, but not begun, is planned again like one that was not.
        if step.config.is_some() || begun {
            then = planned_step(&past, &then);
        }
        if step.config.is_none() && begun {
            step.fill_deferred(&resumed.prepared.facts).await.map_err(|problem| vec![problem])?;
        }
        resumed.prepared.push(step, then);
    }
    if past.turned.is_none() {
        resumed.find_out(&past, settled, listener).await?;
        resumed.plan_again(&past, listener).await?;
    }
    Ok(resumed)
}

/// What the steps of a run have put out.
fn outputs_of(past: &PastRun) -> BTreeMap<crate::config::StepId, BTreeMap<String, String>> {
    past.steps
        .iter()
        .filter(|step| !step.outputs.is_empty())
        .filter_map(|step| Some((step.id.parse().ok()?, step.outputs.clone())))
        .collect()
}

impl Resumed {
    /// What became of the steps that were cut off.
    async fn find_out(
        &mut self,
        past: &PastRun,
        settled: &Settled,
        listener: &Arc<dyn Listener>,
    ) -> Result<(), Vec<Problem>> {
        for id in settled.keys() {
            if !past.steps.iter().any(|step| step.id == *id && step.is_cut_off()) {
                return Err(vec![
                    Problem::new(Code::Usage, format!("step `{id}` of run `{}` was not cut off", past.run))
                        .because("only of a step that was cut off can be said what became of it")
                        .with_note("nothing was changed")
                        .with_hint("`windlass status` names the steps that were"),
                ]);
            }
        }
        for (id, verdict) in settled {
            if *verdict == Verdict::Done && self.needs_outputs_of(id) {
                return Err(vec![outputs_are_lost(past, id)]);
            }
        }
        let mut unknown = Vec::new();
        for step in self.prepared.steps.clone() {
            let Some(cut) = past.step(step.step.id.as_str()).filter(|step| step.is_cut_off()) else { continue };
            let probed = self.probe(&step, cut, settled, listener).await;
            if probed.verdict == Verdict::Unknown {
                let problem = nobody_knows(past, &probed);
                let lost =
                    self.needs_outputs_of(&probed.step).then(|| outputs_are_lost(past, &probed.step).hint).flatten();
                unknown.push(Problem { hint: lost.or(problem.hint), ..problem });
            }
            self.probed.push(probed);
        }
        if unknown.is_empty() { Ok(()) } else { Err(unknown) }
    }

    async fn probe(
        &self,
        step: &PreparedStep,
        cut: &PastStep,
        settled: &Settled,
        listener: &Arc<dyn Listener>,
    ) -> Probed {
        let probed = |verdict, by, cause| Probed { step: cut.id.clone(), attempt: cut.attempts, verdict, by, cause };
        if let Some(verdict) = settled.get(&cut.id) {
            return probed(*verdict, Witness::Person, None);
        }
        let mut answer = self.prepared.probe(step, cut, listener).await;
        // What a server still holds for a client that was killed, it gives back once it has noticed.
        for _ in 0..PATIENCE {
            if answer != Ok(Verdict::Unknown) || step.step.idempotent || cut.records.is_empty() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            answer = self.prepared.probe(step, cut, listener).await;
        }
        let (verdict, cause) = match answer {
            Ok(Verdict::Done) if self.needs_outputs_of(&cut.id) => {
                (Verdict::Unknown, Some("it is done, but a later step uses its outputs, and those are lost".to_owned()))
            }
            Ok(Verdict::Unknown) => (Verdict::Unknown, Some("its plugin looked, and cannot tell".to_owned())),
            Ok(verdict) => (verdict, None),
            Err(problem) => (Verdict::Unknown, Some(problem.what)),
        };
        if verdict == Verdict::Unknown && step.step.idempotent {
            return probed(Verdict::Partly, Witness::Config, None);
        }
        probed(verdict, Witness::Plugin, cause)
    }

    /// Whether a step that is not done yet uses what another one has put out.
    fn needs_outputs_of(&self, id: &str) -> bool {
        let steps = self.prepared.steps.iter().chain(&self.prepared.finally);
        let uses = |with: &Value| {
            holes_in(with).iter().any(|hole| matches!(hole, Hole::Output { step, .. } if step.as_str() == id))
        };
        steps.into_iter().any(|step| uses(&step.step.with))
    }

    /// Plan the steps again that are not done.
    async fn plan_again(&mut self, past: &PastRun, listener: &Arc<dyn Listener>) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        for index in 0..self.prepared.steps.len() {
            let step = self.prepared.steps[index].clone();
            let id = step.step.id.as_str();
            let proven = self.probed.iter().any(|probed| probed.step == id && probed.verdict == Verdict::Done);
            let done = proven || past.step(id).is_some_and(PastStep::is_done);
            // What uses outputs that are not there yet is planned when they are.
            if done || step.config.is_none() {
                continue;
            }
            match self.prepared.plan_step(&step, listener).await {
                Ok(mut planned) => {
                    // What was begun and may be there in part is done, whatever its plan says: its plugin said so. So is
                    // what a person wants done again for its outputs.
                    if planned.intents.is_empty() && (self.is_partly(id) || self.is_for_outputs(id)) {
                        planned.intents = self.prepared.plan.steps[index].intents.clone();
                    }
                    self.planned.push(planned.clone());
                    self.prepared.plan.steps[index] = planned;
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Whether a step is done again for what it puts out, because a person said so: it may be done, as far as its plugin sees.
    fn is_for_outputs(&self, id: &str) -> bool {
        let said = |it: &Probed| it.step == id && it.verdict == Verdict::NotDone && it.by == Witness::Person;
        self.probed.iter().any(said) && self.needs_outputs_of(id)
    }

    fn is_partly(&self, id: &str) -> bool {
        self.probed.iter().any(|probed| probed.step == id && probed.verdict == Verdict::Partly)
    }
}

/// That a person has to look.
fn nobody_knows(past: &PastRun, probed: &Probed) -> Problem {
    let id = &probed.step;
    let mut problem = Problem::new(
        Code::StepUnknown,
        format!("nobody can tell whether step `{id}` of run `{}` did its work", past.run),
    )
    .because(format!("attempt {} was cut off at {}", probed.attempt, past.last));
    if let Some(cause) = &probed.cause {
        problem = problem.because(cause);
    }
    problem.with_note("nothing was changed").with_hint(format!(
        "look at what the step does, then `windlass resume {0} --done {id}` or `--not-done {id}`; `windlass rollback` takes back what it recorded",
        past.run
    ))
}

/// That a step cannot be taken for done, because what it put out went with the process that was killed.
fn outputs_are_lost(past: &PastRun, id: &str) -> Problem {
    Problem::new(Code::Usage, format!("run `{}` cannot go on after step `{id}`", past.run))
        .because("a later step uses its outputs, and those are lost")
        .with_note("nothing was changed")
        .with_hint(format!(
            "where it can be done again, `windlass resume {} --not-done {id}` does that; `windlass rollback` takes back what it recorded",
            past.run
        ))
}

impl Prepared {
    /// Ask a step what became of its last attempt.
    async fn probe(
        &self,
        step: &PreparedStep,
        cut: &PastStep,
        listener: &Arc<dyn Listener>,
    ) -> Result<Verdict, Problem> {
        let records: Vec<String> = cut.records.iter().map(Value::to_string).collect();
        let (answer, _) = step
            .plugin
            .call(Call {
                function: Function::Probe,
                config: step.config.as_deref().unwrap_or("{}"),
                records: &records,
                gate: step.gate(Phase::Plan),
                limits: step.limits(None),
                surroundings: Arc::new(Looking::new(self, step, listener)),
                services: self.services.clone(),
                stop: Stop::never(),
            })
            .await;
        match answer {
            Ok(Answer::Verdict(verdict)) => Ok(verdict),
            Ok(_) => Err(Problem::new(Code::Bug, "`probe` was answered with something else")),
            Err(failure) => Err(self.clean_problem(failure.into_problem(&step.plugin.locked_name(), "probe"))),
        }
    }
}

/// A step as a run had it: with the configuration of then, within what the lock accepts now.
async fn as_it_was(
    step: &Step,
    plugin: &Plugin,
    locked: &LockedStep,
    facts: &Facts,
    planned: &PlannedStep,
) -> Result<PreparedStep, Problem> {
    let id = step.id.as_str();
    if !plugin.is_built_in() && plugin.digest() != planned.digest {
        return Err(Problem::new(
            Code::NotAccepted,
            format!("the plugin of step `{id}` is not the one that did the work"),
        )
        .because(format!("the run used sha256 {}, the file has {}", planned.digest, plugin.digest()))
        .with_note("nothing was changed")
        .with_hint(format!("check out commit `{}`, and try again there", facts.subject.commit)));
    }
    let config = planned.with.to_string();
    let capabilities =
        plugin.requires(&config).await.map_err(|failure| failure.into_problem(&plugin.locked_name(), "requires"))?;
    capabilities.iter().try_for_each(Capability::check)?;
    no_overlaps(&capabilities)?;
    locked.accepts(&facts.subject.environment, id, &facts.holes, &capabilities)?;
    Ok(PreparedStep {
        step: step.clone(),
        plugin: plugin.clone(),
        locked: locked.clone(),
        capabilities,
        config: Some(config),
    })
}

/// A run, made ready to be taken back. Steps of which nothing is left are there, and may do nothing.
///
/// # Errors
/// [`Code::RollbackRefused`] for each step whose work cannot be taken back and is not among `keep`; all that keeps a step
/// from being taken back as it was done.
pub async fn taken_back(
    config: &Config,
    resolved: &[Resolved],
    locked: &LockedSteps,
    mut facts: Facts,
    services: Arc<Services>,
    keep: &[String],
) -> Result<Prepared, Vec<Problem>> {
    let Some(past) = facts.begun.clone() else {
        return Err(vec![Problem::new(Code::Bug, "there is no run to take back")]);
    };
    let plan = match plan_of(&past) {
        Ok(plan) => plan,
        // Before its plan was written down it did nothing.
        Err(_) if past.left().next().is_none() => return Ok(Prepared::empty(facts, services)),
        Err(problem) => return Err(vec![problem]),
    };
    facts.holes.outputs = outputs_of(&past);
    let mut prepared = Prepared::empty(facts, services);
    let mut problems = Vec::new();
    for planned in plan.steps.iter().chain(&plan.finally) {
        let planned = planned_step(&past, planned);
        let left = past.left().any(|step| step.id == planned.id) && !keep.contains(&planned.id);
        let Some(resolved) = resolved.iter().find(|resolved| resolved.step.id.as_str() == planned.id) else {
            if left {
                problems.push(is_gone(config, &past, &planned.id));
            }
            continue;
        };
        if left && let Some(problem) = irreversible(&past, &planned) {
            problems.push(problem);
            continue;
        }
        let was = match accepted(locked, &prepared.facts.subject.environment, resolved) {
            Ok(locked) => as_it_was(&resolved.step, &resolved.plugin, locked, &prepared.facts, &planned).await,
            Err(problem) => Err(problem),
        };
        match was {
            Ok(step) => prepared.push(step, planned),
            Err(problem) if left => problems.push(problem),
            // Nothing is asked of it any more.
            Err(_) => {}
        }
    }
    if problems.is_empty() { Ok(prepared) } else { Err(problems) }
}

fn is_gone(config: &Config, past: &PastRun, id: &str) -> Problem {
    Problem::new(Code::RollbackRefused, format!("step `{id}` of run `{}` cannot be taken back from here", past.run))
        .because(format!("`{}` has no such step any more", config.file()))
        .with_note("nothing was changed")
        .with_hint(format!(
            "check out commit `{}` and try again there, or leave the step's work with `--keep {id}`",
            past.subject.commit
        ))
}

/// That a step said it cannot be taken back.
fn irreversible(past: &PastRun, planned: &PlannedStep) -> Option<Problem> {
    let lasting: Vec<_> = planned.intents.iter().filter(|intent| intent.effect == Effect::Irreversible).collect();
    if lasting.is_empty() {
        return None;
    }
    let id = &planned.id;
    let mut problem =
        Problem::new(Code::RollbackRefused, format!("step `{id}` of run `{}` cannot be taken back", past.run));
    for intent in lasting.iter().take(10) {
        problem = problem.because(format!("its plan said that this cannot be: {}", intent.summary));
    }
    Some(problem.with_note("nothing was changed").with_hint(format!(
        "deploy a version that works with what `{id}` did; or, where the release before does, take back the rest with `--keep {id}`"
    )))
}

impl Prepared {
    /// The checks that a live release passed when it was deployed, to be made again; and why one cannot be.
    pub async fn checks(&self, live: &PastRun) -> (Vec<PreparedStep>, Vec<String>) {
        let mut steps = Vec::new();
        let mut notes = Vec::new();
        let Ok(plan) = plan_of(live) else { return (steps, notes) };
        let facts = Facts {
            subject: live.subject.clone(),
            holes: Holes {
                version: Some(live.subject.version.clone()),
                commit: Some(live.subject.commit.clone()),
                variables: live.variables.clone(),
                outputs: outputs_of(live),
            },
            ..self.facts.clone()
        };
        for planned in &plan.steps {
            let planned = planned_step(live, planned);
            let passed = live.step(&planned.id).is_some_and(|step| step.outcome == StepOutcome::Succeeded);
            if !passed || !planned.intents.iter().any(|intent| intent.effect == Effect::Checks) {
                continue;
            }
            let id = &planned.id;
            let not_made = |why: &str| format!("check `{id}` of run `{}` is not made again: {why}", live.run);
            match self.steps.iter().find(|step| step.step.id.as_str() == *id) {
                None => notes.push(not_made("there is no such step any more")),
                Some(step) => match as_it_was(&step.step, &step.plugin, &step.locked, &facts, &planned).await {
                    Ok(step) => steps.push(step),
                    Err(problem) => notes.push(not_made(&problem.what)),
                },
            }
        }
        (steps, notes)
    }
}

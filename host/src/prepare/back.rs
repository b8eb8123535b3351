//! Taking a run back: its steps as they were, the refusals, and the checks of what is live again. As all of [`super`],
//! this looks and changes nothing.

use super::accept::accepted;
use super::again::{outputs_of, plan_of, planned_step};
use super::held::must_be_held;
use super::resolve::{Resolved, no_overlaps};
use super::{Facts, Prepared, PreparedStep};
use crate::config::{Config, Holes, Step};
use crate::event::StepOutcome;
use crate::history::{PastRun, PastStep};
use crate::lock::{LockedStep, LockedSteps};
use crate::plan::PlannedStep;
use crate::plugin::{Effect, Plugin, Services};
use crate::policy::Capability;
use crate::problem::{Code, Problem};
use crate::process::Means;
use std::sync::Arc;

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

/// Where a journal that may be only the beginning of what was written says too little of what a run did: the first step that
/// changes something and of which it does not have the end, begun or not. None where the run came to its own end, or where
/// whatever took it back had the whole of it.
#[must_use]
pub fn open_end(past: &PastRun) -> Option<&PastStep> {
    let has_ended = past.outcome.is_some() && !matches!(past.code(), Some(Code::CutOff | Code::StepUnknown));
    if has_ended || past.turned.is_some() {
        return None;
    }
    // Before its plan was written down it did nothing.
    let plan = plan_of(past).ok()?;
    let may_change = |planned: &PlannedStep| {
        let nothing = planned.intents.is_empty() && !planned.deferred && !past.force;
        !nothing && (planned.intents.is_empty() || planned.intents.iter().any(|intent| !intent.effect.looks_only()))
    };
    let changing = plan.steps.iter().map(|planned| planned_step(past, planned)).filter(may_change);
    let mut steps = changing.filter_map(|planned| past.step(&planned.id));
    let is_open = |step: &PastStep| match step.outcome {
        StepOutcome::Unknown | StepOutcome::NotRun => true,
        StepOutcome::Failed => step.again,
        _ => false,
    };
    steps.find(|step| is_open(step))
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
    let planned = match plan_of(&past) {
        Ok(plan) => [plan.steps, plan.finally].concat(),
        // Before its plan was written down it did nothing.
        Err(_) if past.left().next().is_none() => Vec::new(),
        Err(problem) => return Err(vec![problem]),
    };
    facts.holes.outputs = outputs_of(&past);
    let mut prepared = Prepared::empty(facts, services);
    let mut problems = Vec::new();
    for planned in &planned {
        let planned = planned_step(&past, planned);
        let left = past.left().any(|step| step.id == planned.id) && !keep.contains(&planned.id);
        let Some(resolved) = resolved.iter().find(|resolved| resolved.step.id.as_str() == planned.id) else {
            if left {
                problems.push(step_gone(config, &past, &planned.id));
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
            // Nothing is asked of it any more, but perhaps as a check of what is live again.
            Err(_) => {}
        }
    }
    for resolved in resolved {
        if !resolved.step.is_finally && !prepared.steps.iter().any(|step| step.step.id == resolved.step.id) {
            let accepted = accepted(locked, &prepared.facts.subject.environment, resolved).cloned();
            prepared.others.push((resolved.clone(), accepted));
        }
    }
    let capabilities = prepared.steps.iter().flat_map(|step| &step.capabilities);
    problems.extend(must_be_held(config.confinement, Means::here(), capabilities).err());
    if problems.is_empty() { Ok(prepared) } else { Err(problems) }
}

/// That the configuration has no such step any more, so that nothing says how to take its work back.
fn step_gone(config: &Config, past: &PastRun, id: &str) -> Problem {
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

/// The steps of a run whose work is there, and cannot be taken back, as their plans said.
#[must_use]
pub fn lasting(past: &PastRun) -> Vec<String> {
    let Ok(plan) = plan_of(past) else { return vec![] };
    let left = plan.steps.iter().filter(|planned| past.left().any(|step| step.id == planned.id));
    let lasting = left.filter(|planned| irreversible(past, &planned_step(past, planned)).is_some());
    lasting.map(|planned| planned.id.clone()).collect()
}

/// A check that a live release passed when it was deployed.
#[derive(Debug, Clone)]
pub enum Check {
    /// It can be made again.
    Ready(Box<PreparedStep>),
    /// The configuration has it no more, which somebody wanted so; and what to say of that.
    Gone(String),
    /// It is there, but cannot be made as it was: what it would prove is not proven.
    Refused {
        /// The step.
        id: String,
        /// Why.
        problem: Box<Problem>,
    },
}

impl Prepared {
    /// The checks that a live release passed when it was deployed.
    pub async fn checks(&self, live: &PastRun) -> Vec<Check> {
        let mut checks = Vec::new();
        let Ok(plan) = plan_of(live) else { return checks };
        let facts = Facts {
            subject: live.subject.clone(),
            holes: Holes {
                version: Some(live.subject.version.clone()),
                commit: Some(live.subject.commit.clone()),
                instance: self.facts.holes.instance.clone(),
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
            let step = self.steps.iter().find(|step| step.step.id.as_str() == *id);
            let other = self.others.iter().find(|(other, _)| other.step.id.as_str() == *id);
            let ready = match (step, other) {
                (Some(step), _) => as_it_was(&step.step, &step.plugin, &step.locked, &facts, &planned).await,
                (None, Some((other, Ok(locked)))) => {
                    as_it_was(&other.step, &other.plugin, locked, &facts, &planned).await
                }
                (None, Some((_, Err(problem)))) => Err(problem.clone()),
                (None, None) => {
                    checks.push(Check::Gone(format!(
                        "check `{id}` of run `{}` is not made again: there is no such step any more",
                        live.run
                    )));
                    continue;
                }
            };
            checks.push(match ready {
                Ok(step) => Check::Ready(Box::new(step)),
                Err(problem) => Check::Refused { id: id.clone(), problem: Box::new(not_made(live, id, problem)) },
            });
        }
        checks
    }
}

/// That nothing proves that what is live again works.
fn not_made(live: &PastRun, id: &str, problem: Problem) -> Problem {
    let what = format!("check `{id}` of run `{}` cannot be made again", live.run);
    let because = Problem::new(Code::RollbackUnproven, what).because(problem.what);
    problem.causes.into_iter().fold(because, Problem::because).with_hint(format!(
        "look yourself whether the release works, or check out commit `{}` and make the check there",
        live.subject.commit
    ))
}

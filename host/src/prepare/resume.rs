//! Going on with a run: what became of what was cut off, and what is planned again. As all of [`super`], this looks and
//! changes nothing.

use super::accept::accept_all;
use super::again::{outputs_of, plan_of, planned_step};
use super::resolve::Resolved;
use super::{Facts, Prepared, PreparedStep};
use crate::config::{Config, Hole, holes_in};
use crate::event::{Listener, Verdict, Witness};
use crate::history::{PastRun, PastStep};
use crate::lock::LockedSteps;
use crate::plan::PlannedStep;
use crate::plugin::{Answer, Function, Services};
use crate::policy::Usage;
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
    /// Why nobody knows, where nobody does.
    pub cause: Option<String>,
    /// What it used while it looked, and what it was denied.
    pub usages: Vec<Usage>,
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

/// Go on with a run: hold what is there now, and what a person says, against its plan. `facts.begun` is the run, `facts.subject`
/// what is checked out. [`Resumed::look`] comes next, once nothing is at work for the run any more.
///
/// # Errors
/// [`Code::PlanDrifted`] with each difference, [`Code::Usage`] where something is said of a step that was not cut off, and all
/// of [`super::prepare`].
pub async fn resume(
    config: &Config,
    resolved: Vec<Resolved>,
    locked: &LockedSteps,
    mut facts: Facts,
    services: Arc<Services>,
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
        resumed.is_settled(&past, settled).map_err(|problem| vec![problem])?;
    }
    Ok(resumed)
}

impl Resumed {
    /// Find out what became of what was cut off, and plan what is not done again.
    ///
    /// # Errors
    /// [`Code::StepUnknown`] where nobody can tell, and what a step says that cannot be planned.
    pub async fn look(&mut self, settled: &Settled, listener: &Arc<dyn Listener>) -> Result<(), Vec<Problem>> {
        // A run that is taken back is taken back further, whatever became of its steps.
        let Some(past) = self.prepared.facts.begun.clone().filter(|past| past.turned.is_none()) else { return Ok(()) };
        self.find_out(&past, settled, listener).await?;
        self.plan_again(&past, listener).await
    }

    /// Whether what a person says can be said.
    fn is_settled(&self, past: &PastRun, settled: &Settled) -> Result<(), Problem> {
        for id in settled.keys() {
            if !past.step(id).is_some_and(|step| step.is_cut_off() || step.said.is_some()) {
                return Err(Problem::new(Code::Usage, format!("step `{id}` of run `{}` was not cut off", past.run))
                    .because("only of a step that was cut off can be said what became of it")
                    .with_note("nothing was changed")
                    .with_hint("`windlass status` names the steps that were"));
            }
        }
        for (id, verdict) in settled {
            if *verdict == Verdict::Done && self.needs_outputs_of(id) {
                return Err(outputs_are_lost(past, id));
            }
        }
        Ok(())
    }

    /// What became of the steps that were cut off.
    async fn find_out(
        &mut self,
        past: &PastRun,
        settled: &Settled,
        listener: &Arc<dyn Listener>,
    ) -> Result<(), Vec<Problem>> {
        let mut unknown = Vec::new();
        for step in self.prepared.steps.clone() {
            // What was said of one before a process was cut off holds, unless a person says otherwise now.
            let asked = |step: &&PastStep| step.is_cut_off() || settled.contains_key(&step.id);
            let Some(cut) = past.step(step.step.id.as_str()).filter(asked) else { continue };
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
        let probed = |verdict, by, cause, usages| Probed {
            step: cut.id.clone(),
            attempt: cut.attempts,
            verdict,
            by,
            cause,
            usages,
        };
        if let Some(verdict) = settled.get(&cut.id) {
            return probed(*verdict, Witness::Person, None, Vec::new());
        }
        let (mut answer, mut usages) = self.prepared.probe(step, cut, listener).await;
        // What a server still holds for a client that was killed, it gives back once it has noticed.
        for _ in 0..PATIENCE {
            if !matches!(answer, Ok(Verdict::Unknown)) || step.step.idempotent || cut.records.is_empty() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            (answer, usages) = self.prepared.probe(step, cut, listener).await;
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
            return probed(Verdict::Partly, Witness::Config, None, usages);
        }
        probed(verdict, Witness::Plugin, cause, usages)
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
                    let said = self.said(past, id);
                    let partly = matches!(said, Some((Verdict::Partly, _)));
                    if planned.intents.is_empty() && (partly || self.is_for_outputs(id, said)) {
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

    /// What was said of a step that was cut off, now or by a process that came to nothing since.
    fn said(&self, past: &PastRun, id: &str) -> Option<(Verdict, Witness)> {
        let now = self.probed.iter().find(|probed| probed.step == id).map(|probed| (probed.verdict, probed.by));
        now.or_else(|| past.step(id)?.said)
    }

    /// Whether a step is done again for what it puts out, because a person said so: it may be done, as far as its plugin sees.
    fn is_for_outputs(&self, id: &str, said: Option<(Verdict, Witness)>) -> bool {
        said == Some((Verdict::NotDone, Witness::Person)) && self.needs_outputs_of(id)
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
    ) -> (Result<Verdict, Problem>, Vec<Usage>) {
        let records: Vec<String> = cut.records.iter().map(|record| record.text().to_owned()).collect();
        let config = step.config.as_deref().unwrap_or("{}");
        let (answer, usages) = self.ask(step, Function::Probe, config, &records, listener).await;
        let verdict = answer.and_then(|answer| match answer {
            Answer::Verdict(verdict) => Ok(verdict),
            _ => Err(Problem::new(Code::Bug, "`probe` was answered with something else")),
        });
        (verdict, usages)
    }
}

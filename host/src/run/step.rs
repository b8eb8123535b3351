//! One step: planned if it could not be before, tried as often as it says, and what came of each attempt written down.

use super::surroundings::Running;
use super::{Ended, Machine, id_of, milliseconds, step_planned, told_to_stop};
use crate::event::{Event, Finding, ReportItem, StepOutcome, Trouble};
use crate::plan::PlannedStep;
use crate::plugin::{Answer, Call, CallFailure, Function, Outcome, Stop};
use crate::policy::{Phase, Usage};
use crate::prepare::PreparedStep;
use crate::problem::{Code, Problem};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What came of one attempt.
enum Attempt {
    Done,
    Again,
    Failed(Problem),
    Cancelled,
}

impl Machine<'_> {
    /// One step: planned if it could not be before, skipped if it has nothing to do, tried as often as it says.
    pub(super) async fn step(&mut self, index: usize) -> Result<Ended, Problem> {
        let mut step = self.prepared.steps[index].clone();
        let mut planned = self.prepared.plan.steps[index].clone();
        if planned.deferred {
            let cancellation = self.cancellation.clone();
            let result = tokio::select! {
                result = self.plan_deferred(&mut step, &mut planned) => result,
                () = told_to_stop(&cancellation, 1) => return Ok(Ended::Cancelled),
            };
            if let Err(problem) = result {
                let attempt = self.result_of(&step).attempts + 1;
                self.fail(&step, attempt, &problem, (Vec::new(), Vec::new()), Duration::ZERO, false)?;
                return Ok(Ended::Badly(problem));
            }
            self.prepared.steps[index] = step.clone();
        }
        if planned.intents.is_empty() && !self.options.force {
            self.recorder.record(&Event::StepSkipped { step: step.step.id.as_str().to_owned() })?;
            self.conclude(&step, StepOutcome::Skipped, 0, Duration::ZERO);
            return Ok(Ended::Well);
        }
        let changes = self.note_effects(step.step.id.as_str(), &planned);
        let mut backoff = step.step.retry.backoff.get();
        // Each attempt has a number of its own, also where an earlier process made some: it is part of the effect's key.
        for attempt in self.result_of(&step).attempts + 1.. {
            let attempted = self.attempt(&step, attempt, changes, 1).await?;
            if changes {
                self.recorder.keep_soon();
            }
            match attempted {
                Attempt::Done => return Ok(Ended::Well),
                Attempt::Cancelled => return Ok(Ended::Cancelled),
                Attempt::Failed(problem) => return Ok(Ended::Badly(problem)),
                Attempt::Again => {
                    if !self.wait(backoff, 1).await {
                        let step_id = step.step.id.as_str().to_owned();
                        self.recorder.record(&Event::StepCancelled { step: step_id, attempt })?;
                        self.conclude(&step, StepOutcome::Cancelled, attempt, Duration::ZERO);
                        return Ok(Ended::Cancelled);
                    }
                    backoff = backoff.saturating_mul(2);
                }
            }
        }
        Ok(Ended::Well)
    }

    /// Plan a step whose outputs are there now.
    async fn plan_deferred(&mut self, step: &mut PreparedStep, planned: &mut PlannedStep) -> Result<(), Problem> {
        self.prepared.facts.holes.outputs = self.shared.outputs();
        step.fill_deferred(&self.prepared.facts).await?;
        let config = step.config.clone().unwrap_or_default();
        let (intents, usages) = self.prepared.intents(step, &config, self.recorder.listener()).await?;
        *planned = PlannedStep { intents, usages, ..step.without_intents(&self.prepared.facts.holes) };
        // Whoever takes it back later has to know what it was done with.
        self.recorder.record(&step_planned(planned))?;
        Ok(())
    }

    /// Wait before the next attempt. Whether the run goes on.
    async fn wait(&mut self, backoff: Duration, patience: u32) -> bool {
        let backoff = self.left().map_or(backoff, |left| backoff.min(left));
        tokio::select! {
            () = tokio::time::sleep(backoff) => true,
            () = told_to_stop(&self.cancellation, patience) => false,
        }
    }

    async fn attempt(
        &mut self,
        step: &PreparedStep,
        attempt: u32,
        changes: bool,
        patience: u32,
    ) -> Result<Attempt, Problem> {
        let id = step.step.id.as_str().to_owned();
        self.recorder.record(&Event::StepStarted { step: id.clone(), attempt })?;
        if changes {
            // Whoever kills a run that was told to stop does not wait for this.
            tokio::select! {
                () = self.recorder.keep() => {}
                () = told_to_stop(&self.cancellation, patience) => {}
            }
        }
        self.begin(step, attempt);
        let started = Instant::now();
        let surroundings = Arc::new(Running::new(step, attempt, self.shared.clone(), self.recorder.clone()));
        let limits = step.limits(self.left());
        let (answer, usages) = step
            .plugin
            .call(Call {
                function: Function::Apply,
                config: step.config.as_deref().unwrap_or("{}"),
                records: &[],
                gate: step.gate(Phase::Apply),
                limits,
                surroundings: surroundings.clone(),
                services: self.prepared.services.clone(),
                stop: Stop::at(self.cancellation.clone(), patience),
            })
            .await;
        let took = started.elapsed();
        let failure = match answer {
            Ok(Answer::Outcome(outcome)) => {
                match self.succeed(step, attempt, outcome, &surroundings, usages.clone(), took, changes)? {
                    None => return Ok(Attempt::Done),
                    Some(problem) => CallFailure::Refused(problem),
                }
            }
            Ok(_) => CallFailure::Refused(Problem::new(Code::Bug, "`apply` was answered with something else")),
            Err(CallFailure::Refused(problem)) if problem.code.ends_run() => return Err(problem),
            Err(CallFailure::Stopped) => {
                self.recorder.record(&Event::StepCancelled { step: id, attempt })?;
                self.changed |= changes;
                self.conclude(step, StepOutcome::Cancelled, attempt, took);
                return Ok(Attempt::Cancelled);
            }
            Err(failure) => failure,
        };
        self.changed |= changes;
        let earlier = self.begun.as_deref().and_then(|run| run.step(&id_of(step))).map_or(0, |past| past.attempts);
        let again = attempt - earlier < step.step.retry.attempts && failure.may_pass() && !self.is_late();
        let hint =
            (matches!(failure, CallFailure::TimedOut(_)) && self.is_late()).then(|| self.lateness().hint).flatten();
        let mut problem =
            self.prepared.clean_problem(failure.into_problem(&step.plugin.locked_name(), Function::Apply.name()));
        problem.hint = hint.or(problem.hint);
        self.fail(step, attempt, &problem, (usages, surroundings.take_report()), took, again)?;
        Ok(if again { Attempt::Again } else { Attempt::Failed(problem) })
    }

    /// Take down a step's success. A problem where what it put out cannot be kept.
    #[expect(clippy::too_many_arguments, reason = "what an attempt came to, named one by one")]
    fn succeed(
        &mut self,
        step: &PreparedStep,
        attempt: u32,
        outcome: Outcome,
        surroundings: &Running,
        usages: Vec<Usage>,
        took: Duration,
        changed: bool,
    ) -> Result<Option<Problem>, Problem> {
        let redactor = &self.prepared.services.redactor;
        let id = step.step.id.as_str().to_owned();
        let mut outputs = BTreeMap::new();
        for (name, value) in outcome.outputs {
            if redactor.contains(&value) || redactor.contains(&name) {
                return Ok(Some(
                    Problem::new(Code::StepFailed, format!("the output `{name}` of step `{id}` contains a secret"))
                        .because("outputs are kept in the journal and shown to other steps")
                        .with_hint("this is a bug in the plugin: mend it, or report it to its author"),
                ));
            }
            outputs.insert(name, value);
        }
        let findings = outcome
            .findings
            .into_iter()
            .map(|finding| Finding {
                code: redactor.redact(&finding.code).into_owned(),
                message: redactor.redact(&finding.message).into_owned(),
                file: finding.file.map(|file| redactor.redact(&file).into_owned()),
                ..finding
            })
            .collect();
        self.shared.put_outputs(&id, &outputs);
        self.recorder.record(&Event::StepSucceeded {
            step: id,
            attempt,
            summary: redactor.redact(&outcome.summary).into_owned(),
            outputs,
            findings,
            report: surroundings.take_report(),
            usages,
            duration_ms: milliseconds(took),
            changed,
        })?;
        self.changed |= changed;
        self.conclude(step, StepOutcome::Succeeded, attempt, took);
        Ok(None)
    }

    fn fail(
        &mut self,
        step: &PreparedStep,
        attempt: u32,
        problem: &Problem,
        (usages, report): (Vec<Usage>, Vec<ReportItem>),
        took: Duration,
        again: bool,
    ) -> Result<(), Problem> {
        self.recorder.record(&Event::StepFailed {
            step: step.step.id.as_str().to_owned(),
            attempt,
            trouble: Box::new(Trouble::from(problem)),
            usages,
            report,
            duration_ms: milliseconds(took),
            again,
        })?;
        self.conclude(step, StepOutcome::Failed, attempt, took);
        Ok(())
    }

    /// The finally steps: whatever happened, and whatever comes of them is only noted.
    pub(super) async fn finally(&mut self) -> Result<(), Problem> {
        // Whoever cancelled the run wants it told; whoever cancels again wants it to end.
        let patience = *self.cancellation.borrow() + 1;
        for index in 0..self.prepared.finally.len() {
            let mut step = self.prepared.finally[index].clone();
            let id = step.step.id.as_str().to_owned();
            match self.begun.as_deref().and_then(|run| run.step(&id)) {
                Some(past) if past.is_done() => continue,
                Some(past) if past.is_cut_off() && !step.step.idempotent => {
                    let what = "was cut off, and is not run again: nobody knows how far it came";
                    self.recorder.note(&format!("finally step `{id}` {what}"))?;
                    continue;
                }
                _ => {}
            }
            if step.config.is_none() {
                self.prepared.facts.holes.outputs = self.shared.outputs();
                if let Err(problem) = step.fill_deferred(&self.prepared.facts).await {
                    self.recorder.note(&format!("finally step `{id}` was not run: {problem}"))?;
                    continue;
                }
            }
            // A finally step is no part of what can be rolled back, so its failure changes nothing.
            self.deadline = None;
            let mut backoff = step.step.retry.backoff.get();
            for attempt in self.result_of(&step).attempts + 1.. {
                match self.attempt(&step, attempt, false, patience).await? {
                    Attempt::Again => {
                        if !self.wait(backoff, patience).await {
                            break;
                        }
                        backoff = backoff.saturating_mul(2);
                    }
                    Attempt::Failed(problem) => {
                        self.recorder.note(&format!("finally step `{id}` failed, which changes nothing: {problem}"))?;
                        break;
                    }
                    Attempt::Done | Attempt::Cancelled => break,
                }
            }
        }
        Ok(())
    }
}

//! Taking back: what the steps recorded, newest first, beginning with the failing step's own.

use super::surroundings::Running;
use super::{Machine, milliseconds, told_to_stop};
use crate::config::OnCancel;
use crate::event::{Event, RunOutcome, StepOutcome, Trouble};
use crate::plugin::{Answer, Call, CallFailure, Function};
use crate::policy::{Phase, Usage};
use crate::prepare::PreparedStep;
use crate::problem::{Code, Problem};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What came of taking a step back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reverted {
    Wholly,
    /// It stays, as the plan said.
    Kept,
    Not,
}

impl Machine<'_> {
    /// A cancellation: take back what was done if the config says so.
    pub(super) async fn cancel(&mut self, last: usize) -> Result<RunOutcome, Problem> {
        if self.options.on_cancel == OnCancel::Rollback {
            match self.turn(last, None).await? {
                RunOutcome::RollbackFailed => return Ok(RunOutcome::RollbackFailed),
                _ => return Ok(RunOutcome::Cancelled),
            }
        }
        Ok(RunOutcome::Cancelled)
    }

    /// Take back what the steps up to `last` have recorded, newest first.
    pub(super) async fn turn(&mut self, last: usize, failed: Option<usize>) -> Result<RunOutcome, Problem> {
        let failed_id = failed.map(|index| self.prepared.steps[index].step.id.as_str().to_owned());
        let to_revert: Vec<usize> = (0..=last)
            .rev()
            .filter(|&index| self.shared.has_records(self.prepared.steps[index].step.id.as_str()))
            .collect();
        if to_revert.is_empty() {
            return Ok(RunOutcome::Failed);
        }
        self.recorder.record(&Event::RunTurned { step: failed_id })?;
        let mut ended = BTreeSet::new();
        for index in to_revert {
            let step = self.prepared.steps[index].clone();
            let reverted = self.revert(&step).await?;
            if reverted == Reverted::Kept {
                self.kept.push(step.step.id.as_str().to_owned());
            }
            ended.insert(reverted);
            if *self.cancellation.borrow() > 1 {
                self.recorder.note("a second signal cut the reverts short")?;
                return Ok(RunOutcome::RollbackFailed);
            }
        }
        Ok(if ended.contains(&Reverted::Not) {
            RunOutcome::RollbackFailed
        } else if ended.contains(&Reverted::Wholly) {
            RunOutcome::RolledBack
        } else {
            RunOutcome::Failed
        })
    }

    async fn revert(&mut self, step: &PreparedStep) -> Result<Reverted, Problem> {
        let id = step.step.id.as_str().to_owned();
        self.recorder.record(&Event::RevertStarted { step: id.clone() })?;
        let before = self.result_of(step).outcome;
        self.begin(step, 0);
        let started = Instant::now();
        let records = self.shared.records(&id);
        let surroundings = Arc::new(Running::new(step, 1, self.shared.clone(), self.recorder.clone()));
        // The deadline of the run is no deadline for taking it back.
        let call = step.plugin.call(Call {
            function: Function::Revert,
            config: step.config.as_deref().unwrap_or("{}"),
            records: &records,
            gate: step.gate(Phase::Revert),
            limits: step.limits(None),
            surroundings,
            services: self.prepared.services.clone(),
        });
        let mut cancellation = self.cancellation.clone();
        let (answer, usages) = tokio::select! {
            answer = call => answer,
            () = told_to_stop(&mut cancellation, 2) => {
                let problem = Problem::new(Code::Cancelled, format!("taking back step `{id}` was cut short by a second signal"));
                return self.revert_failed(step, &problem, Vec::new(), started.elapsed());
            }
        };
        let took = started.elapsed();
        match answer {
            Ok(Answer::Outcome(outcome)) => {
                let summary = self.prepared.services.redactor.redact(&outcome.summary).into_owned();
                // The plan said that it cannot be taken back, so nobody may say that it was.
                if self.lasting.contains(&id) {
                    self.recorder.record(&Event::StepKept { step: id, summary })?;
                    self.conclude(step, before, 0, took);
                    return Ok(Reverted::Kept);
                }
                self.recorder.record(&Event::StepReverted {
                    step: id,
                    summary,
                    usages,
                    duration_ms: milliseconds(took),
                })?;
                self.conclude(step, StepOutcome::Reverted, 0, took);
                Ok(Reverted::Wholly)
            }
            Ok(_) => {
                let problem = Problem::new(Code::Bug, "`revert` was answered with something else");
                self.revert_failed(step, &problem, usages, took)
            }
            Err(CallFailure::Refused(problem)) if problem.code == Code::JournalUnwritable => Err(problem),
            Err(failure) => {
                let problem = failure.into_problem(&step.plugin.locked_name(), Function::Revert.name());
                let problem = self.prepared.clean_problem(problem);
                self.revert_failed(step, &problem, usages, took)
            }
        }
    }

    fn revert_failed(
        &mut self,
        step: &PreparedStep,
        problem: &Problem,
        usages: Vec<Usage>,
        took: Duration,
    ) -> Result<Reverted, Problem> {
        self.recorder.record(&Event::RevertFailed {
            step: step.step.id.as_str().to_owned(),
            trouble: Trouble::from(problem),
            usages,
            duration_ms: milliseconds(took),
        })?;
        self.conclude(step, StepOutcome::RevertFailed, 0, took);
        Ok(Reverted::Not)
    }
}

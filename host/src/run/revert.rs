//! Taking back: what the steps recorded, newest first, beginning with the failing step's own.

use super::surroundings::Running;
use super::{Machine, milliseconds, told_to_stop};
use crate::config::OnCancel;
use crate::event::{Event, ReportItem, RunOutcome, StepOutcome, Trouble};
use crate::history::Turned;
use crate::plugin::{Answer, Call, CallFailure, Function, Stop};
use crate::policy::{Phase, Usage};
use crate::prepare::PreparedStep;
use crate::problem::{Code, Problem};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a call used, was denied, and put into the report.
type Told = (Vec<Usage>, Vec<ReportItem>);

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
        // Where it was begun elsewhere, where `on_cancel` said so, it is ended here.
        let turned = self.begun.as_deref().is_some_and(|run| run.turned.is_some());
        if turned || self.options.on_cancel == OnCancel::Rollback {
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
        let to_revert = self.to_revert(last, &[]);
        let turned = self.begun.as_deref().is_some_and(|run| run.turned.is_some());
        if to_revert.is_empty() && !turned {
            return Ok(RunOutcome::Failed);
        }
        if !turned {
            self.recorder.record(&Event::RunTurned { step: failed_id })?;
        }
        let ended = self.revert_all(to_revert).await?;
        Ok(if ended.contains(&Reverted::Not) {
            RunOutcome::RollbackFailed
        } else if ended.contains(&Reverted::Wholly) || self.has_reverted() {
            RunOutcome::RolledBack
        } else {
            RunOutcome::Failed
        })
    }

    /// Take back all that the run has recorded, because somebody asked for it.
    pub(super) async fn take_back(&mut self) -> Result<RunOutcome, Problem> {
        let keep = match self.begun.as_deref().and_then(|run| run.turned.as_ref()) {
            Some(Turned::Asked { keep, .. }) => keep.clone(),
            _ => Vec::new(),
        };
        let last = self.prepared.steps.len().saturating_sub(1);
        let to_revert = self.to_revert(last, &keep);
        // Also of a step that is no longer there: nobody is to be asked about it again.
        let left: Vec<_> =
            self.begun.iter().flat_map(|run| run.left()).map(|step| (step.id.clone(), step.outcome)).collect();
        for (step, outcome) in left.into_iter().filter(|(id, _)| keep.contains(id)) {
            self.recorder.record(&Event::StepKept {
                step: step.clone(),
                outcome,
                summary: "it was to be kept".to_owned(),
            })?;
            self.kept.push(step);
        }
        let ended = self.revert_all(to_revert).await?;
        Ok(if ended.contains(&Reverted::Not) { RunOutcome::RollbackFailed } else { RunOutcome::RolledBack })
    }

    /// The steps up to `last` with something to take back, newest first.
    fn to_revert(&self, last: usize, keep: &[String]) -> Vec<usize> {
        let left = |step: &PreparedStep| {
            let id = step.step.id.as_str();
            self.shared.has_records(id)
                && self.result_of(step).outcome != StepOutcome::Reverted
                && !self.kept.iter().chain(keep).any(|kept| kept == id)
        };
        self.prepared
            .steps
            .iter()
            .enumerate()
            .take(last + 1)
            .rev()
            .filter(|(_, step)| left(step))
            .map(|(index, _)| index)
            .collect()
    }

    /// Whether any step was taken back.
    pub(super) fn has_reverted(&self) -> bool {
        self.results.values().any(|result| result.outcome == StepOutcome::Reverted)
    }

    async fn revert_all(&mut self, to_revert: Vec<usize>) -> Result<BTreeSet<Reverted>, Problem> {
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
                ended.insert(Reverted::Not);
                break;
            }
        }
        Ok(ended)
    }

    /// A call that is a part of taking back, with what it used, was denied, and put into the report.
    pub(super) async fn call_back(
        &self,
        step: &PreparedStep,
        function: Function,
        records: &[String],
    ) -> (Result<Answer, CallFailure>, Told) {
        let surroundings = Arc::new(Running::new(step, 1, self.shared.clone(), self.recorder.clone()));
        let (answer, usages) = step
            .plugin
            .call(Call {
                function,
                config: step.config.as_deref().unwrap_or("{}"),
                records,
                gate: step.gate(Phase::Revert),
                // The deadline of the run is no deadline for taking it back.
                limits: step.limits(None),
                surroundings: surroundings.clone(),
                services: self.prepared.services.clone(),
                // The first signal is what began this.
                stop: Stop::at(self.cancellation.clone(), 2),
            })
            .await;
        (answer, (usages, surroundings.take_report()))
    }

    async fn revert(&mut self, step: &PreparedStep) -> Result<Reverted, Problem> {
        let id = step.step.id.as_str().to_owned();
        self.recorder.record(&Event::RevertStarted { step: id.clone() })?;
        tokio::select! {
            () = self.recorder.keep() => {}
            () = told_to_stop(&self.cancellation, *self.cancellation.borrow() + 1) => {}
        }
        let before = self.result_of(step).outcome;
        self.begin(step, 0);
        let started = Instant::now();
        let records = self.shared.records(&id);
        let (answer, told) = self.call_back(step, Function::Revert, &records).await;
        let took = started.elapsed();
        match answer {
            Ok(Answer::Outcome(outcome)) => {
                let summary = self.prepared.services.redactor.redact(&outcome.summary).into_owned();
                // The plan said that it cannot be taken back, so nobody may say that it was.
                if self.lasting.contains(&id) {
                    let summary = format!("it cannot be taken back, as its plan said; {summary}");
                    self.recorder.record(&Event::StepKept { step: id, outcome: before, summary })?;
                    self.conclude(step, before, 0, took);
                    return Ok(Reverted::Kept);
                }
                let (usages, report) = told;
                self.recorder.record(&Event::StepReverted {
                    step: id,
                    summary,
                    report,
                    usages,
                    duration_ms: milliseconds(took),
                })?;
                self.conclude(step, StepOutcome::Reverted, 0, took);
                Ok(Reverted::Wholly)
            }
            Ok(_) => {
                let problem = Problem::new(Code::Bug, "`revert` was answered with something else");
                self.revert_failed(step, &problem, told, took)
            }
            Err(CallFailure::Refused(problem)) if problem.code.ends_run() => Err(problem),
            Err(CallFailure::Stopped) => {
                let problem =
                    Problem::new(Code::Cancelled, format!("taking back step `{id}` was cut short by a second signal"));
                self.revert_failed(step, &problem, told, took)
            }
            Err(failure) => {
                let problem = failure.into_problem(&step.plugin.locked_name(), Function::Revert.name());
                let problem = self.prepared.clean_problem(problem);
                self.revert_failed(step, &problem, told, took)
            }
        }
    }

    fn revert_failed(
        &mut self,
        step: &PreparedStep,
        problem: &Problem,
        (usages, report): Told,
        took: Duration,
    ) -> Result<Reverted, Problem> {
        self.recorder.record(&Event::RevertFailed {
            step: step.step.id.as_str().to_owned(),
            trouble: Box::new(Trouble::from(problem)),
            report,
            usages,
            duration_ms: milliseconds(took),
        })?;
        self.conclude(step, StepOutcome::RevertFailed, 0, took);
        self.unreverted.get_or_insert_with(|| problem.clone());
        Ok(Reverted::Not)
    }
}

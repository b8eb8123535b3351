//! After taking back: is the release that is live again as it must be? The checks are those that it passed when it was
//! deployed, with the configuration of then.

use super::{Machine, milliseconds};
use crate::event::{Event, RunOutcome, Trouble};
use crate::plugin::{Answer, CallFailure, Function};
use crate::prepare::{Check, PreparedStep};
use crate::problem::{Code, Problem};
use std::time::Instant;

impl Machine<'_> {
    /// What comes of a run once what is live again is checked. Only where something was taken back, and all that should be.
    pub(super) async fn check_again(&mut self, outcome: RunOutcome) -> Result<RunOutcome, Problem> {
        let taken_back = match outcome {
            RunOutcome::RolledBack => true,
            RunOutcome::Cancelled => self.has_reverted(),
            _ => false,
        };
        let Some(live) = self.prepared.facts.live.clone().filter(|_| taken_back && !self.options.others_follow) else {
            return Ok(outcome);
        };
        if *self.cancellation.borrow() > 1 {
            self.recorder.note("a second signal came before the release that is live again was checked")?;
            return Ok(outcome);
        }
        for check in self.prepared.checks(&live).await {
            let problem = match check {
                Check::Ready(check) => self.check(&check).await?,
                Check::Gone(note) => {
                    self.recorder.note(&note)?;
                    None
                }
                Check::Refused { id: step, problem } => {
                    let trouble = Box::new(Trouble::from(&*problem));
                    self.recorder.record(&Event::CheckFailed {
                        step,
                        trouble,
                        report: vec![],
                        usages: vec![],
                        duration_ms: 0,
                    })?;
                    Some(*problem)
                }
            };
            if let Some(problem) = problem {
                self.unproven.get_or_insert(problem);
            }
        }
        // A failing check never hides what began it: that stays the run's problem.
        Ok(if self.unproven.is_some() { RunOutcome::RollbackFailed } else { outcome })
    }

    /// One check; why it failed, where it did.
    async fn check(&mut self, check: &PreparedStep) -> Result<Option<Problem>, Problem> {
        let id = check.step.id.as_str().to_owned();
        self.recorder.record(&Event::CheckStarted { step: id.clone() })?;
        let started = Instant::now();
        // It is a part of taking back, and has what is granted for that.
        let (answer, (usages, report)) = self.call_back(check, Function::Apply, &[]).await;
        let duration_ms = milliseconds(started.elapsed());
        let problem = match answer {
            Ok(Answer::Outcome(outcome)) => {
                let summary = self.prepared.services.redactor.redact(&outcome.summary).into_owned();
                self.recorder.record(&Event::CheckPassed { step: id, summary, report, usages, duration_ms })?;
                return Ok(None);
            }
            Ok(_) => Problem::new(Code::Bug, "`apply` was answered with something else"),
            Err(CallFailure::Refused(problem)) if problem.code.ends_run() => return Err(problem),
            Err(CallFailure::Stopped) => {
                Problem::new(Code::Cancelled, format!("check `{id}` was cut short by a second signal"))
            }
            Err(failure) => {
                self.prepared.clean_problem(failure.into_problem(&check.plugin.locked_name(), Function::Apply.name()))
            }
        };
        self.recorder.record(&Event::CheckFailed {
            step: id,
            trouble: Box::new(Trouble::from(&problem)),
            report,
            usages,
            duration_ms,
        })?;
        Ok(Some(problem))
    }
}

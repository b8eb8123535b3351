//! The steps, one after the other, until all are done or the run has to turn: where it goes from there.

use super::{Ended, Machine};
use crate::config::OnFailure;
use crate::event::{StepOutcome, Trouble};
use crate::history::Turned;
use crate::problem::Problem;

/// Where a run is going once its steps are no longer taken one after the other.
pub(super) enum Course {
    /// All were done, or failed and do not matter.
    Through(Option<Problem>),
    /// Something went wrong.
    Failed {
        /// The last step that may have done something.
        last: usize,
        /// The one that failed.
        failed: Option<usize>,
        problem: Problem,
        /// Whether what was done is to stay.
        stay: bool,
    },
    /// Somebody told it to stop, at or before this step.
    Cancelled(usize),
    /// Somebody wants it taken back.
    Back,
}

impl Machine<'_> {
    /// Take the steps one after the other, from where the run has come, until all are done or it has to turn.
    pub(super) async fn course(&mut self) -> Result<Course, Problem> {
        if let Some(course) = self.turned_before() {
            return Ok(course);
        }
        let mut tolerated: Option<Problem> = None;
        for index in 0..self.prepared.steps.len() {
            let past = self.begun.as_deref().and_then(|run| run.step(self.prepared.steps[index].step.id.as_str()));
            let on_failure = self.prepared.steps[index].step.on_failure;
            match past.map(|step| (step.outcome, step.again, step.trouble.as_ref())) {
                Some((StepOutcome::Succeeded | StepOutcome::Skipped, ..)) => continue,
                // It was cut off after the failure and before what follows on it.
                Some((StepOutcome::Failed, false, Some(trouble))) if on_failure != OnFailure::Stop => {
                    let problem = trouble.problem();
                    if on_failure == OnFailure::Rollback {
                        return Ok(Course::Failed { last: index, failed: Some(index), problem, stay: false });
                    }
                    tolerated.get_or_insert(problem);
                    continue;
                }
                _ => {}
            }
            if self.is_cancelled() {
                return Ok(Course::Cancelled(index));
            }
            if self.is_late() {
                return Ok(Course::Failed { last: index, failed: None, problem: self.lateness(), stay: false });
            }
            match self.step(index).await? {
                Ended::Well => {}
                Ended::Cancelled => return Ok(Course::Cancelled(index)),
                Ended::Badly(problem) => {
                    // There is nothing to go on with once the run's own time is over.
                    if on_failure == OnFailure::Continue && !self.is_late() {
                        tolerated.get_or_insert(problem);
                        continue;
                    }
                    let stay = on_failure == OnFailure::Stop;
                    return Ok(Course::Failed { last: index, failed: Some(index), problem, stay });
                }
            }
        }
        Ok(Course::Through(tolerated))
    }

    /// The way of a run that had turned round before this process goes on with it.
    fn turned_before(&self) -> Option<Course> {
        let begun = self.begun.as_deref()?;
        let last = self.prepared.steps.len().saturating_sub(1);
        match begun.turned.as_ref()? {
            Turned::Asked { .. } => Some(Course::Back),
            Turned::Cancellation => Some(Course::Cancelled(last)),
            Turned::Failure(step) => {
                let index = |id: &String| self.prepared.steps.iter().position(|step| step.step.id.as_str() == id);
                let problem = begun.problem.as_ref().map_or_else(|| self.lateness(), Trouble::problem);
                Some(Course::Failed { last, failed: step.as_ref().and_then(index), problem, stay: false })
            }
        }
    }
}

//! The run: one state machine from a prepared plan to an outcome.
//!
//! Before each effect an event goes into the journal and is synced; after it, another. A failure, a cancellation or the
//! deadline turns the machine round; then what was done is taken back from the records, newest first, beginning with the
//! failing step's own, and the checks of the release that is live again are made. The finally steps come last, once effects
//! have begun. Whoever listens is told of every event and changes nothing.
//!
//! A run that was cut off goes on by the same machine: its journal says how far it has come.

mod check;
mod course;
mod recorder;
mod revert;
mod step;
mod surroundings;

pub use recorder::{Guard, Keep, Recorder};

use crate::config::OnCancel;
use crate::event::{Event, RunOutcome, StepOutcome};
use crate::history::{PastRun, PastStep, Turned};
use crate::plan::PlannedStep;
use crate::plugin::Effect;
use crate::prepare::{Prepared, PreparedStep};
use crate::problem::{Code, Problem};
use course::Course;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use surroundings::Shared;
use tokio::sync::watch;

/// How a run is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Run steps that have nothing to do, too.
    pub force: bool,
    /// What a cancellation does.
    pub on_cancel: OnCancel,
    /// How long the whole run may take, counted from when this process goes on with it.
    pub timeout: Option<Duration>,
    /// Whether the checks of what is live again, and the finally steps, are left to the run that is taken back after this one.
    pub others_follow: bool,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepResult {
    /// Its id.
    pub id: String,
    /// Its plugin's name.
    pub plugin: String,
    /// What came of it.
    pub outcome: StepOutcome,
    /// How often it was tried.
    pub attempts: u32,
    /// How long it took, all in all.
    pub duration: Duration,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct RunResult {
    /// What came of it.
    pub outcome: RunOutcome,
    /// The stable word for why, where it did not succeed or something is to be known.
    pub reason: Option<Code>,
    /// The problem that began it.
    pub problem: Option<Problem>,
    /// Whether anything was changed.
    pub changed: bool,
    /// Whether somebody asked for it to be taken back, so that this is no failure.
    pub asked: bool,
    /// The steps whose work stays after a failure, because it cannot be taken back.
    pub kept: Vec<String>,
    /// The steps in order, finally steps last.
    pub steps: Vec<StepResult>,
}

/// How often the run was told to stop.
pub type Cancellation = watch::Receiver<u32>;

struct Machine<'a> {
    prepared: Prepared,
    options: &'a Options,
    recorder: Arc<Recorder>,
    shared: Arc<Shared>,
    cancellation: Cancellation,
    deadline: Option<Instant>,
    results: BTreeMap<String, StepResult>,
    effects: bool,
    changed: bool,
    lasting: BTreeSet<String>,
    kept: Vec<String>,
    begun: Option<Arc<PastRun>>,
    /// Why the first step that could not be taken back could not.
    unreverted: Option<Problem>,
    /// Why it is not proven that the release that is live again works.
    unproven: Option<Problem>,
}

/// How a step ended.
enum Ended {
    Well,
    /// With what the run does about it.
    Badly(Problem),
    Cancelled,
}

/// Run a prepared plan to its end: from its beginning, or from where `prepared.facts.begun` has come.
///
/// A journal that cannot be written and a lease that is lost end it before its next effect, wherever it is:
/// [`Code::JournalUnwritable`] or [`Code::LeaseLost`] is its reason.
pub async fn run(
    prepared: Prepared,
    options: &Options,
    run: &str,
    recorder: Arc<Recorder>,
    cancellation: Cancellation,
) -> RunResult {
    let begun = prepared.facts.begun.clone();
    let mut deployment = prepared.deployment();
    deployment.run = run.to_owned();
    deployment.steps = prepared.states();
    let started = Instant::now();
    let (written, told) = watch::channel(0);
    let mut machine = Machine {
        shared: Arc::new(Shared::new(deployment, begun.as_deref())),
        options,
        recorder: recorder.clone(),
        cancellation: told,
        deadline: options.timeout.map(|timeout| started + timeout),
        results: BTreeMap::new(),
        effects: false,
        changed: false,
        lasting: BTreeSet::new(),
        kept: Vec::new(),
        unreverted: None,
        unproven: None,
        begun,
        prepared,
    };
    machine.remember();
    let result = tokio::select! {
        biased;
        problem = write_down_signals(cancellation, &recorder, &written) => Err(problem),
        result = machine.run() => result,
    };
    let result = match result {
        Ok(result) => result,
        Err(problem) => return machine.stopped(problem, started),
    };
    match machine.finish(&result, started) {
        Ok(()) => result,
        Err(problem) => machine.stopped(problem, started),
    }
}

/// The journal has a cancellation as soon as there is one, whatever is being waited for, and before anything comes of it: the
/// machine is told once it is written down. Ends only where it cannot be.
async fn write_down_signals(cancellation: Cancellation, recorder: &Recorder, written: &watch::Sender<u32>) -> Problem {
    for times in 1.. {
        told_to_stop(&cancellation, times).await;
        if let Err(problem) = recorder.record(&Event::RunCancelled { times }) {
            return problem;
        }
        written.send_replace(times);
    }
    std::future::pending().await
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Machine<'_> {
    /// Take over what the journal says of a run that was begun before.
    fn remember(&mut self) {
        let Some(begun) = self.begun.clone() else { return };
        self.changed = begun.changed;
        for (step, planned) in self.prepared.steps.clone().iter().zip(self.prepared.plan.steps.clone()) {
            let id = step.step.id.as_str();
            let Some(past) = begun.step(id) else { continue };
            if past.attempts > 0 {
                self.note_effects(id, &planned);
            }
            self.recall(step, past);
        }
        for step in self.prepared.finally.clone() {
            if let Some(past) = begun.step(step.step.id.as_str()) {
                self.recall(&step, past);
            }
        }
    }

    fn recall(&mut self, step: &PreparedStep, past: &PastStep) {
        let result = StepResult {
            outcome: past.outcome,
            attempts: past.attempts,
            duration: Duration::from_millis(past.duration_ms),
            ..self.result_of(step)
        };
        if past.kept {
            self.kept.push(result.id.clone());
        }
        self.results.insert(result.id.clone(), result);
    }

    /// Remember what the plan of a step says of its effects, now that it has some. Whether it changes anything.
    fn note_effects(&mut self, id: &str, planned: &PlannedStep) -> bool {
        let changes = planned.intents.iter().any(|intent| !intent.effect.looks_only()) || planned.intents.is_empty();
        self.effects |= changes;
        // A step that is forced said nothing of what it does, so nothing of whether that stays.
        if !planned.intents.is_empty()
            && !planned.intents.iter().any(|intent| matches!(intent.effect, Effect::Changes | Effect::Unknown))
        {
            self.lasting.insert(id.to_owned());
        }
        changes
    }

    async fn run(&mut self) -> Result<RunResult, Problem> {
        let course = self.course().await?;
        let (outcome, problem) = match course {
            Course::Through(tolerated) => (RunOutcome::Succeeded, tolerated),
            Course::Cancelled(last) => {
                let outcome = self.cancel(last).await?;
                let code = if self.is_left(last) { Code::CancelledUnfinished } else { Code::Cancelled };
                (outcome, Some(Problem::new(code, "the run was cancelled")))
            }
            Course::Failed { problem, stay: true, .. } => (RunOutcome::Failed, Some(problem)),
            Course::Failed { last, failed, problem, stay: false } => (self.turn(last, failed).await?, Some(problem)),
            Course::Back => {
                let outcome = self.take_back().await?;
                (outcome, self.unreverted.clone())
            }
        };
        let outcome = self.check_again(outcome).await?;
        let problem = problem.or_else(|| self.unproven.clone());
        self.shared.finish(outcome, problem.as_ref().map(|problem| problem.what.clone()));
        if self.effects && !self.options.others_follow {
            self.finally().await?;
        }
        let reason = match outcome {
            RunOutcome::RollbackFailed if self.unreverted.is_some() => Some(Code::RevertFailed),
            RunOutcome::RollbackFailed if self.unproven.is_some() => Some(Code::RollbackUnproven),
            RunOutcome::RollbackFailed => Some(Code::RevertFailed),
            _ => problem.as_ref().map(|problem| problem.code),
        };
        let kept = std::mem::take(&mut self.kept);
        Ok(RunResult {
            outcome,
            reason,
            problem,
            changed: self.changed,
            asked: self.is_asked(),
            kept,
            steps: self.results(),
        })
    }

    /// Take down how the run ended.
    fn finish(&self, result: &RunResult, started: Instant) -> Result<(), Problem> {
        self.recorder.record(&Event::RunFinished {
            outcome: result.outcome,
            reason: result.reason.map(|code| code.word().to_owned()),
            changed: result.changed,
            duration_ms: milliseconds(started.elapsed()),
        })
    }

    /// What is known where the run cannot go on: nothing can be written down any more, or another one may be at work.
    fn stopped(&self, problem: Problem, started: Instant) -> RunResult {
        let result = RunResult {
            outcome: RunOutcome::Failed,
            reason: Some(problem.code),
            changed: self.changed,
            asked: self.is_asked(),
            kept: self.kept.clone(),
            steps: self.results(),
            problem: Some(problem),
        };
        // Where it can be written down, it is; where not, there is nothing more to be done about that.
        let _ = self.finish(&result, started);
        result
    }

    /// Whether somebody asked for what was done to be taken back.
    fn is_asked(&self) -> bool {
        matches!(self.begun.as_deref().and_then(|run| run.turned.as_ref()), Some(Turned::Asked { .. }))
    }

    fn results(&self) -> Vec<StepResult> {
        self.prepared.steps.iter().chain(&self.prepared.finally).map(|step| self.result_of(step)).collect()
    }

    /// Whether anything that the steps up to `last` have recorded was not taken back.
    fn is_left(&self, last: usize) -> bool {
        self.prepared.steps.iter().take(last + 1).any(|step| {
            self.shared.has_records(step.step.id.as_str()) && self.result_of(step).outcome != StepOutcome::Reverted
        })
    }

    /// Take down that nobody knows what comes of a step until its end is written down.
    fn begin(&mut self, step: &PreparedStep, attempt: u32) {
        let mut result = self.result_of(step);
        result.outcome = StepOutcome::Unknown;
        result.attempts = result.attempts.max(attempt);
        self.results.insert(result.id.clone(), result);
    }

    fn result_of(&self, step: &PreparedStep) -> StepResult {
        let id = step.step.id.as_str();
        self.results.get(id).cloned().unwrap_or_else(|| StepResult {
            id: id.to_owned(),
            plugin: step.plugin.name().to_owned(),
            outcome: StepOutcome::NotRun,
            attempts: 0,
            duration: Duration::ZERO,
        })
    }

    fn conclude(&mut self, step: &PreparedStep, outcome: StepOutcome, attempts: u32, took: Duration) {
        let mut result = self.result_of(step);
        result.outcome = outcome;
        result.attempts = result.attempts.max(attempts);
        result.duration += took;
        self.shared.conclude(&result.id, outcome);
        self.results.insert(result.id.clone(), result);
    }

    fn is_cancelled(&self) -> bool {
        *self.cancellation.borrow() > 0
    }

    /// Whether the run's own time is over.
    fn is_late(&self) -> bool {
        self.left() == Some(Duration::ZERO)
    }

    fn lateness(&self) -> Problem {
        let limit = crate::words::span(self.options.timeout.unwrap_or_default());
        Problem::new(Code::StepTimedOut, format!("the run did not end within its `timeout` of {limit}"))
            .because("the steps before took that long")
            .with_hint("give the run a longer `timeout`, at the top of `deploy.toml`, if it needs one")
    }

    fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

fn id_of(step: &PreparedStep) -> String {
    step.step.id.as_str().to_owned()
}

/// That a step was planned while the run is under way.
#[must_use]
pub fn step_planned(planned: &PlannedStep) -> Event {
    let value = serde_json::to_value(planned).unwrap_or_default();
    Event::StepPlanned { step: planned.id.clone(), planned: (&value).into() }
}

/// Ends when the run has been told to stop so many times.
pub async fn told_to_stop(cancellation: &Cancellation, times: u32) {
    if cancellation.clone().wait_for(|told| *told >= times).await.is_err() {
        // Nobody is left who could tell.
        std::future::pending::<()>().await;
    }
}

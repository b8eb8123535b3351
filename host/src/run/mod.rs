//! The run: one state machine from a prepared plan to an outcome.
//!
//! Before each effect an event goes into the journal and is synced; after it, another. A failure, a cancellation or the
//! deadline turns the machine round; then what was done is taken back from the records, newest first, beginning with the
//! failing step's own, and the checks of the release that is live again are made. The finally steps come last, once effects
//! have begun. Whoever listens is told of every event and changes nothing.
//!
//! A run that was cut off goes on by the same machine: its journal says how far it has come.

mod check;
mod recorder;
mod revert;
mod surroundings;

pub use recorder::{Guard, Recorder};

use crate::config::{OnCancel, OnFailure};
use crate::event::{Event, Finding, ReportItem, RunOutcome, StepOutcome, Trouble};
use crate::history::{PastRun, PastStep, Turned};
use crate::plan::PlannedStep;
use crate::plugin::{Answer, Call, CallFailure, Effect, Function, Outcome, Stop};
use crate::policy::{Phase, Usage};
use crate::prepare::{Prepared, PreparedStep};
use crate::problem::{Code, Problem};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use surroundings::{Running, Shared};
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
    /// Why the release that is live again is not as it must be.
    unproven: Option<Problem>,
}

/// Where a run is going once its steps are no longer taken one after the other.
enum Course {
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
async fn write_down_signals(
    mut cancellation: Cancellation,
    recorder: &Recorder,
    written: &watch::Sender<u32>,
) -> Problem {
    for times in 1.. {
        told_to_stop(&mut cancellation, times).await;
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
        Ok(RunResult { outcome, reason, problem, changed: self.changed, kept, steps: self.results() })
    }

    /// Take the steps one after the other, from where the run has come, until all are done or it has to turn.
    async fn course(&mut self) -> Result<Course, Problem> {
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
            kept: self.kept.clone(),
            steps: self.results(),
            problem: Some(problem),
        };
        // Where it can be written down, it is; where not, there is nothing more to be done about that.
        let _ = self.finish(&result, started);
        result
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

    /// One step: planned if it could not be before, skipped if it has nothing to do, tried as often as it says.
    async fn step(&mut self, index: usize) -> Result<Ended, Problem> {
        let mut step = self.prepared.steps[index].clone();
        let mut planned = self.prepared.plan.steps[index].clone();
        if planned.deferred {
            let mut cancellation = self.cancellation.clone();
            let result = tokio::select! {
                result = self.plan_deferred(&mut step, &mut planned) => result,
                () = told_to_stop(&mut cancellation, 1) => return Ok(Ended::Cancelled),
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
            match self.attempt(&step, attempt, changes, 1).await? {
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
        planned.intents = self.prepared.intents(step, &config, self.recorder.listener()).await?;
        *planned = PlannedStep { intents: planned.intents.clone(), ..step.without_intents(&self.prepared.facts.holes) };
        // Whoever takes it back later has to know what it was done with.
        self.recorder.record(&step_planned(planned))?;
        Ok(())
    }

    /// Wait before the next attempt. Whether the run goes on.
    async fn wait(&mut self, backoff: Duration, patience: u32) -> bool {
        let backoff = self.left().map_or(backoff, |left| backoff.min(left));
        tokio::select! {
            () = tokio::time::sleep(backoff) => true,
            () = told_to_stop(&mut self.cancellation, patience) => false,
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
                        .with_hint("this is a bug in the plugin: report it to its author"),
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
            trouble: Trouble::from(problem),
            usages,
            report,
            duration_ms: milliseconds(took),
            again,
        })?;
        self.conclude(step, StepOutcome::Failed, attempt, took);
        Ok(())
    }

    /// The finally steps: whatever happened, and whatever comes of them is only noted.
    async fn finally(&mut self) -> Result<(), Problem> {
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

enum Attempt {
    Done,
    Again,
    Failed(Problem),
    Cancelled,
}

fn id_of(step: &PreparedStep) -> String {
    step.step.id.as_str().to_owned()
}

/// That a step was planned while the run is under way.
#[must_use]
pub fn step_planned(planned: &PlannedStep) -> Event {
    let value = serde_json::to_value(planned).unwrap_or_default();
    Event::StepPlanned { step: planned.id.clone(), planned: value }
}

/// Ends when the run has been told to stop so many times.
async fn told_to_stop(cancellation: &mut Cancellation, times: u32) {
    if cancellation.wait_for(|told| *told >= times).await.is_err() {
        // Nobody is left who could tell.
        std::future::pending::<()>().await;
    }
}

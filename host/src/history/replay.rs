//! A run read from its journal: the events, one after the other, become what is known now.

use super::past::{Deployed, PastRun, PastStep, Turned};
use crate::event::{Event, RunOutcome, StepOutcome, Verdict};
use crate::journal::{self, Entry, Journal, Store};
use crate::problem::{Code, Problem};
use std::collections::BTreeMap;

/// Derives a run from its events. None where it has no event: it was cut off before it did anything, or another process
/// begins it at this moment.
///
/// # Errors
/// [`Code::JournalInvalid`], also where it does not begin with a run.
pub fn replay(store: &dyn Store, run: &str) -> Result<Option<PastRun>, Problem> {
    let mut replay = Replay::None;
    match journal::read(store, run, |entry| replay.add(entry)) {
        Err(problem) if problem.code == Code::RunNotFound => Ok(None),
        read => read.and_then(|_| replay.run(&store.name(run))),
    }
}

/// As [`replay`], of a journal that is in no store; `name` is what errors call it.
///
/// # Errors
/// As [`replay`].
pub fn replay_bytes(bytes: &[u8], name: &str) -> Result<Option<PastRun>, Problem> {
    let mut replay = Replay::None;
    journal::read_bytes(bytes, name, |entry| replay.add(entry))?;
    replay.run(name)
}

/// As [`replay`], of a run whose process is gone, with its journal to go on with.
///
/// # Errors
/// As [`replay`], and as [`Journal::reopen`].
pub fn reopen(store: &dyn Store, run: &str) -> Result<(Journal, Option<PastRun>), Problem> {
    let mut replay = Replay::None;
    let journal = Journal::reopen(store, run, |entry| replay.add(entry))?;
    Ok((journal, replay.run(&store.name(run))?))
}

/// A run, as far as its journal was read.
enum Replay {
    None,
    Run(Box<PastRun>),
    /// The journal begins with another event.
    Other,
}

impl Replay {
    fn add(&mut self, entry: Entry) {
        match self {
            Self::None => *self = PastRun::begin(entry).map_or(Self::Other, |run| Self::Run(Box::new(run))),
            Self::Run(run) => run.add(entry),
            Self::Other => {}
        }
    }

    fn run(self, name: &str) -> Result<Option<PastRun>, Problem> {
        match self {
            Self::None => Ok(None),
            Self::Run(run) => Ok(Some(*run)),
            Self::Other => {
                Err(Problem::new(Code::JournalInvalid, format!("the journal `{name}` does not begin with a run"))
                    .because("its first event is another one")
                    .with_note("nothing was run")
                    .with_hint(
                        "restore the file, or move the directory out of `.windlass/runs` once you know what it did",
                    ))
            }
        }
    }
}

impl PastRun {
    /// A run as its first event begins it; none where that is another event.
    fn begin(entry: Entry) -> Option<Self> {
        let Event::RunStarted { run, subject, plan, forge, steps, process, job, .. } = entry.event else { return None };
        let places = steps.iter().enumerate().map(|(place, step)| (step.id.clone(), place)).collect();
        let steps = steps
            .into_iter()
            .map(|step| PastStep {
                id: step.id,
                plugin: step.plugin,
                finally: step.finally,
                outcome: StepOutcome::NotRun,
                reverting: false,
                kept: false,
                said: None,
                attempts: 0,
                duration_ms: 0,
                again: false,
                trouble: None,
                records: Vec::new(),
                outputs: Box::default(),
                replanned: None,
            })
            .collect();
        Some(Self {
            run,
            subject: *subject,
            plan,
            planned: None,
            variables: BTreeMap::new(),
            forge,
            deployment: None,
            doubted: false,
            told: false,
            approved: false,
            approvers: Vec::new(),
            during_freeze: None,
            force: false,
            process,
            job,
            stopped: false,
            unproven: None,
            places,
            last: entry.at.clone(),
            started: entry.at,
            outcome: None,
            reason: None,
            changed: false,
            duration_ms: None,
            cancelled: false,
            turned: None,
            steps,
            state: BTreeMap::new(),
            problem: None,
        })
    }

    /// One more event.
    fn add(&mut self, entry: Entry) {
        self.last = entry.at;
        match entry.event {
            Event::RunPlanned { plan, variables, force } => {
                self.force = force;
                self.planned = Some(plan);
                self.variables = variables;
            }
            Event::DeploymentDoubted { forge } => {
                self.doubted = true;
                self.forge = forge;
            }
            Event::DeploymentCreated { id, url, adopted, forge } => {
                self.doubted = false;
                self.forge = forge.unwrap_or_else(|| std::mem::take(&mut self.forge));
                self.deployment = Some(Deployed { id, url, adopted });
            }
            Event::RunApproved { by } => {
                self.approved = true;
                self.approvers = by.into_iter().map(|approver| approver.name).collect();
            }
            Event::FreezeOverridden { reason, .. } => self.during_freeze = Some(reason),
            Event::RunResumed { process, job, forge, .. } => {
                (self.process, self.job) = (process, job);
                self.forge = forge.unwrap_or_else(|| std::mem::take(&mut self.forge));
                self.try_again();
                self.reopen(self.has_ended());
            }
            Event::RollbackStarted { to, keep, process, job, .. } => {
                (self.process, self.job) = (process, job);
                let asked = matches!(self.turned, Some(Turned::Asked { .. }));
                self.reopen(self.has_ended() || !asked);
                self.turned = Some(Turned::Asked { to, keep });
            }
            Event::EnvironmentStopped { .. } => self.stopped = true,
            Event::RunCancelled { .. } => self.cancelled = true,
            Event::DeploymentTold { .. } => self.told = true,
            Event::CheckFailed { trouble, .. } => drop(self.unproven.get_or_insert(*trouble)),
            Event::RunTurned { step: None } if self.cancelled => self.turned = Some(Turned::Cancellation),
            Event::RunTurned { step } => self.turned = Some(Turned::Failure(step)),
            Event::StateSet { state, key, value } => drop(self.state.entry(state).or_default().insert(key, value)),
            Event::RunFinished { outcome, reason, changed, duration_ms } => {
                self.outcome = Some(outcome);
                self.reason = reason;
                self.changed |= changed;
                self.duration_ms = Some(self.duration_ms.unwrap_or_default() + duration_ms);
            }
            event => self.add_to_step(event),
        }
    }

    /// Where it ended with a failure and not by being cut off, what failed is tried again: the last one that did, because
    /// those before were tolerated.
    fn try_again(&mut self) {
        if self.outcome == Some(RunOutcome::Failed) && self.turned.is_none() && !self.is_cut_off() {
            let failed = |step: &&mut PastStep| !step.finally && step.outcome == StepOutcome::Failed;
            if let Some(step) = self.steps.iter_mut().rev().find(failed) {
                step.again = true;
            }
        }
    }

    /// Whether it came to its end by itself.
    fn has_ended(&self) -> bool {
        self.outcome.is_some() && !self.is_cut_off()
    }

    /// Somebody goes on with it. `tell` where its finally steps have something new to tell.
    fn reopen(&mut self, tell: bool) {
        if tell {
            self.steps.iter_mut().filter(|step| step.finally).for_each(|step| step.outcome = StepOutcome::NotRun);
        }
        self.outcome = None;
        self.reason = None;
        self.cancelled = false;
        self.unproven = None;
        self.told = false;
        // Going forward again, the run has its chance; what it was taken back for stays the reason.
        if self.turned.is_none() {
            self.problem = None;
        }
    }

    fn add_to_step(&mut self, event: Event) {
        macro_rules! step {
            ($id:expr) => {
                match self.places.get(&$id).and_then(|place| self.steps.get_mut(*place)) {
                    Some(step) => step,
                    None => return,
                }
            };
        }
        match event {
            Event::StepPlanned { step, planned } => step!(step).replanned = Some(planned),
            Event::StepStarted { step, attempt } => {
                let step = step!(step);
                step.outcome = StepOutcome::Unknown;
                step.said = None;
                step.reverting = false;
                step.attempts = step.attempts.max(attempt);
            }
            Event::RecordAppended { step, record, .. } => {
                step!(step).records.push(record);
                self.changed = true;
            }
            Event::StepSucceeded { step, outputs, duration_ms, changed, .. } => {
                self.changed |= changed;
                let step = step!(step);
                step.outcome = StepOutcome::Succeeded;
                step.outputs = outputs.into_iter().collect();
                step.duration_ms += duration_ms;
            }
            Event::StepFailed { step, trouble, again, duration_ms, .. } => {
                if !again {
                    self.problem.get_or_insert_with(|| (*trouble).clone());
                }
                let step = step!(step);
                step.outcome = StepOutcome::Failed;
                step.again = again;
                step.trouble = Some(trouble);
                step.duration_ms += duration_ms;
            }
            Event::StepCancelled { step, .. } => step!(step).outcome = StepOutcome::Cancelled,
            Event::StepSkipped { step } => step!(step).outcome = StepOutcome::Skipped,
            Event::StepProbed { step, verdict, by, .. } => {
                let step = step!(step);
                step.said = Some((verdict, by));
                step.outcome = match verdict {
                    Verdict::Done => StepOutcome::Succeeded,
                    Verdict::NotDone | Verdict::Partly => StepOutcome::NotRun,
                    Verdict::Unknown => StepOutcome::Unknown,
                }
            }
            Event::RevertStarted { step } => {
                let step = step!(step);
                step.outcome = StepOutcome::Unknown;
                step.reverting = true;
            }
            Event::StepReverted { step, .. } => {
                let step = step!(step);
                step.outcome = StepOutcome::Reverted;
                step.reverting = false;
            }
            Event::StepKept { step, outcome, .. } => {
                let step = step!(step);
                step.outcome = outcome;
                step.kept = true;
                step.reverting = false;
            }
            Event::RevertFailed { step, trouble, .. } => {
                let step = step!(step);
                step.outcome = StepOutcome::RevertFailed;
                step.trouble = Some(trouble);
                step.reverting = false;
            }
            _ => {}
        }
    }
}

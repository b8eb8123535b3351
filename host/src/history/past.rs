//! A run as its journal tells of it: what is known of it now, and what that comes to. Pure.

use crate::event::{Job, Json, RunOutcome, StepOutcome, Subject, Trouble, Verdict, Witness};
use crate::problem::{Code, Problem};
use std::collections::{BTreeMap, HashMap};

/// The name of the forge that is none.
const LOCAL: &str = "local";

/// A step of a run, as far as the journal goes.
#[derive(Debug, Clone, PartialEq)]
pub struct PastStep {
    /// Its id.
    pub id: String,
    /// Its plugin, with version.
    pub plugin: String,
    /// Whether it is one of `[[finally]]`.
    pub finally: bool,
    /// What came of it. Unknown where its last attempt, or taking it back, was cut off.
    pub outcome: StepOutcome,
    /// Whether taking it back was begun, and nobody knows how far that came.
    pub reverting: bool,
    /// Whether it stays, because it cannot be taken back.
    pub kept: bool,
    /// What was said of its last attempt, which was cut off, and by whom; none once it has begun again.
    pub said: Option<(Verdict, Witness)>,
    /// How often it was tried.
    pub attempts: u32,
    /// How long that took, in milliseconds.
    pub duration_ms: u64,
    /// Whether it is to be tried again after its last failure.
    pub again: bool,
    /// Why its last attempt failed, or taking it back did.
    pub trouble: Option<Box<Trouble>>,
    /// What it left for taking it back, in order.
    pub records: Vec<Json>,
    /// What it put out. No map: one of one entry takes the memory of eleven, and there may be many thousand steps.
    pub(super) outputs: Box<[(String, String)]>,
    /// The step as it was planned while the run was under way, where it was.
    pub replanned: Option<Json>,
}

/// Why a run turned round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turned {
    /// A step failed, or the run's time was over between two steps.
    Failure(Option<String>),
    /// It was cancelled.
    Cancellation,
    /// Somebody asked for it.
    Asked {
        /// The run whose release is to be live again.
        to: Option<String>,
        /// The steps whose work is to stay.
        keep: Vec<String>,
    },
}

/// A deployment on a forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Its id there.
    pub id: String,
    /// Where a person sees it.
    pub url: Option<String>,
    /// Whether the CI job made it, and its state is how the job ends.
    pub adopted: bool,
}

/// A run as its journal tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PastRun {
    /// Its id.
    pub run: String,
    /// What it was about.
    pub subject: Subject,
    /// Its plan's digest.
    pub plan: String,
    /// The plan, as `windlass plan --format json` prints it; none where the run was cut off before that.
    pub planned: Option<Json>,
    /// The variables that `env` named, as they were.
    pub variables: BTreeMap<String, String>,
    /// The forge that was told, or has the deployment.
    pub forge: String,
    /// The deployment there.
    pub deployment: Option<Deployed>,
    /// Whether the forge was asked for a deployment, and nobody knows whether it made it.
    pub doubted: bool,
    /// Whether the forge was told how it ended.
    pub told: bool,
    /// Whether enough people agreed to its plan.
    pub approved: bool,
    /// Why it was begun although deployments were frozen.
    pub during_freeze: Option<String>,
    /// Who did.
    pub approvers: Vec<String>,
    /// Whether steps that have nothing to do are run, too.
    pub force: bool,
    /// The process that was the last to be at work for it, on its machine.
    pub process: u32,
    /// The CI's job that it was in.
    pub job: Option<Job>,
    /// When it began, as RFC 3339 in UTC.
    pub started: String,
    /// When its last event was written.
    pub last: String,
    /// What came of it; none where it did not end, or goes on.
    pub outcome: Option<RunOutcome>,
    /// The stable word for why.
    pub reason: Option<String>,
    /// Whether it changed anything.
    pub changed: bool,
    /// In milliseconds.
    pub duration_ms: Option<u64>,
    /// Whether it was told to stop.
    pub cancelled: bool,
    /// Why it turned round, where it did.
    pub turned: Option<Turned>,
    /// The steps in order, finally steps last.
    pub steps: Vec<PastStep>,
    /// What plugins kept, by name and key.
    pub state: BTreeMap<String, BTreeMap<String, String>>,
    /// Why the first step that failed for good did.
    pub problem: Option<Trouble>,
    /// Whether its environment was stopped since: what it deployed is not live any more.
    pub stopped: bool,
    /// Why it is not proven that what is live again since it was taken back works.
    pub unproven: Option<Trouble>,
    /// Where each step is in `steps`.
    pub(super) places: HashMap<String, usize>,
}

impl PastStep {
    /// Whether there may be something of it that was not taken back.
    #[must_use]
    pub fn is_left(&self) -> bool {
        !self.records.is_empty() && !self.kept && self.outcome != StepOutcome::Reverted
    }

    /// What it put out, by name.
    #[must_use]
    pub fn outputs(&self) -> BTreeMap<String, String> {
        self.outputs.iter().cloned().collect()
    }

    /// Whether nobody knows what its last attempt came to.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        matches!(self.outcome, StepOutcome::Unknown | StepOutcome::Cancelled) && !self.reverting
    }

    /// Whether it needs to be done no more.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, StepOutcome::Succeeded | StepOutcome::Skipped)
    }
}

impl PastRun {
    /// Whether it succeeded, and changed something.
    #[must_use]
    pub fn is_release(&self) -> bool {
        self.outcome == Some(RunOutcome::Succeeded) && self.changed
    }

    /// A step by its id.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&PastStep> {
        self.steps.get(*self.places.get(id)?)
    }

    /// The steps, not those of `[[finally]]`, of which something may be left that was not taken back.
    pub fn left(&self) -> impl DoubleEndedIterator<Item = &PastStep> {
        self.steps.iter().filter(|step| !step.finally && step.is_left())
    }

    /// When it began.
    #[must_use]
    pub fn begun(&self) -> Option<jiff::Timestamp> {
        self.started.parse().ok()
    }

    /// Why it ended, where this version knows the word.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| Some(code.word()) == self.reason.as_deref())
    }

    /// Whether it can be gone on with: it was cut off, or ended with something that is not taken back.
    #[must_use]
    pub fn can_go_on(&self) -> bool {
        match self.outcome {
            None => true,
            Some(RunOutcome::Failed | RunOutcome::Cancelled | RunOutcome::RollbackFailed) => {
                self.turned.is_none() || self.left().next().is_some() || self.is_half_taken_back()
            }
            Some(RunOutcome::Succeeded | RunOutcome::RolledBack | RunOutcome::Blocked) => false,
        }
    }

    /// Whether something may still be at work for a step: it was cut off, or stopped in the middle.
    #[must_use]
    pub fn is_at_work(&self, step: &str) -> bool {
        self.step(step).is_some_and(|step| matches!(step.outcome, StepOutcome::Unknown | StepOutcome::Cancelled))
    }

    /// Whether a forge that knows of it was not told how it ended.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.has_deployment() && self.outcome.is_some() && !self.told
    }

    /// Whether a forge has a deployment of it, or may have, whose state is ours to set.
    #[must_use]
    pub fn has_deployment(&self) -> bool {
        self.doubted || self.deployment.as_ref().is_some_and(|deployment| !deployment.adopted)
    }

    /// Whether it was cut off where a forge may have made a deployment that its journal does not have.
    #[must_use]
    pub fn may_have_deployment(&self) -> bool {
        let is_asked = self.outcome.is_none() || self.doubted;
        self.deployment.is_none() && is_asked && self.forge != LOCAL
    }

    /// Whether it was cut off: it did not end, or only in that somebody closed what it left open, or because it could have no
    /// further effect.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        match self.outcome {
            None => true,
            Some(RunOutcome::Succeeded) => false,
            Some(_) => self.code().is_some_and(Code::is_cut_off),
        }
    }

    /// Whether taking it back was cut off: where nothing is left of it, what is live again was not checked.
    #[must_use]
    pub fn is_half_taken_back(&self) -> bool {
        self.turned.is_some() && self.is_cut_off()
    }

    /// That its process lives, so that nobody else may go on.
    #[must_use]
    pub fn still_alive(&self) -> Problem {
        Problem::new(Code::RunAlive, format!("run `{}` is still under way", self.run))
            .because(format!("process {} is at work for it, and has its journal", self.process))
            .with_note("nothing was changed")
            .with_hint("wait for it to end, or end that process")
    }
}

//! What happened, in the past tense: the events that a journal consists of. Owned, plain, versioned by [`SCHEMA`].

mod job;
mod json;
mod listener;
mod step;
mod subject;
mod trouble;

pub use job::Job;
pub use json::Json;
pub use listener::{Level, Listener};
pub use step::{Finding, ReportItem, Severity, StepEntry, StepOutcome, Verdict, Witness};
pub use subject::{Place, Subject};
pub use trouble::Trouble;

use crate::policy::Usage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the events and of the file that holds them. `docs/reference/journal.md` describes both.
pub const SCHEMA: &str = "windlass.journal/1";

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Everything was done.
    Succeeded,
    /// Something was not, and nothing was taken back.
    Failed,
    /// Something was not, and everything was taken back.
    RolledBack,
    /// Something was not, and something could not be taken back.
    RollbackFailed,
    /// Somebody stopped it.
    Cancelled,
    /// It was not allowed to begin.
    Blocked,
}

/// Somebody who agreed to a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Approver {
    /// Who.
    pub name: String,
    /// When, as RFC 3339 in UTC, where that is known: GitHub does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What they said to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Event {
    /// A run began. Always the first event.
    RunStarted {
        /// The version of the events, `windlass.journal/1`.
        schema: String,
        /// The version of Windlass.
        windlass: String,
        /// The run's id.
        run: String,
        /// What it is about: `app`, `environment`, `component`, `commit`, `reference`, `version`, `actor`.
        subject: Box<Subject>,
        /// The plan's digest.
        plan: String,
        /// The forge that is told.
        forge: String,
        /// The steps in order, each with `id`, `plugin`, `finally`.
        steps: Vec<StepEntry>,
        /// The process, on the machine that runs it.
        process: u32,
        /// The CI's job that it is in, where there is one: `forge`, `run`, `attempt`, `job`, `runner`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<Job>,
        /// Where what it deploys can be seen, where the environment says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    /// What is going to be done. Always the second event: `resume` and `rollback` go by it.
    RunPlanned {
        /// The plan, as `windlass plan --format json` prints it.
        plan: Json,
        /// The variables that `env` in `deploy.toml` names, as they were: another job has others.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        variables: BTreeMap<String, String>,
        /// Whether steps that have nothing to do are run, too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
    },
    /// The run holds the lease of its place.
    LeaseTaken {
        /// Its fencing number: whoever takes it later has a larger one.
        number: u64,
        /// The run whose owner was dead, where it was taken from one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// Enough people agreed to the plan, where the environment demands it.
    RunApproved {
        /// Each with `name`, `at` (GitHub does not say it) and `comment`.
        by: Vec<Approver>,
    },
    /// Deployments were frozen, and somebody said with `--during-freeze` why this one is made all the same.
    FreezeOverridden {
        /// What froze them.
        cause: String,
        /// Until when, as it was told; none where that was not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
        /// Why it was made all the same.
        reason: String,
    },
    /// Another process goes on with the run after its end, or after it was cut off.
    RunResumed {
        /// The version of Windlass.
        windlass: String,
        /// Who asked for it.
        actor: Option<String>,
        /// The process, on the machine that runs it.
        process: u32,
        /// The CI's job that it is in, where there is one: `forge`, `run`, `attempt`, `job`, `runner`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<Job>,
        /// The forge that is told, where it makes the deployment there only now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forge: Option<String>,
    },
    /// Somebody asked that the run's work be taken back.
    RollbackStarted {
        /// The version of Windlass.
        windlass: String,
        /// Who asked for it.
        actor: Option<String>,
        /// The process, on the machine that runs it.
        process: u32,
        /// The CI's job that it is in, where there is one: `forge`, `run`, `attempt`, `job`, `runner`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<Job>,
        /// The run whose release is to be live again; none where there is no earlier one.
        to: Option<String>,
        /// The steps whose work is to stay.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        keep: Vec<String>,
    },
    /// The run was told to stop.
    RunCancelled {
        /// How often by now. The second time cuts taking back short.
        times: u32,
    },
    /// The forge knows of the deployment.
    DeploymentCreated {
        /// Its id there.
        id: String,
        /// Where a person sees it.
        url: Option<String>,
        /// Whether the CI job made it, and its state is how the job ends.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        adopted: bool,
        /// The forge; where it is not said, the one that the run began with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forge: Option<String>,
    },
    /// A forge was asked for a deployment, and nobody knows whether it made it. Where this is the last that is known of it, `reap`
    /// and the next run look for it.
    DeploymentDoubted {
        /// The forge.
        forge: String,
    },
    /// The forge was told how the run ended, or has nothing of it. Where this is not there, `reap` and the next run tell it.
    DeploymentTold {
        /// What it was told.
        outcome: RunOutcome,
    },
    /// A step was planned while the run was under way: because it uses outputs of earlier steps, or for a `resume`.
    StepPlanned {
        /// The step's id.
        step: String,
        /// The step, as it would stand in the plan.
        planned: Json,
    },
    /// Somebody said what became of a step that was cut off.
    StepProbed {
        /// The step's id.
        step: String,
        /// The attempt that was cut off, from 1.
        attempt: u32,
        /// What became of it: `done`, `partly`, `not-done` or `unknown`.
        verdict: Verdict,
        /// Who says so: `plugin`; `person`, with `--done` or `--not-done`; `config`, because of `idempotent`.
        by: Witness,
        /// Why nobody knows, where it is `unknown`: what its plugin says, or how that failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
        /// What the step used while it looked, and what it was denied.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        usages: Vec<Usage>,
    },
    /// A step is about to take effect. Written and synced before it does.
    StepStarted {
        /// The step's id.
        step: String,
        /// Which attempt at the step, from 1.
        attempt: u32,
    },
    /// A step is about to have an effect, and this is what takes it back. Written and synced before it does.
    RecordAppended {
        /// The step's id.
        step: String,
        /// Which attempt at the step, from 1.
        attempt: u32,
        /// The plugin's own.
        record: Json,
    },
    /// A value to keep.
    StateSet {
        /// The name that steps share it by.
        state: String,
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// A step did its work. Written and synced before anything else happens.
    StepSucceeded {
        /// The step's id.
        step: String,
        /// Which attempt at the step, from 1.
        attempt: u32,
        /// What was done, in one line.
        summary: String,
        /// For later steps.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        outputs: BTreeMap<String, String>,
        /// What it saw.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        findings: Vec<Finding>,
        /// What it put into the report.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        report: Vec<ReportItem>,
        /// What the step used, and what it was denied.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        usages: Vec<Usage>,
        /// How long it took, in milliseconds.
        duration_ms: u64,
        /// Whether its plan said that it changes something.
        changed: bool,
    },
    /// A step did not do its work.
    StepFailed {
        /// The step's id.
        step: String,
        /// Which attempt at the step, from 1.
        attempt: u32,
        /// Why not.
        trouble: Box<Trouble>,
        /// What the step used, and what it was denied.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        usages: Vec<Usage>,
        /// What it put into the report.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        report: Vec<ReportItem>,
        /// How long it took, in milliseconds.
        duration_ms: u64,
        /// Whether it is tried again.
        again: bool,
    },
    /// A step was cut short because the run was cancelled.
    StepCancelled {
        /// The step's id.
        step: String,
        /// Which attempt at the step, from 1.
        attempt: u32,
    },
    /// A step had nothing to do.
    StepSkipped {
        /// The step's id.
        step: String,
    },
    /// The run turned round: what was done is taken back from here on.
    RunTurned {
        /// The step that failed; none where the run was cancelled, or its time was over between two steps.
        step: Option<String>,
    },
    /// A step's work is about to be taken back. Written and synced before it is.
    RevertStarted {
        /// The step's id.
        step: String,
    },
    /// A step's work was taken back.
    StepReverted {
        /// The step's id.
        step: String,
        /// What was done, in one line.
        summary: String,
        /// What it put into the report.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        report: Vec<ReportItem>,
        /// What the step used, and what it was denied.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        usages: Vec<Usage>,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    },
    /// A step's work stays as it is: its plan said that it cannot be taken back.
    StepKept {
        /// The step's id.
        step: String,
        /// What came of it, and stays.
        outcome: StepOutcome,
        /// What was done, in one line.
        summary: String,
    },
    /// A step's work could not be taken back.
    RevertFailed {
        /// The step's id.
        step: String,
        /// Why not.
        trouble: Box<Trouble>,
        /// What it put into the report.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        report: Vec<ReportItem>,
        /// What the step used, and what it was denied.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        usages: Vec<Usage>,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    },
    /// After taking back, a check of the release that is live again is about to be made.
    CheckStarted {
        /// The step's id.
        step: String,
    },
    /// The release that is live again is as it must be.
    CheckPassed {
        /// The step's id.
        step: String,
        /// What was done, in one line.
        summary: String,
        /// What it put into the report.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        report: Vec<ReportItem>,
        /// What the step used, and what it was denied.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        usages: Vec<Usage>,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    },
    /// The release that is live again is not as it must be, or nobody can tell: the check cannot be made as it was.
    CheckFailed {
        /// The step's id.
        step: String,
        /// Why not.
        trouble: Box<Trouble>,
        /// What it put into the report.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        report: Vec<ReportItem>,
        /// What the step used, and what it was denied.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        usages: Vec<Usage>,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    },
    /// Somebody found that the run's process is gone, and closed what it had left open.
    RunReaped {
        /// Who did.
        actor: Option<String>,
        /// The run that came after it and did, where it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<String>,
    },
    /// The environment was stopped: what was live there since this run is not any more.
    EnvironmentStopped {
        /// Who asked for it.
        actor: Option<String>,
    },
    /// Something a person should know that changes no outcome.
    NoteAdded {
        /// In one line.
        text: String,
    },
    /// The run ended. The last event, unless somebody goes on with it or takes it back later.
    RunFinished {
        /// What came of it.
        outcome: RunOutcome,
        /// The stable word for why, where it did not succeed.
        reason: Option<String>,
        /// Whether anything was changed.
        changed: bool,
        /// In milliseconds, since this process began with it.
        duration_ms: u64,
    },
}

impl Event {
    /// Whether an effect follows on it, so that nobody may write it who has lost the right to have effects.
    #[must_use]
    pub const fn precedes_effect(&self) -> bool {
        matches!(
            self,
            Self::StepStarted { .. }
                | Self::RecordAppended { .. }
                | Self::RevertStarted { .. }
                | Self::CheckStarted { .. }
        )
    }

    /// The event as it stands in the journal: one object whose first key is `event`, its kind.
    ///
    /// # Errors
    /// Where a number or a key in it cannot be JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        // serde's own form is `{"KIND":{…}}`, which it reads three times as fast as one that has the kind inside.
        let text = serde_json::to_string(self)?;
        let inside =
            text.strip_prefix("{\"").and_then(|text| text.strip_suffix('}')).and_then(|text| text.split_once("\":{"));
        Ok(inside.map_or_else(|| text.clone(), |(kind, rest)| format!("{{\"event\":\"{kind}\",{rest}")))
    }

    /// An event from the journal.
    ///
    /// # Errors
    /// Where it is none that this version knows.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let inside = text.strip_prefix("{\"event\":\"").and_then(|text| text.split_once('"'));
        let Some((kind, rest)) = inside.and_then(|(kind, rest)| Some((kind, rest.strip_prefix(',')?))) else {
            return Err(serde::de::Error::custom("it does not begin with its kind"));
        };
        serde_json::from_str(&["{\"", kind, "\":{", rest, "}"].concat())
    }
}

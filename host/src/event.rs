//! What happened, in the past tense: the events that a journal consists of. Owned, plain, versioned by [`SCHEMA`].

use crate::policy::Usage;
use crate::problem::Problem;
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

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepOutcome {
    /// It did its work.
    Succeeded,
    /// It did not.
    Failed,
    /// It had nothing to do.
    Skipped,
    /// Its work was taken back.
    Reverted,
    /// Its work could not be taken back.
    RevertFailed,
    /// It was cut short by a cancellation.
    Cancelled,
    /// Nobody knows.
    Unknown,
    /// Its turn never came.
    NotRun,
}

/// Who, where and what a run is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Subject {
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The component, where one is deployed by itself.
    pub component: Option<String>,
    /// The commit, in full.
    pub commit: String,
    /// The branch or tag.
    pub reference: Option<String>,
    /// The version.
    pub version: String,
    /// Who started it.
    pub actor: Option<String>,
}

/// A step as it stands in the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepEntry {
    /// Its id.
    pub id: String,
    /// Its plugin, with version: `migrate@0.1.0`.
    pub plugin: String,
    /// Whether it is one of `[[finally]]`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finally: bool,
}

/// A problem as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trouble {
    /// The stable word.
    pub code: String,
    /// The plugin's own word, where a plugin says so, for example `lockfile-drift`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What could not be done.
    pub what: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The state of the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<&Problem> for Trouble {
    fn from(problem: &Problem) -> Self {
        Self {
            code: problem.code.word().into(),
            detail: problem.detail.clone(),
            what: problem.what.clone(),
            causes: problem.causes.clone(),
            note: problem.note.clone(),
            hint: problem.hint.clone(),
        }
    }
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Notice,
    /// Worth a look.
    Warning,
    /// Wrong.
    Error,
}

/// Something a step saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// A stable word.
    pub code: String,
    /// What was seen.
    pub message: String,
    /// Relative to the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// What a step put into the report of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "item", rename_all = "kebab-case")]
pub enum ReportItem {
    /// A place to look at.
    Annotation {
        /// What was seen.
        finding: Finding,
    },
    /// A small table.
    Table {
        /// Its title.
        title: String,
        /// Its columns.
        columns: Vec<String>,
        /// Its rows.
        rows: Vec<Vec<String>>,
    },
    /// A figure.
    Metric {
        /// Its name.
        name: String,
        /// Its value.
        value: f64,
        /// Its unit.
        unit: String,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Event {
    /// A run began. Always the first event.
    RunStarted {
        /// [`SCHEMA`].
        schema: String,
        /// The version of Windlass.
        windlass: String,
        /// The run's id.
        run: String,
        /// What it is about.
        subject: Subject,
        /// The plan's digest.
        plan: String,
        /// The forge that is told.
        forge: String,
        /// The steps in order.
        steps: Vec<StepEntry>,
        /// The process, on the machine that runs it.
        process: u32,
    },
    /// The forge knows of the deployment.
    DeploymentCreated {
        /// Its id there.
        id: String,
        /// Where a person sees it.
        url: Option<String>,
    },
    /// A step is about to take effect. Written and synced before it does.
    StepStarted {
        /// Its id.
        step: String,
        /// From 1.
        attempt: u32,
    },
    /// A step is about to have an effect, and this is what takes it back. Written and synced before it does.
    RecordAppended {
        /// Its id.
        step: String,
        /// From 1.
        attempt: u32,
        /// The plugin's own.
        record: serde_json::Value,
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
        /// Its id.
        step: String,
        /// From 1.
        attempt: u32,
        /// One line.
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
        /// What it used and was denied.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        usages: Vec<Usage>,
        /// In milliseconds.
        duration_ms: u64,
        /// Whether its plan said that it changes something.
        changed: bool,
    },
    /// A step did not do its work.
    StepFailed {
        /// Its id.
        step: String,
        /// From 1.
        attempt: u32,
        /// Why.
        trouble: Trouble,
        /// What it used and was denied.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        usages: Vec<Usage>,
        /// What it put into the report before it failed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        report: Vec<ReportItem>,
        /// In milliseconds.
        duration_ms: u64,
        /// Whether it is tried again.
        again: bool,
    },
    /// A step was cut short because the run was cancelled.
    StepCancelled {
        /// Its id.
        step: String,
        /// From 1.
        attempt: u32,
    },
    /// A step had nothing to do.
    StepSkipped {
        /// Its id.
        step: String,
    },
    /// The run turned round: what was done is taken back from here on.
    RunTurned {
        /// The step that failed; none where the run was cancelled, or its time was over between two steps.
        step: Option<String>,
    },
    /// A step's work is about to be taken back. Written and synced before it is.
    RevertStarted {
        /// Its id.
        step: String,
    },
    /// A step's work was taken back.
    StepReverted {
        /// Its id.
        step: String,
        /// One line.
        summary: String,
        /// What it used and was denied.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        usages: Vec<Usage>,
        /// In milliseconds.
        duration_ms: u64,
    },
    /// A step's work stays as it is: its plan said that it cannot be taken back.
    StepKept {
        /// Its id.
        step: String,
        /// One line.
        summary: String,
    },
    /// A step's work could not be taken back.
    RevertFailed {
        /// Its id.
        step: String,
        /// Why.
        trouble: Trouble,
        /// What it used and was denied.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        usages: Vec<Usage>,
        /// In milliseconds.
        duration_ms: u64,
    },
    /// Something a person should know that changes no outcome.
    NoteAdded {
        /// In one line.
        text: String,
    },
    /// The run ended. Always the last event.
    RunFinished {
        /// What came of it.
        outcome: RunOutcome,
        /// The stable word for why, where it did not succeed.
        reason: Option<String>,
        /// Whether anything was changed.
        changed: bool,
        /// In milliseconds.
        duration_ms: u64,
    },
}

/// Who is told what happens while it happens. A listener never changes what comes of a run.
pub trait Listener: std::fmt::Debug + Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
    /// A step says something.
    fn log(&self, step: &str, level: Level, message: &str);
    /// A step's child writes something, as it comes.
    fn write(&self, step: &str, bytes: &[u8]);
    /// How far a step is.
    fn progress(&self, step: &str, message: &str, done: Option<u64>, total: Option<u64>);
}

/// How much a line of a step's log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the plugin's author.
    Debug,
    /// For whoever watches.
    Info,
    /// Worth a look.
    Warn,
    /// Wrong.
    Error,
}

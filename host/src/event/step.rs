//! What is said of a step: what came of it, what it saw, and what became of it where it was cut off.

use serde::{Deserialize, Serialize};

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

/// What became of a step that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It was done, wholly.
    Done,
    /// It was not, not even in part.
    NotDone,
    /// Some of it was done, and an apply does the rest and nothing twice.
    Partly,
    /// Nobody can tell.
    Unknown,
}

/// Who says what became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// Its plugin, which looked.
    Plugin,
    /// The person who goes on with the run.
    Person,
    /// `idempotent` in `deploy.toml`, which says that it may be applied again.
    Config,
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

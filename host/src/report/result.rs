//! The result as programs read it: one JSON object, the last line of standard output with `--format json`.

use crate::event::{RunOutcome, StepOutcome};
use crate::prepare::{Prepared, PreparedStep};
use crate::run::RunResult;
use serde::Serialize;

/// The version of the result.
pub const RESULT_SCHEMA: &str = "windlass.result/1";

/// The deployment on the forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeploymentResult {
    /// The forge's name.
    pub forge: String,
    /// The deployment's id there; the run's on the local one.
    pub id: Option<String>,
    /// Where a person sees it.
    pub url: Option<String>,
}

/// A step's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepReport {
    /// Its id.
    pub id: String,
    /// Its plugin.
    pub plugin: String,
    /// What came of it.
    pub outcome: StepOutcome,
    /// How often it was tried.
    pub attempts: u32,
    /// In milliseconds.
    pub duration_ms: u64,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// [`RESULT_SCHEMA`].
    pub schema: &'static str,
    /// The run's id; empty where none was begun.
    pub run: String,
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The component.
    pub component: Option<String>,
    /// What came of it.
    pub outcome: RunOutcome,
    /// The stable word for why.
    pub reason: Option<String>,
    /// The plan's digest.
    pub plan: String,
    /// The deployment on the forge.
    pub deployment: DeploymentResult,
    /// The steps.
    pub steps: Vec<StepReport>,
}

impl RunReport {
    /// The result of a run that was not begun, to be completed with what is known.
    #[must_use]
    pub fn not_begun(outcome: RunOutcome) -> Self {
        Self {
            schema: RESULT_SCHEMA,
            run: String::new(),
            app: String::new(),
            environment: String::new(),
            component: None,
            outcome,
            reason: None,
            plan: String::new(),
            deployment: DeploymentResult { forge: "local".to_owned(), id: None, url: None },
            steps: Vec::new(),
        }
    }

    /// The steps of a plan that is not run.
    #[must_use]
    pub fn steps_of_plan(prepared: &Prepared) -> Vec<StepReport> {
        let step = |step: &PreparedStep| StepReport {
            id: step.step.id.as_str().to_owned(),
            plugin: step.plugin.name().to_owned(),
            outcome: StepOutcome::NotRun,
            attempts: 0,
            duration_ms: 0,
        };
        prepared.steps.iter().chain(&prepared.finally).map(step).collect()
    }

    /// The steps of a run.
    #[must_use]
    pub fn steps_of(result: &RunResult) -> Vec<StepReport> {
        let step = |step: &crate::run::StepResult| StepReport {
            id: step.id.clone(),
            plugin: step.plugin.clone(),
            outcome: step.outcome,
            attempts: step.attempts,
            duration_ms: u64::try_from(step.duration.as_millis()).unwrap_or(u64::MAX),
        };
        result.steps.iter().map(step).collect()
    }
}

//! What a run that was begun before had planned, and what its steps have put out.

use crate::config::StepId;
use crate::history::PastRun;
use crate::plan::{Plan, PlanFile, PlannedStep};
use crate::problem::{Code, Problem};
use std::collections::BTreeMap;

/// The plan of a run that was begun.
///
/// # Errors
/// [`Code::NotResumable`] where the run was cut off before it was written down, or it is none that this version reads.
pub fn plan_of(past: &PastRun) -> Result<Plan, Problem> {
    let none = |cause: String| {
        Problem::new(Code::NotResumable, format!("run `{}` has no plan to go by", past.run))
            .because(cause)
            .with_note("nothing was changed")
            .with_hint("it had no effect before its plan was written down: run again")
    };
    let file = past.planned.as_ref().ok_or_else(|| none("it was cut off before its plan was written down".into()))?;
    PlanFile::read(&format!("the plan of run {}", past.run), file.text())
        .map(|file| file.plan)
        .map_err(|problem| none(problem.causes.first().cloned().unwrap_or(problem.what)))
}

/// A step as it was planned: while the run was under way, or before it.
pub(super) fn planned_step(past: &PastRun, planned: &PlannedStep) -> PlannedStep {
    let again = past.step(&planned.id).and_then(|step| step.replanned.as_ref());
    again.and_then(|again| serde_json::from_str(again.text()).ok()).unwrap_or_else(|| planned.clone())
}

/// What the steps of a run have put out.
pub(super) fn outputs_of(past: &PastRun) -> BTreeMap<StepId, BTreeMap<String, String>> {
    past.steps
        .iter()
        .filter_map(|step| Some((step.id.parse().ok()?, step.outputs())))
        .filter(|(_, outputs)| !outputs.is_empty())
        .collect()
}

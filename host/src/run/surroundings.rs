//! What a step sees of the run that it is part of, and what the run keeps of its steps.

use super::Recorder;
use crate::config::StepId;
use crate::event::{Event, Json, Level, ReportItem, RunOutcome, StepOutcome};
use crate::history::PastRun;
use crate::plugin::{Deployment, EffectKey, Surroundings};
use crate::prepare::PreparedStep;
use crate::problem::Problem;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The run as its steps see it.
#[derive(Debug)]
pub(super) struct Shared(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    deployment: Deployment,
    places: BTreeMap<String, usize>,
    outputs: BTreeMap<String, BTreeMap<String, String>>,
    records: BTreeMap<String, Vec<String>>,
    state: BTreeMap<String, BTreeMap<String, String>>,
}

impl Shared {
    /// The run as it begins, or as far as it has come before.
    pub(super) fn new(deployment: Deployment, begun: Option<&PastRun>) -> Self {
        let places = deployment.steps.iter().enumerate().map(|(index, step)| (step.id.clone(), index)).collect();
        let steps = || begun.iter().flat_map(|run| &run.steps);
        let outputs = steps().map(|step| (step.id.clone(), step.outputs()));
        let records = steps().filter(|step| !step.records.is_empty());
        Self(Mutex::new(Kept {
            deployment,
            places,
            outputs: outputs.filter(|(_, outputs)| !outputs.is_empty()).collect(),
            records: records
                .map(|step| (step.id.clone(), step.records.iter().map(|record| record.text().to_owned()).collect()))
                .collect(),
            state: begun.map(|run| run.state.clone()).unwrap_or_default(),
        }))
    }

    pub(super) fn conclude(&self, step: &str, outcome: StepOutcome) {
        let mut kept = locked(&self.0);
        if let Some(&index) = kept.places.get(step) {
            kept.deployment.steps[index].outcome = outcome;
        }
    }

    pub(super) fn finish(&self, outcome: RunOutcome, problem: Option<String>) {
        let mut kept = locked(&self.0);
        kept.deployment.outcome = Some(outcome);
        kept.deployment.problem = problem;
    }

    pub(super) fn put_outputs(&self, step: &str, outputs: &BTreeMap<String, String>) {
        if !outputs.is_empty() {
            locked(&self.0).outputs.insert(step.to_owned(), outputs.clone());
        }
    }

    /// The outputs as the holes want them.
    pub(super) fn outputs(&self) -> BTreeMap<StepId, BTreeMap<String, String>> {
        locked(&self.0).outputs.iter().filter_map(|(id, outputs)| Some((id.parse().ok()?, outputs.clone()))).collect()
    }

    pub(super) fn has_records(&self, step: &str) -> bool {
        locked(&self.0).records.contains_key(step)
    }

    pub(super) fn records(&self, step: &str) -> Vec<String> {
        locked(&self.0).records.get(step).cloned().unwrap_or_default()
    }
}

/// One call of one step.
#[derive(Debug)]
pub(super) struct Running {
    step: String,
    state: String,
    attempt: u32,
    shared: Arc<Shared>,
    recorder: Arc<Recorder>,
    report: Mutex<Vec<ReportItem>>,
}

/// The most that one step may put into the report.
const REPORT_ITEMS: usize = 1000;

impl Running {
    pub(super) fn new(step: &PreparedStep, attempt: u32, shared: Arc<Shared>, recorder: Arc<Recorder>) -> Self {
        let id = step.step.id.as_str().to_owned();
        let state = step.step.state.as_ref().map_or_else(|| id.clone(), |name| name.as_str().to_owned());
        Self { step: id, state, attempt, shared, recorder, report: Mutex::default() }
    }

    pub(super) fn take_report(&self) -> Vec<ReportItem> {
        std::mem::take(&mut *locked(&self.report))
    }
}

impl Surroundings for Running {
    fn deployment(&self) -> Deployment {
        Deployment { attempt: self.attempt, ..locked(&self.shared.0).deployment.clone() }
    }

    fn effect(&self) -> Option<EffectKey> {
        let run = locked(&self.shared.0).deployment.run.clone();
        Some(EffectKey { run, step: self.step.clone(), attempt: self.attempt })
    }

    fn output(&self, step: &str, name: &str) -> Option<String> {
        locked(&self.shared.0).outputs.get(step)?.get(name).cloned()
    }

    fn append_record(&self, record: Value) -> Result<(), Problem> {
        let record = Json::from(&record);
        let text = record.text().to_owned();
        self.recorder.record(&Event::RecordAppended { step: self.step.clone(), attempt: self.attempt, record })?;
        locked(&self.shared.0).records.entry(self.step.clone()).or_default().push(text);
        Ok(())
    }

    fn state(&self, key: &str) -> Option<String> {
        locked(&self.shared.0).state.get(&self.state)?.get(key).cloned()
    }

    fn set_state(&self, key: &str, value: &str) -> Result<(), Problem> {
        self.recorder.record(&Event::StateSet {
            state: self.state.clone(),
            key: key.to_owned(),
            value: value.to_owned(),
        })?;
        locked(&self.shared.0).state.entry(self.state.clone()).or_default().insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn log(&self, level: Level, message: &str) {
        self.recorder.listener().log(&self.step, level, message);
    }

    fn write(&self, bytes: &[u8]) {
        self.recorder.listener().write(&self.step, bytes);
    }

    fn progress(&self, message: &str, done: Option<u64>, total: Option<u64>) {
        self.recorder.listener().progress(&self.step, message, done, total);
    }

    fn report(&self, item: ReportItem) {
        let mut report = locked(&self.report);
        if report.len() < REPORT_ITEMS {
            report.push(item);
        }
    }
}

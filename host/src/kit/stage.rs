//! What a call sees of the run that it believes to be part of, and what it leaves of it.

use super::cases::{Called, Case};
use crate::event::{Level, ReportItem, Subject};
use crate::plugin::{Deployment, EffectKey, LiveRelease, StepState, Surroundings};
use crate::problem::Problem;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The commit of a case that names none.
pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The run of one case.
#[derive(Debug)]
pub(super) struct Stage {
    called: Called,
    deployment: Deployment,
    outputs: BTreeMap<String, BTreeMap<String, String>>,
    left: Mutex<Left>,
}

/// What calls leave.
#[derive(Debug, Clone, Default)]
pub(super) struct Left {
    pub(super) records: Vec<Value>,
    pub(super) state: BTreeMap<String, String>,
    pub(super) log: Vec<String>,
    /// The line that was begun and not ended.
    open: Vec<u8>,
}

impl Left {
    /// What a case begins with.
    pub(super) fn with_state(state: BTreeMap<String, String>) -> Self {
        Self { state, ..Self::default() }
    }

    fn end_line(&mut self) {
        if !self.open.is_empty() {
            let line = std::mem::take(&mut self.open);
            self.log.push(String::from_utf8_lossy(&line).into_owned());
        }
    }
}

impl Stage {
    /// One call of a case, after what the calls before it have left.
    pub(super) fn new(case: &Case, called: Called, before: Left) -> Self {
        let given = &case.deployment;
        let or = |value: &Option<String>, other: &str| value.clone().unwrap_or_else(|| other.to_owned());
        let live = given.live.as_ref().map(|live| LiveRelease {
            run: live.run.clone(),
            commit: live.commit.clone(),
            version: live.version.clone(),
            at: live.at.clone(),
        });
        let step = |step: &super::cases::StepValues| StepState {
            id: step.id.clone(),
            plugin: step.plugin.clone(),
            outcome: step.outcome,
        };
        let deployment = Deployment {
            subject: Subject {
                app: or(&given.app, "app"),
                environment: or(&given.environment, "test"),
                component: given.component.clone(),
                commit: or(&given.commit, COMMIT),
                reference: given.reference.clone(),
                version: or(&given.version, "1.0.0"),
                actor: given.actor.clone(),
            },
            url: given.url.clone(),
            // There is no run yet while a plan is made.
            run: if called == Called::Plan { String::new() } else { or(&given.run, "test-run") },
            attempt: given.attempt.unwrap_or(1),
            log_url: given.log_url.clone(),
            live,
            outcome: given.status.and_then(super::cases::Status::outcome),
            problem: given.problem.clone(),
            steps: given.steps.iter().map(step).collect(),
        };
        let left = Mutex::new(Left { log: vec![], open: vec![], ..before });
        Self { called, deployment, outputs: case.outputs.clone(), left }
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was recorded so far.
    pub(super) fn records(&self) -> Vec<Value> {
        self.left().records.clone()
    }

    /// What the call has left.
    pub(super) fn take(&self) -> Left {
        let mut left = self.left();
        left.end_line();
        std::mem::take(&mut *left)
    }
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

impl Surroundings for Stage {
    fn deployment(&self) -> Deployment {
        self.deployment.clone()
    }

    fn effect(&self) -> Option<EffectKey> {
        let Deployment { run, attempt, .. } = &self.deployment;
        let works = matches!(self.called, Called::Apply | Called::Revert);
        works.then(|| EffectKey { run: run.clone(), step: "case".into(), attempt: *attempt })
    }

    fn output(&self, step: &str, name: &str) -> Option<String> {
        self.outputs.get(step)?.get(name).cloned()
    }

    fn append_record(&self, record: Value) -> Result<(), Problem> {
        self.left().records.push(record);
        Ok(())
    }

    fn state(&self, key: &str) -> Option<String> {
        self.left().state.get(key).cloned()
    }

    fn set_state(&self, key: &str, value: &str) -> Result<(), Problem> {
        self.left().state.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn log(&self, level: Level, message: &str) {
        let mut left = self.left();
        left.end_line();
        left.log.extend(message.lines().map(|line| format!("{}: {line}", word(level))));
    }

    fn write(&self, bytes: &[u8]) {
        let mut left = self.left();
        for byte in bytes {
            if *byte == b'\n' {
                let line = std::mem::take(&mut left.open);
                left.log.push(String::from_utf8_lossy(&line).into_owned());
            } else {
                left.open.push(*byte);
            }
        }
    }

    fn progress(&self, _: &str, _: Option<u64>, _: Option<u64>) {}

    fn report(&self, _: ReportItem) {}
}

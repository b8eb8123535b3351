//! One call of one function of a plugin, in a fresh instance that is gone afterwards.

use super::bindings::exports::windlass::plugin::lifecycle::Description;
use super::contract::{Instance, Prepared};
use super::engine::Runtime;
use super::host::limits::{self, Exceeded};
use super::host::{Services, State, Stopped, Surroundings};
use super::stop::Stop;
use super::{Plugin, backtrace, convert};
pub use crate::event::Verdict;
use crate::policy::{Capability, Gate, Usage};
use crate::problem::{Code, Problem};
use crate::secret::Redactor;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Store;

/// What one call may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long it may take, whatever it does meanwhile.
    pub time: Duration,
    /// The memory of the guest, in bytes.
    pub memory: usize,
    /// What it and its children may write into the log, in bytes.
    pub output: u64,
}

impl Default for Limits {
    /// For what can wait for nothing: `describe` and `requires`.
    fn default() -> Self {
        Self { time: Duration::from_secs(10), memory: 256 << 20, output: 64 << 20 }
    }
}

/// What to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// What would it do?
    Plan,
    /// Do it.
    Apply,
    /// What became of an `apply` that was cut off?
    Probe,
    /// Take it back.
    Revert,
}

impl Function {
    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Probe => "probe",
            Self::Revert => "revert",
        }
    }
}

/// A call.
#[derive(Debug)]
pub struct Call<'a> {
    /// What to call.
    pub function: Function,
    /// The configuration, as JSON, filled.
    pub config: &'a str,
    /// The records, for probe and revert.
    pub records: &'a [String],
    /// What it may do.
    pub gate: Gate,
    /// What it may use.
    pub limits: Limits,
    /// What it sees of the run.
    pub surroundings: Arc<dyn Surroundings>,
    /// What every call of the run has in common.
    pub services: Arc<Services>,
    /// When it is told to stop.
    pub stop: Stop,
}

/// What an intent does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Looks only.
    Reads,
    /// Looks at what is live, and fails where that is not as it must be.
    Checks,
    /// Changes something, and can take it back.
    Changes,
    /// Changes something that cannot be taken back.
    Irreversible,
    /// Could not be found out.
    Unknown,
}

impl Effect {
    /// Whether it changes nothing. What could not be found out may change anything.
    #[must_use]
    pub const fn looks_only(self) -> bool {
        matches!(self, Self::Reads | Self::Checks)
    }

    /// In words, after "it was".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Reads => "a look",
            Self::Checks => "a check",
            Self::Changes => "a change that can be taken back",
            Self::Irreversible => "irreversible",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing a step means to do.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Intent {
    /// Stable and exact.
    pub id: String,
    /// One line.
    pub summary: String,
    /// More.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What it does to the world.
    pub effect: Effect,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// One line.
    pub summary: String,
    /// For later steps.
    pub outputs: Vec<(String, String)>,
    /// What it saw.
    pub findings: Vec<crate::event::Finding>,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To `plan`.
    Intents(Vec<Intent>),
    /// To `apply` and `revert`.
    Outcome(Outcome),
    /// To `probe`.
    Verdict(Verdict),
}

/// Why a call has no answer. Failure, denial and trap are different things.
#[derive(Debug, Clone, PartialEq)]
pub enum CallFailure {
    /// The plugin says why.
    Failed(convert::Failure),
    /// It took too long and was stopped.
    TimedOut(Duration),
    /// It was told to stop. Its children have ended, or were killed.
    Stopped,
    /// It wanted more than it may have: what that was.
    Exceeded(String),
    /// It crashed.
    Trapped {
        /// How.
        reason: String,
        /// Where, innermost first.
        frames: Vec<String>,
        /// What it said last, for example the message of its panic.
        last_words: Option<String>,
    },
    /// The host could not go on: the journal cannot be written, or a bug of ours.
    Refused(Problem),
}

impl CallFailure {
    /// Whether trying again may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Failed(failure) => failure.kind.may_pass(),
            Self::TimedOut(_) => true,
            _ => false,
        }
    }

    /// As a person is told of it. `plugin` is `name@version`.
    #[must_use]
    pub fn into_problem(self, plugin: &str, function: &str) -> Problem {
        match self {
            Self::Failed(failure) => failure.into_problem(),
            Self::TimedOut(limit) => Problem::new(
                Code::StepTimedOut,
                format!("`{function}` of plugin `{plugin}` did not end within {}", crate::words::span(limit)),
            )
            .because("it was stopped, and what it had started with it")
            .with_hint(match function {
                // No step's `timeout` is for these: they compute, and wait for nothing.
                "describe" | "requires" => "this is a bug in the plugin: mend it, or report it to its author",
                _ => "give the step a longer `timeout` if it needs one; where it goes round without an end, that is a bug in the plugin",
            }),
            Self::Stopped => {
                Problem::new(Code::Cancelled, format!("`{function}` of plugin `{plugin}` was told to stop"))
                    .because("the run was cancelled")
            }
            Self::Exceeded(what) => {
                { Problem::new(Code::StepTrapped, format!("`{function}` of plugin `{plugin}` wanted {what}")) }
                    .because("it was stopped")
                    .with_hint("this is a bug in the plugin: mend it, or report it to its author")
            }
            Self::Trapped { reason, frames, last_words } => {
                let mut problem = Problem::new(Code::StepTrapped, format!("plugin `{plugin}` crashed in `{function}`"));
                if let Some(words) = last_words {
                    problem = problem.because(words);
                }
                problem = problem.because(reason);
                for frame in frames {
                    problem = problem.because(format!("at {frame}"));
                }
                problem.with_hint("this is a bug in the plugin: mend it where this says, or report it to its author with this text")
            }
            Self::Refused(problem) => problem,
        }
    }
}

impl Plugin {
    /// Call one function in a fresh instance. The second value is what was used and denied, whatever came of the call.
    pub async fn call(&self, call: Call<'_>) -> (Result<Answer, CallFailure>, Vec<Usage>) {
        let runtime = match self.runtime() {
            Ok(runtime) => runtime,
            Err(problem) => return (Err(CallFailure::Refused(problem)), Vec::new()),
        };
        let Call { function, config, records, gate, limits, surroundings, services, stop } = call;
        let redactor = services.redactor.clone();
        let state = match State::new(gate, &limits, surroundings, services, function, &self.locked_name(), stop) {
            Ok(state) => state,
            Err(problem) => return (Err(CallFailure::Refused(problem)), Vec::new()),
        };
        let gate = state.gate();
        let result = enter(self.pre(), runtime, state, limits.time, async |store, step| {
            let outcome = |outcome| Answer::Outcome(convert::outcome(outcome));
            Ok(match function {
                Function::Plan => step
                    .plan(store, config)
                    .await?
                    .map(|intents| Answer::Intents(intents.into_iter().map(convert::intent).collect())),
                Function::Apply => step.apply(store, config).await?.map(outcome),
                Function::Probe => {
                    step.probe(store, config, records).await?.map(|verdict| Answer::Verdict(convert::verdict(verdict)))
                }
                Function::Revert => step.revert(store, config, records).await?.map(outcome),
            })
        })
        .await;
        let usages = gate.lock().unwrap_or_else(std::sync::PoisonError::into_inner).usages().to_vec();
        let answer = result
            .and_then(|answer| answer.map_err(|failure| CallFailure::Failed(convert::failure(failure, &redactor))));
        (answer.and_then(within_bounds), usages)
    }
}

/// The most that one call may answer, in bytes: all of it goes into the journal or into the plan.
const ANSWER: usize = 4 << 20;

/// An answer that can be kept.
fn within_bounds(answer: Answer) -> Result<Answer, CallFailure> {
    let size = match &answer {
        Answer::Intents(intents) => intents
            .iter()
            .map(|intent| intent.id.len() + intent.summary.len() + intent.detail.as_ref().map_or(0, String::len))
            .sum(),
        Answer::Outcome(outcome) => {
            let outputs: usize = outcome.outputs.iter().map(|(name, value)| name.len() + value.len()).sum();
            let findings: usize =
                outcome.findings.iter().map(|finding| finding.message.len() + finding.code.len()).sum();
            outcome.summary.len() + outputs + findings
        }
        Answer::Verdict(_) => 0,
    };
    if size <= ANSWER {
        return Ok(answer);
    }
    Err(CallFailure::Failed(convert::Failure {
        kind: convert::Kind::Bug,
        code: "answer-too-large".into(),
        message: format!("the plugin put out more than {} MiB", ANSWER >> 20),
        causes: vec![format!("it was {} MiB", size >> 20)],
        hint: Some("this is a bug in the plugin: mend it, or report it to its author".into()),
        note: None,
    }))
}

/// Ask a plugin who it is.
pub(super) async fn describe(pre: &Prepared, runtime: &Runtime, limits: &Limits) -> Result<Description, CallFailure> {
    let state = State::without_host(limits).map_err(CallFailure::Refused)?;
    enter(pre, runtime, state, limits.time, async |store, step| step.describe(store).await).await
}

/// Ask a plugin what a configuration needs.
pub(super) async fn requires(
    pre: &Prepared,
    runtime: &Runtime,
    config: &str,
    limits: &Limits,
) -> Result<Vec<Capability>, CallFailure> {
    let state = State::without_host(limits).map_err(CallFailure::Refused)?;
    let answer =
        enter(pre, runtime, state, limits.time, async |store, step| step.requires(store, config).await).await?;
    let mut capabilities: Vec<Capability> = answer
        // What a configuration says is no secret.
        .map_err(|failure| CallFailure::Failed(convert::failure(failure, &Redactor::none())))?
        .into_iter()
        .map(convert::capability)
        .collect();
    capabilities.sort();
    capabilities.dedup();
    Ok(capabilities)
}

/// Instantiate, do something with the instance, and tell apart the ways in which that can end.
async fn enter<T>(
    pre: &Prepared,
    runtime: &Runtime,
    state: State,
    time: Duration,
    work: impl AsyncFnOnce(&mut Store<State>, &Instance) -> wasmtime::Result<T>,
) -> Result<T, CallFailure> {
    runtime.tick();
    let (stop, children) = state.stop();
    let mut store = Store::new(&runtime.engine, state);
    limits::hold(&mut store);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    let work = async {
        let step = pre.instantiate(&mut store).await?;
        work(&mut store, &step).await
    };
    // On time-out the call is dropped where it stands: the guest at its next tick, a host function at once, and with it
    // the children that it was waiting for. Being told to stop comes first, so that the guest begins nothing more.
    let result = tokio::select! {
        biased;
        () = stop.due(&children) => Err(CallFailure::Stopped),
        result = tokio::time::timeout(time, work) => match result {
            Ok(result) => Ok(result),
            // It used up its time while its children were ending.
            Err(_) if stop.is_told() => Err(CallFailure::Stopped),
            Err(_) => Err(CallFailure::TimedOut(time)),
        },
    };
    store.data_mut().finish();
    result?.map_err(|error| {
        if let Some(problem) = store.data_mut().take_fatal() {
            CallFailure::Refused(problem)
        } else if error.downcast_ref::<Stopped>().is_some() {
            CallFailure::Stopped
        } else if let Some(exceeded) = Exceeded::of(&error) {
            CallFailure::Exceeded(exceeded.to_string())
        } else {
            CallFailure::Trapped {
                reason: backtrace::reason(&error),
                frames: backtrace::frames(&error),
                last_words: store.data_mut().take_last_words(),
            }
        }
    })
}

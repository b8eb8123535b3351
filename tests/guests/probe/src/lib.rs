//! A step that does what its configuration says, well or badly, and tells what came of it. Each of `plan`, `apply` and
//! `revert` is a list of operations; what each came to is an output (`apply`), an intent (`plan`), or part of the summary
//! (`revert`), for a test to look at. What it says of itself (`effect`) and of an `apply` that was cut off (`probe`) need
//! not be true.

mod files;
mod grants;
mod misbehave;
mod operation;
mod raw;

use operation::Operation;
use windlass_plugin::{Capability, Effect, Failure, Intent, Outcome, Step, Verdict, log};

/// Does what it is told.
pub struct Probe;

/// What to ask for and what to do.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What to ask for, in the words of `deploy.lock`.
    #[serde(default)]
    capabilities: Vec<grants::Asked>,
    /// What to do while planning.
    #[serde(default)]
    plan: Vec<Operation>,
    /// What to do.
    #[serde(default)]
    apply: Vec<Operation>,
    /// What to do when it is taken back.
    #[serde(default)]
    revert: Vec<Operation>,
    /// What to do where no host may be reached.
    #[serde(default)]
    requires: Vec<Operation>,
    /// What its plan says that it does to the world.
    #[serde(default)]
    effect: SaidEffect,
    /// What it says became of it, when it was cut off.
    #[serde(default)]
    probe: SaidVerdict,
    /// Whether the first operation that fails is the failure of the call; otherwise it is only told.
    #[serde(default)]
    strict: bool,
}

/// An effect, by name.
#[derive(Clone, Copy, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum SaidEffect {
    Reads,
    Checks,
    #[default]
    Changes,
    Irreversible,
    Unknown,
}

impl SaidEffect {
    fn effect(self) -> Effect {
        match self {
            Self::Reads => Effect::Reads,
            Self::Checks => Effect::Checks,
            Self::Changes => Effect::Changes,
            Self::Irreversible => Effect::Irreversible,
            Self::Unknown => Effect::Unknown,
        }
    }
}

/// A verdict, by name, or that there is none.
#[derive(Clone, Copy, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum SaidVerdict {
    Done,
    Partly,
    NotDone,
    #[default]
    Unknown,
    /// The probe fails.
    Fail,
    /// The probe never ends.
    Spin,
}

/// Does the operations in order, and says what each came to.
fn perform(operations: &[Operation], strict: bool) -> Result<Vec<String>, Failure> {
    let mut results = vec![];
    for operation in operations {
        let result = match operation.perform() {
            Ok(result) => format!("ok: {result}"),
            Err(failure) if strict || operation.is_failure() => return Err(failure),
            Err(failure) => operation::describe(&failure),
        };
        log::info(format!("{}: {result}", results.len()));
        results.push(result);
    }
    Ok(results)
}

impl Step for Probe {
    const NAME: &'static str = "probe";
    const VERSION: &'static str = "1.2.3";
    const SUMMARY: &'static str = "Does what it is told, well or badly.";
    type Config = Config;
    type Record = serde_json::Value;

    fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
        perform(&config.requires, true)?;
        Ok(config.capabilities.iter().map(grants::Asked::capability).collect())
    }

    fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
        let effect = config.effect.effect();
        let mut intents = vec![Intent { effect, ..Intent::changes("probe", "do what it is told") }];
        for (index, result) in perform(&config.plan, config.strict)?.into_iter().enumerate() {
            intents.push(Intent::reads(format!("plan-{index}"), result));
        }
        Ok(intents)
    }

    fn apply(config: &Config) -> Result<Outcome, Failure> {
        let results = perform(&config.apply, config.strict)?;
        let outcome = Outcome::new("did what it was told");
        Ok(results
            .into_iter()
            .enumerate()
            .fold(outcome, |outcome, (index, result)| outcome.with_output(index.to_string(), result)))
    }

    fn probe(config: &Config, records: Vec<serde_json::Value>) -> Result<Verdict, Failure> {
        log::info(format!("probed with {} records", records.len()));
        Ok(match config.probe {
            SaidVerdict::Done => Verdict::Done,
            SaidVerdict::Partly => Verdict::Partly,
            SaidVerdict::NotDone => Verdict::NotDone,
            SaidVerdict::Unknown => Verdict::Unknown,
            SaidVerdict::Spin => {
                misbehave::spin();
                Verdict::Unknown
            }
            SaidVerdict::Fail => return Err(Failure::unavailable("nobody-answers", "it could not be looked at")),
        })
    }

    fn revert(config: &Config, records: Vec<serde_json::Value>) -> Result<Outcome, Failure> {
        let results = perform(&config.revert, config.strict)?;
        Ok(Outcome::new(format!("{} records | {}", records.len(), results.join(" | "))))
    }
}

windlass_plugin::export!(Probe);

//! A step that does what its configuration says, well or badly, and tells what came of it. Each of `plan`, `apply` and
//! `revert` is a list of operations; what each came to is an output (`apply`), an intent (`plan`), or part of the summary
//! (`revert`), for a test to look at.

mod files;
mod grants;
mod misbehave;
mod operation;

use operation::Operation;
use windlass_plugin::{Capability, Failure, Intent, Outcome, Step, log};

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
    /// Whether the first operation that fails is the failure of the call; otherwise it is only told.
    #[serde(default)]
    strict: bool,
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
        let mut intents = vec![Intent::changes("probe", "do what it is told")];
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

    fn revert(config: &Config, records: Vec<serde_json::Value>) -> Result<Outcome, Failure> {
        let results = perform(&config.revert, config.strict)?;
        Ok(Outcome::new(format!("{} records | {}", records.len(), results.join(" | "))))
    }
}

windlass_plugin::export!(Probe);

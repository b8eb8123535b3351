//! Sets a feature flag with the program `./flag`, and sets it back when the deployment is taken back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_plugin::process::Command;
use windlass_plugin::{ALL_PHASES, Capability, Failure, Intent, Outcome, Phases, Step, Verdict, record};

/// The program that keeps flags.
const PROGRAM: &str = "./flag";

/// The plugin.
pub struct Plugin;

/// The step's `with`. Its schema is made of this, and the texts are what editors show.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The flag's name.
    #[schemars(regex(pattern = r"^[a-z0-9-]+$"))]
    flag: String,
    /// What it is to be.
    #[schemars(regex(pattern = r"^[a-z0-9-]+$"))]
    value: String,
}

/// What is kept in the journal, to take it back.
#[derive(Serialize, Deserialize)]
pub struct Record {
    flag: String,
    before: String,
}

fn read(flag: &str) -> Result<String, Failure> {
    let completion = Command::new(PROGRAM).arguments(["get", flag]).capture()?;
    if !completion.succeeded() {
        return Err(Failure::unavailable("flag-unreadable", format!("the flag `{flag}` cannot be read"))
            .because(format!("`{PROGRAM}` ended with {}", completion.ending()))
            .because(completion.tail.trim()));
    }
    Ok(completion.stdout_text().trim().to_owned())
}

fn set(flag: &str, value: &str) -> Result<(), Failure> {
    let completion = Command::new(PROGRAM).arguments(["set", flag, value]).capture()?;
    if !completion.succeeded() {
        return Err(Failure::unavailable("flag-not-set", format!("the flag `{flag}` was not set to `{value}`"))
            .because(format!("`{PROGRAM}` ended with {}", completion.ending()))
            .because(completion.tail.trim()));
    }
    Ok(())
}

impl Step for Plugin {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Sets a feature flag, and sets it back.";
    type Config = Config;
    type Record = Record;

    fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
        Ok(vec![
            Capability::exec(PROGRAM).arguments(["get", &config.flag]).during(ALL_PHASES),
            Capability::exec(PROGRAM)
                .arguments(["set", &config.flag, "*"])
                .writes(["flags"])
                .during(Phases::APPLY | Phases::REVERT),
        ])
    }

    fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
        let Config { flag, value } = config;
        let now = read(flag)?;
        if now == *value {
            return Ok(vec![]);
        }
        let summary = match now.as_str() {
            "" => format!("set `{flag}` to `{value}`, which is not set"),
            now => format!("set `{flag}` to `{value}`, which is `{now}`"),
        };
        Ok(vec![Intent::changes(format!("{flag}={value}"), summary)])
    }

    fn apply(config: &Config) -> Result<Outcome, Failure> {
        let Config { flag, value } = config;
        let before = read(flag)?;
        // First the record, then the effect: what is cut off between them is taken back, too.
        record::append(&Record { flag: flag.clone(), before: before.clone() })?;
        set(flag, value)?;
        Ok(Outcome::new(format!("set `{flag}` to `{value}`")).with_output("before", before))
    }

    fn probe(config: &Config, _: Vec<Record>) -> Result<Verdict, Failure> {
        Ok(if read(&config.flag)? == config.value { Verdict::Done } else { Verdict::NotDone })
    }

    fn revert(_: &Config, records: Vec<Record>) -> Result<Outcome, Failure> {
        let mut summary = "nothing to take back".to_owned();
        for Record { flag, before } in records.iter().rev() {
            set(flag, before)?;
            summary = match before.as_str() {
                "" => format!("took `{flag}` away again"),
                before => format!("set `{flag}` back to `{before}`"),
            };
        }
        Ok(Outcome::new(summary))
    }
}

windlass_plugin::export!(Plugin);

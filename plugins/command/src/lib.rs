//! The built-in step `command`: a program with arguments, what takes it back, and what tells whether it is done already.
//!
//! This file runs programs and keeps records; what is asked for, planned, said and taken back is decided in `logic`.

mod config;
mod logic;

use std::collections::BTreeMap;

use windlass_plugin::process::Command as Child;
use windlass_plugin::{Capability, Failure, Intent, Outcome, Step, Verdict, log, record};

pub use config::{CommandEffect, Config, Line};
pub use logic::Record;

use config::Checked;

/// Runs a program.
#[derive(Debug)]
pub struct Command;

impl Step for Command {
    const NAME: &'static str = "command";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Runs a program, and another one to take it back.";
    type Config = Config;
    type Record = Record;

    fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
        Ok(logic::capabilities(&config.checked()?))
    }

    fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
        let checked = config.checked()?;
        let verdict = match &checked.unless {
            Some(unless) => ask(unless, &checked)?,
            None => Verdict::NotDone,
        };
        Ok(logic::intents(&checked, verdict))
    }

    fn apply(config: &Config) -> Result<Outcome, Failure> {
        let checked = config.checked()?;
        let child = child(&checked.run, &config.directory, &config.set);
        let child = match &config.input {
            Some(input) => child.input(input.as_bytes()),
            None => child,
        };
        let keeps_records = !checked.effect.looks_only();
        if keeps_records {
            record::append(&Record::Starting {
                run: checked.run.clone(),
                revert: checked.revert.clone(),
                directory: config.directory.clone(),
                set: config.set.clone(),
            })?;
        }
        let completion = match child.stream() {
            Ok(completion) => completion,
            Err(failure) => {
                if keeps_records {
                    record::append(&Record::NotStarted)?;
                }
                return Err(failure);
            }
        };
        let code = logic::exit_code(&checked.run, &completion, &config.success)?;
        let ending = if code == 0 { String::new() } else { format!(" with exit code {code}") };
        let summary = format!("ran `{}`{ending}", logic::shown(&checked.run));
        Ok(Outcome::new(summary).with_output("exit-code", code.to_string()))
    }

    fn probe(config: &Config, records: Vec<Record>) -> Result<Verdict, Failure> {
        let checked = config.checked()?;
        match (logic::verdict_of_records(checked.effect, &records), &checked.unless) {
            (Some(verdict), _) => Ok(verdict),
            (None, Some(unless)) => ask(unless, &checked),
            (None, None) => Ok(Verdict::Unknown),
        }
    }

    fn revert(_: &Config, records: Vec<Record>) -> Result<Outcome, Failure> {
        let reverts = logic::reverts(&records);
        let mut ran = vec![];
        for revert in reverts {
            let completion = child(&revert.line, &revert.directory, &revert.set).stream()?;
            if !completion.succeeded() {
                return Err(logic::failed("revert-failed", &revert.line, &completion));
            }
            ran.push(format!("`{}`", logic::shown(&revert.line)));
        }
        if ran.is_empty() {
            return Ok(Outcome::new("nothing to take back"));
        }
        Ok(Outcome::new(format!("ran {}", ran.join(", "))))
    }
}

/// A program that is about to be run. The host puts the granted secrets into its environment by itself.
fn child(line: &Line, directory: &str, set: &BTreeMap<String, String>) -> Child {
    let child = Child::new(line.program()).arguments(line.arguments().iter().cloned()).directory(directory);
    set.iter().fold(child, |child, (name, value)| child.variable(name, value))
}

/// What `unless` says.
///
/// # Errors
/// Where it could not be run: then there is no plan, and of what was cut off nobody knows what became.
fn ask(unless: &Line, checked: &Checked<'_>) -> Result<Verdict, Failure> {
    let config = checked.config;
    let completion = match child(unless, &config.directory, &config.set).capture() {
        Ok(completion) => completion,
        Err(failure) => {
            let verdict = logic::verdict_of_failure(&failure).ok_or_else(|| failure.clone())?;
            log::warn(format!("`{}` was not run: {}", logic::shown(unless), failure.message));
            return Ok(verdict);
        }
    };
    let output = completion.tail.trim_end();
    if !output.is_empty() {
        log::debug(output);
    }
    if completion.tells_of_refusal() {
        let (line, ending) = (logic::shown(unless), completion.ending());
        log::warn(format!(
            "`{line}` ended with {ending}, and something was refused to it: that does not tell what is done"
        ));
    }
    Ok(logic::verdict(&completion))
}

windlass_plugin::export!(crate::Command);

//! The built-in step `command`: a program with arguments, what takes it back, and what tells whether it is done already.
//!
//! This file runs programs and keeps records; what is asked for, planned, said and taken back is decided in `logic`.

mod config;
mod logic;

use std::collections::BTreeMap;

use windlass_plugin::process::Command as Child;
use windlass_plugin::{Capability, Failure, Intent, Outcome, Step, Verdict, log, record, secrets};

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
        let child = with_secrets(child, config)?;
        let keeps_records = checked.effect != CommandEffect::Reads;
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

    fn revert(config: &Config, records: Vec<Record>) -> Result<Outcome, Failure> {
        let reverts = logic::reverts(records);
        let mut ran = vec![];
        for revert in reverts {
            let child = with_secrets(child(&revert.line, &revert.directory, &revert.set), config)?;
            let completion = child.stream()?;
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

/// A program that is about to be run.
fn child(line: &Line, directory: &str, set: &BTreeMap<String, String>) -> Child {
    let child = Child::new(line.program()).arguments(line.arguments().iter().cloned()).directory(directory);
    set.iter().fold(child, |child, (name, value)| child.variable(name, value))
}

/// With the stand-ins of the granted secrets, which the host replaces in the child's environment.
fn with_secrets(mut child: Child, config: &Config) -> Result<Child, Failure> {
    for (variable, reference) in &config.secrets {
        let Some(placeholder) = secrets::placeholder(&reference.secret)? else {
            return Err(missing_secret(&reference.secret, variable));
        };
        child = child.variable(variable, placeholder);
    }
    Ok(child)
}

fn missing_secret(secret: &str, variable: &str) -> Failure {
    Failure::misconfigured("secret-not-set", format!("the secret `{secret}` is not set"))
        .because(format!("the command gets it as `{variable}`"))
        .with_hint(format!("set `{secret}` in the environment of the job"))
}

/// What `unless` says. Without its secrets, as in a pull request from a fork, nobody can know.
fn ask(unless: &Line, checked: &Checked<'_>) -> Result<Verdict, Failure> {
    let config = checked.config;
    let child = match with_secrets(child(unless, &config.directory, &config.set), config) {
        Ok(child) => child,
        Err(failure) if failure.code == "secret-not-set" => {
            log::warn(format!("`{}` was not run: {}", logic::shown(unless), failure.message));
            return Ok(Verdict::Unknown);
        }
        Err(failure) => return Err(failure),
    };
    let completion = child.capture()?;
    let output = completion.tail.trim_end();
    if !output.is_empty() {
        log::debug(output);
    }
    Ok(logic::verdict(&completion))
}

windlass_plugin::export!(crate::Command);

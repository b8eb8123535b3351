//! The built-in step `dep-install`: installs what a project's lockfile names, exactly that, and refuses everything else.
//!
//! This file reaches files and programs; what is recognised, run, said and concluded is decided in the other modules.

mod berry;
mod commands;
mod config;
mod lockfile;
mod manager;
mod naming;
mod npm;
mod recognise;
mod standing;
mod trouble;
mod witness;
mod work;
mod world;

pub use config::Config;
pub use manager::Manager;
pub use work::Record;

use commands::Invocation;
use windlass_plugin::process::Command;
use windlass_plugin::{Capability, Failure, Intent, Outcome, Step, Verdict, log, progress, record, state};
use world::{Ended, Files, Output, Workplace, World};

/// The step.
pub struct DepInstall;

/// The folder, and the programs that may be run in it.
struct Host<'config>(&'config Config);

impl Host<'_> {
    fn command(&self, invocation: &Invocation) -> Command {
        let command = Command::new(&invocation.program)
            .arguments(invocation.arguments.iter().cloned())
            .directory(&self.0.directory);
        invocation.variables.iter().fold(command, |command, (name, value)| command.variable(*name, *value))
    }

    /// One step may install in several folders over time.
    fn key(&self, key: &str) -> String {
        format!("{key} {}", self.0.directory)
    }
}

impl Files for Host<'_> {
    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.0.path(name)).ok()
    }

    fn exists(&self, name: &str) -> bool {
        std::fs::symlink_metadata(self.0.path(name)).is_ok()
    }

    fn fingerprint(&self, name: &str) -> Option<String> {
        std::fs::read(self.0.path(name)).ok().map(|bytes| lockfile::digest(&bytes))
    }
}

impl World for Host<'_> {
    fn run(&self, invocation: &Invocation) -> Result<Output, Failure> {
        let completion = self.command(invocation).capture()?;
        Ok(Output {
            succeeded: completion.succeeded(),
            standard: completion.stdout_text(),
            error: completion.stderr_text(),
        })
    }

    fn kept(&self, key: &str) -> Option<String> {
        state::get(&self.key(key)).ok().flatten()
    }
}

impl Workplace for Host<'_> {
    fn stream(&self, invocation: &Invocation) -> Result<Ended, Failure> {
        let completion = self.command(invocation).stream()?;
        Ok(Ended {
            succeeded: completion.succeeded(),
            ending: completion.ending(),
            refused: completion.tells_of_refusal(),
            tail: completion.tail,
        })
    }

    fn keep(&self, key: &str, value: &str) -> Result<(), Failure> {
        state::set(&self.key(key), value)
    }

    fn progress(&self, message: &str) {
        progress::update(message, None, None);
    }

    fn warn(&self, message: &str) {
        log::warn(message);
    }
}

impl Step for DepInstall {
    const NAME: &'static str = "dep-install";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Installs what the project's lockfile names, and nothing else.";
    type Config = Config;
    type Record = Record;

    fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
        work::requires(config)
    }

    fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
        work::plan(&Host(config), config)
    }

    fn apply(config: &Config) -> Result<Outcome, Failure> {
        work::apply(&Host(config), config, &|entry| record::append(entry))
    }

    fn probe(_: &Config, records: Vec<Record>) -> Result<Verdict, Failure> {
        Ok(work::probe(&records))
    }

    /// What is installed is made from the lockfile and belongs to nobody's release: the next install begins from the
    /// lockfile that is there then. So there is nothing to take back.
    fn revert(_: &Config, records: Vec<Record>) -> Result<Outcome, Failure> {
        Ok(Outcome::new(match records.len() {
            0 => "nothing was installed",
            _ => "left in place: installed packages are a cache of the lockfile, and the next install makes them anew",
        }))
    }
}

windlass_plugin::export!(crate::DepInstall);

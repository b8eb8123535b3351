//! The built-in step `migrate`: brings a database's schema to where the project's migrations lead, and back.
//!
//! This file is the glue to the host. [`files`] and [`markers`] read the migrations, [`standing`] compares them with the
//! [`history`], and a [`session::Session`] does the work. All of it speaks to the [`database::Database`] trait, so that the
//! same code is tested natively against real databases.

mod apply;
pub mod config;
pub mod database;
pub mod files;
pub mod history;
pub mod lock;
pub mod markers;
pub mod peers;
pub mod plan;
mod probe;
pub mod record;
mod revert;
#[cfg(test)]
mod scenarios;
pub mod session;
pub mod standing;
pub mod statements;
pub mod surroundings;
#[cfg(test)]
mod testing;

pub use config::Config;
pub use record::Record;

use database::Connection;
use session::Session;
use surroundings::Host;
use windlass_plugin::{Capability, Failure, Intent, Outcome, Step, Verdict};

/// Migrates a database.
#[derive(Debug)]
pub struct Migrate;

impl Step for Migrate {
    const NAME: &'static str = "migrate";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Applies the pending migrations of a SQLite, PostgreSQL, MySQL or MariaDB database.";
    type Config = Config;
    type Record = Record;

    fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
        config.requires()
    }

    fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
        let files = files::read(&config.directory)?;
        let planned =
            Connection::open(config.connection()).and_then(|connection| plan::plan(&connection, config, &files));
        planned.or_else(plan::unreachable)
    }

    fn apply(config: &Config) -> Result<Outcome, Failure> {
        let files = files::read(&config.directory)?;
        let connection = Connection::open(config.connection())?;
        Session::new(&connection, config, &Host)?.apply(&files)
    }

    fn probe(config: &Config, records: Vec<Record>) -> Result<Verdict, Failure> {
        // Nothing is begun before the first record is in the journal.
        if records.is_empty() {
            return Ok(Verdict::NotDone);
        }
        let connection = Connection::open(config.connection())?;
        Session::new(&connection, config, &Host)?.probe(&records)
    }

    fn revert(config: &Config, records: Vec<Record>) -> Result<Outcome, Failure> {
        if records.is_empty() {
            return Ok(Outcome::new("nothing to take back"));
        }
        let connection = Connection::open(config.connection())?;
        Session::new(&connection, config, &Host)?.revert(&records)
    }
}

windlass_plugin::export!(crate::Migrate);

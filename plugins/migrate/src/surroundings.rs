//! What the step tells the world while it works.

use crate::record::Record;
use windlass_plugin::Failure;

/// The host, as far as this step needs it beside the database.
pub trait Surroundings {
    /// The run's id.
    fn run(&self) -> String;

    /// Append to the journal; it is on disk when this returns.
    ///
    /// # Errors
    /// The host's. Then the effect that was to follow must not come about.
    fn record(&self, record: &Record) -> Result<(), Failure>;

    /// Say something to whoever watches.
    fn info(&self, message: &str);

    /// Say something that is worth a look.
    fn warn(&self, message: &str);

    /// Say how far it is.
    fn progress(&self, message: &str, done: u64, total: u64);

    /// Put into the report of the run what became of each migration, by its file.
    fn tell(&self, results: &[(&str, &str)]);
}

/// The host itself.
#[derive(Debug, Clone, Copy)]
pub struct Host;

impl Surroundings for Host {
    fn run(&self) -> String {
        windlass_plugin::deployment::current().run
    }

    fn record(&self, record: &Record) -> Result<(), Failure> {
        windlass_plugin::record::append(record)
    }

    fn info(&self, message: &str) {
        windlass_plugin::log::info(message);
    }

    fn warn(&self, message: &str) {
        windlass_plugin::log::warn(message);
    }

    fn progress(&self, message: &str, done: u64, total: u64) {
        windlass_plugin::progress::update(message, Some(done), Some(total));
    }

    fn tell(&self, results: &[(&str, &str)]) {
        if results.is_empty() {
            return;
        }
        let rows: Vec<Vec<String>> =
            results.iter().map(|(file, result)| vec![(*file).to_owned(), (*result).to_owned()]).collect();
        windlass_plugin::report::table("Migrations", &["migration", "result"].map(String::from), &rows);
    }
}

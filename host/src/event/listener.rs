//! Who hears of events as they happen, and of what is in no journal.

use super::Event;

/// Who is told what happens while it happens. A listener never changes what comes of a run.
pub trait Listener: std::fmt::Debug + Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
    /// A step says something.
    fn log(&self, step: &str, level: Level, message: &str);
    /// A step's child writes something, as it comes.
    fn write(&self, step: &str, bytes: &[u8]);
    /// How far a step is.
    fn progress(&self, step: &str, message: &str, done: Option<u64>, total: Option<u64>);
}

/// How much a line of a step's log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the plugin's author.
    Debug,
    /// For whoever watches.
    Info,
    /// Worth a look.
    Warn,
    /// Wrong.
    Error,
}

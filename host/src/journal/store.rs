//! Where journals are kept: the interface.

use std::any::Any;
use std::fmt::Debug;
use std::io;

/// Keeps the journals of a project, by the names of their runs.
///
/// Errors are the system's, unchanged: whoever asks knows what they mean for a run.
pub trait Store: Debug + Send + Sync {
    /// The names of all runs, in no order. A run may have no journal yet, or no more.
    ///
    /// # Errors
    /// Where they cannot be listed. A project that never ran has none, and that is no error.
    fn runs(&self) -> io::Result<Vec<String>>;

    /// What messages call a run's journal.
    fn name(&self, run: &str) -> String;

    /// The whole text of a run's journal.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is none.
    fn read(&self, run: &str) -> io::Result<Vec<u8>>;

    /// Its first line, with its line feed where it is whole.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn read_first(&self, run: &str) -> io::Result<Vec<u8>>;

    /// How long it is, in bytes; nothing where there is none.
    fn length(&self, run: &str) -> u64;

    /// Begin a journal, and hold it. It lasts when this returns.
    ///
    /// # Errors
    /// Where there is one already, or it cannot be made.
    fn begin(&self, run: &str) -> io::Result<Box<dyn Log>>;

    /// Hold a journal that is there, for as long as the value lives; none where another process does, which is alive then.
    ///
    /// # Errors
    /// Where that cannot be found out.
    fn hold(&self, run: &str) -> io::Result<Option<Box<dyn Any + Send>>>;

    /// Whether a process holds it, which is alive then. Asking holds nothing.
    fn is_held(&self, run: &str) -> bool;

    /// Cut a journal that is held to its whole lines, and append to it from there.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn reopen(&self, run: &str, length: u64, held: Box<dyn Any + Send>) -> io::Result<Box<dyn Log>>;

    /// Forget a run, with all that is kept of it. One that is not there is forgotten.
    ///
    /// # Errors
    /// Where it cannot be removed.
    fn remove(&self, run: &str) -> io::Result<()>;
}

/// One journal that is being appended to.
pub trait Log: Debug + Send {
    /// Append some bytes. They last when this returns.
    ///
    /// # Errors
    /// Any: then what was written of them is not known.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
}

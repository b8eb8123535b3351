//! The one place where events go: into the journal first, then to whoever listens.

use crate::event::{Event, Listener};
use crate::journal::Journal;
use crate::problem::Problem;
use std::sync::{Arc, Mutex, PoisonError};

/// Writes events down and tells of them.
#[derive(Debug)]
pub struct Recorder {
    journal: Mutex<Journal>,
    listener: Arc<dyn Listener>,
}

impl Recorder {
    /// A recorder for one run.
    #[must_use]
    pub fn new(journal: Journal, listener: Arc<dyn Listener>) -> Self {
        Self { journal: Mutex::new(journal), listener }
    }

    /// Write an event down, and then tell of it. On disk when it returns.
    ///
    /// # Errors
    /// [`crate::problem::Code::JournalUnwritable`]: nothing may happen after that.
    pub fn record(&self, event: &Event) -> Result<(), Problem> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).append(event)?;
        self.listener.event(event);
        Ok(())
    }

    /// Write a note down.
    ///
    /// # Errors
    /// As [`Recorder::record`].
    pub fn note(&self, text: &str) -> Result<(), Problem> {
        self.record(&Event::NoteAdded { text: text.to_owned() })
    }

    /// Who listens.
    #[must_use]
    pub fn listener(&self) -> &Arc<dyn Listener> {
        &self.listener
    }
}

//! The one place where events go: into the journal first, then to whoever listens. Whoever makes an event keeps secrets
//! out of it; here is where one that slipped through is taken out all the same.

use crate::event::{Event, Listener};
use crate::journal::Journal;
use crate::problem::Problem;
use crate::secret::Redactor;
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether the run may still have effects: asked before each.
pub type Guard = Box<dyn Fn() -> Result<(), Problem> + Send + Sync>;

/// Keeps what was written down elsewhere, too, so that it outlasts the machine. Whether it could changes nothing.
#[async_trait]
pub trait Keep: std::fmt::Debug + Send + Sync {
    /// Now: whoever waits for it goes on once it is kept, or cannot be.
    async fn keep(&self);

    /// Soon, and not waited for.
    fn keep_soon(&self);
}

/// Writes events down and tells of them.
pub struct Recorder {
    journal: Mutex<Journal>,
    listener: Arc<dyn Listener>,
    redactor: Redactor,
    guard: Guard,
    keeper: Option<Box<dyn Keep>>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Recorder").field("journal", &self.journal).finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder for one run, which has effects for as long as `guard` lets it.
    #[must_use]
    pub fn new(journal: Journal, listener: Arc<dyn Listener>, redactor: Redactor, guard: Guard) -> Self {
        Self { journal: Mutex::new(journal), listener, redactor, guard, keeper: None }
    }

    /// The same, with somebody who keeps what is written.
    #[must_use]
    pub fn kept_by(self, keeper: Box<dyn Keep>) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// What was written is kept elsewhere, too, before this is over, if it can be.
    pub async fn keep(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.keep().await;
        }
    }

    /// What was written is kept elsewhere soon.
    pub fn keep_soon(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.keep_soon();
        }
    }

    /// Write an event down, and then tell of it. On disk when it returns.
    ///
    /// # Errors
    /// [`crate::problem::Code::JournalUnwritable`], and before an effect what the guard says: nothing may happen after that.
    pub fn record(&self, event: &Event) -> Result<(), Problem> {
        if event.precedes_effect() {
            (self.guard)()?;
        }
        self.record_all(std::slice::from_ref(event))
    }

    /// Write some events down between which nothing happens, and then tell of them. On disk, all of them, when it returns.
    ///
    /// # Errors
    /// As [`Recorder::record`], but for what the guard says: none of them may precede an effect.
    pub fn record_all(&self, events: &[Event]) -> Result<(), Problem> {
        let clean: Vec<Event> =
            events.iter().map(|event| self.without_secrets(event).unwrap_or_else(|| event.clone())).collect();
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).append_all(&clean)?;
        clean.iter().for_each(|event| self.listener.event(event));
        // The effect comes now, and does not wait; but it may be a long one, and the machine may be lost with it.
        if clean.iter().any(|event| matches!(event, Event::RecordAppended { .. })) {
            self.keep_soon();
        }
        Ok(())
    }

    /// The event without secrets; none where it has none.
    fn without_secrets(&self, event: &Event) -> Option<Event> {
        if self.redactor.is_empty() {
            return None;
        }
        let mut value = serde_json::to_value(event).ok()?;
        if !self.redactor.redact_json(&mut value) {
            return None;
        }
        // An event that is none without its secret is left out; that there was one is written down.
        let left_out = || Event::NoteAdded { text: "an event contained a secret, and is left out".into() };
        Some(serde_json::from_value(value).unwrap_or_else(|_| left_out()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Memory;
    use crate::problem::Code;
    use crate::report::Silent;
    use crate::secret::Secrets;
    use serde_json::Value;

    #[test]
    fn a_secret_that_slipped_into_an_event_is_not_written_down() {
        let store = Memory::default();
        let secrets = Secrets::from_environment(["TOKEN"], |_| Some("hunter2-hunter2".to_owned()));
        let journal = Journal::create(&store, "run").expect("a journal");
        let recorder = Recorder::new(journal, Arc::new(Silent), secrets.redactor(), Box::new(|| Ok(())));
        recorder.note("the token is hunter2-hunter2").expect("an event");
        recorder.note("nothing to hide").expect("an event");
        let entries = crate::journal::entries(&store, "run");
        assert_eq!(entries[0].event, Event::NoteAdded { text: "the token is ***".into() });
        assert_eq!(entries[1].event, Event::NoteAdded { text: "nothing to hide".into() });
    }

    #[test]
    fn a_secret_that_is_a_key_is_not_written_down() {
        let store = Memory::default();
        let secrets = Secrets::from_environment(["TOKEN"], |_| Some("hunter2-hunter2".to_owned()));
        let journal = Journal::create(&store, "run").expect("a journal");
        let recorder = Recorder::new(journal, Arc::new(Silent), secrets.redactor(), Box::new(|| Ok(())));
        let record = serde_json::json!({ "deep": [{ "x-hunter2-hunter2": 1, "other": "hunter2-hunter2" }] });
        recorder
            .record(&Event::RecordAppended { step: "a".into(), attempt: 1, record: (&record).into() })
            .expect("an event");
        let entries = crate::journal::entries(&store, "run");
        let clean = serde_json::json!({ "deep": [{ "x-***": 1, "other": "***" }] });
        assert_eq!(entries[0].event, Event::RecordAppended { step: "a".into(), attempt: 1, record: (&clean).into() });
    }

    #[test]
    fn who_has_lost_the_right_to_effects_writes_none_down() {
        let store = Memory::default();
        let journal = Journal::create(&store, "run").expect("a journal");
        let lost = || Err(Problem::new(Code::LeaseLost, "the lease is lost"));
        let recorder = Recorder::new(journal, Arc::new(Silent), Redactor::default(), Box::new(lost));
        let step = || "a".to_owned();
        for event in [
            Event::StepStarted { step: step(), attempt: 1 },
            Event::RecordAppended { step: step(), attempt: 1, record: (&Value::Null).into() },
            Event::RevertStarted { step: step() },
            Event::CheckStarted { step: step() },
        ] {
            assert_eq!(recorder.record(&event).expect_err("lost").code, Code::LeaseLost);
        }
        recorder.note("what is no effect can be told").expect("an event");
        assert_eq!(crate::journal::entries(&store, "run").len(), 1);
    }
}

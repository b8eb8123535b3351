//! The journal of a run: one event per line, synced when it is appended, each line bound to the one before.
//!
//! A line is a JSON object with `seq` (from 0), `at` (RFC 3339, UTC), `event`, and last `chain`: the SHA-256 over the
//! chain of the line before and the bytes of this line up to `,"chain"`. So a missing, changed or moved line is found and
//! named, and a torn last line is known for what it is. `docs/reference/journal.md` is for readers in other languages.
//!
//! Everything else about a run is derived from here. What is written has been redacted by whoever made the event. Where
//! journals are kept is behind [`Store`]; [`Directory`] keeps them beside `deploy.toml`.

mod directory;
mod line;
#[cfg(test)]
mod memory;
mod store;

pub use directory::Directory;
#[cfg(test)]
pub(crate) use memory::Memory;
pub use store::{Log, Store};

use crate::event::Event;
use crate::problem::{Code, Problem};
use serde::Serialize;

/// One line, read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its number, from 0.
    pub seq: u64,
    /// When it was written, as RFC 3339 in UTC.
    pub at: String,
    /// What happened.
    pub event: Event,
}

/// A journal that is being written. Nobody else can write to it meanwhile.
#[derive(Debug)]
pub struct Journal {
    log: Box<dyn Log>,
    name: String,
    next: u64,
    chain: String,
    /// Whether a line could not be written. What is in the file then is not known, and nothing may follow it.
    broken: bool,
}

/// What there is of a journal that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// How many whole lines.
    pub lines: u64,
    /// The bytes of the whole lines. What is behind them was cut off while it was written, and is left out.
    length: u64,
    /// The chain of the last whole line.
    chain: String,
}

impl Journal {
    /// Begin the journal of a new run.
    ///
    /// # Errors
    /// [`Code::JournalUnwritable`].
    pub fn create(store: &dyn Store, run: &str) -> Result<Self, Problem> {
        let name = store.name(run);
        let log = store.begin(run).map_err(|error| unwritable(&name, &error))?;
        Ok(Self { log, name, next: 0, chain: String::new(), broken: false })
    }

    /// Go on with the journal of a run whose process is gone, having told of each line, as [`read`] does. A torn last line is
    /// cut off: it was never written.
    ///
    /// # Errors
    /// [`Code::RunAlive`] where a process still writes to it; [`Code::JournalUnwritable`]; as [`read`].
    pub fn reopen(store: &dyn Store, run: &str, each: impl FnMut(Entry)) -> Result<Self, Problem> {
        let name = store.name(run);
        // Held before it is read, so that what was read is all there is.
        let Some(held) = store.hold(run).map_err(|error| unwritable(&name, &error))? else {
            return Err(Problem::new(Code::RunAlive, format!("run `{run}` is still under way"))
                .because(format!("its process still has the journal `{name}`"))
                .with_note("nothing was changed")
                .with_hint("wait for it to end, or end its process"));
        };
        let read = read(store, run, each)?;
        let log = store.reopen(run, read.length, held).map_err(|error| unwritable(&name, &error))?;
        Ok(Self { log, name, next: read.lines, chain: read.chain, broken: false })
    }

    /// Append one event. It is on disk when this returns.
    ///
    /// # Errors
    /// [`Code::JournalUnwritable`]: nothing may happen after that.
    pub fn append(&mut self, event: &Event) -> Result<(), Problem> {
        self.append_all(std::slice::from_ref(event))
    }

    /// Append some events between which nothing happens: they are on disk, all of them, when this returns.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn append_all(&mut self, events: &[Event]) -> Result<(), Problem> {
        if self.broken {
            return Err(unwritable(&self.name, &std::io::Error::other("an earlier line could not be written")));
        }
        let mut text = String::new();
        let (mut next, mut chain) = (self.next, self.chain.clone());
        for event in events {
            let event = event
                .to_json()
                .map_err(|error| Problem::new(Code::Bug, "an event could not be written as JSON").because(error))?;
            let (line, sum) = line::write(next, &now(), &event, &chain);
            text.push_str(&line);
            chain = sum;
            next += 1;
        }
        self.log.append(text.as_bytes()).map_err(|error| {
            self.broken = true;
            unwritable(&self.name, &error)
        })?;
        self.next = next;
        self.chain = chain;
        Ok(())
    }
}

/// Now, as RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

fn unwritable(name: &str, error: &std::io::Error) -> Problem {
    Problem::new(Code::JournalUnwritable, format!("the journal `{name}` cannot be written"))
        .because(error)
        .with_note("the run stopped before its next effect")
        .with_hint("free some space or mend the permissions, then look at `windlass status`")
}

/// Read the journal of a run, and tell of each line. Of itself it takes the memory of the journal's bytes and 16 more for each
/// line, and time in proportion to both. Whatever was told of before an error is to be forgotten.
///
/// # Errors
/// [`Code::JournalInvalid`] with the line, where a line was changed, lost or moved; [`Code::RunNotFound`] where there is
/// none.
pub fn read(store: &dyn Store, run: &str, mut each: impl FnMut(Entry)) -> Result<Read, Problem> {
    let name = store.name(run);
    let text = store.read(run).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Problem::new(Code::RunNotFound, format!("there is no run `{run}`"))
            .because(format!("there is no journal `{name}`"))
            .with_note("nothing was changed")
            .with_hint("`windlass history` lists the runs"),
        _ => Problem::new(Code::JournalInvalid, format!("the journal `{name}` cannot be read"))
            .because(error)
            .with_note("nothing was run")
            .with_hint("mend the permissions"),
    })?;
    line::parse(&text, &name, &mut each)
}

/// Read a journal that is in no store, as [`read`] does.
///
/// # Errors
/// [`Code::JournalInvalid`] with the line.
pub fn read_bytes(bytes: &[u8], name: &str, mut each: impl FnMut(Entry)) -> Result<Read, Problem> {
    line::parse(bytes, name, &mut each)
}

/// Read the first line of a journal, which says what the run is about; none where there is no whole one.
///
/// # Errors
/// As [`read`], of that line.
pub fn read_first(store: &dyn Store, run: &str) -> Result<Option<Entry>, Problem> {
    let name = store.name(run);
    match store.read_first(run) {
        Ok(text) => {
            let mut first = None;
            line::parse(&text, &name, &mut |entry| first = Some(entry))?;
            Ok(first)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::new(Code::JournalInvalid, format!("the journal `{name}` cannot be read"))
            .because(error)
            .with_note("nothing was run")
            .with_hint("mend the permissions")),
    }
}

/// The lines of a journal that is whole.
#[cfg(test)]
pub(crate) fn entries(store: &dyn Store, run: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    read(store, run, |entry| entries.push(entry)).expect("a journal");
    entries
}

#[cfg(test)]
mod tests;

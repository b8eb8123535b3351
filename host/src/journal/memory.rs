//! Journals in memory, for tests: a disk that can be full, and tell what was written.

use super::{Log, Store};
use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Default)]
struct Kept {
    journals: BTreeMap<String, Vec<u8>>,
    held: Vec<String>,
    /// How many bytes still fit.
    room: Option<usize>,
}

/// Keeps journals in memory. Clones are the same store.
#[derive(Debug, Default, Clone)]
pub(crate) struct Memory(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Held {
    store: Memory,
    run: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.store.with(|kept| kept.held.retain(|run| *run != self.run));
    }
}

#[derive(Debug)]
struct MemoryLog {
    store: Memory,
    run: String,
    _held: Box<dyn Any + Send>,
}

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Only so many bytes fit from here on.
    pub(crate) fn fill_up(&self, room: usize) {
        self.with(|kept| kept.room = Some(room));
    }

    /// Puts a journal there as it is.
    pub(crate) fn put(&self, run: &str, bytes: &[u8]) {
        self.with(|kept| kept.journals.insert(run.to_owned(), bytes.to_vec()));
    }
}

impl Store for Memory {
    fn runs(&self) -> io::Result<Vec<String>> {
        Ok(self.with(|kept| kept.journals.keys().cloned().collect()))
    }

    fn name(&self, run: &str) -> String {
        run.to_owned()
    }

    fn read(&self, run: &str) -> io::Result<Vec<u8>> {
        self.with(|kept| kept.journals.get(run).cloned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read_first(&self, run: &str) -> io::Result<Vec<u8>> {
        let text = self.read(run)?;
        Ok(text.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default().to_vec())
    }

    fn length(&self, run: &str) -> u64 {
        self.read(run).map_or(0, |text| text.len() as u64)
    }

    fn begin(&self, run: &str) -> io::Result<Box<dyn Log>> {
        self.put(run, b"");
        let held = self.hold(run)?.ok_or_else(|| io::Error::other("it is held"))?;
        Ok(Box::new(MemoryLog { store: self.clone(), run: run.to_owned(), _held: held }))
    }

    fn hold(&self, run: &str) -> io::Result<Option<Box<dyn Any + Send>>> {
        let free = self.with(|kept| {
            let free = !kept.held.iter().any(|held| held == run);
            if free {
                kept.held.push(run.to_owned());
            }
            free
        });
        Ok(free.then(|| Box::new(Held { store: self.clone(), run: run.to_owned() }) as Box<dyn Any + Send>))
    }

    fn is_held(&self, run: &str) -> bool {
        self.with(|kept| kept.held.iter().any(|held| held == run))
    }

    fn reopen(&self, run: &str, length: u64, held: Box<dyn Any + Send>) -> io::Result<Box<dyn Log>> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        self.with(|kept| kept.journals.entry(run.to_owned()).or_default().truncate(length));
        Ok(Box::new(MemoryLog { store: self.clone(), run: run.to_owned(), _held: held }))
    }

    fn remove(&self, run: &str) -> io::Result<()> {
        self.with(|kept| kept.journals.remove(run));
        Ok(())
    }
}

impl Log for MemoryLog {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.store.with(|kept| {
            let fits = kept.room.unwrap_or(usize::MAX).min(bytes.len());
            kept.room = kept.room.map(|room| room - fits);
            kept.journals.entry(self.run.clone()).or_default().extend_from_slice(&bytes[..fits]);
            if fits == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
        })
    }
}

//! A store in memory, with a clock of its own. As a forge it cannot observe its owners, and cannot be asked at once.

use crate::lease::{Attendance, Place, Record, Store, Stored, Version};
use crate::problem::{Code, Problem};
use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

#[derive(Debug)]
pub(super) struct Fake {
    records: Mutex<BTreeMap<Place, Record>>,
    now: Mutex<Timestamp>,
    pub(super) is_silent: AtomicBool,
    /// Whether it says of owners that they live, as a forge does of jobs.
    pub(super) is_observing: AtomicBool,
    /// What it shows in place of what is there.
    pub(super) shown: Mutex<Option<Record>>,
    /// How many changes were made, and how many questions not answered, or not as it is.
    pub(super) seen: watch::Sender<(u64, u64)>,
}

impl Fake {
    pub(super) fn new() -> Self {
        Self {
            records: Mutex::default(),
            now: Mutex::new("2026-11-20T12:00:00Z".parse().expect("a time")),
            is_silent: AtomicBool::new(false),
            is_observing: AtomicBool::new(false),
            shown: Mutex::default(),
            seen: watch::Sender::new((0, 0)),
        }
    }

    /// Let its clock jump.
    pub(super) fn set(&self, now: &str) {
        *self.now.lock().expect("no panic") = now.parse().expect("a time");
    }

    pub(super) fn record(&self, place: &Place) -> Record {
        let records = self.records.lock().expect("no panic");
        records.get(place).cloned().unwrap_or_else(|| Record::free(place.clone(), 0))
    }

    fn answers(&self) -> Result<(), Problem> {
        if !self.is_silent.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.seen.send_modify(|seen| seen.1 += 1);
        Err(Problem::new(Code::ForgeRefused, "the forge does not answer").because("502 Bad Gateway"))
    }

    fn version(record: Option<&Record>) -> Version {
        Version(record.map(Record::to_text))
    }
}

#[async_trait]
impl Store for Fake {
    fn now(&self) -> Timestamp {
        *self.now.lock().expect("no panic")
    }

    async fn read(&self, place: &Place) -> Result<(Stored, Version), Problem> {
        self.answers()?;
        if let Some(shown) = self.shown.lock().expect("no panic").clone() {
            self.seen.send_modify(|seen| seen.1 += 1);
            let version = Self::version(Some(&shown));
            return Ok((Stored::Record(shown), version));
        }
        let version = Self::version(self.records.lock().expect("no panic").get(place));
        Ok((Stored::Record(self.record(place)), version))
    }

    async fn swap(&self, place: &Place, seen: &Version, record: &Record) -> Result<bool, Problem> {
        self.answers()?;
        let mut records = self.records.lock().expect("no panic");
        if Self::version(records.get(place)) != *seen {
            return Ok(false);
        }
        records.insert(place.clone(), record.clone());
        self.seen.send_modify(|seen| seen.0 += 1);
        Ok(true)
    }

    async fn is_alive(&self, _: &Record) -> Result<Option<bool>, Problem> {
        self.answers().map(|()| self.is_observing.load(Ordering::SeqCst).then_some(true))
    }

    fn renews(&self) -> bool {
        !self.is_observing.load(Ordering::SeqCst)
    }

    async fn attend(&self, _: &Place, _: u64) -> Result<Option<Attendance>, Problem> {
        self.answers().map(|()| Some(Box::new(()) as Attendance))
    }

    fn glance(&self, _: &Place) -> Option<Result<Stored, Problem>> {
        None
    }

    async fn places(&self) -> Result<Vec<Place>, Problem> {
        self.answers()?;
        Ok(self.records.lock().expect("no panic").keys().cloned().collect())
    }
}

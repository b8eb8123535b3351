//! What a place that keeps leases has to be able to do.

use super::record::Record;
use crate::event::{Job, Place};
use crate::problem::Problem;
use async_trait::async_trait;
use jiff::Timestamp;
use std::any::Any;
use std::time::Duration;

/// Which state of a record was seen. Only the store that made it knows what is in it: a checksum, an `ETag`. None where
/// there was nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub Option<String>);

/// What a store notes of whoever takes a lease, besides who it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark {
    /// The job that it is, where the forge can be asked whether that is over.
    pub job: Option<Job>,
    /// The name of the proof that its process lives, for those on the same machine.
    pub presence: Option<String>,
}

/// How often a held lease is looked at again: the first pause, each further one twice as long, up to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The first.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

/// The proof that an owner lives. It holds until this is dropped or the process ends, however it does.
pub type Attendance = Box<dyn Any + Send + Sync>;

/// What a store has of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// A record; a free one where there is nothing.
    Record(Record),
    /// Something that is no record.
    Damaged {
        /// What is wrong with it. The operation that was asked for adds what did not happen.
        problem: Problem,
        /// A number that no taking before had a greater one than.
        number: u64,
    },
}

impl Stored {
    /// The record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn record(self) -> Result<Record, Problem> {
        match self {
            Self::Record(record) => Ok(record),
            Self::Damaged { problem, .. } => Err(problem),
        }
    }
}

/// Keeps records. It decides nothing about them.
///
/// A problem that it returns says what could not be done and why; what that means for the run is added by whoever asked.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync {
    /// The time by which leases expire. All who share a store have to agree on it about as well as a lease is long: a
    /// forge's clock rather than a machine's where there is one.
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// What there is now, and which state of it that is.
    ///
    /// # Errors
    /// The store does not answer.
    async fn read(&self, place: &Place) -> Result<(Stored, Version), Problem>;

    /// Replace the state that was seen by this record, wholly and durably. False, and nothing is changed, where it is no
    /// longer the state. What is damaged and replaced is kept elsewhere.
    ///
    /// # Errors
    /// The store does not answer or cannot be written. Whether the record was replaced is not known then.
    async fn swap(&self, place: &Place, seen: &Version, record: &Record) -> Result<bool, Problem>;

    /// Whether the owner in this record lives. None where it cannot be observed: then expiry decides. Asking changes nothing,
    /// and nobody takes it for an owner.
    ///
    /// # Errors
    /// The store does not answer.
    async fn is_alive(&self, record: &Record) -> Result<Option<bool>, Problem>;

    /// Begin to prove that the owner with this number lives, which is done before there is such an owner, so that there
    /// never is one without. None where somebody else is about to take the lease with this number, or just was.
    ///
    /// # Errors
    /// The store does not answer or cannot be written.
    async fn attend(&self, place: &Place, number: u64) -> Result<Option<Attendance>, Problem>;

    /// What is noted of whoever attends now.
    fn mark(&self) -> Mark {
        Mark::default()
    }

    /// Whether an owner has to write again and again that it still holds the lease. Where others observe that it lives, it only
    /// looks whether the lease is still its own.
    fn renews(&self) -> bool {
        true
    }

    /// How often to look whether a held lease is free.
    fn pace(&self) -> Pace {
        let pause = Duration::from_millis(250);
        Pace { first: pause, longest: pause }
    }

    /// As [`Store::read`], at once. None where the store cannot be asked without waiting: then its owners rely on what
    /// renewing found, and on their own clock.
    fn glance(&self, place: &Place) -> Option<Result<Stored, Problem>>;

    /// All the places of which there is a record, in order.
    ///
    /// # Errors
    /// The store does not answer.
    async fn places(&self) -> Result<Vec<Place>, Problem>;
}

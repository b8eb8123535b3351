//! What a store keeps of a place, and how it is written.

use crate::event::{Job, Place};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The form of a record. One with another is refused, never guessed at.
pub const SCHEMA: &str = "windlass.lease/1";

/// All that is known of a place's lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: String,
    /// What the lease is for.
    pub place: Place,
    /// The fencing number: of two takings the later has the greater one, for ever, whatever came between. 0 where it was
    /// never taken.
    pub number: u64,
    /// Who holds it; none where it is free.
    pub holder: Option<Holder>,
    /// How it was broken the last time; none where every owner gave it back.
    pub released: Option<Released>,
}

impl Record {
    /// A lease that nobody holds.
    #[must_use]
    pub fn free(place: Place, number: u64) -> Self {
        Self { schema: SCHEMA.into(), place, number, holder: None, released: None }
    }

    /// Whether it is held by this run with this number.
    #[must_use]
    pub fn is_of(&self, run: &str, number: u64) -> bool {
        self.number == number && self.holder.as_ref().is_some_and(|holder| holder.run == run)
    }

    /// As JSON for people to read, with a line's end.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Strings, numbers and times: there is nothing in it that JSON cannot say.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Read what [`Record::to_text`] wrote.
    ///
    /// # Errors
    /// A sentence that says why it is no record of this version.
    pub fn from_text(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Form {
            schema: String,
        }
        let form: Form = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if form.schema != SCHEMA {
            return Err(format!("it has the schema `{}`, and this version of Windlass knows `{SCHEMA}`", form.schema));
        }
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// The run's id.
    pub run: String,
    /// On whose behalf it runs.
    pub actor: String,
    /// The name of the machine that it runs on. For people: nothing is decided by it.
    pub machine: String,
    /// The number of its process there. For people: nothing is decided by it.
    pub process: u32,
    /// When it took the lease, by the store's clock.
    pub taken: Timestamp,
    /// Until when it holds unless it is renewed, by the store's clock. Only shown where the store observes its owners.
    pub expires: Timestamp,
    /// The job that it runs in, where the forge says whether that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<Job>>,
    /// The name of the proof that its process lives, which only its own machine has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<String>,
}

/// How a lease was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Released {
    /// Whose it was; none where the record could not be read.
    pub run: Option<String>,
    /// The number with which it was held.
    pub number: u64,
    /// On what ground.
    pub by: By,
    /// Who did it; none where it needed nobody's decision.
    pub actor: Option<String>,
    /// When, by the store's clock.
    pub at: Timestamp,
}

/// On what ground a lease was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// Its owner was dead.
    Dead,
    /// It had expired, and whether its owner lives cannot be observed.
    Expired,
    /// A person decided it.
    Force,
}

/// Without what is finer than a millisecond.
pub(super) fn coarse(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// When what holds for `duration` from `now` expires; the end of time where that is later.
pub(super) fn after(now: Timestamp, duration: Duration) -> Timestamp {
    let expires = SignedDuration::try_from(duration).ok().and_then(|duration| now.checked_add(duration).ok());
    coarse(expires.unwrap_or(Timestamp::MAX))
}

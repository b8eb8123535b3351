//! Leases that the forge keeps, for all machines that deploy from there.
//!
//! Whether an owner lives is the forge's to say: a job that is over holds nothing, and one that goes on holds what it took
//! without writing again. The machine that an owner runs on knows better: there its process has a file locked for as long as it
//! lives, by a name that no other process ever has, so that a job that goes on after it need not wait for its own end. Owners
//! without a job, on laptops, hold by expiry.

use super::record::Record;
use super::store::{Attendance, Mark, Pace, Store, Stored, Version};
use crate::event::{Job, Place};
use crate::forge::Forge;
use crate::problem::{Code, Problem};
use async_trait::async_trait;
use jiff::Timestamp;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a lease is asked for that somebody holds: each time costs the forge two requests, of a thousand in an hour.
const PACE: Pace = Pace { first: Duration::from_secs(1), longest: Duration::from_secs(15) };

/// How long the proof of a process is kept after its end: longer than a job can wait for the lease of one.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// What the names of proofs end in.
const ENDING: &str = "present";

/// Keeps leases with the forge.
#[derive(Debug)]
pub struct ForgeStore {
    forge: Arc<Forge>,
    /// The job that this is; none outside CI.
    job: Option<Job>,
    /// Whether the forge says of our job that it goes on, so that others can see it, too.
    is_observed: Mutex<bool>,
    /// The project's `.windlass/leases`.
    directory: PathBuf,
    /// The name of the proof that this process lives.
    presence: String,
}

impl ForgeStore {
    /// The leases on this forge of a project, by its directory.
    #[must_use]
    pub fn new(forge: Arc<Forge>, job: Option<Job>, project: &Path) -> Self {
        let mut name = [0_u8; 16];
        // Where there is nothing at random, no name is used at all, and nobody is taken for anybody.
        let presence = getrandom::fill(&mut name).map(|()| hex::encode(name)).unwrap_or_default();
        let directory = project.join(".windlass").join("leases");
        Self { forge, job, is_observed: Mutex::new(false), directory, presence }
    }

    fn is_observed(&self) -> bool {
        *self.is_observed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn proof(&self, presence: &str) -> PathBuf {
        self.directory.join(format!("{presence}.{ENDING}"))
    }

    /// Lock the proof that we live.
    fn be_present(&self) -> std::io::Result<File> {
        std::fs::create_dir_all(&self.directory)?;
        self.clear_away();
        let path = self.proof(&self.presence);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            // It is our own name: we hold another lease.
            Err(TryLockError::WouldBlock) => Ok(file),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Remove the proofs of processes that are long gone. Those that ended lately are kept: their leases may not have been given
    /// back. One that cannot be removed does no harm.
    fn clear_away(&self) {
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_old = || {
                let changed = entry.metadata().and_then(|metadata| metadata.modified()).ok();
                changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|age| age > KEPT)
            };
            let is_free = || File::open(&path).is_ok_and(|file| file.try_lock_shared().is_ok());
            if path.extension().is_some_and(|ending| ending == ENDING) && is_old() && is_free() {
                let _ = std::fs::remove_file(&path);
            }
        }
    }

    /// Whether the process of this name lives, where it is or was on this machine.
    fn is_present(&self, presence: &str) -> Option<bool> {
        let is_name = !presence.is_empty() && presence.bytes().all(|byte| byte.is_ascii_hexdigit());
        let file = File::open(self.proof(presence)).ok().filter(|_| is_name)?;
        Some(matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

#[async_trait]
impl Store for ForgeStore {
    fn now(&self) -> Timestamp {
        self.forge.now()
    }

    async fn read(&self, place: &Place) -> Result<(Stored, Version), Problem> {
        let Some(kept) = self.forge.lease(place).await? else {
            return Ok((Stored::Record(Record::free(place.clone(), 0)), Version(None)));
        };
        let stored = match Record::from_text(kept.text.as_bytes()) {
            Ok(record) => Stored::Record(record),
            Err(why) => Stored::Damaged { problem: damaged(place, &why), number: number_in(&kept.text) },
        };
        Ok((stored, Version(Some(kept.version))))
    }

    async fn swap(&self, place: &Place, seen: &Version, record: &Record) -> Result<bool, Problem> {
        self.forge.replace_lease(place, seen.0.as_deref(), &record.to_text()).await
    }

    async fn is_alive(&self, record: &Record) -> Result<Option<bool>, Problem> {
        let Some(holder) = &record.holder else { return Ok(Some(false)) };
        if let Some(is_present) = holder.presence.as_deref().and_then(|presence| self.is_present(presence)) {
            return Ok(Some(is_present));
        }
        match &holder.job {
            Some(job) => match self.forge.is_over(job, None).await {
                Ok(is_over) => Ok(is_over.map(|is_over| !is_over)),
                // Who may not ask must not go on beside it, as who may not keep a lease does.
                Err(problem) if problem.code == Code::ForgeDenied => {
                    Err(Problem { code: Code::ForgeRefused, ..problem })
                }
                Err(problem) => Err(problem),
            },
            None => Ok(None),
        }
    }

    async fn attend(&self, _: &Place, _: u64) -> Result<Option<Attendance>, Problem> {
        let file = self.be_present().map_err(|error| {
            let directory = self.directory.display();
            Problem::new(Code::JournalUnwritable, format!("no lease can be taken in `{directory}`"))
                .because(error)
                .with_hint("mend the permissions or free some space")
        })?;
        let is_observed = match &self.job {
            // A job that cannot be asked about holds by expiry, as one without a job.
            Some(job) => match self.forge.is_over(job, None).await {
                Ok(is_over) => is_over == Some(false),
                Err(problem) if problem.code == Code::ForgeDenied => false,
                Err(problem) => return Err(problem),
            },
            None => false,
        };
        *self.is_observed.lock().unwrap_or_else(PoisonError::into_inner) = is_observed;
        Ok(Some(Box::new(file)))
    }

    fn mark(&self) -> Mark {
        let presence = Some(self.presence.clone()).filter(|name| !name.is_empty());
        Mark { job: self.job.clone().filter(|_| self.is_observed()), presence }
    }

    fn renews(&self) -> bool {
        !self.is_observed()
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn glance(&self, _: &Place) -> Option<Result<Stored, Problem>> {
        None
    }

    async fn places(&self) -> Result<Vec<Place>, Problem> {
        self.forge.leased().await
    }
}

fn damaged(place: &Place, why: &str) -> Problem {
    Problem::new(Code::LeaseInvalid, format!("the lease of `{}` on the forge is not what was written", place.title()))
        .because(why)
        .with_hint(format!(
            "make sure that no run is under way, then run `windlass lease release --force {}`: the old one stays in the history \
             of its reference",
            place.options()
        ))
}

/// The number in what is no record, where one can be made out: the last one that is called so.
fn number_in(text: &str) -> u64 {
    let digits = |rest: &str| -> String {
        rest.trim_start_matches([':', ' ']).chars().take_while(char::is_ascii_digit).collect()
    };
    text.split("\"number\"").skip(1).filter_map(|rest| digits(rest).parse().ok()).max().unwrap_or_default()
}

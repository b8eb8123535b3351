//! A lease that is held: renewed in the background, asked before each effect, given back.

use super::record::{By, Holder, Record, after};
use super::store::{Attendance, Store, Stored, Version};
use crate::event::Place;
use crate::problem::{Code, Problem};
use crate::words;
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The longest between two attempts to renew a lease after one that failed.
const RETRY: Duration = Duration::from_secs(1);
/// The longest between two looks whether the lease is still ours, where it need not be renewed.
const LOOK: Duration = Duration::from_secs(60);
/// How often a lease is tried to be given back while an older state of it is shown, and how long is waited between.
const TRIES: u32 = 5;
const AGAIN: Duration = Duration::from_millis(250);
/// The shortest between two renewals, however short a lease is asked for.
const SHORTEST: Duration = Duration::from_millis(10);

/// The right to deploy one app, environment and component.
///
/// Dropped without [`Lease::release`] it is a dead owner's, as it is when the process ends, however it does.
pub struct Lease {
    /// The dead owner that it was taken from; none where it was free.
    pub broken: Option<Holder>,
    claim: Arc<Claim>,
    renewing: JoinHandle<()>,
    /// Given up last: as long as the record names us, we live.
    _attendance: Attendance,
}

/// What we hold to be ours, shared with whoever renews it.
#[derive(Debug)]
struct Claim {
    store: Arc<dyn Store>,
    place: Place,
    run: String,
    number: u64,
    duration: Duration,
    since: Mutex<Since>,
    /// Why it is lost, once it is.
    lost: watch::Sender<Option<Problem>>,
}

/// What a store shows of a lease that we hold to be ours.
enum Seen {
    Ours(Record, Version),
    /// It is another's, or nobody's.
    Lost(Problem),
    /// What was there before it was ours. That is no answer: what has been written may not be seen everywhere yet, and a number
    /// never comes again.
    Older(Problem),
}

/// What came of renewing a lease.
enum Renewed {
    Held,
    Lost(Problem),
    /// An older state of it is shown.
    Older(Problem),
}

/// From when the lease's time counts: before the store was asked, so that ours is over before the store's is. By two
/// clocks, because each stands still or jumps where the other does not: the steady one while the machine sleeps, the
/// other when it is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    steady: Instant,
    wall: Timestamp,
}

impl Since {
    pub(super) fn now() -> Self {
        Self { steady: Instant::now(), wall: Timestamp::now() }
    }
}

/// What a taking came to.
pub(super) struct Taken {
    pub(super) store: Arc<dyn Store>,
    pub(super) place: Place,
    pub(super) run: String,
    pub(super) number: u64,
    pub(super) duration: Duration,
    pub(super) since: Since,
    pub(super) broken: Option<Holder>,
    pub(super) attendance: Attendance,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Lease").field("claim", &self.claim).field("broken", &self.broken).finish()
    }
}

impl Lease {
    /// Hold what was just taken, and renew it from now on.
    pub(super) fn begin(taken: Taken) -> Self {
        let Taken { store, place, run, number, duration, since, broken, attendance } = taken;
        let (since, lost) = (Mutex::new(since), watch::Sender::new(None));
        let claim = Arc::new(Claim { store, place, run, number, duration, since, lost });
        let renewing = tokio::spawn(Arc::clone(&claim).renew());
        Self { broken, claim, renewing, _attendance: attendance }
    }

    /// The run's id, as it was made when the lease was taken.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.claim.run
    }

    /// The fencing number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.claim.number
    }

    /// Whether it is still held: asked before each effect. Cheap, and without waiting.
    ///
    /// # Errors
    /// [`Code::LeaseLost`] where it is not, or where that cannot be made out, and what the store says where it cannot be
    /// read: no further effect may happen.
    pub fn check(&self) -> Result<(), Problem> {
        if let Some(problem) = &*self.claim.lost.borrow() {
            return Err(problem.clone());
        }
        match self.claim.store.glance(&self.claim.place) {
            Some(stored) => self.claim.is_in(stored).map(drop),
            None if self.claim.store.renews() && self.claim.has_lapsed() => Err(self.claim.lapsed(None)),
            None => Ok(()),
        }
    }

    /// Look whether it is still held, where [`Lease::check`] goes by what was seen last. Where the store does not answer, that stands.
    pub async fn look(&self) {
        if self.claim.store.glance(&self.claim.place).is_none()
            && let Ok(Seen::Lost(lost)) = self.claim.see().await
        {
            self.claim.lose(lost);
        }
    }

    /// Ends when renewing finds the lease lost, and says why. It may be found by [`Lease::check`] before.
    pub async fn lost(&self) -> Problem {
        let mut lost = self.claim.lost.subscribe();
        match lost.wait_for(Option::is_some).await.map(|lost| lost.clone()) {
            Ok(Some(problem)) => problem,
            // We hold the sender ourselves, so there is no other end.
            _ => std::future::pending().await,
        }
    }

    /// Give it back. It is free at once, and its number is never used again.
    ///
    /// # Errors
    /// [`Code::LeaseLost`] where it was lost before; what the store says where it does not answer or cannot be written,
    /// and then it is a dead owner's.
    pub async fn release(mut self) -> Result<(), Problem> {
        // A renewal that is under way has to be over, or the record would change under our hands.
        self.renewing.abort();
        let _ = (&mut self.renewing).await;
        let claim = &self.claim;
        let note = |problem: Problem| problem.with_note("the next run takes the lease over: this one does not keep it");
        for _ in 0..TRIES {
            match claim.see().await.map_err(note)? {
                Seen::Ours(record, seen) => {
                    let free = Record { holder: None, ..record };
                    if claim.store.swap(&claim.place, &seen, &free).await.map_err(note)? {
                        return Ok(());
                    }
                }
                Seen::Lost(lost) => return Err(lost),
                Seen::Older(_) => tokio::time::sleep(AGAIN).await,
            }
        }
        Err(note(
            Problem::new(Code::LeaseLost, "the lease could not be given back").because("an older state of it is shown"),
        ))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Claim {
    /// Renew the lease for as long as it is ours.
    async fn renew(self: Arc<Self>) {
        let every = (self.duration / 3).max(SHORTEST);
        let every = if self.store.renews() { every } else { every.min(LOOK) };
        let mut pause = every;
        loop {
            tokio::time::sleep(pause).await;
            // An answer that comes no more must not stand in the way of asking again.
            let answer = tokio::time::timeout(every, self.extend()).await.unwrap_or_else(|_| {
                let what = format!("there was no answer within {}", words::span(every));
                Err(Problem::new(Code::LeaseLost, what))
            });
            pause = match answer {
                Ok(Renewed::Held) => every,
                Ok(Renewed::Lost(lost)) => return self.lose(lost),
                // Where the lease was deleted, too, and somebody else may have it by now.
                Ok(Renewed::Older(problem)) if self.has_lapsed() => return self.lose(self.lapsed(Some(&problem))),
                Ok(Renewed::Older(_)) if !self.store.renews() => every,
                Ok(Renewed::Older(_)) => every.min(RETRY).min(self.left()),
                // Where the store can be asked at once, its answer counts, and not how long ago it gave one.
                Err(_) if self.store.glance(&self.place).is_some() => every.min(RETRY),
                // Others see that we live, and wait; that it was taken by force is found out once the store answers.
                Err(_) if !self.store.renews() => every,
                Err(problem) if self.has_lapsed() => return self.lose(self.lapsed(Some(&problem))),
                Err(_) => every.min(RETRY).min(self.left()),
            };
        }
    }

    /// Renew it once.
    async fn extend(&self) -> Result<Renewed, Problem> {
        loop {
            let since = Since::now();
            let (mut record, seen) = match self.see().await? {
                Seen::Ours(record, seen) => (record, seen),
                Seen::Lost(lost) => return Ok(Renewed::Lost(lost)),
                Seen::Older(problem) => return Ok(Renewed::Older(problem)),
            };
            if let Some(holder) = &mut record.holder {
                holder.expires = after(self.store.now(), self.duration);
            }
            if !self.store.renews() || self.store.swap(&self.place, &seen, &record).await? {
                *self.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
                return Ok(Renewed::Held);
            }
        }
    }

    /// What the store shows now.
    async fn see(&self) -> Result<Seen, Problem> {
        let (stored, version) = self.store.read(&self.place).await?;
        match &stored {
            // What can be asked at once has one state only.
            Stored::Record(Record { number, .. })
                if *number < self.number && self.store.glance(&self.place).is_none() =>
            {
                Ok(Seen::Older(Self::older(*number)))
            }
            _ => Ok(self.is_in(Ok(stored)).map_or_else(Seen::Lost, |record| Seen::Ours(record, version))),
        }
    }

    fn lose(&self, problem: Problem) {
        self.lost.send_replace(Some(problem));
    }

    /// How long the lease holds by our clocks unless it is renewed.
    fn left(&self) -> Duration {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        // A wall clock that was set back says nothing, and the steady one goes on.
        let wall = Duration::try_from(Timestamp::now().duration_since(since.wall)).unwrap_or_default();
        self.duration.saturating_sub(since.steady.elapsed().max(wall))
    }

    fn has_lapsed(&self) -> bool {
        self.left().is_zero()
    }

    /// The record, which has to be ours.
    fn is_in(&self, stored: Result<Stored, Problem>) -> Result<Record, Problem> {
        match stored.and_then(Stored::record) {
            Ok(record) if record.is_of(&self.run, self.number) => Ok(record),
            Ok(record) => Err(self.taken(&record)),
            // The disk's trouble, and nobody's claim.
            Err(problem) if problem.code == Code::JournalUnwritable => {
                Err(problem.with_note("the run stopped before its next effect"))
            }
            Err(problem) => {
                let lost = self.lost(&problem.what);
                Err(problem.causes.iter().fold(lost, |lost, cause| lost.because(cause)))
            }
        }
    }

    /// It is another's by now, or nobody's.
    fn taken(&self, record: &Record) -> Problem {
        let ours = record.released.as_ref().filter(|released| released.number == self.number);
        let broken = ours.map(|released| match (released.by, &released.actor) {
            (By::Force, Some(actor)) => format!("`{actor}` released it by force at {}", released.at),
            (By::Force, None) => format!("it was released by force at {}", released.at),
            (By::Dead, _) => format!("this run was taken for dead at {}", released.at),
            (By::Expired, _) => format!("it had not been renewed before it expired, and was broken at {}", released.at),
        });
        match (broken, &record.holder) {
            (Some(broken), None) => self.lost(&broken),
            (Some(broken), Some(holder)) => self.lost(&format!("run `{}` holds it", holder.run)).because(broken),
            (None, Some(holder)) => self.lost(&format!("run `{}` holds it", holder.run)),
            (None, None) => self.lost("it is held by nobody"),
        }
    }

    /// What is shown is not what was written last.
    fn older(number: u64) -> Problem {
        let what = match number {
            0 => "no lease is shown where it was taken".to_owned(),
            number => format!("an older state of the lease is shown, with the number {number}"),
        };
        Problem::new(Code::LeaseLost, what)
    }

    /// Nobody said so, but by our clock others may take it by now.
    fn lapsed(&self, last: Option<&Problem>) -> Problem {
        let lost = self.lost(&format!("it could not be renewed for {}", words::span(self.duration)));
        let Some(last) = last else { return lost };
        last.causes.iter().fold(lost.because(&last.what), |lost, cause| lost.because(cause))
    }

    fn lost(&self, why: &str) -> Problem {
        let Place { app, environment, .. } = &self.place;
        Problem::new(Code::LeaseLost, format!("the lease to deploy `{app}` to `{environment}` was lost"))
            .because(why)
            .with_note(format!("run `{}` stopped before its next effect, and what it did is still there", self.run))
            .with_hint("`windlass status` says what was done and what to do")
    }
}

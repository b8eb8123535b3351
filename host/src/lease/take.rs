//! Taking a lease, and waiting for whoever holds it.

use super::ask::{broken, ground};
use super::held::{Lease, Since, Taken};
use super::record::{Holder, Record, after, coarse};
use super::store::{Mark, Store};
use crate::event::Place;
use crate::problem::{Code, Problem};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a held lease is looked at at least: looking once is no proof.
const LOOK: Duration = Duration::from_millis(250);
/// How often it is looked at again while somebody else is in the middle of taking it, which is over in no time.
const SOON: Duration = Duration::from_millis(10);

/// What is asked for.
pub struct Request<Run> {
    /// What the lease is for.
    pub place: Place,
    /// How long to wait for another run.
    pub wait: Duration,
    /// How long the lease holds unless it is renewed, which is done three times as often.
    pub duration: Duration,
    /// On whose behalf.
    pub actor: String,
    /// Makes the run's id. Called at the moment of taking and not before, because ids order runs: who takes later has the
    /// later one. Called again where another was quicker; the last one counts.
    pub run: Run,
}

/// Take a lease, from a dead owner at once, waiting for a living one as long as the request says. `on_waiting` is called
/// once, when the waiting begins, with whoever is waited for; `stop` ends the waiting.
///
/// # Errors
/// [`Code::LeaseHeld`] naming who holds it; [`Code::Cancelled`] where `stop` was first; [`Code::LeaseInvalid`] where the
/// record is damaged; what the store says where it does not answer or cannot be written. Nothing is held then.
pub async fn take(
    store: Arc<dyn Store>,
    request: Request<impl FnMut() -> String>,
    on_waiting: impl FnOnce(&Holder),
    stop: impl Future<Output = ()>,
) -> Result<Lease, Problem> {
    tokio::pin!(stop);
    take_or_stop(store, request, on_waiting, stop).await.map_err(|problem| problem.with_note("nothing was run"))
}

async fn take_or_stop(
    store: Arc<dyn Store>,
    mut request: Request<impl FnMut() -> String>,
    on_waiting: impl FnOnce(&Holder),
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Result<Lease, Problem> {
    let place = request.place.clone();
    // An owner that was killed is seen alive until the system has cleared it away: looking once is no proof.
    let deadline = Instant::now().checked_add(request.wait.max(LOOK));
    let left = || deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
    let mut pace = store.pace();
    let mut on_waiting = Some(on_waiting).filter(|_| !request.wait.is_zero());
    loop {
        let (stored, seen) = store.read(&place).await?;
        let record = stored.record()?;
        let by = ground(&*store, &record).await?;
        if let (Some(holder), None) = (&record.holder, by) {
            if let Some(on_waiting) = on_waiting.take() {
                on_waiting(holder);
            }
            if left().is_zero() {
                return Err(held(&place, request.wait, Some(holder)));
            }
            pause(pace.first.min(left()), stop.as_mut()).await?;
            pace.first = (pace.first * 2).min(pace.longest);
            continue;
        }
        let number = record.number.saturating_add(1);
        let Some(attendance) = store.attend(&place, number).await? else {
            if left().is_zero() {
                return Err(held(&place, request.wait, None));
            }
            pause(SOON.min(left()), stop.as_mut()).await?;
            continue;
        };
        // From here on the lease's time runs, by our clock as by the store's.
        let since = Since::now();
        let holder = holder(&*store, &mut request);
        let released = match by {
            Some(by) => broken(&*store, &record, by, None),
            None => record.released,
        };
        let run = holder.run.clone();
        let taken = Record { holder: Some(holder), released, ..Record::free(place.clone(), number) };
        if store.swap(&place, &seen, &taken).await? {
            let (duration, broken) = (request.duration, record.holder);
            return Ok(Lease::begin(Taken { store, place, run, number, duration, since, broken, attendance }));
        }
    }
}

/// Wait for a while. Only here can a taking be stopped, so that no change is cut off of which nobody knew how it ended.
async fn pause(time: Duration, stop: Pin<&mut impl Future<Output = ()>>) -> Result<(), Problem> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        () = stop => Err(Problem::new(Code::Cancelled, "cancelled while waiting for the lease")),
    }
}

/// Ourselves, from now on.
fn holder(store: &dyn Store, request: &mut Request<impl FnMut() -> String>) -> Holder {
    let taken = coarse(store.now());
    let Mark { job, presence } = store.mark();
    Holder {
        run: (request.run)(),
        actor: request.actor.clone(),
        machine: machine(),
        process: std::process::id(),
        taken,
        expires: after(taken, request.duration),
        job: job.map(Box::new),
        presence,
    }
}

/// The name of this machine, as people know it.
fn machine() -> String {
    #[cfg(unix)]
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    #[cfg(not(unix))]
    let name = std::env::var(crate::variable::COMPUTERNAME).ok();
    name.unwrap_or_else(|| "unknown".into())
}

fn held(place: &Place, wait: Duration, holder: Option<&Holder>) -> Problem {
    let problem =
        Problem::new(Code::LeaseHeld, format!("`{}` is being deployed to `{}` already", place.app, place.environment));
    let problem = match holder {
        None => problem.because("another run is taking the lease at this moment"),
        Some(Holder { run, actor, machine, process, taken, .. }) => problem
            .because(format!("run `{run}` holds the lease"))
            .because(format!("it was taken at {taken} for `{actor}`, by process {process} on `{machine}`")),
    };
    problem.with_hint(if wait.is_zero() {
        "wait for it to end, or give the environment a `lease = { wait = \"15m\" }`"
    } else {
        "wait for it to end, or give the environment's `lease` a longer `wait`"
    })
}

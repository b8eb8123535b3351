//! What happened before: the runs of a project, newest first, and what they say is live.

mod again;
mod past;
mod replay;
#[cfg(test)]
mod tests;

pub use again::{Back, falls_short, find, may_go_on, missing, not_resumable, others_follow, to_take_back};
pub use past::{Deployed, PastRun, PastStep, Turned};
pub use replay::{reopen, replay, replay_bytes};

use crate::event::{Event, Place, RunOutcome};
use crate::journal::{self, Entry, Store};
use crate::problem::{Code, Problem};

/// The id of a run that begins now: its time, so that ids sort like runs, and enough at random to be its own. Later than
/// every run that is there, whatever the clock says: which run is the newest must not depend on it.
#[must_use]
pub fn next_id(store: &dyn Store) -> String {
    let now = time_of_id(jiff::Timestamp::now());
    let newest = store.runs().ok().and_then(|runs| runs.into_iter().max());
    let time = match newest.as_deref().and_then(|run| run.get(..now.len())) {
        Some(last) if last >= now.as_str() => after(last).unwrap_or(now),
        _ => now,
    };
    let random = getrandom::u32().unwrap_or_else(|_| std::process::id());
    format!("{time}-{:06x}", random & 0x00ff_ffff)
}

/// The form of an id's time, in milliseconds.
const ID_TIME: &str = "%Y%m%dT%H%M%S%3fZ";

fn time_of_id(time: jiff::Timestamp) -> String {
    time.strftime(ID_TIME).to_string()
}

/// A millisecond later than the time of an id.
fn after(time: &str) -> Option<String> {
    let digits = time.strip_suffix('Z')?;
    let (seconds, milliseconds) = digits.split_at_checked(digits.len().checked_sub(3)?)?;
    let time =
        jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", seconds).ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    let milliseconds: i64 = milliseconds.parse().ok()?;
    let later = time.timestamp().checked_add(jiff::SignedDuration::from_millis(milliseconds + 1)).ok()?;
    Some(time_of_id(later))
}

/// The names of the runs, newest first.
///
/// # Errors
/// Where they cannot be listed.
pub fn names(store: &dyn Store) -> Result<Vec<String>, Problem> {
    let mut names = store.runs().map_err(|error| {
        Problem::new(Code::JournalUnwritable, "the runs of this project cannot be listed")
            .because(error)
            .with_note("nothing was run")
            .with_hint("mend the permissions of `.windlass/runs`, or move away what stands in its place")
    })?;
    // Ids begin with their time, so their order is the order of the runs.
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names)
}

/// The runs of a project, newest first. Each is read when it is asked for.
///
/// # Errors
/// Where they cannot be listed; a project without runs has none.
pub fn runs(store: &dyn Store) -> Result<impl Iterator<Item = Result<PastRun, Problem>>, Problem> {
    Ok(names(store)?.into_iter().filter_map(|run| replay(store, &run).transpose()))
}

/// The runs of one place, newest first. Of those of other places only the first line is read.
///
/// # Errors
/// As [`runs`].
pub fn runs_in<'a>(
    store: &'a dyn Store,
    place: &'a Place,
) -> Result<impl Iterator<Item = Result<PastRun, Problem>> + 'a, Problem> {
    Ok(names_in(store, place)?
        .filter_map(move |run| replay(store, &run).transpose())
        .filter(move |run| run.as_ref().map_or(true, |run| run.subject.place() == *place)))
}

/// The place that a run is of, by its first line; none where that cannot be told.
#[must_use]
pub fn place_of(store: &dyn Store, run: &str) -> Option<Place> {
    match journal::read_first(store, run) {
        Ok(Some(Entry { event: Event::RunStarted { subject, .. }, .. })) => Some(subject.place()),
        _ => None,
    }
}

/// The names of the runs of one place, newest first, by their first lines.
///
/// # Errors
/// Where they cannot be listed.
pub fn names_in<'a>(store: &'a dyn Store, place: &'a Place) -> Result<impl Iterator<Item = String> + 'a, Problem> {
    let here = move |run: &String| match journal::read_first(store, run) {
        Ok(Some(Entry { event: Event::RunStarted { subject, .. }, .. })) => subject.place() == *place,
        Ok(None) => false,
        // What is wrong with it is said by whoever reads it whole.
        _ => true,
    };
    Ok(names(store)?.into_iter().filter(here))
}

/// The run whose release is live: the newest that succeeded there, unless the environment was stopped since. A journal that cannot be read is no proof of anything,
/// and stops the question.
///
/// # Errors
/// [`Code::JournalInvalid`].
pub fn live(store: &dyn Store, place: &Place) -> Result<Option<PastRun>, Problem> {
    for run in runs_in(store, place)? {
        let run = run?;
        if run.outcome == Some(RunOutcome::Succeeded) {
            return Ok((!run.stopped).then_some(run));
        }
    }
    Ok(None)
}

/// Forget the oldest runs of a place, so that `keep` are left, and say which. Never one that somebody may still need: the one
/// that is live, what a rollback takes back and where it goes back to, one that has not ended, and one that left something
/// since then.
///
/// # Errors
/// Where one cannot be read or removed.
pub fn prune(store: &dyn Store, place: &Place, keep: usize) -> Result<Vec<String>, Problem> {
    let here: Vec<String> = names_in(store, place)?.collect();
    let mut forgotten = Vec::new();
    if here.len() <= keep {
        return Ok(forgotten);
    }
    // Of what succeeded: any, those that changed something, and any before the newest of those.
    let (mut live, mut releases, mut before) = (false, 0, false);
    for (index, name) in here.into_iter().enumerate() {
        // Between what may be needed and what may be forgotten nothing has to be read.
        if releases >= 2 && index < keep {
            continue;
        }
        let Some(run) = replay(store, &name)? else { continue };
        let mut needed = run.outcome.is_none() || (releases < 2 && run.left().next().is_some());
        if run.outcome == Some(RunOutcome::Succeeded) {
            // One that had nothing to do is live, or what was live before, but no other release.
            needed |= !live || (releases == 1 && !before) || (run.changed && releases < 2);
            live = true;
            before |= releases > 0;
            releases += u32::from(run.changed);
        }
        if index >= keep && !needed {
            forgotten.push(name);
        }
    }
    for run in forgotten.iter().rev() {
        store.remove(run).map_err(|error| {
            Problem::new(Code::JournalUnwritable, format!("run `{run}` cannot be forgotten"))
                .because(error)
                .with_note("the run that ended just now is not touched by this")
                .with_hint("mend the permissions of `.windlass/runs`")
        })?;
    }
    forgotten.reverse();
    Ok(forgotten)
}

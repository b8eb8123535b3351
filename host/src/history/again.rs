//! Which runs can be gone on with, and which are to be taken back so that which release is live again.

use super::{PastRun, Turned, live, replay, runs_in};
use crate::event::{Place, RunOutcome};
use crate::journal::Store;
use crate::problem::{Code, Problem};

/// That nobody can go on with a run, or take it back.
#[must_use]
pub fn not_resumable(what: String, why: String, hint: String) -> Problem {
    Problem::new(Code::NotResumable, what).because(why).with_note("nothing was changed").with_hint(hint)
}

/// The run of this name, as its journal tells of it.
///
/// # Errors
/// [`Code::RunNotFound`], [`Code::JournalInvalid`].
pub fn find(store: &dyn Store, run: &str) -> Result<PastRun, Problem> {
    // A name is a name, and leads nowhere.
    if run.is_empty() || !run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(missing(run));
    }
    replay(store, run)?.ok_or_else(|| missing(run))
}

/// That there is no run of this name.
#[must_use]
pub fn missing(run: &str) -> Problem {
    Problem::new(Code::RunNotFound, format!("there is no run `{run}`"))
        .with_note("nothing was changed")
        .with_hint("`windlass history` lists the runs")
}

/// Whether a run can be gone on with at all.
///
/// # Errors
/// [`Code::NotResumable`] with the reason.
pub fn may_go_on(store: &dyn Store, past: &PastRun) -> Result<(), Problem> {
    let options = past.subject.place().options();
    let what = format!("run `{}` cannot be gone on with", past.run);
    if !past.can_go_on() {
        let why = match past.outcome {
            Some(RunOutcome::Succeeded) => "it succeeded",
            Some(RunOutcome::Blocked) => "it was not allowed to begin",
            _ => "what it did is taken back",
        };
        return Err(not_resumable(what, why.into(), format!("`windlass run {options}` deploys again")));
    }
    let newest = runs_in(store, &past.subject.place())?.next().transpose()?;
    if let Some(newer) = newest.filter(|newest| newest.run != past.run) {
        return Err(not_resumable(
            what,
            format!("run `{}` came after it", newer.run),
            format!("`windlass status {options}` says how things stand now"),
        ));
    }
    Ok(())
}

/// What is going to be taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct Back {
    /// Newest first. Never empty.
    pub runs: Vec<PastRun>,
    /// The run whose release is to be live again; none where no earlier one is known.
    pub to: Option<PastRun>,
}

/// Which runs of a place are to be taken back. With `to`, all that came after it. Otherwise, where the newest runs have left
/// something, or what they were taken back to was not proven, these, down to the release that is live; and where all is
/// settled and the newest run is the release that is live, that one, with the runs of the same version and commit that
/// followed on each other. Said twice, this takes back once.
///
/// # Errors
/// [`Code::NotResumable`] where there is nothing to take back, or `to` is no release of this place.
pub fn to_take_back(store: &dyn Store, place: &Place, to: Option<&str>) -> Result<Back, Problem> {
    if let Some(to) = to {
        is_release(store, place, to)?;
    }
    // Where that was cut short between two runs, the rest is to be taken back, whichever way it was asked for.
    let short = match to {
        None => falls_short(store, place)?,
        Some(_) => None,
    };
    let asked = short.clone().flatten();
    let to = to.or(asked.as_deref());
    let mut runs: Vec<PastRun> = Vec::new();
    let mut target = None;
    // What came after the release that is live, and has to be settled.
    let mut unsettled = false;
    // The release that is live and is to be taken back.
    let mut taken: Option<(String, String)> = None;
    for (index, run) in runs_in(store, place)?.enumerate() {
        let run = run?;
        let release = (run.subject.version.clone(), run.subject.commit.clone());
        if run.outcome == Some(RunOutcome::Succeeded) {
            let reached = match (to, &taken) {
                (Some(to), _) => run.run == to,
                (None, Some(taken)) => *taken != release,
                (None, None) => unsettled && short.is_none(),
            };
            if reached {
                target = Some(run);
                break;
            }
            if to.is_none() && taken.is_none() && index > 0 && short.is_none() {
                return Err(taken_back_already(store, place, &run)?);
            }
            taken.get_or_insert(release);
            runs.push(run);
            continue;
        }
        // One that was cut off last is settled by this, also where it left nothing: nobody knew that, and the release beneath
        // it is not what was meant. So is one after which what is live again did not pass its checks.
        let open = run.left().next().is_some()
            || run.is_half_taken_back()
            || run.outcome == Some(RunOutcome::RollbackFailed)
            || (index == 0 && run.is_cut_off());
        unsettled |= open && taken.is_none();
        if open || run.outcome.is_none() {
            runs.push(run);
        }
    }
    if let (true, Some(live)) = (runs.is_empty(), &target) {
        return Err(not_resumable(
            format!("run `{}` is live in `{}` already", live.run, place.environment),
            "nothing came after it that is to be taken back".into(),
            format!("`windlass history {}` lists the runs", place.options()),
        ));
    }
    if runs.is_empty() {
        return Err(not_resumable(
            format!("there is nothing to take back in `{}`", place.environment),
            "no run has left anything there that was not taken back".into(),
            format!("`windlass status {}` says what is live", place.options()),
        ));
    }
    Ok(Back { runs, to: target })
}

/// Where the newest run was, or is being, taken back to go back further than that: to which run, or to nothing. None where it
/// was not, or that is live.
///
/// # Errors
/// [`Code::JournalInvalid`].
pub fn falls_short(store: &dyn Store, place: &Place) -> Result<Option<Option<String>>, Problem> {
    let Some(newest) = runs_in(store, place)?.next().transpose()? else { return Ok(None) };
    let Some(Turned::Asked { to, .. }) = newest.turned else { return Ok(None) };
    let live = live(store, place)?.map(|run| run.run);
    Ok((live != to).then_some(to))
}

/// Whether a run is a release to go back to.
fn is_release(store: &dyn Store, place: &Place, to: &str) -> Result<(), Problem> {
    let target = find(store, to)?;
    let why = match target.outcome {
        _ if target.subject.place() != *place => "it deployed elsewhere",
        Some(RunOutcome::Succeeded) => return Ok(()),
        Some(RunOutcome::RolledBack) => "it was taken back",
        _ => "it did not succeed",
    };
    Err(not_resumable(
        format!("run `{to}` is no release of `{}` to go back to", place.environment),
        why.into(),
        format!("`windlass history {}` lists the runs", place.options()),
    ))
}

/// That what came last is taken back, and how to go back further.
fn taken_back_already(store: &dyn Store, place: &Place, live: &PastRun) -> Result<Problem, Problem> {
    let mut before = None;
    for run in runs_in(store, place)?.skip_while(|run| run.as_ref().is_ok_and(|run| run.run >= live.run)) {
        let run = run?;
        let other = run.subject.version != live.subject.version || run.subject.commit != live.subject.commit;
        if run.outcome == Some(RunOutcome::Succeeded) && other {
            before = Some(run.run);
            break;
        }
    }
    let options = place.options();
    Ok(not_resumable(
        format!("what came last in `{}` is taken back already", place.environment),
        format!("release `{}` of run `{}` is live", live.subject.version, live.run),
        match before {
            Some(before) => format!("to go back from it, too, say `windlass rollback {options} --to {before}`"),
            None => format!("`windlass status {options}` says how things stand"),
        },
    ))
}

/// Whether a run is being taken back beneath which others have left something, above what is live: only when those are
/// taken back too is it as it must be.
///
/// # Errors
/// [`Code::JournalInvalid`].
pub fn others_follow(store: &dyn Store, past: &PastRun) -> Result<bool, Problem> {
    if !matches!(past.turned, Some(Turned::Asked { .. })) {
        return Ok(false);
    }
    for run in runs_in(store, &past.subject.place())? {
        let run = run?;
        if run.run < past.run {
            if run.outcome == Some(RunOutcome::Succeeded) {
                return Ok(false);
            }
            if run.left().next().is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

//! Which runs can be gone on with, and which are to be taken back so that which release is live again.

use super::{PastRun, Turned, replay, runs_in};
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
    let missing = || {
        Problem::new(Code::RunNotFound, format!("there is no run `{run}`"))
            .with_note("nothing was changed")
            .with_hint("`windlass history` lists the runs")
    };
    // A name is a name, and leads nowhere.
    if run.is_empty() || !run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(missing());
    }
    replay(store, run)?.ok_or_else(missing)
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

/// Which runs of a place are to be taken back: all that came after `to`, or, where nothing is said, the newest that has left
/// anything and all after it.
///
/// # Errors
/// [`Code::NotResumable`] where there is nothing to take back, or `to` is no release of this place.
pub fn to_take_back(store: &dyn Store, place: &Place, to: Option<&str>) -> Result<Back, Problem> {
    if let Some(to) = to {
        let target = find(store, to)?;
        if target.subject.place() != *place || target.outcome != Some(RunOutcome::Succeeded) {
            let why = if target.subject.place() == *place { "it did not succeed" } else { "it deployed elsewhere" };
            return Err(not_resumable(
                format!("run `{to}` is no release of `{}` to go back to", place.environment),
                why.into(),
                format!("`windlass history {}` lists the runs", place.options()),
            ));
        }
    }
    let mut runs: Vec<PastRun> = Vec::new();
    let mut target = None;
    let mut anything = false;
    for (index, run) in runs_in(store, place)?.enumerate() {
        let run = run?;
        let succeeded = run.outcome == Some(RunOutcome::Succeeded);
        let reached = match to {
            Some(to) => run.run == to,
            // To the release before the newest that changed anything; to the newest where later runs left something.
            None => succeeded && anything,
        };
        if reached {
            target = Some(run);
            break;
        }
        // What was cut off last, or before its checks, is ended first, also where it left nothing: nobody knew that, and the
        // release beneath it is not what was meant.
        let cut_off = run.is_half_taken_back() || (index == 0 && run.is_cut_off());
        let left = cut_off || run.left().next().is_some();
        anything |= left;
        // What had nothing to do is the release before it once more, and no longer live when that is not.
        // So is one after which what was live again did not pass its checks: they are made of another release now.
        if left || succeeded || matches!(run.outcome, None | Some(RunOutcome::RollbackFailed)) {
            runs.push(run);
        }
    }
    if !anything {
        return Err(not_resumable(
            format!("there is nothing to take back in `{}`", place.environment),
            "no run has left anything there that was not taken back".into(),
            format!("`windlass status {}` says what is live", place.options()),
        ));
    }
    Ok(Back { runs, to: target })
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

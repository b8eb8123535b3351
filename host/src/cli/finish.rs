//! `reap --finish`: what is left to do at the end of a CI job whose deployment was cancelled or killed.

use super::arguments::{Common, Reports, Rollback};
use super::project::Project;
use super::reap::reap;
use super::rollback::take_back;
use super::session::Session;
use super::{Failed, say};
use crate::config::{self, OnCancel};
use crate::event::{Place, RunOutcome};
use crate::history::{self, PastRun};
use crate::journal::Store as _;
use crate::problem::{Code, Exit, Problem};
use crate::process;
use crate::report;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long a run may take to end that was told to: less than a forge lets a cancelled job go on.
const PATIENCE: Duration = Duration::from_secs(240);

/// Close what is dead, and then take back what this job left, where the configuration wants that, or say what it left.
pub(super) async fn finish(common: &Common) -> Result<(), Failed> {
    let started = Instant::now();
    let project = Project::load(common)?;
    let stopped = stop_what_goes_on(&project, common).await?;
    let is_all = !stopped && left_by_this_job(&project, common)?.is_empty();
    // A forge that could not be told keeps nothing here from being taken back.
    let reaped = reap(common, is_all).await;
    if project.config.on_cancel != Some(OnCancel::Rollback) {
        for past in left_by_this_job(&project, common)? {
            say(&format!("note: {}\n", what_is_left(&project, &past)));
        }
        return reaped;
    }
    let session = Session::open(common)?;
    if session.project.facts.job.is_none() {
        say("note: this is no CI job, so nothing is taken back: `windlass rollback` does it\n");
    }
    let newest_first =
        Rollback { to: None, keep: Vec::new(), recorded: Vec::new(), dry_run: false, reports: Reports::default() };
    let mut ends = vec![reaped];
    for past in left_by_this_job(&session.project, common)? {
        // One that cannot be taken back keeps no other from being tried.
        let place = past.subject.place();
        ends.push(take_back(common, &newest_first, &session, &place, started).await.and_then(Exit::said));
    }
    all(ends)
}

/// One end of several: everything that is wrong is shown, and the worst of it counts.
fn all(ends: Vec<Result<(), Failed>>) -> Result<(), Failed> {
    let (mut problems, mut worst) = (Vec::new(), Exit::Succeeded);
    for end in ends {
        match end {
            Ok(()) => {}
            Err(Failed::Said(exit)) => worst = worst.max(exit),
            Err(Failed::Problems(list)) => problems.extend(list),
        }
    }
    if problems.iter().any(|problem| problem.code.exit() >= worst) {
        return Err(problems.into());
    }
    report::tell(&problems);
    worst.said()
}

/// Stop what is at work for this very job though whoever started it is gone, as the runner would, and wait for its end. Whether
/// there was any.
///
/// # Errors
/// [`Code::RunAlive`] where it goes on.
async fn stop_what_goes_on(project: &Project, common: &Common) -> Result<bool, Problem> {
    let Some(job) = &project.facts.job else { return Ok(false) };
    let is_at_work = |run: &str| project.journals.is_held(run);
    let mut any = false;
    // What cannot be read is told of by whoever closes it.
    for past in history::runs(&project.journals)?.filter_map(Result::ok) {
        let is_ours = past.outcome.is_none() && past.job.as_ref() == Some(job) && common.covers(&past.subject.place());
        if !is_ours || !is_at_work(&past.run) {
            continue;
        }
        any = true;
        let (run, number) = (&past.run, past.process);
        say(&format!("run {run} is still at work (process {number}), though its step is over\n"));
        // Whoever takes back already was told, and a second time would end that.
        if past.turned.is_none() && process::ask_to_end(number) {
            say(&format!("told process {number} to stop, and waiting for it\n"));
        }
        let begun = Instant::now();
        while is_at_work(run) {
            if begun.elapsed() > PATIENCE {
                return Err(past.still_alive());
            }
            // There is nothing to wait on: it is nobody's child any more.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(any)
}

/// The newest runs of places that are of this very job, and were stopped with something left. What cannot be read is told of by
/// `reap`, and keeps nothing of another place from being seen.
fn left_by_this_job(project: &Project, common: &Common) -> Result<Vec<PastRun>, Failed> {
    let Some(job) = &project.facts.job else { return Ok(Vec::new()) };
    let runs = history::names(&project.journals)?;
    let mut places: BTreeSet<Place> = runs.iter().filter_map(|run| history::place_of(&project.journals, run)).collect();
    places.retain(|place| common.covers(place));
    let newest = |place: &Place| history::runs_in(&project.journals, place).ok()?.next()?.ok();
    Ok(places.iter().filter_map(newest).filter(|past| past.job.as_ref() == Some(job) && was_stopped(past)).collect())
}

/// What a run left, why it stays, and what to say to go on or take it back.
fn what_is_left(project: &Project, past: &PastRun) -> String {
    let run = &past.run;
    let how = if past.outcome == Some(RunOutcome::Cancelled) { "cancelled" } else { "cut off" };
    let steps = config::listing(past.left().map(|step| step.id.as_str()), "and");
    let why = match project.config.on_cancel {
        Some(_) => "`on_cancel` in `deploy.toml` is `stop`",
        None => "in a CI job `on_cancel` is `stop` where `deploy.toml` does not say otherwise",
    };
    let place = past.subject.place().options();
    format!(
        "run {run} was {how}, and what it did ({steps}) is left as it is: {why}; `windlass resume {run}` goes on, \
         `windlass rollback {place}` takes it back"
    )
}

/// Whether a run was cancelled or cut off, and something of it is still there. One that failed by itself said what it left, and
/// a revert that failed is not tried again behind a person's back.
fn was_stopped(past: &PastRun) -> bool {
    let was_cut_off = matches!(past.code(), Some(Code::CutOff | Code::StepUnknown));
    (past.outcome == Some(RunOutcome::Cancelled) || was_cut_off) && past.left().next().is_some()
}

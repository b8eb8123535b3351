//! `reap --finish`: what is left to do at the end of a CI job whose deployment was cancelled or killed.

use super::arguments::{Common, Reports, Rollback};
use super::reap::reap;
use super::rollback::take_back;
use super::session::Session;
use super::{Failed, say};
use crate::config::OnCancel;
use crate::event::{Place, RunOutcome};
use crate::history::{self, PastRun};
use crate::problem::{Code, Exit};
use std::collections::BTreeSet;
use std::time::Instant;

/// Close what is dead, and then take back what this job left, where the configuration wants that.
pub(super) async fn finish(common: &Common) -> Result<(), Failed> {
    let started = Instant::now();
    // A forge that could not be told keeps nothing here from being taken back.
    let reaped = reap(common).await;
    let session = Session::open(common)?;
    if session.project.config.on_cancel != Some(OnCancel::Rollback) {
        return reaped;
    }
    let newest_first =
        Rollback { to: None, keep: Vec::new(), recorded: Vec::new(), dry_run: false, reports: Reports::default() };
    let mut worst = Exit::Succeeded;
    for place in left_by_this_job(&session, common)? {
        let exit = take_back(common, &newest_first, &session, &place, started).await?;
        worst = worst.max(exit);
    }
    match worst {
        Exit::Succeeded => reaped,
        exit => Err(Failed::Said(exit)),
    }
}

/// Where the newest run is one of this very job, and was stopped with something left.
fn left_by_this_job(session: &Session, common: &Common) -> Result<BTreeSet<Place>, Failed> {
    let project = &session.project;
    let Some(job) = &project.facts.job else {
        say("note: this is no CI job, so nothing is taken back: `windlass rollback` does it\n");
        return Ok(BTreeSet::new());
    };
    let mut seen = BTreeSet::new();
    let mut places = BTreeSet::new();
    for past in history::runs(&project.journals)? {
        let past = past?;
        let place = past.subject.place();
        if common.covers(&place) && seen.insert(place.clone()) && past.job.as_ref() == Some(job) && was_stopped(&past) {
            places.insert(place);
        }
    }
    Ok(places)
}

/// Whether a run was cancelled or cut off, and something of it is still there. One that failed by itself said what it left, and
/// a revert that failed is not tried again behind a person's back.
fn was_stopped(past: &PastRun) -> bool {
    let was_cut_off = matches!(past.code(), Some(Code::CutOff | Code::StepUnknown));
    (past.outcome == Some(RunOutcome::Cancelled) || was_cut_off) && past.left().next().is_some()
}

//! What is going to be gone on with or taken back, and what was closed, as a person reads it.

use super::{Style, harmless};
use crate::event::{Place, Verdict, Witness};
use crate::history::{PastRun, Turned};
use crate::lease::Holder;
use crate::prepare::Probed;
use crate::process::Leftover;
use std::fmt::Write as _;

/// How far a run has come that is gone on with, and what became of what was cut off.
#[must_use]
pub fn resuming(past: &PastRun, probed: &[Probed], style: Style) -> String {
    let mut text = String::new();
    let subject = &past.subject;
    let _ = writeln!(
        text,
        "{} {} {} in {}  {}",
        style.bold(if past.turned.is_some() { "going on with taking back" } else { "going on with" }),
        subject.app,
        style.bold(&subject.version),
        style.bold(&subject.environment),
        style.dim(&past.run)
    );
    let steps = past.steps.iter().filter(|step| !step.finally);
    let width = steps.clone().map(|step| step.id.chars().count()).max().unwrap_or_default();
    for step in steps {
        let id = &step.id;
        if past.turned.is_none() && step.is_done() {
            let _ = writeln!(text, "  {} {id:width$}  {}", style.green("✓"), style.dim("done"));
        }
        if let Some(probed) = probed.iter().find(|probed| probed.step == *id) {
            let who = match probed.by {
                Witness::Plugin => "its plugin looked",
                Witness::Person => "you say so",
                Witness::Config => "it is `idempotent`",
            };
            let what = match probed.verdict {
                Verdict::Done => "was cut off, and is done",
                Verdict::NotDone => "was cut off, and is not done",
                Verdict::Partly => "was cut off, and goes on where it ended",
                Verdict::Unknown => "was cut off, and nobody knows how far it came",
            };
            let _ = writeln!(text, "  {} {id:width$}  {what} ({who})", style.yellow("?"));
        }
    }
    if let Some(Turned::Failure(Some(step))) = &past.turned {
        let _ = writeln!(text, "  it turned round at `{step}`");
    }
    text
}

/// What would be taken back, newest first. `held` says whether a process is at work for a run.
#[must_use]
pub fn taking_back(
    runs: &[PastRun],
    to: Option<&PastRun>,
    keep: &[String],
    held: impl Fn(&str) -> bool,
    style: Style,
) -> String {
    let mut text = String::new();
    let Some(first) = runs.first() else { return text };
    let target = match to {
        Some(to) => format!("{} ({})", to.subject.version, crate::words::short(&to.subject.commit)),
        None => "nothing: no release is known from before".to_owned(),
    };
    let _ = writeln!(
        text,
        "{} {} in {} to {}",
        style.bold("rollback:"),
        first.subject.app,
        style.bold(&first.subject.environment),
        style.bold(&target)
    );
    let steps = || runs.iter().flat_map(PastRun::left);
    let width = steps().map(|step| step.id.chars().count()).max().unwrap_or_default();
    for run in runs {
        let state = match run.outcome {
            Some(crate::event::RunOutcome::Succeeded) => "",
            None if held(&run.run) => ", which is under way",
            None => ", which was cut off",
            Some(_) => ", which did not succeed",
        };
        let nothing = if run.left().next().is_none() { ", of which nothing is left to take back" } else { "" };
        let _ = writeln!(text, "  {} {}{state}{nothing}", run.run, run.subject.version);
        for step in run.left().rev() {
            let id = &step.id;
            let _ = if keep.contains(id) {
                writeln!(text, "  {} {id:width$}  stays, as you say", style.yellow("!"))
            } else {
                writeln!(
                    text,
                    "  {} {id:width$}  take back what `{}` recorded",
                    style.green("◂"),
                    harmless(&step.plugin)
                )
            };
        }
    }
    let count = steps().filter(|step| !keep.contains(&step.id)).count();
    let then = if to.is_some() { ", then the checks of what is live again" } else { "" };
    let _ = writeln!(text, "\n{count} to take back{then}");
    text
}

/// What was closed.
#[must_use]
pub fn reaped<'a>(
    runs: impl Iterator<Item = (&'a PastRun, &'a [Leftover])>,
    leases: &[(Place, Holder)],
    style: Style,
) -> String {
    let mut text = String::new();
    for (past, ended) in runs {
        let place = &past.subject.environment;
        let _ = writeln!(text, "{} run {} in {place}: it was cut off at {}", style.bold("closed"), past.run, past.last);
        for step in past.steps.iter().filter(|step| step.is_cut_off()) {
            let _ = writeln!(text, "  nobody knows how far step `{}` came", step.id);
        }
        for left in ended {
            let _ = writeln!(text, "  ended {} (process {}), which was still at work", left.program, left.process);
        }
        let _ = writeln!(text, "  next: `windlass status {}` says what to do", past.subject.place().options());
    }
    for (place, holder) in leases {
        let _ = writeln!(
            text,
            "{} the lease of {} that run {} held",
            style.bold("gave back"),
            place.environment,
            holder.run
        );
    }
    if text.is_empty() {
        text.push_str("nothing was left open\n");
    }
    text
}

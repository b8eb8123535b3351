//! `reap`, and closing what a dead run left open, which the next run does too.

use super::arguments::{Common, Format};
use super::keeping::{Wanted, warning};
use super::live::retire;
use super::project::{Project, secrets};
use super::telling::{announcement, deployed, deployment_created, left, state_of, tell};
use super::{Failed, print, print_json, say, story};
use crate::config;
use crate::event::{Event, Place, RunOutcome, StepOutcome};
use crate::forge::{Announcement, Forge};
use crate::history::{self, PastRun, PastStep};
use crate::lease::{self, Standing};
use crate::problem::{Code, Exit, Problem};
use crate::process;
use crate::report::{self, Style};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `windlass reap`. `is_all`: whether it says so where there was nothing to do.
pub(super) async fn reap(common: &Common, is_all: bool) -> Result<(), Failed> {
    let project = Project::load(common)?;
    if let Some(name) = &common.environment {
        project.config.environment(Some(name))?;
    }
    project.fetch_all(common, Wanted::State).await;
    let mut closed = Vec::new();
    let mut problems = Vec::new();
    let mut told = true;
    let mut is_unusable = false;
    for past in history::runs(&project.journals)? {
        // One that cannot be read keeps nobody from closing the others.
        let past = match past {
            Ok(past) if (past.outcome.is_none() || past.is_untold()) && common.covers(&past.subject.place()) => past,
            Ok(_) => continue,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        if let Err(problem) = project.keeping.must_agree(&past) {
            problems.push(problem);
            continue;
        }
        match is_abandoned(&project, &past).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        }
        // Where the forge cannot be asked or told, the run is closed all the same, and what is left is to tell it.
        let forge = project.forge().unwrap_or_else(|problem| {
            if (past.has_deployment() || past.may_have_deployment()) && !std::mem::replace(&mut is_unusable, true) {
                report::tell(&[Problem { note: None, ..problem }]);
            }
            Arc::new(Forge::Local)
        });
        match close(&project, &forge, &past.run, None).await {
            Ok(Some(one)) => {
                told &= one.told;
                closed.push(one);
            }
            // It lives, or somebody else closes it at this moment.
            Ok(None) => {}
            Err(problem) if is_alive(&problem) => {}
            Err(problem) => problems.push(problem),
        }
    }
    let places: BTreeSet<Place> = closed.iter().map(|one| one.past.subject.place()).collect();
    for place in &places {
        project.keeping.send(place, &[], PATIENCE).await;
    }
    let redactor = secrets(&project.directory, &project.variables).redactor();
    for one in &closed {
        story::ended(&project, &one.past.run, &redactor);
    }
    let mut freed = Vec::new();
    // Those of this machine, too, that were taken while the forge's could not be.
    for leases in [&project.leases, &project.local_leases] {
        for place in leases.places().await? {
            if !common.covers(&place) {
                continue;
            }
            match lease::release_dead(&**leases, &place).await {
                Ok(holder) => freed.extend(holder.map(|holder| (place, holder))),
                Err(problem) => problems.push(problem),
            }
        }
    }
    let untold: Vec<&Closed> = closed.iter().filter(|one| !one.told).collect();
    for one in &untold {
        let forge = &one.past.forge;
        say(&format!(
            "warning: {forge} was not told how run {} ended: say `windlass reap --forge {forge}` again\n",
            one.past.run
        ));
    }
    match common.format {
        // What could not be looked at may be open.
        Format::Human if closed.is_empty() && freed.is_empty() && !(is_all && problems.is_empty()) => {}
        Format::Human => print(&report::reaped(
            closed.iter().filter(|one| one.was_open).map(|one| (&one.past, one.ended.as_slice())),
            &freed,
            Style::of_stdout(),
        )),
        Format::Json => {
            let runs = closed.iter().filter(|one| one.was_open).map(|one| {
                json!({
                    "run": one.past.run, "environment": one.past.subject.environment,
                    "component": one.past.subject.component,
                    "ended": one.ended.iter().map(|left| json!({ "process": left.process, "program": left.program })).collect::<Vec<_>>(),
                })
            });
            let leases = freed.iter().map(|(place, holder)| {
                json!({ "environment": place.environment, "component": place.component, "run": holder.run })
            });
            print_json(
                &json!({ "schema": "windlass.reap/1", "runs": runs.collect::<Vec<_>>(), "leases": leases.collect::<Vec<_>>(), }),
            );
        }
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    if told { Ok(()) } else { Err(Failed::Said(Exit::Unreported)) }
}

/// Whether nobody is at work for a run any more, for whoever does not have its lease. A run on another machine is not dead because
/// its process is not here: its lease says whose it is, and the forge which jobs are over.
async fn is_abandoned(project: &Project, past: &PastRun) -> Result<bool, Problem> {
    if !project.journals.is_foreign(&past.run) {
        return Ok(true);
    }
    if project.keeping.holds_leases() {
        match lease::standing(&*project.leases, &past.subject.place()).await? {
            Standing::Held { holder, alive, .. } if holder.run == past.run => return Ok(alive == Some(false)),
            // Whoever takes several runs back has the lease as the newest of them, and which those are nobody else knows.
            Standing::Held { holder, alive, .. }
                if alive != Some(false) && holder.job.is_none() && past.job.is_none() =>
            {
                return Ok(false);
            }
            _ => {}
        }
    }
    project.keeping.is_over(past).await
}

/// A run whose process is gone, and what was found of it.
pub(super) struct Closed {
    pub(super) past: PastRun,
    /// Whether it had no end; otherwise only the forge was not told of it.
    was_open: bool,
    pub(super) ended: Vec<process::Leftover>,
    pub(super) told: bool,
}

impl Closed {
    /// In one line.
    pub(super) fn told(&self) -> String {
        let past = &self.past;
        let of = |outcome| past.steps.iter().filter(move |step| step.outcome == outcome).map(|step| step.id.as_str());
        let unknown: Vec<&str> = of(StepOutcome::Unknown).collect();
        let mut text = format!("run `{}` before this one was cut off", past.run);
        if !unknown.is_empty() {
            text.push_str(&format!(", and nobody knows what became of {}", config::listing(unknown, "and")));
        }
        text.push_str(&ended(&self.ended));
        text
    }
}

/// What was still at work, for the end of a sentence.
pub(super) fn ended(leftovers: &[process::Leftover]) -> String {
    if leftovers.is_empty() {
        return String::new();
    }
    let names = leftovers.iter().map(|left| format!("{} ({})", left.program, left.process));
    format!("; what was still at work for it was ended: {}", config::listing(names, "and"))
}

/// What tells a run whose process is gone, but something of it cannot be ended, from one that lives.
const AT_WORK: &str = "still-at-work";

/// Whether a run could not be closed because its process lives, or somebody else closes it at this moment.
fn is_alive(problem: &Problem) -> bool {
    problem.code == Code::RunAlive && problem.detail.is_none()
}

/// End what is still at work for what was cut off of a run, so that nothing changes while the truth is found out.
pub(super) async fn quiet(past: &PastRun) -> Result<Vec<process::Leftover>, Problem> {
    let run = &past.run;
    let ended = process::end_leftovers(run, |step| past.is_at_work(step)).await;
    let left = process::leftovers(run, |step| past.is_at_work(step)).into_iter().next();
    let Some(left) = left else { return Ok(ended) };
    let problem = Problem::new(Code::RunAlive, format!("something is still at work for run `{run}`"))
        .because(format!("process {} (`{}`) cannot be ended from here", left.process, left.program))
        .with_note("nothing else was changed")
        .with_hint("end it, as its owner or as an administrator, and try again");
    Err(Problem { detail: Some(AT_WORK.to_owned()), ..problem })
}

/// How long a journal is waited for that somebody else is closing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Close what dead runs left open in a place, for the run that comes after them.
///
/// # Errors
/// [`Code::JournalInvalid`], [`Code::JournalUnwritable`].
pub(super) async fn close_all(
    project: &Project,
    forge: &Forge,
    place: &Place,
    by: &str,
) -> Result<Vec<Closed>, Problem> {
    let mut closed = Vec::new();
    for past in history::runs_in(&project.journals, place)? {
        let past = past?;
        if past.outcome.is_some() && !past.is_untold() {
            continue;
        }
        if let Err(problem) = project.keeping.must_agree(&past) {
            say(&warning(&problem, &format!("run {} is left open", past.run)));
            continue;
        }
        match project.keeping.is_over(&past).await {
            Ok(true) => {}
            // It lives, and has lost its lease, or never had one that is seen here.
            Ok(false) => {
                say(&format!("warning: run {} goes on beside this one, in a job on another machine\n", past.run));
                continue;
            }
            Err(problem) => {
                say(&warning(&problem, &format!("run {} is left open", past.run)));
                continue;
            }
        }
        let deadline = Instant::now() + PATIENCE;
        let mut said = false;
        loop {
            match close(project, forge, &past.run, Some(by)).await {
                Err(problem) if is_alive(&problem) && Instant::now() < deadline => {
                    if !std::mem::replace(&mut said, true) {
                        let seconds = PATIENCE.as_secs();
                        say(&format!("waiting up to {seconds} s for run {}, which is still at work\n", past.run));
                    }
                    // Somebody may be closing it at this moment, and ends what is at work for it.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                // It lives, and lost the lease by force: it has no further effect, and whoever took the lease away knows of it.
                Err(problem) if is_alive(&problem) => {
                    say(&format!("warning: {}; what it is at now goes on beside this run\n", past.still_alive().what));
                    break;
                }
                one => {
                    closed.extend(one?.filter(|closed| closed.was_open));
                    break;
                }
            }
        }
    }
    Ok(closed)
}

/// Close what a run has left open whose process is gone: nothing is at work for it any more, its journal says that it is
/// over, and the forge shows it. None where there is nothing to close, or another one has closed it.
///
/// # Errors
/// [`Code::RunAlive`] where its process lives, or somebody closes it at this moment.
async fn close(project: &Project, forge: &Forge, run: &str, by: Option<&str>) -> Result<Option<Closed>, Problem> {
    let (mut journal, past) = history::reopen(&project.journals, run)?;
    let Some(past) = past else { return Ok(None) };
    if past.outcome.is_some() && !past.is_untold() {
        return Ok(None);
    }
    let was_open = past.outcome.is_none();
    let (outcome, reason) = match past.outcome {
        Some(outcome) => (outcome, past.code()),
        None => come_to(&past),
    };
    let announcement =
        Announcement { begun: past.begun(), ..announcement(project, None, &past.subject, &past.run, &past.plan) };
    let here = forge.name() == past.forge;
    // It may have been cut off before it could write down that the forge knows of it.
    let mut in_doubt = past.may_have_deployment();
    let mut found = None;
    if in_doubt && here {
        match forge.find(&announcement).await {
            Ok(it) => (found, in_doubt) = (it, false),
            // It stays open: what it left may be live, and a forge that answers soon after says so.
            Err(problem) if was_open => return Err(problem),
            Err(problem) => report::tell(&[Problem { note: None, ..problem }]),
        }
    }
    let mut is_unasked = !here && past.deployment.as_ref().is_some_and(|it| !it.adopted);
    let created = match deployed(project, forge, &past).await {
        Ok(created) => created,
        Err(problem) if was_open => return Err(problem),
        Err(problem) => {
            report::tell(&[Problem { note: None, ..problem }]);
            is_unasked = true;
            None
        }
    };
    let mut ended = Vec::new();
    if was_open {
        ended = quiet(&past).await?;
        let finished = Event::RunFinished {
            outcome,
            reason: reason.map(|code| code.word().to_owned()),
            changed: past.changed,
            duration_ms: 0,
        };
        let mut events = vec![Event::RunReaped { actor: project.actor(), run: by.map(str::to_owned) }];
        events.extend(found.as_ref().map(|found| deployment_created(found, forge)));
        if in_doubt {
            events.push(Event::DeploymentDoubted { forge: past.forge.clone() });
        }
        events.push(finished);
        journal.append_all(&events)?;
    } else if let Some(found) = &found {
        journal.append(&deployment_created(found, forge))?;
    }
    let told = match created.or(found) {
        // Nobody knows yet whether there is one, or it is told by whoever can: this one cannot.
        _ if in_doubt || is_unasked => false,
        None if !past.has_deployment() => true,
        // The end of its job has told it.
        Some(created) if created.adopted => true,
        created => {
            let state = state_of(outcome, reason);
            let why = match (was_open, past.left().next()) {
                (true, None) => "the run was cut off".to_owned(),
                (true, Some(_)) => left("the run was cut off", &past.run, &past.subject.place()),
                (false, _) => "the run ended before this could be told".to_owned(),
            };
            let told = tell(forge, created.as_ref(), &announcement, state, &why).await;
            if told {
                journal.append(&Event::DeploymentTold { outcome })?;
            }
            if let Some(created) = created.as_ref().filter(|_| told && outcome == RunOutcome::Succeeded) {
                retire(forge, created, &announcement).await;
            }
            told
        }
    };
    Ok(Some(Closed { past, was_open, ended, told }))
}

/// What a run came to that was cut off, as far as its journal proves it, and the word for why it is over.
fn come_to(past: &PastRun) -> (RunOutcome, Option<Code>) {
    let mut steps = past.steps.iter().filter(|step| !step.finally);
    let unknown = steps.clone().any(|step| step.outcome == StepOutcome::Unknown);
    let outcome = match &past.turned {
        // Only what comes after the steps was cut off: the release is live.
        None if steps.all(PastStep::is_done) => RunOutcome::Succeeded,
        None => RunOutcome::Failed,
        Some(_) => RunOutcome::RollbackFailed,
    };
    (outcome, Some(if unknown { Code::StepUnknown } else { Code::CutOff }))
}

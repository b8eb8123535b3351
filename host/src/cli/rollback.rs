//! `rollback`: take back what runs have done, so that the release before is live again.

use super::arguments::{Common, Format, Rollback as Arguments};
use super::comment;
use super::conduct::{Conduct, Conducted, SoFar, exit_of, lease_taken, with_result};
use super::keeping::Wanted;
use super::live::revive;
use super::outputs;
use super::project::Project;
use super::reap::{ended, quiet};
use super::session::{Asking, Known, Session};
use super::signals::{signals, unless_stopped};
use super::telling::{deployed_if_known, doubted};
use super::{Failed, print, print_json, say, story};
use crate::config::DeploymentOwner;
use crate::event::{Event, Place, RunOutcome};
use crate::history::{self, Back};
use crate::journal::Store as _;
use crate::lease::Lease;
use crate::prepare::{self, Prepared};
use crate::problem::{Code, Exit, Problem};
use crate::report::{self, Style};
use crate::run::Options;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// `windlass rollback`
pub(super) async fn rollback(common: &Common, arguments: &Arguments) -> Result<(), Failed> {
    let started = Instant::now();
    let reports = arguments.reports.directory();
    outputs::clear(reports);
    let session = with_result(common, reports, SoFar::default(), Session::open(common))?;
    let app = session.project.config.app.as_str();
    let so_far = SoFar { app, ..SoFar::default() };
    let place = with_result(common, reports, so_far, session.project.place(common).map_err(Failed::from))?;
    let exit = unless_stopped(take_back(common, arguments, &session, &place, started)).await;
    with_result(common, reports, SoFar { environment: Some(&place.environment), ..so_far }, exit)?.said()
}

pub(super) async fn take_back(
    common: &Common,
    arguments: &Arguments,
    session: &Session,
    place: &Place,
    started: Instant,
) -> Result<Exit, Failed> {
    let project = &session.project;
    project.keeping.fetch(place, wanted(arguments)).await;
    let back = agreed(project, place, arguments)?;
    let Some(newest) = back.runs.first() else {
        return Err(Problem::new(Code::Bug, "there is nothing to take back").into());
    };
    keeps_what_is_there(&back, &arguments.keep)?;
    proves_all_it_did(project, &back, arguments)?;
    // Whoever does it waits for the lease, as long as the environment says.
    let alive = back.runs.iter().find(|run| arguments.dry_run && project.journals.is_held(&run.run));
    if let Some(alive) = alive {
        return Err(alive.still_alive().into());
    }
    let mut asking = Asking::again(session, newest.subject.clone())?;
    let known = asking.know().await?;
    let prepared = prepare_all(project, &mut asking, &known, &back, &arguments.keep).await?;
    let held = |run: &str| project.journals.is_held(run);
    let shown = |style| report::taking_back(&back.runs, back.to.as_ref(), &arguments.keep, held, style);
    // What was asked for is data, and what a rollback says before it begins is talk.
    if arguments.dry_run && common.format == Format::Human {
        print(&shown(Style::of_stdout()));
    } else {
        say(&shown(Style::of_stderr()));
    }
    for prepared in &prepared {
        prepared.has_secrets_to_take_back(&arguments.keep)?;
    }
    if arguments.dry_run {
        say("\nnothing was changed\n");
        if common.format == Format::Json {
            print_json(&planned_as_json(place, &back, &arguments.keep));
        }
        return Ok(Exit::Succeeded);
    }
    let forge = project.forge()?;
    let conduct = Conduct {
        common,
        project,
        environment: asking.environment,
        subject: newest.subject.clone(),
        forge,
        // No deployment is made.
        owner: DeploymentOwner::Own,
        redactor: known.services.redactor.clone(),
        cancellation: signals(),
        started,
        reports: arguments.reports.directory(),
    };
    let lease = conduct.lease(|| newest.run.clone()).await?;
    let conducted = take_back_under_lease(&conduct, arguments, &back, prepared, &lease).await;
    conduct.leave(lease).await;
    // The page of the job tells of each as the others' journals do: newest first.
    for run in &back.runs {
        story::ended(project, &run.run, &conduct.redactor);
    }
    let (conducted, exit) = conducted?;
    comment::ended(&conduct, &conducted.run).await;
    conduct.report(&conducted, exit);
    Ok(exit)
}

/// Which journals say what is to be taken back.
fn wanted(arguments: &Arguments) -> Wanted<'_> {
    arguments.to.as_deref().map_or(Wanted::State, Wanted::Since)
}

/// What is to be taken back, where all agree on what was done since the release that is to be live again: where they do not, that one
/// may be another.
fn agreed(project: &Project, place: &Place, arguments: &Arguments) -> Result<Back, Problem> {
    let back = history::to_take_back(&project.journals, place, arguments.to.as_deref());
    let to = back.as_ref().ok().and_then(|back| back.to.as_ref());
    project.keeping.must_agree_since(place, to.map(|to| to.run.as_str()))?;
    back
}

/// What is to be kept has to be there, or it is a typing mistake that takes back too much.
fn keeps_what_is_there(back: &Back, keep: &[String]) -> Result<(), Problem> {
    let there = |id: &String| {
        back.runs.iter().any(|run| {
            run.left().any(|step| step.id == *id) || run.steps.iter().any(|step| step.id == *id && step.is_cut_off())
        })
    };
    match keep.iter().find(|id| !there(id)) {
        None => Ok(()),
        Some(id) => {
            let steps: Vec<&str> = back.runs.iter().flat_map(|run| run.left()).map(|step| step.id.as_str()).collect();
            Err(Problem::new(Code::Usage, format!("there is no step `{id}` whose work could be kept"))
                .because(format!("what would be taken back is of {}", crate::config::listing(steps, "and")))
                .with_note("nothing was changed")
                .with_hint("name one of these with `--keep`, or leave it out"))
        }
    }
}

/// On the machine that ran it, what is not recorded was not done: a record is on disk before its effect. The copy on a forge gets
/// them later, so that one which ends too early proves nothing about the step that it ends in, or before.
fn proves_all_it_did(project: &Project, back: &Back, arguments: &Arguments) -> Result<(), Problem> {
    let fetched = back.runs.iter().filter(|run| project.journals.was_fetched(&run.run));
    let open: Vec<_> = fetched.filter_map(|run| Some((run, prepare::open_end(run)?))).collect();
    if let Some(id) = arguments.recorded.iter().find(|id| !open.iter().any(|(_, step)| step.id == **id)) {
        return Err(Problem::new(Code::Usage, format!("nobody asks what step `{id}` did"))
            .because("its journal has it, or is whole because this machine wrote it")
            .with_note("nothing was changed")
            .with_hint("leave `--recorded` out"));
    }
    let settled = |id: &String| arguments.keep.contains(id) || arguments.recorded.contains(id);
    let Some((run, step)) = open.into_iter().find(|(_, step)| !settled(&step.id)) else { return Ok(()) };
    let (run, id, count) = (&run.run, &step.id, step.records.len());
    let known = match count {
        0 => "no record of it is known".to_owned(),
        1 => "one record of it is known, and there may be more".to_owned(),
        _ => format!("{count} records of it are known, and there may be more"),
    };
    let keep = if count > 0 { format!(", `--keep {id}` leaves it") } else { String::new() };
    Err(Problem::new(Code::StepUnknown, format!("nobody can tell what run `{run}` did from step `{id}` on"))
        .because("its machine is gone, and so is what the journal kept on the forge did not get any more")
        .because(known)
        .with_note("nothing was changed")
        .with_hint(format!(
            "look at it, and take back by hand what is not recorded; `--recorded {id}` then takes back what is{keep}"
        )))
}

/// Make each run ready to be taken back, or say all that stands in the way.
async fn prepare_all(
    project: &Project,
    asking: &mut Asking<'_>,
    known: &Known<'_>,
    back: &Back,
    keep: &[String],
) -> Result<Vec<Prepared>, Failed> {
    let mut prepared = Vec::new();
    let mut problems = Vec::new();
    let live = back.to.clone().map(Arc::new);
    for run in &back.runs {
        asking.subject = run.subject.clone();
        let holes = asking.holes_of(run);
        let facts = asking.facts(holes, live.clone(), Some(Arc::new(run.clone())));
        let services = known.services.clone();
        match prepare::taken_back(&project.config, &known.resolved, known.locked, facts, services, keep).await {
            Ok(ready) => prepared.push(ready),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(prepared) } else { Err(problems.into()) }
}

async fn take_back_under_lease(
    conduct: &Conduct<'_>,
    arguments: &Arguments,
    back: &Back,
    prepared: Vec<Prepared>,
    lease: &Arc<Lease>,
) -> Result<(Conducted, Exit), Failed> {
    let project = conduct.project;
    project.keeping.fetch(&conduct.subject.place(), wanted(arguments)).await;
    for run in &back.runs {
        project.keeping.must_be_over(run).await?;
    }
    // All of them before anything is changed: one that lives is not taken back, and neither are those after it.
    let mut journals = Vec::new();
    for run in &back.runs {
        journals.push(history::reopen(&project.journals, &run.run)?.0);
    }
    // As it is now that nobody else can write to them: another run may have come first, and may have left nothing.
    let place = conduct.subject.place();
    let is_unchanged = match agreed(project, &place, arguments) {
        Ok(now) => now == *back,
        Err(problem) if problem.code == Code::NotResumable => false,
        Err(problem) => return Err(problem.into()),
    };
    if !is_unchanged {
        return Err(history::not_resumable(
            "what is to be taken back is no longer what it was".into(),
            "another run came first".into(),
            format!("`windlass status {}` says how things stand now", place.options()),
        )
        .into());
    }
    let mut elsewhere = Vec::new();
    for run in &back.runs {
        elsewhere.push(conduct.is_shown_elsewhere(run)?);
    }
    let mut leftovers = Vec::new();
    for run in &back.runs {
        leftovers.push(quiet(run).await?);
    }
    let mut first: Option<(Conducted, bool)> = None;
    let count = back.runs.len();
    for (index, ((past, mut prepared), journal)) in back.runs.iter().zip(prepared).zip(journals).enumerate() {
        let recorder = conduct.recorder(journal, lease);
        let rollback = Event::RollbackStarted {
            windlass: env!("CARGO_PKG_VERSION").to_owned(),
            actor: project.actor(),
            process: std::process::id(),
            job: project.facts.job.clone(),
            to: back.to.as_ref().map(|to| to.run.clone()),
            keep: arguments.keep.clone(),
        };
        let mut events = vec![rollback, lease_taken(lease)];
        events.extend(doubted(past, elsewhere[index]));
        events.extend(arguments.recorded.iter().filter(|id| past.step(id).is_some()).map(|id| Event::NoteAdded {
            text: format!("somebody looked: from step `{id}` on nothing is left but what is recorded"),
        }));
        if !leftovers[index].is_empty() {
            events.push(Event::NoteAdded { text: format!("the run was cut off{}", ended(&leftovers[index])) });
        }
        recorder.record_all(&events)?;
        prepared.facts.begun = Some(Arc::new(history::find(&project.journals, &past.run)?));
        let options = Options { others_follow: index + 1 < count, ..conduct.options() };
        let created = deployed_if_known(project, &conduct.forge, past).await;
        let is_unknown = created.is_none() && past.has_deployment();
        say(&format!("\n{}", report::announce_rollback(&past.subject, &past.run, Style::of_stderr())));
        let (conducted, told) = conduct.go(prepared, &options, &past.run, recorder, created).await;
        let told = told && !elsewhere[index] && !is_unknown;
        let done = conducted.result.outcome == RunOutcome::RolledBack;
        match &mut first {
            None => first = Some((conducted, told)),
            // The result is of the newest run, with what came of the older ones.
            Some((all, all_told)) => {
                all.result.steps.extend(conducted.result.steps);
                all.result.kept.extend(conducted.result.kept);
                all.result.outcome = conducted.result.outcome;
                all.result.reason = conducted.result.reason;
                all.result.problem = conducted.result.problem;
                *all_told &= told;
            }
        }
        // What is older must not be taken back from under what is newer and still there.
        if !done {
            break;
        }
    }
    let Some((conducted, told)) = first else {
        return Err(Problem::new(Code::Bug, "there was nothing to take back").into());
    };
    if let Some(to) = back.to.as_ref().filter(|_| conducted.result.outcome == RunOutcome::RolledBack) {
        revive(conduct, to).await;
    }
    let exit = exit_of(&conducted.result, told);
    Ok((conducted, exit))
}

/// What a rollback would do, for programs.
fn planned_as_json(place: &Place, back: &Back, keep: &[String]) -> serde_json::Value {
    let runs: Vec<_> = back
        .runs
        .iter()
        .map(|run| {
            let steps = run.left().rev().filter(|step| !keep.contains(&step.id));
            json!({
                "run": run.run, "version": run.subject.version, "commit": run.subject.commit,
                "steps": steps.map(|step| json!({ "id": step.id, "plugin": step.plugin })).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "schema": "windlass.rollback/1", "app": place.app, "environment": place.environment,
        "component": place.component, "to": back.to.as_ref().map(|to| &to.run), "keep": keep, "runs": runs,
    })
}

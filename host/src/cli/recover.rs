//! `resume`, `rollback` and `reap`: a run that was cut off, stopped, or has to be taken back.

use super::arguments::{Common, Format, Resume as ResumeArguments, Rollback as RollbackArguments};
use super::conduct::{Conduct, Conducted, close, deployed, ended, exit_of, lease_taken, open_runs, quiet, refuse};
use super::project::Project;
use super::session::{Asking, GITHUB_TOKEN, Known, Session, level};
use super::signals::signals;
use super::{Failed, print, say};
use crate::config::Holes;
use crate::event::{Event, Listener, Place, RunOutcome, Subject, Verdict};
use crate::forge::Forge;
use crate::gate;
use crate::history::{self, PastRun, Turned};
use crate::journal::Journal;
use crate::lease::{self, Lease};
use crate::plan::Plan;
use crate::prepare::{self, Prepared, Resumed, Settled};
use crate::problem::{Code, Exit, Problem};
use crate::report::{self, Console, Style};
use crate::run::{Options, Recorder, step_planned};
use crate::secret::Secrets;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

fn not_resumable(what: String, why: String, hint: String) -> Problem {
    Problem::new(Code::NotResumable, what).because(why).with_note("nothing was changed").with_hint(hint)
}

/// The run that is meant, as its journal tells of it.
fn find(project: &Project, run: &str) -> Result<PastRun, Problem> {
    let missing = || {
        Problem::new(Code::RunNotFound, format!("there is no run `{run}`"))
            .with_note("nothing was changed")
            .with_hint("`windlass history` lists the runs")
    };
    // A name is a name, and leads nowhere.
    if run.is_empty() || !run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(missing());
    }
    history::replay(&project.journals, run)?.ok_or_else(missing)
}

/// Run what was asked for, and let a program have its result also where nothing was done.
async fn with_result(
    common: &Common,
    session: &Session,
    work: impl Future<Output = Result<Exit, Failed>>,
) -> Result<(), Failed> {
    match work.await {
        Ok(Exit::Succeeded) => Ok(()),
        Ok(exit) => Err(Failed::Said(exit)),
        Err(failed) => {
            refuse(common, session.project.config.app.as_str(), None, &failed);
            Err(failed)
        }
    }
}

fn console(common: &Common) -> Arc<dyn Listener> {
    Arc::new(Console::new(Style::of_stderr(), level(common)))
}

/// The holes of a run that was begun: filled with what they were filled with then.
fn holes_of(past: &PastRun, subject: &Subject) -> Holes {
    Holes {
        version: Some(subject.version.clone()),
        commit: Some(subject.commit.clone()),
        variables: past.variables.clone(),
        outputs: BTreeMap::new(),
    }
}

/// `windlass resume`
pub(super) async fn resume(common: &Common, arguments: &ResumeArguments) -> Result<(), Failed> {
    let started = Instant::now();
    let session = Session::open(common).inspect_err(|failed| refuse(common, "", None, failed))?;
    with_result(common, &session, go_on(common, arguments, &session, started)).await
}

async fn go_on(
    common: &Common,
    arguments: &ResumeArguments,
    session: &Session,
    started: Instant,
) -> Result<Exit, Failed> {
    let project = &session.project;
    let past = find(project, &arguments.run)?;
    may_be_resumed(project, &past)?;
    let environment = project.config.environment(Some(&past.subject.environment))?;
    if common.environment.as_deref().is_some_and(|name| name != past.subject.environment) {
        return Err(not_resumable(
            format!("run `{}` is not of environment `{}`", past.run, common.environment.as_deref().unwrap_or_default()),
            format!("it deploys to `{}`", past.subject.environment),
            "leave `--environment` out: the run says where it deploys to".into(),
        )
        .into());
    }
    gate::approval(&project.config, environment)?;
    let now = project.subject(&arguments.subject, environment, past.subject.component.as_deref())?;
    // What is checked out is compared; what the release is called was decided when the run began.
    let subject = Subject { version: past.subject.version.clone(), ..now };
    let mut asking = Asking::again(session, subject)?;
    let known = asking.know().await?;
    let forge = Forge::choose(common.forge, &project.facts, asking.secrets.get(GITHUB_TOKEN))?;
    let conduct = Conduct {
        common,
        project,
        environment,
        subject: past.subject.clone(),
        forge,
        listener: console(common),
        cancellation: signals(),
        started,
    };
    let lease = conduct.lease(|| past.run.clone()).await?;
    let conducted = resume_under_lease(&conduct, arguments, &asking, known, &past.run, &lease).await;
    conduct.leave(lease).await;
    let (conducted, exit) = conducted?;
    conduct.report(&conducted, exit);
    Ok(exit)
}

/// Whether a run can be gone on with at all.
fn may_be_resumed(project: &Project, past: &PastRun) -> Result<(), Problem> {
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
    let newest = history::runs_in(&project.journals, &past.subject.place())?.next().transpose()?;
    if let Some(newer) = newest.filter(|newest| newest.run != past.run) {
        return Err(not_resumable(
            what,
            format!("run `{}` came after it", newer.run),
            format!("`windlass status {options}` says how things stand now"),
        ));
    }
    Ok(())
}

/// What a person says of steps that were cut off.
fn settled(arguments: &ResumeArguments) -> Result<Settled, Problem> {
    let mut settled = Settled::new();
    for (steps, verdict) in [(&arguments.done, Verdict::Done), (&arguments.not_done, Verdict::NotDone)] {
        for step in steps {
            if settled.insert(step.clone(), verdict).is_some_and(|other| other != verdict) {
                return Err(Problem::new(Code::Usage, format!("step `{step}` cannot be both done and not done"))
                    .with_note("nothing was changed")
                    .with_hint("name it with one of `--done` and `--not-done`"));
            }
        }
    }
    Ok(settled)
}

async fn resume_under_lease(
    conduct: &Conduct<'_>,
    arguments: &ResumeArguments,
    asking: &Asking<'_>,
    known: Known<'_>,
    run: &str,
    lease: &Arc<Lease>,
) -> Result<(Conducted, Exit), Failed> {
    let project = conduct.project;
    let settled = settled(arguments)?;
    let (journal, record) = Journal::reopen(&project.journals, run)?;
    // As it is now: somebody may have gone on with it while the lease was waited for.
    let Some(past) = history::of_record(record, run)? else {
        return Err(find(project, run).err().unwrap_or_else(|| Problem::new(Code::RunNotFound, "it is gone")).into());
    };
    may_be_resumed(project, &past)?;
    let leftovers = quiet(run).await?;
    if !leftovers.is_empty() {
        say(&format!("the run was cut off{}\n", ended(&leftovers)));
    }
    let live = history::live(&project.journals, &past.subject.place())?.map(Arc::new);
    let facts = asking.facts(holes_of(&past, &asking.subject), live, Some(Arc::new(past.clone())));
    let config = &project.config;
    let Known { resolved, locked, services, .. } = known;
    let listener = &conduct.listener;
    let resumed = prepare::resume(config, resolved, locked, facts, services, listener, &settled).await?;
    resumed.prepared.has_secrets()?;
    say(&told_of(&past, &resumed));
    let recorder = conduct.recorder(journal, lease, resumed.prepared.services.redactor.clone());
    let Resumed { mut prepared, probed, planned } = resumed;
    let resumed = Event::RunResumed {
        windlass: env!("CARGO_PKG_VERSION").to_owned(),
        actor: project.actor(),
        process: std::process::id(),
    };
    let mut events = vec![resumed, lease_taken(lease)];
    if !leftovers.is_empty() {
        events.push(Event::NoteAdded { text: format!("the run was cut off{}", ended(&leftovers)) });
    }
    events.extend(probed.into_iter().map(|probed| Event::StepProbed {
        step: probed.step,
        attempt: probed.attempt,
        verdict: probed.verdict,
        by: probed.by,
    }));
    events.extend(planned.iter().map(step_planned));
    recorder.record_all(&events)?;
    prepared.facts.begun = Some(Arc::new(find(project, run)?));
    let created = match deployed(&past).filter(|_| conduct.forge.name() == past.forge) {
        Some(created) => Some(created),
        None => announce(conduct, &recorder, run, &past.plan).await?,
    };
    let options = Options { others_follow: others_follow(project, &past)?, ..conduct.options() };
    let (conducted, told) = conduct.go(prepared, &options, run, recorder, created).await;
    let exit = exit_of(&conducted.result, told);
    Ok((conducted, exit))
}

/// Whether a run is being taken back beneath which others have left something, above what is live: only when those are
/// taken back too is it as it must be.
fn others_follow(project: &Project, past: &PastRun) -> Result<bool, Problem> {
    if !matches!(past.turned, Some(Turned::Asked { .. })) {
        return Ok(false);
    }
    for run in history::runs_in(&project.journals, &past.subject.place())? {
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

/// Tell the forge of a run of which it was not told before it was cut off.
async fn announce(
    conduct: &Conduct<'_>,
    recorder: &Recorder,
    run: &str,
    plan: &str,
) -> Result<Option<crate::forge::Created>, Problem> {
    let created = match conduct.forge.create(&conduct.announcement(run, plan)).await {
        Ok(created) => created,
        Err(problem) => {
            recorder.record(&Event::RunFinished {
                outcome: RunOutcome::Failed,
                reason: Some(problem.code.word().to_owned()),
                changed: false,
                duration_ms: 0,
            })?;
            return Err(problem);
        }
    };
    if let Some(created) = &created {
        recorder.record(&Event::DeploymentCreated { id: created.id.clone(), url: created.url.clone() })?;
    }
    Ok(created)
}

/// What was found out, and what is going to be done.
fn told_of(past: &PastRun, resumed: &Resumed) -> String {
    let style = Style::of_stderr();
    let mut text = report::resuming(past, &resumed.probed, style);
    // Of a run that is being taken back there is nothing to plan.
    if past.turned.is_none() {
        let left = |id: &str| !past.step(id).is_some_and(history::PastStep::is_done);
        let proven = |id: &str| resumed.probed.iter().any(|it| it.step == id && it.verdict == Verdict::Done);
        let plan = &resumed.prepared.plan;
        let steps = plan.steps.iter().filter(|step| left(&step.id) && !proven(&step.id)).cloned().collect();
        text.push_str(&report::plan_steps(&Plan { steps, ..plan.clone() }, style));
    }
    text
}

/// What is going to be taken back.
struct Back {
    place: Place,
    /// Newest first.
    runs: Vec<PastRun>,
    /// The run whose release is to be live again.
    to: Option<PastRun>,
}

/// `windlass rollback`
pub(super) async fn rollback(common: &Common, arguments: &RollbackArguments) -> Result<(), Failed> {
    let started = Instant::now();
    let session = Session::open(common).inspect_err(|failed| refuse(common, "", None, failed))?;
    with_result(common, &session, take_back(common, arguments, &session, started)).await
}

async fn take_back(
    common: &Common,
    arguments: &RollbackArguments,
    session: &Session,
    started: Instant,
) -> Result<Exit, Failed> {
    let project = &session.project;
    let back = what_to_take_back(common, arguments, project)?;
    let Some(newest) = back.runs.first() else {
        return Err(Problem::new(Code::Bug, "there is nothing to take back").into());
    };
    keeps_what_is_there(&back, &arguments.keep)?;
    let mut asking = Asking::again(session, newest.subject.clone())?;
    let known = asking.know().await?;
    let prepared = prepare_all(project, &mut asking, &known, &back, &arguments.keep).await?;
    say(&report::taking_back(&back.runs, back.to.as_ref(), &arguments.keep, Style::of_stderr()));
    if arguments.dry_run {
        say("\nnothing was changed\n");
        if common.format == Format::Json {
            print(&format!("{}\n", planned_as_json(&back, &arguments.keep)));
        }
        return Ok(Exit::Succeeded);
    }
    for prepared in &prepared {
        prepared.has_secrets()?;
    }
    let forge = Forge::choose(common.forge, &project.facts, asking.secrets.get(GITHUB_TOKEN))?;
    let conduct = Conduct {
        common,
        project,
        environment: asking.environment,
        subject: newest.subject.clone(),
        forge,
        listener: console(common),
        cancellation: signals(),
        started,
    };
    let lease = conduct.lease(|| newest.run.clone()).await?;
    let conducted = take_back_under_lease(&conduct, arguments, &back, prepared, &lease).await;
    conduct.leave(lease).await;
    let (conducted, exit) = conducted?;
    conduct.report(&conducted, exit);
    Ok(exit)
}

/// Which runs are to be taken back, so that which release is live again.
fn what_to_take_back(common: &Common, arguments: &RollbackArguments, project: &Project) -> Result<Back, Problem> {
    let environment = project.config.environment(common.environment.as_deref())?;
    let place = Place {
        app: project.config.app.as_str().to_owned(),
        environment: environment.name.as_str().to_owned(),
        component: common.component.clone(),
    };
    if let Some(to) = &arguments.to {
        let target = find(project, to)?;
        if target.subject.place() != place || target.outcome != Some(RunOutcome::Succeeded) {
            let why = if target.subject.place() == place { "it did not succeed" } else { "it deployed elsewhere" };
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
    for (index, run) in history::runs_in(&project.journals, &place)?.enumerate() {
        let run = run?;
        let succeeded = run.outcome == Some(RunOutcome::Succeeded);
        let reached = match &arguments.to {
            Some(to) => run.run == *to,
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
    Ok(Back { place, runs, to: target })
}

/// What is to be kept has to be there, or it is a typing mistake that takes back too much.
fn keeps_what_is_there(back: &Back, keep: &[String]) -> Result<(), Problem> {
    let there = |id: &String| back.runs.iter().any(|run| run.left().any(|step| step.id == *id));
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
        let facts = asking.facts(holes_of(run, &run.subject), live.clone(), Some(Arc::new(run.clone())));
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
    arguments: &RollbackArguments,
    back: &Back,
    prepared: Vec<Prepared>,
    lease: &Arc<Lease>,
) -> Result<(Conducted, Exit), Failed> {
    let project = conduct.project;
    let now = what_to_take_back(conduct.common, arguments, project)?;
    if now.runs != back.runs || now.to.as_ref().map(|to| &to.run) != back.to.as_ref().map(|to| &to.run) {
        return Err(not_resumable(
            "what is to be taken back is no longer what it was".into(),
            "another run came first".into(),
            format!("`windlass status {}` says how things stand now", back.place.options()),
        )
        .into());
    }
    // All of them before anything is changed: one that lives is not taken back, and neither are those after it.
    let mut journals = Vec::new();
    for run in &back.runs {
        journals.push(Journal::reopen(&project.journals, &run.run)?.0);
    }
    let mut leftovers = Vec::new();
    for run in &back.runs {
        leftovers.push(quiet(&run.run).await?);
    }
    let mut first: Option<(Conducted, bool)> = None;
    let count = back.runs.len();
    for (index, ((past, mut prepared), journal)) in back.runs.iter().zip(prepared).zip(journals).enumerate() {
        let recorder = conduct.recorder(journal, lease, prepared.services.redactor.clone());
        let rollback = Event::RollbackStarted {
            windlass: env!("CARGO_PKG_VERSION").to_owned(),
            actor: project.actor(),
            process: std::process::id(),
            to: back.to.as_ref().map(|to| to.run.clone()),
            keep: arguments.keep.clone(),
        };
        let mut events = vec![rollback, lease_taken(lease)];
        if !leftovers[index].is_empty() {
            events.push(Event::NoteAdded { text: format!("the run was cut off{}", ended(&leftovers[index])) });
        }
        recorder.record_all(&events)?;
        prepared.facts.begun = Some(Arc::new(find(project, &past.run)?));
        let options = Options { others_follow: index + 1 < count, ..conduct.options() };
        let created = deployed(past).filter(|_| conduct.forge.name() == past.forge);
        say(&format!("\n{}", report::announce_rollback(&past.subject, &past.run, Style::of_stderr())));
        let (conducted, told) = conduct.go(prepared, &options, &past.run, recorder, created).await;
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
    let exit = match conducted.result.outcome {
        RunOutcome::RolledBack if told => Exit::Succeeded,
        RunOutcome::RolledBack => Exit::Unreported,
        _ => exit_of(&conducted.result, told),
    };
    Ok((conducted, exit))
}

/// What a rollback would do, for programs.
fn planned_as_json(back: &Back, keep: &[String]) -> serde_json::Value {
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
        "schema": "windlass.rollback/1", "app": back.place.app, "environment": back.place.environment,
        "component": back.place.component, "to": back.to.as_ref().map(|to| &to.run), "keep": keep, "runs": runs,
    })
}

/// `windlass reap`
pub(super) async fn reap(common: &Common) -> Result<(), Failed> {
    let project = Project::load(common)?;
    if let Some(name) = &common.environment {
        project.config.environment(Some(name))?;
    }
    let here = |place: &Place| {
        common.environment.as_ref().is_none_or(|name| place.environment == *name)
            && common.component.as_ref().is_none_or(|name| place.component.as_ref() == Some(name))
    };
    let token =
        Secrets::from_environment([GITHUB_TOKEN.to_owned()], |name| project.variables.get(name).map(str::to_owned));
    let mut closed = Vec::new();
    let mut told = true;
    for past in open_runs(&project, None)? {
        if !here(&past.subject.place()) {
            continue;
        }
        // Nothing has to be told to a forge that was never told of the run.
        let forge = if past.deployment.is_some() {
            Forge::choose(common.forge, &project.facts, token.get(GITHUB_TOKEN))?
        } else {
            Forge::Local
        };
        if let Some(one) = close(&project, &forge, &past.run, None).await? {
            told &= one.told;
            closed.push(one);
        }
    }
    let mut freed = Vec::new();
    for place in project.leases.places().await? {
        if here(&place)
            && let Some(holder) = lease::release_dead(&*project.leases, &place).await?
        {
            freed.push((place, holder));
        }
    }
    match common.format {
        Format::Human => print(&report::reaped(
            closed.iter().map(|one| (&one.past, one.ended.as_slice())),
            &freed,
            Style::of_stdout(),
        )),
        Format::Json => {
            let runs = closed.iter().map(|one| {
                json!({
                    "run": one.past.run, "environment": one.past.subject.environment,
                    "component": one.past.subject.component,
                    "ended": one.ended.iter().map(|left| json!({ "process": left.process, "program": left.program })).collect::<Vec<_>>(),
                })
            });
            let leases = freed.iter().map(|(place, holder)| {
                json!({ "environment": place.environment, "component": place.component, "run": holder.run })
            });
            print(&format!(
                "{}\n",
                json!({
                    "schema": "windlass.reap/1", "runs": runs.collect::<Vec<_>>(), "leases": leases.collect::<Vec<_>>(),
                })
            ));
        }
    }
    if told { Ok(()) } else { Err(Failed::Said(Exit::Unreported)) }
}

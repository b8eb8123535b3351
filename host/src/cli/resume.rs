//! `resume`: go on with a run that was cut off or stopped.

use super::agreement;
use super::arguments::{Common, Resume as Arguments};
use super::begin::{freezes, thaw};
use super::comment;
use super::conduct::{Conduct, Conducted, SoFar, exit_of, lease_taken, with_result};
use super::keeping::Wanted;
use super::live::revive;
use super::outputs;
use super::reap::{ended, quiet};
use super::session::{Asking, Known, Session};
use super::signals::{signals, unless_stopped};
use super::telling::{deployed_if_known, doubted, owner};
use super::{Failed, say, story};
use crate::event::{Event, RunOutcome, Subject, Verdict};
use crate::history::{self, PastRun, Turned};
use crate::lease::Lease;
use crate::plan::Plan;
use crate::prepare::{self, Probed, Resumed, Settled};
use crate::problem::{Code, Exit, Problem};
use crate::report::{self, Style};
use crate::run::{Options, step_planned};
use std::sync::Arc;
use std::time::Instant;

/// `windlass resume`
pub(super) async fn resume(common: &Common, arguments: &Arguments) -> Result<(), Failed> {
    let started = Instant::now();
    let reports = arguments.reports.directory();
    outputs::clear(reports);
    let mut session = with_result(common, reports, SoFar::default(), Session::open(common))?;
    let app = session.project.config.app.clone();
    session.project.fetch_all(common, Wanted::State).await;
    let past = history::find(&session.project.journals, &arguments.run).map_err(Failed::from);
    let past = with_result(common, reports, SoFar { app: app.as_str(), ..SoFar::default() }, past)?;
    session.project.config.instantiate(&past.subject.environment);
    let environment = past.subject.environment.clone();
    let exit = unless_stopped(go_on(common, arguments, &session, past, started)).await;
    let so_far = SoFar { app: app.as_str(), environment: Some(&environment), ..SoFar::default() };
    with_result(common, reports, so_far, exit)?.said()
}

async fn go_on(
    common: &Common,
    arguments: &Arguments,
    session: &Session,
    past: PastRun,
    started: Instant,
) -> Result<Exit, Failed> {
    let project = &session.project;
    project.keeping.must_agree(&past)?;
    history::may_go_on(&project.journals, &past)?;
    let environment = project.config.environment(Some(&past.subject.environment))?;
    if common.environment.as_deref().is_some_and(|name| name != past.subject.environment) {
        return Err(history::not_resumable(
            format!("run `{}` is not of environment `{}`", past.run, common.environment.as_deref().unwrap_or_default()),
            format!("it deploys to `{}`", past.subject.environment),
            "leave `--environment` out: the run says where it deploys to".into(),
        )
        .into());
    }
    agreement::holds(project, environment, &past)?;
    // Steps may have changed it themselves, so it is told and not held against the plan.
    if let Some(tree) = project.working_tree(&past.subject.commit, None)? {
        say(&report::not_the_commit(&past.subject.commit, &tree, Style::of_stderr()));
    }
    let now = project.subject(&arguments.subject, environment, past.subject.component.as_deref())?;
    // What is checked out is compared; what the release is called was decided when the run began.
    let subject = Subject { version: past.subject.version.clone(), ..now };
    let mut asking = Asking::again(session, subject)?;
    let known = asking.know().await?;
    let forge = project.forge()?;
    let owner = owner(project, environment, &forge)?;
    let conduct = Conduct {
        common,
        project,
        environment,
        subject: past.subject.clone(),
        forge,
        owner,
        redactor: known.services.redactor.clone(),
        cancellation: signals(),
        started,
        reports: arguments.reports.directory(),
    };
    // What a journal from elsewhere says may be anybody's word.
    let then = past.during_freeze.as_deref().filter(|_| !project.journals.was_fetched(&past.run));
    let during = arguments.during_freeze.as_deref().or(then);
    // What is being taken back is never frozen.
    let freezes = match &past.turned {
        None => Some(freezes(project, environment, &conduct.forge).await),
        Some(_) => None,
    };
    let thawed = || freezes.as_ref().map_or(Ok(None), |freezes| thaw(freezes, during));
    thawed()?;
    let lease = conduct.lease(|| past.run.clone()).await?;
    let conducted = match thawed() {
        Ok(overridden) => resume_under_lease(&conduct, arguments, &asking, known, &past.run, overridden, &lease).await,
        Err(problem) => Err(problem.into()),
    };
    conduct.leave(lease).await;
    story::ended(project, &past.run, &conduct.redactor);
    let (conducted, exit) = conducted?;
    comment::ended(&conduct, &conducted.run).await;
    conduct.report(&conducted, exit);
    Ok(exit)
}

/// What a person says of steps that were cut off.
fn settled(arguments: &Arguments) -> Result<Settled, Problem> {
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
    arguments: &Arguments,
    asking: &Asking<'_>,
    known: Known<'_>,
    run: &str,
    overridden: Option<Event>,
    lease: &Arc<Lease>,
) -> Result<(Conducted, Exit), Failed> {
    let project = conduct.project;
    let settled = settled(arguments)?;
    // As it is now: somebody may have gone on with it while the lease was waited for.
    project.fetch(&conduct.subject.place(), conduct.environment).await;
    let past = history::find(&project.journals, run)?;
    project.keeping.must_agree(&past)?;
    project.keeping.must_be_over(&past).await?;
    let (mut journal, past) = history::reopen(&project.journals, run)?;
    let past = past.ok_or_else(|| history::missing(run))?;
    history::may_go_on(&project.journals, &past)?;
    let elsewhere = conduct.is_shown_elsewhere(&past)?;
    let live = history::live(&project.journals, &past.subject.place())?.map(Arc::new);
    let facts = asking.facts(asking.holes_of(&past), live, Some(Arc::new(past.clone())));
    let config = &project.config;
    let Known { resolved, locked, services, .. } = known;
    let listener = &project.listener;
    let compared = prepare::resume(config, resolved, locked, facts, services, &settled);
    let mut resumed = conduct.unless_told(compared).await??;
    // Whatever comes of it, that something was ended is written down.
    let leftovers = quiet(&past).await?;
    if !leftovers.is_empty() {
        let text = format!("the run was cut off{}", ended(&leftovers));
        say(&format!("{text}\n"));
        journal.append(&Event::NoteAdded { text })?;
    }
    if let Err(problems) = conduct.unless_told(resumed.look(&settled, listener)).await? {
        // The run stays as it is, and its journal says what was asked, what that used, and why it is of no help.
        let unknown = resumed.probed.into_iter().filter(|probed| probed.verdict == Verdict::Unknown);
        unknown.map(step_probed).try_for_each(|event| journal.append(&event))?;
        return Err(problems.into());
    }
    if past.approved {
        prepare::plan_of(&past)?.must_cover(&resumed.planned, &past.run)?;
    }
    resumed.prepared.has_secrets()?;
    say(&told_of(&past, &resumed));
    let recorder = conduct.recorder(journal, lease);
    let is_shown = past.has_deployment() || past.may_have_deployment();
    let Resumed { mut prepared, probed, planned } = resumed;
    let resumed = Event::RunResumed {
        windlass: env!("CARGO_PKG_VERSION").to_owned(),
        actor: project.actor(),
        process: std::process::id(),
        job: project.facts.job.clone(),
        forge: (!is_shown).then(|| conduct.forge.name().to_owned()),
    };
    let mut events = vec![resumed, lease_taken(lease)];
    events.extend(doubted(&past, elsewhere));
    events.extend(overridden);
    events.extend(probed.into_iter().map(step_probed));
    events.extend(planned.iter().map(step_planned));
    recorder.record_all(&events)?;
    recorder.keep().await;
    prepared.facts.begun = Some(Arc::new(history::find(&project.journals, run)?));
    // What another job made by itself that job has ended.
    let created = deployed_if_known(project, &conduct.forge, &past).await;
    let created = match created.filter(|created| !created.adopted) {
        Some(created) => Some(created),
        // It was cut off before the forge knew of it, or before it could write down that it does.
        None => conduct.announce(&recorder, run, &past.plan, past.begun()).await?,
    };
    let others_follow = history::others_follow(&project.journals, &past)?;
    let options = Options { others_follow, force: past.force, ..conduct.options() };
    let (conducted, told) = conduct.go(prepared, &options, run, recorder, created).await;
    if let (Some(Turned::Asked { to: Some(to), .. }), RunOutcome::RolledBack) = (&past.turned, conducted.result.outcome)
        && let Ok(to) = history::find(&project.journals, to)
    {
        revive(conduct, &to).await;
    }
    let exit = exit_of(&conducted.result, told && !elsewhere);
    if past.approved && conducted.result.outcome == RunOutcome::Succeeded {
        agreement::settle(project, &past.plan);
    }
    Ok((conducted, exit))
}

/// What became of a step that was cut off, for the journal.
fn step_probed(probed: Probed) -> Event {
    let Probed { step, attempt, verdict, by, cause, usages } = probed;
    Event::StepProbed { step, attempt, verdict, by, cause, usages }
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
        if past.force {
            text.push_str("the run was begun with `--force`: steps that have nothing to do are run, too\n");
        }
    }
    text
}

//! `check`, `lock`, `plan` and `run`.

use super::agreement::{self, Asked};
use super::approvals::says_who;
use super::arguments::{self, Common, Format, Lock as LockArguments, Plan as PlanArguments, Run as RunArguments};
use super::begin::{freezes, order, say_gate, thaw, unmet};
use super::comment;
use super::conduct::{Conduct, Conducted, SoFar, exit_of, lease_taken, not_begun, with_result};
use super::outputs;
use super::project::{Project, directory};
use super::reap::close_all;
use super::session::{Asking, Session};
use super::signals::{signals, unless_stopped};
use super::telling::owner;
use super::{Failed, print, print_json, say, story, suggest};
use crate::ci;
use crate::event::{Event, RunOutcome, StepEntry, Subject};
use crate::files::{rewrite, write_whole};
use crate::forge::{Forge, Frozen};
use crate::gate::{self, Freezes};
use crate::history;
use crate::journal::Journal;
use crate::lease::{self, Lease, Standing};
use crate::lock::{self, Lock};
use crate::plan::{Plan, PlanFile};
use crate::policy::visible;
use crate::prepare::{self, Prepared};
use crate::problem::{Code, Exit, Problem};
use crate::report::{self, RunReport, Style};
use crate::run::Options;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// `windlass check`
pub(super) async fn check(common: &Common) -> Result<(), Failed> {
    let session = Session::open(common)?;
    let wanted = session.wanted(true).await?;
    let changes = session.lock.clone().unwrap_or_else(|| Lock::new(BTreeMap::new())).changes_to(&wanted);
    let config = &session.project.config;
    let steps = config.steps.len() + config.finally.len();
    say(&format!("{}: {steps} steps in {} environments are right\n", config.file(), config.environments.len()));
    session.project.keeping.say_what().await;
    let forge = session.project.forge();
    for environment in config.environments.iter().filter(|environment| environment.pattern.is_none()) {
        let freezes = Freezes::of(config, environment, Frozen::default());
        // Where it is not known what would be deployed, nobody knows whether it comes after something.
        let nothing = arguments::Subject { release_version: None, commit: None };
        let subject = session.project.subject(&nothing, environment, common.component.as_deref()).ok();
        let mut unmet = unmet(&session.project, environment, subject.as_ref(), &forge, &freezes).await;
        let demanded = environment.approval.as_ref().map(|rule| gate::demanded(rule, environment.name.as_str()));
        unmet.extend(demanded);
        say_gate(environment, &unmet, &freezes);
    }
    if changes.is_empty() {
        say(&format!("{}: accepts all that they ask for\n", lock::FILE));
        return Ok(());
    }
    print(&lock::render(&changes));
    match session.lock {
        Some(_) => Err(differs().into()),
        None => Err(prepare::lock_missing().into()),
    }
}

fn differs() -> Problem {
    Problem::new(Code::LockDiffers, format!("`{}` is not what `deploy.toml` asks for now", lock::FILE))
        .with_note("nothing was run")
        .with_hint("run `windlass lock`, commit the file and have the difference reviewed")
}

/// `windlass lock`
pub(super) async fn lock(common: &Common, arguments: &LockArguments) -> Result<(), Failed> {
    let project = Project::load(common)?;
    if let Some(reference) = &arguments.against {
        return against(common, &project, reference);
    }
    // A lock that cannot be read is an error for whoever checks it, and replaced by whoever writes it.
    let old = match Lock::load(&project.directory) {
        Ok(lock) => lock,
        Err(problem) if arguments.check => return Err(problem.into()),
        Err(problem) => {
            report::tell(&[problem]);
            None
        }
    };
    let plugins = project.plugins();
    let session = Session { project, plugins, lock: old };
    let wanted = session.wanted(arguments.check).await?;
    let old = session.lock.clone().unwrap_or_else(|| Lock::new(BTreeMap::new()));
    let changes = old.changes_to(&wanted);
    let path = session.project.directory.join(lock::FILE);
    let text = wanted.to_text()?;
    if changes.is_empty() && session.lock.is_some() {
        say(&format!("{} accepts all that is asked for, and nothing else\n", lock::FILE));
        if common.format == Format::Json {
            print_json(&json!({ "changes": changes }));
        }
        // The same lines in another order or with other spaces are put in order, so that the next difference is readable.
        if arguments.check || std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
    } else {
        match common.format {
            Format::Json => print_json(&json!({ "changes": changes })),
            Format::Human if arguments.check => print(&lock::table(&changes)),
            Format::Human => print(&lock::render(&changes)),
        }
    }
    if arguments.check {
        return Err(differs().into());
    }
    rewrite(&path, text.as_bytes()).map_err(|error| {
        Problem::new(Code::Usage, format!("`{}` cannot be written", path.display()))
            .because(error)
            .with_hint("mend the permissions")
    })?;
    for (plugin, digest) in wanted.pins() {
        say(&format!("pinned {plugin}: sha256 {digest}\n"));
    }
    say(&format!("wrote {}: commit it, and have the difference reviewed\n", path.display()));
    Ok(())
}

/// What the lock accepts more and less than it did at a commit.
fn against(common: &Common, project: &Project, reference: &str) -> Result<(), Failed> {
    let nothing = || Lock::new(BTreeMap::new());
    let now = Lock::load(&project.directory)?.unwrap_or_else(nothing);
    let then = ci::file_at(&project.directory, reference, lock::FILE)?;
    let then = then.map_or_else(|| Ok(nothing()), |text| Lock::parse(&text))?;
    let changes = then.changes_to(&now);
    match common.format {
        Format::Json => print_json(&json!({ "changes": changes })),
        Format::Human if changes.is_empty() => {
            say(&format!("{} accepts what it did at `{}`\n", lock::FILE, visible(reference)));
        }
        Format::Human => print(&lock::table(&changes)),
    }
    Ok(())
}

/// `windlass plan`
pub(super) async fn plan(common: &Common, arguments: &PlanArguments) -> Result<(), Failed> {
    let reports = arguments.reports.directory();
    outputs::clear(reports);
    let (result, url) = match show_plan(common, arguments).await {
        Ok((result, url)) => (Ok(result), url),
        Err(failed) => (Err(failed), None),
    };
    let not_begun = result.as_ref().err().map(|failed| not_begun(common, SoFar::default(), failed));
    let report = not_begun.as_ref().or(result.as_ref().ok());
    if let Some(report) = report {
        let failed = result.as_ref().err();
        outputs::hand_on(&directory(&common.config), reports, report, url.as_deref(), failed);
    }
    result.map(drop)
}

/// The plan, shown and kept; and where what is planned will be seen.
async fn show_plan(common: &Common, arguments: &PlanArguments) -> Result<(RunReport, Option<String>), Failed> {
    let session = Session::open(common)?;
    let mut asking = Asking::new(&session, common, &arguments.subject, arguments.output.as_deref())?;
    session.project.fetch(&asking.subject.place(), asking.environment).await;
    let prepared = asking.prepare().await?;
    let origin = if arguments.output.is_some() || common.format == Format::Json {
        agreement::origin(&session.project, asking.environment).await
    } else {
        None
    };
    let file = PlanFile::new(prepared.plan.clone(), origin).to_json();
    let project = &session.project;
    let forge = project.forge();
    // Whether there is a forge to deploy with is no question of a plan.
    let there = forge.as_deref().unwrap_or(&Forge::Local);
    let freezes = freezes(project, asking.environment, there).await;
    let mut unmet = unmet(project, asking.environment, Some(&asking.subject), &forge, &freezes).await;
    unmet.extend(agreement::outlook(Asked {
        project,
        environment: asking.environment,
        forge: there,
        subject: &asking.subject,
        plan: &prepared.plan,
        file: None,
    }));
    if let Some(path) = &arguments.output {
        let text = serde_json::to_string_pretty(&file).unwrap_or_default() + "\n";
        write_whole(path, text.as_bytes()).map_err(|error| {
            Problem::new(Code::Usage, format!("the plan cannot be written to `{}`", path.display()))
                .because(error)
                .with_note("nothing was run")
        })?;
    }
    match common.format {
        Format::Human => print(&report::plan(&prepared.plan, arguments.full, Style::of_stdout())),
        Format::Json => {
            // How things stand now: that is not kept with the plan.
            let gate = unmet.iter().map(|it| json!({ "code": it.code.word(), "what": it.what, "causes": it.causes }));
            let mut shown = file;
            shown["gate"] = gate.collect();
            print_json(&shown);
        }
    }
    say_gate(asking.environment, &unmet, &freezes);
    comment::planned(&asking, there, &prepared).await;
    story::planned(&session.project, &prepared.plan, &prepared.services.redactor);
    Ok((planned(&asking.subject, &prepared), asking.environment.url.clone()))
}

/// What is told of a plan that is not run.
fn planned(subject: &Subject, prepared: &Prepared) -> RunReport {
    RunReport {
        app: subject.app.clone(),
        environment: subject.environment.clone(),
        component: subject.component.clone(),
        plan: prepared.plan.digest(),
        steps: RunReport::steps_of_plan(prepared),
        ..RunReport::not_begun(RunOutcome::Succeeded)
    }
}

/// `windlass run`
pub(super) async fn run(common: &Common, arguments: &RunArguments) -> Result<(), Failed> {
    let started = Instant::now();
    let reports = arguments.reports.directory();
    outputs::clear(reports);
    let mut session = with_result(common, reports, SoFar::default(), Session::open(common))?;
    if let Some(by) = &arguments.by {
        session.project.facts.actor = Some(by.clone());
    }
    let app = session.project.config.app.as_str();
    let asking = Asking::new(&session, common, &arguments.subject, arguments.plan.as_deref());
    let so_far = SoFar { app, ..SoFar::default() };
    let mut asking = with_result(common, reports, so_far, asking)?;
    let exit = unless_stopped(deploy(common, arguments, &session, &mut asking, started)).await;
    let environment = Some(asking.environment.name.as_str());
    with_result(common, reports, SoFar { environment, plan: &asking.plan, run: &asking.run, ..so_far }, exit)?.said()
}

async fn deploy(
    common: &Common,
    arguments: &RunArguments,
    session: &Session,
    asking: &mut Asking<'_>,
    started: Instant,
) -> Result<Exit, Failed> {
    let style = Style::of_stderr();
    let project = &session.project;
    if arguments.suggest {
        suggest::only_here(&*project.forge()?)?;
    }
    let file = arguments.plan.as_deref().map(read_plan).transpose()?;
    if let Some(file) = &file {
        file.must_be_of(project.facts.run.as_ref())?;
    }
    let place = asking.subject.place();
    project.fetch(&place, asking.environment).await;
    let before = lease::standing(&*project.leases, &place).await;
    let prepared = asking.prepare().await?;
    prepared.has_secrets()?;
    if let Some(file) = &file {
        prepared.plan.must_be(&file.plan)?;
    }
    let forge = project.forge()?;
    says_who(arguments.by.as_deref(), &forge)?;
    let owner = owner(project, asking.environment, &forge)?;
    say(&report::plan(&prepared.plan, false, style));
    let conduct = Conduct {
        common,
        project,
        environment: asking.environment,
        subject: asking.subject.clone(),
        forge,
        owner,
        redactor: prepared.services.redactor.clone(),
        cancellation: signals(),
        started,
        reports: arguments.reports.directory(),
    };
    order(project, asking.environment, &asking.subject, &conduct.forge).await?;
    let freezes = freezes(project, asking.environment, &conduct.forge).await;
    thaw(&freezes, arguments.during_freeze.as_deref())?;
    if arguments.force && asking.environment.approval.is_some() {
        return Err(Problem::new(Code::Usage, "`--force` does more than anybody agreed to")
            .because(format!(
                "environment `{}` demands an approval, and a plan does not say what `--force` adds",
                place.environment
            ))
            .with_note("nothing was run")
            .with_hint("leave `--force` out")
            .into());
    }
    let asked = conduct.asked(&prepared.plan, file.as_ref());
    if !arguments.dry_run {
        agreement::ask(asked)?;
    }
    let agreed = agreement::demand(asked).await?;
    // What was agreed to is this plan and no other, also where it is made again once the lease is there.
    let file = file.or_else(|| agreed.is_some().then(|| PlanFile::new(prepared.plan.clone(), None)));
    if arguments.dry_run {
        say("\nnothing was run\n");
        story::planned(project, &prepared.plan, &conduct.redactor);
        conduct.hand_on(&planned(&asking.subject, &prepared));
        return Ok(Exit::Succeeded);
    }
    let lease = conduct.lease(|| history::next_id(&project.journals)).await?;
    let begin = Begin { file: file.as_ref(), before, freezes };
    let conducted = under_lease(&conduct, arguments, asking, prepared, begin, &lease).await;
    let run = lease.run().to_owned();
    conduct.leave(lease).await;
    story::ended(project, &run, &conduct.redactor);
    if arguments.suggest {
        suggest::lines(project, &run, &conduct.redactor, common.format);
    }
    let (conducted, exit) = conducted?;
    comment::ended(&conduct, &conducted.run).await;
    conduct.report(&conducted, exit);
    Ok(exit)
}

/// What was known before the lease was there.
struct Begin<'a> {
    /// The plan that was passed: this and no other may be run.
    file: Option<&'a PlanFile>,
    /// How the lease stood when the plan was made.
    before: Result<Standing, Problem>,
    /// What may have begun while the lease was waited for.
    freezes: Freezes<'a>,
}

/// The run itself, while nobody else deploys here.
async fn under_lease(
    conduct: &Conduct<'_>,
    arguments: &RunArguments,
    asking: &mut Asking<'_>,
    mut prepared: Prepared,
    begin: Begin<'_>,
    lease: &Arc<Lease>,
) -> Result<(Conducted, Exit), Failed> {
    let Begin { file, before, freezes } = begin;
    let style = Style::of_stderr();
    let project = conduct.project;
    let run = lease.run();
    // Nobody was at work since our plan was made exactly if nobody held the lease then, and nobody took it before us.
    let alone = matches!(before, Ok(Standing::Free { number, .. }) if number + 1 == lease.number());
    if !alone {
        project.fetch(&conduct.subject.place(), conduct.environment).await;
    }
    let place = conduct.subject.place();
    let dead = conduct.unless_told(close_all(project, &conduct.forge, &place, run)).await??;
    // Otherwise what was planned may be done already, or no longer do.
    let why = match dead.as_slice() {
        [] if alone => None,
        [] => Some("another run came first"),
        _ => Some("a run before this one was cut off"),
    };
    if let Some(why) = why {
        say(&format!("\n{why}, so this one is planned again\n"));
        prepared = conduct.unless_told(asking.prepare()).await??;
        prepared.has_secrets()?;
        if let Some(file) = file {
            prepared.plan.must_be(&file.plan)?;
        }
        order(project, conduct.environment, &conduct.subject, &conduct.forge).await?;
        say(&report::plan(&prepared.plan, false, style));
    }
    let overridden = thaw(&freezes, arguments.during_freeze.as_deref())?;
    // As it is now: while the lease was waited for, somebody may have said no, or another run may have used it up.
    let agreed = agreement::demand(conduct.asked(&prepared.plan, file)).await?;
    let is_agreed = agreed.is_some();
    say(&format!("\n{}", report::announce(&conduct.subject, run, style)));
    let journal = Journal::create(&project.journals, run)?;
    run.clone_into(&mut asking.run);
    let recorder = conduct.recorder(journal, lease);
    let plan = prepared.plan.digest();
    let mut events = vec![
        run_started(conduct, run, &plan, &prepared),
        Event::RunPlanned {
            plan: (&PlanFile::new(prepared.plan.clone(), None).to_json()).into(),
            variables: prepared.facts.holes.variables.clone(),
            force: arguments.force,
        },
        lease_taken(lease),
    ];
    events.extend(overridden);
    events.extend(agreed.map(|by| Event::RunApproved { by }));
    recorder.record_all(&events)?;
    for closed in &dead {
        recorder.note(&closed.told())?;
    }
    recorder.keep().await;
    let created = conduct.announce(&recorder, run, &plan, None).await?;
    let options = Options { force: arguments.force, ..conduct.options() };
    let (conducted, told) = conduct.go(prepared, &options, run, recorder, created).await;
    let exit = exit_of(&conducted.result, told);
    if is_agreed && conducted.result.outcome == RunOutcome::Succeeded {
        agreement::settle(project, &plan);
    }
    if exit != Exit::Succeeded
        && let Some(closed) = dead.iter().find(|closed| closed.past.left().next().is_some())
    {
        say(&format!(
            "\nnote: what run {} did before it was cut off is still there: `windlass rollback {}` takes it back\n",
            closed.past.run,
            closed.past.subject.place().options()
        ));
    }
    Ok((conducted, exit))
}

impl Conduct<'_> {
    /// That this plan is to be run, which `file` may have been made for.
    fn asked<'a>(&'a self, plan: &'a Plan, file: Option<&'a PlanFile>) -> Asked<'a> {
        let Self { project, environment, forge, subject, .. } = self;
        Asked { project, environment, forge, subject, plan, file }
    }
}

fn run_started(conduct: &Conduct<'_>, run: &str, plan: &str, prepared: &Prepared) -> Event {
    let entry = |step: &prepare::PreparedStep| StepEntry {
        id: step.step.id.as_str().to_owned(),
        plugin: step.plugin.locked_name(),
        finally: step.step.is_finally,
    };
    Event::RunStarted {
        schema: crate::event::SCHEMA.to_owned(),
        windlass: env!("CARGO_PKG_VERSION").to_owned(),
        run: run.to_owned(),
        subject: Box::new(conduct.subject.clone()),
        plan: plan.to_owned(),
        forge: conduct.forge.name().to_owned(),
        steps: prepared.steps.iter().chain(&prepared.finally).map(entry).collect(),
        process: std::process::id(),
        job: conduct.project.facts.job.clone(),
        url: conduct.environment.url.clone(),
    }
}

/// A plan that can be run, from a file.
pub(super) fn read_plan(path: &Path) -> Result<PlanFile, Problem> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Problem::new(Code::PlanInvalid, format!("`{name}` cannot be read"))
            .because(error)
            .with_note("nothing was run")
            .with_hint("make one with `windlass plan -o FILE`")
    })?;
    let file = PlanFile::read(&name, &text)?;
    if file.incomplete {
        return Err(Problem::new(Code::PlanInvalid, format!("the plan in `{name}` is incomplete"))
            .because("something in it could not be found out, so nobody can have agreed to it")
            .with_note("nothing was run")
            .with_hint("plan again where everything can be reached, for example with the database's secret"));
    }
    Ok(file)
}

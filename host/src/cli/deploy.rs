//! `check`, `lock`, `plan` and `run`.

use super::arguments::{
    Common, Format, Lock as LockArguments, LogLevel, Plan as PlanArguments, Run as RunArguments, Subject as Asked,
};
use super::project::Project;
use super::{Failed, print, say};
use crate::config::{DeploymentOwner, Environment, OnCancel, Selection};
use crate::event::{Event, Level, Listener, RunOutcome, StepEntry, StepOutcome, Subject};
use crate::forge::{Announcement, Created, Forge, State};
use crate::journal::Journal;
use crate::lock::{self, Lock};
use crate::plan::Plan;
use crate::plugin::{Plugins, Services};
use crate::prepare::{self, Facts, Prepared};
use crate::problem::{Code, Exit, Problem};
use crate::report::{self, Console, DeploymentResult, RESULT_SCHEMA, RunReport, Style};
use crate::run::{Options, Recorder, RunResult};
use crate::secret::Secrets;
use crate::{ci, config, gate, history};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// The variable that holds the job's token for GitHub.
const GITHUB_TOKEN: &str = "GITHUB_TOKEN";

fn level(common: &Common) -> Level {
    match common.log {
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
    }
}

/// Leave the compilation for the next run to a process of its own: this one does not wait for it.
fn fill_cache(plugins: &Plugins) {
    let missed = plugins.take_missed();
    if missed.is_empty() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut command = std::process::Command::new(program);
    command.arg("__fill-cache").args(missed);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    // In a group of its own, so that a signal to this run does not cut it short.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let _ = command.spawn();
}

/// A project with its lock and plugins.
struct Session {
    project: Project,
    plugins: Plugins,
    lock: Option<Lock>,
}

impl Session {
    fn open(common: &Common) -> Result<Self, Failed> {
        crate::config::WithSchema::prepare();
        let project = Project::load(common)?;
        let lock = Lock::load(&project.directory)?;
        Ok(Self { project, plugins: Plugins::default(), lock })
    }

    /// Everything that is asked for, in every environment.
    async fn wanted(&self) -> Result<Lock, Failed> {
        let mut environments = BTreeMap::new();
        let mut problems: Vec<Problem> = Vec::new();
        for environment in &self.project.config.environments {
            match prepare::wanted(&self.project.config, &self.project.directory, &self.plugins, environment).await {
                Ok(steps) => drop(environments.insert(environment.name.as_str().to_owned(), steps)),
                // The same mistake in every environment is one mistake.
                Err(found) => {
                    problems.extend(found.into_iter().filter(|problem| !problems.contains(problem)).collect::<Vec<_>>())
                }
            }
        }
        fill_cache(&self.plugins);
        if problems.is_empty() { Ok(Lock::new(environments)) } else { Err(problems.into()) }
    }
}

/// `windlass check`
pub(super) async fn check(common: &Common) -> Result<(), Failed> {
    let session = Session::open(common)?;
    let wanted = session.wanted().await?;
    let changes = session.lock.clone().unwrap_or_else(|| Lock::new(BTreeMap::new())).changes_to(&wanted);
    let config = &session.project.config;
    let steps = config.steps.len() + config.finally.len();
    say(&format!("{}: {steps} steps in {} environments are right\n", config.file(), config.environments.len()));
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
    // A lock that cannot be read is an error for whoever checks it, and replaced by whoever writes it.
    let old = match Lock::load(&project.directory) {
        Ok(lock) => lock,
        Err(problem) if arguments.check => return Err(problem.into()),
        Err(problem) => {
            say(&report::problem(&problem, Style::of_stderr()));
            None
        }
    };
    let session = Session { project, plugins: Plugins::default(), lock: old };
    let wanted = session.wanted().await?;
    let old = session.lock.clone().unwrap_or_else(|| Lock::new(BTreeMap::new()));
    let changes = old.changes_to(&wanted);
    let path = session.project.directory.join(lock::FILE);
    let text = wanted.to_text()?;
    if changes.is_empty() && session.lock.is_some() {
        say(&format!("{} accepts all that is asked for, and nothing else\n", lock::FILE));
        // The same lines in another order or with other spaces are put in order, so that the next difference is readable.
        if arguments.check || std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
    } else {
        print(&lock::render(&changes));
    }
    if arguments.check {
        return Err(differs().into());
    }
    write_whole(&path, text.as_bytes()).map_err(|error| {
        Problem::new(Code::Usage, format!("`{}` cannot be written", path.display()))
            .because(error)
            .with_hint("mend the permissions")
    })?;
    say(&format!("wrote {}: commit it, and have the difference reviewed\n", path.display()));
    Ok(())
}

/// A file is there with all of its text or as it was before.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension(format!("{:08x}.tmp", getrandom::u32().unwrap_or_default()));
    let written = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Everything that is known about one deployment before it is planned.
struct Asking<'a> {
    session: &'a Session,
    environment: &'a Environment,
    selection: Selection,
    subject: Subject,
    secrets: Secrets,
}

/// Outside CI the working tree is deployed, under the name of the commit that it began as.
fn say_what_changed(project: &Path, commit: &str) {
    let changed = ci::changed_files(project);
    let Some(first) = changed.first() else { return };
    let more = if changed.len() > 1 { format!(" and {} more", changed.len() - 1) } else { String::new() };
    say(&format!(
        "warning: what is deployed is not commit {}: `{first}`{more} changed since\n",
        crate::words::short(commit)
    ));
}

impl<'a> Asking<'a> {
    fn new(session: &'a Session, common: &Common, asked: &Asked) -> Result<Self, Failed> {
        let project = &session.project;
        let environment = project.config.environment(common.environment.as_deref())?;
        let component = common.component.as_deref();
        let selection = project.config.steps_for(environment, component)?;
        let subject = project.subject(asked, environment, component)?;
        if asked.commit.is_none() && project.facts.commit.is_none() {
            say_what_changed(&project.directory, &subject.commit);
        }
        Ok(Self { session, environment, selection, subject, secrets: Secrets::default() })
    }

    async fn prepare(&mut self, listener: &Arc<dyn Listener>) -> Result<Prepared, Failed> {
        let project = &self.session.project;
        // A mistake in the config is the config's, whatever the lock says; but no file is looked into that the lock refuses.
        let name = self.environment.name.as_str();
        let accepted = self.session.lock.as_ref().and_then(|lock| lock.environments.get(name));
        let accepted = accepted.map(|steps| (self.environment, steps));
        let resolved =
            prepare::resolve(&project.config, &project.directory, &self.session.plugins, &self.selection, accepted)
                .await;
        fill_cache(&self.session.plugins);
        let resolved = resolved?;
        let locked = prepare::locked_steps(self.session.lock.as_ref(), self.environment)?;
        let mut names = prepare::secret_names(locked, &self.selection);
        names.insert(GITHUB_TOKEN.to_owned());
        let lookup = |name: &str| project.variables.get(name).map(str::to_owned);
        self.secrets = Secrets::from_environment(names.iter().cloned(), lookup);
        for name in self.secrets.too_short() {
            say(&format!("warning: the secret `{name}` is so short that it cannot be kept out of all texts\n"));
        }
        let holes = prepare::holes(&project.config, &self.subject, &names, &self.secrets, lookup)?;
        let live = history::live(
            &project.directory,
            &self.subject.app,
            &self.subject.environment,
            self.subject.component.as_deref(),
        )?;
        let facts = Facts {
            subject: self.subject.clone(),
            url: self.environment.url.clone(),
            log_url: project.facts.log_url.clone(),
            live,
            holes,
        };
        let services = Arc::new(Services {
            project: project.directory.clone(),
            secrets: self.secrets.clone(),
            redactor: self.secrets.redactor(),
            environment: project.variables.without(&names),
            client: crate::network::Client::new(None),
        });
        Ok(prepare::prepare(&project.config, resolved, locked, facts, services, listener).await?)
    }
}

/// `windlass plan`
pub(super) async fn plan(common: &Common, arguments: &PlanArguments) -> Result<(), Failed> {
    let session = Session::open(common)?;
    let mut asking = Asking::new(&session, common, &arguments.subject)?;
    let listener: Arc<dyn Listener> = Arc::new(Console::new(Style::of_stderr(), level(common)));
    let prepared = asking.prepare(&listener).await?;
    let file = prepared.plan.to_file();
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
        Format::Json => print(&format!("{file}\n")),
    }
    Ok(())
}

/// A run's id: its time, so that ids sort like runs, and enough at random to be its own.
fn run_id() -> String {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ").to_string();
    let random = getrandom::u32().unwrap_or_else(|_| std::process::id());
    format!("{now}-{:06x}", random & 0x00ff_ffff)
}

/// `windlass run`
pub(super) async fn run(common: &Common, arguments: &RunArguments) -> Result<(), Failed> {
    let started = Instant::now();
    let session = Session::open(common).inspect_err(|failed| refuse(common, "", None, failed))?;
    let mut asking = Asking::new(&session, common, &arguments.subject)
        .inspect_err(|failed| refuse(common, session.project.config.app.as_str(), None, failed))?;
    match deploy(common, arguments, &session, &mut asking, started).await {
        Ok(Exit::Succeeded) => Ok(()),
        Ok(exit) => Err(Failed::Said(exit)),
        Err(failed) => {
            refuse(common, &asking.subject.app, Some(asking.environment), &failed);
            Err(failed)
        }
    }
}

/// A program that reads the result gets one, also where nothing was begun.
fn refuse(common: &Common, app: &str, environment: Option<&Environment>, failed: &Failed) {
    if common.format != Format::Json {
        return;
    }
    let reason = match failed {
        Failed::Problems(problems) => problems.first().map(|problem| problem.code.word().to_owned()),
        Failed::Said(_) => None,
    };
    let named = environment.map(|environment| environment.name.as_str()).or(common.environment.as_deref());
    print_result(&RunReport {
        app: app.to_owned(),
        environment: named.unwrap_or_default().to_owned(),
        component: common.component.clone(),
        reason,
        ..RunReport::not_begun(RunOutcome::Blocked)
    });
}

fn print_result(result: &RunReport) {
    if let Ok(text) = serde_json::to_string(result) {
        print(&format!("{text}\n"));
    }
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
    let listener: Arc<dyn Listener> = Arc::new(Console::new(style, level(common)));
    let approved = arguments.plan.as_deref().map(read_plan).transpose()?;
    let mark = history::mark(&project.directory);
    let mut prepared = asking.prepare(&listener).await?;
    prepared.has_secrets()?;
    if let Some(approved) = &approved {
        prepared.plan.must_be(approved)?;
    }
    let token = asking.secrets.get(GITHUB_TOKEN);
    let forge = Forge::choose(common.forge, &project.facts, token)?;
    if asking.environment.deployment == Some(DeploymentOwner::Adopt) && matches!(forge, Forge::GitHub(_)) {
        return Err(Problem::new(Code::NotAvailable, "this version of Windlass cannot adopt the job's own deployment")
            .because("it would create a second one beside it")
            .with_note("nothing was run")
            .with_hint("write `deployment = \"own\"`, and take `environment:` out of the job")
            .at(project.config.place_of_environment(asking.environment, "deployment"))
            .into());
    }
    say(&report::plan(&prepared.plan, false, style));
    let component = common.component.as_deref();
    gate::approval(&project.config, asking.environment)?;
    gate::order(&project.directory, &project.config, asking.environment, component, &asking.subject.commit)?;
    if arguments.dry_run {
        say("\nnothing was run\n");
        if common.format == Format::Json {
            print_result(&RunReport {
                app: asking.subject.app.clone(),
                environment: asking.subject.environment.clone(),
                component: asking.subject.component.clone(),
                plan: prepared.plan.digest(),
                steps: RunReport::steps_of_plan(&prepared),
                ..RunReport::not_begun(RunOutcome::Succeeded)
            });
        }
        return Ok(Exit::Succeeded);
    }
    let run = run_id();
    let _lease = gate::lease(&project.directory, &project.config, asking.environment, component, &run).await?;
    if history::mark(&project.directory) != mark {
        // Somebody deployed between our plan and our lease: what was planned may be done already, or no longer do.
        say("\nanother run came first, so this one is planned again\n");
        prepared = asking.prepare(&listener).await?;
        prepared.has_secrets()?;
        if let Some(approved) = &approved {
            prepared.plan.must_be(approved)?;
        }
        gate::order(&project.directory, &project.config, asking.environment, component, &asking.subject.commit)?;
        say(&report::plan(&prepared.plan, false, style));
    }
    say(&format!("\n{}", report::announce(&asking.subject, &run, style)));
    let subject = &asking.subject;
    let cut_off = history::unfinished(&project.directory, &subject.app, &subject.environment, component)?;
    let journal = Journal::create(&history::runs_directory(&project.directory).join(&run))?;
    let recorder = Arc::new(Recorder::new(journal, listener, prepared.services.redactor.clone()));
    let plan = prepared.plan.digest();
    recorder.record(&run_started(&run, &asking.subject, &plan, forge.name(), &prepared))?;
    if let Some(past) = cut_off {
        let unknown = past.steps.iter().filter(|(_, _, outcome)| *outcome == StepOutcome::Unknown);
        let unknown: Vec<&str> = unknown.map(|(id, ..)| id.as_str()).collect();
        let steps = match unknown.as_slice() {
            [] => String::new(),
            ids => format!(", and nobody knows what became of {}", config::listing(ids, "and")),
        };
        recorder.note(&format!("run `{}` before this one was cut off{steps}", past.run))?;
    }
    let announcement = Announcement {
        subject: asking.subject.clone(),
        run: run.clone(),
        plan: plan.clone(),
        key: project.facts.key.clone(),
        environment_url: asking.environment.url.clone(),
        log_url: project.facts.log_url.clone(),
    };
    let cancellation = signals();
    let created = match forge.create(&announcement).await {
        Ok(created) => created,
        Err(problem) => {
            let reason = Some(problem.code.word().to_owned());
            recorder.record(&Event::RunFinished {
                outcome: RunOutcome::Blocked,
                reason,
                changed: false,
                duration_ms: 0,
            })?;
            return Err(problem.into());
        }
    };
    if let Some(Created { id, url }) = &created {
        recorder.record(&Event::DeploymentCreated { id: id.clone(), url: url.clone() })?;
    }
    let in_ci = project.facts.kind != ci::Kind::None;
    let options = Options {
        force: arguments.force,
        on_cancel: project.config.on_cancel.unwrap_or(if in_ci { OnCancel::Stop } else { OnCancel::Rollback }),
        timeout: project.config.timeout.as_ref().map(crate::config::Duration::get),
    };
    let result = crate::run::run(prepared, &options, &run, recorder.clone(), cancellation).await;
    if let Some(problem) = result.problem.as_ref().filter(|problem| problem.code == Code::JournalUnwritable) {
        say(&format!("\n{}", report::problem(problem, style)));
    }
    let told = tell(&forge, created.as_ref(), &announcement, state_of(&result), &description(&result)).await;
    let exit = exit_of(&result, told);
    let report = RunReport {
        schema: RESULT_SCHEMA,
        run: run.clone(),
        app: asking.subject.app.clone(),
        environment: asking.subject.environment.clone(),
        component: asking.subject.component.clone(),
        outcome: result.outcome,
        reason: if exit == Exit::Unreported { Some(Code::ForgeUnreported) } else { result.reason }
            .map(|code| code.word().to_owned()),
        plan,
        deployment: DeploymentResult {
            forge: forge.name().to_owned(),
            id: Some(created.as_ref().map_or_else(|| run.clone(), |created| created.id.clone())),
            url: created.and_then(|created| created.url),
        },
        steps: RunReport::steps_of(&result),
    };
    say(&report::verdict(&asking.subject, &result, exit, asking.environment.url.as_deref(), started.elapsed(), style));
    if common.format == Format::Json {
        print_result(&report);
    }
    Ok(exit)
}

fn run_started(run: &str, subject: &Subject, plan: &str, forge: &str, prepared: &Prepared) -> Event {
    let entry = |step: &prepare::PreparedStep| StepEntry {
        id: step.step.id.as_str().to_owned(),
        plugin: step.plugin.locked_name(),
        finally: step.step.is_finally,
    };
    Event::RunStarted {
        schema: crate::event::SCHEMA.to_owned(),
        windlass: env!("CARGO_PKG_VERSION").to_owned(),
        run: run.to_owned(),
        subject: subject.clone(),
        plan: plan.to_owned(),
        forge: forge.to_owned(),
        steps: prepared.steps.iter().chain(&prepared.finally).map(entry).collect(),
        process: std::process::id(),
    }
}

fn read_plan(path: &Path) -> Result<Plan, Problem> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Problem::new(Code::PlanInvalid, format!("`{name}` cannot be read"))
            .because(error)
            .with_note("nothing was run")
            .with_hint("make one with `windlass plan -o FILE`")
    })?;
    let plan = Plan::from_file(&name, &text)?;
    if plan.is_incomplete() {
        return Err(Problem::new(Code::PlanInvalid, format!("the plan in `{name}` is incomplete"))
            .because("something in it could not be found out, so nobody can have agreed to it")
            .with_note("nothing was run")
            .with_hint("plan again where everything can be reached, for example with the database's secret"));
    }
    Ok(plan)
}

/// Whether the forge could be told. That it could not be is said, and changes nothing else.
async fn tell(
    forge: &Forge,
    created: Option<&Created>,
    announcement: &Announcement,
    state: State,
    description: &str,
) -> bool {
    let Some(created) = created else { return true };
    match forge.tell(created, announcement, state, description).await {
        Ok(()) => true,
        Err(problem) => {
            say(&report::problem(&problem, Style::of_stderr()));
            false
        }
    }
}

fn state_of(result: &RunResult) -> State {
    match result.outcome {
        _ if result.reason == Some(Code::JournalUnwritable) => State::Error,
        RunOutcome::Succeeded => State::Success,
        RunOutcome::Failed | RunOutcome::RolledBack | RunOutcome::RollbackFailed => State::Failure,
        RunOutcome::Cancelled | RunOutcome::Blocked => State::Error,
    }
}

fn description(result: &RunResult) -> String {
    match (result.outcome, &result.problem) {
        (RunOutcome::Succeeded, _) if !result.changed => "nothing changed".into(),
        (RunOutcome::Succeeded, _) => "deployed".into(),
        (RunOutcome::RolledBack, Some(problem)) => format!("rolled back: {problem}"),
        (RunOutcome::RollbackFailed, Some(problem)) => format!("a person is needed: {problem}"),
        (_, Some(problem)) => problem.to_string(),
        (_, None) => "failed".into(),
    }
}

fn exit_of(result: &RunResult, told: bool) -> Exit {
    match result.outcome {
        _ if result.reason == Some(Code::JournalUnwritable) => Exit::Journal,
        RunOutcome::Succeeded if told => Exit::Succeeded,
        RunOutcome::Succeeded => Exit::Unreported,
        RunOutcome::RolledBack => Exit::RolledBack,
        RunOutcome::RollbackFailed => Exit::PersonNeeded,
        RunOutcome::Cancelled => Exit::Cancelled,
        RunOutcome::Failed => Exit::Failed,
        RunOutcome::Blocked => Exit::Blocked,
    }
}

/// Counts the signals that ask the run to stop. They are listened for from the moment that this returns: a signal while
/// the forge is asked must not kill a process that has created a deployment.
fn signals() -> watch::Receiver<u32> {
    let (sender, receiver) = watch::channel(0);
    match stop_signals() {
        Ok(mut next) => drop(tokio::spawn(async move {
            loop {
                next.recv().await;
                sender.send_modify(|times| *times += 1);
            }
        })),
        // Signals cannot be listened for: they end the process, as without us.
        Err(error) => tracing::warn!("signals cannot be listened for: {error}"),
    }
    receiver
}

#[cfg(unix)]
struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
fn stop_signals() -> std::io::Result<StopSignals> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(StopSignals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
}

#[cfg(unix)]
impl StopSignals {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Windows asks with Ctrl-C, Ctrl-Break, and when the console is closed.
#[cfg(windows)]
struct StopSignals {
    interrupt: tokio::signal::windows::CtrlC,
    pause: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
}

#[cfg(windows)]
fn stop_signals() -> std::io::Result<StopSignals> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
    Ok(StopSignals { interrupt: ctrl_c()?, pause: ctrl_break()?, close: ctrl_close()? })
}

#[cfg(windows)]
impl StopSignals {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.pause.recv() => {}
            _ = self.close.recv() => {}
        }
    }
}

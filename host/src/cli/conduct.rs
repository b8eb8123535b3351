//! One run under its lease: its journal, its forge, its machine, its result. What `run`, `resume` and `rollback` share.

use super::arguments::{Common, Format};
use super::keeping::{Kept, WITHOUT, warning};
use super::live::retire;
use super::outputs;
use super::project::{Project, directory};
use super::reap;
use super::status;
use super::telling::{announcement, deployment_created, description, frozen, said, state_of, tell};
use super::{Failed, print_json, say};
use crate::config::{self, DeploymentOwner, Environment, OnCancel};
use crate::event::{Event, RunOutcome, StepOutcome, Subject};
use crate::forge::{Announcement, Created, Forge, State};
use crate::history::{self, PastRun, Turned};
use crate::journal::Journal;
use crate::lease::{self, Lease};
use crate::policy::visible;
use crate::prepare::Prepared;
use crate::problem::{Code, Exit, Problem};
use crate::report::{self, DeploymentResult, RESULT_SCHEMA, RunReport, Style};
use crate::run::{Cancellation, Guard, Options, Recorder, RunResult, told_to_stop};
use crate::secret::Redactor;
use crate::{ci, process};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// How long a claim holds where the environment says nothing.
const LEASE: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// How long it is tried to keep the end of a run's journal with the forge.
const LEAVING: std::time::Duration = std::time::Duration::from_secs(20);

/// How long it is tried to show on the forge that a run was told to stop, before its end is shown.
const CANCELLING: std::time::Duration = std::time::Duration::from_secs(2);

/// What a run has around it.
pub(super) struct Conduct<'a> {
    pub(super) common: &'a Common,
    pub(super) project: &'a Project,
    pub(super) environment: &'a Environment,
    pub(super) subject: Subject,
    pub(super) forge: Arc<Forge>,
    /// Who makes the deployment there.
    pub(super) owner: DeploymentOwner,
    /// What takes the secrets out of all that leaves.
    pub(super) redactor: Redactor,
    pub(super) cancellation: Cancellation,
    pub(super) started: Instant,
    /// Where what came of it is handed on.
    pub(super) reports: Option<&'a Path>,
}

/// What came of a run, with what the forge knows of it.
pub(super) struct Conducted {
    pub(super) run: String,
    pub(super) plan: String,
    pub(super) created: Option<Created>,
    /// Why it was made although deployments were frozen.
    pub(super) during_freeze: Option<String>,
    pub(super) result: RunResult,
}

impl Conduct<'_> {
    /// The lease of the place, waited for as long as the environment says. `run` makes the run's id.
    pub(super) async fn lease(&self, mut run: impl FnMut() -> String) -> Result<Arc<Lease>, Problem> {
        match self.lease_of(&self.project.leases, &mut run).await {
            Err(problem) if problem.code == Code::ForgeDenied => {
                // Others may hold one there: only who may not write at all goes on without.
                if !self.project.keeping.may_hold_none().await {
                    return Err(Problem { code: Code::ForgeRefused, ..problem });
                }
                self.project.keeping.turn_off();
                say(&warning(&problem, WITHOUT));
                self.lease_of(&self.project.local_leases, &mut run).await
            }
            taken => taken,
        }
    }

    async fn lease_of(
        &self,
        store: &Arc<dyn lease::Store>,
        run: &mut impl FnMut() -> String,
    ) -> Result<Arc<Lease>, Problem> {
        let configured = self.environment.lease.as_ref();
        let request = lease::Request {
            place: self.subject.place(),
            wait: configured.map_or(std::time::Duration::ZERO, |lease| lease.wait.get()),
            duration: configured.map_or(LEASE, |lease| lease.duration.get()),
            actor: self.project.actor().unwrap_or_else(|| "somebody".to_owned()),
            run,
        };
        let waiting = |holder: &lease::Holder| {
            say(&format!("\nwaiting for run {}, which deploys here since {}\n", holder.run, holder.taken));
        };
        lease::take(store.clone(), request, waiting, told_to_stop(&self.cancellation, 1)).await.map(Arc::new)
    }

    /// Where the events of a run go, for as long as its lease is held.
    pub(super) fn recorder(&self, journal: Journal, lease: &Arc<Lease>) -> Arc<Recorder> {
        let (lease, keeping) = (Arc::downgrade(lease), self.project.keeping.clone());
        let keeper = Kept::new(lease.clone(), keeping, self.subject.place());
        let recorder = Recorder::new(journal, self.project.listener.clone(), self.redactor.clone(), guard(lease));
        Arc::new(recorder.kept_by(Box::new(keeper)))
    }

    /// What the forge is told of a run.
    fn announcement(&self, run: &str, plan: &str) -> Announcement {
        announcement(self.project, Some(self.environment), &self.subject, run, plan)
    }

    /// Tell the forge that a run begins; none where there is no forge to tell. `begun` is when, where another process was cut
    /// off at it. Where the forge refuses, that is the run's end.
    pub(super) async fn announce(
        &self,
        recorder: &Recorder,
        run: &str,
        plan: &str,
        begun: Option<jiff::Timestamp>,
    ) -> Result<Option<Created>, Problem> {
        let announcement = Announcement { begun, owner: self.owner, ..self.announcement(run, plan) };
        let mut creating = std::pin::pin!(self.forge.create(&announcement));
        let mut is_cancelled = false;
        let made = tokio::select! {
            biased;
            made = &mut creating => made,
            () = told_to_stop(&self.cancellation, 1) => {
                is_cancelled = true;
                // It may have been made by now, and must not stand there for ever: what can be heard of it soon is heard.
                let in_doubt = |_| Err(cancelled(WHILE_MADE).with_note(MAY_STAND).in_doubt());
                tokio::time::timeout(CANCELLING, creating).await.unwrap_or_else(in_doubt)
            }
        };
        let finished = |outcome, code: Code| Event::RunFinished {
            outcome,
            reason: Some(code.word().to_owned()),
            changed: false,
            duration_ms: 0,
        };
        // What an earlier process did is still there.
        let code = if begun.is_some() { Code::CancelledUnfinished } else { Code::Cancelled };
        let created = match made {
            Ok(created) => created,
            Err(problem) => {
                let mut events = Vec::new();
                if problem.is_in_doubt() {
                    events.push(Event::DeploymentDoubted { forge: self.forge.name().to_owned() });
                }
                events.push(match (is_cancelled, begun) {
                    (true, _) => finished(RunOutcome::Cancelled, code),
                    (false, Some(_)) => finished(RunOutcome::Failed, problem.code),
                    (false, None) => finished(RunOutcome::Blocked, problem.code),
                });
                recorder.record_all(&events)?;
                // That is what the run came to, whatever else went wrong meanwhile.
                return Err(match (is_cancelled, problem.is_in_doubt()) {
                    (false, _) => problem,
                    (true, true) => cancelled(WHILE_MADE).with_note(MAY_STAND),
                    (true, false) => cancelled(WHILE_MADE),
                });
            }
        };
        let mut events: Vec<Event> = created.iter().map(|created| deployment_created(created, &self.forge)).collect();
        if is_cancelled {
            events.push(finished(RunOutcome::Cancelled, code));
        }
        recorder.record_all(&events)?;
        if !is_cancelled {
            return Ok(created);
        }
        if let Some(created) = &created {
            let text = "cancelled before anything was done";
            let telling = self.forge.tell(created, &announcement, State::Cancelled, text);
            if tokio::time::timeout(CANCELLING, telling).await.is_ok_and(|told| told.is_ok()) {
                let _ = recorder.record(&Event::DeploymentTold { outcome: RunOutcome::Cancelled });
            }
        }
        Err(cancelled(WHILE_MADE))
    }

    /// Whether a run that is gone on with, or taken back, is shown by another forge than the one here. Where that cannot be told
    /// here, but nothing else would be, whoever can tells it later.
    ///
    /// # Errors
    /// [`Code::Usage`] where another one would be told of it as well.
    pub(super) fn is_shown_elsewhere(&self, past: &PastRun) -> Result<bool, Problem> {
        let (there, here) = (&past.forge, self.forge.name());
        if there == here || !(past.has_deployment() || past.may_have_deployment()) {
            return Ok(false);
        }
        let run = &past.run;
        if !matches!(*self.forge, Forge::Local) {
            return Err(Problem::new(Code::Usage, format!("run `{run}` is shown on another forge"))
                .because(format!("its deployment is on {there}, and {here} would be told of it"))
                .with_note("nothing was changed")
                .with_hint(format!(
                    "say it with `--forge {there}`, or with `--forge local` where that cannot be reached"
                )));
        }
        say(&format!(
            "warning: {there} is not told what comes of it: say `windlass reap --forge {there}` afterwards\n"
        ));
        Ok(true)
    }

    /// How a run is done here.
    pub(super) fn options(&self) -> Options {
        let in_ci = self.project.facts.kind != ci::Kind::None;
        Options {
            force: false,
            on_cancel: self.project.config.on_cancel.unwrap_or(if in_ci { OnCancel::Stop } else { OnCancel::Rollback }),
            timeout: self.project.config.timeout.as_ref().map(config::Duration::get),
            others_follow: false,
        }
    }

    /// Run the machine, and tell the forge what came of it.
    pub(super) async fn go(
        &self,
        prepared: Prepared,
        options: &Options,
        run: &str,
        recorder: Arc<Recorder>,
        created: Option<Created>,
    ) -> (Conducted, bool) {
        let plan = self.plan_of(&prepared);
        let announcement = self.announcement(run, &plan);
        // What somebody asked to be taken back goes on being taken back.
        let asked = matches!(prepared.facts.begun.as_deref().map(|run| &run.turned), Some(Some(Turned::Asked { .. })));
        let work = crate::run::run(prepared, options, run, recorder.clone(), self.cancellation.clone());
        // Whether something is being told that may come in after what is told at the end.
        let is_telling = AtomicBool::new(false);
        let telling = async {
            told_to_stop(&self.cancellation, 1).await;
            if let Some(created) = created.as_ref().filter(|_| !asked) {
                is_telling.store(true, Ordering::Relaxed);
                self.tell_of_cancellation(created, &announcement).await;
                is_telling.store(false, Ordering::Relaxed);
            }
            std::future::pending().await
        };
        let result = tokio::select! {
            biased;
            result = work => result,
            never = telling => match never {},
        };
        if let Some(problem) = result.problem.as_ref().filter(|problem| problem.code.ends_run()) {
            say("\n");
            report::tell(std::slice::from_ref(problem));
        }
        self.end_escaped(run, &result).await;
        let state = state_of(result.outcome, result.reason);
        // What came of it is told, however long the forge did not answer before.
        self.forge.renew();
        let during_freeze = history::find(&self.project.journals, run).ok().and_then(|past| past.during_freeze);
        let text = frozen(description(&result, run, &self.subject.place()), during_freeze.as_deref());
        let text = self.redactor.redact(&text).into_owned();
        let mut told = tell(&self.forge, created.as_ref(), &announcement, state, &text).await;
        if is_telling.into_inner()
            && let Some(created) = created.as_ref().filter(|_| told)
        {
            told = said(self.forge.confirm(created, &announcement, state, &text).await);
        }
        if told && created.is_some() {
            // Where that cannot be written down, it is told once more: the same, to the same deployment.
            let _ = recorder.record(&Event::DeploymentTold { outcome: result.outcome });
        }
        if let Some(created) = created.as_ref().filter(|_| told && result.outcome == RunOutcome::Succeeded) {
            retire(&self.forge, created, &announcement).await;
        }
        (Conducted { run: run.to_owned(), plan, created, during_freeze, result }, told)
    }

    /// The forge shows at once that the run was told to stop: whatever kills the process soon after leaves that there. What
    /// comes of the run is told at its end, so that nothing depends on whether this could be.
    async fn tell_of_cancellation(&self, created: &Created, announcement: &Announcement) {
        // What that will be nobody knows before what it is at has stopped.
        let options = announcement.subject.place().options();
        let text = format!("cancelled, and being stopped; what is left then `windlass rollback {options}` takes back");
        let told = self.forge.tell(created, announcement, State::Cancelled, &text);
        let _ = tokio::time::timeout(CANCELLING, told).await;
    }

    /// Of a step that was cancelled, end also what has left its group, as daemons do.
    async fn end_escaped(&self, run: &str, result: &RunResult) {
        let cancelled = |id: &str| result.steps.iter().any(|it| it.id == id && it.outcome == StepOutcome::Cancelled);
        if result.steps.iter().any(|step| step.outcome == StepOutcome::Cancelled) {
            let escaped = process::end_leftovers(run, cancelled).await;
            if !escaped.is_empty() {
                say(&format!("warning: the run was cancelled{}\n", reap::ended(&escaped)));
            }
        }
    }

    /// What this comes to, unless somebody says stop before: nothing is changed by it.
    pub(super) async fn unless_told<T>(&self, work: impl Future<Output = T>) -> Result<T, Problem> {
        tokio::select! {
            biased;
            () = told_to_stop(&self.cancellation, 1) => {
                Err(cancelled("a signal came while it was found out what is to be done"))
            }
            result = work => Ok(result),
        }
    }

    /// The digest of the plan that the run was begun with.
    fn plan_of(&self, prepared: &Prepared) -> String {
        prepared.facts.begun.as_deref().map_or_else(|| prepared.plan.digest(), |run| run.plan.clone())
    }

    /// Give the lease back, and forget the oldest runs. Neither changes what came of the run.
    pub(super) async fn leave(&self, lease: Arc<Lease>) {
        let place = self.subject.place();
        let kept = usize::try_from(self.project.config.keep_runs).unwrap_or(usize::MAX);
        // While the lease is held: nobody else reads or writes these journals to decide on something.
        let forgotten = match lease.check().and_then(|()| history::prune(&self.project.journals, &place, kept)) {
            Err(problem) if problem.code != Code::LeaseLost => {
                report::tell(&[problem]);
                vec![]
            }
            forgotten => forgotten.unwrap_or_default(),
        };
        self.project.keeping.send(&place, &forgotten, LEAVING).await;
        let released = match Arc::into_inner(lease) {
            Some(lease) => lease.release().await,
            None => Ok(()),
        };
        match released {
            Err(problem) if problem.code != Code::LeaseLost => {
                let cause = problem.causes.first().cloned().unwrap_or_default();
                say(&format!("warning: {}: {cause}; the next run takes it over\n", problem.what));
            }
            _ => {}
        }
    }

    /// Say and print what came of it.
    pub(super) fn report(&self, conducted: &Conducted, exit: Exit) {
        let Conducted { run, plan, created, during_freeze, result } = conducted;
        let style = Style::of_stderr();
        let report = RunReport {
            schema: RESULT_SCHEMA,
            run: run.clone(),
            app: self.subject.app.clone(),
            environment: self.subject.environment.clone(),
            component: self.subject.component.clone(),
            outcome: result.outcome,
            reason: if exit == Exit::Unreported { Some(Code::ForgeUnreported) } else { result.reason }
                .map(|code| code.word().to_owned()),
            plan: plan.clone(),
            deployment: DeploymentResult {
                forge: self.forge.name().to_owned(),
                id: Some(created.as_ref().map_or_else(|| run.clone(), |created| created.id.clone())),
                url: created.as_ref().and_then(|created| created.url.clone()),
            },
            steps: RunReport::steps_of(result),
        };
        let url = self.environment.url.as_deref();
        say(&report::verdict(&self.subject, result, exit, url, self.started.elapsed(), style));
        if let Some(reason) = during_freeze {
            say(&format!("note: deployments were frozen, and this one was made all the same: {}\n", visible(reason)));
        }
        // Somebody may read this on a machine that is gone soon after.
        if !matches!(exit, Exit::Succeeded | Exit::RolledBack | Exit::Unreported)
            && let Ok(next) = status::next(self.project, &self.subject.place())
        {
            say(&format!("next: {next}\n"));
        }
        self.hand_on(&report);
    }

    /// Tell programs and later jobs what came of it.
    pub(super) fn hand_on(&self, report: &RunReport) {
        let url = self.environment.url.as_deref().map(|url| self.redactor.redact(url));
        outputs::hand_on(&self.project.directory, self.reports, report, url.as_deref(), None);
        if self.common.format == Format::Json {
            print_result(report);
        }
    }
}

/// How things stand where the forge was not heard of any more.
const MAY_STAND: &str = "nothing was run; the deployment may stand there all the same, and `windlass reap` closes it";

/// Why nothing was done.
const WHILE_MADE: &str = "a signal came while the deployment was being made";

/// That somebody stopped it before it had any effect.
fn cancelled(cause: &str) -> Problem {
    Problem::new(Code::Cancelled, "cancelled before anything was done")
        .because(cause)
        .with_note("nothing was changed")
        .with_hint("say it again when you are ready")
}

/// That a run holds the lease.
pub(super) fn lease_taken(lease: &Lease) -> Event {
    Event::LeaseTaken { number: lease.number(), from: lease.broken.as_ref().map(|holder| holder.run.clone()) }
}

/// Whoever has lost the lease has no further effect.
fn guard(lease: Weak<Lease>) -> Guard {
    Box::new(move || match lease.upgrade() {
        Some(lease) => lease.check(),
        None => Err(Problem::new(Code::LeaseLost, "the lease was given back").because("the run is over")),
    })
}

/// What is known of a command's work before it is over.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct SoFar<'a> {
    pub(super) app: &'a str,
    pub(super) environment: Option<&'a str>,
    /// The digest of the plan that was made.
    pub(super) plan: &'a str,
    /// The run that there is a journal of.
    pub(super) run: &'a str,
}

/// Programs and later jobs are told what came of it also where nothing was begun.
pub(super) fn with_result<T>(
    common: &Common,
    reports: Option<&Path>,
    so_far: SoFar<'_>,
    result: Result<T, Failed>,
) -> Result<T, Failed> {
    let Err(failed) = &result else { return result };
    let report = not_begun(common, so_far, failed);
    outputs::hand_on(&directory(&common.config), reports, &report, None, Some(failed));
    if common.format == Format::Json {
        print_result(&report);
    }
    result
}

/// What came of a command that began nothing.
pub(super) fn not_begun(common: &Common, so_far: SoFar<'_>, failed: &Failed) -> RunReport {
    let code = match failed {
        Failed::Problems(problems) => problems.first().map(|problem| problem.code),
        Failed::Said(_) => None,
    };
    RunReport {
        run: so_far.run.to_owned(),
        app: so_far.app.to_owned(),
        environment: so_far.environment.or(common.environment.as_deref()).unwrap_or_default().to_owned(),
        component: common.component.clone(),
        reason: code.map(|code| code.word().to_owned()),
        plan: so_far.plan.to_owned(),
        ..RunReport::not_begun(outcome_of(code))
    }
}

/// What came of it where nothing was begun because of that.
pub(super) fn outcome_of(code: Option<Code>) -> RunOutcome {
    if code == Some(Code::Cancelled) { RunOutcome::Cancelled } else { RunOutcome::Blocked }
}

pub(super) fn print_result(result: &RunReport) {
    if let Ok(text) = serde_json::to_string(result) {
        print_json(&text);
    }
}

/// How a run ends the process.
pub(super) fn exit_of(result: &RunResult, told: bool) -> Exit {
    match result.outcome {
        _ if result.reason.is_some_and(Code::ends_run) => result.reason.map_or(Exit::Bug, Code::exit),
        RunOutcome::Succeeded if told => Exit::Succeeded,
        RunOutcome::Succeeded => Exit::Unreported,
        // Where somebody asked for it, that is what was to be done.
        RunOutcome::RolledBack if result.asked && told => Exit::Succeeded,
        RunOutcome::RolledBack if result.asked => Exit::Unreported,
        RunOutcome::RolledBack => Exit::RolledBack,
        RunOutcome::RollbackFailed => Exit::PersonNeeded,
        RunOutcome::Cancelled => Exit::Cancelled,
        RunOutcome::Failed => Exit::Failed,
        RunOutcome::Blocked => Exit::Blocked,
    }
}

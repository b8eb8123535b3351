//! What comes from the run: record, deployment, outputs, log, progress, report, state.

use super::{State, broken_promise, locked};
use crate::event::{Level, ReportItem, RunOutcome, StepOutcome};
use crate::plugin::bindings::windlass::plugin as interfaces;
use crate::plugin::bindings::windlass::plugin::types as wit;
use crate::plugin::call::Function;
use crate::plugin::convert;
use crate::policy::Question;

/// The release that is live now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRelease {
    /// The run that made it live.
    pub run: String,
    /// Its commit.
    pub commit: String,
    /// Its version.
    pub version: String,
    /// When that run ended, as RFC 3339 in UTC.
    pub at: String,
}

/// A step of the run, as its siblings see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepState {
    /// Its id.
    pub id: String,
    /// Its plugin's name.
    pub plugin: String,
    /// How it came out so far.
    pub outcome: StepOutcome,
}

/// What is being deployed, where, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Who, where and what.
    pub subject: crate::event::Subject,
    /// The environment's URL.
    pub url: Option<String>,
    /// The run's id; empty while planning without one.
    pub run: String,
    /// From 1.
    pub attempt: u32,
    /// Where a person can watch.
    pub log_url: Option<String>,
    /// What is live now.
    pub live: Option<LiveRelease>,
    /// How the run came out; none while it is going on.
    pub outcome: Option<RunOutcome>,
    /// Why it failed.
    pub problem: Option<String>,
    /// The steps in order.
    pub steps: Vec<StepState>,
}

/// The longest value that `state` keeps, in bytes.
const LONGEST_VALUE: usize = 64 << 10;
/// The largest record, in bytes: it goes into a line of the journal.
const LARGEST_RECORD: usize = 1 << 20;

impl interfaces::record::Host for State {
    async fn append(&mut self, json: String) -> wasmtime::Result<Result<(), wit::Failure>> {
        let Some(surroundings) = self.surroundings.clone().filter(|_| self.function == Some(Function::Apply)) else {
            locked(&self.gate).refuse(&Question::Record);
            return Ok(Err(broken_promise("record-outside-apply", "a record can be appended only during `apply`")));
        };
        if json.len() > LARGEST_RECORD {
            return Ok(Err(broken_promise(
                "record-too-large",
                format!("a record of {} bytes is too large", json.len()),
            )));
        }
        if self.services.redactor.contains(&json) {
            return Ok(Err(broken_promise("record-with-secret", "a record contains a secret, and was not kept")));
        }
        let Ok(value) = serde_json::from_str::<serde_json::Value>(&json) else {
            return Ok(Err(broken_promise("record-not-json", "a record is not JSON")));
        };
        // As it is meant: `\u0061` may have been hiding an `a`.
        if self.services.redactor.redact_json(&mut value.clone()) {
            return Ok(Err(broken_promise("record-with-secret", "a record contains a secret, and was not kept")));
        }
        if let Err(failure) = self.keep(json.len()) {
            return Ok(Err(failure));
        }
        match surroundings.append_record(value) {
            Ok(()) => Ok(Ok(())),
            Err(problem) => self.end(problem),
        }
    }
}

impl interfaces::state::Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, wit::Failure>> {
        Ok(Ok(self.surroundings.as_ref().and_then(|surroundings| surroundings.state(&key))))
    }

    async fn set(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), wit::Failure>> {
        let Some(surroundings) = self.surroundings.clone().filter(|_| !self.changes_nothing()) else {
            locked(&self.gate).refuse(&Question::State);
            return Ok(Err(broken_promise("state-while-planning", "state cannot be changed while planning")));
        };
        if key.len() > 256 || value.len() > LONGEST_VALUE {
            return Ok(Err(broken_promise(
                "state-too-large",
                format!("the state value `{}` is too large", key.get(..64).unwrap_or(&key)),
            )));
        }
        if self.services.redactor.contains(&key) {
            return Ok(Err(broken_promise(
                "state-with-secret",
                "the name of a state value contains a secret, and nothing was kept",
            )));
        }
        if self.services.redactor.contains(&value) {
            return Ok(Err(broken_promise(
                "state-with-secret",
                format!("the state value `{key}` contains a secret, and was not kept"),
            )));
        }
        if let Err(failure) = self.keep(key.len() + value.len()) {
            return Ok(Err(failure));
        }
        match surroundings.set_state(&key, &value) {
            Ok(()) => Ok(Ok(())),
            Err(problem) => self.end(problem),
        }
    }
}

impl interfaces::outputs::Host for State {
    async fn get(&mut self, step: String, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.surroundings.as_ref().and_then(|surroundings| surroundings.output(&step, &name)))
    }
}

impl interfaces::log::Host for State {
    async fn write(&mut self, level: interfaces::log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            interfaces::log::Level::Debug => Level::Debug,
            interfaces::log::Level::Info => Level::Info,
            interfaces::log::Level::Warn => Level::Warn,
            interfaces::log::Level::Error => Level::Error,
        };
        locked(&self.output).message(level, &message);
        Ok(())
    }
}

impl interfaces::progress::Host for State {
    async fn update(&mut self, message: String, done: Option<u64>, total: Option<u64>) -> wasmtime::Result<()> {
        if within(&mut self.told, message.len()) {
            if let Some(surroundings) = &self.surroundings {
                surroundings.progress(&self.clean(&message), done, total);
            }
        } else {
            self.say_once("the progress was cut after 4 MiB");
        }
        Ok(())
    }
}

/// Takes so many bytes from what is left; whether there was enough. Where there was not, nothing is left.
fn within(left: &mut usize, bytes: usize) -> bool {
    let enough = *left >= bytes;
    *left = if enough { *left - bytes } else { 0 };
    enough
}

impl State {
    /// Whether so many bytes more may go into the journal.
    fn keep(&mut self, bytes: usize) -> Result<(), wit::Failure> {
        if within(&mut self.kept, bytes) {
            return Ok(());
        }
        let limit = super::KEPT >> 20;
        Err(broken_promise("kept-too-much", format!("a step can keep no more than {limit} MiB of records and state")))
    }

    fn say_once(&mut self, what: &'static str) {
        if self.said.insert(what) {
            locked(&self.output).message(Level::Warn, what);
        }
    }

    fn put_into_report(&mut self, item: ReportItem) {
        let size = serde_json::to_vec(&item).map_or(0, |json| json.len());
        if !within(&mut self.reported, size) {
            self.say_once("the report was cut after 1 MiB");
        } else if let Some(surroundings) = &self.surroundings {
            surroundings.report(item);
        }
    }

    fn clean(&self, text: &str) -> String {
        self.services.redactor.redact(text).into_owned()
    }
}

impl interfaces::report::Host for State {
    async fn annotate(&mut self, finding: wit::Finding) -> wasmtime::Result<()> {
        let mut finding = convert::finding(finding);
        finding.message = self.clean(&finding.message);
        finding.code = self.clean(&finding.code);
        finding.file = finding.file.map(|file| self.clean(&file));
        self.put_into_report(ReportItem::Annotation { finding });
        Ok(())
    }

    async fn table(&mut self, title: String, columns: Vec<String>, rows: Vec<Vec<String>>) -> wasmtime::Result<()> {
        let clean = |texts: &[String]| texts.iter().map(|text| self.clean(text)).collect::<Vec<_>>();
        let item = ReportItem::Table {
            title: self.clean(&title),
            columns: clean(&columns),
            rows: rows.iter().take(1000).map(|row| clean(row)).collect(),
        };
        self.put_into_report(item);
        Ok(())
    }

    async fn metric(&mut self, name: String, value: f64, unit: String) -> wasmtime::Result<()> {
        let value = if value.is_finite() { value } else { 0.0 };
        let item = ReportItem::Metric { name: self.clean(&name), value, unit: self.clean(&unit) };
        self.put_into_report(item);
        Ok(())
    }
}

impl interfaces::deployment::Host for State {
    async fn current(&mut self) -> wasmtime::Result<interfaces::deployment::Context> {
        let Some(surroundings) = &self.surroundings else {
            return Err(wasmtime::Error::msg("`describe` and `requires` have no access to the deployment"));
        };
        Ok(context(surroundings.deployment()))
    }
}

fn context(deployment: Deployment) -> interfaces::deployment::Context {
    use interfaces::deployment::{Context, Live, Status, Step};
    let subject = deployment.subject;
    Context {
        app: subject.app,
        environment: subject.environment,
        component: subject.component,
        url: deployment.url,
        commit: subject.commit,
        reference: subject.reference,
        actor: subject.actor,
        version: subject.version,
        run: deployment.run,
        attempt: deployment.attempt,
        log_url: deployment.log_url,
        live: deployment.live.map(|live| Live {
            run: live.run,
            commit: live.commit,
            version: live.version,
            at: live.at,
        }),
        status: match deployment.outcome {
            None => Status::Running,
            Some(RunOutcome::Succeeded) => Status::Succeeded,
            Some(RunOutcome::Failed | RunOutcome::Blocked) => Status::Failed,
            Some(RunOutcome::RolledBack) => Status::RolledBack,
            Some(RunOutcome::RollbackFailed) => Status::RollbackFailed,
            Some(RunOutcome::Cancelled) => Status::Cancelled,
        },
        problem: deployment.problem,
        steps: deployment
            .steps
            .into_iter()
            .map(|step| Step { id: step.id, plugin: step.plugin, outcome: step_outcome(step.outcome) })
            .collect(),
    }
}

fn step_outcome(outcome: StepOutcome) -> interfaces::deployment::StepOutcome {
    use interfaces::deployment::StepOutcome as Wit;
    match outcome {
        StepOutcome::Succeeded => Wit::Succeeded,
        StepOutcome::Failed => Wit::Failed,
        StepOutcome::Skipped => Wit::Skipped,
        StepOutcome::Reverted => Wit::Reverted,
        StepOutcome::RevertFailed => Wit::RevertFailed,
        StepOutcome::Cancelled => Wit::Cancelled,
        StepOutcome::Unknown => Wit::Unknown,
        StepOutcome::NotRun => Wit::NotRun,
    }
}

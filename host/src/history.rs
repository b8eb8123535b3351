//! What happened before: the runs in `.windlass/runs`, newest first, and what they say is live.

use crate::event::{Event, RunOutcome, StepOutcome, Subject};
use crate::journal;
use crate::plugin::LiveRelease;
use crate::problem::{Code, Problem};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The directory of all runs, below the one that holds `deploy.toml`.
#[must_use]
pub fn runs_directory(project: &Path) -> PathBuf {
    project.join(".windlass").join("runs")
}

/// The name of the newest run's directory, in whatever state it is.
#[must_use]
pub fn newest(project: &Path) -> Option<std::ffi::OsString> {
    std::fs::read_dir(runs_directory(project)).ok()?.filter_map(|entry| Some(entry.ok()?.file_name())).max()
}

/// A run as its journal tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PastRun {
    /// Its id.
    pub run: String,
    /// What it was about.
    pub subject: Subject,
    /// Its plan's digest.
    pub plan: String,
    /// The forge that was told.
    pub forge: String,
    /// When it began, as RFC 3339 in UTC.
    pub started: String,
    /// When its last event was written.
    pub last: String,
    /// What came of it; none where it did not end.
    pub outcome: Option<RunOutcome>,
    /// The stable word for why.
    pub reason: Option<String>,
    /// Whether it changed anything.
    pub changed: bool,
    /// In milliseconds.
    pub duration_ms: Option<u64>,
    /// The steps in order, with their outcomes.
    pub steps: Vec<(String, String, StepOutcome)>,
    /// Why the first step that failed did.
    pub problem: Option<String>,
}

/// Derives a run from its events.
///
/// # Errors
/// [`Code::JournalInvalid`].
pub fn replay(directory: &Path) -> Result<PastRun, Problem> {
    let record = journal::read(directory)?;
    let mut entries = record.entries.into_iter();
    let first = entries.next();
    let Some(journal::Entry { at: started, event: Event::RunStarted { run, subject, plan, forge, steps, .. }, .. }) =
        first
    else {
        return Err(Problem::new(
            Code::JournalInvalid,
            format!("the journal in `{}` does not begin with a run", directory.display()),
        ));
    };
    let order: Vec<(String, String)> = steps.into_iter().map(|step| (step.id, step.plugin)).collect();
    let mut outcomes: BTreeMap<String, StepOutcome> = BTreeMap::new();
    let mut past = PastRun {
        run,
        subject,
        plan,
        forge,
        last: started.clone(),
        started,
        outcome: None,
        reason: None,
        changed: false,
        duration_ms: None,
        steps: Vec::new(),
        problem: None,
    };
    for entry in entries {
        past.last = entry.at;
        match entry.event {
            Event::StepStarted { step, .. } => drop(outcomes.insert(step, StepOutcome::Unknown)),
            Event::StepSucceeded { step, .. } => drop(outcomes.insert(step, StepOutcome::Succeeded)),
            Event::StepFailed { step, trouble, again, .. } => {
                if !again {
                    past.problem.get_or_insert(trouble.what);
                }
                outcomes.insert(step, StepOutcome::Failed);
            }
            Event::StepCancelled { step, .. } => drop(outcomes.insert(step, StepOutcome::Cancelled)),
            Event::StepSkipped { step } => drop(outcomes.insert(step, StepOutcome::Skipped)),
            Event::StepReverted { step, .. } => drop(outcomes.insert(step, StepOutcome::Reverted)),
            Event::RevertFailed { step, .. } => drop(outcomes.insert(step, StepOutcome::RevertFailed)),
            Event::RunFinished { outcome, reason, changed, duration_ms } => {
                past.outcome = Some(outcome);
                past.reason = reason;
                past.changed = changed;
                past.duration_ms = Some(duration_ms);
            }
            _ => {}
        }
    }
    past.steps = order
        .into_iter()
        .map(|(id, plugin)| {
            let outcome = outcomes.get(&id).copied().unwrap_or(StepOutcome::NotRun);
            (id, plugin, outcome)
        })
        .collect();
    Ok(past)
}

/// The runs of a project, newest first. Each is read when it is asked for.
///
/// # Errors
/// Where the directory cannot be read; a project without runs has none.
pub fn runs(project: &Path) -> Result<impl Iterator<Item = Result<PastRun, Problem>>, Problem> {
    let directory = runs_directory(project);
    let mut names: Vec<PathBuf> = match std::fs::read_dir(&directory) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            return Err(
                Problem::new(Code::JournalInvalid, format!("`{}` cannot be read", directory.display())).because(error)
            );
        }
    };
    // Ids begin with their time, so their order is the order of the runs.
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names.into_iter().map(|path| replay(&path)))
}

/// Whether two subjects are of one app, environment and component: what a release, a lease and a history belong to.
#[must_use]
pub fn same_place(one: &Subject, app: &str, environment: &str, component: Option<&str>) -> bool {
    one.app == app && one.environment == environment && one.component.as_deref() == component
}

/// The release that is live: of the newest run that succeeded there. A journal that cannot be read is no proof of
/// anything, and stops the question.
///
/// # Errors
/// [`Code::JournalInvalid`].
pub fn live(
    project: &Path,
    app: &str,
    environment: &str,
    component: Option<&str>,
) -> Result<Option<LiveRelease>, Problem> {
    for run in runs(project)? {
        let run = run?;
        if same_place(&run.subject, app, environment, component) && run.outcome == Some(RunOutcome::Succeeded) {
            return Ok(Some(LiveRelease {
                run: run.run,
                commit: run.subject.commit,
                version: run.subject.version,
                at: run.last,
            }));
        }
    }
    Ok(None)
}

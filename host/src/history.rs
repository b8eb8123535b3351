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

/// How far the newest run has come: its name and the length of its journal. Where this is what it was, nothing has
/// happened in the project since.
#[must_use]
pub fn mark(project: &Path) -> Option<(PathBuf, u64)> {
    let entries = std::fs::read_dir(runs_directory(project)).ok()?;
    let newest = entries.filter_map(|entry| Some(entry.ok()?.path())).max()?;
    let length = journal::length(&newest);
    Some((newest, length))
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

/// Derives a run from its events. None where it has no event: it was cut off before it did anything, or another process
/// begins it at this moment.
///
/// # Errors
/// [`Code::JournalInvalid`].
pub fn replay(directory: &Path) -> Result<Option<PastRun>, Problem> {
    let record = match journal::read(directory) {
        Err(problem) if problem.code == Code::RunNotFound => return Ok(None),
        record => record?,
    };
    let mut entries = record.entries.into_iter();
    let Some(first) = entries.next() else { return Ok(None) };
    let journal::Entry { at: started, event: Event::RunStarted { run, subject, plan, forge, steps, .. }, .. } = first
    else {
        return Err(Problem::new(
            Code::JournalInvalid,
            format!("the journal in `{}` does not begin with a run", directory.display()),
        )
        .because("its first event is another one")
        .with_note("nothing was run")
        .with_hint("restore the file, or move the directory out of `.windlass/runs` once you know what it did"));
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
    Ok(Some(past))
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
            return Err(Problem::new(Code::JournalUnwritable, format!("`{}` cannot be read", directory.display()))
                .because(error)
                .with_note("nothing was run")
                .with_hint("mend the permissions, or move away what stands in its place"));
        }
    };
    // Ids begin with their time, so their order is the order of the runs.
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names.into_iter().filter_map(|path| replay(&path).transpose()))
}

/// Whether two subjects are of one app, environment and component: what a release, a lease and a history belong to.
#[must_use]
pub fn same_place(one: &Subject, app: &str, environment: &str, component: Option<&str>) -> bool {
    one.app == app && one.environment == environment && one.component.as_deref() == component
}

/// The newest run there, if it did not end. Asked by whoever holds the lease, it is one that was cut off.
///
/// # Errors
/// [`Code::JournalInvalid`].
pub fn unfinished(
    project: &Path,
    app: &str,
    environment: &str,
    component: Option<&str>,
) -> Result<Option<PastRun>, Problem> {
    for run in runs(project)? {
        let run = run?;
        if same_place(&run.subject, app, environment, component) {
            return Ok(Some(run).filter(|run| run.outcome.is_none()));
        }
    }
    Ok(None)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;

    fn subject() -> Subject {
        Subject {
            app: "shop".into(),
            environment: "staging".into(),
            component: None,
            commit: "a".repeat(40),
            reference: None,
            version: "1.0.0".into(),
            actor: None,
        }
    }

    fn begin(project: &Path, run: &str) -> Journal {
        let mut journal = Journal::create(&runs_directory(project).join(run)).expect("a journal");
        let started = Event::RunStarted {
            schema: crate::event::SCHEMA.into(),
            windlass: "0.1.0".into(),
            run: run.into(),
            subject: subject(),
            plan: "sha256:00".into(),
            forge: "local".into(),
            steps: vec![],
            process: 1,
        };
        journal.append(&started).expect("an event");
        journal
    }

    #[test]
    fn a_run_that_was_cut_off_before_its_first_event_stands_in_nobodys_way() {
        let project = tempfile::tempdir().expect("a directory");
        let mut first = begin(project.path(), "1");
        let finished =
            Event::RunFinished { outcome: RunOutcome::Succeeded, reason: None, changed: true, duration_ms: 1 };
        first.append(&finished).expect("an event");
        let directory = runs_directory(project.path());
        // Killed before the file, before its first byte, and in its first line.
        std::fs::create_dir(directory.join("2")).expect("a directory");
        drop(Journal::create(&directory.join("3")).expect("a journal"));
        drop(Journal::create(&directory.join("4")).expect("a journal"));
        std::fs::write(directory.join("4").join("journal.jsonl"), "{\"seq\":0,\"at\":").expect("half a line");
        let names: Vec<String> = runs(project.path()).expect("runs").map(|run| run.expect("a run").run).collect();
        assert_eq!(names, ["1"]);
        let live = live(project.path(), "shop", "staging", None).expect("no trouble").expect("a release");
        assert_eq!(live.run, "1");
        begin(project.path(), "5").append(&Event::NoteAdded { text: "x".into() }).expect("an event");
        let newest = runs(project.path()).expect("runs").next().expect("one").expect("a run");
        assert_eq!((newest.run.as_str(), newest.outcome), ("5", None));
        let unfinished = |environment| unfinished(project.path(), "shop", environment, None).expect("no trouble");
        assert_eq!(unfinished("staging").map(|run| run.run).as_deref(), Some("5"));
        assert_eq!(unfinished("production"), None);
    }

    #[test]
    fn a_journal_that_was_changed_is_never_passed_over() {
        let project = tempfile::tempdir().expect("a directory");
        drop(begin(project.path(), "1"));
        let file = runs_directory(project.path()).join("1").join("journal.jsonl");
        let text = std::fs::read_to_string(&file).expect("the journal").replace("staging", "another");
        std::fs::write(&file, text).expect("written");
        let problem = live(project.path(), "shop", "staging", None).expect_err("a changed journal");
        assert_eq!(problem.code, Code::JournalInvalid);
        assert!(problem.note.is_some() && problem.hint.is_some());
    }
}

//! The journal by itself: the floor of it, which is a program that does nothing but append lines of its size and sync each;
//! the real one, written and read as a run writes and reads it.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use windlass::event::{Event, StepEntry, Subject};
use windlass::history;
use windlass::journal::{Directory, Journal, Store};

/// What makes this program the one that appends and syncs.
pub(crate) const WORD: &str = "__sync";
/// What makes this program the one that appends the events of steps to a journal.
pub(crate) const APPEND: &str = "__append";
/// What makes this program the one that reads a journal.
pub(crate) const READ: &str = "__read";

/// A line as long as one of a step.
const LINE: [u8; 220] = [b'x'; 220];

/// The only run there is.
const RUN: &str = "20261120T123509604Z-e14e82";

/// `FILE LINES`: a new file with so many lines.
pub(crate) fn main(arguments: &[OsString]) -> Result<String, String> {
    let [path, lines] = arguments else { return Err("nothing to append".into()) };
    append(Path::new(path), number(lines)?, || {}).map_err(|error| format!("`{}`: {error}", path.to_string_lossy()))?;
    Ok(String::new())
}

fn number(text: &OsString) -> Result<usize, String> {
    text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| "how many?".to_owned())
}

/// Appends so many lines to a new file, each synced, and tells after each.
pub(crate) fn append(path: &Path, lines: usize, mut done: impl FnMut()) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    for _ in 0..lines {
        file.write_all(&LINE)?;
        file.sync_data()?;
        done();
    }
    Ok(())
}

/// `PROJECT STEPS`: the journal of a run with so many steps, each event synced by itself.
pub(crate) fn append_main(arguments: &[OsString]) -> Result<String, String> {
    let [project, steps] = arguments else { return Err("nothing to append".into()) };
    let steps = number(steps)?;
    let mut journal = begin(Path::new(project), steps)?;
    for step in 0..steps {
        for event in [started(step), succeeded(step)] {
            journal.append(&event).map_err(|problem| problem.to_string())?;
        }
    }
    Ok(String::new())
}

/// `PROJECT`: what the journal there says of its run.
pub(crate) fn read_main(arguments: &[OsString]) -> Result<String, String> {
    let [project] = arguments else { return Err("nothing to read".into()) };
    let store = Directory::of(Path::new(project));
    let run = history::replay(&store, RUN).map_err(|problem| problem.to_string())?.ok_or("no run")?;
    Ok(run.last)
}

/// Writes a journal of so many events in one piece, a step for every so many of them: each begins, leaves records and ends.
pub(crate) fn write(project: &Path, events: usize, each: usize) -> Result<(), String> {
    let mut journal = begin(project, events.div_ceil(each))?;
    let rest: Vec<Event> = (0..events - 1)
        .map(|event| match (event / each, event % each) {
            (step, 0) => started(step),
            (step, place) if place + 1 == each => succeeded(step),
            (step, _) => record(step),
        })
        .collect();
    journal.append_all(&rest).map_err(|problem| problem.to_string())
}

fn begin(project: &Path, steps: usize) -> Result<Journal, String> {
    let store = Directory::of(project);
    store.remove(RUN).map_err(|error| error.to_string())?;
    let mut journal = Journal::create(&store, RUN).map_err(|problem| problem.to_string())?;
    let begun = Event::RunStarted {
        schema: windlass::event::SCHEMA.into(),
        windlass: "0.1.0".into(),
        run: RUN.into(),
        subject: Box::new(Subject {
            app: "bench".into(),
            environment: "staging".into(),
            component: None,
            commit: "0123456789abcdef0123456789abcdef01234567".into(),
            reference: None,
            version: "1.0.0".into(),
            actor: None,
        }),
        plan: format!("sha256:{}", "0".repeat(64)),
        forge: "local".into(),
        steps: (0..steps)
            .map(|step| StepEntry { id: name(step), plugin: "command@0.1.0".into(), finally: false })
            .collect(),
        process: 1,
        job: None,
        url: None,
    };
    journal.append(&begun).map_err(|problem| problem.to_string())?;
    Ok(journal)
}

fn name(step: usize) -> String {
    format!("step-{step}")
}

fn started(step: usize) -> Event {
    Event::StepStarted { step: name(step), attempt: 1 }
}

fn record(step: usize) -> Event {
    let record = [("event", "starting"), ("directory", "."), ("run", "./bin/release 1.0.0")];
    let record = record.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    Event::RecordAppended { step: name(step), attempt: 1, record: (&serde_json::Value::Object(record)).into() }
}

fn succeeded(step: usize) -> Event {
    Event::StepSucceeded {
        step: name(step),
        attempt: 1,
        summary: "ran `./bin/release 1.0.0`".into(),
        outputs: [("exit-code".to_owned(), "0".to_owned())].into(),
        findings: vec![],
        report: vec![],
        usages: vec![],
        duration_ms: 12,
        changed: true,
    }
}

//! What a deployment has left: effects, the database, journals, processes. Read without Windlass, so that it is not believed.

use e2e::Project;
use e2e::database::Database;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Fails a case with a sentence.
macro_rules! hold {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}
pub(crate) use hold;

/// What holds, or a sentence that says what does not.
pub(crate) type Holds<T = ()> = Result<T, String>;

/// The steps of the deployment that change something, and the plugin of which can tell whether they are done.
pub(crate) const TELL: &[&str] = &["assets", "warm", "announce"];
/// Those that cannot tell: one where a person has to look, one that may be applied again.
pub(crate) const UNKNOWN: &str = "notify";
pub(crate) const IDEMPOTENT: &str = "cache";

/// A database's schema, its rows and the history of its migrations, as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schema(Vec<String>);

impl Schema {
    pub(crate) fn of(project: &Project) -> Self {
        let database = Database::sqlite(&project.path().join("shop.db"));
        let mut texts = database
            .column("SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY type, name");
        texts.extend(database.column(
            "SELECT version || ' ' || name || ' ' || checksum || ' ' || state || ' ' || position FROM windlass_migrations ORDER BY version",
        ));
        if database.tables().iter().any(|table| table == "prices") {
            texts.extend(database.column("SELECT id || ' costs ' || price FROM prices ORDER BY id"));
        }
        Self(texts)
    }
}

/// The lines of `effects`: what each step did and undid, told by the children themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effects(String);

impl Effects {
    pub(crate) fn of(project: &Project) -> Self {
        Self(project.read("effects"))
    }

    /// The marks of a step of a version, in order.
    pub(crate) fn marks(&self, step: &str, version: u32) -> String {
        let key = format!("{step} {version}");
        self.0
            .lines()
            .filter_map(|line| line.split_at_checked(1))
            .filter(|(_, of)| *of == key)
            .map(|(mark, _)| mark)
            .collect()
    }

    /// How often a step of a version left a mark.
    pub(crate) fn count(&self, mark: char, step: &str, version: u32) -> usize {
        self.marks(step, version).matches(mark).count()
    }

    /// Whether a step is applied, and not taken back.
    pub(crate) fn applied(&self, step: &str, version: u32) -> bool {
        self.marks(step, version).chars().rfind(|mark| "+-".contains(*mark)) == Some('+')
    }

    /// In one line.
    pub(crate) fn told(&self) -> String {
        self.0.lines().collect::<Vec<_>>().join(", ")
    }
}

/// The names of the runs that have a directory, oldest first.
pub(crate) fn runs(project: &Project) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(project.path().join(".windlass/runs")) else { return vec![] };
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The events of a run's journal. What is behind its last line feed was never written.
pub(crate) fn events(project: &Project, run: &str) -> Holds<Vec<Value>> {
    let text = std::fs::read_to_string(project.path().join(".windlass/runs").join(run).join("journal.jsonl"))
        .unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let event = |line: &str| {
        let line: Value = serde_json::from_str(line).map_err(|error| format!("run {run}: {error} in {line}"))?;
        Ok(line["event"].clone())
    };
    whole.lines().map(event).collect()
}

/// The names of events, with their steps and attempts: `step-started assets 1`.
pub(crate) fn story(events: &[Value]) -> String {
    let words = |event: &Value| {
        let keys = ["event", "step", "attempt", "verdict", "number", "outcome", "reason"];
        let word = |key: &&str| {
            event.get(key).filter(|value| !value.is_null()).map(|value| value.to_string().replace('"', ""))
        };
        keys.iter().filter_map(word).collect::<Vec<_>>().join(" ")
    };
    events.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// Every file under `.windlass`, with its bytes.
pub(crate) fn kept(project: &Project) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![project.path().join(".windlass")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                files.insert(path, bytes);
            }
        }
    }
    files
}

/// Children that outlived the Windlass that started them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Leftovers {
    None,
    /// Only those that look, while a plan is made.
    Looking,
    /// At work for a run.
    Working,
}

/// Which children are in the project. Not seen are the ways in which Windlass finds them: where they are is asked first.
pub(crate) fn leftovers(project: &Project) -> Leftovers {
    let here = project.path();
    let one = |process: std::fs::DirEntry| {
        let path = process.path();
        if !std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&here)) {
            return Leftovers::None;
        }
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        let works = environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(b"WINDLASS_RUN="));
        if works { Leftovers::Working } else { Leftovers::Looking }
    };
    std::fs::read_dir("/proc").expect("processes").flatten().map(one).max().unwrap_or(Leftovers::None)
}

/// What must hold of every journal, whatever was killed: each attempt has a number of its own, what was taken back is left
/// alone, and whoever takes the lease later has a larger number.
pub(crate) fn journals_hold(project: &Project) -> Holds {
    for run in runs(project) {
        let events = events(project, &run)?;
        let (mut attempts, mut settled) = (Vec::new(), Vec::new());
        let mut last = 0;
        for event in &events {
            if event["event"] == "step-started" {
                let attempt = (event["step"].clone(), event["attempt"].clone());
                hold!(!attempts.contains(&attempt), "run {run}: {attempt:?} was begun twice");
                attempts.push(attempt);
            }
            if event["event"] == "step-reverted" {
                settled.push(event["step"].clone());
            } else if event["event"] == "step-started" || event["event"] == "revert-started" {
                let step = &event["step"];
                hold!(!settled.contains(step), "run {run}: {step} was taken back, and is touched once more");
            }
            if event["event"] == "lease-taken" {
                let number = event["number"].as_u64().unwrap_or_default();
                hold!(number > last, "run {run}: the lease number {number} comes after {last}");
                last = number;
            }
        }
    }
    Ok(())
}

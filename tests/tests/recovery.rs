//! What comes after a run that did not end well: going on with it, taking it back, clearing up behind it, and that nobody
//! else gets in between. All of it from the outside, with runs that are really killed.

#![cfg(unix)]

#[path = "recovery/clock.rs"]
mod clock;
#[path = "recovery/damage.rs"]
mod damage;
#[path = "recovery/disk.rs"]
mod disk;
#[path = "recovery/drift.rs"]
mod drift;
#[path = "recovery/forge.rs"]
mod forge;
#[path = "recovery/lease.rs"]
mod lease;
#[path = "recovery/leftover.rs"]
mod leftover;
#[path = "recovery/reap.rs"]
mod reap;
#[path = "recovery/resume.rs"]
mod resume;
#[path = "recovery/resume_steps.rs"]
mod resume_steps;
#[path = "recovery/retention.rs"]
mod retention;
#[path = "recovery/rollback.rs"]
mod rollback;
#[path = "recovery/rollback_checks.rs"]
mod rollback_checks;
#[path = "recovery/rollback_places.rs"]
mod rollback_places;
#[path = "recovery/rollback_records.rs"]
mod rollback_records;
#[path = "recovery/signals.rs"]
mod signals;
#[path = "recovery/status.rs"]
mod status;

use e2e::Project;
use e2e::steps::{Step, order, outcomes, project, text, text_with, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Sends a signal by its name.
fn signal(name: &str, process: u32) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {process}")).status().expect("a shell");
    assert!(status.success(), "the process is there");
}

/// A script that says its process's id and takes for ever the first time, and does something else later.
fn stuck(file: &str, then: &str) -> String {
    format!("if test ! -e {file}; then echo $$ > {file}.part && mv {file}.part {file} && exec sleep 600; fi; {then}")
}

/// A step that takes for ever the first time, leaves its line later, and can tell whether it is done.
fn stuck_step(id: &str) -> Step {
    Step::marks(id).run(&stuck("child", &format!("echo {id} >> order"))).unless(&format!("grep -qx {id} order"))
}

/// Ends the child that wrote its id into this file.
fn end_child(project: &Project, file: &str) {
    let child = project.read(file).trim().to_owned();
    signal("KILL", child.parse().expect("a process"));
    until("the child's end", || !e2e::traces::runs(&child));
}

/// Kills a process as nobody can prevent, and waits for its end.
fn kill(mut run: Child) {
    run.kill().expect("it is there");
    run.wait().expect("an end");
}

/// Starts Windlass, waits for a child that takes for ever, and kills both. Returns the newest run.
fn cut_off(project: &Project, words: &str, file: &str) -> String {
    let run = project.start(words);
    until(file, || project.has(file));
    kill(run);
    end_child(project, file);
    newest(project)
}

/// Starts Windlass and waits until it waits for another run's lease. What it says goes into the file `told`.
fn start_waiting(project: &Project, words: &str) -> Child {
    let told = std::fs::File::create(project.path().join("told")).expect("a file");
    let mut command = project.command(words.split_whitespace());
    let child = command.stdout(Stdio::piped()).stderr(told).spawn().expect("the binary runs");
    until("its waiting", || project.read("told").contains("waiting for run"));
    child
}

/// The runs, oldest first.
fn runs(project: &Project) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(project.path().join(".windlass/runs")) else { return vec![] };
    let mut runs: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    runs.sort();
    runs
}

fn newest(project: &Project) -> String {
    runs(project).pop().expect("a run")
}

fn journal_of(project: &Project, run: &str) -> PathBuf {
    project.path().join(format!(".windlass/runs/{run}/journal.jsonl"))
}

/// The events of a run.
fn events(project: &Project, run: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(journal_of(project, run)).expect("a journal");
    text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["event"].clone()).collect()
}

/// The events of a run that have this name.
fn events_named(project: &Project, run: &str, name: &str) -> Vec<Value> {
    events(project, run).into_iter().filter(|event| event["event"] == name).collect()
}

/// Leaves of a run's journal what was written before the last event of this name, as if the process had ended there.
fn cut_before(project: &Project, run: &str, event: &str) {
    let text = std::fs::read_to_string(journal_of(project, run)).expect("a journal");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let last = lines.iter().rposition(|line| line.contains(&format!("\"event\":\"{event}\""))).expect("such an event");
    std::fs::write(journal_of(project, run), lines[..last].concat()).expect("a journal");
}

/// All journals, byte for byte.
fn journals(project: &Project) -> BTreeMap<String, Vec<u8>> {
    runs(project)
        .into_iter()
        .map(|run| (run.clone(), std::fs::read(journal_of(project, &run)).expect("a journal")))
        .collect()
}

/// Everything that Windlass keeps, byte for byte.
fn everything(project: &Project) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, files);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                files.insert(path, bytes);
            }
        }
    }
    let mut files = BTreeMap::new();
    collect(&project.path().join(".windlass"), &mut files);
    files
}

/// What `status` says of the one place that there is.
fn status(project: &Project) -> Value {
    project.windlass("status --format json").exits(0).result()[0].clone()
}

/// The version that is live, as `status` has it.
fn live(project: &Project) -> Option<String> {
    status(project)["live"]["version"].as_str().map(str::to_owned)
}

/// A step that leaves its id with the version, and takes that back by another line.
fn versioned(id: &str) -> Step {
    Step::marks(id)
        .run(&format!("echo {id}-${{deployment.version}} >> order"))
        .reverted_by(&format!("echo -{id}-${{deployment.version}} >> order"))
}

/// Deploys a version. Returns its run.
fn release(project: &Project, version: &str) -> String {
    let _ = project.windlass(&format!("run --release-version {version}")).exits(0);
    newest(project)
}

//! Runs of a project from the outside: their journals, their children, and how they are killed.

use crate::Project;
use crate::steps::until;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Sends a signal by its name.
pub fn signal(name: &str, process: u32) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {process}")).status().expect("a shell");
    assert!(status.success(), "the process is there");
}

/// A script that says its process's id and takes for ever the first time, and does something else later.
#[must_use]
pub fn stuck(file: &str, then: &str) -> String {
    format!("if test ! -e {file}; then echo $$ > {file}.part && mv {file}.part {file} && exec sleep 600; fi; {then}")
}

/// Ends the child that wrote its id into this file.
pub fn end_child(project: &Project, file: &str) {
    let child = project.read(file).trim().to_owned();
    signal("KILL", child.parse().expect("a process"));
    until("the child's end", || !crate::traces::runs(&child));
}

/// Kills a process as nobody can prevent, and waits for its end.
pub fn kill(mut run: Child) {
    run.kill().expect("it is there");
    run.wait().expect("an end");
}

/// Starts Windlass, waits for a child that takes for ever, and kills both. Returns the newest run.
pub fn cut_off(project: &Project, words: &str, file: &str) -> String {
    let run = project.start(words);
    until(file, || project.has(file));
    kill(run);
    end_child(project, file);
    newest(project)
}

/// The runs, oldest first.
#[must_use]
pub fn runs(project: &Project) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(project.path().join(".windlass/runs")) else { return vec![] };
    let mut runs: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    runs.sort();
    runs
}

/// The newest run.
#[must_use]
pub fn newest(project: &Project) -> String {
    runs(project).pop().expect("a run")
}

/// The journal of a run.
#[must_use]
pub fn journal_of(project: &Project, run: &str) -> PathBuf {
    project.path().join(format!(".windlass/runs/{run}/journal.jsonl"))
}

/// The events of a run.
#[must_use]
pub fn events(project: &Project, run: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(journal_of(project, run)).expect("a journal");
    text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["event"].clone()).collect()
}

/// The events of a run that have this name.
#[must_use]
pub fn events_named(project: &Project, run: &str, name: &str) -> Vec<Value> {
    events(project, run).into_iter().filter(|event| event["event"] == name).collect()
}

/// Leaves of a run's journal what was written before the last event of this name, as if the process had ended there.
pub fn cut_before(project: &Project, run: &str, event: &str) {
    let text = std::fs::read_to_string(journal_of(project, run)).expect("a journal");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let last = lines.iter().rposition(|line| line.contains(&format!("\"event\":\"{event}\""))).expect("such an event");
    std::fs::write(journal_of(project, run), lines[..last].concat()).expect("a journal");
}

/// Starts Windlass and waits until it waits for another run's lease. What it says goes into the file `told`.
#[must_use]
pub fn start_waiting(project: &Project, words: &str) -> Child {
    let told = std::fs::File::create(project.path().join("told")).expect("a file");
    let mut command = project.command(words.split_whitespace());
    let child = command.stdout(Stdio::piped()).stderr(told).spawn().expect("the binary runs");
    until("its waiting", || project.read("told").contains("waiting for run"));
    child
}

/// A journal's text, in which an event of this name is another one, by somebody who knows how to compute a chain.
#[must_use]
pub fn with_event(text: &str, name: &str, change: impl Fn(&mut Value)) -> String {
    let mut before = String::new();
    let mut forged = String::new();
    for line in text.lines() {
        let (body, _) = line.rsplit_once(",\"chain\":\"").expect("a chain");
        let mut event = serde_json::from_str::<Value>(line).expect("JSON")["event"].clone();
        let (head, _) = body.split_once(",\"event\":").expect("an event");
        let body = if event["event"] == name {
            change(&mut event);
            format!("{head},\"event\":{event}")
        } else {
            body.to_owned()
        };
        before = hex::encode(Sha256::digest(format!("{before}{body}")));
        forged.push_str(&format!("{body},\"chain\":\"{before}\"}}\n"));
    }
    forged
}

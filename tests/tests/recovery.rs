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
use e2e::runs::{
    cut_before, cut_off, end_child, events, events_named, journal_of, kill, newest, runs, signal, start_waiting, stuck,
};
use e2e::steps::{Step, order, outcomes, project, text, text_with, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A step that takes for ever the first time, leaves its line later, and can tell whether it is done.
fn stuck_step(id: &str) -> Step {
    Step::marks(id).run(&stuck("child", &format!("echo {id} >> order"))).unless(&format!("grep -qx {id} order"))
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

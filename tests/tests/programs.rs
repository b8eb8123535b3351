//! Programs that a plugin runs, from the outside: what they read, how they end, and what they may leave behind.

#![cfg(unix)]

use e2e::Project;
use e2e::probe::Probe;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn grant(program: &str, background: bool) -> Value {
    json!({ "kind": "exec", "program": program, "background": background, "phases": ["apply"] })
}

fn pipe(project: &Project, name: &str) -> std::path::PathBuf {
    let path = project.path().join(name);
    assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    path
}

/// Tells when everybody who has the other end of a pipe is gone, and what they wrote.
fn end_of(path: std::path::PathBuf) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text));
        let _ = sender.send(text);
    });
    receiver
}

#[test]
fn a_program_reads_its_input_and_its_ending_is_told() {
    let results = Probe::new()
        .asks(grant("cat", false))
        .asks(json!({ "kind": "exec", "program": "sh", "arguments": ["-c", "*"], "phases": ["apply"] }))
        .asks(grant("no-such-program", false))
        .asks(grant("./missing", false))
        .applies(json!({ "do": "exec", "program": "cat", "input": "hello" }))
        .applies(json!({ "do": "exec", "program": "cat" }))
        .applies(json!({ "do": "exec", "program": "sh", "arguments": ["-c", "echo no >&2; exit 3"] }))
        .applies(json!({ "do": "exec", "program": "sh", "arguments": ["-c", "kill -9 $$"] }))
        .applies(
            json!({ "do": "exec", "program": "sh", "arguments": ["-c", "echo first; exec sleep 600"], "timeout": 200 }),
        )
        .applies(json!({ "do": "exec", "program": "no-such-program" }))
        .applies(json!({ "do": "exec", "program": "./missing" }))
        .results();
    assert_eq!(results[0], "ok: exit code 0 out=hello err= tail=hello");
    assert_eq!(results[1], "ok: exit code 0 out= err= tail=");
    assert_eq!(results[2], "ok: exit code 3 out= err=no\n tail=no");
    assert_eq!(results[3], "ok: signal 9 out= err= tail=");
    assert_eq!(results[4], "ok: its timeout out=first\n err= tail=first");
    for (result, program) in [(&results[5], "no-such-program"), (&results[6], "./missing")] {
        assert!(
            result.starts_with(&format!("unavailable: program-not-found: there is no program `{program}`")),
            "{result}"
        );
    }
}

#[test]
fn what_a_program_leaves_running_ends_with_it() {
    let project = Probe::new()
        .asks(grant("./leave", false))
        .applies(json!({ "do": "exec", "program": "./leave" }))
        .project()
        .file("leave", "#!/bin/sh\nexec 3>alive\nsleep 600 &\n")
        .locked();
    let gone = end_of(pipe(&project, "alive"));
    let _ = project.windlass("run").exits(0);
    gone.recv_timeout(PATIENCE).expect("what was left is gone");
}

#[test]
fn what_a_program_leaves_running_stays_where_that_was_accepted() {
    let project = Probe::new()
        .asks(grant("./leave", true))
        .applies(json!({ "do": "exec", "program": "./leave" }))
        .project()
        .file("leave", "#!/bin/sh\nexec 3>alive\n(read word < go; echo \"still here, $word\" >&3) > /dev/null 2>&1 &\n")
        .locked();
    let (alive, go) = (pipe(&project, "alive"), pipe(&project, "go"));
    let said = end_of(alive);
    let _ = project.windlass("run").exits(0);
    let mut go = std::fs::OpenOptions::new().write(true).open(go).expect("somebody reads");
    go.write_all(b"friend\n").expect("somebody reads");
    assert_eq!(said.recv_timeout(PATIENCE).expect("an end"), "still here, friend\n");
}

#[test]
fn a_program_has_a_temporary_directory_of_its_own_that_goes_with_it() {
    let project = Probe::new()
        .asks(grant("./temporary", false))
        .applies(json!({ "do": "exec", "program": "./temporary" }))
        .project()
        .file("temporary", "#!/bin/sh\necho text > \"$TMPDIR/file\"\nprintf '%s %s' \"$TMPDIR\" \"$(ls -ld \"$TMPDIR\" | cut -c1-10)\"\n")
        .locked();
    let _ = project.windlass("run").exits(0);
    let result = project.results().remove(0);
    let said = result.split_once("out=").expect("an output").1.split_once(" err=").expect("an end").0;
    let (path, mode) = said.rsplit_once(' ').expect("both");
    assert_eq!(mode, "drwx------", "{result}");
    assert!(!std::path::Path::new(path).exists(), "{path}");
}

//! Bad input: each kind of mistake in `deploy.toml`, `deploy.lock`, a plugin file, a migration directory or on the command
//! line is told in four parts, with exit code 2, 20, 21 or 22, and nothing is run.
//!
//! Whole messages are compared where they stand for many; of the others, the parts that matter.

#[path = "bad_input/config.rs"]
mod config;
#[path = "bad_input/gate.rs"]
mod gate;
#[path = "bad_input/lock.rs"]
mod lock;
#[path = "bad_input/migrations.rs"]
mod migrations;
#[path = "bad_input/plugins.rs"]
mod plugins;
#[path = "bad_input/step_config.rs"]
mod step_config;

use e2e::{Output, Project};

/// What every project here begins with: a step that would leave a trace.
const HEAD: &str = r#"schema = 1
app = "shop"

[environments.staging]

[[step]]
id = "mark"
plugin = "command"
with = { run = ["touch", "touched"] }
"#;

/// That text, and more.
fn config(more: &str) -> String {
    format!("{HEAD}\n{more}")
}

/// What is wrong with a refusal that should have been one: nothing, if it says what it must, and nothing was run.
fn faults(project: &Project, output: &Output, code: i32, parts: &[&str]) -> Vec<String> {
    let mut faults = vec![];
    let text = &output.stderr;
    if output.code != Some(code) {
        faults.push(format!("ended with {:?} and not with {code}", output.code));
    }
    if !text.starts_with("error: ") && !text.contains("\nerror: ") {
        faults.push("says no `error:`".into());
    }
    if !text.contains("note: nothing was run") && !text.contains("note: no migration was run") {
        faults.push("does not say that nothing was run".into());
    }
    if !text.contains("\nhint: ") {
        faults.push("says nothing that helps".into());
    }
    for line in text.lines().filter(|line| ["error: ", "note: ", "hint: "].iter().any(|part| line.starts_with(part))) {
        let words = line.split_once(' ').map_or("", |(_, words)| words);
        if words.ends_with('.') || words.starts_with(|first: char| first.is_uppercase()) {
            faults.push(format!("is not in the form of an error: {line}"));
        }
    }
    faults.extend(parts.iter().filter(|part| !text.contains(**part)).map(|part| format!("does not say: {part}")));
    if text.contains("hunter2") || output.stdout.contains("hunter2") {
        faults.push("says a secret".into());
    }
    for trace in [".windlass/runs", "touched"] {
        if project.has(trace) {
            faults.push(format!("left `{trace}`"));
        }
    }
    if !faults.is_empty() {
        faults.push(output.all());
    }
    faults
}

/// Checks one refusal and returns what was said.
#[track_caller]
fn refused(project: &Project, words: &str, code: i32, parts: &[&str]) -> String {
    let output = project.windlass(words);
    let faults = faults(project, &output, code, parts);
    assert!(faults.is_empty(), "`windlass {words}` {}", faults.join("\n  "));
    output.stderr
}

/// A mistake in `deploy.toml`: what it is, the text, and what has to be said of it.
type Mistake<'a> = (&'a str, &'a str, &'a [&'a str]);

/// Checks a table of mistakes: the command refuses each.
#[track_caller]
fn all_refused(words: &str, text_of: fn(&str) -> String, mistakes: &[Mistake<'_>]) {
    let mut wrong = String::new();
    let project = Project::new();
    for (name, text, parts) in mistakes {
        project.write("deploy.toml", &text_of(text));
        let output = project.windlass(words);
        for fault in faults(&project, &output, 2, parts) {
            wrong.push_str(&format!("{name}: {fault}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

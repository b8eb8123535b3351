//! `deploy.lock`: missing, damaged, edited, or too narrow for what is asked for.

use super::{config, refused};
use e2e::Project;
use e2e::probe::Probe;
use serde_json::json;

fn locked() -> Project {
    Project::with(&config("")).locked()
}

/// With one text put for another in the lock.
fn edited(project: &Project, from: &str, to: &str) {
    let lock = project.read("deploy.lock");
    assert!(lock.contains(from), "`{from}` is in {lock}");
    project.write("deploy.lock", &lock.replace(from, to));
}

#[test]
fn a_lock_that_is_missing() {
    let project = Project::with(&config(""));
    insta::assert_snapshot!(refused(&project, "run", 22, &[]), @"
    error: there is no `deploy.lock`
      Caused by: nothing that a plugin asks for is accepted until it is
    note: nothing was run
    hint: run `windlass lock`, commit the file and have it reviewed
    ");
    refused(&project, "plan", 22, &["there is no `deploy.lock`"]);
    refused(&project, "lock --check", 22, &["`deploy.lock`"]);
    refused(&project, "check", 22, &["`deploy.lock`"]);
    assert!(!project.has("deploy.lock"));
}

#[test]
fn a_lock_that_cannot_be_read() {
    let project = Project::with(&config("")).file("deploy.lock", "schema = 1\n[environment.staging\n");
    refused(&project, "run", 22, &["`deploy.lock` cannot be read", "line 2"]);
    refused(&project, "lock --check", 22, &["`deploy.lock` cannot be read"]);
    std::fs::write(project.path().join("deploy.lock"), b"schema = 1 # \xff\n").expect("a file");
    refused(&project, "run", 22, &["`deploy.lock` cannot be read", "UTF-8"]);
}

#[test]
fn a_lock_of_another_schema() {
    let project = locked();
    edited(&project, "schema = 1", "schema = 7");
    refused(&project, "run", 22, &["it has schema 7, and this Windlass knows schema 1"]);
}

#[test]
fn a_lock_with_an_unknown_key() {
    let project = locked();
    edited(&project, "program = ", "anything = true, program = ");
    refused(&project, "run", 22, &["`deploy.lock` cannot be read", "anything"]);
}

#[test]
fn a_lock_that_accepts_what_no_lock_may() {
    let project = locked();
    edited(&project, "program = \"touch\"", "program = \"../../bin/touch\"");
    refused(&project, "run", 22, &["`deploy.lock` cannot be read", "outside the project"]);
}

#[test]
fn another_version_of_a_plugin() {
    let project = locked();
    edited(&project, "command@", "command@9.");
    insta::assert_snapshot!(refused(&project, "run", 22, &[]), @"
    error: plugin `command@0.1.0` is not accepted
      Caused by: `deploy.lock` accepts `command@9.0.1.0`
    note: nothing was run; this is about step `mark` in environment `staging`
    hint: run `windlass lock`, and have the change to `deploy.lock` reviewed
    ");
}

#[test]
fn another_file_than_was_accepted() {
    let project = Project::with(&config("[[step]]\nid = \"a\"\nplugin = \"./noop.wasm\"\n")).guest("noop").locked();
    // An empty custom section: the same component in other bytes.
    let mut bytes = std::fs::read(project.path().join("noop.wasm")).expect("a guest");
    bytes.extend_from_slice(b"\0\x02\x01a");
    std::fs::write(project.path().join("noop.wasm"), bytes).expect("written");
    refused(&project, "run", 22, &["is not the file that was accepted", "`deploy.lock` has sha256"]);
    refused(&project, "lock --check", 22, &["`deploy.lock` is not what `deploy.toml` asks for now"]);
}

#[test]
fn a_capability_that_was_not_accepted() {
    let project = locked();
    project.write("deploy.toml", &config("").replace("\"touched\"", "\"touched\", \"more\""));
    insta::assert_snapshot!(refused(&project, "run", 22, &[]), @"
    error: step `mark` asks for what `deploy.lock` does not accept
      Caused by: it wants to run `touch touched more`, unconfined (apply)
    note: nothing was run; this is about environment `staging`
    hint: run `windlass lock`, and have the change to `deploy.lock` reviewed
    ");
    refused(&project, "check", 22, &["`deploy.lock` is not what `deploy.toml` asks for now"]);
}

#[test]
fn a_step_or_an_environment_that_was_not_accepted() {
    let project = locked();
    project.write("deploy.toml", &config("[[step]]\nid = \"a\"\nplugin = \"command\"\nwith.run = [\"true\"]\n"));
    refused(&project, "run", 22, &["step `a` is not accepted", "in environment `staging`"]);
    project.write("deploy.toml", &config("[environments.production]\n"));
    refused(&project, "run -e production", 22, &["`deploy.lock` accepts nothing in environment `production`"]);
}

#[test]
fn a_value_that_would_make_a_pattern_of_a_literal() {
    let text = config("")
        .replace("app = \"shop\"", "app = \"shop\"\nenv = [\"WHAT\"]")
        .replace("\"touched\"", "\"touched\", \"${env.WHAT}\"");
    for value in ["*", "**"] {
        let project = Project::with(&text).variable("WHAT", value).locked();
        refused(&project, "run", 2, &["a grant would take for any argument"]);
    }
    // Where the plugin does not mind, the host does.
    let asked = json!({ "kind": "exec", "program": "ls", "arguments": ["${env.WHAT}"], "phases": ["apply"] });
    let probe = Probe::new().asks(asked).step("a");
    let text = config(&probe).replace("app = \"shop\"", "app = \"shop\"\nenv = [\"WHAT\"]");
    for value in ["*", "**", "-R", "--color=always"] {
        let project = Project::with(&text).guest("probe").variable("WHAT", value).locked();
        let parts = [
            "step `a` asks for what `deploy.lock` does not accept",
            "run `ls ",
            "a value makes more of it than was read",
        ];
        refused(&project, "run", 22, &parts);
    }
    // What stands in an option is a value, and a value may have a hyphen in it.
    for (written, value) in [("--hide=${env.WHAT}", "-R"), ("${env.WHAT}", "a-b")] {
        let asked = json!({ "kind": "exec", "program": "ls", "arguments": [written], "phases": ["apply"] });
        let text =
            config(&Probe::new().asks(asked).step("a")).replace("app = \"shop\"", "app = \"shop\"\nenv = [\"WHAT\"]");
        let _ = Project::with(&text).guest("probe").variable("WHAT", value).locked().windlass("run").exits(0);
    }
}

//! Mistakes in a step's `with`: seen by the plugin's schema, by the plugin, or by the host in what the plugin asks for.

use super::{Mistake, all_refused, config, refused};
use e2e::Project;
use e2e::probe::Probe;
use serde_json::json;

#[test]
fn by_schema_by_plugin_and_by_what_may_be_asked_for() {
    let mistakes: &[Mistake<'_>] = &[
        (
            "a text for a list",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith.run = \"true\"",
            &["deploy.toml:14:12", "`with.run` of step `a` must be an array"],
        ),
        (
            "unknown key",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { rnu = [\"a\"] }",
            &["`rnu`", "write `run`", "deploy.toml:14:10"],
        ),
        ("missing key", "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = {}", &["`run`"]),
        (
            "unknown word",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { run = [\"a\"], effect = \"change\" }",
            &["`change`", "`changes`"],
        ),
        (
            "what contradicts itself",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { run = [\"a\"], revert = [\"b\"], effect = \"reads\" }",
            &["contradict each other"],
        ),
        (
            "a program with a hole",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { run = [\"${deployment.version}\"] }",
            &["leaves open which program it runs", "deploy.toml:14"],
        ),
        (
            "a pattern for an argument",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { run = [\"ls\", \"*\"] }",
            &["a grant would take for any argument"],
        ),
        (
            "a directory outside the project",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { run = [\"a\"], directory = \"../elsewhere\" }",
            &["the directory `../elsewhere` is outside the project", "deploy.toml:14"],
        ),
        (
            "a program outside the project",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { run = [\"../../bin/x\"] }",
            &["is outside the project"],
        ),
        (
            "a program by its whole path",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { run = [\"/bin/sh\"] }",
            &["is outside the project"],
        ),
        (
            "a directory with a hole",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { run = [\"a\"], directory = \"${deployment.version}\" }",
            &["a directory cannot be known only at run time"],
        ),
        (
            "a password in a URL",
            "[[step]]\nid = \"a\"\nplugin = \"migrate\"\nwith = { directory = \"db\", database = { url = \"postgres://app:hunter2@db/shop\" } }",
            &["password", "{ secret = "],
        ),
        (
            "two databases",
            "[[step]]\nid = \"a\"\nplugin = \"migrate\"\nwith = { directory = \"db\", database = {} }",
            &["database"],
        ),
        (
            "a URL that is none",
            "[[step]]\nid = \"a\"\nplugin = \"smoke-test\"\nwith.checks = [{ url = \"shop\" }]",
            &["`shop`"],
        ),
        ("nothing to check", "[[step]]\nid = \"a\"\nplugin = \"smoke-test\"\nwith.checks = []", &["checks"]),
        (
            "a secret that is no reference",
            "[[step]]\nid = \"a\"\nplugin = \"notify-slack\"\nwith = { channel = \"#a\", token = \"xoxb-1\" }",
            &["token"],
        ),
    ];
    all_refused("check", config, mistakes);
}

#[test]
fn the_position_is_the_value_in_deploy_toml() {
    let project =
        Project::with(&config("[[step]]\nid = \"a\"\nplugin = \"command\"\n[step.with]\nrun = [\"true\", 1]\n"));
    insta::assert_snapshot!(refused(&project, "run", 2, &[]), @r#"
    error: `with.run[1]` of step `a` must be a string, not `1`
      --> deploy.toml:15:16
       |
    15 | run = ["true", 1]
       |                ^
    note: nothing was run
    hint: `windlass schema command` prints what fits
    "#);
    project.write(
        "deploy.toml",
        &config("[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { run = [\"a\"], directory = \"../b\" }\n"),
    );
    insta::assert_snapshot!(refused(&project, "check", 2, &[]), @r#"
    error: the directory `../b` is outside the project
      --> deploy.toml:14:8
       |
    14 | with = { run = ["a"], directory = "../b" }
       |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    note: nothing was run
    hint: name a directory below the one that holds `deploy.toml`
    "#);
}

#[test]
fn an_overlay_that_does_not_fit_is_found_in_its_environment() {
    let project = Project::with(&config("[environments.production.step.mark.with]\nrun = 1\n"));
    refused(&project, "run -e production", 2, &["`with.run` of step `mark`", "deploy.toml:12:7"]);
    refused(&project, "lock", 2, &["`with.run` of step `mark`", "deploy.toml:12:7"]);
    assert!(!project.has("deploy.lock"));
}

#[test]
fn directories_that_overlap() {
    let tree = |path: &str| json!({ "kind": "directory", "path": path, "phases": ["apply"] });
    for (one, other) in [("db", "db/migrations"), ("db/./migrations", "db"), ("db", "db"), (".", "db")] {
        let probe = Probe::new()
            .asks(tree(one))
            .asks(json!({ "kind": "directory", "path": other, "write": true, "phases": ["apply"] }));
        let project = Project::with(&config(&probe.step("a"))).guest("probe");
        refused(&project, "check", 2, &["overlap", "deploy.toml:1"]);
    }
    let apart = Probe::new().asks(tree("db")).asks(tree("db2"));
    let project = Project::with(&config(&apart.step("a"))).guest("probe").locked();
    let _ = project.windlass("check").exits(0);
}

#[test]
fn variables_of_ci() {
    let text = config("")
        .replace("app = \"shop\"", "app = \"shop\"\nenv = [\"BUILD\"]")
        .replace("\"touched\"", "\"touched\", \"${env.BUILD}\"");
    let project = Project::with(&text).locked();
    insta::assert_snapshot!(refused(&project, "run", 2, &[]), @r#"
    error: step `mark` uses a value that is not there
      --> deploy.toml:10:8
       |
    10 | with = { run = ["touch", "touched", "${env.BUILD}"] }
       |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      Caused by: nothing is known that could fill `${env.BUILD}`
    note: nothing was run
    hint: set the variable in the job, or take it out
    "#);
}

#[test]
fn a_secret_is_no_variable() {
    let text = config("[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { run = [\"true\"], secrets = { TOKEN = { secret = \"TOKEN\" } } }\n")
        .replace("app = \"shop\"", "app = \"shop\"\nenv = [\"TOKEN\"]");
    let project = Project::with(&text).variable("TOKEN", "hunter2-hunter2").locked();
    refused(&project, "run", 2, &["`env` names `TOKEN`, which is a secret", "deploy.toml:3"]);
}

#[test]
fn a_secret_that_is_not_set() {
    let text = config(
        "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { run = [\"true\"], secrets = { TOKEN = { secret = \"TOKEN\" } } }\n",
    );
    let project = Project::with(&text).locked();
    insta::assert_snapshot!(refused(&project, "run", 2, &[]), @"
    error: step `a` needs the secret `TOKEN`
      Caused by: the environment variable `TOKEN` is not set, or empty
    note: nothing was run
    hint: set `TOKEN` in the environment; in CI, pass the secret to the job
    ");
}

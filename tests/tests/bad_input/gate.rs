//! Plans that are none or have drifted, approvals, the order of environments, and leases.

use super::{config, refused};
use e2e::{COMMIT, Project};

fn locked() -> Project {
    Project::with(&config("")).locked()
}

#[test]
fn plans_that_are_none() {
    let project = locked();
    refused(&project, "run --plan plan.json", 2, &["`plan.json` cannot be read"]);
    project.write("plan.json", "{");
    refused(&project, "run --plan plan.json", 2, &["`plan.json` is not a plan"]);
    let _ = project.windlass("plan -o plan.json").exits(0);
    let plan = project.read("plan.json");
    project.write("plan.json", &plan.replace("windlass.plan/1", "windlass.plan/2"));
    refused(
        &project,
        "run --plan plan.json",
        2,
        &["it has schema `windlass.plan/2`, and this Windlass knows `windlass.plan/1`"],
    );
    project.write("plan.json", &plan.replace("\"shop\"", "\"shoe\""));
    insta::assert_snapshot!(refused(&project, "run --plan plan.json", 2, &[]), @"
    error: `plan.json` is not a plan
      Caused by: it says its digest is `sha256:[digest]`, but it is `sha256:[digest]`
    note: nothing was run
    hint: make one with `windlass plan -o FILE`
    ");
}

#[test]
fn plans_that_drifted() {
    let project = Project::with(&config("[environments.production]\n")).locked();
    let _ = project.windlass("plan -e staging -o plan.json").exits(0);
    let other = COMMIT.replace('0', "f");
    let words = format!("run -e staging --plan plan.json --commit {other}");
    let drifted = refused(&project, &words, 20, &["what would run now is not what was planned"]);
    insta::assert_snapshot!(drifted, @"
    error: what would run now is not what was planned
      Caused by: commit was `0123456789abcdef0123456789abcdef01234567` and is `f123456789abcdeff123456789abcdeff1234567`
                 version was `0123456789` and is `f123456789`
    note: nothing was run
    hint: make a new plan with `windlass plan -o FILE`, and have that approved
    ");
    refused(&project, "run -e production --plan plan.json", 20, &["environment was `staging` and is `production`"]);
    refused(
        &project,
        "run -e staging --plan plan.json --release-version 2.0.0",
        20,
        &["version was `0123456789` and is `2.0.0`"],
    );
    let more = config("[environments.production]\n[[step]]\nid = \"a\"\nplugin = \"command\"\nwith.run = [\"true\"]\n");
    project.write("deploy.toml", &more);
    let project = project.locked();
    refused(&project, "run -e staging --plan plan.json", 20, &["step `a` is new"]);
}

#[test]
fn an_approval_that_is_demanded() {
    let project = Project::with(&config("[environments.production]\napproval = { required = 1 }\n")).locked();
    refused(
        &project,
        "run -e production",
        21,
        &[
            "environment `production` demands an approval of this plan",
            "--> deploy.toml:12:12",
            "0 of 1 people have approved it",
            "`windlass approve -e production ",
        ],
    );
}

#[test]
fn an_environment_that_comes_after_another() {
    let project = Project::with(&config("[environments.production]\nafter = [\"staging\"]\n")).locked();
    refused(
        &project,
        "run -e production",
        21,
        &["`production` comes after `staging`", "nothing was deployed to `staging` yet"],
    );
    // The traces of the first deployment are its own.
    let _ = project.windlass("run -e staging").exits(0);
    std::fs::remove_file(project.path().join("touched")).expect("removed");
    let runs = std::fs::read_dir(project.path().join(".windlass/runs")).expect("runs").count();
    let output = project.windlass(&format!("run -e production --commit {}", COMMIT.replace('0', "f"))).exits(21);
    assert!(output.stderr.contains("its newest successful deployment is of commit `0123456789`"), "{}", output.stderr);
    assert!(!project.has("touched"));
    assert_eq!(std::fs::read_dir(project.path().join(".windlass/runs")).expect("runs").count(), runs);
    let _ = project.windlass("run -e production").exits(0);
}

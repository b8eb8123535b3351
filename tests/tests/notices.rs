//! What a person is told that no exit code says: what was ended, what is not the commit, and what nobody can have agreed to.

use e2e::Project;

const CONFIG: &str = r#"
schema = 1
app = "shop"

[environments.staging]

[[step]]
id = "release"
plugin = "command"
with = { run = ["./release"], effect = "changes" }
"#;

#[cfg(unix)]
#[test]
fn what_a_program_left_running_is_ended_and_named() {
    let leaves = "#!/bin/sh\nsleep 300 >/dev/null 2>&1 &\n";
    let words = "what `./release` left running was ended; `background = true` would let it stay";
    let project = Project::with(CONFIG).file("release", leaves).locked();
    let output = project.windlass("run").exits(0);
    assert!(output.stderr.contains(words), "{}", output.stderr);

    let project = Project::with(CONFIG).file("release", "#!/bin/sh\ntrue\n").locked();
    let output = project.windlass("run").exits(0);
    assert!(!output.stderr.contains("left running"), "{}", output.stderr);
}

#[cfg(unix)]
#[test]
fn a_working_tree_that_is_not_the_commit_is_named() {
    let project = Project::with(CONFIG).file("release", "#!/bin/sh\ntrue\n").locked();
    let commit = project.commit();
    let output = project.windlass("plan").exits(0);
    assert!(!output.stdout.contains("is not commit"), "{}", output.stdout);

    project.write("release", "#!/bin/sh\nexit 0\n");
    let output = project.windlass("plan").exits(0);
    let words = format!("warning: what is deployed is not commit {}: `release` changed since", &commit[..10]);
    assert!(output.stdout.contains(&words), "{}", output.stdout);
    assert!(project.windlass("run").exits(0).stderr.contains(&words));
    // A checkout of CI is the commit, whatever the job has built in it.
    let output = project.windlass_with("plan", &[("CI", "true")]).exits(0);
    assert!(!output.stdout.contains("is not commit"), "{}", output.stdout);
}

#[test]
fn an_incomplete_plan_is_nothing_that_was_agreed_to() {
    let config = CONFIG.replace(
        r#"with = { run = ["./release"], effect = "changes" }"#,
        r#"with = { run = ["./release"], unless = ["./release", "--is"], secrets = { TOKEN = { secret = "TOKEN" } } }"#,
    );
    let project = Project::with(&config).file("release", "#!/bin/sh\ntrue\n").locked();
    let _ = project.windlass("plan -o plan.json").exits(0);
    let output = project.windlass_with("run --plan plan.json", &[("TOKEN", "s3cr3t-value")]).exits(2);
    assert!(output.stderr.contains("error: the plan in `plan.json` is incomplete"), "{}", output.stderr);
    assert!(output.stderr.contains("note: nothing was run"), "{}", output.stderr);
    assert!(!project.has(".windlass/runs"));
}

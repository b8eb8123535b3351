//! What a forge shows after a run that was cut off, or that could not tell it how it ended: the real binary against a GitHub on
//! loopback that is held to the official description.

use super::*;
use std::io::{BufRead as _, BufReader, Read as _};

const TOKEN: &str = "ghs_0123456789abcdefABCDEF";

/// A GitHub on loopback. Ends with its input, also where a test fails.
struct GitHub {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    address: String,
}

impl GitHub {
    fn start() -> Self {
        let stub = e2e::workspace().join("tests/action/github-stub.mjs");
        let mut command = Command::new("node");
        command.arg(stub).arg(TOKEN).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("node runs");
        let mut output = BufReader::new(process.stdout.take().expect("its output"));
        let mut address = String::new();
        output.read_line(&mut address).expect("its address");
        Self { process, output, address: address.trim().to_owned() }
    }

    /// From here on the token has expired, or, said again, it has not.
    fn expire_token(&mut self) {
        signal("USR2", self.process.id());
        let mut line = String::new();
        self.output.read_line(&mut line).expect("that it has heard it");
    }

    /// For each deployment its states, in order. There was no request that the description does not allow.
    fn states(mut self) -> Vec<Vec<String>> {
        drop(self.process.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text).expect("what it kept");
        self.process.wait().expect("an end");
        let kept: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(kept["mistakes"], serde_json::json!([]));
        let states = |deployment: &Value| {
            let statuses = deployment["statuses"].as_array().expect("statuses").iter();
            statuses.map(|status| status["state"].as_str().expect("a state").to_owned()).collect()
        };
        kept["deployments"].as_array().expect("deployments").iter().map(states).collect()
    }
}

/// A project in a job of this GitHub's.
fn project_in(github: &GitHub, steps: &[Step]) -> Project {
    Project::with(&text("store = \"local\"\n", steps))
        .variable("GITHUB_ACTIONS", "true")
        .variable("GITHUB_API_URL", &github.address)
        .variable("GITHUB_REPOSITORY", "acme/shop")
        .variable("GITHUB_SHA", e2e::COMMIT)
        .variable("GITHUB_TOKEN", TOKEN)
        .locked()
}

fn waits(then: &str) -> Step {
    Step::marks("a").run(&format!("touch waiting; while test ! -e go; do sleep 0.01; done; {then}"))
}

/// A run that cannot tell the forge how it ended.
fn untold(github: &mut GitHub, project: &Project, exit: i32) -> String {
    let run = project.start("run --format json");
    until("the step", || project.has("waiting"));
    github.expire_token();
    project.write("go", "");
    let _ = project.finish(run).exits(exit);
    github.expire_token();
    let run = newest(project);
    assert!(events_named(project, &run, "deployment-told").is_empty());
    run
}

#[test]
fn going_on_goes_on_with_the_same_deployment() {
    let github = GitHub::start();
    let project = project_in(&github, &[stuck_step("a")]);
    let run = cut_off(&project, "run", "child");
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    assert_eq!(order(&project), "a");
    assert_eq!(events_named(&project, &run, "deployment-told").len(), 1);
    assert_eq!(github.states(), [["in_progress", "success"]]);
}

#[test]
fn what_is_taken_back_is_shown_as_no_longer_live() {
    let github = GitHub::start();
    let project = project_in(&github, &[Step::marks("a")]);
    let _ = project.windlass("run").exits(0);
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a -a");
    assert_eq!(github.states(), [["in_progress", "success", "failure"]]);
}

#[test]
fn reaping_closes_the_deployment_once() {
    let github = GitHub::start();
    let project = project_in(&github, &[stuck_step("a")]);
    let run = cut_off(&project, "run", "child");
    for _ in 0..2 {
        let _ = project.windlass("reap").exits(0);
    }
    assert_eq!(events_named(&project, &run, "deployment-told").len(), 1);
    assert_eq!(github.states(), [["in_progress", "error"]]);
}

#[test]
fn reaping_without_the_token_says_so_and_can_be_done_again() {
    let github = GitHub::start();
    let project = project_in(&github, &[stuck_step("a")]);
    let run = cut_off(&project, "run", "child");
    let output = project.windlass("reap --forge local").exits(14);
    assert!(output.stderr.contains("github was not told"), "{}", output.stderr);
    assert_eq!(events_named(&project, &run, "run-finished").len(), 1);
    let _ = project.windlass("reap").exits(0);
    assert_eq!(events_named(&project, &run, "run-finished").len(), 1, "it was closed before");
    assert_eq!(github.states(), [["in_progress", "error"]]);
}

#[test]
fn what_the_forge_was_not_told_is_told_by_reaping() {
    let mut github = GitHub::start();
    let project = project_in(&github, &[waits("echo a >> order")]);
    let run = untold(&mut github, &project, 14);
    for _ in 0..2 {
        let _ = project.windlass("reap").exits(0);
    }
    assert_eq!(events_named(&project, &run, "deployment-told").len(), 1);
    assert_eq!(github.states(), [["in_progress", "success"]]);
}

#[test]
fn what_the_forge_was_not_told_is_told_by_the_next_run_as_it_was() {
    let mut github = GitHub::start();
    let project = project_in(&github, &[waits("exit 3")]);
    let run = untold(&mut github, &project, 10);
    let _ = project.windlass("run").exits(10);
    assert_eq!(events_named(&project, &run, "deployment-told").len(), 1);
    assert_eq!(github.states(), [["in_progress", "failure"], ["in_progress", "failure"]]);
}

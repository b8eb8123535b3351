//! What both forges show of a run that somebody stops: at once, with what is to be cleaned up, and what becomes of that later.

#![cfg(unix)]

use e2e::fault::Fault;
use e2e::github::GitHub;
use e2e::gitlab::GitLab;
use e2e::runs::{events_named, newest, signal};
use e2e::steps::{Step, order, text, text_with, until};
use e2e::{Output, Project};
use serde_json::json;
use std::time::{Duration, Instant};

fn project(variables: &[(&'static str, String)], steps: &[Step]) -> Project {
    let project = Project::with(&text("", steps));
    variables.iter().fold(project, |project, (name, value)| project.variable(name, value)).locked()
}

/// Something that stays, and then a child that does not listen.
fn steps() -> [Step; 2] {
    [Step::marks("a"), Step::marks("b").run("trap '' TERM; touch waiting; while true; do sleep 0.05; done")]
}

/// The newest description of the newest deployment.
fn description(github: &GitHub) -> String {
    let id = github.deployments().last().and_then(|it| it["id"].as_u64()).expect("a deployment");
    github.statuses(id).pop().and_then(|status| status["description"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// How often it was asked about deployments.
fn asked(github: &GitHub) -> usize {
    github.requests().iter().filter(|line| line.contains("/deployments")).count()
}

/// Stops a deployment as a forge does, and waits until that is shown.
fn stop(project: &Project, is_shown: impl Fn() -> bool) -> Output {
    let run = project.start("run -e staging --format json");
    until("the step", || project.has("waiting"));
    let begun = Instant::now();
    signal("TERM", run.id());
    until("that it is shown", is_shown);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    project.finish(run).exits(12)
}

#[test]
fn github_says_what_is_left_and_that_it_was_taken_back() {
    let github = GitHub::start();
    let project = project(&github.variables(), &steps());
    let output = stop(&project, || {
        let text = description(&github);
        text.starts_with("cancelled") && text.contains("`windlass rollback -e staging`")
    });
    assert_eq!(output.result()["reason"], json!("cancelled-unfinished"));
    let run = newest(&project);
    let left =
        format!("cancelled; `windlass rollback -e staging` takes back what was done, `windlass resume {run}` goes on");
    assert_eq!(description(&github), left);
    let _ = project.windlass("rollback -e staging").exits(0);
    assert_eq!(description(&github), "taken back");
    assert_eq!(github.deployments().len(), 1, "the same one");
    assert_eq!(github.states()[0].last().map(String::as_str), Some("failure"));
}

#[test]
fn gitlab_shows_it_as_cancelled_and_then_as_taken_back() {
    let gitlab = GitLab::start();
    let project = project(&gitlab.variables(None), &steps());
    let _ = stop(&project, || gitlab.deployments()[0]["status"] == "canceled");
    assert_eq!(gitlab.states(), [["running", "canceled"]]);
    let _ = project.windlass("rollback -e staging").exits(0);
    assert_eq!(gitlab.states(), [["running", "canceled", "failed"]]);
}

#[test]
fn a_child_that_hears_of_it_first_has_not_failed() {
    let project = project(&[], &[Step::marks("a"), Step::marks("b").run("echo $$ >waiting; exec sleep 600")]);
    let run = project.start("run -e staging --format json");
    until("the step", || project.has("waiting") && project.read("waiting").ends_with('\n'));
    // As the runner of a job ends everything that is in it, one after the other.
    signal("TERM", project.read("waiting").trim().parse().expect("a number"));
    signal("TERM", run.id());
    let _ = project.finish(run).exits(12);
    assert_eq!(events_named(&project, &newest(&project), "step-failed").len(), 0);
}

#[test]
fn what_left_nothing_says_so() {
    let github = GitHub::start();
    let [_, deaf] = steps();
    let project = project(&github.variables(), &[deaf.run("touch waiting; exec sleep 600")]);
    let text = project.read("deploy.toml");
    project.write("deploy.toml", &format!("on_cancel = \"rollback\"\n{text}"));
    let output = stop(&project, || description(&github).starts_with("cancelled"));
    assert_eq!(output.result()["reason"], json!("cancelled"));
    assert_eq!(description(&github), "cancelled; nothing is left to clean up");
}

#[test]
fn what_cannot_be_read_or_taken_back_in_one_place_keeps_no_other_from_being_taken_back() {
    let github = GitHub::start();
    let places = |names: &[&str]| names.iter().map(|name| format!("[environments.{name}]\n")).collect::<String>();
    let steps = [Step::marks("a"), Step::marks("b").run("touch waiting; exec sleep 600")];
    let text = |names: &[&str]| text_with("on_cancel = \"rollback\"", &places(names), &steps);
    let project = Project::with(&text(&["other", "production", "staging"])).locked();
    let job = [("CI", "true"), ("GITHUB_ACTIONS", "true"), ("RUNNER_NAME", "runner-1")];
    let project = github.variables().iter().fold(project, |project, (name, value)| project.variable(name, value));
    let project = job.into_iter().fold(project, |project, (name, value)| project.variable(name, value));
    for place in ["staging", "production", "other"] {
        let run = project.start(&format!("run -e {place}"));
        until("the step", || project.has("waiting"));
        signal("KILL", run.id());
        let _ = run.wait_with_output();
        std::fs::remove_file(project.path().join("waiting")).expect("it was there");
    }
    // The newest journal is damaged, and of the one before nobody knows the environment any more.
    let damaged = format!(".windlass/runs/{}/journal.jsonl", newest(&project));
    let lines = project.read(&damaged).replace("step-started", "step-sta");
    project.write(&damaged, &lines);
    project.write("deploy.toml", &text(&["other", "staging"]));
    let output = project.windlass("reap --finish").exits(11);
    assert!(output.stderr.contains("title=journal-invalid::"), "{}", output.all());
    assert!(output.stderr.contains("there is no environment `production`"), "{}", output.all());
    assert_eq!(order(&project), "a a a -b -a", "{}", output.all());
}

#[test]
fn a_deployment_that_is_being_made_is_closed_or_looked_for_later() {
    // It is made at once, and answered soon, or later than is waited for.
    for (late, is_heard) in [(1, true), (6, false)] {
        let github = GitHub::start();
        let project = project(&github.variables(), &[Step::marks("a")]);
        github.fail("POST /deployments", Fault::Late(Duration::from_secs(late)));
        let run = project.start("run -e staging --format json");
        until("that it is made", || !github.deployments().is_empty());
        let begun = Instant::now();
        signal("TERM", run.id());
        let output = project.finish(run).exits(12);
        assert!(begun.elapsed() < Duration::from_millis(5500), "{:?}", begun.elapsed());
        assert_eq!((&output.result()["outcome"], order(&project).as_str()), (&json!("cancelled"), ""));
        let doubted = events_named(&project, &newest(&project), "deployment-doubted").len();
        assert_eq!(doubted, usize::from(!is_heard));
        if !is_heard {
            let _ = project.windlass("reap").exits(0);
        }
        assert_eq!(github.deployments().len(), 1);
        assert_eq!(github.states()[0].last().map(String::as_str), Some("error"), "{:?}", github.states());
        let told = asked(&github);
        let _ = project.windlass("reap").exits(0);
        assert_eq!(asked(&github), told, "it knows");
    }
}

/// A job of GitHub's on one runner, whose deployment has done something and waits.
fn in_a_job(github: &GitHub) -> Project {
    let project =
        project(&github.variables(), &[Step::marks("a"), Step::marks("b").run("touch waiting; exec sleep 600")]);
    let job = [("CI", "true"), ("GITHUB_ACTIONS", "true"), ("GITHUB_RUN_ID", "7"), ("RUNNER_NAME", "runner-1")];
    job.into_iter().fold(project, |project, (name, value)| project.variable(name, value))
}

#[test]
fn what_a_cancelled_job_leaves_is_named_after_it_with_the_reason() {
    let github = GitHub::start();
    let project = in_a_job(&github);
    let run = project.start("run -e staging");
    until("the step", || project.has("waiting"));
    signal("TERM", run.id());
    let _ = project.finish(run).exits(12);
    let output = project.windlass("reap --finish").exits(0);
    let run = newest(&project);
    assert!(!output.all().contains("nothing was left open"), "{}", output.all());
    let left = format!(
        "note: run {run} was cancelled, and what it did (`a` and `b`) is left as it is: in a CI job `on_cancel` is `stop` where \
         `deploy.toml` does not say otherwise; `windlass resume {run}` goes on, `windlass rollback -e staging` takes it back\n"
    );
    assert!(output.all().contains(&project.scrub(&left)), "{}", output.all());
    // Another job of that runner leaves nothing.
    let other = project.windlass_with("reap --finish", &[("GITHUB_RUN_ID", "8")]).exits(0);
    assert!(other.all().contains("nothing was left open"), "{}", other.all());
}

#[test]
fn what_outlives_its_step_is_stopped_after_the_job() {
    let github = GitHub::start();
    let project = in_a_job(&github);
    let run = project.start("run -e staging");
    until("the step", || project.has("waiting"));
    let number = run.id();
    // Another job of the same runner has nothing to do with it.
    let other = project.windlass_with("reap --finish", &[("GITHUB_RUN_ID", "8")]).exits(0);
    assert!(!other.all().contains("still at work"), "{}", other.all());
    let output = project.windlass("reap --finish").exits(0);
    let _ = project.finish(run).exits(12);
    assert!(output.all().contains(&format!("(process {number}), though its step is over\n")), "{}", output.all());
    assert!(output.all().contains("was cancelled, and what it did (`a` and `b`) is left as it is"), "{}", output.all());
    assert!(!output.all().contains("nothing was left open"), "{}", output.all());
    assert_eq!(order(&project).trim(), "a");
}

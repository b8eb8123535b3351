//! What nobody knows of a deployment on GitLab is found out, is not guessed, and is not forgotten.

#![cfg(unix)]

use e2e::github::GitHub;
use e2e::gitlab::{Fault, GitLab, JOB};
use e2e::runs::{cut_before, cut_off, events_named, newest, signal, stuck};
use e2e::server::Answer;
use e2e::steps::{Step, order, text, text_with, until};
use e2e::{Output, Project};
use serde_json::json;
use std::time::{Duration, Instant};

/// A project in a job here, without `environment:`.
fn project(gitlab: &GitLab, text: &str) -> Project {
    // What is kept there besides would know what is cut off here.
    let text = text.replacen("app = \"shop\"\n", "app = \"shop\"\nstore = \"local\"\n", 1);
    let variables = gitlab.variables(None);
    variables.iter().fold(Project::with(&text), |project, (name, value)| project.variable(name, value)).locked()
}

/// A project with one step that takes for ever the first time.
fn stuck_project(gitlab: &GitLab) -> Project {
    project(gitlab, &text("", &[Step::marks("a").run(&stuck("child", "exit 0"))]))
}

/// A run that was killed between the forge's answer and the journal.
fn cut_off_unwritten(project: &Project) -> String {
    let run = cut_off(project, "run -e staging", "child");
    cut_before(project, &run, "deployment-created");
    run
}

fn deploy(project: &Project) -> Output {
    project.windlass("run -e staging --format json")
}

/// How often it was asked about deployments.
fn asked(gitlab: &GitLab) -> usize {
    gitlab.requests().iter().filter(|line| line.contains("/deployments")).count()
}

/// That it asks to wait longer than anybody waits.
fn much_later() -> Fault {
    Fault::Instead(Answer::new(429, "Retry later").header("retry-after", "3600"))
}

#[test]
fn what_another_runs_journal_has_is_that_runs() {
    let gitlab = GitLab::start();
    let waits = "touch waiting; while test ! -e go; do sleep 0.01; done";
    let steps = [
        Step::of("b", waits).key("component = \"backend\""),
        Step::of("f", &stuck("child", "exit 0")).key("component = \"frontend\""),
    ];
    let project = project(&gitlab, &text("", &steps));
    let backend = project.start("run -e staging --component backend");
    until("the backend", || project.has("waiting"));
    let run = cut_off(&project, "run -e staging --component frontend", "child");
    cut_before(&project, &run, "deployment-created");
    let _ = project.windlass("reap").exits(0);
    assert_eq!(gitlab.states(), [vec!["running"], vec!["running", "failed"]]);
    project.write("go", "");
    let _ = project.finish(backend).exits(0);
    assert_eq!(gitlab.states(), [["running", "success"], ["running", "failed"]]);
}

#[test]
fn one_of_another_branch_is_not_this_runs_and_of_two_none_is_guessed() {
    let gitlab = GitLab::start();
    let project = stuck_project(&gitlab);
    let run = cut_off_unwritten(&project);
    let _ = gitlab.add("staging", "running", "topic", None);
    let _ = gitlab.add("staging", "running", "main", None);
    let output = project.windlass("reap").exits(21);
    assert!(output.stderr.contains("error: more than one deployment on GitLab may be this run's"), "{}", output.stderr);
    assert!(output.stderr.contains("`102` and `100`"), "{}", output.stderr);
    assert!(events_named(&project, &run, "run-finished").is_empty());
    // Going on with it makes no third one either.
    let _ = project.windlass(&format!("resume {run}")).exits(21);
    assert_eq!(gitlab.states(), [["running"]; 3]);
}

#[test]
fn one_of_another_branch_is_no_reason_to_doubt() {
    let gitlab = GitLab::start();
    let project = stuck_project(&gitlab);
    let _ = cut_off_unwritten(&project);
    let _ = gitlab.add("staging", "running", "topic", None);
    let _ = project.windlass("reap").exits(0);
    assert_eq!(gitlab.states(), [vec!["running", "failed"], vec!["running"]]);
}

#[test]
fn a_deployment_whose_making_was_never_answered_is_looked_for_until_it_is_known() {
    let lost = || Answer::new(502, "<html>Bad Gateway</html>");
    let made = vec![vec!["running".to_owned(), "failed".to_owned()]];
    for (fault, states) in [(Fault::After(lost()), made), (Fault::Instead(lost()), vec![])] {
        let gitlab = GitLab::start();
        let project = project(&gitlab, &text("", &[Step::marks("a")]));
        gitlab.fail("POST /deployments", fault);
        // Looking for it, once that is done.
        gitlab.fail("GET /deployments", much_later());
        let output = deploy(&project).exits(21);
        assert!(output.stderr.contains("the deployment may stand there all the same"), "{}", output.stderr);
        assert_eq!(events_named(&project, &newest(&project), "deployment-doubted").len(), 1);
        let _ = project.windlass("reap").exits(0);
        assert_eq!((gitlab.states(), order(&project).as_str()), (states, ""));
        let told = asked(&gitlab);
        let _ = project.windlass("reap").exits(0);
        assert_eq!(asked(&gitlab), told, "it is known");
    }
}

#[test]
fn what_was_made_twice_because_the_first_came_in_late_is_closed_once() {
    let gitlab = GitLab::start();
    let project = project(&gitlab, &text("", &[Step::marks("a")]));
    // Nothing is there yet when it is looked for, and then two are.
    gitlab.fail("POST /deployments", Fault::Afterwards(Answer::new(502, "<html>Bad Gateway</html>")));
    let output = deploy(&project).exits(0);
    assert_eq!(gitlab.states(), [["running", "canceled"], ["running", "success"]]);
    let ours = &gitlab.deployments()[1]["id"];
    assert_eq!(output.result()["deployment"]["id"], json!(ours.to_string()));
    let told = asked(&gitlab);
    let _ = project.windlass("reap").exits(0);
    assert_eq!(asked(&gitlab), told, "it is known");
}

#[test]
fn a_run_that_is_closed_where_there_is_no_token_is_told_of_where_there_is_one() {
    let gitlab = GitLab::start();
    let project = stuck_project(&gitlab);
    let run = cut_off_unwritten(&project);
    let output = project.windlass_with("reap", &[("CI_JOB_TOKEN", "")]).exits(14);
    assert!(output.stderr.contains("there is no token"), "{}", output.stderr);
    assert!(output.stderr.contains("say `windlass reap --forge gitlab` again"), "{}", output.stderr);
    assert_eq!(events_named(&project, &run, "run-finished").len(), 1, "nothing is at work for it");
    assert_eq!(gitlab.states(), [["running"]]);
    let _ = project.windlass("reap").exits(0);
    assert_eq!(gitlab.states(), [["running", "failed"]]);
    let told = asked(&gitlab);
    let _ = project.windlass("reap").exits(0);
    assert_eq!(asked(&gitlab), told, "it knows");
}

#[test]
fn the_end_of_a_job_needs_nobody_to_tell_it() {
    let gitlab = GitLab::start();
    let _ = gitlab.add("staging", "running", "main", Some(JOB));
    let project = stuck_project(&gitlab).variable("CI_ENVIRONMENT_NAME", "staging");
    let _ = cut_off(&project, "run -e staging", "child");
    let _ = project.windlass("reap --forge local").exits(0);
    assert_eq!(gitlab.states(), [["running"]]);
}

#[test]
fn a_run_is_gone_on_with_where_it_is_shown_or_told_of_later() {
    let gitlab = GitLab::start();
    let project = project(
        &gitlab,
        &text_with(
            "",
            "[environments.staging]\n",
            &[Step::marks("a").run(&stuck("child", "echo a >> order")).unless("grep -qx a order")],
        ),
    );
    let run = cut_off(&project, "run -e staging", "child");
    // A job of another forge, which knows of this one as well.
    let other = GitHub::start();
    let github = other.variables();
    let github: Vec<(&str, &str)> = github.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let output = project.windlass_with(&format!("resume {run} --forge github"), &github).exits(2);
    assert!(output.stderr.contains("is shown on another forge"), "{}", output.stderr);
    assert!(output.stderr.contains("`--forge gitlab`"), "{}", output.stderr);
    assert_eq!(order(&project), "");
    let output = project.windlass(&format!("resume {run} --forge local --format json")).exits(14);
    assert_eq!(output.result()["outcome"], json!("succeeded"));
    assert!(output.stderr.contains("say `windlass reap --forge gitlab` afterwards"), "{}", output.stderr);
    assert_eq!(gitlab.states(), [["running"]]);
    let _ = project.windlass("reap").exits(0);
    assert_eq!(gitlab.states(), [["running", "success"]]);
}

#[test]
fn a_signal_is_heard_while_the_forge_is_waited_for() {
    let gitlab = GitLab::start();
    let project = project(&gitlab, &text("", &[Step::marks("a")]));
    gitlab.fail("POST /deployments", Fault::Instead(Answer::new(429, "Retry later").header("retry-after", "30")));
    let run = project.start("run -e staging --format json");
    until("the deployment to be asked for", || gitlab.requests().iter().any(|line| line.starts_with("POST")));
    let begun = Instant::now();
    signal("TERM", run.id());
    let output = project.finish(run).exits(12);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(output.result()["outcome"], json!("cancelled"));
    let run = newest(&project);
    assert_eq!(events_named(&project, &run, "run-finished")[0]["outcome"], json!("cancelled"));
    assert_eq!(events_named(&project, &run, "deployment-doubted").len(), 1);
    // Nothing was made.
    let _ = project.windlass("reap").exits(0);
    assert_eq!((gitlab.states().len(), order(&project).as_str()), (0, ""));
    let told = asked(&gitlab);
    let _ = project.windlass("reap").exits(0);
    assert_eq!(asked(&gitlab), told, "it is known that there is none");
}

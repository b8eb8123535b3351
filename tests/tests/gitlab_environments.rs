//! Environments on GitLab: where they can be seen, what is live in them, and their end.

#![cfg(unix)]

use e2e::Project;
use e2e::fault::Fault;
use e2e::gitlab::{GitLab, JOB};
use e2e::server::Answer;
use e2e::steps::{Step, text_with};
use serde_json::{Value, json};

const REVIEW: &str = "[environments.staging]\n[environments.review]\ntransient = true\nname = \"review/*\"\n\
    url = \"https://review.shop.example/${environment.instance}\"\n";

fn project(gitlab: &GitLab, environment: Option<&str>) -> Project {
    let text = text_with("", REVIEW, &[Step::marks("a")]);
    let variables = gitlab.variables(environment);
    variables.iter().fold(Project::with(&text), |project, (name, value)| project.variable(name, value)).locked()
}

fn environments(project: &Project) -> Vec<Value> {
    let output = project.windlass("environment list --format json").exits(0);
    let value: Value = serde_json::from_str(&output.raw_stdout).expect("JSON");
    value["environments"].as_array().expect("a list").clone()
}

#[test]
fn review_apps_are_listed_with_their_urls_stopped_and_deleted() {
    let gitlab = GitLab::start();
    let here = project(&gitlab, None);
    for name in ["staging", "review/one", "review/two"] {
        let _ = here.windlass(&format!("run -e {name}")).exits(0);
    }
    // Another machine knows of them by GitLab alone.
    let fresh = project(&gitlab, None);
    let brief = |project: &Project| -> Vec<Value> {
        let brief =
            |it: &Value| json!([it["name"], it["transient"], it["stopped"], it["url"], it["live"][0]["commit"]]);
        environments(project).iter().map(brief).collect()
    };
    let one = "https://review.shop.example/one";
    let two = "https://review.shop.example/two";
    assert_eq!(
        brief(&fresh),
        [
            json!(["staging", false, false, null, e2e::COMMIT]),
            json!(["review/one", true, false, one, e2e::COMMIT]),
            json!(["review/two", true, false, two, e2e::COMMIT]),
        ]
    );
    let output = fresh.windlass("environment stop review/one").exits(0);
    assert_eq!(output.stdout, "review/one was stopped\n");
    assert_eq!(brief(&fresh)[1], json!(["review/one", true, true, one, null]));
    let output = fresh.windlass("environment stop --older-than 1d").exits(0);
    assert!(output.stderr.contains("there is nothing to stop"), "{}", output.stderr);
    let _ = fresh.windlass("environment stop --older-than 0s --delete").exits(0);
    let _ = fresh.windlass("environment stop review/one --delete").exits(0);
    assert_eq!(brief(&fresh), [json!(["staging", false, false, null, e2e::COMMIT])]);
    assert_eq!(gitlab.states().len(), 3);
}

#[test]
fn journals_that_gitlab_keeps_say_which_component_a_deployment_is_of() {
    let gitlab = GitLab::start();
    let environments = "[environments.staging]\n[environments.production]\nafter = [\"staging\"]\n";
    let component = |name: &str| Step::marks(name).key(&format!("component = \"{name}\""));
    let text = text_with("", environments, &[component("backend"), component("frontend")]);
    // Each job is on a machine of its own.
    let fresh = || {
        let variables = gitlab.variables(None);
        variables.iter().fold(Project::with(&text), |project, (name, value)| project.variable(name, value)).locked()
    };
    let other = e2e::COMMIT.replace('0', "f");
    let _ = fresh().windlass("run -e staging --component backend").exits(0);
    let _ = fresh().windlass(&format!("run -e staging --component frontend --commit {other}")).exits(0);
    let _ = fresh().windlass("run -e production --component backend").exits(0);
    let output = fresh().windlass("run -e production --component frontend").exits(21);
    let why = "its newest successful deployment is of commit `f123456789`, and this is `0123456789`";
    assert!(output.stderr.contains(why), "{}", output.stderr);
    let _ = gitlab.states();
}

#[test]
fn the_same_url_is_not_set_twice_and_that_it_could_not_be_is_a_warning() {
    let gitlab = GitLab::start();
    let project = project(&gitlab, None);
    let denied = Answer::new(403, r#"{"message":"403 Forbidden"}"#);
    gitlab.fail("PUT /environments/1", Fault::Instead(denied));
    let output = project.windlass("run -e review/one --format json").exits(0);
    assert_eq!(output.result()["outcome"], "succeeded");
    assert!(
        output.stderr.contains("GitLab refused to set the URL of `review/one` (403 Forbidden)"),
        "{}",
        output.stderr
    );
    for _ in 0..2 {
        let _ = project.windlass("run -e review/one").exits(0);
    }
    let puts = gitlab.requests().iter().filter(|line| **line == "PUT /projects/42/environments/1").count();
    assert_eq!(puts, 2, "one that was refused, and one that was not");
    let _ = gitlab.states();
}

#[test]
fn where_the_job_has_an_environment_its_own_url_is_left_alone() {
    let gitlab = GitLab::start();
    let project = project(&gitlab, Some("review/one"));
    let _ = gitlab.add("review/one", "running", "main", Some(JOB));
    let _ = project.windlass("run -e review/one").exits(0);
    assert!(gitlab.requests().iter().all(|line| !line.starts_with("PUT /projects/42/environments")));
    let _ = gitlab.states();
}

#[test]
fn a_stop_whose_answer_was_lost_is_looked_for_and_not_asked_for_again() {
    let gitlab = GitLab::start();
    let project = project(&gitlab, None);
    let _ = project.windlass("run -e review/one").exits(0);
    gitlab.fail("POST /environments/1/stop", Fault::After(Answer::new(502, "<html>")));
    let _ = project.windlass("environment stop review/one").exits(0);
    let stops = gitlab.requests().iter().filter(|line| line.ends_with("/stop")).count();
    assert_eq!(stops, 1, "each would start the `on_stop` job");
    let _ = gitlab.states();
}

//! Environments on GitHub: what comes after what, which release is shown as live, and review apps from their beginning to
//! their end.

#![cfg(unix)]

use e2e::Project;
use e2e::fault::Fault;
use e2e::github::{GitHub, JOB, RUN, TOKEN};
use e2e::server::Answer;
use e2e::steps::{Step, text, text_with};
use serde_json::{Value, json};

fn with(github: &GitHub, text: &str) -> Project {
    let variables = github.variables();
    variables.iter().fold(Project::with(text), |project, (name, value)| project.variable(name, value)).locked()
}

/// The newest state of each deployment, oldest first.
fn shown(github: &GitHub) -> Vec<String> {
    github.states().into_iter().map(|states| states.last().cloned().unwrap_or_default()).collect()
}

#[test]
fn one_release_of_each_component_is_shown_as_live_and_after_a_rollback_the_one_that_is() {
    let github = GitHub::start();
    let component = |name: &str| Step::marks(name).key(&format!("component = \"{name}\""));
    let project = with(&github, &text("", &[component("backend"), component("frontend")]));
    let later = e2e::COMMIT.replace('0', "f");
    let deploy = |component: &str, commit: &str| {
        let _ = project.windlass(&format!("run -e staging --component {component} --commit {commit}")).exits(0);
    };
    deploy("backend", e2e::COMMIT);
    deploy("frontend", e2e::COMMIT);
    assert_eq!(shown(&github), ["success", "success"]);
    deploy("backend", &later);
    assert_eq!(shown(&github), ["inactive", "success", "success"]);
    let _ = project.windlass("rollback -e staging --component backend").exits(0);
    assert_eq!(shown(&github), ["success", "success", "failure"]);
    let first = github.deployments()[0]["id"].as_u64().expect("a number");
    assert_eq!(
        github.statuses(first).last().expect("a status")["description"],
        "live again: what came after it was taken back"
    );
    deploy("backend", &later);
    assert_eq!(shown(&github), ["inactive", "success", "failure", "success"]);
}

#[test]
fn that_the_one_before_is_still_shown_as_live_is_a_warning_and_mended_by_the_next_run() {
    let github = GitHub::start();
    let project = with(&github, &text("", &[Step::marks("a")]));
    let _ = project.windlass("run").exits(0);
    let first = github.deployments()[0]["id"].to_string();
    let denied = Answer::new(403, r#"{"message":"Resource not accessible by integration"}"#);
    github.fail(&format!("POST /deployments/{first}/statuses"), Fault::Instead(denied));
    let output = project.windlass("run --format json").exits(0);
    assert_eq!(output.result()["outcome"], "succeeded");
    let warning = "GitHub refused to show that what was live in `staging` is not any more (403 Forbidden)";
    assert!(output.stderr.contains(warning), "{}", output.stderr);
    assert_eq!(shown(&github), ["success", "success"]);
    let _ = project.windlass("run").exits(0);
    assert_eq!(shown(&github), ["inactive", "inactive", "success"]);
}

#[test]
fn a_failed_run_leaves_what_was_live_as_it_is() {
    let github = GitHub::start();
    let project = with(&github, &text("", &[Step::marks("a")]));
    let _ = project.windlass("run").exits(0);
    project.write("deploy.toml", &text("", &[Step::marks("a"), Step::fails("b")]));
    let project = project.locked();
    let _ = project.windlass("run").exits(10);
    assert_eq!(shown(&github), ["success", "failure"]);
}

#[test]
fn a_deployment_and_what_it_replaces_take_no_more_than_eight_requests() {
    let github = GitHub::start();
    let project = with(&github, &text("", &[Step::marks("a")]));
    for _ in 0..3 {
        let _ = project.windlass("run").exits(0);
    }
    let before = github.requests().len();
    let _ = project.windlass("run").exits(0);
    let requests = github.requests()[before..].to_vec();
    // Leases and journals are counted where they are tried.
    let requests: Vec<_> = requests.iter().filter(|line| line.contains(" /deployments")).collect();
    assert!(requests.len() <= 8, "{requests:#?}");
    assert_eq!(shown(&github), ["inactive", "inactive", "inactive", "success"]);
}

#[test]
fn an_environment_that_comes_after_another_goes_by_githubs_deployments() {
    let github = GitHub::start();
    let environments = "[environments.staging]\n[environments.production]\nafter = [\"staging\"]\n";
    // Each job is on a machine of its own.
    let fresh = || with(&github, &text_with("", environments, &[Step::marks("a")]));
    let blocked = |why: &str| {
        let output = fresh().windlass("run -e production --format json").exits(21);
        assert_eq!(output.result()["reason"], "environment-order");
        assert!(output.stderr.contains(why), "{why}\n{}", output.stderr);
    };
    blocked("nothing was deployed to `staging` yet");
    let _ = fresh().windlass("run -e staging").exits(0);
    let _ = fresh().windlass("run -e production --dry-run").exits(0);
    // Of another app of the same repository.
    let other = e2e::COMMIT.replace('0', "f");
    let payload = json!({ "schema": "windlass.deployment/1", "app": "blog", "component": null, "run": "x" });
    let blog = github.add(&json!({ "ref": "main", "sha": other, "environment": "staging", "payload": payload }));
    github.add_status(blog, &json!({ "state": "success" }));
    let _ = fresh().windlass("run -e production --dry-run").exits(0);
    // Of a job with `environment:`, which waits for its reviewers, and then begins.
    let job = github.add_of_job("staging", RUN + 1, JOB + 1, "waiting");
    let _ = fresh().windlass("run -e production --dry-run").exits(0);
    github.add_status(job, &json!({ "state": "in_progress" }));
    blocked(&format!("deployment {job} to `staging`, of commit `0123456789`, has not ended"));
    github.add_status(job, &json!({ "state": "failure" }));
    let _ = fresh().windlass("run -e production").exits(0);
    let output = fresh().windlass(&format!("run -e production --commit {other}")).exits(21);
    let why = "its newest successful deployment is of commit `0123456789`, and this is `f123456789`";
    assert!(output.stderr.contains(why), "{}", output.stderr);
    github.is_right();
}

const REVIEW: &str = "[environments.staging]\n[environments.review]\ntransient = true\nname = \"review/*\"\n\
    url = \"https://review.shop.example/${environment.instance}\"\n";

fn environments(project: &Project) -> Value {
    let output = project.windlass("environment list --format json").exits(0);
    serde_json::from_str::<Value>(&output.raw_stdout).expect("JSON")["environments"].clone()
}

#[test]
fn a_review_app_is_made_listed_and_stopped_whatever_its_name() {
    let github = GitHub::start();
    let project = with(&github, &text_with("", REVIEW, &[Step::marks("a")]));
    for name in ["staging", "review/a.b_c", "review/feature/two"] {
        let _ = project.windlass(&format!("run -e {name}")).exits(0);
    }
    let made = &github.deployments()[1];
    assert_eq!((&made["environment"], &made["transient_environment"]), (&json!("review/a.b_c"), &json!(true)));
    assert_eq!(github.deployments()[0]["transient_environment"], false);
    let url = &github.statuses(made["id"].as_u64().expect("a number"))[1]["environment_url"];
    assert_eq!(url, "https://review.shop.example/a.b_c");
    // Another machine knows of them by GitHub alone.
    let fresh = with(&github, &text_with("", REVIEW, &[Step::marks("a")]));
    let listed = environments(&fresh);
    let brief: Vec<Value> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| json!([it["name"], it["configured"], it["transient"], it["live"][0]["version"]]))
        .collect();
    assert_eq!(
        brief,
        [
            json!(["staging", "staging", false, "0123456789"]),
            json!(["review/a.b_c", "review", true, "0123456789"]),
            json!(["review/feature/two", "review", true, "0123456789"]),
        ]
    );
    let output = fresh.windlass("environment stop review/feature/two").exits(0);
    assert_eq!(output.stdout, "review/feature/two was stopped\n");
    assert_eq!(shown(&github), ["success", "success", "inactive"]);
    assert_eq!(environments(&fresh)[2]["live"], json!([]));
    let output = fresh.windlass("environment stop --older-than 1d").exits(0);
    assert!(output.stderr.contains("there is nothing to stop"), "{}", output.stderr);
    let output = fresh.windlass("environment stop --older-than 0s").exits(0);
    assert_eq!(output.stdout, "review/a.b_c was stopped\n");
    assert_eq!(shown(&github), ["success", "inactive", "inactive"]);
}

#[test]
fn only_who_may_administer_the_repository_deletes_an_environment() {
    let github = GitHub::start();
    let project = with(&github, &text_with("", REVIEW, &[Step::marks("a")]));
    let _ = project.windlass("run -e review/x").exits(0);
    let output = project.windlass("environment stop review/x --delete").exits(21);
    assert!(output.stderr.contains("GitHub refused to delete the environment `review/x` (403 "), "{}", output.stderr);
    assert!(output.stderr.contains("`administration: write`"), "{}", output.stderr);
    assert_eq!(shown(&github), ["inactive"]);
    let project = project.variable("GITHUB_TOKEN", TOKEN);
    let _ = project.windlass("environment stop review/x --delete").exits(0);
    assert_eq!(environments(&project), json!([]));
    github.is_right();
}

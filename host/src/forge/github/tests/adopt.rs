//! The deployment that GitHub makes because a job has `environment:`: which one that is, and that there is no second one beside it.

use super::super::GitHub;
use super::super::stub::{Fault, Stub, TOKEN};
use super::{COMMIT, announcement, facts, lines, token};
use crate::forge::client::Patience;
use crate::problem::Code;
use serde_json::json;

/// As in a job of a run of a workflow.
fn github_in_run(stub: &Stub) -> GitHub {
    let mut facts = facts(&stub.api);
    facts.github.as_mut().unwrap().run = Some("7".into());
    GitHub::new(&facts, token(TOKEN).get("GITHUB_TOKEN"), Patience::default()).unwrap()
}

/// As in a job of a run of a workflow that passes on the job's number.
fn github_in_job(stub: &Stub, job: &str) -> GitHub {
    GitHub { job: Some(job.into()), ..github_in_run(stub) }
}

/// A deployment that GitHub made because a job has `environment:`, with the state and log of its newest status.
fn of_job(stub: &Stub, state: &str, run: u64, job: u64) {
    stub.add_deployment(
        &json!({"ref": COMMIT, "task": "deploy", "environment": "staging", "payload": {}, "description": null}),
    );
    for state in ["waiting", state] {
        stub.add_status(
            &json!({"state": state, "log_url": format!("https://github.com/acme/shop/actions/runs/{run}/job/{job}")}),
        );
    }
}

#[tokio::test]
async fn the_jobs_own_deployment_is_found_by_where_its_log_is() {
    let stub = Stub::start("").await;
    of_job(&stub, "in_progress", 7, 55);
    let ours = stub.deployments()[0]["id"].to_string();
    of_job(&stub, "in_progress", 77, 55);
    let created = github_in_run(&stub).adopt(&announcement()).await.unwrap();
    assert_eq!((created.id, created.adopted), (ours, true));
    assert_eq!(lines(&stub.end()), ["GET", "GET", "GET"]);
}

#[tokio::test]
async fn where_the_job_made_none_there_is_nothing_to_adopt() {
    let stub = Stub::start("").await;
    of_job(&stub, "success", 7, 55);
    of_job(&stub, "in_progress", 8, 55);
    let problem = github_in_run(&stub).adopt(&announcement()).await.unwrap_err();
    assert_eq!(problem.what, "the job has made no deployment to `staging`");
    assert!(problem.hint.unwrap().contains("deployment = \"own\""));
    stub.end();
}

#[tokio::test]
async fn a_second_deployment_beside_the_jobs_own_is_refused() {
    let stub = Stub::start("").await;
    of_job(&stub, "in_progress", 7, 55);
    let problem = github_in_run(&stub).create(&announcement()).await.unwrap_err();
    assert_eq!(problem.code, Code::ForgeRefused);
    assert_eq!(problem.what, "both the job and Windlass would deploy to `staging`");
    assert!(problem.hint.unwrap().contains("deployment: false"));
    assert_eq!((lines(&stub.end()), stub.deployments().len()), (vec!["GET", "GET"], 1));
}

#[tokio::test]
async fn what_another_job_made_and_ended_is_nobodys_business() {
    let stub = Stub::start("").await;
    of_job(&stub, "success", 7, 55);
    github_in_run(&stub).create(&announcement()).await.unwrap();
    assert_eq!(lines(&stub.end()), ["GET", "GET", "POST", "POST"]);
}

#[tokio::test]
async fn of_several_jobs_of_a_run_the_one_whose_number_is_known_is_meant() {
    let stub = Stub::start("").await;
    of_job(&stub, "in_progress", 7, 55);
    let ours = stub.deployments()[0]["id"].to_string();
    of_job(&stub, "in_progress", 7, 56);
    let problem = github_in_run(&stub).adopt(&announcement()).await.unwrap_err();
    assert_eq!(problem.what, "which deployment to `staging` is this job's cannot be told");
    assert!(problem.hint.unwrap().contains("JOB_CHECK_RUN_ID"));
    let created = github_in_job(&stub, "55").adopt(&announcement()).await.unwrap();
    assert_eq!(created.id, ours);
    stub.end();
}

#[tokio::test]
async fn another_jobs_deployment_is_no_second_one_of_this_job() {
    let stub = Stub::start("").await;
    of_job(&stub, "in_progress", 7, 56);
    github_in_job(&stub, "55").create(&announcement()).await.unwrap();
    assert_eq!(stub.deployments().len(), 2);
    let problem = github_in_job(&stub, "55").adopt(&announcement()).await.unwrap_err();
    assert_eq!(problem.what, "the job has made no deployment to `staging`");
    stub.end();
}

#[tokio::test]
async fn that_it_cannot_be_found_out_whether_the_job_made_one_stops_nothing() {
    let stub = Stub::start("").await;
    stub.fail("GET /deployments", Fault::Instead(403, vec![], "{}".into()));
    github_in_run(&stub).create(&announcement()).await.unwrap();
    assert_eq!(lines(&stub.end()), ["GET", "POST", "POST"]);
}

#[test]
fn a_log_says_whose_it_is() {
    let of = |log: &'static str| super::super::job_of(log, "7");
    assert_eq!(of("https://github.com/acme/shop/actions/runs/7/job/55"), Some(Some("55")));
    assert_eq!(of("https://github.com/acme/shop/actions/runs/7/job/55#step:3:1"), Some(Some("55")));
    assert_eq!(of("https://github.com/acme/shop/actions/runs/7"), Some(None));
    assert_eq!(of("https://github.com/acme/shop/actions/runs/77/job/55"), None);
    assert_eq!(of("https://ci.example/7"), None);
}

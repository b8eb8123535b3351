//! The deployment that GitHub makes because a job has `environment:`: which one that is, and that there is no second one beside it.

use super::super::GitHub;
use super::{Fake, TOKEN, announcement, end, facts, instead, methods, token};
use crate::forge::client::Patience;
use crate::network::Trust;
use crate::problem::Code;

/// As in a job of a run of a workflow.
fn github_in_run(fake: &Fake) -> GitHub {
    let mut facts = facts(&fake.api());
    facts.github.as_mut().unwrap().run = Some("7".into());
    GitHub::new(&facts, token(TOKEN).get("GITHUB_TOKEN"), Trust::default(), Patience::default()).unwrap()
}

/// As in a job of a run of a workflow that passes on the job's number.
fn github_in_job(fake: &Fake, job: &str) -> GitHub {
    GitHub { job: Some(job.into()), ..github_in_run(fake) }
}

#[tokio::test]
async fn the_jobs_own_deployment_is_found_by_where_its_log_is() {
    let fake = Fake::start();
    let ours = fake.add_of_job("staging", 7, 55, "in_progress");
    let _ = fake.add_of_job("staging", 77, 55, "in_progress");
    let created = github_in_run(&fake).adopt(&announcement()).await.unwrap();
    assert_eq!((created.id, created.adopted), (ours.to_string(), true));
    assert_eq!(methods(&end(&fake)), ["GET", "GET", "GET"]);
}

#[tokio::test]
async fn where_the_job_made_none_there_is_nothing_to_adopt() {
    let fake = Fake::start();
    let _ = fake.add_of_job("staging", 7, 55, "success");
    let _ = fake.add_of_job("staging", 8, 55, "in_progress");
    let problem = github_in_run(&fake).adopt(&announcement()).await.unwrap_err();
    assert_eq!(problem.what, "the job has made no deployment to `staging`");
    assert!(problem.hint.unwrap().contains("deployment = \"own\""));
    end(&fake);
}

#[tokio::test]
async fn a_second_deployment_beside_the_jobs_own_is_refused() {
    let fake = Fake::start();
    let _ = fake.add_of_job("staging", 7, 55, "in_progress");
    let problem = github_in_run(&fake).create(&announcement()).await.unwrap_err();
    assert_eq!(problem.code, Code::ForgeRefused);
    assert_eq!(problem.what, "both the job and Windlass would deploy to `staging`");
    assert!(problem.hint.unwrap().contains("deployment: false"));
    assert_eq!((methods(&end(&fake)), fake.deployments().len()), (vec!["GET", "GET"], 1));
}

#[tokio::test]
async fn what_another_job_made_and_ended_is_nobodys_business() {
    let fake = Fake::start();
    let _ = fake.add_of_job("staging", 7, 55, "success");
    github_in_run(&fake).create(&announcement()).await.unwrap();
    assert_eq!(methods(&end(&fake)), ["GET", "GET", "POST", "POST"]);
}

#[tokio::test]
async fn of_several_jobs_of_a_run_the_one_whose_number_is_known_is_meant() {
    let fake = Fake::start();
    let ours = fake.add_of_job("staging", 7, 55, "in_progress");
    let _ = fake.add_of_job("staging", 7, 56, "in_progress");
    let problem = github_in_run(&fake).adopt(&announcement()).await.unwrap_err();
    assert_eq!(problem.what, "which deployment to `staging` is this job's cannot be told");
    assert!(problem.hint.unwrap().contains("JOB_CHECK_RUN_ID"));
    let created = github_in_job(&fake, "55").adopt(&announcement()).await.unwrap();
    assert_eq!(created.id, ours.to_string());
    end(&fake);
}

#[tokio::test]
async fn another_jobs_deployment_is_no_second_one_of_this_job() {
    let fake = Fake::start();
    let _ = fake.add_of_job("staging", 7, 56, "in_progress");
    github_in_job(&fake, "55").create(&announcement()).await.unwrap();
    assert_eq!(fake.deployments().len(), 2);
    let problem = github_in_job(&fake, "55").adopt(&announcement()).await.unwrap_err();
    assert_eq!(problem.what, "the job has made no deployment to `staging`");
    end(&fake);
}

#[tokio::test]
async fn that_it_cannot_be_found_out_whether_the_job_made_one_stops_nothing() {
    let fake = Fake::start();
    fake.fail("GET /deployments", instead(403, "{}"));
    github_in_run(&fake).create(&announcement()).await.unwrap();
    assert_eq!(methods(&end(&fake)), ["GET", "POST", "POST"]);
}

#[test]
fn a_log_says_whose_it_is() {
    let of = |log: &'static str| super::super::adopt::job_of(log, "7");
    assert_eq!(of("https://github.com/acme/shop/actions/runs/7/job/55"), Some(Some("55")));
    assert_eq!(of("https://github.com/acme/shop/actions/runs/7/job/55#step:3:1"), Some(Some("55")));
    assert_eq!(of("https://github.com/acme/shop/actions/runs/7"), Some(None));
    assert_eq!(of("https://github.com/acme/shop/actions/runs/77/job/55"), None);
    assert_eq!(of("https://ci.example/7"), None);
}

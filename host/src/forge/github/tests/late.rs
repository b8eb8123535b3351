//! What comes in later than it was waited for.

use super::super::State;
use super::{Answer, DEPLOYMENTS, Fake, Fault, STATUSES, announcement, end, github, instead};
use serde_json::json;

#[tokio::test]
async fn what_was_made_twice_is_closed_once() {
    let fake = Fake::start();
    // Nothing is there yet when it is looked for, and then two are.
    fake.fail(DEPLOYMENTS, Fault::Afterwards(Answer::new(502, "")));
    let github = github(&fake);
    let created = github.create(&announcement()).await.unwrap();
    github.tell(&created, &announcement(), State::Success, "deployed").await.unwrap();
    end(&fake);
    assert_eq!(fake.states(), [vec!["error"], vec!["in_progress", "success"]]);
    assert_eq!(created.id, fake.deployments()[1]["id"].to_string());
}

#[tokio::test]
async fn what_comes_in_after_the_last_word_does_not_stand() {
    let fake = Fake::start();
    let github = github(&fake);
    let created = github.create(&announcement()).await.unwrap();
    github.tell(&created, &announcement(), State::Success, "deployed").await.unwrap();
    github.confirm(&created, &announcement(), State::Success, "deployed").await.unwrap();
    assert_eq!(fake.states(), [["in_progress", "success"]], "it stands");
    let log = "https://github.com/acme/shop/actions/runs/7";
    let late = json!({"state": "error", "description": "cancelled", "log_url": log});
    fake.add_status(created.id.parse().unwrap(), &late);
    github.confirm(&created, &announcement(), State::Success, "deployed").await.unwrap();
    end(&fake);
    assert_eq!(fake.states(), [["in_progress", "success", "error", "success"]]);
}

#[tokio::test]
async fn a_deployment_that_can_neither_begin_nor_be_closed_is_in_doubt() {
    let fake = Fake::start();
    fake.fail(STATUSES, instead(422, "{}"));
    fake.fail(STATUSES, instead(422, "{}"));
    let problem = github(&fake).create(&announcement()).await.unwrap_err();
    assert!(problem.is_in_doubt(), "{problem:?}");
    assert!(problem.note.unwrap().ends_with("stays open"));
    end(&fake);
}

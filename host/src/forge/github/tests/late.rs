//! What comes in later than it was waited for.

use super::super::State;
use super::super::stub::{Fault, Stub};
use super::{COMMIT, DEPLOYMENTS, STATUSES, announcement, github, instead};
use serde_json::json;

/// As the forge shows a request of ours that it got to only after we had sent it again.
fn late() -> Fault {
    Fault::Before(json!({
        "ref": COMMIT, "task": "deploy", "environment": "staging", "description": null,
        "payload": {"schema": "windlass.deployment/1", "run": "01run"},
    }))
}

#[tokio::test]
async fn what_was_made_twice_is_closed_once() {
    let stub = Stub::start("").await;
    stub.fail(DEPLOYMENTS, instead(502, ""));
    // Nothing is there yet when it is looked for, and then two are.
    stub.fail("GET /deployments", late());
    let github = github(&stub);
    let created = github.create(&announcement()).await.unwrap();
    github.tell(&created, &announcement(), State::Success, "deployed").await.unwrap();
    stub.end();
    let states = |id: &str| stub.states_of(id.parse().unwrap());
    let other = stub.deployments().iter().map(|it| it["id"].to_string()).find(|id| *id != created.id).unwrap();
    assert_eq!(
        (states(&created.id), states(&other)),
        (vec!["in_progress".into(), "success".into()], vec!["error".to_owned()])
    );
}

#[tokio::test]
async fn what_comes_in_after_the_last_word_does_not_stand() {
    let stub = Stub::start("").await;
    let github = github(&stub);
    let created = github.create(&announcement()).await.unwrap();
    github.tell(&created, &announcement(), State::Success, "deployed").await.unwrap();
    github.confirm(&created, &announcement(), State::Success, "deployed").await.unwrap();
    assert_eq!(stub.states(), ["in_progress", "success"], "it stands");
    let log = "https://github.com/acme/shop/actions/runs/7";
    stub.add_status(&json!({"state": "error", "description": "cancelled", "log_url": log}));
    github.confirm(&created, &announcement(), State::Success, "deployed").await.unwrap();
    stub.end();
    assert_eq!(stub.states(), ["in_progress", "success", "error", "success"]);
}

#[tokio::test]
async fn a_deployment_that_can_neither_begin_nor_be_closed_is_in_doubt() {
    let stub = Stub::start("").await;
    stub.fail(STATUSES, instead(422, "{}"));
    stub.fail(STATUSES, instead(422, "{}"));
    let problem = github(&stub).create(&announcement()).await.unwrap_err();
    assert!(problem.is_in_doubt(), "{problem:?}");
    assert!(problem.note.unwrap().ends_with("stays open"));
    stub.end();
}

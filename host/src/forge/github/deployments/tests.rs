//! Which deployments GitHub lists of a place, and which of them it shows as live afterwards.

use super::super::Status;
use super::super::tests::{COMMIT, add, after, announcement, body, end, github, instead, methods};
use super::shown;
use crate::forge::deployments::{Relation, Shown, Whose};
use crate::forge::{Announcement, Created, State};
use crate::problem::Code;
use e2e::github::GitHub as Fake;
use serde_json::{Value, json};

/// The newest states of the deployments, oldest deployment first.
fn newest_states(fake: &Fake) -> Vec<String> {
    fake.states().into_iter().filter_map(|mut states| states.pop()).collect()
}

/// What somebody else asks for, such as a job with `environment:`.
fn theirs(environment: &str) -> Value {
    json!({ "ref": COMMIT, "task": "deploy", "environment": environment, "payload": "" })
}

fn ours(component: Option<&str>) -> Value {
    let payload = json!({ "schema": "windlass.deployment/1", "run": "0run", "app": "shop", "component": component });
    json!({ "ref": COMMIT, "task": "deploy", "environment": "staging", "payload": payload })
}

fn created(id: &str) -> Created {
    Created { id: id.into(), url: None, adopted: false }
}

fn whole(_: &str, whose: &Whose) -> Relation {
    match whose {
        Whose::Ours { component: Some(_), .. } => Relation::Other,
        _ => Relation::Same,
    }
}

#[test]
fn every_state_of_github_is_read() {
    let of = |states: &[&str]| {
        let statuses: Vec<Status> = (1..)
            .zip(states)
            .map(|(id, state)| Status { id, state: (*state).to_owned(), description: None, log_url: None })
            .collect();
        shown(&statuses)
    };
    for (states, expected) in [
        (&[][..], Shown::Waiting),
        (&["queued"], Shown::Waiting),
        (&["pending"], Shown::Waiting),
        (&["waiting"], Shown::Waiting),
        (&["waiting", "in_progress"], Shown::Running),
        (&["in_progress", "success"], Shown::Live),
        (&["in_progress", "failure"], Shown::Ended),
        (&["error"], Shown::Ended),
        (&["abandoned"], Shown::Ended),
        // It was live, unless what came of it was something else in between.
        (&["success", "inactive"], Shown::Retired),
        (&["success", "inactive", "inactive"], Shown::Retired),
        (&["success", "failure", "inactive"], Shown::Ended),
        (&["inactive"], Shown::Ended),
        (&["success", "inactive", "success"], Shown::Live),
        (&["paused"], Shown::Other("paused".into())),
    ] {
        assert_eq!(of(states), expected, "{states:?}");
    }
}

#[tokio::test]
async fn a_place_is_listed_down_to_the_newest_that_succeeded_and_nothing_is_changed() {
    let fake = Fake::start();
    add(&fake, &theirs("staging"), &["success", "inactive"]);
    let live = add(&fake, &ours(None), &["in_progress", "success"]);
    add(&fake, &theirs("production"), &["success"]);
    add(&fake, &ours(Some("backend")), &["success"]);
    let running = add(&fake, &theirs("staging"), &["in_progress"]);
    let listed = github(&fake).since_success("staging", &whole).await.unwrap();
    let read: Vec<_> = listed.iter().map(|it| (it.id.as_str(), &it.shown, it.commit.as_str())).collect();
    assert_eq!(read, [(running.as_str(), &Shown::Running, COMMIT), (live.as_str(), &Shown::Live, COMMIT)]);
    let requests = end(&fake);
    assert!(requests.iter().all(|request| request.method == "GET"));
    assert_eq!(requests.len(), 3, "one list, and the statuses of two");
}

#[tokio::test]
async fn what_succeeded_is_found_behind_hundreds_that_are_of_others() {
    let fake = Fake::start();
    let live = add(&fake, &ours(None), &["success"]);
    for _ in 0..250 {
        add(&fake, &ours(Some("backend")), &["success"]);
    }
    let listed = github(&fake).since_success("staging", &whole).await.unwrap();
    assert_eq!(listed.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), [live]);
    assert_eq!(end(&fake).len(), 4, "three pages, and the statuses of one");
}

#[tokio::test]
async fn an_environment_is_one_whatever_its_name() {
    let fake = Fake::start();
    add(&fake, &theirs("a"), &["success"]);
    let id = add(&fake, &theirs("a#b&c d"), &["success"]);
    let listed = github(&fake).since_success("a#b&c d", &whole).await.unwrap();
    assert_eq!(listed.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), [id]);
    end(&fake);
}

#[tokio::test]
async fn what_was_live_of_this_component_is_inactive_once_the_new_one_is_live() {
    let fake = Fake::start();
    for (body, states) in [
        (ours(None), &["success", "inactive"][..]),
        // One that could not be shown as inactive when it was replaced.
        (ours(None), &["success"]),
        (ours(Some("backend")), &["success"]),
        (theirs("staging"), &["success"]),
        (ours(None), &["failure"]),
        (ours(None), &["success"]),
    ] {
        add(&fake, &body, states);
    }
    let github = github(&fake);
    let made = github.create(&announcement()).await.unwrap();
    github.tell(&made, &announcement(), State::Success, "deployed").await.unwrap();
    let before = end(&fake).len();
    github.retire(&made, &announcement()).await.unwrap();
    assert_eq!(newest_states(&fake), ["inactive", "inactive", "success", "success", "failure", "inactive", "success"]);
    let requests = end(&fake);
    let written: Vec<Value> = requests[before..].iter().filter(|it| it.method == "POST").map(body).collect();
    let expected = json!({ "state": "inactive", "description": "shop 1.2.3 is live now", "auto_inactive": false });
    assert_eq!(written, [expected.clone(), expected], "it leads to no log of another run");
}

#[tokio::test]
async fn retiring_costs_four_requests_where_all_is_in_order() {
    let fake = Fake::start();
    for states in [&["success", "inactive"][..], &["success", "inactive"], &["success"]] {
        add(&fake, &ours(None), states);
    }
    let made = created(&add(&fake, &ours(None), &["success"]));
    github(&fake).retire(&made, &announcement()).await.unwrap();
    let requests = end(&fake);
    assert_eq!(methods(&requests), ["GET", "GET", "POST", "GET"]);
}

#[tokio::test]
async fn one_that_is_told_late_is_not_live_beside_a_later_one() {
    let fake = Fake::start();
    let late = created(&add(&fake, &ours(None), &["success"]));
    add(&fake, &ours(None), &["success"]);
    github(&fake).retire(&late, &announcement()).await.unwrap();
    assert_eq!(newest_states(&fake), ["inactive", "success"]);
    end(&fake);
}

#[tokio::test]
async fn that_it_could_not_be_shown_says_what_is_shown_instead() {
    let fake = Fake::start();
    add(&fake, &ours(None), &["success"]);
    let made = created(&add(&fake, &ours(None), &["success"]));
    fake.fail("POST /statuses", instead(403, r#"{"message":"Resource not accessible by integration"}"#));
    let problem = github(&fake).retire(&made, &announcement()).await.unwrap_err();
    assert_eq!(problem.code, Code::ForgeUnreported);
    assert_eq!(problem.what, "GitHub refused to show that what was live in `staging` is not any more (403 Forbidden)");
    assert_eq!(problem.hint.as_deref(), Some("give the job `permissions: deployments: write`"));
    end(&fake);
}

#[tokio::test]
async fn an_answer_that_was_lost_retires_nothing_twice() {
    let fake = Fake::start();
    add(&fake, &ours(None), &["success"]);
    let made = created(&add(&fake, &ours(None), &["success"]));
    fake.fail("POST /statuses", after(502, "<html>"));
    github(&fake).retire(&made, &announcement()).await.unwrap();
    assert_eq!(newest_states(&fake), ["inactive", "success"]);
    let requests = end(&fake);
    assert_eq!(requests.iter().filter(|it| it.method == "POST").count(), 1);
}

#[tokio::test]
async fn what_is_live_again_is_shown_so_unless_it_is_shown_already() {
    let fake = Fake::start();
    let before = created(&add(&fake, &ours(None), &["success", "inactive"]));
    let github = github(&fake);
    let announcement = Announcement { run: "0run".into(), ..announcement() };
    github.revive(&before, &announcement).await.unwrap();
    github.revive(&before, &announcement).await.unwrap();
    assert_eq!(fake.states(), [["success", "inactive", "success"]]);
    let requests = end(&fake);
    assert_eq!(methods(&requests), ["GET", "POST", "GET"]);
    assert_eq!(body(&requests[1])["environment_url"], "https://staging.shop.example");
}

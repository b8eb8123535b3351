//! What GitHub is told, over good networks and bad ones.

mod adopt;
mod late;

use super::{GitHub, State, cut, is_of_run, segment, site, stands};
use crate::ci;
use crate::config::DeploymentOwner;
use crate::event::Subject;
use crate::forge::client::Patience;
use crate::forge::{Announcement, Created, Others};
use crate::network::Trust;
use crate::problem::{Code, Problem};
use crate::secret::Secrets;
use e2e::fault::Fault;
use e2e::github::{GitHub as Fake, JOB_TOKEN as TOKEN};
use e2e::server::{Answer, Request};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(super) const COMMIT: &str = e2e::COMMIT;
const DEPLOYMENTS: &str = "POST /deployments";
const STATUSES: &str = "POST /statuses";

fn facts(api: &str) -> ci::Facts {
    ci::facts(
        &[("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", "acme/shop"), ("GITHUB_API_URL", api)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect(),
    )
}

fn token(value: &str) -> Secrets {
    Secrets::from_environment(["GITHUB_TOKEN"], |_| Some(value.to_owned()))
}

pub(super) fn github(fake: &Fake) -> GitHub {
    let patience = Patience {
        attempt: Duration::from_secs(5),
        write: Duration::from_secs(5),
        total: Duration::from_secs(20),
        pause: Duration::from_millis(2),
        longest: Duration::from_millis(10),
        listener: None,
    };
    with_patience(fake, patience)
}

fn with_patience(fake: &Fake, patience: Patience) -> GitHub {
    GitHub::new(&facts(&fake.api()), token(TOKEN).get("GITHUB_TOKEN"), Trust::default(), patience).unwrap()
}

pub(super) fn announcement() -> Announcement {
    Announcement {
        subject: Subject {
            app: "shop".into(),
            environment: "staging".into(),
            component: None,
            commit: COMMIT.into(),
            reference: Some("main".into()),
            version: "1.2.3".into(),
            actor: None,
        },
        run: "01run".into(),
        plan: "sha256:0123".into(),
        key: Some("7/1/deploy".into()),
        environment_url: Some("https://staging.shop.example".into()),
        transient: false,
        log_url: Some("https://github.com/acme/shop/actions/runs/7".into()),
        is_tag: false,
        begun: None,
        owner: DeploymentOwner::Own,
        others: Others::default(),
    }
}

/// What was asked, if there was nothing wrong with any of it and every fault was met.
pub(super) fn end(fake: &Fake) -> Vec<Request> {
    fake.is_right();
    fake.received()
}

pub(super) fn methods(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(|request| request.method.as_str()).collect()
}

pub(super) fn body(request: &Request) -> Value {
    request.json().unwrap()
}

/// A deployment with these states, oldest first. Its id.
pub(super) fn add(fake: &Fake, body: &Value, states: &[&str]) -> String {
    let id = fake.add(body);
    for state in states {
        fake.add_status(id, &json!({ "state": state }));
    }
    id.to_string()
}

pub(super) fn instead(status: u16, body: &str) -> Fault {
    Fault::Instead(Answer::new(status, body))
}

/// It is done, and then somebody on the way answers.
pub(super) fn after(status: u16, body: &str) -> Fault {
    Fault::After(Answer::new(status, body))
}

async fn refused(fault: Fault) -> Problem {
    let fake = Fake::start();
    fake.fail(DEPLOYMENTS, fault);
    let problem = github(&fake).create(&announcement()).await.unwrap_err();
    assert_eq!(end(&fake).len(), 1, "it was asked again");
    assert_eq!(problem.code, Code::ForgeRefused);
    assert_eq!(problem.note.as_deref(), Some("nothing was run"));
    problem
}

#[tokio::test]
async fn a_deployment_is_created_in_progress_and_succeeds() {
    let fake = Fake::start();
    let github = github(&fake);
    let created = github.create(&announcement()).await.unwrap();
    github.tell(&created, &announcement(), State::Success, "deployed in 12 s").await.unwrap();
    let requests = end(&fake);
    assert_eq!(fake.states(), [["in_progress", "success"]]);
    assert_eq!(methods(&requests), ["POST", "POST", "POST"]);
    assert_eq!(fake.requests()[0], "POST /deployments");
    assert_eq!(
        body(&requests[0]),
        json!({
            "ref": COMMIT, "task": "deploy", "auto_merge": false, "required_contexts": [],
            "environment": "staging", "production_environment": false, "transient_environment": false,
            "description": "shop 1.2.3",
            "payload": {
                "schema": "windlass.deployment/1", "run": "01run", "plan": "sha256:0123", "key": "7/1/deploy",
                "app": "shop", "component": null, "version": "1.2.3",
            },
        })
    );
    assert_eq!(fake.requests()[2], format!("POST /deployments/{}/statuses", created.id));
    assert_eq!(
        body(&requests[2]),
        json!({
            "state": "success", "description": "deployed in 12 s", "auto_inactive": false,
            "log_url": "https://github.com/acme/shop/actions/runs/7", "environment_url": "https://staging.shop.example",
        })
    );
}

#[tokio::test]
async fn production_is_said_to_be_production() {
    let fake = Fake::start();
    let mut announcement = announcement();
    announcement.subject.environment = "production".into();
    announcement.subject.component = Some("backend".into());
    github(&fake).create(&announcement).await.unwrap();
    let requests = end(&fake);
    assert_eq!(body(&requests[0])["production_environment"], true);
    assert_eq!(body(&requests[0])["description"], "shop 1.2.3 (backend)");
    assert_eq!(body(&requests[0])["payload"]["component"], "backend");
}

#[tokio::test]
async fn enterprise_server_is_asked_under_its_path() {
    let fake = Fake::enterprise();
    let created = github(&fake).create(&announcement()).await.unwrap();
    assert_eq!(end(&fake)[0].path, "/api/v3/repos/acme/shop/deployments");
    let api = fake.api();
    let server = api.strip_suffix("/api/v3").unwrap();
    assert_eq!(created.url, Some(format!("{server}/acme/shop/deployments/staging")));
}

#[tokio::test]
async fn a_denial_is_final_and_names_the_permission() {
    let body = format!(r#"{{"message":"Resource not accessible by integration {TOKEN}"}}"#);
    let answer = Answer::new(403, body).header("x-accepted-github-permissions", "deployments=write");
    let problem = refused(Fault::Instead(answer)).await;
    assert_eq!(problem.what, "GitHub refused to create a deployment of `acme/shop` to `staging` (403 Forbidden)");
    assert_eq!(problem.causes, ["Resource not accessible by integration ***"]);
    assert_eq!(problem.hint.as_deref(), Some("give the job `permissions: deployments: write`"));
}

#[tokio::test]
async fn each_refusal_says_what_helps() {
    let table = [
        (
            instead(202, r#"{"message":"Auto-merged main into topic on deployment."}"#),
            "GitHub merged a branch and did not create a deployment of `acme/shop` to `staging` (202 Accepted)",
            Some("Auto-merged main into topic on deployment."),
            "deploy the branch's new commit",
        ),
        (
            instead(409, r#"{"message":"Conflict: Commit status checks failed for main."}"#),
            "GitHub refused to create a deployment of `acme/shop` to `staging` (409 Conflict)",
            Some("Conflict: Commit status checks failed for main."),
            "see to the commit's checks and conflicts, then run it again",
        ),
        (
            instead(401, r#"{"message":"Bad credentials"}"#),
            "GitHub refused to create a deployment of `acme/shop` to `staging` (401 Unauthorized)",
            Some("Bad credentials"),
            "give the step a token that is still good: `env: GITHUB_TOKEN: ${{ github.token }}`",
        ),
        (
            instead(404, r#"{"message":"Not Found"}"#),
            "GitHub refused to create a deployment of `acme/shop` to `staging` (404 Not Found)",
            Some("Not Found"),
            "give the job `permissions: deployments: write`, for the repository that `GITHUB_REPOSITORY` names",
        ),
        (
            instead(422, r#"{"message":"No ref found for: a84d88e"}"#),
            "GitHub refused to create a deployment of `acme/shop` to `staging` (422 Unprocessable Entity)",
            Some("No ref found for: a84d88e"),
            "push the commit, and see that environment and URLs are what GitHub takes",
        ),
        (
            instead(307, ""),
            "GitHub refused to create a deployment of `acme/shop` to `staging` (307 Temporary Redirect)",
            None,
            "set `GITHUB_REPOSITORY` to the repository's new name",
        ),
    ];
    for (fault, what, cause, hint) in table {
        let problem = refused(fault).await;
        assert_eq!((problem.what.as_str(), problem.causes.first().map(String::as_str)), (what, cause));
        assert_eq!(problem.hint.as_deref(), Some(hint));
    }
}

#[tokio::test]
async fn what_was_created_and_not_answered_is_found_and_not_created_twice() {
    let faults = [after(502, "<html>"), Fault::After(Answer::none()), after(201, "{\"id\":")];
    for fault in faults {
        let fake = Fake::start();
        fake.fail(DEPLOYMENTS, fault.clone());
        let mut announcement = announcement();
        announcement.subject.environment = "a#b c/d&e=ü".into();
        let created = github(&fake).create(&announcement).await.unwrap();
        let requests = end(&fake);
        assert_eq!(fake.deployments().len(), 1, "{fault:?}");
        assert_eq!(created.id, fake.deployments()[0]["id"].to_string());
        assert_eq!(methods(&requests), ["POST", "GET", "POST"]);
        assert_eq!(requests[1].query("environment").as_deref(), Some("a#b c/d&e=ü"));
        assert_eq!(requests[1].query("sha").as_deref(), Some(COMMIT));
        assert_eq!(fake.states(), [["in_progress"]]);
    }
}

#[tokio::test]
async fn silence_is_not_waited_for_for_ever_and_what_was_created_is_found() {
    let fake = Fake::start();
    fake.fail(DEPLOYMENTS, Fault::After(Answer::silence()));
    let patience = Patience { write: Duration::from_millis(300), ..Patience::default() };
    with_patience(&fake, patience).create(&announcement()).await.unwrap();
    assert_eq!(methods(&end(&fake)), ["POST", "GET", "POST"]);
    assert_eq!(fake.deployments().len(), 1);
}

#[tokio::test]
async fn what_was_not_created_is_sent_again() {
    let fake = Fake::start();
    fake.fail(DEPLOYMENTS, instead(502, ""));
    fake.fail("GET /deployments", instead(503, ""));
    fake.fail(DEPLOYMENTS, instead(500, "{}"));
    // Somebody else's, of the same commit and environment, is not taken for ours.
    let _ = fake.add(&json!({"ref": COMMIT, "environment": "staging", "payload": {"run": "01run"}}));
    github(&fake).create(&announcement()).await.unwrap();
    assert_eq!(methods(&end(&fake)), ["POST", "GET", "GET", "POST", "GET", "POST", "GET", "POST"]);
    assert_eq!(fake.deployments().len(), 2);
}

#[tokio::test]
async fn ours_is_found_behind_a_hundred_others() {
    let fake = Fake::start();
    let others = json!({"ref": COMMIT, "environment": "staging"});
    let mut ours = others.clone();
    ours["payload"] = json!(json!({"schema": "windlass.deployment/1", "run": "01run"}).to_string());
    let made = fake.add(&ours);
    for _ in 0..100 {
        let _ = fake.add(&others);
    }
    fake.fail(DEPLOYMENTS, instead(504, ""));
    let created = github(&fake).create(&announcement()).await.unwrap();
    let requests = end(&fake);
    assert_eq!(created.id, made.to_string());
    assert_eq!(requests.iter().filter_map(|request| request.query("page")).collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test]
async fn a_limit_is_obeyed() {
    let fake = Fake::start();
    fake.fail(DEPLOYMENTS, Fault::Instead(Answer::new(429, "Retry later").header("retry-after", "1")));
    let begun = Instant::now();
    github(&fake).create(&announcement()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    // It was certainly not done, so nobody has to look.
    assert_eq!(methods(&end(&fake)), ["POST", "POST", "POST"]);
}

#[tokio::test]
async fn a_limit_that_is_too_long_ends_it_at_once() {
    let answer = Answer::new(403, r#"{"message":"secondary rate limit"}"#).header("retry-after", "3600");
    let problem = refused(Fault::Instead(answer)).await;
    assert_eq!(
        problem.causes,
        ["secondary rate limit", "GitHub asks to wait 3600 s, which is longer than Windlass waits"]
    );
    assert_eq!(problem.hint.as_deref(), Some("run it again when GitHub's limit is over"));
}

#[tokio::test]
async fn all_of_it_has_a_deadline_and_doubt_is_admitted() {
    let fake = Fake::start();
    for _ in 0..2 {
        fake.fail(DEPLOYMENTS, Fault::After(Answer::silence()));
        fake.fail("GET /deployments", Fault::After(Answer::silence()));
    }
    let second = Duration::from_secs(1);
    let patience = Patience {
        attempt: second * 30,
        write: second * 30,
        total: second,
        pause: second / 100,
        longest: second,
        ..Patience::default()
    };
    let begun = Instant::now();
    let problem = with_patience(&fake, patience).create(&announcement()).await.unwrap_err();
    assert!(begun.elapsed() < second * 5, "{:?}", begun.elapsed());
    assert_eq!(problem.what, "GitHub did not answer when asked to create a deployment of `acme/shop` to `staging`");
    assert_eq!(problem.note.as_deref(), Some("nothing was run; the deployment may stand there all the same"));
    assert!(problem.is_in_doubt(), "nobody would look for it");
    assert_eq!(problem.hint, Some(format!("run it again when `{}` answers", fake.api())));
}

#[tokio::test]
async fn nobody_there_is_said_in_the_systems_words() {
    let nobody = e2e::server::Closed::new();
    let api = format!("http://127.0.0.1:{}", nobody.port());
    // Nothing is tried a second time: the pause is longer than all of it.
    let patience = Patience { pause: Duration::from_secs(600), ..Patience::default() };
    let github = GitHub::new(&facts(&api), token(TOKEN).get("GITHUB_TOKEN"), Trust::default(), patience).unwrap();
    let created = Created { id: "1".into(), url: None, adopted: false };
    let problem = github.tell(&created, &announcement(), State::Success, "").await.unwrap_err();
    assert_eq!(problem.code, Code::ForgeUnreported);
    assert_eq!(problem.note.as_deref(), Some("the deployment succeeded; only its status is missing"));
    assert!(problem.causes[0].to_ascii_lowercase().contains("refused"), "{problem:?}");
}

#[tokio::test]
async fn a_status_that_was_set_and_not_answered_is_not_set_twice() {
    let fake = Fake::start();
    let github = github(&fake);
    let created = github.create(&announcement()).await.unwrap();
    // A state that can only be read, and somebody else's newer word.
    fake.add_status(
        created.id.parse().unwrap(),
        &json!({"state": "waiting", "log_url": "https://github.com/acme/shop/actions/runs/8"}),
    );
    fake.fail(STATUSES, after(502, ""));
    github.tell(&created, &announcement(), State::Failure, "step `healthy` failed").await.unwrap();
    end(&fake);
    assert_eq!(fake.states(), [["in_progress", "waiting", "failure"]]);
}

#[tokio::test]
async fn a_status_that_was_not_set_is_sent_again() {
    let fake = Fake::start();
    let github = github(&fake);
    let created = github.create(&announcement()).await.unwrap();
    fake.add_status(created.id.parse().unwrap(), &json!({"state": "waiting"}));
    fake.fail(STATUSES, instead(502, ""));
    github.tell(&created, &announcement(), State::Error, "cancelled").await.unwrap();
    end(&fake);
    assert_eq!(fake.states(), [["in_progress", "waiting", "error"]]);
}

#[tokio::test]
async fn a_status_that_cannot_be_set_leaves_no_open_deployment() {
    let fake = Fake::start();
    fake.fail(STATUSES, instead(422, r#"{"message":"Validation Failed"}"#));
    let problem = github(&fake).create(&announcement()).await.unwrap_err();
    assert_eq!(problem.code, Code::ForgeRefused);
    assert_eq!(problem.what, "GitHub refused to set the deployment status of `acme/shop` (422 Unprocessable Entity)");
    let note = format!("nothing was run; deployment {} was created there and is closed", fake.deployments()[0]["id"]);
    assert_eq!(problem.note.as_deref(), Some(note.as_str()));
    end(&fake);
    assert_eq!(fake.states(), [["error"]]);
}

#[tokio::test]
async fn an_expired_token_leaves_the_deployment_unreported() {
    let fake = Fake::start();
    let github = github(&fake);
    let created = github.create(&announcement()).await.unwrap();
    fake.fail(STATUSES, instead(401, r#"{"message":"Bad credentials"}"#));
    let problem = github.tell(&created, &announcement(), State::Success, "deployed").await.unwrap_err();
    assert_eq!(problem.code, Code::ForgeUnreported);
    assert_eq!(problem.what, "GitHub refused to set the deployment status of `acme/shop` (401 Unauthorized)");
}

#[tokio::test]
async fn texts_and_links_are_what_github_takes() {
    let fake = Fake::start();
    let github = github(&fake);
    let mut announcement = announcement();
    announcement.environment_url = Some("file:///etc/passwd".into());
    announcement.log_url = None;
    let created = github.create(&announcement).await.unwrap();
    github.tell(&created, &announcement, State::Failure, &"ö\n".repeat(400)).await.unwrap();
    let requests = end(&fake);
    let body = body(&requests[2]);
    assert_eq!(body["description"].as_str().unwrap().chars().count(), 140);
    assert_eq!((&body["environment_url"], &body["log_url"]), (&Value::Null, &Value::Null));
}

#[test]
fn it_needs_a_repository_an_address_and_a_token() {
    let good = facts("https://api.github.com");
    let of = |facts: &ci::Facts, value: Option<&str>| {
        let secrets = value.map(token);
        let problem = GitHub::new(
            facts,
            secrets.as_ref().and_then(|secrets| secrets.get("GITHUB_TOKEN")),
            Trust::default(),
            Patience::default(),
        )
        .unwrap_err();
        assert_eq!(problem.code, Code::Usage);
        problem.causes[0].clone()
    };
    let named = |name: &str| {
        let mut facts = good.clone();
        facts.github.as_mut().unwrap().name = name.into();
        facts
    };
    assert_eq!(of(&ci::Facts { github: None, ..good.clone() }, Some(TOKEN)), "`GITHUB_REPOSITORY` is not set");
    assert_eq!(of(&named("shop"), Some(TOKEN)), "`shop` is not the name of a repository");
    assert_eq!(of(&named("acme/../x"), Some(TOKEN)), "`acme/../x` is not the name of a repository");
    assert_eq!(of(&good, None), "there is no token: `GITHUB_TOKEN` is not set");
    assert_eq!(of(&good, Some("ghs_secret\n")), "the token in `GITHUB_TOKEN` has characters that no token has");
    assert_eq!(of(&facts("api.github.com"), Some(TOKEN)), "`api.github.com` is not the address of an API");
    assert_eq!(of(&facts("ftp://x/"), Some(TOKEN)), "`ftp://x` is not the address of an API");
    let shown = format!(
        "{:?}",
        GitHub::new(&good, token(TOKEN).get("GITHUB_TOKEN"), Trust::default(), Patience::default()).unwrap()
    );
    assert!(!shown.contains(TOKEN), "{shown}");
}

#[test]
fn people_go_where_programs_do_not() {
    let of = |api: &str| site(api).map(String::from);
    assert_eq!(of("https://api.github.com").as_deref(), Some("https://github.com/"));
    assert_eq!(of("https://api.acme.ghe.com/").as_deref(), Some("https://acme.ghe.com/"));
    assert_eq!(of("https://git.acme.example/api/v3").as_deref(), Some("https://git.acme.example/"));
    assert_eq!(of("http://127.0.0.1:4010"), None);
    let github = GitHub::new(
        &facts("https://api.github.com"),
        token(TOKEN).get("GITHUB_TOKEN"),
        Trust::default(),
        Patience::default(),
    )
    .unwrap();
    assert_eq!(github.page("a#b c/d").as_deref(), Some("https://github.com/acme/shop/deployments/a%23b%20c%2Fd"));
}

#[test]
fn small_things() {
    assert_eq!(cut(" a\n b "), "a b");
    assert_eq!(cut(&"x".repeat(140)), "x".repeat(140));
    assert_eq!(cut(&"x".repeat(141)), format!("{}…", "x".repeat(139)));
    assert_eq!(segment("a/b c"), "a%2Fb%20c");
    assert!(is_of_run(&json!({"schema": "windlass.deployment/1", "run": "r"}), "r"));
    assert!(!is_of_run(&json!("\"text in text\""), "r"));
    let status = |id, state: &str, log: &str| super::Status {
        id,
        state: state.into(),
        description: None,
        log_url: Some(log.into()),
    };
    // An earlier word of ours that was taken back since is not the one that was lost.
    assert!(!stands(&[status(1, "failure", "l"), status(2, "error", "l")], "failure", "", Some("l")));
    assert!(stands(&[status(3, "success", "other"), status(2, "error", "l")], "error", "", Some("l")));
}

#[test]
fn its_futures_can_move_between_threads() {
    const fn moves<T: Send>(_: &T) {}
    let github = GitHub::new(
        &facts("https://api.github.com"),
        token(TOKEN).get("GITHUB_TOKEN"),
        Trust::default(),
        Patience::default(),
    )
    .unwrap();
    let announcement = announcement();
    moves(&github.create(&announcement));
}

#[tokio::test]
async fn a_run_that_was_cut_off_finds_what_it_created() {
    let fake = Fake::start();
    let github = github(&fake);
    assert_eq!(github.find(&announcement()).await.unwrap(), None);
    let created = github.create(&announcement()).await.unwrap();
    assert_eq!(github.find(&announcement()).await.unwrap().as_ref(), Some(&created));
    let again = Announcement { begun: Some(jiff::Timestamp::now()), ..announcement() };
    assert_eq!(github.create(&again).await.unwrap(), created);
    end(&fake);
    assert_eq!(fake.states(), [["in_progress"; 2]]);
}

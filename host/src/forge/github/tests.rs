//! What GitHub is told, over good networks and bad ones.

mod adopt;
mod late;

use super::stub::{Fault, Request, Stub, TOKEN};
use super::{GitHub, State, cut, is_of_run, segment, site, stands};
use crate::ci;
use crate::config::DeploymentOwner;
use crate::event::Subject;
use crate::forge::client::Patience;
use crate::forge::{Announcement, Created, Others};
use crate::problem::{Code, Problem};
use crate::secret::Secrets;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(super) const COMMIT: &str = "a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d";
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

pub(super) fn github(stub: &Stub) -> GitHub {
    let patience = Patience {
        attempt: Duration::from_secs(5),
        write: Duration::from_secs(5),
        total: Duration::from_secs(20),
        pause: Duration::from_millis(2),
        longest: Duration::from_millis(10),
    };
    with_patience(stub, patience)
}

fn with_patience(stub: &Stub, patience: Patience) -> GitHub {
    GitHub::new(&facts(&stub.api), token(TOKEN).get("GITHUB_TOKEN"), patience).unwrap()
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

pub(super) fn lines(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(|request| request.line.split_once("/acme/shop").unwrap().0.split(' ').next().unwrap()).collect()
}

pub(super) fn instead(status: u16, body: &str) -> Fault {
    Fault::Instead(status, vec![], body.into())
}

async fn refused(fault: Fault) -> Problem {
    let stub = Stub::start("").await;
    stub.fail(DEPLOYMENTS, fault);
    let problem = github(&stub).create(&announcement()).await.unwrap_err();
    assert_eq!(stub.end().len(), 1, "it was asked again");
    assert_eq!(problem.code, Code::ForgeRefused);
    assert_eq!(problem.note.as_deref(), Some("nothing was run"));
    problem
}

#[tokio::test]
async fn a_deployment_is_created_in_progress_and_succeeds() {
    let stub = Stub::start("").await;
    let github = github(&stub);
    let created = github.create(&announcement()).await.unwrap();
    github.tell(&created, &announcement(), State::Success, "deployed in 12 s").await.unwrap();
    let requests = stub.end();
    assert_eq!(stub.states(), ["in_progress", "success"]);
    assert_eq!(lines(&requests), ["POST", "POST", "POST"]);
    assert_eq!(requests[0].line, "POST /repos/acme/shop/deployments");
    assert_eq!(
        requests[0].body,
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
    assert_eq!(requests[2].line, format!("POST /repos/acme/shop/deployments/{}/statuses", created.id));
    assert_eq!(
        requests[2].body,
        json!({
            "state": "success", "description": "deployed in 12 s", "auto_inactive": false,
            "log_url": "https://github.com/acme/shop/actions/runs/7", "environment_url": "https://staging.shop.example",
        })
    );
}

#[tokio::test]
async fn production_is_said_to_be_production() {
    let stub = Stub::start("").await;
    let mut announcement = announcement();
    announcement.subject.environment = "production".into();
    announcement.subject.component = Some("backend".into());
    github(&stub).create(&announcement).await.unwrap();
    let requests = stub.end();
    assert_eq!(requests[0].body["production_environment"], true);
    assert_eq!(requests[0].body["description"], "shop 1.2.3 (backend)");
    assert_eq!(requests[0].body["payload"]["component"], "backend");
}

#[tokio::test]
async fn enterprise_server_is_asked_under_its_path() {
    let stub = Stub::start("/api/v3").await;
    let created = github(&stub).create(&announcement()).await.unwrap();
    assert_eq!(stub.end()[0].line, "POST /api/v3/repos/acme/shop/deployments");
    let server = stub.api.strip_suffix("/api/v3").unwrap();
    assert_eq!(created.url, Some(format!("{server}/acme/shop/deployments/staging")));
}

#[tokio::test]
async fn a_denial_is_final_and_names_the_permission() {
    let body = format!(r#"{{"message":"Resource not accessible by integration {TOKEN}"}}"#);
    let permissions = ("x-accepted-github-permissions", "deployments=write".to_owned());
    let problem = refused(Fault::Instead(403, vec![permissions], body)).await;
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
    let faults = [Fault::After(502, "<html>".into()), Fault::Hangup, Fault::After(201, "{\"id\":".into())];
    for fault in faults {
        let stub = Stub::start("").await;
        stub.fail(DEPLOYMENTS, fault.clone());
        let mut announcement = announcement();
        announcement.subject.environment = "a#b c/d&e=ü".into();
        let created = github(&stub).create(&announcement).await.unwrap();
        let requests = stub.end();
        assert_eq!(stub.deployments().len(), 1, "{fault:?}");
        assert_eq!(created.id, stub.deployments()[0]["id"].to_string());
        assert_eq!(lines(&requests), ["POST", "GET", "POST"]);
        assert_eq!(requests[1].query["environment"], "a#b c/d&e=ü");
        assert_eq!(requests[1].query["sha"], COMMIT);
        assert_eq!(stub.states(), ["in_progress"]);
    }
}

#[tokio::test]
async fn silence_is_not_waited_for_for_ever_and_what_was_created_is_found() {
    let stub = Stub::start("").await;
    stub.fail(DEPLOYMENTS, Fault::Silence);
    let patience = Patience { write: Duration::from_millis(300), ..Patience::default() };
    with_patience(&stub, patience).create(&announcement()).await.unwrap();
    assert_eq!(lines(&stub.end()), ["POST", "GET", "POST"]);
    assert_eq!(stub.deployments().len(), 1);
}

#[tokio::test]
async fn what_was_not_created_is_sent_again() {
    let stub = Stub::start("").await;
    stub.fail(DEPLOYMENTS, instead(502, ""));
    stub.fail("GET /deployments", instead(503, ""));
    stub.fail(DEPLOYMENTS, instead(500, "{}"));
    // Somebody else's, of the same commit and environment, is not taken for ours.
    stub.add_deployment(&json!({"ref": COMMIT, "task": "deploy", "environment": "staging", "payload": {"run": "01run"}, "description": null}));
    github(&stub).create(&announcement()).await.unwrap();
    assert_eq!(lines(&stub.end()), ["POST", "GET", "GET", "POST", "GET", "POST", "GET", "POST"]);
    assert_eq!(stub.deployments().len(), 2);
}

#[tokio::test]
async fn ours_is_found_behind_a_hundred_others() {
    let stub = Stub::start("").await;
    let others = json!({"ref": COMMIT, "task": "deploy", "environment": "staging", "payload": "", "description": null});
    let mut ours = others.clone();
    ours["payload"] = json!(json!({"schema": "windlass.deployment/1", "run": "01run"}).to_string());
    stub.add_deployment(&ours);
    for _ in 0..100 {
        stub.add_deployment(&others);
    }
    stub.fail(DEPLOYMENTS, instead(504, ""));
    let created = github(&stub).create(&announcement()).await.unwrap();
    let requests = stub.end();
    assert_eq!(created.id, "1");
    assert_eq!(requests.iter().filter_map(|request| request.query.get("page")).collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test]
async fn a_limit_is_obeyed() {
    let stub = Stub::start("").await;
    stub.fail(DEPLOYMENTS, Fault::Instead(429, vec![("retry-after", "1".into())], "Retry later".into()));
    let begun = Instant::now();
    github(&stub).create(&announcement()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    // It was certainly not done, so nobody has to look.
    assert_eq!(lines(&stub.end()), ["POST", "POST", "POST"]);
}

#[tokio::test]
async fn a_limit_that_is_too_long_ends_it_at_once() {
    let problem = refused(Fault::Instead(
        403,
        vec![("retry-after", "3600".into())],
        r#"{"message":"secondary rate limit"}"#.into(),
    ))
    .await;
    assert_eq!(
        problem.causes,
        ["secondary rate limit", "GitHub asks to wait 3600 s, which is longer than Windlass waits"]
    );
    assert_eq!(problem.hint.as_deref(), Some("run it again when GitHub's limit is over"));
}

#[tokio::test]
async fn all_of_it_has_a_deadline_and_doubt_is_admitted() {
    let stub = Stub::start("").await;
    for _ in 0..2 {
        stub.fail(DEPLOYMENTS, Fault::Silence);
        stub.fail("GET /deployments", Fault::Silence);
    }
    let second = Duration::from_secs(1);
    let patience =
        Patience { attempt: second * 30, write: second * 30, total: second, pause: second / 100, longest: second };
    let begun = Instant::now();
    let problem = with_patience(&stub, patience).create(&announcement()).await.unwrap_err();
    assert!(begun.elapsed() < second * 5, "{:?}", begun.elapsed());
    assert_eq!(problem.what, "GitHub did not answer when asked to create a deployment of `acme/shop` to `staging`");
    assert_eq!(problem.note.as_deref(), Some("nothing was run; the deployment may stand there all the same"));
    assert!(problem.is_in_doubt(), "nobody would look for it");
    assert_eq!(problem.hint, Some(format!("run it again when `{}` answers", stub.api)));
}

#[tokio::test]
async fn nobody_there_is_said_in_the_systems_words() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let patience = Patience { total: Duration::from_millis(100), ..Patience::default() };
    let github = GitHub::new(&facts(&api), token(TOKEN).get("GITHUB_TOKEN"), patience).unwrap();
    let created = Created { id: "1".into(), url: None, adopted: false };
    let problem = github.tell(&created, &announcement(), State::Success, "").await.unwrap_err();
    assert_eq!(problem.code, Code::ForgeUnreported);
    assert_eq!(problem.note.as_deref(), Some("the deployment succeeded; only its status is missing"));
    assert!(problem.causes[0].to_ascii_lowercase().contains("refused"), "{problem:?}");
}

#[tokio::test]
async fn a_status_that_was_set_and_not_answered_is_not_set_twice() {
    let stub = Stub::start("").await;
    let github = github(&stub);
    let created = github.create(&announcement()).await.unwrap();
    // A state that can only be read, and somebody else's newer word.
    stub.add_status(
        &json!({"state": "waiting", "description": "", "log_url": "https://github.com/acme/shop/actions/runs/8"}),
    );
    stub.fail(STATUSES, Fault::After(502, String::new()));
    github.tell(&created, &announcement(), State::Failure, "step `healthy` failed").await.unwrap();
    stub.end();
    assert_eq!(stub.states(), ["in_progress", "waiting", "failure"]);
}

#[tokio::test]
async fn a_status_that_was_not_set_is_sent_again() {
    let stub = Stub::start("").await;
    let github = github(&stub);
    let created = github.create(&announcement()).await.unwrap();
    stub.add_status(&json!({"state": "waiting", "description": ""}));
    stub.fail(STATUSES, instead(502, ""));
    github.tell(&created, &announcement(), State::Error, "cancelled").await.unwrap();
    stub.end();
    assert_eq!(stub.states(), ["in_progress", "waiting", "error"]);
}

#[tokio::test]
async fn a_status_that_cannot_be_set_leaves_no_open_deployment() {
    let stub = Stub::start("").await;
    stub.fail(STATUSES, instead(422, r#"{"message":"Validation Failed"}"#));
    let problem = github(&stub).create(&announcement()).await.unwrap_err();
    assert_eq!(problem.code, Code::ForgeRefused);
    assert_eq!(problem.what, "GitHub refused to set the deployment status of `acme/shop` (422 Unprocessable Entity)");
    assert_eq!(problem.note.as_deref(), Some("nothing was run; deployment 1 was created there and is closed"));
    stub.end();
    assert_eq!(stub.states(), ["error"]);
}

#[tokio::test]
async fn an_expired_token_leaves_the_deployment_unreported() {
    let stub = Stub::start("").await;
    let github = github(&stub);
    let created = github.create(&announcement()).await.unwrap();
    stub.fail(STATUSES, instead(401, r#"{"message":"Bad credentials"}"#));
    let problem = github.tell(&created, &announcement(), State::Success, "deployed").await.unwrap_err();
    assert_eq!(problem.code, Code::ForgeUnreported);
    assert_eq!(problem.what, "GitHub refused to set the deployment status of `acme/shop` (401 Unauthorized)");
}

#[tokio::test]
async fn texts_and_links_are_what_github_takes() {
    let stub = Stub::start("").await;
    let github = github(&stub);
    let mut announcement = announcement();
    announcement.environment_url = Some("file:///etc/passwd".into());
    announcement.log_url = None;
    let created = github.create(&announcement).await.unwrap();
    github.tell(&created, &announcement, State::Failure, &"ö\n".repeat(400)).await.unwrap();
    let requests = stub.end();
    let body = &requests[2].body;
    assert_eq!(body["description"].as_str().unwrap().chars().count(), 140);
    assert_eq!((&body["environment_url"], &body["log_url"]), (&Value::Null, &Value::Null));
}

#[test]
fn it_needs_a_repository_an_address_and_a_token() {
    let good = facts("https://api.github.com");
    let of = |facts: &ci::Facts, value: Option<&str>| {
        let secrets = value.map(token);
        let problem =
            GitHub::new(facts, secrets.as_ref().and_then(|secrets| secrets.get("GITHUB_TOKEN")), Patience::default())
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
    let shown = format!("{:?}", GitHub::new(&good, token(TOKEN).get("GITHUB_TOKEN"), Patience::default()).unwrap());
    assert!(!shown.contains(TOKEN), "{shown}");
}

#[test]
fn people_go_where_programs_do_not() {
    let of = |api: &str| site(api).map(String::from);
    assert_eq!(of("https://api.github.com").as_deref(), Some("https://github.com/"));
    assert_eq!(of("https://api.acme.ghe.com/").as_deref(), Some("https://acme.ghe.com/"));
    assert_eq!(of("https://git.acme.example/api/v3").as_deref(), Some("https://git.acme.example/"));
    assert_eq!(of("http://127.0.0.1:4010"), None);
    let github =
        GitHub::new(&facts("https://api.github.com"), token(TOKEN).get("GITHUB_TOKEN"), Patience::default()).unwrap();
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
    let github =
        GitHub::new(&facts("https://api.github.com"), token(TOKEN).get("GITHUB_TOKEN"), Patience::default()).unwrap();
    let announcement = announcement();
    moves(&github.create(&announcement));
}

#[tokio::test]
async fn a_run_that_was_cut_off_finds_what_it_created() {
    let stub = Stub::start("").await;
    let github = github(&stub);
    assert_eq!(github.find(&announcement()).await.unwrap(), None);
    let created = github.create(&announcement()).await.unwrap();
    assert_eq!(github.find(&announcement()).await.unwrap().as_ref(), Some(&created));
    let again = Announcement { begun: Some(jiff::Timestamp::now()), ..announcement() };
    assert_eq!(github.create(&again).await.unwrap(), created);
    stub.end();
    assert_eq!((stub.deployments().len(), stub.states()), (1, vec!["in_progress".to_owned(); 2]));
}

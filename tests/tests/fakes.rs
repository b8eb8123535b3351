//! The fake forges refuse what the real ones refuse, and fail the test at what is not described.

use e2e::github::{APP_TOKEN, GitHub, JOB_TOKEN, REPOSITORY, RUN, TOKEN};
use e2e::gitlab::{self, GitLab};
use e2e::server::send;
use serde_json::{Value, json};

/// Asks GitHub, as who has this token, for something of the repository.
fn ask(github: &GitHub, token: &str, line: &str, body: &Value) -> (u16, Value) {
    let address = url::Url::parse(&github.api()).expect("an address");
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let path = path.strip_prefix('/').map_or_else(|| format!("/{path}"), |path| format!("/repos/{REPOSITORY}/{path}"));
    let line = format!("{method} {}{path}", address.path().trim_end_matches('/'));
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("user-agent", "test")];
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = send(address.port().expect("a port"), &line, &headers, &text).expect("an answer");
    (status, serde_json::from_str(&answer).unwrap_or_default())
}

fn get(github: &GitHub, line: &str) -> (u16, Value) {
    ask(github, JOB_TOKEN, &format!("GET {line}"), &Value::Null)
}

fn post(github: &GitHub, line: &str, body: &Value) -> (u16, Value) {
    ask(github, JOB_TOKEN, &format!("POST {line}"), body)
}

#[test]
fn what_is_not_described_is_a_mistake() {
    for (line, body) in [
        ("POST /deployments", json!({ "ref": "main", "colour": "green", "required_contexts": [] })),
        ("POST /deployments", json!({ "environment": "staging" })),
        ("GET /deployments?colour=green", Value::Null),
        ("GET /deployments?per_page=101", Value::Null),
        ("POST /deployments/1/statuses", json!({ "state": "success", "description": "x".repeat(141) })),
        ("POST /deployments/1/statuses", json!({ "state": "waiting" })),
        ("PUT /environments/staging", json!({})),
        ("GET /environments/review/a", Value::Null),
    ] {
        let github = GitHub::start();
        let _ = github.add(&json!({ "ref": "main" }));
        assert!(ask(&github, JOB_TOKEN, line, &body).0 >= 400, "{line}");
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| github.is_right()));
        assert!(judged.is_err(), "{line} {body}");
    }
}

#[test]
fn a_reference_is_made_once_and_goes_forward() {
    let github = GitHub::enterprise();
    let blob = post(&github, "/git/blobs", &json!({ "content": "a lease", "encoding": "utf-8" })).1;
    let tree = json!({ "tree": [{ "path": "of/shop", "mode": "100644", "type": "blob", "sha": blob["sha"] }] });
    let tree = post(&github, "/git/trees", &tree).1;
    let commit = |parents: Value, message: &str| {
        let body = json!({ "message": message, "tree": tree["sha"], "parents": parents });
        let (status, made) = post(&github, "/git/commits", &body);
        assert_eq!(status, 201, "{made}");
        made["sha"].clone()
    };
    let first = commit(json!([]), "one");
    let second = commit(json!([first]), "two");
    let other = commit(json!([first]), "beside");
    let name = "refs/windlass/leases/shop";
    let make = |sha: &Value| post(&github, "/git/refs", &json!({ "ref": name, "sha": sha }));
    assert_eq!(make(&second).0, 201);
    let (status, refusal) = make(&first);
    assert_eq!((status, &refusal["message"]), (422, &json!("Reference already exists")));
    assert_eq!(make(&json!("f".repeat(40))).1["message"], json!("Object does not exist"));

    let change = |sha: &Value, force: bool| {
        ask(&github, JOB_TOKEN, "PATCH /git/refs/windlass/leases/shop", &json!({ "sha": sha, "force": force }))
    };
    assert_eq!(change(&other, false).1["message"], json!("Update is not a fast forward"));
    assert_eq!(change(&first, true).0, 200);
    assert_eq!(change(&other, false).0, 200);
    let (status, found) = get(&github, "/git/ref/windlass/leases/shop");
    assert_eq!((status, &found["object"]["sha"]), (200, &other));
    assert_eq!(get(&github, "/git/matching-refs/windlass/").1.as_array().map(Vec::len), Some(1));
    assert_eq!(get(&github, "/git/ref/windlass/leases").0, 404);

    let sha = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed = get(&github, &format!("/git/trees/{}?recursive=1", sha(&tree["sha"]))).1;
    assert_eq!(listed["tree"][0]["path"], json!("of/shop"));
    let shallow = get(&github, &format!("/git/trees/{}", sha(&other))).1;
    assert_eq!((&shallow["tree"][0]["path"], &shallow["tree"][0]["type"]), (&json!("of"), &json!("tree")));
    assert_eq!(get(&github, &format!("/git/blobs/{}", sha(&blob["sha"]))).1["content"], json!("YSBsZWFzZQ==\n"));
    assert_eq!(get(&github, &format!("/git/commits/{}", sha(&second))).1["parents"][0]["sha"], first);

    assert_eq!(ask(&github, JOB_TOKEN, "DELETE /git/refs/windlass/leases/shop", &Value::Null).0, 204);
    assert_eq!(ask(&github, JOB_TOKEN, "DELETE /git/refs/windlass/leases/shop", &Value::Null).0, 422);
    github.is_right();
    assert!(github.references("refs/windlass/").is_empty());
}

#[test]
fn only_a_required_reviewer_reviews() {
    let github = GitHub::start();
    github.add_team("deployers", &["grace", "ada"]);
    github.protect("production", &["@deployers"], true);
    github.add_person("ghp_ada", "ada");
    github.add_person("ghp_eve", "eve");
    let id = github.wait_for(RUN, "production");
    let waiting = format!("/actions/runs/{RUN}/pending_deployments");
    let pending = |token: &str| ask(&github, token, &format!("GET {waiting}"), &Value::Null).1;
    assert_eq!(pending(JOB_TOKEN)[0]["current_user_can_approve"], json!(false));
    assert_eq!(pending(TOKEN)[0]["current_user_can_approve"], json!(true));
    assert_eq!(get(&github, &format!("/actions/runs/{RUN}")).1["status"], json!("waiting"));

    let body = json!({ "environment_ids": [id], "state": "approved", "comment": "go" });
    let review = |token: &str| ask(&github, token, &format!("POST {waiting}"), &body).0;
    // The job, nobody, who started it, and then one who may.
    assert_eq!([JOB_TOKEN, "ghp_eve", "ghp_ada", TOKEN].map(review), [403, 422, 422, 200]);
    assert_eq!(review(TOKEN), 422, "nothing waits any more");
    let approvals = get(&github, &format!("/actions/runs/{RUN}/approvals")).1;
    assert_eq!(
        (&approvals[0]["user"]["login"], &approvals[0]["state"], &approvals[0]["comment"]),
        (&json!("grace"), &json!("approved"), &json!("go"))
    );
    assert_eq!(approvals[0]["environments"][0]["name"], json!("production"));
    assert_eq!(get(&github, &format!("/actions/runs/{RUN}")).1["status"], json!("in_progress"));
    github.is_right();
}

#[test]
fn only_the_app_that_owns_a_rule_answers_it() {
    let github = GitHub::start();
    let _ = github.wait_for(RUN, "production");
    let line = format!("POST /actions/runs/{RUN}/deployment_protection_rule");
    let report = json!({ "environment_name": "production", "comment": "looking" });
    assert_eq!(ask(&github, JOB_TOKEN, &line, &report).0, 403);
    assert_eq!([(); 11].map(|()| ask(&github, APP_TOKEN, &line, &report).0)[9..], [204, 422]);
    let long = json!({ "environment_name": "production", "state": "approved", "comment": "x".repeat(1025) });
    assert_eq!(ask(&github, APP_TOKEN, &line, &long).0, 422);
    let body = json!({ "environment_name": "production", "state": "approved", "comment": "the plan" });
    assert_eq!(ask(&github, APP_TOKEN, &line, &body).0, 204);
    assert_eq!(get(&github, &format!("/actions/runs/{RUN}")).1["status"], json!("in_progress"));
    assert_eq!(github.responses(RUN).len(), 11);
    github.is_right();
}

#[test]
fn tokens_do_what_they_may() {
    let github = GitHub::start();
    let job = |line: &str| ask(&github, JOB_TOKEN, line, &Value::Null);
    let (status, refusal) = job("GET user");
    assert_eq!((status, &refusal["message"]), (403, &json!("Resource not accessible by integration")));
    assert_eq!(ask(&github, TOKEN, "GET user", &Value::Null).1["login"], json!("grace"));
    github.add_team("deployers", &["grace"]);
    let member = |login: &str| {
        ask(&github, TOKEN, &format!("GET orgs/acme/teams/deployers/memberships/{login}"), &Value::Null).0
    };
    assert_eq!((member("grace"), member("eve")), (200, 404));
    assert_eq!(job("GET orgs/acme/teams/deployers/memberships/grace").0, 403);
    github.permit(JOB_TOKEN, &[("contents", "read")]);
    assert_eq!((job("GET /git/ref/heads/main").0, job("GET /deployments").0), (200, 403));
    github.limit(JOB_TOKEN, 1, 60);
    assert_eq!((job("GET /git/ref/heads/main").0, job("GET /git/ref/heads/main").0), (200, 403));
    assert_eq!(job("GET rate_limit").1["rate"]["remaining"], json!(0));
    github.expire(TOKEN);
    assert_eq!(ask(&github, TOKEN, "GET user", &Value::Null).0, 401);
    github.is_right();
}

#[test]
fn deployments_environments_and_comments_are_as_described() {
    let github = GitHub::start();
    let body = json!({ "ref": "main", "environment": "staging", "required_contexts": [], "auto_merge": false });
    let old = post(&github, "/deployments", &body).1["id"].clone();
    let new = post(&github, "/deployments", &body).1["id"].clone();
    assert_eq!(post(&github, "/deployments", &json!({ "ref": "main" })).0, 409, "its checks are not over");
    assert_eq!(post(&github, "/deployments", &json!({ "ref": "gone", "required_contexts": [] })).0, 422);
    for id in [&old, &new] {
        let body = json!({ "state": "success", "log_url": "https://ci.example" });
        assert_eq!(post(&github, &format!("/deployments/{id}/statuses"), &body).0, 201);
    }
    let bad = json!({ "state": "success", "environment_url": "file:///etc" });
    assert_eq!(post(&github, &format!("/deployments/{new}/statuses"), &bad).0, 422);
    assert_eq!(github.states(), [vec!["success", "inactive"], vec!["success"]], "the older one is retired");
    assert_eq!(get(&github, &format!("/deployments/{new}/statuses?per_page=1")).1[0]["state"], json!("success"));
    assert_eq!(get(&github, "/deployments?per_page=1&environment=staging").1[0]["id"], new);
    assert_eq!(ask(&github, JOB_TOKEN, &format!("DELETE /deployments/{new}"), &Value::Null).0, 422);
    assert_eq!(ask(&github, JOB_TOKEN, &format!("DELETE /deployments/{old}"), &Value::Null).0, 204);
    assert_eq!(get(&github, "/environments").1["total_count"], json!(1));
    assert_eq!(get(&github, "/environments/staging").1["name"], json!("staging"));
    assert_eq!(ask(&github, JOB_TOKEN, "DELETE /environments/staging", &Value::Null).0, 403);
    assert_eq!(ask(&github, TOKEN, "DELETE /environments/staging", &Value::Null).0, 204);

    github.add_pull(11, e2e::COMMIT);
    assert_eq!(get(&github, &format!("/commits/{}/pulls", e2e::COMMIT)).1[0]["number"], json!(11));
    let made = post(&github, "/issues/11/comments", &json!({ "body": "planned" })).1;
    assert_eq!(post(&github, "/issues/11/comments", &json!({ "body": "x".repeat(65_537) })).0, 422);
    assert_eq!(post(&github, "/issues/12/comments", &json!({ "body": "nowhere" })).0, 404);
    let own = format!("/issues/comments/{}", made["id"]);
    assert_eq!(ask(&github, JOB_TOKEN, &format!("PATCH {own}"), &json!({ "body": "deployed" })).0, 200);
    assert_eq!(github.comments(11), [("github-actions[bot]".to_owned(), "deployed".to_owned())]);
    assert_eq!(get(&github, "/issues/11/comments").1[0]["body"], json!("deployed"));
    assert_eq!(get(&github, &own).0, 200);
    assert_eq!(ask(&github, JOB_TOKEN, &format!("DELETE {own}"), &Value::Null).0, 204);
    let jobs = get(&github, &format!("/actions/runs/{RUN}/jobs")).1;
    assert_eq!(jobs["jobs"][0]["name"], json!("deploy"));
    assert_eq!(ask(&github, JOB_TOKEN, "GET repos/acme/shop", &Value::Null).1["default_branch"], json!("main"));
    assert_eq!(ask(&github, JOB_TOKEN, "GET repos/acme/other", &Value::Null).0, 404);
    github.is_right();
}

/// Asks GitLab for something of the project, with this token.
fn ask_gitlab(gitlab: &GitLab, (header, token): (&str, &str), line: &str, body: &str) -> (u16, Value) {
    let variables = gitlab.variables(None);
    let api = variables.iter().find(|(name, _)| *name == "CI_API_V4_URL").map(|(_, value)| value.as_str());
    let address = url::Url::parse(api.expect("an address")).expect("an address");
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let path = path.strip_prefix('/').map_or_else(|| format!("/{path}"), |path| format!("/projects/42/{path}"));
    let headers = [(header, token), ("user-agent", "windlass/0")];
    let line = format!("{method} {}{path}", address.path());
    let (status, answer) = send(address.port().expect("a port"), &line, &headers, body).expect("an answer");
    (status, serde_json::from_str(&answer).unwrap_or(Value::String(answer)))
}

const JOB: (&str, &str) = ("job-token", gitlab::JOB_TOKEN);
const PERSON: (&str, &str) = ("private-token", gitlab::TOKEN);

#[test]
fn only_who_is_in_a_rule_approves_on_gitlab() {
    let gitlab = GitLab::start();
    gitlab.add_person("glpat-of-eve", "eve");
    let ask = |who, id: u64, body: &Value| {
        let (status, answer) = ask_gitlab(&gitlab, who, &format!("POST /deployments/{id}/approval"), &body.to_string());
        (status, answer["message"].as_str().unwrap_or_default().chars().take(34).collect::<String>())
    };
    let eve = ("private-token", "glpat-of-eve");
    let id = gitlab.add("production", "blocked", "main", Some(gitlab::JOB));
    let yes = json!({ "status": "approved" });
    let refused = |words: &str| (400, words.to_owned());
    assert_eq!(ask(PERSON, id, &yes), refused("This environment is not protected."));
    gitlab.protect("production", &[]);
    assert_eq!(ask(PERSON, id, &yes), refused("Deployment approvals is not config"));
    gitlab.protect("production", &[("deployers", &[gitlab::PERSON, gitlab::STARTER]), ("qa", &[gitlab::PERSON])]);
    assert_eq!(ask(JOB, id, &yes), refused("You cannot approve your own deploy"));
    assert_eq!(ask(eve, id, &yes), refused("You don't have permission to appro"));
    let for_sales = json!({ "status": "approved", "represented_as": "sales" });
    assert_eq!(ask(PERSON, id, &for_sales), refused("There are no approval rules for th"));
    let long = json!({ "status": "approved", "comment": "x".repeat(256) });
    assert_eq!(ask(PERSON, id, &long).0, 400);
    for body in [yes.clone(), json!({ "status": "approved", "represented_as": "qa" }), yes.clone()] {
        assert_eq!(ask(PERSON, id, &body).0, 201);
    }
    assert_eq!(gitlab.said(id).len(), 2, "once for each rule");
    assert_eq!(ask(JOB, id, &json!({ "status": "rejected" })).0, 201);
    assert_eq!(ask(PERSON, id, &yes), refused("This deployment is not waiting for"));
    assert_eq!(gitlab.deployments()[0]["status"], "failed");
    let _ = gitlab.states();
}

#[test]
fn gitlab_says_which_pages_there_are() {
    let gitlab = GitLab::start();
    for _ in 0..45 {
        let _ = gitlab.add("staging", "success", "main", None);
    }
    let headers = |query: &str| {
        let variables = gitlab.variables(None);
        let api = variables.iter().find(|(name, _)| *name == "CI_API_V4_URL").map(|(_, value)| value.clone());
        let address = url::Url::parse(&format!("{}/projects/42/deployments{query}", api.expect("an address")));
        let address = address.expect("an address");
        let line = format!("GET {}{}", address.path(), address.query().map(|it| format!("?{it}")).unwrap_or_default());
        let sent = [JOB, ("user-agent", "windlass/0")];
        e2e::server::headers(address.port().expect("a port"), &line, &sent).expect("an answer")
    };
    let of = |query: &str| {
        let headers = headers(query);
        let value = |name: &str| headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        ["x-prev-page", "x-page", "x-next-page", "x-per-page", "x-total", "x-total-pages"]
            .map(|name| value(name).unwrap_or_else(|| "none".into()))
    };
    assert_eq!(of(""), ["", "1", "2", "20", "45", "3"]);
    assert_eq!(of("?page=3&per_page=20"), ["2", "3", "", "20", "45", "3"]);
    assert_eq!(of("?per_page=100"), ["", "1", "", "100", "45", "1"]);
    let link = headers("?page=2&sort=desc").into_iter().find(|(name, _)| name == "link").expect("links").1;
    for relation in
        ["page=1>; rel=\"prev\"", "page=3>; rel=\"next\"", "page=1>; rel=\"first\"", "page=3>; rel=\"last\""]
    {
        assert!(link.contains(&format!("sort=desc&{relation}")), "{link}");
    }
    let _ = gitlab.states();
}

#[test]
fn gitlab_keeps_environments_and_packages() {
    let gitlab = GitLab::start();
    let ask = |who, line: &str, body: &Value| {
        ask_gitlab(&gitlab, who, line, &if body.is_null() { String::new() } else { body.to_string() })
    };
    let get = |who, line: &str| ask(who, &format!("GET {line}"), &Value::Null);
    let _ = gitlab.add("review/a", "success", "main", None);
    let last = gitlab.add("review/a", "failed", "main", None);
    assert_eq!(get(JOB, "/environments?search=review&per_page=1").1[0]["name"], json!("review/a"));
    assert_eq!(get(JOB, "/environments/1").1["last_deployment"]["status"], json!("success"));
    assert_eq!(ask(JOB, "DELETE /environments/1", &Value::Null).0, 403, "it is not stopped");
    assert_eq!(ask(JOB, "POST /environments/1/stop", &Value::Null).1["state"], json!("stopped"));
    assert_eq!(get(JOB, "/environments?states=available").1, json!([]));
    assert_eq!(ask(JOB, &format!("DELETE /deployments/{last}"), &Value::Null).0, 400, "it is the last one");
    assert_eq!(ask(JOB, &format!("DELETE /deployments/{}", last - 1), &Value::Null).0, 204);
    assert_eq!(ask(JOB, "DELETE /environments/1", &Value::Null).0, 204);
    assert!(gitlab.environments().is_empty() && gitlab.deployments().is_empty());
    gitlab.protect("production", &[("deployers", &[gitlab::PERSON])]);
    assert_eq!(
        get(PERSON, "/protected_environments/production").1["approval_rules"][0]["required_approvals"],
        json!(1)
    );
    assert_eq!((get(JOB, "/protected_environments").0, get(JOB, "/freeze_periods").0), (401, 401));

    gitlab.add_request(11, &[]);
    let note = |length: usize| ask(PERSON, "POST /merge_requests/11/notes", &json!({ "body": "x".repeat(length) })).0;
    assert_eq!((note(1_000_000), note(1_000_001)), (201, 400));

    for text in ["{}", "{\"a\": 1}"] {
        let line = "PUT /packages/generic/windlass/1.2.3/run.json";
        assert_eq!(ask_gitlab(&gitlab, JOB, line, text).0, 201);
    }
    assert_eq!(get(JOB, "/packages/generic/windlass/1.2.3/run.json"), (200, json!({ "a": 1 })), "the newer one");
    assert_eq!(get(JOB, "/packages/generic/windlass/1.2.3/other.json").0, 404);
    let listed = get(JOB, "/packages?package_type=generic&package_name=wind").1;
    assert_eq!(listed[0]["version"], json!("1.2.3"));
    assert_eq!(ask(JOB, &format!("DELETE /packages/{}", listed[0]["id"]), &Value::Null).0, 204);
    assert!(gitlab.packages().is_empty());

    gitlab.set_pipeline(gitlab::PIPELINE, "canceled");
    assert_eq!(get(JOB, &format!("/pipelines/{}", gitlab::PIPELINE)).1["status"], json!("canceled"));
    gitlab.set_job(7, "failed");
    assert_eq!((get(PERSON, "/jobs/7").1["status"].clone(), get(JOB, "/jobs/7").0), (json!("failed"), 401));
    assert_eq!((get(JOB, "job").1["id"].clone(), get(JOB, "user").0), (json!(gitlab::JOB), 401));
    assert!(gitlab.states().len() <= 2, "all of it is described");
}

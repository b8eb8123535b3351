//! Forges that are reached through a proxy only, with certificates of an authority that the system does not know.

use e2e::gitlab::GitLab;
use e2e::proxy::Proxy;
use e2e::server::{Answer, Server};
use e2e::steps::{Step, text};
use e2e::{Output, Project};
use serde_json::json;

/// What a forge's host is called.
const NAME: &str = "forge.invalid";

/// A project in a job of a forge at that name.
fn project(variables: &[(&'static str, String)]) -> Project {
    let project = Project::with(&text("store = \"local\"", &[Step::marks("a")]));
    variables.iter().fold(project, |project, (name, value)| project.variable(name, value)).locked()
}

/// Deploys through the proxy, with these variables more.
fn deploy(project: &Project, proxy: &Proxy, more: &[(&str, &str)]) -> Output {
    project.write("authority.pem", proxy.authority());
    let authority = project.path().join("authority.pem");
    let url = proxy.url();
    let mut variables = vec![("HTTPS_PROXY", url.as_str()), ("SSL_CERT_FILE", authority.to_str().expect("a path"))];
    variables.extend(more);
    project.windlass_with("run -e staging --format json", &variables)
}

#[test]
fn gitlab_is_reached_through_a_proxy_and_trusted_by_a_file() {
    let gitlab = GitLab::start();
    let mut variables = gitlab.variables(None);
    let (_, api) = variables.iter_mut().find(|(name, _)| *name == "CI_API_V4_URL").expect("an address");
    let server = url::Url::parse(api).expect("a URL");
    *api = format!("https://{NAME}{}", server.path());
    let proxy = Proxy::to(server.port().expect("a port"), NAME);
    let _ = deploy(&project(&variables), &proxy, &[]).exits(0);
    assert_eq!(gitlab.states(), [["running", "success"]]);
    let asked = proxy.asked();
    assert!(!asked.is_empty() && asked.iter().all(|whom| *whom == format!("{NAME}:443")), "{asked:?}");
}

/// A GitHub that takes everything.
fn github() -> Server {
    Server::start(|request| {
        if request.method == "GET" {
            return Answer::json(&json!([]));
        }
        let body = request.json().unwrap_or_default();
        let made = json!({ "id": 7, "state": body["state"], "payload": body["payload"] });
        Answer::new(201, made.to_string()).header("content-type", "application/json")
    })
}

fn in_github() -> Project {
    project(&[
        ("GITHUB_ACTIONS", "true".into()),
        ("GITHUB_REPOSITORY", "acme/shop".into()),
        ("GITHUB_API_URL", format!("https://{NAME}/api/v3")),
        ("GITHUB_TOKEN", "ghs_0123456789abcdefABCDEF".into()),
    ])
}

#[test]
fn github_is_reached_through_a_proxy_and_trusted_by_a_file() {
    let github = github();
    let proxy = Proxy::to(github.port(), NAME);
    let _ = deploy(&in_github(), &proxy, &[]).exits(0);
    let paths: Vec<String> = github.received().iter().map(|request| request.path.clone()).collect();
    let (deployments, statuses) =
        ("/api/v3/repos/acme/shop/deployments", "/api/v3/repos/acme/shop/deployments/7/statuses");
    assert_eq!(paths[..3], [deployments, statuses, statuses]);
    assert!(proxy.asked().iter().all(|whom| *whom == format!("{NAME}:443")), "{:?}", proxy.asked());
}

#[test]
fn what_needs_no_proxy_does_not_get_one() {
    let gitlab = GitLab::start();
    let proxy = Proxy::to(1, NAME);
    let variables = gitlab.variables(None);
    let _ = deploy(&project(&variables), &proxy, &[("HTTP_PROXY", &proxy.url()), ("NO_PROXY", "127.0.0.1")]).exits(0);
    assert_eq!(gitlab.states(), [["running", "success"]]);
    assert_eq!(proxy.asked(), Vec::<String>::new());
}

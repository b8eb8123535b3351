//! Forges and what plugins ask, where they are reached through a proxy only, with certificates of an authority that the system
//! does not know.

use e2e::gitlab::GitLab;
use e2e::probe::Probe;
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

#[test]
fn gitlab_is_trusted_by_a_file_of_the_config() {
    let gitlab = GitLab::start();
    let mut variables = gitlab.variables(None);
    let (_, api) = variables.iter_mut().find(|(name, _)| *name == "CI_API_V4_URL").expect("an address");
    let server = url::Url::parse(api).expect("a URL");
    *api = format!("https://{NAME}{}", server.path());
    let proxy = Proxy::to(server.port().expect("a port"), NAME);
    let top = "store = \"local\"\nnetwork = { ca-file = \"certs/company.pem\" }";
    let project = Project::with(&text(top, &[Step::marks("a")])).file("certs/company.pem", proxy.authority());
    let project = variables.iter().fold(project, |project, (name, value)| project.variable(name, value)).locked();
    let _ = project.windlass_with("run -e staging", &[("HTTPS_PROXY", &proxy.url())]).exits(0);
    assert_eq!(gitlab.states(), [["running", "success"]]);
}

/// A step that asks a server which only a proxy knows.
fn asking() -> Probe {
    let grant = json!({
        "kind": "http", "scheme": "https", "host": "api.invalid", "port": 443, "methods": ["GET"], "path": "/",
        "phases": ["apply"],
    });
    Probe::new().asks(grant).applies(json!({ "do": "http", "url": "https://api.invalid/a" }))
}

#[test]
fn what_a_plugin_asks_goes_through_the_proxy_and_the_plan_says_what_can_be_checked() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let proxy = Proxy::to(server.port(), "api.invalid");
    let place = proxy.url().replace("http://", "");
    let config = asking().config() + "\n[network]\nca-file = \"certs/company.pem\"\n";
    let project = Project::with(&config)
        .guest("probe")
        .file("certs/company.pem", proxy.authority())
        .variable("https_proxy", &format!("http://me:pass-word-42@{place}"))
        .locked();
    let line = format!("through the proxy `{place}`: only the name of `api.invalid` can be checked");
    let planned = project.windlass("plan").exits(0);
    assert!(planned.stdout.contains(&format!("\nnote: {line}\n")), "{}", planned.stdout);
    assert_eq!(project.windlass("plan --format json").exits(0).result()["plan"]["proxied"], json!([line]));
    let output = project.windlass("run --log debug").exits(0);
    assert!(project.results()[0].starts_with("ok: 200 "), "{:?}", project.results());
    assert_eq!(proxy.asked(), ["api.invalid:443"]);
    assert_eq!(server.received().len(), 1);
    assert!(project.event("run-planned").to_string().contains(&line), "it is in the run's record");
    let written = format!("{}{:?}{}", output.everything(), project.journal(), planned.everything());
    assert!(!written.contains("pass-word-42"), "{written}");
}

#[test]
fn an_authority_that_nobody_named_is_not_trusted() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let proxy = Proxy::to(server.port(), "api.invalid");
    let project = asking().project().variable("HTTPS_PROXY", &proxy.url()).locked();
    let _ = project.windlass("run").exits(0);
    assert!(project.results()[0].starts_with("unavailable: tls: "), "{:?}", project.results());
    assert!(server.received().is_empty());
}

#[test]
fn a_file_without_authorities_is_a_mistake_before_anything_runs() {
    let config = asking().config() + "\n[network]\nca-file = \"certs/company.pem\"\n";
    for (text, reason) in [
        (None, "No such file or directory"),
        (Some(""), "there is no certificate in it"),
        (
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "a certificate in it is none to trust",
        ),
    ] {
        let project = Project::with(&config).guest("probe");
        if let Some(text) = text {
            project.write("certs/company.pem", text);
        }
        for command in ["lock", "plan", "run", "status"] {
            let output = project.windlass(command).exits(2);
            let said = "there are no certificates to be had from `certs/company.pem`";
            assert!(output.stderr.contains(said) && output.stderr.contains(reason), "{}", output.stderr);
            assert!(output.stderr.contains("let `network.ca-file` name a file"), "{}", output.stderr);
        }
        assert!(!project.has("deploy.lock") && !project.has(".windlass"));
    }
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

//! The example plugins: built from source with their languages' own tools, tried with their cases, and deployed with.
#![cfg(unix)]

use e2e::languages::example;
use e2e::server::{Answer, Server};
use e2e::{Project, workspace};
use std::sync::{Arc, Mutex};

/// Its cases pass, in its own project.
fn passes(folder: &str) {
    let output = example(folder).windlass(&format!("plugin test build/{folder}.wasm --cases cases.toml")).exits(0);
    assert!(!output.stdout.is_empty(), "{}", output.all());
}

/// A project that deploys with an example.
fn deploys(folder: &str, with: &str) -> Project {
    let name = folder.rsplit('/').next().unwrap_or(folder);
    let config = format!(
        "schema = 1\napp = \"shop\"\n\n[environments.staging]\n\n[[step]]\nid = \"it\"\nplugin = \"./{name}.wasm\"\n\
         with = {with}\n"
    );
    let project = Project::with(&config);
    let component = example(folder).path().join("build").join(format!("{name}.wasm"));
    std::fs::copy(component, project.path().join(format!("{name}.wasm"))).expect("a component");
    project
}

#[test]
fn purge_cdn_passes_its_cases() {
    passes("purge-cdn");
}

#[test]
fn render_config_passes_its_cases() {
    passes("render-config");
}

#[test]
fn purge_cdn_purges_with_a_secret_that_it_never_sees() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let server = Server::start(move |request| {
        let token = request.header("fastly-key").unwrap_or_default().to_owned();
        seen.lock().expect("no panic").push(format!("{} {} {token}", request.method, request.path));
        let body = if request.method == "GET" { r#"{"name":"shop"}"# } else { r#"{"status":"ok","id":"108-1"}"# };
        Answer::new(200, body)
    });
    let with = format!(
        "{{ service = \"SU1\", token = {{ secret = \"FASTLY_TOKEN\" }}, keys = [\"products\"], api = \"{}\" }}",
        server.url("").trim_end_matches('/')
    );
    let project = deploys("purge-cdn", &with).variable("FASTLY_TOKEN", "a-token-of-this-test").locked();
    let output = project.windlass("plan").exits(0);
    assert!(output.stdout.contains("purge `products` of `shop`"), "{}", output.all());
    let output = project.windlass("run").exits(0);
    assert!(output.stderr.contains("purged 1 key"), "{}", output.all());
    let asked = asked.lock().expect("no panic").clone();
    assert!(asked.contains(&"POST /service/SU1/purge/products a-token-of-this-test".to_owned()), "{asked:?}");
    let journal = format!("{:?}", project.journal());
    assert!(!journal.contains("a-token-of-this-test"), "{journal}");
}

#[test]
fn render_config_renders_and_puts_back() {
    let project = deploys("render-config", "{ template = \"config/app.ini.in\", to = \"etc/app.ini\" }")
        .file("config/app.ini.in", "[$app]\nversion = $version\n")
        .file("etc/app.ini", "[shop]\nversion = before\n")
        .locked();
    let output = project.windlass("plan --format json").exits(0);
    assert!(output.stdout.contains("change `etc/app.ini`"), "{}", output.all());
    assert!(output.stdout.contains("\\n-version = before\\n"), "{}", output.all());
    let _ = project.windlass("run").exits(0);
    assert_ne!(project.read("etc/app.ini"), "[shop]\nversion = before\n");
    // What is there already is no work.
    let output = project.windlass("plan").exits(0);
    assert!(!output.stdout.contains("change `etc/app.ini`"), "{}", output.all());
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(project.read("etc/app.ini"), "[shop]\nversion = before\n");
}

/// Each example has what an author looks for first.
#[test]
fn each_example_can_be_read_built_and_tried() {
    let examples = workspace().join("examples/plugins");
    for entry in std::fs::read_dir(examples).expect("the examples") {
        let path = entry.expect("an example").path();
        if path.ends_with("same") {
            continue;
        }
        for file in ["README.md", "cases.toml", "windlass-plugin.toml"] {
            assert!(path.join(file).is_file(), "{} has no {file}", path.display());
        }
    }
}

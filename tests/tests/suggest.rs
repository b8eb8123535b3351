//! `windlass run --suggest`, from the outside: the lines that would have let through what was refused, and nothing more for that.

use e2e::Project;
use e2e::probe::Probe;
use serde_json::{Value, json};

fn tried() -> Project {
    let exec = |program: &str| json!({ "do": "exec", "program": program, "arguments": ["a b"] });
    let probe = Probe::new()
        .asks(json!({ "kind": "directory", "path": "data", "phases": ["apply"] }))
        .asks(json!({ "kind": "secret-header", "name": "TOKEN", "origin": "https://api.example", "phases": ["apply"] }))
        .plans(exec("make"))
        .applies(exec("make"))
        .applies(exec("make"))
        .applies(json!({ "do": "exec", "program": "make", "arguments": ["*"] }))
        .applies(json!({ "do": "exec", "program": "make", "arguments": ["@data/token"] }))
        .applies(json!({ "do": "http", "url": "http://api.example:8080/v1/items?x=1" }))
        .applies(json!({ "do": "file", "deed": "write", "tree": "data", "path": "a", "text": "x" }))
        .applies(json!({ "do": "file", "deed": "read", "tree": "data", "path": "../a" }))
        .applies(json!({ "do": "query", "database": "shop", "sql": "select 1" }));
    probe
        .project()
        .file("data/a", "as it was")
        .file("data/token", "hunter2-hunter2")
        .variable("TOKEN", "hunter2-hunter2")
        .locked()
}

fn lines() -> Value {
    json!([
        { "kind": "exec", "program": "make", "arguments": ["a b"], "phases": ["plan", "apply"] },
        {
            "kind": "http", "scheme": "http", "host": "api.example", "port": 8080, "methods": ["GET"], "path": "/v1/items",
            "phases": ["apply"],
        },
        { "kind": "directory", "path": "data", "access": "write", "phases": ["apply"] },
        { "kind": "database", "name": "shop", "access": "read", "phases": ["apply"] },
    ])
}

#[test]
fn what_was_refused_is_proposed_and_nothing_is_granted() {
    let project = tried();
    let lock = project.read("deploy.lock");
    let output = project.windlass("run --suggest --format json").exits(0);
    let line = output.raw_stdout.lines().find(|line| line.starts_with("{\"suggestions\"")).expect("suggestions");
    let suggestions: Value = serde_json::from_str(line).expect("JSON");
    let expected =
        json!([{ "environment": "staging", "step": "probe", "plugin": "probe@1.2.3", "capabilities": lines() }]);
    assert_eq!(suggestions["suggestions"], expected);
    assert_eq!(output.result()["outcome"], "succeeded");
    assert!(project.results().iter().all(|result| !result.starts_with("ok")), "{:?}", project.results());
    assert_eq!(project.read("deploy.lock"), lock);
    assert_eq!(project.read("data/a"), "as it was");
    // And the report has them, too.
    let report = project.windlass("report last --format json").exits(0).result();
    let denied = report["steps"][0]["capabilities"]["denied"].as_array().expect("a list").clone();
    assert!(denied.iter().any(|denied| denied["line"]["kind"] == "database"), "{denied:#?}");
}

#[test]
fn a_person_is_told_in_lines_of_the_lock_what_to_do_with_them() {
    let project = tried();
    let output = project.windlass("run --suggest").exits(0);
    for line in [
        "nothing was granted or changed",
        "staging / probe (probe@1.2.3)",
        "  { kind = \"exec\", program = \"make\", arguments = [\"a b\"], phases = [\"plan\", \"apply\"] },",
        "  { kind = \"directory\", path = \"data\", access = \"write\", phases = [\"apply\"] },",
        "change the step's `with` so that the plugin asks for it",
        "report that to its author",
    ] {
        assert!(output.stdout.contains(line), "{line}: {}", output.all());
    }
    assert!(!output.everything().contains("hunter2"));
    let nothing = Probe::new().project().locked().windlass("run --suggest").exits(0);
    assert!(
        nothing.stdout.contains("nothing was refused that a line of `deploy.lock` could let through"),
        "{}",
        nothing.all()
    );
}

#[test]
fn where_an_address_was_refused_the_line_that_is_proposed_names_it() {
    let server = e2e::server::Server::start(|_| e2e::server::Answer::new(200, ""));
    let (port, url) = (server.port(), server.url("/health"));
    let tried = |addresses: Value| {
        let asks = json!({
            "kind": "http", "scheme": "http", "host": "127.0.0.1", "port": port, "methods": ["GET"], "path": "/health",
            "addresses": addresses, "phases": ["apply"],
        });
        let get = json!({ "do": "http", "url": url });
        Probe::new().asks(asks).applies(get).project().locked()
    };
    let refused = tried(json!([]));
    let output = refused.windlass("run --suggest --format json").exits(0);
    let line = output.raw_stdout.lines().find(|line| line.starts_with("{\"suggestions\"")).expect("suggestions");
    let suggestions: Value = serde_json::from_str(line).expect("JSON");
    let addresses = &suggestions["suggestions"][0]["capabilities"][0]["addresses"];
    assert_eq!(addresses, &json!(["public", "loopback"]));
    assert!(output.stderr.contains("note: one thing that plugins asked for was refused"), "{}", output.stderr);
    // What was refused is not told as used.
    let report = refused.windlass("report last --format json").exits(0).result();
    let capabilities = &report["steps"][0]["capabilities"];
    assert_eq!(capabilities["used"], json!([]), "{capabilities}");
    assert_eq!(capabilities["denied"][0]["times"], 1, "{capabilities}");
    let let_through = tried(addresses.clone());
    let output = let_through.windlass("run --suggest").exits(0);
    assert!(let_through.results()[0].starts_with("ok"), "{:?}", let_through.results());
    assert!(!output.stderr.contains("was refused"), "{}", output.stderr);
}

#[test]
fn what_a_program_was_refused_is_said_not_to_be_seen() {
    let project = Probe::new()
        .asks(json!({ "kind": "exec", "program": "true", "phases": ["apply"] }))
        .applies(json!({ "do": "exec", "program": "true" }))
        .project()
        .locked();
    let output = project.windlass("run --suggest").exits(0);
    assert!(output.stdout.contains("what programs were refused themselves"), "{}", output.stdout);
}

#[test]
fn it_is_not_for_a_forge() {
    let project = tried().variable("GITHUB_TOKEN", "ghs_0123456789abcdef");
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("GITHUB_API_URL", "http://127.0.0.1:9"),
        ("GITHUB_RUN_ID", "1"),
        ("GITHUB_REF", "refs/heads/main"),
        ("GITHUB_REF_PROTECTED", "true"),
    ];
    let output = project.windlass_with("run --suggest --forge github", &variables);
    assert_eq!(output.code, Some(2), "{}", output.all());
    assert!(output.everything().contains("`--suggest` is not for deployments on github"), "{}", output.all());
    assert!(!project.has(".windlass/runs"));
}

//! What keeps the rest whole: every exit code is reached, every built-in plugin is tried from the outside, and the schema
//! that editors use says of `deploy.toml` what Windlass says of it.

use e2e::server::{Answer, Server};
use e2e::{COMMIT, Project, workspace};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

const HEAD: &str = "schema = 1\napp = \"shop\"\n\n[environments.staging]\n";

fn step(id: &str, run: &str, more: &str) -> String {
    format!(
        "\n[[step]]\nid = \"{id}\"\nplugin = \"command\"\n[step.with]\nrun = {}\n{more}\n",
        json!(["sh", "-c", run])
    )
}

fn project(steps: &[String]) -> Project {
    Project::with(&format!("{HEAD}{}", steps.concat())).locked()
}

fn ends(project: &Project, words: &str) -> i32 {
    project.windlass(words).code.expect("an exit code")
}

/// A forge that lets a deployment begin, and then no longer listens.
fn unreported() -> i32 {
    let server = Server::start(|request| {
        let created = |value: Value| Answer::new(201, value.to_string()).header("content-type", "application/json");
        match request.json().unwrap_or_default()["state"].as_str() {
            None if request.path.contains("/git/") => Answer::new(403, "{\"message\":\"no\"}"),
            None => created(json!({ "id": 7, "payload": {} })),
            Some("in_progress") => created(json!({ "id": 8, "state": "in_progress" })),
            Some(_) => Answer::new(403, "{\"message\":\"Resource not accessible by integration\"}")
                .header("content-type", "application/json"),
        }
    });
    let project = project(&[step("a", "true", "")])
        .variable("GITHUB_REPOSITORY", "acme/shop")
        .variable("GITHUB_API_URL", &server.url(""))
        .variable("GITHUB_TOKEN", "ghs_0123456789abcdefghij");
    let output = project.windlass("run --forge github --format json");
    assert_eq!(output.result()["outcome"], "succeeded", "{}", output.all());
    assert_eq!(output.result()["reason"], "forge-unreported");
    output.code.expect("an exit code")
}

#[cfg(unix)]
fn cancelled() -> i32 {
    let project = project(&[step("a", "kill -TERM $PPID; sleep 600", "")]);
    ends(&project, "run")
}

/// How each exit code of the documentation is reached. Whole stories are told in the other tests.
#[cfg(unix)]
#[test]
fn every_exit_code_is_reached() {
    let fails = |revert: &str| project(&[step("a", "exit 1", &format!("revert = [\"sh\", \"-c\", \"{revert}\"]"))]);
    let blocked =
        Project::with(&format!("{HEAD}[environments.production]\nafter = [\"staging\"]\n{}", step("a", "true", "")))
            .locked();
    let drifted = project(&[step("a", "true", "")]);
    let _ = drifted.windlass("plan -o plan.json").exits(0);
    let unwritable = project(&[step("a", "true", "")]);
    unwritable.write(".windlass/runs", "in the way");
    let reached = [
        (0, ends(&project(&[step("a", "true", "")]), "run")),
        (2, ends(&Project::new(), "run")),
        (10, ends(&fails("true"), "run")),
        (11, ends(&fails("false"), "run")),
        (12, cancelled()),
        (13, ends(&project(&[step("a", "exit 1", "effect = \"reads\"")]), "run")),
        (14, unreported()),
        (15, ends(&unwritable, "run")),
        (20, ends(&drifted, &format!("run --plan plan.json --commit {}", COMMIT.replace('0', "f")))),
        (21, ends(&blocked, "run -e production")),
        (22, ends(&Project::with(&format!("{HEAD}{}", step("a", "true", ""))), "run")),
        (70, ends(&Project::new(), "__panic")),
    ];
    for (expected, found) in reached {
        assert_eq!(found, expected);
    }
    let documented: BTreeSet<i32> = e2e::reference::facts()["exits"]
        .as_array()
        .expect("the exit codes")
        .iter()
        .filter_map(|exit| exit["code"].as_i64()?.try_into().ok())
        .collect();
    assert_eq!(documented, reached.iter().map(|(code, _)| *code).collect(), "documented and reached");
}

/// The texts of all tests from the outside.
fn tests() -> Vec<String> {
    fn walk(directory: &Path, texts: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, texts);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(std::fs::read_to_string(&path).expect("a text"));
            }
        }
    }
    let mut texts = vec![];
    walk(&workspace().join("tests/tests"), &mut texts);
    texts
}

#[test]
fn every_built_in_plugin_is_tried_from_the_outside() {
    let output = Project::new().windlass("schema no-such-plugin").exits(2);
    let list = output.stderr.split("the built-in plugins are ").nth(1).expect("a list");
    let list = list.lines().next().expect("a line");
    let plugins: Vec<&str> = list.split(", ").collect();
    assert!(plugins.len() >= 6, "{list}");
    let texts = tests();
    for plugin in plugins {
        let named = [format!("plugin = \"{plugin}\""), format!("plugin = \\\"{plugin}\\\"")];
        assert!(texts.iter().any(|text| named.iter().any(|name| text.contains(name))), "no test runs `{plugin}`");
        assert!(workspace().join("plugins").join(plugin).is_dir(), "`{plugin}` has a folder of its own");
    }
}

#[test]
fn every_guest_is_tried() {
    let texts = tests();
    let sources = std::fs::read_to_string(workspace().join("tests/src/probe.rs")).expect("the harness");
    for entry in std::fs::read_dir(workspace().join("tests/guests")).expect("the guests") {
        let name = entry.expect("a guest").file_name().to_string_lossy().into_owned();
        let named = format!("guest(\"{name}\")");
        assert!(texts.iter().any(|text| text.contains(&named)) || sources.contains(&named), "no test has `{name}`");
    }
}

/// Texts that are added to a small `deploy.toml`, and whether their shape is right. What only relations make wrong, such
/// as two steps of one id, no schema can see.
const SHAPES: &[(&str, bool)] = &[
    ("", true),
    ("timeout = \"10m\"\nretry = { attempts = 3, backoff = \"1s\" }", true),
    ("timeout = \"10 min\"", false),
    ("timeout = 10", false),
    ("retry = { attempts = 0 }", false),
    ("retry = { attempts = 101 }", false),
    ("retry = { attempts = 2, backof = \"1s\" }", false),
    ("on_failure = \"continue\"", true),
    ("on_failure = \"Continue\"", false),
    ("idempotent = true", true),
    ("idempotent = \"yes\"", false),
    ("output_limit = \"64MiB\"", true),
    ("output_limit = \"64MB\"", false),
    ("component = \"backend\"", true),
    ("component = \"Back End\"", false),
    ("state = \"\"", false),
    ("environments = [\"staging\"]", true),
    ("environments = \"staging\"", false),
    ("with = \"x\"", false),
    ("with = { anything = [1, 2.5, { a = true }] }", true),
    ("x-mine = 1", true),
    ("colour = 1", false),
    ("plugn = \"x\"", false),
    ("[[step]]\nplugin = \"command\"", false),
    ("[[step]]\nid = \"b\"", false),
    ("[[step]]\nid = \"B\"\nplugin = \"command\"", false),
    ("[[finally]]\nid = \"b\"\nplugin = \"./a/b.wasm\"", true),
    ("[environments.production]\nafter = [\"staging\"]\nurl = \"https://shop.example\"", true),
    ("[environments.production]\nafter = \"staging\"", false),
    ("[network]\nca_file = \"a.pem\"", false),
    ("[environments.production]\nurll = \"x\"", false),
    ("[environments.production]\napproval = { required = 1, self = false, bind = \"plan\" }", true),
    ("[environments.production]\napproval = { required = 1, bind = \"plam\" }", false),
    ("[environments.production]\napproval = { self = true }", false),
    ("[environments.production]\nlease = { wait = \"15m\", duration = \"15m\" }", true),
    ("[environments.production]\nlease = { hold = \"15m\" }", false),
    ("[environments.production]\nvars = { a = \"b\" }", true),
    ("[environments.production]\nvars = { a = 1 }", false),
    ("[environments.production.step.a]\nwith = { b = 1 }", true),
    ("[environments.production.step.a]\nwit = { b = 1 }", false),
];

#[test]
fn the_schema_of_deploy_toml_says_what_windlass_says() {
    let project = Project::new();
    let schema: Value = serde_json::from_str(&project.windlass("schema").exits(0).raw_stdout).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut wrong = String::new();
    for (text, right) in SHAPES {
        let text = format!("{HEAD}\n[[step]]\nid = \"a\"\nplugin = \"command\"\n{text}\n");
        let value: toml::Value = toml::from_str(&text).expect("TOML");
        let value = serde_json::to_value(value).expect("JSON");
        if validator.is_valid(&value) != *right {
            wrong.push_str(&format!("the schema is wrong about:\n{text}\n"));
        }
        project.write("deploy.toml", &text);
        // `status` reads the configuration and asks no plugin.
        let output = project.windlass("status");
        if (output.code == Some(0)) != *right {
            wrong.push_str(&format!("windlass is wrong about:\n{text}\n{}\n", output.stderr));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_example_fits_the_schema() {
    let schema: Value = serde_json::from_str(&Project::new().windlass("schema").exits(0).raw_stdout).expect("JSON");
    let text = std::fs::read_to_string(workspace().join("examples/shop/deploy.toml")).expect("the example");
    let value: toml::Value = toml::from_str(&text).expect("TOML");
    let value = serde_json::to_value(value).expect("JSON");
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .expect("a schema")
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

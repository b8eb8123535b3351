//! `windlass_plugin::testing`: cases written in Rust.

use e2e::{binary, guest, workspace};
use serde_json::json;
use std::process::Command as Process;
use windlass_plugin::testing::{Case, Command, Http, Plugin};

fn probe() -> Plugin {
    Plugin::at(guest("probe")).played_by(binary())
}

/// Everything that a case gives and expects.
#[test]
fn a_case_is_played_as_one_of_a_file_is() {
    let api = json!({
        "kind": "http", "scheme": "https", "host": "a.example", "port": 443, "methods": ["POST"], "path": "/", "phases": ["apply"],
    });
    let config = json!({
        "strict": true,
        "capabilities": [
            api,
            { "kind": "secret-header", "name": "TOKEN", "origin": "https://a.example", "phases": ["apply"] },
            { "kind": "exec", "program": "make", "arguments": ["*"], "phases": ["apply"] },
            { "kind": "tcp-probe", "host": "a.example", "port": 5432, "phases": ["apply"] },
            { "kind": "directory", "path": "site", "write": true, "phases": ["apply"] },
            { "kind": "environment", "name": "MODE", "phases": ["apply"] },
            { "kind": "database", "name": "shop", "url": "sqlite:shop.db", "write": true, "phases": ["apply"] },
        ],
        "apply": [
            { "do": "http", "method": "POST", "url": "https://a.example/", "headers": [["authorization", "Bearer <<TOKEN>>"]], "body": "{\"a\":1}" },
            { "do": "exec", "program": "make", "arguments": ["all"] },
            { "do": "tcp", "host": "a.example", "port": 5432 },
            { "do": "file", "deed": "create", "tree": "site", "path": "new", "text": "new" },
            { "do": "file", "deed": "remove", "tree": "site", "path": "old" },
            { "do": "variables" },
            { "do": "execute", "database": "shop", "sql": "INSERT INTO orders VALUES (2)" },
            { "do": "state-get", "key": "seen" },
            { "do": "record", "value": "{\"id\":7}" },
            { "do": "output", "step": "build", "name": "image" },
            { "do": "deployment" },
        ],
    });
    Case::new("everything")
        .config(&config)
        .secret("TOKEN", "made-up-token")
        .variable("MODE", "strict")
        .output("build", "image", "shop:1.4.0")
        .state("seen", "1")
        .deployment("app", "shop")
        .timeout("30s")
        .file("site/old", "old")
        .database("shop.db", "CREATE TABLE orders (id INTEGER); INSERT INTO orders VALUES (1)")
        .http(
            Http::new("POST", "https://a.example/")
                .header("authorization", "Bearer made-up-token")
                .json(&json!({ "a": 1 }))
                .answer(202, "done")
                .answer_header("x-id", "7"),
        )
        .command(Command::new("make", &["all"]).stdout("built").code(0))
        .tcp_probe("a.example", 5432, "open")
        .expect_intents(&[("probe", "changes", "do what it is told")])
        .expect_outcome("did what it was told")
        .expect_outputs(&[
            ("0", "ok: 202 [x-id=7] done"),
            ("1", "ok: exit code 0 out=built err= tail={*}"),
            ("10", "ok: shop test 1.0.0 1"),
            ("2", "ok: connected"),
            ("3", "ok: {*}"),
            ("4", "ok: {*}"),
            ("5", "ok: MODE=strict"),
            ("6", "ok: 1 rows"),
            ("7", "ok: 1"),
            ("8", "ok: kept"),
            ("9", "ok: shop:1.4.0"),
        ])
        .expect_denied("apply", &[])
        .expect_records(&[json!({ "id": 7 })])
        .expect_file("site/new", "new")
        .expect_no_file("site/old")
        .expect_rows("shop.db", "SELECT id FROM orders", &["1", "2"])
        .run(&probe());
    Case::new("nothing is granted")
        .config(&json!({ "apply": [{ "do": "exec", "program": "make" }], "strict": true, "capabilities": [api] }))
        .granted(&[])
        .expect_requires(std::slice::from_ref(&api))
        .expect_failure("apply", "denied", "denied")
        .expect_log("apply", &[])
        .expect_used("apply", &[])
        .expect_denied("apply", &["run `make`"])
        .run(&probe());
    Case::new("taken back")
        .call(&["probe", "revert"])
        .config(&json!({ "probe": "partly" }))
        .record(&json!({ "id": 7 }))
        .expect_verdict("partly")
        .expect_reverted("1 records | ")
        .run(&probe());
    let panics = json!({ "apply": [{ "do": "panic", "text": "at the disco" }] });
    Case::new("a crash").config(&panics).expect_trap("apply", "at the disco").run(&probe());
    let spins = json!({ "apply": [{ "do": "spin" }] });
    Case::new("no end").config(&spins).timeout("200ms").expect_timed_out("apply").run(&probe());
    Case::new("a slip").config(&json!({ "aply": [] })).expect_refused("write `apply`").run(&probe());
}

#[test]
fn what_does_not_pass_is_shown_as_the_command_shows_it() {
    let said = Case::new("a").expect_outcome("done").play(&probe()).expect_err("another outcome");
    let begins = "FAILED  a (";
    let differs =
        "        the outcome of `apply` is not as expected\n          - done\n          + did what it was told\n";
    assert!(said.starts_with(begins) && said.contains(differs), "{said}");
    let nobody = Plugin::at(guest("probe")).played_by("no-such-windlass");
    let said = Case::new("a").play(&nobody).expect_err("nobody plays it");
    assert!(said.ends_with("install Windlass, or name it in the variable `WINDLASS`"), "{said}");
}

/// The first block of this kind in a file's documentation.
fn example(file: &str, fence: &str) -> String {
    let text = std::fs::read_to_string(workspace().join(file)).expect("a source");
    let begin = format!("//! ```{fence}\n");
    let block = text.split(&begin).nth(1).and_then(|rest| rest.split("//! ```\n").next()).expect("an example");
    let line = |line: &str| line.strip_prefix("//! ").or_else(|| line.strip_prefix("//!")).map(str::to_owned);
    let lines = block.lines().filter_map(line).filter(|line| !line.starts_with("# "));
    lines.map(|line| line + "\n").collect()
}

/// A crate with the plugin that the SDK's documentation begins with, and the test that the documentation of `testing` has.
#[test]
fn the_example_of_the_documentation_is_a_test_that_passes() {
    let directory = tempfile::tempdir().expect("a directory");
    let sdk = workspace().join("sdk");
    let manifest = format!(
        "[package]\nname = \"greet\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\nschemars = \"1\"\nserde = {{ version = \"1\", features = [\"derive\"] }}\nwindlass-plugin = {{ path = {sdk:?} }}\n\n\
         [dev-dependencies]\nserde_json = \"1\"\nwindlass-plugin = {{ path = {sdk:?}, features = [\"testing\"] }}\n\n[workspace]\n"
    );
    let write = |path: &str, text: &str| {
        let file = directory.path().join(path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
        std::fs::write(file, text).expect("a file");
    };
    write("Cargo.toml", &manifest);
    write("src/lib.rs", &example("sdk/src/lib.rs", ""));
    write("tests/cases.rs", &example("sdk/src/testing.rs", "no_run"));
    std::fs::copy(workspace().join("Cargo.lock"), directory.path().join("Cargo.lock")).expect("a lockfile");
    let mut command = Process::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(directory.path()).args(["test", "--quiet"]).env("WINDLASS", binary());
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_MANIFEST_DIR"] {
        command.env_remove(variable);
    }
    // What it is made of is compiled once: TARGET/PROFILE/deps/TEST is where this test is.
    let test = std::env::current_exe().expect("a test has a path");
    command.env("CARGO_TARGET_DIR", test.ancestors().nth(3).expect("a target directory").join("library"));
    let output = command.output().expect("cargo");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("test result: ok. 1 passed"), "{said}");
}

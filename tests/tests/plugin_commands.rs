//! Looking at plugins and choosing them: what is shown is what they are, and what is written is what was shown.

use e2e::registry::digest;
use e2e::{Project, guest};
use serde_json::{Value, json};

/// The project's only step but for what is added.
const CONFIG: &str = "\
schema = 1
app = \"shop\"

[environments.staging]

# The release itself.
[[step]]
id = \"release\" # and what it is called
plugin = \"command\"
[step.with]
run = [\"true\"]
";

fn project() -> Project {
    Project::with(CONFIG).guest("noop").guest("probe")
}

fn noop() -> Vec<u8> {
    std::fs::read(guest("noop")).expect("a guest")
}

#[test]
fn a_plugin_is_shown_with_all_that_it_is() {
    let output = project().windlass("plugin inspect ./noop.wasm").exits(0);
    let sha256 = digest(&noop()).replace("sha256:", "");
    let expected = format!(
        "\
noop 0.1.0: Does nothing.
  contract  0.1.0 (this Windlass runs 0.1.0)
  sha256    {sha256}
  size      {} bytes

Configuration (`with`)
  changes: boolean, false where nothing is said
      Whether it says that it changes something; otherwise it only reads.

It asks for
  with `{{}}`:
  - nothing

It imports
  windlass:plugin/types@0.1.0
      only names the kinds of values that are passed: there is nothing in it to call
",
        noop().len()
    );
    assert!(output.raw_stdout.starts_with(&expected), "{}\n{expected}", output.raw_stdout);
    // Each interface once, each with a reason below it, and the reason for all of them at the end.
    let imports = output.raw_stdout.split("It imports\n").nth(1).expect("imports");
    let names: Vec<&str> = imports.lines().filter(|line| line.starts_with("  w")).collect();
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len(), "{imports}");
    assert!(
        imports.ends_with(
            "  All that these reach goes through one gate, which lets through what `deploy.lock` accepts.\n"
        )
    );
}

#[test]
fn what_is_shown_to_programs_is_the_same() {
    let project = project();
    let output = project.windlass("plugin inspect ./noop.wasm --format json").exits(0);
    let shown: Value = serde_json::from_str(&output.raw_stdout).expect("JSON");
    for (key, expected) in [
        ("plugin", json!("./noop.wasm")),
        ("name", json!("noop")),
        ("version", json!("0.1.0")),
        ("summary", json!("Does nothing.")),
        ("contract", json!("0.1.0")),
        ("contracts", json!(["0.1.0"])),
        ("built-in", json!(false)),
        ("sha256", json!(digest(&noop()).replace("sha256:", ""))),
        ("size", json!(noop().len())),
        ("with", json!({})),
        ("capabilities", json!([])),
    ] {
        assert_eq!(shown[key], expected, "{key}");
    }
    assert_eq!(shown["config-schema"]["properties"]["changes"]["type"], "boolean");
    for group in shown["imports"].as_array().expect("groups") {
        assert!(!group["interfaces"].as_array().expect("interfaces").is_empty());
        assert!(group["harmless"].as_str().expect("why").split(' ').count() > 3, "{group}");
    }
}

#[test]
fn what_it_asks_for_depends_on_what_it_is_told() {
    let project = project();
    let output = project.windlass("plugin inspect command").exits(0);
    assert!(
        output.stdout.contains("with `{\"run\":[\"run\"]}`:\n  - run `run`, unconfined (apply)\n"),
        "{}",
        output.stdout
    );
    project.write("with.json", "{ \"run\": [\"make\", \"release\"], \"connects\": [443], \"writes\": [\".\"] }");
    let output = project.windlass("plugin inspect command --with with.json").exits(0);
    let line = "- run `make release`, changing files in `.`, connecting to port 443 (apply)";
    assert!(output.stdout.contains(line), "{}", output.stdout);
    // Where no example can be made, that is said, and what helps.
    let output = project.windlass("plugin inspect notify-slack").exits(0);
    let said = "  it does not say: neither `token` nor `webhook` is given\n  give a configuration of yours with `--with FILE|JSON`\n";
    assert!(output.stdout.contains(said), "{}", output.stdout);
    // What somebody gives has to be right.
    for (with, part) in [("{}", "`run`"), ("{", "`--with` cannot be read"), ("no.json", "`no.json`: ")] {
        let output = project.windlass(&format!("plugin inspect command --with {with}")).exits(2);
        assert!(output.stderr.contains(part) && output.stderr.contains("note: nothing was run"), "{}", output.stderr);
    }
}

#[test]
fn what_is_no_plugin_is_refused_in_four_parts() {
    let project = project().file("no.wasm", "#!/bin/sh\n");
    for (plugin, part) in [
        ("./no.wasm", "the file is not WebAssembly"),
        ("./missing.wasm", "No such file"),
        ("comand", "hint: did you mean `command`?"),
    ] {
        let output = project.windlass(&format!("plugin inspect {plugin}")).exits(2);
        for part in [part, "error: ", "\nnote: nothing was run", "\nhint: "] {
            assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
        }
    }
}

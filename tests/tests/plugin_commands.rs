//! Looking at plugins and choosing them: what is shown is what they are, and what is written is what was shown.

use e2e::fetching::Fetching;
use e2e::registry::{Registry, digest};
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
    // In the words that `add` has for it.
    let output = project.windlass("plugin inspect command --with {\"runs\":[\"make\"]}").exits(2);
    for part in ["error: `--with` has no key `runs`", "\nhint: write `run`\n"] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
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

#[test]
fn what_is_added_is_in_both_files_and_the_rest_is_as_it_was() {
    let project = project().locked();
    let (config, lock) = (project.read("deploy.toml"), project.read("deploy.lock"));
    let output = project.windlass("plugin add ./noop.wasm").exits(0);
    assert!(output.stdout.starts_with("noop@0.1.0: Does nothing.\n"), "{}", output.stdout);
    assert!(output.stdout.contains("use the plugin `./noop.wasm@0.1.0` (sha256 "), "{}", output.stdout);
    let text = project.read("deploy.toml");
    assert_eq!(text, format!("{config}\n[[step]]\nid = \"noop\"\nplugin = \"./noop.wasm\"\n"));
    let sha256 = digest(&noop()).replace("sha256:", "");
    let entry = format!(
        "[environment.staging.noop]\nplugin = \"./noop.wasm@0.1.0\"\nsha256 = \"{sha256}\"\ncapabilities = []\n"
    );
    assert!(project.read("deploy.lock").contains(&entry), "{}", project.read("deploy.lock"));
    assert!(project.read("deploy.lock").contains(lock.lines().last().expect("a line")));
    let _ = project.windlass("lock --check").exits(0);
    let _ = project.windlass("run").exits(0);
}

/// A project that has no lock yet does not run by one step's lines alone.
#[test]
fn what_the_lock_does_not_have_yet_is_said_when_a_step_is_added() {
    let wrote = "wrote step `noop` to deploy.toml, and what it may do to deploy.lock: look at both, and commit them\n";
    let note =
        "note: `release` is in no environment of deploy.lock yet; `windlass lock` adds what `deploy.toml` asks for\n";
    let said = |project: Project| project.windlass("plugin add ./noop.wasm").exits(0).stderr;
    assert_eq!(said(project()), format!("{wrote}{note}"));
    assert_eq!(said(project().locked()), wrote);
}

#[test]
fn what_is_added_asks_for_what_it_is_told_to() {
    let project = project().locked();
    let with = "{ \"capabilities\": [{ \"kind\": \"directory\", \"path\": \"out\", \"write\": true, \"phases\": [\"apply\"] }] }";
    project.write("with.json", with);
    let output = project.windlass("plugin inspect ./probe.wasm --with with.json");
    assert_eq!(output.code, Some(0), "{}", output.all());
    let output = project.windlass("plugin add ./probe.wasm --id look --with with.json --format json").exits(0);
    let said: Value = serde_json::from_str(&output.raw_stdout).expect("JSON");
    assert_eq!((&said["step"], &said["name"], &said["version"]), (&json!("look"), &json!("probe"), &json!("1.2.3")));
    let lines: Vec<&str> =
        said["changes"].as_array().expect("changes").iter().filter_map(|change| change["line"].as_str()).collect();
    assert!(lines.iter().any(|line| line.contains("change files in `out`")), "{lines:?}");
    let _ = project.windlass("lock --check").exits(0);
}

#[test]
fn what_would_not_be_right_is_written_to_neither_file() {
    let project = project().locked();
    let (config, lock) = (project.read("deploy.toml"), project.read("deploy.lock"));
    for (words, why) in [
        ("./noop.wasm --id release", "there is a step `release` already"),
        ("./noop.wasm --id No!", "step `No!` cannot be added"),
        ("./noop.wasm --with {\"none\":1}", "step `noop` cannot be added: "),
        ("smoke-test", "step `smoke-test` cannot be added: "),
        ("./missing.wasm", "the plugin `./missing.wasm` cannot be read"),
        ("http://a.example/b.wasm", "names no plugin"),
    ] {
        let output = project.windlass(&format!("plugin add {words}")).exits(2);
        for part in [why, "\nnote: nothing was changed", "\nhint: "] {
            assert!(output.stderr.contains(part), "{words}: {part}: {}", output.stderr);
        }
        assert_eq!(
            (project.read("deploy.toml"), project.read("deploy.lock")),
            (config.clone(), lock.clone()),
            "{words}"
        );
    }
}

#[test]
fn the_list_says_what_each_step_uses_and_whether_that_is_accepted() {
    let project = project();
    let sha256 = digest(&noop()).replace("sha256:", "");
    let add = |project: &Project| project.windlass("plugin add ./noop.wasm").exits(0);
    let _ = add(&project);
    let output = project.windlass("plugin list").exits(0);
    let expected = format!(
        "\
command 0.1.0: Runs a program, and another one to take it back.
  locked  no
  steps   release
./noop.wasm 0.1.0: `noop`. Does nothing.
  sha256  {sha256}
  locked  yes
  steps   noop
This Windlass runs plugins of contract 0.1.0.
"
    );
    assert_eq!(output.raw_stdout, expected);
    let project = project.locked();
    std::fs::copy(guest("probe"), project.path().join("noop.wasm")).expect("a copy");
    let probe_sha256 = digest(&std::fs::read(guest("probe")).expect("a guest")).replace("sha256:", "");
    let output = project.windlass("plugin list --format json").exits(0);
    let said: Value = serde_json::from_str(&output.raw_stdout).expect("JSON");
    assert_eq!(said["plugins"][0]["locked"], "yes");
    let other = json!({
        "plugin": "./noop.wasm", "name": null, "version": "0.1.0", "sha256": sha256, "locked": "another one",
        "steps": ["noop"], "summary": null,
        "here": { "name": "probe", "version": "1.2.3", "sha256": probe_sha256 },
    });
    assert_eq!(said["plugins"][1], other);
    let output = project.windlass("plugin list").exits(0);
    let expected = format!(
        "./noop.wasm 0.1.0: not here, but another one: `probe` 1.2.3\n  sha256  {sha256}\n  here    {probe_sha256}\n  \
         locked  another one\n"
    );
    assert!(output.raw_stdout.contains(&expected), "{expected}{}", output.raw_stdout);
    // Also where it cannot be used at all.
    project.write("noop.wasm", "#!/bin/sh\n");
    let output = project.windlass("plugin list").exits(0);
    let unusable = "./noop.wasm 0.1.0: cannot be used: the file is not WebAssembly";
    let parts = [unusable.to_owned(), format!("  here    {}\n  locked  another one\n", &digest(b"#!/bin/sh\n")[7..])];
    for part in parts {
        assert!(output.raw_stdout.contains(&part), "{part}: {}", output.raw_stdout);
    }
    std::fs::remove_file(project.path().join("noop.wasm")).expect("removed");
    let output = project.windlass("plugin list").exits(0);
    assert!(output.stdout.contains("./noop.wasm 0.1.0: cannot be used: No such file"), "{}", output.stdout);
    let output = Project::new().windlass("plugin list --built-in").exits(0);
    for name in ["command", "dep-install", "migrate", "notify-slack", "smoke-test", "version-check"] {
        assert!(output.stdout.contains(&format!("{name} 0.1.0: ")), "{}", output.stdout);
    }
}

#[test]
fn what_moved_is_shown_and_taken_only_where_that_is_said() {
    let registry = Registry::start();
    let _ = registry.push("1", &noop());
    let reference = registry.reference("noop:1");
    let fetching = Fetching::new(&reference, registry.secure());
    let project = &fetching.project;
    let output = project.windlass("plugin update").exits(22);
    assert!(output.stderr.contains("there is no `deploy.lock`"), "{}", output.stderr);
    let _ = project.windlass("lock").exits(0);
    let output = project.windlass("plugin update").exits(0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", "deploy.lock has what there is now\n"));
    let _ = project.windlass("plugin verify").exits(0);
    let lock = project.read("deploy.lock");

    let probe = std::fs::read(guest("probe")).expect("a guest");
    let _ = registry.push("1", &probe);
    let short = |bytes: &[u8]| digest(bytes)["sha256:".len()..][..12].to_owned();
    let moved = format!("{reference}: 0.1.0 (sha256 {}…) -> 1.2.3 (sha256 {}…)\n", short(&noop()), short(&probe));
    let output = project.windlass("plugin update --dry-run").exits(0);
    assert!(output.raw_stdout.starts_with(&moved), "{moved}{}", output.raw_stdout);
    assert_eq!(project.read("deploy.lock"), lock);
    // Until then what was locked is what runs, and `verify` says that it is not what is there.
    fetching.runs();
    let output = project.windlass("plugin verify").exits(22);
    for part in [
        "is not the file that was accepted",
        "\nnote: nothing was run; this is about step `a` in environment `staging`\n",
        "\nhint: find out who changed it, and restore it; only where it is meant, take it with `windlass plugin update`\n",
    ] {
        assert!(output.stderr.contains(part), "{}", output.stderr);
    }
    let output = project.windlass("plugin update a --format json").exits(0);
    let said: Value = serde_json::from_str(&output.raw_stdout).expect("JSON");
    assert_eq!(said["plugins"][0]["from"][0]["version"], "0.1.0");
    assert_eq!(said["plugins"][0]["to"][0]["version"], "1.2.3");
    assert!(said["changes"].as_array().expect("changes").len() >= 2, "{said}");
    assert_ne!(project.read("deploy.lock"), lock);
    let _ = project.windlass("plugin verify").exits(0);
    let output = project.windlass("plugin update other").exits(2);
    assert!(output.stderr.contains("there is no plugin `other` to update"), "{}", output.stderr);
}

#[test]
fn a_capability_that_an_update_adds_is_shown() {
    let project = Project::with(&format!("{CONFIG}\n[[step]]\nid = \"look\"\nplugin = \"./plugin.wasm\"\n"));
    std::fs::copy(guest("noop"), project.path().join("plugin.wasm")).expect("a copy");
    let project = project.locked();
    std::fs::copy(guest("probe"), project.path().join("plugin.wasm")).expect("a copy");
    let text = project.read("deploy.toml");
    let with =
        "with = { capabilities = [{ kind = \"directory\", path = \"out\", write = true, phases = [\"apply\"] }] }\n";
    project.write("deploy.toml", &format!("{text}{with}"));
    let lock = project.read("deploy.lock");
    let output = project.windlass("plugin update look").exits(0);
    assert!(output.stdout.contains("change files in `out`"), "{}", output.stdout);
    // What it does not name is as it was.
    let before = lock.split("\n[environment").find(|part| part.contains("staging.release")).expect("an entry");
    assert!(project.read("deploy.lock").contains(before), "{}", project.read("deploy.lock"));
    let _ = project.windlass("lock --check").exits(0);
}

#[test]
fn what_is_verified_is_fetched_whatever_is_kept_of_it() {
    let registry = Registry::start();
    let _ = registry.push("1", &noop());
    let fetching = Fetching::new(&registry.reference("noop:1"), registry.secure());
    let project = &fetching.project;
    let _ = project.windlass("lock").exits(0);
    let before = registry.asked().len();
    let output = project.windlass("plugin verify").exits(0);
    let expected = format!(
        "{} 0.1.0: sha256 {}, contract 0.1.0\n",
        registry.reference("noop:1"),
        digest(&noop()).replace("sha256:", "")
    );
    assert_eq!(output.raw_stdout, expected);
    assert_eq!(output.stderr, "1 plugin is what was accepted\n");
    assert!(registry.asked().len() > before);
    // A step that no lock has is not what was accepted either.
    let text = project.read("deploy.toml");
    project.write(
        "deploy.toml",
        &format!("{text}\n[[step]]\nid = \"b\"\nplugin = \"{}\"\n", registry.reference("noop:1")),
    );
    let output = project.windlass("plugin verify").exits(22);
    assert!(output.stderr.contains("`deploy.lock` does not have it for step `b`"), "{}", output.stderr);
    // What no lock has at all is not even looked at.
    project.write("none.wasm", "no component");
    project.write("deploy.toml", &format!("{text}\n[[step]]\nid = \"c\"\nplugin = \"./none.wasm\"\n"));
    let output = project.windlass("plugin verify").exits(22);
    assert!(output.stderr.contains("plugin `./none.wasm` is not accepted"), "{}", output.stderr);
    assert!(!output.stderr.contains("WebAssembly"), "{}", output.stderr);
}

#[test]
fn what_a_value_has_to_be_is_shown() {
    let output = project().windlass("plugin inspect command").exits(0);
    for expected in [
        "  variables: list of text, [] where nothing is said\n      each entry: matches `^[A-Za-z_][A-Za-z0-9_]*$`\n      Variables ",
        "  connects: list of whole number\n      each entry: 0 to 65535\n      The TCP ports ",
        "  success: list of whole number, [0] where nothing is said\n      at least 1 entry\n      The exit codes ",
    ] {
        assert!(output.raw_stdout.contains(expected), "{expected}{}", output.raw_stdout);
    }
}

/// A file that is a link to one that not everybody may read stays both.
#[cfg(unix)]
#[test]
fn what_is_written_is_written_where_it_is_kept() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let project = project().locked();
    let kept = project.path().join("kept");
    std::fs::create_dir(&kept).expect("a directory");
    for name in ["deploy.toml", "deploy.lock"] {
        std::fs::rename(project.path().join(name), kept.join(name)).expect("moved");
        std::fs::set_permissions(kept.join(name), PermissionsExt::from_mode(0o640)).expect("a mode");
        symlink(format!("kept/{name}"), project.path().join(name)).expect("a link");
    }
    let _ = project.windlass("plugin add ./noop.wasm").exits(0);
    std::fs::copy(guest("probe"), project.path().join("noop.wasm")).expect("a copy");
    let _ = project.windlass("plugin update").exits(0);
    let text = project.read("deploy.toml");
    project.write("deploy.toml", &text.replace("run = [\"true\"]", "run = [\"false\"]"));
    let _ = project.windlass("lock").exits(0);
    for (name, part) in [("deploy.toml", "id = \"noop\"\n"), ("deploy.lock", "[environment.staging.noop]\n")] {
        let link = std::fs::symlink_metadata(project.path().join(name)).expect("there");
        assert!(link.is_symlink(), "{name}");
        let mode = std::fs::metadata(kept.join(name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{name}");
        assert!(project.read(&format!("kept/{name}")).contains(part), "{name}");
    }
    let _ = project.windlass("lock --check").exits(0);
    assert_eq!(std::fs::read_dir(kept).expect("read").count(), 2, "nothing is left beside them");
}

#[test]
fn a_file_has_one_name_however_it_is_named() {
    let project = project().locked();
    let whole = project.path().canonicalize().expect("a path").join("noop.wasm");
    let _ = project.windlass("plugin add ./noop.wasm").exits(0);
    for (id, name) in [("b", "noop.wasm"), ("c", "././noop.wasm"), ("d", &*whole.to_string_lossy())] {
        let output = project.windlass(&format!("plugin add {name} --id {id}")).exits(0);
        assert!(output.stdout.contains("use the plugin `./noop.wasm@0.1.0`"), "{}", output.all());
        let step = format!("id = \"{id}\"\nplugin = \"./noop.wasm\"\n");
        assert!(project.read("deploy.toml").ends_with(&step), "{}", project.read("deploy.toml"));
    }
    let text = project.read("deploy.toml");
    project.write("deploy.toml", &text.replacen("plugin = \"./noop.wasm\"", "plugin = \"noop.wasm\"", 1));
    let _ = project.windlass("lock --check").exits(0);
    let output = project.windlass("plugin list").exits(0);
    assert!(output.raw_stdout.contains("\n  locked  yes\n  steps   noop, b, c, d\n"), "{}", output.raw_stdout);
    let _ = project.windlass("plugin update noop.wasm").exits(0);
    let _ = project.windlass("plugin verify").exits(0);
    let _ = project.windlass("run").exits(0);
}

#[test]
fn an_absolute_path_is_one_that_others_have_or_is_refused() {
    let project = project();
    // A repository of several projects.
    std::fs::create_dir(project.path().join(".git")).expect("a directory");
    project.write("web/deploy.toml", CONFIG);
    let whole = project.path().join("noop.wasm");
    let _ = project.windlass(&format!("plugin add {} --config web/deploy.toml", whole.display())).exits(0);
    let text = project.read("web/deploy.toml");
    assert!(text.ends_with("id = \"noop\"\nplugin = \"../noop.wasm\"\n"), "{text}");
    // Through a link of the repository's it is as good as by its name there.
    #[cfg(unix)]
    {
        let shared = tempfile::tempdir().expect("a directory");
        std::fs::copy(guest("noop"), shared.path().join("noop.wasm")).expect("a copy");
        std::os::unix::fs::symlink(shared.path(), project.path().join("shared")).expect("a link");
        let whole = project.path().join("shared/noop.wasm");
        let _ = project.windlass(&format!("plugin add {} --id shared", whole.display())).exits(0);
        let text = project.read("deploy.toml");
        assert!(text.ends_with("id = \"shared\"\nplugin = \"./shared/noop.wasm\"\n"), "{text}");
        project.write("deploy.toml", CONFIG);
    }
    let elsewhere = tempfile::tempdir().expect("a directory");
    let other = elsewhere.path().join("noop.wasm");
    std::fs::copy(guest("noop"), &other).expect("a copy");
    let output = project.windlass(&format!("plugin add {}", other.display())).exits(2);
    for part in [
        &*format!("error: the plugin `{}` cannot be added\n", other.display()),
        "and whoever else has this `deploy.toml` does not have it there",
        "\nnote: nothing was changed\n",
        "\nhint: copy it beside `deploy.toml`, or publish it",
    ] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    assert_eq!(project.read("deploy.toml"), CONFIG);
}

/// Two environments, and not a step yet.
const EMPTY: &str = "schema = 1\napp = \"shop\"\n\n[environments.staging]\n\n[environments.production]\n";

#[test]
fn the_first_step_of_a_project_can_be_added() {
    let project = Project::with(EMPTY).guest("noop");
    let output = project.windlass("plugin list").exits(0);
    assert_eq!(output.raw_stdout, "This Windlass runs plugins of contract 0.1.0.\n");
    let _ = project.windlass("plugin add ./noop.wasm").exits(0);
    let text = project.read("deploy.toml");
    assert_eq!(text, format!("{EMPTY}\n[[step]]\nid = \"noop\"\nplugin = \"./noop.wasm\"\n"));
    let _ = project.windlass("lock --check").exits(0);
    // To everybody else a file without steps is wrong.
    let output = Project::with(EMPTY).windlass("lock").exits(2);
    assert!(output.stderr.contains("has no `step`"), "{}", output.stderr);
}

#[test]
fn a_step_is_added_where_it_is_to_run_and_nowhere_else() {
    let project = Project::with(EMPTY).guest("noop");
    let output = project.windlass("plugin add ./noop.wasm -e nosuch").exits(2);
    for part in ["there is no environment `nosuch`", "\nnote: nothing was changed\n"] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    let output = project.windlass("plugin add ./noop.wasm --component Web!").exits(2);
    assert!(output.stderr.contains("no component can be called that"), "{}", output.stderr);
    assert_eq!((project.read("deploy.toml").as_str(), project.has("deploy.lock")), (EMPTY, false));
    let _ = project.windlass("plugin add ./noop.wasm --environment staging --component web").exits(0);
    let step = "[[step]]\nid = \"noop\"\nplugin = \"./noop.wasm\"\nenvironments = [\"staging\"]\ncomponent = \"web\"\n";
    assert_eq!(project.read("deploy.toml"), format!("{EMPTY}\n{step}"));
    let lock = project.read("deploy.lock");
    assert!(lock.contains("[environment.staging.noop]\n"), "{lock}");
    assert!(!lock.contains("production.noop"), "{lock}");
    let _ = project.windlass("lock --check").exits(0);
}

#[test]
fn what_keeps_a_step_from_being_added_is_told_by_what_can_be_mended() {
    let project = project().locked();
    let panics = "{ \"requires\": [{ \"do\": \"panic\", \"text\": \"no\" }] }";
    project.write("panics.json", panics);
    let example = "\nhint: pass its configuration with `--with FILE|JSON`\n";
    for (words, hint) in [
        ("./noop.wasm --id Two", "\nhint: name this one otherwise, with `--id NAME`\n"),
        ("smoke-test", example),
        ("./noop.wasm --with {\"chages\":true}", "\nhint: write `changes`\n"),
        ("./probe.wasm --with panics.json", "\nhint: this is a bug in the plugin: "),
    ] {
        let output = project.windlass(&format!("plugin add {words}")).exits(2);
        assert!(output.stderr.contains(hint), "{words}: {hint}: {}", output.stderr);
        // No line that is not in the file.
        assert!(!output.stderr.contains("--> deploy.toml"), "{words}: {}", output.stderr);
    }
    let list =
        "schema = 1\napp = \"shop\"\nstep = [{ id = \"a\", plugin = \"./noop.wasm\" }]\n\n[environments.staging]\n";
    let project = Project::with(list).guest("noop");
    let output = project.windlass("plugin add ./noop.wasm").exits(2);
    for part in [
        "step `noop` cannot be added behind the others",
        "\nhint: write the steps that are there as one `[[step]]` each",
    ] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    assert_eq!(project.read("deploy.toml"), list);
}

#[test]
fn what_was_changed_is_told_with_each_place_that_accepted_it() {
    let steps = "\n[[step]]\nid = \"a\"\nplugin = \"./noop.wasm\"\n\n[[step]]\nid = \"b\"\nplugin = \"./noop.wasm\"\n";
    let project = Project::with(&format!("{EMPTY}{steps}")).guest("noop");
    let _ = project.windlass("lock").exits(0);
    std::fs::copy(guest("probe"), project.path().join("noop.wasm")).expect("a copy");
    let output = project.windlass("plugin verify").exits(22);
    let note = "\nnote: nothing was run; this is about step `a` in environment `staging`, step `b` in environment `staging`, \
                step `a` in environment `production` and step `b` in environment `production`\n";
    for part in
        ["plugin `./noop.wasm@0.1.0` is not the file that was accepted", note, "\nhint: find out who changed it"]
    {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
}

#[test]
fn an_update_to_what_wants_another_configuration_says_that_it_is_another_plugin() {
    let project =
        Project::with(&format!("{CONFIG}\n[[step]]\nid = \"look\"\nplugin = \"./plugin.wasm\"\nwith.changes = true\n"));
    std::fs::copy(guest("noop"), project.path().join("plugin.wasm")).expect("a copy");
    let project = project.locked();
    std::fs::copy(guest("probe"), project.path().join("plugin.wasm")).expect("a copy");
    let lock = project.read("deploy.lock");
    let output = project.windlass("plugin update").exits(2);
    let short = &digest(&noop())["sha256:".len()..][..12];
    let cause = format!("`./plugin.wasm` is `probe@1.2.3` now, and what is accepted is 0.1.0 (sha256 {short}…)");
    for part in ["`changes`", &cause, "\nnote: nothing was changed\n"] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    assert_eq!(project.read("deploy.lock"), lock);
}

//! The command line: what each command says of itself, and that data goes to standard output and talk to standard error.

use e2e::{COMMIT, Project};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CONFIG: &str = r#"schema = 1
app = "shop"

[environments.staging]
url = "https://staging.shop.example"

[environments.production]

[[step]]
id = "mark"
plugin = "command"
with = { run = ["touch", "touched"], revert = ["rm", "touched"], unless = ["test", "-e", "touched"] }
"#;

/// Every command, with what its help has to mention.
const COMMANDS: &[(&str, &[&str])] = &[
    ("init", &["[APP]", "--config"]),
    ("check", &["--config", "--environment", "--component"]),
    ("lock", &["--check", "exit code 22"]),
    ("plan", &["--output", "--full", "--release-version", "--commit"]),
    ("run", &["--plan", "--force", "--dry-run", "--release-version", "--commit", "exit code 20"]),
    ("resume", &["RUN", "--done", "--not-done", "--commit"]),
    ("rollback", &["--to", "--keep", "--dry-run"]),
    ("approvals", &["--wait", "--timeout", "exit code 21"]),
    ("approve", &["[DIGEST]", "--by", "--comment"]),
    ("reject", &["[DIGEST]", "--by", "--comment"]),
    ("reap", &["--environment", "--format"]),
    ("environment", &["list", "stop"]),
    ("lease", &["status", "release"]),
    ("status", &["--environment", "--format"]),
    ("history", &["--count", "[default: 20]"]),
    ("report", &["RUN", "--html", "--junit", "--markdown"]),
    ("plugin", &["new", "build", "test", "inspect", "list", "add", "update", "verify", "publish"]),
    ("schema", &["[PLUGIN]"]),
    ("explain", &["[CODE]"]),
    ("completions", &["bash", "zsh", "fish"]),
];

/// The codes with which a command may end.
const EXITS: [u8; 12] = [0, 2, 10, 11, 12, 13, 14, 15, 20, 21, 22, 70];

#[test]
fn every_command_has_a_help_that_names_its_options() {
    let project = Project::new();
    let help = project.windlass("--help").exits(0);
    assert!(help.stderr.is_empty(), "an answer is data: {}", help.stderr);
    let listed: BTreeSet<&str> = help
        .stdout
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert_eq!(listed, COMMANDS.iter().map(|(command, _)| *command).collect());
    for (command, parts) in COMMANDS {
        let output = project.windlass(&format!("{command} --help")).exits(0);
        for part in *parts {
            assert!(output.stdout.contains(part), "`{command} --help` does not mention `{part}`:\n{}", output.stdout);
        }
        assert!(project.windlass(&format!("help {command}")).exits(0).stdout.contains(parts[0]));
    }
    for exit in EXITS {
        assert!(help.stdout.split_whitespace().any(|word| word == exit.to_string()), "the help names exit code {exit}");
    }
}

#[test]
fn what_is_no_command_or_option_is_refused() {
    let project = Project::with(CONFIG);
    for words in ["", "rnu", "run --froce", "run --format xml", "lock now", "history -n many", "--log loud status"] {
        let output = project.windlass(words).exits(2);
        assert!(output.stdout.is_empty(), "{words}: {}", output.stdout);
        assert!(!output.stderr.is_empty(), "{words}");
    }
    assert!(project.windlass("statsu").stderr.contains("'status'"), "the nearest is named");
    assert!(!project.has(".windlass"));
}

#[test]
fn the_version_is_the_packages() {
    let output = Project::new().windlass("--version").exits(0);
    assert_eq!(output.raw_stdout, format!("windlass {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn init_writes_what_check_and_lock_accept_and_overwrites_nothing() {
    let project = Project::new();
    let output = project.windlass("init shop").exits(0);
    assert!(output.stderr.contains("wrote deploy.toml"), "{}", output.stderr);
    let text = project.read("deploy.toml");
    assert!(text.contains("app = \"shop\""), "{text}");
    let _ = project.windlass("check").exits(22);
    let _ = project.windlass("lock").exits(0);
    let _ = project.windlass("check").exits(0);
    let _ = project.windlass("lock --check").exits(0);
    let output = project.windlass("init other").exits(2);
    assert!(output.stderr.contains("error: `deploy.toml` cannot be written"), "{}", output.stderr);
    assert!(output.stderr.contains("note: nothing was changed"), "{}", output.stderr);
    assert_eq!(project.read("deploy.toml"), text);
    // Without a name, the directory's.
    let project = Project::new();
    let _ = project.windlass("init").exits(0);
    assert!(project.read("deploy.toml").contains("app = \"project\""));
    let _ = project.windlass("--config other.toml init").exits(0);
    assert!(project.has("other.toml"));
}

#[test]
fn a_lock_is_written_once_and_shows_what_it_widens() {
    let project = Project::with(CONFIG);
    let output = project.windlass("lock").exits(0);
    assert!(output.stdout.contains("touch touched"), "the difference is data: {}", output.stdout);
    assert!(output.stderr.contains("wrote "), "{}", output.stderr);
    let lock = project.read("deploy.lock");
    let again = project.windlass("lock").exits(0);
    assert!(again.stdout.is_empty(), "{}", again.stdout);
    assert_eq!(project.read("deploy.lock"), lock);
    project.write("deploy.toml", &CONFIG.replace("[\"rm\", \"touched\"]", "[\"rm\", \"-f\", \"touched\"]"));
    let check = project.windlass("lock --check").exits(22);
    assert!(check.stdout.contains("rm -f touched"), "{}", check.stdout);
    assert_eq!(project.read("deploy.lock"), lock, "a check writes nothing");
}

#[test]
fn what_a_pull_request_widens_is_shown_against_where_it_is_to_be_merged() {
    let project = Project::with(CONFIG);
    let before = project.commit();
    let _ = project.windlass("lock").exits(0);
    let first = project.windlass(&format!("lock --against {before}")).exits(0);
    assert!(first.stdout.contains("| ➕ more | staging |"), "there was no lock then: {}", first.stdout);
    let _ = project.commit();
    project.write("deploy.toml", &CONFIG.replace("[\"rm\", \"touched\"]", "[\"rm\", \"-f\", \"touched\"]"));
    let _ = project.windlass("lock").exits(0);
    let _ = project.windlass("lock --check").exits(0);
    let lock = project.read("deploy.lock");
    let against = project.windlass("lock --against main").exits(0);
    for line in ["➕ more | staging | ", "`rm -f touched`", "➖ less | staging | ", "`rm touched`"] {
        assert!(against.stdout.contains(line), "{line}: {}", against.stdout);
    }
    let json = project.windlass("lock --against main --format json").exits(0).result();
    assert_eq!(json["changes"].as_array().map(Vec::len), Some(4), "{json}");
    assert_eq!(project.read("deploy.lock"), lock);
    let _ = project.commit();
    let same = project.windlass("lock --against HEAD --format json").exits(0).result();
    assert_eq!(same, serde_json::json!({ "changes": [] }));
    assert_eq!(project.windlass("lock --check --format json").exits(0).result(), same);
    for nowhere in ["elsewhere", "--output=deploy.lock"] {
        let unknown = project.command(["lock", &format!("--against={nowhere}")]).output().expect("the binary runs");
        assert_eq!(unknown.status.code(), Some(2));
        let said = String::from_utf8_lossy(&unknown.stderr);
        assert!(said.contains("is no commit to compare with") && said.contains("git fetch --depth=1"), "{said}");
    }
    assert_eq!(project.read("deploy.lock"), lock);
}

#[test]
fn status_tells_what_is_live_and_what_to_do_next() {
    let project = Project::with(CONFIG).locked();
    let before = project.windlass("status").exits(0);
    assert!(before.stdout.contains("nothing that is known of"), "{}", before.stdout);
    assert!(before.stdout.contains("`windlass run -e staging` deploys for the first time"), "{}", before.stdout);
    let _ = project.windlass("run -e staging --release-version 1.4.0").exits(0);
    let human = project.windlass("status -e staging").exits(0);
    assert!(
        human.stdout.contains("live    1.4.0 (0123456789) since [time] at https://staging.shop.example"),
        "{}",
        human.stdout
    );
    assert!(!human.stdout.contains("production"), "{}", human.stdout);
    let status = project.windlass("status --format json").exits(0).result();
    assert_eq!(status[0]["environment"], "staging");
    assert_eq!(status[0]["live"]["version"], "1.4.0");
    assert_eq!(status[0]["live"]["commit"], COMMIT);
    assert_eq!(status[0]["running"], false);
    assert_eq!((&status[1]["environment"], &status[1]["live"]), (&json!("production"), &Value::Null));
}

#[test]
fn history_lists_the_newest_run_first() {
    let project = Project::with(CONFIG).locked();
    let none = project.windlass("history").exits(0);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "nothing was deployed yet\n"));
    assert_eq!(project.windlass("history --format json").exits(0).result(), json!([]));
    for (environment, version) in [("staging", "1.0.0"), ("staging", "1.1.0"), ("production", "1.1.0")] {
        let _ = project.windlass(&format!("run -e {environment} --release-version {version}")).exits(0);
    }
    let runs = |words: &str| -> Vec<String> {
        let history = project.windlass(&format!("history --format json {words}")).exits(0).result();
        let line = |run: &Value| {
            format!(
                "{} {} {}",
                run["environment"].as_str().unwrap_or_default(),
                run["version"].as_str().unwrap_or_default(),
                run["changed"]
            )
        };
        history.as_array().expect("runs").iter().map(line).collect()
    };
    assert_eq!(runs(""), ["production 1.1.0 false", "staging 1.1.0 false", "staging 1.0.0 true"]);
    assert_eq!(runs("-n 1"), ["production 1.1.0 false"]);
    assert_eq!(runs("-e staging -n 1"), ["staging 1.1.0 false"]);
    let human = project.windlass("history").exits(0).stdout;
    assert_eq!(human.lines().count(), 3);
    assert!(human.lines().next().is_some_and(|line| line.contains("succeeded (nothing changed)")), "{human}");
}

#[test]
fn every_code_and_every_exit_code_is_explained() {
    let project = Project::new();
    let all = project.windlass("explain").exits(0).stdout;
    let words: Vec<(&str, &str)> = all
        .lines()
        .filter(|line| !line.starts_with(' ') && !line.is_empty())
        .map(|line| line.strip_suffix(')').and_then(|line| line.split_once(" (exit ")).expect("`WORD (exit N)`"))
        .collect();
    assert!(words.len() > 25, "{all}");
    for (word, exit) in words {
        assert!(EXITS.contains(&exit.parse().expect("a number")), "{word} ends with {exit}");
        let one = project.windlass(&format!("explain {word}")).exits(0).stdout;
        assert!(one.starts_with(&format!("{word} (exit {exit})\n")) && one.len() > word.len() + 60, "{one}");
    }
    for exit in EXITS {
        let text = project.windlass(&format!("explain {exit}")).exits(0).stdout;
        assert!(text.contains(&format!("exit {exit}")), "{text}");
    }
    let output = project.windlass("explain step-faild").exits(2);
    assert!(output.stderr.contains("hint: did you mean `step-failed`?"), "{}", output.stderr);
    let _ = project.windlass("explain 99").exits(2);
}

#[test]
fn completions_are_for_each_shell_and_hide_what_is_hidden() {
    let project = Project::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = project.windlass(&format!("completions {shell}")).exits(0);
        for (command, _) in COMMANDS {
            assert!(output.stdout.contains(command), "{shell} completes `{command}`");
        }
        assert!(output.stdout.contains("dry-run"), "{shell} completes options");
        for hidden in ["__panic", "__fill-cache"] {
            assert!(!output.stdout.contains(hidden), "{shell} shows `{hidden}`");
        }
    }
    let _ = project.windlass("completions tcsh").exits(2);
}

#[test]
fn the_schema_of_a_plugin_is_the_one_that_its_configuration_is_held_against() {
    let project = Project::new().guest("noop");
    let schema = project.windlass("schema command").exits(0);
    let schema: Value = serde_json::from_str(&schema.raw_stdout).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    assert!(validator.is_valid(&json!({ "run": ["true"] })));
    assert!(!validator.is_valid(&json!({ "rnu": ["true"] })));
    let schema: Value =
        serde_json::from_str(&project.windlass("schema ./noop.wasm").exits(0).raw_stdout).expect("JSON");
    assert_eq!(schema["properties"]["changes"]["type"], "boolean");
    let output = project.windlass("schema comand").exits(2);
    assert!(output.stderr.contains("did you mean `command`?"), "{}", output.stderr);
}

#[test]
fn standard_output_is_data_and_standard_error_is_talk() {
    let project = Project::with(CONFIG).locked();
    let run = project.windlass("run -e staging").exits(0);
    assert!(run.stdout.is_empty(), "a run for people says everything on standard error: {}", run.stdout);
    let json = project.windlass("run -e staging --format json").exits(0);
    assert_eq!(json.raw_stdout.lines().count(), 1, "{}", json.raw_stdout);
    assert!(!json.stderr.contains("windlass.result/1"));
    let plan = project.windlass("plan -e staging --format json").exits(0);
    assert_eq!(plan.raw_stdout.lines().count(), 1);
    assert!(plan.result()["digest"].is_string());
    let failed = project.windlass("run -e moon").exits(2);
    assert!(failed.stdout.is_empty() && failed.stderr.starts_with("error: "), "{}", failed.all());
}

#[test]
fn nothing_is_coloured_where_nobody_looks_and_a_reader_may_leave() {
    let project = Project::with(CONFIG).locked();
    for words in ["plan -e staging --full", "run -e staging", "status", "check"] {
        let output = project.windlass(words).exits(0);
        assert!(!output.all().contains('\u{1b}'), "{}", output.all());
    }
    let output = project.windlass_with("run -e moon", &[("CLICOLOR_FORCE", "1")]).exits(2);
    assert!(!output.stderr.contains('\u{1b}'));
    #[cfg(unix)]
    {
        let windlass = project.command(["explain"]);
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg("\"$0\" explain >&-; echo $?").arg(windlass.get_program());
        let output = shell.output().expect("a shell");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn how_much_is_said_can_be_chosen() {
    let text = CONFIG
        .replace("\"touch\", \"touched\"", "\"sh\", \"-c\", \"echo said\"")
        .replace("unless = [\"test\", \"-e\", \"touched\"]", "set = {}");
    let project = Project::with(&text).locked();
    let output = project.windlass("run -e staging").exits(0);
    assert!(output.stderr.contains("said\n"), "{}", output.stderr);
    let output = project.windlass("run -e staging --log error").exits(0);
    assert!(output.stderr.contains("is live in staging"), "what came of it is always said: {}", output.stderr);
}

#[test]
fn a_bug_is_called_one() {
    let output = Project::new().windlass("__panic").exits(70);
    assert!(
        output.stderr.starts_with("error: windlass did something it never should\n  Caused by: a bug was asked for ("),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("hint: please report it with this text"), "{}", output.stderr);
}

//! The plugin `command` in the real host.

use e2e::Project;
use e2e::traces::runs;
use std::io::{BufRead, BufReader};
use std::process::Command;

const HEAD: &str =
    "schema = 1\napp = \"shop\"\nenv = [\"BUILD_NUMBER\"]\n[environments.staging]\nurl = \"https://shop.example\"\n";

/// A project with these steps, each an id and a `with`.
fn project(steps: &[(&str, &str)]) -> Project {
    Project::with(&config(steps)).locked()
}

fn config(steps: &[(&str, &str)]) -> String {
    let steps =
        steps.iter().map(|(id, with)| format!("[[step]]\nid = \"{id}\"\nplugin = \"command\"\n[step.with]\n{with}\n"));
    HEAD.to_owned() + &steps.collect::<String>()
}

#[test]
fn a_program_gets_its_arguments_as_they_are_and_no_shell_sees_them() {
    let script = "#!/bin/sh\nfor argument in \"$@\"; do printf '[%s]\\n' \"$argument\"; done >arguments\n";
    let project = Project::with(&config(&[(
        "release",
        r#"run = ["./bin/show", "$HOME `id` $(id)", "&&", "> stolen", "a b", "", "*.toml", "${deployment.version}", "${environment.url}"]"#,
    )]))
    .file("bin/show", script)
    .locked();
    let output = project.windlass("run --release-version 1.2.3").exits(0);
    let expected = "[$HOME `id` $(id)]\n[&&]\n[> stolen]\n[a b]\n[]\n[*.toml]\n[1.2.3]\n[https://shop.example]\n";
    assert_eq!(project.read("arguments"), expected);
    assert!(!project.has("stolen"));
    assert!(output.stderr.contains("✓ release: ran "), "{}", output.stderr);
}

#[test]
fn what_a_program_says_is_seen_as_it_says_it() {
    // The program waits for the test, and the test for the program's first line.
    let script = "#!/bin/sh\necho waiting\nwhile [ ! -e go ]; do sleep 0.02; done\necho gone on >&2\n";
    let project = Project::with(&config(&[("build", r#"run = ["./build"]"#)])).file("build", script).locked();
    let mut child = project.start("run");
    let mut reader = BufReader::new(child.stderr.take().expect("standard error"));
    let mut said = String::new();
    while !said.contains("waiting\n") {
        assert!(reader.read_line(&mut said).expect("text") > 0, "it ended early:\n{said}");
    }
    assert!(!said.contains("gone on"), "{said}");
    project.write("go", "");
    std::io::Read::read_to_string(&mut reader, &mut said).expect("text");
    assert_eq!(child.wait().expect("an end").code(), Some(0), "{said}");
    assert!(said.contains("gone on\n"), "{said}");
}

#[test]
fn a_failure_is_taken_back_newest_first_and_by_what_was_recorded() {
    let note = r#"#!/bin/sh
echo "$@" >>log
[ "$1" != fail ] || { echo "disk is full" >&2; exit 3; }
"#;
    let project = Project::with(&config(&[
        (
            "one",
            r#"run = ["./note", "one", "${deployment.version}"]
revert = ["./note", "back", "one", "${deployment.version}"]"#,
        ),
        (
            "two",
            r#"run = ["./note", "two"]
effect = "changes""#,
        ),
        (
            "check",
            r#"run = ["./note", "check"]
effect = "reads""#,
        ),
        (
            "three",
            r#"run = ["./note", "fail", "three"]
revert = ["./note", "back", "three"]"#,
        ),
        ("four", r#"run = ["./note", "four"]"#),
    ]))
    .file("note", note)
    .locked();
    let output = project.windlass("run --release-version 7 --format json").exits(10);
    assert_eq!(project.read("log"), "one 7\ntwo\ncheck\nfail three\nback three\nback one 7\n");
    let (code, text) = project.failure("three");
    assert_eq!(code, "command-failed");
    assert!(text.contains("`./note fail three` ended with exit code 3\ndisk is full"), "{text}");
    let result = output.result();
    assert_eq!(result["outcome"], "rolled-back");
    assert_eq!(
        (&result["steps"][0]["outcome"], &result["steps"][4]["outcome"]),
        (&"reverted".into(), &"not-run".into())
    );
}

#[test]
fn a_revert_that_fails_needs_a_person() {
    let project = project(&[
        ("one", "run = [\"touch\", \"one\"]\nrevert = [\"sh\", \"-c\", \"echo cannot >&2; exit 4\"]"),
        ("two", "run = [\"false\"]\neffect = \"changes\""),
    ]);
    let output = project.windlass("run --format json").exits(11);
    assert_eq!(output.result()["outcome"], "rollback-failed");
    let (code, text) = project.failure("one");
    assert_eq!(code, "revert-failed");
    assert!(text.contains("ended with exit code 4") && text.contains("cannot"), "{text}");
}

#[test]
fn what_is_done_already_is_not_done_again() {
    let project = project(&[(
        "release",
        "run = [\"sh\", \"-c\", \"echo x >>released\"]\nunless = [\"test\", \"-e\", \"released\"]",
    )]);
    let plan = project.windlass("plan").exits(0);
    assert!(
        plan.stdout.contains("run `sh -c 'echo x >>released'`") || plan.stderr.contains("run `sh -c"),
        "{}",
        plan.all()
    );
    assert!(!project.has("released"), "a plan only looks");
    let _ = project.windlass("run").exits(0);
    let output = project.windlass("run --format json").exits(0);
    assert_eq!(output.result()["steps"][0]["outcome"], "skipped");
    assert_eq!(project.read("released"), "x\n");
    let _ = project.windlass("run --force").exits(0);
    assert_eq!(project.read("released"), "x\nx\n", "unless it is told to");
}

#[test]
fn an_unless_to_which_something_was_refused_does_not_say_that_it_is_not_done() {
    let sudo = "sudo: The no new privileges flag is set, which prevents sudo from running as root.";
    for (unless, effect) in [(format!("echo {sudo} >&2; exit 1"), "unknown"), ("exit 1".into(), "irreversible")] {
        let with = format!("run = [\"true\"]\neffect = \"irreversible\"\nunless = [\"sh\", \"-c\", \"{unless}\"]");
        let output = project(&[("release", &with)]).windlass("plan --format json").exits(0);
        assert_eq!(output.result()["plan"]["steps"][0]["intents"][0]["effect"], effect, "{}", output.everything());
        let warned = output.everything().contains("and something was refused to it: that does not tell what is done");
        assert_eq!(warned, effect == "unknown", "{}", output.everything());
    }
}

#[test]
fn a_check_leaves_nothing_to_take_back() {
    let script = "#!/bin/sh\necho looked >>log\n[ -e up ]\n";
    let project =
        Project::with(&config(&[("live", "run = [\"./live\"]\neffect = \"checks\"")])).file("live", script).locked();
    let plan = project.windlass("plan --full").exits(0);
    assert!(plan.stdout.contains("· live  run `./live`\n"), "{}", plan.stdout);
    assert!(plan.stdout.contains("| nothing to take back, and run once more after a rollback\n"), "{}", plan.stdout);
    assert!(plan.stdout.contains("may run `./live`, unconfined (apply, revert)\n"), "{}", plan.stdout);
    assert!(plan.stdout.contains("nothing is going to change\n"), "{}", plan.stdout);

    let _ = project.windlass("run").exits(13);
    assert_eq!(project.failure("live").0, "command-failed");
    project.write("up", "");
    let output = project.windlass("run --format json").exits(0);
    assert_eq!(output.result()["steps"][0]["outcome"], "succeeded");
    assert_eq!(project.read("log"), "looked\nlooked\n");
    assert!(project.journal().iter().all(|event| event["event"] != "record-appended"), "{:#?}", project.journal());
}

#[test]
fn what_a_program_leaves_running_is_ended_unless_that_was_accepted() {
    let script = "#!/bin/sh\nsleep 600 >/dev/null 2>&1 </dev/null &\necho $! >pid\n";
    let with = |background: bool| format!("run = [\"./start\"]\neffect = \"changes\"\nbackground = {background}");
    let project = Project::with(&config(&[("start", &with(false))])).file("start", script).locked();
    let _ = project.windlass("run").exits(0);
    assert!(!runs(project.read("pid").trim()), "a leftover outlives its step");

    // More than was accepted.
    project.write("deploy.toml", &config(&[("start", &with(true))]));
    std::fs::remove_file(project.path().join("pid")).expect("removed");
    let output = project.windlass("run").exits(22);
    assert!(output.stderr.contains("leave it running"), "{}", output.stderr);
    assert!(!project.has("pid"));

    let project = project.locked();
    let _ = project.windlass("run").exits(0);
    let process = project.read("pid").trim().to_owned();
    let alive = runs(&process);
    let killed = Command::new("sh").args(["-c", "kill \"$0\"", &process]).status().expect("a shell");
    assert!(alive && killed.success(), "what was accepted to stay is gone");
}

#[test]
fn a_program_sees_the_variables_that_were_accepted_and_no_others() {
    let project = project(&[(
        "show",
        r#"run = ["sh", "-c", "env >seen; cat >input"]
variables = ["BUILD_NUMBER", "NOT_SET"]
set = { MODE = "fast and ${deployment.version}" }
input = "read me"
effect = "reads""#,
    )]);
    let variables = [("BUILD_NUMBER", "42"), ("UNRELATED", "1"), ("DATABASE_PASSWORD", "hunter2hunter2")];
    let _ = project.windlass_with("run --release-version 9", &variables).exits(0);
    let seen = project.read("seen");
    assert!(seen.contains("BUILD_NUMBER=42\n") && seen.contains("MODE=fast and 9\n"), "{seen}");
    for name in ["UNRELATED", "DATABASE_PASSWORD", "NOT_SET", "WINDLASS_CACHE_DIR", "CARGO_HOME"] {
        assert!(!seen.contains(&format!("{name}=")), "{seen}");
    }
    assert_eq!(project.read("input"), "read me");
}

#[test]
fn a_secret_reaches_the_child_and_nobody_else() {
    let secret = "s3cr3t-of-the-registry";
    let project = project(&[(
        "publish",
        r#"run = ["sh", "-c", "printf %s \"$REGISTRY_TOKEN\" >got; echo it is $REGISTRY_TOKEN; exit 1"]
revert = ["sh", "-c", "printf %s \"$REGISTRY_TOKEN\" >back"]
secrets = { REGISTRY_TOKEN = { secret = "PRODUCTION_TOKEN" } }"#,
    )]);
    let output = project.windlass_with("run", &[("PRODUCTION_TOKEN", secret)]).exits(10);
    assert_eq!((project.read("got").as_str(), project.read("back").as_str()), (secret, secret));
    assert!(output.stderr.contains("it is ***"), "{}", output.stderr);
    project.keeps_secret(secret, &[&output]);

    // Without it nothing is started.
    std::fs::remove_file(project.path().join("got")).expect("removed");
    let output = project.windlass("run");
    assert_ne!(output.code, Some(0));
    assert!(output.stderr.contains("PRODUCTION_TOKEN") && !project.has("got"), "{}", output.all());
}

#[test]
fn how_a_program_ends_decides() {
    let project = project(&[("two", "run = [\"sh\", \"-c\", \"exit 2\"]\nsuccess = [0, 2]\neffect = \"reads\"")]);
    let output = project.windlass("run").exits(0);
    assert!(output.stderr.contains("with exit code 2"), "{}", output.stderr);

    let signal = self::project(&[("killed", "run = [\"sh\", \"-c\", \"kill -9 $$\"]\neffect = \"reads\"")]);
    let _ = signal.windlass("run").exits(13);
    assert!(signal.failure("killed").1.contains("signal 9"), "{:?}", signal.failure("killed"));

    let nobody =
        self::project(&[("nobody", "run = [\"no-such-program\", \"--now\"]\nrevert = [\"touch\", \"reverted\"]")]);
    let output = nobody.windlass("run");
    assert!(matches!(output.code, Some(10 | 13)), "{}", output.all());
    assert!(nobody.failure("nobody").1.contains("`no-such-program`"), "{:?}", nobody.failure("nobody"));
    assert!(!nobody.has("reverted"), "what never began is not taken back");
}

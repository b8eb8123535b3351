//! The step as a whole, with programs that answer as the real ones did.

use super::{Record, apply, plan, probe, requires};
use crate::config::Config;
use crate::lockfile::digest;
use crate::manager::Manager;
use crate::world::fake::Fake;
use std::cell::RefCell;
use windlass_plugin::{Access, Effect, Failure, FailureKind, Grant, Phases, Verdict};

const CHECK: &str = "cargo fetch --locked --offline";
const INSTALL: &str = "cargo fetch --locked";
const DIFFERENCE: &str = "cargo update --workspace --dry-run --offline";
const LOCK: &str = "[[package]]\nname = \"a\"\nsource = \"registry+x\"\n";

fn folder() -> Fake {
    Fake::with(&[("Cargo.toml", "[package]"), ("Cargo.lock", LOCK)])
}

fn run(world: &Fake, config: &Config) -> (Result<windlass_plugin::Outcome, Failure>, Vec<Record>) {
    let records = RefCell::new(vec![]);
    let result = apply(world, config, &|record| {
        records.borrow_mut().push(record.clone());
        Ok(())
    });
    (result, records.into_inner())
}

#[test]
fn what_is_installed_is_no_intent() {
    let world = folder().answering(CHECK, true, "");
    assert_eq!(plan(&world, &Config::default()).unwrap(), []);
}

#[test]
fn what_is_not_installed_is_an_intent_bound_to_the_lockfile() {
    let world = folder().answering(CHECK, false, "");
    let intents = plan(&world, &Config::default()).unwrap();
    assert_eq!(intents.len(), 1);
    assert_eq!(intents[0].id, format!("cargo Cargo.lock@{}", digest(LOCK.as_bytes())));
    assert_eq!(intents[0].summary, "install 1 package with cargo, exactly as `Cargo.lock` says");
    assert_eq!(intents[0].effect, Effect::Changes);
    // A machine that only plans may lack the tool.
    assert_eq!(plan(&folder(), &Config::default()).unwrap()[0].id, intents[0].id);
}

#[test]
fn drift_stops_the_plan_and_says_which_entry() {
    let line = "error: cannot update the lock file /app/Cargo.lock because --locked was passed to prevent this";
    let world = folder().answering(CHECK, false, line).answering(DIFFERENCE, true, "Adding itoa v1.0.18");
    let failure = plan(&world, &Config::default()).unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::CheckFailed, "lockfile-drift"));
    assert_eq!(failure.causes, [line, "Adding itoa v1.0.18"]);
    assert_eq!(failure.note.as_deref(), Some("nothing was installed"));
    assert_eq!(failure.hint.as_deref(), Some("run `cargo update --workspace` and commit `Cargo.lock`"));
}

#[test]
fn an_install_is_recorded_before_and_reported_after() {
    let (result, records) = run(&folder().answering(INSTALL, true, ""), &Config::default());
    let outcome = result.unwrap();
    assert_eq!(outcome.summary, "installed 1 package with cargo");
    let digest = digest(LOCK.as_bytes());
    let outputs = [("manager", "cargo"), ("packages", "1"), ("lockfile", digest.as_str())];
    assert_eq!(outcome.outputs, outputs.map(|(name, value)| (name.to_string(), value.to_string())));
    assert_eq!(records, [Record { manager: "cargo".into(), lockfile: "Cargo.lock".into(), digest }]);
}

#[test]
fn an_install_that_was_begun_is_done_again_whatever_is_there() {
    let (_, records) = run(&folder().answering(INSTALL, true, ""), &Config::default());
    assert_eq!(probe(&records), Verdict::Partly);
    assert_eq!(probe(&[]), Verdict::NotDone);
    // The second time it ends as the first would have.
    assert_eq!(run(&folder().answering(INSTALL, true, ""), &Config::default()).1, records);
}

#[test]
fn every_ecosystem_of_a_folder_is_installed() {
    let mut world = folder().answering(INSTALL, true, "").answering("bundle install", true, "");
    world.files.insert("Gemfile".into(), "gem 'a'".into());
    world.files.insert("Gemfile.lock".into(), "GEM\n  specs:\n    a (1.0)\n".into());
    let (result, records) = run(&world, &Config::default());
    let outcome = result.unwrap();
    assert_eq!(outcome.outputs[0], ("manager".into(), "cargo,bundler".into()));
    assert_eq!(outcome.outputs[1], ("packages".into(), "1,1".into()));
    assert_eq!(records.len(), 2);
    // The second one's failure says what the first one left.
    let broken = world.answering("bundle install", false, "Could not reach host index.test.");
    let failure = run(&broken, &Config::default()).0.unwrap_err();
    assert_eq!(failure.code, "registry-unreachable");
    assert_eq!(
        failure.note.as_deref(),
        Some("the install is not complete; what cargo installed before is left in place")
    );
}

#[test]
fn failures_have_the_code_that_fits() {
    let cases = [
        ("[7] Could not connect to server", FailureKind::Unavailable, "registry-unreachable"),
        ("error: failed to verify the checksum of `a v1.0.0`", FailureKind::CheckFailed, "integrity-mismatch"),
        ("error: because --locked was passed to prevent this", FailureKind::CheckFailed, "lockfile-drift"),
        ("error: something new", FailureKind::CheckFailed, "install-failed"),
    ];
    for (said, kind, code) in cases {
        let failure = run(&folder().answering(INSTALL, false, said), &Config::default()).0.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (kind, code));
        assert!(failure.causes.iter().any(|cause| cause == said), "{failure:?}");
        assert!(failure.hint.is_some() && failure.note.is_some(), "{failure:?}");
    }
}

#[test]
fn an_install_to_which_something_was_refused_is_told_how_it_may_have_that() {
    let hint = |said| run(&folder().answering(INSTALL, false, said), &Config::default()).0.unwrap_err().hint.unwrap();
    assert!(
        hint("mkdir: cannot create directory '/home/ada/.cache': Permission denied").contains("`writes` of this step")
    );
    assert!(!hint("error: something new").contains("`writes`"));
}

#[test]
fn what_installs_may_change_what_is_named_and_what_only_looks_may_not() {
    let writes = vec![".git/hooks".into(), "/home/ci/.cache/puppeteer".into()];
    let config = Config { directory: "web".into(), manager: Some(Manager::Npm), writes, ..Config::default() };
    let trees: Vec<Vec<String>> = requires(&config)
        .unwrap()
        .into_iter()
        .filter_map(|capability| match capability.grant {
            Grant::Exec(exec) => Some(exec.writes),
            _ => None,
        })
        .collect();
    let installs = ["web", ".git/hooks", "/home/ci/.cache/puppeteer"];
    assert_eq!(trees.iter().filter(|trees| **trees == installs).count(), 1, "{trees:?}");
    assert!(trees.iter().all(|trees| trees.is_empty() || *trees == installs), "{trees:?}");
}

#[test]
fn a_buried_drift_is_found_by_asking_again() {
    let line = "npm error Missing: b@1.0.0 from lock file";
    let world =
        Fake::with(&[("package.json", r#"{"dependencies":{"b":"1"}}"#), ("package-lock.json", r#"{"packages":{}}"#)])
            .answering("npm ci --no-audit --no-fund", false, "npm error Run \"npm help ci\" for more info")
            .answering("npm ci --no-audit --no-fund --dry-run --offline", false, line);
    let failure = run(&world, &Config::default()).0.unwrap_err();
    assert_eq!(failure.code, "lockfile-drift");
    assert_eq!(failure.causes, [line]);
}

#[test]
fn a_tool_that_is_not_there_is_said_so() {
    let failure = run(&folder(), &Config::default()).0.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Unavailable, "tool-missing"));
    assert_eq!(failure.message, "cargo is needed and is not there");
}

#[test]
fn a_lockfile_that_an_install_changes_fails_it() {
    let mut world = folder().answering(INSTALL, true, "");
    world.spoils = Some("Cargo.lock");
    let failure = run(&world, &Config::default()).0.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::CheckFailed, "lockfile-changed"));
    assert_eq!(failure.message, "`cargo fetch --locked` changed `Cargo.lock`");
}

/// `go mod download` adds what is missing to `go.sum` and succeeds.
#[test]
fn go_s_drift_is_found_before_anything_is_downloaded() {
    let line = "go: a.b/d@v1.0.0: missing go.sum entry; to add it:";
    let world = Fake::with(&[("go.mod", "module m\nrequire a.b/d v1.0.0\n"), ("go.sum", "")])
        .answering("go list -mod=readonly -m -f={{.Path}} {{.Version}} {{.Dir}} all", false, line)
        .answering("go mod download", true, "");
    let (result, records) = run(&world, &Config::default());
    assert_eq!(result.unwrap_err().causes, [line]);
    assert!(records.is_empty() && !world.ran.borrow().contains(&"go mod download".to_string()));
}

#[test]
fn pip_leaves_its_stamp() {
    let lock = "a==1 --hash=sha256:1\n";
    let stamp = format!(".venv/bin/python -m pip config --site set windlass.requirements {}", digest(lock.as_bytes()));
    let install =
        ".venv/bin/python -m pip install --disable-pip-version-check --require-hashes --requirement requirements.txt";
    let world = Fake::with(&[("requirements.txt", lock)])
        .answering("python3 -m venv .venv", true, "")
        .answering(install, true, "")
        .answering(&stamp, true, "");
    run(&world, &Config::default()).0.unwrap();
    assert_eq!(*world.ran.borrow(), ["python3 -m venv .venv", install, stamp.as_str()]);
}

#[test]
fn yarn_s_missing_option_is_said_before_anything_runs() {
    let world = Fake::with(&[("package.json", r#"{"dependencies":{"a":"1"}}"#), ("yarn.lock", "__metadata:\n")]);
    let config = Config { production: true, ..Config::default() };
    assert_eq!(plan(&world, &config).unwrap_err().code, "production-not-possible");
    assert_eq!(run(&world, &config).0.unwrap_err().code, "production-not-possible");
}

fn execs(config: &Config) -> Vec<(String, Phases)> {
    let grants = requires(config).unwrap().into_iter();
    grants
        .filter_map(|capability| match capability.grant {
            Grant::Exec(exec) => {
                assert_eq!(exec.directory, config.directory);
                assert!(!exec.background && !exec.toolchains.is_empty());
                Some((format!("{} {}", exec.program, exec.arguments.join(" ")), capability.phases))
            }
            Grant::Directory(directory) => {
                assert_eq!((directory.path.as_str(), directory.access), (config.directory.as_str(), Access::Read));
                None
            }
            other => panic!("{other:?} is asked for"),
        })
        .collect()
}

#[test]
fn naming_the_manager_narrows_what_is_asked_for() {
    let named = |manager| execs(&Config { manager: Some(manager), directory: "web".into(), ..Config::default() });
    assert_eq!(
        named(Manager::Npm),
        [
            ("npm ci --no-audit --no-fund --dry-run --offline".to_string(), Phases::PLAN | Phases::APPLY),
            ("npm ci --no-audit --no-fund".to_string(), Phases::APPLY),
        ]
    );
    assert!(named(Manager::Yarn).iter().any(|(line, _)| line == "yarn install --immutable"));
    let all = execs(&Config::default());
    assert!(all.len() > 20);
    let mut lines: Vec<_> = all.iter().map(|(line, _)| line).collect();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), all.len(), "each command is asked for once");
}

/// What is run has to be granted, or it fails in production only.
#[test]
fn everything_that_may_be_run_is_asked_for() {
    for offline in [false, true] {
        let config = Config { offline, scripts: false, production: offline, ..Config::default() };
        let granted = execs(&config);
        for manager in Manager::ALL {
            let looks = crate::commands::checks(manager, &config);
            for (command, phase) in looks
                .iter()
                .map(|command| (command, Phases::PLAN))
                .chain(crate::commands::install(manager, &config).iter().map(|command| (command, Phases::APPLY)))
            {
                let line = command.line();
                assert!(granted.iter().any(|(other, phases)| *other == line && phases.contains(phase)), "{line}");
            }
        }
    }
}

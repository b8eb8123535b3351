//! The plugin `dep-install` in the real host, offline, with every package manager that it knows. `scripts/package-managers`
//! brings those that are missing.

use e2e::{Output, Project, workspace};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a package manager behaves with its fixtures; `fixtures/README.md` says it in words.
struct Case {
    fixture: &'static str,
    manager: &'static str,
    program: &'static str,
    /// What the lockfile's entry is called where it drifted.
    missing: &'static str,
    /// Whether the packages are folders beside the project, so that there is nothing to install.
    nothing_to_do: bool,
    /// Whether drift is only found when it installs.
    drifts_late: bool,
    /// Whether it can tell that everything is installed.
    can_tell: bool,
    /// What an install leaves.
    installed: &'static str,
}

const CASE: Case = Case {
    fixture: "",
    manager: "",
    program: "",
    missing: "farewell",
    nothing_to_do: false,
    drifts_late: false,
    can_tell: true,
    installed: "node_modules/greeting",
};

/// A copy of a fixture, as a project of its own.
fn copy(fixture: &str, variant: &str, with: &str) -> Project {
    let from = workspace().join("plugins/dep-install/fixtures").join(fixture).join(variant);
    let project = Project::with(&format!(
        "schema = 1\napp = \"shop\"\n[environments.staging]\n[[step]]\nid = \"dependencies\"\nplugin = \"dep-install\"\nwith = {with}\n"
    ));
    copy_tree(&from, &project.path());
    project
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a fixture") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &to)
        } else {
            std::fs::copy(entry.path(), to).map(|_| ()).expect("a file")
        }
    }
}

/// Makes the packages that pip, uv and poetry install from files.
fn with_wheels(project: Project) -> Project {
    let script = workspace().join("plugins/dep-install/fixtures/build_wheel.py");
    for name in ["greeting", "farewell"] {
        let status = Command::new("python3")
            .arg(&script)
            .arg(project.path().join("wheels"))
            .arg(name)
            .status()
            .expect("python3");
        assert!(status.success(), "the wheel of {name} cannot be built");
    }
    project
}

/// The search path for a case; fails where its program is not on it.
fn search_path(case: &Case) -> String {
    let mut path = std::env::var("PATH").unwrap_or_default();
    if case.fixture == "yarn-berry" {
        let Ok(berry) = std::env::var("WINDLASS_TEST_YARN_BERRY") else {
            panic!("`WINDLASS_TEST_YARN_BERRY` is not set: run `scripts/package-managers DIR` and then `. DIR/env`");
        };
        path = format!("{berry}:{path}");
    }
    let found = std::env::split_paths(&path).any(|directory| directory.join(case.program).is_file());
    assert!(
        found,
        "`{}` is not on the search path: run `scripts/package-managers DIR` and then `. DIR/env`",
        case.program
    );
    path
}

fn project(case: &Case, variant: &str) -> Project {
    let with = format!("{{ manager = \"{}\", offline = true }}", case.manager);
    let project = copy(case.fixture, variant, &with).variable("PATH", &search_path(case));
    let project = if matches!(case.manager, "pip" | "uv" | "poetry") { with_wheels(project) } else { project };
    project.locked()
}

/// Everything in a project that is not Windlass's own or installed.
fn contents(project: &Project) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(directory: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if [".windlass", ".venv"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                collect(&path, found)
            } else {
                drop(found.insert(path.clone(), std::fs::read(&path).unwrap_or_default()))
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(&project.path(), &mut found);
    found
}

fn intents(output: &Output) -> Vec<String> {
    let plan: serde_json::Value = serde_json::from_str(&output.raw_stdout).expect("JSON");
    let intents = plan["plan"]["steps"][0]["intents"].as_array().cloned().unwrap_or_default();
    intents.iter().map(|intent| intent["summary"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The whole way with one package manager: plan, install, nothing more to do; and drift, refused by name.
fn check(case: &Case) {
    let good = project(case, "ok");
    let before = contents(&good);
    let plan = good.windlass("plan --format json").exits(0);
    if case.nothing_to_do {
        assert_eq!(intents(&plan), [""; 0], "{}", plan.stderr);
    } else {
        let planned = intents(&plan);
        assert_eq!(planned.len(), 1, "{}", plan.all());
        assert!(planned[0].contains(&format!("with {}, exactly as", case.manager)), "{planned:?}");
    }
    assert_eq!(contents(&good), before, "a plan changes nothing");

    let run = good.windlass("run --format json").exits(0);
    let outcome = if case.nothing_to_do { "skipped" } else { "succeeded" };
    assert_eq!(run.result()["steps"][0]["outcome"], outcome, "{}", run.stderr);
    if !case.nothing_to_do {
        assert!(good.has(case.installed), "`{}` is not there\n{}", case.installed, run.stderr);
    }
    for (path, text) in &before {
        assert_eq!(&std::fs::read(path).unwrap_or_default(), text, "{} was changed", path.display());
    }
    let again = good.windlass("run --format json").exits(0);
    let outcome = if case.can_tell { "skipped" } else { "succeeded" };
    assert_eq!(again.result()["steps"][0]["outcome"], outcome, "{}", again.stderr);

    let drifted = project(case, "drifted");
    let before = contents(&drifted);
    let output = if case.drifts_late {
        let output = drifted.windlass("run");
        assert_eq!(drifted.failure("dependencies").0, "lockfile-drift", "{}", output.all());
        output
    } else {
        let plan = drifted.windlass("plan").exits(2);
        assert!(plan.stderr.contains("nothing was"), "{}", plan.stderr);
        let run = drifted.windlass("run").exits(2);
        assert!(!drifted.has(".windlass/runs") || run.stderr.contains("nothing was run"), "{}", run.stderr);
        run
    };
    assert!(output.stderr.contains(case.missing), "`{}` is not named in\n{}", case.missing, output.stderr);
    assert_eq!(contents(&drifted), before, "what drifted is left as it is");
}

#[test]
fn cargo() {
    check(&Case { fixture: "cargo", manager: "cargo", program: "cargo", nothing_to_do: true, ..CASE });
}

#[test]
fn npm() {
    check(&Case { fixture: "npm", manager: "npm", program: "npm", missing: "farewell@1.0.0", ..CASE });
}

#[test]
fn pnpm() {
    check(&Case { fixture: "pnpm", manager: "pnpm", program: "pnpm", missing: "farewell@file:farewell", ..CASE });
}

#[test]
fn yarn() {
    check(&Case { fixture: "yarn-1", manager: "yarn", program: "yarn", missing: "farewell@file:farewell", ..CASE });
}

#[test]
fn yarn_of_later_generations() {
    let case =
        Case { fixture: "yarn-berry", manager: "yarn", program: "yarn", missing: "farewell@file:farewell", ..CASE };
    check(&Case { drifts_late: true, ..case });
}

#[test]
fn bun() {
    check(&Case { fixture: "bun", manager: "bun", program: "bun", can_tell: false, ..CASE });
}

#[test]
fn pip() {
    let case = Case { fixture: "pip", manager: "pip", program: "python3", missing: "farewell==1.0.0", ..CASE };
    check(&Case { installed: ".venv/bin/python", ..case });

    // A package that is not what was locked.
    let project = project(&Case { fixture: "pip", manager: "pip", program: "python3", ..CASE }, "drifted-hash");
    let output = project.windlass("run");
    assert_ne!(output.code, Some(0));
    let (code, text) = project.failure("dependencies");
    assert_eq!(code, "integrity-mismatch", "{text}");
    assert!(text.contains("greeting"), "{text}");
}

#[test]
fn uv() {
    let case = Case { fixture: "uv", manager: "uv", program: "uv", missing: "farewell v1.0.0", ..CASE };
    check(&Case { installed: ".venv", ..case });
}

#[test]
fn poetry() {
    check(&Case { fixture: "poetry", manager: "poetry", program: "poetry", installed: ".venv", ..CASE });
}

#[test]
fn go() {
    let case = Case { fixture: "go", manager: "go", program: "go", missing: "example.test/farewell@v1.0.0", ..CASE };
    check(&Case { nothing_to_do: true, ..case });
}

#[test]
fn bundler() {
    let case = Case { fixture: "bundler", manager: "bundler", program: "bundle", missing: "farewell!", ..CASE };
    check(&Case { nothing_to_do: true, ..case });
}

#[test]
fn composer() {
    let case = Case { fixture: "composer", manager: "composer", program: "composer", ..CASE };
    check(&Case { missing: "fixture/farewell", installed: "vendor/autoload.php", ..case });
}

#[test]
fn two_lockfiles_are_refused_by_name_and_none_is_too() {
    let both = copy("npm", "ok", "{}").file("yarn.lock", "# yarn lockfile v1\n").locked();
    for command in ["plan", "run"] {
        let output = both.windlass(command).exits(2);
        assert!(output.stderr.contains("`package-lock.json` and `yarn.lock` are both there"), "{}", output.stderr);
        assert!(output.stderr.contains("manager = \""), "{}", output.stderr);
    }
    assert!(!both.has("node_modules"));

    let none = copy("npm", "ok", "{}").locked();
    std::fs::remove_file(none.path().join("package-lock.json")).expect("removed");
    let output = none.windlass("run").exits(2);
    assert!(output.stderr.contains("`package.json` has no lockfile beside it"), "{}", output.stderr);
}

#[test]
fn a_package_manager_that_is_not_there_is_missing() {
    let bin = copy("npm", "ok", "{}");
    let empty = bin.path().join("bin");
    std::fs::create_dir(&empty).expect("a directory");
    let project =
        copy("npm", "ok", "{ manager = \"npm\", offline = true }").variable("PATH", &empty.to_string_lossy()).locked();
    let output = project.windlass("run");
    assert_ne!(output.code, Some(0));
    let (code, text) = project.failure("dependencies");
    assert_eq!(code, "tool-missing", "{text}");
    assert!(text.contains("npm"), "{text}");
    assert!(!project.has("node_modules"));
}

//! The whole check against a project and a machine that are made up.

use super::*;
use crate::cargo::tests::metadata;

const HERE: &str = "1111111111111111111111111111111111111111";
const THERE: &str = "2222222222222222222222222222222222222222";

/// A project's files, and what programs print.
#[derive(Default)]
struct Made {
    files: BTreeMap<&'static str, String>,
    programs: BTreeMap<String, Result<Completion, Failure>>,
}

fn completion(code: i32, stdout: &str, stderr: &str) -> Completion {
    Completion {
        code: Some(code),
        signal: None,
        timed_out: false,
        stdout: stdout.into(),
        stderr: stderr.into(),
        truncated: false,
        tail: String::new(),
    }
}

impl Made {
    fn file(mut self, name: &'static str, text: &str) -> Self {
        self.files.insert(name, text.into());
        self
    }

    fn prints(mut self, command: &str, stdout: &str) -> Self {
        self.programs.insert(command.into(), Ok(completion(0, stdout, "")));
        self
    }

    fn fails(mut self, command: &str, code: i32, stderr: &str) -> Self {
        self.programs.insert(command.into(), Ok(completion(code, "", stderr)));
        self
    }

    fn check(&self, config: &Config) -> Examination {
        self.check_release(config, &Deployment { version: HERE[..7].into(), commit: HERE.into(), live: None })
    }

    fn check_release(&self, config: &Config, deployment: &Deployment) -> Examination {
        examine(config, deployment, self).expect("the check was done")
    }
}

impl World for Made {
    fn read(&self, path: &str) -> Result<Option<String>, Failure> {
        Ok(self.files.get(path).cloned())
    }

    fn run(&self, probe: &Probe, directory: &str) -> Result<Completion, Failure> {
        let local = if probe.variables.contains(&("GOTOOLCHAIN", "local")) { " local" } else { "" };
        let place = if directory == "." { String::new() } else { format!(" in {directory}") };
        let command = format!("{}{local}{place}", probe.display());
        self.programs.get(&command).cloned().unwrap_or_else(|| {
            Err(Failure::unavailable("program-not-found", format!("`{}` is not on the search path", probe.program)))
        })
    }
}

const CARGO: &str = "cargo metadata --format-version 1 --no-deps --offline";
const NODE_22: &str = "{\n  \"version\": \"1.3.0\",\n  \"engines\": { \"node\": \">=22\" }\n}\n";

fn lines(examination: &Examination) -> Vec<&str> {
    let tools = examination.tools.iter().map(|(_, judgement)| judgement.line.as_str());
    tools.chain(Some(examination.release.line.as_str()).filter(|line| !line.is_empty())).collect()
}

#[test]
fn nothing_asked_is_nothing_done() {
    let examination = Made::default().check(&Config::default());
    assert_eq!(lines(&examination), [""; 0]);
    assert_eq!(examination.failure(), None);
}

#[test]
fn a_project_in_four_languages() {
    let made = Made::default()
        .file("rust-toolchain.toml", "[toolchain]\nchannel = \"1.95\"\n")
        .file("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"1.3.0\"\nrust-version = \"1.90\"\n")
        .file("package.json", NODE_22)
        .file("pyproject.toml", "[project]\nrequires-python = \"~=3.11\"\ndynamic = [\"version\"]\n")
        .file("go.mod", "module shop\n\ngo 1.25\n")
        .prints("rustc --version", "rustc 1.95.0 (59807616e 2026-04-14)\n")
        .prints("node --version", "v22.3.0\n")
        .prints("python3 --version", "Python 3.11.7\n")
        .prints("go version", "go version go1.25.3 linux/amd64\n");
    let examination = made.check(&Config::default());
    assert_eq!(
        lines(&examination),
        [
            "rust 1.95.0 satisfies \"1.95\" (rust-toolchain.toml:2) and \"1.90\" (Cargo.toml:4)",
            "node 22.3.0 satisfies \">=22\" (package.json:3)",
            "python 3.11.7 satisfies \"~=3.11\" (pyproject.toml:2)",
            "go 1.25.3 satisfies \"1.25\" (go.mod:3)",
            "version 1.3.0 (Cargo.toml:3) is the first",
        ]
    );
    assert_eq!(examination.failure(), None);
    // Wherever the project is and whatever the day, the plan's ids are the same.
    let ids: Vec<_> = examination.intents().into_iter().map(|intent| intent.id).collect();
    let expected = [
        "rust 1.95.0 satisfies 1.95, 1.90",
        "node 22.3.0 satisfies >=22",
        "python 3.11.7 satisfies ~=3.11",
        "go 1.25.3 satisfies 1.25",
        "version 1.3.0 is the first",
    ];
    assert_eq!(ids, expected);
    let outcome = examination.outcome();
    let outputs: Vec<_> = outcome.outputs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(outputs, ["rust=1.95.0", "node=22.3.0", "python=3.11.7", "go=1.25.3", "version=1.3.0"]);
    assert_eq!(examination.rows()[0], ["rust", "1.95.0", "1.95, 1.90", "rust-toolchain.toml:2, Cargo.toml:4"]);
}

#[test]
fn a_tool_that_no_file_asks_for_is_not_run() {
    let made = Made::default()
        .file("package.json", NODE_22)
        .prints("node --version", "v22.3.0")
        .prints("go version", "rubbish");
    assert_eq!(made.check(&Config::default()).failure(), None);
    let named = Config { tools: Some(vec![Tool::Go]), ..Config::default() };
    assert_eq!(made.check(&named).failure().map(|failure| failure.code), Some("tool-unreadable".into()));
}

#[test]
fn a_tool_that_is_named_has_to_be_there() {
    let config = Config { tools: Some(vec![Tool::Python]), ..Config::default() };
    let failure = Made::default().check(&config).failure().expect("missing");
    assert_eq!(
        failure,
        Failure::unavailable("tool-missing", "`python` is not there")
            .because("`python3` is not on the search path")
            .with_hint("install `python` before this step, or take it out of `tools`")
    );
    let made = Made::default().prints("python3 --version", "Python 3.12.1");
    assert_eq!(lines(&made.check(&config)), ["python 3.12.1 is there; no file asks for a version"]);
}

#[test]
fn rustup_s_words_say_why_rust_is_not_there() {
    let stderr = "info: syncing\nerror: toolchain '1.94-x86_64-unknown-linux-gnu' is not installed\nhelp: run `rustup toolchain install`\n\nStack backtrace:\n   0: x\n";
    let made = Made::default().file("rust-toolchain", "1.94\n").fails("rustc --version", 1, stderr);
    let failure = made.check(&Config::default()).failure().expect("missing");
    assert_eq!(
        failure,
        Failure::unavailable("tool-missing", "`rust` is not there")
            .because("`rustc --version` ended with exit code 1: error: toolchain '1.94-x86_64-unknown-linux-gnu' is not installed")
            .because("rust-toolchain:1 asks for `1.94`")
            .with_hint("run `rustup toolchain install 1.94` before this step")
    );
}

#[test]
fn go_s_installed_version_is_told_where_its_wanted_toolchain_is_not_there() {
    let stderr =
        "go: downloading go1.29.0 (linux/amd64)\ngo: download go1.29.0 for linux/amd64: toolchain not available\n";
    let made = Made::default()
        .file("go.mod", "module x\n\ngo 1.29\n")
        .fails("go version", 1, stderr)
        .prints("go version local", "go version go1.27.3 linux/amd64");
    let failure = made.check(&Config::default()).failure().expect("too old");
    assert_eq!(
        (failure.code.as_str(), failure.message.as_str()),
        ("tool-version", "`go 1.27.3` does not satisfy `1.29`")
    );
    let made = made.file("go.mod", "module x\ngo 1.27\ntoolchain go1.28.1\n");
    let examination = made.check(&Config::default());
    assert_eq!(examination.failure(), None, "the toolchain line only suggests");
    assert_eq!(examination.findings[0].code, "version-advice");
}

#[test]
fn node_is_asked_for_its_line_only_where_a_file_names_one() {
    let made = Made::default().file(".nvmrc", "lts/jod\n").prints("node --version", "v22.3.0");
    for (line, fits) in [("Jod\n", true), ("Iron\n", false), ("undefined\n", false)] {
        let examination = Made { files: made.files.clone(), programs: made.programs.clone() }
            .prints("node -p process.release.lts", line)
            .check(&Config::default());
        assert_eq!(examination.failure().is_none(), fits, "{line}");
    }
}

#[test]
fn several_failures_are_told_at_once_the_gravest_first() {
    let made = Made::default()
        .file("package.json", NODE_22)
        .file("go.mod", "module x\ngo 1.25\n")
        .file(".python-version", "3..1\n")
        .prints("node --version", "v20.11.0\n");
    let examination = made.check(&Config::default());
    let failure = examination.failure().expect("three");
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Misconfigured, "requirement-invalid"));
    assert_eq!(failure.message, "3 things are not as they must be");
    assert_eq!(
        failure.causes,
        [
            "which `python` `.python-version` asks for cannot be understood (.python-version:1: `3..1` is not a version of Python)",
            "`node 20.11.0` does not satisfy `>=22` (package.json:3 `engines.node` asks for `>=22`)",
            "`go` is not there (`go` is not on the search path; go.mod:2 `go` asks for `1.25`)",
        ]
    );
    let marks: Vec<_> = examination.findings.iter().filter_map(place_of).collect();
    assert_eq!(marks, ["package.json:3", "go.mod:2"]);
}

#[test]
fn a_file_that_two_parts_read_is_unreadable_once() {
    let failure = Made::default().file("Cargo.toml", "[package\n").check(&Config::default()).failure().expect("broken");
    assert_eq!((failure.code.as_str(), failure.message.as_str()), ("manifest-unreadable", "`Cargo.toml` is not TOML"));
    assert!(failure.causes[0].starts_with("Cargo.toml:1:9: "), "{failure:?}");
}

#[test]
fn contradictions_are_warnings_unless_strict() {
    let made = Made::default()
        .file(".nvmrc", "22\n")
        .file(".tool-versions", "nodejs 20.1.0\n")
        .prints("node --version", "v22.3.0\n");
    let examination = made.check(&Config::default());
    assert_eq!(examination.failure(), None);
    assert_eq!(examination.outcome().findings, examination.findings);
    assert_eq!(examination.findings[0].severity, Severity::Warning);
    let intents = examination.intents();
    let detail = intents[0].detail.as_deref();
    assert_eq!(detail, Some(".tool-versions:1: `20.1.0` contradicts `22` of .nvmrc:1, which comes first"));
    let examination = made.check(&Config { strict: true, ..Config::default() });
    let failure = examination.failure().expect("strict");
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Misconfigured, "version-conflict"));
    assert_eq!(failure.causes, [".tool-versions:1 says so, and `strict` is set"]);
    assert_eq!(examination.findings[0].severity, Severity::Error);
}

#[test]
fn strictness_does_not_take_back_what_is_allowed() {
    let made = Made::default().file("package.json", "{\"version\": \"1.2.0\"}");
    let config = Config { strict: true, allow_downgrade: true, ..Config::default() };
    let live = Deployment { version: "1.2.0".into(), commit: HERE.into(), live: Some(("1.3.0".into(), THERE.into())) };
    let examination = made.check_release(&config, &live);
    assert_eq!(examination.failure(), None);
    assert_eq!(examination.findings[0].code, "version-downgrade");
}

#[test]
fn manifests_have_a_precedence_and_may_contradict() {
    let made = Made::default()
        .file("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"1.3.0\"\n")
        .file("package.json", "{\n  \"version\": \"1.0.0\"\n}")
        .file("pyproject.toml", "[project]\nversion = \"1.3\"\n");
    let examination = made.check(&Config::default());
    assert_eq!(lines(&examination), ["version 1.3.0 (Cargo.toml:3) is the first"]);
    let findings: Vec<_> =
        examination.findings.iter().map(|finding| (finding.code.as_str(), place_of(finding))).collect();
    assert_eq!(findings, [("manifest-conflict", Some("package.json:2".into()))]);
    let named = Config { manifest: Some("package.json".into()), strict: true, ..Config::default() };
    let examination = made.check(&named);
    assert_eq!(lines(&examination), ["version 1.0.0 (package.json:2) is the first"]);
    assert_eq!(examination.findings, [], "named is meant");
    let missing = Config { manifest: Some("web/package.json".into()), ..Config::default() };
    let failure = examine(&missing, &Deployment::default(), &made).expect_err("missing");
    assert_eq!(
        (failure.code.as_str(), failure.message.as_str()),
        ("manifest-missing", "there is no `web/package.json`")
    );
}

#[test]
fn a_placeholder_leaves_the_word_to_the_next_manifest() {
    let made = Made::default()
        .file("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.0.0\"\n")
        .file("package.json", "{\"version\": \"1.0.0\"}");
    assert_eq!(lines(&made.check(&Config::default())), ["version 1.0.0 (package.json:1) is the first"]);
}

#[test]
fn a_workspace_is_read_through_cargo() {
    let root = "[package]\nname = \"shop\"\nversion.workspace = true\n[workspace]\nmembers = [\"model\"]\n[workspace.package]\nversion = \"1.3.0\"\n";
    let made = Made::default()
        .file("Cargo.toml", root)
        .file("model/Cargo.toml", "[package]\nname = \"model\"\nrust-version = \"1.96\"\n")
        .prints("rustc --version", "rustc 1.95.0 (a 2026-04-14)")
        .prints(CARGO, &metadata(&[("shop", "1.3.0", true, None), ("model", "0.4.0", false, Some("1.96"))]));
    let examination = made.check(&Config::default());
    assert_eq!(examination.release.version.as_deref(), Some("1.3.0"));
    assert_eq!(examination.release.line, "version 1.3.0 (Cargo.toml:7) is the first");
    // A member needs a newer Rust than is there.
    let failure = examination.failure().expect("too old");
    assert_eq!(failure.causes, ["model/Cargo.toml:3 `rust-version` asks for `1.96`"]);

    let named = Config { package: Some("model".into()), tools: Some(vec![]), ..Config::default() };
    assert_eq!(made.check(&named).release.version.as_deref(), Some("0.4.0"));
}

#[test]
fn a_rust_version_that_the_root_states_is_asked_once() {
    let root = "[workspace]\nmembers = [\"a\"]\n[workspace.package]\nrust-version = \"1.95\"\n";
    let made = Made::default()
        .file("Cargo.toml", root)
        .prints("rustc --version", "rustc 1.95.0 (a 2026-04-14)")
        .prints(CARGO, &metadata(&[("a", "1.3.0", true, Some("1.95"))]));
    assert_eq!(
        lines(&made.check(&Config::default())),
        ["rust 1.95.0 satisfies \"1.95\" (Cargo.toml:4)", "version 1.3.0 (Cargo.toml:1) is the first"]
    );
}

#[test]
fn a_member_that_inherits_is_read_in_its_own_directory() {
    let made = Made::default()
        .file(
            "crates/a/Cargo.toml",
            "[package]\nname = \"a\"\nversion.workspace = true\nrust-version.workspace = true\n",
        )
        .prints("rustc --version in crates/a", "rustc 1.95.0 (a 2026-04-14)")
        .prints(
            &format!("{CARGO} in crates/a"),
            &metadata(&[("a", "1.3.0", true, Some("1.94")), ("b", "2.0.0", true, Some("1.99"))]),
        );
    let config = Config { directory: "crates/a".into(), ..Config::default() };
    let examination = made.check(&config);
    assert_eq!(
        lines(&examination),
        [
            "rust 1.95.0 satisfies \"1.94.0\" (crates/a/Cargo.toml:4)",
            "version 1.3.0 (crates/a/Cargo.toml:3) is the first"
        ]
    );
    assert_eq!(examination.failure(), None, "its siblings' Rust is not its own");
}

#[test]
fn members_with_different_versions_are_noted() {
    let made = Made::default()
        .file("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n")
        .prints(CARGO, &metadata(&[("a", "1.0.0", true, None), ("b", "2.0.0", true, None)]));
    let examination = made.check(&Config::default());
    assert_eq!((examination.failure(), examination.release.version.clone()), (None, None));
    assert_eq!(examination.findings[0].code, "version-ambiguous");
    assert!(examination.findings[0].message.contains("(a 1.0.0, b 2.0.0)"), "{:?}", examination.findings);
}

#[test]
fn without_cargo_a_workspace_s_own_words_have_to_do() {
    let shared =
        "[package]\nname = \"a\"\nversion.workspace = true\n[workspace.package]\nversion = \"1.3.0\"\n[workspace]\n";
    let config = Config { tools: Some(vec![]), ..Config::default() };
    let examination = Made::default().file("Cargo.toml", shared).check(&config);
    assert_eq!(lines(&examination), ["version 1.3.0 (Cargo.toml:5) is the first"]);
    let elsewhere = "[package]\nname = \"a\"\nversion.workspace = true\n";
    let failure = Made::default().file("Cargo.toml", elsewhere).check(&config).failure().expect("needs cargo");
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Unavailable, "tool-missing"));
    assert_eq!(failure.message, "the version in `Cargo.toml` cannot be told");
}

#[test]
fn cargo_s_refusal_is_told_in_its_own_words() {
    let stderr =
        "error: failed to parse manifest at `/x/Cargo.toml`\n\nCaused by:\n  no targets specified in the manifest\n";
    let made = Made::default().file("Cargo.toml", "[package]\nname = \"a\"\nversion.workspace = true\n");
    let made = Made { files: made.files.clone(), ..Made::default() }.fails(CARGO, 101, stderr);
    let failure = made.check(&Config::default()).failure().expect("refused");
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Misconfigured, "manifest-unreadable"));
    assert_eq!(
        failure.causes[..2],
        ["failed to parse manifest at `/x/Cargo.toml`", "no targets specified in the manifest"]
    );
    let no_toolchain = made.fails(CARGO, 1, "error: toolchain 'x' is not installed").check(&Config::default());
    assert_eq!(no_toolchain.failure().map(|failure| failure.kind), Some(FailureKind::Unavailable));
}

#[test]
fn a_denial_ends_the_check() {
    let denied = Failure { kind: FailureKind::Denied, ..Failure::bug("exec-denied", "denied") };
    let mut made = Made::default().file("package.json", NODE_22);
    made.programs.insert("node --version".into(), Err(denied.clone()));
    assert_eq!(examine(&Config::default(), &Deployment::default(), &made).expect_err("denied"), denied);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    let made = Made::default()
        .file(".nvmrc", "\u{feff}22\n")
        .file("package.json", "\u{feff}{}")
        .prints("node --version", "v22.3.0");
    assert_eq!(lines(&made.check(&Config::default())), ["node 22.3.0 satisfies \"22\" (.nvmrc:1)"]);
}

/// This machine: a temporary project, and the programs that are really there.
struct Real(std::path::PathBuf);

impl Real {
    fn project(name: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("version-check-{name}-{}", std::process::id()));
        for (file, text) in files {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        Self(root)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // What is left is in the system's own place for leftovers.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl World for Real {
    fn read(&self, path: &str) -> Result<Option<String>, Failure> {
        Ok(std::fs::read_to_string(self.0.join(path)).ok())
    }

    fn run(&self, probe: &Probe, directory: &str) -> Result<Completion, Failure> {
        let output = std::process::Command::new(probe.program)
            .args(probe.arguments)
            .envs(probe.variables.iter().copied())
            .current_dir(self.0.join(directory))
            .output()
            .map_err(|error| Failure::unavailable("program-not-found", error.to_string()))?;
        let mut made = completion(0, "", "");
        made.code = output.status.code();
        (made.stdout, made.stderr) = (output.stdout, output.stderr);
        Ok(made)
    }
}

#[test]
fn the_real_cargo_and_rustc_are_understood() {
    let project = Real::project(
        "workspace",
        &[
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"shop\", \"model\"]\nresolver = \"3\"\n[workspace.package]\nversion = \"1.3.0\"\nedition = \"2024\"\n",
            ),
            ("shop/Cargo.toml", "[package]\nname = \"shop\"\nversion.workspace = true\nedition.workspace = true\n"),
            ("shop/src/main.rs", "fn main() {}\n"),
            (
                "model/Cargo.toml",
                "[package]\nname = \"model\"\nversion = \"0.4.0\"\nedition = \"2024\"\nrust-version = \"1.85\"\n",
            ),
            ("model/src/lib.rs", ""),
        ],
    );
    let deployment =
        Deployment { version: "v1.3.0".into(), commit: HERE.into(), live: Some(("v1.2.0".into(), THERE.into())) };
    let examination = examine(&Config::default(), &deployment, &project).expect("the check was done");
    assert_eq!(examination.failure(), None);
    assert_eq!(examination.release.line, "version 1.3.0 (Cargo.toml:5) follows 1.2.0");
    let (tool, judgement) = &examination.tools[0];
    assert_eq!(*tool, Tool::Rust);
    assert!(judgement.line.ends_with(" satisfies \"1.85\" (model/Cargo.toml:5)"), "{}", judgement.line);
    assert!(!project.0.join("Cargo.lock").exists(), "a check writes nothing");
}

#[test]
fn the_real_cargo_s_refusal_is_understood() {
    let manifest = "[package]\nname = \"shop\"\nversion.workspace = true\nedition = \"2024\"\n";
    let project = Real::project("refused", &[("Cargo.toml", manifest), ("src/main.rs", "fn main() {}\n")]);
    let failure =
        examine(&Config::default(), &Deployment::default(), &project).expect("done").failure().expect("refused");
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Misconfigured, "manifest-unreadable"));
    assert!(failure.causes.iter().any(|cause| cause.contains("workspace")), "{failure:?}");
}

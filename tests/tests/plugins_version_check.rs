//! The plugin `version-check` in the real host, with the tools of this machine.

use e2e::{Output, Project};
use std::process::Command;

const ELSEWHERE: &str = "89abcdef0123456789abcdef0123456789abcdef";

fn project(with: &str) -> Project {
    Project::with(&config(with)).locked()
}

/// The check, and a step that changes something, so that there is something to deploy.
fn config(with: &str) -> String {
    format!(
        "schema = 1\napp = \"shop\"\n[environments.staging]\n[[step]]\nid = \"versions\"\nplugin = \"version-check\"\n\
         with = {with}\n[[step]]\nid = \"release\"\nplugin = \"command\"\nwith = {{ run = [\"true\"], effect = \"changes\" }}\n"
    )
}

/// The version of a tool that is there, as its own `--version` says it.
fn installed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(std::env::temp_dir()).output();
    let Ok(output) = output else {
        panic!("`{program}` is not on the search path: run `scripts/package-managers DIR` and then `. DIR/env`")
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split(|c: char| !c.is_ascii_digit() && c != '.').find(|word| word.contains('.'));
    version.unwrap_or_else(|| panic!("`{program}` says {text}")).trim_matches('.').to_owned()
}

fn rust() -> String {
    installed("rustc", &["--version"])
}
fn node() -> String {
    installed("node", &["--version"])
}
fn python() -> String {
    installed("python3", &["--version"])
}
fn go() -> String {
    installed("go", &["version"])
}

/// `1.2` of `1.2.3`.
fn minor(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

fn with_files(with: &str, files: &[(&str, String)]) -> Project {
    let project = project(with);
    for (name, text) in files {
        project.write(name, text);
    }
    project
}

/// Plans and runs, which have to agree that all is well. Returns what the plan says.
fn holds(files: &[(&str, String)]) -> String {
    let project = with_files("{}", files);
    let plan = project.windlass("plan").exits(0);
    let _ = project.windlass("run").exits(0);
    plan.stdout + &plan.stderr
}

/// Plans and runs, which have to agree that something is wrong. Returns what the run says.
fn refused(files: &[(&str, String)]) -> Output {
    let project = with_files("{}", files);
    let plan = project.windlass("plan").exits(2);
    let run = project.windlass("run").exits(2);
    let words =
        |text: &str| text.lines().filter(|line| line.contains("Caused by")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&plan.stderr), words(&run.stderr));
    assert!(run.stderr.contains("nothing was run"), "{}", run.stderr);
    run
}

fn says(output: &Output, parts: &[&str]) {
    for part in parts {
        assert!(output.stderr.contains(part), "`{part}` is not in\n{}", output.stderr);
    }
}

#[test]
fn rust_is_asked_for_in_several_places_and_there() {
    let version = rust();
    let said = holds(&[
        (
            "Cargo.toml",
            format!(
                "[package]\nname = \"shop\"\nversion = \"1.2.0\"\nrust-version = \"{}\"\n\n[lib]\npath = \"lib.rs\"\n",
                minor(&version)
            ),
        ),
        ("lib.rs", String::new()),
        (".tool-versions", format!("rust {version}\n")),
        ("mise.toml", format!("[tools]\nrust = \"{}\"\n", minor(&version))),
    ]);
    for part in [
        &format!("rust {version} satisfies"),
        "Cargo.toml:4",
        "mise.toml:2",
        "version 1.2.0 (Cargo.toml:3) is the first",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

#[test]
fn node_is_asked_for_in_several_places_and_there() {
    let version = node();
    let said = holds(&[
        (
            "package.json",
            format!(
                "{{\n  \"version\": \"2.1.0\",\n  \"engines\": {{ \"node\": \">={}\" }},\n  \"volta\": {{ \"node\": \"{version}\" }}\n}}\n",
                major(&version)
            ),
        ),
        (".nvmrc", format!("v{}\n", major(&version))),
        (".node-version", format!("{}\n", minor(&version))),
    ]);
    for part in [
        &format!("node {version} satisfies"),
        "package.json:3",
        ".nvmrc:1",
        "version 2.1.0 (package.json:2) is the first",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

#[test]
fn python_is_asked_for_in_several_places_and_there() {
    let version = python();
    let said = holds(&[
        (
            "pyproject.toml",
            format!("[project]\nname = \"shop\"\nversion = \"3.1\"\nrequires-python = \">={},<4\"\n", minor(&version)),
        ),
        (".python-version", format!("{version}\n")),
        ("runtime.txt", format!("python-{version}\n")),
    ]);
    for part in [
        &format!("python {version} satisfies"),
        "pyproject.toml:4",
        ".python-version:1",
        "version 3.1 (pyproject.toml:3)",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

#[test]
fn go_is_asked_for_in_several_places_and_there() {
    let version = go();
    let said = holds(&[
        ("go.mod", format!("module example.test/shop\n\ngo {}\n", minor(&version))),
        (".go-version", format!("{}\n", minor(&version))),
        (".tool-versions", format!("golang {version}\n")),
    ]);
    for part in [&format!("go {version} satisfies"), "go.mod:3", ".go-version:1"] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

#[test]
fn a_tool_of_another_version_is_refused_with_file_and_line() {
    let rust = rust();
    let output = refused(&[(".tool-versions", "# ours\nrust 1.60.0\n".into())]);
    says(&output, &[&format!("`rust {rust}` does not satisfy `1.60.0`"), ".tool-versions:2"]);
    let node = node();
    let output = refused(&[("package.json", "{\n  \"engines\": {\n    \"node\": \"^4.0.0 || ~6.1\"\n  }\n}\n".into())]);
    says(&output, &[&format!("`node {node}` does not satisfy `^4.0.0 || ~6.1`"), "package.json:3 `engines.node`"]);
    let python = python();
    let output = refused(&[("pyproject.toml", "[project]\nrequires-python = \"~=2.7\"\n".into())]);
    says(&output, &[&format!("`python {python}` does not satisfy `~=2.7`"), "pyproject.toml:2 `requires-python`"]);
    let output = refused(&[(".go-version", "1.2.2\n".into())]);
    says(&output, &["does not satisfy `1.2.2`", ".go-version:1"]);
    // Two at once are told at once.
    let output = refused(&[
        (".tool-versions", "rust 1.60.0\n".into()),
        ("package.json", "{ \"engines\": { \"node\": \"4\" } }".into()),
    ]);
    says(&output, &["2 things are not as they must be", ".tool-versions:1", "package.json:1"]);
}

#[test]
fn files_that_nobody_can_satisfy_together_are_named() {
    let version = rust();
    let output = refused(&[
        (
            "Cargo.toml",
            format!("[package]\nname = \"shop\"\nrust-version = \"{}\"\n[lib]\npath = \"lib.rs\"\n", minor(&version)),
        ),
        ("lib.rs", String::new()),
        (".tool-versions", "rust 1.60.0\n".into()),
    ]);
    says(&output, &["no version of `rust` satisfies", "Cargo.toml:3", ".tool-versions:1", "make `"]);

    // What only one of two pins says is a warning, or with `strict` an error.
    let node = node();
    let files = [(".nvmrc", format!("{node}\n")), (".node-version", "4.0.0\n".to_owned())];
    let project = with_files("{}", &files);
    let output = project.windlass("run").exits(0);
    says(&output, &["warning: ", ".node-version:1: `4.0.0` contradicts"]);
    let strict = with_files("{ strict = true }", &files);
    says(&strict.windlass("run").exits(2), &["`4.0.0` contradicts", ".node-version:1"]);
}

#[test]
fn a_tool_that_is_not_there_is_missing() {
    // A search path with what the other step needs, and no Node.
    let project = with_files("{}", &[(".nvmrc", "22\n".into())]);
    let bin = project.path().join("bin");
    std::fs::create_dir(&bin).expect("a directory");
    let project = project.variable("PATH", &bin.to_string_lossy());
    let output = project.windlass("run").exits(2);
    says(&output, &["`node` is not there", ".nvmrc:1 asks for `22`", "hint: run `nvm install` before this step"]);

    // A toolchain that rustup does not have is not installed by a look.
    let output = refused(&[("rust-toolchain.toml", "[toolchain]\nchannel = \"1.60.0\"\n".into())]);
    says(&output, &["rust-toolchain.toml:2", "rustup toolchain install 1.60.0"]);

    // One that is named has to be there, whether a file asks for it or not.
    let project = self::project("{ tools = [\"node\"] }").variable("PATH", &bin.to_string_lossy());
    says(&project.windlass("run").exits(2), &["`node` is not there"]);
}

#[test]
fn the_version_of_a_workspace_is_what_cargo_says() {
    let project = with_files(
        "{ manifest = \"app/Cargo.toml\" }",
        &[
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"app\"]\nresolver = \"3\"\n\n[workspace.package]\nversion = \"4.5.6\"\n"
                    .into(),
            ),
            ("app/Cargo.toml", "[package]\nname = \"app\"\nversion.workspace = true\nedition = \"2024\"\n".into()),
            ("app/src/main.rs", "fn main() {}\n".into()),
        ],
    );
    let project = project.locked();
    let plan = project.windlass("plan").exits(0);
    assert!((plan.stdout.clone() + &plan.stderr).contains("version 4.5.6 ("), "{}", plan.all());
    let _ = project.windlass("run").exits(0);
    let done =
        project.journal().into_iter().find(|event| event["event"] == "step-succeeded" && event["step"] == "versions");
    assert!(done.expect("done").to_string().contains("4.5.6"));
    assert!(!project.has("Cargo.lock"), "a look writes nothing");
}

/// Releases a version at a commit.
fn release(project: &Project, version: &str, commit: &str) -> Output {
    project.windlass(&format!("run --release-version {version} --commit {commit}"))
}

#[test]
fn a_downgrade_and_a_version_used_twice_are_refused_unless_allowed() {
    let one = e2e::COMMIT;
    let project = project("{ allow-mismatch = true }");
    let _ = release(&project, "1.10.0", one).exits(0);
    let output = release(&project, "1.9.0", ELSEWHERE).exits(2);
    says(&output, &["version `1.9.0` is older than `1.10.0`, which is live", "or set `allow-downgrade = true`"]);
    let output = release(&project, "1.10.0", ELSEWHERE).exits(2);
    says(
        &output,
        &["version `1.10.0` is live with another commit", "live is commit `0123456789ab`, this is `89abcdef0123`"],
    );
    let _ = release(&project, "1.10.0", one).exits(0);
    let _ = release(&project, "1.11.0-rc.1", ELSEWHERE).exits(0);

    project.write("deploy.toml", &config("{ allow-downgrade = true }"));
    says(&release(&project, "1.10.0", one).exits(0), &["warning: version `1.10.0` is older than `1.11.0-rc.1`"]);
    project.write("deploy.toml", &config("{ allow-same-version = true }"));
    says(&release(&project, "1.10.0", ELSEWHERE).exits(0), &["warning: version `1.10.0` is live with another commit"]);
}

#[test]
fn a_release_called_otherwise_than_its_manifest_is_half_done() {
    for (file, text, line) in [
        ("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"1.2.0\"\n[lib]\npath = \"lib.rs\"\n", 3),
        ("package.json", "{\n  \"name\": \"shop\",\n  \"version\": \"1.2.0\"\n}\n", 3),
        ("pyproject.toml", "[project]\nname = \"shop\"\nversion = \"1.2.0\"\n", 3),
    ] {
        let project = with_files("{}", &[(file, text.into()), ("lib.rs", String::new())]);
        let output = release(&project, "1.3.0", e2e::COMMIT).exits(2);
        says(&output, &["1.3.0", "1.2.0", &format!("{file}:{line}")]);
        let _ = release(&project, "v1.2.0", e2e::COMMIT).exits(0);
    }
}

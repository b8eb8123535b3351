//! Files against tools, by table.

use super::*;
use crate::sources;

type Files<'a> = &'a [(&'static str, &'static str)];

fn judged(tool: Tool, files: Files<'_>, there: &There) -> Judgement {
    let files = files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    let asks = sources::read(&files, &[tool], str::to_owned);
    assert_eq!(asks.failures, []);
    judge(tool, &asks.of(tool), there)
}

fn with(tool: Tool, files: Files<'_>, version: &str) -> Judgement {
    judged(tool, files, &There::Yes(Installed::of(version)))
}

const ENGINES: &str = "{\n  \"engines\": { \"node\": \">=22\" }\n}";

#[test]
fn a_tool_that_fits_is_said_in_one_line() {
    let judgement = with(Tool::Rust, &[("rust-toolchain.toml", "[toolchain]\nchannel = \"1.95\"\n")], "1.95.0");
    assert_eq!(judgement.line, "rust 1.95.0 satisfies \"1.95\" (rust-toolchain.toml:2)");
    assert_eq!(judgement.id, "rust 1.95.0 satisfies 1.95");
    assert_eq!((judgement.findings, judgement.failure), (vec![], None));

    let judgement = with(Tool::Node, &[(".nvmrc", "22"), ("package.json", ENGINES)], "22.3.0");
    assert_eq!(judgement.line, "node 22.3.0 satisfies \"22\" (.nvmrc:1) and \">=22\" (package.json:2)");
    assert_eq!(judgement.id, "node 22.3.0 satisfies 22, >=22");
}

#[test]
fn what_cannot_be_checked_is_said_so() {
    let judgement = with(Tool::Node, &[(".nvmrc", "node"), ("package.json", ENGINES)], "22.3.0");
    assert_eq!(
        judgement.line,
        "node 22.3.0 satisfies \">=22\" (package.json:2); \"node\" (.nvmrc:1) is not checked: it names no version"
    );
    let judgement = with(Tool::Go, &[(".tool-versions", "golang latest")], "1.25.3");
    assert_eq!(judgement.id, "go 1.25.3 for latest");
    let judgement = with(Tool::Go, &[], "1.25.3");
    assert_eq!(
        (judgement.id.as_str(), judgement.line.as_str()),
        ("go 1.25.3", "go 1.25.3 is there; no file asks for a version")
    );
}

#[test]
fn a_tool_that_does_not_fit_is_a_failure_with_its_place() {
    let failure = with(Tool::Node, &[("package.json", ENGINES)], "20.11.0").failure.expect("a failure");
    assert_eq!(
        failure,
        Failure::check_failed("tool-version", "`node 20.11.0` does not satisfy `>=22`")
            .because("package.json:2 `engines.node` asks for `>=22`")
            .with_hint("install a `node` that satisfies `>=22` before this step")
    );
    let judgement = with(Tool::Node, &[("package.json", ENGINES)], "20.11.0");
    let mark = &judgement.findings[0];
    assert_eq!((mark.severity, mark.file.as_deref(), mark.line), (Severity::Error, Some("package.json"), Some(2)));
}

#[test]
fn a_tool_that_is_missing_is_another_failure() {
    let there = There::No("`go` is not on the search path".into());
    let failure = judged(Tool::Go, &[("go.mod", "module x\n\ngo 1.25\n")], &there).failure.expect("a failure");
    assert_eq!(
        failure,
        Failure::unavailable("tool-missing", "`go` is not there")
            .because("`go` is not on the search path")
            .because("go.mod:3 `go` asks for `1.25`")
            .with_hint("install a `go` that satisfies `1.25` before this step")
    );
}

#[test]
fn hints_are_the_command_of_who_keeps_the_file() {
    for (tool, files, hint) in [
        (Tool::Node, &[(".nvmrc", "22")] as Files<'_>, "run `nvm install` before this step"),
        (
            Tool::Node,
            &[("mise.toml", "[tools]\nnode = \"22\"")],
            "run `mise install` (or `asdf install`) before this step",
        ),
        (Tool::Rust, &[("rust-toolchain", "1.99")], "run `rustup toolchain install 1.99` before this step"),
        (
            Tool::Rust,
            &[("Cargo.toml", "[package]\nrust-version = \"1.99\"")],
            "run `rustup update`, or install Rust 1.99.0 or newer",
        ),
        (
            Tool::Python,
            &[("pyproject.toml", "[project]\nrequires-python = \">=3.12\"")],
            "install a Python that satisfies `>=3.12` before this step, for example with `uv python install 3.12.0`",
        ),
    ] {
        let failure = with(tool, files, "0.1.0").failure.expect(hint);
        assert_eq!(failure.hint.as_deref(), Some(hint));
    }
}

#[test]
fn the_first_pin_decides_and_every_range_has_to_hold() {
    for (tool, files, version, fits) in [
        (Tool::Node, &[(".nvmrc", "22"), (".tool-versions", "nodejs 20")] as Files<'_>, "22.3.0", true),
        (Tool::Node, &[(".nvmrc", "22"), (".tool-versions", "nodejs 20")], "20.3.0", false),
        (Tool::Node, &[(".nvmrc", "22"), (".node-version", "20")], "22.3.0", true),
        (Tool::Node, &[(".node-version", "20"), ("mise.toml", "[tools]\nnode = \"22\"")], "20.1.0", true),
        (Tool::Node, &[("mise.toml", "[tools]\nnode = \"22\""), (".tool-versions", "nodejs 20")], "22.1.0", true),
        (Tool::Node, &[(".nvmrc", "22.1"), ("package.json", ENGINES)], "22.3.0", false),
        (
            Tool::Rust,
            &[("rust-toolchain", "1.94"), ("rust-toolchain.toml", "[toolchain]\nchannel = \"1.95\"")],
            "1.94.0",
            true,
        ),
        (
            Tool::Rust,
            &[
                ("rust-toolchain.toml", "[toolchain]\nchannel = \"stable\""),
                ("Cargo.toml", "[package]\nrust-version = \"1.96\""),
            ],
            "1.95.0",
            false,
        ),
        (Tool::Python, &[(".python-version", "3.12"), ("runtime.txt", "python-3.11.7")], "3.12.1", true),
        (
            Tool::Python,
            &[(".python-version", "3.12"), ("pyproject.toml", "[project]\nrequires-python = \">=3.12.4\"")],
            "3.12.1",
            false,
        ),
        (Tool::Go, &[(".go-version", "1.25.3"), ("go.mod", "go 1.25.4")], "1.25.3", false),
        (Tool::Go, &[(".go-version", "1.25"), ("go.mod", "go 1.24")], "1.25.3", true),
        (Tool::Go, &[("go.work", "go 1.25.4"), ("go.mod", "go 1.24")], "1.25.3", false),
    ] {
        let judgement = with(tool, files, version);
        assert_eq!(judgement.failure.is_none(), fits, "{files:?} {version}: {judgement:?}");
    }
}

#[test]
fn a_later_pin_that_says_otherwise_is_a_finding_with_file_and_line() {
    let findings = with(Tool::Node, &[(".nvmrc", "22"), (".tool-versions", "\nnodejs 20.1.0")], "22.3.0").findings;
    assert_eq!(
        findings,
        [Finding {
            severity: Severity::Warning,
            code: "version-conflict".into(),
            message: "`20.1.0` contradicts `22` of .nvmrc:1, which comes first".into(),
            file: Some(".tool-versions".into()),
            line: Some(2),
        }]
    );
    // They could agree, but not on the version that is there.
    let findings = with(Tool::Node, &[(".nvmrc", "22"), (".node-version", "22.1.0")], "22.3.0").findings;
    assert_eq!(findings[0].message, "`22.1.0` is not `node 22.3.0`, which is there and satisfies `22` of .nvmrc:1");
    assert_eq!(with(Tool::Node, &[(".nvmrc", "22"), (".node-version", "22.3.0")], "22.3.0").findings, []);
}

#[test]
fn a_later_pin_outside_a_range_is_a_finding_too() {
    let files: Files<'_> = &[(".nvmrc", "22"), ("package.json", ENGINES), (".tool-versions", "nodejs 18")];
    let findings = with(Tool::Node, files, "22.3.0").findings;
    assert_eq!(findings[0].message, "`18` contradicts `22` of .nvmrc:1, which comes first");
}

#[test]
fn files_that_nothing_can_satisfy_are_the_files_fault() {
    for there in
        [There::Yes(Installed::of("18.1.0")), There::Yes(Installed::of("22.1.0")), There::No("no `node`".into())]
    {
        let failure = judged(Tool::Node, &[(".nvmrc", "18"), ("package.json", ENGINES)], &there).failure;
        assert_eq!(
            failure,
            Some(
                Failure::misconfigured("version-conflict", "no version of `node` satisfies `18` and `>=22`")
                    .because(".nvmrc:1 asks for `18`")
                    .because("package.json:2 `engines.node` asks for `>=22`")
                    .with_hint("make `.nvmrc` and `package.json` agree")
            )
        );
    }
}

#[test]
fn advice_is_not_followed_at_the_price_of_a_warning() {
    let files: Files<'_> = &[("go.mod", "module x\ngo 1.24\ntoolchain go1.25.3")];
    let judgement = with(Tool::Go, files, "1.24.2");
    assert_eq!(judgement.failure, None);
    assert_eq!(judgement.findings[0].code, "version-advice");
    assert_eq!(judgement.findings[0].line, Some(3));
    assert_eq!(with(Tool::Go, files, "1.25.3").findings, []);
}

#[test]
fn agreement_is_found_where_there_is_any_and_not_where_there_is_none() {
    let package = |range: &str| ("package.json", format!("{{\"engines\": {{\"node\": \"{range}\"}}}}"));
    for (tool, files, agree) in [
        (Tool::Node, vec![(".nvmrc", "22".into()), package(">=20 <22")], false),
        (Tool::Node, vec![(".nvmrc", "22".into()), package(">=20 <=22")], true),
        (Tool::Node, vec![(".nvmrc", "22.3".into()), package("^22.3.7")], true),
        (Tool::Node, vec![(".nvmrc", "22.3".into()), package("^22.4")], false),
        (Tool::Node, vec![(".nvmrc", "22".into()), package(">22.5.0")], true),
        (Tool::Node, vec![(".nvmrc", "22".into()), package(">22")], false),
        (Tool::Node, vec![(".nvmrc", "21".into()), package("18 || 20 || 22")], false),
        (Tool::Node, vec![(".nvmrc", "20".into()), package("18 || 20 || 22")], true),
        (Tool::Node, vec![(".nvmrc", "22.0.0".into()), package(">=22.0.0-rc.1")], true),
        (Tool::Node, vec![(".nvmrc", "22.0.0-rc.1".into()), package(">=22.0.0-rc.1")], true),
        (Tool::Node, vec![(".nvmrc", "lts/*".into()), package(">=20")], true),
        (Tool::Node, vec![(".nvmrc", "lts/jod".into()), (".tool-versions", "nodejs lts-iron".into())], false),
        (Tool::Node, vec![(".nvmrc", "node".into()), package(">=20")], true),
        (
            Tool::Rust,
            vec![("rust-toolchain", "stable".into()), ("Cargo.toml", "[package]\nrust-version = \"1.95\"".into())],
            true,
        ),
        (
            Tool::Rust,
            vec![
                ("rust-toolchain", "nightly-2026-05-01".into()),
                ("Cargo.toml", "[package]\nrust-version = \"1.95\"".into()),
            ],
            true,
        ),
        (
            Tool::Rust,
            vec![("rust-toolchain", "1.94".into()), ("Cargo.toml", "[package]\nrust-version = \"1.95\"".into())],
            false,
        ),
        (Tool::Rust, vec![("rust-toolchain", "stable".into()), (".tool-versions", "rust nightly".into())], false),
        (Tool::Rust, vec![("rust-toolchain", "1.96.0-beta.2".into()), (".tool-versions", "rust beta".into())], true),
        (
            Tool::Python,
            vec![
                (".python-version", "3.12".into()),
                ("pyproject.toml", "[project]\nrequires-python = \">=3.12,!=3.12.0\"".into()),
            ],
            true,
        ),
        (
            Tool::Python,
            vec![
                (".python-version", "3.12".into()),
                ("pyproject.toml", "[project]\nrequires-python = \"<3.12\"".into()),
            ],
            false,
        ),
        (
            Tool::Python,
            vec![
                (".python-version", "3.11".into()),
                ("pyproject.toml", "[project]\nrequires-python = \"<3.12\"".into()),
            ],
            true,
        ),
        (
            Tool::Python,
            vec![(
                "pyproject.toml",
                "[project]\nrequires-python = \">=3.12\"\n[tool.poetry.dependencies]\npython = \"^3.9\"".into(),
            )],
            true,
        ),
        (
            Tool::Python,
            vec![(
                "pyproject.toml",
                "[project]\nrequires-python = \">=3.12\"\n[tool.poetry.dependencies]\npython = \"~3.9\"".into(),
            )],
            false,
        ),
        (Tool::Go, vec![(".go-version", "1.25".into()), ("go.mod", "go 1.25.4".into())], true),
        (Tool::Go, vec![(".go-version", "1.25rc1".into()), ("go.mod", "go 1.25rc1".into())], true),
        (Tool::Go, vec![(".go-version", "1.24.9".into()), ("go.mod", "go 1.25".into())], false),
    ] {
        let files = files.into_iter().collect();
        let asks = sources::read(&files, &[tool], str::to_owned);
        let asks = asks.of(tool);
        assert_eq!(witness(tool, &asks).is_some(), agree, "{files:?}: {:?}", witness(tool, &asks));
    }
}

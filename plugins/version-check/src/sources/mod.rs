//! The version files of a project: which there are, which comes first, and what each asks for.
//!
//! # Precedence
//! A *pin* chooses the version that is to be used; the first in the order of [`FILES`] decides, and a later one that
//! contradicts it is reported. A *range* says what works (`rust-version`, `engines`, `requires-python`, `go`): every one of
//! them has to hold, because the ecosystem's own tool refuses to work otherwise. *Advice* (the `toolchain` line of
//! `go.mod`, `devEngines` with `onFail: "warn"`) is reported where it is not followed.

mod go;
mod managers;
mod node;
mod python;
mod rust;

use crate::document::Place;
use crate::requirement::Requirement;
use crate::tool::Tool;
use std::collections::BTreeMap;
use windlass_plugin::Failure;

/// How much a source's word weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Chooses. The first decides.
    Pin,
    /// Says what works. All have to hold.
    Range,
    /// Suggests.
    Advice,
}

/// What one place asks of one tool.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// The tool.
    pub tool: Tool,
    /// What is asked for, as it is written.
    pub text: String,
    /// The same, understood.
    pub requirement: Requirement,
    /// Where.
    pub place: Place,
    /// The key there, in a file that has keys.
    pub key: Option<&'static str>,
    /// How much it weighs.
    pub role: Role,
}

impl Ask {
    /// Where it is asked, for a message: ``package.json:12 `engines.node` ``.
    pub(crate) fn origin(&self) -> String {
        match self.key {
            Some(key) => format!("{} `{key}`", self.place),
            None => self.place.to_string(),
        }
    }
}

/// What the files ask for, in order of precedence, and what could not be read.
#[derive(Debug)]
pub(crate) struct Asks {
    /// The tools that are looked for; what is said about others is left alone.
    wanted: Vec<Tool>,
    /// What is asked for.
    pub all: Vec<Ask>,
    /// What could not be understood.
    pub failures: Vec<Failure>,
}

/// A value, where it stands and what it is called there.
struct Found<'a> {
    text: &'a str,
    line: u32,
    key: Option<&'static str>,
}

impl Asks {
    /// Note what a place asks for, or that it cannot be understood.
    fn add(
        &mut self,
        tool: Tool,
        role: Role,
        file: &str,
        found: &Found<'_>,
        read: impl FnOnce(&str) -> Result<Requirement, String>,
    ) {
        if !self.wanted.contains(&tool) {
            return;
        }
        let place = Place { file: file.into(), line: found.line };
        match read(found.text) {
            Ok(requirement) => {
                self.all.push(Ask { tool, text: found.text.into(), requirement, place, key: found.key, role });
            }
            Err(reason) => {
                let key = found.key.map(|key| format!(" `{key}`")).unwrap_or_default();
                self.failures.push(
                    Failure::misconfigured(
                        "requirement-invalid",
                        format!("which `{}` `{file}` asks for cannot be understood", tool.name()),
                    )
                    .because(format!("{place}{key}: {reason}"))
                    .with_hint(format!("correct line {} of `{file}`", place.line)),
                );
            }
        }
    }

    /// What is asked of one tool.
    pub(crate) fn of(&self, tool: Tool) -> Vec<&Ask> {
        self.all.iter().filter(|ask| ask.tool == tool).collect()
    }
}

type Reader = fn(&mut Asks, &str, &str);

const NODE: &[Tool] = &[Tool::Node];
const PACKAGE: &[Tool] = &[Tool::Node, Tool::Npm, Tool::Pnpm, Tool::Yarn];
const RUST: &[Tool] = &[Tool::Rust];
const PYTHON: &[Tool] = &[Tool::Python];
const GO: &[Tool] = &[Tool::Go];
const ALL: &[Tool] = &[Tool::Rust, Tool::Node, Tool::Python, Tool::Go, Tool::Npm, Tool::Pnpm, Tool::Yarn];

/// All version files, in order of precedence, with the tools that they can speak of, and who reads them.
const FILES: &[(&str, &[Tool], Reader)] = &[
    // Where both exist, rustup takes the one without the ending.
    ("rust-toolchain", RUST, rust::toolchain),
    ("rust-toolchain.toml", RUST, rust::toolchain),
    (".nvmrc", NODE, node::version_file),
    (".node-version", NODE, node::version_file),
    ("package.json", PACKAGE, node::package),
    (".python-version", PYTHON, python::version_file),
    ("runtime.txt", PYTHON, python::runtime),
    (".go-version", GO, go::version_file),
    ("mise.toml", ALL, managers::mise),
    (".mise.toml", ALL, managers::mise),
    (".config/mise.toml", ALL, managers::mise),
    (".tool-versions", ALL, managers::tool_versions),
    ("Pipfile", PYTHON, python::pipfile),
    ("Cargo.toml", RUST, rust::manifest),
    ("pyproject.toml", PYTHON, python::project),
    ("go.work", GO, go::module),
    ("go.mod", GO, go::module),
];

/// The names of all version files.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, ..)| *name)
}

/// Read the version files that are there for what they say about the wanted tools; `files` has their texts by name, `shown`
/// makes a name that a person knows.
pub(crate) fn read(files: &BTreeMap<&'static str, String>, wanted: &[Tool], shown: impl Fn(&str) -> String) -> Asks {
    let mut asks = Asks { wanted: wanted.to_vec(), all: vec![], failures: vec![] };
    for (name, tools, reader) in FILES {
        if let Some(text) = files.get(name)
            && tools.iter().any(|tool| wanted.contains(tool))
        {
            reader(&mut asks, &shown(name), text);
        }
    }
    asks
}

/// The first line of a file that has one version and nothing else, or a failure.
fn only_line<'a>(asks: &mut Asks, tool: Tool, file: &str, text: &'a str) -> Option<Found<'a>> {
    if let Some((line, text)) = crate::document::lines(text).next() {
        return Some(Found { text, line, key: None });
    }
    asks.failures.push(
        Failure::misconfigured("requirement-invalid", format!("`{file}` names no version of `{}`", tool.name()))
            .because(format!("{file}:1: the file is empty"))
            .with_hint(format!("write a version into `{file}`, or remove it")),
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every ask of these files as `tool role text place key`.
    pub(super) fn asked(files: &[(&'static str, &str)]) -> Vec<String> {
        let asks = read_all(files);
        assert_eq!(asks.failures, []);
        asks.all
            .iter()
            .map(|ask| format!("{} {:?} `{}` {}", ask.tool.name(), ask.role, ask.text, ask.origin()))
            .collect()
    }

    fn read_all(files: &[(&'static str, &str)]) -> Asks {
        read(&files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(), ALL, str::to_owned)
    }

    #[test]
    fn rust_is_asked_for_in_five_kinds_of_file() {
        assert_eq!(
            asked(&[
                ("rust-toolchain", "1.94\n"),
                ("rust-toolchain.toml", "[toolchain]\nchannel = \"1.95\"\ncomponents = [\"clippy\"]\n"),
                ("Cargo.toml", "[package]\nname = \"shop\"\nrust-version = \"1.93\"\n"),
                (".tool-versions", "# tools\nrust 1.92.0\n"),
                ("mise.toml", "[tools]\nrust = { version = \"1.91\", profile = \"minimal\" }\n"),
            ]),
            [
                "rust Pin `1.94` rust-toolchain:1",
                "rust Pin `1.95` rust-toolchain.toml:2 `toolchain.channel`",
                "rust Pin `1.91` mise.toml:2 `tools`",
                "rust Pin `1.92.0` .tool-versions:2",
                "rust Range `1.93` Cargo.toml:3 `rust-version`",
            ]
        );
    }

    #[test]
    fn the_old_rust_toolchain_file_may_be_toml() {
        assert_eq!(
            asked(&[("rust-toolchain", "[toolchain]\nchannel = \"nightly-2026-05-01\"\n")]),
            ["rust Pin `nightly-2026-05-01` rust-toolchain:2 `toolchain.channel`"]
        );
        assert_eq!(asked(&[("rust-toolchain.toml", "[toolchain]\ncomponents = [\"clippy\"]\n")]), [""; 0]);
        assert_eq!(asked(&[("rust-toolchain.toml", "[toolchain]\npath = \"/opt/rust\"\n")]), [""; 0]);
    }

    #[test]
    fn a_virtual_workspace_has_its_rust_version_too() {
        assert_eq!(
            asked(&[("Cargo.toml", "[workspace]\nmembers = []\n[workspace.package]\nrust-version = \"1.95\"\n")]),
            ["rust Range `1.95` Cargo.toml:4 `workspace.package.rust-version`"]
        );
    }

    #[test]
    fn node_is_asked_for_in_many_kinds_of_file() {
        let package = r#"{
  "name": "shop",
  "packageManager": "pnpm@9.1.0+sha512.abc",
  "engines": {
    "node": ">=20 <23",
    "pnpm": "^9",
    "vscode": "^1.90.0"
  },
  "volta": { "node": "22.3.0", "extends": "../package.json" },
  "devEngines": {
    "runtime": { "name": "node", "version": "^22", "onFail": "warn" },
    "packageManager": [{ "name": "pnpm", "version": "9.x" }, { "name": "bun", "version": "1" }]
  }
}"#;
        assert_eq!(
            asked(&[
                (".nvmrc", "v22\n"),
                (".node-version", "22.3.0\n"),
                ("package.json", package),
                (".tool-versions", "nodejs 22.1.0 20.1.0\n"),
                (".mise.toml", "[tools]\nnode = [\"22\", \"20\"]\nnpm = 10\n"),
            ]),
            [
                "node Pin `v22` .nvmrc:1",
                "node Pin `22.3.0` .node-version:1",
                "node Pin `22.3.0` package.json:9 `volta.node`",
                "pnpm Pin `9.1.0+sha512.abc` package.json:3 `packageManager`",
                "node Range `>=20 <23` package.json:5 `engines.node`",
                "pnpm Range `^9` package.json:6 `engines.pnpm`",
                "node Advice `^22` package.json:11 `devEngines.runtime`",
                "pnpm Range `9.x` package.json:12 `devEngines.packageManager`",
                "node Pin `22 20` .mise.toml:2 `tools`",
                "npm Pin `10` .mise.toml:3 `tools`",
                "node Pin `22.1.0 20.1.0` .tool-versions:1",
            ]
        );
    }

    #[test]
    fn python_is_asked_for_in_many_kinds_of_file() {
        assert_eq!(
            asked(&[
                (".python-version", "# for uv\n3.12\n3.11\n"),
                ("runtime.txt", "python-3.12.1\n"),
                (
                    "pyproject.toml",
                    "[project]\nrequires-python = \">=3.11\"\n[tool.poetry.dependencies]\npython = \"^3.11\"\n"
                ),
                (".tool-versions", "python 3.12.1 # the newest\n"),
                ("mise.toml", "[tools]\npython = 3.12\n"),
                ("Pipfile", "[requires]\npython_version = \"3.12\"\n"),
            ]),
            [
                "python Pin `3.12` .python-version:2",
                "python Pin `python-3.12.1` runtime.txt:1",
                "python Pin `3.12` mise.toml:2 `tools`",
                "python Pin `3.12.1` .tool-versions:1",
                "python Pin `3.12` Pipfile:2 `requires.python_version`",
                "python Range `>=3.11` pyproject.toml:2 `requires-python`",
                "python Range `^3.11` pyproject.toml:4 `tool.poetry.dependencies.python`",
            ]
        );
        assert_eq!(asked(&[("runtime.txt", "nodejs-20\n")]), [""; 0], "not Python's");
    }

    #[test]
    fn go_is_asked_for_in_many_kinds_of_file() {
        let module = "module example.test/shop // go 1.1\n\ngo 1.25.0 // the language\n\ntoolchain go1.25.3\n\nrequire (\n\tgo 9.9\n)\n";
        assert_eq!(
            asked(&[
                ("go.mod", module),
                ("go.work", "go 1.24\ntoolchain default\nuse ./x\n"),
                (".go-version", "1.25.3\n"),
                (".tool-versions", "golang 1.25.2\n"),
                ("mise.toml", "[tools]\n\"core:go\" = \"1.25\"\n"),
            ]),
            [
                "go Pin `1.25.3` .go-version:1",
                "go Pin `1.25` mise.toml:2 `tools`",
                "go Pin `1.25.2` .tool-versions:1",
                "go Range `1.24` go.work:1 `go`",
                "go Range `1.25.0` go.mod:3 `go`",
                "go Advice `go1.25.3` go.mod:5 `toolchain`",
            ]
        );
    }

    #[test]
    fn windows_line_ends_are_no_obstacle() {
        assert_eq!(asked(&[(".nvmrc", "22\r\n"), (".tool-versions", "go 1.25\r\nrust 1.95\r\n")]).len(), 3);
    }

    #[test]
    fn what_is_malformed_is_named_with_its_line() {
        for (name, text, code, cause) in [
            ("rust-toolchain", "\n", "requirement-invalid", "rust-toolchain:1: the file is empty"),
            ("rust-toolchain", ">=1.95\n", "requirement-invalid", "rust-toolchain:1: `>=1.95` is neither"),
            ("rust-toolchain.toml", "[toolchain\n", "manifest-unreadable", "rust-toolchain.toml:1:"),
            (
                "rust-toolchain.toml",
                "[toolchain]\nchannel = 1.95\n",
                "requirement-invalid",
                "rust-toolchain.toml:2 `toolchain.channel`: `1.95` is not a string",
            ),
            (
                "Cargo.toml",
                "[package]\nrust-version = \">=1.9\"\n",
                "requirement-invalid",
                "Cargo.toml:2 `rust-version`: `>=1.9`",
            ),
            (".nvmrc", "\n# none\n", "requirement-invalid", ".nvmrc:1: the file is empty"),
            (".nvmrc", ">=20\n", "requirement-invalid", ".nvmrc:1: `>=20` is not a version of Node"),
            (
                "package.json",
                "{\n  \"engines\": {\n    \"node\": \"lts\"\n  }\n}",
                "requirement-invalid",
                "package.json:3 `engines.node`: `lts`",
            ),
            (
                "package.json",
                "{\n  \"engines\": {\"node\": 20}}",
                "requirement-invalid",
                "package.json:2 `engines.node`: `20` is not a string",
            ),
            ("package.json", "{,}", "manifest-unreadable", "package.json:1:2: "),
            (
                "package.json",
                "{\"packageManager\": \"pnpm\"}",
                "requirement-invalid",
                "package.json:1 `packageManager`: `pnpm` names no version",
            ),
            (
                "pyproject.toml",
                "[project]\nrequires-python = \"^3.11\"\n",
                "requirement-invalid",
                "pyproject.toml:2 `requires-python`: `^3.11`",
            ),
            (".python-version", "3..1\n", "requirement-invalid", ".python-version:1: `3..1`"),
            ("go.mod", "module x\ngo one\n", "requirement-invalid", "go.mod:2 `go`: `one` is not a version of Go"),
            (".go-version", "go\n", "requirement-invalid", ".go-version:1: "),
            (
                ".tool-versions",
                "nodejs\n",
                "requirement-invalid",
                ".tool-versions:1: `nodejs` stands there without a version",
            ),
            ("mise.toml", "[tools]\nnode = { }\n", "requirement-invalid", "mise.toml:2 `tools`: "),
            ("mise.toml", "[tools]\ngo = \"newest\"\n", "requirement-invalid", "mise.toml:2 `tools`: `newest`"),
        ] {
            let asks = read_all(&[(name, text)]);
            assert_eq!(asks.failures.len(), 1, "{name} {text:?}: {:?}", asks.all);
            let failure = &asks.failures[0];
            assert_eq!(failure.code, code, "{failure:?}");
            assert!(failure.causes[0].starts_with(cause), "{:?} does not begin with {cause:?}", failure.causes);
            assert!(failure.hint.is_some(), "{failure:?}");
        }
    }

    #[test]
    fn what_is_said_of_unwanted_tools_is_left_alone() {
        let files = [
            ("Cargo.toml", "[package"),
            (".python-version", "3..1"),
            ("package.json", "{\"packageManager\": \"pnpm\", \"engines\": {\"node\": \">=20\"}}"),
            (".tool-versions", "python nonsense\nnodejs 22"),
        ];
        let files = files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        let asks = read(&files, &[Tool::Node], str::to_owned);
        assert_eq!(asks.failures, []);
        assert_eq!(asks.all.len(), 2);
    }

    #[test]
    fn tools_and_keys_of_others_are_left_alone() {
        assert_eq!(
            asked(&[
                (".tool-versions", "terraform 1.9\nruby\n"),
                ("mise.toml", "[env]\nA = \"1\"\n[tools]\nterraform = \"x y\"\n"),
                ("package.json", "{\"engines\": [\"node >= 0.8\"], \"version\": \"1.0.0\"}"),
                ("Cargo.toml", "[package]\nname = \"x\"\nrust-version.workspace = true\n"),
            ]),
            [""; 0]
        );
    }
}

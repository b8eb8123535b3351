//! The tools that this step knows: what they are called, how they are asked for their version, and how to read the answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_plugin::{Capability, Failure, Phases, process};

/// A tool whose version is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// The Rust compiler.
    Rust,
    /// Node.js.
    Node,
    /// The Python interpreter.
    Python,
    /// The Go toolchain.
    Go,
    /// The npm package manager.
    Npm,
    /// The pnpm package manager.
    Pnpm,
    /// The Yarn package manager.
    Yarn,
}

/// The tools that are looked for where the configuration names none.
pub(crate) const DEFAULT: [Tool; 4] = [Tool::Rust, Tool::Node, Tool::Python, Tool::Go];

/// One program to run, with everything that is granted to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    /// The program.
    pub program: &'static str,
    /// Its arguments, exactly.
    pub arguments: &'static [&'static str],
    /// What is set for it. A probe must look and not touch, and several of these programs install what is missing.
    pub variables: &'static [(&'static str, &'static str)],
    /// What it may read from the job besides.
    pub inherited: &'static [&'static str],
    /// The toolchains whose homes it needs.
    pub toolchains: &'static [&'static str],
}

/// Without this, rustup's stand-ins install the toolchain that `rust-toolchain.toml` names.
const NO_RUSTUP_INSTALL: (&str, &str) = ("RUSTUP_AUTO_INSTALL", "0");
/// Without this, mise's stand-ins install the version that `mise.toml` names.
const NO_MISE_INSTALL: (&str, &str) = ("MISE_AUTO_INSTALL", "0");
/// Without this, corepack downloads the package manager that `package.json` names.
const NO_COREPACK_DOWNLOAD: (&str, &str) = ("COREPACK_ENABLE_NETWORK", "0");
/// Without this, Go downloads the toolchain that `go.mod` names. A toolchain that is there already is still found.
const NO_GO_DOWNLOAD: (&str, &str) = ("GOPROXY", "off");

const RUST: Probe = Probe {
    program: "rustc",
    arguments: &["--version"],
    variables: &[NO_RUSTUP_INSTALL, NO_MISE_INSTALL],
    inherited: &["RUSTUP_TOOLCHAIN"],
    toolchains: &["rustup", "cargo"],
};
const NODE: Probe = Probe {
    program: "node",
    arguments: &["--version"],
    variables: &[NO_MISE_INSTALL],
    inherited: &[],
    toolchains: &["node"],
};
/// Which long-term support line this Node is of. Asked only where a file says `lts/…`; Node itself knows, and a list of
/// ours would be out of date.
pub(crate) const NODE_LTS: Probe = Probe { arguments: &["-p", "process.release.lts"], ..NODE };
const PYTHON: Probe = Probe {
    program: "python3",
    arguments: &["--version"],
    variables: &[NO_MISE_INSTALL],
    inherited: &[],
    toolchains: &["python"],
};
const GO: Probe = Probe {
    program: "go",
    arguments: &["version"],
    variables: &[NO_GO_DOWNLOAD, NO_MISE_INSTALL],
    inherited: &["GOTOOLCHAIN"],
    toolchains: &["go"],
};
/// The Go that is installed, where the toolchain that `go.mod` asks for is not. What it sets is what [`GO`] may inherit, so
/// that one grant is good for both.
pub(crate) const GO_LOCAL: Probe =
    Probe { variables: &[("GOTOOLCHAIN", "local"), NO_GO_DOWNLOAD, NO_MISE_INSTALL], ..GO };
const NPM: Probe = Probe {
    program: "npm",
    arguments: &["--version"],
    variables: &[NO_COREPACK_DOWNLOAD, NO_MISE_INSTALL],
    inherited: &[],
    toolchains: &["node", "npm"],
};
const PNPM: Probe = Probe { program: "pnpm", ..NPM };
const YARN: Probe = Probe { program: "yarn", ..NPM };

/// What cargo says about a package and its workspace. Without dependencies it neither resolves nor writes a lockfile.
pub(crate) const CARGO_METADATA: Probe = Probe {
    program: "cargo",
    arguments: &["metadata", "--format-version", "1", "--no-deps", "--offline"],
    variables: &[NO_RUSTUP_INSTALL, NO_MISE_INSTALL],
    inherited: &["RUSTUP_TOOLCHAIN"],
    toolchains: &["rustup", "cargo"],
};

impl Probe {
    /// The capability that running it needs.
    pub(crate) fn capability(&self, directory: &str) -> Capability {
        Capability::exec(self.program)
            .arguments(self.arguments.iter().copied())
            .directory(directory)
            .variables(self.variables.iter().map(|(name, _)| *name).chain(self.inherited.iter().copied()))
            .toolchains(self.toolchains.iter().copied())
            .during(Phases::PLAN | Phases::APPLY)
    }

    /// The command that runs it.
    pub(crate) fn command(&self, directory: &str) -> process::Command {
        let command =
            process::Command::new(self.program).arguments(self.arguments.iter().copied()).directory(directory);
        self.variables.iter().fold(command, |command, (name, value)| command.variable(*name, *value))
    }

    /// As a person would type it.
    pub(crate) fn display(&self) -> String {
        self.command(".").display()
    }
}

/// The version of a tool that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Installed {
    /// The version alone, for example `22.3.0` or `1.97.0-nightly`.
    pub version: String,
    /// For Node: its long-term support line in lower case, for example `jod`; empty where it is of none.
    pub line: Option<String>,
    /// For Rust: the day of the commit that it was built from.
    pub date: Option<String>,
}

impl Installed {
    /// A version of which nothing else is known.
    pub(crate) fn of(version: impl Into<String>) -> Self {
        Self { version: version.into(), ..Self::default() }
    }
}

impl Tool {
    /// Its name in messages and in the configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Node => "node",
            Self::Python => "python",
            Self::Go => "go",
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn => "yarn",
        }
    }

    /// The tool that a version manager (asdf, mise) or a package manager's field calls so.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Some(match name.strip_prefix("core:").unwrap_or(name) {
            "rust" => Self::Rust,
            "node" | "nodejs" => Self::Node,
            "python" => Self::Python,
            "go" | "golang" => Self::Go,
            "npm" => Self::Npm,
            "pnpm" => Self::Pnpm,
            "yarn" => Self::Yarn,
            _ => return None,
        })
    }

    /// How it is asked for its version.
    pub(crate) const fn probe(self) -> Probe {
        match self {
            Self::Rust => RUST,
            Self::Node => NODE,
            Self::Python => PYTHON,
            Self::Go => GO,
            Self::Npm => NPM,
            Self::Pnpm => PNPM,
            Self::Yarn => YARN,
        }
    }

    /// All programs that checking it may run.
    pub(crate) fn probes(self) -> Vec<Probe> {
        match self {
            Self::Node => vec![NODE, NODE_LTS],
            _ => vec![self.probe()],
        }
    }

    /// Read what its probe printed.
    ///
    /// # Errors
    /// `unavailable` with the code `tool-unreadable` where this is not what the tool prints.
    pub(crate) fn read(self, output: &str) -> Result<Installed, Failure> {
        let line = output.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let mut words = line.split_whitespace();
        let installed = match self {
            Self::Rust => (words.next() == Some("rustc")).then(|| words.next()).flatten().map(|version| Installed {
                date: line.rsplit_once(' ').and_then(|(_, last)| last.strip_suffix(')')).map(Into::into),
                ..Installed::of(version)
            }),
            Self::Python => (words.next() == Some("Python"))
                .then(|| words.next())
                .flatten()
                // An interpreter built from a checkout ends in `+`.
                .map(|version| Installed::of(version.trim_end_matches('+'))),
            Self::Go => line
                .split_whitespace()
                .find_map(|word| word.strip_prefix("go").filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())))
                // A build from a checkout is `go1.26-abcdef`, one of a distributor `go1.21.1-custom`.
                .map(|version| Installed::of(version.split('-').next().unwrap_or(version))),
            Self::Node | Self::Npm | Self::Pnpm | Self::Yarn => {
                words.next().map(|version| Installed::of(version.strip_prefix('v').unwrap_or(version)))
            }
        };
        installed.filter(|installed| installed.version.starts_with(|c: char| c.is_ascii_digit())).ok_or_else(|| {
            Failure::unavailable("tool-unreadable", format!("the version of `{}` cannot be told", self.name()))
                .because(format!("`{}` printed `{line}`", self.probe().display()))
                .with_hint(format!("see which `{}` comes first on the search path", self.probe().program))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_s_own_words_are_understood() {
        for (tool, output, version) in [
            (Tool::Rust, "rustc 1.95.0 (59807616e 2026-04-14)\n", "1.95.0"),
            (Tool::Rust, "rustc 1.97.0-nightly (abc123def 2026-05-01)\n", "1.97.0-nightly"),
            (Tool::Rust, "rustc 1.96.0-beta.2 (abc123def 2026-05-01) (Debian 1.96)\n", "1.96.0-beta.2"),
            (Tool::Rust, "rustc 1.75.0-dev\n", "1.75.0-dev"),
            (Tool::Node, "v22.3.0\n", "22.3.0"),
            (Tool::Node, "v27.0.0-nightly20260101abcdef\n", "27.0.0-nightly20260101abcdef"),
            (Tool::Python, "Python 3.11.7\n", "3.11.7"),
            (Tool::Python, "Python 3.14.0rc1\r\n", "3.14.0rc1"),
            (Tool::Python, "Python 3.13.0+\n", "3.13.0"),
            (Tool::Python, "Python 3.10.14 (75b3de9d9035, Apr 21 2024)\n[PyPy 7.3.16 with GCC]\n", "3.10.14"),
            (Tool::Go, "go version go1.25.3 linux/amd64\n", "1.25.3"),
            (Tool::Go, "go version go1.24rc1 darwin/arm64\n", "1.24rc1"),
            (Tool::Go, "go version devel go1.26-0cf6b5e Tue Nov 4 linux/amd64\n", "1.26"),
            (Tool::Go, "go version go1.21.1-custom X:boringcrypto linux/amd64\n", "1.21.1"),
            (Tool::Pnpm, "9.1.0\n", "9.1.0"),
            (Tool::Yarn, "\n1.22.22\n", "1.22.22"),
        ] {
            assert_eq!(tool.read(output).map(|installed| installed.version), Ok(version.into()), "{output}");
        }
    }

    #[test]
    fn rust_tells_its_commit_s_day() {
        let date = |output| Tool::Rust.read(output).ok().and_then(|installed| installed.date);
        assert_eq!(date("rustc 1.97.0-nightly (abc 2026-05-01)"), Some("2026-05-01".into()));
        assert_eq!(date("rustc 1.75.0-dev"), None);
    }

    #[test]
    fn other_words_are_not_taken_for_a_version() {
        for (tool, output) in [
            (Tool::Rust, "cargo 1.95.0"),
            (Tool::Rust, ""),
            (Tool::Python, "python is /usr/bin/python3"),
            (Tool::Node, "usage: node"),
            (Tool::Go, "go version gopher linux/amd64"),
        ] {
            let failure = tool.read(output).expect_err(output);
            assert_eq!(failure.code, "tool-unreadable");
            assert!(failure.causes[0].contains(output), "{failure:?}");
        }
    }

    #[test]
    fn every_probe_of_a_tool_is_within_what_is_asked_for() {
        for (tool, run) in
            [(Tool::Go, vec![Tool::Go.probe(), GO_LOCAL]), (Tool::Node, vec![Tool::Node.probe(), NODE_LTS])]
        {
            for probe in run {
                assert!(
                    tool.probes().iter().any(|granted| granted.program == probe.program
                        && granted.arguments == probe.arguments
                        && probe.variables.iter().all(|(name, _)| {
                            granted.inherited.contains(name) || granted.variables.iter().any(|(n, _)| n == name)
                        })),
                    "{probe:?}"
                );
            }
        }
    }

    #[test]
    fn no_probe_may_install_what_is_missing() {
        for (tool, variable) in [
            (Tool::Rust, NO_RUSTUP_INSTALL),
            (Tool::Go, NO_GO_DOWNLOAD),
            (Tool::Pnpm, NO_COREPACK_DOWNLOAD),
            (Tool::Node, NO_MISE_INSTALL),
        ] {
            assert!(tool.probe().variables.contains(&variable), "{tool:?}");
        }
        assert!(CARGO_METADATA.variables.contains(&NO_RUSTUP_INSTALL));
    }
}

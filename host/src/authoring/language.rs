//! What a plugin can be written in, what each language needs, and how its projects are built.

use super::Project;
use super::tool::{Shows, Tool};
use clap::ValueEnum;

/// What a plugin is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, by cargo.
    Rust,
    /// JavaScript, by componentize-qjs of npm.
    #[value(name = "js")]
    JavaScript,
    /// Python, by componentize-py of PyPI.
    Python,
    /// C, by clang.
    C,
}

/// One command of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// What is being done, for whoever waits; none where the command's own output says so.
    pub(super) says: Option<&'static str>,
    /// The command, run in the project's directory.
    pub(super) command: Vec<String>,
    /// Where this is there and not older than that, nothing is to be done. It is not there while something is.
    pub(super) made: Option<(&'static str, &'static str)>,
    /// Whether that is made once the command has ended well, because nothing that the command makes is there only then.
    pub(super) marks: bool,
    /// Whether it runs what stands at the top level of the plugin's modules.
    pub(super) runs_module: bool,
}

impl Step {
    fn new<T: Into<String>>(command: impl IntoIterator<Item = T>) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        Self { says: None, command, made: None, marks: false, runs_module: false }
    }

    /// What a project's own file says in the place of the steps of its language. Those that run modules do so in it.
    pub(super) fn own(command: &[String], language: Language) -> Self {
        let runs_module = matches!(language, Language::JavaScript | Language::Python);
        Self { runs_module, ..Self::new(command) }
    }
}

const RUST: &[Tool] = &[
    Tool {
        name: "`cargo`",
        purpose: "it builds the plugin",
        look: &["cargo", "--version"],
        shows: Shows::Running,
        debian: "curl --proto '=https' -sSf https://sh.rustup.rs | sh",
        macos: "curl --proto '=https' -sSf https://sh.rustup.rs | sh",
        windows: "winget install Rustlang.Rustup",
        elsewhere: "curl --proto '=https' -sSf https://sh.rustup.rs | sh",
    },
    Tool {
        name: "the target `wasm32-wasip2` of Rust",
        purpose: "it is what plugins are compiled for",
        look: &["rustc", "--print", "target-libdir", "--target", "wasm32-wasip2"],
        shows: Shows::Directory,
        debian: "rustup target add wasm32-wasip2",
        macos: "rustup target add wasm32-wasip2",
        windows: "rustup target add wasm32-wasip2",
        elsewhere: "rustup target add wasm32-wasip2",
    },
];

/// How npm is called: what Windows has is a script.
const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// How Python 3 is called.
const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };

/// The Python of a project's own environment.
const OWN_PYTHON: &str = if cfg!(windows) { ".venv/Scripts/python.exe" } else { ".venv/bin/python" };

/// What is there once all is installed into that: each of the files that are installed is there before others are.
const INSTALLED: &str = ".venv/windlass-installed";

const JAVASCRIPT: &[Tool] = &[
    Tool {
        name: "`node`",
        purpose: "it runs what makes a component of JavaScript",
        look: &["node", "--version"],
        shows: Shows::Running,
        debian: "sudo apt-get install nodejs npm",
        macos: "brew install node",
        windows: "winget install OpenJS.NodeJS.LTS",
        elsewhere: "install Node 20 or newer: https://nodejs.org/en/download",
    },
    Tool {
        name: "`npm`",
        purpose: "it installs what `package-lock.json` names",
        look: &[NPM, "--version"],
        shows: Shows::Running,
        debian: "sudo apt-get install nodejs npm",
        macos: "brew install node",
        windows: "winget install OpenJS.NodeJS.LTS",
        elsewhere: "install Node 20 or newer: https://nodejs.org/en/download",
    },
];

const PYTHON_TOOLS: &[Tool] = &[Tool {
    name: "`python3` with `venv` and `pip`",
    purpose: "it installs what `requirements.txt` names into `.venv`, and runs it",
    look: &[PYTHON, "-c", "import ensurepip, venv"],
    shows: Shows::Running,
    debian: "sudo apt-get install python3 python3-venv",
    macos: "brew install python",
    windows: "winget install Python.Python.3.13",
    elsewhere: "install Python 3.10 or newer: https://www.python.org/downloads/",
}];

const C: &[Tool] = &[
    Tool {
        name: "`clang` for `wasm32`",
        purpose: "it compiles the plugin",
        look: &["clang", "-print-targets"],
        shows: Shows::Line("wasm32"),
        debian: "sudo apt-get install clang lld",
        macos: "brew install llvm lld && export PATH=\"$(brew --prefix llvm)/bin:$PATH\"",
        windows: "winget install LLVM.LLVM",
        elsewhere: "install clang and lld, version 14 or newer, with your system's package manager",
    },
    Tool {
        name: "`wasm-ld`",
        purpose: "it is the linker of clang for `wasm32`",
        look: &["wasm-ld", "--version"],
        shows: Shows::Running,
        debian: "sudo apt-get install clang lld",
        macos: "brew install llvm lld && export PATH=\"$(brew --prefix llvm)/bin:$PATH\"",
        windows: "winget install LLVM.LLVM",
        elsewhere: "install clang and lld, version 14 or newer, with your system's package manager",
    },
];

/// How a job of a forge gets the tools of a language.
pub(super) struct Job {
    /// One command, in a runner of GitHub's.
    pub(super) github: &'static str,
    /// The image of a job of GitLab's; it has curl and xz, or gets them by the command.
    pub(super) image: &'static str,
    /// One command in it.
    pub(super) gitlab: &'static str,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rust, Self::JavaScript, Self::Python, Self::C];

    /// The word that a command line and a project's file have for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "js",
            Self::Python => "python",
            Self::C => "c",
        }
    }

    /// The language of a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.word() == word)
    }

    /// Its name, for a person.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
            Self::C => "C",
        }
    }

    /// The folder of its template, and of its SDK.
    pub(super) const fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "javascript",
            Self::Python => "python",
            Self::C => "c",
        }
    }

    /// The file of its template that is the plugin.
    pub(super) const fn source(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::JavaScript => "src/plugin.js",
            Self::Python => "src/plugin.py",
            Self::C => "src/plugin.c",
        }
    }

    /// Where the build puts the component of a new project.
    pub(super) fn component(self, name: &str) -> String {
        match self {
            Self::Rust => format!("target/wasm32-wasip2/release/{}.wasm", name.replace('-', "_")),
            Self::JavaScript | Self::Python | Self::C => format!("build/{name}.wasm"),
        }
    }

    pub(super) const fn job(self) -> Job {
        match self {
            Self::Rust => Job {
                github: "rustup target add wasm32-wasip2",
                image: "rust:1",
                gitlab: "rustup target add wasm32-wasip2",
            },
            Self::JavaScript => Job { github: "node --version", image: "node:22", gitlab: "node --version" },
            Self::Python => Job { github: "python3 --version", image: "python:3.12", gitlab: "python3 --version" },
            Self::C => Job {
                github: "sudo apt-get update && sudo apt-get install --yes clang lld",
                image: "debian:12",
                gitlab: "apt-get update && apt-get install --yes --no-install-recommends ca-certificates clang curl lld xz-utils",
            },
        }
    }

    /// What has to be installed to build it.
    pub(super) const fn tools(self) -> &'static [Tool] {
        match self {
            Self::Rust => RUST,
            Self::JavaScript => JAVASCRIPT,
            Self::Python => PYTHON_TOOLS,
            Self::C => C,
        }
    }

    /// What builds a project of it, one command after the other.
    pub(super) fn recipe(self, project: &Project) -> Vec<Step> {
        match self {
            // The directory is named, because it is where `component` says whatever the environment has.
            Self::Rust => {
                vec![Step::new(["cargo", "build", "--release", "--target", "wasm32-wasip2", "--target-dir", "target"])]
            }
            Self::JavaScript => javascript(project),
            Self::Python => python(project),
            Self::C => vec![Step::new(c(project))],
        }
    }
}

/// What is pinned is installed into the project, where that has not been done, and run there.
fn javascript(project: &Project) -> Vec<Step> {
    let source = Language::JavaScript.source();
    vec![
        Step {
            says: Some("installing what `package-lock.json` names into `node_modules`"),
            made: Some(("node_modules/.package-lock.json", "package-lock.json")),
            ..Step::new([NPM, "ci", "--silent", "--no-audit", "--no-fund"])
        },
        Step {
            runs_module: true,
            ..Step::new(["node", "windlass-sdk/javascript/build.mjs", source, &project.component])
        },
    ]
}

/// As for JavaScript. One that was not wholly installed is made from nothing: neither `venv` nor pip mends what they left half done.
fn python(project: &Project) -> Vec<Step> {
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--force-reinstall"];
    let install = [OWN_PYTHON].into_iter().chain(install).chain(["--requirement", "requirements.txt"]);
    let made = Some((INSTALLED, "requirements.txt"));
    let clear = (!project.directory.join(INSTALLED).exists()).then_some("--clear");
    vec![
        Step {
            says: Some("installing what `requirements.txt` names into `.venv`"),
            made,
            ..Step::new([PYTHON, "-m", "venv", ".venv"].into_iter().chain(clear))
        },
        Step { made, marks: true, ..Step::new(install) },
        Step {
            runs_module: true,
            ..Step::new([OWN_PYTHON, "windlass-sdk/python/build.py", Language::Python.source(), &project.component])
        },
    ]
}

/// One call of clang for everything: the plugin's own files and the SDK's, of which the linker leaves out what is not used.
fn c(project: &Project) -> Vec<String> {
    let flags = [
        "clang",
        "--target=wasm32",
        "-std=c17",
        "-O2",
        "-Wall",
        "-Wextra",
        // With its place, where the linker would only have its name.
        "-Werror=implicit-function-declaration",
        "-ffreestanding",
        "-ffunction-sections",
        "-nostdlib",
        "-Wl,--no-entry",
        "-Wl,--gc-sections",
        "-Wl,--stack-first",
        "-Wl,-z,stack-size=262144",
        "-isystem",
        "windlass-sdk/c/include",
        "-I",
        "windlass-sdk/c",
        "-o",
    ];
    let mut command: Vec<String> = flags.map(Into::into).to_vec();
    command.push(project.component.clone());
    for directory in ["src", "windlass-sdk/c"] {
        let Ok(entries) = std::fs::read_dir(project.directory.join(directory)) else { continue };
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".c")).collect();
        // The same order everywhere gives the same bytes.
        names.sort();
        command.extend(names.iter().map(|name| format!("{directory}/{name}")));
    }
    command
}

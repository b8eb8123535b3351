//! The harness: Windlass as a process on a project of its own, with nothing of this machine's environment.
//!
//! Each [`Project`] is a temporary directory with a home of its own. What a run prints is scrubbed of what differs from run
//! to run, so that whole outputs can be compared.

pub mod database;
pub mod distribution;
pub mod fault;
pub mod fetching;
pub mod github;
pub mod gitlab;
#[cfg(unix)]
pub mod languages;
#[cfg(unix)]
pub mod mix;
pub mod probe;
pub mod proxy;
pub mod reference;
pub mod registry;
#[cfg(unix)]
pub mod runs;
pub mod secure;
pub mod server;
pub mod signing;
pub mod slack;
pub mod steps;
#[cfg(unix)]
pub mod terminal;
pub mod traces;
pub mod transcript;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// The target directory that these tests were built in.
fn target() -> PathBuf {
    // TARGET/PROFILE/deps/TEST
    let test = std::env::current_exe().expect("a test has a path");
    test.ancestors().nth(3).expect("a target directory").to_path_buf()
}

/// The binary under test: `WINDLASS_BINARY`, or the one built beside these tests.
#[must_use]
pub fn binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY
        .get_or_init(|| {
            if let Some(path) = std::env::var_os("WINDLASS_BINARY") {
                return path.into();
            }
            let test = std::env::current_exe().expect("a test has a path");
            let path = test
                .ancestors()
                .nth(2)
                .expect("a profile directory")
                .join(format!("windlass{}", std::env::consts::EXE_SUFFIX));
            assert!(path.is_file(), "build the binary first: cargo build --package windlass");
            path
        })
        .clone()
}

/// A guest of `tests/guests`, compiled once for all tests.
#[must_use]
pub fn guest(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let directory = BUILT.get_or_init(|| {
        let target = target().join("guests");
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(workspace()).args([
            "build",
            "--quiet",
            "--profile",
            "plugin",
            "--target",
            "wasm32-wasip2",
            "--target-dir",
        ]);
        command.arg(&target);
        for entry in std::fs::read_dir(workspace().join("tests/guests")).expect("the guests") {
            command.arg("--package").arg(format!("guest-{}", entry.expect("a guest").file_name().to_string_lossy()));
        }
        for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR"] {
            command.env_remove(variable);
        }
        let status = command.status().expect("cargo");
        assert!(status.success(), "the guests do not compile");
        target.join("wasm32-wasip2/plugin")
    });
    directory.join(format!("guest_{}.wasm", name.replace('-', "_")))
}

/// What a command came to.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Standard output, scrubbed.
    pub stdout: String,
    /// Standard error, scrubbed.
    pub stderr: String,
    /// Standard output as it was.
    pub raw_stdout: String,
}

impl Output {
    /// The result object: the last line of standard output.
    #[must_use]
    pub fn result(&self) -> serde_json::Value {
        let last = self.raw_stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last)
            .unwrap_or_else(|error| panic!("no result ({error}) in {}\n{}", self.raw_stdout, self.stderr))
    }

    /// Everything, for a snapshot.
    #[must_use]
    pub fn all(&self) -> String {
        format!("exit: {:?}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    /// This output, after checking how it ended.
    ///
    /// # Panics
    /// Where it ended otherwise.
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.all());
        self
    }
}

/// A project to deploy, in a directory of its own.
#[derive(Debug)]
pub struct Project {
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Default for Project {
    fn default() -> Self {
        Self::new()
    }
}

/// The commit that projects without a repository are deployed as.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

impl Project {
    /// An empty project.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("windlass-e2e-").tempdir().expect("a temporary directory");
        std::fs::create_dir_all(directory.path().join("home")).expect("a home");
        std::fs::create_dir_all(directory.path().join("project")).expect("a project");
        Self { directory, variables: Vec::new() }
    }

    /// A project with this `deploy.toml`.
    #[must_use]
    pub fn with(config: &str) -> Self {
        Self::new().file("deploy.toml", config)
    }

    /// Another project with the same files and variables, as they are now.
    ///
    /// # Panics
    /// Where they cannot be copied.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self { variables: self.variables.clone(), ..Self::new() };
        copy_files(&self.path(), &copy.path());
        copy
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("project")
    }

    /// With this file. Files that begin with `#!` are executable.
    #[must_use]
    pub fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: &str) {
        let file = self.path().join(path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
        std::fs::write(&file, text).expect("a file");
        #[cfg(unix)]
        if text.starts_with("#!") {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("permissions");
        }
    }

    /// With a guest of `tests/guests` as `./NAME.wasm`.
    #[must_use]
    pub fn guest(self, name: &str) -> Self {
        std::fs::copy(guest(name), self.path().join(format!("{name}.wasm"))).expect("a guest");
        self
    }

    /// With this variable in the environment of everything that is run.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What a file holds.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Whether there is such a file.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.path().join(path).exists()
    }

    /// The command, ready to be run or to be changed further.
    #[must_use]
    pub fn command<T: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = T>) -> Command {
        let mut command = Command::new(binary());
        command.current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.directory.path().join("home"));
        // One cache for all tests: what is tested of the cache itself uses one of its own.
        command.env("WINDLASS_CACHE_DIR", target().join("e2e-cache"));
        command.env("WINDLASS_STATE_DIR", target().join("e2e-state"));
        let homes = [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")];
        for (variable, directory) in homes {
            let home =
                std::env::var_os(variable).map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(directory)));
            if let Some(home) = home {
                command.env(variable, home);
            }
        }
        #[cfg(windows)]
        for name in ["SystemRoot", "TEMP", "TMP", "USERPROFILE", "LOCALAPPDATA"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(arguments);
        command
    }

    /// Runs Windlass with these words, split at spaces. `run`, `plan` and `resume` get the commit where the words
    /// name none and there is no repository.
    #[must_use]
    pub fn windlass(&self, words: &str) -> Output {
        self.windlass_with(words, &[])
    }

    /// The same with more variables.
    #[must_use]
    pub fn windlass_with(&self, words: &str, variables: &[(&str, &str)]) -> Output {
        let mut arguments: Vec<&str> = words.split_whitespace().collect();
        if matches!(arguments.first(), Some(&("run" | "plan" | "resume")))
            && !arguments.contains(&"--commit")
            && !self.path().join(".git").exists()
        {
            arguments.extend(["--commit", COMMIT]);
        }
        let output = self.command(arguments).envs(variables.iter().copied()).output().expect("the binary runs");
        self.output(&output)
    }

    /// Starts Windlass and does not wait.
    #[must_use]
    pub fn start(&self, words: &str) -> Child {
        let mut arguments: Vec<&str> = words.split_whitespace().collect();
        if !arguments.contains(&"--commit") && arguments.first() == Some(&"run") {
            arguments.extend(["--commit", COMMIT]);
        }
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
    }

    /// What a started process came to.
    #[must_use]
    pub fn finish(&self, child: Child) -> Output {
        self.output(&child.wait_with_output().expect("an end"))
    }

    fn output(&self, output: &std::process::Output) -> Output {
        let raw_stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Output {
            code: output.status.code(),
            stdout: self.scrub(&raw_stdout),
            stderr: self.scrub(&String::from_utf8_lossy(&output.stderr)),
            raw_stdout,
        }
    }

    /// Accepts everything that is asked for.
    #[must_use]
    pub fn locked(self) -> Self {
        let _ = self.windlass("lock").exits(0);
        self
    }

    /// With a git repository and everything in it committed. Returns the commit.
    pub fn commit(&self) -> String {
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command
                .current_dir(self.path())
                .args(["-c", "user.name=test", "-c", "user.email=test@example.com"])
                .args(arguments);
            let output = command.output().expect("git");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        if !self.has(".git") {
            git(&["init", "--quiet", "--initial-branch", "main"]);
        }
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--allow-empty", "--message", "a change"]);
        git(&["rev-parse", "HEAD"])
    }

    /// The events of the newest run's journal.
    #[must_use]
    pub fn journal(&self) -> Vec<serde_json::Value> {
        let mut runs: Vec<PathBuf> = std::fs::read_dir(self.path().join(".windlass/runs"))
            .map(|entries| entries.map(|entry| entry.expect("an entry").path()).collect())
            .unwrap_or_default();
        runs.sort();
        let newest = runs.pop().expect("a run");
        let text = std::fs::read_to_string(newest.join("journal.jsonl")).expect("a journal");
        text.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["event"].clone())
            .collect()
    }

    /// The names of the events of the newest run, with their steps: `step-started schema`.
    #[must_use]
    pub fn story(&self) -> Vec<String> {
        let name = |event: &serde_json::Value| {
            let word = event["event"].as_str().unwrap_or_default().to_owned();
            match event["step"].as_str() {
                Some(step) => format!("{word} {step}"),
                None => word,
            }
        };
        self.journal().iter().map(name).collect()
    }

    /// A text without what differs from run to run: paths, run ids, digests, durations, times.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let text = text.replace(&self.path().to_string_lossy().into_owned(), "[project]");
        let text = text.replace(&self.directory.path().to_string_lossy().into_owned(), "[temporary]");
        scrub(&text)
    }
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_files(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a copy");
        }
    }
}

/// Replaces run ids, digests, times and durations.
fn scrub(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut word = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || "-:._".contains(character) {
            word.push(character);
        } else {
            clean.push_str(&replacement(&word));
            word.clear();
            clean.push(character);
        }
    }
    clean.push_str(&replacement(&word));
    clean
}

fn replacement(word: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(rest) = word.strip_prefix("sha256:")
        && rest.len() == 64
        && hexadecimal(rest)
    {
        return "sha256:[digest]".into();
    }
    if word.len() == 64 && hexadecimal(word) {
        return "[digest]".into();
    }
    // 20261120T112233444Z-0a1b2c
    if word.len() == 26 && word.as_bytes()[8] == b'T' && word.contains("Z-") {
        return "[run]".into();
    }
    if word.len() == 24 && word.as_bytes()[10] == b'T' && word.ends_with('Z') {
        return "[time]".into();
    }
    for unit in ["ms", "s", "m"] {
        if let Some(number) = word.strip_suffix(unit)
            && number.split('.').all(digits)
            && !number.is_empty()
        {
            return "[duration]".into();
        }
    }
    word.to_owned()
}

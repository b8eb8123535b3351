//! Run granted programs.

use crate::__bindings::windlass::plugin::process::{self as host, Output};
use crate::Failure;

pub use host::Completion;

/// A program to run, in the manner of [`std::process::Command`]. No shell is involved.
#[derive(Debug, Clone)]
pub struct Command(host::Command);

impl Command {
    /// A program as it was granted.
    pub fn new(program: impl Into<String>) -> Self {
        Self(host::Command {
            program: program.into(),
            arguments: vec![],
            directory: ".".into(),
            variables: vec![],
            input: None,
            output: Output::Stream,
            timeout_milliseconds: None,
        })
    }

    /// With one more argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.0.arguments.push(argument.into());
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn arguments<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.0.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// In this directory, as it was granted.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<String>) -> Self {
        self.0.directory = directory.into();
        self
    }

    /// With this variable, whose name was granted.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.variables.push((name.into(), value.into()));
        self
    }

    /// Reading this.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.0.input = Some(input.into());
        self
    }

    /// For at most this long; the step's own timeout holds in any case.
    #[must_use]
    pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
        self.0.timeout_milliseconds = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Run it to its end, its output going into the step's log as it comes.
    ///
    /// # Errors
    /// Where it was not granted, could not be found (`program-not-found`) or started. Its own exit code is not an error.
    pub fn stream(mut self) -> Result<Completion, Failure> {
        self.0.output = Output::Stream;
        host::run(&self.0)
    }

    /// Run it to its end, with its output in the result.
    ///
    /// # Errors
    /// As [`Command::stream`].
    pub fn capture(mut self) -> Result<Completion, Failure> {
        self.0.output = Output::Capture;
        host::run(&self.0)
    }

    /// What was asked for, as a person would type it.
    #[must_use]
    pub fn display(&self) -> String {
        let mut text = quote(&self.0.program);
        for argument in &self.0.arguments {
            text.push(' ');
            text.push_str(&quote(argument));
        }
        text
    }
}

/// A word as a person would type it into a shell.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Whether these words are that something was refused. The host has the same for its warning.
fn tells_of_refusal(tail: &str) -> bool {
    const WORDS: [&str; 5] =
        ["permission denied", "operation not permitted", "read-only file system", "no new privileges", "cross-device"];
    const CODES: [&str; 4] = ["EACCES", "EPERM", "EROFS", "EXDEV"];
    let small = tail.to_ascii_lowercase();
    WORDS.iter().any(|words| small.contains(words)) || CODES.iter().any(|code| tail.contains(code))
}

/// What [`Completion`] adds to the host's record.
impl Completion {
    /// Whether it ended by itself with code 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code == Some(0) && !self.timed_out
    }

    /// Its standard output as text.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Its standard error as text.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Whether it failed, and its last words are that something was refused, as they are where it was held to less than it
    /// needs. What its code was to say is not known then.
    #[must_use]
    pub fn tells_of_refusal(&self) -> bool {
        !self.succeeded() && tells_of_refusal(&self.tail)
    }

    /// How it ended, for a message: `exit code 3`, `signal 9` or `its timeout`.
    #[must_use]
    pub fn ending(&self) -> String {
        match (self.timed_out, self.code, self.signal) {
            (true, ..) => "its timeout".into(),
            (_, Some(code), _) => format!("exit code {code}"),
            (_, None, Some(signal)) => format!("signal {signal}"),
            _ => "an unknown ending".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Completion};

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let command = Command::new("./bin/release").arguments(["1.2.0", "it's new", ""]);
        assert_eq!(command.display(), r"./bin/release 1.2.0 'it'\''s new' ''");
    }

    #[test]
    fn what_failed_because_something_was_refused_says_so() {
        let ended = |code, tail: &str| Completion {
            code: Some(code),
            signal: None,
            timed_out: false,
            stdout: vec![],
            stderr: vec![],
            truncated: false,
            tail: tail.into(),
        };
        for words in [
            "sh: 1: cannot create lock: Permission denied",
            "Error: EACCES: permission denied, mkdir '/home/ada/.cache'",
            "kill: (1) - Operation not permitted",
            "EPERM",
            "touch: cannot touch 'a': Read-only file system",
            "sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root.",
            "OSError: [Errno 18] Invalid cross-device link: 'a' -> 'b/a'",
            "Error: EXDEV",
        ] {
            assert!(ended(1, words).tells_of_refusal(), "{words}");
            assert!(!ended(0, words).tells_of_refusal(), "it succeeded: {words}");
        }
        for words in ["", "grep: order: No such file or directory", "not found", "zerofs"] {
            assert!(!ended(2, words).tells_of_refusal(), "{words}");
        }
    }
}

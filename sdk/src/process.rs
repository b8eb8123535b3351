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
    use super::Command;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let command = Command::new("./bin/release").arguments(["1.2.0", "it's new", ""]);
        assert_eq!(command.display(), r"./bin/release 1.2.0 'it'\''s new' ''");
    }
}

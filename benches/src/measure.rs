//! One process, measured: how long it took as a whole, what it used of the processors, how much memory it had at most.
//!
//! Each is started by a small process of its own (this program again, by the word [`WORD`]), because the system tells peak
//! memory only of all children together. The clock runs there, from before the start until after the end.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What makes this program the one that measures.
pub(crate) const WORD: &str = "__measure";

/// Something to be run and measured.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Where it runs.
    pub(crate) directory: PathBuf,
    /// Its environment beside `PATH` and `HOME`.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// Where its standard output goes.
    pub(crate) output: PathBuf,
    /// Where its standard error goes.
    pub(crate) error: PathBuf,
}

/// One run of something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// From before its start until after its end, in milliseconds.
    pub(crate) wall: f64,
    /// Of the processors, by it and the children it waited for, in milliseconds.
    pub(crate) processor: f64,
    /// At most at once, by the largest single process of it, in MiB.
    pub(crate) memory: f64,
}

impl Subject {
    /// A program with arguments, in a directory, that writes to nowhere.
    pub(crate) fn new(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
        directory: &Path,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            directory: directory.to_path_buf(),
            variables: Vec::new(),
            output: "/dev/null".into(),
            error: "/dev/null".into(),
        }
    }

    /// With this variable.
    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Run it once. What it leaves in its files is for whoever asked.
    pub(crate) fn run(&self) -> Result<Sample, String> {
        let shown = || format!("`{}` in `{}`", self.program.display(), self.directory.display());
        let ourselves = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
        let mut command = Command::new(ourselves);
        command.arg(WORD).args([&self.output, &self.error]).arg(&self.program).args(&self.arguments);
        command.current_dir(&self.directory).env_clear().stdin(Stdio::null()).stderr(Stdio::inherit());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &self.directory);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let output = command.output().map_err(|error| format!("{} cannot be measured: {error}", shown()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let said = std::fs::read(&self.error).unwrap_or_default();
            let tail = String::from_utf8_lossy(&said[said.len().saturating_sub(2000)..]).into_owned();
            return Err(format!("{} failed: {}\n{tail}", shown(), text.trim()));
        }
        parse(&text).ok_or_else(|| format!("{} was measured as `{text}`", shown()))
    }
}

fn parse(text: &str) -> Option<Sample> {
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || numbers.next()?.ok();
    Some(Sample { wall: next()? / 1e6, processor: next()? / 1e3, memory: next()? / 1024.0 })
}

/// The process that measures: `OUTPUT ERROR PROGRAM ARGUMENT…`. Says nanoseconds, microseconds of processor and KiB.
pub(crate) fn main(arguments: &[OsString]) -> Result<String, String> {
    let [output, error, program, arguments @ ..] = arguments else { return Err("nothing to measure".into()) };
    let open = |path: &OsStr| {
        let file = if path == "/dev/null" { File::options().write(true).open(path) } else { File::create(path) };
        file.map_err(|error| format!("`{}` cannot be written: {error}", path.to_string_lossy()))
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(open(output)?).stderr(open(error)?);
    let started = Instant::now();
    let status = command.status().map_err(|error| format!("it cannot be started: {error}"))?;
    let wall = started.elapsed();
    if !status.success() {
        return Err(format!("it ended with {status}"));
    }
    let (processor, memory) = used_by_children();
    Ok(format!("{} {processor} {memory}", wall.as_nanos()))
}

/// Microseconds of processor and KiB of memory.
#[cfg(unix)]
fn used_by_children() -> (i64, i64) {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or((0, 0), |usage| {
        let processor = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        // Bytes on Apple's systems, KiB elsewhere.
        let unit = if cfg!(target_vendor = "apple") { 1024 } else { 1 };
        (processor, usage.max_rss() / unit)
    })
}

#[cfg(not(unix))]
fn used_by_children() -> (i64, i64) {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_read() {
        assert_eq!(parse("2500000 1500 3072\n"), Some(Sample { wall: 2.5, processor: 1.5, memory: 3.0 }));
        assert_eq!(parse("2500000 1500"), None);
        assert_eq!(parse("soon"), None);
    }
}

//! The tools of a language: whether each is there, and how it is installed where it is not.

use crate::problem::{Code, Problem};
use std::path::Path;
use std::process::{Command, Stdio};

/// What the output of the command that looks for a tool shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shows {
    /// That it runs is enough.
    Running,
    /// The path of a directory, which has to be there: it is a part of what is asked for it.
    Directory,
    /// A line that begins with this word.
    Line(&'static str),
}

/// A tool that a language needs.
#[derive(Debug)]
pub(super) struct Tool {
    /// What it is called, for a person.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) purpose: &'static str,
    /// The command that shows that it is there.
    pub(super) look: &'static [&'static str],
    /// What its output shows.
    pub(super) shows: Shows,
    /// How it is installed where there is apt.
    pub(super) debian: &'static str,
    /// How it is installed on macOS.
    pub(super) macos: &'static str,
    /// How it is installed on Windows.
    pub(super) windows: &'static str,
    /// How it is installed anywhere else.
    pub(super) elsewhere: &'static str,
}

/// What a look for a tool shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    There,
    Missing,
    /// What would show it is missing itself.
    Unknown,
}

impl Tool {
    fn look(&self, directory: &Path) -> Found {
        let [program, arguments @ ..] = self.look else { return Found::Missing };
        let output = Command::new(program).args(arguments).current_dir(directory).stdin(Stdio::null()).output();
        let Ok(output) = output else {
            return if matches!(self.shows, Shows::Directory) { Found::Unknown } else { Found::Missing };
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let shown = match self.shows {
            Shows::Running => true,
            Shows::Directory => Path::new(text.trim()).is_dir(),
            Shows::Line(word) => text.lines().any(|line| line.split_whitespace().next() == Some(word)),
        };
        if output.status.success() && shown { Found::There } else { Found::Missing }
    }

    fn install(&self) -> &'static str {
        if cfg!(target_os = "macos") {
            self.macos
        } else if cfg!(windows) {
            self.windows
        } else if Path::new("/etc/debian_version").exists() {
            self.debian
        } else {
            self.elsewhere
        }
    }
}

/// That all of them are there.
///
/// # Errors
/// [`Code::ToolMissing`], which names everything that is missing or cannot be looked for, and how to install it.
pub(super) fn demand(language: &str, tools: &[Tool], directory: &Path) -> Result<(), Problem> {
    let found = tools.iter().map(|tool| (tool, tool.look(directory)));
    let missing: Vec<(&Tool, Found)> = found.filter(|(_, found)| *found != Found::There).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let problem = Problem::new(Code::ToolMissing, format!("plugins in {language} cannot be built here"));
    let problem = missing.iter().fold(problem, |problem, (tool, found)| {
        let how = if *found == Found::Unknown { "is needed, too" } else { "is missing" };
        problem.because(format!("{} {how}: {}", tool.name, tool.purpose))
    });
    let mut commands: Vec<&str> = Vec::new();
    for command in missing.iter().map(|(tool, _)| tool.install()) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    Err(problem.with_note("nothing was built").with_hint(commands.join("\n")))
}

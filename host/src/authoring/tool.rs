//! The tools of a language: whether each is there, and how it is installed where it is not.

use super::Project;
use super::run::{Bounds, MORE_TIME, command};
use crate::problem::{Code, Problem};
use std::path::Path;

/// How much is looked at of what a command says that looks for a tool, in bytes.
const LOOKED_AT: usize = 64 << 10;

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
    async fn look<S: Future<Output = ()>>(
        &self,
        project: &Project,
        bounds: &mut Bounds<'_, S>,
    ) -> Result<Found, Problem> {
        let looked = command(project, self.look, bounds, Some(LOOKED_AT), MORE_TIME, |_, _| ()).await?;
        let Ok(completion) = looked else {
            return Ok(if matches!(self.shows, Shows::Directory) { Found::Unknown } else { Found::Missing });
        };
        let text = String::from_utf8_lossy(&completion.stdout);
        let shown = match self.shows {
            Shows::Running => true,
            Shows::Directory => Path::new(text.trim()).is_dir(),
            Shows::Line(word) => text.lines().any(|line| line.split_whitespace().next() == Some(word)),
        };
        Ok(if completion.code == Some(0) && shown { Found::There } else { Found::Missing })
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

/// That all tools of a project's language are there.
///
/// # Errors
/// [`Code::ToolMissing`], which names everything that is missing or cannot be looked for, and how to install it; and those of
/// [`command`].
pub(super) async fn demand<S: Future<Output = ()>>(
    project: &Project,
    bounds: &mut Bounds<'_, S>,
) -> Result<(), Problem> {
    let mut missing: Vec<(&Tool, Found)> = Vec::new();
    for tool in project.language.tools() {
        let found = tool.look(project, bounds).await?;
        if found != Found::There {
            missing.push((tool, found));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let problem =
        Problem::new(Code::ToolMissing, format!("plugins in {} cannot be built here", project.language.name()));
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

//! Running a tool of a build: in a group of its own, which ends with it, and for no longer than somebody waits.

use super::build::{not_built, stopped};
use super::{Language, Project};
use crate::config;
use crate::problem::Problem;
use crate::process::{self, Completion, GRACE, Spawn};
use crate::variable::PATH;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

/// The longest line that is waited for, in bytes.
const LINE: usize = 64 << 10;

/// What keeps a tool from running for ever.
pub(super) struct Bounds<'a, S> {
    /// How long the whole build may take.
    pub(super) timeout: &'a config::Duration,
    /// What is left of that.
    pub(super) left: Duration,
    /// When it is to stop.
    pub(super) stop: Pin<&'a mut S>,
}

/// Runs one command to its end. What it says on either of its outputs is told in the order in which it says it.
pub(super) async fn run<S: Future<Output = ()>>(
    project: &Project,
    words: &[String],
    bounds: Bounds<'_, S>,
    tell: &mut impl FnMut(&str),
) -> Result<(), Problem> {
    let [name, arguments @ ..] = words else { return Ok(()) };
    let cannot = |why: &dyn std::fmt::Display| {
        not_built(project)
            .because(format!("`{name}` cannot be run: {why}"))
            .with_hint("install it, or change `build` in `windlass-plugin.toml`")
    };
    let directory = std::path::absolute(&project.directory).map_err(|error| cannot(&error))?;
    let program = program(name, &directory).ok_or_else(|| cannot(&"it is not on the search path"))?;
    let spawn = Spawn {
        program,
        arguments: arguments.to_vec(),
        directory,
        // The author's own, as where he runs the tool himself. Windows has some that nobody set and nobody may.
        environment: std::env::vars_os().filter(|(name, _)| !name.as_encoded_bytes().contains(&b'=')).collect(),
        input: None,
        background: false,
        confines: None,
        timeout: Some(bounds.left),
        capture: None,
        together: true,
    };
    let mut lines = Lines { line: Vec::new(), undefined: BTreeSet::new(), tell };
    let ended = process::run_until(spawn, bounds.stop, GRACE, |_, bytes| lines.add(bytes)).await;
    lines.end();
    let undefined = lines.undefined;
    let completion = ended.map_err(|error| cannot(&error))?;
    if completion.stopped {
        return Err(stopped(project));
    }
    if completion.timed_out {
        let timeout = String::from(bounds.timeout.clone());
        return Err(not_built(project)
            .because(format!("`{name}` was not done when the build had taken {timeout}, and was ended"))
            .with_hint(match project.language {
                Language::JavaScript | Language::Python => {
                    "what stands at the top level of a module is run while it is built, so look for what has no end there; \
                     `plugin build --timeout` and `plugin test --build-timeout` give it more time"
                }
                _ => "`plugin build --timeout` and `plugin test --build-timeout` give it more time",
            }));
    }
    if completion.left {
        tell(&format!("warning: what `{name}` left running was ended\n"));
    }
    if completion.code == Some(0) {
        return Ok(());
    }
    let hint = match project.language {
        Language::C => {
            "mend what it says above; a plugin defines the functions that `windlass.h` begins with, and has no other C library"
        }
        _ => "mend what it says above, and build again",
    };
    let problem = not_built(project).because(format!("`{name}` ended with {}", status(&completion)));
    let named = |symbol: &String| match symbol.strip_prefix("exports_windlass_plugin_lifecycle_") {
        // As a person writes it: `windlass.h` makes the one of the other.
        Some(function) => format!("nothing defines `windlass_{function}`, which every plugin has"),
        None => format!("nothing defines `{symbol}`"),
    };
    Err(undefined.iter().map(named).fold(problem, Problem::because).with_hint(hint))
}

/// The file of a program: with a slash in it, it is relative to the project.
fn program(name: &str, directory: &Path) -> Option<PathBuf> {
    if Path::new(name).components().count() > 1 {
        return Some(directory.join(name));
    }
    process::find_program(name, &std::env::var_os(PATH).unwrap_or_default(), directory)
}

fn status(completion: &Completion) -> String {
    match (completion.code, completion.signal) {
        (Some(code), _) => format!("exit status: {code}"),
        (None, Some(signal)) => format!("signal: {signal}"),
        (None, None) => "no status".to_owned(),
    }
}

/// What a tool says, told line by line.
struct Lines<'a, T> {
    line: Vec<u8>,
    /// What a linker says that nothing defines.
    undefined: BTreeSet<String>,
    tell: &'a mut T,
}

impl<T: FnMut(&str)> Lines<'_, T> {
    fn add(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() > LINE {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        if self.line.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&self.line);
        self.undefined.extend(text.split_once("undefined symbol: ").map(|(_, symbol)| symbol.trim().to_owned()));
        (self.tell)(&text);
        self.line.clear();
    }
}

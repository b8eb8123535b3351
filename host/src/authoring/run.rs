//! Running a tool of a build: in a group of its own, which ends with it, and for no longer than somebody waits.

use super::language::Step;
use super::{Language, Project};
use crate::config::{self, nearest};
use crate::problem::{Code, Problem};
use crate::process::{self, Completion, GRACE, Spawn, Stream};
use crate::variable::PATH;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Instant;

/// The longest line that is waited for, in bytes.
const LINE: usize = 64 << 10;

/// What to do about a tool that had no more time.
pub(super) const MORE_TIME: &str = "`plugin build --timeout` and `plugin test --build-timeout` give it more time";

/// The same of one that runs a part of the plugin.
const NO_END: &str = "what stands at the top level of a module is run while it is built, so look for what has no end there; \
                      `plugin build --timeout` and `plugin test --build-timeout` give it more time";

/// What keeps the tools of a build from running for ever.
pub(super) struct Bounds<'a, S> {
    /// How long all of it may take.
    timeout: &'a config::Duration,
    began: Instant,
    /// When it is to stop.
    stop: Pin<&'a mut S>,
}

impl<'a, S: Future<Output = ()>> Bounds<'a, S> {
    /// From now on.
    pub(super) fn new(timeout: &'a config::Duration, stop: Pin<&'a mut S>) -> Self {
        Self { timeout, began: Instant::now(), stop }
    }

    /// Waits until it is to stop.
    pub(super) async fn told(&mut self) {
        self.stop.as_mut().await;
    }
}

/// Runs one command to its end, and hands on what it says: where `capture` says how many bytes of each output are kept of it, as
/// that; otherwise to `on_output`, on Unix both as one, in the order in which it says it. `hint` is for whoever waited for it in vain.
/// Where it cannot be run, why.
///
/// # Errors
/// Where it was told to stop, or had no more time.
pub(super) async fn command<S: Future<Output = ()>>(
    project: &Project,
    words: &[impl AsRef<str>],
    bounds: &mut Bounds<'_, S>,
    capture: Option<usize>,
    hint: &str,
    on_output: impl FnMut(Stream, &[u8]),
) -> Result<Result<Completion, String>, Problem> {
    let mut words = words.iter().map(AsRef::as_ref);
    let name = words.next().unwrap_or_default();
    let directory = match std::path::absolute(&project.directory) {
        Ok(directory) => directory,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let Some(program) = program(name, &directory) else {
        return Ok(Err("it is not on the search path".to_owned()));
    };
    let spawn = Spawn {
        program,
        arguments: words.map(str::to_owned).collect(),
        directory,
        // The author's own, as where he runs the tool himself. Windows has some that nobody set and nobody may.
        environment: std::env::vars_os().filter(|(name, _)| !name.as_encoded_bytes().contains(&b'=')).collect(),
        input: None,
        background: false,
        confines: None,
        timeout: Some(bounds.timeout.get().saturating_sub(bounds.began.elapsed())),
        capture,
        together: capture.is_none(),
        // Nobody is asked: what would wait for an answer says so, and ends.
        without_terminal: true,
    };
    let ended = process::run_until(spawn, bounds.stop.as_mut(), GRACE, on_output).await;
    let completion = match ended {
        Ok(completion) => completion,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if completion.stopped {
        return Err(stopped(project));
    }
    if completion.timed_out {
        let timeout = String::from(bounds.timeout.clone());
        return Err(not_built(project)
            .because(format!("`{name}` was not done when the build had taken {timeout}, and was ended"))
            .with_hint(hint));
    }
    Ok(Ok(completion))
}

/// Runs one command of the build. What it says on either of its outputs is told line by line; on Unix in the order in which it says
/// it, elsewhere in that of each output.
///
/// # Errors
/// As those of [`command`], and where it failed.
pub(super) async fn run<S: Future<Output = ()>>(
    project: &Project,
    step: &Step,
    bounds: &mut Bounds<'_, S>,
    tell: &mut impl FnMut(&str),
) -> Result<(), Problem> {
    let Some(name) = step.command.first() else { return Ok(()) };
    let mut lines = Lines::new(tell);
    let hint = if step.runs_module { NO_END } else { MORE_TIME };
    let ended = command(project, &step.command, bounds, None, hint, |stream, bytes| lines.add(stream, bytes)).await;
    lines.end();
    let (undefined, undeclared) = (lines.undefined, lines.undeclared);
    let completion = ended?.map_err(|why| {
        not_built(project)
            .because(format!("`{name}` cannot be run: {why}"))
            .with_hint("install it, or change `build` in `windlass-plugin.toml`")
    })?;
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
    let named = |symbol: &String| {
        let is_every = C_FUNCTIONS.contains(&symbol.as_str());
        format!("nothing defines `{symbol}`{}", if is_every { ", which every plugin has" } else { "" })
    };
    let meant = |function: &String| {
        let near = nearest(function, C_FUNCTIONS.iter().copied());
        let meant = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        format!("no function that Windlass calls is called `{function}`{meant}")
    };
    let causes = undefined.iter().map(named).chain(undeclared.iter().map(meant));
    Err(causes.fold(problem, Problem::because).with_hint(hint))
}

/// The functions that a plugin in C defines; the last two may be left out.
const C_FUNCTIONS: [&str; 6] =
    ["windlass_describe", "windlass_requires", "windlass_plan", "windlass_apply", "windlass_probe", "windlass_revert"];

/// The function of a plugin in C that has a name as if Windlass called it, and that nothing declares.
fn without_prototype(line: &str) -> Option<&str> {
    let (_, named) = line.split_once("no previous prototype for function '")?;
    named.split('\'').next().filter(|name| name.starts_with("windlass_"))
}

pub(super) fn not_built(project: &Project) -> Problem {
    Problem::new(Code::PluginNotBuilt, format!("the plugin `{}` was not built", project.name))
}

/// That somebody had it stop.
pub(super) fn stopped(project: &Project) -> Problem {
    Problem::new(Code::Cancelled, format!("told to stop before the plugin `{}` was built", project.name))
        .with_note("what its tools had done until then is there, and they are at work no more")
        .with_hint("build it again")
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
    /// What each of its outputs has begun to say.
    out: Vec<u8>,
    error: Vec<u8>,
    /// What a linker says that nothing defines.
    undefined: BTreeSet<String>,
    /// The functions of which a C compiler says that nothing declares them.
    undeclared: BTreeSet<String>,
    tell: &'a mut T,
}

impl<'a, T: FnMut(&str)> Lines<'a, T> {
    fn new(tell: &'a mut T) -> Self {
        Self { out: Vec::new(), error: Vec::new(), undefined: BTreeSet::new(), undeclared: BTreeSet::new(), tell }
    }

    fn add(&mut self, stream: Stream, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = match stream {
                Stream::Out => &mut self.out,
                Stream::Error => &mut self.error,
            };
            line.extend_from_slice(part);
            if part.ends_with(b"\n") || line.len() > LINE {
                let line = std::mem::take(line);
                self.tell(&line);
            }
        }
    }

    /// Tells what was begun and has no end.
    fn end(&mut self) {
        for line in [std::mem::take(&mut self.out), std::mem::take(&mut self.error)] {
            self.tell(&line);
        }
    }

    fn tell(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(line);
        self.undefined.extend(text.split_once("undefined symbol: ").map(|(_, symbol)| symbol.trim().to_owned()));
        self.undeclared.extend(without_prototype(&text).map(str::to_owned));
        (self.tell)(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Stream, program};
    use std::path::Path;

    #[test]
    fn the_lines_of_two_outputs_are_not_mixed() {
        let mut told = String::new();
        let mut tell = |line: &str| told.push_str(line);
        let mut lines = Lines::new(&mut tell);
        for (stream, bytes) in [
            (Stream::Out, "compi"),
            (Stream::Error, "wasm-ld: undefined sym"),
            (Stream::Out, "ling\nlast"),
            (Stream::Error, "bol: windlass_plan\n"),
        ] {
            lines.add(stream, bytes.as_bytes());
        }
        lines.end();
        assert!(lines.undefined.contains("windlass_plan"));
        assert_eq!(told, "compiling\nwasm-ld: undefined symbol: windlass_plan\nlast");
    }

    #[test]
    fn a_program_with_a_slash_is_the_projects_own() {
        let directory = std::path::absolute("plugins/a").expect("a directory");
        for name in [".venv/bin/python", "./build.sh"] {
            assert_eq!(program(name, &directory), Some(directory.join(name)));
        }
        let absolute = std::env::current_exe().expect("this program");
        assert_eq!(program(&absolute.to_string_lossy(), Path::new("/")), Some(absolute));
    }
}

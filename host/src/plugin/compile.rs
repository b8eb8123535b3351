//! Compiling what others wrote.
//!
//! A component can be made so that compiling it takes hours or all memory, and no limit of the runtime's holds while it does.
//! So a component that is not built in is compiled by a process of its own: this binary again, which limits itself before
//! it reads the component, has none of the job's environment, is held to changing no file and connecting nowhere (on Linux), and
//! is given up when its time is over.

use super::component::LARGEST;
use super::engine::{Compiler, Runtime, compiler_only};
use crate::problem::{Code, Exit, Problem};
use crate::process::{Confines, within};
use std::io::Read;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wasmtime::component::Component;

/// The hidden command that such a process is started with.
pub const COMMAND: &str = "__compile";

/// The most memory that compiling one component may take, in MiB.
const MEMORY: u64 = 2048;
/// The most time of the processor, in seconds.
const SECONDS: u64 = 60;
/// When it is given up, also where the processor is busy with other things.
const PATIENCE: Duration = Duration::from_secs(180);
/// The most machine code that is taken, in bytes.
const MOST_CODE: u64 = 256 << 20;
/// The most that is kept of what the process says.
const MOST_WORDS: u64 = 64 << 10;
/// How many threads compile. Each takes memory of its own, and machines may have a hundred processors.
const THREADS: usize = 4;

/// Why there is no code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CompileError {
    /// This compiler does not take it; another may.
    Refused(String),
    /// It takes too much, of what is said here.
    TooMuch(String),
    /// The process broke down, or there was none.
    Broken(String),
}

impl CompileError {
    pub(super) fn problem(self, name: &str) -> Problem {
        let problem = Problem::new(Code::PluginInvalid, format!("plugin `{name}` cannot be compiled"));
        match self {
            Self::Refused(why) => problem
                .because(why)
                .with_note("nothing was run")
                .with_hint("build the plugin again, or restore its file"),
            Self::TooMuch(what) => problem
                .because(format!("compiling it takes more than {what}"))
                .with_note("nothing was run, and the compiler was ended")
                .with_hint(
                    "this is a bug in the plugin: mend it, or report it to its author and use a release with smaller functions",
                ),
            Self::Broken(why) => problem
                .because(why)
                .with_note("nothing was run")
                .with_hint("run the same command again; where it happens again, report it to the plugin's author"),
        }
    }
}

/// Compiles a component in a process with limits.
pub(super) async fn compile(compiler: Compiler, bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
    let broken = |error: std::io::Error| CompileError::Broken(format!("the compiler's process failed: {error}"));
    let program = std::env::current_exe().map_err(broken)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let mut command = tokio::process::Command::new(program);
    command.arg(COMMAND).arg(compiler.word()).arg(MEMORY.to_string()).arg(SECONDS.to_string());
    // Whoever takes over a compiler finds no secret there. Windows' own parts need some of it.
    #[cfg(unix)]
    command.env_clear();
    command.env("RAYON_NUM_THREADS", threads.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // Whoever takes it over changes no file and reaches nobody either, where the system can see to that.
    let nothing = Confines { writes: Some(vec![]), connects: Some(vec![]) };
    let mut child = within(&nothing, || command.spawn()).map_err(broken)?;
    let (Some(mut input), Some(output), Some(words)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(CompileError::Broken("the compiler's process has no pipes".into()));
    };
    let exchange = async {
        let (mut code, mut said) = (Vec::new(), Vec::new());
        let (mut output, mut words) = (output.take(MOST_CODE + 1), words.take(MOST_WORDS));
        let write = async move {
            // Where it ended before it read everything, its end says why.
            let _ = input.write_all(bytes).await;
        };
        let ((), read, _) = tokio::join!(write, output.read_to_end(&mut code), words.read_to_end(&mut said));
        read.map_err(broken)?;
        if code.len() as u64 > MOST_CODE {
            return Err(CompileError::TooMuch(format!("{} MiB of machine code", MOST_CODE >> 20)));
        }
        // Both streams are at their end, so it is about to be.
        Ok((child.wait().await.map_err(broken)?, code, said))
    };
    // Dropping the child ends it.
    let late = |_| CompileError::TooMuch(format!("{} s", PATIENCE.as_secs()));
    let (status, code, said) = tokio::time::timeout(PATIENCE, exchange).await.map_err(late)??;
    if status.success() { Ok(code) } else { Err(explain(status, &String::from_utf8_lossy(&said))) }
}

/// What an end means that is no success.
fn explain(status: ExitStatus, said: &str) -> CompileError {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    let last = said.trim().lines().last().unwrap_or_default();
    if status.code() == Some(i32::from(Exit::Usage as u8)) {
        return CompileError::Refused(said.trim().to_owned());
    }
    // Rust's own words where there is no memory, and the system's.
    if said.contains("memory allocation of") || said.contains("Cannot allocate memory") {
        return CompileError::TooMuch(format!("{MEMORY} MiB of memory"));
    }
    #[cfg(unix)]
    if signal == Some(nix::sys::signal::Signal::SIGXCPU as i32) {
        return CompileError::TooMuch(format!("{SECONDS} s of the processor's time"));
    }
    // Nobody but the system ends it so: where memory is short.
    if signal == Some(9) {
        return CompileError::TooMuch("this machine has".into());
    }
    CompileError::Broken(format!(
        "the compiler broke down ({status}){}",
        if last.is_empty() { String::new() } else { format!(": {last}") }
    ))
}

/// The work of the process: limits itself, reads a component, and gives its code. `words` are the compiler, the most memory in
/// MiB, and the most seconds.
///
/// # Errors
/// What the compiler says.
pub fn compile_in_child(words: &[String], input: impl Read) -> Result<Vec<u8>, String> {
    let [compiler, memory, seconds] = words else { return Err(format!("{COMMAND} COMPILER MEMORY SECONDS")) };
    let compiler = Compiler::of(compiler).ok_or("there is no such compiler")?;
    let number = |text: &String| text.parse::<u64>().map_err(|error| format!("`{text}`: {error}"));
    limit(number(memory)? << 20, number(seconds)?)?;
    let mut bytes = Vec::new();
    input.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let engine = compiler_only(compiler).map_err(|error| format!("{error:#}"))?;
    engine.precompile_component(&bytes).map_err(|error| format!("{error:#}"))
}

/// From here on this process can have no more than that, write no file and leave no core.
#[cfg(unix)]
fn limit(memory: u64, seconds: u64) -> Result<(), String> {
    use nix::sys::resource::{Resource, setrlimit};
    let set = |resource, most| setrlimit(resource, most, most).map_err(|error| format!("{resource:?}: {error}"));
    set(Resource::RLIMIT_CORE, 0)?;
    set(Resource::RLIMIT_FSIZE, 0)?;
    // Where a system does not hold to it (macOS), the clocks do.
    let _ = set(Resource::RLIMIT_AS, memory);
    // The first is a signal of its own, by which the end is told; the second kills.
    setrlimit(Resource::RLIMIT_CPU, seconds, seconds + 5).map_err(|error| format!("the processor's time: {error}"))
}

/// There the clock of whoever started this process is the limit.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
fn limit(_: u64, _: u64) -> Result<(), String> {
    Ok(())
}

#[expect(unsafe_code, reason = "wasmtime loads compiled code by an unsafe call only; see the safety comment")]
pub(super) fn load(runtime: &Runtime, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes were made by `Engine::precompile_component` of this very binary, in a process that this one started
    // and that nobody else has a pipe to. wasmtime itself checks version and settings.
    unsafe { Component::deserialize(&runtime.engine, code) }
}

#[cfg(all(test, unix))]
mod tests {
    use super::{CompileError, MEMORY, SECONDS, explain};
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    #[test]
    fn an_end_is_told_by_what_ended_it() {
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        let signal = ExitStatus::from_raw;
        for (status, said, expected) in [
            (exit(2), "no tail calls\n", CompileError::Refused("no tail calls".into())),
            (
                signal(6),
                "memory allocation of 9 bytes failed\n",
                CompileError::TooMuch(format!("{MEMORY} MiB of memory")),
            ),
            (signal(nix::libc::SIGXCPU), "", CompileError::TooMuch(format!("{SECONDS} s of the processor's time"))),
            (signal(9), "", CompileError::TooMuch("this machine has".into())),
        ] {
            assert_eq!(explain(status, said), expected);
        }
        let CompileError::Broken(why) = explain(signal(11), "first\nlast\n") else { panic!("it is broken") };
        assert!(why.starts_with("the compiler broke down (signal: 11") && why.ends_with(": last"), "{why}");
    }
}

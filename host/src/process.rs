//! Runs one child process: exactly the program, arguments, directory and environment it is told, in a process group of its
//! own, so that nothing of it outlives its step unless it may.
//!
//! It decides nothing: what may run, and with which variables, is for `policy` and `plugin`. Output is handed on as it
//! comes and is not redacted here. It knows nothing of plugins.
//!
//! What becomes of the group:
//! - the program ends: what it left running is asked to end (SIGTERM) and killed after [`GRACE`], unless `background`; what
//!   left the group, as daemons do, is found where orphans come to us ([`adopt_orphans`]);
//! - its timeout passes: the group is asked to end and killed after [`GRACE`];
//! - the caller's `stop` comes: the group is asked to end and killed after the caller's `grace`;
//! - the future is dropped: the group is killed at once. Whoever drops it goes on, perhaps to take the work back, and
//!   nothing may still be at work then. Where there is time to be polite, use `stop`.
//!
//! A group is asked once, since many programs take being asked again for impatience and end without tidying up. What it
//! writes until its end is heard. On Windows a job object takes the group's place, and it is always killed at once.
//!
//! What is at work for a host that was itself killed is found by the marks in its environment: [`leftovers`].

mod confine;
mod environment;
mod group;
mod leftover;
mod pipe;
mod strays;

pub(crate) use confine::within;
pub use confine::{Confines, Means};
pub use environment::{
    BASELINE, BASELINE_ON_WINDOWS, Mark, TOOLCHAINS, baseline, baseline_names, caches, find_program, harmless_names,
    toolchain_variables,
};
pub use leftover::{Leftover, ask_to_end, end_leftovers, leftovers};
pub use strays::adopt_orphans;

use crate::fault;
use futures_util::FutureExt;
use group::Group;
use pipe::Pipe;
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};
use tokio::time::Instant;

/// How long a group has between being asked to end and being killed, where the caller of [`run_until`] does not say.
pub const GRACE: Duration = Duration::from_secs(2);

/// The most that is read at once, in bytes, and so the most that one call of `on_output` gets.
const READ: usize = 256 << 10;

/// Keep others out of this process: a child, which has the same user, cannot read its memory or environment, where the
/// secrets are, and neither is written to disk where it crashes. On Linux; root can still.
pub fn keep_to_itself() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        // A child may have it back.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..getrlimit(Resource::Core) });
    }
}

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Spawn {
    /// The absolute path of the program; see [`find_program`].
    pub program: PathBuf,
    /// Its arguments, without the program itself.
    pub arguments: Vec<String>,
    /// Its working directory, absolute.
    pub directory: PathBuf,
    /// Its whole environment: nothing is inherited.
    pub environment: Vec<(OsString, OsString)>,
    /// What it reads on its standard input; none is an empty one.
    pub input: Option<Vec<u8>>,
    /// Whether what it leaves running may stay.
    pub background: bool,
    /// What it is held to, where the system can; none for nothing.
    pub confines: Option<Confines>,
    /// How long it may take; then it is ended.
    pub timeout: Option<Duration>,
    /// Keep this many bytes of each of its outputs for [`Completion`]; none keeps nothing.
    pub capture: Option<usize>,
    /// Whether both of its outputs are one, [`Stream::Out`], in which all stands in the order in which it was written. On Windows
    /// they stay two.
    pub together: bool,
    /// Whether it is kept away from the terminal, in a session of its own: what would ask somebody there, for a password say, is told
    /// that there is none. Without, it would be stopped until its timeout: it is in the background. On Windows this changes nothing.
    pub without_terminal: bool,
}

/// Which of a child's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completion {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it was ended because its timeout had passed.
    pub timed_out: bool,
    /// Whether it left something running, which was ended. Known on Unix only.
    pub left: bool,
    /// Whether it was ended because the caller said so.
    pub stopped: bool,
    /// What it wrote to standard output, where captured.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, where captured.
    pub stderr: Vec<u8>,
    /// Whether the limit cut either.
    pub truncated: bool,
}

/// Why a program could not be run at all. Its own exit code is no error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("program `{}` does not exist", .0.display())]
    ProgramNotFound(PathBuf),
    /// The file is there, and the interpreter that its first line names, or its loader, is not.
    #[error("program `{}` cannot be started: what its first line names as its interpreter does not exist", .0.display())]
    InterpreterNotFound(PathBuf),
    /// The file is there and not executable.
    #[error("program `{}` is not executable", .0.display())]
    NotExecutable(PathBuf),
    /// The working directory is not there, or is none.
    #[error("`{}` is not a directory to run `{}` in", .directory.display(), .program.display())]
    DirectoryMissing {
        /// The program.
        program: PathBuf,
        /// What should be a directory.
        directory: PathBuf,
    },
    /// No operating system can pass this on.
    #[error("{what} has a NUL character in it, which no program can be given")]
    Nul {
        /// Which argument or variable.
        what: String,
    },
    /// A variable cannot be set under this name.
    #[error("`{name}` is not a name that an environment variable can have")]
    VariableName {
        /// The name.
        name: String,
    },
    /// Anything else that the system said.
    #[error("program `{}` could not be run", .program.display())]
    System {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Runs a child to its end. `on_output` gets its output as it comes, also what is captured; the child waits while
/// `on_output` does not return.
///
/// # Errors
/// Where it could not be started. How it ended is not an error.
pub async fn run(spawn: Spawn, on_output: impl FnMut(Stream, &[u8])) -> Result<Completion, Error> {
    run_until(spawn, std::future::pending(), GRACE, on_output).await
}

/// As [`run`]; when `stop` comes first, the child and its group are asked to end, and what is left of them after `grace` is
/// killed.
///
/// # Errors
/// As [`run`].
pub async fn run_until(
    spawn: Spawn,
    stop: impl Future<Output = ()>,
    grace: Duration,
    on_output: impl FnMut(Stream, &[u8]),
) -> Result<Completion, Error> {
    check(&spawn)?;
    let system = |source| Error::System { program: spawn.program.clone(), source };
    let mut command = Command::new(&spawn.program);
    command.args(&spawn.arguments).current_dir(&spawn.directory).env_clear();
    command.envs(spawn.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(if spawn.input.is_some() { Stdio::piped() } else { Stdio::null() });
    let (mut group, out, error) = Group::start(command, &spawn).map_err(|error| explain(error, &spawn))?;
    let mut running = Running {
        out: Some(out),
        error,
        buffers: (vec![0; READ], vec![0; READ]),
        input: group.input().zip(spawn.input),
        kept: Completion::default(),
        limit: spawn.capture,
        on_output,
    };
    let stop = stop.fuse();
    tokio::pin!(stop);
    let mut deadline = spawn.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut asked = false;
    let status = loop {
        let patience = match running.pump(group.ended(), deadline, &mut stop).await {
            Pumped::Ended(status) => break status.map_err(system)?,
            Pumped::TimedOut if asked => break group.kill().await.map_err(system)?,
            Pumped::TimedOut => {
                running.kept.timed_out = true;
                GRACE
            }
            Pumped::Stopped => {
                running.kept.stopped = true;
                grace
            }
        };
        running.input = None;
        let hears = asked || group.ask_to_end();
        deadline = Some(sooner(deadline.filter(|_| asked), Instant::now() + patience));
        asked = true;
        if !hears {
            break group.kill().await.map_err(system)?;
        }
    };
    if spawn.background && !asked {
        group.leave();
    } else {
        let mut deadline = sooner(deadline.filter(|_| asked), Instant::now() + GRACE);
        // What is left may have last words as well.
        loop {
            match running.pump(group.end_rest(deadline, asked), None, &mut stop).await {
                Pumped::Ended(left) => {
                    running.kept.left = left;
                    break;
                }
                Pumped::Stopped | Pumped::TimedOut => {
                    running.kept.stopped = true;
                    deadline = sooner(Some(deadline), Instant::now() + grace);
                    asked = true;
                }
            }
        }
    }
    running.drain().await;
    fault::point();
    let mut completion = running.kept;
    (completion.code, completion.signal) = (status.code(), signal(status));
    Ok(completion)
}

fn sooner(one: Option<Instant>, other: Instant) -> Instant {
    one.map_or(other, |one| one.min(other))
}

/// Why a pump ended.
enum Pumped<T> {
    Ended(T),
    TimedOut,
    Stopped,
}

/// A child at work: what it writes and reads.
struct Running<F> {
    out: Option<Pipe>,
    error: Option<Pipe>,
    buffers: (Vec<u8>, Vec<u8>),
    input: Option<(ChildStdin, Vec<u8>)>,
    kept: Completion,
    limit: Option<usize>,
    on_output: F,
}

impl<F: FnMut(Stream, &[u8])> Running<F> {
    /// Moves bytes until what is waited for has ended, the deadline passes or `stop` comes. The end of the output is not
    /// waited for: what the child left running may hold the other ends of the pipes for ever.
    async fn pump<T>(
        &mut self,
        ended: impl Future<Output = T>,
        deadline: Option<Instant>,
        stop: impl Future<Output = ()>,
    ) -> Pumped<T> {
        let Self { out, error, buffers, input, kept, limit, on_output } = self;
        let late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let feed = async {
            if let Some((mut stdin, bytes)) = input.take() {
                // A program that does not want all of it closes its end; how it ends is what counts.
                let _ = stdin.write_all(&bytes).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::pin!(ended, late, feed, stop);
        loop {
            tokio::select! {
                ended = &mut ended => return Pumped::Ended(ended),
                () = &mut late => return Pumped::TimedOut,
                () = &mut stop => return Pumped::Stopped,
                () = &mut feed => {}
                read = next(out, &mut buffers.0) => match read {
                    Ok(1..) => keep(Stream::Out, &buffers.0[..read.unwrap_or_default()], kept, *limit, on_output),
                    _ => *out = None,
                },
                read = next(error, &mut buffers.1) => match read {
                    Ok(1..) => keep(Stream::Error, &buffers.1[..read.unwrap_or_default()], kept, *limit, on_output),
                    _ => *error = None,
                },
            }
        }
    }

    /// Takes what is in the pipes and does not wait for more.
    async fn drain(&mut self) {
        let Self { out, error, buffers, kept, limit, on_output, .. } = self;
        for (stream, pipe) in [(Stream::Out, out.take()), (Stream::Error, error.take())] {
            if let Some(pipe) = pipe {
                pipe.drain(&mut buffers.0, &mut |bytes: &[u8]| keep(stream, bytes, kept, *limit, on_output)).await;
            }
        }
    }
}

async fn next(pipe: &mut Option<Pipe>, buffer: &mut [u8]) -> io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.read(buffer).await,
        None => std::future::pending().await,
    }
}

/// Hands on, and keeps what is within the limit.
fn keep(
    stream: Stream,
    bytes: &[u8],
    kept: &mut Completion,
    limit: Option<usize>,
    on_output: &mut impl FnMut(Stream, &[u8]),
) {
    on_output(stream, bytes);
    if let Some(limit) = limit {
        let buffer = match stream {
            Stream::Out => &mut kept.stdout,
            Stream::Error => &mut kept.stderr,
        };
        let room = limit.saturating_sub(buffer.len()).min(bytes.len());
        buffer.extend_from_slice(&bytes[..room]);
        kept.truncated |= room < bytes.len();
    }
}

/// What the system would say less clearly.
fn check(spawn: &Spawn) -> Result<(), Error> {
    let nul = |what: String| Error::Nul { what };
    if let Some(index) = spawn.arguments.iter().position(|argument| argument.contains('\0')) {
        return Err(nul(format!("argument {} of `{}`", index + 1, spawn.program.display())));
    }
    for (name, value) in &spawn.environment {
        let shown = name.to_string_lossy();
        if name.is_empty() || name.as_encoded_bytes().iter().any(|byte| matches!(byte, b'=' | 0)) {
            return Err(Error::VariableName { name: shown.replace('\0', "\\0") });
        }
        if value.as_encoded_bytes().contains(&0) {
            return Err(nul(format!("variable `{shown}`")));
        }
    }
    if !spawn.directory.is_dir() {
        return Err(Error::DirectoryMissing { program: spawn.program.clone(), directory: spawn.directory.clone() });
    }
    Ok(())
}

/// What it means that a program could not be started.
fn explain(error: io::Error, spawn: &Spawn) -> Error {
    let program = spawn.program.clone();
    match error.kind() {
        io::ErrorKind::NotFound if program.exists() => Error::InterpreterNotFound(program),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::ProgramNotFound(program),
        io::ErrorKind::PermissionDenied => Error::NotExecutable(program),
        _ => Error::System { program, source: error },
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

//! Running granted programs.

use super::output::Writer;
use super::{State, Stopped, broken_promise, files, locked};
use crate::event::Level;
use crate::files::Temporary;
use crate::plugin::bindings::windlass::plugin::process as interface;
use crate::plugin::bindings::windlass::plugin::types as wit;
use crate::plugin::cache::own_places;
use crate::plugin::outside::Asked;
use crate::plugin::stop::GRACE;
use crate::policy::{Capability, Confinement, EVERYTHING, Exec, Ports, Question};
use crate::problem::{Code, Problem};
use crate::process::{self, Confines, Mark, Spawn};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most that is captured of one stream, in bytes.
const CAPTURE: usize = 16 << 20;

fn unavailable(code: &str, message: String) -> wit::Failure {
    wit::Failure {
        kind: wit::FailureKind::Unavailable,
        code: code.into(),
        message,
        causes: vec![],
        hint: None,
        note: None,
    }
}

/// A program that is not there.
fn not_found(program: &str) -> wit::Failure {
    let mut failure = unavailable("program-not-found", format!("there is no program `{program}`"));
    failure.causes.push(if program.contains('/') {
        "no such executable file in the project".into()
    } else {
        "it is in no directory of `PATH`".into()
    });
    failure.hint = Some("install it, or make it executable".into());
    failure
}

/// A command as a stand-in sees it.
fn asked<'a>(command: &'a interface::Command, environment: &'a [(OsString, OsString)]) -> Asked<'a> {
    let interface::Command { program, arguments, directory, input, .. } = command;
    Asked { program, arguments, directory, environment, input: input.as_deref() }
}

/// What a stand-in said instead of a program, heard as if the program had written it.
fn answered(
    result: Result<process::Completion, process::Error>,
    write: impl Fn(process::Stream, &[u8]),
) -> Result<process::Completion, process::Error> {
    let done = result?;
    write(process::Stream::Out, &done.stdout);
    write(process::Stream::Error, &done.stderr);
    Ok(done)
}

/// The number of SIGKILL, the same everywhere.
const KILLED: i32 = 9;

/// The numbers of the signals that ask for an end, the same everywhere: SIGHUP, SIGINT, SIGTERM.
const ASKS: [i32; 3] = [1, 2, 15];

/// Who ends a job ends all of its processes, and the first to hear of it may be a child. So long is waited for the word that the
/// run is to stop.
const HEARSAY: Duration = Duration::from_millis(500);

/// Whether somebody else asked this child to end. A shell tells of what it ran by a code.
fn was_asked(done: &process::Completion) -> bool {
    let signal = done.signal.or_else(|| done.code.map(|code| code - 128));
    !done.stopped && !done.timed_out && signal.is_some_and(|signal| ASKS.contains(&signal))
}

/// Whether a program's last words are that something was refused. Not who refused it: that is for whoever reads on. The SDK
/// has the same words for plugins.
fn tells_of_refusal(tail: &str) -> bool {
    const WORDS: [&str; 5] =
        ["permission denied", "operation not permitted", "read-only file system", "no new privileges", "cross-device"];
    const CODES: [&str; 4] = ["EACCES", "EPERM", "EROFS", "EXDEV"];
    let small = tail.to_ascii_lowercase();
    WORDS.iter().any(|words| small.contains(words)) || CODES.iter().any(|code| tail.contains(code))
}

impl State {
    /// The child's environment: the baseline, what the toolchains need, what was granted, secrets granted for this, and the
    /// marks, which nobody can be granted.
    fn child_environment(&self, exec: &Exec, set: &[(String, String)], temporary: &Path) -> Vec<(OsString, OsString)> {
        let lookup = |name: &str| self.services.environment.get(name).map(OsString::from);
        let mut environment = process::baseline(lookup, temporary);
        let mut put = |name: &str, value: &str| {
            environment.retain(|(other, _)| other != name);
            environment.push((name.into(), value.into()));
        };
        let homes = exec.toolchains.iter().filter_map(|name| process::toolchain_variables(name)).flatten().copied();
        for name in homes.chain(exec.variables.iter().map(String::as_str)) {
            if let Some(value) = self.services.environment.get(name) {
                put(name, value);
            }
        }
        for (name, value) in set {
            put(name, value);
        }
        for (variable, secret) in locked(&self.gate).child_secrets(&exec.program) {
            if let Some(secret) = self.services.secrets.get(&secret) {
                put(&variable, secret.expose());
            }
        }
        if let Some(effect) = self.surroundings.as_ref().and_then(|surroundings| surroundings.effect()) {
            put(Mark::Run.variable(), &effect.run);
            put(Mark::Step.variable(), &effect.step);
            put(Mark::Attempt.variable(), &effect.attempt.to_string());
            if exec.background {
                put(Mark::Background.variable(), "1");
            }
        }
        environment
    }
}

impl State {
    /// The program's file; where something answers for all programs, also one that this machine has not.
    fn find(&self, program: &str, path: &std::ffi::OsStr) -> Option<PathBuf> {
        let project = &self.services.project;
        let found = process::find_program(program, path, project);
        found.or_else(|| {
            self.services.outside.answering()?;
            Some(if program.contains('/') { project.join(program) } else { PathBuf::from(program) })
        })
    }

    /// What a child is held to: what was granted, and in `plan`, whatever was granted, to changing nothing.
    ///
    /// # Errors
    /// Where a granted tree is a link to somewhere else.
    fn confines(&self, exec: &Exec, temporary: &Path) -> Result<Option<Confines>, Problem> {
        let may_change = !self.changes_nothing();
        if self.services.confinement == Confinement::Off || (may_change && exec.is_unconfined()) {
            return Ok(None);
        }
        let writes = if may_change && exec.writes.iter().any(|tree| tree == EVERYTHING) {
            None
        } else {
            let mut trees = vec![temporary.to_owned(), PathBuf::from("/dev/null")];
            trees.extend(self.writable.iter().cloned());
            for tree in exec.writes.iter().filter(|_| may_change) {
                trees.extend(files::changeable(&self.services.project, tree)?);
            }
            trees.extend(self.caches(exec));
            Some(trees)
        };
        let connects = match &exec.connects {
            Ports::Any(_) => None,
            Ports::These(ports) => Some(ports.clone()),
        };
        Ok(Some(Confines { writes, connects }))
    }

    /// Where a program is run: as it was granted, and not as it was asked for.
    ///
    /// # Errors
    /// Where that is a link out of the project, or the way to a program of the project leads through what the step itself may
    /// change, so that the plugin would choose what runs outside its sandbox, or through what a program with less may change. Other links are the project's own.
    fn place(&self, program: &Path, exec: &Exec) -> Result<PathBuf, Problem> {
        let project = &self.services.project;
        if let (true, Ok(resolved)) = (exec.program.contains('/'), project.canonicalize()) {
            let gate = locked(&self.gate);
            let way = program.strip_prefix(project).map_or_else(|_| program.to_owned(), |below| resolved.join(below));
            let on_disk = |tree: &str| project.join(tree).canonicalize().ok();
            let own: Vec<PathBuf> = gate.changed_directories().filter_map(on_disk).collect();
            let others: Vec<PathBuf> = gate.changed_by_others(exec).filter_map(on_disk).collect();
            for (trees, why) in [
                (own, "the step may change that, and what the plugin writes there would run outside its sandbox"),
                (
                    others,
                    "a program may change that, and what it writes there would run with more than was accepted for it",
                ),
            ] {
                let Some(tree) = files::leads_through(&way, &trees) else { continue };
                let tree = tree.strip_prefix(&resolved).unwrap_or(tree).display();
                return Err(Problem::new(
                    Code::StepDenied,
                    format!("the way to the program `{}` leads through `{tree}`", exec.program),
                )
                .because(why)
                .with_hint("take out the link, or name the program by a path that the step does not change"));
            }
        }
        // One that is not there is for whoever starts the program to say.
        Ok(files::find(project, &exec.directory)?.unwrap_or_else(|| project.join(&exec.directory)))
    }

    /// The caches of the toolchains that a child needs, as the job has them; made where they are not there, as the toolchain
    /// would. Never one that our own is in or around, however the job has set it.
    fn caches(&self, exec: &Exec) -> Vec<PathBuf> {
        let lookup = |name: &str| self.services.environment.get(name).map(OsString::from);
        let ours: Vec<PathBuf> = own_places().map(|place| place.canonicalize().unwrap_or(place)).collect();
        let caches = exec.toolchains.iter().flat_map(|name| process::caches(name, lookup));
        caches
            .filter(|place| {
                // One that is a file in its directory is made by the toolchain, and is not worth making.
                let is_file =
                    place.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".package-cache"));
                is_file || place.is_file() || std::fs::create_dir_all(place).is_ok()
            })
            .filter_map(|place| place.canonicalize().ok())
            .filter(|place| !ours.iter().any(|ours| ours.starts_with(place) || place.starts_with(ours)))
            .collect()
    }
}

/// A problem, as the guest is told of it.
fn refused(problem: Problem) -> wit::Failure {
    let (kind, code) = match problem.code {
        Code::StepDenied => (wit::FailureKind::Denied, "denied"),
        _ => (wit::FailureKind::Unavailable, "program-not-started"),
    };
    wit::Failure {
        kind,
        code: code.into(),
        message: problem.what,
        causes: problem.causes,
        hint: problem.hint,
        note: problem.note,
    }
}

impl interface::Host for State {
    async fn run(
        &mut self,
        command: interface::Command,
    ) -> wasmtime::Result<Result<interface::Completion, wit::Failure>> {
        if self.stop.is_told() {
            return Err(wasmtime::Error::new(Stopped));
        }
        let names: Vec<String> = command.variables.iter().map(|(name, _)| name.clone()).collect();
        let question = Question::Exec {
            program: &command.program,
            arguments: &command.arguments,
            directory: &command.directory,
            variables: &names,
        };
        let exec = match self.ask(&question) {
            Ok(Capability::Exec(exec)) => exec,
            Ok(_) => return Ok(Err(broken_promise("bug", "the gate answered with another kind of capability"))),
            Err(failure) => return Ok(Err(failure)),
        };
        let temporary = match Temporary::make() {
            Ok(temporary) => temporary,
            Err(error) => {
                let mut failure = unavailable("no-temporary-directory", format!("`{}` cannot be run", command.program));
                failure.causes.push(format!("a temporary directory for it cannot be made: {error}"));
                return Ok(Err(failure));
            }
        };
        let environment = self.child_environment(&exec, &command.variables, temporary.path());
        // By the job's own search path, also where the child gets another: the plugin does not choose who is called `make`.
        let path = self.services.environment.iter().find(|(name, _)| name.eq_ignore_ascii_case("PATH"));
        let path = path.map(|(_, value)| OsString::from(value)).unwrap_or_default();
        let Some(program) = self.find(&command.program, &path) else {
            if let Some(listener) = self.services.outside.listening() {
                listener.ran(&asked(&command, &environment), None);
            }
            return Ok(Err(not_found(&command.program)));
        };
        let directory = match self.place(&program, &exec) {
            Ok(directory) => directory,
            Err(problem) => {
                locked(&self.gate).deny(&format!("{question}: {}", problem.what));
                return Ok(Err(refused(problem)));
            }
        };
        let confines = match self.confines(&exec, temporary.path()) {
            Ok(confines) => confines,
            Err(problem) => {
                locked(&self.gate).deny(&format!("{question}: {}", problem.what));
                return Ok(Err(refused(problem)));
            }
        };
        let held = confines.is_some();
        let is_captured = matches!(command.output, interface::Output::Capture);
        let spawn = Spawn {
            program,
            arguments: command.arguments.clone(),
            directory,
            environment: environment.clone(),
            input: command.input.clone(),
            background: exec.background,
            confines,
            timeout: command.timeout_milliseconds.map(Duration::from_millis),
            capture: (is_captured || self.services.outside.listening().is_some()).then_some(CAPTURE),
            together: false,
            without_terminal: false,
        };
        let output = self.output.clone();
        locked(&output).take_tail();
        let writer = if is_captured { Writer::Captured } else { Writer::Child };
        let write = |from, bytes: &[u8]| locked(&output).write(writer, from, bytes);
        let result = match self.services.outside.answering() {
            Some(stand_in) => answered(stand_in.command(&asked(&command, &environment)), write),
            None => {
                let child = self.children.begin();
                let result = process::run_until(spawn, self.stop.told(), GRACE, write).await;
                drop(child);
                result
            }
        };
        if let (Some(listener), Ok(done)) = (self.services.outside.listening(), &result) {
            listener.ran(&asked(&command, &environment), Some(done));
        }
        if result.as_ref().is_ok_and(was_asked) {
            let _ = tokio::time::timeout(HEARSAY, self.stop.told()).await;
        }
        let tail = locked(&output).take_tail();
        // Also where the child came to its end by itself: what the guest would do next is not begun any more.
        if self.stop.is_told() {
            if result.as_ref().is_ok_and(|done| done.stopped && done.signal == Some(KILLED)) {
                let words = format!("`{}` did not end when it was asked to, and was killed", command.program);
                locked(&output).message(Level::Warn, &words);
            }
            return Err(wasmtime::Error::new(Stopped));
        }
        if result.as_ref().is_ok_and(|done| done.left && !done.timed_out) {
            let words =
                format!("what `{}` left running was ended; `background = true` would let it stay", command.program);
            locked(&self.output).message(Level::Warn, &words);
        }
        // A port that is not granted reads like a host that is not there, in words that every program has of its own.
        let may_be_refused = || tells_of_refusal(&tail) || matches!(exec.connects, Ports::These(_));
        if held && result.as_ref().is_ok_and(|done| done.code != Some(0)) && may_be_refused() {
            let phase = locked(&self.gate).phase();
            let words = format!("`{}` was held to {}", command.program, exec.held_to(phase));
            locked(&self.output).message(Level::Warn, &words);
        }
        Ok(match result {
            Ok(done) => Ok(interface::Completion {
                code: done.code,
                signal: done.signal,
                timed_out: done.timed_out,
                stdout: if is_captured { self.without_secrets(done.stdout, done.truncated) } else { vec![] },
                stderr: if is_captured { self.without_secrets(done.stderr, done.truncated) } else { vec![] },
                truncated: done.truncated,
                tail,
            }),
            Err(process::Error::ProgramNotFound(_)) if self.services.outside.answering().is_some() => {
                Err(not_found(&command.program))
            }
            Err(error) => {
                let code = match error {
                    process::Error::ProgramNotFound(_) => "program-not-found",
                    _ => "program-not-started",
                };
                let mut failure = unavailable(code, self.services.redactor.redact(&error.to_string()).into_owned());
                failure.causes.extend(std::error::Error::source(&error).map(ToString::to_string));
                Err(failure)
            }
        })
    }
}

impl State {
    /// What a child wrote, as a plugin may see it: a secret that the child was given does not come back this way.
    /// Where it was cut, the cut may have gone through one.
    fn without_secrets(&self, bytes: Vec<u8>, cut: bool) -> Vec<u8> {
        if !cut && !self.services.redactor.contains_bytes(&bytes) {
            return bytes;
        }
        let mut clean = Vec::with_capacity(bytes.len());
        let mut stream = self.services.redactor.stream();
        stream.push(&bytes, &mut |part| clean.extend_from_slice(part));
        if !cut {
            stream.finish(&mut |part| clean.extend_from_slice(part));
        }
        clean
    }
}

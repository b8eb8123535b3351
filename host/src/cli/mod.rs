//! The command line: parses, wires, prints, and says how it ended. Standard output is data, standard error is talk.

mod agreement;
mod approvals;
mod arguments;
mod begin;
mod comment;
mod compared;
mod conduct;
mod deploy;
mod environment;
mod finish;
mod inform;
mod keeping;
mod lease;
mod live;
mod outputs;
mod plugin;
mod project;
mod reap;
mod reference;
mod respond;
mod resume;
mod rollback;
mod session;
mod signals;
mod status;
mod story;
mod suggest;
mod telling;

use crate::approval;
use crate::ci;
use crate::problem::{Exit, Problem};
use crate::process;
use crate::report::screen::{print, print_json, say};
use crate::report::{self, RunReport, Style, screen};
use arguments::{ApprovalsCommand, Arguments, Command};
use std::path::Path;
use std::process::ExitCode;

/// How a command ends when it does not simply succeed.
enum Failed {
    /// With problems that are to be shown.
    Problems(Vec<Problem>),
    /// With everything said already.
    Said(Exit),
}

impl Exit {
    /// The end of a command that has said everything.
    fn said(self) -> Result<(), Failed> {
        if self == Self::Succeeded { Ok(()) } else { Err(Failed::Said(self)) }
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problems(vec![problem])
    }
}

impl From<Vec<Problem>> for Failed {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}

/// Run the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    process::keep_to_itself();
    process::adopt_orphans();
    std::panic::set_hook(Box::new(broken));
    if let Some(exit) = hidden() {
        return code(exit);
    }
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        // Help and version are answers; everything else is a mistake.
        Err(error) if error.use_stderr() => return code(mistaken(&error)),
        Err(error) => {
            let _ = error.print();
            return code(Exit::Succeeded);
        }
    };
    if let Some(filter) = &arguments.common.trace {
        trace(filter);
    }
    screen::open(ci::page(&ci::Variables::of_process()));
    let result = dispatch(&arguments);
    screen::finish();
    match result {
        Ok(()) => code(Exit::Succeeded),
        Err(Failed::Said(exit)) => code(exit),
        Err(Failed::Problems(list)) => {
            report::tell(&list);
            let exit = list.iter().map(|problem| problem.code.exit()).max().unwrap_or(Exit::Bug);
            story::refused(&arguments, &list, exit);
            code(exit)
        }
    }
}

/// A command line that cannot be read: said where a person looks, and handed on as every other end of a command.
fn mistaken(error: &clap::Error) -> Exit {
    let page = ci::page(&ci::Variables::of_process());
    let problem = arguments::mistake(error);
    let result = RunReport {
        reason: Some(problem.code.word().to_owned()),
        ..RunReport::not_begun(conduct::outcome_of(Some(problem.code)))
    };
    if matches!(page.kind, ci::Kind::GitHub | ci::Kind::GitLab) {
        screen::open(page);
        report::tell(std::slice::from_ref(&problem));
        screen::finish();
    } else {
        let _ = error.print();
    }
    let problems = vec![problem];
    story::mistaken("windlass was not run", Path::new(""), &problems);
    let reports = arguments::reports_of_process();
    outputs::hand_on(Path::new("."), reports.as_deref(), &result, None, Some(&problems.into()));
    Exit::Usage
}

/// What Windlass asks of itself. No command, so that neither help nor completions show it.
fn hidden() -> Option<Exit> {
    let mut words = std::env::args_os().skip(1).map_while(|word| word.into_string().ok());
    match words.next()?.as_str() {
        // Says what there is to say in `docs/reference`, as JSON.
        "__reference" => {
            print_json(&reference::reference().to_string());
            Some(Exit::Succeeded)
        }
        // Compiles plugins, built-in ones or files, for the next run.
        "__fill-cache" => {
            let filled = crate::plugin::fill(&words.collect::<Vec<_>>());
            Some(if filled.is_ok() { Exit::Succeeded } else { Exit::Bug })
        }
        // Compiles one component, which others may have written, from standard input to standard output, with limits.
        crate::plugin::COMPILE_COMMAND => {
            let compiled = crate::plugin::compile_in_child(&words.collect::<Vec<_>>(), std::io::stdin().lock());
            Some(match compiled {
                Ok(code) if std::io::Write::write_all(&mut std::io::stdout().lock(), &code).is_ok() => Exit::Succeeded,
                Ok(_) => Exit::Bug,
                Err(error) => {
                    say(&format!("{error}\n"));
                    Exit::Usage
                }
            })
        }
        // Compiles the built-in plugins into a directory, for this machine's target or the one that is named.
        "__compile-built-in" => {
            let directory = std::path::PathBuf::from(words.next()?);
            let compiled = crate::plugin::compile_for(words.next().as_deref(), &directory);
            let _ = compiled.as_ref().inspect_err(|error| say(&format!("error: {error}\n")));
            Some(if compiled.is_ok() { Exit::Succeeded } else { Exit::Bug })
        }
        #[expect(clippy::panic, reason = "to see what is said when there is a bug")]
        "__panic" => {
            screen::open(ci::page(&ci::Variables::of_process()));
            screen::begin("bug", "a bug", "");
            let _ = std::io::stdin().read_line(&mut String::new());
            panic!("a bug was asked for")
        }
        _ => None,
    }
}

/// A bug of ours: said as such, with the exit code for it, whichever thread finds it.
#[expect(clippy::exit, reason = "there is nothing left that could return")]
fn broken(panic: &std::panic::PanicHookInfo<'_>) {
    let words = panic.payload_as_str().unwrap_or("it did not say why");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let problem = Problem::new(crate::problem::Code::Bug, "windlass did something it never should")
        .because(format!("{words} ({place})"))
        .with_note("what was done until now is in the journal; `windlass status` says what it was")
        .with_hint("please report it with this text");
    screen::say_at_last(&report::problem(&problem, Style::of_stderr()));
    std::process::exit(i32::from(Exit::Bug as u8));
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}

fn dispatch(arguments: &Arguments) -> Result<(), Failed> {
    let common = &arguments.common;
    match &arguments.command {
        Command::Run(run) => in_runtime(deploy::run(common, run)),
        Command::Plan(plan) => in_runtime(deploy::plan(common, plan)),
        Command::Lock(lock) => in_runtime(deploy::lock(common, lock)),
        Command::Check => in_runtime(deploy::check(common)),
        Command::Resume(resume) => in_runtime(resume::resume(common, resume)),
        Command::Rollback(rollback) => in_runtime(rollback::rollback(common, rollback)),
        Command::Approvals(arguments) => match &arguments.command {
            Some(ApprovalsCommand::Respond(respond)) => in_runtime(respond::respond(common, respond)),
            None => in_runtime(approvals::approvals(common, arguments)),
        },
        Command::Approve(answer) => in_runtime(approvals::decide(common, answer, approval::Answer::Approved)),
        Command::Reject(answer) => in_runtime(approvals::decide(common, answer, approval::Answer::Rejected)),
        Command::Reap(reap) if reap.finish => in_runtime(finish::finish(common)),
        Command::Reap(_) => in_runtime(reap::reap(common, true)),
        Command::Environment(command) => in_runtime(environment::environment(common, command)),
        Command::Lease(command) => in_runtime(lease::lease(common, command)),
        Command::Status => in_runtime(status::status(common)),
        Command::History(history) => in_runtime(status::history(common, history)),
        Command::Init(init) => inform::init(common, init),
        Command::Report(report) => in_runtime(story::report(common, report)),
        Command::Plugin(command) => in_runtime(plugin::plugin(common, command)),
        Command::Schema(schema) => in_runtime(inform::schema(common, schema)),
        Command::Explain(explain) => inform::explain(explain),
        Command::Completions(completions) => inform::completions(completions),
    }
}

/// One thread is enough: the work is in the steps, one after the other.
fn in_runtime(work: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Problem::new(crate::problem::Code::Bug, "the asynchronous runtime cannot be started").because(error)
    })?;
    let result = runtime.block_on(signals::unless_stopped(work));
    // A blocked file operation of a guest that was given up must not keep the process.
    runtime.shutdown_background();
    result
}

/// Internal messages of Windlass and its libraries, for whoever mends it.
fn trace(filter: &str) {
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| screen::Lines).try_init();
}

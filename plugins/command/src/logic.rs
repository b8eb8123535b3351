//! What the step asks for, plans, says and takes back, as pure functions.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use windlass_plugin::process::{Command, Completion};
use windlass_plugin::{Capability, Failure, Intent, Phases, Ports, Verdict};

use crate::config::{Checked, CommandEffect, Line};

/// How many of a program's last lines go into a message.
const LINES_IN_A_MESSAGE: usize = 10;

/// The code with which the host says that a secret of a child is not set.
const SECRET_MISSING: &str = "secret-missing";

/// What the step leaves for its revert and its probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Record {
    /// Appended before `run` is started.
    Starting {
        /// What is started.
        run: Line,
        /// What takes it back, with everything filled in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revert: Option<Line>,
        /// Where.
        directory: String,
        /// With these variables.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        set: BTreeMap<String, String>,
    },
    /// Appended where `run` could not be started, so that nothing is taken back that never was.
    NotStarted,
}

/// Something to run in order to take back what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revert {
    /// What is run.
    pub(crate) line: Line,
    /// Where.
    pub(crate) directory: String,
    /// With these variables.
    pub(crate) set: BTreeMap<String, String>,
}

/// The capabilities that a configuration needs: each program with exactly its arguments.
pub(crate) fn capabilities(checked: &Checked<'_>) -> Vec<Capability> {
    let config = checked.config;
    let names: Vec<&String> = config.variables.iter().chain(config.set.keys()).collect();
    // It is the user's own program: it is held to what is said of it, and to nothing else.
    let writes = config.writes.clone().unwrap_or_else(|| vec!["/".into()]);
    let connects = config.connects.clone().map_or(Ports::Any, Ports::These);
    let exec = |line: &Line, background: bool, phases| {
        // What is run while the plan is made changes nothing.
        let writes = if phases == Phases::PLAN { &[] } else { &*writes };
        Capability::exec(line.program())
            .arguments(line.arguments().iter().cloned())
            .directory(&config.directory)
            .variables(names.iter().copied())
            .toolchains(config.toolchains.iter())
            .background(background)
            .writes(writes)
            .connects(connects.clone())
            .during(phases)
    };
    // What is live is looked at once more after a rollback.
    let apply = if checked.effect == CommandEffect::Checks { Phases::APPLY | Phases::REVERT } else { Phases::APPLY };
    let programs = [
        (Some(&checked.run), config.background, apply),
        (checked.revert.as_ref(), config.background, Phases::REVERT),
        // A probe counts as planning, and what only looks has nothing to leave running.
        (checked.unless.as_ref(), false, Phases::PLAN),
    ];
    let mut capabilities = vec![];
    let mut phases = Phases::empty();
    for (line, background, phase) in programs {
        if let Some(line) = line {
            capabilities.push(exec(line, background, phase));
            phases |= phase;
        }
    }
    capabilities.extend(
        config
            .secrets
            .iter()
            .map(|(variable, reference)| Capability::secret_variable(&reference.secret, variable, None, phases)),
    );
    capabilities
}

/// A program as a person would type it.
pub(crate) fn shown(line: &Line) -> String {
    Command::new(line.program()).arguments(line.arguments().iter().cloned()).display()
}

/// Where a program is run, for a text that follows its name; empty for the project itself.
fn place(directory: &str) -> String {
    if directory == "." { String::new() } else { format!(" in {directory}") }
}

/// What there is to do, after what `unless` found out; `not-done` where there is none.
pub(crate) fn intents(checked: &Checked<'_>, verdict: Verdict) -> Vec<Intent> {
    let line = shown(&checked.run);
    let id = format!("{line}{}", place(&checked.config.directory));
    let intent = match (verdict, checked.effect) {
        (Verdict::Done, _) => return vec![],
        (Verdict::Unknown, _) => Intent::unknown(id, format!("run `{line}`, if it is not done already")),
        (_, CommandEffect::Reads) => Intent::reads(id, format!("run `{line}`")),
        (_, CommandEffect::Checks) => Intent::checks(id, format!("run `{line}`")),
        (_, CommandEffect::Changes) => Intent::changes(id, format!("run `{line}`")),
        (_, CommandEffect::Irreversible) => Intent::irreversible(id, format!("run `{line}`")),
    };
    let mut detail = vec![format!("directory: `{}`", checked.config.directory)];
    detail.push(match (&checked.revert, checked.effect) {
        (Some(revert), _) => format!("taken back by: `{}`", shown(revert)),
        (None, CommandEffect::Reads) => "nothing to take back".into(),
        (None, CommandEffect::Checks) => "nothing to take back, and run once more after a rollback".into(),
        (None, CommandEffect::Changes) => "not taken back".into(),
        (None, CommandEffect::Irreversible) => "cannot be taken back".into(),
    });
    if let Some(unless) = &checked.unless {
        detail.push(match verdict {
            Verdict::Unknown => format!("could not find out with: `{}`", shown(unless)),
            _ => format!("not done yet, says: `{}`", shown(unless)),
        });
    }
    vec![intent.with_detail(detail.join("\n"))]
}

/// What the end of `unless` says. It is held to changing nothing: where something was refused to it, that it did not end with 0
/// says nothing about what is done.
pub(crate) fn verdict(completion: &Completion) -> Verdict {
    match completion.code {
        _ if completion.timed_out => Verdict::Unknown,
        Some(0) => Verdict::Done,
        Some(_) if completion.tells_of_refusal() => Verdict::Unknown,
        Some(_) => Verdict::NotDone,
        None => Verdict::Unknown,
    }
}

/// What it says about the verdict that `unless` could not be run; none where that is a failure. Without its secrets, as in
/// a pull request from a fork, nobody can know.
pub(crate) fn verdict_of_failure(failure: &Failure) -> Option<Verdict> {
    (failure.code == SECRET_MISSING).then_some(Verdict::Unknown)
}

/// What the records alone say about an `apply` that was cut off; none where only `unless` can tell.
pub(crate) fn verdict_of_records(effect: CommandEffect, records: &[Record]) -> Option<Verdict> {
    // What only looks can always be run again.
    let nothing_done = effect.looks_only() || started(records).next().is_none();
    nothing_done.then_some(Verdict::NotDone)
}

/// What was started, newest first. Where `run` could not be started, the record of that follows the one of the start; an
/// attempt before it may have been started all the same.
fn started(records: &[Record]) -> impl Iterator<Item = &Record> {
    let mut records = records.iter().rev();
    std::iter::from_fn(move || {
        loop {
            match records.next()? {
                Record::NotStarted => {
                    records.next();
                }
                started @ Record::Starting { .. } => return Some(started),
            }
        }
    })
}

/// The exit code of a `run` that succeeded.
///
/// # Errors
/// `command-failed` with the program's last lines where it did not.
pub(crate) fn exit_code(line: &Line, completion: &Completion, success: &[i32]) -> Result<i32, Failure> {
    match completion.code {
        Some(code) if !completion.timed_out && success.contains(&code) => Ok(code),
        _ => Err(failed("command-failed", line, completion)),
    }
}

/// A failure with the program's last lines.
pub(crate) fn failed(code: &str, line: &Line, completion: &Completion) -> Failure {
    let failure = Failure::check_failed(code, format!("`{}` ended with {}", shown(line), completion.ending()));
    let lines: Vec<&str> = completion.tail.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    match lines.len() {
        0 => failure.because("it wrote nothing"),
        count => failure.because(lines[count.saturating_sub(LINES_IN_A_MESSAGE)..].join("\n")),
    }
}

/// What there is to run for taking back what the records say, newest first. A step that was tried several times leaves
/// the same revert several times, and is taken back once.
pub(crate) fn reverts(records: &[Record]) -> Vec<Revert> {
    let mut reverts: Vec<Revert> = vec![];
    for record in started(records) {
        if let Record::Starting { revert: Some(line), directory, set, .. } = record {
            let revert = Revert { line: line.clone(), directory: directory.clone(), set: set.clone() };
            if !reverts.contains(&revert) {
                reverts.push(revert);
            }
        }
    }
    reverts
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use windlass_plugin::{Effect, Grant};

    use super::*;
    use crate::config::Config;

    fn config(with: serde_json::Value) -> Config {
        serde_json::from_value(with).unwrap()
    }

    fn line(words: &[&str]) -> Line {
        serde_json::from_value(json!(words)).unwrap()
    }

    fn ended(code: Option<i32>, tail: &str) -> Completion {
        Completion {
            code,
            signal: code.is_none().then_some(9),
            timed_out: false,
            stdout: vec![],
            stderr: vec![],
            truncated: false,
            tail: tail.into(),
        }
    }

    fn starting(revert: Option<&[&str]>) -> Record {
        Record::Starting {
            run: line(&["release"]),
            revert: revert.map(line),
            directory: ".".into(),
            set: BTreeMap::new(),
        }
    }

    #[test]
    fn each_program_is_asked_for_with_exactly_its_arguments_and_phase() {
        let config = config(json!({
            "run": ["./bin/release", "${deployment.version}"], "revert": ["./bin/release", "--previous"],
            "unless": ["./bin/is"], "directory": "app", "variables": ["HOSTNAME"], "set": { "MODE": "fast" },
            "secrets": { "TOKEN": { "secret": "API" } }, "toolchains": ["cargo"], "background": true,
        }));
        let capabilities = capabilities(&config.checked().unwrap());
        let execs: Vec<_> = capabilities
            .iter()
            .filter_map(|capability| match &capability.grant {
                Grant::Exec(exec) => Some((exec.clone(), capability.phases)),
                _ => None,
            })
            .collect();
        assert_eq!(execs.len(), 3);
        assert_eq!(execs[0].0.arguments, ["${deployment.version}"]);
        assert_eq!(execs[1].0.arguments, ["--previous"]);
        assert!(execs[2].0.arguments.is_empty());
        assert_eq!([execs[0].1, execs[1].1, execs[2].1], [Phases::APPLY, Phases::REVERT, Phases::PLAN]);
        assert_eq!([execs[0].0.background, execs[1].0.background, execs[2].0.background], [true, true, false]);
        for (exec, _) in &execs {
            assert_eq!(exec.directory, "app");
            assert_eq!(exec.variables, ["HOSTNAME", "MODE"]);
            assert_eq!(exec.toolchains, ["cargo"]);
        }
        let secret = Capability::secret_variable("API", "TOKEN", None, windlass_plugin::ALL_PHASES);
        assert_eq!(capabilities[3], secret);
    }

    #[test]
    fn a_secret_is_not_asked_for_in_a_phase_that_runs_nothing() {
        let config = config(json!({ "run": ["a"], "secrets": { "TOKEN": { "secret": "API" } } }));
        let capabilities = capabilities(&config.checked().unwrap());
        assert_eq!(capabilities.len(), 2);
        assert!(capabilities.iter().all(|capability| capability.phases == Phases::APPLY));
    }

    #[test]
    fn a_check_may_be_run_once_more_after_a_rollback_and_nothing_else_may() {
        for (effect, phases) in [("reads", Phases::APPLY), ("checks", Phases::APPLY | Phases::REVERT)] {
            let config = config(json!({
                "run": ["curl", "-f"], "effect": effect, "secrets": { "TOKEN": { "secret": "API" } },
            }));
            let capabilities = capabilities(&config.checked().unwrap());
            assert_eq!(capabilities.len(), 2);
            assert!(capabilities.iter().all(|capability| capability.phases == phases), "{effect}: {capabilities:?}");
        }
    }

    #[test]
    fn what_is_done_already_is_no_intent() {
        let config = config(json!({ "run": ["a"], "unless": ["b"] }));
        let checked = config.checked().unwrap();
        assert!(intents(&checked, Verdict::Done).is_empty());
        assert_eq!(intents(&checked, Verdict::NotDone)[0].effect, Effect::Changes);
        assert_eq!(intents(&checked, Verdict::Unknown)[0].effect, Effect::Unknown);
    }

    #[test]
    fn an_intent_is_the_command_line_and_says_how_it_is_taken_back() {
        let config = config(json!({
            "run": ["./bin/release", "it's"], "revert": ["./bin/release", "--previous"], "directory": "app",
        }));
        let intents = intents(&config.checked().unwrap(), Verdict::NotDone);
        assert_eq!(intents.len(), 1);
        assert_eq!(intents[0].id, r"./bin/release 'it'\''s' in app");
        assert_eq!(intents[0].summary, r"run `./bin/release 'it'\''s'`");
        let detail = "directory: `app`\ntaken back by: `./bin/release --previous`";
        assert_eq!(intents[0].detail.as_deref(), Some(detail));
    }

    #[test]
    fn each_effect_is_planned_as_what_it_is() {
        for (effect, planned) in [
            ("reads", Effect::Reads),
            ("checks", Effect::Checks),
            ("changes", Effect::Changes),
            ("irreversible", Effect::Irreversible),
        ] {
            let config = config(json!({ "run": ["a"], "effect": effect }));
            assert_eq!(intents(&config.checked().unwrap(), Verdict::NotDone)[0].effect, planned);
        }
    }

    #[test]
    fn a_probe_that_was_killed_knows_nothing() {
        assert_eq!(verdict(&ended(Some(0), "")), Verdict::Done);
        assert_eq!(verdict(&ended(Some(1), "")), Verdict::NotDone);
        assert_eq!(verdict(&ended(Some(127), "")), Verdict::NotDone);
        assert_eq!(verdict(&ended(None, "")), Verdict::Unknown);
        assert_eq!(verdict(&Completion { timed_out: true, ..ended(Some(0), "") }), Verdict::Unknown);
    }

    #[test]
    fn a_probe_to_which_something_was_refused_knows_nothing() {
        let sudo = "sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root.\n";
        for tail in [sudo, "sh: 1: cannot create lock: Permission denied\n"] {
            assert_eq!(verdict(&ended(Some(1), tail)), Verdict::Unknown, "{tail}");
            assert_eq!(verdict(&ended(Some(0), tail)), Verdict::Done, "{tail}");
        }
        assert_eq!(verdict(&ended(Some(2), "grep: order: No such file or directory\n")), Verdict::NotDone);
    }

    #[test]
    fn records_alone_tell_only_that_nothing_was_begun() {
        let changes = CommandEffect::Changes;
        assert_eq!(verdict_of_records(changes, &[]), Some(Verdict::NotDone));
        assert_eq!(verdict_of_records(changes, &[starting(None)]), None);
        assert_eq!(verdict_of_records(changes, &[starting(None), Record::NotStarted]), Some(Verdict::NotDone));
        assert_eq!(verdict_of_records(changes, &[starting(None), Record::NotStarted, starting(None)]), None);
        let second = [starting(None), starting(None), Record::NotStarted];
        assert_eq!(verdict_of_records(changes, &second), None, "the first attempt was begun");
        for effect in [CommandEffect::Reads, CommandEffect::Checks] {
            assert_eq!(verdict_of_records(effect, &[starting(None)]), Some(Verdict::NotDone));
        }
    }

    #[test]
    fn an_unless_that_was_not_run_has_not_said_that_it_is_not_done() {
        let missing = Failure::unavailable("secret-missing", "the secret `API` is not set");
        assert_eq!(verdict_of_failure(&missing), Some(Verdict::Unknown));
        for code in ["program-not-found", "program-not-started", "exec-denied"] {
            assert_eq!(verdict_of_failure(&Failure::unavailable(code, "no")), None, "{code}");
        }
    }

    #[test]
    fn only_the_named_exit_codes_are_a_success() {
        let line = line(&["diff", "a", "b"]);
        assert_eq!(exit_code(&line, &ended(Some(1), ""), &[0, 1]), Ok(1));
        let failure = exit_code(&line, &ended(Some(2), "first\nlast\n"), &[0, 1]).unwrap_err();
        assert_eq!(failure.code, "command-failed");
        assert_eq!(failure.message, "`diff a b` ended with exit code 2");
        assert_eq!(failure.causes, ["first\nlast"]);
        let killed = exit_code(&line, &ended(None, ""), &[0]).unwrap_err();
        assert_eq!(killed.message, "`diff a b` ended with signal 9");
        assert_eq!(killed.causes, ["it wrote nothing"]);
        assert!(exit_code(&line, &Completion { timed_out: true, ..ended(Some(0), "") }, &[0]).is_err());
    }

    #[test]
    fn a_message_holds_the_last_lines_only() {
        let tail: String = (1..=30).map(|number| format!("line {number}\n")).collect();
        let failure = failed("command-failed", &line(&["a"]), &ended(Some(1), &tail));
        assert!(failure.causes[0].starts_with("line 21\n") && failure.causes[0].ends_with("line 30"));
    }

    #[test]
    fn reverts_are_newest_first_and_each_once() {
        let records = [starting(Some(&["one"])), starting(None), starting(Some(&["two"])), starting(Some(&["two"]))];
        let lines: Vec<String> = reverts(&records).iter().map(|revert| shown(&revert.line)).collect();
        assert_eq!(lines, ["two", "one"]);
    }

    #[test]
    fn what_never_started_is_not_taken_back() {
        assert!(reverts(&[starting(Some(&["one"])), Record::NotStarted]).is_empty());
        let again = [starting(Some(&["one"])), Record::NotStarted, starting(Some(&["one"]))];
        assert_eq!(reverts(&again).len(), 1);
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record::Starting {
            run: line(&["release", "1.0"]),
            revert: Some(line(&["release", "--previous"])),
            directory: ".".into(),
            set: BTreeMap::from([("MODE".into(), "fast".into())]),
        };
        let json = serde_json::to_value(&record).unwrap();
        assert_eq!(
            json,
            json!({
                "event": "starting", "run": ["release", "1.0"], "revert": ["release", "--previous"],
                "directory": ".", "set": { "MODE": "fast" },
            })
        );
        assert_eq!(serde_json::from_value::<Record>(json).unwrap(), record);
        assert_eq!(serde_json::to_value(Record::NotStarted).unwrap(), json!({ "event": "not-started" }));
    }
}

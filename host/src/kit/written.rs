//! What came of a case, in the words of a case file.

use super::cases::{Called, Case, ExpectFile};
use super::compare::{ANYTHING, inline, kind, usages, without_nothing, word};
use super::play::{Played, PlayedCall};
use super::project::digest;
use crate::plugin::{Answer, CallFailure, Kind};
use serde::Serialize as _;
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest file whose text is written, in bytes; of a larger one it is the digest.
const TEXT: usize = 16 << 10;

/// A value in one line of TOML, which has no `null`.
fn value(value: &Value) -> String {
    let mut said = String::new();
    let written = without_nothing(value).serialize(toml::ser::ValueSerializer::new(&mut said));
    if written.is_ok() { said } else { "false".to_owned() }
}

/// A text as TOML has it.
pub(super) fn text(said: &str) -> String {
    value(&Value::from(said))
}

/// Texts by their names, as an inline table.
pub(super) fn pairs(map: &BTreeMap<String, String>) -> String {
    value(&serde_json::to_value(map).unwrap_or_default())
}

/// A list with a line for each of its items.
pub(super) fn list(key: &str, items: impl IntoIterator<Item = String>) -> String {
    let items: String = items.into_iter().map(|item| format!("  {item},\n")).collect();
    if items.is_empty() { format!("{key} = []\n") } else { format!("{key} = [\n{items}]\n") }
}

fn table(pairs: impl IntoIterator<Item = (&'static str, Option<String>)>) -> String {
    let pairs = pairs.into_iter().filter_map(|(key, said)| Some(format!("{key} = {}", said?)));
    format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
}

/// One of the contract's words, as a text.
pub(super) fn quoted(said: impl serde::Serialize) -> String {
    text(&word(said))
}

/// What came of a case, as what is expected of it.
pub(super) async fn expectation(case: &Case, played: &Played) -> String {
    let mut head = String::new();
    if !played.refused.is_empty() {
        // Under another name the case is the same.
        let named = format!("case `{}`", case.name);
        let said = played.refused.join("\n").replace(&named, &format!("case `{ANYTHING}`"));
        head.push_str(&format!("refused = {}\n", text(&said)));
    }
    if !played.left.records.is_empty() || case.expect.records.is_some() {
        head.push_str(&list("records", played.left.records.iter().map(value)));
    }
    if played.left.state != case.state || case.expect.state.is_some() {
        head.push_str(&format!("state = {}\n", pairs(&played.left.state)));
    }
    let files = files(case, played);
    if !files.is_empty() {
        head.push_str(&format!("files = {{ {} }}\n", files.join(", ")));
    }
    let mut blocks = vec![];
    if !head.is_empty() {
        blocks.push(format!("[case.expect]\n{head}"));
    }
    match &played.requires {
        Some(Ok(asked)) => {
            blocks.push(format!("[case.expect.requires]\n{}", list("capabilities", inline(asked))));
        }
        Some(Err(failure)) => blocks.push(format!("[case.expect.requires]\n{}", ending(played, failure, "requires"))),
        None => {}
    }
    for called in Called::ALL {
        if let Some(call) = played.calls.iter().find(|call| call.called == called) {
            blocks.push(format!("[case.expect.{}]\n{}", called.name(), of_call(played, call)));
        }
    }
    for expected in &case.expect.database {
        let rows = played.project.rows(&expected.path, &expected.query).await;
        blocks.push(format!(
            "[[case.expect.database]]\npath = {}\nquery = {}\n{}",
            text(&expected.path),
            text(&expected.query),
            list("rows", rows.iter().map(|row| text(row)))
        ));
    }
    blocks.join("\n")
}

/// The files that are not as they were, and those that the case names: what is said of these is the point of it, also where
/// nothing came of them.
fn files(case: &Case, played: &Played) -> Vec<String> {
    let (before, after) = (played.project.before(), played.project.digests());
    let is_database = |name: &String| case.database.iter().any(|database| name.starts_with(&database.path));
    let named = &case.expect.files;
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).chain(named.keys()).collect();
    let told = names
        .into_iter()
        .filter(|name| named.contains_key(*name) || !is_database(name) && before.get(*name) != after.get(*name));
    let one = |name: &String| {
        let said = match (played.project.read(name), named.get(name)) {
            (None, _) => "false".to_owned(),
            (Some(_), Some(ExpectFile::There(true))) => "true".to_owned(),
            (Some(bytes), expected) => match std::str::from_utf8(&bytes) {
                Ok(said) if said.len() <= TEXT && !matches!(expected, Some(ExpectFile::Digest(_))) => text(said),
                _ => table([("sha256", Some(text(&digest(&bytes))))]),
            },
        };
        format!("{} = {said}", serde_json::Value::from(name.as_str()))
    };
    told.map(one).collect()
}

fn of_call(played: &Played, call: &PlayedCall) -> String {
    let clean = |said: &str| text(&played.project.clean(said));
    let mut said = match &call.answer {
        Ok(Answer::Intents(intents)) => list(
            "intents",
            intents.iter().map(|intent| {
                table([
                    ("id", Some(text(&intent.id))),
                    ("effect", Some(quoted(intent.effect))),
                    ("summary", Some(clean(&intent.summary))),
                    ("detail", intent.detail.as_deref().map(clean)),
                ])
            }),
        ),
        Ok(Answer::Outcome(outcome)) => {
            let mut said = format!("outcome = {}\n", clean(&outcome.summary));
            let outputs = outcome.outputs.iter().map(|(key, value)| (key.clone(), played.project.clean(value)));
            said.push_str(&format!("outputs = {}\n", pairs(&outputs.collect())));
            if !outcome.findings.is_empty() {
                said.push_str(&list(
                    "findings",
                    outcome.findings.iter().map(|finding| {
                        table([
                            ("severity", Some(quoted(finding.severity))),
                            ("code", Some(text(&finding.code))),
                            ("message", Some(clean(&finding.message))),
                            ("file", finding.file.as_deref().map(text)),
                            ("line", finding.line.map(|line| line.to_string())),
                        ])
                    }),
                ));
            }
            said
        }
        Ok(Answer::Verdict(verdict)) => format!("verdict = {}\n", quoted(verdict)),
        Err(failure) => ending(played, failure, call.called.name()),
    };
    said.push_str(&list("log", call.log.iter().map(|line| text(&placeless(line)))));
    said.push_str(&list("used", usages(call, true).iter().map(|line| text(line))));
    said.push_str(&list("denied", usages(call, false).iter().map(|line| text(line))));
    said
}

/// How a call that did not answer ended.
fn ending(played: &Played, failure: &CallFailure, function: &str) -> String {
    let clean = |said: &str| text(&played.project.clean(said));
    match failure {
        CallFailure::Failed(failure) => {
            let causes: Vec<String> = failure.causes.iter().map(|cause| clean(cause)).collect();
            let failure = table([
                ("kind", Some(quoted(kind(failure.kind)))),
                ("code", Some(text(&failure.code))),
                ("message", Some(clean(&failure.message))),
                ("causes", (!causes.is_empty()).then(|| format!("[{}]", causes.join(", ")))),
                // Of a denial it is the host's.
                ("hint", failure.hint.as_deref().filter(|_| failure.kind != Kind::Denied).map(clean)),
            ]);
            format!("failure = {failure}\n")
        }
        CallFailure::TimedOut(_) => "timed-out = true\n".to_owned(),
        other => {
            let problem = other.clone().into_problem(&played.plugin, function);
            let said = problem.causes.first().unwrap_or(&problem.what);
            format!("trap = {}\n", clean(crash(said)))
        }
    }
}

/// A line of the log without where a plugin panicked.
fn placeless(line: &str) -> String {
    const RUST: &str = "error: the plugin panicked: panicked at ";
    const C: &str = "error: the plugin panicked: at ";
    if line.starts_with(RUST) {
        return format!("{RUST}{ANYTHING}");
    }
    match line.strip_prefix(C).and_then(|rest| rest.split_once(": ")) {
        Some((_, message)) => format!("{C}{ANYTHING}: {message}"),
        None => line.to_owned(),
    }
}

/// The line of a crash that says what happened. Where in its source a plugin panicked is left out: it is another line after the
/// next change.
fn crash(said: &str) -> &str {
    let mut lines = said.lines();
    let first = lines.next().unwrap_or_default();
    if let Some(place) = first.strip_prefix("the plugin panicked: ") {
        // Rust's message is in the lines below its place, and C's behind it.
        let message = if place.starts_with("panicked at ") { lines.find(|line| !line.trim().is_empty()) } else { None };
        let behind = || place.strip_prefix("at ").and_then(|place| place.split_once(": ")).map(|(_, message)| message);
        if let Some(message) = message.or_else(behind).filter(|message| !message.trim().is_empty()) {
            return message;
        }
    }
    first
}

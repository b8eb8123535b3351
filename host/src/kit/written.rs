//! What came of a case, in the words of a case file, and put into one: its comments and its order stay.

use super::cases::{Called, Case, ExpectFile};
use super::compare::{ANYTHING, inline, kind, usages, without_nothing, word};
use super::play::{Played, PlayedCall};
use super::project::digest;
use super::read::CaseFile;
use crate::plugin::{Answer, CallFailure, Kind};
use crate::problem::{Code, Problem};
use serde::Serialize as _;
use serde_json::Value;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

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
fn list(key: &str, items: impl IntoIterator<Item = String>) -> String {
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

/// What is to be written into a case.
#[derive(Debug, Default)]
pub(super) struct Insert {
    /// Canned answers, beside those that are there.
    pub(super) canned: Vec<String>,
    /// What is expected, in place of what was; left as it is where there is nothing.
    pub(super) expected: Option<String>,
}

/// A table's header in the text, and what it is the header of.
#[derive(Debug)]
struct Header {
    start: usize,
    case: Option<usize>,
    is_expectation: bool,
}

/// The headers of a file, in order.
fn headers(source: &str) -> Vec<Header> {
    fn walk(source: &str, value: &DeValue<'_>, start: usize, path: &mut Vec<String>, headers: &mut Vec<Header>) {
        let starts_line = source[..start].rsplit('\n').next().unwrap_or_default().trim().is_empty();
        match value {
            DeValue::Table(table) => {
                if source[start..].starts_with('[') && starts_line {
                    let case = path.get(1).and_then(|index| index.parse().ok());
                    let is_expectation = path.get(2).is_some_and(|key| key == "expect");
                    headers.push(Header { start, case, is_expectation });
                }
                for (key, value) in table {
                    path.push(key.get_ref().to_string());
                    walk(source, value.get_ref(), value.span().start, path, headers);
                    path.pop();
                }
            }
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    walk(source, item.get_ref(), item.span().start, path, headers);
                    path.pop();
                }
            }
            _ => {}
        }
    }
    let mut headers = vec![];
    let (table, _) = DeTable::parse_recoverable(source);
    for (key, value) in table.get_ref() {
        walk(source, value.get_ref(), value.span().start, &mut vec![key.get_ref().to_string()], &mut headers);
    }
    headers.sort_by_key(|header| header.start);
    headers.dedup_by_key(|header| header.start);
    headers
}

/// Where what belongs to the table before ends: the comments right above a header are the header's.
fn end_before(source: &str, header: usize) -> usize {
    let mut end = header;
    for line in source[..header].split_inclusive('\n').rev() {
        if line.trim_start().starts_with('#') {
            end -= line.len();
        } else {
            break;
        }
    }
    end
}

/// The file with these inserted, by the places of its cases.
///
/// # Errors
/// Where a case's expectations are not in tables of their own.
pub(super) fn insert(file: &CaseFile, inserts: &BTreeMap<usize, Insert>) -> Result<CaseFile, Problem> {
    let source = &file.text;
    let headers = headers(source);
    let mut edits: Vec<(std::ops::Range<usize>, String)> = vec![];
    for (index, insert) in inserts {
        let of_case: Vec<usize> = (0..headers.len()).filter(|at| headers[*at].case == Some(*index)).collect();
        let end_of = |at: usize| headers.get(at + 1).map_or(source.len(), |next| end_before(source, next.start));
        let expected: Vec<usize> = of_case.iter().copied().filter(|at| headers[*at].is_expectation).collect();
        let pointer = format!("/case/{index}/expect");
        if expected.is_empty() && insert.expected.is_some() && file.written.has(&pointer) {
            let problem = Problem::new(Code::CasesInvalid, "what is expected cannot be written anew where it stands")
                .with_note("the file is as it was")
                .with_hint("write it in tables of its own: `[case.expect.plan]`, `[case.expect.apply]`");
            return Err(problem.at(file.written.place(&pointer)));
        }
        let end = of_case.last().map_or(source.len(), |last| end_of(*last));
        let expected_at = expected.first().map_or(end, |first| headers[*first].start);
        // What is said above the first expectation is said of that.
        let canned_at = expected.first().map_or(end, |first| end_before(source, headers[*first].start));
        if !insert.canned.is_empty() {
            edits.push((canned_at..canned_at, format!("\n{}\n", insert.canned.join("\n"))));
        }
        if let Some(expectation) = &insert.expected {
            let mut comments = String::new();
            let mut removed = vec![];
            for at in &expected {
                let range = headers[*at].start..end_of(*at);
                let lines = source[range.clone()].lines().filter(|line| line.trim_start().starts_with('#'));
                lines.for_each(|line| comments.push_str(&format!("{line}\n")));
                removed.push((range, String::new()));
            }
            let gap = if expected.is_empty() { "\n" } else { "" };
            edits.push((expected_at..expected_at, format!("{gap}{comments}{expectation}\n")));
            edits.extend(removed);
        }
    }
    // What is put in comes before what is taken out at the same place.
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let (mut text, mut at) = (String::new(), 0);
    for (range, new) in edits {
        text.push_str(&source[at..range.start]);
        if new.starts_with('\n') {
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text.push_str(&new);
        at = range.end;
    }
    text.push_str(&source[at..]);
    let text = format!("{}\n", text.trim_end());
    // Its lines end as they did.
    let returns = source.matches("\r\n").count();
    let text = if returns > 0 && returns == source.matches('\n').count() {
        text.replace("\r\n", "\n").replace('\n', "\r\n")
    } else {
        text
    };
    same_cases(file, &text)
}

/// The new text as a file, where it still gives its cases what the old one gave them.
fn same_cases(file: &CaseFile, text: &str) -> Result<CaseFile, Problem> {
    let given = |written: &crate::config::Written| {
        let mut cases = written.value()["case"].clone();
        for case in cases.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            for key in ["expect", "http", "command", "tcp-probe"] {
                case.remove(key);
            }
        }
        cases
    };
    match CaseFile::parse(&file.path, text) {
        Ok(new) if given(&new.written) == given(&file.written) => return Ok(new),
        _ => {}
    }
    Err(Problem::new(Code::Bug, "what was recorded cannot be written into the case file")
        .with_note("the file is as it was")
        .with_hint("please report it with the file"))
}

#[cfg(test)]
mod tests {
    use super::{Insert, insert};
    use crate::kit::CaseFile;
    use std::path::Path;

    const FILE: &str = r#"# what this is about

[[case]] # one
name = "one"
files = { a = """
[case.expect]
# not a comment
""" }

# above
[case.expect.plan]
# why
intents = []

[case.expect.apply]
outcome = "x"

# two
[[case]]
name = "two"
"#;

    #[test]
    fn comments_and_order_stay() {
        let file = CaseFile::parse(Path::new("cases.toml"), FILE).expect("cases");
        let new = |expected: &str| Insert { canned: vec![], expected: Some(expected.into()) };
        let canned = "[[case.http]]\nurl = \"https://a/\"\n".to_owned();
        let inserts = [
            (0, new("[case.expect.plan]\nlog = []\n")),
            (1, Insert { canned: vec![canned], ..new("[case.expect.plan]\nlog = [\"b\"]\n") }),
        ];
        let text = insert(&file, &inserts.into()).expect("a file").text;
        assert_eq!(
            text,
            r#"# what this is about

[[case]] # one
name = "one"
files = { a = """
[case.expect]
# not a comment
""" }

# above
# why
[case.expect.plan]
log = []

# two
[[case]]
name = "two"

[[case.http]]
url = "https://a/"

[case.expect.plan]
log = ["b"]
"#
        );
        let again = CaseFile::parse(Path::new("cases.toml"), &text).expect("cases");
        let inserts = [(0, new("[case.expect.plan]\nlog = []\n"))];
        assert_eq!(insert(&again, &inserts.into()).expect("a file").text, text, "twice is as once");
    }
}

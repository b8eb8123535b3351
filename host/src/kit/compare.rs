//! What was expected, beside what came.

use super::cases::{Called, Case, ExpectCall, ExpectFailure, ExpectFile, ExpectFinding, ExpectIntent, FailureKind};
use super::play::{Played, PlayedCall};
use super::project::{Project, digest};
use super::read::capabilities;
use crate::lock;
use crate::plugin::{Answer, CallFailure, Failure, Intent, Kind, Outcome};
use crate::policy::{Capability, Usage};
use crate::problem::Problem;
use serde_json::{Map, Value};
use similar::{Algorithm, ChangeTag, capture_diff_slices};
use std::collections::BTreeMap;

/// Stands for anything in an expected text.
pub(super) const ANYTHING: &str = "{*}";

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// What it is about, in one line.
    pub what: String,
    /// What was expected beside what came, line by line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
}

/// A line of a difference.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// Expected and there.
    Same(String),
    /// Expected, and not there.
    Expected(String),
    /// Not expected, and there.
    Came(String),
}

impl Difference {
    pub(super) fn said(what: impl Into<String>) -> Self {
        Self { what: what.into(), lines: vec![] }
    }

    /// Why a case could not begin.
    pub(super) fn of(problem: &Problem) -> Self {
        let line = problem.place.as_ref().map(|place| format!(" (line {})", place.line_and_column().0));
        let mut difference = Self::said(format!("it cannot begin: {}{}", problem.what, line.unwrap_or_default()));
        difference.add(&[], &problem.causes);
        difference
    }

    /// Adds lines that differ.
    pub(super) fn add(&mut self, expected: &[String], came: &[String]) {
        let changes = capture_diff_slices(Algorithm::Myers, expected, came);
        let changes = changes.iter().flat_map(|change| change.iter_changes(expected, came));
        self.lines.extend(changes.map(|change| match change.tag() {
            ChangeTag::Equal => Line::Same(change.value()),
            ChangeTag::Delete => Line::Expected(change.value()),
            ChangeTag::Insert => Line::Came(change.value()),
        }));
    }
}

/// Whether a text is as expected; `{*}` stands for anything.
pub(super) fn fits(expected: &str, came: &str) -> bool {
    let mut pieces = expected.split(ANYTHING);
    let Some(mut rest) = came.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, between)) = pieces.split_last() else { return rest.is_empty() };
    for piece in between {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// What is compared, line by line.
struct Comparison<'a> {
    differences: Vec<Difference>,
    played: &'a Played,
}

/// All that is not as a case expects.
pub(super) async fn compare(case: &Case, played: &Played) -> Vec<Difference> {
    let mut comparison = Comparison { differences: vec![], played };
    comparison.before(case);
    // What was not answered is most often why the rest differs.
    for end in &played.loose_ends {
        if !comparison.differences.contains(end) {
            comparison.differences.push(end.clone());
        }
    }
    for called in Called::ALL {
        comparison.call(case, called);
    }
    comparison.after(case).await;
    comparison.differences
}

impl Comparison<'_> {
    fn say(&mut self, what: impl Into<String>) {
        self.differences.push(Difference::said(what));
    }

    fn lines(&mut self, what: &str, expected: Vec<String>, came: Vec<String>) {
        let mut met = vec![false; expected.len()];
        let mut as_expected = |(place, line): (usize, String)| {
            let fits = |at: &usize| !met[*at] && fits(&expected[*at], &line);
            let found = Some(place).filter(|at| *at < expected.len()).filter(fits);
            match found.or_else(|| (0..expected.len()).find(fits)) {
                Some(at) => {
                    met[at] = true;
                    expected[at].clone()
                }
                None => line,
            }
        };
        let came: Vec<String> = came.into_iter().enumerate().map(&mut as_expected).collect();
        if expected != came {
            let mut difference = Difference::said(format!("{what} is not as expected"));
            difference.add(&expected, &came);
            self.differences.push(difference);
        }
    }

    fn text(&mut self, what: &str, expected: &str, came: &str) {
        if !fits(expected, came) {
            let lines = |text: &str| text.split('\n').map(str::to_owned).collect::<Vec<_>>();
            self.lines(what, lines(expected), lines(came));
        }
    }

    /// Configuration, what is asked for, and what is granted.
    fn before(&mut self, case: &Case) {
        let refused = self.played.refused.join("\n");
        match &case.expect.refused {
            Some(text) if refused.is_empty() => {
                self.say(format!("the configuration fits, and was to be refused for `{text}`"))
            }
            Some(text) if !fits(&format!("{ANYTHING}{text}{ANYTHING}"), &refused) => {
                let mut difference = Difference::said("the configuration is refused for another reason");
                difference.add(std::slice::from_ref(text), &self.played.refused);
                self.differences.push(difference);
            }
            None if !refused.is_empty() => {
                let mut difference = Difference::said("the configuration does not fit the plugin's schema");
                difference.add(&[], &self.played.refused);
                self.differences.push(difference);
            }
            _ => {}
        }
        let requires = case.expect.requires.as_ref();
        let expected = requires.and_then(|requires| requires.failure.as_ref());
        match &self.played.requires {
            None => {}
            Some(Ok(came)) => {
                if expected.is_some() {
                    self.say("`requires` was to fail, and did not");
                }
                if let Some(lines) = requires.and_then(|requires| requires.capabilities.as_deref()) {
                    let mut expected = capabilities(lines);
                    expected.sort();
                    self.lines("what the plugin asks for", inline(&expected), inline(came));
                }
            }
            Some(Err(failure)) => self.failure("requires", expected, failure),
        }
        let too_much: Vec<String> = inline(&self.played.too_much);
        if !too_much.is_empty() {
            let mut difference = Difference::said(
                "`granted` has what the plugin does not ask for, so that no lock would have it: leave it out, or let `requires` ask for it",
            );
            let asked = self.played.requires.as_ref().and_then(|requires| requires.as_ref().ok());
            difference.add(&too_much, &asked.map(|asked| inline(asked)).unwrap_or_default());
            self.differences.push(difference);
        }
    }

    fn call(&mut self, case: &Case, called: Called) {
        let name = called.name();
        let nothing = ExpectCall::default();
        let expected = case.expect.of(called);
        let played = self.played;
        let Some(call) = played.calls.iter().find(|call| call.called == called) else {
            if expected.is_some() {
                let why = played.stopped.as_deref().unwrap_or("what comes before it was refused");
                self.say(format!("`{name}` was not called: {why}"));
            }
            return;
        };
        let expected = expected.unwrap_or(&nothing);
        match &call.answer {
            Ok(answer) => self.answer(name, expected, answer),
            Err(CallFailure::TimedOut(_)) if expected.timed_out => {}
            Err(failure @ (CallFailure::Trapped { .. } | CallFailure::Exceeded(_))) if expected.trap.is_some() => {
                let text = expected.trap.as_deref().unwrap_or_default();
                let came = told(failure, &self.played.plugin, name).join("\n");
                if !fits(&format!("{ANYTHING}{text}{ANYTHING}"), &came) {
                    let mut difference = Difference::said(format!("`{name}` crashes in another way"));
                    difference.add(&[text.to_owned()], &told(failure, &self.played.plugin, name));
                    self.differences.push(difference);
                }
            }
            Err(failure) => self.failure(name, expected.failure.as_ref(), failure),
        }
        self.around(name, expected, call);
    }

    /// The log, and what was done and denied.
    fn around(&mut self, name: &str, expected: &ExpectCall, call: &PlayedCall) {
        if let Some(lines) = &expected.log {
            self.lines(&format!("the log of `{name}`"), lines.clone(), call.log.clone());
        }
        if let Some(used) = &expected.used {
            self.lines(&format!("what `{name}` used"), used.clone(), usages(call, true));
        }
        // A denial is never by the way.
        let denied = expected.denied.clone().unwrap_or_default();
        self.lines(&format!("what was denied to `{name}`"), denied, usages(call, false));
    }

    fn answer(&mut self, name: &str, expected: &ExpectCall, answer: &Answer) {
        for (said, word) in [
            (expected.failure.is_some(), "fail"),
            (expected.trap.is_some(), "crash"),
            (expected.timed_out, "take too long"),
        ] {
            if said {
                self.say(format!("`{name}` was to {word}, and did not"));
            }
        }
        match answer {
            Answer::Intents(intents) => {
                if let Some(expected) = &expected.intents {
                    let came = self.intents(expected, intents);
                    let expected: Vec<String> = expected.iter().flat_map(expected_intent).collect();
                    self.lines(&format!("what `{name}` means to do"), expected, came);
                }
            }
            Answer::Outcome(outcome) => self.outcome(name, expected, outcome),
            Answer::Verdict(verdict) => {
                if let Some(expected) = expected.verdict {
                    let word = |verdict| vec![text_of(&serde_json::to_value(verdict).unwrap_or_default())];
                    self.lines("the verdict of `probe`", word(expected), word(*verdict));
                }
            }
        }
    }

    /// Intents, with the keys that are expected of any of them.
    fn intents(&self, expected: &[ExpectIntent], came: &[Intent]) -> Vec<String> {
        let any = |has: fn(&ExpectIntent) -> bool| expected.is_empty() || expected.iter().any(has);
        let (effect, summary, detail) =
            (any(|it| it.effect.is_some()), any(|it| it.summary.is_some()), any(|it| it.detail.is_some()));
        let shown = |(place, intent): (usize, &Intent)| {
            let has = |of_any: bool, of_this: fn(&ExpectIntent) -> bool| expected.get(place).map_or(of_any, of_this);
            intent_lines(
                &intent.id,
                has(effect, |it| it.effect.is_some()).then_some(intent.effect),
                has(summary, |it| it.summary.is_some()).then(|| self.played.project.clean(&intent.summary)).as_deref(),
                intent
                    .detail
                    .as_ref()
                    .filter(|_| has(detail, |it| it.detail.is_some()))
                    .map(|it| self.played.project.clean(it))
                    .as_deref(),
            )
        };
        came.iter().enumerate().flat_map(shown).collect()
    }

    fn outcome(&mut self, name: &str, expected: &ExpectCall, outcome: &Outcome) {
        let clean = |text: &str| self.played.project.clean(text);
        if let Some(expected) = &expected.outcome {
            let came = clean(&outcome.summary);
            self.text(&format!("the outcome of `{name}`"), expected, &came);
        }
        if let Some(expected) = &expected.outputs {
            let came: BTreeMap<String, String> =
                outcome.outputs.iter().map(|(key, value)| (key.clone(), self.played.project.clean(value))).collect();
            self.lines(&format!("what `{name}` puts out"), pairs(expected), pairs(&came));
        }
        if let Some(expected) = &expected.findings {
            let came = outcome.findings.iter().enumerate().map(|(place, finding)| {
                let like = expected.get(place);
                let keep = |said: fn(&ExpectFinding) -> bool| like.is_none_or(said);
                finding_line(
                    keep(|it| it.severity.is_some()).then_some(finding.severity),
                    &finding.code,
                    keep(|it| it.message.is_some()).then(|| self.played.project.clean(&finding.message)),
                    finding.file.clone().filter(|_| keep(|it| it.file.is_some())),
                    finding.line.filter(|_| keep(|it| it.line.is_some())),
                )
            });
            let came = came.collect();
            let line =
                |it: &ExpectFinding| finding_line(it.severity, &it.code, it.message.clone(), it.file.clone(), it.line);
            self.lines(&format!("what `{name}` saw"), expected.iter().map(line).collect(), came);
        }
    }

    fn failure(&mut self, name: &str, expected: Option<&ExpectFailure>, came: &CallFailure) {
        let (Some(expected), CallFailure::Failed(failure)) = (expected, came) else {
            let mut difference = Difference::said(match came {
                CallFailure::Failed(_) => format!("`{name}` failed"),
                CallFailure::TimedOut(_) => format!("`{name}` took too long"),
                CallFailure::Refused(_) | CallFailure::Stopped => format!("`{name}` could not be called"),
                CallFailure::Exceeded(_) | CallFailure::Trapped { .. } => format!("`{name}` crashed"),
            });
            let lines: Vec<String> =
                told(came, &self.played.plugin, name).iter().map(|line| self.played.project.clean(line)).collect();
            difference.add(&[], &lines);
            self.differences.push(difference);
            return;
        };
        let failure = self.cleaned(failure);
        let came = ExpectFailure {
            kind: expected.kind.map(|_| kind(failure.kind)),
            code: expected.code.as_ref().map(|_| failure.code),
            message: expected.message.as_ref().map(|_| failure.message),
            causes: expected.causes.as_ref().map(|_| failure.causes),
            hint: expected.hint.as_ref().map(|_| failure.hint.unwrap_or_default()),
            note: expected.note.as_ref().map(|_| failure.note.unwrap_or_default()),
        };
        self.lines(&format!("the failure of `{name}`"), failure_lines(expected), failure_lines(&came));
    }

    fn cleaned(&self, failure: &Failure) -> Failure {
        let clean = |text: &String| self.played.project.clean(text);
        Failure {
            kind: failure.kind,
            code: failure.code.clone(),
            message: clean(&failure.message),
            causes: failure.causes.iter().map(clean).collect(),
            hint: failure.hint.as_ref().map(clean),
            note: failure.note.as_ref().map(clean),
        }
    }

    /// What the case has left.
    async fn after(&mut self, case: &Case) {
        let left = &self.played.left;
        if let Some(expected) = &case.expect.records {
            let lines = |values: &[Value]| values.iter().map(|value| without_nothing(value).to_string()).collect();
            self.lines("what was recorded", lines(expected), lines(&left.records));
        }
        if let Some(expected) = &case.expect.state {
            self.lines("what was kept", pairs(expected), pairs(&left.state));
        }
        let project: &Project = &self.played.project;
        for (name, expected) in &case.expect.files {
            let came = project.read(name);
            let what = format!("the file `{name}`");
            match (expected, came) {
                (ExpectFile::There(true) | ExpectFile::Text(_) | ExpectFile::Digest(_), None) => {
                    self.say(format!("{what} is not there"));
                }
                (ExpectFile::There(false), Some(_)) => self.say(format!("{what} is there, and was not to be")),
                (ExpectFile::There(_), _) => {}
                (ExpectFile::Text(text), Some(bytes)) => self.text(&what, text, &String::from_utf8_lossy(&bytes)),
                (ExpectFile::Digest(expected), Some(bytes)) => {
                    self.lines(&what, vec![expected.sha256.clone()], vec![digest(&bytes)]);
                }
            }
        }
        for expected in &case.expect.database {
            let rows = project.rows(&expected.path, &expected.query).await;
            self.lines(
                &format!("the answer of `{}` to `{}`", expected.path, expected.query),
                expected.rows.clone(),
                rows,
            );
        }
    }
}

/// A failure as a person is told of it.
fn told(failure: &CallFailure, plugin: &str, function: &str) -> Vec<String> {
    let problem = failure.clone().into_problem(plugin, function);
    let detail = problem.detail.map(|detail| format!("code: {detail}"));
    let hint = problem.hint.map(|hint| format!("hint: {hint}"));
    let said = std::iter::once(problem.what).chain(problem.causes).chain(detail).chain(hint);
    said.flat_map(|said| said.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// What was allowed or denied in a call, with how often.
pub(super) fn usages(call: &PlayedCall, allowed: bool) -> Vec<String> {
    let line = |usage: &Usage| match usage.times {
        0 | 1 => usage.asked.clone(),
        times => format!("{} ({times} times)", usage.asked),
    };
    call.usages.iter().filter(|usage| usage.allowed == allowed).map(line).collect()
}

/// Capabilities in lines as `deploy.lock` has them.
pub(super) fn inline(capabilities: &[Capability]) -> Vec<String> {
    capabilities.iter().map(|capability| lock::inline(capability).unwrap_or_default()).collect()
}

pub(super) const fn kind(kind: Kind) -> FailureKind {
    match kind {
        Kind::CheckFailed => FailureKind::CheckFailed,
        Kind::Misconfigured => FailureKind::Misconfigured,
        Kind::Unavailable => FailureKind::Unavailable,
        Kind::Denied => FailureKind::Denied,
        Kind::Bug => FailureKind::Bug,
    }
}

/// A word of ours as text.
pub(super) fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// One of the contract's words, as it is written.
pub(super) fn word(value: impl serde::Serialize) -> String {
    text_of(&serde_json::to_value(value).unwrap_or_default())
}

fn pairs(map: &BTreeMap<String, String>) -> Vec<String> {
    map.iter().flat_map(|(key, value)| keyed(key, value)).collect()
}

/// A key and its text, which may have several lines.
fn keyed(key: &str, text: &str) -> Vec<String> {
    if text.contains('\n') {
        std::iter::once(format!("{key}:")).chain(text.lines().map(|line| format!("  {line}"))).collect()
    } else {
        vec![format!("{key}: {text}")]
    }
}

fn expected_intent(intent: &ExpectIntent) -> Vec<String> {
    intent_lines(&intent.id, intent.effect, intent.summary.as_deref(), intent.detail.as_deref())
}

fn intent_lines(
    id: &str,
    effect: Option<crate::plugin::Effect>,
    summary: Option<&str>,
    detail: Option<&str>,
) -> Vec<String> {
    let effect = effect.map(|effect| format!(" ({})", word(effect))).unwrap_or_default();
    let rest = [("summary", summary), ("detail", detail)].into_iter();
    let rest =
        rest.filter_map(|(key, text)| Some((key, text?))).flat_map(|(key, text)| keyed(&format!("  {key}"), text));
    std::iter::once(format!("{id}{effect}")).chain(rest).collect()
}

fn finding_line(
    severity: Option<crate::event::Severity>,
    code: &str,
    message: Option<String>,
    file: Option<String>,
    line: Option<u32>,
) -> String {
    let mut text = severity.map(|severity| format!("{} ", word(severity))).unwrap_or_default();
    text.push_str(code);
    if let Some(message) = message {
        text.push_str(&format!(": {message}"));
    }
    if let Some(file) = file {
        text.push_str(&format!(" ({file}{})", line.map(|line| format!(":{line}")).unwrap_or_default()));
    }
    text
}

fn failure_lines(failure: &ExpectFailure) -> Vec<String> {
    let mut lines: Vec<String> = failure.kind.map(|kind| format!("kind: {}", word(kind))).into_iter().collect();
    lines.extend(failure.code.iter().map(|code| format!("code: {code}")));
    lines.extend(failure.message.iter().flat_map(|text| keyed("message", text)));
    lines.extend(failure.causes.iter().flatten().flat_map(|text| keyed("cause", text)));
    lines.extend(failure.hint.iter().flat_map(|text| keyed("hint", text)));
    lines.extend(failure.note.iter().flat_map(|text| keyed("note", text)));
    lines
}

/// A value as TOML can write it, which has no `null`.
pub(super) fn without_nothing(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), without_nothing(value)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => Value::Array(items.iter().filter(|item| !item.is_null()).map(without_nothing).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_pattern_stands_for_anything_between_what_is_said() {
        for (expected, came, fit) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("took {*} ms", "took 12 ms", true),
            ("took {*} ms", "took 12 s", false),
            ("{*}", "", true),
            ("{*}b{*}", "abc", true),
            ("a{*}a", "a", false),
            ("a{*}b{*}c", "a-b-c", true),
            ("a{*}b{*}c", "a-c-b", false),
        ] {
            assert_eq!(fits(expected, came), fit, "{expected} {came}");
        }
    }
}

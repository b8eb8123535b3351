//! What came of a plugin's cases: for people, for programs, and as JUnit XML for a CI.

use super::{Style, harmless};
use crate::kit::{CaseResult, Difference, Line, Results};
use maud::{PreEscaped, html};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// The version of the JSON form.
pub const CASES_SCHEMA: &str = "windlass.cases/1";

/// The most lines of a log that are shown below a case that failed: the last ones are those that say why.
const LOGGED: usize = 20;

/// A line for each case, with what differs and what was logged below those that failed, and the sum. `whole_log` shows all that
/// was logged, also below those that passed.
#[must_use]
pub fn cases(results: &Results, whole_log: bool, style: Style) -> String {
    let mut text = String::new();
    for case in &results.cases {
        let passed = case.differences.is_empty();
        let word = if passed { style.green("ok    ") } else { style.red("FAILED") };
        let took = style.dim(&format!("({})", crate::words::span(case.took)));
        let _ = writeln!(text, "{word}  {} {took}", harmless(&case.name));
        for difference in &case.differences {
            text.push_str(&told(difference, "        ", style));
        }
        let left_out = if whole_log { 0 } else { case.log.len().saturating_sub(LOGGED) };
        if whole_log || !passed {
            if left_out > 0 {
                let _ = writeln!(text, "        {}", style.dim(&format!("log: … {left_out} lines more")));
            }
            for line in &case.log[left_out..] {
                let _ = writeln!(text, "        {}", style.dim(&format!("log: {}", harmless(line))));
            }
        }
    }
    let (all, failed) = (results.cases.len(), results.failed());
    let noun = if all == 1 { "case" } else { "cases" };
    let took: Duration = results.cases.iter().map(|case| case.took).sum();
    let _ = writeln!(
        text,
        "{all} {noun} of {}: {} ok, {failed} failed ({})",
        results.plugin,
        all - failed,
        crate::words::span(took)
    );
    text
}

fn told(difference: &Difference, indent: &str, style: Style) -> String {
    let mut text = format!("{indent}{}\n", harmless(&difference.what));
    for line in &difference.lines {
        // What it is made harmless of would be the style's own afterwards.
        let line = match line {
            Line::Same(line) => format!("  {}", harmless(line)),
            Line::Expected(line) => style.red(&format!("- {}", harmless(line))),
            Line::Came(line) => style.green(&format!("+ {}", harmless(line))),
        };
        for line in line.split('\n') {
            let _ = writeln!(text, "{indent}  {line}");
        }
    }
    text
}

/// The same for programs.
#[must_use]
pub fn cases_json(results: &Results) -> Value {
    let case = |case: &CaseResult| {
        json!({
            "name": case.name,
            "passed": case.differences.is_empty(),
            "duration-ms": milliseconds(case),
            "differences": case.differences,
            "log": case.log,
        })
    };
    json!({
        "schema": CASES_SCHEMA,
        "plugin": results.plugin,
        "sha256": results.digest,
        "passed": results.cases.len() - results.failed(),
        "failed": results.failed(),
        "cases": results.cases.iter().map(case).collect::<Vec<_>>(),
    })
}

fn milliseconds(case: &CaseResult) -> u64 {
    u64::try_from(case.took.as_millis()).unwrap_or(u64::MAX)
}

/// What recording has changed of what a case expected, before it is forgotten.
#[must_use]
pub fn changed_case(name: &str, differences: &[Difference], style: Style) -> String {
    let mut text = format!("{} what came of `{}` is not what it expected:\n", style.yellow("changed:"), harmless(name));
    for difference in differences {
        text.push_str(&told(difference, "  ", style));
    }
    text
}

/// The same as JUnit XML, in the strict form of Ant's schema.
#[must_use]
pub fn cases_junit(results: &Results, began: jiff::Timestamp) -> String {
    let seconds = |milliseconds: u64| format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    // Readers take what is before a dot for a package: a class is called after the plugin, whose name has none.
    let name = &results.plugin;
    let class = name.split('@').next().unwrap_or_default();
    // Times there have no time zone; this is UTC.
    let timestamp = began.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let all = results.cases.iter().map(milliseconds).sum();
    let text = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
        testsuites {
            testsuite
                name=(name) id="0" package=(name) hostname="localhost" timestamp=(timestamp) tests=(results.cases.len())
                failures=(results.failed()) errors="0" skipped="0" time=(seconds(all)) {
                properties { property name="sha256" value=(results.digest) {} }
                @for case in &results.cases {
                    testcase name=(harmless(&case.name)) classname=(class) time=(seconds(milliseconds(case))) {
                        @if let Some(first) = case.differences.first() {
                            failure type="cases-failed" message=(harmless(&first.what)) {
                                @for difference in &case.differences { (told(difference, "", Style::plain())) }
                            }
                        }
                    }
                }
                system-out {}
                system-err {}
            }
        }
        "\n"
    };
    super::xml(text)
}

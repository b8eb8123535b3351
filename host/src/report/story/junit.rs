//! The story as JUnit XML: a suite of the steps, one of what was taken back, and one of the checks. In the strict form of Ant's
//! schema, which every reader takes, GitLab's among them.

use super::words::{parts, step_word};
use super::{Kind, Row, RowOutcome, StepStory, Story, Work, WorkOutcome};
use crate::event::StepOutcome;
use crate::words::short;
use maud::{Markup, PreEscaped, html};

/// A case, and what it counts as.
struct Case {
    name: String,
    milliseconds: u64,
    came: Came,
}

/// What came of a case.
enum Came {
    Passed,
    Skipped(String),
    /// Something is not as it must be.
    Failed {
        kind: String,
        message: String,
        text: String,
    },
    /// It is not known, or was cut short.
    Error {
        kind: &'static str,
        message: String,
    },
}

/// The story as JUnit XML.
#[must_use]
pub fn junit(story: &Story) -> String {
    let place = match &story.subject.component {
        Some(component) => format!("{} {}", story.subject.environment, component),
        None => story.subject.environment.clone(),
    };
    let class = |suite: &str| format!("{}.{}.{suite}", story.subject.app.replace('.', "-"), place.replace('.', "-"));
    // A reader takes only the first of two cases of one name: of what was done more than once the last one counts.
    let reverts = story.steps.iter().filter_map(|step| {
        let work = step.work.iter().rev().find(|work| work.kind == Kind::Revert)?;
        Some(work_case(format!("take back {}", step.id), work))
    });
    let last = |place: usize| {
        let later = &story.checks_again[place + 1..];
        !later.iter().any(|check| check.step == story.checks_again[place].step)
    };
    let again = story.checks_again.iter().enumerate().filter(|(place, _)| last(*place));
    let again = again.map(|(_, check)| work_case(format!("{} (what is live again)", check.step), &check.work));
    let suites = [
        ("steps", story.steps.iter().map(step_case).collect()),
        ("rollback", reverts.chain(again).collect::<Vec<_>>()),
        ("checks", story.checks.iter().map(|row| check_case(story, row)).collect()),
    ];
    // Times there have no time zone; this is UTC.
    let timestamp = story.started.split(['.', 'Z']).next().unwrap_or_default();
    let suites = suites.iter().filter(|(_, cases)| !cases.is_empty()).enumerate();
    let text = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
        testsuites {
            @for (id, (suite, cases)) in suites {
                (suite_of(story, id, &class(suite), &place, timestamp, cases))
            }
        }
        "\n"
    };
    crate::report::xml(text)
}

fn suite_of(story: &Story, id: usize, class: &str, place: &str, timestamp: &str, cases: &[Case]) -> Markup {
    let count = |counts: fn(&Came) -> bool| cases.iter().filter(|case| counts(&case.came)).count();
    let properties = [
        ("run", story.run.as_str()),
        ("version", &story.subject.version),
        ("commit", short(&story.subject.commit)),
        ("plan", story.plan.as_ref().map_or("", |plan| &plan.digest)),
    ];
    html! {
        testsuite
            name=(class) id=(id) package=(story.subject.app) hostname=(place) timestamp=(timestamp) tests=(cases.len())
            failures=(count(|came| matches!(came, Came::Failed { .. })))
            errors=(count(|came| matches!(came, Came::Error { .. })))
            skipped=(count(|came| matches!(came, Came::Skipped(_))))
            time=(seconds(cases.iter().map(|case| case.milliseconds).sum())) {
            properties {
                @for (name, value) in properties { property name=(name) value=(value) {} }
            }
            @for case in cases {
                testcase name=(case.name) classname=(class) time=(seconds(case.milliseconds)) {
                    @match &case.came {
                        Came::Passed => {}
                        Came::Skipped(message) => { skipped message=(message) {} }
                        Came::Failed { kind, message, text } => { failure type=(kind) message=(message) { (text) } }
                        Came::Error { kind, message } => { error type=(kind) message=(message) {} }
                    }
                }
            }
            system-out {}
            system-err {}
        }
    }
}

impl Story {
    /// The work that a row is of.
    fn work_of(&self, row: &Row) -> Option<&Work> {
        if row.again {
            return self.checks_again.iter().rev().find(|check| check.step == row.step).map(|check| &check.work);
        }
        let step = self.steps.iter().find(|step| step.id == row.step)?;
        step.work.iter().rev().find(|work| work.kind == Kind::Apply)
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

fn step_case(step: &StepStory) -> Case {
    let last = step.work.iter().rev().find(|work| work.kind == Kind::Apply);
    let failed = last.filter(|work| work.outcome == WorkOutcome::Failed);
    let came = match (failed, step.outcome) {
        // Also where it was taken back since.
        (Some(work), _) => failure(work),
        (None, StepOutcome::Skipped | StepOutcome::NotRun) => Came::Skipped(step_word(step).to_owned()),
        (None, StepOutcome::Cancelled) => Came::Error { kind: "cancelled", message: "it was cancelled".to_owned() },
        (None, StepOutcome::Unknown) => Came::Error {
            kind: "step-unknown",
            message: step.said_words().unwrap_or_else(|| "it was cut off, and nobody knows how far it came".to_owned()),
        },
        _ => Came::Passed,
    };
    Case { name: step.id.clone(), milliseconds: step.duration_ms, came }
}

fn work_case(name: String, work: &Work) -> Case {
    let came = match work.outcome {
        WorkOutcome::Succeeded => Came::Passed,
        WorkOutcome::Failed | WorkOutcome::TriedAgain => failure(work),
        WorkOutcome::Kept => Came::Skipped(work.summary.clone().unwrap_or_default()),
        WorkOutcome::Cancelled | WorkOutcome::Unknown => {
            Came::Error { kind: "step-unknown", message: "it was cut off".to_owned() }
        }
    };
    Case { name, milliseconds: work.duration_ms.unwrap_or_default(), came }
}

fn failure(work: &Work) -> Came {
    let trouble = work.trouble.as_ref();
    Came::Failed {
        kind: trouble.map_or_else(String::new, |trouble| trouble.code.clone()),
        message: trouble.map_or_else(String::new, |trouble| trouble.what.clone()),
        text: trouble.map(parts).unwrap_or_default(),
    }
}

fn check_case(story: &Story, row: &Row) -> Case {
    let again = if row.again { " (what is live again)" } else { "" };
    let result = row.results.join(", then ");
    let came = match row.outcome {
        RowOutcome::Passed => Came::Passed,
        RowOutcome::Skipped => Came::Skipped(result),
        // What was expected and what came is in what the step says.
        RowOutcome::Failed => Came::Failed {
            kind: "check-failed".to_owned(),
            message: result,
            text: story.work_of(row).and_then(|work| work.trouble.as_ref()).map(parts).unwrap_or_default(),
        },
    };
    Case { name: format!("{}: {}{again}", row.step, row.name), milliseconds: 0, came }
}

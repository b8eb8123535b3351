//! The run as it goes, on standard error: in words, and folded, annotated or drawn by whoever reads them.

use super::problem::annotate;
use super::screen::{self, Annotation};
use super::verdict::Came;
use super::{Style, harmless};
use crate::event::{Event, Finding, Level, Listener, ReportItem, Severity, StepEntry, Subject, Trouble};
use crate::problem::{Code, Exit};
use crate::run::RunResult;
use crate::words::span;
use std::time::Duration;

/// Tells a person what happens. Whatever cannot be written is left out: talk never changes an outcome.
#[derive(Debug)]
pub struct Console {
    style: Style,
    level: Level,
    /// Where the project is, as the forge knows it: what stands before the paths of findings.
    prefix: String,
}

/// Tells nobody.
#[derive(Debug)]
pub struct Silent;

impl Listener for Silent {
    fn event(&self, _: &Event) {}
    fn log(&self, _: &str, _: Level, _: &str) {}
    fn write(&self, _: &str, _: &[u8]) {}
    fn progress(&self, _: &str, _: &str, _: Option<u64>, _: Option<u64>) {}
}

impl Console {
    /// A console that shows messages of this level and above, of a project in this directory of the repository.
    #[must_use]
    pub fn new(style: Style, level: Level, directory: Option<String>) -> Self {
        let prefix = directory.filter(|it| !it.is_empty()).map(|it| format!("{it}/")).unwrap_or_default();
        Self { style, level, prefix }
    }

    fn line(&self, line: &str) {
        // In one piece, with its end.
        screen::say(&format!("{line}\n"));
    }

    fn begin(&self, mark: &str, step: &str, more: &str, title: &str) {
        let style = self.style;
        screen::begin(step, title, &format!("{} {}{more}\n", style.dim(mark), style.bold(step)));
    }

    fn done(&self, mark: &str, step: &str, summary: &str, milliseconds: u64) {
        screen::end();
        self.line(&format!("{mark} {step}: {} {}", harmless(summary), self.style.dim(&took(milliseconds))));
    }

    fn failed(&self, step: &str, what: &str, milliseconds: u64) {
        screen::end();
        let (mark, step) = (self.style.red("✗"), self.style.bold(step));
        self.line(&format!("{mark} {step}{what} {}", self.style.dim(&took(milliseconds))));
    }

    /// Why something failed, where a forge shows it; otherwise in words.
    fn reason(&self, step: &str, trouble: &Trouble) {
        if !annotate(Some(step), &trouble.problem()) {
            self.trouble(trouble);
        }
    }

    fn trouble(&self, trouble: &Trouble) {
        self.line(&format!("    {}", harmless(&trouble.what)));
        for cause in &trouble.causes {
            for line in harmless(cause).lines() {
                self.line(&format!("      {line}"));
            }
        }
        if let Some(note) = &trouble.note {
            self.line(&format!("    note: {}", harmless(note)));
        }
        if let Some(hint) = &trouble.hint {
            self.line(&format!("    hint: {}", harmless(hint)));
        }
    }

    /// What a step saw, where a forge shows it; otherwise in words.
    fn findings<'a>(&self, step: &str, findings: impl IntoIterator<Item = &'a Finding>) {
        for finding in findings {
            let message = harmless(&finding.message);
            let file = finding.file.as_ref().map(|file| format!("{}{}", self.prefix, harmless(file)));
            let annotation = Annotation {
                severity: finding.severity,
                file: file.as_deref(),
                line: finding.line.and_then(|line| line.try_into().ok()),
                title: &format!("{step}: {}", finding.code),
                message: &message,
                is_reason: false,
            };
            if screen::annotate(&annotation) {
                continue;
            }
            let word = match finding.severity {
                Severity::Notice => "notice:",
                Severity::Warning => "warning:",
                Severity::Error => "error:",
            };
            let place = match (&finding.file, finding.line) {
                (Some(file), Some(line)) => format!(" ({}:{line})", harmless(file)),
                (Some(file), None) => format!(" ({})", harmless(file)),
                _ => String::new(),
            };
            self.line(&format!("  {} {message}{place}", self.style.yellow(word)));
        }
    }
}

/// What of a step's report is about a place to look at.
fn annotations(report: &[ReportItem]) -> impl Iterator<Item = &Finding> {
    report.iter().filter_map(|item| match item {
        ReportItem::Annotation { finding } => Some(finding),
        ReportItem::Table { .. } | ReportItem::Metric { .. } => None,
    })
}

fn took(milliseconds: u64) -> String {
    span(Duration::from_millis(milliseconds))
}

impl Listener for Console {
    fn event(&self, event: &Event) {
        let style = self.style;
        match event {
            Event::RunStarted { steps, .. } => {
                screen::expect(steps.iter().map(|StepEntry { id, finally, .. }| (id.clone(), *finally)).collect());
            }
            Event::StepStarted { step, attempt } => {
                let again = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                self.begin("▸", step, &again, &format!("{step}{again}"));
            }
            Event::StepSucceeded { step, summary, findings, report, duration_ms, .. } => {
                self.done(&style.green("✓"), step, summary, *duration_ms);
                self.findings(step, findings.iter().chain(annotations(report)));
            }
            Event::StepFailed { step, trouble, report, again, duration_ms, .. } => {
                self.failed(step, if *again { " (it is tried again)" } else { "" }, *duration_ms);
                self.findings(step, annotations(report));
                if *again {
                    self.trouble(trouble);
                } else {
                    self.reason(step, trouble);
                }
            }
            Event::StepCancelled { step, .. } => {
                screen::end();
                self.line(&format!("{} {step}: cancelled", style.red("✗")));
            }
            Event::StepSkipped { step } => {
                screen::pass(step);
                self.line(&style.dim(&format!("- {step}: nothing to do")));
            }
            Event::RunTurned { step } => {
                screen::turn();
                let until = step.as_ref().map(|step| format!(" until `{step}`")).unwrap_or_default();
                self.line(&style.bold(&format!("taking back what was done{until}")));
            }
            Event::RevertStarted { step } => self.begin("◂", step, "", &format!("taking back {step}")),
            Event::StepReverted { step, summary, duration_ms, .. } => {
                self.done(&style.green("↩"), step, summary, *duration_ms);
            }
            Event::StepKept { step, summary, .. } => {
                screen::end();
                self.line(&format!("{} {step}: not taken back: {}", style.yellow("!"), harmless(summary)));
            }
            Event::RevertFailed { step, trouble, duration_ms, .. } => {
                self.failed(step, " could not be taken back", *duration_ms);
                self.reason(step, trouble);
            }
            Event::RunCancelled { times: 1 } => {
                let line = "told to stop; a second signal cuts short what is being taken back";
                self.line(&style.yellow(line));
            }
            Event::RunCancelled { .. } => self.line(&style.yellow("told to stop again")),
            Event::CheckStarted { step } => {
                self.begin("▸", step, " (what is live again)", &format!("{step} (what is live again)"));
            }
            Event::CheckPassed { step, summary, duration_ms, .. } => {
                self.done(&style.green("✓"), &format!("{step} (what is live again)"), summary, *duration_ms);
            }
            Event::CheckFailed { step, trouble, duration_ms, .. } => {
                self.failed(step, ": it is not proven that what is live again works", *duration_ms);
                self.reason(step, trouble);
            }
            Event::FreezeOverridden { cause, until, reason } => {
                let until = until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
                let text = format!("deployments are frozen{until}, and this one is made all the same: {reason}");
                self.line(&format!("{} {}", style.yellow("note:"), harmless(&text)));
                self.line(&format!("      {}", harmless(cause)));
            }
            Event::NoteAdded { text } => self.line(&format!("{} {}", style.yellow("note:"), harmless(text))),
            Event::RunFinished { .. } => screen::finish(),
            _ => {}
        }
    }

    fn log(&self, _: &str, level: Level, message: &str) {
        if level < self.level {
            return;
        }
        for line in harmless(message).lines() {
            let line = match level {
                Level::Debug => self.style.dim(line),
                Level::Info => line.to_owned(),
                Level::Warn => format!("{} {line}", self.style.yellow("warning:")),
                Level::Error => format!("{} {line}", self.style.red("error:")),
            };
            self.line(&format!("  {line}"));
        }
    }

    fn write(&self, _: &str, bytes: &[u8]) {
        screen::write(bytes);
    }

    fn progress(&self, _: &str, message: &str, done: Option<u64>, total: Option<u64>) {
        if self.level > Level::Info {
            return;
        }
        let far = match (done, total) {
            (Some(done), Some(total)) => format!(" ({done} of {total} done)"),
            (Some(done), None) => format!(" ({done})"),
            _ => String::new(),
        };
        let text = format!("{}{far}", harmless(message));
        if !screen::progress(&text) {
            self.line(&self.style.dim(&format!("  {text}")));
        }
    }
}

/// What is about to happen, in one line.
#[must_use]
pub fn announce(subject: &Subject, run: &str, style: Style) -> String {
    headline("deploying", "to", subject, run, style)
}

/// What is about to be taken back, in one line.
#[must_use]
pub fn announce_rollback(subject: &Subject, run: &str, style: Style) -> String {
    headline("taking back", "from", subject, run, style)
}

fn headline(verb: &str, preposition: &str, subject: &Subject, run: &str, style: Style) -> String {
    let component = subject.component.as_ref().map(|component| format!(" ({component})")).unwrap_or_default();
    format!(
        "{} {}{component} {} {preposition} {}  {}\n",
        style.bold(verb),
        subject.app,
        style.bold(&subject.version),
        style.bold(&subject.environment),
        style.dim(run)
    )
}

/// What came of a run, for a person.
#[must_use]
pub fn verdict(
    subject: &Subject,
    result: &RunResult,
    exit: Exit,
    url: Option<&str>,
    took: Duration,
    style: Style,
) -> String {
    let came = Came {
        subject,
        outcome: Some(result.outcome),
        changed: result.changed,
        asked: result.asked,
        unproven: result.reason == Some(Code::RollbackUnproven),
        still: true,
        url,
    };
    let (tone, line) = came.sentence();
    let line = tone.paint(&line, style);
    let took = style.dim(&format!("in {}", span(took)));
    let mut text = format!("\n{line} {took}\n");
    for step in &result.kept {
        let note = style.yellow("note:");
        text.push_str(&format!(
            "{note} `{step}` was not taken back: it cannot be, as its plan said, or it was to be kept\n"
        ));
    }
    if exit != Exit::Succeeded {
        // What could not be told has another word than what the run came to.
        let reason = if exit == Exit::Unreported { Some(Code::ForgeUnreported) } else { result.reason };
        let word = reason.map(|code| format!("`windlass explain {}` and ", code.word())).unwrap_or_default();
        let exit = exit as u8;
        let line = format!("exit {exit}: {word}`windlass explain {exit}` says more");
        text.push_str(&format!("{}\n", style.dim(&if word.is_empty() { line } else { line.replace("says", "say") })));
    }
    text
}

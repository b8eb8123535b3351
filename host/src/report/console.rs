//! The run as it goes, line by line, on standard error.

use super::verdict::Came;
use super::{Style, harmless};
use crate::event::{Event, Level, Listener, Severity, Subject, Trouble};
use crate::problem::{Code, Exit};
use crate::run::RunResult;
use crate::words::span;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Tells a person what happens. Whatever cannot be written is left out: talk never changes an outcome.
#[derive(Debug)]
pub struct Console {
    style: Style,
    level: Level,
    middle_of_line: Mutex<bool>,
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
    /// A console that shows messages of this level and above.
    #[must_use]
    pub fn new(style: Style, level: Level) -> Self {
        Self { style, level, middle_of_line: Mutex::new(false) }
    }

    fn line(&self, line: &str) {
        let mut middle = self.middle_of_line.lock().unwrap_or_else(PoisonError::into_inner);
        // In one piece: standard error has no buffer, and each part would be a call of its own to the system.
        let text = format!("{}{line}\n", if *middle { "\n" } else { "" });
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
        *middle = false;
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
}

fn took(milliseconds: u64) -> String {
    span(Duration::from_millis(milliseconds))
}

impl Listener for Console {
    fn event(&self, event: &Event) {
        let style = self.style;
        match event {
            Event::StepStarted { step, attempt } => {
                let again = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                self.line(&format!("{} {}{again}", style.dim("▸"), style.bold(step)));
            }
            Event::StepSucceeded { step, summary, findings, duration_ms, .. } => {
                for finding in findings {
                    let word = match finding.severity {
                        Severity::Notice => "notice:",
                        Severity::Warning => "warning:",
                        Severity::Error => "error:",
                    };
                    let place = match (&finding.file, finding.line) {
                        (Some(file), Some(line)) => format!(" ({file}:{line})"),
                        (Some(file), None) => format!(" ({file})"),
                        _ => String::new(),
                    };
                    self.line(&format!("  {} {}{place}", style.yellow(word), harmless(&finding.message)));
                }
                let line =
                    format!("{} {step}: {} {}", style.green("✓"), harmless(summary), style.dim(&took(*duration_ms)));
                self.line(&line);
            }
            Event::StepFailed { step, trouble, again, duration_ms, .. } => {
                let more = if *again { " (it is tried again)" } else { "" };
                self.line(&format!("{} {}{more} {}", style.red("✗"), style.bold(step), style.dim(&took(*duration_ms))));
                self.trouble(trouble);
            }
            Event::StepCancelled { step, .. } => self.line(&format!("{} {step}: cancelled", style.red("✗"))),
            Event::StepSkipped { step } => self.line(&style.dim(&format!("- {step}: nothing to do"))),
            Event::RunTurned { step } => {
                let until = step.as_ref().map(|step| format!(" until `{step}`")).unwrap_or_default();
                self.line(&style.bold(&format!("taking back what was done{until}")));
            }
            Event::RevertStarted { step } => self.line(&format!("{} {}", style.dim("◂"), style.bold(step))),
            Event::StepReverted { step, summary, duration_ms, .. } => {
                let line =
                    format!("{} {step}: {} {}", style.green("↩"), harmless(summary), style.dim(&took(*duration_ms)));
                self.line(&line);
            }
            Event::StepKept { step, summary, .. } => {
                self.line(&format!("{} {step}: not taken back: {}", style.yellow("!"), harmless(summary)));
            }
            Event::RevertFailed { step, trouble, .. } => {
                self.line(&format!("{} {} could not be taken back", style.red("✗"), style.bold(step)));
                self.trouble(trouble);
            }
            Event::RunCancelled { times: 1 } => {
                let line = "told to stop; a second signal cuts short what is being taken back";
                self.line(&style.yellow(line));
            }
            Event::RunCancelled { .. } => self.line(&style.yellow("told to stop again")),
            Event::CheckStarted { step } => {
                self.line(&format!("{} {} (what is live again)", style.dim("▸"), style.bold(step)));
            }
            Event::CheckPassed { step, summary, duration_ms, .. } => {
                let line =
                    format!("{} {step}: {} {}", style.green("✓"), harmless(summary), style.dim(&took(*duration_ms)));
                self.line(&line);
            }
            Event::CheckFailed { step, trouble, .. } => {
                self.line(&format!(
                    "{} {}: it is not proven that what is live again works",
                    style.red("✗"),
                    style.bold(step)
                ));
                self.trouble(trouble);
            }
            Event::NoteAdded { text } => self.line(&format!("{} {}", style.yellow("note:"), harmless(text))),
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
        // As it is: a build tool's own colours are welcome, and a log of a gigabyte is not looked at byte by byte.
        let _ = std::io::stderr().lock().write_all(bytes);
        if let Some(last) = bytes.last() {
            *self.middle_of_line.lock().unwrap_or_else(PoisonError::into_inner) = *last != b'\n';
        }
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
        self.line(&self.style.dim(&format!("  {}{far}", harmless(message))));
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
            "{note} `{step}` was not taken back: its plan said that it cannot be, or it was to be kept\n"
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

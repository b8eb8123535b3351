//! Words and marks that several forms have in common.

use super::{RowOutcome, StepStory, Story, WorkOutcome};
use crate::event::{Finding, RunOutcome, Severity, StepOutcome, Trouble, Verdict, Witness};
use crate::plugin::Effect;
use crate::words::{short, span};
use std::time::Duration;

/// The pieces of a text, and whether each stands between two backticks, as values do in our messages. Where they do not pair there
/// is one piece.
pub(super) fn pieces(text: &str) -> Vec<(bool, &str)> {
    if !text.matches('`').count().is_multiple_of(2) {
        return vec![(false, text)];
    }
    let pieces = text.split('`').enumerate().map(|(index, piece)| (index % 2 == 1, piece));
    pieces.filter(|(_, piece)| !piece.is_empty()).collect()
}

/// Milliseconds, as people read them.
pub(super) fn took(milliseconds: u64) -> String {
    span(Duration::from_millis(milliseconds))
}

/// When something was, to the second.
pub(super) fn time(at: &str) -> String {
    let time: Result<jiff::Timestamp, _> = at.parse();
    time.map_or_else(|_| at.to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// What a run came to.
pub(super) const fn run_word(outcome: Option<RunOutcome>) -> &'static str {
    match outcome {
        None => "not ended",
        Some(RunOutcome::Succeeded) => "succeeded",
        Some(RunOutcome::Failed) => "failed",
        Some(RunOutcome::RolledBack) => "rolled back",
        Some(RunOutcome::RollbackFailed) => "rollback failed",
        Some(RunOutcome::Cancelled) => "cancelled",
        Some(RunOutcome::Blocked) => "blocked",
    }
}

/// What a step came to.
pub(super) const fn step_word(step: &StepStory) -> &'static str {
    match step.outcome {
        _ if step.kept => "stays",
        StepOutcome::Succeeded => "done",
        StepOutcome::Failed => "failed",
        StepOutcome::Skipped => "nothing to do",
        StepOutcome::Reverted => "taken back",
        StepOutcome::RevertFailed => "not taken back",
        StepOutcome::Cancelled => "cancelled",
        StepOutcome::Unknown => "not known",
        StepOutcome::NotRun => "not run",
    }
}

/// How good that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Bad,
    Back,
    Open,
    Nothing,
}

impl Mark {
    /// As a character that is there in every font of a terminal.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "✗",
            Self::Back => "↩",
            Self::Open => "?",
            Self::Nothing => "-",
        }
    }

    /// A word for it, for a class.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Back => "back",
            Self::Open => "open",
            Self::Nothing => "nothing",
        }
    }
}

pub(super) const fn step_mark(step: &StepStory) -> Mark {
    match step.outcome {
        _ if step.kept => Mark::Open,
        StepOutcome::Succeeded => Mark::Good,
        StepOutcome::Failed | StepOutcome::RevertFailed => Mark::Bad,
        StepOutcome::Reverted => Mark::Back,
        StepOutcome::Cancelled | StepOutcome::Unknown => Mark::Open,
        StepOutcome::Skipped | StepOutcome::NotRun => Mark::Nothing,
    }
}

pub(super) const fn row_mark(outcome: RowOutcome) -> Mark {
    match outcome {
        RowOutcome::Passed => Mark::Good,
        RowOutcome::Skipped => Mark::Nothing,
        RowOutcome::Failed => Mark::Bad,
    }
}

pub(super) const fn work_word(outcome: WorkOutcome) -> &'static str {
    match outcome {
        WorkOutcome::Succeeded => "done",
        WorkOutcome::Failed => "failed",
        WorkOutcome::TriedAgain => "failed, and tried again",
        WorkOutcome::Cancelled => "cancelled",
        WorkOutcome::Kept => "stays",
        WorkOutcome::Unknown => "not known",
    }
}

pub(super) const fn work_mark(outcome: WorkOutcome) -> Mark {
    match outcome {
        WorkOutcome::Succeeded => Mark::Good,
        WorkOutcome::Failed | WorkOutcome::TriedAgain => Mark::Bad,
        WorkOutcome::Cancelled | WorkOutcome::Kept | WorkOutcome::Unknown => Mark::Open,
    }
}

pub(super) const fn severity(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Notice => "notice",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Where a finding points.
pub(super) fn place(finding: &Finding) -> Option<String> {
    let file = finding.file.as_ref()?;
    Some(finding.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")))
}

/// What an intent does to the world.
pub(super) const fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Reads => "looks",
        Effect::Checks => "checks",
        Effect::Changes => "changes",
        Effect::Irreversible => "cannot be taken back",
        Effect::Unknown => "could not be found out",
    }
}

/// The four parts of a trouble, in lines.
pub(super) fn parts(trouble: &Trouble) -> String {
    let mut text = format!("error: {}\n", trouble.what);
    for (index, cause) in trouble.causes.iter().enumerate() {
        for (row, line) in cause.lines().enumerate() {
            text.push_str(if index + row == 0 { "  Caused by: " } else { "             " });
            text.push_str(line);
            text.push('\n');
        }
    }
    for (label, part) in [("note", &trouble.note), ("hint", &trouble.hint)] {
        if let Some(part) = part {
            text.push_str(&format!("{label}: {part}\n"));
        }
    }
    text
}

impl StepStory {
    /// How long it was at work each time, as far as that is known.
    pub(super) fn times(&self) -> String {
        let time = |work: &super::Work| {
            let length = took(work.duration_ms?);
            Some(if work.kind == super::Kind::Revert { format!("↩ {length}") } else { length })
        };
        self.work.iter().filter_map(time).collect::<Vec<_>>().join(" · ")
    }

    /// What became of it where it was cut off, in words.
    pub(super) fn said_words(&self) -> Option<String> {
        let said = self.said.as_ref()?;
        let verdict = match said.verdict {
            Verdict::Done => "it was cut off, and was done",
            Verdict::NotDone => "it was cut off, and was not done",
            Verdict::Partly => "it was cut off, and was done in part",
            Verdict::Unknown => "it was cut off, and nobody can tell how far it came",
        };
        let by = match said.by {
            Witness::Plugin => "its plugin looked",
            Witness::Person => "a person looked",
            Witness::Config => "it is `idempotent`",
        };
        Some(format!("{verdict} ({by})"))
    }

    /// What it says of itself, or why it failed, or what is known of it.
    pub(super) fn in_short(&self) -> Option<String> {
        let why = self.trouble.as_ref().map(|trouble| trouble.what.clone());
        why.or_else(|| self.summary.clone()).or_else(|| self.said_words())
    }
}

impl Story {
    /// The title: what is deployed, and where.
    pub(super) fn title(&self) -> String {
        let subject = &self.subject;
        let component = subject.component.as_ref().map(|component| format!(" ({component})")).unwrap_or_default();
        format!("{}{component} {} to {}", subject.app, subject.version, subject.environment)
    }

    /// What stands above what can be done.
    pub(super) const fn next_title(&self) -> &'static str {
        if self.is_well() { "Should it prove bad" } else { "What to do" }
    }

    /// What is known of it in a word each: names and values.
    pub(super) fn facts(&self) -> Vec<(&'static str, Fact)> {
        let subject = &self.subject;
        let mut facts = vec![("run", Fact::Code(self.run.clone()))];
        let commit = short(&subject.commit).to_owned();
        let reference = subject.reference.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        facts.push(("release", Fact::Code(format!("{} at {commit}{reference}", subject.version))));
        let actor = subject.actor.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default();
        let took_it = self.duration_ms.map(|it| format!(", {}", took(it))).unwrap_or_default();
        facts.push(("began", Fact::Text(format!("{}{actor}{took_it}", time(&self.started)))));
        let reason = self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        facts.push(("outcome", Fact::Text(format!("{}{reason}", run_word(self.outcome)))));
        if let Some(plan) = &self.plan {
            facts.push(("plan", Fact::Text(plan.summary.clone())));
            facts.push(("digest", Fact::Code(plan.digest.clone())));
        }
        let deployment = &self.deployment;
        if let Some(id) = &deployment.id {
            let name = format!("{} on {}", id, deployment.forge);
            facts.push((
                "deployment",
                deployment.url.clone().map_or(Fact::Text(name.clone()), |url| Fact::Link(name, url)),
            ));
        }
        if let Some(live) = &self.standing.live_now {
            facts.push(("live now", Fact::Code(live.clone())));
        }
        if let Some(url) = &self.url {
            let what = if self.standing.live { "live at" } else { "address" };
            facts.push((what, Fact::Link(url.clone(), url.clone())));
        }
        if let Some(approvals) = &self.approvals {
            let names: Vec<&str> = approvals.iter().map(|approver| approver.name.as_str()).collect();
            facts.push(("approved by", Fact::Text(names.join(", "))));
        }
        if let Some(freeze) = &self.freeze_override {
            facts.push(("freeze", Fact::Text(format!("overridden: {}", freeze.reason))));
        }
        facts
    }
}

/// A value that is known of a run.
pub(super) enum Fact {
    Text(String),
    Code(String),
    /// A text and where it leads.
    Link(String, String),
}

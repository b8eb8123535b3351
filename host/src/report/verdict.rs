//! What a run came to, in one sentence.

use super::Style;
use crate::event::{RunOutcome, Subject};
use crate::words::short;

/// How good that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it was meant to be.
    Good,
    /// Neither.
    Open,
    /// Not as it was meant to be.
    Bad,
}

impl Tone {
    /// The text in its colour.
    pub(super) fn paint(self, text: &str, style: Style) -> String {
        match self {
            Self::Good => style.green(text),
            Self::Open => style.yellow(text),
            Self::Bad => style.red(text),
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came<'a> {
    /// What it is about.
    pub(super) subject: &'a Subject,
    /// Its outcome; none where it did not end.
    pub(super) outcome: Option<RunOutcome>,
    /// Whether anything was changed.
    pub(super) changed: bool,
    /// Whether somebody asked for it to be taken back.
    pub(super) asked: bool,
    /// Whether it is not proven that what is live again works.
    pub(super) unproven: bool,
    /// Whether what it deployed is live, where it succeeded; whether it is under way, where it did not end.
    pub(super) still: bool,
    /// Where what it deployed can be seen.
    pub(super) url: Option<&'a str>,
}

impl Came<'_> {
    /// The sentence, without a full stop, and how good that is.
    pub(super) fn sentence(&self) -> (Tone, String) {
        let Subject { app, version, environment, commit, .. } = self.subject;
        let release = format!("{app} {version} ({})", short(commit));
        let at = self.url.filter(|_| self.still).map(|url| format!(" at {url}")).unwrap_or_default();
        match self.outcome {
            None if self.still && self.asked => {
                (Tone::Open, format!("what {app} {version} did in {environment} is being taken back"))
            }
            None if self.still => (Tone::Open, format!("{release} is being deployed to {environment}")),
            None => (Tone::Bad, format!("the deployment of {app} {version} to {environment} was cut off")),
            Some(RunOutcome::Succeeded) => {
                let said = if self.still {
                    format!("{release} is live in {environment}{at}")
                } else {
                    format!("{release} was deployed to {environment}")
                };
                (Tone::Good, if self.changed { said } else { format!("nothing changed: {said}") })
            }
            Some(RunOutcome::Failed) => {
                (Tone::Bad, format!("{app} {version} was not deployed to {environment}; nothing was taken back"))
            }
            Some(RunOutcome::RolledBack) if self.asked => {
                (Tone::Good, format!("what {app} {version} did in {environment} is taken back"))
            }
            Some(RunOutcome::RolledBack) => {
                (Tone::Bad, format!("{app} {version} was not deployed to {environment}; what was done is taken back"))
            }
            Some(RunOutcome::RollbackFailed) if self.unproven => (
                Tone::Bad,
                format!(
                    "what {app} {version} did in {environment} is taken back, but it is not proven that what is live again works: a person is needed"
                ),
            ),
            Some(RunOutcome::RollbackFailed) if self.asked => (
                Tone::Bad,
                format!("not all of what {app} {version} did in {environment} could be taken back: a person is needed"),
            ),
            Some(RunOutcome::RollbackFailed) => (
                Tone::Bad,
                format!(
                    "{app} {version} was not deployed to {environment}, and not all of it could be taken back: a person is needed"
                ),
            ),
            Some(RunOutcome::Cancelled) => {
                (Tone::Open, format!("the deployment of {app} {version} to {environment} was cancelled"))
            }
            Some(RunOutcome::Blocked) => {
                (Tone::Open, format!("{app} {version} may not be deployed to {environment} now"))
            }
        }
    }
}

//! Making failures in one line each.

use crate::{Failure, FailureKind};

impl Failure {
    fn new(kind: FailureKind, code: &str, message: impl Into<String>) -> Self {
        Self { kind, code: code.into(), message: message.into(), causes: vec![], hint: None, note: None }
    }

    /// The check worked, and its answer is no.
    pub fn check_failed(code: &str, message: impl Into<String>) -> Self {
        Self::new(FailureKind::CheckFailed, code, message)
    }

    /// The configuration or a file of the project is wrong.
    pub fn misconfigured(code: &str, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Misconfigured, code, message)
    }

    /// Something needed did not answer or is not there; trying again may help.
    pub fn unavailable(code: &str, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unavailable, code, message)
    }

    /// The plugin broke a promise of its own.
    pub fn bug(code: &str, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Bug, code, message)
    }

    /// With one more reason, nearest first.
    #[must_use]
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// With one edit or one command that helps.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With what did and did not change.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

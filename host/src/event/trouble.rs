//! Why something could not be done.

use crate::problem::{Code, Problem};
use serde::{Deserialize, Serialize};

/// A problem as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trouble {
    /// The stable word.
    pub code: String,
    /// The plugin's own word, where a plugin says so, for example `lockfile-drift`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What could not be done.
    pub what: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The state of the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<&Problem> for Trouble {
    fn from(problem: &Problem) -> Self {
        Self {
            code: problem.code.word().into(),
            detail: problem.detail.clone(),
            what: problem.what.clone(),
            causes: problem.causes.clone(),
            note: problem.note.clone(),
            hint: problem.hint.clone(),
        }
    }
}

impl Trouble {
    /// The problem as it was, but for its place in a file. A code that this version does not know is that of a step that
    /// failed.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let code = Code::ALL.iter().find(|code| code.word() == self.code).copied().unwrap_or(Code::StepFailed);
        Problem {
            code,
            detail: self.detail.clone(),
            what: self.what.clone(),
            causes: self.causes.clone(),
            note: self.note.clone(),
            hint: self.hint.clone(),
            place: None,
        }
    }
}

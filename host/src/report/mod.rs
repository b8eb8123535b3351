//! What people and programs are told: problems, plans, the run as it goes, and its result. Only this room and
//! [`crate::cli`] print.

pub mod comment;
mod console;
mod kit;
mod outputs;
mod plan;
mod plugin;
mod problem;
mod recovery;
mod result;
pub mod screen;
pub mod story;
mod verdict;

pub use console::{Console, Silent, announce, announce_rollback, verdict};
pub use kit::{CASES_SCHEMA, cases, cases_json, cases_junit, changed_case};
pub use outputs::{OUTPUTS, Outputs};
pub use plan::{gate, not_the_commit, plan, plan_steps, plan_summary};
pub use plugin::{Here, Inspected, Listed, inspected, listed};
pub use problem::{problem, problems, tell};
pub use recovery::{reaped, resuming, taking_back};
pub use result::{DeploymentResult, RESULT_SCHEMA, RunReport, StepReport};

use std::io::IsTerminal;

/// How much colour there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// Colour where a person sees it and has not said no (`NO_COLOR`).
    #[must_use]
    pub fn of_stderr() -> Self {
        let wanted = std::env::var_os(crate::variable::NO_COLOR).is_none_or(|value| value.is_empty());
        Self { colour: wanted && std::io::stderr().is_terminal() }
    }

    /// The same for standard output.
    #[must_use]
    pub fn of_stdout() -> Self {
        let wanted = std::env::var_os(crate::variable::NO_COLOR).is_none_or(|value| value.is_empty());
        Self { colour: wanted && std::io::stdout().is_terminal() }
    }

    /// None.
    #[must_use]
    pub const fn plain() -> Self {
        Self { colour: false }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }
}

/// The text of a file of XML, without the two characters that no reader takes, however they are written.
fn xml(markup: maud::Markup) -> String {
    markup.into_string().replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

/// A text that came from outside, without what would move the cursor or colour the terminal.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() && !"\n\t".contains(character) { '\u{fffd}' } else { character })
        .collect()
}

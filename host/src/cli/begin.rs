//! Whether a run may begin, as far as other environments and the calendar go: what the gate is asked with.

use super::conduct::Conduct;
use super::project::Project;
use super::say;
use crate::config::Environment;
use crate::event::Event;
use crate::forge::{Forge, Frozen};
use crate::gate::{self, Freezes};
use crate::problem::Problem;
use crate::report::{self, Style};
use jiff::Timestamp;

/// That the environments that come before this one have this commit.
///
/// # Errors
/// [`crate::problem::Code::EnvironmentOrder`].
pub(super) fn order(conduct: &Conduct<'_>) -> Result<(), Problem> {
    let Conduct { project, environment, subject, .. } = conduct;
    gate::order(&project.journals, &project.config, environment, subject.component.as_deref(), &subject.commit)
}

/// What may freeze the deployments to an environment. What of it the forge would not say is said.
pub(super) async fn freezes<'a>(project: &'a Project, environment: &'a Environment, forge: &Forge) -> Freezes<'a> {
    let frozen = if environment.forge_freeze { forge.frozen().await } else { Frozen::default() };
    if let Some(problem) = &frozen.unread {
        say(&report::problem(problem, Style::of_stderr()));
    }
    Freezes::of(&project.config, environment, frozen)
}

/// That deployments are not frozen at this moment, or what is to be written down because somebody said why it may be.
///
/// # Errors
/// [`crate::problem::Code::Frozen`].
pub(super) fn thaw(freezes: &Freezes<'_>, during: Option<&str>) -> Result<Option<Event>, Problem> {
    freezes.pass(during, Timestamp::now())
}

/// Say how things stand with freezes, where there are any.
pub(super) fn say_freeze(environment: &Environment, freezes: &Freezes<'_>) {
    if let Some(told) = freezes.told(Timestamp::now()) {
        say(&format!("freeze of {}: {told}\n", environment.name));
    }
}

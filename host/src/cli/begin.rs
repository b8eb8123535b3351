//! Whether a run may begin, as far as other environments and the calendar go: what the gate is asked with.

use super::keeping::Wanted;
use super::project::Project;
use super::say;
use crate::config::{DeploymentOwner, Environment};
use crate::event::{Event, Place, Subject};
use crate::forge::{Forge, Frozen};
use crate::gate::{Before, Freezes, Whereabouts};
use crate::history;
use crate::prepare;
use crate::problem::Problem;
use crate::report::{self, Style};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// That the environments that come before this one have this commit: by the forge's deployments, or, where there is no forge,
/// by the journals.
///
/// # Errors
/// [`crate::problem::Code::EnvironmentOrder`], [`crate::problem::Code::ForgeRefused`].
pub(super) async fn order(
    project: &Project,
    environment: &Environment,
    subject: &Subject,
    forge: &Forge,
) -> Result<(), Problem> {
    let config = &project.config;
    for name in &environment.after {
        let place = Place { environment: name.as_str().to_owned(), ..subject.place() };
        let before = Before { place: &place, then: environment.name.as_str(), commit: &subject.commit };
        let has_components = !config.components().is_empty();
        let adopted = |it: &Environment| it.name == *name && it.deployment == Some(DeploymentOwner::Adopt);
        let says = forge.keeps_our_word() && !config.environments.iter().any(adopted);
        if has_components && !says {
            fetch_components(project, &place).await;
        }
        let whereabouts = Whereabouts {
            place: &place,
            has_components,
            says,
            known: &if has_components { known(project, forge, &place)? } else { HashMap::new() },
        };
        match forge.since_success(name.as_str(), &|id, whose| whereabouts.relate(id, whose)).await? {
            Some(listed) => before.by_forge(&listed)?,
            None => before.by_journals(&project.journals)?,
        }
    }
    Ok(())
}

/// The journals of every component in an environment, as far as the forge keeps them: they say which deployment is of which.
async fn fetch_components(project: &Project, place: &Place) {
    let components = project.config.components().into_iter().map(|component| Some(component.as_str().to_owned()));
    for component in std::iter::once(None).chain(components).filter(|it| *it != place.component) {
        project.keeping.fetch(&Place { component, ..place.clone() }, Wanted::State).await;
    }
}

/// The components of the forge's deployments to an environment, as far as the journals here know them, by their ids.
fn known(project: &Project, forge: &Forge, place: &Place) -> Result<HashMap<String, Option<String>>, Problem> {
    let mut known = HashMap::new();
    for run in history::runs(&project.journals)? {
        let run = run?;
        let is_there = run.subject.environment == place.environment && run.subject.app == place.app;
        if let Some(deployment) = run.deployment.filter(|_| is_there && run.forge == forge.name()) {
            known.insert(deployment.id, run.subject.component);
        }
    }
    Ok(known)
}

/// What may freeze the deployments to an environment. What of it the forge would not say is said.
pub(super) async fn freezes<'a>(project: &'a Project, environment: &'a Environment, forge: &Forge) -> Freezes<'a> {
    let frozen = if environment.forge_freeze { forge.frozen().await } else { Frozen::default() };
    if let Some(problem) = &frozen.unread {
        report::tell(std::slice::from_ref(problem));
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

/// What keeps a run from beginning now, as far as the branch, other environments and the calendar go. What cannot be found out is among it:
/// a run would be kept by that, too. The forge is why there is none, where there is not.
pub(super) async fn unmet(
    project: &Project,
    environment: &Environment,
    subject: Option<&Subject>,
    forge: &Result<Arc<Forge>, Problem>,
    freezes: &Freezes<'_>,
) -> Vec<Problem> {
    let order = match (forge, subject) {
        _ if environment.after.is_empty() => Ok(()),
        (Err(problem), _) => Err(problem.clone()),
        (Ok(_), None) => Ok(()),
        (Ok(forge), Some(subject)) => order(project, environment, subject, forge).await,
    };
    let withheld = project.withheld(environment).map(|doubt| prepare::withheld(environment.name.as_str(), &doubt));
    let freeze = freezes.pass(None, Timestamp::now()).err();
    withheld.into_iter().chain(order.err()).chain(freeze).collect()
}

/// Say what keeps a run from beginning now, and when the next freeze begins.
pub(super) fn say_gate(environment: &Environment, unmet: &[Problem], freezes: &Freezes<'_>) {
    let name = &environment.name;
    if !unmet.is_empty() {
        say(&report::gate(name.as_str(), unmet, Style::of_stderr()));
    }
    if let Some(next) = freezes.next(Timestamp::now()) {
        say(&format!("freeze of {name}: {next}\n"));
    }
}

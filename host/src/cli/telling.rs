//! What the forge is told of a run: whose deployment it is, in what state, and in which words.

use super::project::Project;
use super::say;
use crate::config::{DeploymentOwner, Environment};
use crate::event::{Event, Place, RunOutcome, Subject};
use crate::forge::{Announcement, Created, Forge, Others, State};
use crate::history::{self, PastRun};
use crate::problem::{Code, Problem};
use crate::report;
use crate::run::RunResult;

/// How much room every forge has for a description, in characters.
const DESCRIPTION: usize = 140;

/// That the forge knows of the deployment.
pub(super) fn deployment_created(created: &Created, forge: &Forge) -> Event {
    let Created { id, url, adopted } = created.clone();
    Event::DeploymentCreated { id, url, adopted, forge: Some(forge.name().to_owned()) }
}

/// That nobody knows whether the forge has made a deployment, where that is so because it cannot be asked here.
pub(super) fn doubted(past: &PastRun, elsewhere: bool) -> Option<Event> {
    let is_new = elsewhere && past.may_have_deployment() && !past.doubted;
    is_new.then(|| Event::DeploymentDoubted { forge: past.forge.clone() })
}

pub(super) fn announcement(
    project: &Project,
    environment: Option<&Environment>,
    subject: &Subject,
    run: &str,
    plan: &str,
) -> Announcement {
    Announcement {
        subject: subject.clone(),
        run: run.to_owned(),
        plan: plan.to_owned(),
        key: project.facts.key.clone(),
        environment_url: environment.and_then(|environment| environment.url.clone()),
        transient: environment.is_some_and(|environment| environment.transient),
        log_url: project.facts.log_url.clone(),
        is_tag: project.facts.is_tag,
        begun: None,
        owner: DeploymentOwner::Own,
        others: others(project, run),
    }
}

/// The deployments that the journals of other runs have. One that cannot be read has none that is known.
fn others(project: &Project, run: &str) -> Others {
    let (journals, run) = (project.journals.clone(), run.to_owned());
    Others::of(move || {
        let runs = history::runs(&journals).into_iter().flatten().flatten();
        let deployment = |past: PastRun| past.deployment.filter(|_| past.run != run);
        runs.filter_map(deployment).map(|deployment| deployment.id).collect()
    })
}

/// Who makes the deployment on the forge.
///
/// # Errors
/// As [`Forge::owner`], with the place in the configuration.
pub(super) fn owner(project: &Project, environment: &Environment, forge: &Forge) -> Result<DeploymentOwner, Problem> {
    let owner = forge.owner(environment.deployment, environment.name.as_str());
    owner.map_err(|problem| problem.at(project.config.place_of_environment(environment, "deployment")))
}

/// Whether the forge could be told. That it could not be is said, and changes nothing else.
pub(super) async fn tell(
    forge: &Forge,
    created: Option<&Created>,
    announcement: &Announcement,
    state: State,
    description: &str,
) -> bool {
    let Some(created) = created else { return true };
    said(forge.tell(created, announcement, state, description).await)
}

/// Whether something was told. Why not is said.
pub(super) fn said(told: Result<(), Problem>) -> bool {
    if let Err(problem) = &told {
        report::tell(std::slice::from_ref(problem));
    }
    told.is_ok()
}

/// What a forge shows of a run that came to this.
pub(super) fn state_of(outcome: RunOutcome, reason: Option<Code>) -> State {
    match outcome {
        // Also where only what comes after the steps was cut off.
        RunOutcome::Succeeded => State::Success,
        _ if reason.is_some_and(Code::is_cut_off) => State::Error,
        RunOutcome::Failed | RunOutcome::RolledBack | RunOutcome::RollbackFailed => State::Failure,
        RunOutcome::Cancelled => State::Cancelled,
        RunOutcome::Blocked => State::Error,
    }
}

/// What a forge shows of how a run ended.
pub(super) fn description(result: &RunResult, run: &str, place: &Place) -> String {
    match (result.outcome, &result.problem) {
        (RunOutcome::Cancelled, _) if result.reason == Some(Code::CancelledUnfinished) => left("cancelled", run, place),
        (RunOutcome::Cancelled, _) => "cancelled; nothing is left to clean up".into(),
        (RunOutcome::Succeeded, _) if !result.changed => "nothing changed".into(),
        (RunOutcome::Succeeded, _) => "deployed".into(),
        (RunOutcome::RolledBack, Some(problem)) => format!("rolled back: {problem}"),
        (RunOutcome::RolledBack, None) => "taken back".into(),
        (RunOutcome::RollbackFailed, Some(problem)) => format!("a person is needed: {problem}"),
        (_, Some(problem)) => problem.to_string(),
        (_, None) => "failed".into(),
    }
}

/// The same with why it was made although deployments were frozen, where there is room for it.
pub(super) fn frozen(text: String, reason: Option<&str>) -> String {
    let more = reason.map(|reason| format!("{text}; in a freeze: {reason}"));
    more.filter(|more| more.chars().count() <= DESCRIPTION).unwrap_or(text)
}

/// What a person does about what a run has left, in the words that there is room for on every forge.
pub(super) fn left(what: &str, run: &str, place: &Place) -> String {
    let rollback = format!("`windlass rollback {}` takes back what was done", place.options());
    let both = format!("{what}; {rollback}, `windlass resume {run}` goes on");
    if both.chars().count() <= DESCRIPTION { both } else { format!("{what}; {rollback}") }
}

/// The deployment of an earlier run, where it is on this forge. What a journal says that came from elsewhere may be anybody's word:
/// there the forge has to say the same.
///
/// # Errors
/// It does not answer.
pub(super) async fn deployed(project: &Project, forge: &Forge, past: &PastRun) -> Result<Option<Created>, Problem> {
    let here = past.deployment.as_ref().filter(|_| forge.name() == past.forge);
    let created = here.map(|it| Created { id: it.id.clone(), url: it.url.clone(), adopted: it.adopted });
    let Some(created) = created else { return Ok(None) };
    // One that the job made is the forge's to tell of, and nobody's to change.
    if created.adopted || matches!(forge, Forge::Local) || !project.journals.was_fetched(&past.run) {
        return Ok(Some(created));
    }
    let announcement = announcement(project, None, &past.subject, &past.run, &past.plan);
    if forge.is_of_run(&created, &announcement).await? {
        return Ok(Some(created));
    }
    say(&format!(
        "warning: deployment {} on {} is not of run `{}`, whatever its journal says, and is left alone\n",
        created.id,
        forge.name(),
        past.run
    ));
    Ok(None)
}

/// As [`deployed`], where it changes nothing if that cannot be found out.
pub(super) async fn deployed_if_known(project: &Project, forge: &Forge, past: &PastRun) -> Option<Created> {
    deployed(project, forge, past).await.unwrap_or_else(|problem| {
        report::tell(&[problem]);
        None
    })
}

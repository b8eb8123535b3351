//! Holding what the steps ask for against the lock.

use super::held::must_be_held;
use super::resolve::{Resolved, bounded, requires};
use super::{Facts, PreparedStep};
use crate::config::{Config, Environment, Step, fill, fill_known};
use crate::lock::{Lock, LockedStep, LockedSteps, not_accepted};
use crate::policy::Capability;
use crate::problem::{Code, Problem};
use crate::process::Means;

/// That there is no lock.
#[must_use]
pub fn lock_missing() -> Problem {
    Problem::new(Code::LockMissing, "there is no `deploy.lock`")
        .because("nothing that a plugin asks for is accepted until it is")
        .with_note("nothing was run")
        .with_hint("run `windlass lock`, commit the file and have it reviewed")
}

/// What the lock accepts for one environment.
///
/// # Errors
/// [`Code::LockMissing`], [`Code::NotAccepted`].
pub fn locked_steps<'a>(lock: Option<&'a Lock>, environment: &Environment) -> Result<&'a LockedSteps, Problem> {
    let lock = lock.ok_or_else(lock_missing)?;
    lock.environments.get(environment.key.as_str()).ok_or_else(|| {
        Problem::new(Code::NotAccepted, format!("`deploy.lock` accepts nothing in environment `{}`", environment.key))
            .with_note("nothing was run")
            .with_hint("run `windlass lock`, and have the change to `deploy.lock` reviewed")
    })
}

/// Everything that can be refused without asking a plugin to look at the world.
pub(super) async fn accept_all(
    config: &Config,
    resolved: Vec<Resolved>,
    locked: &LockedSteps,
    facts: &Facts,
) -> Result<Vec<PreparedStep>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut accepted = Vec::new();
    for resolved in resolved {
        match accept(config, &resolved, locked, facts).await {
            Ok(step) => accepted.push(step),
            Err(problem) => problems.push(problem),
        }
    }
    let capabilities = accepted.iter().flat_map(|step| &step.capabilities);
    problems.extend(must_be_held(config.confinement, Means::here(), capabilities).err());
    if problems.is_empty() { Ok(accepted) } else { Err(problems) }
}

/// What the lock accepts for a step, if it accepts its plugin.
pub(super) fn accepted<'a>(
    locked: &'a LockedSteps,
    environment: &str,
    resolved: &Resolved,
) -> Result<&'a LockedStep, Problem> {
    let id = resolved.step.id.as_str();
    let accepted = locked.get(id).ok_or_else(|| {
        not_accepted(
            environment,
            id,
            format!("step `{id}` is not accepted"),
            format!("`deploy.lock` does not have it in environment `{environment}`"),
        )
    })?;
    accepted.accepts_plugin(environment, id, resolved.step.plugin.as_str(), &resolved.plugin)?;
    Ok(accepted)
}

async fn accept(
    config: &Config,
    resolved: &Resolved,
    locked: &LockedSteps,
    facts: &Facts,
) -> Result<PreparedStep, Problem> {
    let accepted = accepted(locked, &facts.subject.environment, resolved)?;
    let (capabilities, config_text) = fill_step(config, resolved, accepted, facts).await?;
    Ok(PreparedStep {
        step: resolved.step.clone(),
        plugin: resolved.plugin.clone(),
        locked: accepted.clone(),
        capabilities,
        config: config_text,
    })
}

/// The capabilities and the configuration of a step with all holes filled that can be.
async fn fill_step(
    config: &Config,
    resolved: &Resolved,
    locked: &LockedStep,
    facts: &Facts,
) -> Result<(Vec<Capability>, Option<String>), Problem> {
    let id = resolved.step.id.as_str();
    let (with, deferred) = match fill(&resolved.step.with, &facts.holes) {
        Ok(with) => (with, false),
        Err(unfilled) if unfilled.is_deferred() => (fill_known(&resolved.step.with, &facts.holes), true),
        Err(unfilled) => {
            return Err(Problem::new(Code::ConfigInvalid, format!("step `{id}` uses a value that is not there"))
                .because(unfilled)
                .with_note("nothing was run")
                .with_hint("set the variable in the job, or take it out")
                .at(config.place_of_step(&resolved.step, "with")));
        }
    };
    // What stands in a hole was excused when the holes were open; what it is filled with is not.
    if !deferred {
        let (schema, filled) = (resolved.schema.clone(), with.clone());
        let check = move |config: &Config, step: &Step| schema.check_filled(config, step, &filled);
        if let Some(problem) = bounded(&resolved.plugin, config, &resolved.step, check).await?.into_iter().next() {
            return Err(problem);
        }
    }
    let capabilities = requires(config, resolved, &with).await?;
    locked.accepts(&facts.subject.environment, id, &facts.holes, &capabilities)?;
    Ok((capabilities, (!deferred).then(|| with.to_string())))
}

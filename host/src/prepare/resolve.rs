//! From the config to plugins: each is loaded, its configuration checked against its schema, and asked what it needs.

use crate::config::{Config, Environment, PluginLocator, Selection, Step, WithSchema};
use crate::lock::{LockedStep, LockedSteps, locked_name, not_accepted};
use crate::plugin::{Plugin, Plugins};
use crate::policy::{Capability, Secret, SecretUse, not_replaceable};
use crate::problem::{Code, Problem};
use crate::process::Mark;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a schema that others wrote may take to be made ready, or to say whether a `with` is right.
const SCHEMA_PATIENCE: Duration = Duration::from_secs(5);

/// A step with its plugin, checked against the plugin's schema.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The step.
    pub step: Step,
    /// Its plugin.
    pub plugin: Plugin,
    /// The plugin's schema, made ready.
    pub(super) schema: Arc<WithSchema>,
}

/// What is known of a plugin that is not built in before it is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Pins<'a> {
    /// Nothing: what there is now is what is asked, for a new lock.
    New,
    /// What the lock has for an environment; for whoever asks whether the lock is right. What is fetched from elsewhere and is not
    /// in it is not fetched: whoever opened a pull request would choose where to.
    Known(&'a Environment, Option<&'a LockedSteps>),
    /// The same, and what is in a file has to be what it has; for whoever is about to run it.
    Only(&'a Environment, Option<&'a LockedSteps>),
}

/// Load the plugins of some steps and check each step's `with` against its plugin's schema.
///
/// # Errors
/// Everything that is wrong, in the order of the file. With pins also [`Code::NotAccepted`] for a plugin that is another one.
pub async fn resolve(
    config: &Config,
    project: &Path,
    plugins: &Plugins,
    selection: &Selection,
    pins: Pins<'_>,
) -> Result<Vec<Resolved>, Vec<Problem>> {
    let mut resolved = Vec::new();
    let mut problems = Vec::new();
    let mut schemas: BTreeMap<String, Arc<WithSchema>> = BTreeMap::new();
    for step in selection.iter() {
        let plugin = match load(config, project, plugins, step, pins).await {
            Ok(plugin) => plugin,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let locator = step.plugin.as_str().to_owned();
        let schema = match schemas.get(&locator) {
            Some(schema) => schema.clone(),
            None => {
                let (name, text) = (plugin.name().to_owned(), plugin.schema().clone());
                let made = bounded(&plugin, config, step, move |_, _| WithSchema::new(&name, text)).await;
                match made.and_then(|made| made) {
                    Ok(schema) => schemas.entry(locator).or_insert(Arc::new(schema)).clone(),
                    Err(problem) => {
                        problems.push(problem);
                        continue;
                    }
                }
            }
        };
        let checking = schema.clone();
        match bounded(&plugin, config, step, move |config, step| checking.check(config, step)).await {
            Ok(found) => problems.extend(found),
            Err(problem) => problems.push(problem),
        }
        resolved.push(Resolved { step: step.clone(), plugin, schema });
    }
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

/// Does something with a plugin's schema. One that others wrote may be such that this never ends, so it has so long and no
/// longer; what is left behind then ends with the process.
pub(super) async fn bounded<T: Send + 'static>(
    plugin: &Plugin,
    config: &Config,
    step: &Step,
    work: impl FnOnce(&Config, &Step) -> T + Send + 'static,
) -> Result<T, Problem> {
    if plugin.is_built_in() || !plugin.schema_may_explode() {
        return Ok(work(config, step));
    }
    let (own_config, own_step) = (config.clone(), step.clone());
    let work = tokio::task::spawn_blocking(move || work(&own_config, &own_step));
    match tokio::time::timeout(SCHEMA_PATIENCE, work).await {
        Ok(Ok(done)) => Ok(done),
        // Its panic has ended the process, or is about to.
        Ok(Err(error)) => Err(Problem::new(Code::Bug, "a schema could not be checked").because(error)),
        Err(_) => Err(Problem::new(
            Code::PluginInvalid,
            format!("the `with` of step `{}` cannot be checked", step.id.as_str()),
        )
        .because(format!(
            "the schema of plugin `{}` takes longer than {}",
            plugin.locked_name(),
            crate::words::span(SCHEMA_PATIENCE)
        ))
        .with_note("nothing was run")
        .with_hint("this is a bug in the plugin: mend it, or report it to its author")
        .at(config.place_of_step(step, "plugin"))),
    }
}

async fn load(
    config: &Config,
    project: &Path,
    plugins: &Plugins,
    step: &Step,
    pins: Pins<'_>,
) -> Result<Plugin, Problem> {
    let locator = step.plugin.as_str();
    let id = step.id.as_str();
    let (environment, steps) = match pins {
        Pins::New => (None, None),
        Pins::Known(environment, steps) | Pins::Only(environment, steps) => (Some(environment.name.as_str()), steps),
    };
    let only = matches!(pins, Pins::Only(..));
    let environment = environment.unwrap_or_default();
    let accepted = steps.and_then(|steps| steps.get(id)).filter(|accepted| accepted.is_of(locator));
    // A component that is not the one that was accepted is not even compiled.
    let accept = |digest: &str| accepted.map_or(Ok(()), |accepted| accepted.accepts_file(environment, id, digest));
    let loaded = match &step.plugin {
        PluginLocator::BuiltIn(name) => plugins.load_built_in(name).await,
        PluginLocator::Path(path) if only => plugins.load_file(path, project, accept).await,
        // What is here is what is asked about, and a difference is the answer.
        PluginLocator::Path(path) => plugins.load_file(path, project, |_| Ok(())).await,
        PluginLocator::Https(_) | PluginLocator::Oci(_) => match accepted.map(|step| step.pin(environment, id)) {
            Some(Err(problem)) => Err(problem),
            Some(Ok(digest)) => plugins.load_fetched(&step.plugin, Some(digest), accept).await,
            None if !matches!(pins, Pins::New) => Err(not_accepted(
                environment,
                id,
                format!("plugin `{locator}` is not accepted"),
                format!(
                    "`{}` does not say which component that is, and without that it is not fetched",
                    crate::lock::FILE
                ),
            )),
            None => plugins.load_fetched(&step.plugin, None, accept).await,
        },
    };
    loaded.map_err(
        |problem| if problem.place.is_none() { problem.at(config.place_of_step(step, "plugin")) } else { problem },
    )
}

/// What a configuration needs, checked for what no lock may accept.
pub(super) async fn requires(config: &Config, resolved: &Resolved, with: &Value) -> Result<Vec<Capability>, Problem> {
    let place = || config.place_of_step(&resolved.step, "with");
    let capabilities = resolved.plugin.requires(&with.to_string()).await.map_err(|failure| {
        let mut problem = failure.into_problem(&resolved.plugin.locked_name(), "requires").at(place());
        problem.note.get_or_insert("nothing was run".into());
        Problem { code: Code::StepConfigInvalid, ..problem }
    })?;
    may_be_accepted(&capabilities).map_err(|problem| problem.at(place()))?;
    Ok(capabilities)
}

/// That a lock may accept these, of one step.
///
/// # Errors
/// The first that none may.
pub fn may_be_accepted(capabilities: &[Capability]) -> Result<(), Problem> {
    capabilities.iter().try_for_each(Capability::check)?;
    no_overlaps(capabilities)?;
    no_marks(capabilities)?;
    not_replaceable(capabilities)
}

/// Nobody is granted the variables that say what a child is at work on: who could set them could hide a child, or have
/// another's ended.
fn no_marks(capabilities: &[Capability]) -> Result<(), Problem> {
    let variables = capabilities.iter().flat_map(|capability| match capability {
        Capability::Exec(exec) => exec.variables.iter().collect(),
        Capability::Secret(Secret { usage: SecretUse::ChildVariable { variable, .. }, .. }) => vec![variable],
        _ => vec![],
    });
    match variables.into_iter().find(|name| Mark::is_in(name)) {
        Some(name) => {
            Err(Problem::new(Code::StepConfigInvalid, format!("no program can be given the variable `{name}`"))
                .because("Windlass sets it itself, and finds by it what is at work for a run")
                .with_note("nothing was run")
                .with_hint("take it out of the step's `with`: every program that has an effect gets it"))
        }
        None => Ok(()),
    }
}

/// Granted directory trees never overlap: with two views of one file, a read-only one means nothing.
pub(super) fn no_overlaps(capabilities: &[Capability]) -> Result<(), Problem> {
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect()
    };
    let trees: Vec<(&crate::policy::Directory, Vec<String>)> = capabilities
        .iter()
        .filter_map(|capability| match capability {
            Capability::Directory(directory) => Some((directory, parts(&directory.path))),
            _ => None,
        })
        .collect();
    for (index, (one, one_parts)) in trees.iter().enumerate() {
        for (other, other_parts) in &trees[index + 1..] {
            let together = one.phases.intersection(&other.phases).next().is_some();
            if together && (one_parts.starts_with(other_parts) || other_parts.starts_with(one_parts)) {
                return Err(Problem::new(
                    Code::StepConfigInvalid,
                    format!("the directories `{}` and `{}` overlap", one.path, other.path),
                )
                .because("a step cannot be given two views of the same files")
                .with_note("nothing was run")
                .with_hint("name one of the two, or two trees that lie apart"));
            }
        }
    }
    Ok(())
}

/// The locked steps that a config asks for in one environment, with run-time holes left open; of those that `only` names.
///
/// # Errors
/// Everything that is wrong.
pub async fn wanted(
    config: &Config,
    project: &Path,
    plugins: &Plugins,
    environment: &Environment,
    pins: Pins<'_>,
    only: &dyn Fn(&Step) -> bool,
) -> Result<LockedSteps, Vec<Problem>> {
    let mut steps = LockedSteps::new();
    let mut problems = Vec::new();
    let mut selection = config.all_steps_for(environment);
    selection.steps.retain(only);
    selection.finally.retain(only);
    for resolved in resolve(config, project, plugins, &selection, pins).await? {
        match requires(config, &resolved, &resolved.step.with).await {
            Ok(capabilities) => {
                let locator = resolved.step.plugin.as_str();
                let locked = LockedStep {
                    plugin: locked_name(locator, &resolved.plugin),
                    sha256: (!resolved.plugin.is_built_in()).then(|| resolved.plugin.digest().to_owned()),
                    capabilities,
                };
                steps.insert(resolved.step.id.as_str().to_owned(), locked);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(steps) } else { Err(problems) }
}

//! Which plugins a project uses, and what its lock has of each.

use crate::config::{Config, PluginLocator};
use crate::lock::{Lock, LockedStep};
use std::collections::BTreeSet;

/// A plugin that `deploy.toml` names.
pub(super) struct Used {
    /// As it is named.
    pub(super) locator: PluginLocator,
    /// The steps that name it, in the order of the file.
    pub(super) steps: Vec<String>,
    /// What is accepted as it.
    pub(super) accepted: Vec<Accepted>,
    /// Where nothing is.
    pub(super) missing: Vec<(String, String)>,
}

/// What a lock accepts as a plugin.
pub(super) struct Accepted {
    /// The environment.
    pub(super) environment: String,
    /// The step.
    pub(super) step: String,
    /// What is accepted there.
    pub(super) locked: LockedStep,
}

impl Accepted {
    /// The version that is accepted.
    pub(super) fn version(&self) -> &str {
        self.locked.plugin.rsplit_once('@').map_or("", |(_, version)| version)
    }
}

impl Used {
    /// Whether it is part of the binary.
    pub(super) fn is_built_in(&self) -> bool {
        matches!(self.locator, PluginLocator::BuiltIn(_))
    }

    /// The versions that are accepted, each with its SHA-256.
    pub(super) fn versions(&self) -> BTreeSet<(&str, Option<&str>)> {
        self.accepted.iter().map(|accepted| (accepted.version(), accepted.locked.sha256.as_deref())).collect()
    }
}

/// All plugins that a config names, in the order in which it first does.
pub(super) fn used(config: &Config, lock: Option<&Lock>) -> Vec<Used> {
    let mut found: Vec<Used> = Vec::new();
    for step in config.steps.iter().chain(&config.finally) {
        let id = step.id.as_str().to_owned();
        match found.iter_mut().find(|used| used.locator == step.plugin) {
            Some(used) => used.steps.push(id),
            None => found.push(Used {
                locator: step.plugin.clone(),
                steps: vec![id],
                accepted: Vec::new(),
                missing: Vec::new(),
            }),
        }
    }
    for environment in &config.environments {
        let key = environment.key.as_str();
        let steps = lock.and_then(|lock| lock.environments.get(key));
        for step in config.all_steps_for(environment).iter() {
            let Some(used) = found.iter_mut().find(|used| used.locator == step.plugin) else { continue };
            let (environment, id) = (key.to_owned(), step.id.as_str().to_owned());
            let locked = steps.and_then(|steps| steps.get(&id));
            match locked.filter(|locked| used.is_built_in() || locked.is_of(step.plugin.as_str())) {
                Some(locked) => used.accepted.push(Accepted { environment, step: id, locked: locked.clone() }),
                None => used.missing.push((environment, id)),
            }
        }
    }
    found
}

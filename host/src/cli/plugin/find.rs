//! A plugin by whatever a person calls it: a built-in one's name, a file, a URL or a reference.

use crate::ci::Variables;
use crate::cli::arguments::Common;
use crate::cli::project::{directory, keys, trust};
use crate::config::{self, Config, PluginLocator};
use crate::network::{Client, Proxies, Trust};
use crate::plugin::{Plugin, Plugins, built_in_names};
use crate::problem::{Code, Problem};
use std::path::{Path, PathBuf};

/// The way out for a command that needs no project: by the authorities of the one that is there, where there is one.
///
/// # Errors
/// Where there are no certificates to be had from what it names.
pub(in crate::cli) fn client(common: &Common) -> Result<Client, Problem> {
    client_by(common, config::load_without_steps(&common.config).ok().as_ref())
}

fn client_by(common: &Common, config: Option<&Config>) -> Result<Client, Problem> {
    let variables = Variables::of_process();
    let proxies = Proxies::from_environment(|name| variables.get(name));
    let trust = config.map_or_else(|| Ok(Trust::default()), |config| trust(config, &directory(&common.config)))?;
    Ok(Client::new(trust, proxies))
}

/// What finds a plugin for a command that needs no project. It holds `policy.signed-by` of the one that is there: what comes from
/// elsewhere or is a step of it has to be signed. Any other file is what somebody has just made, and is looked at without.
pub(in crate::cli) struct Finder {
    plugins: Plugins,
    /// The files that are steps; or why nobody knows what is demanded.
    steps: Result<Vec<PathBuf>, Vec<Problem>>,
}

impl Finder {
    /// For this command.
    ///
    /// # Errors
    /// As those of [`client`].
    pub(in crate::cli) fn new(common: &Common) -> Result<Self, Problem> {
        let config = config::load_without_steps(&common.config);
        let client = client_by(common, config.as_ref().ok())?;
        let directory = directory(&common.config);
        Ok(match config.and_then(|config| Ok((keys(&config, &directory).map_err(|problem| vec![problem])?, config))) {
            Ok((keys, config)) => {
                Self { plugins: Plugins::demanding(client, keys), steps: Ok(files(&config, &directory)) }
            }
            // Where there is none, nobody demands anything. One that was named and is not there, or that a link leads to, is one
            // that somebody means.
            Err(problems) if is_nowhere(&common.config, &problems) => {
                Self { plugins: Plugins::new(client), steps: Ok(Vec::new()) }
            }
            Err(problems) => Self { plugins: Plugins::new(client), steps: Err(problems) },
        })
    }

    /// What loads them.
    pub(in crate::cli) const fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// The plugin of that name, as it is now. A file's path is relative to where the command was started.
    ///
    /// # Errors
    /// As those of [`Plugins`]; of one that is not built in also those of a `deploy.toml` that cannot be read, which may demand a
    /// signature.
    pub(in crate::cli) async fn find(&self, name: &str) -> Result<Plugin, Vec<Problem>> {
        let one = |problem| vec![problem];
        if built_in_names().contains(&name) || !name.contains(['/', '.']) {
            return self.plugins.load_built_in(name).await.map_err(one);
        }
        let steps = self.steps.as_ref().map_err(Clone::clone)?;
        let found = match PluginLocator::try_from(name.to_owned()) {
            Ok(locator @ (PluginLocator::Https(_) | PluginLocator::Oci(_))) => {
                self.plugins.load_fetched(&locator, None, |_| Ok(())).await
            }
            // By whichever name.
            _ if Path::new(name).canonicalize().is_ok_and(|file| steps.contains(&file)) => {
                self.plugins.load_file(name, Path::new(""), |_| Ok(())).await
            }
            _ => self.plugins.load_own(name, Path::new("")).await.map(|(plugin, _)| plugin),
        };
        found.map_err(one)
    }
}

/// Whether there is no configuration, and nobody has named one.
fn is_nowhere(config: &Path, problems: &[Problem]) -> bool {
    config == Path::new(config::FILE)
        && problems.iter().any(|problem| problem.code == Code::ConfigNotFound)
        && config.symlink_metadata().is_err()
}

/// The files that are steps of a configuration.
fn files(config: &Config, directory: &Path) -> Vec<PathBuf> {
    let steps = config.steps.iter().chain(&config.finally);
    let file = |locator: &PluginLocator| match locator {
        PluginLocator::Path(path) => directory.join(path).canonicalize().ok(),
        _ => None,
    };
    steps.filter_map(|step| file(&step.plugin)).collect()
}

//! A plugin by whatever a person calls it: a built-in one's name, a file, a URL or a reference.

use crate::ci::Variables;
use crate::cli::arguments::Common;
use crate::cli::project::{directory, trust};
use crate::config::{self, PluginLocator};
use crate::network::{Client, Proxies, Trust};
use crate::plugin::{Plugin, Plugins, built_in_names};
use crate::problem::Problem;
use std::path::Path;

/// The way out for a command that needs no project: by the authorities of the one that is there, where there is one.
///
/// # Errors
/// Where there are no certificates to be had from what it names.
pub(in crate::cli) fn client(common: &Common) -> Result<Client, Problem> {
    let variables = Variables::of_process();
    let proxies = Proxies::from_environment(|name| variables.get(name));
    let trust = match config::load(&common.config) {
        Ok(config) => trust(&config, &directory(&common.config))?,
        Err(_) => Trust::default(),
    };
    Ok(Client::new(trust, proxies))
}

/// The plugin of that name, as it is now. A file's path is relative to where the command was started.
///
/// # Errors
/// As those of [`Plugins`].
pub(in crate::cli) async fn find(plugins: &Plugins, name: &str) -> Result<Plugin, Problem> {
    match PluginLocator::try_from(name.to_owned()) {
        Ok(locator @ (PluginLocator::Https(_) | PluginLocator::Oci(_))) => {
            plugins.load_fetched(&locator, None, |_| Ok(())).await
        }
        _ if built_in_names().contains(&name) || !name.contains(['/', '.']) => plugins.load_built_in(name).await,
        _ => plugins.load_file(name, Path::new(""), |_| Ok(())).await,
    }
}

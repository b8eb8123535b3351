//! `windlass plugin build`

use super::find;
use crate::authoring::{self, Built, Project};
use crate::cli::arguments::{Common, Format, duration};
use crate::cli::signals::Listener;
use crate::cli::{Failed, print, print_json, say};
use crate::config::Duration;
use crate::plugin::{CONTRACT, Plugins};
use crate::problem::Problem;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct Build {
    /// The directory with the plugin's `windlass-plugin.toml`; this one where nothing is said.
    #[arg(value_name = "PROJECT")]
    project: Option<PathBuf>,
    /// The same, by its name.
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "project")]
    directory: Option<PathBuf>,
    /// How long the build may take; what is at work for it then is ended.
    #[arg(long, value_name = "DURATION", default_value = authoring::TIMEOUT, value_parser = duration)]
    timeout: Duration,
}

/// Builds a project, which Ctrl-C and SIGTERM end with all that is at work for it.
pub(super) async fn built(project: &Project, plugins: &Plugins, timeout: &Duration) -> Result<Built, Problem> {
    let mut listener = Listener::begin();
    authoring::build(project, plugins, timeout, listener.told(), say).await
}

/// Builds the project.
pub(super) async fn build(common: &Common, arguments: &Build) -> Result<(), Failed> {
    let directory = arguments.project.as_ref().or(arguments.directory.as_ref());
    let project = Project::read(directory.map_or_else(|| Path::new("."), PathBuf::as_path))?;
    let plugins = Plugins::new(find::client(common)?);
    let built = built(&project, &plugins, &arguments.timeout).await?;
    let (plugin, path) = (&built.plugin, project.component_path());
    match common.format {
        Format::Json => print_json(&json!({
            "plugin": plugin.name(),
            "version": plugin.version(),
            "contract": CONTRACT,
            "component": path,
            "size": built.size,
            "sha256": plugin.digest(),
        })),
        Format::Human => {
            print(&format!("{}\n", path.display()));
            say(&format!(
                "built {}, {} bytes, for contract {CONTRACT}\nsha256 {}\nnext: `windlass plugin test`\n",
                plugin.locked_name(),
                built.size,
                plugin.digest(),
            ));
        }
    }
    Ok(())
}

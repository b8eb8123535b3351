//! `windlass plugin build`

use super::find;
use crate::authoring::{self, Project};
use crate::cli::arguments::{Common, Format};
use crate::cli::{Failed, print, print_json, say};
use crate::plugin::{CONTRACT, Plugins};
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
}

/// Builds the project.
pub(super) async fn build(common: &Common, arguments: &Build) -> Result<(), Failed> {
    let directory = arguments.project.as_ref().or(arguments.directory.as_ref());
    let project = Project::read(directory.map_or_else(|| Path::new("."), PathBuf::as_path))?;
    let plugins = Plugins::new(find::client(common)?);
    let built = authoring::build(&project, &plugins, say).await?;
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

//! `windlass plugin build`

use super::find;
use crate::authoring::{self, Project};
use crate::cli::arguments::{Common, Format};
use crate::cli::{Failed, print, print_json, say};
use crate::plugin::{CONTRACT, Plugins};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct Build {
    /// The directory with the plugin's `windlass-plugin.toml`.
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    directory: PathBuf,
}

/// Builds the project.
pub(super) async fn build(common: &Common, arguments: &Build) -> Result<(), Failed> {
    let project = Project::read(&arguments.directory)?;
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

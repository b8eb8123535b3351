//! `windlass plugin new`

use crate::authoring::{self, Language};
use crate::cli::arguments::{Common, Format};
use crate::cli::{Failed, print, print_json, say};
use crate::plugin::built_in_names;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct New {
    /// The plugin's name: lower case letters and digits, with hyphens between words.
    name: String,
    /// What it is written in.
    #[arg(long = "lang", value_name = "LANGUAGE")]
    language: Language,
    /// Where the project is written to; a directory of the plugin's name otherwise. It is made, or is empty.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

/// Writes the project.
pub(super) fn new(common: &Common, arguments: &New) -> Result<(), Failed> {
    let New { name, language, directory } = arguments;
    let directory = directory.clone().unwrap_or_else(|| PathBuf::from(name));
    let files = authoring::create(&directory, name, *language, &built_in_names())?;
    match common.format {
        Format::Json => print_json(&json!({
            "name": name,
            "language": language.word(),
            "directory": directory,
            "files": files,
        })),
        Format::Human => {
            print(&format!("{}\n", directory.display()));
            say(&format!(
                "wrote {} files of a plugin in {}\nnext: `cd {}`, then `windlass plugin test`, which builds it; the README says how to go on\n",
                files.len(),
                language.name(),
                directory.display(),
            ));
        }
    }
    Ok(())
}

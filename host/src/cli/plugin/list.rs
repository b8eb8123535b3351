//! `windlass plugin list`

use super::used::{Used, used};
use crate::cli::arguments::{Common, Format};
use crate::cli::project::Project;
use crate::cli::session::{Session, fill_cache};
use crate::cli::{Failed, print, print_json};
use crate::config::PluginLocator;
use crate::network::Client;
use crate::plugin::{CONTRACTS, Plugin, Plugins, built_in_names};
use crate::problem::Problem;
use crate::report::{Here, Listed, Style, listed};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// List the built-in plugins instead, for which no project is needed.
    #[arg(long)]
    built_in: bool,
}

/// `windlass plugin list`
pub(super) async fn list(common: &Common, arguments: &List) -> Result<(), Failed> {
    let list = if arguments.built_in { built_in().await? } else { of_project(common).await? };
    match common.format {
        Format::Human => print(&listed(&list, Style::of_stdout())),
        Format::Json => print_json(&json!({ "contracts": CONTRACTS, "plugins": list }).to_string()),
    }
    Ok(())
}

async fn built_in() -> Result<Vec<Listed>, Failed> {
    let plugins = Plugins::new(Client::default());
    let mut list = Vec::new();
    for name in built_in_names() {
        let plugin = plugins.load_built_in(name).await?;
        list.push(Listed {
            plugin: name.to_owned(),
            name: Some(plugin.name().to_owned()),
            version: Some(plugin.version().to_owned()),
            summary: Some(plugin.summary().to_owned()),
            sha256: None,
            locked: None,
            steps: Vec::new(),
            here: None,
            problem: None,
        });
    }
    fill_cache(&plugins);
    Ok(list)
}

async fn of_project(common: &Common) -> Result<Vec<Listed>, Failed> {
    let session = Session::open_without_steps(common)?;
    let mut list = Vec::new();
    for used in used(&session.project.config, session.lock.as_ref()) {
        let (plugin, digest) = here(&session.plugins, &session.project, &used).await;
        list.push(match plugin {
            Ok(plugin) => entry(&used, plugin.as_ref(), digest),
            Err(problem) => {
                let why = problem.causes.first().unwrap_or(&problem.what).clone();
                Listed { problem: Some(why), ..entry(&used, None, digest) }
            }
        });
    }
    fill_cache(&session.plugins);
    Ok(list)
}

/// The plugin, where it can be had without asking anybody, and its SHA-256, also where it cannot be used.
async fn here(plugins: &Plugins, project: &Project, used: &Used) -> (Result<Option<Plugin>, Problem>, Option<String>) {
    let mut found = None;
    let loaded = match &used.locator {
        PluginLocator::BuiltIn(name) => plugins.load_built_in(name).await,
        PluginLocator::Path(path) => {
            plugins
                .load_file(path, &project.directory, |digest| {
                    found = Some(digest.to_owned());
                    Ok(())
                })
                .await
        }
        locator => {
            let digest = used.accepted.iter().find_map(|accepted| accepted.locked.sha256.as_deref());
            let Some(digest) = digest else { return (Ok(None), None) };
            match plugins.load_kept(locator, digest).await {
                Ok(Some(plugin)) => Ok(plugin),
                other => return (other, None),
            }
        }
    };
    (loaded.map(Some), found)
}

/// `digest` is what is here has, where that was looked at.
fn entry(used: &Used, plugin: Option<&Plugin>, digest: Option<String>) -> Listed {
    let versions = used.versions();
    let accepted = versions.iter().next();
    let is_another = versions.iter().any(|(version, sha256)| {
        let other_version = plugin.is_some_and(|plugin| plugin.version() != *version);
        let other_digest = digest.as_deref().is_some_and(|digest| *sha256 != Some(digest));
        other_version || other_digest
    });
    let locked = match accepted {
        None => "no",
        Some(_) if !used.missing.is_empty() => "in part",
        Some(_) if is_another => "another one",
        Some(_) => "yes",
    };
    let here = is_another.then(|| Here {
        name: plugin.map(|plugin| plugin.name().to_owned()),
        version: plugin.map(|plugin| plugin.version().to_owned()),
        sha256: digest,
    });
    // Of what is accepted and not here, nobody knows what it calls itself.
    let plugin = plugin.filter(|_| !is_another);
    let sha256 = accepted.and_then(|(_, sha256)| *sha256).or_else(|| plugin.map(Plugin::digest));
    Listed {
        plugin: used.locator.as_str().to_owned(),
        name: plugin.map(|plugin| plugin.name().to_owned()),
        version: accepted.map(|(version, _)| (*version).to_owned()).or(plugin.map(|it| it.version().to_owned())),
        summary: plugin.map(|plugin| plugin.summary().to_owned()),
        sha256: sha256.filter(|_| !used.is_built_in()).map(str::to_owned),
        locked: Some(locked),
        steps: used.steps.clone(),
        here,
        problem: None,
    }
}

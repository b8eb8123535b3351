//! `windlass plugin update`

use super::used::{Used, used};
use crate::cli::arguments::{Common, Format};
use crate::cli::session::Session;
use crate::cli::{Failed, print, print_json, say};
use crate::config::{PluginLocator, listing};
use crate::files::rewrite;
use crate::lock::{self, Lock};
use crate::policy::visible;
use crate::problem::{Code, Problem};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;

#[derive(Debug, Args)]
pub(in crate::cli) struct Update {
    /// The plugin, as `deploy.toml` names it, or a step that uses it; all that are not built in otherwise.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Show what would change and write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// A version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Version {
    version: String,
    sha256: Option<String>,
}

/// One that is another one now.
#[derive(Debug, Serialize)]
struct Moved {
    plugin: String,
    from: Vec<Version>,
    to: Vec<Version>,
}

/// `windlass plugin update`
pub(super) async fn update(common: &Common, arguments: &Update) -> Result<(), Failed> {
    let session = Session::open(common)?;
    let Some(old) = session.lock.clone() else { return Err(crate::prepare::lock_missing().into()) };
    let config = &session.project.config;
    let chosen = chosen(used(config, Some(&old)), arguments.name.as_deref())?;
    let is_chosen = |locator: &str| chosen.iter().any(|used| used.locator.as_str() == locator);
    let wanted = match session.wanted_of(false, &|step| is_chosen(step.plugin.as_str())).await {
        Ok(wanted) => wanted,
        Err(failed) => return Err(refused(failed, &session, &chosen).await),
    };
    let new = old.clone().with(wanted);
    let changes = old.changes_to(&new);
    let now = used(config, Some(&new));
    let moved: Vec<Moved> = chosen
        .iter()
        .filter_map(|before| {
            let after = now.iter().find(|after| after.locator == before.locator)?;
            let (from, to) = (versions(before), versions(after));
            (from != to).then(|| Moved { plugin: before.locator.as_str().to_owned(), from, to })
        })
        .collect();
    match common.format {
        Format::Json => print_json(&json!({ "plugins": moved, "changes": changes }).to_string()),
        Format::Human if changes.is_empty() => {}
        Format::Human => print(&format!("{}{}", told(&moved), lock::render(&changes))),
    }
    if changes.is_empty() {
        say(&format!("{} has what there is now\n", lock::FILE));
        return Ok(());
    }
    if arguments.dry_run {
        say("nothing was written\n");
        return Ok(());
    }
    write(&session, &new)?;
    say(&format!("wrote {}: commit it, and have the difference reviewed\n", lock::FILE));
    Ok(())
}

/// What keeps what there is now from being taken. Where a configuration does not fit, it fitted the plugin that was accepted: so
/// it is said which one it is now.
async fn refused(failed: Failed, session: &Session, chosen: &[Used]) -> Failed {
    let Failed::Problems(problems) = failed else { return failed };
    let mut others = Vec::new();
    for used in chosen {
        let loaded = match &used.locator {
            PluginLocator::Path(path) => session.plugins.load_file(path, &session.project.directory, |_| Ok(())).await,
            locator => session.plugins.load_fetched(locator, None, |_| Ok(())).await,
        };
        let Ok(plugin) = loaded else { continue };
        let accepted = versions(used);
        if accepted.iter().any(|it| it.sha256.as_deref() != Some(plugin.digest())) {
            let now = plugin.locked_name();
            let (locator, now) = (visible(used.locator.as_str()), visible(&now));
            others.push(format!("`{locator}` is `{now}` now, and what is accepted is {}", list(&accepted)));
        }
    }
    let told = problems.into_iter().map(|problem| {
        if problem.code != Code::StepConfigInvalid {
            return problem;
        }
        others.iter().fold(problem, Problem::because).with_note("nothing was changed")
    });
    Failed::Problems(told.collect())
}

/// Those that are meant.
fn chosen(all: Vec<Used>, name: Option<&str>) -> Result<Vec<Used>, Problem> {
    let all: Vec<Used> = all.into_iter().filter(|used| !used.is_built_in()).collect();
    let Some(name) = name else { return Ok(all) };
    let names: Vec<String> = all.iter().map(|used| used.locator.as_str().to_owned()).collect();
    let locator = PluginLocator::try_from(name.to_owned()).ok();
    let is_meant = |used: &Used| locator.as_ref() == Some(&used.locator) || used.steps.iter().any(|step| step == name);
    let found: Vec<Used> = all.into_iter().filter(is_meant).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let problem = Problem::new(Code::Usage, format!("there is no plugin `{}` to update", visible(name)));
    let problem = match names.as_slice() {
        [] => problem.because("all plugins of `deploy.toml` are built in, and come with Windlass itself"),
        names => problem.because(format!("those that can be are {}", listing(names.iter().map(String::as_str), "and"))),
    };
    Err(problem.with_note("nothing was changed").with_hint("name one of these, or a step that uses it"))
}

fn versions(used: &Used) -> Vec<Version> {
    let all = used.versions().into_iter();
    let all = all.map(|(version, sha256)| Version { version: version.into(), sha256: sha256.map(str::to_owned) });
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What moved, one line each.
fn told(moved: &[Moved]) -> String {
    let mut text = String::new();
    for it in moved {
        let _ = writeln!(text, "{}: {} -> {}", visible(&it.plugin), list(&it.from), list(&it.to));
    }
    text
}

fn list(versions: &[Version]) -> String {
    let one = |it: &Version| {
        let digest: String = it.sha256.iter().flat_map(|digest| digest.chars().take(12)).collect();
        format!("{} (sha256 {}…)", visible(&it.version), visible(&digest))
    };
    if versions.is_empty() { "nothing".to_owned() } else { versions.iter().map(one).collect::<Vec<_>>().join(", ") }
}

fn write(session: &Session, new: &Lock) -> Result<(), Problem> {
    let path = session.project.directory.join(lock::FILE);
    rewrite(&path, new.to_text()?.as_bytes()).map_err(|error| {
        Problem::new(Code::Usage, format!("`{}` cannot be written", path.display()))
            .because(error)
            .with_note("nothing was changed")
            .with_hint("mend the permissions")
    })
}

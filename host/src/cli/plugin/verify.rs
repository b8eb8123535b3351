//! `windlass plugin verify`: is what the lock names still what is there?

use super::used::{Accepted, Used, used};
use crate::cli::arguments::{Common, Format};
use crate::cli::session::{Session, fill_cache};
use crate::cli::{Failed, print, print_json, say};
use crate::config::{PluginLocator, enumerated};
use crate::plugin::Plugin;
use crate::policy::visible;
use crate::prepare;
use crate::problem::{Code, Problem};
use serde_json::{Value, json};

/// `windlass plugin verify`
pub(super) async fn verify(common: &Common) -> Result<(), Failed> {
    let session = Session::open(common)?;
    let lock = session.lock.as_ref().ok_or_else(prepare::lock_missing)?;
    let mut problems = Vec::new();
    let mut verified = Vec::new();
    for used in used(&session.project.config, Some(lock)).iter().filter(|used| !used.is_built_in()) {
        match one(&session, used).await {
            Ok(plugin) => verified.push((used.locator.as_str().to_owned(), plugin)),
            Err(found) => problems.extend(found),
        }
    }
    fill_cache(&session.plugins);
    match common.format {
        Format::Human => {
            for (locator, plugin) in &verified {
                let signed = plugin.signed_by().map(|key| format!(", signed by `{}`", visible(key)));
                print(&format!(
                    "{} {}: sha256 {}, contract {}{}\n",
                    visible(locator),
                    visible(plugin.version()),
                    plugin.digest(),
                    plugin.contract(),
                    signed.unwrap_or_default()
                ));
            }
        }
        Format::Json => print_json(
            &json!({
                "verified": verified.iter().map(|(locator, plugin)| shown(locator, plugin)).collect::<Vec<_>>(),
                "problems": problems.iter().map(|it| json!({ "code": it.code.word(), "what": it.what, "causes": it.causes }))
                    .collect::<Vec<_>>(),
            })
            .to_string(),
        ),
    }
    if problems.is_empty() {
        match verified.len() {
            0 => say("all plugins are built in: there is nothing to verify\n"),
            1 => say("1 plugin is what was accepted\n"),
            count => say(&format!("{count} plugins are what was accepted\n")),
        }
        return Ok(());
    }
    Err(problems.into())
}

fn shown(locator: &str, plugin: &Plugin) -> Value {
    json!({
        "plugin": locator, "name": plugin.name(), "version": plugin.version(), "sha256": plugin.digest(),
        "contract": plugin.contract(), "signed-by": plugin.signed_by(),
    })
}

/// Gets a plugin from where it comes from, whatever is kept of it, and holds it against all that is accepted.
async fn one(session: &Session, used: &Used) -> Result<Plugin, Vec<Problem>> {
    let locator = used.locator.as_str();
    let mut problems: Vec<Problem> = used
        .missing
        .iter()
        .map(|(environment, step)| {
            Problem::new(Code::NotAccepted, format!("plugin `{}` is not accepted", visible(locator)))
                .because(format!("`deploy.lock` does not have it for step `{step}` in environment `{environment}`"))
                .with_note("nothing was run")
                .with_hint("run `windlass lock`, and have the change to `deploy.lock` reviewed")
        })
        .collect();
    // What nobody accepted is not even fetched.
    if used.accepted.is_empty() && !problems.is_empty() {
        return Err(problems);
    }
    let accept = |digest: &str| {
        let refusals = used.accepted.iter().filter_map(|it| {
            let refusal = it.locked.accepts_file(&it.environment, &it.step, digest).err()?;
            Some((it, refusal))
        });
        changed(refusals).map_or(Ok(()), Err)
    };
    let loaded = match &used.locator {
        PluginLocator::Path(path) => session.plugins.load_file(path, &session.project.directory, accept).await,
        locator => session.plugins.load_fetched(locator, None, accept).await,
    };
    let plugin = match loaded {
        Ok(plugin) => plugin,
        Err(problem) => {
            problems.push(match problem.code {
                // What cannot be reached may be right.
                Code::PluginNotFetched => problem,
                _ => Problem {
                    code: if problem.code == Code::NotSigned { problem.code } else { Code::NotAccepted },
                    ..problem
                },
            });
            return Err(problems);
        }
    };
    let wrong =
        used.accepted.iter().find_map(|it| it.locked.accepts_plugin(&it.environment, &it.step, locator, &plugin).err());
    problems.extend(wrong);
    if problems.is_empty() { Ok(plugin) } else { Err(problems) }
}

/// That what is there is not what was accepted, wherever that is.
fn changed<'a>(refusals: impl Iterator<Item = (&'a Accepted, Problem)>) -> Option<Problem> {
    let mut refusals = refusals.peekable();
    let (_, first) = refusals.peek()?;
    let mut problem = first.clone();
    let mut places = Vec::new();
    for (it, refusal) in refusals {
        places.push(format!("step `{}` in environment `{}`", it.step, it.environment));
        let more: Vec<String> = refusal.causes.into_iter().filter(|cause| !problem.causes.contains(cause)).collect();
        problem.causes.extend(more);
    }
    Some(problem.with_note(format!("nothing was run; this is about {}", enumerated(places, "and"))))
}

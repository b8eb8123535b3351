//! `windlass plugin add`: a step more, with a plugin that was looked at, in both files or in none.

use super::inspect::given;
use crate::cli::arguments::{Common, Format};
use crate::cli::project::Project;
use crate::cli::session::{Session, fill_cache};
use crate::cli::{Failed, print, print_json, say};
use crate::config::{self, ComponentName, Config, PluginLocator, StepId, example, listing};
use crate::files::rewrite;
use crate::lock::{self, Lock};
use crate::plugin::{Plugin, Plugins};
use crate::policy::visible;
use crate::problem::{Code, Problem};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Component, Path};

#[derive(Debug, Args)]
pub(in crate::cli) struct Add {
    /// Where the plugin is: a path relative to `deploy.toml`, an `https` URL, an `oci` reference, or a built-in one's name.
    #[arg(value_name = "LOCATOR")]
    locator: String,
    /// What the step is called; otherwise it is called as the plugin.
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    /// The step's configuration, as JSON or as a file of it; otherwise an example is made of the plugin's schema.
    #[arg(long, value_name = "FILE|JSON")]
    with: Option<String>,
}

/// `windlass plugin add`
pub(super) async fn add(common: &Common, arguments: &Add) -> Result<(), Failed> {
    let mut session = Session::open_without_steps(common)?;
    let written = portable(&arguments.locator, &session.project.directory)?;
    let locator = PluginLocator::try_from(written).map_err(|text| {
        Problem::new(Code::Usage, format!("`{}` names no plugin", visible(&text)))
            .because(PluginLocator::why_not(&text))
            .with_note(NOTHING)
            .with_hint("name a file with a `/` in its path, an `https://` URL or an `oci://` reference")
    })?;
    let (environment, component) = meant(common, &session.project.config)?;
    let plugin = load(&session.plugins, &session.project, session.lock.as_ref(), &locator).await?;
    let with = match &arguments.with {
        Some(text) => given(text)?,
        None => example(plugin.schema()),
    };
    let id = arguments.id.clone().unwrap_or_else(|| plugin.name().to_owned());
    let old_text = session.project.config.text().to_owned();
    let entry = Entry {
        id: &id,
        plugin: locator.as_str(),
        environments: environment.map(|name| vec![name]),
        component,
        with: without_null(with),
    };
    let text = appended(&old_text, &entry)?;
    let refused = |failed| refused(failed, &id, &old_text, arguments.with.is_some());
    session.project.config = parsed(common, &session.project.config, &text, &id, &refused)?;
    let wanted = session.wanted_of(false, &|step| step.id == *id).await.map_err(&refused)?;
    fill_cache(&session.plugins);
    let old = session.lock.clone().unwrap_or_else(|| Lock::new(BTreeMap::new()));
    let new = old.clone().with(wanted);
    let changes = old.changes_to(&new);
    match common.format {
        Format::Human => {
            let (name, summary) = (plugin.locked_name(), plugin.summary());
            print(&format!("{}: {}\n{}", visible(&name), visible(summary), lock::render(&changes)));
        }
        Format::Json => print_json(
            &json!({
                "step": id, "plugin": locator.as_str(), "name": plugin.name(), "version": plugin.version(),
                "sha256": plugin.digest(), "changes": changes,
            })
            .to_string(),
        ),
    }
    let lock_file = session.project.directory.join(lock::FILE);
    write_both((&common.config, &text), (&lock_file, &new.to_text()?))?;
    say(&format!(
        "wrote step `{id}` to {}, and what it may do to {}: look at both, and commit them\n",
        common.config.display(),
        lock::FILE
    ));
    let steps = session.project.config.steps.iter().chain(&session.project.config.finally);
    let is_known = |id: &str| new.environments.values().any(|steps| steps.contains_key(id));
    let others: Vec<&str> = steps.map(|step| step.id.as_str()).filter(|id| !is_known(id)).collect();
    if !others.is_empty() {
        let (others, verb) = (listing(others.iter().copied(), "and"), if others.len() == 1 { "is" } else { "are" });
        say(&format!(
            "note: {others} {verb} in no environment of {} yet; `windlass lock` adds what `deploy.toml` asks for\n",
            lock::FILE
        ));
    }
    Ok(())
}

const NOTHING: &str = "nothing was changed";

/// A file's path as whoever else has the repository has it: relative to `deploy.toml`. What is no absolute path stays as it is.
fn portable(text: &str, directory: &Path) -> Result<String, Problem> {
    let path = Path::new(text);
    let place = path.parent().filter(|_| path.is_absolute()).map(Path::canonicalize);
    // Of what is not there, it is the plugin that is missing. A link is a name of the repository's, wherever it leads.
    let (Some(Ok(place)), Some(name)) = (place, path.file_name()) else { return Ok(text.to_owned()) };
    let file = place.join(name);
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_path_buf());
    let repository = directory.ancestors().find(|ancestor| ancestor.join(".git").exists()).unwrap_or(&directory);
    // The name through a link of the repository's is as good as the one that the link leads to.
    let is_plain = path.components().all(|part| part != Component::ParentDir);
    let file = if is_plain && !file.starts_with(repository) { path.to_path_buf() } else { file };
    if !file.starts_with(repository) {
        return Err(Problem::new(Code::Usage, format!("the plugin `{}` cannot be added", visible(text)))
            .because(format!(
                "it is outside of `{}`, and whoever else has this `deploy.toml` does not have it there",
                repository.display()
            ))
            .with_note(NOTHING)
            .with_hint(
                "copy it beside `deploy.toml`, or publish it with `windlass plugin publish` and add its reference",
            ));
    }
    let common = directory.ancestors().find(|ancestor| file.starts_with(ancestor)).unwrap_or(repository);
    let up = directory.strip_prefix(common).map_or(0, |below| below.components().count());
    let below = file.strip_prefix(common).unwrap_or(&file).components();
    let parts = std::iter::repeat_n("..".into(), up).chain(below.map(|part| part.as_os_str().to_string_lossy()));
    Ok(format!("./{}", parts.collect::<Vec<_>>().join("/")))
}

/// Where the step is to run, as the common options say: in one environment, and as a part of one component.
fn meant(common: &Common, config: &Config) -> Result<(Option<String>, Option<String>), Problem> {
    let key = |name: &str| {
        let table = config.environments.iter().find(|environment| environment.key.as_str() == name);
        let environment = table.map_or_else(|| config.environment(Some(name)), Ok);
        environment.map(|environment| environment.key.as_str().to_owned())
    };
    let environment = common.environment.as_deref().map(key).transpose();
    let environment = environment.map_err(|problem| problem.with_note(NOTHING))?;
    if let Some(Err(reason)) = common.component.clone().map(ComponentName::try_from) {
        return Err(Problem::new(Code::Usage, "no component can be called that")
            .because(reason)
            .with_note(NOTHING)
            .with_hint("name it otherwise, with `--component NAME`"));
    }
    Ok((environment, common.component.clone()))
}

/// The plugin as it is now; where the lock pins what that locator is, that and nothing else.
async fn load(
    plugins: &Plugins,
    project: &Project,
    lock: Option<&Lock>,
    locator: &PluginLocator,
) -> Result<Plugin, Problem> {
    let all = lock.iter().flat_map(|lock| &lock.environments).flat_map(|(environment, steps)| {
        steps.iter().map(move |(id, locked)| (environment.as_str(), id.as_str(), locked))
    });
    let pinned = all.into_iter().find(|(_, _, locked)| locked.is_of(locator.as_str()) && locked.sha256.is_some());
    let accept = |digest: &str| pinned.map_or(Ok(()), |(environment, id, it)| it.accepts_file(environment, id, digest));
    let loaded = match locator {
        PluginLocator::BuiltIn(name) => plugins.load_built_in(name).await,
        PluginLocator::Path(path) => plugins.load_file(path, &project.directory, accept).await,
        _ => {
            let known = pinned.and_then(|(_, _, locked)| locked.sha256.as_deref());
            plugins.load_fetched(locator, known, accept).await
        }
    };
    loaded.map_err(|problem| problem.with_note(NOTHING))
}

/// What is written behind all that is there.
#[derive(Serialize)]
struct Entries<'a> {
    step: [&'a Entry<'a>; 1],
}

/// A step as it is written.
#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    plugin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    environments: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    #[serde(skip_serializing_if = "is_nothing")]
    with: Value,
}

fn is_nothing(with: &Value) -> bool {
    with.as_object().is_some_and(serde_json::Map::is_empty)
}

/// The text with a step more at its end: all that was there stays as it was.
fn appended(text: &str, entry: &Entry<'_>) -> Result<String, Problem> {
    let written = toml::to_string(&Entries { step: [entry] }).map_err(|error| {
        Problem::new(Code::Usage, "the configuration of `--with` cannot be written as TOML")
            .because(error)
            .with_note(NOTHING)
            .with_hint("pass one that is a table of texts, numbers, booleans, lists and tables")
    })?;
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let all = format!("{}{ending}{ending}{}", text.trim_end(), written.replace('\n', ending));
    // Both halves are TOML, so it is what is there already that cannot be gone on with.
    toml::from_str::<toml::Table>(&all).map_err(|error| {
        Problem::new(Code::Usage, format!("step `{}` cannot be added behind the others", entry.id))
            .because(error.message())
            .with_note(NOTHING)
            .with_hint("write the steps that are there as one `[[step]]` each, and not as one list (`step = […]`)")
    })?;
    Ok(all)
}

/// TOML has no `null`: what is nothing is left out.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_null(value))).collect())
        }
        Value::Array(list) => {
            Value::Array(list.into_iter().filter(|value| !value.is_null()).map(without_null).collect())
        }
        other => other,
    }
}

/// The config with the new step in it.
fn parsed(
    common: &Common,
    old: &Config,
    text: &str,
    id: &str,
    refused: &dyn Fn(Failed) -> Failed,
) -> Result<Config, Failed> {
    let wrong = |what: String| Problem::new(Code::Usage, what).with_note(NOTHING);
    let hint = "name this one otherwise, with `--id NAME`";
    if let Err(reason) = StepId::try_from(id.to_owned()) {
        return Err(wrong(format!("step `{}` cannot be added", visible(id))).because(reason).with_hint(hint).into());
    }
    if old.steps.iter().chain(&old.finally).any(|step| step.id == *id) {
        return Err(wrong(format!("there is a step `{id}` already")).with_hint(hint).into());
    }
    let mut parsed = config::parse(old.file(), text).map_err(|problems| refused(problems.into()))?;
    if let Some(name) = &common.environment {
        parsed.instantiate(name);
    }
    Ok(parsed)
}

/// What is wrong with the file as it would be, before it is: nobody can look at lines that are not in it yet.
fn refused(failed: Failed, id: &str, old_text: &str, is_given: bool) -> Failed {
    let Failed::Problems(problems) = failed else { return failed };
    let there = old_text.trim_end().len();
    let told = problems.into_iter().map(|mut problem| {
        // Whoever gave the configuration mends that; where the plugin itself fails, no other one helps.
        let is_of_example = problem.code == Code::StepConfigInvalid && !problem.what.contains("`requires`");
        if (is_of_example && !is_given) || problem.hint.is_none() {
            problem = problem.with_hint("pass its configuration with `--with FILE|JSON`");
        }
        let what = format!("step `{id}` cannot be added: {}", problem.what);
        Problem { what, place: problem.place.take().filter(|place| place.span.end <= there), ..problem }
            .with_note(NOTHING)
    });
    Failed::Problems(told.collect())
}

/// Writes both files, each with its text, or neither.
fn write_both(config: (&Path, &str), lock: (&Path, &str)) -> Result<(), Problem> {
    let before = std::fs::read(lock.0).ok();
    let write = |(path, text): (&Path, &str)| {
        rewrite(path, text.as_bytes()).map_err(|error| {
            Problem::new(Code::Usage, format!("`{}` cannot be written", path.display()))
                .because(error)
                .with_note(NOTHING)
                .with_hint("mend the permissions")
        })
    };
    write(lock)?;
    write(config).inspect_err(|_| {
        // What nobody asks for accepts nothing, but it would be in the next commit.
        let _ = match &before {
            Some(before) => rewrite(lock.0, before),
            None => std::fs::remove_file(lock.0),
        };
    })
}

#[cfg(test)]
mod tests {
    use super::{Entry, appended, without_null, write_both};
    use serde_json::json;

    #[test]
    fn what_was_there_stays_as_it_was() {
        let with = without_null(json!({ "a": ["x"], "b": { "c": 1, "d": null } }));
        let entry = Entry { id: "new", plugin: "./a.wasm", environments: None, component: None, with };
        let expected =
            "[[step]]\nid = \"new\"\nplugin = \"./a.wasm\"\n\n[step.with]\na = [\"x\"]\n\n[step.with.b]\nc = 1\n";
        let text = "# first\na = 1 # kept\n\n\n";
        assert_eq!(appended(text, &entry).expect("text"), format!("# first\na = 1 # kept\n\n{expected}"));
        let windows = appended("a = 1\r\n", &entry).expect("text");
        assert_eq!(windows, format!("a = 1\n\n{expected}").replace('\n', "\r\n"));
    }

    #[test]
    fn where_the_second_file_cannot_be_written_the_first_is_as_it_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let (lock, nowhere) = (directory.path().join("deploy.lock"), directory.path().join("missing/deploy.toml"));
        let write = || write_both((&nowhere, "config"), (&lock, "new"));
        let problem = write().expect_err("there is no such directory");
        assert_eq!(problem.note.as_deref(), Some("nothing was changed"));
        assert!(!lock.exists());
        std::fs::write(&lock, "old").expect("written");
        assert!(write().is_err());
        assert_eq!(std::fs::read_to_string(&lock).expect("read"), "old");
        let config = directory.path().join("deploy.toml");
        write_both((&config, "config"), (&lock, "new")).expect("both");
        assert_eq!(
            std::fs::read_to_string(&lock).expect("read") + &std::fs::read_to_string(config).expect("read"),
            "newconfig"
        );
    }
}

//! `environment list` and `environment stop`: what there is to deploy to, and the end of what comes and goes.

use super::arguments::{Common, EnvironmentCommand as Command, Format, StopEnvironment};
use super::project::Project;
use super::{Failed, print, print_json, say};
use crate::config::{Config, Environment};
use crate::event::{Event, Place, RunOutcome};
use crate::forge::Forge;
use crate::forge::deployments::Whose;
use crate::forge::environments::{Known, Release};
use crate::history;
use crate::lease::{self, Standing};
use crate::problem::{Code, Problem};
use jiff::Timestamp;
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;

/// `windlass environment`
pub(super) async fn environment(common: &Common, command: &Command) -> Result<(), Failed> {
    let mut project = Project::load(common)?;
    let forge = project.forge()?;
    match command {
        Command::List => list(common, &project, &forge).await,
        Command::Stop(arguments) => {
            let name = named(common, arguments)?;
            if let Some(name) = name {
                project.config.instantiate(name);
            }
            stop(common, &project, &forge, arguments, name).await
        }
    }
}

/// The environment that is to be stopped; none where age alone decides.
fn named<'a>(common: &'a Common, arguments: &'a StopEnvironment) -> Result<Option<&'a str>, Problem> {
    let unclear = |what: &str| Problem::new(Code::Usage, what).with_note("nothing was changed");
    match (arguments.name.as_deref(), common.environment.as_deref()) {
        (Some(one), Some(other)) if one != other => Err(unclear("it is not clear which environment is to be stopped")
            .because(format!("`{one}` is named, and `-e {other}`"))
            .with_hint("name one of them")),
        (None, None) if arguments.older_than.is_none() => {
            Err(unclear("it is not known which environment is to be stopped")
                .with_hint("name it, for example `-e review/feature-1`, or say how old with `--older-than 7d`"))
        }
        (one, other) => Ok(one.or(other)),
    }
}

/// An environment and what is live there.
struct Found<'a> {
    known: Known,
    /// What the configuration says of it.
    configured: Option<&'a Environment>,
    live: Vec<Release>,
}

impl Found<'_> {
    fn is_transient(&self) -> bool {
        self.configured.is_some_and(|environment| environment.transient)
    }

    /// Since when the newest that is live is.
    fn since(&self) -> Option<Timestamp> {
        self.live.iter().filter_map(|release| release.since).max()
    }

    fn as_json(&self, now: Timestamp) -> serde_json::Value {
        let live = |release: &Release| {
            json!({
                "component": component(release), "version": release.version, "commit": release.commit,
                "since": release.since, "age_s": release.since.map(|since| age(since, now).as_secs()),
                "deployment": release.id,
            })
        };
        json!({
            "name": self.known.name, "configured": self.configured.map(|environment| environment.key.as_str()),
            "transient": self.is_transient(), "stopped": self.known.is_stopped, "url": self.known.url,
            "live": self.live.iter().map(live).collect::<Vec<_>>(),
        })
    }

    fn write(&self, text: &mut String, now: Timestamp) {
        let kind = match self.configured {
            None => ", not in the configuration",
            Some(environment) if environment.transient => ", transient",
            Some(_) => "",
        };
        let _ = writeln!(text, "{}{kind}", self.known.name);
        for release in &self.live {
            let what = match (component(release), &release.version) {
                (Some(component), Some(version)) => format!("{component} {version} "),
                (None, Some(version)) => format!("{version} "),
                (_, None) => String::new(),
            };
            let commit = crate::words::short(&release.commit);
            let since = release.since.map(|since| format!(" since {since:.0}, {}", days(age(since, now))));
            let _ = writeln!(text, "  live    {what}({commit}){}", since.unwrap_or_default());
        }
        if self.known.is_stopped {
            text.push_str("  stopped\n");
        } else if self.live.is_empty() {
            text.push_str("  live    nothing\n");
        }
    }
}

fn component(release: &Release) -> Option<&str> {
    match &release.whose {
        Whose::Ours { component, .. } => component.as_deref(),
        Whose::Unsaid => None,
    }
}

fn age(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// An age as people say it.
fn days(age: Duration) -> String {
    let (number, unit) = match age.as_secs() {
        seconds @ ..60 => (seconds, "second"),
        seconds @ ..3_600 => (seconds / 60, "minute"),
        seconds @ ..86_400 => (seconds / 3_600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} old")
}

/// What the configuration says of a name: itself, or what stands for it.
fn configured<'c>(config: &'c Config, name: &str) -> Option<&'c Environment> {
    let itself =
        config.environments.iter().find(|environment| environment.pattern.is_none() && environment.covers(name));
    itself.or_else(|| config.environments.iter().find(|environment| environment.covers(name)))
}

/// All environments, by the forge or, where there is none, by the configuration and the journals; those that are asked for
/// with what is live there.
async fn find<'a>(
    project: &'a Project,
    forge: &Forge,
    wanted: impl Fn(&str, Option<&Environment>) -> bool,
) -> Result<Vec<Found<'a>>, Problem> {
    let config = &project.config;
    let Some(known) = forge.environments().await? else { return by_journals(project, wanted) };
    let mut found = Vec::new();
    for known in known {
        let configured = configured(config, &known.name);
        if wanted(&known.name, configured) {
            let mut live = forge.live(&known).await?;
            // Another app of the same repository has its own.
            live.retain(|it| !matches!(&it.whose, Whose::Ours { app, .. } if *app != config.app.as_str()));
            found.push(Found { configured, live, known });
        }
    }
    Ok(found)
}

fn by_journals<'a>(
    project: &'a Project,
    wanted: impl Fn(&str, Option<&Environment>) -> bool,
) -> Result<Vec<Found<'a>>, Problem> {
    let config = &project.config;
    let mut found: Vec<Found<'a>> = Vec::new();
    let of = |name: &str| {
        let configured = configured(config, name);
        let url = configured.filter(|it| it.pattern.is_none()).and_then(|it| it.url.clone());
        Found { known: Known { name: name.to_owned(), id: None, is_stopped: false, url }, configured, live: vec![] }
    };
    let fixed = config.environments.iter().filter(|it| it.pattern.is_none() && it.instance.is_none());
    found.extend(fixed.map(|environment| of(environment.name.as_str())));
    let mut settled: Vec<Place> = Vec::new();
    for run in history::runs(&project.journals)? {
        let run = run?;
        let place = run.subject.place();
        if run.outcome != Some(RunOutcome::Succeeded) || settled.contains(&place) || place.app != config.app.as_str() {
            continue;
        }
        let index = found.iter().position(|it| it.known.name == place.environment).unwrap_or_else(|| {
            found.push(of(&place.environment));
            found.len() - 1
        });
        if run.stopped {
            found[index].known.is_stopped = found[index].live.is_empty();
        } else {
            found[index].known.is_stopped = false;
            found[index].live.push(Release {
                id: run.run.clone(),
                whose: Whose::Ours { app: place.app.clone(), component: place.component.clone() },
                version: Some(run.subject.version.clone()),
                commit: run.subject.commit.clone(),
                since: run.begun(),
            });
        }
        settled.push(place);
    }
    found.retain(|it| wanted(&it.known.name, it.configured));
    Ok(found)
}

async fn list(common: &Common, project: &Project, forge: &Forge) -> Result<(), Failed> {
    let now = Timestamp::now();
    let asked = common.environment.as_deref();
    if let Some(name) = asked {
        project.config.environment(Some(name))?;
    }
    let found = find(project, forge, |name, _| asked.is_none_or(|asked| asked == name)).await?;
    match common.format {
        Format::Json => {
            let environments: Vec<_> = found.iter().map(|it| it.as_json(now)).collect();
            print_json(&json!({ "schema": "windlass.environments/1", "environments": environments }));
        }
        Format::Human if found.is_empty() => say("there is no environment yet\n"),
        Format::Human => {
            let mut text = String::new();
            found.iter().for_each(|it| it.write(&mut text, now));
            print(&text);
        }
    }
    Ok(())
}

async fn stop(
    common: &Common,
    project: &Project,
    forge: &Forge,
    arguments: &StopEnvironment,
    name: Option<&str>,
) -> Result<(), Failed> {
    let now = Timestamp::now();
    let found = match name {
        Some(name) => {
            let environment = project.config.environment(Some(name))?;
            if !environment.transient {
                return Err(Problem::new(Code::Usage, format!("environment `{name}` does not come and go"))
                    .because("only one with `transient = true` is ever stopped")
                    .with_note("nothing was changed")
                    .with_hint("write `transient = true` for it, if that is what it is")
                    .at(project.config.place_of_environment(environment, "transient"))
                    .into());
            }
            let found = find(project, forge, |other, _| other == name).await?;
            if found.is_empty() {
                return Err(Problem::new(Code::Usage, format!("there is no environment `{name}`"))
                    .because("nothing was ever deployed to it")
                    .with_note("nothing was changed")
                    .with_hint("`windlass environment list` says which there are")
                    .into());
            }
            found
        }
        None => find(project, forge, |_, configured| configured.is_some_and(|it| it.transient)).await?,
    };
    let mut stopped = Vec::new();
    let mut problems: Vec<Problem> = Vec::new();
    for it in &found {
        let old = match &arguments.older_than {
            // Of one in which nothing is live nobody knows how old it is.
            Some(least) => it.since().is_some_and(|since| age(since, now) >= *least),
            None => true,
        };
        if !old {
            continue;
        }
        if !arguments.dry_run {
            // One that is in the way of one is in the way of no other.
            if let Err(problem) = stop_one(project, forge, it, arguments.delete).await {
                problems.push(problem);
                continue;
            }
        }
        stopped.push(it);
    }
    match common.format {
        Format::Json => {
            let names: Vec<_> = stopped.iter().map(|it| &it.known.name).collect();
            let value = json!({ "schema": "windlass.stopped/1", "dry_run": arguments.dry_run, "environments": names });
            print_json(&value);
        }
        Format::Human => {
            let verb = if arguments.dry_run { "would be stopped" } else { "was stopped" };
            let lines: String = stopped.iter().map(|it| format!("{} {verb}\n", it.known.name)).collect();
            print(&lines);
            if stopped.is_empty() && problems.is_empty() {
                say("there is nothing to stop\n");
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
}

/// Stop one, unless somebody deploys to it at this moment.
async fn stop_one(project: &Project, forge: &Forge, found: &Found<'_>, delete: bool) -> Result<(), Problem> {
    let name = &found.known.name;
    let components = project.config.components().into_iter().map(|it| Some(it.as_str().to_owned()));
    let app = project.config.app.as_str();
    let places: Vec<Place> = std::iter::once(None)
        .chain(components)
        .map(|component| Place { app: app.to_owned(), environment: name.clone(), component })
        .collect();
    for place in &places {
        if let Standing::Held { holder, alive, .. } = lease::standing(&*project.leases, place).await?
            && alive != Some(false)
        {
            return Err(Problem::new(Code::LeaseHeld, format!("environment `{name}` cannot be stopped now"))
                .because(format!("run `{}` deploys there since {}", holder.run, holder.taken))
                .with_note("nothing was changed in it")
                .with_hint("wait for that run to end, or cancel it"));
        }
    }
    forge.stop(&found.known, delete).await?;
    for place in &places {
        written_down(project, place)?;
    }
    Ok(())
}

/// The journal of what was live there says that it is not any more.
fn written_down(project: &Project, place: &Place) -> Result<(), Problem> {
    let Some(live) = history::live(&project.journals, place)? else { return Ok(()) };
    let (mut journal, _) = history::reopen(&project.journals, &live.run)?;
    journal.append(&Event::EnvironmentStopped { actor: project.actor() })
}

#[cfg(test)]
mod tests {
    use super::days;
    use std::time::Duration;

    #[test]
    fn ages_are_told_in_their_largest_unit() {
        for (seconds, expected) in [
            (0, "0 seconds old"),
            (1, "1 second old"),
            (119, "1 minute old"),
            (7_200, "2 hours old"),
            (86_400, "1 day old"),
            (30 * 86_400 + 5, "30 days old"),
        ] {
            assert_eq!(days(Duration::from_secs(seconds)), expected);
        }
    }
}

//! The step itself: what it means to do, doing it, and what it says when that fails.

use crate::commands::{self, Invocation};
use crate::config::Config;
use crate::lockfile::packages;
use crate::manager::Manager;
use crate::recognise::{Project, projects};
use crate::standing::{Standing, drift_before_install, standing};
use crate::trouble::{Trouble, classify, last_words};
use crate::witness;
use crate::world::{Ended, Files, Workplace, World};
use serde::{Deserialize, Serialize};
use windlass_plugin::{Access, Capability, Failure, FailureKind, Intent, Outcome, Phases, Ports, Verdict};

/// What is left in the journal before an install begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The package manager's name.
    pub manager: String,
    /// The lockfile, relative to the project.
    pub lockfile: String,
    /// Its digest.
    pub digest: String,
}

/// One command that is asked for, with all that any use of it needs.
struct Asked {
    command: Invocation,
    manager: Manager,
    variables: Vec<&'static str>,
    phases: Phases,
    /// Whether it installs: then it changes the folder and asks the registry. What only looks does neither.
    installs: bool,
}

/// What this configuration needs: to see the folder, and to run the exact commands of the manager that is named, or of
/// all of them.
///
/// # Errors
/// As [`Config::check`].
pub(crate) fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
    config.check()?;
    let mut asked: Vec<Asked> = vec![];
    for manager in Manager::ALL {
        if config.manager.is_some_and(|wanted| wanted.name() != manager.name()) {
            continue;
        }
        // What only looks is also run before and after an install, to say which entry drifted.
        let looks =
            commands::checks(manager, config).into_iter().map(|command| (command, Phases::PLAN | Phases::APPLY, false));
        let works = commands::work(manager, config).into_iter().map(|command| (command, Phases::APPLY, true));
        for (command, phases, installs) in looks.chain(works) {
            let mut variables: Vec<_> = command.variables.iter().map(|(name, _)| *name).collect();
            variables.extend(command.inherited);
            match asked.iter_mut().find(|known| known.command.line() == command.line()) {
                Some(known) => {
                    known.phases |= phases;
                    known.installs |= installs;
                    variables.retain(|name| !known.variables.contains(name));
                    known.variables.extend(variables);
                }
                None => asked.push(Asked { command, manager, variables, phases, installs }),
            }
        }
    }
    let folder = Capability::directory(&config.directory, Access::Read, Phases::PLAN | Phases::APPLY);
    let commands = asked.into_iter().map(|Asked { command, manager, variables, phases, installs }| {
        Capability::exec(command.program)
            .arguments(command.arguments)
            .directory(&config.directory)
            .variables(variables)
            .toolchains(manager.toolchains().iter().copied())
            .writes(std::iter::once(&config.directory).chain(&config.writes).filter(|_| installs))
            .connects(if installs { Ports::Any } else { Ports::These(vec![]) })
            .during(phases)
    });
    Ok(std::iter::once(folder).chain(commands).collect())
}

/// What is to be installed.
fn recognise(world: &impl Files, config: &Config) -> Result<Vec<Project>, Failure> {
    config.check()?;
    let found = projects(world, &config.directory, config.manager)?;
    if config.production && found.iter().any(|project| project.manager == Manager::YarnBerry) {
        return Err(Failure::misconfigured(
            "production-not-possible",
            "yarn cannot leave out what is only needed for development",
        )
        .because("from its second generation on, `yarn install --immutable` has no such option")
        .with_hint("take `production` out of this step"));
    }
    Ok(found)
}

/// What is to be installed, and how it stands.
fn survey(world: &impl World, config: &Config) -> Result<Vec<(Project, Standing)>, Failure> {
    let found = recognise(world, config)?.into_iter();
    found.map(|project| standing(world, &project, config).map(|standing| (project, standing))).collect()
}

/// An intent for each lockfile whose packages are not all installed.
///
/// # Errors
/// Where it is not clear what to install, or a lockfile drifted.
pub(crate) fn plan(world: &impl World, config: &Config) -> Result<Vec<Intent>, Failure> {
    let mut intents = vec![];
    for (project, standing) in survey(world, config)? {
        match standing {
            Standing::Installed => {}
            Standing::Drifted(lines) => return Err(drift(&project, config, lines, "nothing was installed")),
            Standing::Missing(why) => {
                let path = config.path(&project.lockfile);
                let name = project.manager.name();
                let commands = commands::install(project.manager, config);
                let detail = commands.iter().map(|command| format!("{}\n", command.line())).collect::<String>();
                intents.push(
                    Intent::changes(
                        format!("{name} {path}@{}", lockfile_digest(world, &project)?),
                        format!("install {} with {name}, exactly as `{path}` says", counted(world, &project, config)),
                    )
                    .with_detail(format!("{detail}because {why}")),
                );
            }
        }
    }
    Ok(intents)
}

/// What became of an install that was cut off: begun, and never taken for whole. Most managers' own checks go by names and
/// versions, and a package that is unpacked by half, or whose script was cut off, has both. Installing again does no
/// harm, and ends with what the lockfile says.
pub(crate) fn probe(records: &[Record]) -> Verdict {
    if records.is_empty() { Verdict::NotDone } else { Verdict::Partly }
}

/// Install what every lockfile of the folder names. `record` is called before each.
///
/// # Errors
/// `check-failed` where a lockfile drifted, was changed, or something in it is not what was locked; `unavailable`
/// where a tool or a registry is not there.
pub(crate) fn apply(
    world: &impl Workplace,
    config: &Config,
    record: &dyn Fn(&Record) -> Result<(), Failure>,
) -> Result<Outcome, Failure> {
    let found = recognise(world, config)?;
    let mut done: Vec<(&'static str, Option<usize>, String)> = vec![];
    for project in &found {
        let digest = lockfile_digest(world, project)?;
        let manager = project.manager.name();
        let drifted =
            drift_before_install(world, project, config).map_err(|failure| tool_missing(project.manager, failure))?;
        if let Some(lines) = drifted {
            return Err(drift(project, config, lines, &note(&done)));
        }
        record(&Record { manager: manager.into(), lockfile: config.path(&project.lockfile), digest: digest.clone() })?;
        install(world, project, config, &done)?;
        remember(world, project, config, &digest);
        done.push((manager, count(world, project, config), digest));
    }
    Ok(outcome(&done))
}

/// Run one manager's commands and see that its lockfile stays as it is.
fn install(world: &impl Workplace, project: &Project, config: &Config, done: &[Done]) -> Result<(), Failure> {
    let before = guarded(world, project);
    for command in commands::install(project.manager, config) {
        let line = command.line();
        world.progress(&line);
        let ended = world.stream(&command).map_err(|failure| tool_missing(project.manager, failure))?;
        if !ended.succeeded {
            let failure = failed(world, project, config, &line, &ended)?;
            return Err(if failure.note.is_some() { failure } else { failure.with_note(unfinished(done)) });
        }
        let after = guarded(world, project);
        if let Some((name, _)) = before.iter().zip(&after).find(|(one, other)| one != other).map(|(_, other)| other) {
            let path = config.path(name);
            return Err(Failure::check_failed("lockfile-changed", format!("`{line}` changed `{path}`"))
                .because("what was installed is not what is committed")
                .with_note(format!("the packages are installed, and `{path}` is left as the command made it"))
                .with_hint(format!("run `{}` and commit `{path}`", project.manager.relock_command())));
        }
    }
    Ok(())
}

/// A manager, its packages and its lockfile's digest.
type Done = (&'static str, Option<usize>, String);

/// The files that an install must leave as they are.
fn guarded(files: &impl Files, project: &Project) -> Vec<(String, Option<String>)> {
    let mut names = vec![project.lockfile.clone()];
    if project.manager == Manager::Go {
        names = vec!["go.mod".into(), "go.sum".into()];
    }
    names.into_iter().map(|name| (name.clone(), files.fingerprint(&name))).collect()
}

/// Keep what the next plan needs to see that there is nothing to do. Where that cannot be kept the next deployment
/// installs again, which does no harm.
fn remember(world: &impl Workplace, project: &Project, config: &Config, digest: &str) {
    let kept = witness::make(world, project, config);
    let kept = serde_json::to_string(&kept).map_err(|error| error.to_string());
    let result = kept.and_then(|kept| world.keep(project.manager.name(), &kept).map_err(|failure| failure.message));
    if let Err(problem) = result {
        world.warn(&format!("the next deployment will install again: {problem}"));
    }
    if project.manager == Manager::Pip {
        match world.run(&commands::pip_stamp(config, digest)) {
            Ok(output) if output.succeeded => {}
            Ok(output) => {
                world.warn(&format!("the next deployment will install again: {}", output.everything().trim()))
            }
            Err(failure) => world.warn(&format!("the next deployment will install again: {}", failure.message)),
        }
    }
}

fn lockfile_digest(files: &impl Files, project: &Project) -> Result<String, Failure> {
    files
        .fingerprint(&project.lockfile)
        .ok_or_else(|| Failure::unavailable("lockfile-unreadable", format!("`{}` could not be read", project.lockfile)))
}

fn count(files: &impl Files, project: &Project, config: &Config) -> Option<usize> {
    packages(project.manager, &files.read(&project.lockfile)?, config.production)
}

fn counted(files: &impl Files, project: &Project, config: &Config) -> String {
    match count(files, project, config) {
        Some(1) => "1 package".into(),
        Some(count) => format!("{count} packages"),
        None => "packages".into(),
    }
}

fn outcome(done: &[Done]) -> Outcome {
    if done.is_empty() {
        return Outcome::new("there is nothing to install");
    }
    let join = |text: &dyn Fn(&Done) -> String| done.iter().map(text).collect::<Vec<_>>().join(",");
    let number = |count: Option<usize>| count.map_or_else(|| "unknown".into(), |count| count.to_string());
    let summary = done.iter().map(|(manager, count, _)| match count {
        Some(1) => format!("1 package with {manager}"),
        Some(count) => format!("{count} packages with {manager}"),
        None => format!("packages with {manager}"),
    });
    Outcome::new(format!("installed {}", summary.collect::<Vec<_>>().join(", ")))
        .with_output("manager", join(&|(manager, ..)| (*manager).into()))
        .with_output("packages", join(&|(_, count, _)| number(*count)))
        .with_output("lockfile", join(&|(.., digest)| digest.clone()))
}

/// What did and did not change by the time of a failure.
fn note(done: &[Done]) -> String {
    match done {
        [] => "nothing was installed".into(),
        done => {
            let names: Vec<_> = done.iter().map(|(manager, ..)| *manager).collect();
            format!("what {} installed before is left in place", names.join(" and "))
        }
    }
}

/// The same, where a package manager stopped half-way.
fn unfinished(done: &[Done]) -> String {
    match done {
        [] => "the install is not complete; the lockfile did not change".into(),
        done => format!("the install is not complete; {}", note(done)),
    }
}

fn drift(project: &Project, config: &Config, lines: Vec<String>, note: &str) -> Failure {
    let path = config.path(&project.lockfile);
    let message = match project.manager {
        Manager::Pip => format!("`{path}` does not lock every package that it asks for"),
        _ => format!("`{path}` is not what its manifest asks for"),
    };
    let failure = Failure::check_failed("lockfile-drift", message);
    lines
        .into_iter()
        .fold(failure, Failure::because)
        .with_note(note)
        .with_hint(format!("run `{}` and commit `{path}`", project.manager.relock_command()))
}

/// Why an install failed: in its own words where they are known, or else as its checks see it. A tool may bury the
/// reason under pages of usage, and the last lines are all there is of what it said while it was watched.
fn failed(
    world: &impl World,
    project: &Project,
    config: &Config,
    line: &str,
    ended: &Ended,
) -> Result<Failure, Failure> {
    let path = config.path(&project.lockfile);
    let found = classify(project.manager, &ended.tail);
    if matches!(found, None | Some(Trouble::Drift(_)))
        && let Standing::Drifted(lines) = standing(world, project, config)?
    {
        return Ok(drift(project, config, lines, "nothing was installed"));
    }
    let (failure, lines) = match found {
        Some(Trouble::Drift(lines)) => return Ok(drift(project, config, lines, "nothing was installed")),
        Some(Trouble::Integrity(lines)) => (
            Failure::check_failed("integrity-mismatch", format!("a package is not the one that `{path}` locks"))
                .with_hint("find out who changed the package before you change the lockfile"),
            lines,
        ),
        Some(Trouble::Unreachable(lines)) if config.offline => (
            Failure::unavailable("registry-unreachable", format!("`{line}` did not find every package in the cache"))
                .with_hint("take `offline` out of this step, or fill the cache first"),
            lines,
        ),
        Some(Trouble::Unreachable(lines)) => (
            Failure::unavailable("registry-unreachable", format!("`{line}` did not reach its registry"))
                .with_hint("look whether the registry answers from this machine, and run it again"),
            lines,
        ),
        None => (
            Failure::check_failed("install-failed", format!("`{line}` failed"))
                .because(format!("it ended with {}", ended.ending))
                .with_hint(if ended.refused {
                    "where it was held back from what it may change, name that in `writes` of this step, and run `windlass lock`".into()
                } else {
                    format!("run `{line}` in `{}` and see what it says", config.directory)
                }),
            last_words(&ended.tail),
        ),
    };
    Ok(lines.into_iter().fold(failure, Failure::because))
}

/// The host's words for a program that is not there, made ours.
fn tool_missing(manager: Manager, failure: Failure) -> Failure {
    if failure.kind != FailureKind::Unavailable || failure.code != "program-not-found" {
        return failure;
    }
    let program = manager.program();
    let missing = Failure::unavailable("tool-missing", format!("{} is needed and is not there", manager.name()));
    let missing = failure.causes.into_iter().fold(missing.because(failure.message), Failure::because);
    missing.with_note("nothing was installed").with_hint(format!(
        "install {} so that `{program}` is on the search path, in a step of the job before this one",
        manager.name()
    ))
}

#[cfg(test)]
mod tests;

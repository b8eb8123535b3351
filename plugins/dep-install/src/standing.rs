//! Whether what is locked is installed already, by each package manager's own check. Changes nothing, and where a check
//! cannot be done the answer is that it is not.

use crate::commands::{self, Invocation};
use crate::config::Config;
use crate::lockfile::{digest, includes_others, requirements};
use crate::manager::Manager;
use crate::naming;
use crate::recognise::{Project, go_requirements};
use crate::trouble::{Trouble, classify};
use crate::world::{Output, World};
use crate::{berry, npm, witness};
use windlass_plugin::{Failure, FailureKind};

/// How what is installed stands to what is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is all there, with the options of this config.
    Installed,
    /// It is not, or nobody can tell, for this reason.
    Missing(String),
    /// The lockfile is not what the manifest asks for; what is installed does not matter.
    Drifted(Vec<String>),
}

/// What a check came to.
type Checked = Result<Standing, Failure>;

/// Look.
///
/// # Errors
/// `denied` where a check was not granted. A tool that is not there is no error here: it may be installed by the time
/// that it is needed.
pub(crate) fn standing(world: &impl World, project: &Project, config: &Config) -> Checked {
    let checked = match project.manager {
        Manager::Cargo => cargo(world),
        Manager::Npm => npm(world, project, config),
        Manager::Pnpm => pnpm(world, project, config),
        Manager::Yarn => yarn(world, project, config),
        Manager::YarnBerry => Ok(berry::standing(world, &project.lockfile)),
        Manager::Bun => bun(world),
        Manager::Pip => pip(world, project, config),
        Manager::Uv => uv(world, config),
        Manager::Poetry => poetry(world, project, config),
        Manager::Go => go(world),
        Manager::Bundler => bundler(world, project, config),
        Manager::Composer => composer(world, config),
    };
    match checked {
        Ok(Standing::Installed) => match witness::other_options(world, project.manager, config) {
            Some(why) => Ok(Standing::Missing(why)),
            None => Ok(Standing::Installed),
        },
        Ok(other) => Ok(other),
        Err(failure) if matches!(failure.kind, FailureKind::Denied | FailureKind::Bug) => Err(failure),
        Err(failure) => Ok(Standing::Missing(failure.message)),
    }
}

/// How the lockfile drifted, for the managers whose install would not refuse it at once, or would change it.
///
/// # Errors
/// As running the check.
pub(crate) fn drift_before_install(
    world: &impl World,
    project: &Project,
    config: &Config,
) -> Result<Option<Vec<String>>, Failure> {
    let check = match project.manager {
        Manager::Go => commands::go_modules(config.offline),
        Manager::Composer => commands::composer_validate(),
        Manager::Poetry => commands::poetry_lock_check(),
        Manager::Pip => {
            let unlocked = without_hash(world, &project.lockfile);
            return Ok((!unlocked.is_empty()).then_some(unlocked));
        }
        _ => return Ok(None),
    };
    let mut lines = drifted(project.manager, &world.run(&check)?);
    if let Some(lines) = &mut lines
        && project.manager == Manager::Poetry
    {
        lines.extend(naming::missing_from_poetry(world, &project.lockfile));
    }
    Ok(lines)
}

/// The lines of a `requirements.txt` that lock nothing.
fn without_hash(world: &impl World, lockfile: &str) -> Vec<String> {
    let unlocked = requirements(&world.read(lockfile).unwrap_or_default()).into_iter();
    unlocked
        .filter(|line| !line.contains("--hash="))
        .map(|line| format!("`{line}` has no hash in `{lockfile}`"))
        .collect()
}

/// The drift that an output speaks of.
fn drifted(manager: Manager, output: &Output) -> Option<Vec<String>> {
    match classify(manager, &output.everything()) {
        Some(Trouble::Drift(lines)) => Some(lines),
        _ => None,
    }
}

/// Installed where a check succeeds, drifted where it says so, missing otherwise.
fn verdict(manager: Manager, output: &Output, missing: &str) -> Standing {
    match drifted(manager, output) {
        Some(lines) => Standing::Drifted(lines),
        None if output.succeeded => Standing::Installed,
        None => Standing::Missing(missing.into()),
    }
}

fn cargo(world: &impl World) -> Checked {
    let output = world.run(&commands::cargo_offline())?;
    Ok(match verdict(Manager::Cargo, &output, "cargo's cache does not hold every package") {
        Standing::Drifted(mut lines) => {
            lines.extend(naming::changes_of_cargo(&world.run(&commands::cargo_difference())?));
            Standing::Drifted(lines)
        }
        other => other,
    })
}

fn npm(world: &impl World, project: &Project, config: &Config) -> Checked {
    let difference = npm::difference(world, &project.lockfile, config.production);
    if difference.is_none() && npm::manifests_agree(world, &project.lockfile) {
        return Ok(Standing::Installed);
    }
    let output = world.run(&commands::npm_dry_run())?;
    Ok(match (verdict(Manager::Npm, &output, "npm could not compare the manifest with the lockfile"), difference) {
        (Standing::Installed, Some(difference)) => Standing::Missing(difference),
        (other, _) => other,
    })
}

fn pnpm(world: &impl World, project: &Project, config: &Config) -> Checked {
    let output = world.run(&commands::pnpm_lock_only())?;
    match verdict(Manager::Pnpm, &output, "pnpm could not check the lockfile") {
        Standing::Installed => {}
        other => return Ok(other),
    }
    let installed = world.read(witness::PNPM_NOTE);
    let whole = installed.is_some() && installed == world.read(&project.lockfile);
    // pnpm's note is a copy of the lockfile where nothing was left out.
    Ok(if whole && !config.production { Standing::Installed } else { witness::standing(world, project, config) })
}

fn yarn(world: &impl World, project: &Project, config: &Config) -> Checked {
    let output = world.run(&commands::yarn_integrity(config))?;
    Ok(match verdict(Manager::Yarn, &output, "yarn's check says that `node_modules` is not up to date") {
        Standing::Drifted(lines) => {
            let named = naming::missing_from_yarn(world, &project.lockfile);
            Standing::Drifted(lines.into_iter().chain(named).collect())
        }
        other => other,
    })
}

fn bun(world: &impl World) -> Checked {
    let output = world.run(&commands::bun_dry_run())?;
    // bun leaves no note of what it installed.
    Ok(match drifted(Manager::Bun, &output) {
        Some(lines) => Standing::Drifted(lines),
        None => Standing::Missing("bun cannot tell whether everything is installed".into()),
    })
}

fn pip(world: &impl World, project: &Project, config: &Config) -> Checked {
    let text = world.read(&project.lockfile).unwrap_or_default();
    let unlocked = without_hash(world, &project.lockfile);
    if !unlocked.is_empty() {
        return Ok(Standing::Drifted(unlocked));
    }
    if includes_others(&text) {
        return Ok(Standing::Missing(format!("`{}` takes in other files", project.lockfile)));
    }
    let environment = config.virtual_environment();
    // Its own configuration is called `pip.ini` on Windows.
    let stamp = ["pip.conf", "pip.ini"].iter().find_map(|name| world.read(&format!("{environment}/{name}")));
    if !stamp.is_some_and(|stamp| stamp.contains(&digest(text.as_bytes()))) {
        return Ok(Standing::Missing(format!("`{environment}` was not made from this `{}`", project.lockfile)));
    }
    let output = world.run(&commands::pip_dry_run(config))?;
    let would_install = output.standard.lines().any(|line| line.starts_with("Would install"));
    Ok(match verdict(Manager::Pip, &output, &format!("`{environment}` is not complete")) {
        Standing::Installed if would_install => Standing::Missing(format!("`{environment}` is not complete")),
        other => other,
    })
}

fn uv(world: &impl World, config: &Config) -> Checked {
    let lock = world.run(&commands::uv_lock_check())?;
    if let Some(mut lines) = drifted(Manager::Uv, &lock) {
        lines.extend(naming::changes_of_uv(&world.run(&commands::uv_difference())?));
        return Ok(Standing::Drifted(lines));
    }
    if !lock.succeeded {
        return Ok(Standing::Missing("uv could not check the lockfile without the network".into()));
    }
    Ok(verdict(Manager::Uv, &world.run(&commands::uv_sync_check(config))?, "uv's environment is not up to date"))
}

fn poetry(world: &impl World, project: &Project, config: &Config) -> Checked {
    let lock = world.run(&commands::poetry_lock_check())?;
    if let Some(lines) = drifted(Manager::Poetry, &lock) {
        let named = naming::missing_from_poetry(world, &project.lockfile);
        return Ok(Standing::Drifted(lines.into_iter().chain(named).collect()));
    }
    if !lock.succeeded {
        return Ok(Standing::Missing("poetry could not check the lockfile".into()));
    }
    let environment = world.run(&commands::poetry_environment())?;
    if !environment.succeeded {
        return Ok(Standing::Missing("poetry has no environment for this project yet".into()));
    }
    let output = world.run(&commands::poetry_dry_run(config))?;
    let nothing = output.standard.lines().any(|line| {
        line.starts_with("Package operations: 0 installs, 0 updates, 0 removals")
            || line.starts_with("No dependencies to install or update")
    });
    let itself = output.standard.lines().any(|line| line.starts_with("Installing the current project"));
    Ok(if !output.succeeded || !nothing {
        Standing::Missing("poetry's environment is not up to date".into())
    } else if itself {
        // Poetry says so whether it has to or not.
        witness::standing(world, project, config)
    } else {
        Standing::Installed
    })
}

fn go(world: &impl World) -> Checked {
    let output = world.run(&commands::go_modules(true))?;
    match verdict(Manager::Go, &output, "the module cache does not hold every module") {
        Standing::Installed => {}
        other => return Ok(other),
    }
    let manifest = world.read("go.mod").unwrap_or_default();
    for (module, version) in go_requirements(&manifest) {
        let here = output.standard.lines().any(|line| {
            let mut words = line.splitn(3, ' ');
            words.next() == Some(&module)
                && words.next() == Some(&version)
                && words.next().is_some_and(|folder| !folder.trim().is_empty())
        });
        if !here {
            return Ok(Standing::Missing(format!("the module cache does not hold `{module}@{version}`")));
        }
    }
    let verified: Invocation = commands::go_verify();
    Ok(verdict(Manager::Go, &world.run(&verified)?, "the module cache does not hold what was downloaded"))
}

fn bundler(world: &impl World, project: &Project, config: &Config) -> Checked {
    let check = verdict(Manager::Bundler, &world.run(&commands::bundle_check(config))?, "not all gems are installed");
    // The check says nothing of a changed requirement while gems are missing, and does not say which it is.
    let wanted = world.run(&commands::bundle_lock(config))?;
    let lock = world.read(&project.lockfile).unwrap_or_default();
    let named = if wanted.succeeded { naming::changes_of_bundler(&lock, &wanted.standard) } else { vec![] };
    Ok(match check {
        Standing::Drifted(lines) => Standing::Drifted(lines.into_iter().chain(named).collect()),
        _ if !named.is_empty() => Standing::Drifted(named),
        other => other,
    })
}

fn composer(world: &impl World, config: &Config) -> Checked {
    let lock = world.run(&commands::composer_validate())?;
    if let Some(lines) = drifted(Manager::Composer, &lock) {
        return Ok(Standing::Drifted(lines));
    }
    let output = world.run(&commands::composer_dry_run(config))?;
    let nothing =
        output.everything().contains("Nothing to install, update or remove") && world.exists("vendor/autoload.php");
    Ok(match verdict(Manager::Composer, &output, "composer could not compare `vendor` with the lockfile") {
        Standing::Installed if !nothing => Standing::Missing("`vendor` is not up to date".into()),
        other => other,
    })
}

#[cfg(test)]
mod tests;

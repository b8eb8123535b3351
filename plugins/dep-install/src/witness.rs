//! What is kept after an install, for the managers that leave a note of their own on the disk which cannot be compared
//! with the lockfile: the digest of that note together with all that it was made from. Where the note is gone or
//! another, or nothing was kept, nothing is known.

use crate::commands;
use crate::config::Config;
use crate::lockfile::digest;
use crate::manager::Manager;
use crate::recognise::Project;
use crate::standing::Standing;
use crate::world::World;
use serde::{Deserialize, Serialize};

/// Where pnpm writes what it installed.
pub(crate) const PNPM_NOTE: &str = "node_modules/.pnpm/lock.yaml";

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The options that shape what is installed.
    pub options: String,
    /// The digest of the note and of what it was made from, where there is a note.
    pub digest: Option<String>,
}

/// What to keep after an install.
pub(crate) fn make(world: &impl World, project: &Project, config: &Config) -> Kept {
    Kept { options: options(project.manager, config), digest: evidence(world, project) }
}

/// Installed where what was kept is what is found now.
pub(crate) fn standing(world: &impl World, project: &Project, config: &Config) -> Standing {
    let now = make(world, project, config);
    match kept(world, project.manager) {
        Some(before) if now.digest.is_some() && before == now => Standing::Installed,
        Some(_) => Standing::Missing("what is installed is not what this step last installed".into()),
        None => Standing::Missing("this step has not installed anything here yet".into()),
    }
}

/// Why what is installed does not count although it is complete: it was installed with other options.
pub(crate) fn other_options(world: &impl World, manager: Manager, config: &Config) -> Option<String> {
    let before = kept(world, manager)?;
    let now = options(manager, config);
    (before.options != now).then(|| format!("it was installed with `{}`", before.options))
}

fn kept(world: &impl World, manager: Manager) -> Option<Kept> {
    serde_json::from_str(&world.kept(manager.name())?).ok()
}

/// The command that installs, without what says where packages come from.
fn options(manager: Manager, config: &Config) -> String {
    let online = Config { offline: false, ..config.clone() };
    let variables = |invocation: &commands::Invocation| {
        invocation.variables.iter().map(|(name, value)| format!("{name}={value} ")).collect::<String>()
    };
    let lines = commands::install(manager, &online);
    lines.iter().map(|line| variables(line) + &line.line()).collect::<Vec<_>>().join(" && ")
}

fn evidence(world: &impl World, project: &Project) -> Option<String> {
    let mut files = vec![project.lockfile.clone()];
    let mut text = String::new();
    match project.manager {
        Manager::Pnpm => files.push(PNPM_NOTE.into()),
        Manager::Poetry => {
            files.push("pyproject.toml".into());
            let environment = world.run(&commands::poetry_environment()).ok()?;
            if !environment.succeeded {
                return None;
            }
            text.push_str(&environment.standard);
        }
        _ => return None,
    }
    for name in files {
        text.push_str(&format!("\n{name} {}", digest(world.read(&name)?.as_bytes())));
    }
    Some(digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{PNPM_NOTE, make, other_options, standing};
    use crate::config::Config;
    use crate::manager::Manager;
    use crate::recognise::Project;
    use crate::standing::Standing;
    use crate::world::fake::Fake;

    fn keep(world: &mut Fake, project: &Project, config: &Config) {
        let kept = serde_json::to_string(&make(world, project, config)).unwrap();
        world.kept.insert(project.manager.name().into(), kept);
    }

    #[test]
    fn the_evidence_is_on_the_disk_and_not_in_the_memory_alone() {
        let project = Project { manager: Manager::Pnpm, lockfile: "pnpm-lock.yaml".into() };
        let files = [("pnpm-lock.yaml", "lock"), (PNPM_NOTE, "note")];
        let config = Config::default();
        let mut world = Fake::with(&files);
        assert!(matches!(standing(&world, &project, &config), Standing::Missing(_)));
        keep(&mut world, &project, &config);
        assert_eq!(standing(&world, &project, &config), Standing::Installed);
        for (name, _) in files {
            let mut changed = Fake::with(&files);
            changed.kept = world.kept.clone();
            changed.files.insert(name.into(), format!("{} # changed", changed.files[name]));
            assert!(matches!(standing(&changed, &project, &config), Standing::Missing(_)), "{name} changed");
            changed.files.remove(name);
            assert!(matches!(standing(&changed, &project, &config), Standing::Missing(_)), "{name} is gone");
        }
    }

    #[test]
    fn without_a_note_nothing_is_known() {
        let project = Project { manager: Manager::Pnpm, lockfile: "pnpm-lock.yaml".into() };
        let mut world = Fake::with(&[("pnpm-lock.yaml", "")]);
        keep(&mut world, &project, &Config::default());
        assert!(matches!(standing(&world, &project, &Config::default()), Standing::Missing(_)));
        world.files.insert(PNPM_NOTE.into(), String::new());
        keep(&mut world, &project, &Config::default());
        assert_eq!(standing(&world, &project, &Config::default()), Standing::Installed);
    }

    #[test]
    fn other_options_are_another_install() {
        let project = Project { manager: Manager::Npm, lockfile: "package-lock.json".into() };
        let mut world = Fake::with(&[]);
        let config = Config::default();
        assert_eq!(other_options(&world, Manager::Npm, &config), None);
        keep(&mut world, &project, &config);
        assert_eq!(other_options(&world, Manager::Npm, &Config { offline: true, ..config.clone() }), None);
        let bare = Config { scripts: false, ..config };
        assert!(other_options(&world, Manager::Npm, &bare).unwrap().contains("`npm ci"));
    }
}

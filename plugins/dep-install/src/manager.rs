//! The package managers that are known: their names, files and ecosystems.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A package manager. Yarn is two: its second generation shares the first one's name and lockfile and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Manager {
    /// Rust.
    Cargo,
    /// JavaScript.
    Npm,
    /// JavaScript.
    Pnpm,
    /// JavaScript, any generation: `yarn.lock` says which.
    Yarn,
    /// Yarn from its second generation on.
    #[serde(skip)]
    YarnBerry,
    /// JavaScript.
    Bun,
    /// Python, with a `requirements.txt` that names a hash for each package.
    Pip,
    /// Python.
    Uv,
    /// Python.
    Poetry,
    /// Go.
    Go,
    /// Ruby.
    Bundler,
    /// PHP.
    Composer,
}

/// What a package manager manages. Of each there can be one lockfile in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ecosystem {
    /// Crates.
    Rust,
    /// Packages for Node.
    JavaScript,
    /// Python's distributions.
    Python,
    /// Go's modules.
    Go,
    /// Gems.
    Ruby,
    /// PHP's packages.
    Php,
}

impl Manager {
    /// All that `requires` has to think of.
    pub(crate) const ALL: [Self; 12] = [
        Self::Cargo,
        Self::Npm,
        Self::Pnpm,
        Self::Yarn,
        Self::YarnBerry,
        Self::Bun,
        Self::Pip,
        Self::Uv,
        Self::Poetry,
        Self::Go,
        Self::Bundler,
        Self::Composer,
    ];

    /// Its name, as the config has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn | Self::YarnBerry => "yarn",
            Self::Bun => "bun",
            Self::Pip => "pip",
            Self::Uv => "uv",
            Self::Poetry => "poetry",
            Self::Go => "go",
            Self::Bundler => "bundler",
            Self::Composer => "composer",
        }
    }

    /// The program that is run.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Bundler => "bundle",
            Self::Pip => "python3",
            other => other.name(),
        }
    }

    /// What it manages.
    pub(crate) fn ecosystem(self) -> Ecosystem {
        match self {
            Self::Cargo => Ecosystem::Rust,
            Self::Npm | Self::Pnpm | Self::Yarn | Self::YarnBerry | Self::Bun => Ecosystem::JavaScript,
            Self::Pip | Self::Uv | Self::Poetry => Ecosystem::Python,
            Self::Go => Ecosystem::Go,
            Self::Bundler => Ecosystem::Ruby,
            Self::Composer => Ecosystem::Php,
        }
    }

    /// The toolchains whose homes and caches its commands need.
    pub(crate) fn toolchains(self) -> &'static [&'static str] {
        match self {
            Self::Cargo => &["cargo", "rustup"],
            Self::Npm => &["npm", "node"],
            Self::Pnpm => &["pnpm", "node"],
            Self::Yarn | Self::YarnBerry => &["yarn", "node"],
            Self::Bun => &["bun", "node"],
            Self::Pip => &["pip", "python"],
            Self::Uv => &["uv", "python"],
            Self::Poetry => &["poetry", "python"],
            Self::Go => &["go"],
            Self::Bundler => &["bundler", "ruby"],
            Self::Composer => &["composer", "php"],
        }
    }

    /// The command that brings the lockfile up to date, for a hint.
    pub(crate) fn lock_command(self) -> &'static str {
        match self {
            Self::Cargo => "cargo generate-lockfile",
            Self::Npm => "npm install --package-lock-only",
            Self::Pnpm => "pnpm install --lockfile-only",
            Self::Yarn => "yarn install",
            Self::YarnBerry => "yarn install --mode=update-lockfile",
            Self::Bun => "bun install --lockfile-only",
            Self::Pip => "uv pip compile --generate-hashes requirements.in -o requirements.txt",
            Self::Uv => "uv lock",
            Self::Poetry => "poetry lock",
            Self::Go => "go mod tidy",
            Self::Bundler => "bundle lock",
            Self::Composer => "composer update --lock",
        }
    }

    /// The command that takes over what drifted and changes nothing else, for a hint.
    pub(crate) fn relock_command(self) -> &'static str {
        match self {
            Self::Cargo => "cargo update --workspace",
            other => other.lock_command(),
        }
    }
}

impl Ecosystem {
    /// In the order in which they are installed.
    pub(crate) const ALL: [Self; 6] = [Self::Rust, Self::JavaScript, Self::Python, Self::Go, Self::Ruby, Self::Php];

    /// The lockfiles of this ecosystem and whose they are. `requirements.txt` is one only where it has hashes, and a
    /// `go.mod` that needs nothing from elsewhere has none: [`crate::recognise`] knows.
    pub(crate) fn lockfiles(self) -> &'static [(&'static str, Manager)] {
        match self {
            Self::Rust => &[("Cargo.lock", Manager::Cargo)],
            Self::JavaScript => &[
                ("package-lock.json", Manager::Npm),
                ("npm-shrinkwrap.json", Manager::Npm),
                ("pnpm-lock.yaml", Manager::Pnpm),
                ("yarn.lock", Manager::Yarn),
                ("bun.lock", Manager::Bun),
                ("bun.lockb", Manager::Bun),
            ],
            Self::Python => {
                &[("uv.lock", Manager::Uv), ("poetry.lock", Manager::Poetry), ("requirements.txt", Manager::Pip)]
            }
            Self::Go => &[("go.sum", Manager::Go)],
            Self::Ruby => &[("Gemfile.lock", Manager::Bundler), ("gems.locked", Manager::Bundler)],
            Self::Php => &[("composer.lock", Manager::Composer)],
        }
    }

    /// The files in which people write what they need.
    pub(crate) fn manifests(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &["Cargo.toml"],
            Self::JavaScript => &["package.json"],
            Self::Python => &["pyproject.toml", "requirements.txt"],
            Self::Go => &["go.mod"],
            Self::Ruby => &["Gemfile", "gems.rb"],
            Self::Php => &["composer.json"],
        }
    }

    /// The package manager that most people use, for a hint.
    pub(crate) fn usual_manager(self) -> Manager {
        match self {
            Self::Rust => Manager::Cargo,
            Self::JavaScript => Manager::Npm,
            Self::Python => Manager::Uv,
            Self::Go => Manager::Go,
            Self::Ruby => Manager::Bundler,
            Self::Php => Manager::Composer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ecosystem, Manager};

    #[test]
    fn every_manager_has_a_lockfile_in_its_own_ecosystem() {
        for manager in Manager::ALL {
            let locks = manager.ecosystem().lockfiles();
            assert!(locks.iter().any(|(_, owner)| owner.name() == manager.name()), "{manager:?}");
        }
        for ecosystem in Ecosystem::ALL {
            assert_eq!(ecosystem.usual_manager().ecosystem(), ecosystem);
            assert!(ecosystem.lockfiles().iter().all(|(_, owner)| owner.ecosystem() == ecosystem));
        }
    }

    #[test]
    fn the_config_names_a_manager_as_its_name_is() {
        for manager in Manager::ALL.into_iter().filter(|manager| *manager != Manager::YarnBerry) {
            assert_eq!(serde_json::to_value(manager).unwrap(), manager.name());
        }
    }
}

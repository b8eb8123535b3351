//! The exact command lines of each package manager: what installs, and what only looks.
//!
//! `requires` asks for these and nothing else, so whatever is run has to be here.

use crate::config::Config;
use crate::manager::Manager;

/// One program with its arguments, run in the step's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// The program, as it is granted.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables that are set for it.
    pub variables: Vec<(&'static str, &'static str)>,
    /// Variables that it gets from the job, where they are set there. None of them is a secret.
    pub inherited: &'static [&'static str],
}

impl Invocation {
    fn new(program: impl Into<String>, arguments: &[&str]) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.iter().map(|argument| (*argument).into()).collect(),
            variables: vec![],
            inherited: &[],
        }
    }

    fn when(mut self, condition: bool, arguments: &[&str]) -> Self {
        if condition {
            self.arguments.extend(arguments.iter().map(|argument| (*argument).into()));
        }
        self
    }

    fn variable(mut self, condition: bool, name: &'static str, value: &'static str) -> Self {
        if condition {
            self.variables.push((name, value));
        }
        self
    }

    /// As a person would type it.
    pub(crate) fn line(&self) -> String {
        std::iter::once(&self.program).chain(&self.arguments).cloned().collect::<Vec<_>>().join(" ")
    }
}

/// What installs, in order. Nothing here changes a lockfile, but for `go mod download`, which [`go_modules`] guards.
pub(crate) fn install(manager: Manager, config: &Config) -> Vec<Invocation> {
    let Config { production, offline, .. } = *config;
    let bare = !config.scripts;
    let one = match manager {
        Manager::Cargo => Invocation::new("cargo", &["fetch", "--locked"]).when(offline, &["--offline"]),
        Manager::Npm => Invocation::new("npm", &["ci", "--no-audit", "--no-fund"])
            .when(production, &["--omit=dev"])
            .when(bare, &["--ignore-scripts"])
            .when(offline, &["--offline"]),
        Manager::Pnpm => Invocation::new("pnpm", &["install", "--frozen-lockfile"])
            .when(production, &["--prod"])
            .when(bare, &["--ignore-scripts"])
            .when(offline, &["--offline"]),
        Manager::Yarn => Invocation::new("yarn", &["install", "--frozen-lockfile", "--non-interactive"])
            .when(production, &["--production"])
            .when(bare, &["--ignore-scripts"])
            .when(offline, &["--offline"]),
        Manager::YarnBerry => Invocation::new("yarn", &["install", "--immutable"])
            .when(bare, &["--mode=skip-build"])
            .variable(offline, "YARN_ENABLE_NETWORK", "0"),
        Manager::Bun => Invocation::new("bun", &["install", "--frozen-lockfile"])
            .when(production, &["--production"])
            .when(bare, &["--ignore-scripts"])
            .when(offline, &["--offline"]),
        Manager::Pip => return install_with_pip(config),
        Manager::Uv => Invocation::new("uv", &["sync", "--locked"])
            .when(production, &["--no-dev"])
            .when(bare, &["--no-build"])
            .when(offline, &["--offline"]),
        Manager::Poetry => Invocation::new("poetry", &["sync", "--no-interaction"])
            .when(production, &["--only", "main"])
            .variable(bare, "POETRY_INSTALLER_ONLY_BINARY", ":all:"),
        Manager::Go => {
            let go = |arguments| go(Invocation::new("go", arguments), offline);
            return vec![go(&["mod", "download"]), go(&["mod", "verify"])];
        }
        Manager::Bundler => bundle(Invocation::new("bundle", &["install"]).when(offline, &["--local"]), production),
        Manager::Composer => composer(
            Invocation::new("composer", &["install", "--no-interaction"])
                .when(production, &["--no-dev"])
                .when(bare, &["--no-scripts", "--no-plugins"]),
            offline,
        ),
    };
    vec![one]
}

fn install_with_pip(config: &Config) -> Vec<Invocation> {
    let mut commands = vec![];
    if config.environment.is_none() {
        commands.push(python_environment());
    }
    commands.push(
        Invocation::new(python(config), &["-m", "pip", "install", "--disable-pip-version-check", "--require-hashes"])
            .when(!config.scripts, &["--only-binary=:all:"])
            .when(config.offline, &["--no-index"])
            .when(true, &["--requirement", "requirements.txt"]),
    );
    commands
}

/// Makes the virtual environment.
pub(crate) fn python_environment() -> Invocation {
    Invocation::new("python3", &["-m", "venv", ".venv"])
}

/// Keeps a digest in the virtual environment's own pip configuration, in a section that pip does not read: so the
/// stamp is gone when the environment is, and no directory has to be writable for this step.
pub(crate) fn pip_stamp(config: &Config, digest: &str) -> Invocation {
    Invocation::new(python(config), &["-m", "pip", "config", "--site", "set", "windlass.requirements", digest])
}

/// Whether all that pip should install is there.
pub(crate) fn pip_dry_run(config: &Config) -> Invocation {
    Invocation::new(
        python(config),
        &["-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "--dry-run", "--no-index"],
    )
    .when(true, &["--requirement", "requirements.txt"])
}

/// The interpreter of the virtual environment, relative to the project.
fn python(config: &Config) -> String {
    config.path(&format!("{}/bin/python", config.virtual_environment()))
}

/// Whether cargo has all that `Cargo.lock` names, and whether it is up to date.
pub(crate) fn cargo_offline() -> Invocation {
    Invocation::new("cargo", &["fetch", "--locked", "--offline"])
}

/// What an update of `Cargo.lock` would change.
pub(crate) fn cargo_difference() -> Invocation {
    Invocation::new("cargo", &["update", "--workspace", "--dry-run", "--offline"])
}

/// Whether `npm ci` would accept the lockfile.
pub(crate) fn npm_dry_run() -> Invocation {
    Invocation::new("npm", &["ci", "--no-audit", "--no-fund", "--dry-run", "--offline"])
}

/// Whether pnpm would accept the lockfile.
pub(crate) fn pnpm_lock_only() -> Invocation {
    Invocation::new("pnpm", &["install", "--frozen-lockfile", "--lockfile-only", "--offline"])
}

/// Whether the folder is as yarn 1 left it, with the same flags.
pub(crate) fn yarn_integrity(config: &Config) -> Invocation {
    Invocation::new("yarn", &["check", "--integrity", "--non-interactive"])
        .when(config.production, &["--production"])
        .when(!config.scripts, &["--ignore-scripts"])
}

/// Whether bun would accept the lockfile.
pub(crate) fn bun_dry_run() -> Invocation {
    Invocation::new("bun", &["install", "--frozen-lockfile", "--dry-run", "--offline"])
}

/// Whether `uv.lock` is up to date. `uv sync --check` alone does not say.
pub(crate) fn uv_lock_check() -> Invocation {
    Invocation::new("uv", &["lock", "--check", "--offline"])
}

/// What an update of `uv.lock` would change.
pub(crate) fn uv_difference() -> Invocation {
    Invocation::new("uv", &["lock", "--dry-run", "--offline"])
}

/// Whether the environment is as `uv.lock` says.
pub(crate) fn uv_sync_check(config: &Config) -> Invocation {
    Invocation::new("uv", &["sync", "--locked", "--check", "--offline"]).when(config.production, &["--no-dev"])
}

/// Whether `poetry.lock` is up to date.
pub(crate) fn poetry_lock_check() -> Invocation {
    Invocation::new("poetry", &["check", "--lock", "--no-interaction"])
}

/// Where the environment is. A dry run of `poetry sync` would make one.
pub(crate) fn poetry_environment() -> Invocation {
    Invocation::new("poetry", &["env", "info", "--path", "--no-interaction"])
}

/// What poetry would do.
pub(crate) fn poetry_dry_run(config: &Config) -> Invocation {
    Invocation::new("poetry", &["sync", "--no-interaction", "--dry-run"]).when(config.production, &["--only", "main"])
}

/// The modules and where they lie. Unlike `go mod download` it never adds to `go.sum`.
pub(crate) fn go_modules(offline: bool) -> Invocation {
    go(Invocation::new("go", &["list", "-mod=readonly", "-m", "-f={{.Path}} {{.Version}} {{.Dir}}", "all"]), offline)
}

/// Whether what was downloaded is as it came.
pub(crate) fn go_verify() -> Invocation {
    go(Invocation::new("go", &["mod", "verify"]), true)
}

/// The job's own flags could ask for `-mod=mod`, with which every command edits `go.mod`.
fn go(invocation: Invocation, offline: bool) -> Invocation {
    let mut invocation = invocation.variable(true, "GOFLAGS", "-mod=readonly").variable(offline, "GOPROXY", "off");
    invocation.inherited = if offline { &["GOPRIVATE"] } else { &["GOPRIVATE", "GOPROXY"] };
    invocation
}

/// Whether all gems are there.
pub(crate) fn bundle_check(config: &Config) -> Invocation {
    bundle(Invocation::new("bundle", &["check"]), config.production)
}

/// What `Gemfile.lock` would be.
pub(crate) fn bundle_lock(config: &Config) -> Invocation {
    bundle(Invocation::new("bundle", &["lock", "--print", "--local"]), config.production)
}

fn bundle(invocation: Invocation, production: bool) -> Invocation {
    invocation.variable(true, "BUNDLE_FROZEN", "true").variable(production, "BUNDLE_WITHOUT", "development:test")
}

/// Whether `composer.lock` is up to date: `composer install` only warns.
pub(crate) fn composer_validate() -> Invocation {
    composer(
        Invocation::new(
            "composer",
            &["validate", "--no-interaction", "--no-check-publish", "--no-check-all", "--check-lock"],
        ),
        true,
    )
}

/// What composer would do.
pub(crate) fn composer_dry_run(config: &Config) -> Invocation {
    composer(
        Invocation::new("composer", &["install", "--no-interaction", "--dry-run", "--no-scripts", "--no-plugins"])
            .when(config.production, &["--no-dev"]),
        true,
    )
}

fn composer(invocation: Invocation, offline: bool) -> Invocation {
    let mut invocation = invocation.variable(offline, "COMPOSER_DISABLE_NETWORK", "1");
    invocation.inherited = &["COMPOSER_ALLOW_SUPERUSER"];
    invocation
}

/// What only looks: run while planning, and before and after an install.
pub(crate) fn checks(manager: Manager, config: &Config) -> Vec<Invocation> {
    match manager {
        Manager::Cargo => vec![cargo_offline(), cargo_difference()],
        Manager::Npm => vec![npm_dry_run()],
        Manager::Pnpm => vec![pnpm_lock_only()],
        Manager::Yarn => vec![yarn_integrity(config)],
        Manager::YarnBerry => vec![],
        Manager::Bun => vec![bun_dry_run()],
        Manager::Pip => vec![pip_dry_run(config)],
        Manager::Uv => vec![uv_lock_check(), uv_difference(), uv_sync_check(config)],
        Manager::Poetry => vec![poetry_lock_check(), poetry_environment(), poetry_dry_run(config)],
        Manager::Go => vec![go_modules(true), go_verify()],
        Manager::Bundler => vec![bundle_check(config), bundle_lock(config)],
        Manager::Composer => vec![composer_validate(), composer_dry_run(config)],
    }
}

/// What is run while the step does its work and not while it is planned.
pub(crate) fn work(manager: Manager, config: &Config) -> Vec<Invocation> {
    let mut commands = install(manager, config);
    match manager {
        Manager::Go => commands.push(go_modules(config.offline)),
        // `*` is the pattern for any one argument.
        Manager::Pip => commands.push(pip_stamp(config, "*")),
        _ => {}
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::{checks, install, work};
    use crate::config::Config;
    use crate::manager::Manager;

    fn lines(manager: Manager, config: &Config) -> Vec<String> {
        install(manager, config).iter().map(super::Invocation::line).collect()
    }

    #[test]
    fn every_manager_installs_frozen() {
        let config = Config::default();
        let cases: &[(Manager, &[&str])] = &[
            (Manager::Cargo, &["cargo fetch --locked"]),
            (Manager::Npm, &["npm ci --no-audit --no-fund"]),
            (Manager::Pnpm, &["pnpm install --frozen-lockfile"]),
            (Manager::Yarn, &["yarn install --frozen-lockfile --non-interactive"]),
            (Manager::YarnBerry, &["yarn install --immutable"]),
            (Manager::Bun, &["bun install --frozen-lockfile"]),
            (
                Manager::Pip,
                &[
                    "python3 -m venv .venv",
                    ".venv/bin/python -m pip install --disable-pip-version-check --require-hashes --requirement requirements.txt",
                ],
            ),
            (Manager::Uv, &["uv sync --locked"]),
            (Manager::Poetry, &["poetry sync --no-interaction"]),
            (Manager::Go, &["go mod download", "go mod verify"]),
            (Manager::Bundler, &["bundle install"]),
            (Manager::Composer, &["composer install --no-interaction"]),
        ];
        for (manager, expected) in cases {
            assert_eq!(lines(*manager, &config), *expected);
        }
        let variables = |manager| install(manager, &config)[0].variables.clone();
        assert_eq!(variables(Manager::Bundler), [("BUNDLE_FROZEN", "true")]);
        assert_eq!(variables(Manager::Go), [("GOFLAGS", "-mod=readonly")]);
    }

    #[test]
    fn the_options_reach_each_manager() {
        let config = Config { production: true, scripts: false, offline: true, ..Config::default() };
        assert_eq!(lines(Manager::Npm, &config), ["npm ci --no-audit --no-fund --omit=dev --ignore-scripts --offline"]);
        assert_eq!(lines(Manager::Uv, &config), ["uv sync --locked --no-dev --no-build --offline"]);
        assert_eq!(lines(Manager::Bundler, &config), ["bundle install --local"]);
        assert_eq!(lines(Manager::YarnBerry, &config), ["yarn install --immutable --mode=skip-build"]);
        for manager in Manager::ALL.into_iter().filter(|manager| *manager != Manager::Poetry) {
            let plain = install(manager, &Config::default());
            assert_ne!(install(manager, &Config { offline: true, ..Config::default() }), plain, "{manager:?}");
        }
    }

    #[test]
    fn a_configured_environment_is_used_and_not_made() {
        let config = Config { directory: "api".into(), environment: Some("env".into()), ..Config::default() };
        let commands = install(Manager::Pip, &config);
        assert_eq!(commands.len(), 1);
        assert_eq!(commands[0].program, "api/env/bin/python");
    }

    /// A check that could reach the network would be neither quick nor the same everywhere.
    #[test]
    fn checks_never_reach_the_network_and_never_install() {
        for manager in Manager::ALL {
            for check in checks(manager, &Config::default()) {
                let line = check.line();
                let looks = ["--offline", "--dry-run", "check", "validate", "verify", "list", "--print", "info"];
                assert!(looks.iter().any(|word| line.contains(word)), "{line}");
                assert!(!work(manager, &Config::default()).contains(&check), "{line}");
                if manager == Manager::Go {
                    assert!(check.variables.contains(&("GOPROXY", "off")));
                }
            }
        }
    }
}

//! The step's `with`.

use crate::manager::Manager;
use schemars::JsonSchema;
use serde::Deserialize;
use windlass_plugin::Failure;

/// Where dependencies are installed, and how.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// The folder that holds the lockfile, relative to the project.
    pub directory: String,
    /// The package manager, where the lockfiles leave a doubt. Naming it also narrows what `deploy.lock` has to accept:
    /// without it, the commands of every package manager are asked for.
    pub manager: Option<Manager>,
    /// Leave out what is only needed for development, where the package manager knows such a thing.
    pub production: bool,
    /// Whether packages may run code of their own while they are installed.
    pub scripts: bool,
    /// Use what is in the package manager's cache and nothing else.
    pub offline: bool,
    /// For pip: a virtual environment that is there already, relative to `directory`. Without it, `.venv` is made.
    pub environment: Option<String>,
    /// What an install may change besides `directory` and the package manager's caches, as scripts of packages do that
    /// download a browser or set up git hooks: trees and files, relative to the project, or absolute; one that is not there is made, as a directory.
    #[schemars(inner(length(min = 1)))]
    pub writes: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: ".".into(),
            manager: None,
            production: false,
            scripts: true,
            offline: false,
            environment: None,
            writes: vec![],
        }
    }
}

impl Config {
    /// What the schema cannot say.
    ///
    /// # Errors
    /// `misconfigured` where the virtual environment lies outside the folder.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Some(environment) = &self.environment else { return Ok(()) };
        let outside = environment.is_empty()
            || environment.starts_with(['/', '\\'])
            || environment.contains(':')
            || environment.split(['/', '\\']).any(|part| part == "..");
        if outside {
            return Err(Failure::misconfigured(
                "environment-outside",
                format!("the virtual environment `{environment}` is not a folder inside `{}`", self.directory),
            )
            .with_hint("give `environment` as a relative path such as `.venv`"));
        }
        Ok(())
    }

    /// The virtual environment that pip installs into, relative to `directory`.
    pub(crate) fn virtual_environment(&self) -> &str {
        self.environment.as_deref().unwrap_or(".venv").trim_end_matches('/')
    }

    /// A file of the folder, relative to the project.
    pub(crate) fn path(&self, name: &str) -> String {
        match self.directory.trim_end_matches('/').trim_start_matches("./") {
            "" | "." => name.into(),
            directory => format!("{directory}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn the_defaults_install_everything_in_the_project() {
        let config: Config = serde_json::from_str("{}").unwrap();
        assert!(config.scripts && !config.production && !config.offline && config.manager.is_none());
        assert_eq!(config.path("package.json"), "package.json");
        assert_eq!(config.virtual_environment(), ".venv");
    }

    #[test]
    fn a_folder_is_put_before_its_files() {
        for directory in ["web", "./web", "web/"] {
            let config = Config { directory: directory.into(), ..Config::default() };
            assert_eq!(config.path("package.json"), "web/package.json");
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"maneger":"npm"}"#).is_err());
        assert!(serde_json::from_str::<Config>(r#"{"manager":"yarn-berry"}"#).is_err());
    }

    #[test]
    fn the_environment_stays_inside_the_folder() {
        for (environment, accepted) in
            [(".venv", true), ("a/b", true), ("", false), ("/v", false), ("a/../../v", false), ("C:\\v", false)]
        {
            let config = Config { environment: Some(environment.into()), ..Config::default() };
            assert_eq!(config.check().is_ok(), accepted, "{environment}");
        }
    }
}

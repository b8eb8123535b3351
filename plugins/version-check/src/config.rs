//! The step's `with`.

use crate::manifest::Kind;
use crate::release::Allowed;
use crate::tool::{DEFAULT, Tool};
use schemars::JsonSchema;
use serde::Deserialize;
use windlass_plugin::Failure;

/// The step's `with`. All of it is optional.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the configuration")]
pub struct Config {
    /// Where the version files are, relative to the project. Only the files in this very directory are read.
    pub directory: String,
    /// The tools to check. By default those of rust, node, python and go that a version file asks for. A tool that is named
    /// here has to be there, whether a file asks for it or not.
    pub tools: Option<Vec<Tool>>,
    /// The file with the application's version, relative to `directory`: a `Cargo.toml`, a `package.json` or a
    /// `pyproject.toml`. By default the first of these that has one.
    pub manifest: Option<String>,
    /// The package of a Cargo workspace that is the application. By default the manifest's own, or the one whose version
    /// leaves no doubt.
    pub package: Option<String>,
    /// Whether a version below the live one may be released.
    pub allow_downgrade: bool,
    /// Whether the live version may be released again with another commit.
    pub allow_same_version: bool,
    /// Whether a release may be called otherwise than its manifest says.
    pub allow_mismatch: bool,
    /// Whether contradictions between the project's files are errors.
    pub strict: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: ".".into(),
            tools: None,
            manifest: None,
            package: None,
            allow_downgrade: false,
            allow_same_version: false,
            allow_mismatch: false,
            strict: false,
        }
    }
}

impl Config {
    /// The tools that may be asked for their versions.
    pub(crate) fn wanted(&self) -> &[Tool] {
        self.tools.as_deref().unwrap_or(&DEFAULT)
    }

    /// What may pass all the same.
    pub(crate) const fn allowed(&self) -> Allowed {
        Allowed {
            downgrade: self.allow_downgrade,
            same_version: self.allow_same_version,
            mismatch: self.allow_mismatch,
        }
    }

    /// The directory, in its plainest form.
    ///
    /// # Errors
    /// `path-outside` where it is not below the project.
    pub(crate) fn directory(&self) -> Result<String, Failure> {
        Ok(within("directory", &self.directory)?.unwrap_or_else(|| ".".into()))
    }

    /// The manifest that is named, with its kind.
    ///
    /// # Errors
    /// `path-outside`; `manifest-unknown` where it is of none of the kinds.
    pub(crate) fn manifest(&self) -> Result<Option<(String, Kind)>, Failure> {
        let Some(manifest) = &self.manifest else { return Ok(None) };
        let path = within("manifest", manifest)?.unwrap_or_default();
        match Kind::of(&path) {
            Some(kind) => Ok(Some((path, kind))),
            None => {
                Err(Failure::misconfigured("manifest-unknown", format!("no version can be read from `{manifest}`"))
                    .because("only `Cargo.toml`, `package.json` and `pyproject.toml` are understood")
                    .with_hint("correct `manifest` in the step's `with`"))
            }
        }
    }

    /// A path relative to the project, as the plugin sees it.
    pub(crate) fn path(directory: &str, name: &str) -> String {
        if directory == "." { name.into() } else { format!("{directory}/{name}") }
    }
}

/// A path below where it starts, without what does not count; none where it is that place itself.
fn within(key: &str, path: &str) -> Result<Option<String>, Failure> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let absolute = path.starts_with('/') || path.get(1..2) == Some(":");
    if path.is_empty() || absolute || path.contains('\\') || parts.contains(&"..") {
        return Err(Failure::misconfigured("path-outside", format!("`{key}` cannot be `{path}`"))
            .because("it has to be a path below the project, with `/` between its parts")
            .with_hint(format!("correct `{key}` in the step's `with`")));
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_to_be_configured() {
        let config: Config = serde_json::from_str("{}").expect("valid");
        assert_eq!(config, Config::default());
        assert_eq!((config.directory(), config.manifest()), (Ok(".".into()), Ok(None)));
        assert_eq!(config.wanted(), DEFAULT);
    }

    #[test]
    fn everything_can_be() {
        let json = r#"{"directory": "./services//api/", "tools": ["node", "pnpm"], "manifest": "web/package.json", "package": "x",
            "allow-downgrade": true, "allow-same-version": true, "allow-mismatch": true, "strict": true}"#;
        let config: Config = serde_json::from_str(json).expect("valid");
        assert_eq!(config.directory(), Ok("services/api".into()));
        assert_eq!(config.manifest(), Ok(Some(("web/package.json".into(), Kind::Npm))));
        assert_eq!(config.wanted(), [Tool::Node, Tool::Pnpm]);
        assert_eq!(config.allowed(), Allowed { downgrade: true, same_version: true, mismatch: true });
        assert!(serde_json::from_str::<Config>(r#"{"tools": ["perl"]}"#).is_err());
        assert!(serde_json::from_str::<Config>(r#"{"allow_downgrade": true}"#).is_err());
    }

    #[test]
    fn paths_stay_below_the_project() {
        for path in ["", "/etc", "..", "a/../../b", "a\\b", "C:/x"] {
            let config = Config { directory: path.into(), manifest: Some(path.into()), ..Config::default() };
            assert_eq!(config.directory().expect_err(path).code, "path-outside");
            assert_eq!(config.manifest().expect_err(path).code, "path-outside");
        }
        let config = Config { manifest: Some("setup.py".into()), ..Config::default() };
        assert_eq!(config.manifest().expect_err("unknown").code, "manifest-unknown");
    }

    #[test]
    fn the_schema_names_every_key_as_it_is_written() {
        let schema = schemars::schema_for!(Config);
        let properties = schema.as_value()["properties"].as_object().expect("an object");
        let mut keys: Vec<_> = properties.keys().map(String::as_str).collect();
        keys.sort_unstable();
        let expected = [
            "allow-downgrade",
            "allow-mismatch",
            "allow-same-version",
            "directory",
            "manifest",
            "package",
            "strict",
            "tools",
        ];
        assert_eq!(keys, expected);
        assert_eq!(schema.as_value().get("required"), None);
        assert!(properties.values().all(|property| property["description"].is_string()));
    }
}

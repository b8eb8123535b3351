//! The application's version out of `Cargo.toml`, `package.json` or `pyproject.toml`.

use crate::document::{self, Node, Place, Value};
use crate::release::Manifest;
use crate::version::{Scheme, Version};
use windlass_plugin::Failure;

/// The manifests, in order of precedence, where the configuration names none.
pub(crate) const KINDS: [(&str, Kind); 3] =
    [("Cargo.toml", Kind::Cargo), ("package.json", Kind::Npm), ("pyproject.toml", Kind::Python)];

/// What kind of manifest it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `Cargo.toml`.
    Cargo,
    /// `package.json`.
    Npm,
    /// `pyproject.toml`.
    Python,
}

impl Kind {
    /// The kind of the file at this path.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// In which order its versions are.
    pub(crate) const fn scheme(self) -> Scheme {
        match self {
            Self::Cargo | Self::Npm => Scheme::Semver,
            Self::Python => Scheme::Python,
        }
    }

    /// Read it as what it is.
    ///
    /// # Errors
    /// `manifest-unreadable`, with line and column.
    pub(crate) fn read(self, file: &str, text: &str) -> Result<Node, Failure> {
        match self {
            Self::Cargo | Self::Python => document::toml(file, text),
            Self::Npm => document::json(file, text),
        }
    }

    /// The version that it states itself; none where it states none, or says that it comes from elsewhere.
    ///
    /// # Errors
    /// `version-invalid` where it is no version of its ecosystem.
    pub(crate) fn version(self, file: &str, tree: &Node) -> Result<Option<Manifest>, Failure> {
        let keys: &[&[&str]] = match self {
            Self::Cargo => &[&["package", "version"]],
            Self::Npm => &[&["version"]],
            Self::Python => &[&["project", "version"], &["tool", "poetry", "version"]],
        };
        let Some(node) = keys.iter().find_map(|keys| tree.get(keys)) else { return Ok(None) };
        match &node.value {
            Value::Table(_) => Ok(None),
            Value::Text(text) => self.stated(file, node.line, text).map(Some),
            _ => Err(invalid(file, node.line, "it is not a string")),
        }
    }

    /// A version that is stated at a line.
    ///
    /// # Errors
    /// `version-invalid`, as above.
    pub(crate) fn stated(self, file: &str, line: u32, text: &str) -> Result<Manifest, Failure> {
        let version =
            Version::parse(text, self.scheme()).map_err(|error| invalid(file, line, &format!("`{text}`: {error}")))?;
        Ok(Manifest { version, place: Place { file: file.into(), line }, scheme: self.scheme() })
    }
}

fn invalid(file: &str, line: u32, reason: &str) -> Failure {
    Failure::misconfigured("version-invalid", format!("the version in `{file}` cannot be understood"))
        .because(format!("{file}:{line}: {reason}"))
        .with_hint(format!("correct line {line} of `{file}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(file: &str, text: &str) -> Result<Option<(String, u32)>, Failure> {
        let kind = Kind::of(file).expect("a manifest");
        let found = kind.version(file, &kind.read(file, text)?)?;
        Ok(found.map(|manifest| (manifest.version.to_string(), manifest.place.line)))
    }

    #[test]
    fn each_manifest_states_its_version_at_its_place() {
        for (file, text, expected) in [
            ("Cargo.toml", "[package]\nname = \"x\"\nversion = \"1.2.3\"\n", Some(("1.2.3", 3))),
            ("Cargo.toml", "[package]\nname = \"x\"\n", None),
            ("Cargo.toml", "[package]\nversion.workspace = true\n", None),
            ("a/package.json", "{\n\"name\": \"x\",\n\"version\": \"1.2.3-rc.1\"}", Some(("1.2.3-rc.1", 3))),
            ("package.json", "{\"private\": true}", None),
            ("pyproject.toml", "[project]\nversion = \"1.2rc1\"\n", Some(("1.2rc1", 2))),
            ("pyproject.toml", "[project]\ndynamic = [\"version\"]\n", None),
            ("pyproject.toml", "[tool.poetry]\nversion = \"1.2\"\n", Some(("1.2", 2))),
        ] {
            let expected = expected.map(|(version, line)| (version.to_owned(), line));
            assert_eq!(version(file, text), Ok(expected), "{file} {text}");
        }
    }

    #[test]
    fn what_is_no_version_is_named_with_its_place() {
        for (file, text, code, cause) in [
            ("Cargo.toml", "[package]\nversion = \"1.2\"\n", "version-invalid", "Cargo.toml:2: `1.2`: "),
            ("Cargo.toml", "[package]\nversion = 1\n", "version-invalid", "Cargo.toml:2: it is not a string"),
            ("package.json", "{\"version\": \"v1\"}", "version-invalid", "package.json:1: `v1`: "),
            ("package.json", "{\"version\": }", "manifest-unreadable", "package.json:1:13: "),
            ("pyproject.toml", "[project]\nversion = \"one\"\n", "version-invalid", "pyproject.toml:2: `one`: "),
            ("pyproject.toml", "[project\n", "manifest-unreadable", "pyproject.toml:1:"),
        ] {
            let failure = version(file, text).expect_err(text);
            assert_eq!(failure.code, code);
            assert!(failure.causes[0].starts_with(cause), "{failure:?}");
        }
    }
}

//! What a release is called: the version in a file of the project, or a tag.

use crate::problem::{Code, Problem};
use std::path::Path;

fn unknown(what: String, cause: impl std::fmt::Display) -> Problem {
    Problem::new(Code::ConfigInvalid, what)
        .because(cause)
        .with_note("nothing was run")
        .with_hint("mend the file, or pass `--release-version`")
}

/// The version that stands in a file: `Cargo.toml` (with `version.workspace` by `cargo metadata`), `package.json` or
/// `pyproject.toml`.
///
/// # Errors
/// [`Code::ConfigInvalid`].
pub fn version_from(project: &Path, file: &str) -> Result<String, Problem> {
    let problem = || format!("the version cannot be read from `{file}`");
    let path = project.join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| unknown(problem(), error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let found = match &*name {
        "package.json" => {
            let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| unknown(problem(), error))?;
            value.get("version").and_then(|version| version.as_str()).map(str::to_owned)
        }
        _ if name.ends_with(".toml") => {
            let value: toml::Table =
                text.parse().map_err(|error: toml::de::Error| unknown(problem(), error.message()))?;
            let table = ["package", "project"].iter().find_map(|key| value.get(*key)?.get("version"));
            let poetry = || value.get("tool")?.get("poetry")?.get("version");
            match table.or_else(poetry) {
                Some(toml::Value::String(version)) => Some(version.clone()),
                Some(toml::Value::Table(inherited)) if inherited.contains_key("workspace") => {
                    Some(inherited_version(&path, file)?)
                }
                _ => None,
            }
        }
        _ => return Err(unknown(problem(), "it is none of `Cargo.toml`, `package.json` and `pyproject.toml`")),
    };
    found.filter(|version| !version.is_empty()).ok_or_else(|| unknown(problem(), "it has no version"))
}

/// The version that a package has from its workspace.
fn inherited_version(path: &Path, file: &str) -> Result<String, Problem> {
    let problem = || format!("the version cannot be read from `{file}`");
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(path)
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .map_err(|error| unknown(problem(), error))?;
    let path = path.canonicalize().map_err(|error| unknown(problem(), error))?;
    let package = metadata
        .packages
        .iter()
        .find(|package| package.manifest_path.as_std_path().canonicalize().is_ok_and(|other| other == path));
    package
        .map(|package| package.version.to_string())
        .ok_or_else(|| unknown(problem(), "`cargo metadata` does not list it"))
}

/// The version in a tag: without a leading `v`. Outside CI, the tag that is on the commit.
///
/// # Errors
/// [`Code::ConfigInvalid`] where there is none.
pub fn from_tag(project: &Path, tag: Option<&str>, commit: &str) -> Result<String, Problem> {
    let tag = match tag {
        Some(tag) => tag.to_owned(),
        None => {
            let output = std::process::Command::new("git")
                .arg("-C")
                .arg(project)
                .args(["describe", "--tags", "--exact-match", commit])
                .stdin(std::process::Stdio::null())
                .output();
            match output {
                Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
                _ => {
                    return Err(unknown(
                        "the version cannot be read from a tag".into(),
                        format!("there is no tag on commit `{}`", crate::words::short(commit)),
                    ));
                }
            }
        }
    };
    let version =
        tag.strip_prefix('v').filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit())).unwrap_or(&tag);
    Ok(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_where_each_ecosystem_puts_them() {
        let directory =
            std::env::temp_dir().join(format!("windlass-release-{:016x}", getrandom::u64().expect("random")));
        std::fs::create_dir_all(&directory).expect("a directory");
        for (file, text, expected) in [
            ("Cargo.toml", "[package]\nname = \"a\"\nversion = \"1.2.3\"\n", Ok("1.2.3")),
            ("package.json", "{\"version\": \"2.0.0\"}", Ok("2.0.0")),
            ("pyproject.toml", "[project]\nversion = \"3.1\"\n", Ok("3.1")),
            ("pyproject.toml", "[tool.poetry]\nversion = \"3.2\"\n", Ok("3.2")),
            ("package.json", "{}", Err("it has no version")),
            ("VERSION", "1", Err("it is none of `Cargo.toml`, `package.json` and `pyproject.toml`")),
        ] {
            std::fs::write(directory.join(file), text).expect("a file");
            let found = version_from(&directory, file);
            match expected {
                Ok(version) => assert_eq!(found.as_deref(), Ok(version)),
                Err(cause) => assert_eq!(found.expect_err("no version").causes, [cause]),
            }
        }
        std::fs::remove_dir_all(directory).expect("removed");
    }

    #[test]
    fn tags_lose_their_letter_where_it_is_one() {
        for (tag, version) in
            [("v1.2.3", "1.2.3"), ("1.2.3", "1.2.3"), ("vanilla", "vanilla"), ("shop-1.0", "shop-1.0")]
        {
            assert_eq!(from_tag(Path::new("."), Some(tag), "abc").as_deref(), Ok(version));
        }
    }
}

//! Which entry drifted, where the tool that refuses the lockfile does not say it by itself.

use crate::recognise::{python_dependencies, requirement_name};
use crate::world::{Files, Output};
use serde_json::Value;

/// The entries that `cargo update --dry-run` would change.
pub(crate) fn changes_of_cargo(output: &Output) -> Vec<String> {
    let verbs = ["Adding ", "Removing ", "Updating ", "Downgrading ", "error: no matching package named"];
    lines(output, &verbs).into_iter().filter(|line| !line.ends_with(" index")).collect()
}

/// The entries that `uv lock --dry-run` would change, or those that it could not find without the network.
pub(crate) fn changes_of_uv(output: &Output) -> Vec<String> {
    lines(output, &["Add ", "Remove ", "Update ", "cause: Because "])
}

fn lines(output: &Output, starts: &[&str]) -> Vec<String> {
    let text = output.everything();
    let lines = text.lines().map(str::trim);
    lines.filter(|line| starts.iter().any(|start| line.starts_with(start))).map(str::to_string).collect()
}

/// What `package.json` asks for and `yarn.lock`, whose keys are those very words, does not have.
pub(crate) fn missing_from_yarn(files: &impl Files, lockfile: &str) -> Vec<String> {
    let manifest = files.read("package.json").and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let (Some(manifest), Some(lock)) = (manifest, files.read(lockfile)) else { return vec![] };
    let keys: Vec<&str> = lock
        .lines()
        .filter(|line| !line.starts_with([' ', '#']))
        .filter_map(|line| line.strip_suffix(':'))
        .flat_map(|line| line.split(", "))
        .map(|key| key.trim_matches('"'))
        .collect();
    ["dependencies", "devDependencies", "optionalDependencies"]
        .iter()
        .filter_map(|kind| manifest.get(kind).and_then(Value::as_object))
        .flatten()
        .filter_map(|(name, range)| Some(format!("{name}@{}", range.as_str()?)))
        .filter(|pattern| !keys.contains(&pattern.as_str()))
        .map(|pattern| format!("`{pattern}` is in `package.json` and not in `{lockfile}`"))
        .collect()
}

/// What `pyproject.toml` depends on and `poetry.lock` does not name.
pub(crate) fn missing_from_poetry(files: &impl Files, lockfile: &str) -> Vec<String> {
    let manifest = files.read("pyproject.toml").and_then(|text| text.parse::<toml::Table>().ok());
    let (Some(manifest), Some(lock)) = (manifest, files.read(lockfile)) else { return vec![] };
    let locked: Vec<String> = lock
        .lines()
        .filter_map(|line| line.strip_prefix("name = \""))
        .map(|rest| requirement_name(rest.trim_end_matches('"')))
        .collect();
    python_dependencies(&manifest)
        .into_iter()
        .filter(|name| !locked.contains(name))
        .map(|name| format!("`{name}` is in `pyproject.toml` and not in `{lockfile}`"))
        .collect()
}

/// What differs between the requirements of two `Gemfile.lock`s: the one that is there, and the one that would be.
pub(crate) fn changes_of_bundler(lock: &str, wanted: &str) -> Vec<String> {
    let requirements = |text: &str| -> Vec<String> {
        let below = text.lines().skip_while(|line| *line != "DEPENDENCIES").skip(1);
        below.take_while(|line| line.starts_with("  ")).map(|line| line.trim().to_string()).collect()
    };
    let (locked, wanted) = (requirements(lock), requirements(wanted));
    if wanted.is_empty() && !locked.is_empty() {
        // It printed something else.
        return vec![];
    }
    let added = wanted.iter().filter(|gem| !locked.contains(gem));
    let removed = locked.iter().filter(|gem| !wanted.contains(gem));
    added
        .map(|gem| format!("`{gem}` is in the Gemfile and not in its lockfile"))
        .chain(removed.map(|gem| format!("`{gem}` is in the lockfile and not in the Gemfile")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{changes_of_bundler, changes_of_cargo, changes_of_uv, missing_from_poetry, missing_from_yarn};
    use crate::world::Output;
    use crate::world::fake::Fake;

    fn said(standard: &str, error: &str) -> Output {
        Output { succeeded: true, standard: standard.into(), error: error.into() }
    }

    #[test]
    fn dry_runs_name_their_changes() {
        let cargo = "    Updating the index\n     Locking 2 packages to latest Rust 1.95.0 compatible versions\n    \
            Updating fixture v1.0.0 (/app) -> v1.1.0\n      Adding itoa v1.0.18\nwarning: not updating lockfile due to dry run\n";
        assert_eq!(
            changes_of_cargo(&said("", cargo)),
            ["Updating fixture v1.0.0 (/app) -> v1.1.0", "Adding itoa v1.0.18"]
        );
        let uv = "Resolved 5 packages in 181ms\nUpdate idna v3.20 -> v2.10\nAdd six v1.17.0\n";
        assert_eq!(changes_of_uv(&said(uv, "")), ["Update idna v3.20 -> v2.10", "Add six v1.17.0"]);
    }

    #[test]
    fn yarn_and_poetry_are_compared_by_us() {
        let yarn = Fake::with(&[
            ("package.json", r#"{"dependencies":{"farewell":"file:farewell","greeting":"file:greeting","ms":"^2"}}"#),
            (
                "yarn.lock",
                "# yarn lockfile v1\n\n\n\"greeting@file:greeting\":\n  version \"1.0.0\"\n\nms@^1, ms@^2:\n  version \"2\"\n",
            ),
        ]);
        assert_eq!(
            missing_from_yarn(&yarn, "yarn.lock"),
            ["`farewell@file:farewell` is in `package.json` and not in `yarn.lock`"]
        );
        let poetry = Fake::with(&[
            ("pyproject.toml", "[project]\ndependencies = [\"fare_well>1\", \"greeting\"]\n"),
            ("poetry.lock", "[[package]]\nname = \"greeting\"\nversion = \"1.0.0\"\n"),
        ]);
        assert_eq!(
            missing_from_poetry(&poetry, "poetry.lock"),
            ["`fare-well` is in `pyproject.toml` and not in `poetry.lock`"]
        );
    }

    #[test]
    fn gems_are_compared_by_their_requirements() {
        let lock = "GEM\n  specs:\n\nDEPENDENCIES\n  greeting!\n  rainbow\n\nBUNDLED WITH\n   2.3.15\n";
        let wanted = lock.replace("  rainbow\n", "  rainbow (< 3)\n");
        assert_eq!(
            changes_of_bundler(lock, &wanted),
            [
                "`rainbow (< 3)` is in the Gemfile and not in its lockfile",
                "`rainbow` is in the lockfile and not in the Gemfile"
            ]
        );
        assert_eq!(changes_of_bundler(lock, lock), Vec::<String>::new());
        assert_eq!(changes_of_bundler(lock, "Cannot print\n"), Vec::<String>::new());
    }
}

//! PEP 440's specifiers, Poetry's own constraints, and the words of `.python-version`.

use super::{Pin, Requirement};
use pep440_rs::{Operator, Version, VersionPattern, VersionSpecifier, VersionSpecifiers};
use std::str::FromStr;

/// `.python-version` as pyenv and uv read it: `3.12`, `3.12.1`, `cpython-3.12`, `>=3.11`, `system`, …
///
/// # Errors
/// Says what is wrong, for a cause.
pub(crate) fn version_file(text: &str) -> Result<Requirement, String> {
    let wrong = || format!("`{text}` is not a version of Python");
    if text == "system" {
        return Ok(Requirement::Unchecked("it takes what is there"));
    }
    if text.starts_with(['<', '>', '=', '~', '!']) {
        return specifiers(text);
    }
    let lower = text.to_ascii_lowercase();
    let bare = ["cpython@", "cpython-", "cpython", "python-", "python@", "python"]
        .iter()
        .find_map(|prefix| lower.strip_prefix(prefix))
        .unwrap_or(&lower);
    if !bare.starts_with(|c: char| c.is_ascii_digit()) {
        let other = ["pypy", "graalpy", "miniconda", "anaconda", "miniforge", "mambaforge", "jython", "stackless"];
        return if other.iter().any(|name| bare.starts_with(name)) {
            Ok(Requirement::Unchecked("it is another implementation of Python"))
        } else if lower.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
            Ok(Requirement::Unchecked("it is an environment of your own name"))
        } else {
            Err(wrong())
        };
    }
    // uv's `cpython-3.12.1-linux-x86_64-gnu`, and its `3.13t` and `3.13+freethreaded`, which `--version` does not tell.
    let version = bare.split(['-', '+']).next().unwrap_or_default();
    let version = version.strip_suffix('t').unwrap_or(version);
    // pyenv's name for the newest checkout of a line.
    if bare.ends_with("-dev") {
        return Ok(Requirement::Unchecked("it is a checkout of a line"));
    }
    Pin::parse(version).map(Requirement::Pin).map_err(|_| wrong())
}

/// `requires-python`.
///
/// # Errors
/// Says what is wrong, for a cause.
pub(crate) fn specifiers(text: &str) -> Result<Requirement, String> {
    // A comma more than needed is allowed.
    let listed = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",");
    match VersionSpecifiers::from_str(&listed) {
        Ok(specifiers) => Ok(Requirement::Python(vec![specifiers])),
        Err(error) => {
            let error = error.to_string();
            let reason = error.lines().next().unwrap_or_default().trim_end_matches(':');
            Err(format!("`{text}` is not a specifier of PEP 440: {reason}"))
        }
    }
}

/// Whether an interpreter is within specifiers. As pip and uv do it, the interpreter's pre-release does not count: 3.14.0rc1
/// runs what requires 3.14.
pub(super) fn within(specifiers: &VersionSpecifiers, version: &str) -> bool {
    Version::from_str(version).is_ok_and(|version| specifiers.contains(&version.only_release()))
}

/// Poetry's constraints: PEP 440 and besides `^3.11`, `~3.11`, a bare version, and alternatives with `||` or `|`.
///
/// # Errors
/// Says what is wrong, for a cause.
pub(crate) fn poetry(text: &str) -> Result<Requirement, String> {
    let alternatives = text.split('|').map(str::trim).filter(|part| !part.is_empty());
    let read: Vec<_> = alternatives.map(|part| poetry_alternative(text, part)).collect::<Result<_, _>>()?;
    if read.is_empty() { Err(format!("`{text}` is not a constraint of Poetry")) } else { Ok(Requirement::Python(read)) }
}

fn poetry_alternative(text: &str, alternative: &str) -> Result<VersionSpecifiers, String> {
    let mut specifiers = vec![];
    let mut words = alternative.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let joined;
        let word = if word.bytes().all(|byte| b"<>=~^!".contains(&byte)) {
            joined = format!("{word}{}", words.next().unwrap_or_default());
            &joined
        } else {
            word
        };
        specifiers.extend(poetry_word(word).ok_or_else(|| format!("`{text}` is not a constraint of Poetry"))?);
    }
    Ok(specifiers.into_iter().collect())
}

fn poetry_word(word: &str) -> Option<Vec<VersionSpecifier>> {
    if word == "*" {
        return Some(vec![]);
    }
    if let Some(version) = word.strip_prefix('^') {
        let version = Version::from_str(version.trim()).ok()?;
        let numbers = version.release();
        // Up to the first number that is not zero, or the last that is written.
        let keep = numbers.iter().position(|number| *number != 0).unwrap_or(numbers.len() - 1);
        return Some(between(&version, keep));
    }
    if let Some(version) = word.strip_prefix('~').filter(|rest| !rest.starts_with('=')) {
        let version = Version::from_str(version.trim()).ok()?;
        let keep = usize::from(version.release().len() > 1);
        return Some(between(&version, keep));
    }
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        let pattern = VersionPattern::from_str(word).ok()?;
        return Some(vec![VersionSpecifier::from_pattern(Operator::Equal, pattern).ok()?]);
    }
    VersionSpecifier::from_str(word).ok().map(|specifier| vec![specifier])
}

/// From a version up to the next that differs in its number at `keep`, or before it.
fn between(version: &Version, keep: usize) -> Vec<VersionSpecifier> {
    let mut upper = version.release()[..=keep].to_vec();
    upper[keep] = upper[keep].saturating_add(1);
    vec![
        VersionSpecifier::greater_than_equal_version(version.clone()),
        VersionSpecifier::less_than_version(Version::new(upper)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::table::{holds, refused};
    use super::*;

    #[test]
    fn specifiers_are_pep_440_s() {
        holds(
            specifiers,
            &[
                (">=3.11", &["3.11.0", "3.12.1", "4.0.0"], &["3.10.9"]),
                (">=3.11,<3.13", &["3.12.9"], &["3.13.0", "3.10.0"]),
                (">= 3.11, != 3.12.*", &["3.11.5", "3.13.0"], &["3.12.0", "3.12.9"]),
                ("~=3.11", &["3.11.0", "3.14.0"], &["4.0.0", "3.10.0"]),
                ("~=3.11.2", &["3.11.2", "3.11.9"], &["3.12.0", "3.11.1"]),
                ("==3.12.*", &["3.12.0", "3.12.9"], &["3.13.0"]),
                ("==3.12", &["3.12.0"], &["3.12.1"]),
                ("==3.12.4", &["3.12.4"], &["3.12.5"]),
                ("!=3.12.4", &["3.12.5"], &["3.12.4"]),
                (">3.11", &["3.11.1", "3.12.0"], &["3.11.0"]),
                ("<3.13", &["3.12.9"], &["3.13.0"]),
                ("<=3.12", &["3.12.0"], &["3.12.1"]),
                ("", &["3.12.0"], &[]),
            ],
        );
        refused(specifiers, &["^3.11", "3.11", ">=3.11 || >=3.9", ">=3.x", "~3.11", ">=", "~=3"]);
    }

    #[test]
    fn an_interpreter_s_pre_release_counts_as_its_release() {
        holds(
            specifiers,
            &[
                (">=3.14", &["3.14.0rc1", "3.14.0a2"], &["3.13.0rc1"]),
                ("<3.14", &["3.13.0rc1"], &["3.14.0rc1"]),
                (">=3.14.0rc2", &["3.14.0rc1", "3.14.0"], &["3.13.9"]),
                ("==3.14.*", &["3.14.0b1"], &["3.15.0b1"]),
            ],
        );
    }

    #[test]
    fn poetry_has_carets_tildes_and_alternatives() {
        holds(
            poetry,
            &[
                ("^3.11", &["3.11.0", "3.14.0"], &["4.0.0", "3.10.0"]),
                ("^3.11.2", &["3.11.2", "3.12.0"], &["3.11.1", "4.0.0"]),
                ("^0.3", &["0.3.9"], &["0.4.0"]),
                ("^0.0.3", &["0.0.3"], &["0.0.4"]),
                ("^0.0", &["0.0.3"], &["0.1.0"]),
                ("^0", &["0.9.0"], &["1.0.0"]),
                ("~3.11", &["3.11.9"], &["3.12.0", "3.10.0"]),
                ("~3.11.2", &["3.11.9"], &["3.12.0", "3.11.1"]),
                ("~3", &["3.14.0"], &["4.0.0"]),
                (">=3.11,<4.0", &["3.11.0"], &["4.0.0"]),
                (">=3.11 <4.0", &["3.11.0"], &["4.0.0"]),
                (">= 3.11, < 4.0", &["3.11.0"], &["4.0.0"]),
                ("~=3.11", &["3.12.0"], &["4.0.0"]),
                ("3.11.*", &["3.11.9"], &["3.12.0"]),
                ("3.11.7", &["3.11.7"], &["3.11.8"]),
                ("~3.9 || ^3.11", &["3.9.1", "3.12.0"], &["3.10.0"]),
                ("*", &["3.9.1"], &[]),
            ],
        );
        refused(poetry, &["", "||", "^", "three", "^3.x", ">= 3.11 <"]);
    }

    #[test]
    fn version_files_are_pyenv_s_and_uv_s() {
        holds(
            version_file,
            &[
                ("3.12", &["3.12.0", "3.12.9"], &["3.13.0", "3.1.2", "3.12.0rc1"]),
                ("3.12.1", &["3.12.1"], &["3.12.2"]),
                ("3.14.0rc1", &["3.14.0rc1"], &["3.14.0"]),
                ("cpython@3.12", &["3.12.4"], &["3.11.0"]),
                ("cpython-3.12.1-linux-x86_64-gnu", &["3.12.1"], &["3.12.2"]),
                ("python-3.12.1", &["3.12.1"], &["3.12.2"]),
                ("3.13t", &["3.13.1"], &["3.14.0"]),
                (">=3.11,<3.13", &["3.12.0"], &["3.13.0"]),
            ],
        );
        for text in ["system", "pypy3.10-7.3.16", "miniconda3-latest", "shop-env", "3.14-dev"] {
            assert!(matches!(version_file(text), Ok(Requirement::Unchecked(_))), "{text}");
        }
        refused(version_file, &["3.12 3.11", "3..12", "^3.12", ">=three"]);
    }
}

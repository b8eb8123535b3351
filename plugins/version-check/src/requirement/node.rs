//! Node's versions: npm's ranges, and the words that Node's version files use.

use super::npm::Range;
use super::{Pin, Requirement};

/// `.nvmrc` and its like: `22`, `v22.3.0`, `lts/*`, `lts/jod`, `node`, …
///
/// # Errors
/// Says what is wrong, for a cause.
pub(crate) fn version_file(text: &str) -> Result<Requirement, String> {
    let lower = text.to_ascii_lowercase();
    let line = lower.strip_prefix("lts/").or_else(|| lower.strip_prefix("lts-"));
    match (lower.as_str(), line) {
        ("lts" | "lts/*" | "lts-latest", _) => Ok(Requirement::LongTermSupport(None)),
        // The line before the newest: that takes a list of all releases.
        (_, Some(line)) if line.parse::<i64>().is_ok() => {
            Ok(Requirement::Unchecked("it counts back from the newest line"))
        }
        (_, Some(line)) if !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            Ok(Requirement::LongTermSupport(Some(line.into())))
        }
        ("node" | "stable" | "latest" | "current", _) => Ok(Requirement::Unchecked("it names no version")),
        ("system" | "default", _) => Ok(Requirement::Unchecked("it takes what is there")),
        _ => Pin::parse(text).map(Requirement::Pin).map_err(|_| format!("`{text}` is not a version of Node")),
    }
}

/// The ranges of `package.json`.
///
/// # Errors
/// Says what is wrong, for a cause.
pub(crate) fn range(text: &str) -> Result<Requirement, String> {
    Range::parse(text).map(Requirement::Npm).ok_or_else(|| format!("`{text}` is not a range that npm understands"))
}

/// Whether a version is within a range.
pub(super) fn in_range(range: &Range, version: &str) -> bool {
    semver::Version::parse(version).is_ok_and(|version| range.contains(&version))
}

#[cfg(test)]
mod tests {
    use super::super::Answer;
    use super::super::table::{holds, refused};
    use super::*;
    use crate::tool::Installed;

    #[test]
    fn ranges_are_npm_s() {
        holds(
            range,
            &[
                (">=22", &["22.0.0", "23.1.0"], &["21.9.9"]),
                (">= 22.3", &["22.3.0", "23.0.0"], &["22.2.9"]),
                (">22", &["23.0.0"], &["22.0.0", "22.9.9"]),
                ("<22", &["21.9.9"], &["22.0.0"]),
                ("<=22", &["22.9.9"], &["23.0.0"]),
                ("22", &["22.0.0", "22.9.9"], &["23.0.0"]),
                ("22.x", &["22.9.9"], &["23.0.0", "21.0.0"]),
                ("22.3.*", &["22.3.9"], &["22.4.0"]),
                ("x", &["1.2.3"], &[]),
                ("*", &["1.2.3"], &[]),
                ("", &["1.2.3"], &[]),
                ("=22.3.0", &["22.3.0"], &["22.3.1"]),
                ("v22.3.0", &["22.3.0"], &["22.3.1"]),
                ("^22.3.1", &["22.3.1", "22.9.0"], &["22.3.0", "23.0.0"]),
                ("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0", "0.2.2"]),
                ("^0.0.3", &["0.0.3"], &["0.0.4"]),
                ("^0", &["0.9.9"], &["1.0.0"]),
                ("^1.x", &["1.0.0", "1.9.0"], &["2.0.0"]),
                ("~22.3.1", &["22.3.1", "22.3.9"], &["22.4.0", "22.3.0"]),
                ("~22.3", &["22.3.0", "22.3.9"], &["22.4.0"]),
                ("~22", &["22.9.0"], &["23.0.0"]),
                ("~>22.3", &["22.3.5"], &["22.4.0"]),
                ("20 || 22", &["20.1.0", "22.1.0"], &["21.0.0"]),
                ("^18.18.0||>=20", &["18.18.0", "20.0.0"], &["18.17.0", "19.0.0"]),
                ("18 - 20", &["18.0.0", "20.9.9"], &["21.0.0", "17.9.9"]),
                ("1.2.3 - 2.3", &["1.2.3", "2.3.9"], &["2.4.0", "1.2.2"]),
                (">=18 <21 || ^22.1", &["20.5.0", "22.1.0"], &["21.0.0", "22.0.9"]),
                (">=18.0.0 <19.0.0", &["18.20.0"], &["19.0.0"]),
                ("~=22.3", &["22.3.9"], &["22.4.0"]),
                (">=20.0.0 <20.0.0", &[], &["20.0.0", "19.9.9", "1.2.3"]),
                ("<x", &[], &["0.0.0", "1.2.3"]),
                ("1 ||", &["1.2.3", "2.0.0"], &[]),
                ("1.2.3+build", &["1.2.3"], &["1.2.4"]),
            ],
        );
        refused(
            range,
            &[
                "01.2.3",
                "1.x.3",
                "22 - ",
                "- 22",
                ">=18 - 20",
                "1.2-rc",
                "1.2.3-",
                "9007199254740992.0.0",
                "latest",
                ">=",
                "foo 1.2.3",
                "1.2.3.4",
                ">=22,<24",
                "!=22",
                "22.a",
                "lts/*",
                "^",
            ],
        );
    }

    #[test]
    fn a_pre_release_of_the_tool_counts_as_npm_counts_it() {
        holds(
            range,
            &[
                (">=22", &["23.0.0-nightly20260101", "22.1.0-rc.1"], &["21.0.0-rc.1"]),
                ("^22.1.0", &["22.2.0-rc.1"], &["22.1.0-rc.1", "23.0.0-rc.1"]),
                (">=22.0.0-rc.2", &["22.0.0-rc.2", "22.0.0"], &["22.0.0-rc.1"]),
                ("<22.0.0", &["21.0.0"], &["22.0.0"]),
            ],
        );
    }

    #[test]
    fn version_files_have_aliases() {
        holds(version_file, &[("v22.3.0", &["22.3.0"], &["22.3.1"]), ("22", &["22.3.0"], &["20.0.0"])]);
        let of = |line: Option<&str>| Installed { line: line.map(Into::into), ..Installed::of("22.3.0") };
        for (text, there, answer) in [
            ("lts/*", Some("jod"), Answer::Yes),
            ("lts/*", None, Answer::No),
            ("lts", Some("jod"), Answer::Yes),
            ("lts/Jod", Some("jod"), Answer::Yes),
            ("lts/jod", Some("Iron"), Answer::No),
            ("lts-iron", Some("Iron"), Answer::Yes),
            ("lts/iron", None, Answer::No),
        ] {
            let requirement = version_file(text).expect("valid");
            assert!(requirement.asks_for_line());
            assert_eq!(requirement.allows(&of(there)), answer, "{text} {there:?}");
        }
        for text in ["node", "stable", "latest", "system", "default", "lts/-1"] {
            assert!(matches!(version_file(text), Ok(Requirement::Unchecked(_))), "{text}");
        }
        refused(version_file, &[">=22", "iojs", "lts/", "22 || 20", "nvm"]);
    }
}

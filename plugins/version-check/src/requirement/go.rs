//! Go's versions, in Go's order: `1.25` (the language) comes before `1.25rc1`, and that before `1.25.0`.

use super::Requirement;

/// A version of Go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u64,
    minor: u64,
    /// The order of kinds is the order of versions.
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Language,
    Alpha(u64),
    Beta(u64),
    Candidate(u64),
    Patch(u64),
}

impl Version {
    /// Read `1.25`, `1.25rc1`, `1.25.3`, with or without `go` in front.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("go").unwrap_or(text);
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if plain && (text == "0" || !text.starts_with('0')) { text.parse().ok() } else { None }
        };
        let Some((major, rest)) = text.split_once('.') else {
            return Some(Self { major: number(text)?, minor: 0, stage: Stage::Language });
        };
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (minor, rest) = rest.split_at(end);
        let (major, minor) = (number(major)?, number(minor)?);
        let stage = match rest {
            // Before 1.21 the first release of a line had no third number.
            "" if (major, minor) < (1, 21) => Stage::Patch(0),
            "" => Stage::Language,
            _ => {
                let signed = |sign| number(rest.strip_prefix(sign)?);
                signed(".")
                    .map(Stage::Patch)
                    .or_else(|| signed("rc").map(Stage::Candidate))
                    .or_else(|| signed("beta").map(Stage::Beta))
                    .or_else(|| signed("alpha").map(Stage::Alpha))?
            }
        };
        Some(Self { major, minor, stage })
    }
}

/// The `go` line or the `toolchain` line of `go.mod`.
///
/// # Errors
/// Says what is wrong, for a cause.
pub(crate) fn minimum(text: &str) -> Result<Requirement, String> {
    // A distributor's suffix does not count: `go1.25.3-custom`.
    let bare = text.split('-').next().unwrap_or(text);
    Version::parse(bare).map(Requirement::GoMinimum).ok_or_else(|| format!("`{text}` is not a version of Go"))
}

#[cfg(test)]
mod tests {
    use super::super::table::{holds, refused};
    use super::*;

    #[test]
    fn versions_are_in_go_s_order() {
        let ordered = [
            "1.9.7",
            "1.20rc1",
            "1.20",
            "1.20.1",
            "1.21",
            "1.21alpha1",
            "1.21beta1",
            "1.21rc1",
            "1.21rc2",
            "1.21.0",
            "1.21.10",
            "1.22",
            "2",
        ];
        let parsed: Vec<_> = ordered.iter().map(|text| Version::parse(text).expect(text)).collect();
        assert!(parsed.is_sorted_by(|a, b| a < b), "{parsed:?}");
    }

    #[test]
    fn go_mod_says_a_minimum() {
        holds(
            minimum,
            &[
                ("1.25", &["1.25rc1", "1.25.0", "1.25.3", "1.26.0"], &["1.24.9", "1.9.0"]),
                ("1.25.0", &["1.25.0", "1.26.0"], &["1.25rc2", "1.24.9"]),
                ("1.25rc1", &["1.25rc1", "1.25.0"], &["1.25beta1"]),
                ("go1.25.3", &["1.25.3", "1.25.10"], &["1.25.2"]),
                ("go1.25.3-custom", &["1.25.3"], &["1.25.2"]),
                ("1.20", &["1.20", "1.20.5", "1.21.0"], &["1.19.13"]),
            ],
        );
        refused(minimum, &["", "v1.25", ">=1.25", "1.25.x", "1.25.3.4", "latest", "1.025", "1.25.3rc1"]);
    }
}

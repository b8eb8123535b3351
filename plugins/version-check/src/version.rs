//! The application's own versions: read them out of texts that people write (`v1.2.3`, `shop-v1.2.3`), and compare them in
//! the order of the ecosystem they come from.

use std::cmp::Ordering;
use std::str::FromStr;

/// Whose order versions are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Cargo's and npm's.
    Semver,
    /// Python's: PEP 440.
    Python,
}

/// A version of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Version {
    /// In the order of semver.
    Semver(semver::Version),
    /// In the order of PEP 440.
    Python(pep440_rs::Version),
}

impl Version {
    /// Read one as it stands in a manifest.
    pub(crate) fn parse(text: &str, scheme: Scheme) -> Result<Self, String> {
        match scheme {
            Scheme::Semver => semver::Version::parse(text).map(Self::Semver).map_err(|error| error.to_string()),
            Scheme::Python => pep440_rs::Version::from_str(text).map(Self::Python).map_err(|error| error.to_string()),
        }
    }

    /// Read one out of what a release is called: itself, with `v` in front, or at the end of a tag of a component such as
    /// `shop-v1.2.3`, `shop@1.2.3` or `release/1.2.3`.
    pub(crate) fn in_name(name: &str, scheme: Scheme) -> Option<Self> {
        let last = name.rsplit(['/', '@']).next().unwrap_or(name);
        let tails = last.match_indices('-').map(|(index, _)| &last[index + 1..]);
        std::iter::once(last).chain(tails).find_map(|text| {
            let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
            Self::parse(text, scheme).ok()
        })
    }

    /// The order of two versions of one scheme, without what does not count for it (build metadata).
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Semver(one), Self::Semver(two)) => Some(one.cmp_precedence(two)),
            (Self::Python(one), Self::Python(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }

    /// Whether they differ in build metadata alone, both having some: two builds that can be told apart.
    pub(crate) fn differs_in_build(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Semver(one), Self::Semver(two)) => {
                !one.build.is_empty() && !two.build.is_empty() && one.build != two.build
            }
            _ => false,
        }
    }

    /// Whether it is a pre-release of the other.
    pub(crate) fn is_pre_release_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Semver(one), Self::Semver(two)) => {
                let numbers = |version: &semver::Version| (version.major, version.minor, version.patch);
                numbers(one) == numbers(two) && !one.pre.is_empty() && two.pre.is_empty()
            }
            (Self::Python(one), Self::Python(two)) => {
                one.any_prerelease() && two.is_stable() && one.only_release() == two.only_release()
            }
            _ => false,
        }
    }

    /// Whether it stands for "no version here": `0.0.0` and its pre-releases, which tools that number by tag leave in the
    /// manifest.
    pub(crate) fn is_placeholder(&self) -> bool {
        match self {
            Self::Semver(version) => (version.major, version.minor, version.patch) == (0, 0, 0),
            Self::Python(version) => version.release().iter().all(|number| *number == 0) && !version.is_post(),
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Semver(version) => version.fmt(formatter),
            Self::Python(version) => version.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_s_name_may_say_more_than_its_version() {
        for (name, version) in [
            ("1.2.3", Some("1.2.3")),
            ("v1.2.3", Some("1.2.3")),
            ("v1.2.3-rc.1", Some("1.2.3-rc.1")),
            ("shop-v1.2.3", Some("1.2.3")),
            ("shop-1.2.3-rc.1", Some("1.2.3-rc.1")),
            ("shop-api-v1.2.3", Some("1.2.3")),
            ("shop@1.2.3", Some("1.2.3")),
            ("@acme/shop@1.2.3", Some("1.2.3")),
            ("release/1.2.3", Some("1.2.3")),
            ("2026.11.20", Some("2026.11.20")),
            ("1.2.3+build.5", Some("1.2.3+build.5")),
            ("a1b2c3d", None),
            ("1234567", None),
            ("build-512", None),
            ("main", None),
            ("v1.2", None),
            ("", None),
        ] {
            let read = Version::in_name(name, Scheme::Semver).map(|version| version.to_string());
            assert_eq!(read.as_deref(), version, "{name}");
        }
        let python = |name| Version::in_name(name, Scheme::Python).map(|version| version.to_string());
        assert_eq!(python("v1.2rc1"), Some("1.2rc1".into()));
        assert_eq!(python("2026.05.01"), Some("2026.5.1".into()));
        assert_eq!(python("main"), None);
    }

    #[test]
    fn each_scheme_has_its_order() {
        use Ordering::{Equal, Greater, Less};
        for (scheme, one, two, order) in [
            (Scheme::Semver, "1.2.3", "1.2.10", Less),
            (Scheme::Semver, "1.2.3-rc.1", "1.2.3", Less),
            (Scheme::Semver, "1.2.3-rc.2", "1.2.3-rc.10", Less),
            (Scheme::Semver, "1.2.3+a", "1.2.3+b", Equal),
            (Scheme::Semver, "2.0.0", "1.99.0", Greater),
            (Scheme::Python, "1.2", "1.2.0", Equal),
            (Scheme::Python, "1.2rc1", "1.2", Less),
            (Scheme::Python, "1.2.dev1", "1.2a1", Less),
            (Scheme::Python, "1.2.post1", "1.2", Greater),
            (Scheme::Python, "1!0.1", "9.0", Greater),
        ] {
            let read = |text| Version::parse(text, scheme).expect(text);
            assert_eq!(read(one).compare(&read(two)), Some(order), "{one} {two}");
        }
    }

    #[test]
    fn placeholders_and_pre_releases_are_known() {
        let semver = |text| Version::parse(text, Scheme::Semver).expect("valid");
        let python = |text| Version::parse(text, Scheme::Python).expect("valid");
        assert!(semver("0.0.0").is_placeholder() && semver("0.0.0-development").is_placeholder());
        assert!(python("0").is_placeholder() && python("0.0.0.dev0").is_placeholder());
        assert!(!semver("0.0.1").is_placeholder() && !python("0.1").is_placeholder());
        assert!(semver("1.2.0-rc.1").is_pre_release_of(&semver("1.2.0")));
        assert!(!semver("1.2.0").is_pre_release_of(&semver("1.2.0-rc.1")));
        assert!(!semver("1.2.1-rc.1").is_pre_release_of(&semver("1.2.0")));
        assert!(python("1.2rc1").is_pre_release_of(&python("1.2.0")));
        assert!(semver("1.2.3+a").differs_in_build(&semver("1.2.3+b")));
        assert!(!semver("1.2.3").differs_in_build(&semver("1.2.3+b")));
    }
}

//! The three-way check of a release: the version in the manifest, the version that is being released (a tag, or what was
//! given), and the version that is live. A release that is half done shows up as two of them that disagree.

use crate::document::Place;
use crate::version::{Scheme, Version};
use std::cmp::Ordering;
use windlass_plugin::{Failure, Finding, Severity};

/// The version in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The version.
    pub version: Version,
    /// Where it stands.
    pub place: Place,
    /// In which order it is.
    pub scheme: Scheme,
}

/// A deployment, as far as its version goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Deployment {
    /// What is being released is called so: a version, a tag, or where there is neither the short commit.
    pub version: String,
    /// Its commit.
    pub commit: String,
    /// What is live now is called so, and its commit.
    pub live: Option<(String, String)>,
}

/// What may pass all the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// A version below the live one.
    pub downgrade: bool,
    /// The live version with another commit.
    pub same_version: bool,
    /// A release called otherwise than its manifest says.
    pub mismatch: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Release {
    /// The version of the release, where it has one.
    pub version: Option<String>,
    /// Stable words for the plan: `version 1.3.0 follows 1.2.0`. Empty where there is no version.
    pub id: String,
    /// One line for a person.
    pub line: String,
    /// What was seen.
    pub findings: Vec<Finding>,
    /// Why the deployment cannot go on.
    pub failures: Vec<Failure>,
}

/// What is said where there is nothing new.
const LIVE_ALREADY: &str = "is live already with this commit";

/// As short as git makes a commit; a shorter name is rather a number of a build.
const SHORT_COMMIT: usize = 7;

/// Whether a release's name is its commit, which it is where nobody gave it a version.
fn is_commit(name: &str, commit: &str) -> bool {
    name.len() >= SHORT_COMMIT && commit.to_ascii_lowercase().starts_with(&name.to_ascii_lowercase())
}

/// Whether two commits are the same; one may be short.
fn same_commit(one: &str, two: &str) -> bool {
    !one.is_empty() && !two.is_empty() && (is_commit(one, two) || is_commit(two, one))
}

/// Check a release.
pub(crate) fn check(manifest: Option<&Manifest>, deployment: &Deployment, allowed: Allowed) -> Release {
    let mut release = Release::default();
    let schemes = match manifest.map(|manifest| manifest.scheme) {
        Some(Scheme::Python) => [Scheme::Python, Scheme::Semver],
        _ => [Scheme::Semver, Scheme::Python],
    };
    let named = |name: &str, commit: &str, scheme| {
        if is_commit(name, commit) { None } else { Version::in_name(name, scheme) }
    };
    let given =
        schemes.iter().find_map(|scheme| Some((named(&deployment.version, &deployment.commit, *scheme)?, *scheme)));
    // A placeholder is no version.
    let manifest = manifest.filter(|manifest| !manifest.version.is_placeholder());
    if let (Some(manifest), Some(_)) = (manifest, &given) {
        release.compare_with_manifest(
            manifest,
            named(&deployment.version, &deployment.commit, manifest.scheme),
            deployment,
            allowed,
        );
    }
    let Some((version, scheme)) =
        given.or_else(|| manifest.map(|manifest| (manifest.version.clone(), manifest.scheme)))
    else {
        return release;
    };
    release.version = Some(version.to_string());
    release.line = match manifest.filter(|manifest| manifest.version.compare(&version) == Some(Ordering::Equal)) {
        Some(manifest) => format!("version {version} ({})", manifest.place),
        None => format!("version {version}"),
    };
    release.compare_with_live(&version, scheme, deployment, allowed, manifest.map(|manifest| &manifest.place));
    release
}

impl Release {
    fn compare_with_manifest(
        &mut self,
        manifest: &Manifest,
        given: Option<Version>,
        deployment: &Deployment,
        allowed: Allowed,
    ) {
        let (place, written) = (&manifest.place, &manifest.version);
        let finding = |severity, message: String| Finding {
            severity,
            code: "version-mismatch".into(),
            message,
            file: Some(place.file.clone()),
            line: Some(place.line),
        };
        let message = format!("the release is called `{}`, but `{}` says `{written}`", deployment.version, place.file);
        match given {
            Some(given) if given.compare(written) == Some(Ordering::Equal) => {}
            // Candidates are usually cut from the commit that already bears the release's version.
            Some(given) if given.is_pre_release_of(written) => {
                self.findings
                    .push(finding(Severity::Notice, format!("`{given}` is released as a candidate of `{written}`")));
            }
            _ if allowed.mismatch => self.findings.push(finding(Severity::Warning, message)),
            _ => {
                self.findings.push(finding(Severity::Error, message.clone()));
                self.failures.push(
                    Failure::check_failed("version-mismatch", message)
                        .because(format!("{place} has version `{written}`"))
                        .with_hint(format!(
                            "set the version in `{}` to the release's, or set `allow-mismatch = true`",
                            place.file
                        )),
                );
            }
        }
    }

    fn compare_with_live(
        &mut self,
        version: &Version,
        scheme: Scheme,
        deployment: &Deployment,
        allowed: Allowed,
        place: Option<&Place>,
    ) {
        let Some((live_name, live_commit)) = &deployment.live else {
            self.id = format!("version {version} is the first");
            self.line += " is the first";
            return;
        };
        let finding = |severity, code: &str, message: String| Finding {
            severity,
            code: code.into(),
            message,
            file: place.map(|place| place.file.clone()),
            line: place.map(|place| place.line),
        };
        let live = if is_commit(live_name, live_commit) { None } else { Version::in_name(live_name, scheme) };
        let Some((live, order)) = live.and_then(|live| Some((live.clone(), version.compare(&live)?))) else {
            self.id = format!("version {version} is not compared");
            self.line += &format!("; what is live is called `{live_name}`, which is no version to compare with");
            let message = format!(
                "what is live is called `{live_name}`, so a downgrade would not be seen; \
                 `release = {{ version-from = … }}` in `deploy.toml` gives releases their versions"
            );
            self.findings.push(finding(Severity::Notice, "version-not-compared", message));
            return;
        };
        let (relation, problem) = match order {
            Ordering::Greater => ("follows", None),
            Ordering::Equal if same_commit(&deployment.commit, live_commit) => {
                (if version.differs_in_build(&live) { "is live with this commit as" } else { LIVE_ALREADY }, None)
            }
            Ordering::Equal if version.differs_in_build(&live) => ("is another build of", None),
            Ordering::Equal => ("has another commit than", Some(("version-reused", allowed.same_version))),
            Ordering::Less => ("goes back from", Some(("version-downgrade", allowed.downgrade))),
        };
        // What is live under the same name needs no second mention.
        let other = if relation == LIVE_ALREADY { String::new() } else { format!(" {live}") };
        self.id = format!("version {version} {relation}{other}");
        self.line += &format!(" {relation}{other}");
        let Some((code, allowed)) = problem else { return };
        let (message, cause, hint) = if code == "version-reused" {
            let short = |commit: &str| commit.get(..12).unwrap_or(commit).to_owned();
            (
                format!("version `{version}` is live with another commit"),
                format!("live is commit `{}`, this is `{}`", short(live_commit), short(&deployment.commit)),
                "give the release a version of its own, or set `allow-same-version = true`",
            )
        } else {
            (
                format!("version `{version}` is older than `{live}`, which is live"),
                format!("live is `{live_name}`"),
                "release a newer version, or set `allow-downgrade = true`",
            )
        };
        if allowed {
            self.findings.push(finding(Severity::Warning, code, message));
        } else {
            self.findings.push(finding(Severity::Error, code, message.clone()));
            let failure = Failure::check_failed(code, message).because(cause);
            let failure = match place {
                Some(place) => failure.because(format!("{place} has the version")),
                None => failure,
            };
            self.failures.push(failure.with_hint(hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "1111111111111111111111111111111111111111";
    const THERE: &str = "2222222222222222222222222222222222222222";

    fn manifest(version: &str, scheme: Scheme) -> Manifest {
        Manifest {
            version: Version::parse(version, scheme).expect("valid"),
            place: Place { file: "Cargo.toml".into(), line: 3 },
            scheme,
        }
    }

    fn checked(written: Option<&str>, given: &str, live: Option<(&str, &str)>, allowed: Allowed) -> Release {
        let deployment = Deployment {
            version: given.into(),
            commit: HERE.into(),
            live: live.map(|(version, commit)| (version.into(), commit.into())),
        };
        check(written.map(|written| manifest(written, Scheme::Semver)).as_ref(), &deployment, allowed)
    }

    /// The codes of failures, then of findings below an error.
    fn codes(release: &Release) -> (Vec<&str>, Vec<&str>) {
        let weaker = release.findings.iter().filter(|finding| finding.severity != Severity::Error);
        (release.failures.iter().map(|f| f.code.as_str()).collect(), weaker.map(|f| f.code.as_str()).collect())
    }

    #[test]
    fn manifest_release_and_live_are_compared() {
        let short = &HERE[..7];
        for (written, given, live, id, failures, findings) in [
            (
                Some("1.3.0"),
                "1.3.0",
                Some(("1.2.0", THERE)),
                "version 1.3.0 follows 1.2.0",
                &[] as &[&str],
                &[] as &[&str],
            ),
            (Some("1.3.0"), "v1.3.0", Some(("v1.2.0", THERE)), "version 1.3.0 follows 1.2.0", &[], &[]),
            (Some("1.3.0"), "1.3.0", None, "version 1.3.0 is the first", &[], &[]),
            (Some("1.10.0"), "1.10.0", Some(("1.9.0", THERE)), "version 1.10.0 follows 1.9.0", &[], &[]),
            (Some("1.3.0"), "1.3.0", Some(("1.3.0-rc.1", THERE)), "version 1.3.0 follows 1.3.0-rc.1", &[], &[]),
            (
                Some("1.2.0"),
                "1.2.0",
                Some(("1.3.0", THERE)),
                "version 1.2.0 goes back from 1.3.0",
                &["version-downgrade"],
                &[],
            ),
            (
                Some("1.3.0-rc.1"),
                "1.3.0-rc.1",
                Some(("1.3.0", THERE)),
                "version 1.3.0-rc.1 goes back from 1.3.0",
                &["version-downgrade"],
                &[],
            ),
            (
                Some("1.3.0"),
                "1.3.0",
                Some(("1.3.0", THERE)),
                "version 1.3.0 has another commit than 1.3.0",
                &["version-reused"],
                &[],
            ),
            (Some("1.3.0"), "1.3.0", Some(("1.3.0", HERE)), "version 1.3.0 is live already with this commit", &[], &[]),
            (
                Some("1.3.0"),
                "1.3.0+b2",
                Some(("1.3.0+b1", THERE)),
                "version 1.3.0+b2 is another build of 1.3.0+b1",
                &[],
                &[],
            ),
            // The tag and the manifest disagree.
            (
                Some("1.2.0"),
                "v1.3.0",
                Some(("1.2.0", THERE)),
                "version 1.3.0 follows 1.2.0",
                &["version-mismatch"],
                &[],
            ),
            (Some("1.4.0"), "1.3.0", None, "version 1.3.0 is the first", &["version-mismatch"], &[]),
            (
                Some("1.2.0"),
                "1.1.0",
                Some(("1.2.0", THERE)),
                "version 1.1.0 goes back from 1.2.0",
                &["version-mismatch", "version-downgrade"],
                &[],
            ),
            (Some("1.3.0"), "v1.3.0-rc.1", None, "version 1.3.0-rc.1 is the first", &[], &["version-mismatch"]),
            (Some("1.3.0"), "1.3.0+build.5", None, "version 1.3.0+build.5 is the first", &[], &[]),
            // A placeholder in the manifest is no version.
            (Some("0.0.0"), "v1.3.0", None, "version 1.3.0 is the first", &[], &[]),
            (Some("0.0.0-development"), short, None, "", &[], &[]),
            // A short commit is no version: the manifest's counts.
            (Some("1.3.0"), short, None, "version 1.3.0 is the first", &[], &[]),
            (Some("1.3.0"), short, Some(("1.2.0", THERE)), "version 1.3.0 follows 1.2.0", &[], &[]),
            (
                Some("1.1.0"),
                short,
                Some(("1.2.0", THERE)),
                "version 1.1.0 goes back from 1.2.0",
                &["version-downgrade"],
                &[],
            ),
            (
                Some("1.3.0"),
                short,
                Some((&THERE[..7], THERE)),
                "version 1.3.0 is not compared",
                &[],
                &["version-not-compared"],
            ),
            (
                Some("1.3.0"),
                "1.3.0",
                Some(("nightly", THERE)),
                "version 1.3.0 is not compared",
                &[],
                &["version-not-compared"],
            ),
            // No manifest.
            (
                None,
                "v1.3.0",
                Some(("v1.4.0", THERE)),
                "version 1.3.0 goes back from 1.4.0",
                &["version-downgrade"],
                &[],
            ),
            (None, "2026.05.01", Some(("2026.04.30", THERE)), "version 2026.5.1 follows 2026.4.30", &[], &[]),
            (None, short, Some((&THERE[..7], THERE)), "", &[], &[]),
            (None, "build-of-monday", None, "", &[], &[]),
        ] {
            let release = checked(written, given, live, Allowed::default());
            assert_eq!(release.id, id, "{written:?} {given} {live:?}");
            assert_eq!(codes(&release), (failures.to_vec(), findings.to_vec()), "{written:?} {given} {live:?}");
        }
    }

    #[test]
    fn what_is_allowed_becomes_a_warning() {
        let downgrade = Allowed { downgrade: true, ..Allowed::default() };
        let same = Allowed { same_version: true, ..Allowed::default() };
        let mismatch = Allowed { mismatch: true, ..Allowed::default() };
        for (written, given, live, allowed, code) in [
            ("1.2.0", "1.2.0", Some(("1.3.0", THERE)), downgrade, "version-downgrade"),
            ("1.3.0", "1.3.0", Some(("1.3.0", THERE)), same, "version-reused"),
            ("1.2.0", "v1.3.0", None, mismatch, "version-mismatch"),
        ] {
            let release = checked(Some(written), given, live, allowed);
            assert_eq!(codes(&release), (vec![], vec![code]));
            assert_eq!(release.findings[0].severity, Severity::Warning);
            let others = Allowed {
                downgrade: !allowed.downgrade,
                same_version: !allowed.same_version,
                mismatch: !allowed.mismatch,
            };
            assert_eq!(codes(&checked(Some(written), given, live, others)).0, [code], "only its own key allows it");
        }
    }

    #[test]
    fn refusals_say_what_and_where() {
        let release = checked(Some("1.2.0"), "1.2.0", Some(("v1.3.0", THERE)), Allowed::default());
        assert_eq!(
            release.failures,
            [Failure::check_failed("version-downgrade", "version `1.2.0` is older than `1.3.0`, which is live")
                .because("live is `v1.3.0`")
                .because("Cargo.toml:3 has the version")
                .with_hint("release a newer version, or set `allow-downgrade = true`")]
        );
        let release = checked(Some("1.3.0"), "1.3.0", Some(("1.3.0", THERE)), Allowed::default());
        assert_eq!(release.failures[0].message, "version `1.3.0` is live with another commit");
        assert_eq!(release.failures[0].causes[0], "live is commit `222222222222`, this is `111111111111`");
        let release = checked(Some("1.2.0"), "v1.3.0", None, Allowed::default());
        assert_eq!(
            release.failures[0],
            Failure::check_failed("version-mismatch", "the release is called `v1.3.0`, but `Cargo.toml` says `1.2.0`")
                .because("Cargo.toml:3 has version `1.2.0`")
                .with_hint("set the version in `Cargo.toml` to the release's, or set `allow-mismatch = true`")
        );
    }

    #[test]
    fn python_s_order_is_python_s() {
        let of = |written, given: &str, live: &str| {
            let deployment =
                Deployment { version: given.into(), commit: HERE.into(), live: Some((live.into(), THERE.into())) };
            check(Some(&manifest(written, Scheme::Python)), &deployment, Allowed::default())
        };
        assert_eq!(of("1.3", "v1.3.0", "1.2.post1").id, "version 1.3.0 follows 1.2.post1");
        assert_eq!(codes(&of("1.3rc1", "1.3rc1", "1.3")).0, ["version-downgrade"]);
        // npm's spelling of a candidate is Python's too.
        assert_eq!(codes(&of("1.3rc1", "1.3-rc.1", "1.2")).0, [""; 0]);
    }
}

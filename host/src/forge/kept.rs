//! What a forge keeps for us besides deployments: who holds which lease, and the journals of runs, so that a machine can be lost.
//!
//! Both are kept by the place that they are of. What a lease and a journal are is not known here: they are texts. Of a lease each
//! change is made only to the state that was seen; journals are replaced by longer ones of themselves.

use super::{Forge, segment};
use crate::event::{Job, Place};
use crate::problem::{Code, Problem};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The longest name of an app, an environment or a component that is used as it is, in bytes: two of them are one part of a path,
/// and git allows 255.
const LONGEST: usize = 100;

/// A text that the forge keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The text.
    pub text: String,
    /// What names this state of it.
    pub version: String,
}

/// The journals that the forge keeps of a place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shelf {
    /// What names this state of them all; none where there was never any.
    pub version: Option<String>,
    /// What there is, by the names of the runs.
    pub journals: BTreeMap<String, Shelved>,
}

/// A journal that the forge keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelved {
    /// What names it there.
    pub id: String,
    /// What is known of its text; none where only reading it tells.
    pub imprint: Option<Imprint>,
}

/// What tells a text without the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imprint {
    /// How long it is, in bytes.
    pub length: u64,
    /// As git names a file.
    pub digest: String,
}

impl Imprint {
    /// That of a text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let mut hash = Sha1::new_with_prefix(format!("blob {}\0", text.len()));
        hash.update(text);
        Self { length: text.len() as u64, digest: hex::encode(hash.finalize()) }
    }

    /// Whether a text begins with the one that this is of.
    #[must_use]
    pub fn begins(&self, text: &[u8]) -> bool {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        text.get(..length).is_some_and(|text| Self::of(text) == *self)
    }
}

/// What is to become of a shelf.
#[derive(Debug, Clone, Default)]
pub struct Shelving<'a> {
    /// Journals with their whole texts, by the names of the runs.
    pub put: Vec<(&'a str, &'a str)>,
    /// The runs that are forgotten.
    pub forget: Vec<&'a str>,
}

impl Forge {
    /// Whether leases can be kept there, with this token.
    #[must_use]
    pub const fn keeps_leases(&self) -> bool {
        match self {
            Self::GitHub(_) => true,
            Self::GitLab(gitlab) => gitlab.keeps_leases(),
            Self::Local => false,
        }
    }

    /// Whether journals can be kept there.
    #[must_use]
    pub const fn keeps_journals(&self) -> bool {
        matches!(self, Self::GitHub(_) | Self::GitLab(_))
    }

    /// The time by the forge's clock, as far as it was heard of.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        match self {
            Self::GitHub(github) => github.client.now(),
            Self::GitLab(gitlab) => gitlab.client.now(),
            Self::Local => jiff::Timestamp::now(),
        }
    }

    /// Whether this token may write leases there. Asked so that nothing is written.
    ///
    /// # Errors
    /// [`Code::ForgeDenied`] where it may not; [`Code::ForgeRefused`] where nobody can tell.
    pub async fn may_lease(&self) -> Result<(), Problem> {
        match self {
            Self::GitHub(github) => github.may_keep().await,
            Self::GitLab(gitlab) => gitlab.may_lease().await,
            Self::Local => Err(nothing_kept(self)),
        }
    }

    /// Whether this token may keep things there, as far as that can be asked. Nothing is written.
    ///
    /// # Errors
    /// As [`Forge::lease`].
    pub async fn may_keep(&self) -> Result<(), Problem> {
        match self {
            Self::GitHub(github) => github.may_keep().await,
            Self::GitLab(gitlab) => gitlab.may_keep().await,
            Self::Local => Err(nothing_kept(self)),
        }
    }

    /// The lease of a place; none where there never was one.
    ///
    /// # Errors
    /// [`Code::ForgeDenied`], [`Code::ForgeRefused`].
    pub async fn lease(&self, place: &Place) -> Result<Option<Kept>, Problem> {
        match self {
            Self::GitHub(github) => github.lease(&name(place)).await,
            Self::GitLab(gitlab) => gitlab.lease(&name(place)).await,
            Self::Local => Err(nothing_kept(self)),
        }
    }

    /// Replace the lease of a place, where it is still as it was seen: none where there was none. Whether it was. The text and
    /// those of all other tries have to differ.
    ///
    /// # Errors
    /// As [`Forge::lease`].
    pub async fn replace_lease(&self, place: &Place, seen: Option<&str>, text: &str) -> Result<bool, Problem> {
        match self {
            Self::GitHub(github) => github.replace_lease(&name(place), seen, text).await,
            Self::GitLab(gitlab) => gitlab.replace_lease(&name(place), seen, text).await,
            Self::Local => Err(nothing_kept(self)),
        }
    }

    /// The places of which there is a lease.
    ///
    /// # Errors
    /// As [`Forge::lease`].
    pub async fn leased(&self) -> Result<Vec<Place>, Problem> {
        match self {
            Self::GitHub(github) => github.leased().await,
            Self::GitLab(gitlab) => gitlab.leased().await,
            Self::Local => Ok(vec![]),
        }
    }

    /// Whether a job is over, however it ended, of which there may be a deployment that it made by itself. None where this forge is
    /// not the one to ask, or may not be asked.
    ///
    /// # Errors
    /// As [`Forge::lease`].
    pub async fn is_over(&self, job: &Job, deployment: Option<&str>) -> Result<Option<bool>, Problem> {
        match self {
            Self::GitHub(github) if job.forge == "github" => github.is_over(job).await.map(Some),
            Self::GitLab(gitlab) if job.forge == "gitlab" => gitlab.is_over(job, deployment).await,
            _ => Ok(None),
        }
    }

    /// The journals that there are of a place.
    ///
    /// # Errors
    /// As [`Forge::lease`].
    pub async fn shelf(&self, place: &Place) -> Result<Shelf, Problem> {
        match self {
            Self::GitHub(github) => github.shelf(&name(place)).await,
            Self::GitLab(gitlab) => gitlab.shelf(&name(place)).await,
            Self::Local => Ok(Shelf::default()),
        }
    }

    /// The text of a journal.
    ///
    /// # Errors
    /// As [`Forge::lease`].
    pub async fn journal(&self, place: &Place, run: &str, shelved: &Shelved) -> Result<Vec<u8>, Problem> {
        match self {
            Self::GitHub(github) => github.journal(shelved).await,
            Self::GitLab(gitlab) => gitlab.journal(&name(place), run).await,
            Self::Local => Err(nothing_kept(self)),
        }
    }

    /// Change what there is of a place, where it is still as it was seen. How it stands then; none, and nothing is changed, where
    /// somebody else changed it meanwhile.
    ///
    /// # Errors
    /// As [`Forge::lease`].
    pub async fn shelve(&self, place: &Place, seen: &Shelf, change: &Shelving<'_>) -> Result<Option<Shelf>, Problem> {
        match self {
            Self::GitHub(github) => github.shelve(&name(place), seen, change).await,
            Self::GitLab(gitlab) => gitlab.shelve(&name(place), seen, change).await.map(Some),
            Self::Local => Err(nothing_kept(self)),
        }
    }

    /// The places of which there are journals.
    ///
    /// # Errors
    /// As [`Forge::lease`].
    pub async fn shelved(&self, app: &str) -> Result<Vec<Place>, Problem> {
        match self {
            Self::GitHub(github) => github.shelved(app).await,
            Self::GitLab(gitlab) => gitlab.shelved(app).await,
            Self::Local => Ok(vec![]),
        }
    }
}

fn nothing_kept(forge: &Forge) -> Problem {
    Problem::new(Code::ForgeDenied, format!("nothing is kept on the forge `{}`", forge.name()))
}

/// A name for each place, of which one is never the beginning of another's path: `APP/ENVIRONMENT` or
/// `APP/ENVIRONMENT@COMPONENT`. Letters, digits, `-` and `_` stand for themselves, every other byte as `=` and two digits.
fn name(place: &Place) -> String {
    let mut name = format!("{}/{}", encoded(&place.app), encoded(&place.environment));
    if let Some(component) = &place.component {
        name = format!("{name}@{}", encoded(component));
    }
    name
}

/// The place that a name is of; none where the name was cut.
pub(super) fn place_of(name: &str) -> Option<Place> {
    let (app, rest) = name.split_once('/')?;
    let (environment, component) = match rest.split_once('@') {
        Some((environment, component)) => (environment, Some(decoded(component)?)),
        None => (rest, None),
    };
    Some(Place { app: decoded(app)?, environment: decoded(environment)?, component })
}

/// One part of a name. What is too long is cut, and a checksum of the whole added.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "={byte:02X}");
        }
    }
    if out.len() > LONGEST {
        let checksum = hex::encode(&Sha256::digest(text.as_bytes())[..16]);
        out.truncate(LONGEST - checksum.len() - 2);
        let _ = write!(out, "=={checksum}");
    }
    out
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

/// A name as a part of a path: nothing of it is to be encoded, but for what nobody knows of.
pub(super) fn path_of(name: &str) -> String {
    name.split('/').map(|part| segment(part).replace("%3D", "=").replace("%40", "@")).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(environment: &str, component: Option<&str>) -> Place {
        Place { app: "my.shop".into(), environment: environment.into(), component: component.map(str::to_owned) }
    }

    #[test]
    fn each_place_has_a_name_that_git_takes_and_that_is_read_again() {
        for (place, expected) in [
            (place("staging", None), "my=2Eshop/staging"),
            (place("staging", Some("api")), "my=2Eshop/staging@api"),
            (place("review/a b#1.lock", None), "my=2Eshop/review=2Fa=20b=231=2Elock"),
            (place("prüfung", None), "my=2Eshop/pr=C3=BCfung"),
        ] {
            assert_eq!(name(&place), expected);
            assert_eq!(place_of(expected), Some(place));
            assert_eq!(path_of(expected), expected);
        }
    }

    #[test]
    fn a_text_is_told_as_git_tells_it() {
        let imprint = Imprint::of(b"hello\n");
        assert_eq!((imprint.length, imprint.digest.as_str()), (6, "ce013625030ba8dba906f756967f9e9ca394464a"));
        assert!(imprint.begins(b"hello\n") && imprint.begins(b"hello\nworld\n"));
        assert!(!imprint.begins(b"hello") && !imprint.begins(b"hallo\nworld\n"));
    }

    #[test]
    fn a_long_name_is_cut_and_stays_its_own() {
        let long = |end: &str| place(&format!("{}{end}", "ü".repeat(120)), None);
        let (one, other) = (name(&long("a")), name(&long("b")));
        assert!(one != other && one.len() < 2 * LONGEST, "{one}");
        assert_eq!(place_of(&one), None, "nobody takes it for another place");
    }
}

//! Journals in the project's package registry ("Generic packages repository", `doc/user/packages/generic_packages`; "Packages
//! API", `doc/api/packages.md`), which a job's own token may write.
//!
//! There is a package for each place, with a version for each run and one file in it. A file that is written again is kept beside
//! the older ones of its name, and the newest is the one that is read; they all go with their version once the run is forgotten.
//! How long a file is no list says: it is found out when it is read.

use super::GitLab;
use crate::event::Place;
use crate::forge::answer::Failure;
use crate::forge::client::Effort;
use crate::forge::kept::{Imprint, Shelf, Shelved, Shelving, encoded, place_of};
use crate::forge::pages::Pages;
use crate::problem::{Code, Problem};
use http::StatusCode;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

/// What the names of our packages begin with.
const PREFIX: &str = "windlass.";
/// What it takes.
pub(super) const HINT: &str =
    "turn on the project's package registry, and let whoever started the job be a developer of it";
/// The file of each version.
const FILE: &str = "journal.jsonl";

/// A package of one version.
#[derive(Debug, Deserialize)]
struct Package {
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: Option<String>,
}

impl GitLab {
    /// The journals of this name.
    pub(in crate::forge) async fn shelf(&self, name: &str) -> Result<Shelf, Problem> {
        let package = package(name);
        let found = self.packages(&mut self.client.effort(), &package).await;
        let found = found.map_err(|failure| self.unkept(&failure, "read the journals", HINT))?;
        let of = |found: Package| {
            let shelved = Shelved { id: found.id.to_string(), imprint: None };
            Some((found.version.filter(|_| found.name == package)?, shelved))
        };
        // There is nothing to tell two states of it by: each file is of one run, and only whoever has its lease writes it.
        Ok(Shelf { version: None, journals: found.into_iter().filter_map(of).collect() })
    }

    /// The packages whose names have this in them.
    async fn packages(&self, effort: &mut Effort<'_>, name: &str) -> Result<Vec<Package>, Failure> {
        let query = Serializer::new(String::new())
            .append_pair("package_type", "generic")
            .append_pair("package_name", name)
            .finish();
        Pages::all(self.route(&format!("/packages?{query}"))).collect(effort).await
    }

    /// A journal's text.
    pub(in crate::forge) async fn journal(&self, name: &str, run: &str) -> Result<Vec<u8>, Problem> {
        let text = self.client.effort().get_text(&self.file(name, run)).await;
        text.map(String::into_bytes).map_err(|failure| self.unkept(&failure, "read a journal", HINT))
    }

    /// Change the journals of this name.
    pub(in crate::forge) async fn shelve(
        &self,
        name: &str,
        seen: &Shelf,
        change: &Shelving<'_>,
    ) -> Result<Shelf, Problem> {
        let mut effort = self.client.effort();
        let mut shelf = seen.clone();
        for (run, text) in &change.put {
            let sent = effort.put_text(&self.file(name, run), text).await;
            sent.map_err(|failure| self.unkept(&failure, "keep a journal", HINT))?;
            let id = shelf.journals.get(*run).map(|shelved| shelved.id.clone()).unwrap_or_default();
            shelf.journals.insert((*run).to_owned(), Shelved { id, imprint: Some(Imprint::of(text.as_bytes())) });
        }
        for run in &change.forget {
            let Some(shelved) = shelf.journals.remove(*run).filter(|shelved| !shelved.id.is_empty()) else { continue };
            // What this token may not delete, or not now, does no harm.
            if effort.delete(&self.route(&format!("/packages/{}", shelved.id))).await.is_err() {
                break;
            }
        }
        Ok(shelf)
    }

    /// The places of this app with journals.
    pub(in crate::forge) async fn shelved(&self, app: &str) -> Result<Vec<Place>, Problem> {
        let prefix = format!("{}.", package(&encoded(app)));
        let found = self.packages(&mut self.client.effort(), &prefix).await;
        let found = found.map_err(|failure| self.unkept(&failure, "list what is kept", HINT))?;
        let place = |package: Package| place_of(&name(&package.name)?);
        let mut places: Vec<Place> = found.into_iter().filter_map(place).filter(|place| place.app == app).collect();
        places.sort();
        places.dedup();
        Ok(places)
    }

    /// Whether the token may read what is kept; whether it may write only writing tells.
    pub(in crate::forge) async fn may_keep(&self) -> Result<(), Problem> {
        let read = self.packages(&mut self.client.effort(), PREFIX).await;
        read.map(drop).map_err(|failure| self.unkept(&failure, "keep journals", HINT))
    }

    fn file(&self, name: &str, run: &str) -> String {
        self.route(&format!("/packages/generic/{}/{run}/{FILE}", package(name)))
    }

    /// That something could not be kept or read; `hint` says what helps where the token may not.
    pub(super) fn unkept(&self, failure: &Failure, what: &str, hint: &str) -> Problem {
        // A token that is good no more (401) may have been one that might.
        let is_denied = matches!(failure.status(), Some(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND));
        let code = if is_denied { Code::ForgeDenied } else { Code::ForgeRefused };
        let problem = failure.problem(code, &format!("{what} of project {}", self.project.id));
        if is_denied { problem.with_hint(hint) } else { problem }
    }
}

/// A place's name as a package's, in which GitLab takes letters, digits, `.`, `-` and `_`: its parts have dots between, and `_` and
/// two digits stand for every other byte.
fn package(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('_', "=5F").replace(['/', '@'], ".").replace('=', "_"))
}

/// The place's name that a package is of; none where it is not one of ours.
fn name(package: &str) -> Option<String> {
    let mut parts = package.strip_prefix(PREFIX)?.split('.').map(|part| part.replace('_', "="));
    let (app, environment) = (parts.next()?, parts.next()?);
    let component = parts.next().map(|component| format!("@{component}")).unwrap_or_default();
    Some(format!("{app}/{environment}{component}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packages_name_is_one_that_gitlab_takes_and_that_is_read_again() {
        for (place, expected) in [
            ("shop/staging", "windlass.shop.staging"),
            ("my=2Eshop/review=2Fa=20b@api", "windlass.my_2Eshop.review_2Fa_20b.api"),
            ("a_b/c", "windlass.a_5Fb.c"),
        ] {
            assert_eq!(package(place), expected);
            let read = name(expected).expect("ours");
            assert_eq!(place_of(&read), place_of(place));
            assert!(expected.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
        }
        assert_eq!(name("somebody.elses"), None);
    }
}

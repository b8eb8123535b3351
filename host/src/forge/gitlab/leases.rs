//! Leases on a branch of the project's repository, [`BRANCH`] ("Commits API", `doc/api/commits.md`): for a token that somebody gave the
//! job, because a job's own may not write there.
//!
//! GitLab has no request that changes something only where it is as it was seen, but one that makes a file only where there is
//! none, in the commit in which another is deleted only where it is there. So each state of a lease is a file of its own, with a
//! number for a name: a change makes the next one and deletes the one that was seen, and of two who saw the same, one is refused.
//!
//! The commits say `[skip ci]`, so no pipeline begins with them.

use super::GitLab;
use crate::event::Place;
use crate::forge::answer::Failure;
use crate::forge::client::{Effort, unless_absent};
use crate::forge::kept::{Kept, place_of};
use crate::forge::pages::Pages;
use crate::forge::segment;
use crate::problem::{Code, Problem};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

/// The branch.
const BRANCH: &str = "windlass-leases";
/// The directory there; beside it is what the branch was begun with.
const DIRECTORY: &str = "leases";
/// How often a change is sent that GitLab refuses for no reason that can be seen: the branch may begin at this moment.
const TRIES: u32 = 4;
/// How often a lease is read that is changed meanwhile.
const READS: u32 = 5;
/// What it takes.
const HINT: &str =
    "give `GITLAB_TOKEN` the scope `api` and the role of a developer, and let it push to `windlass-leases`";

/// A file in the repository.
#[derive(Debug, Deserialize)]
struct Entry {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

impl GitLab {
    /// Whether the token is one that may write to the repository, as far as that is known.
    pub(in crate::forge) const fn keeps_leases(&self) -> bool {
        self.is_given
    }

    /// The lease of this name.
    pub(in crate::forge) async fn lease(&self, name: &str) -> Result<Option<Kept>, Problem> {
        let mut effort = self.client.effort();
        let read = async {
            for _ in 0..READS {
                let Some(number) = self.newest(&mut effort, name).await? else { return Ok(Some(None)) };
                // Where it is not there, somebody has just gone on from it.
                if let Some(text) = self.state(&mut effort, name, number).await? {
                    return Ok(Some(Some(Kept { text, version: number.to_string() })));
                }
            }
            Ok(None)
        };
        let found = read.await.map_err(|failure: Failure| self.unkept(&failure, "read a lease", HINT))?;
        found.ok_or_else(|| {
            Problem::new(Code::ForgeRefused, format!("a lease of project {} cannot be read", self.project.id))
                .because("it was changed each time that it was looked at")
        })
    }

    /// Replace the lease of this name.
    pub(in crate::forge) async fn replace_lease(
        &self,
        name: &str,
        seen: Option<&str>,
        text: &str,
    ) -> Result<bool, Problem> {
        let number = seen.and_then(|seen| seen.parse().ok()).unwrap_or(0);
        let replaced = self.replace(&mut self.client.effort(), name, number, text).await;
        replaced.map_err(|failure| self.unkept(&failure, "keep a lease", HINT))
    }

    async fn replace(&self, effort: &mut Effort<'_>, name: &str, seen: u64, text: &str) -> Result<bool, Failure> {
        let next = seen + 1;
        let mut actions = vec![json!({ "action": "create", "file_path": file(name, next), "content": text })];
        if seen > 0 {
            actions.push(json!({ "action": "delete", "file_path": file(name, seen) }));
        }
        let mut body = json!({
            "branch": BRANCH, "commit_message": format!("Lease of {name} [skip ci]"), "actions": actions,
        });
        for number in 1.. {
            let sent = effort.post::<Value>(&self.route("/repository/commits"), &body).await;
            let refused = match sent {
                Ok(Some(_)) => return Ok(true),
                Ok(None) => None,
                Err(failure) if failure.status() == Some(StatusCode::BAD_REQUEST) => Some(failure),
                Err(failure) => return Err(failure),
            };
            // Not heard of, or refused because somebody was first; who may have been ourselves, not heard of before.
            let there = self.newest(effort, name).await?.unwrap_or(0);
            effort.settle();
            if there == next {
                let found = self.state(effort, name, next).await?;
                return Ok(found.is_some_and(|found| found.trim_end() == text.trim_end()));
            }
            if there != seen {
                return Ok(false);
            }
            let Some(refused) = refused else { continue };
            // Perhaps there is no branch yet, or it has just been begun.
            match (&self.commit, body.get("start_sha").is_some()) {
                _ if seen > 0 || number == TRIES => return Err(refused),
                (Some(commit), false) => body["start_sha"] = commit.as_str().into(),
                (None, false) => return Err(refused),
                (_, true) => drop(body.as_object_mut().and_then(|body| body.remove("start_sha"))),
            }
        }
        Ok(false)
    }

    /// Whether the token may write to the branch. Asked so that nothing is written: what is to be deleted is not there, which is said
    /// only to whoever may delete it.
    pub(in crate::forge) async fn may_lease(&self) -> Result<(), Problem> {
        let body = json!({
            "branch": BRANCH, "commit_message": "Nothing [skip ci]",
            "actions": [{ "action": "delete", "file_path": format!("{DIRECTORY}/nothing") }],
        });
        let mut effort = self.client.effort();
        loop {
            match effort.post::<Value>(&self.route("/repository/commits"), &body).await {
                Ok(None) => effort.settle(),
                Ok(Some(_)) => return Ok(()),
                Err(failure) if failure.status() == Some(StatusCode::BAD_REQUEST) => return Ok(()),
                Err(failure) => return Err(self.unkept(&failure, "keep leases", HINT)),
            }
        }
    }

    /// The places with a lease.
    pub(in crate::forge) async fn leased(&self) -> Result<Vec<Place>, Problem> {
        let listed = self.files(&mut self.client.effort(), DIRECTORY).await;
        let listed = listed.map_err(|failure| self.unkept(&failure, "list the leases", HINT))?;
        let mut places: Vec<Place> = listed.iter().filter_map(|path| place_of(state_of(path)?.0)).collect();
        places.sort();
        places.dedup();
        Ok(places)
    }

    /// The number of the newest state of a lease.
    async fn newest(&self, effort: &mut Effort<'_>, name: &str) -> Result<Option<u64>, Failure> {
        let listed = self.files(effort, &format!("{DIRECTORY}/{name}")).await?;
        Ok(listed.iter().filter_map(|path| state_of(path)).map(|(_, number)| number).max())
    }

    /// The files of a directory and those below it; none where there is no such directory, or no branch.
    async fn files(&self, effort: &mut Effort<'_>, directory: &str) -> Result<Vec<String>, Failure> {
        let query = Serializer::new(String::new())
            .append_pair("path", directory)
            .append_pair("ref", BRANCH)
            .append_pair("recursive", "true")
            .finish();
        let listed = Pages::all(self.route(&format!("/repository/tree?{query}"))).collect::<Entry>(effort).await;
        let listed = unless_absent(listed)?.unwrap_or_default();
        Ok(listed.into_iter().filter(|entry| entry.kind == "blob").map(|entry| entry.path).collect())
    }

    /// The text of a state; none where it is no longer there.
    async fn state(&self, effort: &mut Effort<'_>, name: &str, number: u64) -> Result<Option<String>, Failure> {
        let route = format!("/repository/files/{}/raw?ref={BRANCH}", segment(&file(name, number)));
        unless_absent(effort.get_text(&self.route(&route)).await)
    }
}

fn file(name: &str, number: u64) -> String {
    format!("{DIRECTORY}/{name}/{number}.json")
}

/// The lease's name, and the state's number, that a file is of.
fn state_of(path: &str) -> Option<(&str, u64)> {
    let (name, number) = path.strip_prefix(DIRECTORY)?.strip_prefix('/')?.rsplit_once('/')?;
    Some((name, number.strip_suffix(".json")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_a_file_of_its_own() {
        assert_eq!(file("shop/staging@api", 7), "leases/shop/staging@api/7.json");
        assert_eq!(state_of("leases/shop/staging@api/7.json"), Some(("shop/staging@api", 7)));
        for other in ["leases/shop/staging/README", "src/leases/7.json", "leases/7.json"] {
            assert_eq!(state_of(other), None, "{other}");
        }
    }
}

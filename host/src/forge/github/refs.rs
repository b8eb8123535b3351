//! What we keep in the repository, without a branch: commits behind references of our own, `refs/windlass/…`.
//!
//! A lease is the message of the newest commit of its reference. A change of it is a commit whose parent is the one that was
//! seen, and the reference is moved only forward: GitHub refuses the second of two who saw the same. That the first one is made
//! is refused where there is one. The journals of a place are the files of the newest commit's tree.
//!
//! Nothing that is checked out, built or shown as a branch is touched, and no workflow starts.

use super::GitHub;
use crate::event::Place;
use crate::forge::answer::Failure;
use crate::forge::client::{Effort, unless_absent};
use crate::forge::kept::{Imprint, Kept, Shelf, Shelved, Shelving, encoded, path_of, place_of};
use crate::problem::{Code, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where the leases are.
const LEASES: &str = "windlass/leases";
/// Where the journals are.
const JOURNALS: &str = "windlass/journals";
/// What a journal's file is called behind the run's name.
const ENDING: &str = ".jsonl";
/// What it takes to write.
const WRITE: &str = "contents: write";

/// A reference.
#[derive(Debug, Deserialize)]
struct Reference {
    #[serde(rename = "ref")]
    name: String,
    object: Object,
}

/// What has an id.
#[derive(Debug, Clone, Deserialize)]
struct Object {
    sha: String,
}

/// A commit, as far as we read it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Commit {
    sha: String,
    message: String,
    tree: Object,
    #[serde(default)]
    parents: Vec<Object>,
}

/// A tree.
#[derive(Debug, Deserialize)]
struct Tree {
    sha: String,
    #[serde(default)]
    tree: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    path: String,
    sha: String,
    #[serde(default)]
    size: u64,
}

#[derive(Debug, Deserialize)]
struct Blob {
    content: String,
}

impl GitHub {
    /// The lease of this name.
    pub(in crate::forge) async fn lease(&self, name: &str) -> Result<Option<Kept>, Problem> {
        let mut effort = self.client.effort();
        let reference = format!("{LEASES}/{name}");
        let read = async {
            match self.reference(&mut effort, &reference).await? {
                Some(sha) => self.commit(&mut effort, &sha).await.map(Some),
                None => Ok(None),
            }
        };
        let commit = read.await.map_err(|failure| self.unread(&failure, "read a lease"))?;
        Ok(commit.map(|commit| Kept { text: commit.message, version: commit.sha }))
    }

    /// Replace the lease of this name.
    pub(in crate::forge) async fn replace_lease(
        &self,
        name: &str,
        seen: Option<&str>,
        text: &str,
    ) -> Result<bool, Problem> {
        let mut effort = self.client.effort();
        let reference = format!("{LEASES}/{name}");
        let base = match seen {
            Some(sha) => {
                Some(self.commit(&mut effort, sha).await.map_err(|failure| self.unread(&failure, "read a lease"))?)
            }
            None => None,
        };
        let write = async {
            let tree = match base {
                Some(commit) => commit.tree.sha,
                None => self.add_tree(&mut effort, None, &[explanation(LEASES_TEXT)]).await?.sha,
            };
            let commit = self.add_commit(&mut effort, text, &tree, seen).await?;
            let sha = commit.sha.clone();
            self.remember(commit);
            self.advance(&mut effort, &reference, seen, &sha).await
        };
        write.await.map_err(|failure| self.unwritten(&failure, "keep a lease"))
    }

    /// The places with a lease.
    pub(in crate::forge) async fn leased(&self) -> Result<Vec<Place>, Problem> {
        self.places(&format!("{LEASES}/")).await
    }

    /// The places of this app with journals.
    pub(in crate::forge) async fn shelved(&self, app: &str) -> Result<Vec<Place>, Problem> {
        self.places(&format!("{JOURNALS}/{}/", encoded(app))).await
    }

    async fn places(&self, prefix: &str) -> Result<Vec<Place>, Problem> {
        let route = self.git(&format!("matching-refs/{}", path_of(prefix)));
        let found: Result<Vec<Reference>, Failure> = self.client.effort().get(&route).await;
        let found = found.map_err(|failure| self.unread(&failure, "list what is kept"))?;
        let of = |reference: &Reference| {
            let rest = reference.name.strip_prefix("refs/")?;
            let name = rest.strip_prefix(LEASES).or_else(|| rest.strip_prefix(JOURNALS))?;
            place_of(name.strip_prefix('/')?)
        };
        let mut places: Vec<Place> = found.iter().filter_map(of).collect();
        places.sort();
        Ok(places)
    }

    /// The journals of this name.
    pub(in crate::forge) async fn shelf(&self, name: &str) -> Result<Shelf, Problem> {
        let mut effort = self.client.effort();
        self.shelf_of(&mut effort, name).await.map_err(|failure| self.unread(&failure, "read the journals"))
    }

    async fn shelf_of(&self, effort: &mut Effort<'_>, name: &str) -> Result<Shelf, Failure> {
        let Some(sha) = self.reference(effort, &format!("{JOURNALS}/{name}")).await? else {
            return Ok(Shelf::default());
        };
        let commit = self.commit(effort, &sha).await?;
        let tree: Tree = effort.get(&self.git(&format!("trees/{}", commit.tree.sha))).await?;
        Ok(shelf(sha, &tree))
    }

    /// A journal's text.
    pub(in crate::forge) async fn journal(&self, shelved: &Shelved) -> Result<Vec<u8>, Problem> {
        let blob: Result<Blob, Failure> = self.client.effort().get(&self.git(&format!("blobs/{}", shelved.id))).await;
        let blob = blob.map_err(|failure| self.unread(&failure, "read a journal"))?;
        let packed: String = blob.content.split_whitespace().collect();
        STANDARD.decode(packed).map_err(|error| {
            Problem::new(Code::ForgeRefused, "GitHub's answer with a journal cannot be read").because(error)
        })
    }

    /// Change the journals of this name.
    pub(in crate::forge) async fn shelve(
        &self,
        name: &str,
        seen: &Shelf,
        change: &Shelving<'_>,
    ) -> Result<Option<Shelf>, Problem> {
        let mut effort = self.client.effort();
        let seen_at = seen.version.as_deref();
        let mut entries: Vec<Value> = change
            .put
            .iter()
            .map(|(run, text)| json!({ "path": file(run), "mode": "100644", "type": "blob", "content": text }))
            .collect();
        let there = change.forget.iter().filter(|run| seen.journals.contains_key(**run));
        entries.extend(
            there.map(|run| json!({ "path": file(run), "mode": "100644", "type": "blob", "sha": Value::Null })),
        );
        let text = format!("Journals of {}", name.replace('=', "%"));
        let write = async {
            let base = match seen_at {
                Some(sha) => Some(self.commit(&mut effort, sha).await?.tree.sha),
                None => {
                    entries.push(explanation(JOURNALS_TEXT));
                    None
                }
            };
            let tree = self.add_tree(&mut effort, base.as_deref(), &entries).await?;
            let commit = self.add_commit(&mut effort, &text, &tree.sha, seen_at).await?;
            let sha = commit.sha.clone();
            self.remember(commit);
            let done = self.advance(&mut effort, &format!("{JOURNALS}/{name}"), seen_at, &sha).await?;
            Ok(done.then(|| shelf(sha, &tree)))
        };
        write.await.map_err(|failure: Failure| self.unwritten(&failure, "keep a journal"))
    }

    /// Whether the token may write here. Asked so that nothing is written: what is to be moved is not there, which is said only to
    /// whoever may move it.
    pub(in crate::forge) async fn may_keep(&self) -> Result<(), Problem> {
        let mut effort = self.client.effort();
        let body = json!({ "sha": "0".repeat(40), "force": false });
        loop {
            match effort.patch::<Value>(&self.git("refs/windlass/nothing"), &body).await {
                Ok(None) => effort.settle(),
                Ok(Some(_)) => return Ok(()),
                Err(failure) if failure.status() == Some(StatusCode::UNPROCESSABLE_ENTITY) => return Ok(()),
                Err(failure) => return Err(self.unwritten(&failure, "keep leases and journals")),
            }
        }
    }

    /// Where a reference leads to; none where there is none.
    async fn reference(&self, effort: &mut Effort<'_>, name: &str) -> Result<Option<String>, Failure> {
        let found = effort.get::<Reference>(&self.git(&format!("ref/{}", path_of(name)))).await;
        Ok(unless_absent(found)?.map(|reference| reference.object.sha))
    }

    /// A commit. One that was read or made already never changes.
    async fn commit(&self, effort: &mut Effort<'_>, sha: &str) -> Result<Commit, Failure> {
        if let Some(known) = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(sha) {
            return Ok(known.clone());
        }
        let commit: Commit = effort.get(&self.git(&format!("commits/{sha}"))).await?;
        self.remember(commit.clone());
        Ok(commit)
    }

    fn remember(&self, commit: Commit) {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(commit.sha.clone(), commit);
    }

    /// Makes a tree. Made twice it is the same.
    async fn add_tree(&self, effort: &mut Effort<'_>, base: Option<&str>, entries: &[Value]) -> Result<Tree, Failure> {
        let mut body = json!({ "tree": entries });
        if let Some(base) = base {
            body["base_tree"] = base.into();
        }
        effort.post_again(&self.git("trees"), &body).await
    }

    /// Makes a commit. One whose making was not answered leads nowhere and does no harm.
    async fn add_commit(
        &self,
        effort: &mut Effort<'_>,
        message: &str,
        tree: &str,
        parent: Option<&str>,
    ) -> Result<Commit, Failure> {
        let parents: Vec<&str> = parent.into_iter().collect();
        let body = json!({ "message": message, "tree": tree, "parents": parents });
        let commit: Commit = effort.post_again(&self.git("commits"), &body).await?;
        // Read as it was meant, whatever is made of blanks at its end.
        Ok(Commit { message: message.to_owned(), ..commit })
    }

    /// Lets a reference lead to `sha`, where it still leads to `seen`. Whether it does or did.
    async fn advance(
        &self,
        effort: &mut Effort<'_>,
        name: &str,
        seen: Option<&str>,
        sha: &str,
    ) -> Result<bool, Failure> {
        loop {
            let sent = match seen {
                None => {
                    let body = json!({ "ref": format!("refs/{name}"), "sha": sha });
                    effort.post::<Reference>(&self.git("refs"), &body).await
                }
                Some(_) => {
                    let body = json!({ "sha": sha, "force": false });
                    effort.patch(&self.git(&format!("refs/{}", path_of(name))), &body).await
                }
            };
            let refused = match sent {
                Ok(Some(_)) => return Ok(true),
                Ok(None) => None,
                Err(failure)
                    if matches!(failure.status(), Some(StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT)) =>
                {
                    Some(failure)
                }
                Err(failure) => return Err(failure),
            };
            // Not heard of, or refused because somebody was first; who may have been ourselves, not heard of before.
            let there = self.reference(effort, name).await?;
            effort.settle();
            match (there, refused) {
                (Some(there), _) if there == sha => return Ok(true),
                (there, None) if there.as_deref() == seen => {}
                (there, Some(failure)) if there.as_deref() == seen => return Err(failure),
                // Somebody went on from ours, so it was there.
                (Some(there), _) => {
                    let next = self.commit(effort, &there).await?;
                    return Ok(next.parents.iter().any(|parent| parent.sha == sha));
                }
                (None, _) => return Ok(false),
            }
        }
    }

    fn git(&self, rest: &str) -> String {
        format!("/repos/{}/git/{rest}", self.repository)
    }

    fn unread(&self, failure: &Failure, what: &str) -> Problem {
        // What is not there may be there a moment later: what was written last is not seen everywhere at once.
        let code = if failure.status() == Some(StatusCode::NOT_FOUND) { Code::ForgeRefused } else { denied(failure) };
        failure.problem_for(code, &format!("{what} in `{}`", self.repository), "contents: read")
    }

    fn unwritten(&self, failure: &Failure, what: &str) -> Problem {
        failure.problem_for(denied(failure), &format!("{what} in `{}`", self.repository), WRITE)
    }
}

/// Whether the token may not, or something else is in the way.
pub(super) fn denied(failure: &Failure) -> Code {
    match failure.status() {
        Some(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) if failure.wait.is_none() => Code::ForgeDenied,
        _ => Code::ForgeRefused,
    }
}

fn file(run: &str) -> String {
    format!("{run}{ENDING}")
}

fn shelf(version: String, tree: &Tree) -> Shelf {
    let of = |entry: &Entry| {
        let run = entry.path.strip_suffix(ENDING)?;
        let imprint = Imprint { length: entry.size, digest: entry.sha.clone() };
        Some((run.to_owned(), Shelved { id: entry.sha.clone(), imprint: Some(imprint) }))
    };
    Shelf { version: Some(version), journals: tree.tree.iter().filter_map(of).collect::<BTreeMap<_, _>>() }
}

/// For people who find it: git knows no empty tree.
const LEASES_TEXT: &str = "Who may deploy, as Windlass keeps it: the message of the newest commit. Do not change it by hand; \
    `windlass lease` shows and releases leases.\n";
const JOURNALS_TEXT: &str = "What the newest runs of Windlass did here, one file for each. Do not change them by hand; \
    `windlass history` and `windlass status` read them.\n";

fn explanation(text: &str) -> Value {
    json!({ "path": "README", "mode": "100644", "type": "blob", "content": text })
}

//! The comment on a pull request ("REST API endpoints for issue comments": to GitHub a pull request is an issue as well).

use super::GitHub;
use crate::forge::answer::Failure;
use crate::forge::client::{Effort, exactly_once};
use crate::forge::comments::COMMENTING;
use crate::forge::pages::{PAGE, Pages, some};
use crate::forge::segment;
use crate::problem::{Code, Problem};
use serde::Deserialize;
use serde_json::{Value, json};

/// A comment, as far as we read it.
#[derive(Debug, Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Debug, Deserialize)]
struct User {
    login: String,
    #[serde(rename = "type", default)]
    kind: String,
}

/// A pull request of a commit, as far as we read it.
#[derive(Debug, Deserialize)]
struct Pull {
    number: u64,
    #[serde(default)]
    state: String,
    #[serde(default)]
    merge_commit_sha: Option<String>,
}

impl GitHub {
    /// Writes the comment that begins with this marker, or changes it.
    pub(in crate::forge) async fn comment(&self, commit: &str, marker: &str, text: &str) -> Result<(), Problem> {
        let mut effort = self.client.effort_of(COMMENTING);
        let written = self.write(&mut effort, commit, marker, text).await;
        written.map_err(|failure| {
            failure
                .problem_for(Code::ForgeUnreported, "write the comment on the pull request", "pull-requests: write")
                .with_note("nothing else depends on it")
        })
    }

    async fn write(&self, effort: &mut Effort<'_>, commit: &str, marker: &str, text: &str) -> Result<(), Failure> {
        let request = match self.request {
            Some(request) => Some(request),
            None => self.request_of(effort, commit).await?,
        };
        let Some(request) = request else { return Ok(()) };
        let body = json!({ "body": text });
        let all = format!("/repos/{}/issues/{request}/comments", self.repository);
        // Nobody but a person can be asked who they are; what a job writes a bot has written.
        let me = self.owner_of_token(effort).await;
        let sent: Value = exactly_once!(
            effort,
            // Whether it is there is looked for before it is sent for the first time, too.
            match self.written(effort, &all, marker, me.as_deref()).await? {
                Some(id) => effort.patch(&format!("/repos/{}/issues/comments/{id}", self.repository), &body).await?,
                None => effort.post(&all, &body).await?,
            },
            None
        );
        drop(sent);
        Ok(())
    }

    /// The pull request that a commit came with, or is in now.
    async fn request_of(&self, effort: &mut Effort<'_>, commit: &str) -> Result<Option<u64>, Failure> {
        let route = format!("/repos/{}/commits/{}/pulls", self.repository, segment(commit));
        let pulls: Vec<Pull> = some(effort, &route, PAGE).await?;
        let merged = pulls.iter().find(|pull| pull.merge_commit_sha.as_deref() == Some(commit));
        let open = || pulls.iter().find(|pull| pull.state == "open");
        Ok(merged.or_else(open).or(pulls.first()).map(|pull| pull.number))
    }

    /// The comment that we have written: others can write the marker, too.
    async fn written(
        &self,
        effort: &mut Effort<'_>,
        all: &str,
        marker: &str,
        me: Option<&str>,
    ) -> Result<Option<u64>, Failure> {
        // It is among the oldest, and the list begins with those.
        let mut pages = Pages::first(all);
        while let Some(listed) = pages.next::<Comment>(effort).await? {
            let is_ours = |comment: &&Comment| {
                let user = comment.user.as_ref();
                comment.body.as_deref().is_some_and(|body| body.starts_with(marker))
                    && user.is_some_and(|user| me.map_or(user.kind == "Bot", |me| user.login == me))
            };
            if let Some(found) = listed.iter().find(is_ours) {
                return Ok(Some(found.id));
            }
        }
        Ok(None)
    }
}

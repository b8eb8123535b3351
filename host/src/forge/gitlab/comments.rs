//! The comment on a merge request ("Notes API"). A job's own token may not write one.

use super::GitLab;
use crate::forge::answer::Failure;
use crate::forge::client::{Effort, exactly_once};
use crate::forge::comments::COMMENTING;
use crate::forge::pages::Pages;
use crate::problem::{Code, Problem};
use serde::Deserialize;
use serde_json::{Value, json};

/// A note, as far as we read it.
#[derive(Debug, Deserialize)]
struct Note {
    id: u64,
    #[serde(default)]
    body: String,
    author: Author,
}

#[derive(Debug, Deserialize)]
struct Author {
    username: String,
}

impl GitLab {
    /// Writes the comment that begins with this marker, or changes it.
    pub(in crate::forge) async fn comment(&self, marker: &str, text: &str) -> Result<(), Problem> {
        let Some(request) = self.project.request else { return Ok(()) };
        let action = format!("write the comment on merge request !{request}");
        if !self.is_given {
            return Err(Problem::new(Code::ForgeUnreported, format!("GitLab lets no job {action}"))
                .because("the only token is `CI_JOB_TOKEN`, which may not write there")
                .with_note("nothing else depends on it")
                .with_hint("set `GITLAB_TOKEN` to a token with the scope `api`, or leave `comment` out"));
        }
        let written = self.write(&mut self.client.effort_of(COMMENTING), request, marker, text).await;
        written.map_err(|failure| {
            let hint = "see that whoever `GITLAB_TOKEN` belongs to may comment on the project's merge requests";
            failure.problem_hinted(Code::ForgeUnreported, &action, hint).with_note("nothing else depends on it")
        })
    }

    async fn write(&self, effort: &mut Effort<'_>, request: u64, marker: &str, text: &str) -> Result<(), Failure> {
        let body = json!({ "body": text });
        let all = self.route(&format!("/merge_requests/{request}/notes"));
        let me = self.owner_of_token(effort).await;
        let sent: Value = exactly_once!(
            effort,
            // Whether it is there is looked for before it is sent for the first time, too.
            match self.written(effort, &all, marker, me.as_deref()).await? {
                Some(id) => Some(effort.put(&format!("{all}/{id}"), &body).await?),
                None => effort.post(&all, &body).await?,
            },
            None
        );
        drop(sent);
        Ok(())
    }

    /// The comment that we have written: others can write the marker, too. Where GitLab does not say who we are, none is.
    async fn written(
        &self,
        effort: &mut Effort<'_>,
        all: &str,
        marker: &str,
        me: Option<&str>,
    ) -> Result<Option<u64>, Failure> {
        // It is among the oldest.
        let mut pages = Pages::first(format!("{all}?order_by=created_at&sort=asc"));
        while let Some(listed) = pages.next::<Note>(effort).await? {
            let is_ours = |note: &&Note| note.body.starts_with(marker) && Some(note.author.username.as_str()) == me;
            if let Some(found) = listed.iter().find(is_ours) {
                return Ok(Some(found.id));
            }
        }
        Ok(None)
    }
}

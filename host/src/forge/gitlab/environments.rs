//! Environments on GitLab ("Environments API", `doc/api/environments.md`). To stop one starts the job that its `on_stop` names;
//! only one that is stopped can be deleted.

use super::{Deployment, Effort, Failure, GitLab};
use crate::forge::client::exactly_once;
use crate::forge::deployments::Whose;
use crate::forge::environments::{Known, Release};
use crate::forge::pages::Pages;
use crate::forge::{Announcement, Created, segment};
use crate::problem::{Code, Problem};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

/// An environment, as far as we read it.
#[derive(Debug, Deserialize)]
struct Environment {
    id: u64,
    #[serde(default)]
    name: String,
    /// `available`, `stopping` or `stopped`.
    #[serde(default)]
    state: String,
    #[serde(default)]
    external_url: Option<String>,
    /// Only where one is asked for, not where all are listed.
    #[serde(default)]
    last_deployment: Option<Deployment>,
}

/// A deployment, as far as it is about where it is to.
#[derive(Debug, Deserialize)]
struct Made {
    #[serde(default)]
    environment: Option<Environment>,
}

impl GitLab {
    /// As [`crate::forge::Forge::environments`].
    pub(in crate::forge) async fn environments(&self) -> Result<Vec<Known>, Problem> {
        let listed = Pages::all(self.route("/environments")).collect(&mut self.client.effort()).await;
        let listed: Vec<Environment> = listed.map_err(|failure| {
            failure
                .problem(Code::ForgeRefused, &format!("list the environments of project {}", self.project.id))
                .with_note("nothing was changed")
        })?;
        let known = |it: Environment| Known {
            is_stopped: it.state != "available",
            url: it.external_url,
            id: Some(it.id),
            name: it.name,
        };
        Ok(listed.into_iter().map(known).collect())
    }

    /// As [`crate::forge::Forge::live`]. Which component it is of, GitLab does not know.
    pub(in crate::forge) async fn live(&self, environment: &Known) -> Result<Vec<Release>, Problem> {
        let Some(id) = environment.id.filter(|_| !environment.is_stopped) else { return Ok(Vec::new()) };
        let read = self.client.effort().get::<Environment>(&self.route(&format!("/environments/{id}"))).await;
        let found = read.map_err(|failure| {
            failure
                .problem(Code::ForgeRefused, &format!("read the environment `{}`", environment.name))
                .with_note("nothing was changed")
        })?;
        let live = found.last_deployment.filter(|deployment| deployment.status == "success");
        let release = |deployment: Deployment| Release {
            id: deployment.id.to_string(),
            whose: Whose::Unsaid,
            version: None,
            commit: deployment.sha,
            since: deployment.created_at,
        };
        Ok(live.map(release).into_iter().collect())
    }

    /// As [`crate::forge::Forge::stop`].
    pub(in crate::forge) async fn stop(&self, environment: &Known, delete: bool) -> Result<(), Problem> {
        let name = &environment.name;
        let Some(id) = environment.id else { return Ok(()) };
        let mut effort = self.client.effort();
        if !environment.is_stopped {
            self.stop_one(&mut effort, id).await.map_err(|failure| {
                failure
                    .problem(Code::ForgeRefused, &format!("stop the environment `{name}`"))
                    .with_note("what runs there is not touched by this")
            })?;
        }
        if delete {
            effort.delete(&self.route(&format!("/environments/{id}"))).await.map_err(|failure| {
                let problem = failure
                    .problem(Code::ForgeRefused, &format!("delete the environment `{name}`"))
                    .with_note("it is stopped; only its record is still there");
                match failure.status() {
                    Some(StatusCode::FORBIDDEN) => {
                        problem.with_hint("wait until its `on_stop` job has ended, and let the token's owner delete it")
                    }
                    _ => problem,
                }
            })?;
        }
        Ok(())
    }

    /// The environment leads to where the release can be seen: a deployment of the API's has no room for that. In a job with
    /// `environment:` its own `url` says it.
    pub(in crate::forge) async fn show_url(
        &self,
        created: &Created,
        announcement: &Announcement,
    ) -> Result<(), Problem> {
        let Some(url) = &announcement.environment_url else { return Ok(()) };
        let mut effort = self.client.effort();
        let shown = async {
            let route = self.route(&format!("/deployments/{}", segment(&created.id)));
            let Some(environment) = effort.get::<Made>(&route).await?.environment else { return Ok(()) };
            if environment.external_url.as_ref() == Some(url) {
                return Ok(());
            }
            let route = self.route(&format!("/environments/{}", environment.id));
            effort.put::<Environment>(&route, &json!({ "external_url": url })).await.map(|_| ())
        };
        shown.await.map_err(|failure: Failure| {
            failure
                .problem(Code::ForgeUnreported, &format!("set the URL of `{}`", announcement.subject.environment))
                .with_note("the deployment is told; only the link to what it deployed is missing")
        })
    }

    /// Stops it, and looks whether it is before it is asked for again: each time would start its `on_stop` job.
    async fn stop_one(&self, effort: &mut Effort<'_>, id: u64) -> Result<(), Failure> {
        let route = self.route(&format!("/environments/{id}"));
        let stop = format!("{route}/stop");
        let stopped = exactly_once!(
            effort,
            effort.post_for::<Environment>(&stop, &json!({}), StatusCode::OK).await?,
            Some(effort.get::<Environment>(&route).await?).filter(|now| now.state != "available")
        );
        drop(stopped);
        Ok(())
    }
}

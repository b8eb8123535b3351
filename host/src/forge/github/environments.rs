//! Environments on GitHub ("REST API endpoints for deployment environments"). It has no word for one that is over: one is when
//! all its deployments are inactive. To delete one takes the right to administer the repository.

use super::deployments::{LOOKED, shown, whose};
use super::{Deployment, Effort, Failure, GitHub, of_ours};
use crate::forge::deployments::{Shown, Whose, unlisted};
use crate::forge::environments::{Known, Release};
use crate::forge::pages::{PAGE, Pages, some};
use crate::forge::segment;
use crate::problem::{Code, Problem};
use http::StatusCode;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Environments {
    environments: Vec<Environment>,
}

#[derive(Debug, Deserialize)]
struct Environment {
    name: String,
}

impl GitHub {
    /// As [`crate::forge::Forge::environments`].
    pub(in crate::forge) async fn environments(&self) -> Result<Vec<Known>, Problem> {
        let pages = Pages::first(format!("/repos/{}/environments", self.repository));
        let listed = pages.collect_in(&mut self.client.effort(), |page: Environments| page.environments).await;
        let listed = listed.map_err(|failure| {
            failure
                .problem(Code::ForgeRefused, &format!("list the environments of `{}`", self.repository))
                .with_note("nothing was changed")
        })?;
        let known = |it: Environment| Known { url: self.page(&it.name), name: it.name, id: None, is_stopped: false };
        Ok(listed.into_iter().map(known).collect())
    }

    /// As [`crate::forge::Forge::live`].
    pub(in crate::forge) async fn live(&self, environment: &str) -> Result<Vec<Release>, Problem> {
        let live = self.live_ones(&mut self.client.effort(), environment).await;
        live.map_err(|failure| unlisted(&failure, environment).with_note("nothing was changed"))
    }

    /// One for each component: an older one that is shown as live, too, is one that could not be shown as inactive.
    async fn live_ones(&self, effort: &mut Effort<'_>, environment: &str) -> Result<Vec<Release>, Failure> {
        let listed: Vec<Deployment> = some(effort, &self.route_in(environment), PAGE).await?;
        let mut settled = Vec::new();
        let mut live = Vec::new();
        for deployment in listed.into_iter().take(LOOKED) {
            let whose = whose(&deployment);
            if settled.contains(&whose) {
                continue;
            }
            let id = deployment.id.to_string();
            match shown(&self.statuses(effort, &id).await?) {
                Shown::Live => {
                    settled.push(whose.clone());
                    live.push(Release {
                        id,
                        version: of_ours(&deployment.payload)["version"].as_str().map(str::to_owned),
                        commit: deployment.sha,
                        since: deployment.created_at,
                        whose,
                    });
                }
                // What is older is inactive as well.
                Shown::Retired => settled.push(whose),
                Shown::Waiting | Shown::Running | Shown::Ended | Shown::Other(_) => {}
            }
        }
        Ok(live)
    }

    /// As [`crate::forge::Forge::stop`].
    pub(in crate::forge) async fn stop(&self, environment: &str, delete: bool) -> Result<(), Problem> {
        let mut effort = self.client.effort();
        self.deactivate(&mut effort, environment).await.map_err(|failure| {
            failure
                .problem(Code::ForgeRefused, &format!("show that `{environment}` is over"))
                .with_note("what runs there is not touched by this")
        })?;
        if delete {
            let route = format!("/repos/{}/environments/{}", self.repository, segment(environment));
            effort.delete(&route).await.map_err(|failure| {
                let problem = failure
                    .problem(Code::ForgeRefused, &format!("delete the environment `{environment}`"))
                    .with_note("its deployments are shown as inactive; only the environment is still there");
                match failure.status() {
                    Some(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => problem.with_hint(
                        "the job's own token may not: set `GITHUB_TOKEN` to one with the permission \
                         `administration: write`, or leave `--delete` out",
                    ),
                    _ => problem,
                }
            })?;
        }
        Ok(())
    }

    /// Every deployment that is not over is from here on: also one that was left open.
    async fn deactivate(&self, effort: &mut Effort<'_>, environment: &str) -> Result<(), Failure> {
        let mut settled = Vec::new();
        let mut pages = Pages::first(self.route_in(environment));
        while let Some(listed) = pages.next::<Deployment>(effort).await? {
            for deployment in listed {
                let whose = whose(&deployment);
                if settled.contains(&whose) {
                    continue;
                }
                let id = deployment.id.to_string();
                match shown(&self.statuses(effort, &id).await?) {
                    Shown::Live | Shown::Running | Shown::Waiting | Shown::Other(_) => {
                        self.set_inactive(effort, &id, "the environment was stopped").await?;
                    }
                    // Of ours there is none that is live behind one that was replaced. Of others nobody knows.
                    Shown::Retired if whose != Whose::Unsaid => settled.push(whose),
                    Shown::Retired | Shown::Ended => {}
                }
            }
        }
        Ok(())
    }
}

//! The deployments to an environment: which are listed, which of ours is live, and showing what changed about that.
//!
//! GitHub lists deployments without their states: each one's statuses are a request of their own, so no more of them are
//! read than a question needs.

#[cfg(test)]
mod tests;

use super::{Deployment, Effort, Failure, GitHub, Status, is_of_run, of_ours, segment, status};
use crate::forge::deployments::{Listed, Relate, Relation, Shown, Whose, unlisted};
use crate::forge::pages::Pages;
use crate::forge::{Announcement, Created};
use crate::problem::{Code, Problem};
use http::StatusCode;
use url::form_urlencoded::Serializer;

/// How many deployments' statuses are read at most for one question.
pub(super) const LOOKED: usize = 30;

impl GitHub {
    /// As [`crate::forge::Forge::since_success`].
    pub(in crate::forge) async fn since_success(
        &self,
        environment: &str,
        relate: &Relate<'_>,
    ) -> Result<Vec<Listed>, Problem> {
        let listed = self.down_to_success(&mut self.client.effort(), environment, relate).await;
        listed.map_err(|failure| unlisted(&failure, environment))
    }

    async fn down_to_success(
        &self,
        effort: &mut Effort<'_>,
        environment: &str,
        relate: &Relate<'_>,
    ) -> Result<Vec<Listed>, Failure> {
        let mut found = Vec::new();
        let mut pages = Pages::first(self.route_in(environment));
        while let Some(listed) = pages.next::<Deployment>(effort).await? {
            for deployment in listed {
                let id = deployment.id.to_string();
                let relation = relate(&id, &whose(&deployment));
                if relation == Relation::Other {
                    continue;
                }
                let shown = shown(&self.statuses(effort, &id).await?);
                let is_end = relation == Relation::Same && shown.has_succeeded();
                found.push(Listed { id, commit: deployment.sha, shown, relation });
                if is_end || found.len() == LOOKED {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// As [`crate::forge::Forge::retire`].
    pub(in crate::forge) async fn retire(&self, created: &Created, announcement: &Announcement) -> Result<(), Problem> {
        let environment = &announcement.subject.environment;
        self.retire_others(&mut self.client.effort(), created, announcement).await.map_err(|failure| {
            failure
                .problem(Code::ForgeUnreported, &format!("show that what was live in `{environment}` is not any more"))
                .with_note("the deployment is told; only an earlier one is shown as live beside it")
        })
    }

    /// Those that were live are the newest ones: behind one that is inactive there is none any more.
    async fn retire_others(
        &self,
        effort: &mut Effort<'_>,
        created: &Created,
        announcement: &Announcement,
    ) -> Result<(), Failure> {
        let subject = &announcement.subject;
        let this: u64 = created.id.parse().unwrap_or_default();
        let same = Whose::Ours { app: subject.app.clone(), component: subject.component.clone() };
        let mut looked = 0;
        let mut pages = Pages::first(self.route_in(&subject.environment));
        while let Some(listed) = pages.next::<Deployment>(effort).await? {
            for deployment in listed.iter().filter(|it| it.id != this && whose(it) == same) {
                let id = deployment.id.to_string();
                let shown = shown(&self.statuses(effort, &id).await?);
                let is_later = deployment.id > this;
                if is_later && shown == Shown::Live {
                    // This one was told late: another one is live since.
                    return self.set_inactive(effort, &created.id, "a later one is live").await;
                }
                if !is_later && shown == Shown::Live {
                    let text = format!("{} {} is live now", subject.app, subject.version);
                    self.set_inactive(effort, &id, &text).await?;
                }
                looked += 1;
                if (!is_later && shown == Shown::Retired) || looked == LOOKED {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Shows that a deployment is not live any more. It has no links: the run whose log they would lead to is another one's.
    pub(super) async fn set_inactive(&self, effort: &mut Effort<'_>, id: &str, why: &str) -> Result<(), Failure> {
        self.set_status(effort, id, &status(INACTIVE, why)).await
    }

    /// As [`crate::forge::Forge::revive`].
    pub(in crate::forge) async fn revive(&self, created: &Created, announcement: &Announcement) -> Result<(), Problem> {
        let mut effort = self.client.effort();
        let revived = async {
            if shown(&self.statuses(&mut effort, &created.id).await?) != Shown::Retired {
                return Ok(());
            }
            self.add_status(
                &mut effort,
                &created.id,
                announcement,
                SUCCESS,
                "live again: what came after it was taken back",
            )
            .await
        };
        revived.await.map_err(|failure: Failure| {
            failure
                .problem(Code::ForgeUnreported, &format!("show that deployment {} is live again", created.id))
                .with_note("what came after it was taken back; only its status does not show it")
        })
    }

    /// As [`crate::forge::Forge::is_of_run`].
    pub(in crate::forge) async fn is_of_run(
        &self,
        created: &Created,
        announcement: &Announcement,
    ) -> Result<bool, Problem> {
        let subject = &announcement.subject;
        let route = format!("/repos/{}/deployments/{}", self.repository, segment(&created.id));
        match self.client.effort().get::<Deployment>(&route).await {
            Ok(deployment) => {
                let place = Whose::Ours { app: subject.app.clone(), component: subject.component.clone() };
                Ok(is_of_run(&deployment.payload, &announcement.run)
                    && whose(&deployment) == place
                    && deployment.environment == subject.environment)
            }
            Err(failure) if failure.status() == Some(StatusCode::NOT_FOUND) => Ok(false),
            Err(failure) => Err(failure.problem(Code::ForgeRefused, &format!("show deployment {}", created.id))),
        }
    }

    /// Where the deployments to an environment are listed, of any commit, newest first.
    pub(super) fn route_in(&self, environment: &str) -> String {
        let query = Serializer::new(String::new())
            .append_pair("environment", environment)
            .append_pair("task", super::TASK)
            .finish();
        format!("/repos/{}/deployments?{query}", self.repository)
    }
}

const INACTIVE: &str = "inactive";
const SUCCESS: &str = "success";

/// What its payload says.
pub(super) fn whose(deployment: &Deployment) -> Whose {
    let payload = of_ours(&deployment.payload);
    match payload["app"].as_str() {
        Some(app) => Whose::Ours { app: app.to_owned(), component: payload["component"].as_str().map(str::to_owned) },
        None => Whose::Unsaid,
    }
}

/// What a deployment's statuses come to. GitHub's states on write are `error failure inactive in_progress queued pending
/// success`, and it shows `waiting` and `abandoned` besides.
pub(super) fn shown(statuses: &[Status]) -> Shown {
    let mut newest: Vec<&Status> = statuses.iter().collect();
    newest.sort_unstable_by_key(|status| std::cmp::Reverse(status.id));
    let Some(first) = newest.first() else { return Shown::Waiting };
    match first.state.as_str() {
        "queued" | "pending" | "waiting" => Shown::Waiting,
        "in_progress" => Shown::Running,
        SUCCESS => Shown::Live,
        "failure" | "error" | "abandoned" => Shown::Ended,
        // It was live if that is what it was before.
        INACTIVE => match newest.iter().find(|status| status.state != INACTIVE) {
            Some(before) if before.state == SUCCESS => Shown::Retired,
            _ => Shown::Ended,
        },
        other => Shown::Other(other.to_owned()),
    }
}

//! The deployments to an environment, of whoever made them. GitLab keeps no word of ours with one: which component it is of,
//! whoever asks has to know.

use super::{Deployment, Effort, GitLab};
use crate::forge::deployments::{Listed, Relate, Relation, Shown, Whose, unlisted};
use crate::forge::pages::{PAGE, Pages};
use crate::problem::Problem;

impl GitLab {
    /// As [`crate::forge::Forge::since_success`].
    pub(in crate::forge) async fn since_success(
        &self,
        environment: &str,
        relate: &Relate<'_>,
    ) -> Result<Vec<Listed>, Problem> {
        let mut found = Vec::new();
        let is_end = |deployment: Deployment| {
            let id = deployment.id.to_string();
            let (relation, shown) = (relate(&id, &Whose::Unsaid), shown(&deployment.status));
            let is_end = relation == Relation::Same && shown.has_succeeded();
            if relation != Relation::Other {
                found.push(Listed { id, commit: deployment.sha, shown, relation });
            }
            is_end
        };
        self.look(&mut self.client.effort(), environment, is_end).await?;
        Ok(found)
    }

    /// The deployment that this job made. It is as old as its pipeline: where the job waited, it is behind others.
    pub(super) async fn of_job(
        &self,
        effort: &mut Effort<'_>,
        environment: &str,
    ) -> Result<Option<Deployment>, Problem> {
        let mut found = None;
        let is_ours = |deployment: Deployment| {
            let is_ours = deployment.deployable.as_ref().is_some_and(|job| Some(job.id) == self.project.job);
            found = found.take().or(Some(deployment).filter(|_| is_ours));
            is_ours
        };
        self.look(effort, environment, is_ours).await?;
        Ok(found)
    }

    /// Looks at the deployments to an environment, newest first, until one is the end. What is not among the first thousand is too
    /// long ago to be what anybody looks for.
    async fn look(
        &self,
        effort: &mut Effort<'_>,
        environment: &str,
        mut is_end: impl FnMut(Deployment) -> bool,
    ) -> Result<(), Problem> {
        let mut pages = Pages::first(self.route_to(environment));
        while let Some(listed) = pages.next(effort).await.map_err(|failure| unlisted(&failure, environment))? {
            if listed.into_iter().any(&mut is_end) {
                break;
            }
        }
        Ok(())
    }

    /// The newest hundred, newest first.
    pub(super) async fn listed(&self, effort: &mut Effort<'_>, environment: &str) -> Result<Vec<Deployment>, Problem> {
        self.list(effort, environment, PAGE).await.map_err(|failure| unlisted(&failure, environment))
    }
}

/// What a deployment's status means.
fn shown(status: &str) -> Shown {
    match status {
        "created" | "blocked" => Shown::Waiting,
        "running" => Shown::Running,
        "success" => Shown::Live,
        "failed" | "canceled" | "skipped" => Shown::Ended,
        other => Shown::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Shown, shown};

    #[test]
    fn every_status_of_gitlab_is_read() {
        for (status, expected) in [
            ("created", Shown::Waiting),
            ("blocked", Shown::Waiting),
            ("running", Shown::Running),
            ("success", Shown::Live),
            ("failed", Shown::Ended),
            ("canceled", Shown::Ended),
            ("skipped", Shown::Ended),
            ("approved", Shown::Other("approved".into())),
        ] {
            assert_eq!(shown(status), expected, "{status}");
        }
    }
}

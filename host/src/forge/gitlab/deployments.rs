//! The deployments to an environment, of whoever made them. GitLab keeps no word of ours with one: which component it is of,
//! whoever asks has to know.

use super::{Deployment, Effort, GitLab};
use crate::forge::deployments::{Listed, Relate, Relation, Shown, Whose, unlisted};
use crate::forge::pages::PAGE;
use crate::problem::Problem;

impl GitLab {
    /// As [`crate::forge::Forge::since_success`].
    pub(in crate::forge) async fn since_success(
        &self,
        environment: &str,
        relate: &Relate<'_>,
    ) -> Result<Vec<Listed>, Problem> {
        // What is not among the newest hundred is too long ago to be what a run comes after.
        let listed = self.listed(&mut self.client.effort(), environment).await?;
        let mut found = Vec::new();
        for deployment in listed {
            let id = deployment.id.to_string();
            let (relation, shown) = (relate(&id, &Whose::Unsaid), shown(&deployment.status));
            if relation == Relation::Other {
                continue;
            }
            let is_end = relation == Relation::Same && shown.has_succeeded();
            found.push(Listed { id, commit: deployment.sha, shown, relation });
            if is_end {
                break;
            }
        }
        Ok(found)
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

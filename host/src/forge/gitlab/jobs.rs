//! Whether a job of a pipeline is over ("Jobs API", `doc/api/jobs.md`).

use super::packages::HINT;
use super::{Deployment, Failure, GitLab};
use crate::event::Job;
use crate::forge::client::unless_absent;
use crate::forge::pages::some;
use crate::problem::Problem;
use http::StatusCode;
use serde::Deserialize;

/// How a job stands.
#[derive(Debug, Deserialize)]
struct Status {
    status: String,
}

impl GitLab {
    /// Whether a job is over, which may have made a deployment; none where this token may not ask: a job's own may not ask for other
    /// jobs, but for deployments, which say how the jobs that made them stand.
    pub(in crate::forge) async fn is_over(&self, job: &Job, deployment: Option<&str>) -> Result<Option<bool>, Problem> {
        let Some(number) = job.job else { return Ok(None) };
        if self.project.job == Some(number) {
            return Ok(Some(false));
        }
        let unsaid = |failure: Failure| self.unkept(&failure, &format!("say whether job {number} is over"), HINT);
        if !self.is_given {
            let Some(id) = deployment else { return Ok(None) };
            let found = self.client.effort().get::<Deployment>(&self.route(&format!("/deployments/{id}"))).await;
            let made_by = unless_absent(found).map_err(unsaid)?.and_then(|deployment| deployment.deployable);
            return Ok(made_by.filter(|it| it.id == number).map(|it| is_end(&it.status)));
        }
        match self.client.effort().get::<Status>(&self.route(&format!("/jobs/{number}"))).await {
            Ok(status) => Ok(Some(is_end(&status.status))),
            // Only what is over can be deleted; but what may not be read is not there either.
            Err(failure) if failure.status() == Some(StatusCode::NOT_FOUND) => {
                let listed = some::<Status>(&mut self.client.effort(), &self.route("/jobs"), 1).await;
                listed.map(|_| Some(true)).map_err(unsaid)
            }
            Err(failure) => Err(unsaid(failure)),
        }
    }
}

fn is_end(status: &str) -> bool {
    matches!(status, "success" | "failed" | "canceled" | "skipped")
}

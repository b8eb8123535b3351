//! Whether a job of a pipeline is over ("Jobs API", `doc/api/jobs.md`).

use super::packages::HINT;
use super::{Failure, GitLab};
use crate::event::Job;
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
    /// Whether a job is over; none where this token may not ask: a job's own may not ask for other jobs.
    pub(in crate::forge) async fn is_over(&self, job: &Job) -> Result<Option<bool>, Problem> {
        let Some(number) = job.job else { return Ok(None) };
        if self.project.job == Some(number) {
            return Ok(Some(false));
        }
        if !self.is_given {
            return Ok(None);
        }
        let unsaid = |failure: Failure| self.unkept(&failure, &format!("say whether job {number} is over"), HINT);
        match self.client.effort().get::<Status>(&self.route(&format!("/jobs/{number}"))).await {
            Ok(status) => Ok(Some(matches!(status.status.as_str(), "success" | "failed" | "canceled" | "skipped"))),
            // Only what is over can be deleted; but what may not be read is not there either.
            Err(failure) if failure.status() == Some(StatusCode::NOT_FOUND) => {
                let listed = some::<Status>(&mut self.client.effort(), &self.route("/jobs"), 1).await;
                listed.map(|_| Some(true)).map_err(unsaid)
            }
            Err(failure) => Err(unsaid(failure)),
        }
    }
}

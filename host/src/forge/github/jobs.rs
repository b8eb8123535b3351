//! Whether a job of a workflow is over ("REST API endpoints for workflow runs", "for workflow jobs").

use super::refs::denied;
use super::{Effort, Failure, GitHub, segment};
use crate::event::Job;
use crate::forge::pages::Pages;
use crate::problem::Problem;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
struct WorkflowRun {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    run_attempt: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Jobs {
    jobs: Vec<WorkflowJob>,
}

#[derive(Debug, Deserialize)]
struct WorkflowJob {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    runner_name: Option<String>,
}

impl GitHub {
    /// Whether a job's run is over, or this attempt at it, or all that its runner did for it.
    pub(in crate::forge) async fn is_over(&self, job: &Job) -> Result<bool, Problem> {
        self.run_is_over(&mut self.client.effort(), job).await.map_err(|failure| {
            let action = format!("say whether run {} of the workflow is over", job.run);
            failure.problem_for(denied(&failure), &action, "actions: read")
        })
    }

    async fn run_is_over(&self, effort: &mut Effort<'_>, job: &Job) -> Result<bool, Failure> {
        let route = format!("/repos/{}/actions/runs/{}", self.repository, segment(&job.run));
        let run: WorkflowRun = match effort.get(&route).await {
            Ok(run) => run,
            // Only what is over can be deleted; but what may not be read is not there either.
            Err(failure) if failure.status() == Some(StatusCode::NOT_FOUND) => {
                let any = format!("/repos/{}/actions/runs?per_page=1", self.repository);
                return effort.get::<Value>(&any).await.map(|_| true);
            }
            Err(failure) => return Err(failure),
        };
        let is_later = job.attempt.zip(run.run_attempt).is_some_and(|(ours, now)| now > ours);
        if is_later || run.status.as_deref() == Some("completed") {
            return Ok(true);
        }
        // Other jobs of the run may go on without it.
        let Some(runner) = &job.runner else { return Ok(false) };
        let mut pages = Pages::all(format!("{route}/jobs"));
        let mut is_seen = false;
        while let Some(jobs) = pages.next_in(effort, |page: Jobs| page.jobs).await? {
            for job in jobs.iter().filter(|it| it.runner_name.as_ref() == Some(runner)) {
                if job.status.as_deref() != Some("completed") {
                    return Ok(false);
                }
                is_seen = true;
            }
        }
        Ok(is_seen)
    }
}

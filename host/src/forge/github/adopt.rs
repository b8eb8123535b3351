//! The deployment that GitHub makes for a job with `environment:`: found, and taken for the run's or told apart from it.

use super::{Deployment, Effort, Failure, GitHub, is_ours, word};
use crate::forge::deployments::unlisted;
use crate::forge::pages::{PAGE, some};
use crate::forge::{Announcement, Created, State};
use crate::problem::{Code, Problem};
use std::time::Duration;

/// How many deployments are looked at in search of the job's own: it is among the newest of this commit.
const JOBS: usize = 10;

/// How long it is looked for a deployment of the job's own where there should be none.
const LOOKING: Duration = Duration::from_secs(10);

impl GitHub {
    /// The deployment that the job itself made: its status leads to this run of the workflow.
    pub(in crate::forge) async fn adopt(&self, announcement: &Announcement) -> Result<Created, Problem> {
        let environment = &announcement.subject.environment;
        let found = self
            .of_job(&mut self.client.effort(), announcement)
            .await
            .map_err(|failure| unlisted(&failure, environment))?;
        let id = match found.as_slice() {
            [id] => *id,
            [] => {
                return Err(Problem::new(
                    Code::ForgeRefused,
                    format!("the job has made no deployment to `{environment}`"),
                )
                .because("no deployment of this commit there leads to this run of the workflow")
                .with_note("nothing was run")
                .with_hint(format!("give the job `environment: {environment}`, or write `deployment = \"own\"`")));
            }
            several => {
                let ids = crate::config::listing(several.iter().map(u64::to_string), "and");
                return Err(Problem::new(
                    Code::ForgeRefused,
                    format!("which deployment to `{environment}` is this job's cannot be told"),
                )
                .because(format!(
                    "{ids} are of jobs of this run of the workflow, and a job does not know its own number"
                ))
                .with_note("nothing was run")
                .with_hint("say it: give the step `env: JOB_CHECK_RUN_ID: ${{ job.check_run_id }}`"));
            }
        };
        Ok(Created { id: id.to_string(), url: self.page(environment), adopted: true })
    }

    /// The deployments that this job made by itself, and that go on: the one of the job, where its number is known, otherwise
    /// those of all jobs of this run of the workflow.
    async fn of_job(&self, effort: &mut Effort<'_>, announcement: &Announcement) -> Result<Vec<u64>, Failure> {
        let Some(run) = &self.run else { return Ok(vec![]) };
        let mut found = vec![];
        let listed: Vec<Deployment> = some(effort, &self.route_of(announcement), PAGE).await?;
        for deployment in listed.iter().filter(|deployment| !is_ours(&deployment.payload)).take(JOBS) {
            let statuses = self.statuses(effort, &deployment.id.to_string()).await?;
            let newest = statuses.iter().max_by_key(|status| status.id);
            let Some(status) = newest.filter(|status| status.state == word(State::InProgress)) else { continue };
            match (job_of(status.log_url.as_deref().unwrap_or_default(), run), &self.job) {
                (None, _) => {}
                (Some(Some(job)), Some(ours)) if job == ours => return Ok(vec![deployment.id]),
                // Another job's.
                (Some(Some(_)), Some(_)) => {}
                _ => found.push(deployment.id),
            }
        }
        Ok(found)
    }

    /// That the job made none by itself, as far as that can be found out: there would be two.
    pub(super) async fn must_be_ours_to_make(&self, announcement: &Announcement) -> Result<(), Problem> {
        // It takes nothing of the time for what is to be done.
        let beside = self.of_job(&mut self.client.effort_of(LOOKING), announcement).await;
        match beside.ok().and_then(|found| found.first().copied()) {
            Some(id) => Err(made_by_both(announcement, id)),
            None => Ok(()),
        }
    }
}

/// The number of the job that a log is of, where it is of a job of this run of the workflow: `…/actions/runs/7/job/55`. Some say
/// the run only.
pub(super) fn job_of<'a>(log: &'a str, run: &str) -> Option<Option<&'a str>> {
    let (_, rest) = log.split_once("/actions/runs/")?;
    let mut segments = rest.split(['/', '?', '#']);
    if segments.next() != Some(run) {
        return None;
    }
    Some(segments.next().filter(|segment| *segment == "job").and(segments.next()))
}

/// That the job's own `environment:` made a deployment, too.
fn made_by_both(announcement: &Announcement, id: u64) -> Problem {
    let environment = &announcement.subject.environment;
    Problem::new(Code::ForgeRefused, format!("both the job and Windlass would deploy to `{environment}`"))
        .because(format!("the job has `environment:`, so GitHub made deployment {id}, and Windlass would make another"))
        .with_note("nothing was run")
        .with_hint("write `deployment = \"adopt\"`, or `environment: { name: …, deployment: false }` in the job")
}

//! GitLab's gate: the approval rules of a protected environment ("Deployment approvals", `doc/ci/environments/deployment_approvals.md`).
//!
//! A deployment to such an environment is `blocked` until enough people have approved it. Its job does not start by itself then.

use super::{Deployment, GitLab};
use crate::approval::{Answer, Decision};
use crate::forge::answer::Failure;
use crate::forge::approvals::{Gate, Reply, Said, Sought};
use crate::forge::client::{Effort, exactly_once, unless_absent};
use crate::forge::deployments::unlisted;
use crate::forge::pages::Pages;
use crate::forge::segment;
use crate::plan::PlanFile;
use crate::problem::{Code, Problem};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest comment that GitLab takes with an answer, in characters.
const COMMENT: usize = 255;

/// What the files of plans are called in the artifacts of a job: of one environment, and where there is only one.
fn plan_files(environment: &str) -> [String; 2] {
    [format!("windlass-plan-{environment}.json"), "windlass-plan.json".to_owned()]
}

/// A deployment with what was said to it.
#[derive(Debug, Deserialize)]
struct Detail {
    /// Who began the pipeline. Whoever starts a job that waited changes nothing about it.
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    approvals: Vec<Approved>,
    #[serde(default)]
    approval_summary: Option<Summary>,
}

#[derive(Debug, Deserialize)]
struct Approved {
    user: User,
    status: String,
    #[serde(default)]
    created_at: Option<jiff::Timestamp>,
    #[serde(default)]
    comment: Option<String>,
}

#[derive(Debug, Deserialize)]
struct User {
    username: String,
}

#[derive(Debug, Deserialize)]
struct Summary {
    #[serde(default)]
    rules: Vec<Rule>,
}

/// An approval rule, and who has said something under it.
#[derive(Debug, Deserialize)]
struct Rule {
    #[serde(default)]
    group_id: Option<u64>,
    /// The group's name, where it is a group's.
    #[serde(default)]
    access_level_description: Option<String>,
    #[serde(default)]
    deployment_approvals: Vec<Approved>,
}

#[derive(Debug, Deserialize)]
struct PipelineJob {
    id: u64,
    #[serde(default)]
    artifacts_file: Option<Value>,
}

impl Detail {
    /// What was said, with the groups on whose behalf GitLab counts it. Where an environment has rules, it stands with these,
    /// and may stand with them alone.
    fn decisions(&self) -> Vec<Decision> {
        let rules = || self.approval_summary.iter().flat_map(|summary| &summary.rules);
        let groups = |user: &str| -> Vec<String> {
            let of = |rule: &&Rule| {
                rule.group_id.is_some() && rule.deployment_approvals.iter().any(|said| said.user.username == user)
            };
            rules().filter(of).filter_map(|rule| rule.access_level_description.clone()).collect()
        };
        let mut decisions: Vec<Decision> = Vec::new();
        for said in self.approvals.iter().chain(rules().flat_map(|rule| &rule.deployment_approvals)) {
            let Some(answer) = Answer::of_word(&said.status) else { continue };
            let decision = Decision {
                answer,
                teams: groups(&said.user.username),
                by: said.user.username.clone(),
                at: said.created_at.map(|at| format!("{at:.3}")),
                comment: said.comment.clone().filter(|comment| !comment.is_empty()),
            };
            if !decisions.contains(&decision) {
                decisions.push(decision);
            }
        }
        decisions.sort_by(|one, other| one.at.cmp(&other.at));
        decisions
    }

    fn starters(&self) -> Vec<String> {
        self.user.iter().map(|user| user.username.clone()).collect()
    }
}

impl GitLab {
    /// What was said to the deployment of this job; while it is planned, to those of all jobs of its pipeline.
    pub(in crate::forge) async fn decisions(&self, environment: &str, planning: bool) -> Result<Said, Problem> {
        let mut effort = self.client.effort();
        // Those of a pipeline that is planned in are new.
        let meant: Vec<Deployment> = if planning {
            let is_meant = |deployment: &Deployment| {
                deployment.deployable.as_ref().is_some_and(|job| job.pipeline() == self.project.pipeline)
            };
            self.listed(&mut effort, environment).await?.into_iter().filter(is_meant).collect()
        } else {
            self.of_job(&mut effort, environment).await?.into_iter().collect()
        };
        let mut said = Said::default();
        for deployment in meant {
            let detail = self.detail(&mut effort, deployment.id).await?;
            said.decisions.extend(detail.decisions());
            said.starters.extend(detail.starters());
        }
        Ok(said)
    }

    async fn detail(&self, effort: &mut Effort<'_>, id: u64) -> Result<Detail, Problem> {
        effort.get(&self.detail_route(id)).await.map_err(|failure| {
            failure
                .problem(Code::ForgeRefused, &format!("say who approved deployment {id}"))
                .with_note("nothing was run")
        })
    }

    fn detail_route(&self, id: u64) -> String {
        self.route(&format!("/deployments/{id}"))
    }

    /// What was said to a deployment.
    pub(in crate::forge) async fn said(&self, id: u64) -> Result<Vec<Decision>, Problem> {
        Ok(self.detail(&mut self.client.effort(), id).await?.decisions())
    }

    /// Deployments that are blocked until people have approved them.
    pub(in crate::forge) async fn waiting(&self, sought: Sought<'_>) -> Result<Vec<Gate>, Problem> {
        let mut effort = self.client.effort();
        let mut gates = Vec::new();
        for (environment, _) in sought.environments {
            let blocked = Pages::all(format!("{}&status=blocked", self.route_to(environment)));
            let blocked: Vec<Deployment> =
                blocked.collect(&mut effort).await.map_err(|failure| unlisted(&failure, environment))?;
            for deployment in blocked {
                let Some(job) = deployment.deployable.as_ref() else { continue };
                let Some(pipeline) = job.pipeline() else { continue };
                // In a pipeline, what waits in it; elsewhere, all that waits.
                if self.project.pipeline.is_some_and(|ours| ours != pipeline) {
                    continue;
                }
                let detail = self.detail(&mut effort, deployment.id).await?;
                let (plans, unread) = if sought.plans {
                    self.plans(&mut effort, pipeline, environment, &deployment.sha).await?
                } else {
                    (Vec::new(), Vec::new())
                };
                gates.push(Gate {
                    environment: (*environment).to_owned(),
                    run: pipeline.to_string(),
                    id: deployment.id,
                    page: job.pipeline.as_ref().and_then(|pipeline| pipeline.web_url.clone()),
                    may_answer: None,
                    decisions: detail.decisions(),
                    starters: detail.starters(),
                    origin: Some(format!("`{}`", deployment.reference)).filter(|_| !deployment.reference.is_empty()),
                    plans,
                    unread,
                });
            }
        }
        Ok(gates)
    }

    /// The plans for an environment in the artifacts of a pipeline's jobs, and what could not be read that may be one. Where the
    /// jobs cannot be listed, none: a job's token may not.
    async fn plans(
        &self,
        effort: &mut Effort<'_>,
        pipeline: u64,
        environment: &str,
        commit: &str,
    ) -> Result<(Vec<PlanFile>, Vec<String>), Problem> {
        let (mut plans, mut unread) = (Vec::new(), Vec::new());
        let mut pages = Pages::first(self.route(&format!("/pipelines/{pipeline}/jobs")));
        loop {
            let jobs: Vec<PipelineJob> = match pages.next(effort).await {
                Ok(Some(jobs)) => jobs,
                Ok(None) => break,
                Err(failure) if failure.status().is_some_and(|status| status.is_client_error()) => break,
                Err(failure) => {
                    return Err(failure.problem(Code::ForgeRefused, &format!("list the jobs of pipeline {pipeline}")));
                }
            };
            for job in jobs.iter().filter(|job| job.artifacts_file.is_some()) {
                for name in plan_files(environment) {
                    let route = self.route(&format!("/jobs/{}/artifacts/{}", job.id, segment(&name)));
                    let text = match unless_absent(effort.get_once(&route).await) {
                        Ok(Some(text)) => text,
                        Ok(None) => continue,
                        Err(failure) => {
                            unread.push(format!("`{name}` of job {}: {}", job.id, failure.words()));
                            continue;
                        }
                    };
                    let file = match PlanFile::read(&name, &text) {
                        Ok(file) => file,
                        Err(problem) => {
                            unread.push(format!("`{name}` of job {}: {}", job.id, problem.causes.join(": ")));
                            continue;
                        }
                    };
                    let of_run = |ci: &crate::plan::Origin| ci.forge == "gitlab" && ci.run == pipeline.to_string();
                    let is_meant = file.plan.environment == environment
                        && file.plan.commit == commit
                        && file.ci.as_ref().is_some_and(of_run);
                    // The same one from another job is no other one.
                    if is_meant && !plans.contains(&file) {
                        plans.push(file);
                    }
                }
            }
        }
        Ok((plans, unread))
    }

    /// The name of whoever the token belongs to.
    pub(in crate::forge) async fn who(&self) -> Option<String> {
        self.owner_of_token(&mut self.client.effort()).await
    }

    pub(super) async fn owner_of_token(&self, effort: &mut Effort<'_>) -> Option<String> {
        let user: Result<User, _> = effort.get("/user").await;
        user.ok().map(|user| user.username)
    }

    /// Says yes or no to a deployment that is blocked.
    pub(in crate::forge) async fn reply(&self, gate: &Gate, reply: Reply<'_>) -> Result<(), Problem> {
        let action = format!("review deployment {} to `{}`", gate.id, gate.environment);
        if !self.is_given && !reply.by_job {
            return Err(Problem::new(Code::ForgeRefused, format!("Windlass does not {action} as a job"))
                .because("the only token is `CI_JOB_TOKEN`, and what every job of the pipeline can say is no approval")
                .with_note("nothing was changed")
                .with_hint("set `GITLAB_TOKEN` to an approver's token; `--by-job` lets the job do it"));
        }
        let length = reply.comment.chars().count();
        if length > COMMENT {
            return Err(Problem::new(Code::ForgeRefused, format!("GitLab lets nobody {action} at such length"))
                .because(format!("the comment has {length} characters, and GitLab takes {COMMENT}"))
                .with_note("nothing was changed")
                .with_hint("say it in fewer words"));
        }
        let mut body = json!({ "status": reply.answer.word(), "comment": reply.comment });
        if let Some(rule) = reply.on_behalf {
            body["represented_as"] = rule.into();
        }
        let route = self.route(&format!("/deployments/{}/approval", gate.id));
        let mut effort = self.client.effort();
        let sent = async {
            exactly_once!(effort, effort.post::<Value>(&route, &body).await?.map(drop), {
                let now: Detail = effort.get(&self.detail_route(gate.id)).await?;
                let said = crate::approval::since(now.decisions(), &gate.decisions);
                said.iter().any(|said| said.answer == reply.answer).then_some(())
            });
            Ok(())
        };
        sent.await.map_err(|failure: Failure| {
            let problem = failure.problem(Code::ForgeRefused, &action).with_note("nothing was changed");
            match failure.status() {
                Some(StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN) => {
                    problem.with_hint("let somebody say it who is in one of the environment's approval rules")
                }
                _ => problem,
            }
        })
    }
}

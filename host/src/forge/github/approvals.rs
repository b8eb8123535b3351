//! GitHub's gate: the required reviewers of an environment ("Reviewing deployments", "REST API endpoints for workflow runs").
//!
//! One approval is enough for GitHub, and it keeps no time of it. How many it takes, whose count and for which plan is
//! decided by [`crate::gate`] from what is read here.

use super::adopt::job_of;
use super::{Deployment, Failure, GitHub, Status, artifacts};
use crate::approval::{Answer, Decision, is_same};
use crate::config::Approval;
use crate::forge::approvals::{Gate, Reply, Said, Sought};
use crate::forge::client::{Effort, exactly_once, unless_absent};
use crate::forge::pages::{Pages, some};
use crate::forge::segment;
use crate::plan::PlanFile;
use crate::problem::{Code, Problem};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

/// How many deployments of a commit are looked at for one that this run has made already: there is one for each attempt.
const DEPLOYED: usize = 20;

/// An entry of a run's reviews.
#[derive(Debug, Deserialize)]
struct Review {
    environments: Vec<Environment>,
    state: String,
    user: User,
    #[serde(default)]
    comment: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Environment {
    #[serde(default)]
    id: u64,
    pub(super) name: String,
    #[serde(default)]
    html_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct User {
    login: String,
}

/// What waits for reviewers in a run.
#[derive(Debug, Deserialize)]
pub(super) struct Pending {
    pub(super) environment: Environment,
    #[serde(default)]
    current_user_can_approve: bool,
}

#[derive(Debug, Deserialize)]
struct Membership {
    state: String,
}

#[derive(Debug, Deserialize)]
struct Runs {
    workflow_runs: Vec<Run>,
}

/// A run of a workflow: what the forge itself says of it, whatever its artifacts say.
#[derive(Debug, Deserialize)]
struct Run {
    id: u64,
    #[serde(default)]
    event: String,
    #[serde(default)]
    head_branch: Option<String>,
    #[serde(default)]
    head_sha: String,
    #[serde(default)]
    head_repository: Option<Repository>,
    #[serde(default)]
    actor: Option<User>,
    #[serde(default)]
    triggering_actor: Option<User>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    full_name: String,
}

impl Run {
    fn starters(&self) -> Vec<String> {
        let mut starters: Vec<String> =
            [&self.triggering_actor, &self.actor].into_iter().flatten().map(|user| user.login.clone()).collect();
        starters.dedup();
        starters
    }

    /// In words, for a person who looks at what waits.
    fn origin(&self, repository: &str) -> String {
        let branch = self.head_branch.as_deref().unwrap_or("no branch");
        let fork = self.head_repository.as_ref().filter(|head| !is_same(&head.full_name, repository));
        let fork = fork.map(|head| format!(" of the fork `{}`", head.full_name)).unwrap_or_default();
        format!("`{}` on `{branch}`{fork}", self.event)
    }

    /// Whether a plan can be one of this run. A run for a pull request has the commit that it would be merged as.
    fn is_of(&self, file: &PlanFile) -> bool {
        self.event.starts_with("pull_request") || self.head_sha == file.plan.commit
    }
}

impl GitHub {
    /// What reviewers have said in this run of the workflow. GitHub tells nobody when.
    pub(in crate::forge) async fn decisions(
        &self,
        environment: &str,
        rule: &Approval,
        planning: bool,
    ) -> Result<Said, Problem> {
        let Some(run) = &self.run else {
            return Err(Problem::new(Code::ForgeRefused, "it is not known who approved this deployment on GitHub")
                .because("`GITHUB_RUN_ID` is not set: this is no job of a workflow")
                .with_note("nothing was run")
                .with_hint("run it in a job of GitHub Actions, or with `--forge local`"));
        };
        let decisions = if planning {
            // Only whether it was said counts then, not by whom.
            self.reviews(&mut self.client.effort(), run, environment).await?
        } else {
            self.said(run, environment, rule).await?
        };
        Ok(Said { decisions, starters: vec![] })
    }

    /// As [`crate::forge::Forge::has_deployed`].
    pub(in crate::forge) async fn has_deployed(&self, environment: &str, commit: &str) -> Result<bool, Problem> {
        let Some(run) = &self.run else { return Ok(false) };
        let is_proof = |status: &Status| {
            let log = status.log_url.as_deref().unwrap_or_default();
            status.state == "success" && job_of(log, run).is_some()
        };
        let looked = async {
            let mut effort = self.client.effort();
            let query = Serializer::new(String::new())
                .append_pair("sha", commit)
                .append_pair("environment", environment)
                .finish();
            let route = format!("/repos/{}/deployments?{query}", self.repository);
            for deployment in some::<Deployment>(&mut effort, &route, DEPLOYED).await? {
                if self.statuses(&mut effort, &deployment.id.to_string()).await?.iter().any(is_proof) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        looked.await.map_err(|failure: Failure| {
            failure
                .problem_for(
                    Code::ForgeRefused,
                    &format!("list the deployments to `{environment}`"),
                    "deployments: read",
                )
                .with_note("nothing was run")
        })
    }

    /// What reviewers have said in a run, and, where that matters, in which of the teams that count they are.
    pub(in crate::forge) async fn said(
        &self,
        run: &str,
        environment: &str,
        rule: &Approval,
    ) -> Result<Vec<Decision>, Problem> {
        let mut effort = self.client.effort();
        let mut decisions = self.reviews(&mut effort, run, environment).await?;
        let Some(from) = rule.from.as_ref().filter(|from| !from.teams.is_empty()) else { return Ok(decisions) };
        let is_named = |decision: &Decision| from.users.iter().any(|user| is_same(user, &decision.by));
        for decision in decisions.iter_mut().filter(|decision| !is_named(decision)) {
            for team in &from.teams {
                if self.is_member(&mut effort, team, &decision.by).await? {
                    decision.teams.push(team.clone());
                }
            }
        }
        Ok(decisions)
    }

    async fn reviews(&self, effort: &mut Effort<'_>, run: &str, environment: &str) -> Result<Vec<Decision>, Problem> {
        let route = format!("/repos/{}/actions/runs/{}/approvals", self.repository, segment(run));
        let reviews: Vec<Review> = effort.get(&route).await.map_err(|failure| {
            failure
                .problem_for(Code::ForgeRefused, "say who approved this run", "actions: read")
                .with_note("nothing was run")
        })?;
        let said = |review: Review| {
            let answer = Answer::of_word(&review.state)?;
            // Names of environments are the same whatever the case.
            let is_here = review.environments.iter().any(|it| is_same(&it.name, environment));
            let comment = Some(review.comment).filter(|comment| !comment.is_empty());
            is_here.then_some(Decision { answer, by: review.user.login, at: None, comment, teams: vec![] })
        };
        Ok(reviews.into_iter().filter_map(said).collect())
    }

    /// Whether somebody is in a team, which is `team` of the repository's organisation or `organisation/team`.
    async fn is_member(&self, effort: &mut Effort<'_>, team: &str, user: &str) -> Result<bool, Problem> {
        let owner = self.repository.split('/').next().unwrap_or_default();
        let (organisation, team) = team.split_once('/').unwrap_or((owner, team));
        let route = format!("/orgs/{}/teams/{}/memberships/{}", segment(organisation), segment(team), segment(user));
        let membership = unless_absent(effort.get::<Membership>(&route).await).map_err(|failure| {
            failure
                .problem_for(Code::ForgeRefused, &format!("say whether `{user}` is in team `{team}`"), "members: read")
                .with_note("nothing was run")
                .with_hint(
                    "give `GITHUB_TOKEN` a token that may read the organisation's members, which the job's own may not; \
                     or name people in `from.users`",
                )
        })?;
        Ok(membership.is_some_and(|membership| membership.state == "active"))
    }

    /// What waits for reviewers.
    pub(in crate::forge) async fn waiting(&self, sought: Sought<'_>) -> Result<Vec<Gate>, Problem> {
        let mut effort = self.client.effort();
        let runs = match &self.run {
            Some(run) => vec![self.run_of(&mut effort, run).await?],
            None => self.waiting_runs(&mut effort).await?,
        };
        let mut gates = Vec::new();
        for run in runs {
            let id = run.id.to_string();
            let pending: Vec<Pending> = self.pending(&mut effort, &id).await?;
            let of = |name: &str| sought.environments.iter().find(|(other, _)| is_same(other, name));
            let ours: Vec<_> = pending.into_iter().filter_map(|it| Some((of(&it.environment.name)?, it))).collect();
            let found = if sought.plans && !ours.is_empty() {
                artifacts::plans(self, &mut effort, &id).await?
            } else {
                artifacts::Found::default()
            };
            for ((name, rule), Pending { environment, current_user_can_approve }) in ours {
                let is_meant = |file: &&PlanFile| is_same(&file.plan.environment, name) && run.is_of(file);
                gates.push(Gate {
                    decisions: self.said(&id, name, rule).await?,
                    plans: found.plans.iter().filter(is_meant).cloned().collect(),
                    unread: found.unread.clone(),
                    page: self.run_page(&id).or(environment.html_url),
                    environment: (*name).to_owned(),
                    run: id.clone(),
                    id: environment.id,
                    may_answer: Some(current_user_can_approve),
                    starters: run.starters(),
                    origin: Some(run.origin(&self.repository)),
                });
            }
        }
        Ok(gates)
    }

    async fn run_of(&self, effort: &mut Effort<'_>, run: &str) -> Result<Run, Problem> {
        let route = format!("/repos/{}/actions/runs/{}", self.repository, segment(run));
        effort.get(&route).await.map_err(|failure| {
            failure.problem_for(Code::ForgeRefused, &format!("say what began run {run}"), "actions: read")
        })
    }

    async fn waiting_runs(&self, effort: &mut Effort<'_>) -> Result<Vec<Run>, Problem> {
        let pages = Pages::first(format!("/repos/{}/actions/runs?status=waiting", self.repository));
        pages
            .collect_in(effort, |page: Runs| page.workflow_runs)
            .await
            .map_err(|failure| failure.problem_for(Code::ForgeRefused, "list the runs that wait", "actions: read"))
    }

    async fn pending(&self, effort: &mut Effort<'_>, run: &str) -> Result<Vec<Pending>, Problem> {
        effort.get(&self.pending_route(run)).await.map_err(|failure| {
            failure.problem_for(Code::ForgeRefused, &format!("say what waits in run {run}"), "actions: read")
        })
    }

    pub(super) fn pending_route(&self, run: &str) -> String {
        format!("/repos/{}/actions/runs/{}/pending_deployments", self.repository, segment(run))
    }

    /// Where people see a run of a workflow.
    fn run_page(&self, run: &str) -> Option<String> {
        Some(format!("{}/actions/runs/{run}", self.site_of_repository()?))
    }

    /// The name of whoever the token belongs to. A job's token belongs to nobody.
    pub(in crate::forge) async fn who(&self) -> Option<String> {
        self.owner_of_token(&mut self.client.effort()).await
    }

    pub(super) async fn owner_of_token(&self, effort: &mut Effort<'_>) -> Option<String> {
        let user: Result<User, _> = effort.get("/user").await;
        user.ok().map(|user| user.login)
    }

    /// Reviews what waits.
    pub(in crate::forge) async fn reply(&self, gate: &Gate, reply: Reply<'_>) -> Result<(), Problem> {
        let action = format!("review run {} for `{}`", gate.run, gate.environment);
        let hint = "set `GITHUB_TOKEN` to a token of a required reviewer of the environment: a job's own token reviews nothing";
        if gate.may_answer == Some(false) {
            return Err(Problem::new(Code::ForgeRefused, format!("GitHub would refuse to {action}"))
                .because("whoever the token belongs to is no required reviewer of the environment")
                .with_note("nothing was changed")
                .with_hint(hint));
        }
        let body = json!({ "environment_ids": [gate.id], "state": reply.answer.word(), "comment": reply.comment });
        let route = self.pending_route(&gate.run);
        let mut effort = self.client.effort();
        let sent = async {
            let is_it = |pending: &Pending| pending.environment.id == gate.id;
            exactly_once!(
                effort,
                effort.post_for::<Value>(&route, &body, StatusCode::OK).await?.map(drop),
                (!effort.get::<Vec<Pending>>(&route).await?.iter().any(is_it)).then_some(())
            );
            Ok(())
        };
        sent.await.map_err(|failure: Failure| {
            failure.problem_hinted(Code::ForgeRefused, &action, hint).with_note("nothing was changed")
        })
    }
}

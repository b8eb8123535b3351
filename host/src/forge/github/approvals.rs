//! GitHub's gate: the required reviewers of an environment ("Reviewing deployments", "REST API endpoints for workflow runs").
//!
//! One approval is enough for GitHub, and it keeps no time of it. How many it takes, whose count and for which plan is
//! decided by [`crate::gate`] from what is read here.

use super::{GitHub, PAGE, artifacts};
use crate::approval::{Answer, Decision, is_same};
use crate::config::Approval;
use crate::forge::approvals::{Gate, Reply, Sought};
use crate::forge::client::Effort;
use crate::forge::segment;
use crate::problem::{Code, Problem};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

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

#[derive(Debug, Deserialize)]
struct Run {
    id: u64,
}

impl GitHub {
    /// What reviewers have said in this run of the workflow. GitHub tells nobody when.
    pub(in crate::forge) async fn decisions(
        &self,
        environment: &str,
        rule: &Approval,
    ) -> Result<Vec<Decision>, Problem> {
        let Some(run) = &self.run else {
            return Err(Problem::new(Code::ForgeRefused, "it is not known who approved this deployment on GitHub")
                .because("`GITHUB_RUN_ID` is not set: this is no job of a workflow")
                .with_note("nothing was run")
                .with_hint("run it in a job of GitHub Actions, or with `--forge local`"));
        };
        self.said(run, environment, rule).await
    }

    /// What reviewers have said in a run, and in which of the teams that count they are.
    pub(in crate::forge) async fn said(
        &self,
        run: &str,
        environment: &str,
        rule: &Approval,
    ) -> Result<Vec<Decision>, Problem> {
        let mut effort = self.client.effort();
        let mut decisions = self.reviews(&mut effort, run, environment).await?;
        let Some(from) = rule.from.as_ref().filter(|from| !from.teams.is_empty()) else { return Ok(decisions) };
        for decision in &mut decisions {
            if from.users.iter().any(|user| is_same(user, &decision.by)) {
                continue;
            }
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
            let answer = match review.state.as_str() {
                "approved" => Answer::Approved,
                "rejected" => Answer::Rejected,
                _ => return None,
            };
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
        match effort.get::<Membership>(&route).await {
            Ok(membership) => Ok(membership.state == "active"),
            Err(failure) if failure.status() == Some(StatusCode::NOT_FOUND) => Ok(false),
            Err(failure) => Err(failure
                .problem_for(Code::ForgeRefused, &format!("say whether `{user}` is in team `{team}`"), "members: read")
                .with_note("nothing was run")
                .with_hint(
                    "give `GITHUB_TOKEN` a token that may read the organisation's members, which the job's own may not; \
                     or name people in `from.users`",
                )),
        }
    }

    /// What waits for reviewers.
    pub(in crate::forge) async fn waiting(&self, sought: Sought<'_>) -> Result<Vec<Gate>, Problem> {
        let mut effort = self.client.effort();
        let runs = match &self.run {
            Some(run) => vec![run.clone()],
            None => self.waiting_runs(&mut effort).await?,
        };
        let mut gates = Vec::new();
        for run in runs {
            let pending: Vec<Pending> = self.pending(&mut effort, &run).await?;
            let of = |name: &str| sought.environments.iter().find(|(other, _)| is_same(other, name));
            let ours: Vec<_> = pending.into_iter().filter_map(|it| Some((of(&it.environment.name)?, it))).collect();
            let plans = if sought.plans && !ours.is_empty() {
                artifacts::plans(self, &mut effort, &run).await?
            } else {
                Vec::new()
            };
            for ((name, rule), Pending { environment, current_user_can_approve }) in ours {
                let plans = plans.iter().filter(|file| is_same(&file.plan.environment, name));
                gates.push(Gate {
                    decisions: self.said(&run, name, rule).await?,
                    plans: plans.cloned().collect(),
                    page: self.run_page(&run).or(environment.html_url),
                    environment: (*name).to_owned(),
                    run: run.clone(),
                    id: environment.id,
                    may_answer: Some(current_user_can_approve),
                });
            }
        }
        Ok(gates)
    }

    async fn waiting_runs(&self, effort: &mut Effort<'_>) -> Result<Vec<String>, Problem> {
        let route = format!("/repos/{}/actions/runs?status=waiting&per_page={PAGE}", self.repository);
        let runs: Runs = effort
            .get(&route)
            .await
            .map_err(|failure| failure.problem_for(Code::ForgeRefused, "list the runs that wait", "actions: read"))?;
        Ok(runs.workflow_runs.into_iter().map(|run| run.id.to_string()).collect())
    }

    pub(super) async fn pending(&self, effort: &mut Effort<'_>, run: &str) -> Result<Vec<Pending>, Problem> {
        effort.get(&self.pending_route(run)).await.map_err(|failure| {
            failure.problem_for(Code::ForgeRefused, &format!("say what waits in run {run}"), "actions: read")
        })
    }

    fn pending_route(&self, run: &str) -> String {
        format!("/repos/{}/actions/runs/{}/pending_deployments", self.repository, segment(run))
    }

    /// Where people see a run of a workflow.
    fn run_page(&self, run: &str) -> Option<String> {
        Some(format!("{}/actions/runs/{run}", self.site_of_repository()?))
    }

    /// The name of whoever the token belongs to. A job's token belongs to nobody.
    pub(in crate::forge) async fn who(&self) -> Option<String> {
        let user: Result<User, _> = self.client.effort().get("/user").await;
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
        let state = match reply.answer {
            Answer::Approved => "approved",
            Answer::Rejected => "rejected",
        };
        let body = json!({ "environment_ids": [gate.id], "state": state, "comment": reply.comment });
        let route = self.pending_route(&gate.run);
        let mut effort = self.client.effort();
        loop {
            let sent = effort.post_for::<Value>(&route, &body, StatusCode::OK).await;
            let sent = sent.map_err(|failure| {
                let problem = failure.problem(Code::ForgeRefused, &action).with_note("nothing was changed");
                if failure.status().is_some_and(|status| status.is_client_error()) {
                    problem.with_hint(hint)
                } else {
                    problem
                }
            })?;
            if sent.is_some() {
                return Ok(());
            }
            let waits = self.pending(&mut effort, &gate.run).await?;
            effort.settle();
            if !waits.iter().any(|pending| pending.environment.id == gate.id) {
                return Ok(());
            }
        }
    }
}

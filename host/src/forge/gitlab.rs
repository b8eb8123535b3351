//! GitLab: deployments, through its REST API ("Deployments API", `doc/api/deployments.md`).
//!
//! A deployment there has no room for our run's id. What was sent and not answered is found by what else is known of it: it
//! is later than the newest of before, for the same commit and reference, running, no CI job's, and in no other run's journal.
//! Where that is true of more than what was sent, nobody guesses: the run stays in doubt until it can be told.
//!
//! Where the job has `environment:`, GitLab makes the deployment itself and takes its state from how the job ends. Nobody else
//! may change it: the API answers 403.

mod approvals;
mod comments;
mod deployments;
mod environments;
mod freeze;
mod jobs;
mod leases;
mod packages;
mod wire;

use super::answer::{Failure, Peer};
use super::client::{CLOSING, Client, Effort, Patience, Unusable, exactly_once};
use super::deployments::{unfound, unmade};
use super::pages::{Pages, some};
use super::{Announcement, Created, State};
use crate::ci;
use crate::config::DeploymentOwner;
use crate::network::Trust;
use crate::problem::{Code, Problem};
use crate::secret::Secret;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded::Serializer;
use wire::Http;

/// The clocks of GitLab and of the machine that began a run may be this far apart, in seconds.
const SKEW: i64 = 600;

/// The token that the job has by itself, and the one that somebody gave it.
#[derive(Debug, Clone)]
pub(super) enum Token {
    /// `CI_JOB_TOKEN`.
    Job(Secret),
    /// `GITLAB_TOKEN`: of a person, a project or a group.
    Given(Secret),
}

/// A project on GitLab and the right to speak for the job.
#[derive(Debug)]
pub struct GitLab {
    project: ci::GitLabProject,
    /// Whether the token is one that somebody gave the job.
    is_given: bool,
    /// The job's commit.
    commit: Option<String>,
    /// Boxed: the other forges are small.
    pub(super) client: Box<Client>,
}

/// A deployment, as far as we read it.
#[derive(Debug, Deserialize)]
struct Deployment {
    id: u64,
    #[serde(default)]
    sha: String,
    #[serde(default, rename = "ref")]
    reference: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    created_at: Option<jiff::Timestamp>,
    #[serde(default)]
    environment: Option<Environment>,
    /// The CI job that made it; none where the API did.
    #[serde(default)]
    deployable: Option<Job>,
}

#[derive(Debug, Deserialize)]
struct Environment {
    id: u64,
    #[serde(default)]
    name: String,
}

#[derive(Debug, Deserialize)]
struct Job {
    id: u64,
    #[serde(default)]
    status: String,
    #[serde(default)]
    pipeline: Option<Pipeline>,
}

#[derive(Debug, Deserialize)]
struct Pipeline {
    id: u64,
    #[serde(default)]
    web_url: Option<String>,
}

impl Job {
    /// The number of its pipeline.
    fn pipeline(&self) -> Option<u64> {
        self.pipeline.as_ref().map(|pipeline| pipeline.id)
    }
}

/// Since when what we look for can be there.
#[derive(Debug, Clone, Copy)]
enum Since {
    /// Later than this deployment.
    Deployment(u64),
    /// Later than this moment.
    Moment(jiff::Timestamp),
}

impl Since {
    /// Since a run began.
    fn moment(begun: jiff::Timestamp) -> Self {
        Self::Moment(begun.checked_sub(jiff::SignedDuration::from_secs(SKEW)).unwrap_or(begun))
    }
}

impl GitLab {
    /// The job's project. Nothing is sent.
    pub(super) fn new(
        facts: &ci::Facts,
        token: Option<Token>,
        trust: Trust,
        patience: Patience,
    ) -> Result<Self, Problem> {
        let unusable = |cause: String, hint| Unusable { cause, hint }.problem(Peer::GitLab);
        let Some(project) = &facts.gitlab else {
            return Err(unusable(
                "`CI_API_V4_URL` or `CI_PROJECT_ID` is not set".into(),
                "run it in a job of GitLab CI, or with `--forge local`",
            ));
        };
        let Some(token) = token else {
            return Err(unusable(
                "there is no token: neither `CI_JOB_TOKEN` nor `GITLAB_TOKEN` is set".into(),
                "GitLab gives every job `CI_JOB_TOKEN`; elsewhere set `GITLAB_TOKEN` to a token with the scope `api`",
            ));
        };
        let is_given = matches!(token, Token::Given(_));
        let wire = Http::new(&project.api, token, trust).map_err(|unusable| unusable.problem(Peer::GitLab))?;
        let client = Client::new(Peer::GitLab, &project.api, wire, patience);
        Ok(Self { project: project.clone(), is_given, commit: facts.commit.clone(), client: Box::new(client) })
    }

    /// Who makes the deployment to an environment: the job, where it has `environment:` of this name.
    pub(super) fn owner(
        &self,
        configured: Option<DeploymentOwner>,
        environment: &str,
    ) -> Result<DeploymentOwner, Problem> {
        let does = self.project.environment.as_deref() == Some(environment);
        match configured {
            None if does => Ok(DeploymentOwner::Adopt),
            None => Ok(DeploymentOwner::Own),
            Some(DeploymentOwner::Own) if does => Err(Problem::new(
                Code::ConfigInvalid,
                format!("both the job and Windlass would deploy to `{environment}`"),
            )
            .because(
                "the job has `environment:`, so GitLab makes a deployment, and `deployment = \"own\"` makes another",
            )
            .with_note("nothing was run")
            .with_hint("write `deployment = \"adopt\"`, or take `environment:` out of the job")),
            Some(DeploymentOwner::Adopt) if !does => {
                Err(Problem::new(Code::ConfigInvalid, format!("there is no deployment to `{environment}` to adopt"))
                    .because(match &self.project.environment {
                        Some(other) => format!("the job has `environment:`, but for `{other}`"),
                        None => "the job has no `environment:`".to_owned(),
                    })
                    .with_note("nothing was run")
                    .with_hint(how_to_adopt(environment)))
            }
            Some(owner) => Ok(owner),
        }
    }

    /// Makes the deployment, running.
    pub(super) async fn create(&self, announcement: &Announcement) -> Result<Created, Problem> {
        let mut effort = self.client.effort();
        let made = self
            .make(&mut effort, announcement)
            .await
            .map_err(|failure| unmade(&failure, &self.action(announcement)))?;
        Ok(self.created(&made, false))
    }

    async fn make(&self, effort: &mut Effort<'_>, announcement: &Announcement) -> Result<Deployment, Failure> {
        let subject = &announcement.subject;
        if let Some(begun) = announcement.begun
            && let Some(found) = self.only(effort, announcement, Since::moment(begun)).await?
        {
            return Ok(found);
        }
        // What is the newest now tells ours from it, should the answer be lost.
        let newest = self.list(effort, &subject.environment, 1).await?.first().map_or(0, |newest| newest.id);
        let body = json!({
            "environment": subject.environment,
            "sha": subject.commit,
            "ref": reference(announcement),
            "tag": announcement.is_tag,
            "status": word(State::InProgress),
        });
        let route = self.route("/deployments");
        // How many were sent of which nobody heard.
        let mut lost = 0;
        // Whether others may have come of it besides.
        let mut may_have_more;
        let made = exactly_once!(
            effort,
            {
                may_have_more = lost > 0;
                effort.post::<Deployment>(&route, &body).await?
            },
            {
                lost += 1;
                let found = self.search(effort, announcement, Since::Deployment(newest)).await?;
                if found.len() > lost {
                    return Err(self.several(&found));
                }
                may_have_more = found.len() > 1;
                found.into_iter().next()
            }
        );
        if may_have_more {
            self.close_others(announcement, newest, &made, lost).await;
        }
        Ok(made)
    }

    /// Ends what came of the same request a second time, late. Where there are more than were sent, others' are among them.
    async fn close_others(&self, announcement: &Announcement, newest: u64, made: &Deployment, lost: usize) {
        let mut effort = self.client.effort_of(CLOSING);
        let Ok(found) = self.search(&mut effort, announcement, Since::Deployment(newest)).await else { return };
        let found: Vec<u64> = found.iter().map(|found| found.id).filter(|id| *id != made.id).collect();
        if found.len() > lost {
            return;
        }
        for id in found {
            if self.set(&mut effort, &id.to_string(), State::Cancelled).await.is_err() {
                tracing::warn!("deployment {id} was made twice, and cannot be closed");
            }
        }
    }

    /// The one that may be ours; none where there is none.
    async fn only(
        &self,
        effort: &mut Effort<'_>,
        announcement: &Announcement,
        since: Since,
    ) -> Result<Option<Deployment>, Failure> {
        let mut found = self.search(effort, announcement, since).await?;
        if found.len() > 1 { Err(self.several(&found)) } else { Ok(found.pop()) }
    }

    /// That nobody can tell which of these is meant.
    fn several(&self, found: &[Deployment]) -> Failure {
        let several = found.iter().map(|found| found.id).collect();
        Failure { several, in_doubt: true, ..Failure::new(Peer::GitLab, &self.project.api) }
    }

    /// The deployment that the job itself made.
    pub(super) async fn adopt(&self, announcement: &Announcement) -> Result<Created, Problem> {
        let environment = &announcement.subject.environment;
        let found = self.of_job(&mut self.client.effort(), environment).await?;
        found.map(|found| self.created(&found, true)).ok_or_else(|| {
            Problem::new(Code::ForgeRefused, format!("the job has made no deployment to `{environment}`"))
                .because("none of the newest deployments there is of this job")
                .with_note("nothing was run")
                .with_hint(how_to_adopt(environment))
        })
    }

    /// The deployment of a run that was cut off before it could write down that there is one.
    pub(super) async fn find(&self, announcement: &Announcement) -> Result<Option<Created>, Problem> {
        let Some(begun) = announcement.begun else { return Ok(None) };
        let found = self.only(&mut self.client.effort(), announcement, Since::moment(begun)).await;
        let found = found.map_err(|failure| unfound(&failure))?;
        Ok(found.map(|found| self.created(&found, false)))
    }

    /// As [`crate::forge::Forge::is_of_run`].
    pub(super) async fn is_of_run(&self, created: &Created, announcement: &Announcement) -> Result<bool, Problem> {
        let subject = &announcement.subject;
        let route = self.route(&format!("/deployments/{}", super::segment(&created.id)));
        match self.client.effort().get::<Deployment>(&route).await {
            Ok(found) => Ok(found.environment.is_some_and(|environment| environment.name == subject.environment)
                && found.sha == subject.commit
                && found.deployable.is_none()
                && !announcement.others.ids().contains(&created.id)),
            Err(failure) if failure.status() == Some(StatusCode::NOT_FOUND) => Ok(false),
            Err(failure) => Err(failure.problem(Code::ForgeRefused, &format!("show deployment {}", created.id))),
        }
    }

    /// Sets the deployment's state.
    pub(super) async fn tell(&self, created: &Created, state: State) -> Result<(), Problem> {
        let set = self.set(&mut self.client.effort(), &created.id, state).await;
        set.map_err(|failure| {
            failure
                .problem(Code::ForgeUnreported, &format!("set the state of deployment {}", created.id))
                .with_note(state.untold())
        })
    }

    /// Sees that the deployment has this state, and sets it again where it has not.
    pub(super) async fn confirm(&self, created: &Created, state: State) -> Result<(), Problem> {
        let mut effort = self.client.effort_of(CLOSING);
        let route = self.route(&format!("/deployments/{}", super::segment(&created.id)));
        match effort.get::<Deployment>(&route).await {
            Ok(now) if now.status == word(state) => Ok(()),
            _ => self.tell(created, state).await,
        }
    }

    async fn set(&self, effort: &mut Effort<'_>, id: &str, state: State) -> Result<(), Failure> {
        let route = self.route(&format!("/deployments/{}", super::segment(id)));
        let refused = match effort.put::<Deployment>(&route, &json!({ "status": word(state) })).await {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        // GitLab refuses a state that a deployment has already, also where it was an answer of its own that was lost.
        if refused.status() != Some(StatusCode::BAD_REQUEST) {
            return Err(refused);
        }
        let now: Deployment = effort.get(&route).await?;
        if now.status == word(state) { Ok(()) } else { Err(refused) }
    }

    /// What we may have made without hearing of it, newest first.
    async fn search(
        &self,
        effort: &mut Effort<'_>,
        announcement: &Announcement,
        since: Since,
    ) -> Result<Vec<Deployment>, Failure> {
        let subject = &announcement.subject;
        let is_since = |deployment: &Deployment| match since {
            Since::Deployment(id) => deployment.id > id,
            Since::Moment(moment) => deployment.created_at.is_some_and(|at| at >= moment),
        };
        let mut found: Vec<Deployment> = Vec::new();
        let mut pages = Pages::all(self.route_to(&subject.environment));
        while let Some(listed) = pages.next(effort).await? {
            let is_last = !listed.iter().all(is_since);
            let is_ours = |deployment: &Deployment| {
                is_since(deployment)
                    && deployment.deployable.is_none()
                    && deployment.sha == subject.commit
                    && deployment.reference == reference(announcement)
                    && deployment.status == word(State::InProgress)
            };
            found.extend(listed.into_iter().filter(is_ours));
            if is_last {
                break;
            }
        }
        if !found.is_empty() {
            let others = announcement.others.ids();
            found.retain(|found| !others.contains(&found.id.to_string()));
        }
        Ok(found)
    }

    /// The newest deployments to an environment, the newest first.
    async fn list(&self, effort: &mut Effort<'_>, environment: &str, most: usize) -> Result<Vec<Deployment>, Failure> {
        some(effort, &self.route_to(environment), most).await
    }

    /// Where the deployments to an environment are listed, newest first.
    fn route_to(&self, environment: &str) -> String {
        let query = Serializer::new(String::new())
            .append_pair("environment", environment)
            .append_pair("order_by", "id")
            .append_pair("sort", "desc")
            .finish();
        self.route(&format!("/deployments?{query}"))
    }

    fn route(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", super::segment(&self.project.id))
    }

    fn created(&self, deployment: &Deployment, adopted: bool) -> Created {
        let page = |environment: &Environment| {
            Some(format!("{}/-/environments/{}", self.project.page.as_deref()?, environment.id))
        };
        let url = deployment.environment.as_ref().and_then(page);
        Created { id: deployment.id.to_string(), url, adopted }
    }

    fn action(&self, announcement: &Announcement) -> String {
        format!("create a deployment of project {} to `{}`", self.project.id, announcement.subject.environment)
    }
}

fn how_to_adopt(environment: &str) -> String {
    format!("give the job `environment: {{ name: {environment} }}`, or write `deployment = \"own\"`")
}

/// GitLab wants a branch or a tag; where none is known, the commit is one that it takes.
fn reference(announcement: &Announcement) -> &str {
    announcement.subject.reference.as_deref().unwrap_or(&announcement.subject.commit)
}

/// One of the words that may be written: `running`, `success`, `failed`, `canceled`.
const fn word(state: State) -> &'static str {
    match state {
        State::InProgress => "running",
        State::Success => "success",
        State::Failure | State::Error => "failed",
        State::Cancelled => "canceled",
    }
}

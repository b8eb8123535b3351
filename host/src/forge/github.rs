//! GitHub: deployments and their statuses ("REST API endpoints for deployments"), through octocrab.
//!
//! Once each, over a bad network: what was sent and not answered is looked for before it is sent again. What an answer means is
//! in [`super::answer`], how long and how often one is asked for in [`super::client`]. What is sent, here and in the files beside
//! this one, tests hold against GitHub's official description, `tests/fixtures/github-requests.json`.

mod adopt;
mod approvals;
mod artifacts;
mod comments;
mod deployments;
mod environments;
mod jobs;
mod protection;
mod refs;
#[cfg(test)]
mod tests;
mod wire;

pub use protection::ProtectionRule;

use super::answer::{Failure, Peer};
use super::client::{CLOSING, Client, Effort, Patience, Unusable, exactly_once};
use super::deployments::{unfound, unmade};
use super::pages::{PAGE, Pages, some};
use super::{Announcement, Created, State, segment};
use crate::ci;
use crate::network::Trust;
use crate::problem::{Code, Problem};
use crate::secret::Secret;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use url::Url;
use url::form_urlencoded::Serializer;
use wire::Octo;

/// The version of what we put into a deployment's `payload`.
const PAYLOAD_SCHEMA: &str = "windlass.deployment/1";

/// What a deployment of ours is for, in GitHub's words.
const TASK: &str = "deploy";

/// The most characters that GitHub takes as a status's description.
const DESCRIPTION: usize = 140;

/// A repository on GitHub and the right to speak for the job.
#[derive(Debug)]
pub struct GitHub {
    /// `owner/name`.
    repository: String,
    /// The number of the workflow's run.
    run: Option<String>,
    /// The number of the job in it, where the workflow says it: a job does not know it by itself.
    job: Option<String>,
    /// The number of the pull request that the job is for.
    request: Option<u64>,
    /// Where people see it, where that can be told from the API's address.
    site: Option<Url>,
    /// Where people see the repository, as the job says it.
    page: Option<String>,
    /// The base of the API.
    api: String,
    /// For what it hands out by an address.
    trust: Trust,
    /// Boxed: the other forges are small.
    pub(super) client: Box<Client>,
    /// Commits that were read or made: they never change.
    known: Mutex<BTreeMap<String, refs::Commit>>,
}

/// A deployment, as far as we read it.
#[derive(Debug, Deserialize)]
struct Deployment {
    id: u64,
    #[serde(default)]
    sha: String,
    #[serde(default)]
    environment: String,
    #[serde(default)]
    created_at: Option<jiff::Timestamp>,
    /// An object, or a text with one in it.
    #[serde(default)]
    payload: Value,
}

/// A deployment's status, as far as we read it. Its state may be one that cannot be written, such as `waiting`.
#[derive(Debug, Deserialize)]
struct Status {
    id: u64,
    state: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    log_url: Option<String>,
}

impl GitHub {
    /// The job's repository. Nothing is sent.
    pub(super) fn new(
        facts: &ci::Facts,
        token: Option<&Secret>,
        trust: Trust,
        patience: Patience,
    ) -> Result<Self, Problem> {
        let unusable = |cause: String, hint| Unusable { cause, hint }.problem(Peer::GitHub);
        let Some(repository) = &facts.github else {
            return Err(unusable(
                "`GITHUB_REPOSITORY` is not set".into(),
                "run it in a job of GitHub Actions, or with `--forge local`",
            ));
        };
        if !is_repository(&repository.name) {
            return Err(unusable(
                format!("`{}` is not the name of a repository", repository.name),
                "set `GITHUB_REPOSITORY` to `owner/name`",
            ));
        }
        let Some(token) = token else {
            return Err(unusable(
                "there is no token: `GITHUB_TOKEN` is not set".into(),
                "give the job `permissions: deployments: write` and the step `env: GITHUB_TOKEN: ${{ github.token }}`",
            ));
        };
        let wire = Octo::new(&repository.api, token.clone(), trust.clone());
        let wire = wire.map_err(|unusable| unusable.problem(Peer::GitHub))?;
        let client = Client::new(Peer::GitHub, &repository.api, wire, patience);
        Ok(Self {
            repository: repository.name.clone(),
            run: repository.run.clone(),
            job: repository.job.clone(),
            request: repository.request,
            site: site(&repository.api),
            page: repository.page.clone(),
            api: repository.api.clone(),
            trust,
            client: Box::new(client),
            known: Mutex::default(),
        })
    }

    /// The deployment of this run, if it is there.
    pub(super) async fn find(&self, announcement: &Announcement) -> Result<Option<Created>, Problem> {
        let found = self.search(&mut self.client.effort(), announcement).await;
        let id = found.map_err(|failure| unfound(&failure))?;
        let url = self.page(&announcement.subject.environment);
        Ok(id.map(|id| Created { id: id.to_string(), url, adopted: false }))
    }

    /// Creates the deployment and sets it in progress.
    pub(super) async fn create(&self, announcement: &Announcement) -> Result<Created, Problem> {
        let subject = &announcement.subject;
        let action = format!("create a deployment of `{}` to `{}`", self.repository, subject.environment);
        self.must_be_ours_to_make(announcement).await?;
        let mut effort = self.client.effort();
        let id =
            self.create_deployment(&mut effort, announcement).await.map_err(|failure| unmade(&failure, &action))?;
        let text = format!("{} {} is being deployed", subject.app, subject.version);
        let begun = self.add_status(&mut effort, &id.to_string(), announcement, word(State::InProgress), &text).await;
        if let Err(failure) = begun {
            let action = format!("set the deployment status of `{}`", self.repository);
            let problem = failure.problem(Code::ForgeRefused, &action);
            return Err(match self.close(id, announcement).await {
                true => Problem { detail: None, ..problem }
                    .with_note(format!("nothing was run; deployment {id} was created there and is closed")),
                false => problem
                    .with_note(format!("nothing was run; deployment {id} was created there and stays open"))
                    .in_doubt(),
            });
        }
        Ok(Created { id: id.to_string(), url: self.page(&subject.environment), adopted: false })
    }

    /// Adds a status to the deployment.
    pub(super) async fn tell(
        &self,
        created: &Created,
        announcement: &Announcement,
        state: State,
        description: &str,
    ) -> Result<(), Problem> {
        let mut effort = self.client.effort();
        self.add_status(&mut effort, &created.id, announcement, word(state), description).await.map_err(|failure| {
            failure
                .problem(Code::ForgeUnreported, &format!("set the deployment status of `{}`", self.repository))
                .with_note(state.untold())
        })
    }

    /// Sees that the newest status of ours says this, and sets it again where it does not.
    pub(super) async fn confirm(
        &self,
        created: &Created,
        announcement: &Announcement,
        state: State,
        description: &str,
    ) -> Result<(), Problem> {
        let log_url = announcement.log_url.as_deref().filter(|url| is_link(url));
        match self.statuses(&mut self.client.effort_of(CLOSING), &created.id).await {
            Ok(listed) if stands(&listed, word(state), &cut(description), log_url) => Ok(()),
            _ => self.tell(created, announcement, state, description).await,
        }
    }

    async fn create_deployment(&self, effort: &mut Effort<'_>, announcement: &Announcement) -> Result<u64, Failure> {
        let subject = &announcement.subject;
        let component = subject.component.as_ref().map(|component| format!(" ({component})")).unwrap_or_default();
        let body = json!({
            "ref": subject.commit,
            "task": TASK,
            // Absent, GitHub would merge the default branch into the commit's, and refuse commits with open checks:
            // what is deployed and when is the plan's to say.
            "auto_merge": false,
            "required_contexts": [],
            "environment": subject.environment,
            "production_environment": subject.environment == "production",
            "transient_environment": announcement.transient,
            "description": cut(&format!("{} {}{component}", subject.app, subject.version)),
            "payload": {
                "schema": PAYLOAD_SCHEMA,
                "run": announcement.run,
                "plan": announcement.plan,
                "key": announcement.key,
                "app": subject.app,
                "component": subject.component,
                "version": subject.version,
            },
        });
        let route = format!("/repos/{}/deployments", self.repository);
        // A process that was cut off may have got as far as this.
        if announcement.begun.is_some()
            && let Some(id) = self.search(effort, announcement).await?
        {
            return Ok(id);
        }
        let mut sent = 0;
        Ok(exactly_once!(
            effort,
            {
                sent += 1;
                let made = effort.post::<Deployment>(&route, &body).await?.map(|made| made.id);
                if let Some(made) = made.filter(|_| sent > 1) {
                    self.close_others(announcement, made).await;
                }
                made
            },
            self.search(effort, announcement).await?
        ))
    }

    /// Closes what came of the same request a second time, late.
    async fn close_others(&self, announcement: &Announcement, made: u64) {
        let mut effort = self.client.effort_of(CLOSING);
        let listed = some(&mut effort, &self.route_of(announcement), PAGE).await;
        let Ok(listed): Result<Vec<Deployment>, _> = listed else { return };
        let is_other = |it: &&Deployment| it.id != made && is_of_run(&it.payload, &announcement.run);
        for other in listed.iter().filter(is_other) {
            let text = format!("Asked for twice: deployment {made} shows this run");
            let closed =
                self.add_status(&mut effort, &other.id.to_string(), announcement, word(State::Error), &text).await;
            if closed.is_err() {
                tracing::warn!("deployment {} was made twice, and cannot be closed", other.id);
            }
        }
    }

    /// The id of this run's deployment, if it is there.
    async fn search(&self, effort: &mut Effort<'_>, announcement: &Announcement) -> Result<Option<u64>, Failure> {
        // It is among the newest, and the list begins with those.
        let mut pages = Pages::first(self.route_of(announcement));
        while let Some(listed) = pages.next::<Deployment>(effort).await? {
            if let Some(ours) = listed.iter().find(|deployment| is_of_run(&deployment.payload, &announcement.run)) {
                return Ok(Some(ours.id));
            }
        }
        Ok(None)
    }

    /// Where the deployments of the commit to the environment are listed, newest first.
    fn route_of(&self, announcement: &Announcement) -> String {
        let query = Serializer::new(String::new())
            .append_pair("sha", &announcement.subject.commit)
            .append_pair("environment", &announcement.subject.environment)
            .append_pair("task", TASK)
            .finish();
        format!("/repos/{}/deployments?{query}", self.repository)
    }

    /// The statuses of a deployment.
    async fn statuses(&self, effort: &mut Effort<'_>, id: &str) -> Result<Vec<Status>, Failure> {
        let route = format!("/repos/{}/deployments/{}/statuses", self.repository, segment(id));
        some(effort, &route, PAGE).await
    }

    async fn add_status(
        &self,
        effort: &mut Effort<'_>,
        id: &str,
        announcement: &Announcement,
        state: &str,
        description: &str,
    ) -> Result<(), Failure> {
        let mut body = status(state, description);
        let links = [
            ("log_url", announcement.log_url.as_deref().filter(|url| is_link(url))),
            ("environment_url", announcement.environment_url.as_deref().filter(|url| is_link(url))),
        ];
        for (name, url) in links.into_iter().filter_map(|(name, url)| Some((name, url?))) {
            body[name] = url.into();
        }
        self.set_status(effort, id, &body).await
    }

    /// Sends a status, once.
    async fn set_status(&self, effort: &mut Effort<'_>, id: &str, body: &Value) -> Result<(), Failure> {
        let text = |key: &str| body[key].as_str();
        let route = format!("/repos/{}/deployments/{}/statuses", self.repository, segment(id));
        let (state, description) = (text("state").unwrap_or_default(), text("description").unwrap_or_default());
        exactly_once!(
            effort,
            effort.post::<Status>(&route, body).await?.map(drop),
            stands(&self.statuses(effort, id).await?, state, description, text("log_url")).then_some(())
        );
        Ok(())
    }

    /// Closes a deployment that will not be run. Whether GitHub lets us.
    async fn close(&self, id: u64, announcement: &Announcement) -> bool {
        let mut effort = self.client.effort_of(CLOSING);
        self.add_status(&mut effort, &id.to_string(), announcement, word(State::Error), "Nothing was run").await.is_ok()
    }

    /// Where people see the repository.
    fn site_of_repository(&self) -> Option<String> {
        let of_api = || {
            let mut url = self.site.clone()?;
            url.path_segments_mut().ok()?.pop_if_empty().extend(self.repository.split('/'));
            Some(url.into())
        };
        self.page.clone().or_else(of_api)
    }

    /// Where a person sees the deployments to an environment.
    fn page(&self, environment: &str) -> Option<String> {
        let mut url = self.site.clone()?;
        let mut segments = url.path_segments_mut().ok()?;
        segments.pop_if_empty().extend(self.repository.split('/')).push("deployments").push(environment);
        drop(segments);
        Some(url.into())
    }
}

const fn word(state: State) -> &'static str {
    match state {
        State::InProgress => "in_progress",
        State::Success => "success",
        State::Failure => "failure",
        State::Error | State::Cancelled => "error",
    }
}

/// A status as it is sent, but for its links.
fn status(state: &str, description: &str) -> Value {
    json!({
        "state": state,
        "description": cut(description),
        // Left to GitHub, it would also retire the releases of the other components.
        "auto_inactive": false,
    })
}

/// Whether the newest status of ours says this. A status of somebody else's has another log.
fn stands(listed: &[Status], state: &str, description: &str, log_url: Option<&str>) -> bool {
    let ours = |status: &&Status| log_url.is_none() || status.log_url.as_deref() == log_url;
    listed
        .iter()
        .filter(ours)
        .max_by_key(|status| status.id)
        .is_some_and(|status| status.state == state && status.description.as_deref().unwrap_or_default() == description)
}

/// The object that we put into a deployment, whether as one or as a text with one in it; null where it is not ours.
fn of_ours(payload: &Value) -> Value {
    let read = |text: &String| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    let payload = if let Value::String(text) = payload { read(text).unwrap_or_default() } else { payload.clone() };
    if payload["schema"] == PAYLOAD_SCHEMA { payload } else { Value::Null }
}

fn is_ours(payload: &Value) -> bool {
    !of_ours(payload).is_null()
}

fn is_of_run(payload: &Value, run: &str) -> bool {
    of_ours(payload)["run"] == run
}

/// One line, no longer than GitHub takes.
fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= DESCRIPTION {
        return line;
    }
    let kept: String = line.chars().take(DESCRIPTION - 1).collect();
    format!("{}…", kept.trim_end())
}

/// Whether GitHub takes it for a link: it refuses a request with another one.
fn is_link(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn is_repository(name: &str) -> bool {
    let good = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    name.split_once('/').is_some_and(|(owner, name)| good(owner) && good(name))
}

/// Where people go, from where programs go: `api.github.com` and `api.NAME.ghe.com`, or `/api/v3` on Enterprise Server.
fn site(api: &str) -> Option<Url> {
    let mut url = Url::parse(api).ok()?;
    let host = url.host_str()?.to_owned();
    if let Some(path) = url.path().trim_end_matches('/').strip_suffix("/api/v3").map(str::to_owned) {
        url.set_path(&path);
    } else if host == "api.github.com" || (host.starts_with("api.") && host.ends_with(".ghe.com")) {
        url.set_host(Some(host.trim_start_matches("api."))).ok()?;
    } else {
        return None;
    }
    Some(url)
}

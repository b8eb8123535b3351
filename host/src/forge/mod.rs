//! The forge: where everybody looks. The only room that speaks to one; one file per forge.
//!
//! Nothing about the forge can change what the deployment itself came to.

mod answer;
mod approvals;
mod client;
mod comments;
pub mod deployments;
mod download;
pub mod environments;
mod github;
mod gitlab;
mod kept;
mod pages;
mod reach;

pub use approvals::{Gate, Reply, Said, Sought};
pub use client::{Patience, READING, WRITING};
pub use github::ProtectionRule;
pub use kept::{Imprint, Kept, Shelf, Shelved, Shelving};

use crate::ci;
use crate::config::DeploymentOwner;
use crate::event::Subject;
use crate::freeze::Window;
use crate::network::Trust;
use crate::problem::Problem;
use crate::secret::Secrets;
use crate::variable::{CI_JOB_TOKEN, GITHUB_TOKEN, GITLAB_TOKEN};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the command line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// GitHub in GitHub Actions, GitLab in GitLab CI, otherwise local.
    Auto,
    /// GitHub, github.com or Enterprise Server.
    Github,
    /// GitLab, gitlab.com or self-managed.
    Gitlab,
    /// None: what is live is derived from the journals in `.windlass`.
    Local,
}

/// The environment variables with tokens. They are secrets, whatever the configuration says.
pub const TOKENS: [&str; 3] = [GITHUB_TOKEN, CI_JOB_TOKEN, GITLAB_TOKEN];

/// What the forge is told when a deployment begins.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// Who, where and what.
    pub subject: Subject,
    /// Our run.
    pub run: String,
    /// The plan's digest.
    pub plan: String,
    /// The CI's key of this job, where there is one.
    pub key: Option<String>,
    /// Where the environment can be seen.
    pub environment_url: Option<String>,
    /// Whether the environment comes and goes.
    pub transient: bool,
    /// Where a person can watch the run.
    pub log_url: Option<String>,
    /// Whether the reference is a tag.
    pub is_tag: bool,
    /// When the run began, where that was another process: it may have told the forge of it before it was cut off.
    pub begun: Option<jiff::Timestamp>,
    /// Who makes the deployment there.
    pub owner: DeploymentOwner,
    /// The deployments of other runs.
    pub others: Others,
}

/// The ids of deployments that belong to other runs, as far as their journals are known here. Read only where it has to be found
/// out whose a deployment is.
#[derive(Clone, Default)]
pub struct Others(Option<Arc<dyn Fn() -> BTreeSet<String> + Send + Sync>>);

impl Others {
    /// Those that this finds.
    pub fn of(find: impl Fn() -> BTreeSet<String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(find)))
    }

    fn ids(&self) -> BTreeSet<String> {
        self.0.as_ref().map(|find| find()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Others {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Others")
    }
}

/// A deployment on the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its id there.
    pub id: String,
    /// Where a person sees it.
    pub url: Option<String>,
    /// Whether the CI job made it: then its state is how the job ends, and nobody else's to set.
    pub adopted: bool,
}

/// The state of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its steps run.
    InProgress,
    /// It is live.
    Success,
    /// It is not, or no longer.
    Failure,
    /// It did not come to an end.
    Error,
    /// Somebody stopped it.
    Cancelled,
}

impl State {
    /// How things stand where this could not be told.
    const fn untold(self) -> &'static str {
        match self {
            Self::InProgress => "the deployment goes on; only its status is missing",
            Self::Success => "the deployment succeeded; only its status is missing",
            Self::Failure => "the deployment failed; its status does not show it",
            Self::Error => "the deployment did not come to an end; its status does not show it",
            Self::Cancelled => "the deployment was cancelled; its status does not show it",
        }
    }
}

/// What a forge says of times in which nothing is to be deployed.
#[derive(Debug, Clone, Default)]
pub struct Frozen {
    /// The forge's name.
    pub name: &'static str,
    /// What says that deployments are frozen now, where nobody knows until when.
    pub said: Option<&'static str>,
    /// Its own windows, as far as its token may read them.
    pub windows: Vec<Window>,
    /// Why they could not be read, or not all.
    pub unread: Option<Problem>,
}

/// A forge.
#[derive(Debug)]
pub enum Forge {
    /// None.
    Local,
    /// GitHub.
    GitHub(github::GitHub),
    /// GitLab.
    GitLab(gitlab::GitLab),
}

impl Forge {
    /// The forge of a command, with the tokens among these secrets. There is one for all that the command asks: its patience is.
    ///
    /// # Errors
    /// [`crate::problem::Code::Usage`] where one is asked for and the job does not say which repository or project, or has no token.
    pub fn choose(
        choice: Choice,
        facts: &ci::Facts,
        secrets: &Secrets,
        trust: Trust,
        patience: Patience,
    ) -> Result<Self, Problem> {
        match (choice, facts.kind) {
            (Choice::Github, _) | (Choice::Auto, ci::Kind::GitHub) => {
                github::GitHub::new(facts, secrets.get(GITHUB_TOKEN), trust, patience).map(Self::GitHub)
            }
            (Choice::Gitlab, _) | (Choice::Auto, ci::Kind::GitLab) => {
                let given = secrets.get(GITLAB_TOKEN).map(|token| gitlab::Token::Given(token.clone()));
                let token = given.or_else(|| secrets.get(CI_JOB_TOKEN).map(|token| gitlab::Token::Job(token.clone())));
                gitlab::GitLab::new(facts, token, trust, patience).map(Self::GitLab)
            }
            _ => Ok(Self::Local),
        }
    }

    /// Have all the patience again, whatever was waited in vain until now: for what has to be told, whatever came before.
    pub fn renew(&self) {
        match self {
            Self::Local => {}
            Self::GitHub(github) => github.client.renew(),
            Self::GitLab(gitlab) => gitlab.client.renew(),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::GitHub(_) => "github",
            Self::GitLab(_) => "gitlab",
        }
    }

    /// Who makes the deployment to an environment, from what the configuration says and what the job does.
    ///
    /// # Errors
    /// [`crate::problem::Code::ConfigInvalid`] where both would, or neither.
    pub fn owner(&self, configured: Option<DeploymentOwner>, environment: &str) -> Result<DeploymentOwner, Problem> {
        match self {
            // Whether a job has `environment:` GitHub says only once it is asked.
            Self::Local | Self::GitHub(_) => Ok(configured.unwrap_or(DeploymentOwner::Own)),
            Self::GitLab(gitlab) => gitlab.owner(configured, environment),
        }
    }

    /// Create the deployment, in progress, or find the one that the job made. One that is there already is not created
    /// again. The local forge has none of its own.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeRefused`].
    pub async fn create(&self, announcement: &Announcement) -> Result<Option<Created>, Problem> {
        let adopts = announcement.owner == DeploymentOwner::Adopt;
        match self {
            Self::Local => Ok(None),
            Self::GitHub(github) if adopts => github.adopt(announcement).await.map(Some),
            Self::GitHub(github) => github.create(announcement).await.map(Some),
            Self::GitLab(gitlab) if adopts => gitlab.adopt(announcement).await.map(Some),
            Self::GitLab(gitlab) => gitlab.create(announcement).await.map(Some),
        }
    }

    /// The times in which nothing is to be deployed, by the forge's own word. GitHub has none.
    pub async fn frozen(&self) -> Frozen {
        match self {
            Self::Local | Self::GitHub(_) => Frozen::default(),
            Self::GitLab(gitlab) => gitlab.frozen().await,
        }
    }

    /// The deployment of a run that may have been cut off between creating it and writing that down.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeRefused`].
    pub async fn find(&self, announcement: &Announcement) -> Result<Option<Created>, Problem> {
        match self {
            Self::Local => Ok(None),
            Self::GitHub(github) => github.find(announcement).await,
            Self::GitLab(gitlab) => gitlab.find(announcement).await,
        }
    }

    /// Whether a deployment is the one of this run, as far as the forge says whose it is: GitHub keeps the run's id with it, GitLab
    /// only where it is and of which commit.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeRefused`].
    pub async fn is_of_run(&self, created: &Created, announcement: &Announcement) -> Result<bool, Problem> {
        match self {
            Self::Local => Ok(false),
            Self::GitHub(github) => github.is_of_run(created, announcement).await,
            Self::GitLab(gitlab) => gitlab.is_of_run(created, announcement).await,
        }
    }

    /// Say how a deployment stands. Of one that the job made the job's end says it.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeUnreported`].
    pub async fn tell(
        &self,
        created: &Created,
        announcement: &Announcement,
        state: State,
        description: &str,
    ) -> Result<(), Problem> {
        match self {
            _ if created.adopted => Ok(()),
            Self::Local => Ok(()),
            Self::GitHub(github) => github.tell(created, announcement, state, description).await,
            // There is no room for the description.
            Self::GitLab(gitlab) => gitlab.tell(created, state).await,
        }
    }

    /// See that a deployment still stands as it was told: something that was said before, and given up, may have come in later.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeUnreported`].
    pub async fn confirm(
        &self,
        created: &Created,
        announcement: &Announcement,
        state: State,
        description: &str,
    ) -> Result<(), Problem> {
        match self {
            _ if created.adopted => Ok(()),
            Self::Local => Ok(()),
            Self::GitHub(github) => github.confirm(created, announcement, state, description).await,
            Self::GitLab(gitlab) => gitlab.confirm(created, state).await,
        }
    }
}

/// A text as one segment of a path.
fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

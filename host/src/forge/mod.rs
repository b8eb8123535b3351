//! The forge: where everybody looks. The only room that speaks to one; one file per forge.
//!
//! Nothing about the forge can change what the deployment itself came to.

mod github;

use crate::ci;
use crate::event::Subject;
use crate::problem::{Code, Problem};
use crate::secret::Secret;

/// What the command line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// GitHub in GitHub Actions, otherwise local.
    Auto,
    /// GitHub, github.com or Enterprise Server.
    Github,
    /// GitLab, gitlab.com or self-managed.
    Gitlab,
    /// None: what is live is derived from the journals in `.windlass`.
    Local,
}

/// What the forge is told when a deployment begins.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Where a person can watch the run.
    pub log_url: Option<String>,
}

/// A deployment on the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its id there.
    pub id: String,
    /// Where a person sees it.
    pub url: Option<String>,
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
}

/// A forge.
#[derive(Debug)]
pub enum Forge {
    /// None.
    Local,
    /// GitHub.
    GitHub(github::GitHub),
}

impl Forge {
    /// The forge of a run. `token` is the job's.
    ///
    /// # Errors
    /// [`Code::NotAvailable`] for GitLab; [`Code::Usage`] where GitHub is asked for and the job does not say which
    /// repository, or has no token.
    pub fn choose(choice: Choice, facts: &ci::Facts, token: Option<&Secret>) -> Result<Self, Problem> {
        let github = match choice {
            Choice::Local => false,
            Choice::Github => true,
            Choice::Auto => facts.kind == ci::Kind::GitHub,
            Choice::Gitlab => {
                return Err(Problem::new(Code::NotAvailable, "this version of Windlass cannot tell GitLab")
                    .with_note("nothing was run")
                    .with_hint("run with `--forge local`; the deployment itself is the same"));
            }
        };
        if github { github::GitHub::new(facts, token).map(Self::GitHub) } else { Ok(Self::Local) }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::GitHub(_) => "github",
        }
    }

    /// Create the deployment, in progress. The local forge has none of its own.
    ///
    /// # Errors
    /// [`Code::ForgeRefused`].
    pub async fn create(&self, announcement: &Announcement) -> Result<Option<Created>, Problem> {
        match self {
            Self::Local => Ok(None),
            Self::GitHub(github) => github.create(announcement).await.map(Some),
        }
    }

    /// Say how a deployment stands.
    ///
    /// # Errors
    /// [`Code::ForgeUnreported`].
    pub async fn tell(
        &self,
        created: &Created,
        announcement: &Announcement,
        state: State,
        description: &str,
    ) -> Result<(), Problem> {
        match self {
            Self::Local => Ok(()),
            Self::GitHub(github) => github.tell(created, announcement, state, description).await,
        }
    }
}

//! The gates that the forges have of their own: who was let through, what waits, and answering it.

use super::Forge;
use crate::approval::{Answer, Decision};
use crate::config::Approval;
use crate::plan::PlanFile;
use crate::problem::Problem;

/// Something that waits at a gate of the forge until people say something.
#[derive(Debug, Clone)]
pub struct Gate {
    /// The environment.
    pub environment: String,
    /// The CI run that waits.
    pub run: String,
    /// What is answered: the environment's id on GitHub, the deployment's on GitLab.
    pub id: u64,
    /// Where people see it.
    pub page: Option<String>,
    /// Whether whoever the token belongs to may answer it, where the forge says so.
    pub may_answer: Option<bool>,
    /// Who began that run, as the forge says it: a plan is a file, and says what whoever made it wrote.
    pub starters: Vec<String>,
    /// What began it, where that is known: the event, the branch, and the repository where it is a fork.
    pub origin: Option<String>,
    /// What has been said to it.
    pub decisions: Vec<Decision>,
    /// The plans that jobs of that run have made for this environment. More than one where there are components.
    pub plans: Vec<PlanFile>,
    /// What could not be read that may be one.
    pub unread: Vec<String>,
}

/// What was said at a gate, and who has no say in it because they ask.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// What was said, oldest first.
    pub decisions: Vec<Decision>,
    /// Who began what waits there, as far as the forge says it.
    pub starters: Vec<String>,
}

/// Which gates are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Sought<'a> {
    /// Those of these environments, with who has to agree there. Others are not ours.
    pub environments: &'a [(&'a str, &'a Approval)],
    /// Whether the plans that people are to agree to are read, too.
    pub plans: bool,
}

/// An answer to a gate.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// Yes or no.
    pub answer: Answer,
    /// Why.
    pub comment: &'a str,
    /// On behalf of which approval rule, on GitLab, where the token's owner is in more than one.
    pub on_behalf: Option<&'a str>,
    /// Whether the job's own token may say yes.
    pub by_job: bool,
}

impl Forge {
    /// What was said at the environment's gate in this CI run, oldest first. With the plan in hand that is what was said to this
    /// job; before there is one (`planning`), all that anybody has said so far.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeRefused`].
    pub async fn decisions(&self, environment: &str, rule: &Approval, planning: bool) -> Result<Said, Problem> {
        match self {
            Self::Local => Ok(Said::default()),
            Self::GitHub(github) => github.decisions(environment, rule, planning).await,
            Self::GitLab(gitlab) => gitlab.decisions(environment, planning).await,
        }
    }

    /// Whether this CI run, which was begun again, has deployed this commit to the environment already: what was agreed to is
    /// done then. On GitLab each job has a deployment of its own, and what was said is for that alone.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeRefused`].
    pub async fn has_deployed(&self, environment: &str, commit: &str) -> Result<bool, Problem> {
        match self {
            Self::GitHub(github) => github.has_deployed(environment, commit).await,
            Self::Local | Self::GitLab(_) => Ok(false),
        }
    }

    /// What waits, newest first: in the CI run that this is a part of, or in all where it is a part of none.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeRefused`].
    pub async fn waiting(&self, sought: Sought<'_>) -> Result<Vec<Gate>, Problem> {
        match self {
            Self::Local => Ok(Vec::new()),
            Self::GitHub(github) => github.waiting(sought).await,
            Self::GitLab(gitlab) => gitlab.waiting(sought).await,
        }
    }

    /// Whose word the token's is, where the forge says so.
    pub async fn who(&self) -> Option<String> {
        match self {
            Self::Local => None,
            Self::GitHub(github) => github.who().await,
            Self::GitLab(gitlab) => gitlab.who().await,
        }
    }

    /// What has been said at a gate by now, whether it waits or not.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeRefused`].
    pub async fn said(&self, gate: &Gate, rule: &Approval) -> Result<Vec<Decision>, Problem> {
        match self {
            Self::Local => Ok(Vec::new()),
            Self::GitHub(github) => github.said(&gate.run, &gate.environment, rule).await,
            Self::GitLab(gitlab) => gitlab.said(gate.id).await,
        }
    }

    /// Say yes or no to what waits.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeRefused`], also where the token's owner may not.
    pub async fn reply(&self, gate: &Gate, reply: Reply<'_>) -> Result<(), Problem> {
        match self {
            Self::Local => Ok(()),
            Self::GitHub(github) => github.reply(gate, reply).await,
            Self::GitLab(gitlab) => gitlab.reply(gate, reply).await,
        }
    }
}

//! The environments that a forge lists, and ending those that have come to their end.

use super::Forge;
use super::deployments::Whose;
use crate::problem::Problem;
use jiff::Timestamp;

/// An environment as a forge lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its id there, where that is what it is asked for by.
    pub id: Option<u64>,
    /// Whether the forge itself says that it is over.
    pub is_stopped: bool,
    /// Where it can be seen.
    pub url: Option<String>,
}

/// What is live in an environment, or was: one deployment of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The deployment's id.
    pub id: String,
    /// Whose it is, by its own word.
    pub whose: Whose,
    /// What it is called, where the forge keeps our word of it.
    pub version: Option<String>,
    /// The commit.
    pub commit: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

impl Forge {
    /// The environments, in the forge's order. None where there is no forge.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeRefused`].
    pub async fn environments(&self) -> Result<Option<Vec<Known>>, Problem> {
        match self {
            Self::Local => Ok(None),
            Self::GitHub(github) => github.environments().await.map(Some),
            Self::GitLab(gitlab) => gitlab.environments().await.map(Some),
        }
    }

    /// What is live in an environment: newest first, one for each component at most.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeRefused`].
    pub async fn live(&self, environment: &Known) -> Result<Vec<Release>, Problem> {
        match self {
            Self::Local => Ok(Vec::new()),
            Self::GitHub(github) => github.live(&environment.name).await,
            Self::GitLab(gitlab) => gitlab.live(environment).await,
        }
    }

    /// Show that an environment is over, and, where that is asked for, have the forge forget it.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeRefused`].
    pub async fn stop(&self, environment: &Known, delete: bool) -> Result<(), Problem> {
        match self {
            Self::Local => Ok(()),
            Self::GitHub(github) => github.stop(&environment.name, delete).await,
            Self::GitLab(gitlab) => gitlab.stop(environment, delete).await,
        }
    }
}

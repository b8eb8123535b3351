//! The pull or merge request that a deployment is of: one comment for each place, written once and changed from then on.

use super::Forge;
use crate::problem::Problem;
use std::time::Duration;

/// How long it is tried: a comment is worth less than the time of whoever waits for the deployment.
pub(super) const COMMENTING: Duration = Duration::from_secs(20);

impl Forge {
    /// Write the comment that begins with this marker, or change it. Nothing is written where no request is known: on GitHub one of
    /// the job's or of the commit, on GitLab one of the job's or of its branch.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeUnreported`]: nothing that matters depends on it.
    pub async fn comment(&self, commit: &str, marker: &str, text: &str) -> Result<(), Problem> {
        match self {
            Self::Local => Ok(()),
            Self::GitHub(github) => github.comment(commit, marker, text).await,
            Self::GitLab(gitlab) => gitlab.comment(marker, text).await,
        }
    }
}

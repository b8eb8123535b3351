//! The deployments that a forge lists, of whoever made them, and what becomes of the one that was live before.

use super::answer::Failure;
use super::{Announcement, Created, Forge};
use crate::problem::{Code, Problem};

/// What a forge shows of a deployment, in the words of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// It has not begun: `queued`, `pending`, `waiting`, or without any status on GitHub; `created` and `blocked` on GitLab.
    Waiting,
    /// It is under way.
    Running,
    /// It is live; on GitLab also one that was, before a later one.
    Live,
    /// It was live, and is no longer: `inactive` on GitHub.
    Retired,
    /// It came to nothing, or was taken back.
    Ended,
    /// The forge has a word for it that this version does not know.
    Other(String),
}

impl Shown {
    /// Whether it came to its end with success.
    #[must_use]
    pub const fn has_succeeded(&self) -> bool {
        matches!(self, Self::Live | Self::Retired)
    }
}

/// Whose deployment it is, by what it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Windlass made it.
    Ours {
        /// Of which app.
        app: String,
        /// Of which component of it; none where it is the whole.
        component: Option<String>,
    },
    /// It does not say: somebody else made it, or the forge keeps no word of ours.
    Unsaid,
}

/// How a deployment relates to the place that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// It is of that place.
    Same,
    /// Nobody can tell.
    Perhaps,
    /// It is of another one.
    Other,
}

/// A deployment as a forge lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id there.
    pub id: String,
    /// The commit, in full.
    pub commit: String,
    /// How it stands.
    pub shown: Shown,
    /// How it relates to the place that was asked for.
    pub relation: Relation,
}

/// Says of a deployment, by its id and what it says of itself, how it relates to a place.
pub type Relate<'a> = dyn Fn(&str, &Whose) -> Relation + Sync + 'a;

impl Forge {
    /// The deployments to an environment that are, or may be, of one place: newest first, down to the newest of that place that
    /// succeeded, and not further than some dozens. None where there is no forge.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeRefused`].
    pub async fn since_success(&self, environment: &str, relate: &Relate<'_>) -> Result<Option<Vec<Listed>>, Problem> {
        match self {
            Self::Local => Ok(None),
            Self::GitHub(github) => github.since_success(environment, relate).await.map(Some),
            Self::GitLab(gitlab) => gitlab.since_success(environment, relate).await.map(Some),
        }
    }

    /// Whether a deployment that Windlass made says whose it is.
    #[must_use]
    pub const fn keeps_our_word(&self) -> bool {
        matches!(self, Self::GitHub(_))
    }

    /// Show that what was live in this place is not any more, now that this deployment is, and where that can be seen. What the
    /// forge does by itself, and what is the job's because it made the deployment, is not done.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeUnreported`]. It changes nothing about the deployment itself.
    pub async fn retire(&self, created: &Created, announcement: &Announcement) -> Result<(), Problem> {
        match self {
            Self::GitHub(github) if !created.adopted => github.retire(created, announcement).await,
            // On GitLab the newest that succeeded is live, and no other; but where it can be seen nobody has said yet.
            Self::GitLab(gitlab) if !created.adopted => gitlab.show_url(created, announcement).await,
            Self::GitHub(_) | Self::GitLab(_) | Self::Local => Ok(()),
        }
    }

    /// Show that an earlier deployment is live again, because what came after it was taken back.
    ///
    /// # Errors
    /// [`crate::problem::Code::ForgeUnreported`].
    pub async fn revive(&self, created: &Created, announcement: &Announcement) -> Result<(), Problem> {
        match self {
            Self::GitHub(github) if !created.adopted => github.revive(created, announcement).await,
            Self::GitHub(_) | Self::GitLab(_) | Self::Local => Ok(()),
        }
    }
}

/// That the deployments to an environment cannot be listed.
pub(super) fn unlisted(failure: &Failure, environment: &str) -> Problem {
    failure
        .problem(Code::ForgeRefused, &format!("list the deployments to `{environment}`"))
        .with_note("nothing was run")
}

/// That it cannot be found out whether there is a deployment of a run that was cut off.
pub(super) fn unfound(failure: &Failure) -> Problem {
    failure.problem(Code::ForgeRefused, "list deployments").with_note("the run that was cut off stays open")
}

/// That a deployment was not made, as far as anybody knows.
pub(super) fn unmade(failure: &Failure, action: &str) -> Problem {
    let note = if failure.in_doubt {
        "nothing was run; the deployment may stand there all the same"
    } else {
        "nothing was run"
    };
    failure.problem(Code::ForgeRefused, action).with_note(note)
}

//! What a forge shows as live: one release of each place, which is the one that is. None of this changes an exit code.

use super::conduct::Conduct;
use super::telling::{announcement, deployed_if_known};
use crate::forge::{Announcement, Created, Forge};
use crate::history::PastRun;
use crate::problem::Problem;
use crate::report;

/// Show that what was live before a deployment that succeeded is not any more.
pub(super) async fn retire(forge: &Forge, created: &Created, announcement: &Announcement) {
    warn(forge.retire(created, announcement).await);
}

/// Show that the release of an earlier run is live again, because all that came after it was taken back.
pub(super) async fn revive(conduct: &Conduct<'_>, past: &PastRun) {
    let Some(created) = deployed_if_known(conduct.project, &conduct.forge, past).await else { return };
    let announcement = announcement(conduct.project, Some(conduct.environment), &past.subject, &past.run, &past.plan);
    warn(conduct.forge.revive(&created, &announcement).await);
}

fn warn(shown: Result<(), Problem>) {
    if let Err(problem) = shown {
        report::tell(&[problem]);
    }
}

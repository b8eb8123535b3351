//! GitHub: deployments and their statuses, through octocrab.

use super::{Announcement, Created, State};
use crate::ci;
use crate::problem::{Code, Problem};
use crate::secret::Secret;

/// A repository on GitHub and the right to speak for the job.
#[derive(Debug)]
pub struct GitHub {}

impl GitHub {
    pub(super) fn new(_: &ci::Facts, _: Option<&Secret>) -> Result<Self, Problem> {
        Err(Problem::new(Code::NotAvailable, "GitHub is not there yet"))
    }

    pub(super) async fn create(&self, _: &Announcement) -> Result<Created, Problem> {
        Err(Problem::new(Code::NotAvailable, "GitHub is not there yet"))
    }

    pub(super) async fn tell(&self, _: &Created, _: &Announcement, _: State, _: &str) -> Result<(), Problem> {
        Err(Problem::new(Code::NotAvailable, "GitHub is not there yet"))
    }
}

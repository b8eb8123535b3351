//! Which job of a CI something was done by, so that whoever comes later can ask the forge whether it is over.

use serde::{Deserialize, Serialize};

/// A job of a CI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Job {
    /// Whose it is: `github` or `gitlab`.
    pub forge: String,
    /// The number of its run: a workflow's run on GitHub, a pipeline on GitLab.
    pub run: String,
    /// Which repetition of the run it is of, from 1. GitHub counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    /// The job's own number, where the job is told it: on GitLab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<u64>,
    /// The name of the runner that does it, on GitHub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
}

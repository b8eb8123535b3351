//! The plans that jobs of a run have uploaded as artifacts, for whoever is to agree to one.

use super::GitHub;
use crate::forge::client::Effort;
use crate::forge::pages::Pages;
use crate::forge::{download, segment};
use crate::plan::PlanFile;
use crate::problem::{Code, Problem};
use serde::Deserialize;
use std::io::Read;

/// How the names of artifacts with plans begin.
const PREFIX: &str = "windlass-plan";

/// The largest archive that is read, in bytes, and the most that it may unpack to.
const LARGEST: usize = 8 << 20;

/// How many files of an archive are looked at.
const FILES: usize = 100;

#[derive(Debug, Deserialize)]
struct Artifacts {
    artifacts: Vec<Artifact>,
}

#[derive(Debug, Deserialize)]
struct Artifact {
    id: u64,
    name: String,
    #[serde(default)]
    size_in_bytes: u64,
    #[serde(default)]
    expired: bool,
    #[serde(default)]
    created_at: Option<jiff::Timestamp>,
}

/// The plans of a run, and what could not be read that may be one.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) plans: Vec<PlanFile>,
    pub(super) unread: Vec<String>,
}

/// The plans of a run: of artifacts of one name the newest, and only what was made in that run.
pub(super) async fn plans(github: &GitHub, effort: &mut Effort<'_>, run: &str) -> Result<Found, Problem> {
    let mut found = Found::default();
    for artifact in newest(github, effort, run).await? {
        let archive = if usize::try_from(artifact.size_in_bytes).is_ok_and(|size| size <= LARGEST) {
            fetch(github, effort, &artifact).await
        } else {
            Err(format!("it has more than {} MiB", LARGEST >> 20))
        };
        let read = archive.and_then(|archive| unpacked(&archive));
        let is_of_run = |file: &PlanFile| file.ci.as_ref().is_some_and(|ci| ci.forge == "github" && ci.run == run);
        match read {
            Ok(plans) => {
                for file in plans.into_iter().filter(is_of_run) {
                    // The same one under another name is no other one.
                    if !found.plans.contains(&file) {
                        found.plans.push(file);
                    }
                }
            }
            Err(cause) => found.unread.push(format!("artifact `{}`: {cause}", artifact.name)),
        }
    }
    Ok(found)
}

/// Those that may have a plan in them, of each name the newest.
async fn newest(github: &GitHub, effort: &mut Effort<'_>, run: &str) -> Result<Vec<Artifact>, Problem> {
    let pages = Pages::first(format!("/repos/{}/actions/runs/{}/artifacts", github.repository, segment(run)));
    let listed = pages.collect_in(effort, |page: Artifacts| page.artifacts).await.map_err(|failure| {
        failure.problem_for(Code::ForgeRefused, &format!("list the artifacts of run {run}"), "actions: read")
    })?;
    let is_plan = |artifact: &Artifact| artifact.name.starts_with(PREFIX) && !artifact.expired;
    let mut newest: Vec<Artifact> = Vec::new();
    for artifact in listed.into_iter().filter(is_plan) {
        match newest.iter_mut().find(|other| other.name == artifact.name) {
            Some(other) if (other.created_at, other.id) < (artifact.created_at, artifact.id) => *other = artifact,
            Some(_) => {}
            None => newest.push(artifact),
        }
    }
    Ok(newest)
}

async fn fetch(github: &GitHub, effort: &mut Effort<'_>, artifact: &Artifact) -> Result<Vec<u8>, String> {
    let route = format!("/repos/{}/actions/artifacts/{}/zip", github.repository, artifact.id);
    let location = effort.location(&route).await.map_err(|failure| failure.words())?;
    download::get(&location, &github.api, &github.trust, LARGEST).await
}

/// The plans in an archive. What is no plan is left out: nobody can agree to it.
fn unpacked(archive: &[u8]) -> Result<Vec<PlanFile>, String> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).map_err(|error| error.to_string())?;
    let mut plans = Vec::new();
    // As much as all of it may unpack to.
    let mut left = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    for index in 0..archive.len().min(FILES) {
        let Ok(file) = archive.by_index(index) else { continue };
        let Ok(name) = file.name().map(std::borrow::Cow::into_owned) else { continue };
        let mut text = String::new();
        let read = file.take(left).read_to_string(&mut text);
        left -= u64::try_from(text.len()).unwrap_or(left).min(left);
        if read.is_ok() {
            plans.extend(PlanFile::read(&name, &text).ok());
        }
    }
    Ok(plans)
}

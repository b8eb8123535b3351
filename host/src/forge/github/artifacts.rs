//! The plans that jobs of a run have uploaded as artifacts, for whoever is to agree to one.

use super::{GitHub, PAGE};
use crate::forge::client::Effort;
use crate::forge::{download, segment};
use crate::plan::PlanFile;
use crate::problem::{Code, Problem};
use serde::Deserialize;
use std::io::Read;

/// How the names of artifacts with plans begin.
const PREFIX: &str = "windlass-plan";

/// The largest plan that is read, in bytes, and the largest archive with one.
const LARGEST: usize = 8 << 20;

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

/// The plans of a run: of artifacts of one name the newest, and only what was made in that run.
pub(super) async fn plans(github: &GitHub, effort: &mut Effort<'_>, run: &str) -> Result<Vec<PlanFile>, Problem> {
    let route = format!("/repos/{}/actions/runs/{}/artifacts?per_page={PAGE}", github.repository, segment(run));
    let listed: Artifacts = effort.get(&route).await.map_err(|failure| {
        failure.problem_for(Code::ForgeRefused, &format!("list the artifacts of run {run}"), "actions: read")
    })?;
    let is_plan = |artifact: &Artifact| {
        artifact.name.starts_with(PREFIX)
            && !artifact.expired
            && usize::try_from(artifact.size_in_bytes).is_ok_and(|size| size <= LARGEST)
    };
    let mut newest: Vec<Artifact> = Vec::new();
    for artifact in listed.artifacts.into_iter().filter(is_plan) {
        match newest.iter_mut().find(|other| other.name == artifact.name) {
            Some(other) if (other.created_at, other.id) < (artifact.created_at, artifact.id) => *other = artifact,
            Some(_) => {}
            None => newest.push(artifact),
        }
    }
    let mut plans = Vec::new();
    for artifact in newest {
        let route = format!("/repos/{}/actions/artifacts/{}/zip", github.repository, artifact.id);
        let action = format!("hand out the artifact `{}` of run {run}", artifact.name);
        let location = effort.location(&route).await;
        let location = location.map_err(|failure| failure.problem_for(Code::ForgeRefused, &action, "actions: read"))?;
        let archive = download::get(&location, &github.api, LARGEST).await.map_err(|cause| {
            Problem::new(Code::ForgeRefused, format!("the artifact `{}` of run {run} cannot be read", artifact.name))
                .because(cause)
        })?;
        let is_of_run = |file: &PlanFile| file.ci.as_ref().is_some_and(|ci| ci.forge == "github" && ci.run == run);
        plans.extend(unpacked(&archive).into_iter().filter(is_of_run));
    }
    Ok(plans)
}

/// The plans in an archive. What is none is left out: nobody can agree to it.
fn unpacked(archive: &[u8]) -> Vec<PlanFile> {
    let Ok(mut archive) = zip::ZipArchive::new(std::io::Cursor::new(archive)) else { return vec![] };
    let mut plans = Vec::new();
    for index in 0..archive.len() {
        let Ok(file) = archive.by_index(index) else { continue };
        let Ok(name) = file.name().map(std::borrow::Cow::into_owned) else { continue };
        let mut text = String::new();
        let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
        if file.take(most).read_to_string(&mut text).is_ok() {
            plans.extend(PlanFile::read(&name, &text).ok());
        }
    }
    plans
}

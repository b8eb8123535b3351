//! What jobs of a run have uploaded. The archives are kept elsewhere, at addresses that take no token.

use super::description::example;
use super::state::{Asked, Reply, State, now};
use crate::server::{Answer, Request};
use serde_json::{Value, json};
use std::io::Write;

/// Where the archives are, on the same server.
pub(super) const STORE: &str = "/elsewhere/";

/// Files in an archive.
#[derive(Debug, Clone)]
pub(super) struct Artifact {
    pub(super) id: u64,
    pub(super) run: u64,
    pub(super) name: String,
    pub(super) archive: Vec<u8>,
}

/// An archive as the action that uploads makes it.
pub(super) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    for (name, text) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).expect("a name");
        archive.write_all(text.as_bytes()).expect("room");
    }
    archive.finish().expect("room").into_inner()
}

impl State {
    pub(super) fn list_runs(&self, asked: &Asked) -> Reply {
        let wanted = asked.query.get("status");
        let fits = |status: &String| wanted.is_none_or(|wanted| wanted == status);
        let runs = self.runs.iter().rev().filter(|(_, run)| fits(&run.status));
        let runs = runs.map(|(id, run)| self.run_as_answered(*id, run)).collect();
        self.page(asked, "/actions/runs", runs, Some("workflow_runs"))
    }

    pub(super) fn list_artifacts(&self, asked: &Asked) -> Reply {
        let run = asked.number("run_id");
        let listed = self.artifacts.iter().filter(|it| it.run == run).map(|it| self.artifact_as_answered(it)).collect();
        self.page(asked, &format!("/actions/runs/{run}/artifacts"), listed, Some("artifacts"))
    }

    fn artifact_as_answered(&self, artifact: &Artifact) -> Value {
        let own = self.url(&format!("/actions/artifacts/{}", artifact.id));
        let mut made = example("artifact");
        let ours = json!({
            "id": artifact.id, "name": artifact.name, "size_in_bytes": artifact.archive.len(), "url": own,
            "archive_download_url": format!("{own}/zip"), "expired": false, "created_at": now(), "updated_at": now(),
        });
        for (name, value) in ours.as_object().into_iter().flatten() {
            made[name] = value.clone();
        }
        made
    }

    pub(super) fn download_artifact(&self, asked: &Asked) -> Reply {
        let id = asked.number("artifact_id");
        if !self.artifacts.iter().any(|artifact| artifact.id == id) || asked.argument("archive_format") != "zip" {
            return Reply::missing();
        }
        let origin = url::Url::parse(&self.api).expect("an address").origin().ascii_serialization();
        let mut reply = Reply::new(302, Value::Null);
        reply.headers.push(("location", format!("{origin}{STORE}{id}?signature=abc")));
        reply
    }

    /// The archive at an address of the store. Whoever brings a token there gives it away.
    pub(super) fn stored(&mut self, request: &Request) -> Answer {
        if request.header("authorization").is_some() {
            self.mistakes.push(format!("{}: it brings a token to where artifacts are kept", request.path));
        }
        let id =
            request.path.split('?').next().and_then(|path| path.strip_prefix(STORE)).and_then(|id| id.parse().ok());
        let found = self.artifacts.iter().find(|artifact| Some(artifact.id) == id);
        found.map_or_else(|| Answer::new(404, "gone"), |artifact| Answer::new(200, artifact.archive.clone()))
    }
}

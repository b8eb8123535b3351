//! Generic packages, pipelines and jobs.

use super::{Asked, GitLab, JOB, PIPELINE, PROJECT, STARTER, State, answer, missing};
use crate::server::Answer;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A generic package: files under a name and a version.
#[derive(Debug, Clone)]
pub(super) struct Package {
    id: u64,
    name: String,
    version: String,
    /// Oldest first. A second file of the same name is added beside the first.
    files: Vec<(String, Vec<u8>)>,
}

impl GitLab {
    /// The files of all packages: `name/version/file` and what is in it, the newest of each name.
    #[must_use]
    pub fn packages(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let files = |package: &Package| {
            let path = |file: &str| format!("{}/{}/{file}", package.name, package.version);
            package.files.iter().map(|(file, bytes)| (path(file), bytes.clone())).collect::<Vec<_>>()
        };
        state.packages.iter().flat_map(files).collect()
    }

    /// Somebody puts a file there.
    pub fn put_package(&self, name: &str, version: &str, file: &str, bytes: &[u8]) {
        self.state().upload(name, version, file, bytes);
    }

    /// How a pipeline stands: `running`, `success`, `failed`, `canceled`.
    pub fn set_pipeline(&self, id: u64, status: &str) {
        self.state().pipelines.insert(id, status.to_owned());
    }

    /// How a job stands.
    pub fn set_job(&self, id: u64, status: &str) {
        self.state().jobs.insert(id, status.to_owned());
    }
}

/// What the names of packages, versions and files may be made of.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.contains("..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+~@".contains(&byte))
}

impl State {
    pub(super) fn act_on_packages(&mut self, asked: &Asked<'_>, bytes: &[u8]) -> Option<Answer> {
        let part = |place: usize| asked.part(place);
        Some(match asked.name() {
            "upload_generic_package" => {
                let (name, version, file) = (part(4), part(5), part(6));
                if ![&name, &version, &file].iter().all(|text| is_name(text)) {
                    return Some(answer(400, &json!({ "error": "package_name is invalid" })));
                }
                self.upload(&name, &version, &file, bytes);
                answer(201, &json!({ "message": "201 Created" }))
            }
            "download_generic_package" => {
                let found = self.packages.iter().find(|it| it.name == part(4) && it.version == part(5));
                let file = found.and_then(|it| it.files.iter().rfind(|(file, _)| *file == part(6)));
                file.map_or_else(missing, |(_, bytes)| {
                    Answer::new(200, bytes.clone()).header("content-type", "application/octet-stream")
                })
            }
            "list_packages" => {
                let fits = |it: &&Package| {
                    asked.query("package_type").is_none_or(|kind| kind == "generic")
                        && asked.query("package_name").is_none_or(|name| it.name.contains(name))
                        && asked.query("package_version").is_none_or(|version| it.version == version)
                };
                let mut listed: Vec<Value> = self.packages.iter().filter(fits).map(package).collect();
                if asked.query("sort") == Some("desc") {
                    listed.reverse();
                }
                answer(200, &listed.into())
            }
            "delete_package" => {
                let Some(place) = self.packages.iter().position(|it| it.id.to_string() == part(3)) else {
                    return Some(missing());
                };
                self.packages.remove(place);
                Answer::new(204, "")
            }
            _ => return None,
        })
    }

    fn upload(&mut self, name: &str, version: &str, file: &str, bytes: &[u8]) {
        let kept = (file.to_owned(), bytes.to_vec());
        match self.packages.iter_mut().find(|it| it.name == name && it.version == version) {
            Some(package) => package.files.push(kept),
            None => {
                self.last += 1;
                let (name, version) = (name.to_owned(), version.to_owned());
                self.packages.push(Package { id: self.last, name, version, files: vec![kept] });
            }
        }
    }

    pub(super) fn act_on_jobs(&self, asked: &Asked<'_>) -> Option<Answer> {
        let id = asked.number(3);
        Some(match asked.name() {
            "get_job" => answer(200, &self.job(id)),
            "list_jobs" => answer(200, &json!([self.job(JOB)])),
            "get_pipeline" => answer(200, &self.pipeline(id)),
            "list_pipelines" => answer(200, &json!([self.pipeline(PIPELINE)])),
            _ => return None,
        })
    }

    /// The job that a job's token is of.
    pub(super) fn job_of_token(&self) -> Answer {
        answer(200, &self.job(JOB))
    }

    fn job(&self, id: u64) -> Value {
        let status = self.jobs.get(&id).map_or("running", String::as_str);
        let pipeline = self.pipelines.get(&PIPELINE).map_or("running", String::as_str);
        json!({
            "id": id, "name": "deploy", "stage": "deploy", "status": status, "ref": "main", "tag": false, "source": "push",
            "created_at": "2026-11-20T12:00:00.000Z", "started_at": "2026-11-20T12:00:01.000Z", "finished_at": null,
            "pipeline": { "id": PIPELINE, "project_id": PROJECT, "ref": "main", "sha": crate::COMMIT, "status": pipeline },
            "web_url": format!("https://gitlab.example/acme/shop/-/jobs/{id}"), "artifacts": [], "runner": null,
            "user": { "id": 1, "username": STARTER, "name": "Administrator", "state": "active" },
        })
    }

    fn pipeline(&self, id: u64) -> Value {
        let now = "2026-11-20T12:00:00.000Z";
        json!({
            "id": id, "iid": 12, "project_id": PROJECT, "status": self.pipelines.get(&id).map_or("running", String::as_str),
            "source": "push", "ref": "main", "sha": crate::COMMIT, "name": "Deploy", "created_at": now, "updated_at": now,
            "web_url": format!("https://gitlab.example/acme/shop/-/pipelines/{id}"),
        })
    }
}

fn package(package: &Package) -> Value {
    json!({
        "id": package.id, "name": package.name, "version": package.version, "package_type": "generic", "status": "default",
        "created_at": "2026-11-20T12:00:00.000Z", "tags": [],
        "_links": { "web_path": format!("/acme/shop/-/packages/{}", package.id) },
    })
}

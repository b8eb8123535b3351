//! The repository: files on branches, changed by commits.

use super::{Asked, GitLab, State, answer, missing};
use crate::server::Answer;
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl GitLab {
    /// A file on a branch, which is begun where it is not there.
    pub fn add_file(&self, branch: &str, path: &str, text: &str) {
        self.state().branches.entry(branch.to_owned()).or_default().insert(path.to_owned(), text.to_owned());
    }
}

impl State {
    pub(super) fn act_on_repository(&mut self, asked: &Asked<'_>) -> Option<Answer> {
        let reference = asked.query("ref").unwrap_or_default();
        Some(match asked.name() {
            "create_commit" => self.commit(&asked.body),
            "list_repository_tree" => {
                let Some(files) = self.branches.get(reference) else { return Some(missing()) };
                let directory = asked.query("path").map(|path| format!("{path}/")).unwrap_or_default();
                let below: Vec<Value> = files
                    .keys()
                    .filter(|path| path.starts_with(&directory))
                    .filter(|path| {
                        asked.query("recursive") == Some("true") || !path[directory.len()..].contains('/')
                    })
                    .map(|path| {
                        let name = path.rsplit('/').next().unwrap_or_default();
                        json!({ "id": "a1e8f8d745cc87e3a9248358d9352bb7f9a0aeba", "name": name, "type": "blob", "path": path,
                                "mode": "100644" })
                    })
                    .collect();
                if below.is_empty() {
                    return Some(answer(404, &json!({ "message": "404 invalid revision or path Not Found" })));
                }
                answer(200, &below.into())
            }
            "get_raw_file" => {
                let found = self.branches.get(reference).and_then(|files| files.get(&asked.part(4)));
                found.map_or_else(
                    || answer(404, &json!({ "message": "404 File Not Found" })),
                    |text| Answer::new(200, text.clone()).header("content-type", "text/plain"),
                )
            }
            _ => return None,
        })
    }

    /// All of its actions or none.
    fn commit(&mut self, body: &Value) -> Answer {
        let refusal = |text: &str| answer(400, &json!({ "message": text }));
        let branch = body["branch"].as_str().unwrap_or_default();
        let is_begun = body["start_sha"].is_string() || body["start_branch"].is_string();
        let mut files = match self.branches.get(branch) {
            Some(_) if is_begun => return refusal(&format!("A branch called '{branch}' already exists.")),
            Some(files) => files.clone(),
            None if is_begun => BTreeMap::from([("README.md".to_owned(), "The shop\n".to_owned())]),
            None => return refusal("You can only create or edit files when you are on a branch"),
        };
        for action in body["actions"].as_array().into_iter().flatten() {
            let path = action["file_path"].as_str().unwrap_or_default().to_owned();
            match action["action"].as_str() {
                Some("create") if files.contains_key(&path) => return refusal("A file with this name already exists"),
                Some("create") => {
                    files.insert(path, action["content"].as_str().unwrap_or_default().to_owned());
                }
                Some("delete") if files.remove(&path).is_none() => {
                    return refusal("A file with this name doesn't exist");
                }
                Some("delete") => {}
                _ => return refusal("actions[0][action] does not have a valid value"),
            }
        }
        self.branches.insert(branch.to_owned(), files);
        self.last += 1;
        let id = format!("{:040x}", self.last);
        let now = "2026-11-20T12:00:00.000+00:00";
        let message = &body["commit_message"];
        let mut made = json!({
            "id": id, "short_id": &id[..8], "created_at": now, "parent_ids": [crate::COMMIT], "title": message, "message": message,
            "author_name": "Ada", "author_email": "ada@shop.example", "authored_date": now, "committer_name": "Ada",
            "committer_email": "ada@shop.example", "committed_date": now, "status": null,
            "web_url": format!("https://gitlab.example/acme/shop/-/commit/{id}"),
        });
        made["stats"] = json!({ "additions": 1, "deletions": 0, "total": 1 });
        answer(201, &made)
    }
}

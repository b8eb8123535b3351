//! References, blobs, trees and commits.

use super::state::{Asked, Object, Reply, State, now};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

impl State {
    /// Keeps an object. Its name is made of what it is, and as long as git's; that of a file is git's own.
    pub(super) fn keep(&mut self, object: Object) -> String {
        let sha = match &object {
            Object::Blob(bytes) => {
                hex::encode(Sha1::digest([format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat()))
            }
            _ => hex::encode(Sha256::digest(format!("{object:?}").as_bytes()))[..40].to_owned(),
        };
        self.objects.entry(sha.clone()).or_insert(object);
        sha
    }

    fn reference(&self, name: &str, sha: &str) -> Value {
        let kind = match self.objects.get(sha) {
            Some(Object::Blob(_)) => "blob",
            Some(Object::Tree(_)) => "tree",
            _ => "commit",
        };
        json!({
            "ref": name, "node_id": format!("REF_{name}"), "url": self.url(&format!("/git/{name}")),
            "object": { "type": kind, "sha": sha, "url": self.url(&format!("/git/{kind}s/{sha}")) },
        })
    }

    pub(super) fn create_reference(&mut self, asked: &Asked) -> Reply {
        let (name, sha) = (asked.text("ref").to_owned(), asked.text("sha").to_owned());
        if !name.starts_with("refs/") || name.split('/').count() < 3 || !is_reference(&name) {
            return Reply::refusal(422, "Reference name is not valid");
        }
        if !self.objects.contains_key(&sha) {
            return Reply::refusal(422, "Object does not exist");
        }
        if self.references.contains_key(&name) {
            return Reply::refusal(422, "Reference already exists");
        }
        self.references.insert(name.clone(), sha.clone());
        Reply::new(201, self.reference(&name, &sha))
    }

    pub(super) fn get_reference(&self, asked: &Asked) -> Reply {
        let name = format!("refs/{}", asked.argument("ref"));
        let found = self.references.get(&name);
        found.map_or_else(Reply::missing, |sha| Reply::new(200, self.reference(&name, sha)))
    }

    pub(super) fn list_references(&self, asked: &Asked) -> Reply {
        let prefix = format!("refs/{}", asked.argument("ref"));
        let fits = self.references.iter().filter(|(name, _)| name.starts_with(&prefix));
        Reply::new(200, fits.map(|(name, sha)| self.reference(name, sha)).collect())
    }

    pub(super) fn update_reference(&mut self, asked: &Asked) -> Reply {
        let name = format!("refs/{}", asked.argument("ref"));
        let sha = asked.text("sha").to_owned();
        let Some(old) = self.references.get(&name).cloned() else {
            return Reply::refusal(422, "Reference does not exist");
        };
        if !self.objects.contains_key(&sha) {
            return Reply::refusal(422, "Object does not exist");
        }
        if asked.body["force"] != true && !self.leads_to(&sha, &old) {
            return Reply::refusal(422, "Update is not a fast forward");
        }
        self.references.insert(name.clone(), sha.clone());
        Reply::new(200, self.reference(&name, &sha))
    }

    pub(super) fn delete_reference(&mut self, asked: &Asked) -> Reply {
        let name = format!("refs/{}", asked.argument("ref"));
        match self.references.remove(&name) {
            Some(_) => Reply::new(204, Value::Null),
            None => Reply::refusal(422, "Reference does not exist"),
        }
    }

    /// Whether a commit has another one among those before it.
    fn leads_to(&self, from: &str, to: &str) -> bool {
        let mut waiting = vec![from.to_owned()];
        while let Some(sha) = waiting.pop() {
            if sha == to {
                return true;
            }
            if let Some(Object::Commit(commit)) = self.objects.get(&sha) {
                let parents = commit["parents"].as_array().into_iter().flatten();
                waiting.extend(parents.filter_map(|parent| parent["sha"].as_str().map(str::to_owned)));
            }
        }
        false
    }

    pub(super) fn create_blob(&mut self, asked: &Asked) -> Reply {
        let content = asked.text("content");
        let bytes = match asked.body["encoding"].as_str().unwrap_or("utf-8") {
            "utf-8" => content.as_bytes().to_vec(),
            "base64" => match STANDARD.decode(content.replace('\n', "")) {
                Ok(bytes) => bytes,
                Err(_) => return Reply::refusal(422, "content is not valid Base64"),
            },
            _ => return Reply::refusal(422, "encoding must be utf-8 or base64"),
        };
        let sha = self.keep(Object::Blob(bytes));
        Reply::new(201, json!({ "url": self.url(&format!("/git/blobs/{sha}")), "sha": sha }))
    }

    pub(super) fn get_blob(&self, asked: &Asked) -> Reply {
        let sha = asked.argument("file_sha");
        let Some(Object::Blob(bytes)) = self.objects.get(sha) else { return Reply::missing() };
        // In lines of 60 characters, as GitHub has it.
        let text = STANDARD.encode(bytes);
        let lines: Vec<&str> = text.as_bytes().chunks(60).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        Reply::new(
            200,
            json!({
                "sha": sha, "node_id": format!("B_{sha}"), "size": bytes.len(), "encoding": "base64",
                "url": self.url(&format!("/git/blobs/{sha}")), "content": lines.join("\n") + "\n",
            }),
        )
    }

    pub(super) fn create_tree(&mut self, asked: &Asked) -> Reply {
        let mut entries = match asked.body["base_tree"].as_str().map(|sha| self.tree_of(sha).cloned()) {
            None => BTreeMap::new(),
            Some(Some(entries)) => entries,
            Some(None) => return Reply::refusal(404, "Not Found"),
        };
        for entry in asked.body["tree"].as_array().into_iter().flatten() {
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            if text("path").is_empty() || text("path").starts_with('/') {
                return Reply::refusal(422, "tree.path contains a malformed path component");
            }
            // What has no id is taken out.
            if entry.get("sha").is_some_and(Value::is_null) {
                entries.remove(&text("path"));
                continue;
            }
            let sha = match entry["content"].as_str() {
                Some(content) => self.keep(Object::Blob(content.as_bytes().to_vec())),
                None => text("sha"),
            };
            if !self.objects.contains_key(&sha) {
                return Reply::refusal(422, &format!("tree.sha {sha} is not a valid blob"));
            }
            if text("mode").is_empty() {
                return Reply::refusal(422, "Must supply tree.mode");
            }
            let kind = if text("type").is_empty() { "blob".to_owned() } else { text("type") };
            if kind == "tree" {
                let inner = self.tree_of(&sha).cloned().unwrap_or_default();
                entries.extend(inner.into_iter().map(|(path, it)| (format!("{}/{path}", text("path")), it)));
            } else {
                entries.insert(text("path"), (text("mode"), kind, sha));
            }
        }
        let sha = self.keep(Object::Tree(entries));
        let listed = self.tree(&sha, false);
        Reply::new(201, listed)
    }

    /// The entries of a tree, or of a commit's.
    fn tree_of(&self, sha: &str) -> Option<&BTreeMap<String, (String, String, String)>> {
        match self.objects.get(sha)? {
            Object::Tree(entries) => Some(entries),
            Object::Commit(commit) => self.tree_of(commit["tree"]["sha"].as_str()?),
            Object::Blob(_) => None,
        }
    }

    /// The files of a commit or a tree.
    pub(super) fn files(&self, sha: &str) -> BTreeMap<String, Vec<u8>> {
        let text = |sha: &String| match self.objects.get(sha) {
            Some(Object::Blob(bytes)) => bytes.clone(),
            _ => vec![],
        };
        let entries = self.tree_of(sha).into_iter().flatten();
        entries.map(|(path, (_, _, sha))| (path.clone(), text(sha))).collect()
    }

    fn tree(&mut self, sha: &str, is_recursive: bool) -> Value {
        let entries = self.tree_of(sha).cloned().unwrap_or_default();
        let mut listed = vec![];
        let mut below: BTreeMap<String, BTreeMap<String, (String, String, String)>> = BTreeMap::new();
        for (path, (mode, kind, id)) in entries {
            match path.split_once('/') {
                Some((first, rest)) if !is_recursive => {
                    below.entry(first.to_owned()).or_default().insert(rest.to_owned(), (mode, kind, id));
                }
                _ => {
                    let url = self.url(&format!("/git/{kind}s/{id}"));
                    let mut entry = json!({ "path": path, "mode": mode, "type": kind, "sha": id, "url": url });
                    if let Some(Object::Blob(bytes)) = self.objects.get(&id) {
                        entry["size"] = bytes.len().into();
                    }
                    listed.push(entry);
                }
            }
        }
        for (path, entries) in below {
            let id = self.keep(Object::Tree(entries));
            let url = self.url(&format!("/git/trees/{id}"));
            listed.push(json!({ "path": path, "mode": "040000", "type": "tree", "sha": id, "url": url }));
        }
        json!({ "sha": sha, "url": self.url(&format!("/git/trees/{sha}")), "truncated": false, "tree": listed })
    }

    pub(super) fn get_tree(&mut self, asked: &Asked) -> Reply {
        let sha = asked.argument("tree_sha");
        if self.tree_of(sha).is_none() {
            return Reply::missing();
        }
        // Whatever the value is, its being there is what counts.
        Reply::new(200, self.tree(sha, asked.query.contains_key("recursive")))
    }

    pub(super) fn create_commit(&mut self, asked: &Asked) -> Reply {
        let tree = asked.text("tree").to_owned();
        if !matches!(self.objects.get(&tree), Some(Object::Tree(_))) {
            return Reply::refusal(422, "Tree SHA does not exist");
        }
        let parents: Vec<String> = asked.body["parents"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|parent| parent.as_str().map(str::to_owned))
            .collect();
        if !parents.iter().all(|sha| matches!(self.objects.get(sha), Some(Object::Commit(_)))) {
            return Reply::refusal(422, "Parent SHA does not exist or is not a commit object");
        }
        let author = match &asked.body["author"] {
            Value::Object(keys) => json!({
                "name": keys["name"], "email": keys["email"],
                "date": keys.get("date").cloned().unwrap_or_else(|| now().into()),
            }),
            _ => json!({ "name": asked.who.login, "email": "noreply@github.com", "date": now() }),
        };
        let made = self.make_commit(asked.text("message"), &tree, &parents, &author);
        Reply::new(201, made)
    }

    /// A commit, kept and as it is answered.
    pub(super) fn make_commit(&mut self, message: &str, tree: &str, parents: &[String], author: &Value) -> Value {
        let html = |sha: &str| format!("https://github.com/{}/commit/{sha}", super::REPOSITORY);
        let parent = |sha: &String| json!({ "sha": sha, "url": self.url(&format!("/git/commits/{sha}")), "html_url": html(sha) });
        let commit = json!({
            "author": author, "committer": author, "message": message,
            "tree": { "sha": tree, "url": self.url(&format!("/git/trees/{tree}")) },
            "parents": parents.iter().map(parent).collect::<Vec<_>>(),
            "verification": { "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null },
        });
        let sha = self.keep(Object::Commit(commit));
        self.commit(&sha).expect("it is kept")
    }

    fn commit(&self, sha: &str) -> Option<Value> {
        let Object::Commit(commit) = self.objects.get(sha)? else { return None };
        let mut commit = commit.clone();
        commit["sha"] = sha.into();
        commit["node_id"] = format!("C_{sha}").into();
        commit["url"] = self.url(&format!("/git/commits/{sha}")).into();
        commit["html_url"] = format!("https://github.com/{}/commit/{sha}", super::REPOSITORY).into();
        Some(commit)
    }

    pub(super) fn get_commit(&self, asked: &Asked) -> Reply {
        self.commit(asked.argument("commit_sha")).map_or_else(Reply::missing, |commit| Reply::new(200, commit))
    }
}

/// As `git check-ref-format` has it, as far as it matters.
fn is_reference(name: &str) -> bool {
    let bad = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock") || part.ends_with('.');
    !name.contains("..")
        && !name.contains("@{")
        && !name.bytes().any(|byte| byte <= b' ' || byte == 0x7f || b"~^:?*[\\".contains(&byte))
        && !name.split('/').any(bad)
}

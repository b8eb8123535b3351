//! Deployments, their statuses, and environments.

use super::state::{Asked, Environment, Reply, State, now};
use super::tokens::{Token, user};
use serde_json::{Value, json};

/// The states that GitHub takes.
const STATES: [&str; 7] = ["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];

impl State {
    fn deployment(&self, id: u64) -> Option<&Value> {
        self.deployments.iter().find(|deployment| deployment["id"] == id)
    }

    pub(super) fn list_deployments(&self, asked: &Asked) -> Reply {
        let fits = |deployment: &&Value| {
            ["sha", "ref", "task", "environment"]
                .iter()
                .all(|name| asked.query.get(*name).is_none_or(|value| value == "none" || deployment[*name] == **value))
        };
        self.page(asked, "/deployments", self.deployments.iter().rev().filter(fits).cloned().collect(), None)
    }

    pub(super) fn get_deployment(&self, asked: &Asked) -> Reply {
        let found = self.deployment(asked.number("deployment_id"));
        found.map_or_else(Reply::missing, |found| Reply::new(200, found.clone()))
    }

    pub(super) fn create_deployment(&mut self, asked: &Asked) -> Reply {
        let reference = asked.text("ref");
        let branch = self.references.get(&format!("refs/heads/{reference}")).cloned();
        let is_commit = reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some(sha) = branch.or_else(|| is_commit.then(|| reference.to_owned())) else {
            return Reply::refusal(422, &format!("No ref found for: {reference}"));
        };
        if self.unknown_commits.contains(&sha) {
            return Reply::refusal(422, &format!("No ref found for: {reference}"));
        }
        // The job that asks is a check of the commit, and goes on.
        if asked.body["required_contexts"].is_null() {
            return Reply::refusal(409, &format!("Conflict: Commit status checks failed for {reference}."));
        }
        let made = self.make_deployment(&asked.who, &sha, &asked.body);
        Reply::new(201, made)
    }

    pub(super) fn make_deployment(&mut self, who: &Token, sha: &str, body: &Value) -> Value {
        let id = self.next();
        let environment = body["environment"].as_str().unwrap_or("production").to_owned();
        self.environment(&environment);
        let own = self.url(&format!("/deployments/{id}"));
        let or = |value: &Value, otherwise: Value| if value.is_null() { otherwise } else { value.clone() };
        let made = json!({
            "id": id, "node_id": format!("DE_{id}"), "url": own, "statuses_url": format!("{own}/statuses"),
            "repository_url": self.url(""), "sha": sha, "ref": body["ref"], "task": or(&body["task"], "deploy".into()),
            "environment": environment, "original_environment": environment, "payload": or(&body["payload"], "".into()),
            "description": body["description"], "creator": user(&who.login), "created_at": now(), "updated_at": now(),
            "production_environment": or(&body["production_environment"], (environment == "production").into()),
            "transient_environment": or(&body["transient_environment"], false.into()), "performed_via_github_app": null,
        });
        self.deployments.push(made.clone());
        made
    }

    pub(super) fn delete_deployment(&mut self, asked: &Asked) -> Reply {
        let id = asked.number("deployment_id");
        let Some(found) = self.deployment(id) else { return Reply::missing() };
        let beside = self.deployments.iter().any(|it| it["environment"] == found["environment"] && it["id"] != id);
        let is_active = self.statuses.get(&id).and_then(|it| it.last()).is_none_or(|it| it["state"] != "inactive");
        if beside && is_active {
            let words =
                "We cannot delete an active deployment unless it is the only deployment in a given environment.";
            return Reply::refusal(422, words);
        }
        self.deployments.retain(|deployment| deployment["id"] != id);
        self.statuses.remove(&id);
        Reply::new(204, Value::Null)
    }

    pub(super) fn list_statuses(&self, asked: &Asked) -> Reply {
        let id = asked.number("deployment_id");
        if self.deployment(id).is_none() {
            return Reply::missing();
        }
        let found = self.statuses.get(&id).into_iter().flatten().rev().cloned().collect();
        self.page(asked, &format!("/deployments/{id}/statuses"), found, None)
    }

    pub(super) fn create_status(&mut self, asked: &Asked) -> Reply {
        let id = asked.number("deployment_id");
        if self.deployment(id).is_none() {
            return Reply::missing();
        }
        let state = asked.text("state");
        if !STATES.contains(&state) {
            return Reply::invalid("DeploymentStatus", "state", "state is not included in the list");
        }
        for name in ["log_url", "environment_url", "target_url"] {
            let link = asked.text(name);
            if !link.is_empty() && !link.starts_with("https://") && !link.starts_with("http://") {
                return Reply::invalid("DeploymentStatus", name, &format!("{name} must use http(s) scheme"));
            }
        }
        let made = self.make_status(&asked.who, id, &asked.body);
        // Left out, earlier ones that are live become inactive, unless they are of production or transient.
        if state == "success" && asked.body["auto_inactive"] != false {
            self.deactivate_others(&asked.who, id);
        }
        Reply::new(201, made)
    }

    fn deactivate_others(&mut self, who: &Token, id: u64) {
        let environment = self.deployment(id).map(|it| it["environment"].clone()).unwrap_or_default();
        let is_live = |it: &&Value| {
            let newest = self.statuses.get(&it["id"].as_u64().unwrap_or_default()).and_then(|it| it.last());
            it["environment"] == environment
                && it["production_environment"] != true
                && it["transient_environment"] != true
                && newest.is_some_and(|status| status["state"] == "success")
        };
        let live: Vec<u64> =
            self.deployments.iter().filter(is_live).filter_map(|it| it["id"].as_u64()).filter(|it| *it < id).collect();
        for other in live {
            self.make_status(who, other, &json!({ "state": "inactive" }));
        }
    }

    /// Of any state, also of one that only GitHub itself sets, such as `waiting`.
    pub(super) fn make_status(&mut self, who: &Token, deployment: u64, body: &Value) -> Value {
        let id = self.next();
        let own = self.url(&format!("/deployments/{deployment}"));
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let place = self.deployments.iter().position(|it| it["id"] == deployment).expect("the deployment");
        if let Some(environment) = body["environment"].as_str() {
            self.deployments[place]["environment"] = environment.into();
        }
        let made_at = now();
        self.deployments[place]["updated_at"] = made_at.clone().into();
        let mut made = json!({
            "id": id, "node_id": format!("DES_{id}"), "url": format!("{own}/statuses/{id}"), "deployment_url": own,
            "repository_url": self.url(""), "creator": user(&who.login), "state": body["state"],
            "description": text("description"), "environment": self.deployments[place]["environment"],
            "created_at": made_at, "updated_at": made_at, "performed_via_github_app": null,
        });
        let log = if text("log_url").is_empty() { text("target_url") } else { text("log_url") };
        made["environment_url"] = text("environment_url").into();
        made["log_url"] = log.clone().into();
        made["target_url"] = log.into();
        self.statuses.entry(deployment).or_default().push(made.clone());
        made
    }

    /// The number of an environment, which is made where it is not there.
    pub(super) fn environment(&mut self, name: &str) -> u64 {
        if let Some(found) = self.environments.iter().find(|environment| environment.name == name) {
            return found.id;
        }
        let id = self.next();
        self.environments.push(Environment {
            id,
            name: name.to_owned(),
            reviewers: vec![],
            prevents_self_review: false,
        });
        id
    }

    pub(super) fn environment_as_answered(&self, environment: &Environment) -> Value {
        let mut rules = vec![];
        if !environment.reviewers.is_empty() {
            rules.push(json!({
                "id": environment.id * 10, "node_id": format!("GA_{}", environment.id), "type": "required_reviewers",
                "prevent_self_review": environment.prevents_self_review, "reviewers": self.reviewers(environment),
            }));
        }
        json!({
            "id": environment.id, "node_id": format!("EN_{}", environment.id), "name": environment.name,
            "url": self.url(&format!("/environments/{}", encoded(&environment.name))),
            "html_url": format!("https://github.com/{}/deployments/activity_log?environments_filter={}", super::REPOSITORY, encoded(&environment.name)),
            "created_at": now(), "updated_at": now(), "protection_rules": rules, "deployment_branch_policy": null,
        })
    }

    /// The required reviewers of an environment, as they are answered.
    pub(super) fn reviewers(&self, environment: &Environment) -> Vec<Value> {
        let of = |name: &String| match name.strip_prefix('@') {
            Some(team) => json!({ "type": "Team", "reviewer": {
                "id": 70, "node_id": "T_70", "name": team, "slug": team, "description": "", "privacy": "closed",
                "url": format!("{}/teams/70", self.api), "html_url": format!("https://github.com/orgs/acme/teams/{team}"),
                "members_url": format!("{}/teams/70/members{{/member}}", self.api), "permission": "push",
                "repositories_url": format!("{}/teams/70/repos", self.api), "parent": null, "type": "organization",
                "organization_id": 3,
            } }),
            None => json!({ "type": "User", "reviewer": user(name) }),
        };
        environment.reviewers.iter().map(of).collect()
    }

    pub(super) fn list_environments(&self, asked: &Asked) -> Reply {
        let all = self.environments.iter().map(|environment| self.environment_as_answered(environment)).collect();
        self.page(asked, "/environments", all, Some("environments"))
    }

    pub(super) fn get_environment(&self, asked: &Asked) -> Reply {
        let found = self.environments.iter().find(|it| it.name == asked.argument("environment_name"));
        found.map_or_else(Reply::missing, |found| Reply::new(200, self.environment_as_answered(found)))
    }

    pub(super) fn delete_environment(&mut self, asked: &Asked) -> Reply {
        let Some(place) = self.environments.iter().position(|it| it.name == asked.argument("environment_name")) else {
            return Reply::missing();
        };
        self.environments.remove(place);
        Reply::new(204, Value::Null)
    }
}

/// A text as one segment of a path.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

//! Environments, and which of them are protected.

use super::{Asked, GitLab, State, answer, missing};
use crate::server::Answer;
use serde_json::{Value, json};

/// An environment.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    id: u64,
    name: String,
    /// `available` or `stopped`.
    state: String,
    external_url: Option<String>,
    created_at: String,
    /// The groups of which a deployment there takes an approval each, with who is in them; none where it is not protected.
    rules: Option<Rules>,
}

impl Environment {
    /// Its name and its state.
    pub(super) fn standing(&self) -> (&str, &str) {
        (&self.name, &self.state)
    }
}

/// Groups and who is in them.
pub(super) type Rules = Vec<(String, Vec<String>)>;

impl GitLab {
    /// An environment becomes a protected one; somebody of each of these groups has to approve what is deployed there.
    pub fn protect(&self, name: &str, groups: &[(&str, &[&str])]) {
        let mut state = self.state();
        let id = state.environment(name);
        let found = state.environments.iter_mut().find(|environment| environment.id == id).expect("it is there");
        let people = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        found.rules = Some(groups.iter().map(|(group, names)| ((*group).to_owned(), people(names))).collect());
    }

    /// An environment that was made so long ago, and where there was nothing deployed since.
    pub fn age(&self, name: &str, created_at: &str) {
        let mut state = self.state();
        let id = state.environment(name);
        let found = state.environments.iter_mut().find(|environment| environment.id == id).expect("it is there");
        created_at.clone_into(&mut found.created_at);
        for deployment in state.deployments.iter_mut().filter(|it| it["environment"]["id"] == id) {
            deployment["created_at"] = created_at.into();
            deployment["updated_at"] = created_at.into();
        }
    }

    /// An environment in this state, to which nothing was deployed.
    pub fn add_environment(&self, name: &str, state: &str) {
        let mut kept = self.state();
        let id = kept.environment(name);
        kept.environments.iter_mut().find(|it| it.id == id).expect("it is there").state = state.to_owned();
    }

    /// The environments and their states.
    #[must_use]
    pub fn environments(&self) -> Vec<(String, String)> {
        let owned = |(name, state): (&str, &str)| (name.to_owned(), state.to_owned());
        self.state().environments.iter().map(|it| owned(it.standing())).collect()
    }
}

impl State {
    /// The number of an environment, which is made where it is not there, and is available again where it was stopped.
    pub(super) fn environment(&mut self, name: &str) -> u64 {
        if let Some(found) = self.environments.iter_mut().find(|environment| environment.name == name) {
            "available".clone_into(&mut found.state);
            return found.id;
        }
        let id = self.environments.iter().map(|environment| environment.id).max().unwrap_or_default() + 1;
        self.environments.push(Environment {
            id,
            name: name.to_owned(),
            state: "available".to_owned(),
            external_url: None,
            created_at: jiff::Timestamp::now().to_string(),
            rules: None,
        });
        id
    }

    /// Who has to approve what is deployed there.
    pub(super) fn rules(&self, id: u64) -> Option<&Rules> {
        self.environments.iter().find(|environment| environment.id == id)?.rules.as_ref()
    }

    /// Where people see what is deployed there.
    pub(super) fn url_of_environment(&self, id: u64) -> Option<&str> {
        self.environments.iter().find(|environment| environment.id == id)?.external_url.as_deref()
    }

    fn as_answered(&self, environment: &Environment, with_last: bool) -> Value {
        let slug = environment.name.replace(|character: char| !character.is_ascii_alphanumeric(), "-");
        let is_production = environment.name.starts_with("prod");
        let mut made = json!({
            "id": environment.id, "name": environment.name, "slug": slug, "description": null,
            "external_url": environment.external_url, "state": environment.state,
            "tier": if is_production { "production" } else { "other" }, "created_at": environment.created_at,
            "updated_at": environment.created_at, "enable_advanced_logs_querying": false, "logs_api_path": null,
            "auto_stop_at": null, "kubernetes_namespace": null, "flux_resource_path": null, "auto_stop_setting": "always",
        });
        if with_last {
            let is_here = |it: &&Value| it["environment"]["id"] == environment.id && it["status"] == "success";
            let mut last = self.deployments.iter().rev().find(is_here).cloned().unwrap_or_default();
            // It is within its environment.
            last.as_object_mut().map(|last| last.remove("environment"));
            made["last_deployment"] = last;
            made["cluster_agent"] = Value::Null;
        }
        made
    }

    pub(super) fn act_on_environments(&mut self, asked: &Asked<'_>) -> Option<Answer> {
        let (id, body) = (asked.number(3), &asked.body);
        Some(match (asked.name(), self.environments.iter().position(|it| it.id == id)) {
            ("list_environments", _) => {
                let fits = |it: &&Environment| {
                    asked.query("name").is_none_or(|name| it.name == name)
                        && asked.query("search").is_none_or(|part| it.name.contains(part))
                        && asked.query("states").is_none_or(|state| it.state == state)
                };
                let listed: Value =
                    self.environments.iter().filter(fits).map(|it| self.as_answered(it, false)).collect();
                answer(200, &listed)
            }
            ("get_environment", Some(place)) => answer(200, &self.as_answered(&self.environments[place], true)),
            ("create_environment", _) => {
                let name = body["name"].as_str().unwrap_or_default();
                if self.environments.iter().any(|environment| environment.name == name) {
                    return Some(answer(400, &json!({ "message": { "name": ["has already been taken"] } })));
                }
                let id = self.environment(name);
                let url = body["external_url"].as_str().map(str::to_owned);
                let made = self.environments.iter_mut().find(|it| it.id == id)?;
                made.external_url = url;
                let made = made.clone();
                answer(201, &short(self.as_answered(&made, false), &WRITTEN))
            }
            ("update_environment", Some(place)) => {
                if let Some(url) = body["external_url"].as_str() {
                    self.environments[place].external_url = Some(url.to_owned());
                }
                answer(200, &short(self.as_answered(&self.environments[place], false), &WRITTEN))
            }
            ("stop_environment", Some(place)) => {
                "stopped".clone_into(&mut self.environments[place].state);
                let stopped = short(self.as_answered(&self.environments[place], false), &WRITTEN);
                answer(200, &short(stopped, &["description", "tier"]))
            }
            ("delete_environment", Some(place)) if self.environments[place].state != "stopped" => {
                answer(403, &json!({ "message": "403 Forbidden" }))
            }
            ("delete_environment", Some(place)) => {
                let gone = self.environments.remove(place);
                self.deployments.retain(|deployment| deployment["environment"]["id"] != gone.id);
                Answer::new(204, "")
            }
            ("list_protected_environments", _) => {
                answer(200, &self.environments.iter().filter_map(protected).collect())
            }
            ("get_protected_environment", _) => {
                let name = asked.part(3);
                let found = self.environments.iter().find(|it| it.name == name).and_then(protected);
                found.map_or_else(missing, |found| answer(200, &found))
            }
            ("get_environment" | "update_environment" | "stop_environment" | "delete_environment", None) => missing(),
            _ => return None,
        })
    }
}

/// What an answer to a write does not have.
const WRITTEN: [&str; 3] = ["auto_stop_at", "enable_advanced_logs_querying", "logs_api_path"];

fn short(mut answer: Value, without: &[&str]) -> Value {
    if let Some(keys) = answer.as_object_mut() {
        keys.retain(|name, _| !without.contains(&name.as_str()));
    }
    answer
}

fn protected(environment: &Environment) -> Option<Value> {
    let rules = environment.rules.as_ref()?;
    let rule = |(place, (name, _)): (usize, &(String, Vec<String>))| {
        json!({ "id": place + 1, "user_id": null, "group_id": 134 + place, "access_level": null, "access_level_description": name,
                "required_approvals": 1, "group_inheritance_type": 0 })
    };
    Some(json!({
        "name": environment.name, "required_approval_count": 0,
        "deploy_access_levels": [{ "id": 12, "access_level": 40, "access_level_description": "Maintainers", "user_id": null,
                                   "group_id": null, "group_inheritance_type": 0 }],
        "approval_rules": rules.iter().enumerate().map(rule).collect::<Vec<_>>(),
    }))
}

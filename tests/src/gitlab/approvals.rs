//! What people say to a deployment that waits for them, and who of them may ("Deployment approvals").

use super::{GitLab, STARTER, State, answer};
use crate::server::Answer;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The longest comment, in characters.
const LONGEST: usize = 255;

impl GitLab {
    /// Somebody says something to a deployment, as a member of a group of an approval rule or by themselves.
    ///
    /// # Panics
    /// Where it is not waiting for that.
    pub fn say(&self, id: u64, who: &str, status: &str, comment: &str, group: Option<&str>) {
        let mut state = self.state();
        let waits = state.deployments.iter().any(|it| it["id"] == id && it["status"] == "blocked");
        assert!(waits, "deployment {id} waits for nobody");
        let _ = state.say(id, who, status, comment, group);
    }

    /// Environments with more than one rule show what was said only with these.
    pub fn show_rules_alone(&self) {
        self.state().shows_rules_alone = true;
    }

    /// Another person of the project, with a token.
    pub fn add_person(&self, token: &str, name: &str) {
        self.state().persons.insert(token.to_owned(), name.to_owned());
    }

    /// What was said to a deployment: who and what, with the comment.
    #[must_use]
    pub fn said(&self, id: u64) -> Vec<String> {
        let state = self.state();
        let words = |(said, _): &(Value, Option<String>)| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!("{} {}: {}", text(&said["user"]["username"]), text(&said["status"]), text(&said["comment"]))
        };
        state.approvals.get(&id).into_iter().flatten().map(words).collect()
    }
}

impl State {
    /// A deployment with what was said to it, by rules.
    pub(super) fn detail(&self, place: usize) -> Value {
        let mut deployment = self.deployments[place].clone();
        let said = deployment["id"].as_u64().and_then(|id| self.approvals.get(&id)).cloned().unwrap_or_default();
        let mut rules: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for (approval, group) in &said {
            if let Some(group) = group {
                rules.entry(group).or_default().push(approval);
            }
        }
        let rule = |(group, approvals): (&&str, &Vec<&Value>)| {
            json!({ "user_id": null, "group_id": 134, "access_level": null, "access_level_description": group,
                    "required_approvals": 1, "deployment_approvals": approvals })
        };
        if self.shows_rules_alone {
            deployment["approval_summary"] = json!({ "rules": rules.iter().map(rule).collect::<Vec<_>>() });
            return deployment;
        }
        deployment["approvals"] = said.iter().map(|(approval, _)| approval.clone()).collect();
        deployment["pending_approval_count"] = 0.into();
        deployment["approval_summary"] = json!({ "rules": rules.iter().map(rule).collect::<Vec<_>>() });
        deployment
    }

    /// Somebody answers through the API: what GitLab looks at, in its order and its words.
    pub(super) fn approve(&mut self, place: usize, who: &str, body: &Value) -> Answer {
        let refusal = |words: &str| answer(400, &json!({ "message": words }));
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let id = self.deployments[place]["id"].as_u64().unwrap_or_default();
        let (status, group) = (text("status"), text("represented_as"));
        let environment = self.deployments[place]["environment"]["id"].clone();
        let Some(rules) = self.rules(environment.as_u64().unwrap_or_default()).cloned() else {
            return refusal("This environment is not protected.");
        };
        // The pipeline's; its job's token speaks for the same person.
        if who == STARTER && status == "approved" {
            return refusal(
                "You cannot approve your own deployment. This configuration can be adjusted in the protected environment \
                 settings.",
            );
        }
        if rules.is_empty() {
            return refusal("Deployment approvals is not configured for this environment.");
        }
        if self.deployments[place]["status"] != "blocked" {
            return refusal("This deployment is not waiting for approvals.");
        }
        let of: Vec<&String> =
            rules.iter().filter(|(_, people)| people.iter().any(|name| name == who)).map(|(group, _)| group).collect();
        if of.is_empty() {
            return refusal(
                "You don't have permission to approve this deployment. Contact the project or group owner for help.",
            );
        }
        let Some(group) = of.iter().find(|name| group.is_empty() || ***name == group) else {
            return refusal(
                "There are no approval rules for the given `represent_as` parameter. Use a valid User/Group/Role name \
                 instead.",
            );
        };
        if text("comment").chars().count() > LONGEST {
            return answer(
                400,
                &json!({ "message": [format!("Comment is too long (maximum is {LONGEST} characters)")] }),
            );
        }
        let said = self.say(id, who, &status, &text("comment"), Some(group));
        answer(201, &said)
    }

    /// Whoever has said something for a rule says something else; whoever was against it ends it.
    pub(super) fn say(&mut self, id: u64, who: &str, status: &str, comment: &str, group: Option<&str>) -> Value {
        let user =
            json!({ "id": 7, "name": who, "username": who, "state": "active", "avatar_url": null, "web_url": null });
        let at = format!("{:.3}", jiff::Timestamp::now());
        let said = json!({ "user": user, "status": status, "created_at": at, "comment": comment });
        let before = self.approvals.entry(id).or_default();
        before.retain(|(said, of)| said["user"]["username"] != *who || of.as_deref() != group);
        before.push((said.clone(), group.map(str::to_owned)));
        if status == "rejected"
            && let Some(deployment) = self.deployments.iter_mut().find(|deployment| deployment["id"] == id)
        {
            deployment["status"] = "failed".into();
        }
        said
    }
}

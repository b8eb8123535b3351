//! Comments of issues and pull requests, the repository, people and teams.

use super::description::example;
use super::state::{Asked, Reply, State, now};
use super::tokens::user;
use serde_json::{Value, json};

/// The longest comment, in characters.
const LONGEST: usize = 65_536;

impl State {
    pub(super) fn list_comments(&self, asked: &Asked) -> Reply {
        let issue = asked.number("issue_number");
        let Some(comments) = self.comments.get(&issue) else { return Reply::missing() };
        let since = asked.query.get("since");
        let fits = |comment: &&Value| {
            since.is_none_or(|since| comment["updated_at"].as_str().is_some_and(|at| at >= since.as_str()))
        };
        let found = comments.iter().filter(fits).cloned().collect();
        self.page(asked, &format!("/issues/{issue}/comments"), found, None)
    }

    pub(super) fn create_comment(&mut self, asked: &Asked) -> Reply {
        let issue = asked.number("issue_number");
        if !self.comments.contains_key(&issue) {
            return Reply::missing();
        }
        if let Some(refusal) = too_long(asked) {
            return refusal;
        }
        let made = self.make_comment(issue, &asked.who.login, asked.text("body"));
        Reply::new(201, made)
    }

    pub(super) fn make_comment(&mut self, issue: u64, login: &str, body: &str) -> Value {
        let id = self.next();
        let made = json!({
            "id": id, "node_id": format!("IC_{id}"), "url": self.url(&format!("/issues/comments/{id}")), "body": body,
            "html_url": format!("https://github.com/{}/pull/{issue}#issuecomment-{id}", super::REPOSITORY),
            "issue_url": self.url(&format!("/issues/{issue}")), "user": user(login), "created_at": now(), "updated_at": now(),
            "author_association": "NONE", "performed_via_github_app": null,
        });
        self.comments.entry(issue).or_default().push(made.clone());
        made
    }

    fn comment(&mut self, asked: &Asked) -> Option<&mut Value> {
        let id = asked.number("comment_id");
        self.comments.values_mut().flatten().find(|comment| comment["id"] == id)
    }

    pub(super) fn get_comment(&mut self, asked: &Asked) -> Reply {
        self.comment(asked).map_or_else(Reply::missing, |comment| Reply::new(200, comment.clone()))
    }

    pub(super) fn update_comment(&mut self, asked: &Asked) -> Reply {
        let refusal = too_long(asked);
        let Some(comment) = self.comment(asked) else { return Reply::missing() };
        if let Some(refusal) = refusal {
            return refusal;
        }
        comment["body"] = asked.body["body"].clone();
        comment["updated_at"] = now().into();
        Reply::new(200, comment.clone())
    }

    pub(super) fn delete_comment(&mut self, asked: &Asked) -> Reply {
        if self.comment(asked).is_none() {
            return Reply::missing();
        }
        let id = asked.number("comment_id");
        self.comments.values_mut().for_each(|comments| comments.retain(|comment| comment["id"] != id));
        Reply::new(204, Value::Null)
    }

    pub(super) fn list_pulls(&self, asked: &Asked) -> Reply {
        let commit = asked.argument("commit_sha");
        let pull = |number: u64| {
            let mut made = example("pull");
            made["number"] = number.into();
            made["html_url"] = format!("https://github.com/{}/pull/{number}", super::REPOSITORY).into();
            made["head"]["sha"] = commit.into();
            made["requested_teams"] = json!([]);
            made
        };
        let found = self.pulls.iter().filter(|(_, sha)| sha == commit).map(|(number, _)| pull(*number)).collect();
        self.page(asked, &format!("/commits/{commit}/pulls"), found, None)
    }

    pub(super) fn get_repository(&self) -> Reply {
        let mut made = example("repository");
        made["name"] = super::NAME.into();
        made["full_name"] = super::REPOSITORY.into();
        made["url"] = self.url("").into();
        made["html_url"] = format!("https://github.com/{}", super::REPOSITORY).into();
        made["default_branch"] = "main".into();
        // The example is of a fork, and of before there was this key.
        made["language"] = Value::Null;
        made.as_object_mut().expect("an object").retain(|name, _| !matches!(name.as_str(), "source" | "parent"));
        Reply::new(200, made)
    }

    pub(super) fn get_user(asked: &Asked) -> Reply {
        let mut made = example("user");
        for (name, value) in user(&asked.who.login).as_object().into_iter().flatten() {
            made[name] = value.clone();
        }
        Reply::new(200, made)
    }

    pub(super) fn get_membership(&self, asked: &Asked) -> Reply {
        let (organisation, team) = (asked.argument("org"), asked.argument("team_slug"));
        let login = asked.argument("username");
        let members = self.teams.get(&(organisation.to_owned(), team.to_owned()));
        if !members.is_some_and(|members| members.iter().any(|member| member == login)) {
            return Reply::missing();
        }
        let url = format!("{}/orgs/{organisation}/teams/{team}/memberships/{login}", self.api);
        Reply::new(200, json!({ "url": url, "role": "member", "state": "active" }))
    }

    pub(super) fn get_limit(asked: &Asked) -> Reply {
        let limit = asked.who.limit();
        let reset = jiff::Timestamp::now().as_second() + 1800;
        let (left, reset) = asked.who.left.unwrap_or((limit, reset));
        let core = json!({ "limit": limit, "remaining": left, "reset": reset, "used": limit - left });
        let search = json!({ "limit": 30, "remaining": 30, "reset": reset, "used": 0 });
        Reply::new(200, json!({ "resources": { "core": core, "search": search }, "rate": core }))
    }
}

fn too_long(asked: &Asked) -> Option<Reply> {
    let is_long = asked.text("body").chars().count() > LONGEST;
    is_long.then(|| Reply::invalid("IssueComment", "body", "body is too long (maximum is 65536 characters)"))
}

//! How a request is answered: held to the official description, refused where the real one refuses, then done.

use super::artifacts;
use super::description::operations;
use super::state::{self, Asked, Reply, State};
use super::{NAME, OWNER, tokens};
use crate::fault::Fault;
use crate::server::{Answer, Request};
use serde_json::Value;
use url::form_urlencoded;

impl State {
    pub(super) fn answer(&mut self, request: &Request, base: &str, is_late: bool) -> Answer {
        if request.path.starts_with(artifacts::STORE) {
            return self.stored(request);
        }
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let line = format!("{} {path}", request.method);
        let route = path.strip_prefix(base).unwrap_or_default();
        let found = operations().iter().find_map(|it| Some((it, it.arguments(&request.method, route)?)));
        let Some((operation, arguments)) = found else {
            self.mistakes.push(format!("{line}: it is not expected"));
            return Reply::missing().answer();
        };
        let mut mistakes = operation.mistakes(&query, &request.body);
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let who = token.and_then(|token| self.tokens.get(token)).cloned();
        if who.is_none() {
            mistakes.push("its token is not one that there is".into());
        }
        if request.header("user-agent").is_none() {
            mistakes.push("it does not say who asks".into());
        }
        let Some(who) = who.filter(|_| mistakes.is_empty()) else {
            self.mistakes.extend(mistakes.iter().map(|mistake| format!("{line}: {mistake}")));
            return Reply::refusal(422, &mistakes.join("; ")).answer();
        };
        let asked = Asked {
            operation: operation.name.clone(),
            who,
            arguments: arguments.into_iter().map(|(name, value)| (name, decoded(&value))).collect(),
            query: query.into_iter().collect(),
            body: request.json().unwrap_or_default(),
        };
        let fault = if is_late { None } else { self.faults.due(request) };
        Fault::befall(fault, || {
            let mut reply = self.refused(&asked, token.unwrap_or_default()).unwrap_or_else(|| self.act(&asked));
            self.mistakes.extend(
                operation
                    .wrong_answer(reply.status, &as_described(&reply.body))
                    .into_iter()
                    .map(|mistake| format!("{line}: {mistake}")),
            );
            let left = asked.who.left.unwrap_or((asked.who.limit(), jiff::Timestamp::now().as_second() + 1800));
            reply.headers.extend([
                ("x-ratelimit-limit", asked.who.limit().to_string()),
                ("x-ratelimit-remaining", left.0.to_string()),
                ("x-ratelimit-reset", left.1.to_string()),
                ("x-ratelimit-resource", "core".to_owned()),
                ("x-github-media-type", "github.v3; format=json".to_owned()),
                ("date", state::date(self.ahead)),
            ]);
            reply.answer()
        })
    }

    /// What keeps whoever asks from it.
    fn refused(&mut self, asked: &Asked, token: &str) -> Option<Reply> {
        if asked.who.is_expired {
            return Some(Reply::refusal(401, "Bad credentials"));
        }
        let now = jiff::Timestamp::now().as_second();
        if let Some((left, reset)) = asked.who.left
            && asked.operation != "rate-limit/get"
            && now <= reset
        {
            if left == 0 {
                return Some(Reply::refusal(403, "API rate limit exceeded for installation ID 1234567."));
            }
            self.tokens.get_mut(token)?.left = Some((left - 1, reset));
        }
        let is_elsewhere = asked.arguments.contains_key("repo")
            && (asked.argument("owner") != OWNER || asked.argument("repo") != NAME);
        if is_elsewhere {
            return Some(Reply::missing());
        }
        if !asked.who.may(&asked.operation) {
            let mut reply = Reply::refusal(403, "Resource not accessible by integration");
            reply.headers.push(("x-accepted-github-permissions", tokens::accepted_header(&asked.operation)));
            return Some(reply);
        }
        None
    }

    fn act(&mut self, asked: &Asked) -> Reply {
        match asked.operation.as_str() {
            "repos/get" => self.get_repository(),
            "repos/list-deployments" => self.list_deployments(asked),
            "repos/create-deployment" => self.create_deployment(asked),
            "repos/get-deployment" => self.get_deployment(asked),
            "repos/delete-deployment" => self.delete_deployment(asked),
            "repos/list-deployment-statuses" => self.list_statuses(asked),
            "repos/create-deployment-status" => self.create_status(asked),
            "repos/get-all-environments" => self.list_environments(asked),
            "repos/get-environment" => self.get_environment(asked),
            "repos/delete-an-environment" => self.delete_environment(asked),
            "actions/list-workflow-runs-for-repo" => self.list_runs(asked),
            "actions/list-workflow-run-artifacts" => self.list_artifacts(asked),
            "actions/download-artifact" => self.download_artifact(asked),
            "actions/get-workflow-run" => self.get_run(asked),
            "actions/list-jobs-for-workflow-run" => self.list_jobs(asked),
            "actions/get-reviews-for-run" => self.list_approvals(asked),
            "actions/get-pending-deployments-for-run" => self.list_pending(asked),
            "actions/review-pending-deployments-for-run" => self.review(asked),
            "actions/review-custom-gates-for-run" => self.respond(asked),
            "repos/list-pull-requests-associated-with-commit" => self.list_pulls(asked),
            "git/create-ref" => self.create_reference(asked),
            "git/get-ref" => self.get_reference(asked),
            "git/list-matching-refs" => self.list_references(asked),
            "git/update-ref" => self.update_reference(asked),
            "git/delete-ref" => self.delete_reference(asked),
            "git/create-blob" => self.create_blob(asked),
            "git/get-blob" => self.get_blob(asked),
            "git/create-tree" => self.create_tree(asked),
            "git/get-tree" => self.get_tree(asked),
            "git/create-commit" => self.create_commit(asked),
            "git/get-commit" => self.get_commit(asked),
            "issues/list-comments" => self.list_comments(asked),
            "issues/create-comment" => self.create_comment(asked),
            "issues/get-comment" => self.get_comment(asked),
            "issues/update-comment" => self.update_comment(asked),
            "issues/delete-comment" => self.delete_comment(asked),
            "users/get-authenticated" => Self::get_user(asked),
            "teams/get-membership-for-user-in-org" => self.get_membership(asked),
            "rate-limit/get" => Self::get_limit(asked),
            other => unreachable!("{other} is described and not done"),
        }
    }
}

/// An argument of a path without its percent signs.
fn decoded(text: &str) -> String {
    let safe = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(safe.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}

/// An answer without what GitHub answers and does not describe: the state `waiting` of a status, and no text for a link.
fn as_described(body: &Value) -> Value {
    let mut body = body.clone();
    let one = |status: &mut Value| {
        if status["state"] == "waiting" {
            status["state"] = "queued".into();
        }
        if let Some(keys) = status.as_object_mut() {
            keys.retain(|name, value| !name.ends_with("_url") || value != "" || name == "target_url");
            keys.entry("target_url").and_modify(|url| {
                if url == "" {
                    *url = "https://ci.invalid/none".into()
                }
            });
        }
    };
    match &mut body {
        Value::Array(statuses) => statuses.iter_mut().for_each(one),
        status => one(status),
    }
    body
}

//! Who asks, and what they may: tokens of jobs, of persons and of apps, with their permissions.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The token of the job.
pub const JOB_TOKEN: &str = "ghs_0123456789abcdefABCDEF";
/// The token of `grace`, a person who may do everything that is hers to do.
pub const TOKEN: &str = "ghp_0123456789abcdefABCDEF";
/// The token of an app that owns a protection rule.
pub const APP_TOKEN: &str = "ghs_app_0123456789abcdefABCDEF";
/// Who started the job.
pub const ACTOR: &str = "ada";
/// Whose [`TOKEN`] is.
pub const REVIEWER: &str = "grace";

/// What a token is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Job,
    Person,
    App,
}

/// A token.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) login: String,
    /// By area `read` or `write`; all of them where there is none.
    pub(super) permissions: Option<BTreeMap<String, String>>,
    pub(super) is_expired: bool,
    /// How many requests are left in this hour, and when the next one begins, in seconds since 1970.
    pub(super) left: Option<(u32, i64)>,
}

impl Token {
    fn new(kind: Kind, login: &str) -> Self {
        Self { kind, login: login.to_owned(), permissions: None, is_expired: false, left: None }
    }

    /// Those that there are at first. The job has what its workflow would have to ask for.
    pub(super) fn all() -> BTreeMap<String, Self> {
        let permissions = [
            ("actions", "read"),
            ("contents", "write"),
            ("deployments", "write"),
            ("issues", "write"),
            ("pull_requests", "write"),
        ];
        let job = Self {
            permissions: Some(permissions.map(|(area, level)| (area.to_owned(), level.to_owned())).into()),
            ..Self::new(Kind::Job, "github-actions[bot]")
        };
        let others = [
            (TOKEN.to_owned(), Self::new(Kind::Person, REVIEWER)),
            (APP_TOKEN.to_owned(), Self::new(Kind::App, "windlass-gate[bot]")),
        ];
        others.into_iter().chain([(JOB_TOKEN.to_owned(), job)]).collect()
    }

    /// How many requests an hour it is good for.
    pub(super) const fn limit(&self) -> u32 {
        if matches!(self.kind, Kind::Job) { 1000 } else { 5000 }
    }

    /// Whether it may do this.
    pub(super) fn may(&self, operation: &str) -> bool {
        if self.kind != Kind::Person && is_for_persons(operation) {
            return false;
        }
        let accepted = accepted(operation);
        let has = |(area, level): &(&str, &str)| match &self.permissions {
            None => true,
            Some(permissions) => {
                let granted = permissions.get(*area).map(String::as_str);
                granted == Some("write") || granted == Some(*level)
            }
        };
        accepted.is_empty() || accepted.iter().any(|set| set.iter().all(has))
    }
}

/// What no job and no app is let to: what is asked as a person. A required reviewer is one.
fn is_for_persons(operation: &str) -> bool {
    matches!(
        operation,
        "users/get-authenticated"
            | "actions/review-pending-deployments-for-run"
            | "teams/get-membership-for-user-in-org"
    )
}

/// The sets of permissions of which any is enough ("Permissions required for GitHub Apps").
fn accepted(operation: &str) -> &'static [&'static [(&'static str, &'static str)]] {
    match operation {
        "repos/get" | "rate-limit/get" | "users/get-authenticated" => &[],
        "repos/list-deployments" | "repos/get-deployment" | "repos/list-deployment-statuses" => {
            &[&[("deployments", "read")]]
        }
        "repos/create-deployment"
        | "repos/delete-deployment"
        | "repos/create-deployment-status"
        | "actions/review-pending-deployments-for-run"
        | "actions/review-custom-gates-for-run" => &[&[("deployments", "write")]],
        "repos/delete-an-environment" => &[&[("administration", "write")]],
        "repos/list-pull-requests-associated-with-commit" => &[&[("pull_requests", "read")]],
        "issues/list-comments" | "issues/get-comment" => &[&[("issues", "read")], &[("pull_requests", "read")]],
        "issues/create-comment" | "issues/update-comment" | "issues/delete-comment" => {
            &[&[("issues", "write")], &[("pull_requests", "write")]]
        }
        "git/create-ref" | "git/update-ref" | "git/delete-ref" | "git/create-blob" | "git/create-tree"
        | "git/create-commit" => &[&[("contents", "write")]],
        "teams/get-membership-for-user-in-org" => &[&[("members", "read")]],
        name if name.starts_with("git/") => &[&[("contents", "read")]],
        // Environments and runs.
        _ => &[&[("actions", "read")]],
    }
}

/// The same as GitHub says it in a header: `issues=write; pull_requests=write`.
pub(super) fn accepted_header(operation: &str) -> String {
    let set =
        |set: &&[(&str, &str)]| set.iter().map(|(area, level)| format!("{area}={level}")).collect::<Vec<_>>().join(",");
    accepted(operation).iter().map(set).collect::<Vec<_>>().join("; ")
}

/// A user, as part of answers.
pub(super) fn user(login: &str) -> Value {
    let api = format!("https://api.github.com/users/{}", login.replace(['[', ']'], ""));
    let of = |rest: &str| format!("{api}/{rest}");
    let id = login.bytes().fold(7_u64, |sum, byte| sum * 31 % 1_000_003 + u64::from(byte));
    json!({
        "login": login, "id": id, "node_id": format!("U_{id}"), "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}"),
        "gravatar_id": "", "url": api, "html_url": format!("https://github.com/{}", login.trim_end_matches("[bot]")),
        "followers_url": of("followers"), "following_url": of("following{/other_user}"), "gists_url": of("gists{/gist_id}"),
        "starred_url": of("starred{/owner}{/repo}"), "subscriptions_url": of("subscriptions"), "organizations_url": of("orgs"),
        "repos_url": of("repos"), "events_url": of("events{/privacy}"), "received_events_url": of("received_events"),
        "type": if login.ends_with("[bot]") { "Bot" } else { "User" }, "site_admin": false,
    })
}

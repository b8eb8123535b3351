//! What the fake keeps, what is asked of it, and what it replies.

use super::artifacts::Artifact;
use super::tokens::Token;
use crate::fault::Faults;
use crate::server::Answer;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A request, as far as it is understood.
#[derive(Debug)]
pub(super) struct Asked {
    /// The operation's name.
    pub(super) operation: String,
    pub(super) who: Token,
    /// From the path, decoded.
    pub(super) arguments: BTreeMap<String, String>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: Value,
}

impl Asked {
    pub(super) fn argument(&self, name: &str) -> &str {
        self.arguments.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A number out of the path.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.argument(name).parse().unwrap_or_default()
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }
}

/// What is replied where nothing goes wrong on the way.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(super) const fn new(status: u16, body: Value) -> Self {
        Self { status, body, headers: vec![] }
    }

    /// A refusal in GitHub's words.
    pub(super) fn refusal(status: u16, message: &str) -> Self {
        let documentation = "https://docs.github.com/rest";
        Self::new(
            status,
            json!({ "message": message, "documentation_url": documentation, "status": status.to_string() }),
        )
    }

    /// That a field is not what it has to be.
    pub(super) fn invalid(resource: &str, field: &str, message: &str) -> Self {
        let mut reply = Self::refusal(422, "Validation Failed");
        reply.body["errors"] = json!([{ "resource": resource, "code": "custom", "field": field, "message": message }]);
        reply
    }

    pub(super) fn missing() -> Self {
        Self::refusal(404, "Not Found")
    }

    pub(super) fn answer(&self) -> Answer {
        let text = if self.status == 204 { String::new() } else { self.body.to_string() };
        let answer = Answer::new(self.status, text).header("content-type", "application/json; charset=utf-8");
        self.headers.iter().fold(answer, |answer, (name, value)| answer.header(name, value))
    }
}

/// An environment and who has to agree to what is deployed there.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    pub(super) id: u64,
    pub(super) name: String,
    /// Logins, and teams with an `@` before their name.
    pub(super) reviewers: Vec<String>,
    pub(super) prevents_self_review: bool,
}

/// A job of a run.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) status: String,
    /// Which runner it is on, where a test says so.
    pub(super) runner: Option<String>,
}

/// A run of a workflow.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) attempt: u64,
    pub(super) actor: String,
    pub(super) sha: String,
    pub(super) status: String,
    pub(super) conclusion: Option<String>,
    /// The environments that it waits for.
    pub(super) waiting: Vec<String>,
    /// Who said what, oldest first, as it is answered.
    pub(super) approvals: Vec<Value>,
    /// What the app that owns a protection rule said.
    pub(super) rules: Vec<Value>,
    /// The jobs, by their number: their names and statuses.
    pub(super) jobs: BTreeMap<u64, Job>,
}

/// An object of git.
#[derive(Debug, Clone)]
pub(super) enum Object {
    Blob(Vec<u8>),
    /// By path: mode, kind and id.
    Tree(BTreeMap<String, (String, String, String)>),
    /// As it is answered.
    Commit(Value),
}

/// Everything.
#[derive(Debug)]
pub(super) struct State {
    /// `http://127.0.0.1:PORT` and what the API's address has behind it.
    pub(super) api: String,
    pub(super) last: u64,
    pub(super) deployments: Vec<Value>,
    pub(super) statuses: BTreeMap<u64, Vec<Value>>,
    pub(super) environments: Vec<Environment>,
    pub(super) runs: BTreeMap<u64, Run>,
    pub(super) objects: BTreeMap<String, Object>,
    /// `refs/heads/main`.
    pub(super) references: BTreeMap<String, String>,
    pub(super) unknown_commits: BTreeSet<String>,
    /// By the number of the issue or pull request.
    pub(super) comments: BTreeMap<u64, Vec<Value>>,
    /// Numbers and commits.
    pub(super) pulls: Vec<(u64, String)>,
    /// By organisation and team.
    pub(super) teams: BTreeMap<(String, String), Vec<String>>,
    pub(super) artifacts: Vec<Artifact>,
    pub(super) tokens: BTreeMap<String, Token>,
    /// How many seconds its clock is ahead of this machine's.
    pub(super) ahead: i64,
    pub(super) faults: Faults,
    pub(super) mistakes: Vec<String>,
}

impl State {
    /// Another number.
    pub(super) const fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The address of something of the repository.
    pub(super) fn url(&self, rest: &str) -> String {
        format!("{}/repos/{}{rest}", self.api, super::REPOSITORY)
    }

    /// A page of what there is, with links to the others.
    pub(super) fn page(&self, asked: &Asked, path: &str, items: Vec<Value>, within: Option<&str>) -> Reply {
        let number =
            |name: &str, otherwise: usize| asked.query.get(name).and_then(|it| it.parse().ok()).unwrap_or(otherwise);
        let (page, size) = (number("page", 1).max(1), number("per_page", 30));
        let last = items.len().div_ceil(size).max(1);
        let mut links = vec![];
        let mut link = |page: usize, relation: &str| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in asked.query.iter().filter(|(name, _)| *name != "page") {
                query.append_pair(name, value);
            }
            let query = query.append_pair("page", &page.to_string()).finish();
            links.push(format!("<{}?{query}>; rel=\"{relation}\"", self.url(path)));
        };
        if page > 1 {
            link(page - 1, "prev");
            link(1, "first");
        }
        if page < last {
            link(page + 1, "next");
            link(last, "last");
        }
        let total = items.len();
        let listed: Value = items.into_iter().skip((page - 1) * size).take(size).collect();
        let body = match within {
            Some(name) => json!({ "total_count": total, name: listed }),
            None => listed,
        };
        let mut reply = Reply::new(200, body);
        if !links.is_empty() {
            reply.headers.push(("link", links.join(", ")));
        }
        reply
    }
}

/// This moment, as GitHub writes it.
pub(super) fn now() -> String {
    let seconds = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(seconds).expect("it is within what there is of time").to_string()
}

/// This moment as a header says it, so many seconds later.
pub(super) fn date(ahead: i64) -> String {
    let then = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(ahead);
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&then).expect("a date")
}

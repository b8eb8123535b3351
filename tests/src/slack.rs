//! A Slack on loopback that refuses what the real one refuses: wrong tokens, missing arguments, names where only an id will
//! do, unknown methods and messages, and blocks beyond the limits of Block Kit.

use crate::server::{Answer, Fake, Request};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// The only channel there is, by id.
pub const CHANNEL: &str = "C0123456789";
/// The same, by name.
pub const NAME: &str = "#deploys";

/// A message that was posted.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Its id.
    pub ts: String,
    /// The message below which it stands.
    pub thread: Option<String>,
    /// Its text, as it reads now.
    pub text: String,
    /// All of it, as it was sent last.
    pub body: Value,
    /// How often it was updated.
    pub updates: usize,
}

#[derive(Debug, Default)]
struct State {
    posted: Vec<Posted>,
    refused: Vec<String>,
    next: VecDeque<Answer>,
}

/// The fake.
#[derive(Debug)]
pub struct Slack(Fake<State>);

impl Slack {
    /// A workspace with the channel, a bot with this token in it, and an incoming webhook at this path.
    #[must_use]
    pub fn start(token: &str, webhook: &str) -> Self {
        let (token, webhook) = (token.to_owned(), webhook.to_owned());
        Self(Fake::start(State::default(), move |state, request| match state.next.pop_front() {
            Some(answer) => answer,
            None if request.path == webhook => hook(state, request),
            None => api(state, request, &token),
        }))
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.0.url(path)
    }

    /// Answers the next request like this, whatever it is.
    pub fn answer_next(&self, answer: Answer) {
        self.0.state().next.push_back(answer);
    }

    /// The messages, in order.
    #[must_use]
    pub fn posted(&self) -> Vec<Posted> {
        self.0.state().posted.clone()
    }

    /// What it refused, and why.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.0.state().refused.clone()
    }

    /// What it was asked.
    #[must_use]
    pub fn received(&self) -> Vec<Request> {
        self.0.received()
    }
}

impl State {
    fn refuse(&mut self, method: &str, word: &str) -> Answer {
        self.refused.push(format!("{method}: {word}"));
        Answer::json(&json!({ "ok": false, "error": word }))
    }

    fn post(&mut self, body: &Value) -> String {
        // The seconds of some moment, and a number that makes it unique.
        let ts = format!("1790000000.{:06}", self.posted.len() + 1);
        self.posted.push(Posted {
            ts: ts.clone(),
            thread: body["thread_ts"].as_str().map(str::to_owned),
            text: body["text"].as_str().unwrap_or_default().into(),
            body: body.clone(),
            updates: 0,
        });
        ts
    }
}

fn api(state: &mut State, request: &Request, token: &str) -> Answer {
    let Some(method) = request.path.strip_prefix("/api/") else {
        state.refused.push(format!("{} {}: no such page", request.method, request.path));
        return Answer::new(404, "");
    };
    let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let body = request.json().filter(Value::is_object);
    let problem = match (method, bearer, &body) {
        ("chat.postMessage" | "chat.update", None, _) => Some("not_authed"),
        ("chat.postMessage" | "chat.update", Some(bearer), _) if bearer != token => Some("invalid_auth"),
        ("chat.postMessage" | "chat.update", _, None) => Some("invalid_json"),
        ("chat.postMessage" | "chat.update", _, Some(body)) => problem(state, request, method, body),
        _ => Some("unknown_method"),
    };
    if let Some(problem) = problem {
        return state.refuse(method, problem);
    }
    let body = body.unwrap_or_default();
    let ts = if method == "chat.update" {
        let ts = body["ts"].as_str().unwrap_or_default().to_owned();
        for posted in state.posted.iter_mut().filter(|posted| posted.ts == ts) {
            posted.updates += 1;
            posted.text = body["text"].as_str().unwrap_or_default().into();
            posted.body = body.clone();
        }
        ts
    } else {
        state.post(&body)
    };
    Answer::json(&json!({ "ok": true, "channel": CHANNEL, "ts": ts, "message": { "text": body["text"] } }))
}

/// What Slack would say against a call.
fn problem(state: &State, request: &Request, method: &str, body: &Value) -> Option<&'static str> {
    let text = |key: &str| body[key].as_str();
    let is_posted = |ts: &str| state.posted.iter().any(|posted| posted.ts == ts);
    if request.method != "POST"
        || !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json"))
    {
        return Some("invalid_post_type");
    }
    match text("channel") {
        None => return Some("invalid_arguments"),
        // An update takes only the id.
        Some(NAME) if method == "chat.postMessage" => {}
        Some(CHANNEL) => {}
        Some(_) => return Some("channel_not_found"),
    }
    if method == "chat.update" {
        match text("ts") {
            None => return Some("invalid_arguments"),
            Some(ts) if !is_posted(ts) => return Some("message_not_found"),
            Some(_) => {}
        }
    }
    if !text("thread_ts").is_none_or(is_posted) {
        return Some("thread_not_found");
    }
    if text("text").is_none_or(str::is_empty) && body["blocks"].as_array().is_none_or(Vec::is_empty) {
        return Some("no_text");
    }
    (!blocks_are_valid(body)).then_some("invalid_blocks")
}

fn hook(state: &mut State, request: &Request) -> Answer {
    let word = match request.json() {
        _ if request.method != "POST" => "invalid_payload",
        None => "invalid_payload",
        Some(body) if body["text"].as_str().is_none_or(str::is_empty) => "no_text",
        Some(body) if !blocks_are_valid(&body) => "invalid_blocks",
        Some(body) => {
            let _ = state.post(&body);
            return Answer::new(200, "ok");
        }
    };
    state.refused.push(format!("webhook: {word}"));
    Answer::new(400, word)
}

/// The limits of the kinds of block that are sent.
fn blocks_are_valid(body: &Value) -> bool {
    let Some(blocks) = body.get("blocks") else { return true };
    let Some(blocks) = blocks.as_array().filter(|blocks| blocks.len() <= 50) else { return false };
    blocks.iter().all(|block| match block["type"].as_str() {
        Some("header") => block["text"]["type"] == "plain_text" && is_text(&block["text"], 150),
        Some("section") => {
            let fields = block["fields"].as_array();
            let text = block.get("text").is_none_or(|text| is_text(text, 3_000));
            let fields_are_valid = fields.is_none_or(|fields| {
                !fields.is_empty() && fields.len() <= 10 && fields.iter().all(|field| is_text(field, 2_000))
            });
            text && fields_are_valid && (block.get("text").is_some() || fields.is_some())
        }
        Some("context") => {
            let elements = block["elements"].as_array();
            elements.is_some_and(|elements| {
                !elements.is_empty() && elements.len() <= 10 && elements.iter().all(|element| is_text(element, 3_000))
            })
        }
        Some("divider") => true,
        _ => false,
    })
}

fn is_text(text: &Value, limit: usize) -> bool {
    let kind = matches!(text["type"].as_str(), Some("mrkdwn" | "plain_text"));
    kind && text["text"].as_str().is_some_and(|text| !text.is_empty() && text.chars().count() <= limit)
}

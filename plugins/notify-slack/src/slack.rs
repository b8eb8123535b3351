//! One call to Slack, with the one retry policy, and what its answers mean.
//!
//! Slack's limits are obeyed (`Retry-After`), what never reached it is sent again, and what may have reached it is sent
//! again only where that does no harm: a message is never posted twice by us.

use serde_json::Value;
use std::time::Duration;
use windlass_plugin::http::{Error, Response};
use windlass_plugin::{Failure, FailureKind};

/// How long to wait in all, between the tries of one call.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often to try what does not come through. Waiting as long as Slack asks for does not count.
const TRIES: u32 = 3;

/// What a call needs of the world.
pub trait Wire {
    /// Post JSON.
    ///
    /// # Errors
    /// Where there is no answer.
    fn post(&mut self, url: &str, authorization: Option<&str>, body: &Value) -> Result<Response, Error>;
    /// Wait.
    fn pause(&mut self, duration: Duration);
    /// A line for whoever watches.
    fn say(&mut self, line: &str);
}

/// Where to call, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The URL, or a webhook's stand-in.
    pub url: String,
    /// The header's value, with a token's stand-in; none for a webhook.
    pub authorization: Option<String>,
    /// Whether a second time does no harm.
    pub repeatable: bool,
}

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// Slack said no, with this word, for example `channel_not_found`.
    Refused {
        /// Slack's word.
        code: String,
        /// What else Slack said.
        detail: Vec<String>,
    },
    /// Slack wants us to wait longer than we do.
    RateLimited {
        /// How long it asked for.
        wait: Duration,
    },
    /// Slack was not reached. Nothing was posted.
    Unsent(String),
    /// It was sent, and whether it arrived is not known.
    Lost(String),
    /// The host said no, or the request cannot be sent by anybody.
    Stopped(Failure),
}

/// What one try came to.
enum Try {
    Answer(Value),
    Over(Trouble),
    /// Not to be counted: Slack said when to come back.
    Wait(Duration),
    /// Worth another try.
    Again(Trouble),
}

/// Call Slack.
///
/// # Errors
/// A [`Trouble`], once trying again is of no use or not safe.
pub fn call(wire: &mut impl Wire, call: &Call, body: &Value) -> Result<Value, Trouble> {
    let mut waited = Duration::ZERO;
    let mut tries = 1;
    loop {
        let pause = match attempt(wire, call, body) {
            Try::Answer(answer) => return Ok(answer),
            Try::Over(trouble) => return Err(trouble),
            Try::Wait(wait) if waited + wait > PATIENCE => return Err(Trouble::RateLimited { wait }),
            Try::Wait(wait) => {
                wire.say(&format!("Slack asks to wait {} s", wait.as_secs()));
                wait
            }
            Try::Again(trouble) if tries >= TRIES => return Err(trouble),
            Try::Again(trouble) => {
                wire.say(&format!("{}; trying again", trouble.what()));
                let pause = Duration::from_secs(1 << (tries - 1));
                tries += 1;
                pause
            }
        };
        wire.pause(pause);
        waited += pause;
    }
}

fn attempt(wire: &mut impl Wire, call: &Call, body: &Value) -> Try {
    let unclear = |what: String| {
        if call.repeatable { Try::Again(Trouble::Lost(what)) } else { Try::Over(Trouble::Lost(what)) }
    };
    let response = match wire.post(&call.url, call.authorization.as_deref(), body) {
        Ok(response) => response,
        Err(Error::Unreachable { code: "dns" | "connection-refused" | "unreachable", message }) => {
            return Try::Again(Trouble::Unsent(message));
        }
        Err(Error::Unreachable { code: "tls", message }) => return Try::Over(Trouble::Unsent(message)),
        Err(Error::Unreachable { message, .. }) => return unclear(message),
        Err(error) => return Try::Over(Trouble::Stopped(error.into())),
    };
    let text = response.text();
    let answer: Option<Value> = serde_json::from_str(&text).ok().filter(Value::is_object);
    let word = match &answer {
        Some(answer) => answer.get("error").and_then(Value::as_str).unwrap_or_default().to_owned(),
        None => text.lines().next().unwrap_or_default().trim().chars().take(100).collect(),
    };
    match (response.status, word.as_str()) {
        (429, _) | (200, "ratelimited" | "rate_limited") => {
            let seconds = response.header("retry-after").and_then(|seconds| seconds.trim().parse().ok()).unwrap_or(1);
            Try::Wait(Duration::from_secs(std::cmp::max(seconds, 1)))
        }
        (500.., _) => unclear(format!("Slack answered `{}`", response.status)),
        // Slack documents that some of the work may have been done by then.
        (_, "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout") => {
            unclear(format!("Slack answered `{word}`"))
        }
        // A webhook answers with the two letters.
        (200..=299, "ok") if call.authorization.is_none() => Try::Answer(Value::Null),
        (200..=299, _) if answer.as_ref().is_some_and(|answer| answer["ok"] == Value::Bool(true)) => {
            Try::Answer(answer.unwrap_or_default())
        }
        (status, "") => Try::Over(Trouble::Refused { code: format!("http-{status}"), detail: vec![] }),
        (status, _) if answer.is_none() && call.authorization.is_some() => {
            Try::Over(Trouble::Refused { code: format!("http-{status}"), detail: vec![word] })
        }
        _ => Try::Over(Trouble::Refused { code: word, detail: answer.as_ref().map(detail).unwrap_or_default() }),
    }
}

/// What else Slack says beside its word: the scope it needs, what is wrong with a block.
fn detail(answer: &Value) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    if let Some(needed) = answer["needed"].as_str() {
        lines.push(format!(
            "it needs the scope `{needed}`, and the token has `{}`",
            answer["provided"].as_str().unwrap_or("")
        ));
    }
    for message in answer["response_metadata"]["messages"].as_array().into_iter().flatten() {
        lines.extend(message.as_str().map(|message| message.chars().take(300).collect()));
    }
    lines
}

impl Trouble {
    /// What happened, in one line.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Refused { code, detail } if detail.is_empty() => format!("Slack refused the message: `{code}`"),
            Self::Refused { code, detail } => format!("Slack refused the message: `{code}` ({})", detail.join("; ")),
            Self::RateLimited { wait } => {
                format!("Slack takes no more messages for {} s, longer than is waited for", wait.as_secs())
            }
            Self::Unsent(why) => format!("Slack was not reached: {why}"),
            Self::Lost(why) => format!("Slack's answer was lost: {why}"),
            Self::Stopped(failure) => failure.message.clone(),
        }
    }

    /// A stable word.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "slack-refused",
            Self::RateLimited { .. } => "slack-rate-limited",
            Self::Unsent(_) => "slack-unreachable",
            Self::Lost(_) => "slack-answer-lost",
            Self::Stopped(_) => "slack-not-sent",
        }
    }

    /// One edit or one command that helps.
    #[must_use]
    pub fn hint(&self, place: &str) -> Option<String> {
        let Self::Refused { code, .. } = self else {
            return match self {
                Self::Lost(_) => Some(format!("look into {place} before sending it again")),
                _ => None,
            };
        };
        let hint = match code.as_str() {
            "not_in_channel" => {
                format!("invite the bot: type `/invite @NAME` in {place}, or give it the scope `chat:write.public`")
            }
            "channel_not_found" => {
                format!(
                    "check that {place} exists in this workspace; into a private channel the bot has to be invited first"
                )
            }
            "is_archived" | "channel_is_archived" => format!("{place} is archived: name another channel"),
            "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
                "put a valid bot token (`xoxb-…`) into the secret".into()
            }
            "missing_scope" => "add the scope `chat:write` to the Slack app and install it again".into(),
            "not_allowed_token_type" => "use a bot's token (`xoxb-…`), not another kind".into(),
            "restricted_action"
            | "restricted_action_read_only_channel"
            | "action_prohibited"
            | "posting_to_general_channel_denied" => {
                format!(
                    "a workspace setting keeps apps from posting to {place}: ask an administrator, or name another channel"
                )
            }
            "no_service" | "invalid_token" | "no_team" | "user_not_found" | "http-404" => {
                "make a new incoming webhook and put its URL into the secret".into()
            }
            _ => return None,
        };
        Some(hint)
    }

    /// The failure that it makes of a step whose notification is required.
    #[must_use]
    pub fn failure(self, place: &str) -> Failure {
        let hint = self.hint(place);
        let (kind, code, what) = (self.kind(), self.code(), self.what());
        if let Self::Stopped(failure) = self {
            return failure;
        }
        let message = format!("{place} could not be told");
        Failure { kind, code: code.into(), message, causes: vec![what], hint, note: None }
    }

    const fn kind(&self) -> FailureKind {
        match self {
            Self::Refused { .. } => FailureKind::Misconfigured,
            _ => FailureKind::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Answers by script; fails where it is asked for more.
    struct Script {
        answers: Vec<Result<Response, Error>>,
        posts: usize,
        pauses: Vec<u64>,
    }

    impl Wire for Script {
        fn post(&mut self, _: &str, _: Option<&str>, _: &Value) -> Result<Response, Error> {
            self.posts += 1;
            self.answers.remove(0)
        }

        fn pause(&mut self, duration: Duration) {
            self.pauses.push(duration.as_secs());
        }

        fn say(&mut self, _: &str) {}
    }

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Response, Error> {
        let headers = headers.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        Ok(Response { status, headers, body: body.into(), truncated: false, elapsed: Duration::ZERO })
    }

    fn unreachable(code: &'static str) -> Result<Response, Error> {
        Err(Error::Unreachable { code, message: code.into() })
    }

    fn run(answers: Vec<Result<Response, Error>>, repeatable: bool) -> (Result<Value, Trouble>, Script) {
        let mut script = Script { answers, posts: 0, pauses: vec![] };
        let authorization = Some("Bearer x".into());
        let result = call(&mut script, &Call { url: "u".into(), authorization, repeatable }, &json!({}));
        assert!(script.answers.is_empty(), "all answers were asked for");
        (result, script)
    }

    #[test]
    fn an_answer_is_an_answer() {
        let (result, script) = run(vec![answer(200, &[], r#"{"ok":true,"ts":"1.2"}"#)], false);
        assert_eq!(result.expect("ok")["ts"], "1.2");
        assert_eq!((script.posts, script.pauses.len()), (1, 0));
    }

    #[test]
    fn retry_after_is_obeyed_within_our_patience() {
        let limited = |seconds: &str| answer(429, &[("retry-after", seconds)], r#"{"ok":false,"error":"ratelimited"}"#);
        let (result, script) = run(vec![limited("20"), limited("30"), answer(200, &[], r#"{"ok":true}"#)], false);
        assert!(result.is_ok());
        assert_eq!(script.pauses, [20, 30]);
        let (result, script) = run(vec![limited("40"), limited("30")], false);
        assert_eq!(result, Err(Trouble::RateLimited { wait: Duration::from_secs(30) }));
        assert_eq!(script.pauses, [40]);
        let (result, _) = run(vec![limited("86400")], true);
        assert!(matches!(result, Err(Trouble::RateLimited { .. })));
        let (_, script) = run(
            vec![answer(200, &[], r#"{"ok":false,"error":"ratelimited"}"#), answer(200, &[], r#"{"ok":true}"#)],
            false,
        );
        assert_eq!(script.pauses, [1]);
    }

    #[test]
    fn what_was_never_sent_is_sent_again() {
        for code in ["dns", "connection-refused", "unreachable"] {
            let (result, script) = run(vec![unreachable(code), answer(200, &[], r#"{"ok":true}"#)], false);
            assert!(result.is_ok(), "{code}");
            assert_eq!(script.pauses, [1]);
            let (result, script) = run(vec![unreachable(code), unreachable(code), unreachable(code)], false);
            assert_eq!(result, Err(Trouble::Unsent(code.into())));
            assert_eq!(script.pauses, [1, 2]);
        }
        let (result, _) = run(vec![unreachable("tls")], true);
        assert_eq!(result, Err(Trouble::Unsent("tls".into())));
    }

    #[test]
    fn what_may_have_arrived_is_not_sent_again_unless_that_is_harmless() {
        for lost in [
            unreachable("timed-out"),
            unreachable("closed"),
            answer(503, &[], "upstream"),
            answer(200, &[], r#"{"ok":false,"error":"fatal_error"}"#),
        ] {
            let (result, script) = run(vec![lost.clone()], false);
            assert!(matches!(result, Err(Trouble::Lost(_))), "{result:?}");
            assert_eq!(script.posts, 1);
            let (result, _) = run(vec![lost, answer(200, &[], r#"{"ok":true}"#)], true);
            assert!(result.is_ok());
        }
    }

    #[test]
    fn a_refusal_is_shown_with_a_hint() {
        let body = r#"{"ok":false,"error":"missing_scope","needed":"chat:write","provided":"identify"}"#;
        let (result, _) = run(vec![answer(200, &[], body)], false);
        let trouble = result.expect_err("refused");
        assert_eq!(
            trouble.what(),
            "Slack refused the message: `missing_scope` (it needs the scope `chat:write`, and the token has `identify`)"
        );
        assert!(trouble.hint("`#deploys`").expect("a hint").contains("`chat:write`"));
        for code in ["not_in_channel", "channel_not_found", "invalid_auth", "is_archived", "no_service"] {
            assert!(Trouble::Refused { code: code.into(), detail: vec![] }.hint("`#a`").is_some(), "{code}");
        }
        let body = r#"{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] too long"]}}"#;
        let (result, _) = run(vec![answer(200, &[], body)], false);
        assert!(result.expect_err("refused").what().ends_with("`invalid_blocks` ([ERROR] too long)"));
    }

    #[test]
    fn a_page_that_is_no_answer_is_a_refusal() {
        let (result, _) = run(vec![answer(200, &[], "<html>proxy login</html>")], false);
        let expected = Trouble::Refused { code: "http-200".into(), detail: vec!["<html>proxy login</html>".into()] };
        assert_eq!(result, Err(expected));
        let (result, _) = run(vec![answer(404, &[], "")], false);
        assert_eq!(result, Err(Trouble::Refused { code: "http-404".into(), detail: vec![] }));
    }

    #[test]
    fn a_webhook_answers_in_words() {
        let hook = Call { url: "u".into(), authorization: None, repeatable: false };
        for (response, refused) in [
            (answer(200, &[], "ok"), None),
            (answer(404, &[], "no_service"), Some("no_service")),
            (answer(400, &[], "invalid_blocks"), Some("invalid_blocks")),
        ] {
            let mut script = Script { answers: vec![response], posts: 0, pauses: vec![] };
            let expected =
                refused.map_or(Ok(Value::Null), |code| Err(Trouble::Refused { code: code.into(), detail: vec![] }));
            assert_eq!(call(&mut script, &hook, &json!({})), expected);
        }
    }
}

//! What an answer of a forge's means: done, not now, nobody knows, or no. Pure.

use crate::problem::{Code, Problem};
use http::{HeaderMap, StatusCode};
use std::time::Duration;

/// The longest part of a forge's own words that is quoted, in characters.
const QUOTED: usize = 300;

/// Without a word on when, GitHub asks to wait at least this long at its secondary limits ("Rate limits for the REST API").
const SECONDARY: Duration = Duration::from_secs(60);

/// Whose answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// GitHub.
    GitHub,
    /// GitLab.
    GitLab,
}

impl Peer {
    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
        }
    }

    /// How long it asks to wait at a limit of which its answer does not say when it is over.
    pub(super) const fn limit(self) -> Option<Duration> {
        match self {
            Self::GitHub => Some(SECONDARY),
            // It always says so; what does not is something between it and us.
            Self::GitLab => None,
        }
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Its body, without our token.
    pub(super) body: String,
}

/// What an answer means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It was done.
    Done,
    /// It was not done, and will be if it is sent again, not before this long, where it says so.
    Later(Option<Duration>),
    /// It may have been done. Not to be asked again before this long, where the forge says so.
    Doubtful(Option<Duration>),
    /// It was not done and will not be.
    Refused,
}

/// Why something could not be done.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// Who was asked.
    pub(super) peer: Peer,
    /// The last answer, if there was one.
    pub(super) answer: Option<Answer>,
    /// Why there was none, or none that could be used.
    pub(super) cause: Option<String>,
    /// How long it asks to wait, where that is too long.
    pub(super) wait: Option<Duration>,
    /// What may all be the one that was looked for.
    pub(super) several: Vec<u64>,
    /// Whether it may have been done all the same.
    pub(super) in_doubt: bool,
    /// The API that was asked.
    pub(super) api: String,
}

impl Answer {
    /// What this means. `now` is in seconds since 1970.
    pub(super) fn meaning(&self, good: StatusCode, now: i64) -> Meaning {
        let status = self.status;
        if status == good {
            return Meaning::Done;
        }
        if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            return Meaning::Doubtful(self.retry_after(now));
        }
        // Not the forge's own answer, but that of something on the way, after or instead of it. GitHub's 202 is its own: it has
        // made no deployment.
        if status.is_success() && status != StatusCode::ACCEPTED {
            return Meaning::Doubtful(None);
        }
        if status == StatusCode::TOO_MANY_REQUESTS || (status == StatusCode::FORBIDDEN && self.is_limited()) {
            return Meaning::Later(self.retry_after(now).or_else(|| self.reset(now)));
        }
        Meaning::Refused
    }

    /// A 403 is a limit, not a denial, if it says when to come back or that nothing remains.
    fn is_limited(&self) -> bool {
        let words = self.message().to_ascii_lowercase();
        self.headers.contains_key("retry-after")
            || self.header("x-ratelimit-remaining") == Some("0")
            || words.contains("rate limit")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// In seconds, or until a date.
    fn retry_after(&self, now: i64) -> Option<Duration> {
        let value = self.header("retry-after")?;
        let seconds = value.parse::<u64>().ok().or_else(|| {
            let date = jiff::fmt::rfc2822::parse(value).ok()?;
            u64::try_from((date.timestamp().as_second() - now).max(0)).ok()
        })?;
        Some(Duration::from_secs(seconds))
    }

    /// When it was made, by the clock of whoever made it; none where it was kept on the way for a while.
    pub(super) fn date(&self) -> Option<jiff::Timestamp> {
        let date = self.header("date").filter(|_| self.header("age").is_none())?;
        jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp())
    }

    fn reset(&self, now: i64) -> Option<Duration> {
        // GitLab leaves out the `x-`.
        let header = |name: &str| self.header(&format!("x-{name}")).or_else(|| self.header(name));
        if header("ratelimit-remaining") != Some("0") {
            return None;
        }
        let reset: i64 = header("ratelimit-reset")?.parse().ok()?;
        // One second more: the limit is over after that second, not at it.
        Some(Duration::from_secs(u64::try_from((reset - now).max(0)).ok()? + 1))
    }

    /// The forge's own words, in one line. Nothing of a page that some proxy made for people.
    fn message(&self) -> String {
        let Ok(body) = serde_json::from_str::<serde_json::Value>(&self.body) else {
            let first = self.body.trim().lines().next().unwrap_or_default();
            return if first.starts_with('<') { String::new() } else { quote(first) };
        };
        let mut words = vec![];
        words.extend(body["message"].as_str().or_else(|| body["error"].as_str()).map(str::to_owned));
        // GitLab's, of each attribute: `{"message": {"ref": ["is invalid"]}}`.
        for (field, errors) in body["message"].as_object().into_iter().flatten() {
            let errors = errors.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
            words.push(format!("`{field}`: {}", errors.collect::<Vec<_>>().join(", ")));
        }
        for error in body["errors"].as_array().into_iter().flatten() {
            let text = |key: &str| error[key].as_str();
            words.extend(match (error.as_str(), text("message"), text("field"), text("code")) {
                (Some(message), ..) | (_, Some(message), ..) => Some(message.to_owned()),
                (_, _, Some(field), Some(code)) => Some(format!("`{field}`: {code}")),
                _ => None,
            });
        }
        quote(&words.join(": "))
    }

    /// The permissions that would do, as they are written in a workflow. The header lists sets of them, with `;`
    /// between: any one set is enough.
    fn permissions(&self) -> Option<String> {
        let first = self.header("x-accepted-github-permissions")?.split(';').next()?;
        let pairs: Vec<_> = first.split(',').filter_map(|pair| pair.trim().split_once('=')).collect();
        let good = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"_-".contains(&byte))
        };
        if pairs.is_empty() || !pairs.iter().all(|(name, level)| good(name) && good(level)) {
            return None;
        }
        let written: Vec<_> =
            pairs.iter().map(|(name, level)| format!("{}: {level}", name.replace('_', "-"))).collect();
        Some(if written.len() == 1 { written.join("") } else { format!("{{ {} }}", written.join(", ")) })
    }
}

impl Failure {
    /// One of which nothing is known yet.
    pub(super) fn new(peer: Peer, api: &str) -> Self {
        Self { peer, answer: None, cause: None, wait: None, several: vec![], in_doubt: false, api: api.to_owned() }
    }

    /// What was answered, if anything was.
    pub(super) fn status(&self) -> Option<StatusCode> {
        self.answer.as_ref().map(|answer| answer.status)
    }

    /// In one line, as part of something else.
    pub(super) fn words(&self) -> String {
        let status = self.status().map(|status| format!("it was answered {status}"));
        self.cause.clone().or(status).unwrap_or_else(|| "there was no answer".into())
    }

    /// Why it is asked again, for whoever waits for it.
    pub(super) fn trouble(&self) -> String {
        let name = self.peer.name();
        match (&self.answer, &self.cause) {
            (Some(answer), _) if answer.status.is_client_error() => format!("{name} asks to wait ({})", answer.status),
            (Some(answer), None) => format!("{name} does not answer as it should ({})", answer.status),
            (Some(_), Some(cause)) => format!("{name} does not answer as it should ({cause})"),
            (None, cause) => format!("{name} does not answer ({})", cause.as_deref().unwrap_or("nobody knows why")),
        }
    }

    /// Whether it was refused, and will be again.
    fn is_denied(&self) -> bool {
        let is_limit = self.wait.is_some() || self.status() == Some(StatusCode::TOO_MANY_REQUESTS);
        !is_limit && self.status().is_some_and(|status| status.is_client_error())
    }

    /// As [`Failure::problem`], where this helps if it was refused.
    pub(super) fn problem_hinted(&self, code: Code, action: &str, hint: &str) -> Problem {
        let problem = self.problem(code, action);
        if self.is_denied() { problem.with_hint(hint) } else { problem }
    }

    /// As a person is told of it. `action` goes on from "GitHub refused to".
    pub(super) fn problem(&self, code: Code, action: &str) -> Problem {
        self.problem_for(code, action, "deployments: write")
    }

    /// As [`Failure::problem`], where it takes this permission on GitHub, unless the answer says another.
    pub(super) fn problem_for(&self, code: Code, action: &str, permission: &str) -> Problem {
        let name = self.peer.name();
        if !self.several.is_empty() {
            return self.unclear(code);
        }
        let what = match &self.answer {
            Some(answer) => {
                let verb = match answer.status {
                    status if status.is_server_error() || status == StatusCode::OK || status == StatusCode::CREATED => {
                        "failed"
                    }
                    StatusCode::ACCEPTED => "merged a branch and did not",
                    _ => "refused",
                };
                let link = if answer.status == StatusCode::ACCEPTED { " " } else { " to " };
                format!("{name} {verb}{link}{action} ({})", answer.status)
            }
            None => format!("{name} did not answer when asked to {action}"),
        };
        let mut problem = Problem::new(code, what);
        let message = self.answer.as_ref().map(Answer::message).filter(|message| !message.is_empty());
        for cause in message.into_iter().chain(self.cause.clone()) {
            problem = problem.because(cause);
        }
        if let Some(wait) = self.wait {
            problem = problem
                .because(format!("{name} asks to wait {} s, which is longer than Windlass waits", wait.as_secs()));
        }
        let problem = problem.with_hint(self.hint(code, permission));
        if self.in_doubt { problem.in_doubt() } else { problem }
    }

    /// That more than one may be the deployment that was looked for.
    fn unclear(&self, code: Code) -> Problem {
        let name = self.peer.name();
        let ids = crate::config::listing(self.several.iter().map(u64::to_string), "and");
        Problem::new(code, format!("more than one deployment on {name} may be this run's"))
            .because(format!(
                "{ids} are of the same commit and environment, go on, and are in no other run's journal here"
            ))
            .with_hint(format!("set those that nobody is at work for to `failed` on {name}, then try again"))
            .in_doubt()
    }

    fn hint(&self, code: Code, permission: &str) -> String {
        let again = || format!("run it again when `{}` answers", self.api);
        let Some(answer) = &self.answer else { return again() };
        if self.wait.is_some() || answer.status == StatusCode::TOO_MANY_REQUESTS {
            return format!("run it again when {}'s limit is over", self.peer.name());
        }
        match self.peer {
            Peer::GitHub => Self::hint_of_github(answer, code, permission).unwrap_or_else(again),
            Peer::GitLab => Self::hint_of_gitlab(answer, code).unwrap_or_else(again),
        }
    }

    fn hint_of_gitlab(answer: &Answer, code: Code) -> Option<String> {
        Some(match answer.status {
            StatusCode::UNAUTHORIZED => {
                "set `GITLAB_TOKEN` to a token that is still good, or take it out: the job has its own, `CI_JOB_TOKEN`"
                    .into()
            }
            StatusCode::FORBIDDEN => {
                "let whoever the token belongs to deploy to this environment: on GitLab, Settings, CI/CD, \
                Protected environments"
                    .into()
            }
            StatusCode::NOT_FOUND => {
                "see that the token may read the project that `CI_PROJECT_ID` names, and that `CI_API_V4_URL` is right"
                    .into()
            }
            status if status.is_redirection() => "set `CI_API_V4_URL` to the address that it answers at".into(),
            status if status.is_client_error() && code == Code::ForgeUnreported => {
                "see on GitLab what state the deployment has: somebody may have ended it, or its environment".into()
            }
            status if status.is_client_error() => {
                "push the commit, and see that the environment's name is one that GitLab takes".into()
            }
            _ => return None,
        })
    }

    fn hint_of_github(answer: &Answer, code: Code, permission: &str) -> Option<String> {
        let permission = answer.permissions().unwrap_or_else(|| permission.to_owned());
        Some(match answer.status {
            StatusCode::UNAUTHORIZED => {
                "give the step a token that is still good: `env: GITHUB_TOKEN: ${{ github.token }}`".into()
            }
            StatusCode::FORBIDDEN => format!("give the job `permissions: {permission}`"),
            StatusCode::NOT_FOUND => {
                format!("give the job `permissions: {permission}`, for the repository that `GITHUB_REPOSITORY` names")
            }
            StatusCode::ACCEPTED => "deploy the branch's new commit".into(),
            StatusCode::CONFLICT => "see to the commit's checks and conflicts, then run it again".into(),
            status if status.is_redirection() => "set `GITHUB_REPOSITORY` to the repository's new name".into(),
            status if status.is_client_error() && code == Code::ForgeUnreported => {
                "see on GitHub that the deployment is still there, and that the environment's `url` is what it takes"
                    .into()
            }
            status if status.is_client_error() => {
                "push the commit, and see that environment and URLs are what GitHub takes".into()
            }
            _ => return None,
        })
    }
}

fn quote(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= QUOTED { line } else { line.chars().take(QUOTED).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let header = |(name, value): &(&str, &str)| {
            (http::HeaderName::from_bytes(name.as_bytes()).unwrap(), http::HeaderValue::from_str(value).unwrap())
        };
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.iter().map(header).collect(),
            body: body.into(),
        }
    }

    #[test]
    fn a_limit_is_told_from_a_denial() {
        let later = |seconds| Meaning::Later(Some(Duration::from_secs(seconds)));
        let some_time = Meaning::Later(None);
        let spent = ("x-ratelimit-remaining", "0");
        let reset = ("x-ratelimit-reset", "1800000009");
        for (status, headers, body, meaning) in [
            (201, vec![], "", Meaning::Done),
            (200, vec![], "<html>", Meaning::Doubtful(None)),
            (202, vec![], "", Meaning::Refused),
            (409, vec![], "", Meaning::Refused),
            (403, vec![], r#"{"message":"Resource not accessible by integration"}"#, Meaning::Refused),
            (403, vec![("x-ratelimit-remaining", "12"), reset], "", Meaning::Refused),
            (403, vec![spent, reset], "", later(10)),
            (403, vec![("retry-after", "7"), spent, reset], "", later(7)),
            (403, vec![], r#"{"message":"You have exceeded a secondary rate limit"}"#, some_time),
            (429, vec![], "", some_time),
            (429, vec![("retry-after", "3")], "", later(3)),
            (429, vec![("retry-after", "Fri, 15 Jan 2027 08:00:05 GMT")], "", later(5)),
            (429, vec![("retry-after", "soon")], "", some_time),
            (502, vec![], "<html>", Meaning::Doubtful(None)),
            (503, vec![("retry-after", "2")], "", Meaning::Doubtful(Some(Duration::from_secs(2)))),
        ] {
            assert_eq!(
                answer(status, &headers, body).meaning(StatusCode::CREATED, NOW),
                meaning,
                "{status} {headers:?} {body}"
            );
        }
    }

    #[test]
    fn a_denial_says_which_permission_would_do() {
        let hint = |headers: &[(&str, &str)]| {
            let answer = answer(403, headers, r#"{"message":"Resource not accessible by integration"}"#);
            Failure { answer: Some(answer), ..Failure::new(Peer::GitHub, "") }
                .hint(Code::ForgeRefused, "deployments: write")
        };
        let accepted = "x-accepted-github-permissions";
        assert_eq!(hint(&[]), "give the job `permissions: deployments: write`");
        assert_eq!(
            hint(&[(accepted, "contents=read; deployments=write")]),
            "give the job `permissions: contents: read`"
        );
        assert_eq!(
            hint(&[(accepted, "deployments=write,pull_requests=read")]),
            "give the job `permissions: { deployments: write, pull-requests: read }`"
        );
        assert_eq!(hint(&[(accepted, "`rm`")]), "give the job `permissions: deployments: write`");
    }

    #[test]
    fn a_hint_is_for_what_was_asked() {
        let hint = |status, code| {
            let answer = answer(status, &[], r#"{"message":{"status":["Status cannot transition"]}}"#);
            Failure { answer: Some(answer), ..Failure::new(Peer::GitLab, "") }.problem(code, "do it").hint.unwrap()
        };
        assert!(hint(400, Code::ForgeRefused).starts_with("push the commit"));
        assert!(hint(400, Code::ForgeUnreported).starts_with("see on GitLab what state"));
        // It was not said how long that is.
        assert_eq!(hint(429, Code::ForgeRefused), "run it again when GitLab's limit is over");
    }

    #[test]
    fn githubs_words_are_quoted_and_a_proxys_page_is_not() {
        let message = |body: &str| answer(422, &[], body).message();
        assert_eq!(message("<html>\n<h1>Bad Gateway</h1>"), "");
        assert_eq!(message("Retry later\n\nmore"), "Retry later");
        let body = r#"{"message":"Validation Failed","errors":[{"resource":"Deployment","code":"invalid","field":"ref"},"a b"]}"#;
        assert_eq!(message(body), "Validation Failed: `ref`: invalid: a b");
        assert_eq!(message(&"x".repeat(1000)).chars().count(), QUOTED + 1);
    }
}

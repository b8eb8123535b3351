//! Checks, looked through before anything is sent: every mistake that the schema cannot see is found here.

use crate::config::{Check, Config, JsonMatch, Request, Statuses, TextMatch};
use serde_json_path::JsonPath;
use std::time::Duration;
use windlass_plugin::http::{Target, addresses};
use windlass_plugin::{Capability, Failure, Intent, Phases};

/// A check that makes sense.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What it is called. No two checks of a step are called the same.
    pub name: String,
    /// What is looked at.
    pub subject: Subject,
    /// How often and how long.
    pub pace: Pace,
    /// The longest that it may take.
    pub latency: Option<Duration>,
    addresses: Vec<String>,
}

/// What is looked at.
#[derive(Debug, Clone)]
pub enum Subject {
    /// An answer to a request.
    Http(Box<HttpSubject>),
    /// A port.
    Tcp {
        /// Name or address.
        host: String,
        /// The port.
        port: u16,
    },
}

/// A request, and what its answer has to be.
#[derive(Debug, Clone)]
pub struct HttpSubject {
    /// As it is configured.
    pub url: String,
    /// The same, taken apart.
    pub target: Target,
    /// What is sent.
    pub request: Request,
    /// What the answer's status has to be.
    pub statuses: Statuses,
    /// What its headers have to be.
    pub headers: Vec<(String, Text)>,
    /// What its body has to be.
    pub body: Option<Text>,
    /// What its body has to hold.
    pub json: Vec<Json>,
}

/// How often and how long to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From the first try to the beginning of the last.
    pub within: Duration,
    /// One try.
    pub timeout: Duration,
    /// The pause before the second try.
    pub interval: Duration,
    /// The longest pause.
    pub max_interval: Duration,
    /// Whether a wrong answer is tried again.
    pub retry_wrong: bool,
}

/// A [`TextMatch`] with its regular expression compiled.
#[derive(Debug, Clone)]
pub struct Text {
    /// As it is configured.
    pub says: TextMatch,
    /// Compiled; none where there is none, or where a run-time hole is still open in it.
    pub regex: Option<regex_lite::Regex>,
}

/// A [`JsonMatch`] with its path and regular expression compiled.
#[derive(Debug, Clone)]
pub struct Json {
    /// As it is configured.
    pub says: JsonMatch,
    /// Compiled; none where a run-time hole is still open in it.
    pub path: Option<JsonPath>,
    /// Compiled; none where there is none, or where a run-time hole is still open in it.
    pub regex: Option<regex_lite::Regex>,
}

/// Look through all checks.
///
/// # Errors
/// `misconfigured`, with the check's index and name.
pub fn prepare(config: &Config) -> Result<Vec<Prepared>, Failure> {
    let mut prepared: Vec<Prepared> = Vec::with_capacity(config.checks.len());
    if config.checks.is_empty() {
        return Err(Failure::misconfigured("no-checks", "`checks` is empty").with_hint("add a check with a `url`"));
    }
    for (index, check) in config.checks.iter().enumerate() {
        let one = check.prepare().map_err(|wrong| {
            let name = check.name.as_ref().map_or(String::new(), |name| format!(" (`{name}`)"));
            let failure = Failure::misconfigured(wrong.code, format!("`checks[{index}]`{name} {}", wrong.what));
            Failure { causes: wrong.because, hint: wrong.hint, ..failure }
        })?;
        if let Some(earlier) = prepared.iter().position(|earlier| earlier.name == one.name) {
            return Err(Failure::misconfigured(
                "duplicate-name",
                format!("`checks[{index}]` has the same name as `checks[{earlier}]`: `{}`", one.name),
            )
            .with_hint("give each a `name` of its own"));
        }
        prepared.push(one);
    }
    Ok(prepared)
}

/// A mistake in one check.
struct Wrong {
    code: &'static str,
    what: String,
    because: Vec<String>,
    hint: Option<String>,
}

impl Wrong {
    fn new(code: &'static str, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), because: vec![], hint: None }
    }

    fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.because.push(cause.to_string());
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Check {
    fn prepare(&self) -> Result<Prepared, Wrong> {
        let (subject, host, default_name) = match (&self.url, &self.tcp) {
            (Some(url), None) => {
                let subject = self.http(url)?;
                let host = subject.target.host.clone();
                let name = format!("{} {url}", self.request.method.word());
                (Subject::Http(Box::new(subject)), host, name)
            }
            (None, Some(tcp)) => {
                if let Some(key) = self.key_that_needs_a_url() {
                    return Err(Wrong::new(
                        "needs-url",
                        format!("has `{key}`, which says something about an answer, and no `url`"),
                    )
                    .hint(format!("remove `{key}`, or use `url` instead of `tcp`")));
                }
                let (host, port) = Target::host_and_port(tcp).map_err(|why| {
                    Wrong::new("invalid-tcp", format!("has a `tcp` that is not `host:port`: `{tcp}`")).because(why)
                })?;
                (Subject::Tcp { host: host.clone(), port }, host, format!("tcp {tcp}"))
            }
            (Some(_), Some(_)) => {
                return Err(Wrong::new("url-or-tcp", "has both `url` and `tcp`").hint("make two checks of it"));
            }
            (None, None) => {
                return Err(Wrong::new("url-or-tcp", "has neither `url` nor `tcp`")
                    .hint("say what to look at: `url = \"https://…\"` or `tcp = \"host:port\"`"));
            }
        };
        let or = |duration: Option<windlass_plugin::Duration>, default: u64| {
            duration.map_or(Duration::from_millis(default), |duration| duration.0)
        };
        let pace = Pace {
            within: or(self.within, 30_000),
            timeout: or(self.timeout, 5_000),
            interval: or(self.interval, 250),
            max_interval: or(self.max_interval, 5_000),
            retry_wrong: self.retry_wrong.unwrap_or(true),
        };
        for (key, duration) in
            [("timeout", pace.timeout), ("interval", pace.interval), ("max-interval", pace.max_interval)]
        {
            if duration.is_zero() {
                return Err(Wrong::new("zero-duration", format!("has a `{key}` of nothing")));
            }
        }
        Ok(Prepared {
            name: self.name.clone().unwrap_or(default_name),
            subject,
            pace,
            latency: self.latency.map(|latency| latency.0),
            addresses: addresses(&host, &self.addresses),
        })
    }

    fn key_that_needs_a_url(&self) -> Option<&'static str> {
        let request = &self.request;
        let requests = request.method != crate::config::Method::Get
            || !request.headers.is_empty()
            || request.body.is_some()
            || request.json.is_some();
        [
            ("request", requests),
            ("status", self.status.is_some()),
            ("header", !self.header.is_empty()),
            ("body", self.body.is_some()),
            ("json", !self.json.is_empty()),
        ]
        .into_iter()
        .find_map(|(key, present)| present.then_some(key))
    }

    fn http(&self, url: &str) -> Result<HttpSubject, Wrong> {
        let target: Target = url.parse().map_err(|why| {
            Wrong::new("invalid-url", format!("has a `url` that cannot be used: `{url}`")).because(why)
        })?;
        if self.request.body.is_some() && self.request.json.is_some() {
            return Err(
                Wrong::new("body-or-json", "has both `request.body` and `request.json`").hint("keep one of them")
            );
        }
        let headers = self
            .header
            .iter()
            .map(|(name, says)| Ok((name.clone(), Text::new(says, &format!("header.{name}"))?)))
            .collect::<Result<_, Wrong>>()?;
        let body = self.body.as_ref().map(|says| Text::new(says, "body")).transpose()?;
        let json = self
            .json
            .iter()
            .enumerate()
            .map(|(index, says)| Json::new(says, &format!("json[{index}]")))
            .collect::<Result<_, Wrong>>()?;
        Ok(HttpSubject {
            url: url.into(),
            target,
            request: self.request.clone(),
            statuses: self.status.clone().unwrap_or_default(),
            headers,
            body,
            json,
        })
    }
}

/// While the lock is made, `${deployment.version}` and its like are still open, and what holds one need not parse yet.
fn is_open(text: &str) -> bool {
    text.contains("${")
}

fn regex(text: Option<&String>, place: &str) -> Result<Option<regex_lite::Regex>, Wrong> {
    let Some(text) = text else { return Ok(None) };
    match regex_lite::Regex::new(text) {
        Ok(regex) => Ok(Some(regex)),
        Err(_) if is_open(text) => Ok(None),
        Err(error) => Err(Wrong::new(
            "invalid-regex",
            format!("has a `{place}.matches` that is not a regular expression: `{text}`"),
        )
        .because(error)),
    }
}

impl Text {
    fn new(says: &TextMatch, place: &str) -> Result<Self, Wrong> {
        if *says == TextMatch::default() {
            return Err(Wrong::new("nothing-expected", format!("has a `{place}` that says nothing"))
                .hint("say what it `equals`, `contains` or `matches`"));
        }
        Ok(Self { says: says.clone(), regex: regex(says.matches.as_ref(), place)? })
    }
}

impl Json {
    fn new(says: &JsonMatch, place: &str) -> Result<Self, Wrong> {
        let JsonMatch { path, exists, equals, contains, matches, greater, less, count } = says;
        let others = equals.is_some() || contains.is_some() || matches.is_some() || greater.is_some() || less.is_some();
        if !others && exists.is_none() && count.is_none() {
            return Err(Wrong::new("nothing-expected", format!("has a `{place}` that says nothing about `{path}`"))
                .hint("say what it `equals`, `contains`, `matches`, is `greater` or `less` than, or `exists = true`"));
        }
        if *exists == Some(false) && (others || count.is_some_and(|count| count > 0)) {
            return Err(Wrong::new(
                "contradiction",
                format!("has a `{place}` that can never hold: `exists = false` and more"),
            )
            .hint("remove `exists`"));
        }
        let compiled = match JsonPath::parse(path) {
            Ok(compiled) => Some(compiled),
            Err(_) if is_open(path) => None,
            Err(error) => {
                return Err(Wrong::new(
                    "invalid-json-path",
                    format!("has a `{place}.path` that is not a JSONPath: `{path}`"),
                )
                .because(error));
            }
        };
        Ok(Self { says: says.clone(), path: compiled, regex: regex(matches.as_ref(), place)? })
    }
}

impl Prepared {
    /// What it needs.
    #[must_use]
    pub fn capability(&self) -> Capability {
        // What is live is looked at once more after a rollback.
        let phases = Phases::APPLY | Phases::REVERT;
        match &self.subject {
            Subject::Http(http) => http
                .target
                .request()
                .methods([http.request.method.word()])
                .addresses(self.addresses.iter().cloned())
                .during(phases),
            Subject::Tcp { host, port } => Capability::tcp_probe(host, *port, self.addresses.iter().cloned(), phases),
        }
    }

    /// What it means to do.
    #[must_use]
    pub fn intent(&self) -> Intent {
        let summary = match &self.subject {
            Subject::Http(http) => {
                let what = format!("{} {}", http.request.method.word(), http.url);
                if what == self.name { format!("check `{what}`") } else { format!("check `{}`: `{what}`", self.name) }
            }
            Subject::Tcp { .. } => format!("check that `{}` accepts connections", self.name),
        };
        Intent::checks(&self.name, summary).with_detail(self.expectations().join("\n"))
    }

    /// What has to hold, one line each.
    fn expectations(&self) -> Vec<String> {
        let mut lines = vec![];
        if let Subject::Http(http) = &self.subject {
            lines.push(format!("status {}", http.statuses));
            lines.extend(http.headers.iter().map(|(name, text)| format!("header `{name}` {text}")));
            lines.extend(http.body.iter().map(|text| format!("body {text}")));
            lines.extend(http.json.iter().map(ToString::to_string));
        }
        lines.extend(self.latency.map(|latency| format!("within {} each time", seconds(latency))));
        lines.push(format!("tried for {}", seconds(self.pace.within)));
        lines
    }
}

/// A length of time for a person.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    if milliseconds < 1_000 { format!("{milliseconds} ms") } else { format!("{:.1} s", duration.as_secs_f64()) }
}

/// What it has to be, for example ``contains `ok` ``.
impl std::fmt::Display for Text {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TextMatch { equals, contains, matches } = &self.says;
        let parts: Vec<String> = [("equals", equals), ("contains", contains), ("matches", matches)]
            .into_iter()
            .filter_map(|(verb, text)| text.as_ref().map(|text| format!("{verb} `{text}`")))
            .collect();
        formatter.write_str(&parts.join(" and "))
    }
}

/// What it has to be, for example `` `$.version` equals `"1.2.3"` ``.
impl std::fmt::Display for Json {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let JsonMatch { path, exists, equals, contains, matches, greater, less, count } = &self.says;
        let mut parts: Vec<String> = vec![];
        parts.extend(exists.map(|exists| if exists { "exists".into() } else { "does not exist".into() }));
        parts.extend(equals.as_ref().map(|value| format!("equals `{value}`")));
        parts.extend(contains.as_ref().map(|value| format!("contains `{value}`")));
        parts.extend(matches.as_ref().map(|text| format!("matches `{text}`")));
        parts.extend(greater.map(|number| format!("is greater than `{number}`")));
        parts.extend(less.map(|number| format!("is less than `{number}`")));
        parts.extend(count.map(|count| format!("has `{count}` values")));
        write!(formatter, "`{path}` {}", parts.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use windlass_plugin::{Effect, Grant};

    fn prepared(checks: serde_json::Value) -> Result<Vec<Prepared>, Failure> {
        prepare(&serde_json::from_value(json!({ "checks": checks })).expect("fits the schema"))
    }

    #[test]
    fn mistakes_name_the_check_and_the_key() {
        for (check, code, words) in [
            (json!({}), "url-or-tcp", "neither `url` nor `tcp`"),
            (json!({ "url": "https://a.example", "tcp": "a.example:1" }), "url-or-tcp", "both"),
            (json!({ "url": "a.example/health" }), "invalid-url", "`a.example/health`"),
            (json!({ "url": "https://${env.HOST}/health" }), "invalid-url", "cannot be used"),
            (json!({ "tcp": "a.example" }), "invalid-tcp", "`a.example`"),
            (json!({ "tcp": "a.example:1", "status": 200 }), "needs-url", "`status`"),
            (json!({ "tcp": "a.example:1", "request": { "method": "POST" } }), "needs-url", "`request`"),
            (json!({ "url": "https://a.example", "body": {} }), "nothing-expected", "`body`"),
            (json!({ "url": "https://a.example", "body": { "matches": "(" } }), "invalid-regex", "`body.matches`"),
            (
                json!({ "url": "https://a.example", "header": { "x": { "matches": "[" } } }),
                "invalid-regex",
                "`header.x.matches`",
            ),
            (json!({ "url": "https://a.example", "json": [{ "path": "$.a" }] }), "nothing-expected", "`json[0]`"),
            (
                json!({ "url": "https://a.example", "json": [{ "path": "a", "exists": true }] }),
                "invalid-json-path",
                "`a`",
            ),
            (
                json!({ "url": "https://a.example", "json": [{ "path": "$", "exists": false, "equals": 1 }] }),
                "contradiction",
                "never",
            ),
            (json!({ "url": "https://a.example", "request": { "body": "a", "json": 1 } }), "body-or-json", "both"),
            (json!({ "url": "https://a.example", "interval": "0s" }), "zero-duration", "`interval`"),
        ] {
            let failure = prepared(json!([{ "url": "https://good.example" }, check.clone()])).expect_err("a mistake");
            assert_eq!(failure.code, code, "{check}");
            assert!(
                failure.message.starts_with("`checks[1]`") && failure.message.contains(words),
                "{}",
                failure.message
            );
        }
    }

    #[test]
    fn two_checks_of_one_name_are_refused() {
        let twice = json!([{ "url": "https://a.example" }, { "url": "https://a.example", "status": 404 }]);
        let failure = prepared(twice).expect_err("twice");
        assert_eq!(failure.code, "duplicate-name");
        let named =
            json!([{ "url": "https://a.example" }, { "name": "gone", "url": "https://a.example", "status": 404 }]);
        assert_eq!(prepared(named).expect("named").len(), 2);
    }

    #[test]
    fn holes_may_stay_open_where_no_host_is() {
        let checks = prepared(json!([{
            "url": "https://a.example/${deployment.version}/health?at=${deployment.commit}",
            "body": { "matches": "^${deployment.version}$" },
            "json": [{ "path": "$.releases['${deployment.version}']", "equals": "${deployment.commit}" }],
        }]))
        .expect("open holes");
        let Grant::Http(http) = checks[0].capability().grant else { panic!("not http") };
        assert_eq!(http.path, "/${deployment.version}/health");
    }

    #[test]
    fn each_check_asks_for_exactly_what_it_uses() {
        let checks = prepared(json!([
            { "url": "http://localhost:8080/health?deep=1", "request": { "method": "POST" } },
            { "url": "https://shop.internal/", "addresses": ["10.0.0.0/8"] },
            { "tcp": "db.example:5432" },
        ]))
        .expect("good");
        let capabilities: Vec<Capability> = checks.iter().map(Prepared::capability).collect();
        let Grant::Http(first) = &capabilities[0].grant else { panic!("not http") };
        assert_eq!((first.scheme.as_str(), first.host.as_str(), first.port), ("http", "localhost", 8080));
        assert_eq!((first.path.as_str(), &first.methods[..]), ("/health", &["POST".to_owned()][..]));
        assert_eq!(first.addresses, ["loopback"]);
        let Grant::Http(second) = &capabilities[1].grant else { panic!("not http") };
        assert_eq!(second.addresses, ["10.0.0.0/8"]);
        let Grant::TcpProbe(third) = &capabilities[2].grant else { panic!("not tcp") };
        assert_eq!((third.host.as_str(), third.port, third.addresses.len()), ("db.example", 5432, 0));
        assert!(capabilities.iter().all(|capability| capability.phases == Phases::APPLY | Phases::REVERT));
    }

    #[test]
    fn an_intent_says_what_has_to_hold() {
        let checks = prepared(json!([{
            "name": "healthy",
            "url": "https://a.example/health",
            "status": [200, 204],
            "header": { "content-type": { "contains": "json" } },
            "json": [{ "path": "$.version", "equals": "1.2.3" }],
            "latency": "500ms",
        }]))
        .expect("good");
        let intent = checks[0].intent();
        assert_eq!((intent.id.as_str(), intent.effect), ("healthy", Effect::Checks));
        assert_eq!(intent.summary, "check `healthy`: `GET https://a.example/health`");
        assert_eq!(
            intent.detail.as_deref(),
            Some(
                "status `200` or `204`\nheader `content-type` contains `json`\n`$.version` equals `\"1.2.3\"`\n\
                 within 500 ms each time\ntried for 30.0 s"
            )
        );
    }
}

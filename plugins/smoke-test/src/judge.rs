//! What an answer is worth: good, not up yet, or wrong.

use crate::check::{HttpSubject, Json, Prepared, Subject, Text, seconds};
use crate::config::JsonMatch;
use serde_json::Value;
use std::time::Duration;
use windlass_plugin::Failure;
use windlass_plugin::http::{Error, Response};

/// How much of a body is shown, in characters.
const SHOWN: usize = 200;

/// What came of one try.
#[derive(Debug)]
pub enum Answer {
    /// An HTTP request came to an end.
    Http(Result<Response, Error>),
    /// A port was probed: how long the connection took.
    Tcp(Result<Duration, Failure>),
    /// The try took longer than its time.
    TimedOut,
}

/// What one try says about the application.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// All is as it must be, and came within this time.
    Good(Duration),
    /// Nobody is there yet.
    NotUp {
        /// What came instead, one line each.
        because: Vec<String>,
    },
    /// Somebody answers, and not as they must.
    Wrong {
        /// What was expected and what came, one line each.
        because: Vec<String>,
        /// One edit that may help.
        hint: Option<String>,
    },
    /// Trying again is of no use: it was denied, or cannot be sent at all.
    Stop(Failure),
}

/// Judge one try.
#[must_use]
pub fn judge(check: &Prepared, answer: Answer) -> Verdict {
    match (answer, &check.subject) {
        (Answer::TimedOut, _) => {
            Verdict::NotUp { because: vec![format!("it did not answer within {}", seconds(check.pace.timeout))] }
        }
        (Answer::Http(Ok(response)), Subject::Http(http)) => judge_response(http, check.latency, &response),
        (Answer::Http(Err(Error::Unreachable { code: "tls", message })), _) => {
            Verdict::Wrong { because: vec![message], hint: None }
        }
        (Answer::Http(Err(Error::Unreachable { message, .. })), _) => Verdict::NotUp { because: vec![message] },
        (Answer::Http(Err(error)), _) => Verdict::Stop(error.into()),
        (Answer::Tcp(Ok(elapsed)), _) => match too_slow(check.latency, elapsed) {
            None => Verdict::Good(elapsed),
            Some(slow) => Verdict::Wrong { because: vec![slow], hint: None },
        },
        (Answer::Tcp(Err(failure)), _) if failure.kind == windlass_plugin::FailureKind::Unavailable => {
            let mut because = vec![failure.message];
            because.extend(failure.causes);
            Verdict::NotUp { because }
        }
        (Answer::Tcp(Err(failure)), _) => Verdict::Stop(failure),
        (Answer::Http(Ok(_)), Subject::Tcp { .. }) => {
            Verdict::Stop(Failure::bug("mixed-up", "an HTTP answer came to a TCP check"))
        }
    }
}

fn judge_response(http: &HttpSubject, latency: Option<Duration>, response: &Response) -> Verdict {
    let accepted = http.statuses.accept(response.status);
    let text = response.text();
    // A proxy in front of an application that is starting answers for it.
    if !accepted && matches!(response.status, 502..=504) {
        let mut because = vec![format!("expected status {}, came `{}`", http.statuses, response.status)];
        because.extend(evidence(&text));
        return Verdict::NotUp { because };
    }
    let mut because = vec![];
    let mut hint = None;
    if !accepted {
        because.push(format!("expected status {}, came `{}`", http.statuses, response.status));
        if let (300..=399, Some(location)) = (response.status, response.header("location")) {
            because.push(format!("it redirects to `{location}`, and redirects are not followed"));
            hint = Some("check the address that it redirects to, or accept the redirect's `status`".to_owned());
        }
    }
    for (name, expected) in &http.headers {
        match response.header(name) {
            Some(value) => because.extend(expected.mismatch(&format!("header `{name}`"), value)),
            None => because.push(format!("expected a header `{name}` that {expected}, there is none")),
        }
    }
    if let Some(expected) = &http.body {
        because.extend(expected.mismatch("a body", &text));
    }
    if !http.json.is_empty() {
        match serde_json::from_slice::<Value>(&response.body) {
            Ok(value) => because.extend(http.json.iter().filter_map(|expected| expected.mismatch(&value))),
            Err(_) if response.truncated => {
                because.push(format!("expected JSON, and the body is longer than {} KiB", response.body.len() >> 10));
            }
            Err(error) => because.push(format!("expected JSON: {error}")),
        }
    }
    because.extend(too_slow(latency, response.elapsed));
    if because.is_empty() {
        return Verdict::Good(response.elapsed);
    }
    because.extend(evidence(&text));
    Verdict::Wrong { because, hint }
}

fn too_slow(limit: Option<Duration>, elapsed: Duration) -> Option<String> {
    let limit = limit.filter(|limit| elapsed > *limit)?;
    Some(format!("expected it within {}, it took {}", seconds(limit), seconds(elapsed)))
}

/// The first of a body, on one line.
fn evidence(body: &str) -> Option<String> {
    let line = shorten(body);
    (!line.is_empty()).then(|| format!("the body begins `{line}`"))
}

/// One line, white space and what cannot be printed made into single spaces, cut where it is long.
fn shorten(text: &str) -> String {
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(|letter: char| letter.is_whitespace() || letter.is_control()).filter(|word| !word.is_empty())
    {
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        for letter in word.chars() {
            if length >= SHOWN {
                line.push('…');
                return line;
            }
            line.push(if letter == '`' { '\'' } else { letter });
            length += 1;
        }
    }
    line
}

impl Text {
    fn mismatch(&self, what: &str, came: &str) -> Option<String> {
        let says = &self.says;
        let holds = says.equals.as_ref().is_none_or(|text| came.trim() == text.trim())
            && says.contains.as_ref().is_none_or(|text| came.contains(text.as_str()))
            && (says.matches.is_none() || self.regex.as_ref().is_some_and(|regex| regex.is_match(came)));
        if holds {
            return None;
        }
        // The body is shown once, at the end.
        let came = if what.ends_with("body") { String::new() } else { format!(", came `{}`", shorten(came)) };
        Some(format!("expected {what} that {self}{came}"))
    }
}

impl Json {
    fn mismatch(&self, body: &Value) -> Option<String> {
        let nodes: Vec<&Value> = self.path.as_ref().map_or(vec![], |path| path.query(body).all());
        let JsonMatch { exists, equals, contains, matches, greater, less, count, .. } = &self.says;
        if *exists == Some(false) {
            return nodes.first().map(|found| format!("expected that {self}, came `{}`", shorten(&found.to_string())));
        }
        if let Some(count) = count.filter(|count| *count != nodes.len()) {
            return Some(format!("expected that `{}` has `{count}` values, came `{}`", self.says.path, nodes.len()));
        }
        if nodes.is_empty() && *count != Some(0) {
            return Some(format!("expected that {self}, there is nothing"));
        }
        let holds = |value: &Value| {
            equals.as_ref().is_none_or(|expected| same(expected, value))
                && contains.as_ref().is_none_or(|expected| holds_within(expected, value))
                && (matches.is_none()
                    || value.as_str().zip(self.regex.as_ref()).is_some_and(|(text, regex)| regex.is_match(text)))
                && greater.is_none_or(|limit| value.as_f64().is_some_and(|number| number > limit))
                && less.is_none_or(|limit| value.as_f64().is_some_and(|number| number < limit))
        };
        let wrong = nodes.iter().find(|value| !holds(value))?;
        Some(format!("expected that {self}, came `{}`", shorten(&wrong.to_string())))
    }
}

/// The same value; numbers by what they are, not by how they are written.
fn same(expected: &Value, value: &Value) -> bool {
    match (expected, value) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64().is_some() && one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}

fn holds_within(expected: &Value, value: &Value) -> bool {
    match value {
        Value::String(text) => expected.as_str().is_some_and(|expected| text.contains(expected)),
        Value::Array(elements) => elements.iter().any(|element| same(expected, element)),
        _ => false,
    }
}

/// The two functions of RFC 9535 that need regular expressions. The crate's own bring an engine ten times the size.
mod functions {
    use serde_json::Value;
    use serde_json_path::functions::{LogicalType, ValueType};

    fn found(value: &ValueType<'_>, pattern: &ValueType<'_>, whole: bool) -> LogicalType {
        let (Some(Value::String(text)), Some(Value::String(pattern))) = (value.as_value(), pattern.as_value()) else {
            return LogicalType::False;
        };
        let pattern = if whole { format!("^(?:{pattern})$") } else { pattern.clone() };
        regex_lite::Regex::new(&pattern).is_ok_and(|regex| regex.is_match(text)).into()
    }

    #[serde_json_path::function(name = "match")]
    fn matches(value: ValueType<'_>, pattern: ValueType<'_>) -> LogicalType {
        found(&value, &pattern, true)
    }

    #[serde_json_path::function]
    fn search(value: ValueType<'_>, pattern: ValueType<'_>) -> LogicalType {
        found(&value, &pattern, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::prepare;
    use serde_json::json;

    fn check(check: Value) -> Prepared {
        let config = serde_json::from_value(json!({ "checks": [check] })).expect("fits the schema");
        prepare(&config).expect("makes sense").remove(0)
    }

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        Answer::Http(Ok(Response {
            status,
            headers: headers.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
            body: body.into(),
            truncated: false,
            elapsed: Duration::from_millis(120),
        }))
    }

    fn wrong(rules: Value, answer: Answer) -> Vec<String> {
        let mut rules = rules;
        rules["url"] = "https://a.example/health".into();
        match judge(&check(rules.clone()), answer) {
            Verdict::Good(_) => vec![],
            Verdict::Wrong { because, .. } => because,
            other => panic!("{rules}: {other:?}"),
        }
    }

    #[test]
    fn a_status_is_expected_and_shown() {
        assert_eq!(wrong(json!({}), response(204, &[], "")), Vec::<String>::new());
        assert_eq!(
            wrong(json!({ "status": 200 }), response(500, &[], "boom\n\tat `main`")),
            ["expected status `200`, came `500`", "the body begins `boom at 'main'`"]
        );
    }

    #[test]
    fn a_redirect_says_where_to() {
        let answer = response(302, &[("location", "https://a.example/login")], "");
        let verdict = judge(&check(json!({ "url": "https://a.example/" })), answer);
        let Verdict::Wrong { because, hint } = verdict else { panic!("{verdict:?}") };
        assert!(because[1].contains("`https://a.example/login`"), "{because:?}");
        assert!(hint.is_some());
    }

    #[test]
    fn a_gateway_that_finds_nobody_is_not_up_unless_it_is_expected() {
        for status in [502, 503, 504] {
            let verdict = judge(&check(json!({ "url": "https://a.example/" })), response(status, &[], ""));
            assert!(matches!(verdict, Verdict::NotUp { .. }), "{status}: {verdict:?}");
        }
        assert!(wrong(json!({ "status": 503 }), response(503, &[], "")).is_empty());
    }

    #[test]
    fn nobody_there_is_not_up_and_bad_tls_is_wrong() {
        let plain = check(json!({ "url": "https://a.example/" }));
        for code in ["dns", "connection-refused", "timed-out", "unreachable", "closed", "failed"] {
            let answer = Answer::Http(Err(Error::Unreachable { code, message: code.into() }));
            assert_eq!(judge(&plain, answer), Verdict::NotUp { because: vec![code.into()] });
        }
        let tls = Answer::Http(Err(Error::Unreachable { code: "tls", message: "expired".into() }));
        assert!(matches!(judge(&plain, tls), Verdict::Wrong { .. }));
        let denied = Answer::Http(Err(Error::Denied("no".into())));
        assert!(
            matches!(judge(&plain, denied), Verdict::Stop(failure) if failure.kind == windlass_plugin::FailureKind::Denied)
        );
    }

    #[test]
    fn headers_are_matched() {
        let header = [("content-type", "application/json; charset=utf-8")];
        let rules = |rule: Value| json!({ "header": { "Content-Type": rule } });
        assert!(wrong(rules(json!({ "contains": "json" })), response(200, &header, "")).is_empty());
        assert!(wrong(rules(json!("application/json; charset=utf-8")), response(200, &header, "")).is_empty());
        assert_eq!(
            wrong(rules(json!({ "matches": "^text/" })), response(200, &header, "")),
            ["expected header `Content-Type` that matches `^text/`, came `application/json; charset=utf-8`"]
        );
        assert_eq!(
            wrong(json!({ "header": { "x-version": "2" } }), response(200, &header, "")),
            ["expected a header `x-version` that equals `2`, there is none"]
        );
    }

    #[test]
    fn bodies_are_matched() {
        for (rule, body, holds) in [
            (json!("ok"), "ok\n", true),
            (json!("ok"), "not ok", false),
            (json!({ "contains": "ok" }), "not ok", true),
            (json!({ "matches": "(?i)^OK$" }), "ok", true),
            (json!({ "matches": "^ok$", "contains": "x" }), "ok", false),
        ] {
            assert_eq!(wrong(json!({ "body": rule }), response(200, &[], body)).is_empty(), holds, "{rule} {body}");
        }
    }

    #[test]
    fn json_is_matched_by_path() {
        let body = r#"{"version":"1.2.3","workers":4,"checks":[{"name":"db","ok":true},{"name":"mq","ok":false}],"none":null}"#;
        for (rule, holds) in [
            (json!({ "path": "$.version", "equals": "1.2.3" }), true),
            (json!({ "path": "$.version", "equals": "1.2.4" }), false),
            (json!({ "path": "$.version", "matches": r"^1\.2" }), true),
            (json!({ "path": "$.version", "contains": "2.3" }), true),
            (json!({ "path": "$.workers", "equals": 4.0 }), true),
            (json!({ "path": "$.workers", "greater": 3, "less": 5 }), true),
            (json!({ "path": "$.workers", "greater": 4 }), false),
            (json!({ "path": "$.workers", "matches": "4" }), false),
            (json!({ "path": "$.version", "greater": 1 }), false),
            (json!({ "path": "$.none", "exists": true }), true),
            (json!({ "path": "$.absent", "exists": true }), false),
            (json!({ "path": "$.absent", "exists": false }), true),
            (json!({ "path": "$.version", "exists": false }), false),
            (json!({ "path": "$.absent", "equals": "x" }), false),
            (json!({ "path": "$.checks[*].ok", "equals": true }), false),
            (json!({ "path": "$.checks[?@.name == 'db'].ok", "equals": true }), true),
            (json!({ "path": "$.checks[?match(@.name, 'd.')].ok", "equals": true }), true),
            (json!({ "path": "$.checks[?match(@.name, 'd')]", "exists": false }), true),
            (json!({ "path": "$.checks[?search(@.name, 'q')]", "count": 1 }), true),
            (json!({ "path": "$.checks[?length(@.name) == 2]", "count": 2 }), true),
            (json!({ "path": "$.checks", "contains": { "name": "db", "ok": true } }), true),
            (json!({ "path": "$.absent", "count": 0 }), true),
        ] {
            assert_eq!(wrong(json!({ "json": [rule.clone()] }), response(200, &[], body)).is_empty(), holds, "{rule}");
        }
        assert_eq!(
            wrong(
                json!({ "json": [{ "path": "$.version", "equals": "2" }] }),
                response(200, &[], r#"{"version":"1"}"#)
            ),
            ["expected that `$.version` equals `\"2\"`, came `\"1\"`", "the body begins `{\"version\":\"1\"}`"]
        );
        assert!(
            wrong(json!({ "json": [{ "path": "$", "exists": true }] }), response(200, &[], "<html>"))[0]
                .starts_with("expected JSON")
        );
    }

    #[test]
    fn slowness_is_wrong() {
        assert!(wrong(json!({ "latency": "120ms" }), response(200, &[], "")).is_empty());
        assert_eq!(
            wrong(json!({ "latency": "119ms" }), response(200, &[], "")),
            ["expected it within 119 ms, it took 120 ms"]
        );
        let slow =
            judge(&check(json!({ "tcp": "a.example:1", "latency": "1ms" })), Answer::Tcp(Ok(Duration::from_millis(2))));
        assert!(matches!(slow, Verdict::Wrong { .. }));
    }

    #[test]
    fn a_long_body_is_cut() {
        let line = shorten(&"ä".repeat(500));
        assert_eq!(line.chars().count(), SHOWN + 1);
        assert!(line.ends_with('…'));
    }
}

//! What stands in for the world: canned answers, each given as often as it says, and no others. The gate has answered before
//! anything here is asked.

use super::cases::{CannedCommand, CannedProbe, CannedRequest, Case, NoAnswer, ProbeAnswer};
use super::compare::{Difference, fits};
use super::read::CaseFile;
use crate::network::{ConnectError, Route, SendError};
use crate::plugin::{Asked, StandIn};
use crate::process::{self, Completion};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// An answer that was prepared, and the line that it stands in.
#[derive(Debug)]
struct Canned<T> {
    what: T,
    line: usize,
    times: u32,
    given: u32,
}

/// The canned answers of one case.
#[derive(Debug)]
pub(super) struct Scene(Mutex<Inside>);

#[derive(Debug)]
struct Inside {
    http: Vec<Canned<CannedRequest>>,
    commands: Vec<Canned<CannedCommand>>,
    probes: Vec<Canned<CannedProbe>>,
    /// What nothing was prepared for.
    unmet: Vec<Difference>,
}

impl Scene {
    pub(super) fn new(file: &CaseFile, index: usize, case: &Case) -> Self {
        let line = |list: &str, place: usize| file.line(&format!("/case/{index}/{list}/{place}"));
        let http = case.http.iter().enumerate();
        let commands = case.command.iter().enumerate();
        let probes = case.tcp_probe.iter().enumerate();
        Self(Mutex::new(Inside {
            http: http.map(|(at, it)| Canned::new(it.clone(), line("http", at), it.times)).collect(),
            commands: commands.map(|(at, it)| Canned::new(it.clone(), line("command", at), it.times)).collect(),
            probes: probes.map(|(at, it)| Canned::new(it.clone(), line("tcp-probe", at), it.times)).collect(),
            unmet: vec![],
        }))
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What nothing was prepared for, and what was prepared and never asked for.
    pub(super) fn loose_ends(&self) -> Vec<Difference> {
        let mut inside = self.inside();
        let mut ends = std::mem::take(&mut inside.unmet);
        let request = |it: &CannedRequest| format!("the answer to {} `{}`", it.method, it.url);
        let command = |it: &CannedCommand| format!("the result of `{}`", line_of(&it.program, &it.arguments));
        let probe = |it: &CannedProbe| format!("the probe of `{}:{}`", it.host, it.port);
        ends.extend(inside.http.iter().filter_map(|canned| canned.left(&request(&canned.what))));
        ends.extend(inside.commands.iter().filter_map(|canned| canned.left(&command(&canned.what))));
        ends.extend(inside.probes.iter().filter_map(|canned| canned.left(&probe(&canned.what))));
        ends
    }
}

fn line_of(program: &str, arguments: &[String]) -> String {
    std::iter::once(program).chain(arguments.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

impl<T> Canned<T> {
    const fn new(what: T, line: usize, times: u32) -> Self {
        Self { what, line, times, given: 0 }
    }

    fn left(&self, what: &str) -> Option<Difference> {
        let times = |count: u32| if count == 1 { "once".to_owned() } else { format!("{count} times") };
        let said = match self.given {
            given if given >= self.times => return None,
            0 => "was never asked for".to_owned(),
            given => format!("was asked for {}, and not {}", times(given), times(self.times)),
        };
        Some(Difference::said(format!("{what} (line {}) {said}", self.line)))
    }
}

/// What differs between what is asked and what was prepared: a key, what was prepared, and what came.
type Unlike = (String, String, String);

/// How far an answer is from what is asked: one to something else altogether is farther than one with another header.
fn distance(unlike: &[Unlike]) -> usize {
    let weight =
        |(key, ..): &Unlike| if matches!(key.as_str(), "method" | "url" | "program" | "host" | "port") { 4 } else { 1 };
    unlike.iter().map(weight).sum()
}

/// The first canned answer that fits and is not used up, or why there is none.
fn take<T: Clone>(
    canned: &mut [Canned<T>],
    kind: &str,
    asked: &str,
    unlike: impl Fn(&T) -> Vec<Unlike>,
) -> Result<T, Difference> {
    let mut nearest: Option<(usize, Vec<Unlike>)> = None;
    for (place, one) in canned.iter_mut().enumerate() {
        let unlike = unlike(&one.what);
        if unlike.is_empty() && one.given < one.times {
            one.given += 1;
            return Ok(one.what.clone());
        }
        if nearest.as_ref().is_none_or(|(_, least)| distance(&unlike) < distance(least)) {
            nearest = Some((place, unlike));
        }
    }
    let nothing = format!("nothing answers {asked}");
    let Some((place, unlike)) = nearest else {
        return Err(Difference::said(format!("{nothing}: the case has no `[[case.{kind}]]`")));
    };
    let line = canned[place].line;
    if unlike.is_empty() {
        let again = "which was given as often as it says: write `times`, or one more";
        return Err(Difference::said(format!("{nothing} but the `[[case.{kind}]]` in line {line}, {again}")));
    }
    let mut difference = Difference::said(format!("{nothing}; the nearest is the `[[case.{kind}]]` in line {line}"));
    for (key, expected, came) in unlike {
        difference.add(&[format!("{key}: {expected}")], &[format!("{key}: {came}")]);
    }
    Err(difference)
}

fn unlike(differences: &mut Vec<Unlike>, key: impl Into<String>, expected: &str, came: &str) {
    if !fits(expected, came) {
        differences.push((key.into(), expected.to_owned(), came.to_owned()));
    }
}

fn header(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(", ")
}

impl CannedRequest {
    fn unlike(&self, request: &Request<Bytes>) -> Vec<Unlike> {
        let mut differences = vec![];
        unlike(&mut differences, "method", &self.method, request.method().as_str());
        let normal = |url: &str| url::Url::parse(url).map_or_else(|_| url.to_owned(), String::from);
        let came = request.uri().to_string();
        if normal(&self.url) != normal(&came) {
            unlike(&mut differences, "url", &self.url, &came);
        }
        for (name, value) in &self.headers {
            unlike(&mut differences, format!("header {name}"), value, &header(request.headers(), name));
        }
        let body = String::from_utf8_lossy(request.body());
        if let Some(expected) = &self.body {
            unlike(&mut differences, "body", expected, &body);
        }
        if let Some(expected) = &self.json {
            let came = serde_json::from_slice::<serde_json::Value>(request.body());
            if came.as_ref().ok() != Some(expected) {
                let came = came.map_or_else(|_| body.into_owned(), |value| value.to_string());
                differences.push(("json".into(), expected.to_string(), came));
            }
        }
        differences
    }

    fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, SendError> {
        let route = Route::of(request.uri())?;
        let (host, port) = (route.host, route.port);
        let reason = || "the case says so".to_owned();
        if let Some(error) = self.answer.error {
            return Err(match error {
                NoAnswer::Dns => ConnectError::NoSuchName { host, reason: reason() }.into(),
                NoAnswer::ConnectionRefused => ConnectError::ConnectionRefused { host, port }.into(),
                NoAnswer::TimedOut => SendError::NoAnswer { host },
                NoAnswer::Unreachable => ConnectError::Unreachable { host, port, reason: reason() }.into(),
                NoAnswer::Tls => SendError::Tls { host, reason: reason() },
                NoAnswer::Closed => SendError::Closed { host, reason: reason() },
            });
        }
        let mut response = Response::builder().status(self.answer.status.unwrap_or(200));
        for (name, value) in &self.answer.headers {
            response = response.header(name, value);
        }
        let named = |name: &str| self.answer.headers.keys().any(|other| other.eq_ignore_ascii_case(name));
        if self.answer.json.is_some() && !named("content-type") {
            response = response.header("content-type", "application/json");
        }
        let body = match (&self.answer.body, &self.answer.json) {
            (Some(body), _) => body.clone(),
            (None, Some(json)) => json.to_string(),
            (None, None) => String::new(),
        };
        response.body(body.into()).map_err(|_| SendError::Url("the case's answer is none"))
    }
}

impl CannedCommand {
    fn unlike(&self, asked: &Asked<'_>) -> Vec<Unlike> {
        let mut differences = vec![];
        unlike(&mut differences, "program", &self.program, asked.program);
        let words = |arguments: &[String]| serde_json::Value::from(arguments).to_string();
        let same = self.arguments.len() == asked.arguments.len()
            && self.arguments.iter().zip(asked.arguments).all(|(expected, came)| fits(expected, came));
        if !same {
            differences.push(("arguments".into(), words(&self.arguments), words(asked.arguments)));
        }
        if let Some(directory) = &self.directory {
            unlike(&mut differences, "directory", directory, asked.directory);
        }
        for (name, value) in &self.variables {
            let found = asked.environment.iter().find(|(other, _)| other == name.as_str());
            let came = found.map(|(_, value)| value.to_string_lossy().into_owned()).unwrap_or_default();
            unlike(&mut differences, format!("variable {name}"), value, &came);
        }
        if let Some(input) = &self.input {
            unlike(&mut differences, "input", input, &String::from_utf8_lossy(asked.input.unwrap_or_default()));
        }
        differences
    }
}

impl StandIn for Scene {
    fn answers(&self) -> bool {
        true
    }

    fn request(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, SendError> {
        let mut inside = self.inside();
        let asked = format!("{} `{}`", request.method(), request.uri());
        match take(&mut inside.http, "http", &asked, |canned| canned.unlike(request)) {
            Ok(canned) => canned.answer(request),
            Err(difference) => {
                inside.unmet.push(difference);
                let route = Route::of(request.uri())?;
                Err(ConnectError::ConnectionRefused { host: route.host, port: route.port }.into())
            }
        }
    }

    fn heard(&self, _: &Request<Bytes>, _: Result<&Response<Bytes>, &SendError>) {}

    fn command(&self, asked: &Asked<'_>) -> Result<Completion, process::Error> {
        let mut inside = self.inside();
        let missing = || process::Error::ProgramNotFound(PathBuf::from(asked.program));
        let words = format!("`{}`", line_of(asked.program, asked.arguments));
        let canned = take(&mut inside.commands, "command", &words, |canned| canned.unlike(asked));
        let answer = match canned {
            Ok(canned) => canned.answer,
            Err(difference) => {
                inside.unmet.push(difference);
                return Err(missing());
            }
        };
        if answer.missing {
            return Err(missing());
        }
        Ok(Completion {
            code: if answer.signal.is_some() || answer.timed_out {
                answer.code
            } else {
                Some(answer.code.unwrap_or(0))
            },
            signal: answer.signal,
            timed_out: answer.timed_out,
            stdout: answer.stdout.into_bytes(),
            stderr: answer.stderr.into_bytes(),
            ..Completion::default()
        })
    }

    fn ran(&self, _: &Asked<'_>, _: Option<&Completion>) {}

    fn probe(&self, host: &str, port: u16) -> Result<Duration, ConnectError> {
        let mut inside = self.inside();
        let asked = format!("a probe of `{host}:{port}`");
        let found = take(&mut inside.probes, "tcp-probe", &asked, |canned| {
            let mut differences = vec![];
            unlike(&mut differences, "host", &canned.host, host);
            unlike(&mut differences, "port", &canned.port.to_string(), &port.to_string());
            differences
        });
        let answer = found.map_or_else(
            |difference| {
                inside.unmet.push(difference);
                ProbeAnswer::ConnectionRefused
            },
            |canned| canned.answer,
        );
        let host = host.to_owned();
        let reason = "the case says so".to_owned();
        match answer {
            ProbeAnswer::Open => Ok(Duration::from_millis(1)),
            ProbeAnswer::Dns => Err(ConnectError::NoSuchName { host, reason }),
            ProbeAnswer::ConnectionRefused => Err(ConnectError::ConnectionRefused { host, port }),
            ProbeAnswer::TimedOut => Err(ConnectError::TimedOut { host, port }),
            ProbeAnswer::Unreachable => Err(ConnectError::Unreachable { host, port, reason }),
        }
    }

    fn probed(&self, _: &str, _: u16, _: Result<&Duration, &ConnectError>) {}

    fn database_away(&self, name: &str, place: &str) {
        let said = format!(
            "the database `{name}` is {place}, and a case has only SQLite files of its project: give it `sqlite:PATH`"
        );
        self.inside().unmet.push(Difference::said(said));
    }
}

//! Listens to what really comes of requests, commands and probes, and writes it down as canned answers. What was secret is
//! written as the value that the case has made up for it.

use super::cases::NoAnswer;
use super::written::{pairs, quoted, text};
use crate::network::{ConnectError, SendError};
use crate::plugin::{Asked, StandIn};
use crate::process::{self, Completion};
use crate::secret::{Redactor, Secrets};
use bytes::Bytes;
use http::{Request, Response};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Headers of an answer that say nothing of it, or change from one to the next.
const IDLE: [&str; 8] =
    ["connection", "content-length", "date", "keep-alive", "server", "set-cookie", "transfer-encoding", "via"];

/// Whoever listens.
#[derive(Debug)]
pub(super) struct Recording {
    /// The real values, with those that are made up for them.
    real: Vec<(String, String)>,
    redactor: Redactor,
    heard: Mutex<Heard>,
}

/// What was heard.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// The canned answers, as a case file has them.
    pub(super) blocks: Vec<String>,
    /// What nobody answered, and why.
    pub(super) unanswered: Vec<String>,
}

impl Recording {
    /// `real` are secrets by name, as they were found; `made_up` those of the case; `others` are all that are known besides, for
    /// which the case has no value of its own.
    pub(super) fn new(real: &BTreeMap<String, String>, made_up: &BTreeMap<String, String>, others: &Secrets) -> Self {
        let pair = |(name, value): (&String, &String)| Some((value.clone(), made_up.get(name)?.clone()));
        let differ = |(real, made_up): &(String, String)| real != made_up;
        let mut pairs: Vec<(String, String)> = real.iter().filter_map(pair).filter(differ).collect();
        // Of two where one is within the other, the longer first.
        pairs.sort_by_key(|(real, _)| std::cmp::Reverse(real.len()));
        let secrets = pairs.iter().enumerate().map(|(index, (real, _))| (index.to_string(), real.clone())).collect();
        Self { real: pairs, redactor: others.clone().and(secrets).redactor(), heard: Mutex::default() }
    }

    /// A text without what is really secret.
    fn clean(&self, said: &str) -> String {
        let said = self.real.iter().fold(said.to_owned(), |said, (real, made_up)| said.replace(real, made_up));
        self.redactor.redact(&said).into_owned()
    }

    fn add(&self, kind: &str, lines: Vec<String>) {
        let block = format!("[[case.{kind}]]\n{}\n", lines.join("\n"));
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).blocks.push(block);
    }

    fn unanswered(&self, asked: &str, why: impl std::fmt::Display) {
        let said = format!("nobody answered {}: {}", self.clean(asked), self.clean(&why.to_string()));
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).unanswered.push(said);
    }

    /// All of it.
    pub(super) fn all_heard(&self) -> Heard {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answer(&self, response: &Response<Bytes>) -> String {
        let mut answer = vec![format!("status = {}", response.status().as_u16())];
        let telling = response.headers().iter().filter(|(name, _)| !IDLE.contains(&name.as_str()));
        let headers: BTreeMap<String, String> = telling
            .map(|(name, value)| (name.to_string(), self.clean(&String::from_utf8_lossy(value.as_bytes()))))
            .collect();
        if !headers.is_empty() {
            answer.push(format!("headers = {}", pairs(&headers)));
        }
        if !response.body().is_empty() {
            answer.push(format!("body = {}", text(&self.clean(&String::from_utf8_lossy(response.body())))));
        }
        format!("answer = {{ {} }}", answer.join(", "))
    }
}

const fn no_answer(error: &SendError) -> NoAnswer {
    match error {
        SendError::Connect(ConnectError::NoSuchName { .. } | ConnectError::ResolveTimedOut { .. }) => NoAnswer::Dns,
        SendError::Connect(ConnectError::ConnectionRefused { .. }) => NoAnswer::ConnectionRefused,
        SendError::Connect(ConnectError::TimedOut { .. }) | SendError::NoAnswer { .. } | SendError::TooLong { .. } => {
            NoAnswer::TimedOut
        }
        SendError::Certificate { .. } | SendError::Tls { .. } | SendError::Trust(_) => NoAnswer::Tls,
        SendError::Closed { .. } | SendError::Protocol { .. } | SendError::HeadTooLarge { .. } => NoAnswer::Closed,
        SendError::Connect(_) | SendError::Url(_) | SendError::Proxy { .. } => NoAnswer::Unreachable,
    }
}

impl StandIn for Recording {
    fn answers(&self) -> bool {
        false
    }

    fn request(&self, _: &Request<Bytes>) -> Result<Response<Bytes>, SendError> {
        Err(SendError::Url("nothing is canned while it is recorded"))
    }

    fn heard(&self, request: &Request<Bytes>, answer: Result<&Response<Bytes>, &SendError>) {
        // One that was refused is refused again: it is asked of nobody.
        if answer.is_err_and(SendError::is_refusal) {
            return;
        }
        if let Err(error) = answer {
            self.unanswered(&format!("{} `{}`", request.method(), request.uri()), error);
        }
        let mut lines = vec![
            format!("method = {}", text(request.method().as_str())),
            format!("url = {}", text(&self.clean(&request.uri().to_string()))),
        ];
        let sensitive = request.headers().iter().filter(|(_, value)| value.is_sensitive());
        let headers: BTreeMap<String, String> = sensitive
            .map(|(name, value)| (name.to_string(), self.clean(&String::from_utf8_lossy(value.as_bytes()))))
            .collect();
        if !headers.is_empty() {
            lines.push(format!("headers = {}", pairs(&headers)));
        }
        if !request.body().is_empty() {
            lines.push(format!("body = {}", text(&self.clean(&String::from_utf8_lossy(request.body())))));
        }
        lines.push(match answer {
            Ok(response) => self.answer(response),
            Err(error) => format!("answer = {{ error = {} }}", quoted(no_answer(error))),
        });
        self.add("http", lines);
    }

    fn command(&self, asked: &Asked<'_>) -> Result<Completion, process::Error> {
        Err(process::Error::ProgramNotFound(PathBuf::from(asked.program)))
    }

    fn ran(&self, asked: &Asked<'_>, completion: Option<&Completion>) {
        let mut lines = vec![format!("program = {}", text(asked.program))];
        let arguments: Vec<String> = asked.arguments.iter().map(|argument| text(&self.clean(argument))).collect();
        lines.push(format!("arguments = [{}]", arguments.join(", ")));
        let given = asked.environment.iter().filter_map(|(name, value)| {
            let value = value.to_str()?;
            let clean = self.clean(value);
            (clean != value).then(|| Some((name.to_str()?.to_owned(), clean)))?
        });
        let variables: BTreeMap<String, String> = given.collect();
        if !variables.is_empty() {
            lines.push(format!("variables = {}", pairs(&variables)));
        }
        if let Some(input) = asked.input {
            lines.push(format!("input = {}", text(&self.clean(&String::from_utf8_lossy(input)))));
        }
        let mut answer = vec![];
        match completion {
            None => {
                self.unanswered(&format!("`{}`", asked.program), "there is no such program");
                answer.push("missing = true".to_owned());
            }
            Some(done) => {
                answer.extend(done.code.map(|code| format!("code = {code}")));
                answer.extend(done.signal.map(|signal| format!("signal = {signal}")));
                answer.extend(done.timed_out.then(|| "timed-out = true".to_owned()));
                for (key, bytes) in [("stdout", &done.stdout), ("stderr", &done.stderr)] {
                    if !bytes.is_empty() {
                        let said = self.clean(&String::from_utf8_lossy(bytes));
                        answer.push(format!("{key} = {}", text(&said)));
                    }
                }
            }
        }
        lines.push(format!("answer = {{ {} }}", answer.join(", ")));
        self.add("command", lines);
    }

    fn probe(&self, host: &str, port: u16) -> Result<Duration, ConnectError> {
        Err(ConnectError::ConnectionRefused { host: host.to_owned(), port })
    }

    fn probed(&self, host: &str, port: u16, took: Result<&Duration, &ConnectError>) {
        let answer = match took {
            Ok(_) => "open",
            Err(ConnectError::Refused { .. } | ConnectError::RefusedName { .. }) => return,
            Err(ConnectError::NoSuchName { .. } | ConnectError::ResolveTimedOut { .. }) => "dns",
            Err(ConnectError::ConnectionRefused { .. }) => "connection-refused",
            Err(ConnectError::TimedOut { .. }) => "timed-out",
            Err(ConnectError::Unreachable { .. }) => "unreachable",
        };
        if let Err(error) = took {
            self.unanswered(&format!("the probe of `{host}:{port}`"), error);
        }
        self.add(
            "tcp-probe",
            vec![format!("host = {}", text(host)), format!("port = {port}"), format!("answer = {}", text(answer))],
        );
    }

    fn database_away(&self, _: &str, _: &str) {}
}

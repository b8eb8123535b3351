//! One thing to do.

use crate::{files, misbehave, raw};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;
use windlass_plugin::database::{Connection, Value};
use windlass_plugin::http::{Error, Request};
use windlass_plugin::process::Command;
use windlass_plugin::{
    Failure, FailureKind, Finding, Severity, deployment, log, network, outputs, progress, record, report, secrets,
    state,
};

/// What to do. A text that is `@FILE` is what that file holds. What goes out, in a request, to a child or to a database, has
/// stand-ins for `<<NAME>>`.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Operation {
    Exec {
        program: String,
        #[serde(default)]
        arguments: Vec<String>,
        directory: Option<String>,
        #[serde(default)]
        variables: Vec<(String, String)>,
        input: Option<String>,
        #[serde(default)]
        stream: bool,
        timeout: Option<u64>,
        /// Of what it wrote, so much of the end is told, in bytes.
        last: Option<usize>,
    },
    Http {
        #[serde(default = "get")]
        method: String,
        url: String,
        #[serde(default)]
        headers: Vec<(String, String)>,
        body: Option<String>,
    },
    /// A request of which only the answer's length is told.
    HttpLength {
        url: String,
    },
    /// A request for what the SDK would not send, or would not read.
    RawRequest {
        request: raw::Parts,
    },
    /// The same with a secret in a header of its own.
    HttpWithSecret {
        secret: String,
        request: raw::Parts,
    },
    /// The same so many times, its answers kept and not read.
    HoldRequests {
        request: raw::Parts,
        count: u32,
    },
    /// The addresses of a name.
    LookUp {
        name: String,
    },
    /// A socket of the guest's own.
    RawTcp {
        port: u16,
        #[serde(default)]
        listen: bool,
    },
    RawUdp {
        port: u16,
    },
    OpenFiles {
        tree: String,
        path: String,
        count: u32,
    },
    /// So many random bytes at once.
    Random {
        bytes: u64,
    },
    HoardHeaders,
    /// A request whose URL is a secret.
    SecretUrl {
        secret: String,
        #[serde(default)]
        suffix: String,
    },
    /// A request with a secret in a header, made of `prefix` and its stand-in.
    SecretHeader {
        secret: String,
        url: String,
        #[serde(default)]
        prefix: String,
        #[serde(default)]
        in_body: bool,
    },
    Placeholder {
        secret: String,
    },
    Tcp {
        host: String,
        port: u16,
    },
    /// A connection past the host's own interfaces.
    Socket {
        address: String,
    },
    File {
        deed: files::Deed,
        tree: String,
        path: String,
        to_tree: Option<String>,
        to: Option<String>,
        #[serde(default)]
        text: String,
    },
    Variables,
    Query {
        database: String,
        sql: String,
    },
    Execute {
        database: String,
        sql: String,
    },
    Script {
        database: String,
        sql: String,
    },
    StateGet {
        key: String,
    },
    StateSet {
        key: String,
        value: String,
    },
    Record {
        value: String,
    },
    /// Many records, each of so many bytes.
    Records {
        count: u32,
        bytes: usize,
    },
    Output {
        step: String,
        name: String,
    },
    Say {
        text: String,
    },
    Log {
        level: String,
        text: String,
    },
    /// Pieces to standard output, each flushed.
    Print {
        pieces: Vec<String>,
    },
    LogFlood {
        lines: u64,
        bytes: usize,
    },
    PrintFlood {
        bytes: usize,
    },
    Progress {
        text: String,
    },
    ProgressFlood {
        times: u64,
        bytes: usize,
    },
    Report {
        text: String,
    },
    ReportFlood {
        tables: u64,
        bytes: usize,
    },
    Deployment,
    Fail {
        text: String,
    },
    Spin,
    Sleep {
        milliseconds: u64,
    },
    Hoard,
    Recurse,
    Panic {
        text: String,
    },
    Flood,
}

pub(crate) fn get() -> String {
    "GET".into()
}

/// A failure in one line.
pub(crate) fn describe(failure: &Failure) -> String {
    let kind = match failure.kind {
        FailureKind::CheckFailed => "check-failed",
        FailureKind::Misconfigured => "misconfigured",
        FailureKind::Unavailable => "unavailable",
        FailureKind::Denied => "denied",
        FailureKind::Bug => "bug",
    };
    let causes = if failure.causes.is_empty() { String::new() } else { format!(" <- {}", failure.causes.join(" <- ")) };
    format!("{kind}: {}: {}{causes}", failure.code, failure.message)
}

/// The text, or what the file that it names holds.
fn text(text: &str) -> Result<String, Failure> {
    match text.strip_prefix('@') {
        Some(file) => {
            std::fs::read_to_string(file).map_err(|error| Failure::misconfigured("no-file", file).because(error))
        }
        None => Ok(text.to_owned()),
    }
}

/// The text with stand-ins for the secrets that it names as `<<NAME>>`.
fn with_stand_ins(text: &str) -> Result<String, Failure> {
    let mut parts = text.split("<<");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(">>").unwrap_or((part, ""));
        filled.push_str(&placeholder(name)?);
        filled.push_str(rest);
    }
    Ok(filled)
}

fn send(request: Request) -> Result<String, Failure> {
    match request.timeout(Duration::from_secs(20)).send() {
        Ok(response) => {
            let headers: Vec<String> = response.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
            Ok(format!("{} [{}] {}", response.status, headers.join(";"), response.text()))
        }
        Err(Error::Denied(message)) => {
            Err(Failure { kind: FailureKind::Denied, ..Failure::bug("http-denied", message) })
        }
        Err(error) => Err(error.into()),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Integer(number) => number.to_string(),
        other => other.as_text().map_or_else(|| format!("{other:?}"), std::borrow::Cow::into_owned),
    }
}

fn placeholder(secret: &str) -> Result<String, Failure> {
    secrets::placeholder(secret)?.ok_or_else(|| Failure::misconfigured("not-set", secret))
}

impl Operation {
    /// Whether it is there to fail the call.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Fail { .. })
    }

    pub(crate) fn perform(&self) -> Result<String, Failure> {
        Ok(match self {
            Self::Exec { program, arguments, directory, variables, input, stream, timeout, last } => {
                let arguments: Result<Vec<String>, Failure> =
                    arguments.iter().map(|argument| with_stand_ins(&text(argument)?)).collect();
                let mut command = Command::new(program).arguments(arguments?);
                if let Some(directory) = directory {
                    command = command.directory(directory);
                }
                for (name, value) in variables {
                    command = command.variable(name, value);
                }
                if let Some(input) = input {
                    command = command.input(with_stand_ins(input)?.as_bytes());
                }
                if let Some(timeout) = timeout {
                    command = command.timeout(Duration::from_millis(*timeout));
                }
                let done = if *stream { command.stream() } else { command.capture() }?;
                if let Some(last) = last {
                    let start = done.stdout.len().saturating_sub(*last);
                    let end = String::from_utf8_lossy(&done.stdout[start..]).into_owned();
                    return Ok(format!("{} {} bytes, at last {end}", done.ending(), done.stdout.len()));
                }
                format!("{} out={} err={} tail={}", done.ending(), done.stdout_text(), done.stderr_text(), done.tail)
            }
            Self::Http { method, url, headers, body } => {
                let mut request = Request::new(method, &with_stand_ins(url)?);
                for (name, value) in headers {
                    request = request.header(&with_stand_ins(name)?, with_stand_ins(&text(value)?)?);
                }
                if let Some(body) = body {
                    request = request.body(with_stand_ins(&text(body)?)?);
                }
                send(request)?
            }
            Self::HttpLength { url } => {
                let response = Request::get(url).send()?;
                format!("{} {} truncated={}", response.status, response.body.len(), response.truncated)
            }
            Self::RawRequest { request } => request.send().map_err(|why| Failure::unavailable("failed", why))?,
            Self::HttpWithSecret { secret, request } => request
                .with_header("authorization", placeholder(secret)?)
                .send()
                .map_err(|why| Failure::unavailable("failed", why))?,
            Self::HoldRequests { request, count } => {
                request.hold(*count).map_err(|why| Failure::unavailable("failed", why))?
            }
            Self::LookUp { name } => raw::look_up(name).map_err(|why| Failure::unavailable("failed", why))?,
            Self::RawTcp { port, listen } => {
                raw::tcp(*port, *listen).map_err(|why| Failure::unavailable("failed", why))?
            }
            Self::RawUdp { port } => raw::udp(*port).map_err(|why| Failure::unavailable("failed", why))?,
            Self::OpenFiles { tree, path, count } => {
                raw::open_files(tree, path, *count).map_err(|why| Failure::unavailable("failed", why))?
            }
            Self::Random { bytes } => wasip2::random::random::get_random_bytes(*bytes).len().to_string(),
            Self::HoardHeaders => raw::hoard_headers().to_string(),
            Self::SecretUrl { secret, suffix } => send(Request::post(placeholder(secret)? + suffix).body("hello"))?,
            Self::SecretHeader { secret, url, prefix, in_body } => {
                let stand_in = format!("{prefix}{}", placeholder(secret)?);
                let request = Request::get(url);
                send(if *in_body {
                    Request::post(url).body(stand_in)
                } else {
                    request.header("authorization", stand_in)
                })?
            }
            Self::Placeholder { secret } => secrets::placeholder(secret)?.unwrap_or_else(|| "not set".into()),
            Self::Tcp { host, port } => {
                network::probe_tcp(host, *port, 5_000)?;
                "connected".into()
            }
            Self::Socket { address } => match std::net::TcpStream::connect(address) {
                Ok(_) => "connected".into(),
                Err(error) => format!("refused: {:?}", error.kind()),
            },
            Self::File { deed, tree, path, to_tree, to, text } => {
                let result = files::perform(*deed, tree, path, to_tree.as_deref(), to.as_deref(), text);
                result.map_err(|why| Failure::check_failed("file", why))?
            }
            Self::Variables => {
                std::env::vars().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
            }
            Self::Query { database, sql } => {
                let rows = Connection::open(database)?.query(&with_stand_ins(sql)?, &[])?;
                let rows: Vec<String> =
                    rows.rows.iter().map(|row| row.iter().map(value).collect::<Vec<_>>().join(",")).collect();
                rows.join(" ")
            }
            Self::Execute { database, sql } => format!("{} rows", Connection::open(database)?.execute(sql, &[])?),
            Self::Script { database, sql } => {
                Connection::open(database)?.script(sql)?;
                "done".into()
            }
            Self::StateGet { key } => state::get(key)?.unwrap_or_else(|| "none".into()),
            Self::StateSet { key, value } => {
                state::set(&text(key)?, &text(value)?)?;
                "kept".into()
            }
            Self::Record { value } => {
                // As it is, and not as the SDK would write it.
                windlass_plugin::__bindings::windlass::plugin::record::append(&text(value)?)?;
                "kept".into()
            }
            Self::Records { count, bytes } => {
                let value = "r".repeat(*bytes);
                for _ in 0..*count {
                    record::append(&value)?;
                }
                "kept".into()
            }
            Self::Output { step, name } => outputs::get(step, name).unwrap_or_else(|| "none".into()),
            Self::Say { text: words } => text(words)?,
            Self::Log { level, text: words } => {
                let words = text(words)?;
                match level.as_str() {
                    "debug" => log::debug(words),
                    "warn" => log::warn(words),
                    "error" => log::error(words),
                    _ => log::info(words),
                }
                String::new()
            }
            Self::Print { pieces } => {
                use std::io::Write;
                let mut output = std::io::stdout();
                for piece in pieces {
                    let _ = output.write_all(text(piece)?.as_bytes());
                    let _ = output.flush();
                }
                String::new()
            }
            Self::LogFlood { lines, bytes } => {
                let line = "x".repeat(*bytes);
                for _ in 0..*lines {
                    log::info(&line);
                }
                String::new()
            }
            Self::PrintFlood { bytes } => {
                use std::io::Write;
                let piece = [b'y'; 4096];
                let mut output = std::io::stdout();
                let mut left = *bytes;
                while left > 0 {
                    let now = left.min(piece.len());
                    let _ = output.write_all(&piece[..now]);
                    left -= now;
                }
                let _ = output.flush();
                String::new()
            }
            Self::Progress { text: words } => {
                progress::update(&text(words)?, Some(1), Some(2));
                String::new()
            }
            Self::ProgressFlood { times, bytes } => {
                let line = "p".repeat(*bytes);
                for _ in 0..*times {
                    progress::update(&line, None, None);
                }
                String::new()
            }
            Self::Report { text: words } => {
                let words = text(words)?;
                report::annotate(&Finding {
                    severity: Severity::Warning,
                    code: words.clone(),
                    message: words.clone(),
                    file: Some(words.clone()),
                    line: Some(3),
                });
                report::table(&words, std::slice::from_ref(&words), &[vec![words.clone()]]);
                report::metric(&words, 1.5, &words);
                String::new()
            }
            Self::ReportFlood { tables, bytes } => {
                let cell = "t".repeat(*bytes);
                for _ in 0..*tables {
                    report::table("flood", &["cell".to_owned()], &[vec![cell.clone()]]);
                }
                String::new()
            }
            Self::Deployment => {
                let it = deployment::current();
                format!("{} {} {} {}", it.app, it.environment, it.version, it.attempt)
            }
            Self::Fail { text: words } => {
                let words = text(words)?;
                return Err(Failure::check_failed("told-to-fail", &words)
                    .because(&words)
                    .with_hint(&words)
                    .with_note(&words));
            }
            Self::Spin => misbehave::spin().to_string(),
            Self::Sleep { milliseconds } => {
                std::thread::sleep(Duration::from_millis(*milliseconds));
                "slept".into()
            }
            Self::Hoard => misbehave::hoard().to_string(),
            Self::Recurse => misbehave::recurse(0).to_string(),
            Self::Panic { text: words } => misbehave::outer_function(&text(words)?).to_string(),
            Self::Flood => misbehave::flood().to_string(),
        })
    }
}

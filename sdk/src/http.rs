//! A small HTTP client over `wasi:http`. Redirects are answers, never followed: where one leads would need a grant of its
//! own.

mod target;
#[cfg(target_family = "wasm")]
mod wire;

use crate::Failure;
use std::time::Duration;
pub use target::{NotATarget, Target, addresses};

/// The most of an answer's body that is kept, in bytes.
pub const BODY_LIMIT: usize = 8 << 20;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The host was not granted, or its address is of a class that was not.
    Denied(String),
    /// Nobody could be asked: no such name, refused, timed out. The word is stable, for example `connection-refused`.
    Unreachable {
        /// `dns`, `connection-refused`, `timed-out`, `tls`, `closed` or `failed`.
        code: &'static str,
        /// What happened, for a person.
        message: String,
    },
    /// The request cannot be sent by anybody, for example because its URL is none.
    Invalid(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Denied(message) | Self::Invalid(message) | Self::Unreachable { message, .. } => {
                formatter.write_str(message)
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(message) => Self {
                kind: crate::FailureKind::Denied,
                code: "http-denied".into(),
                message,
                causes: vec![],
                hint: Some(
                    "if it should be, the plugin has to ask for it in `requires`, for this phase; then run `windlass lock` and \
                     have the change to `deploy.lock` reviewed"
                        .into(),
                ),
                note: None,
            },
            Error::Unreachable { code, message } => Self::unavailable(code, message),
            Error::Invalid(message) => Self::misconfigured("invalid-request", message),
        }
    }
}

/// A request, being made.
#[derive(Debug, Clone)]
pub struct Request {
    #[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "only a plugin can send"))]
    method: String,
    #[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "only a plugin can send"))]
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
    keep: usize,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status, for example 200.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, up to [`BODY_LIMIT`] or what [`Request::keep`] says.
    pub body: Vec<u8>,
    /// Whether the body was longer.
    pub truncated: bool,
    /// From sending the request to the last byte kept.
    pub elapsed: Duration,
}

impl Response {
    /// The first header of this name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Request {
    /// A request with this method, in upper case, to this URL.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: vec![], body: vec![], timeout: None, keep: BODY_LIMIT }
    }

    /// A `GET` of this URL.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `POST` to this URL.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// With this header. A secret's placeholder may be part of the value.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this body as it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With this body as JSON.
    ///
    /// # Errors
    /// Where the value cannot be written as JSON.
    pub fn json(self, value: &impl serde::Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Failure::bug("body-not-json", "a body could not be written as JSON").because(error))?;
        Ok(self.header("content-type", "application/json; charset=utf-8").body(body))
    }

    /// Give up on connecting, and on waiting for each part of the answer, after this long.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Keep at most this many bytes of the answer's body, and no more than [`BODY_LIMIT`].
    #[must_use]
    pub fn keep(mut self, bytes: usize) -> Self {
        self.keep = bytes.min(BODY_LIMIT);
        self
    }
}

#[cfg(target_family = "wasm")]
pub use wire::{Pending, wait_any};

#[cfg(not(target_family = "wasm"))]
impl Request {
    /// Send it and wait for the answer.
    ///
    /// # Errors
    /// Always, outside a plugin: there is no host to send it.
    pub fn send(self) -> Result<Response, Error> {
        let _ = (self.headers, self.body, self.timeout, self.keep);
        Err(Error::Invalid("only a plugin in its host can send requests".into()))
    }
}

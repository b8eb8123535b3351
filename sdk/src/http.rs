//! A small HTTP client over `wasi:http`. Redirects are answers, never followed: where one leads would need a grant of its
//! own.

use crate::Failure;
use std::time::Duration;

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
            Self::Denied(message) | Self::Invalid(message) | Self::Unreachable { message, .. } => formatter.write_str(message),
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
                hint: None,
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
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status, for example 200.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, up to [`BODY_LIMIT`].
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
        Self { method: method.into(), url: url.into(), headers: vec![], body: vec![], timeout: None }
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
}

/// A request that is on its way, so that several can be under way at once.
#[cfg(target_family = "wasm")]
#[derive(Debug)]
pub struct Pending {
    future: wasip2::http::types::FutureIncomingResponse,
    started: std::time::Instant,
    what: String,
}

#[cfg(target_family = "wasm")]
impl Pending {
    /// Wait for the answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn wait(self) -> Result<Response, Error> {
        self.future.subscribe().block();
        wire::finish(self)
    }
}

#[cfg(not(target_family = "wasm"))]
impl Request {
    /// Send it and wait for the answer.
    ///
    /// # Errors
    /// Always, outside a plugin: there is no host to send it.
    pub fn send(self) -> Result<Response, Error> {
        let _ = (self.headers, self.body, self.timeout);
        Err(Error::Invalid("only a plugin in its host can send requests".into()))
    }
}

#[cfg(target_family = "wasm")]
impl Request {
    /// Send it and wait for the answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn send(self) -> Result<Response, Error> {
        self.start()?.wait()
    }

    /// Send it and do not wait.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn start(self) -> Result<Pending, Error> {
        wire::start(self)
    }
}

#[cfg(target_family = "wasm")]
mod wire {
    use super::{BODY_LIMIT, Error, Pending, Request, Response};
    use std::time::Instant;
    use wasip2::http::outgoing_handler;
    use wasip2::http::types::{ErrorCode, Fields, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme};
    use wasip2::io::streams::StreamError;

    pub(super) fn start(request: Request) -> Result<Pending, Error> {
        let what = format!("{} {}", request.method, request.url);
        let invalid = |why: &str| Error::Invalid(format!("`{what}` cannot be sent: {why}"));
        let (scheme, rest) = request.url.split_once("://").ok_or_else(|| invalid("the URL has no scheme"))?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let scheme = match scheme {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            other => return Err(invalid(&format!("the scheme `{other}` is neither `http` nor `https`"))),
        };
        let headers = Fields::new();
        for (name, value) in &request.headers {
            headers.append(name, value.as_bytes()).map_err(|_| invalid(&format!("the header `{name}` is not allowed")))?;
        }
        if !request.body.is_empty() {
            let length = request.body.len().to_string();
            headers.append("content-length", length.as_bytes()).map_err(|_| invalid("the length is not allowed"))?;
        }
        let outgoing = OutgoingRequest::new(headers);
        let method = match request.method.as_str() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "PATCH" => Method::Patch,
            "OPTIONS" => Method::Options,
            other => Method::Other(other.into()),
        };
        outgoing.set_method(&method).map_err(|()| invalid("the method is none"))?;
        outgoing.set_scheme(Some(&scheme)).map_err(|()| invalid("the scheme is none"))?;
        outgoing.set_authority(Some(authority)).map_err(|()| invalid("the host is none"))?;
        outgoing.set_path_with_query(Some(&path)).map_err(|()| invalid("the path is none"))?;
        let options = RequestOptions::new();
        if let Some(timeout) = request.timeout {
            let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
            let _ = options.set_connect_timeout(Some(nanoseconds));
            let _ = options.set_first_byte_timeout(Some(nanoseconds));
            let _ = options.set_between_bytes_timeout(Some(nanoseconds));
        }
        let body = outgoing.body().map_err(|()| invalid("it has no body"))?;
        let started = Instant::now();
        let future = outgoing_handler::handle(outgoing, Some(options)).map_err(|code| explain(&what, &code))?;
        {
            let stream = body.write().map_err(|()| invalid("its body cannot be written"))?;
            for chunk in request.body.chunks(4096) {
                // A server that answers before it has read everything closes the stream; its answer is what counts.
                if stream.blocking_write_and_flush(chunk).is_err() {
                    break;
                }
            }
        }
        let _ = OutgoingBody::finish(body, None);
        Ok(Pending { future, started, what })
    }

    pub(super) fn finish(pending: Pending) -> Result<Response, Error> {
        let Pending { future, started, what } = pending;
        let incoming = match future.get() {
            Some(Ok(Ok(incoming))) => incoming,
            Some(Ok(Err(code))) => return Err(explain(&what, &code)),
            _ => return Err(Error::Unreachable { code: "failed", message: format!("`{what}` came to nothing") }),
        };
        let status = incoming.status();
        let headers = incoming
            .headers()
            .entries()
            .into_iter()
            .map(|(name, value)| (name.to_lowercase(), String::from_utf8_lossy(&value).into_owned()))
            .collect();
        let mut body = Vec::new();
        let mut truncated = false;
        if let Ok(incoming_body) = incoming.consume() {
            if let Ok(stream) = incoming_body.stream() {
                loop {
                    match stream.blocking_read(64 << 10) {
                        Ok(bytes) if body.len() + bytes.len() > BODY_LIMIT => {
                            body.extend_from_slice(&bytes[..BODY_LIMIT - body.len()]);
                            truncated = true;
                            break;
                        }
                        Ok(bytes) => body.extend_from_slice(&bytes),
                        Err(StreamError::Closed) => break,
                        Err(StreamError::LastOperationFailed(error)) => {
                            return Err(Error::Unreachable {
                                code: "closed",
                                message: format!("the answer to `{what}` broke off: {}", error.to_debug_string()),
                            });
                        }
                    }
                }
            }
        }
        Ok(Response { status, headers, body, truncated, elapsed: started.elapsed() })
    }

    fn explain(what: &str, code: &ErrorCode) -> Error {
        let (word, text) = match code {
            ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
                return Error::Denied(format!("`{what}` was denied"));
            }
            ErrorCode::DnsTimeout | ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => ("dns", "no such host"),
            ErrorCode::ConnectionRefused => ("connection-refused", "the connection was refused"),
            ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => ("unreachable", "it cannot be reached"),
            ErrorCode::ConnectionTimeout | ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
                ("timed-out", "it did not answer in time")
            }
            ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => {
                ("tls", "the TLS connection could not be made")
            }
            ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => ("closed", "the connection was closed"),
            _ => ("failed", "it failed"),
        };
        Error::Unreachable { code: word, message: format!("`{what}`: {text} ({code:?})") }
    }
}

//! Requests on the wire, without ever blocking on one of them alone.

use super::{Error, Request, Response};
use std::time::{Duration, Instant};
use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

/// A request that is on its way, so that several can be under way at once.
#[derive(Debug)]
pub struct Pending {
    // Dropped in this order: the host refuses to drop a resource before those made from it.
    upload: Option<Upload>,
    download: Option<Download>,
    future: FutureIncomingResponse,
    started: Instant,
    what: String,
    keep: usize,
}

/// What is left to send. The stream comes first, because it has to be dropped first.
#[derive(Debug)]
struct Upload {
    stream: OutputStream,
    body: OutgoingBody,
    bytes: Vec<u8>,
    sent: usize,
}

/// What has come so far. The stream comes first, because it has to be dropped first.
#[derive(Debug)]
struct Download {
    stream: InputStream,
    _body: IncomingBody,
    _incoming: IncomingResponse,
    status: u16,
    headers: Vec<(String, String)>,
    bytes: Vec<u8>,
}

impl Pending {
    /// Wait for the answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn wait(mut self) -> Result<Response, Error> {
        loop {
            if let Some(answer) = self.poll() {
                return answer;
            }
            wait_any(&[&self], None);
        }
    }

    /// Do what can be done now without waiting, and return the answer once it is whole. Not to be called after that.
    pub fn poll(&mut self) -> Option<Result<Response, Error>> {
        self.send();
        if self.download.is_none() {
            match self.future.get()? {
                Ok(Ok(incoming)) => {
                    // A server may answer before it has read everything; its answer is what counts.
                    self.upload = None;
                    match self.open(incoming) {
                        Ok(download) => self.download = Some(download),
                        Err(error) => return Some(Err(error)),
                    }
                }
                Ok(Err(code)) => return Some(Err(explain(&self.what, &code))),
                Err(()) => return Some(Err(self.nothing())),
            }
        }
        self.receive()
    }

    fn nothing(&self) -> Error {
        Error::Unreachable { code: "failed", message: format!("`{}` came to nothing", self.what) }
    }

    fn send(&mut self) {
        let Some(upload) = &mut self.upload else { return };
        while upload.sent < upload.bytes.len() {
            let rest = &upload.bytes[upload.sent..];
            let permitted = match upload.stream.check_write() {
                Ok(0) => return,
                Ok(permitted) => usize::try_from(permitted).unwrap_or(usize::MAX).min(rest.len()),
                Err(_) => {
                    self.upload = None;
                    return;
                }
            };
            if upload.stream.write(&rest[..permitted]).is_err() {
                self.upload = None;
                return;
            }
            upload.sent += permitted;
        }
        if let Some(Upload { stream, body, .. }) = self.upload.take() {
            drop(stream);
            let _ = OutgoingBody::finish(body, None);
        }
    }

    fn open(&self, incoming: IncomingResponse) -> Result<Download, Error> {
        let status = incoming.status();
        let headers = incoming
            .headers()
            .entries()
            .into_iter()
            .map(|(name, value)| (name.to_lowercase(), String::from_utf8_lossy(&value).into_owned()))
            .collect();
        let body = incoming.consume().map_err(|()| self.nothing())?;
        let stream = body.stream().map_err(|()| self.nothing())?;
        Ok(Download { stream, _body: body, _incoming: incoming, status, headers, bytes: vec![] })
    }

    fn receive(&mut self) -> Option<Result<Response, Error>> {
        let download = self.download.as_mut()?;
        let truncated = loop {
            match download.stream.read(64 << 10) {
                Ok(bytes) if bytes.is_empty() => return None,
                Ok(bytes) if download.bytes.len() + bytes.len() > self.keep => {
                    download.bytes.extend_from_slice(&bytes[..self.keep - download.bytes.len()]);
                    break true;
                }
                Ok(bytes) => download.bytes.extend_from_slice(&bytes),
                Err(StreamError::Closed) => break false,
                Err(StreamError::LastOperationFailed(error)) => {
                    return Some(Err(Error::Unreachable {
                        code: "closed",
                        message: format!("the answer to `{}` broke off: {}", self.what, error.to_debug_string()),
                    }));
                }
            }
        };
        let elapsed = self.started.elapsed();
        let Download { status, headers, bytes: body, .. } = self.download.take()?;
        Some(Ok(Response { status, headers, body, truncated, elapsed }))
    }

    fn subscribe(&self, to: &mut Vec<Pollable>) {
        if let Some(upload) = &self.upload {
            to.push(upload.stream.subscribe());
        }
        match &self.download {
            Some(download) => to.push(download.stream.subscribe()),
            None => to.push(self.future.subscribe()),
        }
    }
}

/// Wait until [`Pending::poll`] of one of these may have something new, and no longer than `at_most`. With no requests it
/// is a sleep; with neither it returns at once.
pub fn wait_any(pending: &[&Pending], at_most: Option<Duration>) {
    let mut events = Vec::with_capacity(pending.len() + 1);
    for one in pending {
        one.subscribe(&mut events);
    }
    if let Some(at_most) = at_most {
        let nanoseconds = u64::try_from(at_most.as_nanos()).unwrap_or(u64::MAX);
        events.push(monotonic_clock::subscribe_duration(nanoseconds));
    }
    if !events.is_empty() {
        poll(&events.iter().collect::<Vec<_>>());
    }
}

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
        let what = format!("{} {}", self.method, self.url);
        let invalid = |why: &str| Error::Invalid(format!("`{what}` cannot be sent: {why}"));
        let (scheme, rest) = self.url.split_once("://").ok_or_else(|| invalid("the URL has no scheme"))?;
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
        for (name, value) in &self.headers {
            headers
                .append(name, value.as_bytes())
                .map_err(|_| invalid(&format!("the header `{name}` is not allowed")))?;
        }
        if !self.body.is_empty() {
            let length = self.body.len().to_string();
            headers.append("content-length", length.as_bytes()).map_err(|_| invalid("the length is not allowed"))?;
        }
        let outgoing = OutgoingRequest::new(headers);
        let method = match self.method.as_str() {
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
        if let Some(timeout) = self.timeout {
            let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
            let _ = options.set_connect_timeout(Some(nanoseconds));
            let _ = options.set_first_byte_timeout(Some(nanoseconds));
            let _ = options.set_between_bytes_timeout(Some(nanoseconds));
        }
        let body = outgoing.body().map_err(|()| invalid("it has no body"))?;
        let stream = body.write().map_err(|()| invalid("its body cannot be written"))?;
        let started = Instant::now();
        let upload = Upload { stream, body, bytes: self.body, sent: 0 };
        let future = outgoing_handler::handle(outgoing, Some(options)).map_err(|code| explain(&what, &code))?;
        let mut pending = Pending { upload: Some(upload), download: None, future, started, what, keep: self.keep };
        pending.send();
        Ok(pending)
    }
}

fn explain(what: &str, code: &ErrorCode) -> Error {
    let (word, text) = match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            return Error::Denied(format!("`{what}` was denied"));
        }
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => ("dns", "no such host"),
        ErrorCode::ConnectionRefused => ("connection-refused", "the connection was refused"),
        ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => {
            ("unreachable", "it cannot be reached")
        }
        ErrorCode::ConnectionTimeout | ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
            ("timed-out", "it did not answer in time")
        }
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => {
            ("tls", "the TLS connection could not be made")
        }
        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => ("closed", "the connection was closed"),
        _ => ("failed", "it failed"),
    };
    // Where the text says all that the code does, the code is only noise; and where a code has a reason, that is what is said.
    let message = match (word, code) {
        ("connection-refused" | "timed-out" | "closed", _) => format!("`{what}`: {text}"),
        (_, ErrorCode::DnsError(payload)) => match &payload.rcode {
            Some(reason) => format!("`{what}`: {text} ({reason})"),
            None => format!("`{what}`: {text}"),
        },
        (_, ErrorCode::InternalError(Some(reason))) => format!("`{what}`: {text} ({reason})"),
        _ => format!("`{what}`: {text} ({code:?})"),
    };
    Error::Unreachable { code: word, message }
}

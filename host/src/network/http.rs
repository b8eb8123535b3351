//! One HTTP/1.1 request over a connection of its own.

use super::address::Addresses;
use super::dial;
use super::error::SendError;
use super::tls::Trust;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error as Guest, RequestOptions};

/// An answer, its body still to come.
pub type Answer = Response<UnsyncBoxBody<Bytes, Guest>>;

/// Keeps the connection going while the body is read. Dropping it ends the connection.
pub type Worker = Box<dyn Future<Output = Result<(), Guest>> + Send>;

/// What belongs to one hop, and is ours to say.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Whether with TLS.
    pub secure: bool,
    /// The host name or address, in lower case and without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Route {
    /// Where a URL leads.
    ///
    /// # Errors
    /// Where it is not absolute, neither `http` nor `https`, or has a user name in it: that would travel in the clear
    /// through every log.
    pub fn of(url: &Uri) -> Result<Self, SendError> {
        let secure = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(SendError::Url("its scheme is neither `http` nor `https`")),
        };
        let authority = url.authority().ok_or(SendError::Url("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(SendError::Url("it has a user name in it"));
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_ascii_lowercase();
        if host.is_empty() {
            return Err(SendError::Url("it names no host"));
        }
        Ok(Self { secure, host, port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }) })
    }

    /// What the `Host` header says.
    fn host_header(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

/// How long is waited, and how much is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the name, the connection and TLS together.
    pub connect: Duration,
    /// From then on to the end of the answer's head, so with the sending of the request.
    pub first_byte: Duration,
    /// Between two pieces of the answer's body.
    pub between_bytes: Duration,
    /// The most that the answer's head may be, in bytes; at least 8,192.
    pub head: usize,
    /// The most lines that the answer's head may have.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let patience = Duration::from_secs(120);
        Self {
            connect: Duration::from_secs(30),
            first_byte: patience,
            between_bytes: patience,
            head: 64 << 10,
            headers: 256,
        }
    }
}

impl Limits {
    /// With what a plugin asked for.
    #[must_use]
    pub fn with(mut self, options: Option<RequestOptions>) -> Self {
        let options = options.unwrap_or_default();
        self.connect = options.connect_timeout.unwrap_or(self.connect);
        self.first_byte = options.first_byte_timeout.unwrap_or(self.first_byte);
        self.between_bytes = options.between_bytes_timeout.unwrap_or(self.between_bytes);
        self
    }
}

/// Sends requests. Cheap to clone. Makes a connection for each, and follows no redirect.
#[derive(Debug, Clone, Default)]
pub struct Client {
    trust: Arc<Trust>,
}

impl Client {
    /// Trusts the system's certificates, and those in this PEM file. Nothing is read before the first `https` request.
    #[must_use]
    pub fn new(more: Option<PathBuf>) -> Self {
        Self { trust: Arc::new(Trust::new(more)) }
    }

    /// A connection to one of the route's addresses that are granted, for whoever speaks over it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn connection(
        &self,
        route: &Route,
        addresses: &Addresses,
        patience: Duration,
    ) -> Result<tokio::net::TcpStream, SendError> {
        Ok(dial::connect(&route.host, route.port, addresses, patience).await?.0)
    }

    /// Sends a request to one of the route's addresses that are granted, and waits for the head of the answer. Of the
    /// request's URL only path and query are used; its `Host` is that of the route, whatever it was.
    ///
    /// # Errors
    /// See [`SendError`]; [`SendError::for_guest`] says what a plugin is told.
    pub async fn send<B>(
        &self,
        request: Request<B>,
        route: &Route,
        addresses: &Addresses,
        limits: Limits,
    ) -> Result<(Answer, Worker), SendError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request = prepare(request, route)?;
        let started = Instant::now();
        let (stream, _) = dial::connect(&route.host, route.port, addresses, limits.connect).await?;
        // Without it, small requests in two pieces wait for an acknowledgement; no harm where it cannot be set.
        let _ = stream.set_nodelay(true);
        if !route.secure {
            return exchange(stream, request, route, limits).await;
        }
        let left = limits.connect.saturating_sub(started.elapsed());
        let late = |_| SendError::Tls { host: route.host.clone(), reason: "it was not made in time".into() };
        let connected = tokio::time::timeout(left, self.trust.clone().connect(stream, &route.host)).await;
        exchange(connected.map_err(late)??, request, route, limits).await
    }
}

/// The request as it goes over the wire.
fn prepare<B>(request: Request<B>, route: &Route) -> Result<Request<B>, SendError> {
    let (mut parts, body) = request.into_parts();
    if parts.method == http::Method::CONNECT {
        return Err(SendError::Url("a tunnel is no request"));
    }
    parts.uri = match parts.uri.path_and_query().map(|target| target.as_str()) {
        None | Some("") => Uri::from_static("/"),
        Some(target) if target.starts_with('/') => target.parse().map_err(|_| SendError::Url("its path is none"))?,
        Some(target) if target.starts_with('?') => {
            format!("/{target}").parse().map_err(|_| SendError::Url("its path is none"))?
        }
        Some(_) => return Err(SendError::Url("its path does not begin with `/`")),
    };
    parts.version = http::Version::HTTP_11;
    for name in HOP_BY_HOP {
        parts.headers.remove(name);
    }
    let host = HeaderValue::try_from(route.host_header()).map_err(|_| SendError::Url("its host is no name"))?;
    parts.headers.insert(header::HOST, host);
    Ok(Request::from_parts(parts, body))
}

async fn exchange<B, S>(
    stream: S,
    request: Request<B>,
    route: &Route,
    limits: Limits,
) -> Result<(Answer, Worker), SendError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failed = |error: hyper::Error| explain(&error, route, limits);
    let handshake = http1::Builder::new()
        .max_buf_size(limits.head.max(8192))
        .max_headers(limits.headers)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(failed)?;
    // Aborted when dropped: with the answer, or with the caller that no longer waits for it.
    let mut worker = JoinSet::new();
    worker.spawn(connection);
    let answer = tokio::time::timeout(limits.first_byte, sender.send_request(request)).await;
    let answer = answer.map_err(|_| SendError::NoAnswer { host: route.host.clone() })?.map_err(failed)?;
    let patience = limits.between_bytes;
    let answer = answer.map(|body| {
        Patient { body, patience, late: Box::pin(tokio::time::sleep(patience)), waiting: false }.boxed_unsync()
    });
    // What goes wrong with the connection is seen where the body is read.
    let worker = async move {
        worker.join_next().await;
        Ok(())
    };
    Ok((answer, Box::new(worker)))
}

fn explain(error: &hyper::Error, route: &Route, limits: Limits) -> SendError {
    let host = route.host.clone();
    // The outer text is general; the inner one says what happened.
    let reason =
        std::error::Error::source(error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    if error.is_parse_too_large() {
        SendError::HeadTooLarge { host, limit: limits.head, headers: limits.headers }
    } else if error.is_parse() {
        SendError::Protocol { host, reason }
    } else {
        SendError::Closed { host, reason }
    }
}

/// A body that is given up where nothing comes for too long.
struct Patient {
    body: Incoming,
    patience: Duration,
    late: Pin<Box<Sleep>>,
    /// Whether `late` counts.
    waiting: bool,
}

impl Body for Patient {
    type Data = Bytes;
    type Error = Guest;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Guest>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => {
                this.waiting = false;
                Poll::Ready(frame.map(|frame| frame.map_err(broken)))
            }
            // The time in which nobody asked does not count.
            Poll::Pending if !this.waiting => {
                this.waiting = true;
                this.late.as_mut().reset(Instant::now() + this.patience);
                this.late.as_mut().poll(context).map(|()| Some(Err(Guest::ConnectionReadTimeout)))
            }
            Poll::Pending => this.late.as_mut().poll(context).map(|()| Some(Err(Guest::ConnectionReadTimeout))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What a plugin is told of a body that broke off.
fn broken(error: hyper::Error) -> Guest {
    if error.is_parse() { Guest::HttpProtocolError } else { Guest::HttpResponseIncomplete }
}

#[cfg(test)]
mod tests {
    use super::{Route, prepare};
    use http::{Request, Uri};

    fn route(url: &str) -> Result<Route, String> {
        Route::of(&url.parse::<Uri>().expect(url)).map_err(|error| error.to_string())
    }

    #[test]
    fn routes_are_read_from_urls() {
        let table = [
            ("https://Example.com/x", (true, "example.com", 443, "example.com")),
            ("http://example.com", (false, "example.com", 80, "example.com")),
            ("https://example.com:8443/", (true, "example.com", 8443, "example.com:8443")),
            ("http://[::1]:8080/", (false, "::1", 8080, "[::1]:8080")),
        ];
        for (url, (secure, host, port, header)) in table {
            let route = route(url).expect(url);
            assert_eq!((route.secure, route.host.as_str(), route.port), (secure, host, port), "{url}");
            assert_eq!(route.host_header(), header);
        }
        for url in ["ftp://example.com/", "/path", "https://user:password@example.com/", "https://evil@example.com/"] {
            assert!(route(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_request_says_only_the_host_of_its_route() {
        let route = route("https://example.com:8443/").expect("a route");
        let request = Request::get("https://other.example/a?b=c")
            .header("host", "evil.example")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .body(());
        let request = prepare(request.expect("a request"), &route).expect("prepared");
        assert_eq!(request.uri(), "/a?b=c");
        let headers: Vec<_> = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(headers, [("host", b"example.com:8443".as_slice())]);
        let tunnel = Request::connect("https://example.com").body(()).expect("a request");
        assert!(prepare(tunnel, &route).is_err());
    }
}

//! One HTTP/1.1 request over a connection of its own.

use super::address::Addresses;
use super::body::Bounded;
use super::dial::{self, Allowed, Resolve, System};
use super::error::{ConnectError, SendError};
use super::proxy::{self, Proxies, Proxy};
use super::tls::Trust;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
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

    /// The host as a URL has it.
    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// What the `Host` header says.
    fn host_header(&self) -> String {
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual { self.bracketed() } else { self.authority() }
    }

    /// Its host and port, as a proxy is asked for them.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    /// The beginning of every URL that leads there.
    pub(super) fn origin(&self) -> Option<Uri> {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}/", self.authority()).parse().ok()
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
    /// From the beginning to the last byte of the answer's body, whoever is slow.
    pub total: Duration,
    /// The most that the answer's head may be, in bytes; at least 8,192.
    pub head: usize,
    /// The most lines that the answer's head may have.
    pub headers: usize,
    /// The most that the answer's body may be, in bytes.
    pub body: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let patience = Duration::from_secs(120);
        Self {
            connect: Duration::from_secs(30),
            first_byte: patience,
            between_bytes: patience,
            total: Duration::from_secs(600),
            head: 64 << 10,
            headers: 256,
            body: 64 << 20,
        }
    }
}

impl Limits {
    /// With what a plugin asked for, within what a request may take in all.
    #[must_use]
    pub fn with(mut self, options: Option<RequestOptions>) -> Self {
        let options = options.unwrap_or_default();
        let within = |asked: Option<Duration>, usual: Duration| asked.unwrap_or(usual).min(self.total);
        self.connect = within(options.connect_timeout, self.connect);
        self.first_byte = within(options.first_byte_timeout, self.first_byte);
        self.between_bytes = within(options.between_bytes_timeout, self.between_bytes);
        self
    }
}

/// Sends requests. Cheap to clone. Makes a connection for each, and follows no redirect.
#[derive(Debug, Clone)]
pub struct Client {
    trust: Trust,
    proxies: Arc<Proxies>,
    resolver: Arc<dyn Resolve>,
}

impl Default for Client {
    fn default() -> Self {
        Self::new(Trust::default(), Proxies::default())
    }
}

impl Client {
    /// Trusts these, and goes through these proxies.
    #[must_use]
    pub fn new(trust: Trust, proxies: Proxies) -> Self {
        Self { trust, proxies: Arc::new(proxies), resolver: Arc::new(System) }
    }

    /// One that asks somebody else than the system for the addresses of names.
    #[must_use]
    pub fn resolving_by(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
    }

    /// The proxy on the way to a host, where there is one: then only what its name says is judged.
    #[must_use]
    pub fn proxy(&self, route: &Route) -> Option<Proxy> {
        self.proxies.on_the_way_to(route)
    }

    /// Refuses what a name says by itself, without asking anybody where it leads.
    ///
    /// # Errors
    /// Where it is an address that is not granted, or a name of one.
    pub fn judge(host: &str, addresses: &Addresses) -> Result<(), ConnectError> {
        proxy::judge(host, addresses)
    }

    /// The addresses of a name that may be dialled. The name server is asked once.
    ///
    /// # Errors
    /// Where there are none: no such name, or all refused.
    pub async fn resolve(&self, host: &str, port: u16, addresses: &Addresses) -> Result<Vec<SocketAddr>, ConnectError> {
        dial::resolve(&*self.resolver, host, port, Allowed::Granted(addresses)).await
    }

    /// Connects and closes at once, past every proxy. Nothing is sent. How long the connection took, without resolving the
    /// name.
    ///
    /// # Errors
    /// Where there is no connection within `timeout`.
    pub async fn probe_tcp(
        &self,
        host: &str,
        port: u16,
        addresses: &Addresses,
        timeout: Duration,
    ) -> Result<Duration, ConnectError> {
        dial::connect(&*self.resolver, host, port, Allowed::Granted(addresses), timeout).await.map(|(_, took)| took)
    }

    /// Whom it trusts.
    #[must_use]
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// A connection to one of the route's addresses that are granted, or by the proxy on the way there, for whoever speaks
    /// over it. It has no TLS yet.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn connection(
        &self,
        route: &Route,
        addresses: &Addresses,
        patience: Duration,
    ) -> Result<Box<dyn Stream>, SendError> {
        let bare = Route { secure: false, ..route.clone() };
        let Some(proxy) = self.proxy(route) else {
            return self.dial(&bare, Allowed::Granted(addresses), patience).await;
        };
        proxy::judge(&route.host, addresses)?;
        proxy.check()?;
        let late = |_| proxy.failed("the connection was not made in time");
        timeout(patience, self.tunnelled(&proxy, route, patience)).await.map_err(late)?
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
        let end = Instant::now() + limits.total;
        let mut request = prepare(request, route)?;
        let sending = async {
            let Some(proxy) = self.proxy(route) else {
                let stream = self.dial(route, Allowed::Granted(addresses), limits.connect);
                return exchange(stream.await?, request, route, limits, end).await;
            };
            proxy::judge(&route.host, addresses)?;
            proxy.check()?;
            if !route.secure {
                ask_for_all(&mut request, route, &proxy)?;
            }
            let stream = timeout(limits.connect, self.through(&proxy, route, limits.connect)).await;
            let late = |_| proxy.failed("the connection was not made in time");
            exchange(stream.map_err(late)??, request, route, limits, end).await
        };
        let late = |_| SendError::TooLong { host: route.host.clone(), limit: limits.total };
        timeout_at(end, sending).await.map_err(late)?
    }

    /// A connection to a place, with TLS where it has that.
    async fn dial(
        &self,
        route: &Route,
        allowed: Allowed<'_>,
        patience: Duration,
    ) -> Result<Box<dyn Stream>, SendError> {
        let started = Instant::now();
        let (stream, _) = dial::connect(&*self.resolver, &route.host, route.port, allowed, patience).await?;
        // Without it, small requests in two pieces wait for an acknowledgement; no harm where it cannot be set.
        let _ = stream.set_nodelay(true);
        if !route.secure {
            return Ok(Box::new(stream));
        }
        let left = patience.saturating_sub(started.elapsed());
        let late = |_| SendError::Tls { host: route.host.clone(), reason: "it was not made in time".into() };
        let connected = timeout(left, self.trust.connect(stream, &route.host)).await;
        Ok(Box::new(connected.map_err(late)??))
    }

    /// A connection that a proxy makes, without TLS of ours yet.
    async fn tunnelled(&self, proxy: &Proxy, route: &Route, patience: Duration) -> Result<Box<dyn Stream>, SendError> {
        let stream = self.dial(&proxy.route, Allowed::Any, patience).await.map_err(|error| proxy.failed(error))?;
        Ok(Box::new(proxy.tunnel(stream, route).await?))
    }

    /// A connection to a place that a proxy makes: to the proxy itself for `http`, to behind it for `https`.
    async fn through(&self, proxy: &Proxy, route: &Route, patience: Duration) -> Result<Box<dyn Stream>, SendError> {
        if route.secure {
            let tunnel = self.tunnelled(proxy, route, patience).await?;
            return Ok(Box::new(self.trust.connect(tunnel, &route.host).await?));
        }
        self.dial(&proxy.route, Allowed::Any, patience).await.map_err(|error| proxy.failed(error))
    }
}

/// What a request can be sent over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Names the whole URL, for a proxy that sends the request on, and says who asks it.
fn ask_for_all<B>(request: &mut Request<B>, route: &Route, proxy: &Proxy) -> Result<(), SendError> {
    let path = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let whole = format!("http://{}{path}", route.host_header()).parse();
    *request.uri_mut() = whole.map_err(|_| SendError::Url("its path is none"))?;
    if let Some(authorization) = proxy.authorization() {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization);
    }
    Ok(())
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
    end: Instant,
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
    let answer = timeout(limits.first_byte, sender.send_request(request)).await;
    let answer = answer.map_err(|_| SendError::NoAnswer { host: route.host.clone() })?.map_err(failed)?;
    let answer = answer.map(|body| Bounded::new(body, limits.between_bytes, end, limits.body).boxed_unsync());
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

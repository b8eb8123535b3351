//! Requests and probes, to servers on this machine.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty, Full};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use wasmtime_wasi_http::Error as Guest;
use windlass::network::{
    Addresses, Answer, Client, ConnectError, Limits, Proxies, Resolve, Route, SendError, Trust, Worker,
};

const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);

fn loopback() -> Addresses {
    Addresses::parse(&["loopback".into()]).expect("a word")
}

/// Reads the head of a request.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a request"));
    }
    String::from_utf8(head).expect("text")
}

/// Takes one connection; gives the request's head and what else was sent until the other side had read `answer`.
async fn serve(answer: impl Into<Vec<u8>>) -> (SocketAddr, JoinHandle<String>) {
    let answer = answer.into();
    serve_with(|mut stream| async move {
        let head = head(&mut stream).await;
        // Who does not want it all closes early.
        let _ = stream.write_all(&answer).await;
        head
    })
    .await
}

async fn serve_with<F: Future<Output = T> + Send + 'static, T: Send + 'static>(
    handle: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        handle(stream).await
    });
    (address, server)
}

async fn send(url: &str, limits: Limits) -> Result<(Answer, Worker), SendError> {
    let request = Request::get(url).body(Empty::<Bytes>::new()).expect("a request");
    let route = Route::of(request.uri())?;
    let (client, addresses) = (Client::default(), loopback());
    tokio::time::timeout(PATIENCE, client.send(request, &route, &addresses, limits)).await.expect("in time")
}

/// Why a request has no answer.
async fn failure(url: &str, limits: Limits) -> SendError {
    match send(url, limits).await {
        Ok((answer, _)) => panic!("there is an answer: {}", answer.status()),
        Err(error) => error,
    }
}

async fn body(answer: Answer, worker: Worker) -> Result<Bytes, Guest> {
    let worker = tokio::spawn(async move { Box::into_pin(worker).await });
    let body = tokio::time::timeout(PATIENCE, answer.into_body().collect()).await.expect("in time");
    worker.abort();
    body.map(http_body_util::Collected::to_bytes)
}

#[tokio::test]
async fn a_request_reaches_a_granted_address_under_its_name() {
    let (address, server) = serve("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello").await;
    let (answer, worker) =
        send(&format!("http://localhost:{}/a?b=c", address.port()), Limits::default()).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-a"]), (200, &"b".parse().expect("a value")));
    assert_eq!(body(answer, worker).await.expect("a body"), "hello");
    let head = server.await.expect("no panic");
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: localhost:{}\r\n", address.port())), "{head}");
}

#[tokio::test]
async fn a_body_is_sent() {
    let (address, server) = serve_with(|mut stream| async move {
        let head = head(&mut stream).await;
        let mut body = [0; 5];
        stream.read_exact(&mut body).await.expect("a body");
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("it is read");
        (head, body)
    })
    .await;
    let request = Request::post(format!("http://{address}/")).body(Full::new(Bytes::from("hello"))).expect("a request");
    let route = Route::of(request.uri()).expect("a route");
    let (answer, _) = Client::default().send(request, &route, &loopback(), Limits::default()).await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 204);
    let (head, body) = server.await.expect("no panic");
    assert!(head.contains("content-length: 5\r\n") && &body == b"hello", "{head}");
}

#[tokio::test]
async fn an_address_that_is_not_granted_is_not_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // The last is how a name can say `127.0.0.1` as one number.
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
        let request = Request::get(format!("http://{host}:{port}/")).body(Empty::<Bytes>::new()).expect("a request");
        let route = Route::of(request.uri()).expect("a route");
        let sent = Client::default().send(request, &route, &Addresses::default(), Limits::default()).await;
        let error = sent.err().expect("refused");
        assert!(matches!(error, SendError::Connect(ConnectError::Refused { .. })), "{host}: {error}");
        assert!(error.to_string().contains("is a loopback address, which is not granted"), "{error}");
        assert!(matches!(error.for_guest(), Guest::DestinationIpProhibited));
    }
    assert!(!was_dialled(listener));
}

/// Whether a connection waits to be taken; asked of the system itself.
fn was_dialled(listener: TcpListener) -> bool {
    listener.into_std().expect("a listener").accept().is_ok()
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("http://{}/", elsewhere.local_addr().expect("an address"));
    let (address, _server) =
        serve(format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n")).await;
    let (answer, worker) = send(&format!("http://{address}/"), Limits::default()).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.headers()["location"].as_bytes()), (302, target.as_bytes()));
    body(answer, worker).await.expect("a body");
    assert!(!was_dialled(elsewhere));
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(2000));
    for answer in [long, many] {
        let (address, _server) = serve(answer).await;
        let error = failure(&format!("http://{address}/"), Limits::default()).await;
        assert!(matches!(error, SendError::HeadTooLarge { .. }), "{error}");
        assert!(matches!(error.for_guest(), Guest::HttpResponseHeaderSectionSize(Some(_))));
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let (address, _server) = serve_with(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let limits = Limits { first_byte: SHORT, ..Limits::default() };
    let error = failure(&format!("http://{address}/"), limits).await;
    assert!(matches!(error, SendError::NoAnswer { .. }), "{error}");
    assert!(matches!(error.for_guest(), Guest::HttpResponseTimeout));
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let (address, _server) = serve_with(|mut stream| async move {
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").await.expect("it is read");
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let limits = Limits { between_bytes: SHORT, ..Limits::default() };
    let (answer, worker) = send(&format!("http://{address}/"), limits).await.expect("an answer");
    assert!(matches!(body(answer, worker).await, Err(Guest::ConnectionReadTimeout)));
}

#[tokio::test]
async fn what_breaks_off_or_is_no_http_is_told_apart() {
    let (address, _server) = serve("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").await;
    let (answer, worker) = send(&format!("http://{address}/"), Limits::default()).await.expect("an answer");
    assert!(matches!(body(answer, worker).await, Err(Guest::HttpResponseIncomplete)));
    let (address, _server) = serve("").await;
    let error = failure(&format!("http://{address}/"), Limits::default()).await;
    assert!(matches!(error, SendError::Closed { .. }), "{error}");
    let (address, _server) = serve("220 mail.example ESMTP\r\n").await;
    let error = failure(&format!("http://{address}/"), Limits::default()).await;
    assert!(matches!(error, SendError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn names_and_ports_that_lead_nowhere_are_told_apart() {
    let error = failure("http://no-such-name.invalid/", Limits::default()).await;
    assert!(matches!(error, SendError::Connect(ConnectError::NoSuchName { .. })), "{error}");
    assert!(matches!(error.for_guest(), Guest::DnsError { .. }));
    let error = failure(&format!("http://127.0.0.1:{}/", free_port().await), Limits::default()).await;
    assert!(matches!(error, SendError::Connect(ConnectError::ConnectionRefused { .. })), "{error}");
    assert!(matches!(error.for_guest(), Guest::ConnectionRefused));
}

/// A port that nobody listens on.
async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test]
async fn a_name_is_resolved_to_what_is_granted() {
    let resolved = Client::default().resolve("localhost", 80, &loopback()).await.expect("it has an address");
    assert!(!resolved.is_empty() && resolved.iter().all(|address| address.ip().is_loopback()));
    let everything = Addresses::parse(&["0.0.0.0/0".into()]).expect("a network");
    let refused = Client::default().resolve("169.254.169.254", 80, &everything).await;
    let text = refused.expect_err("never").to_string();
    assert_eq!(
        text,
        "`169.254.169.254` may not be reached: `169.254.169.254` is a cloud's metadata address, which is not granted"
    );
}

#[tokio::test]
async fn a_probe_tells_open_closed_and_refused_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let client = Client::default();
    assert!(client.probe_tcp("localhost", port, &loopback(), PATIENCE).await.expect("open") < PATIENCE);
    let denied = client.probe_tcp("localhost", port, &Addresses::default(), PATIENCE).await;
    assert!(matches!(denied, Err(ConnectError::Refused { .. })), "{denied:?}");
    let closed = client.probe_tcp("127.0.0.1", free_port().await, &loopback(), PATIENCE).await;
    assert!(matches!(closed, Err(ConnectError::ConnectionRefused { .. })), "{closed:?}");
}

/// A server with a certificate for `localhost` and for `name.example`, and the file of who signed it.
struct Secured {
    address: SocketAddr,
    authority: PathBuf,
    server: JoinHandle<Option<(Option<String>, String)>>,
}

impl Drop for Secured {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.authority);
    }
}

async fn secured(test: &str) -> Secured {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let file = std::env::temp_dir().join(format!("windlass-network-{test}-{}.pem", std::process::id()));
    std::fs::write(&file, authority.self_signed(&key).expect("a certificate").pem()).expect("a file");
    let issuer = rcgen::Issuer::new(authority, key);
    let own = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(["localhost".into(), "name.example".into()]).expect("a name");
    let certificate = certificate.signed_by(&own, &issuer).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (address, server) = serve_with(|stream| async move {
        let mut stream = acceptor.accept(stream).await.ok()?;
        let name = stream.get_ref().1.server_name().map(str::to_owned);
        let head = answered(&mut stream).await;
        Some((name, head))
    })
    .await;
    Secured { address, authority: file, server }
}

/// Trusts who signed its certificate.
fn trusting(secured: &Secured) -> Client {
    Client::new(Trust::with_file(&secured.authority).expect("certificates"), Proxies::default())
}

async fn answered(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    let head = head(stream).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.expect("it is read");
    stream.flush().await.expect("it is read");
    head
}

async fn send_secured(secured: &Secured, host: &str, client: Client) -> Result<(Answer, Worker), SendError> {
    let url = format!("https://{host}:{}/", secured.address.port());
    let request = Request::get(url).body(Empty::<Bytes>::new()).expect("a request");
    let route = Route::of(request.uri()).expect("a route");
    client.send(request, &route, &loopback(), Limits::default()).await
}

#[tokio::test]
async fn a_trusted_certificate_for_the_name_is_accepted() {
    let mut secured = secured("trusted").await;
    let client = trusting(&secured);
    let (answer, worker) = send_secured(&secured, "localhost", client).await.expect("an answer");
    assert_eq!(body(answer, worker).await.expect("a body"), "ok");
    let (name, head) = (&mut secured.server).await.expect("no panic").expect("a connection");
    assert_eq!(name.as_deref(), Some("localhost"));
    assert!(head.contains(&format!("host: localhost:{}\r\n", secured.address.port())), "{head}");
}

#[tokio::test]
async fn a_certificate_for_another_name_or_of_nobody_known_is_refused() {
    let other = secured("other").await;
    let client = trusting(&other);
    let error = send_secured(&other, "127.0.0.1", client).await.err().expect("refused");
    assert!(matches!(error, SendError::Certificate { .. }), "{error}");
    assert!(matches!(error.for_guest(), Guest::TlsCertificateError));
    let unknown = secured("unknown").await;
    // Trusts the first one's authority only.
    let client = trusting(&other);
    let error = send_secured(&unknown, "localhost", client).await.err().expect("refused");
    assert!(matches!(error, SendError::Certificate { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_tls_and_what_cannot_be_read_is_told() {
    let (address, _server) = serve_with(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("it is read");
        // Until the other side closes.
        let _ = stream.read_to_end(&mut vec![]).await;
    })
    .await;
    let authority = secured("plain").await;
    let plain = Secured { address, authority: authority.authority.clone(), server: tokio::spawn(async { None }) };
    let client = trusting(&plain);
    let error = send_secured(&plain, "localhost", client).await.err().expect("no TLS");
    assert!(matches!(error, SendError::Tls { .. }) && error.to_string().contains("does not speak TLS"), "{error}");
    assert!(Trust::with_file("/no/such/file.pem".as_ref()).is_err());
    std::fs::write(&authority.authority, "no certificate").expect("a file");
    let reason = Trust::with_file(&authority.authority).expect_err("it has none");
    assert_eq!(reason, "there is no certificate in it");
}

/// The body of what a server that answers so comes to, within these limits.
async fn flooded(answer: impl Into<Vec<u8>>, limits: Limits) -> Result<Bytes, Guest> {
    let (address, _server) = serve(answer).await;
    let (answer, worker) = send(&format!("http://{address}/"), limits).await.expect("a head");
    body(answer, worker).await
}

#[tokio::test]
async fn a_body_is_taken_up_to_its_bound_however_it_comes() {
    let limits = Limits { body: 1000, ..Limits::default() };
    let sized = |size: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n{}", "b".repeat(size));
    assert_eq!(flooded(sized(1000), limits).await.expect("a body").len(), 1000);
    let chunk = "64\r\n".to_owned() + &"c".repeat(100) + "\r\n";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned() + &chunk.repeat(11) + "0\r\n\r\n";
    let unsized_one = "HTTP/1.1 200 OK\r\n\r\n".to_owned() + &"u".repeat(1001);
    for flood in [sized(1001), chunked, unsized_one] {
        let error = flooded(flood, limits).await.expect_err("too large");
        assert!(matches!(error, Guest::HttpResponseBodySize(Some(1000))), "{error:?}");
    }
}

#[tokio::test]
async fn trailers_and_the_lines_of_chunks_have_their_bounds() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let trailers = format!("{head}1\r\nx\r\n0\r\n{}\r\n", format!("x: {}\r\n", "t".repeat(1000)).repeat(100));
    let extension = format!("{head}1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(1 << 20));
    for flood in [trailers, extension] {
        let error = flooded(flood, Limits::default()).await.expect_err("too much");
        assert!(matches!(error, Guest::HttpResponseIncomplete | Guest::HttpProtocolError), "{error:?}");
    }
}

/// Says something over and over, until nobody listens any more.
async fn drip(first: &'static str, again: &'static str) -> SocketAddr {
    let (address, _) = serve_with(move |mut stream| async move {
        head(&mut stream).await;
        let _ = stream.write_all(first.as_bytes()).await;
        while stream.write_all(again.as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    address
}

#[tokio::test]
async fn what_drips_ends_when_the_whole_may_take_no_longer() {
    let limits = Limits { total: SHORT, ..Limits::default() };
    let address = drip("HTTP/1.1 200 OK\r\n\r\n", "x").await;
    let (answer, worker) = send(&format!("http://{address}/"), limits).await.expect("a head");
    assert!(matches!(body(answer, worker).await, Err(Guest::HttpResponseTimeout)));
    // A head that never ends, and answers that only say that one is coming.
    for (first, again) in [("HTTP/1.1 200 OK\r\nx: ", "y"), ("", "HTTP/1.1 103 Early Hints\r\n\r\n")] {
        let address = drip(first, again).await;
        let error = failure(&format!("http://{address}/"), limits).await;
        assert!(matches!(error, SendError::TooLong { .. }), "{error}");
        assert_eq!(error.to_string(), "the request to `127.0.0.1` did not end within 150ms");
        assert!(matches!(error.for_guest(), Guest::HttpResponseTimeout));
    }
}

#[test]
fn nobody_waits_longer_than_a_request_may_take() {
    let asked = wasmtime_wasi_http::RequestOptions {
        connect_timeout: Some(Duration::MAX),
        first_byte_timeout: Some(SHORT),
        between_bytes_timeout: Some(Duration::MAX),
    };
    let (usual, limits) = (Limits::default(), Limits::default().with(Some(asked)));
    assert_eq!((limits.connect, limits.first_byte, limits.between_bytes), (usual.total, SHORT, usual.total));
    assert_eq!((limits.total, limits.body), (usual.total, usual.body));
    assert_eq!(Limits::default().with(None), usual);
}

/// Answers differently each time, in this order, and then as it did last.
#[derive(Debug)]
struct Fickle {
    answers: Vec<SocketAddr>,
    asked: AtomicUsize,
}

#[async_trait::async_trait]
impl Resolve for Fickle {
    async fn addresses(&self, _: &str, _: u16) -> std::io::Result<Vec<SocketAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(vec![self.answers[turn.min(self.answers.len() - 1)]])
    }
}

#[tokio::test]
async fn an_answer_that_changes_leads_nowhere_else() {
    let (address, server) = serve("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let other = elsewhere.local_addr().expect("an address");
    let fickle = Arc::new(Fickle { answers: vec![address, other], asked: AtomicUsize::new(0) });
    let client = Client::default().resolving_by(fickle.clone());
    let url = format!("http://changing.example:{}/", address.port());
    let request = || Request::get(&url).body(Empty::<Bytes>::new()).expect("a request");
    let route = Route::of(request().uri()).expect("a route");
    let (answer, worker) =
        client.send(request(), &route, &loopback(), Limits::default()).await.expect("what was looked at");
    assert_eq!(body(answer, worker).await.expect("a body"), "ok");
    assert_eq!(fickle.asked.load(Ordering::SeqCst), 1, "the name is asked for once");
    assert!(server.await.expect("no panic").contains("host: changing.example"), "under its name");
    assert!(!was_dialled(elsewhere));
    // Public when it is looked at, and inside when it is looked at again: each request judges what it dials.
    let inside: Vec<SocketAddr> =
        ["169.254.169.254:80", "10.0.0.1:80", "127.0.0.1:80"].map(|at| at.parse().expect("an address")).to_vec();
    let count = inside.len();
    let client = Client::default().resolving_by(Arc::new(Fickle { answers: inside, asked: AtomicUsize::new(0) }));
    for _ in 0..count {
        let error =
            client.send(request(), &route, &Addresses::default(), Limits::default()).await.err().expect("refused");
        assert!(error.is_refusal(), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_is_for_the_name_and_not_for_where_it_leads() {
    let mut secured = secured("name").await;
    let resolver = Arc::new(Fickle { answers: vec![secured.address], asked: AtomicUsize::new(0) });
    let client = trusting(&secured).resolving_by(resolver);
    let error = send_secured(&secured, "api.example.com", client).await.err().expect("refused");
    assert!(matches!(error, SendError::Certificate { ref host, .. } if host == "api.example.com"), "{error}");
    // The server saw who was asked for, and got no request.
    assert!(!matches!((&mut secured.server).await, Ok(Some(_))));
}

/// A proxy that keeps what it is asked and what else comes, answers so, and then passes everything on to `to`.
async fn proxy(answer: &'static str, to: Option<SocketAddr>) -> (SocketAddr, Arc<Mutex<String>>) {
    let asked = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&asked);
    let (address, _) = serve_with(move |mut stream| async move {
        *kept.lock().expect("no panic") = head(&mut stream).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        if let Some(to) = to {
            let mut server = TcpStream::connect(to).await.expect("the server");
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
        }
    })
    .await;
    (address, asked)
}

/// Asks through a proxy, which stands for every way out.
async fn through(proxy: &str, trust: Trust, url: &str, addresses: &Addresses) -> Result<(Answer, Worker), SendError> {
    let proxies = Proxies::from_environment(|name| (name == "ALL_PROXY").then_some(proxy));
    let request = Request::get(url).body(Empty::<Bytes>::new()).expect("a request");
    let route = Route::of(request.uri()).expect("a route");
    Client::new(trust, proxies).send(request, &route, addresses, Limits::default()).await
}

#[tokio::test]
async fn a_proxy_makes_the_connection_and_sees_nothing_of_what_is_said() {
    let mut secured = secured("proxy").await;
    let (address, asked) = proxy("HTTP/1.1 200 Connection established\r\n\r\n", Some(secured.address)).await;
    let url = format!("http://me:pass-word@{address}");
    let trust = Trust::with_file(&secured.authority).expect("certificates");
    // The certificate is for it, and it is the proxy's to find.
    let url_of = "https://name.example:8443/a";
    let (answer, worker) = through(&url, trust, url_of, &Addresses::default()).await.expect("an answer");
    assert_eq!(body(answer, worker).await.expect("a body"), "ok");
    let asked = asked.lock().expect("no panic").clone();
    assert!(asked.starts_with("CONNECT name.example:8443 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("proxy-authorization: Basic bWU6cGFzcy13b3Jk\r\n"), "{asked}");
    let (name, head) = (&mut secured.server).await.expect("no panic").expect("a connection");
    assert_eq!(name.as_deref(), Some("name.example"));
    assert!(head.starts_with("GET /a HTTP/1.1\r\n") && !head.contains("authorization"), "{head}");
}

#[tokio::test]
async fn what_is_on_this_machine_is_reached_past_a_proxy() {
    let (address, asked) = proxy("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", None).await;
    let url = format!("http://{address}");
    for host in ["127.0.0.1", "localhost"] {
        let (here, server) = serve_with(|mut stream| async move { answered(&mut stream).await }).await;
        let place = format!("http://{host}:{}/", here.port());
        let (answer, worker) = through(&url, Trust::default(), &place, &loopback()).await.expect("an answer");
        assert_eq!(body(answer, worker).await.expect("a body"), "ok");
        let _ = server.await.expect("no panic");
    }
    assert_eq!(*asked.lock().expect("no panic"), "");
}

#[tokio::test]
async fn a_proxy_is_told_the_whole_url_of_what_is_not_secret() {
    let (address, asked) = proxy("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", None).await;
    let url = format!("http://me:pass-word@{address}");
    let (answer, worker) = through(&url, Trust::default(), "http://name.example:8080/a?b=c", &Addresses::default())
        .await
        .expect("an answer");
    assert_eq!(body(answer, worker).await.expect("a body"), "ok");
    let asked = asked.lock().expect("no panic").clone();
    assert!(asked.starts_with("GET http://name.example:8080/a?b=c HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("host: name.example:8080\r\n") && asked.contains("proxy-authorization: "), "{asked}");
}

#[tokio::test]
async fn what_a_name_says_is_judged_before_a_proxy_is_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy = format!("http://{}", listener.local_addr().expect("an address"));
    let everything: Vec<String> = ["public", "private", "loopback", "0.0.0.0/0", "::/0"].map(String::from).to_vec();
    let everything = Addresses::parse(&everything).expect("words");
    for (url, addresses) in [
        ("http://127.0.0.1/", &Addresses::default()),
        ("http://2130706433/", &Addresses::default()),
        ("https://localhost/", &Addresses::default()),
        ("https://10.0.0.1/", &Addresses::default()),
        ("http://[::ffff:10.0.0.1]/", &Addresses::default()),
        ("http://169.254.169.254/", &everything),
        ("http://0xa9fea9fe/", &everything),
        ("http://metadata.google.internal/", &everything),
    ] {
        let error = through(&proxy, Trust::default(), url, addresses).await.err().expect("refused");
        assert!(error.is_refusal(), "{url}: {error}");
        assert!(matches!(error.for_guest(), Guest::DestinationIpProhibited), "{url}");
    }
    assert!(!was_dialled(listener));
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_says_so_without_who_asked_it() {
    let (address, _) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n", None).await;
    let closed = free_port().await;
    for (proxy, reason) in [
        (format!("http://me:pass-word@{address}"), "it answered 407 Proxy Authentication Required".to_owned()),
        (
            format!("http://me:pass-word@127.0.0.1:{closed}"),
            format!("`127.0.0.1` refused the connection to port {closed}"),
        ),
        (
            "socks5://me:pass-word@127.0.0.1:1".to_owned(),
            "it is one for `socks5`; only `http` and `https` are spoken".to_owned(),
        ),
    ] {
        let error = through(&proxy, Trust::default(), "https://name.example/", &Addresses::default())
            .await
            .err()
            .expect("none");
        let place = proxy.rsplit('@').next().expect("a place");
        assert_eq!(error.to_string(), format!("the proxy `{place}` cannot be used: {reason}"));
        assert!(matches!(error.for_guest(), Guest::DestinationUnavailable));
    }
}

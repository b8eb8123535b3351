//! HTTP servers on loopback that answer as a test says, and keep what they were asked.

use socket2::{Domain, SockRef, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Longer than anything here may take; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A port that refuses connections, and that nobody else gets.
#[derive(Debug)]
pub struct Closed(Socket);

impl Default for Closed {
    fn default() -> Self {
        Self::new()
    }
}

impl Closed {
    /// Some port.
    #[must_use]
    pub fn new() -> Self {
        // Bound and not listening: the system refuses who connects, and hands the port to nobody else.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
        Self(socket)
    }

    /// Its number.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.local_addr().expect("an address").as_socket().expect("an IP address").port()
    }

    /// Accepts connections from now on.
    #[must_use]
    pub fn open(self) -> TcpListener {
        self.0.listen(128).expect("a listener");
        self.0.into()
    }
}

/// What a server was asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// In upper case.
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Its method, and its path without this beginning and without the query.
    #[must_use]
    pub fn line(&self, own: &str) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {}", self.method, path.strip_prefix(own).unwrap_or(path))
    }

    /// A parameter of its query.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.path.split_once('?')?;
        url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value)
    }

    /// Its line and its body.
    pub(crate) fn told(&self, own: &str) -> serde_json::Value {
        serde_json::json!({ "request": self.line(own), "body": self.json() })
    }

    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = vec![];
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { method, path, headers, body: vec![] };
        if request.header("transfer-encoding") == Some("chunked") {
            loop {
                let mut size = String::new();
                reader.read_line(&mut size).ok()?;
                let size = usize::from_str_radix(size.trim(), 16).ok()?;
                let mut chunk = vec![0; size + 2];
                reader.read_exact(&mut chunk).ok()?;
                if size == 0 {
                    break;
                }
                request.body.extend_from_slice(&chunk[..size]);
            }
        } else if let Some(length) = request.header("content-length") {
            request.body = vec![0; length.parse().ok()?];
            reader.read_exact(&mut request.body).ok()?;
        }
        Some(request)
    }
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Whole,
    /// Its length is right, and half of it is all that comes.
    Half,
    /// None comes: the connection is closed.
    Closed,
    /// None comes: the connection is reset.
    Reset,
    /// None ever comes.
    Silent,
    /// It says that it has so many bytes, and goes on for as long as whoever asked listens.
    Endless(Option<u64>),
}

/// What a server answers.
#[derive(Debug, Clone)]
pub struct Answer {
    manner: Manner,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    late: Duration,
}

impl Answer {
    const fn of(manner: Manner) -> Self {
        Self { manner, status: 200, headers: vec![], body: vec![], late: Duration::ZERO }
    }

    /// The connection is closed without one.
    #[must_use]
    pub const fn none() -> Self {
        Self::of(Manner::Closed)
    }

    /// The connection is reset without one.
    #[must_use]
    pub const fn reset() -> Self {
        Self::of(Manner::Reset)
    }

    /// None comes until whoever asked gives up.
    #[must_use]
    pub const fn silence() -> Self {
        Self::of(Manner::Silent)
    }

    /// One without end; with a size, which it says that it has.
    #[must_use]
    pub const fn endless(size: Option<u64>) -> Self {
        Self::of(Manner::Endless(size))
    }

    /// A status and a text.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::of(Manner::Whole) }
    }

    /// Its status and its body.
    pub(crate) fn parts(&self) -> (u16, &[u8]) {
        (self.status, &self.body)
    }

    /// Half of it, and then the connection is closed.
    #[must_use]
    pub fn half(self) -> Self {
        Self { manner: Manner::Half, ..self }
    }

    /// This much later.
    #[must_use]
    pub fn late(self, late: Duration) -> Self {
        Self { late, ..self }
    }

    /// JSON with the status 200.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        Self::new(200, value.to_string()).header("content-type", "application/json; charset=utf-8")
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn write(&self, mut stream: &TcpStream) {
        std::thread::sleep(self.late);
        let length = match self.manner {
            Manner::Whole => self.body.len(),
            // One byte at least is missing.
            Manner::Half => self.body.len() + 1,
            Manner::Closed => return,
            Manner::Reset => {
                let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
                return;
            }
            // Until there is nobody any more who could read an answer.
            Manner::Silent => return drop(stream.read(&mut [0])),
            Manner::Endless(size) => {
                let length = match size {
                    Some(size) => format!("content-length: {size}"),
                    None => "transfer-encoding: chunked".to_owned(),
                };
                let _ = stream.write_all(format!("HTTP/1.1 200 x\r\n{length}\r\n\r\n").as_bytes());
                let piece = [b"10000\r\n", &*vec![b'x'; 0x10000], b"\r\n"].concat();
                while stream.write_all(&piece).is_ok() {}
                return;
            }
        };
        let mut head = format!("HTTP/1.1 {} x\r\ncontent-length: {length}\r\nconnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let sent = if self.manner == Manner::Half { self.body.len() / 2 } else { self.body.len() };
        head.push_str("\r\n");
        // Who asked may be gone by now.
        let _ = stream.write_all(&[head.as_bytes(), &self.body[..sent]].concat());
    }
}

/// A server on 127.0.0.1, until it is dropped. Each connection has a thread and one request.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Request>>>,
    closing: Arc<AtomicBool>,
    acceptor: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// A server on some port.
    #[must_use]
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::on(Closed::new(), answer)
    }

    /// A server on a port that was closed until now.
    #[must_use]
    pub fn on(port: Closed, answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = port.open();
        let address = listener.local_addr().expect("an address");
        let received = Arc::new(Mutex::new(vec![]));
        let closing = Arc::new(AtomicBool::new(false));
        let acceptor = std::thread::spawn({
            let (received, closing, answer) = (Arc::clone(&received), Arc::clone(&closing), Arc::new(answer));
            move || {
                for stream in listener.incoming() {
                    if closing.load(Ordering::SeqCst) {
                        break;
                    }
                    let Ok(stream) = stream else { continue };
                    let (received, answer) = (Arc::clone(&received), Arc::clone(&answer));
                    std::thread::spawn(move || {
                        let _ = stream.set_read_timeout(Some(PATIENCE));
                        let Some(request) = Request::read(&stream) else { return };
                        received.lock().expect("no panic").push(request.clone());
                        answer(&request).write(&stream);
                    });
                }
            }
        });
        Self { address, received, closing, acceptor: Some(acceptor) }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of a path on it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked so far.
    #[must_use]
    pub fn received(&self) -> Vec<Request> {
        self.received.lock().expect("no panic").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// A server whose answers come from what it keeps, and change that.
#[derive(Debug)]
pub struct Fake<State> {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl<State: Send + 'static> Fake<State> {
    /// One that keeps this at first.
    pub fn start(state: State, answer: impl Fn(&mut State, &Request) -> Answer + Send + Sync + 'static) -> Self {
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| answer(&mut shared.lock().expect("no panic"), request));
        Self { server, state }
    }

    /// What it keeps.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }
}

impl<State> std::ops::Deref for Fake<State> {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// A place where some number of threads wait for each other.
#[derive(Debug)]
pub struct Meeting {
    expected: usize,
    arrived: Mutex<usize>,
    complete: Condvar,
}

impl Meeting {
    /// Of so many.
    #[must_use]
    pub fn of(expected: usize) -> Arc<Self> {
        Arc::new(Self { expected, arrived: Mutex::new(0), complete: Condvar::new() })
    }

    /// Waits for the others; whether they came.
    #[must_use]
    pub fn wait(&self) -> bool {
        let mut arrived = self.arrived.lock().expect("no panic");
        *arrived += 1;
        self.complete.notify_all();
        let waited = self.complete.wait_timeout_while(arrived, PATIENCE, |arrived| *arrived < self.expected);
        !waited.expect("no panic").1.timed_out()
    }
}

/// The status and body of a `GET` on loopback; none where nobody answers.
#[must_use]
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    send(port, &format!("GET {path}"), &[], "")
}

/// The same of any request: `line` has the method and the path.
#[must_use]
pub fn send(port: u16, line: &str, headers: &[(&str, &str)], body: &str) -> Option<(u16, String)> {
    let text = exchange(port, line, headers, body)?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The headers of the answer to a request without a body, their names in lower case.
#[must_use]
pub fn headers(port: u16, line: &str, headers: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    let text = exchange(port, line, headers, "")?;
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Some(text.split_once("\r\n\r\n")?.0.lines().filter_map(header).collect())
}

fn exchange(port: u16, line: &str, headers: &[(&str, &str)], body: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut head = format!("{line} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{Answer, Closed, Server, get, send};
    use std::time::{Duration, Instant};

    #[test]
    fn a_closed_port_refuses_until_it_is_opened() {
        let port = Closed::new();
        let number = port.port();
        assert_eq!(get(number, "/"), None);
        let server = Server::on(port, |request| Answer::new(201, request.path.clone()));
        assert_eq!(get(number, "/a?b"), Some((201, "/a?b".into())));
        assert_eq!(server.received().len(), 1);
    }

    #[test]
    fn an_answer_may_be_late_or_half_or_none() {
        let server = Server::start(|request| match request.path.as_str() {
            "/late" => Answer::new(200, "late").late(Duration::from_millis(30)),
            "/half" => Answer::new(200, "half").half(),
            "/reset" => Answer::reset(),
            _ => Answer::none(),
        });
        let begun = Instant::now();
        assert_eq!(get(server.port(), "/late"), Some((200, "late".into())));
        assert!(begun.elapsed() >= Duration::from_millis(30));
        assert_eq!(get(server.port(), "/half"), Some((200, "ha".into())));
        assert_eq!(get(server.port(), "/reset"), None);
        assert_eq!(send(server.port(), "POST /none", &[("x", "y")], "body"), None);
    }
}

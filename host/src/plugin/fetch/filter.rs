//! The only way out for a registry's client, which is another's code: it follows redirects and asks for tokens wherever it is
//! told to, and reads answers whole. So it is given a proxy on loopback, which is this. It lets through connections to addresses
//! that may be dialled, and so many bytes in all; what is not encrypted it does not let through at all.

use super::{FetchError, LARGEST, addresses, unconnected};
use crate::network::{Client, Route, Stream};
use base64::Engine as _;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What comes in all: a component, and what is said around it.
const MOST: u64 = LARGEST + (8 << 20);
/// The most that a request for a connection has, in bytes.
const HEAD: u64 = 8 << 10;
const WAIT: Duration = Duration::from_secs(30);

/// The proxy, until it is dropped.
pub(super) struct Filter {
    port: u16,
    password: String,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    /// The host that `deploy.toml` names.
    named: String,
    /// And the port of the registry there.
    port: u16,
    client: Client,
    /// What a request has to say, so that nobody else of this machine goes out this way.
    authorization: String,
    left: Mutex<u64>,
    /// Why something was not let through: the first time.
    refused: Mutex<Option<FetchError>>,
    /// Whether nothing but the named host is reached, because an account is at hand.
    held: AtomicBool,
    /// Where else it was asked for.
    withheld: Mutex<Option<String>>,
}

impl Filter {
    /// For a client that begins at a host.
    pub(super) async fn start(named: &str, registry_port: u16, client: &Client) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let password = hex::encode(random);
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("windlass:{password}"));
        let shared = Arc::new(Shared {
            named: named.to_ascii_lowercase(),
            port: registry_port,
            client: client.clone(),
            authorization: format!("Basic {encoded}"),
            left: Mutex::new(MOST),
            refused: Mutex::default(),
            held: AtomicBool::new(false),
            withheld: Mutex::default(),
        });
        let mut serving = JoinSet::new();
        let accepting = Arc::clone(&shared);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(Arc::clone(&accepting).serve(stream));
            }
        });
        Ok(Self { port, password, shared, _serving: serving })
    }

    /// Its address, with the word that it wants to hear.
    pub(super) fn url(&self) -> String {
        format!("http://windlass:{}@127.0.0.1:{}", self.password, self.port)
    }

    /// Why it did not let something through, if there was such a thing.
    pub(super) fn take_refusal(&self) -> Option<FetchError> {
        self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Filter {
    /// From now on nothing but the named host is reached; or any that may be.
    pub(super) fn hold(&self, held: bool) {
        self.shared.held.store(held, Ordering::SeqCst);
    }

    /// What comes of some work that reaches nothing but the named host, and whether it was led elsewhere. What is told of that
    /// otherwise stays as it is.
    pub(super) async fn at_home<T>(&self, work: impl Future<Output = T>) -> (T, bool) {
        let withheld = || self.shared.withheld.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.shared.held.swap(true, Ordering::SeqCst);
        let before = withheld().take();
        let done = work.await;
        let led = std::mem::replace(&mut *withheld(), before).is_some();
        self.hold(held);
        (done, led)
    }

    /// Where an account was asked for that is not the named host.
    pub(super) fn withheld_from(&self) -> Option<String> {
        self.shared.withheld.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn refuse(&self, error: FetchError) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// One connection: `CONNECT host:port`, and then what is said either way.
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let mut client = BufReader::new(stream);
        let Some(head) = head(&mut client).await else { return };
        let (answer, server) = self.judge(&head).await;
        if client.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await.is_err() {
            return;
        }
        let Some(server) = server else { return };
        let (mut from_server, mut to_server) = tokio::io::split(server);
        // What the client said right behind its request for the connection is in the buffer.
        let (mut from_client, mut to_client) = tokio::io::split(client);
        tokio::select! {
            _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
            _ = self.pour(&mut from_server, &mut to_client) => {}
        }
    }

    /// What a request is answered, and where it leads.
    async fn judge(&self, head: &str) -> (&'static str, Option<Box<dyn Stream>>) {
        const FORBIDDEN: &str = "403 Forbidden";
        let target = head.split(' ').nth(1).unwrap_or_default();
        if !head.starts_with("CONNECT ") {
            let place = target.split(['?', '#']).next().unwrap_or_default().escape_debug();
            self.refuse(FetchError::elsewhere(format!("it leads to `{place}`, and only `https` is followed")));
            return (FORBIDDEN, None);
        }
        let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let authorized = headers.any(|(name, value)| {
            name.eq_ignore_ascii_case("proxy-authorization") && value.trim() == self.authorization
        });
        if !authorized {
            return ("407 Proxy Authentication Required", None);
        }
        match self.connect(target).await {
            Some(server) => ("200 Connection established", Some(server)),
            None => (FORBIDDEN, None),
        }
    }

    async fn connect(&self, target: &str) -> Option<Box<dyn Stream>> {
        let (host, port) = target.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port: u16 = port.parse().ok()?;
        // Another port is another service, whatever its name.
        if (&host, port) != (&self.named, self.port) && self.held.load(Ordering::SeqCst) {
            self.withheld.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(host);
            return None;
        }
        let route = Route { secure: true, port, host };
        let connected = self.client.connection(&route, &addresses(&route.host, &self.named), WAIT).await;
        connected.map_err(|error| self.refuse(unconnected(&error, &route.host, route.host != self.named))).ok()
    }

    /// Hands on what a server says, until there was too much of it.
    async fn pour(
        &self,
        from: &mut (impl AsyncReadExt + Unpin),
        to: &mut (impl AsyncWriteExt + Unpin),
    ) -> io::Result<()> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let count = from.read(&mut buffer).await?;
            if count == 0 {
                return to.shutdown().await;
            }
            {
                let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(now) = left.checked_sub(count as u64) else {
                    self.refuse(FetchError::TooLarge(None));
                    return Ok(());
                };
                *left = now;
            }
            to.write_all(&buffer[..count]).await?;
        }
    }
}

/// A request's head.
async fn head(client: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    let mut lines = client.take(HEAD);
    while !head.ends_with("\r\n\r\n") {
        if lines.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

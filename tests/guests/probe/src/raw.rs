//! The ways out without the SDK between: requests, sockets and names as WASI has them.

use schemars::JsonSchema;
use serde::Deserialize;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};

/// A request with these parts exactly as they are.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parts {
    #[serde(default = "super::operation::get")]
    method: String,
    scheme: Option<String>,
    authority: String,
    path: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
    /// For each of the three that WASI knows, in milliseconds.
    timeout: Option<u64>,
}

fn code(code: &ErrorCode) -> String {
    format!("{code:?}").trim_start_matches("ErrorCode::").to_owned()
}

impl Parts {
    /// The same with one more header.
    pub(crate) fn with_header(&self, name: &str, value: String) -> Self {
        let mut parts = self.clone();
        parts.headers.push((name.into(), value));
        parts
    }

    fn start(&self) -> Result<FutureIncomingResponse, String> {
        let headers = Fields::new();
        for (name, value) in &self.headers {
            headers.append(name, value.as_bytes()).map_err(|error| format!("the header {name}: {error:?}"))?;
        }
        let request = OutgoingRequest::new(headers);
        let method = match self.method.as_str() {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "CONNECT" => Method::Connect,
            "TRACE" => Method::Trace,
            other => Method::Other(other.into()),
        };
        request.set_method(&method).map_err(|()| "the method")?;
        let scheme = match self.scheme.as_deref() {
            None | Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(other) => Scheme::Other(other.into()),
        };
        request.set_scheme(Some(&scheme)).map_err(|()| "the scheme")?;
        request.set_authority(Some(&self.authority)).map_err(|()| "the authority")?;
        request.set_path_with_query(Some(&self.path)).map_err(|()| "the path")?;
        let options = self.timeout.map(|timeout| {
            let options = RequestOptions::new();
            let nanoseconds = Some(timeout.saturating_mul(1_000_000));
            let _ = options.set_connect_timeout(nanoseconds);
            let _ = options.set_first_byte_timeout(nanoseconds);
            let _ = options.set_between_bytes_timeout(nanoseconds);
            options
        });
        let body = request.body().map_err(|()| "the body")?;
        let future = handle(request, options).map_err(|error| code(&error))?;
        if let Some(text) = &self.body {
            let stream = body.write().map_err(|()| "the body")?;
            let _ = stream.blocking_write_and_flush(text.as_bytes());
        }
        OutgoingBody::finish(body, None).map_err(|error| code(&error))?;
        Ok(future)
    }

    /// Sends it, and reads all that comes: how much it is, and the beginning of it.
    pub(crate) fn send(&self) -> Result<String, String> {
        let response = answer(&self.start()?)?;
        let status = response.status();
        let headers = lines(&response.headers());
        let body = response.consume().map_err(|()| "the body")?;
        let (size, first) = read(&body)?;
        let trailers = IncomingBody::finish(body);
        trailers.subscribe().block();
        let trailers = match trailers.get() {
            Some(Ok(Ok(Some(trailers)))) => lines(&trailers),
            Some(Ok(Err(error))) => return Err(code(&error)),
            _ => String::new(),
        };
        Ok(format!("{status} [{headers}] {size} bytes: {first} [{trailers}]"))
    }

    /// Sends it so many times, and keeps each answer without reading it.
    pub(crate) fn hold(&self, count: u32) -> Result<String, String> {
        let mut held = vec![];
        for number in 0..count {
            let held_before = |why: String| format!("after {number}: {why}");
            held.push(answer(&self.start().map_err(held_before)?).map_err(held_before)?);
        }
        Ok(format!("held {}", held.len()))
    }
}

fn answer(future: &FutureIncomingResponse) -> Result<IncomingResponse, String> {
    future.subscribe().block();
    match future.get() {
        Some(Ok(Ok(response))) => Ok(response),
        Some(Ok(Err(error))) => Err(code(&error)),
        _ => Err("no answer".into()),
    }
}

fn lines(fields: &Fields) -> String {
    let line = |(name, value): (String, Vec<u8>)| format!("{name}={}", String::from_utf8_lossy(&value));
    fields.entries().into_iter().map(line).collect::<Vec<_>>().join(";")
}

/// How much there is of a body, and its first bytes.
fn read(body: &IncomingBody) -> Result<(usize, String), String> {
    let stream = body.stream().map_err(|()| "the stream")?;
    let (mut size, mut first) = (0, vec![]);
    loop {
        match stream.blocking_read(1 << 20) {
            Ok(bytes) => {
                size += bytes.len();
                first.extend(bytes.into_iter().take(200_usize.saturating_sub(first.len())));
            }
            Err(StreamError::Closed) => return Ok((size, String::from_utf8_lossy(&first).into_owned())),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(format!("after {size} bytes: {}", error.to_debug_string()));
            }
        }
    }
}

/// Asks for the addresses of a name.
pub(crate) fn look_up(name: &str) -> Result<String, String> {
    let stream = resolve_addresses(&instance_network(), name).map_err(|error| error.name().to_owned())?;
    stream.subscribe().block();
    stream.resolve_next_address().map(|address| format!("{address:?}")).map_err(|error| error.name().to_owned())
}

/// An address of loopback.
fn loopback(port: u16) -> IpSocketAddress {
    IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address: (127, 0, 0, 1) })
}

/// Connects to a port of this machine, or listens there.
pub(crate) fn tcp(port: u16, listen: bool) -> Result<String, String> {
    let word = |error: wasip2::sockets::network::ErrorCode| error.name().to_owned();
    let socket = wasip2::sockets::tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).map_err(word)?;
    if listen {
        socket.start_bind(&instance_network(), loopback(port)).map_err(word)?;
        socket.finish_bind().map_err(word)?;
        return Ok("bound".into());
    }
    socket.start_connect(&instance_network(), loopback(port)).map_err(word)?;
    socket.subscribe().block();
    socket.finish_connect().map(|_| "connected".into()).map_err(word)
}

/// Sends a datagram to a port of this machine.
pub(crate) fn udp(port: u16) -> Result<String, String> {
    use wasip2::sockets::udp::OutgoingDatagram;
    let word = |error: wasip2::sockets::network::ErrorCode| error.name().to_owned();
    let socket = wasip2::sockets::udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4).map_err(word)?;
    socket.start_bind(&instance_network(), loopback(0)).map_err(word)?;
    socket.finish_bind().map_err(word)?;
    let (_, outgoing) = socket.stream(Some(loopback(port))).map_err(word)?;
    outgoing.check_send().map_err(word)?;
    let sent = outgoing.send(&[OutgoingDatagram { data: b"hello".to_vec(), remote_address: None }]).map_err(word)?;
    Ok(format!("sent {sent}"))
}

/// Opens a file again and again, and keeps it open.
pub(crate) fn open_files(tree: &str, path: &str, count: u32) -> Result<String, String> {
    use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
    let trees = wasip2::filesystem::preopens::get_directories();
    let (tree, _) = trees.into_iter().find(|(_, name)| name == tree).ok_or("no such tree")?;
    let mut held = vec![];
    for _ in 0..count {
        match tree.open_at(PathFlags::empty(), path, OpenFlags::empty(), DescriptorFlags::READ) {
            Ok(file) => held.push(file),
            Err(error) => return Err(format!("after {}: {}", held.len(), error.name())),
        }
    }
    Ok(format!("opened {}", held.len()))
}

/// Makes headers nearly as large as they may be, and keeps them.
pub(crate) fn hoard_headers() -> u64 {
    let mut held = 0;
    loop {
        let fields = Fields::new();
        for _ in 0..12 {
            let _ = fields.append("x", &[b'x'; 4096]);
        }
        std::mem::forget(fields);
        held += 1;
        if std::hint::black_box(false) {
            return held;
        }
    }
}

//! From a name to a connection.

use super::address::Addresses;
use super::error::ConnectError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// The addresses of a name that may be dialled, as the system orders them. The name server is asked once.
///
/// # Errors
/// Where there are none: no such name, or all refused.
pub async fn resolve(host: &str, port: u16, addresses: &Addresses) -> Result<Vec<SocketAddr>, ConnectError> {
    let missing = |reason: String| ConnectError::NoSuchName { host: host.into(), reason };
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![(address, port).into()],
        Err(_) => tokio::net::lookup_host((host, port)).await.map_err(|error| missing(error.to_string()))?.collect(),
    };
    let mut allowed: Vec<SocketAddr> = vec![];
    let mut refused = None;
    for address in found {
        match addresses.allows(address.ip()) {
            Ok(()) if allowed.contains(&address) => {}
            Ok(()) => allowed.push(address),
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    match refused {
        Some(refusal) if allowed.is_empty() => Err(ConnectError::Refused { host: host.into(), refusal }),
        None if allowed.is_empty() => Err(missing("the name server gave none".into())),
        _ => Ok(allowed),
    }
}

/// A connection to the first of the name's addresses that takes one, and how long that one took.
pub(super) async fn connect(
    host: &str,
    port: u16,
    addresses: &Addresses,
    timeout: Duration,
) -> Result<(TcpStream, Duration), ConnectError> {
    let deadline = Instant::now() + timeout;
    let resolved = timeout_at(deadline, resolve(host, port, addresses)).await;
    let resolved = resolved.unwrap_or_else(|_| Err(ConnectError::ResolveTimedOut { host: host.into() }))?;
    let mut last = ConnectError::TimedOut { host: host.into(), port };
    for (index, address) in resolved.iter().enumerate() {
        let started = Instant::now();
        // An address that never answers leaves time for those after it.
        let share =
            deadline.saturating_duration_since(started) / u32::try_from(resolved.len() - index).unwrap_or(u32::MAX);
        last = match timeout_at(started + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, started.elapsed())),
            Ok(Err(error)) => explain(&error, host, port),
            Err(_) => ConnectError::TimedOut { host: host.into(), port },
        };
    }
    Err(last)
}

fn explain(error: &io::Error, host: &str, port: u16) -> ConnectError {
    let host = host.to_owned();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::ConnectionRefused { host, port },
        io::ErrorKind::TimedOut => ConnectError::TimedOut { host, port },
        _ => ConnectError::Unreachable { host, port, reason: error.to_string() },
    }
}

/// Connects and closes at once. Nothing is sent. How long the connection took, without resolving the name.
///
/// # Errors
/// Where there is no connection within `timeout`.
pub async fn probe_tcp(
    host: &str,
    port: u16,
    addresses: &Addresses,
    timeout: Duration,
) -> Result<Duration, ConnectError> {
    connect(host, port, addresses, timeout).await.map(|(_, took)| took)
}

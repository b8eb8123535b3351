//! From a name to a connection.

use super::address::{Addresses, Refusal};
use super::error::ConnectError;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// Knows the addresses of names.
#[async_trait::async_trait]
pub trait Resolve: Debug + Send + Sync {
    /// The addresses of a name, in the order in which they are to be tried.
    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The name servers of the system.
#[derive(Debug)]
pub(super) struct System;

#[async_trait::async_trait]
impl Resolve for System {
    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Which addresses may be dialled.
#[derive(Debug, Clone, Copy)]
pub(super) enum Allowed<'a> {
    /// Those that were granted.
    Granted(&'a Addresses),
    /// Any: what whoever runs Windlass has set up, such as a proxy.
    Any,
}

impl Allowed<'_> {
    fn judge(self, address: IpAddr) -> Result<(), Refusal> {
        match self {
            Self::Granted(addresses) => addresses.allows(address),
            Self::Any => Ok(()),
        }
    }
}

/// The addresses of a name that may be dialled, as the resolver orders them. It is asked once.
///
/// # Errors
/// Where there are none: no such name, or all refused.
pub(super) async fn resolve(
    resolver: &dyn Resolve,
    host: &str,
    port: u16,
    allowed: Allowed<'_>,
) -> Result<Vec<SocketAddr>, ConnectError> {
    let missing = |reason: String| ConnectError::NoSuchName { host: host.into(), reason };
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![(address, port).into()],
        Err(_) => resolver.addresses(host, port).await.map_err(|error| missing(error.to_string()))?,
    };
    let mut kept: Vec<SocketAddr> = vec![];
    let mut refused = None;
    for address in found {
        match allowed.judge(address.ip()) {
            Ok(()) if kept.contains(&address) => {}
            Ok(()) => kept.push(address),
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    match refused {
        Some(refusal) if kept.is_empty() => Err(ConnectError::Refused { host: host.into(), refusal }),
        None if kept.is_empty() => Err(missing("the name server gave none".into())),
        _ => Ok(kept),
    }
}

/// A connection to the first of the name's addresses that takes one, and how long that one took.
pub(super) async fn connect(
    resolver: &dyn Resolve,
    host: &str,
    port: u16,
    allowed: Allowed<'_>,
    timeout: Duration,
) -> Result<(TcpStream, Duration), ConnectError> {
    let deadline = Instant::now() + timeout;
    let resolved = timeout_at(deadline, resolve(resolver, host, port, allowed)).await;
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

//! What can go wrong on the way out, told apart.

use super::address::{AddressClass, Refusal};
use std::time::Duration;
use wasmtime_wasi_http::Error as Guest;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name server knows no such name, or no address for it, or could not be asked.
    #[error("`{host}` has no address: {reason}")]
    NoSuchName {
        /// The name.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// Every address is of a class that is not granted; this is the first.
    #[error("`{host}` may not be reached: {refusal}")]
    Refused {
        /// The name.
        host: String,
        /// The first of its addresses, and what it is.
        refusal: Refusal,
    },
    /// The name is one that leads to such addresses, whoever resolves it.
    #[error("`{host}` may not be reached: it is the name of {class}")]
    RefusedName {
        /// The name.
        host: String,
        /// What it leads to.
        class: AddressClass,
    },
    /// The name server did not answer in time.
    #[error("`{host}` was not resolved in time")]
    ResolveTimedOut {
        /// The name.
        host: String,
    },
    /// Nobody listens there.
    #[error("`{host}` refused the connection to port {port}")]
    ConnectionRefused {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
    /// Nobody answered in time.
    #[error("`{host}` did not answer on port {port} in time")]
    TimedOut {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
    /// There is no way there.
    #[error("`{host}` cannot be reached on port {port}: {reason}")]
    Unreachable {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// What the system said.
        reason: String,
    },
}

/// Why there is no answer to a request.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The request's URL is none that can be asked for.
    #[error("the URL of the request cannot be asked for: {0}")]
    Url(&'static str),
    /// The certificates of this machine cannot be read.
    #[error("the certificates to trust cannot be read: {0}")]
    Trust(String),
    /// The server's certificate is not one to trust for this name.
    #[error("the certificate of `{host}` is not trusted: {reason}")]
    Certificate {
        /// The name.
        host: String,
        /// What was wrong with it.
        reason: String,
    },
    /// The TLS connection could not be made.
    #[error("the TLS connection to `{host}` could not be made: {reason}")]
    Tls {
        /// The name.
        host: String,
        /// Why.
        reason: String,
    },
    /// The answer did not begin in time.
    #[error("`{host}` did not begin to answer in time")]
    NoAnswer {
        /// The name.
        host: String,
    },
    /// The whole of it took too long.
    #[error("the request to `{host}` did not end within {}", crate::words::span(*.limit))]
    TooLong {
        /// The name.
        host: String,
        /// The most that a request may take.
        limit: Duration,
    },
    /// The proxy on the way makes no connection.
    #[error("the proxy `{proxy}` cannot be used: {reason}")]
    Proxy {
        /// Its host and port.
        proxy: String,
        /// Why not.
        reason: String,
    },
    /// The answer's head is larger than is taken.
    #[error("`{host}` answered with headers of more than {limit} bytes or {headers} lines")]
    HeadTooLarge {
        /// The name.
        host: String,
        /// The most, in bytes.
        limit: usize,
        /// The most lines.
        headers: usize,
    },
    /// The connection was closed before the answer was complete.
    #[error("`{host}` closed the connection: {reason}")]
    Closed {
        /// The name.
        host: String,
        /// What was seen.
        reason: String,
    },
    /// What came back is no HTTP.
    #[error("`{host}` did not answer in HTTP: {reason}")]
    Protocol {
        /// The name.
        host: String,
        /// What was seen.
        reason: String,
    },
}

impl ConnectError {
    /// Whether it is a denial, and nothing was tried.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::RefusedName { .. })
    }

    /// Where it is a denial: what a grant would have to say of addresses, where one can.
    #[must_use]
    pub fn missing_address(&self) -> Option<String> {
        match self {
            Self::Refused { refusal, .. } => refusal.word(),
            _ => None,
        }
    }
}

impl SendError {
    /// Whether it is a denial, and nothing was sent.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_refusal(),
            Self::Url(_) => true,
            _ => false,
        }
    }

    /// As [`ConnectError::missing_address`].
    #[must_use]
    pub fn missing_address(&self) -> Option<String> {
        match self {
            Self::Connect(error) => error.missing_address(),
            _ => None,
        }
    }

    /// What a plugin is told. The plugin's library makes words of it: `dns`, `connection-refused`, `unreachable`,
    /// `timed-out`, `tls`, `closed` or denied.
    #[must_use]
    pub fn for_guest(&self) -> Guest {
        match self {
            Self::Connect(error) => match error {
                ConnectError::NoSuchName { reason, .. } => {
                    Guest::DnsError { rcode: Some(reason.clone()), info_code: None }
                }
                ConnectError::Refused { .. } | ConnectError::RefusedName { .. } => Guest::DestinationIpProhibited,
                ConnectError::ResolveTimedOut { .. } => Guest::DnsTimeout,
                ConnectError::ConnectionRefused { .. } => Guest::ConnectionRefused,
                ConnectError::TimedOut { .. } => Guest::ConnectionTimeout,
                ConnectError::Unreachable { .. } => Guest::DestinationUnavailable,
            },
            Self::Url(_) => Guest::HttpRequestUriInvalid,
            Self::Trust(reason) => Guest::InternalError(Some(reason.clone())),
            Self::Certificate { .. } => Guest::TlsCertificateError,
            Self::Tls { .. } => Guest::TlsProtocolError,
            Self::NoAnswer { .. } | Self::TooLong { .. } => Guest::HttpResponseTimeout,
            Self::Proxy { .. } => Guest::DestinationUnavailable,
            Self::HeadTooLarge { limit, .. } => Guest::HttpResponseHeaderSectionSize(u32::try_from(*limit).ok()),
            Self::Closed { .. } => Guest::ConnectionTerminated,
            Self::Protocol { .. } => Guest::HttpProtocolError,
        }
    }
}

impl From<SendError> for Guest {
    fn from(error: SendError) -> Self {
        error.for_guest()
    }
}

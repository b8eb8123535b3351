//! Whom to trust, and TLS over a connection.

use super::error::SendError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The certificates to trust: the system's (or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, where these are set), and a
/// file's. Read once, when the first `https` request is made.
#[derive(Debug, Default)]
pub(super) struct Trust {
    more: Option<PathBuf>,
    config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Trust {
    pub(super) fn new(more: Option<PathBuf>) -> Self {
        Self { more, config: OnceLock::new() }
    }

    /// A TLS connection to `host`, whose certificate has to be for that name.
    pub(super) async fn connect<S>(self: Arc<Self>, stream: S, host: &str) -> Result<TlsStream<S>, SendError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| SendError::Url("its host is no name"))?;
        let config = match self.config.get() {
            Some(config) => config.clone(),
            // Some milliseconds of reading and parsing.
            None => tokio::task::spawn_blocking(move || self.config.get_or_init(|| read(self.more.as_deref())).clone())
                .await
                .unwrap_or_else(|error| Err(error.to_string())),
        };
        let config = config.map_err(SendError::Trust)?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| explain(&error, host))
    }
}

/// What is trusted: the system's certificates. Some milliseconds of reading and parsing.
///
/// # Errors
/// Why there are none.
pub async fn trusted() -> Result<Arc<ClientConfig>, String> {
    tokio::task::spawn_blocking(|| read(None)).await.unwrap_or_else(|error| Err(error.to_string()))
}

/// The system's certificates themselves, for a client that is not ours: those that can be read as such.
///
/// # Errors
/// Why there are none.
pub async fn trusted_certificates() -> Result<Vec<Vec<u8>>, String> {
    let read = || {
        let found = rustls_native_certs::load_native_certs();
        let good =
            found.certs.into_iter().filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
        let good: Vec<Vec<u8>> = good.map(|certificate| certificate.to_vec()).collect();
        if good.is_empty() { Err(none_to_trust(&found.errors)) } else { Ok(good) }
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(error.to_string()))
}

fn none_to_trust(errors: &[rustls_native_certs::Error]) -> String {
    let reasons: Vec<_> = errors.iter().map(ToString::to_string).collect();
    if reasons.is_empty() { "there are none".into() } else { reasons.join("; ") }
}

fn read(more: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if let Some(file) = more {
        let unreadable = |error: rustls::pki_types::pem::Error| format!("`{}`: {error}", file.display());
        for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
            let certificate = certificate.map_err(unreadable)?;
            roots.add(certificate).map_err(|error| format!("`{}`: {error}", file.display()))?;
        }
    }
    if roots.is_empty() {
        return Err(none_to_trust(&found.errors));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn explain(error: &std::io::Error, host: &str) -> SendError {
    let (host, reason) = (host.to_owned(), error.to_string());
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            SendError::Certificate { host, reason }
        }
        _ => SendError::Tls { host, reason },
    }
}

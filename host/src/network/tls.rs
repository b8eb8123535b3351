//! Whom to trust, and TLS over a connection.

use super::error::SendError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whom to trust: the system's authorities (or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, where these are set), and those of
/// a file. The system's are read once, when they are first needed. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Trust(Arc<Lazy>);

#[derive(Debug, Default)]
struct Lazy {
    more: Vec<CertificateDer<'static>>,
    config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Trust {
    /// The system's, and those in this PEM file.
    ///
    /// # Errors
    /// Why there are none in it.
    pub fn with_file(file: &Path) -> Result<Self, String> {
        let text = std::fs::read(file).map_err(|error| error.to_string())?;
        let more = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        let more = more.map_err(|error| error.to_string())?;
        if more.is_empty() {
            return Err("there is no certificate in it".into());
        }
        let mut roots = RootCertStore::empty();
        for certificate in &more {
            roots.add(certificate.clone()).map_err(|error| format!("a certificate in it is none to trust: {error}"))?;
        }
        Ok(Self(Arc::new(Lazy { more, config: OnceLock::new() })))
    }

    /// How to speak TLS to whoever is trusted. Some milliseconds of reading and parsing the first time.
    ///
    /// # Errors
    /// Why nobody is.
    pub async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = self.0.config.get() {
            return config.clone();
        }
        let lazy = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || lazy.config.get_or_init(|| read(&lazy.more)).clone())
            .await
            .unwrap_or_else(|error| Err(error.to_string()))
    }

    /// The certificates themselves, for a client that is not ours: those that can be read as such.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn certificates(&self) -> Result<Vec<Vec<u8>>, String> {
        let lazy = Arc::clone(&self.0);
        let read = move || {
            let found = rustls_native_certs::load_native_certs();
            let all = found.certs.into_iter().chain(lazy.more.iter().cloned());
            let good = all.filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
            let good: Vec<Vec<u8>> = good.map(|certificate| certificate.to_vec()).collect();
            if good.is_empty() { Err(none_to_trust(&found.errors)) } else { Ok(good) }
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// A TLS connection to `host`, whose certificate has to be for that name.
    pub(super) async fn connect<S>(&self, stream: S, host: &str) -> Result<TlsStream<S>, SendError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| SendError::Url("its host is no name"))?;
        let config = self.config().await.map_err(SendError::Trust)?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| explain(&error, host))
    }
}

fn none_to_trust(errors: &[rustls_native_certs::Error]) -> String {
    let reasons: Vec<_> = errors.iter().map(ToString::to_string).collect();
    if reasons.is_empty() { "there are none".into() } else { reasons.join("; ") }
}

fn read(more: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    roots.add_parsable_certificates(more.iter().cloned());
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
        Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
            SendError::Tls { host, reason: "what answers there does not speak TLS".into() }
        }
        _ => SendError::Tls { host, reason },
    }
}

//! A component in a registry, as an artifact with one layer; and a way for whoever else has to speak to one.

use super::account::Account;
use super::filter::Filter;
use super::{FetchError, LARGEST};
use crate::network;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig};
use oci_client::errors::{DigestError, OciDistributionError, OciError, OciErrorCode};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, WASM_LAYER_MEDIA_TYPE};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWrite;

/// What a layer with a component is called, by today's conventions and by those before.
pub(in crate::plugin) const LAYERS: [&str; 2] = ["application/wasm", WASM_LAYER_MEDIA_TYPE];
const WAIT: Duration = Duration::from_secs(30);

/// What a reference leads to now.
pub(super) async fn fetch(locator: &str, client: &network::Client) -> Result<Vec<u8>, FetchError> {
    with_registry(locator, client, RegistryOperation::Pull, component).await
}

/// A registry that somebody speaks to.
pub(in crate::plugin) struct Session<'a> {
    pub(in crate::plugin) client: Client,
    /// As it is written.
    pub(in crate::plugin) reference: Reference,
    /// Whose host it is, with its port where that is not the usual one.
    registry: String,
    /// Who asks.
    pub(in crate::plugin) who: &'a RegistryAuth,
    filter: &'a Filter,
}

/// Does something with what a reference names, as whoever is logged in there: with nobody's account where that is asked for
/// elsewhere.
pub(in crate::plugin) async fn with_registry<T>(
    locator: &str,
    client: &network::Client,
    operation: RegistryOperation,
    work: impl AsyncFn(&Session<'_>) -> Result<T, FetchError>,
) -> Result<T, FetchError> {
    let text = locator.strip_prefix("oci://").unwrap_or(locator);
    let reference: Reference =
        text.parse().map_err(|error| FetchError::wrong(format!("its reference is none: {error}")))?;
    let host = text.split('/').next().unwrap_or_default();
    // Where the first part looks like no host, others take it for a folder of Docker's registry.
    if reference.registry() != host {
        return Err(FetchError::wrong(format!("`{host}` is no registry's host: it has neither a `.` nor a port")));
    }
    let registry = reference.resolve_registry();
    let (named, port) = match registry.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().unwrap_or(443)),
        None => (registry, 443),
    };
    let named = named.trim_matches(['[', ']']);
    let failed = |error: io::Error| FetchError::unreached(error.to_string());
    let filter = Filter::start(named, port, client).await.map_err(failed)?;
    let (account, unread) = match Account::of(registry) {
        Ok(account) => (account, None),
        Err(why) => (None, Some(why)),
    };
    let speak = async |who: &RegistryAuth| {
        let speaking = connect(registry, &filter, client).await?;
        speaking.auth(&reference, who, operation).await.map_err(|error| explain(error, registry))?;
        let (registry, reference) = (registry.to_owned(), reference.clone());
        work(&Session { client: speaking, reference, registry, who, filter: &filter }).await
    };
    let done = match &account {
        None => speak(&RegistryAuth::Anonymous).await,
        Some(account) => {
            // Whoever is logged in to this registry is that to nobody else.
            filter.hold(true);
            let done = speak(&RegistryAuth::Basic(account.name.to_string(), account.password.to_string())).await;
            filter.hold(false);
            match filter.withheld_from() {
                Some(_) => speak(&RegistryAuth::Anonymous).await,
                None => done,
            }
        }
    };
    // What the way out refused says more than what the client makes of it.
    done.map_err(|error| match (filter.take_refusal().unwrap_or(error), account) {
        (FetchError::Failed { why, hint }, Some(account)) => {
            let why = account.without(&why);
            let withheld = filter.withheld_from().map(|host| {
                format!("{why}; the account for `{registry}` was asked for at `{host}`, and is for no other host")
            });
            FetchError::Failed { why: withheld.unwrap_or(why), hint }
        }
        (FetchError::Forbidden(why), Some(account)) => FetchError::Forbidden(account.without(&why)),
        // Whoever may not do it may well be logged in there.
        (FetchError::Forbidden(why), None) => FetchError::Forbidden(match unread {
            Some(unread) => format!("{why}; {unread}"),
            None => why,
        }),
        (error, _) => error,
    })
}

/// A client that goes out by the filter and by nothing else.
async fn connect(registry: &str, filter: &Filter, way_out: &network::Client) -> Result<Client, FetchError> {
    // Whoever made it the default before made it this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = way_out.trust().certificates().await;
    let certificates = certificates
        .map_err(|why| FetchError::unreached(format!("the certificates to trust cannot be read: {why}")))?
        .into_iter()
        .map(|data| Certificate { encoding: CertificateEncoding::Der, data });
    Client::try_from(ClientConfig {
        tls_certs_only: certificates.collect(),
        platform_resolver: None,
        read_timeout: Some(WAIT),
        connect_timeout: Some(WAIT),
        user_agent: concat!("windlass/", env!("CARGO_PKG_VERSION")),
        https_proxy: Some(filter.url()),
        http_proxy: Some(filter.url()),
        ..ClientConfig::default()
    })
    .map_err(|error| explain(error, registry))
}

impl Session<'_> {
    /// What an error of the client's means here.
    pub(in crate::plugin) fn explain(&self, error: OciDistributionError) -> FetchError {
        explain(error, &self.registry)
    }

    /// The text of the manifest under a reference, and its digest; none where there is none.
    pub(in crate::plugin) async fn manifest(
        &self,
        reference: &Reference,
    ) -> Result<Option<(String, String)>, FetchError> {
        match self.client.pull_manifest_raw(reference, self.who, &[OCI_IMAGE_MEDIA_TYPE]).await {
            Ok((bytes, _)) => {
                let digest = format!("sha256:{}", crate::plugin::component::digest(&bytes));
                let text = String::from_utf8(bytes.to_vec());
                text.map(|text| Some((text, digest))).map_err(|_| FetchError::wrong("its manifest is no text"))
            }
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.explain(error)),
        }
    }

    /// What follows may lie elsewhere, and is asked for with the registry's token at most.
    pub(in crate::plugin) fn let_go(&self) {
        self.filter.hold(false);
    }

    /// Whether the registry has a blob. One that leads elsewhere for it has it there, and there nobody is asked: what such a URL
    /// is good for is getting it, and whoever pushes is logged in here alone.
    pub(in crate::plugin) async fn has(&self, digest: &str) -> Result<bool, FetchError> {
        let (there, led) = self.filter.at_home(self.client.blob_exists(&self.reference, digest)).await;
        match there {
            Err(OciDistributionError::RequestError(error)) if led => {
                // With a status it is the registry's own answer, and what was elsewhere is who gives out tokens. Nothing is wrong
                // with pushing what may be there.
                Ok(error.status().is_none())
            }
            there => there.map_err(|error| self.explain(error)),
        }
    }

    /// The bytes that a layer names, no more than it says.
    pub(in crate::plugin) async fn blob(&self, layer: &OciDescriptor) -> Result<Vec<u8>, FetchError> {
        // It becomes a part of a URL.
        let hexadecimal = |digest: &str| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !layer.digest.strip_prefix("sha256:").is_some_and(hexadecimal) {
            return Err(FetchError::wrong("its layer has no sha256"));
        }
        let size = u64::try_from(layer.size).unwrap_or(u64::MAX);
        let mut bytes = Bounded { bytes: Vec::new(), size };
        self.client.pull_blob(&self.reference, layer, &mut bytes).await.map_err(|error| self.explain(error))?;
        Ok(bytes.bytes)
    }
}

/// Whether an error says that there is no such thing.
fn is_absent(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => envelope.errors.iter().any(|error| {
            matches!(error.code, OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound)
        }),
        _ => false,
    }
}

/// The component that an artifact is.
async fn component(session: &Session<'_>) -> Result<Vec<u8>, FetchError> {
    let manifest = session.client.pull_image_manifest(&session.reference, session.who).await;
    let (manifest, _) = manifest.map_err(|error| session.explain(error))?;
    session.let_go();
    let [layer] = &*manifest.layers else {
        return Err(FetchError::wrong(format!(
            "the artifact has {} layers, and a plugin is one",
            manifest.layers.len()
        )));
    };
    if !LAYERS.contains(&layer.media_type.as_str()) {
        let media_type = layer.media_type.escape_debug();
        return Err(FetchError::wrong(format!("its layer is of the type `{media_type}`, and not `{}`", LAYERS[0])));
    }
    let size = u64::try_from(layer.size).unwrap_or(u64::MAX);
    if size > LARGEST {
        return Err(FetchError::TooLarge(Some(size)));
    }
    session.blob(layer).await
}

/// What an error of the client's means.
fn explain(error: OciDistributionError, registry: &str) -> FetchError {
    match error {
        OciDistributionError::RequestError(error) => match of_tls(&error) {
            Some(error @ (rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)) => {
                FetchError::untrusted(format!("the certificate of `{registry}` is not trusted: {error}"))
            }
            Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => FetchError::Failed {
                why: format!("what answers at `{registry}` does not speak TLS"),
                hint: "put something that speaks TLS before it: nothing goes to a registry without",
            },
            _ => FetchError::unreached(root(&error)),
        },
        OciDistributionError::IoError(error) => FetchError::unreached(error.to_string()),
        OciDistributionError::DigestError(DigestError::VerificationError { expected, actual }) => FetchError::Failed {
            why: format!("`{registry}` sent something else than it says: {actual} for {expected}"),
            hint: "tell whoever keeps that registry, and take it from elsewhere",
        },
        OciDistributionError::ServerError { code, .. } if code >= 500 => {
            FetchError::unreached(format!("`{registry}` answered {code}"))
        }
        OciDistributionError::ServerError { code: code @ (401 | 403), .. } => {
            FetchError::Forbidden(format!("`{registry}` answered {code}"))
        }
        OciDistributionError::ServerError { code, .. } => FetchError::wrong(format!("`{registry}` answered {code}")),
        OciDistributionError::RegistryError { envelope, .. } => {
            let said: Vec<String> = envelope
                .errors
                .iter()
                .take(3)
                .map(|error| format!("{:?}: {}", error.code, error.message).escape_debug().take(200).collect())
                .collect();
            let said = format!("`{registry}` answered: {}", said.join("; "));
            let is_forbidden =
                |error: &OciError| matches!(error.code, OciErrorCode::Unauthorized | OciErrorCode::Denied);
            if envelope.errors.iter().any(is_forbidden) { FetchError::Forbidden(said) } else { FetchError::wrong(said) }
        }
        OciDistributionError::AuthenticationFailure(_) | OciDistributionError::UnauthorizedError { .. } => {
            FetchError::Forbidden(format!("`{registry}` does not give it to whoever asks"))
        }
        error => FetchError::wrong(error.to_string().escape_debug().take(300).collect::<String>()),
    }
}

/// What TLS said, where it was that.
fn of_tls<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // What it has in it, and not only what caused that.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inner.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    None
}

/// The innermost words of an error.
fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Takes as much as was announced.
struct Bounded {
    bytes: Vec<u8>,
    size: u64,
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, piece: &[u8]) -> Poll<io::Result<usize>> {
        if (self.bytes.len() + piece.len()) as u64 > self.size {
            return Poll::Ready(Err(io::Error::other("there is more of it than its manifest says")));
        }
        self.bytes.extend_from_slice(piece);
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

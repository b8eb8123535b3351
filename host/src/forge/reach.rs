//! How a forge is reached, whichever it is: through the proxies of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`,
//! `NO_PROXY`), with the certificates that the rest of Windlass trusts ([`Trust`]), and without following a redirect, which would take the token to wherever it leads.

use super::client::{LARGEST, root};
use crate::network::Trust;
use http::HeaderMap;

/// A client that sends these headers with each request.
///
/// # Errors
/// Why there can be none: there are no certificates.
pub(super) async fn client(headers: HeaderMap, trust: &Trust) -> Result<reqwest::Client, String> {
    let trusted = trust.config().await?;
    reqwest::Client::builder()
        .user_agent(concat!("windlass/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(rustls::ClientConfig::clone(&trusted))
        .build()
        .map_err(|error| root(&error))
}

/// The whole body of an answer, no more than `most` bytes; `what` it is is said of one that has more.
///
/// # Errors
/// Why it cannot be read.
pub(super) async fn body(mut response: reqwest::Response, what: &str, most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| root(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > most {
            return Err(format!("{what} has more than {} MiB", most >> 20));
        }
    }
    Ok(bytes)
}

/// The whole body of an answer of an API.
///
/// # Errors
/// As [`body`].
pub(super) async fn answer(response: reqwest::Response) -> Result<Vec<u8>, String> {
    body(response, "its answer", LARGEST).await
}

//! Components from elsewhere: fetched within limits, and from then on known by their digest.
//!
//! Nothing here trusts what it gets. Whoever asks holds it against the digest in `deploy.lock` before anything is made of it,
//! and only what passed everything is kept in the [`Store`], from where no network is needed.

mod account;
mod filter;
mod https;
pub(super) mod oci;
pub(super) mod signatures;
mod store;

pub(super) use store::Store;

use super::component::{self, LARGEST};
use crate::config::PluginLocator;
use crate::network::{Addresses, Client, SendError};
use crate::problem::{Code, Problem};
use std::time::Duration;

/// How long it may take in all.
const PATIENCE: Duration = Duration::from_secs(300);

/// Why there is no component.
#[derive(Debug)]
pub(super) enum FetchError {
    /// There is more of it than is taken; how much it says that it has.
    TooLarge(Option<u64>),
    /// There is nothing there.
    Absent(String),
    /// Whoever asks may not; what was answered.
    Forbidden(String),
    /// Something else, and what helps.
    Failed { why: String, hint: &'static str },
}

impl FetchError {
    /// It could not be reached, or did not say what it should; it may another time.
    pub(super) fn unreached(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into(), hint: "run the same command again once it can be reached from here" }
    }

    /// It is not there, or is something else.
    pub(super) fn wrong(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into(), hint: "correct the reference or the URL that names the plugin" }
    }

    /// It leads to where nobody has read that it leads.
    fn elsewhere(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into(), hint: "name the place that it leads to in `deploy.toml`, if it is meant" }
    }

    /// Whoever answers has a certificate that nobody vouches for.
    fn untrusted(why: impl Into<String>) -> Self {
        let hint = "if it is meant, have `network.ca-file` in `deploy.toml`, or `SSL_CERT_FILE`, name the certificate of the authority \
                    that signed the server's, which is another one";
        Self::Failed { why: why.into(), hint }
    }

    /// Why, and what helps.
    pub(super) fn parts(self) -> (String, &'static str) {
        match self {
            Self::Failed { why, hint } => (why, hint),
            Self::Absent(why) => Self::wrong(why).parts(),
            Self::Forbidden(why) => (why, "log in there with an account that may, for example with `docker login`"),
            Self::TooLarge(_) => ("the registry says more than is listened to".into(), "publish it elsewhere"),
        }
    }

    fn problem(self, locator: &str) -> Problem {
        match self {
            Self::Absent(why) => Self::wrong(why).problem(locator),
            Self::TooLarge(size) => component::too_large(locator, size),
            failed @ (Self::Forbidden(_) | Self::Failed { .. }) => {
                let (why, hint) = failed.parts();
                Problem::new(Code::PluginNotFetched, format!("plugin `{locator}` cannot be fetched"))
                    .because(why)
                    .with_note("nothing was run, and nothing of it was kept")
                    .with_hint(hint)
            }
        }
    }
}

/// The addresses that `host` may have, where `deploy.toml` names `named`: a person has written and another has read that name,
/// so it may be a machine of the own network. Wherever it leads from there has to be anybody's. Where clouds hand out
/// credentials nobody is sent.
fn addresses(host: &str, named: &str) -> Addresses {
    let any = || Addresses::parse(&["0.0.0.0/0".to_owned(), "::/0".to_owned()]).unwrap_or_default();
    if host.eq_ignore_ascii_case(named) { any() } else { Addresses::default() }
}

/// Why nobody answers at a host; `led` says that it was not named, but led to.
fn unconnected(error: &SendError, host: &str, led: bool) -> FetchError {
    match error {
        error if error.is_refusal() && led => FetchError::elsewhere(format!("it leads to `{host}`, and {error}")),
        error if error.is_refusal() => FetchError::wrong(error.to_string()),
        error @ SendError::Certificate { .. } => FetchError::untrusted(error.to_string()),
        error => FetchError::unreached(error.to_string()),
    }
}

/// The bytes behind a locator, as they are now.
///
/// # Errors
/// [`Code::PluginNotFetched`], [`Code::PluginInvalid`] where there are too many.
pub(super) async fn fetch(locator: &PluginLocator, client: &Client) -> Result<Vec<u8>, Problem> {
    let name = locator.as_str();
    let fetched = in_time(async {
        match locator {
            PluginLocator::Oci(reference) => oci::fetch(reference, client).await,
            _ => https::fetch(name, client).await,
        }
    });
    fetched.await.map_err(|error| error.problem(name))
}

/// The signatures of what is behind a locator, as they are now.
///
/// # Errors
/// As those of [`fetch`]. That there are none is no error.
pub(super) async fn signatures(locator: &PluginLocator, client: &Client) -> Result<signatures::Found, Problem> {
    in_time(signatures::fetch(locator, client)).await.map_err(|error| error.problem(locator.as_str()))
}

/// Something that may not take for ever.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, FetchError>>) -> Result<T, FetchError> {
    let late = |_| FetchError::unreached(format!("it was not done within {}", crate::words::span(PATIENCE)));
    tokio::time::timeout(PATIENCE, work).await.map_err(late).and_then(|done| done)
}

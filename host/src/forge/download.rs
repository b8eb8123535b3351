//! Fetching what a forge keeps elsewhere and hands out by a signed address, without our token.

use super::client::root;
use super::reach;
use http::HeaderMap;
use std::time::Duration;
use url::Url;

/// How long one may take.
const TIME: Duration = Duration::from_secs(30);

/// The bytes at this address, no more than `most`. Only `https`, but for the server of the API itself, whose address the CI says.
///
/// # Errors
/// A sentence that says why not.
pub(super) async fn get(location: &str, api: &str, most: usize) -> Result<Vec<u8>, String> {
    let url = Url::parse(location).map_err(|error| format!("the forge gave no address: {error}"))?;
    let origin = Url::parse(api).map(|api| api.origin());
    if url.scheme() != "https" && origin.is_ok_and(|origin| origin != url.origin()) {
        return Err("the forge gave an address that is not `https`".into());
    }
    let client = reach::client(HeaderMap::new()).await?;
    let response = client.get(url).timeout(TIME).send().await.map_err(|error| root(&error))?;
    if !response.status().is_success() {
        return Err(format!("whoever keeps it answered {}", response.status()));
    }
    reach::body(response, most).await
}

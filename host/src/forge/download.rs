//! Fetching what a forge keeps elsewhere and hands out by a signed address, without our token.

use super::client::root;
use super::reach;
use crate::network::Trust;
use http::HeaderMap;
use std::time::Duration;
use url::Url;

/// How long one may take.
const TIME: Duration = Duration::from_secs(30);

/// The bytes at this address, no more than `most`. Only `https`, but for the server of the API itself, whose address the CI says.
///
/// # Errors
/// A sentence that says why not.
pub(super) async fn get(location: &str, api: &str, trust: &Trust, most: usize) -> Result<Vec<u8>, String> {
    let url = Url::parse(location).map_err(|error| format!("the forge gave no address: {error}"))?;
    let is_of_api = Url::parse(api).is_ok_and(|api| api.origin() == url.origin());
    if url.scheme() != "https" && !is_of_api {
        return Err("the forge gave an address that is not `https`".into());
    }
    let client = reach::client(HeaderMap::new(), trust).await?;
    let response = client.get(url).timeout(TIME).send().await.map_err(|error| root(&error))?;
    if !response.status().is_success() {
        return Err(format!("whoever keeps it answered {}", response.status()));
    }
    reach::body(response, "it", most).await
}

#[cfg(test)]
mod tests {
    use super::get;
    use crate::network::Trust;

    #[tokio::test]
    async fn only_the_api_itself_may_hand_out_what_anybody_on_the_way_can_change() {
        // Nobody listens at port 0: what is let through fails otherwise.
        let refusal = "the forge gave an address that is not `https`";
        for (api, location, is_let_through) in [
            ("http://127.0.0.1:0/api/v3", "http://127.0.0.1:0/file", true),
            ("https://127.0.0.1:0/api/v3", "https://localhost:0/file", true),
            ("https://127.0.0.1:0/api/v3", "http://127.0.0.1:0/file", false),
            ("http://127.0.0.1:0/api/v3", "http://localhost:0/file", false),
            ("no address", "http://127.0.0.1:0/file", false),
        ] {
            let why = get(location, api, &Trust::default(), 1).await.expect_err("nobody is there");
            assert_eq!(why != refusal, is_let_through, "{api} {location}: {why}");
        }
    }
}

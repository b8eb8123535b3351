//! A component behind an `https` URL.

use super::{FetchError, LARGEST, addresses, unconnected};
use crate::network::{Client, Limits, Route};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use std::time::Duration;
use url::Url;

/// The most redirects that are followed.
const REDIRECTS: usize = 3;
/// How long each wait may be.
const WAIT: Duration = Duration::from_secs(30);

/// What a URL leads to, over at most so many redirects.
pub(super) async fn fetch(url: &str, client: &Client) -> Result<Vec<u8>, FetchError> {
    let mut url = Url::parse(url).map_err(|error| FetchError::wrong(format!("its URL is none: {error}")))?;
    let named = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let mut redirects = 0;
    loop {
        let uri: Uri = url.as_str().parse().map_err(|_| FetchError::wrong("its URL is none"))?;
        let route = Route::of(&uri).map_err(|error| FetchError::wrong(error.to_string()))?;
        let limits =
            Limits { connect: WAIT, first_byte: WAIT, between_bytes: WAIT, body: u64::MAX, ..Limits::default() };
        let request = Request::get(uri).header(header::ACCEPT, "application/wasm, application/octet-stream, */*");
        let request = request.header(header::USER_AGENT, concat!("windlass/", env!("CARGO_PKG_VERSION")));
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| FetchError::wrong(error.to_string()))?;
        let addresses = addresses(&route.host, &named);
        let sent = client.send(request, &route, &addresses, limits).await;
        // The connection lives as long as its worker is kept.
        let (answer, _worker) = sent.map_err(|error| unconnected(&error, &route.host, redirects > 0))?;
        match answer.status() {
            StatusCode::OK => return body(answer, &route.host).await,
            status if status.is_redirection() && redirects == REDIRECTS => {
                return Err(FetchError::elsewhere(format!(
                    "it leads on after {REDIRECTS} redirects, which is the most ({})",
                    status.as_u16()
                )));
            }
            status if status.is_redirection() && answer.headers().contains_key(header::LOCATION) => {
                redirects += 1;
                url = next(&url, &answer)?;
            }
            status @ (StatusCode::NOT_FOUND | StatusCode::GONE) => {
                return Err(FetchError::Absent(format!("`{}` answered {status}", route.host)));
            }
            status if status.is_client_error() => {
                return Err(FetchError::wrong(format!("`{}` answered {status}", route.host)));
            }
            status => return Err(FetchError::unreached(format!("`{}` answered {status}", route.host))),
        }
    }
}

/// Where a redirect leads.
fn next<B>(from: &Url, answer: &Response<B>) -> Result<Url, FetchError> {
    let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let location = location.ok_or_else(|| FetchError::wrong("it leads to a place that cannot be read"))?;
    let to = from.join(location);
    let to =
        to.map_err(|_| FetchError::wrong(format!("it leads to `{}`, which is no URL", location.escape_debug())))?;
    if to.scheme() != "https" {
        return Err(FetchError::elsewhere(format!("it leads to `{to}`, and only `https` is followed")));
    }
    Ok(to)
}

/// The whole body, no more of it than there may be.
async fn body<B>(answer: Response<B>, host: &str) -> Result<Vec<u8>, FetchError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    let size = answer.headers().get(header::CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.parse().ok());
    if let Some(size) = size.filter(|size| *size > LARGEST) {
        return Err(FetchError::TooLarge(Some(size)));
    }
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            FetchError::unreached(format!("`{host}` closed the connection before all of it was here: {error:?}"))
        })?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() as u64 > LARGEST {
            return Err(FetchError::TooLarge(None));
        }
    }
    Ok(bytes)
}

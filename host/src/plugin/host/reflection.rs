//! Answers that hold what the host put into the request: a server that shows a request's headers, for instance. A secret
//! does not come into a plugin that way either.

use crate::secret::{Redactor, StreamRedactor};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use wasmtime_wasi_http::{Error, WasiBody};

/// How an answer is coded, where a secret in it could not be found for that.
pub(super) fn coding(headers: &HeaderMap) -> Option<String> {
    let coded = |name, plain: &'static str| {
        let values = headers.get_all(name).into_iter();
        let words = values.flat_map(|value| {
            String::from_utf8_lossy(value.as_bytes()).split(',').map(str::to_owned).collect::<Vec<_>>()
        });
        words.map(|word| word.trim().to_ascii_lowercase()).find(|word| !word.is_empty() && word != plain)
    };
    coded(header::CONTENT_ENCODING, "identity").or_else(|| coded(header::TRANSFER_ENCODING, "chunked"))
}

/// The answer without secrets, in its headers and in its body, which may become longer or shorter by that. `small` knows
/// the secrets in small letters, as the name of a header has them.
pub(super) fn clean(mut response: Response<WasiBody>, redactor: &Redactor, small: &Redactor) -> Response<WasiBody> {
    if redactor.is_empty() {
        return response;
    }
    clean_headers(response.headers_mut(), redactor, small);
    let (redactor, small) = (redactor.clone(), small.clone());
    response
        .map(|body| Clean { body, stream: redactor.stream(), redactor, small, left: None, over: false }.boxed_unsync())
}

/// A line whose name holds a secret is left out: what is left of it says nothing.
fn clean_headers(headers: &mut HeaderMap, redactor: &Redactor, small: &Redactor) {
    let holds = |name: &HeaderName| redactor.contains(name.as_str()) || small.contains(name.as_str());
    let telling: Vec<HeaderName> = headers.keys().filter(|name| holds(name)).cloned().collect();
    for name in telling {
        headers.remove(name);
    }
    for value in headers.values_mut() {
        clean_value(value, redactor);
    }
}

fn clean_value(value: &mut HeaderValue, redactor: &Redactor) {
    if redactor.contains_bytes(value.as_bytes()) {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        *value = HeaderValue::from_str(&redactor.redact(&text)).unwrap_or_else(|_| HeaderValue::from_static("***"));
    }
}

struct Clean {
    body: WasiBody,
    stream: StreamRedactor,
    redactor: Redactor,
    small: Redactor,
    /// Comes after what the stream still held.
    left: Option<Frame<Bytes>>,
    over: bool,
}

impl Body for Clean {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        loop {
            if let Some(frame) = this.left.take() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if this.over {
                return Poll::Ready(None);
            }
            let mut clean = Vec::new();
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.stream.push(&data, &mut |bytes| clean.extend_from_slice(bytes)),
                    Err(mut trailers) => {
                        this.stream.finish(&mut |bytes| clean.extend_from_slice(bytes));
                        if let Some(trailers) = trailers.trailers_mut() {
                            clean_headers(trailers, &this.redactor, &this.small);
                        }
                        this.left = Some(trailers);
                    }
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    this.over = true;
                    this.stream.finish(&mut |bytes| clean.extend_from_slice(bytes));
                }
            }
            if !clean.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(clean.into()))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{clean, coding};
    use crate::secret::{Redactor, Secrets};
    use http_body_util::{BodyExt, StreamBody};
    use wasmtime_wasi_http::Error;

    #[tokio::test]
    async fn a_secret_does_not_come_back_in_headers_or_in_pieces_of_a_body() {
        let secrets = Secrets::from_environment(["TOKEN"], |_| Some("correct-horse".into()));
        let pieces = ["you sent Bearer correct", "-horse", ", thank you, correct-hor"];
        let frames = pieces.map(|piece| Ok::<_, Error>(http_body::Frame::data(bytes::Bytes::from(piece))));
        let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
        let response = http::Response::builder().header("location", "https://a/?t=correct-horse");
        let response = response.header("x-correct-horse", "a").body(body).expect("a response");
        let response = clean(response, &secrets.redactor(), &Redactor::none());
        assert_eq!(response.headers().len(), 1);
        assert_eq!(response.headers()["location"], "https://a/?t=***");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(body, "you sent Bearer ***, thank you, correct-hor");
    }

    #[tokio::test]
    async fn a_secret_does_not_come_back_in_the_name_of_a_header_or_in_trailers() {
        let read = |value: &'static str| Secrets::from_environment(["TOKEN"], move |_| Some(value.into()));
        let (secrets, small) = (read("Correct-Horse"), read("correct-horse"));
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-correct-horse", "yes".parse().expect("a value"));
        trailers.insert("x-sent", "Correct-Horse".parse().expect("a value"));
        let frames = [Ok::<_, Error>(http_body::Frame::trailers(trailers))];
        let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
        let response = http::Response::builder().header("correct-horse", "yes").body(body).expect("a response");
        let response = clean(response, &secrets.redactor(), &small.redactor());
        assert!(response.headers().is_empty());
        let trailers = response.into_body().collect().await.expect("a body").trailers().cloned().expect("trailers");
        assert_eq!(trailers.len(), 1);
        assert_eq!(trailers["x-sent"], "***");
    }

    #[test]
    fn a_coding_that_hides_a_secret_is_seen() {
        for (name, value, expected) in [
            ("content-encoding", "identity", None),
            ("content-encoding", "gzip", Some("gzip")),
            ("content-encoding", "Identity, BR", Some("br")),
            ("transfer-encoding", "chunked", None),
            ("transfer-encoding", "gzip, chunked", Some("gzip")),
            ("content-type", "gzip", None),
        ] {
            let mut headers = http::HeaderMap::new();
            headers.insert(name, value.parse().expect("a value"));
            assert_eq!(coding(&headers).as_deref(), expected, "{name}: {value}");
        }
    }
}

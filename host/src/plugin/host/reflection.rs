//! Answers that hold what the host put into the request: a server that shows a request's headers, for instance. A secret
//! does not come into a plugin that way either.

use crate::secret::{Redactor, StreamRedactor};
use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use wasmtime_wasi_http::{Error, WasiBody};

/// The answer without secrets, in its headers and in its body, which may become longer or shorter by that.
pub(super) fn clean(mut response: Response<WasiBody>, redactor: &Redactor) -> Response<WasiBody> {
    if redactor.is_empty() {
        return response;
    }
    for value in response.headers_mut().values_mut() {
        clean_value(value, redactor);
    }
    let redactor = redactor.clone();
    response.map(|body| Clean { body, stream: redactor.stream(), redactor, left: None, over: false }.boxed_unsync())
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
                            trailers.values_mut().for_each(|value| clean_value(value, &this.redactor));
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
    use super::clean;
    use crate::secret::Secrets;
    use http_body_util::{BodyExt, StreamBody};
    use wasmtime_wasi_http::Error;

    #[tokio::test]
    async fn a_secret_does_not_come_back_in_headers_or_in_pieces_of_a_body() {
        let secrets = Secrets::from_environment(["TOKEN"], |_| Some("correct-horse".into()));
        let pieces = ["you sent Bearer correct", "-horse", ", thank you, correct-hor"];
        let frames = pieces.map(|piece| Ok::<_, Error>(http_body::Frame::data(bytes::Bytes::from(piece))));
        let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
        let response = http::Response::builder().header("location", "https://a/?t=correct-horse").body(body);
        let response = clean(response.expect("a response"), &secrets.redactor());
        assert_eq!(response.headers()["location"], "https://a/?t=***");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(body, "you sent Bearer ***, thank you, correct-hor");
    }
}

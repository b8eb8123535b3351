//! The body of an answer, within bounds.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error as Guest;

/// A body that is given up where nothing comes for too long, where it has not ended in time however fast it comes, and
/// where it is too large.
pub(super) struct Bounded {
    body: Incoming,
    patience: Duration,
    late: Pin<Box<Sleep>>,
    /// Whether `late` counts.
    waiting: bool,
    end: Pin<Box<Sleep>>,
    most: u64,
    left: u64,
}

impl Bounded {
    pub(super) fn new(body: Incoming, patience: Duration, end: Instant, most: u64) -> Self {
        Self {
            body,
            patience,
            late: Box::pin(tokio::time::sleep(patience)),
            waiting: false,
            end: Box::pin(tokio::time::sleep_until(end)),
            most,
            left: most,
        }
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Guest;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Guest>>> {
        let this = &mut *self;
        if this.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(Guest::HttpResponseTimeout)));
        }
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = false;
                let size = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                match this.left.checked_sub(size) {
                    Some(left) => this.left = left,
                    None => return Poll::Ready(Some(Err(Guest::HttpResponseBodySize(Some(this.most))))),
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(end) => Poll::Ready(end.map(|broken_off| broken_off.map_err(broken))),
            // The time in which nobody asked does not count.
            Poll::Pending if !this.waiting => {
                this.waiting = true;
                this.late.as_mut().reset(Instant::now() + this.patience);
                this.late.as_mut().poll(context).map(|()| Some(Err(Guest::ConnectionReadTimeout)))
            }
            Poll::Pending => this.late.as_mut().poll(context).map(|()| Some(Err(Guest::ConnectionReadTimeout))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What a plugin is told of a body that broke off.
fn broken(error: hyper::Error) -> Guest {
    if error.is_parse() { Guest::HttpProtocolError } else { Guest::HttpResponseIncomplete }
}

//! The step's log: everything that a guest or its children write passes here, is redacted, and stops at a limit with a
//! line that says so.

use super::{Surroundings, locked};
use crate::event::Level;
use crate::process::Stream;
use crate::secret::{Redactor, StreamRedactor};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// The last of what children wrote that is kept for a message, in bytes.
const TAIL: usize = 4096;
/// The longest single message, in bytes.
const MESSAGE: usize = 64 << 10;

/// Who writes. Each has a standard output and a standard error of its own, and all children have the same ones: in the log, what
/// one of them writes stands right after what the one before it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    Guest,
    Child,
    /// A child whose output is the guest's, of which only the end is kept here, for a message.
    Captured,
}

/// The log of one call.
pub(super) struct Output {
    limit: u64,
    left: u64,
    cut: bool,
    surroundings: Option<Arc<dyn Surroundings>>,
    redactor: Redactor,
    /// Of what the guest prints, what its children write, and what is captured of that: what one says between two pieces of
    /// a secret must not keep them apart.
    streams: [[StreamRedactor; 2]; 3],
    tail: Vec<u8>,
    last_error: Option<String>,
}

impl Output {
    pub(super) fn new(limit: u64, surroundings: Option<Arc<dyn Surroundings>>, redactor: Redactor) -> Self {
        let streams = std::array::from_fn(|_| [redactor.stream(), redactor.stream()]);
        Self { limit, left: limit, cut: false, surroundings, redactor, streams, tail: Vec::new(), last_error: None }
    }

    /// What the guest says.
    pub(super) fn message(&mut self, level: Level, message: &str) {
        let text = self.redactor.redact_within(message, MESSAGE).into_owned();
        if level == Level::Error {
            self.last_error = Some(text.clone());
        }
        if self.take(text.len() as u64)
            && let Some(surroundings) = &self.surroundings
        {
            surroundings.log(level, &text);
        }
    }

    /// What a child or the guest writes, as it comes.
    pub(super) fn write(&mut self, writer: Writer, from: Stream, bytes: &[u8]) {
        let Self { streams, surroundings, tail, left, .. } = self;
        let stream = &mut streams[writer as usize][place(from)];
        if writer == Writer::Captured {
            stream.push(bytes, &mut |clean| keep_tail(tail, clean));
            return;
        }
        let mut over = false;
        stream.push(bytes, &mut |clean| over |= !pass(clean, left, tail, surroundings.as_ref()));
        if over {
            self.say_cut();
        }
    }

    /// The end of the call, and so of what the guest and its children write.
    pub(super) fn finish(&mut self) {
        let Self { streams, surroundings, tail, left, .. } = self;
        let [guest, children, _] = streams;
        let mut over = false;
        for stream in guest.iter_mut().chain(children) {
            stream.finish(&mut |clean| over |= !pass(clean, left, tail, surroundings.as_ref()));
        }
        if over {
            self.say_cut();
        }
    }

    /// The last lines that a child wrote, and forget them. What may be the beginning of a secret is not among them: the next
    /// child may write its end.
    pub(super) fn take_tail(&mut self) -> String {
        self.streams[Writer::Captured as usize].iter_mut().for_each(StreamRedactor::forget);
        let tail = std::mem::take(&mut self.tail);
        let text = String::from_utf8_lossy(&tail);
        // What was cut off in the middle of a line is left out.
        let text = if tail.len() >= TAIL { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
        text.trim_end().to_owned()
    }

    pub(super) fn take_last_error(&mut self) -> Option<String> {
        self.last_error.take()
    }

    fn take(&mut self, bytes: u64) -> bool {
        if self.left < bytes {
            self.left = 0;
            self.say_cut();
            return false;
        }
        self.left -= bytes;
        true
    }

    fn say_cut(&mut self) {
        if !std::mem::replace(&mut self.cut, true)
            && let Some(surroundings) = &self.surroundings
        {
            let limit = self.limit;
            let size = if limit >= 1 << 20 { format!("{} MiB", limit >> 20) } else { format!("{limit} bytes") };
            surroundings.log(
                Level::Warn,
                &format!("the log was cut after {size}; give the step a larger `output_limit` to see more"),
            );
        }
    }
}

/// Hands bytes on as far as the limit goes, and keeps the last of them. Whether all could be handed on.
fn pass(clean: &[u8], left: &mut u64, tail: &mut Vec<u8>, surroundings: Option<&Arc<dyn Surroundings>>) -> bool {
    keep_tail(tail, clean);
    let fits = usize::try_from(*left).unwrap_or(usize::MAX).min(clean.len());
    *left -= fits as u64;
    if fits > 0
        && let Some(surroundings) = surroundings
    {
        surroundings.write(&clean[..fits]);
    }
    fits == clean.len()
}

fn keep_tail(tail: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[bytes.len().saturating_sub(TAIL)..];
    let over = (tail.len() + bytes.len()).saturating_sub(TAIL);
    tail.drain(..over.min(tail.len()));
    tail.extend_from_slice(bytes);
}

const fn place(from: Stream) -> usize {
    match from {
        Stream::Out => 0,
        Stream::Error => 1,
    }
}

/// The guest's standard output or standard error.
#[derive(Clone)]
pub(super) struct GuestStream(pub(super) Arc<Mutex<Output>>, pub(super) Stream);

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for GuestStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        locked(&self.0).write(Writer::Guest, self.1, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

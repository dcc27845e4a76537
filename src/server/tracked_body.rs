//! The body of an HTTP/2 response, with a count of the bytes that were written. The count tells a client that reads
//! slowly from one that does not read. With it, a response ends when it is written, and not when h2 has taken it.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::streams::RequestStream;
use crate::{error::Error, pipeline::TrackedResponse};

/// Responses up to this size are handed to h2 as a whole. For a longer response, h2 gets each chunk after all earlier
/// ones were written, so that at most one waits there, and an empty frame for the end. A stream whose end h2 already
/// has can no longer be reset. Short responses are not worth this: they fit in every window except a hostile one.
const MAX_SHORT_BODY: u64 = 16 * 1024;

/// The body of a response, with the stream of its request.
#[derive(Debug)]
pub(super) struct TrackedBody {
    response: TrackedResponse,
    stream: Rc<RequestStream>,
    is_short: bool,
    end: TrackedEnd,
}

/// The state of the end of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TrackedEnd {
    /// The end is sent with the last chunk, or has not arrived.
    Open,
    /// All of the body was handed over, and some of it is not written yet.
    Waiting,
    Reached,
}

/// A chunk of the body.
#[derive(Debug)]
pub(super) struct TrackedChunk {
    bytes: Bytes,
    stream: Rc<RequestStream>,
}

// === impl TrackedBody ===

impl TrackedBody {
    pub(super) fn new(response: TrackedResponse, stream: Rc<RequestStream>) -> Self {
        stream.on_answer();
        let is_short = response.size_hint().upper().is_some_and(|size| size <= MAX_SHORT_BODY);
        Self { response, stream, is_short, end: TrackedEnd::Open }
    }

    /// Releases the memory of the request head, because the client did not read the whole response at once.
    pub(super) fn release_request_head(&mut self) {
        self.response.release_request_head();
    }

    /// A chunk without bytes, which carries the end of the stream.
    pub(super) fn nothing(&self) -> TrackedChunk {
        TrackedChunk::new(Bytes::new(), &self.stream)
    }
}

impl Body for TrackedBody {
    type Data = TrackedChunk;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<TrackedChunk>, Error>>> {
        let this = self.get_mut();
        if !this.is_short {
            ready!(this.stream.poll_sent(cx))?;
        }
        if this.end == TrackedEnd::Waiting {
            this.end = TrackedEnd::Reached;
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut this.response).poll_frame(cx));
        if !this.is_short && this.response.is_end_stream() {
            this.end = TrackedEnd::Waiting;
        }
        Poll::Ready(
            frame.map(|frame| Ok(frame?.map_data(|data| TrackedChunk::new(data, &this.stream)))),
        )
    }

    fn is_end_stream(&self) -> bool {
        match self.end {
            TrackedEnd::Open => self.response.is_end_stream(),
            TrackedEnd::Waiting => false,
            TrackedEnd::Reached => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.response.size_hint()
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        if self.end == TrackedEnd::Waiting {
            self.response.client_disconnected();
        }
    }
}

// === impl TrackedChunk ===

impl TrackedChunk {
    fn new(bytes: Bytes, stream: &Rc<RequestStream>) -> Self {
        if !bytes.is_empty() {
            stream.on_queued(bytes.len());
        }
        Self { bytes, stream: Rc::clone(stream) }
    }
}

impl Buf for TrackedChunk {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.stream.on_sent(count);
        self.stream.on_frame_written();
    }
}

impl Drop for TrackedChunk {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.stream.on_sent(self.bytes.len());
        }
    }
}

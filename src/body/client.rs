//! The body of a request as the client's protocol gives it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// A body that comes from a client.
#[derive(Debug)]
pub enum ClientBody {
    Empty,
    Http1(Incoming),
    Http2(StreamBody),
}

/// The body of one stream of HTTP/2. The client may send more of it as its bytes are taken.
#[derive(Debug)]
pub struct StreamBody {
    stream: RecvStream,
    /// Bytes that are to come, if the client has said how many.
    left: Option<u64>,
}

// === impl ClientBody ===

impl Body for ClientBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Http1(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
            }
            Self::Http2(body) => {
                let data = ready!(body.poll_data(cx));
                Poll::Ready(data.map(|data| data.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) if body.stream.is_end_stream() => SizeHint::with_exact(0),
            Self::Http2(body) => body.left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

// === impl StreamBody ===

impl StreamBody {
    /// `length` is what the client says of it.
    pub fn new(stream: RecvStream, length: Option<u64>) -> Self {
        Self { stream, left: length }
    }

    /// More bytes; none are the end. Trailers are not passed on, so nobody waits for them.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let Some(data) = ready!(self.stream.poll_data(cx)) else {
            // The end was not told by the data: trailers follow, which may be refused.
            let trailers = ready!(self.stream.poll_trailers(cx));
            return Poll::Ready(trailers.err().map(|error| Err(io::Error::other(error))));
        };
        let data = data.map_err(io::Error::other)?;
        self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
        // Fails only if more is released than came.
        let _ = self.stream.flow_control().release_capacity(data.len());
        Poll::Ready(Some(Ok(data)))
    }
}

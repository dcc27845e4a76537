//! The body of a response while it is compressed. What the application has written is never held back until a block is
//! full: whenever it pauses, all of it goes on to the client.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};

use super::encoding::Encoding;
use crate::{body::Body, compression::After, error::Error, telemetry::WorkerMetrics};

/// A body on its way through an encoder.
pub(super) struct EncodedBody {
    text: Body,
    /// What was read of the text and is not encoded.
    piece: Bytes,
    /// `None` after the end.
    encoding: Option<Box<Encoding>>,
    metrics: Arc<WorkerMetrics>,
    /// Whether the encoder holds back bytes.
    holds_back: bool,
    trailers: Option<Frame<Bytes>>,
}

/// Longer pieces are encoded in several steps, between which other connections have their turn.
const MAX_STEP: usize = 64 * 1024;

// === impl EncodedBody ===

impl EncodedBody {
    pub(super) fn new(text: Body, encoding: Box<Encoding>, metrics: Arc<WorkerMetrics>) -> Self {
        Self {
            text,
            piece: Bytes::new(),
            encoding: Some(encoding),
            metrics,
            holds_back: false,
            trailers: None,
        }
    }

    /// Encodes a piece. Returns what is ready.
    fn encode(&mut self, piece: &[u8], after: After) -> Result<Bytes, Error> {
        let Some(encoding) = &mut self.encoding else { return Ok(Bytes::new()) };
        self.holds_back = after == After::More;
        let encoded = encoding.encode(piece, after, &self.metrics)?;
        if after == After::Finish
            && let Some(encoding) = self.encoding.take()
        {
            encoding.finish();
        }
        Ok(encoded)
    }

    /// Encodes until bytes are ready, the text pauses, or it ends.
    fn poll_encoded(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            if !self.piece.is_empty() {
                let piece = self.piece.split_to(self.piece.len().min(MAX_STEP));
                let encoded = self.encode(&piece, After::More)?;
                if !encoded.is_empty() {
                    return Poll::Ready(Some(Ok(encoded)));
                }
                continue;
            }
            if self.encoding.is_none() {
                return Poll::Ready(None);
            }
            match Pin::new(&mut self.text).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) => self.piece = piece,
                    Err(trailers) => self.trailers = Some(trailers),
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(Some(self.encode(b"", After::Finish))),
                Poll::Pending if self.holds_back => {
                    let encoded = self.encode(b"", After::Flush)?;
                    if !encoded.is_empty() {
                        return Poll::Ready(Some(Ok(encoded)));
                    }
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl HttpBody for EncodedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let encoded = match self.poll_encoded(cx) {
            Poll::Ready(Some(encoded)) => Some(encoded.map(Frame::data)),
            Poll::Ready(None) => self.trailers.take().map(Ok),
            Poll::Pending => return Poll::Pending,
        };
        Poll::Ready(encoded)
    }

    fn is_end_stream(&self) -> bool {
        self.encoding.is_none() && self.trailers.is_none()
    }
}

impl fmt::Debug for EncodedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedBody").field("text", &self.text).finish_non_exhaustive()
    }
}

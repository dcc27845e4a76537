//! The body of a response that is stored while it is sent. The task that stores it hands on each piece.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::error::{Error, FailureKind};

/// The client's end.
#[derive(Debug)]
pub(super) struct FetchedBody {
    pieces: mpsc::Receiver<Result<Frame<Bytes>, Error>>,
    /// The bytes that are still to come, if the length was announced.
    left: Option<u64>,
}

// === impl FetchedBody ===

impl FetchedBody {
    pub(super) fn new(
        pieces: mpsc::Receiver<Result<Frame<Bytes>, Error>>,
        length: Option<u64>,
    ) -> Self {
        Self { pieces, left: length }
    }
}

impl Body for FetchedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let piece = ready!(self.pieces.poll_recv(cx));
        if let (Some(Ok(frame)), Some(left)) = (&piece, &mut self.left) {
            *left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
        if piece.is_none() && self.left.is_some_and(|left| left > 0) {
            self.left = None;
            return Poll::Ready(Some(Err(Error::new(FailureKind::UpstreamClosed))));
        }
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

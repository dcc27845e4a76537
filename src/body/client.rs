//! The body of a request, as a server reads it from its client.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::error::Error;

/// A body that comes from a client. Each protocol has its own reader.
pub enum ClientBody {
    Empty,
    Reader(Pin<Box<dyn BodyReader>>),
}

/// A reader of a body from a client.
pub trait BodyReader: Body<Data = Bytes, Error = Error> {
    /// Reduces the size of single reads from now on, because memory is short.
    fn reduce_read_size(self: Pin<&mut Self>);
}

// === impl ClientBody ===

impl ClientBody {
    /// Reduces the size of single reads from now on.
    pub(super) fn reduce_read_size(&mut self) {
        if let Self::Reader(body) = self {
            body.as_mut().reduce_read_size();
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Reader(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Reader(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Reader(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for ClientBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Reader(_) => "Coming",
        })
    }
}

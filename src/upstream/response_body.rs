//! The body of a response, read while it is sent to the client. When it ends successfully, its connection returns to
//! the pool.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    connection::{SPARE_SPACE, UpstreamConnection},
    http1::{BodyLength, garbage},
    permit::RequestPermit,
    pool::ConnectionPool,
    upload::RequestUpload,
};
use crate::{
    error::{Error, FailureKind},
    rfc::chunked::{ChunkedDecoder, ChunkedStep},
};

/// The part of a response that is not read yet.
#[derive(Debug)]
pub(super) struct UpstreamBody {
    /// `None` after the body has ended.
    connection: Option<Box<UpstreamConnection>>,
    upload: RequestUpload,
    left: BodyRemainder,
    keep: bool,
    pool: Rc<ConnectionPool>,
    /// The permit of the request.
    permit: Option<RequestPermit>,
    pause: Duration,
    /// Whether bytes were read since the deadline was set.
    has_moved: bool,
}

#[derive(Debug)]
enum BodyRemainder {
    Exact(u64),
    /// Boxed, because few responses are chunked, and all are moved.
    Chunked(Box<ChunkedDecoder>),
    UntilClose,
}

// === impl UpstreamBody ===

impl UpstreamBody {
    pub(super) fn new(
        connection: Box<UpstreamConnection>,
        mut upload: RequestUpload,
        length: BodyLength,
        permit: RequestPermit,
        pause: Duration,
    ) -> Self {
        let left = match length {
            BodyLength::None => BodyRemainder::Exact(0),
            BodyLength::Exact(length) => BodyRemainder::Exact(length),
            BodyLength::Chunked => BodyRemainder::Chunked(Box::default()),
            BodyLength::UntilClose => BodyRemainder::UntilClose,
        };
        upload.forget();
        let connection = Some(connection);
        let (pool, permit) = (Rc::clone(permit.pool()), Some(permit));
        Self { connection, upload, left, keep: false, pool, permit, pause, has_moved: true }
    }

    /// Sets whether the connection may be reused after this body.
    pub(super) fn keep(mut self, keep: bool) -> Self {
        self.keep = keep;
        self
    }

    /// Releases the permit before the end. A stream may last for hours and would hold a permit that requests need.
    pub(super) fn release_permit(mut self) -> Self {
        self.permit = None;
        self
    }

    /// Reads all of a short body. The caller must know that it is at most a few buffers long.
    pub(super) async fn collect(mut self) -> Result<Bytes, Error> {
        let BodyRemainder::Exact(length) = self.left else { return Ok(Bytes::new()) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if let Some(connection) = &mut self.connection {
            let rest = length.saturating_sub(connection.input.len());
            if rest > 0 {
                connection.input.reserve(rest.saturating_add(SPARE_SPACE));
            }
        }
        std::future::poll_fn(|cx| {
            while self.connection.as_ref().is_some_and(|here| here.input.len() < length) {
                if ready!(self.poll_more(cx))? == 0 {
                    return Poll::Ready(Err(Error::new(FailureKind::UpstreamTruncated)));
                }
            }
            let bytes = match &mut self.connection {
                Some(connection) => connection.input.split_to(length).freeze(),
                None => Bytes::new(),
            };
            self.finish();
            Poll::Ready(Ok(bytes))
        })
        .await
    }

    /// Reads more bytes; 0 is the end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Error>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(0)) };
        // Checked here too, because a body with bytes always available never waits.
        if connection.is_over_total() {
            return Poll::Ready(Err(Error::new(FailureKind::UpstreamTotalTimeout)));
        }
        let mut moved = self.has_moved;
        self.upload.poll(connection, cx, &mut moved)?;
        let filled = match self.left {
            BodyRemainder::Exact(left) => connection.poll_fill_known(left, cx),
            BodyRemainder::Chunked(_) | BodyRemainder::UntilClose => connection.poll_fill(cx),
        };
        match filled {
            Poll::Ready(Ok(count)) => {
                self.has_moved = true;
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => {
                Poll::Ready(Err(Error::io(FailureKind::UpstreamTruncated, error)))
            }
            Poll::Pending => {
                self.has_moved = false;
                // The wait for a client that still sends its body does not count as a wait for the response.
                let late = connection.poll_timeout(self.pause, moved, cx);
                late.map(|late| Err(Error::new(late.kind())))
            }
        }
    }

    /// Returns the next chunk of the bytes that were read.
    fn next_piece(&mut self) -> Result<ChunkedStep, Error> {
        let Some(connection) = &mut self.connection else { return Ok(ChunkedStep::Done) };
        let input = &mut connection.input;
        match &mut self.left {
            BodyRemainder::Exact(0) => Ok(ChunkedStep::Done),
            BodyRemainder::Chunked(decoder) => {
                decoder.decode(input).map_err(|_| garbage("a chunk of its body is malformed"))
            }
            BodyRemainder::Exact(_) | BodyRemainder::UntilClose if input.is_empty() => {
                Ok(ChunkedStep::NeedMore)
            }
            BodyRemainder::Exact(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= here as u64;
                Ok(ChunkedStep::Data(input.split_to(here).freeze()))
            }
            BodyRemainder::UntilClose => Ok(ChunkedStep::Data(input.split().freeze())),
        }
    }

    /// Ends a body that failed. The connection is not reused.
    fn fail(&mut self) {
        self.connection = None;
        self.permit = None;
    }

    /// Ends a complete body, and returns the connection to the pool if possible.
    fn finish(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // If bytes follow the end, they belong to no request, and the connection is not reused.
        if self.keep && self.upload.is_finished() && connection.input.is_empty() {
            self.pool.put(connection);
        }
        // Released after the connection, so that the next permit holder finds the connection in the pool.
        self.permit = None;
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            match self.next_piece() {
                Ok(ChunkedStep::Data(data)) => {
                    if matches!(self.left, BodyRemainder::Exact(0)) {
                        self.finish();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(ChunkedStep::Trailers(fields)) => {
                    // The caller asks for nothing after trailers.
                    self.finish();
                    return Poll::Ready(Some(Ok(Frame::trailers(fields))));
                }
                Ok(ChunkedStep::Done) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Ok(ChunkedStep::NeedMore) => {}
                Err(error) => {
                    self.fail();
                    return Poll::Ready(Some(Err(error)));
                }
            }
            match ready!(self.poll_more(cx)) {
                Ok(0) if matches!(self.left, BodyRemainder::UntilClose) => {
                    self.fail();
                    return Poll::Ready(None);
                }
                Ok(0) => {
                    self.fail();
                    return Poll::Ready(Some(Err(Error::new(FailureKind::UpstreamTruncated))));
                }
                Ok(_) => {}
                Err(error) => {
                    self.fail();
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_none() || matches!(self.left, BodyRemainder::Exact(0))
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            BodyRemainder::Exact(left) => SizeHint::with_exact(left),
            BodyRemainder::Chunked(_) | BodyRemainder::UntilClose => SizeHint::default(),
        }
    }
}

//! The body of a reply, read while it is sent to the client. When it ends well, its connection
//! goes back to the pool.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    connection::{BEYOND, Connection},
    http1::{BodyLength, garbage},
    permit::Permit,
    pool::Pool,
    upload::Upload,
};
use crate::{
    error::{Error, Kind},
    rfc::chunked::{Decoder, Step},
};

/// What is left of a reply.
#[derive(Debug)]
pub(super) struct ReplyBody {
    /// `None` once the body has ended.
    connection: Option<Box<Connection>>,
    upload: Upload,
    left: Left,
    keep: bool,
    pool: Rc<Pool>,
    /// Its place at the application.
    permit: Option<Permit>,
    pause: Duration,
    /// Whether something was read since the deadline was set.
    has_moved: bool,
}

#[derive(Debug)]
enum Left {
    Exact(u64),
    /// Boxed: few replies are, and all are moved.
    Chunked(Box<Decoder>),
    UntilClose,
}

// === impl ReplyBody ===

impl ReplyBody {
    pub(super) fn new(
        connection: Box<Connection>,
        mut upload: Upload,
        length: BodyLength,
        permit: Permit,
        pause: Duration,
    ) -> Self {
        let left = match length {
            BodyLength::None => Left::Exact(0),
            BodyLength::Exact(length) => Left::Exact(length),
            BodyLength::Chunked => Left::Chunked(Box::default()),
            BodyLength::UntilClose => Left::UntilClose,
        };
        upload.forget();
        let connection = Some(connection);
        let (pool, permit) = (Rc::clone(permit.pool()), Some(permit));
        Self { connection, upload, left, keep: false, pool, permit, pause, has_moved: true }
    }

    /// Lets the connection be used again after this body.
    pub(super) fn keep(mut self, keep: bool) -> Self {
        self.keep = keep;
        self
    }

    /// Gives the place at the application back before the end: a stream may go on for hours, and would
    /// take the places of requests that end.
    pub(super) fn without_place(mut self) -> Self {
        self.permit = None;
        self
    }

    /// Reads all of a short body; it is known to be at most a few buffers long.
    pub(super) async fn collect(mut self) -> Result<Bytes, Error> {
        let Left::Exact(length) = self.left else { return Ok(Bytes::new()) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if let Some(connection) = &mut self.connection {
            let rest = length.saturating_sub(connection.input.len());
            if rest > 0 {
                connection.input.reserve(rest.saturating_add(BEYOND));
            }
        }
        std::future::poll_fn(|cx| {
            while self.connection.as_ref().is_some_and(|here| here.input.len() < length) {
                if ready!(self.poll_more(cx))? == 0 {
                    return Poll::Ready(Err(Error::new(Kind::UpstreamTruncated)));
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

    /// Reads more; 0 is the end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Error>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(0)) };
        // Also where there is always something to read, and nothing is ever waited for.
        if connection.is_over_total() {
            return Poll::Ready(Err(Error::new(Kind::UpstreamTotalTimeout)));
        }
        let mut moved = self.has_moved;
        self.upload.poll(connection, cx, &mut moved)?;
        let filled = match self.left {
            Left::Exact(left) => connection.poll_fill_known(left, cx),
            Left::Chunked(_) | Left::UntilClose => connection.poll_fill(cx),
        };
        match filled {
            Poll::Ready(Ok(count)) => {
                self.has_moved = true;
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Error::io(Kind::UpstreamTruncated, error))),
            Poll::Pending => {
                self.has_moved = false;
                // A client that still sends its body is not what the reply waits for.
                let late = connection.poll_late(self.pause, moved, cx);
                late.map(|late| Err(Error::new(late.kind())))
            }
        }
    }

    /// The next piece of what was read already.
    fn next_piece(&mut self) -> Result<Step, Error> {
        let Some(connection) = &mut self.connection else { return Ok(Step::Done) };
        let input = &mut connection.input;
        match &mut self.left {
            Left::Exact(0) => Ok(Step::Done),
            Left::Chunked(decoder) => {
                decoder.decode(input).map_err(|_| garbage("a chunk of its body is malformed"))
            }
            Left::Exact(_) | Left::UntilClose if input.is_empty() => Ok(Step::NeedMore),
            Left::Exact(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= here as u64;
                Ok(Step::Data(input.split_to(here).freeze()))
            }
            Left::UntilClose => Ok(Step::Data(input.split().freeze())),
        }
    }

    /// There is no more to come, and the connection is of no use.
    fn give_up(&mut self) {
        self.connection = None;
        self.permit = None;
    }

    /// The body is complete: keeps the connection if nothing speaks against it.
    fn finish(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // Bytes beyond the end belong to no request of ours (DESIGN, Parsing).
        if self.keep && self.upload.is_finished() && connection.input.is_empty() {
            self.pool.put(connection);
        }
        // Whoever gets the place next finds the connection.
        self.permit = None;
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            match self.next_piece() {
                Ok(Step::Data(data)) => {
                    if matches!(self.left, Left::Exact(0)) {
                        self.finish();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(Step::Trailers(fields)) => {
                    // Nobody asks for more after them.
                    self.finish();
                    return Poll::Ready(Some(Ok(Frame::trailers(fields))));
                }
                Ok(Step::Done) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Ok(Step::NeedMore) => {}
                Err(error) => {
                    self.give_up();
                    return Poll::Ready(Some(Err(error)));
                }
            }
            match ready!(self.poll_more(cx)) {
                Ok(0) if matches!(self.left, Left::UntilClose) => {
                    self.give_up();
                    return Poll::Ready(None);
                }
                Ok(0) => {
                    self.give_up();
                    return Poll::Ready(Some(Err(Error::new(Kind::UpstreamTruncated))));
                }
                Ok(_) => {}
                Err(error) => {
                    self.give_up();
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_none() || matches!(self.left, Left::Exact(0))
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Left::Exact(left) => SizeHint::with_exact(left),
            Left::Chunked(_) | Left::UntilClose => SizeHint::default(),
        }
    }
}

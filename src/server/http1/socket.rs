//! A client's socket under HTTP/1.1: unread input, pending output, and the state of the body that is being read. The
//! connection loop and the body of its request share it. Each borrows it only within a poll.

use std::{
    io::{self, IoSlice},
    mem::{self, MaybeUninit},
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};

use crate::{
    error::{Error, FailureKind},
    rfc::{
        request_chunks::{RequestChunkDecoder, RequestChunkStep},
        request_head::BodyFraming,
    },
    server::counted_stream::CountedStream,
};

/// Bytes read at a time while a head is expected, with a short body behind it. The buffer is on the stack, so an idle
/// connection holds none.
const HEAD_READ_SIZE: usize = 16 * 1024;
/// Bytes of a body read at a time. `body/collected.rs` keeps large reads without a copy.
const BODY_READ_SIZE: usize = 64 * 1024;

/// Small chunks are gathered up to this size before they are written. The kernel takes as much at once.
pub(super) const MAX_GATHERED: usize = 64 * 1024;

/// If at least this many bytes follow a head in the same buffer, the head is copied out of it.
const MIN_COPIED_REST: usize = 4 * 1024;

/// Chunks of an unwanted body that are discarded in one poll.
const MAX_DISCARDED_CHUNKS: usize = 16;

/// Sent to a client that waits for it before it sends its body (RFC 9110, 10.1.1), and to one that may have
/// disconnected (`departure.rs`).
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[derive(Debug)]
pub(super) struct ClientSocket {
    pub(super) stream: CountedStream,
    /// Bytes that were read and not used yet.
    pub(super) input: BytesMut,
    /// Bytes to write before anything else: interim responses and the head of a response.
    pub(super) output: BytesMut,
    /// Whether the client has closed its side.
    pub(super) has_ended: bool,
    /// The body of the current request.
    body: IncomingBody,
    /// Bytes of the body to read at a time.
    piece: usize,
    /// Whether a reader still holds the body.
    pub(super) is_body_held: bool,
    /// The number of the current request on this connection.
    number: u64,
    /// Whether interim responses may be sent: the client supports them and the final response has not begun.
    pub(super) takes_interim: bool,
    /// The task of the connection loop.
    task: Option<Waker>,
}

/// How much of a request's body is still missing.
#[derive(Debug)]
enum IncomingBody {
    /// Nothing.
    Complete,
    /// This many bytes.
    Length(u64),
    Chunked(RequestChunkDecoder),
    /// The body was truncated or its coding is malformed, so its end is unknown.
    Broken,
}

// === impl ClientSocket ===

impl ClientSocket {
    pub(super) fn new(stream: CountedStream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            has_ended: false,
            body: IncomingBody::Complete,
            piece: BODY_READ_SIZE,
            is_body_held: false,
            number: 0,
            takes_interim: false,
            task: None,
        }
    }

    /// Sets the waker to notify when the body is complete or no longer wanted.
    pub(super) fn set_task(&mut self, waker: &Waker) {
        self.task = Some(waker.clone());
    }

    /// Begins the next request with its body. Returns its number.
    pub(super) fn begin_request(&mut self, framing: BodyFraming, takes_interim: bool) -> u64 {
        self.body = match framing {
            BodyFraming::Length(0) => IncomingBody::Complete,
            BodyFraming::Length(length) => IncomingBody::Length(length),
            BodyFraming::Chunked => IncomingBody::Chunked(RequestChunkDecoder::default()),
        };
        self.piece = BODY_READ_SIZE;
        self.is_body_held = !self.is_body_complete();
        self.takes_interim = takes_interim;
        self.number += 1;
        self.number
    }

    /// The number of requests so far, which is also the number of the last one.
    pub(super) fn requests(&self) -> u64 {
        self.number
    }

    /// Whether all of the body was read, so that the next bytes belong to the next request.
    pub(super) fn is_body_complete(&self) -> bool {
        matches!(self.body, IncomingBody::Complete)
    }

    /// The number of bytes that are missing from the body, if known.
    pub(super) fn body_left(&self) -> Option<u64> {
        match self.body {
            IncomingBody::Complete => Some(0),
            IncomingBody::Length(left) => Some(left),
            IncomingBody::Chunked(_) | IncomingBody::Broken => None,
        }
    }

    /// Reads less of the body at a time from now on.
    pub(super) fn reduce_read_size(&mut self) {
        self.piece = HEAD_READ_SIZE;
    }

    /// Records that nobody reads the body any more.
    pub(super) fn abandon_body(&mut self) {
        self.is_body_held = false;
        self.wake();
    }

    /// Reads more bytes into the input. Returns 0 at the end of the client's side.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; HEAD_READ_SIZE];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let come = buffer.filled();
        self.input.extend_from_slice(come);
        self.has_ended |= come.is_empty();
        Poll::Ready(Ok(come.len()))
    }

    /// Takes the first `length` bytes of the input.
    pub(super) fn take_input(&mut self, length: usize) -> Bytes {
        self.take_head(length).freeze()
    }

    /// Like [`take_input`](Self::take_input), but mutable.
    pub(super) fn take_head(&mut self, length: usize) -> BytesMut {
        if length == self.input.len() {
            // Nothing is left, so no memory is kept.
            return mem::take(&mut self.input);
        }
        if self.input.len() - length >= MIN_COPIED_REST {
            // The head may be held until the body is complete. Copy it, so that it does not keep the first chunk of the
            // body in memory.
            let head = BytesMut::from(self.input.get(..length).unwrap_or_default());
            self.input.advance(length);
            return head;
        }
        self.input.split_to(length)
    }

    /// Reads more of the request's body. `None` is its end.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let polled = loop {
            let step = match &mut self.body {
                IncomingBody::Complete => return Poll::Ready(None),
                IncomingBody::Broken => {
                    break Poll::Ready(Some(Err(Error::new(FailureKind::ClientBody))));
                }
                IncomingBody::Length(left) => {
                    let max = usize::try_from(*left).unwrap_or(usize::MAX);
                    let piece = if self.input.is_empty() {
                        match ready!(poll_piece(&mut self.stream, max.min(self.piece), cx)) {
                            Ok(piece) if !piece.is_empty() => piece,
                            result => break Poll::Ready(Some(Err(self.break_body(result.err())))),
                        }
                    } else {
                        self.take_input(max.min(self.input.len()))
                    };
                    // Borrowed again, because taking from the input needs all of `self`.
                    if let IncomingBody::Length(left) = &mut self.body {
                        *left -= piece.len() as u64;
                        if *left == 0 {
                            self.body = IncomingBody::Complete;
                        }
                    }
                    break Poll::Ready(Some(Ok(piece)));
                }
                IncomingBody::Chunked(_) if self.input.is_empty() => {
                    match ready!(poll_piece(&mut self.stream, self.piece, cx)) {
                        Ok(piece) if !piece.is_empty() => {
                            self.input = BytesMut::from(piece);
                            continue;
                        }
                        result => break Poll::Ready(Some(Err(self.break_body(result.err())))),
                    }
                }
                IncomingBody::Chunked(decoder) => decoder.decode(&self.input),
            };
            match step {
                RequestChunkStep::Data { skip, length } => {
                    self.input.advance(skip);
                    break Poll::Ready(Some(Ok(self.take_input(length))));
                }
                RequestChunkStep::More => self.input = BytesMut::new(),
                RequestChunkStep::End(length) => {
                    drop(self.take_input(length));
                    self.body = IncomingBody::Complete;
                    break Poll::Ready(None);
                }
                RequestChunkStep::Malformed(_) => {
                    self.body = IncomingBody::Broken;
                    let cause =
                        io::Error::new(io::ErrorKind::InvalidData, "malformed chunked body");
                    break Poll::Ready(Some(Err(Error::io(FailureKind::ClientBody, cause))));
                }
            }
        };
        if self.is_body_complete() {
            self.wake_another(cx);
        }
        polled
    }

    /// Reads the available bytes of an unwanted body and discards them. A client may not read the response until it has
    /// sent everything.
    pub(super) fn discard_abandoned_body(&mut self, cx: &mut Context<'_>) {
        for _ in 0..MAX_DISCARDED_CHUNKS {
            if self.is_body_held || self.is_body_complete() {
                return;
            }
            match self.poll_body(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) | Poll::Pending => return,
            }
        }
        // More is available, but other tasks of this worker run first.
        cx.waker().wake_by_ref();
    }

    /// Handles a client that closed its side or the connection within a body.
    fn break_body(&mut self, error: Option<io::Error>) -> Error {
        self.body = IncomingBody::Broken;
        self.has_ended = true;
        let cause = error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
        Error::io(FailureKind::ClientBody, cause)
    }

    /// Sends `100 Continue` to a client that waits for it.
    pub(super) fn ask_for_body(&mut self, cx: &mut Context<'_>) {
        if self.takes_interim && self.input.is_empty() && !self.is_body_complete() {
            self.output.extend_from_slice(CONTINUE);
            // The loop writes what cannot be written now, and sees the errors.
            let _ = self.poll_write(cx, &[], &[]);
            self.wake_another(cx);
        }
    }

    /// Writes some of the output, then of `data`, then of `tail`. Returns how many bytes of `data` and `tail` were
    /// written. With TLS, some of them may still wait in this process.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        tail: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let written = if data.is_empty() && tail.is_empty() {
            ready!(stream.poll_write(cx, &self.output))?
        } else {
            let slices = [IoSlice::new(&self.output), IoSlice::new(data), IoSlice::new(tail)];
            let first = usize::from(self.output.is_empty());
            ready!(stream.poll_write_vectored(cx, slices.get(first..).unwrap_or_default()))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        Poll::Ready(Ok(written - self.advance_output(written)))
    }

    /// Removes written bytes from the output. Returns how many of them were output.
    pub(super) fn advance_output(&mut self, written: usize) -> usize {
        let of_output = written.min(self.output.len());
        if of_output == self.output.len() {
            self.output = BytesMut::new();
        } else {
            self.output.advance(of_output);
        }
        of_output
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }

    /// Wakes the connection loop, unless it is the current task.
    fn wake_another(&self, cx: &Context<'_>) {
        if let Some(task) = &self.task
            && !task.will_wake(cx.waker())
        {
            task.wake_by_ref();
        }
    }
}

/// Reads up to `max` bytes into memory that is no larger than necessary. Otherwise a client that sends a few bytes at
/// a time would hold too much. An empty result is the end.
fn poll_piece(
    stream: &mut CountedStream,
    max: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Bytes>> {
    if max <= HEAD_READ_SIZE {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; HEAD_READ_SIZE];
        let mut buffer = ReadBuf::uninit(space.get_mut(..max).unwrap_or_default());
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        return Poll::Ready(Ok(Bytes::copy_from_slice(buffer.filled())));
    }
    let mut memory = BytesMut::with_capacity(max);
    let come = {
        let mut space = (&mut memory).limit(max);
        ready!(pin!(stream.read_buf(&mut space)).poll(cx))?
    };
    Poll::Ready(Ok(if come < max / 2 { Bytes::copy_from_slice(&memory) } else { memory.freeze() }))
}

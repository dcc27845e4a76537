//! Filters the bytes between a client's socket and h2, as the head scanner does for HTTP/1.1. Each HTTP/2 header block
//! is decoded here by a decoder of our own, and checked by the rules that hold for HTTP/1. h2 gets the frames as they
//! arrived, but each request head is replaced by one of three bytes that is always valid. The request itself is passed
//! to the caller that accepts the stream.
//!
//! A malformed request therefore ends only its own stream (RFC 9113, 8.1.1) and is answered, logged and counted. h2's
//! decoder would end the connection. The limits of a head are checked before any of it is stored. Fields that a client
//! refers to are shared, not copied.
//!
//! One head passes at a time. h2 gets no more bytes until its stream was accepted, or h2 was seen to read on without a
//! stream. So at most one head waits here, and none is mistaken for another.

mod frame;
mod open;

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Instant,
};

use h2::Reason;
use tokio::io::{AsyncRead, ReadBuf};

use self::{
    frame::{CONTINUATION, END_STREAM, FrameHeader, HEADER_SIZE, HEADERS},
    open::{BlockKind, OpenHead},
};
use super::{frame_budget::FrameBudget, refusal::refusal};
use crate::{
    error::FailureKind,
    pipeline::RequestRefusal,
    rfc::{
        hpack::HpackDecoder,
        request_head::{HeadLimits, Http2Head},
    },
    telemetry::FloodLabel,
};

/// The bytes that an HTTP/2 client begins with (RFC 9113, 3.4). They are not a request in any version of HTTP/1.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest frame that may arrive: the default of `SETTINGS_MAX_FRAME_SIZE`.
const MAX_FRAME: usize = 16_384;
/// Concurrent requests on one connection.
pub(super) const MAX_STREAMS: usize = 128;
/// Frames of one head beyond those that its size requires.
const SPARE_FRAMES: usize = 16;
/// The buffer capacity that is kept for the next head.
const MAX_KEPT_BUFFER: usize = 1024;

/// The incoming bytes of one connection.
#[derive(Debug)]
pub(super) struct HeadFilter(RefCell<FilterState>);

/// A request whose stream was passed to h2.
#[derive(Debug)]
pub(super) struct FilteredRequest {
    pub(super) stream: u32,
    pub(super) head: Http2Head,
    /// Why the request is refused.
    pub(super) refusal: Option<RequestRefusal>,
}

#[derive(Debug)]
struct FilterState {
    limits: HeadLimits,
    /// The budget for frames that advance no request.
    budget: Rc<FrameBudget>,
    /// The most frames that one head may have.
    frames: usize,
    decoder: HpackDecoder,
    /// The incomplete header of a frame, or an incomplete frame with a part of a head.
    held: Vec<u8>,
    /// The next bytes for h2; the following field is how many of them h2 has already read.
    output: Vec<u8>,
    given: usize,
    /// Bytes of a frame, or of the preface, that are passed on unchanged.
    left: usize,
    open: Option<OpenHead>,
    /// The highest stream number so far.
    last: u32,
    arrived: Option<FilteredRequest>,
    /// Whether h2 has read on behind the last head.
    has_read_on: bool,
    /// Streams whose trailers are refused.
    refused_trailers: Vec<(u32, FailureKind)>,
    /// Why the connection must end.
    fatal: Option<Reason>,
    /// Since when a frame header or a head is incomplete.
    since: Option<Instant>,
    /// The number of reads with data.
    reads: u64,
}

// === impl HeadFilter ===

impl HeadFilter {
    /// Creates a filter that waits for the preface.
    pub(super) fn new(limits: HeadLimits, budget: Rc<FrameBudget>) -> Self {
        Self(RefCell::new(FilterState {
            limits,
            budget,
            frames: SPARE_FRAMES + 2 * limits.head / MAX_FRAME,
            decoder: HpackDecoder::default(),
            held: Vec::new(),
            output: Vec::new(),
            given: 0,
            left: PREFACE.len(),
            open: None,
            last: 0,
            arrived: None,
            has_read_on: false,
            refused_trailers: Vec::new(),
            fatal: None,
            since: None,
            reads: 0,
        }))
    }

    /// Reads bytes for h2.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        mut io: Pin<&mut impl AsyncRead>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.borrow_mut();
        loop {
            if state.give(buffer) {
                return Poll::Ready(Ok(()));
            }
            if state.arrived.is_some() {
                // The caller that accepts streams polls h2 again at once.
                state.has_read_on = true;
                return Poll::Pending;
            }
            if state.fatal.is_some() {
                return Poll::Pending;
            }
            // What was held may also complete a request, or a frame that ends the connection.
            if state.advance() || state.arrived.is_some() || state.fatal.is_some() {
                continue;
            }
            let before = buffer.filled().len();
            ready!(io.as_mut().poll_read(cx, buffer))?;
            let come = buffer.filled().len() - before;
            if come == 0 {
                return Poll::Ready(Ok(()));
            }
            state.reads += 1;
            let passed = state.admit(buffer.filled().get(before..).unwrap_or_default());
            buffer.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Takes the request of an accepted stream.
    pub(super) fn take(&self, stream: u32) -> Option<FilteredRequest> {
        let mut state = self.0.borrow_mut();
        state.has_read_on = false;
        state.arrived.take().filter(|arrived| arrived.stream == stream)
    }

    /// Drops a request whose stream h2 has refused, once that is certain. Returns whether there was one.
    pub(super) fn forget_refused(&self) -> bool {
        let mut state = self.0.borrow_mut();
        let is_refused = std::mem::take(&mut state.has_read_on);
        if is_refused {
            state.arrived = None;
        }
        is_refused
    }

    /// Takes a stream whose trailers were refused. h2 ends it.
    pub(super) fn take_refused_trailers(&self) -> Option<(u32, FailureKind)> {
        self.0.borrow_mut().refused_trailers.pop()
    }

    /// Why the connection must end, if the bytes are not valid HTTP/2.
    pub(super) fn fatal(&self) -> Option<Reason> {
        self.0.borrow().fatal
    }

    /// The kind of flood, if that is why the connection must end.
    pub(super) fn flood(&self) -> Option<FloodLabel> {
        let state = self.0.borrow();
        state.fatal.filter(|reason| *reason == Reason::ENHANCE_YOUR_CALM).map(|_| {
            let is_exceeded = state.budget.is_exceeded();
            if is_exceeded { FloodLabel::ControlFrames } else { FloodLabel::HeadFrames }
        })
    }

    /// Since when the last head is incomplete, if it is.
    pub(super) fn since(&self) -> Option<Instant> {
        self.0.borrow().since
    }

    /// The number of reads with data.
    pub(super) fn reads(&self) -> u64 {
        self.0.borrow().reads
    }
}

// === impl FilterState ===

impl FilterState {
    /// Copies available bytes to h2. Returns `false` if there are none.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let rest = self.output.get(self.given..).unwrap_or_default();
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..count).unwrap_or_default());
        self.given += count;
        if self.given == self.output.len() {
            clear(&mut self.output);
            self.given = 0;
        }
        count > 0
    }

    /// Scans arrived bytes. Returns how many of them h2 may get unchanged.
    fn admit(&mut self, bytes: &[u8]) -> usize {
        let passed = if self.held.is_empty() { self.pass(bytes) } else { 0 };
        self.held.extend_from_slice(bytes.get(passed..).unwrap_or_default());
        if passed == bytes.len() {
            self.since = None;
        } else {
            self.advance();
        }
        passed
    }

    /// Returns how many of the first bytes belong to frames that pass unchanged.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let skipped = self.left.min(bytes.len() - at);
            self.left -= skipped;
            at += skipped;
            let Some(header) = FrameHeader::read(bytes.get(at..).unwrap_or_default()) else {
                return at;
            };
            if self.open.is_some() || matches!(header.kind, HEADERS | CONTINUATION) {
                return at;
            }
            if header.is_control() && !self.budget.take() {
                self.fatal = Some(Reason::ENHANCE_YOUR_CALM);
                return at;
            }
            self.left = HEADER_SIZE + header.length;
        }
    }

    /// Processes the held bytes up to the next request. Returns whether h2 can get something.
    fn advance(&mut self) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let mut held = std::mem::take(&mut self.held);
        let (mut at, mut is_new) = (0, self.since.is_none());
        while self.fatal.is_none() && self.arrived.is_none() {
            let rest = held.get(at..).unwrap_or_default();
            let passed = self.pass(rest);
            self.output.extend_from_slice(rest.get(..passed).unwrap_or_default());
            at += passed;
            is_new |= passed > 0;
            if self.fatal.is_some() {
                break;
            }
            let rest = rest.get(passed..).unwrap_or_default();
            let Some(header) = FrameHeader::read(rest) else { break };
            if header.length > MAX_FRAME {
                self.fatal = Some(Reason::FRAME_SIZE_ERROR);
                break;
            }
            let length = HEADER_SIZE + header.length;
            let Some(payload) = rest.get(HEADER_SIZE..length) else { break };
            is_new |= self.open.is_none();
            if let Err(reason) = self.on_frame(header, payload) {
                self.fatal = Some(reason);
            }
            is_new |= self.open.is_none();
            at += length;
        }
        held.drain(..at);
        if held.is_empty() {
            clear(&mut held);
        }
        self.held = held;
        let is_amid = !self.held.is_empty() && self.arrived.is_none() || self.open.is_some();
        if !is_amid {
            self.since = None;
        } else if is_new {
            self.since = Some(Instant::now());
        }
        !self.output.is_empty()
    }

    /// Handles a frame that holds a part of a head, or that arrives where such a frame is required.
    fn on_frame(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Reason> {
        let (mut open, fragment) = match self.open.take() {
            None => {
                let open = OpenHead::begin(header, payload, self.last, self.limits)?;
                if matches!(open.0.block, BlockKind::Request(_)) {
                    self.last = header.stream;
                }
                open
            }
            Some(mut open) if header.kind == CONTINUATION && header.stream == open.stream => {
                open.frames += 1;
                (open, payload)
            }
            // RFC 9113, 6.10.
            Some(_) => return Err(Reason::PROTOCOL_ERROR),
        };
        if open.frames > self.frames {
            return Err(Reason::ENHANCE_YOUR_CALM);
        }
        open.decode(fragment, &mut self.decoder)?;
        if !header.ends_head() {
            self.open = Some(open);
            return Ok(());
        }
        if !open.is_decoded() {
            return Err(Reason::COMPRESSION_ERROR);
        }
        self.decoder.end();
        self.on_head(open);
        Ok(())
    }

    /// Handles a complete head.
    fn on_head(&mut self, open: OpenHead) {
        let OpenHead { stream, ends_stream, priority, block, .. } = open;
        match block {
            BlockKind::Request(lines) => {
                self.budget.earn();
                let head = lines.end(ends_stream);
                let refusal = head.fault.map(refusal);
                // The stream of a refused request stays open for h2, so that it can be reset after its response.
                let flags = if ends_stream && refusal.is_none() { END_STREAM } else { 0 };
                frame::put_request(&mut self.output, (flags, stream), priority, head.length);
                self.arrived = Some(FilteredRequest { stream, head, refusal });
            }
            BlockKind::Trailers(lines) => {
                let fault = lines.fault();
                // Without END_STREAM, h2 resets the stream.
                let flags = if ends_stream && fault.is_none() { END_STREAM } else { 0 };
                frame::put_empty(&mut self.output, (flags, stream), priority);
                // There cannot be more streams than this, so more entries would be useless.
                if let Some(fault) = fault.filter(|_| self.refused_trailers.len() < MAX_STREAMS) {
                    self.refused_trailers.push((stream, refusal(fault).kind));
                }
            }
        }
    }
}

/// Clears a buffer. An idle connection keeps little memory.
fn clear(bytes: &mut Vec<u8>) {
    if bytes.capacity() > MAX_KEPT_BUFFER {
        *bytes = Vec::new();
    } else {
        bytes.clear();
    }
}

#[cfg(test)]
mod tests;

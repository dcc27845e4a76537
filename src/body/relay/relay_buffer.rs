//! The bytes between the application and the client, in this order: the head in memory, the file, the bytes that are
//! being written to it, and the tail in memory. The two ends of a relayed body share it, and both run on one thread.

use std::{
    cell::RefCell,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};

use crate::{
    body::{
        budget::Budgets,
        budgeted_buffer::BudgetedBuffer,
        buffers::{BodyBuffers, BodyLimits},
        spill::{SpillFile, SpillFiles, SpillWriteError},
        spill_reader::SpillReader,
    },
    error::{Error, FailureKind},
};

pub(super) struct RelayBuffer {
    state: RefCell<RelayState>,
    budgets: Budgets,
    files: Arc<SpillFiles>,
    each: BodyLimits,
}

struct RelayState {
    head: BudgetedBuffer,
    /// The readable part of the file; `None` as soon as the client has all of it.
    file: Option<SpilledPart>,
    /// Whether bytes behind that are being written to the file.
    is_writing: bool,
    tail: BudgetedBuffer,
    end: Option<RelayEnd>,
    /// Set while the client's end waits for bytes.
    client: Option<Waker>,
    /// Set while the application's end waits for room.
    pump: Option<Waker>,
    /// Whether the client's end took something since the pump last checked.
    was_taken: bool,
}

struct SpilledPart {
    reader: SpillReader,
    end: u64,
    /// The file's part of the budget, once nothing more will be written.
    _spill: Option<SpillFile>,
}

/// How the application's body has ended.
enum RelayEnd {
    Over(Option<HeaderMap>),
    Failed(Error),
}

/// The pump's next step before it reads more.
pub(super) enum PumpStep {
    /// There is room.
    Read,
    /// Give the client a chance to take some: it may be as fast as the application.
    Ask,
    /// Write these bytes to the file.
    Write(BudgetedBuffer),
    /// Wait until the client has taken some.
    Wait,
}

/// Frames of this size are not copied: responses are read 16 KiB at a time, and at most half of that stays unused.
const MIN_UNCOPIED: usize = 8 * 1024;

/// The maximum number of bytes that are written to the file at once.
const MAX_WRITE: u64 = 128 * 1024;

// === impl RelayBuffer ===

impl RelayBuffer {
    pub(super) fn new(buffers: &BodyBuffers) -> Self {
        let budgets = buffers.responses.clone();
        let state = RelayState {
            head: BudgetedBuffer::new(&budgets.memory, MIN_UNCOPIED),
            file: None,
            is_writing: false,
            tail: BudgetedBuffer::new(&budgets.memory, MIN_UNCOPIED),
            end: None,
            client: None,
            pump: None,
            was_taken: false,
        };
        let files = Arc::clone(&buffers.files);
        Self { state: RefCell::new(state), budgets, files, each: buffers.limits }
    }

    /// Creates a file that begins with these bytes.
    pub(super) async fn create(&self, bytes: BudgetedBuffer) -> Result<SpillFile, SpillWriteError> {
        self.files.create(bytes, &self.budgets).await
    }

    /// Reads the available part of a body, about `max` bytes, without waiting. Returns `true` if that was the whole
    /// body, without trailers.
    pub(super) async fn fill<B>(&self, body: &mut B, max: u64) -> Result<bool, Error>
    where
        B: Body<Data = Bytes, Error = Error> + Unpin,
    {
        let max = max.min(self.each.memory);
        poll_fn(|cx| {
            while self.len() < max && self.may_read() {
                match Pin::new(&mut *body).poll_frame(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Some(Ok(frame))) => {
                        if self.push_frame(frame) {
                            break;
                        }
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) => {
                        self.finish();
                        return Poll::Ready(Ok(true));
                    }
                }
                if body.is_end_stream() {
                    self.finish();
                    return Poll::Ready(Ok(true));
                }
            }
            Poll::Ready(Ok(false))
        })
        .await
    }

    /// Adds a frame; returns `true` if it is the last.
    pub(super) fn push_frame(&self, frame: Frame<Bytes>) -> bool {
        match frame.into_data() {
            Ok(data) => {
                let state = &mut *self.state.borrow_mut();
                let is_head = state.file.is_none()
                    && state.tail.is_empty()
                    && state.head.len() < self.head_room();
                if is_head {
                    state.head.push(data)
                } else {
                    state.tail.push(data)
                };
                RelayState::wake(&mut state.client);
                false
            }
            Err(frame) => {
                self.end(RelayEnd::Over(frame.into_trailers().ok()));
                true
            }
        }
    }

    pub(super) fn finish(&self) {
        self.end(RelayEnd::Over(None));
    }

    pub(super) fn fail(&self, error: Error) {
        self.end(RelayEnd::Failed(error));
    }

    /// Records the end of the body. Only the first call counts.
    fn end(&self, end: RelayEnd) {
        let state = &mut *self.state.borrow_mut();
        if state.end.is_none() {
            state.end = Some(end);
        }
        RelayState::wake(&mut state.client);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.borrow().end.is_some()
    }

    /// Whether the client has everything.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state.borrow();
        state.is_empty() && matches!(state.end, Some(RelayEnd::Over(None)))
    }

    /// Decides the pump's step before the next read. `written` is the length of the file so far.
    pub(super) fn next(&self, written: u64, was_asked: bool) -> PumpStep {
        if self.may_read() {
            return PumpStep::Read;
        }
        if !was_asked {
            return PumpStep::Ask;
        }
        let state = &mut *self.state.borrow_mut();
        let bytes = match (&state.tail, &state.file) {
            (tail, _) if !tail.is_empty() => &mut state.tail,
            // It comes before everything else, so it may go to the file as well.
            (_, None) if !state.head.is_empty() => &mut state.head,
            _ => return PumpStep::Wait,
        };
        if written + bytes.len() > self.each.response {
            return PumpStep::Wait;
        }
        state.is_writing = true;
        PumpStep::Write(bytes.take(&self.budgets.memory))
    }

    /// Records that the bytes are in the file.
    pub(super) fn on_written(&self, spill: &SpillFile) {
        let state = &mut *self.state.borrow_mut();
        state.is_writing = false;
        match &mut state.file {
            Some(file) => file.end = spill.len(),
            None => {
                let reader = SpillReader::new(spill.file(), &self.budgets.memory);
                state.file = Some(SpilledPart { reader, end: spill.len(), _spill: None });
            }
        }
        RelayState::wake(&mut state.client);
    }

    /// Keeps the file until the client has all of it.
    pub(super) fn keep(&self, spill: SpillFile) {
        if let Some(file) = &mut self.state.borrow_mut().file {
            file._spill = Some(spill);
        }
    }

    /// Puts bytes that could not be written back into memory. `None` means that they are lost.
    pub(super) fn on_unwritten(&self, error: Error, bytes: Option<Box<BudgetedBuffer>>) {
        let state = &mut *self.state.borrow_mut();
        state.is_writing = false;
        match bytes {
            // Nothing has arrived since, because the pump was waiting.
            Some(bytes) => state.tail = *bytes,
            None => state.end = Some(RelayEnd::Failed(error)),
        }
        RelayState::wake(&mut state.client);
    }

    /// Is ready once the client has taken some since the last call.
    pub(super) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.state.borrow_mut();
        if mem::take(&mut state.was_taken) {
            return Poll::Ready(());
        }
        state.pump = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether the client has all of the file.
    pub(super) fn is_file_done(&self) -> bool {
        self.state.borrow().file.is_none()
    }

    /// Returns the next frame for the client.
    pub(super) fn poll_give(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let state = &mut *self.state.borrow_mut();
        if let Some(data) = ready!(state.poll_data(cx)?) {
            state.on_sent();
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match &mut state.end {
            None => {
                state.client = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(RelayEnd::Over(trailers)) => {
                Poll::Ready(trailers.take().map(Frame::trailers).map(Ok))
            }
            Some(RelayEnd::Failed(_)) => {
                // Another call gets an equal error.
                let again = RelayEnd::Failed(Error::new(FailureKind::UpstreamTruncated));
                match state.end.replace(again) {
                    Some(RelayEnd::Failed(error)) => Poll::Ready(Some(Err(error))),
                    Some(RelayEnd::Over(_)) | None => Poll::Ready(None),
                }
            }
        }
    }

    /// Returns the number of bytes in memory.
    pub(super) fn len(&self) -> u64 {
        self.state.borrow().length()
    }

    /// Returns everything as one chunk; copied unless it came as one.
    pub(super) fn whole(&self) -> Bytes {
        let state = &mut *self.state.borrow_mut();
        let length = usize::try_from(state.length()).unwrap_or_default();
        let first = state.head.pop().unwrap_or_default();
        if first.len() == length {
            return first;
        }
        let mut whole = BytesMut::with_capacity(length);
        whole.extend_from_slice(&first);
        while let Some(data) = state.head.pop().or_else(|| state.tail.pop()) {
            whole.extend_from_slice(&data);
        }
        whole.freeze()
    }

    /// Whether there is room for more, without the file.
    fn may_read(&self) -> bool {
        let state = &mut *self.state.borrow_mut();
        let is_within_budget = state.head.is_within_budget() && state.tail.is_within_budget();
        is_within_budget && state.tail.len() < self.batch()
    }

    /// Returns the number of the tail's bytes that go to the file together.
    fn batch(&self) -> u64 {
        (self.each.memory / 2).clamp(1, MAX_WRITE)
    }

    /// Returns the maximum number of bytes in the head.
    fn head_room(&self) -> u64 {
        self.each.memory.saturating_sub(self.batch()).max(1)
    }
}

// === impl RelayState ===

impl RelayState {
    /// Returns the next bytes; `None` if there are none.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            if let Some(data) = self.head.pop() {
                return Poll::Ready(Ok(Some(data)));
            }
            if let Some(file) = &mut self.file
                && file.reader.position() < file.end
            {
                return file.reader.poll_chunk(file.end, cx).map_ok(Some);
            }
            if self.is_writing {
                self.client = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if self.file.take().is_some() {
                // Its memory is free for others now.
                self.on_sent();
            }
            if self.tail.is_empty() {
                return Poll::Ready(Ok(None));
            }
            mem::swap(&mut self.head, &mut self.tail);
        }
    }

    /// Returns the number of bytes in memory.
    fn length(&self) -> u64 {
        self.head.len() + self.tail.len()
    }

    fn is_empty(&self) -> bool {
        let is_read = |file: &SpilledPart| file.reader.position() == file.end;
        self.head.is_empty()
            && self.tail.is_empty()
            && !self.is_writing
            && self.file.as_ref().is_none_or(is_read)
    }

    fn on_sent(&mut self) {
        self.was_taken = true;
        Self::wake(&mut self.pump);
    }

    fn wake(waker: &mut Option<Waker>) {
        if let Some(waker) = waker.take() {
            waker.wake();
        }
    }
}

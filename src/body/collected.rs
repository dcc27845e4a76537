//! The body of a request, read from the client to its end before anything else uses it. It is in memory while it is
//! short and the budget covers it, else in a file. It can be read several times.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    budgeted_buffer::BudgetedBuffer, buffers::BodyBuffers, spill::SpillFile,
    spill_reader::SpillReader,
};
use crate::error::Error;

/// A complete body.
#[derive(Debug)]
pub(super) struct CollectedBody {
    content: CollectedContent,
    length: u64,
    /// Bytes given since the last rewind.
    given: u64,
}

#[derive(Debug)]
enum CollectedContent {
    Memory {
        parts: BudgetedBuffer,
        /// The number of the next part.
        next: usize,
    },
    File {
        /// Holds its part of the budget.
        _spill: SpillFile,
        reader: SpillReader,
    },
}

/// Frames of this size are not copied: the copy would cost more than the unused memory behind them.
const MIN_UNCOPIED: usize = 32 * 1024;

/// Reads a body to its end. `spare` reduces the size of its reads from then on.
pub(super) async fn collect<B>(
    body: &mut B,
    buffers: &BodyBuffers,
    spare: impl Fn(&mut B),
) -> Result<CollectedBody, Error>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
{
    let memory = &buffers.requests.memory;
    let mut waiting = BudgetedBuffer::new(memory, MIN_UNCOPIED);
    let mut spill: Option<SpillFile> = None;
    let mut length: u64 = 0;
    let mut is_sparing = false;
    while !body.is_end_stream()
        && let Some(frame) = next(body).await?
    {
        // A client's trailers are not forwarded (ARCHITECTURE.md: every body is framed anew).
        let Ok(data) = frame.into_data() else { continue };
        let is_first = length == 0;
        length += data.len() as u64;
        let has_room = waiting.push(data);
        if !has_room && !is_sparing {
            is_sparing = true;
            // Many bodies arrive at once, and each has a chunk in hand that no budget covers.
            spare(body);
        }
        let fits = has_room && waiting.len() <= buffers.limits.memory;
        // A body that came in one frame is in memory already, whatever the budget allows.
        let is_only = is_first && body.is_end_stream() && length <= buffers.limits.memory;
        if !fits && !is_only {
            write(&mut spill, &mut waiting, buffers).await?;
        }
    }
    if spill.is_some() && !waiting.is_empty() {
        write(&mut spill, &mut waiting, buffers).await?;
    }
    let content = match spill {
        Some(spill) => {
            CollectedContent::File { reader: SpillReader::new(spill.file(), memory), _spill: spill }
        }
        None => {
            waiting.seal();
            CollectedContent::Memory { parts: waiting, next: 0 }
        }
    };
    Ok(CollectedBody { content, length, given: 0 })
}

/// Moves the buffered bytes to the file. The first call creates it.
async fn write(
    spill: &mut Option<SpillFile>,
    waiting: &mut BudgetedBuffer,
    buffers: &BodyBuffers,
) -> Result<(), Error> {
    let BodyBuffers { requests, files, .. } = buffers;
    let bytes = waiting.take(&requests.memory);
    let written = match spill {
        Some(spill) => spill.append(bytes).await,
        None => files.create(bytes, requests).await.map(|made| *spill = Some(made)),
    };
    written.map_err(|unwritten| unwritten.error)
}

async fn next<B>(body: &mut B) -> Result<Option<Frame<Bytes>>, Error>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
{
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await.transpose()
}

// === impl CollectedBody ===

impl CollectedBody {
    /// Starts again from the beginning.
    pub(super) fn rewind(&mut self) {
        self.given = 0;
        match &mut self.content {
            CollectedContent::Memory { next, .. } => *next = 0,
            CollectedContent::File { reader, .. } => reader.rewind(),
        }
    }

    /// Whether the body was too long for memory.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.content, CollectedContent::File { .. })
    }
}

impl Body for CollectedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let data = match &mut this.content {
            CollectedContent::Memory { parts, next } => {
                let Some(data) = parts.part(*next) else { return Poll::Ready(None) };
                *next += 1;
                data.clone()
            }
            CollectedContent::File { reader, .. } => {
                if reader.position() == this.length {
                    return Poll::Ready(None);
                }
                match ready!(reader.poll_chunk(this.length, cx)) {
                    Ok(data) => data,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
        };
        this.given += data.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.given == self.length
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length - self.given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{
        buffers::BodyLimits,
        script::{BodyStep, ScriptedBody, TestBuffers, pattern, run},
        spill::SpillLocation,
    };
    use crate::error::FailureKind;
    use proptest::prelude::*;
    use std::future::Future;

    fn room(memory: u64, disk: u64, place: SpillLocation, each: u64) -> TestBuffers {
        TestBuffers::new(memory, disk, place, BodyLimits { memory: each, response: 0 })
    }

    async fn read(body: &mut CollectedBody) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
            assert_eq!(body.size_hint().exact(), Some(body.length - body.given));
            all.extend(frame?.into_data().unwrap());
        }
        assert!(body.is_end_stream());
        Ok(all)
    }

    fn step() -> impl Strategy<Value = BodyStep> {
        prop_oneof![
            4 => (0..3_000_usize).prop_map(BodyStep::Data),
            1 => (30_000..70_000_usize).prop_map(BodyStep::Data),
            2 => Just(BodyStep::Later),
        ]
    }

    fn place() -> impl Strategy<Value = SpillLocation> {
        prop_oneof![Just(SpillLocation::Memory), Just(SpillLocation::Auto)]
    }

    proptest! {
        #[test]
        fn a_body_is_the_same_however_often_it_is_read(
            steps in proptest::collection::vec(step(), 0..30),
            knows_length: bool,
            each in 0..200_000_u64,
            memory in prop_oneof![Just(1_u64 << 30), 0..100_000_u64],
            fails: bool,
        ) {
            // The disk can hold all of it.
            let room = room(memory, 1 << 30, SpillLocation::Auto, each);
            let mut steps = steps;
            if fails {
                steps.push(BodyStep::Later);
                steps.push(BodyStep::Fail(FailureKind::ClientBody));
            }
            let expected: usize = steps.iter().map(|s| if let BodyStep::Data(n) = s { *n } else { 0 }).sum();
            let mut body = ScriptedBody::new(&steps, knows_length);
            run(async {
                let collected = collect(&mut body, &room.buffers, |_| {}).await;
                // A body that ends with its length cannot fail any more.
                if fails && !body.is_end_stream() {
                    assert_eq!(collected.unwrap_err().kind(), FailureKind::ClientBody);
                    return;
                }
                let mut collected = collected.unwrap();
                assert!(room.used().0 <= memory);
                assert!(collected.is_file() || expected as u64 <= each);
                assert_eq!(room.used().1, if collected.is_file() { expected as u64 } else { 0 });
                for _ in 0..2 {
                    assert!(read(&mut collected).await.unwrap() == pattern(expected));
                    collected.rewind();
                }
            });
            prop_assert_eq!(room.used(), (0, 0));
        }

        #[test]
        fn a_full_budget_is_no_loss_and_no_leak(
            steps in proptest::collection::vec(step(), 0..30),
            each in 0..100_000_u64,
            memory in 0..200_000_u64,
            disk in 0..200_000_u64,
            place in place(),
        ) {
            let is_memory = place == SpillLocation::Memory;
            let room = room(memory, disk, place, each);
            let expected: usize = steps.iter().map(|s| if let BodyStep::Data(n) = s { *n } else { 0 }).sum();
            run(async {
                let mut body = ScriptedBody::new(&steps, true);
                match collect(&mut body, &room.buffers, |_| {}).await {
                    Ok(mut collected) => {
                        assert!(read(&mut collected).await.unwrap() == pattern(expected));
                    }
                    Err(error) => {
                        // The body is the only one: if it does not fit on the disk, it never will. In memory, a part is
                        // held twice while it is copied.
                        let is_for_ever = error.kind() == FailureKind::BodyExceedsBuffers;
                        assert!(is_for_ever || is_memory && error.kind() == FailureKind::BuffersFull, "{error}");
                    }
                }
                let (in_memory, on_disk) = room.used();
                assert!(in_memory <= memory && on_disk <= disk);
            });
            prop_assert_eq!(room.used(), (0, 0));
        }
    }

    fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
        future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn single_frame_is_not_copied() {
        let room = room(0, 0, SpillLocation::Memory, 1 << 20);
        let mut body = ScriptedBody::new(&[BodyStep::Data(50_000)], true);
        // There is no runtime, so any spawn or wait would fail.
        let collected = poll_once(&mut Box::pin(collect(&mut body, &room.buffers, |_| {})));
        let Poll::Ready(Ok(collected)) = collected else { panic!("{collected:?}") };
        assert!(!collected.is_file());
    }

    #[test]
    fn a_directory_that_is_not_there_is_none() {
        let place = SpillLocation::Directory("/nonexistent/sideman".into());
        let room = room(1 << 20, 0, place, 1000);
        let steps = vec![BodyStep::Data(400); 100];
        run(async {
            let mut body = ScriptedBody::new(&steps, true);
            let mut collected = collect(&mut body, &room.buffers, |_| {}).await.unwrap();
            assert!(collected.is_file() && room.used() == (40_000, 0), "{:?}", room.used());
            assert!(read(&mut collected).await.unwrap() == pattern(40_000));
        });
        assert_eq!(room.used(), (0, 0));
    }
}

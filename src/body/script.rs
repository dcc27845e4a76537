//! For tests: a body that does what it is told to, and the room that bodies wait in.

use std::{
    cell::Cell,
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};

use super::{
    budget::{Budget, Budgets},
    buffers::{Buffers, Each},
    spill::Place,
};
use crate::{
    error::{Error, Kind},
    sync::AtomicU64,
};

/// What comes next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Data(usize),
    /// Nothing yet, but soon.
    Later,
    /// Nothing any more.
    Never,
    Trailers,
    Fail(Kind),
}

/// A body by its script. Its bytes are [`pattern`].
#[derive(Debug)]
pub(super) struct Script {
    steps: VecDeque<Step>,
    given: usize,
    /// Whether its length is known.
    length: Option<usize>,
    pub(super) fate: Rc<Fate>,
}

/// What became of a body.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub(super) given: Cell<usize>,
    pub(super) is_dropped: Cell<bool>,
}

/// The room, and how much of it is taken.
pub(super) struct Room {
    pub(super) buffers: Buffers,
    memory: Arc<AtomicU64>,
    disk: Arc<AtomicU64>,
}

/// Byte `i` is `i % 251`.
pub(super) fn pattern(length: usize) -> Vec<u8> {
    (0..251_u8).cycle().take(length).collect()
}

/// Runs a test as a worker would.
pub(super) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

// === impl Script ===

impl Script {
    pub(super) fn new(steps: &[Step], knows_length: bool) -> Self {
        let sum = steps.iter().map(|step| if let Step::Data(length) = step { *length } else { 0 });
        let length = knows_length.then(|| sum.sum());
        Self { steps: steps.iter().cloned().collect(), given: 0, length, fate: Rc::default() }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Later) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Never) => {
                self.steps.push_front(Step::Never);
                Poll::Pending
            }
            Some(Step::Data(length)) => {
                let bytes = (self.given..self.given + length).map(|byte| (byte % 251) as u8);
                let data = Bytes::from_iter(bytes);
                self.given += length;
                self.fate.given.set(self.given);
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Step::Trailers) => {
                let map =
                    HeaderMap::from_iter([(http::header::VIA, HeaderValue::from_static("x"))]);
                Poll::Ready(Some(Ok(Frame::trailers(map))))
            }
            Some(Step::Fail(kind)) => Poll::Ready(Some(Err(Error::new(kind)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length.is_some_and(|length| length == self.given)
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.length.map(|length| (length - self.given) as u64);
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.fate.is_dropped.set(true);
    }
}

// === impl Room ===

impl Room {
    pub(super) fn new(memory: u64, disk: u64, place: Place, each: Each) -> Self {
        let (used, on_disk) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let memory = Budget::new(memory, Arc::clone(&used));
        let disk = Budget::new(disk, Arc::clone(&on_disk));
        // Each test has one kind of body, which may take everything.
        let both = Budgets { memory, disk };
        let buffers = Buffers::new(both.clone(), both, place, each);
        Self { buffers, memory: used, disk: on_disk }
    }

    /// Bytes taken of memory and of the disk.
    pub(super) fn used(&self) -> (u64, u64) {
        (self.memory.load(Ordering::Relaxed), self.disk.load(Ordering::Relaxed))
    }
}

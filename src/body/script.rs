//! For tests: a scripted body, and the buffers for bodies.

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
    buffers::{BodyBuffers, BodyLimits},
    spill::SpillLocation,
};
use crate::{
    error::{Error, FailureKind},
    sync::AtomicU64,
};

/// The next event.
#[derive(Clone, Debug)]
pub(super) enum BodyStep {
    Data(usize),
    /// Nothing yet, but soon.
    Later,
    /// Nothing, ever.
    Never,
    Trailers,
    Fail(FailureKind),
}

/// A scripted body. Its bytes are [`pattern`].
#[derive(Debug)]
pub(super) struct ScriptedBody {
    steps: VecDeque<BodyStep>,
    given: usize,
    /// The length, if it is known.
    length: Option<usize>,
    pub(super) progress: Rc<ScriptProgress>,
}

/// What happened to a body.
#[derive(Debug, Default)]
pub(super) struct ScriptProgress {
    pub(super) given: Cell<usize>,
    pub(super) is_dropped: Cell<bool>,
}

/// The buffers, and how much of them is used.
pub(super) struct TestBuffers {
    pub(super) buffers: BodyBuffers,
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

// === impl ScriptedBody ===

impl ScriptedBody {
    pub(super) fn new(steps: &[BodyStep], knows_length: bool) -> Self {
        let sum =
            steps.iter().map(|step| if let BodyStep::Data(length) = step { *length } else { 0 });
        let length = knows_length.then(|| sum.sum());
        Self { steps: steps.iter().cloned().collect(), given: 0, length, progress: Rc::default() }
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(BodyStep::Later) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(BodyStep::Never) => {
                self.steps.push_front(BodyStep::Never);
                Poll::Pending
            }
            Some(BodyStep::Data(length)) => {
                let bytes = (self.given..self.given + length).map(|byte| (byte % 251) as u8);
                let data = Bytes::from_iter(bytes);
                self.given += length;
                self.progress.given.set(self.given);
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(BodyStep::Trailers) => {
                let map =
                    HeaderMap::from_iter([(http::header::VIA, HeaderValue::from_static("x"))]);
                Poll::Ready(Some(Ok(Frame::trailers(map))))
            }
            Some(BodyStep::Fail(kind)) => Poll::Ready(Some(Err(Error::new(kind)))),
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

impl Drop for ScriptedBody {
    fn drop(&mut self) {
        self.progress.is_dropped.set(true);
    }
}

// === impl TestBuffers ===

impl TestBuffers {
    pub(super) fn new(memory: u64, disk: u64, place: SpillLocation, each: BodyLimits) -> Self {
        let (used, on_disk) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let memory = Budget::new(memory, Arc::clone(&used));
        let disk = Budget::new(disk, Arc::clone(&on_disk));
        // Each test has one kind of body, which may use everything.
        let both = Budgets { memory, disk };
        let buffers = BodyBuffers::new(both.clone(), both, place, each);
        Self { buffers, memory: used, disk: on_disk }
    }

    /// Returns the used bytes of memory and of the disk.
    pub(super) fn used(&self) -> (u64, u64) {
        (self.memory.load(Ordering::Relaxed), self.disk.load(Ordering::Relaxed))
    }
}

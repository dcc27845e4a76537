//! The requests of one HTTP/2 connection. Each request uses a [`RequestStream`], which is reused when the request is
//! over. It counts the response bytes that the client has not read yet.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::task::AbortHandle;

use super::{
    frame_budget::FrameBudget,
    http2_body::BodyFacts,
    load_shedding::{IdleConnection, IdleStage},
};
use crate::{
    error::{Error, FailureKind},
    pipeline::InterimResponses,
    telemetry::FloodLabel,
};

/// If this many requests were cancelled at once, the connection is suspected of an attack. An attack cancels this many
/// in a fraction of a second (CVE-2023-44487).
const MAX_CANCELLED: u64 = 500;
/// The same limit for malformed requests. Each is answered, so it costs as much as any other request.
const MAX_MALFORMED: u64 = 500;
/// A request that is cancelled within this time counts as cancelled at once. Users who leave a slow page are no attack.
const QUICK_CANCEL: Duration = Duration::from_secs(1);
/// How long a connection keeps unused streams for the next burst of requests.
const SPARE_LIFETIME: Duration = Duration::from_secs(1);
/// After more concurrent requests than this, h2 holds so much memory until the connection ends (about 1 KiB for each)
/// that the idle connection is closed. Few pages make a browser send more.
const MANY_STREAMS: usize = 32;
/// How long a connection that had more requests than this may be idle.
const GROWN_IDLE: Duration = Duration::from_secs(5);

/// The running requests, and unused streams for more.
#[derive(Debug)]
pub(super) struct RequestStreams {
    /// When the connection began.
    first: Instant,
    budget: Rc<FrameBudget>,
    streams: RefCell<Vec<Rc<RequestStream>>>,
    begun: Cell<u64>,
    cancelled: Cell<u64>,
    malformed: Cell<u64>,
    is_shed: Cell<bool>,
    /// Whether a new stream was created since [`RequestStreams::take_new_stream`].
    has_new_stream: Cell<bool>,
    /// Whether there were more than [`MANY_STREAMS`] concurrent requests.
    is_grown: Cell<bool>,
}

/// The state of one request at a time.
#[derive(Debug)]
pub(super) struct RequestStream {
    /// When its last request ended; `None` while one runs.
    idle: Cell<Option<Instant>>,
    /// Each response frame that is written adds to this budget.
    budget: Rc<FrameBudget>,
    interim: Rc<InterimResponses>,
    /// The state of the request body, if there is one.
    body: RefCell<Option<Rc<BodyFacts>>>,
    number: Cell<u32>,
    task: RefCell<Option<AbortHandle>>,
    begun: Cell<Instant>,
    is_answered: Cell<bool>,
    is_aborted: Cell<bool>,
    /// Bytes of the response that were handed over and not written yet.
    unsent: Cell<usize>,
    /// Since when none of them was written.
    since: Cell<Instant>,
    /// The task that waits until all of them are written.
    waiting: RefCell<Option<Waker>>,
}

/// A running request. It ends when this is dropped, whatever the reason.
#[derive(Debug)]
pub(super) struct RunningRequest(Rc<RequestStream>);

/// The result of a check of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamCheck {
    /// Nothing to do until `at`; `cut` requests were aborted.
    Again { at: Option<Instant>, cut: u64 },
    /// Close it: it has had no request for too long.
    Over,
    /// End it: it holds the memory of many requests and has none.
    Grown,
    /// Close it: the client does not read the end of a response.
    Stalled,
}

// === impl RequestStreams ===

impl RequestStreams {
    pub(super) fn new(first: Instant, budget: Rc<FrameBudget>) -> Self {
        Self {
            first,
            budget,
            streams: RefCell::default(),
            begun: Cell::new(0),
            cancelled: Cell::new(0),
            malformed: Cell::new(0),
            is_shed: Cell::new(false),
            has_new_stream: Cell::new(false),
            is_grown: Cell::new(false),
        }
    }

    /// Returns the state for a new request on the stream `number`. Free ones are reused, so there are never more
    /// of them than there were concurrent requests.
    pub(super) fn begin(&self, number: u32, body: Option<Rc<BodyFacts>>) -> Rc<RequestStream> {
        self.begun.set(self.begun.get() + 1);
        let mut streams = self.streams.borrow_mut();
        let stream = if let Some(stream) = streams.iter().find(|stream| stream.is_free()) {
            self.cancelled.set(self.cancelled.get() + u64::from(stream.was_cancelled()));
            stream.begun.set(Instant::now());
            stream.is_answered.set(false);
            stream.is_aborted.set(false);
            Rc::clone(stream)
        } else {
            let stream = Rc::new(RequestStream::new(Rc::clone(&self.budget)));
            streams.push(Rc::clone(&stream));
            self.has_new_stream.set(true);
            self.is_grown.set(self.is_grown.get() || streams.len() > MANY_STREAMS);
            stream
        };
        stream.number.set(number);
        stream.idle.set(None);
        stream.interim.restart();
        stream.body.replace(body);
        stream
    }

    /// Records that the last request is malformed.
    pub(super) fn on_malformed(&self) {
        self.malformed.set(self.malformed.get() + 1);
    }

    /// Sets why the body of a request failed.
    pub(super) fn on_body_fault(&self, number: u32, kind: FailureKind) {
        let streams = self.streams.borrow();
        if let Some(stream) = streams.iter().find(|stream| stream.number.get() == number)
            && let Some(body) = &*stream.body.borrow()
        {
            body.set_fault(kind);
        }
    }

    /// Whether most requests of the client were cancelled at once, or most are malformed.
    pub(super) fn flood(&self) -> Option<FloodLabel> {
        let is_most = |count: u64, min| count >= min && count > self.begun.get() / 2;
        if is_most(self.cancelled.get(), MAX_CANCELLED) {
            Some(FloodLabel::Resets)
        } else if is_most(self.malformed.get(), MAX_MALFORMED) {
            Some(FloodLabel::Malformed)
        } else {
            None
        }
    }

    /// The number of requests that have begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// Whether there is a new stream, at most once. It needs a check soon after it becomes free.
    pub(super) fn take_new_stream(&self) -> bool {
        self.has_new_stream.replace(false)
    }

    /// Whether the connection must close to make room for others, and may do so now.
    pub(super) fn take_shed(&self) -> bool {
        self.is_shed.replace(false) && self.idle_since().is_some()
    }

    /// Aborts requests if the client has read nothing of their responses for `write`. Other requests are kept: behind a
    /// load balancer they may belong to other users. The connection is over if it has had no request for `idle`, or if
    /// the client does not read the end of a response and no request is left to abort. An idle connection frees its
    /// unused streams.
    pub(super) fn check(&self, now: Instant, idle: Duration, write: Duration) -> StreamCheck {
        let mut quiet = Some(self.first);
        let (mut is_busy, mut cut) = (false, 0);
        for stream in self.streams.borrow().iter() {
            let is_stalled = stream.stalled().is_some_and(|since| since + write <= now);
            match stream.idle.get() {
                None => {
                    is_busy = true;
                    cut += u64::from(is_stalled && stream.abort());
                }
                Some(_) if is_stalled => return StreamCheck::Stalled,
                Some(since) => quiet = quiet.max(Some(since)).max(stream.stalled()),
            }
        }
        match quiet {
            _ if is_busy => StreamCheck::Again { at: None, cut },
            Some(since) if since + idle <= now => StreamCheck::Over,
            Some(since) if self.is_grown.get() && since + GROWN_IDLE <= now => {
                // Reported only once.
                self.is_grown.set(false);
                StreamCheck::Grown
            }
            quiet => {
                let at = quiet.map(|since| self.next_check(since, now, since + idle));
                StreamCheck::Again { at, cut }
            }
        }
    }

    /// Frees unused streams of a connection that is idle since `since`, until `over`. Returns when the next check is
    /// due.
    fn next_check(&self, since: Instant, now: Instant, over: Instant) -> Instant {
        if since + SPARE_LIFETIME <= now {
            self.shrink();
        }
        if self.streams.borrow().len() > 1 {
            over.min(since + SPARE_LIFETIME)
        } else if self.is_grown.get() {
            over.min(since + GROWN_IDLE)
        } else {
            over
        }
    }

    /// Frees all unused streams except one.
    fn shrink(&self) {
        let mut streams = self.streams.borrow_mut();
        let mut kept = 0;
        streams.retain(|stream| {
            let is_kept = kept == 0 || !stream.is_free();
            kept += usize::from(is_kept);
            let is_cancelled = !is_kept && stream.was_cancelled();
            self.cancelled.set(self.cancelled.get() + u64::from(is_cancelled));
            is_kept
        });
        streams.shrink_to_fit();
    }
}

impl IdleConnection for RequestStreams {
    fn idle_since(&self) -> Option<Instant> {
        let mut last = self.first;
        for stream in self.streams.borrow().iter() {
            last = last.max(stream.idle.get()?);
            if stream.stalled().is_some() {
                return None;
            }
        }
        Some(last)
    }

    fn stage(&self) -> IdleStage {
        if self.begun.get() == 0 { IdleStage::Unproven } else { IdleStage::KeptAlive }
    }

    fn shed(&self) {
        self.is_shed.set(true);
    }
}

// === impl RequestStream ===

impl RequestStream {
    fn new(budget: Rc<FrameBudget>) -> Self {
        let now = Instant::now();
        Self {
            idle: Cell::new(None),
            budget,
            interim: Rc::default(),
            body: RefCell::default(),
            number: Cell::new(0),
            task: RefCell::default(),
            begun: Cell::new(now),
            is_answered: Cell::new(false),
            is_aborted: Cell::new(false),
            unsent: Cell::new(0),
            since: Cell::new(now),
            waiting: RefCell::default(),
        }
    }

    /// The queue of interim responses for its request.
    pub(super) fn interim(&self) -> Rc<InterimResponses> {
        Rc::clone(&self.interim)
    }

    /// Whether `100 Continue` must be sent now, at most once.
    pub(super) fn takes_permission(&self) -> bool {
        self.body.borrow().as_ref().is_some_and(|body| body.take_permission())
    }

    /// Sets the task that answers the request.
    pub(super) fn set_task(&self, task: AbortHandle) {
        self.task.replace(Some(task));
    }

    /// Records that the response has begun.
    pub(super) fn on_answer(&self) {
        self.is_answered.set(true);
    }

    /// Records that `count` bytes of the response are to be written.
    pub(super) fn on_queued(&self, count: usize) {
        if self.unsent.get() == 0 {
            self.since.set(Instant::now());
        }
        self.unsent.set(self.unsent.get().saturating_add(count));
    }

    /// Records that `count` bytes were written, or never will be.
    pub(super) fn on_sent(&self, count: usize) {
        let left = self.unsent.get().saturating_sub(count);
        self.unsent.set(left);
        if left > 0 {
            self.since.set(Instant::now());
        } else if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// Records that a response frame was written. The client may open windows for it.
    pub(super) fn on_frame_written(&self) {
        self.budget.earn();
    }

    /// Waits until all handed-over bytes are written. Fails if the request is aborted.
    pub(super) fn poll_sent(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        if self.is_aborted.get() {
            return Poll::Ready(Err(Error::new(FailureKind::ClientDisconnected)));
        }
        if self.unsent.get() == 0 {
            return Poll::Ready(Ok(()));
        }
        self.waiting.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Aborts the request. Returns `false` if that was done before.
    fn abort(&self) -> bool {
        if self.is_aborted.replace(true) {
            return false;
        }
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        } else if let Some(task) = self.task.take() {
            // The next chunk waits for the window to open, and h2 has nothing of it.
            task.abort();
        }
        true
    }

    /// Since when the client reads nothing, if there is something to read.
    fn stalled(&self) -> Option<Instant> {
        (self.unsent.get() > 0).then(|| self.since.get())
    }

    /// Whether it can be reused. Response chunks that are not written yet hold it as well.
    fn is_free(self: &Rc<Self>) -> bool {
        Rc::strong_count(self) == 1 && self.idle.get().is_some()
    }

    /// Whether its last request ended at once and without a response.
    fn was_cancelled(&self) -> bool {
        let Some(end) = self.idle.get() else { return false };
        !self.is_answered.get() && end.saturating_duration_since(self.begun.get()) < QUICK_CANCEL
    }
}

// === impl RunningRequest ===

impl RunningRequest {
    pub(super) fn begin(stream: &Rc<RequestStream>) -> Self {
        Self(Rc::clone(stream))
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.0.idle.set(Some(Instant::now()));
        // The handle would keep the memory of its task.
        self.0.task.take();
        self.0.body.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(75);
    const WRITE: Duration = Duration::from_secs(60);

    /// Runs this many concurrent requests, which have ended on return.
    fn burst(streams: &RequestStreams, count: u32) {
        let running: Vec<RunningRequest> =
            (0..count).map(|number| RunningRequest::begin(&streams.begin(number, None))).collect();
        assert_eq!(streams.streams.borrow().len(), running.len());
    }

    #[test]
    fn idle_connection_frees_spare_streams() {
        let begin = Instant::now();
        let streams = RequestStreams::new(begin, Rc::new(FrameBudget::new()));
        burst(&streams, 8);
        assert!(streams.take_new_stream());
        assert!(!streams.take_new_stream());
        let ended = streams.idle_since().unwrap();
        let at = Some(ended + SPARE_LIFETIME);
        assert_eq!(streams.check(ended, IDLE, WRITE), StreamCheck::Again { at, cut: 0 });
        assert_eq!(streams.streams.borrow().len(), 8);
        let later = streams.check(ended + SPARE_LIFETIME, IDLE, WRITE);
        assert!(
            matches!(later, StreamCheck::Again { at: Some(at), .. } if at > ended + SPARE_LIFETIME)
        );
        assert_eq!(streams.streams.borrow().len(), 1);
        // Each request counts as cancelled at once.
        assert_eq!(streams.cancelled.get(), 7);
    }

    #[test]
    fn grown_connection_ends_once_it_is_idle() {
        let streams = RequestStreams::new(Instant::now(), Rc::new(FrameBudget::new()));
        burst(&streams, 33);
        let ended = streams.idle_since().unwrap();
        let after = |pause| streams.check(ended + pause, IDLE, WRITE);
        assert_eq!(
            after(SPARE_LIFETIME),
            StreamCheck::Again { at: Some(ended + GROWN_IDLE), cut: 0 }
        );
        assert_eq!(after(GROWN_IDLE), StreamCheck::Grown);
        assert!(matches!(after(GROWN_IDLE), StreamCheck::Again { .. }), "it is told once");
    }

    #[test]
    fn connection_with_a_request_keeps_all_streams() {
        let streams = RequestStreams::new(Instant::now(), Rc::new(FrameBudget::new()));
        burst(&streams, 33);
        let _running = RunningRequest::begin(&streams.begin(101, None));
        let later = Instant::now() + 2 * GROWN_IDLE;
        assert_eq!(streams.check(later, IDLE, WRITE), StreamCheck::Again { at: None, cut: 0 });
        assert_eq!(streams.streams.borrow().len(), 33);
    }
}

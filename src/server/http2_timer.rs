//! How long a client of HTTP/2 may idle, take for a head, and take nothing of its answers.

use std::{
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use super::{
    head_filter::HeadFilter,
    jitter::jittered,
    keepalive::PingKeepalive,
    streams::{RequestStreams, StreamCheck},
};
use crate::{body::Deadline, plan, telemetry::WorkerMetrics};

/// The pause between two looks for clients that take nothing.
const LOOK: Duration = Duration::from_secs(1);

/// The timers of one connection.
pub(super) struct Http2Timer {
    idle: Duration,
    header: Duration,
    /// How long it may take to begin the first request, if that is shorter than idling.
    first: Option<Duration>,
    write: Duration,
    /// Of the head that comes.
    head: Deadline,
    deadline: Deadline,
    keepalive: PingKeepalive,
}

/// Which of them was it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExpiredTimer {
    /// It had no request for too long.
    Idle,
    /// A head was not complete in time, or none was ever begun.
    Head,
    /// It took nothing of an answer.
    Write,
    /// It does not answer.
    Gone,
    /// It holds the memory of many requests and has none.
    Grown,
}

// === impl Http2Timer ===

impl Http2Timer {
    pub(super) fn new(plan: &plan::ServerSettings, keepalive: PingKeepalive) -> Self {
        Self {
            idle: jittered(plan.idle_timeout),
            header: plan.header_timeout,
            first: Some(plan.header_timeout).filter(|header| *header < plan.idle_timeout),
            write: plan.write_timeout,
            head: Deadline::default(),
            deadline: Deadline::default(),
            keepalive,
        }
    }

    pub(super) fn poll(
        &mut self,
        streams: &RequestStreams,
        filter: &HeadFilter,
        metrics: &WorkerMetrics,
        cx: &mut Context<'_>,
    ) -> Poll<ExpiredTimer> {
        if let Some(since) = filter.since() {
            self.head.set_at(since + self.header);
            if self.head.poll_expired(cx).is_ready() {
                return Poll::Ready(ExpiredTimer::Head);
            }
        }
        if streams.take_new_stream() && self.deadline.is_set() {
            self.deadline.set_at(Instant::now() + LOOK);
        }
        loop {
            // Only one that has asked something may be silent for long.
            let first = self.first.filter(|_| streams.begun() == 0);
            if !self.deadline.is_set() {
                let now = Instant::now();
                match streams.check(now, first.unwrap_or(self.idle), self.write) {
                    StreamCheck::Again { at, cut } => {
                        metrics.stalled_streams.add(cut);
                        if at.is_none() && self.keepalive.is_unresponsive(filter.reads(), cx) {
                            return Poll::Ready(ExpiredTimer::Gone);
                        }
                        // While requests run, a look once a second is enough; and not much later than
                        // the next may have begun and stalled.
                        let (soon, late) = (now + LOOK, now + (self.write / 4).max(LOOK));
                        self.deadline.set_at(at.map_or(soon, |at| at.clamp(soon, late)));
                    }
                    StreamCheck::Grown => return Poll::Ready(ExpiredTimer::Grown),
                    StreamCheck::Stalled => return Poll::Ready(ExpiredTimer::Write),
                    StreamCheck::Over if first.is_some() => return Poll::Ready(ExpiredTimer::Head),
                    StreamCheck::Over => return Poll::Ready(ExpiredTimer::Idle),
                }
            }
            ready!(self.deadline.poll_expired(cx));
            self.deadline.clear();
        }
    }
}

//! The timeouts of an HTTP/2 client: idle, for a head, and for reading its responses.

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

/// The pause between two checks for clients that read nothing.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The timers of one connection.
pub(super) struct Http2Timer {
    idle: Duration,
    header: Duration,
    /// The time until the first request begins, if shorter than the idle timeout.
    first: Option<Duration>,
    write: Duration,
    /// The deadline of the head that is being received.
    head: Deadline,
    deadline: Deadline,
    keepalive: PingKeepalive,
}

/// The timeout that has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExpiredTimer {
    /// There was no request for too long.
    Idle,
    /// A head was not complete in time, or none was ever begun.
    Head,
    /// The client read nothing of a response.
    Write,
    /// The client does not reply to a PING.
    Gone,
    /// The connection holds the memory of many requests and has none.
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
            self.deadline.set_at(Instant::now() + CHECK_INTERVAL);
        }
        loop {
            // Only a client that has sent a request may be idle for long.
            let first = self.first.filter(|_| streams.begun() == 0);
            if !self.deadline.is_set() {
                let now = Instant::now();
                match streams.check(now, first.unwrap_or(self.idle), self.write) {
                    StreamCheck::Again { at, cut } => {
                        metrics.stalled_streams.add(cut);
                        if at.is_none() && self.keepalive.is_unresponsive(filter.reads(), cx) {
                            return Poll::Ready(ExpiredTimer::Gone);
                        }
                        // While requests run, one check a second is enough. It must not come much later than the next
                        // request may have begun and stalled.
                        let (soon, late) =
                            (now + CHECK_INTERVAL, now + (self.write / 4).max(CHECK_INTERVAL));
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

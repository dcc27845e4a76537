//! How long a client of HTTP/2 may idle, take for a head, and take nothing of its answers.

use std::{
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use super::{
    head_filter::HeadFilter,
    jitter::jittered,
    keepalive::Keepalive,
    streams::{Look, Streams},
};
use crate::{body::Deadline, plan, telemetry::Shard};

/// The pause between two looks for clients that take nothing.
const LOOK: Duration = Duration::from_secs(1);

/// The timers of one connection.
pub(super) struct Timer {
    idle: Duration,
    header: Duration,
    /// How long it may take to begin the first request, if that is shorter than idling.
    first: Option<Duration>,
    write: Duration,
    /// Of the head that comes.
    head: Deadline,
    deadline: Deadline,
    keepalive: Keepalive,
}

/// Which of them was it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
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

// === impl Timer ===

impl Timer {
    pub(super) fn new(plan: &plan::Server, keepalive: Keepalive) -> Self {
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
        streams: &Streams,
        filter: &HeadFilter,
        metrics: &Shard,
        cx: &mut Context<'_>,
    ) -> Poll<Expired> {
        if let Some(since) = filter.since() {
            self.head.set_at(since + self.header);
            if self.head.poll_expired(cx).is_ready() {
                return Poll::Ready(Expired::Head);
            }
        }
        if streams.take_new_place() && self.deadline.is_set() {
            self.deadline.set_at(Instant::now() + LOOK);
        }
        loop {
            // Only one that has asked something may be silent for long.
            let first = self.first.filter(|_| streams.begun() == 0);
            if !self.deadline.is_set() {
                let now = Instant::now();
                match streams.look(now, first.unwrap_or(self.idle), self.write) {
                    Look::Again { at, cut } => {
                        metrics.stalled_streams.add(cut);
                        if at.is_none() && self.keepalive.is_gone(filter.reads(), cx) {
                            return Poll::Ready(Expired::Gone);
                        }
                        // While requests run, a look once a second is enough; and not much later than
                        // the next may have begun and stalled.
                        let (soon, late) = (now + LOOK, now + (self.write / 4).max(LOOK));
                        self.deadline.set_at(at.map_or(soon, |at| at.clamp(soon, late)));
                    }
                    Look::Grown => return Poll::Ready(Expired::Grown),
                    Look::Stalled => return Poll::Ready(Expired::Write),
                    Look::Over if first.is_some() => return Poll::Ready(Expired::Head),
                    Look::Over => return Poll::Ready(Expired::Idle),
                }
            }
            ready!(self.deadline.poll_expired(cx));
            self.deadline.clear();
        }
    }
}

//! The times of a client of HTTP/1.1: how long it may idle, take for a head, and take nothing of an
//! answer. HTTP/2 has its own, for many requests at once.

use std::{
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use crate::{
    body::Deadline,
    pipeline::{Activity, Client, Departure},
    plan,
};

/// What a connection's timer was set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// The first byte of the first request.
    Unbegun,
    Head,
    Write,
    Idle,
    /// It is time to look whether a client that has closed its side is still there.
    Look,
}

/// It costs a comparison when the connection is polled, and touches the runtime's timers about once a
/// timeout.
#[derive(Debug)]
pub(super) struct Timer {
    idle: Duration,
    header: Duration,
    /// How long it may take to begin the first request, if that is shorter than idling.
    first: Option<Duration>,
    write: Duration,
    deadline: Deadline,
    /// The last moment that was set for a look.
    looked: Instant,
}

/// Up to a tenth more: connections that became idle together shall not all be opened again together.
pub(super) fn jittered(idle: Duration) -> Duration {
    idle + (idle / 10).mul_f64(fastrand::f64())
}

// === impl Timer ===

impl Timer {
    pub(super) fn new(plan: &plan::Server) -> Self {
        Self {
            idle: jittered(plan.idle_timeout),
            header: plan.header_timeout,
            first: Some(plan.header_timeout).filter(|header| *header < plan.idle_timeout),
            write: plan.write_timeout,
            deadline: Deadline::default(),
            looked: Instant::now(),
        }
    }

    pub(super) fn poll(&mut self, client: &Client, cx: &mut Context<'_>) -> Poll<Expired> {
        let (at, expired) = match (client.activity(), client.departure()) {
            // Whatever else it waits for: one that takes nothing of its answer keeps a place for nothing.
            _ if let Some(since) = client.blocked() => (since + self.write, Expired::Write),
            // Only one that has asked something may be silent for long.
            (Activity::Idle(since), _)
                if client.requests() == 0
                    && let Some(first) = self.first =>
            {
                (since + first, Expired::Unbegun)
            }
            (Activity::Idle(since), _) => (since + self.idle, Expired::Idle),
            (Activity::Head(since), _) => (since + self.header, Expired::Head),
            (Activity::Busy, Departure::Suspected(at) | Departure::Probed(at))
                if at != self.looked =>
            {
                (at, Expired::Look)
            }
            (Activity::Busy, _) => return Poll::Pending,
        };
        self.deadline.set_at(at);
        ready!(self.deadline.poll_expired(cx));
        // One look for each moment: should hyper not read then, this must not go in circles.
        self.looked = at;
        Poll::Ready(expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_times_differ_by_a_tenth_at_the_most() {
        let idle = Duration::from_secs(75);
        let times: Vec<Duration> = (0..100).map(|_| jittered(idle)).collect();
        assert!(times.iter().all(|time| (idle..=idle + idle / 10).contains(time)), "{times:?}");
        assert!(times.iter().any(|time| *time != times[0]));
    }
}

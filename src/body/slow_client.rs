//! Limits how long Sideman waits for a client that sends a body: each pause has a limit, and the rate of its bytes
//! limits all pauses together. Only waiting counts, and without a wait no clock is read.

use std::{
    num::NonZeroU64,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use super::deadline::Deadline;
use crate::error::FailureKind;

/// The limits.
#[derive(Clone, Copy, Debug)]
pub struct SlowClientLimits {
    /// The limit of one pause.
    pub pause: Duration,
    /// The minimum rate in bytes a second, on average.
    pub rate: Option<NonZeroU64>,
}

/// The remaining time for one body.
#[derive(Debug)]
pub(super) struct SlowClientTimer {
    limits: SlowClientLimits,
    /// How much longer the client may take. Its bytes add to this, and waiting subtracts from it.
    credit: Duration,
    since: Option<Instant>,
    timer: Deadline,
}

/// The time that a client may take before its rate matters, or one pause if that is shorter. Mobile networks have
/// pauses, and Apache (mod_reqtimeout) allows as much.
const GRACE: Duration = Duration::from_secs(20);

// === impl SlowClientTimer ===

impl SlowClientTimer {
    /// Creates a timer for a body that has sent `come` bytes.
    pub(super) fn new(limits: SlowClientLimits, come: u64) -> Self {
        let credit = GRACE.min(limits.pause);
        let mut wait = Self { limits, credit, since: None, timer: Deadline::default() };
        wait.earn(come);
        wait
    }

    /// To be called when no bytes have arrived. Is ready once that has lasted too long, with the kind of failure.
    pub(super) fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<FailureKind> {
        let SlowClientLimits { pause, rate } = self.limits;
        let is_slow = rate.is_some() && self.credit < pause;
        if self.since.is_none() {
            let now = Deadline::now();
            self.since = Some(now);
            self.timer.set_at(now + if is_slow { self.credit } else { pause });
        }
        ready!(self.timer.poll_expired(cx));
        Poll::Ready(if is_slow {
            FailureKind::ClientBodySlow
        } else {
            FailureKind::ClientBodyTimeout
        })
    }

    /// Records that `count` bytes have arrived.
    pub(super) fn on_bytes(&mut self, count: u64) {
        if let Some(since) = self.since.take() {
            self.credit = self.credit.saturating_sub(Deadline::now() - since);
            self.timer.clear();
        }
        self.earn(count);
    }

    /// Adds the time that bytes earn. A fast client may pause once, but cannot save up for hours.
    fn earn(&mut self, count: u64) {
        let SlowClientLimits { pause, rate } = self.limits;
        let Some(rate) = rate else { return };
        let nanoseconds = u128::from(count) * 1_000_000_000 / u128::from(rate.get());
        let earned = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.credit = self.credit.saturating_add(earned).min(pause + GRACE.min(pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{future::poll_fn, task::Waker};

    const SECOND: Duration = Duration::from_secs(1);

    fn limits(pause: Duration, rate: u64) -> SlowClientLimits {
        SlowClientLimits { pause, rate: NonZeroU64::new(rate) }
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
    }

    async fn late(wait: &mut SlowClientTimer) -> (FailureKind, Duration) {
        let begin = Instant::now();
        (poll_fn(|cx| wait.poll_timeout(cx)).await, begin.elapsed())
    }

    #[test]
    fn a_pause_ends_it() {
        run(async {
            let pause = Duration::from_millis(30);
            for (rate, come) in [(0, 0), (0, 1000), (1, 1000)] {
                let mut wait = SlowClientTimer::new(limits(pause, rate), come);
                let (kind, after) = late(&mut wait).await;
                assert_eq!(kind, FailureKind::ClientBodyTimeout, "{rate} {come}");
                assert!(after >= pause, "{after:?}");
            }
        });
    }

    #[test]
    fn one_that_drips_has_spent_its_time_sooner_than_one_pause() {
        run(async {
            let pause = Duration::from_millis(60);
            let mut wait = SlowClientTimer::new(limits(pause, 1000), 0);
            let begin = Instant::now();
            let kind = loop {
                let pause = Duration::from_millis(5);
                let Ok((kind, _)) = tokio::time::timeout(pause, late(&mut wait)).await else {
                    // The byte earns a millisecond and took five.
                    wait.on_bytes(1);
                    continue;
                };
                break kind;
            };
            assert_eq!(kind, FailureKind::ClientBodySlow);
            assert!(begin.elapsed() >= Duration::from_millis(50), "{:?}", begin.elapsed());
        });
    }

    #[test]
    fn credit_is_earned_by_bytes_and_has_a_bound() {
        for (pause, rate, come, credit) in [
            (SECOND * 60, 0, 1 << 40, SECOND * 20),
            (SECOND * 60, 240, 0, SECOND * 20),
            (SECOND * 60, 240, 240, SECOND * 21),
            (SECOND * 60, 240, 1 << 40, SECOND * 80),
            (SECOND * 60, 1, u64::MAX, SECOND * 80),
            (SECOND, 240, 0, SECOND),
            (SECOND, 240, 1 << 20, SECOND * 2),
        ] {
            assert_eq!(
                SlowClientTimer::new(limits(pause, rate), come).credit,
                credit,
                "{pause:?} {rate}"
            );
        }
    }

    proptest! {
        /// However its bytes are spread, a client at the rate or above is never too slow.
        #[test]
        fn client_at_the_minimum_rate_is_kept(
            rate in 1_u64..100_000,
            pieces in proptest::collection::vec(1_u64..50_000, 1..50),
        ) {
            run(async {
                let mut wait = SlowClientTimer::new(limits(SECOND * 60, rate), 0);
                let mut cx = Context::from_waker(Waker::noop());
                for piece in pieces {
                    let before = wait.credit;
                    assert!(wait.poll_timeout(&mut cx).is_pending());
                    wait.on_bytes(piece);
                    // The waits here are microseconds.
                    let min = before.min(SECOND * 79);
                    assert!(wait.credit + SECOND >= min, "{:?}", wait.credit);
                    assert!(wait.since.is_none() && !wait.timer.is_set());
                }
            });
        }
    }
}

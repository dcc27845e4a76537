//! The pauses between attempts to connect: longer each time, and never the same at two Sidemans.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// After a connection that has lasted so long, the pauses begin anew.
const STABLE: Duration = Duration::from_secs(10);

/// The next pause.
#[derive(Debug)]
pub(super) struct ReconnectPause(Duration);

// === impl ReconnectPause ===

impl ReconnectPause {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    /// Returns the pause after an attempt that began then.
    pub(super) fn after(&mut self, began: Instant) -> Duration {
        if began.elapsed() >= STABLE {
            self.0 = FIRST;
        }
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        // Half of it to all of it, so that not all come back at the same moment.
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_begin_anew() {
        let (mut pause, now) = (ReconnectPause::new(), Instant::now());
        let pauses: Vec<Duration> = (0..10).map(|_| pause.after(now)).collect();
        assert!(pauses[0] <= FIRST && pauses[0] >= FIRST / 2, "{pauses:?}");
        assert!(pauses[9] <= LONGEST && pauses[9] >= LONGEST / 2, "{pauses:?}");
        assert!(pauses.iter().sum::<Duration>() > LONGEST, "{pauses:?}");
        if let Some(earlier) = now.checked_sub(STABLE) {
            assert!(pause.after(earlier) <= FIRST);
        }
    }
}

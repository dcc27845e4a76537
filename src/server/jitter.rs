//! Spreads the timeouts of idle connections.

use std::time::Duration;

/// Adds up to a tenth. Connections that became idle together must not all be reopened together.
pub(super) fn jittered(idle: Duration) -> Duration {
    idle + (idle / 10).mul_f64(fastrand::f64())
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

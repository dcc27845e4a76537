//! What the readings of a run say: whether the limit oscillates, and whether the application starves. It is arithmetic
//! alone.

use std::time::Duration;

use super::super::limit_log::Reading;

/// A gap between responses may be this much longer than with the number.
const LONGER: Duration = Duration::from_secs(1);
const TIMES: u32 = 2;

/// The limit of one run, relative to the right one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LimitRange {
    /// The lowest and the highest one, from the moment on at which it was as high as the right one. NaN before.
    pub(super) lowest: f64,
    pub(super) highest: f64,
    /// How often it fell below half of the right one since.
    pub(super) falls: u32,
}

// === impl LimitRange ===

impl LimitRange {
    pub(super) fn of(readings: &[Reading], right: f64) -> Self {
        let found = readings.iter().skip_while(|reading| reading.limit < right);
        let mut range = Self { lowest: f64::NAN, highest: f64::NAN, falls: 0 };
        let mut was_below = false;
        for Reading { limit, .. } in found {
            range.lowest = range.lowest.min(*limit);
            range.highest = range.highest.max(*limit);
            let is_below = *limit < right / 2.0;
            range.falls += u32::from(is_below && !was_below);
            was_below = is_below;
        }
        range
    }
}

/// The longest time without one of these responses, within `from` and `to`. `ends` are in order.
pub(super) fn longest_gap(ends: &[Duration], from: Duration, to: Duration) -> Duration {
    let within = ends.iter().copied().filter(|end| (from..to).contains(end));
    let mut before = from;
    let mut longest = Duration::ZERO;
    for end in within.chain([to]) {
        longest = longest.max(end.saturating_sub(before));
        before = end;
    }
    longest
}

/// Whether no response for so long is too long, if it is `with_number` with the number.
pub(super) fn starves(gap: Duration, with_number: Duration) -> bool {
    gap > (with_number * TIMES).max(with_number + LONGER)
}

/// Checks the arithmetic with readings of which the result is known.
pub(in super::super) fn self_check() -> Result<(), String> {
    let reading = |limit: f64| Reading { at: Duration::ZERO, limit, in_flight: 0.0, queued: 0.0 };
    let range = |limits: &[f64], right: f64| {
        let readings: Vec<_> = limits.iter().copied().map(reading).collect();
        LimitRange::of(&readings, right)
    };
    let seconds = |all: &[u64]| all.iter().copied().map(Duration::from_secs).collect::<Vec<_>>();
    let gap = |ends: &[u64]| {
        longest_gap(&seconds(ends), Duration::from_secs(2), Duration::from_secs(10)).as_secs()
    };
    let limit_range = |lowest, highest, falls| LimitRange { lowest, highest, falls };
    let checks = [
        ("steady", range(&[1.0, 4.0, 5.0, 4.0], 4.0) == limit_range(4.0, 5.0, 0)),
        ("found late", range(&[4.0, 1.0, 16.0, 100.0, 60.0], 100.0) == limit_range(60.0, 100.0, 0)),
        ("falls", range(&[8.0, 1.0, 1.0, 4.0, 1.0], 4.0) == limit_range(1.0, 8.0, 2)),
        ("not found", range(&[1.0, 2.0], 4.0).lowest.is_nan()),
        ("one worker", range(&[4.0, 1.0, 2.0, 1.0], 1.0) == limit_range(1.0, 4.0, 0)),
        ("gap in the middle", gap(&[1, 3, 4, 8, 9]) == 4),
        ("gap at the beginning", gap(&[1, 7, 8, 9]) == 5),
        ("gap at the end", gap(&[3, 4, 11]) == 6),
        ("no response", gap(&[]) == 8),
        ("starves", starves(Duration::from_secs(11), Duration::from_secs(5))),
        ("does not starve", !starves(Duration::from_secs(10), Duration::from_secs(5))),
        ("hardly later", !starves(Duration::from_millis(1_050), Duration::from_millis(50))),
    ];
    let wrong: Vec<_> = checks.iter().filter(|(_, is)| !is).map(|(name, _)| *name).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("judgement: wrong: {}", wrong.join(", "))) }
}

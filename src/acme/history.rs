//! What was tried and with which result, kept in a file: neither restarts nor a second process begin anew, and so none
//! of them exceeds the limits of an authority.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The longest memory: a week, as the limits of authorities have it.
pub(super) const WEEK: u64 = 7 * DAY;
pub(super) const DAY: u64 = 24 * HOUR;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const MINUTE: u64 = 60;

/// More orders than the schedule allows in a week.
const MAX_ENTRIES: usize = 256;

/// The attempts of one directory for one certificate. All times are in seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct AttemptHistory {
    /// When orders were begun.
    pub(super) orders: Vec<u64>,
    pub(super) issued: Vec<IssuedEntry>,
    /// The names of the last attempt, as [`digest_of`].
    pub(super) domains: u64,
    /// Failed attempts in a row.
    pub(super) failures: u32,
    /// When to try again after the last failure.
    pub(super) retry_at: u64,
    /// The authority has asked not to come before this.
    pub(super) not_before: u64,
    /// What the authority suggests for the renewal.
    pub(super) window: Option<RenewalWindow>,
}

/// A certificate that was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IssuedEntry {
    pub(super) at: u64,
    /// Its names, as [`digest_of`].
    pub(super) domains: u64,
}

/// The time in which the authority wants a certificate to be renewed (RFC 9773, 4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RenewalWindow {
    /// The authority's name for the certificate.
    pub(super) certificate: String,
    /// The two are equal if the authority has no suggestion.
    pub(super) start: u64,
    pub(super) end: u64,
    /// When to ask again.
    pub(super) check_at: u64,
}

/// Stands for a list of names, in any order.
pub(super) fn digest_of(domains: &[String]) -> u64 {
    let mut sorted: Vec<_> = domains.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    xxh3_64(sorted.join(" ").as_bytes())
}

// === impl AttemptHistory ===

impl AttemptHistory {
    /// Reads the file. What is damaged or from the future counts as never written.
    pub(super) fn read(text: &[u8], now: u64) -> Self {
        let mut read: Self = serde_json::from_slice(text).unwrap_or_default();
        read.forget_old(now);
        read
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Records an attempt before it begins. It counts as failed, with this pause, until it succeeds: the process may
    /// end before it does.
    pub(super) fn begin(&mut self, now: u64, domains: &[String], pause: u64) {
        let digest = digest_of(domains);
        self.failures = if self.domains == digest { self.failures.saturating_add(1) } else { 1 };
        self.domains = digest;
        self.orders.push(now);
        self.retry_at = now.saturating_add(pause);
        self.forget_old(now);
    }

    /// Records that the attempt has failed. `has_order` says whether the authority has got an order.
    pub(super) fn fail(&mut self, now: u64, pause: u64, not_before: Option<u64>, has_order: bool) {
        if !has_order {
            self.orders.pop();
        }
        self.retry_at = now.saturating_add(pause);
        // A time far ahead must not be kept: each look at the file would move it on.
        self.not_before = not_before.unwrap_or_default().min(now.saturating_add(WEEK));
    }

    /// Records that the attempt has succeeded.
    pub(super) fn succeed(&mut self, now: u64) {
        self.issued.push(IssuedEntry { at: now, domains: self.domains });
        (self.failures, self.retry_at, self.not_before) = (0, 0, 0);
        self.window = None;
    }

    fn forget_old(&mut self, now: u64) {
        let is_recent = |at: u64| at <= now && at.saturating_add(WEEK) > now;
        self.orders.retain(|&at| is_recent(at));
        self.issued.retain(|entry| is_recent(entry.at));
        let excess = self.orders.len().saturating_sub(MAX_ENTRIES);
        self.orders.drain(..excess);
        let excess = self.issued.len().saturating_sub(MAX_ENTRIES);
        self.issued.drain(..excess);
        // No pause is this long: the clock was wrong when it was written. Cut, it would move on with each look.
        let or_now = |at: u64, longest: u64| if at > now.saturating_add(longest) { 0 } else { at };
        self.retry_at = or_now(self.retry_at, 2 * DAY);
        self.not_before = or_now(self.not_before, WEEK);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let now = 1_800_000_000;
        let domains = ["b.test".to_owned(), "a.test".to_owned()];
        let mut history = AttemptHistory::default();
        history.begin(now, &domains, 60);
        assert_eq!((history.failures, history.retry_at), (1, now + 60));
        history.begin(now + 60, &domains, 300);
        history.fail(now + 70, 400, Some(now + 4000), true);
        history.window = Some(RenewalWindow { certificate: "a.b".into(), ..Default::default() });
        assert_eq!(AttemptHistory::read(history.to_text().as_bytes(), now + 80), history);
        assert_eq!(
            (history.failures, history.retry_at, history.not_before),
            (2, now + 470, now + 4000)
        );
        assert_eq!(history.orders, [now, now + 60]);

        let reordered = ["a.test".to_owned(), "b.test".to_owned()];
        assert_eq!(digest_of(&domains), digest_of(&reordered));
        history.succeed(now + 90);
        assert_eq!((history.failures, history.retry_at, history.not_before), (0, 0, 0));
        assert_eq!(history.issued, [IssuedEntry { at: now + 90, domains: digest_of(&domains) }]);
        // Other names begin anew.
        history.begin(now + 100, &domains[..1], 60);
        assert_eq!(history.failures, 1);
        // An attempt that no authority has seen is none of its orders.
        history.fail(now + 110, 30, None, false);
        assert_eq!(history.orders, [now, now + 60]);
    }

    #[test]
    fn pause_of_the_authority_ends_after_a_week() {
        let now = 1_800_000_000;
        let mut history = AttemptHistory::default();
        history.begin(now, &["a.test".to_owned()], 60);
        history.fail(now, 60, Some(u64::MAX), true);
        let read = AttemptHistory::read(history.to_text().as_bytes(), now + WEEK);
        assert_eq!(read.not_before, now + WEEK);
    }

    #[test]
    fn wrong_clock_does_not_last() {
        let mut history = AttemptHistory::default();
        history.begin(4_000_000_000, &["a.test".to_owned()], 60);
        history.not_before = u64::MAX;
        let read = AttemptHistory::read(history.to_text().as_bytes(), 1_800_000_000);
        assert!(read.orders.is_empty());
        assert_eq!((read.retry_at, read.not_before), (0, 0));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<Vec<u8>>(), now in any::<u64>()) {
            prop_assert_eq!(AttemptHistory::read(&text, now), AttemptHistory::default());
            let numbers = "{\"orders\":[18446744073709551615,0],\"retry_at\":18446744073709551615}";
            let mut read = AttemptHistory::read(numbers.as_bytes(), now);
            read.begin(now, &[], u64::MAX);
            read.fail(now, u64::MAX, Some(u64::MAX), true);
        }
    }
}

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
/// The most sets of names, and the most certificates, that are remembered.
const MAX_SETS: usize = 32;

/// The attempts of one account. The limits of its authority hold for all its certificates together, so those of all
/// processes on one directory are counted here. All times are in seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct AttemptHistory {
    /// When orders were begun.
    pub(super) orders: Vec<u64>,
    pub(super) issued: Vec<IssuedEntry>,
    /// The authority has asked not to come before this.
    pub(super) not_before: u64,
    /// The sets of names whose last attempt has failed, the latest attempt at the end.
    pub(super) failed: Vec<FailedNames>,
    /// The suggestions of the authority, one for the renewal of each certificate.
    pub(super) windows: Vec<RenewalWindow>,
}

/// A set of names without success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FailedNames {
    /// The names, as [`digest_of`].
    pub(super) domains: u64,
    /// Failed attempts in a row.
    pub(super) failures: u32,
    /// When to try again after the last failure.
    pub(super) retry_at: u64,
}

/// A certificate that was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IssuedEntry {
    pub(super) at: u64,
    /// Its names, as [`digest_of`].
    pub(super) domains: u64,
}

/// How an attempt has failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FailedAttempt {
    /// The time that the authority has named in `Retry-After`.
    pub(super) not_before: Option<u64>,
    /// Whether the authority may have got a request for an account or an order.
    pub(super) has_order: bool,
    /// Whether the authority has issued a certificate, which cannot be used.
    pub(super) is_issued: bool,
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
        let failures = self.failures_of(domains).saturating_add(1);
        let domains = digest_of(domains);
        self.failed.retain(|names| names.domains != domains);
        self.failed.push(FailedNames { domains, failures, retry_at: now.saturating_add(pause) });
        self.orders.push(now);
        self.forget_old(now);
    }

    /// Records that the attempt which was begun last has failed.
    pub(super) fn fail(&mut self, now: u64, pause: u64, attempt: FailedAttempt) {
        if !attempt.has_order {
            self.orders.pop();
        }
        let retry_at = now.saturating_add(pause);
        if let Some(names) = self.failed.last_mut() {
            names.retry_at = retry_at;
            if attempt.is_issued {
                self.issued.push(IssuedEntry { at: now, domains: names.domains });
            }
        }
        // A time far ahead must not be kept: each look at the file would move it on.
        self.not_before = attempt.not_before.unwrap_or_default().min(now.saturating_add(WEEK));
    }

    /// Records that the attempt which was begun last has succeeded.
    pub(super) fn succeed(&mut self, now: u64) {
        let Some(names) = self.failed.pop() else { return };
        self.issued.push(IssuedEntry { at: now, domains: names.domains });
        self.not_before = 0;
    }

    /// Returns how many attempts for these names have failed in a row.
    pub(super) fn failures_of(&self, domains: &[String]) -> u32 {
        self.failed_names(domains).map_or(0, |names| names.failures)
    }

    /// Returns the failures for a set of names, if its last attempt has failed.
    pub(super) fn failed_names(&self, domains: &[String]) -> Option<&FailedNames> {
        let digest = digest_of(domains);
        self.failed.iter().find(|names| names.domains == digest)
    }

    /// Returns the suggestion for a certificate, by the authority's name for it.
    pub(super) fn window_of(&self, certificate: &str) -> Option<&RenewalWindow> {
        self.windows.iter().find(|window| window.certificate == certificate)
    }

    /// Replaces the suggestion for a certificate.
    pub(super) fn set_window(&mut self, window: RenewalWindow) {
        self.windows.retain(|other| other.certificate != window.certificate);
        self.windows.push(window);
    }

    /// Forgets what is a week old or from the future: then the clock was wrong when it was written. No pause is longer
    /// than two days. Cut to that, a time would move on with each look.
    fn forget_old(&mut self, now: u64) {
        let is_recent = |at: u64| at <= now && at.saturating_add(WEEK) > now;
        let is_near = |at: u64| at <= now.saturating_add(2 * DAY) && at.saturating_add(WEEK) > now;
        self.orders.retain(|&at| is_recent(at));
        self.issued.retain(|entry| is_recent(entry.at));
        self.failed.retain(|names| is_near(names.retry_at));
        // A running process asks again at least once a day.
        self.windows.retain(|window| is_near(window.check_at));
        drop_first(&mut self.orders, MAX_ENTRIES);
        drop_first(&mut self.issued, MAX_ENTRIES);
        drop_first(&mut self.failed, MAX_SETS);
        drop_first(&mut self.windows, MAX_SETS);
        if self.not_before > now.saturating_add(WEEK) {
            self.not_before = 0;
        }
    }
}

/// Removes the first entries of a list that is too long.
fn drop_first<T>(entries: &mut Vec<T>, most: usize) {
    let excess = entries.len().saturating_sub(most);
    entries.drain(..excess);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn read(history: &AttemptHistory, now: u64) -> AttemptHistory {
        AttemptHistory::read(history.to_text().as_bytes(), now)
    }

    fn refused(not_before: Option<u64>) -> FailedAttempt {
        FailedAttempt { not_before, has_order: true, is_issued: false }
    }

    #[test]
    fn what_is_written_is_read() {
        let domains = ["b.test".to_owned(), "a.test".to_owned()];
        let mut history = AttemptHistory::default();
        let entry =
            |failures, retry_at| FailedNames { domains: digest_of(&domains), failures, retry_at };
        history.begin(NOW, &domains, 60);
        assert_eq!(history.failed, [entry(1, NOW + 60)]);
        history.begin(NOW + 60, &domains, 300);
        history.fail(NOW + 70, 400, refused(Some(NOW + 4000)));
        let window =
            RenewalWindow { certificate: "a.b".into(), check_at: NOW, ..Default::default() };
        history.set_window(window);
        assert_eq!(read(&history, NOW + 80), history);
        assert_eq!(history.failed, [entry(2, NOW + 470)]);
        assert_eq!((history.not_before, &history.orders), (NOW + 4000, &vec![NOW, NOW + 60]));

        let reordered = ["a.test".to_owned(), "b.test".to_owned()];
        assert_eq!(history.failures_of(&reordered), 2);
        history.begin(NOW + 80, &reordered, 60);
        history.succeed(NOW + 90);
        assert_eq!((&history.failed, history.not_before), (&vec![], 0));
        assert_eq!(history.issued, [IssuedEntry { at: NOW + 90, domains: digest_of(&domains) }]);
        // An attempt that no authority has seen is none of its orders.
        history.begin(NOW + 100, &domains[..1], 60);
        history.fail(NOW + 110, 30, FailedAttempt::default());
        assert_eq!(history.orders, [NOW, NOW + 60, NOW + 80]);
    }

    #[test]
    fn failures_are_counted_for_each_set_of_names() {
        let (one, other) = (["a.test".to_owned()], ["b.test".to_owned()]);
        let mut history = AttemptHistory::default();
        for failures in 1..4 {
            for names in [&one, &other] {
                history.begin(NOW, names, DAY);
                history.fail(NOW, DAY, refused(None));
                assert_eq!(history.failures_of(names), failures);
            }
        }
        history.begin(NOW, &other, DAY);
        history.succeed(NOW);
        assert_eq!((history.failures_of(&one), history.failures_of(&other)), (3, 0));
    }

    #[test]
    fn certificate_that_cannot_be_used_counts_as_issued() {
        let mut history = AttemptHistory::default();
        history.begin(NOW, &["a.test".to_owned()], 60);
        history.fail(NOW, 60, FailedAttempt { is_issued: true, ..refused(None) });
        assert_eq!((history.issued.len(), history.failed.len()), (1, 1));
    }

    #[test]
    fn pause_of_the_authority_ends_after_a_week() {
        let mut history = AttemptHistory::default();
        history.begin(NOW, &["a.test".to_owned()], 60);
        history.fail(NOW, 60, refused(Some(u64::MAX)));
        assert_eq!(read(&history, NOW + WEEK).not_before, NOW + WEEK);
    }

    #[test]
    fn wrong_clock_does_not_last() {
        let mut history = AttemptHistory::default();
        history.begin(4_000_000_000, &["a.test".to_owned()], 60);
        history.not_before = u64::MAX;
        history.set_window(RenewalWindow { check_at: 4_000_000_000, ..Default::default() });
        assert_eq!(read(&history, NOW), AttemptHistory::default());
    }

    #[test]
    fn file_stays_small() {
        let mut history = AttemptHistory::default();
        for index in 0..1000 {
            history.begin(NOW, &[format!("{index}.test")], 60);
            let certificate = format!("{index}.a");
            history.set_window(RenewalWindow { certificate, check_at: NOW, ..Default::default() });
        }
        let history = read(&history, NOW);
        let lengths = (history.orders.len(), history.failed.len(), history.windows.len());
        assert_eq!(lengths, (MAX_ENTRIES, MAX_SETS, MAX_SETS));
        assert_eq!(history.failures_of(&["999.test".to_owned()]), 1);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<Vec<u8>>(), now in any::<u64>()) {
            prop_assert_eq!(AttemptHistory::read(&text, now), AttemptHistory::default());
            let numbers = "{\"orders\":[18446744073709551615,0],\"not_before\":18446744073709551615}";
            let mut read = AttemptHistory::read(numbers.as_bytes(), now);
            read.begin(now, &[], u64::MAX);
            read.fail(now, u64::MAX, refused(Some(u64::MAX)));
        }
    }
}

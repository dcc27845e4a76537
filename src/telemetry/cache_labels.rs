//! The values of labels about the cache. Outcomes of requests have the words of [`CacheOutcome`](crate::rfc::caching).

use crate::rfc::caching::{NotStorable, StaleReason};

/// Why stale responses are used.
pub(super) const STALE_REASONS: [StaleReason; 4] =
    [StaleReason::Revalidating, StaleReason::Error, StaleReason::Unavailable, StaleReason::Busy];

/// Returns the label's value for a reason.
pub(super) fn stale_name(reason: StaleReason) -> &'static str {
    match reason {
        StaleReason::Revalidating => "revalidating",
        StaleReason::Error => "error",
        StaleReason::Unavailable => "unavailable",
        StaleReason::Busy => "busy",
    }
}

/// Why a response was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStoredLabel {
    /// By the rules for shared caches.
    Rule(NotStorable),
    /// It varies by what is not compared: a cookie that may be a session, or a field that Sideman makes.
    Varies,
    /// It is a page under the name of a file.
    Disguised,
    /// It streams, or is not sent as the application made it.
    Special,
    /// It is longer than the cache stores.
    TooLong,
}

/// What a purge named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeLabel {
    Url,
    /// All URLs below a path.
    Prefix,
    Tag,
    /// Everything.
    All,
}

// === impl NotStoredLabel ===

impl NotStoredLabel {
    const OTHERS: [Self; 4] = [Self::Varies, Self::Disguised, Self::Special, Self::TooLong];
    pub(super) const COUNT: usize = NotStorable::ALL.len() + Self::OTHERS.len();

    /// Iterates over all reasons.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        NotStorable::ALL.into_iter().map(Self::Rule).chain(Self::OTHERS)
    }

    /// Returns its position among all reasons.
    pub(super) fn index(self) -> usize {
        let rules = NotStorable::ALL.len();
        match self {
            Self::Rule(rule) => rule as usize,
            Self::Varies => rules,
            Self::Disguised => rules + 1,
            Self::Special => rules + 2,
            Self::TooLong => rules + 3,
        }
    }

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.name(),
            Self::Varies => "varies",
            Self::Disguised => "disguised",
            Self::Special => "special",
            Self::TooLong => "too-long",
        }
    }
}

// === impl PurgeLabel ===

impl PurgeLabel {
    pub const ALL: [Self; 4] = [Self::Url, Self::Prefix, Self::Tag, Self::All];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Prefix => "prefix",
            Self::Tag => "tag",
            Self::All => "all",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_in_their_order() {
        let indices: Vec<_> = NotStoredLabel::all().map(NotStoredLabel::index).collect();
        assert_eq!(indices, (0..NotStoredLabel::COUNT).collect::<Vec<_>>());
        let rules = NotStorable::ALL.map(|rule| rule as usize);
        assert_eq!(rules.to_vec(), (0..rules.len()).collect::<Vec<_>>());
        let stale = STALE_REASONS.map(|reason| reason as usize);
        assert_eq!(stale, [0, 1, 2, 3]);
    }
}

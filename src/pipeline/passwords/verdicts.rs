//! Remembers for a while which credentials are right and which are wrong. The memory has a limit: at most four thousand
//! tags.

use std::{
    collections::HashSet,
    mem,
    time::{Duration, Instant},
};

/// Stands for a name, a password and a stored hash.
pub(super) type Tag = [u8; 32];

/// Right credentials are forgotten when they were not used for this time, or for twice as long.
const RIGHT_FOR: Duration = Duration::from_secs(5 * 60);
/// Wrong ones are forgotten after this time, or after twice as long.
const WRONG_FOR: Duration = Duration::from_secs(30);
/// Maximum number of tags in one set.
const MAX_TAGS: usize = 1024;

/// The results of checks.
#[derive(Debug)]
pub(super) struct Verdicts {
    right: RecentTags,
    wrong: RecentTags,
}

/// Two sets of tags: the newer ones, and those before them, which are forgotten next.
#[derive(Debug)]
struct RecentTags {
    period: Duration,
    newer: HashSet<Tag>,
    older: HashSet<Tag>,
    /// When the newer ones began.
    began: Option<Instant>,
}

// === impl Verdicts ===

impl Default for Verdicts {
    fn default() -> Self {
        Self { right: RecentTags::new(RIGHT_FOR), wrong: RecentTags::new(WRONG_FOR) }
    }
}

impl Verdicts {
    /// Returns whether the credentials are right, if that is known.
    pub(super) fn get(&mut self, tag: &Tag, now: Instant) -> Option<bool> {
        if self.right.contains(tag, now) {
            // They are in use, so they stay.
            self.right.insert(*tag, now);
            return Some(true);
        }
        self.wrong.contains(tag, now).then_some(false)
    }

    pub(super) fn insert(&mut self, tag: Tag, is_right: bool, now: Instant) {
        // Wrong ones have a set of their own, so that guesses do not drop right ones.
        let tags = if is_right { &mut self.right } else { &mut self.wrong };
        tags.insert(tag, now);
    }
}

// === impl RecentTags ===

impl RecentTags {
    fn new(period: Duration) -> Self {
        Self { period, newer: HashSet::new(), older: HashSet::new(), began: None }
    }

    fn contains(&mut self, tag: &Tag, now: Instant) -> bool {
        self.age(now);
        self.newer.contains(tag) || self.older.contains(tag)
    }

    fn insert(&mut self, tag: Tag, now: Instant) {
        self.age(now);
        if self.newer.len() >= MAX_TAGS && !self.newer.contains(&tag) {
            self.rotate(now);
        }
        self.newer.insert(tag);
    }

    /// Forgets what is too old.
    fn age(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let age = now.saturating_duration_since(began);
        if age >= self.period {
            self.rotate(now);
        }
        if age >= self.period.saturating_mul(2) {
            self.older.clear();
        }
    }

    fn rotate(&mut self, now: Instant) {
        self.older = mem::take(&mut self.newer);
        self.began = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(number: usize) -> Tag {
        let mut tag = Tag::default();
        tag[..8].copy_from_slice(&number.to_le_bytes());
        tag
    }

    #[test]
    fn right_ones_stay_while_they_are_used() {
        let (mut verdicts, begin) = (Verdicts::default(), Instant::now());
        let at = |minutes: u64| begin + Duration::from_secs(60 * minutes);
        verdicts.insert(tag(1), true, at(0));
        verdicts.insert(tag(2), true, at(0));
        for minutes in [1, 4, 8, 12, 16] {
            assert_eq!(verdicts.get(&tag(1), at(minutes)), Some(true), "{minutes}");
        }
        assert_eq!(verdicts.get(&tag(2), at(16)), None);
        assert_eq!(verdicts.get(&tag(1), at(27)), None);
    }

    #[test]
    fn wrong_ones_are_forgotten_whether_used_or_not() {
        let (mut verdicts, begin) = (Verdicts::default(), Instant::now());
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        verdicts.insert(tag(1), false, at(0));
        for seconds in [1, 29, 31, 59] {
            assert_eq!(verdicts.get(&tag(1), at(seconds)), Some(false), "{seconds}");
        }
        assert_eq!(verdicts.get(&tag(1), at(61)), None);
    }

    #[test]
    fn guesses_fill_their_own_set_only() {
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        verdicts.insert(tag(1), true, now);
        for number in 2..100_000 {
            verdicts.insert(tag(number), false, now);
        }
        assert_eq!(verdicts.get(&tag(1), now), Some(true));
        assert!(verdicts.wrong.newer.len() + verdicts.wrong.older.len() <= 2 * MAX_TAGS);
        for number in 100_000..200_000 {
            verdicts.insert(tag(number), true, now);
        }
        assert!(verdicts.right.newer.len() + verdicts.right.older.len() <= 2 * MAX_TAGS);
    }
}

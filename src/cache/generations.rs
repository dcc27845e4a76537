//! Generations: purges without a walk over all entries. A purge writes its number to the slots of what it purges. A
//! response is purged if one of its slots has a number that is newer than its request.

use std::sync::atomic::Ordering;

use super::tags::{PurgeMode, TagSlots};
use crate::sync::AtomicU64;

/// The number of purges so far. A response keeps that of the moment when its request was sent: a purge that comes
/// between the request and the response purges it too, because the response may show what was before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

/// The slots, and the number of the latest purge.
#[derive(Debug)]
pub(super) struct Generations {
    latest: AtomicU64,
    slots: Box<[PurgeSlot]>,
}

/// What several tags share: those whose hashes are equal in the bits that select a slot.
#[derive(Debug, Default)]
struct PurgeSlot {
    /// The number of the latest purge of each mode.
    hard: AtomicU64,
    soft: AtomicU64,
    /// The number of entries with this slot that no purge of this slot has dropped.
    entries: AtomicU64,
}

/// What purges have made of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purged {
    No,
    /// It is stale.
    Soft,
    /// It must not be used at all.
    Hard,
}

/// The latest check of one response, so that the next one is a comparison of two numbers unless there was a purge.
#[derive(Debug)]
pub(super) struct LatestCheck(AtomicU64);

/// Bytes of memory for each slot: the table is a small part of the cache.
const MEMORY_PER_SLOT: u64 = 1024;
const MIN_SLOTS: u64 = 1024;
const MAX_SLOTS: u64 = 1 << 18;

// === impl Generations ===

impl Generations {
    /// Returns the number of slots for a cache of so many bytes.
    pub(super) fn slots_for(memory: u64) -> usize {
        let slots = (memory / MEMORY_PER_SLOT).clamp(MIN_SLOTS, MAX_SLOTS);
        usize::try_from(slots).unwrap_or(usize::MAX)
    }

    pub(super) fn new(slots: usize) -> Self {
        let slots = (0..slots).map(|_| PurgeSlot::default()).collect();
        Self { latest: AtomicU64::new(0), slots }
    }

    /// Returns the number of slots.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Returns the generation of a request that is sent now.
    pub(super) fn current(&self) -> Generation {
        Generation(self.latest.load(Ordering::Acquire))
    }

    /// Purges the slots, and returns how many entries they had. Only one thread at a time may call it, or change
    /// entries: the caller has a lock for both.
    pub(super) fn purge(&self, slots: impl IntoIterator<Item = u32>, mode: PurgeMode) -> u64 {
        let number = self.latest.load(Ordering::Relaxed) + 1;
        let mut entries = 0;
        for slot in slots {
            let Some(slot) = self.slot(slot) else { continue };
            entries += slot.entries.load(Ordering::Relaxed);
            match mode {
                PurgeMode::Soft => slot.soft.store(number, Ordering::Relaxed),
                PurgeMode::Hard => {
                    slot.hard.store(number, Ordering::Relaxed);
                    slot.entries.store(0, Ordering::Relaxed);
                }
            }
        }
        // Last: whoever sees the number sees the slots, and `LatestCheck` relies on that.
        self.latest.store(number, Ordering::Release);
        entries
    }

    /// Counts an entry in its slots.
    pub(super) fn count(&self, tags: &TagSlots, sent: Generation) {
        for slot in self.counting(tags, sent) {
            slot.entries.store(slot.entries.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// Takes back what `count` did for the entry.
    pub(super) fn uncount(&self, tags: &TagSlots, sent: Generation) {
        for slot in self.counting(tags, sent) {
            let less = slot.entries.load(Ordering::Relaxed).saturating_sub(1);
            slot.entries.store(less, Ordering::Relaxed);
        }
    }

    /// Returns what purges have made of a response with these tags.
    pub(super) fn state(&self, tags: &TagSlots, sent: Generation, check: &LatestCheck) -> Purged {
        let latest = self.latest.load(Ordering::Acquire);
        if let Some(state) = check.at(latest) {
            return state;
        }
        let slots = || tags.iter().filter_map(|slot| self.slot(slot));
        if slots().any(|slot| slot.hard.load(Ordering::Relaxed) > sent.0) {
            return Purged::Hard;
        }
        let is_soft = slots().any(|slot| slot.soft.load(Ordering::Relaxed) > sent.0);
        check.keep(latest, is_soft);
        if is_soft { Purged::Soft } else { Purged::No }
    }

    /// Returns the slots in which the entry counts: the others have dropped it.
    fn counting(&self, tags: &TagSlots, sent: Generation) -> impl Iterator<Item = &PurgeSlot> {
        let is_counting = move |slot: &&PurgeSlot| slot.hard.load(Ordering::Relaxed) <= sent.0;
        tags.iter().filter_map(|slot| self.slot(slot)).filter(is_counting)
    }

    fn slot(&self, slot: u32) -> Option<&PurgeSlot> {
        self.slots.get(usize::try_from(slot).ok()?)
    }
}

// === impl LatestCheck ===

impl Default for LatestCheck {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl LatestCheck {
    /// Returns the state if no purge came after the check.
    fn at(&self, latest: u64) -> Option<Purged> {
        let check = self.0.load(Ordering::Relaxed);
        let state = if check & 1 == 1 { Purged::Soft } else { Purged::No };
        (check >> 1 == latest).then_some(state)
    }

    fn keep(&self, latest: u64, is_soft: bool) {
        self.0.store(latest << 1 | u64::from(is_soft), Ordering::Relaxed);
    }
}

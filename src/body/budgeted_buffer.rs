//! Bytes buffered in memory, within the budget. Small chunks are copied together, because each chunk keeps alive all of
//! the memory that it was read into. For a byte that arrives alone, that is a thousand times its size.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::budget::{Budget, Reservation};

/// A queue of bytes. It always accepts bytes, and then reports whether the budget covers them.
#[derive(Debug)]
pub(super) struct BudgetedBuffer {
    /// Each with the size of the memory behind it.
    parts: VecDeque<(Bytes, u64)>,
    /// Comes after the parts: small chunks, copied together.
    tail: BytesMut,
    /// Bytes in parts and tail.
    length: u64,
    /// The memory behind them, in bytes.
    held: u64,
    /// The memory of the part that was popped last. It is in use until the next part is popped.
    in_hand: u64,
    /// Covers as much of `held` as the budget has granted, and `in_hand`.
    reservation: Reservation,
    /// Chunks of at least this size are not copied.
    large: usize,
}

/// The minimum and maximum size of the memory that small chunks are copied into.
const SEGMENT_SIZES: (u64, u64) = (4 * 1024, 32 * 1024);
/// The largest buffer that chunks are read into.
const MAX_READ_BUFFER: u64 = 64 * 1024;

/// Estimates the memory that a chunk of `length` bytes keeps alive. It was read into a buffer of a round size, and its
/// neighbours in there may be dropped.
fn memory_behind(length: u64) -> u64 {
    if length <= MAX_READ_BUFFER { length.next_power_of_two() } else { length }
}

// === impl BudgetedBuffer ===

impl BudgetedBuffer {
    /// Creates an empty buffer. Chunks of at least `large` bytes are not copied.
    pub(super) fn new(memory: &Budget, large: usize) -> Self {
        Self {
            parts: VecDeque::new(),
            tail: BytesMut::new(),
            length: 0,
            held: 0,
            in_hand: 0,
            reservation: memory.nothing(),
            large,
        }
    }

    /// Returns the number of buffered bytes.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Returns the memory behind them, in bytes.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether the budget covers all that is held.
    pub(super) fn is_within_budget(&mut self) -> bool {
        let missing = (self.held + self.in_hand).saturating_sub(self.reservation.amount());
        missing == 0 || self.reservation.grow(missing)
    }

    /// Appends bytes. Returns `false` if the budget does not cover them: the caller must then move them elsewhere soon.
    pub(super) fn push(&mut self, data: Bytes) -> bool {
        let length = data.len() as u64;
        if length == 0 {
            return self.is_within_budget();
        }
        // The first chunk is usually the only one.
        if self.length == 0 || data.len() >= self.large {
            self.seal();
            let behind = memory_behind(length);
            self.held += behind;
            self.parts.push_back((data, behind));
        } else {
            let spare = self.tail.capacity() - self.tail.len();
            if spare < data.len() {
                self.seal();
                self.tail = self.segment(data.len());
            }
            self.tail.extend_from_slice(&data);
        }
        self.length += length;
        self.is_within_budget()
    }

    /// Removes and returns the first bytes. Their memory stays reserved until the next call.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        if self.parts.is_empty() {
            self.seal();
        }
        self.in_hand = 0;
        self.reservation.shrink_to(self.held);
        let (part, behind) = self.parts.pop_front()?;
        self.length -= part.len() as u64;
        self.held -= behind;
        self.in_hand = self.reservation.amount().saturating_sub(self.held);
        Some(part)
    }

    /// Iterates over all bytes without copying them.
    pub(super) fn parts(&mut self) -> impl Iterator<Item = &Bytes> {
        self.seal();
        self.parts.iter().map(|(part, _)| part)
    }

    /// Returns the part with this number, once everything is [sealed](Self::seal).
    pub(super) fn part(&self, index: usize) -> Option<&Bytes> {
        self.parts.get(index).map(|(part, _)| part)
    }

    /// Takes everything and leaves an empty buffer.
    pub(super) fn take(&mut self, memory: &Budget) -> Self {
        let empty = Self::new(memory, self.large);
        std::mem::replace(self, empty)
    }

    /// Allocates memory for small chunks. The size grows with the body, so that a thousand slow clients hold little. If
    /// the budget has no more, it is exactly as large as needed.
    fn segment(&mut self, min: usize) -> BytesMut {
        let wanted = self.held.clamp(SEGMENT_SIZES.0, SEGMENT_SIZES.1).max(min as u64);
        let missing = (self.held + self.in_hand + wanted).saturating_sub(self.reservation.amount());
        let capacity = if self.reservation.grow(missing) { wanted } else { min as u64 };
        let segment = BytesMut::with_capacity(usize::try_from(capacity).unwrap_or(min));
        self.held += segment.capacity() as u64;
        segment
    }

    /// Turns the tail into a part.
    pub(super) fn seal(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            let reserved = tail.capacity() as u64;
            // At least half of the held memory is bytes.
            let (part, behind) = if reserved > 2 * tail.len() as u64 {
                (Bytes::copy_from_slice(&tail), tail.len() as u64)
            } else {
                (tail.freeze(), reserved)
            };
            self.held = self.held - reserved + behind;
            self.reservation.shrink_to(self.held + self.in_hand);
            self.parts.push_back((part, behind));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::{Arc, atomic::Ordering};

    use crate::sync::AtomicU64;

    fn budget(limit: u64) -> (Budget, Arc<AtomicU64>) {
        let used = Arc::<AtomicU64>::default();
        (Budget::new(limit, Arc::clone(&used)), used)
    }

    #[test]
    fn one_piece_is_not_copied() {
        let (memory, used) = budget(1 << 20);
        let data = Bytes::from(vec![1; 10_000]);
        let mut waiting = BudgetedBuffer::new(&memory, usize::MAX);
        assert!(waiting.push(data.clone()));
        assert_eq!(used.load(Ordering::Relaxed), 16_384);
        assert_eq!(waiting.part(0).map(|part| part.as_ptr()), Some(data.as_ptr()));
        drop(waiting);
        assert_eq!(used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_byte_at_a_time_takes_about_its_size() {
        let (memory, used) = budget(1 << 30);
        let mut waiting = BudgetedBuffer::new(&memory, 8192);
        for _ in 0..100_000 {
            assert!(waiting.push(Bytes::from_static(b"x")));
        }
        assert!(used.load(Ordering::Relaxed) <= 100_000 + SEGMENT_SIZES.1);
        assert!(waiting.parts.len() < 10);
    }

    #[test]
    fn part_in_hand_counts_until_the_next_is_asked_for() {
        let (memory, used) = budget(1 << 20);
        let mut waiting = BudgetedBuffer::new(&memory, 1024);
        assert!(
            waiting.push(Bytes::from(vec![1; 3000])) && waiting.push(Bytes::from(vec![2; 2000]))
        );
        let counts: Vec<_> =
            (0..4).map(|_| (waiting.pop().is_some(), used.load(Ordering::Relaxed))).collect();
        assert_eq!(counts, [(true, 4096 + 2048), (true, 2048), (false, 0), (false, 0)]);
    }

    #[test]
    fn chunk_over_budget_does_not_block_the_next_one() {
        let (memory, _) = budget(0);
        let mut waiting = BudgetedBuffer::new(&memory, 1024);
        assert!(!waiting.push(Bytes::from(vec![1; 3000])));
        assert!(waiting.pop().is_some() && waiting.is_within_budget());
    }

    proptest! {
        #[test]
        fn bytes_are_returned_unchanged(
            limit in 0..60_000_u64,
            large in 1..9_000_usize,
            steps in proptest::collection::vec(prop_oneof![
                (0..6_000_usize).prop_map(Some), (0..10_usize).prop_map(Some), Just(None),
            ], 0..60),
        ) {
            let (memory, used) = budget(limit);
            let mut waiting = BudgetedBuffer::new(&memory, large);
            let (mut given, mut received) = (Vec::new(), Vec::new());
            for step in steps {
                match step {
                    Some(length) => {
                        let from = given.len();
                        given.extend((from..from + length).map(|byte| (byte % 251) as u8));
                        let fits = waiting.push(Bytes::copy_from_slice(&given[from..]));
                        prop_assert!(!fits || used.load(Ordering::Relaxed) >= waiting.len());
                    }
                    None => received.extend(waiting.pop().unwrap_or_default()),
                }
                prop_assert!(used.load(Ordering::Relaxed) <= limit);
                prop_assert_eq!(waiting.len() as usize, given.len() - received.len());
                prop_assert_eq!(waiting.is_empty(), given.len() == received.len());
                if waiting.is_empty() && waiting.pop().is_none() {
                    prop_assert_eq!(used.load(Ordering::Relaxed), 0);
                }
            }
            received.extend(waiting.parts().flatten());
            prop_assert_eq!(received, given);
            drop(waiting);
            prop_assert_eq!(used.load(Ordering::Relaxed), 0);
        }
    }
}

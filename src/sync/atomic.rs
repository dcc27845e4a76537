//! Atomic numbers that record the values stored in them during a run. A load returns any value that the memory model
//! allows. It returns no value older than those its thread knows of, and with `SeqCst` none older than the last
//! `SeqCst` store. Stores are in the order in which they happen, and a read-modify-write sees the last value.

use std::{
    fmt,
    panic::Location,
    sync::{
        Mutex,
        atomic::{self, Ordering},
    },
};

use super::{
    explore::{CurrentThread, here},
    order::{Access, MAX_THREADS, VectorClock, join},
};

/// A number, and the values stored in it during a run.
pub(super) struct TracedCell {
    number: atomic::AtomicU64,
    history: Mutex<StoreHistory>,
}

#[derive(Default)]
struct StoreHistory {
    run: u64,
    stores: Vec<TracedStore>,
    /// The last store that each thread has read or made, and when.
    seen: [(usize, u32); MAX_THREADS],
}

struct TracedStore {
    value: u64,
    /// The thread that made it, and the time by that thread's clock.
    thread: usize,
    time: u32,
    /// The knowledge of a thread that reads it with `Acquire`.
    release: Option<VectorClock>,
    is_ordered: bool,
}

// === impl TracedCell ===

impl TracedCell {
    const fn new(number: u64) -> Self {
        let history = StoreHistory { run: 0, stores: Vec::new(), seen: [(0, 0); MAX_THREADS] };
        Self { number: atomic::AtomicU64::new(number), history: Mutex::new(history) }
    }

    #[track_caller]
    fn load(&self, order: Ordering) -> u64 {
        let Some(here) = here() else { return self.number.load(Ordering::SeqCst) };
        here.stop(Access::Read(self.address()), Location::caller());
        let mut history = self.history(&here);
        let oldest = history.oldest(&here, order);
        let index = oldest + here.choose(history.stores.len() - oldest);
        history.read(&here, index, order)
    }

    #[track_caller]
    fn store(&self, value: u64, order: Ordering) {
        let Some(here) = here() else { return self.number.store(value, Ordering::SeqCst) };
        here.stop(Access::Write(self.address()), Location::caller());
        self.history(&here).store(&here, value, order, None);
        self.number.store(value, Ordering::SeqCst);
    }

    /// Replaces the value by the result of `change`, and returns the old value.
    #[track_caller]
    fn change(&self, order: Ordering, mut change: impl FnMut(u64) -> u64) -> u64 {
        let Some(here) = here() else {
            let changed = self
                .number
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(change(now)));
            return changed.unwrap_or_else(|now| now);
        };
        here.stop(Access::Write(self.address()), Location::caller());
        let mut history = self.history(&here);
        self.exchange(&mut history, &here, order, change)
    }

    fn exchange(
        &self,
        history: &mut StoreHistory,
        here: &CurrentThread,
        order: Ordering,
        change: impl FnOnce(u64) -> u64,
    ) -> u64 {
        let last = history.stores.len() - 1;
        let before = history.read(here, last, order);
        let value = change(before);
        let release = history.stores[last].release;
        history.store(here, value, order, release);
        self.number.store(value, Ordering::SeqCst);
        before
    }

    /// As in the standard library: a load, then compare and exchange until it succeeds.
    #[track_caller]
    fn update(
        &self,
        set: Ordering,
        fetch: Ordering,
        mut change: impl FnMut(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        let Some(here) = here() else {
            return self.number.fetch_update(Ordering::SeqCst, Ordering::SeqCst, change);
        };
        let mut before = self.load(fetch);
        while let Some(next) = change(before) {
            here.stop(Access::Write(self.address()), Location::caller());
            let mut history = self.history(&here);
            let last = history.stores.len() - 1;
            let now = history.stores[last].value;
            if now == before {
                return Ok(self.exchange(&mut history, &here, set, |_| next));
            }
            before = history.read(&here, last, fetch);
        }
        Err(before)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn history(&self, here: &CurrentThread) -> std::sync::MutexGuard<'_, StoreHistory> {
        let mut history = self.history.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if history.run != here.run.id {
            let value = self.number.load(Ordering::SeqCst);
            let first = TracedStore { value, thread: 0, time: 0, release: None, is_ordered: true };
            *history =
                StoreHistory { run: here.run.id, stores: vec![first], ..StoreHistory::default() };
        }
        history
    }
}

// === impl StoreHistory ===

impl StoreHistory {
    /// Returns the oldest store that a load may read.
    fn oldest(&self, here: &CurrentThread, order: Ordering) -> usize {
        let clock = here.clock();
        let known = |store: &TracedStore| {
            store.time <= clock[store.thread] || order == Ordering::SeqCst && store.is_ordered
        };
        let stored = self.stores.iter().rposition(known).unwrap_or(0);
        let seen = self.seen.iter().zip(clock).filter(|((_, time), now)| time <= now);
        seen.map(|((index, _), _)| *index).fold(stored, usize::max)
    }

    fn read(&mut self, here: &CurrentThread, index: usize, order: Ordering) -> u64 {
        let store = &self.stores[index];
        let value = store.value;
        if let (Some(release), true) = (&store.release, acquires(order)) {
            here.learn(release);
        }
        self.see(here, index);
        value
    }

    fn store(
        &mut self,
        here: &CurrentThread,
        value: u64,
        order: Ordering,
        kept: Option<VectorClock>,
    ) {
        let clock = here.clock();
        let mut release = kept;
        if releases(order) {
            join(release.get_or_insert_default(), &clock);
        }
        let (thread, is_ordered) = (here.thread, order == Ordering::SeqCst);
        self.stores.push(TracedStore { value, thread, time: clock[thread], release, is_ordered });
        self.see(here, self.stores.len() - 1);
    }

    fn see(&mut self, here: &CurrentThread, index: usize) {
        self.seen[here.thread] = (index, here.clock()[here.thread]);
    }
}

fn acquires(order: Ordering) -> bool {
    matches!(order, Ordering::Acquire | Ordering::AcqRel | Ordering::SeqCst)
}

fn releases(order: Ordering) -> bool {
    matches!(order, Ordering::Release | Ordering::AcqRel | Ordering::SeqCst)
}

macro_rules! number {
    ($name:ident, $number:ty) => {
        /// Like the method of the standard library.
        #[allow(unreachable_pub, reason = "public types have such numbers")]
        pub struct $name(TracedCell);

        #[allow(dead_code, reason = "each has what any of them needs")]
        #[allow(clippy::as_conversions, reason = "no number is longer than 64 bits")]
        impl $name {
            pub(crate) const fn new(number: $number) -> Self {
                Self(TracedCell::new(number as u64))
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $number {
                self.0.load(order) as $number
            }

            #[track_caller]
            pub(crate) fn store(&self, number: $number, order: Ordering) {
                self.0.store(number as u64, order);
            }

            #[track_caller]
            pub(crate) fn swap(&self, number: $number, order: Ordering) -> $number {
                self.0.change(order, |_| number as u64) as $number
            }

            #[track_caller]
            pub(crate) fn fetch_add(&self, more: $number, order: Ordering) -> $number {
                self.0.change(order, |now| (now as $number).wrapping_add(more) as u64) as $number
            }

            #[track_caller]
            pub(crate) fn fetch_sub(&self, less: $number, order: Ordering) -> $number {
                self.0.change(order, |now| (now as $number).wrapping_sub(less) as u64) as $number
            }

            #[track_caller]
            pub(crate) fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut change: impl FnMut($number) -> Option<$number>,
            ) -> Result<$number, $number> {
                let change = |now| change(now as $number).map(|next| next as u64);
                match self.0.update(set, fetch, change) {
                    Ok(before) => Ok(before as $number),
                    Err(now) => Err(now as $number),
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new(0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.number.fmt(f)
            }
        }
    };
}

number!(AtomicU64, u64);
number!(AtomicUsize, usize);

/// Like the function of the standard library.
pub(crate) struct AtomicBool(TracedCell);

impl AtomicBool {
    pub(crate) const fn new(value: bool) -> Self {
        Self(TracedCell::new(value as u64))
    }

    #[track_caller]
    pub(crate) fn load(&self, order: Ordering) -> bool {
        self.0.load(order) != 0
    }

    #[track_caller]
    pub(crate) fn store(&self, value: bool, order: Ordering) {
        self.0.store(value.into(), order);
    }

    #[track_caller]
    pub(crate) fn swap(&self, value: bool, order: Ordering) -> bool {
        self.0.change(order, |_| value.into()) != 0
    }
}

impl fmt::Debug for AtomicBool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.number.fmt(f)
    }
}

//! How many handshakes the process is at: the acceptor takes a place before it accepts a connection
//! that begins with one.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The places that there are.
#[derive(Clone, Debug)]
pub(in crate::server) struct Places {
    most: u64,
    taken: Arc<AtomicU64>,
}

/// One of them, until dropped.
#[derive(Debug)]
pub(in crate::server) struct Place(Arc<AtomicU64>);

// === impl Places ===

impl Places {
    /// So many, counted in `taken`.
    pub(super) fn new(most: usize, taken: Arc<AtomicU64>) -> Self {
        Self { most: most as u64, taken }
    }

    /// How many there are.
    pub(in crate::server) fn most(&self) -> usize {
        usize::try_from(self.most).unwrap_or(usize::MAX)
    }

    /// Takes one if there is one. Only the acceptor does.
    pub(in crate::server) fn take(&self) -> Option<Place> {
        if self.taken.load(Ordering::Relaxed) >= self.most {
            return None;
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        Some(Place(Arc::clone(&self.taken)))
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_until_it_is_dropped() {
        let taken = Arc::<AtomicU64>::default();
        let places = Places::new(2, Arc::clone(&taken));
        let (first, second) = (places.take(), places.take());
        assert!(first.is_some() && second.is_some() && places.take().is_none());
        assert_eq!(taken.load(Ordering::Relaxed), 2);
        drop(first);
        assert!(places.take().is_some());
        drop(second);
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }
}

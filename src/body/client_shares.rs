//! Counts how much of a resource each client holds, so that one client cannot use up what others need. The last quarter
//! is for clients that hold less than a quarter. Clients share counters by a hash, so there is no lock, and no memory
//! that grows with the clients. Two clients rarely have one counter, and it does no harm then.

use std::{
    hash::{BuildHasher as _, DefaultHasher, Hash, Hasher as _, RandomState},
    sync::{Arc, LazyLock, atomic::Ordering},
};

use crate::sync::AtomicU64;

const COUNTERS: u64 = 4096;

/// The amount that each client holds.
#[derive(Debug)]
pub struct ClientShares {
    held: Vec<AtomicU64>,
    /// The number of refusals.
    refused: Arc<AtomicU64>,
}

/// The number of a client's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientShare(u16);

/// The seed belongs to this process alone, so nobody can choose addresses that share a counter. In tests it is fixed,
/// so that they do not depend on chance.
static SEED: LazyLock<u64> =
    LazyLock::new(|| if cfg!(test) { 0 } else { RandomState::new().hash_one(0) });

// === impl ClientShare ===

impl ClientShare {
    /// Returns the counter of a client. It is the same in all `ClientShares`.
    pub fn of(client: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        (*SEED, client).hash(&mut hasher);
        Self((hasher.finish() % COUNTERS) as u16)
    }
}

// === impl ClientShares ===

impl ClientShares {
    /// Creates empty shares; counts refusals in `refused`.
    pub fn new(refused: Arc<AtomicU64>) -> Self {
        let held = (0..COUNTERS).map(|_| AtomicU64::default()).collect();
        Self { held, refused }
    }

    /// Adds `amount` to what a client holds; `used` is what all clients hold with it. Returns `false`, and adds
    /// nothing, if the client may not hold so much.
    pub fn take(&self, share: ClientShare, amount: u64, used: u64, limit: u64) -> bool {
        let Some(held) = self.held.get(usize::from(share.0)) else { return true };
        // Each counter holds a sum alone, so no order with other accesses matters.
        let now = held.fetch_add(amount, Ordering::Relaxed).saturating_add(amount);
        if used <= max(limit) || now <= limit / 4 {
            return true;
        }
        held.fetch_sub(amount, Ordering::Relaxed);
        self.refused.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Adds `amount` to what a client holds, without a limit.
    pub fn add(&self, share: ClientShare, amount: u64) {
        if let Some(held) = self.held.get(usize::from(share.0)) {
            held.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Returns the amount that a client holds.
    pub fn held(&self, share: ClientShare) -> u64 {
        self.held.get(usize::from(share.0)).map_or(0, |held| held.load(Ordering::Relaxed))
    }

    /// Subtracts the `amount` that a client has returned.
    pub fn give_back(&self, share: ClientShare, amount: u64) {
        if let Some(held) = self.held.get(usize::from(share.0)) {
            held.fetch_sub(amount, Ordering::Relaxed);
        }
    }
}

/// Returns the amount that one client can hold if the others hold none.
pub(super) fn max(limit: u64) -> u64 {
    limit - limit / 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares() -> (ClientShares, Arc<AtomicU64>) {
        let refused = Arc::<AtomicU64>::default();
        (ClientShares::new(Arc::clone(&refused)), refused)
    }

    proptest! {
        #[test]
        fn small_clients_always_have_the_last_quarter(
            limit in 0..200_u64,
            steps in proptest::collection::vec((0..3_u16, 1..60_u64, any::<bool>()), 0..80),
        ) {
            let (shares, refused) = shares();
            let mut held = [0_u64; 3];
            let mut refusals = 0;
            for (client, amount, gives_back) in steps {
                let (share, held) = (ClientShare(client), &mut held);
                let client = usize::from(client);
                if gives_back {
                    let amount = amount.min(held[client]);
                    held[client] -= amount;
                    shares.give_back(share, amount);
                    continue;
                }
                let used = held.iter().sum::<u64>() + amount;
                if used > limit {
                    continue;
                }
                let may = shares.take(share, amount, used, limit);
                // A client that holds little may take all that is left; one that holds much leaves a quarter.
                prop_assert_eq!(may, held[client] + amount <= limit / 4 || used <= limit - limit / 4);
                if may { held[client] += amount } else { refusals += 1 }
            }
            prop_assert_eq!(refused.load(Ordering::Relaxed), refusals);
            for (client, amount) in (0..).zip(held) {
                shares.give_back(ClientShare(client), amount);
                prop_assert_eq!(shares.held[usize::from(client)].load(Ordering::Relaxed), 0);
            }
        }
    }

    #[test]
    fn client_keeps_its_counter() {
        assert_eq!(ClientShare::of("192.0.2.1"), ClientShare::of("192.0.2.1"));
        let different = (0..100).map(|number| ClientShare::of(number).0);
        assert!(different.collect::<std::collections::BTreeSet<_>>().len() > 80);
    }
}

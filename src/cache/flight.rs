//! One request to the application for each key, however many clients ask at once and on whichever worker (request
//! collapsing). The first one leads; the others wait for what it brings, and hold no permit meanwhile.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{key::PassThrough, stored::StoredResponse};
use crate::error::FailureKind;

const SHARDS: usize = 16;

/// The requests under way whose responses others may wait for.
#[derive(Debug, Default)]
pub(super) struct Flights {
    shards: [Mutex<Shard>; SHARDS],
}

/// By the hash of a key, and its bytes.
type Shard = HashMap<u64, Vec<(Box<[u8]>, watch::Receiver<FlightResult>)>, PassThrough>;

/// The key of a flight.
#[derive(Clone, Copy, Debug)]
pub struct FlightKey<'a> {
    pub hash: u64,
    pub bytes: &'a [u8],
}

/// The result of the leading request.
#[derive(Clone, Debug, Default)]
pub enum FlightResult {
    #[default]
    Pending,
    Stored(Arc<StoredResponse>),
    /// A response for its own client alone. Everyone else goes to the application, all at once.
    Unshared,
    Failed(FailureKind),
    /// It has ended without a result: someone else must lead.
    Abandoned,
}

/// The role of a request.
#[derive(Debug)]
pub enum Joined {
    Leader(FlightLeader),
    Follower(FlightFollower),
}

/// The request that goes to the application. Its end lets all followers go, also if it is dropped.
#[derive(Debug)]
pub struct FlightLeader {
    flights: Arc<Flights>,
    hash: u64,
    bytes: Box<[u8]>,
    result: watch::Sender<FlightResult>,
}

/// A request that waits.
#[derive(Debug)]
pub struct FlightFollower(watch::Receiver<FlightResult>);

// === impl Flights ===

impl Flights {
    /// Joins the flight of a key, or begins one.
    pub(super) fn join(self: &Arc<Self>, key: FlightKey<'_>) -> Joined {
        let mut shard = self.shard(key.hash);
        let same_hash = shard.entry(key.hash).or_default();
        if let Some((_, result)) = same_hash.iter().find(|(bytes, _)| **bytes == *key.bytes) {
            return Joined::Follower(FlightFollower(result.clone()));
        }
        let (sender, receiver) = watch::channel(FlightResult::Pending);
        let bytes: Box<[u8]> = key.bytes.into();
        same_hash.push((bytes.clone(), receiver));
        let flights = Arc::clone(self);
        Joined::Leader(FlightLeader { flights, hash: key.hash, bytes, result: sender })
    }

    /// Returns the number of flights.
    #[cfg(test)]
    fn len(&self) -> usize {
        let count = |shard: &Mutex<Shard>| lock(shard).values().map(Vec::len).sum::<usize>();
        self.shards.iter().map(count).sum()
    }

    fn remove(&self, hash: u64, bytes: &[u8]) {
        let mut shard = self.shard(hash);
        let Some(same_hash) = shard.get_mut(&hash) else { return };
        same_hash.retain(|(one, _)| **one != *bytes);
        if same_hash.is_empty() {
            shard.remove(&hash);
        }
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        #[expect(clippy::indexing_slicing, reason = "the index is a remainder of the length")]
        lock(&self.shards[hash as usize % SHARDS])
    }
}

/// Locks a map that is always consistent.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl FlightLeader ===

impl FlightLeader {
    /// Whether anyone waits.
    pub fn has_followers(&self) -> bool {
        // The map has a receiver of its own.
        self.result.receiver_count() > 1
    }

    /// Ends the flight. Whoever comes later looks into the cache, so a response must be stored before.
    pub fn land(self, result: FlightResult) {
        self.result.send_replace(result);
    }
}

impl Drop for FlightLeader {
    fn drop(&mut self) {
        self.flights.remove(self.hash, &mem::take(&mut self.bytes));
        self.result.send_if_modified(|result| {
            let is_pending = matches!(result, FlightResult::Pending);
            if is_pending {
                *result = FlightResult::Abandoned;
            }
            is_pending
        });
    }
}

// === impl FlightFollower ===

impl FlightFollower {
    /// Waits for the end of the flight.
    pub async fn end(mut self) -> FlightResult {
        let is_over = |result: &FlightResult| !matches!(result, FlightResult::Pending);
        match self.0.wait_for(is_over).await {
            Ok(result) => result.clone(),
            Err(_) => FlightResult::Abandoned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bytes: &[u8]) -> FlightKey<'_> {
        // All keys have the same hash.
        FlightKey { hash: 7, bytes }
    }

    fn lead(flights: &Arc<Flights>, bytes: &[u8]) -> FlightLeader {
        match flights.join(key(bytes)) {
            Joined::Leader(leader) => leader,
            Joined::Follower(_) => panic!("someone leads already"),
        }
    }

    fn follow(flights: &Arc<Flights>, bytes: &[u8]) -> FlightFollower {
        match flights.join(key(bytes)) {
            Joined::Leader(_) => panic!("nobody leads"),
            Joined::Follower(follower) => follower,
        }
    }

    #[tokio::test]
    async fn followers_get_what_the_leader_brings() {
        let flights = Arc::<Flights>::default();
        let leader = lead(&flights, b"a");
        let other = lead(&flights, b"b");
        assert!(!leader.has_followers());
        let followers: Vec<_> = (0..5).map(|_| follow(&flights, b"a").end()).collect();
        assert!(leader.has_followers());
        leader.land(FlightResult::Failed(FailureKind::QueueTimeout));
        for follower in followers {
            assert!(matches!(follower.await, FlightResult::Failed(FailureKind::QueueTimeout)));
        }
        assert_eq!(flights.len(), 1);
        drop(other);
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn dropped_leader_lets_followers_go() {
        let flights = Arc::<Flights>::default();
        let leader = lead(&flights, b"a");
        let follower = follow(&flights, b"a");
        drop(leader);
        assert!(matches!(follower.end().await, FlightResult::Abandoned));
        // The next one leads.
        drop(lead(&flights, b"a"));
    }

    #[tokio::test]
    async fn flight_that_is_over_cannot_be_joined() {
        let flights = Arc::<Flights>::default();
        lead(&flights, b"a").land(FlightResult::Unshared);
        let second = lead(&flights, b"a");
        let follower = follow(&flights, b"a");
        second.land(FlightResult::Unshared);
        assert!(matches!(follower.end().await, FlightResult::Unshared));
        assert_eq!(flights.len(), 0);
    }
}

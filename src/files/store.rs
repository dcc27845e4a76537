//! The files found so far, shared by all workers and bounded in bytes. A hit costs one short lock;
//! the disk is looked at again at most once in `check_interval`, and only for files in use.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{
    entry::{Entry, Key},
    load::{self, Found},
};
use crate::{plan, telemetry::metrics::Process};

const SHARDS: usize = 16;

/// Finds files. Cheap to share; all methods may be called from any worker.
#[derive(Debug)]
pub struct Store {
    roots: Vec<PathBuf>,
    /// Bytes.
    budget: u64,
    /// Milliseconds.
    check_interval: u64,
    max_age: Duration,
    seed: u64,
    begin: Instant,
    shards: [Mutex<Shard>; SHARDS],
    metrics: Arc<Process>,
    /// Whether a large file is being hashed; one at a time is enough.
    hashing: AtomicBool,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<u64, Arc<Entry>, BuildHasherDefault<Hashed>>,
    /// Candidates for eviction, oldest first; those in use get a second chance.
    queue: VecDeque<u64>,
}

/// Passes on a key that is a hash already.
#[derive(Debug, Default)]
struct Hashed(u64);

// === impl Store ===

impl Store {
    /// An empty store over the plan's roots.
    pub fn new(plan: &plan::Files, metrics: Arc<Process>) -> Self {
        Self {
            roots: plan.roots.iter().filter_map(|root| root.directories.first().cloned()).collect(),
            budget: plan.memory,
            check_interval: plan.check_interval.map_or(u64::MAX, milliseconds),
            max_age: plan.roots.first().map_or(Duration::ZERO, |root| root.max_age),
            seed: fastrand::u64(..),
            begin: Instant::now(),
            shards: Default::default(),
            metrics,
            hashing: AtomicBool::new(false),
        }
    }

    /// A file that was looked at a moment ago. `name` is relative, without dot segments.
    pub fn fresh(&self, root: usize, name: &[u8], now: Instant) -> Option<Arc<Entry>> {
        let entry = self.known(root, name)?;
        let age = self.clock(now).saturating_sub(entry.checked());
        if age > self.check_interval {
            return None;
        }
        entry.mark_used();
        Some(entry)
    }

    /// Looks at the disk, on the blocking pool.
    pub async fn find(self: Arc<Self>, root: usize, name: &[u8]) -> io::Result<Found> {
        let key = Key { root, name: name.into() };
        let looked = tokio::task::spawn_blocking(move || self.look(&key)).await;
        looked.unwrap_or_else(|panic| Err(io::Error::other(panic)))
    }

    fn look(self: Arc<Self>, key: &Key) -> io::Result<Found> {
        let Some(root) = self.roots.get(key.root) else { return Ok(Found::Missing) };
        let now = self.clock(Instant::now());
        if let Some(entry) = self.known(key.root, &key.name) {
            if load::is_current(root, &entry)? {
                entry.set_checked(now);
                entry.mark_used();
                self.strengthen_later(&entry);
                return Ok(Found::File(entry));
            }
            self.remove(&entry);
        }
        let found = load::load(root, key, self.max_age)?;
        if let Found::File(entry) = &found {
            entry.set_checked(now);
            self.insert(Arc::clone(entry));
            self.strengthen_later(entry);
        }
        Ok(found)
    }

    /// Gives a large file its strong tag, in the background: a first byte never waits for it.
    fn strengthen_later(self: &Arc<Self>, entry: &Arc<Entry>) {
        // An entry that can't be kept would be hashed again at every request.
        if !entry.is_weak()
            || entry.cost() > self.budget
            || self.hashing.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let (store, entry) = (Arc::clone(self), Arc::clone(entry));
        tokio::task::spawn_blocking(move || {
            match load::strengthen(&entry, store.max_age) {
                Ok(Some(strong)) => {
                    strong.set_checked(entry.checked());
                    store.insert(Arc::new(strong));
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "large file could not be hashed"),
            }
            store.hashing.store(false, Ordering::Relaxed);
        });
    }

    fn known(&self, root: usize, name: &[u8]) -> Option<Arc<Entry>> {
        let hash = self.hash(root, name);
        let entry = self.shard(hash).entries.get(&hash).map(Arc::clone)?;
        (entry.key.root == root && *entry.key.name == *name).then_some(entry)
    }

    fn insert(&self, entry: Arc<Entry>) {
        let cost = entry.cost();
        if cost > self.budget {
            return;
        }
        let hash = self.hash(entry.key.root, &entry.key.name);
        self.metrics.file_store_bytes.fetch_add(cost, Ordering::Relaxed);
        let mut shard = self.shard(hash);
        if let Some(replaced) = shard.entries.insert(hash, entry) {
            self.metrics.file_store_bytes.fetch_sub(replaced.cost(), Ordering::Relaxed);
        } else {
            shard.queue.push_back(hash);
        }
        drop(shard);
        self.shrink(hash);
    }

    fn remove(&self, entry: &Arc<Entry>) {
        let hash = self.hash(entry.key.root, &entry.key.name);
        let mut shard = self.shard(hash);
        if shard.entries.get(&hash).is_some_and(|known| Arc::ptr_eq(known, entry)) {
            shard.entries.remove(&hash);
            shard.queue.retain(|queued| *queued != hash);
            self.metrics.file_store_bytes.fetch_sub(entry.cost(), Ordering::Relaxed);
        }
    }

    /// Throws away what was not used lately until the budget holds, beginning at one shard.
    fn shrink(&self, begin: u64) {
        for step in 0..SHARDS as u64 * 2 {
            let mut shard = self.shard(begin.wrapping_add(step));
            // Twice round the queue takes every second chance away.
            for _ in 0..shard.queue.len() * 2 {
                if self.metrics.file_store_bytes.load(Ordering::Relaxed) <= self.budget {
                    return;
                }
                let Some(hash) = shard.queue.pop_front() else { break };
                match shard.entries.get(&hash) {
                    Some(entry) if entry.take_used() => shard.queue.push_back(hash),
                    Some(entry) => {
                        let cost = entry.cost();
                        shard.entries.remove(&hash);
                        self.metrics.file_store_bytes.fetch_sub(cost, Ordering::Relaxed);
                    }
                    None => {}
                }
            }
        }
    }

    fn hash(&self, root: usize, name: &[u8]) -> u64 {
        xxh3_64_with_seed(name, self.seed ^ root as u64)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        #[expect(clippy::indexing_slicing, reason = "the index is a remainder of the length")]
        let shard = &self.shards[(hash % SHARDS as u64) as usize];
        // A panic while it was held can leave the queue and the map out of step at worst.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clock(&self, now: Instant) -> u64 {
        milliseconds(now.saturating_duration_since(self.begin))
    }
}

// === impl Hashed ===

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are u64");
    }

    fn write_u64(&mut self, hash: u64) {
        // The low bits chose the shard; the map wants bits that still differ within it.
        self.0 = hash.rotate_right(4);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

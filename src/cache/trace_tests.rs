//! Compares the eviction with an LRU, on two synthetic traces.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use super::eviction::{Evictable, EvictionQueue, UseCount};

impl Evictable for Rc<UseCount> {
    fn uses(&self) -> &UseCount {
        self
    }
}

/// One request: an object and its bytes.
type Request = (u64, u64);

/// Hits of all requests, and of all bytes, in per mille.
#[derive(Clone, Copy, Debug)]
struct HitRatio {
    requests: u64,
    bytes: u64,
}

/// A generator of numbers with a Zipf distribution.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(objects: u32, exponent: f64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=objects).map(|rank| f64::from(rank).powf(-exponent));
        Self(
            weights
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect(),
        )
    }

    fn next(&self, random: &mut fastrand::Rng) -> u64 {
        let point = random.f64() * self.0.last().unwrap();
        self.0.partition_point(|sum| *sum < point) as u64
    }
}

/// Popular pages of similar sizes, and now and then a crawler that requests hundreds of others once.
fn zipf_with_scans() -> Vec<Request> {
    let (mut random, zipf) = (fastrand::Rng::with_seed(1), Zipf::new(4000, 0.9));
    let mut next_scanned = 1_000_000;
    let mut trace = Vec::new();
    for _ in 0..40 {
        trace.extend((0..1500).map(|_| (zipf.next(&mut random), 4000)));
        trace.extend((0..700).map(|_| {
            next_scanned += 1;
            (next_scanned, 4000)
        }));
    }
    trace
}

/// Objects from 500 bytes to 2 MB, whose sizes have nothing to do with their popularity, which changes slowly.
fn mixed_sizes() -> Vec<Request> {
    let (mut random, zipf) = (fastrand::Rng::with_seed(2), Zipf::new(4000, 0.8));
    let size = |_| (500.0 * 4000_f64.powf(random.f64().powi(2))) as u64;
    let sizes: Vec<u64> = (0..4000).map(size).collect();
    let mut random = fastrand::Rng::with_seed(3);
    let request = |index: usize| {
        let object = (zipf.next(&mut random) as usize + index / 20_000 * 10) % sizes.len();
        (object as u64, sizes[object])
    };
    (0..80_000).map(request).collect()
}

fn of_lru(trace: &[Request], memory: u64) -> HitRatio {
    let mut entries: HashMap<u64, (u64, u64)> = HashMap::new();
    let mut order = BTreeMap::new();
    let mut used = 0;
    replay(trace, |moment, object, bytes| {
        let is_hit = entries.contains_key(&object);
        if let Some((last, _)) = entries.insert(object, (moment, bytes)) {
            order.remove(&last);
        } else {
            used += bytes;
        }
        order.insert(moment, object);
        while used > memory {
            let (_, oldest) = order.pop_first().unwrap();
            used -= entries.remove(&oldest).unwrap().1;
        }
        is_hit
    })
}

fn of_queue(trace: &[Request], memory: u64) -> HitRatio {
    let mut queue = EvictionQueue::<Rc<UseCount>>::default();
    let mut entries: HashMap<u64, Rc<UseCount>> = HashMap::new();
    replay(trace, |_, object, bytes| {
        if let Some(uses) = entries.get(&object) {
            uses.count();
            return true;
        }
        while queue.bytes() + bytes > memory {
            let (evicted, _) = queue.evict(|_| false).unwrap();
            entries.remove(&evicted).unwrap();
        }
        let uses = Rc::<UseCount>::default();
        entries.insert(object, Rc::clone(&uses));
        queue.add(uses, object, bytes);
        assert_eq!(queue.len(), entries.len());
        false
    })
}

fn replay(trace: &[Request], mut is_hit: impl FnMut(u64, u64, u64) -> bool) -> HitRatio {
    let (mut hits, mut hit_bytes, mut all_bytes) = (0, 0, 0);
    for (moment, (object, bytes)) in trace.iter().enumerate() {
        all_bytes += bytes;
        if is_hit(moment as u64, *object, *bytes) {
            hits += 1;
            hit_bytes += bytes;
        }
    }
    HitRatio { requests: hits * 1000 / trace.len() as u64, bytes: hit_bytes * 1000 / all_bytes }
}

#[test]
fn more_requests_are_hits_than_with_an_lru() {
    for (name, trace, memory) in [
        ("zipf with scans", zipf_with_scans(), 400 * 4000),
        ("zipf with scans, small", zipf_with_scans(), 80 * 4000),
        ("mixed sizes", mixed_sizes(), 10_000_000),
        ("mixed sizes, small", mixed_sizes(), 5_000_000),
    ] {
        let (queue, lru) = (of_queue(&trace, memory), of_lru(&trace, memory));
        println!("{name}: {queue:?}, LRU {lru:?}");
        assert!(queue.requests >= lru.requests + 70, "{name}: {queue:?}, LRU {lru:?}");
        assert!(queue.bytes > lru.bytes, "{name}: {queue:?}, LRU {lru:?}");
    }
}
